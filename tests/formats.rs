//! The formats for monitors, as a monitor sees them: what is on standard output, and the exit code.

#![allow(clippy::disallowed_methods, reason = "tests start the program and look at its files")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use support::{MadeBox, file_of, stderr, stdout};

fn captures() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("window.diag")).collect();
    files.retain(|file| file.is_file());
    files.sort();
    assert!(files.len() > 20, "{files:?}");
    files
}

/// diag under the name `called`.
fn called(called: &str, arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
    command.arg0(called).args(arguments).env("DIAG_NO_CONFIG", "1").output().unwrap()
}

fn replay(file: &Path, more: &[&str]) -> Output {
    let words = ["replay".as_ref(), file.as_os_str()].into_iter().chain(more.iter().map(OsStr::new));
    called("diag", &words.collect::<Vec<_>>())
}

#[test]
fn a_plugin_answers_with_the_four_states() {
    for ((_folder, file), state, code) in [
        (MadeBox::critical().file(), "CRITICAL", 2),
        (MadeBox::idle().file(), "OK", 0),
        (file_of(&MadeBox::default().stopped_capture()), "UNKNOWN", 3),
    ] {
        for output in [
            replay(&file, &["--format", "nagios"]),
            called("/usr/lib/nagios/plugins/check_diag", &["replay".as_ref(), file.as_os_str()]),
        ] {
            assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
            assert!(stdout(&output).starts_with(&format!("DIAG {state} - ")), "{}", stdout(&output));
            assert_eq!(stderr(&output), "");
        }
    }
}

#[test]
fn a_plugin_that_cannot_answer_says_unknown_on_one_line() {
    for arguments in [
        &["--format", "nagios", "--bogus"][..],
        &["--bogus\n|\x1b[2J", "--format=nagios"],
        &["--format", "nagios", "replay", "/nowhere"],
        &["--format", "nagios", "--interval", "1", "--root", "/nowhere"],
        &["--format", "nagios", "--pid", "0"],
        &["--format", "nagios", "--fail-on", "warning"],
        &["explain", "none", "--format", "nagios"],
    ] {
        let words: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let output = called("diag", &words);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {text}");
        assert!(text.starts_with("DIAG UNKNOWN - ") && text.lines().count() == 1, "{arguments:?}: {text}");
        assert!(!text.contains(['|', '\x1b']), "{text:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
    let help = called("check_diag", &["--help".as_ref()]);
    assert_eq!(help.status.code(), Some(3));
    assert!(stdout(&help).contains("Usage:"));
}

#[test]
fn every_capture_can_be_told_in_every_format() {
    for file in captures() {
        let prometheus = stdout(&replay(&file, &["--format", "prometheus"]));
        let heads = prometheus.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(heads, 14, "{}: {prometheus}", file.display());
        let series = prometheus.lines().filter(|line| line.starts_with("diag_bottleneck_severity{")).count();
        assert_eq!(series, 6, "{}: {prometheus}", file.display());
        assert!(prometheus.contains("diag_run_success 1\n"));
        let nagios = stdout(&replay(&file, &["--format", "nagios"]));
        assert!(nagios.len() < 4096 && nagios.lines().next().unwrap().len() < 1024, "{nagios}");
        let ticket = stdout(&replay(&file, &["--format", "markdown"]));
        assert!(ticket.starts_with("### ") && ticket.len() < 4096, "{ticket}");
        let line = stdout(&replay(&file, &["--format", "jsonl"]));
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let report: serde_json::Value = serde_json::from_str(&line).unwrap();
        let id = report["verdict"]["bottleneck"].as_str().unwrap();
        assert!(prometheus.contains(&format!("code=\"{id}\"}} 1\n")), "{prometheus}");
    }
}

#[test]
fn every_bottleneck_belongs_to_a_resource() {
    for rule in diag::diagnose::rules::RULES.iter().filter(|rule| rule.id != "none") {
        assert_ne!(rule.resource, diag::model::bottleneck::Resource::None, "{}", rule.id);
    }
}

#[test]
fn metrics_are_readable_by_the_exporter_and_replaced_whole() {
    let (folder, file) = MadeBox::critical().file();
    let written = folder.path().join("diag.prom");
    for _ in 0..2 {
        // As a unit with a strict umask would run it.
        let script = format!(
            "umask 077; exec {} replay {} --format prometheus --output {}",
            env!("CARGO_BIN_EXE_diag"),
            file.display(),
            written.display()
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    }
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o644);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_redacted_capture_gives_the_same_verdict_without_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.diag");
    let words: [&OsStr; 7] = [
        "record".as_ref(),
        file.as_os_str(),
        "--interval".as_ref(),
        "1s".as_ref(),
        "--redact".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
    ];
    let output = called("diag", &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let live: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let again: serde_json::Value =
        serde_json::from_str(&stdout(&replay(&file, &["--format", "json"]))).unwrap();
    assert_eq!(live["verdict"]["bottleneck"], again["verdict"]["bottleneck"]);
    assert_eq!(live["host"]["hostname"], again["host"]["hostname"]);
    assert_eq!(live["findings"].as_array().unwrap().len(), again["findings"].as_array().unwrap().len());
    let mut raw = Vec::new();
    let packed = flate2::read::GzDecoder::new(fs::File::open(&file).unwrap());
    std::io::Read::read_to_end(&mut { packed }, &mut raw).unwrap();
    let told = String::from_utf8_lossy(&raw).into_owned() + &stdout(&output);
    let secret = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    for secret in
        ["/proc/sys/kernel/hostname", "/proc/sys/kernel/random/boot_id"].into_iter().filter_map(secret)
    {
        // A short name is part of other words.
        assert!(secret.len() < 6 || !told.contains(&secret), "{secret} is left");
    }
    assert!(
        live["processes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| { row["cmdline"].as_str().is_none_or(|line| line.starts_with("command-")) })
    );
    assert!(!told.contains("--redact\0"), "a command line is left");
}

#[test]
fn every_capture_can_be_redacted() {
    for file in captures() {
        let plain = stdout(&replay(&file, &["--format", "jsonl"]));
        let redacted = stdout(&replay(&file, &["--format", "jsonl", "--redact"]));
        let [plain, redacted]: [serde_json::Value; 2] =
            [plain, redacted].map(|text| serde_json::from_str(&text).unwrap());
        assert_eq!(redacted["host"]["hostname"], "host-1");
        for same in ["steps", "load"] {
            assert_eq!(plain[same].as_array().map(Vec::len), redacted[same].as_array().map(Vec::len));
        }
        assert_eq!(plain["verdict"]["cause_chain"], redacted["verdict"]["cause_chain"]);
        assert_eq!(
            plain["verdict"]["culprit"]["comm"],
            redacted["verdict"]["culprit"]["comm"],
            "{}",
            file.display()
        );
        // What is changed in the text of these captures is an address, an id or a server.
        let summary = redacted["verdict"]["summary"].as_str().unwrap();
        let words = |text: &str| text.split_whitespace().count();
        assert_eq!(words(plain["verdict"]["summary"].as_str().unwrap()), words(summary), "{summary}");
    }
}
