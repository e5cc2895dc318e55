//! What a run does, with every default filled in: the resolved form of the command line.

use super::choices::Shell;
use crate::model::bottleneck::Sort;
use crate::model::choice::{Color, Document, Format};
use crate::model::finding::Severity;
use crate::model::profile::ProfileMode;
use std::path::PathBuf;
use std::time::Duration;

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Diagnose this machine now.
    Live(Live),
    /// The same, and keep a capture.
    Record(Record),
    /// Diagnose a capture.
    Replay(Replay),
    /// Write the tuning report.
    Report(TuningReport),
    /// Diagnose continuously.
    Watch(Watch),
    /// Print the last verdict of `diag watch`.
    Status(Status),
    /// Explain a bottleneck.
    Explain(Explain),
    /// Print the configuration template.
    Config(Output),
    /// Print a JSON Schema.
    Schema(Document, Output),
    /// Print a completion script.
    Completions(Shell, Output),
}

/// Where an answer goes and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Format.
    pub format: Format,
    /// File to write; standard output when `None`.
    pub file: Option<PathBuf>,
    /// When to use colour.
    pub color: Color,
    /// The whole text report instead of the short one.
    pub verbose: bool,
}

/// One look at this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// The window.
    pub window: Window,
    /// The answer.
    pub answer: Answer,
}

/// The window of a live run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Length.
    pub interval: Duration,
    /// Directory that holds `proc` and `sys`.
    pub root: PathBuf,
    /// The profile to take with it.
    pub profile: Option<ProfileWindow>,
}

/// How to profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileWindow {
    /// Time that may be spent on the culprit alone after the window.
    pub after: Duration,
    /// Samples per second and CPU.
    pub frequency_hertz: u32,
}

/// What a diagnosis is about and how it is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Where it goes and how it looks.
    pub output: Output,
    /// The process or unit that was asked about.
    pub target: Option<Target>,
    /// Processes to list.
    pub top: usize,
    /// Their order; the verdict's own when `None`.
    pub sort: Option<Sort>,
    /// What to profile; what the verdict is about when `None`.
    pub profile_mode: Option<ProfileMode>,
    /// File for the flame graph.
    pub flamegraph: Option<PathBuf>,
    /// File for the folded stacks.
    pub stacks: Option<PathBuf>,
    /// Severity from which on the exit code is not 0.
    pub fail_on: Option<Severity>,
    /// Whether to replace names.
    pub redact: bool,
    /// Whether to read the configuration files.
    pub read_config: bool,
}

/// The process or unit that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A process by its id.
    Pid(i32),
    /// A process by its name, which must be unique.
    Name(String),
    /// A systemd unit, container, pod or cgroup path.
    Unit(String),
}

/// `diag record`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The run.
    pub live: Live,
    /// Capture to write.
    pub file: PathBuf,
    /// Whether to overwrite it.
    pub force: bool,
    /// Whether to leave out command lines.
    pub without_command_lines: bool,
}

/// `diag replay`.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Capture to read.
    pub file: PathBuf,
    /// The answer.
    pub answer: Answer,
}

/// `diag report`.
#[derive(Debug, Clone, PartialEq)]
pub struct TuningReport {
    /// What it is about.
    pub source: ReportSource,
    /// The answer.
    pub answer: Answer,
}

/// Source of a tuning report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportSource {
    /// This machine now.
    Live(Window),
    /// A capture.
    Capture(PathBuf),
    /// Two captures to compare: before and after.
    Compare(PathBuf, PathBuf),
}

/// `diag watch`.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Format and colour of its lines.
    pub output: Output,
    /// Length of each window.
    pub interval: Duration,
    /// Directory that holds `proc` and `sys`.
    pub root: PathBuf,
    /// Processes to keep in the state file.
    pub top: usize,
    /// Their order; the verdict's own when `None`.
    pub sort: Option<Sort>,
    /// Whether to replace names.
    pub redact: bool,
    /// Whether to read the configuration files.
    pub read_config: bool,
    /// Whether to leave out command lines.
    pub without_command_lines: bool,
    /// Print only on a change.
    pub on_change: bool,
    /// Bad windows that raise the alarm, and among how many.
    pub raise: (u32, u32),
    /// Good windows in a row that lower it.
    pub clear: u32,
    /// Command to run on a change.
    pub exec: Option<String>,
    /// URL to post to on a change.
    pub webhook: Option<String>,
    /// Alertmanager to keep informed.
    pub alertmanager: Option<String>,
    /// Name of this machine in its alerts.
    pub instance: Option<String>,
    /// State file; the usual one when `None`.
    pub state: Option<PathBuf>,
    /// Windows to take; no end when `None`.
    pub count: Option<u64>,
    /// Whether to wait for the box to get slow.
    pub trigger: bool,
    /// Directory for captures of such moments.
    pub trigger_dir: Option<PathBuf>,
    /// Captures to keep there.
    pub trigger_keep: usize,
}

/// `diag status`.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where the answer goes and how it looks.
    pub output: Output,
    /// Processes to list.
    pub top: usize,
    /// Severity from which on the exit code is not 0.
    pub fail_on: Option<Severity>,
    /// Whether to replace names.
    pub redact: bool,
    /// State file; the usual ones when `None`.
    pub state: Option<PathBuf>,
    /// Print nothing.
    pub quiet: bool,
    /// Exit with 0 when diag cannot tell.
    pub unknown_ok: bool,
    /// Smallest weight for HAProxy, in percent.
    pub floor: u8,
    /// Whether HAProxy is to drain a critical server.
    pub drain: bool,
}

/// `diag explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explain {
    /// The bottleneck; all of them when `None`.
    pub id: Option<String>,
    /// Where the answer goes and how it looks.
    pub output: Output,
}
