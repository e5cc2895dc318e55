//! What is read at the end of a window: what may be full, and the costly details that only some counters of the window
//! make worth reading. The two snapshots decide which, so a replay reads the same.

use crate::collect::kernel::{
    cgroups, cpu_frequency, inotify, kernel_log, memory_pools, mounts, settings, sockets, tables, user_tasks,
};
use crate::collect::root::Root;
use crate::collect::tasks::peers;
use crate::collect::tasks::scan::Scratch;
use crate::collect::window::DetailLimits;
use crate::model::snapshot::{BlockDevice, CpuTicks, FullSnapshot, LimitReadings, SystemSnapshot};
use crate::model::task::{Pid, State};
use crate::model::units::PACKET_OVERHEAD_BYTES;
use std::collections::HashMap;

/// Processes that are searched for the owner of a socket or file.
const OWNERS_MAX: usize = 2000;

/// Part of the limit of a link from which its sockets are read: a capture may be replayed with a lower limit.
const LINK_MARGIN_RATIO: f64 = 0.8;

/// What may be full, and the limits of the control groups that hit one.
pub(super) fn limits(
    root: &Root,
    before: &FullSnapshot,
    after: &mut FullSnapshot,
    disks: &[BlockDevice],
    limits: &DetailLimits,
    page_bytes: u64,
    scratch: &mut Scratch,
) -> LimitReadings {
    if let (Ok(then), Ok(now)) = (&before.cgroups, &mut after.cgroups) {
        cgroups::add_limits(root, then, now, &mut scratch.bytes);
    }
    let pids: Vec<Pid> = after
        .processes
        .iter()
        .filter(|process| !process.stat.is_kernel_thread() && process.stat.state != State::Zombie)
        .map(|process| process.stat.pid)
        .take(OWNERS_MAX)
        .collect();
    let now = after.system.uptime_seconds.as_ref().and_then(|uptime| uptime.as_ref().ok()).copied();
    let blocked: Vec<Pid> = after
        .processes
        .iter()
        .filter(|process| !process.stat.is_kernel_thread() && process.stat.state == State::Uninterruptible)
        .map(|process| process.stat.pid)
        .collect();
    let asked = sockets_in_trouble(before, after, limits);
    let others = namespaces_in_trouble(before, after);
    let open_files = tables::open_files(root, &pids, &mut scratch.bytes);
    LimitReadings {
        tables: tables::read(root, &mut scratch.bytes),
        inotify: inotify::read(root, &open_files, &mut scratch.bytes),
        open_files,
        user_tasks: user_tasks::read(root, &after.processes, &mut scratch.bytes),
        frequencies: cpu_frequency::read(root, &busiest_cpus(before, after), &mut scratch.bytes),
        mounts: mounts::read(
            root,
            (&pids, &blocked),
            (limits.disk_used_ratio, limits.inodes_used_ratio),
            &mut scratch.bytes,
        ),
        sockets: sockets::read(root, asked, &others, &pids, &mut scratch.bytes),
        peers: if calm(before, after) {
            peers::read(root, &active(before, after), &mut scratch.bytes)
        } else {
            Vec::new()
        },
        settings: settings::read(root, disks, &mut scratch.bytes),
        kernel_log: kernel_log::read(root, now, &mut scratch.bytes),
        memory_pools: memory_pools::read(
            root,
            after.system.memory.as_ref().ok(),
            page_bytes,
            &mut scratch.bytes,
        ),
    }
}

/// Whether the CPUs idled for most of the window: if something is slow, it waits for another machine or process.
fn calm(before: &FullSnapshot, after: &FullSnapshot) -> bool {
    let (Ok(then), Ok(now)) = (&before.system.stat, &after.system.stat) else { return false };
    let idle = now.cpu.idle.saturating_sub(then.cpu.idle);
    let busy = |ticks: &CpuTicks| ticks.user.saturating_add(ticks.nice).saturating_add(ticks.system);
    idle > busy(&now.cpu).saturating_sub(busy(&then.cpu))
}

/// CPUs that were busy for most of the window, the busiest first.
fn busiest_cpus(before: &FullSnapshot, after: &FullSnapshot) -> Vec<u32> {
    let (Ok(then), Ok(now)) = (&before.system.stat, &after.system.stat) else { return Vec::new() };
    let busy = |ticks: &CpuTicks| ticks.user.saturating_add(ticks.nice).saturating_add(ticks.system);
    let mut busiest: Vec<(u64, u32)> = now
        .cpus
        .iter()
        .filter_map(|(cpu, now)| {
            let then = then.cpus.get(cpu)?;
            let (worked, idle) = (busy(now).saturating_sub(busy(then)), now.idle.saturating_sub(then.idle));
            (worked > idle).then_some((worked, *cpu))
        })
        .collect();
    busiest.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    busiest.into_iter().map(|(_, cpu)| cpu).collect()
}

/// User processes that used the CPUs at all, most first.
fn active(before: &FullSnapshot, after: &FullSnapshot) -> Vec<Pid> {
    let earlier: HashMap<(Pid, u64), u64> =
        before.processes.iter().map(|p| ((p.stat.pid, p.stat.start_ticks), p.stat.cpu_ticks())).collect();
    let mut used: Vec<(u64, Pid)> = after
        .processes
        .iter()
        .filter(|process| !process.stat.is_kernel_thread())
        .map(|process| {
            let stat = &process.stat;
            let then = earlier.get(&(stat.pid, stat.start_ticks)).copied().unwrap_or(0);
            (stat.cpu_ticks().saturating_sub(then), stat.pid)
        })
        .filter(|(ticks, _)| *ticks > 0)
        .collect();
    used.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    used.into_iter().map(|(_, pid)| pid).collect()
}

/// Counters that point at single sockets.
const ASKING: [&str; 4] =
    ["TcpExt.ListenOverflows", "Udp.RcvbufErrors", "Udp6.RcvbufErrors", "Tcp.RetransSegs"];

/// A process of each other network namespace, and whether a counter of it points at single sockets.
fn namespaces_in_trouble(before: &FullSnapshot, after: &FullSnapshot) -> Vec<(Pid, bool)> {
    let now = after.net_namespaces.iter();
    now.map(|now| {
        let then = before.net_namespaces.iter().find(|then| then.name == now.name);
        let rose = |name: &&str| then.is_some_and(|then| now.named.get(*name) > then.named.get(*name));
        (now.pid, ASKING.iter().any(rose))
    })
    .collect()
}

/// Whether a counter of the window points at single sockets.
fn sockets_in_trouble(before: &FullSnapshot, after: &FullSnapshot, limits: &DetailLimits) -> bool {
    let (Ok(then), Ok(now)) = (&before.net, &after.net) else { return false };
    let crowded = now
        .tcp_sockets_count
        .zip(now.local_ports_count)
        .is_some_and(|(tcp, ports)| tcp as f64 >= limits.local_ports_ratio * ports as f64);
    crowded
        || links_filled(&before.system, &after.system, limits.link_used_ratio * LINK_MARGIN_RATIO)
        || ASKING.iter().any(|name| now.named.get(*name) > then.named.get(*name))
}

/// Whether a link carried at least `ratio` of its speed.
fn links_filled(before: &SystemSnapshot, after: &SystemSnapshot, ratio: f64) -> bool {
    let (Some(Ok(then)), Some(Ok(now))) = (&before.interfaces, &after.interfaces) else { return false };
    let seconds = after.at.saturating_sub(before.at).as_secs_f64();
    now.iter().any(|link| {
        let Some(then) = then.iter().find(|then| then.name == link.name) else { return false };
        // With what each packet takes on the wire beside its bytes.
        let on_wire = |bytes: (u64, u64), packets: (u64, u64)| {
            let packets = packets.1.saturating_sub(packets.0);
            bytes.1.saturating_sub(bytes.0).saturating_add(packets.saturating_mul(PACKET_OVERHEAD_BYTES))
        };
        let received = on_wire(
            (then.received_bytes, link.received_bytes),
            (then.received_packets, link.received_packets),
        );
        let sent = on_wire((then.sent_bytes, link.sent_bytes), (then.sent_packets, link.sent_packets));
        let most = received.max(sent);
        link.speed_bits_per_second.is_some_and(|speed| most as f64 * 8.0 >= ratio * speed as f64 * seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use crate::model::snapshot::Interface;
    use std::time::Duration;

    /// A link of 1 Gbit/s that has received `bytes` by now.
    fn link(at: u64, bytes: u64) -> SystemSnapshot {
        let root = Root::captured(Frame::new(FrameKind::End, Duration::ZERO));
        let nothing =
            crate::collect::window::system::read(&root, Duration::from_secs(at), true, &mut Vec::new());
        let interface = Interface {
            name: "eth0".to_owned(),
            physical: Some(true),
            speed_bits_per_second: Some(1_000_000_000),
            received_bytes: bytes,
            received_packets: 0,
            received_drops: 0,
            received_overruns: 0,
            missed: None,
            queue_drops: None,
            sent_bytes: 0,
            sent_packets: 0,
        };
        SystemSnapshot { interfaces: Some(Ok(vec![interface])), ..nothing }
    }

    #[test]
    fn a_link_is_filled_from_the_configured_limit() {
        // Half of the speed for ten seconds.
        let (before, after) = (link(0, 0), link(10, 625_000_000));
        assert!(links_filled(&before, &after, 0.5));
        assert!(!links_filled(&before, &after, 0.51));
    }
}
