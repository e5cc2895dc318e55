//! A network link is full: senders wait or lose packets.
//!
//! Evidence: bytes per second, each way, against the speed that the driver of the device tells, with what each packet takes
//! on an Ethernet beside its bytes. A full link alone does its work; it is critical where packets are lost for it. Virtual links claim a
//! speed that means nothing, so only devices count. Bytes that are written and not acknowledged name the sender.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_SHARE, Rank};
use crate::diagnose::thresholds::{LINK_USED, MAIN_CAUSE, PACKET_DROPS, RETRANSMITS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::network::Socket;
use crate::model::rates::InterfaceRates;
use crate::model::sentence::{self, Sentence, bytes, count, ratio, sentence};
use crate::model::task::Pid;
use crate::model::units::{PACKET_OVERHEAD_BYTES, Unit};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::NetSaturated,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("full link"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "a network link is full",
    symptom: "A link carries as much as it can: packets queue or get lost and answers are late, even if the \
              machine is otherwise idle.",
    false_positives: &[
        "A backup or a copy that may use the whole link while nothing else needs it.",
        "Virtual links: their speed has no meaning.",
    ],
    sources: &["kernel Documentation/ABI/testing/sysfs-class-net speed", "netdata, pmie: link utilisation"],
    counters: &[
        "/proc/net/dev: bytes per second, in each direction, with 24 bytes for each packet: preamble, check \
         sequence and gap",
        "/proc/net/snmp RetransSegs and dropped packets: without any, a full link alone is a warning",
        "/sys/class/net/LINK/speed: capacity of the link; only of physical devices, while the link is up",
        "/proc/net/tcp tx_queue: connections whose data waits to be sent",
    ],
    limits: &[&LINK_USED, &RETRANSMITS, &PACKET_DROPS],
    confirm: &[
        confirm("sar -n DEV 1 5", "%ifutil near 100 for the link"),
        confirm("ss -tin state established", "the sockets with a large Send-Q wait for the link"),
    ],
    advice: &[
        look("See which connections use it.", "ss -tinp state established", Remedy::FixProgram),
        advise(
            "Send less: compress, let clients cache (If-Modified-Since), run copies at night or limit their \
             rate.",
            Remedy::FixProgram,
        ),
        advise("Use a faster link, or bond several.", Remedy::AddResource),
        advise(
            "Let answers bypass the load balancer (direct server return), put caches or a CDN in front, \
             spread the clients over more servers.",
            Remedy::Distribute,
        ),
    ],
    check,
};

struct Link<'a> {
    interface: &'a InterfaceRates,
    bits: f64,
    speed: f64,
    sending: bool,
}

impl Link<'_> {
    fn used(&self) -> f64 {
        self.bits / self.speed
    }

    fn packets(&self) -> f64 {
        let interface = self.interface;
        if self.sending { interface.sent_packets_per_second } else { interface.received_packets_per_second }
    }
}

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.rates.absences.iter().find(|absence| absence.path == "/proc/net/dev") {
        return Outcome::Absent(absence.clone());
    }
    let links = facts.rates.interfaces.iter().filter_map(|interface| {
        let speed = interface.speed_bits_per_second? as f64;
        let on_wire = |bytes: f64, packets: f64| (bytes + packets * PACKET_OVERHEAD_BYTES as f64) * 8.0;
        let sent = on_wire(interface.sent_bytes_per_second, interface.sent_packets_per_second);
        let received = on_wire(interface.received_bytes_per_second, interface.received_packets_per_second);
        Some(Link { interface, bits: sent.max(received), speed, sending: sent >= received })
    });
    let Some(link) = links.max_by(|a, b| a.used().total_cmp(&b.used())) else { return Outcome::Clear };
    if link.used() < facts.limit(&LINK_USED).warning {
        return Outcome::Clear;
    }
    let name = link.interface.name.clone();
    let full = facts.limit(&LINK_USED).critical.is_some_and(|limit| link.used() >= limit);
    let lost = facts.packets_lost();
    let critical = full && lost;
    let (who, named) = sender(facts, &link);
    let direction = if link.sending { "sends" } else { "receives" };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(link.used(), facts.limit(&LINK_USED).warning, ERROR_OF_A_SHARE)
            .ratio(),
        impact: Impact::Rank(if full { Rank::Serious } else { Rank::Moderate }),
        evidence: vec![
            facts.evidence(&LINK_USED, Some(link.used()), "/proc/net/dev, /sys/class/net/LINK/speed"),
            plain(
                "link_bytes_per_second",
                Some(link.bits / 8.0),
                Unit::BytesPerSecond,
                "/proc/net/dev bytes, and 24 bytes for each packet",
            ),
            plain("link_packets_per_second", Some(link.packets()), Unit::PerSecond, "/proc/net/dev packets"),
            plain(
                "link_speed_bits_per_second",
                Some(link.speed),
                Unit::PerSecond,
                "/sys/class/net/LINK/speed",
            ),
        ],
        why: Some(sentence![direction, " all that link ", sentence::device(name.as_str()), " can carry"]),
        device: Some(name.clone()),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "Link ",
                sentence::device(name.as_str()),
                " ",
                direction,
                " ",
                bytes(link.bits / 8.0),
                " per second, ",
                ratio(link.used()),
                " of the ",
                count((link.speed / 1e6).round()),
                " Mbit/s that it can carry",
                named,
                ".",
            ],
            who,
            Remedy::Distribute,
        )
    })
}

/// Whose data wait for the link; the link itself where that is not seen.
fn sender(facts: &Facts<'_>, link: &Link<'_>) -> (Who, Option<Sentence>) {
    let device = (Who::Device(link.interface.name.clone()), None);
    let Some(sockets) = facts.rates.limits.sockets.as_ref().filter(|_| link.sending) else { return device };
    let waiting = |pid: Pid| -> f64 {
        let own = |socket: &&Socket| socket.pid == Some(pid);
        sockets.noted.iter().filter(own).map(|socket| socket.send_queue as f64).sum()
    };
    let pids: Vec<Pid> =
        sockets.noted.iter().filter(|socket| socket.send_queue > 0).filter_map(|socket| socket.pid).collect();
    match facts.most_among(&pids, |process| waiting(process.pid)) {
        Some(top) if top.share >= facts.setting(&MAIN_CAUSE) => {
            let named = sentence!["; ", facts.name(&top), " has ", bytes(top.amount), " waiting to be sent"];
            (Who::Group(top), Some(named))
        }
        _ => device,
    }
}
