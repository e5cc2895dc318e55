//! Memory comes from the wrong node: the CPUs reach it over the link between sockets.
//!
//! Evidence: pages that were wanted from one node and had to be taken from another (`numa_miss`). A program that is bound
//! to the memory of another node than that of its CPUs gets what it wants and misses nothing (`numa_other`): that is
//! worth knowing. Only machines with several nodes have either.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::rank;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_SHARE, NUMA_BOUND, Rank};
use crate::diagnose::thresholds::{MAIN_CAUSE, NUMA_MISSES};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::NumaRemote,
    resource: Resource::Memory,
    lane: Lane::UserOrSystem("remote memory"),
    sort: Sort::Memory,
    profile: Some(ProfileMode::OnCpu),
    since: Since::Unmeasured,
    scope: Scope::Node,
    inputs: &[],
    title: "memory comes from a remote NUMA node",
    symptom: "One memory node of the machine is full while others have free memory: programs get memory that \
              is slow for their CPUs, or the full node is reclaimed although the machine has free memory.",
    false_positives: &[
        "A program that interleaves its memory over all nodes: that does not count as a miss.",
        "A few misses while little memory is allocated.",
    ],
    sources: &["kernel Documentation/admin-guide/numastat.rst", "numastat(8)"],
    counters: &[
        "/proc/vmstat numa_miss divided by numa_hit and numa_miss: share of the pages that came from another \
         node than the wanted one",
        "/proc/vmstat numa_other without numa_interleave: pages from another node than the CPU's, of a program that \
         is bound to that node",
        "/sys/devices/system/node/online: number of nodes; a machine with one node has no misses",
    ],
    limits: &[&NUMA_MISSES],
    confirm: &[
        confirm("numastat", "numa_miss rises on a node"),
        confirm(
            "grep MemFree /sys/devices/system/node/node*/meminfo",
            "one node has no free memory while another has some",
        ),
    ],
    advice: &[
        look("See which node is full.", "numastat -c", Remedy::Tune),
        look("See on which nodes the process has its memory.", "numastat -p {pid}", Remedy::Tune),
        advise("Run several smaller processes, one per node.", Remedy::FixProgram),
        advise(
            "Start the program with its memory on all nodes (numactl --interleave=all), or bind it with its \
             memory to a node that is large enough.",
            Remedy::Tune,
        ),
        change(
            "Do not reclaim a node while another has free memory.",
            ActionTemplate::Sysctl(&[("vm.zone_reclaim_mode", "0")]),
            "more memory comes from remote nodes",
            Remedy::Tune,
        ),
    ],
    check,
};

/// Pages per second below which remote memory does not matter.
const PAGES_MIN: f64 = 1000.0;

fn check(facts: &Facts<'_>) -> Outcome {
    if facts.rates.host.memory_nodes_count.is_none_or(|nodes| nodes < 2) {
        return Outcome::Clear;
    }
    let paging = reading!(facts.rates.paging);
    let Some((hit, miss)) = paging.numa_hit_per_second.zip(paging.numa_miss_per_second) else {
        return Outcome::unknown(
            "memory from other nodes",
            "/proc/vmstat has no numa_hit and numa_miss",
            None,
        );
    };
    let pages = hit + miss;
    let share = miss / pages.max(f64::EPSILON);
    let misses = share >= facts.limit(&NUMA_MISSES).warning;
    let bound = paging.numa_bound_per_second.filter(|bound| *bound >= NUMA_BOUND * pages);
    if pages < PAGES_MIN || !misses && bound.is_none() {
        return Outcome::Clear;
    }
    // Who allocates is who faults: no counter of a process says so, but growth does.
    let growth = |growth: i64| growth.max(0) as f64;
    let grown = rank(
        facts,
        None,
        |group| group.sum(|process| growth(process.rss_growth_bytes)),
        |process| growth(process.rss_growth_bytes),
    );
    let who = grown.into_iter().next().filter(|top| top.share >= facts.setting(&MAIN_CAUSE));
    let named = who.as_ref().map(|top| sentence!["; ", facts.name(top), " grows most"]);
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(share, facts.limit(&NUMA_MISSES).warning, ERROR_OF_A_SHARE)
            .agreement(1)
            .ratio(),
        impact: Impact::Rank(Rank::Low),
        evidence: vec![
            facts.evidence(&NUMA_MISSES, Some(share), "/proc/vmstat numa_hit, numa_miss"),
            plain("numa_misses_per_second", Some(miss), Unit::PerSecond, "/proc/vmstat numa_miss"),
            plain(
                "memory_nodes_count",
                facts.rates.host.memory_nodes_count.map(f64::from),
                Unit::Count,
                "/sys/devices/system/node/online",
            ),
        ],
        ..Hit::new(
            if misses { Severity::Warning } else { Severity::Info },
            match bound.filter(|_| !misses) {
                None => sentence![
                    ratio(share),
                    " of the pages, ",
                    count(miss),
                    " per second, come from another memory node than the preferred one",
                    named,
                    ".",
                ],
                Some(bound) => sentence![
                    ratio(bound / pages),
                    " of the pages, ",
                    count(bound),
                    " per second, come from another memory node than that of the CPU, as the program is bound",
                    named,
                    ".",
                ],
            },
            who.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}
