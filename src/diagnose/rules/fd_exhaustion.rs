//! A process, or the system, has used up its open files.
//!
//! Evidence: open files against the soft limit of the process, or against the limit of the system. Root has no
//! exemption from its own limit. A process that is stuck at its limit spins or refuses connections.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::diagnose::thresholds::{INOTIFY_INSTANCES, PROCESS_FILES, SYSTEM_FILES};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::FdExhaustion,
    resource: Resource::Limits,
    lane: Lane::LimitsAndErrors("open files"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[Input::AllProcesses],
    title: "file descriptors are used up",
    symptom: "A process has as many files and sockets open as its limit allows, or the whole system does: \
              opening files and accepting connections fail.",
    false_positives: &["A process that needs many open files and stays below its limit."],
    sources: &["getrlimit(2) RLIMIT_NOFILE", "proc_sys_fs(5) file-nr", "node-mixin; netdata"],
    counters: &[
        "/proc/PID/fd: number of open files, divided by the soft limit \"Max open files\" of /proc/PID/limits",
        "/proc/PID/fd links to anon_inode:inotify of processes with many open files, added up for each user \
         and divided by /proc/sys/fs/inotify/max_user_instances",
        "/proc/sys/fs/file-nr: open files of the system divided by their limit; checked first",
    ],
    limits: &[&PROCESS_FILES, &SYSTEM_FILES, &INOTIFY_INSTANCES],
    confirm: &[
        confirm(
            "ls /proc/{pid}/fd | wc -l; grep 'open files' /proc/{pid}/limits",
            "a count close to the soft limit, the first of the two numbers",
        ),
        confirm("cat /proc/sys/fs/file-nr", "the first number is close to the third"),
    ],
    advice: &[
        look(
            "See what it has open: a leak shows as many of one kind.",
            "ls -l /proc/{pid}/fd | awk '{print $NF}' | sort | uniq -c | sort -rn | head",
            Remedy::FixProgram,
        ),
        look(
            "See the open files of the whole system: open, unused and maximum.",
            "cat /proc/sys/fs/file-nr",
            Remedy::FixProgram,
        ),
        advise("Close what is no longer used; set timeouts on idle connections.", Remedy::FixProgram),
        change(
            "If inotify instances are used up, allow more of them.",
            ActionTemplate::Sysctl(&[("fs.inotify.max_user_instances", "1024")]),
            "a little kernel memory for each",
            Remedy::Tune,
        ),
        change(
            "Raise its limit now, and LimitNOFILE= in its unit for the next start.",
            ActionTemplate::OpenFiles,
            "a leak takes longer to show",
            Remedy::Tune,
        ),
        advise("Let a reverse proxy hold slow and idle clients.", Remedy::Distribute),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let limits = &facts.rates.limits;
    if limits.open_files.is_empty() && facts.system_files_ratio().is_none() {
        return Outcome::unknown(
            "open files",
            "neither /proc/PID/fd nor /proc/sys/fs/file-nr can be read",
            None,
        );
    }
    let worst = limits
        .open_files
        .iter()
        .filter_map(|files| Some((files, files.limit?)))
        .map(|(files, limit)| (files, files.count as f64 / limit.max(1) as f64, limit))
        .filter(|(_, share, _)| *share >= facts.limit(&PROCESS_FILES).warning)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let at = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
    if let Some(system) =
        facts.system_files_ratio().filter(|system| *system >= facts.limit(&SYSTEM_FILES).warning)
    {
        let most = limits.open_files.iter().max_by_key(|files| files.count);
        let top = most.and_then(|files| facts.most_among(&[files.pid], |_| 1.0));
        let critical = at(system, facts.limit(&SYSTEM_FILES).critical);
        return Outcome::hit(Hit {
            impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Low }),
            evidence: vec![facts.evidence(&SYSTEM_FILES, Some(system), "/proc/sys/fs/file-nr")],
            ..Hit::new(
                if critical { Severity::Critical } else { Severity::Warning },
                sentence!["The system has ", ratio(system), " of the files open that it may have."],
                top.map_or(Who::None, Who::Group),
                Remedy::Tune,
            )
        });
    }
    let Some((files, share, limit)) = worst else {
        return instances(facts).map_or(Outcome::Clear, Outcome::hit);
    };
    let top = facts.most_among(&[files.pid], |_| 1.0);
    let critical = at(share, facts.limit(&PROCESS_FILES).critical);
    let name = top.as_ref().map_or_else(|| sentence!["process ", files.pid], |top| facts.name(top));
    Outcome::hit(Hit {
        impact: Impact::Rank(if critical { Rank::Severe } else { Rank::Minor }),
        evidence: vec![facts.evidence(&PROCESS_FILES, Some(share), "/proc/PID/fd, /proc/PID/limits")],
        why: Some(sentence!["has ", files.count, " of ", limit, " files open"]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![name, " has ", files.count, " of the ", limit, " files open that it may have."],
            top.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}

/// A user whose inotify instances are used up: inotify_init(2) fails as if there were too many open files.
fn instances(facts: &Facts<'_>) -> Option<Hit> {
    let limit = facts.limit(&INOTIFY_INSTANCES);
    let near = facts.rates.limits.inotify.iter().filter(|user| user.limit > 0);
    let near = near.map(|user| (user, user.count as f64 / user.limit as f64));
    let (user, share) =
        near.filter(|(_, share)| *share >= limit.warning).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let critical = limit.critical.is_some_and(|critical| share >= critical);
    let top = facts.most_among(&user.pids, |_| 1.0);
    let name = facts.user_name(user.uid);
    let named = top.as_ref().map(|top| sentence!["; most are of ", facts.name(top)]);
    Some(Hit {
        impact: Impact::Rank(if critical { Rank::Considerable } else { Rank::Minor }),
        evidence: vec![facts.evidence(&INOTIFY_INSTANCES, Some(share), "/proc/PID/fd, max_user_instances")],
        why: Some(sentence!["has ", user.count, " inotify instances"]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "User ",
                name,
                " has ",
                user.count,
                " of the ",
                user.limit,
                " inotify instances that it may have",
                named,
                "."
            ],
            top.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
