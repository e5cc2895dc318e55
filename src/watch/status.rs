//! How far a kept verdict can be trusted: as it is, with its age, or not at all.

use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Severity};
use crate::model::metrics::Metrics;
use crate::model::report::{HostReport, Load, Report, Run, SCHEMA_VERSION, Verdict, Window, WindowSource};
use crate::model::sentence::{Sentence, own, sentence};
use crate::model::watch::State;

/// A verdict that is older than so many windows says nothing any more.
pub const STALE_WINDOWS: f64 = 3.0;

/// The moment of the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Now {
    /// CLOCK_BOOTTIME.
    pub boottime_seconds: f64,
    /// This boot.
    pub boot_id: Option<String>,
    /// The wall clock, RFC 3339, UTC.
    pub at: String,
}

/// Why a kept verdict says nothing.
#[derive(Debug, Clone, PartialEq)]
enum Stale {
    EarlierBoot,
    Ahead,
    Old(f64),
}

/// The report of `state` as of `now`: with its age, or as `unknown` once it is stale.
pub fn answer(state: State, now: &Now) -> Report {
    let age = now.boottime_seconds - state.ended_boottime_seconds;
    let stale = stale(&state, now);
    let mut report = state.report;
    report.window.age_seconds =
        (age.is_finite() && !matches!(stale, Some(Stale::EarlierBoot | Stale::Ahead))).then(|| age.max(0.0));
    let Some(stale) = stale else {
        report.verdict.summary.push(sentence![" (", own(span(age)), " ago)"]);
        return report;
    };
    let was = report.verdict.bottleneck;
    let why = match stale {
        Stale::EarlierBoot => format!("The last verdict ({was}) is from an earlier boot."),
        Stale::Ahead => format!("The last verdict ({was}) is from a time that has not come yet."),
        Stale::Old(age) => format!("The last verdict ({was}) is {} old.", span(age)),
    };
    // What was found then must not be read as what is there now.
    report.findings.clear();
    report.steps.clear();
    report.processes.clear();
    report.target = None;
    report.profile = None;
    report.load = no_load();
    report.metrics = Metrics::default();
    unknown(&mut report, why, "see whether diag watch runs");
    report
}

/// The report where there is no state at all, and why.
pub fn missing(now: &Now, version: &str, why: String) -> Report {
    let mut report = Report {
        schema_version: SCHEMA_VERSION,
        diag: Run {
            version: version.to_owned(),
            cpu_seconds: 0.0,
            max_rss_bytes: None,
            config_files: Vec::new(),
        },
        host: HostReport {
            hostname: None,
            kernel: None,
            arch: None,
            cpus_online: 0,
            cpus_effective: 0.0,
            memory_total_bytes: None,
            memory_limit_bytes: None,
            swap_total_bytes: None,
            uptime_seconds: None,
            boot_id: now.boot_id.clone(),
            virtualization: None,
            container: None,
        },
        window: Window {
            source: WindowSource::Live,
            started_at: now.at.clone(),
            ended_at: now.at.clone(),
            seconds: 0.0,
            interrupted: false,
            samples_count: 0,
            age_seconds: None,
        },
        verdict: Verdict {
            bottleneck: BottleneckId::Unknown,
            resource: Resource::None,
            severity: Severity::Ok,
            confidence_ratio: 0.0,
            confidence: String::new(),
            since: None,
            summary: Sentence::new(),
            cause_chain: Vec::new(),
            culprit: None,
            remedy: None,
            advice: Vec::new(),
            missing_inputs: Vec::new(),
        },
        steps: Vec::new(),
        findings: Vec::new(),
        news: Vec::new(),
        processes_order: Sort::Cpu,
        processes: Vec::new(),
        target: None,
        load: no_load(),
        metrics: Metrics::default(),
        memory: None,
        profile: None,
        not_checked: Vec::new(),
    };
    unknown(&mut report, why, "start diag watch, or name its state file with --state");
    report
}

fn unknown(report: &mut Report, why: String, unlock: &str) {
    report.verdict = Verdict {
        bottleneck: BottleneckId::Unknown,
        resource: Resource::None,
        severity: Severity::Ok,
        confidence_ratio: 0.0,
        confidence: "suspect".to_owned(),
        since: None,
        summary: Sentence::quoted(why.as_str()),
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
        missing_inputs: Vec::new(),
    };
    let reason = why.trim_end_matches('.').to_owned();
    report.not_checked =
        vec![NotChecked { what: "the box".to_owned(), reason, unlock: Some(unlock.to_owned()) }];
}

fn no_load() -> Load {
    Load {
        load1: None,
        load5: None,
        load15: None,
        running_mean: 0.0,
        uninterruptible_mean: 0.0,
        groups: Vec::new(),
    }
}

/// What tells one boot from another without saying which one it is: FNV-1a of the id, which is random and twice as long.
pub fn boot_mark(boot_id: &str) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    format!("boot-{:016x}", boot_id.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
}

/// Whether the alarm of `state` may be taken up by a new run.
pub fn holds(state: &State, now: &Now) -> bool {
    stale(state, now).is_none()
}

fn stale(state: &State, now: &Now) -> Option<Stale> {
    if let (Some(then), Some(id)) = (&state.boot_id, &now.boot_id)
        && then != id
        && *then != boot_mark(id)
    {
        return Some(Stale::EarlierBoot);
    }
    let since = |then: f64| now.boottime_seconds - then;
    let limit = state.interval_seconds.clamp(1.0, 3600.0) * STALE_WINDOWS;
    // They are of another boot, or were never written by diag.
    if since(state.holds_boottime_seconds) < -1.0 || since(state.ended_boottime_seconds) < -1.0 {
        return Some(Stale::Ahead);
    }
    let fresh = since(state.holds_boottime_seconds) <= limit && state.ended_boottime_seconds.is_finite();
    (!fresh).then(|| Stale::Old(since(state.ended_boottime_seconds)))
}

/// `4 s`, `3 min`, `5 h`.
fn span(seconds: f64) -> String {
    match seconds.max(0.0) {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::watch::{Alarm, WATCH_VERSION};
    use crate::render::test_report;

    fn state() -> State {
        State {
            state_version: WATCH_VERSION,
            seq: 7,
            interval_seconds: 10.0,
            boot_id: Some("boot".to_owned()),
            ended_boottime_seconds: 1000.0,
            holds_boottime_seconds: 1000.0,
            alarm: Alarm::none(),
            report: test_report::busy(),
        }
    }

    fn now(boottime_seconds: f64) -> Now {
        Now { boottime_seconds, boot_id: Some("boot".to_owned()), at: "2026-01-02T03:04:20Z".to_owned() }
    }

    #[test]
    fn a_fresh_verdict_says_its_age() {
        let report = answer(state(), &now(1012.0));
        assert_eq!(report.verdict.bottleneck, "memory-swap");
        assert_eq!(report.window.age_seconds, Some(12.0));
        assert!(report.verdict.summary.to_string().ends_with(" (12 s ago)"), "{}", report.verdict.summary);
    }

    #[test]
    fn a_stale_one_says_nothing_else() {
        for (changed, at) in [
            (state(), 1031.0),
            (state(), 900.0),
            (State { boot_id: Some("other".to_owned()), ..state() }, 1001.0),
            (State { interval_seconds: f64::NAN, ..state() }, 5000.0),
            (State { interval_seconds: 1e300, ..state() }, 90_000.0),
            (State { holds_boottime_seconds: f64::INFINITY, ..state() }, 1001.0),
        ] {
            assert!(!holds(&changed, &now(at)));
            let report = answer(changed, &now(at));
            assert_eq!(report.verdict.bottleneck, "unknown");
            assert!(report.findings.is_empty() && report.verdict.culprit.is_none());
            assert_eq!(report.metrics, Metrics::default());
            assert!(report.verdict.summary.to_string().contains("memory-swap"), "{}", report.verdict.summary);
        }
    }

    #[test]
    fn a_quiet_run_that_waits_keeps_its_verdict_fresh() {
        let quiet = State { holds_boottime_seconds: 2000.0, ..state() };
        let report = answer(quiet, &now(2010.0));
        assert_eq!(report.window.age_seconds, Some(1010.0));
        assert_eq!(report.verdict.bottleneck, "memory-swap");
    }

    #[test]
    fn without_a_state_nothing_is_known() {
        let report = missing(&now(1.0), "0", "There is no state file.".to_owned());
        assert_eq!(report.verdict.bottleneck, "unknown");
        assert_eq!(report.not_checked.len(), 1);
    }
}
