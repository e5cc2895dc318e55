//! Tables of the whole system that can fill up, and file systems that can.

use crate::model::reading::Reading;
use crate::model::task::Pid;

/// Sizes and limits of the kernel's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tables {
    /// Open files (`/proc/sys/fs/file-nr`, first number).
    pub files_count: Option<u64>,
    /// Their limit (third number).
    pub files_max: Option<u64>,
    /// `/proc/sys/kernel/pid_max`.
    pub pid_max: Option<u64>,
    /// `/proc/sys/kernel/threads-max`.
    pub threads_max: Option<u64>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// Device, as the mount table names it.
    pub source: String,
    /// Type.
    pub kind: String,
    /// Device number, `254:0`.
    pub device: String,
    /// Whether it is the whole file system, not a directory or file of it.
    pub is_whole: bool,
    /// Room; a mount that does not answer is evidence by itself.
    pub room: Reading<Room>,
    /// Processes that hold a file on it open for writing, as far as was looked; on full ones only.
    pub writers: Vec<Pid>,
    /// Processes that hold deleted files on it open, with the bytes of these, largest first; on full ones only.
    pub deleted: Vec<(Pid, u64)>,
    /// Processes that were blocked at the end and have a file on it open.
    pub blocked: Vec<Pid>,
    /// Whether it was mounted to be written and the kernel made it read-only after an error.
    pub made_read_only: bool,
}

/// Room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Size.
    pub total_bytes: u64,
    /// Free, the part kept for root included.
    pub free_bytes: u64,
    /// Free for any user.
    pub available_bytes: u64,
    /// Inodes; 0 where they are made as needed.
    pub inodes_count: u64,
    /// Free inodes.
    pub free_inodes_count: u64,
}

impl Room {
    /// Share in use, of the room that any user may use.
    pub fn used_ratio(&self) -> Option<f64> {
        let used = self.total_bytes.saturating_sub(self.free_bytes) as f64;
        let all = used + self.available_bytes as f64;
        (all > 0.0).then_some(used / all)
    }

    /// Share of the inodes in use.
    pub fn inodes_used_ratio(&self) -> Option<f64> {
        let free = self.free_inodes_count as f64;
        (self.inodes_count > 0).then_some(1.0 - free / self.inodes_count as f64)
    }
}

/// Open files of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// Process.
    pub pid: Pid,
    /// Open files.
    pub count: u64,
    /// Soft limit.
    pub limit: Option<u64>,
}

/// What the kernel says of hardware that it keeps account of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hardware {
    /// Software RAID arrays with redundancy.
    pub arrays: Vec<RaidArray>,
    /// Errors of memory modules since boot; none without an EDAC driver.
    pub memory_errors: Option<MemoryErrors>,
}

/// A software RAID array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaidArray {
    /// Name, `md0`.
    pub name: String,
    /// Members that there should be.
    pub members_count: u32,
    /// Members that work.
    pub working_count: u32,
    /// `recovery`, `resync`, `check`, `repair` or `reshape`, while that goes on.
    pub rebuilding: Option<&'static str>,
}

/// Errors of memory modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryErrors {
    /// Corrected.
    pub corrected_count: u64,
    /// Not.
    pub uncorrected_count: u64,
}

/// Tasks of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTasks {
    /// User.
    pub uid: u32,
    /// Processes and threads.
    pub tasks_count: u64,
    /// The least soft limit of its youngest processes; none where they have no limit.
    pub limit: Option<u64>,
    /// Its processes, the youngest first.
    pub pids: Vec<Pid>,
}

/// How fast a CPU runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFrequency {
    /// Number.
    pub cpu: u32,
    /// Now.
    pub current_khz: u64,
    /// What all cores can keep up.
    pub base_khz: u64,
    /// What it is allowed to reach.
    pub limit_khz: Option<u64>,
    /// Who decides.
    pub governor: Option<String>,
}

/// inotify instances of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InotifyInstances {
    /// User.
    pub uid: u32,
    /// Instances that were seen.
    pub count: u64,
    /// How many each user may have.
    pub limit: u64,
    /// Processes that have many.
    pub pids: Vec<Pid>,
}
