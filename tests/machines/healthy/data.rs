//! Machines that hold data: databases, caches, mail and logs.

use super::stalls;
use crate::machine::{Disk, GIB, Group, Link, MIB, Machine, Memory, Mount, Process, Swap, TIB};

/// Shared buffers in huge pages, a busy NVMe that answers at its usual speed.
pub(super) fn database_huge_pages() -> Machine {
    let backend = Process {
        comm: "mysqld",
        threads: 180,
        busy_threads: 60,
        user: 5.2,
        system: 1.3,
        delay: 0.2,
        blocked: 1.1,
        blocked_in: "blk_mq_get_tag",
        sleeps_in: "futex_wait_queue",
        anonymous: 9 * GIB,
        reads: 150e6,
        writes: 60e6,
        group: "/system.slice/mysqld.service",
        uid: 27,
        files: 4200,
        ..Process::default()
    };
    Machine {
        cpus: 32,
        nodes: 2,
        history: 0.8,
        stalls: stalls(0.03, 0.0, 0.045),
        processes: vec![backend],
        memory: Memory {
            total: 256 * GIB,
            cache: 20 * GIB,
            slab_reclaimable: 3 * GIB,
            slab: 900 * MIB,
            huge_pages: 200 * GIB,
            huge_pages_free: 4 * GIB,
            dirty: 90 * MIB,
            ..Memory::default()
        },
        disks: vec![Disk {
            reads: 9400.0,
            read_kib: 16.0,
            read_ms: 0.11,
            writes: 3800.0,
            write_kib: 16.0,
            write_ms: 0.06,
            flushes: 240.0,
            flush_ms: 0.3,
            busy: 0.62,
            ..Disk::nvme("nvme0n1")
        }],
        links: vec![Link {
            received_packets: 42e3,
            received_bytes: 9e6,
            sent_packets: 51e3,
            sent_bytes: 74e6,
            ..Link::default()
        }],
        soft_interrupts: 0.4,
        sockets: (900, 300),
        ..Machine::default()
    }
}

/// Forty backends that share eight gigabytes of buffers.
pub(super) fn postgres_40_backends() -> Machine {
    let postgres = Process {
        comm: "postgres",
        group: "/system.slice/postgresql.service",
        uid: 109,
        ..Process::default()
    };
    let backend = Process {
        copies: 40,
        user: 0.11,
        system: 0.03,
        blocked: 0.02,
        anonymous: 24 * MIB,
        shared: 7 * GIB,
        reads: 900e3,
        writes: 60e3,
        parent: "postgres",
        files: 90,
        ..postgres.clone()
    };
    let writer = Process {
        blocked: 0.05,
        blocked_in: "jbd2_log_wait_commit",
        writes: 8e6,
        shared: 7 * GIB,
        parent: "postgres",
        ..postgres.clone()
    };
    Machine {
        cpus: 16,
        stalls: stalls(0.02, 0.0, 0.05),
        processes: vec![postgres, backend, writer],
        memory: Memory {
            total: 64 * GIB,
            cache: 38 * GIB,
            shared: 8 * GIB + 200 * MIB,
            dirty: 40 * MIB,
            ..Memory::default()
        },
        disks: vec![Disk {
            reads: 2200.0,
            read_kib: 16.0,
            read_ms: 0.12,
            writes: 600.0,
            write_kib: 16.0,
            write_ms: 0.07,
            flushes: 90.0,
            flush_ms: 0.6,
            busy: 0.24,
            ..Disk::nvme("nvme0n1")
        }],
        ..Machine::default()
    }
}

/// Memory is full of data, as it was yesterday; there is no swap and nothing grows.
pub(super) fn redis_95_percent() -> Machine {
    let redis = Process {
        comm: "redis-server",
        threads: 5,
        user: 0.28,
        system: 0.14,
        anonymous: 60_600 * MIB,
        group: "/system.slice/redis-server.service",
        uid: 112,
        files: 900,
        ..Process::default()
    };
    Machine {
        cpus: 8,
        stalls: stalls(0.01, 0.0, 0.0),
        processes: vec![redis],
        memory: Memory {
            total: 64 * GIB,
            cache: 2500 * MIB,
            slab_reclaimable: 200 * MIB,
            slab: 150 * MIB,
            shared: 10 * MIB,
            ..Memory::default()
        },
        links: vec![Link {
            received_packets: 30e3,
            received_bytes: 4e6,
            sent_packets: 30e3,
            sent_bytes: 12e6,
            ..Link::default()
        }],
        ..Machine::default()
    }
}

/// Four fifths of memory in ZFS's cache, which gives it back when asked.
pub(super) fn zfs_arc() -> Machine {
    let arc = 51 * GIB;
    let server =
        Process { comm: "nfsd", copies: 16, kernel: true, system: 0.04, blocked: 0.01, ..Process::default() };
    let mut machine = Machine {
        cpus: 8,
        stalls: stalls(0.01, 0.0, 0.02),
        processes: vec![server],
        memory: Memory {
            total: 64 * GIB,
            cache: 600 * MIB,
            unaccounted: arc,
            slab: 3 * GIB,
            ..Memory::default()
        },
        disks: vec![
            Disk { reads: 40.0, read_kib: 64.0, busy: 0.3, ..Disk::spinning("sda") },
            Disk { reads: 40.0, read_kib: 64.0, busy: 0.3, ..Disk::spinning("sdb") },
        ],
        mounts: vec![Mount::new("/", "tank/root", "zfs", 8 * TIB, 0.6)],
        ..Machine::default()
    };
    let text = format!(
        "13 1 0x01 147 39984 4 5\nname type data\nhits 4 88213\nc_min 4 {}\nc_max 4 {}\nsize 4 {arc}\n",
        2 * GIB,
        52 * GIB
    );
    machine.file("proc/spl/kstat/zfs/arcstats", &text);
    machine
}

/// Many small files, each made safe on the disk.
pub(super) fn mail_server() -> Machine {
    let postfix = Process {
        comm: "smtpd",
        copies: 40,
        user: 0.004,
        system: 0.003,
        blocked: 0.004,
        blocked_in: "jbd2_log_wait_commit",
        writes: 40e3,
        group: "/system.slice/postfix.service",
        uid: 105,
        ..Process::default()
    };
    let imap = Process {
        comm: "imap",
        copies: 200,
        user: 0.0005,
        system: 0.0005,
        group: "/system.slice/dovecot.service",
        uid: 2000,
        ..Process::default()
    };
    Machine {
        processes: vec![postfix, imap],
        stalls: stalls(0.01, 0.0, 0.06),
        disks: vec![Disk {
            reads: 30.0,
            writes: 420.0,
            write_kib: 7.0,
            write_ms: 0.15,
            flushes: 110.0,
            flush_ms: 1.1,
            busy: 0.16,
            ..Disk::nvme("sda")
        }],
        mounts: vec![Mount::new("/", "/dev/sda1", "ext4", 900 * GIB, 0.6)],
        memory: Memory { dirty: 12 * MIB, ..Memory::default() },
        sockets: (320, 600),
        ..Machine::default()
    }
}

/// Swap is full of what nobody has used for weeks.
pub(super) fn swap_full_of_old_pages() -> Machine {
    let old = Process {
        comm: "java",
        threads: 60,
        user: 0.05,
        system: 0.01,
        anonymous: 3 * GIB,
        swapped: 2 * GIB,
        group: "/system.slice/jenkins.service",
        sleeps_in: "futex_wait_queue",
        ..Process::default()
    };
    Machine {
        processes: vec![old],
        memory: Memory {
            total: 8 * GIB,
            cache: 2 * GIB,
            swap: Some(Swap { size: 2 * GIB, used: 2 * GIB - 3 * MIB }),
            ..Memory::default()
        },
        ..Machine::default()
    }
}

/// Writes a lot, and the disk keeps up.
pub(super) fn log_server() -> Machine {
    let rsyslog = Process {
        comm: "syslog-ng",
        threads: 9,
        busy_threads: 3,
        user: 0.5,
        system: 0.2,
        writes: 38e6,
        group: "/system.slice/syslog-ng.service",
        files: 300,
        ..Process::default()
    };
    let flusher = Process {
        comm: "kworker/u8:1+fl",
        kernel: true,
        system: 0.05,
        blocked: 0.05,
        blocked_in: "blk_mq_get_tag",
        ..Process::default()
    };
    Machine {
        processes: vec![rsyslog, flusher],
        stalls: stalls(0.02, 0.0, 0.03),
        memory: Memory { cache: 11 * GIB, dirty: 480 * MIB, ..Memory::default() },
        disks: vec![Disk {
            writes: 160.0,
            write_kib: 240.0,
            write_ms: 9.0,
            reads: 1.0,
            busy: 0.35,
            ..Disk::spinning("sda")
        }],
        mounts: vec![Mount::new("/", "/dev/sda2", "ext4", 6 * TIB, 0.83)],
        links: vec![Link {
            received_packets: 40e3,
            received_bytes: 41e6,
            sent_packets: 2e3,
            sent_bytes: 200e3,
            ..Link::default()
        }],
        ..Machine::default()
    }
}

/// A container that reads many files fills its limit with page cache, which goes as it comes.
pub(super) fn page_cache_at_limit() -> Machine {
    let app = Process {
        comm: "clamd",
        threads: 4,
        user: 0.3,
        system: 0.1,
        blocked: 0.03,
        anonymous: 900 * MIB,
        reads: 12e6,
        group: "/system.slice/clamd.service",
        ..Process::default()
    };
    let group = Group::new("/system.slice/clamd.service")
        .with("memory.max", "2147483648\n")
        .with("memory.high", "max\n")
        .with("memory.current", "2147471360\n")
        .with(
            "memory.stat",
            "anon 943718400\nfile 1190000000\ninactive_file 900000000\nactive_file 290000000\n",
        )
        .counts(
            "memory.events",
            &[("low", 0.0), ("high", 0.0), ("max", 25.0), ("oom", 0.0), ("oom_kill", 0.0)],
        )
        .stalled("memory", 0.002, 0.001);
    Machine {
        stalls: stalls(0.01, 0.002, 0.03),
        processes: vec![app],
        groups: vec![group],
        vm: vec![("pgscan_direct", 3000.0), ("pgsteal_direct", 2900.0)],
        disks: vec![Disk {
            reads: 180.0,
            read_kib: 64.0,
            read_ms: 0.15,
            busy: 0.03,
            ..Disk::nvme("nvme0n1")
        }],
        ..Machine::default()
    }
}

/// A broker writes a stream to page cache; the kernel writes it to disk behind its back.
pub(super) fn kafka() -> Machine {
    let broker = Process {
        comm: "java",
        threads: 120,
        busy_threads: 16,
        user: 2.2,
        system: 1.1,
        delay: 0.1,
        anonymous: 8 * GIB,
        writes: 160e6,
        sleeps_in: "futex_wait_queue",
        group: "/system.slice/kafka.service",
        files: 9000,
        ..Process::default()
    };
    Machine {
        cpus: 16,
        stalls: stalls(0.03, 0.0, 0.02),
        processes: vec![broker],
        memory: Memory {
            total: 128 * GIB,
            cache: 112 * GIB,
            slab_reclaimable: 3 * GIB,
            dirty: 2600 * MIB,
            ..Memory::default()
        },
        vm: vec![("pgscan_kswapd", 41e3), ("pgsteal_kswapd", 40e3)],
        disks: vec![Disk {
            writes: 340.0,
            write_kib: 480.0,
            write_ms: 2.1,
            busy: 0.34,
            ..Disk::nvme("nvme0n1")
        }],
        links: vec![Link {
            received_packets: 110e3,
            received_bytes: 160e6,
            sent_packets: 150e3,
            sent_bytes: 310e6,
            ..Link::default()
        }],
        soft_interrupts: 0.9,
        ..Machine::default()
    }
}

/// Nearly full by ratio, and nearly a terabyte is left.
pub(super) fn archive_96_percent() -> Machine {
    Machine {
        mounts: vec![Mount::root(), Mount::new("/archive", "/dev/sdb1", "xfs", 20 * TIB, 0.955)],
        ..Machine::default()
    }
}
