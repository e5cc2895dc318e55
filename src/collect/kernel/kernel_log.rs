//! `/dev/kmsg`: the kernel's own messages, as far as they are evidence.
//!
//! Source: kernel `Documentation/ABI/testing/dev-kmsg`: `level,sequence,microseconds,flags;text`. Needs CAP_SYSLOG. Only
//! messages of a known kind are kept ([`crate::model::kernel_log`]), and only those of the kernel itself: any root process
//! may write to the log, but not with the kernel's facility, 0.
//!
//! Known lies: the log's clock stands still while the machine is suspended, and runs apart from that of `/proc/uptime`.
//! What was written within the window is therefore told by number: the log is marked at the start of the window, and at its
//! end the first record behind the mark is asked for. An old message looks older than it is after a suspend.

use crate::collect::root::{KERNEL_LOG, Root};
use crate::model::kernel_log::{KernelMessage, Topic, pattern_of};
use crate::model::reading::Reading;

/// Messages that are kept, the last ones.
const KEPT_MAX: usize = 500;

/// Older messages are no longer news.
const NEWS_SECONDS: f64 = 3600.0;

/// File systems that were not unmounted are reported while the machine starts.
const START_SECONDS: f64 = 300.0;

/// What is new in the log, and how old the rest is.
#[derive(Debug, Clone, Copy)]
struct Since {
    /// Number of the first record of the window; none where it is not known.
    first_new: Option<u64>,
    /// Time since boot.
    now: Option<f64>,
}

/// Marks the end of the log, at the start of a window.
pub fn mark(root: &Root) {
    root.mark_kernel_log();
}

/// Reads the log, at the end of a window, `now` after boot, and marks its end for the next one.
pub fn read(root: &Root, now: Option<f64>, buffer: &mut Vec<u8>) -> Reading<Vec<KernelMessage>> {
    let first_new = root.first_behind_mark().ok();
    root.read(KERNEL_LOG, buffer)?;
    let since = Since { first_new, now };
    let text = String::from_utf8_lossy(buffer);
    let mut kept: Vec<KernelMessage> = text.lines().filter_map(|line| parse(line, since)).collect();
    kept.drain(..kept.len().saturating_sub(KEPT_MAX));
    Ok(kept)
}

fn parse(line: &str, since: Since) -> Option<KernelMessage> {
    let (prefix, text) = line.split_once(';')?;
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let sequence: u64 = fields.next()?.parse().ok()?;
    let at_seconds = fields.next()?.parse::<f64>().ok()? / 1e6;
    if priority >> 3 != 0 {
        return None;
    }
    let in_window = since.first_new.map(|first| sequence >= first);
    let is_news = since.now.is_none_or(|now| now - at_seconds <= NEWS_SECONDS);
    // Most of a log is from the start of the machine: its lines are not compared with all texts.
    if in_window != Some(true) && !is_news && at_seconds > START_SECONDS {
        return None;
    }
    let level = (priority & 7) as u8;
    let pattern = pattern_of(level, text)?;
    let wanted = in_window == Some(true) || is_news || pattern.topic == Topic::UncleanMount;
    wanted.then(|| KernelMessage { sequence, at_seconds, level, text: text.to_owned(), pattern, in_window })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Since = Since { first_new: Some(812), now: Some(100.0) };

    #[test]
    fn evidence_is_kept_and_forgeries_are_not() {
        let line = "3,812,96231000,-;Out of memory: Killed process 77 (python3) total-vm:1kB";
        let message = parse(line, NEW).unwrap();
        assert!((message.at_seconds - 96.231).abs() < 1e-9);
        assert_eq!((message.level, message.pattern.id), (3, "oom-kill"));
        // Facility 1 is a user process that wrote to the log.
        assert_eq!(parse("11,812,96231000,-;Out of memory: Killed process 1 (init)", NEW), None);
        assert_eq!(parse("6,1,2,-;random: crng init done", NEW), None);
        assert_eq!(parse(" SUBSYSTEM=block", NEW), None);
    }

    #[test]
    fn the_number_tells_what_is_new_and_not_the_time() {
        // Two days asleep: the log's clock is two days behind.
        let since = Since { first_new: Some(812), now: Some(200_000.0) };
        let line = |sequence: u64| {
            format!("3,{sequence},96231000,-;nvme nvme0: I/O 1 (Read) QID 4 timeout, aborting")
        };
        assert_eq!(parse(&line(812), since).unwrap().in_window, Some(true));
        assert_eq!(parse(&line(811), since), None, "nobody can tell how old it is: it looks too old");
        let unknown = Since { first_new: None, now: Some(100.0) };
        let message = parse(&line(812), unknown).unwrap();
        assert_eq!(message.in_window, None);
        assert!(message.is_within(100.0, 5.0) && !message.is_within(120.0, 5.0));
    }

    #[test]
    fn a_start_after_a_crash_is_remembered() {
        let since = Since { first_new: Some(9000), now: Some(80_000.0) };
        assert!(parse("6,300,2000000,-;EXT4-fs (vda1): recovery complete", since).is_some());
        assert_eq!(parse("3,301,2000000,-;blk_update_request: I/O error, dev sda, sector 1", since), None);
    }
}
