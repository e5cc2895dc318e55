//! `diag watch` and `diag status` as they are typed.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at files that the program writes; helpers of tests, as in the tests themselves"
)]

mod support;

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use support::{DIAG, PATIENCE, assert_harmless, good, one_line, raw, run, schema_of, stderr, stdout};

/// The lines of a run that must have gone well.
fn lines(text: &str) -> Vec<Value> {
    assert_harmless(text);
    text.lines().map(sound_line).collect()
}

/// A line as it is parsed; it keeps to the published schema.
fn sound_line(line: &str) -> Value {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let value = serde_json::from_str(line).unwrap();
    if let Some(error) = SCHEMA.get_or_init(|| schema_of("watch")).iter_errors(&value).next() {
        panic!("{error} at {} of {line}", error.instance_path());
    }
    value
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

fn state_in(folder: &Path) -> String {
    folder.join("state.json").to_str().unwrap().to_owned()
}

fn next_line(reader: &mut impl std::io::BufRead) -> Value {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    sound_line(&line)
}

/// Waits for the child, which must end by itself.
fn ended(mut child: Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_verdict_a_window_and_a_state_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let output = run(["watch", "--interval", "2s", "--count", "2", "--state", &state]);
    let text = good(&output);
    let lines = lines(&text);
    let told: Vec<&str> = types(&lines).into_iter().filter(|kind| *kind != "transition").collect();
    assert_eq!(told, ["verdict", "verdict", "end"], "{text}");
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]) && numbers[0] == 1, "{numbers:?}");
    let verdicts: Vec<&Value> = lines.iter().filter(|line| line["type"] == "verdict").collect();
    assert_eq!(verdicts[0]["ended_at"], verdicts[1]["started_at"], "no time is lost between two windows");

    let report = support::report(&run(["status", "--state", &state, "--format", "json"]));
    assert_eq!(report["verdict"]["bottleneck"], verdicts[1]["verdict"]["bottleneck"]);
    assert!(report["window"]["age_seconds"].as_f64().is_some_and(|age| age >= 0.0));
    assert!(report["processes"].as_array().unwrap().iter().all(|row| row["cmdline"].is_null()));
    let text = good(&run(["status", "--state", &state]));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("s ago ·"), "{text}");
    let line = good(&run(["status", "--state", &state, "--format", "haproxy"]));
    assert!(line.starts_with("up ") && line.contains("% #diag: ") && line.lines().count() == 1, "{line}");
    assert_eq!(good(&run(["status", "--state", &state, "--quiet"])), "");
}

#[test]
fn a_terminal_shows_a_line_per_window() {
    if !support::has("script") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let on_a_terminal = |more: &str| {
        let state = state_in(folder.path());
        let program =
            format!("stty cols 100 rows 24; '{DIAG}' watch -t 1s --count 2 --state '{state}' {more}");
        let mut command = assert_cmd::Command::from_std(raw("script"));
        command.args(["-qec", &program, "/dev/null"]).env("TERM", "xterm").timeout(PATIENCE);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        stdout(&output).replace('\r', "")
    };
    let plain = on_a_terminal("--color never");
    assert_harmless(&plain);
    assert!(plain.starts_with("UTC  ") && plain.lines().all(|line| line.chars().count() <= 100), "{plain}");
    let levels = ["OK  ", "NOTICE  ", "WARNING  ", "CRITICAL  ", "UNKNOWN  "];
    let is_window =
        |line: &&str| line.get(10..).is_some_and(|rest| levels.iter().any(|level| rest.starts_with(level)));
    assert_eq!(plain.lines().filter(is_window).count(), 2, "{plain}");
    assert!(plain.lines().last().unwrap().contains("END"), "{plain}");
    assert!(on_a_terminal("").contains("\x1b["), "colour as elsewhere");
    let json = on_a_terminal("--format jsonl");
    assert!(lines(&json).iter().any(|line| line["type"] == "end"), "{json}");
}

#[test]
fn a_state_that_is_old_or_absent_says_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let missing = run(["status", "--state", &state, "--fail-on", "critical"]);
    assert_eq!(missing.status.code(), Some(11), "{}", stderr(&missing));
    assert!(stdout(&missing).contains("cannot tell"));
    for fine in [&["--unknown-ok"][..], &["--unknown-ok", "--quiet"]] {
        let words = ["status", "--state", &state, "--fail-on", "critical"];
        assert_eq!(run(words.iter().chain(fine)).status.code(), Some(0));
    }
    good(&run(["watch", "--interval", "1s", "--count", "1", "--state", &state]));
    let text = std::fs::read_to_string(&state).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    for time in ["ended_boottime_seconds", "holds_boottime_seconds"] {
        old[time] = (old[time].as_f64().unwrap() - 3600.0).into();
    }
    std::fs::write(&state, old.to_string()).unwrap();
    // Without the steps of a diagnosis: there was none.
    let report: Value =
        serde_json::from_str(&good(&run(["status", "--state", &state, "--format", "json"]))).unwrap();
    assert_eq!(report["verdict"]["bottleneck"], "unknown");
    assert!(report["window"]["age_seconds"].as_f64().unwrap() > 3500.0);
    for end in [0, 1, text.len() / 2, text.len() - 2] {
        std::fs::write(&state, &text[..end]).unwrap();
        assert_eq!(run(["status", "--state", &state, "--fail-on", "critical"]).status.code(), Some(11));
    }
}

#[test]
fn a_signal_ends_it_soon_and_well() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-TERM", "-INT"] {
        let mut command = raw(DIAG);
        command.args(["watch", "--interval", "1s", "--state", &state_in(folder.path())]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        signal(&child, name);
        let rest: Vec<String> = reader.lines().map(Result::unwrap).collect();
        assert_eq!(ended(child), Some(0));
        let last: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
        assert_eq!((last["type"].as_str(), last["reason"].as_str()), (Some("end"), Some("signal")));
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_only_without_other_sinks() {
    let folder = tempfile::tempdir().unwrap();
    let start = |more: &[&str]| {
        let mut command = raw(DIAG);
        command.args(["watch", "--interval", "1s"]).args(more).env("RUNTIME_DIRECTORY", folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child
    };
    assert_eq!(ended(start(&[])), Some(0));
    let state = state_in(folder.path());
    let child = start(&["--state", &state, "--count", "3"]);
    assert_eq!(ended(child), Some(0));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    assert!(kept["seq"].as_u64().unwrap() >= 3, "it went on without its reader: {}", kept["seq"]);
}

#[test]
fn a_reader_that_is_stuck_holds_up_no_window() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let mut command = raw(DIAG);
    command.args(["watch", "--interval", "1s", "--count", "2", "--state", &state]);
    // Room for less than one line.
    let (reader, writer) = std::io::pipe().unwrap();
    let full = vec![b'x'; 65536];
    std::io::Write::write_all(&mut writer.try_clone().unwrap(), &full).unwrap();
    let child = command.stdout(writer).spawn().unwrap();
    assert_eq!(ended(child), Some(0));
    assert!(Path::new(&state).exists());
    drop(reader);
}

#[test]
fn an_alarm_is_told_to_a_command_without_its_priority() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    good(&run(["watch", "--interval", "1s", "--count", "1", "--state", &state]));
    // An earlier run that has raised the alarm, and limits that nothing is over: it is cleared.
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    kept["alarm"] = serde_json::json!({"level": "critical", "bottleneck": "memory-swap",
        "since": "2026-01-02T03:04:05Z"});
    std::fs::write(&state, kept.to_string()).unwrap();
    let told = folder.path().join("told");
    let command = format!(
        "cat >{0}.next; grep -h ^policy /proc/self/sched >>{0}.next; mv {0}.next {0}",
        told.display()
    );
    let output = run([
        "watch",
        "--interval",
        "1s",
        "--count",
        "2",
        "--clear",
        "1",
        "--on-change",
        "--state",
        &state,
        "--exec",
        &command,
    ]);
    let lines = lines(&good(&output));
    let Some(change) = lines.iter().find(|line| line["type"] == "transition") else {
        println!("skipped: this machine is too busy to be called well");
        return;
    };
    assert!(lines.iter().all(|line| line["type"] != "verdict"));
    assert_eq!(change["previous_bottleneck"], "memory-swap");
    // The run does not wait for long for a command that is still on its way.
    support::wait_until("the command has been told", || told.exists());
    let text = std::fs::read_to_string(&told).unwrap();
    let (json, policy) = text.split_once('\n').unwrap();
    let json = sound_line(json);
    assert_eq!(json["type"], "transition");
    assert_eq!(json["from"], "critical");
    // SCHED_OTHER; where the kernel does not tell, nothing is there.
    assert!(
        policy.trim().is_empty() || policy.trim().ends_with(": 0") || policy.trim().ends_with(" 0"),
        "{policy}"
    );
}

#[test]
fn what_makes_no_sense_is_said_at_once() {
    for words in [
        &["watch", "--format", "json"][..],
        &["watch", "--raise", "6/5"],
        &["watch", "--webhook", "https://127.0.0.1"],
        &["watch", "--trigger-dir", "/tmp"],
        &["watch", "--profile"],
        &["status", "--interval", "1s"],
        &["status", "--floor", "0"],
        &["status", "--pid", "1"],
    ] {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
    one_line(&run(["watch", "--state", "/nowhere/state.json"]), 1);
    one_line(&run(["watch", "--root", "/nowhere"]), 1);
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    one_line(&run(["watch", "--trigger", "--trigger-dir", "/nowhere", "--state", &state]), 1);
}

#[test]
fn a_trigger_waits_and_ends_when_told() {
    if !Path::new("/proc/pressure/cpu").exists() {
        println!("skipped: this kernel counts no stalls");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().to_str().unwrap();
    let state = state_in(folder.path());
    let mut command = raw(DIAG);
    command.args(["watch", "--trigger", "--interval", "1s", "--trigger-dir", captures, "--state", &state]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    // A machine that is slow right now is told of first.
    let first =
        std::iter::repeat_with(|| next_line(&mut reader)).find(|line| line["type"] != "trigger").unwrap();
    assert_eq!(first["type"], "verdict", "there is a verdict before the first wait");
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "-TERM");
    let rest: Vec<String> = reader.lines().map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("\"signal\""), "{rest:?}");
    assert_eq!(ended(child), Some(0));
}

#[test]
fn a_spike_is_told_of_and_recorded() {
    // A tree whose totals say what this test wants, whatever the machine does.
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let stalled = |microseconds: u64| {
        for resource in ["cpu", "io", "memory"] {
            let total = if resource == "io" { microseconds } else { 0 };
            let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
            // Never half a file.
            write(&format!("proc/pressure/.{resource}"), &text);
            let name = |dot: &str| folder.path().join(format!("proc/pressure/{dot}{resource}"));
            std::fs::rename(name("."), name("")).unwrap();
        }
    };
    write("proc/stat", "cpu  10 0 10 1000 0 0 0 0 0 0\ncpu0 10 0 10 1000 0 0 0 0 0 0\n");
    write("proc/loadavg", "0.00 0.00 0.00 1/2 3\n");
    stalled(0);
    let captures = tempfile::tempdir().unwrap();
    let (root, state) = (folder.path().to_str().unwrap(), state_in(captures.path()));
    let mut command = raw(DIAG);
    command.args([
        "watch",
        "--trigger",
        "--on-change",
        "--interval",
        "1h",
        "--root",
        root,
        "--state",
        &state,
    ]);
    command.args(["--trigger-dir", captures.path().to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    // Within the first window, which would last for an hour. Repeatedly: when it has begun is not known.
    let is_told = std::sync::atomic::AtomicBool::new(false);
    let (trigger, verdict) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1..=60 {
                std::thread::sleep(Duration::from_secs(2));
                if is_told.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                stalled(at * 60_000_000);
            }
        });
        let told = (next_line(&mut reader), next_line(&mut reader));
        is_told.store(true, std::sync::atomic::Ordering::Relaxed);
        told
    });
    assert_eq!((trigger["type"].as_str(), trigger["resource"].as_str()), (Some("trigger"), Some("io")));
    assert_eq!(verdict["type"], "verdict", "the moment's verdict is printed with --on-change as well");
    assert_eq!(verdict["interrupted"], false, "it ended with the stalls");
    assert!(verdict["seconds"].as_f64().unwrap() < 1800.0);
    signal(&child, "-TERM");
    let rest: Vec<String> = reader.lines().map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("\"signal\""), "{rest:?}");
    assert_eq!(ended(child), Some(0));
    let replayed = run(["replay", trigger["capture"].as_str().unwrap(), "--format", "json"]);
    let replayed = support::report(&replayed);
    assert_eq!(replayed["window"]["started_at"], verdict["started_at"]);
}
