//! `/proc/loadavg`, proc_loadavg(5): three averages, `runnable/existing` threads, the last process id.
//!
//! Known lies: uninterruptible threads count as load, whatever they wait for. The middle numbers are of
//! this moment and include the reader. gVisor shows zeros; lxcfs may show the container's own load.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::LoadAverage;

/// Reads `/proc/loadavg`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<LoadAverage> {
    root.read_parsed("proc/loadavg", buffer, parse)
}

/// Parses the text of `/proc/loadavg`.
pub fn parse(bytes: &[u8]) -> Result<LoadAverage, String> {
    // By hand: the library wants the last process id as well, which emulated files leave out, and 32 bits.
    let text = String::from_utf8_lossy(bytes);
    load(&text).ok_or_else(|| "not three averages and `runnable/existing`".to_owned())
}

fn load(text: &str) -> Option<LoadAverage> {
    let mut words = text.split_whitespace();
    let mut average = || words.next()?.parse::<f64>().ok().filter(|load| load.is_finite() && *load >= 0.0);
    let (one, five, fifteen) = (average()?, average()?, average()?);
    let (runnable, threads) = words.next()?.split_once('/')?;
    Some(LoadAverage {
        one,
        five,
        fifteen,
        runnable_count: runnable.parse().ok()?,
        threads_count: threads.parse().ok()?,
    })
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
    fn the_last_process_id_may_be_left_out() {
        assert_eq!(parse(b"0.00 0.01 900000.05 1/80").unwrap().fifteen, 900_000.05);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "1 2", "a b c 1/2 3", "nan 0 0 1/2 3", "-1 0 0 1/2 3", "1 2 3 4 5", "1 2 3 1/x 5"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"0.5 \xff 1 1/2 3").is_err());
    }
}
