//! `/proc/uptime`, proc_uptime(5): seconds since boot, suspension included, and the sum of the CPUs' idle time.
//!
//! Known lies: in a container it is the host's, unless lxcfs shows the container's own.

use crate::collect::root::Root;
use crate::model::reading::Reading;

/// Reads the seconds since boot from `/proc/uptime`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<f64> {
    root.read_parsed("proc/uptime", buffer, parse)
}

/// Parses the text of `/proc/uptime`.
pub fn parse(bytes: &[u8]) -> Result<f64, String> {
    let text = String::from_utf8_lossy(bytes);
    let seconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    seconds
        .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
        .ok_or_else(|| "no number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        assert_eq!(parse(b"350735.47 234388.90\n"), Ok(350_735.47));
        assert_eq!(parse(b"0.00"), Ok(0.0));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [&b""[..], b"x 1", b"nan 1", b"-1 1", b"inf", b"\xff"] {
            assert!(parse(text).is_err());
        }
    }
}
