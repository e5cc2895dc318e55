//! The committed manual, completions and schema are what the code generates, and the tools that read them can.
//!
//! `DIAG_BLESS=1 cargo test --test generated` writes them anew.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the tools that judge them")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests, as in the tests themselves")]

use diag::cli::{Document, Shell};
use diag::generate;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn check(relative: &str, generated: &[u8]) {
    let path = path(relative);
    if std::env::var_os("DIAG_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // By renaming, so that a test that reads the file meanwhile sees the old one or the new one.
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, generated).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        return;
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    if committed == generated {
        return;
    }
    let (old, new) = (String::from_utf8_lossy(&committed), String::from_utf8_lossy(generated));
    let line = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    panic!(
        "{relative} is out of date from line {} on.\n  committed: {:?}\n  generated: {:?}\n\
         Run `DIAG_BLESS=1 cargo test --test generated` and commit what it writes.",
        line + 1,
        old.lines().nth(line).unwrap_or("(end of file)"),
        new.lines().nth(line).unwrap_or("(end of file)"),
    );
}

/// Runs a tool that not every machine has; `None`, with a printed reason, where it is not installed.
fn tool(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// A file with what is generated now, so that the tools judge the code and not what was committed before.
fn fresh(name: &str, content: &[u8]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn manual_is_up_to_date() {
    check("man/diag.1", &generate::man_page());
    check("man/diag-explain.7", &generate::explain_page());
}

#[test]
fn completions_are_up_to_date() {
    check("completions/diag.bash", &generate::completion(Shell::Bash));
    check("completions/_diag", &generate::completion(Shell::Zsh));
    check("completions/diag.fish", &generate::completion(Shell::Fish));
}

#[test]
fn schemas_are_up_to_date() {
    check("schemas/diag-report-v1.json", generate::schema(Document::Report).as_bytes());
    check("schemas/diag-watch-v1.json", generate::schema(Document::Watch).as_bytes());
}

/// Both manual pages as they are generated now.
fn pages() -> [(&'static str, Vec<u8>); 2] {
    [("diag.1", generate::man_page()), ("diag-explain.7", generate::explain_page())]
}

#[test]
fn man_has_no_warning() {
    for (name, content) in pages() {
        let (_directory, page) = fresh(name, &content);
        // Its exit code says nothing about warnings.
        let Some(output) = tool("man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", &page]) else {
            return;
        };
        assert_eq!(stderr(&output), "", "{name}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn mandoc_has_no_error() {
    for (name, content) in pages() {
        let (_directory, page) = fresh(name, &content);
        let Some(output) = tool("mandoc", &["-T", "lint", "-W", "error", &page]) else { return };
        assert!(output.status.success(), "{name}: {}{}", stdout(&output), stderr(&output));
        assert_eq!(stdout(&output), "", "{name}");
    }
}

#[test]
fn bash_loads_its_file() {
    let (_directory, script) = fresh("diag.bash", &generate::completion(Shell::Bash));
    let program = r#"set -eu; source "$1"; complete -p diag
        COMP_WORDS=(diag --fo) COMP_CWORD=1; _diag diag --fo diag; echo "${COMPREPLY[*]}""#;
    let Some(output) = tool("bash", &["--noprofile", "--norc", "-c", program, "bash", &script]) else {
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains("-F _diag"), "{}", stdout(&output));
    assert!(stdout(&output).contains("--format"), "{}", stdout(&output));
}

#[test]
fn zsh_loads_its_file() {
    let (directory, _script) = fresh("_diag", &generate::completion(Shell::Zsh));
    let program = r#"fpath=("$1" $fpath); autoload -U compinit; compinit -D -u
        print -r -- "bound to ${_comps[diag]}"; autoload +X _diag && print -r -- loaded"#;
    let directory = directory.path().to_str().unwrap();
    let Some(output) = tool("zsh", &["-f", "-c", program, "zsh", directory]) else { return };
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), "bound to _diag\nloaded\n");
}

#[test]
fn fish_loads_its_file() {
    let (directory, script) = fresh("diag.fish", &generate::completion(Shell::Fish));
    let program = r#"source "$argv[1]"; complete -C "diag --""#;
    let home = directory.path().to_str().unwrap();
    let arguments = [
        "-i",
        &format!("HOME={home}"),
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "fish",
        "--no-config",
        "-c",
        program,
        &script,
    ];
    // Fish writes to its home directory, which is none of a test's business.
    let Some(output) = tool("fish", &["--version"]).and_then(|_| tool("env", &arguments)) else { return };
    assert!(output.status.success(), "{}", stderr(&output));
    for option in ["--interval", "--format", "--fail-on"] {
        assert!(stdout(&output).contains(option), "{option} in {}{}", stdout(&output), stderr(&output));
    }
}

#[test]
fn the_table_of_bottlenecks_in_the_readme_is_that_of_the_rules() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- bottlenecks -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /bottlenecks -->").unwrap();
    let rows =
        diag::diagnose::rules::RULES.iter().map(|rule| format!("| `{}` | {} |\n", rule.id, rule.title));
    let expected = "| id | bottleneck |\n|---|---|\n".to_owned() + &rows.collect::<String>();
    assert_eq!(table, expected);
}
