//! What to do: each action with its evidence, what to expect of it, what it may break, how to take it back and how to
//! see whether it helped. Then settings, and how many workers fit.

use super::evidence::{beyond, goal, said};
use super::words::{command, cut, name, sentence};
use crate::model::finding::{Advice, Evidence, Finding, Remedy, Severity};
use crate::model::report::Report;
use crate::model::tuning::{Annex, SettingNote, Workers};
use crate::model::units::{human_bytes, percent};
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
pub(super) fn section(report: &Report, annex: &Annex) -> Markup {
    let findings = actionable(report);
    html! {
        @if findings.is_empty() { p { "Nothing: no finding asks for anything." } }
        @for finding in &findings {
            h3 { "Against " (cut(&finding.id, 60)) }
            (measured(finding))
            ol.actions {
                @for advice in finding.advice.iter().take(ACTIONS_MAX) { li.card { (action(finding, advice)) } }
            }
            (confirm(finding, annex))
        }
    }
}

fn bad(finding: &Finding) -> Vec<&Evidence> {
    finding.evidence.iter().filter(|item| beyond(item).is_some()).take(3).collect()
}

/// What the actions below rest on, and how to see that one of them helped.
fn measured(finding: &Finding) -> Markup {
    let bad = bad(finding);
    let now: Vec<String> = bad.iter().map(|item| said(item)).collect();
    html! {
        dl {
            dt { "Evidence" } dd { @if now.is_empty() { (sentence(&finding.summary)) } @else { (cut(&now.join(", "), 300)) } }
            dt { "It worked when" } dd { (worked(&bad)) }
        }
    }
}

fn action(finding: &Finding, advice: &Advice) -> Markup {
    html! {
        h4 { (sentence(&advice.action)) }
        p { span.tag { (advice.remedy.words()) } }
        @if let Some(text) = &advice.command { (command(text)) }
        dl {
            dt { "To expect" } dd { (expected(finding, advice.remedy)) }
            dt { "Risk" } dd { @if let Some(risk) = &advice.risk { (sentence(risk)) } @else { "none stated" } }
            dt { "Undo" } dd {
                @if let Some(undo) = &advice.undo { (command(undo)) } @else if advice.command.is_some() { "it changes nothing that lasts" }
                @else { "take the change back" }
            }
        }
    }
}

fn expected(finding: &Finding, remedy: Remedy) -> String {
    let how = match remedy {
        Remedy::FixProgram => "the demand itself gets less",
        Remedy::Tune => "the same work waits less",
        Remedy::AddResource => "the same work finds more of what is short",
        Remedy::Distribute => "less of the work comes to this box",
    };
    let impact = finding.impact_ratio;
    if impact.is_finite() && impact >= 0.01 {
        return format!(
            "{how}; at most {} of the time is won, which is what it costs now",
            percent(impact.min(1.0))
        );
    }
    how.to_owned()
}

fn worked(bad: &[&Evidence]) -> String {
    let goals: Vec<String> = bad
        .iter()
        .filter_map(|item| {
            Some(format!("{} is {}", crate::render::text_evidence::label(&item.metric), goal(item)?))
        })
        .collect();
    let goals = if goals.is_empty() { "this finding is gone".to_owned() } else { goals.join(" and ") };
    format!("{}; record before and after, and let diag report --compare say so", cut(&goals, 300))
}

/// How to look without this program.
fn confirm(finding: &Finding, annex: &Annex) -> Markup {
    let told = annex.explanations.iter().find(|told| told.id == finding.id);
    html! {
        @if let Some(told) = told.filter(|told| !told.confirm.is_empty()) {
            details open {
                summary { "See " (cut(&finding.id, 60)) " by hand, before and after" }
                @for look in &told.confirm {
                    (command(&look.command))
                    p.muted.small { "Shows: " (sentence(&look.shows)) }
                }
            }
        }
    }
}

/// Settings that matter here, and the arithmetic of the workers.
pub(super) fn settings(annex: &Annex) -> Markup {
    html! {
        h3 { "Kernel settings that matter here" }
        @if annex.settings.is_empty() {
            p {
                @if annex.settings_known { "None: no setting that differs from its default bears on what was found." }
                @else { "Not known: this window has no record of the settings." }
            }
        }
        @for note in &annex.settings { (setting(note)) }
        h3 { "How many workers fit" }
        @if annex.workers.is_empty() {
            p { "No service of three or more like workers whose proportional size (PSS) could be read." }
        }
        @for workers in &annex.workers { (fit(workers)) }
    }
}

fn setting(note: &SettingNote) -> Markup {
    html! {
        div.card {
            h4 { (name(&note.name)) " = " (name(&note.value)) }
            p { (sentence(&note.why)) }
            (command(&note.command))
            dl {
                dt { "Evidence" } dd { (cut(&note.finding, 60)) }
                dt { "Sensible" } dd { (sentence(&note.sensible)) }
                dt { "Risk" } dd { (sentence(&note.risk)) }
                dt { "Undo" } dd { (command(&note.undo)) }
            }
        }
    }
}

/// The verdict of the arithmetic in words.
pub(in crate::render) fn fit_words(workers: &Workers) -> String {
    let count = u64::from(workers.count);
    match workers.fit_count {
        fit if fit < count => format!("{fit} fit, and {count} run: {} too many", count - fit),
        fit if fit < count.saturating_add(count / 4) => {
            format!("{fit} fit, and {count} run: there is hardly room for more")
        }
        fit => format!("{fit} fit, and {count} run"),
    }
}

fn fit(workers: &Workers) -> Markup {
    let whose = if workers.limited { "below the limit of its control group" } else { "in the box" };
    html! {
        div.card {
            h4 { (name(&workers.comm)) @if let Some(unit) = &workers.unit { ", " (name(unit)) } ": " (fit_words(workers)) }
            p {
                "(" (human_bytes(workers.available_bytes)) " to be had " (whose) " + "
                (human_bytes(workers.held_bytes)) " that they hold − " (human_bytes(workers.reserve_bytes))
                " kept back) ÷ " (human_bytes(workers.bytes_each)) " each = " strong { (workers.fit_count) }
            }
            p.muted.small {
                "By the proportional size of " (workers.measured_count) " of " (workers.count)
                ": pages that they share count once in all, not once for each. Set the limit of the service to no more \
                 (pm.max_children, MaxRequestWorkers, workers), and less where it shares the box."
            }
        }
    }
}
