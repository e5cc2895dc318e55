//! What to do: each action with its evidence, what to expect of it, what it may break, how to take it back and how to
//! see whether it helped. Then settings, and how many workers fit.

use super::evidence::said;
use super::words::{command, cut, name, sentence};
use crate::model::finding::{Advice, Evidence, Finding, Severity};
use crate::model::report::Report;
use crate::model::tuning::{ReportExtras, SettingNote, Workers};
use crate::model::units::human_bytes;
use maud::{Markup, html};

/// Findings that get advice, the verdict's first.
const FINDINGS_MAX: usize = 5;

/// Actions for each.
const ACTIONS_MAX: usize = 6;

/// The findings to act upon: bad, and caused by no other.
pub(in crate::render) fn actionable(report: &Report) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning && finding.explained_by.is_none())
        .filter(|finding| !finding.advice.is_empty())
        .collect();
    findings.sort_by_key(|finding| {
        (finding.id != report.verdict.bottleneck, std::cmp::Reverse(finding.severity))
    });
    findings.truncate(FINDINGS_MAX);
    findings
}

/// What to do.
pub(super) fn section(report: &Report, extras: &ReportExtras) -> Markup {
    let findings = actionable(report);
    html! {
        @if findings.is_empty() { p { "Nothing: no finding needs an action." } }
        @for finding in &findings {
            h3 { "Against " (cut(finding.id.as_str(), 60)) }
            (measured(finding))
            ol.actions {
                @for advice in finding.advice.iter().take(ACTIONS_MAX) { li.card { (action(advice)) } }
            }
            (afterwards(finding))
            (confirm(finding, extras))
        }
    }
}

fn bad(finding: &Finding) -> Vec<&Evidence> {
    finding.evidence.iter().filter(|item| item.beyond().is_some()).take(3).collect()
}

/// What the actions below rest on.
fn measured(finding: &Finding) -> Markup {
    let now: Vec<String> = bad(finding).iter().map(|item| said(item)).collect();
    html! {
        dl {
            dt { "Evidence" } dd { @if now.is_empty() { (sentence(&finding.summary)) } @else { (cut(&now.join(", "), 300)) } }
        }
    }
}

fn action(advice: &Advice) -> Markup {
    html! {
        h4 { (sentence(&advice.action)) }
        p { span.tag { (advice.remedy.words()) } }
        @if let Some(text) = &advice.command { (command(text)) }
        dl {
            dt { "To expect" } dd { (cut(&advice.expectation, 300)) }
            dt { "Risk" } dd { @if let Some(risk) = &advice.risk { (sentence(risk)) } @else { "not known" } }
            dt { "Undo" } dd {
                @if let Some(undo) = &advice.undo { (command(undo)) }
                @if let Some(note) = &advice.undo_note { (sentence(note)) }
            }
        }
    }
}

/// How to tell that the finding is gone: the check of the last advice, which is not one that only looks.
pub(in crate::render) fn check(finding: &Finding) -> Option<&str> {
    finding.advice.last().map(|advice| advice.check.as_str()).filter(|check| !check.is_empty())
}

/// How to check afterwards.
fn afterwards(finding: &Finding) -> Markup {
    html! {
        div.card.check {
            h4 { "Check afterwards" }
            p {
                @if let Some(check) = check(finding) { "It worked when " (cut(check, 300)) ", under the same load. " }
                "Record a window before and one after:"
            }
            (command("diag record before.diag"))
            (command("diag record after.diag"))
            (command("diag report --compare before.diag after.diag --output compared.html"))
        }
    }
}

/// How to look without this program.
fn confirm(finding: &Finding, extras: &ReportExtras) -> Markup {
    let told = extras.explanations.iter().find(|told| told.id == finding.id);
    html! {
        @if let Some(told) = told.filter(|told| !told.confirm.is_empty()) {
            details open {
                summary { "See " (cut(finding.id.as_str(), 60)) " by hand, before and after" }
                @for look in &told.confirm {
                    (command(&look.command))
                    p.muted.small { "Shows: " (sentence(&look.shows)) }
                }
            }
        }
    }
}

/// Settings that matter here, and the arithmetic of the workers.
pub(super) fn settings(extras: &ReportExtras) -> Markup {
    html! {
        h3 { "Kernel settings that matter here" }
        @if extras.settings.is_empty() {
            p {
                @if extras.settings_known { "None: no setting that differs from its default matters for these findings." }
                @else { "Not known: this window has no record of the settings." }
            }
        }
        @for note in &extras.settings { (setting(note)) }
        h3 { "How many workers fit" }
        @if extras.workers.is_empty() {
            p { "No pre-fork service was seen: three or more children of a parent of the same name that hold half a percent of the memory, and whose size can be read." }
        }
        @for workers in &extras.workers { (fit(workers)) }
    }
}

fn setting(note: &SettingNote) -> Markup {
    let now: Vec<String> = note.evidence.iter().map(said).collect();
    html! {
        div.card {
            h4 { (name(&note.name)) " = " (name(&note.value)) }
            p { (sentence(&note.why)) }
            (command(&note.command))
            dl {
                dt { "Evidence" } dd { (cut(note.finding.as_str(), 60)) @if !now.is_empty() { ": " (cut(&now.join(", "), 200)) } }
                dt { "Sensible" } dd { (sentence(&note.sensible)) }
                dt { "Risk" } dd { (sentence(&note.risk)) }
                dt { "Undo" } dd { (command(&note.undo)) }
                dt { "Source" } dd { (sentence(&note.source)) }
            }
        }
    }
}

/// The verdict of the arithmetic in words.
pub(in crate::render) fn fit_words(workers: &Workers) -> String {
    let (fit, count) = (workers.fit_count, workers.count);
    match fit {
        fit if fit < count => format!("{fit} fit, and {count} run: {} too many", count - fit),
        fit if fit < count.saturating_add(count / 4) => {
            format!("{fit} fit, and {count} run: there is hardly room for more")
        }
        fit => format!("{fit} fit, and {count} run"),
    }
}

/// The sum in one line, so that anybody can do it again.
pub(in crate::render) fn sum_words(workers: &Workers) -> String {
    let bytes = |bytes: f64| human_bytes(bytes);
    let whose = workers.limited_by.as_ref().map_or_else(
        || "to be had (MemAvailable)".to_owned(),
        |group| format!("left below the limit of {}", cut(group, 60)),
    );
    format!(
        "({} {whose} + {} held by the {} workers − {} kept back, a tenth of it all) ÷ {} each = {}",
        bytes(workers.available_bytes),
        bytes(workers.held_bytes),
        workers.count,
        bytes(workers.reserve_bytes),
        bytes(workers.bytes_each),
        workers.fit_count
    )
}

fn fit(workers: &Workers) -> Markup {
    let each = if workers.own_known {
        "Each is what a worker has for itself (Private_Clean + Private_Dirty + SwapPss in smaps_rollup)"
    } else {
        "Each is the proportional size and the swap of a worker (Pss + SwapPss in smaps_rollup)"
    };
    html! {
        div.card {
            h4 { (name(&workers.comm)) @if let Some(unit) = &workers.unit { ", " (name(unit)) } ": " (fit_words(workers)) }
            p { (sum_words(workers)) }
            p.muted.small {
                (each) ": the mean of " (workers.measured_count) " of " (workers.count) " workers, without their parent. \
                With their part of what all share (Pss) it is " (human_bytes(workers.proportional_bytes)) "; the largest is "
                (human_bytes(workers.largest_bytes)) ", by which " (workers.fit_largest_count) " fit."
            }
            p.muted.small {
                "This is the bound of the memory alone: set the service to no more (pm.max_children, MaxRequestWorkers, \
                 workers), and to less where CPUs, connections or another service on the box are short first."
            }
        }
    }
}
