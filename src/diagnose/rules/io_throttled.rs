//! A control group has reached its I/O limit: its threads wait while the disk has little to do.
//!
//! Evidence: the group's rate against its limit, in bytes or requests. The wait looks like that for a slow
//! disk; the device shows neither queue nor long requests. Version 1 cannot limit buffered writes.

use crate::diagnose::evidence::facts::{Facts, group_stall, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Input, Lane, Outcome, OwnOption, Rule, Scope, Since, Who,
    advise, change, confirm, look, reading, with_diag,
};
use crate::diagnose::thresholds::algorithm::{DISK_QUIET, IO_LIMIT_STALL, IO_LIMIT_WAITERS};
use crate::diagnose::thresholds::{IO_LIMIT_USED, IO_PRESSURE};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::cgroup::CgroupRates;
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{bytes, ratio, sentence, unit};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::IoThrottled,
    resource: Resource::Io,
    lane: Lane::SwapOrDisk("I/O limit"),
    sort: Sort::Io,
    profile: Some(ProfileMode::Waits),
    since: Since::IoPressure,
    scope: Scope::Own,
    inputs: &[Input::IoPressure, Input::WhoseIo, Input::UnifiedGroups],
    title: "an I/O limit throttles threads",
    symptom: "A control group may read or write only so much per second and needs more: its threads wait \
              while the disk is nearly idle.",
    false_positives: &["A group that is close to its limit and whose threads do not wait."],
    sources: &["kernel Documentation/admin-guide/cgroup-v2.rst io.max", "cgroup-v1/blkio-controller.rst"],
    counters: &[
        "io.stat rbytes, wbytes, rios, wios divided by io.max (version 1: blkio.throttle.io_service_bytes \
         and io_serviced divided by blkio.throttle.*_device): of each device alone, the direction that is closest to its limit",
        "io.stat cost.wait: how long the controller io.cost held the group's requests back, where it is on and tells",
        "/proc/PID/task/TID/stat state D of the group's threads, sampled, or /proc/pressure/io some total: \
         its threads must wait",
        "/proc/diskstats time busy: a disk with little to do agrees",
    ],
    limits: &[&IO_LIMIT_USED, &IO_PRESSURE],
    confirm: &[
        confirm(
            "grep -r . --include=io.max --include='blkio.throttle.*_device' /sys/fs/cgroup",
            "a limit for this device",
        ),
        confirm("iostat -dx 1 3", "a rate just at that limit, with low %util and aqu-sz"),
    ],
    advice: &[
        look(
            "See the limit of the group.",
            "grep -sH . {io_group}/io.max {io_group}/blkio.throttle.*_device",
            Remedy::Tune,
        ),
        with_diag("See how long its threads wait.", OwnOption::Account, Remedy::Tune),
        advise("Read and write less: cache, batch, compress.", Remedy::FixProgram),
        change(
            "Remove the limit of its unit.",
            ActionTemplate::Raise(GroupLimit::Io),
            "other services may get less of the disk",
            Remedy::Tune,
        ),
        advise(
            "Raise a limit that systemd does not manage where it is set: in the container runtime, or in \
             io.max or blkio.throttle.*_device of the group.",
            Remedy::Tune,
        ),
        advise("Use a larger volume class where the limit is the provider's.", Remedy::AddResource),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let groups = reading!(facts.rates.cgroups);
    let at_limit = groups.iter().filter_map(|group| Some((group, used(group)?)));
    let at_limit = at_limit
        .filter(|(_, used)| *used >= facts.limit(&IO_LIMIT_USED).warning)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let held_back = || {
        let held = groups.iter().filter_map(|group| Some((group, held_back(group)?)));
        held.filter(|(_, held)| *held >= IO_LIMIT_STALL).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (group, used, held) = match (at_limit, held_back()) {
        (Some((group, used)), _) => (group, Some(used), None),
        (None, Some((group, held))) => (group, None, Some(held)),
        (None, None) => return Outcome::Clear,
    };
    let waiting: f64 = facts
        .rates
        .processes
        .iter()
        .filter(|process| group.members.contains(&process.pid))
        .map(|process| process.uninterruptible_mean)
        .sum();
    let stalls = facts.io_stalls();
    let (critical_waiters, waiters) = IO_LIMIT_WAITERS;
    if waiting < waiters && !stalls.some_reaches(facts.limit(&IO_PRESSURE).warning) {
        return Outcome::Clear;
    }
    let top = facts.most_among(&group.members, |process| {
        process.io_bytes_per_second().unwrap_or(0.0) + process.uninterruptible_mean
    });
    let named = top.as_ref().map(|top| sentence!["; ", facts.name(top), " waits for it"]);
    let rate =
        group.read_bytes_per_second.into_iter().chain(group.write_bytes_per_second).reduce(|a, b| a + b);
    let critical = waiting >= critical_waiters || stalls.some_reaches(IO_LIMIT_STALL);
    let summary = sentence![
        "Control group ",
        unit(group.name()),
        " moves ",
        rate.map(|rate| sentence![bytes(rate), " per second, "]),
        used.map(|used| sentence![ratio(used), " of its I/O limit"]),
        held.map(|held| sentence![
            "and the I/O controller io.cost held its requests back ",
            ratio(held),
            " of the time"
        ]),
        ", and at least one thread was waiting for I/O ",
        facts.io_wait_words(),
        " of the time",
        named,
        ".",
    ];
    let quiet = facts.leaves().all(|disk| disk.utilization_ratio < DISK_QUIET);
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new().agreement(1 + usize::from(quiet)).ratio(),
        impact: Impact::TimeLost(stalls.some.into_iter().fold(waiting.min(1.0), f64::max)),
        evidence: [
            facts.evidence(&IO_LIMIT_USED, used, "io.stat and io.max, or blkio.throttle.*"),
            facts.evidence(&IO_PRESSURE, stalls.some, "/proc/pressure/io some total"),
            plain(
                "cgroup_bytes_per_second",
                rate,
                Unit::BytesPerSecond,
                "io.stat, blkio.throttle.io_service_bytes",
            ),
        ]
        .into_iter()
        .chain(held.map(|held| plain("io_cost_wait_ratio", Some(held), Unit::Ratio, "io.stat cost.wait")))
        .chain(group_stall(group, "io"))
        .collect(),
        why: Some(sentence!["held back by the I/O limit of ", unit(group.name())]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            summary,
            top.map_or(Who::None, Who::Group),
            Remedy::Tune,
        )
    })
}

/// Time that the requests of the group were held back by the controller io.cost, on the device where it is longest.
fn held_back(group: &CgroupRates) -> Option<f64> {
    group.io_devices.iter().filter_map(|device| device.cost_wait_ratio).reduce(f64::max)
}

/// The group's rate by its limit, on the device and in the direction that are nearest to it.
fn used(group: &CgroupRates) -> Option<f64> {
    let used = group.io_devices.iter().flat_map(|device| device.limits_used());
    used.map(|(share, _)| share).reduce(f64::max)
}
