//! diag as a plugin of Nagios: called as `check_diag`, or with `--format nagios`. And which formats a command has.

use super::{Cli, Command, Format};
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The name under which diag answers as a plugin unasked.
const PLUGIN: &str = "check_diag";

/// Whether these words ask for a plugin's answer; also where they are no command line at all, since the answer to that
/// must then be one, too.
pub fn is_plugin(arguments: &[OsString]) -> bool {
    match asked(arguments) {
        Some(format) => format == "nagios",
        None => called_so(arguments),
    }
}

/// The last format that was typed.
fn asked(arguments: &[OsString]) -> Option<&OsStr> {
    let typed = arguments.iter().skip(1).take_while(|word| *word != "--");
    let words: Vec<&OsString> = typed.collect();
    words.iter().enumerate().rev().find_map(|(index, word)| {
        if *word == "--format" {
            return words.get(index + 1).map(|word| word.as_os_str());
        }
        word.to_str()?.strip_prefix("--format=").map(OsStr::new)
    })
}

fn called_so(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    name.is_some_and(|name| name == PLUGIN)
}

impl Cli {
    /// Sets the format that the program's name stands for.
    pub(super) fn answer_as_called(&mut self, arguments: &[OsString]) {
        if self.has_report() && called_so(arguments) && asked(arguments).is_none() {
            self.report.format = Format::Nagios;
        }
    }

    /// Whether the command answers with a report.
    fn has_report(&self) -> bool {
        match self.command {
            Some(
                Command::Watch(_)
                | Command::Explain(_)
                | Command::Config
                | Command::Schema { .. }
                | Command::Completions { .. },
            ) => false,
            None
            | Some(Command::Record(_) | Command::Replay(_) | Command::Report(_) | Command::Status(_)) => true,
        }
    }

    // An explanation is no state of a box; and a plugin has its own exit codes.
    pub(super) fn refuse_formats_of_other_answers(&self) -> Result<(), clap::Error> {
        let format = match self.report.format {
            Format::Text | Format::Json => return Ok(()),
            Format::Haproxy => "haproxy",
            Format::Html => "html",
            Format::Jsonl => "jsonl",
            Format::Markdown => "markdown",
            Format::Nagios => "nagios",
            Format::Prometheus => "prometheus",
        };
        let message = if !self.has_report() {
            format!(
                "--format {format} is for a report; this command answers as text, and 'explain' as json, too"
            )
        } else if self.report.format == Format::Nagios && self.report.fail_on.is_some() {
            "--fail-on cannot be used with --format nagios, which has exit codes of its own".to_owned()
        } else {
            return Ok(());
        };
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_plugin_is_known_by_its_name_or_its_format() {
        for yes in [
            "/usr/lib/nagios/plugins/check_diag",
            "check_diag --bogus",
            "diag --format nagios --bogus",
            "diag replay x --format=nagios",
            "diag --format json --format nagios",
        ] {
            assert!(is_plugin(&words(yes)), "{yes}");
        }
        for no in [
            "diag",
            "diag nagios",
            "diag --format",
            "check_diag --format json",
            "check_diag_x",
            "diag --format nagios --format text",
            "diag -- --format nagios",
        ] {
            assert!(!is_plugin(&words(no)), "{no}");
        }
        assert!(!is_plugin(&[]));
    }

    #[test]
    fn the_name_stands_for_the_format_of_a_report() {
        let format = |text: &str| Cli::from_arguments(words(text)).unwrap().report.format;
        assert_eq!(format("/x/check_diag"), Format::Nagios);
        assert_eq!(format("check_diag replay f"), Format::Nagios);
        assert_eq!(format("check_diag --format text"), Format::Text);
        assert_eq!(format("check_diag explain none"), Format::Text);
        assert_eq!(format("diag"), Format::Text);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |text: &str| Cli::from_arguments(words(text)).unwrap_err().to_string();
        for format in ["nagios", "prometheus", "markdown", "jsonl"] {
            let said = refused(&format!("diag explain none --format {format}"));
            assert!(said.contains(&format!("--format {format} is for a report")), "{said}");
        }
        assert!(refused("diag --format nagios schema").contains("is for a report"));
        assert!(refused("check_diag --fail-on critical").contains("exit codes of its own"));
    }
}
