//! Whether traffic is lost: what makes a full link or a busy interrupt handler a matter for somebody.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::algorithm::RETRANSMITS_MIN;
use crate::diagnose::thresholds::{PACKET_DROPS, RETRANSMITS, SEGMENTS_MIN};
use std::collections::BTreeMap;

/// TCP segments of one network namespace, per second.
pub struct Segments {
    /// Sent for the first time.
    pub sent: f64,
    /// Sent again.
    pub again: f64,
    /// Timers of unacknowledged segments that ran out.
    pub timeouts: Option<f64>,
}

impl Segments {
    /// Without connections that are being opened: those are retransmitted when the peer does not accept them.
    fn of(counters: &BTreeMap<String, f64>) -> Option<Self> {
        let count = |name: &str| counters.get(name).copied();
        Some(Self {
            sent: count("Tcp.OutSegs")?,
            // A kernel that does not count them apart has them all in one number.
            again: match count("TcpExt.TCPSynRetrans") {
                Some(first) => (count("Tcp.RetransSegs")? - first).max(0.0),
                None => count("Tcp.RetransSegs")?,
            },
            timeouts: count("TcpExt.TCPTimeouts"),
        })
    }

    /// Share of the segments that were sent again. The kernel's count of segments sent leaves those out.
    pub fn share(&self) -> f64 {
        self.again / (self.sent + self.again).max(f64::EPSILON)
    }
}

impl Facts<'_> {
    /// The network namespace that sends the largest share again, where that is enough to mean anything.
    pub fn segments_sent_again(&self) -> Option<Segments> {
        let seconds = self.rates.seconds;
        let enough =
            |segments: &Segments| (segments.sent + segments.again) * seconds >= self.setting(&SEGMENTS_MIN);
        let namespaces = self.net_namespaces().filter_map(Segments::of).filter(enough);
        let worst = namespaces.max_by(|a, b| a.share().total_cmp(&b.share()))?;
        (worst.share() >= self.limit(&RETRANSMITS).warning && worst.again * seconds >= RETRANSMITS_MIN)
            .then_some(worst)
    }

    /// Datagrams per second that found no room in their socket.
    pub fn datagram_drops(&self) -> Option<f64> {
        self.net_most(&["Udp.RcvbufErrors", "Udp6.RcvbufErrors"])
    }

    /// Packets per second that found no room in the queue of a CPU.
    pub fn backlog_drops(&self) -> Option<f64> {
        self.net("softnet.dropped")
    }

    /// Whether packets are known to be lost: dropped in this machine, or sent again.
    pub fn packets_lost(&self) -> bool {
        let missed = self.rates.interfaces.iter().filter_map(|link| link.missed_per_second);
        let drops = self.datagram_drops().into_iter().chain(self.backlog_drops()).chain(missed);
        let dropped = drops.reduce(f64::max).is_some_and(|rate| rate >= self.limit(&PACKET_DROPS).warning);
        dropped || self.segments_sent_again().is_some()
    }
}
