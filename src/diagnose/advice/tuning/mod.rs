//! Kernel settings that differ from a sensible value; listed only where a finding of this window makes them matter.

mod disks;
mod kernel_settings;

use crate::diagnose::advice::settings::of_report;
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
    /// The value to set, and why; none where the value is sensible already.
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

/// Bytes written per second from which limits on unwritten data can matter.
const WRITTEN_MIN: f64 = (256_u64 << 10) as f64;

/// What a setting is judged with.
struct Around<'a> {
    settings: &'a KernelSettings,
    rates: &'a Rates,
}

impl Around<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.settings.number(name)
    }

    /// Counter of the network stack, per second.
    fn net(&self, name: &str) -> Option<f64> {
        self.rates.net_per_second.as_ref().ok()?.get(name).copied()
    }

    /// What the disk that writes most writes per second; none where that is next to nothing.
    fn written(&self) -> Option<f64> {
        let disks = self.rates.disks.iter().flatten();
        let most = disks.map(|disk| disk.write_bytes_per_second).reduce(f64::max);
        most.filter(|bytes| *bytes >= WRITTEN_MIN)
    }

    fn memory_bytes(&self) -> Option<f64> {
        self.rates.memory.as_ref().ok().map(|memory| memory.total_bytes as f64)
    }
}

/// The settings that matter here.
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
    let action = of_report(around.settings, name, &value, &better.value);
    Some(SettingNote {
        command: action.command()?,
        undo: action.undo()?,
        name: name.to_owned(),
        value,
        sensible: better.sensible.to_owned(),
        why: better.why,
        finding: finding.id,
        evidence: finding.evidence.iter().filter(|item| item.beyond().is_some()).take(2).cloned().collect(),
        risk: risk.to_owned(),
        source: source.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
