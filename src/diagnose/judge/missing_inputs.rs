//! Missing inputs: what a finding loses when an input is missing, as data.
//!
//! A rule judges by the inputs that are there. Which of those it would rest on are missing, how much less sure
//! that makes it, and what would unlock them, stands here once for all rules: the factors multiply, and the
//! finding says so. No rung stands for delay accounting (`task_delayacct`): blocked time comes from sampled
//! states, so nothing rests on it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::confidence::at_least_least;
use crate::diagnose::rule::{Hit, Input, Rule, Scope, Who};
use crate::diagnose::thresholds::MAIN_CAUSE;
use crate::model::finding::NotChecked;
use crate::model::sentence::{own, sentence};
use crate::model::units::human_count;

/// One missing input.
#[derive(Debug)]
pub struct Rung {
    /// As the finding says it: `no PSI`.
    pub words: &'static str,
    /// What is left of the confidence: none where the input is there, or does not matter to this hit.
    pub left: fn(&Facts<'_>, &Hit) -> Option<f64>,
    /// The input.
    pub input: Input,
    /// The line under "not checked"; none where another line tells it already.
    pub told: fn(&Facts<'_>) -> Option<NotChecked>,
}

/// Every rung. The factors are house values: what the other inputs of the rule can still carry.
pub const RUNGS: &[Rung] = &[
    Rung {
        words: "no CPU time in /proc/stat",
        left: |facts, _| facts.cpu().is_none().then_some(0.7),
        input: Input::CpuTime,
        told: elsewhere,
    },
    Rung {
        words: "no PSI",
        left: |facts, _| facts.rates.cpu_pressure.is_err().then_some(0.75),
        input: Input::CpuPressure,
        told: elsewhere,
    },
    Rung {
        words: "no PSI",
        left: |facts, _| facts.rates.memory_pressure.is_err().then_some(0.75),
        input: Input::MemoryPressure,
        told: elsewhere,
    },
    Rung {
        words: "no PSI",
        left: |facts, _| facts.rates.io_pressure.is_err().then_some(0.75),
        input: Input::IoPressure,
        told: elsewhere,
    },
    Rung {
        words: "no PSI",
        left: |facts, _| {
            let rates = facts.rates;
            let stalls = [&rates.cpu_pressure, &rates.memory_pressure, &rates.io_pressure];
            stalls.iter().any(|reading| reading.is_err()).then_some(0.75)
        },
        input: Input::AnyPressure,
        told: elsewhere,
    },
    Rung {
        words: "no schedstat: waiting for a CPU is not counted by thread",
        left: |facts, _| facts.no_schedstat().then_some(0.7),
        input: Input::Schedstat,
        told: |facts| {
            facts.no_schedstat().then(|| {
                line(
                    "how long each thread waits for a CPU",
                    "/proc/PID/task/TID/schedstat: not there",
                    "a kernel with CONFIG_SCHED_INFO",
                )
            })
        },
    },
    Rung {
        words: "neither PSI nor schedstat",
        left: |facts, _| facts.cpu_wait_known().is_none().then_some(0.85),
        input: Input::CpuWait,
        told: elsewhere,
    },
    Rung {
        words: "without rights: whose I/O it is cannot be seen",
        left: |facts, hit| (facts.rates.io_denied_count > 0 && !is_named(facts, hit)).then_some(0.7),
        input: Input::WhoseIo,
        told: elsewhere,
    },
    Rung {
        // Together with the counter that then does not agree, half of it.
        words: "without rights: what threads wait in cannot be seen",
        left: |facts, _| facts.rates.wait_channels_hidden.then_some(0.6),
        input: Input::WaitChannels,
        told: elsewhere,
    },
    Rung {
        words: "no I/O by process",
        left: |facts, _| facts.no_io_accounting().then_some(0.6),
        input: Input::IoAccounting,
        told: |facts| {
            facts.no_io_accounting().then(|| {
                line(
                    "disk I/O by process",
                    "/proc/PID/io: not there",
                    "a kernel with CONFIG_TASK_IO_ACCOUNTING",
                )
            })
        },
    },
    Rung {
        words: "processes are hidden",
        left: |facts, _| facts.hidden().map(|hidden| (1.0 - hidden.busy_share.unwrap_or(0.3)).max(0.5)),
        input: Input::AllProcesses,
        told: |facts| {
            let outside = facts.rates.host.container.is_none();
            facts.hidden().filter(|_| outside).map(|hidden| hidden.told(facts.rates.host.copied))
        },
    },
    Rung {
        words: "inside a container only its own processes are seen",
        left: |facts, _| facts.rates.host.container.is_some().then_some(0.7),
        input: Input::Node,
        told: elsewhere,
    },
    Rung {
        words: "control groups of version 1",
        left: |facts, _| facts.first_version_groups().then_some(0.8),
        input: Input::UnifiedGroups,
        told: |facts| {
            facts.first_version_groups().then(|| {
                line(
                    "buffered writes by control group",
                    "version 1 of control groups does not count them",
                    "boot with systemd.unified_cgroup_hierarchy=1",
                )
            })
        },
    },
    Rung {
        words: "the kernel does not count refaults",
        left: |facts, _| facts.no_refaults().then_some(0.87),
        input: Input::Refaults,
        told: |facts| {
            facts.no_refaults().then(|| {
                line(
                    "whether the page cache is too small",
                    "/proc/vmstat has no workingset_refault",
                    "Linux 3.15 or newer",
                )
            })
        },
    },
    Rung {
        // Where no control group names the victim either, the counter stands alone as well.
        words: "the kernel log cannot be read",
        left: |facts, _| facts.rates.limits.kernel_log.is_err().then_some(0.87),
        input: Input::KernelLog,
        told: |facts| {
            let lacks = |paging: &crate::model::rates::PagingRates| paging.oom_kills_count.is_none();
            facts.paging().is_some_and(lacks).then(|| {
                line("the kernel's count of OOM kills", "/proc/vmstat has no oom_kill", "Linux 4.13 or newer")
            })
        },
    },
    Rung {
        words: "hard interrupts are not timed",
        left: |facts, _| facts.irq_hidden().then_some(0.6),
        input: Input::InterruptTime,
        told: |facts| {
            facts.irq_hidden().then(|| {
                line(
                    "time in hard interrupts",
                    "/proc/stat irq stays 0 while interrupts fire: it hides in user and system",
                    "a kernel with CONFIG_IRQ_TIME_ACCOUNTING",
                )
            })
        },
    },
];

/// The inputs that a hit of `rule` lacks, each with what is left of the confidence.
pub fn missing(facts: &Facts<'_>, rule: &Rule, hit: &Hit) -> Vec<(&'static str, f64)> {
    RUNGS
        .iter()
        .filter(|rung| {
            rule.inputs.contains(&rung.input) || (rung.input == Input::Node && rule.scope == Scope::Node)
        })
        // Inside a container the processes outside of it are another rung.
        .filter(|rung| {
            rung.input != Input::AllProcesses
                || rule.scope != Scope::Node
                || facts.rates.host.container.is_none()
        })
        .filter_map(|rung| Some((rung.words, (rung.left)(facts, hit).filter(|left| *left < 0.995)?)))
        .collect()
}

/// Lowers the confidence of a hit by every rung that applies to its rule, and says so.
pub fn weigh(facts: &Facts<'_>, rule: &Rule, hit: &mut Hit) {
    let missing = missing(facts, rule, hit);
    if missing.is_empty() {
        return;
    }
    let before = hit.confidence_ratio;
    let product: f64 = missing.iter().map(|(_, left)| left).product();
    hit.confidence_ratio = at_least_least(before * product);
    let factors: String = missing.iter().map(|(words, left)| format!(" × {left:.2} ({words})")).collect();
    hit.against
        .push(sentence![own(format!("confidence {:.2} = {before:.2}{factors}", hit.confidence_ratio))]);
}

/// What is missing, for the list of what was not checked.
pub fn told(facts: &Facts<'_>) -> impl Iterator<Item = NotChecked> {
    RUNGS.iter().filter_map(|rung| (rung.told)(facts))
}

fn elsewhere(_: &Facts<'_>) -> Option<NotChecked> {
    None
}

fn line(what: &str, reason: &str, unlock: &str) -> NotChecked {
    NotChecked { what: what.to_owned(), reason: reason.to_owned(), unlock: Some(unlock.to_owned()) }
}

/// Whether the one who does most of it was seen: then it does not matter who could not be.
fn is_named(facts: &Facts<'_>, hit: &Hit) -> bool {
    matches!(&hit.who, Who::Group(ranked) if ranked.share >= facts.setting(&MAIN_CAUSE))
}

/// Processes that this run cannot see.
#[derive(Debug, Clone, Copy)]
pub struct Hidden {
    visible_threads: u64,
    threads: u64,
    /// CPUs' worth of time that no visible process accounts for.
    cpus: Option<f64>,
    /// The same as a share of the busy time.
    busy_share: Option<f64>,
}

impl Hidden {
    fn told(self, copied: bool) -> NotChecked {
        let time = self
            .cpus
            .map(|cpus| {
                format!("; no visible process accounts for {} CPUs' worth of the time", human_count(cpus))
            })
            .unwrap_or_default();
        NotChecked {
            what: "processes of other users".to_owned(),
            reason: format!("{} of {} threads can be seen{time}", self.visible_threads, self.threads),
            unlock: (!copied).then(|| "run as root, or mount -o remount,hidepid=0 /proc".to_owned()),
        }
    }
}

impl Facts<'_> {
    /// Whether processes are hidden (`hidepid`, proc(5)): there is no process 1, and fewer threads can be seen
    /// than the kernel counts.
    pub fn hidden(&self) -> Option<Hidden> {
        let processes = &self.rates.processes;
        let threads = self.rates.load.as_ref().ok()?.threads_count;
        let visible_threads = processes.iter().map(|process| u64::from(process.threads_count)).sum();
        let few = visible_threads < threads - threads / 10;
        // A copied tree without any process was made so, and is told of as such.
        let without = processes.is_empty() && self.rates.host.copied;
        if without || processes.iter().any(|process| process.pid == 1) || !few {
            return None;
        }
        let busy = self.cpu().map(|_| self.busy_cpus()).filter(|busy| *busy > 0.0);
        let cpus = busy.and(self.rates.vanished_cpus);
        let busy_share = cpus.zip(busy).map(|(cpus, busy)| (cpus / busy).clamp(0.0, 1.0));
        Some(Hidden { visible_threads, threads, cpus, busy_share })
    }

    /// Whether threads were followed for long enough and none has a scheduler account.
    fn no_schedstat(&self) -> bool {
        let followed =
            |thread: &&crate::model::rates::ThreadRates| thread.alive && thread.followed_ratio >= 0.5;
        let mut threads = self.rates.threads.iter().filter(followed).peekable();
        threads.peek().is_some() && threads.all(|thread| thread.ran.is_none())
    }

    /// Whether no process has an I/O account, although the rights suffice.
    fn no_io_accounting(&self) -> bool {
        let mut users = self.rates.processes.iter().filter(|process| !process.kernel_thread).peekable();
        self.rates.io_denied_count == 0
            && users.peek().is_some()
            && users.all(|process| process.read_bytes_per_second.is_none())
    }

    fn first_version_groups(&self) -> bool {
        self.cgroups().iter().any(|group| matches!(group.hierarchy.as_str(), "memory" | "blkio"))
    }

    fn no_refaults(&self) -> bool {
        self.paging().is_some_and(|paging| paging.refault_file_per_second.is_none())
    }

    fn irq_hidden(&self) -> bool {
        self.cpu().is_some_and(|cpu| !cpu.irq_counted) && !self.rates.interrupts_per_second.is_empty()
    }
}
