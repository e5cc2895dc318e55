//! The one guarded difference of the program: a counter that goes backwards gives none, and so does a
//! window without length. Counters go backwards when they wrap, when a device or CPU is taken away and
//! comes back, and iowait does it for no reason at all (proc_stat(5)).

/// How much a counter grew; `None` when it went backwards.
pub fn difference(before: u64, after: u64) -> Option<u64> {
    after.checked_sub(before)
}

/// The same per second; `None` over a span that is not positive.
pub fn rate(before: u64, after: u64, seconds: f64) -> Option<f64> {
    let count = difference(before, after)?;
    (seconds > 0.0).then(|| count as f64 / seconds)
}

/// The same for counters that a kernel may lack.
pub fn rate_of(before: Option<u64>, after: Option<u64>, seconds: f64) -> Option<f64> {
    rate(before?, after?, seconds)
}

/// Mean duration of an event; `None` without events.
pub fn mean(sum: Option<u64>, count: Option<u64>) -> Option<f64> {
    let count = count.filter(|&count| count > 0)?;
    Some(sum? as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backwards_gives_none() {
        assert_eq!(difference(5, 9), Some(4));
        assert_eq!(difference(9, 5), None);
        assert_eq!(rate(9, 5, 1.0), None);
        assert_eq!(rate_of(None, Some(5), 1.0), None);
    }

    #[test]
    fn a_window_without_length_gives_none() {
        assert_eq!(rate(1, 2, 0.0), None);
        assert_eq!(rate(1, 2, -1.0), None);
        assert_eq!(rate(1, 2, f64::NAN), None);
    }

    #[test]
    fn no_events_have_no_mean() {
        assert_eq!(mean(Some(10), Some(0)), None);
        assert_eq!(mean(Some(10), Some(4)), Some(2.5));
    }
}
