//! A thread of the kernel takes a CPU. Its name says what it works for.
//!
//! Evidence: CPU time of kernel threads, the workers of one queue together. The thread is never the culprit; what it
//! serves is the cause, and where another rule finds that, this is explained by it. What is left are settings and
//! drivers, and work that one thread alone has to do for many.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Ranked, rank};
use crate::diagnose::evidence::kernel_work::{KernelWork, Served};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm,
    look, trace,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_A_SHARE, Rank};
use crate::diagnose::thresholds::{
    CPU_PRESSURE, IO_PRESSURE, KERNEL_THREAD_CPU, MAIN_CAUSE, MEMORY_PRESSURE,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::ProcessRates;
use crate::model::sentence::{process, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::KthreadHog,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("kernel threads"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[Input::CpuPressure],
    title: "a kernel thread takes a CPU",
    symptom: "A kernel thread uses most of a CPU, for memory management, disks, packets, a setting or a \
              driver.",
    false_positives: &[
        "Threads that reclaim memory or write back: memory or a disk is the cause, and is reported as such.",
        "A thread that keeps up with its work on an otherwise idle machine.",
        "Threads that serve clients together, such as those of a file server, each with time left.",
    ],
    sources: &[
        "ps(1)",
        "kernel Documentation/core-api/workqueue.rst",
        "kernel Documentation/admin-guide/mm/ksm.rst",
    ],
    counters: &[
        "/proc/PID/stat of kernel threads (PF_KTHREAD): CPU time, the workers of one queue together",
        "/proc/pressure/cpu: whether threads wait for a CPU",
        "/proc/PID/io: which process keeps disk workers busy",
    ],
    limits: &[&KERNEL_THREAD_CPU, &CPU_PRESSURE, &MEMORY_PRESSURE, &IO_PRESSURE],
    confirm: &[
        confirm("top -b -n 2 -d 5 | grep -E '\\[|k[a-z]+d'", "one thread without a command line near 100 %"),
        confirm(
            "cat /sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/pages_to_scan",
            "for ksmd: 1 and a large number",
        ),
    ],
    advice: &[
        look(
            "See which kernel threads are busy.",
            "ps -eo pid,pcpu,comm --sort -pcpu | grep -E 'kworker|k[a-z]+d' | head",
            Remedy::Tune,
        ),
        trace(
            "See which kernel functions they run.",
            "perf top -g -K",
            "perf uses some CPU time itself",
            Remedy::Tune,
        ),
        advise("If a driver or firmware is at fault, install a newer version.", Remedy::FixProgram),
        change(
            "If it is ksmd, let it scan less.",
            ActionTemplate::Write { path: "/sys/kernel/mm/ksm/pages_to_scan", value: "100" },
            "equal pages are merged later",
            Remedy::Tune,
        ),
        advise(
            "If it encrypts or checks a disk, spread the data over several devices, or use CPUs with \
             hardware support for it.",
            Remedy::AddResource,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let Some(work) = facts.busiest_kernel_work() else { return Outcome::Clear };
    if work.cpus < facts.limit(&KERNEL_THREAD_CPU).warning {
        return Outcome::Clear;
    }
    // It is a matter where the CPUs are wanted, or where one thread has more to do than one CPU can. Several that share
    // the work of clients and have time left do their work.
    let wanted = facts.cpu_waits(facts.limit(&CPU_PRESSURE).warning);
    let at_critical = |cpus: f64| facts.limit(&KERNEL_THREAD_CPU).critical.is_some_and(|limit| cpus >= limit);
    let severity = match (at_critical(work.cpus), wanted) {
        (true, true) if facts.cpu_queues().1 => Severity::Critical,
        (_, true) => Severity::Warning,
        _ if at_critical(work.busiest_cpus) && waited_for(facts, &work) => Severity::Warning,
        _ if at_critical(work.busiest_cpus) => Severity::Notice,
        _ => Severity::Info,
    };
    let mover = mover(facts, &work);
    let named = mover.as_ref().map(|top| sentence![", for ", facts.name(top)]);
    let one = work.threads_count <= 1;
    let name = process(work.name.as_str());
    let who_works = if one {
        sentence!["Kernel thread ", name, ", which "]
    } else {
        sentence![work.threads_count, " kernel threads of ", name, ", each of which "]
    };
    let verb = if one { ", uses " } else { ", use " };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(work.cpus, facts.limit(&KERNEL_THREAD_CPU).warning, ERROR_OF_A_SHARE)
            .agreement(1 + usize::from(wanted))
            .ratio(),
        impact: Impact::measured_or(
            facts
                .cpu_wait_known()
                .map(|wait| (work.cpus / facts.cpus).min(1.0) * wait.max(Rank::Low.ratio())),
            Rank::Minor,
        ),
        evidence: vec![
            facts.evidence(&KERNEL_THREAD_CPU, Some(work.cpus), "/proc/PID/stat of kernel threads"),
            plain(
                "busiest_kernel_thread_cpus",
                Some(work.busiest_cpus),
                Unit::Count,
                "/proc/PID/stat of kernel threads",
            ),
            plain("psi_cpu_some_ratio", facts.cpu_wait_known(), Unit::Ratio, "/proc/pressure/cpu some total"),
        ],
        why: mover
            .as_ref()
            .map(|_| sentence!["makes the kernel work: ", process(work.name.as_str()), " ", work.words]),
        ..Hit::new(
            severity,
            sentence![who_works, work.words, named, verb, ratio(work.cpus), " of one CPU."],
            mover.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}

/// Whether a program waits for what the threads do.
fn waited_for(facts: &Facts<'_>, work: &KernelWork) -> bool {
    match work.served {
        Served::Memory | Served::Compaction => {
            facts.memory_stalls().some_reaches(facts.limit(&MEMORY_PRESSURE).warning)
        }
        Served::Interrupts => facts.packets_lost(),
        Served::Disks | Served::Recovery => facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning),
        Served::Processes | Served::Itself => false,
    }
}

/// Less traffic than this makes no kernel thread work.
const BYTES_MIN: f64 = 1_048_576.0;

/// Fewer threads than this wait for nothing.
const WAITERS_MIN: f64 = 0.3;

/// Who makes it work, where that can be told: who moves the bytes, or else who waits for it to be done (sync(2) moves
/// none of its own).
fn mover(facts: &Facts<'_>, work: &KernelWork) -> Option<Ranked> {
    let bytes = |process: &ProcessRates| process.io_bytes_per_second().unwrap_or(0.0);
    let waits = |process: &ProcessRates| process.uninterruptible_mean;
    let first = |metric: &dyn Fn(&ProcessRates) -> f64, least: f64| {
        let ranked = rank(facts, None, |group| group.sum(metric), metric);
        ranked.into_iter().next().filter(|top| top.amount >= least)
    };
    let top = match work.served {
        Served::Disks => first(&bytes, BYTES_MIN).or_else(|| first(&waits, WAITERS_MIN)),
        Served::Memory => facts.memory_blame().main(),
        _ => None,
    };
    top.filter(|top| top.share >= facts.setting(&MAIN_CAUSE))
}
