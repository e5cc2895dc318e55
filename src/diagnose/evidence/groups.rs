//! Processes grouped to services: the workers of one service count as one.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::{CONTRIBUTOR, MAIN_CAUSE};
use crate::model::finding::{Role, Suspect};
use crate::model::rates::{ProcessRates, Rates};
use crate::model::sentence::{Sentence, process, sentence};
use crate::model::task::{Comm, Pid};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Processes of one service that share a name.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Name.
    pub comm: Comm,
    /// Members that lived at the end.
    pub members: Vec<&'a ProcessRates>,
    /// Members that had ended by then, as far as samples met them.
    pub ended_count: usize,
    /// Id of a member that ended, for a group without living members.
    ended_pid: Option<Pid>,
    /// User time in CPUs.
    pub user: f64,
    /// Kernel time in CPUs.
    pub system: f64,
    /// Mean number of threads in D.
    pub uninterruptible: f64,
}

/// Name, control group and session of a process: what makes it a worker of the same service. In the root
/// group everybody meets, so there the session tells services apart.
type GroupKey = (Comm, Option<String>, Pid);

impl<'a> Group<'a> {
    fn empty(comm: Comm) -> Self {
        Self {
            comm,
            members: Vec::new(),
            ended_count: 0,
            ended_pid: None,
            user: 0.0,
            system: 0.0,
            uninterruptible: 0.0,
        }
    }

    /// CPU time in CPUs.
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }

    /// The member that stands for the group: the one with the most of `metric`, the oldest on a tie.
    pub fn lead_by(&self, metric: impl Fn(&ProcessRates) -> f64) -> Option<&'a ProcessRates> {
        self.members.iter().copied().max_by(|a, b| {
            let older = || b.started_seconds.total_cmp(&a.started_seconds).then_with(|| b.pid.cmp(&a.pid));
            metric(a).total_cmp(&metric(b)).then_with(older)
        })
    }

    /// Process id that stands for the group.
    pub fn pid_by(&self, metric: impl Fn(&ProcessRates) -> f64) -> Option<Pid> {
        self.lead_by(metric).map(|process| process.pid).or(self.ended_pid)
    }

    /// Number of processes.
    pub fn count(&self) -> usize {
        (self.members.len() + self.ended_count).max(1)
    }

    /// A sum over the living members.
    pub fn sum(&self, metric: impl Fn(&ProcessRates) -> f64) -> f64 {
        self.members.iter().map(|process| metric(process)).sum()
    }

    /// Memory that the group takes from others. Anonymous memory adds up, and so do proportional sizes; shared memory
    /// does not: the workers of a service map the same, so the largest share stands for all. Resident sizes, where
    /// nothing better is known, never add up.
    pub fn memory_bytes(&self) -> f64 {
        let mut sum = 0.0;
        let (mut shared, mut largest_rss) = (0.0_f64, 0.0_f64);
        for process in &self.members {
            let swapped = process.swap_bytes.unwrap_or(0) as f64;
            match (process.rss_unevictable_bytes, process.rss_shared_bytes, process.pss_bytes) {
                (Some(bytes), Some(of_others), _) => {
                    sum += bytes.saturating_sub(of_others) as f64 + swapped;
                    shared = shared.max(of_others as f64);
                }
                (Some(bytes), None, _) | (None, _, Some(bytes)) => sum += bytes as f64 + swapped,
                (None, _, None) => largest_rss = largest_rss.max(process.rss_bytes as f64),
            }
        }
        (sum + shared).max(largest_rss)
    }

    /// `name (pid 12)`, or `name ×4 (pid 12 and others)`.
    pub fn label(&self, pid: Option<Pid>) -> Sentence {
        label(&self.comm.to_lossy(), pid, self.count())
    }
}

/// A name with its process id and number of members.
pub fn label(comm: &str, pid: Option<Pid>, members_count: usize) -> Sentence {
    let name = process(comm);
    match (pid, members_count) {
        (Some(pid), 0 | 1) => sentence![name, " (pid ", pid, ")"],
        (Some(pid), count) => sentence![name, " ×", count, " (pid ", pid, " and others)"],
        (None, 0 | 1) => sentence![name],
        (None, count) => sentence![name, " ×", count],
    }
}

/// The groups of all user processes.
pub fn groups(rates: &Rates) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<GroupKey, Group<'_>> = BTreeMap::new();
    let mut keys: HashMap<Pid, GroupKey> = HashMap::new();
    for process in rates.processes.iter().filter(|process| !process.kernel_thread) {
        let cgroup = process.cgroup.clone().filter(|path| path != "/");
        let session = if cgroup.is_some() { 0 } else { process.session };
        let key = (process.comm, cgroup, session);
        keys.insert(process.pid, key.clone());
        let group = groups.entry(key).or_insert_with(|| Group::empty(process.comm));
        group.members.push(process);
        group.user += process.user_ratio;
        group.system += process.system_ratio;
        group.uninterruptible += process.uninterruptible_mean;
    }
    // One that ended has no cgroup file any more: it joins its siblings by name and session.
    let mut by_session: HashMap<(Comm, Pid), GroupKey> = HashMap::new();
    for process in rates.processes.iter().filter(|process| !process.kernel_thread) {
        if let Some(key) = keys.get(&process.pid) {
            by_session.entry((process.comm, process.session)).or_insert_with(|| key.clone());
        }
    }
    let mut ended: HashSet<Pid> = HashSet::new();
    for thread in rates.threads.iter().filter(|thread| !thread.alive && !thread.kernel_thread) {
        let key = by_session.get(&(thread.comm, thread.session)).cloned().unwrap_or((
            thread.comm,
            None,
            thread.session,
        ));
        let group = groups.entry(key).or_insert_with(|| Group::empty(thread.comm));
        if ended.insert(thread.pid) {
            group.ended_count += 1;
            group.ended_pid = group.ended_pid.or(Some(thread.pid));
        }
        group.user += thread.user_ratio * thread.followed_ratio;
        group.system += thread.system_ratio * thread.followed_ratio;
        group.uninterruptible += thread.uninterruptible_mean;
    }
    groups.into_values().collect()
}

/// A group to name in a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Index into the facts' groups.
    pub group: usize,
    /// Process that stands for it.
    pub pid: Option<Pid>,
    /// Amount of the resource.
    pub amount: f64,
    /// Share of the total.
    pub share: f64,
}

/// Who a hit points at.
#[derive(Debug, Clone, PartialEq)]
pub enum Who {
    /// A process or a group of them.
    Group(Ranked),
    /// A process that may have ended.
    Process {
        /// Its id.
        pid: Pid,
        /// Its name.
        comm: String,
    },
    /// A device.
    Device(String),
    /// No process or device can be named.
    None,
}

/// The groups by `metric`, largest first, with their shares of `total` (of their own sum when none); the
/// member with the most of `member_metric` stands for a group.
pub fn rank(
    facts: &Facts<'_>,
    total: Option<f64>,
    metric: impl Fn(&Group<'_>) -> f64,
    member_metric: impl Fn(&ProcessRates) -> f64,
) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = facts
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| Ranked {
            group: index,
            pid: group.pid_by(&member_metric),
            amount: metric(group),
            share: 0.0,
        })
        .filter(|ranked| ranked.amount > 0.0)
        .collect();
    ranked.sort_by(|a, b| b.amount.total_cmp(&a.amount));
    let total = total.unwrap_or_else(|| ranked.iter().map(|ranked| ranked.amount).sum());
    for entry in &mut ranked {
        entry.share = if total > 0.0 { (entry.amount / total).min(1.0) } else { 0.0 };
    }
    ranked
}

/// The first few as suspects.
pub fn suspects(facts: &Facts<'_>, ranked: &[Ranked], role: Role) -> Vec<Suspect> {
    const NAMED: usize = 5;
    const SHARE_MIN: f64 = 0.05;
    ranked
        .iter()
        .take(NAMED)
        .enumerate()
        .filter(|(index, ranked)| *index == 0 || ranked.share >= SHARE_MIN)
        .map(|(_, ranked)| {
            let group = &facts.groups[ranked.group];
            Suspect {
                pid: ranked.pid,
                comm: group.comm.to_lossy(),
                role,
                share_ratio: Some(ranked.share),
                members_count: u32::try_from(group.count()).unwrap_or(u32::MAX),
            }
        })
        .collect()
}

/// How to speak of a share.
pub fn part(facts: &Facts<'_>, share: f64) -> &'static str {
    match share {
        s if s >= facts.setting(&MAIN_CAUSE) => "main cause",
        s if s >= facts.setting(&CONTRIBUTOR) => "contributor",
        _ => "no single culprit",
    }
}
