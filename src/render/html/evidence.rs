//! Numbers beside their limits, and all findings.

use super::verdict::symbol;
use super::words::{cut, name, sentence};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Evidence, Finding, Role, Suspect};
use crate::model::report::Report;
use crate::model::units::quantity;
use crate::model::units::{label, percent};
use maud::{Markup, html};

/// Findings that are shown; a report with more has a fault of its own.
const FINDINGS_MAX: usize = 40;

/// `memory wait 61 %`, in words.
pub(super) fn said(evidence: &Evidence) -> String {
    let value = evidence.value.map_or_else(|| "unknown".to_owned(), |value| quantity(value, evidence.unit));
    format!("{} {value}", label(&evidence.metric))
}

/// Everything that was found and is worth a warning, and what is known besides.
pub(super) fn section(report: &Report) -> Markup {
    let findings =
        report.findings.iter().filter(|finding| finding.id != BottleneckId::None).take(FINDINGS_MAX);
    let findings: Vec<&Finding> = findings.collect();
    html! {
        @if findings.is_empty() { p { "Nothing was found." } }
        @for (place, finding) in findings.into_iter().enumerate() { (one(place, finding)) }
    }
}

fn one(place: usize, finding: &Finding) -> Markup {
    html! {
        div class={ "card long " (finding.severity.word()) } {
            h3 {
                span.tone { span aria-hidden="true" { (symbol(finding.severity)) " " } (finding.severity.word()) }
                " " (cut(finding.id.as_str(), 60))
                @if let Some(cause) = &finding.explained_by { span.muted.small { " explained by " (cut(cause.as_str(), 60)) } }
            }
            p { (sentence(&finding.summary)) }
            @if !finding.evidence.is_empty() { (table(place, finding.id.as_str(), &finding.evidence)) }
            @for against in &finding.against { p.muted { "Against it: " (sentence(against)) } }
            @for (word, role) in [("Taken by ", Role::Offender), ("Waiting: ", Role::Victim)] {
                @let of: Vec<&Suspect> = finding.suspects.iter().filter(|suspect| suspect.role == role).collect();
                @if !of.is_empty() {
                    p.small { (word) @for (place, suspect) in of.iter().enumerate() {
                        @if place > 0 { ", " }
                        (name(&suspect.comm))
                        @if suspect.members_count > 1 { " ×" (suspect.members_count) }
                        @else if let Some(pid) = suspect.pid { " (pid " (pid) ")" }
                        @if let Some(share) = suspect.share_ratio { " " (percent(share)) }
                    } }
                }
            }
        }
    }
}

fn table(place: usize, id: &str, evidence: &[Evidence]) -> Markup {
    html! {
        section.scroll tabindex="0" aria-label={ "Table: evidence " (place + 1) ", " (cut(id, 60)) } {
            table {
                thead { tr {
                    th scope="col" { "Number" } th.n scope="col" { "Value" } th.n scope="col" { "Warning" }
                    th.n scope="col" { "Critical" } th scope="col" { "From" }
                } }
                tbody { @for item in evidence {
                    @let limit = |limit: Option<f64>| limit.map_or_else(|| "–".to_owned(), |limit| quantity(limit, item.unit));
                    tr {
                        th scope="row" { (name(&label(&item.metric))) }
                        td class=(if item.beyond().is_some() { "n over" } else { "n" }) {
                            (item.value.map_or_else(|| "unknown".to_owned(), |value| quantity(value, item.unit)))
                            @if let Some(severity) = item.beyond() { " " span title=(severity.word()) { (symbol(severity)) } }
                        }
                        td.n { (limit(item.warning)) }
                        td.n { (limit(item.critical)) }
                        td.muted { (name(&item.source)) @if item.threshold_changed { " (limit set in a file)" } }
                    }
                } }
            }
        }
    }
}
