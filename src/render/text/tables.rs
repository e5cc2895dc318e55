//! What the load is made of, and who runs.

use super::TextOptions;
use super::page::{Page, plain};
use super::table;
use super::table::{Column, Kind};
use crate::model::bottleneck::Sort;
use crate::model::memory_account::MemoryAccount;
use crate::model::report::{Load, LoadGroup, ProcessRow, Report};
use crate::model::units;
use crate::model::units::number;
use crate::render::memory;
use crate::render::shared::share;

/// The load average and its parts.
pub(in crate::render) fn load(page: &mut Page, load: &Load, options: &TextOptions) {
    // A kept verdict that no longer holds has none: absent is not zero.
    let known = load.load1.is_some() || !load.groups.is_empty() || load.running_mean > 0.0;
    if !known {
        return;
    }
    let averages = [load.load1, load.load5, load.load15]
        .map(|value| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.2}")));
    page.heading(&format!("What the load of {} is made of", averages.join(" ")));
    let groups = shown_groups(&load.groups, options.top);
    if !groups.is_empty() {
        let text =
            |get: fn(&LoadGroup) -> Option<&str>| cells(&groups, |group| get(group).unwrap_or("").to_owned());
        let columns = vec![
            Column {
                title: "MEAN",
                rank: 0,
                kind: Kind::Number,
                cells: cells(&groups, |group| format!("{:.2}", group.mean)),
            },
            Column { title: "S", rank: 0, kind: Kind::Text(4), cells: text(|group| Some(&group.state)) },
            Column {
                title: "NAME",
                rank: 0,
                kind: Kind::Text(24),
                cells: text(|group| Some(group.comm.as_deref().unwrap_or("(not named)"))),
            },
            Column {
                title: "WAITS FOR",
                rank: 1,
                kind: Kind::Text(24),
                cells: text(|group| group.wait_reason.as_deref()),
            },
            Column {
                title: "UNIT",
                rank: 2,
                kind: Kind::Rest(12),
                cells: text(|group| group.unit.as_deref()),
            },
        ];
        page.blank();
        table::write(page, 2, columns, None);
    }
}

/// All of the memory, part by part.
pub(in crate::render) fn memory(page: &mut Page, account: Option<&MemoryAccount>) {
    let Some(account) = account else { return };
    let rows = memory::rows(account);
    page.heading(&format!("Where the {} of memory are", units::human_bytes(account.total_bytes as f64)));
    page.blank();
    let columns = vec![
        Column {
            title: "SIZE",
            rank: 0,
            kind: Kind::Number,
            cells: rows.iter().map(|row| units::human_bytes(row.bytes as f64)).collect(),
        },
        Column {
            title: "%",
            rank: 2,
            kind: Kind::Number,
            cells: rows.iter().map(|row| share(row.ratio(account))).collect(),
        },
        Column {
            title: "OF NO PROCESS",
            rank: 1,
            kind: Kind::Number,
            cells: rows.iter().map(|row| unowned(row.unowned_bytes)).collect(),
        },
        Column {
            title: "WHAT",
            rank: 0,
            kind: Kind::Rest(12),
            cells: rows.iter().map(|row| row.label.clone()).collect(),
        },
    ];
    table::write(page, 2, columns, None);
    if let Some(caches) = memory::caches(account) {
        page.paragraph(2, &plain(""), &[plain(&caches)]);
    }
}

fn unowned(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { units::human_bytes(bytes as f64) }
}

/// The largest groups, and one line for the rest of each state, so that the parts still add up.
fn shown_groups(groups: &[LoadGroup], top: usize) -> Vec<LoadGroup> {
    let mut sorted = groups.to_vec();
    sorted.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let rest = sorted.split_off(top.min(sorted.len()));
    let mut states: Vec<&str> = rest.iter().map(|group| group.state.as_str()).collect();
    states.sort_unstable();
    states.dedup();
    for state in states {
        let parts: Vec<&LoadGroup> = rest.iter().filter(|group| group.state == state).collect();
        sorted.push(LoadGroup {
            state: state.to_owned(),
            comm: Some(format!("({} more)", parts.len())),
            unit: None,
            wait_reason: None,
            mean: parts.iter().map(|group| group.mean).sum(),
        });
    }
    sorted
}

/// The process table.
pub(in crate::render) fn processes(page: &mut Page, report: &Report, options: &TextOptions) {
    let beyond_top = report.processes.iter().skip(options.top).filter(|row| Some(row.pid) == options.pid);
    let rows: Vec<&ProcessRow> = report.processes.iter().take(options.top).chain(beyond_top).collect();
    if rows.is_empty() {
        return;
    }
    page.heading(match options.sort {
        Sort::Cpu => "Processes, by CPU time",
        Sort::Memory => "Processes, by memory",
        Sort::Io => "Processes, by I/O",
        Sort::Wait => "Processes, by waiting",
    });
    let mut columns = process_columns(&rows);
    for column in &mut columns {
        if asked_for(options.sort).contains(&column.title) {
            column.rank = 1;
        }
    }
    let culprit = report.verdict.culprit.as_ref().and_then(|culprit| culprit.pid);
    let marked = rows.iter().position(|row| Some(row.pid) == culprit);
    table::write(page, 2, columns, marked);
}

/// The columns that a sort key makes worth more than the others.
fn asked_for(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Cpu => &["CPU %"],
        Sort::Memory => &["RSS", "PSS", "SWAP"],
        Sort::Io => &["READ/s", "WRITE/s"],
        Sort::Wait => &["WAIT %", "S", "WAITS IN"],
    }
}

fn process_columns(rows: &[&ProcessRow]) -> Vec<Column> {
    let numeric = |title, rank, cell: fn(&ProcessRow) -> String| Column {
        title,
        rank,
        kind: Kind::Number,
        cells: cells(rows, |row| cell(row)),
    };
    let text = |title, rank, kind, cell: fn(&ProcessRow) -> Option<&str>| Column {
        title,
        rank,
        kind,
        cells: cells(rows, |row| cell(row).unwrap_or("").to_owned()),
    };
    vec![
        numeric("PID", 0, |row| row.pid.to_string()),
        text("USER", 4, Kind::Text(12), |row| row.user.as_deref()),
        text("S", 7, Kind::Text(2), |row| Some(&row.state)),
        unless_zero(numeric("NI", 10, |row| row.nice.to_string())),
        unless_zero(numeric("THR", 9, |row| row.threads_count.to_string())),
        numeric("CPU %", 1, |row| share(row.cpu_ratio)),
        numeric("USR %", 9, |row| share(row.user_ratio)),
        numeric("SYS %", 9, |row| share(row.system_ratio)),
        numeric("WAIT %", 3, |row| known(row.run_delay_ratio, share)),
        numeric("RSS", 2, |row| size(row.rss_bytes as f64)),
        unless_zero(numeric("PSS", 8, |row| {
            row.pss_bytes.map_or_else(String::new, |bytes| size(bytes as f64))
        })),
        unless_zero(numeric("SWAP", 6, |row| known(row.swap_bytes, |bytes| size(bytes as f64)))),
        unless_zero(numeric("READ/s", 5, |row| known(row.read_bytes_per_second, size))),
        unless_zero(numeric("WRITE/s", 5, |row| known(row.write_bytes_per_second, size))),
        unless_zero(numeric("MAJFL/s", 8, |row| number(row.major_faults_per_second))),
        text("NAME", 0, Kind::Text(20), |row| Some(&row.comm)),
        text("WAITS IN", 9, Kind::Text(20), |row| row.wait_channel.as_deref()),
        text("UNIT", 8, Kind::Text(24), |row| row.unit.as_deref()),
        text("COMMAND", 6, Kind::Rest(16), |row| row.cmdline.as_deref().filter(|line| *line != row.comm)),
    ]
}

/// Empties a column in which nothing happened, so that the table gives its place to another.
fn unless_zero(mut column: Column) -> Column {
    if column.cells.iter().all(|cell| matches!(cell.as_str(), "" | "0" | "?")) {
        column.cells.iter_mut().for_each(String::clear);
    }
    column
}

/// A value that could not be read is not a zero.
fn known<T>(value: Option<T>, say: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "?".to_owned(), say)
}

fn size(bytes: f64) -> String {
    if bytes == 0.0 { "0".to_owned() } else { units::human_bytes(bytes) }
}

fn cells<T>(rows: &[T], cell: impl Fn(&T) -> String) -> Vec<String> {
    rows.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    #[test]
    fn what_is_cut_off_still_adds_up() {
        let groups = test_report::busy().load.groups;
        let sum = |groups: &[LoadGroup]| groups.iter().map(|group| group.mean).sum::<f64>();
        let shown = shown_groups(&groups, 1);
        assert!(shown.len() < groups.len());
        assert!((sum(&shown) - sum(&groups)).abs() < 1e-9);
    }

    #[test]
    fn an_asked_for_process_is_shown_below_the_top() {
        let report = test_report::busy();
        let last = report.processes.last().unwrap().pid;
        let shown = |pid| {
            let mut page = Page::new(100, false);
            processes(&mut page, &report, &TextOptions { top: 1, pid, ..TextOptions::default() });
            page.into_text().contains(&format!(" {last} "))
        };
        assert!(!shown(None));
        assert!(shown(Some(last)));
    }

    #[test]
    fn what_could_not_be_read_is_not_zero() {
        assert_eq!(known(None, size), "?");
        assert_eq!(known(Some(0.0), size), "0");
    }
}
