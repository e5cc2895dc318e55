//! A storm of processes that live too shortly for any process list to show them.
//!
//! Evidence: the kernel's count of forks, and CPU time that no living process accounts for, less that of ended
//! processes that lived long enough to be watched. The culprit is the parent that starts them: it gets the
//! time of the children that it waits for (`cutime`, `cstime`).

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{Group, Ranked, rank, suspects};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, reading, systemd_look, trace,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_VANISHED, STORM_MATTERS, STORM_OF_STARTS};
use crate::diagnose::thresholds::{CONTRIBUTOR, CPU_PRESSURE, FORKS, SHORT_LIFE_SECONDS, VANISHED_SHARE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Remedy, Role, Severity};
use crate::model::profile::ProfileMode;
use crate::model::rates::ThreadRates;
use crate::model::sentence::{count, ratio, seconds, sentence};
use crate::model::task::Pid;
use crate::model::units::Unit;
use std::collections::HashMap;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::ShortLivedProcesses,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("short-lived processes"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[Input::CpuPressure],
    title: "a storm of short-lived processes",
    symptom: "Many processes start and end every second. Starting them costs more than the work they do, and \
              no process list shows them.",
    false_positives: &[
        "A build: compilers run for a while and do work; their CPU time per process is higher, and nearly all of it \
         is user time, while starting and ending a process is kernel work.",
        "The kernel's count includes new threads: without CPU time of ended processes, only threads come and \
         go.",
    ],
    sources: &["proc_stat(5) processes", "proc_pid_stat(5) cutime, cstime"],
    counters: &[
        "/proc/stat processes: forks, those of threads included",
        "/proc/stat user, nice and system, less utime and stime of all /proc/PID/stat: CPU time of processes \
         that have ended, divided by busy time; the work of ended processes that lived long is subtracted",
        "/proc/PID/stat cutime, cstime, and the parents of short-lived processes that were sampled: which \
         process starts them",
        "/proc/pressure/cpu some total: for critical, threads must queue for the CPUs",
    ],
    limits: &[&FORKS, &VANISHED_SHARE, &CPU_PRESSURE],
    confirm: &[
        confirm("grep processes /proc/stat; sleep 1; grep processes /proc/stat", "a difference of hundreds"),
        confirm("pidstat -u -l 1 3", "busy CPUs, and no processes whose CPU time explains it"),
        confirm("pidstat -T CHILD 1 3", "the parent whose ended children used the CPU time"),
    ],
    advice: &[
        trace(
            "See which programs are started, and by which process.",
            "perf trace -e sched:sched_process_exec -a -- sleep 3",
            "some overhead per started program",
            Remedy::FixProgram,
        ),
        systemd_look(
            "Check for a service that crashes and is restarted again and again.",
            "systemctl list-units --failed; systemctl list-units --state=activating",
            Remedy::FixProgram,
        ),
        systemd_look("See the unit of the process.", "systemctl status {pid}", Remedy::FixProgram),
        advise(
            "Do the work inside the program instead of starting one per piece of work: a library instead of \
             a shell command, FastCGI or pre-forked workers instead of CGI. Keep jobs from overlapping.",
            Remedy::FixProgram,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.cpu);
    let Some(forks) = facts.rates.forks_per_second.filter(|forks| *forks >= facts.limit(&FORKS).warning)
    else {
        return Outcome::Clear;
    };
    let Some(vanished) = facts.short_lived_cpus() else {
        return Outcome::Unknown(NotChecked {
            what: "whether short-lived processes use the CPUs".into(),
            reason: "the CPU time of ended processes cannot be separated from that of hidden ones".into(),
            unlock: (!facts.rates.host.copied).then(|| "run as root".to_owned()),
        });
    };
    let busy = facts.busy_cpus().max(f64::EPSILON);
    let born = facts.births_by_parent();
    let births: f64 = born.values().sum();
    // What is gone is shared out to the parents seen to give birth, where they did not wait for it.
    let parent_cpus = |group: &Group<'_>| {
        let reaped = group.sum(|process| process.children_ratio);
        let seen: f64 = group.members.iter().filter_map(|process| born.get(&process.pid)).sum();
        let estimated = if births > 0.0 { vanished * seen / births } else { 0.0 };
        let own = if reaped + estimated > 0.05 { group.system } else { 0.0 };
        reaped.max(estimated) + own
    };
    let ranked = rank(facts, None, parent_cpus, |process| process.children_ratio);
    // What starting costs its parent; more of its kernel time goes elsewhere.
    let starting =
        ranked.first().map_or(0.0, |top| facts.groups[top.group].system).min(forks * START_SECONDS);
    let storm =
        vanished + if forks >= facts.limit(&FORKS).critical.unwrap_or(f64::MAX) { starting } else { 0.0 };
    let share = (storm / busy).min(1.0);
    let life = vanished / forks;
    let (waiting, of_cpus) = STORM_MATTERS;
    let matters = storm >= of_cpus * facts.cpus || facts.cpu_waits(waiting);
    // What starts up and ends at once is start-up work alone; a life that is longer did something, unless most of it
    // was the kernel's.
    let (start_up, kernel) = STORM_OF_STARTS;
    let starts = life <= start_up || facts.rates.vanished_system_share.is_none_or(|system| system >= kernel);
    let short = life <= facts.setting(&SHORT_LIFE_SECONDS) && starts;
    if share < facts.limit(&VANISHED_SHARE).warning || !short || !matters {
        return Outcome::Clear;
    }
    let at = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
    let critical = at(forks, facts.limit(&FORKS).critical)
        && at(share, facts.limit(&VANISHED_SHARE).critical)
        && facts.cpu_queues().0;
    let reaper = ranked.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR));
    let top = reaper.and_then(|reaper| starter(facts, reaper));
    let parent = top.as_ref().map(|top| sentence!["; most are children of ", facts.name(top)]);
    Outcome::hit(Hit {
        severity: if critical { Severity::Critical } else { Severity::Warning },
        confidence_ratio: Confidence::new()
            .margin(share, facts.limit(&VANISHED_SHARE).warning, ERROR_OF_VANISHED)
            .agreement(1 + usize::from(top.is_some()))
            .ratio(),
        impact: Impact::TimeLost(
            share * facts.cpu_wait_known().into_iter().fold(storm / facts.cpus, f64::max).min(1.0),
        ),
        summary: sentence![
            count(forks),
            " processes start per second and end at once; they use ",
            ratio(share),
            " of the busy CPU time, ",
            seconds(life),
            " each",
            parent,
            ".",
        ],
        evidence: vec![
            facts.evidence(&FORKS, Some(forks), "/proc/stat processes"),
            facts.evidence(&VANISHED_SHARE, Some(share), "/proc/stat less /proc/PID/stat"),
            plain("vanished_cpus", Some(vanished), Unit::Count, "/proc/stat less /proc/PID/stat"),
            plain(
                "vanished_system_share_ratio",
                facts.rates.vanished_system_share,
                Unit::Ratio,
                "/proc/stat system less /proc/PID/stat stime, of all that",
            ),
            plain("cpu_seconds_per_life", Some(life), Unit::Seconds, "vanished_cpus by forks_per_second"),
        ],
        against: Vec::new(),
        suspects: suspects(facts, &ranked, Role::Offender),
        who: top.map_or(Who::None, Who::Group),
        why: Some(sentence!["starts ", count(forks), " processes per second"]),
        device: None,
        remedy: Remedy::FixProgram,
        share_of_busy: Some(share),
    })
}

/// Kernel time that the start of a process of ordinary size takes from its parent, at most.
const START_SECONDS: f64 = 0.0003;

/// Who started the children that `reaper` waited for. Whose parent ends first is taken over by init, or by a
/// process that asked for it (prctl(2), PR_SET_CHILD_SUBREAPER), always an ancestor of the one that started it. So
/// where most of the dead have the name of a long-lived descendant, that one did it. Of init alone nothing follows.
fn starter(facts: &Facts<'_>, reaper: &Ranked) -> Option<Ranked> {
    const MOST: f64 = 0.5;
    // To start processes costs kernel time; one that only sleeps under the same name did not.
    const STARTING: f64 = 0.02;
    let parents: HashMap<Pid, Pid> = facts.rates.processes.iter().map(|p| (p.pid, p.ppid)).collect();
    let reaping = reaper.pid?;
    let below = |pid: Pid| {
        let mut ancestors = std::iter::successors(parents.get(&pid), |pid| parents.get(pid)).take(64);
        ancestors.any(|ancestor| *ancestor == reaping)
    };
    let dead: Vec<&ThreadRates> = facts.ended_processes().filter(|child| child.ppid == reaping).collect();
    let by_name = facts.groups.iter().enumerate().find_map(|(index, group)| {
        let same = dead.iter().filter(|thread| thread.comm == group.comm).count() as f64;
        let likely = index != reaper.group && group.system >= STARTING;
        if !likely || same == 0.0 || same < MOST * dead.len() as f64 {
            return None;
        }
        let lasts = group.members.iter().find(|process| !process.born && below(process.pid))?;
        Some(Ranked { group: index, pid: Some(lasts.pid), ..reaper.clone() })
    });
    let of_init = reaping == 1 && facts.rates.host.container.is_none();
    by_name.or_else(|| (!of_init).then(|| reaper.clone()))
}
