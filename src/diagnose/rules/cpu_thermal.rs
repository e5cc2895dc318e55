//! The CPUs are slowed down because they are too hot.
//!
//! Evidence: the time that a CPU ran throttled for its own heat or that of its package. It matters only while the
//! CPUs are wanted. A virtual machine cannot see it: there it looks like code that got slower.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, confirm, look, reading,
};
use crate::diagnose::thresholds::HEAT;
use crate::diagnose::thresholds::algorithm::ERROR_OF_CPU_TIME;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::CpuThermal,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("heat"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Node,
    inputs: &[],
    title: "the CPUs are throttled because of heat",
    symptom: "The CPU lowers its clock frequency to stay within its temperature limit. Everything takes \
              longer, and no program is at fault.",
    false_positives: &["A short peak under heavy load that the cooling can handle."],
    sources: &[
        "kernel Documentation/ABI/testing/sysfs-devices-system-cpu thermal_throttle",
        "pmie thermal_throttle",
    ],
    counters: &[
        "core_throttle_total_time_ms and package_throttle_total_time_ms below /sys/devices/system/cpu: time \
         that a CPU was throttled; the worst CPU counts",
        "/proc/stat: how busy the CPUs are",
    ],
    limits: &[&HEAT],
    confirm: &[
        confirm(
            "grep . /sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_total_time_ms",
            "the times rise from one run to the next",
        ),
        confirm(
            "turbostat --quiet --interval 5",
            "Bzy_MHz is well below the base frequency, PkgTmp is at its limit",
        ),
    ],
    advice: &[
        look(
            "See the temperature and the clock frequency.",
            "turbostat --quiet --interval 5 --num_iterations 1",
            Remedy::Tune,
        ),
        advise("Check fans, dust, air flow and the power profile of the machine.", Remedy::Tune),
        advise("Replace failing fans, or improve the cooling.", Remedy::AddResource),
        advise("Move load to other machines until the cooling works again.", Remedy::Distribute),
    ],
    check,
};

/// A box that is idler than this does not need the speed.
const BUSY_MIN: f64 = 0.3;

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let host = &facts.rates.host;
    let Some(heat) = facts.rates.heat_ratio else {
        // A guest never has these files: the host below it slows its CPUs down.
        if host.virtualization.is_some() || host.container.is_some() {
            return Outcome::Clear;
        }
        return Outcome::unknown(
            "whether CPUs are throttled because of heat",
            "/sys/devices/system/cpu/cpuN/thermal_throttle: not there",
            None,
        );
    };
    // One hot CPU of many is enough to slow the one program that runs on it.
    let busiest = facts.rates.cpus.iter().map(|(_, cpu)| cpu.busy_ratio()).fold(cpu.busy_ratio(), f64::max);
    if heat < facts.limit(&HEAT).warning || busiest < BUSY_MIN {
        return Outcome::Clear;
    }
    let critical = facts.limit(&HEAT).critical.is_some_and(|limit| heat >= limit) && facts.cpu_queues().0;
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(heat, facts.limit(&HEAT).warning, ERROR_OF_CPU_TIME)
            .ratio(),
        impact: Impact::TimeLost(heat * cpu.busy_ratio()),
        evidence: vec![
            facts.evidence(&HEAT, Some(heat), "/sys/devices/system/cpu/cpuN/thermal_throttle"),
            plain("cpu_busy_ratio", Some(cpu.busy_ratio()), Unit::Ratio, "/proc/stat"),
        ],
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "A CPU is throttled because of heat ",
                ratio(heat),
                " of the time while the CPUs are ",
                ratio(cpu.busy_ratio()),
                " busy.",
            ],
            Who::None,
            Remedy::AddResource,
        )
    })
}
