//! `--profile`: sampling during the window, and a closer look at the culprit once it is known.

use super::answer::ProfileSource;
use crate::cli::{Answer, ProfileWindow};
use crate::diagnose::code_evidence;
use crate::diagnose::code_evidence::Offender;
use crate::model::finding::NotChecked;
use crate::model::profile::{Profile, ProfileMode, Samples};
use crate::model::rates::Rates;
use crate::model::report::{Diagnosis, Report};
use crate::model::task::Pid;
use crate::profile::access::{self, What};
use crate::profile::on_cpu::{self, Harvest, Sampling};
use crate::profile::syscalls;
use crate::render;
use anyhow::{Result, anyhow};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Error for kernel frames that are hidden from this user.
const DENIED: i32 = rustix::io::Errno::ACCESS.raw_os_error();

/// A profile that is being taken.
pub(super) struct Profiling {
    facts: access::Facts,
    /// How long may be spent after the window.
    after: Duration,
    frequency_hertz: u32,
    interrupted: Arc<AtomicBool>,
    sampling: Option<Sampling>,
    /// Samples of the window, once it is over.
    harvest: Option<Harvest>,
    not_checked: Vec<NotChecked>,
}

impl Profiling {
    /// Starts to sample all CPUs, where that is allowed. A failure does not stop the triage.
    pub(super) fn start(window: Option<ProfileWindow>, interrupted: &Arc<AtomicBool>) -> Option<Self> {
        let ProfileWindow { after, frequency_hertz } = window?;
        let facts = access::look();
        let mut profiling = Self {
            facts,
            after,
            frequency_hertz,
            interrupted: Arc::clone(interrupted),
            sampling: None,
            harvest: None,
            not_checked: Vec::new(),
        };
        // Try in any case: the kernel may allow more than the facts suggest.
        match on_cpu::every_cpu(profiling.frequency_hertz) {
            Ok(sampling) => profiling.sampling = Some(sampling),
            Err(error) => profiling.refused("which code takes the time, on all CPUs", &error),
        }
        Some(profiling)
    }

    fn refused(&mut self, what: &str, error: &io::Error) {
        let refused = access::explain_error(access::errno_of(error), What::AllCpus, &self.facts);
        self.not_checked.push(refused.not_checked(what));
    }

    /// The window is over.
    pub(super) fn stop(&mut self) {
        if let Some(sampling) = self.sampling.take() {
            match sampling.finish() {
                Ok(harvest) => self.harvest = Some(harvest),
                Err(error) => self.refused("which code takes the time", &error),
            }
        }
    }

    /// Names the frames of the culprit, counts its system calls, and samples it alone where all CPUs could not be
    /// sampled.
    fn finish(mut self, offender: Option<&Offender>, calls_asked: bool) -> Option<Samples> {
        let pids = offender.map_or(&[][..], |offender| &offender.pids);
        let mut harvest = self.harvest.take();
        if harvest.is_none() && !pids.is_empty() && offender.is_some_and(|o| o.mode != ProfileMode::Waits) {
            harvest = self.attach(pids);
        }
        if harvest.as_ref().is_some_and(Harvest::kernel_hidden) {
            let refused = access::explain_error(DENIED, What::KernelFrames, &self.facts);
            self.not_checked.push(refused.not_checked("which code of the kernel takes the time"));
        }
        let mut samples = harvest.map(|harvest| harvest.named(&|pid| pids.contains(&pid)));
        if let Some(offender) = offender
            && code_evidence::wants_syscalls(offender, samples.as_ref(), calls_asked)
            && !self.interrupted.load(Ordering::Relaxed)
        {
            self.trace(offender, &mut samples);
        }
        if !self.not_checked.is_empty() {
            let samples = samples.get_or_insert_with(|| Samples::none(self.frequency_hertz));
            samples.not_checked = self.not_checked;
        }
        samples
    }

    /// Counts the system calls of the culprit.
    fn trace(&mut self, offender: &Offender, samples: &mut Option<Samples>) {
        match syscalls::trace(&offender.pids, self.after, &self.interrupted) {
            Ok(traced) => {
                self.not_checked.extend(traced.note.as_ref().map(|note| NotChecked {
                    what: "some of the system calls".to_owned(),
                    reason: note.clone(),
                    unlock: None,
                }));
                let samples = samples.get_or_insert_with(|| Samples::none(self.frequency_hertz));
                samples.syscalls = Some(traced);
            }
            Err(error) => {
                let what = format!("the system calls of {}", offender.comm);
                self.not_checked.push(error.into_refused().not_checked(&what));
            }
        }
    }

    /// Samples the offender alone, after the window.
    fn attach(&mut self, pids: &[Pid]) -> Option<Harvest> {
        if self.interrupted.load(Ordering::Relaxed) {
            return None;
        }
        let sampled = on_cpu::attach(pids, self.frequency_hertz).and_then(|sampling| {
            let over = Instant::now() + self.after;
            while Instant::now() < over && !self.interrupted.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50).min(self.after));
            }
            sampling.finish()
        });
        match sampled {
            Ok(harvest) => {
                // These samples replace those of all CPUs.
                self.not_checked.clear();
                Some(harvest)
            }
            Err(error) => {
                // What unlocks processes of other users unlocks one's own as well.
                let what = What::Process { other: true };
                let refused = access::explain_error(access::errno_of(&error), what, &self.facts);
                self.not_checked = vec![refused.not_checked("which code takes the time")];
                None
            }
        }
    }
}

/// What a profile came to.
#[derive(Default)]
pub(super) struct Profiled {
    /// Samples that a capture keeps.
    pub(super) samples: Option<Samples>,
    /// What the report shows.
    pub(super) profile: Option<Profile>,
}

/// Chooses the process to profile, takes the closer look at it, and adds the result to the diagnosis.
pub(super) fn add(
    answer: &Answer,
    rates: &Rates,
    diagnosis: &mut Diagnosis,
    asked: Option<Pid>,
    source: ProfileSource,
) -> Profiled {
    let mode = answer.profile_mode;
    if matches!(source, ProfileSource::Nothing) {
        // A live run refuses these options without --profile.
        if mode.is_some() || answer.flamegraph.is_some() || answer.stacks.is_some() {
            diagnosis.not_checked.push(NotChecked {
                what: "which code, system call or wait it is".to_owned(),
                reason: "the capture was recorded without a profile".to_owned(),
                unlock: Some("diag record --profile FILE".to_owned()),
            });
        }
        return Profiled::default();
    }
    let offender = code_evidence::offender(rates, diagnosis, asked, mode);
    let samples = match source {
        ProfileSource::Nothing => None,
        ProfileSource::Recorded(samples) => Some(*samples),
        ProfileSource::Live(profiling) => {
            profiling.finish(offender.as_ref(), mode == Some(ProfileMode::Syscalls))
        }
    };
    diagnosis.not_checked.extend(samples.iter().flat_map(|samples| samples.not_checked.iter().cloned()));
    let seen = samples.as_ref().filter(|samples| !samples.is_empty());
    let profile = offender.and_then(|offender| code_evidence::tell(diagnosis, rates, &offender, seen));
    Profiled { samples, profile }
}

/// A file that was asked for, and what goes into it.
pub(super) type Drawing<'a> = (&'a Path, String);

/// The flame graph and the folded stacks where they were asked for. A missing profile becomes a line under "not checked";
/// the diagnosis does not fail.
pub(super) fn drawings<'a>(answer: &'a Answer, report: &mut Report) -> Vec<Drawing<'a>> {
    let mut drawings: Vec<Drawing<'a>> = Vec::new();
    let mut keep = |file: &'a Option<PathBuf>, draw: &dyn Fn(&Profile) -> Result<String>| {
        let Some(file) = file else { return };
        let none = || anyhow!("there is no profile to draw");
        match report.profile.as_ref().ok_or_else(none).and_then(draw) {
            Ok(text) => drawings.push((file, text)),
            Err(error) => report.not_checked.push(NotChecked {
                what: format!("what {} was to show", file.display()),
                reason: format!("{error:#}"),
                unlock: None,
            }),
        }
    };
    let host = report.host.hostname.as_deref().unwrap_or("diag");
    let title = format!("{host}: {}", report.verdict.bottleneck);
    keep(&answer.stacks, &|profile| Ok(render::flame::folded::folded(profile)));
    keep(&answer.flamegraph, &|profile| render::flame::graph::svg(profile, &title));
    drawings
}
