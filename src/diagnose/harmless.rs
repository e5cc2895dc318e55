//! Numbers that look bad and are harmless, each with its proof: at night these draw attention first.
//!
//! A note is a finding of id `none` that is worth knowing and no more. None is made where a finding says that the
//! number is bad after all.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::rule::{Hit, Impact, Who};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::diagnose::thresholds::{DISK_BUSY, DISK_QUEUE, IOWAIT, LOAD_BUSY};
use crate::model::bottleneck::BottleneckId as Id;
use crate::model::finding::{Evidence, Remedy, Severity};
use crate::model::sentence::{Sentence, bytes, count, device, own, process, ratio, seconds, sentence, unit};
use crate::model::task::State;
use crate::model::units::Unit;
use crate::model::wait::WaitReason;

/// The notes that hold in this window, beside what was `found`.
pub fn notes(facts: &Facts<'_>, found: &[Judged]) -> Vec<Hit> {
    let bad = |ids: &[Id]| {
        found.iter().any(|judged| ids.contains(&judged.rule.id) && judged.hit.severity >= Severity::Warning)
    };
    let io = bad(&[
        Id::DiskSaturated,
        Id::DiskLatency,
        Id::IoBlocked,
        Id::IoThrottled,
        Id::HwError,
        Id::MemorySwap,
    ]);
    let memory = bad(&[Id::MemorySwap, Id::MemoryReclaim, Id::MemoryOom, Id::MemoryCgroupLimit]);
    let candidates = [
        (true, left_over_load as fn(&Facts<'_>) -> Option<Hit>),
        (!io, iowait),
        (!io, parallel_device),
        (!memory, page_cache),
        (!memory, old_swap),
        (!memory, group_of_cache),
        (true, vfork_parents),
        (!bad(&[Id::Zombies, Id::PidExhaustion]), young_zombies),
    ];
    candidates.into_iter().filter(|(wanted, _)| *wanted).filter_map(|(_, note)| note(facts)).collect()
}

fn note(rank: Rank, summary: Sentence, evidence: Vec<Evidence>) -> Hit {
    Hit { impact: Impact::Rank(rank), evidence, ..Hit::new(Severity::Info, summary, Who::None, Remedy::Tune) }
}

/// The load average remembers work that has ended.
fn left_over_load(facts: &Facts<'_>) -> Option<Hit> {
    let load = facts.rates.load.as_ref().ok()?;
    let now = facts.rates.makeup.running_mean + facts.rates.makeup.uninterruptible_mean;
    (load.one >= facts.setting(&LOAD_BUSY) * facts.cpus && now < 0.5 * load.one).then(|| {
        note(
            Rank::Nothing,
            sentence![
                "The load average of ",
                own(format!("{:.2}", load.one)),
                " is left over from earlier: in this window ",
                count(now),
                " threads were running, runnable or blocked. It falls by two thirds per minute.",
            ],
            vec![
                plain("load1", Some(load.one), Unit::Count, "/proc/loadavg"),
                plain("load_now_mean", Some(now), Unit::Count, "/proc/PID/task/TID/stat states R and D"),
            ],
        )
    })
}

/// iowait is idle time with another name.
fn iowait(facts: &Facts<'_>) -> Option<Hit> {
    let cpu = facts.cpu()?;
    if cpu.iowait_ratio < facts.limit(&IOWAIT).warning {
        return None;
    }
    let iowait = plain("cpu_iowait_ratio", Some(cpu.iowait_ratio), Unit::Ratio, "/proc/stat iowait");
    let blocked = facts.rates.makeup.uninterruptible_mean;
    let busiest = facts.leaves().max_by(|a, b| a.utilization_ratio.total_cmp(&b.utilization_ratio));
    let ring = facts.user_threads().find(|thread| {
        thread.waits.iter().any(|wait| {
            wait.state == State::Sleeping
                && wait.function.as_deref().is_some_and(|name| name.contains("cqring_wait"))
        })
    });
    let share = ratio(cpu.iowait_ratio);
    let summary = if blocked < 0.1 && busiest.is_none_or(|disk| disk.utilization_ratio < 0.1) {
        let who = ring.map_or_else(
            || "a program".into(),
            |thread| sentence![process(thread.comm.to_lossy()), " (pid ", thread.pid, ")"],
        );
        sentence![
            share,
            " iowait is not load: no thread is blocked and no disk is busy; ",
            who,
            " waits for io_uring completions, which the kernel counts as iowait.",
        ]
    } else {
        let disk = busiest.filter(|disk| disk.queue_mean < facts.limit(&DISK_QUEUE).warning)?;
        let took = disk.await_seconds().map_or_else(
            || "answers at once".into(),
            |took| sentence!["takes ", seconds(took), " per request"],
        );
        sentence![
            share,
            " iowait is idle CPU time: ",
            count(blocked),
            " threads wait for ",
            device(disk.name.as_str()),
            ", which ",
            took,
            "; no queue builds up.",
        ]
    };
    let blocked =
        plain("uninterruptible_mean", Some(blocked), Unit::Count, "/proc/PID/task/TID/stat state D");
    Some(note(Rank::Note, summary, vec![iowait, blocked]))
}

/// A device that serves many requests at once is busy from the first one on.
fn parallel_device(facts: &Facts<'_>) -> Option<Hit> {
    let busy =
        |disk: &&crate::model::rates::DiskRates| disk.utilization_ratio >= facts.limit(&DISK_BUSY).warning;
    let disk = facts.leaves().find(busy).filter(|disk| !Facts::spinning(disk))?;
    let took = disk.await_seconds()?;
    Some(note(
        Rank::Note,
        sentence![
            device(disk.name.as_str()),
            " is busy ",
            ratio(disk.utilization_ratio),
            " of the time, which is not its limit: it serves requests in parallel, each takes ",
            seconds(took),
            ", and ",
            count(disk.queue_mean),
            " are in flight.",
        ],
        vec![
            plain("disk_utilization_ratio", Some(disk.utilization_ratio), Unit::Ratio, "/proc/diskstats"),
            plain("disk_await_seconds", Some(took), Unit::Seconds, "/proc/diskstats"),
            plain("disk_queue_mean", Some(disk.queue_mean), Unit::Count, "/proc/diskstats"),
        ],
    ))
}

/// Page cache is available memory.
fn page_cache(facts: &Facts<'_>) -> Option<Hit> {
    let memory = facts.rates.memory.as_ref().ok()?;
    let available = memory.available_bytes?;
    let (total, free) = (memory.total_bytes as f64, memory.free_bytes as f64);
    (total > 0.0 && free < 0.1 * total && available as f64 >= 0.2 * total).then(|| {
        note(
            Rank::Trivia,
            sentence![
                "Only ",
                bytes(free),
                " of memory is free, which is not a shortage: ",
                bytes(available as f64),
                " is available, because the kernel can drop most of the page cache.",
            ],
            vec![
                plain("memory_free_bytes", Some(free), Unit::Bytes, "/proc/meminfo MemFree"),
                plain(
                    "memory_available_bytes",
                    Some(available as f64),
                    Unit::Bytes,
                    "/proc/meminfo MemAvailable",
                ),
            ],
        )
    })
}

/// Swap that holds pages that are not used.
fn old_swap(facts: &Facts<'_>) -> Option<Hit> {
    const BYTES_MIN: u64 = 16 << 20;
    let memory = facts.rates.memory.as_ref().ok()?;
    let used = memory.swap_total_bytes.saturating_sub(memory.swap_free_bytes);
    let paging = facts.paging()?;
    let traffic = paging.swap_in_per_second? + paging.swap_out_per_second?;
    (used >= BYTES_MIN && traffic < 1.0).then(|| {
        note(
            Rank::Note,
            sentence![
                bytes(used as f64),
                " of swap is in use, without swap traffic: these pages were swapped out earlier and are not needed now.",
            ],
            vec![
                plain("swap_used_bytes", Some(used as f64), Unit::Bytes, "/proc/meminfo SwapTotal, SwapFree"),
                plain(
                    "swap_pages_per_second",
                    Some(traffic),
                    Unit::PerSecond,
                    "/proc/vmstat pswpin, pswpout",
                ),
            ],
        )
    })
}

/// A control group at its limit with nothing but files.
fn group_of_cache(facts: &Facts<'_>) -> Option<Hit> {
    let (group, usage, cache, limit) = facts.cgroups().iter().find_map(|group| {
        let memory = group.memory?;
        let (usage, cache) = (memory.usage_bytes?, memory.inactive_file_bytes?);
        let limit = memory.limit_bytes?;
        let full = usage as f64 >= 0.95 * limit as f64 && cache as f64 >= 0.3 * limit as f64;
        full.then_some((group, usage, cache, limit))
    })?;
    Some(note(
        Rank::Note,
        sentence![
            "Control group ",
            unit(group.name()),
            " is at its memory limit of ",
            bytes(limit as f64),
            ", of which ",
            bytes(cache as f64),
            " is page cache that the kernel can drop at once.",
        ],
        vec![
            plain(
                "cgroup_memory_bytes",
                Some(usage as f64),
                Unit::Bytes,
                "memory.current, memory.usage_in_bytes",
            ),
            plain("cgroup_inactive_file_bytes", Some(cache as f64), Unit::Bytes, "memory.stat inactive_file"),
        ],
    ))
}

/// The parent of a vfork(2) sleeps in D until its child has started.
fn vfork_parents(facts: &Facts<'_>) -> Option<Hit> {
    let mean = facts.blocked_threads(|reason| reason == WaitReason::Vfork);
    (mean >= 0.2).then(|| {
        note(
            Rank::Trivia,
            sentence![
                count(mean),
                " of the threads in state D start a child with vfork(2): they raise the load average, but do not wait \
                 for I/O.",
            ],
            vec![plain("vfork_parents_mean", Some(mean), Unit::Count, "/proc/PID/task/TID/wchan")],
        )
    })
}

/// Zombies whose parents are about to wait for them.
fn young_zombies(facts: &Facts<'_>) -> Option<Hit> {
    let young: usize = facts.rates.zombies.iter().map(|(_, old, all)| all.saturating_sub(*old)).sum();
    (young >= 3).then(|| {
        note(
            Rank::Trivia,
            sentence![
                young,
                " processes became zombies during the window; their parents are about to wait for them.",
            ],
            vec![plain("young_zombies_count", Some(young as f64), Unit::Count, "/proc/PID/stat state Z")],
        )
    })
}
