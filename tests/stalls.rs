//! Every stall is explained: whatever a machine's numbers are, a stall at its critical limit is never called healthy, and
//! the step that is over its limit is on the way to the verdict.

#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::capture::Capture;
use diag::diagnose::thresholds::in_force::BUILT_IN;
use diag::diagnose::thresholds::{CPU_PRESSURE, IO_PRESSURE, Limit, MEMORY_PRESSURE};
use diag::model::finding::{Severity, StepId};
use diag::model::rates::{PressureRates, Rates};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::{diagnosis, rates, replay};

/// The windows of the captures: faults and healthy machines.
fn windows() -> &'static [Rates] {
    static WINDOWS: OnceLock<Vec<Rates>> = OnceLock::new();
    WINDOWS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
        #[allow(clippy::disallowed_methods, reason = "a test reads files")]
        let entries = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path().join("window.diag"))
            .filter(|file| file.exists())
            .collect();
        files.sort();
        files.iter().map(|file| rates(&replay(Capture::open(file).unwrap()).unwrap())).collect()
    })
}

/// Stall times of a window, with work at normal priority: work at lowered priority may wait.
fn with_stalls(rates: &Rates, [cpu, memory, io]: [f64; 3]) -> Rates {
    let stalls = |share: f64| {
        Ok(PressureRates { some_ratio: share, full_ratio: Some(share / 2.0), some_averages: [share; 3] })
    };
    let mut rates = rates.clone();
    (rates.cpu_pressure, rates.memory_pressure, rates.io_pressure) =
        (stalls(cpu), stalls(memory), stalls(io));
    if let Ok(cpu) = &mut rates.cpu {
        cpu.user_ratio += std::mem::take(&mut cpu.nice_ratio);
    }
    rates.processes.iter_mut().for_each(|process| process.nice = 0);
    rates.threads.iter_mut().for_each(|thread| (thread.nice, thread.policy) = (0, Some(0)));
    rates
}

fn critical(limit: &'static Limit) -> f64 {
    BUILT_IN.limit(limit).critical.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stall_is_never_called_healthy(
        which in any::<prop::sample::Index>(),
        cpu in 0.0..1.0_f64,
        memory in 0.0..1.0_f64,
        io in 0.0..1.0_f64,
    ) {
        let rates = with_stalls(which.get(windows()), [cpu, memory, io]);
        let diagnosis = diagnosis(&rates);
        let stalled = [
            (cpu, &CPU_PRESSURE, StepId::UserOrSystem),
            (memory, &MEMORY_PRESSURE, StepId::SwapOrDisk),
            (io, &IO_PRESSURE, StepId::SwapOrDisk),
        ];
        for (share, limit, step) in stalled.into_iter().filter(|(share, limit, _)| *share >= critical(limit)) {
            let verdict = &diagnosis.verdict;
            prop_assert!(verdict.severity > Severity::Ok, "{} at {share}: {}", limit.metric, verdict.summary);
            prop_assert!(
                diagnosis.steps.iter().any(|walked| walked.step == step),
                "{} at {share}: {step:?} is not on the way to {}", limit.metric, verdict.bottleneck
            );
        }
    }
}

#[test]
fn the_windows_are_many() {
    assert!(windows().len() >= 30, "{}", windows().len());
}
