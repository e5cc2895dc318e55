//! `diag` names the bottleneck of a slow Linux box, the culprit, why, and what to do.
//!
//! The modules are the stages of one pipeline, in the order in which data flows through them:
//!
//! 1. [`collect`] reads kernel files, live or from a capture, into a [`model::snapshot::Recording`];
//! 2. [`delta`] turns the recording's counters into [`model::rates::Rates`];
//! 3. [`diagnose`] walks the triage over the rates and decides;
//! 4. [`profile`] says which code it is: it samples beside the window, and names what is asked about afterwards;
//! 5. [`render`] turns the [`model::report::Report`] into the bytes of one format.
//!
//! The limits that [`diagnose`] goes by can be set in files, which [`config`] reads.
//!
//! Only [`app`] knows every stage; the stages know [`model`] and never each other.

pub mod capture;
pub mod deadline;
pub mod files;
pub mod redact;
pub mod socket_tables;
pub mod watch;

pub mod app;
pub mod cli;
pub mod collect;
pub mod config;
pub mod delta;
pub mod diagnose;
pub mod exit;
pub mod generate;
pub mod model;
pub mod profile;
pub mod render;
