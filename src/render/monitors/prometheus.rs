//! Metrics in Prometheus' text format, for the textfile collector of node_exporter.
//!
//! Format: prometheus.io, "Exposition formats". Samples carry no time stamp, since the collector drops a file that has
//! one; `diag_run_end_timestamp_seconds` says how old it is. The same series are there after every run: a value that
//! is not known is `NaN`, never 0. No label holds a process id, a command line or a user.

use crate::model::bottleneck::{BottleneckId, Resource};
use crate::model::finding::Severity;
use crate::model::report::Report;
use crate::render::escape;
use std::fmt::Write;
use strum::IntoEnumIterator as _;

/// The metrics of one report, with a line break after the last: without it the whole file is refused.
pub fn render(report: &Report) -> String {
    let mut page = Page::default();
    let known = report.verdict.bottleneck != BottleneckId::Unknown;
    let or_nan = |value: f64| if known { value } else { f64::NAN };

    page.metric(
        "diag_bottleneck_severity",
        "Worst finding about one resource: 0 ok, 1 info or notice, 2 warning, 3 critical.",
    );
    for resource in Resource::iter().filter(|resource| *resource != Resource::None) {
        page.sample(
            &[("resource", resource.into())],
            severity_of(report, resource).unwrap_or_else(|| or_nan(0.0)),
        );
    }
    page.metric("diag_bottleneck_info", "The bottleneck that the last run named.");
    let verdict = &report.verdict;
    page.sample(&[("resource", verdict.resource.into()), ("code", verdict.bottleneck.as_str())], 1.0);
    page.metric(
        "diag_culprit_info",
        "Name of the process, group or device that causes it; empty where nothing does.",
    );
    let culprit = report.verdict.culprit.as_ref();
    page.sample(&[("comm", culprit.map_or("", |culprit| &culprit.comm))], 1.0);
    page.metric(
        "diag_verdict_severity",
        "Severity of the verdict: 0 ok or notice, 2 warning, 3 critical; NaN where diag could not tell.",
    );
    let notice = report.verdict.severity == Severity::Notice;
    page.plain(or_nan(if notice { 0.0 } else { number(report.verdict.severity) }));
    page.metric(
        "diag_verdict_notice",
        "Whether a program is at its own limit while the box is short of nothing: 1 yes, 0 no.",
    );
    page.plain(or_nan(f64::from(u8::from(notice))));
    page.metric("diag_verdict_confidence_ratio", "How sure the verdict is, from 0 to 1.");
    page.plain(report.verdict.confidence_ratio);
    page.metric("diag_threads_running_mean", "Mean number of threads that ran or waited for a CPU.");
    page.plain(or_nan(report.load.running_mean));
    page.metric("diag_threads_uninterruptible_mean", "Mean number of threads in uninterruptible sleep.");
    page.plain(or_nan(report.load.uninterruptible_mean));
    page.metric("diag_not_checked", "Things that the run could not look at.");
    page.plain(report.not_checked.len() as f64);

    page.metric("diag_run_success", "Whether the last run could tell: 1 yes, 0 no.");
    page.plain(f64::from(u8::from(known)));
    page.metric("diag_run_end_timestamp_seconds", "Unix time at which the window of the last run ended.");
    let seen = |value: f64| if report.window.is_missing() { f64::NAN } else { value };
    page.plain(seen(unix_seconds(&report.window.ended_at)));
    page.metric("diag_run_duration_seconds", "Length of the window of the last run.");
    page.plain(seen(report.window.seconds));
    page.metric("diag_run_cpu_seconds", "CPU time that the last run took.");
    page.plain(seen(report.diag.cpu_seconds));
    page.metric("diag_build_info", "Version of diag and of its JSON.");
    let schema = report.schema_version.to_string();
    page.sample(&[("version", &report.diag.version), ("schema", &schema)], 1.0);
    page.out
}

/// The worst finding about `resource`; none where there is no finding.
fn severity_of(report: &Report, resource: Resource) -> Option<f64> {
    let about = report.findings.iter().filter(|finding| finding.resource == resource);
    about.map(|finding| finding.severity).max().map(number)
}

fn number(severity: Severity) -> f64 {
    match severity {
        Severity::Ok => 0.0,
        Severity::Info | Severity::Notice => 1.0,
        Severity::Warning => 2.0,
        Severity::Critical => 3.0,
    }
}

/// Whole seconds since the epoch, by RFC 3339.
fn unix_seconds(time: &str) -> f64 {
    time.parse::<jiff::Timestamp>().map_or(f64::NAN, |time| time.as_second() as f64)
}

/// The lines so far, and the metric that a sample belongs to.
#[derive(Default)]
struct Page {
    out: String,
    name: &'static str,
}

impl Page {
    /// Begins a metric; each has one such head.
    fn metric(&mut self, name: &'static str, help: &str) {
        self.name = name;
        // Writing to a string cannot fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn plain(&mut self, value: f64) {
        self.sample(&[], value);
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.name);
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label_value(value))).collect();
        if !labels.is_empty() {
            let _ = write!(self.out, "{{{}}}", labels.join(","));
        }
        // Infinite is as little an answer as NaN, and would be written as Rust writes it.
        let value = if value.is_finite() { format!("{value}") } else { "NaN".to_owned() };
        let _ = writeln!(self.out, " {value}");
    }
}

/// Backslash, quote and line break are escaped; what acts on a terminal is written out before.
fn label_value(text: &str) -> String {
    escape::terminal(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_grammars, test_report};

    #[test]
    fn a_notice_is_ok_and_has_a_metric_of_its_own() {
        let mut report = test_report::busy();
        assert!(render(&report).contains("\ndiag_verdict_notice 0\n"));
        report.verdict.severity = Severity::Notice;
        let text = render(&report);
        assert!(text.contains("\ndiag_verdict_severity 0\n"), "{text}");
        assert!(text.contains("\ndiag_verdict_notice 1\n"), "{text}");
    }

    #[test]
    fn every_run_has_the_same_series() {
        let text = render(&test_report::busy());
        for line in [
            "# TYPE diag_bottleneck_severity gauge",
            "diag_bottleneck_severity{resource=\"cpu\"} 0",
            "diag_bottleneck_severity{resource=\"memory\"} 3",
            "diag_bottleneck_severity{resource=\"io\"} 2",
            "diag_bottleneck_info{resource=\"memory\",code=\"memory-swap\"} 1",
            "diag_culprit_info{comm=\"php-fpm\"} 1",
            "diag_verdict_severity 3",
            "diag_verdict_confidence_ratio 0.72",
            "diag_run_success 1",
            "diag_run_end_timestamp_seconds 1767323050",
            "diag_run_duration_seconds 5.003",
            "diag_build_info{version=\"0.1.0\",schema=\"1\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
        let names = |text: &str| -> Vec<String> {
            let sample = |line: &&str| !line.starts_with('#');
            text.lines()
                .filter(sample)
                .map(|line| line.split([' ', '{']).next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&text), names(&render(&test_report::unknown())));
        assert_eq!(names(&text), names(&render(&test_report::healthy())));
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let text = render(&test_report::unknown());
        for line in [
            "diag_bottleneck_severity{resource=\"cpu\"} NaN",
            "diag_verdict_severity NaN",
            "diag_run_success 0",
            "diag_bottleneck_info{resource=\"none\",code=\"unknown\"} 1",
            "diag_threads_running_mean NaN",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
        assert!(render(&test_report::healthy()).contains("diag_bottleneck_severity{resource=\"cpu\"} 0\n"));
        let mut nothing = test_report::unknown();
        nothing.window.seconds = 0.0;
        let text = render(&nothing);
        assert!(text.contains("diag_run_end_timestamp_seconds NaN\n"), "{text}");
        assert!(text.contains("diag_run_duration_seconds NaN\n"), "{text}");
    }

    #[test]
    fn any_report_keeps_to_the_grammar() {
        for report in
            [test_report::busy(), test_report::healthy(), test_report::unknown(), test_report::hostile()]
        {
            let text = render(&report);
            test_report::assert_harmless(&text);
            test_grammars::prometheus(&text).unwrap();
        }
        let text = render(&test_report::hostile());
        assert!(text.contains(r#"comm="<img src=x onerror=1>|\"\\x1b[31m\\nroot\\u{202e}"#), "{text}");
    }

    #[test]
    fn numbers_that_are_none_are_written_as_prometheus_reads_them() {
        let mut report = test_report::busy();
        report.load.running_mean = f64::INFINITY;
        report.verdict.confidence_ratio = f64::NAN;
        report.window.ended_at = "never".to_owned();
        test_grammars::prometheus(&render(&report)).unwrap();
    }
}
