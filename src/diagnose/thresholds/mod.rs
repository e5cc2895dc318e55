//! Every limit of the diagnosis in one place, each with its source. Some are not published anywhere: those
//! say "house value", were chosen on real faults, and are the first to doubt.
//!
//! What stands here are the defaults. A configuration file may change each of them, so nothing reads them from
//! here: a rule asks `facts.limit(&CPU_BUSY)` and `facts.setting(&REQUESTS_MIN)`, which know what is in force.

pub mod algorithm;
pub mod file;
pub mod in_force;

use crate::model::units::Unit;
pub use in_force::{InForce, Limit, Setting, Thresholds};
use in_force::{limit, setting};

/// Load by CPU: above one, threads queue.
pub const LOAD_PER_CPU: Limit = limit(
    "load_per_cpu",
    Unit::Ratio,
    1.0,
    Some(2.0),
    "node-mixin: load by CPU above 2; glances: careful from 0.7",
)
.above_one()
.shown_only("critical");
/// From here on a box is called busy.
pub const LOAD_BUSY: Setting = setting(
    "load_per_cpu_busy",
    Unit::Ratio,
    0.7,
    "load by CPU from which a box is called busy",
    "glances: careful from 0.7",
)
.above_one();
/// Mean number of threads in uninterruptible sleep.
pub const UNINTERRUPTIBLE: Limit = limit(
    "uninterruptible_mean",
    Unit::Count,
    0.5,
    Some(1.0),
    "house value; Gregg, USE method: blocked threads",
)
.shown_only("critical");
/// Time that the CPUs are not idle.
pub const CPU_BUSY: Limit =
    limit("cpu_busy_ratio", Unit::Ratio, 0.85, Some(0.95), "netdata 10min_cpu_usage: 85/95 %; pmie: 90 %");
/// From here on the CPU branch of step 2 is taken.
pub const CPU_BRANCH_BUSY: Setting = setting(
    "cpu_branch_busy_ratio",
    Unit::Ratio,
    0.7,
    "busy CPU time from which the CPUs are looked at more closely",
    "house value",
);
/// Share of wall time in which some thread waited for a CPU.
pub const CPU_PRESSURE: Limit = limit("psi_cpu_some_ratio", Unit::Ratio, 0.25, Some(0.5), "house value");
/// Share of user and kernel time that is user code.
pub const USER_SHARE: Limit = limit("user_share_of_busy_ratio", Unit::Ratio, 0.5, None, "house value");
/// Kernel time.
pub const CPU_SYSTEM: Limit = limit(
    "cpu_system_ratio",
    Unit::Ratio,
    0.20,
    Some(0.50),
    "Gregg, 60-second checklist: system above 20 %; pmie",
);
/// Share of user and kernel time that is kernel code.
pub const SYSTEM_SHARE: Limit =
    limit("system_share_of_busy_ratio", Unit::Ratio, 0.40, Some(0.75), "pmie cpu.syscall: 75 % of busy");
/// Time in interrupt handlers and softirqs, all CPUs.
pub const INTERRUPTS: Limit = limit("cpu_interrupts_ratio", Unit::Ratio, 0.10, Some(0.25), "house value");
/// The same on the worst CPU.
pub const INTERRUPTS_ONE_CPU: Limit =
    limit("cpu_interrupts_worst_cpu_ratio", Unit::Ratio, 0.50, Some(0.90), "house value");
/// Time that the hypervisor took.
pub const STEAL: Limit = limit(
    "cpu_steal_ratio",
    Unit::Ratio,
    0.10,
    Some(0.25),
    "netdata 20min_steal_cpu: 10 %; critical is a house value",
);
/// CPU time of one thread.
pub const ONE_THREAD: Limit =
    limit("thread_cpu_ratio", Unit::Ratio, 0.90, None, "pmie per_cpu_util: 95 %; house value");
/// Share of seconds in which that thread burned.
pub const ONE_THREAD_SECONDS: Limit =
    limit("thread_hot_seconds_ratio", Unit::Ratio, 0.80, None, "house value");
/// Forks per second.
pub const FORKS: Limit = limit("forks_per_second", Unit::PerSecond, 20.0, Some(100.0), "house value");
/// CPU time of processes that are gone, by busy time.
pub const VANISHED_SHARE: Limit =
    limit("vanished_share_of_busy_ratio", Unit::Ratio, 0.30, Some(0.50), "house value; Gregg, execsnoop");
/// CPU time of one short life: above it the work counts, not the starting.
pub const SHORT_LIFE_SECONDS: Setting = setting(
    "short_life_seconds",
    Unit::Seconds,
    0.15,
    "CPU time up to which a process counts as short-lived",
    "house value",
);
/// Pages from swap.
pub const SWAP_IN: Limit = limit(
    "swap_in_pages_per_second",
    Unit::PerSecond,
    10.0,
    Some(100.0),
    "atop: 10 pages/s; critical is a house value",
);
/// Pages to swap.
pub const SWAP_OUT: Limit =
    limit("swap_out_pages_per_second", Unit::PerSecond, 5.0, None, "pmie memory.swap_low; atop");
/// Share of seconds with swap traffic: less is a one-off.
pub const SWAP_SECONDS: Limit =
    limit("swap_seconds_ratio", Unit::Ratio, 0.30, None, "pmie: in 30 % of samples");
/// Time in which some thread waited for memory.
pub const MEMORY_PRESSURE: Limit =
    limit("psi_memory_some_ratio", Unit::Ratio, 0.05, Some(0.20), "house value");
/// Time in which all threads waited for memory.
pub const MEMORY_FULL: Limit =
    limit("psi_memory_full_ratio", Unit::Ratio, 0.03, Some(0.10), "nohang: full 10 %").shown_only("warning");
/// Times a thread had to free memory itself before it got some.
pub const ALLOCATION_STALLS: Limit =
    limit("allocation_stalls_per_second", Unit::PerSecond, 10.0, None, "house value");
/// Faults that read from a device.
pub const MAJOR_FAULTS: Limit = limit(
    "major_faults_per_second",
    Unit::PerSecond,
    500.0,
    Some(1000.0),
    "node-mixin: 500; awesome-prometheus: 1000",
)
.shown_only("warning and critical");
/// Share of the bytes read that were in memory shortly before.
pub const REFAULT_SHARE: Limit = limit("refault_share_ratio", Unit::Ratio, 0.50, None, "house value");
/// Memory that could still be had.
pub const AVAILABLE: Limit =
    limit("memory_available_ratio", Unit::Ratio, 0.10, None, "netdata ram_available, node-mixin: 10 %")
        .shown_only("warning");
/// Memory that no process owns.
pub const MEMORY_UNOWNED: Limit = limit("memory_unowned_ratio", Unit::Ratio, 0.25, None, "house value");
/// Memory that cannot be had any more where there is no swap space.
pub const MEMORY_LOW: Limit = limit("memory_taken_ratio", Unit::Ratio, 0.97, None, "house value");
/// Time in which some thread waited for I/O.
pub const IO_PRESSURE: Limit = limit("psi_io_some_ratio", Unit::Ratio, 0.10, Some(0.40), "house value");
/// Time that a program waits for a disk.
pub const PROGRAM_IO_WAIT: Limit = limit("program_io_wait_ratio", Unit::Ratio, 0.5, None, "house value");
/// CPU time that was idle while threads waited for I/O.
pub const IOWAIT: Limit = limit("cpu_iowait_ratio", Unit::Ratio, 0.10, None, "glances; house value");
/// Time with a request on its way.
pub const DISK_BUSY: Limit =
    limit("disk_utilization_ratio", Unit::Ratio, 0.90, Some(0.95), "pmie: 95 %; warning is a house value");
/// Requests on their way.
pub const DISK_QUEUE: Limit =
    limit("disk_queue_mean", Unit::Count, 4.0, Some(10.0), "node-mixin: 10; Gregg: average queue above 1");
/// Time of a request on a disk with moving heads.
pub const AWAIT_SPINNING: Limit = limit(
    "disk_await_seconds",
    Unit::Seconds,
    0.030,
    Some(0.100),
    "moving heads; HPE LinuxKI: 30 ms; awesome-prometheus: 100 ms",
)
.under("disk_await_spinning_seconds");
/// Time of a request on a disk without, or on a virtual one.
pub const AWAIT_SOLID: Limit = limit(
    "disk_await_seconds",
    Unit::Seconds,
    0.004,
    Some(0.050),
    "no moving heads, or virtual; house value: ten times what such a disk needs",
)
.under("disk_await_solid_seconds");
/// Requests before a mean time means anything.
pub const REQUESTS_MIN: Setting = setting(
    "disk_requests_min_count",
    Unit::Count,
    20.0,
    "requests of a window before their mean time means anything",
    "house value",
);
/// A device from which nothing came back for so long, with requests on their way, hangs.
pub const STUCK_SECONDS: Limit = limit("disk_stuck_seconds", Unit::Seconds, 1.5, Some(1.5), "house value");
/// Share of the looks at a thread that must be D before it is called blocked.
pub const BLOCKED_LOOKS: Limit =
    limit("thread_uninterruptible_ratio", Unit::Ratio, 0.90, None, "kernel hung_task: 120 s; house value");
/// Looks at a thread before a share of them means anything.
pub const LOOKS_MIN: u32 = 8;
/// Share of the scarce resource from which a process is the main cause.
pub const MAIN_CAUSE: Setting = setting(
    "main_cause_share_ratio",
    Unit::Ratio,
    0.5,
    "share of the scarce resource that makes a main cause",
    "house value",
);
/// Share below which no process is the culprit.
pub const CONTRIBUTOR: Setting = setting(
    "contributor_share_ratio",
    Unit::Ratio,
    0.2,
    "share of the scarce resource below which no process is the culprit",
    "house value",
);
/// Share of the periods in which a control group was held back.
pub const THROTTLED_PERIODS: Limit = limit(
    "throttled_periods_ratio",
    Unit::Ratio,
    0.05,
    Some(0.25),
    "kubernetes-mixin CPUThrottlingHigh: 25 %",
);
/// Periods before a share of them means anything.
pub const THROTTLED_PERIODS_MIN: Setting = setting(
    "throttled_periods_min_count",
    Unit::Count,
    10.0,
    "periods of a CPU quota before a share of them means anything",
    "house value",
);
/// Time held back by wall time, summed over CPUs: less is a helper's quota.
pub const THROTTLED_CPUS: Limit = limit("throttled_cpus", Unit::Count, 0.1, None, "house value");
/// I/O rate of a control group by its limit.
pub const IO_LIMIT_USED: Limit = limit("io_limit_used_ratio", Unit::Ratio, 0.90, None, "house value");
/// OOM kills within the window.
pub const OOM_KILLS: Limit =
    limit("oom_kills_count", Unit::Count, 1.0, Some(1.0), "netdata oom_kill; pmie: above 0");
/// Memory of a control group that could not be dropped at once, by its limit.
pub const CGROUP_MEMORY: Limit = limit(
    "cgroup_memory_used_ratio",
    Unit::Ratio,
    0.80,
    Some(0.98),
    "netdata cgroup_ram_in_use: critical at 98 %; the warning is a house value",
)
.shown_only("critical");
/// Times a second that the limit was hit.
pub const CGROUP_MEMORY_HITS: Limit =
    limit("cgroup_memory_hits_per_second", Unit::PerSecond, 1.0, None, "house value");
/// Time stalled for memory, from which a limit that is hit hurts.
pub const CGROUP_MEMORY_PRESSURE: Setting = setting(
    "cgroup_memory_pressure_ratio",
    Unit::Ratio,
    0.03,
    "time stalled for memory from which a memory limit that is hit hurts",
    "house value",
);
/// Open files of a process by its soft limit.
pub const PROCESS_FILES: Limit =
    limit("open_files_ratio", Unit::Ratio, 0.85, Some(0.98), "netdata: 95 %; house value");
/// inotify instances of a user by their limit.
pub const INOTIFY_INSTANCES: Limit = limit(
    "inotify_instances_ratio",
    Unit::Ratio,
    0.90,
    Some(1.0),
    "house value; inotify(7) max_user_instances",
);
/// Open files of the system by their limit.
pub const SYSTEM_FILES: Limit =
    limit("system_files_ratio", Unit::Ratio, 0.70, Some(0.90), "node-mixin: 70/90 %");
/// Threads of the system by the smaller of its two limits.
pub const SYSTEM_THREADS: Limit = limit("threads_ratio", Unit::Ratio, 0.85, Some(0.95), "netdata: 90/95 %");
/// Processes and threads of a user by the limit for it.
pub const USER_TASKS: Limit =
    limit("user_tasks_ratio", Unit::Ratio, 0.85, Some(1.0), "house value; getrlimit(2) RLIMIT_NPROC");
/// How much slower than its base frequency a busy CPU runs.
pub const SLOWED_DOWN: Limit =
    limit("cpu_slowdown_ratio", Unit::Ratio, 0.40, Some(0.60), "house value: 60 % of the base frequency");
/// Forks that a control group refused.
pub const FORKS_REFUSED: Limit = limit(
    "forks_refused_count",
    Unit::Count,
    1.0,
    Some(1.0),
    "kernel Documentation/admin-guide/cgroup-v1/pids.rst",
);
/// Zombies of one parent that stay.
pub const ZOMBIES: Limit = limit("zombies_count", Unit::Count, 20.0, None, "house value");
/// Space in use.
pub const DISK_USED: Limit =
    limit("disk_used_ratio", Unit::Ratio, 0.90, Some(0.98), "netdata disk_space_usage: 90/98 %");
/// More room than this is not full, whatever the share.
pub const DISK_ROOM_BYTES: Setting = setting(
    "disk_room_bytes",
    Unit::Bytes,
    5_368_709_120.0,
    "room with which a file system is not critically full, whatever the share; ten times that is not full at all",
    "house value",
);
/// Inodes in use.
pub const INODES_USED: Limit =
    limit("inodes_used_ratio", Unit::Ratio, 0.90, Some(0.98), "netdata disk_inode_usage: 90/98 %");
/// Datagrams or packets dropped per second.
pub const PACKET_DROPS: Limit = limit(
    "packet_drops_per_second",
    Unit::PerSecond,
    10.0,
    Some(100.0),
    "netdata: 10/s; critical is a house value",
);
/// Entries of the table of network neighbours by its size.
pub const NEIGHBOURS: Limit = limit("neighbours_ratio", Unit::Ratio, 0.90, Some(1.0), "house value");
/// Memory of TCP or UDP sockets by the most that the kernel lets them have.
pub const SOCKET_MEMORY: Limit =
    limit("socket_memory_ratio", Unit::Ratio, 0.90, Some(1.0), "house value; tcp(7) tcp_mem");
/// Segments sent again, by segments sent.
pub const RETRANSMITS: Limit = limit("tcp_retransmits_ratio", Unit::Ratio, 0.01, Some(0.05), "house value");
/// Segments before that share means anything.
pub const SEGMENTS_MIN: Setting = setting(
    "tcp_segments_min_count",
    Unit::Count,
    100.0,
    "TCP segments of a window before the share sent again means anything",
    "house value",
);
/// Connections dropped because the server does not accept them.
pub const LISTEN_OVERFLOWS: Limit = limit(
    "listen_overflows_per_second",
    Unit::PerSecond,
    0.3,
    Some(5.0),
    "netdata 1m_tcp_accept_queue_overflows: critical above 5/s; warning is a house value",
);
/// Entries of the connection tracking table by its size.
pub const CONNTRACK: Limit =
    limit("conntrack_ratio", Unit::Ratio, 0.75, Some(0.90), "node-mixin: 75 %; netdata: 90 %");
/// Connections to one destination by local ports.
pub const PORTS: Limit = limit("local_ports_ratio", Unit::Ratio, 0.80, Some(0.95), "house value");
/// Mean number of a process's threads that queue for one lock.
pub const LOCK_WAITERS: Limit = limit("lock_waiters_mean", Unit::Count, 1.0, None, "house value");
/// Turns on a CPU per second from which a thread in a futex is not just idle.
pub const LOCK_TURNS_PER_SECOND: Setting = setting(
    "lock_turns_per_second",
    Unit::PerSecond,
    10.0,
    "turns on a CPU from which a thread that sleeps in a futex is not just idle",
    "house value",
);
/// Mean number of threads that are held because too much is dirty.
pub const WRITEBACK_WAITERS: Limit =
    limit("writeback_waiters_mean", Unit::Count, 0.3, Some(1.0), "house value");
/// CPU time of a real-time thread.
pub const REALTIME_CPU: Limit = limit(
    "realtime_thread_cpu_ratio",
    Unit::Ratio,
    0.80,
    Some(0.80),
    "kernel sched_rt_runtime_us: 95 %; house value",
);
/// Traffic of a link, one way, by its speed.
pub const LINK_USED: Limit = limit(
    "link_used_ratio",
    Unit::Ratio,
    0.85,
    Some(0.95),
    "netdata 1m_received_traffic_overflow: 85 %; pmie: 85 %; critical is a house value",
);
/// Pages that came from another memory node than the one wanted.
pub const NUMA_MISSES: Limit = limit("numa_miss_ratio", Unit::Ratio, 0.10, None, "house value");
/// Share of time in which a CPU was slowed down for heat.
pub const HEAT: Limit = limit(
    "cpu_heat_ratio",
    Unit::Ratio,
    0.10,
    Some(0.50),
    "pmie thermal_throttle; the figures are house values",
);
/// Times a second that a thread had to move pages together before it got a large one.
pub const COMPACTION_STALLS: Limit =
    limit("compaction_stalls_per_second", Unit::PerSecond, 10.0, None, "house value");
/// CPU time of the threads that compact memory in the background.
pub const COMPACTION_THREADS: Limit =
    limit("compaction_threads_cpus", Unit::Count, 0.30, None, "house value");
/// Mean number of threads that wait for the few CPUs that they may use.
pub const PINNED_DELAY: Limit =
    limit("bound_threads_waiting_mean", Unit::Count, 0.3, Some(1.0), "house value");
/// How busy those CPUs are.
pub const PINNED_BUSY: Limit = limit("bound_cpus_busy_ratio", Unit::Ratio, 0.95, None, "house value");
/// How idle the others are.
pub const PINNED_IDLE: Limit = limit("other_cpus_idle_ratio", Unit::Ratio, 0.5, None, "house value");
/// CPU time of a kernel thread, or of all workers of one queue.
pub const KERNEL_THREAD_CPU: Limit =
    limit("kernel_thread_cpus", Unit::Count, 0.30, Some(0.80), "house value");
/// Net growth of one process that looks like a leak.
pub const LEAK_BYTES_PER_SECOND: Setting = setting(
    "leak_bytes_per_second",
    Unit::BytesPerSecond,
    1_048_576.0,
    "growth of one process that looks like a leak",
    "house value",
);
/// Group size from which workers are many.
pub const MANY_WORKERS: Setting = setting(
    "many_workers_count",
    Unit::Count,
    8.0,
    "processes of one service that are many workers, not one large program",
    "house value",
);
/// Pages read again per second before a small page cache is the cause.
pub const REFAULTS_MIN: Setting = setting(
    "refaults_min_per_second",
    Unit::PerSecond,
    500.0,
    "pages read again before a page cache that is too small is the cause",
    "house value",
);

/// Every limit, in the order in which they are listed for a reader.
pub const ALL: &[&Limit] = &[
    &LOAD_PER_CPU,
    &UNINTERRUPTIBLE,
    &CPU_BUSY,
    &CPU_PRESSURE,
    &USER_SHARE,
    &CPU_SYSTEM,
    &SYSTEM_SHARE,
    &INTERRUPTS,
    &INTERRUPTS_ONE_CPU,
    &STEAL,
    &ONE_THREAD,
    &ONE_THREAD_SECONDS,
    &FORKS,
    &VANISHED_SHARE,
    &SWAP_IN,
    &SWAP_OUT,
    &SWAP_SECONDS,
    &MEMORY_PRESSURE,
    &MEMORY_FULL,
    &ALLOCATION_STALLS,
    &MAJOR_FAULTS,
    &REFAULT_SHARE,
    &AVAILABLE,
    &MEMORY_UNOWNED,
    &MEMORY_LOW,
    &IO_PRESSURE,
    &PROGRAM_IO_WAIT,
    &IOWAIT,
    &DISK_BUSY,
    &DISK_QUEUE,
    &AWAIT_SPINNING,
    &AWAIT_SOLID,
    &STUCK_SECONDS,
    &BLOCKED_LOOKS,
    &THROTTLED_PERIODS,
    &THROTTLED_CPUS,
    &IO_LIMIT_USED,
    &OOM_KILLS,
    &CGROUP_MEMORY,
    &CGROUP_MEMORY_HITS,
    &PROCESS_FILES,
    &INOTIFY_INSTANCES,
    &SYSTEM_FILES,
    &SYSTEM_THREADS,
    &USER_TASKS,
    &FORKS_REFUSED,
    &ZOMBIES,
    &DISK_USED,
    &INODES_USED,
    &PACKET_DROPS,
    &NEIGHBOURS,
    &SOCKET_MEMORY,
    &RETRANSMITS,
    &LISTEN_OVERFLOWS,
    &CONNTRACK,
    &PORTS,
    &LOCK_WAITERS,
    &WRITEBACK_WAITERS,
    &REALTIME_CPU,
    &LINK_USED,
    &NUMA_MISSES,
    &HEAT,
    &SLOWED_DOWN,
    &COMPACTION_STALLS,
    &COMPACTION_THREADS,
    &PINNED_DELAY,
    &PINNED_BUSY,
    &PINNED_IDLE,
    &KERNEL_THREAD_CPU,
];

/// Every setting, likewise.
pub const SETTINGS: &[&Setting] = &[
    &LOAD_BUSY,
    &CPU_BRANCH_BUSY,
    &SHORT_LIFE_SECONDS,
    &REQUESTS_MIN,
    &MAIN_CAUSE,
    &CONTRIBUTOR,
    &THROTTLED_PERIODS_MIN,
    &CGROUP_MEMORY_PRESSURE,
    &DISK_ROOM_BYTES,
    &SEGMENTS_MIN,
    &LOCK_TURNS_PER_SECOND,
    &LEAK_BYTES_PER_SECOND,
    &MANY_WORKERS,
    &REFAULTS_MIN,
];
