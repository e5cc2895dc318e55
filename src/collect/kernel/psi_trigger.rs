//! Waiting until the box gets slow: triggers on `/proc/pressure/{cpu,io,memory}` (kernel
//! `Documentation/accounting/psi.rst`, 5.2), which cost nothing while nothing happens.
//!
//! A trigger is a text that is written to the file, which poll(2) then reports with POLLPRI. With CAP_SYS_RESOURCE the
//! kernel looks ten times a window. Without it triggers are allowed since 6.5, but are looked at every two seconds: a
//! spike of three is then mostly over. So where the short ones are refused, the totals are read twice a second instead.
//!
//! Known lies: the kernel reports a trigger at most once per window, and keeps it until it is polled.

use crate::collect::kernel::pressure;
use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::watch::Resource;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Window of a trigger, and of a look back: a spike of a second is felt.
const WINDOW: Duration = Duration::from_secs(1);

/// Time between two looks at totals of which the kernel does not tell by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Time without stalls after which a moment is over: what of it is in the window makes the moment look better than it was.
const CALM: Duration = Duration::from_millis(150);

/// Share of the window that some thread must have stalled, by resource: a quarter of the time for a CPU is felt, and a
/// twentieth for memory is the start of thrashing. House values.
const STALLS: [(Resource, f64); 3] = [(Resource::Cpu, 0.25), (Resource::Io, 0.2), (Resource::Memory, 0.05)];

/// It is calm again below this share of what makes it slow.
const CALM_SHARE: f64 = 0.5;

/// How the box is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Threads stall, most of all for this.
    Slow(Resource),
    /// Hardly any does.
    Calm,
    /// In between, or not looked at for long enough.
    Unclear,
}

/// Triggers on all three resources.
pub struct PressureTriggers {
    /// Of their own: what they read belongs to no capture.
    root: Root,
    watched: Vec<Watched>,
    /// The last looks at the totals, by resource, in microseconds; the newest at the end.
    looks: VecDeque<(Instant, Vec<Option<u64>>)>,
    buffer: Vec<u8>,
}

struct Watched {
    resource: Resource,
    stall_ratio: f64,
    /// None where the kernel does not tell.
    trigger: Option<OwnedFd>,
}

impl PressureTriggers {
    /// Sets them below `root`.
    ///
    /// # Errors
    ///
    /// When this kernel counts no stalls at all.
    pub fn set(root: &Path) -> Reading<Self> {
        let root = Root::live(root)?;
        let mut buffer = Vec::new();
        let mut watched = Vec::new();
        let mut absent = None;
        for (resource, stall_ratio) in STALLS {
            if let Err(absence) = pressure::read(&root, resource.word(), &mut buffer) {
                absent = Some(absence);
                continue;
            }
            let text = trigger_text(stall_ratio);
            let file = format!("proc/pressure/{}", resource.word());
            let trigger = root.set_trigger(&file, text.as_bytes()).ok();
            watched.push(Watched { resource, stall_ratio, trigger });
        }
        match absent {
            Some(absence) if watched.is_empty() => Err(absence),
            _ => Ok(Self { root, watched, looks: VecDeque::new(), buffer }),
        }
    }

    /// Whether the kernel tells of all by itself; else they are looked at.
    pub fn are_told(&self) -> bool {
        self.watched.iter().all(|watched| watched.trigger.is_some())
    }

    /// Waits for at most `timeout`, or less long: until a resource is short, a signal comes, or it is time to look where
    /// the kernel does not tell.
    pub fn wait(&mut self, timeout: Duration) -> Option<Resource> {
        if self.are_told() {
            return self.polled(timeout);
        }
        let fired = self.polled(timeout.min(LOOK_EVERY));
        fired.or_else(|| if let Pulse::Slow(resource) = self.feel() { Some(resource) } else { None })
    }

    /// Forgets what the kernel has told until now.
    pub fn forget(&mut self) {
        self.polled(Duration::ZERO);
    }

    fn polled(&mut self, timeout: Duration) -> Option<Resource> {
        let mut resources = Vec::with_capacity(STALLS.len());
        let mut polled = Vec::with_capacity(STALLS.len());
        for one in &self.watched {
            if let Some(file) = &one.trigger {
                resources.push(one.resource);
                polled.push(PollFd::new(file, PollFlags::PRI));
            }
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        // A signal ends the wait; the caller looks at its flag.
        poll(&mut polled, Some(&timeout)).ok()?;
        let events: Vec<(Resource, PollFlags)> =
            resources.into_iter().zip(polled.iter().map(PollFd::revents)).collect();
        let gone = |events: PollFlags| events.intersects(PollFlags::ERR | PollFlags::NVAL);
        // A trigger that the kernel took away would make every wait a short one.
        for (resource, _) in events.iter().filter(|(_, events)| gone(*events)) {
            let lost = self.watched.iter_mut().filter(|one| one.resource == *resource);
            lost.for_each(|one| one.trigger = None);
        }
        let fired = events.iter().find(|(_, events)| events.contains(PollFlags::PRI) && !gone(*events));
        fired.map(|(resource, _)| *resource)
    }

    /// Looks at the totals: how the box is, by the looks of the last second.
    pub fn feel(&mut self) -> Pulse {
        self.feel_at(Instant::now())
    }

    fn feel_at(&mut self, now: Instant) -> Pulse {
        let mut totals = Vec::with_capacity(self.watched.len());
        for one in &self.watched {
            let pressure = pressure::read(&self.root, one.resource.word(), &mut self.buffer);
            totals.push(pressure.ok().map(|pressure| pressure.some.total_microseconds));
        }
        let is_old = |at: Instant| now.saturating_duration_since(at) > WINDOW + LOOK_EVERY / 2;
        while self.looks.front().is_some_and(|(at, _)| is_old(*at)) {
            self.looks.pop_front();
        }
        let pulse = self.pulse(now, &totals);
        self.looks.push_back((now, totals));
        pulse
    }

    fn pulse(&self, now: Instant, totals: &[Option<u64>]) -> Pulse {
        // By resource, in parts of what makes it slow.
        let stalled = |then: &[Option<u64>], seconds: f64| -> Vec<(Resource, f64)> {
            let both = then.iter().zip(totals).zip(&self.watched);
            both.filter_map(|((then, now), one)| {
                // A total that goes backwards is no stall.
                let stalled = now.as_ref()?.checked_sub(then.as_ref().copied()?)?;
                Some((one.resource, stalled as f64 / 1e6 / seconds / one.stall_ratio))
            })
            .collect()
        };
        let Some((_, first)) = self.looks.front() else { return Pulse::Unclear };
        let long_enough = self.looks.iter().rev().find(|(at, _)| now.saturating_duration_since(*at) >= CALM);
        if let Some((at, then)) = long_enough {
            let lately = stalled(then, now.saturating_duration_since(*at).as_secs_f64());
            // What was slow within the second may be over by now.
            if !lately.is_empty() && lately.iter().all(|(_, parts)| *parts < CALM_SHARE) {
                return Pulse::Calm;
            }
        }
        let worst = stalled(first, WINDOW.as_secs_f64()).into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let slow = worst.filter(|(_, parts)| *parts >= 1.0);
        slow.map_or(Pulse::Unclear, |(resource, _)| Pulse::Slow(resource))
    }
}

/// `some 250000 1000000`: the stall and its window in microseconds, with the byte at the end that the kernel overwrites.
fn trigger_text(stall_ratio: f64) -> String {
    let window = WINDOW.as_micros();
    format!("some {} {window}\0", (window as f64 * stall_ratio).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_totals(directory: &Path, total: u64) {
        std::fs::create_dir_all(directory.join("proc/pressure")).unwrap();
        for (resource, _) in STALLS {
            let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
            std::fs::write(directory.join("proc/pressure").join(resource.word()), text).unwrap();
        }
    }

    fn triggers() -> (tempfile::TempDir, PressureTriggers) {
        let directory = tempfile::tempdir().unwrap();
        write_totals(directory.path(), 1_000);
        std::fs::write(directory.path().join("proc/stat"), "cpu 1 2 3 4 5 6 7 8 9 10\n").unwrap();
        let triggers = PressureTriggers::set(directory.path()).unwrap();
        (directory, triggers)
    }

    #[test]
    fn a_trigger_is_what_the_kernel_reads() {
        assert_eq!(trigger_text(0.25), "some 250000 1000000\0");
    }

    #[test]
    fn files_that_take_no_trigger_are_looked_at() {
        let (directory, mut triggers) = triggers();
        assert!(!triggers.are_told(), "a plain file is no trigger");
        assert_eq!(triggers.wait(Duration::from_millis(1)), None);
        // A loaded machine may let more than a window pass between two looks.
        let told = (1..=100).find_map(|times| {
            write_totals(directory.path(), 1_000 + times * 300_000);
            triggers.wait(Duration::from_millis(1))
        });
        assert_eq!(told, Some(Resource::Memory), "far above its limit");
    }

    #[test]
    fn a_moment_begins_with_stalls_and_ends_without() {
        let (directory, mut triggers) = triggers();
        let began = Instant::now();
        let mut feel = |milliseconds| triggers.feel_at(began + Duration::from_millis(milliseconds));
        assert_eq!(feel(0), Pulse::Unclear, "one look says nothing");
        assert_eq!(feel(600), Pulse::Calm);
        write_totals(directory.path(), 401_000);
        assert_eq!(feel(610), Pulse::Slow(Resource::Memory));
        assert_eq!(feel(810), Pulse::Calm, "nothing stalled since");
        write_totals(directory.path(), 90_000_000);
        assert_eq!(feel(5_810), Pulse::Unclear, "what stalled since a look long ago is of no moment");
        write_totals(directory.path(), 5);
        assert_eq!(feel(6_410), Pulse::Unclear, "a total that goes backwards is neither");
    }

    #[test]
    fn looks_are_not_kept_for_ever() {
        let (_directory, mut triggers) = triggers();
        let began = Instant::now();
        for tenths in 0..50 {
            triggers.feel_at(began + Duration::from_millis(100 * tenths));
        }
        assert!(triggers.looks.len() <= 14, "{}", triggers.looks.len());
    }

    #[test]
    fn without_the_files_there_is_nothing_to_wait_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("proc")).unwrap();
        assert!(PressureTriggers::set(directory.path()).is_err());
    }

    #[test]
    fn the_running_kernel_takes_them_or_is_looked_at() {
        match PressureTriggers::set(Path::new("/")) {
            Ok(mut triggers) => {
                println!("the kernel tells by itself: {}", triggers.are_told());
                triggers.wait(Duration::from_millis(10));
                triggers.forget();
            }
            Err(absence) => println!("skipped: {absence}"),
        }
    }
}
