//! `/dev/kmsg`: the kernel's own messages, as far as they are evidence.
//!
//! Source: kernel `Documentation/ABI/testing/dev-kmsg`: `level,sequence,microseconds,flags;text`. Needs
//! CAP_SYSLOG. Only messages of kinds that a rule knows are kept, and only those of the kernel itself: any
//! root process may write to the log, but its facility tells.

use crate::collect::root::{KERNEL_LOG, Root};
use crate::model::limits::{CRASHES, HARDWARE_ERRORS, KernelMessage, UNCLEAN_MOUNTS};
use crate::model::reading::Reading;

/// Parts of other messages that are evidence.
const KINDS: [&str; 6] = [
    "Killed process",
    "oom-kill:",
    "blocked for more than",
    "table full, dropping packet",
    "Marking clocksource",
    "RT throttling activated",
];

/// Messages that are kept, the last ones.
const KEPT_MAX: usize = 500;

/// Reads the log.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<KernelMessage>> {
    root.read(KERNEL_LOG, buffer)?;
    let mut kept: Vec<KernelMessage> = String::from_utf8_lossy(buffer).lines().filter_map(parse).collect();
    kept.drain(..kept.len().saturating_sub(KEPT_MAX));
    Ok(kept)
}

fn parse(line: &str) -> Option<KernelMessage> {
    let (prefix, text) = line.split_once(';')?;
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let microseconds: f64 = fields.nth(1)?.parse().ok()?;
    let of_kernel = priority >> 3 == 0;
    let evidence = KINDS
        .iter()
        .chain(&HARDWARE_ERRORS)
        .chain(&CRASHES)
        .chain(&UNCLEAN_MOUNTS)
        .any(|kind| text.contains(kind));
    (of_kernel && evidence).then(|| KernelMessage {
        at_seconds: microseconds / 1e6,
        level: (priority & 7) as u8,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_kept_and_forgeries_are_not() {
        let line = "3,812,96231000,-;Out of memory: Killed process 77 (python3) total-vm:1kB";
        let message = parse(line).unwrap();
        assert!((message.at_seconds - 96.231).abs() < 1e-9);
        assert_eq!(message.level, 3);
        // Facility 1 is a user process that wrote to the log.
        assert_eq!(parse("11,812,96231000,-;Out of memory: Killed process 1 (init)"), None);
        assert_eq!(parse("6,1,2,-;random: crng init done"), None);
        assert_eq!(parse(" SUBSYSTEM=block"), None);
    }
}
