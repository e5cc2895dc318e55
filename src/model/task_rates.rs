//! What processes and threads did within the window, and what the load average is made of.

use crate::model::task::{Comm, Pid, State};
use crate::model::wait::WaitReason;

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessRates {
    /// Id.
    pub pid: Pid,
    /// Parent.
    pub ppid: Pid,
    /// Session.
    pub session: Pid,
    /// Start after boot, in seconds.
    pub started_seconds: f64,
    /// Name.
    pub comm: Comm,
    /// State at the end.
    pub state: State,
    /// Kernel thread.
    pub kernel_thread: bool,
    /// Whether it was born within the window.
    pub born: bool,
    /// Threads.
    pub threads_count: u32,
    /// Nice value.
    pub nice: i32,
    /// User time by wall time.
    pub user_ratio: f64,
    /// Kernel time by wall time.
    pub system_ratio: f64,
    /// CPU time of children that were waited for, less what was seen of them before; by wall time.
    pub children_ratio: f64,
    /// Time waiting for a CPU, summed over the threads that were followed.
    pub run_delay_ratio: Option<f64>,
    /// Resident.
    pub rss_bytes: u64,
    /// Growth of the resident size.
    pub rss_growth_bytes: i64,
    /// Proportional size.
    pub pss_bytes: Option<u64>,
    /// Of that, private pages.
    pub private_bytes: Option<u64>,
    /// Proportional share of swap.
    pub swap_pss_bytes: Option<u64>,
    /// Resident anonymous and shared memory: what a page cache could not drop.
    pub rss_unevictable_bytes: Option<u64>,
    /// Of that, shared memory, which other processes may map as well.
    pub rss_shared_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// Bytes from devices.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes to devices.
    pub write_bytes_per_second: Option<f64>,
    /// Faults that read from a device.
    pub major_faults_per_second: f64,
    /// Mean number of its threads running or runnable.
    pub running_mean: f64,
    /// Mean number of its threads in uninterruptible sleep.
    pub uninterruptible_mean: f64,
    /// User.
    pub user: Option<String>,
    /// Control group.
    pub cgroup: Option<String>,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// Command line.
    pub command_line: Option<String>,
    /// Kernel function it sleeps in.
    pub wait_channel: Option<String>,
    /// How its threads that sleep in futexes take turns; none where too few samples saw enough of them.
    pub turns: Option<Turns>,
}

impl ProcessRates {
    /// Own CPU time by wall time; 1 is one CPU.
    pub fn cpu_ratio(&self) -> f64 {
        self.user_ratio + self.system_ratio
    }

    /// Bytes from and to devices.
    pub fn io_bytes_per_second(&self) -> Option<f64> {
        Some(self.read_bytes_per_second? + self.write_bytes_per_second?)
    }

    /// Memory that it takes from others: anonymous and shared pages, resident or swapped; the resident
    /// size where nothing better is known.
    pub fn memory_bytes(&self) -> u64 {
        self.rss_unevictable_bytes.unwrap_or(self.rss_bytes).saturating_add(self.swap_bytes.unwrap_or(0))
    }
}

/// How many threads of a process were awake at a time, of those that get turns on a CPU and sleep in a futex in
/// between. A lock lets one on at a time, whatever it does; idle workers are awake by chance, several or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turns {
    /// Threads.
    pub threads_count: usize,
    /// Samples that saw nearly all of them.
    pub samples_count: usize,
    /// Mean number that did not sleep in a futex.
    pub awake_mean: f64,
    /// Variance of that number.
    pub awake_variance: f64,
    /// Share of the samples in which all slept.
    pub all_asleep_ratio: f64,
    /// Share of the samples with one awake in which it was the one that was so most often.
    pub same_ratio: f64,
}

/// One thread that was followed.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadRates {
    /// Process.
    pub pid: Pid,
    /// Thread.
    pub tid: Pid,
    /// Name of the thread.
    pub comm: Comm,
    /// Parent process.
    pub ppid: Pid,
    /// Session.
    pub session: Pid,
    /// Kernel thread.
    pub kernel_thread: bool,
    /// Nice value.
    pub nice: i32,
    /// Scheduling policy.
    pub policy: Option<u32>,
    /// CPUs that it may run on, where that was asked.
    pub cpus_allowed: Option<Vec<u32>>,
    /// Whether its process lived at the end.
    pub alive: bool,
    /// Share of the window over which it was followed.
    pub followed_ratio: f64,
    /// User time by wall time while followed.
    pub user_ratio: f64,
    /// Kernel time by wall time while followed.
    pub system_ratio: f64,
    /// Share of the seconds in which it used at least 85 % of a CPU.
    pub hot_seconds_ratio: f64,
    /// Time waiting for a CPU by wall time while followed.
    pub run_delay_ratio: Option<f64>,
    /// Whether it got a CPU at all while followed; none where the kernel does not count.
    pub ran: Option<bool>,
    /// Mean number of samples in R.
    pub running_mean: f64,
    /// Mean number of samples in D.
    pub uninterruptible_mean: f64,
    /// How often it got a CPU, per second.
    pub timeslices_per_second: Option<f64>,
    /// Share of its own looks that were D.
    pub uninterruptible_looks_ratio: f64,
    /// Looks at it.
    pub looks_count: u32,
    /// Where it slept: state, function, mean.
    pub waits: Vec<WaitShare>,
}

impl ThreadRates {
    /// CPU time by wall time while followed.
    pub fn cpu_ratio(&self) -> f64 {
        self.user_ratio + self.system_ratio
    }

    /// Whether it ran before all others: SCHED_FIFO or SCHED_RR (sched(7)).
    pub fn is_realtime(&self) -> bool {
        matches!(self.policy, Some(1 | 2))
    }

    /// Whether it gave way to others: a nice value above zero, or SCHED_BATCH or SCHED_IDLE (sched(7)).
    pub fn is_background(&self) -> bool {
        self.nice > 0 || matches!(self.policy, Some(3 | 5))
    }
}

/// Mean time a thread slept in one function.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitShare {
    /// State.
    pub state: State,
    /// Kernel function; none where it may not be known.
    pub function: Option<String>,
    /// Mean number of threads, 0 to 1 for one thread.
    pub mean: f64,
}

/// What the load average is made of, as means over the samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadMakeup {
    /// Running or runnable.
    pub running_mean: f64,
    /// Of those, what the kernel's own count says (throttled threads are R but not counted there).
    pub runnable_by_kernel_mean: Option<f64>,
    /// Uninterruptible.
    pub uninterruptible_mean: f64,
    /// The parts, largest first; they add up to the two means.
    pub groups: Vec<LoadPart>,
}

/// One part of the load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPart {
    /// Running or Uninterruptible.
    pub state: State,
    /// Name; none for what no sample could name.
    pub comm: Option<Comm>,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// What D waits for.
    pub wait: Option<WaitReason>,
    /// Mean number of threads.
    pub mean: f64,
}
