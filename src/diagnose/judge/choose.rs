//! The verdict: the best finding that no other explains, and who is to blame for it.

use crate::diagnose::advice::advice;
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::confidence::word;
use crate::diagnose::rule::Who;
use crate::diagnose::rules::RULES;
use crate::diagnose::thresholds::{CPU_PRESSURE, IO_PRESSURE, LOAD_PER_CPU, MEMORY_PRESSURE, ONE_THREAD};
use crate::diagnose::triage::load::{Answer, step};
use crate::model::finding::{Finding, Severity};
use crate::model::rates::PressureRates;
use crate::model::reading::{Absence, Reading};
use crate::model::report::{Culprit, CulpritKind, Since, Verdict};
use crate::model::units::{human_count, percent};

/// A finding that is less sure than this cannot be the verdict.
const CONFIDENCE_MIN: f64 = 0.4;

/// Chooses.
pub fn choose(facts: &Facts<'_>, judged: &[Judged]) -> Verdict {
    match winner(judged) {
        Some(winner) => of_finding(facts, judged, winner),
        // Without CPU time nothing can be called healthy.
        None => facts
            .rates
            .cpu
            .as_ref()
            .err()
            .map_or_else(|| healthy(facts, judged), |absence| unknown(facts.rates.still, absence)),
    }
}

/// The winner by severity, then by what it costs times how sure it is, then by the order of the rules.
fn winner(judged: &[Judged]) -> Option<&Judged> {
    let mut candidates: Vec<&Judged> = judged
        .iter()
        .filter(|judged| judged.explained_by.is_none() && judged.hit.severity >= Severity::Warning)
        .filter(|judged| judged.hit.confidence_ratio >= CONFIDENCE_MIN)
        .collect();
    candidates.sort_by(|a, b| order(b).partial_cmp(&order(a)).unwrap_or(std::cmp::Ordering::Equal));
    candidates.first().copied()
}

/// What findings are ordered by: larger is more important.
fn order(judged: &Judged) -> (bool, f64, i64) {
    let critical = judged.hit.severity == Severity::Critical && judged.hit.confidence_ratio >= CONFIDENCE_MIN;
    let weight = judged.hit.impact_ratio * judged.hit.confidence_ratio;
    let rank = RULES.iter().position(|rule| rule.id == judged.rule.id).unwrap_or(RULES.len());
    // Equal to the percent is equal: then the order of the rules decides.
    (critical, (weight * 100.0).round(), -i64::try_from(rank).unwrap_or(i64::MAX))
}

fn of_finding(facts: &Facts<'_>, judged: &[Judged], winner: &Judged) -> Verdict {
    let hit = &winner.hit;
    Verdict {
        bottleneck: winner.rule.id.to_owned(),
        severity: hit.severity,
        confidence_ratio: hit.confidence_ratio,
        confidence: word(hit.confidence_ratio).to_owned(),
        since: since(facts, winner.rule.id),
        summary: hit.summary.clone(),
        cause_chain: chain(judged, winner.rule.id),
        culprit: culprit(facts, &hit.who, hit.why.clone()),
        remedy: Some(hit.remedy),
        advice: Vec::new(),
    }
}

/// From the cause along the findings that it explains, always the one that costs most.
fn chain(judged: &[Judged], id: &'static str) -> Vec<String> {
    let mut chain = vec![id.to_owned()];
    let mut current = id;
    while let Some(next) = judged
        .iter()
        .filter(|judged| judged.explained_by == Some(current) && judged.hit.severity >= Severity::Warning)
        .max_by(|a, b| a.hit.impact_ratio.total_cmp(&b.hit.impact_ratio))
    {
        current = next.rule.id;
        chain.push(current.to_owned());
    }
    chain
}

fn healthy(facts: &Facts<'_>, judged: &[Judged]) -> Verdict {
    let (_, load) = step(facts);
    let earlier = load == Answer::Earlier;
    let busy = facts.cpu().map_or(0.0, |cpu| cpu.busy_ratio());
    let note = judged
        .iter()
        // A note without weight says what the summary says already.
        .filter(|judged| judged.explained_by.is_none() && judged.hit.impact_ratio > 0.0)
        .max_by(|a, b| a.hit.impact_ratio.total_cmp(&b.hit.impact_ratio))
        .map(|judged| format!(" Worth knowing: {}", judged.hit.summary))
        .unwrap_or_default();
    let summary = if earlier {
        format!(
            "Nothing is short now: the load average of {} is left over from work that has ended; {} threads want \
             to run.{note}",
            facts.rates.load.as_ref().map_or(0.0, |load| load.one),
            human_count(facts.rates.makeup.running_mean)
        )
    } else {
        format!(
            "Nothing is short: the CPUs are {} busy, threads wait for a CPU {}, for I/O {} and for memory {} of the \
             time.{note}",
            percent(busy),
            facts.cpu_wait_words(),
            facts.io_wait_words(),
            facts.memory_wait_words()
        )
    };
    let known = [&facts.rates.cpu_pressure, &facts.rates.io_pressure, &facts.rates.memory_pressure];
    let inputs: f64 = if known.iter().all(|reading| reading.is_ok()) { 0.9 } else { 0.9 * 0.75 };
    // What is too unsure to be the verdict still speaks against there being none.
    let doubt = judged
        .iter()
        .filter(|judged| judged.explained_by.is_none() && judged.hit.severity >= Severity::Warning)
        .map(|judged| judged.hit.confidence_ratio)
        .fold(0.0_f64, f64::max);
    let confidence_ratio = inputs.min(1.0 - doubt);
    Verdict {
        bottleneck: "none".to_owned(),
        severity: Severity::Ok,
        confidence_ratio,
        confidence: word(confidence_ratio).to_owned(),
        since: if earlier { Since::Earlier } else { Since::Sustained },
        summary,
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
    }
}

fn unknown(still: bool, absence: &Absence) -> Verdict {
    Verdict {
        bottleneck: "unknown".to_owned(),
        severity: Severity::Warning,
        confidence_ratio: 0.2,
        confidence: word(0.2).to_owned(),
        since: Since::JustNow,
        summary: if still {
            "Cannot tell: no counter moved within the window, as in files that were copied from a machine."
                .to_owned()
        } else {
            format!("Cannot tell how busy the CPUs are: {absence}.")
        },
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
    }
}

/// Since when, by the kernel's averages of what the finding is about.
fn since(facts: &Facts<'_>, id: &str) -> Since {
    let of = |pressure: &Reading<PressureRates>, limit: f64| {
        pressure.as_ref().ok().map(|pressure| pressure.some_averages.map(|average| average >= limit))
    };
    let high = match id {
        id if id.starts_with("memory") => {
            of(&facts.rates.memory_pressure, facts.limit(&MEMORY_PRESSURE).warning)
        }
        id if id.starts_with("disk") || id.starts_with("io") => {
            of(&facts.rates.io_pressure, facts.limit(&IO_PRESSURE).warning)
        }
        "cpu-single-thread" => None,
        _ => of(&facts.rates.cpu_pressure, facts.limit(&CPU_PRESSURE).warning),
    };
    let load = facts.rates.load.as_ref().ok().map(|load| {
        // One thread alone makes a load of one, however many CPUs there are.
        let limit = if id == "cpu-single-thread" {
            facts.limit(&ONE_THREAD).warning
        } else {
            facts.limit(&LOAD_PER_CPU).warning * facts.cpus
        };
        [load.one, load.five, load.fifteen].map(|average| average >= limit)
    });
    match high.or(load) {
        Some([_, true, true]) => Since::Sustained,
        Some([_, true, false]) => Since::Minutes,
        _ => Since::JustNow,
    }
}

/// Who it is, with all that is known of them.
pub fn culprit(facts: &Facts<'_>, who: &Who, why: Option<String>) -> Option<Culprit> {
    match who {
        Who::Nobody => None,
        Who::Process { pid, comm } => {
            let known = facts.rates.process(*pid).filter(|process| process.comm.to_lossy() == *comm);
            Some(Culprit {
                kind: CulpritKind::Process,
                pid: Some(*pid),
                comm: comm.clone(),
                cmdline: known.and_then(|process| process.command_line.clone()),
                user: known.and_then(|process| process.user.clone()),
                unit: known.and_then(|process| process.unit.clone()),
                members_count: 1,
                share_ratio: None,
                why,
            })
        }
        Who::Device(name) => Some(Culprit {
            kind: CulpritKind::Device,
            pid: None,
            comm: name.clone(),
            cmdline: None,
            user: None,
            unit: None,
            members_count: 1,
            share_ratio: None,
            why,
        }),
        Who::Group(ranked) => {
            let group = &facts.groups[ranked.group];
            let lead = ranked.pid.and_then(|pid| facts.rates.process(pid));
            let count = group.count();
            Some(Culprit {
                kind: if count > 1 { CulpritKind::Group } else { CulpritKind::Process },
                pid: ranked.pid,
                comm: group.comm.to_lossy(),
                cmdline: lead.and_then(|process| process.command_line.clone()),
                user: lead.and_then(|process| process.user.clone()),
                unit: lead.and_then(|process| process.unit.clone()),
                members_count: u32::try_from(count).unwrap_or(u32::MAX),
                share_ratio: Some(ranked.share),
                why,
            })
        }
    }
}

/// The findings for the report: the verdict's first, then by importance, each with its advice filled in.
pub fn findings(facts: &Facts<'_>, mut judged: Vec<Judged>, verdict: &Verdict) -> Vec<Finding> {
    judged.sort_by(|a, b| {
        let key =
            |judged: &Judged| (judged.rule.id == verdict.bottleneck, judged.hit.severity, order(judged));
        key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal)
    });
    judged
        .into_iter()
        .map(|judged| Finding {
            id: judged.rule.id.to_owned(),
            severity: judged.hit.severity,
            confidence_ratio: judged.hit.confidence_ratio,
            impact_ratio: judged.hit.impact_ratio.clamp(0.0, 1.0),
            advice: advice(facts, &judged),
            summary: judged.hit.summary,
            explained_by: judged.explained_by.map(str::to_owned),
            evidence: judged.hit.evidence,
            against: judged.hit.against,
            suspects: judged.hit.suspects,
        })
        .collect()
}
