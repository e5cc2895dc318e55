//! One file for each bottleneck, and the table that all of the program knows them from.
//!
//! A rule is data and one function. Its function sees the [`Facts`](crate::diagnose::evidence::facts::Facts) and answers clear, hit or unknown; it
//! knows no other rule. What a finding explains is in [`crate::diagnose::judge::causes`].

use crate::diagnose::rule::Rule;
use crate::model::bottleneck::BottleneckId;

pub mod clocksource;
pub mod conntrack_full;
pub mod cpu_interrupts;
pub mod cpu_pinned;
pub mod cpu_single_thread;
pub mod cpu_steal;
pub mod cpu_system;
pub mod cpu_thermal;
pub mod cpu_throttled;
pub mod cpu_user;
pub mod disk_full;
pub mod disk_latency;
pub mod disk_saturated;
pub mod external_wait;
pub mod fd_exhaustion;
pub mod hw_error;
pub mod inodes_full;
pub mod io_blocked;
pub mod io_bound;
pub mod io_throttled;
pub mod kthread_hog;
pub mod listen_overflow;
pub mod lock_contention;
pub mod memory_cgroup_limit;
pub mod memory_low;
pub mod memory_oom;
pub mod memory_reclaim;
pub mod memory_swap;
pub mod memory_unowned;
pub mod net_drops;
pub mod net_retransmits;
pub mod net_saturated;
pub mod none;
pub mod numa_remote;
pub mod pid_exhaustion;
pub mod port_exhaustion;
pub mod rt_hog;
pub mod short_lived_processes;
pub mod thp_compaction;
pub mod writeback_stall;
pub mod zombies;

/// Every rule, in the order in which ties are decided: the cause that makes the others comes first.
pub const RULES: &[&Rule] = &[
    &hw_error::RULE,
    &memory_unowned::RULE,
    &memory_oom::RULE,
    &memory_cgroup_limit::RULE,
    &memory_swap::RULE,
    &cpu_steal::RULE,
    &cpu_thermal::RULE,
    &cpu_throttled::RULE,
    &io_throttled::RULE,
    &io_blocked::RULE,
    &memory_reclaim::RULE,
    &memory_low::RULE,
    &disk_full::RULE,
    &inodes_full::RULE,
    &fd_exhaustion::RULE,
    &pid_exhaustion::RULE,
    &conntrack_full::RULE,
    &port_exhaustion::RULE,
    &cpu_interrupts::RULE,
    &disk_saturated::RULE,
    &writeback_stall::RULE,
    &disk_latency::RULE,
    &io_bound::RULE,
    &rt_hog::RULE,
    &cpu_pinned::RULE,
    &kthread_hog::RULE,
    &short_lived_processes::RULE,
    &lock_contention::RULE,
    &clocksource::RULE,
    &thp_compaction::RULE,
    &numa_remote::RULE,
    &cpu_system::RULE,
    &cpu_user::RULE,
    &cpu_single_thread::RULE,
    &listen_overflow::RULE,
    &net_drops::RULE,
    &net_saturated::RULE,
    &net_retransmits::RULE,
    &zombies::RULE,
    &external_wait::RULE,
    &none::RULE,
];

/// The rule with this id.
pub fn by_id(id: BottleneckId) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
