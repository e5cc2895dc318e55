//! Profiles of the real program: taken live where the kernel lets it, kept by a capture, and told where they are refused.
//!
//! Nothing here depends on how busy this machine is: a thread that never stops is seen however seldom it runs.

#![allow(clippy::disallowed_methods, reason = "a test runs the program and reads files")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::profile::access;
use diag::profile::on_cpu;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use support::{
    AS_NOBODY, assert_harmless, assert_sound, can_become_nobody, diag, good, raw, recorded, report, run,
    sound_report, stderr,
};

/// Whether all CPUs may be sampled here; says so where not.
fn allowed() -> bool {
    let refused = on_cpu::every_cpu(99).and_then(on_cpu::Sampling::finish).err();
    if let Some(error) = &refused {
        println!("skipped: {error}");
    }
    refused.is_none()
}

/// The only function that this test program spends time in.
#[inline(never)]
fn spin_until_told(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        for step in 0..1000 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(step));
        }
    }
    sum
}

/// A thread that never stops by itself.
struct Spinner(Arc<AtomicBool>, Option<JoinHandle<u64>>);

impl Spinner {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        Self(stop, Some(thread::spawn(move || spin_until_told(&told))))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

fn as_nobody(program: impl AsRef<OsStr>) -> Command {
    let mut command = raw(AS_NOBODY[0]);
    command.args(&AS_NOBODY[1..]).arg(program);
    command
}

fn own_pid() -> String {
    std::process::id().to_string()
}

const LIVE: [&str; 6] = ["--profile", "--frequency", "997", "--interval", "2s", "--pid"];

fn assert_spinner_is_told(report: &Value) {
    let profile = &report["profile"];
    assert_eq!(profile["pid"].as_u64(), Some(u64::from(std::process::id())));
    assert!(profile["samples_count"].as_u64().unwrap() > 0);
    let frames = profile["frames"].as_array().unwrap();
    let symbols: Vec<&str> = frames.iter().filter_map(|frame| frame["symbol"].as_str()).collect();
    let spin = frames.iter().find(|frame| frame["symbol"].as_str().unwrap().contains("spin_until_told"));
    let spin = spin.unwrap_or_else(|| panic!("{symbols:?}"));
    assert!(spin["total_ratio"].as_f64().unwrap() > 0.5, "{spin}");
    assert_eq!(spin["space"], "user");
    let why = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(why["step"], "why");
    // Without optimisation the innermost function is one of the standard library's.
    assert!(why["summary"].as_str().unwrap().contains("% of its CPU time"), "{why}");
}

#[test]
fn the_function_that_takes_the_time_is_named_and_drawn_and_kept() {
    if !allowed() {
        return;
    }
    let _spinner = Spinner::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut command = diag(["record"]);
    command.arg(file("window.diag")).args(LIVE).arg(own_pid()).args(["--format", "json"]);
    command.arg("--stacks").arg(file("stacks")).arg("--flamegraph").arg(file("graph.svg"));
    let live = sound_report(&recorded(&command.output().unwrap(), &file("window.diag")));
    assert_spinner_is_told(&live);
    let stacks = fs::read_to_string(file("stacks")).unwrap();
    assert!(stacks.lines().any(|line| line.contains("spin_until_told") && line.contains(';')), "{stacks}");
    let drawn = fs::read_to_string(file("graph.svg")).unwrap();
    assert!(drawn.contains("spin_until_told") && drawn.trim_end().ends_with("</svg>"));

    let replayed = diag(["replay"]).arg(file("window.diag")).args(["--format", "json"]).output().unwrap();
    let replayed = report(&replayed);
    assert_sound(&replayed);
    assert_eq!(replayed["profile"], live["profile"]);
    assert_eq!(replayed["verdict"], live["verdict"]);
    // Another look at the same capture: what it waits for instead of what it runs.
    let mut command = diag(["replay"]);
    command.arg(file("window.diag")).args(["--format", "json", "--profile-mode", "waits"]);
    assert_eq!(report(&command.output().unwrap())["profile"]["mode"], "waits");
}

#[test]
fn one_process_is_sampled_where_all_cpus_are_refused() {
    let facts = access::look();
    if !can_become_nobody() || facts.paranoid != Some(2) {
        println!("skipped: needs root, and kernel.perf_event_paranoid of 2");
        return;
    }
    let mut child = as_nobody("/bin/sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let (_public, program) = support::public_copy();
    let pid = child.id().to_string();
    let output = as_nobody(&program)
        .args(["--profile=1s", "--interval", "1s", "--format", "json", "--pid", &pid])
        .output();
    child.kill().unwrap();
    child.wait().unwrap();
    let report = report(&output.unwrap());
    assert_sound(&report);
    let profile = &report["profile"];
    assert!(profile["samples_count"].as_u64().unwrap() > 0, "{}", report["not_checked"]);
    assert!(profile["frames"].as_array().unwrap().iter().all(|frame| frame["space"] == "user"), "{profile}");
}

#[test]
fn what_is_refused_is_told_and_the_triage_goes_on() {
    if !can_become_nobody() || access::look().paranoid.is_none_or(|level| level < 1) {
        println!("skipped: needs root, and a kernel that refuses others to sample");
        return;
    }
    let (_public, program) = support::public_copy();
    // The first process belongs to another user.
    let output = as_nobody(&program)
        .args([
            "--profile=200ms",
            "--interval",
            "1s",
            "--format",
            "json",
            "--pid",
            "1",
            "--profile-mode",
            "on-cpu",
        ])
        .output()
        .unwrap();
    let report = report(&output);
    assert_sound(&report);
    assert!(report["verdict"]["bottleneck"].is_string());
    let code = report["not_checked"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["what"].as_str().unwrap().contains("which code takes the time"));
    let code = code.unwrap_or_else(|| panic!("{}", report["not_checked"]));
    assert!(!code["unlock"].as_str().unwrap().is_empty(), "{code}");
}

#[test]
fn a_replay_tells_what_was_refused() {
    if !can_become_nobody() || access::look().paranoid.is_none_or(|level| level < 1) {
        println!("skipped: needs root, and a kernel that refuses others to sample");
        return;
    }
    let (public, program) = support::public_copy();
    let folder = public.path().join("captures");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.join("window.diag");
    let live = ["--profile=200ms", "--interval", "1s", "--format", "json", "--pid", "1"];
    let recorded = as_nobody(&program).arg("record").args(live).arg(&file).output().unwrap();
    let live: Value = serde_json::from_str(&support::recorded(&recorded, &file)).unwrap();
    let replayed = support::replayed(&file);
    assert!(live["not_checked"].to_string().contains("which code takes the time"), "{}", live["not_checked"]);
    for part in ["not_checked", "profile", "verdict", "steps"] {
        assert_eq!(replayed[part], live[part]);
    }
}

#[test]
fn options_that_need_a_profile_say_so() {
    for arguments in [
        ["--flamegraph", "/tmp/x.svg"].as_slice(),
        &["--stacks", "/tmp/x"],
        &["--profile-mode", "waits"],
        &["--profile", "--root", "/proc/self"],
        &["--frequency", "0", "--profile"],
        &["--profile=0"],
        &["--profile=soon"],
    ] {
        let output = run(arguments.iter().copied());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("--"), "{}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_drawn_does_not_cost_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.svg");
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/cpu-user/window.diag");
    let mut command = diag(["replay", capture, "--format", "json", "--flamegraph"]);
    let report = report(&command.arg(&file).output().unwrap());
    assert_sound(&report);
    assert_eq!(report["verdict"]["bottleneck"], "cpu-user");
    assert!(!file.exists());
    let told = report["not_checked"].to_string();
    assert!(told.contains("recorded without a profile") && told.contains("graph.svg"), "{told}");
}

#[test]
fn hostile_names_stay_within_their_line() {
    if !allowed() {
        return;
    }
    let spinner = Spinner::start();
    let folder = tempfile::tempdir().unwrap();
    let (stacks, drawn) = (folder.path().join("stacks"), folder.path().join("graph.svg"));
    let name = "<img src=x>;\n\x1b[31m";
    fs::write("/proc/thread-self/comm", name).unwrap();
    let before = fs::read("/proc/self/comm").unwrap();
    fs::write("/proc/self/comm", name).unwrap();
    let mut command = diag(LIVE);
    command.arg(own_pid()).arg("--stacks").arg(&stacks).arg("--flamegraph").arg(&drawn);
    let output = command.output();
    fs::write("/proc/self/comm", before).unwrap();
    let text = good(&output.unwrap());
    drop(spinner);
    assert_harmless(&text);
    let stacks = fs::read_to_string(stacks).unwrap();
    for line in stacks.lines() {
        let (_, count) = line.rsplit_once(' ').unwrap();
        assert!(count.parse::<u64>().is_ok(), "{line:?}");
        assert!(!line.contains('\x1b'));
    }
    assert!(!fs::read_to_string(drawn).unwrap().contains("<img"));
}
