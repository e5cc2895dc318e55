//! Groups of options that several commands share. A command flattens the groups that apply to it, so that its help
//! shows exactly what it takes.

use super::choices::levels;
use super::request::Target;
use super::values::{
    parse_frequency, parse_interval, parse_process, parse_profile, parse_timeout, parse_top, parse_unit,
};
use crate::model::bottleneck::Sort;
use crate::model::choice::{Color, Format};
use crate::model::finding::Severity;
use crate::model::profile::ProfileMode;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `--profile` without a value.
const DEFAULT_PROFILE: &str = "2s";

/// Options of a window on a machine.
#[derive(Debug, Clone, Args)]
pub(super) struct WindowArgs {
    /// How long to watch, from 1s to 1h [default: 5s]
    ///
    /// Written as 5s, 1500ms, 1m30s or plain seconds. A longer window catches rare events and slow growth.
    #[arg(
        long,
        short = 't',
        visible_alias = "duration",
        value_name = "DURATION",
        value_parser = parse_interval,
        allow_hyphen_values = true
    )]
    pub(super) interval: Option<Duration>,
    /// Answer within this time; `-t` of check_diag.
    #[arg(long, value_name = "SECONDS", hide = true, value_parser = parse_timeout)]
    pub(super) timeout: Option<Duration>,
    /// Read the kernel's files below DIR instead of /
    ///
    /// DIR must hold proc, and sys where that is to be read too. In a container: the mount point of the host's root.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) root: Option<PathBuf>,
}

/// Options of a profile that is taken with the window.
#[derive(Debug, Clone, Args)]
pub(super) struct ProfileArgs {
    /// Profile all CPUs during the window; report the hot function, system call or wait
    ///
    /// The process is chosen after the window, from the samples. SECONDS is how long to trace it alone afterwards: for
    /// its system calls, or where all CPUs may not be sampled.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = DEFAULT_PROFILE,
        value_parser = parse_profile
    )]
    pub(super) profile: Option<Duration>,
    /// Samples per second and CPU [default: 99]
    #[arg(long, value_name = "HZ", value_parser = parse_frequency, requires = "profile")]
    pub(super) frequency: Option<u32>,
}

/// What the answer is about.
#[derive(Debug, Clone, Args)]
pub(super) struct TargetArgs {
    /// Show where this process spent its time
    ///
    /// A name works where it is unique. All threads of the process are followed through the window: running, waiting
    /// for a CPU, throttled by a CPU quota, waiting for the disk, swap, memory, a lock or the network, or asleep.
    #[arg(long, short, value_name = "PID|NAME", value_parser = parse_process, allow_negative_numbers = true)]
    pub(super) pid: Option<Target>,
    /// The same for all processes of a systemd unit, container or pod
    ///
    /// nginx or nginx.service; the first digits of a container's id, or docker:ID; pod:UID; a slice with everything
    /// below it; or the path of a cgroup, as in /system.slice. On replay: the unit that the capture was recorded for.
    #[arg(long, short, value_name = "NAME", value_parser = parse_unit, conflicts_with = "pid")]
    pub(super) unit: Option<String>,
}

/// How many processes are listed.
#[derive(Debug, Clone, Args)]
pub(super) struct TopArgs {
    /// List at most N processes
    #[arg(long, value_name = "N", default_value = "10", value_parser = parse_top, allow_negative_numbers = true)]
    pub(super) top: usize,
}

/// Their order.
#[derive(Debug, Clone, Args)]
pub(super) struct SortArgs {
    /// Rank the processes by KEY [default: what the verdict is about]
    #[arg(long, value_enum, value_name = "KEY")]
    pub(super) sort: Option<Sort>,
}

/// What becomes of a profile, be it taken now or found in a capture.
#[derive(Debug, Clone, Args)]
pub(super) struct DrawingArgs {
    /// What to profile [default: what the verdict is about]
    #[arg(long, value_enum, value_name = "MODE")]
    pub(super) profile_mode: Option<ProfileMode>,
    /// Write a flame graph of the profile to FILE
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) flamegraph: Option<PathBuf>,
    /// Write the folded stacks of the profile to FILE, one per line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) stacks: Option<PathBuf>,
}

/// Format and colour; which formats there are depends on the command.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 100)]
pub(super) struct FormatArgs {
    /// Format of the report [default: text]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
}

/// Where the answer goes.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 110)]
pub(super) struct OutputArgs {
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
}

/// How a report looks and what its exit code depends on.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 120)]
pub(super) struct ReportArgs {
    /// Print the whole report: every step, every number with its limit and source
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell
    #[arg(long, value_name = "LEVEL", value_parser = levels())]
    pub(super) fail_on: Option<Severity>,
}

/// Replacing names.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 130)]
pub(super) struct RedactArgs {
    /// Replace what identifies people and machines
    ///
    /// Host names, users, addresses, command lines, paths below home directories, ids of containers, disks and the
    /// boot become host-1, user-2, address-3 and so on. The same name has the same pseudonym throughout a report, a
    /// comparison or a run of `diag watch`. In a capture, the raw files are changed so that they still fit together,
    /// and command lines are left out. Kept: names of processes, threads and functions, which a diagnosis is about;
    /// names of units, devices, network interfaces and mount points, except for hosts and users in them; paths outside
    /// of home directories; process ids and times; in a capture also numeric user ids; root, 127.0.0.1 and ::1; in
    /// sentences also host and user names that are everyday words, such as app or www. Every machine becomes host-1:
    /// where several send alerts to one Alertmanager, give each its --instance.
    #[arg(long)]
    pub(super) redact: bool,
}

/// The configuration files.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = 140)]
pub(super) struct ConfigArgs {
    /// Ignore the configuration files; all limits have their defaults
    ///
    /// The files are /etc/diag/config.toml and $XDG_CONFIG_HOME/diag/config.toml; see `diag config`.
    #[arg(long)]
    pub(super) no_config: bool,
}

/// Options of every command that makes a diagnosis and reports it.
#[derive(Debug, Clone, Args)]
pub(super) struct AnswerArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) top: TopArgs,
    #[command(flatten)]
    pub(super) sort: SortArgs,
    #[command(flatten)]
    pub(super) drawing: DrawingArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    pub(super) redact: RedactArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// Options of a run that looks at this machine once.
#[derive(Debug, Clone, Args)]
pub(super) struct LiveArgs {
    #[command(flatten)]
    pub(super) window: WindowArgs,
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    #[command(flatten)]
    pub(super) answer: AnswerArgs,
}
