//! No more processes can be started: in a control group, or in the system.
//!
//! Evidence: forks that a group's `pids.max` refused within the window, or threads against the smaller of
//! `pid_max` and `threads-max`. TasksMax of a systemd unit is the usual one.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::rank;
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm,
    look, reading,
};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::diagnose::thresholds::{FORKS_REFUSED, SYSTEM_THREADS, USER_TASKS};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{ratio, sentence, unit};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::PidExhaustion,
    resource: Resource::Limits,
    lane: Lane::LimitsAndErrors("processes"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "no more processes can be started",
    symptom: "A service, a user or the whole system has as many processes and threads as its limit allows: fork \
              and clone fail.",
    false_positives: &["A limit that was reached before the window: the counter keeps it."],
    sources: &[
        "kernel Documentation/admin-guide/cgroup-v1/pids.rst",
        "getrlimit(2) RLIMIT_NPROC",
        "proc_sys_kernel(5) pid_max, threads-max",
    ],
    counters: &[
        "pids.events max: forks that a control group refused within the window; pids.max is its limit",
        "threads of the processes of each user but root, divided by the soft limit \"Max processes\" of \
         /proc/PID/limits of its youngest processes",
        "/proc/loadavg, the number after the slash: threads of the system, divided by the smaller of \
         /proc/sys/kernel/pid_max and threads-max",
    ],
    limits: &[&FORKS_REFUSED, &USER_TASKS, &SYSTEM_THREADS],
    confirm: &[
        confirm(
            "grep -r max --include=pids.events /sys/fs/cgroup | grep -v ' 0$'",
            "a group whose count rises from one run to the next",
        ),
        confirm(
            "cat /proc/loadavg /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max",
            "the number after the slash is close to one of the two limits",
        ),
        confirm("ps -e -o nlwp=,pid=,comm= --sort=-nlwp | head", "the processes with most threads"),
    ],
    advice: &[
        look(
            "See which parents start most processes.",
            "ps -e -o ppid=,comm= | sort | uniq -c | sort -rn | head",
            Remedy::FixProgram,
        ),
        change(
            "Pause the processes that start others, if they may stop for now. Killing one of a fork bomb \
             only makes room for the next.",
            ActionTemplate::Pause,
            "they do nothing until the undo, and a health check may restart them",
            Remedy::FixProgram,
        ),
        look(
            "See how many tasks each user has, and the limit of a process.",
            "ps -e -L -o user= | sort | uniq -c | sort -rn | head; grep 'Max processes' /proc/{pid}/limits",
            Remedy::FixProgram,
        ),
        advise("Reuse workers and threads instead of starting one per piece of work.", Remedy::FixProgram),
        change(
            "Raise the limit of the control group.",
            ActionTemplate::Raise(GroupLimit::Tasks),
            "a runaway program takes longer to stop",
            Remedy::Tune,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let refused = facts
        .cgroups()
        .iter()
        .filter_map(|group| Some((group, group.forks_refused_count?)))
        .filter(|(_, count)| *count > 0 && *count as f64 >= facts.limit(&FORKS_REFUSED).warning);
    // Of groups within each other the one in which the forks were.
    if let Some((forking, count)) = refused.max_by_key(|(group, count)| (*count, group.depth())) {
        let group = facts.task_limit_owner(forking);
        let critical = facts.limit(&FORKS_REFUSED).critical.is_some_and(|limit| count as f64 >= limit);
        // The parent tries on and on; its children only sleep.
        let top = facts
            .most_among(&forking.members, |process| process.cpu_ratio())
            .filter(|top| top.amount > 0.0)
            .or_else(|| facts.most_among(&group.members, |process| f64::from(process.threads_count)));
        let limit = group.pids.and_then(|pids| pids.limit_count);
        let of_limit = limit.map(|limit| sentence![" of ", limit]);
        let named = top.as_ref().map(|top| sentence!["; it is ", facts.name(top)]);
        return Outcome::hit(Hit {
            impact: Impact::Rank(Rank::Blocking),
            evidence: vec![
                facts.evidence(&FORKS_REFUSED, Some(count as f64), "pids.events max"),
                plain("tasks_limit_count", limit.map(|limit| limit as f64), Unit::Count, "pids.max"),
            ],
            why: Some(sentence!["at the limit", of_limit.as_ref(), " tasks of ", unit(group.name())]),
            ..Hit::new(
                if critical { Severity::Critical } else { Severity::Warning },
                sentence![
                    "Control group ",
                    unit(group.name()),
                    " is at its limit",
                    of_limit,
                    " tasks: ",
                    count,
                    " forks were refused during this window",
                    named,
                    ".",
                ],
                top.map_or(Who::None, Who::Group),
                Remedy::FixProgram,
            )
        });
    }
    if let Some(hit) = of_user(facts) {
        return Outcome::hit(hit);
    }
    let Some(share) = facts.system_threads_ratio() else {
        reading!(facts.rates.load);
        return Outcome::unknown(
            "how many threads there may be",
            "neither /proc/sys/kernel/pid_max nor threads-max can be read",
            None,
        );
    };
    if share < facts.limit(&SYSTEM_THREADS).warning {
        reading!(facts.rates.cgroups);
    }
    if share < facts.limit(&SYSTEM_THREADS).warning {
        return Outcome::Clear;
    }
    let critical = facts.limit(&SYSTEM_THREADS).critical.is_some_and(|limit| share >= limit);
    let threads_of = |process: &crate::model::rates::ProcessRates| f64::from(process.threads_count);
    let ranked = rank(facts, None, |group| group.sum(threads_of), threads_of);
    Outcome::hit(Hit {
        impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Low }),
        evidence: vec![facts.evidence(&SYSTEM_THREADS, Some(share), "/proc/loadavg, pid_max, threads-max")],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence!["The system has ", ratio(share), " of the threads that it may have."],
            ranked.into_iter().next().map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}

/// The user that is nearest to its limit: one that is at it starts nothing more, not even a shell.
fn of_user(facts: &Facts<'_>) -> Option<Hit> {
    let limit = facts.limit(&USER_TASKS);
    let near = facts.rates.limits.user_tasks.iter().filter_map(|user| {
        let most = user.limit.filter(|most| *most > 0)?;
        Some((user, most, user.tasks_count as f64 / most as f64))
    });
    let (user, most, share) =
        near.filter(|(.., share)| *share >= limit.warning).max_by(|a, b| a.2.total_cmp(&b.2))?;
    let critical = limit.critical.is_some_and(|critical| share >= critical);
    let top = facts.most_among(&user.pids, |process| f64::from(process.threads_count));
    let name = facts.user_name(user.uid);
    let named = top.as_ref().map(|top| sentence!["; most are of ", facts.name(top)]);
    let end = if critical { ": fork and clone fail" } else { "" };
    Some(Hit {
        impact: Impact::Rank(if critical { Rank::Blocking } else { Rank::Low }),
        evidence: vec![
            facts.evidence(&USER_TASKS, Some(share), "/proc/PID/stat num_threads, /proc/PID/limits"),
            plain("user_tasks_limit_count", Some(most as f64), Unit::Count, "/proc/PID/limits Max processes"),
        ],
        why: Some(sentence!["has ", user.tasks_count, " of the ", most, " tasks that its user may have"]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "User ",
                name,
                " has ",
                user.tasks_count,
                " of the ",
                most,
                " processes and threads that it may have",
                end,
                named,
                ".",
            ],
            top.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
