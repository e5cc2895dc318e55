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
    let later: Vec<String> = advice.iter().skip(count).map(|item| brief(&item.action)).collect();
    if !later.is_empty() {
        let line = shortened(&format!("Later: {}", later.join("; ")), page.width().saturating_sub(2));
        page.line(2, &[styled(page.palette.dim, &line)]);
    }
}

/// The first clause of an action, to stand in a list.
fn brief(action: &str) -> String {
    let ends = [": ", "; ", ". "].iter().filter_map(|end| action.find(end)).min();
    let clause = action[..ends.unwrap_or(action.len())].trim_end_matches('.');
    let mut letters = clause.chars();
    match (letters.next(), letters.next()) {
        // `OOMScoreAdjust` and `I/O` keep their capitals.
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(clause.chars().skip(1)).collect()
        }
        _ => clause.to_owned(),
    }
}

fn write_one(page: &mut Page, place: usize, advice: &Advice) {
    let dim = page.palette.dim;
    page.paragraph(0, &plain(&format!("  {place}. ")), &[plain(&advice.action)]);
    if let Some(command) = &advice.command {
        page.command(5, command);
    }
    // Reading has no risk, and words alone are no command.
    let risk = advice.risk.as_ref().filter(|_| advice.kind.is_risky());
    for (word, text) in [("risk: ", risk), ("undo: ", advice.undo.as_ref())] {
        if let Some(text) = text {
            page.paragraph(5, &styled(dim, word), &[styled(dim, text)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn an_action_in_a_list_is_its_first_clause() {
        assert_eq!(brief("Spread the work: more servers behind a balancer."), "spread the work");
        assert_eq!(brief("Add memory. Do not switch swap off."), "add memory");
        assert_eq!(brief("I/O limits of the unit"), "I/O limits of the unit");
        assert_eq!(brief(""), "");
    }
}
