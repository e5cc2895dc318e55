//! Block devices: utilisation, queue and time by request.

use crate::delta::counter::{difference, mean, rate, rate_of};
use crate::model::rates::{DiskRates, is_partition};
use crate::model::reading::Reading;
use crate::model::snapshot::{BlockDevice, BlockKind, DiskStat, Recording, SystemSnapshot};
use crate::model::units::SECTOR_BYTES;

/// An uptime from which the counters since boot say what is normal for a device.
const BASELINE_UPTIME_SECONDS: f64 = 3600.0;

/// Requests before the window from which their mean time is what is normal.
const NORMAL_REQUESTS_MIN: u64 = 1000;

/// And so many times those of the window: a device that was made a moment ago has no normal.
const NORMAL_WINDOWS_MIN: u64 = 20;

/// The kernel prints milliseconds as 32 bits (`part_stat_show` in kernel `block/genhd.c`).
const WRAP_MILLISECONDS: u64 = 1 << 32;

/// A mean time up to this many times another one is like it.
const LIKE_NOW: f64 = 1.5;

/// No disk with moving heads has a mean below.
const HEADS_SECONDS: f64 = 0.002;

/// Devices on devices that are followed down.
const STACK_MAX: u8 = 4;

/// The whole devices of a recording, leaves first; partitions and devices without a medium are left out.
pub fn disks(
    recording: &Recording,
    points: &[&SystemSnapshot],
    uptime_seconds: Option<f64>,
) -> Reading<Vec<DiskRates>> {
    let before = recording.before.system.disks.as_ref().map_err(Clone::clone)?;
    let after = recording.after.system.disks.as_ref().map_err(Clone::clone)?;
    let seconds = recording.after.system.at.saturating_sub(recording.before.system.at).as_secs_f64();
    let known = recording.block_devices.as_ref().ok();
    let mut disks: Vec<DiskRates> = after
        .iter()
        .filter_map(|now| {
            let device = match known {
                Some(devices) => match devices.iter().find(|device| device.name == now.name) {
                    Some(device) => device.clone(),
                    // A copied /sys may be incomplete; elsewhere this is a partition.
                    None if recording.host.copied => guess(now, after)?,
                    None => return None,
                },
                None => guess(now, after)?,
            };
            if matches!(device.kind, BlockKind::Other | BlockKind::Zram) {
                return None;
            }
            let then = before.iter().find(|then| then.name == now.name)?;
            let mut disk = between(then, now, device, seconds)?;
            disk.stuck_seconds = stuck_seconds(&now.name, points);
            if uptime_seconds.is_some_and(|uptime| uptime >= BASELINE_UPTIME_SECONDS) {
                add_normal(&mut disk, then, now);
            }
            Some(disk)
        })
        .collect();
    disks.sort_by_key(|disk| !disk.leaf);
    for index in 0..disks.len() {
        disks[index].spins = spins(&disks[index], &disks, STACK_MAX);
    }
    Ok(disks)
}

/// Adds the device's own normal: the mean times from boot to the window.
fn add_normal(disk: &mut DiskRates, then: &DiskStat, now: &DiskStat) {
    // What a loop device stands on changes, and its counters stay.
    if disk.kind == BlockKind::Loop {
        return;
    }
    disk.read_await_since_boot_seconds =
        normal((then.reads_count, then.read_milliseconds), now.reads_count, disk.read_await_seconds);
    disk.write_await_since_boot_seconds =
        normal((then.writes_count, then.write_milliseconds), now.writes_count, disk.write_await_seconds);
    disk.flush_await_since_boot_seconds =
        match (then.flushes_count.zip(then.flush_milliseconds), now.flushes_count) {
            (Some(then), Some(now)) => normal(then, now, disk.flush_await_seconds),
            _ => None,
        };
}

/// Mean time of a request before the window; none where too few came before it to tell what is normal, or where the
/// milliseconds may have begun again at zero: with one turn more the mean of before is that of now.
fn normal((count, milliseconds): (u64, u64), end: u64, await_seconds: Option<f64>) -> Option<f64> {
    let within = end.saturating_sub(count);
    if count < NORMAL_REQUESTS_MIN || count < within.saturating_mul(NORMAL_WINDOWS_MIN) {
        return None;
    }
    let normal = mean(Some(milliseconds), Some(count))? / 1e3;
    let wrapped = mean(Some(milliseconds.saturating_add(WRAP_MILLISECONDS)), Some(count))? / 1e3;
    let is_as_now = await_seconds.is_some_and(|now| now > LIKE_NOW * normal && wrapped <= LIKE_NOW * now);
    (!is_as_now).then_some(normal)
}

/// Whether a device has moving heads, or stands on one that has. Virtual disks claim so wrongly, so only the names of
/// real buses are believed, and not of a device that answers faster than heads move.
fn spins(disk: &DiskRates, all: &[DiskRates], depth: u8) -> bool {
    let own = disk.rotational == Some(true)
        && disk.kind == BlockKind::Disk
        && (disk.name.starts_with("sd") || disk.name.starts_with("hd"))
        && disk.read_await_since_boot_seconds.is_none_or(|normal| normal >= HEADS_SECONDS);
    let below = || all.iter().filter(|other| disk.stands_on(other));
    own || depth > 0 && below().any(|other| spins(other, all, depth - 1))
}

fn between(then: &DiskStat, now: &DiskStat, device: BlockDevice, seconds: f64) -> Option<DiskRates> {
    let grown = |field: fn(&DiskStat) -> u64| difference(field(then), field(now));
    let per_second = |field: fn(&DiskStat) -> u64| rate(field(then), field(now), seconds);
    let (reads, writes) = (grown(|disk| disk.reads_count)?, grown(|disk| disk.writes_count)?);
    let flushes = then.flushes_count.zip(now.flushes_count).and_then(|(then, now)| difference(then, now));
    let discards = then.discards_count.zip(now.discards_count).and_then(|(then, now)| difference(then, now));
    let flush_time = then.flush_milliseconds.zip(now.flush_milliseconds);
    let spent = |field: fn(&DiskStat) -> u64| passed(field(then), field(now));
    let share = |field: fn(&DiskStat) -> u64| {
        let spent = spent(field).filter(|_| seconds > 0.0)?;
        Some(spent as f64 / 1e3 / seconds)
    };
    let seconds_of = |milliseconds: f64| milliseconds / 1e3;
    Some(DiskRates {
        name: device.name,
        leaf: device.slaves.is_empty() && matches!(device.kind, BlockKind::Disk | BlockKind::Nvme),
        kind: device.kind,
        slaves: device.slaves,
        rotational: device.rotational,
        spins: false,
        number: now.number,
        backing_file: device.backing_file,
        reads_per_second: per_second(|disk| disk.reads_count)?,
        writes_per_second: per_second(|disk| disk.writes_count)?,
        flushes_per_second: rate_of(then.flushes_count, now.flushes_count, seconds),
        discards_per_second: rate_of(then.discards_count, now.discards_count, seconds),
        read_bytes_per_second: per_second(|disk| disk.read_sectors)? * SECTOR_BYTES as f64,
        write_bytes_per_second: per_second(|disk| disk.write_sectors)? * SECTOR_BYTES as f64,
        utilization_ratio: share(|disk| disk.busy_milliseconds)?.clamp(0.0, 1.0),
        queue_mean: share(|disk| disk.weighted_milliseconds)?,
        read_await_seconds: mean(spent(|disk| disk.read_milliseconds), Some(reads)).map(seconds_of),
        write_await_seconds: mean(spent(|disk| disk.write_milliseconds), Some(writes)).map(seconds_of),
        flush_await_seconds: mean(flush_time.and_then(|(then, now)| passed(then, now)), flushes)
            .map(seconds_of),
        completed_count: [flushes, discards]
            .into_iter()
            .flatten()
            .fold(reads.saturating_add(writes), u64::saturating_add),
        in_flight_count: now.in_flight_count,
        read_await_since_boot_seconds: None,
        write_await_since_boot_seconds: None,
        flush_await_since_boot_seconds: None,
        stuck_seconds: 0.0,
    })
}

/// Milliseconds that passed. They are 32 bits wide: one that went backwards by more than half of that went on from zero.
fn passed(then: u64, now: u64) -> Option<u64> {
    let wrapped = then < WRAP_MILLISECONDS && now < then && then - now > WRAP_MILLISECONDS / 2;
    difference(then, if wrapped { now + WRAP_MILLISECONDS } else { now })
}

/// The longest run of slices in which requests were on their way at both ends and none came back. The
/// mean times are counted at completion, so a hung device shows none at all.
fn stuck_seconds(name: &str, points: &[&SystemSnapshot]) -> f64 {
    let at = |point: &SystemSnapshot| {
        let disk = point.disks.as_ref().ok()?.iter().find(|disk| disk.name == name)?.clone();
        Some((point.at.as_secs_f64(), disk))
    };
    let (mut longest, mut current) = (0.0_f64, 0.0_f64);
    for pair in points.windows(2) {
        let (Some((start, then)), Some((end, now))) = (at(pair[0]), at(pair[1])) else { continue };
        let completed = now.reads_count != then.reads_count
            || now.writes_count != then.writes_count
            || now.discards_count != then.discards_count
            || now.flushes_count != then.flushes_count;
        let waiting = then.in_flight_count > 0 && now.in_flight_count > 0;
        current = if waiting && !completed { current + (end - start) } else { 0.0 };
        longest = longest.max(current);
    }
    longest
}

/// Without `/sys/block` a partition is recognized by its name alone: another device's name and a number.
fn guess(disk: &DiskStat, all: &[DiskStat]) -> Option<BlockDevice> {
    if all.iter().any(|other| is_partition(&disk.name, &other.name)) {
        return None;
    }
    const KINDS: [(&str, BlockKind); 9] = [
        ("nvme", BlockKind::Nvme),
        ("dm-", BlockKind::DeviceMapper),
        ("md", BlockKind::Md),
        ("loop", BlockKind::Loop),
        ("zram", BlockKind::Zram),
        ("ram", BlockKind::Other),
        ("fd", BlockKind::Other),
        ("sr", BlockKind::Other),
        ("nbd", BlockKind::Other),
    ];
    let named = KINDS.iter().find(|(prefix, _)| disk.name.starts_with(prefix));
    let kind = named.map_or(BlockKind::Disk, |(_, kind)| *kind);
    Some(BlockDevice {
        name: disk.name.clone(),
        kind,
        slaves: Vec::new(),
        rotational: None,
        backing_file: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str) -> DiskStat {
        DiskStat {
            name: name.to_owned(),
            number: Some((8, 0)),
            reads_count: 100,
            read_sectors: 800,
            read_milliseconds: 50,
            writes_count: 10,
            write_sectors: 80,
            write_milliseconds: 30,
            in_flight_count: 0,
            busy_milliseconds: 70,
            weighted_milliseconds: 80,
            discards_count: None,
            flushes_count: None,
            flush_milliseconds: None,
        }
    }

    #[test]
    fn partitions_are_told_by_name_when_sysfs_is_gone() {
        let all = [stat("sda"), stat("sda1"), stat("nvme0n1"), stat("nvme0n1p2"), stat("dm-0")];
        let names: Vec<_> =
            all.iter().filter_map(|disk| guess(disk, &all)).map(|device| device.name).collect();
        assert_eq!(names, ["sda", "nvme0n1", "dm-0"]);
    }

    #[test]
    fn means_are_by_direction_and_none_without_requests() {
        let then = stat("sda");
        let mut now = stat("sda");
        now.reads_count += 200;
        now.read_milliseconds += 1600;
        now.busy_milliseconds += 1000;
        now.weighted_milliseconds += 1600;
        let device = guess(&now, std::slice::from_ref(&now)).unwrap();
        let disk = between(&then, &now, device, 1.0).unwrap();
        assert_eq!(disk.read_await_seconds, Some(0.008));
        assert_eq!(disk.write_await_seconds, None);
        assert!((disk.utilization_ratio - 1.0).abs() < 1e-9);
        assert!((disk.queue_mean - 1.6).abs() < 1e-9);
        assert_eq!(disk.flushes_per_second, None);
    }

    #[test]
    fn a_device_that_was_reset_gives_none() {
        let mut now = stat("sda");
        now.reads_count = 1;
        let device = guess(&now, std::slice::from_ref(&now)).unwrap();
        assert_eq!(between(&stat("sda"), &now, device, 1.0), None);
    }
}
