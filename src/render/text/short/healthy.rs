//! A healthy box: how busy it is, how long threads wait, who used most.

use super::super::TextOptions;
use super::super::page::{Page, plain};
use super::super::table::{self, Column, Kind};
use super::{labelled_line, lines};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Evidence, Finding, Severity};
use crate::model::report::{ProcessRow, Report, Since};
use crate::model::units::percent;
use crate::render::shared::{columns, statement};

/// Pressure below which no thread waits to speak of.
const CALM_RATIO: f64 = 0.01;

/// Pressure below which threads wait little.
const LITTLE_RATIO: f64 = 0.05;

/// Lines of a healthy text.
const LINES_MAX: usize = 15;

/// Lines behind the table: a blank one, two hints, what was not checked, the footer.
const LINES_BEHIND: usize = 5;

fn measured<'a>(report: &'a Report, metric: &str) -> Option<&'a Evidence> {
    report.steps.iter().flat_map(|step| &step.evidence).find(|item| item.metric == metric)
}

fn value(report: &Report, metric: &str) -> Option<f64> {
    measured(report, metric)?.value
}

/// `both CPUs full, no queue`.
pub(super) fn headline(report: &Report) -> String {
    let pressures = ["psi_cpu_some_ratio", "psi_io_some_ratio", "psi_memory_some_ratio"]
        .map(|metric| value(report, metric));
    let full = measured(report, "cpu_busy_ratio").is_some_and(|item| item.beyond().is_some());
    let count = report.host.cpus_online;
    let waits = pressures.iter().flatten().any(|ratio| *ratio >= CALM_RATIO);
    match () {
        () if full => format!(
            "{} full, {}",
            match count {
                1 => "the CPU is".to_owned(),
                2 => "both CPUs are".to_owned(),
                _ => format!("all {count} CPUs are"),
            },
            if waits { "a short queue" } else { "no queue" }
        ),
        () if pressures.iter().all(Option::is_some) && !waits => {
            "no thread waits for CPU, disk or memory".to_owned()
        }
        () if pressures.iter().all(|ratio| ratio.is_some_and(|ratio| ratio < LITTLE_RATIO)) => {
            "little waiting for CPU, disk or memory".to_owned()
        }
        () => "no resource is short".to_owned(),
    }
}

/// The table, and what is worth a line besides.
pub(super) fn write(page: &mut Page, report: &Report, options: &TextOptions) {
    let steps = !report.steps.is_empty();
    if steps {
        page.blank();
        table::write_plain(page, 2, resources(report), None);
    }
    if let Some(load) = load(report) {
        page.paragraph(2, &plain(""), &[plain(&load)]);
    }
    let narrow = options.width < 80;
    let room = |page: &Page| narrow || lines(page.text()) + LINES_BEHIND <= LINES_MAX;
    if let Some(most) = most_cpu(report) {
        labelled_line(page, "Most CPU", &most);
    }
    for news in report.news.iter().filter(|_| room(page)).take(1).collect::<Vec<_>>() {
        labelled_line(page, "Earlier", &statement(&news.summary));
    }
    for finding in notes(report) {
        if room(page) {
            labelled_line(page, "Note", finding.summary.to_string().trim_end_matches('.'));
        }
    }
    page.blank();
    hints(page);
}

/// Where to look when the box is slow all the same.
fn hints(page: &mut Page) {
    let first = "Slow all the same?  ";
    let indent = if page.width() < 80 { 2 } else { first.len() };
    if indent == first.len() {
        page.line(0, &[plain(first), plain("One service: diag -u NAME, or diag -p PID")]);
    } else {
        page.line(0, &[plain(first.trim_end())]);
        page.paragraph(indent, &plain(""), &[plain("One service: diag -u NAME, or diag -p PID")]);
    }
    page.paragraph(indent, &plain(""), &[plain("Rare event: diag -t 60s, or diag watch")]);
}

/// Numbers that look bad and are harmless, and other things worth knowing; what the load line says is left out.
fn notes(report: &Report) -> Vec<&Finding> {
    let is_news = |finding: &Finding| report.news.iter().any(|news| news.summary == finding.summary);
    report
        .findings
        .iter()
        .filter(|finding| {
            finding.severity == Severity::Info && finding.impact_ratio > 0.0 && !is_news(finding)
        })
        .filter(|finding| finding.id != BottleneckId::MemoryOom)
        .collect()
}

fn resources(report: &Report) -> Vec<Column> {
    let disk = measured(report, "disk_utilization_ratio");
    let name = disk
        .and_then(|disk| disk.source.split(' ').nth(1))
        .map_or_else(|| "disk".to_owned(), |name| format!("disk {name}"));
    let rows = [
        ("CPU".to_owned(), measured(report, "cpu_busy_ratio"), measured(report, "psi_cpu_some_ratio")),
        (name, disk, measured(report, "psi_io_some_ratio")),
        ("memory".to_owned(), None, measured(report, "psi_memory_some_ratio")),
    ];
    let said = |item: &Option<&Evidence>, absent: &str| match item {
        Some(item) => item.value.map_or_else(|| "?".to_owned(), percent),
        None => absent.to_owned(),
    };
    let warning =
        |item: &Option<&Evidence>| item.and_then(|item| item.warning).map_or_else(|| "-".to_owned(), percent);
    let limits: Vec<(String, String)> =
        rows.iter().map(|(_, busy, pressure)| (warning(busy), warning(pressure))).collect();
    let widest = limits.iter().map(|(busy, _)| columns(busy)).max().unwrap_or(0);
    let number = |title, cells| Column { title, rank: 0, kind: Kind::Number, cells };
    vec![
        Column {
            title: "",
            rank: 0,
            kind: Kind::Text(16),
            cells: rows.iter().map(|row| row.0.clone()).collect(),
        },
        number("busy", rows.iter().map(|row| said(&row.1, "-")).collect()),
        number("pressure", rows.iter().map(|row| said(&row.2, "?")).collect()),
        Column {
            title: "warning at",
            rank: 1,
            kind: Kind::Text(24),
            cells: limits.iter().map(|(busy, pressure)| format!("{busy:>widest$} / {pressure}")).collect(),
        },
    ]
}

fn load(report: &Report) -> Option<String> {
    let load = &report.load;
    let averages = [load.load1?, load.load5?, load.load15?].map(|value| format!("{value:.2}")).join(" ");
    let over = if report.verdict.since == Some(Since::Earlier) {
        ", left over from work that has ended"
    } else {
        ""
    };
    Some(format!("load {averages} on {} CPUs{over}", report.host.cpus_online))
}

/// The processes of one name that used most CPU time.
fn most_cpu(report: &Report) -> Option<String> {
    let top = report.processes.iter().max_by(|a, b| a.cpu_ratio.total_cmp(&b.cpu_ratio))?;
    let same: Vec<&ProcessRow> =
        report.processes.iter().filter(|row| row.comm == top.comm && row.unit == top.unit).collect();
    let ratio: f64 = same.iter().map(|row| row.cpu_ratio).sum();
    if ratio <= 0.0 {
        return None;
    }
    let who = match same.len() {
        1 => format!("{} (pid {})", top.comm, top.pid),
        count => format!("{} ×{count} (largest pid {})", top.comm, top.pid),
    };
    Some(format!("{who}: {} of one CPU", percent(ratio)))
}
