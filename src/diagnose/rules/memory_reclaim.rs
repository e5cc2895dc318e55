//! Memory is short and threads must free some before they get any; or the page cache is too small for the
//! files that are read again and again.
//!
//! Evidence: stall time for memory without swapping, direct reclaim, files that come back to memory soon
//! after they were dropped (refaults). Little available memory supports it and never suffices.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::evidence::memory_blame::Demand;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{
    DIRECT_RECLAIM_PRESSURE, MEMORY_HOGGED, REFAULT_PRESSURE, Rank, SOME_WAITERS,
};
use crate::diagnose::thresholds::{
    ALLOCATION_STALLS, AVAILABLE, CONTRIBUTOR, IO_PRESSURE, MAJOR_FAULTS, MEMORY_FULL, MEMORY_PRESSURE,
    REFAULT_SHARE, REFAULTS_MIN,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Remedy, Role, Severity};
use crate::model::rates::{PagingRates, ProcessRates};
use crate::model::sentence::{Sentence, bytes, count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemoryReclaim,
    resource: Resource::Memory,
    lane: Lane::SwapOrDisk("reclaim"),
    sort: Sort::Memory,
    profile: None,
    since: Since::MemoryPressure,
    scope: Scope::Node,
    inputs: &[
        Input::CpuTime,
        Input::MemoryPressure,
        Input::IoAccounting,
        Input::AllProcesses,
        Input::Refaults,
    ],
    title: "memory is short: threads wait for reclaim",
    symptom: "Threads that allocate memory must first free some themselves, or files are read from disk that \
              were in memory a moment ago.",
    false_positives: &[
        "Streaming through large files keeps kswapd busy, but no thread waits.",
        "Major faults while a program starts: nothing was in memory yet.",
        "Memory full of page cache: MemAvailable counts it as available.",
    ],
    sources: &[
        "kernel Documentation/accounting/psi.rst",
        "proc_vmstat(5) allocstall, workingset_refault_file",
        "Android lmkd; nohang; coroot",
    ],
    counters: &[
        "/proc/pressure/memory some and full, total: threads waited for memory",
        "/proc/vmstat allocstall_*: threads had to free memory themselves; counts only together with some \
         waiting",
        "/proc/vmstat workingset_refault_file times the page size, divided by the bytes read in \
         /proc/diskstats: files read again soon after they were dropped; counts only when threads wait for \
         I/O or memory",
        "/proc/vmstat pgmajfault and /proc/meminfo MemAvailable, SUnreclaim, Shmem, HugePages: shown next to \
         it, without a part in the decision",
    ],
    limits: &[
        &MEMORY_PRESSURE,
        &MEMORY_FULL,
        &ALLOCATION_STALLS,
        &REFAULT_SHARE,
        &MAJOR_FAULTS,
        &AVAILABLE,
        &IO_PRESSURE,
    ],
    confirm: &[
        confirm("cat /proc/pressure/memory", "avg10 of some above 5"),
        confirm(
            "grep -E '^(allocstall|workingset_refault)' /proc/vmstat",
            "counts that rise from one run to the next",
        ),
        confirm(
            "sar -B 1 3",
            "pgscand/s above 0: threads reclaim; high majflt/s with a disk that reads: the page cache is too \
             small",
        ),
    ],
    advice: &[
        look(
            "See what holds the memory: processes, page cache, tmpfs or the kernel.",
            "grep -E '^(MemAvail|AnonPages|Cached|Shmem:|SUnrec|Huge)' \
             /proc/meminfo",
            Remedy::FixProgram,
        ),
        look(
            "See how much of it is the process's own memory (RssAnon), and how much is mapped files \
             (RssFile).",
            "grep -E 'VmRSS|VmSwap|RssAnon|RssFile' /proc/{pid}/status",
            Remedy::FixProgram,
        ),
        with_diag("See how long its threads wait for memory.", OwnOption::Account, Remedy::FixProgram),
        advise("Fix leaks, and shrink heaps that leave too little for the page cache.", Remedy::FixProgram),
        change(
            "Let the kernel start to free memory earlier, before threads have to wait.",
            ActionTemplate::Sysctl(&[("vm.watermark_scale_factor", "100")]),
            "about 1 % of the memory is kept free",
            Remedy::Tune,
        ),
        change(
            "Give the huge pages back that nobody uses. It takes effect at once.",
            ActionTemplate::HugePages,
            "a program that starts later and wants huge pages gets fewer",
            Remedy::Tune,
        ),
        advise("Add memory until the files in use fit into it.", Remedy::AddResource),
        advise("Spread the reads over replicas, or put a cache server in front.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let paging = reading!(facts.rates.paging);
    let stalls_known = facts.rates.memory_pressure.is_ok();
    let stalls = facts.memory_stalls();
    let refaulting = facts.refault_share().zip(paging.refault_file_per_second).filter(|(share, rate)| {
        *share >= facts.limit(&REFAULT_SHARE).warning && *rate >= facts.setting(&REFAULTS_MIN)
    });
    let cache_short = refaulting.is_some()
        && (stalls.some_reaches(REFAULT_PRESSURE * facts.limit(&MEMORY_PRESSURE).warning)
            || facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning)
            || facts.io_waiters_mean() >= SOME_WAITERS);
    let direct = paging
        .allocation_stalls_per_second
        .is_some_and(|rate| rate >= facts.limit(&ALLOCATION_STALLS).warning);
    let stalled = stalls.some_reaches(facts.limit(&MEMORY_PRESSURE).warning);
    if !(stalled
        || cache_short
        || (direct && (stalls.some_reaches(DIRECT_RECLAIM_PRESSURE) || !stalls_known)))
    {
        return if stalls_known || paging.allocation_stalls_per_second.is_some() {
            Outcome::Clear
        } else {
            Outcome::Unknown(NotChecked {
                what: "waiting for memory".into(),
                reason: "neither /proc/pressure/memory nor allocstall in /proc/vmstat is there".into(),
                unlock: Some("Linux 4.20 or newer, booted with psi=1".into()),
            })
        };
    }
    let thrashing = facts.limit(&MEMORY_FULL).critical.is_some_and(|limit| stalls.full_reaches(limit))
        || (facts.limit(&MEMORY_PRESSURE).critical.is_some_and(|limit| stalls.some_reaches(limit))
            && (direct || cache_short));
    let unowned = facts.memory_blame().demand == Demand::Unowned;
    let blame = blame(facts, cache_short);
    let what = if let Some((share, refaults)) = refaulting.filter(|_| cache_short) {
        sentence![
            "The page cache is too small: ",
            ratio(share),
            " of what is read from disk was in memory a moment ago (",
            count(refaults),
            " pages per second)",
        ]
    } else {
        let helped = paging
            .allocation_stalls_per_second
            .filter(|stalls| *stalls > 0.0)
            .map(|stalls| sentence![" (", count(stalls), " times per second a thread had to do it itself)"]);
        sentence!["Memory is short: the kernel frees some while threads wait", helped]
    };
    Outcome::hit(Hit {
        severity: if thrashing { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .agreement(usize::from(stalled) + usize::from(cache_short) + usize::from(direct))
            .ratio(),
        impact: Impact::measured_or(
            stalls
                .cost()
                .map(|cost| facts.io_stalls().some.filter(|_| cache_short).into_iter().fold(cost, f64::max)),
            Rank::Moderate,
        ),
        summary: sentence![
            what,
            "; threads were waiting for memory ",
            facts.memory_wait_words(),
            " of the time",
            blame.text,
            ".",
        ],
        evidence: numbers(facts, paging),
        against: facts.unowned_beside().into_iter().filter(|_| !unowned).collect(),
        who: blame.who,
        why: blame.why,
        device: None,
        suspects: blame.suspects,
        remedy: blame.remedy,
        share_of_busy: None,
    })
}

fn numbers(facts: &Facts<'_>, paging: &PagingRates) -> Vec<crate::model::finding::Evidence> {
    let stalls = facts.memory_stalls();
    vec![
        facts.evidence(&MEMORY_PRESSURE, stalls.some, "/proc/pressure/memory some total"),
        facts.evidence(&MEMORY_FULL, stalls.full, "/proc/pressure/memory full total"),
        facts.evidence(&ALLOCATION_STALLS, paging.allocation_stalls_per_second, "/proc/vmstat allocstall_*"),
        facts.evidence(
            &REFAULT_SHARE,
            facts.refault_share(),
            "/proc/vmstat workingset_refault_file, /proc/diskstats",
        ),
        facts.evidence(&MAJOR_FAULTS, paging.major_faults_per_second, "/proc/vmstat pgmajfault"),
        facts.evidence(&AVAILABLE, facts.available_ratio(), "/proc/meminfo MemAvailable"),
        plain(
            "memory_unowned_bytes",
            Some(facts.unowned_memory()),
            Unit::Bytes,
            "/proc/meminfo, statvfs of tmpfs, hugepages",
        ),
    ]
}

struct Answer {
    who: Who,
    why: Option<Sentence>,
    text: Option<Sentence>,
    suspects: Vec<crate::model::finding::Suspect>,
    remedy: Remedy,
}

/// A cache that is too small for what is read is the reader's demand, unless another process holds most
/// of the memory.
fn blame(facts: &Facts<'_>, cache_short: bool) -> Answer {
    let holders = facts.memory_blame();
    let total = facts.rates.memory.as_ref().map_or(f64::MAX, |memory| memory.total_bytes as f64);
    let hogged = holders.ranked.first().is_some_and(|top| top.amount >= MEMORY_HOGGED * total);
    let read = |process: &ProcessRates| process.read_bytes_per_second.unwrap_or(0.0);
    let readers = rank(facts, None, |group| group.sum(read), read);
    let reader = readers.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR));
    if let (true, false, Some(top)) =
        (cache_short && ![Demand::Growth, Demand::Unowned].contains(&holders.demand), hogged, reader)
    {
        let name = facts.groups[top.group].label(top.pid);
        return Answer {
            who: Who::Group(top.clone()),
            why: Some("reads the same files again and again".into()),
            text: Some(sentence!["; ", name, " reads ", bytes(top.amount), " per second"]),
            suspects: suspects(facts, &readers, Role::Offender),
            remedy: Remedy::AddResource,
        };
    }
    let faulting = |process: &ProcessRates| process.major_faults_per_second;
    let victims = rank(facts, None, |group| group.sum(faulting), faulting);
    let mut named = suspects(facts, &holders.ranked, Role::Offender);
    named.extend(suspects(facts, &victims, Role::Victim));
    Answer {
        who: holders.who(),
        why: holders.why(),
        text: holders.text(facts),
        suspects: named,
        remedy: holders.remedy(),
    }
}
