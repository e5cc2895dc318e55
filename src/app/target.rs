//! What `--pid` and `--unit` name: the processes to follow, or what to type instead.

use crate::cli::Target;
use crate::collect::root::Root;
use crate::collect::tasks::follower::{Belongs, Wanted, cgroups_of_all, cpu_ticks, process_of_thread};
use crate::collect::tasks::scan::{Scratch, scan_stats};
use crate::delta::cgroup;
use crate::model::rates::Rates;
use crate::model::snapshot::Recording;
use crate::model::target::{Asked, TargetReadings};
use crate::model::task::{CgroupPaths, Pid, ProcessReading};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Names that an error message suggests.
const SUGGESTED_MAX: usize = 5;

/// The kernel cuts longer names.
const COMM_BYTES: usize = 15;

/// A command line that takes longer to read is not looked at.
const CMDLINE_DEADLINE: Duration = Duration::from_millis(100);

/// What the options ask about, on the live system.
pub(super) fn asked(root: &Root, target: &Target) -> Result<Asked> {
    Ok(match target {
        Target::Pid(pid) => Asked::Pid(*pid),
        Target::Unit(unit) => Asked::Unit(unit.clone()),
        Target::Name(name) => Asked::Pid(named(root, name)?),
    })
}

/// The process of that name.
fn named(root: &Root, name: &str) -> Result<Pid> {
    let own = Pid::try_from(std::process::id()).ok().filter(|_| !root.is_elsewhere());
    let mut processes = scan_stats(root, &mut Scratch::default())?.processes;
    processes.retain(|process| Some(process.stat.pid) != own);
    let by_comm = pids_of(&processes, name);
    if !by_comm.is_empty() {
        return the_only(name, &by_comm);
    }
    // A script is called by its file, and the kernel calls it by its interpreter.
    let user_processes = processes.iter().filter(|process| !process.stat.is_kernel_thread());
    let by_file = user_processes.map(|process| process.stat.pid).filter(|pid| runs(root, *pid, name));
    let by_file: Vec<Pid> = by_file.collect();
    if by_file.is_empty() {
        bail!("no process is named {name:?}; {}", similar_names(&processes, name));
    }
    the_only(name, &by_file)
}

fn the_only(name: &str, pids: &[Pid]) -> Result<Pid> {
    let [first, ..] = pids else { bail!("no process is named {name:?}") };
    if pids.len() == 1 {
        return Ok(*first);
    }
    let shown: Vec<String> = pids.iter().take(SUGGESTED_MAX).map(ToString::to_string).collect();
    let more = if pids.len() > SUGGESTED_MAX { ", ..." } else { "" };
    bail!("{} processes are named {name:?}: {}{more}; try --pid {first}", pids.len(), shown.join(", "))
}

/// Processes that the kernel calls by `name`.
fn pids_of(processes: &[ProcessReading], name: &str) -> Vec<Pid> {
    let cut = (0..=COMM_BYTES).rev().find_map(|end| name.get(..end)).unwrap_or(name);
    let is_it = |process: &&ProcessReading| process.stat.comm.to_lossy() == cut;
    processes.iter().filter(is_it).map(|process| process.stat.pid).collect()
}

/// Whether the program or the script of a process is the file `name`.
fn runs(root: &Root, pid: Pid, name: &str) -> bool {
    let Ok(cmdline) = root.read_with_deadline(&format!("proc/{pid}/cmdline"), CMDLINE_DEADLINE) else {
        return false;
    };
    let file =
        |word: &[u8]| String::from_utf8_lossy(word.rsplit(|&b| b == b'/').next().unwrap_or(word)) == name;
    cmdline.split(|&byte| byte == 0).take(2).any(file)
}

fn similar_names(processes: &[ProcessReading], name: &str) -> String {
    let stem = name.get(..4).unwrap_or(name).to_lowercase();
    let names = processes.iter().map(|process| process.stat.comm.to_lossy());
    let similar: BTreeSet<String> =
        names.filter(|known| !stem.is_empty() && known.to_lowercase().contains(&stem)).collect();
    if similar.is_empty() {
        return "`ps -e` lists them all".to_owned();
    }
    let shown: Vec<String> = similar.into_iter().take(SUGGESTED_MAX).collect();
    format!("similar are {}", shown.join(", "))
}

/// The processes to follow, on the live system.
pub(super) fn wanted<'a>(root: &Root, asked: Asked, belongs: Belongs<'a>) -> Result<Wanted<'a>> {
    let unit = match &asked {
        Asked::Unit(unit) => unit,
        Asked::Pid(pid) => {
            let pid = existing(root, *pid)?;
            return Ok(Wanted { asked, pids: vec![pid], known: HashSet::new(), belongs: None });
        }
    };
    let all = cgroups_of_all(root)?;
    let pids: Vec<Pid> = all.iter().filter(|(_, paths)| belongs(paths)).map(|(pid, _)| *pid).collect();
    if pids.is_empty() {
        let ticks = cpu_ticks(root, all.iter().map(|(pid, _)| *pid));
        bail!("no process is in the unit {unit:?} now; {}", suggestion(unit, &all, &ticks));
    }
    Ok(Wanted { known: all.into_iter().map(|(pid, _)| pid).collect(), asked, pids, belongs: Some(belongs) })
}

fn existing(root: &Root, pid: Pid) -> Result<Pid> {
    let mut pids = Vec::new();
    root.pids(&mut pids)?;
    if pids.contains(&pid) {
        return Ok(pid);
    }
    // The kernel shows a thread by its own id, but lists processes only.
    match process_of_thread(root, pid) {
        Some(process) => bail!("{pid} is a thread of process {process}; try --pid {process}"),
        None => bail!("there is no process {pid}; `ps -e` lists them all"),
    }
}

/// What the options ask about, in a capture.
pub(super) fn asked_in(recording: &Recording, target: &Target) -> Result<Asked> {
    let name = match target {
        Target::Pid(pid) => return Ok(Asked::Pid(*pid)),
        Target::Unit(unit) => return Ok(Asked::Unit(unit.clone())),
        Target::Name(name) => name,
    };
    let processes = &recording.after.processes;
    let pids = pids_of(processes, name);
    if pids.is_empty() {
        bail!("the capture has no process named {name:?}; {}", similar_names(processes, name));
    }
    match recording.target.as_ref().map(|target| &target.asked) {
        // Of several, the one that was followed.
        Some(Asked::Pid(followed)) if pids.contains(followed) => Ok(Asked::Pid(*followed)),
        _ => the_only(name, &pids).map(Asked::Pid),
    }
}

/// What this run is about: what its options say, else what the capture was recorded for. A process or unit that was not
/// followed is added to the recording as such; a process of a unit that was followed is taken out of it.
pub(super) fn settle(typed: Option<Asked>, recording: &mut Recording) -> Settled {
    let recorded = recording.target.as_ref().map(|target| target.asked.clone());
    let asked = typed.or_else(|| recorded.clone());
    if let Some(asked) = asked.as_ref().filter(|asked| recorded.as_ref() != Some(asked)) {
        let of_unit = recording.target.take().and_then(|target| target.only(asked));
        recording.target = Some(of_unit.unwrap_or_else(|| TargetReadings::not_followed(asked.clone())));
    }
    Settled { asked, recorded }
}

/// What a run is about, and what the recording was made for.
pub(super) struct Settled {
    /// What is asked now.
    pub(super) asked: Option<Asked>,
    recorded: Option<Asked>,
}

impl Settled {
    /// The one process that is asked about.
    pub(super) fn pid(&self) -> Option<Pid> {
        match self.asked {
            Some(Asked::Pid(pid)) => Some(pid),
            _ => None,
        }
    }

    /// Fails where the recording has nothing of what was asked about.
    pub(super) fn refuse_unseen(&self, recording: &Recording, rates: &Rates) -> Result<()> {
        let Some(target) = rates.target.as_ref().filter(|target| !target.followed) else { return Ok(()) };
        match &target.asked {
            Asked::Pid(pid) if rates.process(*pid).is_none() => {
                bail!("there is no process {pid} at the end of the window")
            }
            Asked::Unit(unit) if target.processes_count == 0 => {
                let known = recording.details.iter().filter_map(|(pid, details)| {
                    Some((*pid, details.cgroups.as_ref()?.as_ref().ok()?.clone()))
                });
                let ticks =
                    recording.after.processes.iter().map(|p| (p.stat.pid, p.stat.cpu_ticks())).collect();
                let hint = match &self.recorded {
                    Some(Asked::Unit(unit)) => format!("it was recorded for --unit {unit:?}"),
                    Some(Asked::Pid(pid)) => format!("it was recorded for --pid {pid}"),
                    None => suggestion(unit, &known.collect::<Vec<_>>(), &ticks),
                };
                bail!("the capture knows no process of the unit {unit:?}; {hint}")
            }
            _ => Ok(()),
        }
    }
}

/// Units with a similar name, else the busiest.
fn suggestion(asked: &str, all: &[(Pid, CgroupPaths)], ticks: &HashMap<Pid, u64>) -> String {
    let mut units: BTreeMap<String, u64> = BTreeMap::new();
    for (pid, paths) in all {
        for unit in cgroup::units(paths) {
            let sum = units.entry(unit).or_default();
            *sum = sum.saturating_add(ticks.get(pid).copied().unwrap_or(0));
        }
    }
    let mut units: Vec<(String, u64)> = units.into_iter().collect();
    units.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let bare = asked.strip_suffix(".service").unwrap_or(asked).to_lowercase();
    let similar = |unit: &str| {
        let unit = unit.to_lowercase();
        let stem = bare.get(..4).unwrap_or(&bare);
        !stem.is_empty() && unit.contains(stem)
    };
    let close: Vec<&str> = units.iter().map(|(unit, _)| unit.as_str()).filter(|unit| similar(unit)).collect();
    let (word, names) = if close.is_empty() {
        ("the busiest are", units.iter().map(|(unit, _)| unit.as_str()).collect())
    } else {
        ("close to it are", close)
    };
    match names.as_slice() {
        [] => "no process here is in any unit, container or pod; try --pid PID".to_owned(),
        [first, ..] => {
            let shown: Vec<&str> = names.iter().copied().take(SUGGESTED_MAX).collect();
            format!("{word} {}; try --unit {first:?}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: Pid, path: &str) -> (Pid, CgroupPaths) {
        (pid, CgroupPaths { unified: Some(path.to_owned()), legacy: Vec::new() })
    }

    #[test]
    fn a_wrong_name_is_answered_with_close_ones_or_the_busiest() {
        let all = [
            process(1, "/system.slice/nginx.service"),
            process(2, "/system.slice/nginx-exporter.service"),
            process(3, "/system.slice/postgresql.service"),
            process(4, "/"),
        ];
        let ticks = HashMap::from([(1, 5), (2, 1), (3, 90), (4, 1000)]);
        let text = suggestion("nginxx", &all, &ticks);
        assert_eq!(
            text,
            "close to it are nginx.service, nginx-exporter.service; try --unit \"nginx.service\""
        );
        let text = suggestion("mysql", &all, &ticks);
        assert!(text.starts_with("the busiest are postgresql.service, nginx.service"), "{text}");
        assert!(text.ends_with("try --unit \"postgresql.service\""), "{text}");
        assert!(suggestion("x", &all[3..], &ticks).contains("try --pid PID"));
    }
}
