//! Control groups, version 1, version 2 and both at once: who was held back by which limit.
//!
//! Files: version 2 `cpu.stat`, `memory.events`, `pids.events`, `io.stat` (kernel
//! `Documentation/admin-guide/cgroup-v2.rst`); version 1 `cpu.stat`, `memory.failcnt`, `memory.oom_control`,
//! `pids.events`, `blkio.throttle.*` (`Documentation/admin-guide/cgroup-v1/`). At both ends the counters of
//! all groups, at the end the limits of those alone whose counters moved: there may be thousands. Known
//! lies: `throttled_time` adds up over the CPUs; usage at the limit may be nothing but page cache.

use crate::collect::processes::number;
use crate::collect::root::Root;
use crate::collect::{mounts, pressure};
use crate::model::cgroup::{CgroupReading, CpuBandwidth, IoLimit, MemoryLimit, OWN_GROUP, PidsLimit};
use crate::model::reading::{Absence, Reading};
use crate::model::snapshot::{Pressure, SystemSnapshot};
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
    /// Controllers of version 2, where they could be read; all of them otherwise.
    controllers: Option<String>,
}

impl Hierarchy {
    /// Whether groups in it can have the files of `controller`.
    fn has(&self, controller: &str) -> bool {
        self.controllers.as_ref().is_none_or(|all| all.split_whitespace().any(|one| one == controller))
    }
}

/// A group that is still to be looked at.
struct Left {
    path: String,
    depth: usize,
    /// A limit above it was hit at some time: version 1 counts a kill in the victim's own group.
    hit_above: bool,
}

/// Every control group with the counters that tell whether a limit was hit. An error where no hierarchy is
/// mounted, or none can be seen.
///
/// The root of a hierarchy has no limit, but what a container sees as the root is its own group and has: with `inside`
/// that is the first, by the path `/`.
pub fn read(root: &Root, inside: bool, buffer: &mut Vec<u8>) -> Reading<Vec<CgroupReading>> {
    let mut groups = Vec::new();
    let mut outcome = Err(Absence::missing("/sys/fs/cgroup"));
    for mut hierarchy in hierarchies(root, buffer)? {
        if hierarchy.name == "unified" {
            let file = format!("{}/cgroup.controllers", hierarchy.mount);
            let text =
                root.read_once(&file, buffer).ok().map(|()| String::from_utf8_lossy(buffer).into_owned());
            hierarchy.controllers = text;
        }
        if inside {
            let own = counters(root, &hierarchy, "", true, buffer);
            groups.push(CgroupReading { path: OWN_GROUP.to_owned(), ..own });
        }
        let listed = walk(root, &hierarchy, &mut groups, buffer);
        if outcome.is_err() {
            outcome = listed;
        }
    }
    outcome.map(|()| groups)
}

fn walk(
    root: &Root,
    hierarchy: &Hierarchy,
    groups: &mut Vec<CgroupReading>,
    buffer: &mut Vec<u8>,
) -> Reading<()> {
    let mut left = vec![Left { path: String::new(), depth: 0, hit_above: false }];
    let mut count = 0;
    let mut listed = Ok(());
    // A hybrid box has a version 2 tree without controllers: nothing in it has a limit.
    let limited = ["cpu", "memory", "pids", "io"].iter().any(|controller| hierarchy.has(controller));
    while let Some(Left { path, depth, hit_above }) = left.pop().filter(|_| limited) {
        if count >= GROUPS_MAX {
            break;
        }
        count += 1;
        let mut hit = hit_above;
        // The root of a hierarchy has no limit.
        if let Some((parent, _)) = path.rsplit_once('/') {
            root.stay_near(&format!("{}{parent}", hierarchy.mount));
            let group = counters(root, hierarchy, &path, hit_above, buffer);
            hit |= group.memory.is_some_and(|memory| memory.failures_count != Some(0));
            // One without a count at the start began at zero for whoever compares.
            groups.extend(Some(group).filter(ever_limited));
        }
        if depth >= DEPTH_MAX {
            continue;
        }
        let directory = format!("{}{path}", hierarchy.mount);
        match root.directories(&directory) {
            Ok(children) if !children.is_empty() && idle_below(root, hierarchy, &directory, buffer) => {}
            Ok(children) => left.extend(children.into_iter().map(|child| Left {
                path: format!("{path}/{child}"),
                depth: depth + 1,
                hit_above: hit,
            })),
            Err(absence) if depth == 0 => listed = Err(absence),
            Err(_) => {}
        }
    }
    root.stay_near("");
    listed
}

/// Whether the group has a quota, ever came to a limit or moved a byte: of thousands, a few.
fn ever_limited(group: &CgroupReading) -> bool {
    let has_quota = group.cpu.is_some_and(|cpu| cpu.periods_count > 0);
    has_quota || counts(group).iter().any(|&count| count > 0)
}

/// What grows when a limit is hit, or when there is I/O that may be limited.
fn counts(group: &CgroupReading) -> [u64; 4] {
    let memory =
        |m: MemoryLimit| m.failures_count.unwrap_or(0).saturating_add(m.oom_kills_count.unwrap_or(0));
    [
        group.cpu.map_or(0, |cpu| cpu.throttled_count),
        group.memory.map_or(0, memory),
        group.pids.map_or(0, |pids| pids.refused_count.unwrap_or(0)),
        group.io.map_or(0, |io| io.read_bytes.saturating_add(io.write_bytes)),
    ]
}

/// Adds the limits of the groups whose counters moved since `before`, and who is in them.
pub fn add_limits(root: &Root, before: &[CgroupReading], after: &mut [CgroupReading], buffer: &mut Vec<u8>) {
    let Ok(hierarchies) = hierarchies(root, buffer) else { return };
    let earlier: HashMap<(&str, &str), &CgroupReading> =
        before.iter().map(|group| ((group.hierarchy.as_str(), group.path.as_str()), group)).collect();
    let unified = hierarchies.iter().find(|hierarchy| hierarchy.name == "unified");
    for group in after {
        let then = earlier.get(&(group.hierarchy.as_str(), group.path.as_str())).copied();
        let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.name == group.hierarchy) else {
            continue;
        };
        let own = group.path == OWN_GROUP;
        let directory = format!("{}{}", hierarchy.mount, if own { "" } else { &group.path });
        let procs = format!("{directory}/cgroup.procs");
        if !root.wants(&procs, own || moved(then, group)) {
            continue;
        }
        if root.read(&procs, buffer).is_ok() {
            // A process that this container does not see has the number 0.
            let numbers = lines(buffer).filter_map(|line| line.parse().ok());
            group.members = numbers.filter(|pid| *pid > 0).collect();
        }
        limits(root, hierarchy, &directory, group, buffer);
        if let Some(unified) = unified {
            group.pressures = pressures(root, unified, group, buffer);
        }
    }
}

/// Stall times of a group for what its hierarchy limits. On a hybrid box they are in the tree of version 2, where
/// systemd gives every group the same path.
fn pressures(
    root: &Root,
    unified: &Hierarchy,
    group: &CgroupReading,
    buffer: &mut Vec<u8>,
) -> Vec<(&'static str, Pressure)> {
    let resources: &[&'static str] = match group.hierarchy.as_str() {
        "cpu" => &["cpu"],
        "blkio" => &["io"],
        "memory" => &["memory"],
        "pids" => &[],
        _ => &["cpu", "memory", "io"],
    };
    let path = if group.path == OWN_GROUP { "" } else { &group.path };
    let mut read = |resource: &'static str| {
        let file = format!("{}{path}/{resource}.pressure", unified.mount);
        Some((resource, root.read_parsed(&file, buffer, pressure::parse).ok()?))
    };
    resources.iter().filter_map(|resource| read(resource)).collect()
}

/// Puts the pressure of the container's own group (version 2) in the place of the whole machine's; whether it could.
pub fn own_pressure(root: &Root, system: &mut SystemSnapshot, buffer: &mut Vec<u8>) -> bool {
    let Ok(hierarchies) = hierarchies(root, buffer) else { return false };
    let Some(unified) = hierarchies.iter().find(|hierarchy| hierarchy.name == "unified") else {
        return false;
    };
    let mut read = |resource: &str| {
        root.read_parsed(&format!("{}/{resource}.pressure", unified.mount), buffer, pressure::parse)
    };
    let own = [read("cpu"), read("memory"), read("io")];
    let found = own.iter().all(Result::is_ok);
    if found {
        [system.cpu_pressure, system.memory_pressure, system.io_pressure] = own;
    }
    found
}

fn moved(then: Option<&CgroupReading>, now: &CgroupReading) -> bool {
    let then = then.map_or([0; 4], counts);
    counts(now).iter().zip(then).any(|(now, then)| *now > then)
}

fn hierarchies(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<Hierarchy>> {
    // Under another root, the mounts of its first process; ours would name paths of this container.
    Ok(parse_mounts(&mounts::table(root, buffer)?))
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
                found.push(Hierarchy { mount: mount.clone(), name, controllers: None });
            }
        }
    }
    found
}

/// The counters, as few files as will do: there may be thousands of groups, most of which never hit a limit.
fn counters(
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
            let failures = single(root, &format!("{directory}/memory.failcnt"), buffer);
            // Nobody is killed at a limit that was never hit.
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
        "blkio" => group.io = legacy_io(root, &directory, buffer),
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
        let hits = ["max", "high"].iter().filter_map(|key| events.get(key)).fold(0, u64::saturating_add);
        group.memory = Some(MemoryLimit {
            failures_count: Some(hits),
            oom_kills_count: events.get("oom_kill"),
            ..MemoryLimit::default()
        });
    }
    if hierarchy.has("pids") {
        group.pids = refused(root, directory, buffer);
    }
    if hierarchy.has("io") && root.read_once(&format!("{directory}/io.stat"), buffer).is_ok() {
        group.io = Some(unified_io(&String::from_utf8_lossy(buffer)));
    }
}

fn refused(root: &Root, directory: &str, buffer: &mut Vec<u8>) -> Option<PidsLimit> {
    let refused_count = keys(root, directory, "pids.events", buffer)?.get("max");
    Some(PidsLimit { refused_count, ..PidsLimit::default() })
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
    Keys(buffer).get(key)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
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
    let mut sums = |file: &str| directions(root, directory, file, buffer);
    let (read_bytes, write_bytes) = sums("io_service_bytes")?;
    // Without bytes there were no requests: most groups have neither.
    let idle = read_bytes == 0 && write_bytes == 0;
    let (reads_count, writes_count) = if idle { (0, 0) } else { sums("io_serviced")? };
    Some(IoLimit { read_bytes, write_bytes, reads_count, writes_count, ..IoLimit::default() })
}

/// Sums of reads and writes over the devices.
fn directions(root: &Root, directory: &str, file: &str, buffer: &mut Vec<u8>) -> Option<(u64, u64)> {
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
}

/// Whether no group below a directory of version 1 ever moved a byte, where the kernel sums that up.
fn idle_below(root: &Root, hierarchy: &Hierarchy, directory: &str, buffer: &mut Vec<u8>) -> bool {
    hierarchy.name == "blkio"
        && directions(root, directory, "io_service_bytes_recursive", buffer) == Some((0, 0))
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

    fn found(mounts: &str, files: &[(&str, &str)]) -> Vec<(String, Option<u64>, Option<u64>)> {
        let tree = tempfile::tempdir().unwrap();
        for (path, text) in [("proc/1/mountinfo", mounts)].iter().chain(files) {
            std::fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(tree.path().join(path), text).unwrap();
        }
        let groups = read(&Root::live(tree.path()).unwrap(), false, &mut Vec::new()).unwrap();
        let memory = |group: &CgroupReading| group.memory.unwrap_or_default();
        groups.iter().map(|g| (g.path.clone(), memory(g).failures_count, memory(g).oom_kills_count)).collect()
    }

    #[test]
    fn kills_are_looked_for_below_a_limit_that_was_hit() {
        let mounts = "30 20 0:25 / /m rw - cgroup cgroup rw,memory\n";
        let groups = found(
            mounts,
            &[
                ("m/idle/memory.failcnt", "0\n"),
                ("m/idle/memory.oom_control", "oom_kill 9\n"),
                ("m/pod/memory.failcnt", "3\n"),
                ("m/pod/memory.oom_control", "oom_kill_disable 0\n"),
                ("m/pod/victim/memory.failcnt", "0\n"),
                ("m/pod/victim/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ],
        );
        // An old kernel's file has no such line: that is no zero.
        assert_eq!(
            groups,
            [("/pod".to_owned(), Some(3), None), ("/pod/victim".to_owned(), Some(0), Some(2))]
        );
    }

    #[test]
    fn only_the_controllers_of_version_two_are_asked() {
        let mounts = "30 20 0:25 / /u rw - cgroup2 cgroup2 rw\n";
        let events = ("u/a/memory.events", "high 1\nmax 2\noom_kill 0\n");
        let hybrid = found(mounts, &[("u/cgroup.controllers", "\n"), events]);
        assert_eq!(hybrid, []);
        let all = found(mounts, &[("u/cgroup.controllers", "cpu memory\n"), events]);
        assert_eq!(all, [("/a".to_owned(), Some(3), Some(0))]);
    }

    #[test]
    fn groups_that_cannot_be_seen_are_not_none() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/1")).unwrap();
        let mounts = |text: &str| std::fs::write(tree.path().join("proc/1/mountinfo"), text).unwrap();
        let root = Root::live(tree.path()).unwrap();
        mounts("20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        assert_eq!(read(&root, false, &mut Vec::new()), Err(Absence::missing("/sys/fs/cgroup")));
        mounts("30 20 0:25 / /gone rw - cgroup cgroup rw,memory\n");
        assert_eq!(read(&root, false, &mut Vec::new()), Err(Absence::missing("/gone")));
    }

    #[test]
    fn idle_io_and_its_children_are_passed_by() {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            std::fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(tree.path().join(path), text).unwrap();
        };
        put("proc/1/mountinfo", "30 20 0:25 / /b rw - cgroup cgroup rw,blkio\n");
        for (group, bytes) in [("quiet", 0), ("quiet/child", 7), ("loud", 4), ("loud/child", 7)] {
            put(
                &format!("b/{group}/blkio.throttle.io_service_bytes"),
                &format!("8:0 Read {bytes}\n8:0 Write 0\n"),
            );
            put(&format!("b/{group}/blkio.throttle.io_serviced"), "8:0 Read 1\n8:0 Write 0\n");
        }
        put("b/quiet/blkio.throttle.io_service_bytes_recursive", "8:0 Read 0\n8:0 Write 0\nTotal 0\n");
        let groups = read(&Root::live(tree.path()).unwrap(), false, &mut Vec::new()).unwrap();
        let paths: Vec<&str> = groups.iter().map(|group| group.path.as_str()).collect();
        assert_eq!(paths, ["/loud", "/loud/child"]);
    }

    #[test]
    fn bandwidth_of_both_versions() {
        let one = Keys(b"nr_periods 10\nnr_throttled 4\nthrottled_time 5000\n");
        let two = Keys(b"usage_usec 7\nnr_periods 10\nnr_throttled 4\nthrottled_usec 5\n");
        assert_eq!(bandwidth(one), bandwidth(two));
        // Without the controller only the usage is there: no bandwidth control, not a zero of it.
        assert_eq!(bandwidth(Keys(b"usage_usec 7\nuser_usec 3\n")), None);
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
