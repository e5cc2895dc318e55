//! Arguments of the commands that look at a machine or at a capture of one, and of `diag explain`.

use super::WindowArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `diag record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Capture file to write
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// Leave command lines out of the capture
    ///
    /// They may hold passwords. Names of processes and users are kept.
    #[arg(long)]
    pub without_command_lines: bool,
    /// What to look at.
    #[command(flatten)]
    pub window: WindowArgs,
}

/// Arguments of `diag replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Capture file to read
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Arguments of `diag report`.
#[derive(Debug, Clone, Args)]
pub struct TuningArgs {
    /// Capture file to report on, instead of this machine now
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Say what changed between two captures, and whether the fix worked
    ///
    /// Record one before and one after, under the same work: diag record --profile before.diag
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with = "file", value_hint = clap::ValueHint::FilePath)]
    pub compare: Option<Vec<PathBuf>>,
    /// Do not sample the CPUs
    #[arg(long, conflicts_with = "profile")]
    pub no_profile: bool,
    /// What to look at.
    #[command(flatten)]
    pub window: WindowArgs,
}

impl TuningArgs {
    /// Whether it watches a machine.
    pub fn live(&self) -> bool {
        self.file.is_none() && self.compare.is_none()
    }
}

/// Arguments of `diag explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Id of a bottleneck, as a verdict names it
    #[arg(value_name = "ID")]
    pub id: Option<String>,
}
