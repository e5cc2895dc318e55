//! What a run does to itself so that it gets through on a sick box: it locks its memory, lifts its limit on
//! files and runs ahead of the crowd while it samples. All of it ends with the process and none of it is
//! needed: where the rights do not suffice, the run goes on without.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Memory that a run may come to need.
const MEMORY_BYTES: u64 = 64 << 20;

/// CPU time that a run at real-time priority may take without sleeping: a safety belt, far above any scan.
const REALTIME_MICROSECONDS: u64 = 10_000_000;

/// Best priority of the fair scheduler.
const NICE_MIN: i32 = -20;

/// Locks memory and lifts the limit on files.
pub fn prepare() {
    if getrlimit(Resource::Memlock).current.is_none_or(|bytes| bytes >= MEMORY_BYTES) {
        // On fault: what is touched is pinned, not all that could be.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
    let files = getrlimit(Resource::Nofile);
    if files.current != files.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    }
}

/// While it lives, this thread and those that it starts run ahead of ordinary ones.
///
/// A sampler that must queue with the crowd it watches sleeps through the window: among threads that switch
/// a hundred thousand times a second, a fair scheduler lets a sleeper wait for seconds. What runs ahead is one
/// percent of a CPU.
#[derive(Debug)]
pub struct Ahead {
    nice_before: Option<i32>,
    realtime: bool,
}

impl Ahead {
    /// Raises the priority as far as the rights go.
    pub fn of_the_crowd() -> Self {
        let belt = Rlimit { current: Some(REALTIME_MICROSECONDS), maximum: Some(REALTIME_MICROSECONDS) };
        if setrlimit(Resource::Rttime, belt).is_ok() && set_policy(true) {
            return Self { nice_before: None, realtime: true };
        }
        let nice_before = getpriority_process(None).ok();
        let raised = setpriority_process(None, NICE_MIN).is_ok();
        Self { nice_before: nice_before.filter(|_| raised), realtime: false }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if self.realtime {
            set_policy(false);
        }
        if let Some(nice) = self.nice_before {
            let _ = setpriority_process(None, nice);
        }
    }
}

/// Lowest real-time priority, or back to the ordinary policy.
fn set_policy(realtime: bool) -> bool {
    let (priority, policy) = if realtime {
        (ThreadPriority::Min, ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin))
    } else {
        let normal = thread_priority::NormalThreadSchedulePolicy::Other;
        (ThreadPriority::Min, ThreadSchedulePolicy::Normal(normal))
    };
    set_thread_priority_and_policy(thread_native_id(), priority, policy).is_ok()
}
