//! Who uses a disk: by bytes, where they may be read; else by threads that wait for it.

use crate::diagnose::evidence::disk_load::{cache_drops, for_a_disk, times};
use crate::diagnose::evidence::facts::{Facts, reason};
use crate::diagnose::evidence::groups::{Group, Ranked, Who, rank, suspects};
use crate::diagnose::thresholds::algorithm::{MOVES_MORE, SOME_WAITERS};
use crate::diagnose::thresholds::{CONTRIBUTOR, MAIN_CAUSE};
use crate::model::finding::{Remedy, Role, Suspect};
use crate::model::rates::{DiskRates, ProcessRates};
use crate::model::sentence::{Sentence, bytes, device, quote, ratio, sentence};
use crate::model::task::{Pid, State};
use crate::model::units::MIB;
use std::collections::{HashMap, HashSet};

/// Share of a process's or a device's bytes from which one direction is worth a word.
const DIRECTION_TOLD: f64 = 0.1;

/// Share of a process's bytes that another device must have moved to be where they went.
const ELSEWHERE: f64 = 0.5;

/// Kernel time, in CPUs, of a process that throws the page cache away, and its user time by that.
const DROPPER_SYSTEM: f64 = 0.01;
const DROPPER_USER: f64 = 0.05;

/// Who uses a disk.
#[derive(Debug)]
pub struct Users {
    /// Who it is.
    pub who: Who,
    /// Suspects, offenders first.
    pub suspects: Vec<Suspect>,
    /// The end of a sentence.
    pub text: Option<Sentence>,
    /// What the culprit does.
    pub why: Option<Sentence>,
    /// The remedy that fits.
    pub remedy: Remedy,
    /// Whether the owner of the I/O could be seen.
    pub seen: bool,
    /// Whether the culprit makes others read: they are its victims.
    pub overrides: bool,
}

/// Who causes the I/O of `disk`: whose control group moved bytes on this very device, where groups are counted so; by
/// bytes, where they may be read; else by threads that wait for it.
pub fn users(facts: &Facts<'_>, disk: &DiskRates) -> Users {
    let here = Here::of(facts, disk);
    let moved = |process: &ProcessRates| here.bytes(process);
    let by_bytes = rank(facts, Some(disk.bytes_per_second()), |group| group.sum(moved), moved);
    let by_waiting = by_waiting(facts, &here);
    let known = by_bytes.first().filter(|top| top.share >= facts.setting(&CONTRIBUTOR)).cloned();
    if let Some(array) = rebuilding(facts, disk)
        && known.as_ref().is_none_or(|top| top.share < facts.setting(&MAIN_CAUSE))
    {
        return of_array(array);
    }
    if let Some((dropper, drops)) = cache_dropper(facts, disk) {
        let mut named = suspects(facts, std::slice::from_ref(&dropper), Role::Offender);
        named.extend(suspects(facts, &by_waiting, Role::Victim));
        return of_dropper(facts, (dropper, drops), named);
    }
    let waiting = || by_waiting.first().filter(|top| top.amount >= SOME_WAITERS / 2.0).cloned();
    let seen = known.is_some();
    let top: Option<Ranked> = known.or_else(waiting);
    let mut named = suspects(facts, if seen { &by_bytes } else { &by_waiting }, Role::Offender);
    if seen {
        named.extend(suspects(facts, &by_waiting, Role::Victim));
    }
    let (text, why) = match &top {
        Some(top) if seen => moves(facts, top, &here),
        Some(top) => {
            let name = facts.groups[top.group].label(top.pid);
            (Some(sentence!["; ", name, " waits for it"]), Some("waits for the disk".into()))
        }
        None => (None, None),
    };
    let remedy = match &top {
        Some(top) if top.share >= facts.setting(&MAIN_CAUSE) => Remedy::FixProgram,
        _ => Remedy::AddResource,
    };
    Users {
        who: top.map_or_else(|| Who::Device(disk.name.clone()), Who::Group),
        suspects: named,
        text,
        why,
        remedy,
        seen,
        overrides: false,
    }
}

/// The group whose threads wait most for this disk.
pub fn most_waiting(facts: &Facts<'_>, disk: &DiskRates) -> Option<Ranked> {
    by_waiting(facts, &Here::of(facts, disk)).into_iter().next()
}

/// The groups by the threads that wait for the disk.
fn by_waiting(facts: &Facts<'_>, here: &Here<'_>) -> Vec<Ranked> {
    let mut waits: HashMap<Pid, f64> = HashMap::new();
    for thread in facts.user_threads() {
        let blocked = thread.waits.iter().filter(|share| share.state == State::Uninterruptible);
        let for_disk = blocked.filter(|share| for_a_disk(reason(share.function.as_deref())));
        *waits.entry(thread.pid).or_default() += for_disk.map(|share| share.mean).sum::<f64>();
    }
    let of = |process: &ProcessRates| {
        let waited = waits.get(&process.pid).copied().unwrap_or_default();
        if here.is_elsewhere(process) { 0.0 } else { waited }
    };
    // Members that have ended are in the sum of the group alone.
    let ended = |group: &Group<'_>| group.uninterruptible - group.sum(|process| process.uninterruptible_mean);
    rank(facts, None, |group| group.sum(of) + ended(group).max(0.0), of)
}

/// What the group moves, both ways where both matter.
fn moves(facts: &Facts<'_>, top: &Ranked, here: &Here<'_>) -> (Option<Sentence>, Option<Sentence>) {
    let group = &facts.groups[top.group];
    let (read, written) =
        (group.sum(|process| here.read(process)), group.sum(|process| here.written(process)));
    let total = read + written;
    let reads = (read >= DIRECTION_TOLD * total).then(|| sentence!["reads ", bytes(read), "/s"]);
    let writes = (written >= DIRECTION_TOLD * total).then(|| sentence!["writes ", bytes(written), "/s"]);
    let does = Sentence::joined(reads.into_iter().chain(writes), " and ");
    let share = sentence![", ", ratio(top.share), " of what the disk moves"];
    (Some(sentence!["; ", group.label(top.pid), " ", does.clone(), share]), Some(does))
}

/// What can be said of the use of one disk by one process.
struct Here<'a> {
    disk: &'a DiskRates,
    /// The devices that it is not part of.
    others: Vec<&'a DiskRates>,
    /// Processes of the control groups that moved bytes on it; none where groups are not counted by device.
    members: Option<HashSet<Pid>>,
}

impl<'a> Here<'a> {
    fn of(facts: &'a Facts<'_>, disk: &'a DiskRates) -> Self {
        let related =
            |other: &&DiskRates| other.name == disk.name || other.stands_on(disk) || disk.stands_on(other);
        let others = facts.disks().iter().filter(|other| !related(other)).collect();
        Self { disk, others, members: members(facts, disk) }
    }

    /// Whether the process uses another device, not this one: it is in no group that does, or it moved more than this
    /// device did, and another device moved that much.
    fn is_elsewhere(&self, process: &ProcessRates) -> bool {
        if let Some(members) = &self.members {
            return !members.contains(&process.pid);
        }
        let read = |disk: &DiskRates| disk.read_bytes_per_second;
        let written = |disk: &DiskRates| disk.write_bytes_per_second;
        self.is_of_another(process.read_bytes_per_second, read)
            || self.is_of_another(process.write_bytes_per_second, written)
    }

    fn is_of_another(&self, moved: Option<f64>, of: impl Fn(&DiskRates) -> f64) -> bool {
        moved.is_some_and(|moved| {
            moved > MOVES_MORE * of(self.disk) + MIB as f64
                && self.others.iter().any(|other| of(other) >= ELSEWHERE * moved)
        })
    }

    fn read(&self, process: &ProcessRates) -> f64 {
        self.part(process, process.read_bytes_per_second)
    }

    fn written(&self, process: &ProcessRates) -> f64 {
        self.part(process, process.write_bytes_per_second)
    }

    fn part(&self, process: &ProcessRates, moved: Option<f64>) -> f64 {
        moved.filter(|_| !self.is_elsewhere(process)).unwrap_or_default()
    }

    fn bytes(&self, process: &ProcessRates) -> f64 {
        self.read(process) + self.written(process)
    }
}

/// Processes of the control groups that moved a good part of the bytes of this disk, where the kernel counts by device.
fn members(facts: &Facts<'_>, disk: &DiskRates) -> Option<HashSet<Pid>> {
    let number = disk.number?;
    let moved = |group: &crate::model::cgroup::CgroupRates| -> f64 {
        let here = group.io_devices.iter().filter(|device| device.number == number);
        here.map(|device| device.bytes_per_second()).sum()
    };
    let groups: Vec<_> = facts.cgroups().iter().filter(|group| moved(group) > 0.0).collect();
    let total: f64 = groups.iter().map(|group| moved(group)).fold(0.0, f64::max);
    // Buffered writes of version 1 belong to no group, and processes of the root group are counted nowhere.
    (total >= ELSEWHERE * disk.bytes_per_second() && total > 0.0)
        .then(|| {
            let named = groups.iter().filter(|group| moved(group) >= DIRECTION_TOLD * total);
            named.flat_map(|group| group.members.iter().copied()).collect()
        })
        .filter(|members: &HashSet<Pid>| !members.is_empty())
}

/// The process that throws the page cache away, and how often, where that makes this disk read: the one whose command says so, else one
/// that does nothing but run in the kernel for it and reads next to nothing. Only root may.
fn cache_dropper(facts: &Facts<'_>, disk: &DiskRates) -> Option<(Ranked, f64)> {
    let drops = cache_drops(facts)?;
    if disk.read_bytes_per_second < ELSEWHERE * disk.bytes_per_second() {
        return None;
    }
    let says_so = |process: &ProcessRates| {
        process.command_line.as_ref().is_some_and(|line| line.contains("drop_caches"))
    };
    let in_kernel = |process: &ProcessRates| {
        let few = DIRECTION_TOLD * disk.read_bytes_per_second;
        process.system_ratio >= DROPPER_SYSTEM
            && process.user_ratio <= DROPPER_USER * process.system_ratio
            && process.read_bytes_per_second.is_none_or(|reads| reads < few)
    };
    let root = |process: &&ProcessRates| {
        !process.kernel_thread && process.user.as_deref().is_none_or(|user| user == "root")
    };
    let candidates = || facts.rates.processes.iter().filter(root);
    let named = candidates().find(|process| says_so(process) && process.cpu_ratio() > 0.0);
    let busiest = || {
        candidates()
            .filter(|process| in_kernel(process))
            .max_by(|a, b| a.system_ratio.total_cmp(&b.system_ratio))
    };
    let process = named.or_else(busiest)?;
    let group = facts.group_of(process.pid)?;
    Some((Ranked { group, pid: Some(process.pid), amount: process.system_ratio, share: 1.0 }, drops))
}

fn of_dropper(facts: &Facts<'_>, (dropper, drops): (Ranked, f64), suspects: Vec<Suspect>) -> Users {
    Users {
        text: Some(sentence!["; ", facts.name(&dropper), " seems to do that"]),
        why: Some(sentence!["throws the page cache away, ", times(drops), " in this window"]),
        who: Who::Group(dropper),
        suspects,
        remedy: Remedy::FixProgram,
        seen: true,
        overrides: true,
    }
}

/// The software RAID on this disk that copies its members, and what it calls that.
fn rebuilding<'a>(facts: &'a Facts<'_>, disk: &DiskRates) -> Option<(&'a str, &'static str)> {
    facts.rates.hardware.arrays.iter().find_map(|array| {
        let known = facts.disks().iter().find(|md| md.name == array.name)?;
        let what = array.rebuilding?;
        (known.name == disk.name || known.stands_on(disk)).then_some((array.name.as_str(), what))
    })
}

fn of_array((name, what): (&str, &'static str)) -> Users {
    Users {
        who: Who::Device(name.to_owned()),
        suspects: Vec::new(),
        text: Some(sentence!["; the ", quote(what), " of RAID array ", device(name), " runs on it"]),
        why: Some(sentence!["its ", quote(what), " reads and writes the members"]),
        remedy: Remedy::Tune,
        seen: true,
        overrides: false,
    }
}
