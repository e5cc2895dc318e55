//! What a limit is, and which is in force: the default, or what configuration files say.

use crate::model::units::Unit;
use std::collections::BTreeMap;

/// A pair of limits for one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Name of its table in a configuration file: the metric's, where no other limit has that metric.
    pub key: &'static str,
    /// Name of the number, as it stands in the JSON's evidence.
    pub metric: &'static str,
    /// Its unit.
    pub unit: Unit,
    // From here on it is worth a warning. Private, like the next one: a rule that read it would not see what
    // a user set.
    warning: f64,
    // From here on it is critical, where the number alone can be.
    critical: Option<f64>,
    /// Who says so.
    pub source: &'static str,
    /// What of it only marks the number in the report, and decides nothing; empty where all of it decides.
    pub shown_only: &'static str,
    // A ratio that is not a share of a whole.
    above_one: bool,
}

pub(super) const fn limit(
    metric: &'static str,
    unit: Unit,
    warning: f64,
    critical: Option<f64>,
    source: &'static str,
) -> Limit {
    Limit { key: metric, metric, unit, warning, critical, source, shown_only: "", above_one: false }
}

impl Limit {
    /// Under a name of its own in a configuration file: another limit has the same metric.
    pub(super) const fn under(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// `what` of it marks the number in the report and decides nothing: no rule goes by it.
    pub(super) const fn shown_only(self, what: &'static str) -> Self {
        Self { shown_only: what, ..self }
    }

    /// May be more than one although it is a ratio.
    pub(super) const fn above_one(self) -> Self {
        Self { above_one: true, ..self }
    }
}

/// A number that the diagnosis goes by beside the limits: a least amount of data, a share that makes a culprit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Name of its table in a configuration file.
    pub key: &'static str,
    /// Its unit.
    pub unit: Unit,
    // Private: a rule that read it would not see what a user set.
    value: f64,
    /// What it decides.
    pub meaning: &'static str,
    /// Who says so.
    pub source: &'static str,
    above_one: bool,
}

pub(super) const fn setting(
    key: &'static str,
    unit: Unit,
    value: f64,
    meaning: &'static str,
    source: &'static str,
) -> Setting {
    Setting { key, unit, value, meaning, source, above_one: false }
}

impl Setting {
    /// May be more than one although it is a ratio.
    pub(super) const fn above_one(self) -> Self {
        Self { above_one: true, ..self }
    }
}

/// The defaults of this program.
pub const BUILT_IN: &Thresholds = &Thresholds { changes: BTreeMap::new() };

/// The limits and settings of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds {
    /// What was changed, by the key of its limit or setting.
    changes: BTreeMap<&'static str, Change>,
}

/// What files say about one limit or setting.
#[derive(Debug, Clone, Default, PartialEq)]
struct Change {
    /// The warning of a limit, the value of a setting.
    first: Option<Number>,
    /// The critical of a limit.
    critical: Option<Number>,
    /// Where the numbers come from, the default's own source included.
    source: String,
}

/// A number of a file.
#[derive(Debug, Clone, PartialEq)]
struct Number {
    value: f64,
    file: String,
}

/// A limit as it is in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InForce<'a> {
    /// From here on it is worth a warning.
    pub warning: f64,
    /// From here on it is critical, where the number alone can be.
    pub critical: Option<f64>,
    /// Who says so: the default's source, or the file and what it replaced.
    pub source: &'a str,
    /// Whether a configuration file set a part of it.
    pub changed: bool,
}

impl Thresholds {
    /// `limit`, as it is in force.
    pub fn limit(&self, limit: &'static Limit) -> InForce<'_> {
        let InForce { warning, critical, source, .. } = limit.built_in();
        let Some(change) = self.changes.get(limit.key) else {
            return InForce { warning, critical, source, changed: false };
        };
        InForce {
            warning: change.first.as_ref().map_or(warning, |number| number.value),
            critical: change.critical.as_ref().map(|number| number.value).or(critical),
            source: &change.source,
            changed: true,
        }
    }

    /// The number of `setting` that is in force.
    pub fn setting(&self, setting: &'static Setting) -> f64 {
        let change = self.changes.get(setting.key).and_then(|change| change.first.as_ref());
        change.map_or(setting.value, |number| number.value)
    }

    /// Who says so: the default's source, or the file and what it replaced.
    pub fn setting_source(&self, setting: &'static Setting) -> &str {
        self.changes.get(setting.key).map_or(setting.source, |change| &change.source)
    }

    /// Files that changed something, sorted.
    pub fn files(&self) -> Vec<&str> {
        let numbers = self.changes.values().flat_map(|change| change.first.iter().chain(&change.critical));
        let mut files: Vec<&str> = numbers.map(|number| number.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Sets what `file` says of a limit.
    pub(super) fn change_limit(
        &mut self,
        limit: &'static Limit,
        warning: Option<f64>,
        critical: Option<f64>,
        file: &str,
    ) {
        let change = self.changes.entry(limit.key).or_default();
        // Who sets a limit of nothing wants to hear of anything: what is not there at all is no finding.
        let number = |value: f64| Number { value: value.max(f64::MIN_POSITIVE), file: file.to_owned() };
        change.first = warning.map(number).or(change.first.take());
        change.critical = critical.map(number).or(change.critical.take());
        change.source = match (&change.first, &change.critical) {
            (Some(warning), Some(critical)) => {
                let set = if warning.file == critical.file {
                    format!("warning and critical set in {}", warning.file)
                } else {
                    format!("warning set in {}, critical set in {}", warning.file, critical.file)
                };
                let was = limit.critical.unwrap_or(limit.warning);
                format!("{set}; were {} and {was} ({})", limit.warning, limit.source)
            }
            (Some(warning), None) => {
                format!("warning set in {}; was {} ({})", warning.file, limit.warning, limit.source)
            }
            (None, Some(critical)) => {
                let was = limit.critical.unwrap_or(limit.warning);
                format!("critical set in {}; was {was} ({})", critical.file, limit.source)
            }
            (None, None) => limit.source.to_owned(),
        };
    }

    /// Sets what `file` says of a setting.
    pub(super) fn change_setting(&mut self, setting: &'static Setting, value: f64, file: &str) {
        let change = self.changes.entry(setting.key).or_default();
        change.source = format!("set in {file}; was {} ({})", setting.value, setting.source);
        change.first = Some(Number { value, file: file.to_owned() });
    }
}

impl Limit {
    /// The limit as this program was built, for a list of the defaults.
    pub fn built_in(&'static self) -> InForce<'static> {
        InForce { warning: self.warning, critical: self.critical, source: self.source, changed: false }
    }

    /// The largest number that makes sense.
    pub fn max(&self) -> f64 {
        max(self.unit, self.above_one)
    }
}

impl Setting {
    /// The number as this program was built, for a list of the defaults.
    pub fn built_in(&self) -> f64 {
        self.value
    }

    /// The largest number that makes sense.
    pub fn max(&self) -> f64 {
        max(self.unit, self.above_one)
    }
}

fn max(unit: Unit, above_one: bool) -> f64 {
    // Far above all that is counted, and far below where sums of it lose their units.
    const MOST: f64 = 1e15;
    if unit == Unit::Ratio && !above_one { 1.0 } else { MOST }
}
