//! Control groups, version 1, version 2 and both at once: who was held back by which limit.
//!
//! Files: version 2 `cpu.stat`, `memory.events`, `pids.events`, `io.stat` (kernel
//! `Documentation/admin-guide/cgroup-v2.rst`); version 1 `cpu.stat`, `memory.failcnt`, `memory.oom_control`,
//! `pids.events`, `blkio.throttle.*` (`Documentation/admin-guide/cgroup-v1/`). At both ends the counters of
//! all groups, at the end the limits of those alone whose counters moved: there may be thousands. Known
//! lies: `throttled_time` adds up over the CPUs; usage at the limit may be nothing but page cache; `memory.events`
//! counts what happens below a group as well; before 6.11 `pids.events` counts a refused fork in the group of
//! the process that forks, whichever group above it has the limit.

mod files;
mod io;
mod pressures;

use crate::collect::kernel::mounts;
use crate::collect::root::Root;
use crate::model::cgroup::{CgroupReading, MemoryLimit, OWN_GROUP, PidsLimit};
use crate::model::reading::{Absence, Reading};
use crate::model::task::Pid;
use files::{counters, has_limit, limits, lines, pids_limits};
use io::idle_below;
use std::collections::HashMap;

pub use pressures::own_pressure;

/// Groups that are read at most in each hierarchy.
const GROUPS_MAX: usize = 4000;

/// Groups below one with a limit whose processes are listed.
const BELOW_MAX: usize = 512;

/// Depth to which the tree is walked.
const DEPTH_MAX: usize = 8;

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
            // A group that is left out at the start is compared with zero.
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
        group.io.iter().flatten().fold(0, |sum, device| device.counts.bytes().saturating_add(sum)),
    ]
}

/// Adds the limits of the groups whose counters moved since `before`, and who is in them.
///
/// What counts may be below the group that has the limit, so where forks were refused the groups above are added.
pub fn add_limits(
    root: &Root,
    before: &[CgroupReading],
    after: &mut Vec<CgroupReading>,
    buffer: &mut Vec<u8>,
) {
    let Ok(hierarchies) = hierarchies(root, buffer) else { return };
    let earlier: HashMap<(&str, &str), &CgroupReading> =
        before.iter().map(|group| ((group.hierarchy.as_str(), group.path.as_str()), group)).collect();
    let unified = hierarchies.iter().find(|hierarchy| hierarchy.name == "unified");
    let mut refused: Vec<(String, String)> = Vec::new();
    for group in after.iter_mut() {
        let then = earlier.get(&(group.hierarchy.as_str(), group.path.as_str())).copied();
        let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.name == group.hierarchy) else {
            continue;
        };
        let own = group.path == OWN_GROUP;
        let directory = format!("{}{}", hierarchy.mount, if own { "" } else { &group.path });
        if !(own || moved(then, group)) {
            continue;
        }
        limits(root, hierarchy, &directory, group, buffer);
        group.members = members(root, &directory, has_limit(group), buffer);
        if forks_refused(group) > then.map_or(0, forks_refused) {
            refused.push((group.hierarchy.clone(), group.path.clone()));
        }
        if let Some(unified) = unified {
            group.pressures = pressures::read(root, unified, group, buffer);
        }
    }
    for (name, path) in refused {
        if let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.name == name) {
            add_task_limits_above(root, hierarchy, &path, after, buffer);
        }
    }
}

/// The processes of a group; with `below`, those of the groups below it as well. In version 2 a group with children
/// that are limited has none of its own.
fn members(root: &Root, directory: &str, below: bool, buffer: &mut Vec<u8>) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut left = vec![(directory.to_owned(), 0)];
    let mut count = 0;
    while let Some((directory, depth)) = left.pop().filter(|_| count < BELOW_MAX) {
        count += 1;
        if root.read(&format!("{directory}/cgroup.procs"), buffer).is_ok() {
            // A process that this container does not see has the number 0.
            let numbers = lines(buffer).filter_map(|line| line.parse().ok());
            found.extend(numbers.filter(|pid: &Pid| *pid > 0));
        }
        if below && depth < DEPTH_MAX {
            let children = root.directories(&directory).unwrap_or_default();
            left.extend(children.into_iter().map(|child| (format!("{directory}/{child}"), depth + 1)));
        }
    }
    found
}

/// The groups above `path`, the nearest first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at]).filter(|parent| !parent.is_empty())
}

/// Adds how full the limits on tasks above a group are.
fn add_task_limits_above(
    root: &Root,
    hierarchy: &Hierarchy,
    path: &str,
    after: &mut Vec<CgroupReading>,
    buffer: &mut Vec<u8>,
) {
    for path in above(path) {
        let known = after.iter().position(|group| group.hierarchy == hierarchy.name && group.path == path);
        let index = known.unwrap_or_else(|| {
            after.push(CgroupReading {
                path: path.to_owned(),
                hierarchy: hierarchy.name.to_owned(),
                ..CgroupReading::default()
            });
            after.len() - 1
        });
        let group = &mut after[index];
        let directory = format!("{}{path}", hierarchy.mount);
        group.pids.get_or_insert_with(PidsLimit::default);
        pids_limits(root, &directory, group, buffer);
        if group.members.is_empty() && group.pids.is_some_and(|pids| pids.limit_count.is_some()) {
            group.members = members(root, &directory, true, buffer);
        }
    }
}

fn forks_refused(group: &CgroupReading) -> u64 {
    group.pids.and_then(|pids| pids.refused_count).unwrap_or(0)
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
}
