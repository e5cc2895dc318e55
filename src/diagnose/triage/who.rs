//! Who: the culprit, and the processes ranked by the resource that is short.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::groups::{label, part, rank};
use crate::model::bottleneck::{BottleneckId, Sort};
use crate::model::finding::{Step, StepId};
use crate::model::rates::ProcessRates;
use crate::model::report::{ProcessRow, Verdict};
use crate::model::sentence::{ratio, sentence, unit};
use crate::model::task::Pid;
use crate::model::units::Unit;

/// The step.
pub fn step(facts: &Facts<'_>, verdict: &Verdict) -> Step {
    let (answer, brief, summary) = match &verdict.culprit {
        Some(culprit) => {
            let members = usize::try_from(culprit.members_count).unwrap_or(usize::MAX);
            let name = label(&culprit.comm, culprit.pid, members);
            let share =
                culprit.share_ratio.map(|share| sentence![", ", part(facts, share), " (", ratio(share), ")"]);
            let of_unit = culprit.unit.as_ref().map(|name| sentence![", ", unit(name.as_str())]);
            let summary = sentence![name.clone(), of_unit, share];
            (name, label(&culprit.comm, None, members), summary)
        }
        None if verdict.bottleneck == BottleneckId::None => {
            let top = rank(facts, None, |group| group.cpu(), ProcessRates::cpu_ratio);
            let summary = top.first().map_or_else(
                || "no process used CPU time".into(),
                |top| {
                    sentence![
                        "no culprit; most CPU time: ",
                        facts.name(top),
                        ", ",
                        ratio(top.amount),
                        " of one CPU",
                    ]
                },
            );
            ("nobody".into(), "no culprit".into(), summary)
        }
        None => ("cannot be named".into(), "no single process".into(), "no process accounts for it".into()),
    };
    Step {
        step: StepId::Who,
        question: "Which process or service is it?".to_owned(),
        answer,
        brief,
        summary,
        evidence: verdict
            .culprit
            .as_ref()
            .map(|culprit| {
                plain("culprit_share_ratio", culprit.share_ratio, Unit::Ratio, "/proc/PID/stat, io, status")
            })
            .into_iter()
            .collect(),
        next: None,
    }
}

/// The process table.
pub fn rows(facts: &Facts<'_>, sort: Sort, top: usize, pid: Option<Pid>) -> Vec<ProcessRow> {
    let metric = |process: &ProcessRates| match sort {
        Sort::Cpu => process.cpu_ratio(),
        Sort::Memory => {
            process.pss_bytes.unwrap_or_else(|| process.memory_bytes()) as f64
                + process.swap_bytes.unwrap_or(0) as f64
        }
        Sort::Io => process.io_bytes_per_second().unwrap_or(0.0),
        Sort::Wait => process.uninterruptible_mean + process.run_delay_ratio.unwrap_or(0.0),
    };
    // The kernel's own threads are listed when they do something.
    let listed = |process: &&ProcessRates| {
        !process.kernel_thread
            || metric(process) > 0.0
            || process.cpu_ratio() > 0.0
            || pid == Some(process.pid)
    };
    let mut processes: Vec<&ProcessRates> = facts.rates.processes.iter().filter(listed).collect();
    processes.sort_by(|a, b| {
        let order = metric(b).total_cmp(&metric(a));
        order
            .then_with(|| b.cpu_ratio().total_cmp(&a.cpu_ratio()))
            .then_with(|| b.rss_bytes.cmp(&a.rss_bytes))
            .then_with(|| a.pid.cmp(&b.pid))
    });
    // The one that was asked for comes first, wherever it ranks.
    let asked = pid.and_then(|pid| processes.iter().position(|process| process.pid == pid));
    if let Some(asked) = asked {
        processes[..=asked].rotate_right(1);
    }
    processes.into_iter().take(top).map(row).collect()
}

fn row(process: &ProcessRates) -> ProcessRow {
    ProcessRow {
        pid: process.pid,
        ppid: process.ppid,
        comm: process.comm.to_lossy(),
        cmdline: process.command_line.clone(),
        user: process.user.clone(),
        unit: process.unit.clone(),
        state: process.state.letter().to_string(),
        threads_count: process.threads_count,
        cpu_ratio: process.cpu_ratio(),
        user_ratio: process.user_ratio,
        system_ratio: process.system_ratio,
        run_delay_ratio: process.run_delay_ratio,
        rss_bytes: process.rss_bytes,
        pss_bytes: process.pss_bytes,
        swap_bytes: process.swap_bytes,
        read_bytes_per_second: process.read_bytes_per_second,
        write_bytes_per_second: process.write_bytes_per_second,
        major_faults_per_second: process.major_faults_per_second,
        nice: process.nice,
        wait_channel: process.wait_channel.clone(),
    }
}
