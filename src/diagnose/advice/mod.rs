//! The advice of a finding, fitted to the machine: names are filled in, what is set already is not advised again, and the
//! undo brings back the value that was there.
//!
//! Risk, expectation, undo and check are made here, once for all formats.

mod action;
mod groups;
mod memory;
mod names;
mod settings;
pub mod tuning;
pub mod workers;

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::rule::{ActionTemplate, AdviceTemplate, OwnOption};
use crate::model::finding::{Advice, Finding};
use action::{Action, Was};
use names::Names;

/// Nice value of a process that lets others go first.
const NICE: i32 = 10;

/// The rule's advice for `finding`, in the rule's order.
pub(super) fn advice(facts: &Facts<'_>, judged: &Judged, finding: &Finding) -> Vec<Advice> {
    let names = Names::of(facts, judged);
    judged.rule.advice.iter().filter_map(|template| fitted(template, &names, finding)).collect()
}

/// The same with words instead of names, and with `finding` for its id alone.
pub(super) fn in_words(templates: &[AdviceTemplate], finding: &Finding) -> Vec<Advice> {
    let names = Names::words();
    templates.iter().filter_map(|template| fitted(template, &names, finding)).collect()
}

/// A command to confirm a bottleneck, with words instead of names.
pub(super) fn command_in_words(command: &str) -> String {
    Names::words().fill(command).unwrap_or_else(|| command.to_owned())
}

/// One advice for this machine; none where it needs what is not known, or has been followed already.
fn fitted(template: &AdviceTemplate, names: &Names, finding: &Finding) -> Option<Advice> {
    let action = resolve(template.does, names)?;
    let remedy = template.remedy;
    let undo = action.undo();
    Some(Advice {
        action: one_line(template.action) + &cut_note(template.does, names),
        kind: action.kind(),
        command: action.command(),
        risk: Some(one_line(template.risk.unwrap_or_else(|| action.default_risk(remedy)))),
        undo_note: undo.is_none().then(|| action.undo_in_words(remedy).to_owned()),
        undo,
        expectation: action.expectation(finding, remedy),
        check: action.check(finding),
        remedy,
    })
}

/// The action with the names and values of this machine.
fn resolve(template: ActionTemplate, names: &Names) -> Option<Action> {
    Some(match template {
        ActionTemplate::Plan => Action::Plan,
        ActionTemplate::Look(command) => Action::Look(names.fill(command)?),
        ActionTemplate::SystemdLook(command) => Action::Look(names.fill(command).filter(|_| names.systemd)?),
        ActionTemplate::Trace(command) => Action::Trace(names.fill(command)?),
        ActionTemplate::Diag(option) => Action::Diag(own(option, names)?),
        ActionTemplate::Renice => renice(names)?,
        ActionTemplate::Ionice => {
            // Other schedulers know no priorities.
            let scheduler = names.device.as_deref().map(|device| format!("{device}/queue/scheduler"));
            let scheduler = scheduler.and_then(|name| names.settings.text(&name));
            if scheduler.is_some_and(|scheduler| !["bfq", "cfq", "mq-deadline"].contains(&scheduler)) {
                return None;
            }
            Action::Ionice { pids: pids(names)? }
        }
        ActionTemplate::Restart => {
            let pid = names.pid.clone().filter(|_| names.holds_deleted)?;
            Action::Restart { unit: names.unit.clone(), pid }
        }
        ActionTemplate::Thaw => Action::Thaw { mount: names.frozen.clone()? },
        ActionTemplate::DirtyLimits => {
            let (background, limit) = names.dirty.clone()?;
            let pairs =
                [("vm.dirty_background_bytes", background.as_str()), ("vm.dirty_bytes", limit.as_str())];
            settings::sysctl(&pairs, &names.settings)?
        }
        ActionTemplate::Pause => Action::Pause { pids: pids(names)? },
        ActionTemplate::EveryCpu => {
            Action::Affinity { processes: some(&names.bound)?, cpus: names.cpus.clone() }
        }
        ActionTemplate::NormalPolicy => Action::NormalPolicy { threads: some(&names.realtime)? },
        ActionTemplate::OpenFiles => {
            let (before, value) = names.files.clone()?;
            Action::OpenFiles { pid: names.pid.clone()?, value, before }
        }
        ActionTemplate::Queues => Action::Queues { link: names.device.clone()? },
        ActionTemplate::Sysctl(pairs) => settings::sysctl(pairs, &names.settings)?,
        ActionTemplate::Write { path, value } => {
            settings::write(path, value, &names.settings, names.clock.as_deref())?
        }
        ActionTemplate::CpuWeight => names.groups.weight.clone()?,
        ActionTemplate::MemoryCap => names.groups.cap.clone()?,
        ActionTemplate::Raise(limit) => names.groups.raise(limit)?,
        ActionTemplate::HugePages => names.memory.huge_pages.clone()?,
        ActionTemplate::ZfsCache => names.memory.zfs_cache.clone()?,
    })
}

/// Options of diag itself, unless this run has used them.
fn own(option: OwnOption, names: &Names) -> Option<String> {
    let mode = match option {
        OwnOption::Account => return names.account.clone(),
        OwnOption::Profile => "",
        OwnOption::Syscalls => " --profile-mode syscalls",
        OwnOption::Waits => " --profile-mode waits",
    };
    // Without a process diag takes the worst one itself.
    let whose = names.pid.as_ref().map(|pid| format!(" -p {pid}")).unwrap_or_default();
    (!names.profiled).then(|| format!("--profile{mode}{whose}"))
}

/// The culprit's processes that have a higher priority than that. A unit gets a smaller share instead: nice values have no
/// effect between units.
fn renice(names: &Names) -> Option<Action> {
    let higher = |process: &&Was| process.now.parse::<i32>().map_or(true, |nice| nice < NICE);
    let processes: Vec<Was> = names.processes.iter().filter(higher).cloned().collect();
    let unit = names.groups.weight.is_some() && !names.is_words();
    (!unit && !processes.is_empty()).then_some(Action::Renice { processes, nice: NICE })
}

fn pids(names: &Names) -> Option<Vec<String>> {
    some(&names.processes).map(|processes| processes.into_iter().map(|process| process.pid).collect())
}

fn some(list: &[Was]) -> Option<Vec<Was>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// Says so where not all processes are in the command.
fn cut_note(template: ActionTemplate, names: &Names) -> String {
    let (shown, count) = (names.processes.len(), names.processes_count);
    let lists = matches!(
        template,
        ActionTemplate::Renice | ActionTemplate::Ionice | ActionTemplate::Pause | ActionTemplate::EveryCpu
    );
    if lists && shown < count {
        format!(" The command has the {shown} busiest of {count} processes.")
    } else {
        String::new()
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::groups::GroupActions;
    use super::*;
    use crate::diagnose::rule::Rule;
    use crate::diagnose::rules::RULES;
    use crate::model::bottleneck::BottleneckId;
    use crate::model::finding::{ActionKind, Evidence, Remedy, Severity};
    use crate::model::units::Unit;

    fn finding(rule: &Rule) -> Finding {
        Finding {
            id: rule.id,
            resource: rule.resource,
            severity: Severity::Critical,
            confidence_ratio: 0.9,
            impact_ratio: 0.5,
            summary: String::new().into(),
            explained_by: None,
            evidence: vec![Evidence {
                metric: "cpu_busy_ratio".to_owned(),
                value: Some(1.0),
                unit: Unit::Ratio,
                warning: Some(0.85),
                critical: Some(0.95),
                source: String::new(),
                threshold_source: None,
                threshold_changed: false,
            }],
            against: Vec::new(),
            suspects: Vec::new(),
            advice: Vec::new(),
        }
    }

    fn processes(nice_values: &[i32]) -> Vec<Was> {
        let was =
            |(place, nice): (usize, &i32)| Was { pid: (7123 + place).to_string(), now: nice.to_string() };
        nice_values.iter().enumerate().map(was).collect()
    }

    /// Machines of which more or less is known.
    fn machines() -> Vec<(&'static str, Names)> {
        let known = || Names {
            pid: Some("7123".to_owned()),
            processes: processes(&[0, 0, 5]),
            processes_count: 3,
            device: Some("vda".to_owned()),
            account: Some("-p 7123".to_owned()),
            cpus: "0-3".to_owned(),
            ..Names::words()
        };
        let without_systemd =
            || Names { unit: None, systemd: false, groups: GroupActions::default(), ..known() };
        vec![
            ("words", Names::words()),
            ("all known", known()),
            ("without systemd", without_systemd()),
            ("nothing known", Names { cpus: "0-3".to_owned(), ..Names::default() }),
            ("closely watched already", Names { profiled: true, account: None, ..known() }),
        ]
    }

    fn on(names: &Names, rule: &Rule) -> Vec<Advice> {
        let finding = finding(rule);
        rule.advice.iter().filter_map(|template| fitted(template, names, &finding)).collect()
    }

    /// Contain and look, fix the program, tune, add, distribute.
    fn place(advice: &Advice) -> usize {
        match (advice.kind, advice.remedy) {
            (ActionKind::Look | ActionKind::Trace | ActionKind::Contain | ActionKind::Restart, _) => 0,
            (_, Remedy::FixProgram) => 1,
            (_, Remedy::Tune) => 2,
            (_, Remedy::AddResource) => 3,
            (_, Remedy::Distribute) => 4,
        }
    }

    #[test]
    fn the_first_advice_looks_or_contains_and_more_machines_come_last() {
        for (machine, names) in machines() {
            for rule in RULES.iter().filter(|rule| rule.id != BottleneckId::None) {
                let places: Vec<usize> = on(&names, rule).iter().map(place).collect();
                assert!(places.is_sorted(), "{} on {machine}: {places:?}", rule.id);
                // Where nothing is known there may be nothing to look at.
                let first = *places.first().unwrap();
                assert!(first == 0 || (machine == "nothing known" && first < 3), "{} on {machine}", rule.id);
            }
        }
    }

    #[test]
    fn the_template_says_what_the_action_does() {
        for rule in RULES {
            for template in rule.advice {
                let action = resolve(template.does, &Names::words()).unwrap();
                assert_eq!(template.does.contains(), action.kind() == ActionKind::Contain, "{}", rule.id);
                let looks = matches!(action.kind(), ActionKind::Look | ActionKind::Trace);
                let more = matches!(template.remedy, Remedy::AddResource | Remedy::Distribute);
                assert!(!(looks && more), "{}: {}", rule.id, template.action);
            }
        }
    }

    #[test]
    fn every_change_has_its_risk_its_undo_and_its_check() {
        for (machine, names) in machines() {
            for rule in RULES {
                for advice in on(&names, rule) {
                    let told = format!("{} on {machine}: {advice:?}", rule.id);
                    let present = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
                    assert!(present(&advice.risk), "{told}");
                    assert_eq!(present(&advice.undo), advice.kind.changes(), "{told}");
                    assert_ne!(present(&advice.undo), present(&advice.undo_note), "{told}");
                    assert!(!advice.expectation.is_empty() && !advice.check.is_empty(), "{told}");
                    assert_eq!(advice.command.is_none(), advice.kind == ActionKind::Plan, "{told}");
                    if advice.kind.changes() {
                        assert_ne!(advice.command, advice.undo, "{told}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_command_has_an_unfilled_mark() {
        for (machine, names) in machines() {
            for rule in RULES {
                for advice in on(&names, rule) {
                    for command in advice.command.iter().chain(&advice.undo) {
                        // Braces of awk(1) have a space or a dollar in them.
                        let marks = command.split('{').skip(1).filter_map(|rest| rest.split('}').next());
                        for mark in marks {
                            assert!(mark.contains(['$', ' ']), "{} on {machine}: {command}", rule.id);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_systemd_nothing_needs_it() {
        for (machine, names) in machines().into_iter().filter(|(_, names)| !names.systemd) {
            for rule in RULES {
                for command in on(&names, rule).into_iter().flat_map(|advice| [advice.command, advice.undo]) {
                    let command = command.unwrap_or_default();
                    let needed =
                        ["systemctl", "journalctl", "systemd"].iter().any(|word| command.contains(word));
                    assert!(!needed, "{} on {machine}: {command}", rule.id);
                }
            }
        }
    }

    #[test]
    fn what_this_run_has_shown_is_not_advised() {
        for (machine, names) in machines().into_iter().filter(|(_, names)| names.profiled) {
            for rule in RULES {
                for command in on(&names, rule).into_iter().filter_map(|advice| advice.command) {
                    assert!(!command.starts_with("diag "), "{} on {machine}: {command}", rule.id);
                }
            }
        }
    }

    #[test]
    fn all_processes_of_the_culprit_are_in_the_command() {
        let [_, _, (_, names), ..] = &machines()[..] else { panic!() };
        let command = |names: &Names| {
            let action = resolve(ActionTemplate::Renice, names)?;
            Some((action.command()?, action.undo()?))
        };
        assert_eq!(
            command(names),
            Some((
                "renice -n 10 -p 7123 7124 7125".to_owned(),
                "renice -n 0 -p 7123 7124; renice -n 5 -p 7125".to_owned()
            ))
        );
        // Priorities are lowered, never raised.
        let some = Names { processes: processes(&[19, 0]), ..Names::default() };
        assert_eq!(command(&some).unwrap().0, "renice -n 10 -p 7124");
        let none = Names { processes: processes(&[19, 10]), ..Names::default() };
        assert_eq!(command(&none), None);
        let many = Names {
            processes: processes(&[0; names::PROCESSES_MAX]),
            processes_count: 45,
            ..Names::default()
        };
        let note = cut_note(ActionTemplate::Renice, &many);
        assert_eq!(note, " The command has the 20 busiest of 45 processes.");
        assert_eq!(cut_note(ActionTemplate::OpenFiles, &many), "");
        assert_eq!(cut_note(ActionTemplate::Renice, names), "");
    }

    #[test]
    fn priorities_for_a_disk_need_a_scheduler_that_knows_them() {
        for (scheduler, advised) in [("bfq", true), ("mq-deadline", true), ("none", false), ("kyber", false)]
        {
            let mut names =
                Names { processes: processes(&[0]), device: Some("vda".to_owned()), ..Names::default() };
            names.settings.0.insert("vda/queue/scheduler".to_owned(), scheduler.to_owned());
            assert_eq!(resolve(ActionTemplate::Ionice, &names).is_some(), advised, "{scheduler}");
        }
    }
}
