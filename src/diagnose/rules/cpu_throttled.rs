//! A control group has used up its CPU quota and its threads are held back while CPUs idle.
//!
//! Evidence: `cpu.stat` of the group. Throttled threads are in state R without being counted as runnable, so
//! the load looks high and the CPUs idle at the same time. The throttled time adds up over the CPUs.

use crate::diagnose::evidence::facts::{Facts, group_stall, plain};
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise,
    change, confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{THROTTLED_COST, THROTTLED_CPUS_CRITICAL, THROTTLED_LOST};
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
    title: "a CPU quota throttles threads",
    symptom: "A control group (service, container or pod) needs more CPU time than its quota allows: its \
              threads are stopped for the rest of each period, even while CPUs are idle.",
    false_positives: &[
        "Small groups of helpers that reach their quota now and then.",
        "Throttled time longer than the window: it is summed over the CPUs.",
    ],
    sources: &["kernel Documentation/scheduler/sched-bwc.rst", "kubernetes-mixin CPUThrottlingHigh"],
    counters: &[
        "cpu.stat nr_throttled divided by nr_periods, per control group: share of the periods in which the \
         quota ran out; ignored when there are too few periods",
        "cpu.stat throttled_usec (version 1: throttled_time) divided by wall time: time throttled, summed \
         over the CPUs",
        "cpu.max (version 1: cpu.cfs_quota_us divided by cpu.cfs_period_us): the quota",
    ],
    limits: &[&THROTTLED_PERIODS, &THROTTLED_CPUS],
    confirm: &[
        confirm(
            "grep -r nr_throttled --include=cpu.stat /sys/fs/cgroup | grep -v ' 0$'",
            "a group whose nr_throttled rises from one run to the next",
        ),
        confirm(
            "vmstat 1 3",
            "id is well above 0 although the service is slow: CPUs are idle, but the group may not use them",
        ),
    ],
    advice: &[
        look(
            "See the quota and how often it runs out.",
            "grep -sH . {cpu_group}/cpu.stat {cpu_group}/cpu.max {cpu_group}/cpu.cfs_*_us",
            Remedy::Tune,
        ),
        with_diag("See how long its threads are runnable without a CPU.", OwnOption::Account, Remedy::Tune),
        advise(
            "Match the number of threads to the quota (GOMAXPROCS, worker threads, garbage collector \
             threads): too many threads use the quota up early in each period and then all stop.",
            Remedy::FixProgram,
        ),
        change(
            "Raise the quota.",
            ActionTemplate::Raise(GroupLimit::Cpu),
            "other services may get less CPU time",
            Remedy::Tune,
        ),
        advise("Run more replicas behind a load balancer, each within its quota.", Remedy::Distribute),
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
    // A share of what it wanted, not only of its periods: a few that ended a little early delay nobody for long.
    let lost = group.quota_cpus.map_or(1.0, |quota| cpus / (cpus + quota).max(f64::MIN_POSITIVE));
    let critical = facts.limit(&THROTTLED_PERIODS).critical.is_some_and(|limit| throttled >= limit)
        && lost >= THROTTLED_LOST
        && cpus >= THROTTLED_CPUS_CRITICAL;
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
        ..Hit::new(severity, summary, top.map_or(Who::None, Who::Group), Remedy::Tune)
    })
}
