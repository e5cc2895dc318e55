//! The files of one control group, in either version: its counters, and its limits.

use super::{Hierarchy, io};
use crate::collect::root::Root;
use crate::model::cgroup::{CgroupReading, CpuBandwidth, IoLimits, MemoryLimit, PidsLimit};

/// Limits that mean "none": version 1 writes the largest multiple of a page that fits.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// The counters, as few files as will do: there may be thousands of groups, most of which never hit a limit.
pub(super) fn counters(
    root: &Root,
    hierarchy: &Hierarchy,
    path: &str,
    hit_above: bool,
    buffer: &mut Vec<u8>,
) -> CgroupReading {
    let mut group = CgroupReading {
        path: path.to_owned(),
        hierarchy: hierarchy.name.to_owned(),
        ..CgroupReading::default()
    };
    let directory = format!("{}{path}", hierarchy.mount);
    match hierarchy.name {
        "cpu" => group.cpu = keys(root, &directory, "cpu.stat", buffer).and_then(bandwidth),
        "memory" => {
            let failures = root.number(&format!("{directory}/memory.failcnt"), buffer);
            // A limit that was never hit has caused no kill.
            let killable = hit_above || failures != Some(0);
            let control = killable.then(|| keys(root, &directory, "memory.oom_control", buffer)).flatten();
            let kills = control.and_then(|keys| keys.get("oom_kill"));
            group.memory = failures.or(kills).map(|_| MemoryLimit {
                failures_count: failures,
                oom_kills_count: kills,
                ..MemoryLimit::default()
            });
        }
        "pids" => group.pids = refused(root, &directory, buffer),
        "blkio" => group.io = io::legacy(root, &directory, buffer),
        _ => unified(root, hierarchy, &directory, &mut group, buffer),
    }
    group
}

/// The counters of version 2, those of the controllers that there are.
fn unified(
    root: &Root,
    hierarchy: &Hierarchy,
    directory: &str,
    group: &mut CgroupReading,
    buffer: &mut Vec<u8>,
) {
    if hierarchy.has("cpu") {
        group.cpu = keys(root, directory, "cpu.stat", buffer).and_then(bandwidth);
    }
    if hierarchy.has("memory")
        && let Some(events) = keys(root, directory, "memory.events", buffer)
    {
        group.memory = Some(memory_events(root, directory, events.0.to_vec().as_slice(), buffer));
    }
    if hierarchy.has("pids") {
        group.pids = refused(root, directory, buffer);
    }
    if hierarchy.has("io") {
        group.io = io::unified(root, directory, buffer);
    }
}

/// What `memory.events` counts, for the group and all below it; what its own limit did is in `memory.events.local`
/// (5.2), which is read only where anything was counted at all.
fn memory_events(root: &Root, directory: &str, events: &[u8], buffer: &mut Vec<u8>) -> MemoryLimit {
    let hits =
        |keys: Keys<'_>| ["max", "high"].iter().filter_map(|key| keys.get(key)).fold(0, u64::saturating_add);
    let events = Keys(events);
    let nothing = lines(events.0).all(|line| line.ends_with(" 0"));
    let local = if nothing { Some(events) } else { keys(root, directory, "memory.events.local", buffer) };
    MemoryLimit {
        failures_count: Some(hits(local.unwrap_or(events))),
        own_ooms_count: local.and_then(|local| local.get("oom")),
        oom_kills_count: events.get("oom_kill"),
        ..MemoryLimit::default()
    }
}

fn refused(root: &Root, directory: &str, buffer: &mut Vec<u8>) -> Option<PidsLimit> {
    let refused_count = keys(root, directory, "pids.events", buffer)?.get("max");
    Some(PidsLimit { refused_count, ..PidsLimit::default() })
}

/// Whether the group has a limit of any kind.
pub(super) fn has_limit(group: &CgroupReading) -> bool {
    group.quota_cpus.is_some()
        || group.memory.is_some_and(|memory| memory.limit_bytes.is_some())
        || group.pids.is_some_and(|pids| pids.limit_count.is_some())
        || group.io.iter().flatten().any(|device| device.limits != IoLimits::default())
}

/// Adds the limits of a group, and how full they are.
pub(super) fn limits(
    root: &Root,
    hierarchy: &Hierarchy,
    directory: &str,
    group: &mut CgroupReading,
    buffer: &mut Vec<u8>,
) {
    // `max` and -1, which mean no limit, are no numbers.
    let mut value = |file: &str| root.number(&format!("{directory}/{file}"), buffer);
    match hierarchy.name {
        "cpu" => {
            let (quota, period) = (value("cpu.cfs_quota_us"), value("cpu.cfs_period_us"));
            group.quota_cpus = ratio(quota, period);
        }
        "memory" => {
            let (usage, limit) = (value("memory.usage_in_bytes"), value("memory.limit_in_bytes"));
            let inactive = key_of(root, &format!("{directory}/memory.stat"), "total_inactive_file", buffer);
            if let Some(memory) = &mut group.memory {
                memory.usage_bytes = usage;
                memory.limit_bytes = limit.filter(|&bytes| bytes < NO_LIMIT_BYTES);
                memory.inactive_file_bytes = inactive;
            }
        }
        "pids" => pids_limits(root, directory, group, buffer),
        "blkio" => {
            if let Some(io) = &mut group.io {
                io::add_legacy_limits(root, directory, io, buffer);
            }
        }
        _ => unified_limits(root, directory, group, buffer),
    }
}

/// The limits of version 2.
fn unified_limits(root: &Root, directory: &str, group: &mut CgroupReading, buffer: &mut Vec<u8>) {
    // `max` and -1, which mean no limit, are no numbers.
    let mut value = |file: &str| root.number(&format!("{directory}/{file}"), buffer);
    let (usage, max, high) = (value("memory.current"), value("memory.max"), value("memory.high"));
    let inactive = key_of(root, &format!("{directory}/memory.stat"), "inactive_file", buffer);
    if let Some(memory) = &mut group.memory {
        memory.usage_bytes = usage;
        memory.limit_bytes = max.into_iter().chain(high).min();
        memory.high_bytes = high;
        memory.inactive_file_bytes = inactive;
    }
    pids_limits(root, directory, group, buffer);
    if root.read_once(&format!("{directory}/cpu.max"), buffer).is_ok() {
        let text = String::from_utf8_lossy(buffer).into_owned();
        let mut parts = text.split_whitespace().map(|part| part.parse().ok());
        group.quota_cpus = ratio(parts.next().flatten(), parts.next().flatten());
    }
    if let Some(io) = &mut group.io {
        io::add_unified_limits(root, directory, io, buffer);
    }
}

/// `pids.current` and `pids.max`, alike in both versions.
pub(super) fn pids_limits(root: &Root, directory: &str, group: &mut CgroupReading, buffer: &mut Vec<u8>) {
    let mut value = |file: &str| root.number(&format!("{directory}/{file}"), buffer);
    let (current, limit) = (value("pids.current"), value("pids.max"));
    if let Some(pids) = &mut group.pids {
        (pids.current_count, pids.limit_count) = (current, limit);
    }
}

fn ratio(quota: Option<u64>, period: Option<u64>) -> Option<f64> {
    let period = period.filter(|&period| period > 0)?;
    // Version 1 writes -1 for no quota.
    Some(quota? as f64 / period as f64)
}

fn key_of(root: &Root, path: &str, key: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    root.read(path, buffer).ok()?;
    Keys(buffer).get(key)
}

pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    str::from_utf8(bytes).unwrap_or("").lines()
}

/// Lines of a name and a number.
#[derive(Clone, Copy)]
struct Keys<'a>(&'a [u8]);

impl Keys<'_> {
    fn get(&self, key: &str) -> Option<u64> {
        lines(self.0).find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
    }
}

fn keys<'a>(root: &Root, directory: &str, file: &str, buffer: &'a mut Vec<u8>) -> Option<Keys<'a>> {
    root.read_once(&format!("{directory}/{file}"), buffer).ok()?;
    Some(Keys(buffer))
}

/// `cpu.stat` of either version; none where the group has no bandwidth control.
fn bandwidth(keys: Keys<'_>) -> Option<CpuBandwidth> {
    let nanoseconds = keys
        .get("throttled_time")
        .or_else(|| keys.get("throttled_usec").map(|microseconds| microseconds.saturating_mul(1000)))?;
    Some(CpuBandwidth {
        periods_count: keys.get("nr_periods")?,
        throttled_count: keys.get("nr_throttled")?,
        throttled_nanoseconds: nanoseconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_of_both_versions() {
        let one = Keys(b"nr_periods 10\nnr_throttled 4\nthrottled_time 5000\n");
        let two = Keys(b"usage_usec 7\nnr_periods 10\nnr_throttled 4\nthrottled_usec 5\n");
        assert_eq!(bandwidth(one), bandwidth(two));
        // Without the controller only the usage is there: no bandwidth control, not a zero of it.
        assert_eq!(bandwidth(Keys(b"usage_usec 7\nuser_usec 3\n")), None);
    }

    #[test]
    fn no_quota_is_none() {
        assert_eq!(ratio(None, Some(100_000)), None);
        assert_eq!(ratio(Some(20_000), Some(100_000)), Some(0.2));
        assert_eq!(ratio(Some(1), Some(0)), None);
    }
}
