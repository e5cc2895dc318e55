//! What a run that goes on for days says and keeps: its lines, the alarm, the state file.

use crate::model::finding::Severity;
use crate::model::metrics::Metrics;
use crate::model::report::{Report, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the lines and of the state file.
pub const WATCH_VERSION: u32 = 1;

/// One line of `diag watch`.
///
/// `seq` counts everything that happened since the run began, from 1. A number that is missing is a line that was not
/// delivered: its reader was too slow, or did not ask for it (`--on-change`).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// A window was diagnosed.
    Verdict(Box<VerdictLine>),
    /// The alarm changed.
    Transition(Box<TransitionLine>),
    /// A span that nothing is said about.
    Gap(GapLine),
    /// The wall clock was set; durations are not affected.
    ClockJump(ClockLine),
    /// The box got slow, and the moment was recorded.
    Trigger(TriggerLine),
    /// The run ends.
    End(EndLine),
}

/// One window.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerdictLine {
    /// Number of the line.
    pub seq: u64,
    /// Host name.
    pub host: Option<String>,
    /// Start of the window, RFC 3339, UTC.
    pub started_at: String,
    /// Its end.
    pub ended_at: String,
    /// Its length by the monotonic clock.
    pub seconds: f64,
    /// Whether a signal cut it short; such a window does not count for the alarm.
    pub interrupted: bool,
    /// The answer, as in the report.
    pub verdict: Verdict,
    /// Everything that was found, the verdict's finding first.
    pub findings: Vec<FindingName>,
    /// The alarm after this window.
    pub alarm: Alarm,
    /// The main numbers of the window, as in the report.
    pub metrics: Metrics,
    /// CPU time of the run so far, user and system.
    pub cpu_seconds: f64,
    /// Largest resident size of the run so far.
    pub max_rss_bytes: Option<u64>,
}

/// A finding by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingName {
    /// Stable id.
    pub id: String,
    /// How bad.
    pub severity: Severity,
}

/// The alarm: the verdict after hysteresis, which is what pages people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// `ok`, `warning` or `critical`: a notice raises no alarm.
    pub level: Severity,
    /// Id of the bottleneck it was raised for; null at `ok`.
    pub bottleneck: Option<String>,
    /// When it was raised, RFC 3339, UTC; null at `ok`.
    pub since: Option<String>,
}

impl Alarm {
    /// No alarm.
    pub const fn none() -> Self {
        Self { level: Severity::Ok, bottleneck: None, since: None }
    }
}

/// What happened to the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// From `ok`.
    Raised,
    /// To a higher level.
    Escalated,
    /// To a lower level that is not `ok`.
    Eased,
    /// The level stands, the bottleneck is another.
    Changed,
    /// To `ok`.
    Cleared,
}

impl ChangeKind {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Eased => "eased",
            Self::Changed => "changed",
            Self::Cleared => "cleared",
        }
    }
}

/// A change of the alarm; what a command and a webhook receive.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TransitionLine {
    /// Number of the line.
    pub seq: u64,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Host name.
    pub host: Option<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// Level before.
    pub from: Severity,
    /// Level now.
    pub to: Severity,
    /// What the alarm is about now; null once it is cleared.
    pub bottleneck: Option<String>,
    /// What it was about; null when it is raised.
    pub previous_bottleneck: Option<String>,
    /// A sentence on what the alarm is about; once it is cleared, on how the box is.
    pub summary: String,
    /// The verdict of the window that changed it, which may be about another bottleneck.
    pub verdict: Verdict,
}

/// Why nothing is said about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The machine slept.
    Suspend,
    /// The kernel's files could not be read.
    Unreadable,
    /// diag itself failed on this window.
    InternalError,
}

/// A span that nothing is said about. It counts neither for the alarm nor against it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GapLine {
    /// Number of the line.
    pub seq: u64,
    /// Its end, RFC 3339, UTC.
    pub at: String,
    /// Host name.
    pub host: Option<String>,
    /// Why.
    pub reason: GapReason,
    /// Its length, sleep included.
    pub seconds: f64,
    /// More words, where there are any.
    pub detail: Option<String>,
}

/// A wall clock that was set.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClockLine {
    /// Number of the line.
    pub seq: u64,
    /// The time now, RFC 3339, UTC.
    pub at: String,
    /// Host name.
    pub host: Option<String>,
    /// How far it was set: forwards when positive.
    pub seconds: f64,
}

/// What the kernel counts stalls of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// CPU time.
    Cpu,
    /// Disks and swap.
    Io,
    /// Memory.
    Memory,
}

impl Resource {
    /// The name of its file below `/proc/pressure`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Memory => "memory",
        }
    }
}

/// The box got slow.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TriggerLine {
    /// Number of the line.
    pub seq: u64,
    /// When the window after it ended, RFC 3339, UTC.
    pub at: String,
    /// Host name.
    pub host: Option<String>,
    /// What threads stalled for.
    pub resource: Resource,
    /// The capture that was kept; null where none was wanted or it could not be written.
    pub capture: Option<String>,
}

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// SIGTERM or SIGINT.
    Signal,
    /// As many windows as were asked for.
    Count,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndLine {
    /// Number of the line.
    pub seq: u64,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Host name.
    pub host: Option<String>,
    /// Why.
    pub reason: EndReason,
}

/// The state file: the last verdict, and how to tell whether it still holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Always 1.
    pub state_version: u32,
    /// Number of the line of this verdict.
    pub seq: u64,
    /// How often a verdict is due.
    pub interval_seconds: f64,
    /// Boot that the two times below count from; CLOCK_BOOTTIME, which cannot be set.
    pub boot_id: Option<String>,
    /// When the window of the report ended.
    pub ended_boottime_seconds: f64,
    /// Until when the verdict is known to hold: later than its window only where a run waits for a trigger.
    pub holds_boottime_seconds: f64,
    /// The alarm.
    pub alarm: Alarm,
    /// The report, without command lines: the file may be read by other users.
    pub report: Report,
}
