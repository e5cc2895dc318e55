//! All that was found, each under what explains it.

use super::evidence;
use super::page::{Page, plain, styled};
use super::verdict::severity_style;
use crate::model::finding::{Evidence, Finding, Role, Severity, Suspect};
use crate::model::report::Report;
use crate::model::units;

/// Victims beyond these are left to the JSON.
const SUSPECTS_SHOWN: usize = 3;

/// Deeper chains than this are indented no further, so that a narrow screen has room for words.
const DEEPEST_INDENT: usize = 3;

/// The findings as a tree, the most severe first.
pub(in crate::render) fn write(page: &mut Page, report: &Report) {
    // Events before the window have a section of their own.
    let is_news =
        |index: &usize| report.news.iter().any(|news| news.summary == report.findings[*index].summary);
    let mut order: Vec<usize> = (0..report.findings.len()).filter(|index| !is_news(index)).collect();
    // Stable: among equals the order of the diagnosis holds, the verdict's own finding in front.
    order.sort_by_key(|index| {
        let finding = &report.findings[*index];
        (finding.id != report.verdict.bottleneck, std::cmp::Reverse(finding.severity))
    });
    let mut tree = Tree { report, order, written: vec![false; report.findings.len()] };
    if !tree.order.is_empty() {
        page.heading("Findings");
    }
    tree.write_roots(page);
    // What is left explains itself in a circle, which no rule should do; it is shown all the same.
    for index in tree.order.clone() {
        tree.write_below(page, index, 0);
    }
}

struct Tree<'a> {
    report: &'a Report,
    order: Vec<usize>,
    written: Vec<bool>,
}

impl Tree<'_> {
    fn write_roots(&mut self, page: &mut Page) {
        for index in self.order.clone() {
            let cause = self.report.findings[index].explained_by;
            if !cause.is_some_and(|id| self.report.findings.iter().any(|finding| finding.id == id)) {
                self.write_below(page, index, 0);
            }
        }
    }

    fn write_below(&mut self, page: &mut Page, index: usize, depth: usize) {
        if std::mem::replace(&mut self.written[index], true) {
            return;
        }
        let finding = &self.report.findings[index];
        write_one(page, finding, self.report, depth);
        for child in self.order.clone() {
            if self.report.findings[child].explained_by == Some(finding.id) {
                self.write_below(page, child, depth + 1);
            }
        }
    }
}

fn write_one(page: &mut Page, finding: &Finding, report: &Report, depth: usize) {
    let dim = page.palette.dim;
    let indent = 2 + 2 * depth.min(DEEPEST_INDENT);
    let inner = indent + 2;
    let is_verdict = depth == 0 && finding.id == report.verdict.bottleneck;
    let mut spans = vec![
        styled(severity_style(page, finding.severity), finding.severity.word()),
        plain(" "),
        styled(page.palette.strong, finding.id.as_str()),
        plain(&format!(" ({:.2})", finding.confidence_ratio)),
    ];
    if let Some(cause) = &finding.explained_by {
        spans.push(styled(dim, &format!(", explained by {cause}")));
    }
    page.paragraph(indent, &plain(if depth > 0 { "└ " } else { "" }), &spans);
    // The verdict has said it at the top.
    if !is_verdict || finding.summary != report.verdict.summary {
        page.paragraph(inner, &plain(""), &[plain(&finding.summary)]);
    }
    if finding.severity > Severity::Info {
        // A zero without a limit proves nothing.
        let told = |item: &&Evidence| item.value != Some(0.0) || item.warning.or(item.critical).is_some();
        let evidence: Vec<Evidence> = finding.evidence.iter().filter(told).cloned().collect();
        evidence::write(page, inner + 2, &evidence);
    }
    for against in &finding.against {
        page.paragraph(inner, &styled(dim, "against: "), &[plain(against)]);
    }
    for (label, role) in [("taken by: ", Role::Offender), ("waiting: ", Role::Victim)] {
        let names = suspects(&finding.suspects, role);
        if !names.is_empty() {
            page.paragraph(inner, &styled(dim, label), &[plain(&names)]);
        }
    }
    if let Some(advice) = finding.advice.first().filter(|_| !is_verdict && finding.explained_by.is_none()) {
        page.paragraph(inner, &styled(dim, "do: "), &[plain(&advice.action)]);
    }
}

fn suspects(suspects: &[Suspect], role: Role) -> String {
    let of_role: Vec<&Suspect> = suspects.iter().filter(|suspect| suspect.role == role).collect();
    let mut names: Vec<String> = of_role.iter().take(SUSPECTS_SHOWN).map(|suspect| name(suspect)).collect();
    if of_role.len() > SUSPECTS_SHOWN {
        names.push(format!("{} more", of_role.len() - SUSPECTS_SHOWN));
    }
    names.join(", ")
}

fn name(suspect: &Suspect) -> String {
    let mut name = suspect.comm.clone();
    match (suspect.members_count, suspect.pid) {
        (0 | 1, Some(pid)) => name.push_str(&format!(" (pid {pid})")),
        (0 | 1, None) => {}
        (count, _) => name.push_str(&format!(" ({count} processes)")),
    }
    if let Some(share) = suspect.share_ratio {
        name.push_str(&format!(" {}", units::percent(share)));
    }
    name
}
