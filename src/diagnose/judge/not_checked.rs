//! What could not be looked at, and what would unlock it.

use crate::model::finding::NotChecked;
use crate::model::rates::Rates;
use crate::model::reading::{Absence, AbsenceKind};

/// Everything that the inputs lack.
pub fn inputs(rates: &Rates) -> Vec<NotChecked> {
    let mut list: Vec<NotChecked> = rates.absences.iter().map(of_absence).collect();
    if rates.io_denied_count > 0 {
        let root = rates.host.effective_uid == 0;
        let count = rates.io_denied_count;
        list.push(NotChecked {
            what: format!("disk I/O of {count} process{}", if count == 1 { "" } else { "es" }),
            reason: "/proc/PID/io: permission denied".to_owned(),
            unlock: Some(
                if root { "CAP_SYS_PTRACE" } else { "run as root, or with CAP_SYS_PTRACE" }.to_owned(),
            ),
        });
    }
    if rates.wait_channels_hidden {
        list.push(NotChecked {
            what: "what blocked threads of other users wait for".to_owned(),
            reason: "/proc/PID/wchan says 0 to readers without rights".to_owned(),
            unlock: Some("run as root, or with CAP_SYS_PTRACE".to_owned()),
        });
    }
    let silent =
        rates.limits.mounts.iter().flatten().filter_map(|mount| Some((mount, mount.room.as_ref().err()?)));
    list.extend(silent.map(|(mount, absence)| NotChecked {
        what: format!("room in file system {}", mount.path),
        reason: absence.kind.to_string(),
        unlock: (absence.kind == AbsenceKind::TimedOut).then(|| "is its server up?".to_owned()),
    }));
    if rates.seconds < 2.5 && !rates.still {
        list.push(NotChecked {
            what: "whether it lasts".to_owned(),
            reason: format!("the window is only {:.1} s long", rates.seconds),
            unlock: Some("--interval 5s".to_owned()),
        });
    }
    let silent = rates.interrupts_per_second.is_empty() && rates.softirqs_per_second.is_empty();
    let missing = rates.absences.iter().any(|absence| absence.path == "/proc/interrupts");
    if silent && !missing && !rates.still {
        list.push(NotChecked {
            what: "which interrupts fire".to_owned(),
            reason: "/proc/interrupts and /proc/softirqs show no movement".to_owned(),
            unlock: None,
        });
    }
    list
}

/// What an absent input leaves unchecked.
pub fn of_absence(absence: &Absence) -> NotChecked {
    let what = match absence.path.as_str() {
        "/proc/pressure/cpu" => "stall time for CPUs (PSI)",
        "/proc/pressure/memory" => "stall time for memory (PSI)",
        "/proc/pressure/io" => "stall time for I/O (PSI)",
        "/proc/stat" => "CPU time by mode",
        "/proc" | "/proc/PID/stat" => "processes",
        "/sys/devices/system/cpu/online" => "the number of CPUs, which is taken as one",
        "/proc/diskstats" => "disks",
        "/proc/meminfo" => "memory",
        "/proc/vmstat" => "paging and swapping",
        "/proc/loadavg" => "load averages",
        "/proc/net/dev" => "network interfaces",
        "/sys/fs/cgroup" => "limits of control groups",
        "/proc/softirqs" => "softirqs by kind",
        "/proc/interrupts" => "which interrupts fire",
        path if path.ends_with("/net/snmp") || path.ends_with("/net/netstat") => "counters of the network",
        "/sys/block" => "what the block devices are",
        "/" => "room in file systems",
        path if path.ends_with("/mountinfo") || path.ends_with("/mounts") => "room in file systems",
        path => path,
    };
    let unlock = match (&absence.kind, absence.path.starts_with("/proc/pressure")) {
        (AbsenceKind::Missing, true) => Some("Linux 4.20 or newer with CONFIG_PSI, booted with psi=1"),
        (AbsenceKind::Missing, _) if absence.path == "/sys/fs/cgroup" => Some("mount the cgroup file system"),
        (AbsenceKind::Denied, _) => Some("run as root"),
        _ => None,
    };
    let reason = match &absence.kind {
        // Of many files at once: the path says nothing that the words do not.
        AbsenceKind::Failed(words) if absence.path.starts_with("/proc/PID") => words.clone(),
        _ => absence.to_string(),
    };
    NotChecked { what: what.to_owned(), reason, unlock: unlock.map(str::to_owned) }
}
