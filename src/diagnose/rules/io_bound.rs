//! A program waits for a disk most of the time, and the disk is quick and has room for more: the program sends one
//! request at a time.
//!
//! Evidence: stall time or threads in D, a disk in use whose requests are short for it and do not queue. The cure is in
//! the program: a faster disk helps only as much as each request gets shorter.

use crate::diagnose::evidence::disk_load::{by_kind, cache_drops_told, numbers};
use crate::diagnose::evidence::disk_users::{most_waiting, users};
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::groups::{Ranked, Who};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, advise, confirm, look, reading,
    with_diag,
};
use crate::diagnose::thresholds::algorithm::{
    AT_LOWERED_PRIORITY, DISK_IN_USE, ERROR_OF_A_SHARE, LATENCY_FULL, OWNER_UNSEEN,
};
use crate::diagnose::thresholds::{IO_PRESSURE, PROGRAM_IO_WAIT, WRITEBACK_WAITERS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{count, device, ratio, sentence};
use crate::model::task::Pid;
use crate::model::wait::WaitReason;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::IoBound,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("program"),
    sort: Sort::Io,
    profile: Some(ProfileMode::Waits),
    since: Since::IoPressure,
    scope: Scope::Own,
    inputs: &[
        Input::CpuTime,
        Input::IoPressure,
        Input::WaitChannels,
        Input::IoAccounting,
        Input::AllProcesses,
    ],
    title: "a program waits for a quick disk",
    symptom: "A program waits for a disk most of the time, although each request is quick and the disk could do \
              more: it sends one request after the other.",
    false_positives: &[
        "A backup or a search at lowered priority: it may take its time.",
        "A slow or a saturated disk: then the disk is the bottleneck.",
    ],
    sources: &["kernel Documentation/accounting/psi.rst", "kernel Documentation/admin-guide/iostats.rst"],
    counters: &[
        "/proc/PID/task/TID/stat state D, sampled: a program that waits for a disk more than half of the time; \
         /proc/pressure/io some total where no program is seen",
        "/proc/diskstats time busy, time per read, write and flush: the disk is in use, quick for its kind and \
         for itself, and no queue builds up",
        "/proc/PID/task/TID/wchan balance_dirty_pages: writers that are held are another matter",
        "/proc/PID/task/TID/stat nice and policy: at lowered priority it is only worth knowing",
        "/proc/vmstat drop_pagecache, drop_slab: whether the page cache was thrown away",
    ],
    limits: &[&PROGRAM_IO_WAIT, &IO_PRESSURE, &WRITEBACK_WAITERS],
    confirm: &[
        confirm(
            "iostat -dx 1 3",
            "short r_await, w_await and f_await, and an aqu-sz of about the waiting threads",
        ),
        confirm(
            "pidstat -d 1 3",
            "which process reads and writes, and its iodelay where the kernel counts it (as root)",
        ),
    ],
    advice: &[
        with_diag("See which calls its threads wait in.", OwnOption::Account, Remedy::FixProgram),
        look("See how much it reads and writes.", "pidstat -d -p {pid} 1 5", Remedy::FixProgram),
        advise(
            "Have more requests in flight: read ahead (posix_fadvise, larger reads), asynchronous I/O or more \
             threads; commit or flush several changes at once.",
            Remedy::FixProgram,
        ),
        advise(
            "Let the page cache or a cache of the program answer: the quickest request is the one that is not made.",
            Remedy::Tune,
        ),
        advise("Put the data on a device with a shorter time per request.", Remedy::AddResource),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.disks);
    let Some(disk) = facts
        .disks()
        .iter()
        .filter(|disk| disk.utilization_ratio >= DISK_IN_USE)
        .max_by(|a, b| a.leaf.cmp(&b.leaf).then(a.queue_mean.total_cmp(&b.queue_mean)))
    else {
        return Outcome::Clear;
    };
    let is_slow = facts.slowest_kind(disk, |kind| facts.is_slow(disk, kind, LATENCY_FULL)).is_some();
    let held = facts.blocked_threads(|reason| reason == WaitReason::Writeback);
    if is_slow || facts.is_saturated(disk) || held >= facts.limit(&WRITEBACK_WAITERS).warning {
        return Outcome::Clear;
    }
    let limit = facts.limit(&PROGRAM_IO_WAIT).warning;
    let program = most_waiting(facts, disk).filter(|top| top.amount >= limit);
    let stalls = facts.io_stalls();
    let stalled = stalls.some_reaches(facts.limit(&IO_PRESSURE).critical.unwrap_or(1.0));
    if program.is_none() && !stalled
        || stalls.some.is_some_and(|some| some < facts.limit(&IO_PRESSURE).warning)
    {
        return Outcome::Clear;
    }
    let waited = program.as_ref().map_or(0.0, |top| top.amount.min(1.0)).max(stalls.some.unwrap_or(0.0));
    let lowered = program.as_ref().is_some_and(|top| at_lowered_priority(facts, top));
    let users = users(facts, disk);
    let subject = match &program {
        Some(top) => sentence![facts.name(top), " waits "],
        None => "At least one thread was waiting ".into(),
    };
    let who = match (&users.who, program.clone()) {
        // Who throws the page cache away makes the others wait.
        (who, _) if users.overrides => who.clone(),
        (_, Some(top)) => Who::Group(top),
        (who, None) => who.clone(),
    };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .cap_if(program.is_none(), OWNER_UNSEEN)
            .margin(waited, limit, ERROR_OF_A_SHARE)
            .agreement(1 + usize::from(program.is_some() && stalled))
            .ratio(),
        impact: Impact::TimeLost(waited),
        evidence: [facts.evidence(
            &PROGRAM_IO_WAIT,
            program.as_ref().map(|top| top.amount.min(1.0)),
            "/proc/PID/task/TID/stat state D",
        )]
        .into_iter()
        .chain(numbers(facts, disk, None))
        .collect(),
        why: Some(if users.overrides {
            users.why.unwrap_or_default()
        } else {
            "waits for one request after the other".into()
        }),
        device: Some(disk.name.clone()),
        suspects: users.suspects,
        ..Hit::new(
            if lowered { Severity::Info } else { Severity::Notice },
            sentence![
                subject,
                ratio(waited),
                " of the time for disk ",
                device(disk.name.as_str()),
                ", which is quick and not full: ",
                by_kind(disk, None),
                ", ",
                count(disk.queue_mean),
                " in flight on average",
                cache_drops_told(facts),
                users.text.filter(|_| users.overrides),
                ".",
            ],
            who,
            Remedy::FixProgram,
        )
    })
}

/// Whether nearly all of the waiting is that of threads that let others go first.
fn at_lowered_priority(facts: &Facts<'_>, top: &Ranked) -> bool {
    let members: Vec<Pid> = facts.groups[top.group].members.iter().map(|process| process.pid).collect();
    let (mut lowered, mut all) = (0.0, 0.0);
    for thread in facts.user_threads().filter(|thread| members.contains(&thread.pid)) {
        all += thread.uninterruptible_mean;
        if thread.is_background() {
            lowered += thread.uninterruptible_mean;
        }
    }
    all > 0.0 && lowered >= AT_LOWERED_PRIORITY * all
}
