//! Control groups of either version.

use super::{Machine, put};
use diag::capture::Frame;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Which control groups there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// One tree, version 2.
    Unified,
    /// A tree for each controller, version 1.
    Legacy,
}

/// Where the trees are.
const LEGACY: [&str; 4] = ["cpu", "memory", "blkio", "pids"];

impl Version {
    pub(super) fn mounts(self) -> String {
        let line = |path: &str, kind: &str, options: &str| {
            format!("90 23 0:90 / /sys/fs/cgroup{path} rw,relatime shared:9 - {kind} {kind} rw{options}\n")
        };
        match self {
            Self::Unified => line("", "cgroup2", ""),
            Self::Legacy => {
                LEGACY.iter().map(|name| line(&format!("/{name}"), "cgroup", &format!(",{name}"))).collect()
            }
        }
    }
}

/// A group below the root of a tree, with the files that are not as every group has them.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// With the controller in front in version 1: `cpu/docker/1`.
    pub(crate) path: String,
    /// Name, text, and what a number behind it gains in a second.
    files: Vec<(String, String, f64)>,
}

impl Group {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), files: Vec::new() }
    }

    /// A file that stays as it is.
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned(), 0.0));
        self
    }

    /// Counters: a name and a rate a second each; they were 1000 at the start where they move.
    pub(crate) fn counts(mut self, file: &str, rates: &[(&str, f64)]) -> Self {
        self.files.extend(rates.iter().map(|(name, rate)| (file.to_owned(), format!("{name} "), *rate)));
        self
    }

    /// A quota of CPU time: CPUs, and the share of the periods in which it held the group back, for how many CPUs'
    /// worth of time.
    pub(crate) fn quota(self, cpus: f64, throttled: f64, held_back: f64) -> Self {
        let text = format!("{:.0} 100000\n", cpus * 100_000.0);
        let legacy = self.path.starts_with("cpu/");
        let held =
            if legacy { ("throttled_time", held_back * 1e9) } else { ("throttled_usec", held_back * 1e6) };
        let counted =
            self.counts("cpu.stat", &[("nr_periods", 10.0), ("nr_throttled", 10.0 * throttled), held]);
        if legacy {
            let quota = format!("{:.0}\n", cpus * 100_000.0);
            return counted.with("cpu.cfs_quota_us", &quota).with("cpu.cfs_period_us", "100000\n");
        }
        counted.with("cpu.max", &text)
    }

    /// A limit of memory, version 2: what is used of it, hits of the limit a second.
    pub(crate) fn memory(self, limit: u64, used: u64, hits: f64) -> Self {
        self.with("memory.max", &format!("{limit}\n"))
            .with("memory.high", "max\n")
            .with("memory.current", &format!("{used}\n"))
            .with("memory.stat", "anon 1000000\ninactive_file 4096\n")
            .counts(
                "memory.events",
                &[("low", 0.0), ("high", 0.0), ("max", hits), ("oom", 0.0), ("oom_kill", 0.0)],
            )
    }

    /// What it read and wrote, version 2, by the index of the disk.
    pub(crate) fn io(mut self, disk: usize, read: f64, written: f64) -> Self {
        for (text, rate) in [
            (format!("259:{disk} rbytes="), read),
            (" wbytes=".to_owned(), written),
            (" rios=".to_owned(), read / 16e3),
            (" wios=".to_owned(), written / 16e3),
        ] {
            self.files.push(("io.stat".to_owned(), text, rate));
        }
        self
    }

    /// Its own stalled time, as shares.
    pub(crate) fn stalled(mut self, resource: &str, some: f64, full: f64) -> Self {
        for (kind, share) in [("some", some), ("full", full)] {
            let percent = share * 100.0;
            let text = format!("{kind} avg10={percent:.2} avg60={percent:.2} avg300={percent:.2} total=");
            self.files.push((format!("{resource}.pressure"), text, share * 1e6));
        }
        self
    }
}

impl Machine {
    pub(super) fn put_groups(&self, frame: &mut Frame, at: f64) {
        let top = "sys/fs/cgroup";
        let mut children: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let roots: &[&str] = if self.cgroups == Version::Legacy { &LEGACY } else { &[""] };
        for root in roots {
            children.entry(format!("{top}/{root}").trim_end_matches('/').to_owned()).or_default();
        }
        if self.cgroups == Version::Unified {
            put(frame, &format!("{top}/cgroup.controllers"), "cpuset cpu io memory hugetlb pids rdma misc\n");
        }
        for group in &self.groups {
            let mut directory = top.to_owned();
            for name in group.path.trim_start_matches('/').split('/') {
                children.entry(directory.clone()).or_default().insert(name.to_owned());
                directory = format!("{directory}/{name}");
                children.entry(directory.clone()).or_default();
            }
            let mut texts: BTreeMap<&str, String> = BTreeMap::new();
            for (name, start, rate) in &group.files {
                let text = texts.entry(name).or_default();
                // A counter begins a line, or goes on with one.
                if start.starts_with(' ') {
                    text.pop();
                }
                text.push_str(start);
                if start.ends_with([' ', '=']) {
                    let base = if *rate > 0.0 { 1000.0 } else { 0.0 };
                    let _ = writeln!(text, "{:.0}", base + rate * at);
                }
            }
            for (name, text) in texts {
                put(frame, &format!("{directory}/{name}"), &text);
            }
            let path = match self.cgroups {
                Version::Unified => group.path.clone(),
                Version::Legacy => group.path.trim_start_matches('/').split_once('/').unwrap().1.to_owned(),
            };
            let members: String =
                self.members(path.trim_start_matches('/'), at).map(|pid| format!("{pid}\n")).collect();
            put(frame, &format!("{directory}/cgroup.procs"), &members);
        }
        for (directory, names) in children {
            frame.listings.insert(format!("{directory}/.directories"), names.into_iter().collect());
        }
    }
}
