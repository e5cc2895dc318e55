//! What to do now, and what later.

use super::super::page::{Page, plain, styled};
use crate::model::finding::Advice;
use crate::model::report::Report;
use crate::render::shared::{own_finding, shortened};

/// Actions that are shown in full.
pub(super) const SHOWN: usize = 3;

/// The first `count` actions with command and undo, the others in one line.
pub(super) fn write(page: &mut Page, report: &Report, count: usize) {
    let advice = own_finding(report).map_or(&[][..], |finding| &finding.advice);
    if advice.is_empty() {
        return;
    }
    page.heading("Do now");
    for (index, item) in advice.iter().take(count).enumerate() {
        write_one(page, index + 1, item);
    }
    let later: Vec<&str> = advice.iter().skip(count).map(|item| item.action.trim_end_matches('.')).collect();
    if !later.is_empty() {
        let line = shortened(&format!("Later: {}", later.join("; ")), page.width().saturating_sub(2));
        page.line(2, &[styled(page.palette.dim, &line)]);
    }
}

fn write_one(page: &mut Page, place: usize, advice: &Advice) {
    let dim = page.palette.dim;
    page.paragraph(0, &plain(&format!("  {place}. ")), &[plain(&advice.action)]);
    if let Some(command) = &advice.command {
        page.command(5, command);
    }
    for (word, text) in [("risk: ", &advice.risk), ("undo: ", &advice.undo)] {
        if let Some(text) = text {
            page.paragraph(5, &styled(dim, word), &[styled(dim, text)]);
        }
    }
}
