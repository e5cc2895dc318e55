//! What is posted to Alertmanager, and when: its API version 2, `POST /api/v2/alerts`.
//!
//! The labels are the identity of an alert: host and bottleneck, and nothing that changes while it lasts. The severity is
//! an annotation: as a label, an escalation would be a second alert beside the first. An alert has an end that lies
//! ahead and is moved on at a quarter of that time, so that it ends by itself when diag does.

use crate::model::finding::Severity;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Shortest time that an alert outlives its last refresh.
const HOLD_SECONDS: f64 = 240.0;

/// Refreshes within that time.
const REFRESHES: f64 = 4.0;

/// An alarm that is to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Id of the bottleneck.
    pub bottleneck: String,
    /// `warning` or `critical`.
    pub level: Severity,
    /// When it was raised, RFC 3339.
    pub since: String,
    /// The verdict's sentence, from when the alarm last changed.
    pub summary: String,
    /// Who causes it, by name.
    pub culprit: Option<String>,
}

/// One alert of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// The identity.
    pub labels: BTreeMap<&'static str, String>,
    /// What may change.
    pub annotations: BTreeMap<&'static str, String>,
    /// Since when.
    #[serde(rename = "startsAt")]
    pub starts_at: String,
    /// Until when, unless it is moved on.
    #[serde(rename = "endsAt")]
    pub ends_at: String,
}

/// What Alertmanager knows by now.
#[derive(Debug)]
pub struct Alerts {
    instance: String,
    hold_seconds: f64,
    /// Bottlenecks that fire there, with their start. The ids are diag's own, and so few.
    there: BTreeMap<String, String>,
    /// What was last delivered, and when by a steady clock.
    last: Option<(Option<(String, Severity)>, f64)>,
}

impl Alerts {
    /// Nothing is known there; `instance` names this machine, `interval_seconds` is how often a verdict comes.
    pub fn new(instance: String, interval_seconds: f64) -> Self {
        let hold_seconds = (interval_seconds * REFRESHES).clamp(HOLD_SECONDS, 86_400.0);
        Self { instance, hold_seconds, there: BTreeMap::new(), last: None }
    }

    /// An earlier run has posted this one: it is refreshed or resolved, whichever comes.
    pub fn resume(&mut self, bottleneck: String, since: String) {
        self.there.insert(bottleneck, since);
    }

    /// Whether a request is due at `now_seconds`.
    pub fn due(&self, firing: Option<&Firing>, now_seconds: f64) -> bool {
        let wanted: BTreeSet<&str> = firing.into_iter().map(|firing| firing.bottleneck.as_str()).collect();
        let there: BTreeSet<&str> = self.there.keys().map(String::as_str).collect();
        let Some((level, at)) = &self.last else { return !(wanted.is_empty() && there.is_empty()) };
        let changed = wanted != there || *level != identity(firing);
        changed || (firing.is_some() && now_seconds - at >= self.hold_seconds / REFRESHES)
    }

    /// The request: what fires, moved on, and what no longer does, ended at `at`.
    pub fn request(&self, firing: Option<&Firing>, at: Timestamp) -> Vec<Alert> {
        let mut alerts = Vec::new();
        if let Some(firing) = firing {
            let hold = SignedDuration::from_secs(self.hold_seconds as i64);
            let mut annotations = BTreeMap::from([
                ("summary", firing.summary.clone()),
                ("severity", firing.level.word().to_owned()),
            ]);
            annotations.extend(firing.culprit.clone().map(|culprit| ("culprit", culprit)));
            alerts.push(Alert {
                labels: self.labels(&firing.bottleneck),
                annotations,
                starts_at: no_later(&firing.since, at),
                ends_at: at.checked_add(hold).unwrap_or(at).to_string(),
            });
        }
        let over = |id: &str| firing.is_none_or(|firing| firing.bottleneck != id);
        alerts.extend(self.there.iter().filter(|(id, _)| over(id)).map(|(id, since)| Alert {
            labels: self.labels(id),
            annotations: BTreeMap::new(),
            starts_at: no_later(since, at),
            ends_at: at.to_string(),
        }));
        alerts
    }

    /// The request for `firing` has arrived.
    pub fn delivered(&mut self, firing: Option<&Firing>, now_seconds: f64) {
        self.there = firing.map(|f| (f.bottleneck.clone(), f.since.clone())).into_iter().collect();
        self.last = Some((identity(firing), now_seconds));
    }

    fn labels(&self, bottleneck: &str) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("alertname", "DiagBottleneck".to_owned()),
            ("instance", self.instance.clone()),
            ("service", "diag".to_owned()),
            ("bottleneck", bottleneck.to_owned()),
        ])
    }
}

fn identity(firing: Option<&Firing>) -> Option<(String, Severity)> {
    firing.map(|firing| (firing.bottleneck.clone(), firing.level))
}

/// A start after its end is refused; a wall clock that was set back would make one.
fn no_later(since: &str, at: Timestamp) -> String {
    let since = since.parse::<Timestamp>().ok().filter(|since| *since <= at);
    since.unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(bottleneck: &str, level: Severity) -> Firing {
        Firing {
            bottleneck: bottleneck.to_owned(),
            level,
            since: "2026-01-02T03:04:05Z".to_owned(),
            summary: "slow".to_owned(),
            culprit: Some("worker".to_owned()),
        }
    }

    fn at() -> Timestamp {
        "2026-01-02T03:05:00Z".parse().unwrap()
    }

    #[test]
    fn it_fires_refreshes_and_resolves_under_one_identity() {
        let mut alerts = Alerts::new("box".to_owned(), 10.0);
        assert!(!alerts.due(None, 0.0), "a healthy box has nothing to say");
        let warning = firing("cpu-user", Severity::Warning);
        assert!(alerts.due(Some(&warning), 0.0));
        let first = alerts.request(Some(&warning), at());
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].ends_at, "2026-01-02T03:09:00Z");
        alerts.delivered(Some(&warning), 0.0);
        assert!(!alerts.due(Some(&warning), 59.0));
        assert!(alerts.due(Some(&warning), 60.0), "well before its end");
        let critical = firing("cpu-user", Severity::Critical);
        assert!(alerts.due(Some(&critical), 1.0));
        assert_eq!(alerts.request(Some(&critical), at())[0].labels, first[0].labels);
        assert!(alerts.due(None, 1.0));
        let last = alerts.request(None, at());
        assert_eq!((&last[0].labels, last[0].ends_at.as_str()), (&first[0].labels, "2026-01-02T03:05:00Z"));
        alerts.delivered(None, 2.0);
        assert!(!alerts.due(None, 1e9));
    }

    #[test]
    fn another_bottleneck_ends_the_first_in_the_same_request() {
        let mut alerts = Alerts::new("box".to_owned(), 10.0);
        alerts.delivered(Some(&firing("cpu-user", Severity::Warning)), 0.0);
        let other = firing("memory-swap", Severity::Critical);
        assert!(alerts.due(Some(&other), 1.0));
        let request = alerts.request(Some(&other), at());
        let ends: Vec<(&str, &str)> = request
            .iter()
            .map(|alert| (alert.labels["bottleneck"].as_str(), alert.ends_at.as_str()))
            .collect();
        assert_eq!(ends, [("memory-swap", "2026-01-02T03:09:00Z"), ("cpu-user", "2026-01-02T03:05:00Z")]);
    }

    #[test]
    fn what_an_earlier_run_left_is_ended() {
        let mut alerts = Alerts::new("box".to_owned(), 3600.0);
        alerts.resume("cpu-user".to_owned(), "2999-01-01T00:00:00Z".to_owned());
        assert!(alerts.due(None, 0.0));
        let request = alerts.request(None, at());
        assert_eq!(request[0].starts_at, request[0].ends_at, "never after its end");
    }
}
