//! Processes were OOM-killed, in the box or in a control group.
//!
//! Evidence: the kernel's count of kills within the window, and its log for whom and whose limit. The count
//! rises for kills in control groups as well, so the log gives the scope (`constraint=`, 5.0), or
//! from the groups' own counts. A kill before the window is worth knowing and no more.

use crate::diagnose::evidence::facts::{Facts, event_age};
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, GroupLimit, Hit, Impact, Input, Lane, Outcome, Rule, Scope, Since, Who, advise, change,
    confirm, look, reading,
};
use crate::diagnose::thresholds::OOM_KILLS;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::kernel_log::KernelMessage;
use crate::model::sentence::{bytes, process, seconds, sentence, unit};
use crate::model::task::Pid;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemoryOom,
    resource: Resource::Memory,
    lane: Lane::LimitsAndErrors("OOM kill"),
    sort: Sort::Memory,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[Input::KernelLog],
    title: "the kernel kills processes because memory ran out",
    symptom: "The OOM killer of the kernel ends processes because the machine, or a control group, has no \
              memory left.",
    false_positives: &["A kill long ago: it is shown, but is not the verdict."],
    sources: &["proc_vmstat(5) oom_kill (4.13)", "kernel mm/oom_kill.c", "netdata oom_kill"],
    counters: &[
        "/proc/vmstat oom_kill: kills within the window, in the machine and in control groups",
        "memory.events oom_kill, or oom_kill in memory.oom_control of version 1: in which group",
        "/dev/kmsg \"Killed process\": which process, and whether for the limit of a group; kills of the \
         last hour are shown",
    ],
    limits: &[&OOM_KILLS],
    confirm: &[
        confirm("grep oom_kill /proc/vmstat", "a number that is higher than a moment ago"),
        confirm(
            "dmesg -T | grep -iE 'oom-kill|killed process' | tail",
            "each kill with its time, the process, its size and the limit it was for",
        ),
    ],
    advice: &[
        look(
            "Read the kernel's messages: which process, how large, for which limit.",
            "dmesg -T | grep -iE 'oom-kill|killed process' | tail",
            Remedy::FixProgram,
        ),
        look(
            "See which processes hold most memory now.",
            "ps -eo pid,user,rss,comm --sort=-rss | head",
            Remedy::FixProgram,
        ),
        advise("Fix the leak, or fit heap and number of workers to the memory.", Remedy::FixProgram),
        change(
            "Raise the limit of the control group, if that and not the machine is too small.",
            ActionTemplate::Raise(GroupLimit::Memory),
            "less memory is left for other services",
            Remedy::Tune,
        ),
        advise("Protect services that must not die: OOMScoreAdjust=-900 in their unit.", Remedy::Tune),
        advise("Add memory, or some swap space as a reserve.", Remedy::AddResource),
        advise("Spread the service over more servers.", Remedy::Distribute),
    ],
    check,
};

/// A kill this long before the window's end is still worth knowing.
const RECENT_SECONDS: f64 = 3600.0;

fn check(facts: &Facts<'_>) -> Outcome {
    let of_groups = facts.oom_group();
    let counted = facts.paging().and_then(|paging| paging.oom_kills_count);
    let log = facts.rates.limits.kernel_log.as_ref();
    if counted.is_none()
        && facts.cgroups().iter().all(|group| group.oom_kills_count.is_none())
        && log.is_err()
    {
        reading!(facts.rates.paging);
        return Outcome::unknown(
            "OOM kills",
            "/proc/vmstat has no oom_kill, and the kernel log cannot be read",
            Some("Linux 4.13 or newer, or run as root"),
        );
    }
    let messages = log.map_or(&[][..], Vec::as_slice);
    // Without the time since boot no message can be placed.
    let now = facts.rates.uptime_seconds.unwrap_or(f64::INFINITY);
    let killed: Vec<(&KernelMessage, Killed)> =
        messages.iter().filter_map(|message| Some((message, Killed::parse(&message.text)?))).collect();
    let in_window = |message: &KernelMessage| facts.is_in_window(message);
    let recent = killed.iter().rfind(|(message, _)| in_window(message));
    // Kernels before 4.13 do not count: there the log must.
    let logged = killed.iter().filter(|(message, _)| in_window(message)).count() as u64;
    let kills = counted.unwrap_or(logged);
    let in_groups = facts.cgroups().iter().filter_map(|group| group.oom_kills_count).max();
    let kills = in_groups.map_or(kills, |own| own.max(kills));
    let limit = facts.limit(&OOM_KILLS);
    if kills == 0 || (kills as f64) < limit.warning {
        return earlier(&killed, now);
    }
    let critical = limit.critical.is_some_and(|limit| kills as f64 >= limit);
    let limit = of_groups.and_then(|group| group.memory?.limit_bytes);
    let scope = match (recent.map(|(_, killed)| killed.in_cgroup), of_groups) {
        (Some(true) | None, Some(group)) => {
            let limit = limit.map(|limit| sentence![" of ", bytes(limit as f64)]);
            sentence!["at the memory limit", limit, " of control group ", unit(group.name())]
        }
        (Some(true), None) => "at the memory limit of its control group".into(),
        (Some(false), _) => "because the whole box has no memory left".into(),
        (None, None) => "because memory ran out".into(),
    };
    let who = match recent {
        Some((_, killed)) => Who::Process { pid: killed.pid, comm: killed.comm.clone() },
        None => of_groups
            .and_then(|group| facts.most_among(&group.members, |process| process.memory_bytes() as f64))
            .or_else(|| facts.memory_blame().main())
            .map_or(Who::None, Who::Group),
    };
    let name = match &who {
        Who::Process { pid, comm } => {
            Some(sentence![": the last was ", process(comm.as_str()), " (pid ", *pid, ")"])
        }
        _ => None,
    };
    let victims = if kills == 1 { "One process was".into() } else { sentence![kills, " processes were"] };
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new()
            .agreement(1 + usize::from(recent.is_some()) + usize::from(of_groups.is_some()))
            .ratio(),
        impact: Impact::Rank(Rank::Blocking),
        evidence: vec![facts.evidence(&OOM_KILLS, Some(kills as f64), "/proc/vmstat oom_kill")],
        why: Some(sentence!["killed ", &scope]),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![victims, " OOM-killed during this window ", scope, name, "."],
            who,
            if of_groups.is_some() { Remedy::Tune } else { Remedy::AddResource },
        )
    })
}

/// A kill that is over: worth knowing.
fn earlier(killed: &[(&KernelMessage, Killed)], now: f64) -> Outcome {
    let Some((message, last)) =
        killed.iter().rfind(|(message, _)| now - message.at_seconds <= RECENT_SECONDS)
    else {
        return Outcome::Clear;
    };
    let seconds_ago = (now - message.at_seconds).max(0.0);
    let ago = seconds(seconds_ago);
    Outcome::hit(Hit {
        impact: Impact::Rank(Rank::Minor),
        evidence: vec![event_age(seconds_ago)],
        ..Hit::new(
            Severity::Info,
            sentence![
                process(last.comm.as_str()),
                " (pid ",
                last.pid,
                ") was OOM-killed ",
                ago,
                " ago; no OOM kill during this window.",
            ],
            Who::None,
            Remedy::FixProgram,
        )
    })
}

struct Killed {
    pid: Pid,
    comm: String,
    in_cgroup: bool,
}

impl Killed {
    /// `Memory cgroup out of memory: Killed process 77 (python3) total-vm:...`; the name may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.split_once("Killed process ")?.1;
        let (pid, rest) = rest.split_once(' ')?;
        let name = rest.strip_prefix('(')?;
        let end = name.find(") total-vm").or_else(|| name.rfind(')'))?;
        Some(Self {
            pid: pid.parse().ok()?,
            comm: name[..end].to_owned(),
            in_cgroup: text.starts_with("Memory cgroup"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_who_and_whose_limit() {
        let text = "Memory cgroup out of memory: Killed process 77 (a) b) total-vm:90kB, anon-rss:1kB";
        let killed = Killed::parse(text).unwrap();
        assert_eq!((killed.pid, killed.comm.as_str(), killed.in_cgroup), (77, "a) b", true));
        assert!(!Killed::parse("Out of memory: Killed process 8 (x) total-vm:1kB").unwrap().in_cgroup);
        assert!(Killed::parse("Killed process x").is_none());
    }
}
