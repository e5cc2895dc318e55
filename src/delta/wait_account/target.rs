//! Where the threads of one process or unit spent the window: the accounts of its threads, and what only all of them
//! show together: contended locks, the part of the waiting caused by a CPU quota, and threads that were not followed.

use crate::delta::cgroup;
use crate::delta::process::sampled;
use crate::delta::wait_account::locks::contended;
use crate::delta::wait_account::quota::move_throttled;
use crate::delta::wait_account::thread_account::{Clocked, Moment, account, clocks_of};
use crate::delta::wait_account::wait_details;
use crate::model::cgroup::CgroupRates;
use crate::model::rates::{PagingRates, ProcessRates};
use crate::model::reading::Reading;
use crate::model::snapshot::Recording;
use crate::model::target::{Asked, FOLLOWED_MAX, FollowedThread, TargetRates, TargetReadings, ThreadAccount};
use crate::model::task::{CgroupPaths, Comm, Pid, State, ThreadObservation};
use crate::model::wait::Wait;
use std::collections::{BTreeMap, BTreeSet};

/// What the rest of the rates tells about the target.
pub struct Around<'a> {
    /// Processes at the end.
    pub processes: &'a [ProcessRates],
    /// Control groups whose limits moved.
    pub cgroups: &'a Reading<Vec<CgroupRates>>,
    /// Paging of the box.
    pub paging: &'a Reading<PagingRates>,
    /// Length of the window.
    pub seconds: f64,
    /// Turns on a CPU per second from which a thread that sleeps in a futex is not idle.
    pub lock_turns_per_second: f64,
}

/// The account of the target; `None` without one.
pub fn target(recording: &Recording, around: &Around<'_>) -> Option<TargetRates> {
    let readings = recording.target.as_ref()?;
    let borrowed;
    let (threads, cgroups) = if readings.followed {
        (&readings.threads, &readings.cgroups)
    } else {
        borrowed = from_sampling(recording, readings);
        (&borrowed.0, &borrowed.1)
    };
    let Accounts { clocked, mut accounts, .. } = accounts_of(recording, threads, cgroups, around);
    let mut pids: BTreeSet<Pid> = accounts.iter().map(|account| account.pid).collect();
    pids.extend(cgroups.keys());
    if let Asked::Pid(pid) = readings.asked {
        pids.insert(pid);
    }
    let threads_count = threads_count(readings, around, &pids, &accounts);
    accounts.extend(beyond(recording, readings, around, &pids, &accounts));
    let alive = |pid: &Pid| around.processes.iter().any(|p| p.pid == *pid && p.state != State::Zombie);
    let comms: Vec<(Pid, Comm)> = accounts.iter().map(|account| (account.pid, account.comm)).collect();
    Some(TargetRates {
        asked: readings.asked.clone(),
        followed: readings.followed,
        unit: shared_unit(cgroups),
        comm: name(&comms, around),
        processes_count: pids.len(),
        threads_count,
        ended: !pids.iter().any(alive),
        wait_channels_hidden: hidden(threads),
        run_delay_hidden: !clocked.is_empty() && clocked.iter().all(|clocked| !clocked.delay_known),
        threads: accounts,
    })
}

/// The accounts of threads, in their order.
pub(super) struct Accounts {
    /// What their clocks say.
    pub(super) clocked: Vec<Clocked>,
    /// Which of them queue for a lock.
    pub(super) contended: Vec<bool>,
    /// Where their time went.
    pub(super) accounts: Vec<ThreadAccount>,
}

/// Makes the accounts of `threads`, whose processes are in these control groups.
pub(super) fn accounts_of(
    recording: &Recording,
    threads: &[FollowedThread],
    cgroups: &BTreeMap<Pid, CgroupPaths>,
    around: &Around<'_>,
) -> Accounts {
    let moment = moment(recording);
    let clocked: Vec<Clocked> = threads.iter().map(|thread| clocks_of(thread, &moment)).collect();
    let mut contended = contended(threads, &clocked, around);
    for (contended, thread) in contended.iter_mut().zip(threads) {
        *contended |= wait_details::waits_for_holder(thread);
    }
    let each = threads.iter().zip(&clocked).zip(&contended);
    let mut accounts: Vec<ThreadAccount> = each
        .map(|((thread, clocked), contended)| {
            account(&thread.seen, clocked, swaps(around, thread.seen.pid), *contended)
        })
        .collect();
    move_throttled(&mut accounts, cgroups, around);
    Accounts { clocked, contended, accounts }
}

/// What the general sampling saw of one thread.
pub(super) fn from_sample(seen: &ThreadObservation) -> FollowedThread {
    FollowedThread { seen: seen.clone(), from_start: true, stalled_since: None, wait_details: Vec::new() }
}

fn moment(recording: &Recording) -> Moment {
    let before = &recording.before.system;
    Moment {
        at_seconds: before.at.as_secs_f64(),
        uptime_seconds: before.uptime_seconds.as_ref().and_then(|uptime| uptime.as_ref().ok()).copied(),
        ticks_per_second: recording.host.ticks_per_second.max(1) as f64,
    }
}

/// What the general sampling saw of a target that was not followed.
fn from_sampling(
    recording: &Recording,
    readings: &TargetReadings,
) -> (Vec<FollowedThread>, BTreeMap<Pid, CgroupPaths>) {
    let paths = recording.details.iter().filter_map(|(pid, details)| {
        let paths = details.cgroups.as_ref()?.as_ref().ok()?;
        let wanted = match &readings.asked {
            Asked::Pid(asked) => asked == pid,
            Asked::Unit(asked) => cgroup::belongs(paths, asked),
        };
        wanted.then(|| (*pid, paths.clone()))
    });
    let cgroups: BTreeMap<Pid, CgroupPaths> = paths.collect();
    let wanted = |pid: Pid| cgroups.contains_key(&pid) || readings.asked == Asked::Pid(pid);
    let seen = sampled(recording).into_iter().filter(|thread| wanted(thread.pid));
    let threads = seen.map(from_sample);
    (threads.collect(), cgroups)
}

/// Threads that were seen; of processes that were not followed, the number at the end.
fn threads_count(
    readings: &TargetReadings,
    around: &Around<'_>,
    pids: &BTreeSet<Pid>,
    accounts: &[ThreadAccount],
) -> usize {
    if is_whole(readings) {
        return accounts.len();
    }
    let seen = |pid: Pid| accounts.iter().filter(|account| account.pid == pid).count();
    let at_the_end = |pid: Pid| around.processes.iter().find(|p| p.pid == pid).map_or(0, |p| p.threads_count);
    pids.iter().map(|&pid| seen(pid).max(usize::try_from(at_the_end(pid)).unwrap_or(usize::MAX))).sum()
}

/// Whether every thread was followed.
fn is_whole(readings: &TargetReadings) -> bool {
    readings.followed && readings.threads.len() < FOLLOWED_MAX
}

/// Time that is known to have passed, of threads that were not followed: their CPU time where the process tells it,
/// the rest unknown.
fn beyond(
    recording: &Recording,
    readings: &TargetReadings,
    around: &Around<'_>,
    pids: &BTreeSet<Pid>,
    accounts: &[ThreadAccount],
) -> Vec<ThreadAccount> {
    if is_whole(readings) {
        return Vec::new();
    }
    let mut more = Vec::new();
    for process in around.processes.iter().filter(|process| pids.contains(&process.pid)) {
        let own: Vec<&ThreadAccount> = accounts.iter().filter(|account| account.pid == process.pid).collect();
        let lived = if process.born { lifetime(recording, process) } else { around.seconds };
        let seen: f64 = own.iter().map(|account| account.seconds).sum();
        let ran: f64 =
            own.iter().flat_map(|a| &a.parts).filter(|((w, _), _)| *w == Wait::Running).map(|(_, s)| s).sum();
        let missing = (f64::from(process.threads_count) * lived - seen).max(0.0);
        let running = (process.cpu_ratio() * around.seconds - ran).clamp(0.0, missing);
        let parts = [((Wait::Running, None), running), ((Wait::Unknown, None), missing - running)];
        if missing > 0.0 {
            more.push(ThreadAccount {
                pid: process.pid,
                tid: None,
                comm: process.comm,
                seconds: missing,
                parts: parts.into_iter().filter(|(_, seconds)| *seconds > 0.0).collect(),
            });
        }
    }
    more
}

fn lifetime(recording: &Recording, process: &ProcessRates) -> f64 {
    let after = &recording.after.system;
    let now = after.uptime_seconds.as_ref().and_then(|uptime| uptime.as_ref().ok()).copied();
    let window = (after.at.saturating_sub(recording.before.system.at)).as_secs_f64();
    now.map_or(window, |now| (now - process.started_seconds).clamp(0.0, window))
}

/// Whether pages that this process waits for come from swap.
pub(super) fn swaps(around: &Around<'_>, pid: Pid) -> bool {
    let box_swaps = around.paging.as_ref().is_ok_and(|paging| paging.swap_in_per_second.unwrap_or(0.0) > 0.0);
    box_swaps && around.processes.iter().any(|p| p.pid == pid && p.major_faults_per_second > 0.0)
}

/// The unit that all of the processes belong to.
fn shared_unit(cgroups: &BTreeMap<Pid, CgroupPaths>) -> Option<String> {
    let mut units = cgroups.values().map(|paths| cgroup::unit(paths.deepest()));
    let first = units.next()??;
    units.all(|unit| unit.as_ref() == Some(&first)).then_some(first)
}

/// The most frequent name of a process; of a thread, where no process is left.
fn name(threads: &[(Pid, Comm)], around: &Around<'_>) -> Option<Comm> {
    let pids: BTreeMap<Pid, Comm> = threads.iter().rev().copied().collect();
    let mut counts: BTreeMap<Comm, usize> = BTreeMap::new();
    for (pid, comm) in pids {
        let process = around.processes.iter().find(|process| process.pid == pid);
        *counts.entry(process.map_or(comm, |process| process.comm)).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(comm, _)| comm)
}

/// Whether some of its threads slept, and the kernel said of none in what.
fn hidden(threads: &[FollowedThread]) -> bool {
    let mut shares =
        threads.iter().flat_map(|thread| &thread.seen.states).filter_map(|s| s.wait_channel.as_ref());
    let mut any = false;
    !shares.any(|channel| {
        any = true;
        channel.function().is_some()
    }) && any
}
