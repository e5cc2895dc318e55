//! Processes and threads as the kernel shows them.

use crate::model::reading::Reading;
use std::fmt;
use std::time::Duration;

/// A process or thread id.
pub type Pid = i32;

/// Flag in `stat` field 9 that marks a kernel thread (`PF_KTHREAD`, kernel `include/linux/sched.h`).
pub const PF_KTHREAD: u32 = 0x0020_0000;

/// The name of a task, as bytes: any user can choose them, so they may not be valid text.
///
/// `comm` has 15 bytes for user tasks; the kernel prints up to 63 for its own workers. Stored in place, so
/// that a scan of ten thousand processes makes no ten thousand allocations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comm {
    length: u8,
    bytes: [u8; 31],
}

impl Comm {
    /// The name in `bytes`, cut at 31 bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut stored = [0; 31];
        let length = bytes.len().min(stored.len());
        stored[..length].copy_from_slice(&bytes[..length]);
        // Bounded by 31 just above.
        Self { length: length as u8, bytes: stored }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// As text, with what is not UTF-8 replaced. Control characters are still in it: each renderer
    /// escapes for its own format.
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_lossy())
    }
}

/// The state letter of `stat` field 3, proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// `R`: on a CPU, or waiting for one.
    Running,
    /// `S`: asleep, a signal can wake it.
    Sleeping,
    /// `D`: asleep where only the event can wake it; counted in the load average.
    Uninterruptible,
    /// `Z`: ended, not yet waited for.
    Zombie,
    /// `T`, `t`: stopped or traced.
    Stopped,
    /// `I`: idle kernel thread; not in the load average.
    Idle,
    /// Any other letter.
    Other(u8),
}

impl State {
    /// The state for a letter of `stat`.
    pub fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'Z' | b'X' => Self::Zombie,
            b'T' | b't' => Self::Stopped,
            b'I' => Self::Idle,
            other => Self::Other(other),
        }
    }

    /// The letter that ps(1) prints.
    pub fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Uninterruptible => 'D',
            Self::Zombie => 'Z',
            Self::Stopped => 'T',
            Self::Idle => 'I',
            Self::Other(letter) => char::from(letter),
        }
    }
}

/// What `stat` says of one process or thread; ticks are USER_HZ.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStat {
    /// Process id (thread id when read below `task/`).
    pub pid: Pid,
    /// Name.
    pub comm: Comm,
    /// State letter.
    pub state: State,
    /// Parent process.
    pub ppid: Pid,
    /// Session id.
    pub session: Pid,
    /// `PF_*` flags.
    pub flags: u32,
    /// Major faults: those that had to read from a disk.
    pub major_faults_count: u64,
    /// CPU time in user mode.
    pub user_ticks: u64,
    /// CPU time in kernel mode.
    pub system_ticks: u64,
    /// User time of children that were waited for.
    pub children_user_ticks: u64,
    /// Kernel time of children that were waited for.
    pub children_system_ticks: u64,
    /// Nice value, -20 to 19.
    pub nice: i32,
    /// Threads in the process.
    pub threads_count: u32,
    /// Start after boot; with the id it names a process for good.
    pub start_ticks: u64,
    /// Resident pages.
    pub rss_pages: u64,
    /// CPU it last ran on (2.2.8).
    pub processor: Option<u32>,
    /// Real-time priority (2.5.19): 1 to 99 under a real-time policy, else 0.
    pub realtime_priority: Option<u8>,
    /// Scheduling policy (2.5.19): 0 other, 1 FIFO, 2 RR, 3 batch, 5 idle, 6 deadline.
    pub policy: Option<u32>,
}

impl TaskStat {
    /// Whether this is a kernel thread: it works on behalf of others and is never a culprit.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Own CPU time, user and kernel.
    pub fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }
}

/// What `/proc/PID/io` says (proc_pid_io(5)); needs the owner's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskIo {
    /// Bytes that had to be fetched from a device, swap-ins included.
    pub read_bytes: u64,
    /// Bytes that were dirtied, or written past the page cache.
    pub write_bytes: u64,
    /// Dirtied bytes that were dropped before they reached a device.
    pub cancelled_write_bytes: u64,
}

/// What `schedstat` of one thread says (kernel `Documentation/scheduler/sched-stats.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedStat {
    /// Time on a CPU.
    pub run_nanoseconds: u64,
    /// Time runnable but waiting for a CPU.
    pub run_delay_nanoseconds: u64,
    /// How often it got a CPU.
    pub timeslices_count: u64,
}

/// One process in a full snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessReading {
    /// `stat`.
    pub stat: TaskStat,
    /// `io`; `None` where it was not asked for (kernel threads) or could not be read.
    pub io: Option<TaskIo>,
}

/// What is read only of the processes that matter; `None` is what was not asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessDetails {
    /// Control groups; asked for every process that did anything within the window.
    pub cgroups: Option<Reading<CgroupPaths>>,
    /// Arguments, NUL separated as the kernel gives them.
    pub command_line: Option<Reading<Vec<u8>>>,
    /// `status`.
    pub status: Option<Reading<ProcessStatus>>,
    /// `smaps_rollup`, for the largest only: the kernel walks the whole address space for it.
    pub memory: Option<Reading<MemoryRollup>>,
    /// `wchan` of the main thread.
    pub wait_channel: Option<Reading<WaitChannel>>,
}

/// The fields of `/proc/PID/status` that the triage needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessStatus {
    /// Real user id.
    pub uid: u32,
    /// Anonymous memory that is resident (4.5).
    pub rss_anon_bytes: Option<u64>,
    /// Shared memory that is resident (4.5).
    pub rss_shmem_bytes: Option<u64>,
    /// Anonymous memory that is swapped out (2.6.34).
    pub swap_bytes: Option<u64>,
}

/// The fields of `/proc/PID/smaps_rollup` (4.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRollup {
    /// Proportional set size: shared pages divided by their users, so that a sum over processes is true.
    pub pss_bytes: u64,
    /// Proportional share of swap.
    pub swap_pss_bytes: u64,
    /// Private pages, `Private_Clean` and `Private_Dirty`: what one more process like this adds.
    pub private_bytes: Option<u64>,
}

/// Where a process sits in each cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CgroupPaths {
    /// Path in the unified (v2) hierarchy, `0::/...`.
    pub unified: Option<String>,
    /// Controller lists and paths of the v1 hierarchies.
    pub legacy: Vec<(String, String)>,
}

impl CgroupPaths {
    /// The most telling path: the deepest one among all hierarchies, v2 or systemd's own before others.
    pub fn deepest(&self) -> &str {
        let systemd = self.legacy.iter().find(|(name, _)| name == "name=systemd").map(|(_, path)| path);
        let unified = self.unified.as_ref();
        unified
            .into_iter()
            .chain(systemd)
            .chain(self.legacy.iter().map(|(_, path)| path))
            .find(|path| path.as_str() != "/")
            .map_or("/", String::as_str)
    }
}

/// The kernel function in which a thread sleeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitChannel {
    /// The function's name.
    Function(String),
    /// The kernel said `0`: the thread runs, or the reader lacks the rights; it does not say which.
    Hidden,
}

impl WaitChannel {
    /// The function's name, where it was told.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Function(name) => Some(name),
            Self::Hidden => None,
        }
    }
}

/// One look at a thread's own clocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThreadClock {
    /// Since the window's start.
    pub at: Duration,
    /// User time.
    pub user_ticks: u64,
    /// Kernel time.
    pub system_ticks: u64,
    /// Scheduler's account, where the kernel keeps one.
    pub sched: Option<SchedStat>,
}

/// One state that a thread was seen in, how often, and what it waited in.
#[derive(Debug, Clone, PartialEq)]
pub struct StateShare {
    /// State.
    pub state: State,
    /// Where it slept; `None` when running or not looked at.
    pub wait_channel: Option<WaitChannel>,
    /// Number of samples this stands for; a thread that is looked at every fourth time counts four.
    pub weight: f64,
}

/// All that the sampling saw of one thread.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadObservation {
    /// Process.
    pub pid: Pid,
    /// Thread.
    pub tid: Pid,
    /// Name of the thread.
    pub comm: Comm,
    /// Start after boot.
    pub start_ticks: u64,
    /// Parent process.
    pub ppid: Pid,
    /// Session.
    pub session: Pid,
    /// Nice value.
    pub nice: i32,
    /// Scheduling policy.
    pub policy: Option<u32>,
    /// Whether it is a kernel thread.
    pub kernel_thread: bool,
    /// CPUs that it may run on; asked for of those that were often runnable.
    pub cpus_allowed: Option<Vec<u32>>,
    /// Clocks, about once a second, first and last included.
    pub clocks: Vec<ThreadClock>,
    /// States seen.
    pub states: Vec<StateShare>,
    /// Number of looks.
    pub looks_count: u32,
    /// Of a thread of several: whether it slept in a futex, by the number of the sample.
    pub futex_looks: Vec<(u32, bool)>,
}
/// A process or thread id, where `name` is one.
pub fn parse_pid(name: &[u8]) -> Option<Pid> {
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    if digits { str::from_utf8(name).ok()?.parse().ok() } else { None }
}
