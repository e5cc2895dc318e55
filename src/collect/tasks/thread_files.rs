//! `/proc/PID/task/TID/{stat,schedstat,wchan,status}`: the files of one thread.
//!
//! Sources: proc_pid_task(5), proc_pid_wchan(5), proc_pid_status(5); kernel `Documentation/scheduler/sched-stats.rst`.
//! Known lies: state and wait channel are two observations, between which the thread may have run; `schedstat` books a
//! wait for a CPU when it ends.

use crate::collect::root::Root;
use crate::collect::tasks::scan::{Scratch, read_stat, set_path};
use crate::model::host::parse_list;
use crate::model::reading::Reading;
use crate::model::task::{Pid, SchedStat, State, TaskStat, ThreadClock, WaitChannel};
use procfs_core::FromRead as _;
use procfs_core::process::Schedstat;
use std::time::Duration;

/// One thread to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRef {
    /// Process.
    pub pid: Pid,
    /// Thread.
    pub tid: Pid,
}

impl TaskRef {
    /// Writes the path of one of its files into `buffer`.
    pub(super) fn path(self, file: &str, buffer: &mut String) {
        set_path(buffer, format_args!("proc/{}/task/{}/{file}", self.pid, self.tid));
    }
}

/// The state and the clocks of a thread.
pub(super) fn read_task_stat(root: &Root, task: TaskRef, scratch: &mut Scratch) -> Reading<TaskStat> {
    task.path("stat", &mut scratch.path);
    read_stat(root, scratch)
}

/// The same of a process, all its threads together.
pub(super) fn read_process_stat(root: &Root, pid: Pid, scratch: &mut Scratch) -> Reading<TaskStat> {
    set_path(&mut scratch.path, format_args!("proc/{pid}/stat"));
    read_stat(root, scratch)
}

/// The clocks of a thread: those of its `stat`, and its `schedstat` where the kernel keeps one.
pub(super) fn read_clock(
    root: &Root,
    task: TaskRef,
    stat: &TaskStat,
    at: Duration,
    scratch: &mut Scratch,
) -> ThreadClock {
    task.path("schedstat", &mut scratch.path);
    let sched = match root.read_once(&scratch.path, &mut scratch.bytes) {
        Ok(()) => parse_schedstat(&scratch.bytes),
        Err(_) => None,
    };
    ThreadClock { at, user_ticks: stat.user_ticks, system_ticks: stat.system_ticks, sched }
}

/// The kernel function that a thread sleeps in, where its state says that it does.
pub(super) fn read_wait_channel(
    root: &Root,
    task: TaskRef,
    state: State,
    scratch: &mut Scratch,
) -> Option<WaitChannel> {
    if !matches!(state, State::Uninterruptible | State::Sleeping) {
        return None;
    }
    task.path("wchan", &mut scratch.path);
    root.read_once(&scratch.path, &mut scratch.bytes).ok()?;
    parse_wait_channel(&scratch.bytes)
}

/// The CPUs that a thread may use; none where that was not `wanted`, or cannot be known.
pub(super) fn read_cpus_allowed(
    root: &Root,
    task: TaskRef,
    wanted: bool,
    scratch: &mut Scratch,
) -> Option<Vec<u32>> {
    task.path("status", &mut scratch.path);
    if !root.wants(&scratch.path, wanted) {
        return None;
    }
    root.read(&scratch.path, &mut scratch.bytes).ok()?;
    parse_cpus_allowed(&scratch.bytes)
}

/// `Cpus_allowed_list` of `status` (proc_pid_status(5), 2.6.26).
fn parse_cpus_allowed(bytes: &[u8]) -> Option<Vec<u32>> {
    let lines = bytes.split(|&byte| byte == b'\n');
    let list = lines.into_iter().find_map(|line| line.strip_prefix(b"Cpus_allowed_list:"))?;
    parse_list(str::from_utf8(list).ok()?.trim())
}

/// Parses `schedstat` of one thread: time on a CPU, time waiting for one, number of turns.
pub fn parse_schedstat(bytes: &[u8]) -> Option<SchedStat> {
    let Schedstat { sum_exec_runtime, run_delay, pcount } = Schedstat::from_read(bytes).ok()?;
    Some(SchedStat {
        run_nanoseconds: sum_exec_runtime,
        run_delay_nanoseconds: run_delay,
        timeslices_count: pcount,
    })
}

/// Parses `wchan`: a function name, or `0` where the thread runs or the reader may not know.
pub fn parse_wait_channel(bytes: &[u8]) -> Option<WaitChannel> {
    let text = str::from_utf8(bytes.trim_ascii()).ok()?;
    match text {
        "" => None,
        "0" => Some(WaitChannel::Hidden),
        name if name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some(WaitChannel::Function(name.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_has_three_numbers() {
        let sched = parse_schedstat(b"5123456789 20111 4521\n").unwrap();
        assert_eq!((sched.run_nanoseconds, sched.run_delay_nanoseconds), (5_123_456_789, 20_111));
        assert_eq!(sched.timeslices_count, 4521);
        assert_eq!(parse_schedstat(b"0 0\n"), None);
        assert_eq!(parse_schedstat(b""), None);
    }

    #[test]
    fn a_wait_channel_of_zero_says_nothing() {
        assert_eq!(parse_wait_channel(b"0"), Some(WaitChannel::Hidden));
        assert_eq!(parse_wait_channel(b"futex_do_wait").unwrap().function(), Some("futex_do_wait"));
        assert_eq!(parse_wait_channel(b""), None);
        assert_eq!(parse_wait_channel(b"\x1b[31m"), None);
    }
}
