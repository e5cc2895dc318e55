//! Runs a request: one file per command. Everything that a run does to the world outside of `collect` is here: signals,
//! the terminal, the pager, files of the user.
#![allow(
    clippy::disallowed_methods,
    reason = "app looks at the environment and writes the report; the ban holds for the pure stages"
)]

mod answer;
mod explain;
pub mod limits;
mod live;
mod metrics;
mod output;
pub mod pager;
mod profile;
mod record;
mod replay;
pub mod report;
mod signals;
mod status;
mod target;
mod terminal;
mod tuning_report;
mod watch;

use crate::cli::Request;
use crate::config::{self, Config};
use crate::generate;
use anyhow::Result;
use output::print;

/// Runs what the command line asks for; the exit code.
///
/// # Errors
///
/// Anything that prevents an answer, as one line for standard error.
pub fn run(request: &Request) -> Result<u8> {
    signals::ignore_file_size_limit()?;
    match request {
        Request::Live(live) => live::run(live),
        Request::Record(record) => record::run(record),
        Request::Replay(replay) => replay::run(replay),
        Request::Report(report) => tuning_report::run(report),
        Request::Watch(watch) => watch::run(watch),
        Request::Status(status) => status::run(status),
        Request::Explain(explain) => explain::run(explain),
        Request::Config(output) => print(output, config::template().as_bytes()),
        Request::Schema(document, output) => print(output, generate::schema(*document).as_bytes()),
        Request::Completions(shell, output) => print(output, &generate::completion(*shell)),
    }
}

/// The configuration, read before the window so that an error in it is reported at once.
fn configuration(wanted: bool) -> Result<Config> {
    let disabled = std::env::var_os("DIAG_NO_CONFIG").is_some_and(|value| !value.is_empty());
    if !wanted || disabled {
        return Ok(Config::default());
    }
    config::load(&config::files(|name| std::env::var_os(name)))
}
