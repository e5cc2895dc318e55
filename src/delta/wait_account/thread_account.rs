//! Where one thread spent the time that it existed: what its clocks say exactly (on a CPU, runnable without one), and
//! the rest split by what it was seen sleeping in. The parts add up to the whole, whatever the counters say.

use crate::delta::counter::difference;
use crate::model::target::{FollowedThread, STOPPED, ThreadAccount};
use crate::model::task::{State, StateShare, ThreadClock, ThreadObservation, WaitChannel};
use crate::model::units::NANOSECONDS_PER_SECOND;
use crate::model::wait::Wait;
use std::collections::BTreeMap;
use std::time::Duration;

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

/// When the window began, by the clock that the starts of threads are counted in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Seconds of the first snapshot since the window's start.
    pub(super) at_seconds: f64,
    /// Seconds since boot at that snapshot.
    pub(super) uptime_seconds: Option<f64>,
    /// USER_HZ.
    pub(super) ticks_per_second: f64,
}

/// Seconds after the window's start at which a thread that was born within it began.
fn born_at(moment: &Moment, thread: &ThreadObservation, first_seen: f64) -> f64 {
    let started = thread.start_ticks as f64 / moment.ticks_per_second;
    let born = moment.uptime_seconds.map(|uptime| started - uptime + moment.at_seconds);
    born.filter(|born| born.is_finite()).map_or(first_seen, |born| born.clamp(0.0, first_seen.max(0.0)))
}

/// Reads the clocks of one thread.
pub(super) fn clocks_of(thread: &FollowedThread, moment: &Moment) -> Clocked {
    let seen = &thread.seen;
    let zero = |at| ThreadClock { at, user_ticks: 0, system_ticks: 0, sched: None };
    let last = seen.clocks.last().copied().unwrap_or(zero(Duration::ZERO));
    let (first, start) = match seen.clocks.first() {
        Some(first) if thread.from_start => (*first, first.at.as_secs_f64()),
        first => {
            let at = first.map_or(last.at, |first| first.at);
            (zero(at), born_at(moment, seen, at.as_secs_f64()))
        }
    };
    let existed = (last.at.as_secs_f64() - start).max(0.0);
    let ticks = |from: &ThreadClock, to: &ThreadClock| {
        let sum = |clock: &ThreadClock| clock.user_ticks.saturating_add(clock.system_ticks);
        difference(sum(from), sum(to)).map(|ticks| ticks as f64 / moment.ticks_per_second)
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
    // Without clocks it is unknown whether a runnable thread ran.
    let untold = if clocked.running.is_none() { weight_of(seen, State::Running) } else { 0.0 };
    let weight: f64 = asleep.iter().map(|(_, _, weight)| weight).sum::<f64>() + untold;
    if weight > 0.0 {
        add(Wait::Unknown, None, clocked.rest * (untold / weight));
        for (state, function, share) in asleep {
            let (wait, function) = class_of(seen, state, function, swapping, contended);
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

/// What a thread did that was seen in this state and function.
pub(super) fn class_of(
    seen: &ThreadObservation,
    state: State,
    function: Option<&str>,
    swapping: bool,
    contended: bool,
) -> (Wait, Option<String>) {
    let wait = match state {
        State::Uninterruptible => Wait::of_blocked(function, swapping),
        // What the kernel's own threads sleep in is where they wait for work.
        State::Sleeping if !seen.kernel_thread => Wait::of_sleeping(function, contended),
        State::Sleeping | State::Idle | State::Stopped | State::Zombie => Wait::Asleep,
        State::Running | State::Other(_) => Wait::Unknown,
    };
    let function = match state {
        State::Stopped => Some(STOPPED.to_owned()),
        _ => function.map(str::to_owned),
    };
    (wait, function)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::{Comm, SchedStat};

    fn clock(at: f64, ticks: u64, sched: Option<(f64, f64)>) -> ThreadClock {
        let nanoseconds = |seconds: f64| (seconds * NANOSECONDS_PER_SECOND) as u64;
        ThreadClock {
            at: Duration::from_secs_f64(at),
            user_ticks: ticks,
            system_ticks: 0,
            sched: sched.map(|(run, delay)| SchedStat {
                run_nanoseconds: nanoseconds(run),
                run_delay_nanoseconds: nanoseconds(delay),
                timeslices_count: 100,
            }),
        }
    }

    fn look(state: State, function: Option<&str>, weight: f64) -> StateShare {
        let sleeping = matches!(state, State::Sleeping | State::Uninterruptible);
        let told = function.map_or(WaitChannel::Hidden, |name| WaitChannel::Function(name.to_owned()));
        StateShare { state, wait_channel: sleeping.then_some(told), weight }
    }

    fn thread(clocks: Vec<ThreadClock>, states: Vec<StateShare>) -> FollowedThread {
        let looks: f64 = states.iter().map(|share| share.weight).sum();
        FollowedThread {
            seen: ThreadObservation {
                pid: 7,
                tid: 8,
                comm: Comm::new(b"x"),
                start_ticks: 900,
                ppid: 1,
                session: 1,
                nice: 0,
                policy: None,
                kernel_thread: false,
                cpus_allowed: None,
                clocks,
                states,
                looks_count: looks as u32,
                futex_looks: Vec::new(),
            },
            from_start: true,
            stalled_since: None,
            wait_details: Vec::new(),
        }
    }

    /// Share of each class, and that they add up.
    fn shares(thread: &FollowedThread) -> BTreeMap<Wait, f64> {
        let clocked = clocks_of(thread, &moment());
        let account = account(&thread.seen, &clocked, false, false);
        assert!((account.seconds - clocked.existed).abs() < 1e-9, "{account:?}");
        let mut shares = BTreeMap::new();
        for ((wait, _), seconds) in account.parts {
            assert!(seconds > 0.0);
            *shares.entry(wait).or_default() += seconds / account.seconds;
        }
        shares
    }

    fn moment() -> Moment {
        // Ten seconds after boot; start_ticks 1100 is one second into the window.
        Moment { at_seconds: 0.0, uptime_seconds: Some(10.0), ticks_per_second: 100.0 }
    }

    fn assert_shares(thread: &FollowedThread, expected: &[(Wait, f64)]) {
        let found = shares(thread);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (wait, share) in expected {
            assert!((found.get(wait).copied().unwrap_or(-1.0) - share).abs() < 1e-6, "{wait:?} in {found:?}");
        }
    }

    #[test]
    fn clocks_are_exact_and_the_rest_is_split_by_what_was_seen() {
        let states = vec![
            look(State::Running, None, 40.0),
            look(State::Uninterruptible, Some("submit_bio_wait"), 30.0),
            look(State::Sleeping, Some("do_epoll_wait"), 10.0),
        ];
        let thread = thread(vec![clock(0.0, 0, Some((1.0, 1.0))), clock(5.0, 99, Some((2.0, 2.0)))], states);
        let expected =
            [(Wait::Running, 0.2), (Wait::WaitingForCpu, 0.2), (Wait::Disk, 0.45), (Wait::Asleep, 0.15)];
        assert_shares(&thread, &expected);
    }

    #[test]
    fn one_that_never_slept_waited_when_it_did_not_run() {
        let states = vec![look(State::Running, None, 50.0)];
        let thread = thread(vec![clock(0.0, 0, Some((0.0, 0.0))), clock(4.0, 0, Some((1.0, 0.0)))], states);
        assert_shares(&thread, &[(Wait::Running, 0.25), (Wait::WaitingForCpu, 0.75)]);
    }

    #[test]
    fn a_wait_for_a_cpu_that_has_not_ended_counts() {
        let states =
            vec![look(State::Sleeping, Some("do_epoll_wait"), 10.0), look(State::Running, None, 10.0)];
        let mut thread =
            thread(vec![clock(0.0, 0, Some((0.0, 0.0))), clock(4.0, 0, Some((0.0, 0.0)))], states);
        thread.stalled_since = Some(Duration::from_secs(1));
        assert_shares(&thread, &[(Wait::WaitingForCpu, 0.75), (Wait::Asleep, 0.25)]);
    }

    #[test]
    fn without_the_account_of_the_scheduler_looks_and_ticks_stand_in() {
        let states =
            vec![look(State::Running, None, 50.0), look(State::Sleeping, Some("hrtimer_nanosleep"), 50.0)];
        for sched in [None, Some((0.0, 0.0))] {
            let mut clocks = vec![clock(0.0, 100, sched), clock(4.0, 200, sched)];
            clocks.iter_mut().filter_map(|c| c.sched.as_mut()).for_each(|sched| sched.timeslices_count = 0);
            let thread = thread(clocks, states.clone());
            let expected = [(Wait::Running, 0.25), (Wait::WaitingForCpu, 0.25), (Wait::Asleep, 0.5)];
            assert_shares(&thread, &expected);
        }
    }

    #[test]
    fn clocks_that_go_backwards_tell_nothing() {
        let states = vec![look(State::Running, None, 5.0), look(State::Sleeping, Some("sk_wait_data"), 15.0)];
        let thread = thread(vec![clock(0.0, 100, None), clock(4.0, 50, None)], states);
        assert_shares(&thread, &[(Wait::Unknown, 0.25), (Wait::Network, 0.75)]);
        let never = self::thread(vec![clock(0.0, 100, None), clock(4.0, 50, None)], Vec::new());
        assert_shares(&never, &[(Wait::Unknown, 1.0)]);
    }

    #[test]
    fn clocks_of_more_than_the_time_that_passed_are_cut() {
        let thread =
            thread(vec![clock(0.0, 0, Some((0.0, 0.0))), clock(2.0, 0, Some((9.0, 9.0)))], Vec::new());
        assert_shares(&thread, &[(Wait::Running, 1.0)]);
    }

    #[test]
    fn one_that_was_born_within_the_window_began_at_zero() {
        let mut thread = thread(
            vec![clock(2.0, 50, Some((0.5, 0.0))), clock(3.0, 100, Some((1.0, 0.0)))],
            vec![look(State::Sleeping, Some("futex_do_wait"), 3.0)],
        );
        thread.from_start = false;
        thread.seen.start_ticks = 1100;
        let clocked = clocks_of(&thread, &moment());
        assert!((clocked.existed - 2.0).abs() < 1e-9 && clocked.running == Some(1.0), "{clocked:?}");
        assert_shares(&thread, &[(Wait::Running, 0.5), (Wait::Asleep, 0.5)]);
    }

    #[test]
    fn what_the_kernel_hides_is_unknown_unless_it_was_a_race() {
        let clocks = || vec![clock(0.0, 0, Some((0.0, 0.0))), clock(4.0, 0, Some((0.0, 0.0)))];
        let hidden = thread(clocks(), vec![look(State::Sleeping, None, 20.0)]);
        assert_shares(&hidden, &[(Wait::Unknown, 1.0)]);
        let raced = vec![look(State::Sleeping, None, 1.0), look(State::Sleeping, Some("wait_woken"), 9.0)];
        assert_shares(&thread(clocks(), raced), &[(Wait::Network, 1.0)]);
        let mut worker = thread(clocks(), vec![look(State::Sleeping, Some("mutex_lock"), 9.0)]);
        worker.seen.kernel_thread = true;
        assert_shares(&worker, &[(Wait::Asleep, 1.0)]);
    }
}
