//! Interfaces and the counters of the protocols.

use super::{Machine, memory::recorded, put};
use diag::capture::Frame;
use std::fmt::Write as _;

/// An interface.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) name: &'static str,
    /// Mbit/s; 0 for one without a device behind it.
    pub(crate) speed: u64,
    pub(crate) received_packets: f64,
    pub(crate) received_bytes: f64,
    pub(crate) sent_packets: f64,
    pub(crate) sent_bytes: f64,
    pub(crate) dropped: f64,
}

impl Default for Link {
    fn default() -> Self {
        let (received_packets, received_bytes) = (120.0, 30_000.0);
        let (sent_packets, sent_bytes) = (100.0, 40_000.0);
        Self {
            name: "eth0",
            speed: 10_000,
            received_packets,
            received_bytes,
            sent_packets,
            sent_bytes,
            dropped: 0.0,
        }
    }
}

impl Machine {
    pub(super) fn put_network(&self, frame: &mut Frame, at: f64) {
        let mut text =
            "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|\
            bytes packets errs drop fifo colls carrier compressed\n"
                .to_owned();
        let lo = Link { name: "lo", speed: 0, ..Link::default() };
        for link in self.links.iter().chain([&lo]) {
            let count = |rate: f64| self.counter(rate, at);
            let _ = writeln!(
                text,
                " {}: {} {} 0 {} 0 0 0 0 {} {} 0 0 0 0 0 0",
                link.name,
                count(link.received_bytes),
                count(link.received_packets),
                count(link.dropped),
                count(link.sent_bytes),
                count(link.sent_packets)
            );
            let device = if link.speed == 0 { "virtual" } else { "pci0000:00/0000:00:03.0" };
            let path = format!("sys/class/net/{}", link.name);
            if link.speed > 0 {
                put(frame, &format!("{path}/speed"), &format!("{}\n", link.speed));
            }
            frame.links.insert(path, format!("../../devices/{device}/net/{}", link.name));
        }
        put(frame, "proc/net/dev", &text);
        let received: f64 = self.links.iter().map(|link| link.received_packets).sum();
        let sent: f64 = self.links.iter().map(|link| link.sent_packets).sum();
        let own = [
            ("Ip.InReceives", received),
            ("Ip.InDelivers", received),
            ("Ip.OutRequests", sent),
            ("Tcp.InSegs", received * 0.9),
            ("Tcp.OutSegs", sent * 0.9),
            ("TcpExt.TCPOrigDataSent", sent * 0.5),
            ("TcpExt.TCPDelivered", sent * 0.5),
        ];
        for file in ["proc/net/snmp", "proc/net/netstat"] {
            put(frame, file, &self.counters(recorded(file), &own, at));
        }
        let softnet: String = (0..self.cpus)
            .map(|_| {
                format!(
                    "{:08x} 00000000 00000000\n",
                    self.counter(received / self.cpus as f64, at) & 0xffff_ffff
                )
            })
            .collect();
        put(frame, "proc/net/softnet_stat", &softnet);
        let (used, waiting) = self.sockets;
        let text = format!(
            "sockets: used {}\nTCP: inuse {used} orphan 0 tw {waiting} alloc {} mem {}\nUDP: inuse 6 mem 2\n",
            used + 150,
            used + 4,
            used / 4
        );
        put(frame, "proc/net/sockstat", &text);
        put(frame, "proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
    }

    /// A table of names and values with the rates that are given; all others stand at 0.
    fn counters(&self, table: &str, own: &[(&str, f64)], at: f64) -> String {
        let mut text = String::new();
        for pair in table.lines().collect::<Vec<_>>().chunks(2) {
            let Some((protocol, names)) = pair[0].split_once(':') else { continue };
            let values: String = names
                .split_whitespace()
                .map(|name| {
                    let full = format!("{protocol}.{name}");
                    let rate = self.net.iter().chain(own).find(|(counter, _)| *counter == full);
                    format!(" {}", rate.map_or(0, |(_, rate)| self.counter(*rate, at)))
                })
                .collect();
            let _ = writeln!(text, "{}\n{protocol}:{values}", pair[0]);
        }
        text
    }
}
