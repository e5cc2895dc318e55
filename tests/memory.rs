//! The account of the memory adds up to all there is, on this machine and in every capture.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{diag, good, replayed};

/// How far the parts may be from the whole: the counters are not of one moment.
const APART: f64 = 0.01;

/// What is wrong with the account of a report; nothing where it adds up.
fn wrong(report: &Value) -> Option<String> {
    let memory = &report["memory"];
    let total = memory["total_bytes"].as_f64()?;
    let parts = memory["parts"].as_array()?;
    let sum: f64 = parts.iter().map(|part| part["bytes"].as_f64().unwrap()).sum();
    let unowned: f64 = parts.iter().map(|part| part["unowned_bytes"].as_f64().unwrap()).sum();
    let owned = parts.iter().all(|part| part["unowned_bytes"].as_f64() <= part["bytes"].as_f64());
    let adds_up = (sum - total).abs() <= APART * total;
    let same = (unowned - memory["unowned_bytes"].as_f64().unwrap()).abs() < 1.0;
    (!(adds_up && owned && same)).then(|| format!("{sum} of {total}: {memory}"))
}

#[test]
fn the_parts_are_all_of_this_machine() {
    let output = diag(["--interval", "1s", "--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["memory"]["total_bytes"].as_u64() > Some(0), "{}", report["memory"]);
    assert_eq!(wrong(&report), None);
    let kinds: Vec<&str> = report["memory"]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| part["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"free") && kinds.contains(&"anonymous") && kinds.contains(&"page-cache"),
        "{kinds:?}"
    );
}

#[test]
fn the_parts_are_all_of_every_capture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let captures = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("window.diag"));
    let captures: Vec<_> = captures.filter(|file| file.is_file()).collect();
    assert!(captures.len() > 30);
    let wrong: Vec<String> = captures
        .iter()
        .filter_map(|file| wrong(&replayed(file)).map(|what| format!("{}: {what}", file.display())))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_account_that_does_not_add_up_is_noticed() {
    let report = |bytes: u64| {
        let part = serde_json::json!({"kind": "free", "name": null, "bytes": bytes, "unowned_bytes": 0});
        serde_json::json!({"memory": {"total_bytes": 1000, "parts": [part], "unowned_bytes": 0}})
    };
    assert_eq!(wrong(&report(995)), None);
    assert!(wrong(&report(980)).is_some() && wrong(&report(1020)).is_some());
}

#[test]
fn the_verbose_text_and_the_reports_have_the_account() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/memory-swap/window.diag");
    let text = good(&diag(["replay", "-v"]).arg(&capture).output().unwrap());
    assert!(text.contains("of memory are") && text.contains("anonymous memory of processes"), "{text}");
    let page = good(&diag(["report"]).arg(&capture).output().unwrap());
    assert!(page.contains("Where the memory is"));
    let ticket = good(&diag(["report", "--format", "markdown"]).arg(&capture).output().unwrap());
    assert!(ticket.contains("Memory: "), "{ticket}");
}
