//! What the tuning report shows beside the diagnosis, gathered from the same rates.

use crate::diagnose::advice::{tuning, workers};
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::{Options, manual};
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::series::Series;
use crate::model::snapshot::BlockKind;
use crate::model::tuning::ReportExtras;
use crate::model::units::{human_bytes, human_seconds, percent};

/// Lines of facts of one kind; a box with a thousand mounts has more than anybody reads.
const FACTS_EACH_MAX: usize = 12;

/// Gathers it.
pub fn extras(rates: &Rates, diagnosis: &Diagnosis, series: Series, options: &Options<'_>) -> ReportExtras {
    let facts = Facts::new(rates, options.thresholds);
    let mut ids = vec![diagnosis.verdict.bottleneck];
    ids.extend(diagnosis.findings.iter().map(|finding| finding.id));
    let mut explanations = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        if !ids[..index].contains(id) {
            explanations.extend(manual::by_id(*id));
        }
    }
    ReportExtras {
        series,
        cpus: rates.cpus.clone(),
        cpu: rates.cpu.as_ref().ok().copied(),
        explanations,
        settings: tuning::settings(rates, diagnosis),
        settings_known: !rates.limits.settings.0.is_empty(),
        workers: workers::workers(&facts),
        facts: box_facts(rates),
    }
}

fn box_facts(rates: &Rates) -> Vec<(String, String)> {
    let host = &rates.host;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("System", host.os.clone());
    add("Kernel", join(" ", [host.kernel.clone(), host.arch.clone()]));
    add("Virtual machine", host.virtualization.clone());
    add("Container", host.container.clone());
    add("Up", rates.uptime_seconds.map(human_seconds));
    let nodes =
        host.memory_nodes_count.filter(|count| *count > 1).map(|count| format!("{count} memory nodes"));
    add("CPUs online", join(", ", [Some(rates.cpus_online_count.to_string()), nodes]));
    add("Clock", host.clocksource.clone());
    let memory = rates.memory.as_ref().ok();
    add(
        "Memory",
        memory.map(|memory| {
            let available = memory.available_bytes.map(|bytes| human_bytes(bytes as f64));
            let available = available.map_or_else(String::new, |bytes| format!(", {bytes} available"));
            format!("{}{available}", human_bytes(memory.total_bytes as f64))
        }),
    );
    add("Swap", memory.filter(|memory| memory.swap_total_bytes == 0).map(|_| "none".to_owned()));
    for swap in rates.swaps.iter().take(FACTS_EACH_MAX) {
        let (used, size) = (human_bytes(swap.used_bytes as f64), human_bytes(swap.size_bytes as f64));
        add("Swap", Some(format!("{}: {used} of {size} in use", swap.path)));
    }
    for disk in rates.disks.iter().flatten().filter(|disk| disk.leaf).take(FACTS_EACH_MAX) {
        let kind = match (disk.kind, disk.rotational) {
            (BlockKind::Nvme, _) => "NVMe",
            (_, Some(true)) => "disk that says it spins",
            (_, Some(false)) => "disk without moving parts",
            _ => "disk",
        };
        let busy = percent(disk.utilization_ratio);
        add("Disk", Some(format!("{}: {kind}, busy {busy} of the window", disk.name)));
    }
    for link in rates.interfaces.iter().filter(|link| link.physical == Some(true)).take(FACTS_EACH_MAX) {
        let bits = link.received_bytes_per_second.max(link.sent_bytes_per_second) * 8.0;
        let speed = link.speed_bits_per_second.map_or_else(
            || "of unknown speed".to_owned(),
            |speed| format!("of {} Mbit/s", speed / 1_000_000),
        );
        add("Network", Some(format!("{} {speed}, {:.1} Mbit/s used", link.name, bits / 1e6)));
    }
    let mounts = rates.limits.mounts.iter().flatten();
    for mount in mounts.filter(|mount| mount.source.starts_with('/')).take(FACTS_EACH_MAX) {
        let room = match mount.room.as_ref() {
            Ok(room) => room.used_ratio().map(|used| format!("{} full", percent(used))),
            Err(absence) => Some(absence.kind.to_string()),
        };
        let told = room.unwrap_or_else(|| "unknown".to_owned());
        add("File system", Some(format!("{} ({} on {}): {told}", mount.path, mount.kind, mount.source)));
    }
    facts
}

fn join<const N: usize>(between: &str, parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(between))
}
