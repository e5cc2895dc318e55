//! The stages that compute touch no file, no clock and no screen, and only the profile has unsafe code.

use super::source::{Source, sources, sources_where};
use std::collections::BTreeSet;

/// The stages that compute and do nothing else.
const PURE: [&str; 6] = ["delta", "diagnose", "render", "model", "redact", "socket_tables"];

/// What a pure stage must not touch; macros end in `!`.
fn impure(source: &Source) -> Vec<String> {
    const BANNED: [&str; 8] =
        ["fs", "env", "process::Command", "net", "thread", "io::stdout", "io::stderr", "io::stdin"];
    let name = source.name();
    let mut found: BTreeSet<String> = BTreeSet::new();
    for path in source.foreign() {
        let (first, rest) = (path[0].as_str(), path[1..].join("::"));
        let is_or_below = |ban: &&str| rest == **ban || rest.starts_with(&format!("{ban}::"));
        if first == "std" && BANNED.iter().any(is_or_below) {
            found.insert(format!("{name} uses std::{rest}"));
        }
        if let [.., kind, call] = path.as_slice()
            && ["Instant", "SystemTime", "Timestamp", "Zoned"].contains(&kind.as_str())
            && call == "now"
        {
            found.insert(format!("{name} uses {kind}::now"));
        }
        if ["rustix", "sysinfo", "indicatif", "anstream"].contains(&first) {
            found.insert(format!("{name} uses {first}, which is for the edges of the program"));
        }
    }
    for print in ["print", "println", "eprint", "eprintln", "dbg"] {
        if source.macros().contains(print) {
            found.insert(format!("{name} uses {print}!"));
        }
    }
    if source.tokens().iter().any(|token| token == "disallowed_methods") {
        found.insert(format!("{name} opts out of the ban on files, clocks and prints"));
    }
    found.into_iter().collect()
}

#[test]
fn the_pure_stages_touch_no_file_no_clock_and_no_screen() {
    let pure = sources_where(|module| module.first().is_some_and(|stage| PURE.contains(&stage.as_str())));
    let found: Vec<String> = pure.iter().flat_map(impure).collect();
    assert!(pure.len() > 20 && found.is_empty(), "{}", found.join("\n"));
    for text in [
        "use std::{collections::HashMap, fs};",
        "fn f() { std::env::var(\"x\"); }",
        "use std::process::Command;",
        "fn f() { println!(\"x\") }",
        "fn f() { vec![eprintln!(\"x\")]; }",
        "fn f() { vec![std::fs::read(\"x\")]; }",
        "fn f() { let x = std::time::Instant::now(); }",
        "use std::time::SystemTime; fn f() { let x = SystemTime::now(); }",
        "use std::time; fn f() { let x = time::Instant::now(); }",
        "#![allow(clippy::disallowed_methods, reason = \"x\")]",
        "use rustix::fs::openat;",
    ] {
        assert_eq!(impure(&Source::new(["delta", "x"], text)).len(), 1, "{text}");
    }
    let pure = "use std::fmt; // std::fs\nconst X: (&str, &str) = (env!(\"x\"), \"println!\");";
    assert_eq!(impure(&Source::new(["delta"], pure)).len(), 0);
}

#[test]
fn only_the_profile_has_unsafe_code() {
    let is_unsafe = |source: &Source| source.tokens().iter().any(|token| token == "unsafe");
    let found = |source: &&Source| source.stage() != "profile" && is_unsafe(source);
    let found: Vec<String> = sources().iter().filter(found).map(Source::name).collect();
    assert!(found.is_empty(), "unsafe in {found:?}");
    assert!(is_unsafe(&Source::new(["x"], "fn f() { unsafe { g() } } // x")));
    assert!(!is_unsafe(&Source::new(["x"], "#![deny(unsafe_code)] // unsafe")));
}
