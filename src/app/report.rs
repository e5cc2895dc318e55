//! The report: the diagnosis with the run, the host and the window.

use super::metrics::metrics;
use crate::collect::self_usage;
use crate::diagnose::thresholds::Thresholds;
use crate::model::bottleneck::BottleneckId;
use crate::model::profile::Profile;
use crate::model::rates::Rates;
use crate::model::report::{Diagnosis, HostReport, Report, Run, SCHEMA_VERSION, Window, WindowSource};
use crate::model::snapshot::Source;

/// Builds the report.
pub fn report(
    diagnosis: Diagnosis,
    profile: Option<Profile>,
    rates: &Rates,
    thresholds: &Thresholds,
) -> Report {
    let run = run(thresholds);
    let metrics = metrics(rates, &run);
    let mut verdict = diagnosis.verdict;
    // A healthy box may have findings of the id `none`; they are notes.
    let own = diagnosis
        .findings
        .iter()
        .find(|finding| finding.id == verdict.bottleneck && finding.id != BottleneckId::None);
    verdict.advice = own.map(|finding| finding.advice.clone()).unwrap_or_default();
    Report {
        schema_version: SCHEMA_VERSION,
        diag: run,
        host: host(rates),
        window: window(rates),
        verdict,
        steps: diagnosis.steps,
        findings: diagnosis.findings,
        news: diagnosis.news,
        processes_order: diagnosis.processes_order,
        processes: diagnosis.processes,
        target: diagnosis.target,
        load: diagnosis.load,
        metrics,
        memory: rates.memory_account.as_ref().ok().cloned(),
        profile,
        not_checked: diagnosis.not_checked,
    }
}

fn run(thresholds: &Thresholds) -> Run {
    Run {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cpu_seconds: self_usage::cpu_seconds(),
        max_rss_bytes: self_usage::max_rss_bytes(),
        config_files: thresholds.files().into_iter().map(str::to_owned).collect(),
    }
}

fn host(rates: &Rates) -> HostReport {
    let host = &rates.host;
    let memory = rates.memory.as_ref().ok();
    HostReport {
        hostname: host.hostname.clone(),
        kernel: host.kernel.clone(),
        arch: host.arch.clone(),
        cpus_online: rates.cpus_online_count,
        cpus_effective: rates.cpus_effective,
        memory_total_bytes: memory.map(|memory| memory.total_bytes),
        memory_limit_bytes: rates.own_limits.as_ref().and_then(|own| own.memory?.limit_bytes),
        swap_total_bytes: memory.map(|memory| memory.swap_total_bytes),
        uptime_seconds: rates.uptime_seconds,
        boot_id: host.boot_id.clone(),
        virtualization: host.virtualization.clone(),
        container: host.container.clone(),
    }
}

fn window(rates: &Rates) -> Window {
    Window {
        source: match rates.source {
            Source::Live => WindowSource::Live,
            Source::Capture => WindowSource::Capture,
        },
        started_at: rates.started_at.to_string(),
        ended_at: rates.ended_at.to_string(),
        seconds: rates.seconds,
        interrupted: rates.interrupted,
        samples_count: rates.samples_count,
        age_seconds: None,
    }
}
