//! What the kernel's own threads work for. They are never culprits: something makes them work.

use crate::diagnose::evidence::facts::Facts;
use std::collections::BTreeMap;

/// What a kernel thread serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Freeing memory.
    Memory,
    /// Moving memory together for large pages.
    Compaction,
    /// Packets, timers and the interrupts of devices.
    Interrupts,
    /// Disks and file systems.
    Disks,
    /// Recovery of a device from errors.
    Recovery,
    /// Starting and ending of processes.
    Processes,
    /// A setting or a driver, not the work of a process.
    Itself,
}

/// The threads that do one kind of work.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelWork {
    /// Name of the thread, or of the queue that workers serve.
    pub name: String,
    /// Number of threads.
    pub threads_count: usize,
    /// CPU time of all of them, in CPUs.
    pub cpus: f64,
    /// CPU time of the busiest of them, in CPUs: one thread cannot do more than one CPU can.
    pub busiest_cpus: f64,
    /// What it is for.
    pub served: Served,
    /// The same in words: "it ...".
    pub words: &'static str,
}

/// What the kernel's threads work for, by the beginning of their names (kernel sources; ps(1) shows them in
/// brackets). The longer of two that fit comes first.
const DICTIONARY: &[(&str, Served, &str)] = &[
    ("kswapd", Served::Memory, "frees memory"),
    ("kcompactd", Served::Compaction, "moves memory together for large pages"),
    ("khugepaged", Served::Compaction, "makes large pages"),
    ("ksoftirqd", Served::Interrupts, "handles packets and timers"),
    ("napi/", Served::Interrupts, "handles packets"),
    ("irq/", Served::Interrupts, "handles the interrupts of a device"),
    ("jbd2", Served::Disks, "writes the journal of a file system"),
    ("xfsaild", Served::Disks, "writes the journal of a file system"),
    ("xfs", Served::Disks, "works for a file system"),
    ("ext4", Served::Disks, "works for a file system"),
    ("btrfs", Served::Disks, "works for a file system"),
    ("flush-", Served::Disks, "writes changed pages back"),
    ("writeback", Served::Disks, "writes changed pages back"),
    ("kcryptd", Served::Disks, "encrypts and decrypts a disk"),
    ("dmcrypt", Served::Disks, "encrypts and decrypts a disk"),
    ("loop", Served::Disks, "serves a loop device"),
    ("kblockd", Served::Disks, "hands requests to disks"),
    ("dm-", Served::Disks, "works for a mapped device"),
    ("dm_", Served::Disks, "works for a mapped device"),
    ("md", Served::Disks, "works for a RAID"),
    ("raid", Served::Disks, "works for a RAID"),
    ("z_wr", Served::Disks, "works for ZFS"),
    ("zvol", Served::Disks, "works for ZFS"),
    ("nfsd", Served::Disks, "serves files to other machines"),
    ("rpciod", Served::Disks, "talks to a file server"),
    ("cifsd", Served::Disks, "talks to a file server"),
    ("scsi_eh", Served::Recovery, "recovers a disk from errors"),
    ("nvme-reset", Served::Recovery, "recovers a disk from errors"),
    ("migration", Served::Processes, "moves threads between CPUs"),
    ("rcu", Served::Processes, "frees what the kernel no longer uses"),
    ("kthreadd", Served::Processes, "starts threads of the kernel"),
    ("ksmd", Served::Itself, "looks for equal pages to merge"),
    ("virtballoon", Served::Itself, "gives memory back to the host"),
    ("balloon", Served::Itself, "gives memory back to the host"),
];

impl Facts<'_> {
    /// The kind of work that takes most of the kernel threads' CPU time.
    pub fn busiest_kernel_work(&self) -> Option<KernelWork> {
        let mut kinds: BTreeMap<String, (usize, f64, f64)> = BTreeMap::new();
        for thread in self.rates.processes.iter().filter(|process| process.kernel_thread) {
            let entry = kinds.entry(kind(&thread.comm.to_lossy())).or_default();
            let cpus = thread.cpu_ratio();
            *entry = (entry.0 + usize::from(cpus > 0.0), entry.1 + cpus, entry.2.max(cpus));
        }
        let (name, (threads_count, cpus, busiest_cpus)) =
            kinds.into_iter().max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
        let known = DICTIONARY.iter().find(|(prefix, ..)| name.starts_with(prefix));
        let (served, words) =
            known.map_or((Served::Itself, "works for a driver"), |(_, served, words)| (*served, *words));
        Some(KernelWork { name, threads_count, cpus, busiest_cpus, served, words })
    }
}

/// What threads of one kind have in common: a worker shows its queue behind a sign (`kworker/u8:2-kcryptd`), others
/// carry the number of their CPU or device (`ksoftirqd/3`, `loop0`).
fn kind(comm: &str) -> String {
    if let Some(worker) = comm.strip_prefix("kworker/") {
        return worker.split_once(['-', '+']).map_or("kworker", |(_, queue)| queue).to_owned();
    }
    // An interrupt's thread is named after its line and its device: each is a kind of its own.
    if comm.starts_with("irq/") {
        return comm.to_owned();
    }
    let numbered = |letter: char| letter.is_ascii_digit() || "/:-".contains(letter);
    comm.trim_end_matches(numbered).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_kind_are_one() {
        assert_eq!(kind("kworker/u8:2-kcryptd/254:0"), "kcryptd/254:0");
        assert_eq!(kind("kworker/u8:1+flush-254:0"), "flush-254:0");
        assert_eq!(kind("kworker/0:1H"), "kworker");
        assert_eq!(kind("ksoftirqd/3"), "ksoftirqd");
        assert_eq!(kind("kswapd0"), "kswapd");
        assert_eq!(kind("irq/24-eth0"), "irq/24-eth0");
        assert_eq!(kind("ksmd"), "ksmd");
    }
}
