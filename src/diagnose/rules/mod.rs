//! One file for each bottleneck, and the table that all of the program knows them from.
//!
//! A rule is data and one function. Its function sees the [`Facts`] and answers clear, hit or unknown; it
//! knows no other rule. What a finding explains is in [`crate::diagnose::causes`].

use crate::diagnose::facts::Facts;
use crate::diagnose::step4_rank::Ranked;
use crate::diagnose::thresholds::Limit;
use crate::model::finding::{Evidence, NotChecked, Remedy, Severity, Suspect};
use crate::model::task::Pid;

pub mod clocksource;
pub mod conntrack_full;
pub mod cpu_interrupts;
pub mod cpu_pinned;
pub mod cpu_single_thread;
pub mod cpu_steal;
pub mod cpu_system;
pub mod cpu_thermal;
pub mod cpu_throttled;
pub mod cpu_user;
pub mod disk_full;
pub mod disk_latency;
pub mod disk_saturated;
pub mod external_wait;
pub mod fd_exhaustion;
pub mod hw_error;
pub mod inodes_full;
pub mod io_blocked;
pub mod io_throttled;
pub mod kthread_hog;
pub mod listen_overflow;
pub mod lock_contention;
pub mod memory_cgroup_limit;
pub mod memory_oom;
pub mod memory_reclaim;
pub mod memory_swap;
pub mod net_drops;
pub mod net_retransmits;
pub mod net_saturated;
pub mod none;
pub mod numa_remote;
pub mod pid_exhaustion;
pub mod port_exhaustion;
pub mod rt_hog;
pub mod short_lived_processes;
pub mod thp_compaction;
pub mod writeback_stall;
pub mod zombies;

/// Every rule, in the order in which ties are decided: the cause that makes the others comes first.
pub const RULES: &[&Rule] = &[
    &hw_error::RULE,
    &memory_oom::RULE,
    &memory_cgroup_limit::RULE,
    &memory_swap::RULE,
    &cpu_steal::RULE,
    &cpu_thermal::RULE,
    &cpu_throttled::RULE,
    &io_throttled::RULE,
    &io_blocked::RULE,
    &memory_reclaim::RULE,
    &disk_full::RULE,
    &inodes_full::RULE,
    &fd_exhaustion::RULE,
    &pid_exhaustion::RULE,
    &conntrack_full::RULE,
    &port_exhaustion::RULE,
    &cpu_interrupts::RULE,
    &disk_saturated::RULE,
    &writeback_stall::RULE,
    &disk_latency::RULE,
    &rt_hog::RULE,
    &cpu_pinned::RULE,
    &kthread_hog::RULE,
    &short_lived_processes::RULE,
    &lock_contention::RULE,
    &clocksource::RULE,
    &thp_compaction::RULE,
    &numa_remote::RULE,
    &cpu_system::RULE,
    &cpu_user::RULE,
    &cpu_single_thread::RULE,
    &listen_overflow::RULE,
    &net_drops::RULE,
    &net_saturated::RULE,
    &net_retransmits::RULE,
    &zombies::RULE,
    &external_wait::RULE,
    &none::RULE,
];

/// The rule with this id.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

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
