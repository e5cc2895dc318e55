//! `/proc/net/tcp`, `tcp6`, `udp`, `udp6` and who owns the sockets that are in trouble.
//!
//! Sources: proc_pid_net(5); ip(7) ip_local_port_range, tcp(7) tcp_tw_reuse (kernel `net/ipv4/tcp_ipv4.c`,
//! tcp_twsk_unique). Reading the tables costs time per socket and finding owners costs time per open file, so
//! both are done only when a counter of the window points at single sockets. [`crate::socket_tables`] parses the rows.

use crate::collect::root::Root;
use crate::model::network::{Destination, Socket, Sockets};
use crate::model::task::Pid;
use crate::socket_tables::{LISTEN, Row, TIME_WAIT, inode_of};
use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Sockets in trouble that are noted of one table at most.
const NOTED_MAX: usize = 200;

/// Sockets that only have something to send, noted of one table at most: on a busy server that is most of them, and
/// they must not crowd out the others.
const SENDING_MAX: usize = 100;

/// Sockets of the busiest destination whose owners are looked for.
const HOLDERS_MAX: usize = 16;

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
    let rules = PortRules::read(root, buffer);
    let mut busiest: Option<Taken> = None;
    for base in &bases {
        let taken = tables(root, base, &rules, &mut sockets, buffer);
        busiest = busiest.into_iter().chain(taken).max_by_key(|taken| taken.destination.count);
    }
    let (destination, inodes) = busiest.map(|taken| (taken.destination, taken.inodes)).unzip();
    sockets.busiest_destination = destination;
    find_owners(root, pids, &mut sockets, &inodes.unwrap_or_default());
    (!bases.is_empty()).then_some(sockets)
}

/// Which local ports a connection may take.
struct PortRules {
    range: Option<RangeInclusive<u16>>,
    /// `tcp_tw_reuse`: ports in TIME_WAIT may be taken again; 2 is for loopback alone.
    reuse: Option<u64>,
}

impl PortRules {
    fn read(root: &Root, buffer: &mut Vec<u8>) -> Self {
        let range = root.read_once("proc/sys/net/ipv4/ip_local_port_range", buffer).ok().and_then(|()| {
            let text = String::from_utf8_lossy(buffer);
            let mut ports = text.split_whitespace().map(|port| port.parse::<u16>().ok());
            Some(ports.next()??..=ports.next()??)
        });
        let reuse = root.number("proc/sys/net/ipv4/tcp_tw_reuse", buffer);
        // Without time stamps the kernel cannot tell old segments from new ones.
        let stamps = root.number("proc/sys/net/ipv4/tcp_timestamps", buffer);
        Self { range, reuse: if stamps == Some(0) { Some(0) } else { reuse } }
    }

    fn in_range(&self, port: u16) -> bool {
        self.range.as_ref().is_none_or(|range| range.contains(&port))
    }

    /// Whether a connection in TIME_WAIT keeps its port.
    fn keeps(&self, source: IpAddr, peer: SocketAddr) -> bool {
        match self.reuse {
            Some(1) => false,
            Some(2) => !(source.is_loopback() || peer.ip().is_loopback()),
            _ => true,
        }
    }
}

/// Ports towards one destination, and some of the sockets that hold them.
struct Taken {
    destination: Destination,
    inodes: Vec<u64>,
}

/// Reads the tables below `base`; the destination that takes most ports of one source address.
fn tables(
    root: &Root,
    base: &str,
    rules: &PortRules,
    sockets: &mut Sockets,
    buffer: &mut Vec<u8>,
) -> Option<Taken> {
    let mut destinations: HashMap<(IpAddr, SocketAddr), Taken> = HashMap::new();
    for (file, protocol) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        if root.read(&format!("{base}/{file}"), buffer).is_err() {
            continue;
        }
        let (mut troubled_count, mut sending_count) = (0, 0);
        for line in String::from_utf8_lossy(buffer).lines().skip(1) {
            let Some(row) = Row::parse(line) else { continue };
            if protocol == "tcp" && row.state != LISTEN {
                count_port(&row, rules, &mut destinations);
            }
            let Some(socket) = socket_of(&row, protocol) else { continue };
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
    destinations.into_values().max_by_key(|taken| taken.destination.count)
}

fn count_port(row: &Row<'_>, rules: &PortRules, destinations: &mut HashMap<(IpAddr, SocketAddr), Taken>) {
    let (Some(local), Some(peer)) = (row.local(), row.peer()) else { return };
    let waits = row.state == TIME_WAIT;
    if !rules.in_range(local.port()) || waits && !rules.keeps(local.ip(), peer) {
        return;
    }
    let taken = destinations.entry((local.ip(), peer)).or_insert_with(|| Taken {
        destination: Destination {
            source: local.ip(),
            peer,
            count: 0,
            time_wait_count: 0,
            owners: Vec::new(),
        },
        inodes: Vec::new(),
    });
    taken.destination.count += 1;
    taken.destination.time_wait_count += u64::from(waits);
    if row.inode > 0 && !waits && taken.inodes.len() < HOLDERS_MAX {
        taken.inodes.push(row.inode);
    }
}

fn socket_of(row: &Row<'_>, protocol: &'static str) -> Option<Socket> {
    let (send_queue, receive_queue) = row.queues()?;
    Some(Socket {
        protocol,
        port: row.port,
        listening: protocol == "tcp" && row.state == LISTEN,
        receive_queue,
        send_queue,
        retransmits: row.retransmits()?,
        drops_count: if protocol == "udp" { row.drops()? } else { 0 },
        inode: row.inode,
        pid: None,
    })
}

/// Inodes of the sockets that a process has open: a descriptor of one is a link to `socket:[inode]`.
pub(in crate::collect) fn inodes_of(root: &Root, pid: Pid) -> impl Iterator<Item = u64> {
    let files = root.list(&format!("proc/{pid}/fd")).unwrap_or_default();
    files.into_iter().take(FILES_MAX).filter_map(move |file| {
        let target = root.link(&format!("proc/{pid}/fd/{file}")).ok()?;
        inode_of(&target)
    })
}

/// Finds whose the noted sockets are, and who holds the sockets `holders` of the busiest destination.
fn find_owners(root: &Root, pids: &[Pid], sockets: &mut Sockets, holders: &[u64]) {
    let mut left: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, socket) in sockets.noted.iter().enumerate().filter(|(_, socket)| socket.inode > 0) {
        left.entry(socket.inode).or_default().push(index);
    }
    for inode in holders {
        left.entry(*inode).or_default();
    }
    for &pid in pids {
        if left.is_empty() {
            return;
        }
        for inode in inodes_of(root, pid) {
            let Some(indexes) = left.remove(&inode) else { continue };
            for index in indexes {
                sockets.noted[index].pid = Some(pid);
            }
            if let Some(destination) = &mut sockets.busiest_destination
                && holders.contains(&inode)
            {
                destination.owners.push(pid);
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
        let row = Row::parse(line).unwrap();
        let socket = socket_of(&row, "tcp").unwrap();
        assert!(socket.listening && socket.drops_count == 0);
        assert_eq!((socket.port, socket.receive_queue), (19003, 5));
        let socket = socket_of(&row, "udp").unwrap();
        assert!(!socket.listening && socket.drops_count == 41);
    }

    #[test]
    fn each_source_address_has_ports_of_its_own() {
        let line = |address: &str, port: u16, state: &str| {
            format!("1: {address}:{port:04X} 0200000A:01BB {state} 0:0 00:0 0 0 0 7 1 0\n")
        };
        let lines = [
            ("0A00000A", 40000, "06"),
            ("0A00000A", 40001, "01"),
            ("0B00000A", 40002, "06"),
            ("0A00000A", 9, "01"),
        ];
        let busiest = |reuse| {
            let rules = PortRules { range: Some(32768..=60999), reuse };
            let mut destinations = HashMap::new();
            for (address, port, state) in lines {
                count_port(&Row::parse(&line(address, port, state)).unwrap(), &rules, &mut destinations);
            }
            let most = destinations.into_values().max_by_key(|taken| taken.destination.count).unwrap();
            (most.destination.source.to_string(), most.destination.count, most.inodes)
        };
        assert_eq!(busiest(Some(0)), ("10.0.0.10".to_owned(), 2, vec![7]));
        assert_eq!(busiest(None).1, 2, "what is not known frees no port");
        assert_eq!(busiest(Some(2)).1, 2, "2 is for loopback alone");
        assert_eq!(busiest(Some(1)).1, 1);
    }
}
