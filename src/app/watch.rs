//! `diag watch`: hands the continuous run what it needs from the rest of the program.

use super::live::unreadable;
use super::output::print;
use super::report::report;
use super::terminal::{color, width};
use super::{configuration, limits, record, signals};
use crate::cli::Watch;
use crate::collect::root::Root;
use crate::model::choice::Format;
use crate::model::rates::Rates;
use crate::model::watch::Line;
use crate::render::{json, watch_line};
use crate::watch::run::{Context, run as watch};
use crate::{diagnose, exit};
use anyhow::Result;

/// Watches until a signal comes or the windows are over; the exit code.
pub(super) fn run(request: &Watch) -> Result<u8> {
    let config = configuration(request.read_config)?;
    let options = diagnose::Options {
        sort: request.sort,
        top: request.top,
        pid: None,
        profiled: false,
        thresholds: &config.thresholds,
    };
    let report = |rates: &Rates| {
        let mut diagnosis = diagnose::diagnose(rates, &options);
        diagnosis.not_checked.extend(config.not_checked.iter().cloned());
        report(diagnosis, None, rates, &config.thresholds)
    };
    let capture_writer = |root: &Root| record::writer(root, request.redact, request.without_command_lines);
    let output = &request.output;
    let render = |line: &Line| match output.format {
        // The width is read for each line: the terminal may have been resized.
        Format::Text => Ok(watch_line::render(line, width(output), color(output))),
        _ => json::line(line),
    };
    let interrupted = signals::listen()?;
    if output.format == Format::Text {
        print(output, watch_line::heading(width(output), color(output)).as_bytes())?;
    }
    watch(Context {
        request,
        interrupted,
        window_limits: limits::of_window(&config.thresholds),
        delta_options: limits::of_delta(&config.thresholds),
        report: &report,
        capture_writer: &capture_writer,
        unreadable,
        render: &render,
    })?;
    Ok(exit::RAN)
}
