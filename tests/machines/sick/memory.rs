//! Machines that are short of memory.

use super::stalls;
use crate::machine::{Disk, GIB, Group, MIB, Machine, Memory, Mount, Process, Swap, Version};

/// Files in memory take what the programs need.
pub(super) fn tmpfs_and_swap() -> Machine {
    let java = Process {
        comm: "java",
        threads: 40,
        busy_threads: 6,
        user: 0.3,
        system: 0.3,
        blocked: 3.0,
        blocked_in: "folio_wait_bit_common",
        sleeps_in: "futex_wait_queue",
        anonymous: 2500 * MIB,
        swapped: 5 * GIB,
        major_faults: 900.0,
        group: "/system.slice/app.service",
        ..Process::default()
    };
    Machine {
        cpus: 8,
        history: 0.1,
        stalls: stalls(0.03, 0.48, 0.6),
        processes: vec![java],
        memory: Memory {
            total: 32 * GIB,
            cache: 400 * MIB,
            shared: 28 * GIB,
            slab_reclaimable: 100 * MIB,
            swap: Some(Swap { size: 16 * GIB, used: 6 * GIB }),
            ..Memory::default()
        },
        vm: vec![
            ("pswpin", 2600.0),
            ("pswpout", 2900.0),
            ("pgmajfault", 950.0),
            ("pgscan_kswapd", 60e3),
            ("pgscan_direct", 20e3),
            ("pgsteal_kswapd", 5e3),
            ("pgsteal_direct", 2e3),
            ("pgscan_anon", 70e3),
            ("workingset_refault_anon", 2500.0),
            ("workingset_refault_file", 400.0),
            ("allocstall_normal", 60.0),
        ],
        disks: vec![Disk {
            reads: 2600.0,
            read_kib: 4.0,
            read_ms: 0.9,
            writes: 90.0,
            write_kib: 128.0,
            write_ms: 2.0,
            busy: 0.8,
            ..Disk::nvme("nvme0n1")
        }],
        mounts: vec![Mount::root(), Mount::new("/dev/shm", "tmpfs", "tmpfs", 30 * GIB, 0.93)],
        ..Machine::default()
    }
}

/// A pod hits its limit, and the kernel ends a process in it.
pub(super) fn pod_oom() -> Machine {
    let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3.slice";
    let scope =
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3.slice/cri-containerd-c1.scope";
    let worker = Process {
        comm: "worker",
        copies: 2,
        user: 0.3,
        anonymous: 200 * MIB,
        group: scope,
        uid: 1000,
        age: 3.0,
        ..Process::default()
    };
    let killed = |path: &str| {
        Group::new(path)
            .with("memory.max", "536870912\n")
            .with("memory.high", "max\n")
            .with("memory.current", "430870912\n")
            .with("memory.stat", "anon 420000000\ninactive_file 4096\n")
            .counts(
                "memory.events",
                &[("low", 0.0), ("high", 0.0), ("max", 40.0), ("oom", 0.4), ("oom_kill", 0.4)],
            )
    };
    let parent = |path: &str| {
        Group::new(path)
            .with("memory.max", "max\n")
            .with("memory.high", "max\n")
            .counts("memory.events", &[("max", 40.0), ("oom_kill", 0.4)])
    };
    Machine {
        cpus: 16,
        stalls: stalls(0.01, 0.01, 0.0),
        processes: vec![worker],
        vm: vec![("oom_kill", 0.4)],
        groups: vec![
            parent("/kubepods.slice"),
            parent("/kubepods.slice/kubepods-burstable.slice"),
            killed(slice),
            Group::new(scope)
                .with("memory.max", "max\n")
                .counts("memory.events", &[("max", 0.0), ("oom_kill", 0.4)]),
        ],
        log: vec![
            (
                2.0,
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3.slice,task_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3.slice/cri-containerd-c1.scope,task=worker,pid=812,uid=1000",
            ),
            (
                2.0,
                "Memory cgroup out of memory: Killed process 812 (worker) total-vm:900000kB, anon-rss:510000kB, file-rss:2000kB, shmem-rss:0kB, UID:1000 pgtables:1300kB oom_score_adj:999",
            ),
        ],
        ..Machine::default()
    }
}

/// Pages come from swap all the time; the kernel does not measure stalls.
pub(super) fn swap_without_psi() -> Machine {
    let java = Process {
        comm: "java",
        threads: 40,
        busy_threads: 8,
        user: 0.2,
        system: 0.3,
        blocked: 4.0,
        blocked_in: "wait_on_page_bit_common",
        sleeps_in: "futex_wait_queue_me",
        anonymous: 6300 * MIB,
        swapped: 3 * GIB,
        major_faults: 700.0,
        group: "/system.slice/app.service",
        ..Process::default()
    };
    Machine {
        kernel: "4.18.0-553.el8_10.x86_64",
        stalls: None,
        history: 0.1,
        processes: vec![java],
        cgroups: Version::Legacy,
        memory: Memory {
            total: 8 * GIB,
            cache: 300 * MIB,
            slab_reclaimable: 60 * MIB,
            swap: Some(Swap { size: 8 * GIB, used: 4 * GIB }),
            ..Memory::default()
        },
        vm: vec![
            ("pswpin", 1900.0),
            ("pswpout", 2100.0),
            ("pgmajfault", 720.0),
            ("pgscan_kswapd", 30e3),
            ("pgsteal_kswapd", 3e3),
            ("pgscan_direct", 9e3),
            ("pgsteal_direct", 900.0),
            ("allocstall_normal", 40.0),
        ],
        disks: vec![Disk {
            reads: 700.0,
            read_kib: 8.0,
            read_ms: 5.0,
            writes: 150.0,
            write_kib: 56.0,
            write_ms: 9.0,
            busy: 0.97,
            ..Disk::spinning("sda")
        }],
        mounts: vec![Mount::new("/", "/dev/sda2", "xfs", 500 * GIB, 0.4)],
        ..Machine::default()
    }
}

/// A slice hits its limit all the time; on 32 CPUs the machine as a whole hardly feels it.
pub(super) fn slice_thrashes() -> Machine {
    let job = Process {
        comm: "etl",
        copies: 3,
        user: 0.1,
        system: 0.3,
        blocked: 0.4,
        major_faults: 400.0,
        reads: 30e6,
        anonymous: 600 * MIB,
        group: "/batch.slice/etl.service",
        ..Process::default()
    };
    Machine {
        cpus: 32,
        stalls: stalls(0.01, 0.03, 0.04),
        processes: vec![job],
        vm: vec![
            ("pgscan_direct", 90e3),
            ("pgsteal_direct", 60e3),
            ("workingset_refault_file", 20e3),
            ("workingset_refault_anon", 300.0),
            ("pgmajfault", 1200.0),
        ],
        groups: vec![
            Group::new("/batch.slice").memory(2 * GIB, 2 * GIB - MIB, 20e3).stalled("memory", 0.7, 0.5),
            Group::new("/batch.slice/etl.service")
                .with("memory.max", "max\n")
                .with("memory.high", "max\n")
                .counts("memory.events", &[("max", 0.0)])
                .stalled("memory", 0.7, 0.5),
        ],
        disks: vec![Disk { reads: 5000.0, read_kib: 18.0, busy: 0.5, ..Disk::nvme("nvme0n1") }],
        ..Machine::default()
    }
}

/// No room left but a few hundred megabytes, no swap, and one program takes more.
pub(super) fn leak_without_swap() -> Machine {
    let java = Process {
        comm: "java",
        threads: 30,
        user: 0.3,
        system: 0.1,
        anonymous: 15_450 * MIB,
        grows: 12e6,
        group: "/system.slice/app.service",
        sleeps_in: "futex_wait_queue",
        ..Process::default()
    };
    Machine {
        history: 0.1,
        processes: vec![java],
        memory: Memory { cache: 200 * MIB, slab_reclaimable: 40 * MIB, ..Memory::default() },
        ..Machine::default()
    }
}

/// Most of memory is set aside as huge pages that nobody uses.
pub(super) fn huge_pages_unused() -> Machine {
    let mut machine = tmpfs_and_swap();
    machine.memory.shared = 100 * MIB;
    machine.processes[0].anonymous = 1900 * MIB;
    machine.processes[0].swapped = 600 * MIB;
    machine.memory.huge_pages = 28 * GIB;
    machine.memory.huge_pages_free = 28 * GIB;
    machine.mounts = vec![Mount::root()];
    machine
}
