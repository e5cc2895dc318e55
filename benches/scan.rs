//! What the pass over every process costs next to the bare system calls for the same files.
//!
//! `cargo bench --bench scan` prints one line of `name=value` pairs; `benches/cost.sh` runs it with many processes.
//! The passes take turns in one run and what counts is the thread's own CPU time, so that other work on the box
//! disturbs all of them alike. The ratio is the median over the rounds.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads files and prints")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot read /proc has nothing to say")]

use diag::collect::root::Root;
use diag::collect::tasks::scan::{Scratch, scan, scan_stats};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::path::Path;

/// Rounds that count.
const ROUNDS: usize = 21;

/// Rounds before them, that fill the kernel's name cache and the allocator.
const WARM_UP_ROUNDS: usize = 2;

fn main() {
    let root = Root::live(Path::new("/")).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).unwrap();
    let mut scratch = Scratch::default();
    let mut buffers = Buffers::default();
    let mut rounds = Vec::new();
    let mut processes_count = 0;
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        let bare = cpu_seconds_of(|| bare(proc.as_fd(), &mut buffers));
        let stats = cpu_seconds_of(|| scan_stats(&root, &mut scratch).unwrap());
        let whole = cpu_seconds_of(|| processes_count = scan(&root, &mut scratch).unwrap().processes.len());
        if round >= WARM_UP_ROUNDS {
            rounds.push((bare, stats, whole));
        }
    }
    let of = |value: fn(&(f64, f64, f64)) -> f64| median(rounds.iter().map(value).collect());
    println!(
        "processes={processes_count} rounds={ROUNDS} bare_ms={:.2} stat_ms={:.2} stat_and_io_ms={:.2} \
         stat_ratio={:.3} stat_and_io_ratio={:.3}",
        of(|round| round.0 * 1e3),
        of(|round| round.1 * 1e3),
        of(|round| round.2 * 1e3),
        of(|round| round.1 / round.0),
        of(|round| round.2 / round.0),
    );
}

#[derive(Default)]
struct Buffers {
    names: Vec<u8>,
    path: Vec<u8>,
    bytes: Vec<u8>,
}

/// The least that reading every `stat` takes: list, open, read once, close; nothing is parsed or kept.
fn bare(proc: BorrowedFd<'_>, buffers: &mut Buffers) -> usize {
    let directory = rustix::fs::openat(proc, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    buffers.names.clear();
    buffers.names.reserve(32 << 10);
    let mut entries = RawDir::new(directory.as_fd(), buffers.names.spare_capacity_mut());
    let mut bytes_count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_bytes();
        if !name.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        buffers.path.clear();
        buffers.path.extend_from_slice(name);
        buffers.path.extend_from_slice(b"/stat");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(proc, &*buffers.path, flags, Mode::empty()) else { continue };
        buffers.bytes.clear();
        buffers.bytes.reserve(4096);
        bytes_count += rustix::io::read(&file, spare_capacity(&mut buffers.bytes)).unwrap_or(0);
    }
    bytes_count
}

fn cpu_seconds_of<T>(work: impl FnOnce() -> T) -> f64 {
    let start = thread_cpu_seconds();
    black_box(work());
    thread_cpu_seconds() - start
}

fn thread_cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
