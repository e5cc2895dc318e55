//! A disk is at its limit and requests queue for it.
//!
//! Evidence: utilisation, queue and time per request together, and waiting threads. Utilisation alone says
//! nothing of a device that serves many requests at once; a deep queue of background writes does no harm.
//! Asynchronous I/O shows no waiting thread at all, so the queue must be able to carry the verdict.

use crate::diagnose::evidence::disk_load::{by_kind, cache_drops_told, numbers};
use crate::diagnose::evidence::disk_users::users;
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, advise, change,
    confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_MEAN, OWNER_UNSEEN, Rank, SATURATED_FULL};
use crate::diagnose::thresholds::{AWAIT_SOLID, AWAIT_SPINNING, DISK_BUSY, DISK_QUEUE, IO_PRESSURE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{count, device, ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::DiskSaturated,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("disk"),
    sort: Sort::Io,
    profile: Some(ProfileMode::Waits),
    since: Since::IoPressure,
    scope: Scope::Node,
    inputs: &[
        Input::CpuTime,
        Input::IoPressure,
        Input::WhoseIo,
        Input::IoAccounting,
        Input::AllProcesses,
        Input::Refaults,
    ],
    title: "a disk is saturated",
    symptom: "A disk is busy all the time, requests queue, and each request takes long because of the queue.",
    false_positives: &[
        "100 % utilisation of an SSD, a RAID or a virtual disk: it may handle many requests in parallel.",
        "A deep queue of background writes that no thread waits for.",
        "Swapping, or a page cache that is too small: the disk is busy because memory is short.",
    ],
    sources: &["kernel Documentation/admin-guide/iostats.rst", "iostat(1)", "Gregg, USE method"],
    counters: &[
        "/proc/diskstats time busy: the device is never idle",
        "/proc/diskstats weighted time: mean number of requests in flight; half the limit is enough for a \
         spinning disk",
        "/proc/diskstats time per read, write and flush: above the limit for this kind of disk, well above \
         the device's own mean since boot, or with a deep queue; a kind with under 5 % of the requests counts \
         only if threads wait for it, and what is normal for the device only while threads wait",
        "/proc/pressure/io, threads in state D, or reads: threads must wait; writeback alone does not count, \
         and without I/O pressure it is not critical",
        "io.stat of the control groups by device, /proc/PID/io read_bytes, write_bytes: which process it is; \
         where they cannot be read, which process waits. A process that moved more than the disk did uses \
         another one",
        "/proc/vmstat drop_pagecache, drop_slab: whether the page cache was thrown away",
        "/proc/mdstat: whether a RAID resync uses the disk",
    ],
    limits: &[&DISK_BUSY, &DISK_QUEUE, &AWAIT_SPINNING, &AWAIT_SOLID, &IO_PRESSURE],
    confirm: &[
        confirm(
            "iostat -dx 1 3",
            "%util near 100, aqu-sz above 4 and r_await or w_await high, after the first report",
        ),
        confirm("pidstat -d 1 3", "which process reads and writes how much (as root)"),
        confirm("cat /proc/pressure/io", "avg10 of some above 10, unless the I/O is asynchronous"),
    ],
    advice: &[
        with_diag("See which calls its threads wait in.", OwnOption::Account, Remedy::FixProgram),
        look("See how much it reads and writes.", "pidstat -d -p {pid} 1 5", Remedy::FixProgram),
        change(
            "Let other processes use the disk first.",
            ActionTemplate::Ionice,
            "it gets slower; only the schedulers bfq and mq-deadline have priorities",
            Remedy::Tune,
        ),
        look(
            "See whether a RAID resync or a scrub runs; it can wait.",
            "cat /proc/mdstat; sysctl dev.raid.speed_limit_max",
            Remedy::Tune,
        ),
        advise(
            "Read less (an index, a cache, a larger page cache) and write less (batches, group commit, a \
             lower log level).",
            Remedy::FixProgram,
        ),
        advise("Use a faster disk or more disks, or put the log on a disk of its own.", Remedy::AddResource),
        advise("Spread the reads over replicas, or put a cache in front.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.disks);
    let saturated = facts.disks().iter().filter(|disk| facts.is_saturated(disk));
    let Some(disk) = saturated.max_by(|a, b| {
        (a.leaf, a.queue_mean).partial_cmp(&(b.leaf, b.queue_mean)).unwrap_or(std::cmp::Ordering::Equal)
    }) else {
        return Outcome::Clear;
    };
    let stalls = facts.io_stalls();
    let waited = facts.io_waits_hurt(SATURATED_FULL);
    let deep = facts.limit(&DISK_QUEUE).critical.is_some_and(|limit| disk.queue_mean >= limit);
    let full_time = facts.limit(&DISK_BUSY).critical.is_some_and(|limit| disk.utilization_ratio >= limit);
    let users = users(facts, disk);
    let mut against = Vec::new();
    if let Some(some) = stalls.some.filter(|some| *some < facts.limit(&IO_PRESSURE).warning) {
        against.push(sentence![
            "Threads hardly sleep for I/O (",
            ratio(some),
            " of the time): the requests are asynchronous.",
        ]);
    }
    Outcome::hit(Hit {
        // However deep the queue, without a thread that waits it is no alarm.
        severity: if deep && full_time && waited { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .cap_if(!users.seen, OWNER_UNSEEN)
            .margin(disk.queue_mean, facts.limit(&DISK_QUEUE).warning, ERROR_OF_A_MEAN)
            .agreement(1 + usize::from(facts.io_waited_for()) + usize::from(deep))
            .ratio(),
        impact: Impact::at_least(stalls.some, Rank::Serious),
        summary: sentence![
            "Disk ",
            device(disk.name.as_str()),
            " is busy ",
            ratio(disk.utilization_ratio),
            " of the time, with ",
            count(disk.queue_mean),
            " requests in flight: ",
            by_kind(disk, None),
            cache_drops_told(facts),
            users.text,
            ".",
        ],
        evidence: numbers(facts, disk, facts.saturated_kind(disk).as_ref()),
        against,
        who: users.who,
        why: users.why,
        device: Some(disk.name.clone()),
        suspects: users.suspects,
        remedy: users.remedy,
        share_of_busy: None,
    })
}
