//! The flat metrics of a report, from the rates.

use crate::diagnose::evidence::facts::cpus_that_count;
use crate::model::metrics::Metrics;
use crate::model::rates::{DiskRates, PressureRates, Rates};
use crate::model::reading::Reading;
use crate::model::report::Run;

/// Collects them; what could not be read stays `None`.
pub(super) fn metrics(rates: &Rates, run: &Run) -> Metrics {
    let load = rates.load.as_ref().ok();
    let memory = rates.memory.as_ref().ok();
    let paging = rates.paging.as_ref().ok();
    // Where no process can be seen, the thread states are unknown as well.
    let threads = Some(&rates.makeup).filter(|_| !rates.processes.is_empty());
    let disks = rates.disks.as_deref().unwrap_or_default();
    Metrics {
        load1: load.map(|load| load.one),
        load5: load.map(|load| load.five),
        load15: load.map(|load| load.fifteen),
        load_per_cpu: threads
            .map(|threads| (threads.running_mean + threads.uninterruptible_mean) / cpus_that_count(rates)),
        threads_running_mean: threads.map(|threads| threads.running_mean),
        threads_uninterruptible_mean: threads.map(|threads| threads.uninterruptible_mean),
        psi_cpu_some_ratio: some(&rates.cpu_pressure),
        psi_io_some_ratio: some(&rates.io_pressure),
        psi_io_full_ratio: full(&rates.io_pressure),
        psi_memory_some_ratio: some(&rates.memory_pressure),
        psi_memory_full_ratio: full(&rates.memory_pressure),
        memory_available_ratio: memory
            .and_then(|memory| part(memory.available_bytes? as f64, memory.total_bytes as f64)),
        swap_used_ratio: memory.and_then(|memory| {
            let used = memory.swap_total_bytes.saturating_sub(memory.swap_free_bytes);
            part(used as f64, memory.swap_total_bytes as f64)
        }),
        swap_in_pages_per_second: paging.and_then(|paging| paging.swap_in_per_second),
        swap_out_pages_per_second: paging.and_then(|paging| paging.swap_out_per_second),
        major_faults_per_second: paging.and_then(|paging| paging.major_faults_per_second),
        disk_utilization_max_ratio: largest(disks.iter().map(|disk| disk.utilization_ratio)),
        disk_await_max_seconds: largest(disks.iter().filter_map(DiskRates::await_seconds)),
        context_switches_per_second: rates.context_switches_per_second,
        forks_per_second: rates.forks_per_second,
        window_seconds: Some(rates.seconds),
        run_cpu_seconds: Some(run.cpu_seconds),
        run_max_rss_bytes: run.max_rss_bytes,
        ..cpu(rates)
    }
}

fn cpu(rates: &Rates) -> Metrics {
    let Ok(cpu) = &rates.cpu else { return Metrics::default() };
    Metrics {
        cpu_busy_ratio: Some(cpu.busy_ratio()),
        cpu_user_ratio: Some(cpu.all_user_ratio()),
        cpu_system_ratio: Some(cpu.system_ratio),
        cpu_interrupts_ratio: cpu.waits_known.then(|| cpu.interrupts_ratio()),
        cpu_iowait_ratio: cpu.waits_known.then_some(cpu.iowait_ratio),
        cpu_steal_ratio: cpu.steal_known.then_some(cpu.steal_ratio),
        ..Metrics::default()
    }
}

fn some(pressure: &Reading<PressureRates>) -> Option<f64> {
    pressure.as_ref().ok().map(|pressure| pressure.some_ratio)
}

fn full(pressure: &Reading<PressureRates>) -> Option<f64> {
    pressure.as_ref().ok().and_then(|pressure| pressure.full_ratio)
}

fn part(of: f64, whole: f64) -> Option<f64> {
    // Counters that contradict each other must not make more than the whole.
    (whole > 0.0).then(|| (of / whole).min(1.0))
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}
