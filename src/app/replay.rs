//! `diag replay`: the diagnosis of a capture.

use super::answer::{self, Observed, ProfileSource, is_page};
use super::{configuration, limits, target};
use crate::capture::Capture;
use crate::cli::{Answer, Replay};
use crate::collect::window;
use crate::config::Config;
use anyhow::{Result, anyhow};
use std::path::Path;

/// Diagnoses the capture; the exit code.
pub(super) fn run(replay: &Replay) -> Result<u8> {
    let config = configuration(replay.answer.read_config)?;
    let observed = observe(&replay.file, &replay.answer, &config)?;
    let outcome = answer::diagnose(&replay.answer, observed, &config, is_page(&replay.answer))?;
    answer::write(&replay.answer, outcome)
}

/// What the capture holds.
pub(super) fn observe(file: &Path, answer: &Answer, config: &Config) -> Result<Observed> {
    let mut capture = Capture::open(file)?;
    let samples = capture.samples.take();
    let recording = window::replay(capture, &limits::of_window(&config.thresholds)).map_err(|absence| {
        anyhow!("{} cannot be replayed: {absence}; record it again with `diag record`", file.display())
    })?;
    let profile =
        samples.map_or(ProfileSource::Nothing, |samples| ProfileSource::Recorded(Box::new(samples)));
    let asked = answer.target.as_ref().map(|target| target::asked_in(&recording, target)).transpose()?;
    Ok(Observed { recording, profile, asked })
}
