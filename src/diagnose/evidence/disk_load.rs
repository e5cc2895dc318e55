//! How loaded a disk is, for which kinds of request threads wait, and the sentence that says so.

use crate::diagnose::evidence::facts::{Facts, plain, reason};
use crate::diagnose::thresholds::algorithm::{
    DEEP_QUEUE_AWAIT_SECONDS, DISK_WAITERS_CRITICAL, IN_FLIGHT_MEANS, KIND_DECIDES, LIKE_NORMAL,
    SATURATED_FULL, SLOWER_THAN_USUAL, SOME_WAITERS, SPINNING_QUEUE, TIMES_NORMAL, TIMES_NORMAL_MIN_SECONDS,
};
use crate::diagnose::thresholds::{
    AWAIT_SOLID, AWAIT_SPINNING, DISK_BUSY, DISK_QUEUE, IO_PRESSURE, Limit, REQUESTS_MIN,
};
use crate::model::finding::Evidence;
use crate::model::rates::{DiskRates, KindRates, RequestKind, ThreadRates};
use crate::model::sentence::{Sentence, count, seconds, sentence};
use crate::model::task::State;
use crate::model::units::{MIB, Unit};
use crate::model::wait::WaitReason;

/// Dirty and written-back memory below which the writes to a device are not a page cache that empties.
const WRITEBACK_BYTES: u64 = 32 * MIB;

/// Share of the bytes of a process from which it waits for reads, or for writes.
const DIRECTION: f64 = 0.1;

impl Facts<'_> {
    /// The limit for the time of a request on this kind of device.
    pub fn await_limit(disk: &DiskRates) -> &'static Limit {
        if Self::spinning(disk) { &AWAIT_SPINNING } else { &AWAIT_SOLID }
    }

    /// Mean number of user threads that sleep for a disk, a page or a journal.
    pub fn disk_waiters_mean(&self) -> f64 {
        self.blocked_threads(for_a_disk)
    }

    /// Whether threads wait for I/O, as far as the kernel sees it.
    pub fn io_waited_for(&self) -> bool {
        self.io_stalls().some_reaches(self.limit(&IO_PRESSURE).warning)
            || self.disk_waiters_mean() >= SOME_WAITERS
    }

    /// Whether threads wait so much that it is worth a page: by the kernel's own count; without one by the threads in D.
    /// `full` is the share in which all of them wait that is as bad.
    pub fn io_waits_hurt(&self, full: f64) -> bool {
        let stalls = self.io_stalls();
        match stalls.some {
            Some(_) => {
                stalls.some_reaches(self.limit(&IO_PRESSURE).critical.unwrap_or(1.0))
                    || stalls.full_reaches(full)
            }
            None => self.disk_waiters_mean() >= DISK_WAITERS_CRITICAL,
        }
    }

    /// Whether the freezer of control groups holds threads (docker pause), and no other is seen that waits for I/O.
    pub fn is_frozen_on_purpose(&self) -> bool {
        self.blocked_threads(|reason| reason == WaitReason::Frozen) >= SOME_WAITERS
            && self.io_waiters_mean() < SOME_WAITERS
    }

    /// Whether the writes of the box come from the page cache: then possibly no thread waits for them.
    pub fn writes_are_writeback(&self) -> bool {
        let memory = self.rates.memory.as_ref();
        memory.is_ok_and(|memory| memory.unwritten_bytes().is_some_and(|bytes| bytes >= WRITEBACK_BYTES))
            || self.blocked_threads(|reason| reason == WaitReason::Writeback) >= SOME_WAITERS
    }

    /// Mean number of user threads that wait for requests of this kind: by what they sleep in, and by what their process
    /// moves. A flush is part of a write that is to be safe. Writers that are held because too much is dirty wait for no
    /// request.
    pub fn waiters_for(&self, kind: RequestKind) -> f64 {
        let reads = kind == RequestKind::Read;
        self.user_threads()
            .flat_map(|thread| thread.waits.iter().map(move |share| (thread, share)))
            .filter(|(_, share)| share.state == State::Uninterruptible)
            .filter(|(thread, share)| match reason(share.function.as_deref()) {
                WaitReason::Journal => !reads,
                WaitReason::Writeback => false,
                other => for_a_disk(other) && self.moves(thread, reads),
            })
            // The sum of nothing is minus zero.
            .fold(0.0, |sum, (_, share)| sum + share.mean)
    }

    /// Whether the process of a thread reads, or writes, as far as one can tell.
    fn moves(&self, thread: &ThreadRates, reads: bool) -> bool {
        let process = self.rates.process(thread.pid);
        let Some((read, written)) =
            process.and_then(|process| process.read_bytes_per_second.zip(process.write_bytes_per_second))
        else {
            return true;
        };
        let total = read + written;
        total <= 0.0 || (if reads { read } else { written }) >= DIRECTION * total
    }

    /// Whether requests of this kind can make the disk a bottleneck: there are enough for a mean, they are a part of what
    /// the disk does, and threads wait for them.
    pub fn decides(&self, disk: &DiskRates, kind: &KindRates) -> bool {
        let requests = kind.per_second * self.rates.seconds;
        // A few that take very long are enough: the slowest disks complete the fewest.
        let enough = requests >= self.setting(&REQUESTS_MIN)
            || (requests >= 2.0 && kind.in_flight_mean() >= IN_FLIGHT_MEANS);
        let all: f64 = disk.kinds().map(|kind| kind.per_second).sum();
        let is_part = kind.per_second >= KIND_DECIDES * all;
        let waiters = self.waiters_for(kind.kind);
        let waited_for = match kind.kind {
            // A thread waits for each of them, even if the wait is asynchronous and no thread shows it.
            RequestKind::Read | RequestKind::Flush => is_part,
            RequestKind::Write => {
                is_part && (!self.writes_are_writeback() || self.only_writes(disk, waiters))
            }
        };
        enough && (waited_for || waiters >= SOME_WAITERS)
    }

    /// Whether the stalls can be for nothing but writes: the disk does not read, and no thread is seen that waits for
    /// anything else.
    fn only_writes(&self, disk: &DiskRates, waiters: f64) -> bool {
        let all = disk.reads_per_second + disk.writes_per_second;
        self.io_stalls().some_reaches(self.limit(&IO_PRESSURE).warning)
            && disk.reads_per_second < KIND_DECIDES * all
            && self.io_waiters_mean() - waiters < SOME_WAITERS / 2.0
    }

    /// Whether requests of this kind take too long for this kind of device, or for this device. What is normal for it is
    /// slow only where threads wait much.
    pub fn is_slow(&self, disk: &DiskRates, kind: &KindRates, full: f64) -> bool {
        let took = kind.await_seconds;
        let unusual = kind.normal_seconds.is_some_and(|normal| {
            normal > 0.0 && took >= TIMES_NORMAL * normal && took >= TIMES_NORMAL_MIN_SECONDS
        });
        let over = took >= self.limit(Self::await_limit(disk)).warning;
        over && (!is_usual(kind) || self.io_waits_hurt(full)) || unusual && !Self::spinning(disk)
    }

    /// Whether a disk has more to do than it can: busy all the time, with a queue of requests that take long for it.
    pub fn is_saturated(&self, disk: &DiskRates) -> bool {
        disk.utilization_ratio >= self.limit(&DISK_BUSY).warning
            && (self.saturated_kind(disk).is_some() || self.is_crowded(disk))
    }

    /// The kind of request that shows it: a deep queue makes even a fast device slow; without one only slowness itself
    /// counts.
    pub fn saturated_kind(&self, disk: &DiskRates) -> Option<KindRates> {
        let deep = self.limit(&DISK_QUEUE).critical.is_some_and(|limit| disk.queue_mean >= limit);
        let enough = if Self::spinning(disk) { SPINNING_QUEUE } else { self.limit(&DISK_QUEUE).warning };
        if disk.queue_mean < enough {
            return None;
        }
        self.slowest_kind(disk, |kind| {
            let took = kind.await_seconds;
            let many = kind.normal_seconds.is_some_and(|normal| took >= SLOWER_THAN_USUAL * normal);
            let may_be_usual = !is_usual(kind) || self.io_waits_hurt(SATURATED_FULL);
            self.is_slow(disk, kind, SATURATED_FULL)
                || (deep && may_be_usual || many) && took >= DEEP_QUEUE_AWAIT_SECONDS
        })
    }

    /// Whether several threads do little else than wait for writes to a device that never rests, however fast it answers:
    /// sync(2) and fsync(2) in a loop.
    fn is_crowded(&self, disk: &DiskRates) -> bool {
        const WAITERS: f64 = 1.5;
        const STALLED: f64 = 0.6;
        let restless = self.limit(&DISK_BUSY).critical.is_some_and(|limit| disk.utilization_ratio >= limit);
        restless
            && self.io_stalls().some_reaches(STALLED)
            && self.waiters_for(RequestKind::Write) >= WAITERS
            && disk.kinds().any(|kind| kind.kind != RequestKind::Read && self.decides(disk, &kind))
    }

    /// The kind of request that is slowest by its limit, of those that [`decide`](Self::decides) and for which `is_slow`.
    pub fn slowest_kind(&self, disk: &DiskRates, is_slow: impl Fn(&KindRates) -> bool) -> Option<KindRates> {
        disk.kinds()
            .filter(|kind| self.decides(disk, kind) && is_slow(kind))
            .max_by(|a, b| a.await_seconds.total_cmp(&b.await_seconds))
    }
}

/// Whether this is how long such a request always takes on this device.
pub fn is_usual(kind: &KindRates) -> bool {
    kind.normal_seconds.is_some_and(|normal| kind.await_seconds <= LIKE_NORMAL * normal)
}

/// Whether a thread in D for this reason may wait for a local disk.
pub fn for_a_disk(reason: WaitReason) -> bool {
    use WaitReason::{Disk, Hidden, Journal, Memory, Other, Page, Writeback};
    matches!(reason, Disk | Page | Journal | Writeback | Memory | Other | Hidden)
}

/// The numbers of a device; the time of a request is that of `kind`, else that of all of them.
pub fn numbers(facts: &Facts<'_>, disk: &DiskRates, kind: Option<&KindRates>) -> Vec<Evidence> {
    let limit = Facts::await_limit(disk);
    let source = format!("/proc/diskstats {}", disk.name);
    let psi = facts.rates.io_pressure.as_ref().ok().map(|pressure| pressure.some_ratio);
    let took = kind.map(|kind| kind.await_seconds).or_else(|| disk.await_seconds());
    let took_source = kind.map_or_else(|| source.clone(), |kind| format!("{source} {}", kind.kind.plural()));
    let mut numbers = vec![
        facts.evidence(&DISK_BUSY, Some(disk.utilization_ratio), &source),
        facts.evidence(&DISK_QUEUE, Some(disk.queue_mean), &source),
        facts.evidence(limit, took, &took_source),
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
    for kind in disk.kinds() {
        let name = kind.kind.noun();
        let metric = format!("disk_{name}_await_seconds");
        numbers.push(plain(&metric, Some(kind.await_seconds), Unit::Seconds, &source));
        if let Some(normal) = kind.normal_seconds {
            let metric = format!("disk_{name}_await_since_boot_seconds");
            numbers.push(plain(&metric, Some(normal), Unit::Seconds, &source));
        }
    }
    if let Some(flushes) = disk.flushes_per_second.filter(|flushes| *flushes > 0.0) {
        numbers.push(plain("disk_flushes_per_second", Some(flushes), Unit::PerSecond, &source));
    }
    numbers.extend(cache_drops(facts).map(|drops| {
        plain("page_cache_drops_count", Some(drops), Unit::Count, "/proc/vmstat drop_pagecache, drop_slab")
    }));
    numbers
}

/// How often the page cache was thrown away in this window, where it was.
pub fn cache_drops(facts: &Facts<'_>) -> Option<f64> {
    facts.paging()?.cache_drops_count.filter(|count| *count > 0).map(|count| count as f64)
}

/// The same as the end of a sentence: what is read then was in memory before.
pub fn cache_drops_told(facts: &Facts<'_>) -> Option<Sentence> {
    Some(sentence!["; the page cache is thrown away ", times(cache_drops(facts)?), " in this window"])
}

/// `1 time`, `12 times`.
pub fn times(often: f64) -> Sentence {
    sentence![count(often), if often > 1.0 { " times" } else { " time" }]
}

/// A device's requests by kind: `reads take 0.2 ms (49,090/s), writes 28 ms (208/s)`. `but` is told already.
pub fn by_kind(disk: &DiskRates, but: Option<RequestKind>) -> Option<Sentence> {
    let mut kinds: Vec<KindRates> = disk.kinds().filter(|kind| Some(kind.kind) != but).collect();
    kinds.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    let told = kinds.iter().enumerate().map(|(place, kind)| {
        let verb = if place == 0 { " take " } else { " " };
        sentence![kind.kind.plural(), verb, seconds(kind.await_seconds), " (", count(kind.per_second), "/s)"]
    });
    let told: Vec<Sentence> = told.collect();
    (!told.is_empty()).then(|| Sentence::joined(told, ", "))
}
