//! `/sys/devices/system/cpu/cpuN/thermal_throttle`: time that a CPU ran slowed down because it was too hot.
//!
//! Source: kernel `Documentation/ABI/testing/sysfs-devices-system-cpu`; the times since 5.8, x86 only. The counts of
//! older kernels tell no share of time, so they are not read. A package's time is shown by each of its CPUs.
//! Virtual machines have no such directory: the host alone knows.

use crate::collect::root::Root;
use crate::model::snapshot::CpuHeat;

/// Reads the times of the CPUs `cpus`; nothing where the first one has none.
pub fn read(root: &Root, cpus: impl Iterator<Item = u32>, buffer: &mut Vec<u8>) -> Vec<CpuHeat> {
    let mut heats = Vec::new();
    for cpu in cpus {
        let mut milliseconds = |of: &str| {
            let file =
                format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{of}_throttle_total_time_ms");
            root.number(&file, buffer)
        };
        let (core, package) = (milliseconds("core"), milliseconds("package"));
        if core.is_none() && package.is_none() {
            break;
        }
        heats.push(CpuHeat { cpu, core_milliseconds: core, package_milliseconds: package });
    }
    heats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use std::time::Duration;

    #[test]
    fn times_are_read_by_cpu() {
        let mut frame = Frame::new(FrameKind::Start, Duration::ZERO);
        let mut file = |cpu: u32, of: &str, text: &str| {
            let path =
                format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{of}_throttle_total_time_ms");
            frame.files.insert(path, text.as_bytes().to_vec());
        };
        file(0, "core", "120\n");
        file(0, "package", "4000\n");
        file(1, "core", "x\n");
        file(1, "package", "4000\n");
        let root = Root::captured(frame);
        let heats = read(&root, 0..2, &mut Vec::new());
        assert_eq!(heats[0].core_milliseconds, Some(120));
        assert_eq!((heats[1].core_milliseconds, heats[1].package_milliseconds), (None, Some(4000)));
        assert_eq!(read(&root, 7..9, &mut Vec::new()), []);
    }
}
