//! Threads wait while the kernel moves memory together to make large pages.
//!
//! Evidence: direct compaction, done by the thread that wants the page, and the time of the threads that compact in
//! the background; together with the kernel time that it costs.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading,
};
use crate::diagnose::thresholds::algorithm::{COMPACTION_PRESSURE, OF_SYSTEM_COST};
use crate::diagnose::thresholds::{
    COMPACTION_STALLS, COMPACTION_THREADS, CPU_SYSTEM, MAIN_CAUSE, MEMORY_PRESSURE,
};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::sentence::{count, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::ThpCompaction,
    resource: Resource::Memory,
    lane: Lane::SwapOrDisk("compaction"),
    sort: Sort::Memory,
    profile: None,
    since: Since::MemoryPressure,
    scope: Scope::Node,
    inputs: &[Input::MemoryPressure, Input::AllProcesses],
    title: "threads wait for huge pages",
    symptom: "Free memory is fragmented. Threads that allocate huge pages wait until the kernel has \
              compacted enough memory, and compaction uses much CPU time.",
    false_positives: &[
        "A few stalls while a large program starts.",
        "Compaction while memory is short: the shortage is the cause.",
    ],
    sources: &["kernel Documentation/admin-guide/mm/transhuge.rst", "proc_vmstat(5) compact_stall (2.6.35)"],
    counters: &[
        "/proc/vmstat compact_stall: allocations that had to compact memory themselves; compact_fail: \
         without success",
        "/proc/PID/stat of kcompactd and khugepaged: their CPU time",
        "/proc/stat system: kernel time",
        "/proc/pressure/memory: time that threads were stalled by it",
    ],
    limits: &[&COMPACTION_STALLS, &COMPACTION_THREADS, &CPU_SYSTEM, &MEMORY_PRESSURE],
    confirm: &[
        confirm(
            "grep -E 'compact_(stall|fail)' /proc/vmstat; sleep 5; grep -E 'compact_(stall|fail)' \
             /proc/vmstat",
            "compact_stall rises by tens per second",
        ),
        confirm("cat /proc/buddyinfo", "the right-hand columns, the large blocks, are nearly 0"),
        confirm(
            "cat /sys/kernel/mm/transparent_hugepage/defrag",
            "[always], or [madvise] with a program that asks for huge pages",
        ),
    ],
    advice: &[
        look(
            "See how the kernel makes huge pages.",
            "grep . /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/transparent_hugepage/defrag",
            Remedy::Tune,
        ),
        look(
            "See how much of the process is in huge pages.",
            "grep -H AnonHugePages /proc/{pid}/smaps_rollup",
            Remedy::Tune,
        ),
        advise(
            "Allocate memory once and keep it, or reserve huge pages at boot (vm.nr_hugepages).",
            Remedy::FixProgram,
        ),
        change(
            "Let the kernel make huge pages in the background only.",
            ActionTemplate::Write { path: "/sys/kernel/mm/transparent_hugepage/defrag", value: "defer" },
            "programs get huge pages later",
            Remedy::Tune,
        ),
        change(
            "Use huge pages only for programs that ask for them.",
            ActionTemplate::Write { path: "/sys/kernel/mm/transparent_hugepage/enabled", value: "madvise" },
            "programs that gain from huge pages get slower",
            Remedy::Tune,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let (paging, cpu) = (reading!(facts.rates.paging), reading!(facts.rates.cpu));
    // A kernel without compaction does not count it.
    let Some(stalls) = paging.compaction_stalls_per_second else { return Outcome::Clear };
    let threads = facts.kernel_threads_cpus(&["kcompactd", "khugepaged"]);
    let compacting = stalls >= facts.limit(&COMPACTION_STALLS).warning
        || threads >= facts.limit(&COMPACTION_THREADS).warning;
    if !compacting || cpu.system_ratio < facts.limit(&CPU_SYSTEM).warning {
        return Outcome::Clear;
    }
    // Who stalls spends kernel time on it.
    let ranked = rank(facts, None, |group| group.system, |process| process.system_ratio);
    let who = ranked.first().filter(|top| top.share >= facts.setting(&MAIN_CAUSE)).cloned();
    let named = who.as_ref().map(|top| {
        sentence!["; ", facts.name(top), " spends ", ratio(top.amount), " of one CPU in the kernel"]
    });
    let stalls_critically =
        facts.limit(&MEMORY_PRESSURE).critical.is_some_and(|limit| facts.memory_stalls().some_reaches(limit));
    let critical = stalls_critically && stalls >= facts.limit(&COMPACTION_STALLS).warning;
    let severity = match critical {
        // Where memory itself is short, that is why no large piece is free, and what threads wait for.
        _ if facts.memory_shortage().is_some() => Severity::Info,
        true => Severity::Critical,
        false => Severity::Warning,
    };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .agreement(
                usize::from(stalls >= facts.limit(&COMPACTION_STALLS).warning)
                    + usize::from(threads >= facts.limit(&COMPACTION_THREADS).warning)
                    + usize::from(facts.memory_stalls().some_reaches(COMPACTION_PRESSURE)),
            )
            .ratio(),
        impact: Impact::TimeLost(
            facts.memory_stalls().some.into_iter().fold(OF_SYSTEM_COST * cpu.system_ratio, f64::max),
        ),
        evidence: vec![
            facts.evidence(&COMPACTION_STALLS, Some(stalls), "/proc/vmstat compact_stall"),
            plain(
                "compaction_failures_per_second",
                paging.compaction_failures_per_second,
                Unit::PerSecond,
                "/proc/vmstat compact_fail",
            ),
            facts.evidence(&COMPACTION_THREADS, Some(threads), "/proc/PID/stat of kcompactd, khugepaged"),
            facts.evidence(&CPU_SYSTEM, Some(cpu.system_ratio), "/proc/stat system"),
        ],
        why: Some("asks for large pages that the kernel must assemble first".into()),
        suspects: suspects(facts, &ranked, Role::Victim),
        ..Hit::new(
            severity,
            sentence![
                count(stalls),
                " times per second a thread waits while the kernel compacts memory for a large page",
                named,
                ".",
            ],
            who.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}
