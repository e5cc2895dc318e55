//! Machines that have a bottleneck, with what an expert would say of them.

use crate::machine::{
    Disk, GIB, Group, Link, MIB, Machine, Made, Memory, Mount, Process, Stalls, Swap, TIB, Version,
};

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

/// Somebody waits.
const BAD: Truth =
    Truth { verdict: &[], severity: &["warning", "critical"], culprit: &[], says: &[], lists: &[] };

/// Many wait, most of the time.
const WORST: Truth = Truth { severity: &["critical"], ..BAD };

pub(crate) const ALL: &[(&str, Truth, Made)] = &[
    ("full-cpus", Truth { verdict: &["cpu-user"], culprit: &["php-fpm"], ..WORST }, full_cpus),
    ("proxy-60-30-10", Truth { verdict: &["cpu-user"], culprit: &["envoy"], ..WORST }, proxy_60_30_10),
    (
        "full-cpus-without-psi",
        Truth { verdict: &["cpu-user"], culprit: &["java"], ..WORST },
        full_cpus_without_psi,
    ),
    ("one-cpu-for-four", Truth { verdict: &["cpu-user"], culprit: &["python3"], ..WORST }, one_cpu_for_four),
    ("cpus-512-full", Truth { verdict: &["cpu-user"], culprit: &["spark"], ..WORST }, cpus_512_full),
    ("stolen", Truth { verdict: &["cpu-steal"], ..BAD }, stolen),
    (
        "nested-quota-v1",
        Truth { verdict: &["cpu-throttled"], culprit: &["node"], says: &["pod7"], ..BAD },
        nested_quota_v1,
    ),
    ("root-full", Truth { verdict: &["disk-full"], says: &["/ "], ..WORST }, root_full),
    (
        "one-disk-of-two",
        Truth { verdict: &["disk-saturated"], culprit: &["mysqld"], says: &["sdb"], ..BAD },
        one_disk_of_two,
    ),
    (
        "slow-nfs-beside-disk",
        Truth { verdict: &["io-blocked"], says: &["/srv/share"], ..BAD },
        slow_nfs_beside_disk,
    ),
    ("lock-of-8-cpus", Truth { verdict: &["lock-contention"], culprit: &["tokend"], ..BAD }, lock_of_8_cpus),
    (
        "tmpfs-and-swap",
        Truth {
            verdict: &["memory-unowned", "memory-swap"],
            culprit: &["", "/dev/shm", "tmpfs"],
            says: &["shm"],
            ..WORST
        },
        tmpfs_and_swap,
    ),
    ("pod-oom", Truth { verdict: &["memory-oom", "memory-cgroup-limit"], says: &["pod3"], ..BAD }, pod_oom),
    (
        "slow-volume-queue",
        Truth { verdict: &["disk-saturated"], culprit: &["mongod"], says: &["nvme1n1"], ..WORST },
        slow_volume_queue,
    ),
    ("swap-without-psi", Truth { verdict: &["memory-swap"], culprit: &["java"], ..BAD }, swap_without_psi),
    ("gateway-table-full", Truth { verdict: &["conntrack-full"], ..BAD }, gateway_table_full),
    (
        "slice-thrashes",
        Truth { verdict: &["memory-cgroup-limit"], says: &["batch.slice"], ..BAD },
        slice_thrashes,
    ),
];

fn stalls(cpu: f64, memory: f64, io: f64) -> Option<Stalls> {
    Some(Stalls { cpu, memory, io, memory_full: memory / 2.0, io_full: io / 1.5 })
}

/// A web server with four CPUs and work for eight.
pub(crate) fn full_cpus() -> Machine {
    let worker = Process {
        comm: "php-fpm",
        copies: 8,
        user: 0.46,
        system: 0.03,
        delay: 0.5,
        anonymous: 80 * MIB,
        group: "/system.slice/php-fpm.service",
        ..Process::default()
    };
    Machine { stalls: stalls(0.93, 0.0, 0.0), history: 0.3, processes: vec![worker], ..Machine::default() }
}

/// Three modes share the CPUs; the largest names it.
fn proxy_60_30_10() -> Machine {
    let worker = Process {
        comm: "envoy",
        threads: 20,
        busy_threads: 16,
        user: 4.75,
        system: 2.4,
        delay: 5.0,
        group: "/system.slice/envoy.service",
        ..Process::default()
    };
    Machine {
        cpus: 8,
        stalls: stalls(0.85, 0.0, 0.0),
        history: 0.4,
        soft_interrupts: 0.8,
        processes: vec![worker],
        links: vec![Link {
            received_packets: 300e3,
            received_bytes: 150e6,
            sent_packets: 300e3,
            sent_bytes: 150e6,
            ..Link::default()
        }],
        ..Machine::default()
    }
}

/// 24 threads for eight CPUs on RHEL.
fn full_cpus_without_psi() -> Machine {
    let java = Process {
        comm: "java",
        threads: 60,
        busy_threads: 24,
        user: 7.6,
        system: 0.3,
        delay: 16.0,
        anonymous: 6 * GIB,
        sleeps_in: "futex_wait_queue_me",
        group: "/system.slice/tomcat.service",
        ..Process::default()
    };
    Machine {
        kernel: "4.18.0-553.el8_10.x86_64",
        cpus: 8,
        stalls: None,
        history: 0.2,
        processes: vec![java],
        cgroups: Version::Legacy,
        ..Machine::default()
    }
}

/// Four programs share the one CPU of a small machine.
fn one_cpu_for_four() -> Machine {
    let worker = Process {
        comm: "python3",
        copies: 4,
        user: 0.24,
        delay: 0.75,
        group: "/system.slice/worker.service",
        ..Process::default()
    };
    Machine {
        cpus: 1,
        stalls: stalls(0.97, 0.0, 0.0),
        history: 0.2,
        processes: vec![worker],
        ..Machine::default()
    }
}

/// Twice as many threads as there are CPUs.
fn cpus_512_full() -> Machine {
    let worker = Process {
        comm: "spark",
        copies: 8,
        threads: 140,
        busy_threads: 128,
        user: 63.0,
        system: 0.8,
        delay: 63.0,
        anonymous: 100 * GIB,
        group: "/system.slice/spark.service",
        ..Process::default()
    };
    Machine {
        cpus: 512,
        nodes: 8,
        stalls: stalls(0.9, 0.0, 0.0),
        history: 0.3,
        processes: vec![worker],
        memory: Memory { total: 2 * TIB, ..Memory::default() },
        ..Machine::default()
    }
}

/// The host gives a third of the CPUs to others.
fn stolen() -> Machine {
    let app = Process {
        comm: "uwsgi",
        copies: 6,
        user: 0.4,
        system: 0.04,
        delay: 0.25,
        group: "/system.slice/uwsgi.service",
        ..Process::default()
    };
    Machine {
        hypervisor: Some("kvm"),
        steal: 1.3,
        stalls: stalls(0.55, 0.0, 0.0),
        history: 0.2,
        processes: vec![app],
        ..Machine::default()
    }
}

/// The quota is on the pod, two levels above the group that the processes are in.
fn nested_quota_v1() -> Machine {
    let node = Process {
        comm: "node",
        copies: 3,
        threads: 11,
        busy_threads: 2,
        user: 0.3,
        system: 0.03,
        delay: 1.2,
        group: "/kubepods/burstable/pod7/container/app",
        uid: 1000,
        ..Process::default()
    };
    Machine {
        cpus: 16,
        kernel: "5.4.0-150-generic",
        cgroups: Version::Legacy,
        stalls: stalls(0.3, 0.0, 0.0),
        processes: vec![node],
        groups: vec![
            Group::new("cpu/kubepods/burstable/pod7").quota(1.0, 0.98, 2.6),
            Group::new("cpu/kubepods/burstable/pod7/container/app")
                .counts("cpu.stat", &[("nr_periods", 0.0), ("nr_throttled", 0.0), ("throttled_time", 0.0)]),
        ],
        ..Machine::default()
    }
}

/// The archive is as full by ratio, but it is / that no byte fits on.
fn root_full() -> Machine {
    let postgres = Process {
        comm: "postgres",
        copies: 12,
        user: 0.01,
        group: "/system.slice/postgresql.service",
        ..Process::default()
    };
    Machine {
        processes: vec![postgres],
        mounts: vec![
            Mount { used: 1.0, ..Mount::new("/", "/dev/nvme0n1p2", "ext4", 100 * GIB, 0.4) },
            Mount::new("/archive", "/dev/sdb1", "xfs", 20 * TIB, 0.99),
            Mount::new("/boot", "/dev/nvme0n1p1", "ext4", GIB, 0.3),
        ],
        ..Machine::default()
    }
}

/// A backup moves most, from the disk that has no trouble with it.
fn one_disk_of_two() -> Machine {
    let mysqld = Process {
        comm: "mysqld",
        threads: 60,
        busy_threads: 24,
        user: 0.3,
        system: 0.1,
        blocked: 6.0,
        blocked_in: "folio_wait_bit_common",
        sleeps_in: "futex_wait_queue",
        reads: 2.6e6,
        writes: 400e3,
        group: "/system.slice/mysqld.service",
        anonymous: 4 * GIB,
        ..Process::default()
    };
    let borg = Process {
        comm: "borg",
        user: 0.6,
        system: 0.3,
        blocked: 0.08,
        reads: 420e6,
        group: "/system.slice/backup.service",
        ..Process::default()
    };
    Machine {
        cpus: 8,
        stalls: stalls(0.02, 0.0, 0.62),
        history: 0.15,
        processes: vec![mysqld, borg],
        disks: vec![
            Disk { reads: 1700.0, read_kib: 244.0, read_ms: 0.4, busy: 0.45, ..Disk::nvme("nvme0n1") },
            Disk {
                reads: 158.0,
                read_kib: 16.0,
                read_ms: 36.0,
                writes: 25.0,
                write_kib: 16.0,
                write_ms: 40.0,
                busy: 0.99,
                usual: 0.3,
                ..Disk::spinning("sdb")
            },
        ],
        groups: vec![
            Group::new("/system.slice/mysqld.service").io(1, 2.6e6, 400e3),
            Group::new("/system.slice/backup.service").io(0, 420e6, 0.0),
        ],
        mounts: vec![Mount::root(), Mount::new("/var/lib/mysql", "/dev/sdb1", "xfs", 3 * TIB, 0.4)],
        ..Machine::default()
    }
}

/// The server does not answer; the local disk is at work and well.
fn slow_nfs_beside_disk() -> Machine {
    let php = Process {
        comm: "php-fpm",
        copies: 10,
        user: 0.01,
        blocked: 0.9,
        blocked_in: "rpc_wait_bit_killable",
        group: "/system.slice/php-fpm.service",
        ..Process::default()
    };
    let rsync = Process {
        comm: "rsync",
        user: 0.2,
        system: 0.2,
        blocked: 0.3,
        reads: 60e6,
        group: "/system.slice/rsync.service",
        ..Process::default()
    };
    Machine {
        stalls: stalls(0.01, 0.0, 0.8),
        history: 0.3,
        processes: vec![php, rsync],
        disks: vec![Disk {
            reads: 250.0,
            read_kib: 240.0,
            read_ms: 1.6,
            busy: 0.45,
            ..Disk::spinning("sda")
        }],
        mounts: vec![
            Mount::new("/", "/dev/sda2", "ext4", 900 * GIB, 0.5),
            Mount::new("/srv/share", "filer:/share", "nfs4", 9 * TIB, 0.5),
        ],
        ..Machine::default()
    }
}

/// Forty threads of one process fight for a lock, while 56 of 64 CPUs idle.
fn lock_of_8_cpus() -> Machine {
    let tokend = Process {
        comm: "tokend",
        threads: 48,
        busy_threads: 44,
        user: 3.2,
        system: 4.4,
        delay: 0.3,
        turns: 9000.0,
        sleeps_in: "futex_wait_queue",
        group: "/system.slice/tokend.service",
        ..Process::default()
    };
    Machine {
        cpus: 64,
        stalls: stalls(0.05, 0.0, 0.0),
        history: 0.5,
        processes: vec![tokend],
        switches: 800e3,
        ..Machine::default()
    }
}

/// Files in memory take what the programs need.
fn tmpfs_and_swap() -> Machine {
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
fn pod_oom() -> Machine {
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

/// A cloud volume that always takes long, and now has a queue.
fn slow_volume_queue() -> Machine {
    let mongod = Process {
        comm: "mongod",
        threads: 50,
        busy_threads: 20,
        user: 0.5,
        system: 0.2,
        blocked: 14.0,
        reads: 12e6,
        writes: 1e6,
        sleeps_in: "futex_wait_queue",
        group: "/system.slice/mongod.service",
        ..Process::default()
    };
    Machine {
        hypervisor: Some("amazon"),
        stalls: stalls(0.02, 0.0, 0.88),
        history: 0.1,
        processes: vec![mongod],
        disks: vec![
            Disk::nvme("nvme0n1"),
            Disk {
                reads: 740.0,
                read_kib: 16.0,
                read_ms: 19.0,
                writes: 60.0,
                write_kib: 16.0,
                write_ms: 18.0,
                busy: 1.0,
                ..Disk::nvme("nvme1n1")
            },
        ],
        ..Machine::default()
    }
}

/// Pages come from swap all the time; the kernel does not measure stalls.
fn swap_without_psi() -> Machine {
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

/// No room in the table for another connection.
fn gateway_table_full() -> Machine {
    let mut machine = Machine {
        cpus: 8,
        soft_interrupts: 0.9,
        links: vec![Link {
            received_packets: 180e3,
            received_bytes: 90e6,
            sent_packets: 170e3,
            sent_bytes: 90e6,
            ..Link::default()
        }],
        log: vec![
            (1.0, "nf_conntrack: nf_conntrack: table full, dropping packet"),
            (3.0, "nf_conntrack: nf_conntrack: table full, dropping packet"),
        ],
        ..Machine::default()
    };
    machine.file("proc/sys/net/netfilter/nf_conntrack_count", "262140\n");
    machine.file("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    machine
}

/// A slice hits its limit all the time; on 32 CPUs the machine as a whole hardly feels it.
fn slice_thrashes() -> Machine {
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
