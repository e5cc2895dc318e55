//! The connection tracking table is full: the packet filter drops new connections.
//!
//! Evidence: entries against the limit, packets dropped for want of an entry.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{Hit, Impact, Outcome, Rule, Who, advise, change, confirm, look, reading};
use crate::diagnose::rule::{Lane, Scope, Since};
use crate::diagnose::thresholds::CONNTRACK;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::ConntrackFull,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("connection table"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "the connection tracking table is full",
    symptom: "The packet filter follows every connection in a table; when it is full, new ones are dropped.",
    false_positives: &["The limit is that of the box, the count that of one network namespace."],
    sources: &["kernel Documentation/networking/nf_conntrack-sysctl.rst", "node-mixin; netdata"],
    counters: &[
        "/proc/sys/net/netfilter/nf_conntrack_count by nf_conntrack_max: entries by the size of the table",
        "/proc/net/stat/nf_conntrack drop: packets dropped for want of an entry; one is critical, however \
         full the table seems",
    ],
    limits: &[&CONNTRACK],
    confirm: &[
        confirm(
            "cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max",
            "the first number near the second",
        ),
        confirm(
            "dmesg -T | grep 'nf_conntrack: .*table full' | tail -3",
            "\"table full, dropping packet\" with a time of just now",
        ),
    ],
    advice: &[
        look(
            "See what fills it.",
            "conntrack -S; conntrack -L 2>/dev/null | awk '{print $4,$1}' | sort | uniq -c | sort -rn | head",
            Remedy::Tune,
        ),
        change(
            "A larger table.",
            "sysctl net.netfilter.nf_conntrack_max=524288",
            "about 300 bytes of kernel memory by entry",
            "sysctl net.netfilter.nf_conntrack_max=262144",
            Remedy::Tune,
        ),
        advise(
            "Do not track what needs none (NOTRACK for a proxy's or DNS traffic); keep connections alive.",
            Remedy::Tune,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.net);
    // Without the module there is no table.
    let Some((count, max)) = facts.conntrack_entries() else { return Outcome::Clear };
    let share = count as f64 / max as f64;
    let drops = facts.net("conntrack.dropped").is_some_and(|dropped| dropped > 0.0);
    if share < facts.limit(&CONNTRACK).warning && !drops {
        return Outcome::Clear;
    }
    let critical = drops || facts.limit(&CONNTRACK).critical.is_some_and(|limit| share >= limit);
    Outcome::hit(Hit {
        impact: Impact::Rank(if drops { Rank::Blocking } else { Rank::Low }),
        evidence: vec![facts.evidence(&CONNTRACK, Some(share), "nf_conntrack_count, nf_conntrack_max")],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "The connection tracking table is ",
                ratio(share),
                " full (",
                count,
                " of ",
                max,
                " entries).",
            ],
            Who::Nobody,
            Remedy::Tune,
        )
    })
}
