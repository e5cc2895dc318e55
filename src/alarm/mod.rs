//! From verdicts to what may page somebody. Pure: no file, no clock, no network.
//!
//! [`hysteresis`] turns a verdict a window into an alarm that does not flap, [`alerts`] turns the alarm into what
//! Alertmanager wants to hear and when, [`clocks`] says which windows are none, [`status`] how far a kept verdict can be
//! trusted.

pub mod alerts;
pub mod clocks;
pub mod hysteresis;
pub mod status;
