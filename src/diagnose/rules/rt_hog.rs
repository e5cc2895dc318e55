//! A real-time thread takes a CPU, and other threads cannot run there.
//!
//! Evidence: a thread with policy FIFO or RR that burns a CPU. The kernel leaves ordinary threads one twentieth
//! of the time at most.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, look, with_diag,
};
use crate::diagnose::thresholds::REALTIME_CPU;
use crate::diagnose::thresholds::algorithm::{FOLLOWED_HALF, REALTIME_VICTIMS, Rank};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{process, ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::RtHog,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("real-time thread"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Own,
    inputs: &[Input::CpuTime, Input::AllProcesses],
    title: "a real-time thread takes a CPU",
    symptom: "A thread with real-time priority never sleeps: ordinary threads on its CPU do not run.",
    false_positives: &[
        "A real-time thread that runs often, but briefly.",
        "A thread that polls on a CPU of its own (DPDK, a database's message thread): no other thread waits for it.",
    ],
    sources: &["sched(7)", "kernel Documentation/scheduler/sched-rt-group.rst"],
    counters: &[
        "/proc/PID/task/TID/stat policy: 1 is FIFO, 2 is RR",
        "/proc/PID/task/TID/stat utime, stime: its CPU time",
        "/proc/pressure/cpu some total, and the run delay of threads in schedstat: other threads must wait for a CPU",
    ],
    limits: &[&REALTIME_CPU],
    confirm: &[
        confirm(
            "ps -eLo cls,rtprio,pcpu,pid,tid,comm --sort=-pcpu | grep -E '^ *(FF|RR)' | head -5",
            "FF or RR with a high %CPU, the mean since the thread started",
        ),
        confirm("top -H -b -n 1 | head -15", "PR is rt or negative, and %CPU is 95 to 100"),
    ],
    advice: &[
        look(
            "Note the policy and priority of its threads: the undo below needs them.",
            "chrt -a -p {pid}",
            Remedy::Tune,
        ),
        change(
            "Give it the normal scheduling policy.",
            ActionTemplate::NormalPolicy,
            "it no longer runs before all others, and may miss its deadlines",
            Remedy::Tune,
        ),
        with_diag("See which function it runs.", OwnOption::Profile, Remedy::FixProgram),
        advise("A real-time thread must sleep: fix its loop.", Remedy::FixProgram),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let realtime = facts.user_threads().filter(|thread| thread.is_realtime() && thread.alive);
    let Some(thread) = realtime
        .filter(|thread| {
            thread.cpu_ratio() >= facts.limit(&REALTIME_CPU).warning && thread.followed_ratio >= FOLLOWED_HALF
        })
        .max_by(|a, b| a.cpu_ratio().total_cmp(&b.cpu_ratio()))
    else {
        return Outcome::Clear;
    };
    let critical = facts.limit(&REALTIME_CPU).critical.is_some_and(|limit| thread.cpu_ratio() >= limit);
    // A poller on a CPU of its own takes the time from no other thread.
    let waiting_cpus = facts.cpu_wait_known().map(|wait| wait * facts.busy_cpus());
    let queued = facts.cpu_queues().0 || waiting_cpus.is_some_and(|cpus| cpus >= REALTIME_VICTIMS);
    let severity = match (queued, critical) {
        (false, _) => Severity::Info,
        (true, true) => Severity::Critical,
        (true, false) => Severity::Warning,
    };
    let top = facts.most_among(&[thread.pid], |_| thread.cpu_ratio());
    let name = top.as_ref().map_or_else(|| sentence![process(thread.comm.to_lossy())], |top| facts.name(top));
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Severe),
        evidence: vec![facts.evidence(
            &REALTIME_CPU,
            Some(thread.cpu_ratio()),
            "/proc/PID/task/TID/stat policy, utime, stime",
        )],
        why: Some("runs at real-time priority and never sleeps".into()),
        ..Hit::new(
            severity,
            sentence!["A real-time thread of ", name, " takes ", ratio(thread.cpu_ratio()), " of one CPU."],
            top.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
