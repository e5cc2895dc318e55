//! Whatever the kernel, a broken kernel or a stranger's capture says: an answer or an error, never a panic, and
//! never a number that cannot be.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::app::report::report;
use diag::capture::{Capture, CaptureWriter, Frame, FrameKind, Meta};
use diag::collect::kernel::{
    diskstats, file_locks, interrupts, loadavg, meminfo, net_dev, pressure, stat, swaps, uptime, vmstat,
};
use diag::collect::tasks::{details, scan, thread_files, wait_details};
use diag::collect::text;
use diag::diagnose;
use diag::diagnose::Options;
use diag::diagnose::code_evidence::waits;
use diag::diagnose::thresholds::in_force::BUILT_IN;
use diag::diagnose::thresholds::{ALL, SETTINGS, Thresholds};
use diag::model::bottleneck::Sort;
use diag::model::profile::ProfileWait;
use diag::model::snapshot::Recording;
use diag::model::target::Asked;
use diag::render::text::TextOptions;
use diag::{delta, render};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use support::{MadeBox, assert_harmless, rates, replay, sound};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

// Parsers.

/// Every parser of the kernel's texts; what they give does not matter here.
fn parse_all(bytes: &[u8]) {
    let _ = loadavg::parse(bytes);
    let _ = stat::parse(bytes);
    let _ = pressure::parse(bytes);
    let _ = meminfo::parse(bytes);
    let _ = vmstat::parse(bytes);
    let _ = diskstats::parse(bytes);
    let _ = swaps::parse(bytes);
    let _ = uptime::parse(bytes);
    let _ = interrupts::parse(bytes);
    let _ = net_dev::parse(bytes);
    let _ = scan::parse_stat(bytes).map(|stat| stat.cpu_ticks());
    let _ = scan::parse_io(bytes);
    let _ = text::number(bytes);
    let _ = details::parse_cgroups(bytes).map(|paths| delta::cgroup::unit(paths.deepest()));
    let _ = details::parse_status(bytes);
    let _ = details::parse_rollup(bytes);
    let _ = thread_files::parse_schedstat(bytes);
    let _ = thread_files::parse_wait_channel(bytes);
    let _ = wait_details::parse_syscall(bytes);
    let _ = wait_details::parse_stack(bytes);
    let _ = file_locks::parse(bytes);
}

/// One text of each kind, as a kernel writes it.
const TEXTS: [&[u8]; 18] = [
    b"0.52 1.48 2.84 2/117 29391\n",
    b"cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 10 20 30 40 50 60 70 80 90 100\nintr 5 1 2\nctxt 9\nbtime 1\n\
      processes 4\nprocs_running 2\nprocs_blocked 1\nsoftirq 1 2\n",
    b"some avg10=4.50 avg60=0.91 avg300=0.00 total=681245\nfull avg10=2.10 avg60=0.12 avg300=100.00 total=391926\n",
    b"MemTotal: 24612088 kB\nMemFree: 1 kB\nMemAvailable: 9 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapTotal: 3 kB\n\
      SwapFree: 4 kB\nDirty: 5 kB\nWriteback: 6 kB\nHugePages_Total: 7\nHugepagesize: 2048 kB\n",
    b"pswpin 1\npswpout 2\npgmajfault 3\nallocstall_normal 4\nworkingset_refault_file 5\noom_kill 0\n",
    b" 253 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n 8 1 sda1 1 2 3 4\n",
    b"Filename\tType\tSize\tUsed\tPriority\n/swap\\040file file 1024 512 -2\n",
    b"350735.47 234388.90\n",
    b"      CPU0   CPU1\n 24: 1 2 PCI-MSI eth0\nERR: 0\nLOC: 3 4 Local timer interrupts\n",
    b"Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs \
      drop fifo colls carrier compressed\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    b"812 (a) R 1 (b) R 810 810 809 0 -1 4194304 134 0 3 0 517 21 4 2 20 0 1 0 96231 60198912 1250 \
      18446744073709551615 1 1 0 0 0 0 0 16781312 0 0 0 0 17 1 0 0 0 0 0\n",
    b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n",
    b"4:memory:/lab\n1:name=systemd:/system.slice/docker-4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9aabcd\
      .scope\n0::/kubepods/podaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/x\n",
    b"Name:\tx\nUid:\t1000\t0\t0\t0\nRssAnon:\t 12 kB\nRssShmem:\t 1 kB\nVmSwap:\t 12 kB\nCpus_allowed_list:\t0-1\n\
      Pss: 60 kB\nSwapPss: 8 kB\n",
    b"5123456789 20111 4521\n",
    b"202 0x7f0102030405 0x80 0x2 0x0 0x0 0xffffffff 0x7ffd00000000 0x7f0000001234\n",
    b"[<0>] submit_bio_wait+0x5a/0x80\n[<0>] ext4_sync_file+0x1/0x2 [ext4]\n[<ffffffffffffffff>] 0xffffffffffffffff\n",
    b"1: FLOCK  ADVISORY  WRITE 812 08:01:4711 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 900 08:01:4711 0 EOF\n",
];

/// What numbers, separators and names can be replaced by.
const WORDS: [&[u8]; 20] = [
    b"NaN",
    b"inf",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"4294967296",
    b"-1",
    b"0",
    b"",
    b"1e308",
    b"99999999999999999999999999999999",
    b"\xff\xfe",
    b"\x1b[31m\n",
    b"\0",
    b"(",
    b")",
    b":",
    "é/日本".as_bytes(),
    b" kB\n",
];

/// Those that a process may be called without being mistaken for a number that is none.
const NAMES: &[&[u8]] = WORDS.split_at(2).1;

/// Replaces words, cuts, and flips bytes.
fn mutated(text: &[u8], words: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let is_separator = |byte: &u8| byte.is_ascii_whitespace() || b":/=()".contains(byte);
    let mut bytes = Vec::new();
    for part in text.split_inclusive(is_separator) {
        let (word, separator) =
            part.split_at(part.len() - usize::from(part.last().is_some_and(is_separator)));
        bytes.extend_from_slice(if dice.one_in(6) { dice.pick(words) } else { word });
        bytes.extend_from_slice(if dice.one_in(40) { b"" } else { separator });
    }
    for _ in 0..dice.below(3) {
        if let Some(length) = (bytes.len() as u64).checked_sub(1).filter(|length| *length > 0) {
            bytes[dice.below(length) as usize] = dice.next() as u8;
        }
    }
    if dice.one_in(6) {
        bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
    }
    bytes
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn no_parser_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        parse_all(&bytes);
    }

    #[test]
    fn no_parser_panics_on_text_that_a_kernel_might_have_written(which in 0..TEXTS.len(), seed in any::<u64>()) {
        parse_all(&mutated(TEXTS[which], &WORDS, &mut Dice::new(seed)));
    }
}

#[test]
fn the_texts_are_what_the_parsers_take() {
    // Otherwise their mutations would be refused at the first line.
    assert!(
        loadavg::parse(TEXTS[0]).is_ok()
            && stat::parse(TEXTS[1]).is_ok()
            && pressure::parse(TEXTS[2]).is_ok()
    );
    assert!(meminfo::parse(TEXTS[3]).is_ok() && vmstat::parse(TEXTS[4]).is_ok());
    assert_eq!(diskstats::parse(TEXTS[5]).unwrap().len(), 1);
    assert!(swaps::parse(TEXTS[6]).is_ok() && uptime::parse(TEXTS[7]).is_ok());
    assert!(interrupts::parse(TEXTS[8]).is_ok() && net_dev::parse(TEXTS[9]).is_ok());
    assert!(scan::parse_stat(TEXTS[10]).is_ok() && scan::parse_io(TEXTS[11]).is_some());
    assert!(details::parse_cgroups(TEXTS[12]).is_ok() && details::parse_status(TEXTS[13]).is_ok());
    assert!(details::parse_rollup(TEXTS[13]).is_ok() && thread_files::parse_schedstat(TEXTS[14]).is_some());
}

// Random boxes.

/// Random numbers from one seed, so that a box of thousands of processes is one number to repeat it.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// How a counter is between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counters {
    /// It grows.
    Growing,
    /// It is anything below some size: it goes backwards as often as not.
    Backwards,
    /// As above, and now and then at the end of what 64 bits hold.
    Extreme,
}

/// A box of random numbers at a few moments.
struct RandomBox {
    dice: Dice,
    counters: Counters,
    processes_count: u64,
    /// One in so many files is not there.
    absent: u64,
    /// Number of the moment.
    moment: u64,
}

const COMMS: [&[u8]; 9] = [
    b"nginx",
    b"postgres",
    b"kworker/0:1",
    b"kswapd0",
    b"ksoftirqd/1",
    b"a) R 1 (b",
    b"\x1b[31m\n\xff",
    b"",
    "日本語日本".as_bytes(),
];

const CHANNELS: [&[u8]; 12] = [
    b"0",
    b"folio_wait_bit_common",
    b"io_schedule",
    b"rq_qos_wait",
    b"balance_dirty_pages",
    b"request_wait_answer",
    b"jbd2_log_wait_commit",
    b"mem_cgroup_handle_over_high",
    b"kernel_clone",
    b"rwsem_down_write_slowpath",
    b"futex_do_wait",
    b"\x1b[2J",
];

const DEVICES: [&str; 6] = ["vda", "sda", "nvme0n1", "dm-0", "md0", "loop0"];

const VM: [&str; 20] = [
    "pswpin",
    "pswpout",
    "pgmajfault",
    "pgscan_direct",
    "pgscan_direct_normal",
    "pgsteal_direct",
    "pgscan_kswapd",
    "pgsteal_kswapd",
    "pgscan_anon",
    "pgscan_file",
    "pgscan_khugepaged",
    "pgscan_proactive",
    "allocstall",
    "allocstall_dma",
    "allocstall_normal",
    "workingset_refault_file",
    "workingset_refault",
    "oom_kill",
    "nr_dirty",
    "compact_stall",
];

impl RandomBox {
    fn new(seed: u64, counters: Counters, processes_count: u64) -> Self {
        let mut dice = Dice::new(seed);
        let absent = dice.pick(&[4, 30, 1 << 40]);
        Self { dice, counters, processes_count, absent, moment: 0 }
    }

    fn count(&mut self) -> u64 {
        let size = self.dice.pick(&[1, 100, 10_000, 1 << 30]);
        match self.counters {
            Counters::Growing => (self.moment << 31) + self.dice.below(size),
            Counters::Extreme if self.dice.one_in(3) => {
                let near = self.dice.below(5);
                let edge = self.dice.pick(&[u64::MAX, i64::MAX as u64, u64::from(u32::MAX), 1 << 54]);
                if self.dice.one_in(3) { self.dice.next() } else { edge.wrapping_sub(near) }
            }
            _ => self.dice.below(size),
        }
    }

    fn counts(&mut self, how_many: usize) -> String {
        (0..how_many).map(|_| self.count().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn task_stat(&mut self, id: u64) -> Vec<u8> {
        let comm = COMMS[(id % COMMS.len() as u64) as usize];
        let state = self.dice.pick(&["R", "D", "S", "S", "Z", "T", "I", "x"]);
        let (ppid, flags) = (self.dice.below(50), if id.is_multiple_of(7) { 0x0020_0000 } else { 0 });
        let (faults, times) = (self.count(), self.counts(4));
        let (nice, threads) =
            (self.dice.below(40) as i64 - 20, self.dice.pick(&[0, 1, 2, 500, u64::from(u32::MAX)]));
        // Ids are used again: now and then another process has the same.
        let start = if self.dice.one_in(10) { self.count() } else { id };
        let rss = self.count().min(i64::MAX as u64);
        let fields = format!(
            ") {state} {ppid} {ppid} {ppid} 0 -1 {flags} 9 0 {faults} 0 {times} 20 {nice} {threads} 0 {start} 9 {rss} \
             9 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 {} 0\n",
            self.dice.below(7)
        );
        [format!("{id} (").as_bytes(), comm, fields.as_bytes()].concat()
    }

    fn files(&mut self, kind: FrameKind, frame: &mut Frame) {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |path: &str, text: String| files.push((path.to_owned(), text.into_bytes()));
        let load = self.dice.pick(&[
            "0.00 0.00 0.00",
            "9.50 2.00 1.00",
            "0.10 50.00 80.00",
            "NaN inf -1",
            "1e300 0 0",
        ]);
        add("proc/loadavg", format!("{load} {}/{} 77\n", self.count(), self.count()));
        let mut text = format!("cpu  {}\n", self.counts(10));
        for cpu in 0..self.dice.pick(&[0, 1, 2, 2, 16]) {
            let _ = writeln!(text, "cpu{cpu} {}", self.counts(10));
        }
        for name in ["intr", "ctxt", "processes", "procs_running", "procs_blocked"] {
            let _ = writeln!(text, "{name} {}", self.count());
        }
        add("proc/stat", text);
        for resource in ["cpu", "memory", "io"] {
            let averages = self
                .dice
                .pick(&["avg10=0.00 avg60=0.00 avg300=0.00", "avg10=99.0 avg60=100.00 avg300=100.50"]);
            let (some, full) = (self.count(), self.count());
            add(
                &format!("proc/pressure/{resource}"),
                format!("some {averages} total={some}\nfull {averages} total={full}\n"),
            );
        }
        let mut text = String::new();
        for name in [
            "MemTotal",
            "MemFree",
            "MemAvailable",
            "Buffers",
            "Cached",
            "SwapTotal",
            "SwapFree",
            "AnonPages",
            "Shmem",
            "SUnreclaim",
            "Dirty",
            "Writeback",
            "Hugepagesize",
        ] {
            let _ = writeln!(text, "{name}: {} kB", self.count() >> 10);
        }
        add("proc/meminfo", text);
        let vm: Vec<String> = VM
            .iter()
            .map(|name| (name, self.count()))
            .map(|(name, count)| format!("{name} {count}\n"))
            .collect();
        add("proc/vmstat", vm.concat());
        let mut text = String::new();
        for name in DEVICES {
            let _ = writeln!(text, " 8 0 {name} {}", self.counts(17));
        }
        add("proc/diskstats", text);
        add(
            "proc/swaps",
            format!(
                "Filename Type Size Used Priority\n/s file {} {} -2\n",
                self.count() >> 11,
                self.count() >> 11
            ),
        );
        add("proc/uptime", format!("{}.00 1.00\n", self.count()));
        for file in ["interrupts", "softirqs"] {
            let lines =
                [" 24", "LOC", "NET_RX"].map(|name| format!("{name}: {} some device\n", self.counts(2)));
            add(&format!("proc/{file}"), format!("  CPU0 CPU1\n{}", lines.concat()));
        }
        let net = format!("Inter-|\n face |\n eth0: {}\n lo: {}\n", self.counts(16), self.counts(16));
        add("proc/1/net/dev", net);
        if kind == FrameKind::End {
            for name in DEVICES {
                add(&format!("sys/block/{name}/size"), "99\n".to_owned());
                add(
                    &format!("sys/block/{name}/queue/rotational"),
                    self.dice.pick(&["0\n", "1\n", "x"]).to_owned(),
                );
            }
            add("sys/block/loop0/loop/backing_file", "/var/\u{1b}disk\n".to_owned());
            frame
                .listings
                .insert("sys/block/dm-0/slaves".to_owned(), vec!["vda".to_owned(), "gone".to_owned()]);
        }
        for (path, bytes) in files {
            // Without it there is no window at all, which is looked at elsewhere.
            if path == "proc/stat" || !self.dice.one_in(self.absent) {
                frame.files.insert(path, bytes);
            }
        }
    }

    fn process(&mut self, kind: FrameKind, id: u64, frame: &mut Frame) {
        let stat = self.task_stat(id);
        frame.files.insert(format!("proc/{id}/stat"), stat);
        if !self.dice.one_in(self.absent) {
            let io = format!(
                "read_bytes: {}\nwrite_bytes: {}\ncancelled_write_bytes: {}\n",
                self.count(),
                self.count(),
                self.count()
            );
            frame.files.insert(format!("proc/{id}/io"), io.into_bytes());
        }
        if kind == FrameKind::End && id < 60 && !self.dice.one_in(self.absent) {
            let paths =
                ["0::/", "0::/system.slice/x.service", "0::/\u{1b}.service\n4:cpu:/docker", "garbage"];
            frame
                .files
                .insert(format!("proc/{id}/cgroup"), format!("{}\n", self.dice.pick(&paths)).into_bytes());
            frame.files.insert(format!("proc/{id}/cmdline"), b"\x1b]0;x\x07\0\xff\0--flag\0".to_vec());
            let status = format!(
                "Uid:\t{}\nRssAnon: {} kB\nRssShmem: {} kB\nVmSwap: {} kB\n",
                self.dice.below(3),
                self.count(),
                self.count(),
                self.count()
            );
            frame.files.insert(format!("proc/{id}/status"), status.into_bytes());
            let rollup = format!("Pss: {} kB\nSwapPss: {} kB\n", self.count(), self.count());
            frame.files.insert(format!("proc/{id}/smaps_rollup"), rollup.into_bytes());
            let channel = self.dice.pick(&CHANNELS).to_vec();
            frame.files.insert(format!("proc/{id}/wchan"), channel);
        }
    }

    /// What a closer look finds.
    fn wait_detail(&mut self, id: u64, tid: u64, frame: &mut Frame) {
        let call =
            self.dice.pick(&["running", "-1 0x7ffd00000000 0x1", "0", "74", "73", "202", "99999", "x"]);
        let address = self.dice.pick(&["0x3", "0x7f0000001000", "0xffffffffffffffff"]);
        let stack = self.dice.pick(&["0x7ffd00000000", "0xffff"]);
        let syscall = format!("{call} {address} 0x80 0x2 0x0 0x0 0x0 {stack} 0x1\n");
        let frames = [0, 1].map(|_| String::from_utf8_lossy(self.dice.pick(&CHANNELS)).into_owned());
        let frames = frames.map(|name| format!("[<0>] {name}+0x1/0x2\n")).concat();
        for (file, text) in [("syscall", syscall), ("stack", frames)] {
            let path = format!("proc/{id}/task/{tid}/{file}");
            if self.dice.one_in(self.absent) {
                frame.absences.insert(path, diag::model::reading::AbsenceKind::Denied);
            } else {
                frame.files.insert(path, text.into_bytes());
            }
        }
        let link = self.dice.pick(&["/x\u{1b}[2J", "socket:[9]", "pipe:[1]", ""]);
        frame.links.insert(format!("proc/{id}/fd/3"), link.to_owned());
        let owner = self.dice.pick(&["3", "1", "", "-1", "99999999999999999999"]);
        frame.files.insert(format!("proc/{id}/.owner/7f0000001000"), owner.as_bytes().to_vec());
    }

    fn thread(&mut self, id: u64, tid: u64, frame: &mut Frame) {
        let stat = self.task_stat(tid);
        frame.files.insert(format!("proc/{id}/task/{tid}/stat"), stat);
        if !self.dice.one_in(self.absent) {
            let sched = format!("{}\n", self.counts(3));
            frame.files.insert(format!("proc/{id}/task/{tid}/schedstat"), sched.into_bytes());
        }
        let channel = self.dice.pick(&CHANNELS).to_vec();
        frame.files.insert(format!("proc/{id}/task/{tid}/wchan"), channel);
        if matches!(frame.kind, FrameKind::Target | FrameKind::Watch) && self.dice.one_in(2) {
            self.wait_detail(id, tid, frame);
        }
    }

    fn frame(&mut self, kind: FrameKind, at: Duration) -> Frame {
        self.moment += 1;
        let mut frame = Frame::new(kind, at);
        if !matches!(kind, FrameKind::Sample | FrameKind::Target | FrameKind::Watch) {
            self.files(kind, &mut frame);
        }
        frame.listings.insert("proc".to_owned(), Vec::new());
        let full = kind == FrameKind::Start || kind == FrameKind::End;
        for id in 1..=self.processes_count {
            if full && !self.dice.one_in(8) {
                self.process(kind, id, &mut frame);
            }
            // Few of many, as the sampling would.
            if kind != FrameKind::Slice && (id < 30 || self.dice.one_in(50)) && !self.dice.one_in(4) {
                self.thread(id, id, &mut frame);
                if self.dice.one_in(3) {
                    self.thread(id, id + 1_000_000, &mut frame);
                }
            }
        }
        frame.listings.remove("proc");
        if self.processes_count == 0 {
            frame.listings.insert("proc".to_owned(), Vec::new());
        }
        frame
    }

    fn capture(&mut self) -> Capture {
        let seconds = self.dice.pick(&[0, 0, 1, 5, 5, 5, 3600, 1 << 33]);
        let length =
            Duration::from_secs(seconds) + Duration::from_nanos(self.dice.pick(&[0, 1, 999_999_999]));
        let target = match self.dice.below(4) {
            0 => None,
            1 => Some(Asked::Unit("nginx\u{1b}".to_owned())),
            _ => Some(Asked::Pid(3)),
        };
        let mut frames = vec![self.frame(FrameKind::Start, Duration::ZERO)];
        if target.is_some() {
            frames.push(self.frame(FrameKind::Target, Duration::ZERO));
        }
        for step in 1..self.dice.below(6) {
            // Clocks do not go backwards, but a capture may say so.
            let at = if self.dice.one_in(20) { length * 2 } else { length.mul_f64(step as f64 / 6.0) };
            frames.push(self.frame(FrameKind::Slice, at));
            frames.push(self.frame(FrameKind::Sample, at));
            let kind = if target.is_some() { FrameKind::Target } else { FrameKind::Watch };
            frames.push(self.frame(kind, at));
        }
        frames.push(self.frame(FrameKind::End, length));
        let extreme = self.counters == Counters::Extreme;
        let ticks = if extreme { self.dice.pick(&[0, 1, 100, u64::MAX]) } else { 100 };
        let page = if extreme { self.dice.pick(&[0, 4096, 65_536, u64::MAX]) } else { 4096 };
        let host = serde_json::json!({"ticks_per_second": ticks, "page_bytes": page, "effective_uid": 0,
            "own_pid": self.dice.below(9), "users": {"0": "root\u{1b}", "1": "alice"}, "hostname": "\u{202e}box",
            "arch": self.dice.pick(&[None, Some("x86_64"), Some("aarch64")]),
            "container": self.dice.pick(&[None, Some("docker\n")]),
            "cpus_allowed_count": self.dice.pick(&[None, Some(0), Some(1), Some(64)])});
        let meta = Meta {
            host: serde_json::from_value(host).unwrap(),
            started_at: "2024-05-01T10:00:00Z".parse().unwrap(),
            ended_at: "2024-05-01T10:00:05Z".parse().unwrap(),
            note: None,
            interrupted: self.dice.one_in(2),
            target,
        };
        Capture { meta, diag_version: "0".to_owned(), samples: None, frames }
    }

    fn options(&mut self) -> Options<'static> {
        let sorts = [None, Some(Sort::Cpu), Some(Sort::Memory), Some(Sort::Io), Some(Sort::Wait)];
        Options {
            sort: self.dice.pick(&sorts),
            top: self.dice.pick(&[1, 10, 100_000]),
            pid: Some(3),
            profiled: self.dice.one_in(2),
            thresholds: self.dice.pick(&thresholds()),
        }
    }
}

/// The defaults, limits that everything reaches, and limits that nothing does.
fn thresholds() -> [&'static Thresholds; 3] {
    static EXTREME: OnceLock<[Thresholds; 2]> = OnceLock::new();
    let all = |most: bool| {
        let number = |max: f64| if most { max } else { 0.0 };
        let mut text = String::new();
        for limit in ALL {
            text += &format!("{}.warning = {:?}\n", limit.key, number(limit.max()));
            if limit.built_in().critical.is_some() {
                text += &format!("{}.critical = {:?}\n", limit.key, number(limit.max()));
            }
        }
        for setting in SETTINGS {
            text += &format!("{}.value = {:?}\n", setting.key, number(setting.max()));
        }
        Thresholds::default().with_file("f", text.as_bytes()).unwrap()
    };
    let [none, most] = EXTREME.get_or_init(|| [false, true].map(all));
    [BUILT_IN, none, most]
}

/// The first float in a value's debug text that is no number, with what stands before it; JSON would show it as
/// null. With `sentences`, also where it became a word of one, or a zero became negative.
fn no_number(debug: &str, sentences: bool) -> Option<String> {
    let end_of_word = |c: char| !c.is_alphanumeric() && c != '_';
    let (mut at, mut quoted) = (0, false);
    for word in debug.split_inclusive(end_of_word) {
        let bare = word.trim_end_matches(end_of_word);
        let negative_zero = bare == "0" && debug[..at].ends_with(" -");
        if (["NaN", "inf"].contains(&bare) && (sentences || !quoted)) || sentences && quoted && negative_zero
        {
            let start = debug[..at].char_indices().rev().nth(160).map_or(0, |(index, _)| index);
            return Some(debug[start..at + word.len()].to_owned());
        }
        at += word.len();
        quoted ^= word.ends_with('"') && !debug[..at - 1].ends_with('\\');
    }
    None
}

/// The shares of where threads spent their time make up all of it.
fn waits_add_up(waits: &[ProfileWait]) -> Result<(), String> {
    let sum: f64 = waits.iter().map(|wait| wait.ratio).sum();
    let sound = |wait: &ProfileWait| (0.0..=1.0).contains(&wait.ratio) && wait.seconds >= 0.0;
    let words = waits::why(waits).is_none_or(|why| no_number(&format!("{why:?}"), true).is_none());
    let whole = waits.is_empty() || (sum - 1.0).abs() < 1e-6;
    if whole && words && waits.iter().all(sound) { Ok(()) } else { Err(format!("{sum}: {waits:?}")) }
}

/// Everything that follows a recording; what is wrong with the answer. With `sentences` the names in it are none
/// that could be taken for a number.
fn judge(recording: &Recording, options: &Options<'_>, sentences: bool) -> Result<(), String> {
    let rates = rates(recording);
    for pids in [&[3][..], &[1, 2, 3, 4, 5]] {
        waits_add_up(&waits::waits(&rates, pids))?;
        let _ = waits::not_checked(&rates, pids);
    }
    let diagnosis = diagnose::diagnose(&rates, options);
    if let Some(place) = no_number(&format!("{diagnosis:?}"), sentences) {
        return Err(format!("no number: {place}"));
    }
    let report = report(diagnosis, None, &rates, options.thresholds);
    let text = render::json::render(&report).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    sound(&value)?;
    for (width, color) in [(40, false), (100, true)] {
        for (verbose, least) in [(false, 5), (true, 10)] {
            let options = TextOptions { width, color, verbose, ..TextOptions::default() };
            let text = render::text::render(&report, &options);
            if !color {
                assert_harmless(&text);
            }
            if text.lines().count() < least {
                return Err(format!("the text is not one: {text}"));
            }
        }
    }
    Ok(())
}

fn judge_box(seed: u64, counters: Counters, processes_count: u64) -> Result<(), String> {
    let mut made = RandomBox::new(seed, counters, processes_count);
    let (capture, options) = (made.capture(), made.options());
    let recording = replay(capture).map_err(|absence| absence.to_string())?;
    judge(&recording, &options, true)
        .map_err(|what| format!("seed {seed}, {counters:?}, {processes_count}: {what}"))
}

proptest! {
    #![proptest_config(config(120))]

    #[test]
    fn counters_that_grow_give_a_sound_report(seed in any::<u64>(), processes_count in 0_u64..40) {
        judge_box(seed, Counters::Growing, processes_count).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn counters_that_go_backwards_give_a_sound_report(seed in any::<u64>(), processes_count in 0_u64..40) {
        judge_box(seed, Counters::Backwards, processes_count).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn counters_at_the_end_of_their_range_give_a_sound_report(seed in any::<u64>(), processes_count in 0_u64..40) {
        judge_box(seed, Counters::Extreme, processes_count).map_err(TestCaseError::fail)?;
    }
}

/// The same recording, with its processes and threads in another order.
fn shuffled(recording: &Recording, dice: &mut Dice) -> Recording {
    fn shuffle<T>(list: &mut [T], dice: &mut Dice) {
        for last in (1..list.len()).rev() {
            list.swap(last, usize::try_from(dice.below(last as u64 + 1)).unwrap());
        }
    }
    let mut recording = recording.clone();
    shuffle(&mut recording.before.processes, dice);
    shuffle(&mut recording.after.processes, dice);
    shuffle(&mut recording.samples.threads, dice);
    recording
}

/// The diagnosis and the waits of some processes, to the last digit.
fn answer(recording: &Recording, options: &Options<'_>) -> String {
    let rates = rates(recording);
    let waits = waits::waits(&rates, &[1, 2, 3, 4, 5]);
    format!("{:#?}{waits:#?}", diagnose::diagnose(&rates, options))
}

fn order_does_not_matter(
    recording: &Recording,
    options: &Options<'_>,
    dice: &mut Dice,
) -> Result<(), String> {
    let (one, other) = (answer(recording, options), answer(&shuffled(recording, dice), options));
    let pair = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    if one == other { Ok(()) } else { Err(format!("{pair:?}")) }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn the_order_of_processes_does_not_change_the_answer(seed in any::<u64>(), processes_count in 2_u64..40) {
        let mut made = RandomBox::new(seed, Counters::Growing, processes_count);
        let (capture, options) = (made.capture(), made.options());
        if let Ok(recording) = replay(capture) {
            order_does_not_matter(&recording, &options, &mut made.dice).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn the_order_of_processes_does_not_change_the_answer_to_a_real_capture(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let capture = opened()[usize::try_from(dice.below(opened().len() as u64)).unwrap()].clone();
        let recording = replay(capture).unwrap();
        let options = Options { sort: None, top: 100_000, pid: None, profiled: false, thresholds: BUILT_IN };
        order_does_not_matter(&recording, &options, &mut dice).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn thousands_of_processes_give_a_sound_report() {
    for (seed, counters) in [(1, Counters::Growing), (2, Counters::Backwards), (3, Counters::Extreme)] {
        judge_box(seed, counters, 3000).unwrap();
    }
}

#[test]
fn no_process_at_all_gives_a_sound_report() {
    for seed in 0..20 {
        judge_box(seed, Counters::Growing, 0).unwrap();
        judge_box(seed, Counters::Backwards, 0).unwrap();
    }
}

#[test]
fn the_random_boxes_reach_the_rules() {
    // Boxes that were all refused, or all healthy, would prove nothing.
    let mut ids = std::collections::BTreeSet::new();
    for seed in 0..150 {
        let counters = if seed % 2 == 0 { Counters::Growing } else { Counters::Backwards };
        let mut made = RandomBox::new(seed, counters, 20);
        let recording = replay(made.capture()).unwrap();
        let rates = rates(&recording);
        let diagnosis = diagnose::diagnose(&rates, &made.options());
        ids.extend(diagnosis.findings.into_iter().map(|finding| finding.id));
    }
    assert!(ids.len() >= 5, "only {ids:?}");
}

#[test]
fn what_is_no_number_is_found() {
    let (number, word) =
        (|text: &str| no_number(text, false).is_some(), |text: &str| no_number(text, true).is_some());
    assert!(number("Some(NaN), x: 1.0") && number("a: inf }") && number("\"a\\\"b\": -inf"));
    assert!(!number("\"inf\", info: Info, inf_x") && !number("\"a\\\" NaN\", NaNo"));
    assert!(word("\"inf %\"") && word("\"load NaN\"") && word("\"for -0 %\"") && word("\"for -0.0 s\""));
    assert!(!word("\"info 10-0 -1\", -0.0"));
}

// Captures of strangers.

/// A capture of this machine, recorded by the program itself and cut down to some processes: a machine may have
/// ten thousand, and a test has little time.
fn recorded() -> &'static [u8] {
    static RECORDED: OnceLock<Vec<u8>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.diag");
        support::recorded(&support::diag(["record", "--interval", "1s"]).arg(&file).output().unwrap(), &file);
        let mut capture = Capture::open(&file).unwrap();
        let pid = |path: &str| path.strip_prefix("proc/")?.split('/').next()?.parse::<u64>().ok();
        let mut pids: Vec<u64> = capture.frames[0].files.keys().filter_map(|path| pid(path)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.truncate(60);
        let kept = |path: &str| pid(path).is_none_or(|pid| pids.binary_search(&pid).is_ok());
        let mut writer = CaptureWriter::new(true);
        for mut frame in std::mem::take(&mut capture.frames) {
            frame.files.retain(|path, _| kept(path));
            frame.absences.retain(|path, _| kept(path));
            frame.listings.retain(|path, _| kept(path));
            frame.listings.remove("proc");
            writer.add(frame);
        }
        writer.finish(capture.meta, None).unwrap()
    })
}

/// The same and the captures of real faults, read.
fn opened() -> &'static [Capture] {
    static OPENED: OnceLock<Vec<Capture>> = OnceLock::new();
    OPENED.get_or_init(|| {
        let mut captures = vec![Capture::from_reader(recorded(), Path::new("window.diag")).unwrap()];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().join("window.diag"))
            .collect();
        files.sort();
        captures.extend(files.iter().filter(|file| file.exists()).map(|file| Capture::open(file).unwrap()));
        captures
    })
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut tar).unwrap();
    tar
}

fn packed(tar: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(tar).unwrap();
    packer.finish().unwrap()
}

const OPTIONS: Options<'static> =
    Options { sort: None, top: 10, pid: None, profiled: false, thresholds: BUILT_IN };

/// A sound report, or an error of one line that can be printed.
fn error_or_report(bytes: &[u8]) -> Result<bool, String> {
    let error = match Capture::from_reader(bytes, Path::new("window.diag")) {
        Ok(capture) => match replay(capture) {
            Ok(recording) => return judge(&recording, &OPTIONS, false).map(|()| true),
            Err(absence) => absence.to_string(),
        },
        Err(error) => error.to_string(),
    };
    if error.is_empty() || error.contains('\n') { Err(format!("not one line: {error:?}")) } else { Ok(false) }
}

#[test]
fn the_recorded_capture_is_good() {
    assert_eq!(error_or_report(recorded()), Ok(true));
    assert_eq!(error_or_report(&packed(&unpacked(recorded()))), Ok(true));
    assert_eq!(error_or_report(&MadeBox::hostile().capture()), Ok(true));
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn flipped_bytes_of_an_archive(flips in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4)) {
        let mut bytes = recorded().to_vec();
        for (index, mask) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= mask;
        }
        error_or_report(&bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn cut_archives(length in any::<prop::sample::Index>()) {
        let bytes = recorded();
        let cut = &bytes[..length.index(bytes.len())];
        prop_assert_eq!(error_or_report(cut), Ok(false));
    }

    #[test]
    fn flipped_bytes_below_the_compression(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut tar = unpacked(&MadeBox::hostile().capture());
        for _ in 0..=dice.below(12) {
            let index = dice.below(tar.len() as u64) as usize;
            tar[index] = if dice.one_in(2) { dice.next() as u8 } else { dice.pick(b"0159-. \n/") };
        }
        error_or_report(&packed(&tar)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn files_of_real_captures_with_other_words(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let captures = opened();
        let mut capture = captures[dice.below(captures.len() as u64) as usize].clone();
        let one_in = dice.pick(&[2, 10, 100]);
        for frame in &mut capture.frames {
            for bytes in frame.files.values_mut() {
                if dice.one_in(one_in) {
                    *bytes = mutated(bytes, NAMES, &mut dice);
                }
            }
            frame.files.retain(|path, _| path == "proc/stat" || !dice.one_in(50));
        }
        // Without its CPU counters there is no window.
        if let Ok(recording) = replay(capture) {
            judge(&recording, &OPTIONS, false).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn what_a_capture_says_of_itself_with_other_words(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut writer = CaptureWriter::new(true);
        let made = MadeBox::hostile();
        writer.add(made.frame(FrameKind::Start, 0));
        writer.add(made.frame(FrameKind::End, 5));
        let capture = Capture::from_reader(&made.capture()[..], Path::new("x")).unwrap();
        let tar = unpacked(&writer.finish(capture.meta, None).unwrap());
        let start = tar.windows(10).position(|window| window == b"{\"format\":").unwrap();
        let end = start + tar[start..].iter().position(|&byte| byte == b'\n').unwrap();
        let mut meta = tar[start..end].to_vec();
        for _ in 0..=dice.below(4) {
            let at = dice.below(meta.len() as u64) as usize;
            meta[at] = dice.pick(b"0123456789-e.\"{}[],:nt");
        }
        let tar = [&tar[..start], &meta, &tar[end..]].concat();
        error_or_report(&packed(&tar)).map_err(TestCaseError::fail)?;
    }
}
