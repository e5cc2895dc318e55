//! Threads queue for a lock: in user space on one futex, or in the kernel on the process's memory map.
//!
//! Evidence for the first: several threads of one process that get turns on a CPU again and again and sleep in
//! futex(2) in between, while others idle, and the number that is awake hardly changes: a lock lets one on at a time,
//! whether that one runs or sleeps. Sleeping in a futex alone is an idle pool and never evidence: such threads get no
//! turns, or are awake by chance, several or none.
//! Evidence for the second: threads in D in functions that take the lock of the address space.
//! Processes of one service that share a lock (in shared memory) are told as the first, where they queue for a CPU
//! beside idle ones.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, confirm, trace, with_diag,
};
use crate::diagnose::thresholds::algorithm::{
    ERROR_OF_A_MEAN, QUEUED_PROCESS, QUEUED_THREAD, Rank, SPARE_CPUS, SWITCHES_OF_A_FIGHT, TURNS_NONE,
    TURNS_SAMPLES, TURNS_STEADY, TURNS_STEADY_SERIAL,
};
use crate::diagnose::thresholds::{LOCK_TURNS_PER_SECOND, LOCK_WAITERS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::{ProcessRates, ThreadRates, Turns};
use crate::model::sentence::{self, count, ratio, sentence};
use crate::model::task::{Pid, State};
use crate::model::units::Unit;
use crate::model::wait::{LOCK_ALONE_RATIO, LOCK_SERIAL_CPUS, WaitReason, sleeps_in_futex};
use std::collections::BTreeMap;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::LockContention,
    resource: Resource::Cpu,
    lane: Lane::LimitsAndErrors("lock"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::Waits),
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[Input::Schedstat, Input::WaitChannels, Input::AllProcesses],
    title: "threads queue for a lock",
    symptom: "Several threads of a process have work to do, but only one can run at a time: the others wait \
              for its lock while CPUs are idle.",
    false_positives: &[
        "A pool of idle threads sleeps in futex(2) as well, but its threads hardly ever run.",
        "Threads that pass work to each other wake up often, but wait for work and not for a lock: by chance none or \
         several of them are awake.",
    ],
    sources: &["futex(2)", "Gregg, off-CPU analysis", "pmie cpu.context_switch"],
    counters: &[
        "/proc/PID/task/TID/wchan futex in state S, of threads that run again and again (schedstat \
         timeslices): they queue for a lock in user space",
        "/proc/PID/task/TID/stat state and wchan, sampled: how many of them are awake at a time, and how much that \
         varies; where too few samples saw them all, /proc/PID/stat utime and stime: about one CPU",
        "/proc/PID/task/TID/wchan in state D, in functions that take the lock of the address space: they \
         queue in the kernel, and make progress",
        "/proc/stat ctxt: many context switches agree",
    ],
    limits: &[&LOCK_WAITERS],
    confirm: &[
        confirm(
            "pidstat -wt -p {pid} 1 3",
            "cswch/s of many threads in the tens or more: each wakes up, finds the lock taken and sleeps \
             again",
        ),
        confirm(
            "ps -L -o tid,stat,wchan:32,pcpu -p {pid}",
            "most threads in futex_do_wait or futex_wait_queue, run after run; for the address space, state \
             D in functions such as vm_mmap_pgoff and lock_mm_and_find_vma",
        ),
        confirm("mpstat 1 3", "%idle well above 0 while the process is slow"),
    ],
    advice: &[
        with_diag("See where its threads wait.", OwnOption::Waits, Remedy::FixProgram),
        trace(
            "See which thread holds the lock: the stacks of all threads.",
            "gdb -p {pid} -batch -ex 'thread apply all bt'",
            "stops the process while gdb reads the stacks",
            Remedy::FixProgram,
        ),
        trace(
            "Count the waits per lock.",
            "perf lock contention -ab -- sleep 5",
            "some overhead on every lock while it runs",
            Remedy::FixProgram,
        ),
        advise(
            "Hold the lock for a shorter time, split it, or use a lock-free structure.",
            Remedy::FixProgram,
        ),
        advise("Use fewer threads, which only queue, or several processes.", Remedy::Tune),
    ],
    check,
};

struct Queue {
    pid: Pid,
    waiters: f64,
    threads: usize,
    kernel: bool,
}

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let Some(queue) = in_user_space(facts).or_else(|| in_kernel(facts)) else {
        return between_processes(facts).map_or(Outcome::Clear, Outcome::hit);
    };
    let Some(process) = facts.rates.process(queue.pid) else { return Outcome::Clear };
    let Some(top) = facts.most_among(&[queue.pid], |_| queue.waiters) else { return Outcome::Clear };
    let name = process.comm.to_lossy();
    let place = if queue.kernel { "the lock of its address space (mmap_lock)" } else { "a lock (futex)" };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .agreement(
                1 + usize::from(
                    facts.rates.context_switches_per_second.is_some_and(|rate| rate >= SWITCHES_OF_A_FIGHT),
                ),
            )
            .margin(queue.waiters, facts.limit(&LOCK_WAITERS).warning, ERROR_OF_A_MEAN)
            .ratio(),
        // It costs more than one busy thread does, and less than a box that is full.
        impact: Impact::Rank(Rank::Considerable),
        evidence: vec![
            facts.evidence(&LOCK_WAITERS, Some(queue.waiters), "/proc/PID/task/TID/stat, wchan, schedstat"),
            plain("process_cpus", Some(process.cpu_ratio()), Unit::Count, "/proc/PID/stat"),
            plain(
                "context_switches_per_second",
                facts.rates.context_switches_per_second,
                Unit::PerSecond,
                "/proc/stat ctxt",
            ),
        ],
        why: Some(sentence![count(queue.waiters), " of its threads wait for ", place]),
        ..Hit::new(
            Severity::Warning,
            sentence![
                count(queue.waiters),
                " of ",
                queue.threads,
                " working threads of ",
                sentence::process(name),
                " (pid ",
                queue.pid,
                ") wait for ",
                place,
                " on average; the process uses only ",
                ratio(process.cpu_ratio()),
                " of one CPU.",
            ],
            Who::Group(top),
            Remedy::FixProgram,
        )
    })
}

/// Threads that take turns under one lock: many of them, and together about one CPU's work.
fn in_user_space(facts: &Facts<'_>) -> Option<Queue> {
    let cpu = facts.cpu()?;
    let spare = (cpu.idle_ratio + cpu.iowait_ratio) * f64::from(facts.rates.cpus_online_count);
    if facts.cpus >= 2.0 && spare < SPARE_CPUS {
        return None;
    }
    let mut queues: BTreeMap<Pid, Queue> = BTreeMap::new();
    for thread in facts.user_threads().filter(|thread| thread.alive && takes_turns(facts, thread)) {
        let waiting = futex_mean(thread);
        if waiting < QUEUED_THREAD {
            continue;
        }
        let queue = queues.entry(thread.pid).or_insert(Queue {
            pid: thread.pid,
            waiters: 0.0,
            threads: 0,
            kernel: false,
        });
        queue.waiters += waiting;
        queue.threads += 1;
    }
    queues
        .into_values()
        .filter(|queue| queue.threads >= 2 && queue.waiters >= facts.limit(&LOCK_WAITERS).warning)
        .filter(|queue| {
            facts.rates.process(queue.pid).is_some_and(|process| {
                process.turns.map_or_else(
                    || LOCK_SERIAL_CPUS.contains(&process.cpu_ratio()) && shared(facts, process),
                    |turns| one_at_a_time(&turns, process.cpu_ratio()),
                )
            })
        })
        .max_by(|a, b| a.waiters.total_cmp(&b.waiters))
}

/// Whether a lock lets the threads on: the number that is awake hardly changes, is never zero, and it is not always the
/// same thread. Of workers that are on their own none or several are awake, as chance has it: the variance is that of a
/// binomial distribution, nearly the mean where few are awake, less where most are. What the lock does not guard may go
/// on beside it, so more than one may be awake.
fn one_at_a_time(turns: &Turns, cpus: f64) -> bool {
    let serial = LOCK_SERIAL_CPUS.contains(&cpus);
    let steady = match () {
        () if serial => TURNS_STEADY_SERIAL,
        // Chance alone makes a few samples look steady.
        () if turns.samples_count < TURNS_SAMPLES => TURNS_STEADY / 2.0,
        () => TURNS_STEADY,
    };
    let asleep = 1.0 - (turns.awake_mean / turns.threads_count.max(1) as f64).min(1.0);
    turns.awake_variance <= steady * turns.awake_mean * asleep
        && turns.all_asleep_ratio <= TURNS_NONE
        && (serial || turns.threads_count >= 3)
        && turns.same_ratio < LOCK_ALONE_RATIO
}

/// Processes of one service that take turns under a lock or semaphore in shared memory: the same picture as of threads,
/// and as processes that do not share one may look alike by chance, they must queue for a CPU beside idle ones as well.
fn between_processes(facts: &Facts<'_>) -> Option<Hit> {
    let cpu = facts.cpu()?;
    let idle = cpu.idle_ratio + cpu.iowait_ratio;
    if idle * f64::from(facts.rates.cpus_online_count) < SPARE_CPUS || !facts.cpu_queues().0 {
        return None;
    }
    let mut queues: BTreeMap<usize, (f64, Vec<Pid>)> = BTreeMap::new();
    for thread in facts.user_threads().filter(|thread| thread.alive && takes_turns(facts, thread)) {
        let waiting = futex_mean(thread);
        if let Some(group) = facts.group_of(thread.pid).filter(|_| waiting >= QUEUED_PROCESS) {
            let queue = queues.entry(group).or_default();
            queue.0 += waiting;
            queue.1.push(thread.pid);
        }
    }
    let serial = |group: usize| {
        let group = &facts.groups[group];
        let most = group.members.iter().map(|process| process.cpu_ratio()).fold(0.0, f64::max);
        LOCK_SERIAL_CPUS.contains(&group.cpu()) && most < LOCK_ALONE_RATIO * group.cpu()
    };
    let (group, (waiters, pids)) = queues
        .into_iter()
        .filter(|(group, (waiters, pids))| {
            pids.len() >= 2 && *waiters >= facts.limit(&LOCK_WAITERS).warning && serial(*group)
        })
        .max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    let top = facts.most_among(&pids, ProcessRates::cpu_ratio).filter(|top| top.group == group)?;
    Some(Hit {
        confidence_ratio: Confidence::new()
            .agreement(
                1 + usize::from(
                    facts.rates.context_switches_per_second.is_some_and(|rate| rate >= SWITCHES_OF_A_FIGHT),
                ),
            )
            .margin(waiters, facts.limit(&LOCK_WAITERS).warning, ERROR_OF_A_MEAN)
            .ratio(),
        impact: Impact::Rank(Rank::Considerable),
        evidence: vec![
            facts.evidence(&LOCK_WAITERS, Some(waiters), "/proc/PID/task/TID/stat, wchan, schedstat"),
            plain("group_cpus", Some(facts.groups[group].cpu()), Unit::Count, "/proc/PID/stat"),
            plain("cpu_idle_ratio", Some(idle), Unit::Ratio, "/proc/stat idle, iowait"),
        ],
        why: Some(sentence![count(waiters), " of its processes wait for a lock that they share (futex)"]),
        ..Hit::new(
            Severity::Warning,
            sentence![
                count(waiters),
                " of ",
                pids.len(),
                " working processes of ",
                facts.name(&top),
                " wait for a lock that they share (futex) on average; together they use only ",
                ratio(facts.groups[group].cpu()),
                " of one CPU.",
            ],
            Who::Group(top),
            Remedy::FixProgram,
        )
    })
}

/// Whether the work of a process changes hands: one thread that does nearly all of it is just that, however
/// often its helpers wake.
fn shared(facts: &Facts<'_>, process: &ProcessRates) -> bool {
    let threads = facts.user_threads().filter(|thread| thread.pid == process.pid);
    let most = threads.map(|thread| thread.cpu_ratio() * thread.followed_ratio).fold(0.0, f64::max);
    process.threads_count >= 3 && most < LOCK_ALONE_RATIO * process.cpu_ratio()
}

/// Whether a thread gets a CPU again and again.
fn takes_turns(facts: &Facts<'_>, thread: &ThreadRates) -> bool {
    thread.timeslices_per_second.is_some_and(|turns| turns >= facts.setting(&LOCK_TURNS_PER_SECOND))
}

fn futex_mean(thread: &ThreadRates) -> f64 {
    thread
        .waits
        .iter()
        .filter(|share| share.state == State::Sleeping)
        .filter(|share| share.function.as_deref().is_some_and(sleeps_in_futex))
        .map(|share| share.mean)
        .sum()
}

/// Threads in D for a lock of the kernel that get on.
fn in_kernel(facts: &Facts<'_>) -> Option<Queue> {
    let mut queues: BTreeMap<Pid, Queue> = BTreeMap::new();
    for thread in facts.user_threads().filter(|thread| thread.alive && thread.ran != Some(false)) {
        let fought: f64 = thread
            .waits
            .iter()
            .filter(|share| share.state == State::Uninterruptible)
            .filter(|share| share.function.as_deref().map(WaitReason::of) == Some(WaitReason::KernelLock))
            .map(|share| share.mean)
            .sum();
        let queue = queues.entry(thread.pid).or_insert(Queue {
            pid: thread.pid,
            waiters: 0.0,
            threads: 0,
            kernel: true,
        });
        queue.waiters += fought;
        queue.threads += 1;
    }
    queues
        .into_values()
        .filter(|queue| queue.threads >= 3 && queue.waiters >= facts.limit(&LOCK_WAITERS).warning)
        .max_by(|a, b| a.waiters.total_cmp(&b.waiters))
}
