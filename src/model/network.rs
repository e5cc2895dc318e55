//! Counters of the network stack and the sockets that matter.

use crate::model::task::Pid;
use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

/// Counters of `/proc/net/snmp` and `/proc/net/netstat` by `Protocol.Name`, and those of the packet queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetCounters {
    /// `Tcp.RetransSegs`, `TcpExt.ListenOverflows`, `Udp.RcvbufErrors`.
    pub named: BTreeMap<String, u64>,
    /// Packets dropped because a CPU's backlog was full (`/proc/net/softnet_stat`, second column).
    pub backlog_dropped_count: Option<u64>,
    /// Times that a CPU stopped with packets left (third column).
    pub squeezed_count: Option<u64>,
    /// Entries of the connection tracking table.
    pub conntrack_count: Option<u64>,
    /// Their limit.
    pub conntrack_max: Option<u64>,
    /// Packets dropped because that table was full, or because two packets entered the same connection at once.
    pub conntrack_dropped_count: Option<u64>,
    /// TCP sockets in use or in TIME_WAIT.
    pub tcp_sockets_count: Option<u64>,
    /// Ports that an outgoing connection may take.
    pub local_ports_count: Option<u64>,
    /// How full the tables and pools of the network stack are.
    pub fills: Vec<Fill>,
}

/// How full a table or pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Which.
    pub what: Pool,
    /// Entries or pages in use.
    pub used: u64,
    /// How many there may be.
    pub max: u64,
}

/// Tables and pools of the network stack that can be full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// IPv4 neighbours.
    Arp,
    /// IPv6 neighbours.
    Ndisc,
    /// Memory for TCP, in pages.
    Tcp,
    /// Memory for UDP, in pages.
    Udp,
}

/// A socket that a rule must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Protocol: `tcp`, `udp`.
    pub protocol: &'static str,
    /// Local port.
    pub port: u16,
    /// Whether it listens.
    pub listening: bool,
    /// Bytes received and not read; of a listening socket, connections that wait to be accepted.
    pub receive_queue: u64,
    /// Bytes written and not yet acknowledged by the peer.
    pub send_queue: u64,
    /// Segments sent again without an answer so far.
    pub retransmits: u64,
    /// Datagrams dropped because the socket buffer was full.
    pub drops_count: u64,
    /// Number that the owner's file descriptor shows.
    pub inode: u64,
    /// Owner, where it could be found.
    pub pid: Option<Pid>,
}

/// Sockets at the end, read only when a counter says that one of them is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sockets {
    /// Those with a queue, drops or retransmits.
    pub noted: Vec<Socket>,
    /// Where most of the local ports of one source address go.
    pub busiest_destination: Option<Destination>,
}

/// Connections that need a local port each: those from one source address to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Source address.
    pub source: IpAddr,
    /// Destination.
    pub peer: SocketAddr,
    /// Local ports that are taken and cannot be taken again.
    pub count: u64,
    /// Of those, connections in TIME_WAIT.
    pub time_wait_count: u64,
    /// Processes that hold some of them, as far as was looked.
    pub owners: Vec<Pid>,
}

/// What an active process waited for at the end of a calm window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerWait {
    /// Process.
    pub pid: Pid,
    /// Threads that were looked at.
    pub threads_count: u32,
    /// Of those, the ones asleep in a socket.
    pub waiting_count: u32,
    /// Far ends of the connections that it opened, and how many to each; most first.
    pub peers: Vec<(IpAddr, u16, u32)>,
}

/// Counters of a network namespace that is not the run's own: a container's, mostly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceCounters {
    /// As `/proc/PID/ns/net` names it: `net:[4026532008]`.
    pub name: String,
    /// A process in it.
    pub pid: Pid,
    /// By `Protocol.Name`.
    pub named: BTreeMap<String, u64>,
}

/// What such counters did within the window.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespaceRates {
    /// A process in it.
    pub pid: Pid,
    /// By second.
    pub per_second: BTreeMap<String, f64>,
}
