//! The kernel reports errors of a disk, of memory, of a link or of itself.
//!
//! Evidence: the kernel log within the window, the counters of memory controllers, arrays with missing members.
//! Older messages are worth knowing and no more. The log needs the right to read it.

use crate::diagnose::evidence::facts::{Facts, event_age, plain};
use crate::diagnose::evidence::kernel_log::{Reported, others};
use crate::diagnose::rule::{Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look};
use crate::diagnose::thresholds::STEAL;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Remedy, Severity};
use crate::model::kernel_log::{KernelMessage, Scope as KernelScope, Topic};
use crate::model::reading::AbsenceKind;
use crate::model::sentence::{device, path, quote, ratio, seconds, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::HwError,
    resource: Resource::Hardware,
    lane: Lane::LimitsAndErrors("hardware error"),
    sort: Sort::Io,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "the kernel reports errors of hardware or of itself",
    symptom: "A disk, a link, a memory module or the kernel itself fails. The kernel retries, and all programs \
              that use the part wait.",
    false_positives: &[
        "A single error long ago.",
        "An error on a device that is not used, such as an empty drive.",
        "On a virtual machine, a CPU that the hypervisor does not run looks stuck to the kernel.",
        "A process that writes such a text to the log: only what the kernel itself wrote is read.",
    ],
    sources: &["kernel Documentation/ABI/testing/dev-kmsg", "kernel Documentation/driver-api/edac.rst"],
    counters: &[
        "/dev/kmsg: messages about failing disks, file systems, RAID, network cards, memory modules and \
         buses, and about CPUs that are stuck in the kernel. Those within the window count; those of the last \
         hour are shown. An error of a device that nothing uses is a warning",
        "/sys/devices/system/edac/mc/mcN/ce_count and ue_count: errors of memory modules within the window",
        "/proc/self/mountinfo: a mount that may be written of a file system that an error made read-only",
        "/proc/mdstat: failed members of software RAID arrays",
    ],
    limits: &[&STEAL],
    confirm: &[
        confirm(
            "dmesg -T -l emerg,alert,crit,err,warn | tail -50",
            "I/O errors, link resets, EDAC or machine check lines, with their times",
        ),
        confirm("cat /proc/mdstat", "with software RAID, an array with a missing member, such as [U_]"),
    ],
    advice: &[
        look("Read the messages.", "dmesg -T -l err,crit,alert,emerg | tail -50", Remedy::Tune),
        look(
            "See the health of all disks.",
            "smartctl --scan | awk '{print $1}' | xargs -rn1 smartctl -H",
            Remedy::Tune,
        ),
        advise("Check that the backups are complete, then replace the part.", Remedy::AddResource),
        advise("Move the service to another machine until then.", Remedy::Distribute),
    ],
    check,
};

/// What of the kernel log is read here.
const TOPICS: [Topic; 5] = [Topic::Disk, Topic::FileSystem, Topic::Hardware, Topic::Interface, Topic::Lockup];

fn check(facts: &Facts<'_>) -> Outcome {
    let counted = of_memory(facts).or_else(|| of_file_systems(facts)).or_else(|| of_arrays(facts));
    let log = match &facts.rates.limits.kernel_log {
        Ok(log) => log,
        Err(_) if counted.is_some() => &Vec::new(),
        Err(absence) => {
            return Outcome::Unknown(NotChecked {
                what: "hardware errors, and kills before this window, in the kernel log".into(),
                reason: absence.to_string(),
                unlock: (absence.kind == AbsenceKind::Denied)
                    .then(|| "run as root, or with CAP_SYSLOG".to_owned()),
            });
        }
    };
    let undated =
        |message: &KernelMessage| TOPICS.contains(&message.pattern.topic) && message.in_window.is_none();
    if facts.rates.uptime_seconds.is_none() && counted.is_none() && log.iter().any(undated) {
        return Outcome::unknown(
            "when the messages of the kernel log were written",
            "/proc/uptime: not there",
            None,
        );
    }
    let logged = of_log(facts).or_else(|| of_earlier(facts));
    let worst = logged.into_iter().chain(counted).max_by_key(|hit| hit.severity);
    worst.map_or(Outcome::Clear, Outcome::hit)
}

/// What the kernel reported within the window: the worst decides, the others are listed.
fn of_log(facts: &Facts<'_>) -> Option<Hit> {
    let reported = facts.reported(&TOPICS);
    let (worst, rest) = reported.split_first()?;
    let message = worst.last;
    let mut severity = facts.severity_of(message);
    let mut against = Vec::new();
    // A virtual CPU that does not get its turn looks to the kernel in it like one that is stuck.
    let stolen = facts.cpu().map_or(0.0, |cpu| cpu.steal_ratio);
    if message.pattern.topic == Topic::Lockup && stolen >= facts.limit(&STEAL).warning {
        severity = severity.min(Severity::Warning);
        against.push(sentence![
            "the hypervisor took ",
            ratio(stolen),
            " of the CPU time: a CPU that does not run looks stuck"
        ]);
    }
    if severity < message.pattern.severity && message.pattern.scope == KernelScope::Device {
        against.push("nothing uses this device within the window".into());
    }
    let total: usize = reported.iter().map(|kind| kind.count).sum();
    let mut evidence = vec![plain("hardware_errors_count", Some(total as f64), Unit::Count, "/dev/kmsg")];
    evidence.extend(reported.iter().map(Reported::evidence));
    let ago = facts.rates.uptime_seconds.map(|now| {
        sentence![", ", seconds((now - message.at_seconds).clamp(0.0, facts.rates.seconds)), " ago"]
    });
    let rank = match severity {
        Severity::Critical => Rank::Blocking,
        Severity::Warning | Severity::Notice => Rank::Low,
        Severity::Info | Severity::Ok => Rank::Minor,
    };
    Some(Hit {
        impact: Impact::Rank(rank),
        evidence,
        against,
        device: device_of(message),
        ..Hit::new(
            severity,
            sentence!["The kernel reported", ago, ": ", quote(message.text.as_str()), others(rest)],
            Who::None,
            if message.pattern.topic == Topic::Lockup { Remedy::FixProgram } else { Remedy::AddResource },
        )
    })
}

/// What it reported within the last hour before the window.
fn of_earlier(facts: &Facts<'_>) -> Option<Hit> {
    let reported = facts.reported_earlier(&TOPICS);
    let (last, rest) = reported.split_first()?;
    let seconds_ago = (facts.rates.uptime_seconds? - last.last.at_seconds).max(0.0);
    let mut evidence = vec![plain("hardware_errors_count", Some(0.0), Unit::Count, "/dev/kmsg")];
    evidence.push(event_age(seconds_ago));
    Some(Hit {
        impact: Impact::Rank(Rank::Minor),
        evidence,
        device: device_of(last.last),
        ..Hit::new(
            Severity::Info,
            sentence![
                "The kernel reported, ",
                seconds(seconds_ago),
                " ago: ",
                quote(last.last.text.as_str()),
                others(rest)
            ],
            Who::None,
            Remedy::AddResource,
        )
    })
}

/// The disk, file system or interface in question.
fn device_of(message: &KernelMessage) -> Option<String> {
    matches!(message.pattern.scope, KernelScope::Device | KernelScope::FileSystem | KernelScope::Interface)
        .then(|| message.subject().map(str::to_owned))
        .flatten()
}

/// A file system that an error made read-only: every write to it fails.
fn of_file_systems(facts: &Facts<'_>) -> Option<Hit> {
    let mount = facts.read_only_mount()?;
    Some(Hit {
        impact: Impact::Rank(Rank::Severe),
        device: mount.source.strip_prefix("/dev/").map(str::to_owned),
        evidence: vec![plain(
            "read_only_mounts_count",
            Some(1.0),
            Unit::Count,
            "/proc/self/mountinfo: rw of a mount whose file system is ro",
        )],
        ..Hit::new(
            Severity::Critical,
            sentence![
                "File system ",
                path(mount.path.as_str()),
                " (",
                quote(mount.kind.as_str()),
                " on ",
                device(mount.source.as_str()),
                ") is read-only after an error, although it was mounted to be written: every write fails.",
            ],
            Who::Device(mount.source.clone()),
            Remedy::AddResource,
        )
    })
}

/// Errors of memory modules: an uncorrected one is lost data.
fn of_memory(facts: &Facts<'_>) -> Option<Hit> {
    let errors = facts.rates.memory_errors?;
    let (severity, count, what) = match (errors.uncorrected_count, errors.corrected_count) {
        (0, 0) => return None,
        (0, corrected) => (Severity::Warning, corrected, "corrected"),
        (uncorrected, _) => (Severity::Critical, uncorrected, "not corrected"),
    };
    Some(Hit {
        impact: Impact::Rank(if severity == Severity::Critical { Rank::Blocking } else { Rank::Low }),
        evidence: vec![plain(
            "memory_module_errors_count",
            Some(count as f64),
            Unit::Count,
            "/sys/devices/system/edac/mc/mcN/ce_count, ue_count",
        )],
        ..Hit::new(
            severity,
            sentence![count, " errors of memory modules, ", what, ", in this window: a module is failing."],
            Who::None,
            Remedy::AddResource,
        )
    })
}

/// An array that has lost a member: the next one that fails takes the data with it.
fn of_arrays(facts: &Facts<'_>) -> Option<Hit> {
    let array = facts.rates.hardware.arrays.iter().find(|array| array.working_count < array.members_count)?;
    let rebuilding = array.rebuilding.map(|what| sentence!["; ", what, " is running"]);
    Some(Hit {
        impact: Impact::Rank(Rank::Low),
        device: Some(array.name.clone()),
        evidence: vec![
            plain("raid_members_count", Some(f64::from(array.members_count)), Unit::Count, "/proc/mdstat"),
            plain(
                "raid_members_working_count",
                Some(f64::from(array.working_count)),
                Unit::Count,
                "/proc/mdstat",
            ),
        ],
        ..Hit::new(
            Severity::Warning,
            sentence![
                "RAID array ",
                device(array.name.as_str()),
                " runs with ",
                array.working_count,
                " of ",
                array.members_count,
                " members",
                rebuilding,
                ".",
            ],
            Who::Device(array.name.clone()),
            Remedy::AddResource,
        )
    })
}
