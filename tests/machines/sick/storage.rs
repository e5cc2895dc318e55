//! Machines whose disks and file systems are in trouble.

use super::stalls;
use crate::machine::{Disk, GIB, Group, Machine, Mount, Process, TIB};

/// The archive is as full by ratio, but it is / that no byte fits on.
pub(super) fn root_full() -> Machine {
    let postgres = Process {
        comm: "postgres",
        copies: 12,
        user: 0.01,
        writes_to: "/var/lib/postgresql/15/main/pg_wal/000000010000000000000042",
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
pub(super) fn one_disk_of_two() -> Machine {
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
pub(super) fn slow_nfs_beside_disk() -> Machine {
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

/// A cloud volume that always takes long, and now has a queue.
pub(super) fn slow_volume_queue() -> Machine {
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

/// A ring of requests that no thread waits for keeps the disk full.
pub(super) fn ring_fills_disk() -> Machine {
    let fio = Process {
        comm: "scylla",
        threads: 8,
        busy_threads: 8,
        user: 2.0,
        system: 1.2,
        reads: 1.6e9,
        writes: 200e6,
        group: "/system.slice/scylla.service",
        ..Process::default()
    };
    Machine {
        cpus: 16,
        stalls: stalls(0.02, 0.0, 0.04),
        history: 0.2,
        processes: vec![fio],
        disks: vec![Disk {
            reads: 13_000.0,
            read_kib: 120.0,
            read_ms: 4.6,
            writes: 1600.0,
            write_kib: 120.0,
            write_ms: 3.0,
            busy: 1.0,
            usual: 0.3,
            ..Disk::nvme("nvme0n1")
        }],
        ..Machine::default()
    }
}

/// One request after the other from a disk that is quick: the program's own limit.
pub(super) fn one_request_at_a_time() -> Machine {
    let indexer = Process {
        comm: "indexer",
        user: 0.2,
        system: 0.13,
        blocked: 0.62,
        reads: 27e6,
        group: "/system.slice/indexer.service",
        ..Process::default()
    };
    Machine {
        stalls: stalls(0.01, 0.0, 0.6),
        history: 0.3,
        processes: vec![indexer],
        disks: vec![Disk { reads: 6700.0, read_kib: 4.0, read_ms: 0.09, busy: 0.6, ..Disk::nvme("nvme0n1") }],
        ..Machine::default()
    }
}

/// Each commit takes a second, so there are few of them.
pub(super) fn commits_of_a_second() -> Machine {
    let redis = Process {
        comm: "redis-server",
        threads: 5,
        user: 0.03,
        system: 0.02,
        blocked: 0.9,
        blocked_in: "blkdev_issue_flush",
        writes: 60e3,
        group: "/system.slice/redis.service",
        ..Process::default()
    };
    Machine {
        stalls: stalls(0.01, 0.0, 0.88),
        history: 0.1,
        processes: vec![redis],
        disks: vec![Disk {
            writes: 2.0,
            write_ms: 220.0,
            flushes: 1.0,
            flush_ms: 850.0,
            reads: 0.0,
            busy: 0.92,
            usual: 0.02,
            ..Disk::nvme("sda")
        }],
        ..Machine::default()
    }
}

/// An error made the file system read-only.
pub(super) fn remounted_read_only() -> Machine {
    Machine {
        log: vec![
            (
                1.0,
                "EXT4-fs error (device sda1): ext4_journal_check_start:83: comm postgres: Detected aborted journal",
            ),
            (1.0, "EXT4-fs (sda1): Remounting filesystem read-only"),
        ],
        ..Machine::default()
    }
}
