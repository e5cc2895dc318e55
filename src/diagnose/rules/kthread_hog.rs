//! A thread of the kernel takes a CPU. It works for somebody: its name says for what.
//!
//! Evidence: CPU time of kernel threads. The kernel thread is never the culprit; what it serves is the cause,
//! and where another rule finds that, this is explained by it.

use crate::diagnose::facts::{Facts, evidence};
use crate::diagnose::rules::{Hit, Outcome, Rule, Who, look};
use crate::diagnose::thresholds::KERNEL_THREAD_CPU;
use crate::model::finding::{Remedy, Severity};
use crate::model::units::percent;

/// The rule.
pub const RULE: Rule = Rule {
    id: "kthread-hog",
    title: "a kernel thread takes a CPU",
    symptom: "A worker of the kernel uses a large part of a CPU on behalf of memory, disks, packets or a driver.",
    false_positives: &["Workers that free memory or write back: the cause is memory or a disk."],
    sources: &["ps(1)", "kernel Documentation/core-api/workqueue.rst"],
    advice: &[look("See what it does.", "perf top -g -K", Remedy::Tune)],
    check,
};

/// What the kernel's threads work for, by the beginning of their names.
const WORK: [(&str, &str); 14] = [
    ("kswapd", "frees memory"),
    ("kcompactd", "moves memory together for large pages"),
    ("khugepaged", "makes large pages"),
    ("ksoftirqd", "handles packets and timers"),
    ("irq/", "handles a device's interrupts"),
    ("migration", "moves threads between CPUs"),
    ("jbd2", "writes a file system's journal"),
    ("xfsaild", "writes a file system's journal"),
    ("md", "works for a RAID"),
    ("ksmd", "merges equal pages"),
    ("rcu", "cleans up after the kernel"),
    ("scsi_eh", "recovers a disk from errors"),
    ("nfsd", "serves NFS"),
    ("loop", "serves a loop device"),
];

fn check(facts: &Facts<'_>) -> Outcome {
    let kernel = facts.rates.processes.iter().filter(|process| process.kernel_thread);
    let Some(process) = kernel.max_by(|a, b| a.cpu_ratio().total_cmp(&b.cpu_ratio())) else {
        return Outcome::Clear;
    };
    let cpu = process.cpu_ratio();
    if cpu < KERNEL_THREAD_CPU.warning {
        return Outcome::Clear;
    }
    let name = process.comm.to_lossy();
    let work = WORK
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map_or("works for a driver", |(_, work)| work);
    // Its load is only a matter where the CPUs are wanted.
    let wanted = facts.cpu_wait_ratio() >= 0.1;
    let critical = KERNEL_THREAD_CPU.critical.is_some_and(|limit| cpu >= limit) && wanted;
    Outcome::hit(Hit {
        confidence_ratio: 0.6,
        impact_ratio: if wanted { 0.2 } else { 0.1 },
        evidence: vec![evidence(&KERNEL_THREAD_CPU, Some(cpu), "/proc/PID/stat of kernel threads")],
        ..Hit::new(
            if critical { Severity::Warning } else { Severity::Info },
            format!("Kernel thread {name} uses {} of one CPU: it {work}.", percent(cpu)),
            Who::Nobody,
            Remedy::Tune,
        )
    })
}
