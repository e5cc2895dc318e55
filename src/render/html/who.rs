//! Who takes it: the culprit and the processes.

use super::words::{cut, name};
use super::{verdict, words};
use crate::model::report::{ProcessRow, Report};
use crate::model::units::{human_bytes, percent};
use maud::{Markup, html};

/// Processes that are shown.
const PROCESSES_MAX: usize = 20;

/// Characters of a command line.
const COMMAND_LINE_MAX: usize = 160;

/// Culprit and processes.
pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if let Some(culprit) = &report.verdict.culprit { p { (verdict::who(report, culprit)) "." } }
        @else { p { "No culprit." } }
        @if let Some(target) = &report.target { p { (words::sentence(&target.summary)) } }
        @if report.processes.is_empty() { p { "No process could be read." } } @else { (table(&report.processes)) }
    }
}

fn table(rows: &[ProcessRow]) -> Markup {
    let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| human_bytes(value as f64));
    let rate = |value: Option<f64>| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{}/s", human_bytes(value)))
    };
    html! {
        section.scroll tabindex="0" aria-label="Table: processes" {
            table.wide {
                caption { "The first processes by the resource that is short. A dash: could not be read." }
                thead { tr {
                    th scope="col" { "Process" } th scope="col" { "User, unit" } th.n scope="col" { "CPU" }
                    th.n scope="col" { "Waits for a CPU" } th.n scope="col" { "Memory" } th.n scope="col" { "Swapped" }
                    th.n scope="col" { "Reads" } th.n scope="col" { "Writes" }
                } }
                tbody { @for row in rows.iter().take(PROCESSES_MAX) { tr {
                    th scope="row" {
                        (name(&row.comm)) " " span.muted { (row.pid) " " (cut(&row.state, 4)) }
                        @if let Some(line) = row.cmdline.as_deref().filter(|line| !line.is_empty() && *line != row.comm) {
                            span.cmd { bdi { (cut(line, COMMAND_LINE_MAX)) } }
                        }
                    }
                    td { (name(row.user.as_deref().unwrap_or("–"))) @if let Some(unit) = &row.unit { span.cmd { (name(unit)) } } }
                    td.n { (percent(row.cpu_ratio)) }
                    td.n { (row.run_delay_ratio.map_or_else(|| "–".to_owned(), percent)) }
                    td.n { (human_bytes(row.pss_bytes.unwrap_or(row.rss_bytes) as f64)) @if row.pss_bytes.is_none() { " resident" } }
                    td.n { (bytes(row.swap_bytes)) }
                    td.n { (rate(row.read_bytes_per_second)) }
                    td.n { (rate(row.write_bytes_per_second)) }
                } } }
            }
        }
    }
}
