//! From the words that were typed to an exit code.

#![allow(clippy::disallowed_methods, reason = "errors are printed here")]

use clap::error::{ContextKind, ContextValue};
use diag::cli::{self, Refusal, Surroundings};
use diag::exit;
use diag::render::escape;
use diag::render::monitors::nagios;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::panic::{self, PanicHookInfo, UnwindSafe};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let words: Vec<OsString> = std::env::args_os().collect();
    let reader = if cli::is_plugin(&words) { Reader::Monitor } else { Reader::Person };
    ExitCode::from(reader.guard(|| run(words, reader)))
}

fn run(words: Vec<OsString>, reader: Reader) -> u8 {
    let surroundings = Surroundings { stdout_is_terminal: std::io::stdout().is_terminal() };
    let request = match cli::parse(words, surroundings) {
        Ok(request) => request,
        Err(refusal) => return reader.refuse(*refusal),
    };
    match diag::app::run(&request) {
        Ok(code) => code,
        Err(error) => reader.fail(&error),
    }
}

/// Who reads the errors of a run.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// An error is a line on standard error and an exit code.
    Person,
    /// A monitor reads standard output only, and shows a code that it does not know as critical.
    Monitor,
}

impl Reader {
    /// The code of `work`, also where it panics.
    fn guard(self, work: impl FnOnce() -> u8 + UnwindSafe) -> u8 {
        panic::catch_unwind(work).unwrap_or_else(|_| match self {
            Self::Person => exit::COULD_NOT_RUN,
            Self::Monitor => no_answer("internal error; please report it"),
        })
    }

    fn fail(self, error: &anyhow::Error) -> u8 {
        match self {
            Self::Monitor => no_answer(&format!("{error:#}")),
            Self::Person => {
                if !exit::is_broken_pipe(error) {
                    say(&format!("{error:#}"));
                }
                exit::of_error(error)
            }
        }
    }

    /// Prints help, the version or a usage error, whichever it is.
    fn refuse(self, refusal: Refusal) -> u8 {
        let Refusal { error, command } = refusal;
        let is_error = error.use_stderr();
        let error = visible(error);
        let text = || one_line(&error.render().to_string(), command.as_deref());
        match self {
            Self::Monitor if is_error => no_answer(&text()),
            Self::Person if is_error => {
                say(&text());
                exit::USAGE
            }
            _ => match error.print() {
                // The text of --help says nothing about the state of the box.
                Ok(()) if matches!(self, Self::Monitor) => exit::NAGIOS_UNKNOWN,
                Ok(()) => exit::RAN,
                Err(error) => {
                    self.fail(&anyhow::Error::new(error).context("cannot write to standard output"))
                }
            },
        }
    }
}

/// The line of a plugin that has no answer, and its code.
fn no_answer(reason: &str) -> u8 {
    let mut out = std::io::stdout().lock();
    // The exit code says the same if the line cannot be written.
    let _ = out.write_all(nagios::no_answer(reason).as_bytes()).and_then(|()| out.flush());
    exit::NAGIOS_UNKNOWN
}

/// The error on one line, with the help to read instead of the usage.
fn one_line(rendered: &str, command: Option<&str>) -> String {
    let message =
        rendered.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = message.flat_map(str::split_whitespace).collect();
    let text = words.join(" ").replace(" tip: ", "; ");
    let command = command.filter(|name| *name != "help").map(|name| format!(" {name}")).unwrap_or_default();
    format!("{}; try 'diag{command} --help'", text.strip_prefix("error: ").unwrap_or(&text))
}

/// The same error, with what was typed made safe for a terminal: a script may have passed on words from elsewhere.
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
        // It has line breaks of its own and nothing that was typed.
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

fn report_panic(info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("unknown cause");
    let place =
        info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    say(&format!("internal error{place}: {what}; please report it"));
}

/// One line on standard error, whatever is in `message`.
fn say(message: &str) {
    // The exit code says the same if the line cannot be written.
    let _ = writeln!(std::io::stderr(), "diag: {}", escape::terminal(message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_the_help_to_read() {
        let rendered = "error: unexpected argument '--frmat' found\n\n  tip: a similar argument exists: '--format'\n\n\
                        Usage: diag status\n";
        assert_eq!(
            one_line(rendered, Some("status")),
            "unexpected argument '--frmat' found; a similar argument exists: '--format'; try 'diag status --help'"
        );
        assert_eq!(one_line("error: x", None), "x; try 'diag --help'");
    }

    #[test]
    fn nagios_maps_a_panic_to_unknown() {
        assert_eq!(Reader::Monitor.guard(|| std::panic::resume_unwind(Box::new("x"))), exit::NAGIOS_UNKNOWN);
        assert_eq!(Reader::Person.guard(|| std::panic::resume_unwind(Box::new("x"))), exit::COULD_NOT_RUN);
        assert_eq!(Reader::Monitor.guard(|| 2), 2);
    }
}
