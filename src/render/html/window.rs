//! The window in pictures.

use super::bars::{self, Bar};
use super::chart::{Chart, Row};
use crate::model::rates::CpuRates;
use crate::model::report::{LoadGroup, Report};
use crate::model::series::{DiskSlice, Slice};
use crate::model::tuning::ReportExtras;
use crate::model::units::{human_bytes, human_count, human_seconds, percent};
use crate::render::memory;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Devices with a line of their own, the busiest.
const DISKS_MAX: usize = 4;

/// CPUs with a bar of their own, the busiest.
const CPUS_MAX: usize = 16;

/// Parts of the load that are shown.
const PARTS_MAX: usize = 8;

const MODES: [&str; 6] = ["user", "system", "iowait", "interrupts", "stolen", "nice"];

/// CPU time by mode in the order of [`MODES`].
fn modes(cpu: &CpuRates) -> [f64; 6] {
    [
        cpu.user_ratio,
        cpu.system_ratio,
        cpu.iowait_ratio,
        cpu.interrupts_ratio(),
        cpu.steal_ratio,
        cpu.nice_ratio,
    ]
}

/// All pictures for which there are numbers.
pub(super) fn section(report: &Report, extras: &ReportExtras) -> Markup {
    let slices = &extras.series.slices;
    let times: Vec<(f64, f64)> =
        slices.iter().map(|slice| (slice.start_seconds, slice.end_seconds)).collect();
    let mut figures: Vec<Markup> = Vec::new();
    figures.extend(cpu(slices, &times));
    figures.extend(stalls(slices, &times));
    figures.extend(runnable(extras, &times));
    figures.extend(makeup(report));
    figures.extend(memory(slices, &times));
    figures.extend(memory_parts(report));
    figures.extend(swap(slices, &times));
    figures.extend(disks(slices, &times));
    figures.extend(each_cpu(extras));
    html! {
        @if figures.is_empty() {
            p { "There is nothing to draw: the counters stood still or were read once only." }
        } @else {
            p.muted { "Rates of each second. Grey is what could not be read; it is not zero." }
            div.grid { @for figure in figures { (figure) } }
        }
    }
}

fn row(label: &str, slices: &[Slice], value: impl Fn(&Slice) -> Option<f64>) -> Row {
    Row {
        label: label.to_owned(),
        values: slices.iter().map(|slice| value(slice).filter(|v| v.is_finite())).collect(),
    }
}

fn cpu(slices: &[Slice], times: &[(f64, f64)]) -> Option<Markup> {
    let rows = MODES.iter().enumerate();
    let rows =
        rows.map(|(mode, label)| row(label, slices, |slice| slice.cpu.as_ref().map(|cpu| modes(cpu)[mode])));
    let (top, say) = (Some(1.0), percent as fn(f64) -> String);
    Chart {
        title: "CPU time by mode",
        unit: "share of all CPUs",
        times,
        rows: rows.collect(),
        top,
        say,
        stacked: true,
    }
    .figure()
}

fn stalls(slices: &[Slice], times: &[(f64, f64)]) -> Option<Markup> {
    let rows = vec![
        row("a CPU", slices, |slice| slice.stalls.cpu_ratio),
        row("memory", slices, |slice| slice.stalls.memory_ratio),
        row("I/O", slices, |slice| slice.stalls.io_ratio),
    ];
    let (title, unit) = ("Pressure: threads wait for", "share of the time");
    Chart { title, unit, times, rows, top: Some(1.0), say: percent, stacked: false }.figure()
}

/// Runnable threads, at the pace of the samples.
fn runnable(extras: &ReportExtras, times: &[(f64, f64)]) -> Option<Markup> {
    let (start, end) = (times.first()?.0, times.last()?.1);
    let counts = &extras.series.runnable_counts;
    let step = (end - start) / counts.len().max(1) as f64;
    let times: Vec<(f64, f64)> = (0..counts.len())
        .map(|place| (start + place as f64 * step, start + (place + 1) as f64 * step))
        .collect();
    let blocked = extras.series.slices.iter();
    let blocked_at = |time: f64| {
        blocked.clone().find(|slice| slice.end_seconds >= time).and_then(|slice| slice.blocked_count)
    };
    let rows = vec![
        Row { label: "run or want to".to_owned(), values: counts.iter().map(|count| Some(*count)).collect() },
        Row {
            label: "wait for a disk".to_owned(),
            values: times.iter().map(|(_, to)| blocked_at(*to)).collect(),
        },
    ];
    let (title, unit) = ("Threads that make the load", "number");
    Chart { title, unit, times: &times, rows, top: None, say: human_count, stacked: false }.figure()
}

fn makeup(report: &Report) -> Option<Markup> {
    let load = &report.load;
    let total = load.running_mean + load.uninterruptible_mean;
    let groups: Vec<&LoadGroup> =
        load.groups.iter().filter(|group| group.mean >= 0.05).take(PARTS_MAX).collect();
    if groups.is_empty() || total <= 0.0 {
        return None;
    }
    let bar = |group: &&LoadGroup| {
        let does = match (group.state.as_str(), group.wait_reason.as_deref()) {
            ("D", Some(reason)) => format!("blocked: {}", reason.replace('-', " ")),
            ("D", None) => "blocked".to_owned(),
            _ => "runs or wants to".to_owned(),
        };
        let name = group.comm.as_deref().unwrap_or("others");
        Bar {
            label: format!("{}, {does}", super::words::cut(name, 20)),
            value: human_count(group.mean),
            parts: vec![(usize::from(group.state == "D"), group.mean / total)],
        }
    };
    let bars: Vec<Bar> = groups.iter().map(bar).collect();
    Some(bars::figure("What the load is made of", "mean number of threads", &bars, &["running", "blocked"]))
}

fn memory(slices: &[Slice], times: &[(f64, f64)]) -> Option<Markup> {
    let total = slices.iter().filter_map(|slice| slice.memory).map(|memory| memory.total_bytes).max()? as f64;
    let of = |value: fn(&crate::model::series::MemoryLevel) -> Option<u64>| {
        move |slice: &Slice| slice.memory.as_ref().and_then(value).map(|bytes| bytes as f64)
    };
    let mut rows = vec![row("available", slices, of(|memory| memory.available_bytes))];
    let swap = row("swap in use", slices, of(|memory| Some(memory.swap_used_bytes)));
    let swapped = swap.values.iter().flatten().fold(0.0_f64, |most, value| most.max(*value));
    if swapped > 0.0 {
        rows.push(swap);
    }
    let (title, unit) = ("Memory", "bytes; the scale ends at what there is");
    let top = Some(total.max(swapped));
    Chart { title, unit, times, rows, top, say: human_bytes, stacked: false }.figure()
}

/// All of the memory, part by part, and what of each no process owns.
fn memory_parts(report: &Report) -> Option<Markup> {
    let account = report.memory.as_ref()?;
    let total = account.total_bytes.max(1) as f64;
    let bars: Vec<Bar> = memory::rows(account)
        .into_iter()
        .map(|row| Bar {
            value: format!("{}, {}", human_bytes(row.bytes as f64), percent(row.ratio(account))),
            parts: vec![
                (0, row.bytes.saturating_sub(row.unowned_bytes) as f64 / total),
                (1, row.unowned_bytes as f64 / total),
            ],
            label: row.label,
        })
        .collect();
    let unit = format!("parts of {}", human_bytes(total));
    let legend = ["of processes, or free for them", "of no process"];
    (!bars.is_empty()).then(|| bars::figure("Where the memory is", &unit, &bars, &legend))
}

fn swap(slices: &[Slice], times: &[(f64, f64)]) -> Option<Markup> {
    let rows = vec![
        row("from swap", slices, |slice| slice.swap_in_bytes_per_second),
        row("to swap", slices, |slice| slice.swap_out_bytes_per_second),
    ];
    let say = |value: f64| format!("{}/s", human_bytes(value));
    let most =
        rows.iter().flat_map(|row| &row.values).flatten().fold(0.0_f64, |most, value| most.max(*value));
    let top = Some(super::chart::binary(most));
    let chart = Chart { title: "Swapping", unit: "bytes a second", times, rows, top, say, stacked: false };
    (most > 0.0).then(|| chart.figure()).flatten()
}

/// The busiest devices: how long a request takes, and how many are on their way.
fn disks(slices: &[Slice], times: &[(f64, f64)]) -> Vec<Markup> {
    let names: BTreeSet<&str> =
        slices.iter().flat_map(|slice| &slice.disks).map(|disk| disk.name.as_str()).collect();
    let busy = |name: &str| -> f64 {
        slices
            .iter()
            .flat_map(|slice| &slice.disks)
            .filter(|disk| disk.name == name)
            .map(|disk| disk.utilization_ratio)
            .sum()
    };
    let mut names: Vec<(&str, f64)> =
        names.into_iter().map(|name| (name, busy(name))).filter(|(_, busy)| *busy > 0.0).collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    names.truncate(DISKS_MAX);
    let picture = |title, unit, top, say, value: fn(&DiskSlice) -> Option<f64>| {
        let of = |name: &str| {
            row(name, slices, |slice| slice.disks.iter().find(|disk| disk.name == name).and_then(value))
        };
        let rows = names.iter().map(|(name, _)| of(name)).collect();
        Chart { title, unit, times, rows, top, say, stacked: false }.figure()
    };
    let took = "how long a request takes";
    [
        picture("Disk latency", took, None, human_seconds, |disk| disk.await_seconds),
        picture("Disk queue", "requests on their way", None, human_count, |disk| Some(disk.queue_mean)),
        picture("Disk use", "share of the time", Some(1.0), percent, |disk| Some(disk.utilization_ratio)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Each CPU, or the busiest of many: one that is full hides in the mean of all.
fn each_cpu(extras: &ReportExtras) -> Option<Markup> {
    let mut cpus: Vec<&(u32, CpuRates)> = extras.cpus.iter().collect();
    let all = cpus.len();
    if all < 2 {
        return None;
    }
    if all > CPUS_MAX {
        cpus.sort_by(|a, b| b.1.busy_ratio().total_cmp(&a.1.busy_ratio()));
        cpus.truncate(CPUS_MAX);
    }
    let bars: Vec<Bar> = cpus
        .iter()
        .map(|(id, cpu)| Bar {
            label: format!("CPU {id}"),
            value: format!("{} busy", percent(cpu.busy_ratio())),
            parts: modes(cpu).into_iter().enumerate().collect(),
        })
        .collect();
    let unit = if all > CPUS_MAX {
        format!("the {CPUS_MAX} busiest of {all}")
    } else {
        "over the window".to_owned()
    };
    Some(bars::figure("Each CPU", &unit, &bars, &MODES))
}
