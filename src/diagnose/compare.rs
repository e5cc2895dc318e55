//! Whether a fix worked: two reports of one box, before and after.

use crate::model::bottleneck::BottleneckId;
use crate::model::comparison::{Comparison, Number, Outcome, Work};
use crate::model::finding::{Evidence, Severity};
use crate::model::rates::Rates;
use crate::model::report::Report;
use crate::model::units::{Unit, label, quantity};

/// A fall by this part is more than two windows of the same work differ by.
const CLEARLY: f64 = 0.3;

/// Less than this is not work: CPUs, packets per second, bytes per second. House values.
const WORK_MIN: [f64; 3] = [0.1, 50.0, 1_048_576.0];

/// Work that fell below this part of what it was is gone.
const KEPT: f64 = 0.7;

/// These are states of the box, which no want of work takes away.
const STATES: [BottleneckId; 2] = [BottleneckId::DiskFull, BottleneckId::InodesFull];

/// Compares them, each with the work that was done meanwhile.
pub fn compare((before, did): (Report, Work), (after, does): (Report, Work)) -> Comparison {
    let works = works(did, does);
    let outcome = outcome(&before, &after, &works);
    let (was, is) = (ids(&before), ids(&after));
    let in_both = |id: &&BottleneckId, other: &[BottleneckId]| other.contains(id);
    Comparison {
        outcome,
        sentence: sentence(outcome, &before, &after, &works),
        caveats: caveats(outcome, &before, &after, &works),
        numbers: numbers(&before, &after, &works),
        gone: was.iter().filter(|id| !in_both(id, &is)).copied().collect(),
        new: is.iter().filter(|id| !in_both(id, &was)).copied().collect(),
        still: is.iter().filter(|id| in_both(id, &was)).copied().collect(),
        before,
        after,
    }
}

/// How much was done in a window.
pub fn work(rates: &Rates) -> Work {
    let cpus = f64::from(rates.cpus_online_count);
    let swapped = rates.paging.as_ref().ok().map_or(0.0, |paging| {
        let pages = paging.swap_in_per_second.unwrap_or(0.0) + paging.swap_out_per_second.unwrap_or(0.0);
        pages * rates.host.page_bytes as f64
    });
    let disks = rates.disks.as_ref().ok().map(|disks| {
        let leaves = disks.iter().filter(|disk| disk.leaf);
        leaves.map(|disk| disk.read_bytes_per_second + disk.write_bytes_per_second).sum::<f64>()
    });
    let links = &rates.interfaces;
    Work {
        user_cpus: rates.cpu.as_ref().ok().map(|cpu| (cpu.user_ratio + cpu.nice_ratio) * cpus),
        packets_per_second: (!links.is_empty())
            .then(|| links.iter().map(|link| link.received_packets_per_second).sum()),
        disk_bytes_per_second: disks.map(|bytes| (bytes - swapped).max(0.0)),
    }
}

/// The kinds of work that were worth speaking of in the first window.
fn works(did: Work, does: Work) -> Vec<Number> {
    let kinds = [
        ("user_cpus", Unit::Count, "/proc/stat user, nice", did.user_cpus, does.user_cpus),
        (
            "packets_received_per_second",
            Unit::PerSecond,
            "/proc/net/dev",
            did.packets_per_second,
            does.packets_per_second,
        ),
        (
            "disk_bytes_per_second",
            Unit::BytesPerSecond,
            "/proc/diskstats, without swapping",
            did.disk_bytes_per_second,
            does.disk_bytes_per_second,
        ),
    ];
    let spoken = kinds.into_iter().zip(WORK_MIN).filter(|((.., before, _), least)| *before >= Some(*least));
    spoken
        .map(|((metric, unit, source, before, after), _)| Number {
            metric: metric.to_owned(),
            unit,
            source: source.to_owned(),
            before,
            after,
            warning: None,
        })
        .collect()
}

/// Whether there was work, and all of it went away.
fn idle(works: &[Number]) -> bool {
    let kept = |work: &Number| match (work.before, work.after) {
        (Some(before), Some(after)) => after >= KEPT * before,
        _ => true,
    };
    !works.is_empty() && !works.iter().any(kept)
}

/// Two boxes; a container has a new name each time it is started.
fn strangers(before: &Report, after: &Report) -> bool {
    before.host.hostname != after.host.hostname && before.host.container.is_none()
}

/// Bad findings, each once.
fn ids(report: &Report) -> Vec<BottleneckId> {
    let mut ids: Vec<BottleneckId> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        if !ids.contains(&finding.id) {
            ids.push(finding.id);
        }
    }
    ids
}

fn outcome(before: &Report, after: &Report, works: &[Number]) -> Outcome {
    let (was, is) = (before.verdict.bottleneck, after.verdict.bottleneck);
    let still = ids(after).contains(&was);
    match () {
        () if was == BottleneckId::Unknown || is == BottleneckId::Unknown => Outcome::Unknown,
        () if was == BottleneckId::None && is == BottleneckId::None => Outcome::Healthy,
        () if strangers(before, after) => Outcome::NotShown,
        () if was == BottleneckId::None => Outcome::Worse,
        () if is == was || still => persisting(before, after, idle(works)),
        () if idle(works) && !STATES.contains(&was) => Outcome::NotShown,
        () if is == BottleneckId::None => Outcome::Fixed,
        () => Outcome::Moved,
    }
}

/// The bottleneck is in both: what its own main number says.
fn persisting(before: &Report, after: &Report, idle: bool) -> Outcome {
    let Some(number) = main_number(before, after) else { return Outcome::NotFixed };
    let (Some(then), Some(now)) = (number.before, number.after) else { return Outcome::NotFixed };
    let falls = main_evidence(before).is_some_and(Evidence::falls);
    let (less, more) = (now < then * (1.0 - CLEARLY), now > then * (1.0 + CLEARLY));
    let (better, worse) = if falls { (more, less) } else { (less, more) };
    let severity = |report: &Report| severity(report, before.verdict.bottleneck);
    match () {
        () if severity(after) > severity(before) => Outcome::Worse,
        () if better && idle => Outcome::NotShown,
        () if better => Outcome::Better,
        () if worse => Outcome::Worse,
        () => Outcome::NotFixed,
    }
}

fn severity(report: &Report, id: BottleneckId) -> Option<Severity> {
    report.findings.iter().filter(|finding| finding.id == id).map(|finding| finding.severity).max()
}

/// The first number of the verdict's finding that is at or beyond its limit.
fn main_evidence(before: &Report) -> Option<&Evidence> {
    let finding = before.findings.iter().find(|finding| finding.id == before.verdict.bottleneck)?;
    finding.evidence.iter().find(|item| item.beyond().is_some())
}

/// That number in both.
fn main_number(before: &Report, after: &Report) -> Option<Number> {
    let main = main_evidence(before)?;
    let after = evidence(after).find(|item| item.metric == main.metric && item.source == main.source);
    Some(Number {
        metric: main.metric.clone(),
        unit: main.unit,
        source: main.source.clone(),
        before: main.value,
        after: after.and_then(|item| item.value),
        warning: main.warning,
    })
}

/// The numbers of the bad findings, then those of the steps.
fn evidence(report: &Report) -> impl Iterator<Item = &Evidence> {
    let bad = report.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    let steps = report.steps.iter().flat_map(|step| &step.evidence);
    bad.flat_map(|finding| &finding.evidence).chain(steps)
}

fn sentence(outcome: Outcome, before: &Report, after: &Report, works: &[Number]) -> String {
    let (was, is) = (before.verdict.bottleneck, after.verdict.bottleneck);
    let main = main_number(before, after).map(|number| format!(": {}", went(&number))).unwrap_or_default();
    let work = || works.iter().map(went).collect::<Vec<_>>().join(", ");
    match outcome {
        Outcome::Fixed if works.is_empty() || idle(works) => {
            format!("The bottleneck {was} is gone; now there is none.")
        }
        Outcome::Fixed => format!("The bottleneck {was} is gone, and there is still work: {}.", work()),
        Outcome::Moved => format!("The bottleneck {was} is gone; now it is {is}: {}", after.verdict.summary),
        Outcome::Better => format!("Better, not fixed: {was} is still there{main}."),
        Outcome::NotFixed => format!("Not fixed: {was} is still there{main}."),
        Outcome::Worse if was == BottleneckId::None => {
            format!("Worse: nothing was short before; now it is {is}: {}", after.verdict.summary)
        }
        Outcome::Worse => format!("Worse: {was} is still there{main}."),
        Outcome::Healthy => "Nothing was short before, and nothing is now.".to_owned(),
        Outcome::Unknown => "One of the two windows allows no answer, so neither do both.".to_owned(),
        Outcome::NotShown if strangers(before, after) => format!(
            "Two boxes, {was} on the first and {is} on the second: that shows no fix, since they may differ in all else."
        ),
        Outcome::NotShown => format!(
            "Less of {was}, but the work is gone as well: {}. Whether a fix worked shows under the same work alone.",
            work()
        ),
    }
}

/// `CPU busy went from 95 % to 20 %`.
fn went(number: &Number) -> String {
    let said =
        |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| quantity(value, number.unit));
    let name = label(&number.metric);
    format!("{name} went from {} to {}", said(number.before), said(number.after))
}

fn caveats(outcome: Outcome, before: &Report, after: &Report, works: &[Number]) -> Vec<String> {
    let mut caveats = Vec::new();
    if before.window == after.window && before.host.boot_id == after.host.boot_id {
        caveats.push("Both files are of the same window.".to_owned());
    }
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
    // Where the outcome is not that already.
    if idle(works) && outcome != Outcome::NotShown {
        caveats.push("There was much less to do in the second window: less work hides a bottleneck as well as a fix does.".to_owned());
    }
    caveats
}

/// The work, then the numbers of the findings and of the steps, each once.
fn numbers(before: &Report, after: &Report, works: &[Number]) -> Vec<Number> {
    let mut numbers: Vec<Number> = works.to_vec();
    for item in evidence(before).chain(evidence(after)) {
        let same = |metric: &str, source: &str| metric == item.metric && source == item.source;
        if numbers.iter().any(|number| same(&number.metric, &number.source)) {
            continue;
        }
        let value = |report: &Report| {
            evidence(report).find(|other| same(&other.metric, &other.source)).and_then(|other| other.value)
        };
        numbers.push(Number {
            metric: item.metric.clone(),
            unit: item.unit,
            source: item.source.clone(),
            before: value(before),
            after: value(after),
            warning: item.warning,
        });
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    const BUSY: Work =
        Work { user_cpus: Some(1.5), packets_per_second: Some(1000.0), disk_bytes_per_second: Some(0.0) };
    const IDLE: Work =
        Work { user_cpus: Some(0.01), packets_per_second: Some(3.0), disk_bytes_per_second: Some(0.0) };

    fn said(before: &Report, after: &Report) -> (Outcome, String) {
        let comparison = compare((before.clone(), BUSY), (after.clone(), BUSY));
        (comparison.outcome, comparison.sentence)
    }

    #[test]
    fn a_bottleneck_that_is_gone_under_the_same_work_is_fixed() {
        let (busy, healthy) = (test_report::busy(), test_report::healthy());
        let (outcome, sentence) = said(&busy, &healthy);
        assert_eq!(outcome, Outcome::Fixed);
        assert_eq!(
            sentence,
            "The bottleneck memory-swap is gone, and there is still work: user CPUs went from 1.5 to 1.5, packets \
             received went from 1000/s to 1000/s."
        );
        assert_eq!(said(&healthy, &busy).0, Outcome::Worse);
        assert_eq!(said(&healthy, &healthy).0, Outcome::Healthy);
        assert_eq!(said(&busy, &test_report::unknown()).0, Outcome::Unknown);
        assert_eq!(said(&test_report::unknown(), &healthy).0, Outcome::Unknown);
        let comparison = compare((busy, BUSY), (healthy, BUSY));
        assert_eq!(comparison.gone, ["memory-swap", "disk-saturated"]);
    }

    #[test]
    fn a_bottleneck_that_went_with_the_work_is_no_success() {
        let (busy, healthy) = (test_report::busy(), test_report::healthy());
        let comparison = compare((busy.clone(), BUSY), (healthy.clone(), IDLE));
        assert_eq!(comparison.outcome, Outcome::NotShown);
        assert!(
            comparison
                .sentence
                .starts_with("Less of memory-swap, but the work is gone as well: user CPUs went")
        );
        // One kind of work that stays is work: the program may have become cheaper.
        let cheaper = Work { packets_per_second: Some(990.0), ..IDLE };
        assert_eq!(compare((busy.clone(), BUSY), (healthy.clone(), cheaper)).outcome, Outcome::Fixed);
        // A full disk does not empty because the work stops.
        let mut full = busy.clone();
        full.verdict.bottleneck = "disk-full".parse().unwrap();
        assert_eq!(compare((full, BUSY), (healthy.clone(), IDLE)).outcome, Outcome::Fixed);
        // Without numbers the comparison is not doubted.
        assert_eq!(compare((busy, IDLE), (healthy, IDLE)).outcome, Outcome::Fixed);
    }

    #[test]
    fn what_is_still_there_is_not_fixed() {
        let busy = test_report::busy();
        assert_eq!(said(&busy, &busy).0, Outcome::NotFixed);
        let mut less = busy.clone();
        less.findings[0].evidence[0].value = Some(2000.0);
        let (outcome, sentence) = said(&busy, &less);
        assert_eq!(outcome, Outcome::Better);
        assert_eq!(
            sentence,
            "Better, not fixed: memory-swap is still there: swap in pages went from 14678/s to 2000/s."
        );
        assert_eq!(said(&less, &busy).0, Outcome::Worse);
        assert_eq!(compare((busy, BUSY), (less, IDLE)).outcome, Outcome::NotShown);
    }

    #[test]
    fn of_what_runs_out_less_is_worse() {
        let mut busy = test_report::busy();
        let room = &mut busy.findings[0].evidence[0];
        (room.value, room.warning, room.critical) = (Some(8.0), Some(10.0), Some(5.0));
        let mut less = busy.clone();
        less.findings[0].evidence[0].value = Some(2.0);
        assert_eq!(said(&busy, &less).0, Outcome::Worse);
        assert_eq!(said(&less, &busy).0, Outcome::Better);
    }

    #[test]
    fn another_box_shows_no_fix() {
        let (busy, mut healthy) = (test_report::busy(), test_report::healthy());
        healthy.host.hostname = Some("web-2".to_owned());
        let (outcome, sentence) = said(&busy, &healthy);
        assert_eq!(outcome, Outcome::NotShown);
        assert!(
            sentence.starts_with("Two boxes, memory-swap on the first and none on the second"),
            "{sentence}"
        );
    }

    #[test]
    fn another_bottleneck_takes_its_place() {
        let busy = test_report::busy();
        let mut moved = busy.clone();
        moved.verdict.bottleneck = "cpu-user".parse().unwrap();
        moved.findings.remove(0);
        assert_eq!(said(&busy, &moved).0, Outcome::Moved);
        // Something else is worse now, and the old one has not gone either.
        let mut both = busy.clone();
        both.verdict.bottleneck = "cpu-user".parse().unwrap();
        assert_eq!(said(&busy, &both).0, Outcome::NotFixed);
    }

    #[test]
    fn windows_that_are_hard_to_compare_say_so() {
        let busy = test_report::busy();
        let mut other = busy.clone();
        other.host.hostname = Some("web-2".to_owned());
        other.window.seconds = 60.0;
        other.window.started_at = "2025-01-01T00:00:00Z".to_owned();
        assert_eq!(compare((busy.clone(), BUSY), (other, IDLE)).caveats.len(), 3);
        let mut later = busy.clone();
        later.window.started_at = "2030-01-01T00:00:00Z".to_owned();
        assert!(compare((busy.clone(), BUSY), (later, BUSY)).caveats.is_empty());
        assert_eq!(
            compare((busy.clone(), BUSY), (busy, BUSY)).caveats,
            ["Both files are of the same window."]
        );
    }
}
