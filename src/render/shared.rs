//! Words that the text, the Markdown and the HTML share: names of numbers, the culprit, cut strings, times.

use crate::model::bottleneck::{BottleneckId, Sort};
use crate::model::finding::Finding;
use crate::model::report::{Culprit, CulpritKind, Report, WindowSource};
use crate::model::sentence::{Sentence, Span};
use crate::model::units::{human_bytes, number};
use crate::render::escape::{self, Visible};
use unicode_width::UnicodeWidthStr as _;

/// A share as a bare number of percent, for a table.
pub(in crate::render) fn share(ratio: f64) -> String {
    number(ratio * 100.0)
}

/// The finding that is the verdict.
pub(in crate::render) fn own_finding(report: &Report) -> Option<&Finding> {
    report.findings.iter().find(|finding| finding.id == report.verdict.bottleneck)
}

/// The first clause of a summary: what is short. The clauses after it name the culprit and more numbers.
pub(in crate::render) fn statement(summary: &Sentence) -> String {
    const BETWEEN: &str = "; ";
    // A sentence that was read from a file is one quote; in any other a name may hold the same characters.
    let read_back = matches!(summary.spans(), [Span::Quote(_)]);
    let mut statement = String::new();
    for span in summary.spans() {
        let text = span.text();
        match text.split_once(BETWEEN) {
            Some((head, _)) if span.is_own() || read_back => {
                statement.push_str(head);
                break;
            }
            _ => statement.push_str(&text),
        }
    }
    statement.truncate(statement.trim_end_matches('.').len());
    statement
}

/// Which processes or device a culprit is: ` (12 processes, largest pid 4242)`.
pub(in crate::render) fn members(culprit: &Culprit) -> String {
    let several = culprit.members_count > 1 && culprit.kind != CulpritKind::Process;
    match (culprit.kind, culprit.pid) {
        (CulpritKind::Device, _) => " (device)".to_owned(),
        (_, Some(pid)) if several => format!(" ({} processes, largest pid {pid})", culprit.members_count),
        (_, None) if several => format!(" ({} processes)", culprit.members_count),
        (_, Some(pid)) => format!(" (pid {pid})"),
        (_, None) => String::new(),
    }
}

/// How much of the scarce resource a culprit uses: `198 % of 200 % CPU`. None where it is not measured in a quantity.
pub(in crate::render) fn amount(report: &Report, culprit: &Culprit) -> Option<String> {
    let host = &report.host;
    match report.processes_order {
        Sort::Cpu => culprit.cpu_ratio.filter(|ratio| *ratio >= 0.01).map(|ratio| {
            let all =
                if host.cpus_effective > 0.0 { host.cpus_effective } else { f64::from(host.cpus_online) };
            format!("{:.0} % of {:.0} % CPU", ratio * 100.0, all * 100.0)
        }),
        Sort::Memory => {
            let total = host.memory_total_bytes.map_or(0.0, |bytes| bytes as f64);
            let held = culprit.memory_bytes.filter(|bytes| *bytes > 0.0 && *bytes >= 0.01 * total);
            held.map(|bytes| format!("{} of {} memory", human_bytes(bytes), human_bytes(total)))
                .or_else(|| rates(culprit))
        }
        Sort::Io => rates(culprit),
        Sort::Wait => None,
    }
}

/// What a culprit reads and writes: `reads 1.3 GiB/s, writes 20 KiB/s`.
fn rates(culprit: &Culprit) -> Option<String> {
    let rate = |verb: &str, rate: Option<f64>| {
        rate.filter(|rate| *rate >= 1.0).map(|rate| format!("{verb} {}/s", human_bytes(rate)))
    };
    let rates =
        [rate("reads", culprit.read_bytes_per_second), rate("writes", culprit.write_bytes_per_second)];
    let rates: Vec<String> = rates.into_iter().flatten().collect();
    (!rates.is_empty()).then(|| rates.join(", "))
}

/// What to say of a profile that has too few samples to name a function.
pub(in crate::render) const THIN_PROFILE: &str =
    "too few samples to name a function; try a longer window, or --frequency 999";

/// The title of a healthy or unknown verdict, else its id.
pub(in crate::render) fn verdict_name(id: BottleneckId) -> &'static str {
    match id {
        BottleneckId::None => "healthy",
        BottleneckId::Unknown => "cannot tell",
        id => id.as_str(),
    }
}

/// A time of the report without the fraction of a second: `2026-01-02 03:04:05 UTC`.
pub(in crate::render) fn moment(rfc3339: &str) -> String {
    let whole = rfc3339.split('.').next().unwrap_or("").trim_end_matches('Z').replacen('T', " ", 1);
    format!("{whole} UTC")
}

/// Where the numbers come from.
pub(in crate::render) fn source(source: WindowSource) -> &'static str {
    match source {
        WindowSource::Live => "live",
        WindowSource::Capture => "from a capture",
        WindowSource::Sar => "from a sysstat archive",
        WindowSource::Prometheus => "from Prometheus",
    }
}

/// The columns that `text` takes on a terminal.
pub(in crate::render) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` made safe and cut to `limit` columns, with an ellipsis where something is missing.
pub(in crate::render) fn shortened(text: &str, limit: usize) -> String {
    // A command line may be megabytes long; no more characters than this can be shown.
    let candidate: String = text.chars().take(limit.saturating_mul(2) + 1).collect();
    let cut = candidate.len() < text.len();
    let mut visible = escape::terminal(&candidate).into_owned();
    if !cut && columns(&visible) <= limit {
        return visible;
    }
    while columns(&visible) >= limit.max(1) {
        visible.pop();
    }
    visible.push('…');
    visible
}

/// `text` made safe and cut to `limit` columns in its middle: the end of a function's name says as much as its start.
pub(in crate::render) fn shortened_within(text: &str, limit: usize) -> String {
    // As above; the middle of a longer one is not to be seen in any case.
    let reach = limit.saturating_mul(2) + 1;
    let mut rest = text.chars();
    let start: String = rest.by_ref().take(reach).collect();
    let mut end: Vec<char> = rest.as_str().chars().rev().take(reach).collect();
    end.reverse();
    let whole = start.len() + end.iter().map(|c| c.len_utf8()).sum::<usize>() == text.len();
    let visible: Vec<char> = escape::terminal(&(start + &String::from_iter(end))).chars().collect();
    if whole && columns(&String::from_iter(&visible)) <= limit {
        return visible.into_iter().collect();
    }
    let room = limit.saturating_sub(1);
    let (mut head, mut tail) = (room.div_ceil(2).min(visible.len()), (room / 2).min(visible.len()));
    loop {
        let cut =
            visible[..head].iter().chain(&['…']).chain(&visible[visible.len() - tail..]).collect::<String>();
        // Wide characters: as many as were counted do not fit.
        if columns(&cut) <= limit.max(1) || head + tail == 0 {
            return cut;
        }
        if head > tail { head -= 1 } else { tail -= 1 }
    }
}

/// The first `most` bytes of `text`, whole characters, and `mark` where something is missing.
pub(in crate::render) fn cut_bytes(text: &str, most: usize, mark: &str) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(mark.len());
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{mark}", &text[..end])
}

/// `text` made safe and cut to `most` characters, with an ellipsis where something is missing.
pub(in crate::render) fn cut<T: Visible + ?Sized>(text: &T, most: usize) -> String {
    let visible = text.visible();
    if visible.chars().count() <= most {
        return visible.into_owned();
    }
    visible.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sentence::{process, sentence};
    use crate::render::test_report;

    #[test]
    fn the_statement_is_the_first_clause() {
        let said = |summary: Sentence| statement(&summary);
        assert_eq!(said("Disk vda is busy 100 %; fio ×3 moves it.".into()), "Disk vda is busy 100 %");
        assert_eq!(said("The table is full.".into()), "The table is full");
        assert_eq!(said(sentence!["Read by ", process("a; b"), "; more."]), "Read by a; b");
        assert_eq!(said(Sentence::quoted("The table is full; more.")), "The table is full");
    }

    #[test]
    fn amounts_follow_the_order_of_the_processes() {
        let mut report = test_report::busy();
        let culprit = report.verdict.culprit.clone().unwrap();
        let said = |report: &Report| amount(report, &culprit).unwrap_or_default();
        assert_eq!(said(&report), "3.4 GiB of 4.0 GiB memory");
        report.processes_order = Sort::Cpu;
        assert_eq!(said(&report), "30 % of 200 % CPU");
        report.processes_order = Sort::Io;
        assert_eq!(said(&report), "reads 19.1 MiB/s");
        report.processes_order = Sort::Wait;
        assert_eq!(said(&report), "");
    }

    #[test]
    fn times_have_no_fraction() {
        assert_eq!(moment("2026-11-22T14:52:45.131574776Z"), "2026-11-22 14:52:45 UTC");
        assert_eq!(moment("2026-01-02T03:04:05Z"), "2026-01-02 03:04:05 UTC");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("日本"), 4);
        assert_eq!(shortened("日本語日本語", 6), "日本…");
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 5), "long…");
        assert_eq!(columns(&shortened(&"x\n".repeat(1 << 20), 30)), 30);
    }

    #[test]
    fn a_cut_in_the_middle_keeps_both_ends() {
        assert_eq!(shortened_within("short", 5), "short");
        assert_eq!(shortened_within("std::sort<int>", 9), "std:…int>");
        assert_eq!(shortened_within("日本語日本語", 7), "日本…語");
        let long = format!("{}\n{}", "a".repeat(1 << 20), "z".repeat(1 << 20));
        assert_eq!(shortened_within(&long, 7), "aaa…zzz");
        for limit in 0..40 {
            for text in ["日本語日本語日本語", "a\nb\u{202e}c日本語d", "", "x"] {
                assert!(columns(&shortened_within(text, limit)) <= limit.max(1), "{limit} {text}");
            }
        }
    }

    #[test]
    fn long_strings_are_cut_and_say_so() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("\x1b\x1b", 5), "\\x1b…");
        assert_eq!(cut("", 0), "");
        assert_eq!(cut_bytes("日本", 6, "..."), "日本");
        assert_eq!(cut_bytes("日本語", 8, "..."), "日...");
    }
}
