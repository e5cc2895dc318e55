//! Threads are bound to a CPU that is busy, and wait for it while others idle.
//!
//! Evidence: threads that often wait for a CPU and may use only some of them (`Cpus_allowed_list`), with those full
//! and the rest idle. A quota holds threads back on idle CPUs as well; what is bound waits on a full one.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading, systemd_look,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_CPU_TIME, PINNED_COST};
use crate::diagnose::thresholds::{PINNED_BUSY, PINNED_DELAY, PINNED_IDLE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::ThreadRates;
use crate::model::sentence::{count, own, ratio, sentence};
use crate::model::task::Pid;
use crate::model::units::Unit;
use std::collections::BTreeSet;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuPinned,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("pinned threads"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Own,
    inputs: &[Input::AllProcesses],
    title: "threads are bound to a busy CPU",
    symptom: "Threads may run on some CPUs only (CPU affinity or cpuset) and queue there while other CPUs \
              are idle.",
    false_positives: &[
        "Threads that are bound on purpose, one per CPU: none of them waits.",
        "A container that may use some CPUs only: for it, these CPUs are the machine.",
    ],
    sources: &["sched_setaffinity(2)", "cpuset(7)", "proc_pid_status(5) Cpus_allowed_list"],
    counters: &[
        "/proc/PID/task/TID/status Cpus_allowed_list: CPUs that each busy thread may use",
        "/proc/PID/task/TID/schedstat run delay: how long these threads wait for a CPU",
        "/proc/stat per CPU: these CPUs are busy and the others are idle",
    ],
    limits: &[&PINNED_BUSY, &PINNED_DELAY, &PINNED_IDLE],
    confirm: &[
        confirm("mpstat -P ALL 1 5", "some CPUs at 100 %, others idle"),
        confirm(
            "ps -eLo pid,tid,psr,pcpu,comm --sort -pcpu | head -20",
            "the busy threads have the same number under PSR",
        ),
    ],
    advice: &[
        look("See which CPUs its threads may use.", "taskset -a -p -c {pid}", Remedy::Tune),
        systemd_look(
            "See whether its unit sets the affinity.",
            "systemctl show {unit} -p CPUAffinity,AllowedCPUs",
            Remedy::Tune,
        ),
        change(
            "Allow all CPUs.",
            ActionTemplate::EveryCpu,
            "the binding may have a purpose, such as a reserved CPU",
            Remedy::Tune,
        ),
        advise(
            "Make it permanent: widen CPUAffinity= or AllowedCPUs= of its unit, or give each worker a CPU of \
             its own.",
            Remedy::Tune,
        ),
    ],
    check,
};

/// Threads that share a set of CPUs.
struct Bound<'a> {
    cpus: &'a [u32],
    threads: Vec<&'a ThreadRates>,
}

impl Bound<'_> {
    /// Mean number of them that wait for a CPU.
    fn waiting(&self) -> f64 {
        self.threads.iter().map(|thread| delay(thread)).sum()
    }
}

fn delay(thread: &ThreadRates) -> f64 {
    thread.run_delay_ratio.map_or(0.0, |delay| delay * thread.followed_ratio)
}

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.cpu);
    // Within a container the CPUs that it may use are the machine.
    if facts.rates.host.container.is_some() || facts.rates.cpus.len() < 2 {
        return Outcome::Clear;
    }
    let sets: BTreeSet<&[u32]> =
        facts.user_threads().filter_map(|thread| thread.cpus_allowed.as_deref()).collect();
    let bound = sets.into_iter().filter_map(|cpus| {
        let threads = facts.user_threads().filter(|thread| thread.cpus_allowed.as_deref() == Some(cpus));
        let bound = Bound { cpus, threads: threads.collect() };
        let (busy, idle) = split(facts, cpus)?;
        let held = busy >= facts.limit(&PINNED_BUSY).warning
            && idle >= facts.limit(&PINNED_IDLE).warning
            && bound.waiting() >= facts.limit(&PINNED_DELAY).warning;
        held.then_some((bound, busy, idle))
    });
    let Some((bound, busy, idle)) = bound.max_by(|a, b| a.0.waiting().total_cmp(&b.0.waiting())) else {
        return Outcome::Clear;
    };
    let waiting = bound.waiting();
    let pids: Vec<Pid> = bound.threads.iter().map(|thread| thread.pid).collect();
    let top = facts.most_among(&pids, |process| {
        bound.threads.iter().filter(|thread| thread.pid == process.pid).map(|t| t.cpu_ratio()).sum()
    });
    let named = top.as_ref().map(|top| sentence!["; ", facts.name(top), " uses most of it"]);
    let list = words(bound.cpus);
    let critical = facts.limit(&PINNED_DELAY).critical.is_some_and(|limit| waiting >= limit);
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(busy, facts.limit(&PINNED_BUSY).warning, ERROR_OF_CPU_TIME)
            .agreement(1 + usize::from(bound.threads.len() > 1))
            .ratio(),
        impact: Impact::TimeLost(waiting.min(1.0) * PINNED_COST),
        evidence: vec![
            facts.evidence(&PINNED_DELAY, Some(waiting), "/proc/PID/task/TID/schedstat of bound threads"),
            facts.evidence(&PINNED_BUSY, Some(busy), "/proc/stat of the CPUs they may use"),
            facts.evidence(&PINNED_IDLE, Some(idle), "/proc/stat of the other CPUs"),
            plain("bound_threads_count", Some(bound.threads.len() as f64), Unit::Count, "Cpus_allowed_list"),
        ],
        why: Some(sentence!["may run only on ", own(list.clone())]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                bound.threads.len(),
                " threads may run only on ",
                own(list),
                ", and ",
                count(waiting),
                " of them wait for it on average, while the other CPUs are ",
                ratio(idle),
                " idle",
                named,
                ".",
            ],
            top.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}

/// How busy the CPUs of a set are, and how idle all others; none where there are no others.
fn split(facts: &Facts<'_>, cpus: &[u32]) -> Option<(f64, f64)> {
    let mean = |inside: bool| {
        let busy: Vec<f64> = facts
            .rates
            .cpus
            .iter()
            .filter(|(number, _)| cpus.contains(number) == inside)
            .map(|(_, cpu)| cpu.busy_ratio())
            .collect();
        (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64)
    };
    Some((mean(true)?, 1.0 - mean(false)?))
}

/// `CPU 3`, `CPUs 0-3,8`.
fn words(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let texts: Vec<String> = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    format!("{} {}", if cpus.len() == 1 { "CPU" } else { "CPUs" }, texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_cpus_read_as_the_kernel_writes_them() {
        assert_eq!(words(&[3]), "CPU 3");
        assert_eq!(words(&[0, 1, 2, 8]), "CPUs 0-2,8");
    }
}
