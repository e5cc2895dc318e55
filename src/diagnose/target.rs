//! The answer to "why is this process or unit slow?": one sentence, the table behind it, and what it lacks.

use crate::model::finding::NotChecked;
use crate::model::rates::Rates;
use crate::model::sentence::{self, Sentence, process, ratio, sentence};
use crate::model::target::{
    Asked, STOPPED, Target, TargetFunction, TargetKind, TargetMember, TargetRates, TargetShare, TargetWait,
    ThreadAccount,
};
use crate::model::task::Pid;
use crate::model::wait::Wait;
use std::collections::BTreeMap;

/// Functions of one class that are listed.
const FUNCTIONS_MAX: usize = 3;

/// Classes that the sentence names.
const NAMED_MAX: usize = 3;

/// Below this share a class is not worth a word.
const NAMED_RATIO: f64 = 0.01;

/// A target that sleeps more than this is described by the rest of its time.
const IDLE_RATIO: f64 = 0.5;

type Sums = BTreeMap<Wait, f64>;

/// The part of the report about what was asked for; `top` rows of members.
pub fn target(rates: &Rates, top: usize) -> Option<Target> {
    let target = rates.target.as_ref()?;
    let total: f64 = target.threads.iter().map(|thread| thread.seconds).sum();
    let sums = sum(target.threads.iter());
    let waits = waits(target, &sums, total);
    let (kind, pid) = match target.asked {
        Asked::Pid(pid) => (TargetKind::Process, Some(pid)),
        Asked::Unit(_) => (TargetKind::Unit, None),
    };
    let unit = match &target.asked {
        Asked::Pid(_) => target.unit.clone(),
        Asked::Unit(asked) => Some(target.unit.clone().unwrap_or_else(|| asked.clone())),
    };
    let threads_count = target.threads_count;
    Some(Target {
        kind,
        pid,
        comm: target.comm.map(|comm| comm.to_lossy()),
        processes_count: count(target.processes_count),
        threads_count: count(threads_count),
        thread_seconds: total,
        summary: summary(target, unit.as_deref(), threads_count, &sums, total),
        unit,
        members: members(target, top),
        waits,
    })
}

/// What could not be told of it.
pub fn not_checked(rates: &Rates) -> Vec<NotChecked> {
    let Some(target) = &rates.target else { return Vec::new() };
    let name = match &target.asked {
        Asked::Pid(pid) => format!("process {pid}"),
        Asked::Unit(unit) => unit.clone(),
    };
    let option = match &target.asked {
        Asked::Pid(pid) => format!("--pid {pid}"),
        Asked::Unit(unit) => format!("--unit {unit}"),
    };
    let mut list = Vec::new();
    if !target.followed {
        list.push(NotChecked {
            what: format!("where most threads of {name} spent the window"),
            reason: "the capture was recorded without following them".to_owned(),
            unlock: Some(format!("diag record {option} FILE")),
        });
    }
    if target.wait_channels_hidden {
        list.push(NotChecked {
            what: format!("what the threads of {name} sleep in"),
            reason: "/proc/PID/wchan says 0 to readers without rights".to_owned(),
            unlock: Some("run as root, or with CAP_SYS_PTRACE".to_owned()),
        });
    }
    if target.run_delay_hidden {
        list.push(NotChecked {
            what: format!("how long the threads of {name} waited for a CPU, other than by samples"),
            reason: "/proc/PID/task/TID/schedstat is not there or empty".to_owned(),
            unlock: Some("a kernel with CONFIG_SCHED_INFO".to_owned()),
        });
    }
    if target.ended {
        list.push(NotChecked {
            what: format!("{name} up to the end of the window"),
            reason: "it ended within the window".to_owned(),
            unlock: None,
        });
    }
    list
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn sum<'a>(threads: impl Iterator<Item = &'a ThreadAccount>) -> Sums {
    let mut sums = Sums::new();
    for ((wait, _), seconds) in threads.flat_map(|thread| &thread.parts) {
        *sums.entry(*wait).or_default() += seconds;
    }
    sums
}

/// Shares, largest first. Nothing seen at all is all unknown.
fn shares(sums: &Sums) -> Vec<(Wait, f64)> {
    let total: f64 = sums.values().sum();
    if total <= 0.0 {
        return vec![(Wait::Unknown, 1.0)];
    }
    let mut shares: Vec<(Wait, f64)> = sums.iter().map(|(wait, seconds)| (*wait, seconds / total)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    shares
}

fn waits(target: &TargetRates, sums: &Sums, total: f64) -> Vec<TargetWait> {
    let mut functions: BTreeMap<Wait, BTreeMap<&str, f64>> = BTreeMap::new();
    for ((wait, function), seconds) in target.threads.iter().flat_map(|thread| &thread.parts) {
        if let Some(function) = function {
            *functions.entry(*wait).or_default().entry(function).or_default() += seconds;
        }
    }
    let top = |wait: Wait| {
        let mut list: Vec<TargetFunction> = functions
            .get(&wait)
            .into_iter()
            .flatten()
            .map(|(function, seconds)| TargetFunction {
                function: (*function).to_owned(),
                ratio: if total > 0.0 { seconds / total } else { 0.0 },
            })
            .collect();
        list.sort_by(|a, b| b.ratio.total_cmp(&a.ratio).then_with(|| a.function.cmp(&b.function)));
        list.truncate(FUNCTIONS_MAX);
        list
    };
    shares(sums)
        .into_iter()
        .map(|(wait, ratio)| {
            let functions = top(wait);
            TargetWait {
                wait,
                ratio,
                seconds: sums.get(&wait).copied().unwrap_or(0.0),
                function: functions.first().map(|first| first.function.clone()),
                functions,
            }
        })
        .collect()
}

/// Threads where they are few or all of one process, else processes; those that slept least first.
fn members(target: &TargetRates, top: usize) -> Vec<TargetMember> {
    let by_thread = target.processes_count <= 1 || target.threads.len() <= top;
    let mut groups: BTreeMap<(Pid, Option<usize>), Vec<&ThreadAccount>> = BTreeMap::new();
    for (index, thread) in target.threads.iter().enumerate() {
        groups.entry((thread.pid, by_thread.then_some(index))).or_default().push(thread);
    }
    let mut members: Vec<(f64, TargetMember)> = groups
        .into_values()
        .filter_map(|threads| {
            let first = threads.first()?;
            let main = threads.iter().find(|thread| thread.tid == Some(thread.pid)).unwrap_or(first);
            let sums = sum(threads.iter().copied());
            let idle = sums.get(&Wait::Asleep).copied().unwrap_or(0.0);
            let seconds: f64 = threads.iter().map(|thread| thread.seconds).sum();
            let member = TargetMember {
                pid: first.pid,
                tid: first.tid.filter(|_| by_thread),
                comm: main.comm.to_lossy(),
                threads_count: count(threads.len()),
                thread_seconds: seconds,
                waits: shares(&sums).into_iter().map(|(wait, ratio)| TargetShare { wait, ratio }).collect(),
            };
            Some((seconds - idle, member))
        })
        .collect();
    members.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1.pid, a.1.tid).cmp(&(b.1.pid, b.1.tid))));
    members.into_iter().take(top).map(|(_, member)| member).collect()
}

fn summary(target: &TargetRates, unit: Option<&str>, threads: usize, sums: &Sums, total: f64) -> Sentence {
    let comm = target.comm.map(|comm| comm.to_lossy());
    let threads_of = sentence![threads, if threads == 1 { " thread" } else { " threads" }];
    let of_unit = |asked: &String| sentence::unit(unit.unwrap_or(asked));
    let name = match &target.asked {
        Asked::Pid(pid) => {
            let name = comm.map_or_else(|| "the process".into(), |comm| sentence![process(comm)]);
            sentence![name, " (pid ", *pid, ", ", threads_of, ")"]
        }
        Asked::Unit(asked) => {
            let processes = if target.processes_count == 1 { " process, " } else { " processes, " };
            sentence![of_unit(asked), " (", target.processes_count, processes, threads_of, ")"]
        }
    };
    let whose = if threads == 1 { "its time" } else { "its threads' time" };
    let end = if target.ended { "; it ended within the window" } else { "" };
    if total <= 0.0 {
        return match &target.asked {
            Asked::Pid(pid) => sentence!["Nothing was seen of process ", *pid, end, "."],
            Asked::Unit(asked) => sentence!["Nothing was seen of ", of_unit(asked), end, "."],
        };
    }
    let shares = shares(sums);
    let idle = sums.get(&Wait::Asleep).copied().unwrap_or(0.0) / total;
    let stopped = stopped(target) / total;
    let told = if stopped > IDLE_RATIO {
        sentence![name, " was stopped, by a signal or a debugger, for ", ratio(stopped), " of ", whose]
    } else if idle >= 1.0 - NAMED_RATIO {
        sentence![name, " was idle: ", ratio(idle), " of ", whose, " asleep"]
    } else if idle > IDLE_RATIO {
        let rest: Vec<(Wait, f64)> = shares
            .iter()
            .filter(|(wait, _)| *wait != Wait::Asleep)
            .map(|(w, r)| (*w, r / (1.0 - idle)))
            .collect();
        let rest = list(&rest, "");
        sentence![name, " spent ", ratio(idle), " of ", whose, " asleep; of the rest, ", rest]
    } else {
        sentence![name, " spent ", list(&shares, whose)]
    };
    sentence![told, end, "."]
}

/// Seconds in which its threads were stopped: asleep, but not idle.
fn stopped(target: &TargetRates) -> f64 {
    let stopped = (Wait::Asleep, Some(STOPPED.to_owned()));
    target.threads.iter().filter_map(|thread| thread.parts.get(&stopped)).sum()
}

/// "61 % of its time waiting for the disk, 20 % asleep and 12 % running".
fn list(shares: &[(Wait, f64)], whose: &'static str) -> Sentence {
    let worth = shares.iter().enumerate().filter(|(index, (_, ratio))| *index == 0 || *ratio >= NAMED_RATIO);
    let mut words: Vec<Sentence> = worth
        .take(NAMED_MAX)
        .map(|(index, (wait, share))| {
            let of = if index == 0 && !whose.is_empty() { " of " } else { "" };
            sentence![ratio(*share), of, if index == 0 { whose } else { "" }, " ", wait.phrase()]
        })
        .collect();
    let last = words.pop();
    match (words.is_empty(), last) {
        (true, last) => sentence![last],
        (false, last) => sentence![Sentence::joined(words, ", "), " and ", last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::Comm;

    fn thread(pid: Pid, tid: Pid, parts: &[(Wait, Option<&str>, f64)]) -> ThreadAccount {
        let parts: BTreeMap<_, _> =
            parts.iter().map(|(w, f, seconds)| ((*w, f.map(str::to_owned)), *seconds)).collect();
        ThreadAccount { pid, tid: Some(tid), comm: Comm::new(b"nginx"), seconds: parts.values().sum(), parts }
    }

    fn unit(threads: Vec<ThreadAccount>) -> TargetRates {
        let pids: std::collections::BTreeSet<Pid> = threads.iter().map(|thread| thread.pid).collect();
        TargetRates {
            asked: Asked::Unit("nginx".to_owned()),
            followed: true,
            unit: Some("nginx.service".to_owned()),
            comm: Some(Comm::new(b"nginx")),
            processes_count: pids.len(),
            threads_count: threads.len(),
            ended: false,
            wait_channels_hidden: false,
            run_delay_hidden: false,
            threads,
        }
    }

    fn sentence(target: &TargetRates) -> String {
        let total = target.threads.iter().map(|thread| thread.seconds).sum();
        let sums = sum(target.threads.iter());
        summary(target, target.unit.as_deref(), target.threads_count, &sums, total).to_string()
    }

    #[test]
    fn the_sentence_says_what_most_of_the_time_went_to() {
        let busy = thread(
            1,
            1,
            &[(Wait::Disk, Some("x"), 3.0), (Wait::Running, None, 1.0), (Wait::Asleep, None, 1.0)],
        );
        let mut one = unit(vec![busy.clone()]);
        assert_eq!(
            sentence(&one),
            "nginx.service (1 process, 1 thread) spent 60 % of its time waiting for the disk, 20 % running and 20 % \
             asleep."
        );
        one.asked = Asked::Pid(1);
        one.ended = true;
        assert!(sentence(&one).starts_with("nginx (pid 1, 1 thread) spent 60 %"));
        assert!(sentence(&one).ends_with("asleep; it ended within the window."));
        // A pool of idle threads must not hide the one that works.
        let pool: Vec<ThreadAccount> =
            (2..40).map(|tid| thread(1, tid, &[(Wait::Asleep, Some("futex_do_wait"), 5.0)])).collect();
        let text = sentence(&unit([vec![busy], pool.clone()].concat()));
        assert_eq!(
            text,
            "nginx.service (1 process, 39 threads) spent 98 % of its threads' time asleep; of the rest, 75 % waiting \
             for the disk and 25 % running."
        );
        assert!(sentence(&unit(pool)).ends_with("was idle: 100 % of its threads' time asleep."));
        let held = thread(1, 1, &[(Wait::Asleep, Some(STOPPED), 5.0)]);
        assert!(sentence(&unit(vec![held])).contains("was stopped, by a signal or a debugger, for 100 %"));
        assert!(sentence(&unit(Vec::new())).starts_with("Nothing was seen of nginx.service"));
    }

    #[test]
    fn functions_stand_with_their_class_and_the_shares_add_up() {
        let target = unit(vec![
            thread(
                1,
                1,
                &[(Wait::Disk, Some("a"), 1.0), (Wait::Disk, Some("b"), 2.0), (Wait::Running, None, 1.0)],
            ),
            thread(2, 2, &[(Wait::Asleep, Some("c"), 4.0)]),
        ]);
        let sums = sum(target.threads.iter());
        let waits = waits(&target, &sums, 8.0);
        let found: Vec<_> = waits.iter().map(|w| (w.wait, w.ratio, w.function.as_deref())).collect();
        assert_eq!(
            found,
            [(Wait::Asleep, 0.5, Some("c")), (Wait::Disk, 0.375, Some("b")), (Wait::Running, 0.125, None)]
        );
        assert_eq!(waits[1].functions.len(), 2);
        let members = members(&target, 10);
        assert_eq!(members.iter().map(|member| member.tid).collect::<Vec<_>>(), [Some(1), Some(2)]);
        // Too many threads for a row each.
        let members = self::members(&target, 1);
        assert_eq!(members.iter().map(|member| (member.pid, member.tid)).collect::<Vec<_>>(), [(1, None)]);
        assert_eq!(shares(&Sums::new()), [(Wait::Unknown, 1.0)]);
    }
}
