//! `/proc/diskstats` (kernel `Documentation/admin-guide/iostats.rst`): counters of block devices.
//!
//! After major, minor and name come 11 numbers, 15 with discards (4.18), 17 with flushes (5.5). Before 2.6.25
//! partitions had only four numbers of another meaning: such lines are skipped.
//!
//! Known lies: the milliseconds are 32 bits wide and begin again at zero after 49.7 days of summed waiting. `busy_milliseconds` says that something was on its way, not that the device could take
//! no more: a device that serves requests in parallel is busy all the time long before that. Some
//! virtual devices do not count at all.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::DiskStat;

/// Reads `/proc/diskstats`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<DiskStat>> {
    root.read_parsed("proc/diskstats", buffer, parse)
}

/// Parses the text of `/proc/diskstats`. No line at all is a box without a block device. A line that is cut short
/// or holds no numbers is one device less; only when there is no other line is the file refused.
pub fn parse(bytes: &[u8]) -> Result<Vec<DiskStat>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut refused = false;
    let mut disks = Vec::new();
    for fields in text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        match fields.len() {
            // Nothing, or a partition of an old kernel.
            0 | 7 => {}
            _ => match device(&fields) {
                Some(disk) => disks.push(disk),
                None => refused = true,
            },
        }
    }
    if refused && disks.is_empty() {
        return Err("no line with 11 or more numbers after the name".to_owned());
    }
    Ok(disks)
}

fn device(fields: &[&str]) -> Option<DiskStat> {
    let (&[major, minor, name], numbers) = fields.split_first_chunk::<3>()?;
    let number = |index: usize| numbers.get(index)?.parse::<u64>().ok();
    Some(DiskStat {
        name: name.to_owned(),
        number: major.parse().ok().zip(minor.parse().ok()),
        reads_count: number(0)?,
        read_sectors: number(2)?,
        read_milliseconds: number(3)?,
        writes_count: number(4)?,
        write_sectors: number(6)?,
        write_milliseconds: number(7)?,
        // Some kernels count below zero here and print it as it is, or as 32 bits without a sign.
        in_flight_count: in_flight(numbers.get(8)?)?,
        busy_milliseconds: number(9)?,
        weighted_milliseconds: number(10)?,
        discards_count: number(11),
        flushes_count: number(15),
        flush_milliseconds: number(16),
    })
}

fn in_flight(text: &str) -> Option<u64> {
    match text.parse::<i64>().ok()? {
        below if below < 0 => Some(0),
        wrapped if wrapped > i64::from(i32::MAX) => Some(0),
        count => u64::try_from(count).ok(),
    }
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
        assert_eq!((sda.discards_count, disks[1].discards_count), (None, Some(12)));
        assert_eq!((sda.number, disks[2].number), (Some((8, 0)), Some((259, 0))));
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

    #[test]
    fn a_broken_line_does_not_take_the_others_away() {
        let disks = parse(
            b"8 0 sda 1 2 3\n8 16 sdb 1 2 3 4 5 6 7 8 -1 10 11\n8 32 sdc 1 2 3 4 5 6 7 8 4294967295 10 11\n",
        );
        let disks: Vec<(String, u64)> =
            disks.unwrap().into_iter().map(|disk| (disk.name, disk.in_flight_count)).collect();
        assert_eq!(disks, [("sdb".to_owned(), 0), ("sdc".to_owned(), 0)]);
    }
}
