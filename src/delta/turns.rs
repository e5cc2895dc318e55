//! How threads that sleep in futexes take turns: one at a time, or as chance has it.

use crate::model::rates::{ThreadRates, Turns};
use crate::model::snapshot::Recording;
use crate::model::task::{Pid, State, ThreadObservation};
use crate::model::wait::sleeps_in_futex;
use std::collections::{BTreeMap, HashMap};

/// Share of its time that a thread must sleep in a futex.
const ASLEEP: f64 = 0.2;

/// Part of `lock_turns_per_second` from which a thread takes part: one that gets the lock less often queues as well.
const OF_ALL_TURNS: f64 = 0.5;

/// Share of the threads that a sample must have seen.
const SEEN: f64 = 0.8;

/// Samples before their spread means anything.
const SAMPLES_MIN: usize = 8;

/// The processes of which enough was seen.
pub(super) fn of_processes(
    recording: &Recording,
    threads: &[ThreadRates],
    lock_turns_per_second: f64,
) -> HashMap<Pid, Turns> {
    let least = OF_ALL_TURNS * lock_turns_per_second;
    let mut members: BTreeMap<Pid, Vec<&ThreadObservation>> = BTreeMap::new();
    let takes_turns: HashMap<(Pid, Pid), bool> = threads
        .iter()
        .map(|thread| ((thread.pid, thread.tid), thread.alive && takes_turns(thread, least)))
        .collect();
    for thread in &recording.samples.threads {
        if takes_turns.get(&(thread.pid, thread.tid)) == Some(&true) {
            members.entry(thread.pid).or_default().push(thread);
        }
    }
    members.into_iter().filter_map(|(pid, threads)| Some((pid, of_threads(&threads)?))).collect()
}

fn takes_turns(thread: &ThreadRates, least: f64) -> bool {
    let asleep: f64 = thread
        .waits
        .iter()
        .filter(|wait| wait.state == State::Sleeping && wait.function.as_deref().is_some_and(sleeps_in_futex))
        .map(|wait| wait.mean)
        .sum();
    asleep >= ASLEEP && thread.timeslices_per_second.is_some_and(|turns| turns >= least)
}

fn of_threads(threads: &[&ThreadObservation]) -> Option<Turns> {
    let mut samples: BTreeMap<u32, (usize, Vec<Pid>)> = BTreeMap::new();
    for thread in threads {
        for (tick, asleep) in &thread.futex_looks {
            let sample = samples.entry(*tick).or_default();
            match asleep {
                true => sample.0 += 1,
                false => sample.1.push(thread.tid),
            }
        }
    }
    let needed = SEEN * threads.len() as f64;
    samples.retain(|_, (asleep, awake)| (*asleep + awake.len()) as f64 >= needed);
    if threads.len() < 2 || samples.len() < SAMPLES_MIN {
        return None;
    }
    let count = samples.len() as f64;
    let awake = || samples.values().map(|(_, awake)| awake.len() as f64);
    let awake_mean = awake().sum::<f64>() / count;
    let awake_variance = awake().map(|awake| (awake - awake_mean).powi(2)).sum::<f64>() / count;
    let mut by_thread: BTreeMap<Pid, usize> = BTreeMap::new();
    samples.values().flat_map(|(_, awake)| awake).for_each(|tid| *by_thread.entry(*tid).or_default() += 1);
    let most = by_thread.values().max().copied().unwrap_or(0) as f64;
    let with_any = awake().filter(|awake| *awake > 0.0).count();
    let all_asleep = samples.values().filter(|(asleep, _)| *asleep == threads.len()).count();
    Some(Turns {
        threads_count: threads.len(),
        samples_count: samples.len(),
        awake_mean,
        awake_variance,
        all_asleep_ratio: all_asleep as f64 / count,
        same_ratio: if with_any > 0 { most / with_any as f64 } else { 0.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::Comm;

    fn thread(tid: Pid, asleep: impl Fn(u32) -> bool) -> ThreadObservation {
        ThreadObservation {
            pid: 1,
            tid,
            comm: Comm::new(b"worker"),
            start_ticks: 0,
            ppid: 0,
            session: 0,
            nice: 0,
            policy: None,
            kernel_thread: false,
            cpus_allowed: None,
            clocks: Vec::new(),
            states: Vec::new(),
            looks_count: 20,
            futex_looks: (0..20).map(|tick| (tick, asleep(tick))).collect(),
        }
    }

    #[test]
    fn a_lock_lets_one_on_at_a_time() {
        let threads: Vec<_> = (0..4).map(|tid| thread(tid, move |tick| tick % 4 != tid as u32)).collect();
        let turns = of_threads(&threads.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((turns.threads_count, turns.samples_count), (4, 20));
        assert!((turns.awake_mean - 1.0).abs() < 1e-9 && turns.awake_variance < 1e-9, "{turns:?}");
        assert!(turns.all_asleep_ratio < 1e-9 && (turns.same_ratio - 0.25).abs() < 1e-9, "{turns:?}");
    }

    #[test]
    fn idle_workers_wake_by_chance() {
        let threads: Vec<_> = (0..4).map(|tid| thread(tid, move |tick| tick % 5 != 0)).collect();
        let turns = of_threads(&threads.iter().collect::<Vec<_>>()).unwrap();
        assert!((turns.all_asleep_ratio - 0.8).abs() < 1e-9, "{turns:?}");
        assert!(turns.awake_variance > turns.awake_mean, "{turns:?}");
    }

    #[test]
    fn too_few_samples_say_nothing() {
        let mut few = thread(1, |_| true);
        few.futex_looks.truncate(5);
        assert_eq!(of_threads(&[&few, &few]), None);
    }
}
