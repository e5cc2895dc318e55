//! CPU time by mode, and stalls.

use crate::delta::counter::{difference, rate};
use crate::model::rates::{CpuRates, PressureRates};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::snapshot::{CpuHeat, CpuTicks, KernelStat, Pressure, SystemSnapshot};
use crate::model::units::MICROSECONDS_PER_SECOND;

/// The fastest USER_HZ of any architecture (Alpha's).
const TICKS_PER_SECOND_MAX: u64 = 1024;

/// CPU time by mode between two snapshots.
pub fn between(before: &SystemSnapshot, after: &SystemSnapshot) -> Reading<CpuRates> {
    let (then, now) =
        (before.stat.as_ref().map_err(Clone::clone)?, after.stat.as_ref().map_err(Clone::clone)?);
    let cpus = online_count(after, None).max(online_count(before, None));
    let (then, now) = of_the_same(then, now);
    share(&then, &now, most(before, after, cpus)).ok_or_else(|| stood_still("/proc/stat"))
}

/// The sums over the CPUs that were online at both ends. The kernel's own sum takes idle and iowait of a CPU from
/// elsewhere while that is offline (fs/proc/stat.c get_iowait_time), and so leaps by minutes when one goes or comes.
fn of_the_same(then: &KernelStat, now: &KernelStat) -> (CpuTicks, CpuTicks) {
    if then.cpus.keys().eq(now.cpus.keys()) {
        return (then.cpu, now.cpu);
    }
    let both = then.cpus.iter().filter_map(|(id, then)| Some((then, now.cpus.get(id)?)));
    let (then, now): (Vec<&CpuTicks>, Vec<&CpuTicks>) = both.unzip();
    (sum(&then), sum(&now))
}

fn sum(cpus: &[&CpuTicks]) -> CpuTicks {
    let optional = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
    let both = |a: CpuTicks, b: CpuTicks| CpuTicks {
        user: a.user.saturating_add(b.user),
        nice: a.nice.saturating_add(b.nice),
        system: a.system.saturating_add(b.system),
        idle: a.idle.saturating_add(b.idle),
        iowait: optional(a.iowait, b.iowait),
        irq: optional(a.irq, b.irq),
        softirq: optional(a.softirq, b.softirq),
        steal: optional(a.steal, b.steal),
    };
    cpus.iter().map(|ticks| **ticks).reduce(both).unwrap_or_default()
}

/// The absence of every difference between counters that did not move.
pub fn stood_still(path: &str) -> Absence {
    Absence::new(path, AbsenceKind::Failed("its counters stood still".to_owned()))
}

/// Each CPU that was online at both ends.
pub fn each(before: &SystemSnapshot, after: &SystemSnapshot) -> Vec<(u32, CpuRates)> {
    let (Ok(then), Ok(now)) = (&before.stat, &after.stat) else { return Vec::new() };
    let most = most(before, after, 1);
    now.cpus.iter().filter_map(|(id, ticks)| Some((*id, share(then.cpus.get(id)?, ticks, most)?))).collect()
}

/// Ticks that a mode can have grown by at most, with ample room for a clock that is off: beyond it the counter
/// went below zero and came out at the other end, as `iowait` and `steal` do on some kernels.
fn most(before: &SystemSnapshot, after: &SystemSnapshot, cpus: u32) -> u64 {
    let seconds = after.at.saturating_sub(before.at).as_secs().saturating_add(10);
    seconds.saturating_mul(u64::from(cpus)).saturating_mul(10 * TICKS_PER_SECOND_MAX)
}

/// CPUs online at the end, or `by_host` where `/proc/stat` lists none; there is always one.
pub fn online_count(after: &SystemSnapshot, by_host: Option<u32>) -> u32 {
    let listed = after.stat.as_ref().map_or(0, |stat| stat.cpus.len());
    u32::try_from(listed).ok().filter(|&count| count > 0).or(by_host).unwrap_or(1)
}

/// Shares of the time that passed. A mode that went backwards counts as standing still: the shares must
/// add up, and iowait and idle do go backwards.
fn share(before: &CpuTicks, after: &CpuTicks, most: u64) -> Option<CpuRates> {
    let grown = |before: u64, after: u64| {
        difference(before, after).filter(|&ticks| ticks <= most).unwrap_or(0) as f64
    };
    // A mode that is absent at one end is in no share; `steal_known` and `waits_known` say so.
    let optional = |before: Option<u64>, after: Option<u64>| {
        before.zip(after).map_or(0.0, |(before, after)| grown(before, after))
    };
    let user = grown(before.user, after.user);
    let nice = grown(before.nice, after.nice);
    let system = grown(before.system, after.system);
    let idle = grown(before.idle, after.idle);
    let iowait = optional(before.iowait, after.iowait);
    let irq = optional(before.irq, after.irq);
    let softirq = optional(before.softirq, after.softirq);
    let steal = optional(before.steal, after.steal);
    let total = user + nice + system + idle + iowait + irq + softirq + steal;
    (total > 0.0).then(|| CpuRates {
        user_ratio: user / total,
        nice_ratio: nice / total,
        system_ratio: system / total,
        idle_ratio: idle / total,
        iowait_ratio: iowait / total,
        irq_ratio: irq / total,
        softirq_ratio: softirq / total,
        steal_ratio: steal / total,
        steal_known: before.steal.is_some() && after.steal.is_some(),
        waits_known: [before, after].iter().all(|ticks| ticks.iowait.is_some() && ticks.softirq.is_some()),
        irq_counted: after.irq.is_some_and(|ticks| ticks > 0),
    })
}

/// Mean of `procs_blocked`, the two ends included.
pub fn blocked_mean(points: &[&SystemSnapshot]) -> Option<f64> {
    let seen: Vec<f64> = points
        .iter()
        .filter_map(|point| point.stat.as_ref().ok()?.procs_blocked_count)
        .map(|count| count as f64)
        .collect();
    (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
}

/// Stall time by wall time. The totals are brought up to date by the read itself (kernel
/// `kernel/sched/psi.c`), so a short window is exact where the averages lag by two seconds.
pub fn pressure(
    before: &Reading<Pressure>,
    after: &Reading<Pressure>,
    seconds: f64,
) -> Reading<PressureRates> {
    let (then, now) = (before.as_ref().map_err(Clone::clone)?, after.as_ref().map_err(Clone::clone)?);
    let stalled = |before: u64, after: u64| {
        rate(before, after, seconds).map(|micros| (micros / MICROSECONDS_PER_SECOND).clamp(0.0, 1.0))
    };
    let some_ratio = stalled(then.some.total_microseconds, now.some.total_microseconds)
        .ok_or_else(|| Absence::malformed("/proc/pressure", "its total went backwards"))?;
    let full = |pressure: &Pressure| pressure.full.map(|line| line.total_microseconds);
    Ok(PressureRates {
        some_ratio,
        full_ratio: full(then).zip(full(now)).and_then(|(then, now)| stalled(then, now)),
        some_averages: [now.some.avg10_ratio, now.some.avg60_ratio, now.some.avg300_ratio],
    })
}

/// Share of the window in which the hottest CPU was slowed down for heat, of its core or its package.
pub fn heat(before: &[CpuHeat], after: &[CpuHeat], seconds: f64) -> Option<f64> {
    let share = |then: Option<u64>, now: Option<u64>| {
        rate(then?, now?, seconds).map(|milliseconds| (milliseconds / 1000.0).clamp(0.0, 1.0))
    };
    after
        .iter()
        .filter_map(|now| {
            let then = before.iter().find(|then| then.cpu == now.cpu)?;
            let core = share(then.core_milliseconds, now.core_milliseconds);
            let package = share(then.package_milliseconds, now.package_milliseconds);
            core.into_iter().chain(package).reduce(f64::max)
        })
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(user: u64, idle: u64, iowait: u64) -> CpuTicks {
        CpuTicks { user, idle, iowait: Some(iowait), steal: Some(0), ..CpuTicks::default() }
    }

    #[test]
    fn shares_add_up_even_when_iowait_goes_backwards() {
        let rates = share(&ticks(0, 0, 50), &ticks(60, 40, 20), 1000).unwrap();
        assert!((rates.user_ratio - 0.6).abs() < 1e-9);
        assert!(rates.iowait_ratio.abs() < 1e-9);
        assert!((rates.busy_ratio() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn a_counter_that_went_below_zero_takes_no_share() {
        let rates = share(&ticks(0, 0, 5), &ticks(60, 40, u64::MAX - 3), 1000).unwrap();
        assert!((rates.busy_ratio() - 0.6).abs() < 1e-9 && rates.iowait_ratio.abs() < 1e-9);
    }

    #[test]
    fn a_cpu_that_goes_or_comes_makes_no_leap() {
        // 6.18, as cpu1 went offline: its iowait left the sum, and its idle time came from elsewhere.
        let stat = |cpu, cpus: &[CpuTicks]| KernelStat {
            cpu,
            cpus: (0..).zip(cpus.iter().copied()).collect(),
            context_switches_count: None,
            interrupts_count: None,
            forks_count: None,
            procs_running_count: None,
            procs_blocked_count: None,
        };
        let with = stat(ticks(100, 5000, 8449), &[ticks(60, 2500, 0), ticks(40, 2500, 8449)]);
        let without = stat(ticks(101, 28_053, 0), &[ticks(61, 2509, 0)]);
        let (then, now) = of_the_same(&with, &without);
        assert_eq!((then, now), (ticks(60, 2500, 0), ticks(61, 2509, 0)));
        assert_eq!(of_the_same(&without, &with), (now, then));
        assert_eq!(of_the_same(&with, &with).0, with.cpu);
        assert_eq!(sum(&[&ticks(1, 2, 3), &ticks(4, 5, 6)]), ticks(5, 7, 9));
    }

    #[test]
    fn counters_that_stand_still_give_none() {
        assert_eq!(share(&ticks(1, 1, 1), &ticks(1, 1, 1), 1000), None);
    }
}
