//! Which control group owns a limit that was hit: counters may be those of a group below it, or add up all below.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::CGROUP_MEMORY_HITS;
use crate::model::cgroup::CgroupRates;

impl Facts<'_> {
    /// The groups that hit a memory limit of their own, and how often per second.
    ///
    /// Where no counter tells a group's own hits from those below it, a group whose hits are mostly those of a limited
    /// group below it is left out.
    pub fn groups_at_memory_limit(&self) -> Vec<(&CgroupRates, f64)> {
        let hits = |group: &CgroupRates| {
            group.memory?.limit_bytes?;
            group.memory_failures_per_second.filter(|hits| *hits >= self.limit(&CGROUP_MEMORY_HITS).warning)
        };
        let limited: Vec<(&CgroupRates, f64)> =
            self.cgroups().iter().filter_map(|group| Some((group, hits(group)?))).collect();
        let of_one_below = |group: &CgroupRates, own: f64| {
            let adds_up = group.hierarchy == "unified" && group.own_ooms_count.is_none();
            let below = |other: &CgroupRates| group.holds(other) && other.path != group.path;
            adds_up && limited.iter().any(|(other, hits)| below(other) && *hits * 2.0 >= own)
        };
        limited.iter().copied().filter(|(group, hits)| !of_one_below(group, *hits)).collect()
    }

    /// The group whose memory limit made the kernel kill within the window; none where none did. A kill for the whole
    /// machine is counted in the victim's group as well: its limit must have been hit, too.
    pub fn oom_group(&self) -> Option<&CgroupRates> {
        let killed = |group: &CgroupRates| group.oom_kills_count.is_some_and(|kills| kills > 0);
        let own = |group: &CgroupRates| group.own_ooms_count.unwrap_or(0);
        let limited = |group: &&CgroupRates| {
            let at_limit = own(group) > 0 || group.memory_failures_per_second.is_some_and(|rate| rate > 0.0);
            at_limit && group.memory.is_some_and(|memory| memory.limit_bytes.is_some())
        };
        let victims = || self.cgroups().iter().filter(|group| killed(group));
        let around = |group: &&CgroupRates| victims().any(|victim| group.holds(victim));
        self.cgroups()
            .iter()
            .filter(limited)
            .filter(around)
            .max_by_key(|group| (own(group) > 0, killed(group), group.depth()))
    }

    /// The group whose limit on tasks refused a fork of a process in `group`: before 6.11 the count is the forking
    /// process's group's, whoever above it has the limit.
    pub fn task_limit_owner<'a>(&'a self, group: &'a CgroupRates) -> &'a CgroupRates {
        let room = |group: &CgroupRates| {
            let pids = group.pids?;
            Some(pids.limit_count?.saturating_sub(pids.current_count?))
        };
        let around = self.cgroups().iter().filter(|other| other.holds(group));
        let limited = around.filter_map(|other| Some((other, room(other)?)));
        limited
            .min_by_key(|(other, room)| (*room, std::cmp::Reverse(other.depth())))
            .map_or(group, |(owner, _)| owner)
    }
}
