//! One thread is the limit: it burns a whole CPU while others idle.
//!
//! Evidence: a thread at a full CPU in nearly every second, hardly waiting for one, and idle CPUs beside it.
//! A process whose threads take turns under one lock (an interpreter's, say) is as serial as one thread.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Ranked, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, confirm, look, reading,
    with_diag,
};
use crate::diagnose::thresholds::algorithm::{
    ERROR_OF_CPU_TIME, FOLLOWED, HELD_BACK_DELAY, HELD_BACK_RUNNABLE, Rank, SINGLE_THREAD_WAIT,
    TURN_TAKER_CPU,
};
use crate::diagnose::thresholds::{CPU_PRESSURE, ONE_THREAD, ONE_THREAD_SECONDS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::{ProcessRates, ThreadRates};
use crate::model::sentence::{Sentence, bytes, count, process, ratio, seconds, sentence};
use crate::model::task::Pid;
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuSingleThread,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("one thread"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::OneThread,
    scope: Scope::Own,
    inputs: &[Input::Schedstat, Input::AllProcesses],
    title: "one thread is the limit",
    symptom: "One thread uses a whole CPU while other CPUs are idle. More CPUs do not help: only less work, \
              more threads or a faster CPU do.",
    false_positives: &[
        "A batch job that may use one CPU as long as it likes: the severity is a notice, and at lowered priority \
         (nice, SCHED_BATCH, SCHED_IDLE) an info.",
        "A thread that shares its only allowed CPU with others waits for it: that is cpu-pinned.",
    ],
    sources: &["proc_pid_stat(5)", "kernel Documentation/scheduler/sched-stats.rst"],
    counters: &[
        "/proc/PID/task/TID/stat utime, stime: one thread above the limit in nearly every second of the \
         window, or a few threads of a process that together never use more than one CPU",
        "/proc/PID/task/TID/schedstat run delay: the thread itself hardly waits for a CPU",
        "/proc/stat idle, iowait: other CPUs are idle",
        "/proc/pressure/cpu some total: shown next to it; a high value speaks against it",
    ],
    limits: &[&ONE_THREAD, &ONE_THREAD_SECONDS, &CPU_PRESSURE],
    confirm: &[
        confirm(
            "top -H -b -d 2 -n 2 | grep -A 12 PID | tail -12",
            "one thread with %CPU of 90 or more, the next ones far below",
        ),
        confirm("mpstat -P ALL 1 3", "one CPU busy, or several in part if the thread moves; the others idle"),
    ],
    advice: &[
        with_diag(
            "See which function the thread spends its time in.",
            OwnOption::Profile,
            Remedy::FixProgram,
        ),
        look("See which of its threads is busy.", "top -H -p {pid}", Remedy::FixProgram),
        advise(
            "Make that function faster, or run it in parallel: more workers or threads, work moved off the \
             event loop, a query split up.",
            Remedy::FixProgram,
        ),
        advise("Use a machine with faster cores; more cores do not help.", Remedy::AddResource),
        advise("Run several instances behind a load balancer.", Remedy::Distribute),
    ],
    check,
};

/// A thread that waits longer than this for a CPU is short of CPUs, not of parallelism.
const DELAY_MAX: f64 = 0.15;

struct Serial {
    pid: Pid,
    cpu: f64,
    user: f64,
    threads: usize,
    background: bool,
    how: How,
}

/// What makes it serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// One thread that burns.
    Alone,
    /// Threads of which one runs at a time.
    InTurns,
    /// A process that starts children and waits for each.
    WithChildren,
}

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let online = f64::from(facts.rates.cpus_online_count);
    let idle_cpus = (cpu.idle_ratio + cpu.iowait_ratio) * online;
    if facts.cpus < 2.0 || idle_cpus < 0.5 * (online - 1.0) {
        return Outcome::Clear;
    }
    let mut serial: Vec<Serial> =
        facts.user_threads().filter(|thread| is_hot(facts, thread)).map(alone).collect();
    if serial.is_empty() {
        serial.extend(taking_turns(facts).or_else(|| with_children(facts)));
    }
    serial.sort_by(|a, b| b.cpu.total_cmp(&a.cpu));
    let Some(top) = serial.first() else { return Outcome::Clear };
    let Some(group) = facts.group_of(top.pid) else { return Outcome::Clear };
    let ranked = Ranked { group, pid: Some(top.pid), amount: top.cpu, share: top.cpu.min(1.0) };
    let name = facts.groups[group].comm.to_lossy();
    let (what, uses) = match top.how {
        How::Alone => ("One thread of ".into(), " uses "),
        How::InTurns => (sentence![top.threads, " threads of "], " take turns and use "),
        How::WithChildren => ("".into(), " and the children that it waits for, one after the other, use "),
    };
    let mut evidence = vec![
        facts.evidence(&ONE_THREAD, Some(top.cpu), "/proc/PID/task/TID/stat"),
        plain("thread_user_ratio", Some(top.user), Unit::Ratio, "/proc/PID/task/TID/stat utime"),
        plain("cpus_idle", Some(idle_cpus), Unit::Count, "/proc/stat"),
    ];
    evidence.extend(facts.cpu_queue_evidence());
    Outcome::hit(Hit {
        // The box is short of nothing. Who waits for this program raises it: see the causes.
        severity: if top.background { Severity::Info } else { Severity::Notice },
        confidence_ratio: Confidence::new()
            .margin(top.cpu, facts.limit(&ONE_THREAD).warning, ERROR_OF_CPU_TIME)
            .contradicted_if(facts.cpu_waits(SINGLE_THREAD_WAIT))
            .ratio(),
        impact: Impact::Rank(Rank::Moderate),
        summary: sentence![
            what,
            process(name),
            " (pid ",
            top.pid,
            ")",
            uses,
            ratio(top.cpu),
            " of one CPU while ",
            count(idle_cpus),
            " of ",
            count(online),
            " CPUs are idle; ",
            ratio(top.user / top.cpu.max(f64::EPSILON)),
            " of it is user code.",
        ],
        evidence,
        against: Vec::new(),
        suspects: suspects(facts, std::slice::from_ref(&ranked), Role::Offender),
        who: Who::Group(ranked),
        why: copies_pages(facts, top),
        device: None,
        remedy: Remedy::FixProgram,
        share_of_busy: None,
    })
}

/// Whether a thread is at the limit of its CPU. That of a real-time thread is told by its own rule, and a poller that
/// has a CPU for itself is as it should be.
fn is_hot(facts: &Facts<'_>, thread: &ThreadRates) -> bool {
    thread.alive
        && !thread.is_realtime()
        && thread.followed_ratio >= FOLLOWED
        && thread.cpu_ratio() >= facts.limit(&ONE_THREAD).warning
        && thread.hot_seconds_ratio >= facts.limit(&ONE_THREAD_SECONDS).warning
        && thread.run_delay_ratio.is_none_or(|delay| delay < DELAY_MAX)
}

fn alone(thread: &ThreadRates) -> Serial {
    Serial {
        pid: thread.pid,
        cpu: thread.cpu_ratio(),
        user: thread.user_ratio,
        threads: 1,
        background: thread.is_background(),
        how: How::Alone,
    }
}

/// A process of several busy threads that together never get beyond one CPU, though more are free.
fn taking_turns(facts: &Facts<'_>) -> Option<Serial> {
    let process = facts
        .rates
        .processes
        .iter()
        .filter(|process| !process.kernel_thread && process.threads_count >= 2)
        .filter(|process| (facts.limit(&ONE_THREAD).warning..1.1).contains(&process.cpu_ratio()))
        .max_by(|a, b| a.cpu_ratio().total_cmp(&b.cpu_ratio()))?;
    let busy = facts
        .user_threads()
        .filter(|thread| thread.pid == process.pid && thread.cpu_ratio() >= TURN_TAKER_CPU);
    let threads = busy.count();
    // Threads that a quota holds back are runnable and wait; threads that hand over a lock do not.
    let held_back = process
        .run_delay_ratio
        .map_or(process.running_mean > HELD_BACK_RUNNABLE, |delay| delay > HELD_BACK_DELAY);
    (threads >= 2 && !held_back).then(|| Serial {
        pid: process.pid,
        cpu: process.cpu_ratio(),
        user: process.user_ratio,
        threads,
        background: process.nice > 0,
        how: How::InTurns,
    })
}

/// A process that starts children and waits for each: together they never get beyond one CPU. Their time counts as its
/// own once it has waited for them.
fn with_children(facts: &Facts<'_>) -> Option<Serial> {
    let together = |process: &ProcessRates| process.cpu_ratio() + process.children_ratio;
    let limit = facts.limit(&ONE_THREAD).warning;
    let processes = facts.rates.processes.iter().filter(|process| !process.kernel_thread && process.pid != 1);
    let process = processes
        .filter(|process| process.children_ratio > WAITED_FOR_CPU && process.threads_count == 1)
        .filter(|process| (limit..1.1).contains(&together(process)))
        .max_by(|a, b| a.cpu_ratio().total_cmp(&b.cpu_ratio()))?;
    let held_back = process.run_delay_ratio.is_some_and(|delay| delay > HELD_BACK_DELAY);
    (process.cpu_ratio() > WAITED_FOR_CPU && !held_back).then(|| Serial {
        pid: process.pid,
        cpu: together(process),
        user: process.user_ratio,
        threads: 1,
        background: process.nice > 0,
        how: How::WithChildren,
    })
}

/// What a process that starts others spends its kernel time on: fork(2) copies the tables of all its pages.
fn copies_pages(facts: &Facts<'_>, top: &Serial) -> Option<Sentence> {
    let process = facts.rates.process(top.pid).filter(|_| top.how == How::WithChildren)?;
    let large = process.rss_bytes as f64 >= LARGE_TO_FORK && process.system_ratio > process.user_ratio;
    let forks = facts.births_per_second(&[top.pid]).filter(|_| large)?;
    Some(sentence![
        "starts ",
        count(forks),
        " processes per second; each fork(2) copies the page tables of ",
        bytes(process.rss_bytes as f64),
        " in ",
        seconds(process.system_ratio / forks),
    ])
}

/// CPU time from which a process and its children share the work.
const WAITED_FOR_CPU: f64 = 0.05;

/// Resident size from which copying its page tables takes most of the time of a start.
const LARGE_TO_FORK: f64 = 268_435_456.0;
