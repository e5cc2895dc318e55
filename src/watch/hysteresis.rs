//! The alarm as a state machine over verdicts.
//!
//! It is raised to a level when N of the last M windows were at that level or above, and goes down only after a number
//! of windows in a row that were all below. So a box that is slow every other window pages once, and not every minute.
//! A window that says nothing (no verdict, a gap) changes nothing: it is neither a bad one nor a good one.

use crate::model::finding::Severity;
use crate::model::watch::ChangeKind;
use std::collections::VecDeque;

/// Most windows that a policy can look back on.
pub const OF_MAX: u32 = 60;

/// When to raise and when to clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Bad windows that raise the alarm; at least 1.
    pub raise: u32,
    /// Among so many; at least `raise`, at most [`OF_MAX`].
    pub of: u32,
    /// Windows in a row below the level that lower it; at least 1.
    pub clear: u32,
}

/// A change of the alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Level before.
    pub from: Severity,
    /// Level now.
    pub to: Severity,
    /// What the alarm was about.
    pub previous: Option<String>,
    /// What it is about now.
    pub bottleneck: Option<String>,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Hysteresis {
    policy: Policy,
    level: Severity,
    bottleneck: Option<String>,
    /// The last windows, the newest at the end; none from before the last step down.
    seen: VecDeque<(Severity, String)>,
    /// Windows in a row below the level, and the worst of them.
    calm: (u32, Severity),
    /// Windows in a row whose bottleneck was not the alarm's.
    unseen_count: u32,
}

impl Hysteresis {
    /// No alarm yet.
    pub fn new(policy: Policy) -> Self {
        Self::resumed(policy, Severity::Ok, None)
    }

    /// With the alarm that an earlier run left.
    pub fn resumed(policy: Policy, level: Severity, bottleneck: Option<String>) -> Self {
        let level = known(level);
        Self {
            policy,
            level,
            bottleneck: bottleneck.filter(|_| level > Severity::Ok),
            seen: VecDeque::new(),
            calm: (0, Severity::Ok),
            unseen_count: 0,
        }
    }

    /// The level of the alarm.
    pub fn level(&self) -> Severity {
        self.level
    }

    /// What the alarm is about; none at `ok`.
    pub fn bottleneck(&self) -> Option<&str> {
        self.bottleneck.as_deref()
    }

    /// Takes in one window; what it changes.
    pub fn observe(&mut self, severity: Severity, bottleneck: &str) -> Option<Change> {
        let severity = known(severity);
        if self.seen.len() >= self.policy.of.clamp(1, OF_MAX) as usize {
            self.seen.pop_front();
        }
        self.seen.push_back((severity, bottleneck.to_owned()));
        let reached = [Severity::Critical, Severity::Warning].into_iter().find(|level| self.reached(*level));
        if let Some(level) = reached.filter(|level| *level > self.level) {
            let kind = if self.level == Severity::Ok { ChangeKind::Raised } else { ChangeKind::Escalated };
            let about = self.about(level);
            return Some(self.step(kind, level, about));
        }
        self.calm = match severity < self.level {
            true => (self.calm.0.saturating_add(1), self.calm.1.max(severity)),
            false => (0, Severity::Ok),
        };
        if self.calm.0 >= self.policy.clear.max(1) {
            let level = self.calm.1;
            if level == Severity::Ok {
                let change = self.step(ChangeKind::Cleared, level, None);
                self.seen.clear();
                return Some(change);
            }
            let about = self.about(level);
            let change = self.step(ChangeKind::Eased, level, about);
            self.seen.clear();
            return Some(change);
        }
        self.turned(severity, bottleneck)
    }

    /// Whether the alarm is about something else by now: its own bottleneck was not seen for as long as it takes to
    /// clear, and another one was seen as often as it takes to raise.
    fn turned(&mut self, severity: Severity, bottleneck: &str) -> Option<Change> {
        let same = severity > Severity::Ok && self.bottleneck.as_deref() == Some(bottleneck);
        self.unseen_count = if same { 0 } else { self.unseen_count.saturating_add(1) };
        if self.level == Severity::Ok || self.unseen_count < self.policy.clear.max(1) {
            return None;
        }
        let other = self.leading(Severity::Warning)?.to_owned();
        let seen = self.seen.iter().filter(|(bad, id)| *bad > Severity::Ok && *id == other).count();
        let turned = Some(other.as_str()) != self.bottleneck.as_deref() && seen >= self.needed();
        turned.then(|| self.step(ChangeKind::Changed, self.level, Some(other)))
    }

    fn needed(&self) -> usize {
        self.policy.raise.clamp(1, OF_MAX) as usize
    }

    fn reached(&self, level: Severity) -> bool {
        self.seen.iter().filter(|(severity, _)| *severity >= level).count() >= self.needed()
    }

    /// What an alarm of `level` is about: what it was about, as long as that is seen at this level, since another
    /// identity is another page; else what leads. The bad windows may be too long ago to be counted.
    fn about(&self, level: Severity) -> Option<String> {
        let own = self.bottleneck.as_deref();
        let still = own.filter(|own| self.seen.iter().any(|(severity, id)| *severity >= level && id == own));
        still.or_else(|| self.leading(level)).or(own).map(str::to_owned)
    }

    /// The bottleneck that most of the windows at `level` or above had; of two, the later one.
    fn leading(&self, level: Severity) -> Option<&str> {
        let bad = || self.seen.iter().filter(|(severity, _)| *severity >= level).map(|(_, id)| id.as_str());
        bad().max_by_key(|id| bad().filter(|other| other == id).count())
    }

    fn step(&mut self, kind: ChangeKind, to: Severity, bottleneck: Option<String>) -> Change {
        let from = std::mem::replace(&mut self.level, to);
        let previous = std::mem::replace(&mut self.bottleneck, bottleneck.clone());
        self.calm = (0, Severity::Ok);
        self.unseen_count = 0;
        Change { kind, from, to, previous, bottleneck }
    }
}

/// An alarm has three levels: a box that is short of nothing raises none.
fn known(severity: Severity) -> Severity {
    if severity < Severity::Warning { Severity::Ok } else { severity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Critical, Ok, Warning};
    use proptest::prelude::*;

    const POLICY: Policy = Policy { raise: 3, of: 5, clear: 4 };

    fn changes(policy: Policy, windows: &[(Severity, &str)]) -> Vec<(usize, ChangeKind, Severity)> {
        let mut machine = Hysteresis::new(policy);
        let step = |(at, (severity, id)): (usize, &(Severity, &str))| {
            machine.observe(*severity, id).map(|change| (at, change.kind, change.to))
        };
        windows.iter().enumerate().filter_map(step).collect()
    }

    fn text(windows: &str) -> Vec<(Severity, &'static str)> {
        let window = |letter| match letter {
            'w' => (Warning, "a"),
            'C' => (Critical, "a"),
            'b' => (Warning, "b"),
            _ => (Ok, "none"),
        };
        windows.chars().map(window).collect()
    }

    #[test]
    fn it_raises_clears_escalates_and_eases() {
        use ChangeKind::{Changed, Cleared, Eased, Escalated, Raised};
        for (windows, expected) in [
            ("ww..", vec![]),
            ("www", vec![(2, Raised, Warning)]),
            ("w.w.w", vec![(4, Raised, Warning)]),
            ("w..w..w..w", vec![]),
            ("CCC", vec![(2, Raised, Critical)]),
            ("wwCCC", vec![(2, Raised, Warning), (4, Escalated, Critical)]),
            ("www...w....", vec![(2, Raised, Warning), (10, Cleared, Ok)]),
            ("CCCwwww....", vec![(2, Raised, Critical), (6, Eased, Warning), (10, Cleared, Ok)]),
            ("wwwbbb", vec![(2, Raised, Warning)]),
            ("wwwbbbb", vec![(2, Raised, Warning), (6, Changed, Warning)]),
        ] {
            assert_eq!(changes(POLICY, &text(windows)), expected, "{windows}");
        }
    }

    #[test]
    fn a_flapping_box_pages_once() {
        for period in ["C.", "w.", "Cw", "C..", "CC.", "wb", "ww.", "C.w."] {
            let changes = changes(POLICY, &text(&period.repeat(500)));
            assert!(changes.len() <= 2, "{period}: {changes:?}");
            let cleared = changes.iter().any(|(_, kind, _)| *kind == ChangeKind::Cleared);
            assert!(!cleared, "{period} was never healthy for long");
        }
    }

    #[test]
    fn a_level_that_changes_is_no_other_alarm() {
        let mut machine = Hysteresis::new(POLICY);
        let windows = [
            (Warning, "a"),
            (Warning, "a"),
            (Warning, "b"),
            (Critical, "b"),
            (Critical, "a"),
            (Critical, "b"),
        ];
        let changes: Vec<Change> =
            windows.iter().filter_map(|(severity, id)| machine.observe(*severity, id)).collect();
        let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Raised, ChangeKind::Escalated]);
        assert_eq!(
            changes[1].bottleneck.as_deref(),
            Some("a"),
            "two windows of b, one of a: it is still seen"
        );
        let eased: Vec<Change> =
            ["b", "b", "a", "b"].iter().filter_map(|id| machine.observe(Warning, id)).collect();
        assert_eq!((eased.len(), eased[0].bottleneck.as_deref()), (1, Some("a")));
    }

    #[test]
    fn an_alarm_outlives_its_run() {
        let mut machine = Hysteresis::resumed(POLICY, Critical, Some("a".to_owned()));
        assert_eq!(machine.observe(Critical, "a"), None);
        let cleared = (0..4).filter_map(|_| machine.observe(Ok, "none")).collect::<Vec<_>>();
        assert_eq!(cleared.len(), 1);
        assert_eq!(cleared[0].previous.as_deref(), Some("a"));
        assert_eq!(Hysteresis::resumed(POLICY, Ok, Some("a".to_owned())).bottleneck(), None);
    }

    fn windows() -> impl Strategy<Value = Vec<(Severity, &'static str)>> {
        let severity = prop_oneof![
            Just(Ok),
            Just(Warning),
            Just(Critical),
            Just(Severity::Info),
            Just(Severity::Notice)
        ];
        let one = severity.prop_flat_map(|severity| {
            let ids = if severity == Ok { vec!["none"] } else { vec!["a", "b", "c"] };
            (Just(severity), prop::sample::select(ids))
        });
        prop::collection::vec(one, 0..200)
    }

    fn policies() -> impl Strategy<Value = Policy> {
        (1u32..6, 0u32..6, 1u32..8).prop_map(|(raise, more, clear)| Policy { raise, of: raise + more, clear })
    }

    proptest! {
        #[test]
        fn no_step_without_its_windows(policy in policies(), windows in windows()) {
            let mut machine = Hysteresis::new(policy);
            let mut level = Ok;
            let mut since_down = 0usize;
            for (at, (severity, id)) in windows.iter().enumerate() {
                let Some(change) = machine.observe(*severity, id) else {
                    prop_assert_eq!(machine.level(), level);
                    continue;
                };
                prop_assert_eq!(change.from, level);
                prop_assert_eq!(change.to, machine.level());
                prop_assert_eq!(machine.bottleneck().is_some(), change.to > Ok);
                let last = |count: usize| &windows[(at + 1).saturating_sub(count)..=at];
                if change.to > change.from {
                    let start = (at + 1).saturating_sub(policy.of as usize).max(since_down);
                    let bad = windows[start..=at].iter().filter(|(s, _)| *s >= change.to).count();
                    prop_assert!(bad >= policy.raise as usize);
                } else if change.to < change.from {
                    let calm = last(policy.clear as usize);
                    prop_assert_eq!(calm.len(), policy.clear as usize);
                    prop_assert!(calm.iter().all(|(s, _)| known(*s) < change.from));
                    since_down = at + 1;
                } else {
                    prop_assert_eq!(change.kind, ChangeKind::Changed);
                    prop_assert_ne!(&change.previous, &change.bottleneck);
                }
                level = change.to;
            }
            // Long calm always ends it.
            for _ in 0..policy.clear * 2 {
                machine.observe(Ok, "none");
            }
            prop_assert_eq!(machine.level(), Ok);
        }

        #[test]
        fn changes_are_rare(policy in policies(), windows in windows()) {
            let count = changes(policy, &windows).len();
            // Raising takes N windows, each later step up another bad one, each step down C windows.
            let dearest = windows.len() / (policy.raise.min(policy.clear) as usize).max(1) + 2;
            prop_assert!(count <= 2 * dearest);
        }

        #[test]
        fn memory_is_bounded(policy in policies(), windows in windows()) {
            let mut machine = Hysteresis::new(policy);
            for (severity, id) in windows {
                machine.observe(severity, id);
                prop_assert!(machine.seen.len() <= policy.of as usize);
            }
        }
    }
}
