//! The report as Markdown, for a ticket: the verdict, what to do and how it was found, in less than 4 kB.
//!
//! Format: CommonMark with the tables of GitHub. What comes from outside alone stands in code spans, where nothing is
//! obeyed; sentences that hold such names are escaped character by character. Words that a forge acts on even so (a
//! mention, a link, the number of an issue) become code spans.

pub mod report;

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Advice, Finding, NotChecked};
use crate::model::report::{Culprit, News, ProcessRow, Report};
use crate::model::units;
use crate::render::escape::{self, Visible};
use crate::render::shared::{THIN_PROFILE, amount, cut_bytes, members, moment, own_finding};

/// Bytes of the whole text.
const ALL_MAX: usize = 4000;

/// Bytes of a sentence; of a name or a command line.
const SENTENCE_MAX: usize = 400;
const NAME_MAX: usize = 160;

/// Rows of each kind: a ticket has room for what matters.
const ADVICE_MAX: usize = 3;
const FINDINGS_MAX: usize = 6;
const PROCESSES_MAX: usize = 5;
const NOT_CHECKED_MAX: usize = 5;

/// The report for a ticket.
pub fn render(report: &Report) -> String {
    let footer = footer(report);
    let mut ticket = Ticket { out: String::new(), room: ALL_MAX.saturating_sub(footer.len()), full: false };
    verdict(&mut ticket, report);
    advice(&mut ticket, own_finding(report));
    news(&mut ticket, &report.news);
    steps(&mut ticket, report);
    findings(&mut ticket, report);
    processes(&mut ticket, &report.processes);
    not_checked(&mut ticket, &report.not_checked);
    if ticket.full {
        ticket.out.push_str("\nThe rest did not fit; `diag --format json` has all of it.\n");
    }
    ticket.out.push_str(&footer);
    ticket.out
}

/// What is written, as long as there is room.
struct Ticket {
    out: String,
    room: usize,
    full: bool,
}

impl Ticket {
    /// Bytes kept for the sentence that says that something was left out.
    const RESERVE: usize = 80;

    /// Adds `block` if it fits, with a line break after it.
    fn add(&mut self, block: &str) -> bool {
        let fits = self.out.len() + block.len() + 1 + Self::RESERVE <= self.room;
        if fits {
            self.out.push_str(block);
            self.out.push('\n');
        }
        self.full |= !fits;
        fits
    }

    /// A heading with its first item, so that none stands alone, and as many of the others as fit.
    fn section(&mut self, head: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return };
        if self.add(&format!("\n{head}\n{first}")) {
            let _ = items.all(|item| self.add(&item));
        }
    }
}

fn verdict(ticket: &mut Ticket, report: &Report) {
    let verdict = &report.verdict;
    let title = match verdict.bottleneck.as_str() {
        "unknown" => "diag cannot tell".to_owned(),
        id => format!("{}: {}", verdict.severity.word(), text(id)),
    };
    ticket.add(&format!("### {title}\n\n{}\n", text(&verdict.summary)));
    if verdict.cause_chain.len() > 1 {
        let chain: Vec<String> = verdict.cause_chain.iter().map(|id| code(id.as_str())).collect();
        ticket.add(&format!("- Cause: {}", chain.join(" → ")));
    }
    if let Some(culprit) = &verdict.culprit {
        who(ticket, report, culprit);
    }
    if verdict.bottleneck != BottleneckId::Unknown {
        let since = verdict.since.map(|since| format!(", {}", since.words()));
        let sure = text(&verdict.confidence);
        ticket.add(&format!("- Confidence: {sure}{}", since.unwrap_or_default()));
    }
}

fn who(ticket: &mut Ticket, report: &Report, culprit: &Culprit) {
    let mut line = format!("- Culprit: {}", code(&culprit.comm));
    line.push_str(&members(culprit));
    for (word, value) in [("user", &culprit.user), ("unit", &culprit.unit)] {
        if let Some(value) = value {
            line.push_str(&format!(", {word} {}", code(value)));
        }
    }
    if let Some(amount) = amount(report, culprit) {
        line.push_str(&format!(", {amount}"));
    }
    ticket.add(&line);
    if let Some(why) = &culprit.why {
        ticket.add(&format!("- Why: {}", text(why)));
    }
    if let Some(profile) = report.profile.as_ref().filter(|profile| profile.is_thin()) {
        ticket.add(&format!("- Profile: {} samples; {THIN_PROFILE}", profile.samples_count));
    }
    if let Some(cmdline) = culprit.cmdline.as_deref().filter(|line| !line.is_empty()) {
        ticket.add(&format!("- Command line: {}", code(cmdline)));
    }
}

fn advice(ticket: &mut Ticket, own: Option<&Finding>) {
    let items = own.into_iter().flat_map(|own| &own.advice).take(ADVICE_MAX).enumerate();
    ticket.section("#### What to do\n", items.map(|(index, item)| one_advice(index + 1, item)));
}

fn one_advice(place: usize, advice: &Advice) -> String {
    let mut item = format!("{place}. {} ({})", text(&advice.action), advice.remedy.words());
    if let Some(command) = &advice.command {
        item.push_str(&fence(command));
    }
    let risky = advice.kind.is_risky();
    for (word, said, shown) in [("Risk", &advice.risk, risky), ("Undo", &advice.undo, true)] {
        if let Some(said) = said.as_ref().filter(|_| shown) {
            item.push_str(&format!("\n   {word}: {}", text(said)));
        }
    }
    item
}

/// A command in a block of its own within a list, fenced by more backticks than it has itself. It is never cut: half a
/// command is another one.
fn fence(command: &str) -> String {
    let ticks = "`".repeat(longest_run(command).max(2) + 1);
    format!("\n\n   {ticks}sh\n   {}\n   {ticks}\n", escape::terminal(command))
}

/// What happened before the window.
fn news(ticket: &mut Ticket, news: &[News]) {
    ticket.section("#### Earlier\n", news.iter().map(|news| format!("- {}", text(&news.summary))));
}

fn steps(ticket: &mut Ticket, report: &Report) {
    let rows = report.steps.iter().map(|step| {
        format!("| {} | {} | {} |", text(&step.question), text(&step.answer), text(&step.summary))
    });
    ticket.section("#### How it was found\n\n| Question | Answer | In numbers |\n|---|---|---|", rows);
}

fn findings(ticket: &mut Ticket, report: &Report) {
    let is_news = |finding: &Finding| report.news.iter().any(|news| news.summary == finding.summary);
    let others =
        report.findings.iter().filter(|finding| finding.id != report.verdict.bottleneck && !is_news(finding));
    let rows = others.take(FINDINGS_MAX).map(|finding| {
        let cause = finding.explained_by.as_ref().map(|id| code(id.as_str())).unwrap_or_default();
        let (severity, id) = (finding.severity.word(), code(finding.id.as_str()));
        format!("| {severity} | {id} | {cause} | {} |", text(&finding.summary))
    });
    ticket.section(
        "#### What else was found\n\n| Severity | Finding | Explained by | Summary |\n|---|---|---|---|",
        rows,
    );
}

fn processes(ticket: &mut Ticket, processes: &[ProcessRow]) {
    let rows = processes.iter().take(PROCESSES_MAX).map(|row| {
        let user = row.user.as_ref().map(|user| code(user)).unwrap_or_default();
        let memory = units::human_bytes(row.pss_bytes.unwrap_or(row.rss_bytes) as f64);
        let cpu = units::percent(row.cpu_ratio);
        format!("| {} | {} | {user} | {cpu} | {memory} | {} |", row.pid, code(&row.comm), code(&row.state))
    });
    let head = "#### Processes\n\n| PID | Name | User | CPU | Memory | State |\n|---:|---|---|---:|---:|---|";
    ticket.section(head, rows);
}

fn not_checked(ticket: &mut Ticket, items: &[NotChecked]) {
    let lines = items.iter().take(NOT_CHECKED_MAX).map(|item| {
        let unlock = item.unlock.as_ref().map(|unlock| format!("; to unlock: {}", text(unlock)));
        format!("- {}: {}{}", text(&item.what), text(&item.reason), unlock.unwrap_or_default())
    });
    ticket.section("#### Not checked\n", lines);
    ticket.full |= items.len() > NOT_CHECKED_MAX;
}

fn footer(report: &Report) -> String {
    if report.window.is_missing() {
        return String::new();
    }
    let host = &report.host;
    let name = host.hostname.as_ref().map(|name| format!("{}, ", code(name))).unwrap_or_default();
    let kernel = host.kernel.as_ref().map(|kernel| format!("Linux {}, ", code(kernel))).unwrap_or_default();
    let cpus = if host.cpus_online == 1 { "CPU" } else { "CPUs" };
    let memory = host.memory_total_bytes.map(|bytes| format!(", {}", units::human_bytes(bytes as f64)));
    format!(
        "\n{name}{kernel}{} {cpus}{}; {} from {}; diag {}\n",
        host.cpus_online,
        memory.unwrap_or_default(),
        units::human_seconds(report.window.seconds),
        text(&moment(&report.window.started_at)),
        text(&report.diag.version),
    )
}

/// A name as a code span. Within a table its bars are escaped, which a span outside of one shows; there is no other way
/// to write them in a table.
fn code(name: &str) -> String {
    let name = cut_bytes(&escape::terminal(name), NAME_MAX, "…").replace('|', "\u{a6}");
    let name = name.trim();
    if name.is_empty() {
        return "(none)".to_owned();
    }
    let ticks = "`".repeat(longest_run(name) + 1);
    let space = if name.starts_with('`') || name.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{name}{space}{ticks}")
}

/// A sentence, of which nothing is taken for markup.
fn text<T: Visible + ?Sized>(sentence: &T) -> String {
    let sentence = cut_bytes(&sentence.visible(), SENTENCE_MAX, "…");
    let words: Vec<String> = sentence.split_whitespace().map(word).collect();
    let text = words.join(" ");
    // A dash or a number and a dot would begin a list where the sentence begins a line.
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mark =
        text[digits..].strip_prefix(['.', ')']).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if text.starts_with('-') || digits > 0 && mark {
        return format!("{}\\{}", &text[..digits], &text[digits..]);
    }
    text
}

fn word(word: &str) -> String {
    let number = word.find('#').is_some_and(|at| word[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    if number || word.contains('@') || word.contains("://") || word.contains("www.") {
        return code(word);
    }
    let mut escaped = String::with_capacity(word.len() + 8);
    for character in word.chars() {
        if "\\`*_{}[]<>#|~!&$+=^".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_grammars, test_report};

    #[test]
    fn a_ticket_reads_from_the_verdict_down() {
        insta::assert_snapshot!(render(&test_report::busy()));
    }

    #[test]
    fn any_report_keeps_to_the_grammar_and_the_size() {
        let mut long = test_report::hostile();
        for finding in &mut long.findings {
            finding.summary = "`|<b>".repeat(2000).into();
        }
        long.processes = vec![long.processes[0].clone(); 300];
        for report in [
            test_report::busy(),
            test_report::healthy(),
            test_report::unknown(),
            test_report::hostile(),
            long,
        ] {
            let ticket = render(&report);
            assert!(ticket.len() <= ALL_MAX, "{}", ticket.len());
            test_report::assert_harmless(&ticket);
            test_grammars::markdown(&ticket).unwrap();
        }
    }

    #[test]
    fn nothing_of_a_name_is_obeyed() {
        assert_eq!(
            text("a *b* <i> [x](y) | @all see #12"),
            "a \\*b\\* \\<i\\> \\[x\\](y) \\| `@all` see `#12`"
        );
        assert_eq!(text("from http://x/ or www.x.org"), "from `http://x/` or `www.x.org`");
        assert_eq!(text("- a"), "\\- a");
        assert_eq!(text("12. a"), "12\\. a");
        assert_eq!(text("1.5 s of 2"), "1.5 s of 2");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a|b"), "`a\u{a6}b`");
        assert_eq!(code(" \n"), "`\\n`");
        assert_eq!(code(""), "(none)");
        assert!(fence("echo ```x").contains("   ````sh\n   echo ```x\n   ````\n"));
    }
}
