//! Which finding explains which: the causal graph, as data.
//!
//! An explained finding is kept, printed under its cause, and cannot be the verdict. The graph has no
//! cycle; a test sorts it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::kernel_log::{is_disk_name, is_part_of};
use crate::diagnose::evidence::kernel_work::Served;
use crate::diagnose::rule::{Hit, Rule, Who};
use crate::diagnose::thresholds::algorithm::{
    DISK_QUIET, FREEING_OF_SYSTEM, KTHREADS_OF_SYSTEM, MEMORY_MAKES_SYSTEM, MEMORY_OF_IO, MEMORY_PLENTY,
    REALTIME_OF_BUSY, STORM_EXPLAINS, SWAP_MAKES_IO,
};
use crate::diagnose::thresholds::{BLOCKED_LOOKS, REFAULT_SHARE};
use crate::model::bottleneck::BottleneckId as Id;
use crate::model::finding::Severity;
use crate::model::rates::DiskRates;

/// "`cause` explains `effect`", when it does.
#[derive(Debug)]
pub struct Edge {
    /// Id of the cause.
    pub cause: Id,
    /// Id of what it explains.
    pub effect: Id,
    /// Whether it does in this case.
    pub when: fn(&Facts<'_>, &Hit, &Hit) -> bool,
}

const fn edge(cause: Id, effect: Id, when: fn(&Facts<'_>, &Hit, &Hit) -> bool) -> Edge {
    Edge { cause, effect, when }
}

/// Every edge; the first that holds explains a finding.
pub const EDGES: &[Edge] = &[
    edge(Id::HwError, Id::DiskLatency, error_of_that_device),
    edge(Id::HwError, Id::DiskSaturated, error_of_that_device),
    edge(Id::HwError, Id::IoBlocked, error_of_that_device),
    edge(Id::HwError, Id::IoBound, error_of_that_device),
    edge(Id::HwError, Id::WritebackStall, error_of_that_device),
    edge(Id::MemoryUnowned, Id::MemoryOom, unowned_is_most),
    edge(Id::MemoryUnowned, Id::MemorySwap, unowned_is_most),
    edge(Id::MemoryUnowned, Id::MemoryReclaim, unowned_is_most),
    edge(Id::MemoryUnowned, Id::MemoryLow, unowned_is_most),
    edge(Id::MemoryUnowned, Id::ThpCompaction, unowned_is_most),
    edge(Id::MemoryUnowned, Id::KthreadHog, kernel_serves_memory),
    edge(Id::MemoryUnowned, Id::DiskSaturated, memory_makes_the_io),
    edge(Id::MemoryUnowned, Id::DiskLatency, memory_makes_the_io),
    edge(Id::MemoryUnowned, Id::CpuSystem, memory_makes_system_time),
    edge(Id::MemoryCgroupLimit, Id::MemorySwap, group_reclaims),
    edge(Id::MemoryCgroupLimit, Id::MemoryReclaim, group_reclaims),
    edge(Id::MemoryCgroupLimit, Id::DiskSaturated, memory_makes_the_io),
    edge(Id::MemoryCgroupLimit, Id::DiskLatency, memory_makes_the_io),
    edge(Id::MemoryCgroupLimit, Id::IoBound, memory_makes_the_io),
    edge(Id::MemoryCgroupLimit, Id::CpuSystem, memory_makes_system_time),
    edge(Id::MemoryOom, Id::MemoryCgroupLimit, always),
    edge(Id::MemoryOom, Id::MemorySwap, always),
    edge(Id::MemoryOom, Id::MemoryReclaim, always),
    edge(Id::MemoryOom, Id::ShortLivedProcesses, always),
    edge(Id::MemoryOom, Id::DiskSaturated, memory_makes_the_io),
    edge(Id::MemorySwap, Id::MemoryReclaim, always),
    edge(Id::MemorySwap, Id::DiskSaturated, swap_makes_the_io),
    edge(Id::MemorySwap, Id::DiskLatency, swap_makes_the_io),
    edge(Id::MemorySwap, Id::IoBound, swap_makes_the_io),
    edge(Id::MemorySwap, Id::IoBlocked, swap_blocks_them),
    edge(Id::MemorySwap, Id::MemoryLow, always),
    edge(Id::MemoryReclaim, Id::MemoryLow, always),
    edge(Id::MemoryOom, Id::MemoryLow, always),
    edge(Id::MemorySwap, Id::CpuSystem, memory_makes_system_time),
    edge(Id::MemoryReclaim, Id::DiskSaturated, refaults_make_the_io),
    edge(Id::MemoryReclaim, Id::DiskLatency, refaults_make_the_io),
    edge(Id::MemoryReclaim, Id::IoBound, refaults_make_the_io),
    edge(Id::MemoryReclaim, Id::CpuSystem, memory_makes_system_time),
    edge(Id::CpuSteal, Id::CpuUser, steal_makes_them_wait),
    edge(Id::CpuSteal, Id::CpuSystem, steal_makes_them_wait),
    edge(Id::CpuSteal, Id::ShortLivedProcesses, steal_makes_them_wait),
    edge(Id::CpuThermal, Id::CpuUser, always),
    edge(Id::CpuThermal, Id::CpuSystem, always),
    edge(Id::CpuThermal, Id::CpuSingleThread, always),
    edge(Id::NumaRemote, Id::MemoryReclaim, box_has_memory),
    edge(Id::MemoryCgroupLimit, Id::ThpCompaction, memory_is_short),
    edge(Id::MemorySwap, Id::ThpCompaction, always),
    edge(Id::ThpCompaction, Id::MemoryReclaim, box_has_memory),
    edge(Id::ThpCompaction, Id::CpuSystem, always),
    edge(Id::HwError, Id::KthreadHog, kernel_serves_recovery),
    edge(Id::MemoryOom, Id::KthreadHog, kernel_serves_memory),
    edge(Id::MemoryCgroupLimit, Id::KthreadHog, kernel_serves_memory),
    edge(Id::MemorySwap, Id::KthreadHog, kernel_serves_memory),
    edge(Id::MemoryReclaim, Id::KthreadHog, kernel_serves_memory),
    edge(Id::ThpCompaction, Id::KthreadHog, kernel_serves_memory),
    edge(Id::CpuInterrupts, Id::KthreadHog, kernel_serves_interrupts),
    edge(Id::DiskSaturated, Id::KthreadHog, kernel_serves_disks),
    edge(Id::DiskLatency, Id::KthreadHog, kernel_serves_disks),
    edge(Id::WritebackStall, Id::KthreadHog, kernel_serves_disks),
    edge(Id::ShortLivedProcesses, Id::KthreadHog, kernel_serves_processes),
    edge(Id::KthreadHog, Id::CpuSystem, kernel_threads_dominate),
    edge(Id::CpuPinned, Id::CpuUser, always),
    edge(Id::CpuPinned, Id::CpuSystem, always),
    edge(Id::CpuPinned, Id::CpuSingleThread, same_culprit),
    edge(Id::CpuPinned, Id::ListenOverflow, same_culprit),
    edge(Id::RtHog, Id::CpuPinned, always),
    edge(Id::NetSaturated, Id::NetDrops, always),
    edge(Id::NetSaturated, Id::NetRetransmits, always),
    edge(Id::CpuThrottled, Id::LockContention, same_culprit),
    edge(Id::CpuThrottled, Id::CpuSingleThread, same_culprit),
    edge(Id::CpuThrottled, Id::CpuUser, same_culprit),
    edge(Id::CpuThrottled, Id::CpuSystem, same_culprit),
    edge(Id::CpuThrottled, Id::ListenOverflow, same_culprit),
    edge(Id::IoThrottled, Id::IoBlocked, always),
    edge(Id::IoThrottled, Id::DiskLatency, disks_are_quiet),
    edge(Id::IoThrottled, Id::WritebackStall, disks_are_quiet),
    edge(Id::DiskSaturated, Id::DiskLatency, always),
    edge(Id::DiskSaturated, Id::WritebackStall, always),
    edge(Id::DiskSaturated, Id::IoBlocked, threads_get_on),
    edge(Id::WritebackStall, Id::IoBlocked, threads_get_on),
    edge(Id::DiskLatency, Id::WritebackStall, always),
    edge(Id::DiskLatency, Id::IoBlocked, threads_get_on),
    edge(Id::IoThrottled, Id::IoBound, always),
    edge(Id::DiskSaturated, Id::IoBound, always),
    edge(Id::DiskLatency, Id::IoBound, always),
    edge(Id::WritebackStall, Id::IoBound, always),
    edge(Id::RtHog, Id::CpuUser, realtime_fills_them),
    edge(Id::RtHog, Id::CpuSystem, realtime_fills_them),
    edge(Id::RtHog, Id::CpuSingleThread, realtime_fills_them),
    edge(Id::ShortLivedProcesses, Id::CpuSystem, storm_dominates),
    edge(Id::ShortLivedProcesses, Id::CpuUser, storm_dominates),
    edge(Id::ShortLivedProcesses, Id::CpuSingleThread, storm_dominates),
    edge(Id::LockContention, Id::CpuSingleThread, same_culprit),
    edge(Id::LockContention, Id::CpuSystem, same_culprit),
    edge(Id::LockContention, Id::ListenOverflow, same_culprit),
    edge(Id::PidExhaustion, Id::CpuSingleThread, same_culprit),
    edge(Id::FdExhaustion, Id::CpuSingleThread, same_culprit),
    edge(Id::FdExhaustion, Id::ListenOverflow, same_culprit),
    edge(Id::CpuInterrupts, Id::CpuSystem, interrupts_dominate),
    edge(Id::CpuInterrupts, Id::CpuSingleThread, interrupts_of_the_same),
    edge(Id::CpuInterrupts, Id::NetDrops, always),
    edge(Id::Clocksource, Id::CpuSystem, always),
    edge(Id::CpuUser, Id::ListenOverflow, same_culprit),
    edge(Id::CpuSystem, Id::ListenOverflow, same_culprit),
    edge(Id::CpuSingleThread, Id::ListenOverflow, same_culprit),
    edge(Id::CpuSingleThread, Id::NetDrops, same_culprit),
    edge(Id::CpuUser, Id::NetDrops, same_culprit),
    edge(Id::ListenOverflow, Id::NetRetransmits, always),
    edge(Id::NetDrops, Id::NetRetransmits, always),
    edge(Id::ConntrackFull, Id::NetRetransmits, always),
    edge(Id::Zombies, Id::PidExhaustion, zombies_fill_the_table),
];

fn always(_: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    true
}

/// An error explains what happens to the device that it is of. Not every message names the device as the disks are named.
fn error_of_that_device(facts: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    let (Some(failing), Some(slow)) = (&cause.device, &effect.device) else { return true };
    let disks = facts.disks();
    // A file in the place of a disk lies on any of them.
    if disks.iter().any(|disk| disk.name == *slow && disk.backing_file.is_some()) {
        return true;
    }
    if !disks.iter().any(|disk| is_part_of(failing, &disk.name)) {
        // One that is gone is no longer among them.
        return !is_disk_name(failing);
    }
    let stands_on = |upper: &str, lower: &str| {
        let of = |disk: &&DiskRates| is_part_of(upper, &disk.name);
        disks.iter().filter(of).any(|disk| disk.slaves.iter().any(|slave| is_part_of(lower, slave)))
    };
    is_part_of(failing, slow) || stands_on(slow, failing) || stands_on(failing, slow)
}

/// The group's own limit explains memory findings when most of the scanning is for it, or the box has plenty.
fn group_reclaims(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let Some(paging) = facts.paging() else { return false };
    match paging.cgroup_scan_per_second.zip(paging.global_scan_per_second()) {
        Some((own, global)) => own >= global,
        None => facts.available_ratio().is_some_and(|ratio| ratio >= MEMORY_PLENTY),
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

/// More than what the largest program holds belongs to no process: giving that back ends the shortage. A group that
/// is killed in at its own limit has another cause.
fn unowned_is_most(facts: &Facts<'_>, cause: &Hit, _: &Hit) -> bool {
    cause.severity >= Severity::Notice && facts.oom_group().is_none()
}

/// Swapping explains threads in D that get on: each waits for a page and goes on. Those that hang wait for
/// something else, and so does a thread where hardly anything comes back from swap.
fn swap_blocks_them(facts: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    threads_get_on(facts, cause, effect) && swap_makes_the_io(facts, cause, effect)
}

/// The box has memory available, but not where it is needed.
fn box_has_memory(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.available_ratio().is_some_and(|ratio| ratio >= MEMORY_PLENTY)
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
    facts.busiest_kernel_work().is_some_and(|work| work.cpus >= KTHREADS_OF_SYSTEM * system)
}

fn disks_are_quiet(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.leaves().all(|disk| disk.utilization_ratio < DISK_QUIET)
}

fn zombies_fill_the_table(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let zombies: usize = facts.rates.zombies.iter().map(|(_, _, all)| all).sum();
    facts.rates.load.as_ref().is_ok_and(|load| zombies as u64 * 2 >= load.threads_count)
}

/// Swapping explains a disk when it makes a good part of its traffic, or when the waiting for I/O is mostly
/// waiting for memory.
fn swap_makes_the_io(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let mostly = facts.memory_stalls().some.zip(facts.io_stalls().some);
    facts.swap_share().is_some_and(|share| share >= SWAP_MAKES_IO)
        || mostly.is_some_and(|(memory, io)| memory > 0.0 && memory >= MEMORY_OF_IO * io)
}

/// A page cache that is too small explains the reads that it causes, not a disk that writes.
fn refaults_make_the_io(facts: &Facts<'_>, _: &Hit, effect: &Hit) -> bool {
    let disk = facts.disks().iter().find(|disk| Some(&disk.name) == effect.device.as_ref());
    let reads = disk.is_none_or(|disk| disk.read_bytes_per_second >= disk.write_bytes_per_second);
    reads && facts.refault_share().is_some_and(|share| share >= facts.limit(&REFAULT_SHARE).warning)
}

/// Freeing memory explains kernel time when the kernel's memory threads take a part of it, or when threads
/// stall for memory much of the time.
fn memory_makes_system_time(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let Some(cpu) = facts.cpu() else { return false };
    let system = cpu.system_ratio * f64::from(facts.rates.cpus_online_count);
    let freeing = facts.kernel_threads_cpus(&["kswapd", "kcompactd", "khugepaged"]);
    facts.memory_stalls().some_reaches(MEMORY_MAKES_SYSTEM) || freeing >= FREEING_OF_SYSTEM * system
}

fn steal_makes_them_wait(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    facts.steal_decides()
}

/// A storm explains busy CPUs when it makes most of what is busy.
fn storm_dominates(facts: &Facts<'_>, storm: &Hit, _: &Hit) -> bool {
    facts.cpu().is_some() && storm.share_of_busy.is_some_and(|share| share >= STORM_EXPLAINS)
}

/// A saturated disk explains threads in D that get on, not those that hang.
fn threads_get_on(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let blocked = facts.limit(&BLOCKED_LOOKS).warning;
    !facts
        .user_threads()
        .any(|thread| thread.uninterruptible_looks_ratio >= blocked && thread.ran == Some(false))
}

/// One thread that mostly handles the packets that it sends is busy with them.
fn interrupts_of_the_same(facts: &Facts<'_>, cause: &Hit, effect: &Hit) -> bool {
    same_culprit(facts, cause, effect) && interrupts_dominate(facts, cause, effect)
}

/// Real-time threads explain busy CPUs where they are a good part of what is busy.
fn realtime_fills_them(facts: &Facts<'_>, _: &Hit, _: &Hit) -> bool {
    let realtime = facts.user_threads().filter(|thread| thread.is_realtime());
    let cpus: f64 = realtime.map(|thread| thread.cpu_ratio() * thread.followed_ratio).sum();
    cpus >= REALTIME_OF_BUSY * facts.busy_cpus()
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
    pub explained_by: Option<Id>,
    /// How sure it would be with all inputs. Findings are ordered by it: without rights the same one is the verdict, less
    /// sure.
    pub sure_ratio: f64,
}

impl Judged {
    /// With the confidence of a hit whose missing inputs have not been weighed yet.
    pub fn new(rule: &'static Rule, hit: Hit, explained_by: Option<Id>) -> Self {
        Self { rule, sure_ratio: hit.confidence_ratio, hit, explained_by }
    }
}

/// Applies the edges.
pub fn explain(facts: &Facts<'_>, hits: Vec<(&'static Rule, Hit)>) -> Vec<Judged> {
    let explained: Vec<Option<Id>> = hits
        .iter()
        .map(|(rule, effect)| {
            EDGES
                .iter()
                .filter(|edge| edge.effect == rule.id)
                .find(|edge| {
                    hits.iter().any(|(cause, hit)| {
                        // What is only worth knowing explains nothing that is worth a page. A program at its own
                        // limit may: others wait for it.
                        cause.id == edge.cause
                            && hit.severity >= effect.severity.min(Severity::Notice)
                            && (edge.when)(facts, hit, effect)
                    })
                })
                .map(|edge| edge.cause)
        })
        .collect();
    let mut judged: Vec<Judged> = hits
        .into_iter()
        .zip(explained)
        .map(|((rule, hit), explained_by)| Judged::new(rule, hit, explained_by))
        .collect();
    inherit(&mut judged);
    judged
}

/// A cause is as severe as what it makes, and what it explains is to page nobody beside it.
fn inherit(judged: &mut [Judged]) {
    for index in 0..judged.len() {
        let severity = judged[index].hit.severity;
        let mut next = judged[index].explained_by;
        // The graph has no cycle.
        while let Some(id) = next {
            let Some(cause) = judged.iter_mut().find(|judged| judged.rule.id == id) else { break };
            cause.hit.severity = cause.hit.severity.max(severity);
            next = cause.explained_by;
        }
    }
    for explained in judged.iter_mut().filter(|judged| judged.explained_by.is_some()) {
        explained.hit.severity = explained.hit.severity.min(Severity::Warning);
    }
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
            let effects: Vec<Id> = left.iter().map(|edge| edge.effect).collect();
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
