//! The kernel reports errors of a disk, of memory or of a link.
//!
//! Evidence: the kernel log within the window. Older messages are worth knowing and no more. Needs the right
//! to read the log.

use crate::diagnose::facts::{Facts, plain};
use crate::diagnose::rules::{Hit, Outcome, Rule, Who, advise, confirm, look};
use crate::model::finding::{NotChecked, Remedy, Severity};
use crate::model::limits::{HARDWARE_ERRORS, KernelMessage};
use crate::model::reading::AbsenceKind;
use crate::model::units::human_seconds;

/// The rule.
pub const RULE: Rule = Rule {
    id: "hw-error",
    title: "the hardware reports errors",
    symptom: "A disk, a link or a memory module fails: the kernel repeats requests, and all that use it wait.",
    false_positives: &[
        "One error of long ago.",
        "An error on a device that nobody uses, such as an empty drive.",
    ],
    sources: &["kernel Documentation/ABI/testing/dev-kmsg", "kernel Documentation/driver-api/edac.rst"],
    counters: &[
        "/dev/kmsg: messages of level warning and worse that report a failing disk, link, file system, \
         RAID or memory module; those within the window make it critical, those of the last hour are worth \
         knowing",
    ],
    limits: &[],
    confirm: &[
        confirm(
            "dmesg -T -l emerg,alert,crit,err,warn | tail -50",
            "I/O errors, link resets, EDAC or machine check lines, with the time of each",
        ),
        confirm(
            "cat /proc/mdstat",
            "an array with a missing member, such as [U_], where there is software RAID",
        ),
    ],
    advice: &[
        look("Read what it says.", "dmesg -T -l err,crit,alert,emerg | tail -50", Remedy::AddResource),
        look("Ask the disk.", "smartctl -a /dev/DISK", Remedy::AddResource),
        advise("Move the service away, then replace the part.", Remedy::AddResource),
    ],
    check,
};

/// An older message is still worth knowing.
const RECENT_SECONDS: f64 = 3600.0;

fn check(facts: &Facts<'_>) -> Outcome {
    let log = match &facts.rates.limits.kernel_log {
        Ok(log) => log,
        Err(absence) => {
            return Outcome::Unknown(NotChecked {
                what: "hardware errors, and kills before this window, in the kernel log".into(),
                reason: absence.to_string(),
                unlock: (absence.kind == AbsenceKind::Denied)
                    .then(|| "run as root, or with CAP_SYSLOG".to_owned()),
            });
        }
    };
    let now = facts.rates.uptime_seconds.unwrap_or(0.0);
    // Loop devices and ram are files of somebody, not hardware.
    let real = |message: &&KernelMessage| {
        message.level <= 4
            && HARDWARE_ERRORS.iter().any(|error| message.text.contains(error))
            && !["dev loop", "dev ram", "dev fd0", "dev sr", "(loop", "EDAC MC: Ver"]
                .iter()
                .any(|other| message.text.contains(other))
    };
    let recent = log.iter().filter(real).filter(|message| now - message.at_seconds <= RECENT_SECONDS);
    let Some(last) = recent.clone().next_back() else { return Outcome::Clear };
    let in_window = recent.filter(|message| now - message.at_seconds <= facts.rates.seconds + 1.0).count();
    let ago = human_seconds((now - last.at_seconds).max(0.0));
    Outcome::hit(Hit {
        impact_ratio: if in_window > 0 { 1.0 } else { 0.05 },
        evidence: vec![plain("hardware_errors_count", Some(in_window as f64), "count", "/dev/kmsg")],
        ..Hit::new(
            if in_window > 0 { Severity::Critical } else { Severity::Info },
            format!("The kernel reports, {ago} ago: {}", last.text),
            Who::Nobody,
            Remedy::AddResource,
        )
    })
}
