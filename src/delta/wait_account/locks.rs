//! Threads that queue for a lock, as opposed to pools that idle in the same function.

use crate::delta::wait_account::target::Around;
use crate::delta::wait_account::thread_account::{Clocked, sleeps};
use crate::model::target::FollowedThread;
use crate::model::task::Pid;
use crate::model::wait::{LOCK_ALONE_RATIO, LOCK_SERIAL_CPUS, sleeps_in_futex};
use std::collections::HashMap;

/// Share of its time that a thread which queues for a lock sleeps in a futex.
const LOCK_SLEEP_RATIO: f64 = 0.2;

/// Threads that queue for a lock, one answer for each of `threads`: several of a process get turns on a CPU again and
/// again and sleep in a futex in between, and together they get no further than about one CPU. A pool that idles gets
/// no turns, and neither does the thread that only waits for the others to end.
pub(super) fn contended(threads: &[FollowedThread], clocked: &[Clocked], around: &Around<'_>) -> Vec<bool> {
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
        let queues = clocked.turns_per_second >= around.lock_turns_per_second
            && futex_seconds(thread, clocked) > LOCK_SLEEP_RATIO * clocked.existed;
        process.queueing += usize::from(queues);
        queueing.push(queues);
    }
    let serial = |process: &Process| {
        let cpus = |value: f64| if around.seconds > 0.0 { value / around.seconds } else { 0.0 };
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
    let queued: f64 = asleep
        .iter()
        .filter(|(_, function, _)| function.is_some_and(sleeps_in_futex))
        .map(|(_, _, weight)| weight)
        .sum();
    if all > 0.0 { queued / all * clocked.rest } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reading::Absence;
    use crate::model::task::{Comm, State, StateShare, ThreadObservation, WaitChannel};

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
                futex_looks: Vec::new(),
            },
            from_start: true,
            stalled_since: None,
            wait_details: Vec::new(),
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

    fn queueing_from(threads: &[(f64, f64)], lock_turns_per_second: f64) -> Vec<bool> {
        let absent = || Absence::missing("/x");
        let (cgroups, paging) = (Err(absent()), Err(absent()));
        let around = Around {
            processes: &[],
            cgroups: &cgroups,
            paging: &paging,
            seconds: 5.0,
            lock_turns_per_second,
        };
        let clocked: Vec<Clocked> = threads.iter().map(|(running, turns)| ran(*running, *turns)).collect();
        contended(&vec![futex(7); threads.len()], &clocked, &around)
    }

    fn queueing(threads: &[(f64, f64)]) -> Vec<bool> {
        queueing_from(threads, 10.0)
    }

    #[test]
    fn the_turns_that_are_configured_decide() {
        let two = [(2.2, 200.0), (2.3, 200.0)];
        assert_eq!(queueing_from(&two, 200.0), [true; 2]);
        assert_eq!(queueing_from(&two, 201.0), [false; 2]);
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
            // No thread wakes up.
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
}
