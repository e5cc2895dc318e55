//! Rules and kernel sources are registered, documented and recorded.

use super::arrows::rule_files;
use super::source::{Source, sources_where};
use diag::diagnose::rules::RULES;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use syn::{Item, Visibility};

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
    let bare: Vec<String> = sources_where(|module| module.len() == 3 && module[1] == "rules")
        .iter()
        .filter(|source| source.header().trim().is_empty())
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
        // More captures of a rule have a word of their own behind its id: `clocksource-tod`.
        let is_of =
            |id: &&str| name == **id || name.strip_prefix(*id).is_some_and(|rest| rest.starts_with('-'));
        assert!(ids.iter().any(is_of), "tests/captures/{name} is of no registered rule");
    }
}

#[test]
fn every_source_of_the_kernel_says_what_it_reads() {
    let mut kernel_sources = 0;
    for source in sources_where(|module| module.first().is_some_and(|stage| stage == "collect")) {
        let name = source.name();
        let header = source.header();
        assert!(!header.trim().is_empty(), "{name} does not begin with its documentation");
        if source.file.items.iter().any(is_public_parser) {
            kernel_sources += 1;
            assert!(header.contains("/proc") || header.contains("/sys"), "{name} does not name its file");
        }
    }
    assert!(kernel_sources >= 8, "found only {kernel_sources} sources of the kernel");
}

/// `pub fn parse`.
fn is_public_parser(item: &Item) -> bool {
    matches!(item, Item::Fn(item) if item.sig.ident == "parse" && matches!(item.vis, Visibility::Public(_)))
}
