//! The default text of every capture fits one screen; goldens of some of them at three widths.
//!
//! `INSTA_UPDATE=always cargo test --test screen` writes the goldens anew.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::model::report::Report;
use diag::render::text::{TextOptions, render};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use unicode_width::UnicodeWidthStr as _;

/// Name and report of every capture.
fn reports() -> &'static [(String, Report)] {
    static REPORTS: OnceLock<Vec<(String, Report)>> = OnceLock::new();
    REPORTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let captures: Vec<PathBuf> = entries.filter(|folder| folder.join("window.diag").exists()).collect();
        let mut reports: Vec<(String, Report)> = captures
            .iter()
            .map(|folder| {
                let report = serde_json::from_value(support::replayed(&folder.join("window.diag"))).unwrap();
                (folder.file_name().unwrap().to_str().unwrap().to_owned(), report)
            })
            .collect();
        reports.sort_by(|a, b| a.0.cmp(&b.0));
        reports
    })
}

fn text(report: &Report, width: usize) -> String {
    let sort = report.processes_order;
    render(report, &TextOptions { width, sort, ..TextOptions::default() })
}

/// Lines that the text of `report` may have on a wide screen.
fn most_lines(report: &Report) -> usize {
    if report.verdict.bottleneck.is_bottleneck() { 30 } else { 15 }
}

#[test]
fn every_capture_fits_one_screen() {
    assert!(reports().len() >= 38);
    for (name, report) in reports() {
        let text = text(report, 100);
        let lines = text.lines().count();
        assert!(lines <= most_lines(report), "{name} has {lines} lines:\n{text}");
    }
}

#[test]
fn a_screen_of_24_lines_shows_who_and_what_to_do() {
    for (name, report) in reports() {
        let options = TextOptions { width: 80, lines: 23, ..TextOptions::default() };
        let text = render(report, &options);
        let lines = text.lines().count();
        assert!(lines <= most_lines(report), "{name} has {lines} lines:\n{text}");
        if report.verdict.bottleneck.is_bottleneck() {
            assert!(text.contains("\nDo now\n"), "{name}:\n{text}");
        }
    }
}

#[test]
fn no_line_is_wider_than_the_screen() {
    // What cannot be broken: one word, or one quoted word of a command.
    let unbreakable = |line: &str| {
        let words = line.trim().trim_start_matches("$ ").trim_end_matches(" \\");
        !words.contains(' ') || words.starts_with(['\'', '"'])
    };
    for (name, report) in reports() {
        for width in [40, 60, 80, 100, 132] {
            for line in text(report, width).lines() {
                assert!(line.width() <= width || unbreakable(line), "{name} at {width}: {line:?}");
            }
        }
    }
}

#[test]
fn the_short_text_holds_what_the_verdict_rests_on() {
    for (name, report) in reports() {
        let verdict = &report.verdict;
        let text = text(report, 100);
        let first = text.lines().next().unwrap();
        if !verdict.bottleneck.is_bottleneck() {
            assert!(first.starts_with("OK  healthy"), "{name}: {first}");
            continue;
        }
        let head = format!("{}  {}", verdict.severity.word().to_uppercase(), verdict.bottleneck);
        assert!(first.starts_with(&head), "{name}: {first}");
        assert!(text.contains("  Proof    ") && text.contains("  Path     "), "{name}:\n{text}");
        for pid in verdict.culprit.iter().flat_map(|culprit| culprit.pids.iter().take(12)) {
            assert!(text.contains(&pid.to_string()), "{name} does not list {pid}:\n{text}");
        }
        for news in &report.news {
            let told = news.summary.to_string();
            // A long message of the kernel is cut to its line.
            let event: String = told.split("; ").next().unwrap().chars().take(60).collect();
            assert_eq!(text.matches(event.as_str()).count(), 1, "{name}: {event}\n{text}");
            assert!(!verdict.summary.to_string().contains(event.as_str()), "{name}: {}", verdict.summary);
        }
    }
}

#[test]
fn goldens() {
    for id in ["cpu-user", "disk-full", "memory-cgroup-limit", "disk-saturated", "lock-contention", "none"] {
        let (_, report) = reports().iter().find(|(name, _)| name == id).unwrap();
        for width in [100, 80, 40] {
            insta::assert_snapshot!(format!("{id}-{width}"), text(report, width));
        }
    }
}
