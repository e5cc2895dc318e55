//! `diag explain`: what a verdict means. On a terminal through the pager.

use super::output::print;
use super::pager;
use super::terminal::{color, width};
use crate::cli::Explain;
use crate::model::choice::Format;
use crate::{diagnose, exit, render};
use anyhow::{Context as _, Result};
use std::io::IsTerminal as _;

/// Explains one bottleneck, or lists all of them; the exit code.
pub(super) fn run(explain: &Explain) -> Result<u8> {
    let output = &explain.output;
    let text = text(explain)?;
    let paged = output.format == Format::Text && output.file.is_none() && std::io::stdout().is_terminal();
    if let Some(pager) = paged.then(pager::wanted).flatten()
        && pager::show(&pager, text.as_bytes()).context("cannot write to the pager")?
    {
        return Ok(exit::RAN);
    }
    print(output, text.as_bytes())
}

fn text(explain: &Explain) -> Result<String> {
    let (width, color) = (width(&explain.output), color(&explain.output));
    let entries = diagnose::manual::entries;
    let Some(id) = &explain.id else {
        return match explain.output.format {
            Format::Json => render::json::document(&entries()),
            _ => Ok(render::explain::list(&entries(), width, color)),
        };
    };
    let known = id.parse().ok().and_then(diagnose::manual::by_id);
    let explanation = known.ok_or_else(|| no_bottleneck(id))?;
    match explain.output.format {
        Format::Json => render::json::document(&explanation),
        _ => Ok(render::explain::text(&explanation, width, color)),
    }
}

fn no_bottleneck(id: &str) -> exit::UsageError {
    let hint = match diagnose::manual::nearest(id) {
        Some(nearest) => format!(": did you mean {nearest}?"),
        None => ";".to_owned(),
    };
    exit::UsageError(format!("there is no bottleneck '{id}'{hint} 'diag explain' lists them all"))
}
