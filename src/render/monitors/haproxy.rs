//! The answer of an agent to HAProxy's `agent-check`: one line with the weight that this server should have.
//!
//! HAProxy keeps state and weight when it understands nothing, so each line has all that diag says. It is `up` whatever
//! the verdict: a bottleneck on all servers at once must not leave a site without any. It does not say `ready` on its
//! own account: that would undo what an administrator set by hand, every few seconds. Names from outside are not in it.

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Severity;
use crate::model::report::Report;

/// The smallest weight that is asked for, in percent, where nothing else was said.
pub const FLOOR_PERCENT: u8 = 10;

/// Weight of a server whose bottleneck costs an unknown share of the time.
const WARNING_PERCENT: u8 = 75;
const CRITICAL_PERCENT: u8 = 50;

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HaproxyOptions {
    /// Smallest weight, in percent.
    pub floor_percent: u8,
    /// Whether a critical verdict takes the server out until it is over: `drain`, then `ready`.
    pub drain: bool,
}

impl Default for HaproxyOptions {
    fn default() -> Self {
        Self { floor_percent: FLOOR_PERCENT, drain: false }
    }
}

/// The line, with a newline at its end.
pub fn render(report: &Report, options: HaproxyOptions) -> String {
    let verdict = &report.verdict;
    let ready = if options.drain { " ready" } else { "" };
    let id = verdict.bottleneck;
    if options.drain && verdict.severity == Severity::Critical && id != BottleneckId::Unknown {
        return format!("up drain #diag: critical {id}\n");
    }
    let weight = weight(report).max(options.floor_percent.clamp(1, 100));
    let severity =
        if id == BottleneckId::Unknown { String::new() } else { format!("{} ", verdict.severity.word()) };
    format!("up{ready} {weight}% #diag: {severity}{id}\n")
}

/// What is left of the time once the share that is lost to the bottleneck is taken off. What is not known, stale
/// verdicts among it, takes nothing off: it would stay so for ever where diag no longer runs.
fn weight(report: &Report) -> u8 {
    let verdict = &report.verdict;
    let most = match verdict.severity {
        Severity::Ok | Severity::Info | Severity::Notice => return 100,
        Severity::Warning => WARNING_PERCENT,
        Severity::Critical => CRITICAL_PERCENT,
    };
    let finding = report.findings.iter().find(|finding| finding.id == verdict.bottleneck);
    let lost = finding.map(|finding| finding.impact_ratio).filter(|lost| lost.is_finite());
    let left = lost.map_or(most, |lost| ((1.0 - lost.clamp(0.0, 1.0)) * 100.0).round() as u8);
    left.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    #[test]
    fn the_weight_is_what_is_left_and_never_below_the_floor() {
        let mut report = test_report::busy();
        let line =
            |report: &Report, floor_percent| render(report, HaproxyOptions { floor_percent, drain: false });
        for (impact, floor, expected) in
            [(0.6, 10, "40%"), (0.1, 10, "50%"), (1.0, 10, "10%"), (7.0, 30, "30%"), (f64::NAN, 10, "50%")]
        {
            report.findings[0].impact_ratio = impact;
            assert_eq!(line(&report, floor), format!("up {expected} #diag: critical memory-swap\n"));
        }
        report.findings[0].impact_ratio = 1.0;
        assert!(line(&report, 0).starts_with("up 1% "), "a weight of 0 would take the server out");
        assert_eq!(line(&test_report::healthy(), 10), "up 100% #diag: ok none\n");
        assert_eq!(line(&test_report::unknown(), 10), "up 100% #diag: unknown\n");
    }

    #[test]
    fn it_drains_only_when_asked() {
        let options = HaproxyOptions { drain: true, ..HaproxyOptions::default() };
        assert_eq!(render(&test_report::busy(), options), "up drain #diag: critical memory-swap\n");
        assert_eq!(render(&test_report::healthy(), options), "up ready 100% #diag: ok none\n");
        assert_eq!(render(&test_report::unknown(), options), "up ready 100% #diag: unknown\n");
    }

    #[test]
    fn nothing_from_outside_is_in_it() {
        let line = render(&test_report::hostile(), HaproxyOptions::default());
        assert_eq!(line.lines().count(), 1);
        assert!(line.is_ascii() && !line.contains('<'), "{line}");
    }
}
