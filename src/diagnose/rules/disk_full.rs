//! A file system is full.
//!
//! Evidence: statvfs(3) of every mounted file system, each device once. The share is that of what everybody may
//! use: the part kept for root does not count as room.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading, systemd_look,
};
use crate::diagnose::thresholds::algorithm::{ROOM_ENOUGH, Rank};
use crate::diagnose::thresholds::{DISK_ROOM_BYTES, DISK_USED};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::limits::Room;
use crate::model::sentence::{bytes, path, quote, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::DiskFull,
    resource: Resource::Io,
    lane: Lane::LimitsAndErrors("full file system"),
    sort: Sort::Io,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "a file system is full",
    symptom: "Writes fail because a file system has no free space.",
    false_positives: &[
        "Read-only images (squashfs, iso9660): they are always full and are ignored.",
        "A large file system at 95 % can still have hundreds of gigabytes free.",
    ],
    sources: &["statvfs(3)", "netdata disk_space_usage; node-mixin"],
    counters: &[
        "statvfs(3) of each mounted device: used space divided by used and available space; tiny file \
         systems are ignored",
        "statvfs(3) available bytes: with much free space the share alone is not critical, and with very \
         much it is not reported",
        "/proc/PID/fd, /proc/PID/fdinfo: processes that have files open for writing there",
    ],
    limits: &[&DISK_USED],
    confirm: &[
        confirm("df -h -x tmpfs -x devtmpfs", "Use% of 98 or more, with little under Avail"),
        confirm("lsof -nP +L1 | head -20", "deleted files that are still open: du does not count them"),
    ],
    advice: &[
        look(
            "Find the directories that use the space.",
            "du -xhd1 {device} 2>/dev/null | sort -h | tail",
            Remedy::Tune,
        ),
        look(
            "Find deleted files that are still open: they use space until their process closes them.",
            "lsof -nP +L1 | head -20",
            Remedy::FixProgram,
        ),
        systemd_look(
            "See how much the journal uses; `journalctl --vacuum-size=500M` shrinks it.",
            "journalctl --disk-usage",
            Remedy::Tune,
        ),
        change(
            "Pause the process that writes there, if it may stop for now.",
            ActionTemplate::Pause,
            "it does nothing until the undo, and a health check may restart it",
            Remedy::FixProgram,
        ),
        advise(
            "Rotate and compress logs, remove temporary files, restart processes that hold deleted files.",
            Remedy::FixProgram,
        ),
        advise("Grow the volume, or move the data to a larger one.", Remedy::AddResource),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.limits.mounts);
    let fullest = facts.fullest_mount().filter(|(_, used)| *used >= facts.limit(&DISK_USED).warning);
    let Some((mount, used)) = fullest else { return Outcome::Clear };
    let Ok(Room { available_bytes, total_bytes, .. }) = mount.room else { return Outcome::Clear };
    let critical = facts.limit(&DISK_USED).critical.is_some_and(|limit| used >= limit)
        && (available_bytes as f64) < facts.setting(&DISK_ROOM_BYTES);
    if !critical && available_bytes as f64 >= ROOM_ENOUGH * facts.setting(&DISK_ROOM_BYTES) {
        return Outcome::Clear;
    }
    let top = facts.most_among(&mount.writers, |process| {
        process.write_bytes_per_second.map_or(process.cpu_ratio(), |written| written + process.cpu_ratio())
    });
    let named = top.as_ref().map(|top| sentence!["; ", facts.name(top), " writes there"]);
    Outcome::hit(Hit {
        impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Minor }),
        evidence: vec![
            facts.evidence(&DISK_USED, Some(used), &format!("statvfs {}", mount.path)),
            plain(
                "disk_available_bytes",
                Some(available_bytes as f64),
                Unit::Bytes,
                &format!("statvfs {}", mount.path),
            ),
        ],
        why: top.is_some().then(|| sentence!["writes to ", path(mount.path.as_str()), ", which is full"]),
        device: Some(mount.path.clone()),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "File system ",
                path(mount.path.as_str()),
                " (",
                quote(mount.kind.as_str()),
                ") is ",
                ratio(used),
                " full: ",
                bytes(available_bytes as f64),
                " of ",
                bytes(total_bytes as f64),
                " are left",
                named,
                ".",
            ],
            top.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}
