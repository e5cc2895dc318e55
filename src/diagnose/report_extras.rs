//! What the tuning report shows beside the diagnosis, gathered from the same rates.

use crate::diagnose::advice::{tuning, workers};
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::{Options, manual};
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::sentence::{Sentence, bytes, device, own, path, quote, ratio, seconds, sentence};
use crate::model::series::Series;
use crate::model::snapshot::BlockKind;
use crate::model::tuning::ReportExtras;

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

fn box_facts(rates: &Rates) -> Vec<(String, Sentence)> {
    let host = &rates.host;
    let mut facts: Vec<(String, Sentence)> = Vec::new();
    let mut add = |name: &str, value: Option<Sentence>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    let known = |value: &Option<String>| value.as_ref().map(|value| Sentence::quoted(value.as_str()));
    add("System", known(&host.os));
    add("Kernel", join(" ", [known(&host.kernel), known(&host.arch)]));
    add("Virtual machine", known(&host.virtualization));
    add("Container", known(&host.container));
    add("Up", rates.uptime_seconds.map(|up| sentence![seconds(up)]));
    let nodes =
        host.memory_nodes_count.filter(|count| *count > 1).map(|count| sentence![count, " memory nodes"]);
    add("CPUs online", join(", ", [Some(sentence![rates.cpus_online_count]), nodes]));
    add("Clock", known(&host.clocksource));
    let memory = rates.memory.as_ref().ok();
    add(
        "Memory",
        memory.map(|memory| {
            let available =
                memory.available_bytes.map(|free| sentence![", ", bytes(free as f64), " available"]);
            sentence![bytes(memory.total_bytes as f64), available]
        }),
    );
    add("Swap", memory.filter(|memory| memory.swap_total_bytes == 0).map(|_| "none".into()));
    for swap in rates.swaps.iter().take(FACTS_EACH_MAX) {
        let (used, size) = (bytes(swap.used_bytes as f64), bytes(swap.size_bytes as f64));
        add("Swap", Some(sentence![path(swap.path.as_str()), ": ", used, " of ", size, " in use"]));
    }
    for disk in rates.disks.iter().flatten().filter(|disk| disk.leaf).take(FACTS_EACH_MAX) {
        let kind = match (disk.kind, disk.rotational) {
            (BlockKind::Nvme, _) => "NVMe",
            (_, Some(true)) => "disk that says it spins",
            (_, Some(false)) => "disk without moving parts",
            _ => "disk",
        };
        let busy = ratio(disk.utilization_ratio);
        let name = device(disk.name.as_str());
        add("Disk", Some(sentence![name, ": ", kind, ", busy ", busy, " of the window"]));
    }
    for link in rates.interfaces.iter().filter(|link| link.physical == Some(true)).take(FACTS_EACH_MAX) {
        let bits = link.received_bytes_per_second.max(link.sent_bytes_per_second) * 8.0;
        let speed = link.speed_bits_per_second.map_or_else(
            || "of unknown speed".into(),
            |speed| sentence!["of ", speed / 1_000_000, " Mbit/s"],
        );
        let used = own(format!(", {:.1} Mbit/s used", bits / 1e6));
        add("Network", Some(sentence![device(link.name.as_str()), " ", speed, used]));
    }
    let mounts = rates.limits.mounts.iter().flatten();
    for mount in mounts.filter(|mount| mount.source.starts_with('/')).take(FACTS_EACH_MAX) {
        let room = match mount.room.as_ref() {
            Ok(room) => room.used_ratio().map(|used| sentence![ratio(used), " full"]),
            Err(absence) => Some(Sentence::quoted(absence.kind.to_string())),
        };
        let room = room.unwrap_or_else(|| "unknown".into());
        let (kind, source) = (quote(mount.kind.as_str()), path(mount.source.as_str()));
        let place = path(mount.path.as_str());
        add("File system", Some(sentence![place, " (", kind, " on ", source, "): ", room]));
    }
    facts
}

fn join<const N: usize>(between: &'static str, parts: [Option<Sentence>; N]) -> Option<Sentence> {
    let parts: Vec<Sentence> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| Sentence::joined(parts, between))
}
