//! The events and rings of one period.
//!
//! One event for each thread and CPU, since only an event of one CPU may both be inherited by new threads and write to
//! a ring; all events of a CPU share one. Where that would be too many descriptors, one event for each CPU sees everybody's
//! calls, and the number of calls is what the samples stand for.

use super::sample::{REGISTERS, Sample, Tracepoint};
use super::subject::Resolver;
use super::tally::Tally;
use crate::model::task::Pid;
use crate::profile::access::What;
use crate::profile::perf::{online_cpus, redirect, threads};
use perf_event::{Builder, Counter, ReadFormat, SampleFlag, Sampler, events};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Instant;
use syscalls::Errno;

/// Sizes of rings that are tried; smaller ones where a user may not lock more.
const RING_BYTES: [usize; 6] = [512 << 10, 256 << 10, 128 << 10, 64 << 10, 32 << 10, 16 << 10];

/// Events that are opened at most: to open and close one takes some 20 microseconds.
const EVENTS_MAX: usize = 2048;

/// Events that are read while the trace goes on.
const SOON_MAX: usize = 512;

/// Descriptors that are left to others.
const SPARE_DESCRIPTORS: usize = 64;

/// Records in a ring, kernel `enum perf_event_type`.
const RECORD_LOST: u32 = 2;
const RECORD_FORK: u32 = 7;
const RECORD_SAMPLE: u32 = 9;

/// Why nothing could be attached.
#[derive(Debug)]
pub(super) enum Error {
    /// No thread is left.
    Ended,
    /// What the kernel said, of what.
    Refused(io::Error, What),
}

/// Events that are open.
pub(super) struct Attached {
    /// One for each CPU, with its ring.
    rings: Vec<Sampler>,
    /// The others, which write to the rings.
    counters: Vec<Counter>,
    /// Processes whose samples are kept, where everybody's come.
    only: Option<HashSet<Pid>>,
    /// Every how many calls one is looked at.
    pub(super) period: u64,
    /// What is not exact.
    pub(super) note: Option<String>,
    /// Losses that records told of.
    lost_records: u64,
    /// Events that a sample was seen of.
    streams: HashSet<u64>,
    /// The last sample that came whatever the period.
    forced: Option<Sample>,
}

/// Events that are remembered: more come of processes that fork without end.
const STREAMS_MAX: usize = 1 << 16;

impl Attached {
    /// Opens what is needed for all threads of `pids`; nothing runs yet.
    pub(super) fn open(pids: &[Pid], tracepoint: &Tracepoint, period: u64) -> Result<Self, Error> {
        let threads: Vec<Pid> = pids.iter().flat_map(|&pid| threads(pid)).collect();
        if threads.is_empty() {
            return Err(Error::Ended);
        }
        let cpus = online_cpus().map_err(|error| Error::Refused(error, What::Tracepoints))?;
        let affordable = descriptors() / cpus.len().max(1);
        if threads.len() <= affordable {
            return Self::of_threads(&threads, &cpus, tracepoint, period);
        }
        let wide = Self::of_cpus(pids, &cpus, tracepoint, period);
        match wide {
            Ok(mut wide) => {
                let count = threads.len();
                wide.note =
                    Some(format!("{count} threads are too many to count each call: scaled up from samples"));
                Ok(wide)
            }
            Err(Error::Refused(..)) if affordable > 0 => {
                let mut some = Self::of_threads(&threads[..affordable], &cpus, tracepoint, period)?;
                some.note = Some(format!("only {affordable} of {} threads were traced", threads.len()));
                Ok(some)
            }
            Err(error) => Err(error),
        }
    }

    fn new(period: u64, only: Option<HashSet<Pid>>) -> Self {
        Self {
            rings: Vec::new(),
            counters: Vec::new(),
            only,
            period,
            note: None,
            lost_records: 0,
            streams: HashSet::new(),
            forced: None,
        }
    }

    fn of_threads(
        threads: &[Pid],
        cpus: &[usize],
        tracepoint: &Tracepoint,
        period: u64,
    ) -> Result<Self, Error> {
        let mut attached = Self::new(period, None);
        let mut refusal = None;
        for &cpu in cpus {
            let mut ring: Option<usize> = None;
            for &thread in threads {
                let mut builder = builder(tracepoint, period);
                builder.observe_pid(thread).one_cpu(cpu).inherit(true);
                match attached.add(&builder, &mut ring) {
                    Ok(()) => {}
                    // The thread has ended, or the CPU is off.
                    Err(Error::Refused(error, _)) if is(&error, &[Errno::ESRCH, Errno::ENODEV]) => {}
                    Err(Error::Refused(error, what)) => refusal = refusal.or(Some((error, what))),
                    Err(Error::Ended) => {}
                }
            }
        }
        match (attached.rings.is_empty(), refusal) {
            (true, Some((error, what))) => Err(Error::Refused(error, what)),
            (true, None) => Err(Error::Ended),
            (false, None) => Ok(attached),
            (false, Some((error, _))) => {
                attached.note = Some(format!("not every thread was traced: {error}"));
                Ok(attached)
            }
        }
    }

    fn of_cpus(pids: &[Pid], cpus: &[usize], tracepoint: &Tracepoint, period: u64) -> Result<Self, Error> {
        let mut attached = Self::new(period, Some(pids.iter().copied().collect()));
        for &cpu in cpus {
            let mut builder = builder(tracepoint, period);
            builder.any_pid().one_cpu(cpu).task(true);
            match attached.add(&builder, &mut None) {
                Err(Error::Refused(error, _)) if is(&error, &[Errno::ENODEV]) => {}
                other => other?,
            }
        }
        if attached.rings.is_empty() { Err(Error::Ended) } else { Ok(attached) }
    }

    /// Opens one event; it gets a ring of its own where its CPU has none yet.
    fn add(&mut self, builder: &Builder<'_>, ring: &mut Option<usize>) -> Result<(), Error> {
        let refused = |error| Error::Refused(error, What::Tracepoints);
        if let Some(owner) = ring.and_then(|index| self.rings.get(index)) {
            let counter = builder.build().map_err(refused)?;
            redirect(&counter, owner).map_err(refused)?;
            self.counters.push(counter);
            return Ok(());
        }
        let mut too_large = None;
        for bytes in RING_BYTES {
            match builder.build().map_err(refused)?.sampled(bytes) {
                Ok(sampler) => {
                    *ring = Some(self.rings.len());
                    self.rings.push(sampler);
                    return Ok(());
                }
                Err(error) if is(&error, &[Errno::EPERM, Errno::ENOMEM]) => too_large = Some(error),
                Err(error) => return Err(Error::Refused(error, What::Ring)),
            }
        }
        Err(too_large.map_or(Error::Ended, |error| Error::Refused(error, What::Ring)))
    }

    /// Starts; answers when, in the middle of starting all.
    pub(super) fn enable(&mut self) -> Instant {
        self.switch(Counter::enable)
    }

    /// Stops; answers when.
    pub(super) fn disable(&mut self) -> Instant {
        self.switch(Counter::disable)
    }

    fn switch(&mut self, switch: fn(&mut Counter) -> io::Result<()>) -> Instant {
        let before = Instant::now();
        let rings = self.rings.iter_mut().map(Sampler::as_counter_mut);
        // An event of a thread that has ended cannot be switched and keeps its count.
        rings.chain(self.counters.iter_mut()).for_each(|counter| drop(switch(counter)));
        before + before.elapsed() / 2
    }

    /// Calls in all, by the counters; none where those count everybody's.
    pub(super) fn calls_count(&mut self) -> Option<u64> {
        if self.only.is_some() {
            return None;
        }
        let rings = self.rings.iter_mut().map(Sampler::as_counter_mut);
        let counts = rings.chain(self.counters.iter_mut()).filter_map(|counter| counter.read().ok());
        Some(counts.fold(0, u64::saturating_add))
    }

    /// The same, unless there are so many counters that to read them takes its time.
    pub(super) fn calls_count_soon(&mut self) -> Option<u64> {
        if self.rings.len().saturating_add(self.counters.len()) > SOON_MAX {
            return None;
        }
        self.calls_count()
    }

    /// Samples that were lost.
    pub(super) fn lost_count(&mut self) -> u64 {
        let rings = self.rings.iter_mut().map(Sampler::as_counter_mut);
        let counters = rings.chain(self.counters.iter_mut());
        let lost = counters.filter_map(|counter| counter.read_full().ok()?.lost());
        // The counters know nothing of threads that were born meanwhile, the records nothing of the last losses.
        lost.fold(0, u64::saturating_add).max(self.lost_records)
    }

    /// Empties the rings into the tally.
    pub(super) fn drain(&mut self, tracepoint: &Tracepoint, tally: &mut Tally, resolver: &mut Resolver) {
        resolver.begin();
        if self.streams.len() > STREAMS_MAX {
            self.streams.clear();
        }
        for ring in &mut self.rings {
            while let Some(record) = ring.next_record() {
                let bytes = record.to_contiguous();
                match record.ty() {
                    RECORD_SAMPLE => {
                        let sample = tracepoint.sample(&bytes);
                        let kept = sample.filter(|sample| is_kept(self.only.as_ref(), sample.pid));
                        if let Some(sample) = kept {
                            // A tracepoint's event takes the first call whatever the period, as often as twice,
                            // and only then every n-th.
                            let first = self.period > 1 && self.streams.insert(sample.stream);
                            let forced = first || self.forced.take() == Some(sample);
                            self.forced = first.then_some(sample);
                            tally.add(&sample, forced, resolver);
                        }
                    }
                    RECORD_LOST => {
                        let lost = word(&bytes, 8).unwrap_or(0);
                        self.lost_records = self.lost_records.saturating_add(lost);
                    }
                    RECORD_FORK => follow(self.only.as_mut(), &bytes),
                    _ => {}
                }
            }
        }
        resolver.collect(tally);
    }
}

fn is_kept(only: Option<&HashSet<Pid>>, pid: Pid) -> bool {
    only.is_none_or(|only| only.contains(&pid))
}

/// A child of a process that is kept is kept as well: `u32 pid, ppid, tid, ptid; u64 time`.
fn follow(only: Option<&mut HashSet<Pid>>, bytes: &[u8]) {
    let Some(only) = only else { return };
    let id = |at: usize| Some(i32::from_ne_bytes(bytes.get(at..)?.get(..4)?.try_into().ok()?));
    if let (Some(child), Some(parent)) = (id(0), id(4))
        && only.contains(&parent)
    {
        only.insert(child);
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..)?.get(..8)?.try_into().ok()?))
}

fn is(error: &io::Error, numbers: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|raw| numbers.contains(&Errno::new(raw)))
}

fn builder(tracepoint: &Tracepoint, period: u64) -> Builder<'static> {
    let mut builder = Builder::new(events::Tracepoint::with_id(tracepoint.id));
    builder.exclude_kernel(false).sample_period(period).read_format(losses());
    builder.sample(SampleFlag::TID).sample(SampleFlag::STREAM_ID).sample(SampleFlag::RAW);
    if REGISTERS != 0 {
        builder.sample(SampleFlag::REGS_USER).sample_regs_user(REGISTERS);
    }
    builder
}

/// Whether counters tell of their losses: since Linux 6.0.
fn losses() -> ReadFormat {
    static KNOWN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let ask = || Builder::new(events::Software::DUMMY).read_format(ReadFormat::LOST).build().is_ok();
    if *KNOWN.get_or_init(ask) { ReadFormat::LOST } else { ReadFormat::empty() }
}

/// Events that there are descriptors for.
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    limit.saturating_sub(open).saturating_sub(SPARE_DESCRIPTORS).min(EVENTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_the_kept_are_kept() {
        let mut only = HashSet::from([10]);
        let fork = |child: i32, parent: i32| [child.to_ne_bytes(), parent.to_ne_bytes()].concat();
        follow(Some(&mut only), &fork(11, 10));
        follow(Some(&mut only), &fork(12, 11));
        follow(Some(&mut only), &fork(14, 13));
        follow(Some(&mut only), &[1, 2, 3]);
        assert!(is_kept(Some(&only), 12) && !is_kept(Some(&only), 14) && is_kept(None, 14));
    }
}
