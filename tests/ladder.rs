//! Every rung of the evidence ladder: what a finding loses, what it says of it, and what would unlock the input.
//!
//! The rates are those of real faults; each test takes one input away.

#![allow(clippy::disallowed_methods, reason = "a test reads captures")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::diagnose::judge::missing_inputs::RUNGS;
use diag::diagnose::rule::{Input, Rule, Scope};
use diag::diagnose::rules::RULES;
use diag::model::finding::Finding;
use diag::model::rates::Rates;
use diag::model::reading::{Absence, AbsenceKind};
use diag::model::report::Diagnosis;
use support::{diagnosis, rates_of};

fn finding<'a>(diagnosis: &'a Diagnosis, id: &str) -> &'a Finding {
    diagnosis.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("no {id}"))
}

fn reason(finding: &Finding) -> String {
    let mut against = finding.against.iter().map(ToString::to_string);
    against.find(|text| text.starts_with("confidence ")).unwrap_or_default()
}

/// That `id` is less sure by `left` when `take` is gone, says `words`, and that `told` stands under "not checked".
fn assert_lowered(id: &str, take: impl Fn(&mut Rates), words: &str, left: f64, told: &str) {
    let complete = rates_of(id);
    let before = diagnosis(&complete);
    let mut lacking = complete;
    take(&mut lacking);
    let after = diagnosis(&lacking);
    let (then, now) = (finding(&before, id), finding(&after, id));
    assert!(!reason(then).contains(words), "{id} lacks it from the start: {}", reason(then));
    assert!(reason(now).contains(&format!(" × {left:.2} ({words})")), "{id}: {:?}", now.against);
    // The rule itself may miss the input too, where it counts what agrees.
    assert!(now.confidence_ratio <= then.confidence_ratio * left + 1e-9, "{id}: {}", now.confidence_ratio);
    assert!(now.confidence_ratio >= 0.2);
    let line = after.not_checked.iter().find(|item| item.what.contains(told));
    assert!(line.is_some_and(|line| line.unlock.is_some()), "{id}, {told}: {:?}", after.not_checked);
}

fn without_pressure(rates: &mut Rates) {
    let gone = |file: &str| Absence::missing(format!("/proc/pressure/{file}"));
    rates.cpu_pressure = Err(gone("cpu"));
    rates.memory_pressure = Err(gone("memory"));
    rates.io_pressure = Err(gone("io"));
    rates.absences.extend(["cpu", "memory", "io"].map(gone));
}

fn without_accounts(rates: &mut Rates) {
    for thread in &mut rates.threads {
        (thread.ran, thread.run_delay_ratio, thread.timeslices_per_second) = (None, None, None);
    }
}

fn without_io(rates: &mut Rates) {
    for process in &mut rates.processes {
        (process.read_bytes_per_second, process.write_bytes_per_second) = (None, None);
    }
}

#[test]
fn no_pressure() {
    for (id, told) in [
        ("cpu-user", "stall time for CPUs"),
        ("cpu-system", "stall time for CPUs"),
        ("memory-swap", "stall time for memory"),
        ("memory-reclaim", "stall time for memory"),
        ("memory-cgroup-limit", "stall time for memory"),
        ("disk-saturated", "stall time for I/O"),
        ("disk-latency", "stall time for I/O"),
        ("io-throttled", "stall time for I/O"),
    ] {
        assert_lowered(id, without_pressure, "no PSI", 0.75, told);
    }
}

#[test]
fn no_pressure_is_no_zero() {
    let mut rates = rates_of("none");
    without_pressure(&mut rates);
    without_accounts(&mut rates);
    let diagnosis = diagnosis(&rates);
    let said = diagnosis.steps[1].summary.to_string();
    assert!(
        said.contains("for memory an unknown share") && said.contains("for a CPU an unknown share"),
        "{said}"
    );
    assert!(diagnosis.verdict.confidence_ratio < 0.7);
}

#[test]
fn no_scheduler_accounts() {
    let told = "how long each thread waits for a CPU";
    assert_lowered(
        "io-blocked",
        without_accounts,
        "no schedstat: waiting for a CPU is not counted by thread",
        0.7,
        told,
    );
    assert_lowered(
        "cpu-single-thread",
        without_accounts,
        "no schedstat: waiting for a CPU is not counted by thread",
        0.7,
        told,
    );
    let neither = |rates: &mut Rates| {
        without_pressure(rates);
        without_accounts(rates);
    };
    assert_lowered("cpu-user", neither, "neither PSI nor schedstat", 0.85, told);
}

#[test]
fn another_user() {
    let nobody = |rates: &mut Rates| {
        without_io(rates);
        (rates.io_denied_count, rates.host.effective_uid) = (40, 65534);
    };
    assert_lowered(
        "disk-saturated",
        nobody,
        "without rights: whose I/O it is cannot be seen",
        0.7,
        "disk I/O of 40",
    );
    let blind = |rates: &mut Rates| rates.wait_channels_hidden = true;
    assert_lowered(
        "io-blocked",
        blind,
        "without rights: what threads wait in cannot be seen",
        0.6,
        "wait for",
    );
    // The main cause is visible, so hidden processes do not matter.
    let mut rates = rates_of("disk-saturated");
    rates.io_denied_count = 40;
    assert_eq!(reason(finding(&diagnosis(&rates), "disk-saturated")), "");
}

#[test]
fn no_io_accounts() {
    let none = |rates: &mut Rates| {
        without_io(rates);
        rates.io_denied_count = 0;
    };
    assert_lowered("disk-saturated", none, "no I/O by process", 0.6, "disk I/O by process");
}

#[test]
fn hidden_processes() {
    let hide = |rates: &mut Rates| {
        rates.processes.retain(|process| process.pid != 1);
        if let Ok(load) = &mut rates.load {
            load.threads_count = 5000;
        }
        let busy = rates.cpu.as_ref().unwrap().busy_ratio() * f64::from(rates.cpus_online_count);
        rates.vanished_cpus = Some(busy / 4.0);
    };
    assert_lowered("cpu-user", hide, "processes are hidden", 0.75, "processes of other users");
    // Hidden processes are not short-lived ones.
    let mut rates = rates_of("short-lived-processes");
    hide(&mut rates);
    let diagnosis = diagnosis(&rates);
    assert!(diagnosis.findings.iter().all(|finding| finding.id != "short-lived-processes"));
    assert!(diagnosis.not_checked.iter().any(|item| item.what.contains("short-lived")));
}

#[test]
fn control_groups_of_version_one() {
    let mut rates = rates_of("memory-cgroup-limit");
    let of_version = |rates: &mut Rates, name: &str| {
        for group in rates.cgroups.as_mut().unwrap() {
            name.clone_into(&mut group.hierarchy);
        }
    };
    of_version(&mut rates, "memory");
    let first = diagnosis(&rates);
    assert!(reason(finding(&first, "memory-cgroup-limit")).contains("0.80 (control groups of version 1)"));
    assert!(first.not_checked.iter().any(|item| item.what.contains("buffered writes")));
    of_version(&mut rates, "unified");
    assert_eq!(reason(finding(&diagnosis(&rates), "memory-cgroup-limit")), "");
}

#[test]
fn kernels_that_count_less() {
    let no_refaults = |rates: &mut Rates| rates.paging.as_mut().unwrap().refault_file_per_second = None;
    let words = "the kernel does not count refaults";
    assert_lowered("disk-saturated", no_refaults, words, 0.87, "whether the page cache is too small");
    let no_log = |rates: &mut Rates| {
        rates.limits.kernel_log = Err(Absence::new("/dev/kmsg", AbsenceKind::Denied));
    };
    assert_lowered("memory-oom", no_log, "the kernel log cannot be read", 0.87, "in the kernel log");
    let no_irq = |rates: &mut Rates| rates.cpu.as_mut().unwrap().irq_counted = false;
    let mut rates = rates_of("cpu-interrupts");
    rates.cpu.as_mut().unwrap().irq_counted = true;
    assert_eq!(reason(finding(&diagnosis(&rates), "cpu-interrupts")), "");
    no_irq(&mut rates);
    let hidden = diagnosis(&rates);
    assert!(reason(finding(&hidden, "cpu-interrupts")).contains("0.60 (hard interrupts are not timed)"));
    assert!(hidden.not_checked.iter().any(|item| item.what == "time in hard interrupts"));
}

#[test]
fn the_log_counts_kills_where_the_kernel_does_not() {
    let mut rates = rates_of("memory-oom");
    rates.cgroups = Err(Absence::missing("/sys/fs/cgroup"));
    let kills = |rates: &Rates| finding(&diagnosis(rates), "memory-oom").evidence[0].value.unwrap();
    assert!(kills(&rates) >= 1.0);
    rates.paging.as_mut().unwrap().oom_kills_count = None;
    assert!(kills(&rates) >= 1.0);
    assert!(diagnosis(&rates).not_checked.iter().any(|item| item.reason.contains("no oom_kill")));
}

#[test]
fn no_cpu_time() {
    let mut rates = rates_of("disk-saturated");
    rates.cpu = Err(Absence::missing("/proc/stat"));
    let lacking = diagnosis(&rates);
    let found = finding(&lacking, "disk-saturated");
    assert!(reason(found).contains("0.70 (no CPU time in /proc/stat)"), "{:?}", found.against);
    assert_eq!(lacking.verdict.bottleneck, "disk-saturated");
    let mut rates = rates_of("none");
    rates.cpu = Err(Absence::missing("/proc/stat"));
    let nothing = diagnosis(&rates);
    assert_eq!(nothing.verdict.bottleneck, "unknown");
    assert!(
        nothing.verdict.summary.to_string().contains("/proc/stat: not there"),
        "{}",
        nothing.verdict.summary
    );
}

#[test]
fn what_is_left_multiplies_down_to_a_fifth() {
    let mut rates = rates_of("disk-latency");
    without_pressure(&mut rates);
    without_io(&mut rates);
    rates.cpu = Err(Absence::missing("/proc/stat"));
    rates.paging.as_mut().unwrap().refault_file_per_second = None;
    rates.io_denied_count = 0;
    let diagnosis = diagnosis(&rates);
    let found = finding(&diagnosis, "disk-latency");
    assert!(found.confidence_ratio >= 0.2 && found.confidence_ratio < 0.4, "{}", found.confidence_ratio);
    assert!(reason(found).matches(" × ").count() >= 4, "{}", reason(found));
    // With all inputs it would be the verdict; without, it is the same one, less sure.
    assert_eq!(diagnosis.verdict.bottleneck, "disk-latency");
    assert_eq!(diagnosis.verdict.confidence, "guess");
}

#[test]
fn every_missing_input_matters_to_a_rule() {
    let node = |rule: &Rule, input: Input| input == Input::Node && rule.scope == Scope::Node;
    for rung in RUNGS {
        let rests = RULES.iter().any(|rule| rule.inputs.contains(&rung.input) || node(rule, rung.input));
        assert!(rests, "no rule rests on {:?}: {}", rung.input, rung.words);
    }
    for rule in RULES {
        for input in rule.inputs {
            assert!(RUNGS.iter().any(|rung| rung.input == *input), "{}: {input:?} costs nothing", rule.id);
        }
    }
}

#[test]
fn an_absent_input_is_one_line_for_all_rules_that_rest_on_it() {
    type Take = fn(&mut Rates);
    let cases: [(&str, Take); 6] = [
        ("CPU time by mode", |rates| rates.cpu = Err(Absence::missing("/proc/stat"))),
        ("paging and swapping", |rates| rates.paging = Err(Absence::missing("/proc/vmstat"))),
        ("disks", |rates| rates.disks = Err(Absence::missing("/proc/diskstats"))),
        ("limits of control groups", |rates| rates.cgroups = Err(Absence::missing("/sys/fs/cgroup"))),
        ("counters of the network", |rates| rates.net_per_second = Err(Absence::missing("/proc/net/snmp"))),
        ("room in file systems", |rates| {
            rates.limits.mounts = Err(Absence::missing("/proc/self/mountinfo"));
        }),
    ];
    for (what, take) in cases {
        let lines =
            |rates: &Rates| diagnosis(rates).not_checked.iter().filter(|item| item.what == what).count();
        let mut rates = rates_of("none");
        assert_eq!(lines(&rates), 0, "{what}");
        take(&mut rates);
        assert_eq!(lines(&rates), 1, "{what}: {:?}", diagnosis(&rates).not_checked);
    }
}

#[test]
fn an_unknown_stall_time_is_not_a_stall_time_of_zero() {
    let mut rates = rates_of("cpu-user");
    without_pressure(&mut rates);
    without_accounts(&mut rates);
    let unknown = finding(&diagnosis(&rates), "cpu-user").impact_ratio;
    assert!(unknown > 0.0, "how long threads waited is not known, so that its rank must do");
}
