//! A few processes, with the columns that the order calls for.

use super::super::TextOptions;
use super::super::page::Page;
use super::super::table::{self, Column, Kind};
use crate::model::bottleneck::Sort;
use crate::model::report::{ProcessRow, Report};
use crate::model::units::human_bytes;
use crate::render::shared::share;

/// Below this share of the resource a process gets no row.
const SHARE_MIN: f64 = 0.01;

/// The rows worth showing, in the order of the report: those with a share of the resource, the culprit, and the one
/// that was asked for.
pub(super) fn shown<'a>(report: &'a Report, options: &TextOptions) -> Vec<&'a ProcessRow> {
    let sort = report.processes_order;
    let culprit = report.verdict.culprit.as_ref().and_then(|culprit| culprit.pid);
    let total: f64 = match sort {
        Sort::Cpu | Sort::Wait => 1.0,
        Sort::Memory => report.host.memory_total_bytes.map_or(0.0, |bytes| bytes as f64),
        Sort::Io => report.processes.iter().map(io).sum(),
    };
    let worth = |row: &&ProcessRow| {
        let amount = match sort {
            Sort::Cpu => row.cpu_ratio.max(row.run_delay_ratio.unwrap_or(0.0)),
            Sort::Memory => memory(row),
            Sort::Io => io(row),
            Sort::Wait if row.state == "D" => 1.0,
            Sort::Wait => row.run_delay_ratio.unwrap_or(0.0),
        };
        amount > 0.0 && amount >= SHARE_MIN * total
            || Some(row.pid) == culprit
            || Some(row.pid) == options.pid
    };
    report.processes.iter().filter(worth).collect()
}

fn io(row: &ProcessRow) -> f64 {
    row.read_bytes_per_second.unwrap_or(0.0) + row.write_bytes_per_second.unwrap_or(0.0)
}

fn memory(row: &ProcessRow) -> f64 {
    row.pss_bytes.unwrap_or(row.rss_bytes) as f64 + row.swap_bytes.unwrap_or(0) as f64
}

/// The table of `rows`.
pub(super) fn write(page: &mut Page, report: &Report, rows: &[&ProcessRow]) {
    if rows.is_empty() {
        return;
    }
    let mut columns = match report.processes_order {
        Sort::Cpu => vec![
            column("CPU %", 0, rows, |row| Some(share(row.cpu_ratio))),
            column("WAIT %", 2, rows, |row| row.run_delay_ratio.map(share)),
        ],
        Sort::Memory => vec![
            column("MEMORY", 0, rows, |row| Some(human_bytes(row.pss_bytes.unwrap_or(row.rss_bytes) as f64))),
            column("SWAPPED", 2, rows, |row| row.swap_bytes.map(|bytes| human_bytes(bytes as f64))),
        ],
        Sort::Io => vec![
            column("READ/s", 0, rows, |row| row.read_bytes_per_second.map(human_bytes)),
            column("WRITE/s", 0, rows, |row| row.write_bytes_per_second.map(human_bytes)),
        ],
        Sort::Wait => vec![
            Column {
                title: "S",
                rank: 0,
                kind: Kind::Text(2),
                cells: rows.iter().map(|row| row.state.clone()).collect(),
            },
            column("WAIT %", 2, rows, |row| row.run_delay_ratio.map(share)),
            Column {
                title: "WAITS IN",
                rank: 3,
                kind: Kind::Text(20),
                cells: rows.iter().map(|row| row.wait_channel.clone().unwrap_or_default()).collect(),
            },
        ],
    };
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    columns.push(column("PID", 0, rows, |row| Some(row.pid.to_string())));
    columns.push(Column {
        title: "USER",
        rank: 1,
        kind: Kind::Text(12),
        cells: rows.iter().map(|row| known(&row.user)).collect(),
    });
    columns.push(Column {
        title: "COMMAND",
        rank: 0,
        kind: Kind::Rest(8),
        cells: rows.iter().map(|row| command(row)).collect(),
    });
    let culprit = report.verdict.culprit.as_ref().and_then(|culprit| culprit.pid);
    table::write_plain(page, 2, columns, rows.iter().position(|row| Some(row.pid) == culprit));
}

fn command(row: &ProcessRow) -> String {
    row.cmdline.as_ref().filter(|line| !line.is_empty()).unwrap_or(&row.comm).clone()
}

/// A column of numbers; an unknown number is a question mark.
fn column(
    title: &'static str,
    rank: u8,
    rows: &[&ProcessRow],
    cell: impl Fn(&ProcessRow) -> Option<String>,
) -> Column {
    let cells = rows.iter().map(|row| cell(row).unwrap_or_else(|| "?".to_owned())).collect();
    Column { title, rank, kind: Kind::Number, cells }
}
