//! The few conversions between the kernel's units and ours, in one place.

/// Bytes of one sector in `/proc/diskstats`, whatever the device's own block size (kernel
/// `Documentation/block/stat.rst`).
pub const SECTOR_BYTES: u64 = 512;

/// Microseconds in a second.
pub const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// Nanoseconds in a second.
pub const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;

/// A number of bytes as people say it: `512 B`, `1.5 KiB`, `23.4 GiB`.
pub fn human_bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value.abs() < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Without a minus before a zero: what is left of a difference of equal numbers is often a little below it.
fn visible(value: f64) -> f64 {
    if value.abs() < 0.05 { value.abs() } else { value }
}

/// A ratio of 0 to 1 as a percentage without decimals unless it is small: `97 %`, `3.4 %`.
pub fn percent(ratio: f64) -> String {
    let value = visible(ratio * 100.0);
    if value != 0.0 && value.abs() < 10.0 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// A span as people say it: `130 ns`, `640 ms`, `5.0 s`, `3 min`, `2 h`, `4 d`.
pub fn human_seconds(seconds: f64) -> String {
    match seconds {
        s if s > 0.0 && s < 0.000_001 => format!("{:.0} ns", s * 1e9),
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// A rate without needless digits: `0.4`, `12`, `14678`.
pub fn human_count(value: f64) -> String {
    let value = visible(value);
    if value != 0.0 && value.abs() < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// `value` with its unit, as people say it.
pub fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    match unit {
        "ratio" => percent(value),
        "bytes" => human_bytes(value),
        "bytes_per_second" => format!("{}/s", human_bytes(value)),
        "seconds" if value == 0.0 => "0 s".to_owned(),
        "seconds" => human_seconds(value),
        "per_second" => format!("{}/s", number(value)),
        "" | "count" => number(value),
        other => format!("{} {}", number(value), other.replace('_', " ")),
    }
}

/// `cpu_busy_ratio` as people say it: `cpu busy`. The unit is beside the value already.
pub fn label(metric: &str) -> String {
    const UNITS: [&str; 7] =
        ["_bytes_per_second", "_per_second", "_ratio", "_bytes", "_seconds", "_count", "_ticks"];
    let name = UNITS.iter().find_map(|unit| metric.strip_suffix(unit)).unwrap_or(metric);
    name.replace('_', " ")
}

/// A count without decimals where it has none.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { human_count(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_binary_units() {
        assert_eq!(human_bytes(0.0), "0 B");
        assert_eq!(human_bytes(1536.0), "1.5 KiB");
        assert_eq!(human_bytes(250.0 * 1024.0 * 1024.0), "250 MiB");
    }

    #[test]
    fn small_percentages_keep_one_digit() {
        assert_eq!(percent(0.97), "97 %");
        assert_eq!(percent(0.034), "3.4 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn spans_choose_their_unit() {
        assert_eq!(human_seconds(0.0), "0 µs");
        assert_eq!(human_seconds(0.000_000_13), "130 ns");
        assert_eq!(human_seconds(0.00009), "90 µs");
        assert_eq!(human_seconds(0.0082), "8.2 ms");
        assert_eq!(human_seconds(5.0), "5.0 s");
        assert_eq!(human_seconds(7_300.0), "2 h");
    }
}
