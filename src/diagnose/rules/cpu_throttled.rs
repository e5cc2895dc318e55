//! A control group has used up its CPU quota and its threads are held back while CPUs idle.
//!
//! Evidence: `cpu.stat` of the group. Throttled threads are in state R without being counted as runnable, so
//! the load looks high and the CPUs idle at the same time. The throttled time adds up over the CPUs.

use crate::diagnose::evidence::facts::{Facts, group_stall, plain};
use crate::diagnose::rule::{
    Hit, Impact, Outcome, Rule, UNDO_OF_UNIT, Who, advise, change, confirm, look, reading,
};
use crate::diagnose::rule::{Lane, Scope, Since};
use crate::diagnose::thresholds::algorithm::THROTTLED_COST;
use crate::diagnose::thresholds::{THROTTLED_CPUS, THROTTLED_PERIODS, THROTTLED_PERIODS_MIN};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{count, own, ratio, sentence, unit};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuThrottled,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("CPU quota"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Own,
    inputs: &[],
    title: "a CPU quota holds threads back",
    symptom: "A control group (service, container, pod) may use only a part of the CPUs and wants more: its \
              threads stand still for the rest of each period although CPUs are free.",
    false_positives: &[
        "Tiny groups of helpers that touch their quota now and then.",
        "Throttled time above the window's length: it adds up over the CPUs.",
    ],
    sources: &["kernel Documentation/scheduler/sched-bwc.rst", "kubernetes-mixin CPUThrottlingHigh"],
    counters: &[
        "cpu.stat nr_throttled by nr_periods of each control group: share of the periods in which the \
         quota ran out; of a few periods there is no share",
        "cpu.stat throttled_usec, or throttled_time of version 1: time held back, summed over the CPUs, by \
         wall time",
        "cpu.max, or cpu.cfs_quota_us by cpu.cfs_period_us: the quota",
    ],
    limits: &[&THROTTLED_PERIODS, &THROTTLED_CPUS],
    confirm: &[
        confirm(
            "grep -r nr_throttled --include=cpu.stat /sys/fs/cgroup | grep -v ' 0$'",
            "a group whose nr_throttled rises from one look to the next",
        ),
        confirm(
            "vmstat 1 3",
            "id well above 0 although the service is slow: the CPUs are free and may not be used",
        ),
    ],
    advice: &[
        change(
            "Raise the quota of its unit.",
            "systemctl set-property --runtime {unit} CPUQuota={quota}",
            "it may take the CPUs from others",
            UNDO_OF_UNIT,
            Remedy::Tune,
        ),
        look(
            "Look at the quota and how often it is hit.",
            "cat /proc/{pid}/cgroup; grep -r . /sys/fs/cgroup/cpu*/cpu.stat",
            Remedy::Tune,
        ),
        advise(
            "Match the number of threads to the quota (GOMAXPROCS, worker and garbage collector threads): many \
             threads use a quota up early in each period and then all stand still.",
            Remedy::FixProgram,
        ),
        advise("More replicas behind a balancer, each within its quota.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let groups = reading!(facts.rates.cgroups);
    let held = groups
        .iter()
        .filter(|group| group.periods_count as f64 >= facts.setting(&THROTTLED_PERIODS_MIN))
        .filter_map(|group| Some((group, group.throttled_ratio?, group.throttled_cpus?)))
        .filter(|(_, throttled, cpus)| {
            *throttled >= facts.limit(&THROTTLED_PERIODS).warning
                && *cpus >= facts.limit(&THROTTLED_CPUS).warning
        });
    let Some((group, throttled, cpus)) = held.max_by(|a, b| a.2.total_cmp(&b.2)) else {
        return Outcome::Clear;
    };
    let top = facts.most_among(&group.members, |process| process.cpu_ratio() + process.running_mean);
    let named = top.as_ref().map(|top| sentence!["; it holds back ", facts.name(top)]);
    let quota = group.quota_cpus.map(|quota| sentence![" may use ", own(format!("{quota:.2}")), " CPUs and"]);
    let critical = facts.limit(&THROTTLED_PERIODS).critical.is_some_and(|limit| throttled >= limit);
    let summary = sentence![
        "Control group ",
        unit(group.name()),
        quota,
        " is throttled in ",
        ratio(throttled),
        " of its periods, ",
        count(cpus),
        " CPUs' worth of waiting",
        named,
        ".",
    ];
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Outcome::hit(Hit {
        impact: Impact::TimeLost((cpus / facts.cpus).min(1.0).max(THROTTLED_COST * throttled)),
        evidence: [
            facts.evidence(&THROTTLED_PERIODS, Some(throttled), "cpu.stat nr_throttled, nr_periods"),
            facts.evidence(&THROTTLED_CPUS, Some(cpus), "cpu.stat throttled_time, throttled_usec"),
            plain("quota_cpus", group.quota_cpus, Unit::Count, "cpu.max, cpu.cfs_quota_us"),
        ]
        .into_iter()
        .chain(group_stall(group, "cpu"))
        .collect(),
        why: Some(sentence!["held back by the CPU quota of ", unit(group.name())]),
        ..Hit::new(severity, summary, top.map_or(Who::Nobody, Who::Group), Remedy::Tune)
    })
}
