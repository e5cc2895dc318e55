//! Stage 2: counters become rates. Pure: no file, no clock, no print.

pub mod cgroup;
pub mod counter;
pub mod cpu;
pub mod disk;
pub mod limits;
pub mod load;
pub mod memory;
pub mod memory_account;
pub mod process;
pub mod series;
mod turns;
pub mod wait_account;

use crate::delta::counter::rate;
use crate::delta::wait_account::target;
use crate::delta::wait_account::wait_details;
use crate::model::cgroup::OwnLimits;
use crate::model::rates::{InterfaceRates, Rates};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::snapshot::{Interface, InterruptLine, Recording, SystemSnapshot};

/// Settings of the configuration that the rates depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Turns on a CPU per second from which a thread that sleeps in a futex is not idle.
    pub lock_turns_per_second: f64,
}

/// Turns a recording into rates.
pub fn rates(recording: &Recording, options: &Options) -> Rates {
    let (before, after) = (&recording.before.system, &recording.after.system);
    let seconds = (after.at.saturating_sub(before.at)).as_secs_f64();
    let points = points(recording);
    let uptime_seconds = after.uptime_seconds.as_ref().and_then(|reading| reading.as_ref().ok()).copied();
    let threads = process::threads(recording, seconds);
    let processes = process::processes(recording, &threads, seconds, options);
    let makeup = load::makeup(recording, &threads, &processes);
    let cpus_online_count = cpu::online_count(after, recording.host.cpus_online_count);
    let cgroups = limits::cgroups(&recording.before, &recording.after, &recording.details, seconds);
    let paging = memory::paging(before, after);
    let around = target::Around {
        processes: &processes,
        cgroups: &cgroups,
        paging: &paging,
        seconds,
        lock_turns_per_second: options.lock_turns_per_second,
    };
    let (target, waits) = (target::target(recording, &around), wait_details::waits(recording, &around));
    let own_limits = recording.host.container.is_some().then(|| limits::own(&recording.after));
    let rates = Rates {
        source: recording.source,
        host: recording.host.clone(),
        started_at: recording.started_at,
        ended_at: recording.ended_at,
        seconds,
        interrupted: recording.interrupted,
        uptime_seconds,
        cpus_online_count,
        cpus_effective: cpus_effective(recording, own_limits.as_ref(), cpus_online_count),
        own_limits,
        load: after.load.clone(),
        cpu: cpu::between(before, after),
        cpus: cpu::each(before, after),
        cpu_slices: points.windows(2).filter_map(|pair| cpu::between(pair[0], pair[1]).ok()).collect(),
        context_switches_per_second: stat_rate(before, after, seconds, |stat| stat.context_switches_count),
        forks_per_second: stat_rate(before, after, seconds, |stat| stat.forks_count),
        procs_blocked_mean: cpu::blocked_mean(&points),
        cpu_pressure: cpu::pressure(&before.cpu_pressure, &after.cpu_pressure, seconds),
        memory_pressure: cpu::pressure(&before.memory_pressure, &after.memory_pressure, seconds),
        io_pressure: cpu::pressure(&before.io_pressure, &after.io_pressure, seconds),
        memory: after.memory.clone(),
        memory_account: memory_account::account(recording, seconds),
        paging,
        paging_slices: points.windows(2).filter_map(|pair| memory::paging(pair[0], pair[1]).ok()).collect(),
        disks: disk::disks(recording, &points, uptime_seconds),
        swaps: after.swaps.as_ref().and_then(|swaps| swaps.as_ref().ok()).cloned().unwrap_or_default(),
        softirqs_per_second: lines(&before.softirqs, &after.softirqs, seconds),
        interrupts_per_second: lines(&before.interrupts, &after.interrupts, seconds),
        heat_ratio: cpu::heat(&recording.before.heat, &recording.after.heat, seconds),
        hardware: recording.after.hardware.clone(),
        memory_errors: limits::memory_errors(&recording.before.hardware, &recording.after.hardware),
        interfaces: interfaces(&before.interfaces, &after.interfaces, seconds),
        vanished_cpus: process::vanished_cpus(recording, seconds),
        vanished_system_share: process::vanished_system_share(recording),
        processes,
        threads,
        makeup,
        samples_count: recording.samples.ticks_count,
        wait_channels_hidden: recording.samples.wait_channels_hidden,
        io_denied_count: recording.after.io_denied_count,
        cgroups,
        target,
        waits,
        net_per_second: limits::net(&recording.before.net, &recording.after.net, seconds),
        net_namespaces: limits::namespaces(&recording.before, &recording.after, seconds),
        net: recording.after.net.clone(),
        limits: recording.limits.clone(),
        zombies: process::zombies(recording),
        still: false,
        absences: absences(recording),
    };
    if stands_still(recording, &rates) { still(rates) } else { rates }
}

/// CPUs that this run may use: by its affinity, and inside a container by its quota.
fn cpus_effective(recording: &Recording, own: Option<&OwnLimits>, online: u32) -> f64 {
    let allowed = recording.host.cpus_allowed_count.map_or(online, |allowed| allowed.min(online));
    let quota = own.and_then(|own| own.quota_cpus);
    quota.map_or(f64::from(allowed), |quota| quota.min(f64::from(allowed)))
}

/// Whether no counter moves: then these are copied files, not those of a running kernel.
fn stands_still(recording: &Recording, rates: &Rates) -> bool {
    let uptime = |point: &SystemSnapshot| point.uptime_seconds.clone()?.ok();
    let (then, now) = (uptime(&recording.before.system), uptime(&recording.after.system));
    let cpu_stands = recording.after.system.stat.is_ok() && rates.cpu.is_err();
    let uptime_stands = match (then, now) {
        (Some(then), Some(now)) => now <= then,
        _ => false,
    };
    // Where one of the two is missing, the other must do; with neither, the files being copied is enough.
    match (recording.after.system.stat.is_ok(), then.is_some() && now.is_some()) {
        (true, true) => cpu_stands && uptime_stands,
        (true, false) => cpu_stands,
        (false, true) => uptime_stands,
        (false, false) => recording.host.copied,
    }
}

/// Differences between counters that stand still are no zeros: they say nothing.
fn still(rates: Rates) -> Rates {
    fn nothing<T>(reading: Reading<T>, path: &str) -> Reading<T> {
        reading.and_then(|_| Err(cpu::stood_still(path)))
    }
    Rates {
        still: true,
        context_switches_per_second: None,
        forks_per_second: None,
        cpu_pressure: nothing(rates.cpu_pressure, "/proc/pressure/cpu"),
        memory_pressure: nothing(rates.memory_pressure, "/proc/pressure/memory"),
        io_pressure: nothing(rates.io_pressure, "/proc/pressure/io"),
        paging: nothing(rates.paging, "/proc/vmstat"),
        paging_slices: Vec::new(),
        disks: nothing(rates.disks, "/proc/diskstats"),
        net_per_second: nothing(rates.net_per_second, "/proc/net/snmp"),
        vanished_cpus: None,
        vanished_system_share: None,
        ..rates
    }
}

/// Every moment at which the system's counters were read, in order.
fn points(recording: &Recording) -> Vec<&SystemSnapshot> {
    let ends = (&recording.before.system, &recording.after.system);
    std::iter::once(ends.0).chain(&recording.slices).chain(std::iter::once(ends.1)).collect()
}

fn stat_rate(
    before: &SystemSnapshot,
    after: &SystemSnapshot,
    seconds: f64,
    counter: fn(&crate::model::snapshot::KernelStat) -> Option<u64>,
) -> Option<f64> {
    rate(counter(before.stat.as_ref().ok()?)?, counter(after.stat.as_ref().ok()?)?, seconds)
}

type Lines = Option<Reading<Vec<InterruptLine>>>;

/// Interrupt lines by rate, highest first; lines that stood still are left out.
fn lines(before: &Lines, after: &Lines, seconds: f64) -> Vec<(String, f64)> {
    let (Some(Ok(before)), Some(Ok(after))) = (before, after) else { return Vec::new() };
    let mut rates: Vec<(String, f64)> = after
        .iter()
        .filter_map(|line| {
            let earlier = before.iter().find(|earlier| earlier.name == line.name)?;
            let per_second = rate(total(earlier), total(line), seconds)?;
            let name = if line.description.is_empty() {
                line.name.clone()
            } else {
                format!("{} {}", line.name, line.description)
            };
            (per_second > 0.0).then_some((name, per_second))
        })
        .collect();
    rates.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rates
}

fn total(line: &InterruptLine) -> u64 {
    line.counts.iter().copied().fold(0, u64::saturating_add)
}

type Interfaces = Option<Reading<Vec<Interface>>>;

fn interfaces(before: &Interfaces, after: &Interfaces, seconds: f64) -> Vec<InterfaceRates> {
    let (Some(Ok(before)), Some(Ok(after))) = (before, after) else { return Vec::new() };
    after
        .iter()
        .filter_map(|now| {
            let then = before.iter().find(|then| then.name == now.name)?;
            Some(InterfaceRates {
                name: now.name.clone(),
                physical: now.physical,
                speed_bits_per_second: now.speed_bits_per_second,
                received_packets_per_second: rate(then.received_packets, now.received_packets, seconds)?,
                sent_packets_per_second: rate(then.sent_packets, now.sent_packets, seconds)?,
                received_bytes_per_second: rate(then.received_bytes, now.received_bytes, seconds)?,
                sent_bytes_per_second: rate(then.sent_bytes, now.sent_bytes, seconds)?,
                missed_per_second: counter::rate_of(then.missed, now.missed, seconds),
                queue_drops_per_second: counter::rate_of(then.queue_drops, now.queue_drops, seconds),
            })
        })
        .collect()
}

/// Processes that were there and could not be understood: what they do is in no sum.
fn unreadable(recording: &Recording) -> Option<Absence> {
    const PATH: &str = "/proc/PID/stat";
    match &recording.after.unreadable {
        Some((0, reason)) => Some(Absence::new("/proc", AbsenceKind::Failed(reason.clone()))),
        Some((count, last)) => {
            let plural = if *count == 1 { "process" } else { "processes" };
            let reason = format!("{count} {plural} cannot be read, the last time {last}");
            Some(Absence::new(PATH, AbsenceKind::Failed(reason)))
        }
        // The run itself is a process: a tree without any was copied so.
        None => recording.after.processes.is_empty().then(|| Absence::missing(PATH)),
    }
}

/// The absences of the last snapshot; the rules name those that they need.
fn absences(recording: &Recording) -> Vec<Absence> {
    let after = &recording.after.system;
    let mut absences: Vec<Absence> = recording.block_devices.as_ref().err().cloned().into_iter().collect();
    let mut add = |absence: Option<&Absence>| absences.extend(absence.cloned());
    add(after.load.as_ref().err());
    add(after.stat.as_ref().err());
    add(after.cpu_pressure.as_ref().err());
    add(after.memory_pressure.as_ref().err());
    add(after.io_pressure.as_ref().err());
    add(after.memory.as_ref().err());
    add(after.vm.as_ref().err());
    add(after.disks.as_ref().err());
    add(after.softirqs.as_ref().and_then(|reading| reading.as_ref().err()));
    add(after.interrupts.as_ref().and_then(|reading| reading.as_ref().err()));
    add(recording.after.net.as_ref().err());
    add(unreadable(recording).as_ref());
    let listed = after.stat.as_ref().is_ok_and(|stat| !stat.cpus.is_empty());
    if !listed && recording.host.cpus_online_count.is_none() {
        add(Some(&Absence::missing("/sys/devices/system/cpu/online")));
    }
    absences
}
