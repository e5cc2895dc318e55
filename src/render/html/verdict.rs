//! The answer, before everything else.

use super::words::{cut, name, sentence};
use crate::model::finding::Severity;
use crate::model::report::{Culprit, CulpritKind, Report, WindowSource};
use crate::model::units::{human_seconds, percent};
use maud::{Markup, html};

/// A mark that is no colour.
pub(super) fn symbol(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "✓",
        Severity::Info => "ℹ",
        Severity::Warning => "▲",
        Severity::Critical => "✖",
    }
}

/// The top of the page.
pub(super) fn header(report: &Report) -> Markup {
    let verdict = &report.verdict;
    let since = verdict.since.map(|since| format!(", {}", since.words()));
    let finding = report.findings.iter().find(|finding| finding.id == verdict.bottleneck);
    html! {
        h1 { "Tuning report of " (name(report.host.hostname.as_deref().unwrap_or("a box without a name"))) }
        div class={ "verdict " (verdict.severity.word()) } {
            p {
                span.tone { span aria-hidden="true" { (symbol(verdict.severity)) " " } (verdict.severity.word()) }
                " · " strong { (cut(verdict.bottleneck.as_str(), 60)) }
                " · " (verdict.confidence) " (" (percent(verdict.confidence_ratio)) " sure)" @if let Some(since) = since { (since) }
            }
            p.headline { (sentence(&verdict.summary)) }
            dl {
                @if let Some(culprit) = &verdict.culprit {
                    dt { "Who" } dd { (who(culprit)) }
                    @if let Some(why) = &culprit.why { dt { "Why" } dd { (sentence(why)) } }
                }
                @if let Some(advice) = finding.and_then(|finding| finding.advice.first()) {
                    dt { "First" } dd { (sentence(&advice.action)) " " a href="#do" { "How" } }
                }
                @if verdict.cause_chain.len() > 1 {
                    dt { "Chain" } dd { (cut(&verdict.chain(" → "), 200)) }
                }
                dt { "Window" } dd { (window(report)) }
            }
        }
    }
}

/// Who it is, with all that is known of it.
pub(super) fn who(culprit: &Culprit) -> Markup {
    let several = culprit.members_count > 1 && culprit.kind != CulpritKind::Process;
    html! {
        strong { (name(&culprit.comm)) }
        @match (culprit.kind, culprit.pid) {
            (CulpritKind::Device, _) => { " (device)" }
            (_, Some(pid)) if several => { " (" (culprit.members_count) " processes, largest pid " (pid) ")" }
            (_, None) if several => { " (" (culprit.members_count) " processes)" }
            (_, Some(pid)) => { " (pid " (pid) ")" }
            (_, None) => {}
        }
        @if let Some(user) = &culprit.user { ", user " (name(user)) }
        @if let Some(unit) = &culprit.unit { ", " (name(unit)) }
        @if let Some(share) = culprit.share_ratio { ", " (percent(share)) " of what is short" }
    }
}

/// When, how long, from what.
pub(super) fn window(report: &Report) -> String {
    let window = &report.window;
    let source = match window.source {
        WindowSource::Live => "live",
        WindowSource::Capture => "from a capture",
        WindowSource::Sar => "from a sysstat archive",
        WindowSource::Prometheus => "from Prometheus",
    };
    // RFC 3339, without the fraction of a second.
    let started = window.started_at.split('.').next().unwrap_or("").trim_end_matches('Z').replace('T', " ");
    let early = if window.interrupted { ", ended early" } else { "" };
    format!("{} from {} UTC, {source}{early}", human_seconds(window.seconds), cut(&started, 40))
}
