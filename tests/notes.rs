//! What looks bad and is not, what happened before the window, and since when a fault lasts: each is said with its
//! proof, and is not said where the number is bad after all.
//!
//! The rates are those of a real window; each test changes one thing.

#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::model::cgroup::{CgroupRates, MemoryLimit};
use diag::model::finding::Severity;
use diag::model::kernel_log::{KernelMessage, pattern_of};
use diag::model::limits::{MemoryErrors, RaidArray};
use diag::model::rates::{DiskRates, Rates, WaitShare};
use diag::model::report::Since;
use diag::model::task::State;
use support::{diagnosis, rates_of};

/// The notes of a healthy box after `change`.
fn notes(change: impl Fn(&mut Rates)) -> Vec<String> {
    let mut rates = rates_of("none");
    // The capture still remembers what ran before it.
    rates.load.as_mut().unwrap().one = rates.makeup.running_mean;
    change(&mut rates);
    let diagnosis = diagnosis(&rates);
    let notes = diagnosis.findings.iter().filter(|finding| finding.id == "none");
    notes
        .inspect(|note| assert_eq!(note.severity, Severity::Info))
        .map(|note| note.summary.to_string())
        .collect()
}

/// That the change, and nothing before it, brings a note with these words, and that the verdict stays healthy.
fn assert_noted(words: &str, change: impl Fn(&mut Rates)) {
    let has = |notes: &[String]| notes.iter().any(|note| note.contains(words));
    assert!(!has(&notes(|_| {})), "{words}: there before");
    let after = notes(&change);
    assert!(has(&after), "{words}: {after:?}");
    let mut rates = rates_of("none");
    change(&mut rates);
    assert_eq!(diagnosis(&rates).verdict.bottleneck, "none", "{words}");
}

fn disk(rates: &mut Rates) -> &mut DiskRates {
    let disks = rates.disks.as_mut().unwrap();
    disks.iter_mut().find(|disk| disk.leaf && !disk.name.starts_with("loop")).unwrap()
}

/// A disk that one reader keeps busy and that answers at once.
fn busy_disk(rates: &mut Rates) {
    let disk = disk(rates);
    (disk.reads_per_second, disk.read_bytes_per_second) = (9000.0, 4e7);
    (disk.read_await_seconds, disk.queue_mean, disk.completed_count) = (Some(0.0001), 0.97, 27_000);
    disk.utilization_ratio = 0.97;
}

fn iowait(rates: &mut Rates) {
    let cpu = rates.cpu.as_mut().unwrap();
    cpu.iowait_ratio = 0.4;
    cpu.idle_ratio -= 0.4;
}

#[test]
fn load_that_is_left_over() {
    assert_noted("is left over", |rates| rates.load.as_mut().unwrap().one = 9.0);
}

#[test]
fn iowait_of_one_reader() {
    assert_noted("iowait is idle CPU time", |rates| {
        iowait(rates);
        busy_disk(rates);
    });
    assert_noted("which is not its limit", busy_disk);
    // A queue of slow answers is another matter.
    let slow = notes(|rates| {
        iowait(rates);
        busy_disk(rates);
        let disk = disk(rates);
        (disk.queue_mean, disk.read_await_seconds) = (40.0, Some(0.05));
    });
    assert!(slow.iter().all(|note| !note.contains("iowait") && !note.contains("no limit")), "{slow:?}");
}

#[test]
fn iowait_of_io_uring() {
    assert_noted("waits for io_uring completions", |rates| {
        iowait(rates);
        let thread = rates.threads.iter_mut().find(|thread| !thread.kernel_thread).unwrap();
        thread.waits.push(WaitShare {
            state: State::Sleeping,
            function: Some("io_cqring_wait".to_owned()),
            mean: 0.9,
        });
    });
}

#[test]
fn memory_full_of_files_and_old_swap() {
    assert_noted("which is not a shortage", |rates| {
        let memory = rates.memory.as_mut().unwrap();
        memory.free_bytes = memory.total_bytes / 50;
        memory.available_bytes = Some(memory.total_bytes / 2);
    });
    assert_noted("without swap traffic", |rates| {
        let memory = rates.memory.as_mut().unwrap();
        (memory.swap_total_bytes, memory.swap_free_bytes) = (4 << 30, 1 << 30);
    });
    let moving = notes(|rates| {
        let memory = rates.memory.as_mut().unwrap();
        (memory.swap_total_bytes, memory.swap_free_bytes) = (4 << 30, 1 << 30);
        rates.paging.as_mut().unwrap().swap_in_per_second = Some(3.0);
    });
    assert!(moving.iter().all(|note| !note.contains("without swap traffic")), "{moving:?}");
}

#[test]
fn a_group_full_of_files() {
    assert_noted("page cache that the kernel can drop at once", |rates| {
        let memory = MemoryLimit {
            usage_bytes: Some(200 << 20),
            limit_bytes: Some(200 << 20),
            inactive_file_bytes: Some(150 << 20),
            ..MemoryLimit::default()
        };
        let group = CgroupRates { path: "/batch".to_owned(), memory: Some(memory), ..CgroupRates::default() };
        rates.cgroups.as_mut().unwrap().push(group);
    });
}

#[test]
fn parents_in_vfork_and_zombies_of_a_moment() {
    assert_noted("start a child with vfork(2)", |rates| {
        let thread = rates.threads.iter_mut().find(|thread| !thread.kernel_thread).unwrap();
        thread.waits.push(WaitShare {
            state: State::Uninterruptible,
            function: Some("kernel_clone".to_owned()),
            mean: 0.8,
        });
    });
    assert_noted("7 processes became zombies", |rates| rates.zombies = vec![(1, 0, 7)]);
    let old = notes(|rates| rates.zombies = vec![(1, 7, 7)]);
    assert!(old.iter().all(|note| !note.contains("zombies")), "{old:?}");
}

fn message(rates: &mut Rates, ago_seconds: f64, level: u8, text: &str) {
    let at_seconds = rates.uptime_seconds.unwrap() - ago_seconds;
    // What is of no pattern is not kept.
    let Some(pattern) = pattern_of(level, text) else { return };
    let log = rates.limits.kernel_log.as_mut().unwrap();
    let sequence = log.last().map_or(0, |last| last.sequence + 1);
    let text = text.to_owned();
    log.push(KernelMessage { sequence, at_seconds, level, text, pattern, in_window: None });
}

#[test]
fn crashes_and_an_unclean_restart() {
    const CRASH: &str = "mysqld[812]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in mysqld[55d0+1000]";
    assert_noted("mysqld (pid 812) crashed", |rates| message(rates, 600.0, 6, CRASH));
    let long_ago = notes(|rates| {
        rates.uptime_seconds = Some(90_000.0);
        message(rates, 7200.0, 6, CRASH);
    });
    assert!(long_ago.iter().all(|note| !note.contains("crashed")), "{long_ago:?}");
    assert_noted("had not been shut down cleanly", |rates| {
        let uptime = rates.uptime_seconds.unwrap();
        message(rates, uptime - 2.0, 6, "EXT4-fs (vda1): recovery complete");
    });
}

#[test]
fn hardware_that_fails_without_a_message() {
    let verdict = |change: &dyn Fn(&mut Rates)| {
        let mut rates = rates_of("none");
        change(&mut rates);
        let verdict = diagnosis(&rates).verdict;
        (verdict.bottleneck, verdict.severity, verdict.summary.to_string())
    };
    let errors = |corrected_count, uncorrected_count| MemoryErrors { corrected_count, uncorrected_count };
    let (id, severity, _) = verdict(&|rates| rates.memory_errors = Some(errors(9, 0)));
    assert_eq!((id.as_str(), severity), ("hw-error", Severity::Warning));
    let (id, severity, _) = verdict(&|rates| rates.memory_errors = Some(errors(0, 1)));
    assert_eq!((id.as_str(), severity), ("hw-error", Severity::Critical));
    let (id, ..) = verdict(&|rates| rates.memory_errors = Some(errors(0, 0)));
    assert_eq!(id, "none");
    let array = |working_count| RaidArray {
        name: "md0".to_owned(),
        members_count: 2,
        working_count,
        rebuilding: Some("recovery"),
    };
    let (id, severity, summary) = verdict(&|rates| rates.hardware.arrays = vec![array(1)]);
    assert_eq!((id.as_str(), severity), ("hw-error", Severity::Warning));
    assert!(summary.contains("md0 runs with 1 of 2 members; recovery is running"), "{summary}");
    let (id, ..) = verdict(&|rates| rates.hardware.arrays = vec![array(2)]);
    assert_eq!(id, "none");
}

/// Since when the CPUs are short, and what step 1 says of it, where the culprit started `age` seconds ago.
fn since_of(averages: [f64; 3], age: f64) -> (Option<Since>, String) {
    let mut rates = rates_of("cpu-user");
    rates.cpu_pressure.as_mut().unwrap().some_averages = averages;
    let load = rates.load.as_mut().unwrap();
    [load.one, load.five, load.fifteen] = averages.map(|average| 8.0 * average);
    let uptime = rates.uptime_seconds.unwrap();
    for process in &mut rates.processes {
        process.started_seconds = uptime - age;
    }
    let diagnosis = diagnosis(&rates);
    (diagnosis.verdict.since, diagnosis.steps[0].summary.to_string())
}

#[test]
fn since_goes_by_the_longest_average_that_is_high_throughout() {
    for (averages, since, words) in [
        ([0.9, 0.9, 0.9], Since::Sustained, "high for a quarter of an hour"),
        ([0.9, 0.9, 0.0], Since::Minutes, "high for a few minutes"),
        ([0.9, 0.0, 0.0], Since::JustNow, "high for about a minute"),
        // What the longest average remembers is other work.
        ([0.0, 0.0, 0.9], Since::JustNow, "started within the last minute"),
    ] {
        let (told, summary) = since_of(averages, 3600.0);
        assert_eq!(told, Some(since), "{averages:?}");
        assert!(summary.contains(words), "{averages:?}: {summary}");
    }
}

#[test]
fn since_is_never_longer_than_the_culprit_has_lived() {
    for (age, since) in [(2.0, Since::JustNow), (90.0, Since::Minutes), (301.0, Since::Sustained)] {
        assert_eq!(since_of([0.9, 0.9, 0.9], age).0, Some(since), "{age} s");
    }
}

#[test]
fn since_is_left_out_where_no_counter_tells() {
    assert_eq!(diagnosis(&rates_of("disk-full")).verdict.since, None);
}
