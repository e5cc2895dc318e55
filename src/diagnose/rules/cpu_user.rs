//! The CPUs are busy with user code and threads queue for them.
//!
//! Evidence: busy time, its user part, and waiting threads (PSI, or runnable threads by CPU).
//! Utilisation without waiting is not a problem and is not reported.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Group, Ranked, rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_SHARE, Rank};
use crate::diagnose::thresholds::{CONTRIBUTOR, CPU_BUSY, CPU_PRESSURE, MAIN_CAUSE, USER_SHARE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::ProcessRates;
use crate::model::sentence::{Sentence, count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuUser,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("user"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[Input::CpuPressure, Input::CpuWait, Input::AllProcesses],
    title: "the CPUs are busy with user code",
    symptom: "Nearly all CPU time is spent in programs' own code, and more threads are runnable than there \
              are CPUs.",
    false_positives: &[
        "Busy CPUs without waiting threads: a batch job that uses idle CPU time.",
        "Work at low priority (nice): other threads go first. Nice values have no effect across cgroups or, \
         with autogroup, across sessions.",
        "Steal: the hypervisor gives the guest less CPU time than it shows.",
    ],
    sources: &["proc_stat(5)", "kernel Documentation/accounting/psi.rst", "Gregg, USE method"],
    counters: &[
        "/proc/stat cpu: share of the time that is neither idle nor iowait, and the share of user and nice in \
         user, nice and system time together",
        "/proc/pressure/cpu some total: time in which at least one thread waited for a CPU; without PSI, the \
         run delay of the threads in schedstat",
        "/proc/PID/task/TID/stat state R, sampled: where waiting is not counted at all, runnable threads \
         beyond the number of CPUs",
        "/proc/stat nice, and the run delay of threads at normal priority: low-priority work that delays no \
         other thread is not a warning",
        "/proc/PID/stat utime, stime: which process it is",
    ],
    limits: &[&CPU_BUSY, &USER_SHARE, &CPU_PRESSURE],
    confirm: &[
        confirm("vmstat 1 5", "us near 100, id near 0, and r above the number of CPUs"),
        confirm("cat /proc/pressure/cpu", "avg10 of some above 25"),
        confirm("pidstat -u 1 3", "which process has the highest %usr, and which one waits (%wait)"),
    ],
    advice: &[
        change(
            "Give its unit a smaller share of the CPUs, so that other services go first.",
            ActionTemplate::CpuWeight,
            "that unit gets slower while others need the CPUs",
            Remedy::Tune,
        ),
        change(
            "Let other processes go first.",
            ActionTemplate::Renice,
            "it gets slower; no effect across cgroups and autogroups",
            Remedy::Tune,
        ),
        with_diag("See which function uses the CPU time.", OwnOption::Profile, Remedy::FixProgram),
        advise(
            "Fix the hot function: a loop, a regular expression, parsing, a query without an index.",
            Remedy::FixProgram,
        ),
        advise("Add CPUs, or use faster ones.", Remedy::AddResource),
        advise(
            "Spread the work: more application servers behind a load balancer, a cache in front, replicas \
             for reads.",
            Remedy::Distribute,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let busy = cpu.busy_ratio();
    // Of the two together, as for kernel time: time in interrupts or stolen must not leave a gap between the two rules.
    let user_share = cpu.all_user_ratio() / (cpu.all_user_ratio() + cpu.system_ratio).max(f64::EPSILON);
    let (queues, queues_critically) = facts.cpu_queues();
    if busy < facts.limit(&CPU_BUSY).warning || user_share < facts.limit(&USER_SHARE).warning || !queues {
        return Outcome::Clear;
    }
    let error = facts.sampling_error(busy);
    let critical =
        facts.limit(&CPU_BUSY).critical.is_some_and(|limit| busy - error.min(ERROR_OF_A_SHARE) >= limit)
            && queues_critically;
    let harmless = facts.background_only();
    let severity = match (harmless, critical) {
        (true, _) => Severity::Info,
        (false, true) => Severity::Critical,
        (false, false) => Severity::Warning,
    };
    // All its CPU time counts: the CPUs are short, whichever mode they are used in.
    let ranked = rank(facts, Some(facts.busy_cpus()), |group| group.cpu(), ProcessRates::cpu_ratio);
    let mut evidence = vec![
        facts.evidence(&CPU_BUSY, Some(busy), "/proc/stat"),
        facts.evidence(&USER_SHARE, Some(user_share), "/proc/stat user, nice"),
    ];
    evidence.extend(facts.cpu_queue_evidence());
    evidence.push(plain("cpu_nice_ratio", Some(cpu.nice_ratio), Unit::Ratio, "/proc/stat nice"));
    let mut against = Vec::new();
    if harmless {
        against.push(
            "The time goes to work at lowered priority, and threads of normal priority hardly wait.".into(),
        );
    }
    let (who, remedy) = blame(facts, &ranked);
    Outcome::hit(Hit {
        severity,
        confidence_ratio: Confidence::new()
            .margin(busy, facts.limit(&CPU_BUSY).warning, error)
            .agreement(1 + usize::from(facts.rates.makeup.running_mean > facts.cpus))
            .ratio(),
        impact: Impact::measured_or(facts.cpu_wait_known().map(|wait| wait * user_share), Rank::Low),
        summary: sentence![
            "User code keeps the ",
            facts.rates.cpus_online_count,
            " CPUs ",
            ratio(busy),
            " busy; ",
            count(facts.rates.makeup.running_mean),
            " threads are runnable, and at least one thread was waiting for a CPU ",
            facts.cpu_wait_words(),
            " of the time",
            named(facts, &ranked),
            ".",
        ],
        evidence,
        against,
        who,
        why: None,
        device: None,
        suspects: suspects(facts, &ranked, Role::Offender),
        remedy,
        share_of_busy: None,
    })
}

/// Who it is and which remedy fits: one process that burns is a program's fault, many equal workers are a
/// machine too small.
fn blame(facts: &Facts<'_>, ranked: &[Ranked]) -> (Who, Remedy) {
    let Some(top) = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)) else {
        return (Who::None, Remedy::Distribute);
    };
    let group: &Group<'_> = &facts.groups[top.group];
    let remedy = match (group.count(), top.share) {
        (1, share) if share >= facts.setting(&MAIN_CAUSE) => Remedy::FixProgram,
        (1, _) => Remedy::Tune,
        _ => Remedy::AddResource,
    };
    (Who::Group(top.clone()), remedy)
}

fn named(facts: &Facts<'_>, ranked: &[Ranked]) -> Option<Sentence> {
    let top = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR))?;
    Some(sentence!["; ", facts.name(top), " uses ", ratio(top.amount), " of one CPU"])
}
