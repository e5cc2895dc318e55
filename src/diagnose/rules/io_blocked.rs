//! Threads sit in uninterruptible sleep and no disk is busy with what they wait for.
//!
//! Evidence: the same threads in D in nearly every sample, without a turn on a CPU in between; or a device
//! with requests on their way and none coming back. The wait channel says what it is: a file system in user
//! space or on a server, a frozen file system, a hung device. The parent of a vfork(2) sleeps in D as well,
//! and threads that fight for a lock of the kernel make progress: neither is this.

use crate::diagnose::evidence::facts::{FROZEN_MOUNTS, Facts, plain, reason};
use crate::diagnose::evidence::groups::{Ranked, suspects};
use crate::diagnose::evidence::kernel_log::{Reported, others};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, look, trace, with_diag,
};
use crate::diagnose::thresholds::algorithm::{BLOCKED_HALF, GETS_ON, NOT_RUN_CPU, Rank};
use crate::diagnose::thresholds::{BLOCKED_LOOKS, LOOKS_MIN, STUCK_SECONDS, UNINTERRUPTIBLE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::kernel_log::Topic;
use crate::model::limits::Mount;
use crate::model::profile::ProfileMode;
use crate::model::rates::{DiskRates, ThreadRates};
use crate::model::sentence::{Sentence, count, device, function, path, quote, seconds, sentence};
use crate::model::task::State;
use crate::model::units::Unit;
use crate::model::wait::WaitReason;
use std::collections::HashMap;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::IoBlocked,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("blocked"),
    sort: Sort::Wait,
    profile: Some(ProfileMode::Waits),
    since: Since::IoPressure,
    scope: Scope::Own,
    inputs: &[Input::CpuTime, Input::Schedstat, Input::WaitChannels, Input::AllProcesses],
    title: "threads are stuck in uninterruptible sleep",
    symptom: "Threads wait for I/O that does not complete, while the disks have little to do. They raise the \
              load average and cannot be killed.",
    false_positives: &[
        "The parent of a vfork(2) sleeps in state D until its child starts a program.",
        "Threads that queue for a lock inside the kernel make slow progress: that is lock-contention.",
        "Threads in state D while a disk is saturated: the disk is the cause.",
    ],
    sources: &[
        "proc_pid_stat(5)",
        "kernel Documentation/admin-guide/sysctl/kernel.rst hung_task_timeout_secs",
    ],
    counters: &[
        "/proc/PID/task/TID/stat state D in nearly every sample: the thread waits for I/O all the time",
        "/proc/PID/task/TID/schedstat timeslices, or its CPU time: it has not run in between",
        "/proc/PID/task/TID/wchan: the function it sleeps in; vfork does not count, nor does a kernel lock \
         that changes hands",
        "/proc/diskstats in flight and completed: a device with requests in flight and no completions",
        "/proc/diskstats time busy: threads that do make progress count only while no disk is busy",
        "/proc/stat procs_blocked and /proc/pressure/io: shown next to it; both stay near 0 where a lock, a \
         server or a frozen file system blocks the thread",
    ],
    limits: &[&UNINTERRUPTIBLE, &BLOCKED_LOOKS, &STUCK_SECONDS],
    confirm: &[
        confirm(
            "ps -eLo stat,pid,tid,wchan:32,comm | grep '^D'",
            "the same threads in the same function every time",
        ),
        confirm(
            "cat /proc/{pid}/stack",
            "the kernel functions: nfs, fuse, freeze or the block layer (as root)",
        ),
        confirm(
            "grep -H . /sys/block/*/inflight",
            "a device with requests in flight whose number does not fall",
        ),
    ],
    advice: &[
        change(
            "Thaw the frozen file system: a snapshot or a backup has frozen it and not let go.",
            ActionTemplate::Thaw,
            "a snapshot that is being taken just now is not consistent",
            Remedy::Tune,
        ),
        with_diag("See in which function its threads wait, and how long.", OwnOption::Account, Remedy::Tune),
        look(
            "See where it hangs and which files it has open.",
            "cat /proc/{pid}/stack; ls -l /proc/{pid}/fd",
            Remedy::Tune,
        ),
        look(
            "Check the mount: does the server or the FUSE daemon answer, is the file system frozen?",
            "cat /proc/{pid}/mountinfo; dmesg -T | grep -iE 'blocked for more|not responding|timeout' | tail",
            Remedy::Tune,
        ),
        trace(
            "Write the stacks of all blocked threads to the kernel log.",
            "echo w > /proc/sysrq-trigger; dmesg | tail -200",
            "a long kernel log",
            Remedy::Tune,
        ),
        advise(
            "Restore what the mount needs: the server, the FUSE daemon, the path to the device.",
            Remedy::Tune,
        ),
        advise("Keep remote file systems out of the path of requests.", Remedy::Distribute),
    ],
    check,
};

/// A disk with this much to do explains threads that wait, as long as they get on.
const DISK_EXPLAINS: f64 = 0.3;

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let stuck: Vec<&ThreadRates> = facts.user_threads().filter(|thread| is_stuck(facts, thread)).collect();
    // Some devices count a request for ever that came back long ago: without a thread that waits none hangs.
    let hangs = |disk: &&DiskRates| disk.stuck_seconds >= facts.limit(&STUCK_SECONDS).warning;
    let device = facts.disks().iter().find(hangs).filter(|_| facts.io_waited_for());
    let disks_quiet = facts.disks().iter().all(|disk| disk.utilization_ratio < DISK_EXPLAINS);
    // A busy disk explains a wait for a disk, none for a server.
    let elsewhere =
        |thread: &&ThreadRates| waits_elsewhere(thread) && (disks_quiet || waits_for_no_disk(thread));
    let slow: Vec<&ThreadRates> = facts.user_threads().filter(elsewhere).collect();
    let slow_mean: f64 = slow.iter().map(|thread| thread.uninterruptible_mean).sum();
    let (threads, hung) = match () {
        () if !stuck.is_empty() => (stuck, true),
        () if slow_mean >= facts.limit(&UNINTERRUPTIBLE).warning => (slow, false),
        () if device.is_some() => (Vec::new(), true),
        () => return of_log(facts).map_or(Outcome::Clear, Outcome::hit),
    };
    let mean: f64 = threads.iter().map(|thread| thread.uninterruptible_mean).sum();
    let ranked = blocked(facts, &threads);
    let wait = main_wait(&threads);
    let critical = (hung && mean >= facts.cpus)
        || device.is_some_and(|disk| {
            mean >= 1.0
                && facts.limit(&STUCK_SECONDS).critical.is_some_and(|limit| disk.stuck_seconds >= limit)
        });
    let pressure = facts.rates.io_pressure.as_ref().ok().map(|pressure| pressure.some_ratio);
    let kind = wait.as_deref().map(WaitReason::of);
    let mount = mount_of(facts, &threads, kind);
    let frozen =
        mount.filter(|_| device.is_none() && kind == Some(WaitReason::FrozenFilesystem)).map(|_| 1.0);
    Outcome::hit(Hit {
        severity: if critical { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .cap_if(!hung, GETS_ON)
            .agreement(1 + usize::from(wait.is_some()) + usize::from(device.is_some()))
            .ratio(),
        impact: match device {
            Some(_) => Impact::at_least(Some(mean.min(1.0)), Rank::Serious),
            None => Impact::TimeLost(mean.min(1.0)),
        },
        summary: summary(facts, &threads, &ranked, (wait.as_deref(), mount), device, hung),
        evidence: [
            facts.evidence(&UNINTERRUPTIBLE, Some(mean), "/proc/PID/task/TID/stat state D"),
            facts.evidence(
                &BLOCKED_LOOKS,
                threads.iter().map(|thread| thread.uninterruptible_looks_ratio).reduce(f64::max),
                "/proc/PID/task/TID/stat state D",
            ),
            facts.evidence(
                &STUCK_SECONDS,
                device.map(|disk| disk.stuck_seconds),
                "/proc/diskstats in flight, completed",
            ),
            plain(
                "procs_blocked_mean",
                facts.rates.procs_blocked_mean,
                Unit::Count,
                "/proc/stat procs_blocked",
            ),
            plain("psi_io_some_ratio", pressure, Unit::Ratio, "/proc/pressure/io some total"),
        ]
        .into_iter()
        .chain(frozen.map(|frozen| plain(FROZEN_MOUNTS, Some(frozen), Unit::Count, "/proc/PID/fd, wchan")))
        .collect(),
        against: Vec::new(),
        suspects: suspects(facts, &ranked, Role::Victim),
        who: ranked
            .first()
            .cloned()
            .map(Who::Group)
            .or_else(|| device.map(|disk| Who::Device(disk.name.clone())))
            .unwrap_or(Who::None),
        why: wait.map(|wait| sentence!["waits in ", function(wait)]),
        device: device.map(|disk| disk.name.clone()).or_else(|| mount.map(|mount| mount.path.clone())),
        remedy: Remedy::Tune,
        share_of_busy: None,
    })
}

/// Threads that the kernel found blocked for minutes, and servers that do not answer, where no thread was seen in D.
fn of_log(facts: &Facts<'_>) -> Option<Hit> {
    let reported = facts.reported(&[Topic::HungTask, Topic::FileServer]);
    let (worst, rest) = reported.split_first()?;
    Some(Hit {
        impact: Impact::Rank(Rank::Serious),
        evidence: reported.iter().map(Reported::evidence).collect(),
        ..Hit::new(
            Severity::Warning,
            sentence!["The kernel reported: ", quote(worst.last.text.as_str()), others(rest)],
            Who::None,
            Remedy::Tune,
        )
    })
}

/// In D whenever looked at, and never on a CPU in between.
fn is_stuck(facts: &Facts<'_>, thread: &ThreadRates) -> bool {
    thread.alive
        && thread.looks_count >= LOOKS_MIN
        && thread.uninterruptible_looks_ratio >= facts.limit(&BLOCKED_LOOKS).warning
        && match thread.ran {
            Some(ran) => !ran,
            None => thread.cpu_ratio() < NOT_RUN_CPU,
        }
        && blocking_wait(thread)
}

/// Gets on, but spends much of its time in D for something that is not a local disk.
fn waits_elsewhere(thread: &ThreadRates) -> bool {
    thread.alive && thread.uninterruptible_looks_ratio >= BLOCKED_HALF && blocking_wait(thread)
}

/// Whether the thread sleeps in a file system of another machine or program, or in a frozen one.
fn waits_for_no_disk(thread: &ThreadRates) -> bool {
    let waits = thread.waits.iter().filter(|share| share.state == State::Uninterruptible);
    let elsewhere = waits.filter(|share| {
        let reason = reason(share.function.as_deref());
        matches!(reason, WaitReason::RemoteFilesystem | WaitReason::FrozenFilesystem)
    });
    elsewhere.map(|share| share.mean).sum::<f64>() >= BLOCKED_HALF * thread.uninterruptible_mean
}

/// Whether what the thread sleeps in can block it: not vfork, not a contended lock, not the freezer.
fn blocking_wait(thread: &ThreadRates) -> bool {
    let waits = thread.waits.iter().filter(|share| share.state == State::Uninterruptible);
    let harmless: f64 = waits
        .clone()
        .filter(|share| matches!(reason(share.function.as_deref()), WaitReason::Vfork | WaitReason::Frozen))
        .map(|share| share.mean)
        .sum();
    let fought: f64 = waits
        .filter(|share| matches!(reason(share.function.as_deref()), WaitReason::KernelLock))
        .map(|share| share.mean)
        .sum();
    let fought = if thread.ran == Some(false) { 0.0 } else { fought };
    harmless + fought < BLOCKED_HALF * thread.uninterruptible_mean
}

/// The groups of the blocked threads, by how many of them are theirs.
fn blocked(facts: &Facts<'_>, threads: &[&ThreadRates]) -> Vec<Ranked> {
    let total: f64 = threads.iter().map(|thread| thread.uninterruptible_mean).sum();
    let mut by_group: HashMap<usize, Ranked> = HashMap::new();
    for thread in threads {
        let Some(group) = facts.group_of(thread.pid) else { continue };
        let entry =
            by_group.entry(group).or_insert(Ranked { group, pid: Some(thread.pid), amount: 0.0, share: 0.0 });
        entry.amount += thread.uninterruptible_mean;
    }
    let mut ranked: Vec<Ranked> = by_group.into_values().collect();
    for entry in &mut ranked {
        entry.share = if total > 0.0 { entry.amount / total } else { 0.0 };
    }
    ranked.sort_by(|a, b| b.amount.total_cmp(&a.amount).then(a.group.cmp(&b.group)));
    ranked
}

/// The file system that the threads wait for, where one is in question: they have files on it open, and it is of the kind
/// that they wait for.
fn mount_of<'a>(
    facts: &'a Facts<'_>,
    threads: &[&ThreadRates],
    kind: Option<WaitReason>,
) -> Option<&'a Mount> {
    let remote = |mount: &Mount| !mount.source.starts_with('/') && mount.kind != "tmpfs";
    let wanted = |mount: &&Mount| match kind {
        Some(WaitReason::RemoteFilesystem) => remote(mount),
        Some(WaitReason::FrozenFilesystem) => !remote(mount),
        _ => false,
    };
    let waiting = |mount: &Mount| {
        mount.blocked.iter().filter(|pid| threads.iter().any(|thread| thread.pid == **pid)).count()
    };
    let mounts = facts.rates.limits.mounts.iter().flatten().filter(wanted);
    // Every process has something of the root open.
    mounts.filter(|mount| mount.path != "/" && waiting(mount) > 0).max_by_key(|mount| waiting(mount))
}

/// The kernel function that most of the waiting happens in.
fn main_wait(threads: &[&ThreadRates]) -> Option<String> {
    let mut functions: HashMap<&str, f64> = HashMap::new();
    for share in threads.iter().flat_map(|thread| &thread.waits) {
        if let (State::Uninterruptible, Some(function)) = (share.state, share.function.as_deref()) {
            *functions.entry(function).or_default() += share.mean;
        }
    }
    let main = functions.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0)))?;
    Some(main.0.to_owned())
}

fn summary(
    facts: &Facts<'_>,
    threads: &[&ThreadRates],
    ranked: &[Ranked],
    (wait, mount): (Option<&str>, Option<&Mount>),
    stuck: Option<&DiskRates>,
    hung: bool,
) -> Sentence {
    let place = wait.map(|wait| {
        let kind = match WaitReason::of(wait) {
            WaitReason::RemoteFilesystem => " (a network or user-space file system)",
            WaitReason::FrozenFilesystem => " (a frozen file system)",
            _ => "",
        };
        let mount = mount.map(|mount| sentence![" for ", path(mount.path.as_str())]);
        sentence![" in ", function(wait), kind, mount]
    });
    let stuck = stuck.map(|disk| {
        sentence![
            "; disk ",
            device(disk.name.as_str()),
            " has ",
            disk.in_flight_count,
            " requests in flight and completed none for ",
            seconds(disk.stuck_seconds),
        ]
    });
    match ranked.first().map(|top| facts.name(top)) {
        Some(name) if hung => {
            let cause = if stuck.is_some() { ": " } else { ", and no disk is the cause: " };
            sentence![threads.len(), " threads hang", place, " and make no progress", cause, name, stuck, "."]
        }
        Some(name) => {
            let mean: f64 = threads.iter().map(|thread| thread.uninterruptible_mean).sum();
            let remote = threads.iter().all(|thread| waits_for_no_disk(thread));
            sentence![
                count(mean),
                " threads on average wait",
                place,
                if remote { ", which no local disk causes: " } else { " while no disk is busy: " },
                name,
                stuck,
                "."
            ]
        }
        None => sentence!["A disk hangs", stuck, "."],
    }
}
