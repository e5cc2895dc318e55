//! From what was observed to the answer: delta, diagnose, profile, render. The same for a live window and a capture.

use super::limits;
use super::output::{Table, print, publish};
use super::profile::{self, Profiling};
use super::report::report;
use super::target;
use crate::cli::Answer;
use crate::config::Config;
use crate::files::write_atomically;
use crate::model::choice::Format;
use crate::model::comparison::Work;
use crate::model::profile::Samples;
use crate::model::report::Report;
use crate::model::snapshot::Recording;
use crate::model::target::Asked;
use crate::model::task::Pid;
use crate::model::tuning::ReportExtras;
use crate::redact::{Redactor, Style};
use crate::{delta, diagnose, exit, render};
use anyhow::Result;
use std::collections::BTreeMap;

/// A window, live or from a capture.
pub(super) struct Observed {
    /// The readings.
    pub(super) recording: Recording,
    /// The profile that goes with it.
    pub(super) profile: ProfileSource,
    /// The process or unit that the options ask about.
    pub(super) asked: Option<Asked>,
}

/// Where the profile comes from.
pub(super) enum ProfileSource {
    /// There is none.
    Nothing,
    /// The capture has it.
    Recorded(Box<Samples>),
    /// It was sampled during the window; the culprit is not known yet.
    Live(Box<Profiling>),
}

/// What a diagnosis came to.
pub(super) struct Outcome {
    /// The report.
    pub(super) report: Report,
    /// More, for the tuning report.
    pub(super) extras: Option<ReportExtras>,
    /// How much was done in the window.
    pub(super) work: Work,
    /// Samples that a capture keeps.
    pub(super) samples: Option<Samples>,
    /// The one process that was asked about.
    pid: Option<Pid>,
    /// Names of the users seen.
    users: BTreeMap<u32, String>,
}

/// Diagnoses what was observed; `page` adds what the tuning report shows.
pub(super) fn diagnose(answer: &Answer, observed: Observed, config: &Config, page: bool) -> Result<Outcome> {
    let Observed { mut recording, profile, asked } = observed;
    let settled = target::settle(asked, &mut recording);
    let pid = settled.pid();
    let rates = delta::rates(&recording, &limits::of_delta(&config.thresholds));
    settled.refuse_unseen(&recording, &rates)?;
    let series = page.then(|| delta::series::series(&recording));
    // Two raw copies of ten thousand processes are no longer needed.
    drop(recording);
    let asked = diagnose::Options {
        sort: answer.sort,
        top: answer.top,
        pid,
        profiled: !matches!(profile, ProfileSource::Nothing),
        thresholds: &config.thresholds,
    };
    let mut diagnosis = diagnose::diagnose(&rates, &asked);
    diagnosis.not_checked.extend(config.not_checked.iter().cloned());
    let profiled = profile::add(answer, &rates, &mut diagnosis, pid, profile);
    let extras = series.map(|series| diagnose::report_extras::extras(&rates, &diagnosis, series, &asked));
    let work = diagnose::compare::work(&rates);
    let report = report(diagnosis, profiled.profile, &rates, &config.thresholds);
    Ok(Outcome { report, extras, work, samples: profiled.samples, pid, users: rates.host.users })
}

/// Whether the answer is a page of the tuning report, which shows more than the other formats.
pub(super) fn is_page(answer: &Answer) -> bool {
    answer.output.format == Format::Html
}

/// Renders the outcome and writes it; the exit code.
pub(super) fn write(answer: &Answer, outcome: Outcome) -> Result<u8> {
    let mut outcomes = [outcome];
    let redactor = redact(answer, &mut outcomes);
    let [Outcome { mut report, extras, pid, .. }] = outcomes;
    let drawings = profile::drawings(answer, &mut report);
    if let Some(mut redactor) = redactor {
        // A drawing that failed is named by its file.
        redactor.not_checked(&mut report.not_checked);
    }
    let page = extras.and_then(|extras| match answer.output.format {
        Format::Html => Some(render::html::render(&report, &extras)),
        Format::Markdown => Some(render::markdown::report::render(&report, &extras)),
        _ => None,
    });
    let code = match page {
        Some(text) => {
            print(&answer.output, text.as_bytes())?;
            exit::of_verdict(&report, answer.fail_on)
        }
        None => {
            let table = Table { top: answer.top, sort: answer.sort, pid };
            publish(&answer.output, table, answer.fail_on, &report)?
        }
    };
    // After the answer, which a full disk must not cost.
    for (file, text) in drawings {
        write_atomically(file, text.as_bytes())?;
    }
    Ok(code)
}

/// Replaces names where that was asked for: a name has the same pseudonym in all outcomes.
pub(super) fn redact(answer: &Answer, outcomes: &mut [Outcome]) -> Option<Redactor> {
    if !answer.redact {
        return None;
    }
    let mut redactor = Redactor::new(Style::Report);
    for outcome in outcomes.iter() {
        redactor.know_users(&outcome.users);
        redactor.learn(&outcome.report);
    }
    for Outcome { report, extras, .. } in outcomes {
        redactor.report(report);
        if let Some(extras) = extras {
            redactor.extras(extras);
        }
    }
    Some(redactor)
}
