//! The commands with the options of each.

use super::args::{
    AnswerArgs, ConfigArgs, FormatArgs, LiveArgs, OutputArgs, RedactArgs, ReportArgs, SortArgs, TopArgs,
};
use super::choices::Shell;
use super::values::{
    parse_clear, parse_count, parse_instance, parse_interval, parse_percent, parse_raise, parse_top,
    parse_url,
};
use crate::model::choice::Document;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// What diag can do besides a live run.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Diagnose this machine and keep the raw counters in FILE
    ///
    /// The capture holds the kernel's files as they were read. `diag replay` makes the same diagnosis from it on any
    /// machine, and a later version of diag may make a better one. It is written whatever the verdict.
    Record(Box<RecordArgs>),
    /// Diagnose a capture of another time or machine
    Replay(Box<ReplayArgs>),
    /// Write the tuning report: one HTML file with charts, flame graph, culprit and advice
    ///
    /// It watches this machine for 30 seconds with a profile, or reads a capture: `diag report FILE` is `diag replay FILE
    /// --format html`. The file is self-contained and loads nothing from the network. --format markdown gives a short
    /// form for a ticket; all other formats are as elsewhere.
    Report(Box<TuningArgs>),
    /// Diagnose continuously: one verdict per window, with a debounced alarm
    ///
    /// On a terminal it prints one line per window; otherwise JSON Lines, each with a type (verdict, transition, gap,
    /// clock-jump, trigger or end) and a sequence number. The last verdict is kept in a state file, from which `diag
    /// status` answers. With --redact, a capture is named without its directory.
    Watch(Box<WatchArgs>),
    /// Print the last verdict of `diag watch` and its age, within milliseconds
    ///
    /// A verdict that is older than three windows becomes `unknown`; so does a missing one.
    Status(Box<StatusArgs>),
    /// Explain a bottleneck: symptom, limits, false positives, checks by hand, fixes
    ///
    /// Without an ID, lists all bottlenecks. On a terminal the text goes through the pager ($PAGER, or less).
    Explain(ExplainArgs),
    /// Print a configuration file with every limit, its default and its source, all commented out
    ///
    /// Start with `diag config > /etc/diag/config.toml`. diag reads that file, then
    /// $XDG_CONFIG_HOME/diag/config.toml (~/.config where that is not set).
    Config(OutputArgs),
    /// Print the JSON Schema of the report, or of a line of `diag watch`
    Schema(SchemaArgs),
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
}

/// Arguments of `diag record`.
#[derive(Debug, Clone, Args)]
pub(super) struct RecordArgs {
    /// Capture file to write
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) file: PathBuf,
    /// Overwrite FILE where it exists
    #[arg(long)]
    pub(super) force: bool,
    /// Leave command lines out of the capture
    ///
    /// They may hold passwords. Names of processes and users are kept.
    #[arg(long)]
    pub(super) without_command_lines: bool,
    #[command(flatten)]
    pub(super) live: LiveArgs,
}

/// Arguments of `diag replay`.
#[derive(Debug, Clone, Args)]
pub(super) struct ReplayArgs {
    /// Capture file to read
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) answer: AnswerArgs,
}

/// Arguments of `diag report`.
#[derive(Debug, Clone, Args)]
pub(super) struct TuningArgs {
    /// Capture file to report on, instead of this machine now
    #[arg(
        value_name = "FILE",
        conflicts_with_all = ["interval", "root", "profile", "frequency"],
        value_hint = clap::ValueHint::FilePath
    )]
    pub(super) file: Option<PathBuf>,
    /// Report what changed between two captures, and whether the fix worked
    ///
    /// Record one before and one after, under the same load: diag record --profile before.diag
    #[arg(
        long,
        num_args = 2,
        value_names = ["BEFORE", "AFTER"],
        conflicts_with_all = ["file", "interval", "root", "profile", "frequency"],
        value_hint = clap::ValueHint::FilePath
    )]
    pub(super) compare: Option<Vec<PathBuf>>,
    /// Do not sample the CPUs
    #[arg(long, conflicts_with = "profile")]
    pub(super) no_profile: bool,
    #[command(flatten)]
    pub(super) live: LiveArgs,
}

/// Arguments of `diag watch`.
#[derive(Debug, Clone, Args)]
pub(super) struct WatchArgs {
    /// Length of each window, from 1s to 1h [default: 10s]
    #[arg(
        long,
        short = 't',
        visible_alias = "duration",
        value_name = "DURATION",
        value_parser = parse_interval,
        allow_hyphen_values = true
    )]
    pub(super) interval: Option<Duration>,
    /// Read the kernel's files below DIR instead of /
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) root: Option<PathBuf>,
    /// Print a line only on a change: the alarm, the clock, a trigger with its verdict, the end
    #[arg(long)]
    pub(super) on_change: bool,
    /// Raise the alarm when N of the last M windows were bad
    ///
    /// Warning and critical are counted apart: the alarm has the highest level that N windows have reached.
    #[arg(long, value_name = "N/M", default_value = "3/5", value_parser = parse_raise)]
    pub(super) raise: (u32, u32),
    /// Lower the alarm after N windows in a row below its level
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_clear, allow_negative_numbers = true)]
    pub(super) clear: u32,
    /// Run CMD with sh when the alarm changes
    ///
    /// It gets the transition as JSON on standard input, and DIAG_KIND, DIAG_LEVEL, DIAG_FROM, DIAG_BOTTLENECK,
    /// DIAG_HOST, DIAG_SUMMARY and DIAG_SEQ in its environment. It is killed after 30 seconds. One command runs at a
    /// time; of the changes during a run only the last is passed on.
    #[arg(long, value_name = "CMD", value_hint = clap::ValueHint::CommandString)]
    pub(super) exec: Option<String>,
    /// Post the transition as JSON to URL when the alarm changes
    #[arg(long, value_name = "URL", value_parser = parse_url, value_hint = clap::ValueHint::Url)]
    pub(super) webhook: Option<String>,
    /// Send the alarm to the Alertmanager at URL
    #[arg(long, value_name = "URL", value_parser = parse_url, value_hint = clap::ValueHint::Url)]
    pub(super) alertmanager: Option<String>,
    /// Label `instance` of the alerts [default: the host name]
    ///
    /// Use what Prometheus calls this machine, so that its alerts and these belong together.
    #[arg(long, value_name = "NAME", value_parser = parse_instance, requires = "alertmanager")]
    pub(super) instance: Option<String>,
    /// Keep the last verdict in FILE [default: /run/diag/state.json as root, else $XDG_RUNTIME_DIR/diag/state.json]
    ///
    /// In a systemd service with RuntimeDirectory=, the default is state.json in that directory. Only one run at a time
    /// can use a file.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) state: Option<PathBuf>,
    /// End after N windows
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(super) count: Option<u64>,
    /// Wait until the box gets slow, then record and diagnose that moment
    ///
    /// Costs next to nothing while the box is well: the kernel notifies diag when threads stall for a CPU, a disk or
    /// memory (pressure stall information); without CAP_SYS_RESOURCE diag looks twice a second. The window ends when the
    /// stalls end, so that a spike of two seconds is not diluted. More windows follow until the box is well again.
    #[arg(long)]
    pub(super) trigger: bool,
    /// Keep a capture of each such moment in DIR, for `diag replay`
    #[arg(long, value_name = "DIR", requires = "trigger", value_hint = clap::ValueHint::DirPath)]
    pub(super) trigger_dir: Option<PathBuf>,
    /// Number of captures to keep; the oldest are removed, also beyond 64 MiB in total
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        value_parser = parse_top,
        requires = "trigger_dir",
        allow_negative_numbers = true
    )]
    pub(super) trigger_keep: usize,
    /// Leave command lines out of what is printed and captured
    ///
    /// They may hold passwords. The state file never has them.
    #[arg(long)]
    pub(super) without_command_lines: bool,
    #[command(flatten)]
    pub(super) top: TopArgs,
    #[command(flatten)]
    pub(super) sort: SortArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) redact: RedactArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// Arguments of `diag status`.
#[derive(Debug, Clone, Args)]
pub(super) struct StatusArgs {
    /// The state file [default: that of this user's diag watch, else /run/diag/state.json]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) state: Option<PathBuf>,
    /// Print nothing; use the exit code, with --fail-on
    #[arg(long)]
    pub(super) quiet: bool,
    /// Exit with 0 instead of 11 when diag cannot tell
    ///
    /// For checks that treat every code but 0 as a failure, such as vrrp_script of keepalived: a stopped diag must not
    /// move a service.
    #[arg(long)]
    pub(super) unknown_ok: bool,
    /// With --format haproxy: smallest weight to ask for, in percent
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub(super) floor: u8,
    /// With --format haproxy: take the server out while the verdict is critical
    ///
    /// It then answers `drain`, and `ready` once that is over. Without this the server stays up whatever the verdict: a
    /// bottleneck on all servers at once would otherwise leave a site without any.
    #[arg(long)]
    pub(super) drain: bool,
    #[command(flatten)]
    pub(super) top: TopArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    pub(super) redact: RedactArgs,
}

/// Arguments of `diag explain`.
#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArgs {
    /// Id of a bottleneck, as a verdict names it
    #[arg(value_name = "ID")]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Arguments of `diag schema`.
#[derive(Debug, Clone, Args)]
pub(super) struct SchemaArgs {
    /// Document that the schema describes
    #[arg(value_enum, default_value = "report")]
    pub(super) document: Document,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Arguments of `diag completions`.
#[derive(Debug, Clone, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: Shell,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}
