//! The few conversions between the kernel's units and ours, in one place.

use serde::{Deserialize, Serialize};

/// Bytes of one sector in `/proc/diskstats`, whatever the device's own block size (kernel
/// `Documentation/block/stat.rst`).
pub const SECTOR_BYTES: u64 = 512;

/// Microseconds in a second.
pub const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// Nanoseconds in a second.
pub const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;

/// What a packet takes on an Ethernet beside the bytes that the kernel counts: preamble 8, check sequence 4, gap 12 (IEEE
/// 802.3).
pub const PACKET_OVERHEAD_BYTES: u64 = 24;

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

/// Unit of a measured number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share, or one amount divided by another.
    Ratio,
    /// Events per second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A plain number; so is a unit that only a newer version knows.
    #[serde(other)]
    Count,
}

impl Unit {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::PerSecond => "per_second",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::Count => "count",
        }
    }
}

/// `value` with its unit, as people say it.
pub fn quantity(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    match unit {
        Unit::Ratio => percent(value),
        Unit::Bytes => human_bytes(value),
        Unit::BytesPerSecond => format!("{}/s", human_bytes(value)),
        Unit::Seconds if value == 0.0 => "0 s".to_owned(),
        Unit::Seconds => human_seconds(value),
        Unit::PerSecond => format!("{}/s", number(value)),
        Unit::Count => number(value),
    }
}

/// A metric in words: `cpu_busy_ratio` is `CPU busy`. The unit is left out; it stands beside the value.
pub fn label(metric: &str) -> String {
    const UNITS: [&str; 7] =
        ["_bytes_per_second", "_per_second", "_ratio", "_bytes", "_seconds", "_count", "_ticks"];
    let name = UNITS.iter().find_map(|unit| metric.strip_suffix(unit)).unwrap_or(metric);
    if let Some(pressure) = name.strip_prefix("psi_") {
        let (resource, all) = match pressure.strip_suffix("_full") {
            Some(resource) => (resource, ", all threads"),
            None => (pressure.strip_suffix("_some").unwrap_or(pressure), ""),
        };
        return format!("{} pressure{all}", word(resource));
    }
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}

/// A word of a metric as people write it.
fn word(word: &str) -> &str {
    match word {
        "cpu" => "CPU",
        "cpus" => "CPUs",
        "io" => "I/O",
        "iowait" => "I/O wait",
        "irq" => "IRQ",
        "numa" => "NUMA",
        "oom" => "OOM",
        "raid" => "RAID",
        "tcp" => "TCP",
        other => other,
    }
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
    fn metrics_read_as_words() {
        assert_eq!(label("cpu_busy_ratio"), "CPU busy");
        assert_eq!(label("swap_in_pages_per_second"), "swap in pages");
        assert_eq!(label("read_bytes_per_second"), "read");
        assert_eq!(label("load_per_cpu"), "load per CPU");
        assert_eq!(label("psi_io_some_ratio"), "I/O pressure");
    }

    #[test]
    fn values_carry_their_unit() {
        assert_eq!(quantity(0.97, Unit::Ratio), "97 %");
        assert_eq!(quantity(14_678.2, Unit::PerSecond), "14678/s");
        assert_eq!(quantity(1_572_864.0, Unit::BytesPerSecond), "1.5 MiB/s");
        assert_eq!(quantity(2.0, Unit::Count), "2");
        assert_eq!(quantity(f64::NAN, Unit::Ratio), "unknown");
    }

    #[test]
    fn units_are_the_words_of_the_json() {
        let all =
            [Unit::Ratio, Unit::PerSecond, Unit::Seconds, Unit::Bytes, Unit::BytesPerSecond, Unit::Count];
        for unit in all {
            assert_eq!(serde_json::to_value(unit).unwrap(), unit.word());
            assert_eq!(serde_json::from_value::<Unit>(unit.word().into()).unwrap(), unit);
        }
        assert_eq!(serde_json::from_str::<Unit>("\"furlongs\"").unwrap(), Unit::Count);
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
