//! Where the process or unit that was asked for spent its time.

use super::TextOptions;
use super::page::{Page, plain};
use super::table;
use super::table::{Column, Kind};
use crate::model::report::Report;
use crate::model::target::{Target, TargetMember, TargetWait};
use crate::model::units;
use crate::model::wait::Wait;
use crate::render::shared::share;

/// Below this share a class gets no column of its own.
const COLUMN_RATIO: f64 = 0.005;

/// The sentence, the table of what its time went to, and its members.
pub(in crate::render) fn write(page: &mut Page, report: &Report, options: &TextOptions) {
    let Some(target) = &report.target else { return };
    page.heading("Where its time went");
    page.paragraph(2, &plain(""), &[plain(&target.summary)]);
    page.blank();
    table::write(page, 2, wait_columns(target), None);
    if target.members.len() > 1 {
        page.blank();
        table::write(page, 2, member_columns(target, options.top), None);
    }
}

/// The sentence and the table of what its time went to.
pub(in crate::render) fn write_short(page: &mut Page, report: &Report, options: &TextOptions) {
    let Some(target) = &report.target else { return };
    page.heading("Where its time went");
    page.paragraph(2, &plain(""), &[plain(&target.summary)]);
    let mut few = target.clone();
    few.waits.truncate(options.top);
    table::write_plain(page, 2, wait_columns(&few), None);
}

fn wait_columns(target: &Target) -> Vec<Column> {
    let cells = |cell: &dyn Fn(&TargetWait) -> String| target.waits.iter().map(cell).collect();
    vec![
        Column { title: "TIME %", rank: 0, kind: Kind::Number, cells: cells(&|wait| share(wait.ratio)) },
        Column {
            title: "TIME",
            rank: 2,
            kind: Kind::Number,
            cells: cells(&|wait| units::human_seconds(wait.seconds)),
        },
        Column {
            title: "SPENT",
            rank: 0,
            kind: Kind::Text(32),
            cells: cells(&|wait| wait.wait.word().to_owned()),
        },
        Column { title: "IN", rank: 1, kind: Kind::Rest(16), cells: cells(&functions) },
    ]
}

fn functions(wait: &TargetWait) -> String {
    let told: Vec<String> = wait
        .functions
        .iter()
        .map(|function| format!("{} {}", function.function, units::percent(function.ratio)))
        .collect();
    // One function that has all of it needs no number.
    match wait.functions.as_slice() {
        [only] if (only.ratio - wait.ratio).abs() < 0.0005 => only.function.clone(),
        _ => told.join(", "),
    }
}

fn member_columns(target: &Target, top: usize) -> Vec<Column> {
    let rows: Vec<&TargetMember> = target.members.iter().take(top).collect();
    let cells = |cell: &dyn Fn(&TargetMember) -> String| rows.iter().map(|row| cell(row)).collect();
    let mut columns = vec![
        Column { title: "PID", rank: 0, kind: Kind::Number, cells: cells(&|row| row.pid.to_string()) },
        Column {
            title: "TID",
            rank: 0,
            kind: Kind::Number,
            cells: cells(&|row| row.tid.map_or_else(String::new, |tid| tid.to_string())),
        },
        Column { title: "NAME", rank: 0, kind: Kind::Text(20), cells: cells(&|row| row.comm.clone()) },
        Column { title: "THR", rank: 9, kind: Kind::Number, cells: threads(&rows) },
    ];
    for (wait, title) in TITLES {
        let ratio =
            |row: &TargetMember| row.waits.iter().find(|share| share.wait == *wait).map_or(0.0, |s| s.ratio);
        if rows.iter().any(|row| ratio(row) >= COLUMN_RATIO) {
            let rank = if *wait == Wait::Asleep { 3 } else { 2 };
            columns.push(Column { title, rank, kind: Kind::Number, cells: cells(&|row| share(ratio(row))) });
        }
    }
    columns
}

/// How many threads each has; nothing where each is one.
fn threads(rows: &[&TargetMember]) -> Vec<String> {
    let one = rows.iter().all(|row| row.threads_count == 1);
    rows.iter().map(|row| if one { String::new() } else { row.threads_count.to_string() }).collect()
}

const TITLES: &[(Wait, &str)] = &[
    (Wait::Running, "RUN %"),
    (Wait::WaitingForCpu, "CPU-WAIT %"),
    (Wait::Throttled, "QUOTA %"),
    (Wait::Disk, "DISK %"),
    (Wait::Swap, "SWAP %"),
    (Wait::Memory, "MEM %"),
    (Wait::Lock, "LOCK %"),
    (Wait::Network, "NET %"),
    (Wait::Asleep, "ASLEEP %"),
    (Wait::Unknown, "? %"),
];
