//! A file system is full.
//!
//! Evidence: statvfs(3) of every mounted file system, each device once. The share is that of what everybody may
//! use: the part kept for root does not count as room.

use crate::diagnose::evidence::facts::{DELETED_FILES, Facts, plain};
use crate::diagnose::evidence::groups::Ranked;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading, systemd_look,
};
use crate::diagnose::thresholds::DISK_USED;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::limits::{Mount, Room};
use crate::model::sentence::{Sentence, bytes, path, quote, ratio, sentence};
use crate::model::task::Pid;
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
        "An archive that nobody writes to: it is worth knowing, and does not slow the machine down.",
    ],
    sources: &["statvfs(3)", "netdata disk_space_usage; node-mixin"],
    counters: &[
        "/proc/PID/mountinfo: every file system once, also behind bind mounts, overlays and hundreds of others",
        "statvfs(3) of each mounted device: used space divided by used and available space; tiny file \
         systems are ignored",
        "statvfs(3) available bytes: with much free space the share alone is not critical, and with very \
         much it is not reported",
        "/proc/PID/fd, /proc/PID/fdinfo: processes that have files open for writing there; without one it is not \
         critical",
        "/proc/PID/fd, stat(2) of open files without a name: who holds how much in deleted files",
    ],
    limits: &[&DISK_USED],
    confirm: &[
        confirm("df -h -x tmpfs -x devtmpfs", "Use% of 98 or more, with little under Avail"),
        confirm("lsof -nP +L1 | head -20", "deleted files that are still open: du does not count them"),
    ],
    advice: &[
        change(
            "Restart the service that holds deleted files: its room is free at once; du does not find it, and to \
             remove other files does not help.",
            ActionTemplate::Restart,
            "the service is down until it runs again",
            Remedy::FixProgram,
        ),
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
    let Some((mount, full)) = facts.fullest_mount().filter(|(_, full)| full.is_full) else {
        return Outcome::Clear;
    };
    let Ok(Room { total_bytes, .. }) = mount.room else { return Outcome::Clear };
    let critical = full.is_out_of_room && full.is_written;
    let holder = holder(facts, mount);
    let writer = facts.most_among(&mount.writers, |process| {
        process.write_bytes_per_second.map_or(process.cpu_ratio(), |written| written + process.cpu_ratio())
    });
    let (named, why) = match (&holder, &writer) {
        (Some((top, held)), _) => (
            Some(sentence!["; ", facts.name(top), " holds ", bytes(*held), " of it in deleted files"]),
            Some(sentence!["holds ", bytes(*held), " in deleted files on ", path(mount.path.as_str())]),
        ),
        (None, Some(top)) => (
            Some(sentence!["; ", facts.name(top), " writes there"]),
            Some(sentence!["writes to ", path(mount.path.as_str()), ", which is full"]),
        ),
        (None, None) => (None, None),
    };
    let held = holder.as_ref().map(|(_, held)| *held);
    let source = format!("statvfs {}", mount.path);
    Outcome::hit(Hit {
        impact: Impact::Rank(match (critical, full.is_out_of_room) {
            (true, _) => Rank::Severe,
            (false, true) => Rank::Low,
            (false, false) => Rank::Minor,
        }),
        evidence: [
            facts.evidence(&DISK_USED, Some(full.used), &source),
            plain("disk_available_bytes", Some(full.available_bytes as f64), Unit::Bytes, &source),
        ]
        .into_iter()
        .chain(held.map(|held| {
            plain(DELETED_FILES, Some(held), Unit::Bytes, "/proc/PID/fd, stat(2) st_nlink, st_blocks")
        }))
        .collect(),
        why,
        device: Some(mount.path.clone()),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "File system ",
                path(mount.path.as_str()),
                " (",
                quote(mount.kind.as_str()),
                ") is ",
                ratio(full.used),
                " full: ",
                bytes(full.available_bytes as f64),
                " of ",
                bytes(total_bytes as f64),
                " are left",
                named,
                others(facts, mount),
                ".",
            ],
            holder.map(|(top, _)| top).or(writer).map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}

/// Share of a full file system that deleted files take, from which to close them is what helps.
const DELETED_SHARE: f64 = 0.1;

/// Who holds the most in deleted files, where that is a good part of what is full: du(1) does not find it, and its restart
/// gives it back.
fn holder(facts: &Facts<'_>, mount: &Mount) -> Option<(Ranked, f64)> {
    let room = mount.room.as_ref().ok()?;
    let bytes_of =
        |pid: Pid| mount.deleted.iter().find(|(holder, _)| *holder == pid).map(|(_, bytes)| *bytes);
    let pids: Vec<Pid> = mount.deleted.iter().map(|(pid, _)| *pid).collect();
    // Children share the open file of their parent: the largest stands for all.
    let (pid, most) = mount.deleted.first()?;
    let top = facts.most_among(&pids, |process| bytes_of(process.pid).unwrap_or_default() as f64)?;
    let held = top.pid.and_then(bytes_of).unwrap_or(*most) as f64;
    let top = Ranked { pid: top.pid.or(Some(*pid)), ..top };
    (held >= DELETED_SHARE * room.total_bytes as f64).then_some((top, held))
}

/// The other ones.
fn others(facts: &Facts<'_>, but: &Mount) -> Option<Sentence> {
    const NAMED: usize = 3;
    let names = facts.other_full_mounts(but).take(NAMED).map(|mount| sentence![path(mount.path.as_str())]);
    let names: Vec<Sentence> = names.collect();
    (!names.is_empty()).then(|| sentence!["; also full: ", Sentence::joined(names, ", ")])
}
