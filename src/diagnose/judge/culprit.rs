//! The culprit of a verdict, with all that is known of it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::Who;
use crate::model::report::{Culprit, CulpritKind};
use crate::model::sentence::Sentence;

/// The culprit.
pub fn culprit(facts: &Facts<'_>, who: &Who, why: Option<Sentence>) -> Option<Culprit> {
    match who {
        Who::Nobody => None,
        Who::Process { pid, comm } => {
            let known = facts.rates.process(*pid).filter(|process| process.comm.to_lossy() == *comm);
            Some(Culprit {
                kind: CulpritKind::Process,
                pid: Some(*pid),
                comm: comm.clone(),
                cmdline: known.and_then(|process| process.command_line.clone()),
                user: known.and_then(|process| process.user.clone()),
                unit: known.and_then(|process| process.unit.clone()),
                members_count: 1,
                share_ratio: None,
                why,
            })
        }
        Who::Device(name) => Some(Culprit {
            kind: CulpritKind::Device,
            pid: None,
            comm: name.clone(),
            cmdline: None,
            user: None,
            unit: None,
            members_count: 1,
            share_ratio: None,
            why,
        }),
        Who::Group(ranked) => {
            let group = &facts.groups[ranked.group];
            let lead = ranked.pid.and_then(|pid| facts.rates.process(pid));
            let count = group.count();
            Some(Culprit {
                kind: if count > 1 { CulpritKind::Group } else { CulpritKind::Process },
                pid: ranked.pid,
                comm: group.comm.to_lossy(),
                cmdline: lead.and_then(|process| process.command_line.clone()),
                user: lead.and_then(|process| process.user.clone()),
                unit: lead.and_then(|process| process.unit.clone()),
                members_count: u32::try_from(count).unwrap_or(u32::MAX),
                share_ratio: Some(ranked.share),
                why,
            })
        }
    }
}
