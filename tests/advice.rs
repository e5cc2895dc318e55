//! The advice for real faults, on machines that differ in one thing each: with and without systemd, with control groups
//! of either version, with hostile names.

#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::diagnose::thresholds::in_force::BUILT_IN;
use diag::diagnose::{self, Options, report_extras};
use diag::model::finding::{ActionKind, Advice};
use diag::model::rates::{ProcessRates, Rates};
use diag::model::report::Diagnosis;
use diag::model::series::Series;
use diag::model::task::Comm;
use support::{diagnosis, rates_of};

/// The advice of the verdict's finding.
fn advice(diagnosis: &Diagnosis) -> Vec<Advice> {
    diagnosis.findings.first().unwrap().advice.clone()
}

fn advised(id: &str, change: impl Fn(&mut Rates)) -> Vec<Advice> {
    let mut rates = rates_of(id);
    change(&mut rates);
    advice(&diagnosis(&rates))
}

fn commands(advice: &[Advice]) -> Vec<&str> {
    advice.iter().filter_map(|advice| advice.command.as_deref()).collect()
}

fn find<'a>(advice: &'a [Advice], word: &str) -> &'a Advice {
    let has = |advice: &&Advice| advice.command.as_ref().is_some_and(|command| command.contains(word));
    advice.iter().find(has).unwrap_or_else(|| panic!("{word}: {:?}", commands(advice)))
}

fn named<'a>(rates: &'a mut Rates, comm: &str) -> impl Iterator<Item = &'a mut ProcessRates> {
    let comm = Comm::new(comm.as_bytes());
    rates.processes.iter_mut().filter(move |process| process.comm == comm)
}

fn with_systemd(rates: &mut Rates) {
    let first = rates.processes.iter_mut().find(|process| process.pid == 1).unwrap();
    first.comm = Comm::new(b"systemd");
}

#[test]
fn the_whole_service_goes_last_and_where_there_is_none_all_of_its_processes() {
    let unit = |rates: &mut Rates| {
        for process in named(rates, "stress-ng-cpu") {
            process.unit = Some("thumb.service".to_owned());
            process.cgroup = Some("/system.slice/thumb.service".to_owned());
        }
    };
    let with = advised("cpu-user", |rates| {
        unit(rates);
        with_systemd(rates);
    });
    assert_eq!(
        with[0].command.as_deref(),
        Some("systemctl set-property --runtime thumb.service CPUWeight=50")
    );
    assert_eq!(
        with[0].undo.as_deref(),
        Some("rm /run/systemd/system.control/thumb.service.d/50-CPUWeight.conf && systemctl daemon-reload")
    );
    assert_eq!(with[0].kind, ActionKind::Contain);
    assert!(commands(&with).iter().all(|command| !command.contains("renice")));
    let without = advised("cpu-user", unit);
    assert_eq!(without[0].command.as_deref(), Some("renice -n 10 -p 10591 10592 10593 10594"));
    assert_eq!(without[0].undo.as_deref(), Some("renice -n 0 -p 10591 10592 10593 10594"));
    assert!(commands(&without).iter().all(|command| !command.contains("systemctl")));
}

#[test]
fn each_process_gets_its_own_nice_value_back() {
    let advice = advised("cpu-user", |rates| {
        let second = rates.processes.iter_mut().find(|process| process.pid == 10592).unwrap();
        second.nice = 3;
    });
    assert_eq!(advice[0].undo.as_deref(), Some("renice -n 0 -p 10591 10593 10594; renice -n 3 -p 10592"));
}

#[test]
fn a_command_has_twenty_processes_at_most_and_says_so() {
    let advice = advised("cpu-user", |rates| {
        let first = named(rates, "stress-ng-cpu").next().unwrap().clone();
        let idle = (0..30).map(|place| ProcessRates {
            pid: 20_000 + place,
            user_ratio: 0.0,
            system_ratio: 0.0,
            uninterruptible_mean: 0.0,
            ..first.clone()
        });
        rates.processes.extend(idle);
    });
    let command = advice[0].command.as_deref().unwrap();
    // The busy ones are among them, and then those with the lowest numbers.
    assert!(command.starts_with("renice -n 10 -p 10591 10592 10593 10594 20000"), "{command}");
    assert_eq!(command.split(' ').count(), 24, "{command}");
    assert!(advice[0].action.ends_with("The command has the 20 busiest of 34 processes."), "{:?}", advice[0]);
}

#[test]
fn a_memory_limit_is_raised_to_a_number_in_the_files_of_its_version() {
    let id = "memory-cgroup-limit";
    let as_it_is = advised(id, |_| {});
    let file = "/sys/fs/cgroup/memory/lab/memory.limit_in_bytes";
    let raise = find(&as_it_is, file);
    let bytes: u64 = raise.command.as_deref().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    assert!(bytes > 157_286_400 && bytes.is_multiple_of(1 << 20), "{raise:?}");
    assert_eq!(raise.undo, Some(format!("echo 157286400 > {file}")));
    let first = as_it_is[0].command.as_deref().unwrap();
    assert!(first.ends_with("/sys/fs/cgroup/memory/lab/memory.stat"), "{first}");

    let unified = |soft: bool| {
        advised(id, move |rates| {
            for group in rates.cgroups.as_mut().unwrap().iter_mut().filter(|group| group.memory.is_some()) {
                group.hierarchy = "unified".to_owned();
                let memory = group.memory.as_mut().unwrap();
                memory.high_bytes = memory.limit_bytes.filter(|_| soft);
            }
        })
    };
    for (soft, file) in [(false, "/sys/fs/cgroup/lab/memory.max"), (true, "/sys/fs/cgroup/lab/memory.high")] {
        let advice = unified(soft);
        let raise = find(&advice, file);
        assert_eq!(raise.undo, Some(format!("echo 157286400 > {file}")));
    }

    let managed = advised(id, |rates| {
        with_systemd(rates);
        for group in rates.cgroups.as_mut().unwrap() {
            group.path = "/system.slice/php.service".to_owned();
            group.unit = Some("php.service".to_owned());
        }
    });
    let raise = find(&managed, "MemoryMax=");
    assert_eq!(
        raise.undo.as_deref(),
        Some("systemctl set-property --runtime php.service MemoryMax=157286400")
    );
    for advice in [&as_it_is, &managed] {
        assert!(commands(advice).iter().all(|command| !command.contains("infinity")));
    }
}

#[test]
fn a_limit_is_not_raised_beyond_what_the_machine_has() {
    let advice = advised("memory-cgroup-limit", |rates| {
        rates.memory.as_mut().unwrap().available_bytes = Some(1 << 20);
    });
    assert!(commands(&advice).iter().all(|command| !command.contains("memory.limit_in_bytes")), "{advice:?}");
}

#[test]
fn a_quota_goes_back_to_what_it_was() {
    let advice = advised("cpu-throttled", |_| {});
    let raise = find(&advice, "> /sys/fs/cgroup/cpu/lab/cpu.cfs_quota_us");
    let (command, undo) = (raise.command.as_deref().unwrap(), raise.undo.as_deref().unwrap());
    assert!(command.contains("echo 40000 > ") && undo.contains("echo 20000 > "), "{command} {undo}");
    let advice = advised("cpu-throttled", |rates| {
        for group in rates.cgroups.as_mut().unwrap() {
            group.hierarchy = "unified".to_owned();
        }
    });
    let raise = find(&advice, "> /sys/fs/cgroup/lab/cpu.max");
    assert_eq!(raise.command.as_deref(), Some("echo 40000 100000 > /sys/fs/cgroup/lab/cpu.max"));
    assert_eq!(raise.undo.as_deref(), Some("echo 20000 100000 > /sys/fs/cgroup/lab/cpu.max"));
}

#[test]
fn a_profile_that_was_taken_is_not_advised_again() {
    let rates = rates_of("cpu-user");
    let options = |profiled| Options { sort: None, top: 3, pid: None, profiled, thresholds: BUILT_IN };
    let advised = |profiled| advice(&diagnose::diagnose(&rates, &options(profiled)));
    assert!(commands(&advised(false)).contains(&"diag --profile -p 10594"));
    assert!(commands(&advised(true)).iter().all(|command| !command.contains("diag ")));
}

#[test]
fn dirty_memory_does_not_matter_while_nothing_is_written() {
    let settings = |writes: bool| {
        let mut rates = rates_of("disk-saturated");
        for disk in rates.disks.as_mut().unwrap() {
            disk.write_bytes_per_second = if writes { 5e7 } else { 0.0 };
        }
        let memory = rates.memory.as_mut().unwrap();
        (memory.dirty_bytes, memory.writeback_bytes) = (Some(0), Some(0));
        memory.available_bytes = Some(64 << 30);
        rates.limits.settings.0.insert("vm.dirty_ratio".to_owned(), "20".to_owned());
        let options = Options { sort: None, top: 3, pid: None, profiled: false, thresholds: BUILT_IN };
        let diagnosis = diagnose::diagnose(&rates, &options);
        let annex = report_extras::extras(&rates, &diagnosis, Series::default(), &options);
        annex.settings.iter().filter(|note| note.name.starts_with("vm.dirty_")).count()
    };
    assert_eq!(settings(false), 0);
    assert!(settings(true) > 0);
}

/// What must not happen when a command is pasted: each name would run a program, end a quote or hide a part.
const HOSTILE: [&str; 8] =
    ["a;reboot", "$(reboot)", "`reboot`", "a b", "a'b", "a\"b", "a\nreboot", "-rf \u{202e}"];

#[test]
fn no_name_from_outside_runs_anything() {
    let mut seen = 0;
    for id in diag::diagnose::rules::RULES.iter().map(|rule| rule.id.as_str()) {
        let calm = diagnosis(&rates_of(id));
        for name in HOSTILE {
            let mut rates = rates_of(id);
            with_systemd(&mut rates);
            let path = format!("/system.slice/{name}.service");
            for process in &mut rates.processes {
                process.unit = Some(format!("{name}.service"));
                process.cgroup = Some(path.clone());
            }
            for group in rates.cgroups.iter_mut().flatten() {
                (group.path, group.unit) = (path.clone(), Some(format!("{name}.service")));
            }
            for disk in rates.disks.iter_mut().flatten() {
                disk.name = name.to_owned();
            }
            for interface in &mut rates.interfaces {
                interface.name = name.to_owned();
            }
            for mount in rates.limits.mounts.iter_mut().flatten() {
                mount.path = format!("/mnt/{name}");
            }
            rates.host.clocksource = rates.host.clocksource.map(|_| name.to_owned());
            let hostile = diagnosis(&rates);
            assert!(hostile.findings.len() + 3 >= calm.findings.len(), "{id}");
            for advice in hostile.findings.iter().flat_map(|finding| &finding.advice) {
                for command in advice.command.iter().chain(&advice.undo) {
                    assert!(!command.contains(name), "{id}: {command}");
                    assert!(!command.contains("reboot") && !command.contains('\n'), "{id}: {command}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 1000, "{seen} commands");
}
