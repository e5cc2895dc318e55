//! Step 2, CPU or I/O: which of the two do threads wait for? It may be both.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::load::LoadAnswer as Load;
use crate::diagnose::thresholds::{
    CPU_BRANCH_BUSY, CPU_BUSY, CPU_PRESSURE, DISK_BUSY, DISK_QUEUE, IO_PRESSURE, IOWAIT, MEMORY_PRESSURE,
    UNINTERRUPTIBLE,
};
use crate::diagnose::triage::Short;
use crate::model::finding::{Step, StepId};
use crate::model::report::Verdict;
use crate::model::sentence::{count, ratio, sentence};

/// Decides.
pub fn step(facts: &Facts<'_>, load: Load) -> (Step, Short) {
    let cpu = facts.cpu();
    let waiters = facts.io_waiters_mean();
    let blocked =
        facts.rates.procs_blocked_mean.is_some_and(|mean| mean >= facts.limit(&UNINTERRUPTIBLE).warning);
    let device = facts.disks().iter().any(|disk| disk.queue_mean >= facts.limit(&DISK_QUEUE).warning);
    let cpu_short = cpu.is_some_and(|cpu| cpu.busy_ratio() >= facts.setting(&CPU_BRANCH_BUSY))
        || facts.cpu_waits(facts.limit(&CPU_PRESSURE).warning);
    let io_short = facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning)
        || cpu.is_some_and(|cpu| cpu.iowait_ratio >= facts.limit(&IOWAIT).warning)
        || waiters >= facts.limit(&UNINTERRUPTIBLE).warning
        || (blocked && waiters > 0.0)
        || facts.memory_stalls().some_reaches(facts.limit(&MEMORY_PRESSURE).warning)
        || device;
    let seen = (!facts.rates.processes.is_empty()).then_some(waiters);
    let known = cpu.is_some() || facts.cpu_wait_known().is_some();
    let answer = match (cpu_short, io_short) {
        (false, false) if !known => "unknown",
        (true, true) => "cpu and io",
        (true, false) => "cpu",
        (false, true) => "io",
        (false, false) if load == Load::Queueing => "neither: a limit or a lock",
        (false, false) => "neither",
    };
    let brief = match (cpu_short, io_short) {
        (false, false) if !known => "CPU and I/O unknown",
        (true, true) => "CPU and I/O",
        (true, false) => "CPU, not I/O",
        (false, true) => "I/O, not CPU",
        (false, false) => "neither CPU nor I/O",
    };
    let summary = sentence![
        cpu.map_or_else(
            || "how busy the CPUs are is not known".into(),
            |cpu| sentence!["CPUs ", ratio(cpu.busy_ratio()), " busy"],
        ),
        "; at least one thread was waiting for a CPU ",
        facts.cpu_wait_words(),
        " of the time, for I/O ",
        facts.io_wait_words(),
        ", for memory ",
        facts.memory_wait_words(),
        "; ",
        seen.map_or_else(|| "an unknown number of".into(), |seen| sentence![count(seen)]),
        " threads were blocked on I/O",
    ];
    let psi = |reading: &crate::model::reading::Reading<crate::model::rates::PressureRates>| {
        reading.as_ref().ok().map(|pressure| pressure.some_ratio)
    };
    let busiest = facts.disks().iter().max_by(|a, b| a.utilization_ratio.total_cmp(&b.utilization_ratio));
    let busiest_source =
        busiest.map_or_else(|| "/proc/diskstats".to_owned(), |disk| format!("/proc/diskstats {}", disk.name));
    let step = Step {
        step: StepId::CpuOrIo,
        question: "Do threads wait for the CPUs or for I/O?".to_owned(),
        answer: answer.into(),
        brief: brief.into(),
        summary,
        evidence: vec![
            facts.evidence(&CPU_BUSY, cpu.map(|cpu| cpu.busy_ratio()), "/proc/stat"),
            facts.evidence(&CPU_PRESSURE, psi(&facts.rates.cpu_pressure), "/proc/pressure/cpu some total"),
            facts.evidence(&IO_PRESSURE, psi(&facts.rates.io_pressure), "/proc/pressure/io some total"),
            facts.evidence(
                &MEMORY_PRESSURE,
                psi(&facts.rates.memory_pressure),
                "/proc/pressure/memory some total",
            ),
            facts.evidence(
                &IOWAIT,
                cpu.filter(|cpu| cpu.waits_known).map(|cpu| cpu.iowait_ratio),
                "/proc/stat iowait",
            ),
            facts.evidence(&DISK_BUSY, busiest.map(|disk| disk.utilization_ratio), &busiest_source),
            facts.evidence(&UNINTERRUPTIBLE, seen, "/proc/PID/task/TID/stat state D, wchan"),
        ],
        next: None,
    };
    (step, Short { cpu: cpu_short, io: io_short })
}

/// Says where the triage goes on when what step 2 measured does not lead there.
pub fn lead_on(step: &mut Step, short: Short, next: Option<StepId>, verdict: &Verdict) {
    if !verdict.bottleneck.is_bottleneck() {
        return;
    }
    let clear = match (short.cpu, short.io) {
        (false, false) => "Neither the CPUs nor I/O are short",
        (true, false) => "I/O is not short",
        (false, true) => "The CPUs are not short",
        (true, true) => return,
    };
    let found = match next {
        Some(StepId::UserOrSystem) if !short.cpu => "the CPU time of single threads and groups",
        Some(StepId::SwapOrDisk) if !short.io => "memory and disks",
        Some(StepId::LimitsAndErrors) => "limits, locks and errors",
        _ => return,
    };
    step.summary.push(sentence![". ", clear, "; the bottleneck was found among ", found, "."]);
}
