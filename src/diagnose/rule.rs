//! What a rule is, and what it answers.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::groups::Ranked;
use crate::diagnose::thresholds::Limit;
use crate::model::finding::{Evidence, NotChecked, Remedy, Severity, Suspect};
use crate::model::task::Pid;

/// A bottleneck: what it is, how it is told, what to do.
#[derive(Debug)]
pub struct Rule {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// The bottleneck in a few words.
    pub title: &'static str,
    /// What is short and how one notices.
    pub symptom: &'static str,
    /// What looks like it and is not.
    pub false_positives: &'static [&'static str],
    /// Kernel files, manual pages, documents.
    pub sources: &'static [&'static str],
    /// Kernel files and fields that it is told from.
    pub counters: &'static [&'static str],
    /// Limits that it goes by.
    pub limits: &'static [&'static Limit],
    /// How to see it without this program.
    pub confirm: &'static [Confirm],
    /// What to do.
    pub advice: &'static [AdviceTemplate],
    /// Looks at the facts.
    pub check: fn(&Facts<'_>) -> Outcome,
}

/// One advice; `{pid}`, `{comm}`, `{unit}` and `{device}` are filled in, and a command that needs what is not
/// known is left out.
#[derive(Debug)]
pub struct AdviceTemplate {
    /// What to do and why it helps.
    pub action: &'static str,
    /// Command to type.
    pub command: Option<&'static str>,
    /// What it may break.
    pub risk: Option<&'static str>,
    /// How to take it back.
    pub undo: Option<&'static str>,
    /// Which remedy it is.
    pub remedy: Remedy,
}

/// A look at the box by hand.
#[derive(Debug)]
pub struct Confirm {
    /// Command that only looks.
    pub command: &'static str,
    /// What it shows where this is the bottleneck.
    pub shows: &'static str,
}

/// A look by hand.
pub const fn confirm(command: &'static str, shows: &'static str) -> Confirm {
    Confirm { command, shows }
}

/// What a rule answers.
#[derive(Debug)]
pub enum Outcome {
    /// It is not this.
    Clear,
    /// It is.
    Hit(Box<Hit>),
    /// The inputs are missing.
    Unknown(NotChecked),
}

impl Outcome {
    /// A hit.
    pub fn hit(hit: Hit) -> Self {
        Self::Hit(Box::new(hit))
    }
}

/// Who a hit points at.
#[derive(Debug, Clone, PartialEq)]
pub enum Who {
    /// A process or a group of them.
    Group(Ranked),
    /// A process that may have ended.
    Process {
        /// Its id.
        pid: Pid,
        /// Its name.
        comm: String,
    },
    /// A device.
    Device(String),
    /// Nobody that can be named.
    Nobody,
}

/// What a rule found, before the causes are sorted out.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Severity.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence_ratio: f64,
    /// Share of the time lost to it, 0 to 1.
    pub impact_ratio: f64,
    /// One sentence with numbers.
    pub summary: String,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What speaks against it.
    pub against: Vec<String>,
    /// Who causes it.
    pub who: Who,
    /// What the culprit does or waits in, where it is known.
    pub why: Option<String>,
    /// Device in question.
    pub device: Option<String>,
    /// Who takes and who waits.
    pub suspects: Vec<Suspect>,
    /// The kind of remedy that fits.
    pub remedy: Remedy,
}

impl Hit {
    /// A hit of somebody's doing; what is left out can be added.
    pub fn new(severity: Severity, summary: String, who: Who, remedy: Remedy) -> Self {
        Self {
            severity,
            confidence_ratio: 0.9,
            impact_ratio: 0.3,
            summary,
            evidence: Vec::new(),
            against: Vec::new(),
            who,
            why: None,
            device: None,
            suspects: Vec::new(),
            remedy,
        }
    }
}

/// What takes `systemctl set-property --runtime` back: its files, and no other that the administrator wrote, as
/// `systemctl revert` would.
pub const UNDO_OF_UNIT: &str = "rm -r /run/systemd/system.control/{unit}.d && systemctl daemon-reload";

/// Advice without risk, undo or a command.
pub const fn advise(action: &'static str, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, command: None, risk: None, undo: None, remedy }
}

/// Advice with a command that only looks.
pub const fn look(action: &'static str, command: &'static str, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, command: Some(command), risk: None, undo: None, remedy }
}

/// Advice with a command that only looks, at some cost.
pub const fn trace(
    action: &'static str,
    command: &'static str,
    risk: &'static str,
    remedy: Remedy,
) -> AdviceTemplate {
    AdviceTemplate { action, command: Some(command), risk: Some(risk), undo: None, remedy }
}

/// Advice with a command that changes something, its risk and how to take it back.
pub const fn change(
    action: &'static str,
    command: &'static str,
    risk: &'static str,
    undo: &'static str,
    remedy: Remedy,
) -> AdviceTemplate {
    AdviceTemplate { action, command: Some(command), risk: Some(risk), undo: Some(undo), remedy }
}
