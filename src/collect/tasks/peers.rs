//! Which peers active processes wait for: threads asleep in a socket, and the far ends of connections that the
//! process opened itself.
//!
//! Files: `/proc/PID/task/TID/wchan`, `/proc/PID/fd`, `/proc/PID/net/tcp`, `tcp6` (proc_pid_net(5)): of the process's
//! own network namespace. A connection whose local port has a listener came from a client, and to wait for
//! clients is to be idle. Read at the end of a calm window only, for the few processes that did something.

use crate::collect::kernel::sockets::inodes_of;
use crate::collect::root::Root;
use crate::collect::tasks::thread_files::parse_wait_channel;
use crate::model::network::PeerWait;
use crate::model::task::Pid;
use crate::model::wait::waits_for_tcp_peer;
use crate::socket_tables::{ESTABLISHED, LISTEN, Row, SYN_SENT};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Processes that are asked at most.
const PROCESSES_MAX: usize = 6;

/// Threads of one process that are looked at, at most.
const THREADS_MAX: usize = 64;

/// Asks the processes `pids`, the first few of them.
pub fn read(root: &Root, pids: &[Pid], buffer: &mut Vec<u8>) -> Vec<PeerWait> {
    let asked = |pid: &&Pid| root.wants(&format!("proc/{pid}/net/tcp"), true);
    pids.iter().filter(asked).take(PROCESSES_MAX).filter_map(|&pid| of_process(root, pid, buffer)).collect()
}

fn of_process(root: &Root, pid: Pid, buffer: &mut Vec<u8>) -> Option<PeerWait> {
    let mut tids = Vec::new();
    root.tids(pid, &mut tids).ok()?;
    let mut wait = PeerWait { pid, threads_count: 0, waiting_count: 0, peers: Vec::new() };
    for tid in tids.into_iter().take(THREADS_MAX) {
        if root.read(&format!("proc/{pid}/task/{tid}/wchan"), buffer).is_err() {
            continue;
        }
        wait.threads_count += 1;
        let channel = parse_wait_channel(buffer);
        let waits = channel.is_some_and(|channel| channel.function().is_some_and(waits_for_tcp_peer));
        wait.waiting_count += u32::from(waits);
    }
    // To walk the kernel's table of sockets takes longer than all the rest.
    if wait.waiting_count == 0 {
        return None;
    }
    let mut connections = Vec::new();
    let mut listening = BTreeSet::new();
    for file in ["tcp", "tcp6"] {
        if root.read(&format!("proc/{pid}/net/{file}"), buffer).is_err() {
            continue;
        }
        for row in String::from_utf8_lossy(buffer).lines().skip(1).filter_map(Row::parse) {
            match row.state {
                LISTEN => {
                    listening.insert(row.port);
                }
                ESTABLISHED | SYN_SENT => {
                    connections.extend(row.peer().map(|peer| (row.inode, row.port, peer)));
                }
                _ => {}
            }
        }
    }
    let inodes: BTreeSet<u64> = inodes_of(root, pid).collect();
    let mut peers: BTreeMap<SocketAddr, u32> = BTreeMap::new();
    for (inode, local_port, peer) in connections {
        if inodes.contains(&inode) && !listening.contains(&local_port) {
            *peers.entry(peer).or_default() += 1;
        }
    }
    wait.peers = peers.into_iter().map(|(peer, count)| (peer.ip(), peer.port(), count)).collect();
    wait.peers.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    Some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use std::time::Duration;

    /// Process 7 with one thread that waits for a socket, and these rows in its TCP table, all of which it owns.
    fn asked(rows: &[(&str, &str, &str)]) -> Vec<PeerWait> {
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        frame.files.insert("proc/7/task/7/wchan".to_owned(), b"sk_wait_data".to_vec());
        let mut table = "  sl  local_address rem_address   st\n".to_owned();
        for (inode, (local, peer, state)) in rows.iter().enumerate() {
            let line = format!(
                " {inode}: {local} {peer} {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1"
            );
            table += &format!("{line}\n");
            frame.links.insert(format!("proc/7/fd/{inode}"), format!("socket:[{inode}]"));
        }
        frame.files.insert("proc/7/net/tcp".to_owned(), table.into_bytes());
        read(&Root::captured(frame), &[7], &mut Vec::new())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_that_came_from_clients_are_left_out() {
        let waits = asked(&[
            ("0100007F:D431", "0100007F:0CEA", "01"),
            ("0100007F:D432", "0100007F:0CEA", "02"),
            ("0100007F:0050", "0200000A:9999", "01"),
            ("00000000:0050", "00000000:0000", "0A"),
        ]);
        let peers: Vec<_> =
            waits[0].peers.iter().map(|(ip, port, count)| (ip.to_string(), *port, *count)).collect();
        assert_eq!(peers, [("127.0.0.1".to_owned(), 3306, 2)]);
        assert_eq!((waits[0].threads_count, waits[0].waiting_count), (1, 1));
    }
}
