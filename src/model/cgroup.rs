//! Control groups and their limits, from both versions of the interface.

use crate::model::snapshot::Pressure;
use crate::model::task::Pid;

/// Path of the group that a container sees as the root of the hierarchy: its own.
pub const OWN_GROUP: &str = "/";

/// One control group in one hierarchy at one moment; what its controllers do not have is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CgroupReading {
    /// Path below the hierarchy's mount point, `/` for the root.
    pub path: String,
    /// Hierarchy: `cpu`, `memory`, `blkio`, `pids` in version 1, `unified` in version 2.
    pub hierarchy: String,
    /// `cpu.stat`.
    pub cpu: Option<CpuBandwidth>,
    /// Quota in CPUs; read at the end, of the groups that were throttled.
    pub quota_cpus: Option<f64>,
    /// Memory.
    pub memory: Option<MemoryLimit>,
    /// Tasks.
    pub pids: Option<PidsLimit>,
    /// Block I/O by device.
    pub io: Option<Vec<DeviceIo>>,
    /// Stall times of its threads by resource (4.20); read at the end, of the groups that hit a limit.
    pub pressures: Vec<(&'static str, Pressure)>,
    /// Processes in it and, where it has a limit, in all groups below it; read at the end, of the groups that hit a
    /// limit.
    pub members: Vec<Pid>,
}

/// CPU bandwidth control (kernel `Documentation/scheduler/sched-bwc.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuBandwidth {
    /// Periods in which the group wanted to run.
    pub periods_count: u64,
    /// Periods in which it was held back.
    pub throttled_count: u64,
    /// Time it was held back, summed over the CPUs.
    pub throttled_nanoseconds: u64,
}

/// Memory control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryLimit {
    /// In use, page cache included.
    pub usage_bytes: Option<u64>,
    /// Page cache that could be dropped at once.
    pub inactive_file_bytes: Option<u64>,
    /// Limit: the smaller of `memory.max` and `memory.high`, or `memory.limit_in_bytes`.
    pub limit_bytes: Option<u64>,
    /// `memory.high` (version 2).
    pub high_bytes: Option<u64>,
    /// Times that the limit was hit: `memory.failcnt`, or `max` and `high` of `memory.events.local`; where that is
    /// missing (before 5.2), of `memory.events`.
    pub failures_count: Option<u64>,
    /// Times that this very limit left nothing to allocate: `oom` of `memory.events.local`.
    pub own_ooms_count: Option<u64>,
    /// Processes killed.
    pub oom_kills_count: Option<u64>,
}

/// Task control (kernel `Documentation/admin-guide/cgroup-v1/pids.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PidsLimit {
    /// Tasks.
    pub current_count: Option<u64>,
    /// Limit.
    pub limit_count: Option<u64>,
    /// Forks that were refused.
    pub refused_count: Option<u64>,
}

/// Block I/O of a group on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceIo {
    /// Major and minor number of the device.
    pub number: (u32, u32),
    /// What it moved.
    pub counts: IoCounts,
    /// Time that its requests were held back by the controller io.cost; none where that is off or does not tell.
    pub cost_wait_microseconds: Option<u64>,
    /// Limits; read at the end, of the groups that moved something.
    pub limits: IoLimits,
}

/// Bytes and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoCounts {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Read requests.
    pub reads_count: u64,
    /// Write requests.
    pub writes_count: u64,
}

impl IoCounts {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.read_bytes.saturating_add(self.write_bytes)
    }
}

/// Limits per second on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoLimits {
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Read requests.
    pub reads_count: Option<u64>,
    /// Write requests.
    pub writes_count: Option<u64>,
}

/// What a group did on one device within the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceIoRates {
    /// Major and minor number of the device.
    pub number: (u32, u32),
    /// Bytes read.
    pub read_bytes_per_second: f64,
    /// Bytes written.
    pub write_bytes_per_second: f64,
    /// Read requests.
    pub reads_per_second: f64,
    /// Write requests.
    pub writes_per_second: f64,
    /// Time that its requests were held back by the controller io.cost, by wall time.
    pub cost_wait_ratio: Option<f64>,
    /// Limits.
    pub limits: IoLimits,
}

impl DeviceIoRates {
    /// Bytes both ways.
    pub fn bytes_per_second(&self) -> f64 {
        self.read_bytes_per_second + self.write_bytes_per_second
    }

    /// Each rate by its limit, where there is one, and what it counts.
    pub fn limits_used(&self) -> impl Iterator<Item = (f64, IoDirection)> {
        let limits = self.limits;
        [
            (self.read_bytes_per_second, limits.read_bytes, IoDirection::ReadBytes),
            (self.write_bytes_per_second, limits.write_bytes, IoDirection::WriteBytes),
            (self.reads_per_second, limits.reads_count, IoDirection::Reads),
            (self.writes_per_second, limits.writes_count, IoDirection::Writes),
        ]
        .into_iter()
        .filter_map(|(rate, limit, direction)| {
            Some((rate / limit.filter(|&limit| limit > 0)? as f64, direction))
        })
    }
}

/// What an I/O limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoDirection {
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Read requests.
    Reads,
    /// Write requests.
    Writes,
}

/// What a control group did within the window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CgroupRates {
    /// Path.
    pub path: String,
    /// Hierarchy.
    pub hierarchy: String,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// Periods seen.
    pub periods_count: u64,
    /// Share of them in which it was held back.
    pub throttled_ratio: Option<f64>,
    /// Time held back by wall time, summed over CPUs.
    pub throttled_cpus: Option<f64>,
    /// Quota in CPUs.
    pub quota_cpus: Option<f64>,
    /// Memory at the end.
    pub memory: Option<MemoryLimit>,
    /// Times that the memory limit was hit.
    pub memory_failures_per_second: Option<f64>,
    /// Processes killed for memory, in it and in the groups below it.
    pub oom_kills_count: Option<u64>,
    /// Times that its own limit left nothing to allocate; none where no counter tells its own from those below it.
    pub own_ooms_count: Option<u64>,
    /// Tasks at the end.
    pub pids: Option<PidsLimit>,
    /// Forks refused within the window.
    pub forks_refused_count: Option<u64>,
    /// Block I/O by device.
    pub io_devices: Vec<DeviceIoRates>,
    /// Bytes read.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes written.
    pub write_bytes_per_second: Option<f64>,
    /// Read requests.
    pub reads_per_second: Option<f64>,
    /// Write requests.
    pub writes_per_second: Option<f64>,
    /// Share of the last ten seconds in which some of its threads were stalled, by resource.
    pub stalls: Vec<(&'static str, f64)>,
    /// Processes in it and in the groups below it.
    pub members: Vec<Pid>,
}

impl CgroupRates {
    /// Share of the last ten seconds in which some of its threads were stalled for `resource`.
    pub fn stalled_ratio(&self, resource: &str) -> Option<f64> {
        self.stalls.iter().find(|(name, _)| *name == resource).map(|(_, ratio)| *ratio)
    }

    /// How deep in its hierarchy it is.
    pub fn depth(&self) -> usize {
        self.path.split('/').filter(|part| !part.is_empty()).count()
    }

    /// Whether `other` is this group or below it, in the same hierarchy.
    pub fn holds(&self, other: &Self) -> bool {
        let rest = || other.path.strip_prefix(self.path.trim_end_matches('/'));
        self.hierarchy == other.hierarchy
            && rest().is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// How people call it: the unit, else the path.
    pub fn name(&self) -> &str {
        match &self.unit {
            Some(unit) => unit,
            None if self.path == OWN_GROUP => "of this container",
            None => &self.path,
        }
    }
}

/// The limits of the container that the run is in: there they are the machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnLimits {
    /// Quota in CPUs.
    pub quota_cpus: Option<f64>,
    /// Memory in use and its limit.
    pub memory: Option<MemoryLimit>,
    /// Whether the stall times are those of the container alone.
    pub pressure: bool,
}
