//! Words that an option chooses from.

use clap::ValueEnum;

/// Formats of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: one object, see `diag schema`
    Json,
    /// The same on one line
    Jsonl,
    /// For a ticket, in less than 4 kB
    Markdown,
    /// As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag
    Nagios,
    /// Metrics for node_exporter's textfile collector, with --output DIR/diag.prom
    Prometheus,
    /// The tuning report: one file that needs nothing else
    Html,
    /// For the agent-check of HAProxy: one line with a weight; meant for `diag status`
    Haproxy,
}

/// What a profile looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileMode {
    /// The code that takes the CPU time
    OnCpu,
    /// The system calls
    Syscalls,
    /// What the threads wait for
    Waits,
}

/// Orders of the process list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// CPU time
    Cpu,
    /// Memory, shared pages divided by their users
    Memory,
    /// Bytes from and to devices
    Io,
    /// Time spent waiting for a CPU or a device
    Wait,
}

/// Levels that a monitor can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Somebody waits, or soon will
    Warning,
    /// The box is slow because of it
    Critical,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// In any case
    Always,
    /// In no case
    Never,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// What --format json and jsonl answer
    Report,
    /// A line of `diag watch`, and what --exec and --webhook are told
    Watch,
}

/// Shells with a completion script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Saved as ~/.local/share/bash-completion/completions/diag
    Bash,
    /// Saved as _diag in a directory of $fpath
    Zsh,
    /// Saved as ~/.config/fish/completions/diag.fish
    Fish,
}
