//! Where the threads of one process or unit spent the window: the accounts of its threads, and what only all of them
//! together tell, namely contended locks, the part of the waiting that a CPU quota makes, and what nobody followed.

use crate::delta::cgroup;
use crate::delta::process::sampled;
use crate::delta::wait_account::thread_account::{Clocked, Moment, account, clocks_of, sleeps};
use crate::delta::wait_account::wait_details;
use crate::model::cgroup::CgroupRates;
use crate::model::rates::{PagingRates, ProcessRates};
use crate::model::reading::Reading;
use crate::model::snapshot::Recording;
use crate::model::target::{Asked, FOLLOWED_MAX, FollowedThread, TargetRates, TargetReadings, ThreadAccount};
use crate::model::task::{CgroupPaths, Comm, Pid, State, ThreadObservation};
use crate::model::wait::{LOCK_ALONE_RATIO, LOCK_SERIAL_CPUS, LOCK_TURNS_PER_SECOND, Wait};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Share of its time that a thread which queues for a lock sleeps in a futex.
const LOCK_SLEEP_RATIO: f64 = 0.2;

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
}

/// The account of what was asked for; none when nothing was.
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
    let mut contended = contended(threads, &clocked, around.seconds);
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
    FollowedThread { seen: seen.clone(), from_start: true, stalled_since: None, close_looks: Vec::new() }
}

fn moment(recording: &Recording) -> Moment {
    let before = &recording.before.system;
    Moment {
        at_seconds: before.at.as_secs_f64(),
        uptime_seconds: before.uptime_seconds.as_ref().and_then(|uptime| uptime.as_ref().ok()).copied(),
        ticks_per_second: recording.host.ticks_per_second.max(1) as f64,
    }
}

/// What the general sampling happened to see of something that nobody followed.
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

/// Threads that were seen; of processes that nobody followed, those that they have at the end.
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

/// Threads that queue for a lock, one answer for each of `threads`: several of a process get turns on a CPU again and
/// again and sleep in a futex in between, and together they get no further than about one CPU. A pool that idles gets
/// no turns, and neither does the thread that only waits for the others to end.
fn contended(threads: &[FollowedThread], clocked: &[Clocked], seconds: f64) -> Vec<bool> {
    #[derive(Default)]
    struct Process {
        queueing: usize,
        ran: f64,
        wanted: f64,
        most: f64,
    }
    let mut processes: HashMap<Pid, Process> = HashMap::new();
    let mut queueing: Vec<bool> = Vec::with_capacity(threads.len());
    for (thread, clocked) in threads.iter().zip(clocked) {
        let process = processes.entry(thread.seen.pid).or_default();
        let ran = clocked.running.unwrap_or(0.0);
        process.ran += ran;
        process.wanted += ran + clocked.delayed;
        process.most = process.most.max(ran);
        let queues = clocked.turns_per_second >= LOCK_TURNS_PER_SECOND
            && futex_seconds(thread, clocked) > LOCK_SLEEP_RATIO * clocked.existed;
        process.queueing += usize::from(queues);
        queueing.push(queues);
    }
    let serial = |process: &Process| {
        let cpus = |value: f64| if seconds > 0.0 { value / seconds } else { 0.0 };
        process.queueing >= 2
            && cpus(process.wanted) >= LOCK_SERIAL_CPUS.start
            && cpus(process.ran) < LOCK_SERIAL_CPUS.end
            && process.most < LOCK_ALONE_RATIO * process.ran
    };
    let in_serial = threads.iter().map(|thread| processes.get(&thread.seen.pid).is_some_and(serial));
    queueing.into_iter().zip(in_serial).map(|(queues, serial)| queues && serial).collect()
}

/// Time that a thread slept in futex(2).
fn futex_seconds(thread: &FollowedThread, clocked: &Clocked) -> f64 {
    let asleep = sleeps(&thread.seen);
    let all: f64 = asleep.iter().map(|(_, _, weight)| weight).sum();
    let futex = |function: &Option<&str>| function.is_some_and(|function| function.contains("futex"));
    let queued: f64 = asleep.iter().filter(|(_, f, _)| futex(f)).map(|(_, _, weight)| weight).sum();
    if all > 0.0 { queued / all * clocked.rest } else { 0.0 }
}

/// Turns the part of the waiting for a CPU that a quota made into a class of its own.
fn move_throttled(accounts: &mut [ThreadAccount], cgroups: &BTreeMap<Pid, CgroupPaths>, around: &Around<'_>) {
    let Ok(groups) = around.cgroups else { return };
    let held: HashMap<Pid, &CgroupRates> =
        cgroups.iter().filter_map(|(pid, paths)| Some((*pid, holding(groups, paths)?))).collect();
    let of = |account: &ThreadAccount, wait: Wait| account.parts.get(&(wait, None)).copied().unwrap_or(0.0);
    let mut sums: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for account in accounts.iter() {
        let Some(group) = held.get(&account.pid) else { continue };
        let (delayed, ran) = sums.entry((&group.hierarchy, &group.path)).or_default();
        *delayed += of(account, Wait::WaitingForCpu);
        *ran += of(account, Wait::Running);
    }
    for account in accounts.iter_mut() {
        let Some(group) = held.get(&account.pid) else { continue };
        let sum = sums.get(&(group.hierarchy.as_str(), group.path.as_str()));
        let Some((delayed, ran)) = sum.filter(|(delayed, _)| *delayed > 0.0) else { continue };
        let share = throttled_seconds(group, *delayed, *ran, around) / delayed;
        let Some(waited) = account.parts.remove(&(Wait::WaitingForCpu, None)) else { continue };
        let throttled = waited * share.clamp(0.0, 1.0);
        for (wait, seconds) in [(Wait::Throttled, throttled), (Wait::WaitingForCpu, waited - throttled)] {
            if seconds > 0.0 {
                account.parts.insert((wait, None), seconds);
            }
        }
    }
}

/// The group around a process that was held back most by a quota, its own or one above it.
fn holding<'a>(groups: &'a [CgroupRates], paths: &CgroupPaths) -> Option<&'a CgroupRates> {
    let throttled = |group: &CgroupRates| group.throttled_cpus.unwrap_or(0.0);
    let held = groups.iter().filter(|group| throttled(group) > 0.0 && contains(group, paths));
    held.max_by(|a, b| throttled(a).total_cmp(&throttled(b)))
}

/// How much of what the threads of one group waited for a CPU was for its quota. The kernel counts each CPU that is
/// held back once, however many threads of the group queue for it. While it is not held back the group runs on those
/// CPUs, so that held back and running are its share of the time; never more than all of its threads on one CPU.
fn throttled_seconds(group: &CgroupRates, delayed: f64, ran: f64, around: &Around<'_>) -> f64 {
    let held_back = group.throttled_cpus.unwrap_or(0.0) * around.seconds;
    let members = around.processes.iter().filter(|process| group.members.contains(&process.pid));
    let used = members.map(|process| process.cpu_ratio() * around.seconds).sum::<f64>().max(ran);
    if held_back <= 0.0 || around.seconds <= 0.0 {
        return 0.0;
    }
    let wanted = delayed + ran;
    let on_one_cpu = held_back * (wanted / around.seconds).max(1.0);
    (held_back / (held_back + used) * wanted).min(on_one_cpu).min(delayed)
}

/// Whether a process in `paths` is inside this control group, however deep.
fn contains(group: &CgroupRates, paths: &CgroupPaths) -> bool {
    let below = |path: &str| {
        path.strip_prefix(group.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if group.hierarchy == "unified" {
        return paths.unified.as_deref().is_some_and(below);
    }
    let of_cpu = |names: &str| names.split(',').any(|name| name == "cpu");
    group.hierarchy == "cpu" && paths.legacy.iter().any(|(names, path)| of_cpu(names) && below(path))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reading::Absence;
    use crate::model::task::{StateShare, WaitChannel};

    fn futex(pid: Pid) -> FollowedThread {
        let wait_channel = Some(WaitChannel::Function("futex_do_wait".to_owned()));
        FollowedThread {
            seen: ThreadObservation {
                pid,
                tid: pid,
                comm: Comm::new(b"x"),
                start_ticks: 0,
                ppid: 1,
                session: 1,
                nice: 0,
                policy: None,
                kernel_thread: false,
                cpus_allowed: None,
                clocks: Vec::new(),
                states: vec![StateShare { state: State::Sleeping, wait_channel, weight: 10.0 }],
                looks_count: 10,
            },
            from_start: true,
            stalled_since: None,
            close_looks: Vec::new(),
        }
    }

    fn ran(running: f64, turns_per_second: f64) -> Clocked {
        let rest = 5.0 - running;
        Clocked {
            existed: 5.0,
            running: Some(running),
            delayed: 0.0,
            rest,
            turns_per_second,
            delay_known: true,
        }
    }

    fn queueing(threads: &[(f64, f64)]) -> Vec<bool> {
        let clocked: Vec<Clocked> = threads.iter().map(|(running, turns)| ran(*running, *turns)).collect();
        contended(&vec![futex(7); threads.len()], &clocked, 5.0)
    }

    #[test]
    fn threads_that_take_turns_under_one_lock_queue_for_it() {
        let four = [(1.2, 200.0), (1.3, 200.0), (1.2, 200.0), (1.3, 200.0)];
        assert_eq!(queueing(&four), [true; 4]);
        // The one that waits for the others to end gets no turns.
        assert_eq!(
            queueing(&[four[0], four[1], four[2], four[3], (0.0, 0.0)]),
            [true, true, true, true, false]
        );
    }

    #[test]
    fn an_idle_pool_sleeps_in_the_same_function_and_queues_for_nothing() {
        for idle in [
            // Nobody wakes.
            &[(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)][..],
            // Little work, handed on.
            &[(0.2, 200.0), (0.2, 200.0), (0.2, 200.0)],
            // One does it all.
            &[(4.8, 200.0), (0.1, 200.0), (0.1, 200.0)],
            // They run side by side.
            &[(4.0, 200.0), (4.0, 200.0), (4.0, 200.0)],
        ] {
            assert!(queueing(idle).iter().all(|queues| !queues), "{idle:?}");
        }
    }

    fn quota(throttled_cpus: f64) -> CgroupRates {
        CgroupRates {
            path: "/lab".to_owned(),
            hierarchy: "cpu".to_owned(),
            throttled_cpus: Some(throttled_cpus),
            ..CgroupRates::default()
        }
    }

    /// Thread-seconds by second that the quota took, of a group alone on a window of five seconds.
    fn throttled(throttled_cpus: f64, delayed: f64, ran: f64) -> f64 {
        let absent = || Absence::missing("/x");
        let (cgroups, paging) = (Err(absent()), Err(absent()));
        let around = Around { processes: &[], cgroups: &cgroups, paging: &paging, seconds: 5.0 };
        throttled_seconds(&quota(throttled_cpus), delayed * 5.0, ran * 5.0, &around) / 5.0
    }

    #[test]
    fn a_quota_takes_what_the_group_was_held_back() {
        for (what, found, expected) in [
            ("one thread on a fifth of a CPU", throttled(0.8, 0.8, 0.2), 0.8),
            ("two threads, each on a CPU", throttled(1.8, 1.8, 0.2), 1.8),
            ("two threads on one CPU", throttled(0.8, 1.8, 0.2), 1.6),
            ("four threads on two CPUs, half a CPU each second", throttled(1.5, 3.5, 0.5), 3.0),
            ("hardly held back, but a long queue", throttled(0.1, 2.1, 1.9), 0.2),
            ("a neighbour takes the CPU, too", throttled(0.4, 0.7, 0.3), 0.4),
            ("not held back", throttled(0.0, 0.7, 0.3), 0.0),
            ("held back longer than anybody waited", throttled(9.0, 0.1, 0.9), 0.1),
        ] {
            assert!((found - expected).abs() < 1e-9, "{what}: {found}");
        }
    }

    #[test]
    fn a_quota_holds_what_is_below_it() {
        let paths = |legacy: &str| CgroupPaths {
            unified: Some("/".to_owned()),
            legacy: vec![("cpu,cpuacct".to_owned(), legacy.to_owned())],
        };
        for (path, inside) in [("/lab", true), ("/lab/a", true), ("/lab2", false), ("/", false)] {
            assert_eq!(contains(&quota(1.0), &paths(path)), inside, "{path}");
        }
        let deeper = CgroupRates { path: "/lab/a".to_owned(), ..quota(2.0) };
        let groups = [quota(1.0), deeper];
        assert_eq!(holding(&groups, &paths("/lab/a")).map(|group| group.path.as_str()), Some("/lab/a"));
        assert_eq!(holding(&groups, &paths("/lab/b")).map(|group| group.path.as_str()), Some("/lab"));
        assert_eq!(holding(&groups, &paths("/")), None);
    }
}
