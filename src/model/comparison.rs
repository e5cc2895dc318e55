//! Two windows of one box side by side: what changed, and whether the fix worked.

use crate::model::report::Report;

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
            Self::Unknown => "unknown",
        }
    }
}

/// One number of both windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// What was measured, as evidence names it.
    pub metric: String,
    /// Its unit.
    pub unit: String,
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
    pub gone: Vec<String>,
    /// Findings that are new.
    pub new: Vec<String>,
    /// Findings of both.
    pub still: Vec<String>,
    /// The first window.
    pub before: Report,
    /// The second.
    pub after: Report,
}
