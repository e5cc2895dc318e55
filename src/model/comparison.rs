//! Two windows of one box side by side: what changed, and whether the fix worked.

use crate::model::bottleneck::BottleneckId;
use crate::model::report::Report;
use crate::model::units::Unit;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The bottleneck is gone and nothing took its place.
    Fixed,
    /// It is gone, and another one is the narrowest now.
    Moved,
    /// It is still there, and clearly less.
    Better,
    /// It is still there.
    NotFixed,
    /// It is worse, or there was none before.
    Worse,
    /// Nothing was wrong, and nothing is.
    Healthy,
    /// It is gone, but nothing shows that a fix is why: the work is gone as well, or it is another box.
    NotShown,
    /// One of the two windows allows no answer.
    Unknown,
}

impl Outcome {
    /// The word that stands first.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Moved => "moved",
            Self::Better => "better, not fixed",
            Self::NotFixed => "not fixed",
            Self::Worse => "worse",
            Self::Healthy => "healthy",
            Self::NotShown => "not shown",
            Self::Unknown => "unknown",
        }
    }
}

/// How much a box did in a window, as far as the kernel counts it: a bottleneck that is gone while all of this fell was
/// not fixed, but left alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Work {
    /// CPU time of programs outside of the kernel, in CPUs.
    pub user_cpus: Option<f64>,
    /// Packets received, all interfaces.
    pub packets_per_second: Option<f64>,
    /// Read from and written to disks, swapping left out.
    pub disk_bytes_per_second: Option<f64>,
}

/// One number of both windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// What was measured, as evidence names it.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Where it was read.
    pub source: String,
    /// Before.
    pub before: Option<f64>,
    /// After.
    pub after: Option<f64>,
    /// Limit for a warning.
    pub warning: Option<f64>,
}

/// Both reports, and what they say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How it ended.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub sentence: String,
    /// What makes the two hard to compare, in sentences.
    pub caveats: Vec<String>,
    /// The main numbers.
    pub numbers: Vec<Number>,
    /// Findings of before that are gone.
    pub gone: Vec<BottleneckId>,
    /// Findings that are new.
    pub new: Vec<BottleneckId>,
    /// Findings of both.
    pub still: Vec<BottleneckId>,
    /// The first window.
    pub before: Report,
    /// The second.
    pub after: Report,
}
