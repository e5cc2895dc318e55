//! The words of the choices, with the help of each.

use crate::model::bottleneck::Sort;
use crate::model::choice::{Color, Document, Format};
use crate::model::finding::Severity;
use crate::model::profile::ProfileMode;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// Gives each value of an enum its word and its help.
macro_rules! words {
    ($kind:ty: $($value:ident $word:literal $help:literal),+ $(,)?) => {
        impl ValueEnum for $kind {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$value),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$value => PossibleValue::new($word).help($help)),+
                })
            }
        }
    };
}

words!(Format:
    Text "text" "For people",
    Json "json" "For programs: one object; its schema: `diag schema`",
    Jsonl "jsonl" "The same on one line",
    Markdown "markdown" "For a ticket, less than 4 kB",
    Nagios "nagios" "Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag",
    Prometheus "prometheus" "Metrics for node_exporter's textfile collector, with --output DIR/diag.prom",
    Html "html" "The tuning report, in one file",
    Haproxy "haproxy" "One line with a weight for the agent-check of HAProxy; meant for `diag status`",
);

words!(ProfileMode:
    OnCpu "on-cpu" "Code that uses CPU time",
    Syscalls "syscalls" "System calls",
    Waits "waits" "What threads wait for",
);

words!(Sort:
    Cpu "cpu" "CPU time",
    Memory "memory" "Memory, with shared pages divided among their users",
    Io "io" "Bytes read from and written to devices",
    Wait "wait" "Time spent waiting for a CPU or a device",
);

words!(Color:
    Auto "auto" "On a terminal, unless NO_COLOR is set",
    Always "always" "Always",
    Never "never" "Never",
);

words!(Document:
    Report "report" "Output of --format json and jsonl",
    Watch "watch" "A line of `diag watch`, also what --exec and --webhook receive",
);

/// Shells with a completion script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

words!(Shell:
    Bash "bash" "Save as ~/.local/share/bash-completion/completions/diag",
    Zsh "zsh" "Save as _diag in a directory of $fpath",
    Fish "fish" "Save as ~/.config/fish/completions/diag.fish",
);

/// Parses one of `formats`; each command lists its own.
pub(super) fn one_of(formats: &[Format]) -> impl TypedValueParser<Value = Format> + use<> {
    let words: Vec<PossibleValue> = formats.iter().filter_map(ValueEnum::to_possible_value).collect();
    // The parser has let only these words through.
    PossibleValuesParser::new(words).try_map(|word| Format::from_str(&word, false))
}

/// Parses a level that an exit code can depend on.
pub(super) fn levels() -> impl TypedValueParser<Value = Severity> {
    let words = [
        PossibleValue::new("notice").help("A program is at its own limit; the box is short of nothing"),
        PossibleValue::new("warning").help("Threads wait, or soon will"),
        PossibleValue::new("critical").help("The box is slow because of it"),
    ];
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        _ => Severity::Notice,
    })
}
