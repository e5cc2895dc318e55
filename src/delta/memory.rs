//! Paging between two snapshots.

use crate::delta::counter::{difference, rate_of};
use crate::model::rates::PagingRates;
use crate::model::reading::Reading;
use crate::model::snapshot::{SystemSnapshot, VmStat};

/// Paging rates; a counter that this kernel lacks stays absent.
pub fn paging(before: &SystemSnapshot, after: &SystemSnapshot) -> Reading<PagingRates> {
    let (then, now) = (before.vm.as_ref().map_err(Clone::clone)?, after.vm.as_ref().map_err(Clone::clone)?);
    let seconds = after.at.saturating_sub(before.at).as_secs_f64();
    let rate = |name: &str| rate_of(then.get(name), now.get(name), seconds);
    let sum = |names: &[&str]| sum_of(then, now, names, seconds);
    // Before 4.8 the zones were counted apart; the names then carry the zone.
    let zones = |prefix: &str| by_prefix(then, now, prefix, seconds);
    // 3.6 put `pgscan_direct_throttle` among the zones' names: throttled allocations, no pages.
    let direct_scan = rate("pgscan_direct").or_else(|| zones("pgscan_direct_"));
    let kswapd_scan = rate("pgscan_kswapd").or_else(|| zones("pgscan_kswapd_"));
    let direct_steal = rate("pgsteal_direct").or_else(|| zones("pgsteal_direct_"));
    // All scanning by kind of page, less what kswapd and the allocating threads did, is scanning for a
    // cgroup's own limit (5.8).
    let all = sum(&["pgscan_anon", "pgscan_file"]);
    let global = sum(&["pgscan_kswapd", "pgscan_direct"]).map(|scanned| {
        scanned + ["pgscan_khugepaged", "pgscan_proactive"].iter().filter_map(|name| rate(name)).sum::<f64>()
    });
    Ok(PagingRates {
        swap_in_per_second: rate("pswpin"),
        swap_out_per_second: rate("pswpout"),
        major_faults_per_second: rate("pgmajfault"),
        direct_scan_per_second: direct_scan,
        direct_steal_per_second: direct_steal,
        kswapd_scan_per_second: kswapd_scan,
        allocation_stalls_per_second: rate("allocstall").or_else(|| zones("allocstall_")),
        refault_file_per_second: rate("workingset_refault_file").or_else(|| rate("workingset_refault")),
        cgroup_scan_per_second: all.zip(global).map(|(all, global)| (all - global).max(0.0)),
        compaction_stalls_per_second: rate("compact_stall"),
        compaction_failures_per_second: rate("compact_fail"),
        numa_hit_per_second: rate("numa_hit"),
        numa_miss_per_second: rate("numa_miss"),
        // Asked for both, the kernel counts each: it is one time.
        cache_drops_count: ["drop_pagecache", "drop_slab"]
            .iter()
            .filter_map(|name| difference(then.get(name)?, now.get(name)?))
            .max(),
        numa_bound_per_second: rate("numa_other")
            .zip(rate("numa_interleave"))
            .map(|(other, interleaved)| (other - interleaved).max(0.0)),
        oom_kills_count: then.get("oom_kill").zip(now.get("oom_kill")).and_then(|(a, b)| difference(a, b)),
    })
}

fn sum_of(before: &VmStat, after: &VmStat, names: &[&str], seconds: f64) -> Option<f64> {
    names.iter().map(|name| rate_of(before.get(name), after.get(name), seconds)).sum()
}

fn by_prefix(before: &VmStat, after: &VmStat, prefix: &str, seconds: f64) -> Option<f64> {
    let mut names = after
        .0
        .range(prefix.to_owned()..)
        .take_while(|(name, _)| name.starts_with(prefix))
        .filter(|(name, _)| !name.ends_with("_throttle"))
        .peekable();
    names.peek()?;
    names.map(|(name, now)| rate_of(before.get(name), Some(*now), seconds)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(pairs: &[(&str, u64)]) -> VmStat {
        VmStat(pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn zones_are_added_up() {
        let before = vm(&[("allocstall_dma", 1), ("allocstall_normal", 10)]);
        let after = vm(&[("allocstall_dma", 3), ("allocstall_normal", 20), ("allocz", 9)]);
        assert_eq!(by_prefix(&before, &after, "allocstall_", 2.0), Some(6.0));
        assert_eq!(by_prefix(&before, &after, "pgscan_direct_", 2.0), None);
    }

    #[test]
    fn a_sum_with_a_missing_part_is_missing() {
        let before = vm(&[("pgscan_anon", 0)]);
        let after = vm(&[("pgscan_anon", 5), ("pgscan_file", 5)]);
        assert_eq!(sum_of(&before, &after, &["pgscan_anon", "pgscan_file"], 1.0), None);
    }
}
