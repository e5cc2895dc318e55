//! The lines of `diag watch` for people: one per window, in columns, and one per event.

use super::shared::{columns, shortened};
use super::text::page::{Page, Span, plain, styled};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Severity;
use crate::model::metrics::Metrics;
use crate::model::report::{Culprit, Verdict};
use crate::model::units::percent;
use crate::model::watch::{EndReason, GapReason, Line, TransitionLine, VerdictLine};
use anstyle::Style;

/// Columns of the longest level.
const LEVEL: usize = 8;

/// Columns of the longest id.
const ID: usize = 21;

/// Names of the columns.
pub fn heading(width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    let text = format!(
        "UTC       {:LEVEL$}  {:ID$}  CPU%  IO% MEM%  WHO AND WHY (stalled for CPU, I/O, memory)",
        "LEVEL", "BOTTLENECK"
    );
    let text = shortened(&text, width);
    let dim = page.palette.dim;
    page.line(0, &[styled(dim, &text)]);
    page.into_text()
}

/// One line, cut to `width` columns, with its line break.
pub fn render(line: &Line, width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    let (at, level, style, text) = match line {
        Line::Verdict(line) => return verdict(page, line),
        Line::Transition(line) => (&line.at, "ALARM", severity(&page, line.to), transition(line)),
        Line::Gap(line) => {
            let why = match line.reason {
                GapReason::Suspend => "the machine was suspended",
                GapReason::Unreadable => "the kernel's files could not be read",
                GapReason::InternalError => "internal error",
            };
            let detail = line.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            let text = format!("no verdict for {:.0} s: {why}{detail}", line.seconds);
            (&line.at, "GAP", page.palette.warning, text)
        }
        Line::ClockJump(line) => (
            &line.at,
            "CLOCK",
            page.palette.warning,
            format!("the wall clock was set by {:+.0} s", line.seconds),
        ),
        Line::Trigger(line) => {
            let kept = line.capture.as_ref().map(|file| format!("; kept in {file}")).unwrap_or_default();
            let text = format!("threads stall for {}{kept}", line.resource.word());
            (&line.at, "TRIGGER", page.palette.strong, text)
        }
        Line::End(line) => {
            let why = match line.reason {
                EndReason::Signal => "ended by a signal",
                EndReason::Count => "all windows are over",
            };
            (&line.at, "END", page.palette.dim, why.to_owned())
        }
    };
    let lead = vec![plain(&format!("{}  ", time(at))), styled(style, &format!("{level:LEVEL$}"))];
    rest(&mut page, lead, 8 + 2 + LEVEL, &text);
    page.into_text()
}

fn verdict(mut page: Page, line: &VerdictLine) -> String {
    let verdict = &line.verdict;
    let known = verdict.bottleneck != BottleneckId::Unknown;
    let level = if known { verdict.severity.word().to_uppercase() } else { "UNKNOWN".to_owned() };
    let style = if known { severity(&page, verdict.severity) } else { page.palette.warning };
    let id = match verdict.bottleneck {
        BottleneckId::None => "healthy",
        BottleneckId::Unknown => "cannot tell",
        id => id.as_str(),
    };
    let lead = vec![
        plain(&format!("{}  ", time(&line.ended_at))),
        styled(style, &format!("{level:LEVEL$}")),
        styled(page.palette.strong, &format!("  {id:ID$}")),
        plain(&pressures(&line.metrics)),
    ];
    rest(&mut page, lead, 8 + 2 + LEVEL + 2 + ID + 16, &words(verdict));
    page.into_text()
}

/// Puts `text` behind `lead`, which takes `used` columns, as far as there is room.
fn rest(page: &mut Page, mut lead: Vec<Span>, used: usize, text: &str) {
    let room = page.width().saturating_sub(used + 2);
    if room > 0 && !text.is_empty() {
        lead.push(plain("  "));
        // Escaped here, so that its columns are those that are shown.
        let text = shortened(text, room);
        debug_assert!(columns(&text) <= room.max(1));
        lead.push(plain(&text));
    }
    page.line(0, &lead);
}

/// `   100    0    -`
fn pressures(metrics: &Metrics) -> String {
    let part =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.0}", value * 100.0));
    format!(
        "  {:>4} {:>4} {:>4}",
        part(metrics.psi_cpu_some_ratio),
        part(metrics.psi_io_some_ratio),
        part(metrics.psi_memory_some_ratio)
    )
}

/// Who and why; for a healthy box nothing.
fn words(verdict: &Verdict) -> String {
    match &verdict.culprit {
        Some(culprit) => {
            let why = culprit.why.as_ref().unwrap_or(&verdict.summary);
            format!("{}: {why}", name(culprit))
        }
        None if verdict.bottleneck == BottleneckId::None => String::new(),
        None => verdict.summary.to_string(),
    }
}

fn name(culprit: &Culprit) -> String {
    let mut name = culprit.comm.clone();
    match culprit.pid {
        _ if culprit.members_count > 1 => name.push_str(&format!(" ×{}", culprit.members_count)),
        Some(pid) => name.push_str(&format!("[{pid}]")),
        None => {}
    }
    if let Some(unit) = &culprit.unit {
        name.push_str(&format!(" of {unit}"));
    }
    if let Some(share) = culprit.share_ratio {
        name.push_str(&format!(", {}", percent(share)));
    }
    name
}

fn transition(line: &TransitionLine) -> String {
    let about = line.bottleneck.as_ref().or(line.previous_bottleneck.as_ref());
    let about = about.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{}, {} to {}:{about}: {}", line.kind.word(), line.from.word(), line.to.word(), line.summary)
}

fn severity(page: &Page, severity: Severity) -> Style {
    if severity >= Severity::Critical {
        page.palette.critical
    } else if severity >= Severity::Warning {
        page.palette.warning
    } else if severity == Severity::Ok {
        page.palette.ok
    } else {
        page.palette.strong
    }
}

/// `03:04:10` of `2026-01-02T03:04:10.123Z`.
fn time(at: &str) -> String {
    at.get(11..19).unwrap_or("--:--:--").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Report;
    use crate::model::watch::{Alarm, ChangeKind, ClockLine, EndLine, GapLine, Resource, TriggerLine};
    use crate::render::test_report;

    fn line(report: &Report) -> Line {
        Line::Verdict(Box::new(VerdictLine {
            seq: 1,
            host: None,
            started_at: report.window.started_at.clone(),
            ended_at: report.window.ended_at.clone(),
            seconds: 10.0,
            interrupted: false,
            verdict: report.verdict.clone(),
            findings: Vec::new(),
            alarm: Alarm::none(),
            metrics: report.metrics,
            cpu_seconds: 0.1,
            max_rss_bytes: None,
        }))
    }

    #[test]
    fn a_window_is_one_line_in_columns() {
        let busy = render(&line(&test_report::busy()), 120, false);
        assert_eq!(
            busy,
            "03:04:10  CRITICAL  memory-swap               -   88   61  php-fpm ×12 of php8.2-fpm.service, 87 %: its \
             workers hold 4.…\n"
        );
        let healthy = render(&line(&test_report::healthy()), 120, false);
        assert_eq!(healthy, "03:04:10  OK        healthy                   -    0   61\n");
        let unknown = render(&line(&test_report::unknown()), 120, false);
        assert!(unknown.starts_with("03:04:10  UNKNOWN   cannot tell  "), "{unknown}");
        assert!(heading(120, false).starts_with("UTC       LEVEL     BOTTLENECK"));
    }

    #[test]
    fn every_line_is_one_line_harmless_and_not_too_wide() {
        let report = test_report::hostile();
        let hostile = || test_report::HOSTILE.to_owned();
        let at = || "2026-01-02T03:04:10Z".to_owned();
        let lines = [
            line(&report),
            line(&test_report::busy()),
            Line::Transition(Box::new(TransitionLine {
                seq: 1,
                at: at(),
                host: None,
                kind: ChangeKind::Raised,
                from: Severity::Ok,
                to: Severity::Critical,
                bottleneck: Some("memory-swap".to_owned()),
                previous_bottleneck: None,
                summary: hostile(),
                verdict: report.verdict.clone(),
            })),
            Line::Gap(GapLine {
                seq: 1,
                at: hostile(),
                host: None,
                reason: GapReason::Suspend,
                seconds: 4.0,
                detail: Some(hostile()),
            }),
            Line::ClockJump(ClockLine { seq: 1, at: at(), host: None, seconds: -3600.0 }),
            Line::Trigger(TriggerLine {
                seq: 1,
                at: at(),
                host: None,
                resource: Resource::Io,
                capture: Some(hostile()),
            }),
            Line::End(EndLine { seq: 1, at: at(), host: None, reason: EndReason::Signal }),
        ];
        for line in &lines {
            for width in [80, 100, 200] {
                let text = render(line, width, false);
                test_report::assert_harmless(&text);
                assert_eq!(text.lines().count(), 1, "{text}");
                assert!(columns(text.trim_end_matches('\n')) <= width, "{width}: {text}");
            }
            assert!(render(line, 100, true).contains('\x1b'));
        }
    }
}
