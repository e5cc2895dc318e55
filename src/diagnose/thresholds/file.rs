//! Limits from the text of a configuration file: TOML, with one table for each limit or setting.
//!
//! ```toml
//! [cpu_busy_ratio]
//! warning = 0.9
//! critical = 0.98
//! ```
//!
//! A file is taken whole or not at all: the first thing in it that makes no sense is its [`Problem`].

use super::{ALL, InForce, Limit, SETTINGS, Setting, Thresholds};
use crate::model::units::Unit;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a file, for one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {}{what}", key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Key, as `cpu_busy_ratio.warning`, if the error is in one.
    pub key: Option<String>,
    /// What is wrong, and what to type.
    pub what: String,
}

/// A key or a value with its place in the text.
type Entry<'a, 'i> = (&'a str, Range<usize>, &'a DeValue<'i>);

impl Thresholds {
    /// These thresholds, and over them what the file called `file` says in `bytes`.
    ///
    /// # Errors
    ///
    /// The first thing in the file that makes no sense.
    pub fn with_file(mut self, file: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let text = str::from_utf8(bytes).map_err(|error| {
            problem(line(bytes, error.valid_up_to()), None, "is not UTF-8; save it as UTF-8")
        })?;
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            if message == "duplicate key" {
                let key = error.span().and_then(|span| text.get(span)).map(shown);
                return problem(line(bytes, at), key, "is there for the second time; remove one of the two");
            }
            let what = format!("is not TOML: {message}; `diag config` prints a file to start from");
            problem(line(bytes, at), None, what)
        })?;
        for entry in entries(document.get_ref()) {
            let at = line(bytes, entry.1.start);
            let limit = ALL.iter().find(|limit| limit.key == entry.0);
            let setting = SETTINGS.iter().find(|setting| setting.key == entry.0);
            match (limit, setting) {
                (Some(limit), _) => {
                    self.read_limit(limit, numbers(&entry, bytes, &["warning", "critical"])?, file)?;
                }
                (None, Some(setting)) => {
                    self.read_setting(setting, numbers(&entry, bytes, &["value"])?, file)?;
                }
                (None, None) => return Err(problem(at, Some(shown(entry.0)), unknown_table(entry.0))),
            }
        }
        Ok(self)
    }

    fn read_limit(
        &mut self,
        limit: &'static Limit,
        found: Vec<Found<'_, '_>>,
        file: &str,
    ) -> Result<(), Problem> {
        let (mut warning, mut critical) = (None, None);
        for found in &found {
            let is_warning = found.name == "warning";
            if !is_warning && limit.built_in().critical.is_none() {
                let what = "there is no critical limit for it: by itself this number never makes a box \
                            critical; remove the line";
                return Err(found.problem(limit.key, what));
            }
            let example =
                if is_warning { limit.built_in().warning } else { limit.built_in().critical.unwrap_or(1.0) };
            let number = found.number(limit.key, limit.unit, limit.max(), example)?;
            *(if is_warning { &mut warning } else { &mut critical }) = Some((number, found));
        }
        if found.is_empty() {
            return Ok(());
        }
        let value = |placed: Option<Placed<'_, '_, '_>>| placed.map(|(number, _)| number);
        self.change_limit(limit, value(warning), value(critical), file);
        match out_of_order(self.limit(limit), warning, critical) {
            Some((found, what)) => Err(found.problem(limit.key, what)),
            None => Ok(()),
        }
    }

    fn read_setting(
        &mut self,
        setting: &'static Setting,
        found: Vec<Found<'_, '_>>,
        file: &str,
    ) -> Result<(), Problem> {
        for found in found {
            let number = found.number(setting.key, setting.unit, setting.max(), setting.built_in())?;
            self.change_setting(setting, number, file);
        }
        Ok(())
    }
}

/// A number of a file with its place.
type Placed<'f, 'a, 'i> = (f64, &'f Found<'a, 'i>);

/// Which number of a file makes a limit critical before it is worth a warning, and what to say of it.
fn out_of_order<'f, 'a, 'i>(
    now: InForce<'_>,
    warning: Option<Placed<'f, 'a, 'i>>,
    critical: Option<Placed<'f, 'a, 'i>>,
) -> Option<(&'f Found<'a, 'i>, String)> {
    let least = now.critical.filter(|critical| *critical < now.warning)?;
    // What stands for a limit of nothing has three hundred zeros.
    let least = if least <= f64::MIN_POSITIVE { 0.0 } else { least };
    let below = format!("{least} is below the warning of {}", now.warning);
    match (warning, critical) {
        (Some(_), Some((_, found))) => {
            Some((found, format!("{below}; the larger one belongs under critical")))
        }
        (None, Some((_, found))) => Some((found, format!("{below}, which this file does not set; set both"))),
        (Some((warning, found)), None) => Some((
            found,
            format!(
                "{warning} is above the critical limit of {least}, which this file does not set; set both"
            ),
        )),
        (None, None) => None,
    }
}

/// A number of a table, under a name that may stand there.
struct Found<'a, 'i> {
    name: &'static str,
    line: usize,
    value: &'a DeValue<'i>,
}

impl Found<'_, '_> {
    fn problem(&self, table: &str, what: impl Into<String>) -> Problem {
        problem(self.line, Some(format!("{table}.{}", self.name)), what)
    }

    /// The number from 0 to `max`.
    fn number(&self, table: &str, unit: Unit, max: f64, example: f64) -> Result<f64, Problem> {
        let number = as_number(self.value);
        if let Some(number) = number.filter(|number| (0.0..=max).contains(number)) {
            // Minus zero would be printed as such.
            return Ok(number + 0.0);
        }
        let range = if max <= 1.0 {
            "from 0 to 1".to_owned()
        } else {
            format!("from 0 to 1e15 ({})", unit.word().replace('_', " "))
        };
        let (not, hint) = match number {
            Some(number) if unit == Unit::Ratio && max <= 1.0 && number > 1.0 && number <= 100.0 => (
                format!(", not {number}"),
                format!("for {number} % write {} = {}", self.name, number / 100.0),
            ),
            Some(number) => (format!(", not {number}"), format!("write {} = {example}", self.name)),
            None => {
                let kind = self.value.type_str();
                // An integer of too many digits.
                let not =
                    if kind == "integer" { String::new() } else { format!(", not {} {kind}", article(kind)) };
                (not, format!("write {} = {example}", self.name))
            }
        };
        Err(self.problem(table, format!("must be a number {range}{not}; {hint}")))
    }
}

/// The numbers of a table, none under a name that is not among `names`.
fn numbers<'a, 'i>(
    entry: &Entry<'a, 'i>,
    bytes: &[u8],
    names: &[&'static str],
) -> Result<Vec<Found<'a, 'i>>, Problem> {
    let (key, at, value) = entry;
    let Some(table) = value.as_table() else {
        let what = format!(
            "must be a table, not {} {}; write [{key}] and below it {} = ...",
            article(value.type_str()),
            value.type_str(),
            names[0]
        );
        return Err(problem(line(bytes, at.start), Some(shown(key)), what));
    };
    entries(table)
        .into_iter()
        .map(|(name, at, value)| {
            let line = line(bytes, at.start);
            match names.iter().find(|known| **known == name) {
                Some(name) => Ok(Found { name, line, value }),
                None => {
                    let what = format!("is no name here; write {} = ...", names.join(" = ... or "));
                    Err(problem(line, Some(format!("{key}.{}", shown(name))), what))
                }
            }
        })
        .collect()
}

/// The entries of a table in the order of the file.
fn entries<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<Entry<'_, '_>> = table
        .iter()
        .map(|(key, value): (&Spanned<_>, &Spanned<_>)| (key.get_ref().as_ref(), key.span(), value.get_ref()))
        .collect();
    entries.sort_by_key(|(_, at, _)| at.start);
    entries
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'i']) { "an" } else { "a" }
}

fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        // More digits than that are beyond every range.
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

fn unknown_table(key: &str) -> String {
    if ["warning", "critical", "value"].contains(&key) {
        return format!("belongs to a limit; write its name before it, as in cpu_busy_ratio.{key} = ...");
    }
    const NEAR: f64 = 0.6;
    let known = ALL.iter().map(|limit| limit.key).chain(SETTINGS.iter().map(|setting| setting.key));
    // What is far longer than any key is near to none, and comparing it would take long.
    let near = known
        .filter(|_| key.len() <= 80)
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= NEAR);
    match near {
        Some((_, known)) => format!("is no limit; the nearest is {known}, and `diag config` lists all"),
        None => "is no limit; `diag config` lists all".to_owned(),
    }
}

/// A key from a file, cut to fit a line.
fn shown(key: &str) -> String {
    const ROOM: usize = 60;
    match key.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.to_owned(),
    }
}

fn problem(line: usize, key: Option<String>, what: impl Into<String>) -> Problem {
    Problem { line, key, what: what.into() }
}

/// The line of the byte at `at`, from 1.
fn line(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::thresholds::{AWAIT_SOLID, AWAIT_SPINNING, CPU_BUSY, LOAD_PER_CPU, REQUESTS_MIN};

    fn read(text: &str) -> Result<Thresholds, Problem> {
        Thresholds::default().with_file("/etc/f", text.as_bytes())
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_changes_what_it_names_and_keeps_the_source() {
        let read = read("# mine\n[cpu_busy_ratio]\nwarning = 0.9 # nine tenths\n\n[disk_requests_min_count]\nvalue = 1_000\n").unwrap();
        let busy = read.limit(&CPU_BUSY);
        assert_eq!((busy.warning, busy.critical, busy.changed), (0.9, Some(0.95), true));
        assert!(
            busy.source.starts_with("warning set in /etc/f; was 0.85 (netdata 10min_cpu_usage"),
            "{}",
            busy.source
        );
        assert_eq!(read.setting(&REQUESTS_MIN), 1000.0);
        assert!(read.setting_source(&REQUESTS_MIN).starts_with("set in /etc/f; was 20 (house"));
        assert_eq!(read.limit(&LOAD_PER_CPU), LOAD_PER_CPU.built_in());
        assert_eq!(read.files(), ["/etc/f"]);
    }

    #[test]
    fn a_later_file_wins_key_by_key() {
        let both = read(
            "[cpu_busy_ratio]\nwarning = 0.5\ncritical = 0.6\n[load_per_cpu]\nwarning = 3\ncritical = 5\n",
        )
        .unwrap()
        .with_file("/home/f", b"cpu_busy_ratio.warning = 0.55\r\nload_per_cpu = { critical = 4.5 }\r\n")
        .unwrap();
        let busy = both.limit(&CPU_BUSY);
        assert_eq!((busy.warning, busy.critical), (0.55, Some(0.6)));
        assert!(
            busy.source
                .starts_with("warning set in /home/f, critical set in /etc/f; were 0.85 and 0.95 (netdata"),
            "{}",
            busy.source
        );
        let load = both.limit(&LOAD_PER_CPU);
        assert_eq!((load.warning, load.critical), (3.0, Some(4.5)));
        assert_eq!(both.files(), ["/etc/f", "/home/f"]);
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        for text in ["", "\n", "# [cpu_busy_ratio]\n", "[cpu_busy_ratio]\n", "\u{feff}"] {
            assert_eq!(read(text).unwrap(), Thresholds::default(), "{text:?}");
        }
    }

    #[test]
    fn two_limits_of_one_metric_are_set_apart() {
        let read = read("[disk_await_solid_seconds]\nwarning = 0.001\n").unwrap();
        assert_eq!(read.limit(&AWAIT_SOLID).warning, 0.001);
        assert!(!read.limit(&AWAIT_SPINNING).changed);
        assert!(refused("[disk_await_seconds]\nwarning = 1").contains("the nearest is disk_await_s"));
    }

    #[test]
    fn a_refusal_has_line_and_key_and_what_to_type() {
        let refused = |text| self::refused(&format!("# 1\n{text}\n"));
        for (text, expected) in [
            (
                "[cpu_busy_ratio]\nwarning = 85",
                "3: cpu_busy_ratio.warning: must be a number from 0 to 1, not 85; for 85 % write warning = 0.85",
            ),
            (
                "[cpu_busy_ratio]\ncritical = -1",
                "3: cpu_busy_ratio.critical: must be a number from 0 to 1, not -1; write critical = 0.95",
            ),
            ("[cpu_busy_ratio]\nwarning = nan", "must be a number from 0 to 1, not NaN"),
            ("[load_per_cpu]\nwarning = inf", "must be a number from 0 to 1e15"),
            ("[disk_queue_mean]\nwarning = -0.1", "from 0 to 1e15 (count), not -0.1; write warning = 4"),
            ("[disk_queue_mean]\nwarning = 99999999999999999999", "must be a number from 0 to 1e15 (count);"),
            ("[disk_queue_mean]\nwarning = 1e400", "must be a number"),
            ("[disk_queue_mean]\nwarning = \"4\"", "not a string; write warning = 4"),
            ("[disk_queue_mean]\nwarning = [4]", "not an array; write warning = 4"),
            (
                "[cpu_bussy_ratio]\nwarning = 0.9",
                "2: cpu_bussy_ratio: is no limit; the nearest is cpu_busy_ratio",
            ),
            (
                "warning = 0.9",
                "2: warning: belongs to a limit; write its name before it, as in cpu_busy_ratio.warning",
            ),
            ("[zzz]\n", "2: zzz: is no limit; `diag config` lists all"),
            (
                "[cpu_busy_ratio]\nwarn = 0.9",
                "3: cpu_busy_ratio.warn: is no name here; write warning = ... or critical",
            ),
            (
                "cpu_busy_ratio = 0.9",
                "2: cpu_busy_ratio: must be a table, not a float; write [cpu_busy_ratio] and",
            ),
            ("[[cpu_busy_ratio]]\nwarning = 0.9", "cpu_busy_ratio: must be a table, not an array; write ["),
            (
                "[disk_room_bytes]\nwarning = 1",
                "3: disk_room_bytes.warning: is no name here; write value = ...",
            ),
            (
                "[zombies_count]\ncritical = 50",
                "3: zombies_count.critical: there is no critical limit for it",
            ),
            (
                "[cpu_busy_ratio]\nwarning = 0.9\ncritical = 0.8",
                "4: cpu_busy_ratio.critical: 0.8 is below the warning of 0.9; the",
            ),
            (
                "[cpu_busy_ratio]\ncritical = 0",
                "3: cpu_busy_ratio.critical: 0 is below the warning of 0.85, which",
            ),
            (
                "[cpu_busy_ratio]\ncritical = 0.8",
                "3: cpu_busy_ratio.critical: 0.8 is below the warning of 0.85, which",
            ),
            (
                "[cpu_busy_ratio]\nwarning = 0.96",
                "3: cpu_busy_ratio.warning: 0.96 is above the critical limit of 0.95, which",
            ),
            ("[cpu_busy_ratio]\nwarning 0.9", "3: is not TOML:"),
            (
                "[cpu_busy_ratio]\nwarning = 0.9\nwarning = 0.9",
                "4: warning: is there for the second time; remove one",
            ),
            ("[cpu_busy_ratio\nwarning = 0.9", "2: is not TOML:"),
        ] {
            let told = refused(text);
            assert!(told.contains(expected), "{text:?}\n  said     {told}\n  expected {expected}");
            assert!(!told.contains('\n') && told.contains("; ") && told.len() < 200, "{told:?}");
        }
        assert_eq!(
            Thresholds::default().with_file("f", b"# a\n# b\n\xff\n").unwrap_err().to_string(),
            "3: is not UTF-8; save it as UTF-8"
        );
    }

    #[test]
    fn a_limit_of_nothing_is_met_by_anything() {
        let read = read("[cpu_busy_ratio]\nwarning = 0\ncritical = -0.0\n").unwrap();
        let warning = read.limit(&CPU_BUSY).warning;
        assert!(warning > 0.0 && 1e-300 >= warning, "{warning}");
        assert_eq!(read.limit(&CPU_BUSY).critical, Some(warning));
    }

    #[test]
    fn the_first_problem_of_a_file_is_told() {
        assert!(
            refused("[zombies_count]\nwarning = -1\n[cpu_busy_ratio]\nwarning = 7\n")
                .starts_with("2: zombies")
        );
    }

    #[test]
    fn a_file_of_a_stranger_is_one_short_line() {
        for text in [
            format!("[{}]\n", "x".repeat(100_000)),
            format!("[cpu_busy_ratio]\n{} = 1\n", "x".repeat(100_000)),
            format!("cpu_busy_ratio.warning = {}", "[".repeat(100_000)),
            format!("cpu_busy_ratio{} = 1", ".a".repeat(100_000)),
            "\0\u{1b}[2J = 1".to_owned(),
        ] {
            let told = refused(&text);
            assert!(told.len() < 300 && !told.contains('\n'), "{told}");
        }
    }
}
