//! The answer: what is short, who takes it, what to do.

use super::page::{Page, Span, plain, styled};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Advice, Severity};
use crate::model::report::{Culprit, Report, Verdict};
use crate::render::shared::{amount, members, own_finding, shortened, verdict_name};
use anstyle::Style;

/// The verdict, its cause and its culprit.
pub(in crate::render) fn write(page: &mut Page, report: &Report) {
    let verdict = &report.verdict;
    headline(page, verdict);
    page.paragraph(0, &plain(""), &[plain(&verdict.summary)]);
    if verdict.cause_chain.len() > 1 || verdict.culprit.is_some() {
        page.blank();
    }
    if verdict.cause_chain.len() > 1 {
        labelled(page, "Cause", &[plain(&verdict.chain(" → "))]);
    }
    if let Some(culprit) = &verdict.culprit {
        write_culprit(page, report, culprit);
    }
}

/// What happened before the window.
pub(in crate::render) fn news(page: &mut Page, report: &Report) {
    if !report.news.is_empty() {
        page.heading("Earlier");
    }
    for news in &report.news {
        page.paragraph(2, &plain("- "), &[plain(&news.summary)]);
    }
}

/// What to do about it.
pub(in crate::render) fn advice(page: &mut Page, report: &Report) {
    if let Some(advice) =
        own_finding(report).map(|finding| &finding.advice).filter(|advice| !advice.is_empty())
    {
        page.heading("What to do");
        for (index, item) in advice.iter().enumerate() {
            write_advice(page, index + 1, item);
        }
    }
}

fn headline(page: &mut Page, verdict: &Verdict) {
    let unknown = verdict.bottleneck == BottleneckId::Unknown;
    let word = if unknown { "UNKNOWN".to_owned() } else { verdict.severity.word().to_uppercase() };
    let style = if unknown { page.palette.warning } else { severity_style(page, verdict.severity) };
    let id = verdict_name(verdict.bottleneck);
    let mut rest = String::new();
    if !unknown {
        rest.push_str(&format!("  {}", verdict.confidence));
        if let Some(since) = verdict.since {
            rest.push_str(&format!(", {}", since.words()));
        }
    }
    let spans = [styled(style, &word), plain("  "), styled(page.palette.strong, id), plain(&rest)];
    let needed: usize = word.len() + 2 + id.chars().count() + rest.chars().count();
    if needed <= page.width() {
        page.line(0, &spans);
    } else {
        page.paragraph(0, &plain(""), &spans);
    }
}

/// The style of a severity.
pub(in crate::render) fn severity_style(page: &Page, severity: Severity) -> Style {
    match severity {
        Severity::Ok => page.palette.ok,
        Severity::Info | Severity::Notice => page.palette.strong,
        Severity::Warning => page.palette.warning,
        Severity::Critical => page.palette.critical,
    }
}

fn labelled(page: &mut Page, label: &str, spans: &[Span]) {
    let label = styled(page.palette.dim, &format!("{label:<9}"));
    page.paragraph(0, &label, spans);
}

fn write_culprit(page: &mut Page, report: &Report, culprit: &Culprit) {
    let spans = [styled(page.palette.strong, &culprit.comm), plain(&culprit_details(report, culprit))];
    labelled(page, "Culprit", &spans);
    if let Some(why) = &culprit.why {
        labelled(page, "Why", &[plain(why)]);
    }
    if let Some(cmdline) = culprit.cmdline.as_deref().filter(|line| !line.is_empty() && *line != culprit.comm)
    {
        let line = shortened(cmdline, page.width().saturating_sub(9));
        labelled(page, "Command", &[styled(page.palette.dim, &line)]);
    }
}

fn culprit_details(report: &Report, culprit: &Culprit) -> String {
    let mut details = members(culprit);
    for (word, value) in [("user", &culprit.user), ("unit", &culprit.unit)] {
        if let Some(value) = value {
            details.push_str(&format!(", {word} {value}"));
        }
    }
    if let Some(amount) = amount(report, culprit) {
        details.push_str(&format!(", {amount}"));
    }
    details
}

fn write_advice(page: &mut Page, place: usize, advice: &Advice) {
    let (dim, kind) = (page.palette.dim, advice.kind);
    let label = plain(&format!("  {place}. "));
    let remedy = format!(" ({})", advice.remedy.words());
    page.paragraph(0, &label, &[plain(&advice.action), styled(dim, &remedy)]);
    if let Some(command) = &advice.command {
        page.command(5, command);
    }
    let shown = [("risk: ", &advice.risk, kind.is_risky()), ("undo: ", &advice.undo, true)];
    for (word, text, shown) in shown {
        if let Some(text) = text.as_ref().filter(|_| shown) {
            page.paragraph(5, &styled(dim, word), &[plain(text)]);
        }
    }
}
