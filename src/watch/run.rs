//! `diag watch`: one verdict per window, without end.
//!
//! The windows have no gap: the scan at the end of one is the scan at the start of the next. Everything that may be slow
//! (standard output, commands, servers, captures on a disk) has a thread of its own and a queue of fixed size, so that
//! only the window sets the pace.

use crate::capture::{CaptureWriter, Meta};
use crate::cli::Watch;
use crate::collect::kernel::host;
use crate::collect::kernel::psi_trigger::PressureTriggers;
use crate::collect::root::Root;
use crate::collect::window::{self, Begun, DetailLimits};
use crate::collect::{clocks, priority};
use crate::delta;
use crate::model::finding::Severity;
use crate::model::rates::Rates;
use crate::model::reading::Absence;
use crate::model::report::Report;
use crate::model::snapshot::Recording;
use crate::model::watch::{
    Alarm, ClockLine, EndLine, EndReason, GapLine, GapReason, Line, Resource, State, TriggerLine,
};
use crate::redact::{Redactor, Style};
use crate::watch::clocks::{Clocks, Passed};
use crate::watch::hysteresis::{Hysteresis, Policy};
use crate::watch::publish::Summaries;
use crate::watch::sinks::Sinks;
use crate::watch::state;
use crate::watch::status::holds;
use crate::watch::trigger::Trigger;
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Share of one CPU for sampling thread states: less than for a single look, since it recurs for days.
const SAMPLING_RATIO: f64 = 0.001;

/// A window begins where the last one ended, unless that was longer ago than this.
const HOLE_MAX: Duration = Duration::from_secs(1);

/// Longest wait for a trigger before the flag of a signal is looked at.
const WAIT: Duration = Duration::from_secs(1);

/// What a run needs from the rest of the program.
pub(crate) struct Context<'a> {
    /// What was asked for.
    pub(crate) request: &'a Watch,
    /// Set by Ctrl-C and SIGTERM.
    pub(crate) interrupted: Arc<AtomicBool>,
    /// Limits by which the end of a window is read.
    pub(crate) window_limits: DetailLimits,
    /// How rates are computed.
    pub(crate) delta_options: delta::Options,
    /// Diagnoses a window.
    pub(crate) report: &'a dyn Fn(&Rates) -> Report,
    /// Packs what is read through a root.
    pub(crate) capture_writer: &'a dyn Fn(&Root) -> CaptureWriter,
    /// Says what is wrong with a root, and what to type instead.
    pub(crate) unreadable: fn(&Path, &Absence) -> anyhow::Error,
    /// Renders a line.
    pub(crate) render: &'a dyn Fn(&Line) -> Result<String>,
}

/// Watches until a signal comes, or until as many windows as were asked for are over.
pub(crate) fn run(context: Context<'_>) -> Result<()> {
    let request = context.request;
    let root = Root::live(&request.root).map_err(|absence| (context.unreadable)(&request.root, &absence))?;
    let (file, _claim) = state::to_write(request.state.as_deref())?.unzip();
    let kept = file.as_deref().and_then(|file| state::read(Some(file), &state::now()).ok());
    let kept = kept.filter(|state| holds(state, &state::now()));
    let mut summaries = Summaries::default();
    if let Some(state) = &kept {
        summaries.note(&state.report.verdict);
    }
    let alarm = kept.map_or(Alarm::none(), |state| state.alarm);
    let trigger = request.trigger.then(|| PressureTriggers::set(&request.root).map(Trigger::new));
    let trigger = trigger.transpose().map_err(no_triggers)?;
    let mut gathered = host::gather(&root);
    let mut redactor = request.redact.then(|| Redactor::of_host(Style::Report, &gathered));
    let host = gathered.hostname.take().map(|host| pseudonym(&mut redactor, host, Redactor::host));
    // Before the run raises its priority: its threads, and the commands that they start, must not inherit it.
    let sinks = Sinks::start(request, context.render, host.clone(), &alarm)?;
    if let Some(trigger) = &trigger {
        trigger.say_how();
    }
    priority::prepare();
    let (raise, of) = request.raise;
    let policy = Policy { raise, of, clear: request.clear };
    let mut run = Run {
        hysteresis: Hysteresis::resumed(policy, alarm.level, alarm.bottleneck.clone()),
        summaries,
        alarm,
        seq: 0,
        begun: None,
        kept: None,
        state_write_failed: false,
        windows_count: 0,
        context,
        root,
        file,
        trigger,
        host,
        redactor,
        sinks,
    };
    let ended = run.take_windows();
    run.sinks.finish();
    ended
}

/// The pseudonym of `name`, where names are replaced.
fn pseudonym(
    redactor: &mut Option<Redactor>,
    name: String,
    of: impl Fn(&mut Redactor, &str) -> String,
) -> String {
    match redactor {
        Some(redactor) => of(redactor, &name),
        None => name,
    }
}

fn no_triggers(absence: Absence) -> anyhow::Error {
    anyhow!(
        "--trigger needs pressure stall information: {absence}; boot with psi=1, or watch without --trigger"
    )
}

/// The state of a run.
pub(crate) struct Run<'a> {
    pub(super) context: Context<'a>,
    pub(super) root: Root,
    pub(super) file: Option<PathBuf>,
    pub(super) trigger: Option<Trigger>,
    pub(super) host: Option<String>,
    /// One for the whole run, so that a pseudonym means the same in every window.
    pub(super) redactor: Option<Redactor>,
    pub(super) sinks: Sinks<'a>,
    pub(super) hysteresis: Hysteresis,
    pub(super) alarm: Alarm,
    /// The last summary of each bottleneck.
    pub(super) summaries: Summaries,
    pub(super) seq: u64,
    /// Where the last window ended.
    pub(super) begun: Option<(Begun, Clocks)>,
    /// What the state file holds.
    pub(super) kept: Option<State>,
    pub(super) state_write_failed: bool,
    pub(super) windows_count: u64,
}

/// A window with its diagnosis.
struct Diagnosed {
    report: Report,
    clocks: Clocks,
    capture: Option<(CaptureWriter, Meta)>,
}

impl Run<'_> {
    fn take_windows(&mut self) -> Result<()> {
        let mut quiet = false;
        loop {
            let next = self.trigger.as_mut().and_then(Trigger::take_next);
            let fired = if quiet { self.until_slow() } else { next };
            if self.is_interrupted() {
                return self.end(EndReason::Signal);
            }
            if self.sinks.are_gone() {
                return Ok(());
            }
            self.window(fired)?;
            self.windows_count = self.windows_count.saturating_add(1);
            if self.is_interrupted() {
                return self.end(EndReason::Signal);
            }
            if self.context.request.count.is_some_and(|count| self.windows_count >= count) {
                return self.end(EndReason::Count);
            }
            quiet = self.may_wait();
        }
    }

    fn is_interrupted(&self) -> bool {
        self.context.interrupted.load(Ordering::Relaxed)
    }

    /// Whether to wait for a trigger: the box is well.
    fn may_wait(&mut self) -> bool {
        let well = |state: &State| state.report.verdict.severity < Severity::Warning;
        self.trigger.as_mut().is_some_and(Trigger::is_calm)
            && self.alarm.level == Severity::Ok
            && self.kept.as_ref().is_some_and(well)
    }

    /// Waits until a trigger fires; none where a signal came first.
    fn until_slow(&mut self) -> Option<Resource> {
        let mut refreshed = Instant::now();
        while !self.is_interrupted() && !self.sinks.are_gone() {
            let fired = self.trigger.as_mut()?.wait(WAIT);
            if fired.is_some() {
                return fired;
            }
            if refreshed.elapsed() >= self.context.request.interval {
                refreshed = Instant::now();
                // Without a trigger the box is still well.
                self.hysteresis.observe(Severity::Ok, "none");
                if let Some(state) = &mut self.kept {
                    state.holds_boottime_seconds = clocks::boottime().as_secs_f64();
                }
                self.write_state();
            }
        }
        None
    }

    /// One window, with everything that follows from it.
    fn window(&mut self, fired: Option<Resource>) -> Result<()> {
        let records = fired.is_some() && self.context.request.trigger_dir.is_some();
        let last = self.begun.take().filter(|(begun, _)| !records && begun.elapsed() < HOLE_MAX);
        let (begun, then) = match last {
            Some((begun, then)) => (Some(begun), then),
            None => (None, read_clocks()),
        };
        if records {
            self.root.record((self.context.capture_writer)(&self.root));
        }
        if let Some(trigger) = &mut self.trigger {
            trigger.begin(fired);
        }
        let diagnosed = catch_unwind(AssertUnwindSafe(|| self.diagnose(begun, fired.is_some())));
        let passed = Passed::between(&then, &read_clocks());
        self.report_clock_jump(&passed);
        let diagnosed = match diagnosed {
            // The panic hook has printed it. The next window may be better.
            Err(_) => return self.gap(GapReason::InternalError, &passed, None),
            Ok(Err(absence)) if self.windows_count == 0 => {
                return Err((self.context.unreadable)(&self.context.request.root, &absence));
            }
            Ok(Err(absence)) => return self.gap(GapReason::Unreadable, &passed, Some(absence.to_string())),
            Ok(Ok(_)) if passed.suspended_seconds > 0.0 => {
                self.begun = None;
                let slept = format!("the machine slept for {:.0} seconds of it", passed.suspended_seconds);
                return self.gap(GapReason::Suspend, &passed, Some(slept));
            }
            Ok(Ok(diagnosed)) => diagnosed,
        };
        if let Some(resource) = fired {
            let capture =
                diagnosed.capture.and_then(|(writer, about)| self.sinks.keep(resource, writer, about));
            let capture = capture.map(|file| self.shown(&file));
            let line =
                TriggerLine { seq: self.next(), at: now(), host: self.host.clone(), resource, capture };
            self.sinks.print(&Line::Trigger(line))?;
        }
        self.publish(diagnosed.report, &diagnosed.clocks, fired.is_some())
    }

    /// Takes a window and diagnoses it; one that a trigger began is sampled as closely as a single run would.
    fn diagnose(&mut self, begun: Option<Begun>, triggered: bool) -> Result<Diagnosed, Absence> {
        let enough = AtomicBool::new(false);
        let trigger = &mut self.trigger;
        let mut progress = |progress| {
            if let (window::Progress::Elapsed(now), Some(trigger)) = (progress, trigger.as_mut()) {
                enough.fetch_or(trigger.is_over(now), Ordering::Relaxed);
            }
        };
        let request = self.context.request;
        let options = window::Options {
            interval: request.interval,
            target: None,
            profile: false,
            sampling_ratio: if triggered { window::SAMPLING_RATIO } else { SAMPLING_RATIO },
            proportional: false,
            // A tuning report may be made from a window that is kept.
            tuning: triggered && request.trigger_dir.is_some(),
            limits: self.context.window_limits,
            interrupted: &self.context.interrupted,
            enough: request.trigger.then_some(&enough),
        };
        let taken = window::follow(&self.root, options, begun, &mut progress);
        let clocks = read_clocks();
        let writer = self.root.finish_recording();
        let (recording, ended) = taken?;
        let capture = writer.map(|writer| (writer, about(&recording)));
        let rates = delta::rates(&recording, &self.context.delta_options);
        self.begun = Some((Begun::at_the_end(recording.after, recording.ended_at, ended), clocks));
        let mut report = (self.context.report)(&rates);
        if let Some(redactor) = &mut self.redactor {
            redactor.know_users(&rates.host.users);
            redactor.learn(&report);
            redactor.report(&mut report);
            redactor.end_window();
        }
        Ok(Diagnosed { report, clocks, capture })
    }

    fn gap(&mut self, reason: GapReason, passed: &Passed, detail: Option<String>) -> Result<()> {
        self.root.abandon_recording();
        let (seq, host) = (self.next(), self.host.clone());
        let detail = detail.map(|detail| pseudonym(&mut self.redactor, detail, Redactor::text));
        let line = GapLine { seq, at: now(), host, reason, seconds: passed.seconds, detail };
        self.sinks.print(&Line::Gap(line))?;
        // A failure at once must not repeat a thousand times per second.
        let rest =
            self.context.request.interval.saturating_sub(Duration::from_secs_f64(passed.seconds.min(3600.0)));
        let until = Instant::now() + rest;
        while Instant::now() < until && !self.is_interrupted() {
            std::thread::sleep(
                Duration::from_millis(100).min(until.saturating_duration_since(Instant::now())),
            );
        }
        Ok(())
    }

    fn report_clock_jump(&mut self, passed: &Passed) {
        if passed.jumped_seconds != 0.0 {
            let line = ClockLine {
                seq: self.next(),
                at: now(),
                host: self.host.clone(),
                seconds: passed.jumped_seconds,
            };
            // If the line cannot be rendered, there is nothing to print.
            let _ = self.sinks.print(&Line::ClockJump(line));
        }
    }

    fn end(&mut self, reason: EndReason) -> Result<()> {
        let line = EndLine { seq: self.next(), at: now(), host: self.host.clone(), reason };
        self.sinks.print(&Line::End(line))
    }

    /// Path of a capture; with --redact its name alone.
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

fn read_clocks() -> Clocks {
    Clocks { monotonic: clocks::monotonic(), boottime: clocks::boottime(), wall: clocks::wall() }
}
