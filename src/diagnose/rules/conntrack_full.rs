//! The connection tracking table is full: the packet filter drops new connections.
//!
//! Evidence: entries against the limit, entries that were given up early, and packets dropped while the table is full. The
//! kernel counts as dropped also packets whose connection another packet entered at the same moment: those do not count.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::CONNTRACK;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::Topic;
use crate::model::sentence::{ratio, sentence};
use crate::model::units::Unit;

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
    symptom: "The packet filter keeps an entry for every connection. When the table is full, the kernel \
              drops packets of new connections.",
    false_positives: &["The limit is that of the whole machine; the count is that of one network namespace."],
    sources: &["kernel Documentation/networking/nf_conntrack-sysctl.rst", "node-mixin; netdata"],
    counters: &[
        "/proc/sys/net/netfilter/nf_conntrack_count divided by nf_conntrack_max: share of the table in use",
        "/dev/kmsg \"table full, dropping packet\" within the window",
        "/proc/net/stat/nf_conntrack early_drop and drop: entries given up early and packets dropped; a \
         single one while the table is full is critical. drop also counts packets whose connection another \
         packet entered at the same moment (insert_failed), which says nothing about the table",
    ],
    limits: &[&CONNTRACK],
    confirm: &[
        confirm(
            "cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max",
            "the first number is close to the second",
        ),
        confirm(
            "dmesg -T | grep 'nf_conntrack: .*table full' | tail -3",
            "\"table full, dropping packet\" with a recent time",
        ),
    ],
    advice: &[
        look(
            "See which protocols and states fill the table.",
            "conntrack -S; conntrack -L 2>/dev/null | awk '{print $4,$1}' | sort | uniq -c | sort -rn | head",
            Remedy::Tune,
        ),
        advise(
            "Reuse connections (keep-alive, connection pools), so that fewer entries are needed.",
            Remedy::FixProgram,
        ),
        change(
            "Enlarge the table.",
            ActionTemplate::Sysctl(&[("net.netfilter.nf_conntrack_max", "524288")]),
            "about 300 bytes of kernel memory per entry",
            Remedy::Tune,
        ),
        advise(
            "Do not track connections that need no tracking, such as DNS or proxied traffic (NOTRACK).",
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
    let rose = |name: &str| facts.net(name).is_some_and(|rate| rate > 0.0);
    let full = facts.limit(&CONNTRACK).critical.is_some_and(|limit| share >= limit);
    // The table of another network namespace is only seen by what the kernel says of it.
    let logged = !facts.reported(&[Topic::ConnectionTable]).is_empty();
    let drops = logged || rose("conntrack.early_drop") || full && rose("conntrack.dropped");
    if share < facts.limit(&CONNTRACK).warning && !drops {
        return Outcome::Clear;
    }
    let critical = drops || full;
    let mut evidence = vec![facts.evidence(&CONNTRACK, Some(share), "nf_conntrack_count, nf_conntrack_max")];
    for (counter, column) in
        [("dropped", "drop"), ("early_drop", "early_drop"), ("insert_failed", "insert_failed")]
    {
        if let Some(rate) = facts.net(&format!("conntrack.{counter}")).filter(|rate| *rate > 0.0) {
            let source = format!("/proc/net/stat/nf_conntrack {column}");
            let metric = format!("conntrack_{column}_per_second");
            evidence.push(plain(&metric, Some(rate), Unit::PerSecond, &source));
        }
    }
    Outcome::hit(Hit {
        impact: Impact::Rank(if drops { Rank::Blocking } else { Rank::Low }),
        evidence,
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
            Who::None,
            Remedy::Tune,
        )
    })
}
