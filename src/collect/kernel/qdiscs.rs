//! Queueing disciplines of network interfaces, tc(8): packets that were dropped before they were sent. Not in
//! `/proc/net/dev`, whose drops of sent packets are the driver's own.
//!
//! Source: rtnetlink(7) RTM_NEWQDISC, kernel `include/uapi/linux/{netlink,rtnetlink,pkt_sched,gen_stats}.h`; numbers in the
//! byte order of the machine. Known lies: a discipline that drops in order to signal (fq_codel) does what it is there for.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use std::collections::BTreeMap;

/// `RTM_NEWQDISC`.
const NEW_QDISC: u16 = 36;
/// `struct nlmsghdr` and `struct tcmsg`.
const HEADER_BYTES: usize = 16;
const MESSAGE_BYTES: usize = 20;
/// `NLMSG_ALIGNTO` and `NLA_ALIGNTO`.
const ALIGN: usize = 4;
/// Parent of the discipline at the top; the others' drops are in its own.
const ROOT: u32 = 0xffff_ffff;
/// `TCA_STATS2`, and `TCA_STATS_QUEUE` in it.
const STATS: u16 = 7;
const STATS_QUEUE: u16 = 3;

/// Packets dropped since they were set up, by number of the interface.
pub fn read(root: &Root) -> Reading<BTreeMap<u32, u64>> {
    root.qdiscs().map(|bytes| parse(&bytes))
}

fn parse(bytes: &[u8]) -> BTreeMap<u32, u64> {
    let mut drops = BTreeMap::new();
    let mut rest = bytes;
    while let Some((message, behind)) = cut(rest) {
        rest = behind;
        let Some((interface, dropped)) = qdisc(message) else { continue };
        let sum: &mut u64 = drops.entry(interface).or_default();
        *sum = sum.saturating_add(dropped);
    }
    drops
}

/// Interface and drops of a message about a discipline at the top.
fn qdisc(message: &[u8]) -> Option<(u32, u64)> {
    let of_qdisc = number16(message, 4)? == NEW_QDISC;
    let (interface, parent) = (number32(message, HEADER_BYTES + 4)?, number32(message, HEADER_BYTES + 12)?);
    if !of_qdisc || parent != ROOT {
        return None;
    }
    let stats = attribute(message.get(HEADER_BYTES + MESSAGE_BYTES..)?, STATS)?;
    // struct gnet_stats_queue: qlen, backlog, drops.
    Some((interface, u64::from(number32(attribute(stats, STATS_QUEUE)?, 8)?)))
}

/// The content of the first attribute of a kind.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(number16(bytes, 0)?);
        // The two upper bits are flags.
        let kind = number16(bytes, 2)? & 0x3fff;
        if length < 4 {
            return None;
        }
        if kind == wanted {
            return bytes.get(4..length);
        }
        bytes = bytes.get(length.next_multiple_of(ALIGN)..)?;
    }
}

/// The first message, by its length, and what is behind it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(number32(bytes, 0)?).ok().filter(|length| *length >= HEADER_BYTES)?;
    let message = bytes.get(..length)?;
    Some((message, bytes.get(length.checked_next_multiple_of(ALIGN)?..).unwrap_or_default()))
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute_of(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = ((content.len() + 4) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, interface: u32, parent: u32, drops: u32) -> Vec<u8> {
        let queue: Vec<u8> = [0, 0, drops, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut body = vec![0; 4];
        body.extend(interface.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(parent.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attribute_of(1, b"tbf\0"));
        body.extend(attribute_of(STATS, &attribute_of(STATS_QUEUE, &queue)));
        let mut bytes = ((body.len() + HEADER_BYTES) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_discipline_at_the_top_counts_for_its_interface() {
        let all: Vec<u8> = [
            message(NEW_QDISC, 2, ROOT, 41),
            message(NEW_QDISC, 2, 0x1_0001, 40),
            message(NEW_QDISC, 3, ROOT, 0),
            message(3, 9, ROOT, 7),
        ]
        .concat();
        assert_eq!(parse(&all), BTreeMap::from([(2, 41), (3, 0)]));
        assert_eq!(parse(&all[..all.len() / 5]), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }
    }
}
