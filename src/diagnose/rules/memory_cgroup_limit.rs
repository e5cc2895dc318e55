//! A control group is at its own memory limit and its threads wait, while the box has memory.
//!
//! Evidence: how often the limit was hit, what the group could not drop at once against its limit, and stall
//! time for memory. Usage at the limit alone is normal: page cache fills any limit.

use crate::diagnose::evidence::facts::{Facts, group_stall, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who,
    advise, change, confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{CACHE_ONLY_PRESSURE, Rank};
use crate::diagnose::thresholds::{
    CGROUP_MEMORY, CGROUP_MEMORY_HITS, CGROUP_MEMORY_PRESSURE, IO_PRESSURE, MEMORY_FULL, MEMORY_PRESSURE,
    REFAULT_SHARE,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{bytes, count, ratio, sentence, unit};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemoryCgroupLimit,
    resource: Resource::Memory,
    lane: Lane::SwapOrDisk("memory limit of a group"),
    sort: Sort::Memory,
    profile: None,
    since: Since::MemoryPressure,
    scope: Scope::Own,
    inputs: &[Input::MemoryPressure, Input::UnifiedGroups],
    title: "a control group is at its memory limit",
    symptom: "A service, container or pod has reached its own memory limit: it reclaims or swaps all the \
              time although the machine has free memory.",
    false_positives: &[
        "A group whose memory is mostly page cache that can be dropped: normal, as long as no thread waits.",
    ],
    sources: &[
        "kernel Documentation/admin-guide/cgroup-v2.rst memory.events",
        "cgroup-v1/memory.rst",
        "netdata",
    ],
    counters: &[
        "memory.events max and high (version 1: memory.failcnt): how often the group reached its limit",
        "memory.current less inactive_file of memory.stat, divided by memory.max or memory.high (version 1: \
         memory.usage_in_bytes, memory.limit_in_bytes): the share of the limit that cannot be dropped at \
         once. It is below 100 % at the limit where the rest is page cache",
        "/proc/pressure/memory some and full, total: threads must wait, for which a little less than the \
         limit is enough; where much can be dropped, twice the limit is needed",
        "/proc/vmstat pgscan_anon and pgscan_file, less pgscan_kswapd and pgscan_direct: reclaim for a \
         group, not for the machine",
    ],
    limits: &[
        &CGROUP_MEMORY,
        &CGROUP_MEMORY_HITS,
        &MEMORY_PRESSURE,
        &MEMORY_FULL,
        &REFAULT_SHARE,
        &IO_PRESSURE,
    ],
    confirm: &[
        confirm(
            "grep -rE . --include=memory.events --include=memory.failcnt /sys/fs/cgroup | grep -E \
             'max|high|failcnt' | grep -vE '[ :]0$'",
            "a group whose count rises from one run to the next",
        ),
        confirm(
            "cat /proc/pressure/memory; grep -E 'MemTotal|MemAvailable' /proc/meminfo",
            "threads wait for memory although much is available",
        ),
    ],
    advice: &[
        look(
            "See what the group's memory is: processes (anon, rss) or page cache (file, cache).",
            "grep -E '^(anon|file|rss|cache|swap|workingset_refault_file) ' {memory_group}/memory.stat",
            Remedy::FixProgram,
        ),
        with_diag("See how long its threads wait for memory.", OwnOption::Account, Remedy::FixProgram),
        advise("Fit heap, caches and number of workers to the limit.", Remedy::FixProgram),
        change(
            "Raise the limit to what the group uses, with some room.",
            ActionTemplate::Raise(GroupLimit::Memory),
            "less memory is left for other services",
            Remedy::Tune,
        ),
        advise("Run more replicas with a smaller share each.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let limited = reading!(facts.rates.cgroups)
        .iter()
        .filter_map(|group| Some((group, group.memory_failures_per_second?, group.memory?)))
        .filter(|(_, hits, memory)| {
            *hits >= facts.limit(&CGROUP_MEMORY_HITS).warning && memory.limit_bytes.is_some()
        });
    let Some((group, hits, memory)) = limited.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Outcome::Clear;
    };
    // Where the page cache is not counted, all of it may be needed.
    let used = memory.usage_bytes.zip(memory.limit_bytes).map(|(usage, limit)| {
        memory.inactive_file_bytes.map_or(usage, |cache| usage.saturating_sub(cache)) as f64
            / limit.max(1) as f64
    });
    let stalls = facts.memory_stalls();
    let cache_only = used.is_some_and(|used| used < facts.limit(&CGROUP_MEMORY).warning);
    let stalls_known = facts.rates.memory_pressure.is_ok();
    let harmless = match stalls_known {
        true => {
            !stalls.some_reaches(facts.setting(&CGROUP_MEMORY_PRESSURE))
                || (cache_only
                    && !stalls.some_reaches(CACHE_ONLY_PRESSURE * facts.limit(&MEMORY_PRESSURE).warning))
        }
        // Where the kernel does not count the waiting, a group that is full of what cannot be dropped must do.
        false => cache_only || used.is_none(),
    };
    // A group full of files is no harm, until it reads them from disk again and again.
    let refaults = facts.refault_share().filter(|refaults| *refaults >= facts.limit(&REFAULT_SHARE).warning);
    let cache_short = refaults.is_some()
        && facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning)
        && own_reclaim(facts);
    if harmless && !cache_short {
        return Outcome::Clear;
    }
    let top = facts.most_among(&group.members, |process| process.memory_bytes() as f64);
    let named = top.as_ref().map(|top| sentence!["; ", facts.name(top), " holds most of it"]);
    let limit = memory.limit_bytes.map(|limit| sentence![" of ", bytes(limit as f64)]);
    // A cache that is too small makes threads wait for I/O instead.
    let reading = facts.io_stalls().some.filter(|_| cache_short);
    let critical = stalls.full_reaches(facts.limit(&MEMORY_FULL).critical.unwrap_or(1.0))
        || stalls.some_reaches(facts.limit(&MEMORY_PRESSURE).critical.unwrap_or(1.0));
    let read_again = refaults.filter(|_| cache_short).map(|refaults| {
        sentence!["; ", ratio(refaults), " of what is read from disk was in memory a moment ago"]
    });
    let summary = sentence![
        "Control group ",
        unit(group.name()),
        " is at its memory limit",
        limit.as_ref(),
        " (it had to free memory ",
        count(hits),
        " times per second), and threads were waiting for memory ",
        facts.memory_wait_words(),
        " of the time",
        read_again,
        named,
        ".",
    ];
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .agreement(1 + usize::from(own_reclaim(facts)) + usize::from(!cache_only))
            .ratio(),
        impact: Impact::measured_or(
            stalls.cost().map(|cost| reading.into_iter().fold(cost, f64::max)),
            Rank::Moderate,
        ),
        evidence: [
            facts.evidence(
                &CGROUP_MEMORY,
                used,
                "memory.current less inactive_file, by memory.max, or version 1's",
            ),
            facts.evidence(&CGROUP_MEMORY_HITS, Some(hits), "memory.events max, high, or memory.failcnt"),
            facts.evidence(&MEMORY_PRESSURE, stalls.some, "/proc/pressure/memory some total"),
            plain(
                "memory_limit_bytes",
                memory.limit_bytes.map(|bytes| bytes as f64),
                Unit::Bytes,
                "memory.max, memory.limit_in_bytes",
            ),
            plain(
                "memory_available_ratio",
                facts.available_ratio(),
                Unit::Ratio,
                "/proc/meminfo MemAvailable",
            ),
        ]
        .into_iter()
        .chain(group_stall(group, "memory"))
        .collect(),
        why: Some(sentence!["at the memory limit", limit, " of ", unit(group.name())]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            summary,
            top.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}

/// Whether most of the scanning is for a group's limit and not for the box.
fn own_reclaim(facts: &Facts<'_>) -> bool {
    let Some(paging) = facts.paging() else { return false };
    paging
        .cgroup_scan_per_second
        .zip(paging.global_scan_per_second())
        .is_some_and(|(own, global)| own > global)
}
