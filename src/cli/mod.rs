//! The command line: what can be typed, and the help that says so. Nothing here runs anything.

mod choices;
mod commands;
mod plugin;
mod refuse;
mod values;
mod watch;

pub use choices::{Color, Document, Format, Level, ProfileMode, Shell, Sort};
pub use commands::{ExplainArgs, RecordArgs, ReplayArgs, TuningArgs};
pub use plugin::is_plugin;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::{parse_frequency, parse_interval, parse_pid, parse_profile, parse_top, parse_unit};
pub use watch::{StatusArgs, WatchArgs};

/// Window of a run that does not ask for another.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Window of a run without end: longer, since its cost counts for ever.
pub const DEFAULT_WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// Shortest window: below it the counters' own resolution is most of what is seen.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Window of a tuning report that does not ask for another: long enough for a picture.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// What a tuning report spends after the window on a profile that nobody asked for.
pub const REPORT_PROFILE: Duration = Duration::from_secs(2);

/// Time that a profile may take after the window, where it cannot be taken within it.
pub const DEFAULT_PROFILE: &str = "2s";

/// Samples a second and CPU: no multiple of what programs do every so often.
pub const DEFAULT_FREQUENCY_HERTZ: u32 = 99;

/// Longest window.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);

const LONG_ABOUT: &str = "\
Names the bottleneck of a slow Linux box, the culprit, why, and what to do.

diag reads the kernel's own counters over a short window and walks the triage that an experienced administrator \
walks: load average first, then CPU or I/O, then user or system time, or swap or disk, then who. It answers with one \
bottleneck, one culprit, one chain of causes and the next action, says how sure it is, and lists what it could not \
check. It changes nothing on the box.

It runs as any user. As root it sees the I/O and the waits of every process.";

const SHORT_FOOTER: &str = "\
Exit codes: 0 ran, 1 could not run, 2 usage; with --fail-on also 10 and 11.
Try 'diag --help' for examples and the whole text.";

const LONG_FOOTER: &str = "\
Examples:
  diag                                    what is wrong here, now
  diag --interval 30s --sort memory       a longer look, processes by memory
  diag --format json | jq .verdict        for a program
  diag --unit nginx                       why this service is slow (or --pid 4242)
  diag --profile                          which function, system call or wait it is
  diag --fail-on critical || page-me      for a monitor
  diag --format nagios                    as a plugin of Nagios or Icinga, with its exit codes
  diag --format prometheus --output /var/lib/prometheus/node-exporter/diag.prom
  diag --root /host                       from a container that has the host's / mounted there
  diag record slow.diag                   keep the raw counters of an incident ...
  diag replay slow.diag                   ... and diagnose them on another machine
  diag report --output report.html        the tuning report: pictures, flame graph, what to do and to undo
  diag explain memory-swap                what a verdict means, how to confirm it, what to do
  diag config > /etc/diag/config.toml     every limit, to be changed there
  diag watch --exec ./page-me             a verdict every ten seconds; runs ./page-me when the alarm changes
  diag status                             the last of them, at once

Exit codes:
  0   ran, whatever it found; also when the reader of a pipe went away
  1   could not run: no kernel counters, an unreadable capture, a wrong configuration file, a full disk
  2   usage error
  10  with --fail-on only: the verdict is at that level or above
  11  with --fail-on only: diag could not tell
With --format nagios: 0 ok, 1 warning, 2 critical, 3 could not tell or could not run, usage errors included";

/// Names the bottleneck of a slow Linux box, the culprit, why, and what to do
#[derive(Debug, Parser)]
#[command(
    name = "diag",
    bin_name = "diag",
    version,
    long_about = LONG_ABOUT,
    after_help = SHORT_FOOTER,
    after_long_help = LONG_FOOTER,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to look at, on a live run.
    #[command(flatten)]
    pub window: WindowArgs,
    /// How to answer.
    #[command(flatten)]
    pub report: ReportArgs,
    /// What to do instead of diagnosing this machine now.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of the runs that watch a machine.
#[derive(Debug, Clone, Args)]
pub struct WindowArgs {
    /// How long to watch, from 1s to 1h [default: 5s]
    ///
    /// Written as 5s, 1500ms, 1m30s or plain seconds. A longer window tells rare events and slow growth from noise.
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,
    /// Read the kernel's files below DIR instead of /
    ///
    /// DIR must hold proc, and sys where it is to be read too: in a container, the mount point of the host's root.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Say which code, system call or wait it is: sample all CPUs within the window
    ///
    /// The offender is chosen afterwards, from what was sampled already. SECONDS is what may be spent after the window,
    /// on the offender alone: to trace its system calls, or to sample it where the rights do not reach all CPUs.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = DEFAULT_PROFILE,
        value_parser = parse_profile
    )]
    pub profile: Option<Duration>,
    /// Samples a second and CPU [default: 99]
    #[arg(long, value_name = "HZ", value_parser = parse_frequency, requires = "profile")]
    pub frequency: Option<u32>,
}

/// Options of the answer; they go before or after a command.
// Listed after a command's own options.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 10)]
pub struct ReportArgs {
    /// Format of the report
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub format: Format,
    /// List at most N processes
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        value_parser = parse_top,
        allow_negative_numbers = true,
        global = true
    )]
    pub top: usize,
    /// What to rank the processes by [default: what the verdict is about]
    #[arg(long, value_enum, value_name = "KEY", global = true)]
    pub sort: Option<Sort>,
    /// Say where this process spent its time, and show it wherever it ranks
    ///
    /// All its threads are followed through the window: running, waiting for a CPU, held back by a CPU quota, waiting
    /// for the disk, swap, memory, a lock or the network, or asleep.
    #[arg(long, value_name = "PID", value_parser = parse_pid, allow_negative_numbers = true, global = true)]
    pub pid: Option<i32>,
    /// The same for all processes of a systemd unit, container or pod
    ///
    /// nginx or nginx.service; the first digits of a container's id, or docker:ID; pod:UID; a slice with all below it;
    /// or the path of a control group, as in /system.slice. On replay it must be what the capture was recorded for.
    #[arg(long, value_name = "NAME", value_parser = parse_unit, conflicts_with = "pid", global = true)]
    pub unit: Option<String>,
    /// What to profile [default: what the verdict is about]
    #[arg(long, value_enum, value_name = "MODE", global = true)]
    pub profile_mode: Option<ProfileMode>,
    /// Draw the profile's stacks as a flame graph
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, global = true)]
    pub flamegraph: Option<PathBuf>,
    /// Write the profile's stacks, one folded to a line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, global = true)]
    pub stacks: Option<PathBuf>,
    /// Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell
    #[arg(long, value_enum, value_name = "LEVEL", global = true)]
    pub fail_on: Option<Level>,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// Replace what identifies people and machines
    ///
    /// Host names, users, addresses, command lines, paths below home directories, ids of containers, disks and the
    /// boot: each becomes host-1, user-2, address-3 and so on, the same one throughout a report, a comparison or a run
    /// of `diag watch`. In a capture the raw files are changed such that they still fit together, and command lines are
    /// left out. What stays: the names of processes, threads and functions, which a diagnosis is about; names of units,
    /// devices, network interfaces and mount points, but for the host and the users in them; paths outside of homes
    /// likewise; process ids, in a capture the numbers of users, times; root, 127.0.0.1 and ::1; within sentences also
    /// the name of a host or user that is an everyday word, as app or www. Every box is host-1 then: to an Alertmanager
    /// that hears of several, give each its --instance.
    #[arg(long, global = true)]
    pub redact: bool,
    /// Ignore the configuration files
    ///
    /// Every limit then has its default. The files are /etc/diag/config.toml and
    /// $XDG_CONFIG_HOME/diag/config.toml; see `diag config`.
    #[arg(long, global = true)]
    pub no_config: bool,
    /// Show every step, finding and number
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Write the report to FILE instead of standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, global = true)]
    pub output: Option<PathBuf>,
}

/// What diag can do besides a live run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Diagnose this machine and keep the raw counters in FILE
    ///
    /// The capture holds the kernel's files as they were read, so that the same diagnosis can be made from it on any
    /// machine, also by a later version. It is written even when the verdict is a healthy one.
    Record(RecordArgs),
    /// Diagnose a capture of another time or machine
    Replay(ReplayArgs),
    /// Write the tuning report: one HTML file with pictures of the window, who, why, and what to do
    ///
    /// It watches this machine for 30 seconds with a profile, or takes a capture: `diag report FILE` is `diag replay FILE
    /// --format html`. The file needs nothing else and asks nobody for anything. --format markdown gives a short form for a
    /// ticket; text and json are what they are elsewhere.
    Report(TuningArgs),
    /// Diagnose this machine over and over, one verdict a window, and raise an alarm that does not flap
    ///
    /// Prints JSON Lines: each has a type (verdict, transition, gap, clock-jump, trigger or end) and a number, seq. The
    /// last verdict is kept in a state file, which `diag status` answers from. Of the options above, --top, --sort,
    /// --redact and --no-config apply; with --redact a capture is named without its directory.
    Watch(WatchArgs),
    /// The last verdict that `diag watch` kept, within milliseconds, and how old it is
    ///
    /// In any --format. A verdict that is older than three windows is `unknown`, and so is one that is not there.
    Status(StatusArgs),
    /// Explain a bottleneck: how it is told, what looks like it, how to confirm it by hand, how to fix it
    ///
    /// Without an ID, lists all of them. On a terminal the text goes through the pager ($PAGER, or less); of the options
    /// above, --format, --color and --output apply.
    #[command(
        help_template = "{about-with-newline}\n{usage-heading} {usage}\n\nArguments:\n{positionals}\n\n\
                         --format, --color and --output work as for a report.\n",
        override_usage = "diag explain [ID]"
    )]
    Explain(ExplainArgs),
    /// Print a configuration file with every limit, its default and its source, all commented out
    ///
    /// `diag config > /etc/diag/config.toml` is a start. What is set there, and then in
    /// $XDG_CONFIG_HOME/diag/config.toml (~/.config where that is not set), is what diag goes by.
    #[command(
        help_template = "{about-with-newline}\n{usage-heading} {usage}\n",
        override_usage = "diag config"
    )]
    Config,
    /// Print the JSON Schema of the report, or of the lines of `diag watch`
    #[command(
        help_template = "{about-with-newline}\n{usage-heading} {usage}\n\nArguments:\n{positionals}\n",
        override_usage = "diag schema [DOCUMENT]"
    )]
    Schema {
        /// What has the schema
        #[arg(value_enum, default_value_t = Document::Report)]
        document: Document,
    },
    /// Print the completion script for a shell
    #[command(
        help_template = "{about-with-newline}\n{usage-heading} {usage}\n\nArguments:\n{positionals}\n",
        override_usage = "diag completions <SHELL>"
    )]
    Completions {
        /// The shell, and where its script goes
        #[arg(value_enum)]
        shell: Shell,
    },
}

impl Cli {
    /// The command line in `arguments`, the program's name first.
    ///
    /// # Errors
    ///
    /// A usage error, or the text that `--help` and `--version` ask for: clap treats both alike.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = Self::command().try_get_matches_from(&arguments)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::command()))?;
        cli.answer_as_called(&arguments);
        cli.choose_the_format(&matches);
        cli.refuse_formats_of_other_answers()?;
        cli.refuse_a_window_that_nobody_opens()?;
        cli.refuse_what_explains_nothing(&matches)?;
        cli.refuse_what_shows_no_profile()?;
        Ok(cli)
    }

    // A tuning report is HTML unless something else was asked for.
    fn choose_the_format(&mut self, matches: &ArgMatches) {
        if let (Some(Command::Report(_)), Some((_, matches))) = (&self.command, matches.subcommand())
            && matches.value_source("format") != Some(ValueSource::CommandLine)
        {
            self.report.format = Format::Html;
        }
    }

    /// How long to watch.
    pub fn interval(&self) -> Duration {
        let (asked, usual) = match &self.command {
            Some(Command::Watch(watch)) => (watch.interval, DEFAULT_WATCH_INTERVAL),
            Some(Command::Report(report)) => (report.window.interval, REPORT_INTERVAL),
            _ => (self.record_window().and_then(|window| window.interval), DEFAULT_INTERVAL),
        };
        asked.or(self.window.interval).unwrap_or(usual)
    }

    /// Where the kernel's files are.
    pub fn root(&self) -> &Path {
        let asked = match &self.command {
            Some(Command::Watch(watch)) => watch.root.as_deref(),
            _ => self.record_window().and_then(|window| window.root.as_deref()),
        };
        asked.or(self.window.root.as_deref()).unwrap_or(Path::new("/"))
    }

    /// Whether to profile, and for how long after the window.
    pub fn profile(&self) -> Option<Duration> {
        let asked = self.record_window().and_then(|window| window.profile).or(self.window.profile);
        // A tuning report says why, where it can: what is below another root is not this machine.
        let usual = self.tuning().filter(|report| report.live() && !report.no_profile);
        asked.or_else(|| usual.filter(|_| self.root() == Path::new("/")).map(|_| REPORT_PROFILE))
    }

    /// Samples a second and CPU.
    pub fn frequency_hertz(&self) -> u32 {
        let asked = self.record_window().and_then(|window| window.frequency);
        asked.or(self.window.frequency).unwrap_or(DEFAULT_FREQUENCY_HERTZ)
    }

    fn tuning(&self) -> Option<&TuningArgs> {
        match &self.command {
            Some(Command::Report(report)) => Some(report),
            _ => None,
        }
    }

    fn record_window(&self) -> Option<&WindowArgs> {
        match &self.command {
            Some(Command::Record(record)) => Some(&record.window),
            Some(Command::Report(report)) => Some(&report.window),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        let words = std::iter::once("diag").chain(arguments.iter().copied());
        Cli::from_arguments(words.map(OsString::from))
    }

    fn usage_error(arguments: &[&str]) -> String {
        let error = parse(arguments).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_that_make_no_sense_are_usage_errors() {
        assert!(usage_error(&["--top", "0"]).contains("from 1 up"));
        assert!(usage_error(&["--top", "-3"]).contains("from 1 up"));
        assert!(usage_error(&["--pid", "0"]).contains("positive number"));
        assert!(usage_error(&["--pid", "init"]).contains("positive number"));
        assert!(usage_error(&["--unit", " "]).contains("name of a unit"));
        assert!(usage_error(&["--unit", "a", "--pid", "1"]).contains("cannot be used with"));
        assert!(usage_error(&["--pid", "99999999999"]).contains("positive number"));
        assert!(usage_error(&["--interval", "-5"]).contains("from 1s to 1h"));
    }

    #[test]
    fn options_of_the_answer_go_on_either_side_of_a_command() {
        for arguments in [["--format", "json", "replay", "f"], ["replay", "f", "--format", "json"]] {
            assert_eq!(parse(&arguments).unwrap().report.format, Format::Json);
        }
    }

    #[test]
    fn a_recording_takes_its_window_from_either_side() {
        for arguments in [["--interval", "2s", "record", "f"], ["record", "f", "--interval", "2s"]] {
            assert_eq!(parse(&arguments).unwrap().interval(), Duration::from_secs(2));
        }
        assert_eq!(parse(&["record", "f"]).unwrap().interval(), DEFAULT_INTERVAL);
        assert_eq!(parse(&["record", "f", "--root", "/host"]).unwrap().root(), Path::new("/host"));
        assert_eq!(parse(&[]).unwrap().root(), Path::new("/"));
    }

    #[test]
    fn a_tuning_report_looks_long_and_closely_and_answers_in_html() {
        let report = parse(&["report"]).unwrap();
        assert_eq!((report.interval(), report.profile()), (REPORT_INTERVAL, Some(REPORT_PROFILE)));
        assert_eq!(report.report.format, Format::Html);
        for arguments in [["--format", "markdown", "report"], ["report", "--format", "markdown"]] {
            assert_eq!(parse(&arguments).unwrap().report.format, Format::Markdown);
        }
        assert_eq!(parse(&["report", "--interval", "9s"]).unwrap().interval(), Duration::from_secs(9));
        assert_eq!(parse(&["--interval", "9s", "report"]).unwrap().interval(), Duration::from_secs(9));
        assert_eq!(parse(&["report", "--no-profile"]).unwrap().profile(), None);
        assert_eq!(parse(&["report", "--root", "/host"]).unwrap().profile(), None);
        assert_eq!(parse(&["report", "f"]).unwrap().profile(), None);
    }

    #[test]
    fn a_tuning_report_of_a_capture_has_no_window() {
        assert!(usage_error(&["report", "f", "--interval", "9s"]).contains("does not watch"));
        assert!(usage_error(&["--interval", "9s", "report", "f"]).contains("does not watch"));
        assert!(usage_error(&["report", "--compare", "a", "b", "--profile"]).contains("does not watch"));
        assert!(
            usage_error(&["report", "--compare", "a", "b", "--format", "json"]).contains("html or markdown")
        );
        usage_error(&["report", "--compare", "a"]);
        usage_error(&["report", "c", "--compare", "a", "b"]);
        usage_error(&["report", "--no-profile", "--flamegraph", "f"]);
        usage_error(&["explain", "none", "--format", "html"]);
        parse(&["report", "--compare", "a", "b"]).unwrap();
    }

    #[test]
    fn a_name_in_alerts_is_for_an_alertmanager() {
        let named = ["watch", "--alertmanager", "http://127.0.0.1:9093", "--instance", "web-1:9100"];
        let Some(Command::Watch(watch)) = parse(&named).unwrap().command else { panic!("another command") };
        assert_eq!(watch.instance.as_deref(), Some("web-1:9100"));
        usage_error(&["watch", "--instance", "web-1:9100"]);
        assert!(usage_error(&[&named[..4], &[" "]].concat()).contains("must be a name"));
    }

    #[test]
    fn a_replay_has_no_window() {
        usage_error(&["replay", "f", "--interval", "2s"]);
        usage_error(&["replay", "f", "--root", "/"]);
        assert!(usage_error(&["--interval", "2s", "replay", "f"]).contains("does not watch"));
        assert!(usage_error(&["--root", "/", "schema"]).contains("does not watch"));
    }

    #[test]
    fn an_explanation_refuses_what_it_would_ignore() {
        for option in [["--top", "3"], ["--sort", "cpu"], ["--pid", "1"], ["--fail-on", "critical"]] {
            let [name, value] = option;
            assert!(usage_error(&["explain", name, value]).contains("does not diagnose"), "{name}");
            assert!(usage_error(&[name, value, "explain", "none"]).contains(name), "{name}");
        }
        assert!(usage_error(&["--interval", "2s", "explain"]).contains("does not watch"));
        usage_error(&["explain", "cpu-user", "cpu-system"]);
        for fine in [&["explain"][..], &["explain", "none", "--format", "json", "--color", "never"]] {
            assert!(matches!(parse(fine).unwrap().command, Some(Command::Explain(_))));
        }
    }

    #[test]
    fn help_lines_stay_readable() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("Examples:"));
        let short = Cli::command().render_help().to_string();
        assert!(short.lines().count() < 50, "{short}");
    }
}
