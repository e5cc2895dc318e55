//! The window: a full snapshot at both ends, system counters once a second, thread states in between.
//!
//! The live window and the replay of a capture build the same [`Recording`] with the same functions; they
//! differ only in who says when and at what to look.

use crate::collect::capture::{Capture, FrameKind};
use crate::collect::processes::{Scan, Scratch, scan};
use crate::collect::resilience::Ahead;
use crate::collect::root::Root;
use crate::collect::sampler::{Plan, Sampler};
use crate::collect::target::{Follower, Wanted};
use crate::collect::{
    block_devices, cgroups, details, hardware, host, kernel_log, mounts, namespaces, net_counters, peers,
    sockets, system, tables, thermal,
};
use crate::model::host::Host;
use crate::model::reading::Absence;
use crate::model::snapshot::{
    CpuTicks, FullSnapshot, LimitReadings, LoadAverage, Recording, Source, SystemSnapshot,
};
use crate::model::task::{Pid, State};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between samples while they are cheap.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Longest time between samples: a window of one second still gets one.
const SAMPLE_EVERY_MAX: Duration = Duration::from_secs(1);

/// Share of one CPU that the samples may use. The limit for all of the window is one percent: the rest of it is
/// for waking up and for the slices.
const SAMPLING_BUDGET_RATIO: f64 = 0.007;

/// Time between slices.
const SLICE_EVERY: Duration = Duration::from_secs(1);

/// What one look at a thread costs until it has been measured.
const LOOK_SECONDS: f64 = 6e-6;

/// A snapshot may wait so long for its CPU before it is taken again.
const HELD_UP: Duration = Duration::from_millis(100);

/// Processes that are searched for the owner of a socket or file.
const OWNERS_MAX: usize = 2000;

/// Share of a link's speed from which its sockets are looked at.
const LINK_FILLED: f64 = 0.7;

/// Threads that take turns in every sample, however small the budget.
const TURNS_MIN: usize = 8;

/// What a live window is told.
#[derive(Debug)]
pub struct Options<'a> {
    /// Length of the window.
    pub interval: Duration,
    /// Process or unit whose threads are to be followed, whatever they do.
    pub target: Option<Wanted<'a>>,
    /// Set by Ctrl-C: the window ends at once.
    pub interrupted: &'a AtomicBool,
}

/// What a live window tells while it runs.
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
    let mut scratch = Scratch::default();
    if let Ok(load) = crate::collect::loadavg::read(root, &mut scratch.bytes) {
        progress(Progress::Load(load));
    }
    let mut host = host::gather(root);
    let mut started_at = jiff::Timestamp::now();
    let mut clock = Instant::now();
    root.begin_frame(FrameKind::Start, Duration::ZERO);
    let spent = CpuClock::start();
    let mut before = full(root, &host, Duration::ZERO, &mut scratch)?;
    let ahead = Ahead::of_the_crowd(&before.processes);
    // A first snapshot that was held up for long is none of one moment: the window begins anew, ahead now.
    if clock.elapsed().as_secs_f64() > spent.seconds() * 2.0 + HELD_UP.as_secs_f64() {
        started_at = jiff::Timestamp::now();
        clock = Instant::now();
        root.begin_frame(FrameKind::Start, Duration::ZERO);
        before = full(root, &host, Duration::ZERO, &mut scratch)?;
    }
    let mut sampler = Sampler::new(root, host.own_pid, &before.processes, &mut scratch);
    let wanted_pid = options.target.as_ref().and_then(Wanted::pid);
    let mut follower = options.target.map(|wanted| {
        let at = clock.elapsed();
        root.begin_frame(FrameKind::Target, at);
        Follower::start(root, wanted, host.own_pid, at, &mut scratch)
    });
    let mut slices = Vec::new();
    let mut pace = Pace::new(clock.elapsed());
    loop {
        let now = clock.elapsed();
        if now >= options.interval || options.interrupted.load(Ordering::Relaxed) {
            break;
        }
        progress(Progress::Elapsed(now));
        let wake = pace.next_wake(now).min(options.interval);
        sleep(wake.saturating_sub(now), options.interrupted);
        let now = clock.elapsed();
        if now >= options.interval || options.interrupted.load(Ordering::Relaxed) {
            break;
        }
        let spent = CpuClock::start();
        if now >= pace.next_slice && now + SLICE_EVERY / 4 < options.interval {
            pace.next_slice += SLICE_EVERY;
            root.begin_frame(FrameKind::Slice, now);
            slices.push(system::read(root, now, false, &mut scratch.bytes));
        }
        if now >= pace.next_sample {
            root.begin_frame(FrameKind::Sample, now);
            let hot = sampler.hot_count();
            let followed = follower.as_ref().map_or(0, |follower| pace.followed(follower.threads_count()));
            let plan = pace.plan(&sampler, followed);
            sampler.sample(root, now, plan, &mut scratch);
            if let Some(follower) = &mut follower {
                root.begin_frame(FrameKind::Target, now);
                follower.sample(root, now, followed, &mut scratch);
            }
            // A thread that is followed costs its state and its wait channel.
            pace.sampled(now, spent.seconds(), hot + plan.turns_count + 2 * followed);
        }
    }
    let interrupted = clock.elapsed() < options.interval;
    if let Some(follower) = &mut follower {
        let at = clock.elapsed();
        root.begin_frame(FrameKind::Target, at);
        follower.finish(root, at, &mut scratch);
    }
    let at = clock.elapsed();
    root.begin_frame(FrameKind::End, at);
    let mut after = full(root, &host, at, &mut scratch)?;
    sampler.finish(root, at, &mut scratch);
    let ended_at = jiff::Timestamp::now();
    let samples = sampler.into_samples();
    let swapping = swapped(&before.system, &after.system);
    let selection =
        details::select(&before.processes, &after.processes, &samples, host.page_bytes, swapping, wanted_pid);
    let details = details::read(root, &selection, &mut scratch);
    let block_devices = block_devices::read(root, &mut scratch.bytes);
    let limits = limits(root, &before, &mut after, &mut scratch);
    drop(ahead);
    keep_seen_users(&mut host, &details);
    Ok(Recording {
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
        target: follower.map(Follower::into_readings),
        interrupted,
    })
}

/// Builds the same recording from a capture.
pub fn replay(capture: Capture) -> Result<Recording, Absence> {
    let mut scratch = Scratch::default();
    let mut before: Option<(FullSnapshot, Sampler)> = None;
    let mut slices = Vec::new();
    let mut end = None;
    let host = capture.meta.host;
    let mut follower = capture.meta.target.map(|asked| Follower::recorded(asked, host.own_pid));
    for frame in capture.frames {
        let (kind, at) = (frame.kind, frame.at);
        let root = Root::captured(frame);
        match (kind, &mut before) {
            (FrameKind::Start, _) => {
                let snapshot = full(&root, &host, at, &mut scratch)?;
                let sampler = Sampler::new(&root, host.own_pid, &snapshot.processes, &mut scratch);
                before = Some((snapshot, sampler));
            }
            (FrameKind::Slice, _) => slices.push(system::read(&root, at, false, &mut scratch.bytes)),
            (FrameKind::Sample, Some((_, sampler))) => sampler.replay(&root, at, &mut scratch),
            (FrameKind::Sample, None) => {}
            (FrameKind::Target, _) => {
                follower.iter_mut().for_each(|follower| follower.replay(&root, at, &mut scratch));
            }
            (FrameKind::End, _) => end = Some((root, at)),
        }
    }
    let (Some((before, mut sampler)), Some((root, at))) = (before, end) else {
        return Err(Absence::malformed("capture", "it has no start or no end"));
    };
    let mut after = full(&root, &host, at, &mut scratch)?;
    sampler.finish(&root, at, &mut scratch);
    let details = details::read(&root, &details::recorded(&root), &mut scratch);
    let limits = limits(&root, &before, &mut after, &mut scratch);
    Ok(Recording {
        source: Source::Capture,
        limits,
        host,
        started_at: capture.meta.started_at,
        ended_at: capture.meta.ended_at,
        before,
        after,
        slices,
        samples: sampler.into_samples(),
        details,
        block_devices: block_devices::read(&root, &mut scratch.bytes),
        target: follower.map(Follower::into_readings),
        interrupted: capture.meta.interrupted,
    })
}

/// A full snapshot. What is not there is told in the report; without CPU time, load and processes there is
/// nothing to report on.
fn full(root: &Root, host: &Host, at: Duration, scratch: &mut Scratch) -> Result<FullSnapshot, Absence> {
    let mut system = system::read(root, at, true, &mut scratch.bytes);
    let inside = host.container.is_some();
    let own_pressure = inside && cgroups::own_pressure(root, &mut system, &mut scratch.bytes);
    let Scan { processes, io_denied_count, unreadable } = match scan(root, scratch) {
        Ok(scan) => scan,
        Err(absence) => Scan { unreadable: Some((0, absence.to_string())), ..Scan::default() },
    };
    if let (Err(absence), Err(_), true) = (&system.stat, &system.load, processes.is_empty()) {
        return Err(absence.clone());
    }
    let cgroups = cgroups::read(root, inside, &mut scratch.bytes);
    let net = net_counters::read(root, &mut scratch.bytes);
    let net_namespaces = namespaces::read(root, &processes, &mut scratch.bytes);
    let cpus = system.stat.as_ref().ok().into_iter().flat_map(|stat| stat.cpus.keys().copied());
    let heat = thermal::read(root, cpus, &mut scratch.bytes);
    Ok(FullSnapshot {
        system,
        cgroups,
        net,
        net_namespaces,
        own_pressure,
        hardware: hardware::read(root, &mut scratch.bytes),
        heat,
        processes,
        io_denied_count,
        unreadable,
    })
}

/// What may be full, and the limits of the control groups that hit one.
fn limits(
    root: &Root,
    before: &FullSnapshot,
    after: &mut FullSnapshot,
    scratch: &mut Scratch,
) -> LimitReadings {
    if let (Ok(then), Ok(now)) = (&before.cgroups, &mut after.cgroups) {
        cgroups::add_limits(root, then, now, &mut scratch.bytes);
    }
    let pids: Vec<Pid> = after
        .processes
        .iter()
        .filter(|process| !process.stat.is_kernel_thread() && process.stat.state != State::Zombie)
        .map(|process| process.stat.pid)
        .take(OWNERS_MAX)
        .collect();
    let asked = sockets_in_trouble(before, after);
    let others = namespaces_in_trouble(before, after);
    LimitReadings {
        tables: tables::read(root, &mut scratch.bytes),
        open_files: tables::open_files(root, &pids, &mut scratch.bytes),
        mounts: mounts::read(root, &pids, &mut scratch.bytes),
        sockets: sockets::read(root, asked, &others, &pids, &mut scratch.bytes),
        peers: peers::read(root, calm(before, after), &active(before, after), &mut scratch.bytes),
        kernel_log: kernel_log::read(root, &mut scratch.bytes),
    }
}

/// Whether the CPUs idled for most of the window: if something is slow, it waits for somebody else.
fn calm(before: &FullSnapshot, after: &FullSnapshot) -> bool {
    let (Ok(then), Ok(now)) = (&before.system.stat, &after.system.stat) else { return false };
    let idle = now.cpu.idle.saturating_sub(then.cpu.idle);
    let busy = |ticks: &CpuTicks| ticks.user.saturating_add(ticks.nice).saturating_add(ticks.system);
    idle > busy(&now.cpu).saturating_sub(busy(&then.cpu))
}

/// User processes that used the CPUs at all, most first.
fn active(before: &FullSnapshot, after: &FullSnapshot) -> Vec<Pid> {
    let earlier: HashMap<(Pid, u64), u64> =
        before.processes.iter().map(|p| ((p.stat.pid, p.stat.start_ticks), p.stat.cpu_ticks())).collect();
    let mut used: Vec<(u64, Pid)> = after
        .processes
        .iter()
        .filter(|process| !process.stat.is_kernel_thread())
        .map(|process| {
            let stat = &process.stat;
            let then = earlier.get(&(stat.pid, stat.start_ticks)).copied().unwrap_or(0);
            (stat.cpu_ticks().saturating_sub(then), stat.pid)
        })
        .filter(|(ticks, _)| *ticks > 0)
        .collect();
    used.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    used.into_iter().map(|(_, pid)| pid).collect()
}

/// Counters that point at single sockets.
const ASKING: [&str; 4] =
    ["TcpExt.ListenOverflows", "Udp.RcvbufErrors", "Udp6.RcvbufErrors", "Tcp.RetransSegs"];

/// A process of each other network namespace, and whether a counter of it points at single sockets.
fn namespaces_in_trouble(before: &FullSnapshot, after: &FullSnapshot) -> Vec<(Pid, bool)> {
    let now = after.net_namespaces.iter();
    now.map(|now| {
        let then = before.net_namespaces.iter().find(|then| then.name == now.name);
        let rose = |name: &&str| then.is_some_and(|then| now.named.get(*name) > then.named.get(*name));
        (now.pid, ASKING.iter().any(rose))
    })
    .collect()
}

/// Whether a counter of the window points at single sockets.
fn sockets_in_trouble(before: &FullSnapshot, after: &FullSnapshot) -> bool {
    let (Ok(then), Ok(now)) = (&before.net, &after.net) else { return false };
    let crowded = now
        .tcp_sockets_count
        .zip(now.local_ports_count)
        .is_some_and(|(tcp, ports)| tcp.saturating_mul(5) >= ports.saturating_mul(4));
    crowded
        || links_filled(&before.system, &after.system)
        || ASKING.iter().any(|name| now.named.get(*name) > then.named.get(*name))
}

/// Whether some link carried most of what it can.
fn links_filled(before: &SystemSnapshot, after: &SystemSnapshot) -> bool {
    let (Some(Ok(then)), Some(Ok(now))) = (&before.interfaces, &after.interfaces) else { return false };
    let seconds = after.at.saturating_sub(before.at).as_secs_f64();
    now.iter().any(|link| {
        let Some(then) = then.iter().find(|then| then.name == link.name) else { return false };
        let most = link
            .received_bytes
            .saturating_sub(then.received_bytes)
            .max(link.sent_bytes.saturating_sub(then.sent_bytes));
        link.speed_bits_per_second
            .is_some_and(|speed| most as f64 * 8.0 >= LINK_FILLED * speed as f64 * seconds)
    })
}

/// Whether pages went to or came from swap between two snapshots.
fn swapped(before: &SystemSnapshot, after: &SystemSnapshot) -> bool {
    let (Ok(before), Ok(after)) = (&before.vm, &after.vm) else { return false };
    ["pswpin", "pswpout"].iter().any(|name| after.get(name) > before.get(name))
}

/// A capture must not carry the whole user list of a box away.
fn keep_seen_users(
    host: &mut Host,
    details: &std::collections::BTreeMap<Pid, crate::model::task::ProcessDetails>,
) {
    let seen: HashSet<u32> = details
        .values()
        .filter_map(|process| process.status.as_ref()?.as_ref().ok())
        .map(|status| status.uid)
        .collect();
    host.users.retain(|uid, _| seen.contains(uid));
}

/// When to look next, so that the looking stays within its budget.
struct Pace {
    next_sample: Duration,
    next_slice: Duration,
    every: Duration,
    look_seconds: f64,
    step: u32,
}

impl Pace {
    fn new(now: Duration) -> Self {
        Self {
            next_sample: now + SAMPLE_EVERY,
            next_slice: SLICE_EVERY,
            every: SAMPLE_EVERY,
            look_seconds: LOOK_SECONDS,
            step: 0,
        }
    }

    fn next_wake(&self, now: Duration) -> Duration {
        self.next_sample.min(self.next_slice).max(now)
    }

    /// How many of the threads of the target one sample may look at: half of the budget is theirs.
    fn followed(&self, threads: usize) -> usize {
        let budget = self.every.as_secs_f64() * SAMPLING_BUDGET_RATIO / 2.0;
        ((budget / (2.0 * self.look_seconds)) as usize).max(TURNS_MIN).min(threads)
    }

    fn plan(&self, sampler: &Sampler, followed: usize) -> Plan {
        let budget = self.every.as_secs_f64() * SAMPLING_BUDGET_RATIO;
        // A hot thread costs its state and its wait channel, and so does one that is followed.
        let left = budget - 2.0 * (sampler.hot_count() + followed) as f64 * self.look_seconds;
        let turns = (left / self.look_seconds).max(0.0) as usize;
        // Listing a process costs about a fifteenth of reading it.
        let listing = sampler.processes_count() as f64 * self.look_seconds / 15.0;
        Plan {
            turns_count: turns.clamp(TURNS_MIN, sampler.turns_count().max(TURNS_MIN)),
            discover: listing < budget / 5.0 || self.step.is_multiple_of(20),
        }
    }

    /// Notes what a sample cost and sets the time of the next one.
    fn sampled(&mut self, now: Duration, seconds: f64, looks: usize) {
        if looks > 0 {
            // Half old, half new: one slow look must not silence the rest of the window.
            self.look_seconds = (self.look_seconds + (seconds / looks as f64).clamp(1e-6, 1e-3)) / 2.0;
        }
        let affordable = Duration::from_secs_f64((seconds / SAMPLING_BUDGET_RATIO).clamp(0.0, 60.0));
        self.every = affordable.clamp(SAMPLE_EVERY, SAMPLE_EVERY_MAX);
        self.step = self.step.wrapping_add(1);
        // Multiples of the golden ratio spread evenly: no beat with a 100 ms quota or a 1 s timer.
        let phase = (f64::from(self.step) * 0.618_033_988_75).fract();
        self.next_sample = now + self.every.mul_f64(0.75 + 0.5 * phase);
    }
}

/// CPU time of this thread.
struct CpuClock(f64);

impl CpuClock {
    fn start() -> Self {
        Self(Self::now())
    }

    fn now() -> f64 {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
        tv_sec as f64 + tv_nsec as f64 / 1e9
    }

    fn seconds(&self) -> f64 {
        (Self::now() - self.0).max(0.0)
    }
}

/// Sleeps, or less long when Ctrl-C comes.
fn sleep(duration: Duration, interrupted: &AtomicBool) {
    let end = Instant::now() + duration;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || interrupted.load(Ordering::Relaxed) {
            return;
        }
        let request = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        // A signal ends the sleep early; the loop then looks at the flag.
        let _ = rustix::thread::nanosleep(&request);
    }
}
