//! Inside a container: which numbers are the container's own and which are those of the machine below it, the node.
//!
//! `/proc` shows the node's load, CPU time, memory and disks to everybody, but only the container's processes. So
//! these numbers are labelled, a finding about the node is less sure of its culprit, and what the node is short of
//! matters by how much the container's own threads wait for it.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{Hit, Rule, Scope, Since, Who};
use crate::diagnose::thresholds::algorithm::OWN_WAITERS;
use crate::model::finding::{Evidence, NotChecked, Severity, Step};
use crate::model::rates::Rates;
use crate::model::sentence::{count, sentence};
use crate::model::units::Unit;
use crate::model::wait::WaitReason;

/// Files whose numbers are the node's, wherever they are read.
const OF_NODE: [&str; 9] = [
    "/proc/stat",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/vmstat",
    "/proc/diskstats",
    "/proc/pressure",
    "/proc/softirqs",
    "/proc/interrupts",
    "/proc/net/softnet_stat",
];

/// Labels a finding, and judges what the node is short of by what it costs this container.
pub fn label_hit(facts: &Facts<'_>, rule: &Rule, hit: &mut Hit) {
    let rates = facts.rates;
    if rates.host.container.is_none() {
        return;
    }
    label_evidence(own_pressure(rates), &mut hit.evidence);
    if rule.scope != Scope::Node {
        return;
    }
    if hit.who == Who::None {
        hit.against.push("The cause may be outside of this container, where diag cannot see it.".into());
    }
    // The group's own stall time says it for memory and I/O; that for CPUs is the node's where the groups are not
    // separated, and the run delay of threads is theirs in any case.
    let cpu = rule.since == Since::CpuPressure;
    let waiters = own_waiters(facts, rule.since).filter(|_| cpu || !own_pressure(rates));
    let place = if cpu && hit.who == Who::None {
        "On the node, others use the CPUs"
    } else {
        "On the node below this container"
    };
    let waits = waiters.map(|waiters| {
        let source = "/proc/PID/task/TID schedstat and state of this container's threads";
        hit.evidence.insert(0, plain("own_threads_waiting_mean", Some(waiters), Unit::Count, source));
        if waiters >= OWN_WAITERS {
            return sentence![", and ", count(waiters), " threads of this container wait"];
        }
        hit.severity = hit.severity.min(Severity::Notice);
        ", and no thread of this container waits".into()
    });
    hit.summary = sentence![place, waits, ": ", &hit.summary];
}

/// Mean number of the container's own threads that wait for the resource, where that is counted.
fn own_waiters(facts: &Facts<'_>, since: Since) -> Option<f64> {
    match since {
        Since::CpuPressure => {
            let known = facts.rates.threads.is_empty()
                || facts.rates.threads.iter().any(|thread| thread.run_delay_ratio.is_some());
            known.then(|| facts.run_delay_mean())
        }
        Since::IoPressure => Some(facts.io_waiters_mean()),
        Since::MemoryPressure => {
            Some(facts.blocked_threads(|wait| matches!(wait, WaitReason::Memory | WaitReason::Page)))
        }
        Since::OneThread | Since::Unmeasured => None,
    }
}

/// Labels a step.
pub fn label_step(rates: &Rates, step: &mut Step) {
    if rates.host.container.is_none() {
        return;
    }
    label_evidence(own_pressure(rates), &mut step.evidence);
    if step.evidence.iter().any(|evidence| evidence.source.ends_with(NODE)) {
        step.summary = sentence!["on the node: ", &step.summary];
    }
}

const NODE: &str = "(node)";

/// Whether the stall times are the container's own.
fn own_pressure(rates: &Rates) -> bool {
    rates.own_limits.as_ref().is_some_and(|own| own.pressure)
}

fn label_evidence(own_pressure: bool, evidence: &mut [Evidence]) {
    for evidence in evidence {
        match evidence.source.strip_prefix("/proc/pressure/").filter(|_| own_pressure) {
            Some(rest) => {
                let (resource, more) = rest.split_once(' ').unwrap_or((rest, ""));
                evidence.source = format!("{resource}.pressure {more} of this container");
            }
            None if OF_NODE.iter().any(|file| evidence.source.starts_with(file)) => {
                evidence.source = format!("{} {NODE}", evidence.source);
            }
            None => {}
        }
    }
}

/// What a run inside a container cannot see.
pub fn not_checked(rates: &Rates) -> Option<NotChecked> {
    let container = rates.host.container.as_ref()?;
    Some(NotChecked {
        what: "processes outside of this container".to_owned(),
        reason: format!(
            "inside {container} only its own are seen; load, CPU time, memory and disks are the node's"
        ),
        unlock: Some("run diag on the node, or with the node's / mounted here: --root DIR".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::evidence::facts::plain;
    use crate::model::units::Unit;

    #[test]
    fn the_nodes_numbers_are_told_from_the_containers() {
        let of = |source: &str| plain("x", Some(1.0), Unit::Count, source);
        let mut list =
            [of("/proc/stat system"), of("/proc/pressure/cpu some total"), of("cpu.stat nr_throttled")];
        label_evidence(true, &mut list);
        assert_eq!(list[0].source, "/proc/stat system (node)");
        assert_eq!(list[1].source, "cpu.pressure some total of this container");
        assert_eq!(list[2].source, "cpu.stat nr_throttled");
    }
}
