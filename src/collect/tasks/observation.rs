//! What is kept of a thread that is looked at again and again.

use crate::collect::tasks::thread_files::TaskRef;
use crate::model::task::{State, StateShare, TaskStat, ThreadClock, ThreadObservation, WaitChannel};
use std::time::Duration;

/// Time between two readings of a thread's clocks: often enough to tell a steady load from a burst.
pub(super) const CLOCK_EVERY: Duration = Duration::from_millis(950);

/// What is known of a thread before the first look at its state.
pub(super) fn observation(task: TaskRef, stat: &TaskStat, clock: ThreadClock) -> ThreadObservation {
    ThreadObservation {
        pid: task.pid,
        tid: task.tid,
        comm: stat.comm,
        start_ticks: stat.start_ticks,
        ppid: stat.ppid,
        session: stat.session,
        nice: stat.nice,
        policy: stat.policy,
        kernel_thread: stat.is_kernel_thread(),
        cpus_allowed: None,
        clocks: vec![clock],
        states: Vec::new(),
        looks_count: 0,
        futex_looks: Vec::new(),
    }
}

/// Adds one look to the share of its state and wait channel.
pub(super) fn add_look(
    thread: &mut ThreadObservation,
    state: State,
    wait_channel: Option<WaitChannel>,
    weight: f64,
) {
    let same = |share: &&mut StateShare| share.state == state && share.wait_channel == wait_channel;
    match thread.states.iter_mut().find(same) {
        Some(share) => share.weight += weight,
        None => thread.states.push(StateShare { state, wait_channel, weight }),
    }
}

/// Whether a thread in this state counts in the load average.
pub(super) fn is_load(state: State) -> bool {
    matches!(state, State::Running | State::Uninterruptible)
}

/// Adds the clock of the last look, unless one as new was read.
pub(super) fn add_last_clock(thread: &mut ThreadObservation, last: ThreadClock) {
    if thread.clocks.last().is_none_or(|clock| clock.at < last.at) {
        thread.clocks.push(last);
    }
}
