//! `diag watch`: one verdict a window, for as long as it is left running.
//!
//! The windows follow one another without a hole: the scan at the end of one is the scan at the start of the next. All
//! that may be slow (standard output, commands, servers, captures on a disk) has a thread of its own and a queue that
//! does not grow, so that nothing but the window itself sets the pace.

use crate::capture::{CaptureWriter, Meta};
use crate::cli::{Cli, WatchArgs};
use crate::collect::kernel::psi_trigger::PressureTriggers;
use crate::collect::root::Root;
use crate::collect::window::{self, Begun};
use crate::collect::{clocks, priority};
use crate::config::Config;
use crate::model::finding::Severity;
use crate::model::reading::Absence;
use crate::model::report::Report;
use crate::model::snapshot::Recording;
use crate::model::watch::{
    Alarm, ClockLine, EndLine, EndReason, GapLine, GapReason, Line, Resource, State, TransitionLine,
    TriggerLine,
};
use crate::redact::{Redactor, Style};
use crate::render::{escape, json};
use crate::watch::clocks::{Clocks, Passed};
use crate::watch::hysteresis::{Hysteresis, Policy};
use crate::watch::publish::Words;
use crate::watch::sinks::Outlets;
use crate::watch::state;
use crate::watch::status::holds;
use crate::watch::trigger::Moments;
use crate::{app, delta, diagnose, exit};
use anyhow::{Result, anyhow};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Share of one CPU for looking at thread states: what goes on for days has to cost less than one look at a sick box.
const SAMPLING_RATIO: f64 = 0.001;

/// A window begins where the last one ended, unless that was so long ago.
const HOLE_MAX: Duration = Duration::from_secs(1);

/// Longest wait for a trigger before the flag of a signal is looked at.
const WAIT: Duration = Duration::from_secs(1);

/// Watches until a signal comes, or as many windows as were asked for are over; the exit code.
pub(crate) fn run(cli: &Cli, arguments: &WatchArgs) -> Result<u8> {
    let config = app::config(&cli.report)?;
    let root = Root::live(cli.root()).map_err(|absence| app::no_root(cli.root(), &absence))?;
    let (file, _claim) = state::to_write(arguments.state.as_deref())?.unzip();
    let kept = file.as_deref().and_then(|file| state::read(Some(file), &app::status::now()).ok());
    let kept = kept.filter(|state| holds(state, &app::status::now()));
    let mut words = Words::default();
    kept.iter().for_each(|state| words.note(&state.report.verdict));
    let alarm = kept.map_or(Alarm::none(), |state| state.alarm);
    let moments = arguments.trigger.then(|| PressureTriggers::set(cli.root()).map(Moments::new));
    let moments = moments.transpose().map_err(no_triggers)?;
    let interrupted = app::listen()?;
    let mut gathered = crate::collect::kernel::host::gather(&root);
    let mut redactor = cli.report.redact.then(|| app::redactor(Style::Report, &gathered));
    let host = gathered.hostname.take().map(|host| pseudonym(&mut redactor, host, Redactor::host));
    // Before the run takes its priority: none of these threads, and no command that they start, is to have it.
    let outlets = Outlets::start(arguments, cli.interval(), host.clone(), &alarm)?;
    moments.iter().for_each(Moments::say_how);
    priority::prepare();
    let (raise, of) = arguments.raise;
    let policy = Policy { raise, of, clear: arguments.clear };
    let mut watch = Watch {
        hysteresis: Hysteresis::resumed(policy, alarm.level, alarm.bottleneck.clone()),
        words,
        alarm,
        seq: 0,
        begun: None,
        kept: None,
        said_no_state: false,
        windows_count: 0,
        cli,
        arguments,
        config,
        root,
        interrupted,
        file,
        moments,
        host,
        redactor,
        outlets,
    };
    let ended = watch.go_on();
    watch.outlets.finish();
    ended.map(|()| exit::RAN)
}

/// What stands for `name`, where names are not to be told.
fn pseudonym(
    redactor: &mut Option<Redactor>,
    name: String,
    of: impl Fn(&mut Redactor, &str) -> String,
) -> String {
    redactor.as_mut().map(|redactor| of(redactor, &name)).unwrap_or(name)
}

fn no_triggers(absence: Absence) -> anyhow::Error {
    anyhow!(
        "--trigger needs pressure stall information: {absence}; boot with psi=1, or watch without --trigger"
    )
}

/// One line on standard error; from the threads as well.
pub(crate) fn warn(message: &str) {
    // Where standard error is gone, the run goes on all the same.
    let _ = writeln!(std::io::stderr(), "diag: {}", escape::terminal(message));
}

/// The line that a command and a webhook are told.
pub(crate) fn told(transition: &TransitionLine) -> Result<String> {
    json::line(&Line::Transition(Box::new(transition.clone())))
}

/// A run that goes on.
pub(crate) struct Watch<'a> {
    pub(super) cli: &'a Cli,
    pub(super) arguments: &'a WatchArgs,
    pub(super) config: Config,
    pub(super) root: Root,
    pub(super) interrupted: Arc<AtomicBool>,
    pub(super) file: Option<PathBuf>,
    pub(super) moments: Option<Moments>,
    pub(super) host: Option<String>,
    /// The same for the whole run, so that a pseudonym means the same in every window.
    pub(super) redactor: Option<Redactor>,
    pub(super) outlets: Outlets,
    pub(super) hysteresis: Hysteresis,
    pub(super) alarm: Alarm,
    /// What was said of each bottleneck last.
    pub(super) words: Words,
    pub(super) seq: u64,
    /// Where the last window ended.
    pub(super) begun: Option<(Begun, Clocks)>,
    /// What the state file has.
    pub(super) kept: Option<State>,
    pub(super) said_no_state: bool,
    pub(super) windows_count: u64,
}

/// A window that was diagnosed.
struct Seen {
    report: Report,
    clocks: Clocks,
    capture: Option<(CaptureWriter, Meta)>,
}

impl Watch<'_> {
    fn go_on(&mut self) -> Result<()> {
        let mut quiet = false;
        loop {
            let next = self.moments.as_mut().and_then(Moments::take_next);
            let fired = if quiet { self.until_slow() } else { next };
            if self.is_interrupted() {
                return self.end(EndReason::Signal);
            }
            if self.outlets.nobody_listens() {
                return Ok(());
            }
            self.window(fired)?;
            self.windows_count = self.windows_count.saturating_add(1);
            if self.is_interrupted() {
                return self.end(EndReason::Signal);
            }
            if self.arguments.count.is_some_and(|count| self.windows_count >= count) {
                return self.end(EndReason::Count);
            }
            quiet = self.may_wait();
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether there is nothing to look at until a trigger fires: the box is well.
    fn may_wait(&mut self) -> bool {
        let well = |state: &State| state.report.verdict.severity == Severity::Ok;
        self.moments.as_mut().is_some_and(Moments::is_calm)
            && self.alarm.level == Severity::Ok
            && self.kept.as_ref().is_some_and(well)
    }

    /// Waits until a trigger fires; none where a signal came first.
    fn until_slow(&mut self) -> Option<Resource> {
        let mut refreshed = Instant::now();
        while !self.is_interrupted() && !self.outlets.nobody_listens() {
            let fired = self.moments.as_mut()?.wait(WAIT);
            if fired.is_some() {
                return fired;
            }
            if refreshed.elapsed() >= self.cli.interval() {
                refreshed = Instant::now();
                // No trigger is an answer too: the box is still well.
                self.hysteresis.observe(Severity::Ok, "none");
                if let Some(state) = &mut self.kept {
                    state.holds_boottime_seconds = clocks::boottime().as_secs_f64();
                }
                self.write_state();
            }
        }
        None
    }

    /// One window, with all that follows from it.
    fn window(&mut self, fired: Option<Resource>) -> Result<()> {
        let records = fired.is_some() && self.arguments.trigger_dir.is_some();
        let last = self.begun.take().filter(|(begun, _)| !records && begun.elapsed() < HOLE_MAX);
        let (begun, then) =
            last.map_or_else(|| (None, look_at_clocks()), |(begun, then)| (Some(begun), then));
        if records {
            self.root.record(app::capture_writer(self.cli, &self.root, self.arguments.without_command_lines));
        }
        self.moments.iter_mut().for_each(|moments| moments.begin(fired));
        let seen = catch_unwind(AssertUnwindSafe(|| self.diagnose(begun, fired.is_some())));
        let passed = Passed::between(&then, &look_at_clocks());
        self.say_clock_jump(&passed);
        let seen = match seen {
            // The panic has said itself on standard error. The next window may be better.
            Err(_) => return self.gap(GapReason::InternalError, &passed, None),
            Ok(Err(absence)) if self.windows_count == 0 => {
                return Err(app::no_root(self.cli.root(), &absence));
            }
            Ok(Err(absence)) => return self.gap(GapReason::Unreadable, &passed, Some(absence.to_string())),
            Ok(Ok(_)) if passed.suspended_seconds > 0.0 => {
                self.begun = None;
                let slept = format!("the machine slept for {:.0} seconds of it", passed.suspended_seconds);
                return self.gap(GapReason::Suspend, &passed, Some(slept));
            }
            Ok(Ok(seen)) => seen,
        };
        if let Some(resource) = fired {
            let capture = seen.capture.and_then(|(writer, about)| self.outlets.keep(resource, writer, about));
            let capture = capture.map(|file| self.shown(&file));
            let line =
                TriggerLine { seq: self.next(), at: now(), host: self.host.clone(), resource, capture };
            self.outlets.print(&Line::Trigger(line))?;
        }
        self.tell(seen.report, &seen.clocks, fired.is_some())
    }

    /// Takes a window and diagnoses it; `rare` windows are looked at as closely as a run of its own would.
    fn diagnose(&mut self, begun: Option<Begun>, rare: bool) -> Result<Seen, Absence> {
        let enough = AtomicBool::new(false);
        let moments = &mut self.moments;
        let mut progress = |progress| {
            if let (window::Progress::Elapsed(now), Some(moments)) = (progress, moments.as_mut()) {
                enough.fetch_or(moments.is_over(now), Ordering::Relaxed);
            }
        };
        let options = window::Options {
            interval: self.cli.interval(),
            target: None,
            profile: false,
            sampling_ratio: if rare { window::SAMPLING_RATIO } else { SAMPLING_RATIO },
            proportional: false,
            // Of a window that is kept, a report may be wanted.
            tuning: rare && self.arguments.trigger_dir.is_some(),
            interrupted: &self.interrupted,
            enough: self.arguments.trigger.then_some(&enough),
        };
        let taken = window::follow(&self.root, options, begun, &mut progress);
        let clocks = look_at_clocks();
        let writer = self.root.finish_recording();
        let (recording, ended) = taken?;
        let capture = writer.map(|writer| (writer, about(&recording)));
        let rates = delta::rates(&recording);
        self.begun = Some((Begun::at_the_end(recording.after, recording.ended_at, ended), clocks));
        let asked = diagnose::Options {
            sort: self.cli.report.sort.map(app::terminal::rank_by),
            top: self.cli.report.top,
            pid: None,
            profiled: false,
            thresholds: &self.config.thresholds,
        };
        let mut diagnosis = diagnose::diagnose(&rates, &asked);
        diagnosis.not_checked.extend(self.config.not_checked.iter().cloned());
        let mut report = app::report(diagnosis, None, &rates, &self.config.thresholds);
        if let Some(redactor) = &mut self.redactor {
            redactor.know_users(&rates.host.users);
            redactor.learn(&report);
            redactor.report(&mut report);
            redactor.end_window();
        }
        Ok(Seen { report, clocks, capture })
    }

    fn gap(&mut self, reason: GapReason, passed: &Passed, detail: Option<String>) -> Result<()> {
        drop(self.root.finish_recording());
        let (seq, host) = (self.next(), self.host.clone());
        let detail = detail.map(|detail| pseudonym(&mut self.redactor, detail, Redactor::text));
        let line = GapLine { seq, at: now(), host, reason, seconds: passed.seconds, detail };
        self.outlets.print(&Line::Gap(line))?;
        // What fails at once must not fail a thousand times a second.
        let rest = self.cli.interval().saturating_sub(Duration::from_secs_f64(passed.seconds.min(3600.0)));
        let until = Instant::now() + rest;
        while Instant::now() < until && !self.is_interrupted() {
            std::thread::sleep(
                Duration::from_millis(100).min(until.saturating_duration_since(Instant::now())),
            );
        }
        Ok(())
    }

    fn say_clock_jump(&mut self, passed: &Passed) {
        if passed.jumped_seconds != 0.0 {
            let line = ClockLine {
                seq: self.next(),
                at: now(),
                host: self.host.clone(),
                seconds: passed.jumped_seconds,
            };
            // A line that cannot be made is one that cannot be printed either.
            let _ = self.outlets.print(&Line::ClockJump(line));
        }
    }

    fn end(&mut self, reason: EndReason) -> Result<()> {
        let line = EndLine { seq: self.next(), at: now(), host: self.host.clone(), reason };
        self.outlets.print(&Line::End(line))
    }

    /// Where a capture is. Whoever runs this knows the directory, and others are not to.
    fn shown(&self, file: &Path) -> String {
        let name = file.file_name().filter(|_| self.redactor.is_some());
        name.map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.seq = self.seq.saturating_add(1);
        self.seq
    }
}

fn about(recording: &Recording) -> Meta {
    Meta {
        host: recording.host.clone(),
        started_at: recording.started_at,
        ended_at: recording.ended_at,
        note: None,
        interrupted: recording.interrupted,
        target: None,
    }
}

fn now() -> String {
    clocks::wall().to_string()
}

fn look_at_clocks() -> Clocks {
    Clocks { monotonic: clocks::monotonic(), boottime: clocks::boottime(), wall: clocks::wall() }
}
