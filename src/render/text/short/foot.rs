//! What was not checked, where and when, and where to read on.

use super::super::page::{Page, plain, styled};
use crate::model::bottleneck::BottleneckId;
use crate::model::report::{Report, WindowSource};
use crate::model::units::human_seconds;
use crate::render::shared::{moment, shortened};

/// Narrower than this the inputs that a verdict lacks may take several lines.
const NARROW: usize = 80;

/// Missing inputs of an unknown verdict that are listed.
const LISTED_MAX: usize = 4;

/// The last lines.
pub(super) fn write(page: &mut Page, report: &Report) {
    not_checked(page, report);
    if report.window.is_missing() {
        return;
    }
    let window = &report.window;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(report.host.hostname.clone());
    facts.push(match window.source {
        WindowSource::Live => {
            moment(&window.started_at).split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned())
        }
        _ => moment(&window.started_at),
    });
    facts.push(format!("{}{}", span(window.seconds), if window.interrupted { " (interrupted)" } else { "" }));
    facts.extend(window.age_seconds.map(|age| format!("{} ago", human_seconds(age))));
    if !report.diag.config_files.is_empty() {
        facts.push(format!("limits from {}", report.diag.config_files.join(", ")));
    }
    let meaning = match report.verdict.bottleneck {
        BottleneckId::None | BottleneckId::Unknown => String::new(),
        id => format!(" · meaning: diag explain {id}"),
    };
    let dim = page.palette.dim;
    let numbers = match window.source {
        WindowSource::Live if window.age_seconds.is_none() => "all numbers: diag -v",
        _ => "all numbers: add -v",
    };
    let text = format!("{} · {numbers}{meaning}", facts.join(", "));
    page.paragraph(0, &plain(""), &[styled(dim, &text)]);
}

/// `5 s`: without a decimal where there is none.
fn span(seconds: f64) -> String {
    if (seconds - seconds.round()).abs() < 0.05 && seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        human_seconds(seconds)
    }
}

/// How many things were not checked, and which of them bear on the verdict.
fn not_checked(page: &mut Page, report: &Report) {
    let count = report.not_checked.len();
    let verdict = &report.verdict;
    if verdict.bottleneck == BottleneckId::Unknown {
        for item in report.not_checked.iter().take(LISTED_MAX) {
            let unlock =
                item.unlock.as_ref().map(|unlock| format!(" (to unlock: {unlock})")).unwrap_or_default();
            let text = format!("{}: {}{unlock}", item.what, item.reason);
            page.paragraph(0, &plain("Not checked: "), &[plain(&text)]);
        }
        return;
    }
    let missing = verdict.missing_inputs.join("; ");
    let text = match (count, missing.is_empty()) {
        (0, true) => return,
        (0, false) => format!("Less sure: {missing}."),
        (1, true) => "Not checked: 1 thing; it does not make this verdict less sure.".to_owned(),
        (_, true) => format!("Not checked: {count} things; none makes this verdict less sure."),
        (1, false) => format!("Not checked: 1 thing. Less sure: {missing}."),
        (_, false) => format!("Not checked: {count} things. Less sure: {missing}."),
    };
    // One line, except on a narrow screen.
    let text = if page.width() < NARROW { text } else { shortened(&text, page.width()) };
    page.paragraph(0, &plain(""), &[plain(&text)]);
}
