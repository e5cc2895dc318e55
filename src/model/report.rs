//! The report: the one value that every format renders, and the JSON document of version 1.
//!
//! Within version 1 fields may be added; none is renamed, removed or changes its meaning.

use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Advice, Finding, NotChecked, Remedy, Severity, Step};
use crate::model::memory_account::MemoryAccount;
use crate::model::metrics::Metrics;
use crate::model::profile::Profile;
use crate::model::sentence::Sentence;
use crate::model::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the JSON document.
pub const SCHEMA_VERSION: u32 = 1;

/// What diag says about one window on one box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "diag report", deny_unknown_fields)]
pub struct Report {
    /// Always 1.
    pub schema_version: u32,
    /// The run itself.
    pub diag: Run,
    /// The box.
    pub host: HostReport,
    /// The window.
    pub window: Window,
    /// The answer.
    pub verdict: Verdict,
    /// The way to it.
    pub steps: Vec<Step>,
    /// Everything that was found, the verdict's finding first.
    pub findings: Vec<Finding>,
    /// What happened before the window, newest first: kills, crashes, an unclean restart.
    pub news: Vec<News>,
    /// What the processes are ranked by.
    pub processes_order: Sort,
    /// Processes, ranked.
    pub processes: Vec<ProcessRow>,
    /// Where the threads of the process or unit that was asked for spent the window; null when none was.
    pub target: Option<Target>,
    /// What the load average is made of.
    pub load: Load,
    /// The main numbers of the window, flat.
    #[serde(default)]
    pub metrics: Metrics,
    /// Where all of the memory is; null where it is not known.
    #[serde(default)]
    pub memory: Option<MemoryAccount>,
    /// A profile of the worst offender, where one was taken.
    pub profile: Option<Profile>,
    /// What could not be looked at.
    pub not_checked: Vec<NotChecked>,
}

/// What the diagnosis says; the report adds the run, the host and the window to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// The answer.
    pub verdict: Verdict,
    /// The way to it.
    pub steps: Vec<Step>,
    /// Everything that was found, the verdict's finding first.
    pub findings: Vec<Finding>,
    /// What happened before the window, newest first.
    pub news: Vec<News>,
    /// What the processes are ranked by.
    pub processes_order: Sort,
    /// Processes, ranked.
    pub processes: Vec<ProcessRow>,
    /// Where the threads of the process or unit that was asked for spent the window; null when none was.
    pub target: Option<Target>,
    /// What the load average is made of.
    pub load: Load,
    /// What could not be looked at.
    pub not_checked: Vec<NotChecked>,
}

/// What this run was and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Version of the program.
    pub version: String,
    /// CPU time of the run, user and system.
    pub cpu_seconds: f64,
    /// Largest resident size of the run.
    pub max_rss_bytes: Option<u64>,
    /// Configuration files that set a limit; empty where all have their defaults.
    pub config_files: Vec<String>,
}

/// The box that was diagnosed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    /// Host name.
    pub hostname: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Machine.
    pub arch: Option<String>,
    /// CPUs online.
    pub cpus_online: u32,
    /// CPUs that may be used here.
    pub cpus_effective: f64,
    /// Memory.
    pub memory_total_bytes: Option<u64>,
    /// Memory limit of the container that the run is in; null without one.
    pub memory_limit_bytes: Option<u64>,
    /// Swap space.
    pub swap_total_bytes: Option<u64>,
    /// Time since boot.
    pub uptime_seconds: Option<f64>,
    /// Random id of this boot.
    pub boot_id: Option<String>,
    /// Hypervisor.
    pub virtualization: Option<String>,
    /// Container runtime.
    pub container: Option<String>,
}

/// Where the numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowSource {
    /// This machine, now.
    Live,
    /// A capture file.
    Capture,
    /// A sysstat archive.
    Sar,
    /// A Prometheus server.
    Prometheus,
}

/// The span that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Source of the numbers.
    pub source: WindowSource,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// End, RFC 3339, UTC.
    pub ended_at: String,
    /// Length by the monotonic clock.
    pub seconds: f64,
    /// Whether Ctrl-C ended it early.
    pub interrupted: bool,
    /// Samples of the thread states that were taken.
    pub samples_count: u32,
    /// How long ago it ended, where the answer is one that was kept (`diag status`); null where it is given at once.
    pub age_seconds: Option<f64>,
}

impl Window {
    /// Whether nothing was looked at at all: the numbers beside it are then none, and not zero.
    pub fn is_missing(&self) -> bool {
        self.seconds <= 0.0
    }
}

/// Since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// Seconds.
    JustNow,
    /// About a minute or a few.
    Minutes,
    /// Five minutes or more.
    Sustained,
    /// It is over.
    Earlier,
}

impl Since {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::JustNow => "just now",
            Self::Minutes => "for about a minute",
            Self::Sustained => "for more than five minutes",
            Self::Earlier => "earlier, it is over",
        }
    }
}

impl Verdict {
    /// The ids from the cause to the last symptom, joined by `arrow`.
    pub fn chain(&self, arrow: &str) -> String {
        self.cause_chain.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(arrow)
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Id of the bottleneck; `none` when healthy, `unknown` when the inputs allow no answer.
    pub bottleneck: BottleneckId,
    /// The resource that is short.
    pub resource: Resource,
    /// `ok`, `notice`, `warning` or `critical`.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence_ratio: f64,
    /// The same in a word: `confident`, `likely`, `suspect`.
    pub confidence: String,
    /// Since when; null where no counter tells.
    pub since: Option<Since>,
    /// One sentence with numbers.
    pub summary: Sentence,
    /// Ids from the cause to the last symptom.
    pub cause_chain: Vec<BottleneckId>,
    /// The culprit; null if there is none or none can be named.
    pub culprit: Option<Culprit>,
    /// The kind of remedy; null when there is nothing to mend.
    pub remedy: Option<Remedy>,
    /// What to do, best first: the advice of the verdict's finding.
    #[serde(default)]
    pub advice: Vec<Advice>,
    /// Inputs that the verdict lacks and that make it less sure; empty when it has all of them.
    pub missing_inputs: Vec<String>,
}

/// Something that happened before the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    /// One sentence.
    pub summary: Sentence,
    /// Seconds from the event to the end of the window; null where unknown.
    pub seconds_ago: Option<f64>,
}

/// What kind of thing a culprit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CulpritKind {
    /// One process.
    Process,
    /// Several processes of one service.
    Group,
    /// A control group.
    Cgroup,
    /// A device.
    Device,
}

/// Who causes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// What kind of thing.
    pub kind: CulpritKind,
    /// Process id; the largest member of a group.
    pub pid: Option<i32>,
    /// Name; of the device where it is one.
    pub comm: String,
    /// Command line, where it could be read.
    pub cmdline: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// Processes in the group.
    pub members_count: u32,
    /// Share of the scarce resource.
    pub share_ratio: Option<f64>,
    /// The hot frame, the system call or the wait.
    pub why: Option<Sentence>,
    /// Ids of all its processes that were alive at the end of the window, the largest first.
    pub pids: Vec<i32>,
    /// Age of its oldest process.
    pub age_seconds: Option<f64>,
    /// CPU time of all its processes by wall time; 1 is one CPU.
    pub cpu_ratio: Option<f64>,
    /// Memory of all its processes, swapped pages included.
    pub memory_bytes: Option<f64>,
    /// Bytes that its processes read from devices.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes that its processes wrote to devices.
    pub write_bytes_per_second: Option<f64>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRow {
    /// Process id.
    pub pid: i32,
    /// Parent.
    pub ppid: i32,
    /// Name.
    pub comm: String,
    /// Command line.
    pub cmdline: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// State letter.
    pub state: String,
    /// Threads.
    pub threads_count: u32,
    /// CPU time by wall time; 1 is one CPU.
    pub cpu_ratio: f64,
    /// User part.
    pub user_ratio: f64,
    /// Kernel part.
    pub system_ratio: f64,
    /// Time that its threads waited for a CPU, by wall time.
    pub run_delay_ratio: Option<f64>,
    /// Resident size.
    pub rss_bytes: u64,
    /// Proportional set size.
    pub pss_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// Bytes read from devices.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes written to devices.
    pub write_bytes_per_second: Option<f64>,
    /// Faults that read from a device.
    pub major_faults_per_second: f64,
    /// Nice value.
    pub nice: i32,
    /// Kernel function it sleeps in.
    pub wait_channel: Option<String>,
}

/// What the load average is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// One minute.
    pub load1: Option<f64>,
    /// Five minutes.
    pub load5: Option<f64>,
    /// Fifteen minutes.
    pub load15: Option<f64>,
    /// Mean number of running or runnable threads within the window.
    pub running_mean: f64,
    /// Mean number of threads in uninterruptible sleep.
    pub uninterruptible_mean: f64,
    /// The parts; they add up to the two means.
    pub groups: Vec<LoadGroup>,
}

/// One part of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadGroup {
    /// `R` or `D`.
    pub state: String,
    /// Name; null for the part that no sample could name.
    pub comm: Option<String>,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// What a thread in D waits for: `disk`, `swap`, `lock`.
    pub wait_reason: Option<String>,
    /// Mean number of threads.
    pub mean: f64,
}
