//! `/proc/loadavg`, proc_loadavg(5): three averages, `runnable/existing` threads, the last process id.
//!
//! Known lies: uninterruptible threads count as load, whatever they wait for. The middle numbers are of
//! this moment and include whoever reads them. gVisor shows zeros; lxcfs may show the container's own load.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::LoadAverage;
use procfs_core::FromRead;

/// Reads `/proc/loadavg`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<LoadAverage> {
    root.read_parsed("proc/loadavg", buffer, parse)
}

/// Parses the text of `/proc/loadavg`.
pub fn parse(bytes: &[u8]) -> Result<LoadAverage, String> {
    let unexpected = || "not three averages and `runnable/existing`".to_owned();
    let load = procfs_core::LoadAverage::from_read(bytes).map_err(|_| unexpected())?;
    let averages = [load.one, load.five, load.fifteen];
    if averages.iter().any(|average| !average.is_finite() || *average < 0.0) {
        return Err(unexpected());
    }
    // The kernel prints two decimals; the library's `f32` would make 0.52 into 0.51999998.
    let [one, five, fifteen] = averages.map(|average| (f64::from(average) * 100.0).round() / 100.0);
    let (runnable_count, threads_count) = (load.cur.into(), load.max.into());
    Ok(LoadAverage { one, five, fifteen, runnable_count, threads_count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_keep_their_two_decimals() {
        let load = parse(b"0.52 1.17 123.45 3/1289 40123\n").unwrap();
        assert_eq!((load.one, load.five, load.fifteen), (0.52, 1.17, 123.45));
        assert_eq!((load.runnable_count, load.threads_count), (3, 1289));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "1 2", "a b c 1/2 3", "nan 0 0 1/2 3", "-1 0 0 1/2 3", "1 2 3 4 5", "1 2 3 1/x 5"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"0.5 \xff 1 1/2 3").is_err());
    }
}
