//! The words of `diag watch` and `diag status`.

use super::values::{
    parse_clear, parse_count, parse_instance, parse_interval, parse_percent, parse_raise, parse_top,
    parse_url,
};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `diag watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Length of each window, from 1s to 1h [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,
    /// Read the kernel's files below DIR instead of /
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Print a line only where something changes: the alarm, the clock, a trigger with its verdict, the end
    #[arg(long)]
    pub on_change: bool,
    /// Raise the alarm when N of the last M windows were bad
    ///
    /// Warning and critical are counted apart: the alarm has the level that so many windows have reached.
    #[arg(long, value_name = "N/M", default_value = "3/5", value_parser = parse_raise)]
    pub raise: (u32, u32),
    /// Lower the alarm after N windows in a row below its level
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_clear, allow_negative_numbers = true)]
    pub clear: u32,
    /// Run CMD with sh when the alarm changes
    ///
    /// The transition's JSON is on its standard input, and DIAG_KIND, DIAG_LEVEL, DIAG_FROM, DIAG_BOTTLENECK, DIAG_HOST,
    /// DIAG_SUMMARY and DIAG_SEQ in its environment. It is ended after 30 seconds. Only one runs at a time; of the
    /// changes that come meanwhile the last one is told.
    #[arg(long, value_name = "CMD", value_hint = clap::ValueHint::CommandString)]
    pub exec: Option<String>,
    /// Post the transition's JSON to URL when the alarm changes
    #[arg(long, value_name = "URL", value_parser = parse_url, value_hint = clap::ValueHint::Url)]
    pub webhook: Option<String>,
    /// Keep the alarm known to the Alertmanager at URL
    #[arg(long, value_name = "URL", value_parser = parse_url, value_hint = clap::ValueHint::Url)]
    pub alertmanager: Option<String>,
    /// Name of this machine in its alerts [default: its host name]
    ///
    /// The label instance: what Prometheus calls this machine, so that both speak of the same one.
    #[arg(long, value_name = "NAME", value_parser = parse_instance, requires = "alertmanager")]
    pub instance: Option<String>,
    /// Keep the last verdict in FILE [default: /run/diag/state.json as root, else $XDG_RUNTIME_DIR/diag/state.json]
    ///
    /// In a service of systemd with a RuntimeDirectory=, it is state.json in that one. One run at a time keeps a file.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub state: Option<PathBuf>,
    /// End after N windows
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub count: Option<u64>,
    /// Wait until the box gets slow, then record and diagnose that moment
    ///
    /// Costs next to nothing while nothing happens: the kernel tells when threads stall for a CPU, a disk or memory
    /// (pressure stall information), or is asked twice a second without CAP_SYS_RESOURCE. The window then ends with the
    /// stalls, so that a spike of two or three seconds is all that is in it. Others follow until the box is well again.
    #[arg(long)]
    pub trigger: bool,
    /// Keep a capture of each such moment in DIR, for `diag replay`
    #[arg(long, value_name = "DIR", requires = "trigger", value_hint = clap::ValueHint::DirPath)]
    pub trigger_dir: Option<PathBuf>,
    /// Captures to keep; older ones are removed, and so are those beyond 64 MiB
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        value_parser = parse_top,
        requires = "trigger_dir",
        allow_negative_numbers = true
    )]
    pub trigger_keep: usize,
    /// Leave command lines out of what is printed and captured
    ///
    /// They may hold passwords. The state file never has them.
    #[arg(long)]
    pub without_command_lines: bool,
}

/// Arguments of `diag status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The state file [default: that of this user's diag watch, else /run/diag/state.json]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub state: Option<PathBuf>,
    /// Print nothing; the exit code alone says it, with --fail-on
    #[arg(long)]
    pub quiet: bool,
    /// Exit with 0 instead of 11 when diag cannot tell
    ///
    /// For checks that take every other code for a failure, such as a vrrp_script of keepalived: a diag that does not
    /// run must not move a service.
    #[arg(long)]
    pub unknown_ok: bool,
    /// With --format haproxy: smallest weight to ask for, in percent
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub floor: u8,
    /// With --format haproxy: take the server out while the verdict is critical
    ///
    /// It then answers `drain`, and `ready` once it is over. Without this it is up whatever the verdict: a bottleneck on
    /// all servers at once would leave a site without any.
    #[arg(long)]
    pub drain: bool,
}
