//! From what was typed to one [`Request`]: defaults by command and by where the output goes, and the combinations that
//! the definition cannot refuse by itself.

use super::args::{AnswerArgs, FormatArgs, LiveArgs, OutputArgs, ProfileArgs, WindowArgs};
use super::commands::{Command, StatusArgs, TuningArgs, WatchArgs};
use super::request::{
    Answer, Explain, Live, Output, ProfileWindow, Record, Replay, ReportSource, Request, Status, Target,
    TuningReport, Watch, Window,
};
use super::{Cli, DEFAULT_INTERVAL, DEFAULT_WATCH_INTERVAL, MIN_INTERVAL, REPORT_INTERVAL, Surroundings};
use crate::model::choice::Format;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Samples per second and CPU: not a multiple of what programs commonly do.
const DEFAULT_FREQUENCY_HERTZ: u32 = 99;

/// What a tuning report may spend after the window on a profile that was not asked for explicitly.
const REPORT_PROFILE: Duration = Duration::from_secs(2);

/// Time that a plugin needs besides its window.
const PLUGIN_RESERVE: Duration = Duration::from_secs(1);

/// Options that contradict one another.
#[derive(Debug)]
pub(super) struct Conflict(pub(super) ErrorKind, pub(super) String);

type Resolved<T> = Result<T, Conflict>;

fn conflict<T>(message: impl Into<String>) -> Resolved<T> {
    Err(Conflict(ErrorKind::ArgumentConflict, message.into()))
}

/// What to do, with every default filled in.
pub(super) fn resolve(cli: Cli, called_as_plugin: bool, surroundings: Surroundings) -> Resolved<Request> {
    let usual = if called_as_plugin { Format::Nagios } else { Format::Text };
    let plain = |output: OutputArgs| Output {
        format: Format::Text,
        file: output.output,
        color: crate::model::choice::Color::Auto,
        verbose: false,
    };
    let request = match cli.command {
        None => Request::Live(live(cli.live, usual)?),
        Some(Command::Record(args)) => Request::Record(Record {
            live: live(args.live, usual)?,
            file: args.file,
            force: args.force,
            without_command_lines: args.without_command_lines,
        }),
        Some(Command::Replay(args)) => {
            Request::Replay(Replay { file: args.file, answer: answer(args.answer, usual)? })
        }
        Some(Command::Report(args)) => Request::Report(tuning(*args)?),
        Some(Command::Watch(args)) => Request::Watch(watch(*args, surroundings)),
        Some(Command::Status(args)) => Request::Status(status(*args, usual)?),
        Some(Command::Explain(args)) => Request::Explain(Explain {
            id: args.id,
            output: output(args.format, args.output, false, Format::Text),
        }),
        Some(Command::Config(args)) => Request::Config(plain(args)),
        Some(Command::Schema(args)) => Request::Schema(args.document, plain(args.output)),
        Some(Command::Completions(args)) => Request::Completions(args.shell, plain(args.output)),
    };
    refuse_html_on_a_terminal(&request, surroundings)?;
    Ok(request)
}

/// Rejects up front: otherwise the user waits 30 s and gets raw HTML on the terminal.
fn refuse_html_on_a_terminal(request: &Request, surroundings: Surroundings) -> Resolved<()> {
    let output = match request {
        Request::Live(live) => &live.answer.output,
        Request::Record(record) => &record.live.answer.output,
        Request::Replay(replay) => &replay.answer.output,
        Request::Report(report) => &report.answer.output,
        _ => return Ok(()),
    };
    if output.format == Format::Html && output.file.is_none() && surroundings.stdout_is_terminal {
        return conflict("the report is an HTML page: name a file for it, as in --output report.html");
    }
    Ok(())
}

fn output(format: FormatArgs, output: OutputArgs, verbose: bool, usual: Format) -> Output {
    Output { format: format.format.unwrap_or(usual), file: output.output, color: format.color, verbose }
}

fn answer(args: AnswerArgs, usual: Format) -> Resolved<Answer> {
    let output = output(args.format, args.output, args.report.verbose, usual);
    if output.format == Format::Nagios && args.report.fail_on.is_some() {
        return conflict("--fail-on cannot be used with --format nagios, which has its own exit codes");
    }
    Ok(Answer {
        output,
        target: args.target.pid.or(args.target.unit.map(Target::Unit)),
        top: args.top.top,
        sort: args.sort.sort,
        profile_mode: args.drawing.profile_mode,
        flamegraph: args.drawing.flamegraph,
        stacks: args.drawing.stacks,
        fail_on: args.report.fail_on,
        redact: args.redact.redact,
        read_config: !args.config.no_config,
    })
}

fn window(window: WindowArgs, profile: ProfileArgs, usual: Duration) -> Resolved<Window> {
    let root = window.root.unwrap_or_else(|| PathBuf::from("/"));
    let interval = window.interval.unwrap_or(usual);
    let within = window.timeout.map(|timeout| timeout.saturating_sub(PLUGIN_RESERVE).max(MIN_INTERVAL));
    let profile = profile.profile.map(|after| ProfileWindow {
        after,
        frequency_hertz: profile.frequency.unwrap_or(DEFAULT_FREQUENCY_HERTZ),
    });
    if profile.is_some() && root != Path::new("/") {
        return conflict("--profile cannot be used with --root: it samples the machine that diag runs on");
    }
    Ok(Window { interval: within.map_or(interval, |within| interval.min(within)), root, profile })
}

fn live(args: LiveArgs, usual: Format) -> Resolved<Live> {
    let live = Live {
        window: window(args.window, args.profile, DEFAULT_INTERVAL)?,
        answer: answer(args.answer, usual)?,
    };
    match needs_profile(&live.answer) {
        Some(option) if live.window.profile.is_none() => conflict(format!("{option} needs --profile")),
        _ => Ok(live),
    }
}

/// The option that only a profile can satisfy.
fn needs_profile(answer: &Answer) -> Option<&'static str> {
    let options = [
        ("--flamegraph", answer.flamegraph.is_some()),
        ("--stacks", answer.stacks.is_some()),
        ("--profile-mode", answer.profile_mode.is_some()),
    ];
    options.into_iter().find_map(|(name, given)| given.then_some(name))
}

fn tuning(args: TuningArgs) -> Resolved<TuningReport> {
    let answer = answer(args.live.answer, Format::Html)?;
    let drawn = needs_profile(&answer);
    let compared: Option<Result<[PathBuf; 2], _>> = args.compare.map(TryInto::try_into);
    let source = match (args.file, compared) {
        (Some(file), _) => ReportSource::Capture(file),
        (None, Some(Ok([before, after]))) => ReportSource::Compare(before, after),
        (None, _) => {
            let mut window = window(args.live.window, args.live.profile, REPORT_INTERVAL)?;
            // What is below another root is not this machine, and cannot be sampled.
            if !args.no_profile && window.root == Path::new("/") && window.profile.is_none() {
                let (after, frequency_hertz) = (REPORT_PROFILE, DEFAULT_FREQUENCY_HERTZ);
                window.profile = Some(ProfileWindow { after, frequency_hertz });
            }
            ReportSource::Live(window)
        }
    };
    match (&source, drawn) {
        (ReportSource::Live(Window { profile: None, .. }), Some(option)) => {
            conflict(format!("{option} needs a profile"))
        }
        (ReportSource::Compare(..), Some(option)) => {
            conflict(format!("{option} cannot be used with --compare"))
        }
        (ReportSource::Compare(..), None)
            if !matches!(answer.output.format, Format::Html | Format::Markdown) =>
        {
            conflict("--compare answers as html or markdown: give --format one of them")
        }
        _ => Ok(TuningReport { source, answer }),
    }
}

fn watch(args: WatchArgs, surroundings: Surroundings) -> Watch {
    let usual = if surroundings.stdout_is_terminal { Format::Text } else { Format::Jsonl };
    Watch {
        output: output(args.format, OutputArgs { output: None }, false, usual),
        interval: args.interval.unwrap_or(DEFAULT_WATCH_INTERVAL),
        root: args.root.unwrap_or_else(|| PathBuf::from("/")),
        top: args.top.top,
        sort: args.sort.sort,
        redact: args.redact.redact,
        read_config: !args.config.no_config,
        without_command_lines: args.without_command_lines,
        on_change: args.on_change,
        raise: args.raise,
        clear: args.clear,
        exec: args.exec,
        webhook: args.webhook,
        alertmanager: args.alertmanager,
        instance: args.instance,
        state: args.state,
        count: args.count,
        trigger: args.trigger,
        trigger_dir: args.trigger_dir,
        trigger_keep: args.trigger_keep,
    }
}

fn status(args: StatusArgs, usual: Format) -> Resolved<Status> {
    let output = output(args.format, args.output, args.report.verbose, usual);
    if output.format == Format::Nagios && args.report.fail_on.is_some() {
        return conflict("--fail-on cannot be used with --format nagios, which has its own exit codes");
    }
    Ok(Status {
        output,
        top: args.top.top,
        fail_on: args.report.fail_on,
        redact: args.redact.redact,
        state: args.state,
        quiet: args.quiet,
        unknown_ok: args.unknown_ok,
        floor: args.floor,
        drain: args.drain,
    })
}
