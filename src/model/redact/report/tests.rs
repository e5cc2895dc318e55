//! A report that tells something in every string of it.

use super::super::Style;
use super::*;
use crate::render::{flamegraph, folded, json, jsonl, markdown, nagios, prometheus, test_report, text};

const SECRETS: [&str; 9] = [
    "carol",
    "shop-7",
    "example.org",
    "10.20.30.40",
    "2001:db9::5",
    "s3cret",
    "4f5e6d7c8b9a",
    "0c3f2c9a-1111-2222-3333-444455556666",
    "diary",
];

fn redacted(mut report: Report, users: &[&str]) -> Report {
    let mut redactor = Redactor::new(Style::Report);
    redactor.know_users(&(1000..).zip(users.iter().map(|user| (*user).to_owned())).collect());
    redactor.learn(&report);
    redactor.report(&mut report);
    report
}

/// A box whose every string tells something.
fn telling() -> Report {
    let mut report = test_report::busy();
    let told = "php-fpm of carol on shop-7 (10.20.30.40, 2001:db9::5) reads /home/carol/diary.txt in docker:4f5e6d7c8b9a";
    report.host.hostname = Some("shop-7.example.org".to_owned());
    report.host.boot_id = Some("0c3f2c9a-1111-2222-3333-444455556666".to_owned());
    report.diag.config_files = vec!["/home/carol/.config/diary".to_owned()];
    report.verdict.summary = told.to_owned();
    if let Some(culprit) = &mut report.verdict.culprit {
        culprit.user = Some("carol".to_owned());
        culprit.cmdline = Some("php-fpm --password s3cret".to_owned());
        culprit.unit = Some("app@carol.service".to_owned());
        culprit.why = Some(format!("it was started as php-fpm --password s3cret; {told}"));
    }
    for row in &mut report.processes {
        row.user = Some("carol".to_owned());
        row.cmdline = Some("php-fpm --password s3cret".to_owned());
        row.unit = Some("docker:4f5e6d7c8b9a".to_owned());
    }
    for finding in &mut report.findings {
        finding.summary = told.to_owned();
        finding.against = vec![told.to_owned()];
        finding.evidence.iter_mut().for_each(|evidence| evidence.source = told.to_owned());
        finding.advice.iter_mut().for_each(|advice| advice.command = Some(told.to_owned()));
    }
    report.steps.iter_mut().for_each(|step| step.summary = told.to_owned());
    for group in &mut report.load.groups {
        group.unit = Some("backup-shop-7.service".to_owned());
    }
    if let Some(target) = &mut report.target {
        target.unit = Some("lxc:carol".to_owned());
        target.summary = "lxc:carol spent 1 s".to_owned();
    }
    if let Some(profile) = &mut report.profile {
        profile.stacks = vec!["php-fpm;/home/carol/diary.so;main 5".to_owned()];
        profile.frames[0].module = Some("/home/carol/my diary.so".to_owned());
        profile.waits[0].subject = Some("/home/carol/my diary.txt".to_owned());
    }
    report.not_checked[0].reason = told.to_owned();
    report
}

#[test]
fn nothing_is_left_in_any_format() {
    let report = redacted(telling(), &["carol"]);
    let profile = report.profile.as_ref().unwrap();
    for text in [
        text::render(&report, &text::TextOptions::default()),
        json::render(&report).unwrap(),
        jsonl::render(&report).unwrap(),
        markdown::render(&report),
        nagios::render(&report),
        prometheus::render(&report),
        folded::folded(profile),
        flamegraph::svg(profile, "x").unwrap(),
    ] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    let text = json::render(&report).unwrap();
    for kept in [
        "php-fpm of user-1 on host-1 (address-1, address-2) reads /home/user-1/path-",
        "app@user-1.service",
        "backup-host-1.service",
        "command-1",
        "docker:id-",
    ] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
}

#[test]
fn what_tells_nothing_stays() {
    let before = test_report::busy();
    let after = redacted(before.clone(), &[]);
    assert_eq!(after.verdict.summary, before.verdict.summary);
    assert_eq!(after.verdict.cause_chain, before.verdict.cause_chain);
    assert_eq!(after.steps, before.steps);
    assert_eq!(after.findings, before.findings);
    assert_eq!(after.load, before.load);
    assert_eq!(after.profile, before.profile);
    assert_eq!(after.processes[0].user.as_deref(), Some("user-1"));
    redacted(test_report::hostile(), &[test_report::HOSTILE]);
}
