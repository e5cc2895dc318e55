//! Stage 3: rates become a diagnosis. Pure: no file, no clock, no formatting for a medium.
//!
//! The triage walks its steps in order ([`triage`]): load, CPU or I/O, then user or system, or swap or disk, then who. The [`rules`] look at the same facts, one file for each
//! bottleneck; [`causes`] says which finding explains which; [`verdict`] chooses. [`explain`] is no part of it: it says
//! what each rule is about, without a box to look at.

pub mod code_evidence;
pub mod evidence;
pub mod harmless;
pub mod judge;
pub mod manual;
pub mod past_events;
pub mod report_extras;
pub mod triage;

pub mod advice;
pub mod compare;
pub mod rule;
pub mod rules;
pub mod target;
pub mod thresholds;

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::choose;
use crate::diagnose::judge::container;
use crate::diagnose::judge::missing_inputs;
use crate::diagnose::judge::not_checked;
use crate::diagnose::rule::Outcome;
use crate::diagnose::rules::RULES;
use crate::diagnose::thresholds::Thresholds;
use crate::diagnose::triage::cpu_or_io;
use crate::diagnose::triage::load;
use crate::diagnose::triage::swap_or_disk;
use crate::diagnose::triage::user_or_system;
use crate::diagnose::triage::who;
use crate::model::choice::Sort;
use crate::model::finding::Step;
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
    /// The limits to go by.
    pub thresholds: &'a Thresholds,
}

/// Walks the triage.
pub fn diagnose(rates: &Rates, options: &Options<'_>) -> Diagnosis {
    let facts = Facts::new(rates, options.thresholds);
    let mut not_checked = not_checked::inputs(rates);
    not_checked.extend(missing_inputs::told(&facts));
    let mut hits = Vec::new();
    for rule in RULES {
        match (rule.check)(&facts) {
            Outcome::Clear => {}
            Outcome::Hit(mut hit) => {
                missing_inputs::weigh(&facts, rule.id, &mut hit);
                hits.push((*rule, *hit));
            }
            Outcome::Unknown(missing) => not_checked.push(missing),
        }
    }
    let mut judged = causes::explain(&facts, hits);
    let worth_knowing = harmless::notes(&facts, &judged).into_iter().chain(past_events::events(&facts));
    judged.extend(worth_knowing.map(|hit| Judged { rule: &rules::none::RULE, hit, explained_by: None }));
    judged.iter_mut().for_each(|judged| container::label_hit(rates, judged.rule.id, &mut judged.hit));
    let (load, branch) = load::step(&facts);
    let resources = cpu_or_io::step(&facts, branch);
    let mut steps: Vec<Step> = vec![load, resources.step];
    if resources.cpu || !resources.io {
        steps.push(user_or_system::step(&facts));
    }
    if resources.io {
        steps.push(swap_or_disk::step(&facts));
    }
    let verdict = choose::choose(&facts, &judged);
    steps.push(who::step(&facts, &verdict));
    steps.iter_mut().for_each(|step| container::label_step(rates, step));
    for index in 0..steps.len() {
        steps[index].next = steps.get(index + 1).map(|next| next.step);
    }
    not_checked.extend(target::not_checked(rates).into_iter().chain(container::not_checked(rates)));
    not_checked.sort();
    not_checked.dedup();
    let sort = options.sort.unwrap_or_else(|| who::sort_for(&verdict.bottleneck));
    Diagnosis {
        processes: who::rows(&facts, sort, options.top, options.pid),
        load: load::load(rates),
        target: target::target(rates, options.top),
        findings: choose::findings(&facts, judged, &verdict),
        verdict,
        steps,
        not_checked,
    }
}
