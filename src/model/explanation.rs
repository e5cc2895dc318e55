//! All that there is to say of one bottleneck: what `diag explain` prints, the manual holds and a report may quote.

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Advice;
use crate::model::units::Unit;
use serde::Serialize;

/// One bottleneck, explained. This type is the JSON of `diag explain --format json ID`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Stable kebab-case id.
    pub id: BottleneckId,
    /// The bottleneck in a few words.
    pub title: String,
    /// What is short and how one notices.
    pub symptom: String,
    /// Kernel files and fields that show it, each with its meaning.
    pub counters: Vec<String>,
    /// Limits that it goes by.
    pub limits: Vec<Threshold>,
    /// What looks like it and is not.
    pub false_positives: Vec<String>,
    /// How to see it without this program.
    pub confirm: Vec<Look>,
    /// What to do. PID, UNIT and DEVICE in a command stand for what a diagnosis names.
    pub advice: Vec<Advice>,
    /// Kernel files, manual pages, documents.
    pub sources: Vec<String>,
}

/// A pair of limits for one number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Threshold {
    /// Name of the number, as it stands in the evidence of a report.
    pub metric: String,
    /// Its unit: `ratio`, `per_second`, `seconds`, `count`.
    pub unit: Unit,
    /// From here on it is worth a warning.
    pub warning: f64,
    /// From here on it is critical; null where the number alone cannot be.
    pub critical: Option<f64>,
    /// Who says so.
    pub source: String,
}

/// A command that only looks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Look {
    /// What to type.
    pub command: String,
    /// What it shows where this is the bottleneck.
    pub shows: String,
}

/// One line of the list of all bottlenecks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Stable kebab-case id.
    pub id: BottleneckId,
    /// The bottleneck in a few words.
    pub title: &'static str,
}
