//! The answer, before everything else.

use super::words::{cut, name, sentence};
use crate::model::finding::Severity;
use crate::model::report::{Culprit, Report};
use crate::model::units::human_seconds;
use crate::render::shared::{amount, members, moment, own_finding, source};
use maud::{Markup, html};

/// Events before the window that are shown.
const NEWS_MAX: usize = 5;

/// A mark beside the colour.
pub(super) fn symbol(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "✓",
        Severity::Info | Severity::Notice => "ℹ",
        Severity::Warning => "▲",
        Severity::Critical => "✖",
    }
}

/// The top of the page.
pub(super) fn header(report: &Report) -> Markup {
    let verdict = &report.verdict;
    let since = verdict.since.map(|since| format!(", {}", since.words()));
    let finding = own_finding(report);
    html! {
        h1 { "Tuning report of " (name(report.host.hostname.as_deref().unwrap_or("a box without a name"))) }
        div class={ "verdict " (verdict.severity.word()) } {
            p {
                span.tone { span aria-hidden="true" { (symbol(verdict.severity)) " " } (verdict.severity.word()) }
                " · " strong { (cut(verdict.bottleneck.as_str(), 60)) }
                " · " (verdict.confidence) @if let Some(since) = since { (since) }
            }
            p.headline { (sentence(&verdict.summary)) }
            dl {
                @if let Some(culprit) = &verdict.culprit {
                    dt { "Who" } dd { (who(report, culprit)) }
                    @if let Some(why) = &culprit.why { dt { "Why" } dd { (sentence(why)) } }
                }
                @if let Some(advice) = finding.and_then(|finding| finding.advice.first()) {
                    dt { "First" } dd { (sentence(&advice.action)) " " a href="#do" { "How" } }
                }
                @if verdict.cause_chain.len() > 1 {
                    dt { "Chain" } dd { (cut(&verdict.chain(" → "), 200)) }
                }
                @for news in report.news.iter().take(NEWS_MAX) { dt { "Earlier" } dd { (sentence(&news.summary)) } }
                dt { "Window" } dd { (window(report)) }
            }
        }
    }
}

/// The culprit with all that is known of it.
pub(super) fn who(report: &Report, culprit: &Culprit) -> Markup {
    html! {
        strong { (name(&culprit.comm)) } (members(culprit))
        @if let Some(user) = &culprit.user { ", user " (name(user)) }
        @if let Some(unit) = &culprit.unit { ", " (name(unit)) }
        @if let Some(amount) = amount(report, culprit) { ", " (amount) }
    }
}

/// When, how long, from what.
pub(super) fn window(report: &Report) -> String {
    let window = &report.window;
    let early = if window.interrupted { ", ended early" } else { "" };
    let started = cut(&moment(&window.started_at), 40);
    format!("{} from {started}, {}{early}", human_seconds(window.seconds), source(window.source))
}
