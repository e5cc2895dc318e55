//! Whether memory is short, and how one can tell.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::algorithm::{FULL_SOON_SECONDS, MEMORY_PLENTY, ROOM_BYTES, SWAP_PRESSURE};
use crate::diagnose::thresholds::{
    ALLOCATION_STALLS, MEMORY_FULL, MEMORY_LOW, MEMORY_PRESSURE, MEMORY_UNOWNED, OOM_KILLS, SWAP_IN,
};
use crate::model::finding::Severity;
use crate::model::sentence::{Sentence, count, ratio, sentence};

/// A shortage of memory of the whole machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// How bad it is.
    pub severity: Severity,
    /// How it shows: `threads wait for memory 12 % of the time`.
    pub words: Sentence,
}

impl Facts<'_> {
    /// How memory of the machine is short; none where it is not, or is so in a control group alone.
    pub fn memory_shortage(&self) -> Option<Shortage> {
        let plenty = self.available_of_account().is_some_and(|share| share >= MEMORY_PLENTY);
        if plenty {
            return None;
        }
        let shortage = |severity, words| Some(Shortage { severity, words });
        if let Some(kills) = self.machine_oom_kills() {
            return shortage(
                Severity::Critical,
                sentence!["the kernel killed ", kills, " processes for memory"],
            );
        }
        let stalls = self.memory_stalls();
        let paging = self.paging();
        let swap_in = paging.and_then(|paging| paging.swap_in_per_second);
        let swapping = swap_in.filter(|rate| *rate >= self.limit(&SWAP_IN).warning);
        let hurts =
            stalls.some.is_none_or(|some| some >= SWAP_PRESSURE * self.limit(&MEMORY_PRESSURE).warning);
        let stalled = self.limit(&MEMORY_FULL).critical.is_some_and(|limit| stalls.full_reaches(limit))
            || self.limit(&MEMORY_PRESSURE).critical.is_some_and(|limit| stalls.some_reaches(limit));
        let severity = if stalled { Severity::Critical } else { Severity::Warning };
        let waits = || sentence!["threads wait for memory ", self.memory_wait_words(), " of the time"];
        if let Some(rate) = swapping.filter(|_| hurts) {
            return shortage(
                severity,
                sentence![count(rate), " pages per second come back from swap and ", waits()],
            );
        }
        if stalls.some_reaches(self.limit(&MEMORY_PRESSURE).warning) {
            return shortage(severity, waits());
        }
        let direct = paging.and_then(|paging| paging.allocation_stalls_per_second);
        let direct = direct.filter(|rate| *rate >= self.limit(&ALLOCATION_STALLS).warning);
        if let Some(rate) = direct.filter(|_| stalls.some.is_none()) {
            let words = sentence![count(rate), " times per second a thread has to free memory itself"];
            return shortage(Severity::Warning, words);
        }
        if self.memory_is_low() {
            let share = self.available_of_account()?;
            let words = sentence![
                "only ",
                ratio(share),
                " of the memory is available and there is no swap space left"
            ];
            return shortage(Severity::Warning, words);
        }
        None
    }

    /// Kills within the window that no control group's limit made.
    fn machine_oom_kills(&self) -> Option<u64> {
        let kills = self.paging()?.oom_kills_count?;
        (kills > 0 && kills as f64 >= self.limit(&OOM_KILLS).warning && self.oom_group().is_none())
            .then_some(kills)
    }

    /// Whether no process owns so much of the memory that none can be who took it: more than the largest holds.
    pub fn unowned_exceeds(&self, largest: f64) -> bool {
        self.rates.memory_account.as_ref().is_ok_and(|account| {
            account.unowned_ratio() >= self.limit(&MEMORY_UNOWNED).warning
                && account.unowned_bytes as f64 > largest
        })
    }

    /// Whether hardly any memory is left, with no swap space to move any to and no thread that waits for it yet.
    pub fn memory_is_low(&self) -> bool {
        let Ok(account) = &self.rates.memory_account else { return false };
        let (Some(left), Some(share)) = (account.available_bytes, self.available_of_account()) else {
            return false;
        };
        let falls = account
            .available_fall_bytes_per_second
            .is_some_and(|fall| fall * FULL_SOON_SECONDS >= left as f64);
        share < self.limit(&MEMORY_LOW).warning
            && self.no_swap_left()
            && (falls || (left as f64) < ROOM_BYTES)
    }
}
