//! Healthy machines of many kinds: each does its work, and no thread waits for anything that is short.

mod compute;
mod data;
mod kinds;
mod network;

use crate::machine::{Machine, Made, Stalls};

pub(crate) const ALL: &[(&str, Made)] = &[
    ("idle", Machine::default),
    ("database-huge-pages", data::database_huge_pages),
    ("postgres-40-backends", data::postgres_40_backends),
    ("build-server", compute::build_server),
    ("hpc-128", compute::hpc_128),
    ("hypervisor", compute::hypervisor),
    ("nat-gateway", network::nat_gateway),
    ("kubernetes-node", kinds::kubernetes_node),
    ("backup-night", compute::backup_night),
    ("desktop", kinds::desktop),
    ("one-cpu", kinds::one_cpu),
    ("cpus-512", compute::cpus_512),
    ("rhel-without-psi", kinds::rhel_without_psi),
    ("kernel-3-10", kinds::kernel_3_10),
    ("nfs-client", network::nfs_client),
    ("lvm-raid-spinning", kinds::lvm_raid_spinning),
    ("web-60-percent", network::web_60_percent),
    ("redis-95-percent", data::redis_95_percent),
    ("zfs-arc", data::zfs_arc),
    ("router-at-night", network::router_at_night),
    ("transcoder-nice-19", compute::transcoder_nice_19),
    ("dpdk", compute::dpdk),
    ("container-half-quota", kinds::container_half_quota),
    ("just-booted", kinds::just_booted),
    ("a-year-up", kinds::a_year_up),
    ("mail-server", data::mail_server),
    ("laptop", kinds::laptop),
    ("swap-full-of-old-pages", data::swap_full_of_old_pages),
    ("three-zombies", kinds::three_zombies),
    ("time-wait-20000", network::time_wait_20_000),
    ("batch-all-cpus-no-psi", compute::batch_all_cpus_no_psi),
    ("log-server", data::log_server),
    ("page-cache-at-limit", data::page_cache_at_limit),
    ("kafka", data::kafka),
    ("archive-96-percent", data::archive_96_percent),
    ("swap-on-zram", kinds::swap_on_zram),
    ("monitoring-scripts", kinds::monitoring_scripts),
    ("a-lossy-path", network::a_lossy_path),
];

/// Shares of the time in which threads waited.
fn stalls(cpu: f64, memory: f64, io: f64) -> Option<Stalls> {
    Some(Stalls { cpu, memory, io, memory_full: memory / 3.0, io_full: io / 2.0 })
}
