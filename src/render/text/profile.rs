//! What a profile shows of the offender: its hottest functions, its system calls, what it waits for.

use super::TextOptions;
use super::page::{Page, plain, styled};
use super::table;
use super::table::{Column, Kind};
use crate::model::profile::{
    Counters, Frame, Profile, ProfileMode, ProfileWait, SampledEvent, Space, Syscall,
};
use crate::model::report::Report;
use crate::model::units;
use crate::model::units::number;
use crate::model::wait::Wait;
use crate::render::shared::{THIN_PROFILE, share, shortened};

/// A sentence about the samples, then tables of functions, system calls and waits.
pub(in crate::render) fn write(page: &mut Page, report: &Report, options: &TextOptions) {
    let Some(profile) = &report.profile else { return };
    let title = title(profile, page.width());
    page.heading(&title);
    page.paragraph(2, &plain(""), &[plain(&samples(profile))]);
    let top = options.top;
    let frames = &profile.frames[..profile.frames.len().min(top)];
    if profile.is_thin() {
        page.paragraph(2, &plain(""), &[plain(THIN_PROFILE)]);
    }
    if !frames.is_empty() {
        page.blank();
        table::write(page, 2, frame_columns(frames), None);
        unnamed(page, frames);
        late(page, profile, frames);
    }
    let calls = &profile.syscalls[..profile.syscalls.len().min(top)];
    if calls.iter().any(tells) {
        page.blank();
        let seconds = profile.syscalls_seconds.unwrap_or(profile.seconds);
        table::write(page, 2, call_columns(calls, seconds), None);
    }
    // A program that burns has helpers that sleep.
    let tells = |wait: &&ProfileWait| profile.mode == ProfileMode::Waits || wait.wait != Wait::Asleep.word();
    let waits: Vec<ProfileWait> = profile.waits.iter().filter(tells).take(top).cloned().collect();
    // The account of a target has the shares and the functions already.
    let told = report.target.is_none() || waits.iter().any(says_more);
    if !waits.is_empty() && told {
        page.blank();
        table::write(page, 2, wait_columns(&waits), None);
    }
    if let Some(told) = profile.counters.as_ref().and_then(counters) {
        page.blank();
        page.paragraph(2, &plain(""), &[plain(&told)]);
    }
}

/// The profile in a few lines: one table, of what its mode looks at.
pub(in crate::render) fn write_short(page: &mut Page, report: &Report, options: &TextOptions) {
    let Some(profile) = &report.profile else { return };
    let title = title(profile, page.width());
    page.heading(&title);
    if profile.is_thin() {
        let text = format!("{} samples: {THIN_PROFILE}", profile.samples_count);
        page.paragraph(2, &plain(""), &[plain(&text)]);
        return;
    }
    let top = options.top;
    let columns = match profile.mode {
        ProfileMode::Syscalls if profile.syscalls.iter().any(tells) => {
            let seconds = profile.syscalls_seconds.unwrap_or(profile.seconds);
            call_columns(&profile.syscalls[..profile.syscalls.len().min(top)], seconds)
        }
        ProfileMode::Waits => wait_columns(&profile.waits[..profile.waits.len().min(top)]),
        _ => frame_columns(&profile.frames[..profile.frames.len().min(top)]),
    };
    if columns.first().is_some_and(|column| !column.cells.is_empty()) {
        table::write_plain(page, 2, columns, None);
    }
}

/// Share of the CPU time from which a call that was not counted is worth a line.
const CALL_RATIO_MIN: f64 = 0.05;

fn tells(call: &Syscall) -> bool {
    call.count.is_some() || call.cpu_ratio.is_some_and(|ratio| ratio >= CALL_RATIO_MIN)
}

/// One line, whatever the name is.
fn title(profile: &Profile, width: usize) -> String {
    let pid = profile.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let before = "Profile of ";
    let room = width.saturating_sub(before.len() + pid.len());
    format!("{before}{}{pid}", shortened(&profile.comm, room.max(1)))
}

/// How much was seen, and how well.
fn samples(profile: &Profile) -> String {
    let looked_at = match profile.mode {
        ProfileMode::OnCpu => "on-CPU",
        ProfileMode::Syscalls => "system calls",
        ProfileMode::Waits => "waits",
    };
    let seconds = units::human_seconds(profile.seconds);
    let seen = match profile.event {
        Some(event) => format!(
            "{} samples of {} at {} Hz over {seconds}",
            profile.samples_count,
            event.word(),
            profile.frequency_hertz
        ),
        None => format!("over {seconds}"),
    };
    let mut parts = vec![format!("{looked_at}, {seen}")];
    if profile.attached {
        parts.push("of it alone, after the window".to_owned());
    }
    if profile.processes_count > 1 {
        parts.push(format!("{} processes as one", profile.processes_count));
    }
    if let Some(seconds) = profile.syscalls_seconds {
        parts.push(format!("system calls traced for {}", units::human_seconds(seconds)));
    }
    if profile.lost_count > 0 {
        parts.push(format!("{} lost", profile.lost_count));
    }
    match profile.throttled_count {
        0 => {}
        1 => parts.push("throttled once".to_owned()),
        times => parts.push(format!("throttled {times} times")),
    }
    if profile.cut_ratio > 0.0 {
        parts.push(format!("{} of the stacks end early", units::percent(profile.cut_ratio)));
    }
    parts.join("; ")
}

fn frame_columns(frames: &[Frame]) -> Vec<Column> {
    vec![
        column("SELF %", 0, Kind::Number, frames, |frame| share(frame.self_ratio)),
        column("TOTAL %", 2, Kind::Number, frames, |frame| share(frame.total_ratio)),
        column("FUNCTION", 0, Kind::Name(20), frames, function),
        column("MODULE", 1, Kind::Text(24), frames, |frame| frame.module.clone().unwrap_or_default()),
    ]
}

/// The name, or in parentheses where the code without one is.
fn function(frame: &Frame) -> String {
    match frame.unnamed_reason {
        Some(_) => format!("({})", frame.symbol),
        None => frame.symbol.clone(),
    }
}

/// Why some rows have no name; each reason once, with the modules that it holds for.
fn unnamed(page: &mut Page, frames: &[Frame]) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for frame in frames {
        let Some(reason) = &frame.unnamed_reason else { continue };
        let module = frame.module.as_deref().unwrap_or(&frame.symbol);
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, modules)) if modules.contains(&module) => {}
            Some((_, modules)) => modules.push(module),
            None => reasons.push((reason, vec![module])),
        }
    }
    let dim = page.palette.dim;
    let room = page.width() / 2;
    for (reason, modules) in reasons {
        let modules: Vec<String> = modules.into_iter().map(|module| shortened(module, room)).collect();
        let text = format!("({}): no names, {reason}", modules.join(", "));
        page.paragraph(2, &plain(""), &[styled(dim, &text)]);
    }
}

/// The timer of the kernel is an interrupt: what runs with interrupts off is seen where they are switched on again.
fn late(page: &mut Page, profile: &Profile, frames: &[Frame]) {
    let switches_on = |frame: &&Frame| {
        frame.space == Space::Kernel
            && frame.self_ratio > 0.0
            && (frame.symbol.starts_with("_raw_spin_unlock_irq")
                || frame.symbol.starts_with("finish_task_switch"))
    };
    if profile.event == Some(SampledEvent::CpuClock)
        && let Some(frame) = frames.iter().find(switches_on)
    {
        let text = format!("{}: also what ran before it with interrupts off", frame.symbol);
        page.paragraph(2, &plain(""), &[styled(page.palette.dim, &text)]);
    }
}

fn call_columns(calls: &[Syscall], seconds: f64) -> Vec<Column> {
    let rate = |count: u64| if seconds > 0.0 { number(count as f64 / seconds) } else { "?".to_owned() };
    vec![
        known("CALLS", 2, calls, |call| call.count.map(|count| count.to_string())),
        known("CALLS/S", 1, calls, |call| call.count.map(rate)),
        known("ERRORS", 3, calls, |call| call.errors_count.map(|count| count.to_string())),
        column("ERROR", 5, Kind::Text(12), calls, |call| call.error.clone().unwrap_or_default()),
        known("CPU %", 1, calls, |call| call.cpu_ratio.map(share)),
        known("TIME/CALL", 2, calls, |call| call.seconds_per_call.map(units::human_seconds)),
        column("CALL", 0, Kind::Text(20), calls, |call| call.name.clone()),
        column("ABOUT", 4, Kind::Name(16), calls, call_subject),
    ]
}

fn call_subject(call: &Syscall) -> String {
    match (&call.subject, call.subject_ratio) {
        (Some(subject), Some(ratio)) => format!("{} {subject}", units::percent(ratio)),
        (Some(subject), None) => subject.clone(),
        (None, _) => String::new(),
    }
}

fn says_more(wait: &ProfileWait) -> bool {
    wait.syscall.is_some() || wait.subject.is_some()
}

fn wait_columns(waits: &[ProfileWait]) -> Vec<Column> {
    let text = |cell: fn(&ProfileWait) -> &Option<String>| {
        move |wait: &ProfileWait| cell(wait).clone().unwrap_or_default()
    };
    vec![
        column("TIME %", 0, Kind::Number, waits, |wait| share(wait.ratio)),
        column("SPENT", 0, Kind::Text(20), waits, |wait| wait.wait.clone()),
        column("IN", 1, Kind::Name(16), waits, text(|wait| &wait.function)),
        column("CALL", 2, Kind::Text(20), waits, text(|wait| &wait.syscall)),
        column("ABOUT", 3, Kind::Name(16), waits, text(|wait| &wait.subject)),
    ]
}

fn counters(counters: &Counters) -> Option<String> {
    let told: Vec<String> = [
        counters.instructions_per_cycle.map(|value| format!("{value:.2} instructions per cycle")),
        counters
            .cache_miss_ratio
            .map(|ratio| format!("{} of the cache references missed", units::percent(ratio))),
        counters
            .branch_miss_ratio
            .map(|ratio| format!("{} of the branches mispredicted", units::percent(ratio))),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!told.is_empty()).then(|| format!("Over all CPUs: {}.", told.join(", ")))
}

fn column<T>(title: &'static str, rank: u8, kind: Kind, rows: &[T], cell: impl Fn(&T) -> String) -> Column {
    Column { title, rank, kind, cells: rows.iter().map(cell).collect() }
}

/// A column of numbers. Unknown is `?`, not zero; without any known number the column is left out.
fn known<T>(title: &'static str, rank: u8, rows: &[T], cell: impl Fn(&T) -> Option<String>) -> Column {
    let told: Vec<Option<String>> = rows.iter().map(cell).collect();
    let absent = if told.iter().any(Option::is_some) { "?" } else { "" };
    let cells = told.into_iter().map(|cell| cell.unwrap_or_else(|| absent.to_owned())).collect();
    Column { title, rank, kind: Kind::Number, cells }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::shared::columns;
    use crate::render::{test_profile, test_report};

    fn report(profile: Profile) -> Report {
        Report { profile: Some(profile), ..test_report::busy() }
    }

    fn text(profile: Profile, width: usize, top: usize) -> String {
        let mut page = Page::new(width, false);
        write(&mut page, &report(profile), &TextOptions { width, top, ..TextOptions::default() });
        page.into_text()
    }

    #[test]
    fn it_reads_as_a_page() {
        insta::assert_snapshot!(text(test_profile::profile(), 80, 10));
    }

    #[test]
    fn long_names_keep_both_ends() {
        let text = text(test_profile::profile(), 80, 10);
        let row = text.lines().find(|line| line.contains("std::__introsort")).unwrap_or_default();
        assert!(row.contains('…') && row.contains("_Iter_less_iter)"), "{text}");
        assert!(row.ends_with("libstdc++.so.6.0.30"), "{text}");
    }

    #[test]
    fn no_more_rows_than_asked_for() {
        let profile = test_profile::profile();
        let shown = text(profile.clone(), 100, 1);
        assert!(shown.contains(&profile.frames[0].symbol), "{shown}");
        assert!(!shown.contains(&profile.frames[1].symbol), "{shown}");
        assert!(!shown.contains("no names"), "{shown}");
    }

    #[test]
    fn what_was_not_counted_has_no_column() {
        let mut profile = test_profile::profile();
        for call in &mut profile.syscalls {
            call.count = None;
            call.errors_count = None;
        }
        let text = text(profile, 100, 10);
        assert!(!text.contains("CALLS") && !text.contains("ERRORS"), "{text}");
        assert!(text.contains("CPU %"), "{text}");
    }

    #[test]
    fn interrupts_have_no_pid_and_a_profile_of_waits_no_samples() {
        let mut profile = test_profile::profile();
        profile.pid = None;
        profile.event = None;
        profile.mode = ProfileMode::Waits;
        let text = text(profile, 80, 10);
        assert!(text.starts_with("Profile of php-fpm\n  waits, over 5.0 s;"), "{text}");
    }

    #[test]
    fn waits_are_shown_once() {
        let mut profile = test_profile::profile();
        profile.waits[0].function = None;
        profile.waits[0].subject = None;
        assert!(!text(profile.clone(), 80, 10).contains("SPENT"));
        let mut page = Page::new(80, false);
        write(&mut page, &Report { target: None, ..report(profile) }, &TextOptions::default());
        assert!(page.into_text().contains("SPENT"));
    }

    #[test]
    fn names_from_outside_neither_act_nor_burst_the_page() {
        for width in 30..160 {
            let text = text(test_profile::hostile(), width, 10);
            test_report::assert_harmless(&text);
            for line in text.lines() {
                assert!(columns(line) <= width || !line.trim().contains(' '), "{width}: {line}");
            }
        }
    }
}
