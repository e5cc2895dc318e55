//! The tuning report: one HTML file that needs nothing else. No script, no request, and a policy in its head that
//! forbids both; colours for light, dark and paper; wide enough for a desk and narrow enough for a telephone.
//!
//! Every word passes `words`, which makes visible what would act on a terminal or turn the text around, and then
//! maud, which escapes it for HTML and for the pictures alike.

mod advice;
mod bars;
mod chart;
mod compare;
mod evidence;
mod flame;
mod page;
mod path;
mod rest;
mod verdict;
mod who;
mod why;
mod window;
mod words;

pub(super) use advice::{actionable, check, fit_words, sum_words};
pub(super) use compare::change;

use crate::model::comparison::Comparison;
use crate::model::report::Report;
use crate::model::tuning::ReportExtras;
use maud::{Markup, html};

/// The report of one window.
pub fn render(report: &Report, extras: &ReportExtras) -> String {
    let sections: Vec<(&str, &str, Markup)> = vec![
        ("path", "Where the time went", path::section(report, extras)),
        ("do", "What to do", advice::section(report, extras)),
        ("who", "Who", who::section(report)),
        ("why", "Why", why::section(report)),
        ("window", "The window", window::section(report, extras)),
        ("settings", "Settings and sizes", advice::settings(extras)),
        ("findings", "All findings", evidence::section(report)),
        ("harmless", "Looked bad, is not", rest::harmless(report)),
        ("not-checked", "Not checked", rest::not_checked(report)),
        ("facts", "The box", rest::facts(report, extras)),
    ];
    let host = report.host.hostname.as_deref().unwrap_or("a box without a name");
    page::page(
        &format!("{}: {}", words::cut(host, 40), report.verdict.bottleneck),
        html! { (verdict::header(report)) },
        &sections,
        &report.diag.version,
    )
}

/// Two windows side by side.
pub fn compare(comparison: &Comparison) -> String {
    let sections: Vec<(&str, &str, Markup)> = vec![
        ("numbers", "The numbers", compare::numbers(comparison)),
        ("changed", "The findings", compare::findings(comparison)),
        ("before", "Before", compare::side(&comparison.before)),
        ("after", "After", compare::side(&comparison.after)),
    ];
    let host = comparison.after.host.hostname.as_deref().unwrap_or("a box without a name");
    page::page(
        &format!("{}: {}", words::cut(host, 40), comparison.outcome.word()),
        compare::header(comparison),
        &sections,
        &comparison.after.diag.version,
    )
}

#[cfg(test)]
mod tests;
