//! Numbers beside their limits.

use super::page::{Page, Span, plain, styled};
use crate::model::finding::{Evidence, Severity};
use crate::model::units::{label, quantity};
use crate::render::escape;
use crate::render::shared::columns;
use anstyle::Style;

/// One line of evidence, not laid out yet.
struct Row {
    label: String,
    value: String,
    limits: String,
    source: String,
    style: Style,
    /// Where the limits come from, when they are not the program's own.
    set: Option<String>,
}

/// Writes `evidence`, aligned where the width allows it.
pub(in crate::render) fn write(page: &mut Page, indent: usize, evidence: &[Evidence]) {
    let rows: Vec<Row> = evidence.iter().map(|item| row(page, item)).collect();
    let widest = |text: fn(&Row) -> &String| rows.iter().map(|row| columns(text(row))).max().unwrap_or(0);
    let (label, value) = (widest(|row| &row.label), widest(|row| &row.value));
    let (limits, source) = (widest(|row| &row.limits), widest(|row| &row.source));
    let without_source = indent + label + 2 + value + if limits > 0 { 2 + limits } else { 0 };
    let room_for_source = page.width().saturating_sub(without_source + 2);
    if without_source > page.width() {
        for row in &rows {
            write_wrapped(page, indent, row);
            write_set(page, indent, row);
        }
        write_sources(page, indent, &rows);
        return;
    }
    let dim = page.palette.dim;
    // All sources beside their numbers, or all below: half a source is of no use.
    let beside = room_for_source >= source;
    for row in &rows {
        let mut spans = vec![
            plain(&padded(&row.label, label, false)),
            plain("  "),
            styled(row.style, &padded(&row.value, value, true)),
            plain(&gap(limits)),
            plain(&padded(&row.limits, limits, false)),
        ];
        if beside {
            spans.extend([plain("  "), styled(dim, &row.source)]);
        }
        page.line(indent, &spans);
        write_set(page, indent, row);
    }
    if !beside {
        write_sources(page, indent, &rows);
    }
}

/// The sources of all rows, each once.
fn write_sources(page: &mut Page, indent: usize, rows: &[Row]) {
    let dim = page.palette.dim;
    let mut sources: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.source.is_empty()) {
        if !sources.contains(&row.source.as_str()) {
            sources.push(&row.source);
        }
    }
    if !sources.is_empty() {
        page.paragraph(indent, &styled(dim, "from "), &[styled(dim, &sources.join("; "))]);
    }
}

/// A limit from a configuration file, and its default: a surprising verdict may come from it.
fn write_set(page: &mut Page, indent: usize, row: &Row) {
    if let Some(set) = &row.set {
        let dim = page.palette.dim;
        page.paragraph(indent + 2, &plain(""), &[styled(dim, set)]);
    }
}

fn gap(width: usize) -> String {
    " ".repeat(if width > 0 { 2 } else { 0 })
}

fn write_wrapped(page: &mut Page, indent: usize, row: &Row) {
    let mut spans: Vec<Span> = vec![plain(&row.label), plain(" "), styled(row.style, &row.value)];
    if !row.limits.is_empty() {
        spans.push(plain(&format!(" ({})", row.limits)));
    }
    page.paragraph(indent, &plain(""), &spans);
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(columns(text)));
    if right { space + text } else { text.to_owned() + &space }
}

fn row(page: &Page, evidence: &Evidence) -> Row {
    let said = |limit: Option<f64>| limit.map(|limit| quantity(limit, evidence.unit));
    let limits = match (said(evidence.warning), said(evidence.critical)) {
        (Some(warning), Some(critical)) => format!("warning {warning}, critical {critical}"),
        (Some(warning), None) => format!("warning {warning}"),
        (None, Some(critical)) => format!("critical {critical}"),
        (None, None) => String::new(),
    };
    Row {
        label: escape::terminal(&label(&evidence.metric)).into_owned(),
        value: evidence.value.map_or_else(|| "unknown".to_owned(), |value| quantity(value, evidence.unit)),
        limits,
        // Escaped before it is measured.
        source: escape::terminal(&evidence.source).into_owned(),
        style: style(page, evidence),
        set: evidence
            .threshold_source
            .as_deref()
            .filter(|_| evidence.threshold_changed)
            .map(|source| escape::terminal(source).into_owned()),
    }
}

fn style(page: &Page, evidence: &Evidence) -> Style {
    if evidence.value.is_none() {
        return page.palette.dim;
    }
    match evidence.beyond() {
        Some(Severity::Critical) => page.palette.critical,
        Some(_) => page.palette.warning,
        None => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::Unit;

    #[test]
    fn a_limit_from_below_is_read_from_below() {
        let page = Page::new(80, true);
        let free = |value| Evidence {
            metric: "memory_available_ratio".to_owned(),
            value: Some(value),
            unit: Unit::Ratio,
            warning: Some(0.1),
            critical: Some(0.05),
            source: "/proc/meminfo".to_owned(),
            threshold_source: None,
            threshold_changed: false,
        };
        assert_eq!(style(&page, &free(0.5)), Style::new());
        assert_eq!(style(&page, &free(0.07)), page.palette.warning);
        assert_eq!(style(&page, &free(0.01)), page.palette.critical);
    }
}
