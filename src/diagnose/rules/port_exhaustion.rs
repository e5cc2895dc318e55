//! All local ports towards one destination are taken: new connections to it fail.
//!
//! Evidence: TCP sockets with the same source address and the same destination against the range of local ports. Those in
//! TIME_WAIT count, unless `tcp_tw_reuse` lets a new connection take their port. Read only when TCP is in trouble: the
//! table costs time by socket.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Ranked, rank};
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::{Rank, SEARCH_CPUS};
use crate::diagnose::thresholds::{MAIN_CAUSE, PORTS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::network::Destination;
use crate::model::rates::ProcessRates;
use crate::model::sentence::{address, ratio, sentence};
use crate::model::units::Unit;

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
    false_positives: &[
        "Many connections to different destinations, or from different source addresses: each pair has the \
                        whole range.",
        "Connections in TIME_WAIT where tcp_tw_reuse allows their ports to be taken again.",
    ],
    sources: &["ip(7) ip_local_port_range", "connect(2) EADDRNOTAVAIL"],
    counters: &[
        "/proc/net/tcp and tcp6: sockets with the same local address, remote address and port; read only \
         when TCP counters report trouble or there are very many sockets",
        "/proc/sys/net/ipv4/tcp_tw_reuse: whether those in TIME_WAIT count: 1 reuses all, 2 those of \
         loopback",
        "/proc/sys/net/ipv4/ip_local_port_range: how many there can be",
    ],
    limits: &[&PORTS],
    confirm: &[
        confirm(
            "ss -Htan | awk '{sub(/:[0-9]+$/, \"\", $4); print $4, $5}' | sort | uniq -c | sort -rn | head -3",
            "one pair of addresses with nearly as many connections as there are ports",
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
    let Some(busiest) = &sockets.busiest_destination else { return Outcome::Clear };
    let share = busiest.count as f64 / ports as f64;
    if share < facts.limit(&PORTS).warning {
        return Outcome::Clear;
    }
    let critical = facts.limit(&PORTS).critical.is_some_and(|limit| share >= limit);
    let opener = opener(facts, busiest);
    let named = opener.as_ref().map(|(top, sure)| {
        let verb = if *sure {
            " opens them"
        } else {
            " most likely opens them: the search for a free port takes its time"
        };
        sentence!["; ", facts.name(top), verb]
    });
    let (waiting, peer) = (busiest.time_wait_count, busiest.peer);
    Outcome::hit(Hit {
        impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Low }),
        evidence: vec![
            facts.evidence(&PORTS, Some(share), "/proc/net/tcp, ip_local_port_range"),
            plain("time_wait_count", Some(waiting as f64), Unit::Count, "/proc/net/tcp state 06"),
        ],
        why: opener
            .as_ref()
            .map(|_| sentence!["opens a connection to ", address(peer), " for each piece of work"]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                busiest.count,
                " connections from ",
                address(busiest.source),
                " go to ",
                address(peer),
                ", ",
                waiting,
                " of them in TIME_WAIT: they hold ",
                ratio(share),
                " of the local ports",
                named,
                ".",
            ],
            opener.map_or(Who::None, |(top, _)| Who::Group(top)),
            Remedy::FixProgram,
        )
    })
}

/// Who opens the connections, and whether a socket says so. A connection in TIME_WAIT has no owner; where there are no
/// others, it is the process with most of the kernel time: each connect(2) searches all ports for a free one.
fn opener(facts: &Facts<'_>, destination: &Destination) -> Option<(Ranked, bool)> {
    let held = |process: &ProcessRates| {
        destination.owners.iter().filter(|owner| **owner == process.pid).count() as f64
    };
    if let Some(top) = facts.most_among(&destination.owners, held) {
        return Some((top, true));
    }
    let ranked = rank(facts, None, |group| group.system, |process| process.system_ratio);
    let top = ranked.into_iter().next()?;
    (top.share >= facts.setting(&MAIN_CAUSE) && top.amount >= SEARCH_CPUS).then_some((top, false))
}
