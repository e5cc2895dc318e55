//! `diag report`: the tuning report of this machine or of a capture, or what changed between two captures.

use super::answer::{self, Outcome};
use super::live::{Machine, outputs};
use super::output::{self, print};
use super::{configuration, replay};
use crate::cli::{Answer, ReportSource, TuningReport};
use crate::config::Config;
use crate::model::choice::Format;
use crate::{diagnose, exit, render};
use anyhow::Result;
use std::path::Path;

/// Writes the report; the exit code.
pub(super) fn run(report: &TuningReport) -> Result<u8> {
    let answer = &report.answer;
    let config = configuration(answer.read_config)?;
    let observed = match &report.source {
        ReportSource::Compare(before, after) => {
            return compare(answer, &config, [before.as_path(), after.as_path()]);
        }
        ReportSource::Capture(file) => replay::observe(file, answer, &config)?,
        ReportSource::Live(window) => {
            output::refuse_unwritable(outputs(answer))?;
            Machine::open(window, answer)?.observe(window, true, &config, None)?
        }
    };
    answer::write(answer, answer::diagnose(answer, observed, &config, true)?)
}

fn compare(answer: &Answer, config: &Config, [before, after]: [&Path; 2]) -> Result<u8> {
    let diagnose = |file| answer::diagnose(answer, replay::observe(file, answer, config)?, config, false);
    let mut both = [diagnose(before)?, diagnose(after)?];
    // Before the comparison, so that its sentences have no names either.
    answer::redact(answer, &mut both);
    let [before, after] = both.map(|Outcome { report, work, .. }| (report, work));
    let comparison = diagnose::compare::compare(before, after);
    let text = match answer.output.format {
        Format::Markdown => render::markdown::report::compare(&comparison),
        _ => render::html::compare(&comparison),
    };
    print(&answer.output, text.as_bytes())?;
    Ok(exit::of_verdict(&comparison.after, answer.fail_on))
}
