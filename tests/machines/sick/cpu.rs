//! Machines whose CPUs are short, or whose programs are kept from them.

use super::stalls;
use crate::machine::{GIB, Group, Link, MIB, Machine, Memory, Process, TIB, Version};

/// A web server with four CPUs and work for eight.
pub(super) fn full_cpus() -> Machine {
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

/// The same where the clock is held down, each CPU by `heat_ms` in the window.
fn slow_clock(heat_ms: u64) -> Machine {
    let mut machine = full_cpus();
    for cpu in 0..machine.cpus {
        let path = |file: &str| format!("sys/devices/system/cpu/cpu{cpu}/{file}");
        machine.file(&path("cpufreq/scaling_governor"), "performance\n");
        machine.file(&path("cpufreq/scaling_cur_freq"), "1200000\n");
        machine.file(&path("cpufreq/base_frequency"), "2400000\n");
        machine.file(&path("thermal_throttle/core_throttle_total_time_ms"), "0\n");
        let spent = |ms: u64| format!("{ms}\n");
        let package = path("thermal_throttle/package_throttle_total_time_ms");
        machine.files.push((package, spent(700), spent(700 + heat_ms)));
    }
    machine
}

/// The fan has failed.
pub(super) fn too_hot() -> Machine {
    slow_clock(3000)
}

/// A power limit, which no counter of the CPUs tells.
pub(super) fn power_limit() -> Machine {
    slow_clock(0)
}

/// Three modes share the CPUs; the largest names it.
pub(super) fn proxy_60_30_10() -> Machine {
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
pub(super) fn full_cpus_without_psi() -> Machine {
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
pub(super) fn one_cpu_for_four() -> Machine {
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
pub(super) fn cpus_512_full() -> Machine {
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
pub(super) fn stolen() -> Machine {
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
pub(super) fn nested_quota_v1() -> Machine {
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

/// Forty threads of one process fight for a lock, while 56 of 64 CPUs idle.
pub(super) fn lock_of_8_cpus() -> Machine {
    let tokend = Process {
        comm: "tokend",
        threads: 48,
        busy_threads: 44,
        user: 3.2,
        system: 4.4,
        delay: 0.3,
        in_turn: true,
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

/// A CPU is stuck in the kernel.
pub(super) fn soft_lockup() -> Machine {
    Machine {
        log: vec![(2.0, "watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1:84]")],
        ..Machine::default()
    }
}
