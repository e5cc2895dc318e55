//! What a thread waits for, derived from the kernel function it sleeps in: [`WaitReason`] for uninterruptible sleep,
//! [`Wait`] for everything a thread can spend its time on.
//!
//! The names move between kernel versions, so they are matched by parts; a name that is not known stays
//! [`WaitReason::Other`] and is printed as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a thread in uninterruptible sleep waits for, derived from the kernel function it sleeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitReason {
    /// A block device.
    Disk,
    /// A page of the page cache or of swap, that another thread reads.
    Page,
    /// The journal of a file system.
    Journal,
    /// Too many dirty pages.
    Writeback,
    /// A network or user-space file system.
    RemoteFilesystem,
    /// A frozen file system.
    FrozenFilesystem,
    /// A lock inside the kernel.
    KernelLock,
    /// Memory, by reclaim or a cgroup's limit.
    Memory,
    /// The start of a child by vfork(2): harmless.
    Vfork,
    /// The freezer of control groups: paused on purpose.
    Frozen,
    /// Something else that is known by name only.
    Other,
    /// The reader may not know.
    Hidden,
}

impl WaitReason {
    /// The reason behind a kernel function's name.
    pub fn of(function: &str) -> Self {
        DICTIONARY
            .iter()
            .find(|(_, parts)| parts.iter().any(|part| function.contains(part)))
            .map_or(Self::Other, |(reason, _)| *reason)
    }

    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Page => "page",
            Self::Journal => "journal",
            Self::Writeback => "writeback",
            Self::RemoteFilesystem => "remote-filesystem",
            Self::FrozenFilesystem => "frozen-filesystem",
            Self::KernelLock => "kernel-lock",
            Self::Memory => "memory",
            Self::Vfork => "vfork",
            Self::Frozen => "frozen",
            Self::Other => "other",
            Self::Hidden => "not-permitted",
        }
    }
}

/// What a thread spends its time with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// On a CPU.
    Running,
    /// Runnable, while others have the CPUs.
    WaitingForCpu,
    /// Runnable, but held back by the CPU quota of its control group.
    Throttled,
    /// A block device, its file system or its page cache.
    Disk,
    /// Memory that was swapped out.
    Swap,
    /// Memory that the kernel frees first.
    Memory,
    /// A lock that others hold.
    Lock,
    /// A peer: a socket, or a file system behind one.
    Network,
    /// Idle: waiting for a time or for work, or stopped.
    Asleep,
    /// The kernel does not tell.
    Unknown,
}

impl Wait {
    /// Every class, in the order in which a person would ask.
    pub const ALL: [Self; 10] = [
        Self::Running,
        Self::WaitingForCpu,
        Self::Throttled,
        Self::Disk,
        Self::Swap,
        Self::Memory,
        Self::Lock,
        Self::Network,
        Self::Asleep,
        Self::Unknown,
    ];

    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::WaitingForCpu => "waiting-for-cpu",
            Self::Throttled => "throttled",
            Self::Disk => "disk",
            Self::Swap => "swap",
            Self::Memory => "memory",
            Self::Lock => "lock",
            Self::Network => "network",
            Self::Asleep => "asleep",
            Self::Unknown => "unknown",
        }
    }

    /// The same in a sentence: "spent 12 % of its time ...".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::WaitingForCpu => "waiting for a CPU",
            Self::Throttled => "held back by a CPU quota",
            Self::Disk => "waiting for the disk",
            Self::Swap => "waiting for swapped memory",
            Self::Memory => "waiting for memory to be freed",
            Self::Lock => "waiting for a lock",
            Self::Network => "waiting for the network",
            Self::Asleep => "asleep",
            Self::Unknown => "in a way that the kernel does not tell",
        }
    }

    /// What a thread in uninterruptible sleep waits for. Pages are read from a file or from swap in the same
    /// function: `swapping` says that this process had major faults while the box swapped in.
    pub fn of_blocked(function: Option<&str>, swapping: bool) -> Self {
        match function.map_or(WaitReason::Hidden, WaitReason::of) {
            WaitReason::Page if swapping => Self::Swap,
            WaitReason::Disk
            | WaitReason::Page
            | WaitReason::Journal
            | WaitReason::Writeback
            | WaitReason::FrozenFilesystem => Self::Disk,
            WaitReason::RemoteFilesystem => Self::Network,
            WaitReason::KernelLock => Self::Lock,
            WaitReason::Memory => Self::Memory,
            // The parent of a child that is about to start sleeps until it has.
            WaitReason::Vfork | WaitReason::Frozen => Self::Asleep,
            WaitReason::Other | WaitReason::Hidden => Self::Unknown,
        }
    }

    /// What a thread in interruptible sleep waits for. A futex is a lock or an idle pool, and the function is the
    /// same: `contended` says that the threads of this process queue for one.
    pub fn of_sleeping(function: Option<&str>, contended: bool) -> Self {
        let Some(function) = function else { return Self::Unknown };
        let has = |parts: &[&str]| parts.iter().any(|part| function.contains(part));
        if sleeps_in_futex(function) {
            // A futex with priority inheritance is a mutex and nothing else.
            return if contended || has(&["lock_pi"]) { Self::Lock } else { Self::Asleep };
        }
        match WaitReason::of(function) {
            _ if sleeps_for_a_file_lock(function) || has(&["rt_mutex"]) => Self::Lock,
            _ if waits_for_tcp_peer(function) || has(SLEEPS_FOR_A_PEER) => Self::Network,
            WaitReason::RemoteFilesystem => Self::Network,
            WaitReason::KernelLock => Self::Lock,
            _ if function == SLEEPS_FOR_ASYNCHRONOUS_IO => Self::Disk,
            // A sleep that any signal may end waits for an event, and who waits for events is idle.
            _ => Self::Asleep,
        }
    }
}

/// io_getevents(2) sleeps here until what was submitted has been done; kernel `fs/aio.c`.
const SLEEPS_FOR_ASYNCHRONOUS_IO: &str = "read_events";

/// Locks of files; advisory, and held by another process.
const SLEEPS_FOR_A_FILE_LOCK: &[&str] = &["locks_lock", "flock_lock", "posix_lock", "fcntl_setlk"];

/// Whether a thread that sleeps in `function` waits for a lock of a file.
pub fn sleeps_for_a_file_lock(function: &str) -> bool {
    SLEEPS_FOR_A_FILE_LOCK.iter().any(|part| function.contains(part))
}

/// Whether a thread that sleeps in `function` does so in futex(2): for a lock, or as part of an idle pool.
pub fn sleeps_in_futex(function: &str) -> bool {
    function.contains("futex")
}

/// Whether a thread that sleeps in `function` waits for the other end of a TCP connection. Waiting for a new one
/// (`inet_csk_accept`) is not meant: that is an idle server.
pub fn waits_for_tcp_peer(function: &str) -> bool {
    SLEEPS_FOR_A_TCP_PEER.iter().any(|part| function.contains(part))
}

/// CPUs' worth of work that one lock makes serial.
pub const LOCK_SERIAL_CPUS: std::ops::Range<f64> = 0.6..1.35;

/// One that does more than this of the work does not share it with others.
pub const LOCK_ALONE_RATIO: f64 = 0.85;

/// `wait_woken` is where reads of TCP sockets sleep, and those of terminals.
const SLEEPS_FOR_A_TCP_PEER: &[&str] =
    &["wait_woken", "sk_wait_data", "sk_stream_wait", "tcp_", "inet_wait_for_connect", "inet_stream_connect"];

/// Functions in which a thread waits for the other end of any other socket.
const SLEEPS_FOR_A_PEER: &[&str] = &[
    "udp_",
    "skb_wait_for_more_packets",
    "skb_recv",
    "sock_alloc_send",
    "unix_stream",
    "unix_dgram",
    "unix_wait_for_peer",
    "netlink_",
    "vsock_",
    "sctp_",
    "rpc_",
];

/// Parts of function names, the more special first: `folio_wait_bit` must not hide `nfs_`.
const DICTIONARY: &[(WaitReason, &[&str])] = &[
    (WaitReason::Frozen, &["__refrigerator", "do_freezer_trap", "do_jobctl_trap"]),
    // vfork(2): the parent sleeps in D until its child execs. Normal.
    (WaitReason::Vfork, &["kernel_clone", "_do_fork", "do_fork", "wait_for_vfork_done", "do_sys_vfork"]),
    (
        WaitReason::Memory,
        &[
            "mem_cgroup_handle_over_high",
            "try_charge",
            "mem_cgroup_oom",
            "throttle_direct_reclaim",
            "shrink_",
            "congestion_wait",
            "reclaim_throttle",
        ],
    ),
    (
        WaitReason::RemoteFilesystem,
        &[
            "rpc_wait_bit",
            "nfs_",
            "nfs4_",
            "cifs_",
            "smb2_",
            "request_wait_answer",
            "fuse_",
            "ceph_",
            "p9_",
            "v9fs_",
        ],
    ),
    (WaitReason::FrozenFilesystem, &["percpu_rwsem_wait", "__sb_start_write", "sb_start_"]),
    (WaitReason::Writeback, &["balance_dirty_pages"]),
    (
        WaitReason::Journal,
        &[
            "jbd2_",
            "wait_transaction_locked",
            "add_transaction_credits",
            "start_this_handle",
            "xfs_log_force",
            "xlog_",
        ],
    ),
    (
        WaitReason::Page,
        &[
            "folio_wait_bit",
            "wait_on_page_bit",
            "__lock_page",
            "folio_lock",
            "filemap_",
            "swap_readpage",
            "swap_read_folio",
            "do_swap_page",
            "truncate_inode_pages",
        ],
    ),
    (
        WaitReason::Disk,
        &[
            "iomap_dio",
            "do_blockdev_direct_IO",
            "blkdev_",
            "submit_bio_wait",
            "rq_qos_wait",
            "blk_mq_get_tag",
            "wbt_wait",
            "io_schedule",
            "wait_on_buffer",
            "bit_wait_io",
            "dio_await",
            "sync_dirty_buffer",
            "blk_execute_rq",
            "inode_dio_wait",
            "wb_wait_for_completion",
            "sync_inodes_sb",
        ],
    ),
    (
        WaitReason::KernelLock,
        &[
            "__vm_munmap",
            "lock_mm_and_find_vma",
            "vm_mmap_pgoff",
            "do_madvise",
            "rwsem_",
            "mutex",
            "do_mprotect",
            "do_sys_brk",
            "down_read",
            "down_write",
            "lookup_slow",
            "open_last_lookups",
            "do_unlinkat",
            "lock_rename",
            "walk_component",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_kernels() {
        assert_eq!(WaitReason::of("folio_wait_bit_common"), WaitReason::Page);
        assert_eq!(WaitReason::of("wait_on_page_bit_killable"), WaitReason::Page);
        assert_eq!(WaitReason::of("request_wait_answer"), WaitReason::RemoteFilesystem);
        assert_eq!(WaitReason::of("nfs_wait_bit_killable"), WaitReason::RemoteFilesystem);
        assert_eq!(WaitReason::of("kernel_clone"), WaitReason::Vfork);
        assert_eq!(WaitReason::of("__refrigerator"), WaitReason::Frozen);
        assert_eq!(WaitReason::of("__iomap_dio_rw"), WaitReason::Disk);
        assert_eq!(WaitReason::of("percpu_rwsem_wait"), WaitReason::FrozenFilesystem);
        assert_eq!(WaitReason::of("rwsem_down_write_slowpath"), WaitReason::KernelLock);
        assert_eq!(WaitReason::of("virtio_gpu_queue"), WaitReason::Other);
    }

    #[test]
    fn sleeping_functions_of_several_kernels() {
        for (function, wait) in [
            ("wait_woken", Wait::Network),
            ("sk_wait_data", Wait::Network),
            ("unix_stream_read_generic", Wait::Network),
            ("__skb_wait_for_more_packets", Wait::Network),
            ("inet_csk_accept", Wait::Asleep),
            ("ep_poll", Wait::Asleep),
            ("do_epoll_wait", Wait::Asleep),
            ("poll_schedule_timeout.constprop.0", Wait::Asleep),
            ("hrtimer_nanosleep", Wait::Asleep),
            ("read_events", Wait::Disk),
            ("anon_pipe_read", Wait::Asleep),
            ("do_wait", Wait::Asleep),
            ("locks_lock_inode_wait", Wait::Lock),
            ("rpc_wait_bit_killable", Wait::Network),
            ("futex_wait_queue_me", Wait::Asleep),
            ("futex_do_wait", Wait::Asleep),
            ("futex_lock_pi", Wait::Lock),
        ] {
            assert_eq!(Wait::of_sleeping(Some(function), false), wait, "{function}");
        }
        assert_eq!(Wait::of_sleeping(Some("futex_do_wait"), true), Wait::Lock);
        assert_eq!(Wait::of_sleeping(None, true), Wait::Unknown);
    }

    #[test]
    fn a_page_comes_from_a_file_or_from_swap() {
        assert_eq!(Wait::of_blocked(Some("folio_wait_bit_common"), false), Wait::Disk);
        assert_eq!(Wait::of_blocked(Some("folio_wait_bit_common"), true), Wait::Swap);
        assert_eq!(Wait::of_blocked(Some("rq_qos_wait"), true), Wait::Disk);
        assert_eq!(Wait::of_blocked(Some("mem_cgroup_handle_over_high"), false), Wait::Memory);
        assert_eq!(Wait::of_blocked(Some("virtio_gpu_queue"), false), Wait::Unknown);
        assert_eq!(Wait::of_blocked(None, false), Wait::Unknown);
    }

    #[test]
    fn every_class_has_its_own_words() {
        let words: std::collections::BTreeSet<_> = Wait::ALL.iter().map(|wait| wait.word()).collect();
        assert_eq!(words.len(), Wait::ALL.len());
        for wait in Wait::ALL {
            assert_eq!(serde_json::to_value(wait).unwrap(), wait.word());
        }
    }
}
