//! Machines that are described by a few numbers, for captures whose verdict is known beforehand: what `diag record`
//! would have written on them. The counters are made from the description, so they agree with each other: the CPUs'
//! ticks add up to the window, what the processes used is what `/proc/stat` says, and memory adds up to MemTotal.

mod cpus;
mod devices;
mod groups;
mod memory;
mod network;
mod task_files;
mod tasks;

use diag::capture::{CaptureWriter, Frame, FrameKind, Meta};
use std::time::Duration;

pub(crate) use devices::{Disk, Mount};
pub(crate) use groups::{Group, Version};
pub(crate) use memory::{Memory, Swap};
pub(crate) use network::Link;
pub(crate) use tasks::Process;

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TIB: u64 = 1 << 40;
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 24.0 * HOUR;

/// USER_HZ.
const HZ: f64 = 100.0;

/// Seconds of a window.
const WINDOW: u64 = 5;

/// Samples of the thread states in a second.
const SAMPLES: u64 = 5;

/// What makes a machine.
pub(crate) type Made = fn() -> Machine;

/// Shares of the time in which threads were stalled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stalls {
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) memory_full: f64,
    pub(crate) io: f64,
    pub(crate) io_full: f64,
}

/// A machine. Rates are those of the window, a second; CPU time is in CPUs.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) kernel: &'static str,
    pub(crate) hypervisor: Option<&'static str>,
    pub(crate) container: Option<&'static str>,
    pub(crate) cpus: usize,
    pub(crate) nodes: u32,
    /// Seconds since it was booted.
    pub(crate) uptime: f64,
    /// How much it did since then on average, beside what it does now.
    pub(crate) history: f64,
    /// Stalled time; none where the kernel does not measure it.
    pub(crate) stalls: Option<Stalls>,
    /// The load average, where it is not what runs and waits now.
    pub(crate) load: Option<[f64; 3]>,
    pub(crate) processes: Vec<Process>,
    pub(crate) forks: f64,
    /// Context switches.
    pub(crate) switches: f64,
    pub(crate) hard_interrupts: f64,
    pub(crate) soft_interrupts: f64,
    /// CPUs that take the interrupts, the first ones; 0 for all.
    pub(crate) interrupted_cpus: usize,
    pub(crate) steal: f64,
    pub(crate) memory: Memory,
    /// Counters of `/proc/vmstat`.
    pub(crate) vm: Vec<(&'static str, f64)>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) links: Vec<Link>,
    /// Counters of `/proc/net/snmp` and `netstat`.
    pub(crate) net: Vec<(&'static str, f64)>,
    /// TCP sockets in use, and in TIME_WAIT.
    pub(crate) sockets: (u64, u64),
    pub(crate) cgroups: Version,
    pub(crate) groups: Vec<Group>,
    /// Lines of the kernel's log, with their second after the window's start.
    pub(crate) log: Vec<(f64, &'static str)>,
    /// Any other files, as they are at both ends.
    pub(crate) files: Vec<(String, String, String)>,
    /// Starts of paths that this kernel does not have.
    pub(crate) without: Vec<&'static str>,
}

impl Default for Machine {
    /// A server with four CPUs that has nothing to do.
    fn default() -> Self {
        Self {
            kernel: "6.1.0-25-amd64",
            hypervisor: None,
            container: None,
            cpus: 4,
            nodes: 1,
            uptime: 20.0 * DAY,
            history: 0.6,
            stalls: Some(Stalls { cpu: 0.003, ..Stalls::default() }),
            load: None,
            processes: Vec::new(),
            forks: 3.0,
            switches: 9000.0,
            hard_interrupts: 0.0,
            soft_interrupts: 0.004,
            interrupted_cpus: 0,
            steal: 0.0,
            memory: Memory::default(),
            vm: Vec::new(),
            disks: vec![Disk::nvme("nvme0n1")],
            mounts: vec![Mount::root()],
            links: vec![Link::default()],
            net: Vec::new(),
            sockets: (60, 20),
            cgroups: Version::Unified,
            groups: Vec::new(),
            log: Vec::new(),
            files: Vec::new(),
            without: Vec::new(),
        }
    }
}

impl Machine {
    /// A file that is the same at both ends.
    pub(crate) fn file(&mut self, path: &str, text: &str) {
        self.files.push((path.to_owned(), text.to_owned(), text.to_owned()));
    }

    /// The bytes of a capture of five seconds of it.
    pub(crate) fn capture(&self) -> Vec<u8> {
        let mut writer = CaptureWriter::new(true);
        for step in 0..=WINDOW * SAMPLES {
            let at = step as f64 / SAMPLES as f64;
            let ends = step == 0 || step == WINDOW * SAMPLES;
            if ends {
                writer.add(self.end(if step == 0 { FrameKind::Start } else { FrameKind::End }, at));
                continue;
            }
            if step % SAMPLES == 0 {
                writer.add(self.slice(FrameKind::Slice, at));
            }
            let mut sample = self.frame(FrameKind::Sample, at);
            self.put_load(&mut sample, at);
            self.put_looks(&mut sample, step);
            writer.add(self.tidied(sample));
        }
        writer.finish(self.about(), None).unwrap()
    }

    fn frame(&self, kind: FrameKind, at: f64) -> Frame {
        Frame::new(kind, Duration::from_millis((at * 1000.0).round() as u64))
    }

    /// The counters that are read every second.
    fn slice(&self, kind: FrameKind, at: f64) -> Frame {
        let mut frame = self.frame(kind, at);
        self.put_load(&mut frame, at);
        self.put_cpus(&mut frame, at);
        self.put_memory(&mut frame, at);
        self.put_disks(&mut frame, at);
        self.tidied(frame)
    }

    /// The full snapshot at one end of the window.
    fn end(&self, kind: FrameKind, at: f64) -> Frame {
        let mut frame = self.slice(kind, at);
        let last = kind == FrameKind::End;
        put(&mut frame, "proc/uptime", &format!("{:.2} {:.2}\n", self.uptime + at, self.idle(at)));
        self.put_interrupts(&mut frame, at);
        self.put_processes(&mut frame, at);
        self.put_network(&mut frame, at);
        self.put_mounts(&mut frame, last);
        self.put_groups(&mut frame, at);
        if last {
            self.put_details(&mut frame, at);
            self.put_devices(&mut frame);
            self.put_settings(&mut frame);
            let log: String =
                self.log.iter().enumerate().map(|(line, log)| self.logged(line, *log)).collect();
            put(&mut frame, "dev/kmsg", &log);
        }
        for (path, first, second) in &self.files {
            put(&mut frame, path, if last { second } else { first });
        }
        self.tidied(frame)
    }

    fn logged(&self, line: usize, (at, text): (f64, &str)) -> String {
        format!("4,{},{:.0},-;{text}\n", 900 + line, (self.uptime + at) * 1e6)
    }

    fn put_settings(&self, frame: &mut Frame) {
        for (path, text) in [
            ("fs/file-nr", "9120\t0\t9223372036854775807\n"),
            ("fs/file-max", "9223372036854775807\n"),
            ("kernel/pid_max", "4194304\n"),
            ("kernel/threads-max", "510000\n"),
            ("net/core/netdev_max_backlog", "1000\n"),
            ("net/core/somaxconn", "4096\n"),
            ("net/ipv4/tcp_tw_reuse", "2\n"),
            ("vm/dirty_background_ratio", "10\n"),
            ("vm/dirty_ratio", "20\n"),
            ("vm/dirty_background_bytes", "0\n"),
            ("vm/dirty_bytes", "0\n"),
            ("vm/swappiness", "60\n"),
        ] {
            put(frame, &format!("proc/sys/{path}"), text);
        }
    }

    /// Leaves out what this kernel does not have.
    fn tidied(&self, mut frame: Frame) -> Frame {
        frame.files.retain(|path, _| !self.without.iter().any(|start| path.starts_with(start)));
        frame
    }

    fn about(&self) -> Meta {
        let host = serde_json::json!({"ticks_per_second": HZ as u64, "page_bytes": 4096, "effective_uid": 0, "own_pid": 0,
            "users": {"0": "root", "1000": "alice"}, "hostname": "box", "kernel": self.kernel, "arch": "x86_64",
            "virtualization": self.hypervisor, "container": self.container, "clocksource": "tsc",
            "memory_nodes_count": self.nodes, "cpus_online_count": self.cpus});
        Meta {
            host: serde_json::from_value(host).unwrap(),
            started_at: "2026-05-04T10:00:00Z".parse().unwrap(),
            ended_at: "2026-05-04T10:00:05Z".parse().unwrap(),
            note: None,
            interrupted: false,
            target: None,
        }
    }

    /// A counter that grows by `rate` a second now, and grew by `history` of that since the boot.
    fn counter(&self, rate: f64, at: f64) -> u64 {
        (rate * (self.uptime * self.history + at)).round() as u64
    }
}

fn put(frame: &mut Frame, path: &str, text: &str) {
    frame.files.insert(path.to_owned(), text.as_bytes().to_vec());
}
