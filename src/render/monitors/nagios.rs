//! The output of a Nagios or Icinga plugin: one line of status, performance data behind a `|`, then more of both.
//!
//! Format: the Monitoring Plugins Development Guidelines. The first `|` ends the text wherever it stands, so none may
//! come from a name. Old NRPE cuts an answer off at 1 KiB, newer ones at 4 KiB: what matters is in the first line.
//!
//! The labels are the same in every answer, since graphs are made of them, and a label of the verdict's own would break
//! its file when the verdict changes. Icinga's parser refuses `U` for a value: a number that this machine does not have is
//! left out.

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Severity;
use crate::model::metrics::Metrics;
use crate::model::report::{Culprit, Report, Verdict};
use crate::model::units;
use crate::render::escape::Visible;
use crate::render::shared::{cut_bytes, own_finding};

/// Bytes of the sentence: NRPE 2 hands on 1023 bytes of an answer, and the numbers must be among them.
const SENTENCE_MAX: usize = 400;

/// Bytes of the whole: many readers stop at 4 KiB.
const ALL_MAX: usize = 4000;

/// Bytes of a further line of text.
const LINE_MAX: usize = 500;

/// Further findings that get a line.
const FINDINGS_MAX: usize = 4;

/// A number of the performance data.
struct Label {
    name: &'static str,
    /// Metric whose limits are shown with it.
    metric: &'static str,
    unit: Unit,
    value: fn(&Metrics) -> Option<f64>,
}

#[derive(Clone, Copy)]
enum Unit {
    Number,
    Percent,
    Seconds,
}

const fn label(
    name: &'static str,
    metric: &'static str,
    unit: Unit,
    value: fn(&Metrics) -> Option<f64>,
) -> Label {
    Label { name, metric, unit, value }
}

/// The performance data, in its order. Labels may be added; none is renamed or removed.
const LABELS: [Label; 12] = [
    label("load1", "load1", Unit::Number, |m| m.load1),
    label("load_per_cpu", "load_per_cpu", Unit::Number, |m| m.load_per_cpu),
    label("cpu_busy", "cpu_busy_ratio", Unit::Percent, |m| m.cpu_busy_ratio),
    label("cpu_iowait", "cpu_iowait_ratio", Unit::Percent, |m| m.cpu_iowait_ratio),
    label("cpu_steal", "cpu_steal_ratio", Unit::Percent, |m| m.cpu_steal_ratio),
    label("psi_cpu_some", "psi_cpu_some_ratio", Unit::Percent, |m| m.psi_cpu_some_ratio),
    label("psi_io_some", "psi_io_some_ratio", Unit::Percent, |m| m.psi_io_some_ratio),
    label("psi_memory_some", "psi_memory_some_ratio", Unit::Percent, |m| m.psi_memory_some_ratio),
    label("memory_available", "memory_available_ratio", Unit::Percent, |m| m.memory_available_ratio),
    label("disk_utilization", "disk_utilization_max_ratio", Unit::Percent, |m| m.disk_utilization_max_ratio),
    label("window", "window_seconds", Unit::Seconds, |m| m.window_seconds),
    label("run_cpu", "run_cpu_seconds", Unit::Seconds, |m| m.run_cpu_seconds),
];

/// The plugin's answer; its exit code is the state that its first line begins with.
pub fn render(report: &Report) -> String {
    let numbers: String = LABELS.iter().filter_map(|label| number(report, label)).collect();
    let bar = if numbers.is_empty() { "" } else { " |" };
    let sentence = cut_bytes(&text(&report.verdict.summary), SENTENCE_MAX, "...");
    let mut answer =
        format!("DIAG {} - {}: {sentence}{bar}{numbers}\n", state(&report.verdict), id(&report.verdict));
    for line in lines(report) {
        let line = cut_bytes(&text(&line), LINE_MAX, "...");
        if answer.len() + line.len() < ALL_MAX {
            answer.push_str(&line);
            answer.push('\n');
        }
    }
    answer
}

/// The plugin's answer where there is no report: one line.
pub fn no_answer(reason: &str) -> String {
    format!("DIAG UNKNOWN - {}\n", cut_bytes(&text(reason), SENTENCE_MAX, "..."))
}

/// The word of the state. `unknown` is neither good nor bad.
fn state(verdict: &Verdict) -> &'static str {
    if verdict.bottleneck == BottleneckId::Unknown {
        return "UNKNOWN";
    }
    match verdict.severity {
        Severity::Ok | Severity::Info | Severity::Notice => "OK",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

fn id(verdict: &Verdict) -> String {
    match verdict.bottleneck.as_str() {
        "none" => "healthy".to_owned(),
        "unknown" => "cannot tell".to_owned(),
        id if verdict.severity == Severity::Notice => format!("{} (notice)", text(id)),
        id => text(id),
    }
}

/// What is said below the first line.
fn lines(report: &Report) -> Vec<String> {
    let verdict = &report.verdict;
    let mut lines = Vec::new();
    if verdict.cause_chain.len() > 1 {
        lines.push(format!("cause: {}", verdict.chain(" -> ")));
    }
    lines.extend(verdict.culprit.as_ref().map(culprit));
    let own = own_finding(report);
    lines.extend(own.and_then(|own| own.advice.first()).map(|advice| format!("next: {}", advice.action)));
    let others = report.findings.iter().filter(|finding| finding.id != verdict.bottleneck);
    let grave = others.filter(|finding| finding.severity >= Severity::Warning);
    lines.extend(grave.take(FINDINGS_MAX).map(|finding| {
        let cause =
            finding.explained_by.as_ref().map(|id| format!(", explained by {id}")).unwrap_or_default();
        format!("{} {}{cause}: {}", finding.severity.word(), finding.id, finding.summary)
    }));
    if !report.not_checked.is_empty() {
        let whats: Vec<&str> = report.not_checked.iter().map(|item| item.what.as_str()).collect();
        lines.push(format!("not checked: {}", whats.join(", ")));
    }
    if own.is_some() {
        lines.push(format!("more: diag explain {}", verdict.bottleneck));
    }
    lines
}

fn culprit(culprit: &Culprit) -> String {
    let mut line = format!("culprit: {}", culprit.comm);
    if let Some(pid) = culprit.pid {
        line.push_str(&format!("[{pid}]"));
    }
    if let Some(unit) = &culprit.unit {
        line.push_str(&format!(" of {unit}"));
    }
    if let Some(share) = culprit.share_ratio {
        line.push_str(&format!(", {}", units::percent(share)));
    }
    if let Some(why) = &culprit.why {
        line.push_str(&format!(": {why}"));
    }
    line
}

/// `text` on one line, without the bar that would begin the performance data, and without tags: Nagios shows an answer
/// as HTML unless `escape_html_tags` is set, and Icinga Web does so with what looks like it.
fn text<T: Visible + ?Sized>(text: &T) -> String {
    text.visible().replace('|', "\u{a6}").replace('<', "\u{2039}")
}

/// ` 'cpu_busy'=24.00%;85;95;0`
fn number(report: &Report, label: &Label) -> Option<String> {
    let (factor, unit) = match label.unit {
        Unit::Number => (1.0, ""),
        Unit::Percent => (100.0, "%"),
        Unit::Seconds => (1.0, "s"),
    };
    let value = Some((label.value)(&report.metrics)? * factor).filter(|value| value.is_finite())?;
    let mut evidence = report.steps.iter().flat_map(|step| &step.evidence);
    let evidence = evidence.find(|evidence| evidence.metric == label.metric);
    let limit = |limit: Option<f64>| limit.map(|limit| limit_of(limit * factor)).unwrap_or_default();
    let [warning, critical] = match evidence {
        // A limit for less is a range in this format, and none of these is one.
        Some(evidence) if !evidence.falls() => [limit(evidence.warning), limit(evidence.critical)],
        _ => [String::new(), String::new()],
    };
    Some(format!(" '{}'={value:.2}{unit};{warning};{critical};0", label.name))
}

/// As it was set: no zeros at the end.
fn limit_of(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_grammars, test_report};

    #[test]
    fn a_notice_is_ok_and_says_that_it_is_one() {
        let mut report = test_report::busy();
        report.verdict.severity = Severity::Notice;
        assert!(render(&report).starts_with("DIAG OK - memory-swap (notice): "), "{}", render(&report));
    }

    #[test]
    fn the_first_line_says_it_all() {
        let answer = render(&test_report::busy());
        let first = answer.lines().next().unwrap();
        assert_eq!(
            first,
            "DIAG CRITICAL - memory-swap: Memory is short: 14678 pages/s come back from swap, and threads wait for \
             memory 61 % of the time. | 'load1'=9.50;;;0 'load_per_cpu'=2.65;1;2;0 'cpu_busy'=24.00%;85;95;0 \
             'cpu_iowait'=50.00%;;;0 'cpu_steal'=0.00%;;;0 'psi_io_some'=88.00%;10;40;0 \
             'psi_memory_some'=61.00%;;;0 'memory_available'=3.00%;;;0 'disk_utilization'=99.00%;;;0 \
             'window'=5.00s;;;0 'run_cpu'=0.04s;;;0"
        );
        let rest: Vec<&str> = answer.lines().skip(1).collect();
        assert_eq!(
            rest[..3],
            [
                "cause: memory-swap -> disk-saturated",
                "culprit: php-fpm[4242] of php8.2-fpm.service, 87 %: its workers hold 4.1 GiB together, more than \
                 the memory there is",
                "next: Bound the workers: workers times their size must fit into the memory.",
            ]
        );
        assert_eq!(rest.last(), Some(&"more: diag explain memory-swap"));
    }

    #[test]
    fn what_is_healthy_or_unknown_says_so() {
        assert!(render(&test_report::healthy()).starts_with("DIAG OK - healthy: Nothing is short"));
        assert!(render(&test_report::unknown()).starts_with("DIAG UNKNOWN - cannot tell: Neither"));
        assert_eq!(no_answer("no /proc\n| x"), "DIAG UNKNOWN - no /proc\\n\u{a6} x\n");
    }

    #[test]
    fn any_report_keeps_to_the_grammar() {
        for report in
            [test_report::busy(), test_report::healthy(), test_report::unknown(), test_report::hostile()]
        {
            let answer = render(&report);
            test_report::assert_harmless(&answer);
            test_grammars::nagios(&answer).unwrap();
            assert!(!answer.contains('<'), "{answer}");
        }
        test_grammars::nagios(&no_answer(test_report::HOSTILE)).unwrap();
    }

    /// The labels of an answer.
    fn labels(report: &Report) -> Vec<String> {
        let answer = render(report);
        let (_, numbers) = answer.lines().next().unwrap().split_once(" | ").unwrap_or_default();
        let label = |item: &str| item.split_once('=').map(|(label, _)| label.to_owned());
        numbers.split_whitespace().filter_map(label).collect()
    }

    #[test]
    fn the_labels_do_not_depend_on_the_verdict() {
        let mut calm = test_report::busy();
        calm.verdict = test_report::healthy().verdict;
        calm.findings.clear();
        assert_eq!(labels(&test_report::busy()), labels(&calm));
        let mut unknown = test_report::busy();
        unknown.verdict = test_report::unknown().verdict;
        unknown.steps.clear();
        assert_eq!(labels(&test_report::busy()), labels(&unknown));
    }

    #[test]
    fn a_number_that_is_not_known_is_left_out() {
        let mut report = test_report::busy();
        report.metrics = Metrics { load1: Some(f64::NAN), window_seconds: Some(5.0), ..Metrics::default() };
        assert_eq!(labels(&report), ["'window'"]);
        report.metrics = Metrics::default();
        assert!(!render(&report).contains('|'));
    }

    #[test]
    fn a_long_sentence_leaves_room_for_the_numbers() {
        let mut report = test_report::hostile();
        report.verdict.summary = "日本|".repeat(3000).into();
        for finding in &mut report.findings {
            finding.summary = "x|".repeat(5000).into();
        }
        report.metrics =
            Metrics { load5: None, psi_cpu_some_ratio: Some(1.0), load1: Some(100_000.0), ..report.metrics };
        let answer = render(&report);
        assert!(answer.len() <= ALL_MAX && answer.lines().next().unwrap().len() <= 1000);
        test_grammars::nagios(&answer).unwrap();
        assert_eq!(labels(&report).len(), LABELS.len());
        assert!(answer.contains("'load1'=100000.00;;;0"), "{answer}");
    }
}
