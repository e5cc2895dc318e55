//! The window cut into slices: the rates of each second, for pictures. A counter that went backwards or is missing
//! leaves its slice without that number.

use crate::delta::counter::{difference, mean, rate, rate_of};
use crate::delta::{cpu, points};
use crate::model::reading::Reading;
use crate::model::series::{DiskSlice, MemoryLevel, Series, Slice, Stalls};
use crate::model::snapshot::{BlockKind, DiskStat, MemInfo, Pressure, Recording, SystemSnapshot};

/// More slices than this are finer than any picture: every other moment is then left out, until it fits. The counters
/// run through, so nothing is lost but the detail.
const SLICES_MAX: usize = 240;

/// The slices of a recording; none where the files are copies in which nothing moves.
pub fn series(recording: &Recording) -> Series {
    let mut points = points(recording);
    while points.len() > SLICES_MAX + 1 {
        let last = points.len() - 1;
        let kept = points.iter().enumerate().filter(|(index, _)| index % 2 == 0 || *index == last);
        points = kept.map(|(_, point)| *point).collect();
    }
    let leaves = leaves(recording);
    let page_bytes = recording.host.page_bytes as f64;
    let slices: Vec<Slice> =
        points.windows(2).map(|pair| slice(pair[0], pair[1], &leaves, page_bytes)).collect();
    if slices.iter().all(|slice| slice.cpu.is_none()) {
        return Series::default();
    }
    Series { slices, runnable_counts: thinned(&recording.samples.runnable_counts) }
}

fn slice(before: &SystemSnapshot, after: &SystemSnapshot, leaves: &[String], page_bytes: f64) -> Slice {
    let seconds = after.at.saturating_sub(before.at).as_secs_f64();
    let stall = |then: &Reading<Pressure>, now: &Reading<Pressure>| {
        cpu::pressure(then, now, seconds).ok().map(|rates| rates.some_ratio)
    };
    let vm = before.vm.as_ref().ok().zip(after.vm.as_ref().ok());
    let pages = |name: &str| {
        let (then, now) = vm?;
        Some(rate_of(then.get(name), now.get(name), seconds)? * page_bytes)
    };
    Slice {
        start_seconds: before.at.as_secs_f64(),
        end_seconds: after.at.as_secs_f64(),
        cpu: cpu::between(before, after).ok(),
        cpus_busy_ratio: cpu::each(before, after).iter().map(|(id, cpu)| (*id, cpu.busy_ratio())).collect(),
        stalls: Stalls {
            cpu_ratio: stall(&before.cpu_pressure, &after.cpu_pressure),
            memory_ratio: stall(&before.memory_pressure, &after.memory_pressure),
            io_ratio: stall(&before.io_pressure, &after.io_pressure),
        },
        blocked_count: after
            .stat
            .as_ref()
            .ok()
            .and_then(|stat| stat.procs_blocked_count)
            .map(|count| count as f64),
        memory: after.memory.as_ref().ok().map(level),
        swap_in_bytes_per_second: pages("pswpin"),
        swap_out_bytes_per_second: pages("pswpout"),
        disks: disks(before, after, leaves, seconds),
    }
}

fn level(memory: &MemInfo) -> MemoryLevel {
    MemoryLevel {
        total_bytes: memory.total_bytes,
        available_bytes: memory.available_bytes,
        swap_used_bytes: memory.swap_total_bytes.saturating_sub(memory.swap_free_bytes),
    }
}

/// Devices that stand on no other. Where it is not known what they are, none: a partition would count twice.
fn leaves(recording: &Recording) -> Vec<String> {
    let Ok(devices) = &recording.block_devices else { return Vec::new() };
    let leaf = |kind| matches!(kind, BlockKind::Disk | BlockKind::Nvme);
    let names = devices.iter().filter(|device| device.slaves.is_empty() && leaf(device.kind));
    names.map(|device| device.name.clone()).collect()
}

fn disks(before: &SystemSnapshot, after: &SystemSnapshot, leaves: &[String], seconds: f64) -> Vec<DiskSlice> {
    let (Ok(then), Ok(now)) = (&before.disks, &after.disks) else { return Vec::new() };
    let whole = now.iter().filter(|disk| leaves.contains(&disk.name));
    whole.filter_map(|now| disk(then.iter().find(|then| then.name == now.name)?, now, seconds)).collect()
}

fn disk(then: &DiskStat, now: &DiskStat, seconds: f64) -> Option<DiskSlice> {
    let per_second = |field: fn(&DiskStat) -> u64| rate(field(then), field(now), seconds);
    let both = |reads: fn(&DiskStat) -> u64, writes: fn(&DiskStat) -> u64| {
        let sum = difference(reads(then), reads(now))?.checked_add(difference(writes(then), writes(now))?);
        sum.filter(|_| seconds > 0.0)
    };
    let took = both(|disk| disk.read_milliseconds, |disk| disk.write_milliseconds);
    Some(DiskSlice {
        name: now.name.clone(),
        utilization_ratio: (per_second(|disk| disk.busy_milliseconds)? / 1e3).clamp(0.0, 1.0),
        queue_mean: per_second(|disk| disk.weighted_milliseconds)? / 1e3,
        await_seconds: mean(took, both(|disk| disk.reads_count, |disk| disk.writes_count)).map(|ms| ms / 1e3),
    })
}

/// Means over equal runs of the samples, so that no picture has more points than it has columns.
fn thinned(counts: &[u64]) -> Vec<f64> {
    let run = counts.len().div_ceil(SLICES_MAX).max(1);
    counts
        .chunks(run)
        .map(|run| run.iter().map(|count| *count as f64).sum::<f64>() / run.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(reads_count: u64, read_milliseconds: u64, busy_milliseconds: u64) -> DiskStat {
        DiskStat {
            name: "vda".to_owned(),
            number: None,
            reads_count,
            read_sectors: 0,
            read_milliseconds,
            writes_count: 0,
            write_sectors: 0,
            write_milliseconds: 0,
            in_flight_count: 0,
            busy_milliseconds,
            weighted_milliseconds: read_milliseconds,
            discards_count: None,
            flushes_count: None,
            flush_milliseconds: None,
        }
    }

    #[test]
    fn a_disk_without_requests_has_no_time_of_a_request() {
        let idle = disk(&stat(5, 10, 10), &stat(5, 10, 10), 1.0).unwrap();
        assert_eq!((idle.await_seconds, idle.utilization_ratio), (None, 0.0));
        let busy = disk(&stat(5, 10, 10), &stat(105, 810, 510), 1.0).unwrap();
        assert_eq!(busy.await_seconds, Some(0.008));
        assert!((busy.queue_mean - 0.8).abs() < 1e-9 && (busy.utilization_ratio - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_counter_that_went_back_leaves_a_gap() {
        assert_eq!(disk(&stat(105, 810, 510), &stat(5, 10, 10), 1.0), None);
        assert_eq!(disk(&stat(5, 10, 10), &stat(6, 10, 10), 0.0), None);
    }

    #[test]
    fn many_samples_become_as_many_as_can_be_drawn() {
        assert_eq!(thinned(&[]), Vec::<f64>::new());
        assert_eq!(thinned(&[1, 3]), [1.0, 3.0]);
        let many = thinned(&vec![u64::MAX; 100_000]);
        assert!(many.len() <= SLICES_MAX && many.iter().all(|mean| mean.is_finite()));
    }
}
