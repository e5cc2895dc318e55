//! What a rule finds, what a step answers: the vocabulary of a diagnosis. These types are the JSON.

use crate::model::bottleneck::{BottleneckId, Resource};
use crate::model::sentence::Sentence;
use crate::model::units::{Unit, quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing wrong. Only a verdict has it.
    Ok,
    /// Worth knowing, not worth a page. Only a finding has it.
    Info,
    /// The box is short of nothing; one program is at the limit of what it can do by itself.
    Notice,
    /// Threads wait, or soon will.
    Warning,
    /// The box is slow because of this.
    Critical,
}

impl Severity {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One number with its limits and where both come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What was measured: `cpu_busy_ratio`.
    pub metric: String,
    /// The value; null when it could not be measured.
    pub value: Option<f64>,
    /// Unit of the value: `ratio`, `per_second`, `seconds`, `bytes`, `count`.
    #[schemars(with = "String")]
    pub unit: Unit,
    /// Limit for a warning.
    pub warning: Option<f64>,
    /// Limit for critical.
    pub critical: Option<f64>,
    /// Kernel file and field.
    pub source: String,
    /// Who says where the limit is.
    pub threshold_source: Option<String>,
    /// Whether a configuration file set one of the limits.
    pub threshold_changed: bool,
}

impl Evidence {
    /// Whether less of it is worse: of what runs out, the critical limit is the lower one.
    pub fn falls(&self) -> bool {
        self.warning.zip(self.critical).is_some_and(|(warning, critical)| critical < warning)
    }

    /// The limit that the value is at or beyond.
    pub fn beyond(&self) -> Option<Severity> {
        let value = self.value?;
        let past = |limit: f64| if self.falls() { value <= limit } else { value >= limit };
        match (self.warning, self.critical) {
            (_, Some(critical)) if past(critical) => Some(Severity::Critical),
            (Some(warning), _) if past(warning) => Some(Severity::Warning),
            _ => None,
        }
    }

    /// What the number is when all is well: `below 10 %`.
    pub fn goal(&self) -> Option<String> {
        let limit = quantity(self.warning?, self.unit);
        Some(format!("{} {limit}", if self.falls() { "above" } else { "below" }))
    }
}

/// Which part a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes the scarce resource.
    Offender,
    /// Waits for it.
    Victim,
}

/// A process or group that a finding speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suspect {
    /// Process id; of the largest member where it is a group.
    pub pid: Option<i32>,
    /// Name.
    pub comm: String,
    /// Offender or victim.
    pub role: Role,
    /// Its share of the scarce resource, or of the waiting.
    pub share_ratio: Option<f64>,
    /// How many processes it stands for.
    pub members_count: u32,
}

/// The four remedies of the triage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The program is at fault.
    FixProgram,
    /// A setting is.
    Tune,
    /// The machine is too small.
    AddResource,
    /// One machine is not enough.
    Distribute,
}

impl Remedy {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::FixProgram => "fix the program",
            Self::Tune => "tune",
            Self::AddResource => "add the resource",
            Self::Distribute => "distribute",
        }
    }
}

/// What the command of an advice does to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Reads only.
    Look,
    /// Reads only, but slows down what it watches.
    Trace,
    /// Limits the culprit for now, so that the rest of the machine can work.
    Contain,
    /// Ends a program and starts it again.
    Restart,
    /// Changes a setting or a limit.
    Change,
    /// Advice in words: there is no command.
    #[default]
    Plan,
}

impl ActionKind {
    /// Whether the command changes something, so that it has an undo command.
    pub fn changes(self) -> bool {
        matches!(self, Self::Contain | Self::Change)
    }

    /// Whether the command has a risk of its own that belongs beside it in a short report.
    pub fn is_risky(self) -> bool {
        self.changes() || matches!(self, Self::Trace | Self::Restart)
    }
}

/// One thing to do. Printed, never run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to do and why it helps.
    pub action: String,
    /// What the command does to the machine.
    #[serde(default)]
    pub kind: ActionKind,
    /// Command to type, where there is one.
    pub command: Option<String>,
    /// What it may break.
    pub risk: Option<String>,
    /// Command that takes it back, where there is one.
    pub undo: Option<String>,
    /// How to take it back in words, where there is no command for it.
    #[serde(default)]
    pub undo_note: Option<String>,
    /// What to expect of it.
    #[serde(default)]
    pub expectation: String,
    /// How to tell that it worked: what is then true, under the same load.
    #[serde(default)]
    pub check: String,
    /// Which of the four remedies it is.
    pub remedy: Remedy,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable kebab-case id.
    pub id: BottleneckId,
    /// The resource that is short.
    pub resource: Resource,
    /// Severity; `ok` never occurs here.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence_ratio: f64,
    /// What findings are ordered by, 0 to 1: the share of the window in which threads made no progress because of it,
    /// where that was measured; else a fixed number for how much such a finding matters.
    pub impact_ratio: f64,
    /// One sentence with numbers.
    pub summary: Sentence,
    /// Id of the finding that explains this one.
    pub explained_by: Option<BottleneckId>,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, in sentences.
    pub against: Vec<Sentence>,
    /// Who takes, who waits.
    pub suspects: Vec<Suspect>,
    /// What to do.
    pub advice: Vec<Advice>,
}

/// The steps of the triage, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepId {
    /// Step 1.
    LoadAverage,
    /// Step 2.
    CpuOrIo,
    /// Step 3, the CPU branch.
    UserOrSystem,
    /// Step 3, the I/O branch.
    SwapOrDisk,
    /// Limits, locks and errors.
    LimitsAndErrors,
    /// The culprit.
    Who,
    /// The culprit's code, system call or wait.
    Why,
}

/// One step: its question, its numbers, its answer and where it goes next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Which step.
    pub step: StepId,
    /// The question.
    pub question: String,
    /// The answer in a few words: `queueing`, `cpu`, `system`.
    pub answer: Sentence,
    /// The answer and its number, for one line of many steps: `load 2.0 per CPU`.
    pub brief: Sentence,
    /// The answer in one sentence with numbers.
    pub summary: Sentence,
    /// The numbers, with their limits.
    pub evidence: Vec<Evidence>,
    /// The step that follows from the answer; null at the end.
    pub next: Option<StepId>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NotChecked {
    /// What.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// What would unlock it.
    pub unlock: Option<String>,
}
