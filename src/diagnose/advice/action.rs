//! An action on this machine: what it sets, on what, and what was there before. Its shell text is made last, here, so that
//! nothing has to take a command apart again.

use crate::model::finding::{ActionKind, Finding, Remedy};
use crate::model::units::{label, quantity};

/// Stands in a command for a value that is not known.
pub(super) const UNKNOWN: &str = "OLD_VALUE";

/// One setting: a kernel setting or a file, its new value and the one that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Name or path.
    pub(super) name: String,
    /// New value.
    pub(super) value: String,
    /// What brings the old value back: a name, which may be another one, and a value.
    pub(super) back: (String, String),
}

/// A process and the value that it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Was {
    /// Process or thread id.
    pub(super) pid: String,
    /// Its value.
    pub(super) now: String,
}

/// What there is to do on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// In words only.
    Plan,
    /// Reads.
    Look(String),
    /// Reads, and slows down what it watches.
    Trace(String),
    /// diag itself, with these options.
    Diag(String),
    /// Kernel settings.
    Sysctl(Vec<Setting>),
    /// Kernel files.
    Write(Vec<Setting>),
    /// The frequency governor of all CPUs.
    Governor { value: String, before: String },
    /// A property of a systemd unit, until the next boot; `before` where it is known.
    UnitProperty { unit: String, property: &'static str, value: String, before: Option<String> },
    /// Nice value of processes.
    Renice { processes: Vec<Was>, nice: i32 },
    /// The idle class for the disk access of processes.
    Ionice { pids: Vec<String> },
    /// A restart: of a systemd unit, else the end of a process, which is then to be started again.
    Restart { unit: Option<String>, pid: String },
    /// The end of a freeze of a file system.
    Thaw { mount: String },
    /// A stop signal.
    Pause { pids: Vec<String> },
    /// CPUs that processes may use.
    Affinity { processes: Vec<Was>, cpus: String },
    /// The normal scheduling policy; `now` is the option of chrt(1) for the old one.
    NormalPolicy { threads: Vec<Was> },
    /// Soft limit of open files of a process.
    OpenFiles { pid: String, value: String, before: String },
    /// Queues of a network interface.
    Queues { link: String },
}

impl Action {
    /// What it does to the machine.
    pub(super) fn kind(&self) -> ActionKind {
        match self {
            Self::Plan => ActionKind::Plan,
            Self::Look(_) | Self::Diag(_) => ActionKind::Look,
            Self::Trace(_) => ActionKind::Trace,
            Self::Restart { .. } => ActionKind::Restart,
            Self::Renice { .. }
            | Self::Ionice { .. }
            | Self::Pause { .. }
            | Self::Thaw { .. }
            | Self::NormalPolicy { .. } => ActionKind::Contain,
            Self::UnitProperty { property: "CPUWeight" | "MemoryHigh", before: None, .. } => {
                ActionKind::Contain
            }
            Self::Sysctl(_)
            | Self::Write(_)
            | Self::Governor { .. }
            | Self::UnitProperty { .. }
            | Self::Affinity { .. }
            | Self::OpenFiles { .. }
            | Self::Queues { .. } => ActionKind::Change,
        }
    }

    /// What to type.
    pub(super) fn command(&self) -> Option<String> {
        Some(match self {
            Self::Plan => return None,
            Self::Look(command) | Self::Trace(command) => command.clone(),
            Self::Diag(options) => format!("diag {options}"),
            Self::Sysctl(settings) => sysctl(settings.iter().map(|setting| (&setting.name, &setting.value))),
            Self::Write(settings) => write(settings.iter().map(|setting| (&setting.name, &setting.value))),
            Self::Governor { value, .. } => format!("cpupower frequency-set -g {value}"),
            Self::UnitProperty { unit, property, value, .. } => set_property(unit, property, value),
            Self::Renice { processes, nice } => {
                let pids: Vec<&str> = processes.iter().map(|process| process.pid.as_str()).collect();
                format!("renice -n {nice} -p {}", pids.join(" "))
            }
            Self::Ionice { pids } => format!("ionice -c 3 -p {}", pids.join(" ")),
            Self::Restart { unit: Some(unit), .. } => format!("systemctl restart {unit}"),
            Self::Restart { unit: None, pid } => format!("kill {pid}"),
            Self::Thaw { mount } => format!("fsfreeze -u {mount}"),
            Self::Pause { pids } => format!("kill -STOP {}", pids.join(" ")),
            Self::Affinity { processes, cpus } => {
                let pids: Vec<&str> = processes.iter().map(|process| process.pid.as_str()).collect();
                for_each(&pids, &format!("taskset -a -p -c {cpus}"))
            }
            Self::NormalPolicy { threads } => {
                let tids: Vec<&str> = threads.iter().map(|thread| thread.pid.as_str()).collect();
                for_each(&tids, "chrt -o -p 0")
            }
            Self::OpenFiles { pid, value, .. } => format!("prlimit --pid {pid} --nofile={value}"),
            Self::Queues { link } => format!("ethtool -L {link} combined $(nproc)"),
        })
    }

    /// What brings back the state of before.
    pub(super) fn undo(&self) -> Option<String> {
        Some(match self {
            Self::Plan | Self::Look(_) | Self::Trace(_) | Self::Diag(_) | Self::Restart { .. } => {
                return None;
            }
            Self::Thaw { mount } => format!("fsfreeze -f {mount}"),
            Self::Sysctl(settings) => {
                sysctl(settings.iter().map(|setting| (&setting.back.0, &setting.back.1)))
            }
            Self::Write(settings) => write(settings.iter().map(|setting| (&setting.back.0, &setting.back.1))),
            Self::Governor { before, .. } => format!("cpupower frequency-set -g {before}"),
            Self::UnitProperty { unit, property, before: Some(before), .. } => {
                set_property(unit, property, before)
            }
            // The file of this property alone: `systemctl revert` would take what the administrator wrote as well.
            Self::UnitProperty { unit, property, before: None, .. } => {
                let file = format!("/run/systemd/system.control/{unit}.d/50-{property}.conf");
                format!("rm {file} && systemctl daemon-reload")
            }
            Self::Renice { processes, .. } => by_value(processes)
                .into_iter()
                .map(|(nice, pids)| format!("renice -n {nice} -p {}", pids.join(" ")))
                .collect::<Vec<_>>()
                .join("; "),
            // Class 0 is the kernel's default: the priority follows from the nice value.
            Self::Ionice { pids } => format!("ionice -c 0 -p {}", pids.join(" ")),
            Self::Pause { pids } => format!("kill -CONT {}", pids.join(" ")),
            Self::Affinity { processes, .. } => by_value(processes)
                .into_iter()
                .map(|(cpus, pids)| for_each(&pids, &format!("taskset -a -p -c {cpus}")))
                .collect::<Vec<_>>()
                .join("; "),
            Self::NormalPolicy { threads } => by_value(threads)
                .into_iter()
                .map(|(option, tids)| for_each(&tids, &format!("chrt {option} -p OLD_PRIORITY")))
                .collect::<Vec<_>>()
                .join("; "),
            Self::OpenFiles { pid, before, .. } => format!("prlimit --pid {pid} --nofile={before}:"),
            Self::Queues { link } => format!("ethtool -L {link} combined OLD_COUNT"),
        })
    }

    /// How to take it back, in words, where there is no command to undo.
    pub(super) fn undo_in_words(&self, remedy: Remedy) -> &'static str {
        match (self.kind(), remedy) {
            (ActionKind::Look | ActionKind::Trace, _) => "nothing to undo: the command only reads",
            (ActionKind::Restart, _) => {
                "nothing to undo; what systemd does not start is to be started by hand"
            }
            (_, Remedy::FixProgram) => "go back to the previous version or configuration",
            (_, Remedy::Tune) => "set the previous value again",
            (_, Remedy::AddResource) => "remove it again",
            (_, Remedy::Distribute) => "let the load balancer send all requests to this machine again",
        }
    }

    /// What it may break, where the rule does not say.
    pub(super) fn default_risk(&self, remedy: Remedy) -> &'static str {
        match (self.kind(), remedy) {
            (ActionKind::Look, _) => "none: the command only reads",
            (ActionKind::Trace, _) => "slows down what it watches",
            (ActionKind::Contain, _) => "the culprit gets slower",
            (ActionKind::Restart, _) => "the service is down until it runs again",
            (_, Remedy::FixProgram) => "the same as with any new version: try it on one instance first",
            (_, Remedy::Tune) => {
                "other services may get less: change one setting at a time and note its old value"
            }
            (_, Remedy::AddResource) => "costs money, and needs a restart where it cannot be added online",
            (_, Remedy::Distribute) => {
                "one more component that can fail: the load balancer must check the health of its servers"
            }
        }
    }

    /// What to expect of it, as far as the finding's numbers tell.
    pub(super) fn expectation(&self, finding: &Finding, remedy: Remedy) -> String {
        let effect = match (self, remedy) {
            (Self::Look(_) | Self::Trace(_) | Self::Diag(_), _) => {
                return "shows what to change; it changes nothing itself".to_owned();
            }
            (Self::Restart { .. }, _) => {
                return "the kernel frees the deleted files as soon as no process has them open".to_owned();
            }
            (Self::Thaw { .. }, _) => {
                return "threads that wait to write go on at once".to_owned();
            }
            (Self::Pause { .. }, _) => {
                return "the culprit stops at once and takes no more; it keeps what it holds".to_owned();
            }
            (action, _) if action.yields() => {
                return "other processes go first and wait less; the culprit takes longer, and the total load stays \
                        the same"
                    .to_owned();
            }
            (_, Remedy::FixProgram) => "the program needs less",
            (_, Remedy::Tune) => "the same work waits less",
            (_, Remedy::AddResource) => "the same work has more of what is short",
            (_, Remedy::Distribute) => "less work reaches this machine",
        };
        let toward = beyond(finding).next().and_then(|item| {
            let (value, goal) = (quantity(item.value?, item.unit), item.goal()?);
            Some(format!(": {} goes from {value} to {goal}", label(&item.metric)))
        });
        format!("{effect}{}", toward.unwrap_or_default())
    }

    /// How to tell that it worked.
    pub(super) fn check(&self, finding: &Finding) -> String {
        if matches!(self, Self::Look(_) | Self::Trace(_) | Self::Diag(_)) {
            return "the cause is known".to_owned();
        }
        if self.yields() {
            return "other processes no longer wait: their delay in diag -p PID falls".to_owned();
        }
        let goals = beyond(finding).take(GOALS_MAX);
        let goals = goals.filter_map(|item| Some(format!("{} is {}", label(&item.metric), item.goal()?)));
        let goals: Vec<String> = goals.collect();
        if goals.is_empty() { format!("diag no longer reports {}", finding.id) } else { goals.join(" and ") }
    }

    /// Whether it changes who goes first, and not how much there is to do.
    fn yields(&self) -> bool {
        matches!(
            self,
            Self::Renice { .. } | Self::Ionice { .. } | Self::UnitProperty { property: "CPUWeight", .. }
        )
    }
}

/// Numbers that a check names.
const GOALS_MAX: usize = 3;

/// The finding's numbers at or beyond a limit.
fn beyond(finding: &Finding) -> impl Iterator<Item = &crate::model::finding::Evidence> {
    finding.evidence.iter().filter(|item| item.beyond().is_some())
}

fn sysctl<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: Vec<String> = pairs
        .map(
            |(name, value)| {
                if value.contains(' ') { format!("{name}='{value}'") } else { format!("{name}={value}") }
            },
        )
        .collect();
    format!("sysctl {}", pairs.join(" "))
}

fn write<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    pairs.map(|(path, value)| format!("echo {value} > {path}")).collect::<Vec<_>>().join(" && ")
}

fn set_property(unit: &str, property: &str, value: &str) -> String {
    format!("systemctl set-property --runtime {unit} {property}={value}")
}

/// `command 7`, or a loop where there are several: not every tool takes more than one id.
fn for_each(ids: &[&str], command: &str) -> String {
    match ids {
        [one] => format!("{command} {one}"),
        several => format!("for p in {}; do {command} $p; done", several.join(" ")),
    }
}

/// The ids by the value that they have, in the order in which the values first occur.
fn by_value(processes: &[Was]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for Was { pid, now } in processes {
        match groups.iter_mut().find(|(value, _)| value == now) {
            Some((_, pids)) => pids.push(pid),
            None => groups.push((now, vec![pid])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn was(pid: &str, now: &str) -> Was {
        Was { pid: pid.to_owned(), now: now.to_owned() }
    }

    fn texts(action: &Action) -> (String, String) {
        (action.command().unwrap(), action.undo().unwrap())
    }

    #[test]
    fn all_processes_are_reniced_and_each_gets_its_own_value_back() {
        let same = Action::Renice { processes: vec![was("7123", "0"), was("7124", "0")], nice: 10 };
        assert_eq!(
            texts(&same),
            ("renice -n 10 -p 7123 7124".to_owned(), "renice -n 0 -p 7123 7124".to_owned())
        );
        let differ =
            Action::Renice { processes: vec![was("1", "0"), was("2", "5"), was("3", "0")], nice: 10 };
        assert_eq!(differ.undo().unwrap(), "renice -n 0 -p 1 3; renice -n 5 -p 2");
    }

    #[test]
    fn a_unit_property_goes_back_to_the_known_value_or_to_the_configured_one() {
        let unit = "nginx.service".to_owned();
        let known = Action::UnitProperty {
            unit: unit.clone(),
            property: "MemoryMax",
            value: "768M".to_owned(),
            before: Some("536870912".to_owned()),
        };
        assert_eq!(
            texts(&known),
            (
                "systemctl set-property --runtime nginx.service MemoryMax=768M".to_owned(),
                "systemctl set-property --runtime nginx.service MemoryMax=536870912".to_owned()
            )
        );
        let unknown =
            Action::UnitProperty { unit, property: "CPUWeight", value: "50".to_owned(), before: None };
        assert_eq!(
            unknown.undo().unwrap(),
            "rm /run/systemd/system.control/nginx.service.d/50-CPUWeight.conf && systemctl daemon-reload"
        );
        assert_eq!((known.kind(), unknown.kind()), (ActionKind::Change, ActionKind::Contain));
    }

    #[test]
    fn a_tool_for_one_process_is_repeated_for_several() {
        let bound =
            Action::Affinity { processes: vec![was("5", "0"), was("6", "0")], cpus: "0-3".to_owned() };
        assert_eq!(
            texts(&bound),
            (
                "for p in 5 6; do taskset -a -p -c 0-3 $p; done".to_owned(),
                "for p in 5 6; do taskset -a -p -c 0 $p; done".to_owned()
            )
        );
        let one = Action::NormalPolicy { threads: vec![was("9", "-f")] };
        assert_eq!(texts(&one), ("chrt -o -p 0 9".to_owned(), "chrt -f -p OLD_PRIORITY 9".to_owned()));
    }

    #[test]
    fn two_words_of_a_setting_are_quoted() {
        let ports = Action::Sysctl(vec![Setting {
            name: "net.ipv4.ip_local_port_range".to_owned(),
            value: "1024 65535".to_owned(),
            back: ("net.ipv4.ip_local_port_range".to_owned(), "32768 60999".to_owned()),
        }]);
        assert_eq!(
            texts(&ports),
            (
                "sysctl net.ipv4.ip_local_port_range='1024 65535'".to_owned(),
                "sysctl net.ipv4.ip_local_port_range='32768 60999'".to_owned()
            )
        );
    }
}
