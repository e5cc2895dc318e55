//! The hypervisor gives this guest less CPU time than it wants.
//!
//! Evidence: stolen time while the guest wants to run. Steal of an idle guest does no harm, and where more
//! is wanted than the whole machine could give, the demand is the cause and steal only makes it worse. Inside
//! the guest there is no culprit: it sits on the same host, or is the guest's own limit.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, AdviceTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm,
    look, reading,
};
use crate::diagnose::thresholds::algorithm::{STEAL_COST_BESIDE, STEAL_COST_MAX, STEAL_WANTED_BUSY};
use crate::diagnose::thresholds::{CPU_PRESSURE, STEAL};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{Sentence, count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuSteal,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("steal"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[],
    title: "the hypervisor takes CPU time away",
    symptom: "The guest has work to do, but its virtual CPUs wait for physical CPUs.",
    false_positives: &[
        "A burstable instance without CPU credits looks the same: the limit of its class is the cause.",
        "Steal on a nearly idle guest: no thread waits.",
    ],
    sources: &["proc_stat(5)", "netdata 20min_steal_cpu"],
    counters: &[
        "/proc/stat cpu steal: share of the time in which a virtual CPU was ready to run but did not get a \
         physical one",
        "/proc/stat cpu idle and iowait: the guest must need the time, or more threads must be runnable than \
         there are CPUs",
        "/proc/PID/task/TID/stat state R, sampled: number of runnable threads; where they would overload the \
         machine even without steal, steal is not critical",
        "/proc/pressure/cpu some total: shown next to it",
    ],
    limits: &[&STEAL, &CPU_PRESSURE],
    confirm: &[
        confirm("vmstat 1 5", "st stays high after the first line, with r above 0"),
        confirm("mpstat -P ALL 1 3", "%steal per CPU; %idle is low at the same time"),
    ],
    advice: &[
        look("See how much time is stolen, and whether it stays that way.", "vmstat 1 10", Remedy::Tune),
        advise(
            "Ask the provider, or look at the host: how many guests share its CPUs, and are the CPU credits \
             used up?",
            Remedy::Tune,
        ),
        AdviceTemplate {
            action: "Move the guest to a less crowded host, or to dedicated CPUs.",
            does: ActionTemplate::Plan,
            risk: Some("the guest is moved or restarted"),
            remedy: Remedy::AddResource,
        },
        advise("Spread the work over more guests on other hosts.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    if !cpu.steal_known {
        return Outcome::Unknown(NotChecked {
            what: "stolen CPU time".into(),
            reason: "/proc/stat of this kernel has no steal column".into(),
            unlock: Some("Linux 2.6.11 or newer".into()),
        });
    }
    let steal = cpu.steal_ratio;
    let wanted = cpu.busy_ratio() >= STEAL_WANTED_BUSY || facts.rates.makeup.running_mean > facts.cpus;
    if steal < facts.limit(&STEAL).warning || !wanted {
        return Outcome::Clear;
    }
    let decides = facts.steal_decides();
    let critical = decides && facts.limit(&STEAL).critical.is_some_and(|limit| steal >= limit);
    // busy_ratio counts stolen time: it is neither idle nor iowait.
    let used = cpu.busy_ratio() - steal;
    let ranked = rank(facts, None, |group| group.cpu(), |process| process.cpu_ratio());
    let mut evidence = vec![
        facts.evidence(&STEAL, Some(steal), "/proc/stat steal"),
        plain("cpu_used_ratio", Some(used), Unit::Ratio, "/proc/stat"),
    ];
    evidence.extend(facts.cpu_queue_evidence());
    let virtualization = facts.rates.host.virtualization.clone();
    Outcome::hit(Hit {
        severity: match (facts.background_only(), critical) {
            (true, _) => Severity::Info,
            (false, true) => Severity::Critical,
            (false, false) => Severity::Warning,
        },
        confidence_ratio: Confidence::new()
            .margin(steal, facts.limit(&STEAL).warning, facts.sampling_error(steal))
            .contradicted_if(virtualization.is_none())
            .ratio(),
        impact: Impact::TimeLost(match facts.cpu_wait_known() {
            Some(wait) if decides => steal.max(wait.min(steal * STEAL_COST_MAX)),
            None if decides => steal,
            _ => steal * STEAL_COST_BESIDE,
        }),
        summary: sentence![
            "The hypervisor takes ",
            ratio(steal),
            " of the CPU time while ",
            count(facts.rates.makeup.running_mean),
            " threads are runnable; the guest itself gets ",
            ratio(used),
            ".",
        ],
        evidence,
        against: against(virtualization.is_some(), decides),
        who: Who::None,
        why: None,
        device: None,
        suspects: suspects(facts, &ranked, Role::Victim),
        remedy: Remedy::AddResource,
        share_of_busy: None,
    })
}

fn against(virtual_machine: bool, decides: bool) -> Vec<Sentence> {
    let mut against = Vec::new();
    if !virtual_machine {
        against.push("This does not look like a virtual machine.".into());
    }
    if !decides {
        against.push(
            "More threads are runnable than the CPUs could serve: the box would be slow without steal too."
                .into(),
        );
    }
    against
}
