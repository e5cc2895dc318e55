//! Which module may use which.

use super::source::{Source, modules, sources};
use std::collections::BTreeSet;

/// Modules that only tests compile, and that make a report with the stages that make one.
fn is_for_tests(source: &Source) -> bool {
    source.module.last().is_some_and(|name| name == "test_report")
}

/// Why `source` must not use `path`; `None` where it may.
fn forbidden(source: &Source, path: &[String], rules: &BTreeSet<String>) -> Option<String> {
    let (target, below) = (path.first().map_or("", String::as_str), path.get(1).map_or("", String::as_str));
    // What `lib.rs` and `main.rs` re-export or start is not a dependency.
    let allowed: &[&str] = match source.stage() {
        "model" => &["model"],
        // A recorded frame is a source behind a root of `collect`, which knows no capture.
        "capture" => &["capture", "collect", "model", "redact"],
        "collect" => &["collect", "deadline", "model", "socket_tables"],
        "delta" => &["delta", "model"],
        "diagnose" => &["diagnose", "model"],
        "redact" => &["redact", "model"],
        "files" => &["files"],
        "profile" => &["deadline", "profile", "model", "socket_tables"],
        "deadline" => &["deadline"],
        "socket_tables" => &["socket_tables"],
        "render" => &["render", "model"],
        "cli" => &["cli", "model"],
        "exit" => &["exit", "model"],
        // What it needs of the other stages comes in as functions.
        "watch" => &["watch", "capture", "cli", "collect", "delta", "files", "model", "redact", "render"],
        // The manual says of a bottleneck what `diag explain` says, section by section.
        "generate" if matches!((target, below), ("diagnose", "manual") | ("render", "explain")) => {
            return None;
        }
        // The limits that a file can set, and the files that did not answer.
        "config" if target == "diagnose" && below == "thresholds" => return None,
        "config" => &["config", "deadline", "model"],
        "generate" => &["generate", "cli", "exit", "model"],
        "app" | "main" => return None,
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

pub(crate) fn rule_files() -> BTreeSet<String> {
    let names = modules().into_iter().filter_map(|(module, _)| match module.as_slice() {
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
    let app = sources.iter().filter(|source| source.stage() == "app");
    let used: BTreeSet<String> =
        app.flat_map(Source::dependencies).filter_map(|path| path.first().cloned()).collect();
    for stage in ["collect", "delta", "diagnose", "render"] {
        assert!(used.contains(stage), "app does not use {stage}, or this test no longer reads what it uses");
    }
}

#[test]
fn a_forbidden_path_is_found_however_it_is_written() {
    let rules = rule_files();
    let broken = |module: &[&str], text: &str| broken_arrows(&Source::new(module, text), &rules).len();
    let rule = &["diagnose", "rules", "cpu_user"][..];
    for (module, text, count) in [
        (&["delta", "cpu"][..], "use crate::{model::x, collect::y, delta};", 1),
        (&["delta", "cpu"], "fn f() { crate::render::text(); crate::delta::a() }", 1),
        (&["delta", "cpu"], "use super::super::collect::x; use super::counter;", 1),
        (&["delta"], "use super::collect;", 1),
        (
            &["delta", "cpu"],
            "// crate::collect\n/* crate::render::x */ const S: &str = \"crate::app::x\";",
            0,
        ),
        (&["delta", "cpu"], "fn f() { let a = r#\"crate::app\"x\"#; let q = '\"'; crate::app::x() }", 1),
        (&["delta", "cpu"], "#[cfg(test)]\nmod tests { use crate::collect; }", 0),
        (&["delta", "cpu"], "#[cfg(test)]\nmod tests { use crate::collect; }\nuse crate::render;", 1),
        (&["delta", "cpu"], "mod inner { use super::super::super::collect::x; }", 1),
        (&["delta", "cpu"], "fn f() { format!(\"{}\", crate::render::text()); }", 1),
        (&["delta", "cpu"], "fn f() { format!(\"{}\", report.diag.version); }", 0),
        (&["delta", "cpu"], "fn f(x: Vec<crate::render::X>) -> impl crate::app::Y { x }", 2),
        (&["delta", "cpu"], "#[serde(with = crate::render::x)] struct S;", 1),
        (&["model", "task"], "use crate::delta::{a, b as c, d::{e, f}};", 4),
        (&["cli"], "use crate::model::x; use crate::app::y;", 1),
        (&["watch", "run"], "use crate::app::x; use crate::diagnose::y; use crate::delta;", 2),
        (&["main"], "use diag::collect::x;", 0),
        (&["model"], "use diag::collect::x;", 1),
        (&["generate"], "use crate::diagnose::{manual, facts}; use crate::render::{explain::x, text};", 2),
        (&["files"], "use crate::render::text;", 1),
        (&["other"], "use crate::model;", 1),
        (rule, "use super::cpu_system::x; use super::Rule;", 1),
        (rule, "use crate::diagnose::{advice, evidence, rules::{Hit, RULES}};", 2),
        (rule, "use crate::diagnose::rules::{cpu_user, cpu_steal::RULE};", 1),
        (rule, "use super::super::rules as all; fn f() { all::cpu_steal::x() }", 1),
    ] {
        assert_eq!(broken(module, text), count, "{module:?}: {text}");
    }
}
