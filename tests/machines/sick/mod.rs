//! Machines that have a bottleneck, with what an expert would say of them.

mod cpu;
mod memory;
mod network;
mod storage;

use crate::machine::{Made, Stalls};

/// What is true of a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Verdicts that are right.
    pub(crate) verdict: &'static [&'static str],
    /// Severities that are right.
    pub(crate) severity: &'static [&'static str],
    /// Names one of which is to blame; empty where that does not matter.
    pub(crate) culprit: &'static [&'static str],
    /// Words that the summary or the culprit must hold.
    pub(crate) says: &'static [&'static str],
    /// Findings that must be listed.
    pub(crate) lists: &'static [&'static str],
}

/// Programs wait.
const BAD: Truth =
    Truth { verdict: &[], severity: &["warning", "critical"], culprit: &[], says: &[], lists: &[] };

/// Many wait, most of the time.
const WORST: Truth = Truth { severity: &["critical"], ..BAD };

pub(crate) const ALL: &[(&str, Truth, Made)] = &[
    ("full-cpus", Truth { verdict: &["cpu-user"], culprit: &["php-fpm"], ..WORST }, cpu::full_cpus),
    ("too-hot", Truth { verdict: &["cpu-thermal"], says: &["because of heat"], ..WORST }, cpu::too_hot),
    ("power-limit", Truth { verdict: &["cpu-thermal"], says: &["1200 MHz"], ..WORST }, cpu::power_limit),
    ("proxy-60-30-10", Truth { verdict: &["cpu-user"], culprit: &["envoy"], ..WORST }, cpu::proxy_60_30_10),
    (
        "full-cpus-without-psi",
        Truth { verdict: &["cpu-user"], culprit: &["java"], ..WORST },
        cpu::full_cpus_without_psi,
    ),
    (
        "one-cpu-for-four",
        Truth { verdict: &["cpu-user"], culprit: &["python3"], ..WORST },
        cpu::one_cpu_for_four,
    ),
    ("cpus-512-full", Truth { verdict: &["cpu-user"], culprit: &["spark"], ..WORST }, cpu::cpus_512_full),
    ("stolen", Truth { verdict: &["cpu-steal"], ..BAD }, cpu::stolen),
    (
        "nested-quota-v1",
        Truth { verdict: &["cpu-throttled"], culprit: &["node"], says: &["pod7"], ..BAD },
        cpu::nested_quota_v1,
    ),
    ("root-full", Truth { verdict: &["disk-full"], says: &["/ "], ..WORST }, storage::root_full),
    (
        "one-disk-of-two",
        Truth { verdict: &["disk-saturated"], culprit: &["mysqld"], says: &["sdb"], ..BAD },
        storage::one_disk_of_two,
    ),
    (
        "slow-nfs-beside-disk",
        Truth { verdict: &["io-blocked"], says: &["network"], ..BAD },
        storage::slow_nfs_beside_disk,
    ),
    (
        "lock-of-8-cpus",
        Truth { verdict: &["lock-contention"], culprit: &["tokend"], ..BAD },
        cpu::lock_of_8_cpus,
    ),
    (
        "tmpfs-and-swap",
        Truth {
            verdict: &["memory-unowned", "memory-swap"],
            culprit: &["", "/dev/shm", "tmpfs"],
            says: &["shm"],
            ..WORST
        },
        memory::tmpfs_and_swap,
    ),
    (
        "pod-oom",
        Truth { verdict: &["memory-oom", "memory-cgroup-limit"], says: &["pod3"], ..BAD },
        memory::pod_oom,
    ),
    (
        "slow-volume-queue",
        Truth { verdict: &["disk-saturated"], culprit: &["mongod"], says: &["nvme1n1"], ..WORST },
        storage::slow_volume_queue,
    ),
    (
        "swap-without-psi",
        Truth { verdict: &["memory-swap"], culprit: &["java"], ..BAD },
        memory::swap_without_psi,
    ),
    ("gateway-table-full", Truth { verdict: &["conntrack-full"], ..BAD }, network::gateway_table_full),
    (
        "slice-thrashes",
        Truth { verdict: &["memory-cgroup-limit"], says: &["batch.slice"], ..BAD },
        memory::slice_thrashes,
    ),
    (
        "ring-fills-disk",
        Truth { verdict: &["disk-saturated"], severity: &["warning"], culprit: &["scylla"], ..BAD },
        storage::ring_fills_disk,
    ),
    (
        "one-request-at-a-time",
        Truth { verdict: &["io-bound"], severity: &["notice"], culprit: &["indexer"], ..BAD },
        storage::one_request_at_a_time,
    ),
    (
        "commits-of-a-second",
        Truth { verdict: &["disk-latency", "disk-saturated"], ..BAD },
        storage::commits_of_a_second,
    ),
    (
        "remounted-read-only",
        Truth { verdict: &["hw-error"], says: &["sda1"], ..BAD },
        storage::remounted_read_only,
    ),
    ("soft-lockup", Truth { verdict: &["hw-error"], ..BAD }, cpu::soft_lockup),
    (
        "leak-without-swap",
        Truth { verdict: &["memory-low"], culprit: &["java"], ..BAD },
        memory::leak_without_swap,
    ),
    (
        "huge-pages-unused",
        Truth {
            verdict: &["memory-unowned", "memory-swap"],
            culprit: &["", "huge pages"],
            says: &["huge"],
            ..WORST
        },
        memory::huge_pages_unused,
    ),
    ("full-link", Truth { verdict: &["net-saturated"], severity: &["warning"], ..BAD }, network::full_link),
];

/// Shares of the time in which threads waited.
fn stalls(cpu: f64, memory: f64, io: f64) -> Option<Stalls> {
    Some(Stalls { cpu, memory, io, memory_full: memory / 2.0, io_full: io / 1.5 })
}
