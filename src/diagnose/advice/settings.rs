//! Kernel settings as actions: what is sensible already is not set again, and the undo has the value that was there.

use super::action::{Action, Setting, UNKNOWN};
use super::names::is_plain;
use crate::model::tuning::KernelSettings;

const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const KERNEL_MEMORY: &str = "/sys/kernel/mm/";
const CONNTRACK: &str = "net.netfilter.nf_conntrack_max";

/// Seconds of writing that may wait in memory.
const DIRTY_SECONDS: f64 = 3.0;

/// Less than this helps no disk.
const DIRTY_MIN_BYTES: f64 = (4_u64 << 20) as f64;

/// The background writes from this part of the limit on.
pub(super) const DIRTY_BACKGROUND_PART: u64 = 4;

/// How much may wait to be written, by what the disk was measured to write; none where it wrote nothing.
pub(super) fn dirty_limit(write_bytes_per_second: f64) -> Option<u64> {
    const MEBIBYTE: f64 = (1_u64 << 20) as f64;
    let bytes = (DIRTY_SECONDS * write_bytes_per_second).max(DIRTY_MIN_BYTES);
    (write_bytes_per_second > 0.0).then(|| ((bytes / MEBIBYTE).round() * MEBIBYTE) as u64)
}

/// Sets kernel settings to `pairs`; none where all of them are as good or better already.
pub(super) fn sysctl(pairs: &[(&str, &str)], now: &KernelSettings) -> Option<Action> {
    let set: Vec<Setting> = pairs.iter().filter_map(|(name, value)| one(name, value, now)).collect();
    (!set.is_empty()).then_some(Action::Sysctl(set))
}

fn one(name: &str, value: &str, settings: &KernelSettings) -> Option<Setting> {
    let setting = |value: String, back| Some(Setting { name: name.to_owned(), value, back });
    let Some(now) = settings.text(name) else {
        return setting(value.to_owned(), (name.to_owned(), UNKNOWN.to_owned()));
    };
    if suffices(name, now, value) {
        return None;
    }
    // A table that is full at this size or a larger one needs more than that.
    let twice = settings.number(name).filter(|_| name == CONNTRACK).map(|now| now.saturating_mul(2));
    let larger = twice.filter(|twice| value.parse().is_ok_and(|value: u64| *twice > value));
    setting(larger.map_or_else(|| value.to_owned(), |larger| larger.to_string()), before(name, now, settings))
}

/// Writes `value` to a kernel file; none where it is there already or decides nothing.
pub(super) fn write(
    path: &str,
    value: &str,
    settings: &KernelSettings,
    clock: Option<&str>,
) -> Option<Action> {
    let now = match path.strip_prefix(KERNEL_MEMORY) {
        Some(name) => settings.text(name),
        None if path == CLOCK => clock,
        None => None,
    };
    // A kernel that never makes huge pages has no use for another way of making them.
    if now.is_some_and(|now| now == value || now == "never") {
        return None;
    }
    Some(Action::Write(vec![file(path.to_owned(), value, now.filter(|now| is_plain(now)))]))
}

/// One kernel file and what to write to it.
pub(super) fn file(path: String, value: &str, before: Option<&str>) -> Setting {
    let back = (path.clone(), before.unwrap_or(UNKNOWN).to_owned());
    Setting { name: path, value: value.to_owned(), back }
}

/// What sets the setting `name`, as the tuning report calls it, from `old` to `new`.
pub(super) fn of_report(settings: &KernelSettings, name: &str, old: &str, new: &str) -> Action {
    let write = |path: String| Action::Write(vec![file(path, new, Some(old))]);
    if name.starts_with("transparent_hugepage") {
        return write(format!("{KERNEL_MEMORY}{name}"));
    }
    if name.contains("/queue/") {
        return write(format!("/sys/block/{name}"));
    }
    if name == "cpufreq/scaling_governor" {
        return Action::Governor { value: new.to_owned(), before: old.to_owned() };
    }
    // Setting bytes clears the ratio, and the other way round.
    let target = match name {
        "vm.dirty_ratio" => "vm.dirty_bytes",
        "vm.dirty_background_ratio" => "vm.dirty_background_bytes",
        other => other,
    };
    let back = match settings.text(target) {
        Some(now) => before(target, now, settings),
        None => (name.to_owned(), old.to_owned()),
    };
    Action::Sysctl(vec![Setting { name: target.to_owned(), value: new.to_owned(), back }])
}

/// The setting that brings `now` back. A limit in bytes is in force instead of one in percent, and setting one clears the
/// other.
fn before(name: &str, now: &str, settings: &KernelSettings) -> (String, String) {
    let percent = name.strip_suffix("_bytes").map(|stem| format!("{stem}_ratio"));
    if let Some(percent) = percent.filter(|_| now == "0")
        && let Some(ratio) = settings.text(&percent)
    {
        return (percent, ratio.to_owned());
    }
    (name.to_owned(), now.to_owned())
}

/// Whether `now` is as good as `value`, or better.
fn suffices(name: &str, now: &str, value: &str) -> bool {
    let ports = |text: &str| {
        let (low, high) = text.split_once(' ')?;
        high.parse::<u64>().ok()?.checked_sub(low.parse().ok()?)
    };
    if let (Some(now), Some(value)) = (ports(now), ports(value)) {
        return now >= value;
    }
    let (Ok(now), Ok(value)) = (now.parse::<u64>(), value.parse::<u64>()) else { return now == value };
    match name {
        // Full in spite of its size.
        CONNTRACK => false,
        "vm.zone_reclaim_mode" | "net.ipv4.tcp_tw_reuse" => now == value,
        // Zero is a limit in percent.
        _ if name.starts_with("vm.dirty_") => now > 0 && now <= value,
        _ => now >= value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> KernelSettings {
        KernelSettings(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn texts(action: Option<Action>) -> Option<(String, String)> {
        let action = action?;
        Some((action.command().unwrap(), action.undo().unwrap()))
    }

    fn to(command: &str, undo: &str) -> Option<(String, String)> {
        Some((command.to_owned(), undo.to_owned()))
    }

    #[test]
    fn what_takes_a_change_back_is_what_was_there() {
        let now = settings(&[
            ("net.core.somaxconn", "64"),
            ("vm.dirty_background_bytes", "0"),
            ("vm.dirty_background_ratio", "7"),
            ("vm.dirty_bytes", "900000000"),
            ("net.ipv4.ip_local_port_range", "50000 50099"),
        ]);
        let change = |pairs: &[(&str, &str)]| texts(sysctl(pairs, &now));
        assert_eq!(
            change(&[("net.core.somaxconn", "4096")]),
            to("sysctl net.core.somaxconn=4096", "sysctl net.core.somaxconn=64")
        );
        assert_eq!(
            change(&[("vm.dirty_background_bytes", "67108864"), ("vm.dirty_bytes", "536870912")]),
            to(
                "sysctl vm.dirty_background_bytes=67108864 vm.dirty_bytes=536870912",
                "sysctl vm.dirty_background_ratio=7 vm.dirty_bytes=900000000"
            )
        );
        assert_eq!(
            change(&[("net.ipv4.ip_local_port_range", "1024 65535"), ("net.ipv4.tcp_tw_reuse", "1")]),
            to(
                "sysctl net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1",
                "sysctl net.ipv4.ip_local_port_range='50000 50099' net.ipv4.tcp_tw_reuse=OLD_VALUE"
            )
        );
        let pages = settings(&[("transparent_hugepage/defrag", "always")]);
        let path = "/sys/kernel/mm/transparent_hugepage/defrag";
        assert_eq!(
            texts(write(path, "defer", &pages, None)),
            to(&format!("echo defer > {path}"), &format!("echo always > {path}"))
        );
        assert_eq!(
            texts(write(CLOCK, "tsc", &pages, Some("acpi_pm"))),
            to(&format!("echo tsc > {CLOCK}"), &format!("echo acpi_pm > {CLOCK}"))
        );
    }

    #[test]
    fn what_is_so_already_is_not_advised() {
        let now = settings(&[
            ("net.core.somaxconn", "65535"),
            ("net.core.rmem_max", "8388608"),
            ("net.core.netdev_max_backlog", "1000"),
            ("vm.dirty_bytes", "1000"),
            ("transparent_hugepage/enabled", "never"),
        ]);
        let change = |pairs: &[(&str, &str)]| texts(sysctl(pairs, &now));
        let file = |path: &str, value: &str| texts(write(path, value, &now, Some("tsc")));
        assert_eq!(change(&[("net.core.somaxconn", "4096")]), None);
        assert_eq!(change(&[("vm.dirty_bytes", "536870912")]), None);
        assert_eq!(file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"), None);
        assert_eq!(file(CLOCK, "tsc"), None);
        assert_eq!(
            change(&[("net.core.rmem_max", "8388608"), ("net.core.netdev_max_backlog", "5000")]),
            to("sysctl net.core.netdev_max_backlog=5000", "sysctl net.core.netdev_max_backlog=1000")
        );
        let ksm = "/sys/kernel/mm/ksm/pages_to_scan";
        assert_eq!(file(ksm, "100"), to(&format!("echo 100 > {ksm}"), &format!("echo OLD_VALUE > {ksm}")));
    }

    #[test]
    fn a_full_table_gets_larger_whatever_its_size() {
        for (now, then) in [("256", "524288"), ("1048576", "2097152")] {
            let change = sysctl(&[(CONNTRACK, "524288")], &settings(&[(CONNTRACK, now)]));
            assert_eq!(
                texts(change),
                to(&format!("sysctl {CONNTRACK}={then}"), &format!("sysctl {CONNTRACK}={now}"))
            );
        }
    }

    #[test]
    fn a_setting_of_the_tuning_report_can_be_taken_back() {
        let none = KernelSettings::default();
        let change = |name: &str, old: &str, new: &str| texts(Some(of_report(&none, name, old, new)));
        assert_eq!(
            change("vm.dirty_ratio", "20", "536870912"),
            to("sysctl vm.dirty_bytes=536870912", "sysctl vm.dirty_ratio=20")
        );
        assert_eq!(
            change("net.ipv4.ip_local_port_range", "1024 2000", "32768 60999"),
            to(
                "sysctl net.ipv4.ip_local_port_range='32768 60999'",
                "sysctl net.ipv4.ip_local_port_range='1024 2000'"
            )
        );
        assert_eq!(
            change("transparent_hugepage/defrag", "always", "madvise"),
            to(
                "echo madvise > /sys/kernel/mm/transparent_hugepage/defrag",
                "echo always > /sys/kernel/mm/transparent_hugepage/defrag"
            )
        );
        assert_eq!(
            change("sda/queue/scheduler", "bfq", "mq-deadline"),
            to(
                "echo mq-deadline > /sys/block/sda/queue/scheduler",
                "echo bfq > /sys/block/sda/queue/scheduler"
            )
        );
        assert_eq!(
            change("cpufreq/scaling_governor", "powersave", "performance"),
            to("cpupower frequency-set -g performance", "cpupower frequency-set -g powersave")
        );
    }
}
