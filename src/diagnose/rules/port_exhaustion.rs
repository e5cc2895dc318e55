//! All local ports towards one destination are taken: new connections to it fail.
//!
//! Evidence: TCP sockets with the same remote address and port against the range of local ports; those in
//! TIME_WAIT count. Read only when TCP is in trouble: the table costs time by socket.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::PORTS;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::PortExhaustion,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("local ports"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "local ports are used up",
    symptom: "Every outgoing connection to the same destination needs a local port of its own, and all of \
              them are in use: connect(2) fails.",
    false_positives: &["Many connections to different destinations: each destination has the whole range."],
    sources: &["ip(7) ip_local_port_range", "connect(2) EADDRNOTAVAIL"],
    counters: &[
        "/proc/net/tcp and tcp6: sockets with the same remote address and port, TIME_WAIT included; read \
         only when TCP counters report trouble or there are very many sockets",
        "/proc/sys/net/ipv4/ip_local_port_range: how many there can be",
    ],
    limits: &[&PORTS],
    confirm: &[
        confirm(
            "ss -Htan | awk '{print $5}' | sort | uniq -c | sort -rn | head -3",
            "one destination with nearly as many connections as there are ports",
        ),
        confirm(
            "cat /proc/sys/net/ipv4/ip_local_port_range",
            "the first and the last port; their distance is the limit per destination",
        ),
    ],
    advice: &[
        look(
            "See the destination.",
            "ss -tan | awk '{print $5}' | sort | uniq -c | sort -rn | head",
            Remedy::FixProgram,
        ),
        advise("Keep connections to the backend open and reuse them.", Remedy::FixProgram),
        change(
            "Allow more ports, and the reuse of ports in TIME_WAIT.",
            ActionTemplate::Sysctl(&[
                ("net.ipv4.ip_local_port_range", "1024 65535"),
                ("net.ipv4.tcp_tw_reuse", "1"),
            ]),
            "services that listen on high ports may find theirs in use",
            Remedy::Tune,
        ),
        advise("Use more backends or more source addresses.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    // The sockets are read where TCP is in trouble, or there are very many of them.
    let Some(sockets) = &facts.rates.limits.sockets else { return Outcome::Clear };
    let Some(ports) = reading!(facts.rates.net).local_ports_count.filter(|&ports| ports > 0) else {
        return Outcome::unknown(
            "how many local ports there are",
            "/proc/sys/net/ipv4/ip_local_port_range cannot be read",
            None,
        );
    };
    let share = sockets.busiest_destination_count as f64 / ports as f64;
    if share < facts.limit(&PORTS).warning {
        return Outcome::Clear;
    }
    let critical = facts.limit(&PORTS).critical.is_some_and(|limit| share >= limit);
    Outcome::hit(Hit {
        impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Low }),
        evidence: vec![facts.evidence(&PORTS, Some(share), "/proc/net/tcp, ip_local_port_range")],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                sockets.busiest_destination_count,
                " connections go to one destination: ",
                ratio(share),
                " of the local ports.",
            ],
            Who::None,
            Remedy::FixProgram,
        )
    })
}
