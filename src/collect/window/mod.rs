//! The window: a full snapshot at both ends, system counters once a second, thread states in between.
//!
//! The live window and the replay of a capture build the same [`Recording`] with the same functions; they
//! differ only in who says when and at what to look.

pub mod system;

mod follow_up;
mod pace;
mod replay;
mod snapshot;

use crate::collect::kernel::{block_devices, host, kernel_log, loadavg};
use crate::collect::priority::run_ahead_of;
use crate::collect::root::{FrameKind, Root};
use crate::collect::tasks::details;
use crate::collect::tasks::follower::{Follower, Followings};
use crate::collect::tasks::sampler::Sampler;
use crate::collect::tasks::scan::Scratch;
use crate::collect::tasks::wait_details::WaitReader;
use crate::collect::tasks::wanted::Wanted;
use crate::model::host::Host;
use crate::model::limits::UserTasks;
use crate::model::reading::Absence;
use crate::model::snapshot::{FullSnapshot, LoadAverage, Recording, Source, SystemSnapshot};
use crate::model::task::{Pid, ProcessDetails};
use crate::model::wait_details::Refused;
pub use pace::SAMPLING_RATIO;
use pace::{CpuClock, Pace, Until};
pub use replay::{Recorded, replay};
use snapshot::full;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Longest wait for a CPU during a snapshot before it is taken again.
const HELD_UP: Duration = Duration::from_millis(100);

/// Processes whose threads are followed for a profile when nothing was asked for.
const WATCHED_PROCESSES: usize = 24;

/// Usage from which the details of a resource are read: the limits of the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetailLimits {
    /// Used space of a file system, from which its writers are searched.
    pub disk_used_ratio: f64,
    /// The same of its inodes.
    pub inodes_used_ratio: f64,
    /// Traffic of a link, by its speed. A rule decides by it; sockets are read from somewhat less on.
    pub link_used_ratio: f64,
    /// TCP sockets by the number of local ports, from which they are read.
    pub local_ports_ratio: f64,
}

/// What a live window is to do.
#[derive(Debug)]
pub struct Options<'a> {
    /// Length of the window.
    pub interval: Duration,
    /// Process or unit whose threads are followed, whatever they do.
    pub target: Option<Wanted<'a>>,
    /// Whether to read what waiting threads wait in: those of the target, else of the busiest processes.
    pub profile: bool,
    /// Share of one CPU that sampling thread states may use: [`SAMPLING_RATIO`], or less for `diag watch`.
    pub sampling_ratio: f64,
    /// Whether the largest processes are asked for their shares of shared pages where memory is not short as well: the
    /// dearest read of all, for a ranking.
    pub proportional: bool,
    /// Whether to read what only a tuning report shows: the sizes of workers, the queues of disks.
    pub tuning: bool,
    /// The limits in force.
    pub limits: DetailLimits,
    /// Set by Ctrl-C: the window ends at once.
    pub interrupted: &'a AtomicBool,
    /// Set by the receiver of the progress once the stall that the window is about is over: the window then ends, and
    /// does not count as interrupted. With it, progress is reported ten times a second.
    pub enough: Option<&'a AtomicBool>,
}

/// What a live window reports while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// The load average is known, before anything else was read.
    Load(LoadAverage),
    /// So much of the window is over.
    Elapsed(Duration),
}

/// Takes one live window through `root`.
pub fn live(
    root: &Root,
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Recording, Absence> {
    follow(root, options, None, progress).map(|(recording, _)| recording)
}

/// As [`live`], from where another window ended: the scan at its end is then the one at the start of this one, and no
/// time lies between the two. Also when this one ended.
pub fn follow(
    root: &Root,
    options: Options<'_>,
    begun: Option<Begun>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Recording, Instant), Absence> {
    let mut scratch = Scratch::default();
    if let Ok(load) = loadavg::read(root, &mut scratch.bytes) {
        progress(Progress::Load(load));
    }
    let mut host = host::gather(root);
    let Begun { started_at, clock, before } = continue_or_begin(root, begun, &host, &mut scratch)?;
    let wanted_pid = options.target.as_ref().and_then(Wanted::pid);
    let Options { interval, interrupted, enough, proportional, tuning, limits, .. } = options;
    let followed = (options.target, options.profile);
    let mut between = Between::new(root, followed, &host, &before, clock, &mut scratch);
    between.pace.afford(options.sampling_ratio);
    let until = Until { interval, interrupted, enough };
    between.watch(root, &until, clock, progress, &mut scratch);
    let interrupted = clock.elapsed() < interval && !until.is_enough();
    let Between { mut sampler, follower, slices, .. } = between;
    let Followings { target, watched, refused } = finish_following(root, follower, clock, &mut scratch);
    let at = clock.elapsed();
    root.begin_frame(FrameKind::End, at);
    let mut after = full(root, &host, at, &mut scratch)?;
    sampler.finish(root, at, &mut scratch);
    let ended_at = jiff::Timestamp::now();
    let samples = sampler.into_samples();
    let swapping = swapped(&before.system, &after.system);
    let mut selection =
        details::select(&before.processes, &after.processes, &samples, host.page_bytes, swapping, wanted_pid);
    let short = swapping || stalled_for_memory(&before.system, &after.system);
    selection.adjust(&after.processes, host.page_bytes, proportional || short, tuning);
    let details = details::read(root, &selection, &mut scratch);
    let block_devices = block_devices::read(root, &mut scratch.bytes);
    let limits = follow_up::limits(
        root,
        &before,
        &mut after,
        block_devices.as_deref().ok().filter(|_| tuning).unwrap_or_default(),
        &limits,
        host.page_bytes,
        &mut scratch,
    );
    keep_seen_users(&mut host, &details, &limits.user_tasks);
    let recording = Recording {
        source: Source::Live,
        host,
        started_at,
        ended_at,
        before,
        after,
        slices,
        samples,
        details,
        block_devices,
        limits,
        target,
        watched,
        refused,
        interrupted,
    };
    Ok((recording, clock + at))
}

/// The last look of the follower, in a frame of its own, and what it has seen.
fn finish_following(
    root: &Root,
    follower: Option<(FrameKind, Follower<'_>)>,
    clock: Instant,
    scratch: &mut Scratch,
) -> Followings {
    let follower = follower.map(|(kind, mut follower)| {
        let at = clock.elapsed();
        root.begin_frame(kind, at);
        follower.finish(root, at, scratch);
        follower
    });
    followings(follower)
}

fn followings(follower: Option<Follower<'_>>) -> Followings {
    let none = Followings { target: None, watched: None, refused: Refused::default() };
    follower.map_or(none, Follower::into_followings)
}

/// A window that has begun.
#[derive(Debug)]
pub struct Begun {
    started_at: jiff::Timestamp,
    clock: Instant,
    before: FullSnapshot,
}

impl Begun {
    /// Where another one ended, whose last snapshot was `after`.
    pub fn at_the_end(mut after: FullSnapshot, ended_at: jiff::Timestamp, ended: Instant) -> Self {
        after.system.at = Duration::ZERO;
        Self { started_at: ended_at, clock: ended, before: after }
    }

    /// How long ago that was.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

fn continue_or_begin(
    root: &Root,
    begun: Option<Begun>,
    host: &Host,
    scratch: &mut Scratch,
) -> Result<Begun, Absence> {
    let Some(begun) = begun else { return begin(root, host, scratch) };
    run_ahead_of(&begun.before.processes);
    Ok(begun)
}

/// Takes the first snapshot, and raises the priority of this run above the processes in it.
fn begin(root: &Root, host: &Host, scratch: &mut Scratch) -> Result<Begun, Absence> {
    let mut started_at = jiff::Timestamp::now();
    let mut clock = Instant::now();
    root.begin_frame(FrameKind::Start, Duration::ZERO);
    let spent = CpuClock::start();
    kernel_log::mark(root);
    let mut before = full(root, host, Duration::ZERO, scratch)?;
    run_ahead_of(&before.processes);
    // A first snapshot that had to wait for a CPU does not show one moment: the window begins again, now with priority.
    if clock.elapsed().as_secs_f64() > spent.seconds() * 2.0 + HELD_UP.as_secs_f64() {
        started_at = jiff::Timestamp::now();
        clock = Instant::now();
        root.begin_frame(FrameKind::Start, Duration::ZERO);
        before = full(root, host, Duration::ZERO, scratch)?;
    }
    Ok(Begun { started_at, clock, before })
}

/// What looks at the machine between the two ends of a live window.
struct Between<'a> {
    sampler: Sampler,
    /// With the kind of its frames.
    follower: Option<(FrameKind, Follower<'a>)>,
    slices: Vec<SystemSnapshot>,
    pace: Pace,
}

impl<'a> Between<'a> {
    fn new(
        root: &Root,
        (target, profile): (Option<Wanted<'a>>, bool),
        host: &Host,
        before: &FullSnapshot,
        clock: Instant,
        scratch: &mut Scratch,
    ) -> Self {
        let sampler = Sampler::new(root, host.own_pid, &before.processes, scratch);
        let new = || Follower::new(None, host.own_pid, WaitReader::new(profile, host.arch.as_deref()));
        let follower = match target {
            Some(wanted) => {
                let at = clock.elapsed();
                root.begin_frame(FrameKind::Target, at);
                Some((FrameKind::Target, new().start(root, wanted, at, scratch)))
            }
            None => profile.then(|| (FrameKind::Watch, new())),
        };
        Self { sampler, follower, slices: Vec::new(), pace: Pace::new(clock.elapsed()) }
    }

    /// Looks and sleeps until the window is over.
    fn watch(
        &mut self,
        root: &Root,
        until: &Until<'_>,
        clock: Instant,
        progress: &mut dyn FnMut(Progress),
        scratch: &mut Scratch,
    ) {
        loop {
            let now = clock.elapsed();
            progress(Progress::Elapsed(now));
            if until.is_over(now) {
                break;
            }
            let wake = self.pace.next_wake(now).min(until.next_look(now));
            pace::sleep(wake.saturating_sub(now), until.interrupted);
            let now = clock.elapsed();
            if until.is_over(now) {
                break;
            }
            let spent = CpuClock::start();
            if self.pace.begin_slice_if_due(now, until.interval) {
                root.begin_frame(FrameKind::Slice, now);
                self.slices.push(system::read(root, now, false, &mut scratch.bytes));
            }
            if self.pace.sample_is_due(now) {
                self.sample(root, now, &spent, scratch);
            }
        }
    }

    fn sample(&mut self, root: &Root, now: Duration, spent: &CpuClock, scratch: &mut Scratch) {
        root.begin_frame(FrameKind::Sample, now);
        let hot = self.sampler.hot_count();
        let followed =
            self.follower.as_ref().map_or(0, |(_, follower)| self.pace.followed(follower.threads_count()));
        let plan = self.pace.plan(&self.sampler, followed);
        self.sampler.sample(root, now, plan, scratch);
        if let Some((kind, follower)) = &mut self.follower {
            root.begin_frame(*kind, now);
            if *kind == FrameKind::Watch && follower.lists(now) {
                follower.watch(root, &self.sampler.busiest(WATCHED_PROCESSES), scratch);
            }
            follower.sample(root, now, followed, scratch);
        }
        // A thread that is followed costs its state and its wait channel.
        self.pace.sampled(now, spent.seconds(), hot + plan.turns_count + 2 * followed);
    }
}

/// Whether pages went to or came from swap between two snapshots.
fn swapped(before: &SystemSnapshot, after: &SystemSnapshot) -> bool {
    let (Ok(before), Ok(after)) = (&before.vm, &after.vm) else { return false };
    ["pswpin", "pswpout"].iter().any(|name| after.get(name) > before.get(name))
}

/// Whether threads waited for memory for at least 1 % of the time between two snapshots, or that is unknown.
fn stalled_for_memory(before: &SystemSnapshot, after: &SystemSnapshot) -> bool {
    let total =
        |snapshot: &SystemSnapshot| Some(snapshot.memory_pressure.as_ref().ok()?.some.total_microseconds);
    let (Some(then), Some(now)) = (total(before), total(after)) else { return true };
    let stalled = Duration::from_micros(now.saturating_sub(then));
    stalled * 100 >= after.at.saturating_sub(before.at)
}

/// A capture must not carry the whole user list of a box away.
fn keep_seen_users(host: &mut Host, details: &BTreeMap<Pid, ProcessDetails>, users: &[UserTasks]) {
    let seen: HashSet<u32> = details
        .values()
        .filter_map(|process| process.status.as_ref()?.as_ref().ok())
        .map(|status| status.uid)
        .chain(users.iter().map(|user| user.uid))
        .collect();
    host.users.retain(|uid, _| seen.contains(uid));
}
