//! Counters of the hardware: how well the CPUs get on with what they run. Virtual machines often have none.

use super::events::Whom;
use crate::model::profile::Counters;
use perf_event::events::Hardware;
use perf_event::{Builder, Counter, ReadFormat};

/// What is counted, each pair a ratio: instructions by cycles, misses by references, mispredictions by branches.
const PAIRS: [(Hardware, Hardware); 3] = [
    (Hardware::INSTRUCTIONS, Hardware::CPU_CYCLES),
    (Hardware::CACHE_MISSES, Hardware::CACHE_REFERENCES),
    (Hardware::BRANCH_MISSES, Hardware::BRANCH_INSTRUCTIONS),
];

/// Counters that are on, in the order of [`PAIRS`].
pub(super) struct Counting {
    pairs: Vec<Option<(Vec<Counter>, Vec<Counter>)>>,
}

impl Counting {
    /// Starts those that the hardware has; none at all is fine.
    pub(super) fn start(whom: &Whom, cpus: &[usize], kernel_hidden: bool) -> Self {
        let open = |event| open(event, whom, cpus, kernel_hidden);
        Self { pairs: PAIRS.iter().map(|(part, whole)| Some((open(*part)?, open(*whole)?))).collect() }
    }

    /// The ratios so far; none where there are no counters.
    pub(super) fn read(&mut self) -> Option<Counters> {
        let ratios: Vec<Option<f64>> = self
            .pairs
            .iter_mut()
            .map(|pair| {
                let (part, whole) = pair.as_mut()?;
                ratio(sum(part)?, sum(whole)?)
            })
            .collect();
        let [instructions_per_cycle, cache_miss_ratio, branch_miss_ratio] = *ratios.as_slice() else {
            return None;
        };
        let counters = Counters { instructions_per_cycle, cache_miss_ratio, branch_miss_ratio };
        ratios.iter().any(Option::is_some).then_some(counters)
    }
}

/// One event everywhere; none as soon as one of them is refused: a part of the CPUs would be no answer.
fn open(event: Hardware, whom: &Whom, cpus: &[usize], kernel_hidden: bool) -> Option<Vec<Counter>> {
    let builder = || {
        let mut builder = Builder::new(event);
        let times = ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING;
        builder.exclude_kernel(kernel_hidden).exclude_hv(true).read_format(times).enabled(true);
        builder
    };
    match whom {
        Whom::EveryCpu => cpus.iter().map(|cpu| builder().any_pid().one_cpu(*cpu).build().ok()).collect(),
        Whom::Threads(tids) => {
            tids.iter().map(|tid| builder().observe_pid(*tid).any_cpu().inherit(true).build().ok()).collect()
        }
    }
}

/// What they count together. Where there are fewer of them than events each counts a part of the time only, and is
/// scaled up; one that never counted says nothing.
fn sum(counters: &mut [Counter]) -> Option<f64> {
    let mut sum = 0.0;
    for counter in counters {
        let read = counter.read_full().ok()?;
        let (enabled, running) = (read.time_enabled()?.as_secs_f64(), read.time_running()?.as_secs_f64());
        if running > 0.0 {
            sum += read.count() as f64 * (enabled / running).max(1.0);
        }
    }
    Some(sum)
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::perf::online_cpus;

    #[test]
    fn nothing_by_nothing_is_not_known() {
        assert_eq!(ratio(0.0, 0.0), None);
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
    }

    #[test]
    fn what_the_hardware_counts_makes_sense() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let mut counting = Counting::start(&Whom::Threads(vec![own]), &online_cpus().unwrap(), true);
        let spun = (0..1_000_000_u64).fold(0, |sum, step| std::hint::black_box(sum ^ step));
        assert!(spun < u64::MAX);
        let Some(counters) = counting.read() else {
            println!("skipped: no counters of the hardware here");
            return;
        };
        assert!(
            counters.instructions_per_cycle.is_none_or(|ratio| (0.01..20.0).contains(&ratio)),
            "{counters:?}"
        );
        assert!(counters.branch_miss_ratio.is_none_or(|ratio| (0.0..=1.0).contains(&ratio)), "{counters:?}");
    }
}
