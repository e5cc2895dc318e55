//! Control groups, version 1, version 2 and both at once: who was held back by which limit.
//!
//! Files: version 2 `cpu.stat`, `memory.events`, `pids.events`, `io.stat` (kernel
//! `Documentation/admin-guide/cgroup-v2.rst`); version 1 `cpu.stat`, `memory.failcnt`, `memory.oom_control`,
//! `pids.events`, `blkio.throttle.*` (`Documentation/admin-guide/cgroup-v1/`). At both ends the counters of
//! all groups, at the end the limits of those alone whose counters moved: there may be thousands. Known
//! lies: `throttled_time` adds up over the CPUs; usage at the limit may be nothing but page cache.

use crate::collect::processes::number;
use crate::collect::root::Root;
use crate::model::cgroup::{CgroupReading, CpuBandwidth, IoLimit, MemoryLimit, PidsLimit};
use crate::model::reading::Reading;
use std::collections::HashMap;

/// Groups that are read at most in each hierarchy.
const GROUPS_MAX: usize = 4000;

/// Depth to which the tree is walked.
const DEPTH_MAX: usize = 8;

/// Limits that mean "none": version 1 writes the largest multiple of a page that fits.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    mount: String,
    name: &'static str,
}

/// Every control group with the counters that tell whether a limit was hit.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<CgroupReading>> {
    let mut groups = Vec::new();
    for hierarchy in hierarchies(root, buffer)? {
        let mut left = vec![(String::new(), 0)];
        let mut count = 0;
        while let Some((path, depth)) = left.pop() {
            if count >= GROUPS_MAX {
                break;
            }
            count += 1;
            if depth < DEPTH_MAX
                && let Ok(children) = root.directories(&format!("{}{path}", hierarchy.mount))
            {
                left.extend(children.into_iter().map(|child| (format!("{path}/{child}"), depth + 1)));
            }
            // The root of a hierarchy has no limit.
            if !path.is_empty() {
                groups.push(counters(root, &hierarchy, &path, buffer));
            }
        }
    }
    Ok(groups)
}

/// Adds the limits of the groups whose counters moved since `before`, and who is in them.
pub fn add_limits(root: &Root, before: &[CgroupReading], after: &mut [CgroupReading], buffer: &mut Vec<u8>) {
    let Ok(hierarchies) = hierarchies(root, buffer) else { return };
    let earlier: HashMap<(&str, &str), &CgroupReading> =
        before.iter().map(|group| ((group.hierarchy.as_str(), group.path.as_str()), group)).collect();
    for group in after {
        let then = earlier.get(&(group.hierarchy.as_str(), group.path.as_str())).copied();
        let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.name == group.hierarchy) else {
            continue;
        };
        let directory = format!("{}{}", hierarchy.mount, group.path);
        let procs = format!("{directory}/cgroup.procs");
        if !root.wants(&procs, moved(then, group)) {
            continue;
        }
        if root.read(&procs, buffer).is_ok() {
            group.members = lines(buffer).filter_map(|line| line.parse().ok()).collect();
        }
        limits(root, hierarchy, &directory, group, buffer);
    }
}

fn moved(then: Option<&CgroupReading>, now: &CgroupReading) -> bool {
    let throttled = |group: &CgroupReading| group.cpu.map_or(0, |cpu| cpu.throttled_count);
    let failures = |group: &CgroupReading| {
        group
            .memory
            .map_or(0, |m| m.failures_count.unwrap_or(0).saturating_add(m.oom_kills_count.unwrap_or(0)))
    };
    let refused = |group: &CgroupReading| group.pids.map_or(0, |pids| pids.refused_count.unwrap_or(0));
    let io = |group: &CgroupReading| group.io.map_or(0, |io| io.read_bytes.saturating_add(io.write_bytes));
    let grew = |of: &dyn Fn(&CgroupReading) -> u64| of(now) > then.map_or(0, of);
    grew(&throttled) || grew(&failures) || grew(&refused) || grew(&io)
}

fn hierarchies(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<Hierarchy>> {
    // Under another root, the mounts of its first process; ours would name paths of this container.
    let own = if root.is_elsewhere() && !root.holds("proc/self/mountinfo") {
        "proc/1/mountinfo"
    } else {
        "proc/self/mountinfo"
    };
    root.read(own, buffer)?;
    Ok(parse_mounts(&String::from_utf8_lossy(buffer)))
}

/// The hierarchies that hold limits, from mountinfo (proc_pid_mountinfo(5)).
fn parse_mounts(text: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(mount), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let options = after.split(' ').nth(2).unwrap_or("");
        let has = |controller: &str| options.split(',').any(|option| option == controller);
        let mount = mount.trim_start_matches('/').to_owned();
        let names: &[&'static str] = match kind {
            "cgroup2" => &["unified"],
            "cgroup" => &["cpu", "memory", "blkio", "pids"],
            _ => continue,
        };
        for &name in names {
            let here = kind == "cgroup2" || has(name);
            if here && !found.iter().any(|hierarchy| hierarchy.name == name) {
                found.push(Hierarchy { mount: mount.clone(), name });
            }
        }
    }
    found
}

fn counters(root: &Root, hierarchy: &Hierarchy, path: &str, buffer: &mut Vec<u8>) -> CgroupReading {
    let mut group = CgroupReading {
        path: path.to_owned(),
        hierarchy: hierarchy.name.to_owned(),
        ..CgroupReading::default()
    };
    let mut keys = |file: &str| -> Option<HashMap<String, u64>> {
        root.read_once(&format!("{}{path}/{file}", hierarchy.mount), buffer).ok()?;
        Some(parse_keys(buffer))
    };
    match hierarchy.name {
        "cpu" => group.cpu = keys("cpu.stat").as_ref().and_then(bandwidth),
        "memory" => {
            let kills = keys("memory.oom_control").and_then(|keys| keys.get("oom_kill").copied());
            let failures = single(root, &format!("{}{path}/memory.failcnt", hierarchy.mount), buffer);
            group.memory = Some(MemoryLimit {
                failures_count: failures,
                oom_kills_count: kills,
                ..MemoryLimit::default()
            });
        }
        "pids" => {
            let refused = keys("pids.events").and_then(|keys| keys.get("max").copied());
            group.pids = Some(PidsLimit { refused_count: refused, ..PidsLimit::default() });
        }
        "blkio" => group.io = legacy_io(root, &format!("{}{path}", hierarchy.mount), buffer),
        _ => {
            group.cpu = keys("cpu.stat").as_ref().and_then(bandwidth);
            if let Some(events) = keys("memory.events") {
                let hits = ["max", "high"]
                    .iter()
                    .filter_map(|key| events.get(*key))
                    .copied()
                    .fold(0, u64::saturating_add);
                group.memory = Some(MemoryLimit {
                    failures_count: Some(hits),
                    oom_kills_count: events.get("oom_kill").copied(),
                    ..MemoryLimit::default()
                });
            }
            if let Some(events) = keys("pids.events") {
                group.pids =
                    Some(PidsLimit { refused_count: events.get("max").copied(), ..PidsLimit::default() });
            }
            if root.read_once(&format!("{}{path}/io.stat", hierarchy.mount), buffer).is_ok() {
                group.io = Some(unified_io(&String::from_utf8_lossy(buffer)));
            }
        }
    }
    group
}

fn limits(
    root: &Root,
    hierarchy: &Hierarchy,
    directory: &str,
    group: &mut CgroupReading,
    buffer: &mut Vec<u8>,
) {
    let mut value = |file: &str| single(root, &format!("{directory}/{file}"), buffer);
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
        "pids" => {
            let (current, limit) = (value("pids.current"), value("pids.max"));
            if let Some(pids) = &mut group.pids {
                (pids.current_count, pids.limit_count) = (current, limit);
            }
        }
        "blkio" => legacy_io_limits(root, directory, group, buffer),
        _ => {
            let (usage, max, high) = (value("memory.current"), value("memory.max"), value("memory.high"));
            let (current, tasks) = (value("pids.current"), value("pids.max"));
            let inactive = key_of(root, &format!("{directory}/memory.stat"), "inactive_file", buffer);
            if let Some(memory) = &mut group.memory {
                memory.usage_bytes = usage;
                memory.limit_bytes = max.into_iter().chain(high).min();
                memory.inactive_file_bytes = inactive;
            }
            if let Some(pids) = &mut group.pids {
                (pids.current_count, pids.limit_count) = (current, tasks);
            }
            if root.read_once(&format!("{directory}/cpu.max"), buffer).is_ok() {
                let text = String::from_utf8_lossy(buffer).into_owned();
                let mut parts = text.split_whitespace().map(|part| part.parse().ok());
                group.quota_cpus = ratio(parts.next().flatten(), parts.next().flatten());
            }
            if let Some(io) = &mut group.io
                && root.read_once(&format!("{directory}/io.max"), buffer).is_ok()
            {
                unified_io_limits(&String::from_utf8_lossy(buffer), io);
            }
        }
    }
}

fn ratio(quota: Option<u64>, period: Option<u64>) -> Option<f64> {
    let period = period.filter(|&period| period > 0)?;
    // Version 1 writes -1 for no quota, which is no number here.
    Some(quota? as f64 / period as f64)
}

/// A file of one number; `max` and -1, which mean no limit, are none.
fn single(root: &Root, path: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    root.read_once(path, buffer).ok()?;
    number(buffer.trim_ascii())
}

fn key_of(root: &Root, path: &str, key: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    root.read(path, buffer).ok()?;
    parse_keys(buffer).get(key).copied()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    str::from_utf8(bytes).unwrap_or("").lines()
}

/// Lines of a name and a number.
fn parse_keys(bytes: &[u8]) -> HashMap<String, u64> {
    lines(bytes)
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

/// `cpu.stat` of either version; none where the group has no bandwidth control.
fn bandwidth(keys: &HashMap<String, u64>) -> Option<CpuBandwidth> {
    let nanoseconds = keys
        .get("throttled_time")
        .copied()
        .or_else(|| keys.get("throttled_usec").map(|microseconds| microseconds.saturating_mul(1000)))?;
    Some(CpuBandwidth {
        periods_count: *keys.get("nr_periods")?,
        throttled_count: *keys.get("nr_throttled")?,
        throttled_nanoseconds: nanoseconds,
    })
}

/// `io.stat`: a line by device, `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`.
fn unified_io(text: &str) -> IoLimit {
    let sum = |key: &str| {
        text.split_whitespace()
            .filter_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok())
            .fold(0_u64, u64::saturating_add)
    };
    IoLimit {
        read_bytes: sum("rbytes"),
        write_bytes: sum("wbytes"),
        reads_count: sum("rios"),
        writes_count: sum("wios"),
        ..IoLimit::default()
    }
}

/// `io.max`: `8:0 rbps=2097152 wbps=max riops=max wiops=120`.
fn unified_io_limits(text: &str, io: &mut IoLimit) {
    let least = |key: &str| {
        text.split_whitespace()
            .filter_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok())
            .min()
    };
    io.read_bytes_limit = least("rbps");
    io.write_bytes_limit = least("wbps");
    io.reads_limit = least("riops");
    io.writes_limit = least("wiops");
}

/// `blkio.throttle.io_service_bytes` and `io_serviced`: `8:0 Read 4096` by device and direction.
fn legacy_io(root: &Root, directory: &str, buffer: &mut Vec<u8>) -> Option<IoLimit> {
    let mut sums = |file: &str| -> Option<(u64, u64)> {
        root.read_once(&format!("{directory}/blkio.throttle.{file}"), buffer).ok()?;
        let sum = |direction: &str| {
            lines(buffer)
                .filter_map(|line| {
                    let mut parts = line.split(' ');
                    (parts.nth(1)? == direction).then(|| parts.next()?.parse::<u64>().ok())?
                })
                .fold(0_u64, u64::saturating_add)
        };
        Some((sum("Read"), sum("Write")))
    };
    let (read_bytes, write_bytes) = sums("io_service_bytes")?;
    let (reads_count, writes_count) = sums("io_serviced")?;
    Some(IoLimit { read_bytes, write_bytes, reads_count, writes_count, ..IoLimit::default() })
}

fn legacy_io_limits(root: &Root, directory: &str, group: &mut CgroupReading, buffer: &mut Vec<u8>) {
    let mut least = |file: &str| {
        root.read_once(&format!("{directory}/blkio.throttle.{file}_device"), buffer).ok()?;
        lines(buffer).filter_map(|line| line.split_once(' ')?.1.trim().parse::<u64>().ok()).min()
    };
    if let Some(io) = &mut group.io {
        io.read_bytes_limit = least("read_bps");
        io.write_bytes_limit = least("write_bps");
        io.reads_limit = least("read_iops");
        io.writes_limit = least("write_iops");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_a_hybrid_box() {
        let text = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let found: Vec<_> = parse_mounts(text).into_iter().map(|h| (h.name, h.mount)).collect();
        assert_eq!(
            found,
            [
                ("cpu", "sys/fs/cgroup/cpu,cpuacct".to_owned()),
                ("unified", "sys/fs/cgroup/unified".to_owned())
            ]
        );
    }

    #[test]
    fn bandwidth_of_both_versions() {
        let one = parse_keys(b"nr_periods 10\nnr_throttled 4\nthrottled_time 5000\n");
        let two = parse_keys(b"usage_usec 7\nnr_periods 10\nnr_throttled 4\nthrottled_usec 5\n");
        assert_eq!(bandwidth(&one), bandwidth(&two));
        // Without the controller only the usage is there: no bandwidth control, not a zero of it.
        assert_eq!(bandwidth(&parse_keys(b"usage_usec 7\nuser_usec 3\n")), None);
    }

    #[test]
    fn io_of_version_two() {
        let mut io = unified_io(
            "8:0 rbytes=10 wbytes=2 rios=3 wios=4 dbytes=0\n8:16 rbytes=5 wbytes=0 rios=1 wios=0\n",
        );
        assert_eq!((io.read_bytes, io.write_bytes, io.reads_count, io.writes_count), (15, 2, 4, 4));
        unified_io_limits("8:0 rbps=2097152 wbps=max riops=max wiops=120\n", &mut io);
        assert_eq!(
            (io.read_bytes_limit, io.write_bytes_limit, io.writes_limit),
            (Some(2_097_152), None, Some(120))
        );
    }

    #[test]
    fn no_quota_is_none() {
        assert_eq!(ratio(None, Some(100_000)), None);
        assert_eq!(ratio(Some(20_000), Some(100_000)), Some(0.2));
        assert_eq!(ratio(Some(1), Some(0)), None);
    }
}
