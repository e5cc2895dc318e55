//! The arrows between the modules, the registries and the purity of the stages, held by reading the source.
//!
//! Comments, strings and test modules are taken out first, so that what is looked at is code.

#![allow(clippy::disallowed_methods, reason = "this test reads the source")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

use diag::diagnose::rules::RULES;
use diag::diagnose::thresholds::{ALL, SETTINGS};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The stages that compute and do nothing else.
const PURE: [&str; 5] = ["delta", "diagnose", "render", "model", "redact"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// One source file.
struct Source {
    /// `diagnose::rules::cpu_user`; empty for the root of the crate.
    module: Vec<String>,
    /// As it was written.
    text: String,
    /// Without comments, the content of strings, and test modules.
    code: String,
}

impl Source {
    fn new(module: &[&str], text: &str) -> Self {
        let code = without_tests(&bare(text)).to_owned();
        Self { module: module.iter().map(|part| (*part).to_owned()).collect(), text: text.to_owned(), code }
    }

    fn name(&self) -> String {
        self.module.join("::")
    }

    fn stage(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// Every path below `root` that the code names, `a::{b, c::d}` taken apart.
    fn paths(&self, root: &str) -> Vec<Vec<String>> {
        let tokens = tokens(&self.code);
        let mut paths = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let starts = index == 0 || tokens[index - 1] != "::" && tokens[index - 1] != "$";
            if token == root && starts && tokens.get(index + 1).is_some_and(|next| next == "::") {
                let mut at = index + 2;
                tree(&tokens, &mut at, &[], &mut paths);
            }
        }
        paths
    }

    /// Every path of this crate that it names, from the root of the crate on.
    fn dependencies(&self) -> Vec<Vec<String>> {
        let mut paths = self.paths("crate");
        paths.extend(self.paths("diag"));
        for path in self.paths("super") {
            let up = 1 + path.iter().take_while(|part| *part == "super").count();
            let stem = &self.module[..self.module.len().saturating_sub(up)];
            paths.push(stem.iter().chain(&path[up - 1..]).cloned().collect());
        }
        paths
    }
}

/// Reads `a::b`, `a::{b, c}` and `a::b as c` from `at` on.
fn tree(tokens: &[String], at: &mut usize, stem: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = stem.to_vec();
    while let Some(token) = tokens.get(*at) {
        if token == "{" {
            *at += 1;
            while tokens.get(*at).is_some_and(|token| token != "}") {
                let before = *at;
                tree(tokens, at, &path, paths);
                // Over the comma, or over what is no path at all.
                *at += usize::from(*at == before || tokens.get(*at).is_some_and(|token| token == ","));
            }
            *at += 1;
            return;
        }
        if !is_word(token) && token != "*" {
            break;
        }
        path.push(token.clone());
        *at += 1;
        if tokens.get(*at).is_none_or(|token| token != "::") {
            break;
        }
        *at += 1;
    }
    // A new name is no path.
    *at += if tokens.get(*at).is_some_and(|token| token == "as") { 2 } else { 0 };
    if path.len() > stem.len() {
        paths.push(path);
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::`, and every other character alone.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            ':' if rest.starts_with("::") => 2,
            other => other.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// `text` without comments and without what is between quotes.
fn bare(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string_length(rest),
            'r' if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw_string_length(rest),
            'b' if rest.starts_with("br") => raw_string_length(&rest[1..]).checked_add(1).unwrap_or(0),
            '\'' => char_length(rest),
            _ => 0,
        };
        // A raw string that is none gives nothing but the letter `b` before it.
        if skipped > 1 {
            code.push(if first == '/' { ' ' } else { '"' });
            rest = &rest[skipped..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string_length(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|&byte| byte == b'#').count();
    if text.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[2 + hashes..].find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len())
}

/// A character in quotes; a lifetime is none.
fn char_length(text: &str) -> usize {
    if let Some(escape) = text.strip_prefix("'\\") {
        let skip = escape.chars().next().map_or(0, char::len_utf8);
        return escape[skip..].find('\'').map_or(0, |end| 2 + skip + end + 1);
    }
    let Some(length) = text[1..].chars().next().map(char::len_utf8) else { return 0 };
    if text[1 + length..].starts_with('\'') { length + 2 } else { 0 }
}

/// Test modules are the last item of their file.
fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests").map_or(code, |start| &code[..start])
}

/// Every file below `src`, in order.
fn sources() -> Vec<Source> {
    let (mut sources, mut folders) = (Vec::new(), vec![src()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(src()).unwrap().with_extension("");
                let mut module: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
                module.pop_if(|last| *last == "mod" || *last == "lib");
                sources.push(Source::new(&module, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by_key(Source::name);
    assert!(sources.len() > 30, "the source was not found");
    sources
}

/// Modules that only tests compile.
fn is_for_tests(source: &Source) -> bool {
    source.module.last().is_some_and(|name| name == "test_report")
}

/// Why `source` must not use `path`; none where it may.
fn forbidden(source: &Source, path: &[String], rules: &BTreeSet<String>) -> Option<String> {
    let (target, below) = (path.first().map_or("", String::as_str), path.get(1).map_or("", String::as_str));
    // What `lib.rs` and `main.rs` re-export or start is not a dependency.
    let allowed: &[&str] = match source.stage() {
        "model" => &["model"],
        "capture" => &["capture", "collect", "model", "redact"],
        "collect" => &["collect", "capture", "model"],
        "delta" => &["delta", "model"],
        "diagnose" => &["diagnose", "model"],
        "redact" => &["redact", "model"],
        "files" => &["files"],
        "profile" => &["profile", "model"],
        "render" => &["render", "model"],
        "cli" => &["cli"],
        "exit" => &["exit", "cli", "model"],
        // The manual says of a bottleneck what `diag explain` says, section by section.
        "generate" if matches!((target, below), ("diagnose", "manual") | ("render", "explain")) => {
            return None;
        }
        // The limits that a file can set, and the files that did not answer.
        "config" if target == "diagnose" && below == "thresholds" => return None,
        "config" => &["config", "model"],
        "generate" => &["generate", "cli", "exit", "model"],
        "app" | "main" | "watch" => return None,
        "" => &[],
        _ => return Some("it is not on the map of the modules: put it there".to_owned()),
    };
    if !allowed.contains(&target) {
        return Some(format!("allowed are {allowed:?}"));
    }
    let rule = match source.module.as_slice() {
        [stage, folder, rule] if stage == "diagnose" && folder == "rules" => rule,
        _ => return None,
    };
    const HELPERS: [&str; 4] = ["evidence", "thresholds", "judge", "rule"];
    let third = path.get(2).map_or("", String::as_str);
    match (target, below) {
        ("diagnose", "rules") if third != rule && rules.contains(third) => {
            Some("a rule knows no other rule".to_owned())
        }
        ("diagnose", "rules") if third == "*" || third == "RULES" || third == "by_id" => {
            Some("a rule knows no other rule, and so not the table of them".to_owned())
        }
        ("diagnose", helper) if helper != "rules" && !HELPERS.contains(&helper) => {
            Some(format!("of diagnose a rule uses {HELPERS:?}"))
        }
        _ => None,
    }
}

fn rule_files() -> BTreeSet<String> {
    let names = sources().into_iter().filter_map(|source| match source.module.as_slice() {
        [stage, folder, rule] if stage == "diagnose" && folder == "rules" => Some(rule.clone()),
        _ => None,
    });
    names.collect()
}

fn broken_arrows(source: &Source, rules: &BTreeSet<String>) -> Vec<String> {
    let name = source.name();
    source
        .dependencies()
        .iter()
        .filter_map(|path| {
            forbidden(source, path, rules).map(|why| format!("{name} uses {}: {why}", path.join("::")))
        })
        .collect()
}

#[test]
fn stages_depend_on_the_model_and_never_on_each_other() {
    let rules = rule_files();
    let sources = sources();
    let broken: Vec<String> = sources
        .iter()
        .filter(|source| !is_for_tests(source))
        .flat_map(|source| broken_arrows(source, &rules))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let app = sources.iter().find(|source| source.name() == "app").unwrap();
    let used: BTreeSet<String> =
        app.dependencies().into_iter().filter_map(|p| p.into_iter().next()).collect();
    for stage in ["collect", "delta", "diagnose", "render"] {
        assert!(used.contains(stage), "app does not use {stage}, or this test no longer reads what it uses");
    }
}

#[test]
fn the_reading_of_the_source_finds_what_it_looks_for() {
    let rules = rule_files();
    let broken = |module: &[&str], text: &str| broken_arrows(&Source::new(module, text), &rules).len();
    for (module, text, count) in [
        (&["delta", "cpu"][..], "use crate::{model::x, collect::y, delta};", 1),
        (&["delta", "cpu"], "fn f() { crate::render::text(); crate::delta::a() }", 1),
        (&["delta", "cpu"], "use super::super::collect::x; use super::counter;", 1),
        (&["delta"], "use super::collect;", 1),
        (&["delta", "cpu"], "// crate::collect\n/* crate::render::x */ let s = \"crate::app::x\";", 0),
        (&["delta", "cpu"], "let a = r#\"crate::app\"x\"#; let q = '\"'; crate::app::x()", 1),
        (&["delta", "cpu"], "#[cfg(test)]\nmod tests { use crate::collect; }", 0),
        (&["model", "task"], "use crate::delta::{a, b as c, d::{e, f}};", 4),
        (&["cli"], "use crate::model::x;", 1),
        (&["generate"], "use crate::diagnose::{manual, facts}; use crate::render::{explain::x, text};", 2),
        (&["files"], "use crate::render::text;", 1),
        (&["other"], "use crate::model;", 1),
        (&["diagnose", "rules", "cpu_user"], "use super::cpu_system::x; use super::Rule;", 1),
        (
            &["diagnose", "rules", "cpu_user"],
            "use crate::diagnose::{advice, evidence, rules::{Hit, RULES}};",
            2,
        ),
        (&["diagnose", "rules", "cpu_user"], "use crate::diagnose::rules::{cpu_user, cpu_steal::RULE};", 1),
    ] {
        assert_eq!(broken(module, text), count, "{module:?}: {text}");
    }
}

/// What a pure stage must not touch; macros end in `!`.
fn impure(source: &Source) -> Vec<String> {
    let name = source.name();
    let mut found: Vec<String> = Vec::new();
    for path in source.paths("std") {
        let path = path.join("::");
        let banned =
            ["fs", "env", "process::Command", "net", "thread", "io::stdout", "io::stderr", "io::stdin"];
        if banned.iter().any(|ban| path == *ban || path.starts_with(&format!("{ban}::"))) {
            found.push(format!("{name} uses std::{path}"));
        }
    }
    let tokens = tokens(&source.code);
    for window in tokens.windows(3) {
        let [a, b, c] = window else { continue };
        let clock =
            matches!(a.as_str(), "Instant" | "SystemTime" | "Timestamp" | "Zoned") && b == "::" && c == "now";
        let print = matches!(a.as_str(), "print" | "println" | "eprint" | "eprintln" | "dbg") && b == "!";
        if clock || print {
            found.push(format!("{name} uses {a}{b}{c}"));
        }
        if ["rustix", "sysinfo", "indicatif", "anstream"].contains(&a.as_str()) && b == "::" {
            found.push(format!("{name} uses {a}, which is for the edges of the program"));
        }
    }
    if tokens.iter().any(|token| token == "disallowed_methods") {
        found.push(format!("{name} opts out of the ban on files, clocks and prints"));
    }
    found
}

#[test]
fn the_pure_stages_touch_no_file_no_clock_and_no_screen() {
    let sources = sources();
    let pure: Vec<&Source> = sources.iter().filter(|source| PURE.contains(&source.stage())).collect();
    let found: Vec<String> = pure.iter().flat_map(|source| impure(source)).collect();
    assert!(pure.len() > 20 && found.is_empty(), "{}", found.join("\n"));
    for text in [
        "use std::{collections::HashMap, fs};",
        "fn f() { std::env::var(\"x\"); }",
        "use std::process::Command;",
        "fn f() { println!(\"x\") }",
        "let x = std::time::Instant::now();",
        "use std::time::SystemTime; let x = SystemTime::now();",
        "#![allow(clippy::disallowed_methods, reason = \"x\")]",
        "use rustix::fs::openat;",
    ] {
        assert_eq!(impure(&Source::new(&["delta", "x"], text)).len(), 1, "{text}");
    }
    assert_eq!(
        impure(&Source::new(&["delta"], "use std::fmt; // std::fs\nenv!(\"x\"); \"println!\";")).len(),
        0
    );
}

#[test]
fn only_the_profile_has_unsafe_code() {
    let is_unsafe = |source: &Source| tokens(&source.code).iter().any(|token| token == "unsafe");
    let found = |source: &&Source| source.stage() != "profile" && is_unsafe(source);
    let found: Vec<String> = sources().iter().filter(found).map(Source::name).collect();
    assert!(found.is_empty(), "unsafe in {found:?}");
    assert!(is_unsafe(&Source::new(&["x"], "fn f() { unsafe { g() } } // x")));
    assert!(!is_unsafe(&Source::new(&["x"], "#![deny(unsafe_code)] // unsafe")));
}

#[test]
fn every_rule_is_registered_under_the_name_of_its_file() {
    let files: BTreeSet<String> = rule_files().iter().map(|name| name.replace('_', "-")).collect();
    let ids: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_string()).collect();
    assert_eq!(ids.len(), RULES.len(), "two rules have the same id");
    let unregistered: Vec<&String> = files.difference(&ids).collect();
    assert!(
        unregistered.is_empty(),
        "in src/diagnose/rules, but not in RULES under this id: {unregistered:?}"
    );
    let homeless: Vec<&String> = ids.difference(&files).collect();
    assert!(homeless.is_empty(), "in RULES, but src/diagnose/rules has no file of this name: {homeless:?}");
}

#[test]
fn every_rule_is_documented() {
    for rule in RULES {
        let told = |text: &str| !text.trim().is_empty();
        assert!(told(rule.title) && told(rule.symptom), "{} lacks its title or its symptom", rule.id);
        assert!(
            !rule.sources.is_empty() && rule.sources.iter().all(|s| told(s)),
            "{} has no source",
            rule.id
        );
        assert!(rule.id == "none" || !rule.advice.is_empty(), "{} has no advice", rule.id);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(rule.id.as_str().chars().all(good), "{} is not in kebab case", rule.id);
    }
    let bare: Vec<String> = sources()
        .iter()
        .filter(|source| source.module.len() == 3 && source.module[1] == "rules")
        .filter(|source| !source.text.starts_with("//! "))
        .map(Source::name)
        .collect();
    assert!(bare.is_empty(), "without a module header: {bare:?}");
}

#[test]
fn every_rule_has_a_capture() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let missing: Vec<&str> =
        RULES.iter().map(|rule| rule.id.as_str()).filter(|id| !captures.join(id).is_dir()).collect();
    assert!(missing.is_empty(), "tests/captures/ has no folder for {}", missing.join(", "));
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id.as_str()).collect();
    let folders = fs::read_dir(captures).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    for entry in folders {
        let name = entry.file_name().into_string().unwrap();
        assert!(ids.contains(name.as_str()), "tests/captures/{name} is of no registered rule");
    }
}

/// The constants of a text, each with its documentation and its words: `(name, documented, strings)`.
fn constants(text: &str) -> Vec<(String, bool, Vec<String>)> {
    let mut constants = Vec::new();
    let mut documented = false;
    for (start, line) in line_starts(text) {
        if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap_or("").to_owned();
            let end = text[start..].find(";\n").map_or(text.len(), |end| start + end);
            let mut strings = Vec::new();
            let mut body = &text[start..end];
            while let Some(open) = body.find('"') {
                let length = string_length(&body[open..]);
                strings.push(body[open + 1..open + length - 1].to_owned());
                body = &body[open + length..];
            }
            constants.push((name, documented, strings));
        }
        documented = line.starts_with("///");
    }
    constants
}

fn line_starts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let here = *start;
        *start += line.len();
        Some((here, line.trim_end()))
    })
}

#[test]
fn every_limit_says_where_it_comes_from() {
    let text = fs::read_to_string(src().join("diagnose/thresholds/mod.rs")).unwrap();
    let constants = constants(&text);
    let limits = constants.iter().filter(|(_, _, strings)| !strings.is_empty()).count();
    assert!(limits > 20, "found only {limits} limits");
    for (name, documented, strings) in constants {
        assert!(documented, "{name} is not documented");
        assert!(strings.iter().all(|string| !string.trim().is_empty()), "{name} has an empty string");
        assert!(strings.is_empty() || strings.len() >= 2, "{name} lacks a metric or a source");
    }
    let told = |source: &str| source.trim().len() >= 4;
    for limit in ALL {
        assert!(told(limit.source), "{} has no source", limit.key);
    }
    for setting in SETTINGS {
        assert!(told(setting.source) && told(setting.meaning), "{} has no source or meaning", setting.key);
    }
    let text = "/// A.\npub const A: Limit = limit(\n \"a\", Unit::Ratio, 0.1, None, \"x; y\");\npub const B: f64 = 1.0;\n";
    let found = self::constants(text);
    assert_eq!(found[0], ("A".to_owned(), true, ["a", "x; y"].map(str::to_owned).to_vec()));
    assert_eq!(found[1], ("B".to_owned(), false, Vec::new()));
}

/// The names of the limits in thresholds.rs.
fn limits() -> BTreeSet<String> {
    let text = fs::read_to_string(src().join("diagnose/thresholds/mod.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": Limit "));
    let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
    assert!(names.len() > 40, "found only {names:?}");
    names
}

/// What a rule lists under `limits`, and what the rest of its code names.
fn listed_and_named(source: &Source) -> (BTreeSet<String>, BTreeSet<String>) {
    let (before, rest) = source.code.split_once("limits: &[").unwrap_or((&source.code, ""));
    let (list, after) = rest.split_once(']').unwrap_or(("", rest));
    let words = |text: &str| tokens(text).into_iter().collect::<BTreeSet<String>>();
    (words(list), words(&format!("{before} {after}")))
}

#[test]
fn every_limit_is_explained_where_it_is_used() {
    let limits = limits();
    let mut explained: BTreeSet<String> = BTreeSet::new();
    for source in sources() {
        match source.module.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["diagnose", "rules", rule] => {
                let (listed, named) = listed_and_named(&source);
                let silent: Vec<&String> =
                    limits.intersection(&named).filter(|limit| !listed.contains(*limit)).collect();
                assert!(silent.is_empty(), "{rule} goes by {silent:?} and does not list them under `limits`");
                explained.extend(listed);
            }
            // A step shows its limits beside its numbers.
            ["diagnose", "triage", _] => explained.extend(tokens(&source.code)),
            _ => {}
        }
    }
    let unused: Vec<&String> = limits.difference(&explained).collect();
    assert!(unused.is_empty(), "neither a rule nor a step says that it goes by {unused:?}");
    let text =
        "use crate::x::{A, B}; const R: Rule = Rule { limits: &[&A], check }; fn check() { B.warning }";
    let (listed, named) = listed_and_named(&Source::new(&["diagnose", "rules", "x"], text));
    assert!(listed.contains("A") && !listed.contains("B") && named.contains("B"));
}

#[test]
fn every_limit_can_be_set_under_a_key_of_its_own() {
    let text = fs::read_to_string(src().join("diagnose/thresholds/mod.rs")).unwrap();
    for (kind, listed) in [("Limit", ALL.len()), ("Setting", SETTINGS.len())] {
        let declared = text.matches(&format!(": {kind} =")).count();
        assert_eq!(declared, listed, "a {kind} is not in the list at the end of thresholds.rs");
    }
    let keys = ALL.iter().map(|limit| limit.key).chain(SETTINGS.iter().map(|setting| setting.key));
    let keys: Vec<&str> = keys.collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "two have the same key");
    for limit in ALL {
        let built_in = limit.built_in();
        assert!((0.0..=limit.max()).contains(&built_in.warning), "{}", limit.key);
        let fits = |critical: f64| (built_in.warning..=limit.max()).contains(&critical);
        assert!(built_in.critical.is_none_or(fits), "{}: {built_in:?}", limit.key);
    }
}

/// How a file of `diagnose` gets at a limit past what is in force.
fn past_what_is_in_force(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.code);
    let is_constant =
        |token: &str| token.len() > 1 && token.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let fields = tokens.windows(3).filter(|window| {
        let field = matches!(window[2].as_str(), "warning" | "critical" | "value" | "built_in");
        is_constant(&window[0]) && window[1] == "." && field
    });
    let mut found: Vec<String> = fields.map(|window| window.concat()).collect();
    let names = ["Thresholds", "BUILT_IN", "built_in"];
    found.extend(tokens.into_iter().filter(|token| names.contains(&token.as_str())));
    found
}

#[test]
fn nothing_goes_by_a_limit_past_what_is_in_force() {
    // That the numbers of a limit are private holds it; this holds that they stay so, and closes the other ways.
    let text = fs::read_to_string(src().join("diagnose/thresholds/in_force.rs")).unwrap();
    for field in ["warning: f64,", "critical: Option<f64>,", "value: f64,"] {
        assert!(text.contains(&format!("\n    {field}")), "{field} is gone or public");
    }
    for source in sources().iter().filter(|source| source.stage() == "diagnose") {
        let allowed =
            matches!(source.name().as_str(), "diagnose" | "diagnose::evidence::facts" | "diagnose::manual")
                || source.name().starts_with("diagnose::thresholds");
        let found = if allowed { Vec::new() } else { past_what_is_in_force(source) };
        assert!(found.is_empty(), "{} uses {found:?}; ask facts.limit and facts.setting", source.name());
    }
    for text in
        ["x >= CPU_BUSY.warning", "BUSY.critical", "limit.built_in()", "let t = Thresholds::default();"]
    {
        let found = past_what_is_in_force(&Source::new(&["diagnose", "rules", "x"], text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let good = "facts.limit(&CPU_BUSY).warning; evidence.critical; SWAP_IN.metric";
    assert!(past_what_is_in_force(&Source::new(&["diagnose", "rules", "x"], good)).is_empty());
}

#[test]
fn every_source_of_the_kernel_says_what_it_reads() {
    let mut kernel_sources = 0;
    for source in sources().iter().filter(|source| source.stage() == "collect") {
        let name = source.name();
        assert!(source.text.starts_with("//! "), "{name} does not begin with its documentation");
        if source.code.contains("pub fn parse(") {
            kernel_sources += 1;
            let header: String =
                source.text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
            assert!(header.contains("/proc") || header.contains("/sys"), "{name} does not name its file");
        }
    }
    assert!(kernel_sources >= 8, "found only {kernel_sources} sources of the kernel");
}
