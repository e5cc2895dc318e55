//! `--root` over the trees of other kernels, made by hand: from 2.6.18 to 6.18, with what each of them lacks, and
//! with what is odd but legal. Nothing crashes, nothing hangs, and what is not there is never a zero.

#![allow(clippy::disallowed_methods, reason = "a test writes files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{
    AS_NOBODY, BURN, Burner, can_become_nobody, diag, good, has, one_line, public_copy, raw, report,
};
use tempfile::TempDir;

/// Files of a machine below a directory of their own.
struct Tree {
    folder: TempDir,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("proc")).unwrap();
        Self { folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file; a reader sees the old text or the new one.
    fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let beside = self.path("next");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, file).unwrap();
        self
    }

    fn without(&self, path: &str) -> &Self {
        let file = self.path(path);
        if file.is_dir() {
            fs::remove_dir_all(file).unwrap()
        } else {
            fs::remove_file(file).unwrap()
        }
        self
    }

    /// A process as every kernel shows it, `fields` of its `stat` line from the state on.
    fn process(&self, pid: u32, comm: &str, state: char, flags: u32, ticks: u64) -> &Self {
        let text = format!(
            "{pid} ({comm}) {state} {} {pid} {pid} 0 -1 {flags} 10 0 0 0 {ticks} 5 0 0 20 0 1 0 700 9000000 250 \
             4294967295 1 1 1 1 1 0 0 0 0 0 0 0 17 0\n",
            u32::from(pid > 1)
        );
        self.put(&format!("proc/{pid}/stat"), &text);
        self.put(&format!("proc/{pid}/task/{pid}/stat"), &text);
        self.put(&format!("proc/{pid}/status"), format!("Name:\t{comm}\nUid:\t0\t0\t0\t0\nVmSwap:\t0 kB\n"));
        self.put(&format!("proc/{pid}/cmdline"), format!("/usr/sbin/{comm}\0"))
    }

    fn text(&self) -> String {
        good(&diag(["-v", "--interval", "1s", "--root"]).arg(self.folder.path()).output().unwrap())
    }

    /// The report as JSON, sound by the schema; the text report must come out as well.
    fn report(&self) -> Value {
        assert!(self.text().contains("CPUs"));
        self.json()
    }

    fn json(&self) -> Value {
        report(
            &diag(["--interval", "1s", "--format", "json", "--root"])
                .arg(self.folder.path())
                .output()
                .unwrap(),
        )
    }
}

/// What every kernel has had since 2.6: the files that no report does without.
fn common(tree: &Tree, cpus: impl Iterator<Item = u32> + Clone, columns: &str) {
    let mut stat = format!("cpu  {columns}\n");
    for cpu in cpus {
        let _ = writeln!(stat, "cpu{cpu} {columns}");
    }
    stat.push_str(
        "intr 900 0 5\nctxt 4000\nbtime 1300000000\nprocesses 800\nprocs_running 2\nprocs_blocked 0\n",
    );
    tree.put("proc/stat", stat)
        .put("proc/loadavg", "2.00 1.50 1.00 2/60 900\n")
        .put("proc/uptime", "90000.10 80000.00\n")
        .put("proc/swaps", "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n/dev/sda2 partition 1000 0 -1\n")
        .process(1, "init", 'S', 256, 50)
        .process(70, "worker", 'R', 64, 900);
}

const MEMINFO_2_6: &str = "MemTotal: 1000000 kB\nMemFree: 500000 kB\nBuffers: 1000 kB\nCached: 90000 kB\n\
    SwapCached: 0 kB\nHighTotal: 0 kB\nSwapTotal: 2000 kB\nSwapFree: 2000 kB\nDirty: 4 kB\nWriteback: 0 kB\n";

fn kernel_2_6_18() -> Tree {
    let tree = Tree::new();
    common(&tree, 0..2, "5000 10 900 80000 70 3 4 0");
    tree.put("proc/version", "Linux version 2.6.18-8.el5 (builder@example) (gcc) #1 SMP\n")
        .put("proc/meminfo", MEMINFO_2_6)
        .put("proc/vmstat", "nr_dirty 1\npgpgin 5\npswpin 0\npswpout 0\npgmajfault 9\nallocstall 3\n")
        .put(
            "proc/diskstats",
            "   8    0 sda 1 2 3 4 5 6 7 8 0 10 11\n   8    1 sda1 1 2 3 4\n 104    0 cciss/c0d0 1 2 3 4 5 6 7 8 0 9 9\n",
        )
        .put("proc/mounts", "rootfs / rootfs rw 0 0\n/dev/root / ext3 rw,data=ordered 0 0\n/proc /proc proc rw 0 0\n")
        .put("proc/interrupts", "           CPU0       CPU1\n  0:  100  0  IO-APIC-edge  timer\nNMI: 0 0\nERR: 0\n")
        .put("proc/net/snmp", "Tcp: RtoMin MaxConn OutSegs RetransSegs\nTcp: 200 -1 9 0\n")
        .put("sys/block/cciss!c0d0/size", "900\n")
        .put("sys/block/sda/size", "900\n");
    tree
}

fn kernel_3_10() -> Tree {
    let tree = Tree::new();
    common(&tree, 0..4, "5000 10 900 80000 70 3 4 0 0 0");
    tree.put("proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64\n")
        .put("proc/meminfo", format!("{MEMINFO_2_6}AnonPages: 7 kB\nShmem: 5 kB\nSUnreclaim: 9 kB\n"))
        .put(
            "proc/vmstat",
            "pswpin 0\npswpout 0\npgmajfault 9\npgscan_kswapd_dma 0\npgscan_kswapd_normal 0\npgscan_direct_dma 0\n\
             pgscan_direct_normal 0\npgscan_direct_throttle 0\nallocstall 0\n",
        )
        .put("proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 0 10 11\n 253       0 dm-0 1 2 3 4 5 6 7 8 0 9 9\n")
        .put(
            "proc/1/mountinfo",
            "20 1 8:1 / / rw - xfs /dev/sda1 rw\n30 20 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        )
        .put("sys/fs/cgroup/memory/batch/memory.failcnt", "3\n")
        .put("sys/fs/cgroup/memory/batch/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
    tree
}

fn kernel_4_18() -> Tree {
    let tree = kernel_3_10();
    tree.put("proc/sys/kernel/osrelease", "4.18.0-553.el8.x86_64\n")
        .put("proc/meminfo", format!("{MEMINFO_2_6}MemAvailable: 800000 kB\nShmem: 5 kB\n"))
        .put("proc/vmstat", "pswpin 0\npswpout 0\nallocstall_normal 0\nworkingset_refault 4\noom_kill 0\n")
        .put("proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 0 10 11 0 0 0 0\n");
    tree
}

const PRESSURE: &str =
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";

fn kernel_6_18() -> Tree {
    let tree = Tree::new();
    let online = (0..256).filter(|cpu| *cpu != 17);
    let huge = "18446744073709551615 18446744073709551614 9223372036854775808 4 5 6 7 8 9 10";
    common(&tree, online, huge);
    let mut interrupts = " ".repeat(9);
    (0..256).filter(|cpu| *cpu != 17).for_each(|cpu| interrupts.push_str(&format!(" CPU{cpu}")));
    interrupts.push_str("\n 24:");
    (0..255).for_each(|_| interrupts.push_str(" 4294967295"));
    interrupts.push_str(" PCI-MSI 0-edge nvme0q0\nIPI0: 5 rescheduling\nERR: 0\n");
    let columns = "18446744073709551615 2 3 4 5 6 7 8 0 10 11 12 13 14 15 16 17 18 19 20";
    let mut disks = String::new();
    for name in
        ["nvme0n1", "nvme0c0n1", "md_d0", "dm-7", "cciss/c0d0", "zram0", "loop0", "rbd12", "nbd0", "dasda"]
    {
        let _ = writeln!(disks, " 259 0 {name} {columns}");
    }
    disks.push_str(" 8 0 short 1 2\n 8 16 wrapped 1 2 3 4 5 6 7 8 4294967295 9 10\n");
    tree.put("proc/sys/kernel/osrelease", "6.18.1\n")
        .put("proc/sys/kernel/arch", "s390x\n")
        .put("proc/interrupts", interrupts)
        .put("proc/softirqs", "        CPU0 CPU1\n HI: 1 2\n NET_RX: 18446744073709551615 5\n")
        .put("proc/meminfo", format!("{MEMINFO_2_6}MemAvailable: 18446744073709551615 kB\nZswapped: 0 kB\n"))
        .put(
            "proc/vmstat",
            "pswpin 18446744073709551615\npswpout 1\nworkingset_refault_file 1\noom_kill 0\nodd\n",
        )
        .put("proc/diskstats", disks)
        .put("proc/pressure/cpu", PRESSURE)
        .put("proc/pressure/memory", PRESSURE)
        .put("proc/pressure/io", "some avg10=0.00 avg60=0.00\n")
        .put("proc/pressure/irq", "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")
        .put("proc/net/snmp", "Ip: Forwarding\nIp: 1 2 3\nIcmpMsg:\nTcp: OutSegs\nTcp: -7\n")
        .put("proc/70/io", "read_bytes: 5\n")
        .put("proc/70/task/70/schedstat", "18446744073709551615 9 1\n");
    for name in ["nvme0n1", "md_d0", "dm-7", "cciss!c0d0", "zram0", "loop0", "dasda"] {
        tree.put(&format!("sys/block/{name}/size"), "100\n");
    }
    // More names than a copied directory's size would let one think, and as few.
    for file in 0..7 {
        tree.put(&format!("proc/70/fd/{file}"), "");
    }
    tree.put("proc/70/limits", "Max open files            10                   20                   files\n");
    tree
}

fn value<'a>(report: &'a Value, metric: &str) -> Option<&'a Value> {
    let steps = report["steps"].as_array().unwrap();
    let evidence = steps.iter().flat_map(|step| step["evidence"].as_array().unwrap());
    evidence.into_iter().find(|item| item["metric"] == metric).map(|item| &item["value"])
}

fn not_checked(report: &Value, what: &str) -> bool {
    report["not_checked"].as_array().unwrap().iter().any(|item| item["what"].as_str().unwrap().contains(what))
}

/// What a tree says whose counters do not move: nothing about the window, all about the levels.
fn assert_still(report: &Value, cpus: u64) {
    assert_eq!(report["verdict"]["bottleneck"], "unknown");
    assert!(
        report["verdict"]["summary"].as_str().unwrap().contains("no counter moved"),
        "{}",
        report["verdict"]
    );
    assert_eq!(report["host"]["cpus_online"], cpus);
    assert_eq!(report["host"]["cpus_effective"], cpus as f64);
    assert_eq!(report["host"]["memory_total_bytes"], 1_000_000 * 1024);
    assert_eq!(report["load"]["load5"], 1.5);
    for metric in ["cpu_busy_ratio", "psi_cpu_some_ratio", "psi_memory_some_ratio", "psi_io_some_ratio"] {
        assert_eq!(value(report, metric), Some(&Value::Null), "{metric}");
    }
    assert!(!report["steps"][1]["summary"].as_str().unwrap().contains("waiting for a CPU 0 %"));
    assert!(
        not_checked(report, "room in file systems"),
        "the room is that of the machine that the copy is on"
    );
    let comms: Vec<&str> =
        report["processes"].as_array().unwrap().iter().filter_map(|row| row["comm"].as_str()).collect();
    assert!(comms.contains(&"worker"), "{comms:?}");
    assert!(report["processes"].as_array().unwrap().iter().all(|row| row["read_bytes_per_second"].is_null()));
}

#[test]
fn trees_of_four_kernels() {
    let old = kernel_2_6_18().report();
    assert_still(&old, 2);
    assert_eq!(old["host"]["kernel"], "2.6.18-8.el5");
    assert_eq!(old["host"]["arch"], Value::Null);
    assert!(not_checked(&old, "stall time for memory (PSI)") && not_checked(&old, "softirqs by kind"));
    let middle = kernel_3_10().report();
    assert_still(&middle, 4);
    assert!(
        not_checked(&middle, "stall time for I/O (PSI)") && not_checked(&middle, "counters of the network")
    );
    let later = kernel_4_18().report();
    assert_still(&later, 4);
    assert!(!not_checked(&later, "limits of control groups"));
    let new = kernel_6_18().report();
    assert_still(&new, 255);
    assert_eq!(new["host"]["arch"], "s390x");
    assert!(new["findings"].as_array().unwrap().is_empty(), "{}", new["findings"]);
    assert!(not_checked(&new, "stall time for I/O (PSI)") && !not_checked(&new, "stall time for CPUs (PSI)"));
}

#[test]
fn parts_of_a_tree() {
    // Without processes the system is still reported on; and the other way round.
    let tree = kernel_4_18();
    tree.without("proc/1").without("proc/70");
    let empty = tree.report();
    assert!(empty["processes"].as_array().unwrap().is_empty() && not_checked(&empty, "processes"));
    assert_eq!(empty["load"]["load1"], 2.0);
    let tree = kernel_4_18();
    tree.without("proc/stat");
    let blind = tree.report();
    assert_eq!(blind["verdict"]["bottleneck"], "unknown");
    assert!(not_checked(&blind, "CPU time by mode") && not_checked(&blind, "the number of CPUs"));
    assert_eq!(blind["host"]["memory_total_bytes"], 1_000_000 * 1024);
    tree.put("sys/devices/system/cpu/online", "0-63,128-191\n");
    let counted = tree.report();
    assert_eq!(counted["host"]["cpus_online"], 128);
    assert!(!not_checked(&counted, "the number of CPUs"));
    // With none of it there is one line.
    tree.without("proc/loadavg").without("proc/1").without("proc/70");
    let output = diag(["--interval", "1s", "--root"]).arg(tree.folder.path()).output().unwrap();
    assert!(one_line(&output, 1).contains("/proc/stat"));
}

#[test]
fn a_tree_with_some_processes_only() {
    let tree = kernel_4_18();
    tree.without("proc/1").put("proc/loadavg", "2.00 1.50 1.00 2/900 9000\n");
    let own = tree.report();
    assert!(not_checked(&own, "processes of other users"), "{}", own["not_checked"]);
    // Directories that can be listed and files that are not there.
    fs::create_dir(tree.path("proc/1")).unwrap();
    assert!(not_checked(&tree.report(), "processes"));
}

#[test]
fn the_inside_of_a_container() {
    let tree = kernel_6_18();
    tree.put("proc/1/cgroup", "0::/\n")
        .put("proc/self/cgroup", "0::/docker/0af1\n")
        .put(
            "proc/1/mountinfo",
            "1 0 0:30 / / rw - overlay overlay rw\n2 1 0:31 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        )
        .put("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
        .put("sys/fs/cgroup/job/cpu.stat", "usage_usec 5\nnr_periods 9\nnr_throttled 1\nthrottled_usec 7\n")
        .put("sys/fs/cgroup/job/memory.events", "low 0\nhigh 0\nmax 2\noom 0\noom_kill 0\n");
    let inside = tree.report();
    assert_still(&inside, 255);
    assert_eq!(inside["host"]["container"], "docker");
}

/// The report on a tree of which `step` writes the state at each tenth of a second, by its number: what a file system
/// over the network shows of another machine.
fn moving(tree: &Tree, step: impl Fn(u64) + Sync) -> Value {
    let done = AtomicBool::new(false);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // By the clock: on a loaded machine this thread runs less often.
                step(u64::try_from(began.elapsed().as_millis() / 100).unwrap() + 1);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let report = tree.json();
        done.store(true, Ordering::Relaxed);
        report
    })
}

#[test]
fn a_container_is_the_machine_to_its_processes() {
    let tree = kernel_4_18();
    let pressure = |total: u64| {
        let line = format!("avg10=50.00 avg60=9.00 avg300=1.00 total={total}");
        format!("some {line}\nfull {line}\n")
    };
    tree.put(".dockerenv", "")
        .put("proc/1/mountinfo", "2 1 0:31 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
        .put("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
        .put("sys/fs/cgroup/cgroup.procs", "0\n70\n")
        .put("sys/fs/cgroup/cpu.max", "50000 100000\n")
        .put("sys/fs/cgroup/memory.max", "104857600\n")
        .put("sys/fs/cgroup/memory.current", "52428800\n")
        .put("sys/fs/cgroup/memory.stat", "inactive_file 1048576\n")
        .put("sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")
        .put("sys/fs/cgroup/memory.pressure", pressure(5))
        .put("sys/fs/cgroup/io.pressure", pressure(5));
    let report = moving(&tree, |step| {
        let ticks = 5000 + 2 * step;
        let idle = 80_000 + 18 * step;
        tree.put("proc/uptime", format!("{}.50 80000.00\n", 90_000 + step))
            .put(
                "proc/stat",
                format!("cpu  {ticks} 0 900 {idle} 70 3 4 0\ncpu0 {ticks} 0 900 {idle} 70 3 4 0\n"),
            )
            .put(
                "sys/fs/cgroup/cpu.stat",
                format!(
                    "usage_usec 5\nnr_periods {}\nnr_throttled {}\nthrottled_usec {}\n",
                    10 * step,
                    9 * step,
                    100_000 * step
                ),
            )
            .put("sys/fs/cgroup/cpu.pressure", pressure(90_000 * step))
            .process(70, "worker", 'R', 64, 900 + 2 * step);
    });
    let verdict = &report["verdict"];
    assert_eq!(verdict["bottleneck"], "cpu-throttled", "{verdict}");
    assert_eq!(verdict["culprit"]["comm"], "worker", "{verdict}");
    let summary = verdict["summary"].as_str().unwrap();
    assert!(summary.contains("of this container may use 0.50 CPUs"), "{summary}");
    assert_eq!(report["host"]["cpus_effective"], 0.5);
    assert_eq!(report["host"]["memory_limit_bytes"], 104_857_600);
    assert!(not_checked(&report, "processes outside of this container"), "{}", report["not_checked"]);
    let sources = report["steps"].to_string();
    assert!(sources.contains("/proc/loadavg (node)"), "{sources}");
    assert!(sources.contains("cpu.pressure some total of this container"), "{sources}");
}

#[test]
fn an_old_kernel_that_moves() {
    let tree = kernel_2_6_18();
    let report = moving(&tree, |step| {
        let mut stat = format!("cpu  {} 10 900 80000 70 3 4 0\n", 5000 + 20 * step);
        let _ =
            write!(stat, "cpu0 {0} 5 450 40000 35 1 2 0\ncpu1 {0} 5 450 40000 35 1 2 0\n", 2500 + 10 * step);
        let uptime = format!("{}.50 80000.00\n", 90_000 + step);
        tree.put("proc/uptime", uptime).put("proc/stat", stat).process(
            70,
            "worker",
            'R',
            64,
            900 + 20 * step,
        );
        tree.put("proc/loadavg", "9.00 8.00 7.00 9/60 900\n");
    });
    assert_eq!(report["verdict"]["bottleneck"], "cpu-user", "{}", report["verdict"]);
    assert_eq!(report["verdict"]["culprit"]["comm"], "worker");
    let against = report["findings"][0]["against"].to_string();
    assert!(against.contains("0.75 (no PSI) × 0.85 (neither PSI nor schedstat)"), "{against}");
    assert!(report["findings"][0]["summary"].as_str().unwrap().contains("an unknown share of the time"));
    assert!(
        not_checked(&report, "how long each thread waits") && not_checked(&report, "disk I/O by process")
    );
}

/// This machine as it looks through a `/proc` that shows each user only their own processes.
#[test]
#[allow(clippy::print_stderr, reason = "the reason of a skipped test")]
fn a_proc_that_hides_the_others() {
    const REFUSED: i32 = 77;
    if !can_become_nobody() || !has("unshare") {
        return;
    }
    let (_folder, program) = public_copy();
    let burner = Burner::start(b"hidden-burner", BURN, &[]);
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc || exit {REFUSED}; exec {} \"$0\" --interval 2s --format json",
        AS_NOBODY.join(" ")
    );
    let output = raw("unshare").args(["--mount", "sh", "-c", &script]).arg(&program).output().unwrap();
    drop(burner);
    if output.status.code() != Some(0) {
        eprintln!("skipped: cannot mount /proc anew: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hidden = report["not_checked"].as_array().unwrap().iter();
    let line = hidden.clone().find(|item| item["what"] == "processes of other users").unwrap();
    assert!(line["reason"].as_str().unwrap().contains("CPUs' worth"), "{line}");
    assert!(line["unlock"].as_str().unwrap().contains("hidepid=0"), "{line}");
    assert!(!report.to_string().contains("hidden-burner"));
}
