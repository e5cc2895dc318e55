//! The CPUs are busy with interrupts and softirqs: packets, timers, block completions.
//!
//! Evidence: irq and softirq time, in all and on the worst CPU; which softirq and which line moves.
//! Softirqs run in the context of whatever process was running, so the processes' own times do not tell who it is:
//! a peer outside sends to a network card, and only for traffic within the box the sender pays itself.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading,
};
use crate::diagnose::thresholds::algorithm::{SENDER_CPUS, WORST_CPU_INTERRUPTS};
use crate::diagnose::thresholds::{
    CONTRIBUTOR, CPU_PRESSURE, INTERRUPTS, INTERRUPTS_ONE_CPU, PACKET_DROPS, RETRANSMITS,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::InterfaceRates;
use crate::model::sentence::{count, quote, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuInterrupts,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("interrupts"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[Input::InterruptTime],
    title: "the CPUs are busy with interrupts",
    symptom: "Interrupt handlers and softirqs use a large part of the CPU time, often nearly all of one CPU. \
              Common sources are network packets, timers and disk completions.",
    false_positives: &[
        "A kernel without IRQ_TIME_ACCOUNTING counts hard interrupts as user or system time: irq reads 0.",
        "Some softirq time is normal under network load: up to about 10 %.",
        "A gateway or firewall that spends its CPU time on packets, has time left and drops none.",
    ],
    sources: &["proc_stat(5)", "kernel Documentation/networking/scaling.rst"],
    counters: &[
        "/proc/stat irq and softirq: all CPUs together, and the worst CPU",
        "/proc/softirqs: the type that runs most often",
        "/proc/net/dev packets: the busiest interface; a sender on this machine pays for its packets with \
         its own CPU time",
    ],
    limits: &[&INTERRUPTS, &INTERRUPTS_ONE_CPU, &CPU_PRESSURE, &PACKET_DROPS, &RETRANSMITS],
    confirm: &[
        confirm("mpstat -P ALL 1 3", "%irq plus %soft is at least 50 on one CPU, or at least 10 on all"),
        confirm(
            "cat /proc/softirqs; sleep 1; cat /proc/softirqs",
            "the row that rises (NET_RX for packets) and the columns of the CPUs that handle it",
        ),
    ],
    advice: &[
        look(
            "See which interrupt it is, and on which CPU.",
            "cat /proc/softirqs; cat /proc/interrupts; mpstat -I SCPU -P ALL 1 3",
            Remedy::Tune,
        ),
        look(
            "Compare the number of receive queues with the number of CPUs.",
            "ethtool -l {device}",
            Remedy::Tune,
        ),
        look(
            "Count the packet filter rules. Replace long rule lists by sets, and drop floods at the network \
             edge.",
            "nft list ruleset | wc -l",
            Remedy::FixProgram,
        ),
        change(
            "Spread the packets over more CPUs with more queues; where the device has no more, use receive \
             packet steering (rps_cpus).",
            ActionTemplate::Queues,
            "the link may go down for a moment",
            Remedy::Tune,
        ),
        advise("Spread the traffic over more machines behind a load balancer.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let total = cpu.interrupts_ratio();
    let worst = facts.rates.cpus.iter().map(|(id, cpu)| (cpu.interrupts_ratio(), *id));
    let (worst_ratio, worst_id) =
        worst.fold((total, 0), |best, next| if next.0 > best.0 { next } else { best });
    if total < facts.limit(&INTERRUPTS).warning && worst_ratio < facts.limit(&INTERRUPTS_ONE_CPU).warning {
        return Outcome::Clear;
    }
    let at = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
    let much = at(total, facts.limit(&INTERRUPTS).critical)
        || at(worst_ratio, facts.limit(&INTERRUPTS_ONE_CPU).critical);
    // A gateway that forwards with CPU time to spare and loses nothing does its work.
    let one_full = worst_ratio >= facts.limit(&INTERRUPTS_ONE_CPU).warning;
    let (queues, stalled) = facts.cpu_queues();
    let lost = facts.packets_lost();
    let severity = match (much, stalled || lost, queues || one_full) {
        (true, true, _) => Severity::Critical,
        (_, true, _) | (_, _, true) => Severity::Warning,
        _ => Severity::Info,
    };
    let kind = facts.rates.softirqs_per_second.first();
    let interface = busiest(facts);
    let (who, device) = blame(facts, interface);
    let ranked = rank(facts, None, |group| group.system, |process| process.system_ratio);
    let mut evidence = vec![
        facts.evidence(&INTERRUPTS, Some(total), "/proc/stat irq, softirq"),
        facts.evidence(&INTERRUPTS_ONE_CPU, Some(worst_ratio), "/proc/stat irq, softirq of one CPU"),
        plain("cpu_softirq_ratio", Some(cpu.softirq_ratio), Unit::Ratio, "/proc/stat softirq"),
    ];
    if let Some((name, rate)) = kind {
        evidence.push(plain(
            &format!("softirq_{name}_per_second"),
            Some(*rate),
            Unit::PerSecond,
            "/proc/softirqs",
        ));
    }
    if let Some(interface) = interface {
        let packets = interface.received_packets_per_second;
        let metric = format!("{}_received_packets_per_second", interface.name);
        evidence.push(plain(&metric, Some(packets), Unit::PerSecond, "/proc/net/dev"));
    }
    let handled = kind.map(|(name, rate)| {
        sentence!["; ", quote(name.as_str()), " runs ", count(*rate), " times per second"]
    });
    Outcome::hit(Hit {
        severity,
        confidence_ratio: Confidence::new()
            .margin(
                total.max(worst_ratio / WORST_CPU_INTERRUPTS),
                facts.limit(&INTERRUPTS).warning,
                facts.sampling_error(total),
            )
            .agreement(1 + usize::from(kind.is_some()))
            .ratio(),
        impact: Impact::TimeLost(total.max(worst_ratio / facts.cpus)),
        summary: sentence![
            "Interrupts take ",
            ratio(total),
            " of the CPU time, ",
            ratio(worst_ratio),
            " of CPU ",
            worst_id,
            handled,
            ".",
        ],
        evidence,
        against: Vec::new(),
        who,
        why: kind.map(|(name, _)| sentence!["softirq ", quote(name.as_str())]),
        device,
        suspects: suspects(facts, &ranked, Role::Offender),
        remedy: Remedy::Tune,
        share_of_busy: None,
    })
}

fn busiest<'a>(facts: &'a Facts<'_>) -> Option<&'a InterfaceRates> {
    let packets = |i: &InterfaceRates| i.received_packets_per_second + i.sent_packets_per_second;
    facts
        .rates
        .interfaces
        .iter()
        .filter(|i| packets(i) >= 1000.0)
        .max_by(|a, b| packets(a).total_cmp(&packets(b)))
}

/// Packets that never leave the box are paid for by their sender: it is the one with the most kernel
/// time. Packets from outside have no culprit here but the card they come through.
fn blame(facts: &Facts<'_>, interface: Option<&InterfaceRates>) -> (Who, Option<String>) {
    let ranked = rank(facts, None, |group| group.cpu(), |process| process.cpu_ratio());
    let top =
        ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR) && top.amount >= SENDER_CPUS);
    match interface {
        Some(interface) if interface.physical == Some(true) => {
            (Who::Device(interface.name.clone()), Some(interface.name.clone()))
        }
        _ => (top.map_or(Who::None, |top| Who::Group(top.clone())), None),
    }
}
