//! What to do: each action with its evidence, what to expect of it, what it may break, how to take it back and how to
//! see whether it helped. Then settings, and how many workers fit.

use super::evidence::{goal, said};
use super::words::{command, cut, name, sentence};
use crate::model::finding::{Advice, Evidence, Finding, Remedy, Severity};
use crate::model::report::Report;
use crate::model::tuning::{ReportExtras, SettingNote, Workers};
use crate::model::units::{human_bytes, label, quantity};
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
        @if findings.is_empty() { p { "Nothing: no finding asks for anything." } }
        @for finding in &findings {
            h3 { "Against " (cut(finding.id.as_str(), 60)) }
            (measured(finding))
            ol.actions {
                @for advice in finding.advice.iter().take(ACTIONS_MAX) { li.card { (action(finding, advice)) } }
            }
            (check(finding))
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

fn action(finding: &Finding, advice: &Advice) -> Markup {
    html! {
        h4 { (sentence(&advice.action)) }
        p { span.tag { (advice.remedy.words()) } }
        @if let Some(text) = &advice.command { (command(text)) }
        dl {
            dt { "To expect" } dd { (expected(finding, advice)) }
            dt { "Risk" } dd { (sentence(risk(advice))) }
            dt { "Undo" } dd { @if let Some(undo) = &advice.undo { (command(undo)) } @else { (undone(advice)) } }
        }
    }
}

/// Whether the command only looks, so that the change itself is left to the reader.
fn looks(advice: &Advice) -> bool {
    advice.command.is_some() && advice.undo.is_none()
}

/// What to expect of it, as far as the numbers go.
fn expected(finding: &Finding, advice: &Advice) -> String {
    let how = match advice.remedy {
        Remedy::FixProgram => "the program asks for less",
        Remedy::Tune => "the same work waits less",
        Remedy::AddResource => "the same work finds more of what is short",
        Remedy::Distribute => "less of the work comes to this box",
    };
    let toward = bad(finding).first().and_then(|item| {
        let value = quantity(item.value?, item.unit);
        Some(format!(": {} goes from {value} towards {}", label(&item.metric), goal(item)?))
    });
    let first = if looks(advice) {
        "the command shows where to begin; what is then changed has this effect: "
    } else {
        ""
    };
    cut(&format!("{first}{how}{}", toward.unwrap_or_default()), 300)
}

/// What it may break; advice in words alone has the risk of its kind.
pub(in crate::render) fn risk(advice: &Advice) -> &str {
    match (&advice.risk, advice.remedy) {
        (Some(risk), _) => risk,
        (None, _) if looks(advice) => "none in looking",
        (None, Remedy::FixProgram) => "that of any new version: try it on one instance first",
        (None, Remedy::Tune) => "others may get less: change one thing at a time, and note what it was",
        (None, Remedy::AddResource) => "its price, and a restart where it cannot be added in operation",
        (None, Remedy::Distribute) => {
            "one more thing that can fail: the balancer must check the health of what is behind it"
        }
    }
}

fn undone(advice: &Advice) -> &'static str {
    match advice.remedy {
        _ if looks(advice) => "looking changes nothing",
        Remedy::FixProgram => "back to the version or the configuration of before",
        Remedy::Tune => "back to the value of before",
        Remedy::AddResource => "take it away again",
        Remedy::Distribute => "let the balancer send everything to this box again",
    }
}

/// How to see that it helped.
pub(in crate::render) fn worked(finding: &Finding) -> String {
    let bad = bad(finding);
    let goals = bad.iter().filter_map(|item| Some(format!("{} is {}", label(&item.metric), goal(item)?)));
    let goals: Vec<String> = goals.collect();
    if goals.is_empty() { format!("{} is found no more", finding.id) } else { goals.join(" and ") }
}

/// How to check afterwards.
fn check(finding: &Finding) -> Markup {
    html! {
        div.card.check {
            h4 { "Check afterwards" }
            p { "It worked when " (cut(&worked(finding), 300)) ", under the same work. Record a window before and one after:" }
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
                @if extras.settings_known { "None: no setting that differs from its default bears on what was found." }
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
