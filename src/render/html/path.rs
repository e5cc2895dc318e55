//! The triage as a picture: which way it went, and how much of the time each way took. Positions across are in percent,
//! so that the words keep their size on a narrow screen.

use super::words::{cut, name, sentence};
use crate::model::finding::StepId;
use crate::model::report::Report;
use crate::model::units::quantity;
use crate::model::units::{Unit, human_count, percent};
use maud::{Markup, html};

/// One line of a node: what it is, its value in words, and how long its bar is.
struct Meter {
    label: &'static str,
    value: String,
    ratio: Option<f64>,
    /// Whether the step's answer is this one.
    answer: bool,
}

/// The picture, and the same in words.
pub(super) fn section(report: &Report) -> Markup {
    html! {
        (picture(report))
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

fn ratio(report: &Report, label: &'static str, metric: &str) -> Meter {
    let value = number(report, metric);
    let is = |step: &crate::model::finding::Step| {
        step.answer == label
            || (step.answer == "steal" && label == "stolen")
            || (step.answer == "disk" && label == "disk busy")
    };
    Meter { label, value: said(value, Unit::Ratio), ratio: value, answer: report.steps.iter().any(is) }
}

fn meters(report: &Report) -> [Vec<Meter>; 2] {
    let swaps = report.steps.iter().any(|step| step.step == StepId::SwapOrDisk && step.answer == "swap");
    // Where nobody waits for I/O the question of swap or disk does not come up.
    let asks = report.steps.iter().any(|step| step.step == StepId::SwapOrDisk);
    let asked = |value, unit| if asks { said(value, unit) } else { "not asked".to_owned() };
    let rate = |label, metric| {
        let value = number(report, metric);
        Meter { label, value: asked(value, Unit::PerSecond), ratio: None, answer: swaps && value > Some(0.0) }
    };
    [
        vec![
            ratio(report, "user", "cpu_user_ratio"),
            ratio(report, "system", "cpu_system_ratio"),
            ratio(report, "interrupts", "cpu_interrupts_ratio"),
            ratio(report, "stolen", "cpu_steal_ratio"),
        ],
        vec![
            rate("from swap", "swap_in_pages_per_second"),
            rate("to swap", "swap_out_pages_per_second"),
            Meter {
                value: asked(number(report, "disk_utilization_ratio"), Unit::Ratio),
                ..ratio(report, "disk busy", "disk_utilization_ratio")
            },
            Meter {
                label: "a request",
                value: asked(number(report, "disk_await_seconds"), Unit::Seconds),
                ratio: None,
                answer: false,
            },
        ],
    ]
}

/// Whether a branch was taken: the CPU's, that of I/O.
fn taken(report: &Report) -> [bool; 2] {
    let step = report.steps.iter().find(|step| step.step == StepId::CpuOrIo);
    let answer = step.map_or_else(String::new, |step| step.answer.to_string());
    let has = |word: &str| answer.split(' ').any(|part| part.eq_ignore_ascii_case(word));
    [has("cpu"), has("io") || has("I/O")]
}

const METER_HEIGHT: usize = 22;
const NODE_HEIGHT: usize = 50;
const BRANCHES_Y: usize = NODE_HEIGHT + 44;
const METERS_Y: usize = BRANCHES_Y + NODE_HEIGHT + 8;
const WHO_Y: usize = METERS_Y + 4 * METER_HEIGHT + 44;
const HEIGHT: usize = WHO_Y + NODE_HEIGHT + 4;

fn picture(report: &Report) -> Markup {
    let load = &report.load;
    let psi = |resource: &str| number(report, &format!("psi_{resource}_some_ratio"));
    let (cpu, io, memory) = (psi("cpu"), psi("io"), psi("memory"));
    let waits = [cpu, io.into_iter().chain(memory).reduce(f64::max)];
    let taken = taken(report);
    let lists = meters(report);
    let first =
        format!("{} run, {} blocked", human_count(load.running_mean), human_count(load.uninterruptible_mean));
    let heads = [
        (
            format!("CPU: busy {}", said(number(report, "cpu_busy_ratio"), Unit::Ratio)),
            format!("waited for {}", said(cpu, Unit::Ratio)),
        ),
        (
            format!("I/O: waited {}", said(io, Unit::Ratio)),
            format!("for memory {}", said(memory, Unit::Ratio)),
        ),
    ];
    let who = report.verdict.culprit.as_ref().map_or_else(
        || "nobody to blame".to_owned(),
        |culprit| {
            let share = culprit.share_ratio.map(|share| format!(", {}", percent(share))).unwrap_or_default();
            format!("{}{share}", cut(&culprit.comm, 28))
        },
    );
    let described = format!(
        "The way of the triage. Load: {first} on {} CPUs. {}, {}{}. {}, {}{}. Who: {who}. Verdict: {}.",
        report.host.cpus_online,
        heads[0].0,
        heads[0].1,
        if taken[0] { " (this way)" } else { "" },
        heads[1].0,
        heads[1].1,
        if taken[1] { " (this way)" } else { "" },
        report.verdict.bottleneck
    );
    html! {
        svg.path role="img" aria-label=(cut(&described, 700)) width="100%" height=(HEIGHT) {
            @for (side, x) in ["25%", "75%"].iter().enumerate() {
                // As wide as the share of the time that somebody waited there.
                @let width = super::words::at(2.0 + 8.0 * waits[side].unwrap_or(0.0).clamp(0.0, 1.0));
                @let class = if taken[side] { "branch taken" } else { "branch" };
                line class=(class) stroke-width=(width) x1="50%" y1=(NODE_HEIGHT) x2=(x) y2=(BRANCHES_Y) {}
                line class=(class) stroke-width=(width) x1=(x) y1=(METERS_Y + 4 * METER_HEIGHT) x2="50%" y2=(WHO_Y) {}
            }
            (node("15%", "70%", 0, true, "Load", &format!("{first}, {} CPUs", report.host.cpus_online)))
            @for (side, x) in ["0", "51%"].iter().enumerate() {
                (node(x, "49%", BRANCHES_Y, taken[side], &heads[side].0, &heads[side].1))
                (list(x, &lists[side], taken[side]))
            }
            (node("15%", "70%", WHO_Y, report.verdict.culprit.is_some(), report.verdict.bottleneck.as_str(), &who))
        }
    }
}

fn node(x: &str, width: &str, y: usize, taken: bool, first: &str, second: &str) -> Markup {
    html! {
        svg x=(x) y=(y) width=(width) height=(NODE_HEIGHT) {
            rect class=(if taken { "node taken" } else { "node" }) x="0.5%" y="1" rx="5" width="99%" height=(NODE_HEIGHT - 2) {}
            text.t1 x="50%" y="20" text-anchor="middle" { (cut(first, 40)) }
            text.m x="50%" y="38" text-anchor="middle" { (cut(second, 60)) }
        }
    }
}

fn list(x: &str, meters: &[Meter], taken: bool) -> Markup {
    html! {
        svg x=(x) y=(METERS_Y) width="49%" height=(meters.len() * METER_HEIGHT) class=(if taken { "taken" } else { "" }) {
            @for (place, meter) in meters.iter().enumerate() {
                @let y = place * METER_HEIGHT;
                rect.track x="0" y=(y + 2) width="100%" height=(METER_HEIGHT - 4) rx="2" {}
                @if let Some(ratio) = meter.ratio {
                    rect class=(if meter.answer { "meter top" } else { "meter" }) x="0" y=(y + 2)
                        width={ (super::words::at(100.0 * ratio.clamp(0.0, 1.0))) "%" } height=(METER_HEIGHT - 4) rx="2" {}
                }
                text class=(if meter.answer { "t1" } else { "t2" }) x="5" y=(y + 15) { @if meter.answer { "▸ " } (meter.label) }
                text class=(if meter.answer { "t1" } else { "t2" }) x="98%" y=(y + 15) text-anchor="end" { (meter.value) }
            }
        }
    }
}
