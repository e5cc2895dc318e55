//! The part of the waiting for a CPU that a CPU quota causes.

use crate::delta::cgroup;
use crate::delta::wait_account::target::Around;
use crate::model::cgroup::CgroupRates;
use crate::model::target::ThreadAccount;
use crate::model::task::{CgroupPaths, Pid};
use crate::model::wait::Wait;
use std::collections::{BTreeMap, HashMap};

/// Turns the part of the waiting for a CPU that a quota made into a class of its own.
pub(super) fn move_throttled(
    accounts: &mut [ThreadAccount],
    cgroups: &BTreeMap<Pid, CgroupPaths>,
    around: &Around<'_>,
) {
    let Ok(groups) = around.cgroups else { return };
    let held: HashMap<Pid, &CgroupRates> =
        cgroups.iter().filter_map(|(pid, paths)| Some((*pid, holding(groups, paths)?))).collect();
    let of = |account: &ThreadAccount, wait: Wait| account.parts.get(&(wait, None)).copied().unwrap_or(0.0);
    let mut sums: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for account in accounts.iter() {
        let Some(group) = held.get(&account.pid) else { continue };
        let (delayed, ran) = sums.entry((&group.hierarchy, &group.path)).or_default();
        *delayed += of(account, Wait::WaitingForCpu);
        *ran += of(account, Wait::Running);
    }
    for account in accounts.iter_mut() {
        let Some(group) = held.get(&account.pid) else { continue };
        let sum = sums.get(&(group.hierarchy.as_str(), group.path.as_str()));
        let Some((delayed, ran)) = sum.filter(|(delayed, _)| *delayed > 0.0) else { continue };
        let share = throttled_seconds(group, *delayed, *ran, around) / delayed;
        let Some(waited) = account.parts.remove(&(Wait::WaitingForCpu, None)) else { continue };
        let throttled = waited * share.clamp(0.0, 1.0);
        for (wait, seconds) in [(Wait::Throttled, throttled), (Wait::WaitingForCpu, waited - throttled)] {
            if seconds > 0.0 {
                account.parts.insert((wait, None), seconds);
            }
        }
    }
}

/// The group around a process that was held back most by a quota, its own or one above it.
fn holding<'a>(groups: &'a [CgroupRates], paths: &CgroupPaths) -> Option<&'a CgroupRates> {
    let throttled = |group: &CgroupRates| group.throttled_cpus.unwrap_or(0.0);
    let held = groups
        .iter()
        .filter(|group| throttled(group) > 0.0 && cgroup::contains(&group.hierarchy, &group.path, paths));
    held.max_by(|a, b| throttled(a).total_cmp(&throttled(b)))
}

/// How much of what the threads of one group waited for a CPU was for its quota. The kernel counts each CPU that is
/// held back once, however many threads of the group queue for it. While it is not held back the group runs on those
/// CPUs, so that held back and running are its share of the time; never more than all of its threads on one CPU.
fn throttled_seconds(group: &CgroupRates, delayed: f64, ran: f64, around: &Around<'_>) -> f64 {
    let held_back = group.throttled_cpus.unwrap_or(0.0) * around.seconds;
    let members = around.processes.iter().filter(|process| group.members.contains(&process.pid));
    let used = members.map(|process| process.cpu_ratio() * around.seconds).sum::<f64>().max(ran);
    if held_back <= 0.0 || around.seconds <= 0.0 {
        return 0.0;
    }
    let wanted = delayed + ran;
    let on_one_cpu = held_back * (wanted / around.seconds).max(1.0);
    (held_back / (held_back + used) * wanted).min(on_one_cpu).min(delayed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reading::Absence;

    fn quota(throttled_cpus: f64) -> CgroupRates {
        CgroupRates {
            path: "/lab".to_owned(),
            hierarchy: "cpu".to_owned(),
            throttled_cpus: Some(throttled_cpus),
            ..CgroupRates::default()
        }
    }

    /// Thread-seconds per second that the quota took, of a group alone on a window of five seconds.
    fn throttled(throttled_cpus: f64, delayed: f64, ran: f64) -> f64 {
        let absent = || Absence::missing("/x");
        let (cgroups, paging) = (Err(absent()), Err(absent()));
        let around = Around {
            processes: &[],
            cgroups: &cgroups,
            paging: &paging,
            seconds: 5.0,
            lock_turns_per_second: 10.0,
        };
        throttled_seconds(&quota(throttled_cpus), delayed * 5.0, ran * 5.0, &around) / 5.0
    }

    #[test]
    fn a_quota_takes_what_the_group_was_held_back() {
        for (what, found, expected) in [
            ("one thread on a fifth of a CPU", throttled(0.8, 0.8, 0.2), 0.8),
            ("two threads, each on a CPU", throttled(1.8, 1.8, 0.2), 1.8),
            ("two threads on one CPU", throttled(0.8, 1.8, 0.2), 1.6),
            ("four threads on two CPUs, half a CPU each second", throttled(1.5, 3.5, 0.5), 3.0),
            ("hardly held back, but a long queue", throttled(0.1, 2.1, 1.9), 0.2),
            ("a neighbour takes the CPU, too", throttled(0.4, 0.7, 0.3), 0.4),
            ("not held back", throttled(0.0, 0.7, 0.3), 0.0),
            ("held back longer than threads waited", throttled(9.0, 0.1, 0.9), 0.1),
        ] {
            assert!((found - expected).abs() < 1e-9, "{what}: {found}");
        }
    }

    #[test]
    fn a_quota_holds_what_is_below_it() {
        let paths = |legacy: &str| CgroupPaths {
            unified: Some("/".to_owned()),
            legacy: vec![("cpu,cpuacct".to_owned(), legacy.to_owned())],
        };
        for (path, inside) in [("/lab", true), ("/lab/a", true), ("/lab2", false), ("/", false)] {
            assert_eq!(cgroup::contains("cpu", "/lab", &paths(path)), inside, "{path}");
        }
        let deeper = CgroupRates { path: "/lab/a".to_owned(), ..quota(2.0) };
        let groups = [quota(1.0), deeper];
        assert_eq!(holding(&groups, &paths("/lab/a")).map(|group| group.path.as_str()), Some("/lab/a"));
        assert_eq!(holding(&groups, &paths("/lab/b")).map(|group| group.path.as_str()), Some("/lab"));
        assert_eq!(holding(&groups, &paths("/")), None);
    }
}
