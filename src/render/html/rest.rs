//! What looked bad and is not, what was not checked, and the facts of the box.

use super::words::{cut, name, sentence};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Finding;
use crate::model::report::Report;
use crate::model::tuning::ReportExtras;
use crate::model::units::human_bytes;
use maud::{Markup, html};

/// Lines of each list.
const LINES_MAX: usize = 60;

/// Alarming numbers that are none.
pub(super) fn harmless(report: &Report) -> Markup {
    let is_news = |finding: &Finding| report.news.iter().any(|news| news.summary == finding.summary);
    let notes =
        report.findings.iter().filter(|finding| finding.id == BottleneckId::None && !is_news(finding));
    let notes: Vec<_> = notes.take(LINES_MAX).collect();
    html! {
        @if notes.is_empty() { p { "None." } }
        @else { ul.plain { @for note in notes { li { (sentence(&note.summary)) } } } }
    }
}

/// What could not be looked at, and what would unlock it.
pub(super) fn not_checked(report: &Report) -> Markup {
    let items = &report.not_checked;
    html! {
        @if items.is_empty() { p { "Everything was checked." } }
        @else {
            section.scroll tabindex="0" aria-label="Table: not checked" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Why not" } th scope="col" { "What unlocks it" } } }
                    tbody { @for item in items.iter().take(LINES_MAX) { tr {
                        th scope="row" { (sentence(&item.what)) }
                        td { (sentence(&item.reason)) }
                        td { @if let Some(unlock) = &item.unlock { (sentence(unlock)) } @else { "–" } }
                    } } }
                }
            }
            @if items.len() > LINES_MAX { p.muted { (items.len() - LINES_MAX) " more are in the JSON." } }
        }
    }
}

/// The box, and what this run cost.
pub(super) fn facts(report: &Report, extras: &ReportExtras) -> Markup {
    let run = &report.diag;
    let memory = run
        .max_rss_bytes
        .map(|bytes| format!(", {} of memory", human_bytes(bytes as f64)))
        .unwrap_or_default();
    html! {
        section.scroll tabindex="0" aria-label="Table: facts of the box" {
            table {
                tbody {
                    tr { th scope="row" { "Host" } td { (name(report.host.hostname.as_deref().unwrap_or("–"))) } }
                    @for (what, value) in extras.facts.iter().take(2 * LINES_MAX) {
                        tr { th scope="row" { (cut(what, 40)) } td { bdi { (cut(value, 200)) } } }
                    }
                    tr { th scope="row" { "Window" } td { (super::verdict::window(report)) ", " (report.window.samples_count) " samples of the thread states" } }
                    @if !run.config_files.is_empty() {
                        tr { th scope="row" { "Limits set in" } td { @for file in &run.config_files { (name(file)) " " } } }
                    }
                    tr { th scope="row" { "Cost of this run" } td { (format!("{:.2} s of CPU time{memory}", run.cpu_seconds)) } }
                }
            }
        }
    }
}
