//! Profiles one after the other leave no file open and no memory behind; alone in its program, so that nothing else
//! opens or allocates meanwhile.

#![allow(clippy::disallowed_methods, reason = "a test reads files")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, as in the tests themselves")]

use diag::profile::on_cpu;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks of profiles whose growth is compared.
const BLOCKS: usize = 5;

/// Profiles in a block.
const PROFILES: usize = 5;

/// Bytes per profile from which it is a leak.
const LEAK_BYTES: i64 = 256;

/// Bytes that are allocated and not freed. The resident size says less: it grows with what the allocator holds back,
/// by megabytes on a loaded machine, and a leak may hide in what it holds.
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator cannot be written otherwise")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this call, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; `pointer` came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn live_bytes() -> i64 {
    i64::try_from(LIVE_BYTES.load(Ordering::Relaxed)).unwrap()
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The buffers that the kernel writes samples to are mapped, not allocated.
fn mapped_buffers() -> usize {
    fs::read_to_string("/proc/self/maps").unwrap().matches("[perf_event]").count()
}

/// What each block of profiles added, from the smallest to the largest.
fn growth_bytes(mut profile: impl FnMut()) -> [i64; BLOCKS] {
    let mut before = live_bytes();
    let mut growth = [0; BLOCKS];
    for grown in &mut growth {
        (0..PROFILES).for_each(|_| profile());
        let now = live_bytes();
        (*grown, before) = (now - before, now);
    }
    growth.sort_unstable();
    growth
}

/// Whether memory grows with the number of profiles. A table that grows once adds to one block, a leak to every one.
fn leaks(growth: &[i64; BLOCKS]) -> bool {
    growth[BLOCKS / 2] >= LEAK_BYTES * PROFILES as i64
}

#[test]
fn profiles_leave_nothing_behind() {
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
    for _ in 0..5 {
        if let Err(error) = every_cpu().and_then(|()| own()) {
            println!("skipped: {error}");
            return;
        }
    }
    let before = (open_files(), mapped_buffers());
    let all = growth_bytes(|| every_cpu().unwrap());
    let one = growth_bytes(|| own().unwrap());
    println!("bytes more for {PROFILES} profiles each: {all:?} of all CPUs, {one:?} of one process");
    assert_eq!((open_files(), mapped_buffers()), before);
    for growth in [all, one] {
        assert!(!leaks(&growth), "{growth:?} bytes more for {PROFILES} profiles each");
    }
    // With a leak, to see that one is found.
    let mut kept = Vec::new();
    let growth = growth_bytes(|| {
        every_cpu().unwrap();
        kept.push(vec![0_u8; 512]);
    });
    assert!(leaks(&growth), "{growth:?} bytes more for {PROFILES} profiles each, and the leak is not found");
}
