//! `--trigger`: windows end where the box gets slow and where it gets well again, so that one window covers the spike and
//! nothing else. In a window of ten seconds a spike of three would be diluted.

use super::warn;
use crate::cli::MIN_INTERVAL;
use crate::collect::kernel::psi_trigger::{PressureTriggers, Pulse};
use crate::model::watch::Resource;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Windows that may end early within a minute: each costs a scan, and a box that is slow every other second would
/// otherwise have one per second. House value.
const EARLY_MAX: usize = 6;
const MINUTE: Duration = Duration::from_secs(60);

/// Decides where windows begin and end.
pub(crate) struct Trigger {
    triggers: PressureTriggers,
    /// Whether the box was slow when last known.
    slow: bool,
    /// Resource of the next window, where the last one ended because the box got slow.
    next: Option<Resource>,
    /// When windows ended early.
    early: VecDeque<Instant>,
}

impl Trigger {
    pub(crate) fn new(triggers: PressureTriggers) -> Self {
        Self { triggers, slow: false, next: None, early: VecDeque::new() }
    }

    /// Warns where the kernel cannot notify diag.
    pub(crate) fn say_how(&self) {
        if !self.triggers.are_told() {
            warn(
                "--trigger: without CAP_SYS_RESOURCE the kernel does not notify diag of stalls; reading /proc/pressure twice per second",
            );
        }
    }

    /// Waits for the box to get slow, at most for `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<Resource> {
        self.triggers.wait(timeout)
    }

    /// Resource of the next window, where the last one ended because the box got slow.
    pub(crate) fn take_next(&mut self) -> Option<Resource> {
        self.next.take()
    }

    /// A window begins because of `fired`.
    pub(crate) fn begin(&mut self, fired: Option<Resource>) {
        self.slow |= fired.is_some();
        self.next = None;
    }

    /// Whether the window, `now` long, has covered what it is about.
    pub(crate) fn is_over(&mut self, now: Duration) -> bool {
        // Read in any case: the next reading is compared with this one.
        let pulse = self.triggers.feel();
        now >= MIN_INTERVAL && self.turns(pulse)
    }

    /// Whether the box changed from well to slow or back, and the window may end for it.
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

    /// Whether the box is well now; pending notifications are dropped.
    pub(crate) fn is_calm(&mut self) -> bool {
        self.triggers.forget();
        !self.slow && self.next.is_none() && !matches!(self.triggers.feel(), Pulse::Slow(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_early_on_a_change_but_only_so_often() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/pressure")).unwrap();
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        std::fs::write(folder.path().join("proc/pressure/cpu"), text).unwrap();
        let mut trigger = Trigger::new(PressureTriggers::set(folder.path()).unwrap());
        let slow = Pulse::Slow(Resource::Io);
        trigger.begin(None);
        assert!(!trigger.turns(Pulse::Calm) && !trigger.turns(Pulse::Unclear));
        assert!(trigger.turns(slow));
        assert_eq!(trigger.take_next(), Some(Resource::Io), "the next window is about it");
        trigger.begin(Some(Resource::Io));
        assert!(!trigger.turns(slow) && !trigger.turns(Pulse::Unclear), "it stays slow");
        assert!(trigger.turns(Pulse::Calm));
        assert_eq!(trigger.take_next(), None);
        let ended = (0..100).filter(|at| trigger.turns(if at % 2 == 0 { slow } else { Pulse::Calm })).count();
        assert_eq!(ended + 2, EARLY_MAX);
        assert!(!trigger.slow && trigger.take_next().is_none(), "changes are followed beyond the limit");
    }
}
