//! Memory is short and pages move to and from swap.
//!
//! Evidence: pages swapped in and out in many seconds of the window, the stall time for memory, and the
//! share of the disk traffic that is swapping. Reading back is what hurts; writing out makes room. The
//! culprit is who grows, else who is largest; who faults is the victim.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::evidence::memory_blame::Demand;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::{
    MEMORY_PLENTY, Rank, SWAP_MAKES_IO, SWAP_PRESSURE, ZRAM_TRAFFIC,
};
use crate::diagnose::thresholds::{
    ALLOCATION_STALLS, MEMORY_FULL, MEMORY_PRESSURE, SWAP_IN, SWAP_OUT, SWAP_SECONDS,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{bytes, count, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemorySwap,
    resource: Resource::Memory,
    lane: Lane::SwapOrDisk("swap"),
    sort: Sort::Memory,
    profile: Some(ProfileMode::Waits),
    since: Since::MemoryPressure,
    scope: Scope::Node,
    inputs: &[Input::CpuTime, Input::MemoryPressure, Input::AllProcesses],
    title: "memory is short: the machine swaps",
    symptom: "Programs use more memory than there is. Pages are swapped out and read back, and threads that \
              touch them wait for a disk.",
    false_positives: &[
        "Used swap space without traffic: pages that no program needs.",
        "A single burst of swapping out: the kernel makes room once.",
        "Pages that only go out, while no thread is known to wait for memory.",
        "zram: the traffic costs CPU time, not disk time.",
    ],
    sources: &[
        "proc_vmstat(5) pswpin, pswpout",
        "atop(1)",
        "pmie",
        "kernel Documentation/accounting/psi.rst",
    ],
    counters: &[
        "/proc/vmstat pswpin, pswpout: pages swapped in and out, in many seconds of the window and not in \
         one burst",
        "/proc/swaps: where all of it is zram, ten times the traffic is allowed",
        "/proc/pressure/memory some and full, total: threads must wait; half the limit for a warning is \
         enough",
        "/proc/diskstats sectors: share of the disk traffic that is swapping, for critical",
        "/proc/PID/stat rss, majflt; /proc/PID/status RssAnon, VmSwap; smaps_rollup Pss: which process \
         grows, which is largest, which waits",
    ],
    limits: &[&SWAP_IN, &SWAP_OUT, &SWAP_SECONDS, &MEMORY_PRESSURE, &MEMORY_FULL, &ALLOCATION_STALLS],
    confirm: &[
        confirm(
            "vmstat 1 5",
            "si above 0 in most lines after the first; so alone means that the kernel makes room",
        ),
        confirm("cat /proc/pressure/memory", "avg10 of some above 5"),
        confirm(
            "grep -H VmSwap /proc/[0-9]*/status | sort -k2 -n | tail",
            "processes with pages in swap: often the victims, not the cause",
        ),
    ],
    advice: &[
        look(
            "See how much of it is in memory and how much in swap: a leak grows.",
            "grep -E 'VmRSS|VmSwap|RssAnon' /proc/{pid}/status",
            Remedy::FixProgram,
        ),
        change(
            "Cap its unit below what it holds, so that it swaps its own pages and not those of other \
             services.",
            ActionTemplate::MemoryCap,
            "that unit gets slow",
            Remedy::Tune,
        ),
        change(
            "Pause the process, if it may stop for now.",
            ActionTemplate::Pause,
            "it does nothing until the undo, and a health check may restart it",
            Remedy::FixProgram,
        ),
        look(
            "See the proportional size of a worker: this times the number of workers must fit into memory.",
            "grep ^Pss: /proc/{pid}/smaps_rollup",
            Remedy::FixProgram,
        ),
        advise("Fix the leak, run fewer workers, or use a smaller cache.", Remedy::FixProgram),
        change(
            "Give the huge pages back that nobody uses. It takes effect at once.",
            ActionTemplate::HugePages,
            "a program that starts later and wants huge pages gets fewer",
            Remedy::Tune,
        ),
        advise("Add memory. Do not turn swap off while the machine is swapping.", Remedy::AddResource),
        advise("If memory cannot be added, spread the service over more servers.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let paging = reading!(facts.rates.paging);
    let (Some(swap_in), Some(swap_out)) = (paging.swap_in_per_second, paging.swap_out_per_second) else {
        // A kernel that cannot swap does not count it.
        if facts.rates.swaps.is_empty() {
            return Outcome::Clear;
        }
        return Outcome::unknown("swapping", "/proc/vmstat has no pswpin and pswpout", None);
    };
    // In compressed memory a page costs microseconds, not milliseconds.
    let cheap =
        !facts.rates.swaps.is_empty() && facts.rates.swaps.iter().all(|swap| swap.path.contains("zram"));
    let scale = if cheap { ZRAM_TRAFFIC } else { 1.0 };
    let stalls = facts.memory_stalls();
    let hurts = stalls.some.is_none_or(|some| some >= SWAP_PRESSURE * facts.limit(&MEMORY_PRESSURE).warning);
    // Pages that only go out make room. Stall time, or threads that reclaim, tell that a program waits for it.
    let reclaims = paging
        .allocation_stalls_per_second
        .is_some_and(|rate| rate >= facts.limit(&ALLOCATION_STALLS).warning);
    let out_hurts = stalls.some.is_some() || reclaims;
    let traffic = swap_in >= facts.limit(&SWAP_IN).warning * scale
        || (out_hurts && swap_out >= facts.limit(&SWAP_OUT).warning * scale);
    let seconds = swapping_seconds(facts, scale);
    if !traffic || !hurts || seconds < facts.limit(&SWAP_SECONDS).warning {
        return Outcome::Clear;
    }
    let swap_share = facts.swap_share();
    let mostly_swap = swap_share.is_some_and(|share| share >= SWAP_MAKES_IO);
    let stalled = facts.limit(&MEMORY_FULL).critical.is_some_and(|limit| stalls.full_reaches(limit))
        || stalls.some_reaches(facts.limit(&MEMORY_PRESSURE).critical.unwrap_or(1.0));
    let critical = facts.limit(&SWAP_IN).critical.is_some_and(|limit| swap_in >= limit * scale)
        && (stalled || (mostly_swap && !cheap));
    let blame = facts.memory_blame();
    let victims = rank(
        facts,
        None,
        |group| group.sum(|process| process.major_faults_per_second),
        |process| process.major_faults_per_second,
    );
    let mut named = suspects(facts, &blame.ranked, Role::Offender);
    named.extend(suspects(facts, &victims, Role::Victim));
    let available = facts.rates.memory.as_ref().ok().and_then(|memory| memory.available_bytes);
    Outcome::hit(Hit {
        severity: if critical { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .agreement(
                1 + usize::from(stalls.some_reaches(facts.limit(&MEMORY_PRESSURE).warning))
                    + usize::from(mostly_swap),
            )
            .ratio(),
        impact: Impact::measured_or(stalls.cost(), Rank::Serious),
        summary: sentence![
            "The box swaps: ",
            count(swap_in),
            " pages per second come back from swap and ",
            count(swap_out),
            " go out; threads were waiting for memory ",
            facts.memory_wait_words(),
            " of the time",
            blame.text(facts),
            ".",
        ],
        evidence: vec![
            facts.evidence(&SWAP_IN, Some(swap_in), "/proc/vmstat pswpin"),
            facts.evidence(&SWAP_OUT, Some(swap_out), "/proc/vmstat pswpout"),
            facts.evidence(&SWAP_SECONDS, Some(seconds), "/proc/vmstat, second by second"),
            facts.evidence(&MEMORY_PRESSURE, stalls.some, "/proc/pressure/memory some total"),
            facts.evidence(&MEMORY_FULL, stalls.full, "/proc/pressure/memory full total"),
            plain(
                "swap_share_of_disk_ratio",
                facts.swap_share(),
                Unit::Ratio,
                "/proc/vmstat, /proc/diskstats",
            ),
            plain(
                "memory_available_bytes",
                available.map(|bytes| bytes as f64),
                Unit::Bytes,
                "/proc/meminfo",
            ),
        ],
        against: available
            .filter(|_| facts.available_ratio().is_some_and(|ratio| ratio > MEMORY_PLENTY))
            .map(|available| {
                sentence![
                    bytes(available as f64),
                    " of memory are available: a limit below the size of the box may be the cause.",
                ]
            })
            .into_iter()
            .chain(facts.unowned_beside().filter(|_| blame.demand != Demand::Unowned))
            .collect(),
        who: blame.who(),
        why: blame.why(),
        device: None,
        suspects: named,
        remedy: blame.remedy(),
        share_of_busy: None,
    })
}

/// Share of the seconds in which pages moved.
fn swapping_seconds(facts: &Facts<'_>, scale: f64) -> f64 {
    let slices = &facts.rates.paging_slices;
    if slices.is_empty() {
        return 1.0;
    }
    let moved = slices.iter().filter(|slice| {
        slice.swap_in_per_second.is_some_and(|rate| rate >= facts.limit(&SWAP_IN).warning * scale)
            || slice.swap_out_per_second.is_some_and(|rate| rate >= facts.limit(&SWAP_OUT).warning * scale)
    });
    moved.count() as f64 / slices.len() as f64
}
