//! Step 3 of the CPU branch: whose time is it, the programs', the kernel's, the interrupts', or is it stolen?

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::thresholds::{CPU_SYSTEM, INTERRUPTS, ONE_THREAD, STEAL};
use crate::model::finding::{Step, StepId};
use crate::model::sentence::{Sentence, Span, quote, ratio, sentence};
use crate::model::units::Unit;
use std::borrow::Cow;

/// A share that the kernel does not count.
const UNKNOWN: Span = Span::Text(Cow::Borrowed("unknown"));

/// The step.
pub fn step(facts: &Facts<'_>) -> Step {
    let question =
        "Is it the programs, the kernel, interrupts, or does the hypervisor take the time?".to_owned();
    let Some(cpu) = facts.cpu() else {
        return Step {
            step: StepId::UserOrSystem,
            question,
            answer: "unknown".into(),
            brief: "CPU time unknown".into(),
            summary: sentence![facts.rates.cpu.as_ref().err().map(|absence| quote(absence.to_string()))],
            evidence: Vec::new(),
            next: None,
        };
    };
    let user = cpu.all_user_ratio();
    let modes = [
        ("user", user),
        ("system", cpu.system_ratio),
        ("interrupts", cpu.interrupts_ratio()),
        ("steal", cpu.steal_ratio),
    ];
    let largest = modes.iter().fold(modes[0], |best, next| if next.1 > best.1 { *next } else { best });
    let known = |known: bool, ratio: f64| known.then_some(ratio);
    let answer = if cpu.busy_ratio() < 0.02 { "idle" } else { largest.0 };
    let brief = brief(answer, largest, user, cpu.system_ratio);
    let hottest = facts.user_threads().max_by(|a, b| a.cpu_ratio().total_cmp(&b.cpu_ratio()));
    let thread = hottest
        .filter(|thread| thread.cpu_ratio() >= 0.5)
        .map(|thread| sentence!["; the busiest thread uses ", ratio(thread.cpu_ratio()), " of one CPU"]);
    Step {
        step: StepId::UserOrSystem,
        question,
        answer: answer.into(),
        brief,
        summary: sentence![
            "user ",
            ratio(user),
            " (of it ",
            ratio(cpu.nice_ratio),
            " at lowered priority), system ",
            ratio(cpu.system_ratio),
            ", interrupts ",
            known(cpu.waits_known, cpu.interrupts_ratio()).map_or(UNKNOWN, ratio),
            ", stolen ",
            known(cpu.steal_known, cpu.steal_ratio).map_or(UNKNOWN, ratio),
            thread,
        ],
        evidence: vec![
            plain("cpu_user_ratio", Some(user), Unit::Ratio, "/proc/stat user, nice"),
            facts.evidence(&CPU_SYSTEM, Some(cpu.system_ratio), "/proc/stat system"),
            facts.evidence(
                &INTERRUPTS,
                known(cpu.waits_known, cpu.interrupts_ratio()),
                "/proc/stat irq, softirq",
            ),
            facts.evidence(&STEAL, known(cpu.steal_known, cpu.steal_ratio), "/proc/stat steal"),
            facts.evidence(&ONE_THREAD, hottest.map(|thread| thread.cpu_ratio()), "/proc/PID/task/TID/stat"),
            plain("forks_per_second", facts.rates.forks_per_second, Unit::PerSecond, "/proc/stat processes"),
            plain(
                "context_switches_per_second",
                facts.rates.context_switches_per_second,
                Unit::PerSecond,
                "/proc/stat ctxt",
            ),
        ],
        next: None,
    }
}

/// The answer with its number; of user and system time the other one is ruled out by name.
fn brief(answer: &'static str, (_, share): (&str, f64), user: f64, system: f64) -> Sentence {
    let clearly = |more: f64, less: f64| more >= 2.0 * less;
    let not = match answer {
        "user" if clearly(user, system) => ", not system",
        "system" if clearly(system, user) => ", not user",
        "idle" => return "CPUs idle".into(),
        _ => "",
    };
    sentence![answer, " ", ratio(share), not]
}
