//! What follows from a verdict: the alarm, the printed lines, the state file.

use super::run::Run;
use super::{state, warn};
use crate::cli::MIN_INTERVAL;
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Severity;
use crate::model::report::{Report, Verdict};
use crate::model::watch::{
    Alarm, ChangeKind, FindingName, Line, State, TransitionLine, VerdictLine, WATCH_VERSION,
};
use crate::watch::alerts::Firing;
use crate::watch::clocks::Clocks;
use crate::watch::hysteresis::Change;
use crate::watch::status::boot_mark;
use anyhow::Result;
use std::collections::BTreeMap;

/// The last summary of each bottleneck, with its culprit: the window that changes an alarm may be about another one. There
/// are as many as there are ids.
#[derive(Debug, Default)]
pub(crate) struct Summaries(BTreeMap<String, (String, Option<String>)>);

impl Summaries {
    pub(crate) fn note(&mut self, verdict: &Verdict) {
        if verdict.severity > Severity::Ok {
            let culprit = verdict.culprit.as_ref().map(|culprit| culprit.comm.clone());
            self.0.insert(verdict.bottleneck.to_string(), (verdict.summary.to_string(), culprit));
        }
    }

    fn of(&self, bottleneck: &str) -> (String, Option<String>) {
        let known = self.0.get(bottleneck).cloned();
        known.unwrap_or_else(|| (format!("The last run of diag found {bottleneck}."), None))
    }
}

impl Run<'_> {
    /// Hands a verdict to all sinks; one that a trigger asked for is printed even with --on-change.
    pub(crate) fn publish(&mut self, mut report: Report, ended: &Clocks, triggered: bool) -> Result<()> {
        if self.context.request.without_command_lines {
            report = state::without_command_lines(report);
        }
        // An interrupted window does not count for the alarm; below a second it is not reported either.
        let counts = !report.window.interrupted && report.verdict.bottleneck != BottleneckId::Unknown;
        if report.window.interrupted && report.window.seconds < MIN_INTERVAL.as_secs_f64() {
            return Ok(());
        }
        let verdict = &report.verdict;
        let change =
            counts.then(|| self.hysteresis.observe(verdict.severity, verdict.bottleneck.as_str())).flatten();
        if let Some(change) = &change {
            self.apply(change, &report.window.ended_at);
        }
        self.summaries.note(&report.verdict);
        let seq = self.next();
        if triggered || !self.context.request.on_change {
            self.sinks.print(&Line::Verdict(Box::new(self.verdict_line(seq, &report))))?;
        }
        if let Some(change) = change {
            let line = self.transition_line(change, &report);
            self.sinks.print(&Line::Transition(Box::new(line.clone())))?;
            self.sinks.transition(line);
        }
        self.sinks.alarm(self.firing(&report));
        self.keep(seq, report, ended);
        Ok(())
    }

    fn apply(&mut self, change: &Change, at: &str) {
        let since = match change.kind {
            ChangeKind::Raised | ChangeKind::Changed => Some(at.to_owned()),
            ChangeKind::Escalated | ChangeKind::Eased if change.previous != change.bottleneck => {
                Some(at.to_owned())
            }
            ChangeKind::Escalated | ChangeKind::Eased => self.alarm.since.take(),
            ChangeKind::Cleared => None,
        };
        self.alarm = Alarm { level: change.to, bottleneck: change.bottleneck.clone(), since };
    }

    /// The alarm with the summary of the last verdict about it.
    fn firing(&self, report: &Report) -> Option<Firing> {
        let Alarm { level, bottleneck: Some(bottleneck), since } = &self.alarm else { return None };
        let (summary, culprit) = self.summaries.of(bottleneck);
        Some(Firing {
            bottleneck: bottleneck.clone(),
            level: *level,
            since: since.clone().unwrap_or_else(|| report.window.ended_at.clone()),
            summary,
            culprit,
        })
    }

    fn verdict_line(&self, seq: u64, report: &Report) -> VerdictLine {
        let names = report
            .findings
            .iter()
            .map(|found| FindingName { id: found.id.to_string(), severity: found.severity });
        VerdictLine {
            seq,
            host: report.host.hostname.clone(),
            started_at: report.window.started_at.clone(),
            ended_at: report.window.ended_at.clone(),
            seconds: report.window.seconds,
            interrupted: report.window.interrupted,
            verdict: report.verdict.clone(),
            findings: names.collect(),
            alarm: self.alarm.clone(),
            metrics: report.metrics,
            cpu_seconds: report.diag.cpu_seconds,
            max_rss_bytes: report.diag.max_rss_bytes,
        }
    }

    fn transition_line(&mut self, change: Change, report: &Report) -> TransitionLine {
        let about = change.bottleneck.as_deref();
        TransitionLine {
            summary: about
                .map_or_else(|| report.verdict.summary.to_string(), |about| self.summaries.of(about).0),
            seq: self.next(),
            at: report.window.ended_at.clone(),
            host: report.host.hostname.clone(),
            kind: change.kind,
            from: change.from,
            to: change.to,
            bottleneck: change.bottleneck,
            previous_bottleneck: change.previous,
            verdict: report.verdict.clone(),
        }
    }

    /// Keeps the verdict for `diag status`.
    fn keep(&mut self, seq: u64, report: Report, ended: &Clocks) {
        let ended = ended.boottime.as_secs_f64();
        self.kept = Some(State {
            state_version: WATCH_VERSION,
            seq,
            interval_seconds: self.context.request.interval.as_secs_f64(),
            boot_id: state::now().boot_id.map(|id| match self.redactor {
                Some(_) => boot_mark(&id),
                None => id,
            }),
            ended_boottime_seconds: ended,
            holds_boottime_seconds: ended,
            alarm: self.alarm.clone(),
            report: state::without_command_lines(report),
        });
        self.write_state();
    }

    pub(crate) fn write_state(&mut self) {
        let (Some(file), Some(state)) = (&self.file, &self.kept) else { return };
        let written = state::write(file, state);
        if let (Err(error), false) = (&written, self.state_write_failed) {
            warn(&format!("{error:#}; trying again after each window"));
        }
        self.state_write_failed = written.is_err();
    }
}
