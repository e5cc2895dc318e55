//! The real program from its command line to its exit code, on this machine and on boxes made by hand.
//!
//! Nothing here depends on how busy this machine is: what needs a certain verdict replays a capture.

#![allow(clippy::disallowed_methods, reason = "a test runs the program and reads files")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{
    AS_NOBODY, BURN, BURNER, Burner, DIAG, MadeBox, PATIENCE, SLEEPER, assert_harmless, assert_sound,
    can_become_nobody, diag, file_of, good, has, one_line, public_copy, raw, recorded, replayed, report, run,
    sound_report, stderr, stdout, wait_until, wait_until_asleep,
};

/// One live run as JSON, for all who only look at it.
fn live() -> &'static Value {
    static LIVE: OnceLock<Value> = OnceLock::new();
    LIVE.get_or_init(|| report(&run(["--interval", "1s", "--format", "json"])))
}

fn replay(file: &Path, more: &[&str]) -> Output {
    diag(["replay"]).arg(file).args(more).output().unwrap()
}

// What a report is.

#[test]
fn a_live_report_is_sound_and_about_this_machine() {
    // Schema, order of the steps and the sum of the load are part of being sound.
    let report = live();
    assert_sound(report);
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["window"]["source"], "live");
    assert_eq!(report["window"]["interrupted"], false);
    let seconds = report["window"]["seconds"].as_f64().unwrap();
    assert!((1.0..60.0).contains(&seconds), "{seconds}");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(report["host"]["kernel"].as_str(), Some(kernel.trim()));
    assert!(report["diag"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert!(!report["processes"].as_array().unwrap().is_empty());
}

#[test]
fn the_schema_version_comes_first() {
    let (_folder, file) = MadeBox::idle().file();
    let text = good(&replay(&file, &["--format", "json"]));
    assert!(text.starts_with("{\n  \"schema_version\": 1,\n"), "{}", &text[..60]);
}

#[test]
fn the_boxes_of_these_tests_are_what_they_claim() {
    for (made, id, severity, steps) in [
        (MadeBox::critical(), "cpu-user", "critical", 4),
        (MadeBox::warning(), "cpu-user", "warning", 4),
        (MadeBox::idle(), "none", "ok", 4),
        (MadeBox::hostile(), "cpu-user", "critical", 4),
    ] {
        let (_folder, file) = made.file();
        let report = replayed(&file);
        assert_eq!(report["verdict"]["bottleneck"], id);
        assert_eq!(report["verdict"]["severity"], severity);
        assert_eq!(report["steps"].as_array().unwrap().len(), steps);
        assert_eq!(report["window"]["seconds"], 5.0);
    }
}

#[test]
fn the_verdict_comes_before_the_steps_and_names_the_culprit() {
    let (_folder, file) = MadeBox::critical().file();
    let short = good(&replay(&file, &[]));
    assert!(short.contains("burner") && short.contains("  Path "), "{short}");
    let text = good(&replay(&file, &["-v"]));
    for text in [&short, &text] {
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("CRITICAL") && first.contains("cpu-user"), "{first}");
    }
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(at("burner") < at("1. Is more work waiting"));
    let steps = ["  1. ", "  2. ", "  3. ", "  4. "].map(at);
    assert!(steps.is_sorted(), "{steps:?}");
}

#[test]
fn top_sort_and_pid_choose_the_processes() {
    let (_folder, file) = MadeBox::critical().file();
    let sleeper = SLEEPER.to_string();
    let pids = |more: &[&str]| -> Vec<i64> {
        let report = report(&replay(&file, &[&["--format", "json"], more].concat()));
        report["processes"].as_array().unwrap().iter().map(|row| row["pid"].as_i64().unwrap()).collect()
    };
    assert_eq!(pids(&["--top", "1"]), [i64::from(BURNER)]);
    assert_eq!(pids(&["--top", "1", "--pid", &sleeper]), [i64::from(SLEEPER)]);
    for sort in ["cpu", "memory", "io", "wait"] {
        let found = pids(&["--sort", sort]);
        assert!(
            found.contains(&i64::from(BURNER)) && found.contains(&i64::from(SLEEPER)),
            "{sort}: {found:?}"
        );
    }
    assert_eq!(pids(&["--sort", "cpu"])[0], i64::from(BURNER));
}

// Exit codes.

#[test]
fn exit_codes_tell_what_was_found_only_when_asked() {
    let critical = MadeBox::critical().file();
    let warning = MadeBox::warning().file();
    let idle = MadeBox::idle().file();
    let stopped = file_of(&MadeBox::default().stopped_capture());
    for (name, file, plain, at_warning, at_critical) in [
        ("critical", &critical.1, 0, 10, 10),
        ("warning", &warning.1, 0, 10, 0),
        ("idle", &idle.1, 0, 0, 0),
        ("unknown", &stopped.1, 0, 11, 11),
    ] {
        for (more, code) in [
            (&[][..], plain),
            (&["--fail-on", "warning"], at_warning),
            (&["--fail-on", "critical"], at_critical),
        ] {
            for format in ["text", "json"] {
                let output = replay(file, &[more, &["--format", format]].concat());
                assert_eq!(output.status.code(), Some(code), "{name} {more:?} {format}: {}", stderr(&output));
                assert_eq!(stderr(&output), "", "{name} {more:?}");
                assert!(!output.stdout.is_empty(), "the report is printed whatever the code");
            }
        }
    }
}

#[test]
fn the_exit_code_stands_when_the_report_goes_to_a_file() {
    let (folder, file) = MadeBox::critical().file();
    let written = folder.path().join("report.json");
    let output =
        replay(&file, &["--fail-on", "warning", "--format", "json", "--output", written.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_sound(&serde_json::from_slice(&fs::read(written).unwrap()).unwrap());
}

#[test]
fn help_and_version_are_no_errors() {
    for argument in ["--help", "-h", "--version", "schema"] {
        assert!(good(&run([argument])).len() > 5, "{argument}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(good(&run(["completions", shell])).contains("diag"), "{shell}");
    }
    let help = good(&run(["--help"]));
    for word in ["0 ", "1 ", "2 ", "10", "11", "--fail-on", "record", "replay"] {
        assert!(help.contains(word), "{word}");
    }
}

/// A usage error: one line that says what is wrong, with a pointer to the help.
fn usage_error(arguments: &[&str], says: &str) {
    let output = run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert_eq!(stdout(&output), "");
    assert_harmless(&text);
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    assert!(text.starts_with("diag: ") && text.contains(says), "{arguments:?}: {text}");
}

#[test]
fn numbers_that_make_no_sense_are_usage_errors() {
    for interval in ["0", "1e9", "-1", "0.5", "2h", "999ms", "1e300"] {
        usage_error(&["--interval", interval], "from 1s to 1h");
        usage_error(&["record", "/nowhere/x", "--interval", interval], "from 1s to 1h");
    }
    for interval in ["abc", "-5s", "", "5x", "NaN", "inf", "s", "1m30", "5 s", "١s"] {
        usage_error(&["--interval", interval], "not a duration");
    }
    for pid in ["0", "-1", "99999999999999999999", ""] {
        usage_error(&["--pid", pid], "not a process id");
    }
    for top in ["0", "-3", "many"] {
        usage_error(&["--top", top], "from 1 up");
    }
}

#[test]
fn words_that_make_no_sense_are_usage_errors() {
    for arguments in [
        &["--format", "xml"][..],
        &["--bogus"],
        &["replay"],
        &["record"],
        &["nonsense"],
        &["completions", "tcsh"],
        &["--fail-on", "ok"],
        &["--interval", "-1s"],
        &["schema", "--output", ""],
        &["--interval", "5s", "schema"],
        &["--root", "/", "replay", "x"],
        &["explain", "cpu-user", "--top", "3"],
        &["explain", "cpu-user", "cpu-system"],
        &["--fail-on", "critical", "explain"],
        &["--color", "\x1b[31m"],
        &["--\x1b[2J"],
    ] {
        let output = run(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("diag: ") && text.lines().count() == 1, "{text}");
        assert_harmless(&text);
        assert_eq!(stdout(&output), "");
    }
    let raw_bytes = diag([OsStr::from_bytes(b"\xff\xfe\x1b")]).output().unwrap();
    assert_eq!(raw_bytes.status.code(), Some(2));
    assert_harmless(&stderr(&raw_bytes));
}

// Bad input.

#[test]
fn what_is_no_capture_is_one_line() {
    let good_bytes = MadeBox::critical().capture();
    let cut = |length: usize| good_bytes[..length].to_vec();
    let mut flipped = good_bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("one byte", vec![0x1f]),
        ("magic only", vec![0x1f, 0x8b]),
        ("garbage", b"\x1b[31mnot a capture\n".repeat(50)),
        ("cut in the header", cut(8)),
        ("cut in the middle", cut(good_bytes.len() / 2)),
        ("cut at the end", cut(good_bytes.len() - 1)),
        ("a flipped byte", flipped),
    ] {
        let (_folder, file) = file_of(&bytes);
        let line = one_line(&replay(&file, &[]), 1);
        assert!(line.contains("window.diag"), "{name}: {line}");
    }
}

#[test]
fn a_capture_that_is_not_there_or_no_file_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"no\n\x1b[31m\xff.diag");
    assert!(one_line(&replay(&folder.path().join(name), &[]), 1).contains("No such file"));
    assert!(one_line(&replay(folder.path(), &[]), 1).contains("is not a capture"));
    // Not a capture of diag, and far too much to read before that is said.
    let big = folder.path().join("big");
    File::create(&big).unwrap().set_len(80 << 20).unwrap();
    let line = one_line(&replay(folder.path(), &[]), 1);
    assert!(line.contains("is not a capture"), "{line}");
    assert!(one_line(&replay(&big, &[]), 1).contains("is not a capture"));
    one_line(&replay(Path::new("/dev/null"), &[]), 1);
}

#[test]
fn a_capture_without_the_rights_to_read_it_is_one_line() {
    if !can_become_nobody() {
        return;
    }
    let (folder, program) = public_copy();
    let file = folder.path().join("secret.diag");
    fs::write(&file, MadeBox::idle().capture()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = as_nobody(&program, &["replay", file.to_str().unwrap()]);
    assert!(one_line(&output, 1).contains("ermission denied"));
    let output = as_nobody(&program, &["schema", "--output", folder.path().join("x").to_str().unwrap()]);
    assert!(one_line(&output, 1).contains("ermission denied"));
}

#[test]
fn a_root_without_kernel_files_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let root = |path: &Path| diag(["--interval", "1s", "--root"]).arg(path).output().unwrap();
    assert!(one_line(&root(folder.path()), 1).contains("proc"));
    fs::create_dir(folder.path().join("proc")).unwrap();
    assert!(one_line(&root(folder.path()), 1).contains("/proc/stat"));
    fs::write(folder.path().join("proc/stat"), "garbage\n").unwrap();
    assert!(one_line(&root(folder.path()), 1).contains("/proc/stat"));
    fs::remove_file(folder.path().join("proc/stat")).unwrap();
    fs::create_dir(folder.path().join("proc/stat")).unwrap();
    assert!(one_line(&root(folder.path()), 1).contains("/proc/stat"));
    one_line(&root(&folder.path().join("nowhere\n")), 1);
    one_line(&root(Path::new("/dev/null")), 1);
}

#[test]
fn an_unknown_process_is_one_line() {
    // Above the largest id that any kernel gives.
    assert!(one_line(&run(["--interval", "1s", "--pid", "2147483647"]), 1).contains("2147483647"));
    let (_folder, file) = MadeBox::idle().file();
    assert!(one_line(&replay(&file, &["--pid", "2147483647"]), 1).contains("2147483647"));
}

#[test]
fn another_root_is_read_and_nothing_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let frame = MadeBox::critical().frame(diag::capture::FrameKind::End, 5);
    for (path, bytes) in &frame.files {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let ask = |more: &[&str]| {
        diag(["--interval", "1s", "--format", "json", "--root"])
            .arg(folder.path())
            .args(more)
            .output()
            .unwrap()
    };
    // Files that do not change: the counters stand still.
    let report = report(&ask(&[]));
    assert_eq!(report["verdict"]["bottleneck"], "unknown");
    assert_eq!(report["host"]["hostname"], Value::Null);
    assert_eq!(report["host"]["cpus_online"], 2);
    assert_eq!(report["host"]["memory_total_bytes"], 4_000_000_u64 * 1024);
    let comms: Vec<&str> =
        report["processes"].as_array().unwrap().iter().filter_map(|row| row["comm"].as_str()).collect();
    assert!(comms.iter().all(|comm| ["burner", "sleeper"].contains(comm)) && comms.len() == 2, "{comms:?}");
    assert_eq!(ask(&["--fail-on", "critical"]).status.code(), Some(11));
}

// Where the answer goes.

#[test]
fn a_reader_that_went_away_is_a_quiet_success() {
    let (_folder, file) = MadeBox::critical().file();
    let file = file.to_str().unwrap();
    for arguments in [
        &["replay", file][..],
        &["replay", file, "--format", "json"],
        &["schema"],
        &["explain"],
        &["explain", "cpu-user"],
        &["explain", "cpu-user", "--format", "json"],
        &["--help"],
        &["completions", "zsh"],
    ] {
        // Closed before the program starts, so that its first write already fails.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = raw(DIAG).args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn an_unread_error_keeps_its_code() {
    for (arguments, code) in [(&["replay", "/nowhere"][..], 1), (&["--bogus"], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = raw(DIAG).args(arguments).stderr(writer).stdout(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_one_line() {
    let (_folder, file) = MadeBox::critical().file();
    let file = file.to_str().unwrap();
    for arguments in [
        &["replay", file][..],
        &["replay", file, "--format", "json"],
        &["schema"],
        &["explain"],
        &["explain", "none", "--format", "json"],
        &["completions", "bash"],
        &["--version"],
        &["--help"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = raw(DIAG).args(arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let line = one_line(&child.wait_with_output().unwrap(), 1);
        assert!(line.contains("No space left"), "{arguments:?}: {line}");
    }
}

#[test]
fn an_output_file_is_there_whole_or_not_at_all() {
    let (folder, file) = MadeBox::critical().file();
    let out = folder.path().join("report.json");
    let write = |capture: &Path| replay(capture, &["--format", "json", "--output", out.to_str().unwrap()]);
    assert_eq!(good(&write(&file)), "");
    let first: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_sound(&first);
    // One that fails leaves the old report alone.
    let (_garbage, garbage) = file_of(b"garbage");
    one_line(&write(&garbage), 1);
    assert_eq!(first, serde_json::from_slice::<Value>(&fs::read(&out).unwrap()).unwrap());
    // A reader never sees half of one.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads_count = 0;
            while !done.load(Ordering::Relaxed) {
                let bytes = fs::read(&out).unwrap();
                serde_json::from_slice::<Value>(&bytes).unwrap();
                reads_count += 1;
            }
            reads_count
        });
        for _ in 0..5 {
            good(&write(&file));
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    let mut names: Vec<OsString> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.json", "window.diag"], "nothing is left behind");
}

#[test]
fn an_output_that_cannot_be_written_is_one_line() {
    let (folder, file) = MadeBox::critical().file();
    let folder = folder.path();
    for out in [folder.join("none/report"), folder.to_owned(), "/proc/report".into(), "/dev/null".into()] {
        let line = one_line(&replay(&file, &["--output", out.to_str().unwrap()]), 1);
        assert!(line.contains("cannot write"), "{line}");
    }
    // A recording says so too; better before its window than after it.
    let output = diag(["record", "--interval", "1s"]).arg(folder.join("none/x.diag")).output().unwrap();
    assert!(one_line(&output, 1).contains("cannot write"));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_recording_overwrites_only_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.diag");
    fs::write(&file, "an old capture").unwrap();
    let record = |more: &[&str]| diag(["record", "-t", "1s"]).arg(&file).args(more).output().unwrap();
    let asked = Instant::now();
    // Before the window, which would last an hour.
    let output = diag(["record", "-t", "1h"]).arg(&file).output().unwrap();
    let line = one_line(&output, 1);
    assert!(asked.elapsed() < PATIENCE && line.contains("exists already"), "{line}");
    assert!(line.contains("--force"), "{line}");
    assert_eq!(fs::read(&file).unwrap(), b"an old capture");
    recorded(&record(&["--force"]), &file);
    assert_eq!(replayed(&file)["window"]["source"], "capture");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_recording_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.diag");
    recorded(&diag(["record", "--interval", "1s"]).arg(&file).output().unwrap(), &file);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

// How the text looks.

/// `text` without the escapes that set colours; any other escape stays.
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        let (before, escape) = rest.split_at(start);
        plain.push_str(before);
        let parameters = escape[2..].find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(0);
        match escape[2 + parameters..].strip_prefix('m') {
            Some(after) => rest = after,
            None => {
                plain.push('\x1b');
                rest = &escape[1..];
            }
        }
    }
    plain + rest
}

/// The lines of `text` that are wider than `width`, but for those that are a single word.
fn too_wide(text: &str, width: usize) -> Vec<&str> {
    // A bullet or an arrow before the word is none.
    let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
    let single = |line: &str| line.split_whitespace().filter(is_word).count() <= 1;
    text.lines().filter(|line| line.chars().count() > width && !single(line)).collect()
}

#[test]
fn no_line_is_wider_than_the_screen() {
    let boxes = [MadeBox::critical(), MadeBox::warning(), MadeBox::idle(), MadeBox::hostile()]
        .map(|made| made.file());
    let stopped = file_of(&MadeBox::hostile().stopped_capture());
    for (_folder, file) in boxes.iter().chain([&stopped]) {
        for width in [40, 41, 60, 80, 133] {
            for color in ["never", "always"] {
                let columns = width.to_string();
                let mut command = diag(["replay", "--color", color]);
                let text = good(&command.arg(file).env("COLUMNS", &columns).output().unwrap());
                let plain = without_colour(&text);
                assert_eq!(too_wide(&plain, width), Vec::<&str>::new(), "{width} columns");
                assert_harmless(&plain);
            }
        }
    }
    let mut command = diag(["--interval", "1s"]);
    let text = good(&command.env("COLUMNS", "40").output().unwrap());
    assert_eq!(too_wide(&text, 40), Vec::<&str>::new());
    assert_eq!(too_wide("a b\nlonglonglong\n- longlong\n", 2), ["a b"]);
}

#[test]
fn a_screen_that_is_no_number_is_no_reason_to_stop() {
    let (_folder, file) = MadeBox::critical().file();
    for columns in ["0", "1", "abc", "", "-5", "99999999999999999999999"] {
        let output = diag(["replay"]).arg(&file).env("COLUMNS", columns).output().unwrap();
        assert!(good(&output).starts_with("CRITICAL"), "COLUMNS={columns}");
    }
    let wide = good(&diag(["replay"]).arg(&file).env("COLUMNS", "100000").output().unwrap());
    assert!(wide.len() < 100_000, "a wide screen must not be filled with blanks");
}

#[test]
fn colour_is_for_those_who_want_it() {
    let (folder, file) = MadeBox::critical().file();
    let text = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = diag(["replay"]);
        good(&command.arg(&file).args(arguments).envs(environment.iter().copied()).output().unwrap())
    };
    let coloured =
        |arguments: &[&str], environment: &[(&str, &str)]| text(arguments, environment).contains('\x1b');
    // Standard output is a pipe here.
    assert!(!coloured(&[], &[]));
    assert!(!coloured(&["--color", "auto"], &[("TERM", "xterm-256color")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&[], &[("CLICOLOR", "1")]));
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["--color", "always", "--format", "json"], &[("CLICOLOR_FORCE", "1")]));
    // But for colour the two are the same; the last lines say what the run cost.
    let body = |text: String| text.split("\nbox, ").next().unwrap().to_owned();
    let always = without_colour(&text(&["--color", "always"], &[]));
    assert_eq!(body(always), body(text(&["--color", "never"], &[])));
    let out = folder.path().join("report.txt");
    let environment = [("CLICOLOR_FORCE", "1")];
    assert_eq!(text(&["--output", out.to_str().unwrap()], &environment), "");
    assert!(!fs::read_to_string(out).unwrap().contains('\x1b'), "a file is no terminal");
}

#[test]
fn a_terminal_gets_colour_and_its_own_width() {
    if !has("script") {
        return;
    }
    let (_folder, file) = MadeBox::critical().file();
    let program = format!("stty cols 50 rows 24; '{DIAG}' replay '{}'", file.display());
    let output = raw("script")
        .args(["-qec", &program, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let text = stdout(&output.unwrap()).replace('\r', "");
    assert!(text.contains("\x1b[") && text.contains("cpu-user"), "{text}");
    assert_eq!(too_wide(&without_colour(&text), 50), Vec::<&str>::new());
    // Progress is for a terminal; through a pipe there is none of it.
    let program = format!("'{DIAG}' --interval 1s");
    let output = raw("script")
        .args(["-qec", &program, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let text = stdout(&output.unwrap());
    assert!(text.contains("watching") && text.contains("Not checked: "), "{text}");
    assert!(!good(&run(["--interval", "1s"])).contains("watching"));
}

// Explanations.

/// The ids that `diag explain` lists.
fn ids() -> Vec<String> {
    let list = good(&run(["explain"]));
    let (table, _) = list.split_once("\n\n").unwrap();
    table.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_bottleneck_is_listed_in_the_order_of_the_rules_and_explained() {
    let mut rules: Vec<&str> = diag::diagnose::rules::RULES.iter().map(|rule| rule.id.as_str()).collect();
    rules.push("unknown");
    assert_eq!(ids(), rules);
    for id in rules {
        let text = good(&run(["explain", id]));
        assert!(text.starts_with(&format!("{id} - ")), "{text}");
        for heading in ["\nDetected from\n", "\nConfirm it by hand\n", "\nSources\n"] {
            assert!(text.contains(heading), "{id} has no {heading}");
        }
        assert_eq!(text.contains("\nFix it "), id != "none", "{id}");
        assert_harmless(&text);
    }
}

#[test]
fn an_explanation_has_its_limits_looks_and_fixes() {
    let text = good(&run(["explain", "memory-swap"]));
    for part in [
        "- swap_in_pages_per_second: warning at 10/s, critical at 100/s (atop: 10 pages/s; critical is a",
        "  $ vmstat 1 5\n    si above 0",
        "First look and contain\n",
        "    $ systemctl set-property --runtime UNIT MemoryHigh=BYTES\n    risk: ",
        "    undo: rm /run/systemd/system.control/UNIT.d/50-MemoryHigh.conf && systemctl daemon-reload\n",
        "Fix it in the program\n",
        "Fix it by adding the resource\n",
        "Fix it by distributing the work\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn an_explanation_for_a_program_says_the_same() {
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&good(&run([arguments, &["--format", "json"]].concat()))).unwrap()
    };
    let listed: Vec<String> = json(&["explain"])
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, ids());
    let told = json(&["explain", "disk-latency"]);
    assert_eq!(told["id"], "disk-latency");
    assert_eq!(told["limits"][0]["unit"], "seconds");
    assert_eq!(told["limits"][0]["warning"], 0.03);
    assert_eq!(told["confirm"][0]["command"], "iostat -dx 1 3");
    assert_eq!(told["advice"][0]["remedy"], "tune");
    let text = good(&run(["explain", "disk-latency"])).split_whitespace().collect::<Vec<_>>().join(" ");
    for counter in told["counters"].as_array().unwrap() {
        assert!(text.contains(counter.as_str().unwrap()), "{counter}");
    }
}

#[test]
fn an_unknown_bottleneck_is_one_line_with_the_nearest() {
    for (typed, says) in [
        ("cpu-usr", "did you mean cpu-user?"),
        ("swap", "did you mean memory-swap?"),
        ("CPU_USER", "did you mean cpu-user?"),
        ("zzzzzz", "'zzzzzz'; "),
        ("", "''"),
        ("\x1b[31m\n", "\\x1b[31m\\n"),
    ] {
        let line = one_line(&run(["explain", typed]), 2);
        assert!(line.contains(says) && line.contains("'diag explain' lists them all"), "{line}");
    }
}

#[test]
fn an_explanation_fits_the_screen_and_goes_where_it_is_asked_to() {
    for id in ids() {
        let mut command = diag(["explain", &id]);
        let text = good(&command.env("COLUMNS", "60").output().unwrap());
        // What is between quotes cannot be continued on another line.
        let wide: Vec<&str> =
            too_wide(&text, 60).into_iter().filter(|line| !line.contains(['\'', '"'])).collect();
        assert_eq!(wide, Vec::<&str>::new(), "{id}");
    }
    let bold = good(&run(["explain", "zombies", "--color", "always"]));
    assert_eq!(without_colour(&bold), good(&run(["explain", "zombies"])));
    assert!(bold.contains('\x1b'));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("zombies.txt");
    assert_eq!(good(&run(["explain", "zombies", "--output", out.to_str().unwrap()])), "");
    assert_eq!(fs::read_to_string(out).unwrap(), good(&run(["explain", "zombies"])));
}

/// `diag explain ID` on a terminal that is larger than the text, with `environment` as a shell writes it.
fn on_a_terminal(environment: &str, id: &str) -> Output {
    let program = format!("stty cols 100 rows 200; {environment} '{DIAG}' explain {id}");
    let mut command = assert_cmd::Command::from_std(raw("script"));
    command.args(["-qec", &program, "/dev/null"]).env("TERM", "xterm").timeout(PATIENCE).output().unwrap()
}

#[test]
fn a_terminal_shows_an_explanation_through_the_pager() {
    if !has("script") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paged = folder.path().join("paged");
    let environment = format!("PAGER='cat >{}'", paged.display());
    let output = on_a_terminal(&environment, "zombies");
    assert_eq!((output.status.code(), stdout(&output).trim()), (Some(0), ""));
    let text = fs::read_to_string(&paged).unwrap();
    assert!(text.contains("\x1b[") && without_colour(&text).contains("\nConfirm it by hand\n"), "{text}");
    // By its name and in the user's own words; NO_COLOR holds through a pager as well.
    let output = on_a_terminal("NO_COLOR=1 PAGER='head -n 1'", "zombies");
    assert_eq!(stdout(&output).trim(), "zombies - a process does not reap its children");
    assert_eq!(output.status.code(), Some(0));
    // To leave it early is no error, however little was read.
    let output = on_a_terminal("PAGER=false", "zombies");
    assert_eq!((output.status.code(), stdout(&output).trim()), (Some(0), ""));
    if has("less") {
        let output = on_a_terminal("", "zombies");
        assert_eq!(output.status.code(), Some(0));
        assert!(without_colour(&stdout(&output)).contains("Confirm it by hand"), "{}", stdout(&output));
    }
}

#[test]
fn without_a_pager_an_explanation_is_printed() {
    if !has("script") {
        return;
    }
    for environment in [
        "PAGER=/nowhere/pager",
        "PAGER='/nowhere/pager -x'",
        "PAGER=",
        "PAGER=cat",
        "TERM=dumb",
        "PATH=/nowhere",
    ] {
        let output = on_a_terminal(environment, "zombies");
        let text = stdout(&output).replace('\r', "");
        assert_eq!(output.status.code(), Some(0), "{environment}: {text}");
        assert!(without_colour(&text).contains("\nConfirm it by hand\n"), "{environment}: {text}");
        assert_eq!(without_colour(&text).matches("\nSources\n").count(), 1, "{environment}");
    }
    // Only a terminal has a pager.
    let mut command = diag(["explain", "zombies"]);
    let text = good(&command.env("PAGER", "false").env("TERM", "xterm").output().unwrap());
    assert!(text.contains("Confirm it by hand"));
}

// Names from outside.

#[test]
fn hostile_names_in_a_capture_are_shown_and_not_obeyed() {
    let (_folder, file) = MadeBox::hostile().file();
    let report = report(&replay(&file, &["--format", "json"]));
    let culprit = &report["verdict"]["culprit"];
    assert_eq!(culprit["comm"], "\\x1b[31m)\\n\u{fffd}\\u{9b}(R");
    assert_eq!(report["host"]["hostname"], "box\\n\\x1b[31m\\u{202e}");
    for format in ["text", "json", "jsonl", "markdown", "nagios", "prometheus"] {
        let output = replay(&file, &["--format", format, "--color", "never"]);
        assert!(format == "nagios" || output.status.code() == Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        assert_harmless(&text);
        assert!(text.contains("[31m"), "the name is shown");
    }
}

#[test]
fn a_hostile_process_is_shown_and_not_obeyed() {
    let arguments: [&[u8]; 3] = [b"\x1b]0;owned\x07", b"\xff\xfe\n\r", "\u{202e}gpj.exe".as_bytes()];
    let burner = Burner::start(b"\x1b[31mx\n\xff\xc2\x9by", BURN, &arguments);
    let pid = burner.pid().to_string();
    let ask = |more: &[&str]| {
        diag(["--interval", "1s", "--pid", &pid, "--color", "never"]).args(more).output().unwrap()
    };
    let report = report(&ask(&["--format", "json"]));
    let row = &report["processes"][0];
    assert_eq!(row["pid"].to_string(), pid);
    assert_eq!(row["comm"], "\\x1b[31mx\\n\u{fffd}\\u{9b}y");
    let command_line = row["cmdline"].as_str().unwrap();
    assert!(
        command_line.contains("\\x1b]0;owned\\x07 \u{fffd}\u{fffd}\\n\\r \\u{202e}gpj.exe"),
        "{command_line}"
    );
    let text = good(&ask(&[]));
    assert_harmless(&text);
    assert!(text.contains("\\x1b[31mx\\n"), "{text}");
}

// Signals.

/// Starts a long window and waits until it has installed its handlers and looked for a second.
fn long_window(command: &[&OsStr], out: &Path) -> Child {
    let child = raw(DIAG)
        .args(command)
        .args(["--interval", "10m", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(File::create(out).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    wait_until("the window listens to Ctrl-C", || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
        // Signals 2 and 15.
        mask & 0x2 != 0 && mask & 0x4000 != 0
    });
    // It sleeps between two samples, and before the window it never does.
    wait_until_asleep(child.id());
    std::thread::sleep(Duration::from_millis(1100));
    child
}

fn finish(mut child: Child) -> Output {
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn a_signal_ends_the_window_and_not_the_report() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let child = long_window(&[], &path);
        kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        // It kills the child where the window goes on.
        let output = finish(child);
        assert_eq!(output.status.code(), Some(0), "{signal:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "");
        let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_sound(&report);
        assert_eq!(report["window"]["interrupted"], true);
        let seconds = report["window"]["seconds"].as_f64().unwrap();
        assert!((1.0..599.0).contains(&seconds), "{seconds}");
    }
}

#[test]
fn a_signal_that_comes_twice_is_one_request() {
    // As `timeout -s INT 2 diag` does it: to the child, then to its group.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let child = long_window(&[], &path);
    let pid = rustix::process::Pid::from_child(&child);
    for _ in 0..2 {
        kill_process(pid, Signal::INT).unwrap();
    }
    let output = finish(child);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_sound(&report);
    assert_eq!(report["window"]["interrupted"], true);
}

#[test]
fn a_later_signal_ends_a_run_that_is_stuck() {
    // The report has no place to go: the pipe is full and is not read.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, &[b'x'; 65536]).unwrap();
    let mut child = raw(DIAG).args(["-t", "1s"]).stdin(Stdio::null()).stdout(writer).spawn().unwrap();
    let wchan = format!("/proc/{}/wchan", child.id());
    wait_until("the report waits for its reader", || {
        fs::read_to_string(&wchan).unwrap_or_default().contains("pipe_write")
    });
    let pid = rustix::process::Pid::from_child(&child);
    let end = Instant::now() + PATIENCE;
    let mut signals_count = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it cannot be ended");
        kill_process(pid, Signal::INT).unwrap();
        signals_count += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "{status}");
    assert!(signals_count > 1, "the first one asks for the report");
}

#[test]
fn an_interrupted_recording_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("x.diag"), folder.path().join("out"));
    let child = long_window(&["record".as_ref(), file.as_os_str()], &out);
    kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    recorded(&finish(child), &file);
    assert_eq!(replayed(&file)["window"]["interrupted"], true);
}

// Limits.

/// Runs a copy of the program as nobody.
fn as_nobody(program: &Path, arguments: &[&str]) -> Output {
    limited(&[&AS_NOBODY[..], &[program.to_str().unwrap()], arguments].concat())
}

/// Runs a whole command line.
fn limited(words: &[&str]) -> Output {
    let mut command = assert_cmd::Command::from_std(raw(words[0]));
    command.args(&words[1..]).current_dir("/").timeout(PATIENCE).output().unwrap()
}

/// That a run under a limit answered, or said in one line why it could not.
fn answered(output: &Output) -> bool {
    if output.status.code() == Some(0) {
        report(output);
        return true;
    }
    let line = one_line(output, 1);
    assert!(line.len() > 20, "{line}");
    false
}

const LIVE: [&str; 4] = ["--interval", "1s", "--format", "json"];

#[test]
fn few_file_descriptors_are_enough() {
    if !has("prlimit") {
        return;
    }
    let output = limited(&[&["prlimit", "--nofile=12:12", DIAG][..], &LIVE].concat());
    assert!(answered(&output), "{}", stderr(&output));
    // Below this the dynamic loader has no room for the libraries.
    for count in 5..12 {
        answered(&limited(&[&["prlimit", &format!("--nofile={count}:{count}"), DIAG][..], &LIVE].concat()));
    }
}

#[test]
fn little_memory_is_enough() {
    if !has("prlimit") {
        return;
    }
    let output = limited(&[&["prlimit", "--as=268435456", DIAG][..], &LIVE].concat());
    assert!(answered(&output), "{}", stderr(&output));
    // Memory that may not be locked, and a small stack.
    answered(&limited(&[&["prlimit", "--memlock=0", "--stack=1048576", DIAG][..], &LIVE].concat()));
}

#[test]
fn an_output_beyond_the_limit_of_a_file_is_one_line() {
    if !has("prlimit") {
        return;
    }
    let (folder, file) = MadeBox::critical().file();
    let out = folder.path().join("report.json");
    let words = ["prlimit", "--fsize=1000", DIAG, "replay", file.to_str().unwrap(), "--format", "json"];
    let output = limited(&[&words[..], &["--output", out.to_str().unwrap()]].concat());
    assert!(one_line(&output, 1).contains("cannot write"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn an_unprivileged_user_gets_an_answer_that_says_what_it_lacks() {
    if !can_become_nobody() {
        return;
    }
    let (_folder, program) = public_copy();
    let burner = Burner::start(b"of-root", BURN, &[]);
    let pid = burner.pid().to_string();
    let output = as_nobody(&program, &[&LIVE[..], &["--pid", &pid]].concat());
    let report = report(&output);
    assert_eq!(report["processes"][0]["pid"].to_string(), pid);
    let not_checked = report["not_checked"].as_array().unwrap();
    let denied = |item: &&Value| item["reason"].as_str().is_some_and(|reason| reason.contains("denied"));
    let denied: Vec<&Value> = not_checked.iter().filter(denied).collect();
    assert!(!denied.is_empty() && denied.iter().all(|item| item["unlock"].is_string()), "{not_checked:?}");
}

#[test]
fn an_unprivileged_user_without_room_for_a_thread_gets_an_answer() {
    if !can_become_nobody() || !has("prlimit") {
        return;
    }
    let (_folder, program) = public_copy();
    let program = program.to_str().unwrap();
    for count in 1..4 {
        let limit = format!("--nproc={count}:{count}");
        // The limit is for the user, so it holds only once it is nobody.
        let output = limited(&[&AS_NOBODY[..], &["prlimit", &limit, program], &LIVE].concat());
        assert!(answered(&output), "{limit}: {}", stderr(&output));
    }
}

// Where one process or unit spends its time.

/// The target of a live look at a process, after a look at what else is said of it.
fn target(pid: u32) -> Value {
    let report = report(&run(["--pid", &pid.to_string(), "--interval", "1s", "--format", "json"]));
    let target = report["target"].clone();
    assert_eq!((&target["kind"], target["pid"].as_u64()), (&"process".into(), Some(u64::from(pid))));
    target
}

fn ratio(target: &Value, wait: &str) -> f64 {
    let waits = target["waits"].as_array().unwrap();
    waits.iter().find(|row| row["wait"] == wait).map_or(0.0, |row| row["ratio"].as_f64().unwrap())
}

/// A sleep(1) that sleeps by now.
fn sleeper() -> Burner {
    let sleeper = Burner::program("sleep", &["1000"]);
    wait_until_asleep(sleeper.pid());
    sleeper
}

/// A Python that runs `script` until it is dropped, once it has so many threads and the kernel function that each of
/// them sleeps in has `channel` in it.
fn python(script: &str, threads_count: usize, channel: &str) -> Option<Burner> {
    if !has("python3") {
        return None;
    }
    let python = Burner::program("python3", &["-c", script]);
    let threads = format!("/proc/{}/task", python.pid());
    wait_until(channel, || {
        let threads: Vec<_> = fs::read_dir(&threads).unwrap().map(|thread| thread.unwrap().path()).collect();
        let waits =
            |thread: &PathBuf| fs::read_to_string(thread.join("wchan")).unwrap_or_default().contains(channel);
        threads.len() == threads_count && threads.iter().all(waits)
    });
    Some(python)
}

#[test]
fn a_sleeper_is_asleep() {
    let sleeper = sleeper();
    let target = target(sleeper.pid());
    assert!(ratio(&target, "asleep") > 0.9, "{target}");
    assert_eq!((&target["processes_count"], &target["threads_count"]), (&1.into(), &1.into()));
    assert!(target["summary"].as_str().unwrap().contains("sleep (pid"), "{target}");
}

#[test]
fn a_burner_runs_or_waits_for_a_cpu() {
    let burner = Burner::start(b"a-burner", BURN, &[]);
    let target = target(burner.pid());
    let awake: f64 =
        ["running", "waiting-for-cpu", "throttled"].map(|wait| ratio(&target, wait)).iter().sum();
    assert!(awake > 0.9 && ratio(&target, "running") > 0.0, "{target}");
}

#[test]
fn a_read_from_a_silent_peer_is_the_network() {
    let script = "import socket; a, b = socket.socketpair(); a.recv(1)";
    let Some(python) = python(script, 1, "unix_stream") else { return };
    let target = target(python.pid());
    assert!(ratio(&target, "network") > 0.9, "{target}");
    assert!(target["waits"][0]["function"].as_str().unwrap().contains("unix_stream"), "{target}");
}

#[test]
fn an_idle_pool_is_no_lock() {
    let script = "import threading, time; e = threading.Event(); \
                  [threading.Thread(target=e.wait).start() for _ in range(8)]; e.wait()";
    let Some(python) = python(script, 9, "futex") else { return };
    let target = target(python.pid());
    assert!(ratio(&target, "asleep") > 0.9, "{target}");
    assert_eq!(target["threads_count"], 9);
}

#[test]
fn the_text_has_the_table_after_the_verdict() {
    let sleeper = sleeper();
    for more in [&[][..], &["-v"]] {
        let pid = sleeper.pid().to_string();
        let text = good(&run([&["--pid", &pid, "--interval", "1s"], more].concat()));
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
        assert!(at("Where its time went") < at("asleep"));
        let advice = text.find("What to do").or(text.find("Do now"));
        assert!(advice.is_none_or(|advice| at("Where its time went") < advice), "{text}");
    }
}

#[test]
fn a_process_that_ends_within_the_window_is_told_as_far_as_it_was_seen() {
    let short = sleeper();
    let pid = short.pid().to_string();
    let mut command = raw(DIAG);
    command.args(["--pid", &pid, "--interval", "5s", "--format", "json"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The window has begun, and lasts for long enough to see the end.
    wait_until_asleep(child.id());
    drop(short);
    let report = report(&child.wait_with_output().unwrap());
    let target = &report["target"];
    let window = report["window"]["seconds"].as_f64().unwrap();
    assert!(target["thread_seconds"].as_f64().unwrap() < window - 1.0, "{target}");
    assert!(target["summary"].as_str().unwrap().contains("ended within the window"), "{target}");
}

#[test]
fn what_is_no_process_and_no_unit_is_one_line() {
    let line = one_line(&run(["--pid", "4194999"]), 1);
    assert!(line.contains("no process 4194999"), "{line}");
    let line = one_line(&run(["--unit", "no\u{1b}such.service"]), 1);
    assert!(line.contains("no process is in the unit") && line.contains("try --"), "{line}");
    usage_error(&["--unit", "a", "--pid", "1"], "cannot be used with");
    usage_error(&["--unit", " "], "name of a unit");
}

#[test]
fn a_process_is_found_by_a_name_that_only_it_has() {
    let one = Burner::start(b"only-one-burner", BURN, &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.diag");
    let command = ["record", "-p", "only-one-burner", "-t", "1s", "-f", "json"];
    let live = sound_report(&recorded(&diag(command).arg(&file).output().unwrap(), &file));
    assert_eq!(live["target"]["pid"].as_u64(), Some(u64::from(one.pid())));
    for name in ["only-one-burner", &one.pid().to_string()] {
        let again = report(&replay(&file, &["-p", name, "-f", "json"]));
        assert_eq!(again["target"]["pid"], live["target"]["pid"]);
    }
    let line = one_line(&replay(&file, &["-p", "only-one"]), 1);
    assert!(line.contains("no process named \"only-one\"; similar are only-one-burner"), "{line}");
    let twins = [(); 2].map(|()| Burner::start(b"twin-burner", BURN, &[]));
    let line = one_line(&run(["-p", "twin-burner"]), 1);
    assert!(
        line.contains("2 processes are named \"twin-burner\": ") && line.contains("; try --pid "),
        "{line}"
    );
    assert!(twins.iter().all(|twin| line.contains(&twin.pid().to_string())), "{line}");
    let line = one_line(&run(["-p", "no-such-name"]), 1);
    assert!(line.contains("no process is named \"no-such-name\""), "{line}");
}

#[test]
fn a_script_is_found_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("thumbnails-of-a-test.sh");
    fs::write(&script, BURN).unwrap();
    let burner = Burner::program("sh", &[script.to_str().unwrap()]);
    let report = report(&run(["-p", "thumbnails-of-a-test.sh", "-t", "1s", "-f", "json"]));
    assert_eq!(report["target"]["pid"].as_u64(), Some(u64::from(burner.pid())));
}

#[test]
fn a_thread_is_answered_with_its_process() {
    let own = std::process::id().to_string();
    let thread = rustix::thread::gettid().as_raw_nonzero().get().to_string();
    assert_ne!(own, thread, "tests run on threads of their own");
    let line = one_line(&run(["--pid", &thread]), 1);
    assert!(line.contains(&format!("try --pid {own}")), "{line}");
}

/// A tree with two units, one of them of two processes.
fn tree_with_units() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let frame = MadeBox::default().frame(diag::capture::FrameKind::End, 0);
    let put = |path: &str, bytes: &[u8]| {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    };
    frame.files.iter().for_each(|(path, bytes)| put(path, bytes));
    for (pid, unit) in [(BURNER, "burner"), (SLEEPER, "nginx"), (78, "nginx")] {
        put(&format!("proc/{pid}/cgroup"), format!("0::/system.slice/{unit}.service\n").as_bytes());
        let state = if pid == BURNER { 'R' } else { 'S' };
        let stat = format!(
            "{pid} ({unit}) {state} 1 {pid} {pid} 0 -1 4194304 1 0 0 0 7 0 0 0 20 0 1 0 500 9999999 300 \
             18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        put(&format!("proc/{pid}/stat"), stat.as_bytes());
        put(&format!("proc/{pid}/task/{pid}/stat"), stat.as_bytes());
        put(&format!("proc/{pid}/task/{pid}/schedstat"), b"70000000 0 9\n");
        put(&format!("proc/{pid}/task/{pid}/wchan"), b"do_epoll_wait");
    }
    folder
}

#[test]
fn a_unit_is_found_by_its_name() {
    let folder = tree_with_units();
    let root = folder.path().to_str().unwrap();
    for name in ["nginx", "nginx.service", "/system.slice/nginx.service"] {
        let report = report(&run(["--root", root, "--unit", name, "--interval", "1s", "--format", "json"]));
        let target = &report["target"];
        assert_eq!((&target["kind"], &target["unit"]), (&"unit".into(), &"nginx.service".into()));
        assert_eq!((&target["processes_count"], &target["threads_count"]), (&2.into(), &2.into()));
        assert!(ratio(target, "asleep") > 0.99, "{target}");
        assert_eq!(target["members"].as_array().unwrap().len(), 2);
    }
    let line = one_line(&run(["--root", root, "--unit", "ngin"]), 1);
    assert!(line.contains("close to it are nginx.service; try --unit"), "{line}");
    let line = one_line(&run(["--root", root, "--unit", "mysql"]), 1);
    assert!(line.contains("the busiest are nginx.service, burner.service"), "{line}");
    let file = folder.path().join("window.diag");
    let recorded =
        diag(["record", "--root", root, "--unit", "nginx", "--interval", "1s"]).arg(&file).output();
    support::recorded(&recorded.unwrap(), &file);
    let report = replayed(&file);
    assert_eq!(report["target"]["unit"], "nginx.service");
    // One process of a unit that was followed was followed itself.
    let output = replay(&file, &["--pid", "78", "--format", "json"]);
    let one: Value = serde_json::from_str(&good(&output)).unwrap();
    assert!(ratio(&one["target"], "asleep") > 0.99, "{}", one["target"]);
    let line = one_line(&replay(&file, &["--unit", "mysql"]), 1);
    assert!(line.contains("recorded for --unit"), "{line}");
}
