//! The headline, and below it who, the proof and the path.

use super::super::page::{Page, Span, plain, styled};
use super::super::verdict::severity_style;
use super::{LABEL_WIDTH, labelled, labelled_line};
use crate::model::bottleneck::{BottleneckId, Resource};
use crate::model::finding::{Evidence, Finding, Severity, Step, StepId};
use crate::model::report::{Culprit, Report, Verdict};
use crate::model::units::{human_seconds, label, percent, quantity};
use crate::render::memory;
use crate::render::shared::{amount, columns, own_finding, shortened, statement, verdict_name};
use anstyle::Style;

/// Numbers of the proof.
const PROOF_MAX: usize = 4;

/// With fewer numbers beyond a limit than this, others join them.
const PROOF_MIN: usize = 2;

/// Process ids of the culprit that are listed.
const PIDS_MAX: usize = 12;

/// Parts of the memory in one line.
const MEMORY_PARTS: usize = 3;

/// Other findings and events that get a line each.
const OTHERS_MAX: usize = 3;

/// The headline.
pub(super) fn write(page: &mut Page, report: &Report) {
    let verdict = &report.verdict;
    let unknown = verdict.bottleneck == BottleneckId::Unknown;
    let (word, style) = if unknown {
        ("UNKNOWN".to_owned(), page.palette.warning)
    } else {
        (verdict.severity.word().to_uppercase(), severity_style(page, verdict.severity))
    };
    let sure = match verdict.confidence.as_str() {
        "confident" => String::new(),
        _ if unknown => String::new(),
        word => format!(" ({word})"),
    };
    let rest = match verdict.bottleneck {
        BottleneckId::None => super::healthy::headline(report),
        // The summary of an unknown verdict begins with the same words as its name.
        BottleneckId::Unknown => {
            let summary = verdict.summary.to_string();
            let rest = summary.strip_prefix("Cannot tell").unwrap_or(&summary);
            rest.trim_start_matches(':').trim().trim_end_matches('.').to_owned()
        }
        _ => statement(&verdict.summary),
    };
    let name = styled(page.palette.strong, verdict_name(verdict.bottleneck));
    let label = styled(style, &format!("{word}  "));
    page.paragraph(0, &label, &[name, plain(&format!("{sure}: {rest}"))]);
}

/// Who, the proof, the path, and what it is not.
pub(super) fn proof(page: &mut Page, report: &Report) {
    let verdict = &report.verdict;
    page.blank();
    if let Some(culprit) = &verdict.culprit {
        who(page, report, culprit);
    }
    if let Some(since) = verdict.since {
        labelled(page, "Since", &[plain(since.words())]);
    }
    if let Some(finding) = own_finding(report) {
        numbers(page, &finding.evidence);
    }
    if let Some(account) = report.memory.as_ref().filter(|_| memory_matters(page, verdict)) {
        labelled_line(page, "Memory", &memory::line(account, MEMORY_PARTS));
    }
    path(page, report);
    let cleared = cleared(&report.steps, verdict);
    if !cleared.is_empty() {
        labelled(page, "Not it", &[plain(&cleared.join(", "))]);
    }
    others(page, report);
    earlier(page, report);
}

fn who(page: &mut Page, report: &Report, culprit: &Culprit) {
    let room = page.width().saturating_sub(2 + LABEL_WIDTH);
    let count =
        if culprit.members_count > 1 { format!(" ×{}", culprit.members_count) } else { String::new() };
    // A command line begins with the program; the name of a thread may say more than its path.
    let command = culprit.cmdline.as_deref().filter(|line| !line.is_empty() && *line != culprit.comm);
    let mut details = count;
    details.extend(culprit.user.iter().chain(&culprit.unit).map(|word| format!(", {word}")));
    details.extend(amount(report, culprit).map(|amount| format!(", {amount}")));
    labelled(page, "Who", &[styled(page.palette.strong, &culprit.comm), plain(&details)]);
    if let Some(command) = command {
        let line = shortened(command, room);
        labelled(page, "", &[styled(page.palette.dim, &line)]);
    }
    let pids = pids(culprit);
    if !pids.is_empty() {
        labelled(page, "", &[plain(&pids)]);
    }
    if let Some(why) = &culprit.why {
        labelled(page, "Why", &[plain(why)]);
    }
}

/// `pids 7123 7124, oldest started 8 s ago`.
fn pids(culprit: &Culprit) -> String {
    let several = culprit.pids.len() > 1;
    let mut listed: Vec<String> = culprit.pids.iter().take(PIDS_MAX).map(ToString::to_string).collect();
    if culprit.pids.is_empty() {
        listed.extend(culprit.pid.map(|pid| pid.to_string()));
    }
    if listed.is_empty() {
        return String::new();
    }
    if culprit.pids.len() > PIDS_MAX {
        listed.push(format!("and {} more", culprit.pids.len() - PIDS_MAX));
    }
    let age = culprit.age_seconds.map(|age| {
        let oldest = if several { "oldest " } else { "" };
        let age = if age < 120.0 { format!("{age:.0} s") } else { human_seconds(age) };
        format!(", {oldest}started {age} ago")
    });
    format!("pid{} {}{}", if several { "s" } else { "" }, listed.join(" "), age.unwrap_or_default())
}

/// Whether the account of the memory is worth a line: on a narrow screen the summary has to do. At the limit of a group the
/// rest of the machine's memory says nothing.
fn memory_matters(page: &Page, verdict: &Verdict) -> bool {
    const WIDE: usize = 100;
    page.width() >= WIDE
        && verdict.resource == Resource::Memory
        && verdict.bottleneck != BottleneckId::MemoryCgroupLimit
}

/// One number of the proof.
struct Number {
    label: String,
    value: String,
    limit: String,
    style: Style,
}

/// The numbers beyond a limit, the worst first as the rule lists them; then others until there are two.
fn chosen(evidence: &[Evidence]) -> Vec<&Evidence> {
    let measured = || evidence.iter().filter(|item| item.value.is_some());
    let mut chosen: Vec<&Evidence> = Vec::new();
    for (item, most) in measured()
        .filter(|item| item.beyond().is_some())
        .map(|item| (item, PROOF_MAX))
        .chain(measured().filter(|item| item.beyond().is_none()).map(|item| (item, PROOF_MIN)))
    {
        // Of two numbers with one name the first is the larger.
        if chosen.len() < most && !chosen.iter().any(|known| known.metric == item.metric) {
            chosen.push(item);
        }
    }
    chosen
}

fn numbers(page: &mut Page, evidence: &[Evidence]) {
    let numbers: Vec<Number> = chosen(evidence).into_iter().map(|item| number(page, item)).collect();
    let widest =
        |text: fn(&Number) -> &str| numbers.iter().map(|number| columns(text(number))).max().unwrap_or(0);
    let (label, value) = (widest(|number| &number.label), widest(|number| &number.value));
    let limit = widest(|number| &number.limit);
    let aligned = 2 + LABEL_WIDTH + label + 3 + value + 3 + limit <= page.width();
    for (index, number) in numbers.iter().enumerate() {
        let spans: Vec<Span> = if aligned {
            let name = format!("{}{}", number.label, " ".repeat(label - columns(&number.label) + 3));
            let said = format!("{}{}", " ".repeat(value - columns(&number.value)), number.value);
            let line = [plain(&name), styled(number.style, &said), plain(&format!("   {}", number.limit))];
            let head = super::padded(if index == 0 { "Proof" } else { "" });
            let mut spans = vec![styled(page.palette.dim, &head)];
            spans.extend(line);
            page.line(2, &spans);
            continue;
        } else {
            let limit = if number.limit.is_empty() { String::new() } else { format!(" ({})", number.limit) };
            vec![plain(&format!("{} ", number.label)), styled(number.style, &number.value), plain(&limit)]
        };
        labelled(page, if index == 0 { "Proof" } else { "" }, &spans);
    }
}

fn number(page: &Page, item: &Evidence) -> Number {
    let value = item.value.unwrap_or_default();
    let (limit, style) = match item.beyond() {
        Some(Severity::Critical) => (limit("critical", item.critical, item), page.palette.critical),
        Some(_) => (limit("warning", item.warning, item), page.palette.warning),
        None => (String::new(), Style::new()),
    };
    Number { label: label(&item.metric), value: quantity(value, item.unit), limit, style }
}

fn limit(word: &str, limit: Option<f64>, item: &Evidence) -> String {
    let Some(limit) = limit else { return String::new() };
    let changed = if item.threshold_changed { ", set by you" } else { "" };
    let below = if item.falls() { "below" } else { "at" };
    format!("{word} {below} {}{changed}", quantity(limit, item.unit))
}

/// The steps in one line, from the load to the culprit.
fn path(page: &mut Page, report: &Report) {
    let mut briefs: Vec<String> = Vec::new();
    for step in &report.steps {
        let culprit = step.step == StepId::Who && report.verdict.culprit.is_none();
        if !step.brief.is_empty() && !culprit {
            briefs.push(step.brief.to_string());
        }
    }
    if !briefs.is_empty() {
        labelled(page, "Path", &[plain(&briefs.join(" → "))]);
    }
}

/// Resources that are not short, each with its number.
fn cleared(steps: &[Step], verdict: &Verdict) -> Vec<String> {
    let measured =
        |metric: &str| steps.iter().flat_map(|step| &step.evidence).find(|item| item.metric == metric);
    let mut cleared: Vec<String> = Vec::new();
    for (name, resource, metric) in [
        ("CPU", Resource::Cpu, "psi_cpu_some_ratio"),
        ("disk", Resource::Io, "psi_io_some_ratio"),
        ("memory", Resource::Memory, "psi_memory_some_ratio"),
        ("steal", Resource::Hardware, "cpu_steal_ratio"),
    ] {
        let own = resource == verdict.resource
            || (metric == "cpu_steal_ratio" && verdict.bottleneck == BottleneckId::CpuSteal);
        let Some(item) = measured(metric).filter(|item| !own && item.beyond().is_none()) else { continue };
        let Some(value) = item.value else { continue };
        let what = if cleared.is_empty() && metric.starts_with("psi") { "pressure " } else { "" };
        cleared.push(format!("{name} ({what}{})", percent(value)));
    }
    cleared
}

/// What the verdict leads to, and what else was found.
fn others(page: &mut Page, report: &Report) {
    let grave =
        |finding: &&Finding| finding.id != report.verdict.bottleneck && finding.severity >= Severity::Warning;
    let explained: Vec<&str> = report
        .findings
        .iter()
        .filter(grave)
        .filter(|finding| finding.explained_by.is_some())
        .map(|finding| finding.id.as_str())
        .collect();
    if !explained.is_empty() {
        labelled(page, "Causes", &[plain(&explained.join(", "))]);
    }
    let also: Vec<&Finding> =
        report.findings.iter().filter(grave).filter(|finding| finding.explained_by.is_none()).collect();
    for finding in also.iter().take(OTHERS_MAX) {
        let line = format!("{} {}: {}", finding.severity.word(), finding.id, statement(&finding.summary));
        labelled_line(page, "Also", &line);
    }
    if also.len() > OTHERS_MAX {
        labelled(page, "", &[plain(&format!("and {} more", also.len() - OTHERS_MAX))]);
    }
}

/// What happened before the window.
pub(super) fn earlier(page: &mut Page, report: &Report) {
    for news in report.news.iter().take(OTHERS_MAX) {
        labelled_line(page, "Earlier", &statement(&news.summary));
    }
}
