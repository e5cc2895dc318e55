//! What the load average is made of: mean numbers of threads in R and D, by whom and by what they wait for.

use crate::model::rates::{LoadMakeup, LoadPart, ProcessRates, ThreadRates};
use crate::model::snapshot::Recording;
use crate::model::task::{Comm, Pid, State};
use crate::model::wait::WaitReason;
use std::collections::{BTreeMap, HashMap};

/// Parts smaller than this are added up without a name.
const PART_MIN: f64 = 0.01;

type PartKey = (State, Option<Comm>, Option<String>, Option<WaitReason>);

/// The make-up. Where the kernel counted more runnable threads than the samples could name (they live too
/// shortly to be met), the rest is a part without a name, so that the parts add up.
pub fn makeup(recording: &Recording, threads: &[ThreadRates], processes: &[ProcessRates]) -> LoadMakeup {
    let by_pid: HashMap<Pid, &ProcessRates> =
        processes.iter().map(|process| (process.pid, process)).collect();
    let mut parts: BTreeMap<PartKey, f64> = BTreeMap::new();
    for thread in threads {
        let process = by_pid.get(&thread.pid);
        let comm = process.map_or(thread.comm, |process| process.comm);
        let unit = process.and_then(|process| process.unit.clone());
        *parts.entry((State::Running, Some(comm), unit.clone(), None)).or_default() += thread.running_mean;
        for share in thread.waits.iter().filter(|share| share.state == State::Uninterruptible) {
            let reason = share.function.as_deref().map_or(WaitReason::Hidden, WaitReason::of);
            *parts.entry((State::Uninterruptible, Some(comm), unit.clone(), Some(reason))).or_default() +=
                share.mean;
        }
    }
    // The sum of nothing is minus zero.
    let sum =
        |state: State| parts.iter().filter(|(key, _)| key.0 == state).fold(0.0, |sum, (_, mean)| sum + mean);
    let (running, uninterruptible_mean) = (sum(State::Running), sum(State::Uninterruptible));
    let counts = &recording.samples.runnable_counts;
    let by_kernel = (!counts.is_empty())
        .then(|| counts.iter().map(|count| *count as f64).sum::<f64>() / counts.len() as f64);
    let running_mean = by_kernel.map_or(running, |mean| mean.max(running));
    let mut groups = Vec::new();
    let mut nameless =
        BTreeMap::from([(State::Running, running_mean - running), (State::Uninterruptible, 0.0)]);
    for ((state, comm, unit, wait), mean) in parts {
        if mean < PART_MIN {
            *nameless.entry(state).or_default() += mean;
        } else {
            groups.push(LoadPart { state, comm, unit, wait, mean });
        }
    }
    groups.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    groups.extend(nameless.into_iter().filter(|(_, mean)| *mean > 0.0).map(|(state, mean)| LoadPart {
        state,
        comm: None,
        unit: None,
        wait: None,
        mean,
    }));
    LoadMakeup { running_mean, runnable_by_kernel_mean: by_kernel, uninterruptible_mean, groups }
}
