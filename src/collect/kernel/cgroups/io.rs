//! Block I/O of one control group by device, in either version: what it moved, and its limits.
//!
//! Sources: kernel `Documentation/admin-guide/cgroup-v2.rst` (io.stat, io.max, io.cost.qos) and
//! `Documentation/admin-guide/cgroup-v1/blkio-controller.rst`.

use super::Hierarchy;
use crate::collect::root::Root;
use crate::model::cgroup::{DeviceIo, IoCounts, IoLimits};

/// `io.stat` of version 2.
pub(super) fn unified(root: &Root, directory: &str, buffer: &mut Vec<u8>) -> Option<Vec<DeviceIo>> {
    root.read_once(&format!("{directory}/io.stat"), buffer).ok()?;
    Some(parse_stat(&String::from_utf8_lossy(buffer)))
}

/// `io.stat`: a line by device, `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=5 cost.wait=6`. The
/// `cost.` keys are there while the controller io.cost is on; the times are microseconds.
fn parse_stat(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let (number, rest) = line.split_once(' ')?;
        let value = |key: &str| value(rest, key);
        Some(DeviceIo {
            number: number_of(number)?,
            counts: IoCounts {
                read_bytes: value("rbytes")?,
                write_bytes: value("wbytes")?,
                reads_count: value("rios")?,
                writes_count: value("wios")?,
            },
            cost_wait_microseconds: value("cost.wait"),
            limits: IoLimits::default(),
        })
    };
    text.lines().filter_map(device).collect()
}

/// Adds `io.max` of version 2.
pub(super) fn add_unified_limits(root: &Root, directory: &str, io: &mut [DeviceIo], buffer: &mut Vec<u8>) {
    if root.read_once(&format!("{directory}/io.max"), buffer).is_ok() {
        add_max(&String::from_utf8_lossy(buffer), io);
    }
}

/// `io.max`: `8:0 rbps=2097152 wbps=max riops=max wiops=120`. `max`, which means no limit, is no number.
fn add_max(text: &str, io: &mut [DeviceIo]) {
    for (number, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
        for device in io.iter_mut().filter(|device| Some(device.number) == number_of(number)) {
            device.limits = IoLimits {
                read_bytes: value(rest, "rbps"),
                write_bytes: value(rest, "wbps"),
                reads_count: value(rest, "riops"),
                writes_count: value(rest, "wiops"),
            };
        }
    }
}

/// `blkio.throttle.io_service_bytes` and `io_serviced` of version 1: `8:0 Read 4096` by device and direction.
pub(super) fn legacy(root: &Root, directory: &str, buffer: &mut Vec<u8>) -> Option<Vec<DeviceIo>> {
    let mut devices: Vec<DeviceIo> = Vec::new();
    for (number, read, bytes) in directions(root, directory, "io_service_bytes", buffer)? {
        let counts = &mut entry(&mut devices, number).counts;
        *(if read { &mut counts.read_bytes } else { &mut counts.write_bytes }) = bytes;
    }
    // Without bytes there were no requests: most groups have neither.
    if devices.iter().any(|device| device.counts.bytes() > 0) {
        for (number, read, requests) in directions(root, directory, "io_serviced", buffer)? {
            let counts = &mut entry(&mut devices, number).counts;
            *(if read { &mut counts.reads_count } else { &mut counts.writes_count }) = requests;
        }
    }
    Some(devices)
}

/// Whether no group below a directory of version 1 ever moved a byte, where the kernel sums that up.
pub(super) fn idle_below(root: &Root, hierarchy: &Hierarchy, directory: &str, buffer: &mut Vec<u8>) -> bool {
    hierarchy.name == "blkio"
        && directions(root, directory, "io_service_bytes_recursive", buffer)
            .is_some_and(|moved| moved.iter().all(|(_, _, bytes)| *bytes == 0))
}

/// Device, whether it is the reading, and the number.
type Directed = ((u32, u32), bool, u64);

/// The lines of one file that are about reads or writes.
fn directions(root: &Root, directory: &str, file: &str, buffer: &mut Vec<u8>) -> Option<Vec<Directed>> {
    root.read_once(&format!("{directory}/blkio.throttle.{file}"), buffer).ok()?;
    let line = |line: &str| {
        let mut parts = line.split(' ');
        let (number, direction, value) = (number_of(parts.next()?)?, parts.next()?, parts.next()?);
        matches!(direction, "Read" | "Write").then_some(())?;
        Some((number, direction == "Read", value.parse().ok()?))
    };
    Some(super::files::lines(buffer).filter_map(line).collect())
}

/// Adds the limits of version 1.
pub(super) fn add_legacy_limits(root: &Root, directory: &str, io: &mut [DeviceIo], buffer: &mut Vec<u8>) {
    type Limit = fn(&mut IoLimits) -> &mut Option<u64>;
    let files: [(&str, Limit); 4] = [
        ("read_bps", |limits| &mut limits.read_bytes),
        ("write_bps", |limits| &mut limits.write_bytes),
        ("read_iops", |limits| &mut limits.reads_count),
        ("write_iops", |limits| &mut limits.writes_count),
    ];
    for (file, limit) in files {
        if root.read_once(&format!("{directory}/blkio.throttle.{file}_device"), buffer).is_err() {
            continue;
        }
        for (number, value) in super::files::lines(buffer).filter_map(|line| line.split_once(' ')) {
            for device in io.iter_mut().filter(|device| Some(device.number) == number_of(number)) {
                *limit(&mut device.limits) = value.trim().parse().ok();
            }
        }
    }
}

fn entry(devices: &mut Vec<DeviceIo>, number: (u32, u32)) -> &mut DeviceIo {
    let place = devices.iter().position(|device| device.number == number).unwrap_or_else(|| {
        devices.push(DeviceIo { number, ..DeviceIo::default() });
        devices.len() - 1
    });
    &mut devices[place]
}

/// `8:0`.
fn number_of(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The number of `key=number`.
fn value(text: &str, key: &str) -> Option<u64> {
    text.split_whitespace().find_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use std::time::Duration;

    #[test]
    fn io_of_version_two_is_by_device() {
        let mut io = parse_stat(
            "8:0 rbytes=10 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=9 cost.wait=700\n\
             8:16 rbytes=5 wbytes=0 rios=1 wios=0\n8:32 \n",
        );
        add_max("8:0 rbps=2097152 wbps=max riops=max wiops=120\n254:0 rbps=1 wbps=1\n", &mut io);
        let [first, second] = &io[..] else { panic!("{io:?}") };
        assert_eq!(
            (first.number, first.counts.read_bytes, first.cost_wait_microseconds),
            ((8, 0), 10, Some(700))
        );
        let limits = first.limits;
        assert_eq!(
            (limits.read_bytes, limits.write_bytes, limits.writes_count),
            (Some(2_097_152), None, Some(120))
        );
        // The limit of one device is none of another.
        assert_eq!(
            (second.number, second.counts.read_bytes, second.limits),
            ((8, 16), 5, IoLimits::default())
        );
        assert_eq!(second.cost_wait_microseconds, None);
    }

    #[test]
    fn io_of_version_one_is_by_device() {
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        for (file, text) in [
            ("io_service_bytes", "8:0 Read 4096\n8:0 Write 1\n8:0 Sync 5\n254:0 Read 7\nTotal 4104\n"),
            ("io_serviced", "8:0 Read 2\n8:0 Write 1\n254:0 Read 1\n"),
            ("read_bps_device", "8:0 1000\n"),
        ] {
            frame.files.insert(format!("b/g/blkio.throttle.{file}"), text.as_bytes().to_vec());
        }
        let root = Root::captured(frame);
        let mut io = legacy(&root, "b/g", &mut Vec::new()).unwrap();
        add_legacy_limits(&root, "b/g", &mut io, &mut Vec::new());
        let [first, second] = &io[..] else { panic!("{io:?}") };
        assert_eq!(
            (first.counts.read_bytes, first.counts.write_bytes, first.counts.reads_count),
            (4096, 1, 2)
        );
        assert_eq!((first.limits.read_bytes, second.limits.read_bytes), (Some(1000), None));
        assert_eq!(second.counts.bytes(), 7);
    }
}
