//! What the tuning report says beyond the diagnosis: settings that matter here, and how many workers fit.

use crate::model::explanation::Explanation;
use crate::model::series::Series;
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
pub struct Annex {
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
    pub facts: Vec<(String, String)>,
}

/// A setting that differs from a sensible value while the evidence says that this matters.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub finding: String,
    /// What to type.
    pub command: String,
    /// What it may break.
    pub risk: String,
    /// How to take it back.
    pub undo: String,
}

/// Many like processes of one service, and the arithmetic of their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Workers {
    /// Name.
    pub comm: String,
    /// Systemd unit, container or pod.
    pub unit: Option<String>,
    /// Processes at the end of the window.
    pub count: u32,
    /// Of those, the ones whose proportional size was read.
    pub measured_count: u32,
    /// Mean of what one takes: proportional size, shared pages counted once over all, and its swap.
    pub bytes_each: f64,
    /// What all hold together.
    pub held_bytes: f64,
    /// Memory that could still be had (`MemAvailable`), or that is left below the limit of their group.
    pub available_bytes: f64,
    /// Whether that is a group's limit, not the box.
    pub limited: bool,
    /// Kept back for growth and the page cache.
    pub reserve_bytes: f64,
    /// How many fit: (available + held - reserve) by what one takes, rounded down.
    pub fit_count: u64,
}
