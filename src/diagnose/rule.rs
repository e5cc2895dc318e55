//! What a rule is, and what it answers.

use crate::diagnose::evidence::facts::Facts;
pub use crate::diagnose::evidence::groups::Who;
use crate::diagnose::thresholds::Limit;
use crate::diagnose::thresholds::algorithm::{CONFIDENCE_OF_A_HIT, Rank};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Evidence, NotChecked, Remedy, Severity, StepId, Suspect};
use crate::model::profile::ProfileMode;
use crate::model::reading::Absence;
use crate::model::sentence::Sentence;

/// A bottleneck: what it is, how it is told, what to do.
#[derive(Debug)]
pub struct Rule {
    /// Stable id.
    pub id: BottleneckId,
    /// The resource that is short.
    pub resource: Resource,
    /// The step of the triage that finds it.
    pub lane: Lane,
    /// Order of the process table beside it.
    pub sort: Sort,
    /// How its culprit is profiled; none where it depends on what the culprit's threads do.
    pub profile: Option<ProfileMode>,
    /// What tells since when it lasts.
    pub since: Since,
    /// Whose numbers it goes by.
    pub scope: Scope,
    /// Inputs that it rests on: each that is missing lowers its confidence.
    pub inputs: &'static [Input],
    /// The bottleneck in a few words.
    pub title: &'static str,
    /// What is short and how one notices.
    pub symptom: &'static str,
    /// What looks like it and is not.
    pub false_positives: &'static [&'static str],
    /// Kernel files, manual pages, documents.
    pub sources: &'static [&'static str],
    /// Kernel files and fields that show it.
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

/// The step of the triage that leads to a bottleneck, with the word that the step then answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Step 3 of the CPU branch.
    UserOrSystem(&'static str),
    /// Step 3 of the I/O branch.
    SwapOrDisk(&'static str),
    /// Limits, locks and errors, which no busy resource shows.
    LimitsAndErrors(&'static str),
    /// No bottleneck.
    Nowhere,
}

impl Lane {
    /// The step.
    pub fn step(self) -> Option<StepId> {
        match self {
            Self::UserOrSystem(_) => Some(StepId::UserOrSystem),
            Self::SwapOrDisk(_) => Some(StepId::SwapOrDisk),
            Self::LimitsAndErrors(_) => Some(StepId::LimitsAndErrors),
            Self::Nowhere => None,
        }
    }

    /// What the step answers.
    pub fn answer(self) -> Option<&'static str> {
        match self {
            Self::UserOrSystem(answer) | Self::SwapOrDisk(answer) | Self::LimitsAndErrors(answer) => {
                Some(answer)
            }
            Self::Nowhere => None,
        }
    }
}

/// What tells since when a bottleneck lasts: an average that the kernel keeps over more than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// CPU pressure; without PSI the load average.
    CpuPressure,
    /// Memory pressure; without PSI the load average.
    MemoryPressure,
    /// I/O pressure; without PSI the load average.
    IoPressure,
    /// A load average of one thread.
    OneThread,
    /// No such counter: how long it has lasted is not known.
    Unmeasured,
}

/// Whose numbers a rule goes by, inside a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of the whole machine below the container.
    Node,
    /// Those of the processes and groups that are seen.
    Own,
}

/// An input that a rule can do without, less sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// CPU time in `/proc/stat`.
    CpuTime,
    /// `/proc/pressure/cpu`.
    CpuPressure,
    /// `/proc/pressure/memory`.
    MemoryPressure,
    /// `/proc/pressure/io`.
    IoPressure,
    /// All three.
    AnyPressure,
    /// The scheduler's account of each thread.
    Schedstat,
    /// Either of PSI and schedstat.
    CpuWait,
    /// I/O of other users' processes.
    WhoseIo,
    /// What threads of other users wait in.
    WaitChannels,
    /// I/O of each process.
    IoAccounting,
    /// Processes of all users.
    AllProcesses,
    /// Processes outside of the container.
    Node,
    /// Control groups of version 2.
    UnifiedGroups,
    /// Refaults in `/proc/vmstat`.
    Refaults,
    /// The kernel's log.
    KernelLog,
    /// Time in hard interrupts.
    InterruptTime,
}

/// One advice. It is filled in for the machine at hand; an advice that needs a name that is not known is left out.
///
/// In the order of a rule: contain and look, fix the program, tune, add the resource, distribute.
#[derive(Debug)]
pub struct AdviceTemplate {
    /// What to do and why it helps.
    pub action: &'static str,
    /// What there is to type.
    pub does: ActionTemplate,
    /// What it may break; the default of its kind where it is none.
    pub risk: Option<&'static str>,
    /// Which remedy it is, or leads to.
    pub remedy: Remedy,
}

/// What an advice does, before the names and the values of a machine are known.
///
/// In a command `{pid}`, `{unit}` and `{device}` stand for what the finding names, and `{cpu_group}`, `{memory_group}`
/// and `{io_group}` for the directory of the control group.
#[derive(Debug, Clone, Copy)]
pub enum ActionTemplate {
    /// Nothing: the advice is in words.
    Plan,
    /// A command that only reads.
    Look(&'static str),
    /// A command that only reads, for a machine that systemd manages.
    SystemdLook(&'static str),
    /// A command that only reads and slows down what it watches.
    Trace(&'static str),
    /// An option of diag itself; left out once it has been used.
    Diag(OwnOption),
    /// A lower priority for all processes of the culprit; left out where its unit can get a smaller share.
    Renice,
    /// Disk access for all processes of the culprit only while no other process needs the disk.
    Ionice,
    /// A restart of the culprit, which holds room in deleted files.
    Restart,
    /// The end of a freeze of the file system that the culprit waits for.
    Thaw,
    /// Less unwritten data: what the disk of the finding writes in a few seconds.
    DirtyLimits,
    /// A stop signal to all processes of the culprit.
    Pause,
    /// All CPUs for all processes of the culprit.
    EveryCpu,
    /// The normal scheduling policy for the culprit's real-time threads.
    NormalPolicy,
    /// More open files for the culprit.
    OpenFiles,
    /// As many queues for the network interface as there are CPUs.
    Queues,
    /// Kernel settings and their values.
    Sysctl(&'static [(&'static str, &'static str)]),
    /// A value for a kernel file.
    Write {
        /// Absolute path.
        path: &'static str,
        /// What to write.
        value: &'static str,
    },
    /// A smaller share of the CPUs for the culprit's service.
    CpuWeight,
    /// A memory limit for the culprit's unit, below what it holds now.
    MemoryCap,
    /// A higher limit for the culprit's control group.
    Raise(GroupLimit),
    /// As many huge pages in each pool as are used or promised; left out where that frees next to nothing.
    HugePages,
    /// A smaller ZFS cache; left out where there is none.
    ZfsCache,
}

impl ActionTemplate {
    /// Whether it limits the culprit, so that the rest of the machine can work.
    pub fn contains(self) -> bool {
        matches!(
            self,
            Self::Renice
                | Self::Ionice
                | Self::Pause
                | Self::Thaw
                | Self::NormalPolicy
                | Self::CpuWeight
                | Self::MemoryCap
        )
    }
}

/// Options of diag that look closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnOption {
    /// `--profile`: the function, system call or wait.
    Profile,
    /// `--profile --profile-mode syscalls`.
    Syscalls,
    /// `--profile --profile-mode waits`.
    Waits,
    /// `-p` or `-u`: where the threads of the process or unit spend their time.
    Account,
}

/// A limit of a control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupLimit {
    /// Memory.
    Memory,
    /// CPU quota.
    Cpu,
    /// Number of tasks.
    Tasks,
    /// I/O bandwidth or operations.
    Io,
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
    /// Its main input is absent. What that leaves unchecked is told once for all rules that lack the same input.
    Absent(Absence),
    /// It cannot tell, for a reason of its own.
    Unknown(NotChecked),
}

impl Outcome {
    /// A hit.
    pub fn hit(hit: Hit) -> Self {
        Self::Hit(Box::new(hit))
    }

    /// It cannot tell.
    pub fn unknown(what: &str, reason: &str, unlock: Option<&str>) -> Self {
        Self::Unknown(NotChecked {
            what: what.to_owned(),
            reason: reason.to_owned(),
            unlock: unlock.map(str::to_owned),
        })
    }
}

/// The value of a reading that a rule rests on; where it is absent, that is the rule's answer.
macro_rules! reading {
    ($reading:expr) => {
        match $reading.as_ref() {
            Ok(value) => value,
            Err(absence) => return $crate::diagnose::rule::Outcome::Absent(absence.clone()),
        }
    };
}
pub(crate) use reading;

/// What a finding costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Impact {
    /// A share of the window in which threads made no progress, from measured numbers, 0 to 1.
    TimeLost(f64),
    /// Not measured as time: its rank among the findings.
    Rank(Rank),
}

impl Impact {
    /// The measured share of time, or the rank where it was not measured.
    pub fn measured_or(share: Option<f64>, rank: Rank) -> Self {
        share.map_or(Self::Rank(rank), Self::TimeLost)
    }

    /// The measured share of time, or the rank where that is more.
    pub fn at_least(share: Option<f64>, rank: Rank) -> Self {
        Self::measured_or(share.filter(|share| *share >= rank.ratio()), rank)
    }

    /// On the scale that findings are ordered by, 0 to 1.
    pub fn ratio(self) -> f64 {
        match self {
            Self::TimeLost(share) => share.clamp(0.0, 1.0),
            Self::Rank(rank) => rank.ratio(),
        }
    }
}

/// What a rule found, before the causes are sorted out.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Severity.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence_ratio: f64,
    /// What it costs.
    pub impact: Impact,
    /// One sentence with numbers.
    pub summary: Sentence,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What speaks against it.
    pub against: Vec<Sentence>,
    /// Who causes it.
    pub who: Who,
    /// What the culprit does or waits in, where it is known.
    pub why: Option<Sentence>,
    /// Device in question.
    pub device: Option<String>,
    /// Who takes and who waits.
    pub suspects: Vec<Suspect>,
    /// The kind of remedy that fits.
    pub remedy: Remedy,
    /// Share of the busy CPU time that goes to it, where the rule measures that.
    pub share_of_busy: Option<f64>,
}

impl Hit {
    /// A hit with its culprit; other fields can be set.
    pub fn new(severity: Severity, summary: Sentence, who: Who, remedy: Remedy) -> Self {
        Self {
            severity,
            confidence_ratio: CONFIDENCE_OF_A_HIT,
            impact: Impact::Rank(Rank::Moderate),
            summary,
            evidence: Vec::new(),
            against: Vec::new(),
            who,
            why: None,
            device: None,
            suspects: Vec::new(),
            remedy,
            share_of_busy: None,
        }
    }
}

/// Advice in words.
pub const fn advise(action: &'static str, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, does: ActionTemplate::Plan, risk: None, remedy }
}

/// Advice with a command that only reads.
pub const fn look(action: &'static str, command: &'static str, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, does: ActionTemplate::Look(command), risk: None, remedy }
}

/// The same for a machine that systemd manages.
pub const fn systemd_look(action: &'static str, command: &'static str, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, does: ActionTemplate::SystemdLook(command), risk: None, remedy }
}

/// Advice with a command that only reads, at some cost.
pub const fn trace(
    action: &'static str,
    command: &'static str,
    risk: &'static str,
    remedy: Remedy,
) -> AdviceTemplate {
    AdviceTemplate { action, does: ActionTemplate::Trace(command), risk: Some(risk), remedy }
}

/// Advice to look closer with diag itself.
pub const fn with_diag(action: &'static str, option: OwnOption, remedy: Remedy) -> AdviceTemplate {
    AdviceTemplate { action, does: ActionTemplate::Diag(option), risk: None, remedy }
}

/// Advice that changes something, with its risk.
pub const fn change(
    action: &'static str,
    does: ActionTemplate,
    risk: &'static str,
    remedy: Remedy,
) -> AdviceTemplate {
    AdviceTemplate { action, does, risk: Some(risk), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_time_and_ranks_are_ordered_on_one_scale() {
        assert_eq!(Impact::measured_or(Some(0.7), Rank::Low), Impact::TimeLost(0.7));
        assert_eq!(Impact::measured_or(None, Rank::Low), Impact::Rank(Rank::Low));
        assert_eq!(Impact::at_least(Some(0.1), Rank::Low), Impact::Rank(Rank::Low));
        assert_eq!(Impact::at_least(Some(0.3), Rank::Low), Impact::TimeLost(0.3));
        assert!((Impact::TimeLost(1.7).ratio() - 1.0).abs() < f64::EPSILON);
        let ranks = [Rank::Nothing, Rank::Note, Rank::Minor, Rank::Low, Rank::Serious, Rank::Blocking];
        assert!(ranks.windows(2).all(|pair| pair[0].ratio() < pair[1].ratio()));
    }
}
