//! The answer on one screen: what it is, who, the proof, the path, what to do. `-v` has the rest.

mod actions;
mod foot;
mod head;
mod healthy;
mod rows;

use super::TextOptions;
use super::page::{Page, plain};
use super::{profile, target};
use crate::model::bottleneck::BottleneckId;
use crate::model::report::Report;
use crate::render::shared::columns;

/// Columns of a label with the space behind it: `Most CPU `.
const LABEL_WIDTH: usize = 9;

/// Rows of the process table, unless `--top` asks for more.
const ROWS: usize = 5;

/// Rows of the process table that must fit before a third action is shown.
const ROWS_MIN: usize = 3;

/// Rows of the profile and of the account of a target.
const PART_ROWS: usize = 4;

/// The text.
pub(super) fn render(report: &Report, options: &TextOptions) -> String {
    let head = block(options, |page| {
        head::write(page, report);
        if report.verdict.bottleneck == BottleneckId::None {
            healthy::write(page, report, options);
        } else {
            head::proof(page, report);
        }
    });
    let asked = block(options, |page| {
        let few = TextOptions { top: PART_ROWS, ..options.clone() };
        target::write_short(page, report, &few);
        profile::write_short(page, report, &few);
    });
    let foot = block(options, |page| foot::write(page, report));
    let fixed = [&head, &asked, &foot].into_iter().map(|text| lines(text)).sum::<usize>();
    let (actions, table) = fitting(report, options, options.lines.saturating_sub(fixed));
    // A healthy box has its hints there already.
    let foot = if report.verdict.bottleneck == BottleneckId::None && asked.is_empty() {
        return head + &foot;
    } else {
        foot
    };
    [head, asked, actions, table, foot]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Actions and processes within `room` lines: as many actions as leave place for the first rows, then rows.
fn fitting(report: &Report, options: &TextOptions, room: usize) -> (String, String) {
    let shown = rows::shown(report, options);
    // A target has its own table in place of the processes.
    let wanted = match () {
        () if report.target.is_some() || report.verdict.bottleneck == BottleneckId::None => 0,
        () if options.top == TextOptions::default().top => shown.len().min(ROWS),
        () => shown.len().min(options.top),
    };
    let mut chosen = String::new();
    for count in (1..=actions::SHOWN).rev() {
        chosen = block(options, |page| actions::write(page, report, count));
        if lines(&chosen) + table_lines(wanted.min(ROWS_MIN)) <= room {
            break;
        }
    }
    let left = room.saturating_sub(lines(&chosen) + table_lines(0));
    let asked_for_more = options.top != TextOptions::default().top;
    let count = if asked_for_more { wanted } else { wanted.min(left.max(1)) };
    let table = block(options, |page| rows::write(page, report, &shown[..count]));
    (chosen, table)
}

/// Lines of a table with its header and the blank line before it.
fn table_lines(rows: usize) -> usize {
    if rows == 0 { 2 } else { rows + 2 }
}

fn block(options: &TextOptions, write: impl FnOnce(&mut Page)) -> String {
    let mut page = Page::new(options.width, options.color);
    write(&mut page);
    page.into_text()
}

/// Lines of a block with the blank line after it.
fn lines(text: &str) -> usize {
    if text.is_empty() { 0 } else { text.matches('\n').count() + 1 }
}

/// A paragraph behind a label, all labels of the same width.
fn labelled(page: &mut Page, label: &str, spans: &[super::page::Span]) {
    let label = super::page::styled(page.palette.dim, &padded(label));
    page.paragraph(2, &label, spans);
}

/// The same, cut to one line.
fn labelled_line(page: &mut Page, label: &str, text: &str) {
    let room = page.width().saturating_sub(2 + LABEL_WIDTH);
    let text = crate::render::shared::shortened(text, room);
    labelled(page, label, &[plain(&text)]);
}

fn padded(label: &str) -> String {
    format!("{label}{}", " ".repeat(LABEL_WIDTH.saturating_sub(columns(label)).max(1)))
}
