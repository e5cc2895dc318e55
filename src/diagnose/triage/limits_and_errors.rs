//! Step 3 where no resource is busy: is a limit reached, does a lock hold threads up, or does something fail?

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::thresholds::{
    CONNTRACK, DISK_USED, INODES_USED, LISTEN_OVERFLOWS, OOM_KILLS, PACKET_DROPS, SYSTEM_FILES,
    SYSTEM_THREADS,
};
use crate::model::finding::{Evidence, Severity, Step, StepId};
use crate::model::sentence::{Sentence, Span, own, sentence};
use crate::model::units::label;

/// The step. Its evidence is that of the findings in this lane, then how near the box is to the limits that every box has.
pub fn step(facts: &Facts<'_>, judged: &[Judged]) -> Step {
    let mut found: Vec<&Judged> = judged
        .iter()
        .filter(|judged| judged.rule.lane.step() == Some(StepId::LimitsAndErrors))
        .filter(|judged| judged.hit.severity >= Severity::Warning)
        .collect();
    found.sort_by_key(|judged| std::cmp::Reverse(judged.hit.severity));
    let mut evidence: Vec<Evidence> = found.iter().flat_map(|judged| judged.hit.evidence.clone()).collect();
    for near in limits(facts) {
        if !evidence.iter().any(|known| known.metric == near.metric) {
            evidence.push(near);
        }
    }
    let answer = found.first().and_then(|judged| judged.rule.lane.answer()).unwrap_or("none");
    let summary = if found.is_empty() {
        clear(&evidence)
    } else {
        Sentence::joined(found.iter().map(|judged| judged.rule.title.into()), "; ")
    };
    Step {
        step: StepId::LimitsAndErrors,
        question: "Is a limit reached, or does something fail?".to_owned(),
        answer: answer.into(),
        brief: if found.is_empty() { "no limit reached" } else { answer }.into(),
        summary,
        evidence,
        next: None,
    }
}

/// How near the box is to the limits that every box has.
fn limits(facts: &Facts<'_>) -> Vec<Evidence> {
    let disk = facts.fullest_mount();
    let inodes = facts.most_inodes_used_mount();
    let at = |mount: Option<&crate::model::limits::Mount>| {
        mount.map_or_else(|| "statvfs(3)".to_owned(), |mount| format!("statvfs {}", mount.path))
    };
    let conntrack = facts.conntrack_entries().map(|(count, max)| count as f64 / max as f64);
    let kills = facts.paging().and_then(|paging| paging.oom_kills_count).map(|count| count as f64);
    vec![
        facts.evidence(&DISK_USED, disk.map(|(_, full)| full.used), &at(disk.map(|(mount, _)| mount))),
        facts.evidence(&INODES_USED, inodes.map(|(_, used)| used), &at(inodes.map(|(mount, _)| mount))),
        facts.evidence(&SYSTEM_FILES, facts.system_files_ratio(), "/proc/sys/fs/file-nr"),
        facts.evidence(&SYSTEM_THREADS, facts.system_threads_ratio(), "/proc/loadavg, pid_max, threads-max"),
        facts.evidence(&CONNTRACK, conntrack, "nf_conntrack_count, nf_conntrack_max"),
        facts.evidence(&OOM_KILLS, kills, "/proc/vmstat oom_kill"),
        facts.evidence(
            &PACKET_DROPS,
            facts.net_most(&["Udp.RcvbufErrors", "Udp6.RcvbufErrors"]),
            "/proc/net/snmp Udp RcvbufErrors",
        ),
        facts.evidence(
            &LISTEN_OVERFLOWS,
            facts.net_most(&["TcpExt.ListenOverflows"]),
            "/proc/net/netstat TcpExt ListenOverflows",
        ),
    ]
}

/// No finding: which limit is the nearest.
fn clear(evidence: &[Evidence]) -> Sentence {
    let share = |item: &Evidence| Some(item.value? / item.warning.filter(|limit| *limit > 0.0)?);
    let nearest = evidence
        .iter()
        .filter_map(|item| Some((item, item.value?, share(item)?)))
        .max_by(|a, b| a.2.total_cmp(&b.2).then_with(|| b.0.metric.cmp(&a.0.metric)));
    match nearest {
        Some((item, value, _)) => {
            let name = label(&item.metric);
            let value = Span::Number { value, unit: item.unit };
            sentence!["no limit is reached; the nearest is ", own(name), " at ", value]
        }
        None => "no limit is known".into(),
    }
}
