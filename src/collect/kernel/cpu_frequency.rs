//! `/sys/devices/system/cpu/cpuN/cpufreq`: how fast the busiest CPUs run at the end of the window, and how fast they should.
//!
//! Source: kernel `Documentation/admin-guide/pm/cpufreq.rst`, `intel_pstate.rst` (base_frequency) and
//! `Documentation/ABI/testing/sysfs-devices-system-cpu` (acpi_cppc). A driver may have to ask the CPU, which takes up to 10 ms on
//! some kernels, so only a few busy ones are asked. Virtual machines have no such directory.

use crate::collect::root::Root;
use crate::model::limits::CpuFrequency;

/// CPUs that are asked.
const ASKED_MAX: usize = 4;

/// Reads the frequencies of the CPUs `busy`, the busiest first; those without any are left out.
pub fn read(root: &Root, busy: &[u32], buffer: &mut Vec<u8>) -> Vec<CpuFrequency> {
    busy.iter().take(ASKED_MAX).map_while(|cpu| of(root, *cpu, buffer)).collect()
}

fn of(root: &Root, cpu: u32, buffer: &mut Vec<u8>) -> Option<CpuFrequency> {
    let directory = format!("sys/devices/system/cpu/cpu{cpu}");
    let current_khz = root.number(&format!("{directory}/cpufreq/scaling_cur_freq"), buffer)?;
    let mut number = |file: &str| root.number(&format!("{directory}/{file}"), buffer);
    let limit_khz = number("cpufreq/scaling_max_freq");
    let base = number("cpufreq/base_frequency");
    // In MHz.
    let base = base.or_else(|| number("acpi_cppc/nominal_freq").and_then(|mhz| mhz.checked_mul(1000)));
    let highest = number("cpufreq/cpuinfo_max_freq");
    let mut word = |file: &str| {
        root.read_once(&format!("{directory}/cpufreq/{file}"), buffer).ok()?;
        let text = std::str::from_utf8(buffer).ok()?.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        (!text.is_empty() && text.len() < 40 && text.chars().all(plain)).then(|| text.to_owned())
    };
    let (governor, driver) = (word("scaling_governor"), word("scaling_driver"));
    // For these the highest is what one core reaches for a moment, not what all can keep up.
    let boosts = driver.as_deref().is_some_and(|driver| driver.contains("pstate"));
    let base_khz = base.or(highest.filter(|_| !boosts)).filter(|khz| *khz > 0)?;
    Some(CpuFrequency { cpu, current_khz, base_khz, limit_khz, governor })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use std::time::Duration;

    fn frequencies(files: &[(&str, &str)]) -> Vec<CpuFrequency> {
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        for (name, text) in files {
            frame.files.insert(format!("sys/devices/system/cpu/cpu3/{name}"), text.as_bytes().to_vec());
        }
        read(&Root::captured(frame), &[3, 9], &mut Vec::new())
    }

    #[test]
    fn the_base_is_what_all_cores_can_keep_up() {
        let cur = ("cpufreq/scaling_cur_freq", "800000\n");
        let (highest, driver) = ("cpufreq/cpuinfo_max_freq", "cpufreq/scaling_driver");
        let intel = frequencies(&[cur, ("cpufreq/base_frequency", "2400000\n"), (highest, "4000000\n")]);
        assert_eq!((intel[0].cpu, intel[0].current_khz, intel[0].base_khz), (3, 800_000, 2_400_000));
        let amd = frequencies(&[cur, ("acpi_cppc/nominal_freq", "2450\n"), (driver, "amd-pstate-epp\n")]);
        assert_eq!(amd[0].base_khz, 2_450_000);
        assert_eq!(frequencies(&[cur, (highest, "3500000\n"), (driver, "intel_pstate\n")]), []);
        let others = frequencies(&[cur, (highest, "1500000\n"), ("cpufreq/scaling_governor", "powersave\n")]);
        assert_eq!((others[0].base_khz, others[0].governor.as_deref()), (1_500_000, Some("powersave")));
        assert_eq!(frequencies(&[]), []);
    }
}
