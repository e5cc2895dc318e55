//! TCP sends much of its data twice: packets are lost on the way.
//!
//! Evidence: retransmitted segments against segments sent, without those of connections that are being opened: they
//! come from a full or absent listener.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look, reading,
};
use crate::diagnose::thresholds::RETRANSMITS;
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_LIMIT, Rank, TIMEOUTS_CRITICAL};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::NetRetransmits,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("retransmits"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "TCP retransmits much: packets get lost",
    symptom: "Packets are lost between this machine and a peer; each loss costs the connection at least one \
              round trip.",
    false_positives: &[
        "A few losses among few segments.",
        "A peer that does not listen: its first packets are repeated.",
    ],
    sources: &["kernel Documentation/networking/snmp_counter.rst", "RFC 6298"],
    counters: &[
        "/proc/net/snmp Tcp RetransSegs less /proc/net/netstat TcpExt TCPSynRetrans, divided by that and \
         OutSegs; ignored when there are too few segments",
        "/proc/net/netstat TcpExt TCPTimeouts: shown next to it",
        "/proc/net/tcp and tcp6 retransmits; /proc/PID/fd: the process of the connection",
    ],
    limits: &[&RETRANSMITS],
    confirm: &[
        confirm(
            "nstat -asz TcpRetransSegs TcpOutSegs TcpExtTCPSynRetrans",
            "the first rises by more than 1 % of the second",
        ),
        confirm("ss -tin | grep -B1 retrans: | head -20", "the peers that lose packets"),
    ],
    advice: &[
        look("See which peers lose packets.", "ss -tin | grep -B1 retrans:", Remedy::Tune),
        look(
            "See errors of the interfaces; then test the path to such a peer with `mtr -rwc 50 ADDRESS`.",
            "ip -s link",
            Remedy::Tune,
        ),
        advise(
            "Fix the cause on the path: a packet filter, a policer, a duplex mismatch, a bad cable.",
            Remedy::Tune,
        ),
        advise("Serve the content from a place closer to the clients.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.net_per_second);
    let Some(worst) = facts.segments_sent_again() else { return Outcome::Clear };
    let (share, again, sent) = (worst.share(), worst.again, worst.sent);
    // A loss that is seen at once costs a round trip. Where timers run out, connections stand still.
    let stalls = worst.timeouts.is_none_or(|timeouts| timeouts >= TIMEOUTS_CRITICAL);
    let critical = stalls && facts.limit(&RETRANSMITS).critical.is_some_and(|limit| share >= limit);
    let losing = facts.rates.limits.sockets.as_ref().and_then(|sockets| {
        sockets
            .noted
            .iter()
            .filter(|socket| socket.protocol == "tcp" && socket.retransmits > 0)
            .find_map(|socket| socket.pid)
    });
    let owner = losing.and_then(|pid| facts.most_among(&[pid], |_| 1.0));
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(
                share,
                facts.limit(&RETRANSMITS).warning,
                ERROR_OF_A_LIMIT * facts.limit(&RETRANSMITS).warning,
            )
            .ratio(),
        impact: Impact::Rank(if critical { Rank::Moderate } else { Rank::Low }),
        evidence: vec![
            facts.evidence(&RETRANSMITS, Some(share), "/proc/net/snmp Tcp RetransSegs, OutSegs"),
            plain("tcp_segments_per_second", Some(sent), Unit::PerSecond, "/proc/net/snmp Tcp OutSegs"),
            plain("tcp_timeouts_per_second", worst.timeouts, Unit::PerSecond, "/proc/net/netstat TcpExt"),
        ],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "TCP sends ",
                ratio(share),
                " of its segments again, ",
                count(again),
                " per second: packets get lost.",
            ],
            owner.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}
