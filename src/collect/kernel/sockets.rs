//! `/proc/net/tcp`, `tcp6`, `udp`, `udp6` and who owns the sockets that are in trouble.
//!
//! Source: proc_pid_net(5); kernel `net/ipv4/tcp_ipv4.c`, `net/ipv4/udp.c`. Reading the tables costs time by
//! socket and finding owners costs time by open file, so both are done only when a counter of the window
//! asks for it. The receive queue of a listening socket counts connections that wait to be accepted.

use crate::collect::root::Root;
use crate::model::network::{Socket, Sockets};
use crate::model::task::Pid;
use std::collections::HashMap;

/// Sockets in trouble that are noted of one table at most.
const NOTED_MAX: usize = 200;

/// Sockets that only have something to send, noted of one table at most: on a busy server that is most of them, and
/// they must not crowd out the others.
const SENDING_MAX: usize = 100;

/// Files of one process that are looked at for a socket.
const FILES_MAX: usize = 4096;

/// States of a socket (kernel `include/net/tcp_states.h`).
pub(super) const ESTABLISHED: u64 = 0x01;
/// The connection is being opened.
pub(super) const SYN_SENT: u64 = 0x02;
/// It waits for connections.
pub(super) const LISTEN: u64 = 0x0a;

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
            let Some((socket, destination)) = parse(line, protocol) else { continue };
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

/// What every line of such a table has.
pub(super) struct Row<'a> {
    fields: Vec<&'a str>,
    /// Local port.
    pub(super) port: u16,
    /// Address and port of the other end, in hexadecimal.
    pub(super) peer: &'a str,
    /// State.
    pub(super) state: u64,
    /// Number that the owner's file descriptor shows.
    pub(super) inode: u64,
}

/// One line of a table; none for the header.
pub(super) fn row(line: &str) -> Option<Row<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some(Row {
        port: u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?,
        peer: fields.get(2)?,
        state: hex(fields.get(3)?)?,
        inode: fields.get(9)?.parse().ok()?,
        fields,
    })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The socket in a line, and its other end.
fn parse(line: &str, protocol: &'static str) -> Option<(Socket, String)> {
    let Row { fields, port, peer, state, inode } = row(line)?;
    let (sending, receiving) = fields.get(4)?.split_once(':')?;
    let socket = Socket {
        protocol,
        port,
        listening: protocol == "tcp" && state == LISTEN,
        receive_queue: hex(receiving)?,
        send_queue: hex(sending)?,
        retransmits: hex(fields.get(6)?)?,
        drops_count: if protocol == "udp" { fields.last()?.parse().ok()? } else { 0 },
        inode,
        pid: None,
    };
    Some((socket, peer.to_owned()))
}

/// Inodes of the sockets that a process has open: a descriptor of one is a link to `socket:[inode]`.
pub(super) fn inodes_of(root: &Root, pid: Pid) -> impl Iterator<Item = u64> {
    let files = root.list(&format!("proc/{pid}/fd")).unwrap_or_default();
    files.into_iter().take(FILES_MAX).filter_map(move |file| {
        let target = root.link(&format!("proc/{pid}/fd/{file}")).ok()?;
        target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
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
    fn a_listening_socket_with_a_full_queue() {
        let line = "   1: 0100007F:4A3B 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0";
        let (socket, remote) = parse(line, "tcp").unwrap();
        assert!(socket.listening);
        assert_eq!((socket.port, socket.receive_queue, socket.inode), (19003, 5, 12345));
        assert_eq!(remote, "00000000:0000");
    }

    #[test]
    fn a_datagram_socket_that_drops() {
        let line =
            " 205: 0100007F:4A39 00000000:0000 07 00000000:00034200 00:00000000 00000000 0 0 991 2 0000 4127";
        let (socket, _) = parse(line, "udp").unwrap();
        assert_eq!((socket.port, socket.drops_count, socket.inode), (19001, 4127, 991));
    }

    #[test]
    fn other_text_is_nothing() {
        for line in ["", "sl local_address rem_address", "1: zz:zz 0 0A", "1: 00:1 00:2 0A 0"] {
            assert_eq!(parse(line, "tcp"), None, "{line}");
        }
    }
}
