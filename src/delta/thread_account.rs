//! Where one thread spent the time that it existed: what its clocks say exactly (on a CPU, runnable without one), and
//! the rest split by what it was seen sleeping in. The parts add up to the whole, whatever the counters say.

use crate::delta::counter::difference;
use crate::model::snapshot::Recording;
use crate::model::target::{FollowedThread, ThreadAccount};
use crate::model::task::{State, StateShare, ThreadClock, ThreadObservation, WaitChannel};
use crate::model::units::NANOSECONDS_PER_SECOND;
use crate::model::wait::Wait;
use std::collections::BTreeMap;

/// Looks from which the share of runnable ones is an estimate.
const ESTIMATE_LOOKS: u32 = 10;

/// What the clocks of one thread say, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocked {
    /// Time that it existed.
    pub(super) existed: f64,
    /// On a CPU; none where no clock tells.
    pub(super) running: Option<f64>,
    /// Runnable, but not on a CPU.
    pub(super) delayed: f64,
    /// Neither, or not told.
    pub(super) rest: f64,
    /// Turns on a CPU.
    pub(super) turns_per_second: f64,
    /// Whether the scheduler's account told the delay.
    pub(super) delay_known: bool,
}

/// Seconds after the window's start at which a thread that was born within it began.
fn born_at(recording: &Recording, thread: &ThreadObservation, first_seen: f64) -> f64 {
    let before = &recording.before.system;
    let uptime = before.uptime_seconds.as_ref().and_then(|uptime| uptime.as_ref().ok()).copied();
    let ticks = recording.host.ticks_per_second.max(1) as f64;
    let born = uptime.map(|uptime| thread.start_ticks as f64 / ticks - uptime + before.at.as_secs_f64());
    born.filter(|born| born.is_finite()).map_or(first_seen, |born| born.clamp(0.0, first_seen.max(0.0)))
}

/// Reads the clocks of one thread.
pub(super) fn clocks_of(recording: &Recording, thread: &FollowedThread) -> Clocked {
    let seen = &thread.seen;
    let zero = |at| ThreadClock { at, user_ticks: 0, system_ticks: 0, sched: None };
    let last = seen.clocks.last().copied().unwrap_or(zero(recording.before.system.at));
    let (first, start) = match seen.clocks.first() {
        Some(first) if thread.from_start => (*first, first.at.as_secs_f64()),
        first => {
            let at = first.map_or(last.at, |first| first.at);
            (zero(at), born_at(recording, seen, at.as_secs_f64()))
        }
    };
    let existed = (last.at.as_secs_f64() - start).max(0.0);
    let ticks_per_second = recording.host.ticks_per_second.max(1) as f64;
    let ticks = |from: &ThreadClock, to: &ThreadClock| {
        let sum = |clock: &ThreadClock| clock.user_ticks.saturating_add(clock.system_ticks);
        difference(sum(from), sum(to)).map(|ticks| ticks as f64 / ticks_per_second)
    };
    let exact = scheduler(seen, thread.from_start);
    // After the last account there may be a look more, at a thread that has ended since.
    let since = |account: &Account| ticks(&account.last, &last).unwrap_or(0.0);
    let running = exact.as_ref().map(|account| account.run + since(account)).or_else(|| ticks(&first, &last));
    let running = running.map(|running| running.min(existed));
    let delayed = exact.as_ref().map(|account| account.delay);
    let stalled = thread.stalled_since.map_or(0.0, |since| last.at.saturating_sub(since).as_secs_f64());
    let free = existed - running.unwrap_or(0.0);
    let booked = delayed.unwrap_or_else(|| estimated_delay(seen, existed, running)).clamp(0.0, free);
    let delayed_all = (booked + stalled).min(free);
    Clocked {
        existed,
        running,
        delayed: delayed_all,
        rest: (free - delayed_all).max(0.0),
        turns_per_second: exact
            .map_or(0.0, |account| if existed > 0.0 { account.turns / existed } else { 0.0 }),
        delay_known: delayed.is_some(),
    }
}

/// The scheduler's account between the first and the last reading of it, in seconds.
struct Account {
    run: f64,
    delay: f64,
    turns: f64,
    last: ThreadClock,
}

fn scheduler(seen: &ThreadObservation, from_start: bool) -> Option<Account> {
    let mut accounts = seen.clocks.iter().filter_map(|clock| Some((clock, clock.sched?)));
    let first = accounts.next()?;
    let (last, now) = accounts.next_back().unwrap_or(first);
    // A kernel that keeps no such account writes three zeros.
    if now.run_nanoseconds == 0 && now.timeslices_count == 0 && (last.user_ticks > 0 || last.system_ticks > 0)
    {
        return None;
    }
    let then = first.1;
    let since =
        |then: u64, now: u64| difference(if from_start { then } else { 0 }, now).map(|count| count as f64);
    Some(Account {
        run: since(then.run_nanoseconds, now.run_nanoseconds)? / NANOSECONDS_PER_SECOND,
        delay: since(then.run_delay_nanoseconds, now.run_delay_nanoseconds)? / NANOSECONDS_PER_SECOND,
        turns: since(then.timeslices_count, now.timeslices_count)?,
        last: *last,
    })
}

/// Without the scheduler's account: how much longer it was seen runnable than it ran.
fn estimated_delay(seen: &ThreadObservation, existed: f64, running: Option<f64>) -> f64 {
    let all: f64 = seen.states.iter().map(|share| share.weight).sum();
    let runnable = weight_of(seen, State::Running);
    match running {
        Some(running) if seen.looks_count >= ESTIMATE_LOOKS && all > 0.0 => {
            (runnable / all * existed - running).max(0.0)
        }
        _ => 0.0,
    }
}

/// What a thread did with the time that its clocks do not explain, by the looks that saw it asleep.
pub(super) fn account(
    seen: &ThreadObservation,
    clocked: &Clocked,
    swapping: bool,
    contended: bool,
) -> ThreadAccount {
    let mut parts: BTreeMap<(Wait, Option<String>), f64> = BTreeMap::new();
    let mut add = |wait: Wait, function: Option<String>, seconds: f64| {
        if seconds > 0.0 {
            *parts.entry((wait, function)).or_default() += seconds;
        }
    };
    add(Wait::Running, None, clocked.running.unwrap_or(0.0));
    add(Wait::WaitingForCpu, None, clocked.delayed);
    let asleep = sleeps(seen);
    // Without clocks nobody knows whether one that was runnable ran.
    let untold = if clocked.running.is_none() { weight_of(seen, State::Running) } else { 0.0 };
    let weight: f64 = asleep.iter().map(|(_, _, weight)| weight).sum::<f64>() + untold;
    if weight > 0.0 {
        add(Wait::Unknown, None, clocked.rest * (untold / weight));
        for (state, function, share) in asleep {
            let wait = match state {
                State::Uninterruptible => Wait::of_blocked(function, swapping),
                // What the kernel's own threads sleep in is where they wait for work.
                State::Sleeping if !seen.kernel_thread => Wait::of_sleeping(function, contended),
                State::Sleeping | State::Idle | State::Stopped | State::Zombie => Wait::Asleep,
                State::Running | State::Other(_) => Wait::Unknown,
            };
            let function = match state {
                State::Stopped => Some("(stopped)".to_owned()),
                _ => function.map(str::to_owned),
            };
            add(wait, function, clocked.rest * (share / weight));
        }
    } else if clocked.running.is_some() && seen.looks_count > 0 {
        // It was never seen asleep: what it did not run, it waited.
        add(Wait::WaitingForCpu, None, clocked.rest);
    } else {
        add(Wait::Unknown, None, clocked.rest);
    }
    let seconds = parts.values().sum();
    ThreadAccount { pid: seen.pid, tid: Some(seen.tid), comm: seen.comm, seconds, parts }
}

/// The looks that saw it not runnable: state, function, weight.
pub(super) fn sleeps(seen: &ThreadObservation) -> Vec<(State, Option<&str>, f64)> {
    let function = |channel: &Option<WaitChannel>| channel.as_ref().is_some_and(|c| c.function().is_some());
    let told = seen.states.iter().any(|share| function(&share.wait_channel));
    // One that had its name told and now has not was about to run.
    let raced = |share: &&StateShare| told && share.wait_channel == Some(WaitChannel::Hidden);
    let shares = seen.states.iter().filter(|share| share.state != State::Running && !raced(share));
    shares
        .map(|share| (share.state, share.wait_channel.as_ref().and_then(WaitChannel::function), share.weight))
        .collect()
}

fn weight_of(seen: &ThreadObservation, state: State) -> f64 {
    seen.states.iter().filter(|share| share.state == state).map(|share| share.weight).sum()
}
