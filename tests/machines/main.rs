//! Machines of many kinds that are made from a few numbers: healthy ones, of which nothing may be said, and sick ones
//! with what an expert would say.
//!
//! To look at one by hand: `DIAG_MACHINES=/some/dir cargo test --test machines`, then `diag replay /some/dir/NAME.diag`.

#![allow(clippy::disallowed_methods, reason = "a test writes files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]
#![allow(clippy::panic, reason = "a machine that cannot be is a mistake of the test")]

mod healthy;
mod machine;
mod sick;
#[path = "../support/mod.rs"]
mod support;

use machine::{Machine, Made};
use serde_json::Value;
use sick::Truth;
use std::fs;
use std::path::PathBuf;

/// The report of a machine's capture; the capture stays where the environment says.
fn report_of(name: &str, machine: &Machine) -> Value {
    let bytes = machine.capture();
    assert!(bytes.len() < 4 << 20, "{name} has {} B", bytes.len());
    if let Some(folder) = std::env::var_os("DIAG_MACHINES") {
        fs::write(PathBuf::from(folder).join(format!("{name}.diag")), &bytes).unwrap();
    }
    let (_folder, file) = support::file_of(&bytes);
    support::replayed(&file)
}

/// What of a report is not as it should be.
fn wrong(report: &Value, truth: &Truth) -> Vec<String> {
    let verdict = &report["verdict"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (id, severity, culprit) =
        (text(&verdict["bottleneck"]), text(&verdict["severity"]), text(&verdict["culprit"]["comm"]));
    let summary = text(&verdict["summary"]);
    let mut wrong = Vec::new();
    let mut hold = |fits: bool, what: String| {
        if !fits {
            wrong.push(what);
        }
    };
    hold(
        truth.verdict.contains(&id.as_str()),
        format!("verdict {id} ({severity}), not {:?}: {summary}", truth.verdict),
    );
    hold(
        truth.severity.contains(&severity.as_str()),
        format!("severity {severity}, not {:?}: {summary}", truth.severity),
    );
    let named = truth.culprit.is_empty() || truth.culprit.contains(&culprit.as_str());
    hold(named, format!("culprit {culprit:?}, not {:?}: {summary}", truth.culprit));
    let said = format!("{summary} {}", verdict["culprit"]);
    for word in truth.says {
        hold(said.contains(word), format!("does not say {word:?}: {said}"));
    }
    let findings = report["findings"].as_array().unwrap();
    for id in truth.lists {
        hold(findings.iter().any(|finding| finding["id"] == *id), format!("does not list {id}"));
    }
    wrong
}

fn check(machines: &[(&str, Truth, Made)]) {
    let mut all = Vec::new();
    for (name, truth, machine) in machines {
        all.extend(
            wrong(&report_of(name, &machine()), truth).into_iter().map(|what| format!("{name}: {what}")),
        );
    }
    assert!(all.is_empty(), "{} are wrong\n{}", all.len(), all.join("\n"));
}

#[test]
fn healthy_machines_are_called_healthy() {
    let healthy = Truth { verdict: &["none"], severity: &["ok"], culprit: &[], says: &[], lists: &[] };
    let machines: Vec<_> = healthy::ALL.iter().map(|(name, machine)| (*name, healthy, *machine)).collect();
    check(&machines);
}

#[test]
fn sick_machines_are_understood() {
    check(sick::ALL);
}

#[test]
fn a_wrong_answer_is_noticed() {
    let report = report_of("full", &sick::ALL[0].2());
    let truth = sick::ALL[0].1;
    assert_eq!(wrong(&report, &truth), Vec::<String>::new());
    let other = Truth {
        verdict: &["none"],
        severity: &["ok"],
        culprit: &["nginx"],
        says: &["swap"],
        lists: &["zombies"],
    };
    assert_eq!(wrong(&report, &other).len(), 5);
}
