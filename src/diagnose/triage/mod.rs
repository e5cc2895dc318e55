//! The triage: from the load average to the culprit, one step per question.
//!
//! [`walk`] is the way to the verdict. [`load`] and [`cpu_or_io`] are always on it; [`user_or_system`] and [`swap_or_disk`]
//! are on it where their resource is short, or where the verdict or what it explains was found there; and
//! [`limits_and_errors`] where the verdict was found there, or where nothing is short. [`who`] comes last.

pub mod cpu_or_io;
pub mod limits_and_errors;
pub mod load;
pub mod swap_or_disk;
pub mod user_or_system;
pub mod who;

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::rule::{Lane, Rule};
use crate::model::finding::{Evidence, Step, StepId};
use crate::model::report::Verdict;
use crate::model::sentence::{Span, own, sentence};
use crate::model::units::label;

/// The steps that lead to `verdict`, each with the one that follows.
pub fn walk(facts: &Facts<'_>, judged: &[Judged], verdict: &Verdict) -> Vec<Step> {
    let (load, pressure) = load::step(facts);
    let (resources, short) = cpu_or_io::step(facts, pressure);
    let found: Vec<&Judged> = verdict
        .cause_chain
        .iter()
        .filter_map(|id| judged.iter().find(|judged| judged.rule.id == *id))
        .collect();
    let mut steps = vec![load, resources];
    let path = path(short, found.iter().map(|judged| judged.rule));
    steps.extend(path.iter().map(|id| {
        // Of several findings in one lane, the one nearest to the cause answers.
        let answer = found.iter().find(|judged| judged.rule.lane.step() == Some(*id));
        let mut step = match id {
            StepId::UserOrSystem => user_or_system::step(facts),
            StepId::SwapOrDisk => swap_or_disk::step(facts),
            _ => limits_and_errors::step(facts, judged),
        };
        if let Some((answer, judged)) = answer.and_then(|judged| Some((judged.rule.lane.answer()?, judged))) {
            answer_with(&mut step, answer, &judged.hit.evidence);
        }
        step
    }));
    cpu_or_io::lead_on(&mut steps[1], short, path.last().copied(), verdict);
    steps.push(who::step(facts, verdict));
    for index in 0..steps.len() {
        steps[index].next = steps.get(index + 1).map(|next| next.step);
    }
    steps
}

/// What is short by the numbers of step 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// The CPUs.
    pub cpu: bool,
    /// I/O, that of memory included.
    pub io: bool,
}

/// The third steps, in order. `chain` goes from the cause to the last symptom; the cause comes last, as it is where
/// the triage ends.
fn path(short: Short, chain: impl DoubleEndedIterator<Item = &'static Rule>) -> Vec<StepId> {
    let mut path: Vec<StepId> = Vec::new();
    let mut add = |step: StepId| {
        path.retain(|known| *known != step);
        path.push(step);
    };
    for (short, step) in [(short.cpu, StepId::UserOrSystem), (short.io, StepId::SwapOrDisk)] {
        if short {
            add(step);
        }
    }
    chain.rev().filter_map(|rule| rule.lane.step()).for_each(&mut add);
    if path.is_empty() {
        path.push(StepId::LimitsAndErrors);
    }
    path
}

/// Answers a step with what the verdict's lane says, and with the number that says so most.
fn answer_with(step: &mut Step, answer: &'static str, evidence: &[Evidence]) {
    if step.answer == answer {
        return;
    }
    step.answer = answer.into();
    let number = evidence.iter().find(|item| item.beyond().is_some()).or(evidence.first());
    let number = number.and_then(|item| Some((item, item.value?)));
    step.brief = number.map_or_else(
        || answer.into(),
        |(item, value)| {
            let name = label(&item.metric);
            let value = Span::Number { value, unit: item.unit };
            // `steal (CPU steal 29 %)` says it twice.
            if name.ends_with(answer) {
                sentence![answer, " ", value]
            } else {
                sentence![answer, " (", own(name), " ", value, ")"]
            }
        },
    );
}

impl Lane {
    /// Whether `steps` end at this lane with its answer, before the culprit is named.
    pub fn ends(self, steps: &[Step]) -> bool {
        let last = steps.iter().rev().find(|step| !matches!(step.step, StepId::Who | StepId::Why));
        last.is_some_and(|step| {
            Some(step.step) == self.step() && self.answer().is_some_and(|answer| step.answer == answer)
        })
    }
}
