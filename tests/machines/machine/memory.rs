//! `/proc/meminfo`, `/proc/vmstat` and `/proc/swaps`.

use super::{GIB, KIB, MIB, Machine, put};
use diag::capture::{Capture, Frame};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

/// What memory is used for; the processes come on top, the rest is free.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    /// Pages of files.
    pub(crate) cache: u64,
    /// tmpfs and shared memory.
    pub(crate) shared: u64,
    pub(crate) slab_reclaimable: u64,
    pub(crate) slab: u64,
    pub(crate) huge_pages: u64,
    pub(crate) huge_pages_free: u64,
    /// What no line of meminfo counts: ZFS, drivers.
    pub(crate) unaccounted: u64,
    pub(crate) dirty: u64,
    pub(crate) swap: Option<Swap>,
    /// Whether the kernel says what is available (3.14).
    pub(crate) says_available: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            total: 16 * GIB,
            cache: 4 * GIB,
            shared: 50 * MIB,
            slab_reclaimable: 300 * MIB,
            slab: 150 * MIB,
            huge_pages: 0,
            huge_pages_free: 0,
            unaccounted: 100 * MIB,
            dirty: 400 * KIB,
            swap: None,
            says_available: true,
        }
    }
}

/// A swap area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swap {
    pub(crate) size: u64,
    pub(crate) used: u64,
}

/// A text of a real machine, for the names that are in it.
pub(super) fn recorded(path: &str) -> &'static str {
    static FRAME: OnceLock<Frame> = OnceLock::new();
    let frame = FRAME.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/none/window.diag");
        Capture::open(&file).unwrap().frames.swap_remove(0)
    });
    std::str::from_utf8(&frame.files[path]).unwrap()
}

impl Machine {
    pub(super) fn put_memory(&self, frame: &mut Frame, at: f64) {
        let memory = &self.memory;
        let (anonymous, mapped) = self.resident(at);
        let stacks = self.threads_count() * 16 * KIB;
        let tables = (anonymous + memory.shared) / 400 + 2 * MIB;
        let percpu = self.cpus as u64 * 800 * KIB;
        let used = anonymous
            + memory.cache
            + memory.shared
            + memory.slab_reclaimable
            + memory.slab
            + memory.huge_pages
            + memory.unaccounted
            + stacks
            + tables
            + percpu;
        let free = memory.total.checked_sub(used);
        let free = free.unwrap_or_else(|| panic!("{} MiB are used of {}", used / MIB, memory.total / MIB));
        let low = (memory.total / 250).min(128 * MIB);
        let reclaimable = |bytes: u64| bytes - (bytes / 2).min(low);
        let available =
            (free + reclaimable(memory.cache) + reclaimable(memory.slab_reclaimable)).saturating_sub(low);
        let swap = memory.swap.unwrap_or(Swap { size: 0, used: 0 });
        let mut lines = vec![("MemTotal", memory.total), ("MemFree", free)];
        lines.extend(memory.says_available.then_some(("MemAvailable", available)));
        lines.extend([
            ("Buffers", memory.cache / 50),
            ("Cached", memory.cache - memory.cache / 50 + memory.shared),
            ("SwapCached", swap.used / 100),
            ("Active", anonymous / 2 + memory.cache / 2),
            ("Inactive", anonymous / 2 + memory.cache / 2 + memory.shared),
            ("Active(anon)", anonymous / 2),
            ("Inactive(anon)", anonymous / 2 + memory.shared),
            ("Active(file)", memory.cache / 2),
            ("Inactive(file)", memory.cache / 2),
            ("Unevictable", 0),
            ("Mlocked", 0),
            ("SwapTotal", swap.size),
            ("SwapFree", swap.size - swap.used),
            ("Dirty", memory.dirty),
            ("Writeback", 0),
            ("AnonPages", anonymous),
            ("Mapped", mapped),
            ("Shmem", memory.shared),
            ("KReclaimable", memory.slab_reclaimable),
            ("Slab", memory.slab_reclaimable + memory.slab),
            ("SReclaimable", memory.slab_reclaimable),
            ("SUnreclaim", memory.slab),
            ("KernelStack", stacks),
            ("PageTables", tables),
            ("CommitLimit", memory.total / 2 + swap.size),
            ("Committed_AS", anonymous + memory.shared),
            ("VmallocTotal", 32 * 1024 * GIB),
            ("VmallocUsed", 60 * MIB),
            ("Percpu", percpu),
            ("AnonHugePages", 0),
        ]);
        let mut text: String =
            lines.iter().map(|(name, bytes)| format!("{name}: {} kB\n", bytes / KIB)).collect();
        let _ = write!(
            text,
            "HugePages_Total: {}\nHugePages_Free: {}\nHugePages_Rsvd: 0\nHugePages_Surp: 0\nHugepagesize: 2048 kB\n\
             Hugetlb: {} kB\n",
            memory.huge_pages / (2 * MIB),
            memory.huge_pages_free / (2 * MIB),
            memory.huge_pages / KIB
        );
        put(frame, "proc/meminfo", &text);
        let mut areas = "Filename Type Size Used Priority\n".to_owned();
        if let Some(Swap { size, used }) = memory.swap {
            let _ = writeln!(areas, "/dev/dm-1 partition {} {} -2", size / KIB, used / KIB);
        }
        put(frame, "proc/swaps", &areas);
        let levels = [
            ("nr_free_pages", free),
            ("nr_anon_pages", anonymous),
            ("nr_file_pages", memory.cache + memory.shared),
            ("nr_shmem", memory.shared),
            ("nr_slab_reclaimable", memory.slab_reclaimable),
            ("nr_slab_unreclaimable", memory.slab),
            ("nr_inactive_anon", anonymous / 2 + memory.shared),
            ("nr_active_anon", anonymous / 2),
            ("nr_inactive_file", memory.cache / 2),
            ("nr_active_file", memory.cache / 2),
            ("nr_dirty", memory.dirty),
            ("nr_mapped", mapped),
            ("nr_dirty_threshold", available / 5),
            ("nr_dirty_background_threshold", available / 10),
        ];
        self.put_vmstat(frame, at, &levels);
    }

    fn put_vmstat(&self, frame: &mut Frame, at: f64, levels: &[(&str, u64)]) {
        let read: f64 = self.whole_disks().map(|disk| disk.reads * disk.read_kib).sum();
        let written: f64 = self.whole_disks().map(|disk| disk.writes * disk.write_kib).sum();
        let own = [
            ("pgpgin", read),
            ("pgpgout", written),
            ("nr_dirtied", written / 4.0),
            ("nr_written", written / 4.0),
            ("pgfault", 2000.0),
            ("pgmajfault", 0.2),
            ("pgalloc_normal", 20_000.0),
            ("pgfree", 20_000.0),
            ("numa_hit", 20_000.0),
            ("numa_local", 20_000.0),
        ];
        let value = |name: &str| {
            if let Some((_, bytes)) = levels.iter().find(|(level, _)| *level == name) {
                return bytes / 4096;
            }
            let rates = self.vm.iter().chain(&own);
            rates
                .into_iter()
                .find(|(counter, _)| *counter == name)
                .map_or(0, |(_, rate)| self.counter(*rate, at))
        };
        let names: Vec<&str> =
            recorded("proc/vmstat").lines().filter_map(|line| line.split(' ').next()).collect();
        for (name, _) in &self.vm {
            assert!(names.contains(name), "no kernel counts {name}");
        }
        let gone =
            |name: &str| self.without.iter().any(|start| format!("proc/vmstat/{name}").starts_with(start));
        let kept = names.iter().filter(|name| !gone(name));
        put(frame, "proc/vmstat", &kept.map(|name| format!("{name} {}\n", value(name))).collect::<String>());
    }
}
