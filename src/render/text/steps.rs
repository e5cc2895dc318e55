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
        write_one(page, step);
    }
}

/// One step: question, answer, numbers, and where it goes.
pub(in crate::render) fn write_one(page: &mut Page, step: &Step) {
    let dim = page.palette.dim;
    let strong = page.palette.strong;
    let label = styled(strong, &format!("  {}. ", place(step.step)));
    page.paragraph(0, &label, &[styled(strong, &step.question)]);
    page.paragraph(5, &plain(""), &[styled(strong, &step.answer), plain(": "), plain(&step.summary)]);
    evidence::write(page, 7, &step.evidence);
    if let Some(next) = step.next {
        let text = format!("step {}, {}", place(next), subject(next));
        page.paragraph(5, &styled(dim, "→ "), &[styled(dim, &text)]);
    }
}

/// The two branches share a number: a run takes one of them, or both.
fn place(step: StepId) -> u8 {
    match step {
        StepId::LoadAverage => 1,
        StepId::CpuOrIo => 2,
        StepId::UserOrSystem | StepId::SwapOrDisk => 3,
        StepId::Who => 4,
        StepId::Why => 5,
    }
}

fn subject(step: StepId) -> &'static str {
    match step {
        StepId::LoadAverage => "load average",
        StepId::CpuOrIo => "CPU or I/O",
        StepId::UserOrSystem => "user or system",
        StepId::SwapOrDisk => "swap or disk",
        StepId::Who => "who",
        StepId::Why => "why",
    }
}
