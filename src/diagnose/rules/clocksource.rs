//! The kernel reads the time from a slow clock: every look at the time is a trip to a device.
//!
//! Evidence: the clock source in use, together with kernel time that somebody pays.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::rule::{Hit, Impact, Outcome, Rule, Who, change, confirm, reading};
use crate::diagnose::rule::{Lane, Scope, Since};
use crate::diagnose::thresholds::algorithm::{CLOCK_CONFIDENCE, CLOCK_SYSTEM, OF_SYSTEM_COST};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::profile::ProfileMode;
use crate::model::sentence::{quote, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::Clocksource,
    resource: Resource::Cpu,
    lane: Lane::UserOrSystem("clock source"),
    sort: Sort::Cpu,
    profile: Some(ProfileMode::OnCpu),
    since: Since::CpuPressure,
    scope: Scope::Own,
    inputs: &[],
    title: "the time is read from a slow clock",
    symptom: "The CPU's own counter is not used as the clock: programs that ask for the time often spend theirs \
              in the kernel.",
    false_positives: &["A slow clock on a box that seldom asks for the time."],
    sources: &["kernel Documentation/timers/timekeeping.rst", "HPE LinuxKI"],
    counters: &[
        "/sys/devices/system/clocksource/clocksource0/current_clocksource: one that user space cannot read \
         without the kernel",
        "/proc/stat system: somebody pays for it with kernel time",
    ],
    limits: &[],
    confirm: &[
        confirm(
            "cd /sys/devices/system/clocksource/clocksource0 && grep . current_clocksource \
             available_clocksource",
            "hpet, acpi_pm or jiffies is current; whether tsc is available",
        ),
        confirm(
            "dmesg | grep -i clocksource",
            "why the kernel gave the better one up, such as \"Marking clocksource 'tsc' as unstable\"",
        ),
    ],
    advice: &[change(
        "Use the CPU's counter where it is stable.",
        "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        "wrong time if the counter is not stable",
        "echo hpet > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        Remedy::Tune,
    )],
    check,
};

/// Clocks that user space reads without a system call.
const FAST: [&str; 6] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "xen", "timebase"];

fn check(facts: &Facts<'_>) -> Outcome {
    let system = reading!(facts.rates.cpu).system_ratio;
    let Some(clock) = &facts.rates.host.clocksource else {
        return Outcome::unknown(
            "which clock source the kernel uses",
            "/sys/devices/system/clocksource/clocksource0/current_clocksource: not there",
            None,
        );
    };
    if FAST.contains(&clock.as_str()) || system < CLOCK_SYSTEM {
        return Outcome::Clear;
    }
    Outcome::hit(Hit {
        confidence_ratio: CLOCK_CONFIDENCE,
        impact: Impact::TimeLost(OF_SYSTEM_COST * system),
        evidence: vec![plain("cpu_system_ratio", Some(system), Unit::Ratio, "/proc/stat system")],
        ..Hit::new(
            Severity::Warning,
            sentence![
                "The clock source is ",
                quote(clock.as_str()),
                ": each read of the time is a slow access to a device.",
            ],
            Who::Nobody,
            Remedy::Tune,
        )
    })
}
