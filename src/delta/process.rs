//! Processes and threads: CPU time, I/O, memory and waiting within the window.

use crate::delta::Options;
use crate::delta::cgroup;
use crate::delta::counter::{difference, rate};
use crate::delta::turns;
use crate::model::rates::{ProcessRates, ThreadRates, WaitShare};
use crate::model::snapshot::{CpuTicks, Recording};
use crate::model::task::{
    Pid, ProcessDetails, ProcessReading, SchedStat, State, TaskStat, ThreadClock, ThreadObservation,
};
use crate::model::units::NANOSECONDS_PER_SECOND;
use std::collections::HashMap;

/// A thread that used this much of a CPU within a second was burning in it.
const HOT_SECOND_RATIO: f64 = 0.85;

/// Clocks that are closer than this say nothing about a rate.
const SPAN_MIN_SECONDS: f64 = 0.2;

/// A process is the same only with the same start time: ids are used again.
type Key = (Pid, u64);

fn key(process: &ProcessReading) -> Key {
    (process.stat.pid, process.stat.start_ticks)
}

fn by_key(processes: &[ProcessReading]) -> HashMap<Key, &ProcessReading> {
    processes.iter().map(|process| (key(process), process)).collect()
}

/// Every process that lived at the end, the run itself left out; by process id, so that a tie further on is decided
/// by what was recorded.
pub fn processes(
    recording: &Recording,
    threads: &[ThreadRates],
    seconds: f64,
    options: &Options,
) -> Vec<ProcessRates> {
    let before = by_key(&recording.before.processes);
    let reaped = reaped_before(recording);
    let turns = turns::of_processes(recording, threads, options.lock_turns_per_second);
    let mut waiting: HashMap<Pid, Waiting> = HashMap::new();
    for thread in threads.iter().filter(|thread| thread.alive) {
        waiting.entry(thread.pid).or_default().add(thread);
    }
    let mut after: Vec<&ProcessReading> = recording.after.processes.iter().collect();
    after.sort_by_key(|process| key(process));
    after
        .into_iter()
        .filter(|process| process.stat.pid != recording.host.own_pid)
        .map(|now| {
            let then = before.get(&key(now)).copied();
            let details = recording.details.get(&now.stat.pid);
            let waiting = waiting.get(&now.stat.pid).copied().unwrap_or_default();
            let mut rates = counters(recording, then, now, seconds);
            let seen_before = reaped.get(&now.stat.pid).copied().unwrap_or(0) as f64;
            let ticks = recording.host.ticks_per_second.max(1) as f64;
            rates.children_ratio = (rates.children_ratio - seen_before / ticks / seconds).max(0.0);
            rates.run_delay_ratio = waiting.delay;
            rates.running_mean = waiting.running;
            rates.uninterruptible_mean = waiting.uninterruptible;
            rates.turns = turns.get(&now.stat.pid).copied();
            describe(&mut rates, details, recording);
            rates
        })
        .collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    delay: Option<f64>,
    running: f64,
    uninterruptible: f64,
}

impl Waiting {
    fn add(&mut self, thread: &ThreadRates) {
        if let Some(delay) = thread.run_delay_ratio {
            self.delay = Some(self.delay.unwrap_or(0.0) + delay * thread.followed_ratio);
        }
        self.running += thread.running_mean;
        self.uninterruptible += thread.uninterruptible_mean;
    }
}

/// CPU time that children had used before the window and whose parent reaped them within it: it arrives
/// at the parent in one lump and did not happen in this window.
fn reaped_before(recording: &Recording) -> HashMap<Pid, u64> {
    let alive = by_key(&recording.after.processes);
    let mut lumps: HashMap<Pid, u64> = HashMap::new();
    for process in recording.before.processes.iter().filter(|process| !alive.contains_key(&key(process))) {
        let stat = &process.stat;
        let lump = lumps.entry(stat.ppid).or_default();
        *lump = [stat.cpu_ticks(), stat.children_user_ticks, stat.children_system_ticks]
            .into_iter()
            .fold(*lump, u64::saturating_add);
    }
    lumps
}

fn counters(
    recording: &Recording,
    then: Option<&ProcessReading>,
    now: &ProcessReading,
    seconds: f64,
) -> ProcessRates {
    let (host, stat) = (&recording.host, &now.stat);
    let ticks = host.ticks_per_second.max(1) as f64;
    // One born within the window started all its counters at zero.
    let count =
        |field: fn(&ProcessReading) -> u64| rate(then.map_or(0, field), field(now), seconds).unwrap_or(0.0);
    let io = |field: fn(&ProcessReading) -> Option<u64>| {
        let start = match then {
            Some(then) => field(then)?,
            None => 0,
        };
        rate(start, field(now)?, seconds)
    };
    let rss_bytes = stat.rss_pages.saturating_mul(host.page_bytes);
    let rss_before = then.map_or(0, |then| then.stat.rss_pages.saturating_mul(host.page_bytes));
    ProcessRates {
        pid: stat.pid,
        ppid: stat.ppid,
        session: stat.session,
        started_seconds: stat.start_ticks as f64 / ticks,
        comm: stat.comm,
        state: stat.state,
        kernel_thread: stat.is_kernel_thread(),
        born: then.is_none(),
        threads_count: stat.threads_count,
        nice: stat.nice,
        user_ratio: count(|process| process.stat.user_ticks) / ticks,
        system_ratio: count(|process| process.stat.system_ticks) / ticks,
        children_ratio: count(|p| p.stat.children_user_ticks.saturating_add(p.stat.children_system_ticks))
            / ticks,
        run_delay_ratio: None,
        rss_bytes,
        rss_growth_bytes: i64::try_from(rss_bytes).unwrap_or(i64::MAX)
            - i64::try_from(rss_before).unwrap_or(i64::MAX),
        pss_bytes: None,
        private_bytes: None,
        swap_pss_bytes: None,
        rss_unevictable_bytes: None,
        rss_shared_bytes: None,
        swap_bytes: None,
        read_bytes_per_second: io(|process| process.io.map(|io| io.read_bytes)),
        write_bytes_per_second: io(|process| {
            process.io.map(|io| io.write_bytes.saturating_sub(io.cancelled_write_bytes))
        }),
        major_faults_per_second: count(|process| process.stat.major_faults_count),
        running_mean: 0.0,
        uninterruptible_mean: 0.0,
        user: None,
        cgroup: None,
        unit: None,
        command_line: None,
        wait_channel: None,
        turns: None,
    }
}

fn describe(rates: &mut ProcessRates, details: Option<&ProcessDetails>, recording: &Recording) {
    let Some(details) = details else { return };
    if let Some(Ok(status)) = &details.status {
        rates.swap_bytes = status.swap_bytes;
        rates.rss_shared_bytes = status.rss_shmem_bytes;
        rates.rss_unevictable_bytes = match (status.rss_anon_bytes, status.rss_shmem_bytes) {
            (Some(anonymous), Some(shared)) => Some(anonymous.saturating_add(shared)),
            _ => None,
        };
        let name = recording.host.users.get(&status.uid).cloned();
        rates.user = Some(name.unwrap_or_else(|| status.uid.to_string()));
    }
    if let Some(Ok(paths)) = &details.cgroups {
        let path = paths.deepest();
        rates.unit = cgroup::unit(path);
        rates.cgroup = Some(path.to_owned());
    }
    if let Some(Ok(memory)) = &details.memory {
        rates.pss_bytes = Some(memory.pss_bytes);
        rates.private_bytes = memory.private_bytes;
        rates.swap_pss_bytes = Some(memory.swap_pss_bytes);
    }
    if let Some(Ok(bytes)) = &details.command_line {
        rates.command_line = command_line(bytes);
    }
    if let Some(Ok(channel)) = &details.wait_channel {
        rates.wait_channel = channel.function().map(str::to_owned);
    }
}

/// The arguments as one line; none for a kernel thread or a zombie, which have none.
fn command_line(bytes: &[u8]) -> Option<String> {
    let arguments: Vec<_> = bytes
        .split(|&byte| byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    (!arguments.is_empty()).then(|| arguments.join(" "))
}

/// CPU time, in CPUs, that no process alive at the end accounts for: of processes that ended within the
/// window, however short they lived.
pub fn vanished_cpus(recording: &Recording, seconds: f64) -> Option<f64> {
    let after = &recording.after;
    let ticks = vanished_ticks(
        recording,
        |ticks| ticks.user.saturating_add(ticks.nice).saturating_add(ticks.system),
        TaskStat::cpu_ticks,
    )?;
    // No more than there is: a counter of the kernel that lies must not make a storm.
    let cpus = f64::from(crate::delta::cpu::online_count(&after.system, recording.host.cpus_online_count));
    let ticks_per_second = recording.host.ticks_per_second.max(1) as f64;
    (seconds > 0.0).then(|| (ticks as f64 / ticks_per_second / seconds).min(cpus))
}

/// Share of that time that is kernel time: to start and end a process is kernel work, what it is started for rarely is.
pub fn vanished_system_share(recording: &Recording) -> Option<f64> {
    let system = vanished_ticks(recording, |ticks| ticks.system, |stat| stat.system_ticks)?;
    let user = |ticks: &CpuTicks| ticks.user.saturating_add(ticks.nice);
    let user = vanished_ticks(recording, user, |stat| stat.user_ticks)?;
    let all = system.saturating_add(user);
    (all > 0).then(|| system as f64 / all as f64)
}

/// The ticks of the box within the window that no process alive at the end accounts for.
fn vanished_ticks(
    recording: &Recording,
    of_box: impl Fn(&CpuTicks) -> u64,
    of_process: impl Fn(&TaskStat) -> u64,
) -> Option<u64> {
    let (before, after) = (&recording.before, &recording.after);
    let (then, now) = (&before.system.stat.as_ref().ok()?.cpu, &after.system.stat.as_ref().ok()?.cpu);
    let all = difference(of_box(then), of_box(now))?;
    let earlier = by_key(&before.processes);
    let survivors = after
        .processes
        .iter()
        .map(|process| {
            let start = earlier.get(&key(process)).map_or(0, |then| of_process(&then.stat));
            of_process(&process.stat).saturating_sub(start)
        })
        .fold(0, u64::saturating_add);
    Some(all.saturating_sub(survivors))
}

/// Zombies by parent: those that were zombies at the start, and those at the end. One that its parent will
/// wait for in a moment is a zombie too, so only parents of old ones count.
pub fn zombies(recording: &Recording) -> Vec<(Pid, usize, usize)> {
    let zombies = |processes: &[ProcessReading]| -> Vec<(Key, Pid)> {
        let dead = processes.iter().filter(|process| process.stat.state == State::Zombie);
        dead.filter(|process| !process.stat.is_kernel_thread()).map(|p| (key(p), p.stat.ppid)).collect()
    };
    let then = zombies(&recording.before.processes);
    let now = zombies(&recording.after.processes);
    let mut parents: std::collections::BTreeMap<Pid, (usize, usize)> = std::collections::BTreeMap::new();
    for (key, parent) in &now {
        let counts = parents.entry(*parent).or_default();
        counts.0 += usize::from(then.iter().any(|(old, _)| old == key));
        counts.1 += 1;
    }
    parents.into_iter().map(|(parent, (old, all))| (parent, old, all)).collect()
}

/// What the sampling saw of each thread but the run's own, by process and thread id.
pub(super) fn sampled(recording: &Recording) -> Vec<&ThreadObservation> {
    let own = recording.host.own_pid;
    let mut threads: Vec<_> = recording.samples.threads.iter().filter(|thread| thread.pid != own).collect();
    threads.sort_by_key(|thread| (thread.pid, thread.tid, thread.start_ticks));
    threads
}

/// Every thread that was followed, by process and thread id.
pub fn threads(recording: &Recording, seconds: f64) -> Vec<ThreadRates> {
    let alive: HashMap<Pid, u64> = recording
        .after
        .processes
        .iter()
        .map(|process| (process.stat.pid, process.stat.start_ticks))
        .collect();
    let samples = f64::from(recording.samples.ticks_count.max(1));
    let ticks = recording.host.ticks_per_second.max(1) as f64;
    sampled(recording)
        .into_iter()
        .map(|thread| thread_rates(thread, alive.contains_key(&thread.pid), samples, ticks, seconds))
        .collect()
}

/// The first and last account of the scheduler, and the seconds between them.
fn sched_span(thread: &ThreadObservation) -> Option<(f64, SchedStat, SchedStat)> {
    // The last look at a thread that has ended has no such account; the one before it may.
    let mut accounts = thread.clocks.iter().filter_map(|clock| Some((clock.at, clock.sched?)));
    let (start, first) = accounts.next()?;
    let (end, last) = accounts.next_back()?;
    let seconds = (end.saturating_sub(start)).as_secs_f64();
    (seconds >= SPAN_MIN_SECONDS).then_some((seconds, first, last))
}

fn thread_rates(
    thread: &ThreadObservation,
    alive: bool,
    samples: f64,
    ticks: f64,
    seconds: f64,
) -> ThreadRates {
    let ends = thread.clocks.first().zip(thread.clocks.last());
    let span = ends.map_or(0.0, |(first, last)| (last.at.saturating_sub(first.at)).as_secs_f64());
    let usable = ends.filter(|_| span >= SPAN_MIN_SECONDS);
    let share = |field: fn(&ThreadClock) -> u64| {
        usable
            .and_then(|(first, last)| rate(field(first), field(last), span))
            .map_or(0.0, |rate| rate / ticks)
    };
    let sched = sched_span(thread);
    let total: f64 = thread.states.iter().map(|share| share.weight).sum();
    // Turns of the rotation may count a thread a little more often than there were samples.
    let scale = if total > samples { samples / total } else { 1.0 } / samples;
    let mean = |state: State| -> f64 {
        thread.states.iter().filter(|share| share.state == state).map(|share| share.weight * scale).sum()
    };
    let uninterruptible_mean = mean(State::Uninterruptible);
    ThreadRates {
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm,
        ppid: thread.ppid,
        session: thread.session,
        kernel_thread: thread.kernel_thread,
        nice: thread.nice,
        policy: thread.policy,
        cpus_allowed: thread.cpus_allowed.clone(),
        alive,
        followed_ratio: if seconds > 0.0 { (span / seconds).min(1.0) } else { 0.0 },
        user_ratio: share(|clock| clock.user_ticks),
        system_ratio: share(|clock| clock.system_ticks),
        hot_seconds_ratio: hot_seconds(&thread.clocks, ticks),
        run_delay_ratio: sched.and_then(|(span, first, last)| {
            rate(first.run_delay_nanoseconds, last.run_delay_nanoseconds, span)
                .map(|delay| delay / NANOSECONDS_PER_SECOND)
        }),
        ran: sched.and_then(|(_, first, last)| {
            difference(first.timeslices_count, last.timeslices_count).map(|count| count > 0)
        }),
        running_mean: mean(State::Running),
        uninterruptible_mean,
        timeslices_per_second: sched
            .and_then(|(span, first, last)| rate(first.timeslices_count, last.timeslices_count, span)),
        uninterruptible_looks_ratio: if total > 0.0 { uninterruptible_mean / (total * scale) } else { 0.0 },
        looks_count: thread.looks_count,
        waits: thread
            .states
            .iter()
            .filter(|share| matches!(share.state, State::Sleeping | State::Uninterruptible))
            .map(|share| WaitShare {
                state: share.state,
                function: share
                    .wait_channel
                    .as_ref()
                    .and_then(|channel| channel.function().map(str::to_owned)),
                mean: share.weight * scale,
            })
            .collect(),
    }
}

/// Share of the spans between clocks in which the thread burned nearly a whole CPU.
fn hot_seconds(clocks: &[ThreadClock], ticks: f64) -> f64 {
    let spans: Vec<bool> = clocks
        .windows(2)
        .filter_map(|pair| {
            let span = (pair[1].at.saturating_sub(pair[0].at)).as_secs_f64();
            let used = difference(
                pair[0].user_ticks.saturating_add(pair[0].system_ticks),
                pair[1].user_ticks.saturating_add(pair[1].system_ticks),
            )?;
            (span >= 2.0 * SPAN_MIN_SECONDS).then(|| used as f64 / ticks / span >= HOT_SECOND_RATIO)
        })
        .collect();
    if spans.is_empty() {
        return 0.0;
    }
    spans.iter().filter(|&&hot| hot).count() as f64 / spans.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn arguments_become_one_line() {
        assert_eq!(command_line(b"dd\0if=/dev/zero\0").as_deref(), Some("dd if=/dev/zero"));
        assert_eq!(command_line(b""), None);
    }

    #[test]
    fn burning_is_told_second_by_second() {
        let clock = |at: u64, user_ticks: u64| ThreadClock {
            at: Duration::from_secs(at),
            user_ticks,
            system_ticks: 0,
            sched: None,
        };
        let steady = [clock(0, 0), clock(1, 99), clock(2, 197)];
        assert!((hot_seconds(&steady, 100.0) - 1.0).abs() < 1e-9);
        let burst = [clock(0, 0), clock(1, 100), clock(2, 110)];
        assert!((hot_seconds(&burst, 100.0) - 0.5).abs() < 1e-9);
        assert!(hot_seconds(&steady[..1], 100.0).abs() < 1e-9);
    }
}
