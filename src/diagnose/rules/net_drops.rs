//! Packets are dropped inside the box: a receiver is too slow, or a CPU's queue is full.
//!
//! Evidence: datagrams that found no room in their socket, packets that found none in a CPU's backlog. The
//! `dropped` of a network card also counts unwanted packets, so it is not used.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading, with_diag,
};
use crate::diagnose::thresholds::PACKET_DROPS;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{count, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::NetDrops,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("dropped packets"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "packets are dropped inside the machine",
    symptom: "Packets arrive and are dropped: the receiving program reads too slowly, or a CPU cannot keep \
              up.",
    false_positives: &[
        "Packets of unknown protocols count as dropped by the interface.",
        "A few drops at the start of a burst.",
    ],
    sources: &["kernel Documentation/networking/snmp_counter.rst", "netdata; net/core/net-procfs.c"],
    counters: &[
        "/proc/net/snmp Udp RcvbufErrors: datagrams dropped because the receive buffer of their socket was \
         full",
        "/proc/net/softnet_stat, second column: packets dropped because the queue of a CPU was full",
        "/proc/net/udp and udp6 drops: which socket; /proc/PID/fd: its process",
    ],
    limits: &[&PACKET_DROPS],
    confirm: &[
        confirm("nstat -asz UdpRcvbufErrors Udp6RcvbufErrors", "a count that rises from one run to the next"),
        confirm("cat /proc/net/softnet_stat", "a second column (hexadecimal, one row per CPU) that rises"),
        confirm("ss -uapnm", "a Recv-Q that stays high, and d in skmem above 0: drops of that socket"),
    ],
    advice: &[
        look("See which socket drops packets.", "ss -uapmn", Remedy::FixProgram),
        with_diag("See what its threads do instead of reading.", OwnOption::Account, Remedy::FixProgram),
        advise(
            "Do less work between two reads, or read with several threads (SO_REUSEPORT).",
            Remedy::FixProgram,
        ),
        change(
            "Allow larger buffers; the program must ask for them with SO_RCVBUF.",
            ActionTemplate::Sysctl(&[
                ("net.core.rmem_max", "8388608"),
                ("net.core.netdev_max_backlog", "5000"),
            ]),
            "more memory for sockets",
            Remedy::Tune,
        ),
        advise("Spread the traffic over more receivers.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let datagrams = facts.net_most(&["Udp.RcvbufErrors", "Udp6.RcvbufErrors"]);
    let backlog = facts.net("softnet.dropped");
    let Some(drops) = datagrams.into_iter().chain(backlog).reduce(f64::max) else {
        reading!(facts.rates.net_per_second);
        return Outcome::unknown(
            "packets dropped inside the box",
            "/proc/net/snmp has no RcvbufErrors, and /proc/net/softnet_stat cannot be read",
            None,
        );
    };
    if drops < facts.limit(&PACKET_DROPS).warning {
        return Outcome::Clear;
    }
    let critical = facts.limit(&PACKET_DROPS).critical.is_some_and(|limit| drops >= limit);
    let dropping = facts.rates.limits.sockets.as_ref().and_then(|sockets| {
        sockets
            .noted
            .iter()
            .filter(|socket| socket.protocol == "udp" && socket.drops_count > 0)
            .max_by_key(|socket| socket.drops_count)
    });
    let owner = dropping.and_then(|socket| socket.pid).and_then(|pid| facts.most_among(&[pid], |_| 1.0));
    let named = match (&owner, dropping) {
        (Some(owner), Some(socket)) => {
            Some(sentence!["; ", facts.name(owner), " reads port ", socket.port, " too slowly"])
        }
        _ => None,
    };
    let summary = if datagrams == Some(drops) {
        sentence![
            count(drops),
            " datagrams per second are dropped because their socket has no room",
            named,
            ".",
        ]
    } else {
        sentence![count(drops), " packets per second are dropped because the queue of a CPU has no room."]
    };
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Considerable),
        evidence: vec![
            facts.evidence(&PACKET_DROPS, datagrams, "/proc/net/snmp Udp RcvbufErrors"),
            facts.evidence(&PACKET_DROPS, backlog, "/proc/net/softnet_stat, second column"),
        ],
        why: dropping.map(|socket| sentence!["reads port ", socket.port, " too slowly"]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            summary,
            owner.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
