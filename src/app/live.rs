//! `diag`: one window on this machine.

use super::answer::{self, Observed, ProfileSource, is_page};
use super::profile::Profiling;
use super::terminal::Screen;
use super::{configuration, limits, output, signals, target};
use crate::capture::CaptureWriter;
use crate::cli::{Answer, Live, Window};
use crate::collect::priority;
use crate::collect::root::Root;
use crate::collect::window::{self, Options, SAMPLING_RATIO};
use crate::config::Config;
use crate::delta;
use crate::model::reading::{Absence, AbsenceKind};
use crate::model::target::Asked;
use crate::model::task::CgroupPaths;
use anyhow::{Result, anyhow};
use std::path::Path;

/// Diagnoses this machine; the exit code.
pub(super) fn run(live: &Live) -> Result<u8> {
    let config = configuration(live.answer.read_config)?;
    output::refuse_unwritable(outputs(&live.answer))?;
    let page = is_page(&live.answer);
    let machine = Machine::open(&live.window, &live.answer)?;
    let observed = machine.observe(&live.window, page, &config, None)?;
    answer::write(&live.answer, answer::diagnose(&live.answer, observed, &config, page)?)
}

/// Files that are written after the window.
pub(super) fn outputs(answer: &Answer) -> impl Iterator<Item = &Path> {
    [&answer.output.file, &answer.flamegraph, &answer.stacks].into_iter().flatten().map(AsRef::as_ref)
}

/// This machine, or one whose kernel files are mounted elsewhere.
pub(super) struct Machine {
    /// Where its files are.
    pub(super) root: Root,
    /// The process or unit to follow.
    pub(super) asked: Option<Asked>,
}

impl Machine {
    /// Finds its kernel files, and in them what was asked about.
    pub(super) fn open(window: &Window, answer: &Answer) -> Result<Self> {
        let root = Root::live(&window.root).map_err(|absence| unreadable(&window.root, &absence))?;
        let asked = answer.target.as_ref().map(|target| target::asked(&root, target)).transpose()?;
        Ok(Self { root, asked })
    }

    /// Takes the window; `tuning` reads also what only a tuning report shows, and `capture` keeps all that is read.
    pub(super) fn observe(
        &self,
        asked: &Window,
        tuning: bool,
        config: &Config,
        capture: Option<CaptureWriter>,
    ) -> Result<Observed> {
        let unit = match &self.asked {
            Some(Asked::Unit(unit)) => unit.clone(),
            _ => String::new(),
        };
        let belongs = |paths: &CgroupPaths| delta::cgroup::belongs(paths, &unit);
        let wanted =
            self.asked.clone().map(|asked| target::wanted(&self.root, asked, &belongs)).transpose()?;
        priority::prepare();
        let interrupted = signals::listen()?;
        if let Some(capture) = capture {
            self.root.record(capture);
        }
        let mut profiling = Profiling::start(asked.profile, &interrupted);
        let options = Options {
            interval: asked.interval,
            target: wanted,
            profile: profiling.is_some(),
            sampling_ratio: SAMPLING_RATIO,
            proportional: true,
            tuning,
            limits: limits::of_window(&config.thresholds),
            interrupted: &interrupted,
            enough: None,
        };
        let screen = Screen::new(asked.interval);
        let recording = window::live(&self.root, options, &mut |progress| screen.show(progress))
            .map_err(|absence| unreadable(&asked.root, &absence))?;
        screen.clear();
        if let Some(profiling) = &mut profiling {
            profiling.stop();
        }
        let profile =
            profiling.map_or(ProfileSource::Nothing, |profiling| ProfileSource::Live(Box::new(profiling)));
        Ok(Observed { recording, profile, asked: self.asked.clone() })
    }
}

/// What is wrong with the root, and what to type instead.
pub(super) fn unreadable(directory: &Path, absence: &Absence) -> anyhow::Error {
    let shown = directory.display();
    match (&absence.kind, directory == Path::new("/")) {
        (AbsenceKind::Missing, true) => {
            anyhow!("{} does not exist; mount it with: mount proc -t proc /proc", absence.path)
        }
        (AbsenceKind::Missing, false) if Path::new(&absence.path) == directory => {
            anyhow!(
                "{shown} does not exist: --root takes a directory that holds proc, such as a mounted host root"
            )
        }
        (AbsenceKind::Missing, false) => anyhow!(
            "{shown} has no {}: --root takes a directory that holds proc, such as / or a mounted host root",
            absence.path
        ),
        _ => anyhow!("cannot read below {shown}: {absence}"),
    }
}
