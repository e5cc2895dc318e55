//! Settings of busy disks: scheduler and read-ahead.

use super::{Around, Better, note};
use crate::model::finding::Finding;
use crate::model::rates::DiskRates;
use crate::model::snapshot::BlockKind;
use crate::model::tuning::SettingNote;
use crate::model::units::{human_bytes, percent};

/// A disk that is busy for less of the time is not the bottleneck.
const BUSY: f64 = 0.5;

/// The kernel's own read-ahead, in KiB.
const READ_AHEAD_DEFAULT: u64 = 128;

/// Disks with notes.
const DISKS_MAX: usize = 4;

/// Settings of the busy disks that can be better.
pub(super) fn notes(around: &Around<'_>, finding: &Finding) -> Vec<SettingNote> {
    let disks = around.rates.disks.iter().flatten();
    let busy = disks.filter(|disk| disk.leaf && disk.utilization_ratio >= BUSY).take(DISKS_MAX);
    busy.flat_map(|disk| [scheduler(around, disk, finding), read_ahead(around, disk, finding)])
        .flatten()
        .collect()
}

fn scheduler(around: &Around<'_>, disk: &DiskRates, finding: &Finding) -> Option<SettingNote> {
    let name = format!("{}/queue/scheduler", disk.name.replace('/', "!"));
    let fast = disk.kind == BlockKind::Nvme || disk.rotational == Some(false);
    (fast && around.settings.text(&name)? == "bfq").then_some(())?;
    let better = Better {
        value: if disk.kind == BlockKind::Nvme { "none" } else { "mq-deadline" }.to_owned(),
        sensible: "none or mq-deadline on a disk without moving parts",
        why: format!(
            "bfq uses CPU time for every request and lets the disk idle between requests; {} is busy {} of the time.",
            disk.name,
            percent(disk.utilization_ratio)
        ),
    };
    let risk = "Priorities of ionice and I/O weights of cgroups no longer apply.";
    note(around, &name, finding, better, "kernel Documentation/block/switching-sched.rst", risk)
}

fn read_ahead(around: &Around<'_>, disk: &DiskRates, finding: &Finding) -> Option<SettingNote> {
    let name = format!("{}/queue/read_ahead_kb", disk.name.replace('/', "!"));
    let ahead = around.settings.number(&name)?;
    let each = disk.read_bytes_per_second / disk.reads_per_second;
    // Reads that are as large as they may be want more; smaller ones are random, and would only waste it.
    let wants = disk.reads_per_second >= 1.0 && each >= 0.75 * (ahead.max(4).saturating_mul(1024)) as f64;
    (ahead < READ_AHEAD_DEFAULT && wants).then_some(())?;
    let better = Better {
        value: READ_AHEAD_DEFAULT.to_string(),
        sensible: "128 (the default) or more where files are read from start to end",
        why: format!(
            "{} reads {} at a time, the most that its read-ahead allows.",
            disk.name,
            human_bytes(each)
        ),
    };
    let risk = "Random reads fetch data that is not used.";
    note(around, &name, finding, better, "kernel Documentation/ABI/stable/sysfs-block", risk)
}
