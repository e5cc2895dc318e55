//! Machines that compute, or keep their CPUs busy by design.

use super::stalls;
use crate::machine::{Disk, GIB, HOUR, Link, MIB, Machine, Memory, Mount, Process, TIB};

/// `make -j16` on 16 CPUs: all are busy, and hardly a thread has to wait.
pub(super) fn build_server() -> Machine {
    let compiler = Process {
        comm: "cc1plus",
        copies: 15,
        user: 0.88,
        system: 0.08,
        delay: 0.01,
        anonymous: 300 * MIB,
        lives: Some(1.6),
        parent: "make",
        group: "/system.slice/buildbot.service",
        uid: 998,
        ..Process::default()
    };
    let shells = Process {
        comm: "sh",
        copies: 3,
        user: 0.05,
        system: 0.09,
        lives: Some(0.1),
        parent: "make",
        group: "/system.slice/buildbot.service",
        uid: 998,
        ..Process::default()
    };
    let make = Process {
        comm: "make",
        user: 0.02,
        system: 0.03,
        children: (13.1, 1.4),
        group: "/system.slice/buildbot.service",
        sleeps_in: "do_wait",
        age: 900.0,
        uid: 998,
        ..Process::default()
    };
    Machine {
        cpus: 16,
        history: 0.3,
        forks: 45.0,
        stalls: stalls(0.12, 0.0, 0.005),
        processes: vec![make, compiler, shells],
        memory: Memory { total: 64 * GIB, cache: 30 * GIB, dirty: 120 * MIB, ..Memory::default() },
        disks: vec![Disk { writes: 150.0, write_kib: 60.0, busy: 0.03, ..Disk::nvme("nvme0n1") }],
        ..Machine::default()
    }
}

/// A rank on each CPU, as it should be.
pub(super) fn hpc_128() -> Machine {
    let rank = Process {
        comm: "xhpl",
        copies: 128,
        user: 0.985,
        system: 0.006,
        bound: Some(0),
        anonymous: 3 * GIB,
        group: "/system.slice/slurmstepd.scope/job_4711",
        uid: 5012,
        age: 5.0 * HOUR,
        sleeps_in: "0",
        ..Process::default()
    };
    Machine {
        cpus: 128,
        nodes: 2,
        history: 0.9,
        stalls: stalls(0.02, 0.0, 0.0),
        processes: vec![rank],
        memory: Memory { total: 512 * GIB, cache: 12 * GIB, ..Memory::default() },
        ..Machine::default()
    }
}

/// The guests have 90 % of memory and half of the CPUs.
pub(super) fn hypervisor() -> Machine {
    let guest = Process {
        comm: "qemu-system-x86",
        copies: 22,
        threads: 14,
        busy_threads: 8,
        user: 1.1,
        system: 0.15,
        delay: 0.01,
        guest: true,
        anonymous: 16 * GIB,
        group: "/machine.slice/machine-qemu.scope",
        sleeps_in: "kvm_vcpu_block",
        uid: 107,
        writes: 300e3,
        files: 120,
        ..Process::default()
    };
    Machine {
        cpus: 64,
        nodes: 2,
        stalls: stalls(0.02, 0.0, 0.002),
        processes: vec![guest],
        memory: Memory { total: 384 * GIB, cache: 14 * GIB, slab: 2 * GIB, ..Memory::default() },
        disks: vec![Disk {
            writes: 900.0,
            write_kib: 12.0,
            reads: 300.0,
            busy: 0.06,
            ..Disk::nvme("nvme0n1")
        }],
        links: vec![Link {
            received_packets: 60e3,
            received_bytes: 40e6,
            sent_packets: 55e3,
            sent_bytes: 50e6,
            ..Link::default()
        }],
        soft_interrupts: 0.9,
        ..Machine::default()
    }
}

/// A backup at lowest priority keeps the disk busy; nobody else wants it.
pub(super) fn backup_night() -> Machine {
    let backup = Process {
        comm: "borg",
        user: 0.30,
        system: 0.10,
        blocked: 0.45,
        nice: 19,
        policy: (3, 0),
        anonymous: 700 * MIB,
        reads: 95e6,
        group: "/system.slice/backup.service",
        age: 3000.0,
        ..Process::default()
    };
    Machine {
        processes: vec![backup],
        history: 0.2,
        stalls: stalls(0.01, 0.0, 0.38),
        disks: vec![Disk {
            reads: 380.0,
            read_kib: 244.0,
            read_ms: 2.3,
            busy: 0.84,
            ..Disk::spinning("sda")
        }],
        mounts: vec![Mount::new("/", "/dev/sda2", "ext4", 3 * TIB, 0.7)],
        memory: Memory { total: 32 * GIB, cache: 27 * GIB, ..Memory::default() },
        ..Machine::default()
    }
}

/// Half of 512 CPUs at work.
pub(super) fn cpus_512() -> Machine {
    let worker = Process {
        comm: "trino-server",
        copies: 4,
        threads: 700,
        busy_threads: 100,
        user: 60.0,
        system: 3.0,
        delay: 0.2,
        anonymous: 180 * GIB,
        group: "/system.slice/trino.service",
        sleeps_in: "futex_wait_queue",
        files: 900,
        ..Process::default()
    };
    Machine {
        cpus: 512,
        nodes: 8,
        stalls: stalls(0.03, 0.0, 0.0),
        processes: vec![worker],
        memory: Memory {
            total: 2048 * GIB,
            cache: 300 * GIB,
            slab: 8 * GIB,
            slab_reclaimable: 8 * GIB,
            ..Memory::default()
        },
        ..Machine::default()
    }
}

/// All CPUs busy with something that yields to anything else.
pub(super) fn transcoder_nice_19() -> Machine {
    let ffmpeg = Process {
        comm: "ffmpeg",
        threads: 20,
        busy_threads: 16,
        user: 15.2,
        system: 0.2,
        delay: 0.4,
        nice: 19,
        anonymous: 3 * GIB,
        reads: 2e6,
        writes: 1e6,
        group: "/system.slice/transcode.service",
        age: 1500.0,
        sleeps_in: "futex_wait_queue",
        ..Process::default()
    };
    Machine {
        cpus: 16,
        processes: vec![ffmpeg],
        history: 0.5,
        stalls: stalls(0.22, 0.0, 0.0),
        ..Machine::default()
    }
}

/// Polling threads on CPUs of their own: busy all the time by design.
pub(super) fn dpdk() -> Machine {
    let poller = Process {
        comm: "ovs-vswitchd",
        copies: 1,
        threads: 20,
        user: 0.02,
        system: 0.01,
        group: "/system.slice/openvswitch.service",
        ..Process::default()
    };
    let pmd = Process {
        comm: "dpdk-worker",
        copies: 4,
        user: 1.0,
        bound: Some(12),
        policy: (1, 50),
        anonymous: 100 * MIB,
        group: "/system.slice/openvswitch.service",
        sleeps_in: "0",
        ..Process::default()
    };
    Machine {
        cpus: 16,
        processes: vec![poller, pmd],
        history: 0.95,
        memory: Memory {
            total: 64 * GIB,
            huge_pages: 16 * GIB,
            huge_pages_free: 2 * GIB,
            ..Memory::default()
        },
        ..Machine::default()
    }
}

/// As many threads as CPUs, and no PSI: the few that wait now and then are not all of the time.
pub(super) fn batch_all_cpus_no_psi() -> Machine {
    let worker = Process {
        comm: "R",
        copies: 32,
        user: 0.97,
        system: 0.01,
        delay: 0.012,
        anonymous: GIB,
        group: "/user.slice/user-1000.slice/session-3.scope",
        uid: 1000,
        age: 2.0 * HOUR,
        sleeps_in: "0",
        ..Process::default()
    };
    Machine {
        kernel: "5.14.0-427.el9.x86_64",
        cpus: 32,
        stalls: None,
        processes: vec![worker],
        memory: Memory { total: 128 * GIB, cache: 20 * GIB, ..Memory::default() },
        ..Machine::default()
    }
}
