//! Step 1, load average: is more wanted than the box has, now or earlier, and what is the load made of?

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::load::LoadAnswer;
use crate::diagnose::thresholds::{LOAD_PER_CPU, UNINTERRUPTIBLE};
use crate::model::finding::{Step, StepId};
use crate::model::rates::Rates;
use crate::model::report::{Load, LoadGroup};
use crate::model::sentence::{count, own, sentence};
use crate::model::units::Unit;

/// The step and its answer.
pub fn step(facts: &Facts<'_>) -> (Step, LoadAnswer) {
    let makeup = &facts.rates.makeup;
    let now = facts.load_per_cpu();
    let load = facts.rates.load.as_ref().ok();
    let answer = facts.load_answer();
    let word = match answer {
        LoadAnswer::Calm => "calm",
        LoadAnswer::Busy => "busy",
        LoadAnswer::Queueing => "queueing",
        LoadAnswer::Earlier => "earlier",
    };
    let brief = match answer {
        LoadAnswer::Earlier => "load high earlier".into(),
        _ => sentence!["load ", count(now), " per CPU"],
    };
    let averages = load.map_or_else(
        || "the load averages cannot be read".into(),
        |load| {
            let averages = format!("{:.2} {:.2} {:.2}", load.one, load.five, load.fifteen);
            sentence!["load ", own(averages), " on ", count(facts.cpus), " CPUs"]
        },
    );
    // Where no process can be seen, who is blocked cannot be either.
    let blocked = (!facts.rates.processes.is_empty()).then_some(makeup.uninterruptible_mean);
    let summary = sentence![
        averages,
        "; in this window ",
        count(makeup.running_mean),
        " threads runnable and ",
        blocked.map_or_else(|| "an unknown number".into(), |blocked| sentence![count(blocked)]),
        " blocked (",
        count(now),
        " per CPU)",
        trend(facts, now),
    ];
    let value = |pick: fn(&crate::model::snapshot::LoadAverage) -> f64| load.map(pick);
    let step = Step {
        step: StepId::LoadAverage,
        question: "Is more work waiting than the CPUs can take?".to_owned(),
        answer: word.into(),
        brief,
        summary,
        evidence: vec![
            facts.evidence(&LOAD_PER_CPU, Some(now), "/proc/PID/task/TID/stat states R and D"),
            plain("load1", value(|load| load.one), Unit::Count, "/proc/loadavg"),
            plain("load5", value(|load| load.five), Unit::Count, "/proc/loadavg"),
            plain("load15", value(|load| load.fifteen), Unit::Count, "/proc/loadavg"),
            plain("running_mean", Some(makeup.running_mean), Unit::Count, "/proc/PID/task/TID/stat state R"),
            facts.evidence(&UNINTERRUPTIBLE, blocked, "/proc/PID/task/TID/stat state D"),
        ],
        next: None,
    };
    (step, answer)
}

/// Now, sustained or earlier, from the three averages.
fn trend(facts: &Facts<'_>, now: f64) -> &'static str {
    let Ok(load) = &facts.rates.load else { return "" };
    let high = |value: f64| value / facts.cpus > facts.limit(&LOAD_PER_CPU).warning;
    match (high(now * facts.cpus), high(load.one), high(load.five), high(load.fifteen)) {
        // A long average that is high beside a short one that is not remembers other work.
        (true, true, true, true) => "; high for a quarter of an hour",
        (true, true, true, false) => "; high for a few minutes",
        (true, true, false, _) => "; high for about a minute",
        (true, false, _, _) => "; started within the last minute",
        (false, true, _, _) => "; the average is still high from work that has ended",
        (false, false, true, _) | (false, false, false, true) => "; the load was higher some minutes ago",
        (false, false, false, false) => "",
    }
}

/// The make-up of the load for the report.
pub fn load(rates: &Rates) -> Load {
    let averages = rates.load.as_ref().ok();
    Load {
        load1: averages.map(|load| load.one),
        load5: averages.map(|load| load.five),
        load15: averages.map(|load| load.fifteen),
        running_mean: rates.makeup.running_mean,
        uninterruptible_mean: rates.makeup.uninterruptible_mean,
        groups: rates
            .makeup
            .groups
            .iter()
            .map(|part| LoadGroup {
                state: part.state.letter().to_string(),
                comm: part.comm.map(|comm| comm.to_lossy()),
                unit: part.unit.clone(),
                wait_reason: part.wait.map(|wait| wait.word().to_owned()),
                mean: part.mean,
            })
            .collect(),
    }
}
