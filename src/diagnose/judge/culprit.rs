//! The culprit of a verdict, with all that is known of it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::Who;
use crate::model::rates::ProcessRates;
use crate::model::report::{Culprit, CulpritKind};
use crate::model::sentence::{Sentence, sentence};

/// The culprit.
pub fn culprit(facts: &Facts<'_>, who: &Who, why: Option<Sentence>) -> Option<Culprit> {
    match who {
        Who::None => None,
        Who::Process { pid, comm } => {
            let known = facts.rates.process(*pid).filter(|process| process.comm.to_lossy() == *comm);
            let named = Culprit { pid: Some(*pid), why, ..unnamed(CulpritKind::Process, comm.clone()) };
            Some(described(facts, known, &known.into_iter().collect::<Vec<_>>(), named))
        }
        Who::Device(name) => Some(Culprit { why, ..unnamed(CulpritKind::Device, name.clone()) }),
        Who::Group(ranked) => {
            let group = &facts.groups[ranked.group];
            let lead = ranked.pid.and_then(|pid| facts.rates.process(pid));
            let count = group.count();
            let kind = if count > 1 { CulpritKind::Group } else { CulpritKind::Process };
            let named = Culprit {
                pid: ranked.pid,
                members_count: u32::try_from(count).unwrap_or(u32::MAX),
                share_ratio: Some(ranked.share),
                why,
                ..unnamed(kind, group.comm.to_lossy())
            };
            let culprit = described(facts, lead, &group.members, named);
            Some(Culprit { memory_bytes: Some(group.memory_bytes()), ..culprit })
        }
    }
}

/// Says so where short-lived children of the culprit do it: what they do counts as its own.
pub fn through_children(facts: &Facts<'_>, mut culprit: Culprit) -> Culprit {
    if let Some(children) = facts.short_lived_children(&culprit.pids) {
        culprit.why = Some(match culprit.why.take() {
            Some(why) => sentence![children.words(), "; ", why],
            None => children.words(),
        });
    }
    culprit
}

fn unnamed(kind: CulpritKind, comm: String) -> Culprit {
    Culprit {
        kind,
        pid: None,
        comm,
        cmdline: None,
        user: None,
        unit: None,
        members_count: 1,
        share_ratio: None,
        why: None,
        pids: Vec::new(),
        age_seconds: None,
        cpu_ratio: None,
        memory_bytes: None,
        read_bytes_per_second: None,
        write_bytes_per_second: None,
    }
}

/// Adds what is known of the process that stands for the culprit, and the sums over all its living `members`.
fn described(
    facts: &Facts<'_>,
    lead: Option<&ProcessRates>,
    members: &[&ProcessRates],
    culprit: Culprit,
) -> Culprit {
    let lead_pid = culprit.pid;
    let mut pids: Vec<i32> = members.iter().map(|process| process.pid).collect();
    pids.sort_unstable_by_key(|pid| (Some(*pid) != lead_pid, *pid));
    let sum = |amount: &dyn Fn(&ProcessRates) -> Option<f64>| -> Option<f64> {
        members.iter().filter_map(|process| amount(process)).reduce(|sum, next| sum + next)
    };
    let uptime = facts.rates.uptime_seconds;
    let age = |process: &&ProcessRates| Some((uptime? - process.started_seconds).max(0.0));
    Culprit {
        cmdline: lead.and_then(|process| process.command_line.clone()),
        user: lead.and_then(|process| process.user.clone()),
        unit: lead.and_then(|process| process.unit.clone()),
        pids,
        age_seconds: members.iter().filter_map(age).reduce(f64::max),
        cpu_ratio: sum(&|process| Some(process.cpu_ratio())),
        memory_bytes: sum(&|process| Some(process.memory_bytes() as f64)),
        read_bytes_per_second: sum(&|process| process.read_bytes_per_second),
        write_bytes_per_second: sum(&|process| process.write_bytes_per_second),
        ..culprit
    }
}
