//! What a window is to follow: one process, or the processes of a unit.
//!
//! Files: `/proc/PID/cgroup` (cgroups(7)), and `stat` and `status` of a process or thread.

use crate::collect::root::Root;
use crate::collect::tasks::details::parse_cgroups;
use crate::collect::tasks::scan::{Scratch, read_stat, set_path};
use crate::collect::text::number;
use crate::model::reading::Reading;
use crate::model::target::Asked;
use crate::model::task::{CgroupPaths, Pid};
use std::collections::{HashMap, HashSet};

/// Whether the process in these control groups belongs to the unit that was asked for.
pub type Belongs<'a> = &'a dyn Fn(&CgroupPaths) -> bool;

/// What a live window is to follow.
pub struct Wanted<'a> {
    /// What was asked.
    pub asked: Asked,
    /// Its processes.
    pub pids: Vec<Pid>,
    /// Every process whose control group was looked at; others are new.
    pub known: HashSet<Pid>,
    /// Which of the new ones belong to it; none where one process was asked for.
    pub belongs: Option<Belongs<'a>>,
}

impl Wanted<'_> {
    /// The one process that was asked for.
    pub fn pid(&self) -> Option<Pid> {
        match self.asked {
            Asked::Pid(pid) => Some(pid),
            Asked::Unit(_) => None,
        }
    }
}

impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("asked", &self.asked).field("pids", &self.pids).finish_non_exhaustive()
    }
}

/// Control groups of every process: one small file each, about 10 microseconds of CPU time.
pub fn cgroups_of_all(root: &Root) -> Reading<Vec<(Pid, CgroupPaths)>> {
    let (mut pids, mut scratch) = (Vec::new(), Scratch::default());
    root.pids(&mut pids)?;
    Ok(pids.into_iter().filter_map(|pid| Some((pid, cgroups_of(root, pid, &mut scratch)?))).collect())
}

/// CPU time since its start of each of these processes, in ticks.
pub fn cpu_ticks(root: &Root, pids: impl Iterator<Item = Pid>) -> HashMap<Pid, u64> {
    let mut scratch = Scratch::default();
    pids.filter_map(|pid| {
        set_path(&mut scratch.path, format_args!("proc/{pid}/stat"));
        Some((pid, read_stat(root, &mut scratch).ok()?.cpu_ticks()))
    })
    .collect()
}

/// The process that a thread belongs to, where `id` is the id of a thread and not of a process.
pub fn process_of_thread(root: &Root, id: Pid) -> Option<Pid> {
    let mut bytes = Vec::new();
    root.read(&format!("proc/{id}/status"), &mut bytes).ok()?;
    let line = bytes.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"Tgid:"))?;
    let pid = Pid::try_from(number(line.trim_ascii())?).ok()?;
    (pid != id).then_some(pid)
}

pub(super) fn cgroups_of(root: &Root, pid: Pid, scratch: &mut Scratch) -> Option<CgroupPaths> {
    set_path(&mut scratch.path, format_args!("proc/{pid}/cgroup"));
    root.read(&scratch.path, &mut scratch.bytes).ok()?;
    parse_cgroups(&scratch.bytes).ok()
}
