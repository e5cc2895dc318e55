//! Since when a bottleneck lasts: by the averages that the kernel keeps, and no longer than its culprit has lived.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{self, Who};
use crate::diagnose::thresholds::{
    CPU_PRESSURE, IO_PRESSURE, LOAD_PER_CPU, Limit, MEMORY_PRESSURE, ONE_THREAD,
};
use crate::model::rates::{PressureRates, ProcessRates};
use crate::model::reading::Reading;
use crate::model::report::Since;

/// Spans of the second and the third average of PSI; [`Since::Minutes`] and [`Since::Sustained`] stand for them.
const MINUTES_SECONDS: f64 = 60.0;
const SUSTAINED_SECONDS: f64 = 300.0;

/// Since when; none where no counter goes back beyond the window.
pub fn since(facts: &Facts<'_>, by: rule::Since, who: &Who) -> Option<Since> {
    let rates = facts.rates;
    let [_, minutes, sustained] = match by {
        rule::Since::CpuPressure => pressure(facts, &rates.cpu_pressure, &CPU_PRESSURE),
        rule::Since::MemoryPressure => pressure(facts, &rates.memory_pressure, &MEMORY_PRESSURE),
        rule::Since::IoPressure => pressure(facts, &rates.io_pressure, &IO_PRESSURE),
        // One thread alone makes a load of one, however many CPUs there are.
        rule::Since::OneThread => load(facts, facts.limit(&ONE_THREAD).warning),
        rule::Since::Unmeasured => None,
    }?;
    let lived = age_seconds(facts, who).unwrap_or(f64::INFINITY);
    Some(match (minutes, sustained) {
        (true, true) if lived >= SUSTAINED_SECONDS => Since::Sustained,
        (true, _) if lived >= MINUTES_SECONDS => Since::Minutes,
        _ => Since::JustNow,
    })
}

fn pressure(facts: &Facts<'_>, reading: &Reading<PressureRates>, limit: &'static Limit) -> Option<[bool; 3]> {
    let limit = facts.limit(limit).warning;
    let averages =
        reading.as_ref().ok().map(|pressure| pressure.some_averages.map(|average| average >= limit));
    averages.or_else(|| load(facts, facts.limit(&LOAD_PER_CPU).warning * facts.cpus))
}

fn load(facts: &Facts<'_>, limit: f64) -> Option<[bool; 3]> {
    let load = facts.rates.load.as_ref().ok()?;
    Some([load.one, load.five, load.fifteen].map(|average| average >= limit))
}

/// Age of the culprit: of the oldest member of a group. None for what is no process.
fn age_seconds(facts: &Facts<'_>, who: &Who) -> Option<f64> {
    let uptime = facts.rates.uptime_seconds?;
    let age = |process: &ProcessRates| (uptime - process.started_seconds).max(0.0);
    match who {
        Who::Process { pid, .. } => facts.rates.process(*pid).map(age),
        Who::Group(ranked) => {
            facts.groups[ranked.group].members.iter().map(|process| age(process)).reduce(f64::max)
        }
        Who::Device(_) | Who::None => None,
    }
}
