//! The main numbers of a window under stable names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The main numbers of a window, flat, for graphs and thresholds of one's own. The same names in every report; null where
/// a number is not known, never 0 for it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// Load average over one minute.
    pub load1: Option<f64>,
    /// Load average over five minutes.
    pub load5: Option<f64>,
    /// Load average over fifteen minutes.
    pub load15: Option<f64>,
    /// Threads that ran, waited for a CPU or were blocked during the window, per CPU.
    pub load_per_cpu: Option<f64>,
    /// Mean number of threads that ran or waited for a CPU.
    pub threads_running_mean: Option<f64>,
    /// Mean number of threads in uninterruptible sleep.
    pub threads_uninterruptible_mean: Option<f64>,
    /// CPU time that was used; 1 is all CPUs.
    pub cpu_busy_ratio: Option<f64>,
    /// CPU time in user mode, nice included.
    pub cpu_user_ratio: Option<f64>,
    /// CPU time in kernel mode, without interrupts.
    pub cpu_system_ratio: Option<f64>,
    /// CPU time in interrupt handlers and softirqs.
    pub cpu_interrupts_ratio: Option<f64>,
    /// Idle CPU time while a thread waited for a disk.
    pub cpu_iowait_ratio: Option<f64>,
    /// CPU time that the hypervisor took.
    pub cpu_steal_ratio: Option<f64>,
    /// Share of the window in which some thread waited for a CPU.
    pub psi_cpu_some_ratio: Option<f64>,
    /// Share of the window in which some thread waited for I/O.
    pub psi_io_some_ratio: Option<f64>,
    /// Share of the window in which all threads that were not idle waited for I/O.
    pub psi_io_full_ratio: Option<f64>,
    /// Share of the window in which some thread waited for memory.
    pub psi_memory_some_ratio: Option<f64>,
    /// Share of the window in which all threads that were not idle waited for memory.
    pub psi_memory_full_ratio: Option<f64>,
    /// Memory that programs can get without swapping, of all memory.
    pub memory_available_ratio: Option<f64>,
    /// Swap space in use; null without swap space.
    pub swap_used_ratio: Option<f64>,
    /// Pages read from swap.
    pub swap_in_pages_per_second: Option<f64>,
    /// Pages written to swap.
    pub swap_out_pages_per_second: Option<f64>,
    /// Page faults that read from a device.
    pub major_faults_per_second: Option<f64>,
    /// Utilization of the busiest disk.
    pub disk_utilization_max_ratio: Option<f64>,
    /// Mean time of a request on the slowest disk; null where no request completed.
    pub disk_await_max_seconds: Option<f64>,
    /// Context switches.
    pub context_switches_per_second: Option<f64>,
    /// Processes and threads started.
    pub forks_per_second: Option<f64>,
    /// Length of the window.
    pub window_seconds: Option<f64>,
    /// CPU time of diag itself.
    pub run_cpu_seconds: Option<f64>,
    /// Largest resident size of diag itself.
    pub run_max_rss_bytes: Option<u64>,
}
