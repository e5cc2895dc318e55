//! The way to the answer: the numbered steps.

use super::evidence;
use super::page::{Page, plain, styled};
use crate::model::finding::{Step, StepId};

/// All steps, in the order in which they were walked.
pub(in crate::render) fn write(page: &mut Page, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    page.heading("How diag got there");
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        write_one(page, index + 1, step);
    }
}

/// One step: question, answer, numbers, and where it goes.
pub(in crate::render) fn write_one(page: &mut Page, number: usize, step: &Step) {
    let dim = page.palette.dim;
    let strong = page.palette.strong;
    let label = styled(strong, &format!("  {number}. "));
    page.paragraph(0, &label, &[styled(strong, &step.question)]);
    // A summary that begins with the answer does not need it twice.
    let answer = styled(strong, &step.answer);
    let summary = step.summary.to_string();
    match summary.strip_prefix(&step.answer.to_string()) {
        Some(rest) => page.paragraph(5, &plain(""), &[answer, plain(rest)]),
        None => page.paragraph(5, &plain(""), &[answer, plain(": "), plain(&step.summary)]),
    }
    evidence::write(page, 7, &step.evidence);
    if let Some(next) = step.next {
        let text = format!("step {}, {}", number + 1, subject(next));
        page.paragraph(5, &styled(dim, "→ "), &[styled(dim, &text)]);
    }
}

fn subject(step: StepId) -> &'static str {
    match step {
        StepId::LoadAverage => "load average",
        StepId::CpuOrIo => "CPU or I/O",
        StepId::UserOrSystem => "user or system",
        StepId::SwapOrDisk => "swap or disk",
        StepId::LimitsAndErrors => "limits and errors",
        StepId::Who => "who",
        StepId::Why => "why",
    }
}
