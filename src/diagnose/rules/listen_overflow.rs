//! Connections are refused because a listening process does not accept them fast enough.
//!
//! Evidence: the kernel's count of full accept queues, and the listening socket whose queue is full. Why the
//! process does not accept is in what it does meanwhile: it burns CPU time, sleeps, or waits for a lock.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading, with_diag,
};
use crate::diagnose::thresholds::LISTEN_OVERFLOWS;
use crate::diagnose::thresholds::algorithm::{DOES_MOSTLY, Rank};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::Topic;
use crate::model::rates::ProcessRates;
use crate::model::sentence::{Sentence, count, function, quote, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::ListenOverflow,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("full accept queue"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "a server accepts connections too slowly",
    symptom: "Clients connect faster than the server accepts: its accept queue is full, and the kernel drops \
              new connections.",
    false_positives: &["A single overflow while a server starts."],
    sources: &[
        "listen(2)",
        "kernel Documentation/networking/ip-sysctl.rst somaxconn",
        "netdata tcp_listen_overflow",
    ],
    counters: &[
        "/proc/net/netstat TcpExt ListenOverflows: connections that found the queue full",
        "/proc/net/tcp and tcp6, listening sockets: the one with the longest queue; /proc/PID/fd: its process",
        "/proc/net/netstat TcpExt TCPReqQFullDoCookies and TCPReqQFullDrop: requests that found the queue of \
         half-open connections full; /dev/kmsg \"Possible SYN flooding\" names the port",
        "/proc/PID/stat and wchan of that process: what it does instead of accepting",
    ],
    limits: &[&LISTEN_OVERFLOWS],
    confirm: &[
        confirm("ss -ltn", "a Recv-Q at or above its Send-Q: waiting connections, and how many may wait"),
        confirm("nstat -asz TcpExtListenOverflows", "a count that rises from one run to the next"),
    ],
    advice: &[
        look("See the queue (Recv-Q) and its limit (Send-Q).", "ss -ltnp", Remedy::FixProgram),
        with_diag("See what its threads do instead of accepting.", OwnOption::Account, Remedy::FixProgram),
        advise(
            "Fix why it does not accept: it is busy, blocked, or has too few workers.",
            Remedy::FixProgram,
        ),
        advise(
            "If only bursts overflow the queue, configure a longer one in the server: the backlog of \
             listen(2).",
            Remedy::Tune,
        ),
        change(
            "Raise the kernel's limit for that backlog; the server must ask for it and be restarted.",
            ActionTemplate::Sysctl(&[("net.core.somaxconn", "4096")]),
            "clients wait longer instead of failing at once",
            Remedy::Tune,
        ),
        advise(
            "Let a reverse proxy hold slow and idle clients; run more servers behind it.",
            Remedy::Distribute,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.net_per_second);
    let Some(overflows) = facts.net_most(&["TcpExt.ListenOverflows"]) else {
        return Outcome::unknown(
            "connections that found an accept queue full",
            "/proc/net/netstat has no ListenOverflows",
            None,
        );
    };
    if overflows < facts.limit(&LISTEN_OVERFLOWS).warning {
        return flood(facts).map_or(Outcome::Clear, Outcome::hit);
    }
    let critical = facts.limit(&LISTEN_OVERFLOWS).critical.is_some_and(|limit| overflows >= limit);
    let full = facts.rates.limits.sockets.as_ref().and_then(|sockets| {
        sockets.noted.iter().filter(|socket| socket.listening).max_by_key(|socket| socket.receive_queue)
    });
    let owner = full.and_then(|socket| socket.pid).and_then(|pid| facts.most_among(&[pid], |_| 1.0));
    let doing = full.and_then(|socket| socket.pid).and_then(|pid| facts.rates.process(pid)).map(doing);
    let named = match (&owner, full) {
        (Some(owner), Some(socket)) => Some(sentence![
            ": ",
            facts.name(owner),
            " has ",
            socket.receive_queue,
            " connections waiting on port ",
            socket.port,
            doing.as_ref().map(|doing| sentence![" and ", doing]),
        ]),
        (None, Some(socket)) => {
            Some(sentence![": ", socket.receive_queue, " connections wait on port ", socket.port])
        }
        _ => None,
    };
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Serious),
        evidence: vec![
            facts.evidence(&LISTEN_OVERFLOWS, Some(overflows), "/proc/net/netstat TcpExt ListenOverflows"),
            plain(
                "accept_queue_count",
                full.map(|socket| socket.receive_queue as f64),
                Unit::Count,
                "/proc/net/tcp rx_queue",
            ),
        ],
        why: doing.map(|doing| sentence!["does not accept: it ", doing]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                count(overflows),
                " connections per second are dropped because the accept queue is full",
                named,
                ".",
            ],
            owner.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}

/// Requests that find the queue of half-open connections full: a flood of them, or a backlog that is too short. With
/// cookies each is still answered; without, it is dropped.
fn flood(facts: &Facts<'_>) -> Option<Hit> {
    let cookies = facts.net_most(&["TcpExt.TCPReqQFullDoCookies"]);
    let dropped = facts.net_most(&["TcpExt.TCPReqQFullDrop"]);
    let logged = facts.reported(&[Topic::SynFlood]);
    let limit = facts.limit(&LISTEN_OVERFLOWS);
    let many = cookies.into_iter().chain(dropped).any(|rate| rate >= limit.warning);
    if !many && logged.is_empty() {
        return None;
    }
    let drops = dropped.filter(|rate| *rate >= limit.warning);
    let refused = logged.iter().any(|kind| kind.last.pattern.severity == Severity::Critical);
    let critical =
        drops.is_some_and(|rate| limit.critical.is_some_and(|critical| rate >= critical)) || refused;
    let port = logged.first().and_then(|kind| kind.last.subject());
    let on_port = port.map(|port| sentence![" on port ", quote(port)]);
    let what = match (drops, cookies.filter(|rate| *rate > 0.0)) {
        (Some(rate), _) => sentence![count(rate), " connection requests per second are dropped"],
        (None, Some(rate)) => {
            sentence![count(rate), " connection requests per second are answered with cookies"]
        }
        (None, None) => "Connection requests are answered with cookies or dropped".into(),
    };
    Some(Hit {
        impact: Impact::Rank(if critical { Rank::Serious } else { Rank::Low }),
        evidence: vec![
            plain(
                "syn_cookies_per_second",
                cookies,
                Unit::PerSecond,
                "/proc/net/netstat TcpExt TCPReqQFullDoCookies",
            ),
            plain(
                "syn_dropped_per_second",
                dropped,
                Unit::PerSecond,
                "/proc/net/netstat TcpExt TCPReqQFullDrop",
            ),
            plain(
                "syn_flood_messages_count",
                Some(logged.len() as f64),
                Unit::Count,
                "/dev/kmsg (net/ipv4/tcp_input.c)",
            ),
        ],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                what,
                on_port,
                " because the queue of half-open connections is full: a SYN flood, or a backlog that is too short."
            ],
            Who::None,
            Remedy::Tune,
        )
    })
}

/// What a process does instead of accepting.
fn doing(process: &ProcessRates) -> Sentence {
    if process.cpu_ratio() >= DOES_MOSTLY {
        return sentence!["uses ", ratio(process.cpu_ratio()), " of one CPU"];
    }
    if process.uninterruptible_mean >= DOES_MOSTLY {
        return "is blocked on I/O".into();
    }
    match &process.wait_channel {
        Some(wait) => sentence!["sleeps in ", function(wait.as_str())],
        None => "sleeps".into(),
    }
}
