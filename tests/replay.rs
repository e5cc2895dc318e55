//! What was recorded gives the same diagnosis anywhere, in both forms of a capture, and every bottleneck has
//! a capture that shows it.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use flate2::read::GzDecoder;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use support::{BURN, Burner, MadeBox, diag, good, recorded, replayed, report, sound_report};
use tempfile::TempDir;

/// The report without what names the run: its cost and where the numbers came from.
fn unnamed(report: &str) -> String {
    const OF_THE_RUN: [&str; 5] =
        ["cpu_seconds", "max_rss_bytes", "run_cpu_seconds", "run_max_rss_bytes", "source"];
    let names_run = |line: &str| OF_THE_RUN.iter().any(|name| line.starts_with(&format!("    \"{name}\":")));
    let kept: Vec<&str> = report.lines().filter(|line| !names_run(line)).collect();
    assert_eq!(report.lines().count(), kept.len() + OF_THE_RUN.len(), "lines that name the run");
    kept.join("\n")
}

/// Records one second; the report and the capture.
fn record(more: &[&str]) -> (String, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("window.diag");
    let output =
        diag(["record", "--interval", "1s", "--format", "json"]).args(more).arg(&file).output().unwrap();
    let text = recorded(&output, &file);
    sound_report(&text);
    (text, folder, file)
}

fn replay(file: &Path) -> String {
    let output = diag(["replay", "--format", "json"]).arg(file).output().unwrap();
    report(&output);
    good(&output)
}

fn unpack(file: &Path, folder: &Path) {
    tar::Archive::new(GzDecoder::new(File::open(file).unwrap())).unpack(folder).unwrap();
}

fn first_difference<'a>(a: &'a str, b: &'a str) -> String {
    let pair = a.lines().zip(b.lines()).enumerate().find(|(_, (a, b))| a != b);
    pair.map_or_else(
        || "one is longer".to_owned(),
        |(number, (a, b))| format!("line {}: {a:?} against {b:?}", number + 1),
    )
}

#[test]
fn a_replay_says_what_the_recording_run_said() {
    // Something to see: a burner, children that come and go while the sampling looks, and a name that is no text.
    let _burner = Burner::start(b"replay-burner", BURN, &[]);
    let _forks = Burner::start(b"f\xff\x1b[1m\nx", "while :; do /bin/true; sleep 0.05; done", &[]);
    // One that becomes another program while it is looked at.
    let _changes =
        Burner::start(b"before-exec", "i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done; exec yes", &[]);
    let (live, folder, file) = record(&[]);
    let archived = replay(&file);
    assert!(live.contains("\"source\": \"live\"") && archived.contains("\"source\": \"capture\""));
    let (live, archived) = (unnamed(&live), unnamed(&archived));
    assert!(live == archived, "{}", first_difference(&live, &archived));
    let unpacked = folder.path().join("unpacked");
    unpack(&file, &unpacked);
    let directory = unnamed(&replay(&unpacked));
    assert!(live == directory, "{}", first_difference(&live, &directory));
}

#[test]
fn a_replay_knows_what_the_recording_was_asked_about() {
    // Threads that sleep and children that come and go, which only a target's own looks see.
    let forks = Burner::start(b"target-of-replay", "while :; do /bin/true; sleep 0.05; done", &[]);
    let pid = forks.pid().to_string();
    let (live, _folder, file) = record(&["--pid", &pid]);
    let asked = diag(["replay", "--format", "json", "--pid", &pid]).arg(&file).output().unwrap();
    for replayed in [replay(&file), good(&asked)] {
        let (live, replayed) = (unnamed(&live), unnamed(&replayed));
        assert!(live == replayed, "{}", first_difference(&live, &replayed));
    }
    let report: Value = serde_json::from_str(&live).unwrap();
    assert_eq!(report["target"]["pid"].as_u64(), Some(u64::from(forks.pid())));
}

#[test]
fn a_replay_of_a_target_that_was_not_followed_says_so() {
    let burner = Burner::start(b"not-followed", BURN, &[]);
    let pid = burner.pid().to_string();
    let (live, _folder, file) = record(&[]);
    assert!(live.contains("\"target\": null"));
    let report = report(&diag(["replay", "--format", "json", "--pid", &pid]).arg(&file).output().unwrap());
    assert_eq!(report["target"]["threads_count"], 1);
    let not_checked = report["not_checked"].as_array().unwrap();
    assert!(not_checked.iter().any(|item| item["reason"].as_str().unwrap().contains("without following")));
    let output = diag(["replay", "--unit", "no-such-unit"]).arg(&file).output().unwrap();
    assert!(support::one_line(&output, 1).contains("no-such-unit"));
}

#[test]
fn a_replay_gives_the_same_text_twice() {
    let (_folder, file) = MadeBox::critical().file();
    let text = |_| good(&diag(["replay"]).arg(&file).output().unwrap());
    let [once, twice] = [0, 1].map(text);
    // The last lines say what the run cost.
    let body = |text: &str| text.split("\nbox, ").next().unwrap().to_owned();
    assert!(body(&once).len() + 20 < once.len(), "the footer was not found: {once}");
    assert_eq!(body(&once), body(&twice));
}

/// All bytes of a capture, file after file.
fn bytes(file: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    unpack(file, folder.path());
    let (mut bytes, mut folders) = (Vec::new(), vec![folder.path().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { bytes.extend(fs::read(path).unwrap()) }
        }
    }
    bytes
}

#[test]
fn command_lines_can_be_left_out() {
    const MARKER: &[u8] = b"--password=hunter2-of-the-replay-test";
    let burner = Burner::start(b"secretive", BURN, &[MARKER]);
    let pid = burner.pid().to_string();
    let holds = |file: &Path| bytes(file).windows(MARKER.len()).any(|window| window == MARKER);
    let (with, _folder, file) = record(&["--pid", &pid]);
    assert!(holds(&file), "the marker is not in a full capture, so that this test proves nothing");
    assert!(with.contains("hunter2-of-the-replay-test"));
    let (_, _folder, file) = record(&["--pid", &pid, "--without-command-lines"]);
    assert!(!holds(&file));
    let output = diag(["replay", "--format", "json", "--pid", &pid]).arg(&file).output().unwrap();
    let report = report(&output);
    assert_eq!(report["processes"][0]["comm"], "secretive");
    assert_eq!(report["processes"][0]["cmdline"], Value::Null);
}

#[test]
fn no_environment_is_ever_kept() {
    let (_, _folder, file) = record(&[]);
    let folder = tempfile::tempdir().unwrap();
    unpack(&file, folder.path());
    let mut folders = vec![folder.path().to_owned()];
    let mut files_count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            files_count += 1;
            assert_ne!(path.file_name(), Some(OsStr::new("environ")), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(files_count > 20);
}

/// Whether `expected` allows `name`: a name, a list of names, or null if there is no culprit.
fn allows(expected: &Value, name: Option<&str>) -> bool {
    match expected {
        Value::Null => name.is_none(),
        Value::String(text) => name == Some(text),
        Value::Array(names) => names.iter().any(|expected| allows(expected, name)),
        _ => false,
    }
}

/// Replays the capture of a folder and holds it against what is expected of it; what is wrong.
fn check(folder: &Path) -> Vec<String> {
    let (capture, expected) = (folder.join("window.diag"), folder.join("expected.json"));
    for file in [&capture, &expected] {
        if !file.exists() {
            return vec![format!("{} is missing", file.display())];
        }
    }
    let expected: Value = match serde_json::from_slice(&fs::read(&expected).unwrap()) {
        Ok(value) => value,
        Err(error) => return vec![format!("{}: {error}", expected.display())],
    };
    let report = replayed(&capture);
    let verdict = &report["verdict"];
    let mut wrong = Vec::new();
    let mut hold = |name: &str, found: &Value, fits: bool| {
        if !fits {
            wrong.push(format!("{}: {name} is {found}, expected {}", folder.display(), expected[name]));
        }
    };
    hold("bottleneck", &verdict["bottleneck"], verdict["bottleneck"] == expected["bottleneck"]);
    let severities = expected["severity"].as_array();
    let severity = severities.is_some_and(|list| list.contains(&verdict["severity"]));
    hold("severity", &verdict["severity"], severity);
    let culprit = &verdict["culprit"]["comm"];
    let named = expected.get("culprit_comm").is_some_and(|expected| allows(expected, culprit.as_str()));
    hold("culprit_comm", culprit, named);
    if let Some(chain) = expected.get("cause_chain") {
        hold("cause_chain", &verdict["cause_chain"], *chain == verdict["cause_chain"]);
    }
    for finding in expected["findings"].as_array().into_iter().flatten() {
        let listed = report["findings"].as_array().into_iter().flatten().any(|found| found["id"] == *finding);
        hold("findings", &report["findings"], listed);
    }
    for key in expected.as_object().into_iter().flat_map(|fields| fields.keys()) {
        // A misspelt key would be an expectation that nothing holds. `note` is for people.
        if !["bottleneck", "severity", "culprit_comm", "cause_chain", "findings", "note"]
            .contains(&key.as_str())
        {
            wrong.push(format!("{}: unknown key {key:?}", folder.display()));
        }
    }
    wrong
}

/// Every folder of captures below `top`; what is wrong with any.
fn check_all(top: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(top) else { return vec![format!("{} is missing", top.display())] };
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    if folders.is_empty() {
        return vec![format!("{} is empty", top.display())];
    }
    folders.iter().flat_map(|folder| check(folder)).collect()
}

#[test]
fn every_capture_still_gives_its_verdict() {
    let wrong = check_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_of_captures_can_fail() {
    let top = tempfile::tempdir().unwrap();
    let count = || check_all(top.path()).len();
    assert_eq!(check_all(&top.path().join("none")).len(), 1, "no folder at all");
    assert_eq!(count(), 1, "empty");
    let folder = top.path().join("cpu-user");
    fs::create_dir(&folder).unwrap();
    assert_eq!(count(), 1, "no capture");
    fs::write(folder.join("window.diag"), MadeBox::critical().capture()).unwrap();
    assert_eq!(count(), 1, "no expectation");
    for (expected, wrong) in [
        (r#"{"bottleneck": "cpu-user", "severity": ["critical"], "culprit_comm": "burner"}"#, 0),
        (
            r#"{"bottleneck": "cpu-user", "severity": ["warning", "critical"], "culprit_comm": [null, "burner"]}"#,
            0,
        ),
        (
            r#"{"bottleneck": "cpu-user", "severity": ["critical"], "culprit_comm": "burner",
               "cause_chain": ["cpu-user"]}"#,
            0,
        ),
        (
            r#"{"bottleneck": "cpu-user", "severity": ["critical"], "culprit_comm": "burner",
               "cause_chain": ["memory-swap", "cpu-user"]}"#,
            1,
        ),
        (r#"{"bottleneck": "cpu-system", "severity": ["warning"], "culprit_comm": null}"#, 3),
        (r#"{"bottleneck": "cpu-user", "severity": "critical", "culprit_comm": ["x"]}"#, 2),
        (r#"{"bottleneck": "cpu-user", "severity": ["critical"]}"#, 1),
        (
            r#"{"bottleneck": "cpu-user", "severity": ["critical"], "culprit_comm": "burner",
               "findings": ["cpu-user", "zombies"]}"#,
            1,
        ),
        (
            r#"{"bottleneck": "cpu-user", "severity": ["critical"], "culprit_comm": "burner", "culprit": "x"}"#,
            1,
        ),
        ("{", 1),
    ] {
        fs::write(folder.join("expected.json"), expected).unwrap();
        assert_eq!(count(), wrong, "{expected}: {:?}", check_all(top.path()));
    }
}

#[test]
fn every_capture_makes_a_report_of_bounded_size() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    for folder in
        fs::read_dir(captures).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let file = folder.join("window.diag");
        let page = good(&diag(["report"]).arg(&file).output().unwrap());
        assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 400_000, "{}", folder.display());
        assert!(page.contains("CPU time by mode"), "{} has no pictures", folder.display());
        assert!(
            !page.contains("NaN") && !page.contains(">inf<") && !page.contains(">inf "),
            "{}",
            folder.display()
        );
        // The same, but for what the run cost.
        let again = good(&diag(["replay", "--format", "html"]).arg(&file).output().unwrap());
        let cost = |page: &str| page.split("Cost of this run").next().unwrap().to_owned();
        assert!(cost(&page) == cost(&again), "{}", folder.display());
        let ticket = good(&diag(["report", "--format", "markdown"]).arg(&file).output().unwrap());
        assert!(ticket.starts_with("## ") && ticket.len() < 4096, "{}: {}", folder.display(), ticket.len());
    }
}

#[test]
fn two_captures_say_whether_the_fix_worked() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let compare = |before: &str, after: &str, format: &str| {
        let [before, after] = [before, after].map(|id| captures.join(id).join("window.diag"));
        let mut command = diag(["report", "--format", format, "--compare"]);
        good(&command.arg(before).arg(after).output().unwrap())
    };
    assert!(
        compare("memory-swap", "none", "markdown")
            .contains("The bottleneck memory-swap is gone, and there is still work: user CPUs went from")
    );
    assert!(
        compare("cpu-user", "none", "markdown").contains("Less of cpu-user, but the work is gone as well")
    );
    assert!(compare("cpu-user", "cpu-user", "html").contains("Not fixed: cpu-user is still there"));
    assert!(compare("none", "cpu-user", "html").contains("Worse: nothing was short before"));
}
