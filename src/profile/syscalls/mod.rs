//! Which system calls a process makes, how often they fail and what they are about, without stopping it.
//!
//! Source: the tracepoint raw_syscalls:sys_exit through perf_event_open(2), kernel `kernel/events/core.c`
//! (`perf_tp_event`). The event counts every call and looks at every n-th; n is a prime, so that it does not keep step with
//! a loop of calls, and is chosen by the rate: small where calls are rare, large where each sample would cost the process
//! its speed. Shares come from the samples, the number of calls from the counter, which misses none.
//! A 64-bit program that makes a call through the gate of 32-bit ones (`int 0x80`) cannot be distinguished from others: such calls,
//! which are rare, get the name that the number has in the 64-bit table.
//! PERF_SAMPLE_PERIOD must not be asked for: with it a tracepoint samples every event, whatever the period.

mod attach;
mod sample;
mod sockets;
mod subject;
mod tally;

use crate::model::profile::TracedSyscalls;
use crate::model::task::Pid;
use crate::profile::access::{self, Refused, Right, Target};
use attach::Attached;
use sample::Tracepoint;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use subject::Resolver;
use tally::Tally;

/// How often the rings are emptied: at the highest rates below, 512 KiB last for more than ten of these.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a period is tried before the rate may ask for another one.
const TRIAL: Duration = Duration::from_millis(140);

/// How often the period may change: to attach anew costs some milliseconds.
const CHANGES_MAX: u32 = 8;

/// Every call is looked at below this rate, calls a second.
const RARE_PER_SECOND: f64 = 20_000.0;

/// The same where most calls are those of young children: an event begins anew in each, and what a child does in its
/// first hundred calls would hardly ever be seen.
const RARE_OF_CHILDREN_PER_SECOND: f64 = 200_000.0;

/// Children are young where one is born in less than so many calls.
const CALLS_OF_A_LIFE: f64 = 1000.0;

/// Every thousandth or so is looked at above this rate.
const STORM_PER_SECOND: f64 = 1_000_000.0;

/// Every how many calls one is looked at: of few calls, of most programs, of storms.
const PERIODS: [u64; 3] = [1, 101, 1009];

/// Why system calls were not traced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The kernel does not allow it, or lacks it.
    #[error("{}", .0.reason)]
    Refused(Refused),
    /// There was no thread left to be traced.
    #[error("the process ended before it could be traced")]
    Ended,
}

impl TraceError {
    /// Why, and what to type.
    pub fn into_refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Ended => Refused { reason: Self::Ended.to_string(), unlock: None },
        }
    }
}

/// Traces the system calls of the processes `pids`, and of what threads and children they start, for `duration` or
/// until `interrupted` or until they have ended.
pub fn trace(
    pids: &[Pid],
    duration: Duration,
    interrupted: &AtomicBool,
) -> Result<TracedSyscalls, TraceError> {
    let tracepoint = Tracepoint::find().map_err(|error| refused(pids, error.as_ref()))?;
    let mut run =
        Run { pids, interrupted, deadline: Instant::now() + duration, tally: Tally::default(), seconds: 0.0 };
    let mut resolver = Resolver::start();
    let mut period = PERIODS[1];
    let (mut lost_count, mut note) = (0u64, None);
    for change in 0..=CHANGES_MAX {
        let mut attached = match Attached::open(pids, &tracepoint, period) {
            Ok(attached) => attached,
            // Something was seen already: that it ended meanwhile, or is refused now, takes nothing away.
            Err(_) if change > 0 => break,
            Err(attach::Error::Ended) => return Err(TraceError::Ended),
            Err(attach::Error::Refused(error, what)) => {
                let refused = access::explain_error(access::errno_of(&error), what, &access::look());
                return Err(TraceError::Refused(refused));
            }
        };
        let next = run.phase(&mut attached, &tracepoint, &mut resolver, change < CHANGES_MAX);
        lost_count = lost_count.saturating_add(attached.lost_count());
        note = note.or(attached.note);
        match next {
            Some(next) => period = next,
            None => break,
        }
    }
    let Run { mut tally, seconds, .. } = run;
    tally.resolve(&mut resolver);
    let (calls_count, calls) = tally.finish(&mut resolver);
    Ok(TracedSyscalls { pids: pids.to_vec(), seconds, calls_count, period, lost_count, calls, note })
}

/// Why the tracepoint itself could not be found.
fn refused(pids: &[Pid], error: Option<&std::io::Error>) -> TraceError {
    let facts = access::look();
    let target = pids.iter().find_map(|&pid| access::look_at(pid));
    let target = target.unwrap_or_else(|| Target::of_user(facts.euid, &facts));
    if let Right::Refused(refused) = access::judge(&facts, target).tracepoints {
        return TraceError::Refused(refused);
    }
    let reason = error.map_or_else(
        || "the kernel's description of raw_syscalls:sys_exit is not understood".to_owned(),
        |error| format!("the kernel has no tracepoint raw_syscalls:sys_exit: {error}"),
    );
    TraceError::Refused(Refused { reason, unlock: Some("a kernel with CONFIG_FTRACE_SYSCALLS".to_owned()) })
}

/// One run over all periods.
struct Run<'a> {
    pids: &'a [Pid],
    interrupted: &'a AtomicBool,
    deadline: Instant,
    tally: Tally,
    seconds: f64,
}

impl Run<'_> {
    /// Traces with one period; answers the next one, or none at the end.
    fn phase(
        &mut self,
        attached: &mut Attached,
        tracepoint: &Tracepoint,
        resolver: &mut Resolver,
        may_change: bool,
    ) -> Option<u64> {
        let start = attached.enable();
        let births_before = self.tally.births_count();
        let mut before = Seen { births: births_before as f64, ..Seen::default() };
        let (mut trial, mut missed_children) = (start, false);
        let next = loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            sleep(PAUSE.min(left));
            attached.drain(tracepoint, &mut self.tally, resolver);
            let now = Instant::now();
            if now >= self.deadline || self.interrupted.load(Ordering::Relaxed) {
                break None;
            }
            let tried = now.duration_since(trial);
            if tried < TRIAL {
                continue;
            }
            let seen = self.seen(attached);
            let span = seen.since(&before);
            if span.calls < 1.0 && self.have_ended() {
                break None;
            }
            let young = span.is_young();
            let wanted = period_for(span.calls / tried.as_secs_f64(), attached.period, young);
            if may_change && wanted != attached.period && self.deadline > now + TRIAL {
                missed_children = young && wanted < attached.period;
                break Some(wanted);
            }
            (trial, before) = (now, seen);
        };
        let end = attached.disable();
        attached.drain(tracepoint, &mut self.tally, resolver);
        self.seconds += end.duration_since(start).as_secs_f64();
        let counted = attached.calls_count();
        // A first look that hardly saw the children is counted, and named as what comes after it.
        if missed_children && end.duration_since(start) < 2 * TRIAL {
            let births = self.tally.births_count().saturating_sub(births_before);
            self.tally.forget_phase(counted.unwrap_or(0).saturating_sub(births));
            return next;
        }
        let samples = self.tally.samples_count();
        self.tally.close_phase(counted.unwrap_or_else(|| samples.saturating_mul(attached.period)));
        next
    }

    /// What was seen since the period began.
    fn seen(&self, attached: &mut Attached) -> Seen {
        let births = self.tally.births_count() as f64;
        let sampled = self.tally.samples_count() as f64 * attached.period as f64;
        let counted = if attached.period > 1 { attached.calls_count_soon() } else { None };
        Seen { calls: counted.map_or(sampled, |count| count as f64), sampled, births }
    }

    /// Whether none of the processes is left; their children would have been seen.
    fn have_ended(&self) -> bool {
        self.pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    }
}

/// Calls, those that the samples stand for, and processes and threads that were born.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    calls: f64,
    sampled: f64,
    births: f64,
}

impl Seen {
    fn since(&self, before: &Self) -> Self {
        Self {
            calls: (self.calls - before.calls).max(0.0),
            sampled: (self.sampled - before.sampled).max(0.0),
            births: (self.births - before.births).max(0.0),
        }
    }

    /// Whether most calls are of children that have not lived long enough to be sampled.
    fn is_young(&self) -> bool {
        let unseen = self.calls > 2.0 * self.sampled && self.calls - self.sampled > CALLS_OF_A_LIFE;
        unseen || self.births * CALLS_OF_A_LIFE > self.calls
    }
}

/// The period for a rate; the one in force is kept until the rate is far from its range.
fn period_for(calls_per_second: f64, current: u64, young: bool) -> u64 {
    let rare = if young { RARE_OF_CHILDREN_PER_SECOND } else { RARE_PER_SECOND };
    let [all, some, few] = PERIODS;
    match current {
        1 if calls_per_second < 2.0 * rare => all,
        1009 if calls_per_second > 0.5 * STORM_PER_SECOND => few,
        _ if calls_per_second < rare => all,
        _ if calls_per_second < STORM_PER_SECOND => some,
        _ => few,
    }
}

#[cfg(test)]
mod tests;
