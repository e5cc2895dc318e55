//! Profiles one after the other leave no file open and no memory behind; alone in its program, so that nothing else
//! opens or allocates meanwhile.

#![allow(clippy::disallowed_methods, reason = "a test reads files")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, as in the tests themselves")]

use diag::profile::on_cpu;
use std::fs;

/// Memory that may be more after fifty profiles than before: a few blocks of the allocator.
const GROWTH_KIB_MAX: i64 = 4 * 1024;

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn fifty_profiles_leave_nothing_behind() {
    // Of all CPUs no file stays open. What others run beside this test decides how much memory their samples take, so
    // that is looked at below, where only this program is sampled.
    let every_cpu = || {
        let harvest = on_cpu::every_cpu(997).and_then(|sampling| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            sampling.finish()
        });
        harvest.map(drop)
    };
    let own_pid = i32::try_from(std::process::id()).unwrap();
    let own = || {
        let harvest = on_cpu::attach(&[own_pid], 997).and_then(|sampling| {
            let sum = (0..2_000_000_u64).fold(0, |sum, step| std::hint::black_box(sum ^ step));
            assert!(sum < u64::MAX);
            sampling.finish()
        });
        harvest.map(|harvest| drop(harvest.named(&|_| true)))
    };
    // What is allocated once is no growth.
    for _ in 0..10 {
        if let Err(error) = every_cpu().and_then(|()| own()) {
            println!("skipped: {error}");
            return;
        }
    }
    let files_before = open_files();
    (0..50).for_each(|_| every_cpu().unwrap());
    assert_eq!(open_files(), files_before);
    own().unwrap();
    let resident_before = resident_kib();
    (0..50).for_each(|_| own().unwrap());
    assert_eq!(open_files(), files_before);
    let grown = resident_kib() - resident_before;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more");
}
