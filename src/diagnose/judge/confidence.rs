//! How sure a finding is: what the inputs allow, how far from the limit, how many counters agree.

/// The most that is ever claimed.
const MOST: f64 = 0.95;

/// The least that is ever said.
const LEAST: f64 = 0.2;

/// A confidence under construction.
#[derive(Debug, Clone, Copy)]
pub struct Confidence(f64);

impl Confidence {
    /// Full confidence in complete inputs.
    pub fn new() -> Self {
        Self(MOST)
    }

    /// Lowers it by `cap` when what was seen `leaves_open` something. Inputs that are not there at all lower it
    /// in [`crate::diagnose::judge::missing_inputs`].
    pub fn cap_if(self, leaves_open: bool, cap: f64) -> Self {
        if leaves_open { Self(self.0 * cap) } else { self }
    }

    /// Lowers it when the value is within its own error of the limit.
    pub fn margin(self, value: f64, limit: f64, error: f64) -> Self {
        let distance = value - limit;
        let factor = match () {
            () if distance <= error => 0.7,
            () if distance <= 2.0 * error => 0.85,
            () => 1.0,
        };
        Self(self.0 * factor)
    }

    /// Raises nothing: two counters that agree keep it, one alone lowers it.
    pub fn agreement(self, counters_count: usize) -> Self {
        Self(self.0 * if counters_count >= 2 { 1.0 } else { 0.8 })
    }

    /// A counter speaks against it.
    pub fn contradicted_if(self, contradicted: bool) -> Self {
        if contradicted { Self(self.0 * 0.7) } else { self }
    }

    /// The ratio, 0.2 to 0.95.
    pub fn ratio(self) -> f64 {
        self.0.clamp(LEAST, MOST)
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self::new()
    }
}

/// The ratio, or the least that is ever said.
pub fn at_least_least(ratio: f64) -> f64 {
    ratio.clamp(LEAST, MOST)
}

/// The word for a ratio.
pub fn word(ratio: f64) -> &'static str {
    match ratio {
        r if r >= 0.8 => "confident",
        r if r >= 0.6 => "likely",
        r if r >= 0.4 => "suspect",
        _ => "guess",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_multiply_and_never_reach_zero() {
        assert!((Confidence::new().cap_if(true, 0.75).ratio() - 0.7125).abs() < 1e-9);
        let low = Confidence::new().cap_if(true, 0.1).cap_if(true, 0.1).ratio();
        assert!((low - LEAST).abs() < 1e-9);
    }

    #[test]
    fn a_value_at_its_limit_is_less_sure() {
        assert!(Confidence::new().margin(0.86, 0.85, 0.02).ratio() < 0.7);
        assert!(Confidence::new().margin(0.99, 0.85, 0.02).ratio() > 0.9);
    }

    #[test]
    fn words_follow_the_ratio() {
        assert_eq!(word(0.95), "confident");
        assert_eq!(word(0.7), "likely");
        assert_eq!(word(0.45), "suspect");
        assert_eq!(word(0.2), "guess");
    }
}
