//! The box is calm and a service on it is slow all the same: it waits for answers from another host or service.
//!
//! Evidence: idle CPUs, no waits for disks or memory, and a process that works in small pieces between which
//! its threads sleep in sockets that it opened itself. Worth knowing, never an alarm: whether that is too slow, only
//! the service knows.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::label;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, confirm, look, reading,
    trace, with_diag,
};
use crate::diagnose::thresholds::algorithm::{CALM_BUSY, PEER_CONFIDENCE, Rank};
use crate::diagnose::thresholds::{CPU_PRESSURE, IO_PRESSURE, MEMORY_PRESSURE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::network::PeerWait;
use crate::model::profile::ProfileMode;
use crate::model::sentence::{Sentence, address, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::ExternalWait,
    resource: Resource::Network,
    lane: Lane::LimitsAndErrors("waiting for another host"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::Waits),
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[Input::AnyPressure, Input::AllProcesses],
    title: "a service waits for another service",
    symptom: "This machine has enough of everything. The threads of a service sleep until a database, a name \
              server or another service answers.",
    false_positives: &[
        "A client that waits for rare messages: a queue, a chat, a replica that has caught up.",
        "A server that waits for its clients: its connections are incoming, so it is not reported.",
    ],
    sources: &["proc_pid_net(5)", "proc_pid_wchan(5)", "Gregg, off-CPU analysis"],
    counters: &[
        "/proc/PID/task/TID/wchan: threads of active processes that sleep in a socket at the end of the \
         window",
        "/proc/PID/fd and /proc/PID/net/tcp, tcp6: outgoing connections of the process and their remote \
         addresses",
        "/proc/stat and /proc/pressure: the CPUs are idle and threads wait for nothing else",
    ],
    limits: &[&CPU_PRESSURE, &IO_PRESSURE, &MEMORY_PRESSURE],
    confirm: &[
        confirm(
            "ss -tinp",
            "for the connection to that peer, a large lastrcv and a small lastsnd: the request was sent, the \
             answer is still missing",
        ),
        confirm("grep -H . /proc/PID/task/*/wchan", "wait_woken or sk_wait_data for the threads that serve"),
    ],
    advice: &[
        with_diag(
            "See how long its threads wait, and in which calls.",
            OwnOption::Account,
            Remedy::FixProgram,
        ),
        look(
            "See round-trip times, queues and unanswered requests of each connection.",
            "ss -tinp",
            Remedy::FixProgram,
        ),
        trace(
            "See which calls take long.",
            "timeout 10 strace -f -T -e trace=network,read,poll -p {pid}",
            "strace slows the process down while it runs",
            Remedy::FixProgram,
        ),
        advise("Run diag on the machine that it waits for.", Remedy::FixProgram),
        advise("Send fewer requests, combine them, or cache the answers.", Remedy::FixProgram),
        advise("Spread the requests over replicas of the other service.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let calm = cpu.busy_ratio() < CALM_BUSY
        && !facts.cpu_waits(facts.limit(&CPU_PRESSURE).warning)
        && !facts.io_stalls().some_reaches(facts.limit(&IO_PRESSURE).warning)
        && !facts.memory_stalls().some_reaches(facts.limit(&MEMORY_PRESSURE).warning);
    let waits =
        facts.rates.limits.peers.iter().filter(|wait| wait.waiting_count > 0 && !wait.peers.is_empty());
    let Some(wait) = waits.max_by_key(|wait| wait.waiting_count).filter(|_| calm) else {
        return Outcome::Clear;
    };
    let Some(top) = facts.most_among(&[wait.pid], |process| process.cpu_ratio()) else {
        return Outcome::Clear;
    };
    // Of a group of workers only this one was asked.
    let name = label(&facts.groups[top.group].comm.to_lossy(), top.pid, 1);
    Outcome::hit(Hit {
        confidence_ratio: PEER_CONFIDENCE,
        impact: Impact::Rank(Rank::Minor),
        evidence: vec![
            plain(
                "threads_waiting_in_sockets_count",
                Some(f64::from(wait.waiting_count)),
                Unit::Count,
                "/proc/PID/task/TID/wchan",
            ),
            plain("threads_count", Some(f64::from(wait.threads_count)), Unit::Count, "/proc/PID/task"),
        ],
        against: vec![
            "Sampled once, at the end of the window: a wait that is normal for this service looks the same."
                .into(),
        ],
        why: Some(sentence!["waits for ", far_end(wait)]),
        ..Hit::new(
            Severity::Info,
            sentence![
                wait.waiting_count,
                " of ",
                wait.threads_count,
                " threads of ",
                name,
                " wait for ",
                far_end(wait),
                ": if it is slow, look there.",
            ],
            Who::Group(top),
            Remedy::FixProgram,
        )
    })
}

/// `10.0.0.5 port 3306`, or that and how many others.
fn far_end(wait: &PeerWait) -> Sentence {
    let mut ends = wait.peers.iter().map(|(ip, port, _)| sentence![address(ip), " port ", *port]);
    let first = ends.next();
    match ends.count() {
        0 => sentence![first],
        1 => sentence![first, " or one other peer"],
        more => sentence![first, " or ", more, " other peers"],
    }
}
