//! Where threads spent their time, in detail: each part of a thread's account, split by the wait details found in it.

use crate::delta::process::sampled;
use crate::delta::wait_account::target::{Accounts, Around, accounts_of, from_sample, swaps};
use crate::delta::wait_account::thread_account::class_of;
use crate::model::snapshot::Recording;
use crate::model::target::{FollowedThread, ThreadAccount};
use crate::model::task::{CgroupPaths, Pid, WaitChannel};
use crate::model::wait::{Wait, sleeps_in_futex};
use crate::model::wait_details::{Inside, ThreadWaits, WaitRates, WaitSpan};
use std::collections::{BTreeMap, BTreeSet};

/// What a part of an account is: what the thread did, and the function it slept in.
type Class = (Wait, Option<String>);

/// The time of all threads that were followed, and of hot threads of other programs.
pub fn waits(recording: &Recording, around: &Around<'_>) -> WaitRates {
    let target = recording.target.as_ref().filter(|target| target.followed);
    // Without a profile it is not needed what the others wait in.
    if target.is_none() && recording.watched.is_none() {
        return WaitRates::default();
    }
    let mut rates = WaitRates { refused: recording.refused.clone(), ..WaitRates::default() };
    if let Some(target) = target {
        add(recording, around, &target.threads, &target.cgroups, &mut rates);
    }
    if let Some(watched) = &recording.watched {
        add(recording, around, &watched.threads, &watched.cgroups, &mut rates);
    }
    rates.followed = rates.threads.iter().map(|thread| thread.pid).collect();
    let others = sampled(recording).into_iter();
    let others = others.filter(|thread| !thread.kernel_thread && !rates.followed.contains(&thread.pid));
    let others: Vec<FollowedThread> = others.map(from_sample).collect();
    let pids: BTreeSet<Pid> = others.iter().map(|thread| thread.seen.pid).collect();
    let cgroups = recording.details.iter().filter_map(|(pid, details)| {
        let paths = details.cgroups.as_ref()?.as_ref().ok()?;
        pids.contains(pid).then(|| (*pid, paths.clone()))
    });
    add(recording, around, &others, &cgroups.collect(), &mut rates);
    rates
}

fn add(
    recording: &Recording,
    around: &Around<'_>,
    threads: &[FollowedThread],
    cgroups: &BTreeMap<Pid, CgroupPaths>,
    rates: &mut WaitRates,
) {
    let Accounts { accounts, contended, .. } = accounts_of(recording, threads, cgroups, around);
    for ((thread, account), contended) in threads.iter().zip(&accounts).zip(contended) {
        let swapping = swaps(around, thread.seen.pid);
        rates.threads.push(ThreadWaits {
            pid: thread.seen.pid,
            tid: account.tid,
            comm: thread.seen.comm,
            spans: spans(thread, account, (swapping, contended)),
        });
    }
}

/// Whether the locks that a thread sleeps at name a holder: then it queues for a lock and is not part of an idle pool.
pub(super) fn waits_for_holder(thread: &FollowedThread) -> bool {
    let in_futex = |channel: &Option<WaitChannel>| {
        channel.as_ref().and_then(WaitChannel::function).is_some_and(sleeps_in_futex)
    };
    let (mut held, mut all) = (0_u64, 0_u64);
    for look in thread.wait_details.iter().filter(|look| in_futex(&look.wait_channel)) {
        all += u64::from(look.count);
        held += if look.inside.holder.is_some() { u64::from(look.count) } else { 0 };
    }
    all > 0 && held * 2 >= all
}

/// The parts of an account, split by the details found in the same state and function.
fn spans(
    thread: &FollowedThread,
    account: &ThreadAccount,
    (swapping, contended): (bool, bool),
) -> Vec<WaitSpan> {
    let mut found: BTreeMap<Class, Vec<(&Inside, f64)>> = BTreeMap::new();
    for look in &thread.wait_details {
        let function = look.wait_channel.as_ref().and_then(WaitChannel::function);
        let class = class_of(&thread.seen, look.state, function, swapping, contended);
        found.entry(class).or_default().push((&look.inside, f64::from(look.count)));
    }
    let mut spans = Vec::new();
    for (class, seconds) in &account.parts {
        let (wait, function) = class;
        let span =
            |inside: Inside, seconds| WaitSpan { wait: *wait, function: function.clone(), inside, seconds };
        let looks = found.get(class).map_or(&[][..], Vec::as_slice);
        let all: f64 = looks.iter().map(|(_, count)| count).sum();
        if all <= 0.0 {
            spans.push(span(Inside::default(), *seconds));
            continue;
        }
        spans.extend(looks.iter().map(|(inside, count)| span((*inside).clone(), seconds * (count / all))));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::wait_account::target::from_sample;
    use crate::model::task::{Comm, State, ThreadObservation};
    use crate::model::wait_details::WaitDetail;

    fn thread(looks: &[(&str, Option<u64>, Option<Pid>, u32)]) -> FollowedThread {
        let seen = ThreadObservation {
            pid: 7,
            tid: 8,
            comm: Comm::new(b"x"),
            start_ticks: 0,
            ppid: 1,
            session: 1,
            nice: 0,
            policy: None,
            kernel_thread: false,
            cpus_allowed: None,
            clocks: Vec::new(),
            states: Vec::new(),
            looks_count: 0,
            futex_looks: Vec::new(),
        };
        let looks = looks.iter().map(|(function, syscall, holder, count)| WaitDetail {
            state: State::Sleeping,
            wait_channel: Some(WaitChannel::Function((*function).to_owned())),
            inside: Inside { syscall: *syscall, holder: *holder, ..Inside::default() },
            count: *count,
        });
        FollowedThread { wait_details: looks.collect(), ..from_sample(&seen) }
    }

    #[test]
    fn a_part_is_split_by_the_details_and_keeps_its_sum() {
        let thread = thread(&[("wait_woken", Some(0), None, 1), ("wait_woken", Some(45), None, 3)]);
        let parts = BTreeMap::from([
            ((Wait::Running, None), 2.0),
            ((Wait::Network, Some("wait_woken".to_owned())), 4.0),
            ((Wait::Asleep, Some("do_epoll_wait".to_owned())), 1.0),
        ]);
        let account = ThreadAccount { pid: 7, tid: Some(8), comm: Comm::new(b"x"), seconds: 7.0, parts };
        let spans = spans(&thread, &account, (false, false));
        let found: Vec<_> = spans.iter().map(|span| (span.wait, span.inside.syscall, span.seconds)).collect();
        assert_eq!(
            found,
            [
                (Wait::Running, None, 2.0),
                (Wait::Network, Some(0), 1.0),
                (Wait::Network, Some(45), 3.0),
                (Wait::Asleep, None, 1.0),
            ]
        );
    }

    #[test]
    fn a_lock_with_a_holder_is_not_an_idle_pool() {
        let waits = |looks: &[(&str, Option<u64>, Option<Pid>, u32)]| waits_for_holder(&thread(looks));
        assert!(waits(&[("futex_do_wait", Some(202), Some(9), 3)]));
        assert!(waits(&[("futex_do_wait", Some(202), Some(9), 1), ("futex_do_wait", Some(202), None, 1)]));
        assert!(!waits(&[("futex_do_wait", Some(202), Some(9), 1), ("futex_do_wait", Some(202), None, 2)]));
        // The holder of a file's lock is no futex's.
        assert!(!waits(&[("locks_lock_inode_wait", Some(73), Some(9), 5)]));
        assert!(!waits(&[]));
    }
}
