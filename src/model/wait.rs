//! What a thread in uninterruptible sleep waits for, told from the kernel function it sleeps in.
//!
//! The names move between kernel versions, so they are matched by parts; a name that is not known stays
//! [`WaitReason::Other`] and is printed as it is.

/// What a thread in uninterruptible sleep waits for, told from the kernel function it sleeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitReason {
    /// A block device.
    Disk,
    /// A page of the page cache or of swap, read by somebody.
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
            Self::Other => "other",
            Self::Hidden => "not-permitted",
        }
    }
}

/// Parts of function names, the more special first: `folio_wait_bit` must not hide `nfs_`.
const DICTIONARY: &[(WaitReason, &[&str])] = &[
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
        assert_eq!(WaitReason::of("__iomap_dio_rw"), WaitReason::Disk);
        assert_eq!(WaitReason::of("percpu_rwsem_wait"), WaitReason::FrozenFilesystem);
        assert_eq!(WaitReason::of("rwsem_down_write_slowpath"), WaitReason::KernelLock);
        assert_eq!(WaitReason::of("virtio_gpu_queue"), WaitReason::Other);
    }
}
