//! `/proc/net/tcp`, `tcp6`, `udp`, `udp6` and who owns the sockets that are in trouble.
//!
//! Source: proc_pid_net(5). Reading the tables costs time per socket and finding owners costs time per open file, so
//! both are done only when a counter of the window points at single sockets. [`crate::socket_tables`] parses the rows.

use crate::collect::root::Root;
use crate::model::network::{Socket, Sockets};
use crate::model::task::Pid;
use crate::socket_tables::{LISTEN, Row, inode_of};
use std::collections::HashMap;

/// Sockets in trouble that are noted of one table at most.
const NOTED_MAX: usize = 200;

/// Sockets that only have something to send, noted of one table at most: on a busy server that is most of them, and
/// they must not crowd out the others.
const SENDING_MAX: usize = 100;

/// Files of one process that are looked at for a socket.
const FILES_MAX: usize = 4096;

/// Reads the tables of the run's own network namespace when `wanted` and those of the namespaces that the processes
/// `others` are in, where `wanted` as well, and finds the owners among `pids`.
pub fn read(
    root: &Root,
    wanted: bool,
    others: &[(Pid, bool)],
    pids: &[Pid],
    buffer: &mut Vec<u8>,
) -> Option<Sockets> {
    let own = root.of_init("proc/1/net/tcp", "proc/net/tcp").trim_end_matches("/tcp").to_owned();
    let others = others.iter().map(|(pid, wanted)| (format!("proc/{pid}/net"), *wanted));
    let bases: Vec<String> = std::iter::once((own, wanted))
        .chain(others)
        .filter(|(base, wanted)| root.wants(&format!("{base}/udp"), *wanted))
        .map(|(base, _)| base)
        .collect();
    let mut sockets = Sockets::default();
    bases.iter().for_each(|base| tables(root, base, &mut sockets, buffer));
    find_owners(root, pids, &mut sockets.noted);
    (!bases.is_empty()).then_some(sockets)
}

fn tables(root: &Root, base: &str, sockets: &mut Sockets, buffer: &mut Vec<u8>) {
    let mut destinations: HashMap<String, u64> = HashMap::new();
    for (file, protocol) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        if root.read(&format!("{base}/{file}"), buffer).is_err() {
            continue;
        }
        let (mut troubled_count, mut sending_count) = (0, 0);
        for line in String::from_utf8_lossy(buffer).lines().skip(1) {
            let Some((socket, destination)) = socket_in(line, protocol) else { continue };
            if protocol == "tcp" && !socket.listening {
                *destinations.entry(destination).or_default() += 1;
            }
            let troubled = socket.receive_queue > 0 || socket.drops_count > 0 || socket.retransmits > 0;
            let (count, most) = match troubled {
                true => (&mut troubled_count, NOTED_MAX),
                false if socket.send_queue > 0 => (&mut sending_count, SENDING_MAX),
                false => continue,
            };
            *count += 1;
            if *count <= most {
                sockets.noted.push(socket);
            }
        }
    }
    let busiest = destinations.into_values().max().unwrap_or(0);
    sockets.busiest_destination_count = sockets.busiest_destination_count.max(busiest);
}

/// The socket in a line, and its other end.
fn socket_in(line: &str, protocol: &'static str) -> Option<(Socket, String)> {
    let row = Row::parse(line)?;
    let (send_queue, receive_queue) = row.queues()?;
    let socket = Socket {
        protocol,
        port: row.port,
        listening: protocol == "tcp" && row.state == LISTEN,
        receive_queue,
        send_queue,
        retransmits: row.retransmits()?,
        drops_count: if protocol == "udp" { row.drops()? } else { 0 },
        inode: row.inode,
        pid: None,
    };
    Some((socket, row.peer_text()?.to_owned()))
}

/// Inodes of the sockets that a process has open: a descriptor of one is a link to `socket:[inode]`.
pub(in crate::collect) fn inodes_of(root: &Root, pid: Pid) -> impl Iterator<Item = u64> {
    let files = root.list(&format!("proc/{pid}/fd")).unwrap_or_default();
    files.into_iter().take(FILES_MAX).filter_map(move |file| {
        let target = root.link(&format!("proc/{pid}/fd/{file}")).ok()?;
        inode_of(&target)
    })
}

fn find_owners(root: &Root, pids: &[Pid], sockets: &mut [Socket]) {
    let mut left: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, socket) in sockets.iter().enumerate().filter(|(_, socket)| socket.inode > 0) {
        left.entry(socket.inode).or_default().push(index);
    }
    for &pid in pids {
        if left.is_empty() {
            return;
        }
        for inode in inodes_of(root, pid) {
            for index in left.remove(&inode).into_iter().flatten() {
                sockets[index].pid = Some(pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcp_sockets_listen_and_only_udp_sockets_drop() {
        let line =
            "   1: 0100007F:4A3B 00000000:0000 0A 00000000:00000005 00:00000000 00000000 0 0 12345 2 0000 41";
        let (socket, peer) = socket_in(line, "tcp").unwrap();
        assert!(socket.listening && socket.drops_count == 0);
        assert_eq!((socket.port, socket.receive_queue, peer.as_str()), (19003, 5, "00000000:0000"));
        let (socket, _) = socket_in(line, "udp").unwrap();
        assert!(!socket.listening && socket.drops_count == 41);
    }
}
