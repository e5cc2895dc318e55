//! Stage 3: rates become a diagnosis. Pure: no file, no clock, no formatting for a medium.
//!
//! The triage walks its steps in order: [`step1_load`], [`step2_cpu_or_io`], then [`step3_user_or_system`] or
//! [`step3_swap_or_disk`], then [`step4_rank`]. The [`rules`] look at the same facts, one file for each
//! bottleneck; [`causes`] says which finding explains which; [`verdict`] chooses. [`explain`] is no part of it: it says
//! what each rule is about, without a box to look at.

mod advice;
pub mod annex;
pub mod causes;
pub mod compare;
pub mod confidence;
pub mod disk_load;
pub mod earlier;
pub mod explain;
pub mod facts;
pub mod kernel_work;
pub mod ladder;
pub mod memory_blame;
pub mod node;
pub mod not_checked;
pub mod notes;
pub mod rules;
pub mod step1_load;
pub mod step2_cpu_or_io;
pub mod step3_swap_or_disk;
pub mod step3_user_or_system;
pub mod step4_rank;
pub mod target;
pub mod thresholds;
pub mod tuning;
pub mod verdict;
pub mod waits;
pub mod why;
pub mod workers;

use crate::diagnose::causes::Judged;
use crate::diagnose::facts::Facts;
use crate::diagnose::rules::{Outcome, RULES};
use crate::diagnose::thresholds::Thresholds;
use crate::model::finding::Step;
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::task::Pid;

pub use step4_rank::Sort;

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
    not_checked.extend(ladder::told(&facts));
    let mut hits = Vec::new();
    for rule in RULES {
        match (rule.check)(&facts) {
            Outcome::Clear => {}
            Outcome::Hit(mut hit) => {
                ladder::weigh(&facts, rule.id, &mut hit);
                hits.push((*rule, *hit));
            }
            Outcome::Unknown(missing) => not_checked.push(missing),
        }
    }
    let mut judged = causes::explain(&facts, hits);
    let worth_knowing = notes::notes(&facts, &judged).into_iter().chain(earlier::events(&facts));
    judged.extend(worth_knowing.map(|hit| Judged { rule: &rules::none::RULE, hit, explained_by: None }));
    judged.iter_mut().for_each(|judged| node::label_hit(rates, judged.rule.id, &mut judged.hit));
    let (load, branch) = step1_load::step(&facts);
    let resources = step2_cpu_or_io::step(&facts, branch);
    let mut steps: Vec<Step> = vec![load, resources.step];
    if resources.cpu || !resources.io {
        steps.push(step3_user_or_system::step(&facts));
    }
    if resources.io {
        steps.push(step3_swap_or_disk::step(&facts));
    }
    let verdict = verdict::choose(&facts, &judged);
    steps.push(step4_rank::step(&facts, &verdict));
    steps.iter_mut().for_each(|step| node::label_step(rates, step));
    for index in 0..steps.len() {
        steps[index].next = steps.get(index + 1).map(|next| next.step);
    }
    not_checked.extend(target::not_checked(rates).into_iter().chain(node::not_checked(rates)));
    not_checked.sort();
    not_checked.dedup();
    let sort = options.sort.unwrap_or_else(|| step4_rank::sort_for(&verdict.bottleneck));
    Diagnosis {
        processes: step4_rank::rows(&facts, sort, options.top, options.pid),
        load: step1_load::load(rates),
        target: target::target(rates, options.top),
        findings: verdict::findings(&facts, judged, &verdict),
        verdict,
        steps,
        not_checked,
    }
}
