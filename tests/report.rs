//! The tuning report of every recorded window, as the program prints it.

#![allow(clippy::disallowed_methods, reason = "this test runs the program and reads its captures")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("window.diag"));
    let mut files: Vec<PathBuf> = entries.filter(|file| file.exists()).collect();
    files.sort();
    assert!(files.len() > 30, "the captures were not found");
    files
}

fn report(arguments: &[&Path]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_diag"))
        .env("DIAG_NO_CONFIG", "1")
        .arg("report")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_advice_has_its_effect_its_risk_its_undo_and_a_check() {
    for file in captures() {
        let page = report(&[&file]);
        let text = page.split("<section aria-labelledby=\"h-do\"").nth(1).unwrap();
        let text = text.split("<section aria-labelledby=\"h-who\"").next().unwrap();
        let actions = text.matches("<li class=\"card\">").count();
        for part in ["To expect", "Risk", "Undo"] {
            assert_eq!(
                text.matches(&format!("<dt>{part}</dt>")).count(),
                actions,
                "{part}: {}",
                file.display()
            );
        }
        let findings = text.matches("<h3>Against ").count();
        assert_eq!(text.matches("Check afterwards").count(), findings, "{}", file.display());
        assert_eq!(text.matches("<dt>Evidence</dt>").count(), findings, "{}", file.display());
        assert!(page.len() < 120_000, "{} bytes: {}", page.len(), file.display());
        let healthy = page.contains("<div class=\"verdict ok\">");
        assert_eq!(actions == 0, healthy || findings == 0, "{}", file.display());
        if healthy {
            assert!(page.contains("None: no setting that differs"), "{}", file.display());
        }
    }
}

#[test]
fn a_ticket_is_short_and_whole() {
    for file in captures() {
        let text = report(&[&file, Path::new("--format"), Path::new("markdown")]);
        assert!(text.len() < 4096, "{} bytes: {}", text.len(), file.display());
        assert_eq!(text.matches("```").count() % 2, 0, "{}", file.display());
        assert!(text.starts_with("## ") && text.contains("\n**"), "{text}");
    }
}

#[test]
fn a_window_beside_itself_has_nothing_fixed() {
    for file in captures() {
        let text =
            report(&[Path::new("--compare"), &file, &file, Path::new("--format"), Path::new("markdown")]);
        let outcome = text.lines().next().unwrap();
        let still = [": not fixed", ": healthy", ": unknown"].iter().any(|word| outcome.ends_with(word));
        assert!(still, "{outcome}: {}", file.display());
        assert!(text.contains("Both files are of the same window"), "{text}");
    }
}
