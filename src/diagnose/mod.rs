//! Stage 3: rates become a diagnosis. Pure: no file, no clock, no formatting for a medium.
//!
//! The triage walks its steps in order ([`triage`]): load, CPU or I/O, then user or system, or swap or disk, then who. The [`rules`] look at the same facts, one file for each
//! bottleneck; [`judge`] says which finding explains which and picks the verdict. [`manual`] is separate: it says
//! what each rule is about, without a box to look at.

pub mod code_evidence;
pub mod evidence;
mod findings;
pub mod harmless;
pub mod judge;
pub mod manual;
pub mod past_events;
pub mod report_extras;
pub mod triage;
mod unexplained;

pub mod advice;
pub mod compare;
pub mod rule;
pub mod rules;
pub mod target;
pub mod thresholds;

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::{self, Judged};
use crate::diagnose::judge::{choose, container, missing_inputs, not_checked};
use crate::diagnose::rule::{Hit, Outcome, Rule};
use crate::diagnose::rules::RULES;
use crate::diagnose::thresholds::Thresholds;
use crate::model::bottleneck::Sort;
use crate::model::finding::NotChecked;
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::task::Pid;

/// What the user asked of the diagnosis.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Order of the processes; by the verdict's own resource when none.
    pub sort: Option<Sort>,
    /// Number of processes.
    pub top: usize,
    /// A process that must be listed.
    pub pid: Option<Pid>,
    /// Whether a profile is taken as well.
    pub profiled: bool,
    /// The limits to go by.
    pub thresholds: &'a Thresholds,
}

/// The diagnosis: what each rule answers, which finding explains which, the verdict, and the steps that lead to it.
pub fn diagnose(rates: &Rates, options: &Options<'_>) -> Diagnosis {
    let mut facts = Facts::new(rates, options.thresholds);
    facts.profiled = options.profiled;
    let (hits, unchecked) = check(&facts);
    let mut judged = causes::explain(&facts, hits);
    unexplained::cover(&facts, &mut judged);
    for judged in &mut judged {
        missing_inputs::weigh(&facts, judged.rule, &mut judged.hit);
    }
    judged.extend(worth_knowing(&facts, &judged));
    for judged in &mut judged {
        container::label_hit(&facts, judged.rule, &mut judged.hit);
    }
    let verdict = choose::choose(&facts, &judged, &unchecked);
    let mut steps = triage::walk(&facts, &judged, &verdict);
    for step in &mut steps {
        container::label_step(rates, step);
    }
    let mut not_checked = not_checked::inputs(rates);
    not_checked.extend(missing_inputs::told(&facts));
    not_checked.extend(target::not_checked(rates).into_iter().chain(container::not_checked(rates)));
    // Of several rules that lack the same input one line is enough.
    for missing in unchecked {
        if !not_checked.iter().any(|known| known.what == missing.what) {
            not_checked.push(missing);
        }
    }
    not_checked.sort();
    not_checked.dedup();
    let order =
        options.sort.unwrap_or_else(|| rules::by_id(verdict.bottleneck).map_or(Sort::Cpu, |rule| rule.sort));
    Diagnosis {
        processes_order: order,
        processes: triage::who::rows(&facts, order, options.top, options.pid),
        load: triage::load::load(rates),
        target: target::target(rates, options.top),
        news: past_events::news(&judged),
        findings: findings::findings(&facts, judged, &verdict),
        verdict,
        steps,
        not_checked,
    }
}

/// What every rule answers: the findings, and what could not be checked.
fn check(facts: &Facts<'_>) -> (Vec<(&'static Rule, Hit)>, Vec<NotChecked>) {
    let (mut hits, mut not_checked) = (Vec::new(), Vec::new());
    for rule in RULES {
        match (rule.check)(facts) {
            Outcome::Clear => {}
            Outcome::Hit(hit) => {
                hits.push((*rule, *hit));
            }
            Outcome::Absent(absence) => not_checked.push(not_checked::of_absence(&absence)),
            Outcome::Unknown(missing) => not_checked.push(missing),
        }
    }
    (hits, not_checked)
}

/// Notes on numbers that look bad and are harmless, and on what happened before the window.
fn worth_knowing(facts: &Facts<'_>, found: &[Judged]) -> Vec<Judged> {
    let notes = harmless::notes(facts, found).into_iter().chain(past_events::events(facts, found));
    notes.map(|hit| Judged::new(&rules::none::RULE, hit, None)).collect()
}
