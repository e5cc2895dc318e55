//! `/proc/diskstats` (kernel `Documentation/admin-guide/iostats.rst`): counters of block devices.
//!
//! After major, minor and name come 11 numbers, 15 with discards (4.18), 17 with flushes (5.5). Before 2.6.25
//! partitions had only four numbers of another meaning: such lines are skipped.
//!
//! Known lies: `busy_milliseconds` says that something was on its way, not that the device could take
//! no more: a device that serves requests in parallel is busy all the time long before that. Some
//! virtual devices do not count at all.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::DiskStat;

/// Reads `/proc/diskstats`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<DiskStat>> {
    root.read_parsed("proc/diskstats", buffer, parse)
}

/// Parses the text of `/proc/diskstats`. No line at all is a box without a block device.
pub fn parse(bytes: &[u8]) -> Result<Vec<DiskStat>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "not text")?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.filter_map(|text| line(text).transpose()).collect()
}

/// One line; nothing for a partition of an old kernel.
fn line(text: &str) -> Result<Option<DiskStat>, String> {
    let unexpected = || "a line without 11 or more numbers after the name".to_owned();
    let numbers_count = text.split_whitespace().count().saturating_sub(3);
    if numbers_count == 4 {
        return Ok(None);
    }
    let stat = procfs_core::DiskStat::from_line(text).map_err(|_| unexpected())?;
    Ok(Some(DiskStat {
        name: stat.name,
        reads_count: stat.reads,
        read_sectors: stat.sectors_read,
        read_milliseconds: stat.time_reading,
        writes_count: stat.writes,
        write_sectors: stat.sectors_written,
        write_milliseconds: stat.time_writing,
        in_flight_count: stat.in_progress,
        busy_milliseconds: stat.time_in_progress,
        weighted_milliseconds: stat.weighted_time_in_progress,
        flushes_count: stat.flushes,
        flush_milliseconds: stat.time_flushing,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_of_columns() {
        let disks = parse(
            b"   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n\
              \x20  8       1 sda1 1 2 3 4\n\
              \x20 253       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n\
              \x20 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
        )
        .unwrap();
        let names: Vec<&str> = disks.iter().map(|disk| disk.name.as_str()).collect();
        assert_eq!(names, ["sda", "vda", "nvme0n1"]);
        let sda = &disks[0];
        assert_eq!((sda.reads_count, sda.read_sectors, sda.read_milliseconds), (1, 3, 4));
        assert_eq!((sda.writes_count, sda.write_sectors, sda.write_milliseconds), (5, 7, 8));
        assert_eq!((sda.in_flight_count, sda.busy_milliseconds, sda.weighted_milliseconds), (9, 10, 11));
        assert_eq!((disks[1].flushes_count, disks[2].flushes_count), (None, Some(16)));
        assert_eq!(disks[2].flush_milliseconds, Some(17));
    }

    #[test]
    fn columns_of_a_later_kernel_do_no_harm() {
        assert_eq!(parse(b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n").unwrap().len(), 1);
    }

    #[test]
    fn other_text_is_refused() {
        assert_eq!(parse(b"").unwrap(), []);
        for text in [&b"garbage\n"[..], b"8 0 sda 1 2 3\n", b"8 0 sda 1 2 x 4 5 6 7 8 9 10 11\n", b"\xff\n"] {
            assert!(parse(text).is_err());
        }
    }
}
