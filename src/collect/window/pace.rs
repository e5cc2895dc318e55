//! When a live window samples, and how much, so that sampling stays within its budget of CPU time.

use crate::collect::tasks::sampler::{Plan, Sampler};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between samples while they are cheap.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Longest time between samples: a window of one second still gets one.
const SAMPLE_EVERY_MAX: Duration = Duration::from_secs(1);

/// Share of one CPU that the samples may use. The limit for all of the window is one percent: the rest of it is
/// for waking up and for the slices.
pub const SAMPLING_RATIO: f64 = 0.007;

/// Time between slices.
const SLICE_EVERY: Duration = Duration::from_secs(1);

/// Cost of sampling one thread until it has been measured.
const LOOK_SECONDS: f64 = 6e-6;

/// Threads that take turns in every sample, however small the budget.
const TURNS_MIN: usize = 8;

/// Time between two progress reports while the end of a stall is awaited.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What ends a live window.
pub(super) struct Until<'a> {
    pub(super) interval: Duration,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) enough: Option<&'a AtomicBool>,
}

impl Until<'_> {
    pub(super) fn is_enough(&self) -> bool {
        self.enough.is_some_and(|enough| enough.load(Ordering::Relaxed))
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.interval || self.interrupted.load(Ordering::Relaxed) || self.is_enough()
    }

    /// Latest time of the next sample.
    pub(super) fn next_look(&self, now: Duration) -> Duration {
        if self.enough.is_some() { self.interval.min(now + PROGRESS_EVERY) } else { self.interval }
    }
}

/// When to sample next, so that sampling stays within its budget.
pub(super) struct Pace {
    next_sample: Duration,
    next_slice: Duration,
    every: Duration,
    look_seconds: f64,
    step: u32,
    budget_ratio: f64,
}

impl Pace {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            next_sample: now + SAMPLE_EVERY,
            next_slice: SLICE_EVERY,
            every: SAMPLE_EVERY,
            look_seconds: LOOK_SECONDS,
            step: 0,
            budget_ratio: SAMPLING_RATIO,
        }
    }

    /// Sets another budget.
    pub(super) fn afford(&mut self, ratio: f64) {
        self.budget_ratio = ratio.clamp(1e-4, SAMPLING_RATIO);
    }

    pub(super) fn next_wake(&self, now: Duration) -> Duration {
        self.next_sample.min(self.next_slice).max(now)
    }

    /// Whether it is time for a slice, whose turn is then over; none is taken shortly before the end, which is a snapshot anyway.
    pub(super) fn begin_slice_if_due(&mut self, now: Duration, interval: Duration) -> bool {
        let due = now >= self.next_slice && now + SLICE_EVERY / 4 < interval;
        if due {
            self.next_slice += SLICE_EVERY;
        }
        due
    }

    /// Whether it is time for a sample.
    pub(super) fn sample_is_due(&self, now: Duration) -> bool {
        now >= self.next_sample
    }

    /// How many of the threads of the target one sample may look at: half of the budget is theirs.
    pub(super) fn followed(&self, threads: usize) -> usize {
        let budget = self.every.as_secs_f64() * self.budget_ratio / 2.0;
        ((budget / (2.0 * self.look_seconds)) as usize).max(TURNS_MIN).min(threads)
    }

    pub(super) fn plan(&self, sampler: &Sampler, followed: usize) -> Plan {
        let budget = self.every.as_secs_f64() * self.budget_ratio;
        // A hot thread costs its state and its wait channel, and so does one that is followed.
        let left = budget - 2.0 * (sampler.hot_count() + followed) as f64 * self.look_seconds;
        let turns = (left / self.look_seconds).max(0.0) as usize;
        // Listing a process costs about a fifteenth of reading it.
        let listing = sampler.processes_count() as f64 * self.look_seconds / 15.0;
        Plan {
            turns_count: turns.clamp(TURNS_MIN, sampler.turns_count().max(TURNS_MIN)),
            discover: listing < budget / 5.0 || self.step.is_multiple_of(20),
        }
    }

    /// Notes what a sample cost and sets the time of the next one.
    pub(super) fn sampled(&mut self, now: Duration, seconds: f64, looks: usize) {
        if looks > 0 {
            // Half old, half new: one slow look must not silence the rest of the window.
            self.look_seconds = (self.look_seconds + (seconds / looks as f64).clamp(1e-6, 1e-3)) / 2.0;
        }
        let affordable = Duration::from_secs_f64((seconds / self.budget_ratio).clamp(0.0, 60.0));
        self.every = affordable.clamp(SAMPLE_EVERY, SAMPLE_EVERY_MAX);
        self.step = self.step.wrapping_add(1);
        // Multiples of the golden ratio spread evenly: no beat with a 100 ms quota or a 1 s timer.
        let phase = (f64::from(self.step) * 0.618_033_988_75).fract();
        self.next_sample = now + self.every.mul_f64(0.75 + 0.5 * phase);
    }
}

/// CPU time of this thread.
pub(super) struct CpuClock(f64);

impl CpuClock {
    pub(super) fn start() -> Self {
        Self(Self::now())
    }

    fn now() -> f64 {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
        tv_sec as f64 + tv_nsec as f64 / 1e9
    }

    pub(super) fn seconds(&self) -> f64 {
        (Self::now() - self.0).max(0.0)
    }
}

/// Sleeps, or less long when Ctrl-C comes.
pub(super) fn sleep(duration: Duration, interrupted: &AtomicBool) {
    let end = Instant::now() + duration;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || interrupted.load(Ordering::Relaxed) {
            return;
        }
        let request = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        // A signal ends the sleep early; the loop then looks at the flag.
        let _ = rustix::thread::nanosleep(&request);
    }
}
