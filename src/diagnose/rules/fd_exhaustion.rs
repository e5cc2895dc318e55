//! A process, or the system, has used up its open files.
//!
//! Evidence: open files against the soft limit of the process, or against the limit of the system. Root has no
//! exemption from its own limit. A process that is stuck at its limit spins or refuses connections.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{Hit, Impact, Outcome, Rule, Who, advise, change, confirm, look};
use crate::diagnose::rule::{Input, Lane, Scope, Since};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::diagnose::thresholds::{PROCESS_FILES, SYSTEM_FILES};
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
    title: "open files are used up",
    symptom: "A process holds as many files and sockets as it may, or the system does: opening and accepting \
              fail.",
    false_positives: &["A process that is meant to hold many files and stays below its limit."],
    sources: &["getrlimit(2) RLIMIT_NOFILE", "proc_sys_fs(5) file-nr", "node-mixin; netdata"],
    counters: &[
        "/proc/PID/fd: number of open files, by \"Max open files\" (soft) of /proc/PID/limits",
        "/proc/sys/fs/file-nr: open files of the system by their limit; looked at first",
    ],
    limits: &[&PROCESS_FILES, &SYSTEM_FILES],
    confirm: &[
        confirm(
            "ls /proc/{pid}/fd | wc -l; grep 'open files' /proc/{pid}/limits",
            "a count near the soft limit, which is the first of the two numbers",
        ),
        confirm("cat /proc/sys/fs/file-nr", "the first number near the third"),
    ],
    advice: &[
        look(
            "See what it holds: a leak shows many of one kind.",
            "ls -l /proc/{pid}/fd | awk '{print $NF}' | sort | uniq -c | sort -rn | head",
            Remedy::FixProgram,
        ),
        change(
            "Raise its limit now, and LimitNOFILE in its unit.",
            "prlimit --pid {pid} --nofile={more_files}",
            "a leak then takes longer to hurt",
            "prlimit --pid {pid} --nofile={files}:",
            Remedy::Tune,
        ),
        advise("Close what is no longer used; set time-outs on idle connections.", Remedy::FixProgram),
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
                top.map_or(Who::Nobody, Who::Group),
                Remedy::Tune,
            )
        });
    }
    let Some((files, share, limit)) = worst else { return Outcome::Clear };
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
            top.map_or(Who::Nobody, Who::Group),
            Remedy::FixProgram,
        )
    })
}
