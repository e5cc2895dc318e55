//! What the disk rules share: which device, who uses it, and whether anybody waits.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Ranked, Who, rank, suspects};
use crate::diagnose::thresholds::{
    AWAIT_SOLID, AWAIT_SPINNING, CONTRIBUTOR, DISK_BUSY, DISK_QUEUE, IO_PRESSURE, Limit, MAIN_CAUSE,
};
use crate::model::finding::{Evidence, Remedy, Role, Suspect};
use crate::model::rates::{DiskRates, ProcessRates};
use crate::model::sentence::{Sentence, bytes, count, ratio, seconds, sentence};
use crate::model::units::{MIB, Unit};
use crate::model::wait::WaitReason;

/// Dirty and written-back memory below which the writes to a device are not a page cache that empties.
const WRITEBACK_BYTES: u64 = 32 * MIB;

/// Mean number of threads in D that counts as waiting.
const WAITERS: f64 = 0.3;

impl Facts<'_> {
    /// The limit for the time of a request on this kind of device.
    pub fn await_limit(disk: &DiskRates) -> &'static Limit {
        if Self::spinning(disk) { &AWAIT_SPINNING } else { &AWAIT_SOLID }
    }

    /// Mean number of user threads that sleep for a disk, a page or a journal.
    pub fn disk_waiters_mean(&self) -> f64 {
        use WaitReason::{Disk, Hidden, Journal, Memory, Other, Page, Writeback};
        self.blocked_threads(|reason| {
            matches!(reason, Disk | Page | Journal | Writeback | Memory | Other | Hidden)
        })
    }

    /// Whether threads wait for I/O, as far as the kernel sees it.
    pub fn io_waited_for(&self) -> bool {
        self.io_stalls().some_reaches(self.limit(&IO_PRESSURE).warning) || self.disk_waiters_mean() >= WAITERS
    }

    /// Whether the writes of the box come from the page cache: then possibly no thread waits for them.
    pub fn writes_are_writeback(&self) -> bool {
        self.rates
            .memory
            .as_ref()
            .is_ok_and(|memory| memory.unwritten_bytes().is_some_and(|bytes| bytes >= WRITEBACK_BYTES))
    }

    /// Share of a device's requests that are reads: a thread waits for each of them, even if the wait is
    /// asynchronous and no thread shows it.
    pub fn read_share(disk: &DiskRates) -> f64 {
        let total = disk.reads_per_second + disk.writes_per_second;
        if total > 0.0 { disk.reads_per_second / total } else { 0.0 }
    }
}

/// Who uses the disks.
#[derive(Debug)]
pub struct Users {
    /// Who it is.
    pub who: Who,
    /// Suspects, offenders first.
    pub suspects: Vec<Suspect>,
    /// The end of a sentence.
    pub text: Option<Sentence>,
    /// What the culprit does.
    pub why: Option<Sentence>,
    /// The remedy that fits.
    pub remedy: Remedy,
    /// Whether the owner of the I/O could be seen.
    pub seen: bool,
}

/// Who causes the I/O of `disk`: by bytes, where they may be read; else by threads that wait for it.
pub fn users(facts: &Facts<'_>, disk: &DiskRates) -> Users {
    let moved = |process: &ProcessRates| process.io_bytes_per_second().unwrap_or(0.0);
    let total = disk.read_bytes_per_second + disk.write_bytes_per_second;
    let by_bytes = rank(facts, Some(total), |group| group.sum(moved), moved);
    let by_waiting = rank(facts, None, |group| group.uninterruptible, |process| process.uninterruptible_mean);
    let known = by_bytes.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)).cloned();
    let waiting = || by_waiting.first().filter(|top| top.amount >= WAITERS / 2.0).cloned();
    let seen = known.is_some();
    let top: Option<Ranked> = known.or_else(waiting);
    let mut named = suspects(facts, if seen { &by_bytes } else { &by_waiting }, Role::Offender);
    if seen {
        named.extend(suspects(facts, &by_waiting, Role::Victim));
    }
    let reads = disk.read_bytes_per_second >= disk.write_bytes_per_second;
    let (text, why) = match &top {
        Some(top) if seen => {
            let name = facts.groups[top.group].label(top.pid);
            let verb = if reads { "reads " } else { "writes " };
            (
                Some(sentence![
                    "; ",
                    name,
                    " moves ",
                    bytes(top.amount),
                    " per second, ",
                    ratio(top.share),
                    " of it",
                ]),
                Some(sentence![verb, bytes(top.amount), " per second"]),
            )
        }
        Some(top) => {
            let name = facts.groups[top.group].label(top.pid);
            (Some(sentence!["; ", name, " waits for it"]), Some("waits for the disk".into()))
        }
        None => (None, None),
    };
    let remedy = match &top {
        Some(top) if top.share >= facts.setting(&MAIN_CAUSE) => Remedy::FixProgram,
        Some(_) => Remedy::AddResource,
        None => Remedy::AddResource,
    };
    Users {
        who: top.map_or_else(|| Who::Device(disk.name.clone()), Who::Group),
        suspects: named,
        text,
        why,
        remedy,
        seen,
    }
}

/// The numbers of a device.
pub fn numbers(facts: &Facts<'_>, disk: &DiskRates) -> Vec<Evidence> {
    let limit = Facts::await_limit(disk);
    let source = format!("/proc/diskstats {}", disk.name);
    let psi = facts.rates.io_pressure.as_ref().ok().map(|pressure| pressure.some_ratio);
    let mut numbers = vec![
        facts.evidence(&DISK_BUSY, Some(disk.utilization_ratio), &source),
        facts.evidence(&DISK_QUEUE, Some(disk.queue_mean), &source),
        facts.evidence(limit, disk.await_seconds(), &source),
        facts.evidence(&IO_PRESSURE, psi, "/proc/pressure/io some total"),
        plain("disk_reads_per_second", Some(disk.reads_per_second), Unit::PerSecond, &source),
        plain("disk_writes_per_second", Some(disk.writes_per_second), Unit::PerSecond, &source),
        plain("disk_read_bytes_per_second", Some(disk.read_bytes_per_second), Unit::BytesPerSecond, &source),
        plain(
            "disk_write_bytes_per_second",
            Some(disk.write_bytes_per_second),
            Unit::BytesPerSecond,
            &source,
        ),
        plain(
            "disk_waiters_mean",
            Some(facts.disk_waiters_mean()),
            Unit::Count,
            "/proc/PID/task/TID/stat, wchan",
        ),
    ];
    if let Some(flushes) = disk.flushes_per_second.filter(|flushes| *flushes > 0.0) {
        numbers.push(plain("disk_flushes_per_second", Some(flushes), Unit::PerSecond, &source));
        numbers.push(plain("disk_flush_await_seconds", disk.flush_await_seconds, Unit::Seconds, &source));
    }
    numbers
}

/// A device's load in half a sentence.
pub fn describe(disk: &DiskRates) -> Sentence {
    let time = disk.await_seconds().map(|s| sentence![", each takes ", seconds(s)]);
    sentence![
        count(disk.reads_per_second + disk.writes_per_second),
        " requests per second",
        time,
        ", ",
        count(disk.queue_mean),
        " in its queue",
    ]
}
