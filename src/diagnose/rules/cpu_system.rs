//! The CPUs are busy with kernel code on behalf of programs.
//!
//! Evidence: kernel time, its share of the busy time, and that the CPUs are wanted. Kernel threads that
//! work for memory or disks are left out of the blame: their cause is another finding.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{KTHREADS_NAMED, KTHREADS_OF_SYSTEM, Rank};
use crate::diagnose::thresholds::{CONTRIBUTOR, CPU_BRANCH_BUSY, CPU_PRESSURE, CPU_SYSTEM, SYSTEM_SHARE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuSystem,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("system"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::Syscalls),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[Input::CpuPressure, Input::CpuWait, Input::AllProcesses],
    title: "the CPUs are busy with kernel code",
    symptom: "A large part of the CPU time is kernel time: system calls, page faults or other kernel work on \
              behalf of programs.",
    false_positives: &[
        "Kernel threads that reclaim memory (kswapd) or write back: memory or a disk is the cause.",
        "Many short-lived processes: starting and ending a process is kernel work.",
        "One thread in a tight loop of system calls while other CPUs are idle: that thread is the limit.",
    ],
    sources: &["proc_stat(5)", "Gregg, 60-second checklist", "pmie cpu.syscall"],
    counters: &[
        "/proc/stat system: share of all CPU time, and of user, nice and system time together",
        "/proc/pressure/cpu some total; without PSI, the run delay of the threads in schedstat: threads must \
         queue for the CPUs",
        "/proc/PID/stat stime: which process it is; kernel threads are shown separately",
    ],
    limits: &[&CPU_SYSTEM, &SYSTEM_SHARE, &CPU_PRESSURE],
    confirm: &[
        confirm("vmstat 1 5", "sy is at least 20 and not far below us, and r is above the number of CPUs"),
        confirm("pidstat -u 1 3", "the process with the highest %system"),
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
        with_diag("See which kernel function takes the time.", OwnOption::Profile, Remedy::FixProgram),
        with_diag(
            "See which system calls it makes, how often and how long they take.",
            OwnOption::Syscalls,
            Remedy::FixProgram,
        ),
        advise(
            "Make fewer and larger system calls: buffer small reads and writes, reuse connections, drop \
             needless stat and open calls.",
            Remedy::FixProgram,
        ),
        advise("Let a reverse proxy serve static files and hold slow clients.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let busy = cpu.busy_ratio();
    let share = cpu.system_ratio / (cpu.all_user_ratio() + cpu.system_ratio).max(f64::EPSILON);
    let (queues, queues_critically) = facts.cpu_queues();
    if cpu.system_ratio < facts.limit(&CPU_SYSTEM).warning
        || share < facts.limit(&SYSTEM_SHARE).warning
        || !queues
    {
        return Outcome::Clear;
    }
    let heavy = facts.limit(&CPU_SYSTEM).critical.is_some_and(|limit| cpu.system_ratio >= limit)
        || (busy >= facts.setting(&CPU_BRANCH_BUSY)
            && facts.limit(&SYSTEM_SHARE).critical.is_some_and(|limit| share >= limit));
    let severity = match () {
        () if facts.background_only() => Severity::Info,
        () if heavy && queues_critically => Severity::Critical,
        () => Severity::Warning,
    };
    let system_cpus = cpu.system_ratio * f64::from(facts.rates.cpus_online_count);
    let kernel_threads = facts.kernel_threads_cpus(&[""]);
    let ranked = rank(facts, Some(system_cpus), |group| group.system, |process| process.system_ratio);
    let mut evidence = vec![
        facts.evidence(&CPU_SYSTEM, Some(cpu.system_ratio), "/proc/stat system"),
        facts.evidence(&SYSTEM_SHARE, Some(share), "/proc/stat system, user, nice"),
        plain("kernel_threads_cpus", Some(kernel_threads), Unit::Count, "/proc/PID/stat of kernel threads"),
    ];
    evidence.extend(facts.cpu_queue_evidence());
    let mut against = Vec::new();
    if kernel_threads >= KTHREADS_NAMED * system_cpus {
        against.push(sentence![
            "Kernel threads use ",
            ratio(kernel_threads),
            " of one CPU of it, on behalf of something else.",
        ]);
    }
    let top = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)).cloned();
    let named = top.as_ref().map(|top| {
        sentence!["; ", facts.name(top), " spends ", ratio(top.amount), " of one CPU in the kernel"]
    });
    Outcome::hit(Hit {
        severity,
        confidence_ratio: Confidence::new()
            .margin(
                cpu.system_ratio,
                facts.limit(&CPU_SYSTEM).warning,
                facts.sampling_error(cpu.system_ratio),
            )
            .agreement(1 + usize::from(queues))
            .contradicted_if(kernel_threads >= KTHREADS_OF_SYSTEM * system_cpus)
            .ratio(),
        impact: Impact::measured_or(
            facts.cpu_wait_known().map(|wait| wait * (cpu.system_ratio / busy.max(f64::EPSILON)).min(1.0)),
            Rank::Low,
        ),
        summary: sentence![
            "Kernel code takes ",
            ratio(cpu.system_ratio),
            " of the CPU time (",
            ratio(share),
            " of the time in use), and ",
            count(facts.rates.makeup.running_mean),
            " threads are runnable",
            named,
            ".",
        ],
        evidence,
        against,
        who: top.map_or(Who::None, Who::Group),
        why: None,
        device: None,
        suspects: suspects(facts, &ranked, Role::Offender),
        remedy: Remedy::FixProgram,
        share_of_busy: None,
    })
}
