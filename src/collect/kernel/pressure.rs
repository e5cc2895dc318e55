//! `/proc/pressure/{cpu,memory,io}` (kernel `Documentation/accounting/psi.rst`, 4.20): how long threads
//! were stalled because a resource was short.
//!
//! `cpu` has a `full` line since 5.13, which has no meaning for the whole system and reads zero. With `psi=0`, the default of
//! some distributions, the files are there but opening or reading them gives EOPNOTSUPP: that is `Missing`.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::{Pressure, PressureLine};
use procfs_core::parse_pressure_record;

/// Reads `/proc/pressure/` of one `resource`: `cpu`, `memory` or `io`.
pub fn read(root: &Root, resource: &str, buffer: &mut Vec<u8>) -> Reading<Pressure> {
    root.read_parsed(&format!("proc/pressure/{resource}"), buffer, parse)
}

/// Parses the text of a pressure file; those of control groups have the same form.
pub fn parse(bytes: &[u8]) -> Result<Pressure, String> {
    let text = str::from_utf8(bytes).map_err(|_| "not text")?;
    let (mut some, mut full) = (None, None);
    for text in text.lines() {
        // The library's parser cuts the first word off unseen, so that word is checked here.
        match text.split(' ').next() {
            Some("some") => some = Some(line(text)?),
            Some("full") => full = Some(line(text)?),
            _ => {}
        }
    }
    Ok(Pressure { some: some.ok_or("no `some` line")?, full })
}

fn line(text: &str) -> Result<PressureLine, String> {
    let unexpected = || "a line without avg10, avg60, avg300 and total".to_owned();
    if text.len() < "some ".len() {
        return Err(unexpected());
    }
    let record = parse_pressure_record(text).map_err(|_| unexpected())?;
    let percents = [record.avg10, record.avg60, record.avg300];
    if percents.iter().any(|percent| !(0.0..=1000.0).contains(percent)) {
        return Err(unexpected());
    }
    // Two decimals of a percentage, which the library's `f32` does not hold exactly.
    let [avg10_ratio, avg60_ratio, avg300_ratio] =
        percents.map(|percent| (f64::from(percent) * 100.0).round() / 10_000.0);
    Ok(PressureLine { avg10_ratio, avg60_ratio, avg300_ratio, total_microseconds: record.total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_become_ratios() {
        let pressure = parse(
            b"some avg10=4.50 avg60=0.91 avg300=0.00 total=681245\n\
              full avg10=2.10 avg60=0.12 avg300=100.00 total=391926\n",
        )
        .unwrap();
        assert_eq!((pressure.some.avg10_ratio, pressure.some.avg60_ratio), (0.045, 0.0091));
        let full = pressure.full.unwrap();
        assert_eq!((full.avg300_ratio, full.total_microseconds), (1.0, 391_926));
    }

    #[test]
    fn cpu_has_no_full_line_before_5_13() {
        let pressure = parse(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap();
        assert_eq!(pressure.full, None);
    }

    #[test]
    fn other_text_is_refused() {
        let texts: [&[u8]; 9] = [
            b"",
            b"some",
            b"some ",
            b"some avg10=1",
            "some\u{e9}avg10=1".as_bytes(),
            b"\xff",
            b"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            b"some avg10=nan avg60=0.00 avg300=0.00 total=0\n",
            b"some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n",
        ];
        for text in texts {
            assert!(parse(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
