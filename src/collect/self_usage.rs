//! What the run itself has cost so far.
//!
//! The peak comes from `/proc/self/status`: `getrusage(2)` carries the peak of whatever called exec over to us.

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process, user and system.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Largest resident size of this process; none where there is no `/proc` of our own.
pub fn max_rss_bytes() -> Option<u64> {
    parse_peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_in_kibibytes() {
        assert_eq!(parse_peak("Name:\tdiag\nVmPeak:\t 9000 kB\nVmHWM:\t    5120 kB\n"), Some(5_242_880));
        assert_eq!(parse_peak("Name:\tdiag\n"), None);
    }
}
