//! Limits set in files: the real program with its own files, and the parser with hostile ones.

#![allow(clippy::disallowed_methods, reason = "a test runs the program and writes files")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::config;
use diag::diagnose::thresholds::{ALL, SETTINGS, Thresholds};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use support::{
    AS_NOBODY, MadeBox, PATIENCE, can_become_nobody, diag, good, one_line, public_copy, raw, report, stdout,
};
use tempfile::TempDir;

/// A home of configuration, and where its file goes.
fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("diag")).unwrap();
    let file = home.path().join("diag/config.toml");
    (home, file)
}

/// Whether the file of this machine is out of the way; says why the test is skipped where it is not.
#[allow(clippy::print_stderr, reason = "the reason of a skipped test")]
fn machine_has_none() -> bool {
    let there = Path::new(config::SYSTEM_FILE).exists();
    if there {
        eprintln!("skipped: this machine has a {}", config::SYSTEM_FILE);
    }
    !there
}

/// The program, which reads its configuration below `home`.
fn configured(home: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = diag(arguments);
    command.env_remove("DIAG_NO_CONFIG").env("XDG_CONFIG_HOME", home);
    command
}

/// A replay of `made` by what `text` sets.
fn replayed_by(text: &str, made: &MadeBox, more: &[&str]) -> Output {
    let (home, file) = home();
    fs::write(file, text).unwrap();
    let (_folder, capture) = made.file();
    configured(home.path(), &["replay"]).arg(capture).args(more).output().unwrap()
}

fn evidence<'a>(report: &'a Value, metric: &str) -> Vec<&'a Value> {
    let steps = report["steps"].as_array().unwrap().iter();
    let parts = steps.chain(report["findings"].as_array().unwrap());
    let all = parts.flat_map(|part| part["evidence"].as_array().unwrap());
    all.filter(|evidence| evidence["metric"] == metric).collect()
}

#[test]
fn a_limit_that_is_set_decides_and_is_shown_with_what_it_was() {
    if !machine_has_none() {
        return;
    }
    let text = "cpu_busy_ratio.warning = 1\ncpu_busy_ratio.critical = 1\n[psi_cpu_some_ratio]\nwarning = 0.5\n\
                critical = 0.9\n";
    let before = report(&replayed_by("", &MadeBox::warning(), &["--format", "json"]));
    assert_eq!(before["verdict"]["bottleneck"], "cpu-user");
    assert_eq!(before["diag"]["config_files"], serde_json::json!([]));
    assert!(evidence(&before, "psi_cpu_some_ratio").iter().all(|item| item["threshold_changed"] == false));
    let after = report(&replayed_by(text, &MadeBox::warning(), &["--format", "json"]));
    assert_eq!(after["verdict"]["bottleneck"], "none");
    let file = after["diag"]["config_files"][0].as_str().unwrap();
    assert!(file.ends_with("/diag/config.toml"), "{file}");
    let shown = evidence(&after, "psi_cpu_some_ratio");
    assert!(!shown.is_empty());
    for item in shown {
        assert_eq!((&item["warning"], &item["critical"]), (&0.5.into(), &0.9.into()));
        let source = format!("warning and critical set in {file}; were 0.25 and 0.5 (house value)");
        assert_eq!(item["threshold_source"], source);
        assert_eq!(item["threshold_changed"], true);
    }
    assert!(evidence(&after, "psi_io_some_ratio").iter().all(|item| item["threshold_changed"] == false));
    let short = stdout(&replayed_by(text, &MadeBox::warning(), &[]));
    assert!(short.contains("limits from /"), "{short}");
    let shown = stdout(&replayed_by(text, &MadeBox::warning(), &["-v"]));
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("CPU pressure 30 % warning 50 %, critical 90 %"), "{shown}");
    assert!(words.contains("/proc/pressure/cpu some total"), "{shown}");
    assert!(words.contains("warning and critical set in /"), "{shown}");
    assert!(words.contains("; were 0.25 and 0.5 (house value)"), "{shown}");
    assert!(words.contains("; limits from /"), "{shown}");
}

#[test]
fn a_file_that_makes_no_sense_ends_the_run_before_it_begins() {
    if !machine_has_none() {
        return;
    }
    let (home, file) = home();
    fs::write(&file, "# mine\n[cpu_busy_ratio]\nwarning = 85\n").unwrap();
    let kept = home.path().join("x.diag");
    let (_folder, capture) = MadeBox::critical().file();
    let kept_text = kept.to_str().unwrap();
    for arguments in [
        // An hour, were it to begin.
        &["--interval", "1h"][..],
        &["record", kept_text, "--interval", "1h"],
        &["replay", capture.to_str().unwrap()],
        &["replay", capture.to_str().unwrap(), "--format", "json"],
    ] {
        let output = configured(home.path(), arguments).output().unwrap();
        assert_eq!(
            one_line(&output, 1),
            format!(
                "diag: {}:3: cpu_busy_ratio.warning: must be a number from 0 to 1, not 85; for 85 % write warning = \
                 0.85\n",
                file.display()
            )
        );
    }
    assert!(!kept.exists());
    // What goes by no limit does not look.
    for arguments in [&["config"][..], &["schema"], &["completions", "bash"], &["--version"], &["--help"]] {
        good(&configured(home.path(), arguments).output().unwrap());
    }
    for arguments in [&["--no-config", "replay"][..], &["replay", "--no-config"]] {
        good(&configured(home.path(), arguments).arg(&capture).output().unwrap());
    }
    let mut quiet = configured(home.path(), &["replay"]);
    good(&quiet.env("DIAG_NO_CONFIG", "1").arg(&capture).output().unwrap());
    let mut empty = configured(home.path(), &["replay"]);
    one_line(&empty.env("DIAG_NO_CONFIG", "").arg(&capture).output().unwrap(), 1);
}

#[test]
fn what_is_no_file_is_one_line_and_does_not_hang() {
    if !machine_has_none() {
        return;
    }
    let (_folder, capture) = MadeBox::idle().file();
    type Make = fn(&Path);
    let make: [(&str, Make); 5] = [
        ("is a directory, and must be a regular file; --no-config", |path| fs::create_dir(path).unwrap()),
        ("is a named pipe", |path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap()),
        ("is a device", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
        ("is larger than 1 MiB", |path| fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap()),
        (":2: is not UTF-8", |path| fs::write(path, b"# \xc3\xa4\n# \xe4\n").unwrap()),
    ];
    for (expected, make) in make {
        let (home, file) = home();
        make(&file);
        let line = one_line(&configured(home.path(), &["replay"]).arg(&capture).output().unwrap(), 1);
        assert!(line.starts_with(&format!("diag: {}", file.display())) && line.contains(expected), "{line}");
    }
}

#[test]
fn no_file_is_fine_and_the_home_directory_is_the_default() {
    if !machine_has_none() {
        return;
    }
    let (_folder, capture) = MadeBox::idle().file();
    let nowhere = Path::new("/nonexistent/x");
    let none = configured(nowhere, &["replay", "--format", "json"]).arg(&capture).output().unwrap();
    assert_eq!(report(&none)["diag"]["config_files"], serde_json::json!([]));
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/diag/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "load_per_cpu.warning = 0.5").unwrap();
    for unset in ["", "relative"] {
        let mut command = configured(Path::new(unset), &["replay", "--format", "json"]);
        let output = command.env("HOME", home.path()).arg(&capture).output().unwrap();
        assert_eq!(report(&output)["diag"]["config_files"][0], file.to_str().unwrap());
    }
}

#[test]
fn names_of_a_stranger_do_not_act_on_the_terminal() {
    if !machine_has_none() {
        return;
    }
    let (_folder, capture) = MadeBox::critical().file();
    let home = tempfile::Builder::new().prefix("\u{1b}[2J\n\u{202e}").tempdir().unwrap();
    let file = home.path().join("diag/config.toml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "\"\\u001b[31m\\n\u{202e}\" = 1").unwrap();
    one_line(&configured(home.path(), &["replay"]).arg(&capture).output().unwrap(), 1);
    fs::write(&file, "cpu_busy_ratio.warning = 0.5").unwrap();
    report(&configured(home.path(), &["replay", "--format", "json"]).arg(&capture).output().unwrap());
    let text = good(&configured(home.path(), &["replay"]).arg(&capture).output().unwrap());
    support::assert_harmless(&text);
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_and_says_how_to_go_on() {
    if !machine_has_none() || !can_become_nobody() {
        return;
    }
    let (home, file) = home();
    for folder in [home.path(), &home.path().join("diag")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (_folder, program) = public_copy();
    let mut command = assert_cmd::Command::from_std(raw(AS_NOBODY[0]));
    command.args(&AS_NOBODY[1..]).arg(program).current_dir("/").timeout(PATIENCE);
    command.env_remove("DIAG_NO_CONFIG").env("XDG_CONFIG_HOME", home.path());
    let line = one_line(&command.output().unwrap(), 1);
    assert!(line.contains("cannot be read: Permission denied") && line.contains("--no-config"), "{line}");
    // The home of another user, as a daemon that gave up root inherits it: whether a file is there is unknown.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let text = good(&command.args(["--interval", "1s", "-v"]).output().unwrap());
    assert!(text.contains("its directory is closed to this user"), "{text}");
}

#[test]
fn the_printed_file_is_one_to_start_from() {
    if !machine_has_none() {
        return;
    }
    let (home, file) = home();
    let text = good(&configured(home.path(), &["config"]).output().unwrap());
    assert_eq!(text, config::template());
    let run = || {
        let (_folder, capture) = MadeBox::critical().file();
        report(&configured(home.path(), &["replay", "--format", "json"]).arg(capture).output().unwrap())
    };
    let without = run();
    fs::write(&file, &text).unwrap();
    let commented = run();
    assert_eq!(commented["diag"]["config_files"], without["diag"]["config_files"]);
    fs::write(&file, bare(&text)).unwrap();
    let set = run();
    assert_eq!(set["diag"]["config_files"][0], file.to_str().unwrap());
    for report in [commented, set] {
        assert_eq!(report["verdict"], without["verdict"]);
    }
}

/// The template with all its numbers.
fn bare(template: &str) -> String {
    let lines = template.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned() + "\n",
        _ => line.to_owned() + "\n",
    });
    lines.collect()
}

/// A limit that may be named, by its place among all, with a number from 0 to 1 for its range.
fn choice() -> impl Strategy<Value = Vec<(usize, f64, f64)>> {
    proptest::collection::vec((0..ALL.len() + SETTINGS.len(), 0.0..=1.0_f64, 0.0..=1.0_f64), 0..8)
}

fn read(bytes: &[u8]) -> Option<Thresholds> {
    match Thresholds::default().with_file("f", bytes) {
        Ok(read) => Some(read),
        Err(problem) => {
            let told = problem.to_string();
            assert!(told.len() < 500 && !told.contains('\n') && problem.line >= 1, "{told:?}");
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn no_change_of_a_good_file_makes_the_parser_panic(
        at in any::<proptest::sample::Index>(),
        put in "[\\[\\]{}.=#\"',0-9a-z_ \n\u{1b}\u{e4}-]{0,8}",
        length in 0_usize..40,
    ) {
        let mut text = bare(&config::template()).into_bytes();
        let at = at.index(text.len());
        text.splice(at..(at + length).min(text.len()), put.bytes());
        read(&text);
    }

    #[test]
    fn an_accepted_file_changes_what_it_names_and_nothing_else(choice in choice()) {
        let (mut text, mut named) = (String::new(), BTreeMap::new());
        for (place, a, b) in choice {
            let (low, high) = (a.min(b), a.max(b));
            if named.insert(place, (low, high)).is_some() {
                // A second time is a duplicate key.
                return Ok(());
            }
            text += &match ALL.get(place) {
                Some(limit) if limit.built_in().critical.is_some() => {
                    format!("{0}.warning = {low:?}\n{0}.critical = {high:?}\n", limit.key)
                }
                Some(limit) => format!("{}.warning = {low:?}\n", limit.key),
                None => format!("{}.value = {low:?}\n", SETTINGS[place - ALL.len()].key),
            };
        }
        let Some(now) = read(text.as_bytes()) else { panic!("refused: {text}") };
            for (place, limit) in ALL.iter().enumerate() {
                prop_assert_eq!(now.limit(limit).changed, named.contains_key(&place), "{}", limit.key);
                match named.get(&place) {
                    Some((low, _)) => prop_assert_eq!(now.limit(limit).warning, low.max(f64::MIN_POSITIVE)),
                    None => prop_assert_eq!(now.limit(limit), limit.built_in()),
                }
            }
            for (place, setting) in SETTINGS.iter().enumerate() {
                let changed = now.setting_source(setting) != setting.source;
                prop_assert_eq!(changed, named.contains_key(&(ALL.len() + place)), "{}", setting.key);
            }
    }
}
