//! Stalls that no finding explains: a box that stands still is never called healthy.
//!
//! Where the stall time for a resource is at its critical limit and no finding is about that stall, the numbers are told
//! without a cause: what stalls, what was ruled out, what would show it.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::groups::{Who, rank, suspects};
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::rule::{Hit, Impact, Rule, Since};
use crate::diagnose::rules::{cpu_interrupts, cpu_system, cpu_throttled, cpu_user};
use crate::diagnose::rules::{disk_latency, io_blocked, lock_contention, memory_reclaim};
use crate::diagnose::thresholds::algorithm::{
    CONFIDENCE_MIN, DISK_IN_USE, HELD_BACK_BUSY, UNEXPLAINED_CONFIDENCE,
};
use crate::diagnose::thresholds::{
    CONTRIBUTOR, CPU_BUSY, CPU_PRESSURE, DISK_BUSY, IO_PRESSURE, Limit, MEMORY_PRESSURE, UNINTERRUPTIBLE,
};
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Evidence, Remedy, Role, Severity};
use crate::model::rates::ProcessRates;
use crate::model::sentence::{Sentence, bytes, count, device, ratio, sentence};
use crate::model::wait::LOCK_SERIAL_CPUS;

/// A finding for each stall that none of the `judged` is about. It stands in for one of the same rule that says less.
pub(super) fn cover(facts: &Facts<'_>, judged: &mut Vec<Judged>) {
    for (stall, tell) in [
        (Stall::Cpu, cpu as fn(&Facts<'_>, f64) -> (&'static Rule, Hit)),
        (Stall::Memory, memory),
        (Stall::Io, io),
    ] {
        let Some(share) = stall.critical(facts) else { continue };
        if judged.iter().any(|judged| stall.is_told_by(facts, judged)) {
            continue;
        }
        let (rule, hit) = tell(facts, share);
        judged.retain(|judged| judged.rule.id != rule.id);
        judged.push(Judged::new(rule, hit, None));
    }
}

/// A resource that threads wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stall {
    Cpu,
    Memory,
    Io,
}

impl Stall {
    /// The share of the time that threads were stalled, where that is critical. Without PSI, what replaces it.
    fn critical(self, facts: &Facts<'_>) -> Option<f64> {
        let at = |share: Option<f64>, limit: &'static Limit| {
            share.filter(|share| facts.limit(limit).critical.is_some_and(|critical| *share >= critical))
        };
        match self {
            Self::Cpu => at(facts.cpu_wait_known(), &CPU_PRESSURE),
            Self::Memory => at(facts.memory_stalls().some, &MEMORY_PRESSURE),
            // What was frozen on purpose may have been frozen while it waited.
            Self::Io if facts.is_frozen_on_purpose() => None,
            Self::Io => match facts.io_stalls().some {
                Some(share) => at(Some(share), &IO_PRESSURE),
                None => at(Some(facts.io_waiters_mean()), &UNINTERRUPTIBLE).map(|mean| mean.min(1.0)),
            },
        }
    }

    /// Whether a finding is about this stall. Want of memory makes threads wait for disks as well.
    fn is_told_by(self, facts: &Facts<'_>, judged: &Judged) -> bool {
        let severity = judged.hit.severity;
        let about = match (judged.rule.since, judged.rule.id) {
            (_, BottleneckId::LockContention) => self == Self::Cpu,
            (_, BottleneckId::HwError) => self == Self::Io,
            (_, BottleneckId::MemoryOom) => self != Self::Cpu,
            (Since::CpuPressure, _) => self == Self::Cpu,
            (Since::MemoryPressure, _) => self != Self::Cpu,
            (Since::IoPressure, _) => self == Self::Io,
            (Since::OneThread | Since::Unmeasured, _) => false,
        };
        // Work at lowered priority that waits is as it should be.
        let lets_others_go = match self {
            Self::Cpu => facts.background_only(),
            Self::Io => judged.rule.id == BottleneckId::IoBound,
            Self::Memory => false,
        };
        let background = severity == Severity::Info && lets_others_go;
        let sure = judged.sure_ratio >= CONFIDENCE_MIN;
        // A program that waits for a quick disk most of the time is at its own limit, and its waiting is told.
        let least = if self == Self::Io { Severity::Notice } else { Severity::Warning };
        about && sure && (severity >= least || background)
    }
}

/// The rule that comes nearest, by the mode of the CPU time; where the CPUs have time left, threads are held back.
fn cpu(facts: &Facts<'_>, share: f64) -> (&'static Rule, Hit) {
    let busy = facts.cpu().map(|cpu| cpu.busy_ratio());
    let idle = busy.is_some_and(|busy| busy < HELD_BACK_BUSY);
    let turns = idle && takes_turns(facts);
    let rule = match facts.cpu() {
        _ if turns => &lock_contention::RULE,
        _ if idle => &cpu_throttled::RULE,
        Some(cpu) if cpu.interrupts_ratio() > cpu.all_user_ratio().max(cpu.system_ratio) => {
            &cpu_interrupts::RULE
        }
        Some(cpu) if cpu.system_ratio > cpu.all_user_ratio() => &cpu_system::RULE,
        _ => &cpu_user::RULE,
    };
    let ranked = rank(facts, Some(facts.busy_cpus()), |group| group.cpu(), ProcessRates::cpu_ratio);
    let top = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)).cloned();
    let named = top.as_ref().map(|top| sentence!["; ", facts.name(top), " uses most CPU time"]);
    let summary = sentence![
        "At least one thread was waiting for a CPU ",
        ratio(share),
        " of the time",
        busy.map(|busy| sentence![" while the CPUs were ", ratio(busy), " busy"]),
        match (turns, idle) {
            (true, _) => ", which threads that hand on a lock do; what they sleep in is not seen",
            (false, true) => ", which a quota or a binding to few CPUs does; the cause is not seen",
            (false, false) => "; the cause is not seen",
        },
        named,
        ".",
    ];
    let mut evidence = facts.cpu_queue_evidence();
    evidence.push(facts.evidence(&CPU_BUSY, busy, "/proc/stat"));
    let against = "Ruled out: each rule about the CPUs needs more than was seen. `diag -v` lists the numbers; a longer \
                   window, or `diag --profile`, shows who waits.";
    let suspects = suspects(facts, &ranked, Role::Offender);
    let hit = unexplained(share, summary, evidence, against.into(), top.map_or(Who::None, Who::Group));
    (rule, Hit { suspects, ..hit })
}

/// Whether the threads that wait most are those of a process that uses about one CPU with several threads.
fn takes_turns(facts: &Facts<'_>) -> bool {
    let delay = |process: &ProcessRates| process.run_delay_ratio.unwrap_or_default();
    let processes = facts.rates.processes.iter().filter(|process| !process.kernel_thread);
    let waits_most = processes.max_by(|a, b| delay(a).total_cmp(&delay(b)));
    waits_most.is_some_and(|process| {
        process.threads_count >= 3 && delay(process) > 0.0 && LOCK_SERIAL_CPUS.contains(&process.cpu_ratio())
    })
}

fn memory(facts: &Facts<'_>, share: f64) -> (&'static Rule, Hit) {
    let free = facts.rates.memory.as_ref().ok().and_then(|memory| memory.available_bytes);
    let summary = sentence![
        "At least one thread was waiting for memory ",
        ratio(share),
        " of the time; the cause is not seen",
        free.map(|free| sentence![": ", bytes(free as f64), " are available"]),
        ".",
    ];
    let evidence = vec![facts.evidence(&MEMORY_PRESSURE, Some(share), "/proc/pressure/memory some total")];
    let against = "Ruled out: swapping, OOM kills, reclaim by threads. A control group may be at a limit that diag does \
                   not see: memory.pressure of each group shows it.";
    (&memory_reclaim::RULE, unexplained(share, summary, evidence, against.into(), Who::None))
}

/// The busiest disk where one is in use; else threads wait for what is no disk of this box.
fn io(facts: &Facts<'_>, share: f64) -> (&'static Rule, Hit) {
    let busiest = facts.leaves().max_by(|a, b| a.utilization_ratio.total_cmp(&b.utilization_ratio));
    let disk = busiest.filter(|disk| disk.utilization_ratio >= DISK_IN_USE);
    let waiters = facts.io_waiters_mean();
    let moved = |process: &ProcessRates| process.io_bytes_per_second().unwrap_or(0.0);
    let mut does = "waits";
    let mut ranked = rank(facts, None, |group| group.uninterruptible, |process| process.uninterruptible_mean);
    if ranked.first().is_none_or(|top| top.amount < 0.1) {
        does = "reads and writes";
        ranked = rank(facts, None, |group| group.sum(moved), moved);
    }
    let top = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)).cloned();
    let summary = sentence![
        "At least one thread was waiting for I/O ",
        ratio(share),
        " of the time; the cause is not seen: ",
        disk.map_or_else(
            || "no disk is busy".into(),
            |disk| sentence![device(disk.name.as_str()), " is ", ratio(disk.utilization_ratio), " busy"],
        ),
        ", ",
        count(waiters),
        " threads were blocked on average",
        top.as_ref().map(|top| sentence!["; ", facts.name(top), " ", does, " most"]),
        ".",
    ];
    let mut evidence = vec![
        facts.evidence(&IO_PRESSURE, facts.io_stalls().some, "/proc/pressure/io some total"),
        facts.evidence(&UNINTERRUPTIBLE, Some(waiters), "/proc/PID/task/TID/stat state D, wchan"),
    ];
    if let Some(disk) = busiest {
        let source = format!("/proc/diskstats {}", disk.name);
        evidence.push(facts.evidence(&DISK_BUSY, Some(disk.utilization_ratio), &source));
    }
    let against: Sentence = if facts.rates.wait_channels_hidden {
        "What threads of other users wait in can be seen by root only.".into()
    } else {
        "Ruled out: a full or slow disk, a limit on I/O, writeback. `diag --profile --profile-mode waits` shows what \
         the threads wait in."
            .into()
    };
    let suspects = suspects(facts, &ranked, Role::Victim);
    let rule: &'static Rule = if disk.is_some() { &disk_latency::RULE } else { &io_blocked::RULE };
    let hit = unexplained(share, summary, evidence, against, top.map_or(Who::None, Who::Group));
    let device = disk.map(|disk| disk.name.clone());
    (rule, Hit { suspects, device, ..hit })
}

fn unexplained(share: f64, summary: Sentence, evidence: Vec<Evidence>, against: Sentence, who: Who) -> Hit {
    Hit {
        confidence_ratio: UNEXPLAINED_CONFIDENCE,
        impact: Impact::TimeLost(share),
        evidence,
        against: vec![against],
        ..Hit::new(Severity::Warning, summary, who, Remedy::FixProgram)
    }
}
