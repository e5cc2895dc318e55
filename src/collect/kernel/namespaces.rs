//! Network namespaces other than the run's own: those of the containers on this machine.
//!
//! Files: `/proc/PID/ns/net` (namespaces(7), 3.0), `/proc/PID/net/snmp`, `netstat`, `snmp6` (proc_pid_net(5)). No
//! namespace is entered: the files of one process in it do. Of each session only the leader is asked, as a container's
//! first process is one. Needs the rights of the process's owner; without them the others stay unseen.

use crate::collect::kernel::net_counters;
use crate::collect::root::Root;
use crate::model::network::NamespaceCounters;
use crate::model::task::ProcessReading;
use std::collections::BTreeSet;

/// Leaders of sessions that are asked at most.
const LEADERS_MAX: usize = 512;

/// Namespaces whose counters are read at most.
const NAMESPACES_MAX: usize = 32;

/// The counters of every other namespace that one of `processes` is in.
pub fn read(root: &Root, processes: &[ProcessReading], buffer: &mut Vec<u8>) -> Vec<NamespaceCounters> {
    let Some(own) = own(root) else { return Vec::new() };
    let mut seen = BTreeSet::from([own]);
    let mut found = Vec::new();
    let leaders = processes.iter().map(|process| &process.stat);
    let leaders = leaders.filter(|stat| !stat.is_kernel_thread() && stat.session == stat.pid);
    for stat in leaders.take(LEADERS_MAX) {
        if found.len() >= NAMESPACES_MAX {
            break;
        }
        let pid = stat.pid;
        let Ok(name) = root.link(&format!("proc/{pid}/ns/net")) else { continue };
        if seen.contains(&name) {
            continue;
        }
        if let Ok(named) = net_counters::named(root, &format!("proc/{pid}/net"), buffer) {
            seen.insert(name.clone());
            found.push(NamespaceCounters { name, pid, named });
        }
    }
    found
}

/// The namespace that the run's other network counters are of: under another root, and in a capture that was taken
/// under one, that of process 1.
fn own(root: &Root) -> Option<String> {
    let of_init = || root.link("proc/1/ns/net").ok();
    if root.is_live_elsewhere() {
        return of_init();
    }
    root.link("proc/self/ns/net").ok().or_else(of_init)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use crate::collect::tasks::scan::parse_stat;
    use std::time::Duration;

    fn leader(pid: i32) -> ProcessReading {
        let text = format!("{pid} (a) S 1 {pid} {pid} 0 -1 64 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0");
        ProcessReading { stat: parse_stat(text.as_bytes()).unwrap(), io: None }
    }

    #[test]
    fn each_other_namespace_is_read_once() {
        let mut frame = Frame::new(FrameKind::Start, Duration::ZERO);
        for (path, name) in
            [("self", "net:[1]"), ("7", "net:[1]"), ("8", "net:[2]"), ("9", "net:[2]"), ("10", "net:[3]")]
        {
            frame.links.insert(format!("proc/{path}/ns/net"), name.to_owned());
        }
        let text = b"TcpExt: ListenOverflows\nTcpExt: 5\n".to_vec();
        frame.files.insert("proc/8/net/netstat".to_owned(), text);
        let processes: Vec<ProcessReading> = [7, 8, 9, 10, 11].map(leader).into();
        let found = read(&Root::captured(frame), &processes, &mut Vec::new());
        assert_eq!(found.len(), 1, "one has no counters, one no rights");
        assert_eq!((found[0].name.as_str(), found[0].pid), ("net:[2]", 8));
        assert_eq!(found[0].named["TcpExt.ListenOverflows"], 5);
    }
}
