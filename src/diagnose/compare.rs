//! Whether a fix worked: two reports of one box, before and after.

use crate::model::comparison::{Comparison, Number, Outcome};
use crate::model::finding::{Evidence, Severity};
use crate::model::report::Report;
use crate::model::units::percent;

/// A fall by this part is more than two windows of the same work differ by.
const CLEARLY: f64 = 0.3;

/// Compares them.
pub fn compare(before: Report, after: Report) -> Comparison {
    let outcome = outcome(&before, &after);
    let (was, is) = (ids(&before), ids(&after));
    let in_both = |id: &&String, other: &[String]| other.contains(id);
    Comparison {
        outcome,
        sentence: sentence(outcome, &before, &after),
        caveats: caveats(&before, &after),
        numbers: numbers(&before, &after),
        gone: was.iter().filter(|id| !in_both(id, &is)).cloned().collect(),
        new: is.iter().filter(|id| !in_both(id, &was)).cloned().collect(),
        still: is.iter().filter(|id| in_both(id, &was)).cloned().collect(),
        before,
        after,
    }
}

/// Bad findings, each once.
fn ids(report: &Report) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        if !ids.contains(&finding.id) {
            ids.push(finding.id.clone());
        }
    }
    ids
}

fn outcome(before: &Report, after: &Report) -> Outcome {
    let (was, is) = (before.verdict.bottleneck.as_str(), after.verdict.bottleneck.as_str());
    let still = ids(after).iter().any(|id| id == was);
    match () {
        () if was == "unknown" || is == "unknown" => Outcome::Unknown,
        () if was == "none" && is == "none" => Outcome::Healthy,
        () if was == "none" => Outcome::Worse,
        () if is == "none" => Outcome::Fixed,
        () if is == was || still => match (impact(before, was), impact(after, was)) {
            (Some(then), Some(now))
                if after.verdict.severity < before.verdict.severity || now < then * (1.0 - CLEARLY) =>
            {
                Outcome::Better
            }
            (Some(then), Some(now)) if now > then * (1.0 + CLEARLY) && now > then + 0.1 => Outcome::Worse,
            _ => Outcome::NotFixed,
        },
        () => Outcome::Moved,
    }
}

fn impact(report: &Report, id: &str) -> Option<f64> {
    report.findings.iter().find(|finding| finding.id == id).map(|finding| finding.impact_ratio)
}

fn sentence(outcome: Outcome, before: &Report, after: &Report) -> String {
    let (was, is) = (&before.verdict.bottleneck, &after.verdict.bottleneck);
    let lost = |report: &Report| impact(report, was).map_or_else(|| "an unknown part of".to_owned(), percent);
    match outcome {
        Outcome::Fixed => format!("The bottleneck {was} is gone; now there is none."),
        Outcome::Moved => format!("The bottleneck {was} is gone; now it is {is}: {}", after.verdict.summary),
        Outcome::Better => format!(
            "Better, not fixed: {was} still costs {} of the time, before it was {}.",
            lost(after),
            lost(before)
        ),
        Outcome::NotFixed => format!(
            "Not fixed: {was} is still there and costs {} of the time, before it was {}.",
            lost(after),
            lost(before)
        ),
        Outcome::Worse if was == "none" => {
            format!("Worse: nothing was short before; now it is {is}: {}", after.verdict.summary)
        }
        Outcome::Worse => {
            format!("Worse: {was} costs {} of the time, before it was {}.", lost(after), lost(before))
        }
        Outcome::Healthy => "Nothing was short before, and nothing is now.".to_owned(),
        Outcome::Unknown => "One of the two windows allows no answer, so neither do both.".to_owned(),
    }
}

fn caveats(before: &Report, after: &Report) -> Vec<String> {
    let mut caveats = Vec::new();
    let (was, is) = (&before.host, &after.host);
    if was.hostname != is.hostname {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "an unknown one".to_owned());
        caveats.push(format!("Two boxes: {} before, {} after.", name(&was.hostname), name(&is.hostname)));
    }
    if was.cpus_online != is.cpus_online {
        caveats.push(format!("{} CPUs before, {} after.", was.cpus_online, is.cpus_online));
    }
    if was.kernel != is.kernel {
        caveats.push("The kernels differ.".to_owned());
    }
    if was.boot_id.is_some() && is.boot_id.is_some() && was.boot_id != is.boot_id {
        caveats.push("The box was started anew in between.".to_owned());
    }
    let (short, long) =
        (before.window.seconds.min(after.window.seconds), before.window.seconds.max(after.window.seconds));
    if long > 2.0 * short {
        caveats.push(format!(
            "The windows differ in length: {:.0} s before, {:.0} s after.",
            before.window.seconds, after.window.seconds
        ));
    }
    // The stamps are all of one form, in UTC.
    if after.window.started_at < before.window.started_at {
        caveats.push("The second window is the older one: they may be in the wrong order.".to_owned());
    }
    let work = |report: &Report| report.load.running_mean + report.load.uninterruptible_mean;
    if work(after) < 0.3 * work(before) && work(before) >= 1.0 {
        caveats.push("There was much less to do in the second window: less work hides a bottleneck as well as a fix does.".to_owned());
    }
    caveats
}

/// Numbers of the steps, then those of the first finding; a number that is nowhere near its limit in both is noise.
fn numbers(before: &Report, after: &Report) -> Vec<Number> {
    let of = |report: &Report| -> Vec<Evidence> {
        let steps = report.steps.iter().flat_map(|step| &step.evidence);
        let findings = report.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
        steps.chain(findings.flat_map(|finding| &finding.evidence)).cloned().collect()
    };
    let (was, is) = (of(before), of(after));
    let mut numbers: Vec<Number> = Vec::new();
    for evidence in was.iter().chain(&is) {
        if numbers.iter().any(|number| number.metric == evidence.metric) {
            continue;
        }
        let value = |list: &[Evidence]| {
            list.iter().find(|other| other.metric == evidence.metric).and_then(|other| other.value)
        };
        numbers.push(Number {
            metric: evidence.metric.clone(),
            unit: evidence.unit.clone(),
            before: value(&was),
            after: value(&is),
            warning: evidence.warning,
        });
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    fn said(before: &Report, after: &Report) -> (Outcome, String) {
        let comparison = compare(before.clone(), after.clone());
        (comparison.outcome, comparison.sentence)
    }

    #[test]
    fn a_bottleneck_that_is_gone_is_fixed() {
        let (busy, healthy) = (test_report::busy(), test_report::healthy());
        let (outcome, sentence) = said(&busy, &healthy);
        assert_eq!(outcome, Outcome::Fixed);
        assert_eq!(sentence, "The bottleneck memory-swap is gone; now there is none.");
        assert_eq!(said(&healthy, &busy).0, Outcome::Worse);
        assert_eq!(said(&healthy, &healthy).0, Outcome::Healthy);
        assert_eq!(said(&busy, &test_report::unknown()).0, Outcome::Unknown);
        let comparison = compare(busy, healthy);
        assert_eq!(comparison.gone, ["memory-swap", "disk-saturated"]);
    }

    #[test]
    fn what_is_still_there_is_not_fixed() {
        let busy = test_report::busy();
        assert_eq!(said(&busy, &busy).0, Outcome::NotFixed);
        let mut less = busy.clone();
        less.findings[0].impact_ratio = 0.2;
        let (outcome, sentence) = said(&busy, &less);
        assert_eq!(outcome, Outcome::Better);
        assert_eq!(
            sentence,
            "Better, not fixed: memory-swap still costs 20 % of the time, before it was 61 %."
        );
        assert_eq!(said(&less, &busy).0, Outcome::Worse);
    }

    #[test]
    fn another_bottleneck_takes_its_place() {
        let busy = test_report::busy();
        let mut moved = busy.clone();
        moved.verdict.bottleneck = "cpu-user".to_owned();
        moved.findings.remove(0);
        assert_eq!(said(&busy, &moved).0, Outcome::Moved);
        // Something else is worse now, and the old one has not gone either.
        let mut both = busy.clone();
        both.verdict.bottleneck = "cpu-user".to_owned();
        assert_eq!(said(&busy, &both).0, Outcome::NotFixed);
    }

    #[test]
    fn windows_that_are_hard_to_compare_say_so() {
        let busy = test_report::busy();
        let mut other = busy.clone();
        other.host.hostname = Some("web-2".to_owned());
        other.window.seconds = 60.0;
        other.window.started_at = "2025-01-01T00:00:00Z".to_owned();
        other.load.running_mean = 0.1;
        other.load.uninterruptible_mean = 0.0;
        assert_eq!(compare(busy.clone(), other).caveats.len(), 4);
        assert!(compare(busy.clone(), busy).caveats.is_empty());
    }
}
