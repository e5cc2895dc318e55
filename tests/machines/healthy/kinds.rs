//! Machines of other sizes, ages, kernels and uses.

use super::stalls;
use crate::machine::{DAY, Disk, GIB, Group, Link, MIB, Machine, Memory, Mount, Process, Swap, TIB, Version};

/// A hundred pods with limits of their own, a few of which are held back at times.
pub(super) fn kubernetes_node() -> Machine {
    let pods = "/kubepods.slice/kubepods-burstable.slice";
    let mut machine = Machine {
        cpus: 32,
        stalls: stalls(0.04, 0.001, 0.004),
        memory: Memory {
            total: 128 * GIB,
            cache: 50 * GIB,
            slab_reclaimable: 6 * GIB,
            slab: 4 * GIB,
            ..Memory::default()
        },
        forks: 40.0,
        ..Machine::default()
    };
    let names: Vec<String> = (0..100)
        .map(|pod| format!("{pods}/kubepods-burstable-pod{pod:03}.slice/cri-containerd-{pod:03}.scope"))
        .collect();
    for (pod, path) in names.into_iter().enumerate() {
        let path: &'static str = path.leak();
        let (slice, _) = path.rsplit_once('/').unwrap();
        let throttled = if pod % 25 == 0 { 0.04 } else { 0.0 };
        let quota = |path: &str| {
            Group::new(path).quota(1.0, throttled, throttled * 0.05).stalled("cpu", throttled, throttled)
        };
        machine.groups.push(quota(slice).memory(GIB, 500 * MIB, 0.0));
        machine.groups.push(Group::new(path).quota(1.0, throttled, throttled * 0.05).memory(
            GIB,
            480 * MIB,
            0.0,
        ));
        machine.processes.push(Process {
            comm: if pod % 2 == 0 { "java" } else { "node" },
            threads: 12,
            busy_threads: 4,
            user: 0.09,
            system: 0.02,
            anonymous: 380 * MIB,
            group: path,
            uid: 1000,
            sleeps_in: "futex_wait_queue",
            ..Process::default()
        });
        machine.mounts.push(Mount::new(
            &format!("/var/lib/kubelet/pods/{pod:03}/volumes/token"),
            "tmpfs",
            "tmpfs",
            64 * MIB,
            0.001,
        ));
        let merged = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{pod:03}/rootfs");
        machine.mounts.push(Mount::new(&merged, "overlay", "overlay", 200 * GIB, 0.61));
    }
    machine.mounts[0] = Mount::new("/", "/dev/nvme0n1p2", "ext4", 200 * GIB, 0.61);
    machine
}

/// A compositor and a browser; some old pages are in swap.
pub(super) fn desktop() -> Machine {
    let session = "/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.scope";
    let tab = Process {
        comm: "Isolated Web Co",
        copies: 14,
        threads: 26,
        busy_threads: 2,
        user: 0.03,
        system: 0.005,
        anonymous: 250 * MIB,
        swapped: 120 * MIB,
        group: session,
        uid: 1000,
        parent: "firefox",
        sleeps_in: "do_poll.constprop.0",
        ..Process::default()
    };
    let browser = Process {
        comm: "firefox",
        threads: 130,
        busy_threads: 4,
        user: 0.35,
        system: 0.08,
        anonymous: 1200 * MIB,
        group: session,
        uid: 1000,
        sleeps_in: "do_poll.constprop.0",
        files: 600,
        ..Process::default()
    };
    let compositor = Process {
        comm: "gnome-shell",
        threads: 18,
        user: 0.12,
        system: 0.03,
        anonymous: 400 * MIB,
        group: "/user.slice/user-1000.slice/user@1000.service/session.slice/org.gnome.Shell.service",
        uid: 1000,
        ..Process::default()
    };
    Machine {
        cpus: 8,
        stalls: stalls(0.02, 0.0, 0.002),
        processes: vec![browser, tab, compositor],
        memory: Memory {
            total: 16 * GIB,
            cache: 6 * GIB,
            shared: 900 * MIB,
            unaccounted: 600 * MIB,
            swap: Some(Swap { size: 8 * GIB, used: 2200 * MIB }),
            ..Memory::default()
        },
        ..Machine::default()
    }
}

/// The smallest box: a busy third of its one CPU.
pub(super) fn one_cpu() -> Machine {
    let server = Process {
        comm: "lighttpd",
        user: 0.24,
        system: 0.08,
        delay: 0.01,
        group: "/system.slice/lighttpd.service",
        ..Process::default()
    };
    Machine {
        cpus: 1,
        hypervisor: Some("kvm"),
        stalls: stalls(0.04, 0.0, 0.005),
        processes: vec![server],
        steal: 0.006,
        memory: Memory {
            total: GIB,
            cache: 300 * MIB,
            slab_reclaimable: 40 * MIB,
            slab: 30 * MIB,
            shared: 5 * MIB,
            unaccounted: 20 * MIB,
            ..Memory::default()
        },
        disks: vec![Disk { rotational: true, ..Disk::nvme("vda") }],
        mounts: vec![Mount::new("/", "/dev/vda1", "ext4", 20 * GIB, 0.5)],
        ..Machine::default()
    }
}

/// The default of RHEL: no PSI, control groups of version 1.
pub(super) fn rhel_without_psi() -> Machine {
    let app = Process {
        comm: "java",
        threads: 90,
        busy_threads: 12,
        user: 2.1,
        system: 0.3,
        delay: 0.05,
        blocked: 0.02,
        anonymous: 9 * GIB,
        group: "/system.slice/tomcat.service",
        sleeps_in: "futex_wait_queue_me",
        uid: 91,
        files: 700,
        ..Process::default()
    };
    Machine {
        kernel: "4.18.0-553.el8_10.x86_64",
        cpus: 8,
        stalls: None,
        processes: vec![app],
        memory: Memory { total: 32 * GIB, cache: 12 * GIB, ..Memory::default() },
        cgroups: Version::Legacy,
        groups: vec![
            Group::new("cpu/system.slice/tomcat.service")
                .with("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
        ],
        ..Machine::default()
    }
}

/// RHEL 7: no PSI, no MemAvailable before 3.14, eleven columns of diskstats, version 1.
pub(super) fn kernel_3_10() -> Machine {
    let httpd = Process {
        comm: "httpd",
        copies: 24,
        user: 0.05,
        system: 0.02,
        anonymous: 40 * MIB,
        group: "/system.slice/httpd.service",
        sleeps_in: "inet_csk_accept",
        uid: 48,
        ..Process::default()
    };
    Machine {
        kernel: "3.10.0-1160.el7.x86_64",
        stalls: None,
        processes: vec![httpd],
        memory: Memory { says_available: false, cache: 9 * GIB, ..Memory::default() },
        disks: vec![Disk { reads: 14.0, writes: 30.0, busy: 0.18, ..Disk::spinning("sda") }],
        mounts: vec![Mount::new("/", "/dev/sda2", "xfs", 500 * GIB, 0.3)],
        cgroups: Version::Legacy,
        without: vec![
            "proc/diskstats/discards",
            "proc/vmstat/workingset",
            "proc/vmstat/oom_kill",
            "proc/vmstat/swap_ra",
            "proc/vmstat/pgscan_anon",
            "proc/vmstat/pgsteal_anon",
            "proc/vmstat/nr_zspages",
        ],
        ..Machine::default()
    }
}

/// Volumes on an array of spinning disks, each at the speed of its kind.
pub(super) fn lvm_raid_spinning() -> Machine {
    let member = |name| Disk {
        reads: 38.0,
        read_kib: 32.0,
        read_ms: 8.5,
        writes: 22.0,
        write_kib: 24.0,
        write_ms: 7.0,
        busy: 0.34,
        ..Disk::spinning(name)
    };
    let array = Disk {
        reads: 70.0,
        writes: 20.0,
        read_ms: 8.8,
        write_ms: 11.0,
        busy: 0.37,
        slaves: vec!["sda", "sdb"],
        made_of: Some(("md/level", "raid1")),
        ..member("md0")
    };
    let volume = Disk { slaves: vec!["md0"], made_of: Some(("dm/name", "vg0-data")), ..array.clone() };
    let volume = Disk { name: "dm-0", read_ms: 9.0, write_ms: 11.5, ..volume };
    let server = Process {
        comm: "smbd",
        copies: 30,
        user: 0.005,
        system: 0.005,
        blocked: 0.025,
        reads: 70e3,
        writes: 15e3,
        group: "/system.slice/smbd.service",
        ..Process::default()
    };
    let mut machine = Machine {
        processes: vec![server],
        stalls: stalls(0.01, 0.0, 0.07),
        disks: vec![member("sda"), member("sdb"), array, volume],
        mounts: vec![
            Mount::new("/", "/dev/mapper/vg0-root", "ext4", 100 * GIB, 0.3),
            Mount::new("/srv", "/dev/mapper/vg0-data", "xfs", 3 * TIB, 0.78),
        ],
        ..Machine::default()
    };
    machine.file("proc/mdstat", "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0]\n      3906886464 blocks super 1.2 [2/2] [UU]\n      bitmap: 1/30 pages [4KB], 65536KB chunk\n\nunused devices: <none>\n");
    machine
}

/// The view from a container that uses half of its own quota.
pub(super) fn container_half_quota() -> Machine {
    let app = Process {
        comm: "gunicorn",
        copies: 4,
        user: 0.22,
        system: 0.03,
        anonymous: 120 * MIB,
        group: "/",
        uid: 1000,
        ..Process::default()
    };
    Machine {
        cpus: 16,
        container: Some("docker"),
        processes: vec![app],
        stalls: stalls(0.02, 0.0, 0.0),
        groups: Vec::new(),
        ..Machine::default()
    }
}

/// A minute after the boot: services have started, and the average still holds the boot.
pub(super) fn just_booted() -> Machine {
    Machine { uptime: 62.0, history: 0.9, load: Some([2.8, 0.8, 0.3]), forks: 15.0, ..Machine::default() }
}

/// A year of uptime: the counters of interrupts and of the disk's milliseconds have wrapped, one of them in the window.
pub(super) fn a_year_up() -> Machine {
    let server = Process {
        comm: "slapd",
        threads: 17,
        busy_threads: 4,
        user: 0.4,
        system: 0.1,
        blocked: 0.02,
        group: "/system.slice/slapd.service",
        reads: 1e6,
        writes: 200e3,
        ..Process::default()
    };
    let disk = Disk {
        reads: 300.0,
        read_kib: 8.0,
        read_ms: 0.2,
        writes: 80.0,
        write_ms: 0.2,
        busy: 0.07,
        ..Disk::nvme("sda")
    };
    // 60 ms of reading a second since then: the counter is about to wrap.
    let spent = (300.0 * 0.2 * (400.0 * DAY) * 0.6) as u64 & u64::from(u32::MAX);
    Machine {
        uptime: 400.0 * DAY,
        processes: vec![server],
        disks: vec![Disk { ahead_ms: (1 << 32) - spent - 120, ..disk }],
        mounts: vec![Mount::new("/", "/dev/sda1", "ext4", 100 * GIB, 0.55)],
        ..Machine::default()
    }
}

/// On battery the CPUs are slow on purpose, and idle.
pub(super) fn laptop() -> Machine {
    let mut machine = desktop();
    machine.stalls = stalls(0.015, 0.0, 0.001);
    machine.links = vec![Link { name: "wlan0", speed: 0, ..Link::default() }];
    for cpu in 0..8 {
        let path = |file: &str| format!("sys/devices/system/cpu/cpu{cpu}/{file}");
        machine.file(&path("cpufreq/scaling_governor"), "powersave\n");
        machine.file(&path("cpufreq/scaling_driver"), "intel_pstate\n");
        machine.file(&path("cpufreq/scaling_cur_freq"), "900000\n");
        machine.file(&path("cpufreq/cpuinfo_max_freq"), "4600000\n");
        machine.file(&path("cpufreq/base_frequency"), "2400000\n");
        machine.file(&path("thermal_throttle/core_throttle_total_time_ms"), "5120\n");
        machine.file(&path("thermal_throttle/package_throttle_total_time_ms"), "88120\n");
    }
    machine
}

/// A parent that is slow to collect its children.
pub(super) fn three_zombies() -> Machine {
    let zombie =
        Process { comm: "helper", copies: 3, zombie: true, parent: "cron", age: 400.0, ..Process::default() };
    Machine { processes: vec![zombie], ..Machine::default() }
}

/// Compressed memory as swap, used as it is meant.
pub(super) fn swap_on_zram() -> Machine {
    let mut machine = desktop();
    machine.stalls = stalls(0.02, 0.002, 0.001);
    machine.vm = vec![("pswpin", 30.0), ("pswpout", 10.0), ("pgmajfault", 12.0)];
    machine.disks.push(Disk {
        reads: 30.0,
        read_kib: 4.0,
        read_ms: 0.01,
        writes: 10.0,
        write_kib: 4.0,
        write_ms: 0.02,
        ..Disk::nvme("zram0")
    });
    machine
}

/// Many small programs that come and go, and hardly cost anything.
pub(super) fn monitoring_scripts() -> Machine {
    let agent = Process {
        comm: "check_mk_agent",
        user: 0.02,
        system: 0.03,
        children: (0.08, 0.12),
        group: "/system.slice/check-mk-agent.service",
        sleeps_in: "do_wait",
        ..Process::default()
    };
    let child = Process {
        comm: "sed",
        copies: 2,
        user: 0.04,
        system: 0.06,
        lives: Some(0.05),
        parent: "check_mk_agent",
        group: "/system.slice/check-mk-agent.service",
        ..Process::default()
    };
    Machine { forks: 45.0, processes: vec![agent, child], ..Machine::default() }
}
