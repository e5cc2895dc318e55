//! `/proc/net/snmp`, `netstat`, `softnet_stat` and the connection tracking table.
//!
//! Sources: proc_pid_net(5); kernel `Documentation/networking/snmp_counter.rst`, `net/core/net-procfs.c`,
//! `Documentation/networking/nf_conntrack-sysctl.rst`. All but the table's limit belong to one network
//! namespace: under another root, to that of process 1.

use crate::collect::root::Root;
use crate::model::network::{Fill, NetCounters, Pool};
use crate::model::reading::Reading;
use std::collections::BTreeMap;

/// Reads the counters of the namespace that the root stands for.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<NetCounters> {
    let base = root.of_init("proc/1/net/snmp", "proc/net/snmp").trim_end_matches("/snmp");
    let mut counters = NetCounters { named: named(root, base, buffer)?, ..NetCounters::default() };
    if root.read(&format!("{base}/softnet_stat"), buffer).is_ok() {
        let columns = parse_softnet(&String::from_utf8_lossy(buffer));
        counters.backlog_dropped_count = columns.map(|columns| columns.0);
        counters.squeezed_count = columns.map(|columns| columns.1);
    }
    if root.read_once(&format!("{base}/sockstat"), buffer).is_ok() {
        let text = String::from_utf8_lossy(buffer).into_owned();
        counters.tcp_sockets_count = parse_sockstat(&text);
        for (what, protocol) in [(Pool::Tcp, "TCP"), (Pool::Udp, "UDP")] {
            let used = in_sockstat(&text, protocol, "mem");
            let setting = format!("proc/sys/net/ipv4/{}_mem", protocol.to_ascii_lowercase());
            let max = third(root, &setting, buffer);
            counters.fills.extend(used.zip(max).map(|(used, max)| Fill { what, used, max }));
        }
    }
    neighbours(root, base, &mut counters, buffer);
    counters.conntrack_count = root.number("proc/sys/net/netfilter/nf_conntrack_count", buffer);
    counters.conntrack_max = root.number("proc/sys/net/netfilter/nf_conntrack_max", buffer);
    if counters.conntrack_count.is_some() && root.read(&format!("{base}/stat/nf_conntrack"), buffer).is_ok() {
        let text = String::from_utf8_lossy(buffer);
        counters.conntrack_dropped_count = parse_columns(&text, "drop");
        let others = ["early_drop", "insert_failed"]
            .into_iter()
            .filter_map(|column| Some((format!("conntrack.{column}"), parse_columns(&text, column)?)));
        counters.named.extend(others);
    }
    if root.read_once("proc/sys/net/ipv4/ip_local_port_range", buffer).is_ok() {
        let text = String::from_utf8_lossy(buffer).into_owned();
        let mut ports = text.split_whitespace().map(|port| port.parse::<u64>().ok());
        counters.local_ports_count = ports
            .next()
            .flatten()
            .zip(ports.next().flatten())
            .and_then(|(low, high)| high.checked_add(1)?.checked_sub(low));
    }
    Ok(counters)
}

/// Neighbours: `stat/arp_cache` and `stat/ndisc_cache` (kernel `net/core/neighbour.c`), hexadecimal, a line by CPU. The
/// number of entries is that of the whole system, as is its limit.
fn neighbours(root: &Root, base: &str, counters: &mut NetCounters, buffer: &mut Vec<u8>) {
    for (what, family, version) in [(Pool::Arp, "arp", "ipv4"), (Pool::Ndisc, "ndisc", "ipv6")] {
        if root.read(&format!("{base}/stat/{family}_cache"), buffer).is_err() {
            continue;
        }
        let text = String::from_utf8_lossy(buffer).into_owned();
        for column in ["table_fulls", "unresolved_discards"] {
            let sum = parse_columns(&text, column);
            counters.named.extend(sum.map(|sum| (format!("neighbours.{family}.{column}"), sum)));
        }
        let used = text.lines().nth(1).and_then(|line| line.split_whitespace().next());
        let used = used.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let max = root.number(&format!("proc/sys/net/{version}/neigh/default/gc_thresh3"), buffer);
        counters.fills.extend(used.zip(max).map(|(used, max)| Fill { what, used, max }));
    }
}

/// The third number of a setting that has three: the most that there may be.
fn third(root: &Root, path: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    root.read_once(path, buffer).ok()?;
    String::from_utf8_lossy(buffer).split_whitespace().nth(2)?.parse().ok()
}

/// The counters of `snmp` and `netstat` below `base`.
pub fn named(root: &Root, base: &str, buffer: &mut Vec<u8>) -> Reading<BTreeMap<String, u64>> {
    let mut named = BTreeMap::new();
    let mut outcomes = ["snmp", "netstat"].map(|file| {
        root.read_parsed(&format!("{base}/{file}"), buffer, |bytes| {
            parse_pairs(&String::from_utf8_lossy(bytes), &mut named);
            Ok(())
        })
    });
    // One of the two may well be missing: emulated files have but the first.
    outcomes.sort_by_key(Result::is_err);
    if let [Err(absence), _] = outcomes {
        return Err(absence);
    }
    // Version 6 counts on its own, a name and a number to a line; it may be switched off.
    if root.read(&format!("{base}/snmp6"), buffer).is_ok() {
        named.extend(String::from_utf8_lossy(buffer).lines().filter_map(parse_version_6));
    }
    Ok(named)
}

/// `Udp6RcvbufErrors  3` is `Udp6.RcvbufErrors`, `Ip6InDiscards` likewise; the rest of `snmp6` is not used.
fn parse_version_6(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let name = match name.strip_prefix("Udp6") {
        Some(name) => format!("Udp6.{name}"),
        None => format!("Ip6.{}", name.strip_prefix("Ip6").filter(|name| name.ends_with("Discards"))?),
    };
    Some((name, words.next()?.parse().ok()?))
}

/// Pairs of a header line and a value line with the same first word.
fn parse_pairs(text: &str, named: &mut BTreeMap<String, u64>) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((protocol, names)) = line.split_once(':') else { continue };
        // A header without its values does not shift the pairs that follow.
        let of_same = |next: &&str| next.split_once(':').is_some_and(|(same, _)| same == protocol);
        let Some((_, values)) = lines.next_if(of_same).and_then(|next| next.split_once(':')) else {
            continue;
        };
        // MaxConn is -1: negative values are left out.
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                named.insert(format!("{protocol}.{name}"), value);
            }
        }
    }
}

/// Hexadecimal columns, a line by CPU: dropped and squeezed.
fn parse_softnet(text: &str) -> Option<(u64, u64)> {
    let mut sums = None;
    for line in text.lines() {
        let mut columns = line.split_whitespace().map(|column| u64::from_str_radix(column, 16).ok());
        let (dropped, squeezed) = (columns.nth(1)??, columns.next()??);
        let (all_dropped, all_squeezed) = sums.unwrap_or((0_u64, 0_u64));
        sums = Some((all_dropped.saturating_add(dropped), all_squeezed.saturating_add(squeezed)));
    }
    sums
}

/// `TCP: inuse 5 orphan 0 tw 300 alloc 7 mem 1`: those in use and those in TIME_WAIT.
fn parse_sockstat(text: &str) -> Option<u64> {
    in_sockstat(text, "TCP", "inuse")?.checked_add(in_sockstat(text, "TCP", "tw")?)
}

/// The number behind `name` in the line of a protocol.
fn in_sockstat(text: &str, protocol: &str, name: &str) -> Option<u64> {
    let of_protocol = |line: &&str| line.split_once(':').is_some_and(|(found, _)| found == protocol);
    let mut fields = text.lines().find(of_protocol)?.split_whitespace();
    fields.find(|field| *field == name)?;
    fields.next()?.parse().ok()
}

/// A column, hexadecimal, summed over the CPUs.
fn parse_columns(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let column = lines.next()?.split_whitespace().position(|found| found == name)?;
    lines
        .map(|line| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok())
        .try_fold(0_u64, |sum, value| sum.checked_add(value?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_values_below_them() {
        let mut named = BTreeMap::new();
        let text = "IcmpMsg:\nTcp: RtoMin MaxConn OutSegs RetransSegs\nTcp: 200 -1 1000 12\n\
            Udp: InDatagrams RcvbufErrors\nUdp: 5 3\nTcp: broken\nUdp: 1\n";
        parse_pairs(text, &mut named);
        assert_eq!(named["Tcp.RetransSegs"], 12);
        assert_eq!(named["Udp.RcvbufErrors"], 3);
        assert!(!named.contains_key("Tcp.MaxConn"));
    }

    #[test]
    fn version_6_counts_line_by_line() {
        let line = "Udp6RcvbufErrors                \t3";
        assert_eq!(parse_version_6(line), Some(("Udp6.RcvbufErrors".to_owned(), 3)));
        assert_eq!(parse_version_6("Ip6InReceives 9"), None);
        assert_eq!(parse_version_6("Udp6InErrors x"), None);
    }

    #[test]
    fn softnet_columns_are_hexadecimal() {
        let text = "0000000a 00000002 00000010 0\n00000001 00000001 00000000 0\n";
        assert_eq!(parse_softnet(text), Some((3, 16)));
        assert_eq!(parse_softnet("zz\n"), None);
        assert_eq!(parse_softnet(""), None);
    }

    #[test]
    fn sockets_in_time_wait_count() {
        assert_eq!(
            parse_sockstat("sockets: used 9\nTCP: inuse 5 orphan 0 tw 300 alloc 7 mem 1\n"),
            Some(305)
        );
        assert_eq!(parse_sockstat("UDP: inuse 1\n"), None);
    }

    #[test]
    fn conntrack_drops_are_found_by_name() {
        let text = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop\n\
            00000002  0 0 0 0 0 0 0 0 0 0000000f 0\n00000002  0 0 0 0 0 0 0 0 0 00000001 0\n";
        assert_eq!(parse_columns(text, "drop"), Some(16));
        assert_eq!(parse_columns(text, "early_drop"), Some(0));
        assert_eq!(parse_columns("entries found\n1 2\n", "drop"), None);
    }
}
