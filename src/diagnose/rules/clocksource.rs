//! The kernel reads the time from a slow clock: every look at the time is a trip to a device.
//!
//! Evidence: the clock source in use, together with the kernel time that it costs.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::kernel_log::Reported;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::{CLOCK_CONFIDENCE, CLOCK_SYSTEM, OF_SYSTEM_COST};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::Topic;
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
    title: "the kernel reads the time from a slow clock source",
    symptom: "The CPU's time stamp counter (TSC) is not the clock source: each clock_gettime(2) is a system \
              call that reads a slow device. Programs that read the clock often spend much of their time in \
              the kernel.",
    false_positives: &["A slow clock source on a machine whose programs rarely read the clock."],
    sources: &["kernel Documentation/timers/timekeeping.rst", "HPE LinuxKI"],
    counters: &[
        "/sys/devices/system/clocksource/clocksource0/current_clocksource: a device instead of a register of \
         the CPU (hpet, acpi_pm, jiffies, pit and their like)",
        "/proc/stat system: at least a tenth of the CPU time is kernel time",
    ],
    limits: &[],
    confirm: &[
        confirm(
            "cd /sys/devices/system/clocksource/clocksource0 && grep . current_clocksource \
             available_clocksource",
            "hpet, acpi_pm or jiffies is current; tsc is available or not",
        ),
        confirm(
            "dmesg | grep -i clocksource",
            "why the kernel rejected the better one, for example \"Marking clocksource 'tsc' as unstable\"",
        ),
    ],
    advice: &[
        look(
            "See which clock sources are available, and why the kernel does not use the TSC.",
            "cat /sys/devices/system/clocksource/clocksource0/available_clocksource; dmesg | grep -i \
             clocksource",
            Remedy::Tune,
        ),
        advise(
            "Read the clock less often; CLOCK_MONOTONIC_COARSE is enough where a few milliseconds do not \
             matter.",
            Remedy::FixProgram,
        ),
        change(
            "Switch to the TSC if it is available and stable.",
            ActionTemplate::Write {
                path: "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                value: "tsc",
            },
            "the clock jumps or runs wrong if the TSC is not stable",
            Remedy::Tune,
        ),
    ],
    check,
};

/// Clocks whose every read is an access to a device, or a trap to the hypervisor. Every other one is taken for what
/// most are: a register of the CPU (`tsc`, `arch_sys_counter`, `tod`, `riscv_clocksource`, `Constant`), or a page that the
/// hypervisor shares (`kvm-clock`, `hyperv_clocksource_tsc_page`). Names by the kernel's `arch/x86/kernel/hpet.c`,
/// `kernel/time/jiffies.c` and `drivers/clocksource/{acpi_pm,i8253,scx200_hrt,hyperv_timer}.c`.
const SLOW: [&str; 7] =
    ["hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies", "scx200_hrt", "hyperv_clocksource_msr"];

/// Clocks that are read by a system call unless the hypervisor vouches for the TSC, which cannot be seen from here
/// (kernel `arch/x86/xen/time.c`).
const DEPENDS: [&str; 1] = ["xen"];

fn check(facts: &Facts<'_>) -> Outcome {
    let system = reading!(facts.rates.cpu).system_ratio;
    let Some(clock) = &facts.rates.host.clocksource else {
        return Outcome::unknown(
            "which clock source the kernel uses",
            "/sys/devices/system/clocksource/clocksource0/current_clocksource: not there",
            None,
        );
    };
    let depends = DEPENDS.contains(&clock.as_str());
    if !(depends || SLOW.contains(&clock.as_str())) || system < CLOCK_SYSTEM {
        return Outcome::Clear;
    }
    let (severity, cost) = if depends {
        (
            Severity::Info,
            ": a read of the time may be a system call, unless the hypervisor keeps the TSC stable.",
        )
    } else {
        (Severity::Warning, ": each read of the time is a slow access to a device.")
    };
    Outcome::hit(Hit {
        confidence_ratio: CLOCK_CONFIDENCE,
        impact: Impact::TimeLost(OF_SYSTEM_COST * system),
        evidence: std::iter::once(plain("cpu_system_ratio", Some(system), Unit::Ratio, "/proc/stat system"))
            .chain(facts.reported(&[Topic::Clock]).iter().map(Reported::evidence))
            .collect(),
        ..Hit::new(
            severity,
            sentence!["The clock source is ", quote(clock.as_str()), cost],
            Who::None,
            Remedy::Tune,
        )
    })
}
