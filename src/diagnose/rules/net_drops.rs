//! Packets are dropped inside the box: a receiver is too slow, or a CPU's queue is full.
//!
//! Evidence: datagrams that found no room in their socket, packets that found none in a CPU's backlog, in the ring of a
//! network card or in the queue before it, a full table of neighbours, memory for sockets that is used up. The `dropped`
//! of a network card also counts unwanted packets, so it is not used.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{LOST_SHARE, REFUSED_WEIGHT, Rank, UNLOCATED};
use crate::diagnose::thresholds::{NEIGHBOURS, PACKET_DROPS, RETRANSMITS, SOCKET_MEMORY};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Evidence, Remedy, Severity};
use crate::model::kernel_log::Topic;
use crate::model::network::{Fill, Pool};
use crate::model::rates::InterfaceRates;
use crate::model::sentence::{Sentence, bytes, count, device, ratio, sentence};
use crate::model::units::Unit;

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
        "A queueing discipline that drops a few packets so that senders slow down.",
    ],
    sources: &["kernel Documentation/networking/snmp_counter.rst", "netdata; net/core/net-procfs.c"],
    counters: &[
        "/proc/net/snmp Udp RcvbufErrors: datagrams dropped because the receive buffer of their socket was \
         full",
        "/proc/net/softnet_stat, second column: packets dropped because the queue of a CPU was full",
        "/proc/net/stat/arp_cache and ndisc_cache table_fulls: neighbours that found no room; entries divided \
         by gc_thresh3",
        "/proc/net/sockstat mem divided by the third number of tcp_mem and udp_mem; TcpExt TCPAbortOnMemory",
        "/sys/class/net/LINK/statistics rx_missed_errors: packets that the network card had no room for",
        "rtnetlink RTM_GETQDISC drops: packets dropped before they were sent, as `tc -s qdisc` shows",
        "/proc/net/snmp Udp SndbufErrors, Ip InDiscards and OutDiscards; /proc/net/stat/nf_conntrack drop",
        "/proc/net/udp and udp6 drops: which socket; /proc/PID/fd: its process",
    ],
    limits: &[&PACKET_DROPS, &NEIGHBOURS, &SOCKET_MEMORY, &RETRANSMITS],
    confirm: &[
        confirm("nstat -asz UdpRcvbufErrors Udp6RcvbufErrors", "a count that rises from one run to the next"),
        confirm(
            "ip -s -s link; tc -s qdisc; lnstat -c 1 -k arp_cache:entries,arp_cache:table_fulls",
            "missed packets of a card, dropped ones of its queue, or a full table of neighbours",
        ),
        confirm(
            "cat /proc/net/softnet_stat; ss -uapnm",
            "a second column (hexadecimal, one row per CPU) that rises; d in skmem above 0: drops of that socket",
        ),
    ],
    advice: &[
        look("See which socket drops packets.", "ss -uapmn", Remedy::FixProgram),
        look(
            "If a network card loses packets, compare the size of its ring with the largest possible.",
            "ethtool -g {device}",
            Remedy::Tune,
        ),
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
        change(
            "If the table of neighbours is full, enlarge it.",
            ActionTemplate::Sysctl(&[
                ("net.ipv4.neigh.default.gc_thresh2", "8192"),
                ("net.ipv4.neigh.default.gc_thresh3", "16384"),
            ]),
            "about 400 bytes of kernel memory per neighbour",
            Remedy::Tune,
        ),
        advise("Spread the traffic over more receivers.", Remedy::Distribute),
    ],
    check,
};

/// Packets that are lost in one place.
struct Loss {
    severity: Severity,
    /// Times the limit that it goes by.
    weight: f64,
    summary: Sentence,
    why: Option<Sentence>,
    who: Who,
    device: Option<String>,
    remedy: Remedy,
}

impl Loss {
    fn new(severity: Severity, weight: f64, summary: Sentence) -> Self {
        let (why, device) = (None, None);
        Self { severity, weight, summary, why, who: Who::None, device, remedy: Remedy::Tune }
    }
}

fn check(facts: &Facts<'_>) -> Outcome {
    if facts.datagram_drops().is_none() && facts.backlog_drops().is_none() {
        reading!(facts.rates.net_per_second);
        return Outcome::unknown(
            "packets dropped inside the box",
            "/proc/net/snmp has no RcvbufErrors, and /proc/net/softnet_stat cannot be read",
            None,
        );
    }
    let losses = [
        datagrams(facts),
        backlog(facts),
        neighbours(facts),
        socket_memory(facts),
        cards(facts),
        queues(facts),
    ];
    let counted = COUNTED.iter().map(|counted| counted_loss(facts, counted));
    let all: Vec<Loss> = losses.into_iter().chain(counted).flatten().collect();
    let order = |a: &&Loss, b: &&Loss| a.severity.cmp(&b.severity).then(a.weight.total_cmp(&b.weight));
    let Some(worst) = all.iter().max_by(order) else { return Outcome::Clear };
    let rest = all.iter().filter(|loss| !std::ptr::eq(*loss, worst));
    let against: Vec<Sentence> = rest.map(|loss| sentence!["beside it: ", &loss.summary]).collect();
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Considerable),
        evidence: evidence(facts),
        against,
        why: worst.why.clone(),
        device: worst.device.clone(),
        ..Hit::new(worst.severity, worst.summary.clone(), worst.who.clone(), worst.remedy)
    })
}

/// Critical from the limit for it on, where it is known that an application misses the packets.
fn severity(facts: &Facts<'_>, rate: f64) -> Option<(Severity, f64)> {
    let limit = facts.limit(&PACKET_DROPS);
    if rate < limit.warning {
        return None;
    }
    let critical = limit.critical.is_some_and(|critical| rate >= critical);
    Some((
        if critical { Severity::Critical } else { Severity::Warning },
        rate / limit.warning.max(f64::EPSILON),
    ))
}

/// Datagrams that find no room in the socket of their receiver.
fn datagrams(facts: &Facts<'_>) -> Option<Loss> {
    let drops = facts.datagram_drops()?;
    let (severity, weight) = severity(facts, drops)?;
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
    let summary = sentence![
        count(drops),
        " datagrams per second are dropped because their socket has no room",
        named,
        "."
    ];
    Some(Loss {
        why: dropping.map(|socket| sentence!["reads port ", socket.port, " too slowly"]),
        who: owner.map_or(Who::None, Who::Group),
        remedy: Remedy::FixProgram,
        ..Loss::new(severity, weight, summary)
    })
}

/// Packets that find the queue of a CPU full.
fn backlog(facts: &Facts<'_>) -> Option<Loss> {
    let drops = facts.backlog_drops()?;
    let (severity, weight) = severity(facts, drops)?;
    let summary =
        sentence![count(drops), " packets per second are dropped because the queue of a CPU has no room."];
    Some(Loss { remedy: Remedy::FixProgram, ..Loss::new(severity, weight, summary) })
}

/// A full table of neighbours: nothing can be sent to a host of the local network that is not in it.
fn neighbours(facts: &Facts<'_>) -> Option<Loss> {
    let refused = ["neighbours.arp.table_fulls", "neighbours.ndisc.table_fulls"]
        .iter()
        .filter_map(|name| facts.net(name))
        .reduce(f64::max)
        .filter(|rate| *rate > 0.0);
    let logged = !facts.reported(&[Topic::Neighbours]).is_empty();
    let fullest = fullest(facts, &[Pool::Arp, Pool::Ndisc]);
    let share = fullest.map_or(0.0, share_of);
    let limit = facts.limit(&NEIGHBOURS);
    if refused.is_none() && !logged && share < limit.warning {
        return None;
    }
    let filled = fullest.map(|fill| sentence![" (", fill.used, " of ", fill.max, " entries)"]);
    let refusals = refused.map(|rate| {
        sentence![
            ": ",
            count(rate * facts.rates.seconds),
            " times a new neighbour found no room in this window"
        ]
    });
    let severity = if refused.is_some() || logged { Severity::Critical } else { Severity::Warning };
    let (full, end) = match severity {
        Severity::Critical => (" is full", "; packets to hosts that are not in it are lost."),
        _ => (" is nearly full", "."),
    };
    let summary = sentence!["The table of network neighbours", full, filled, refusals, end];
    Some(Loss::new(severity, share.max(1.0) * REFUSED_WEIGHT, summary))
}

/// Memory for TCP or UDP of the whole system.
fn socket_memory(facts: &Facts<'_>) -> Option<Loss> {
    let fill = fullest(facts, &[Pool::Tcp, Pool::Udp])?;
    let share = share_of(fill);
    let aborted = facts.net("TcpExt.TCPAbortOnMemory").is_some_and(|rate| rate > 0.0);
    let logged = facts
        .reported(&[Topic::TcpMemory])
        .iter()
        .any(|kind| kind.last.pattern.severity == Severity::Critical);
    let limit = facts.limit(&SOCKET_MEMORY);
    let refuses = limit.critical.is_some_and(|critical| share >= critical) || aborted || logged;
    if !refuses && share < limit.warning {
        return None;
    }
    let protocol = if fill.what == Pool::Udp { "UDP" } else { "TCP" };
    let bytes_of = |pages: u64| bytes(pages as f64 * facts.rates.host.page_bytes as f64);
    let summary = sentence![
        protocol,
        " sockets hold ",
        bytes_of(fill.used),
        " of the ",
        bytes_of(fill.max),
        " that the kernel lets them have",
        if refuses { ": it drops data and connections." } else { "." },
    ];
    let severity = if refuses { Severity::Critical } else { Severity::Warning };
    Some(Loss::new(severity, share.max(1.0) * REFUSED_WEIGHT, summary))
}

fn fullest<'a>(facts: &Facts<'a>, pools: &[Pool]) -> Option<&'a Fill> {
    let fills = &facts.rates.net.as_ref().ok()?.fills;
    let of = fills.iter().filter(|fill| pools.contains(&fill.what) && fill.max > 0);
    of.max_by(|a, b| share_of(a).total_cmp(&share_of(b)))
}

fn share_of(fill: &Fill) -> f64 {
    fill.used as f64 / fill.max.max(1) as f64
}

/// The link of which most packets were lost in one place.
fn worst_link<'a>(
    facts: &Facts<'a>,
    lost: impl Fn(&InterfaceRates) -> Option<f64>,
) -> Option<(&'a InterfaceRates, f64)> {
    let links = facts.rates.interfaces.iter().filter_map(|link| Some((link, lost(link)?)));
    links.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Packets that a network card had no room for.
fn cards(facts: &Facts<'_>) -> Option<Loss> {
    let (link, missed) = worst_link(facts, |link| link.missed_per_second)?;
    let (severity, weight) = severity(facts, missed)?;
    let share = missed / (link.received_packets_per_second + missed).max(f64::EPSILON);
    let severity = if share >= LOST_SHARE { severity } else { severity.min(Severity::Warning) };
    let summary = sentence![
        "Network card ",
        device(link.name.as_str()),
        " loses ",
        count(missed),
        " packets per second, ",
        ratio(share),
        " of what arrives: its receive ring is full, because the CPU does not empty it in time.",
    ];
    Some(of_link(link, Loss::new(severity, weight, summary)))
}

/// Packets that a queueing discipline dropped before they were sent.
fn queues(facts: &Facts<'_>) -> Option<Loss> {
    let (link, dropped) = worst_link(facts, |link| link.queue_drops_per_second)?;
    let (severity, weight) = severity(facts, dropped)?;
    let share = dropped / (link.sent_packets_per_second + dropped).max(f64::EPSILON);
    // Some disciplines drop a few packets to tell senders to slow down.
    if share < LOST_SHARE {
        return None;
    }
    let severity =
        if facts.segments_sent_again().is_some() { severity } else { severity.min(Severity::Warning) };
    let summary = sentence![
        "The queue of ",
        device(link.name.as_str()),
        " drops ",
        count(dropped),
        " packets per second before they are sent, ",
        ratio(share),
        " of them: more is sent than its link or its limit lets through.",
    ];
    Some(of_link(link, Loss::new(severity, weight, summary)))
}

fn of_link(link: &InterfaceRates, loss: Loss) -> Loss {
    Loss { who: Who::Device(link.name.clone()), device: Some(link.name.clone()), ..loss }
}

/// A counter that says that packets were dropped, and not where or for whom: it is worth a warning at most.
struct Counted {
    severity: Severity,
    names: &'static [&'static str],
    metric: &'static str,
    source: &'static str,
    words: &'static str,
}

const COUNTED: [Counted; 4] = [
    Counted {
        severity: Severity::Warning,
        names: &["Udp.SndbufErrors", "Udp6.SndbufErrors"],
        metric: "udp_send_errors_per_second",
        source: "/proc/net/snmp Udp SndbufErrors",
        words: " datagrams per second cannot be sent because the send buffer of their socket is full.",
    },
    Counted {
        severity: Severity::Warning,
        names: &["Ip.InDiscards", "Ip6.InDiscards"],
        metric: "ip_received_discards_per_second",
        source: "/proc/net/snmp Ip InDiscards",
        words: " received packets per second are discarded by the IP layer, which had no room for them.",
    },
    Counted {
        // Often the packet filter, which is told to.
        severity: Severity::Info,
        names: &["Ip.OutDiscards", "Ip6.OutDiscards"],
        metric: "ip_sent_discards_per_second",
        source: "/proc/net/snmp Ip OutDiscards",
        words: " packets per second are discarded by the IP layer before they are sent: a full queue, an \
                unknown neighbour or the packet filter.",
    },
    Counted {
        severity: Severity::Warning,
        names: &["conntrack.dropped"],
        metric: "conntrack_drop_per_second",
        source: "/proc/net/stat/nf_conntrack drop",
        words: " packets per second are dropped by connection tracking: two packets enter the same \
                connection at the same moment, as with DNS queries over UDP.",
    },
];

fn counted_loss(facts: &Facts<'_>, counted: &Counted) -> Option<Loss> {
    let rate = facts.net_most(counted.names)?;
    let (_, weight) = severity(facts, rate)?;
    // What names its place tells more.
    Some(Loss::new(counted.severity, weight * UNLOCATED, sentence![count(rate), counted.words]))
}

fn evidence(facts: &Facts<'_>) -> Vec<Evidence> {
    let mut all = vec![
        facts.evidence(&PACKET_DROPS, facts.datagram_drops(), "/proc/net/snmp Udp RcvbufErrors"),
        facts.evidence(&PACKET_DROPS, facts.backlog_drops(), "/proc/net/softnet_stat, second column"),
    ];
    let fill = |pools: &[Pool]| fullest(facts, pools).map(share_of);
    let neighbours = fill(&[Pool::Arp, Pool::Ndisc]);
    all.push(facts.evidence(&NEIGHBOURS, neighbours, "/proc/net/stat/arp_cache, ndisc_cache; gc_thresh3"));
    let memory = fill(&[Pool::Tcp, Pool::Udp]);
    all.push(facts.evidence(&SOCKET_MEMORY, memory, "/proc/net/sockstat mem; tcp_mem, udp_mem"));
    for counted in &COUNTED {
        if let Some(rate) = facts.net_most(counted.names).filter(|rate| *rate > 0.0) {
            all.push(plain(counted.metric, Some(rate), Unit::PerSecond, counted.source));
        }
    }
    for link in &facts.rates.interfaces {
        let numbers = [
            ("missed_packets_per_second", link.missed_per_second, "rx_missed_errors, rx_fifo_errors"),
            ("queue_drops_per_second", link.queue_drops_per_second, "rtnetlink RTM_GETQDISC"),
        ];
        for (metric, rate, source) in numbers {
            if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
                let source = format!("{source} of {}", link.name);
                all.push(plain(metric, Some(rate), Unit::PerSecond, &source));
            }
        }
    }
    all
}
