//! What commands are filled with: the culprit's processes, its unit, its control groups and what is set there now.
//!
//! Names come from outside, and the commands are pasted into a root shell. So a name goes into a command only when it has
//! none but harmless characters; an advice that needs another one is left out.

use super::action::{UNKNOWN, Was};
use super::groups::{self, GroupActions};
use super::memory::{self, MemoryActions};
use super::settings::{DIRTY_BACKGROUND_PART, dirty_limit};
use crate::diagnose::evidence::facts::{DELETED_FILES, FROZEN_MOUNTS, Facts};
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::culprit::culprit;
use crate::diagnose::rule::Who;
use crate::model::rates::{ProcessRates, ThreadRates};
use crate::model::report::CulpritKind;
use crate::model::target::Asked;
use crate::model::task::Pid;
use crate::model::tuning::KernelSettings;

/// Processes in one command; the busiest of a larger group.
pub(super) const PROCESSES_MAX: usize = 20;

/// Open files that any server may have.
const FILES_MIN: u64 = 65_536;

/// What is known of the culprit and of the machine.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The process that stands for the culprit, while it lives.
    pub(super) pid: Option<String>,
    /// All of its processes and their nice values, by number.
    pub(super) processes: Vec<Was>,
    /// How many there are.
    pub(super) processes_count: usize,
    /// Systemd unit that systemctl(1) can change.
    pub(super) unit: Option<String>,
    /// Whether PID 1 is systemd.
    pub(super) systemd: bool,
    /// Disk, network interface or mount point.
    pub(super) device: Option<String>,
    /// What can be done to its control groups.
    pub(super) groups: GroupActions,
    /// Limit of open files, and a better one.
    pub(super) files: Option<(String, String)>,
    /// All CPUs, and the processes that may use only some of them.
    pub(super) cpus: String,
    /// Processes with the CPUs that they may use.
    pub(super) bound: Vec<Was>,
    /// Its real-time threads, with the option of chrt(1) for their policy.
    pub(super) realtime: Vec<Was>,
    /// Options that show where its threads spend their time; none where this run has done so.
    pub(super) account: Option<String>,
    /// Whether this run has taken a profile.
    pub(super) profiled: bool,
    /// What can be done about memory that no process owns.
    pub(super) memory: MemoryActions,
    /// Whether the culprit holds room in deleted files.
    pub(super) holds_deleted: bool,
    /// Mount point of the frozen file system that the culprit waits for.
    pub(super) frozen: Option<String>,
    /// Bytes that may wait to be written: in the background, and at all.
    pub(super) dirty: Option<(String, String)>,
    /// Kernel settings.
    pub(super) settings: KernelSettings,
    /// Clock source.
    pub(super) clock: Option<String>,
}

impl Names {
    /// What is known for this finding.
    pub(super) fn of(facts: &Facts<'_>, judged: &Judged) -> Self {
        let culprit = culprit(facts, &judged.hit.who, None);
        let device = judged.hit.device.clone().or_else(|| {
            let device = culprit.as_ref().filter(|culprit| culprit.kind == CulpritKind::Device);
            device.map(|culprit| culprit.comm.clone())
        });
        // A process that has ended cannot be looked at.
        let lead = culprit.as_ref().and_then(|culprit| facts.rates.process(culprit.pid?));
        let members = members(facts, &judged.hit.who, lead);
        let systemd = has_systemd(facts);
        let unit = lead.and_then(|lead| managed_unit(lead.unit.as_deref()?, lead.cgroup.as_deref()?));
        let unit = unit.filter(|_| systemd);
        let limits = &facts.rates.limits;
        let files = limits.open_files.iter().find(|files| lead.is_some_and(|lead| lead.pid == files.pid));
        let files = files.and_then(|files| files.limit);
        let shown = shown(&members);
        let has = |metric: &str| judged.hit.evidence.iter().any(|item| item.metric == metric);
        Self {
            pid: lead.map(|lead| lead.pid.to_string()),
            processes: shown.iter().map(|process| was(process.pid, &process.nice.to_string())).collect(),
            processes_count: members.len(),
            groups: groups::actions(facts, judged.rule.id, lead, unit.as_deref(), systemd),
            holds_deleted: has(DELETED_FILES),
            frozen: device.clone().filter(|mount| has(FROZEN_MOUNTS) && is_plain(mount)),
            dirty: device.as_deref().and_then(|device| dirty(facts, device)),
            device: device.filter(|device| is_plain(device)),
            files: files.map(|now| (now.to_string(), now.saturating_mul(2).max(FILES_MIN).to_string())),
            cpus: format!("0-{}", facts.rates.cpus.iter().map(|(id, _)| *id).max().unwrap_or(1023)),
            bound: bound(facts, &shown),
            realtime: realtime(facts, &shown),
            account: account(facts, lead, members.len()),
            profiled: facts.profiled,
            memory: memory::actions(facts),
            settings: limits.settings.clone(),
            clock: facts.rates.host.clocksource.clone(),
            unit,
            systemd,
        }
    }

    /// Words instead of names, for the manual.
    pub(in crate::diagnose) fn words() -> Self {
        let pid = || was_word("PID", UNKNOWN);
        Self {
            pid: Some("PID".to_owned()),
            processes: vec![pid()],
            processes_count: 1,
            unit: Some("UNIT".to_owned()),
            systemd: true,
            device: Some("DEVICE".to_owned()),
            groups: GroupActions::words(),
            files: Some((UNKNOWN.to_owned(), FILES_MIN.to_string())),
            cpus: "0-1023".to_owned(),
            bound: vec![was_word("PID", "OLD_LIST")],
            realtime: vec![was_word("TID", "-f")],
            account: Some("-p PID".to_owned()),
            profiled: false,
            memory: MemoryActions::words(),
            holds_deleted: true,
            frozen: Some("MOUNT".to_owned()),
            dirty: Some(("BYTES".to_owned(), "BYTES".to_owned())),
            settings: KernelSettings::default(),
            clock: None,
        }
    }

    /// Whether these are the words of the manual.
    pub(super) fn is_words(&self) -> bool {
        self.pid.as_deref() == Some("PID")
    }

    /// The command with its names; none when one of them is not known.
    pub(in crate::diagnose) fn fill(&self, template: &str) -> Option<String> {
        let mut text = template.to_owned();
        for (mark, value) in [
            ("{pid}", &self.pid),
            ("{unit}", &self.unit),
            ("{device}", &self.device),
            ("{tmpfs}", &self.memory.tmpfs),
            ("{in_huge_pages}", &self.memory.in_huge_pages),
            ("{segments}", &self.memory.segments),
            ("{slabs}", &self.memory.slabs),
            ("{cpu_group}", &self.groups.cpu_directory),
            ("{memory_group}", &self.groups.memory_directory),
            ("{io_group}", &self.groups.io_directory),
        ] {
            if text.contains(mark) {
                text = text.replace(mark, value.as_ref()?);
            }
        }
        Some(text)
    }
}

/// What the disk of a finding writes in a few seconds.
fn dirty(facts: &Facts<'_>, device: &str) -> Option<(String, String)> {
    let disk = facts.disks().iter().find(|disk| disk.name == device)?;
    let limit = dirty_limit(disk.write_bytes_per_second)?;
    Some(((limit / DIRTY_BACKGROUND_PART).to_string(), limit.to_string()))
}

fn was(pid: Pid, now: &str) -> Was {
    was_word(&pid.to_string(), now)
}

fn was_word(pid: &str, now: &str) -> Was {
    Was { pid: pid.to_owned(), now: now.to_owned() }
}

/// The living processes of the culprit.
fn members<'a>(facts: &Facts<'a>, who: &Who, lead: Option<&'a ProcessRates>) -> Vec<&'a ProcessRates> {
    match who {
        Who::Group(ranked) => facts.groups[ranked.group].members.clone(),
        _ => lead.into_iter().collect(),
    }
}

/// As many of them as fit into a command, the busiest of a larger group, by number.
fn shown<'a>(members: &[&'a ProcessRates]) -> Vec<&'a ProcessRates> {
    let mut shown = members.to_vec();
    let busy = |process: &ProcessRates| process.cpu_ratio() + process.uninterruptible_mean;
    shown.sort_by(|a, b| busy(b).total_cmp(&busy(a)).then(a.pid.cmp(&b.pid)));
    shown.truncate(PROCESSES_MAX);
    shown.sort_by_key(|process| process.pid);
    shown
}

/// Whether PID 1 is systemd. Where it cannot be seen, it is taken to be.
fn has_systemd(facts: &Facts<'_>) -> bool {
    let Some(first) = facts.rates.process(1) else { return true };
    first.comm.as_bytes() == b"systemd" || first.cgroup.as_deref() == Some("/init.scope")
}

/// The unit as systemctl(1) knows it: not one of a user's own service manager, and not one whose name is written with
/// escapes.
pub(super) fn managed_unit(unit: &str, path: &str) -> Option<String> {
    let own = |part: &&str| part.starts_with("user@") && *part != unit;
    let by_name = path.split('/').any(|part| part == unit);
    (is_unit(unit) && by_name && !path.split('/').any(|part| own(&part))).then(|| unit.to_owned())
}

/// What `diag` shows more of, where this run has not shown it.
fn account(facts: &Facts<'_>, lead: Option<&ProcessRates>, count: usize) -> Option<String> {
    let lead = lead?;
    let unit = lead.unit.as_deref().filter(|unit| count > 1 && is_plain(unit));
    let same = |asked: &str| {
        lead.unit.as_deref().is_some_and(|unit| unit == asked || unit.strip_suffix(".service") == Some(asked))
    };
    let done = facts.rates.target.as_ref().is_some_and(|target| match &target.asked {
        Asked::Pid(pid) => *pid == lead.pid,
        Asked::Unit(asked) => same(asked),
    });
    (!done).then(|| unit.map_or_else(|| format!("-p {}", lead.pid), |unit| format!("-u {unit}")))
}

/// The processes whose threads may use only some of the CPUs; all of them where that is not known.
fn bound(facts: &Facts<'_>, members: &[&ProcessRates]) -> Vec<Was> {
    let all = facts.rates.cpus.len();
    let list = |process: &&ProcessRates| {
        let own = |thread: &&ThreadRates| thread.pid == process.pid && thread.cpus_allowed.is_some();
        let cpus = facts.rates.threads.iter().find(own)?.cpus_allowed.as_deref()?;
        (cpus.len() < all).then(|| was(process.pid, &ranges(cpus)))
    };
    let known: Vec<Was> = members.iter().filter_map(list).collect();
    if known.is_empty() {
        members.iter().map(|process| was(process.pid, "OLD_LIST")).collect()
    } else {
        known
    }
}

/// `0-2,8`.
fn ranges(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The threads with a real-time policy (sched(7)): 1 is FIFO, 2 is RR.
fn realtime(facts: &Facts<'_>, members: &[&ProcessRates]) -> Vec<Was> {
    let ours = |thread: &&ThreadRates| members.iter().any(|process| process.pid == thread.pid);
    let option = |thread: &ThreadRates| match thread.policy {
        Some(1) => Some(was(thread.tid, "-f")),
        Some(2) => Some(was(thread.tid, "-r")),
        _ => None,
    };
    let threads = facts.rates.threads.iter().filter(|thread| thread.alive).filter(ours);
    threads.filter_map(option).take(PROCESSES_MAX).collect()
}

/// Whether a name may stand in a command that is pasted into a root shell. The creator of a process or group
/// chooses its name.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@/-+".contains(&byte))
}

fn is_unit(unit: &str) -> bool {
    is_plain(unit)
        && !unit.contains('/')
        && [".service", ".scope", ".slice"].iter().any(|suffix| unit.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_left_out_when_a_name_is_unknown() {
        let names = Names { pid: Some("12".into()), ..Names::default() };
        assert_eq!(names.fill("top -H -p {pid}").as_deref(), Some("top -H -p 12"));
        assert_eq!(names.fill("systemctl status {unit}"), None);
        assert_eq!(names.fill("cat {memory_group}/memory.stat"), None);
        assert_eq!(names.fill("vmstat 1 10").as_deref(), Some("vmstat 1 10"));
    }

    #[test]
    fn no_hostile_name_reaches_a_command() {
        assert!(is_unit("nginx.service"));
        assert!(is_unit("user@1000.service"));
        for name in [
            "a;rm -rf $HOME.service",
            "a b.service",
            "a`id`.service",
            "a\u{202e}b.service",
            "../a.service",
            "a.socket",
            "-.service",
        ] {
            assert!(!is_unit(name), "{name}");
        }
        for name in ["-rf", "sda\n", "$(id)", "a'b", "a\"b", "a|b", "a&b", "a>b", "a*", "a\\b", "ä", ""] {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn only_units_of_the_system_manager_are_changed() {
        let unit = |unit: &str, path: &str| managed_unit(unit, path);
        assert_eq!(unit("nginx.service", "/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        let own = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(unit("user@1000.service", own).as_deref(), Some("user@1000.service"));
        assert_eq!(unit("web.service", &format!("{own}/app.slice/web.service")), None);
        // The path has `a\x2db.service`.
        assert_eq!(unit("a-b.service", "/system.slice/a\\x2db.service"), None);
    }

    #[test]
    fn cpus_are_listed_as_the_kernel_does() {
        assert_eq!(ranges(&[0, 1, 2, 8]), "0-2,8");
        assert_eq!(ranges(&[3, u32::MAX]), "3,4294967295");
        assert_eq!(ranges(&[]), "");
    }
}
