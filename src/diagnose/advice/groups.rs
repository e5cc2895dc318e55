//! Limits of control groups as actions: through systemd where it manages the unit, else through the group's own files.

use super::action::{Action, UNKNOWN};
use super::names::{is_plain, managed_unit};
use super::settings::file;
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::GroupLimit;
use crate::model::bottleneck::BottleneckId;
use crate::model::cgroup::{CgroupRates, DeviceIoRates, IoDirection, OWN_GROUP};
use crate::model::rates::ProcessRates;
use crate::model::units::MIB;

/// What a limit is raised to, of what is used now. A house value.
const MEMORY_ROOM: f64 = 1.25;

/// Share of the memory that is still available that a group may get. A house value.
const AVAILABLE_SHARE: f64 = 0.5;

/// A raise by less than this is of no use.
const RAISE_MIN: f64 = 1.05;

/// Share of the memory that a unit holds that it may keep. A house value.
const CAP_SHARE: f64 = 0.75;

/// A unit that holds less is not capped.
const CAP_MIN_BYTES: u64 = 128 * MIB;

/// Length of the periods of a CPU quota: the kernel's default.
const PERIOD_MICROSECONDS: f64 = 100_000.0;

/// What can be done to the control groups of a culprit.
#[derive(Debug, Default)]
pub(super) struct GroupActions {
    /// A smaller share of the CPUs.
    pub(super) weight: Option<Action>,
    /// A memory limit below what it holds.
    pub(super) cap: Option<Action>,
    memory: Option<Action>,
    cpu: Option<Action>,
    tasks: Option<Action>,
    io: Option<Action>,
    /// Directory of its group with the CPU quota.
    pub(super) cpu_directory: Option<String>,
    /// The same for the memory limit.
    pub(super) memory_directory: Option<String>,
    /// The same for the I/O limit.
    pub(super) io_directory: Option<String>,
}

impl GroupActions {
    /// What raises a limit.
    pub(super) fn raise(&self, limit: GroupLimit) -> Option<Action> {
        match limit {
            GroupLimit::Memory => self.memory.clone(),
            GroupLimit::Cpu => self.cpu.clone(),
            GroupLimit::Tasks => self.tasks.clone(),
            GroupLimit::Io => self.io.clone(),
        }
    }

    /// Words instead of names and values.
    pub(super) fn words() -> Self {
        let property = |property, value: &str, before: Option<&str>| {
            Some(Action::UnitProperty {
                unit: "UNIT".to_owned(),
                property,
                value: value.to_owned(),
                before: before.map(str::to_owned),
            })
        };
        let directory = || Some("CGROUP".to_owned());
        Self {
            weight: property("CPUWeight", "50", None),
            cap: property("MemoryHigh", "BYTES", None),
            memory: property("MemoryMax", "BYTES", Some(UNKNOWN)),
            cpu: property("CPUQuota", "200%", Some(UNKNOWN)),
            tasks: property("TasksMax", "16384", Some(UNKNOWN)),
            io: property("IOReadBandwidthMax", "", None),
            cpu_directory: directory(),
            memory_directory: directory(),
            io_directory: directory(),
        }
    }
}

/// What can be done to the control groups of `lead`; to that of the finding where no process stands for it.
pub(super) fn actions(
    facts: &Facts<'_>,
    finding: BottleneckId,
    lead: Option<&ProcessRates>,
    unit: Option<&str>,
    systemd: bool,
) -> GroupActions {
    let find = |score: &dyn Fn(&CgroupRates) -> Option<f64>| group(facts, lead, score);
    let memory = find(&|group| {
        group.memory?.limit_bytes?;
        let killed = group.oom_kills_count.is_some_and(|count| count > 0);
        let hit = finding != BottleneckId::MemoryOom && group.memory_failures_per_second > Some(0.0);
        // A count that was not read ranks last.
        (lead.is_some() || killed || hit)
            .then(|| group.memory_failures_per_second.unwrap_or(f64::NEG_INFINITY))
    });
    let cpu = find(&|group| group.quota_cpus.and(group.throttled_cpus));
    let tasks = find(&|group| {
        group.pids?.limit_count?;
        group.forks_refused_count.filter(|count| *count > 0).map(|count| count as f64)
    });
    let io = find(&|group| nearest_io(group).map(|(share, ..)| share));
    let at = |group: Option<&CgroupRates>| Place::of(group?, systemd);
    GroupActions {
        weight: unit
            .filter(|unit| !unit.ends_with(".scope"))
            .map(|unit| property(unit, "CPUWeight", "50", None)),
        cap: unit.and_then(|unit| cap(facts, unit)),
        memory: memory.zip(at(memory)).and_then(|(group, place)| raise_memory(facts, group, &place)),
        cpu: cpu.zip(at(cpu)).and_then(|(group, place)| raise_quota(facts, group, &place)),
        tasks: tasks.zip(at(tasks)).and_then(|(group, place)| raise_tasks(group, &place)),
        io: io.zip(at(io)).and_then(|(group, place)| lift_io(group, &place)),
        cpu_directory: cpu.and_then(directory),
        memory_directory: memory.and_then(directory),
        io_directory: io.and_then(directory),
    }
}

/// The group of `lead`, or any where there is none, with the highest score.
fn group<'a>(
    facts: &'a Facts<'_>,
    lead: Option<&ProcessRates>,
    score: &dyn Fn(&CgroupRates) -> Option<f64>,
) -> Option<&'a CgroupRates> {
    let ours = |group: &&CgroupRates| lead.is_none_or(|lead| group.members.contains(&lead.pid));
    let scored = facts.cgroups().iter().filter(ours).filter_map(|group| Some((group, score(group)?)));
    scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(group, _)| group)
}

/// Where a group's limits are set.
enum Place {
    Unit(String),
    Files { directory: String, unified: bool },
}

impl Place {
    fn of(group: &CgroupRates, systemd: bool) -> Option<Self> {
        let unit = group.unit.as_deref().and_then(|unit| managed_unit(unit, &group.path));
        match unit.filter(|_| systemd) {
            Some(unit) => Some(Self::Unit(unit)),
            None => Some(Self::Files { directory: directory(group)?, unified: group.hierarchy == "unified" }),
        }
    }
}

/// The directory of a group; none for the container's own, whose files are read-only from inside.
fn directory(group: &CgroupRates) -> Option<String> {
    let mount = match group.hierarchy.as_str() {
        "unified" => "/sys/fs/cgroup".to_owned(),
        version1 => format!("/sys/fs/cgroup/{version1}"),
    };
    let plain = group.path != OWN_GROUP && group.path.starts_with('/') && is_plain(&group.path);
    plain.then(|| format!("{mount}{}", group.path))
}

fn property(unit: &str, property: &'static str, value: &str, before: Option<String>) -> Action {
    Action::UnitProperty { unit: unit.to_owned(), property, value: value.to_owned(), before }
}

/// A limit that fits what the group uses and has in swap, as far as the machine has memory for it.
fn raise_memory(facts: &Facts<'_>, group: &CgroupRates, place: &Place) -> Option<Action> {
    let memory = group.memory?;
    let limit = memory.limit_bytes? as f64;
    let members = facts.rates.processes.iter().filter(|process| group.members.contains(&process.pid));
    let swapped: u64 = members.filter_map(|process| process.swap_bytes).fold(0, u64::saturating_add);
    let used = memory.usage_bytes? as f64 + swapped as f64;
    let available = facts.rates.memory.as_ref().ok()?.available_bytes? as f64;
    let wanted = (MEMORY_ROOM * used.max(limit)).min(limit + AVAILABLE_SHARE * available);
    if wanted.is_nan() || wanted < RAISE_MIN * limit {
        return None;
    }
    let mebibytes = (wanted / MIB as f64).ceil() as u64;
    let soft = memory.high_bytes.is_some_and(|high| Some(high) == memory.limit_bytes);
    let before = memory.limit_bytes?.to_string();
    Some(match place {
        Place::Unit(unit) => {
            let name = if soft { "MemoryHigh" } else { "MemoryMax" };
            property(unit, name, &format!("{mebibytes}M"), Some(before))
        }
        Place::Files { directory, unified } => {
            let name = match (unified, soft) {
                (false, _) => "memory.limit_in_bytes",
                (true, false) => "memory.max",
                (true, true) => "memory.high",
            };
            let bytes = mebibytes.saturating_mul(MIB).to_string();
            Action::Write(vec![file(format!("{directory}/{name}"), &bytes, Some(&before))])
        }
    })
}

/// Twice the quota, up to all CPUs.
fn raise_quota(facts: &Facts<'_>, group: &CgroupRates, place: &Place) -> Option<Action> {
    let quota = group.quota_cpus?;
    let wanted = (2.0 * quota).min(facts.cpus);
    if quota <= 0.0 || wanted < RAISE_MIN * quota {
        return None;
    }
    let percent = |cpus: f64| format!("{:.0}%", 100.0 * cpus);
    let microseconds = |cpus: f64| format!("{:.0}", PERIOD_MICROSECONDS * cpus);
    let period = format!("{PERIOD_MICROSECONDS:.0}");
    Some(match place {
        Place::Unit(unit) => property(unit, "CPUQuota", &percent(wanted), Some(percent(quota))),
        Place::Files { directory, unified: true } => {
            let pair = |cpus: f64| format!("{} {period}", microseconds(cpus));
            Action::Write(vec![file(format!("{directory}/cpu.max"), &pair(wanted), Some(&pair(quota)))])
        }
        Place::Files { directory, unified: false } => Action::Write(vec![
            file(format!("{directory}/cpu.cfs_period_us"), &period, Some(&period)),
            file(format!("{directory}/cpu.cfs_quota_us"), &microseconds(wanted), Some(&microseconds(quota))),
        ]),
    })
}

/// Twice the number of tasks.
fn raise_tasks(group: &CgroupRates, place: &Place) -> Option<Action> {
    let limit = group.pids?.limit_count?;
    let (wanted, before) = (limit.saturating_mul(2).to_string(), limit.to_string());
    Some(match place {
        Place::Unit(unit) => property(unit, "TasksMax", &wanted, Some(before)),
        Place::Files { directory, .. } => {
            Action::Write(vec![file(format!("{directory}/pids.max"), &wanted, Some(&before))])
        }
    })
}

/// No limit in the direction that is nearest to it.
fn lift_io(group: &CgroupRates, place: &Place) -> Option<Action> {
    let (_, device, direction) = nearest_io(group)?;
    let (property_name, key, legacy, limit) = match direction {
        IoDirection::ReadBytes => ("IOReadBandwidthMax", "rbps", "read_bps", device.limits.read_bytes),
        IoDirection::WriteBytes => ("IOWriteBandwidthMax", "wbps", "write_bps", device.limits.write_bytes),
        IoDirection::Reads => ("IOReadIOPSMax", "riops", "read_iops", device.limits.reads_count),
        IoDirection::Writes => ("IOWriteIOPSMax", "wiops", "write_iops", device.limits.writes_count),
    };
    let (major, minor) = device.number;
    let limit = limit?;
    let set = |path: String, value: String, before: String| {
        // A value with a space is one argument.
        Action::Write(vec![file(path, &format!("'{value}'"), Some(&format!("'{before}'")))])
    };
    Some(match place {
        Place::Unit(unit) => property(unit, property_name, "", None),
        Place::Files { directory, unified: true } => {
            let at = format!("{major}:{minor} {key}=");
            set(format!("{directory}/io.max"), format!("{at}max"), format!("{at}{limit}"))
        }
        Place::Files { directory, unified: false } => {
            let at = format!("{major}:{minor} ");
            let path = format!("{directory}/blkio.throttle.{legacy}_device");
            set(path, format!("{at}0"), format!("{at}{limit}"))
        }
    })
}

/// The I/O limit that is nearest: how near, on which device, in which direction.
fn nearest_io(group: &CgroupRates) -> Option<(f64, &DeviceIoRates, IoDirection)> {
    let used = |device: &DeviceIoRates| device.limits_used().max_by(|a, b| a.0.total_cmp(&b.0));
    let near = group.io_devices.iter().filter_map(|device| {
        let (share, direction) = used(device)?;
        Some((share, device, direction))
    });
    near.max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Three quarters of what the unit's processes hold now.
fn cap(facts: &Facts<'_>, unit: &str) -> Option<Action> {
    let ours = facts.rates.processes.iter().filter(|process| process.unit.as_deref() == Some(unit));
    let held = |process: &ProcessRates| process.rss_unevictable_bytes.unwrap_or(process.rss_bytes);
    let held = ours.map(held).fold(0, u64::saturating_add);
    if held < CAP_MIN_BYTES {
        return None;
    }
    let mebibytes = (CAP_SHARE * held as f64 / MIB as f64).round();
    Some(property(unit, "MemoryHigh", &format!("{mebibytes:.0}M"), None))
}
