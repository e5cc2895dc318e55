//! The settings, each with the findings that make it matter and what its better value follows from.

use super::{Advice, Around, Better};
use crate::diagnose::advice::settings::dirty_limit;
use crate::model::bottleneck::BottleneckId as Id;
use crate::model::network::Socket;
use crate::model::units::human_bytes;

/// A limit so many times what the disk writes within seconds makes an fsync(2) take very long.
const DIRTY_FAR_MORE: f64 = 4.0;

const WRITEBACK: &[Id] = &[Id::WritebackStall, Id::DiskSaturated, Id::IoBlocked];

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        name: "vm.swappiness",
        findings: &[Id::MemorySwap],
        better: |around| {
            let value = around.number("vm.swappiness")?;
            // Compressed memory is a fast swap: there a high value is meant.
            let fast = around.rates.swaps.iter().any(|swap| swap.path.contains("zram"));
            (value > 60 && !fast).then(|| Better {
                value: "10".to_owned(),
                sensible: "60 (the default) or less on a server that swaps to a disk",
                why: format!(
                    "At {value} the kernel prefers to swap out programs instead of dropping page cache."
                ),
            })
        },
        source: "kernel Documentation/admin-guide/sysctl/vm.rst",
        risk: "Page cache shrinks first, so more reads go to the disk.",
    },
    Advice {
        name: "vm.dirty_ratio",
        findings: WRITEBACK,
        better: |around| dirty(around, "vm.dirty_ratio", "vm.dirty_bytes", 1.0),
        source: "kernel Documentation/admin-guide/sysctl/vm.rst",
        risk: "Programs that write in bursts are throttled earlier.",
    },
    Advice {
        name: "vm.dirty_background_ratio",
        findings: WRITEBACK,
        better: |around| dirty(around, "vm.dirty_background_ratio", "vm.dirty_background_bytes", 0.25),
        source: "kernel Documentation/admin-guide/sysctl/vm.rst",
        risk: "Data that is overwritten soon is written more than once.",
    },
    Advice {
        name: "vm.min_free_kbytes",
        findings: &[Id::MemoryReclaim, Id::MemorySwap, Id::MemoryOom],
        better: |around| {
            let kept = around.number("vm.min_free_kbytes")? as f64 * 1024.0;
            let memory = around.memory_bytes()?;
            (kept > 0.05 * memory).then(|| Better {
                value: format!("{:.0}", 0.01 * memory / 1024.0),
                sensible: "about 1 % of the memory",
                why: format!("{} are kept free while programs are short of memory.", human_bytes(kept)),
            })
        },
        source: "kernel Documentation/admin-guide/sysctl/vm.rst",
        risk: "Too small a reserve makes allocations in network drivers fail.",
    },
    Advice {
        name: "vm.zone_reclaim_mode",
        findings: &[Id::MemoryReclaim, Id::NumaRemote, Id::MemorySwap],
        better: |around| {
            (around.number("vm.zone_reclaim_mode")? != 0).then(|| Better {
                value: "0".to_owned(),
                sensible: "0 (the default)",
                why: "Memory is reclaimed on one node while another node has free memory.".to_owned(),
            })
        },
        source: "kernel Documentation/admin-guide/sysctl/vm.rst",
        risk: "More accesses go to the memory of another node.",
    },
    Advice {
        name: "kernel.numa_balancing",
        findings: &[Id::NumaRemote],
        better: |around| {
            (around.number("kernel.numa_balancing")? == 0).then(|| Better {
                value: "1".to_owned(),
                sensible: "1 on a box with several memory nodes",
                why: "The kernel does not move pages to the node that uses them.".to_owned(),
            })
        },
        source: "kernel Documentation/admin-guide/sysctl/kernel.rst",
        risk: "Moving pages costs some CPU time.",
    },
    Advice {
        name: "transparent_hugepage/defrag",
        findings: &[Id::ThpCompaction],
        better: |around| {
            (around.settings.text("transparent_hugepage/defrag")? == "always").then(|| Better {
                value: "defer".to_owned(),
                sensible: "madvise (the default) or defer",
                why: "Every page fault may wait for compaction.".to_owned(),
            })
        },
        source: "kernel Documentation/admin-guide/mm/transhuge.rst",
        risk: "Programs get huge pages later.",
    },
    Advice {
        name: "transparent_hugepage/enabled",
        findings: &[Id::ThpCompaction],
        better: |around| {
            (around.settings.text("transparent_hugepage/enabled")? == "always").then(|| Better {
                value: "madvise".to_owned(),
                sensible: "madvise where huge pages cost more than they gain",
                why: "Every program gets huge pages, whether it gains from them or not.".to_owned(),
            })
        },
        source: "kernel Documentation/admin-guide/mm/transhuge.rst",
        risk: "Programs that gain from huge pages get slower.",
    },
    Advice {
        name: "net.core.somaxconn",
        findings: &[Id::ListenOverflow],
        better: |around| {
            // A queue that is full at less is as short as its program asked for.
            let cap = around.number("net.core.somaxconn")?;
            let sockets = around.rates.limits.sockets.as_ref()?;
            let full = |socket: &Socket| socket.listening && socket.receive_queue >= cap;
            sockets.noted.iter().any(full).then_some(())?;
            at_least(
                around,
                "net.core.somaxconn",
                1024,
                4096,
                "4096 (the default since Linux 5.4)",
                "It limits the backlog that a server may ask for, and accept queues overflow.",
            )
        },
        source: "listen(2); kernel Documentation/networking/ip-sysctl.rst",
        risk: "The server must ask for a longer queue as well and be restarted; longer queues hide a slow server.",
    },
    Advice {
        name: "net.ipv4.tcp_max_syn_backlog",
        findings: &[Id::ListenOverflow],
        better: |around| {
            let met = ["TcpExt.TCPReqQFullDrop", "TcpExt.TCPReqQFullDoCookies"];
            met.iter().any(|name| around.net(name) > Some(0.0)).then_some(())?;
            at_least(
                around,
                "net.ipv4.tcp_max_syn_backlog",
                1024,
                4096,
                "1024 or more on a busy server",
                "The queue of half-open connections is full.",
            )
        },
        source: "kernel Documentation/networking/ip-sysctl.rst",
        risk: "Slightly more memory during a flood of connections.",
    },
    Advice {
        name: "net.core.netdev_max_backlog",
        findings: &[Id::NetDrops],
        better: |around| {
            (around.net("softnet.dropped") > Some(0.0)).then_some(())?;
            at_least(
                around,
                "net.core.netdev_max_backlog",
                1000,
                5000,
                "1000 (the default) or more",
                "Packets are dropped before the network stack processes them.",
            )
        },
        source: "kernel Documentation/admin-guide/sysctl/net.rst",
        risk: "Packets may wait longer in the queue.",
    },
    Advice {
        name: "net.ipv4.ip_local_port_range",
        findings: &[Id::PortExhaustion],
        better: |around| {
            let text = around.settings.text("net.ipv4.ip_local_port_range")?;
            let (low, high) = text.split_once(' ')?;
            let count = high.parse::<u64>().ok()?.checked_sub(low.parse().ok()?)?.saturating_add(1);
            (count < 28_000).then(|| Better {
                value: "32768 60999".to_owned(),
                sensible: "32768 60999 (the default), or wider",
                why: format!("Only {count} ports are available for outgoing connections."),
            })
        },
        source: "kernel Documentation/networking/ip-sysctl.rst",
        risk: "A service that listens on a port in the new range may find it in use.",
    },
    Advice {
        name: "net.ipv4.tcp_tw_reuse",
        findings: &[Id::PortExhaustion],
        better: |around| {
            (around.number("net.ipv4.tcp_tw_reuse")? == 0).then(|| Better {
                value: "1".to_owned(),
                sensible: "1 on a client of busy servers",
                why: "Ports of closed connections stay in TIME_WAIT for a minute.".to_owned(),
            })
        },
        source: "kernel Documentation/networking/ip-sysctl.rst",
        risk: "Needs TCP timestamps on both ends, which is the default.",
    },
    Advice {
        name: "net.netfilter.nf_conntrack_max",
        findings: &[Id::ConntrackFull],
        better: |around| {
            at_least(
                around,
                "net.netfilter.nf_conntrack_max",
                262_144,
                524_288,
                "262144 (the default with 4 GiB of memory) or more",
                "New connections are dropped while the table is full.",
            )
        },
        source: "kernel Documentation/networking/nf_conntrack-sysctl.rst",
        risk: "About 300 bytes of kernel memory per connection.",
    },
    Advice {
        name: "kernel.pid_max",
        findings: &[Id::PidExhaustion],
        better: |around| {
            // Usually the limit is that of a control group, and a larger pid_max does not help.
            let threads = around.rates.load.as_ref().ok()?.threads_count;
            (threads >= around.number("kernel.pid_max")? / 2).then_some(())?;
            at_least(
                around,
                "kernel.pid_max",
                131_072,
                4_194_304,
                "4194304 on a 64-bit machine",
                "Every process and thread needs a number of its own.",
            )
        },
        source: "proc_sys_kernel(5)",
        risk: "Old programs that store process ids in 16 bits may fail.",
    },
    Advice {
        name: "fs.file-max",
        findings: &[Id::FdExhaustion],
        better: |around| {
            // One process may be at its own limit.
            let tables = &around.rates.limits.tables;
            (tables.files_count? >= around.number("fs.file-max")? / 2).then_some(())?;
            at_least(
                around,
                "fs.file-max",
                100_000,
                1_000_000,
                "100000 for each GiB of memory",
                "The whole machine runs out of file descriptors.",
            )
        },
        source: "kernel Documentation/admin-guide/sysctl/fs.rst",
        risk: "About 1 KiB of kernel memory per open file.",
    },
    Advice {
        name: "cpufreq/scaling_governor",
        findings: &[Id::CpuUser, Id::CpuSystem, Id::CpuSingleThread],
        better: |around| {
            // With the drivers of newer CPUs, powersave follows the load.
            let follows = ["intel_pstate", "amd-pstate-epp", "amd-pstate"];
            let driver = around.settings.text("cpufreq/scaling_driver")?;
            let slow = around.settings.text("cpufreq/scaling_governor")? == "powersave";
            (slow && !follows.contains(&driver)).then(|| Better {
                value: "performance".to_owned(),
                sensible: "schedutil, ondemand or performance on a server",
                why: format!(
                    "With {driver}, powersave keeps the CPUs at their lowest frequency under any load."
                ),
            })
        },
        source: "kernel Documentation/admin-guide/pm/cpufreq.rst",
        risk: "More power and heat.",
    },
];

/// A percentage of memory that is more than the disk writes within seconds, as measured; none while nothing is written.
fn dirty(around: &Around<'_>, name: &str, bytes: &str, part: f64) -> Option<Better> {
    // Where bytes are set, the ratio is not in force and reads as 0.
    if around.number(bytes).is_some_and(|bytes| bytes > 0) {
        return None;
    }
    let written = around.written()?;
    let ratio = around.number(name)?;
    let allowed = ratio as f64 / 100.0 * around.rates.memory.as_ref().ok()?.available_bytes? as f64;
    let most = part * dirty_limit(written)? as f64;
    (allowed > DIRTY_FAR_MORE * most).then(|| Better {
        value: format!("{most:.0}"),
        sensible: "what the disk writes within a few seconds, set as bytes",
        why: format!(
            "{ratio} % of the available memory: up to {} may wait to be written, and the disk writes {} per second.",
            human_bytes(allowed),
            human_bytes(written)
        ),
    })
}

fn at_least(
    around: &Around<'_>,
    name: &str,
    least: u64,
    better: u64,
    sensible: &'static str,
    why: &str,
) -> Option<Better> {
    (around.number(name)? < least).then(|| Better {
        value: better.to_string(),
        sensible,
        why: why.to_owned(),
    })
}
