//! Every limit has a source and a key, is explained where it is used, and is read as it is in force.

use super::source::{Source, documentation, sources_where, strings, tokens};
use diag::diagnose::thresholds::{ALL, SETTINGS};
use quote::ToTokens as _;
use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{FieldValue, Item, Member, Visibility};

/// A public constant.
#[derive(Debug, PartialEq)]
struct Constant {
    name: String,
    /// Last word of its type: `Limit`, `Setting`, `f64`.
    kind: String,
    documented: bool,
    strings: Vec<String>,
}

fn constants(source: &Source) -> Vec<Constant> {
    let constants = source.file.items.iter().filter_map(|item| match item {
        Item::Const(item) if matches!(item.vis, Visibility::Public(_)) => Some(Constant {
            name: item.ident.to_string(),
            kind: tokens(item.ty.to_token_stream()).pop().unwrap_or_default(),
            documented: !documentation(&item.attrs).trim().is_empty(),
            strings: strings(item.expr.to_token_stream()),
        }),
        _ => None,
    });
    constants.collect()
}

/// The public constants of `diagnose::thresholds`.
fn thresholds() -> Vec<Constant> {
    sources_where(|module| module.starts_with(&["diagnose", "thresholds"].map(str::to_owned)))
        .iter()
        .flat_map(constants)
        .collect()
}

#[test]
fn every_limit_says_where_it_comes_from() {
    let found = thresholds();
    let limits = found.iter().filter(|constant| !constant.strings.is_empty()).count();
    assert!(limits > 20, "found only {limits} limits");
    for Constant { name, documented, strings, .. } in found {
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
    let text = "/// A.\npub const A: Limit = limit(\n \"a\", Unit::Ratio, 0.1, None, \"x; y\");\n// B.\npub const B: f64 = 1.0;\n";
    let found = constants(&Source::new(["x"], text));
    assert_eq!((found[0].name.as_str(), found[0].kind.as_str(), found[0].documented), ("A", "Limit", true));
    assert_eq!(found[0].strings, ["a", "x; y"]);
    assert!(!found[1].documented && found[1].strings.is_empty());
}

/// The names of the limits.
fn limits() -> BTreeSet<String> {
    let limits = thresholds().into_iter().filter(|constant| constant.kind == "Limit");
    let names: BTreeSet<String> = limits.map(|constant| constant.name).collect();
    assert!(names.len() > 40, "found only {names:?}");
    names
}

/// What a rule lists under `limits`, and what the rest of its code names.
#[derive(Default)]
struct Listed {
    listed: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Listed {
    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        if matches!(&field.member, Member::Named(name) if name == "limits") {
            self.listed.extend(tokens(field.expr.to_token_stream()));
        }
        visit::visit_field_value(self, field);
    }
}

fn listed_and_named(source: &Source) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut list = Listed::default();
    list.visit_file(&source.file);
    // A name that is listed is named once more than it is used.
    let mut named: Vec<String> = source.tokens();
    for name in &list.listed {
        if let Some(at) = named.iter().position(|token| token == name) {
            named.swap_remove(at);
        }
    }
    (list.listed, named.into_iter().collect())
}

#[test]
fn every_limit_is_explained_where_it_is_used() {
    let limits = limits();
    let mut explained: BTreeSet<String> = BTreeSet::new();
    for source in sources_where(|module| module.first().is_some_and(|stage| stage == "diagnose")) {
        match source.module.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["diagnose", "rules", rule] => {
                let (listed, named) = listed_and_named(&source);
                let silent: Vec<&String> =
                    limits.intersection(&named).filter(|limit| !listed.contains(*limit)).collect();
                assert!(silent.is_empty(), "{rule} goes by {silent:?} and does not list them under `limits`");
                explained.extend(listed);
            }
            // A step shows its limits beside its numbers.
            ["diagnose", "triage", _] => explained.extend(source.tokens()),
            _ => {}
        }
    }
    let unused: Vec<&String> = limits.difference(&explained).collect();
    assert!(unused.is_empty(), "neither a rule nor a step says that it goes by {unused:?}");
    let text =
        "use crate::x::{A, B}; const R: Rule = Rule { limits: &[&A], check }; fn check() { B.warning }";
    let (listed, named) = listed_and_named(&Source::new(["diagnose", "rules", "x"], text));
    assert!(listed.contains("A") && !listed.contains("B") && named.contains("B"));
}

#[test]
fn every_limit_can_be_set_under_a_key_of_its_own() {
    let constants = thresholds();
    for (kind, listed) in [("Limit", ALL.len()), ("Setting", SETTINGS.len())] {
        let declared = constants.iter().filter(|constant| constant.kind == kind).count();
        assert_eq!(declared, listed, "a {kind} is not in the list at the end of thresholds/mod.rs");
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
    let tokens = source.tokens();
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
    let sources = sources_where(|module| module.first().is_some_and(|stage| stage == "diagnose"));
    for (structure, number) in [("Limit", "warning"), ("Limit", "critical"), ("Setting", "value")] {
        let is_private = |source: &Source| has_private_field(source, structure, number);
        assert!(sources.iter().any(is_private), "{structure}.{number} is gone or public");
    }
    for source in &sources {
        let allowed =
            matches!(source.name().as_str(), "diagnose" | "diagnose::evidence::facts" | "diagnose::manual")
                || source.name().starts_with("diagnose::thresholds");
        let found = if allowed { Vec::new() } else { past_what_is_in_force(source) };
        assert!(found.is_empty(), "{} uses {found:?}; ask facts.limit and facts.setting", source.name());
    }
    for text in
        ["x >= CPU_BUSY.warning", "BUSY.critical", "limit.built_in()", "let t = Thresholds::default()"]
    {
        let text = format!("fn f() {{ {text}; }}");
        let found = past_what_is_in_force(&Source::new(["diagnose", "rules", "x"], &text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let good = "fn f() { facts.limit(&CPU_BUSY).warning; evidence.critical; SWAP_IN.metric; }";
    assert!(past_what_is_in_force(&Source::new(["diagnose", "rules", "x"], good)).is_empty());
}

fn has_private_field(source: &Source, structure: &str, field: &str) -> bool {
    source.file.items.iter().any(|item| match item {
        Item::Struct(item)
            if item.ident == structure && source.name().starts_with("diagnose::thresholds") =>
        {
            let is_it = |found: &&syn::Field| found.ident.as_ref().is_some_and(|name| name == field);
            let found = item.fields.iter().find(is_it);
            found.is_some_and(|found| matches!(found.vis, Visibility::Inherited))
        }
        _ => false,
    })
}
