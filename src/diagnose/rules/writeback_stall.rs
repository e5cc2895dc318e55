//! Writers are held because too much memory is dirty and the disk does not keep up.
//!
//! Evidence: threads in D in `balance_dirty_pages`. A limit by device or control group may hold them long
//! before the limit of the box is reached, so the amount that is dirty is no condition.

use crate::diagnose::evidence::disk_users::users;
use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::rank;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who, advise, change,
    confirm, look, with_diag,
};
use crate::diagnose::thresholds::WRITEBACK_WAITERS;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{bytes, count, sentence};
use crate::model::units::Unit;
use crate::model::wait::WaitReason;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::WritebackStall,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("writeback"),
    sort: Sort::Io,
    profile: Some(ProfileMode::Waits),
    since: Since::IoPressure,
    scope: Scope::Own,
    inputs: &[Input::WhoseIo, Input::WaitChannels, Input::IoAccounting],
    title: "writers wait for writeback of dirty memory",
    symptom: "Programs write faster than the disk; when too much memory is dirty, the kernel makes them wait.",
    false_positives: &["Much dirty memory without waiting threads: the kernel writes it in the background."],
    sources: &["kernel mm/page-writeback.c", "kernel Documentation/admin-guide/sysctl/vm.rst dirty_bytes"],
    counters: &[
        "/proc/PID/task/TID/wchan balance_dirty_pages in state D, sampled: mean number of writers that wait",
        "/proc/meminfo Dirty, Writeback: shown next to it; a limit per device or control group makes writers \
         wait long before the limit of the machine is reached",
        "/proc/PID/io write_bytes: which process writes most",
    ],
    limits: &[&WRITEBACK_WAITERS],
    confirm: &[
        confirm("ps -eLo stat,wchan:32,pid,comm | grep balance_dirty", "the writers that wait"),
        confirm(
            "grep -E '^(Dirty|Writeback):' /proc/meminfo; sysctl vm.dirty_ratio vm.dirty_bytes",
            "how much memory is dirty, and how much may be",
        ),
    ],
    advice: &[
        with_diag(
            "See how long its threads wait, and in which calls.",
            OwnOption::Account,
            Remedy::FixProgram,
        ),
        look(
            "See how much memory is dirty, and how much may be.",
            "grep -E '^(Dirty|Writeback):' /proc/meminfo; sysctl vm.dirty_ratio vm.dirty_bytes",
            Remedy::Tune,
        ),
        change(
            "Let other processes use the disk first.",
            ActionTemplate::Ionice,
            "it gets slower; only the schedulers bfq and mq-deadline have priorities",
            Remedy::Tune,
        ),
        advise("Write less: batches, compression, a lower log level.", Remedy::FixProgram),
        change(
            "Start writeback earlier and allow less dirty memory: what the disk writes in a few \
             seconds, as measured.",
            ActionTemplate::DirtyLimits,
            "short bursts of writes wait earlier",
            Remedy::Tune,
        ),
        advise("Use a faster disk, or another one for this writer.", Remedy::AddResource),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    if let Some(absence) = facts.processes_absent() {
        return Outcome::Absent(absence.clone());
    }
    let waiters = facts.blocked_threads(|reason| reason == WaitReason::Writeback);
    if waiters < facts.limit(&WRITEBACK_WAITERS).warning {
        return Outcome::Clear;
    }
    let dirty = facts.rates.memory.as_ref().ok().and_then(|memory| memory.unwritten_bytes());
    let written = |process: &crate::model::rates::ProcessRates| process.write_bytes_per_second.unwrap_or(0.0);
    let busiest =
        facts.disks().iter().max_by(|a, b| a.write_bytes_per_second.total_cmp(&b.write_bytes_per_second));
    let ranked = rank(facts, None, |group| group.sum(written), written);
    let who = ranked
        .into_iter()
        .next()
        .map(Who::Group)
        .or_else(|| busiest.map(|disk| users(facts, disk).who))
        .unwrap_or(Who::None);
    let critical = facts.limit(&WRITEBACK_WAITERS).critical.is_some_and(|limit| waiters >= limit);
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new().ratio(),
        impact: Impact::TimeLost(waiters.min(1.0)),
        evidence: vec![
            facts.evidence(&WRITEBACK_WAITERS, Some(waiters), "/proc/PID/task/TID/wchan balance_dirty_pages"),
            plain(
                "dirty_bytes",
                dirty.map(|bytes| bytes as f64),
                Unit::Bytes,
                "/proc/meminfo Dirty, Writeback",
            ),
        ],
        why: Some("writes faster than the disk can store".into()),
        device: busiest.map(|disk| disk.name.clone()),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                count(waiters),
                " writers on average wait until dirty memory is written back",
                dirty.map(|dirty| sentence![" (", bytes(dirty as f64), " are dirty)"]),
                ".",
            ],
            who,
            Remedy::Tune,
        )
    })
}
