//! What the kernel has reported: the messages of its log by what they are and whom they name.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::model::finding::{Evidence, Severity};
use crate::model::kernel_log::{KernelMessage, Scope, Topic};
use crate::model::rates::{DiskRates, is_partition};
use crate::model::sentence::{Sentence, quote, sentence};
use crate::model::units::Unit;

/// Older messages are no longer news.
const RECENT_SECONDS: f64 = 3600.0;

/// Kinds of message that a sentence lists beside the worst.
const LISTED_MAX: usize = 4;

/// Messages of one kind about one subject.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// The last of them.
    pub last: &'a KernelMessage,
    /// How many.
    pub count: usize,
}

impl Reported<'_> {
    /// What they say in a few words, with whom they name.
    pub fn words(&self) -> Sentence {
        let subject = self.last.subject().map(|name| sentence![" (", quote(name), ")"]);
        sentence![self.last.pattern.says, subject]
    }

    /// Their number.
    pub fn evidence(&self) -> Evidence {
        let pattern = self.last.pattern;
        let metric = format!("kernel_log_{}_count", pattern.id.replace('-', "_"));
        let source = format!("/dev/kmsg ({})", pattern.source);
        plain(&metric, Some(self.count as f64), Unit::Count, &source)
    }
}

impl<'a> Facts<'a> {
    fn messages(&self) -> &'a [KernelMessage] {
        self.rates.limits.kernel_log.as_ref().map_or(&[], Vec::as_slice)
    }

    /// Whether a message was written within the window; without a number and without the time since boot none was.
    pub fn is_in_window(&self, message: &KernelMessage) -> bool {
        let now = self.rates.uptime_seconds.unwrap_or(f64::INFINITY);
        message.is_within(now, self.rates.seconds)
    }

    /// What the kernel reported on `topics` within the window, by kind and subject, worst first and of equals the latest.
    pub fn reported(&self, topics: &[Topic]) -> Vec<Reported<'a>> {
        let wanted = |message: &&KernelMessage| {
            topics.contains(&message.pattern.topic) && self.is_in_window(message) && is_of_a_part(message)
        };
        let mut all = by_kind(self.messages().iter().filter(wanted));
        all.sort_by_key(|kind| std::cmp::Reverse((self.severity_of(kind.last), kind.last.sequence)));
        all
    }

    /// The same of the last hour before the window, newest first.
    pub fn reported_earlier(&self, topics: &[Topic]) -> Vec<Reported<'a>> {
        let Some(now) = self.rates.uptime_seconds else { return Vec::new() };
        let wanted = |message: &&KernelMessage| {
            topics.contains(&message.pattern.topic)
                && !self.is_in_window(message)
                && now - message.at_seconds <= RECENT_SECONDS
                && is_of_a_part(message)
        };
        let mut all = by_kind(self.messages().iter().filter(wanted));
        all.sort_by_key(|kind| std::cmp::Reverse(kind.last.sequence));
        all
    }

    /// How bad a message is on this machine: an error of a part that nobody uses makes nobody wait.
    pub fn severity_of(&self, message: &KernelMessage) -> Severity {
        let severity = message.pattern.severity;
        match (message.pattern.scope, message.subject()) {
            (Scope::Device, Some(name)) if self.is_unused(name) => severity.min(Severity::Warning),
            (Scope::Interface, Some(name)) if self.carries_nothing(name) => severity.min(Severity::Info),
            _ => severity,
        }
    }

    /// Whether a block device is known to be in nobody's way: it is named as disks are, has nothing to do, and holds no
    /// mounted file system.
    fn is_unused(&self, name: &str) -> bool {
        let is_of = |disk: &&DiskRates| is_part_of(name, &disk.name);
        if !is_disk_name(name) {
            return false;
        }
        let Ok(disks) = &self.rates.disks else { return false };
        let works = |disk: &DiskRates| disk.completed_count > 0 || disk.in_flight_count > 0;
        let mounted = self.rates.limits.mounts.as_ref().map_or(&[][..], Vec::as_slice);
        !disks.iter().filter(is_of).any(works)
            && !mounted
                .iter()
                .any(|mount| mount.source.strip_prefix("/dev/").is_some_and(|of| is_part_of(of, name)))
    }

    fn carries_nothing(&self, name: &str) -> bool {
        let of = |link: &&crate::model::rates::InterfaceRates| link.name == name;
        self.rates
            .interfaces
            .iter()
            .find(of)
            .is_some_and(|link| link.received_packets_per_second + link.sent_packets_per_second == 0.0)
    }
}

/// Whether a message is about a part that can fail: not an empty drive, nor a file in the place of a disk.
fn is_of_a_part(message: &KernelMessage) -> bool {
    match message.pattern.scope {
        Scope::Device | Scope::FileSystem => message.subject().is_none_or(|name| !is_no_disk(name)),
        _ => true,
    }
}

fn is_no_disk(name: &str) -> bool {
    const STARTS: [&str; 5] = ["loop", "ram", "zram", "fd", "sr"];
    let of = |start: &str| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    STARTS.into_iter().any(of)
}

/// Whether the device `name` is the disk `disk`, one of its partitions, or the controller of it: `sda1` of `sda`,
/// `nvme0` of `nvme0n1`.
pub fn is_part_of(name: &str, disk: &str) -> bool {
    let of =
        |whole: &str, part: &str| part == whole || is_partition(part, whole) || is_namespace(part, whole);
    of(disk, name) || of(name, disk)
}

/// Whether `name` is a namespace of the NVMe controller `controller`, or a partition of one.
fn is_namespace(name: &str, controller: &str) -> bool {
    let rest = name.strip_prefix(controller).and_then(|rest| rest.strip_prefix('n'));
    controller.starts_with("nvme") && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a device is named as disks are.
pub fn is_disk_name(name: &str) -> bool {
    const STARTS: [&str; 9] = ["sd", "vd", "xvd", "hd", "nvme", "mmcblk", "dm-", "md", "nbd"];
    STARTS.into_iter().any(|start| name.starts_with(start))
}

fn by_kind<'a>(messages: impl Iterator<Item = &'a KernelMessage>) -> Vec<Reported<'a>> {
    let mut all: Vec<Reported<'a>> = Vec::new();
    for message in messages {
        let same = |kind: &&mut Reported<'a>| {
            kind.last.pattern.id == message.pattern.id && kind.last.subject() == message.subject()
        };
        match all.iter_mut().find(same) {
            Some(kind) => (kind.last, kind.count) = (message, kind.count + 1),
            None => all.push(Reported { last: message, count: 1 }),
        }
    }
    all
}

/// What was reported beside the worst, as the end of a sentence.
pub fn others(rest: &[Reported<'_>]) -> Option<Sentence> {
    let more = rest.len().saturating_sub(LISTED_MAX);
    let listed = Sentence::joined(rest.iter().take(LISTED_MAX).map(Reported::words), ", ");
    (!rest.is_empty())
        .then(|| sentence!["; also: ", listed, (more > 0).then(|| sentence![" and ", more, " more kinds"])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_and_a_controller_are_of_their_disk() {
        for (name, disk, is) in [
            ("sda", "sda", true),
            ("sda1", "sda", true),
            ("sdaa", "sda", false),
            ("nvme0", "nvme0n1", true),
            ("nvme0n1p2", "nvme0n1", true),
            ("nvme0n11", "nvme0n1", false),
            ("nvme1", "nvme0n1", false),
            ("dm-1", "dm-10", false),
            ("sdz", "vda", false),
        ] {
            assert_eq!(is_part_of(name, disk), is, "{name} of {disk}");
        }
    }
}
