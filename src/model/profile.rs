//! What sampling saw of the programs: stacks with names, system calls, waits; and the part of the report that is made
//! of it.
//!
//! [`Samples`] is the whole machine, taken before anybody knew who the offender would be. [`Profile`] is what the
//! report shows of the offender.

use crate::model::finding::NotChecked;
use crate::model::task::Pid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What makes a sample: perf_event_open(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SampledEvent {
    /// Cycles of the hardware counter; sees code that runs with interrupts off.
    Cycles,
    /// The kernel's timer on each CPU: works everywhere, is late where interrupts are off.
    CpuClock,
}

impl SampledEvent {
    /// perf's name of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::CpuClock => "cpu-clock",
        }
    }
}

/// What was sampled within one window, with names; kept by a capture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// What made the samples.
    pub event: SampledEvent,
    /// Samples a second and CPU.
    pub frequency_hertz: u32,
    /// How long it was on.
    pub seconds: f64,
    /// Processes that it was attached to; none when it saw every CPU.
    pub attached: Option<Vec<Pid>>,
    /// Whether the kernel kept its own frames back.
    pub kernel_hidden: bool,
    /// Samples that the kernel could not deliver (PERF_RECORD_LOST, PERF_FORMAT_LOST).
    pub lost_count: u64,
    /// Times that the kernel throttled the sampling (PERF_RECORD_THROTTLE).
    pub throttled_count: u64,
    /// Every frame once; stacks are indices into it.
    pub frames: Vec<FrameName>,
    /// By process, most samples first.
    pub processes: Vec<SampledProcess>,
    /// Hardware counters over all CPUs, where there are any.
    pub counters: Option<Counters>,
    /// System calls of the offender, where they were traced.
    pub syscalls: Option<TracedSyscalls>,
    /// What could not be sampled or traced: a replay has no other way to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<NotChecked>,
}

/// Samples that any window can have; beyond it sums would overflow.
const SAMPLES_MAX: u64 = 1 << 40;

impl Samples {
    /// Whether its counts can be added up: those of a capture come from anybody.
    pub fn is_plausible(&self) -> bool {
        let stacks = self.processes.iter().flat_map(|process| &process.stacks);
        let counts = stacks.map(|stack| stack.count);
        let processes = self.processes.iter().map(|process| process.samples_count);
        let traced = self.syscalls.iter().flat_map(|traced| &traced.calls).map(|call| call.count);
        counts
            .chain(processes)
            .chain(traced)
            .try_fold(0_u64, u64::checked_add)
            .is_some_and(|sum| sum <= SAMPLES_MAX)
    }

    /// Where nothing could be sampled: something to put system calls into.
    pub fn none(frequency_hertz: u32) -> Self {
        Self {
            event: SampledEvent::CpuClock,
            frequency_hertz,
            seconds: 0.0,
            attached: None,
            kernel_hidden: false,
            lost_count: 0,
            throttled_count: 0,
            frames: Vec::new(),
            processes: Vec::new(),
            counters: None,
            syscalls: None,
            not_checked: Vec::new(),
        }
    }

    /// Whether nothing was sampled and nothing traced.
    pub fn is_empty(&self) -> bool {
        self.seconds <= 0.0 && self.processes.is_empty() && self.syscalls.is_none()
    }
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The program and its libraries.
    User,
    /// The kernel and its modules.
    Kernel,
}

/// One function, or one address without a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameName {
    /// Demangled function; none where the address has no symbol.
    pub symbol: Option<String>,
    /// Program, library, `[kernel]`, `[vdso]`, or the name of a kernel module.
    pub module: Option<String>,
    /// Kernel or user.
    pub space: Space,
    /// First address of its function as the file was linked, where that is all that is known.
    #[serde(default)]
    pub start: Option<u64>,
    /// Why there is no symbol: stripped, gone, no map of the runtime.
    pub unnamed: Option<String>,
}

/// In which context a CPU was when it was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// The thread itself.
    Thread,
    /// An interrupt that came upon it; not its doing.
    Interrupt,
}

/// Samples of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledProcess {
    /// Process; 0 is the idle task, of which only interrupts are kept.
    pub pid: Pid,
    /// Parent, where a fork within the window told.
    pub ppid: Option<Pid>,
    /// Last name that it had.
    pub comm: String,
    /// File name of its program, where it could be read.
    pub executable: Option<String>,
    /// Its samples.
    pub samples_count: u64,
    /// Whether its frames have names: those of processes with few samples have none.
    pub named: bool,
    /// Its different stacks; empty where it has no names.
    pub stacks: Vec<SampledStack>,
}

/// One stack and how often it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledStack {
    /// Indices of frames, the innermost first.
    pub frames: Vec<u32>,
    /// Times seen.
    pub count: u64,
    /// Sum of the samples' periods, by which shares are told: nanoseconds of cpu-clock, cycles.
    pub weight: u64,
    /// Thread's name.
    pub thread: String,
    /// Context.
    pub context: Context,
    /// Whether the way to the thread's start could not be followed to its end.
    pub cut: bool,
}

/// Counters of the hardware, over all CPUs and the whole window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Instructions per cycle.
    pub instructions_per_cycle: Option<f64>,
    /// Misses of the last level cache by its references.
    pub cache_miss_ratio: Option<f64>,
    /// Mispredicted branches by branches.
    pub branch_miss_ratio: Option<f64>,
}

/// System calls of chosen processes, from the tracepoint raw_syscalls:sys_exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracedSyscalls {
    /// Processes that were traced.
    pub pids: Vec<Pid>,
    /// How long.
    pub seconds: f64,
    /// Calls in all, counted one by one.
    pub calls_count: u64,
    /// Every how many calls one was looked at.
    pub period: u64,
    /// Samples that were lost.
    pub lost_count: u64,
    /// By call, most frequent first.
    pub calls: Vec<TracedSyscall>,
    /// What is not exact about the number of calls, where something is not.
    pub note: Option<String>,
}

/// One system call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracedSyscall {
    /// Name, or `syscall 999`.
    pub name: String,
    /// Calls, scaled up from those that were looked at.
    pub count: u64,
    /// Calls that failed, likewise.
    pub errors_count: u64,
    /// The most frequent error: `EAGAIN`.
    pub error: Option<String>,
    /// What it was most often about, with the share: a file, a socket, a futex.
    pub subject: Option<(String, f64)>,
}

/// The profile in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Process; of a group the one that stands for it. Null where it is a CPU's interrupts.
    pub pid: Option<i32>,
    /// Its name.
    pub comm: String,
    /// Processes that were sampled as one group.
    pub processes_count: u32,
    /// What was profiled.
    pub mode: ProfileMode,
    /// For how long.
    pub seconds: f64,
    /// Whether it was sampled alone and after the window, because sampling all CPUs was not permitted.
    pub attached: bool,
    /// What made the samples; null where there are none.
    pub event: Option<SampledEvent>,
    /// Samples a second and CPU.
    pub frequency_hertz: u32,
    /// Samples.
    pub samples_count: u64,
    /// Samples that were lost.
    pub lost_count: u64,
    /// Times that the kernel throttled the sampling.
    pub throttled_count: u64,
    /// Share of the samples whose stack could not be followed to the thread's start.
    pub cut_ratio: f64,
    /// Hottest frames first.
    pub frames: Vec<Frame>,
    /// System calls.
    pub syscalls: Vec<Syscall>,
    /// For how long the calls were counted; null where they were not.
    pub syscalls_seconds: Option<f64>,
    /// Where its threads spent their time.
    pub waits: Vec<ProfileWait>,
    /// Hardware counters of all CPUs; null without such hardware.
    pub counters: Option<Counters>,
    /// Folded stacks, `name;root;...;leaf count`.
    pub stacks: Vec<String>,
}

/// Fewer samples than this say nothing of shares.
pub const SAMPLES_MIN: u64 = 20;

impl Profile {
    /// Whether it has too few samples to name a function. A profile of waits has none and needs none.
    pub fn is_thin(&self) -> bool {
        self.event.is_some() && self.samples_count < SAMPLES_MIN
    }
}

/// What a profile looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileMode {
    /// Where the CPU time goes.
    OnCpu,
    /// Which system calls.
    Syscalls,
    /// What it waits for.
    Waits,
}

/// One frame of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// Function; the module where the address has no symbol.
    pub symbol: String,
    /// Program or library.
    pub module: Option<String>,
    /// Kernel or user.
    pub space: Space,
    /// Share of the samples in the function itself.
    pub self_ratio: f64,
    /// Share of the samples in it or below.
    pub total_ratio: f64,
    /// Why it has no name; null where it has one.
    pub unnamed_reason: Option<String>,
}

/// One system call of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Syscall {
    /// Name.
    pub name: String,
    /// Calls; null where they were not counted.
    pub count: Option<u64>,
    /// Calls that failed; null where they were not counted.
    pub errors_count: Option<u64>,
    /// The most frequent error.
    pub error: Option<String>,
    /// CPU time below its entry, by samples.
    pub cpu_seconds: Option<f64>,
    /// Share of the process's samples below its entry.
    pub cpu_ratio: Option<f64>,
    /// Mean time of one call, on the CPU and waiting; null where it cannot be told.
    pub seconds_per_call: Option<f64>,
    /// What it was most often about.
    pub subject: Option<String>,
    /// Share of its calls that were about that.
    pub subject_ratio: Option<f64>,
}

/// One way in which the threads spent their time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileWait {
    /// `running`, `waiting-for-cpu`, `disk`, `lock`, ... as in the account of a target.
    pub wait: String,
    /// Kernel function that they slept in.
    pub function: Option<String>,
    /// System call that they slept in.
    pub syscall: Option<String>,
    /// What it was about: a file, a lock and its holder.
    pub subject: Option<String>,
    /// Kernel stack, the innermost function first; empty where it could not be read.
    pub kernel_stack: Vec<String>,
    /// Share of the threads' time.
    pub ratio: f64,
    /// Time, summed over the threads.
    pub seconds: f64,
}
