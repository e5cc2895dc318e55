//! Where threads spent their time, in detail: each part of a thread's account split by what the closer looks found in it.

use crate::delta::target::{Accounts, Around, accounts_of, from_sample, swaps};
use crate::delta::thread_account::class_of;
use crate::model::close_look::{Inside, ThreadWaits, WaitRates, WaitSpan};
use crate::model::snapshot::Recording;
use crate::model::target::{FollowedThread, ThreadAccount};
use crate::model::task::{CgroupPaths, Pid, WaitChannel};
use crate::model::wait::Wait;
use std::collections::{BTreeMap, BTreeSet};

/// What a part of an account is: what the thread did, and the function it slept in.
type Class = (Wait, Option<String>);

/// The time of all threads that were followed, and of hot threads of other programs.
pub fn waits(recording: &Recording, around: &Around<'_>) -> WaitRates {
    let target = recording.target.as_ref().filter(|target| target.followed);
    let mut rates = WaitRates { refused: recording.refused.clone(), ..WaitRates::default() };
    if let Some(target) = target {
        add(recording, around, &target.threads, &target.cgroups, &mut rates);
    }
    if let Some(watched) = &recording.watched {
        add(recording, around, &watched.threads, &watched.cgroups, &mut rates);
    }
    rates.followed = rates.threads.iter().map(|thread| thread.pid).collect();
    let others = recording.samples.threads.iter().filter(|thread| {
        !thread.kernel_thread && thread.pid != recording.host.own_pid && !rates.followed.contains(&thread.pid)
    });
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

/// Whether the locks that a thread sleeps at say that somebody holds them: a lock, and no idle pool.
pub(super) fn waits_for_holder(thread: &FollowedThread) -> bool {
    let in_futex = |channel: &Option<WaitChannel>| {
        channel.as_ref().and_then(WaitChannel::function).is_some_and(|function| function.contains("futex"))
    };
    let (mut held, mut all) = (0_u64, 0_u64);
    for look in thread.close_looks.iter().filter(|look| in_futex(&look.wait_channel)) {
        all += u64::from(look.count);
        held += if look.inside.holder.is_some() { u64::from(look.count) } else { 0 };
    }
    all > 0 && held * 2 >= all
}

/// The parts of an account, split by what the closer looks at the same state and function found.
fn spans(
    thread: &FollowedThread,
    account: &ThreadAccount,
    (swapping, contended): (bool, bool),
) -> Vec<WaitSpan> {
    let mut found: BTreeMap<Class, Vec<(&Inside, f64)>> = BTreeMap::new();
    for look in &thread.close_looks {
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
