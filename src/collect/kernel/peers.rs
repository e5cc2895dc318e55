//! For whose answers active processes wait: threads asleep in a socket, and the far ends of connections that the
//! process opened itself.
//!
//! Files: `/proc/PID/task/TID/wchan`, `/proc/PID/fd`, `/proc/PID/net/tcp`, `tcp6` (proc_pid_net(5)): of the process's
//! own network namespace. A connection whose local port somebody listens on came from a client, and to wait for
//! clients is to be idle. Read at the end of a calm window only, for the few processes that did something.

use crate::collect::kernel::sockets::{ESTABLISHED, LISTEN, Row, SYN_SENT, inodes_of, row};
use crate::collect::root::Root;
use crate::collect::tasks::thread_files::parse_wait_channel;
use crate::model::network::PeerWait;
use crate::model::task::Pid;
use crate::model::wait::waits_for_tcp_peer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
        for line in String::from_utf8_lossy(buffer).lines().skip(1) {
            let Some(row) = row(line) else { continue };
            match row.state {
                LISTEN => {
                    listening.insert(row.port);
                }
                ESTABLISHED | SYN_SENT => connections.extend(far_end(&row)),
                _ => {}
            }
        }
    }
    let inodes: BTreeSet<u64> = inodes_of(root, pid).collect();
    let mut peers: BTreeMap<(IpAddr, u16), u32> = BTreeMap::new();
    for (inode, local_port, peer) in connections {
        if inodes.contains(&inode) && !listening.contains(&local_port) {
            *peers.entry(peer).or_default() += 1;
        }
    }
    wait.peers = peers.into_iter().map(|((address, port), count)| (address, port, count)).collect();
    wait.peers.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    Some(wait)
}

/// Inode, local port and other end of a connection.
fn far_end(row: &Row<'_>) -> Option<(u64, u16, (IpAddr, u16))> {
    let (address, port) = row.peer.split_once(':')?;
    let peer = (address_of(address)?, u16::from_str_radix(port, 16).ok()?);
    Some((row.inode, row.port, peer))
}

/// An address as the kernel prints it: words of 32 bits in the machine's own byte order.
fn address_of(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_words_of_the_machine() {
        assert_eq!(address_of("0100007F").map(|a| a.to_string()).as_deref(), Some("127.0.0.1"));
        let mapped = "0000000000000000FFFF00000500000A";
        assert_eq!(address_of(mapped).map(|a| a.to_string()).as_deref(), Some("10.0.0.5"));
        let six = "B80D0120000000000000000001000000";
        assert_eq!(address_of(six).map(|a| a.to_string()).as_deref(), Some("2001:db8::1"));
        for text in ["", "0", "0100007", "zz00007F", "0100007F0100007F", "01\u{e9}0007F"] {
            assert_eq!(address_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_connection_has_two_ends_and_an_inode() {
        let line = "   2: 0100007F:D431 0100007F:0CEA 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20";
        let row = row(line).unwrap();
        assert_eq!(row.state, ESTABLISHED);
        let (inode, local_port, (address, port)) = far_end(&row).unwrap();
        assert_eq!((inode, local_port, port, address.is_loopback()), (4711, 54321, 3306, true));
    }
}
