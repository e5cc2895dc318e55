//! `/proc/diskstats`, `/sys/block` and the file systems.

use super::{GIB, Machine, TIB, put};
use diag::capture::Frame;
use std::fmt::Write as _;

/// A block device; what it did since the boot had the same shape.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) name: &'static str,
    pub(crate) reads: f64,
    pub(crate) read_kib: f64,
    pub(crate) read_ms: f64,
    pub(crate) writes: f64,
    pub(crate) write_kib: f64,
    pub(crate) write_ms: f64,
    pub(crate) flushes: f64,
    pub(crate) flush_ms: f64,
    /// Requests that discard, with the time of one.
    pub(crate) discards: (f64, f64),
    /// Share of the time in which it had a request.
    pub(crate) busy: f64,
    /// How long requests took on average since the boot, beside what they take now.
    pub(crate) usual: f64,
    pub(crate) rotational: bool,
    pub(crate) size: u64,
    /// What it stands on.
    pub(crate) slaves: Vec<&'static str>,
    /// `dm/name` or `md/level`, with the text.
    pub(crate) made_of: Option<(&'static str, &'static str)>,
    /// Milliseconds that its counters of time are ahead: they wrap at 32 bits.
    pub(crate) ahead_ms: u64,
}

impl Disk {
    /// One that does what a quiet server does.
    pub(crate) fn nvme(name: &'static str) -> Self {
        Self {
            name,
            reads: 2.0,
            read_kib: 16.0,
            read_ms: 0.1,
            writes: 12.0,
            write_kib: 12.0,
            write_ms: 0.05,
            flushes: 1.0,
            flush_ms: 0.4,
            discards: (0.0, 0.0),
            busy: 0.002,
            usual: 1.0,
            rotational: false,
            size: TIB,
            slaves: Vec::new(),
            made_of: None,
            ahead_ms: 0,
        }
    }

    /// One that spins.
    pub(crate) fn spinning(name: &'static str) -> Self {
        let quiet = Self::nvme(name);
        Self {
            read_ms: 8.0,
            write_ms: 6.0,
            flush_ms: 12.0,
            busy: 0.06,
            rotational: true,
            size: 4 * TIB,
            ..quiet
        }
    }
}

/// A file system with its use.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) path: String,
    pub(crate) source: String,
    pub(crate) kind: &'static str,
    pub(crate) device: String,
    pub(crate) size: u64,
    pub(crate) used: f64,
    pub(crate) inodes: u64,
    pub(crate) inodes_used: f64,
}

impl Mount {
    pub(crate) fn new(path: &str, source: &str, kind: &'static str, size: u64, used: f64) -> Self {
        // A number of its own for each.
        let number = source
            .bytes()
            .chain(path.bytes())
            .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let device = format!("{}:{}", if source.starts_with("/dev") { 253 } else { 0 }, number % 100_000);
        let (path, source) = (path.to_owned(), source.to_owned());
        Self { path, source, kind, device, size, used, inodes: size / (16 << 10), inodes_used: used / 3.0 }
    }

    pub(crate) fn root() -> Self {
        Self::new("/", "/dev/nvme0n1p2", "ext4", 200 * GIB, 0.4)
    }
}

impl Machine {
    /// Those that stand on nothing else.
    pub(super) fn whole_disks(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter().filter(|disk| disk.slaves.is_empty())
    }

    pub(super) fn put_disks(&self, frame: &mut Frame, at: f64) {
        let mut text = String::new();
        for (index, disk) in self.disks.iter().enumerate() {
            let count = |rate: f64| self.counter(rate, at);
            let before = self.uptime * self.history * disk.usual;
            let ms =
                |rate: f64| ((rate * (before + at)).round() as u64 + disk.ahead_ms) & u64::from(u32::MAX);
            let spent = |rate: f64, each: f64| ms(rate * each);
            let queue = disk.reads * disk.read_ms
                + disk.writes * disk.write_ms
                + disk.flushes * disk.flush_ms
                + disk.discards.0 * disk.discards.1;
            let _ = write!(
                text,
                " 259 {index} {} {} 0 {} {} {} 0 {} {} {} {} {}",
                disk.name,
                count(disk.reads),
                count(disk.reads * disk.read_kib * 2.0),
                spent(disk.reads, disk.read_ms),
                count(disk.writes),
                count(disk.writes * disk.write_kib * 2.0),
                spent(disk.writes, disk.write_ms),
                (queue / 1000.0).round(),
                ms(disk.busy * 1000.0),
                ms(queue),
            );
            if !self.without.contains(&"proc/diskstats/discards") {
                let (rate, each) = disk.discards;
                let _ = write!(
                    text,
                    " {} 0 {} {} {} {}",
                    count(rate),
                    count(rate * 8192.0),
                    spent(rate, each),
                    count(disk.flushes),
                    spent(disk.flushes, disk.flush_ms)
                );
            }
            text.push('\n');
        }
        put(frame, "proc/diskstats", &text);
    }

    pub(super) fn put_devices(&self, frame: &mut Frame) {
        for disk in &self.disks {
            let path = |file: &str| format!("sys/block/{}/{file}", disk.name);
            put(frame, &path("size"), &format!("{}\n", disk.size / 512));
            put(frame, &path("queue/rotational"), if disk.rotational { "1\n" } else { "0\n" });
            if let Some((file, text)) = disk.made_of {
                put(frame, &path(file), &format!("{text}\n"));
            }
            let slaves = disk.slaves.iter().map(|slave| (*slave).to_owned()).collect();
            frame.listings.insert(path("slaves"), slaves);
        }
    }

    pub(super) fn put_mounts(&self, frame: &mut Frame, last: bool) {
        let mut text =
            "22 1 0:21 / /proc rw,relatime - proc proc rw\n23 1 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
                .to_owned();
        let run = Mount::new("/run", "tmpfs", "tmpfs", self.memory.total / 10, 0.001);
        for (index, mount) in self.mounts.iter().chain([&run]).enumerate() {
            let Mount { path, source, kind, device, size, used, inodes, inodes_used } = mount;
            let _ = writeln!(
                text,
                "{} 1 {device} / {path} rw,relatime shared:1 - {kind} {source} rw",
                30 + index
            );
            if last {
                let free = (*size as f64 * (1.0 - used)) as u64;
                let free_inodes = (*inodes as f64 * (1.0 - inodes_used)) as u64;
                let key = format!("{path}/.statvfs");
                // A twentieth is kept for root, as mke2fs does.
                let kept = if *kind == "ext4" { size / 20 } else { 0 };
                let available = free.saturating_sub(kept);
                let text = format!("{size} {free} {available} {inodes} {free_inodes}\n");
                put(frame, key.trim_start_matches('/'), &text);
            }
        }
        text.push_str(&self.cgroups.mounts());
        put(frame, "proc/self/mountinfo", &text);
    }
}
