//! `--trigger`: the windows end where the box gets slow and where it gets well again, so that one of them has the spike
//! and nothing else. A spike of three seconds is nothing in a window of ten.

use super::run::warn;
use crate::cli::MIN_INTERVAL;
use crate::collect::kernel::psi_trigger::{PressureTriggers, Pulse};
use crate::model::watch::Resource;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Windows that may end early within a minute: each costs a scan, and a box that is slow every other second would have
/// one a second. House value.
const EARLY_MAX: usize = 6;
const MINUTE: Duration = Duration::from_secs(60);

/// What is slow, and since when a window is about it.
pub(crate) struct Moments {
    triggers: PressureTriggers,
    /// Whether the box was slow at the last look that could tell.
    slow: bool,
    /// What the next window is about: the box got slow, and the one before ended for it.
    next: Option<Resource>,
    /// Ends that came early.
    early: VecDeque<Instant>,
}

impl Moments {
    pub(crate) fn new(triggers: PressureTriggers) -> Self {
        Self { triggers, slow: false, next: None, early: VecDeque::new() }
    }

    /// Says how it waits, where that is not what one would expect.
    pub(crate) fn say_how(&self) {
        if !self.triggers.are_told() {
            warn(
                "--trigger: the kernel tells of no stalls without CAP_SYS_RESOURCE; looking at /proc/pressure twice a second",
            );
        }
    }

    /// Waits for the box to get slow, at most for `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<Resource> {
        self.triggers.wait(timeout)
    }

    /// What the next window is about, where the last one has seen the box get slow.
    pub(crate) fn take_next(&mut self) -> Option<Resource> {
        self.next.take()
    }

    /// A window begins, which is about `fired`.
    pub(crate) fn begin(&mut self, fired: Option<Resource>) {
        self.slow |= fired.is_some();
        self.next = None;
    }

    /// Whether the window that has come to `now` has seen all that it is about.
    pub(crate) fn is_over(&mut self, now: Duration) -> bool {
        // Looked at even where it decides nothing: the next look is compared with this one.
        let pulse = self.triggers.feel();
        now >= MIN_INTERVAL && self.turns(pulse)
    }

    /// Whether the box has become another one than the window began with, and the window may end for it.
    fn turns(&mut self, pulse: Pulse) -> bool {
        match pulse {
            Pulse::Slow(resource) if !self.slow => {
                self.slow = true;
                let over = self.may_end_early();
                self.next = over.then_some(resource);
                over
            }
            Pulse::Calm if self.slow => {
                self.slow = false;
                self.may_end_early()
            }
            _ => false,
        }
    }

    fn may_end_early(&mut self) -> bool {
        while self.early.front().is_some_and(|at| at.elapsed() >= MINUTE) {
            self.early.pop_front();
        }
        let may = self.early.len() < EARLY_MAX;
        if may {
            self.early.push_back(Instant::now());
        }
        may
    }

    /// Whether the box is well by now; what the kernel has told of until now is then no news any more.
    pub(crate) fn is_calm(&mut self) -> bool {
        self.triggers.forget();
        !self.slow && self.next.is_none() && !matches!(self.triggers.feel(), Pulse::Slow(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_where_it_gets_slow_and_well_but_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/pressure")).unwrap();
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        std::fs::write(folder.path().join("proc/pressure/cpu"), text).unwrap();
        let mut moments = Moments::new(PressureTriggers::set(folder.path()).unwrap());
        let slow = Pulse::Slow(Resource::Io);
        moments.begin(None);
        assert!(!moments.turns(Pulse::Calm) && !moments.turns(Pulse::Unclear));
        assert!(moments.turns(slow));
        assert_eq!(moments.take_next(), Some(Resource::Io), "the next window is about it");
        moments.begin(Some(Resource::Io));
        assert!(!moments.turns(slow) && !moments.turns(Pulse::Unclear), "it stays slow");
        assert!(moments.turns(Pulse::Calm));
        assert_eq!(moments.take_next(), None);
        let ended = (0..100).filter(|at| moments.turns(if at % 2 == 0 { slow } else { Pulse::Calm })).count();
        assert_eq!(ended + 2, EARLY_MAX);
        assert!(!moments.slow && moments.take_next().is_none(), "what may not end early is still followed");
    }
}
