//! The tuning report in short, for a ticket: the answer, what to do, settings, sizes, what was not checked.
//!
//! Process names are chosen by users and end up in the ticket: they are escaped, so that none becomes markup.

use crate::model::comparison::Comparison;
use crate::model::finding::{Evidence, Severity};
use crate::model::report::Report;
use crate::model::tuning::{ReportExtras, SettingNote};
use crate::model::units::{Unit, human_seconds, label, quantity};
use crate::render::escape::{self, Visible};
use crate::render::html::{actionable, change, check, fit_words, sum_words};
use crate::render::memory;
use crate::render::shared::{THIN_PROFILE, cut, moment};

/// Characters of a sentence, so that a ticket stays one.
const SENTENCE_MAX: usize = 320;

/// Lines of each list.
const LINES_MAX: usize = 4;

/// Characters of all; what goes beyond is left to the HTML.
const PROSE_MAX: usize = 4000;

/// The report.
pub fn render(report: &Report, extras: &ReportExtras) -> String {
    let verdict = &report.verdict;
    let mut page =
        Page::new(&format!("## {}: {}", words(host(report), 60), words(verdict.bottleneck.as_str(), 60)));
    page.add(&format!(
        "**{}**, {}, {} from {}",
        verdict.severity.word(),
        verdict.confidence,
        human_seconds(report.window.seconds),
        words(&moment(&report.window.started_at), 40)
    ));
    page.add(&words(&verdict.summary, SENTENCE_MAX));
    if let Some(culprit) = &verdict.culprit {
        let unit = culprit.unit.as_ref().map(|unit| format!(", {}", words(unit, 80))).unwrap_or_default();
        let why =
            culprit.why.as_ref().map(|why| format!(". {}", words(why, SENTENCE_MAX))).unwrap_or_default();
        page.add(&format!("Who: **{}**{unit}{why}", words(&culprit.comm, 40)));
    }
    if let Some(profile) = report.profile.as_ref().filter(|profile| profile.is_thin()) {
        page.add(&format!("Profile: {} samples; {THIN_PROFILE}.", profile.samples_count));
    }
    for news in report.news.iter().take(LINES_MAX) {
        page.add(&format!("Earlier: {}", words(&news.summary, SENTENCE_MAX)));
    }
    for finding in actionable(report) {
        page.add(&format!("### Against {}", words(finding.id.as_str(), 60)));
        for advice in finding.advice.iter().take(LINES_MAX) {
            page.add(&format!(
                "- {} ({}; risk: {})",
                words(&advice.action, SENTENCE_MAX),
                advice.remedy.words(),
                words(advice.risk.as_deref().unwrap_or_default(), 120)
            ));
            page.command(advice.command.as_deref(), advice.undo.as_deref());
        }
        if let Some(check) = check(finding) {
            page.add(&format!("It worked when {}.", words(check, SENTENCE_MAX)));
        }
    }
    if let Some(account) = &report.memory {
        page.add(&format!("Memory: {}", words(&memory::line(account, LINES_MAX), SENTENCE_MAX)));
    }
    sizes(&mut page, report, extras);
    numbers(&mut page, report);
    if !report.not_checked.is_empty() {
        page.add("### Not checked");
    }
    for item in report.not_checked.iter().take(LINES_MAX) {
        page.add(&format!("- {}: {}", words(&item.what, 80), words(&item.reason, 120)));
    }
    page.out
}

/// Settings that matter here, and how many workers fit.
fn sizes(page: &mut Page, report: &Report, extras: &ReportExtras) {
    // What the advice above sets already is not said twice.
    let typed: Vec<&str> =
        actionable(report).iter().flat_map(|it| &it.advice).filter_map(|it| it.command.as_deref()).collect();
    let said = |note: &&SettingNote| typed.iter().any(|command| command.contains(&note.name));
    let notes: Vec<&SettingNote> =
        extras.settings.iter().filter(|note| !said(note)).take(LINES_MAX).collect();
    if !notes.is_empty() {
        page.add("### Settings");
    }
    for note in notes {
        page.add(&format!(
            "- {} is {}: {} Sensible: {}. Risk: {}",
            words(&note.name, 60),
            words(&note.value, 40),
            words(&note.why, 200),
            words(&note.sensible, 100),
            words(&note.risk, 120)
        ));
        page.command(Some(&note.command), Some(&note.undo));
    }
    if !extras.workers.is_empty() {
        page.add("### Workers");
    }
    for workers in extras.workers.iter().take(LINES_MAX) {
        let (name, fit, sum) = (words(&workers.comm, 40), fit_words(workers), sum_words(workers));
        page.add(&format!("- {name}: {fit}. {}", words(&sum, SENTENCE_MAX)));
    }
}

fn numbers(page: &mut Page, report: &Report) {
    let bad = report.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    let evidence: Vec<&Evidence> =
        bad.flat_map(|finding| finding.evidence.iter().take(2)).take(2 * LINES_MAX).collect();
    if evidence.is_empty() {
        return;
    }
    let said =
        |value: Option<f64>, unit: Unit| value.map_or_else(|| "–".to_owned(), |value| quantity(value, unit));
    let mut table = "| Number | Value | Warning |\n|---|---:|---:|".to_owned();
    for item in evidence {
        table.push_str(&format!(
            "\n| {} | {} | {} |",
            words(&label(&item.metric), 40),
            said(item.value, item.unit),
            said(item.warning, item.unit)
        ));
    }
    page.add(&table);
}

/// Before and after.
pub fn compare(comparison: &Comparison) -> String {
    let mut page =
        Page::new(&format!("## {}: {}", words(host(&comparison.after), 60), comparison.outcome.word()));
    page.add(&format!("**{}**", words(&comparison.sentence, SENTENCE_MAX)));
    for caveat in &comparison.caveats {
        page.add(&format!("- {}", words(caveat, 200)));
    }
    for (word, report) in [("Before", &comparison.before), ("After", &comparison.after)] {
        let verdict = &report.verdict;
        page.add(&format!(
            "{word}: {} ({}). {}",
            words(verdict.bottleneck.as_str(), 60),
            verdict.severity.word(),
            words(&verdict.summary, SENTENCE_MAX)
        ));
    }
    let mut table = "| Number | Before | After | Change |\n|---|---:|---:|---:|".to_owned();
    for number in comparison.numbers.iter().filter(|number| number.before != number.after).take(16) {
        let said =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| quantity(value, number.unit));
        table.push_str(&format!(
            "\n| {} | {} | {} | {} |",
            words(&label(&number.metric), 40),
            said(number.before),
            said(number.after),
            change(number)
        ));
    }
    page.add(&table);
    page.out
}

fn host(report: &Report) -> &str {
    report.host.hostname.as_deref().unwrap_or("a box without a name")
}

struct Page {
    out: String,
    full: bool,
}

impl Page {
    fn new(heading: &str) -> Self {
        Self { out: format!("{heading}\n"), full: false }
    }

    /// A paragraph, unless the page is full.
    fn add(&mut self, text: &str) {
        if self.full {
            return;
        }
        if self.out.len() + text.len() > PROSE_MAX - 80 {
            self.full = true;
            self.out.push_str("\nMore is in the HTML report.\n");
            return;
        }
        let item = |line: &str| line.starts_with("- ") || line.starts_with("  ");
        let last = self.out.trim_end().lines().last().unwrap_or("");
        if !(item(text) && (item(last) || last == "  ```")) {
            self.out.push('\n');
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A command in a fence below its item, and what takes it back. What could end the fence, or is too long, is left
    /// out: half of a command is a different one.
    fn command(&mut self, command: Option<&str>, undo: Option<&str>) {
        let Some(command) = command.and_then(fenced) else { return };
        let undo = undo.and_then(fenced).map(|undo| format!("\n  # undo:\n  {undo}")).unwrap_or_default();
        self.add(&format!("  ```sh\n  {command}{undo}\n  ```"));
    }
}

fn fenced(text: &str) -> Option<String> {
    let visible = escape::terminal(text).into_owned();
    (visible.len() <= 400 && !visible.contains("```")).then_some(visible)
}

/// `text` as words and nothing else, no longer than `most` characters.
fn words<T: Visible + ?Sized>(text: &T, most: usize) -> String {
    let visible = cut(text, most);
    let mut out = String::with_capacity(visible.len());
    for character in visible.chars() {
        // CommonMark: a backslash before ASCII punctuation takes its meaning away.
        let link = character == ':' && visible.contains("//");
        if link || "\\`*_[]<>|#~&!@".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    #[test]
    fn it_says_the_main_things_and_stays_short() {
        let text = render(&test_report::busy(), &ReportExtras::default());
        for part in
            ["## web-1: memory-swap", "**critical**", "Who: **php-fpm**", "MemoryHigh=2G", "### Not checked"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.len() < 4096, "{}", text.len());
    }

    #[test]
    fn names_are_words_and_no_markup() {
        let mut report = test_report::hostile();
        for finding in &mut report.findings {
            for advice in &mut finding.advice {
                advice.command = Some(format!("a\n```\n<img src=x>{}", test_report::HOSTILE));
            }
        }
        let text = render(&report, &ReportExtras::default());
        test_report::assert_harmless(&text);
        assert!(text.len() < 4096, "{}", text.len());
        for line in text.lines().filter(|line| !line.starts_with("  ")) {
            assert!(!line.replace("\\<", "").contains('<'), "{line}");
        }
        assert_eq!(text.matches("```").count() % 2, 0);
        assert_eq!(words("[a](http://b) @all", 99), "\\[a\\](http\\://b) \\@all");
    }
}
