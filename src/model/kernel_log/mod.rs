//! Messages of the kernel that are evidence: a table of their texts, each with what it is about.
//!
//! The texts are the kernel's own; each pattern names the source file that prints it. A message is of the first pattern
//! that it fits. Names in it (tasks, devices, servers) come from outside and are hostile.

mod machine;
mod network;
mod storage;

use crate::model::finding::Severity;
use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// What a kind of message looks like, and what it means.
#[derive(Debug, PartialEq)]
pub struct Pattern {
    /// Stable name, in kebab case.
    pub id: &'static str,
    /// Texts that it holds, in this order.
    pub parts: &'static [&'static str],
    /// The kernel's level from which it counts: 7 is any, 4 a warning or worse.
    pub level_max: u8,
    /// What is told where it stands beside a worse one.
    pub says: &'static str,
    /// How bad it is while it happens.
    pub severity: Severity,
    /// What it is about.
    pub topic: Topic,
    /// Where in the text the name of its subject stands.
    pub subject: Place,
    /// Whom it concerns.
    pub scope: Scope,
    /// File of the kernel's source that prints it.
    pub source: &'static str,
}

/// What a message is about: the rules each read the messages of some topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A disk, its controller or the path to it.
    Disk,
    /// A file system.
    FileSystem,
    /// Memory modules, buses, CPUs.
    Hardware,
    /// A network interface or its link.
    Interface,
    /// The kernel itself does not get on.
    Lockup,
    /// A thread that has been blocked for long.
    HungTask,
    /// A file server that does not answer.
    FileServer,
    /// A process that was killed for want of memory.
    OomKill,
    /// The table of connections that the packet filter keeps.
    ConnectionTable,
    /// More connections are opened than a server accepts.
    SynFlood,
    /// The table of neighbours or of routes.
    Neighbours,
    /// Memory for TCP.
    TcpMemory,
    /// The clock source.
    Clock,
    /// Heat.
    Heat,
    /// A real-time thread that uses all that it may.
    Realtime,
    /// A process that the kernel ended for what it did.
    Crash,
    /// A file system that was not unmounted.
    UncleanMount,
}

/// Where the name of the subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It has none.
    Nowhere,
    /// The word behind this text.
    After(&'static str),
    /// The word before this text.
    Before(&'static str),
    /// What is between these two.
    Between(&'static str, &'static str),
}

/// Whom a message concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole machine.
    Machine,
    /// Whoever uses the block device or controller that it names.
    Device,
    /// Whoever uses the file system that it names.
    FileSystem,
    /// Whoever uses the network interface that it names.
    Interface,
    /// The task that it names.
    Task,
}

/// A message of the kernel that fits a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelMessage {
    /// Its place in the log; each message has the next number.
    pub sequence: u64,
    /// Since boot by the log's own clock, which stands still while the machine is suspended.
    pub at_seconds: f64,
    /// Severity by the kernel, 0 emergency to 7 debug.
    pub level: u8,
    /// Text; hostile, as names of processes are in it.
    pub text: String,
    /// What it is.
    pub pattern: &'static Pattern,
    /// Whether it was written within the window, by its place in the log. None where the log's end at the start of the
    /// window is not known: then its time must do.
    pub in_window: Option<bool>,
}

impl KernelMessage {
    /// The name of what it is about.
    pub fn subject(&self) -> Option<&str> {
        subject(&self.text, self.pattern.subject)
    }

    /// Whether it was written within a window of `seconds` that ended `now` after boot.
    pub fn is_within(&self, now: f64, seconds: f64) -> bool {
        // The two clocks are not quite the same one.
        const SLACK_SECONDS: f64 = 1.0;
        self.in_window.unwrap_or(now - self.at_seconds <= seconds + SLACK_SECONDS)
    }
}

/// Every pattern, the more special one first.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    storage::PATTERNS.iter().chain(machine::PATTERNS).chain(network::PATTERNS)
}

/// The first text of each pattern; without it nothing can fit.
static FIRST_PARTS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(patterns().filter_map(|pattern| pattern.parts.first())).ok());

/// The pattern that a message of this level fits.
pub fn pattern_of(level: u8, text: &str) -> Option<&'static Pattern> {
    // Nearly all messages are about nothing of this.
    if FIRST_PARTS.as_ref().is_some_and(|parts| !parts.is_match(text)) {
        return None;
    }
    patterns().find(|pattern| level <= pattern.level_max && holds(text, pattern.parts))
}

fn holds(text: &str, parts: &[&str]) -> bool {
    let mut rest = text;
    parts.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Longer names are none.
const NAME_BYTES_MAX: usize = 128;

fn subject(text: &str, place: Place) -> Option<&str> {
    let ends = |c: char| c.is_whitespace() || ",:;()[]\"".contains(c);
    let name = match place {
        Place::Nowhere => return None,
        Place::After(mark) => {
            let rest = text.split_once(mark)?.1;
            rest.split(ends).next()?
        }
        Place::Before(mark) => text.split_once(mark)?.0.trim_end_matches([' ', ':']).rsplit(' ').next()?,
        Place::Between(start, end) => text.split_once(start)?.1.split_once(end)?.0,
    };
    let name = name.trim_end_matches(['.', '!']);
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
}

/// A pattern of any level; fields that differ are set behind it.
const fn pattern(
    id: &'static str,
    parts: &'static [&'static str],
    (topic, severity): (Topic, Severity),
    says: &'static str,
    (scope, subject): (Scope, Place),
    source: &'static str,
) -> Pattern {
    Pattern { id, parts, level_max: 7, says, severity, topic, subject, scope, source }
}

#[cfg(test)]
mod tests;
