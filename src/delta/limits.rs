//! Control groups and the network stack: what hit a limit within the window.

use crate::delta::cgroup;
use crate::delta::counter::{difference, rate, rate_of};
use crate::model::cgroup::{
    CgroupRates, CgroupReading, CpuBandwidth, DeviceIo, DeviceIoRates, MemoryLimit, OWN_GROUP, OwnLimits,
    PidsLimit,
};
use crate::model::limits::{Hardware, MemoryErrors};
use crate::model::network::{NamespaceCounters, NamespaceRates, NetCounters};
use crate::model::reading::Reading;
use crate::model::snapshot::FullSnapshot;
use crate::model::task::{CgroupPaths, Pid, ProcessDetails};
use crate::model::units::NANOSECONDS_PER_SECOND;
use std::collections::{BTreeMap, HashMap};

/// Control groups whose limits were looked at, as rates.
pub fn cgroups(
    before: &FullSnapshot,
    after: &FullSnapshot,
    details: &BTreeMap<Pid, ProcessDetails>,
    seconds: f64,
) -> Reading<Vec<CgroupRates>> {
    let paths: Vec<(Pid, &CgroupPaths)> = details
        .iter()
        .filter_map(|(pid, details)| Some((*pid, details.cgroups.as_ref()?.as_ref().ok()?)))
        .collect();
    let then = before.cgroups.as_ref().map_err(Clone::clone)?;
    let now = after.cgroups.as_ref().map_err(Clone::clone)?;
    let earlier: HashMap<(&str, &str), &CgroupReading> =
        then.iter().map(|group| ((group.hierarchy.as_str(), group.path.as_str()), group)).collect();
    Ok(now
        .iter()
        .filter_map(|group| {
            let then = earlier.get(&(group.hierarchy.as_str(), group.path.as_str())).copied();
            let mut rates = between(then, group, seconds);
            add_members(&mut rates, &paths);
            let active = !rates.members.is_empty() || hit(&rates);
            active.then_some(rates)
        })
        .collect())
}

/// Adds the processes that are known to be in the group or below it: those below were not always listed, and one that
/// forks moves on.
fn add_members(group: &mut CgroupRates, paths: &[(Pid, &CgroupPaths)]) {
    // Only of a group that did something is it known who is in it.
    let active = hit(group) || !group.members.is_empty();
    if group.path == OWN_GROUP || !active {
        return;
    }
    let below = paths.iter().filter(|(_, paths)| cgroup::contains(&group.hierarchy, &group.path, paths));
    let more: Vec<Pid> = below.map(|(pid, _)| *pid).filter(|pid| !group.members.contains(pid)).collect();
    group.members.extend(more);
}

/// Whether the group hit a limit within the window.
fn hit(group: &CgroupRates) -> bool {
    group.throttled_ratio.is_some_and(|ratio| ratio > 0.0)
        || group.memory_failures_per_second.is_some_and(|rate| rate > 0.0)
        || [group.oom_kills_count, group.own_ooms_count, group.forks_refused_count]
            .into_iter()
            .flatten()
            .any(|count| count > 0)
}

/// `then` is `None` for a group that did not exist or had hit no limit at the start: its counters began at zero. A
/// counter that was absent at the start of a group that did exist has no rate.
fn between(then: Option<&CgroupReading>, now: &CgroupReading, seconds: f64) -> CgroupRates {
    let mut rates = CgroupRates {
        path: now.path.clone(),
        hierarchy: now.hierarchy.clone(),
        unit: cgroup::unit(&now.path),
        quota_cpus: now.quota_cpus,
        memory: now.memory,
        pids: now.pids,
        stalls: now.pressures.iter().map(|(name, pressure)| (*name, pressure.some.avg10_ratio)).collect(),
        members: now.members.clone(),
        ..CgroupRates::default()
    };
    let new = CgroupReading {
        cpu: Some(CpuBandwidth::default()),
        memory: Some(MemoryLimit {
            failures_count: Some(0),
            own_ooms_count: Some(0),
            oom_kills_count: Some(0),
            ..MemoryLimit::default()
        }),
        pids: Some(PidsLimit { refused_count: Some(0), ..PidsLimit::default() }),
        io: Some(Vec::new()),
        ..CgroupReading::default()
    };
    let then = then.unwrap_or(&new);
    if let (Some(start), Some(cpu)) = (then.cpu, now.cpu) {
        let periods = difference(start.periods_count, cpu.periods_count);
        let throttled = difference(start.throttled_count, cpu.throttled_count);
        rates.throttled_ratio = throttled
            .zip(periods.filter(|&periods| periods > 0))
            .map(|(throttled, periods)| (throttled as f64 / periods as f64).min(1.0));
        // Without a known period no share of them means anything.
        rates.periods_count = periods.unwrap_or(0);
        rates.throttled_cpus = rate(start.throttled_nanoseconds, cpu.throttled_nanoseconds, seconds)
            .map(|nanoseconds| nanoseconds / NANOSECONDS_PER_SECOND);
    }
    if let (Some(start), Some(memory)) = (then.memory, now.memory) {
        rates.memory_failures_per_second = rate_of(start.failures_count, memory.failures_count, seconds);
        // Version 1: kills are not read while the limit was never hit, and then there were none.
        let kills = start.oom_kills_count.or(start.failures_count.filter(|&count| count == 0));
        rates.oom_kills_count =
            kills.zip(memory.oom_kills_count).and_then(|(then, now)| difference(then, now));
    }
    if let (Some(start), Some(memory)) = (then.memory, now.memory) {
        let ooms = start.own_ooms_count.zip(memory.own_ooms_count);
        rates.own_ooms_count = ooms.and_then(|(then, now)| difference(then, now));
    }
    if let (Some(start), Some(pids)) = (then.pids, now.pids) {
        rates.forks_refused_count =
            start.refused_count.zip(pids.refused_count).and_then(|(then, now)| difference(then, now));
    }
    if let (Some(start), Some(io)) = (&then.io, &now.io) {
        rates.io_devices = io.iter().filter_map(|now| device_io(start, now, seconds)).collect();
        let sum = |of: fn(&DeviceIoRates) -> f64| Some(rates.io_devices.iter().map(of).sum::<f64>());
        rates.read_bytes_per_second = sum(|device| device.read_bytes_per_second);
        rates.write_bytes_per_second = sum(|device| device.write_bytes_per_second);
        rates.reads_per_second = sum(|device| device.reads_per_second);
        rates.writes_per_second = sum(|device| device.writes_per_second);
    }
    rates
}

/// What a group did on one device; one that it had not used before began at zero.
fn device_io(then: &[DeviceIo], now: &DeviceIo, seconds: f64) -> Option<DeviceIoRates> {
    let start = then.iter().find(|then| then.number == now.number).copied().unwrap_or_default();
    let per_second = |of: fn(&DeviceIo) -> u64| rate(of(&start), of(now), seconds);
    let held_back = rate_of(start.cost_wait_microseconds.or(Some(0)), now.cost_wait_microseconds, seconds);
    Some(DeviceIoRates {
        number: now.number,
        read_bytes_per_second: per_second(|io| io.counts.read_bytes)?,
        write_bytes_per_second: per_second(|io| io.counts.write_bytes)?,
        reads_per_second: per_second(|io| io.counts.reads_count)?,
        writes_per_second: per_second(|io| io.counts.writes_count)?,
        cost_wait_ratio: held_back.map(|microseconds| microseconds / 1e6),
        limits: now.limits,
    })
}

/// Counters of the network stack per second; one that went backwards is left out.
pub fn net(
    before: &Reading<NetCounters>,
    after: &Reading<NetCounters>,
    seconds: f64,
) -> Reading<BTreeMap<String, f64>> {
    let (then, now) = (before.as_ref().map_err(Clone::clone)?, after.as_ref().map_err(Clone::clone)?);
    let mut rates: BTreeMap<String, f64> = now
        .named
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), rate(*then.named.get(name)?, *value, seconds)?)))
        .collect();
    let others = [
        ("softnet.dropped", then.backlog_dropped_count, now.backlog_dropped_count),
        ("softnet.squeezed", then.squeezed_count, now.squeezed_count),
        ("conntrack.dropped", then.conntrack_dropped_count, now.conntrack_dropped_count),
    ];
    for (name, start, end) in others {
        if let (Some(start), Some(end)) = (start, end)
            && let Some(value) = rate(start, end, seconds)
        {
            rates.insert(name.to_owned(), value);
        }
    }
    Ok(rates)
}

/// Counters of the other network namespaces per second.
pub fn namespaces(before: &FullSnapshot, after: &FullSnapshot, seconds: f64) -> Vec<NamespaceRates> {
    let of = |now: &NamespaceCounters| {
        let then = before.net_namespaces.iter().find(|then| then.name == now.name)?;
        let rates = now
            .named
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), rate(*then.named.get(name)?, *value, seconds)?)));
        Some(NamespaceRates { pid: now.pid, per_second: rates.collect() })
    };
    after.net_namespaces.iter().filter_map(of).collect()
}

/// The limits of the container's own group, from all hierarchies.
pub fn own(after: &FullSnapshot) -> OwnLimits {
    let groups = after.cgroups.as_ref().map_or(&[][..], Vec::as_slice);
    let own = || groups.iter().filter(|group| group.path == OWN_GROUP);
    OwnLimits {
        quota_cpus: own().filter_map(|group| group.quota_cpus).reduce(f64::min),
        memory: own().find_map(|group| group.memory),
        pressure: after.own_pressure,
    }
}

/// Errors of memory modules within the window.
pub fn memory_errors(before: &Hardware, after: &Hardware) -> Option<MemoryErrors> {
    let (then, now) = (before.memory_errors?, after.memory_errors?);
    Some(MemoryErrors {
        corrected_count: difference(then.corrected_count, now.corrected_count)?,
        uncorrected_count: difference(then.uncorrected_count, now.uncorrected_count)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(failures: Option<u64>, kills: Option<u64>) -> CgroupReading {
        let memory =
            MemoryLimit { failures_count: failures, oom_kills_count: kills, ..MemoryLimit::default() };
        CgroupReading { memory: Some(memory), ..CgroupReading::default() }
    }

    #[test]
    fn a_new_group_began_at_zero_and_a_counter_that_was_absent_did_not() {
        let now = group(Some(10), Some(2));
        let rates = |then: Option<&CgroupReading>| {
            let rates = between(then, &now, 5.0);
            (rates.memory_failures_per_second, rates.oom_kills_count)
        };
        assert_eq!(rates(None), (Some(2.0), Some(2)));
        assert_eq!(rates(Some(&group(Some(5), Some(1)))), (Some(1.0), Some(1)));
        assert_eq!(rates(Some(&group(Some(0), None))), (Some(2.0), Some(2)), "never hit, so no kills yet");
        assert_eq!(rates(Some(&group(Some(5), None))), (Some(1.0), None));
        assert_eq!(rates(Some(&group(None, None))), (None, None));
        assert_eq!(rates(Some(&CgroupReading::default())), (None, None), "the file was not readable");
    }
}
