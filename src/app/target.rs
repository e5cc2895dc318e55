//! What `--pid` and `--unit` name: the processes to follow, or what to type instead.

use crate::cli::ReportArgs;
use crate::collect::root::Root;
use crate::collect::tasks::follower::{Belongs, Wanted, cgroups_of_all, cpu_ticks, process_of_thread};
use crate::delta::cgroup;
use crate::model::rates::Rates;
use crate::model::snapshot::Recording;
use crate::model::target::{Asked, TargetReadings};
use crate::model::task::{CgroupPaths, Pid};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Names that an error message suggests.
const SUGGESTED_MAX: usize = 5;

/// What the options ask about.
pub(super) fn asked(options: &ReportArgs) -> Option<Asked> {
    let unit = options.unit.clone().map(Asked::Unit);
    options.pid.map(Asked::Pid).or(unit)
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
        bail!("no process is in the unit {unit:?}; {}", suggestion(unit, &all, &ticks));
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
        None => bail!("there is no process {pid}; `ps -e` lists those there are"),
    }
}

/// What this run is about: what its options say, else what the capture was recorded for. What was not followed
/// becomes part of the recording all the same, and a process of a unit that was followed is taken out of it.
pub(super) fn settle(options: &ReportArgs, recording: &mut Recording) -> Settled {
    let recorded = recording.target.as_ref().map(|target| target.asked.clone());
    let asked = asked(options).or_else(|| recorded.clone());
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

    /// Refuses what neither the following nor the rest of the recording has seen.
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
        if let Some(unit) = cgroup::unit(paths.deepest()) {
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
        [] => "no process is in any unit, container or pod here; try --pid PID".to_owned(),
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
