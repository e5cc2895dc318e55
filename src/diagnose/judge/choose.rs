//! The verdict: the worst finding that no other explains, and its culprit.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::load::LoadAnswer;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::confidence::word;
use crate::diagnose::judge::culprit::{culprit, through_children};
use crate::diagnose::judge::missing_inputs::missing;
use crate::diagnose::judge::since::since;
use crate::diagnose::thresholds::algorithm::{
    CONFIDENCE_MIN, HEALTHY_CONFIDENCE, HEALTHY_WITHOUT_PSI, UNKNOWN_CONFIDENCE,
};
use crate::model::bottleneck::{BottleneckId, Resource};
use crate::model::finding::{NotChecked, Severity};
use crate::model::reading::Absence;
use crate::model::report::{Since, Verdict};
use crate::model::sentence::{count, own, quote, ratio, sentence};

/// What the findings amount to.
enum Decision<'a> {
    /// The inputs allow no answer.
    Unknown(&'a Absence),
    /// Nothing is short.
    Healthy,
    /// This finding, which no other explains.
    Bottleneck(&'a Judged),
}

/// The verdict. `unchecked` is what the rules could not check: a healthy verdict is less sure for it.
pub fn choose(facts: &Facts<'_>, judged: &[Judged], unchecked: &[NotChecked]) -> Verdict {
    match decide(facts, judged) {
        Decision::Unknown(absence) => unknown(facts.rates.still, absence),
        Decision::Healthy => healthy(facts, judged, unchecked),
        Decision::Bottleneck(winner) => of_finding(facts, judged, winner),
    }
}

fn decide<'a>(facts: &Facts<'a>, judged: &'a [Judged]) -> Decision<'a> {
    match (winner(judged), &facts.rates.cpu) {
        (Some(winner), _) => Decision::Bottleneck(winner),
        // Without CPU time nothing can be called healthy.
        (None, Err(absence)) => Decision::Unknown(absence),
        (None, Ok(_)) => Decision::Healthy,
    }
}

/// The winner by severity, then by what it costs times how sure it is, then by the order of the rules.
fn winner(judged: &[Judged]) -> Option<&Judged> {
    let mut candidates: Vec<&Judged> = judged
        .iter()
        .filter(|judged| judged.explained_by.is_none() && judged.hit.severity >= Severity::Notice)
        .filter(|judged| judged.sure_ratio >= CONFIDENCE_MIN)
        .collect();
    candidates.sort_by(|a, b| order(b).partial_cmp(&order(a)).unwrap_or(std::cmp::Ordering::Equal));
    candidates.first().copied()
}

/// What findings are ordered by: larger is more important. Equal to the percent is equal: then the order of the rules
/// decides, in which they come.
pub fn order(judged: &Judged) -> (Severity, f64) {
    // What is critical only perhaps is no worse than what is surely a warning.
    let sure = judged.sure_ratio >= CONFIDENCE_MIN;
    let severity = judged.hit.severity.min(if sure { Severity::Critical } else { Severity::Warning });
    let weight = judged.hit.impact.ratio() * judged.sure_ratio;
    (severity, (weight * 100.0).round())
}

fn of_finding(facts: &Facts<'_>, judged: &[Judged], winner: &Judged) -> Verdict {
    let hit = &winner.hit;
    Verdict {
        bottleneck: winner.rule.id,
        resource: winner.rule.resource,
        severity: hit.severity,
        confidence_ratio: hit.confidence_ratio,
        confidence: word(hit.confidence_ratio).to_owned(),
        since: since(facts, winner.rule.since, &hit.who),
        summary: hit.summary.clone(),
        cause_chain: chain(judged, winner.rule.id),
        culprit: culprit(facts, &hit.who, hit.why.clone()).map(|culprit| match winner.rule.id {
            BottleneckId::ShortLivedProcesses => culprit,
            _ => through_children(facts, culprit),
        }),
        remedy: Some(hit.remedy),
        advice: Vec::new(),
        missing_inputs: missing(facts, winner.rule, hit)
            .iter()
            .map(|(words, _)| (*words).to_owned())
            .collect(),
    }
}

/// From the cause along the findings that it explains, always the one that costs most.
fn chain(judged: &[Judged], id: BottleneckId) -> Vec<BottleneckId> {
    let mut chain = vec![id];
    let mut current = id;
    while let Some(next) = judged
        .iter()
        .filter(|judged| judged.explained_by == Some(current) && judged.hit.severity >= Severity::Notice)
        .max_by(|a, b| a.hit.impact.ratio().total_cmp(&b.hit.impact.ratio()))
    {
        current = next.rule.id;
        chain.push(current);
    }
    chain
}

fn healthy(facts: &Facts<'_>, judged: &[Judged], unchecked: &[NotChecked]) -> Verdict {
    let earlier = facts.load_answer() == LoadAnswer::Earlier;
    let summary = if earlier {
        let load = facts.rates.load.as_ref().ok().map(|load| own(format!("{}", load.one)));
        sentence![
            "Nothing is short now: the load average",
            load.map(|load| sentence![" of ", load]),
            " is left over from work that has ended; ",
            count(facts.rates.makeup.running_mean),
            " threads are runnable.",
        ]
    } else {
        sentence![
            "Nothing is short: ",
            facts.cpu().map(|cpu| sentence!["the CPUs are ", ratio(cpu.busy_ratio()), " busy; "]),
            "at least one thread was waiting for a CPU ",
            facts.cpu_wait_words(),
            ", for I/O ",
            facts.io_wait_words(),
            " and for memory ",
            facts.memory_wait_words(),
            " of the time.",
        ]
    };
    let known = [&facts.rates.cpu_pressure, &facts.rates.io_pressure, &facts.rates.memory_pressure];
    let pressures_known = known.iter().all(|reading| reading.is_ok());
    let inputs: f64 =
        if pressures_known { HEALTHY_CONFIDENCE } else { HEALTHY_CONFIDENCE * HEALTHY_WITHOUT_PSI };
    let mut missing_inputs: Vec<String> = unchecked.iter().map(|item| item.what.clone()).collect();
    missing_inputs.sort();
    missing_inputs.dedup();
    if !pressures_known {
        missing_inputs.insert(0, "no PSI".to_owned());
    }
    // What is too unsure to be the verdict still speaks against there being none.
    let doubt = judged
        .iter()
        .filter(|judged| judged.explained_by.is_none() && judged.hit.severity >= Severity::Warning)
        .map(|judged| judged.hit.confidence_ratio)
        .fold(0.0_f64, f64::max);
    let confidence_ratio = inputs.min(1.0 - doubt);
    Verdict {
        bottleneck: BottleneckId::None,
        resource: Resource::None,
        severity: Severity::Ok,
        confidence_ratio,
        confidence: word(confidence_ratio).to_owned(),
        since: earlier.then_some(Since::Earlier),
        summary,
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
        missing_inputs,
    }
}

fn unknown(still: bool, absence: &Absence) -> Verdict {
    Verdict {
        bottleneck: BottleneckId::Unknown,
        resource: Resource::None,
        severity: Severity::Warning,
        confidence_ratio: UNKNOWN_CONFIDENCE,
        confidence: word(UNKNOWN_CONFIDENCE).to_owned(),
        since: None,
        summary: if still {
            "Cannot tell: no counter moved during the window, as in files that were copied from a machine."
                .into()
        } else {
            sentence!["Cannot tell how busy the CPUs are: ", quote(absence.to_string()), "."]
        },
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
        missing_inputs: Vec::new(),
    }
}
