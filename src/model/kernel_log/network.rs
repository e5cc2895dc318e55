//! Network interfaces, protocols, and servers on the other end.

use super::Place::{After, Before, Between, Nowhere};
use super::{Pattern, Scope, Topic, pattern};
use crate::model::finding::Severity::{Critical, Warning};

/// In the order in which they are tried.
#[rustfmt::skip]
pub(super) const PATTERNS: &[Pattern] = &[
    pattern("transmit-timeout", &["NETDEV WATCHDOG: CPU: ", "transmit queue ", " timed out"], (Topic::Interface, Critical), "network card does not send",
        (Scope::Interface, Before(": NETDEV WATCHDOG")), "net/sched/sch_generic.c"),
    pattern("transmit-timeout", &["NETDEV WATCHDOG: ", "transmit queue ", " timed out"], (Topic::Interface, Critical), "network card does not send",
        (Scope::Interface, After("NETDEV WATCHDOG: ")), "net/sched/sch_generic.c"),
    pattern("link-down", &["NIC Link is Down"], (Topic::Interface, Warning), "network link down",
        (Scope::Interface, Before("NIC Link is Down")), "drivers/net/ethernet/intel"),
    pattern("link-down", &["Link is Down"], (Topic::Interface, Warning), "network link down",
        (Scope::Interface, Before(": Link is Down")), "drivers/net/phy/phy.c"),
    pattern("link-down", &["mlx", ": Link down"], (Topic::Interface, Warning), "network link down",
        (Scope::Interface, Before(": Link down")), "drivers/net/ethernet/mellanox/mlx5/core/en_main.c"),
    pattern("link-down", &["link status definitely down for interface "], (Topic::Interface, Warning), "network link down",
        (Scope::Interface, After("for interface ")), "drivers/net/bonding/bond_main.c"),
    pattern("neighbour-overflow", &["neighbo", "table overflow"], (Topic::Neighbours, Critical), "neighbour table full",
        (Scope::Machine, Between(": ", ":")), "net/core/neighbour.c"),
    pattern("neighbour-overflow", &["Neighbour table overflow"], (Topic::Neighbours, Critical), "neighbour table full",
        (Scope::Machine, Nowhere), "net/core/neighbour.c"),
    pattern("routes-full", &["oute cache is full"], (Topic::Neighbours, Critical), "route cache full",
        (Scope::Machine, Nowhere), "net/core/dst.c"),
    pattern("tcp-memory", &["TCP: out of memory"], (Topic::TcpMemory, Critical), "TCP has no memory",
        (Scope::Machine, Nowhere), "net/ipv4/tcp.c"),
    pattern("tcp-orphans", &["TCP: too many orphaned sockets"], (Topic::TcpMemory, Warning), "too many closed TCP sockets",
        (Scope::Machine, Nowhere), "net/ipv4/tcp.c"),
    pattern("syn-cookies", &["ossible SYN flooding on port ", "Sending cookies"], (Topic::SynFlood, Warning), "SYN flood",
        (Scope::Machine, Between("on port ", ". ")), "net/ipv4/tcp_input.c"),
    pattern("syn-dropped", &["ossible SYN flooding on port ", "Dropping request"], (Topic::SynFlood, Critical), "SYN flood, requests dropped",
        (Scope::Machine, Between("on port ", ". ")), "net/ipv4/tcp_input.c"),
    pattern("connection-table-full", &["table full, dropping packet"], (Topic::ConnectionTable, Critical), "connection table full",
        (Scope::Machine, Nowhere), "net/netfilter/nf_conntrack_core.c"),
    pattern("nfs-silent", &["server ", " not responding, "], (Topic::FileServer, Warning), "file server does not answer",
        (Scope::FileSystem, After("server ")), "net/sunrpc/clnt.c"),
    pattern("smb-silent", &["has not responded in ", "Reconnecting"], (Topic::FileServer, Warning), "SMB server does not answer",
        (Scope::FileSystem, Before(" has not responded")), "fs/smb/client/connect.c"),
    pattern("ceph-silent", &["libceph: mon", "session lost"], (Topic::FileServer, Warning), "Ceph monitor does not answer",
        (Scope::FileSystem, After("libceph: ")), "net/ceph/mon_client.c"),
    pattern("ceph-osd-down", &["libceph: osd", " down"], (Topic::FileServer, Warning), "Ceph storage daemon down",
        (Scope::FileSystem, After("libceph: ")), "net/ceph/osd_client.c"),
];
