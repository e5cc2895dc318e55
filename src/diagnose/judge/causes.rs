//! Which finding explains which: the causal graph, as data.
//!
//! An explained finding is kept, printed under its cause, and cannot be the verdict. The graph has no
//! cycle; a test sorts it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::kernel_work::Served;
use crate::diagnose::rule::{Hit, Rule, Who};
use crate::diagnose::thresholds::{BLOCKED_LOOKS, REFAULT_SHARE, VANISHED_SHARE};
use crate::model::finding::Severity;

/// "`cause` explains `effect`", when it does.
#[derive(Debug)]
pub struct Edge {
    /// Id of the cause.
    pub cause: &'static str,
    /// Id of what it explains.
    pub effect: &'static str,
    /// Whether it does in this case.
    pub when: fn(&Facts<'_>, &Hit, &Hit) -> bool,
}

const fn edge(cause: &'static str, effect: &'static str, when: fn(&Facts<'_>, &Hit, &Hit) -> bool) -> Edge {
    Edge { cause, effect, when }
}

/// Every edge; the first that holds explains a finding.
pub const EDGES: &[Edge] = &[
    edge("hw-error", "disk-latency", always),
    edge("hw-error", "disk-saturated", always),
    edge("hw-error", "io-blocked", always),
    edge("memory-cgroup-limit", "memory-swap", group_reclaims),
    edge("memory-cgroup-limit", "memory-reclaim", group_reclaims),
    edge("memory-cgroup-limit", "disk-saturated", memory_makes_the_io),
    edge("memory-cgroup-limit", "disk-latency", memory_makes_the_io),
    edge("memory-cgroup-limit", "cpu-system", memory_makes_system_time),
    edge("memory-oom", "memory-cgroup-limit", always),
    edge("memory-oom", "memory-swap", always),
    edge("memory-oom", "memory-reclaim", always),
    edge("memory-oom", "short-lived-processes", always),
    edge("memory-oom", "disk-saturated", memory_makes_the_io),
    edge("memory-swap", "memory-reclaim", always),
    edge("memory-swap", "disk-saturated", swap_makes_the_io),
    edge("memory-swap", "disk-latency", swap_makes_the_io),
    edge("memory-swap", "io-blocked", always),
    edge("memory-swap", "cpu-system", memory_makes_system_time),
    edge("memory-reclaim", "disk-saturated", refaults_make_the_io),
    edge("memory-reclaim", "disk-latency", refaults_make_the_io),
    edge("memory-reclaim", "cpu-system", memory_makes_system_time),
    edge("cpu-steal", "cpu-user", steal_makes_them_wait),
    edge("cpu-steal", "cpu-system", steal_makes_them_wait),
    edge("cpu-steal", "short-lived-processes", steal_makes_them_wait),
    edge("cpu-thermal", "cpu-user", always),
    edge("cpu-thermal", "cpu-system", always),
    edge("cpu-thermal", "cpu-single-thread", always),
    edge("numa-remote", "memory-reclaim", box_has_memory),
    edge("memory-cgroup-limit", "thp-compaction", memory_is_short),
    edge("memory-swap", "thp-compaction", always),
    edge("thp-compaction", "memory-reclaim", box_has_memory),
    edge("thp-compaction", "cpu-system", always),
    edge("hw-error", "kthread-hog", kernel_serves_recovery),
    edge("memory-oom", "kthread-hog", kernel_serves_memory),
    edge("memory-cgroup-limit", "kthread-hog", kernel_serves_memory),
    edge("memory-swap", "kthread-hog", kernel_serves_memory),
    edge("memory-reclaim", "kthread-hog", kernel_serves_memory),
    edge("thp-compaction", "kthread-hog", kernel_serves_memory),
    edge("cpu-interrupts", "kthread-hog", kernel_serves_interrupts),
    edge("disk-saturated", "kthread-hog", kernel_serves_disks),
    edge("disk-latency", "kthread-hog", kernel_serves_disks),
    edge("writeback-stall", "kthread-hog", kernel_serves_disks),
    edge("short-lived-processes", "kthread-hog", kernel_serves_processes),
    edge("kthread-hog", "cpu-system", kernel_threads_dominate),
    edge("cpu-pinned", "cpu-user", always),
    edge("cpu-pinned", "cpu-system", always),
    edge("cpu-pinned", "cpu-single-thread", same_culprit),
    edge("cpu-pinned", "listen-overflow", same_culprit),
    edge("rt-hog", "cpu-pinned", always),
    edge("net-saturated", "net-drops", always),
    edge("net-saturated", "net-retransmits", always),
    edge("cpu-throttled", "lock-contention", same_culprit),
    edge("cpu-throttled", "cpu-single-thread", same_culprit),
    edge("cpu-throttled", "cpu-user", same_culprit),
    edge("cpu-throttled", "cpu-system", same_culprit),
    edge("cpu-throttled", "listen-overflow", same_culprit),
    edge("io-throttled", "io-blocked", always),
    edge("io-throttled", "disk-latency", disks_are_quiet),
    edge("io-throttled", "writeback-stall", disks_are_quiet),
    edge("disk-saturated", "disk-latency", always),
    edge("disk-saturated", "writeback-stall", always),
    edge("disk-saturated", "io-blocked", threads_get_on),
    edge("writeback-stall", "io-blocked", threads_get_on),
    edge("disk-latency", "writeback-stall", always),
    edge("rt-hog", "cpu-user", always),
    edge("rt-hog", "cpu-system", always),
    edge("rt-hog", "cpu-single-thread", always),
    edge("short-lived-processes", "cpu-system", storm_dominates),
    edge("short-lived-processes", "cpu-user", storm_dominates),
    edge("short-lived-processes", "cpu-single-thread", storm_dominates),
    edge("lock-contention", "cpu-single-thread", same_culprit),
    edge("lock-contention", "cpu-system", same_culprit),
    edge("lock-contention", "listen-overflow", same_culprit),
    edge("pid-exhaustion", "cpu-single-thread", same_culprit),
    edge("fd-exhaustion", "cpu-single-thread", same_culprit),
    edge("fd-exhaustion", "listen-overflow", same_culprit),
    edge("cpu-interrupts", "cpu-system", interrupts_dominate),
    edge("cpu-interrupts", "net-drops", always),
    edge("clocksource", "cpu-system", always),
    edge("cpu-user", "listen-overflow", same_culprit),
    edge("cpu-system", "listen-overflow", same_culprit),
    edge("cpu-single-thread", "listen-overflow", same_culprit),
    edge("cpu-single-thread", "net-drops", same_culprit),
    edge("cpu-user", "net-drops", same_culprit),
    edge("listen-overflow", "net-retransmits", always),
    edge("net-drops", "net-retransmits", always),
    edge("conntrack-full", "net-retransmits", always),
    edge("zombies", "pid-exhaustion", zombies_fill_the_table),
];

fn always(_: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    true
}

/// The group's own limit explains memory findings when most of the scanning is for it, or the box has plenty.
fn group_reclaims(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let Some(paging) = facts.paging() else { return false };
    let global = paging.kswapd_scan_per_second.unwrap_or(0.0) + paging.direct_scan_per_second.unwrap_or(0.0);
    match paging.cgroup_scan_per_second {
        Some(own) => own >= global,
        None => facts.available_ratio().is_some_and(|ratio| ratio >= 0.2),
    }
}

/// Want of memory explains a disk when swapping or refaults make its traffic.
fn memory_makes_the_io(facts: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    swap_makes_the_io(facts, cause, effect) || refaults_make_the_io(facts, cause, effect)
}

/// A limit or lock explains what happens to the process that it holds.
fn same_culprit(_: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    match (&cause.who, &effect.who) {
        (Who::Group(cause), Who::Group(effect)) => cause.group == effect.group,
        _ => false,
    }
}

/// Memory can be had, only not where it is wanted.
fn box_has_memory(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.available_ratio().is_some_and(|ratio| ratio >= 0.2)
}

fn memory_is_short(facts: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    !box_has_memory(facts, cause, effect)
}

fn kernel_serves(facts: &Facts<'_>, wanted: &[Served]) -> bool {
    facts.busiest_kernel_work().is_some_and(|work| wanted.contains(&work.served))
}

fn kernel_serves_memory(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    kernel_serves(facts, &[Served::Memory, Served::Compaction])
}

fn kernel_serves_interrupts(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    kernel_serves(facts, &[Served::Interrupts])
}

fn kernel_serves_disks(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    kernel_serves(facts, &[Served::Disks])
}

fn kernel_serves_recovery(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    kernel_serves(facts, &[Served::Recovery])
}

fn kernel_serves_processes(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    kernel_serves(facts, &[Served::Processes])
}

/// The kernel's threads explain kernel time when most of it is theirs.
fn kernel_threads_dominate(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let Some(cpu) = facts.cpu() else { return false };
    let system = cpu.system_ratio * f64::from(facts.rates.cpus_online_count);
    facts.busiest_kernel_work().is_some_and(|work| work.cpus >= 0.5 * system)
}

fn disks_are_quiet(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.leaves().all(|disk| disk.utilization_ratio < 0.6)
}

fn zombies_fill_the_table(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let zombies: usize = facts.rates.zombies.iter().map(|(_, _, all)| all).sum();
    let threads = facts.rates.load.as_ref().map_or(0, |load| load.threads_count);
    zombies as u64 * 2 >= threads
}

/// Swapping explains a disk when it makes a good part of its traffic, or when the waiting for I/O is mostly
/// waiting for memory.
fn swap_makes_the_io(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let (memory, _) = facts.memory_stalls();
    let (io, _) = facts.io_stalls();
    facts.swap_share().is_some_and(|share| share >= 0.3) || (memory > 0.0 && memory >= 0.5 * io)
}

/// A page cache that is too small explains the reads that it causes.
fn refaults_make_the_io(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.refault_share().is_some_and(|share| share >= facts.limit(&REFAULT_SHARE).warning)
}

/// Freeing memory explains kernel time when the kernel's memory threads take a part of it, or when threads
/// stall for memory much of the time.
fn memory_makes_system_time(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let Some(cpu) = facts.cpu() else { return false };
    let system = cpu.system_ratio * f64::from(facts.rates.cpus_online_count);
    let freeing = facts.kernel_threads_cpus(&["kswapd", "kcompactd", "khugepaged"]);
    facts.memory_stalls().0 >= 0.1 || freeing >= 0.3 * system
}

fn steal_makes_them_wait(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.steal_decides()
}

/// A storm explains busy CPUs when it makes most of what is busy.
fn storm_dominates(facts: &Facts<'_>, storm: &Hit, _: &Hit) -> bool {
    let share = storm.evidence.iter().find(|evidence| evidence.metric == VANISHED_SHARE.metric);
    facts.cpu().is_some() && share.and_then(|evidence| evidence.value).is_some_and(|share| share >= 0.5)
}

/// A saturated disk explains threads in D that get on, not those that hang.
fn threads_get_on(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let blocked = facts.limit(&BLOCKED_LOOKS).warning;
    !facts
        .user_threads()
        .any(|thread| thread.uninterruptible_looks_ratio >= blocked && thread.ran == Some(false))
}

fn interrupts_dominate(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.cpu().is_some_and(|cpu| cpu.interrupts_ratio() >= cpu.system_ratio)
}

/// A hit with its rule and what explains it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The rule.
    pub rule: &'static Rule,
    /// What it found.
    pub hit: Hit,
    /// Id of the finding that explains it.
    pub explained_by: Option<&'static str>,
}

/// Applies the edges.
pub fn explain(facts: &Facts<'_>, hits: Vec<(&'static Rule, Hit)>) -> Vec<Judged> {
    let explained: Vec<Option<&'static str>> = hits
        .iter()
        .map(|(rule, effect)| {
            EDGES
                .iter()
                .filter(|edge| edge.effect == rule.id)
                .find(|edge| {
                    hits.iter().any(|(cause, hit)| {
                        // What is only worth knowing explains nothing that is worth a page.
                        cause.id == edge.cause
                            && hit.severity >= effect.severity.min(Severity::Warning)
                            && (edge.when)(facts, hit, effect)
                    })
                })
                .map(|edge| edge.cause)
        })
        .collect();
    hits.into_iter()
        .zip(explained)
        .map(|((rule, mut hit), explained_by)| {
            // A symptom is not to page anybody beside its cause.
            if explained_by.is_some() {
                hit.severity = hit.severity.min(Severity::Warning);
            }
            Judged { rule, hit, explained_by }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::rules::by_id;

    #[test]
    fn the_graph_has_no_cycle() {
        let mut left: Vec<&Edge> = EDGES.iter().collect();
        loop {
            let before = left.len();
            let effects: Vec<&str> = left.iter().map(|edge| edge.effect).collect();
            left.retain(|edge| effects.contains(&edge.cause));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "a cycle through {left:?}");
    }

    #[test]
    fn every_edge_joins_two_rules() {
        for edge in EDGES {
            assert!(by_id(edge.cause).is_some(), "{}", edge.cause);
            assert!(by_id(edge.effect).is_some(), "{}", edge.effect);
        }
    }
}
