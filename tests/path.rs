//! The path that a report tells ends at its verdict, in every capture.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::diagnose::rule::Lane;
use diag::diagnose::rules::by_id;
use diag::model::bottleneck::BottleneckId;
use diag::model::finding::StepId;
use diag::model::report::Report;
use std::path::{Path, PathBuf};

/// What is wrong with the path of a report; none where it leads to the verdict.
fn wrong(report: &Report) -> Option<String> {
    let steps = &report.steps;
    let told: Vec<String> = steps.iter().map(|step| format!("{:?}: {}", step.step, step.answer)).collect();
    let fail = |what: &str| Some(format!("{what}: {} by {}", report.verdict.bottleneck, told.join(", ")));
    let ids: Vec<StepId> = steps.iter().map(|step| step.step).collect();
    if ids[..2] != [StepId::LoadAverage, StepId::CpuOrIo] || !ids.contains(&StepId::Who) {
        return fail("it does not begin or end as the triage does");
    }
    if steps.iter().map(|step| step.next).ne(ids.iter().skip(1).copied().map(Some).chain([None])) {
        return fail("a step does not lead to the next");
    }
    if steps.iter().any(|step| step.brief.is_empty() || step.brief.to_string().chars().count() > 80) {
        return fail("a step has no short answer");
    }
    let rule = by_id(report.verdict.bottleneck);
    match rule.map_or(Lane::Nowhere, |rule| rule.lane) {
        Lane::Nowhere => None,
        lane if lane.ends(steps) => None,
        _ => fail("it ends elsewhere"),
    }
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|folder| folder.join("window.diag")).filter(|file| file.exists()).collect()
}

fn report(capture: &Path) -> Report {
    serde_json::from_value(support::replayed(capture)).unwrap()
}

#[test]
fn the_path_of_every_capture_ends_at_its_verdict() {
    let captures = captures();
    assert!(captures.len() >= 38);
    let wrong: Vec<String> = captures
        .iter()
        .filter_map(|capture| wrong(&report(capture)).map(|what| format!("{}: {what}", capture.display())))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), captures.len(), wrong.join("\n"));
}

#[test]
fn where_neither_cpu_nor_io_is_short_the_path_goes_to_limits_and_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let report = report(&folder.join("disk-full/window.diag"));
    let answers: Vec<String> = report.steps.iter().map(|step| step.answer.to_string()).collect();
    assert_eq!(answers[1..3], ["neither", "full file system"]);
    let turn = &report.steps[1].summary;
    assert!(turn.to_string().ends_with("the bottleneck was found among limits, locks and errors."), "{turn}");
}

#[test]
fn a_path_that_ends_elsewhere_is_noticed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut report = report(&folder.join("cpu-user/window.diag"));
    assert_eq!(wrong(&report), None);
    report.verdict.bottleneck = BottleneckId::DiskFull;
    assert!(wrong(&report).is_some());
    report.verdict.bottleneck = BottleneckId::CpuUser;
    report.steps[0].next = None;
    assert!(wrong(&report).is_some());
}
