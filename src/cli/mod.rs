//! The command line: from the words that were typed to one [`Request`] with every default filled in.
//!
//! `args` and `commands` say what can be typed, and so what the help shows; `resolve` turns it into a request and refuses
//! combinations that the definition cannot express. Nothing here runs anything.

mod args;
mod choices;
mod commands;
mod help;
mod plugin;
mod request;
mod resolve;
#[cfg(test)]
mod tests;
mod values;
mod words;

pub use crate::model::choice::Document;
pub use choices::Shell;
pub use plugin::is_plugin;
pub use request::{
    Answer, Explain, Live, Output, ProfileWindow, Record, Replay, ReportSource, Request, Status, Target,
    TuningReport, Watch, Window,
};

use crate::model::choice::Format;
use args::LiveArgs;
use choices::one_of;
use clap::{CommandFactory, FromArgMatches, Parser};
use commands::Command;
use help::{LONG_ABOUT, LONG_FOOTER, SHORT_FOOTER};
use std::ffi::OsString;
use std::time::Duration;

/// Default window of a live run.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Default window of `diag watch`: longer, since its cost recurs.
pub const DEFAULT_WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// Shortest window: below it the resolution of the counters dominates.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Default window of a tuning report: long enough for its charts.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// Longest window.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// Formats of `diag status`: the page of the tuning report needs more than the state file has.
const STATUS_FORMATS: [Format; 7] = [
    Format::Text,
    Format::Json,
    Format::Jsonl,
    Format::Markdown,
    Format::Nagios,
    Format::Prometheus,
    Format::Haproxy,
];

/// Names the bottleneck of a slow Linux box, the culprit, why, and what to do
#[derive(Debug, Parser)]
#[command(
    name = "diag",
    bin_name = "diag",
    version,
    long_about = LONG_ABOUT,
    after_help = SHORT_FOOTER,
    after_long_help = LONG_FOOTER,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    live: LiveArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the program needs to know of its surroundings to fill in defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
}

/// Why there is no request: a usage error, or the text of `--help` and `--version`.
#[derive(Debug)]
pub struct Refusal {
    /// As clap reports it.
    pub error: clap::Error,
    /// The command that was typed.
    pub command: Option<String>,
}

/// The request that `arguments`, the program's name first, stand for.
///
/// # Errors
///
/// A usage error, or the text that `--help` and `--version` ask for: clap treats both alike.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: Surroundings,
) -> Result<Request, Box<Refusal>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let words::Words { arguments, command } = words::in_order(arguments);
    let refuse = |error: clap::Error| Box::new(Refusal { error, command: command.clone() });
    let matches = definition()
        .try_get_matches_from(&arguments)
        .map_err(|error| refuse(words::name_the_command(error, command.as_deref())))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| refuse(error.format(&mut definition())))?;
    let called_as_plugin = plugin::is_called_so(&arguments);
    resolve::resolve(cli, called_as_plugin, surroundings)
        .map_err(|resolve::Conflict(kind, message)| refuse(definition().error(kind, message)))
}

/// The definition of the command line: what is the same in all commands, with the defaults and formats of each.
pub(crate) fn definition() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "report" => command
            .mut_arg("interval", |arg| {
                arg.help("How long to watch, from 1s to 1h [default: 30s]")
                    .long_help("How long to watch, from 1s to 1h [default: 30s]\n\nWritten as 5s, 1500ms, 1m30s or plain seconds.")
            })
            .mut_arg("profile", |arg| {
                let text = "Time for tracing the culprit alone after the window [default: 2s]";
                arg.help(text).long_help(format!("{text}\n\nAll CPUs are profiled during the window in any case, unless --no-profile is given."))
            })
            .mut_arg("format", |arg| arg.help("Format of the report [default: html]")),
        "watch" => command.mut_arg("format", |arg| {
            arg.help("Format of the lines [default: text on a terminal, else jsonl]")
                .value_parser(one_of(&[Format::Text, Format::Jsonl]))
        }),
        "status" => command.mut_arg("format", |arg| arg.value_parser(one_of(&STATUS_FORMATS))),
        "explain" => command.mut_arg("format", |arg| {
            arg.help("Format of the text [default: text]").value_parser(one_of(&[Format::Text, Format::Json]))
        }),
        _ => command,
    })
}
