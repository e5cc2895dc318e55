//! Where an answer goes: rendered in the format that was asked for, to standard output or to a file.

use super::terminal::{color, lines, width};
use crate::cli::Output;
use crate::exit;
use crate::files::{Access, write_atomically, write_atomically_for};
use crate::model::bottleneck::Sort;
use crate::model::choice::Format;
use crate::model::finding::Severity;
use crate::model::report::Report;
use crate::model::task::Pid;
use crate::render;
use crate::render::monitors::haproxy::HaproxyOptions;
use crate::render::text::TextOptions;
use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::Path;

/// The process table of a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// Rows.
    pub(super) top: usize,
    /// Order; that of the report when `None`.
    pub(super) sort: Option<Sort>,
    /// A process that is shown in any case.
    pub(super) pid: Option<Pid>,
}

/// Renders the report and writes it; the exit code.
pub(super) fn publish(
    output: &Output,
    table: Table,
    fail_on: Option<Severity>,
    report: &Report,
) -> Result<u8> {
    let text = match output.format {
        Format::Html => {
            let message = "only 'diag report' writes HTML; try --format markdown";
            return Err(exit::UsageError(message.to_owned()).into());
        }
        Format::Haproxy => render::monitors::haproxy::render(report, HaproxyOptions::default()),
        Format::Json => render::json::render(report)?,
        Format::Jsonl => render::jsonl::render(report)?,
        Format::Markdown => render::markdown::render(report),
        Format::Nagios => render::monitors::nagios::render(report),
        Format::Prometheus => render::monitors::prometheus::render(report),
        Format::Text => render::text::render(report, &text_options(output, table, report)),
    };
    print(output, text.as_bytes())?;
    Ok(match output.format {
        Format::Nagios => exit::of_plugin(report),
        _ => exit::of_verdict(report, fail_on),
    })
}

fn text_options(output: &Output, table: Table, report: &Report) -> TextOptions {
    TextOptions {
        width: width(output),
        color: color(output),
        top: table.top,
        sort: table.sort.unwrap_or(report.processes_order),
        pid: table.pid,
        verbose: output.verbose,
        lines: lines(output),
    }
}

/// Writes bytes to where they were asked for.
pub(super) fn print(output: &Output, bytes: &[u8]) -> Result<u8> {
    match &output.file {
        // node_exporter runs as another user; the metrics hold nothing that other users must not see.
        Some(file) if output.format == Format::Prometheus => {
            write_atomically_for(Access::Everybody, file, bytes)?;
        }
        Some(file) => write_atomically(file, bytes)?,
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to standard output")?;
        }
    }
    Ok(exit::RAN)
}

/// Fails before the window where a file cannot be written after it.
pub(super) fn refuse_unwritable<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    for file in files {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).with_context(|| {
            format!(
                "cannot write {}; choose a directory that exists and that you may write to",
                file.display()
            )
        })?;
    }
    Ok(())
}
