//! What the definition cannot say: options that a command would silently ignore are refused.

use super::{Cli, Command, Format, ReportArgs, TuningArgs, WindowArgs};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};
use std::path::Path;

/// Options that say nothing of an explanation.
const EXPLAINS_NOTHING: [&str; 8] =
    ["top", "sort", "pid", "fail-on", "profile-mode", "flamegraph", "stacks", "redact"];

/// Options that a run without end has no use for: it prints lines of its own.
const WATCHES_NOTHING: [&str; 9] =
    ["format", "output", "pid", "unit", "fail-on", "profile-mode", "flamegraph", "stacks", "color"];

/// Options of a diagnosis, which a kept verdict is past.
const KEPT_WITHOUT: [&str; 6] = ["sort", "pid", "unit", "profile-mode", "flamegraph", "stacks"];

impl Cli {
    // An option that is silently ignored lets its user believe in numbers that were never taken.
    pub(super) fn refuse_a_window_that_nobody_opens(&self) -> Result<(), clap::Error> {
        let command = match &self.command {
            None | Some(Command::Record(_)) => return Ok(()),
            Some(Command::Report(report)) if report.live() => return Ok(()),
            Some(Command::Report(_)) => "report of a capture",
            Some(Command::Watch(_)) if self.profile().is_none() => return Ok(()),
            Some(Command::Watch(_)) => "watch",
            Some(Command::Status(_)) => "status",
            Some(Command::Replay(_)) => "replay",
            Some(Command::Explain(_)) => "explain",
            Some(Command::Config) => "config",
            Some(Command::Schema { .. }) => "schema",
            Some(Command::Completions { .. }) => "completions",
        };
        let named = |window: &WindowArgs| match window {
            _ if command == "watch" => Some("--profile"),
            WindowArgs { interval: Some(_), .. } => Some("--interval"),
            WindowArgs { root: Some(_), .. } => Some("--root"),
            WindowArgs { profile: Some(_), .. } => Some("--profile"),
            WindowArgs { frequency: Some(_), .. } => Some("--frequency"),
            _ => None,
        };
        let Some(option) = named(&self.window).or_else(|| self.record_window().and_then(named)) else {
            return Ok(());
        };
        let message = format!("{option} cannot be used with '{command}', which does not watch a machine");
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }

    // What is written out must have been taken; a capture may hold it.
    pub(super) fn refuse_what_shows_no_profile(&self) -> Result<(), clap::Error> {
        let refuse = |message: String| Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        let option = match &self.report {
            ReportArgs { flamegraph: Some(_), .. } => "--flamegraph",
            ReportArgs { stacks: Some(_), .. } => "--stacks",
            ReportArgs { profile_mode: Some(_), .. } => "--profile-mode",
            _ => "",
        };
        match &self.command {
            _ if self.profile().is_some() && self.root() != Path::new("/") => refuse(
                "--profile cannot be used with --root: it samples the machine that diag runs on".to_owned(),
            ),
            None | Some(Command::Record(_)) if !option.is_empty() && self.profile().is_none() => {
                refuse(format!("{option} needs --profile"))
            }
            Some(Command::Report(report))
                if report.live() && !option.is_empty() && self.profile().is_none() =>
            {
                refuse(format!("{option} needs a profile"))
            }
            Some(Command::Report(TuningArgs { compare: Some(_), .. })) if !option.is_empty() => {
                refuse(format!("{option} cannot be used with --compare"))
            }
            Some(Command::Report(TuningArgs { compare: Some(_), .. }))
                if !matches!(self.report.format, Format::Html | Format::Markdown) =>
            {
                refuse("--compare answers as html or markdown".to_owned())
            }
            _ => Ok(()),
        }
    }

    // An explanation has no processes and no verdict; the others have a form of their own.
    pub(super) fn refuse_what_explains_nothing(&self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let (name, refused, why) = match &self.command {
            Some(Command::Explain(_)) => ("explain", &EXPLAINS_NOTHING[..], "which does not diagnose"),
            Some(Command::Watch(_)) => ("watch", &WATCHES_NOTHING[..], "which prints lines of its own"),
            Some(Command::Status(_)) => ("status", &KEPT_WITHOUT[..], "which answers what was kept"),
            _ => return Ok(()),
        };
        let Some((_, matches)) = matches.subcommand() else { return Ok(()) };
        let typed =
            |id: &&&str| matches.value_source(&id.replace('-', "_")) == Some(ValueSource::CommandLine);
        let Some(option) = refused.iter().find(typed) else {
            return Ok(());
        };
        let message = format!("--{option} cannot be used with '{name}', {why}");
        Err(Self::command().error(ErrorKind::ArgumentConflict, message))
    }
}
