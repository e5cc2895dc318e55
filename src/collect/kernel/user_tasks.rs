//! Tasks of each user against `RLIMIT_NPROC`: who owns `/proc/PID`, and the line `Max processes` of `/proc/PID/limits`.
//!
//! Sources: getrlimit(2) RLIMIT_NPROC; kernel `kernel/fork.c` copy_process: every thread of a real user id counts, and root is
//! exempt. Known lies: a process that has changed its user and not executed a program since belongs to root in `/proc`.

use crate::collect::root::Root;
use crate::model::limits::UserTasks;
use crate::model::task::{Pid, ProcessReading};
use std::collections::BTreeMap;

/// Processes whose owner is asked at most.
const PROCESSES_MAX: usize = 5000;

/// Users with fewer tasks than this are not looked at: nobody limits them to so few.
const TASKS_MIN: u64 = 20;

/// Processes of one user whose limit is read: the youngest, which inherited what applies now.
const ASKED_MAX: usize = 4;

/// Tasks of the users other than root, with the least of their limits that were seen.
pub fn read(root: &Root, processes: &[ProcessReading], buffer: &mut Vec<u8>) -> Vec<UserTasks> {
    let mut users: BTreeMap<u32, (u64, Vec<(u64, Pid)>)> = BTreeMap::new();
    let stats = processes.iter().map(|process| &process.stat).filter(|stat| !stat.is_kernel_thread());
    for stat in stats.take(PROCESSES_MAX) {
        let path = format!("proc/{}", stat.pid);
        if !root.wants(&format!("{path}/.uid"), true) {
            continue;
        }
        let Ok(uid) = root.owner_of(&path) else { continue };
        let user = users.entry(uid).or_default();
        user.0 += u64::from(stat.threads_count);
        user.1.push((stat.start_ticks, stat.pid));
    }
    let many = users.into_iter().filter(|(uid, (tasks, _))| *uid != 0 && *tasks >= TASKS_MIN);
    many.map(|(uid, (tasks_count, mut pids))| {
        pids.sort_unstable_by(|a, b| b.cmp(a));
        let limits = pids.iter().take(ASKED_MAX).filter_map(|(_, pid)| {
            root.read_once(&format!("proc/{pid}/limits"), buffer).ok()?;
            parse_limit(&String::from_utf8_lossy(buffer))
        });
        let limit = limits.min();
        UserTasks { uid, tasks_count, limit, pids: pids.into_iter().map(|(_, pid)| pid).collect() }
    })
    .collect()
}

/// The soft limit in the line `Max processes`; `unlimited` is none.
fn parse_limit(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Max processes"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use crate::collect::tasks::scan::parse_stat;
    use std::time::Duration;

    #[test]
    fn threads_of_a_user_count_against_the_limit_of_its_youngest() {
        let process = |pid: i32, threads: u32| {
            let text =
                format!("{pid} (a) S 1 {pid} {pid} 0 -1 64 0 0 0 0 0 0 0 0 20 0 {threads} 0 {pid} 0 0");
            ProcessReading { stat: parse_stat(text.as_bytes()).unwrap(), io: None }
        };
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        for (pid, uid, limit) in [(7, "0", "1"), (8, "33", "500"), (9, "33", "64"), (10, "34", "5")] {
            frame.files.insert(format!("proc/{pid}/.uid"), uid.as_bytes().to_vec());
            let text = format!(
                "Max cpu time unlimited unlimited seconds\nMax processes   {limit}   500  processes\n"
            );
            frame.files.insert(format!("proc/{pid}/limits"), text.into_bytes());
        }
        let processes = [process(7, 90), process(8, 40), process(9, 24), process(10, 2)];
        let users = read(&Root::captured(frame), &processes, &mut Vec::new());
        assert_eq!(users, [UserTasks { uid: 33, tasks_count: 64, limit: Some(64), pids: vec![9, 8] }]);
        assert_eq!(parse_limit("Max processes             unlimited            unlimited  processes"), None);
    }
}
