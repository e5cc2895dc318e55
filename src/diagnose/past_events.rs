//! Events before the window that may explain why a service is gone: crashed processes and an unclean restart, as far
//! back as the kernel log goes.

use crate::diagnose::evidence::facts::{EVENT_AGE, Facts, event_age, plain};
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::rule::{Hit, Impact, Who};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::BottleneckId as Id;
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::{KernelMessage, Topic};
use crate::model::report::News;
use crate::model::sentence::{Sentence, own, process, quote, seconds, sentence};
use crate::model::units::Unit;

/// Older crashes are no longer news.
const RECENT_SECONDS: f64 = 3600.0;

/// Older restarts are no longer news.
const RESTART_SECONDS: f64 = 24.0 * 3600.0;

/// File systems that are mounted later than this are not those of the start.
const START_SECONDS: f64 = 120.0;

/// What happened before the window, newest first: the events among the findings.
pub fn news(judged: &[Judged]) -> Vec<News> {
    let mut news: Vec<News> = judged
        .iter()
        .filter(|judged| judged.hit.severity == Severity::Info)
        .filter_map(|judged| {
            let age = judged.hit.evidence.iter().find(|item| item.metric == EVENT_AGE)?;
            Some(News { summary: judged.hit.summary.clone(), seconds_ago: age.value })
        })
        .collect();
    news.sort_by(|a, b| a.seconds_ago.unwrap_or(f64::MAX).total_cmp(&b.seconds_ago.unwrap_or(f64::MAX)));
    news
}

/// What happened.
pub fn events(facts: &Facts<'_>, found: &[Judged]) -> Vec<Hit> {
    crashes(facts).into_iter().chain(unclean_restart(facts)).chain(reported(facts, found)).collect()
}

/// Topics of the kernel log whose rule may not have told them, with that rule.
const TOLD_BY: [(Topic, Id); 9] = [
    (Topic::HungTask, Id::IoBlocked),
    (Topic::FileServer, Id::IoBlocked),
    (Topic::ConnectionTable, Id::ConntrackFull),
    (Topic::SynFlood, Id::ListenOverflow),
    (Topic::Neighbours, Id::NetDrops),
    (Topic::TcpMemory, Id::NetDrops),
    (Topic::Clock, Id::Clocksource),
    (Topic::Heat, Id::CpuThermal),
    (Topic::Realtime, Id::RtHog),
];

/// Kinds of message that are told at most.
const TOLD_MAX: usize = 5;

/// What the kernel reported within the window or the hour before it, and no finding says.
fn reported(facts: &Facts<'_>, found: &[Judged]) -> Vec<Hit> {
    let Some(now) = facts.rates.uptime_seconds else { return Vec::new() };
    let told =
        |id: Id| found.iter().any(|judged| judged.rule.id == id && judged.hit.severity >= Severity::Warning);
    let topics: Vec<Topic> =
        TOLD_BY.iter().filter(|(_, rule)| !told(*rule)).map(|(topic, _)| *topic).collect();
    let kinds = facts.reported(&topics).into_iter().chain(facts.reported_earlier(&topics));
    kinds
        .take(TOLD_MAX)
        .map(|kind| {
            let seconds_ago = (now - kind.last.at_seconds).max(0.0);
            let summary = sentence![
                "The kernel reported, ",
                seconds(seconds_ago),
                " ago: ",
                quote(kind.last.text.as_str())
            ];
            let evidence = vec![kind.evidence(), event_age(seconds_ago)];
            Hit {
                impact: Impact::Rank(Rank::Event),
                evidence,
                ..Hit::new(Severity::Info, summary, Who::None, Remedy::Tune)
            }
        })
        .collect()
}

fn messages<'a>(facts: &Facts<'a>) -> &'a [KernelMessage] {
    facts.rates.limits.kernel_log.as_ref().map_or(&[], Vec::as_slice)
}

fn event(summary: Sentence, seconds_ago: f64, metric: &str, value: f64) -> Hit {
    Hit {
        impact: Impact::Rank(Rank::Event),
        evidence: vec![plain(metric, Some(value), Unit::Count, "/dev/kmsg"), event_age(seconds_ago)],
        ..Hit::new(Severity::Info, summary, Who::None, Remedy::FixProgram)
    }
}

fn crashes(facts: &Facts<'_>) -> Option<Hit> {
    let now = facts.rates.uptime_seconds?;
    let crashed: Vec<(&KernelMessage, (&str, &str))> = messages(facts)
        .iter()
        .filter(|message| now - message.at_seconds <= RECENT_SECONDS)
        .filter(|message| message.pattern.topic == Topic::Crash)
        .filter_map(|message| Some((message, crash(&message.text)?)))
        .collect();
    let (last, (name, pid)) = crashed.last()?;
    let seconds_ago = (now - last.at_seconds).max(0.0);
    let ago = seconds(seconds_ago);
    let more = match crashed.len() {
        1 => None,
        count => Some(sentence!["; ", count, " crashes within the last hour"]),
    };
    let summary = sentence![
        process(*name),
        " (pid ",
        own((*pid).to_owned()),
        ") crashed ",
        ago,
        " ago (invalid memory access or instruction)",
        more,
        ".",
    ];
    Some(event(summary, seconds_ago, "crashes_count", crashed.len() as f64))
}

/// Name and id of the process in `name[12]: segfault at 0 ip ...` or `traps: name[12] general protection fault ...`
/// (kernel `arch/x86/mm/fault.c`, `arch/x86/kernel/traps.c`; off with `debug.exception-trace=0`).
fn crash(text: &str) -> Option<(&str, &str)> {
    const ENDS: [&str; 4] =
        [": segfault at", " general protection fault", " trap invalid opcode", " trap divide error"];
    let end = ENDS.iter().filter_map(|kind| text.find(kind)).min()?;
    let (name, rest) = text[..end].rsplit_once('[')?;
    let pid = rest.split_once(']')?.0;
    let name = name.strip_prefix("traps: ").unwrap_or(name);
    (!name.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then_some((name, pid))
}

fn unclean_restart(facts: &Facts<'_>) -> Option<Hit> {
    let uptime = facts.rates.uptime_seconds.filter(|uptime| *uptime <= RESTART_SECONDS)?;
    let message = messages(facts)
        .iter()
        .filter(|message| message.at_seconds <= START_SECONDS)
        .find(|message| message.pattern.topic == Topic::UncleanMount && !message.text.contains("(loop"))?;
    let summary = sentence![
        "The box started ",
        seconds(uptime),
        " ago and had not been shut down cleanly: power loss, a crash or a reset (",
        quote(message.text.as_str()),
        ").",
    ];
    Some(event(summary, uptime, "unclean_mounts_count", 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_are_told_by_name() {
        let text = "mysqld[812]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in mysqld[55d0+1000]";
        assert_eq!(crash(text), Some(("mysqld", "812")));
        let text = "traps: a[1] b[77] general protection fault ip:7f sp:7ff error:0 in libc.so[7f+1]";
        assert_eq!(crash(text), Some(("a[1] b", "77")));
        assert_eq!(crash("traps: php[9] trap invalid opcode ip:1 sp:2 error:0"), Some(("php", "9")));
        assert_eq!(crash("audit: segfault at nothing"), None);
    }
}
