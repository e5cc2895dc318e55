//! `/proc/net/dev`, proc_pid_net(5): traffic of network interfaces, since 2.2 in sixteen columns.
//!
//! `/proc/net` is a link to `self/net`: the interfaces of the reader's own network namespace. Under another root
//! (`--root /host` in a container) those of process 1 are read instead.
//!
//! From `/sys/class/net/NAME/statistics` (kernel `Documentation/ABI/testing/sysfs-class-net-statistics`) the packets that a
//! card had no room for.
//!
//! Known lies: old kernels print no blank between colon and first count. `drop` of reception also counts packets that
//! no protocol wanted.

use crate::collect::kernel::qdiscs;
use crate::collect::root::Root;
use crate::model::reading::{AbsenceKind, Reading};
use crate::model::snapshot::Interface;
use std::collections::BTreeMap;

/// Reads `/proc/net/dev`, and from `/sys/class/net` which interfaces have a device behind them.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<Interface>> {
    let mut interfaces = counters(root, buffer)?;
    for interface in &mut interfaces {
        let target = root.link(&format!("sys/class/net/{}", interface.name)).ok();
        interface.physical = target.map(|target| !target.contains("/virtual/"));
        // A pair of virtual interfaces claims 10 Gbit/s and carries more.
        if interface.physical == Some(true) {
            interface.speed_bits_per_second = speed(root, &interface.name, buffer);
            interface.missed = missed(root, interface, buffer);
        }
    }
    if let Ok(drops) = qdiscs::read(root) {
        add_queue_drops(root, &drops, &mut interfaces, buffer);
    }
    Ok(interfaces)
}

/// Packets that a card had no room for: `rx_missed_errors`, and `rx_fifo_errors` where the driver counts them there. Asking
/// a driver costs, so it is only asked where `/proc/net/dev` counts any drop or overrun at all.
fn missed(root: &Root, interface: &Interface, buffer: &mut Vec<u8>) -> Option<u64> {
    let file = |name: &str| format!("sys/class/net/{}/statistics/{name}", interface.name);
    let counted = interface.received_drops > 0 || interface.received_overruns > 0;
    if !root.wants(&file("rx_missed_errors"), counted) {
        return (!counted).then_some(0);
    }
    let missed = root.number(&file("rx_missed_errors"), buffer)?;
    // Some drivers count the same packets under both names.
    Some(missed.max(interface.received_overruns))
}

/// The disciplines know their interfaces by number.
fn add_queue_drops(
    root: &Root,
    drops: &BTreeMap<u32, u64>,
    interfaces: &mut [Interface],
    buffer: &mut Vec<u8>,
) {
    let dropping = drops.values().any(|count| *count > 0);
    for interface in interfaces {
        let file = format!("sys/class/net/{}/ifindex", interface.name);
        interface.queue_drops = if root.wants(&file, dropping) {
            let number = root.number(&file, buffer).and_then(|number| u32::try_from(number).ok());
            number.map(|number| drops.get(&number).copied().unwrap_or(0))
        } else {
            Some(0)
        };
    }
}

/// Reads `/proc/net/dev`, or that of process 1 where `/proc/net` would be about another namespace.
fn counters(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<Interface>> {
    if root.is_elsewhere() {
        let of_init = root.read_parsed("proc/1/net/dev", buffer, parse);
        // A recorded tree may hold no processes; when it is only the rights that lack, the other file would
        // answer with the wrong interfaces.
        let absent = |kind: &AbsenceKind| matches!(kind, AbsenceKind::Missing | AbsenceKind::Vanished);
        if !of_init.as_ref().is_err_and(|absence| absent(&absence.kind)) {
            return of_init;
        }
    }
    root.read_parsed("proc/net/dev", buffer, parse)
}

/// Parses the text of `/proc/net/dev`.
pub fn parse(bytes: &[u8]) -> Result<Vec<Interface>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_header = |line: Option<&str>| line.is_some_and(|line| line.contains('|'));
    if !is_header(lines.next()) || !is_header(lines.next()) {
        return Err("no header".to_owned());
    }
    lines.map(|text| line(text).ok_or_else(|| "a line without sixteen counts".to_owned())).collect()
}

/// `/sys/class/net/NAME/speed` in Mbit/s: -1 or an error where it is not known, or the link is down.
fn speed(root: &Root, name: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    let megabits = root.number(&format!("sys/class/net/{name}/speed"), buffer)?;
    // Old drivers write -1 as an unsigned number of 32 bits.
    (1..u64::from(u32::MAX)).contains(&megabits).then(|| megabits * 1_000_000)
}

fn line(text: &str) -> Option<Interface> {
    // Old aliases have a colon in their names, counts never.
    let (name, counts) = text.rsplit_once(':')?;
    let counts: Vec<u64> = counts.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    (counts.len() >= 16).then(|| Interface {
        name: name.trim().to_owned(),
        physical: None,
        speed_bits_per_second: None,
        received_bytes: counts[0],
        received_packets: counts[1],
        received_drops: counts[3],
        received_overruns: counts[4],
        sent_bytes: counts[8],
        sent_packets: counts[9],
        missed: None,
        queue_drops: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use crate::model::reading::Absence;

    const HEADER: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    fn text(line: &str) -> Vec<u8> {
        format!("{HEADER}{line}\n").into_bytes()
    }

    #[test]
    fn columns_are_told_apart() {
        let eth0 = &parse(&text("  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16")).unwrap()[0];
        assert_eq!((eth0.name.as_str(), eth0.received_bytes, eth0.received_packets), ("eth0", 1, 2));
        assert_eq!((eth0.received_drops, eth0.sent_bytes, eth0.sent_packets), (4, 9, 10));
    }

    #[test]
    fn old_kernels_glue_the_count_to_the_colon() {
        for (line, name) in [("eth0:123", "eth0"), ("  eth0:1:123", "eth0:1")] {
            let line = format!("{line} 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
            let interface = &parse(&text(&line)).unwrap()[0];
            assert_eq!((interface.name.as_str(), interface.received_bytes), (name, 123));
        }
    }

    #[test]
    fn other_text_is_refused() {
        assert_eq!(parse(HEADER.as_bytes()).unwrap(), []);
        for text in
            [text("eth0: 1 2 3"), text("eth0 1 2"), Vec::new(), b"\xff\n\xff\n".to_vec(), b"|\n".to_vec()]
        {
            assert!(parse(&text).is_err());
        }
    }

    #[test]
    fn process_1_answers_for_another_namespace() {
        let line = |name: &str| text(&format!("{name}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"));
        let mut frame = Frame::new(FrameKind::Start, std::time::Duration::ZERO);
        let first = |frame: &Frame| {
            let interfaces = read(&Root::captured(frame.clone()), &mut Vec::new())?;
            Ok::<_, Absence>(interfaces[0].name.clone())
        };
        frame.files.insert("proc/net/dev".to_owned(), line("own0"));
        assert_eq!(first(&frame).unwrap(), "own0");
        frame.absences.insert("proc/1/net/dev".to_owned(), AbsenceKind::Denied);
        assert_eq!(first(&frame).unwrap_err().kind, AbsenceKind::Denied);
        frame.files.insert("proc/1/net/dev".to_owned(), line("host0"));
        assert_eq!(first(&frame).unwrap(), "host0");
    }
}
