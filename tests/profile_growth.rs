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
    let profile = || {
        let harvest = on_cpu::every_cpu(997).and_then(|sampling| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            sampling.finish()
        });
        // The names of all that was running; this program was.
        harvest.map(|harvest| drop(harvest.named(&|_| true)))
    };
    // What is allocated once is no growth.
    for _ in 0..5 {
        if let Err(error) = profile() {
            println!("skipped: {error}");
            return;
        }
    }
    let (files_before, resident_before) = (open_files(), resident_kib());
    for _ in 0..50 {
        profile().unwrap();
    }
    assert_eq!(open_files(), files_before);
    let grown = resident_kib() - resident_before;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more");
}
