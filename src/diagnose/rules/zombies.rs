//! A process does not wait for its children: they stay as zombies.
//!
//! Evidence: children that were zombies at both ends of the window, by parent. A zombie takes a process id and
//! nothing else; the parent is at fault, and killing the zombie is of no use.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look,
};
use crate::diagnose::thresholds::ZOMBIES;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::sentence;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::Zombies,
    resource: Resource::Limits,
    lane: Lane::LimitsAndErrors("zombies"),
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[Input::AllProcesses],
    title: "a process does not reap its children",
    symptom: "Ended processes stay in the process table because their parent never asks for their exit code.",
    false_positives: &["A child that is a zombie for a moment, until its parent reaps it."],
    sources: &["wait(2)", "proc_pid_stat(5)"],
    counters: &[
        "/proc/PID/stat state Z and ppid: children that were zombies at both ends of the window, per parent; \
         half as many are enough if their number rises",
    ],
    limits: &[&ZOMBIES],
    confirm: &[confirm(
        "ps -e -o stat=,ppid= | awk '$1 ~ /^Z/ {print $2}' | sort | uniq -c | sort -rn | head",
        "number of zombies per parent",
    )],
    advice: &[
        look(
            "See the children of the parent.",
            "ps -o pid,ppid,stat,etime,args --ppid {pid} | head",
            Remedy::FixProgram,
        ),
        look(
            "Count the zombies per parent.",
            "ps -e -o stat=,ppid= | awk '$1 ~ /^Z/ {print $2}' | sort | uniq -c | sort -rn | head",
            Remedy::FixProgram,
        ),
        advise("Restart the parent: init then reaps its zombies.", Remedy::FixProgram),
        advise(
            "The parent must call wait(2) or ignore SIGCHLD; a container needs an init process (`--init`, \
             tini).",
            Remedy::FixProgram,
        ),
    ],
    check,
};

/// Fewer are enough when they grow in number.
const GROWING: usize = 10;

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let many = |(_, old, all): &&(i32, usize, usize)| {
        *old as f64 >= facts.limit(&ZOMBIES).warning || (*old >= GROWING && all > old)
    };
    let Some(&(parent, _, count)) = facts.rates.zombies.iter().filter(many).max_by_key(|(_, old, _)| *old)
    else {
        return Outcome::Clear;
    };
    let who = facts.most_among(&[parent], |_| 1.0);
    let name = who.as_ref().map_or_else(|| sentence!["process ", parent], |top| facts.name(top));
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Minor),
        evidence: vec![facts.evidence(&ZOMBIES, Some(count as f64), "/proc/PID/stat state Z, by parent")],
        why: Some(sentence!["does not wait for ", count, " children"]),
        ..Hit::new(
            Severity::Warning,
            sentence![name, " has ", count, " ended children (zombies) and does not wait for them."],
            who.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
