//! `diag watch`: one verdict per window, and from many verdicts an alarm that does not flap.
//!
//! [`run`] takes window after window; [`trigger`] ends one early when the box stalls; [`hysteresis`] turns verdicts into an
//! alarm; [`publish`] hands what changed to the [`sinks`], one thread each; [`state`] keeps the last report, and [`status`]
//! says how long it holds. [`hysteresis`], [`alerts`], [`clocks`] and [`status`] are pure: no file, no clock, no network.

pub mod alerts;
pub mod clocks;
pub mod hysteresis;
pub mod publish;
pub mod run;
pub mod sinks;
pub mod state;
pub mod status;
pub mod trigger;
