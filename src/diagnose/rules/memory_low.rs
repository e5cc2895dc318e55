//! Hardly any memory is left and there is no swap space: the next allocation may be the one that kills.
//!
//! Evidence: what the kernel could still get, as a share, with no swap space to move anything to; and how fast that falls.
//! No thread waits yet, so this is never critical. A large machine has room left at a small share, unless that falls.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::evidence::memory_blame::Demand;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{FULL_SOON_SECONDS, HOLDER_SHARE, Rank, VERY_LOW};
use crate::diagnose::thresholds::{LEAK_BYTES_PER_SECOND, MEMORY_LOW};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::rates::ProcessRates;
use crate::model::sentence::{bytes, ratio, seconds, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemoryLow,
    resource: Resource::Memory,
    lane: Lane::LimitsAndErrors("memory nearly full"),
    sort: Sort::Memory,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Node,
    inputs: &[Input::AllProcesses],
    title: "memory is nearly full, and there is no swap space",
    symptom: "Nothing is slow yet. When the rest of the memory is used, threads wait for reclaim and the kernel kills \
              processes.",
    false_positives: &[
        "Memory full of page cache: that is available.",
        "A machine whose programs hold nearly all of a large memory and no longer grow.",
    ],
    sources: &["proc_meminfo(5) MemAvailable (3.14)", "kernel Documentation/filesystems/proc.rst"],
    counters: &[
        "/proc/meminfo MemAvailable, and of ZFS's cache what is above c_min, divided by MemTotal; SwapFree is 1 % of it \
         at most",
        "the same at both ends of the window: how fast it falls, and when it is used up",
        "/proc/PID/stat rss: who grows",
    ],
    limits: &[&MEMORY_LOW],
    confirm: &[
        confirm("free -h", "available is a few percent of total, and swap is 0 or full"),
        confirm("ps -eo pid,user,rss,comm --sort=-rss | head", "the process that is larger each time"),
    ],
    advice: &[
        look(
            "See how much of it is the process's own memory; a leak grows from one run to the next.",
            "grep -E 'VmRSS|RssAnon|RssShmem' /proc/{pid}/status",
            Remedy::FixProgram,
        ),
        with_diag("See what its threads do.", OwnOption::Account, Remedy::FixProgram),
        change(
            "Cap its unit below what it holds, so that it and not the machine runs out.",
            ActionTemplate::MemoryCap,
            "that unit gets slow",
            Remedy::Tune,
        ),
        advise("Fix the leak, or fit heaps, caches and number of workers to the memory.", Remedy::FixProgram),
        advise("Add some swap space as a reserve: it gives time to see a leak.", Remedy::AddResource),
        advise("Add memory.", Remedy::AddResource),
        advise("Spread the services over more servers.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let account = reading!(facts.rates.memory_account);
    let Some(left) = account.available_bytes else { return Outcome::Clear };
    if !facts.memory_is_low() {
        return Outcome::Clear;
    }
    let (left, share) = (left as f64, left as f64 / account.total_bytes.max(1) as f64);
    let falls = account
        .available_fall_bytes_per_second
        .filter(|fall| *fall > 0.0 && *fall >= facts.setting(&LEAK_BYTES_PER_SECOND));
    let full_in = falls.map(|fall| left / fall);
    let soon = full_in.is_some_and(|full_in| full_in <= FULL_SOON_SECONDS);
    let very_low = share <= VERY_LOW;
    let blame = facts.memory_blame();
    let grows = |process: &ProcessRates| process.rss_growth_bytes.max(0) as f64;
    let growing = rank(facts, None, |group| group.sum(grows), grows);
    let window = facts.rates.seconds.max(0.1);
    // A small one is not why the memory is full.
    let held = blame.ranked.first().map_or(0.0, |top| top.amount);
    let holds = blame.demand == Demand::Unowned || held >= HOLDER_SHARE * account.total_bytes as f64;
    let top = growing.first().filter(|top| falls.is_some_and(|fall| top.amount / window >= 0.5 * fall));
    let named = match top {
        Some(top) => {
            Some(sentence!["; ", facts.name(top), " grows by ", bytes(top.amount / window), " per second"])
        }
        None => blame.text(facts).filter(|_| holds),
    };
    let until = full_in.map(|full_in| sentence!["; at this rate it is full in ", seconds(full_in)]);
    Outcome::hit(Hit {
        impact: Impact::Rank(if soon || very_low { Rank::Low } else { Rank::Minor }),
        evidence: vec![
            facts.evidence(&MEMORY_LOW, Some(1.0 - share), "/proc/meminfo MemAvailable, MemTotal"),
            plain("memory_left_bytes", Some(left), Unit::Bytes, "/proc/meminfo MemAvailable"),
            plain(
                "memory_left_falls_bytes_per_second",
                account.available_fall_bytes_per_second,
                Unit::BytesPerSecond,
                "/proc/meminfo MemAvailable at both ends",
            ),
            plain(
                "memory_full_in_seconds",
                full_in,
                Unit::Seconds,
                "/proc/meminfo MemAvailable at both ends",
            ),
        ],
        why: top.map(|_| "its memory grows".into()).or_else(|| blame.why()),
        suspects: suspects(facts, if top.is_some() { &growing } else { &blame.ranked }, Role::Offender),
        ..Hit::new(
            if soon || very_low { Severity::Warning } else { Severity::Notice },
            sentence![
                "Only ",
                bytes(left),
                " of memory (",
                ratio(share),
                ") is available and there is no swap space left",
                until,
                named,
                ". No thread waits for memory yet.",
            ],
            top.cloned().map_or_else(|| if holds { blame.who() } else { Who::None }, Who::Group),
            blame.remedy(),
        )
    })
}
