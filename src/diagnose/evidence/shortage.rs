//! Whether memory is short, and how one can tell.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::memory_blame::unowned_name;
use crate::diagnose::thresholds::algorithm::{
    FULL_SOON_SECONDS, MEMORY_PLENTY, OVERSIZED, ROOM_BYTES, SWAP_PRESSURE,
};
use crate::diagnose::thresholds::{
    ALLOCATION_STALLS, MEMORY_FULL, MEMORY_LOW, MEMORY_PRESSURE, MEMORY_UNOWNED, OOM_KILLS, REFAULT_SHARE,
    REFAULTS_MIN, SWAP_IN,
};
use crate::model::finding::Severity;
use crate::model::memory_account::MemoryKind;
use crate::model::sentence::{Sentence, bytes, count, ratio, sentence};

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
                sentence!["the machine reads ", count(rate), " pages per second from swap"],
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

    /// Whether no process owns so much of the memory that none can be who took it: more than the `largest` program
    /// holds.
    ///
    /// Huge pages are set aside on purpose and once for all. A program that needs more than all of the rest, or reads more
    /// files than fit into it, is too large for the machine as it is set up: then the program comes first.
    pub fn unowned_is_main(&self, largest: f64) -> bool {
        let Ok(account) = &self.rates.memory_account else { return false };
        let unowned = account.unowned_bytes as f64;
        let rest = account.total_bytes as f64 - unowned;
        let aside = account.largest_unowned().is_some_and(|part| part.kind == MemoryKind::HugePagesFree);
        account.unowned_ratio() >= self.limit(&MEMORY_UNOWNED).warning
            && unowned > largest
            && !(aside && (largest >= OVERSIZED * rest || self.cache_is_short()))
    }

    /// Whether files are read again that were in memory a moment ago, and it is not swap that is read.
    fn cache_is_short(&self) -> bool {
        let Some(paging) = self.paging() else { return false };
        let swaps = paging.swap_in_per_second.is_some_and(|rate| rate >= self.limit(&SWAP_IN).warning);
        let again = paging.refault_file_per_second.is_some_and(|rate| rate >= self.setting(&REFAULTS_MIN));
        let share = self.refault_share().is_some_and(|share| share >= self.limit(&REFAULT_SHARE).warning);
        again && share && !swaps
    }

    /// That much belongs to no process, where that is not the main thing.
    pub fn unowned_beside(&self) -> Option<Sentence> {
        let account = self.rates.memory_account.as_ref().ok()?;
        let part = account.largest_unowned()?;
        (account.unowned_ratio() >= self.limit(&MEMORY_UNOWNED).warning).then(|| {
            sentence![
                bytes(part.unowned_bytes as f64),
                " of the memory belong to no process: ",
                unowned_name(part),
                ". Without them there would be room.",
            ]
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
        1.0 - share >= self.limit(&MEMORY_LOW).warning
            && self.no_swap_left()
            && (falls || (left as f64) < ROOM_BYTES)
    }
}
