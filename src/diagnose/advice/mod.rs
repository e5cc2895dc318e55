//! The advice of a finding, made to fit the box: names are filled in, a setting that is sensible already is not advised
//! again, and what takes a change back has the value that was there, not one that other boxes have.

pub mod tuning;
pub mod workers;

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::culprit::culprit;
use crate::diagnose::rule::AdviceTemplate;
use crate::model::finding::Advice;
use crate::model::report::CulpritKind;
use crate::model::tuning::KernelSettings;

/// The rule's advice, that of the fitting remedy first.
pub(super) fn advice(facts: &Facts<'_>, judged: &Judged) -> Vec<Advice> {
    let culprit = culprit(facts, &judged.hit.who, None);
    let device = judged.hit.device.clone().or_else(|| {
        culprit
            .as_ref()
            .filter(|culprit| culprit.kind == CulpritKind::Device)
            .map(|culprit| culprit.comm.clone())
    });
    let pid = culprit.as_ref().and_then(|culprit| culprit.pid);
    let process = pid.and_then(|pid| facts.rates.process(pid));
    let path = process.and_then(|process| process.cgroup.as_deref());
    let quota = facts.cgroups().iter().find(|group| Some(group.path.as_str()) == path);
    let quota = quota.and_then(|group| group.quota_cpus);
    let limits = &facts.rates.limits;
    let files = limits.open_files.iter().find(|files| Some(files.pid) == pid).and_then(|files| files.limit);
    let names = Names {
        pid: pid.map(|pid| pid.to_string()),
        unit: culprit.as_ref().and_then(|culprit| culprit.unit.clone()).filter(|unit| is_unit(unit)),
        device: device.filter(|device| is_plain(device)),
        nice: process.map(|process| process.nice.to_string()),
        quota: Some(quota.map_or_else(|| "200%".to_owned(), |cpus| format!("{:.0}%", 200.0 * cpus))),
        files: files.map(|files| files.to_string()),
        more_files: files.map(|files| files.saturating_mul(2).max(FILES_MIN).to_string()),
    };
    let mut advice: Vec<&AdviceTemplate> = judged.rule.advice.iter().collect();
    advice.sort_by_key(|template| template.remedy != judged.hit.remedy);
    advice
        .into_iter()
        .filter_map(|template| {
            fitted(template, &names, &limits.settings, facts.rates.host.clocksource.as_deref())
        })
        .collect()
}

/// Open files that a server may be given without a thought.
const FILES_MIN: u64 = 65_536;

/// One advice for this box; none where it has nothing to say to it.
fn fitted(
    template: &AdviceTemplate,
    names: &Names,
    settings: &KernelSettings,
    clock: Option<&str>,
) -> Option<Advice> {
    // Advice about a unit is of no use where the culprit has none.
    let mut command = match template.command {
        Some(command) => Some(names.fill(command)?),
        None => None,
    };
    let mut undo = template.undo.and_then(|undo| names.fill(undo));
    if template.undo.is_some()
        && let Some(typed) = &command
    {
        match in_force(typed, settings, clock) {
            Change::Other => {}
            Change::Idle => return None,
            Change::To { command: fit, undo: back } => (command, undo) = (Some(fit), Some(back)),
        }
    }
    Some(Advice {
        action: template.action.to_owned(),
        command,
        risk: template.risk.map(str::to_owned),
        undo,
        remedy: template.remedy,
    })
}

/// What a command does to the settings in force.
#[derive(Debug, PartialEq)]
enum Change {
    /// It is about something else.
    Other,
    /// Nothing: what it sets is so already, or better.
    Idle,
    /// This much of it is left.
    To { command: String, undo: String },
}

const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const LARGE_PAGES: &str = "/sys/kernel/mm/";

fn in_force(command: &str, settings: &KernelSettings, clock: Option<&str>) -> Change {
    if let Some(pairs) = command.strip_prefix("sysctl ") {
        return sysctls(pairs, settings);
    }
    let Some((word, path)) = command.strip_prefix("echo ").and_then(|rest| rest.split_once(" > ")) else {
        return Change::Other;
    };
    let now = match path.strip_prefix(LARGE_PAGES) {
        Some(name) if name.starts_with("transparent_hugepage/") => settings.text(name),
        _ if path == CLOCK => clock,
        _ => return Change::Other,
    };
    match now {
        // Who never makes large pages waits for none.
        Some(now) if now == word || now == "never" => Change::Idle,
        Some(now) if is_plain(now) => {
            Change::To { command: command.to_owned(), undo: format!("echo {now} > {path}") }
        }
        _ => Change::To { command: command.to_owned(), undo: format!("echo OLD_VALUE > {path}") },
    }
}

fn sysctls(pairs: &str, settings: &KernelSettings) -> Change {
    let (mut set, mut back) = (Vec::new(), Vec::new());
    for pair in split(pairs) {
        let Some((name, value)) = pair.split_once('=') else { return Change::Other };
        let Some(now) = settings.text(name) else {
            set.push(pair.clone());
            back.push(format!("{name}=OLD_VALUE"));
            continue;
        };
        if suffices(name, now, value.trim_matches('\'')) {
            continue;
        }
        // A table that is full at this size or a larger one needs more than that.
        let twice = settings.number(name).filter(|_| name == CONNTRACK).map(|now| now.saturating_mul(2));
        let larger = twice.filter(|twice| value.parse().is_ok_and(|value: u64| *twice > value));
        set.push(larger.map_or_else(|| pair.clone(), |larger| format!("{name}={larger}")));
        back.push(before(name, now, settings));
    }
    if set.is_empty() {
        return Change::Idle;
    }
    Change::To { command: format!("sysctl {}", set.join(" ")), undo: format!("sysctl {}", back.join(" ")) }
}

/// Words; quotes keep two numbers together.
fn split(pairs: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in pairs.chars() {
        quoted ^= character == '\'';
        match words.last_mut() {
            Some(word) if character != ' ' || quoted => word.push(character),
            _ => words.push(String::new()),
        }
    }
    words
}

/// The pair that brings `now` back. A limit in bytes is in force instead of one in percent, and setting the one clears
/// the other.
pub(super) fn before(name: &str, now: &str, settings: &KernelSettings) -> String {
    let percent = name.strip_suffix("_bytes").map(|stem| format!("{stem}_ratio"));
    if let Some(percent) = percent.filter(|_| now == "0")
        && let Some(ratio) = settings.text(&percent)
    {
        return format!("{percent}={ratio}");
    }
    if now.contains(' ') { format!("{name}='{now}'") } else { format!("{name}={now}") }
}

const CONNTRACK: &str = "net.netfilter.nf_conntrack_max";

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

/// Names that may stand in a command that somebody will paste into a root shell. A name with any other
/// character than these is left out: it was chosen by whoever started the process.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@/-+".contains(&byte))
}

fn is_unit(unit: &str) -> bool {
    is_plain(unit) && [".service", ".scope", ".slice"].iter().any(|suffix| unit.ends_with(suffix))
}

#[derive(Debug, Default)]
struct Names {
    pid: Option<String>,
    unit: Option<String>,
    device: Option<String>,
    nice: Option<String>,
    quota: Option<String>,
    files: Option<String>,
    more_files: Option<String>,
}

impl Names {
    /// The command with its names; none when one of them is not known.
    fn fill(&self, template: &str) -> Option<String> {
        let mut text = template.to_owned();
        for (mark, value) in [
            ("{pid}", &self.pid),
            ("{unit}", &self.unit),
            ("{device}", &self.device),
            ("{nice}", &self.nice),
            ("{quota}", &self.quota),
            ("{files}", &self.files),
            ("{more_files}", &self.more_files),
        ] {
            if text.contains(mark) {
                text = text.replace(mark, value.as_ref()?);
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> KernelSettings {
        KernelSettings(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn to(command: &str, undo: &str) -> Change {
        Change::To { command: command.to_owned(), undo: undo.to_owned() }
    }

    #[test]
    fn a_command_is_left_out_when_a_name_is_unknown() {
        let names = Names { pid: Some("12".into()), ..Names::default() };
        assert_eq!(names.fill("top -H -p {pid}").as_deref(), Some("top -H -p 12"));
        assert_eq!(names.fill("systemctl status {unit}"), None);
        assert_eq!(names.fill("vmstat 1 10").as_deref(), Some("vmstat 1 10"));
    }

    #[test]
    fn no_hostile_name_reaches_a_command() {
        assert!(is_unit("nginx.service"));
        assert!(is_unit("user@1000.service"));
        assert!(!is_unit("a;rm -rf $HOME.service"));
        assert!(!is_plain("-rf"));
        assert!(!is_plain("sda\n"));
        assert!(!is_plain("$(id)"));
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
        let change = |command: &str| in_force(command, &now, None);
        assert_eq!(
            change("sysctl net.core.somaxconn=4096"),
            to("sysctl net.core.somaxconn=4096", "sysctl net.core.somaxconn=64")
        );
        assert_eq!(
            change("sysctl vm.dirty_background_bytes=67108864 vm.dirty_bytes=536870912"),
            to(
                "sysctl vm.dirty_background_bytes=67108864 vm.dirty_bytes=536870912",
                "sysctl vm.dirty_background_ratio=7 vm.dirty_bytes=900000000"
            )
        );
        assert_eq!(
            change("sysctl net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1"),
            to(
                "sysctl net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1",
                "sysctl net.ipv4.ip_local_port_range='50000 50099' net.ipv4.tcp_tw_reuse=OLD_VALUE"
            )
        );
        let pages = settings(&[("transparent_hugepage/defrag", "always")]);
        let path = "/sys/kernel/mm/transparent_hugepage/defrag";
        assert_eq!(
            in_force(&format!("echo defer > {path}"), &pages, None),
            to(&format!("echo defer > {path}"), &format!("echo always > {path}"))
        );
        assert_eq!(
            in_force(&format!("echo tsc > {CLOCK}"), &pages, Some("acpi_pm")),
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
        let change = |command: &str| in_force(command, &now, Some("tsc"));
        assert_eq!(change("sysctl net.core.somaxconn=4096"), Change::Idle);
        assert_eq!(change("sysctl vm.dirty_bytes=536870912"), Change::Idle);
        assert_eq!(change("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"), Change::Idle);
        assert_eq!(change(&format!("echo tsc > {CLOCK}")), Change::Idle);
        assert_eq!(
            change("sysctl net.core.rmem_max=8388608 net.core.netdev_max_backlog=5000"),
            to("sysctl net.core.netdev_max_backlog=5000", "sysctl net.core.netdev_max_backlog=1000")
        );
        for other in
            ["renice -n 10 -p 1", "sysctl vm.swappiness", "echo 100 > /sys/kernel/mm/ksm/pages_to_scan"]
        {
            assert_eq!(change(other), Change::Other, "{other}");
        }
    }

    #[test]
    fn a_full_table_gets_larger_whatever_its_size() {
        let command = "sysctl net.netfilter.nf_conntrack_max=524288";
        for (now, then) in [("256", "524288"), ("1048576", "2097152")] {
            let name = CONNTRACK;
            let change = in_force(command, &settings(&[(name, now)]), None);
            assert_eq!(change, to(&format!("sysctl {name}={then}"), &format!("sysctl {name}={now}")));
        }
    }
}
