//! Waiting until the box gets slow: triggers on `/proc/pressure/{cpu,io,memory}` (kernel
//! `Documentation/accounting/psi.rst`, 5.2), which cost nothing while nothing happens.
//!
//! A trigger is a text that is written to the file, which poll(2) then reports with POLLPRI. Without CAP_SYS_RESOURCE
//! they are allowed since 6.5, with windows that are multiples of two seconds. Where one is refused, the file is read
//! every second instead and its total compared.
//!
//! Known lies: the kernel reports a trigger at most once a window, and its first look after a quiet time may be late by
//! as much.

use crate::collect::pressure;
use crate::collect::root::Root;
use crate::model::reading::{Absence, Reading};
use crate::model::watch::Resource;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Window of a trigger: the shortest that needs no rights.
const WINDOW: Duration = Duration::from_secs(2);

/// Time between two looks at files that allow no trigger.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Share of the window that some thread must have stalled, by resource: a quarter of the time for a CPU is felt, and a
/// twentieth for memory is the start of thrashing. House values.
const STALLS: [(Resource, f64); 3] = [(Resource::Cpu, 0.25), (Resource::Io, 0.2), (Resource::Memory, 0.05)];

/// Triggers on all three resources.
pub struct PressureTriggers {
    watched: Vec<Watched>,
    looked_at: Instant,
    buffer: Vec<u8>,
}

struct Watched {
    resource: Resource,
    stall_ratio: f64,
    how: How,
}

enum How {
    /// The kernel tells.
    Told(OwnedFd),
    /// The total of the last look.
    Looked(u64),
}

impl PressureTriggers {
    /// Sets them.
    ///
    /// # Errors
    ///
    /// When this kernel counts no stalls at all.
    pub fn set(root: &Root) -> Reading<Self> {
        let mut buffer = Vec::new();
        let mut watched = Vec::new();
        let mut absent = None;
        for (resource, stall_ratio) in STALLS {
            match one(root, resource, stall_ratio, &mut buffer) {
                Ok(how) => watched.push(Watched { resource, stall_ratio, how }),
                Err(absence) => absent = Some(absence),
            }
        }
        match absent {
            Some(absence) if watched.is_empty() => Err(absence),
            _ => Ok(Self { watched, looked_at: Instant::now(), buffer }),
        }
    }

    /// How many of them the kernel tells of by itself.
    pub fn told_count(&self) -> usize {
        self.watched.iter().filter(|watched| matches!(watched.how, How::Told(_))).count()
    }

    /// Waits for at most `timeout`, or less long: until a resource is short, a signal comes, or a second is over where
    /// the files must be looked at.
    pub fn wait(&mut self, root: &Root, timeout: Duration) -> Option<Resource> {
        let told = self.told_count();
        let look = told < self.watched.len();
        let timeout = if look { timeout.min(LOOK_EVERY) } else { timeout };
        let fired = self.polled(timeout);
        if fired.is_some() || !look || self.looked_at.elapsed() < LOOK_EVERY.min(timeout) {
            return fired;
        }
        self.look(root)
    }

    fn polled(&mut self, timeout: Duration) -> Option<Resource> {
        let Self { watched, .. } = self;
        let mut resources = Vec::with_capacity(STALLS.len());
        let mut polled = Vec::with_capacity(STALLS.len());
        for one in watched.iter() {
            if let How::Told(file) = &one.how {
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
        let events: Vec<PollFlags> = polled.iter().map(PollFd::revents).collect();
        let gone = |at: usize| events[at].intersects(PollFlags::ERR | PollFlags::NVAL);
        let fired = (0..events.len()).find(|&at| events[at].contains(PollFlags::PRI) && !gone(at));
        // A trigger that the kernel took away would make every wait a short one.
        let lost: Vec<Resource> = (0..events.len()).filter(|&at| gone(at)).map(|at| resources[at]).collect();
        for one in watched.iter_mut().filter(|one| lost.contains(&one.resource)) {
            one.how = How::Looked(u64::MAX);
        }
        fired.map(|at| resources[at])
    }

    fn look(&mut self, root: &Root) -> Option<Resource> {
        let elapsed = self.looked_at.elapsed().as_secs_f64();
        self.looked_at = Instant::now();
        let mut fired = None;
        for one in &mut self.watched {
            let How::Looked(before) = &mut one.how else { continue };
            let Ok(now) = pressure::read(root, one.resource.word(), &mut self.buffer) else { continue };
            let total = now.some.total_microseconds;
            let stalled = total.saturating_sub(*before) as f64 / 1e6;
            *before = total;
            if fired.is_none() && elapsed > 0.0 && stalled / elapsed >= one.stall_ratio {
                fired = Some(one.resource);
            }
        }
        fired
    }
}

fn one(root: &Root, resource: Resource, stall_ratio: f64, buffer: &mut Vec<u8>) -> Result<How, Absence> {
    let total = pressure::read(root, resource.word(), buffer)?.some.total_microseconds;
    let text = trigger_text(stall_ratio);
    Ok(match root.set_trigger(&format!("proc/pressure/{}", resource.word()), text.as_bytes()) {
        Ok(file) => How::Told(file),
        Err(_) => How::Looked(total),
    })
}

/// `some 500000 2000000`: the stall and its window in microseconds, with the byte at the end that the kernel overwrites.
fn trigger_text(stall_ratio: f64) -> String {
    let window = WINDOW.as_micros();
    format!("some {} {window}\0", (window as f64 * stall_ratio).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure_tree(total: u64) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        write_totals(directory.path(), total);
        std::fs::write(directory.path().join("proc/stat"), "cpu 1 2 3 4 5 6 7 8 9 10\n").unwrap();
        let root = Root::live(directory.path()).unwrap();
        (directory, root)
    }

    fn write_totals(directory: &std::path::Path, total: u64) {
        std::fs::create_dir_all(directory.join("proc/pressure")).unwrap();
        for (resource, _) in STALLS {
            let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
            std::fs::write(directory.join("proc/pressure").join(resource.word()), text).unwrap();
        }
    }

    #[test]
    fn a_trigger_is_what_the_kernel_reads() {
        assert_eq!(trigger_text(0.25), "some 500000 2000000\0");
    }

    #[test]
    fn files_that_take_no_trigger_are_looked_at() {
        let (directory, root) = pressure_tree(1_000);
        let mut triggers = PressureTriggers::set(&root).unwrap();
        // Plain files take any text, but never tell.
        for one in &mut triggers.watched {
            one.how = How::Looked(1_000);
        }
        assert_eq!(triggers.wait(&root, Duration::from_millis(20)), None);
        write_totals(directory.path(), 60_000_000);
        assert_eq!(triggers.look(&root), Some(Resource::Cpu));
        write_totals(directory.path(), 5);
        assert_eq!(triggers.look(&root), None, "a total that goes backwards is no stall");
    }

    #[test]
    fn without_the_files_there_is_nothing_to_wait_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("proc")).unwrap();
        let root = Root::live(directory.path()).unwrap();
        assert!(PressureTriggers::set(&root).is_err());
    }

    #[test]
    fn the_running_kernel_takes_them_or_is_looked_at() {
        let root = Root::live(std::path::Path::new("/")).unwrap();
        match PressureTriggers::set(&root) {
            Ok(mut triggers) => {
                println!("the kernel tells of {} of {}", triggers.told_count(), triggers.watched.len());
                triggers.wait(&root, Duration::from_millis(10));
            }
            Err(absence) => println!("skipped: {absence}"),
        }
    }
}
