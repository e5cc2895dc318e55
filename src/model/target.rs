//! The one process or unit that a run was asked about: what was read of it, its account, and its part of the report.

use crate::model::sentence::Sentence;
use crate::model::task::{CgroupPaths, Comm, Pid, ThreadObservation};
use crate::model::wait::Wait;
use crate::model::wait_details::CloseLook;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Threads that are followed at most; the time of all beyond is unknown.
pub const FOLLOWED_MAX: usize = 20_000;

/// Stands for the kernel function of a thread that a signal or a debugger has stopped.
pub const STOPPED: &str = "(stopped)";

/// What the user asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// One process.
    Pid(Pid),
    /// A systemd unit, a container, a pod or the path of a control group, as it was typed.
    Unit(String),
}

/// One thread that was followed as long as it lived within the window.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedThread {
    /// What was seen of it; the weight of a state is the number of looks that saw it.
    pub seen: ThreadObservation,
    /// Whether it was there when the window began; the clocks of all others began at zero within it.
    pub from_start: bool,
    /// Since when it was seen runnable, look after look, without getting a CPU: the kernel books such a wait at
    /// its end only.
    pub stalled_since: Option<Duration>,
    /// What the closer looks at it found, where it was asked for.
    pub close_looks: Vec<CloseLook>,
}

/// What was read of the process or unit.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetReadings {
    /// What was asked.
    pub asked: Asked,
    /// Whether its threads were followed; they were not in a capture that was recorded for something else.
    pub followed: bool,
    /// Its threads.
    pub threads: Vec<FollowedThread>,
    /// Control groups of its processes.
    pub cgroups: BTreeMap<Pid, CgroupPaths>,
}

impl TargetReadings {
    /// For a thread that was not followed.
    pub fn not_followed(asked: Asked) -> Self {
        Self { asked, followed: false, threads: Vec::new(), cgroups: BTreeMap::new() }
    }

    /// The one process that is asked about, where it was followed with the others of its unit.
    pub fn only(mut self, asked: &Asked) -> Option<Self> {
        let Asked::Pid(pid) = asked else { return None };
        self.threads.retain(|thread| thread.seen.pid == *pid);
        self.cgroups.retain(|of, _| of == pid);
        self.asked = asked.clone();
        (!self.threads.is_empty()).then_some(self)
    }
}

/// Where the time of one thread went; the parts add up to `seconds`.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadAccount {
    /// Process.
    pub pid: Pid,
    /// Thread; none where only the process is known.
    pub tid: Option<Pid>,
    /// Name.
    pub comm: Comm,
    /// Time that it existed within the window.
    pub seconds: f64,
    /// Seconds by what it did, and the kernel function it slept in.
    pub parts: BTreeMap<(Wait, Option<String>), f64>,
}

/// Where the time of the process or unit went.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetRates {
    /// What was asked.
    pub asked: Asked,
    /// Whether its threads were followed.
    pub followed: bool,
    /// Unit, container or pod of its processes, where they share one.
    pub unit: Option<String>,
    /// Name of its processes, the most frequent one.
    pub comm: Option<Comm>,
    /// Processes seen.
    pub processes_count: usize,
    /// Threads seen.
    pub threads_count: usize,
    /// Whether none of them was left at the end of the window.
    pub ended: bool,
    /// Whether the kernel did not say in what function its threads sleep.
    pub wait_channels_hidden: bool,
    /// Whether the kernel keeps no account of the time spent waiting for a CPU.
    pub run_delay_hidden: bool,
    /// Its threads.
    pub threads: Vec<ThreadAccount>,
}

/// What kind of thing was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// One process.
    Process,
    /// A systemd unit, container, pod or control group.
    Unit,
}

/// Where the threads of the process or unit that was asked for spent the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Process id; null for a unit.
    pub pid: Option<i32>,
    /// Systemd unit, container or pod; of a process the one it belongs to, where that could be read.
    pub unit: Option<String>,
    /// Name of its processes, the most frequent one.
    pub comm: Option<String>,
    /// Processes that were seen within the window.
    pub processes_count: u32,
    /// Threads that were seen within the window.
    pub threads_count: u32,
    /// Time that these threads existed within the window, summed.
    pub thread_seconds: f64,
    /// Where that time went, largest first; the ratios add up to 1.
    pub waits: Vec<TargetWait>,
    /// Its threads, or its processes where it has many threads; those that slept least first.
    pub members: Vec<TargetMember>,
    /// One sentence with numbers.
    pub summary: Sentence,
}

/// One class of what threads spend time with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetWait {
    /// What it is.
    pub wait: Wait,
    /// Share of the threads' time.
    pub ratio: f64,
    /// The same in seconds.
    pub seconds: f64,
    /// Kernel function in which most of it was spent; null where there is none.
    pub function: Option<String>,
    /// The first few such functions.
    pub functions: Vec<TargetFunction>,
}

/// A kernel function in which threads slept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetFunction {
    /// Name.
    pub function: String,
    /// Share of the threads' time, of all classes.
    pub ratio: f64,
}

/// One thread or process of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetMember {
    /// Process.
    pub pid: i32,
    /// Thread; null where this is a whole process.
    pub tid: Option<i32>,
    /// Name.
    pub comm: String,
    /// Threads in it.
    pub threads_count: u32,
    /// Time that it existed within the window, summed over its threads.
    pub thread_seconds: f64,
    /// Where it went, largest first; the ratios add up to 1.
    pub waits: Vec<TargetShare>,
}

/// One class of what a member spends time with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetShare {
    /// What it is.
    pub wait: Wait,
    /// Share of the member's time.
    pub ratio: f64,
}
