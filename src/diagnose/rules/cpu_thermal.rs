//! The CPUs are slowed down: they are too hot, or something holds their clock frequency down.
//!
//! Evidence: the time that a CPU ran throttled for its own heat or that of its package. It matters only while the
//! CPUs are wanted. A virtual machine cannot see it: there it looks like code that got slower.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::{ERROR_OF_CPU_TIME, FREQUENCY_CONFIDENCE};
use crate::diagnose::thresholds::{CPU_PRESSURE, HEAT, SLOWED_DOWN};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::Topic;
use crate::model::limits::CpuFrequency;
use crate::model::profile::ProfileMode;
use crate::model::sentence::{own, quote, ratio, sentence};
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
    title: "the CPUs run slower than they should",
    symptom: "The clock frequency is held down: by heat, a power limit or a setting. Everything takes longer, \
              and no program is at fault.",
    false_positives: &["A short peak under heavy load that the cooling can handle."],
    sources: &[
        "kernel Documentation/ABI/testing/sysfs-devices-system-cpu thermal_throttle",
        "pmie thermal_throttle",
    ],
    counters: &[
        "core_throttle_total_time_ms and package_throttle_total_time_ms below /sys/devices/system/cpu: time \
         that a CPU was throttled; the worst CPU counts",
        "/sys/devices/system/cpu/cpuN/cpufreq scaling_cur_freq against base_frequency, of the busiest CPUs at \
         the end of the window; scaling_max_freq and scaling_governor say who decides",
        "/proc/stat: how busy the CPUs are",
    ],
    limits: &[&HEAT, &SLOWED_DOWN, &CPU_PRESSURE],
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
        look(
            "See who holds the frequency down: the limit of the governor, or a power limit.",
            "grep . /sys/devices/system/cpu/cpu0/cpufreq/scaling_* /sys/class/powercap/*/constraint_*_power_limit_uw",
            Remedy::Tune,
        ),
        change(
            "If a setting does, let the CPUs run at full speed.",
            ActionTemplate::Write {
                path: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                value: "performance",
            },
            "more power and more heat; each CPU has a file of its own",
            Remedy::Tune,
        ),
        advise("Check fans, dust, air flow and the power profile of the machine.", Remedy::Tune),
        advise("Replace failing fans, or improve the cooling.", Remedy::AddResource),
        advise("Move load to other machines until the cooling works again.", Remedy::Distribute),
    ],
    check,
};

/// A CPU that is idler than this need not run fast.
const WORKING: f64 = 0.85;

/// Busy CPUs that run far below the frequency that all cores can keep up.
fn held_down(facts: &Facts<'_>) -> Option<Hit> {
    let busy = |frequency: &&CpuFrequency| {
        let of = |(id, cpu): &(u32, crate::model::rates::CpuRates)| {
            *id == frequency.cpu && cpu.busy_ratio() >= WORKING
        };
        facts.rates.cpus.iter().any(of)
    };
    let slowdown = |frequency: &CpuFrequency| 1.0 - frequency.current_khz as f64 / frequency.base_khz as f64;
    let working: Vec<&CpuFrequency> = facts.rates.limits.frequencies.iter().filter(busy).collect();
    // One look at one moment: all of the busy ones must be slow.
    let least = working.iter().copied().min_by(|a, b| slowdown(a).total_cmp(&slowdown(b)))?;
    let (slower, limit) = (slowdown(least), facts.limit(&SLOWED_DOWN));
    if slower < limit.warning {
        return None;
    }
    let megahertz = |khz: u64| own(format!("{} MHz", khz / 1000));
    let allowed = least.limit_khz.filter(|allowed| *allowed < least.base_khz);
    let governor = least.governor.as_deref().map(|name| sentence![" (governor ", quote(name), ")"]);
    let why = match allowed {
        Some(allowed) => sentence!["; its setting allows no more than ", megahertz(allowed), governor],
        None => sentence!["; its setting would allow more", governor, ": a power limit, or heat"],
    };
    let waits = facts.cpu_waits(facts.limit(&CPU_PRESSURE).warning);
    let critical = limit.critical.is_some_and(|critical| slower >= critical) && facts.cpu_queues().1;
    let severity = match (critical, waits) {
        (true, _) => Severity::Critical,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Notice,
    };
    let busy_ratio = facts.cpu()?.busy_ratio();
    Some(Hit {
        confidence_ratio: FREQUENCY_CONFIDENCE,
        impact: Impact::TimeLost(slower * busy_ratio),
        evidence: vec![facts.evidence(
            &SLOWED_DOWN,
            Some(slower),
            "cpufreq scaling_cur_freq, base_frequency",
        )],
        ..Hit::new(
            severity,
            sentence![
                "CPU ",
                least.cpu,
                " is busy and runs at ",
                megahertz(least.current_khz),
                ", ",
                ratio(1.0 - slower),
                " of its base frequency of ",
                megahertz(least.base_khz),
                why,
                ".",
            ],
            Who::None,
            Remedy::Tune,
        )
    })
}

/// A box that is idler than this does not need the speed.
const BUSY_MIN: f64 = 0.3;

fn check(facts: &Facts<'_>) -> Outcome {
    let cpu = reading!(facts.rates.cpu);
    let host = &facts.rates.host;
    let slowed = held_down(facts);
    let Some(heat) = facts.rates.heat_ratio else {
        if let Some(hit) = slowed {
            return Outcome::hit(hit);
        }
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
    // The kernel says so of a peak as well, which is over before the window is.
    let logged = facts.reported(&[Topic::Heat]);
    if heat < facts.limit(&HEAT).warning || busiest < BUSY_MIN {
        return slowed.map_or(Outcome::Clear, Outcome::hit);
    }
    let critical = facts.limit(&HEAT).critical.is_some_and(|limit| heat >= limit) && facts.cpu_queues().0;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let frequency = slowed.iter().flat_map(|slowed| slowed.evidence.clone());
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .margin(heat, facts.limit(&HEAT).warning, ERROR_OF_CPU_TIME)
            .ratio(),
        impact: Impact::TimeLost(heat * cpu.busy_ratio()),
        evidence: vec![
            facts.evidence(&HEAT, Some(heat), "/sys/devices/system/cpu/cpuN/thermal_throttle"),
            plain("cpu_busy_ratio", Some(cpu.busy_ratio()), Unit::Ratio, "/proc/stat"),
            plain(
                "kernel_log_cpu_hot_count",
                (!logged.is_empty()).then(|| logged.iter().map(|kind| kind.count).sum::<usize>() as f64),
                Unit::Count,
                "/dev/kmsg (drivers/thermal/intel/therm_throt.c)",
            ),
        ]
        .into_iter()
        .chain(frequency)
        .collect(),
        ..Hit::new(
            slowed.as_ref().map_or(severity, |slowed| severity.max(slowed.severity)),
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
