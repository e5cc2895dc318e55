//! Why: the flame graph, the hottest functions, the system calls and the waits of the offender.

use super::flame;
use super::words::{cut, name, sentence};
use crate::model::profile::{Frame, Profile, ProfileMode, ProfileWait, Space, Syscall};
use crate::model::report::Report;
use crate::model::units::{human_count, human_seconds, percent};
use crate::render::shared::THIN_PROFILE;
use maud::{Markup, html};

/// Lines of each table.
const LINES_MAX: usize = 12;

/// Characters of a function's name.
const SYMBOL_MAX: usize = 120;

/// All that the profile says.
pub(super) fn section(report: &Report) -> Markup {
    let why = report.verdict.culprit.as_ref().and_then(|culprit| culprit.why.as_ref());
    html! {
        @if let Some(why) = why { p { (sentence(why)) } }
        @match &report.profile {
            None => p.muted {
                "No profile. If one was asked for, the reason is under "
                a href="#not-checked" { "Not checked" } "."
            },
            Some(profile) => (profiled(profile)),
        }
    }
}

fn profiled(profile: &Profile) -> Markup {
    let what = match profile.mode {
        ProfileMode::OnCpu => "where its CPU time went",
        ProfileMode::Syscalls => "its system calls",
        ProfileMode::Waits => "what its threads waited for",
    };
    html! {
        p.muted {
            (name(&profile.comm)) @if let Some(pid) = profile.pid { " (pid " (pid) ")" } ": " (what) ", over "
            (human_seconds(profile.seconds))
            @if let Some(event) = profile.event {
                "; " (profile.samples_count) " samples of " (event.word()) " at " (profile.frequency_hertz) " Hz"
                @if profile.lost_count > 0 { ", " (profile.lost_count) " lost" }
            }
            "."
        }
        @if profile.is_thin() { p { strong { (format!("{} samples: {THIN_PROFILE}.", profile.samples_count)) } } }
        @if let Some(graph) = flame::graph(profile) { (graph) }
        @if !profile.frames.is_empty() { (frames(&profile.frames)) }
        @if !profile.syscalls.is_empty() { (syscalls(&profile.syscalls)) }
        @if !profile.waits.is_empty() { (waits(&profile.waits)) }
    }
}

fn frames(frames: &[Frame]) -> Markup {
    html! {
        section.scroll tabindex="0" aria-label="Table: hottest functions" {
            table {
                caption { "Hottest functions, share of the samples" }
                thead { tr { th scope="col" { "Function" } th scope="col" { "In" } th.n scope="col" { "Itself" } th.n scope="col" { "With all below" } } }
                tbody { @for frame in frames.iter().take(LINES_MAX) { tr {
                    th scope="row" { code { bdi { (cut(&frame.symbol, SYMBOL_MAX)) } }
                        @if let Some(reason) = &frame.unnamed_reason { span.cmd { (sentence(reason)) } } }
                    td { (name(frame.module.as_deref().unwrap_or("–"))) @if frame.space == Space::Kernel { " (kernel)" } }
                    td.n { (percent(frame.self_ratio)) }
                    td.n { (percent(frame.total_ratio)) }
                } } }
            }
        }
    }
}

fn syscalls(calls: &[Syscall]) -> Markup {
    let dash = || "–".to_owned();
    html! {
        section.scroll tabindex="0" aria-label="Table: system calls" {
            table {
                caption { "System calls" }
                thead { tr { th scope="col" { "Call" } th.n scope="col" { "Calls" } th.n scope="col" { "Failed" } th.n scope="col" { "CPU time" } th scope="col" { "Mostly about" } } }
                tbody { @for call in calls.iter().take(LINES_MAX) { tr {
                    th scope="row" { code { bdi { (cut(&call.name, 40)) } } }
                    td.n { (call.count.map_or_else(dash, |count| human_count(count as f64))) }
                    td.n { (call.errors_count.map_or_else(dash, |count| human_count(count as f64)))
                        @if let Some(error) = &call.error { " " (name(error)) } }
                    td.n { (call.cpu_ratio.map_or_else(dash, percent)) }
                    td { @if let Some(subject) = &call.subject { (name(subject)) } @else { "–" } }
                } } }
            }
        }
    }
}

fn waits(waits: &[ProfileWait]) -> Markup {
    html! {
        section.scroll tabindex="0" aria-label="Table: waits" {
            table {
                caption { "Where its threads spent their time" }
                thead { tr { th scope="col" { "State" } th.n scope="col" { "Share" } th.n scope="col" { "Time" } th scope="col" { "In" } th scope="col" { "About" } } }
                tbody { @for wait in waits.iter().take(LINES_MAX) { tr {
                    th scope="row" { (name(&wait.wait)) }
                    td.n { (percent(wait.ratio)) }
                    td.n { (human_seconds(wait.seconds)) }
                    td { code { bdi { (cut(wait.syscall.as_deref().or(wait.function.as_deref()).unwrap_or("–"), 60)) } } }
                    td { @if let Some(subject) = &wait.subject { (name(subject)) } @else { "–" } }
                } } }
            }
        }
    }
}
