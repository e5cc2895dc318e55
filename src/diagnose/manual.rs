//! What is known of each bottleneck, from the table of the rules. It is written there, once.

use crate::diagnose::advice::{command_in_words, in_words, one_line};
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{Lane, Scope, Since};
use crate::diagnose::rule::{Outcome, Rule, advise, confirm, look};
use crate::diagnose::rules::RULES;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::explanation::{Entry, Explanation, Look, Threshold};
use crate::model::finding::{Finding, Remedy, Severity};

/// The verdict where the inputs allow none. It is no rule: it never hits, and nothing is tried before it.
const UNKNOWN: Rule = Rule {
    id: BottleneckId::Unknown,
    resource: Resource::None,
    lane: Lane::Nowhere,
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "the inputs are not enough for a verdict",
    symptom: "The CPU counters did not change within the window, or could not be read: the triage cannot start. \
              Other missing inputs are listed under \"not checked\" in the report.",
    false_positives: &["A single missing input: only the rules that need it are not checked."],
    sources: &["proc_stat(5)"],
    counters: &[
        "/proc/stat cpu: the same values at both ends of the window, which is impossible on a running machine",
    ],
    limits: &[],
    confirm: &[confirm(
        "head -1 /proc/stat; sleep 1; head -1 /proc/stat",
        "the same numbers twice: these are copied files, or the container shows simulated ones",
    )],
    advice: &[
        look(
            "Read the kernel's own files; in a container, mount the host's root and read that.",
            "diag --root /host",
            Remedy::Tune,
        ),
        advise("Record again if the capture has no second snapshot.", Remedy::Tune),
    ],
    check: |_: &Facts<'_>| Outcome::Clear,
};

/// Every answer that a diagnosis may give: the rules in their order, then `unknown`.
fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().chain(std::iter::once(&UNKNOWN))
}

/// The list of all bottlenecks, in the order of the rules.
pub fn entries() -> Vec<Entry> {
    all().map(|rule| Entry { id: rule.id, title: rule.title }).collect()
}

/// Every explanation, in the order of the rules.
pub fn explanations() -> Vec<Explanation> {
    all().map(explain).collect()
}

/// The explanation of the bottleneck with this id.
pub fn by_id(id: BottleneckId) -> Option<Explanation> {
    all().find(|rule| rule.id == id).map(explain)
}

fn explain(rule: &Rule) -> Explanation {
    let owned = |texts: &[&str]| texts.iter().map(|text| one_line(text)).collect();
    Explanation {
        id: rule.id,
        title: rule.title.to_owned(),
        symptom: one_line(rule.symptom),
        counters: owned(rule.counters),
        limits: rule
            .limits
            .iter()
            .map(|limit| Threshold {
                metric: limit.metric.to_owned(),
                unit: limit.unit,
                warning: limit.built_in().warning,
                critical: limit.built_in().critical,
                source: limit.source.to_owned(),
            })
            .collect(),
        false_positives: owned(rule.false_positives),
        confirm: rule
            .confirm
            .iter()
            .map(|look| Look { command: command_in_words(look.command), shows: one_line(look.shows) })
            .collect(),
        advice: in_words(rule.advice, &bare(rule)),
        sources: owned(rule.sources),
    }
}

/// A finding of this rule without numbers.
fn bare(rule: &Rule) -> Finding {
    Finding {
        id: rule.id,
        resource: rule.resource,
        severity: Severity::Info,
        confidence_ratio: 0.0,
        impact_ratio: 0.0,
        summary: String::new().into(),
        explained_by: None,
        evidence: Vec::new(),
        against: Vec::new(),
        suspects: Vec::new(),
        advice: Vec::new(),
    }
}

/// The id that was probably meant by `typed`, unless it is like none of them.
pub fn nearest(typed: &str) -> Option<BottleneckId> {
    /// Less is a guess.
    const ALIKE: f64 = 0.6;
    let typed = typed.to_lowercase().replace(['_', ' '], "-");
    let score = |id: &str| {
        let whole = strsim::normalized_damerau_levenshtein(&typed, id);
        // `swap` means memory-swap, and `throttle` cpu-throttled.
        let parts = id.split('-').map(|part| strsim::jaro_winkler(&typed, part));
        (0.9 * parts.fold(0.0, f64::max)).max(whole)
    };
    let scored = all().map(|rule| (score(rule.id.as_str()), rule.id));
    // Of equals the first: the rules are in the order of what matters most.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_and_the_unknown_are_explained_in_full() {
        for entry in entries() {
            let told = by_id(entry.id).unwrap();
            assert!(!told.counters.is_empty(), "{} lists no counters", told.id);
            assert!(!told.confirm.is_empty(), "{} cannot be seen by hand", told.id);
            assert!(told.confirm.len() <= 3, "{}: three looks are enough", told.id);
            assert!(told.id == BottleneckId::None || !told.advice.is_empty(), "{} has no advice", told.id);
            assert!(!told.false_positives.is_empty() && !told.sources.is_empty(), "{}", told.id);
            let looks = told.confirm.iter().flat_map(|look| [&look.command, &look.shows]);
            assert!(told.counters.iter().chain(looks).all(|text| !text.trim().is_empty()), "{}", told.id);
        }
        assert_eq!(entries().len(), RULES.len() + 1);
        assert_eq!(entries().last().unwrap().id, BottleneckId::Unknown);
    }

    #[test]
    fn a_look_by_hand_changes_nothing() {
        for told in explanations() {
            for look in &told.confirm {
                let words: Vec<&str> = look.command.split([' ', ';', '|', '&']).collect();
                for writer in ["sudo", "tee", "echo", "rm", "kill", "mount", "modprobe", "prlimit", "chrt"] {
                    assert!(!words.contains(&writer), "{}: {}", told.id, look.command);
                }
                assert!(!look.command.contains("> /") && !look.command.contains("sysctl -w"), "{}", told.id);
            }
        }
    }

    #[test]
    fn no_mark_of_a_template_is_left() {
        for told in explanations() {
            let commands = told.confirm.iter().map(|look| &look.command);
            let advised = told.advice.iter().flat_map(|advice| advice.command.iter().chain(&advice.undo));
            for command in commands.chain(advised) {
                // `awk '{print $1}'` is none.
                let marks = command.split('{').skip(1).filter_map(|rest| rest.split('}').next());
                let mut marks =
                    marks.filter(|mark| mark.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
                assert_eq!(marks.next(), None, "{}: {command}", told.id);
            }
        }
    }

    #[test]
    fn a_limit_is_given_once_for_each_bottleneck() {
        for told in explanations() {
            for (index, limit) in told.limits.iter().enumerate() {
                assert!(!told.limits[..index].contains(limit), "{}: {}", told.id, limit.metric);
            }
        }
    }

    #[test]
    fn a_slip_of_the_finger_still_finds_its_rule() {
        for (typed, meant) in [
            ("cpu-usr", "cpu-user"),
            ("CPU_USER", "cpu-user"),
            ("swap", "memory-swap"),
            ("oom", "memory-oom"),
            ("throttled", "cpu-throttled"),
            ("disk-ful", "disk-full"),
            ("fd-exhausted", "fd-exhaustion"),
            ("unknwon", "unknown"),
        ] {
            assert_eq!(nearest(typed).map(BottleneckId::as_str), Some(meant), "{typed}");
        }
        assert_eq!(nearest("0000"), None);
        assert_eq!(nearest(""), None);
    }
}
