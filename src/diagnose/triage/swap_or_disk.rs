//! Step 3 of the I/O branch: is it swapping, a page cache that is too small, a disk, or nothing that moves?

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::thresholds::algorithm::DISK_IN_USE;
use crate::diagnose::thresholds::{DISK_BUSY, DISK_QUEUE, REFAULT_SHARE, SWAP_IN, SWAP_OUT, UNINTERRUPTIBLE};
use crate::model::finding::{Step, StepId};
use crate::model::sentence::{bytes, count, device, ratio, sentence};
use crate::model::units::Unit;

/// The step.
pub fn step(facts: &Facts<'_>) -> Step {
    let paging = facts.paging();
    let swap_in = paging.and_then(|paging| paging.swap_in_per_second);
    let swap_out = paging.and_then(|paging| paging.swap_out_per_second);
    let swapping = swap_in.is_some_and(|rate| rate >= facts.limit(&SWAP_IN).warning)
        || swap_out.is_some_and(|rate| rate >= facts.limit(&SWAP_OUT).warning);
    let refaults = facts.refault_share();
    let busiest = facts.disks().iter().max_by(|a, b| a.utilization_ratio.total_cmp(&b.utilization_ratio));
    let used = busiest.filter(|disk| disk.utilization_ratio >= DISK_IN_USE);
    let answer = match () {
        () if swapping => "swap",
        () if refaults.is_some_and(|share| share >= facts.limit(&REFAULT_SHARE).warning)
            && used.is_some() =>
        {
            "page cache"
        }
        () if used.is_some() => "disk",
        () if facts.io_waiters_mean() >= facts.limit(&UNINTERRUPTIBLE).warning => "neither: blocked",
        () => "neither",
    };
    let brief = match (answer, used) {
        ("disk", Some(disk)) => {
            sentence!["disk ", device(disk.name.as_str()), " busy ", ratio(disk.utilization_ratio)]
        }
        // Swapping was found by one of the two at least.
        ("swap", _) => {
            let pages = swap_in.into_iter().chain(swap_out).sum();
            sentence!["swap ", count(pages), " pages/s"]
        }
        ("page cache", _) => "page cache too small".into(),
        ("neither: blocked", _) => "blocked threads".into(),
        _ => "neither swap nor disk".into(),
    };
    let disk = busiest.map_or_else(
        || "no disk is known".into(),
        |disk| {
            sentence![
                "disk ",
                device(disk.name.as_str()),
                " busy ",
                ratio(disk.utilization_ratio),
                " with ",
                count(disk.queue_mean),
                " requests in its queue, ",
                bytes(disk.read_bytes_per_second),
                " read and ",
                bytes(disk.write_bytes_per_second),
                " written per second",
            ]
        },
    );
    let rate = |value: Option<f64>| {
        value.map_or_else(|| "an unknown number of".into(), |value| sentence![count(value)])
    };
    Step {
        step: StepId::SwapOrDisk,
        question: "Does the box swap, or is it a disk?".to_owned(),
        answer: answer.into(),
        brief,
        summary: sentence![
            rate(swap_in),
            " pages per second from swap, ",
            rate(swap_out),
            " to swap; ",
            disk,
        ],
        evidence: vec![
            facts.evidence(&SWAP_IN, swap_in, "/proc/vmstat pswpin"),
            facts.evidence(&SWAP_OUT, swap_out, "/proc/vmstat pswpout"),
            facts.evidence(&REFAULT_SHARE, refaults, "/proc/vmstat workingset_refault_file, /proc/diskstats"),
            facts.evidence(&DISK_BUSY, busiest.map(|disk| disk.utilization_ratio), "/proc/diskstats"),
            facts.evidence(&DISK_QUEUE, busiest.map(|disk| disk.queue_mean), "/proc/diskstats"),
            plain(
                "disk_await_seconds",
                busiest.and_then(|disk| disk.await_seconds()),
                Unit::Seconds,
                "/proc/diskstats",
            ),
        ],
        next: None,
    }
}
