//! The kernel reports errors of a disk, of memory or of a link.
//!
//! Evidence: the kernel log within the window, the counters of memory controllers, arrays with missing members.
//! Older messages are worth knowing and no more. The log needs the right to read it.

use crate::diagnose::evidence::facts::{Facts, event_age, plain};
use crate::diagnose::rule::{Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{NotChecked, Remedy, Severity};
use crate::model::limits::{HARDWARE_ERRORS, KernelMessage};
use crate::model::reading::AbsenceKind;
use crate::model::sentence::{device, quote, seconds, sentence};
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
    title: "the hardware reports errors",
    symptom: "A disk, a link or a memory module fails. The kernel retries, and all programs that use the \
              part wait.",
    false_positives: &[
        "A single error long ago.",
        "An error on a device that is not used, such as an empty drive.",
    ],
    sources: &["kernel Documentation/ABI/testing/dev-kmsg", "kernel Documentation/driver-api/edac.rst"],
    counters: &[
        "/dev/kmsg: messages of level warning or worse about a failing disk, link, file system, RAID or \
         memory module. Those within the window are critical; those of the last hour are shown",
        "/sys/devices/system/edac/mc/mcN/ce_count and ue_count: errors of memory modules within the window",
        "/proc/mdstat: failed members of software RAID arrays",
    ],
    limits: &[],
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

/// An older message is still worth knowing.
const RECENT_SECONDS: f64 = 3600.0;

fn check(facts: &Facts<'_>) -> Outcome {
    let counted = of_memory(facts).or_else(|| of_arrays(facts));
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
    if facts.rates.uptime_seconds.is_none() && counted.is_none() && !log.is_empty() {
        return Outcome::unknown(
            "when the messages of the kernel log were written",
            "/proc/uptime: not there",
            None,
        );
    }
    let worst = of_log(facts, log).into_iter().chain(counted).max_by_key(|hit| hit.severity);
    worst.map_or(Outcome::Clear, Outcome::hit)
}

fn of_log(facts: &Facts<'_>, log: &[KernelMessage]) -> Option<Hit> {
    let now = facts.rates.uptime_seconds?;
    // Loop devices and RAM disks are not hardware.
    let real = |message: &&KernelMessage| {
        message.level <= 4
            && HARDWARE_ERRORS.iter().any(|error| message.text.contains(error))
            && !["dev loop", "dev ram", "dev fd0", "dev sr", "(loop", "EDAC MC: Ver"]
                .iter()
                .any(|other| message.text.contains(other))
    };
    let recent = log.iter().filter(real).filter(|message| now - message.at_seconds <= RECENT_SECONDS);
    let last = recent.clone().next_back()?;
    let in_window = recent.filter(|message| now - message.at_seconds <= facts.rates.seconds + 1.0).count();
    let seconds_ago = (now - last.at_seconds).max(0.0);
    let ago = seconds(seconds_ago);
    Some(Hit {
        impact: Impact::Rank(if in_window > 0 { Rank::Blocking } else { Rank::Minor }),
        evidence: [plain("hardware_errors_count", Some(in_window as f64), Unit::Count, "/dev/kmsg")]
            .into_iter()
            .chain((in_window == 0).then(|| event_age(seconds_ago)))
            .collect(),
        ..Hit::new(
            if in_window > 0 { Severity::Critical } else { Severity::Info },
            sentence!["The kernel reported, ", ago, " ago: ", quote(last.text.as_str())],
            Who::None,
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
