//! Inside a container: which numbers are the container's own and which are those of the machine below it, the node.
//!
//! `/proc` shows the node's load, CPU time, memory and disks to everybody, but only the container's processes. So
//! these numbers are labelled, and a finding about the node is less sure of its culprit.

use crate::diagnose::rule::{Hit, Scope, Who};
use crate::model::finding::{Evidence, NotChecked, Step};
use crate::model::rates::Rates;
use crate::model::sentence::sentence;

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

/// Labels a finding.
pub fn label_hit(rates: &Rates, scope: Scope, hit: &mut Hit) {
    if rates.host.container.is_none() {
        return;
    }
    label_evidence(own_pressure(rates), &mut hit.evidence);
    if scope == Scope::Node {
        hit.summary = sentence!["On the node below this container: ", &hit.summary];
        if hit.who == Who::None {
            hit.against.push("The cause may be outside of this container, where diag cannot see it.".into());
        }
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
