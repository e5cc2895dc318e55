//! `diag watch`: one verdict per window, and from many verdicts a debounced alarm.
//!
//! [`run`] takes window after window; [`trigger`] ends one early when the box stalls; [`hysteresis`] turns verdicts into an
//! alarm; [`publish`] hands what changed to the [`sinks`], one thread each; [`state`] keeps the last report, and [`status`]
//! says how long it holds. [`hysteresis`], [`alerts`], [`clocks`] and [`status`] are pure: no file, no clock, no network.
//!
//! What it needs from the rest of the program comes in through `run::Context`.

#![allow(
    clippy::disallowed_methods,
    reason = "watch looks at the clock, keeps files and starts the command of --exec; its pure modules do not"
)]

pub mod alerts;
pub mod clocks;
pub mod hysteresis;
pub mod publish;
pub mod run;
pub mod sinks;
pub mod state;
pub mod status;
pub mod trigger;

use crate::model::watch::{Line, TransitionLine};
use crate::render::{escape, json};
use std::io::Write as _;

/// One line on standard error; any thread may call it.
pub(crate) fn warn(message: &str) {
    // The run continues if the line cannot be written.
    let _ = writeln!(std::io::stderr(), "diag: {}", escape::terminal(message));
}

/// The transition as JSON, for commands and webhooks.
pub(crate) fn transition_json(transition: &TransitionLine) -> anyhow::Result<String> {
    json::line(&Line::Transition(Box::new(transition.clone())))
}
