//! A control group is at its own memory limit and its threads wait, while the box has memory.
//!
//! Evidence: how often the limit was hit, what the group could not drop at once against its limit, and the stall
//! time for memory: the group's own, as that of a machine with many CPUs hides one group. Usage at the limit alone is
//! normal: page cache fills any limit.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::Ranked;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who,
    advise, change, confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{CACHE_ONLY_PRESSURE, CGROUP_THRASH_HITS, Rank};
use crate::diagnose::thresholds::{
    CGROUP_MEMORY, CGROUP_MEMORY_HITS, CGROUP_MEMORY_PRESSURE, IO_PRESSURE, MEMORY_FULL, MEMORY_PRESSURE,
    REFAULT_SHARE,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::cgroup::CgroupRates;
use crate::model::finding::{Evidence, Remedy, Severity};
use crate::model::sentence::{Sentence, bytes, count, ratio, sentence, unit};
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
        "memory.events.local max and high (before 5.2 memory.events, version 1: memory.failcnt): how often the \
         group reached its own limit, or that above which its threads are slowed down",
        "memory.current less inactive_file of memory.stat, divided by memory.max or memory.high (version 1: \
         memory.usage_in_bytes, memory.limit_in_bytes): the share of the limit that cannot be dropped at \
         once. It is below 100 % at the limit where the rest is page cache",
        "memory.pressure of the group, avg10: its threads must wait, for which a little less than the limit is \
         enough; where much can be dropped and is not read again, twice the limit is needed",
        "/proc/pressure/memory some and full, total: the same of the machine, in version 1; where the limit is hit \
         all the time, times the number of busy CPUs",
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
            "See what it is: processes (anon, rss) or page cache (file, cache).",
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
    reading!(facts.rates.cgroups);
    let held = facts.groups_at_memory_limit().into_iter().map(|(group, hits)| Held::of(facts, group, hits));
    let worst = held.filter(|held| held.hurts(facts)).max_by(|a, b| a.order().total_cmp(&b.order()));
    worst.map_or(Outcome::Clear, |held| Outcome::hit(held.hit(facts)))
}

/// A group at its limit.
struct Held<'a> {
    group: &'a CgroupRates,
    /// Times per second.
    hits: f64,
    /// What it could not drop at once, by its limit. Where the page cache is not counted, all of it may be needed.
    used: Option<f64>,
    /// Share of the time in which its threads were stalled for memory.
    stalled: Option<Stalled>,
    /// Share of what is read that was in memory a moment ago, where the group's own limit is why it was dropped.
    refaults: Option<f64>,
    /// Whether threads wait for those reads.
    reads_wait: bool,
}

/// A stall time, and how near to the group it was measured.
#[derive(Clone, Copy)]
enum Stalled {
    /// By the group's own `memory.pressure`.
    Own(f64),
    /// By that of the machine, which on many busy CPUs hardly moves for one group.
    Machine(f64),
}

impl Stalled {
    fn ratio(self) -> f64 {
        match self {
            Self::Own(ratio) | Self::Machine(ratio) => ratio,
        }
    }
}

impl<'a> Held<'a> {
    fn of(facts: &Facts<'_>, group: &'a CgroupRates, hits: f64) -> Self {
        let memory = group.memory.unwrap_or_default();
        let used = memory.usage_bytes.zip(memory.limit_bytes).map(|(usage, limit)| {
            memory.inactive_file_bytes.map_or(usage, |cache| usage.saturating_sub(cache)) as f64
                / limit.max(1) as f64
        });
        let own = group.stalled_ratio("memory").map(Stalled::Own);
        let refaults = facts
            .refault_share()
            .filter(|share| *share >= facts.limit(&REFAULT_SHARE).warning && own_reclaim(facts));
        Self {
            group,
            hits,
            used,
            stalled: own.or_else(|| machine_stall(facts, hits)),
            refaults,
            reads_wait: refaults.is_some()
                && facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning),
        }
    }

    fn cache_only(&self, facts: &Facts<'_>) -> bool {
        self.used.is_some_and(|used| used < facts.limit(&CGROUP_MEMORY).warning)
    }

    /// A limit that is hit is no harm by itself: page cache fills any.
    fn hurts(&self, facts: &Facts<'_>) -> bool {
        let by_stalls = match self.stalled.map(Stalled::ratio) {
            Some(stalled) => {
                let much = CACHE_ONLY_PRESSURE * facts.limit(&MEMORY_PRESSURE).warning;
                stalled >= facts.setting(&CGROUP_MEMORY_PRESSURE)
                    && (!self.cache_only(facts) || self.refaults.is_some() || stalled >= much)
            }
            // Where the kernel does not count the waiting, a group that is full of what cannot be dropped must do.
            None => self.used.is_some() && !self.cache_only(facts),
        };
        // A group full of files is no harm, until it reads them from disk again and again.
        by_stalls || self.reads_wait
    }

    fn order(&self) -> f64 {
        self.stalled.map_or(0.0, Stalled::ratio) + self.hits.ln_1p() / 1000.0
    }

    fn critical(&self, facts: &Facts<'_>) -> bool {
        let some = facts.limit(&MEMORY_PRESSURE).critical;
        let full = facts.limit(&MEMORY_FULL).critical;
        self.stalled.zip(some).is_some_and(|(stalled, limit)| stalled.ratio() >= limit)
            || full.is_some_and(|limit| facts.memory_stalls().full_reaches(limit))
    }

    fn hit(&self, facts: &Facts<'_>) -> Hit {
        let group = self.group;
        let top = facts.most_among(&group.members, |process| process.memory_bytes() as f64);
        let limit = group.memory.and_then(|memory| memory.limit_bytes);
        let of_limit = limit.map(|limit| sentence![" of ", bytes(limit as f64)]);
        let cost = match self.stalled {
            Some(Stalled::Own(ratio)) => Some(ratio),
            _ => facts.memory_stalls().cost().or(self.stalled.map(Stalled::ratio)),
        };
        // A cache that is too small makes threads wait for I/O instead.
        let reading = facts.io_stalls().some.filter(|_| self.reads_wait);
        Hit {
            confidence_ratio: Confidence::new()
                .agreement(
                    1 + usize::from(own_reclaim(facts))
                        + usize::from(!self.cache_only(facts))
                        + usize::from(matches!(self.stalled, Some(Stalled::Own(_)))),
                )
                .ratio(),
            impact: Impact::measured_or(
                cost.map(|cost| reading.into_iter().fold(cost, f64::max)),
                Rank::Moderate,
            ),
            evidence: self.evidence(facts),
            why: Some(sentence!["at the memory limit", of_limit.as_ref(), " of ", unit(group.name())]),
            ..Hit::new(
                if self.critical(facts) { Severity::Critical } else { Severity::Warning },
                self.summary(facts, top.as_ref(), of_limit),
                top.map_or(Who::None, Who::Group),
                Remedy::Tune,
            )
        }
    }

    fn summary(&self, facts: &Facts<'_>, top: Option<&Ranked>, of_limit: Option<Sentence>) -> Sentence {
        let waiting = match self.stalled {
            Some(Stalled::Own(own)) => sentence!["its threads were waiting for memory ", ratio(own)],
            _ => sentence!["threads were waiting for memory ", facts.memory_wait_words()],
        };
        let cache = self.used.filter(|_| self.cache_only(facts)).map(|used| {
            sentence![
                "; ",
                ratio(1.0 - used),
                " of the limit is page cache, which is dropped to stay below it"
            ]
        });
        let read_again = self.refaults.map(|refaults| {
            sentence!["; ", ratio(refaults), " of what is read from disk was in memory a moment ago"]
        });
        let soft = self
            .group
            .memory
            .is_some_and(|memory| memory.high_bytes.is_some() && memory.high_bytes == memory.limit_bytes);
        sentence![
            "Control group ",
            unit(self.group.name()),
            " is at its memory limit",
            of_limit,
            if soft { " (memory.high, above which its threads are slowed down)" } else { "" },
            ": it had to free memory ",
            count(self.hits),
            " times per second, and ",
            waiting,
            " of the time",
            cache,
            read_again,
            top.map(|top| sentence!["; ", facts.name(top), " holds most of it"]),
            ".",
        ]
    }

    fn evidence(&self, facts: &Facts<'_>) -> Vec<Evidence> {
        const USED: &str = "memory.current less inactive_file, by memory.max, or version 1's";
        const MACHINE: &str = "/proc/pressure/memory some total";
        // What is below its limit and yet no contradiction is told without the limit.
        let used = if self.cache_only(facts) {
            plain(CGROUP_MEMORY.metric, self.used, Unit::Ratio, USED)
        } else {
            facts.evidence(&CGROUP_MEMORY, self.used, USED)
        };
        let machine = facts.memory_stalls().some;
        let own = self.group.stalled_ratio("memory");
        let scaled = machine.is_some_and(|some| some < facts.limit(&MEMORY_PRESSURE).warning);
        let stalls = match own {
            Some(_) => facts.evidence(&MEMORY_PRESSURE, own, "memory.pressure of the group, avg10"),
            None if scaled => plain(MEMORY_PRESSURE.metric, machine, Unit::Ratio, MACHINE),
            None => facts.evidence(&MEMORY_PRESSURE, machine, MACHINE),
        };
        let bytes = |value: Option<u64>| value.map(|bytes| bytes as f64);
        let memory = self.group.memory.unwrap_or_default();
        vec![
            facts.evidence(
                &CGROUP_MEMORY_HITS,
                Some(self.hits),
                "memory.events max, high, or memory.failcnt",
            ),
            stalls,
            plain(
                "memory_limit_bytes",
                bytes(memory.limit_bytes),
                Unit::Bytes,
                "memory.max, memory.limit_in_bytes",
            ),
            plain(
                "memory_usage_bytes",
                bytes(memory.usage_bytes),
                Unit::Bytes,
                "memory.current, memory.usage_in_bytes",
            ),
            used,
            plain(
                "memory_available_ratio",
                facts.available_ratio(),
                Unit::Ratio,
                "/proc/meminfo MemAvailable",
            ),
        ]
    }
}

/// The machine's stall time as one group's: the kernel weighs it by the busy CPUs, of which a group that stalls has few.
/// Only where the limit is hit all the time is it taken for the group's.
fn machine_stall(facts: &Facts<'_>, hits: f64) -> Option<Stalled> {
    let some = facts.memory_stalls().some?;
    let busy = if hits >= CGROUP_THRASH_HITS { facts.busy_cpus().max(1.0) } else { 1.0 };
    Some(Stalled::Machine((some * busy).min(1.0)))
}

/// Whether most of the scanning is for a group's limit and not for the box.
fn own_reclaim(facts: &Facts<'_>) -> bool {
    let Some(paging) = facts.paging() else { return false };
    paging
        .cgroup_scan_per_second
        .zip(paging.global_scan_per_second())
        .is_some_and(|(own, global)| own > global)
}
