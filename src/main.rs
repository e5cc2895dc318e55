//! The edge of the program: words in, exit code out.

#![allow(clippy::disallowed_methods, reason = "errors are printed here")]

use clap::error::{ContextKind, ContextValue};
use diag::cli::{Cli, is_plugin};
use diag::exit;
use diag::render::escape;
use diag::render::monitors::nagios;
use std::ffi::OsString;
use std::io::Write;
use std::panic::{self, PanicHookInfo, UnwindSafe};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(say_panic));
    let words: Vec<OsString> = std::env::args_os().collect();
    let teller = if is_plugin(&words) { Teller::Plugin } else { Teller::Program };
    ExitCode::from(teller.guard(|| run(words, teller)))
}

fn run(words: Vec<OsString>, teller: Teller) -> u8 {
    let cli = match Cli::from_arguments(words) {
        Ok(cli) => cli,
        Err(error) => return teller.answer(error),
    };
    match diag::app::run(&cli) {
        Ok(code) => code,
        Err(error) => teller.fail(&error),
    }
}

/// How the end of a run is told.
#[derive(Debug, Clone, Copy)]
enum Teller {
    /// An error is a line on standard error and a code of its own.
    Program,
    /// A monitor reads standard output alone, and takes a code that it does not know for the worst.
    Plugin,
}

impl Teller {
    /// The code of `work`, also where it panics.
    fn guard(self, work: impl FnOnce() -> u8 + UnwindSafe) -> u8 {
        panic::catch_unwind(work).unwrap_or_else(|_| match self {
            Self::Program => exit::COULD_NOT_RUN,
            Self::Plugin => no_answer("internal error; please report it"),
        })
    }

    fn fail(self, error: &anyhow::Error) -> u8 {
        match self {
            Self::Plugin => no_answer(&format!("{error:#}")),
            Self::Program => {
                if !exit::is_broken_pipe(error) {
                    say(&format!("{error:#}"));
                }
                exit::of_error(error)
            }
        }
    }

    /// Prints help, the version or a usage error, whichever clap made of the words.
    fn answer(self, error: clap::Error) -> u8 {
        let usage = error.use_stderr();
        let error = visible(error);
        let text = || one_line(&error.render().to_string());
        match self {
            Self::Plugin if usage => no_answer(&text()),
            Self::Program if usage => {
                say(&text());
                exit::USAGE
            }
            _ => match error.print() {
                // The text of --help is no state of the box.
                Ok(()) if matches!(self, Self::Plugin) => exit::NAGIOS_UNKNOWN,
                Ok(()) => exit::RAN,
                Err(error) => self.fail(&anyhow::Error::new(error).context("writing to standard output")),
            },
        }
    }
}

/// The line of a plugin that has no answer, and its code.
fn no_answer(reason: &str) -> u8 {
    let mut out = std::io::stdout().lock();
    // Where nobody reads it, the code is all that is left.
    let _ = out.write_all(nagios::no_answer(reason).as_bytes()).and_then(|()| out.flush());
    exit::NAGIOS_UNKNOWN
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_pages_nobody() {
        assert_eq!(Teller::Plugin.guard(|| std::panic::resume_unwind(Box::new("x"))), exit::NAGIOS_UNKNOWN);
        assert_eq!(Teller::Program.guard(|| std::panic::resume_unwind(Box::new("x"))), exit::COULD_NOT_RUN);
        assert_eq!(Teller::Plugin.guard(|| 2), 2);
    }
}
