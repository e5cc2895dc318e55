//! The kernel's files, one module for each: a pure `parse` over bytes and a `read` through a
//! [`Root`](crate::collect::root::Root).

pub mod block_devices;
pub mod cgroups;
pub mod cpu_frequency;
pub mod diskstats;
pub mod file_locks;
pub mod hardware;
pub mod host;
pub mod inotify;
pub mod interrupts;
pub mod kernel_log;
pub mod loadavg;
pub mod meminfo;
pub mod memory_pools;
pub mod mounts;
pub mod namespaces;
pub mod net_counters;
pub mod net_dev;
pub mod pressure;
pub mod psi_trigger;
pub mod qdiscs;
pub mod settings;
pub mod sockets;
pub mod stat;
pub mod swaps;
pub mod tables;
pub mod thermal;
pub mod uptime;
pub mod user_tasks;
pub mod vmstat;
