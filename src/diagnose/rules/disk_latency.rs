//! A disk answers slowly and threads wait for it, one request at a time.
//!
//! Evidence: time by request without a queue that explains it, and threads that wait. Writes count only
//! when a thread waits for them (fsync, journal): those of the page cache may take their time.

use crate::diagnose::evidence::disk_load::{by_kind, cache_drops_told, numbers};
use crate::diagnose::evidence::disk_users::users;
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, advise, confirm, look, reading,
    with_diag,
};
use crate::diagnose::thresholds::algorithm::{
    DISK_WAITERS_COST, ERROR_OF_A_LIMIT, LATENCY_FULL, OWNER_UNSEEN,
};
use crate::diagnose::thresholds::{AWAIT_SOLID, AWAIT_SPINNING, DISK_BUSY, DISK_QUEUE, IO_PRESSURE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::{DiskRates, KindRates};
use crate::model::sentence::{count, device, seconds, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::DiskLatency,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("slow disk"),
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
    title: "a disk responds slowly",
    symptom: "Each request takes long although few requests queue: the device, the path to it or the storage \
              provider is slow.",
    false_positives: &[
        "Background writes: their latency matters only when a thread waits for them.",
        "A single reader on a fast disk: it always waits, but never long.",
        "Too few requests for a mean.",
    ],
    sources: &["kernel Documentation/admin-guide/iostats.rst", "HPE LinuxKI", "iostat(1)"],
    counters: &[
        "/proc/diskstats time per read, write and flush: the slowest kind that threads wait for, above the \
         limit for this kind of disk, or several times the device's own mean for this kind since boot; a kind \
         with under 5 % of the requests counts only if threads wait for it, and what is normal for the device \
         only while threads wait much",
        "/proc/diskstats weighted time and time busy: a full queue explains the latency, and then it is \
         disk-saturated",
        "/proc/meminfo Dirty, Writeback: while much is being written back, writes count only if threads are \
         seen that wait for them, or nothing else is there to wait for",
        "/proc/pressure/io some total, or threads in state D: threads must wait",
    ],
    limits: &[&AWAIT_SPINNING, &AWAIT_SOLID, &DISK_QUEUE, &DISK_BUSY, &IO_PRESSURE],
    confirm: &[
        confirm("iostat -dx 1 3", "r_await, w_await or f_await is high (milliseconds) while aqu-sz is small"),
        confirm(
            "pidstat -d 1 3",
            "iodelay above 0: which process waits, where the kernel counts it (as root)",
        ),
    ],
    advice: &[
        look(
            "Check the device: errors, remapped sectors; in a cloud, used-up burst credits.",
            "smartctl -a /dev/{device}; dmesg -T | tail -50",
            Remedy::Tune,
        ),
        with_diag("See which calls its threads wait in.", OwnOption::Account, Remedy::FixProgram),
        look(
            "See the I/O scheduler; `none` or `mq-deadline` suit fast devices.",
            "cat /sys/block/{device}/queue/scheduler",
            Remedy::Tune,
        ),
        advise(
            "Make fewer and larger requests: read-ahead, more reads in flight, batched writes, fewer fsync \
             calls.",
            Remedy::FixProgram,
        ),
        advise("Use a faster device or volume class.", Remedy::AddResource),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.disks);
    if !facts.io_waited_for() {
        return Outcome::Clear;
    }
    let slow = facts.disks().iter().filter_map(|disk| Some((disk, slow_kind(facts, disk)?)));
    // The slowest by its own limit; a device that stands on others only when none of those is slow.
    let Some((disk, kind)) = slow.max_by(|a, b| {
        let weight = |(disk, kind): &(&DiskRates, KindRates)| {
            kind.await_seconds / facts.limit(Facts::await_limit(disk)).warning
        };
        a.0.slaves.is_empty().cmp(&b.0.slaves.is_empty()).then(weight(a).total_cmp(&weight(b)))
    }) else {
        return Outcome::Clear;
    };
    let limit = facts.limit(Facts::await_limit(disk));
    let stalls = facts.io_stalls();
    let slowest = kind.await_seconds;
    let critical = limit.critical.is_some_and(|limit| slowest >= limit) && facts.io_waits_hurt(LATENCY_FULL);
    let users = users(facts, disk);
    let normal = kind.normal_seconds.map(|normal| sentence![" (", seconds(normal), " since boot)"]);
    let others = by_kind(disk, Some(kind.kind)).map(|others| sentence!["; ", others]);
    Outcome::hit(Hit {
        severity: if critical { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .cap_if(!users.seen, OWNER_UNSEEN)
            .margin(slowest, limit.warning, ERROR_OF_A_LIMIT * limit.warning)
            .agreement(1 + usize::from(stalls.some_reaches(facts.limit(&IO_PRESSURE).warning)))
            .ratio(),
        impact: Impact::TimeLost(
            stalls.some.into_iter().fold(facts.disk_waiters_mean().min(1.0) * DISK_WAITERS_COST, f64::max),
        ),
        summary: sentence![
            "Disk ",
            device(disk.name.as_str()),
            " takes ",
            seconds(slowest),
            " per ",
            kind.kind.noun(),
            normal,
            ", ",
            count(kind.per_second),
            " per second",
            others,
            "; at least one thread was waiting for I/O ",
            facts.io_wait_words(),
            " of the time",
            cache_drops_told(facts),
            users.text,
            ".",
        ],
        evidence: numbers(facts, disk, Some(&kind)),
        against: Vec::new(),
        who: users.who,
        why: users.why,
        device: Some(disk.name.clone()),
        suspects: users.suspects,
        remedy: Remedy::Tune,
        share_of_busy: None,
    })
}

/// The requests that threads wait for, when they take too long and no queue explains it.
fn slow_kind(facts: &Facts<'_>, disk: &DiskRates) -> Option<KindRates> {
    let queued = disk.queue_mean >= facts.limit(&DISK_QUEUE).warning
        && disk.utilization_ratio >= facts.limit(&DISK_BUSY).warning;
    if queued {
        return None;
    }
    facts.slowest_kind(disk, |kind| facts.is_slow(disk, kind, LATENCY_FULL))
}
