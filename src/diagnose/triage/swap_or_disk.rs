//! Step 3 of the I/O branch: is it swapping, a page cache that is too small, a disk, or nothing that moves?

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::thresholds::{DISK_BUSY, DISK_QUEUE, REFAULT_SHARE, SWAP_IN, SWAP_OUT, UNINTERRUPTIBLE};
use crate::model::finding::{Step, StepId};
use crate::model::units::{Unit, human_bytes, human_count, percent};

/// The step.
pub fn step(facts: &Facts<'_>) -> Step {
    let paging = facts.paging();
    let swap_in = paging.and_then(|paging| paging.swap_in_per_second);
    let swap_out = paging.and_then(|paging| paging.swap_out_per_second);
    let swapping = swap_in.is_some_and(|rate| rate >= facts.limit(&SWAP_IN).warning)
        || swap_out.is_some_and(|rate| rate >= facts.limit(&SWAP_OUT).warning);
    let refaults = facts.refault_share();
    let busiest = facts.disks().iter().max_by(|a, b| a.utilization_ratio.total_cmp(&b.utilization_ratio));
    let used = busiest.filter(|disk| disk.utilization_ratio >= 0.3);
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
        ("disk", Some(disk)) => format!("disk {} busy {}", disk.name, percent(disk.utilization_ratio)),
        ("swap", _) => format!(
            "swap {} pages/s",
            human_count(swap_in.unwrap_or_default() + swap_out.unwrap_or_default())
        ),
        ("page cache", _) => "page cache too small".to_owned(),
        ("neither: blocked", _) => "blocked threads".to_owned(),
        _ => "neither swap nor disk".to_owned(),
    };
    let disk = busiest.map_or_else(
        || "no disk is known".to_owned(),
        |disk| {
            format!(
                "disk {} busy {} with {} requests in its queue, {} read and {} written a second",
                disk.name,
                percent(disk.utilization_ratio),
                human_count(disk.queue_mean),
                human_bytes(disk.read_bytes_per_second),
                human_bytes(disk.write_bytes_per_second)
            )
        },
    );
    let rate = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), human_count);
    Step {
        step: StepId::SwapOrDisk,
        question: "Does the box swap, or is it a disk?".to_owned(),
        answer: answer.to_owned(),
        brief,
        summary: format!("{} pages a second from swap, {} to swap; {disk}", rate(swap_in), rate(swap_out)),
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
