//! The edge of the program: words in, exit code out.

#![allow(clippy::disallowed_methods, reason = "errors are printed here")]

use clap::error::{ContextKind, ContextValue};
use diag::cli::Cli;
use diag::exit;
use diag::render::escape;
use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(say_panic));
    ExitCode::from(panic::catch_unwind(run).unwrap_or(exit::COULD_NOT_RUN))
}

fn run() -> u8 {
    let cli = match Cli::from_arguments(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return answer(error),
    };
    match diag::app::run(&cli) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> u8 {
    if !exit::is_broken_pipe(error) {
        say(&format!("{error:#}"));
    }
    exit::of_error(error)
}

/// Prints help, the version or a usage error, whichever clap made of the words.
fn answer(error: clap::Error) -> u8 {
    let usage = error.use_stderr();
    let error = visible(error);
    if usage {
        say(&one_line(&error.render().to_string()));
        return exit::USAGE;
    }
    match error.print() {
        Ok(()) => exit::RAN,
        Err(error) => fail(&anyhow::Error::new(error).context("writing to standard output")),
    }
}

/// What is wrong and where to look it up, without the usage that fills a log with lines.
fn one_line(rendered: &str) -> String {
    let told =
        rendered.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = told.flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    format!("{}; try 'diag --help'", text.strip_prefix("error: ").unwrap_or(&text))
}

/// The same error, with what the user typed made safe for a terminal: the words may come from a script that was
/// handed them by somebody else.
fn visible(mut error: clap::Error) -> clap::Error {
    let typed: Vec<(ContextKind, ContextValue)> =
        error.context().filter_map(|(kind, value)| Some((kind, visible_context(kind, value)?))).collect();
    for (kind, value) in typed {
        error.insert(kind, value);
    }
    error
}

fn visible_context(kind: ContextKind, value: &ContextValue) -> Option<ContextValue> {
    let safe = |text: &str| escape::terminal(text).into_owned();
    match value {
        // Holds line breaks of its own, and nothing that was typed.
        _ if kind == ContextKind::Usage => None,
        ContextValue::String(text) => Some(ContextValue::String(safe(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| safe(text)).collect()))
        }
        ContextValue::StyledStr(text) => Some(ContextValue::StyledStr(safe(&text.to_string()).into())),
        ContextValue::StyledStrs(texts) => {
            Some(ContextValue::StyledStrs(texts.iter().map(|text| safe(&text.to_string()).into()).collect()))
        }
        _ => None,
    }
}

fn say_panic(info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("unknown cause");
    let place =
        info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    say(&format!("internal error{place}: {what}; please report it"));
}

/// One line on standard error, whatever is in `message`.
fn say(message: &str) {
    // Where standard error is gone as well, the exit code is all that is left.
    let _ = writeln!(std::io::stderr(), "diag: {}", escape::terminal(message));
}
