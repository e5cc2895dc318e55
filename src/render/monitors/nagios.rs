//! The output of a Nagios or Icinga plugin: one line of status, performance data behind a `|`, then more of both.
//!
//! Format: the Monitoring Plugins Development Guidelines. The first `|` ends the text wherever it stands, so none may
//! come from a name. Old NRPE cuts an answer off at 1 KiB, newer ones at 4 KiB: what matters is in the first line.
//! Icinga's parser refuses `U` for a value and drops units that it does not know, so that a number that is not there
//! is left out, and a rate has no unit.

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Evidence, Severity};
use crate::model::report::{Culprit, Report, Verdict};
use crate::model::units;
use crate::render::escape;
use crate::render::shared::{cut_bytes, own_finding};
use std::collections::BTreeSet;

/// Bytes of the first line: NRPE 2 hands on 1023 of an answer.
const FIRST_LINE_MAX: usize = 1000;

/// Bytes of the sentence in the first line; the rest is for its numbers.
const SENTENCE_MAX: usize = 400;

/// Bytes of the whole: many readers stop at 4 KiB.
const ALL_MAX: usize = 4000;

/// Bytes of a further line of text.
const LINE_MAX: usize = 500;

/// Further findings that get a line.
const FINDINGS_MAX: usize = 4;

/// What is bad when it gets less: its limit is a range from the limit up.
const FALLING: [&str; 1] = ["memory_available_ratio"];

/// The plugin's answer; its exit code is the state that its first line begins with.
pub fn render(report: &Report) -> String {
    let numbers = numbers(report);
    let sentence = cut_bytes(&text(&report.verdict.summary), SENTENCE_MAX, "...");
    let bar = if numbers.is_empty() { "" } else { " |" };
    let mut first = format!("DIAG {} - {}: {sentence}{bar}", state(&report.verdict), id(&report.verdict));
    let mut rest = numbers.iter().peekable();
    while let Some(number) = rest.next_if(|number| first.len() + 1 + number.len() <= FIRST_LINE_MAX) {
        first.push(' ');
        first.push_str(number);
    }
    let mut answer = first;
    answer.push('\n');
    for line in lines(report) {
        let line = cut_bytes(&text(&line), LINE_MAX, "...");
        if answer.len() + line.len() < ALL_MAX {
            answer.push_str(&line);
            answer.push('\n');
        }
    }
    // Only behind the last line of text may more numbers follow, each on a line of its own or all on one.
    let mut more = String::new();
    for number in rest.filter(|_| answer.lines().count() > 1) {
        if answer.len() + more.len() + number.len() + 3 > ALL_MAX {
            break;
        }
        more.push(' ');
        more.push_str(number);
    }
    if !more.is_empty() {
        answer.truncate(answer.trim_end().len());
        answer.push_str(&format!(" |{more}\n"));
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
        Severity::Ok | Severity::Info => "OK",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

fn id(verdict: &Verdict) -> String {
    match verdict.bottleneck.as_str() {
        "none" => "healthy".to_owned(),
        "unknown" => "cannot tell".to_owned(),
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
fn text(text: &str) -> String {
    escape::terminal(text).replace('|', "\u{a6}").replace('<', "\u{2039}")
}

/// Every number once, those of the steps first: they are there in every window.
fn numbers(report: &Report) -> Vec<String> {
    let of_steps = report.steps.iter().flat_map(|step| &step.evidence);
    let of_findings = report.findings.iter().flat_map(|finding| &finding.evidence);
    let mut labels = BTreeSet::new();
    let mut numbers: Vec<String> = [("window", report.window.seconds), ("run_cpu", report.diag.cpu_seconds)]
        .into_iter()
        .filter(|_| !report.window.is_missing())
        .filter_map(|(name, value)| Some(format!("'{name}'={}s;;;0", number(value)?)))
        .collect();
    for evidence in of_steps.chain(of_findings) {
        let label = label(&evidence.metric);
        if let Some(item) = item(&label, evidence)
            && labels.insert(label)
        {
            numbers.push(item);
        }
    }
    numbers
}

/// A quote within a label is doubled, and `=` is forbidden.
fn label(metric: &str) -> String {
    let metric = metric.strip_suffix("_ratio").unwrap_or(metric);
    text(metric).replace('\'', "''").replace('=', "_")
}

/// `'cpu_busy'=24%;85;95;0`
fn item(label: &str, evidence: &Evidence) -> Option<String> {
    let value = evidence.value?;
    let (factor, unit) = match evidence.unit.as_str() {
        "ratio" => (100.0, "%"),
        "seconds" => (1.0, "s"),
        "bytes" => (1.0, "B"),
        _ => (1.0, ""),
    };
    let falling = FALLING.contains(&evidence.metric.as_str())
        || matches!((evidence.warning, evidence.critical), (Some(w), Some(c)) if c < w);
    let limit = |limit: Option<f64>| {
        let limit = limit.and_then(|limit| number(limit * factor));
        limit.map(|limit| if falling { limit + ":" } else { limit }).unwrap_or_default()
    };
    let least = if value >= 0.0 { ";0" } else { "" };
    let limits = format!(";{};{}", limit(evidence.warning), limit(evidence.critical));
    let value = number(value * factor).filter(|_| !label.is_empty())?;
    Some(format!("'{label}'={value}{unit}{limits}{least}"))
}

/// A plain decimal: no exponent, at most six decimals, no zeros at the end. None for NaN, and for values beyond what
/// any counter can hold.
fn number(value: f64) -> Option<String> {
    if value.is_nan() || value.abs() > 1e20 {
        return None;
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Some(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_grammars, test_report};

    #[test]
    fn the_first_line_says_it_all() {
        let answer = render(&test_report::busy());
        let first = answer.lines().next().unwrap();
        assert_eq!(
            first,
            "DIAG CRITICAL - memory-swap: Memory is short: 14678 pages/s come back from swap, and somebody waits for \
             memory 61 % of the time. | 'window'=5.003s;;;0 'run_cpu'=0.043s;;;0 'load_per_cpu'=2.65;1;2;0 \
             'load1_to_load15'=120%;;;0 'cpu_busy'=24%;85;95;0 'psi_io_some'=88%;10;40;0 \
             'swap_in_pages_per_second'=14678;10;1000;0 'psi_memory_some'=61%;10;40;0 \
             'disk_utilization'=99%;70;90;0"
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

    #[test]
    fn a_long_sentence_leaves_room_for_the_numbers() {
        let mut report = test_report::hostile();
        report.verdict.summary = "日本|".repeat(3000);
        for finding in &mut report.findings {
            finding.summary = "x|".repeat(5000);
        }
        report.steps[0].evidence = (0..200)
            .map(|index| Evidence {
                metric: format!("metric={index}'"),
                ..report.steps[0].evidence[0].clone()
            })
            .collect();
        let answer = render(&report);
        assert!(answer.len() <= ALL_MAX && answer.lines().next().unwrap().len() <= FIRST_LINE_MAX);
        test_grammars::nagios(&answer).unwrap();
        assert!(answer.contains("'metric_0'''=2.65;1;2;0"), "{answer}");
        assert!(answer.lines().last().unwrap().contains(" | 'metric_"), "{answer}");
    }

    #[test]
    fn numbers_have_units_and_ranges() {
        let mut evidence = test_report::busy().steps[0].evidence[0].clone();
        let mut item = |metric: &str, value: f64, unit: &str, warning: f64| {
            evidence.metric = metric.to_owned();
            evidence.value = Some(value);
            evidence.unit = unit.to_owned();
            (evidence.warning, evidence.critical) = (Some(warning), None);
            item(&label(metric), &evidence)
        };
        assert_eq!(
            item("memory_available_ratio", 0.07, "ratio", 0.1).unwrap(),
            "'memory_available'=7%;10:;;0"
        );
        assert_eq!(
            item("disk_await_seconds", 0.02, "seconds", 0.05).unwrap(),
            "'disk_await_seconds'=0.02s;0.05;;0"
        );
        assert_eq!(item("room", 1e15, "bytes", f64::NAN).unwrap(), "'room'=1000000000000000B;;;0");
        assert_eq!(item("drop", -1e-9, "count", 1.0).unwrap(), "'drop'=0;1;");
        assert_eq!(item("gone", f64::INFINITY, "count", 1.0), None);
    }
}
