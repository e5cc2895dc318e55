//! Threads wait while the kernel moves memory together to make large pages.
//!
//! Evidence: direct compaction stalls and the time of kcompactd.

use crate::diagnose::facts::{Facts, evidence, plain};
use crate::diagnose::rules::{Hit, Outcome, Rule, Who, change};
use crate::diagnose::thresholds::COMPACTION_STALLS;
use crate::model::finding::{Remedy, Severity};
use crate::model::units::human_count;

/// The rule.
pub const RULE: Rule = Rule {
    id: "thp-compaction",
    title: "threads wait for large pages",
    symptom: "Memory is in pieces; threads that ask for large pages wait until enough of it has been moved \
              together.",
    false_positives: &["A few stalls at the start of a large program."],
    sources: &["kernel Documentation/admin-guide/mm/transhuge.rst", "proc_vmstat(5) compact_stall"],
    advice: &[change(
        "Large pages only for programs that ask for them.",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        "programs that gain from large pages lose some speed",
        "echo always > /sys/kernel/mm/transparent_hugepage/enabled",
        Remedy::Tune,
    )],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let Some(stalls) = facts.paging().and_then(|paging| paging.compaction_stalls_per_second) else {
        return Outcome::Clear;
    };
    let kcompactd = facts.kernel_threads_cpus(&["kcompactd"]);
    let system = facts.cpu().map_or(0.0, |cpu| cpu.system_ratio);
    if (stalls < COMPACTION_STALLS.warning && kcompactd < 0.3) || system < 0.2 {
        return Outcome::Clear;
    }
    Outcome::hit(Hit {
        confidence_ratio: 0.6,
        impact_ratio: facts.memory_stalls().0.max(0.1),
        evidence: vec![
            evidence(&COMPACTION_STALLS, Some(stalls), "/proc/vmstat compact_stall"),
            plain("kcompactd_cpus", Some(kcompactd), "count", "/proc/PID/stat of kcompactd"),
        ],
        ..Hit::new(
            Severity::Warning,
            format!(
                "{} times a second a thread waits while memory is moved together for a large page.",
                human_count(stalls)
            ),
            Who::Nobody,
            Remedy::Tune,
        )
    })
}
