//! A bottleneck explained, for people: as sections that every format walks, as text, and the list of all of them.

use super::shared::columns;
use super::text::page::{Page, plain, styled};
use crate::model::explanation::{Entry, Explanation, Threshold};
use crate::model::finding::{ActionKind, Advice, Remedy};
use crate::model::units::quantity;

/// The remedies in the order in which they are tried.
const REMEDIES: [(Remedy, &str); 4] = [
    (Remedy::FixProgram, "Fix it in the program"),
    (Remedy::Tune, "Fix it by tuning"),
    (Remedy::AddResource, "Fix it by adding the resource"),
    (Remedy::Distribute, "Fix it by distributing the work"),
];

/// What the words in the commands stand for.
pub const NAMES: &str = "PID, UNIT, DEVICE and CGROUP stand for what a diagnosis names: the process, its systemd unit, \
                         the disk, network interface or mount point, and the directory of the control group. \
                         OLD_VALUE and the like stand for the value from before.";

/// One section of an explanation, whatever it is printed with.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its items; there is at least one.
    pub items: Vec<Item>,
}

/// One item: what belongs together, in the order in which it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Item(pub Vec<Part>);

/// A part of an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A sentence.
    Text(String),
    /// A command to type.
    Command(String),
    /// What a command may break.
    Risk(String),
    /// How to take it back.
    Undo(String),
}

/// All that follows the symptom. A section with nothing to say is left out.
pub fn sections(told: &Explanation) -> Vec<Section> {
    let texts = |texts: &[String]| -> Vec<Item> { texts.iter().map(|text| one(text.clone())).collect() };
    let looks = told
        .confirm
        .iter()
        .map(|look| Item(vec![Part::Command(look.command.clone()), Part::Text(look.shows.clone())]));
    let mut sections = vec![
        Section { title: "Detected from", items: texts(&told.counters) },
        Section { title: "Limits", items: told.limits.iter().map(|limit| one(threshold(limit))).collect() },
        Section { title: "Easily confused with", items: texts(&told.false_positives) },
        Section { title: "Confirm it by hand", items: looks.collect() },
    ];
    let first = told.advice.iter().filter(|advice| is_first(advice.kind));
    sections.push(Section { title: "First look and contain", items: first.map(fix).collect() });
    sections.extend(REMEDIES.iter().map(|(remedy, title)| {
        let of_kind = told.advice.iter().filter(|advice| !is_first(advice.kind) && advice.remedy == *remedy);
        Section { title, items: of_kind.map(fix).collect() }
    }));
    sections.push(Section { title: "Sources", items: texts(&told.sources) });
    sections.retain(|section| !section.items.is_empty());
    sections
}

fn one(text: String) -> Item {
    Item(vec![Part::Text(text)])
}

/// `cpu_busy_ratio: warning at 85 %, critical at 95 % (netdata ...)`
fn threshold(limit: &Threshold) -> String {
    let said = |value: f64| quantity(value, limit.unit);
    let limits = match limit.critical {
        Some(critical) if critical == limit.warning => format!("critical at {}", said(critical)),
        Some(critical) => format!("warning at {}, critical at {}", said(limit.warning), said(critical)),
        None => format!("warning at {}", said(limit.warning)),
    };
    format!("{}: {limits} ({})", limit.metric, limit.source)
}

/// Whether it comes before any lasting change.
fn is_first(kind: ActionKind) -> bool {
    matches!(kind, ActionKind::Look | ActionKind::Trace | ActionKind::Contain | ActionKind::Restart)
}

fn fix(advice: &Advice) -> Item {
    let mut parts = vec![Part::Text(advice.action.clone())];
    parts.extend(advice.command.clone().map(Part::Command));
    parts.extend(advice.risk.clone().filter(|_| advice.kind.is_risky()).map(Part::Risk));
    parts.extend(advice.undo.clone().map(Part::Undo));
    Item(parts)
}

/// Whether a command holds a word that stands for a name.
pub fn needs_names(sections: &[Section]) -> bool {
    let mut parts = sections.iter().flat_map(|section| &section.items).flat_map(|item| &item.0);
    parts.any(|part| match part {
        Part::Command(command) | Part::Undo(command) => {
            let word = |word: &str| ["PID", "UNIT", "DEVICE", "CGROUP", "OLD_VALUE"].contains(&word);
            command.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(word)
        }
        Part::Text(_) | Part::Risk(_) => false,
    })
}

/// The explanation as text of `width` columns.
pub fn text(told: &Explanation, width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    let strong = page.palette.strong;
    let title = format!(" - {}", told.title);
    page.paragraph(0, &plain(""), &[styled(strong, told.id.as_str()), plain(&title)]);
    page.blank();
    page.paragraph(0, &plain(""), &[plain(&told.symptom)]);
    let sections = sections(told);
    for section in &sections {
        page.heading(section.title);
        section.items.iter().for_each(|item| write(&mut page, item));
    }
    if needs_names(&sections) {
        page.blank();
        page.paragraph(0, &plain(""), &[styled(page.palette.dim, NAMES)]);
    }
    page.into_text()
}

fn write(page: &mut Page, item: &Item) {
    let dim = page.palette.dim;
    for (index, part) in item.0.iter().enumerate() {
        match part {
            Part::Text(text) if index == 0 => page.paragraph(2, &plain("- "), &[plain(text)]),
            Part::Text(text) => page.paragraph(4, &plain(""), &[plain(text)]),
            Part::Command(command) => page.command(if index == 0 { 2 } else { 4 }, command),
            Part::Risk(risk) => page.paragraph(4, &styled(dim, "risk: "), &[plain(risk)]),
            Part::Undo(undo) => page.paragraph(4, &styled(dim, "undo: "), &[plain(undo)]),
        }
    }
}

/// The list of all bottlenecks.
pub fn list(entries: &[Entry], width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    let strong = page.palette.strong;
    let longest = entries.iter().map(|entry| columns(entry.id.as_str())).max().unwrap_or(0);
    for entry in entries {
        let label = styled(strong, &format!("{:<longest$}  ", entry.id));
        page.paragraph(0, &label, &[plain(entry.title)]);
    }
    page.blank();
    page.paragraph(0, &plain(""), &[plain("'diag explain ID' says all there is to say of one of them.")]);
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bottleneck::BottleneckId;
    use crate::model::explanation::Look;
    use crate::model::units::Unit;

    fn told() -> Explanation {
        let advice = |remedy, command: Option<&str>| Advice {
            action: "Do it.".to_owned(),
            kind: command.map_or(ActionKind::Plan, |_| ActionKind::Contain),
            expectation: String::new(),
            check: String::new(),
            command: command.map(str::to_owned),
            risk: command.map(|_| "it gets slower".to_owned()),
            undo: command.map(|_| "renice -n 0 -p PID".to_owned()),
            undo_note: None,
            remedy,
        };
        Explanation {
            id: BottleneckId::CpuUser,
            title: "the CPUs are busy".to_owned(),
            symptom: "More threads want a CPU than there are.".to_owned(),
            counters: vec!["/proc/stat user: \x1b[31m".to_owned()],
            limits: vec![Threshold {
                metric: "cpu_busy_ratio".to_owned(),
                unit: Unit::Ratio,
                warning: 0.85,
                critical: Some(0.95),
                source: "house value".to_owned(),
            }],
            false_positives: Vec::new(),
            confirm: vec![Look { command: "vmstat 1 5".to_owned(), shows: "us near 100".to_owned() }],
            advice: vec![advice(Remedy::Distribute, None), advice(Remedy::Tune, Some("renice -n 10 -p PID"))],
            sources: vec!["proc_stat(5)".to_owned()],
        }
    }

    #[test]
    fn the_text_reads_from_the_symptom_to_the_sources() {
        let expected = "\
cpu-user - the CPUs are busy

More threads want a CPU than there are.

Detected from
  - /proc/stat user: \\x1b[31m

Limits
  - cpu_busy_ratio: warning at 85 %, critical at 95 % (house value)

Confirm it by hand
  $ vmstat 1 5
    us near 100

First look and contain
  - Do it.
    $ renice -n 10 -p PID
    risk: it gets slower
    undo: renice -n 0 -p PID

Fix it by distributing the work
  - Do it.

Sources
  - proc_stat(5)

PID, UNIT, DEVICE and CGROUP stand for what a diagnosis names: the process, its systemd unit, the disk,
network interface or mount point, and the directory of the control group. OLD_VALUE and the like stand for
the value from before.
";
        assert_eq!(text(&told(), 108, false), expected);
    }

    #[test]
    fn only_headings_and_the_like_are_coloured() {
        let coloured = text(&told(), 80, true);
        assert!(coloured.contains("\x1b["), "{coloured}");
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&told(), 80, false));
    }

    #[test]
    fn one_limit_for_both_is_said_once() {
        let mut limit = told().limits.remove(0);
        limit.critical = Some(limit.warning);
        assert_eq!(threshold(&limit), "cpu_busy_ratio: critical at 85 % (house value)");
        limit.critical = None;
        assert_eq!(threshold(&limit), "cpu_busy_ratio: warning at 85 % (house value)");
    }

    #[test]
    fn names_are_explained_where_there_are_any() {
        let mut plain = told();
        assert!(needs_names(&sections(&plain)));
        plain.advice.clear();
        plain.confirm[0].command = "ps -o pid,PIDS".to_owned();
        assert!(!needs_names(&sections(&plain)));
    }

    #[test]
    fn the_list_is_aligned() {
        let entries = [(BottleneckId::None, "one"), (BottleneckId::CpuUser, "two")]
            .map(|(id, title)| Entry { id, title });
        let text = list(&entries, 80, false);
        assert!(text.starts_with("none      one\ncpu-user  two\n\n"), "{text}");
    }
}
