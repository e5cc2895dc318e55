//! What the tuning report says beyond the diagnosis: settings that matter here, and how many workers fit.

use crate::model::bottleneck::BottleneckId;
use crate::model::explanation::Explanation;
use crate::model::finding::Evidence;
use crate::model::sentence::Sentence;
use crate::model::series::Series;
use crate::model::task::{Comm, Pid};
use std::collections::BTreeMap;

/// Settings of the kernel as they were at the end of the window, by their sysctl(8) names: `vm.swappiness`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelSettings(pub BTreeMap<String, String>);

impl KernelSettings {
    /// The text of `name`, where it could be read.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The number that `name` is, where it is one.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// A report that is to be read at leisure has this beside the [`Report`](crate::model::report::Report).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportExtras {
    /// The window in slices.
    pub series: Series,
    /// CPU time by mode of each CPU, over the whole window.
    pub cpus: Vec<(u32, crate::model::rates::CpuRates)>,
    /// The same of all CPUs together.
    pub cpu: Option<crate::model::rates::CpuRates>,
    /// What is known of the findings' ids.
    pub explanations: Vec<Explanation>,
    /// Settings that the evidence makes matter.
    pub settings: Vec<SettingNote>,
    /// Whether the settings could be read: a capture of an older version has none.
    pub settings_known: bool,
    /// Services of many like processes, and how many fit.
    pub workers: Vec<Workers>,
    /// Facts of the box: a name and what it is.
    pub facts: Vec<(String, Sentence)>,
}

/// A setting that differs from a sensible value while the evidence says that this matters.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingNote {
    /// Name as sysctl(8) has it.
    pub name: String,
    /// What it is.
    pub value: String,
    /// What is sensible, in words.
    pub sensible: String,
    /// Why it matters in this window.
    pub why: String,
    /// Id of the finding that makes it matter.
    pub finding: BottleneckId,
    /// That finding's numbers at or beyond a limit.
    pub evidence: Vec<Evidence>,
    /// What to type.
    pub command: String,
    /// What it may break.
    pub risk: String,
    /// How to take it back.
    pub undo: String,
    /// Where it is documented.
    pub source: String,
}

/// Fewer similar processes than this do not count as a pool.
pub const WORKERS_MIN: usize = 3;

/// Processes that look like the workers of a pre-fork service: three or more children of one parent that bears their
/// name. Takes the id, the parent and the name of every process.
pub fn pools(processes: impl Iterator<Item = (Pid, Pid, Comm)> + Clone) -> Vec<(Comm, Vec<Pid>)> {
    let names: BTreeMap<Pid, Comm> = processes.clone().map(|(pid, _, comm)| (pid, comm)).collect();
    let mut pools: BTreeMap<Pid, (Comm, Vec<Pid>)> = BTreeMap::new();
    for (pid, parent, comm) in processes.filter(|(_, parent, _)| *parent > 1) {
        if names.get(&parent) == Some(&comm) {
            pools.entry(parent).or_insert_with(|| (comm, Vec::new())).1.push(pid);
        }
    }
    pools.into_values().filter(|(_, pool)| pool.len() >= WORKERS_MIN).collect()
}

/// The workers of one pre-fork service, and the arithmetic of their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Workers {
    /// Name.
    pub comm: String,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// Workers at the end of the window; their parent is none.
    pub count: u64,
    /// Of those, the ones that were measured.
    pub measured_count: u64,
    /// Mean of what one adds: its own pages, resident or swapped. Where the kernel does not tell those apart, its
    /// proportional size and its share of swap.
    pub bytes_each: f64,
    /// The same of the largest that was measured.
    pub largest_bytes: f64,
    /// Mean proportional size: its own pages, and its share of those that it has in common with others.
    pub proportional_bytes: f64,
    /// Whether `bytes_each` is of its own pages.
    pub own_known: bool,
    /// What all of them hold of the memory now, by the mean.
    pub held_bytes: f64,
    /// Memory that could still be had (`MemAvailable`), or that is left below a limit.
    pub available_bytes: f64,
    /// The control group whose limit that is; none when it is the box.
    pub limited_by: Option<String>,
    /// Kept back for growth, the page cache and the kernel.
    pub reserve_bytes: f64,
    /// How many fit: (available + held - reserve) by what one adds, rounded down.
    pub fit_count: u64,
    /// The same if each grew to the size of the largest.
    pub fit_largest_count: u64,
}
