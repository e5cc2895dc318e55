//! What a run does to itself so that it gets through on a sick box: it locks its memory, lifts its limit on
//! files and runs ahead of the crowd. All of it ends with the process and none of it is
//! needed: where the rights do not suffice, the run goes on without.

use crate::model::task::{ProcessReading, State};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Memory that a run may come to need.
const MEMORY_BYTES: u64 = 64 << 20;

/// CPU time that a run at real-time priority may take without sleeping: a safety belt, far above any scan.
const REALTIME_MICROSECONDS: u64 = 10_000_000;

/// Policies of sched(7) in which a thread runs until it sleeps.
const FIFO: u32 = 1;
/// The other one: those of one priority take turns.
const ROUND_ROBIN: u32 = 2;

/// Below the kernel's own watchdogs.
const PRIORITY_MAX: u8 = 98;

/// Best priority of the fair scheduler.
const NICE_MIN: i32 = -20;

/// Gets ahead of ordinary threads, locks memory and lifts the limit on files. In this order: on a crowded box every
/// step that is taken before may wait for seconds.
pub fn prepare() {
    run_ahead_of(&[]);
    if getrlimit(Resource::Memlock).current.is_none_or(|bytes| bytes >= MEMORY_BYTES) {
        // On fault: what is touched is pinned, not all that could be.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
    let files = getrlimit(Resource::Nofile);
    if files.current != files.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    }
}

/// From now on this thread and those that it starts run ahead of ordinary ones: as far as the rights go, above those
/// of `processes` that are running.
///
/// A sampler that must queue with the crowd it watches sleeps through the window: among threads that switch
/// a hundred thousand times a second, a fair scheduler lets a sleeper wait for seconds. What runs ahead is one
/// percent of a CPU. Real-time threads that burn must be outrun as well: on their CPUs the kernel leaves
/// nothing to lower real-time priorities, less than to ordinary threads. It stays so to the end of the run: the answer
/// would wait as long as the samples.
pub fn run_ahead_of(processes: &[ProcessReading]) {
    let running = processes.iter().filter(|p| !p.stat.is_kernel_thread() && p.stat.state == State::Running);
    let realtime = running.filter(|process| matches!(process.stat.policy, Some(FIFO | ROUND_ROBIN)));
    let highest = realtime.filter_map(|process| process.stat.realtime_priority).max().unwrap_or(0);
    let belt = Rlimit { current: Some(REALTIME_MICROSECONDS), maximum: Some(REALTIME_MICROSECONDS) };
    if setrlimit(Resource::Rttime, belt).is_err() || !set_realtime((highest + 1).min(PRIORITY_MAX)) {
        let _ = setpriority_process(None, NICE_MIN);
    }
}

/// Takes a real-time priority; whether the rights allow it.
fn set_realtime(priority: u8) -> bool {
    let Ok(value) = ThreadPriorityValue::try_from(priority) else { return false };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy).is_ok()
}
