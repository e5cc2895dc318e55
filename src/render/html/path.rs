//! The triage as a picture: which branches the path took, and how much of the time each takes. Branches off the path
//! are dimmed. Positions across are in percent, so that the words keep their size on a narrow screen.

use super::words::{cut, name, sentence};
use crate::model::finding::{Evidence, StepId};
use crate::model::report::Report;
use crate::model::tuning::ReportExtras;
use crate::model::units::{Unit, human_count, label, quantity};
use crate::render::shared::amount;
use maud::{Markup, html};

/// One line of a lane: what it is, its value in words, and how long its bar is.
struct Meter {
    label: String,
    value: String,
    ratio: Option<f64>,
    /// Whether the step's answer is this one.
    answer: bool,
}

/// One branch of the triage.
struct Lane {
    head: String,
    wait: String,
    meters: Vec<Meter>,
    /// Share of the time that threads wait for it: the width of its line.
    waited: Option<f64>,
    /// Whether the path goes through it.
    taken: bool,
}

/// Lines of a lane.
const METERS: usize = 4;

/// Said of a number that only a step outside of the path would have.
const NOT_ASKED: &str = "not asked";

/// The picture, and the same in words.
pub(super) fn section(report: &Report, extras: &ReportExtras) -> Markup {
    html! {
        (picture(report, extras))
        ol.steps {
            @for step in &report.steps {
                li { strong { (sentence(&step.question)) } " " (name(&step.answer)) ". " span.muted { (sentence(&step.summary)) } }
            }
        }
    }
}

fn number(report: &Report, metric: &str) -> Option<f64> {
    let evidence = report.steps.iter().flat_map(|step| &step.evidence);
    evidence
        .filter(|item| item.metric == metric)
        .find_map(|item| item.value)
        .filter(|value| value.is_finite())
}

fn said(value: Option<f64>, unit: Unit) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| quantity(value, unit))
}

fn answers(report: &Report, step: StepId, answer: &str) -> bool {
    report.steps.iter().any(|known| known.step == step && known.answer == answer)
}

fn lanes(report: &Report, extras: &ReportExtras) -> [Lane; 3] {
    let taken = |step: StepId| report.steps.iter().any(|known| known.step == step);
    let psi = |resource: &str| number(report, &format!("psi_{resource}_some_ratio"));
    let (cpu, io, memory) = (psi("cpu"), psi("io"), psi("memory"));
    [
        Lane {
            head: format!("CPU: busy {}", said(number(report, "cpu_busy_ratio"), Unit::Ratio)),
            wait: format!("pressure {}", said(cpu, Unit::Ratio)),
            meters: cpu_meters(report, extras),
            waited: cpu,
            taken: taken(StepId::UserOrSystem),
        },
        Lane {
            head: format!("I/O: pressure {}", said(io, Unit::Ratio)),
            wait: format!("memory {}", said(memory, Unit::Ratio)),
            meters: io_meters(report),
            waited: io.into_iter().chain(memory).reduce(f64::max),
            taken: taken(StepId::SwapOrDisk),
        },
        limits(report, taken(StepId::LimitsAndErrors)),
    ]
}

/// CPU time by mode: of the step, or of the whole window where the step is not on the path.
fn cpu_meters(report: &Report, extras: &ReportExtras) -> Vec<Meter> {
    let cpu = extras.cpu.as_ref();
    [
        ("user", "cpu_user_ratio", cpu.map(|cpu| cpu.all_user_ratio())),
        ("system", "cpu_system_ratio", cpu.map(|cpu| cpu.system_ratio)),
        (
            "interrupts",
            "cpu_interrupts_ratio",
            cpu.filter(|cpu| cpu.waits_known).map(|cpu| cpu.interrupts_ratio()),
        ),
        ("steal", "cpu_steal_ratio", cpu.filter(|cpu| cpu.steal_known).map(|cpu| cpu.steal_ratio)),
    ]
    .into_iter()
    .map(|(label, metric, window)| {
        let ratio = number(report, metric).or(window);
        let answer = answers(report, StepId::UserOrSystem, label);
        Meter { label: label.to_owned(), value: said(ratio, Unit::Ratio), ratio, answer }
    })
    .collect()
}

fn io_meters(report: &Report) -> Vec<Meter> {
    let asked = report.steps.iter().any(|step| step.step == StepId::SwapOrDisk);
    let say = |value: Option<f64>, unit| match value {
        None if !asked => NOT_ASKED.to_owned(),
        value => said(value, unit),
    };
    let swaps = answers(report, StepId::SwapOrDisk, "swap");
    let rate = |label: &str, metric| {
        let value = number(report, metric);
        Meter {
            label: label.to_owned(),
            value: say(value, Unit::PerSecond),
            ratio: None,
            answer: swaps && value > Some(0.0),
        }
    };
    let busy = number(report, "disk_utilization_ratio");
    vec![
        rate("from swap", "swap_in_pages_per_second"),
        rate("to swap", "swap_out_pages_per_second"),
        Meter {
            label: "disk busy".to_owned(),
            value: say(busy, Unit::Ratio),
            ratio: busy,
            answer: answers(report, StepId::SwapOrDisk, "disk"),
        },
        Meter {
            label: "a request".to_owned(),
            value: say(number(report, "disk_await_seconds"), Unit::Seconds),
            ratio: None,
            answer: false,
        },
    ]
}

/// The limits nearest to being reached.
fn limits(report: &Report, taken: bool) -> Lane {
    let step = report.steps.iter().find(|step| step.step == StepId::LimitsAndErrors);
    let nearness = |item: &Evidence| {
        let limit = item.warning.or(item.critical).filter(|limit| *limit > 0.0)?;
        item.value.map(|value| value / limit)
    };
    let mut near: Vec<(&Evidence, f64)> = step
        .into_iter()
        .flat_map(|step| &step.evidence)
        .filter_map(|item| Some((item, nearness(item).filter(|share| share.is_finite())?)))
        .collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1));
    let meters = near.into_iter().take(METERS).map(|(item, share)| Meter {
        label: label(&item.metric),
        value: said(item.value, item.unit),
        ratio: Some(share),
        answer: item.beyond().is_some(),
    });
    Lane {
        head: "Limits and errors".to_owned(),
        wait: step.map_or_else(|| NOT_ASKED.to_owned(), |step| step.brief.to_string()),
        meters: meters.collect(),
        waited: None,
        taken,
    }
}

const METER_HEIGHT: usize = 22;
const NODE_HEIGHT: usize = 50;
const BRANCHES_Y: usize = NODE_HEIGHT + 44;
const METERS_Y: usize = BRANCHES_Y + NODE_HEIGHT + 8;
const WHO_Y: usize = METERS_Y + METERS * METER_HEIGHT + 44;
const HEIGHT: usize = WHO_Y + NODE_HEIGHT + 4;

/// Left edge and middle of each lane, in percent of the width, and the width of all.
const PLACES: [(&str, &str); 3] = [("0", "16%"), ("34%", "50%"), ("68%", "84%")];
const LANE_WIDTH: &str = "32%";

fn picture(report: &Report, extras: &ReportExtras) -> Markup {
    let load = &report.load;
    let first =
        format!("{} run, {} blocked", human_count(load.running_mean), human_count(load.uninterruptible_mean));
    let lanes = lanes(report, extras);
    let who = report.verdict.culprit.as_ref().map_or_else(
        || "no culprit".to_owned(),
        |culprit| {
            let amount = amount(report, culprit).map(|amount| format!(", {amount}")).unwrap_or_default();
            format!("{}{amount}", cut(&culprit.comm, 28))
        },
    );
    let described = format!(
        "The path of the triage. Load: {first} on {} CPUs. {}Who: {who}. Verdict: {}.",
        report.host.cpus_online,
        lanes.iter().map(described).collect::<String>(),
        report.verdict.bottleneck
    );
    html! {
        svg.path role="img" aria-label=(cut(&described, 700)) width="100%" height=(HEIGHT) {
            @for (lane, (_, middle)) in lanes.iter().zip(PLACES) {
                // As wide as the share of the time that threads waited there.
                @let width = super::words::at(2.0 + 8.0 * lane.waited.unwrap_or(0.0).clamp(0.0, 1.0));
                @let class = if lane.taken { "branch taken" } else { "branch off" };
                line class=(class) stroke-width=(width) x1="50%" y1=(NODE_HEIGHT) x2=(middle) y2=(BRANCHES_Y) {}
                line class=(class) stroke-width=(width) x1=(middle) y1=(METERS_Y + METERS * METER_HEIGHT) x2="50%" y2=(WHO_Y) {}
            }
            (node("15%", "70%", 0, "node taken", "Load", &format!("{first}, {} CPUs", report.host.cpus_online)))
            @for (lane, (left, _)) in lanes.iter().zip(PLACES) {
                (node(left, LANE_WIDTH, BRANCHES_Y, if lane.taken { "node taken" } else { "node off" }, &lane.head, &lane.wait))
                (list(left, lane))
            }
            @let found = if report.verdict.culprit.is_some() { "node taken" } else { "node" };
            (node("15%", "70%", WHO_Y, found, report.verdict.bottleneck.as_str(), &who))
        }
    }
}

/// A lane in words, for those who cannot see the picture.
fn described(lane: &Lane) -> String {
    let place = if lane.taken { " (on the path)" } else { "" };
    format!("{}, {}{place}. ", lane.head, lane.wait)
}

fn node(x: &str, width: &str, y: usize, class: &str, first: &str, second: &str) -> Markup {
    html! {
        svg x=(x) y=(y) width=(width) height=(NODE_HEIGHT) {
            rect class=(class) x="0.5%" y="1" rx="5" width="99%" height=(NODE_HEIGHT - 2) {}
            text.t1 x="50%" y="20" text-anchor="middle" { (cut(first, 40)) }
            text.m x="50%" y="38" text-anchor="middle" { (cut(second, 44)) }
        }
    }
}

fn list(x: &str, lane: &Lane) -> Markup {
    html! {
        svg x=(x) y=(METERS_Y) width=(LANE_WIDTH) height=(METERS * METER_HEIGHT) class=(if lane.taken { "taken" } else { "off" }) {
            @for (place, meter) in lane.meters.iter().enumerate() {
                @let y = place * METER_HEIGHT;
                rect.track x="0" y=(y + 2) width="100%" height=(METER_HEIGHT - 4) rx="2" {}
                @if let Some(ratio) = meter.ratio {
                    rect class=(if meter.answer { "meter top" } else { "meter" }) x="0" y=(y + 2)
                        width={ (super::words::at(100.0 * ratio.clamp(0.0, 1.0))) "%" } height=(METER_HEIGHT - 4) rx="2" {}
                }
                text class=(if meter.answer { "t1" } else { "t2" }) x="5" y=(y + 15) { @if meter.answer { "▸ " } (cut(&meter.label, 20)) }
                text class=(if meter.answer { "t1" } else { "t2" }) x="98%" y=(y + 15) text-anchor="end" { (meter.value) }
            }
        }
    }
}
