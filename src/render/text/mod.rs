//! The report for people, in the order in which they read: the verdict, who and what to do, then the way there.

pub(super) mod evidence;
mod findings;
pub(super) mod page;
mod profile;
mod short;
mod steps;
mod table;
mod tables;
mod target;
mod verdict;

use crate::model::bottleneck::Sort;
use crate::model::finding::{NotChecked, Step};
use crate::model::report::Report;
use crate::model::units;
use crate::render::escape;
use crate::render::shared::{moment, source};
use page::{Page, plain, styled};

/// How the text is to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of a line. Nothing is wider, but for a single word that is.
    pub width: usize,
    /// Whether to use colour; without it the text holds no escape byte at all.
    pub color: bool,
    /// Rows of a table.
    pub top: usize,
    /// What the processes are ranked by; their order in the report is kept.
    pub sort: Sort,
    /// A process to show wherever it ranks.
    pub pid: Option<i32>,
    /// Whether to show every step, finding and number.
    pub verbose: bool,
    /// Lines that the short text should fit in.
    pub lines: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { width: 80, color: false, top: 10, sort: Sort::Cpu, pid: None, verbose: false, lines: LINES }
    }
}

/// Lines of the short text where nothing says how high the screen is.
pub const LINES: usize = 30;

/// The answer on one screen; with `verbose` the whole report.
pub fn render(report: &Report, options: &TextOptions) -> String {
    if options.verbose { render_all(report, options) } else { short::render(report, options) }
}

/// The whole report.
fn render_all(report: &Report, options: &TextOptions) -> String {
    let mut page = Page::new(options.width, options.color);
    verdict::write(&mut page, report);
    target::write(&mut page, report, options);
    profile::write(&mut page, report, options);
    verdict::advice(&mut page, report);
    verdict::news(&mut page, report);
    steps::write(&mut page, &report.steps);
    tables::load(&mut page, &report.load, options);
    tables::memory(&mut page, report.memory.as_ref());
    findings::write(&mut page, report);
    tables::processes(&mut page, report, options);
    not_checked(&mut page, &report.not_checked);
    footer(&mut page, report);
    page.into_text()
}

/// One step alone, for a screen that shows each as soon as it is known.
pub fn render_step(step: &Step, options: &TextOptions) -> String {
    let mut page = Page::new(options.width, options.color);
    steps::write_one(&mut page, 1, step);
    page.into_text()
}

/// What could not be looked at, once for each thing that would unlock it.
fn not_checked(page: &mut Page, items: &[NotChecked]) {
    if items.is_empty() {
        return;
    }
    page.heading("Not checked");
    let dim = page.palette.dim;
    let mut groups: Vec<(&NotChecked, Vec<&str>)> = Vec::new();
    for item in items {
        let same =
            groups.iter_mut().find(|(first, _)| first.reason == item.reason && first.unlock == item.unlock);
        match same {
            Some((_, whats)) => whats.push(&item.what),
            None => groups.push((item, vec![&item.what])),
        }
    }
    for (first, whats) in groups {
        let text = format!("{}: {}", whats.join(", "), first.reason);
        page.paragraph(2, &plain("- "), &[plain(&text)]);
        if let Some(unlock) = &first.unlock {
            page.paragraph(4, &styled(dim, "to unlock: "), &[plain(unlock)]);
        }
    }
}

fn footer(page: &mut Page, report: &Report) {
    if report.window.is_missing() {
        return;
    }
    let host = &report.host;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(host.hostname.clone());
    let system: Vec<&str> = [host.kernel.as_deref(), host.arch.as_deref()].into_iter().flatten().collect();
    if !system.is_empty() {
        facts.push(format!("Linux {}", system.join(" ")));
    }
    facts.push(cpus(host.cpus_online, host.cpus_effective));
    facts.extend(host.memory_total_bytes.map(|bytes| {
        let limit = host.memory_limit_bytes.filter(|limit| *limit < bytes);
        let of = limit.map(|limit| format!("{} of ", units::human_bytes(limit as f64))).unwrap_or_default();
        format!("{of}{} memory", units::human_bytes(bytes as f64))
    }));
    facts.extend(host.container.as_ref().map(|name| format!("in {name}")));
    let window = &report.window;
    let source = source(window.source);
    let interrupted = if window.interrupted { ", interrupted" } else { "" };
    let memory = report.diag.max_rss_bytes.map(|bytes| format!(" and {}", units::human_bytes(bytes as f64)));
    let limits = match report.diag.config_files.join(", ") {
        none if none.is_empty() => none,
        files => format!("; limits from {}", escape::terminal(&files)),
    };
    let text = format!(
        "{}; {} {source} from {}{interrupted}, {} samples; diag {} took {} of CPU time{}{limits}",
        facts.join(", "),
        units::human_seconds(window.seconds),
        moment(&window.started_at),
        window.samples_count,
        report.diag.version,
        units::human_seconds(report.diag.cpu_seconds),
        memory.unwrap_or_default(),
    );
    page.blank();
    page.paragraph(0, &plain(""), &[styled(page.palette.dim, &text)]);
}

fn cpus(online: u32, effective: f64) -> String {
    let noun = if online == 1 { "CPU" } else { "CPUs" };
    if (effective - f64::from(online)).abs() < 0.005 {
        format!("{online} {noun}")
    } else {
        format!("{online} {noun} ({effective:.2} usable)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::shared::columns;
    use crate::render::test_report;

    fn options(width: usize, color: bool) -> TextOptions {
        TextOptions { width, color, ..TextOptions::default() }
    }

    fn verbose(width: usize) -> TextOptions {
        TextOptions { verbose: true, ..options(width, false) }
    }

    /// The busy box as a run without a target and a profile sees it.
    fn untargeted() -> Report {
        Report { target: None, profile: None, ..test_report::busy() }
    }

    fn all() -> [Report; 4] {
        [test_report::busy(), test_report::healthy(), test_report::unknown(), test_report::hostile()]
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for report in all() {
            for width in [30, 40, 60, 80, 100, 132, 200] {
                for options in [options(width, false), verbose(width)] {
                    let text = render(&report, &options);
                    for line in text.lines() {
                        let one_word = line.trim_start_matches(['$', ' ', '-']).trim_end_matches('\\').trim();
                        assert!(columns(line) <= width || !one_word.contains(' '), "{width}: {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_colour_there_is_no_escape_byte() {
        for report in all() {
            assert!(!render(&report, &options(80, false)).contains('\x1b'));
        }
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        for report in all() {
            let coloured = render(&report, &options(80, true));
            assert!(coloured.contains('\x1b'));
            assert_eq!(
                anstream::adapter::strip_str(&coloured).to_string(),
                render(&report, &options(80, false))
            );
        }
    }

    #[test]
    fn names_from_outside_do_not_act_on_the_terminal() {
        for width in [40, 80, 200] {
            test_report::assert_harmless(&render(&test_report::hostile(), &options(width, false)));
            test_report::assert_harmless(&render(&test_report::hostile(), &verbose(width)));
        }
        let text = render(&test_report::hostile(), &options(80, false));
        assert!(text.contains(r#"<img src=x onerror=1>|"\x1b[31m\nroot\u{202e}"#), "{text}");
    }

    #[test]
    fn a_bottleneck_fits_one_screen() {
        insta::assert_snapshot!(render(&untargeted(), &options(100, false)));
    }

    #[test]
    fn a_healthy_box_gets_a_table() {
        insta::assert_snapshot!(render(&test_report::healthy(), &options(80, false)));
    }

    #[test]
    fn an_unknown_verdict_says_what_is_missing() {
        let mut report = test_report::unknown();
        report.not_checked = test_report::busy().not_checked;
        insta::assert_snapshot!(render(&report, &options(80, false)));
    }

    #[test]
    fn a_target_comes_right_after_the_proof() {
        insta::assert_snapshot!(render(&test_report::busy(), &options(80, false)));
    }

    #[test]
    fn verbose_shows_every_step_and_finding() {
        insta::assert_snapshot!(render(&test_report::busy(), &verbose(100)));
    }

    #[test]
    fn a_thin_profile_names_no_function() {
        let mut report = test_report::busy();
        if let Some(profile) = &mut report.profile {
            profile.samples_count = 19;
        }
        let text = render(&report, &options(80, false));
        assert!(text.contains("19 samples: too few"), "{text}");
        assert!(!text.contains("zend_hash_find"), "{text}");
        assert!(render(&report, &verbose(80)).contains("too few samples to name a function"));
    }

    #[test]
    fn a_short_screen_gets_fewer_rows_and_actions() {
        let lines = |lines| {
            let short = TextOptions { lines, ..options(100, false) };
            render(&untargeted(), &short).lines().count()
        };
        assert!(lines(30) <= 30);
        assert!(lines(24) <= lines(30));
        assert!(lines(0) > 10, "the headline, who and the proof are never left out");
    }

    #[test]
    fn a_cause_is_above_its_effects() {
        let text = render(&test_report::busy(), &verbose(80));
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in\n{text}"));
        assert!(at("  critical memory-swap") < at("    └ warning disk-saturated"));
        assert!(at("    └ warning disk-saturated") < at("against: 98 % of its reads"));
    }

    #[test]
    fn a_reason_is_given_once() {
        let text = render(&test_report::busy(), &verbose(80));
        assert_eq!(text.matches("permission denied").count(), 1, "{text}");
    }
}
