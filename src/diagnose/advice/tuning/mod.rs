//! Settings that differ from a sensible value, said only where a finding of this window makes them matter: a list of
//! everything that could be otherwise helps nobody at night.

mod disks;
mod kernel_settings;

use crate::diagnose::advice::before;
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{Finding, Severity};
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::tuning::{KernelSettings, SettingNote};

/// One piece of advice on one setting.
struct Advice {
    name: &'static str,
    /// Findings that make it matter.
    findings: &'static [BottleneckId],
    /// The value to set and what makes it sensible; none where it is sensible already.
    better: fn(&Around<'_>) -> Option<Better>,
    /// Where it is documented.
    source: &'static str,
    risk: &'static str,
}

struct Better {
    value: String,
    sensible: &'static str,
    why: String,
}

/// What a setting is judged by.
struct Around<'a> {
    settings: &'a KernelSettings,
    rates: &'a Rates,
}

impl Around<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.settings.number(name)
    }

    /// Counter of the network stack by second.
    fn net(&self, name: &str) -> Option<f64> {
        self.rates.net_per_second.as_ref().ok()?.get(name).copied()
    }

    fn memory_bytes(&self) -> Option<f64> {
        self.rates.memory.as_ref().ok().map(|memory| memory.total_bytes as f64)
    }
}

/// The settings to speak of.
pub fn settings(rates: &Rates, diagnosis: &Diagnosis) -> Vec<SettingNote> {
    let around = Around { settings: &rates.limits.settings, rates };
    let bad = |finding: &&Finding| finding.severity >= Severity::Warning;
    let mattering =
        |ids: &[BottleneckId]| diagnosis.findings.iter().filter(bad).find(|found| ids.contains(&found.id));
    let mut notes: Vec<SettingNote> = Vec::new();
    for advice in kernel_settings::ADVICE {
        let note = || {
            let finding = mattering(advice.findings)?;
            let better = (advice.better)(&around)?;
            note(&around, advice.name, finding, better, advice.source, advice.risk)
        };
        notes.extend(note());
    }
    if let Some(finding) = mattering(&[BottleneckId::DiskSaturated, BottleneckId::DiskLatency]) {
        notes.extend(disks::notes(&around, finding));
    }
    notes
}

fn note(
    around: &Around<'_>,
    name: &str,
    finding: &Finding,
    better: Better,
    source: &str,
    risk: &str,
) -> Option<SettingNote> {
    let value = around.settings.text(name)?.to_owned();
    let (command, undo) = commands(around.settings, name, &value, &better.value);
    Some(SettingNote {
        name: name.to_owned(),
        value,
        sensible: better.sensible.to_owned(),
        why: better.why,
        finding: finding.id,
        evidence: finding.evidence.iter().filter(|item| item.beyond().is_some()).take(2).cloned().collect(),
        command,
        risk: risk.to_owned(),
        undo,
        source: source.to_owned(),
    })
}

/// What to type, and what takes it back.
fn commands(settings: &KernelSettings, name: &str, old: &str, new: &str) -> (String, String) {
    let write = |word: &str, path: String| format!("echo {word} > {path}");
    if name.starts_with("transparent_hugepage") {
        let path = || format!("/sys/kernel/mm/{name}");
        return (write(new, path()), write(old, path()));
    }
    if name.contains("/queue/") {
        let path = || format!("/sys/block/{name}");
        return (write(new, path()), write(old, path()));
    }
    if name == "cpufreq/scaling_governor" {
        let set = |word: &str| format!("cpupower frequency-set -g {word}");
        return (set(new), set(old));
    }
    // Setting bytes clears the ratio, and the other way round.
    let target = match name {
        "vm.dirty_ratio" => "vm.dirty_bytes",
        "vm.dirty_background_ratio" => "vm.dirty_background_bytes",
        other => other,
    };
    let back = match settings.text(target) {
        Some(now) => before(target, now, settings),
        None => before(name, old, settings),
    };
    (format!("sysctl {target}={new}"), format!("sysctl {back}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_can_be_taken_back() {
        let (set, undo) = commands(&KernelSettings::default(), "vm.dirty_ratio", "20", "536870912");
        assert_eq!(
            (set.as_str(), undo.as_str()),
            ("sysctl vm.dirty_bytes=536870912", "sysctl vm.dirty_ratio=20")
        );
        let (_, undo) =
            commands(&KernelSettings::default(), "net.ipv4.ip_local_port_range", "1024 2000", "x");
        assert_eq!(undo, "sysctl net.ipv4.ip_local_port_range='1024 2000'");
        let (set, undo) =
            commands(&KernelSettings::default(), "transparent_hugepage/defrag", "always", "madvise");
        assert_eq!(set, "echo madvise > /sys/kernel/mm/transparent_hugepage/defrag");
        assert!(undo.starts_with("echo always"));
        let none = KernelSettings::default();
        let (set, undo) = commands(&none, "sda/queue/scheduler", "bfq", "mq-deadline");
        assert_eq!(set, "echo mq-deadline > /sys/block/sda/queue/scheduler");
        assert_eq!(undo, "echo bfq > /sys/block/sda/queue/scheduler");
        let (set, undo) = commands(&none, "cpufreq/scaling_governor", "powersave", "performance");
        assert_eq!(set, "cpupower frequency-set -g performance");
        assert_eq!(undo, "cpupower frequency-set -g powersave");
    }

    #[test]
    fn every_setting_hangs_on_a_finding_that_exists() {
        for advice in kernel_settings::ADVICE {
            assert!(!advice.findings.is_empty(), "{}", advice.name);
            for id in advice.findings {
                assert!(crate::diagnose::manual::by_id(*id).is_some(), "{}: {id}", advice.name);
            }
        }
    }
}
