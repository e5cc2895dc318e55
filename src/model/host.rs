//! What machine the window was taken on. Recorded with every capture, so that it reads the same elsewhere.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Facts of the host that do not change within a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Name of the host.
    pub hostname: Option<String>,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: Option<String>,
    /// Name of the distribution.
    pub os: Option<String>,
    /// Machine, as `uname -m` prints it.
    pub arch: Option<String>,
    /// Hypervisor, where the kernel or the CPU names one.
    pub virtualization: Option<String>,
    /// Container runtime, where this run is inside one.
    pub container: Option<String>,
    /// Clock that the kernel reads the time from.
    #[serde(default)]
    pub clocksource: Option<String>,
    /// Memory nodes (NUMA); none where the kernel does not tell.
    #[serde(default)]
    pub memory_nodes_count: Option<u32>,
    /// Random id of this boot.
    pub boot_id: Option<String>,
    /// USER_HZ: ticks per second in `/proc/stat` and `/proc/PID/stat`.
    pub ticks_per_second: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// CPUs that this run may use, where that is fewer than those online.
    pub cpus_allowed_count: Option<u32>,
    /// CPUs online by `/sys`, for a `/proc/stat` that does not list them.
    #[serde(default)]
    pub cpus_online_count: Option<u32>,
    /// Whether these are plain files that were copied from the machine: nothing in them moves.
    #[serde(default)]
    pub copied: bool,
    /// Names of the users seen, by id.
    pub users: BTreeMap<u32, String>,
    /// Effective user id of the run.
    pub effective_uid: u32,
    /// Process id of the run itself, which every sum leaves out; 0 where it is none of the processes.
    pub own_pid: i32,
}

/// The most CPUs that a kernel can be built for; a larger number is not a CPU.
const LIST_MAX: u32 = 1 << 16;

/// The numbers in a list such as `0-3,8`, as the kernel prints sets of CPUs and of memory nodes.
pub fn parse_list(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last < first || last >= LIST_MAX {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}
