//! Who takes the memory, and whether that is a program's fault or a machine too small.
//!
//! Growth comes first, size second. Growth that swap-ins explain is no growth: a victim that reads its
//! pages back grows as well.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::groups::{Ranked, Who, rank};
use crate::diagnose::thresholds::algorithm::SWAP_LEFT;
use crate::diagnose::thresholds::{LEAK_BYTES_PER_SECOND, MANY_WORKERS};
use crate::model::finding::Remedy;
use crate::model::memory_account::{MemoryKind, MemoryPart};
use crate::model::rates::ProcessRates;
use crate::model::sentence::{Sentence, bytes, own, path, ratio, sentence};

/// What kind of demand it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// One grows.
    Growth,
    /// One is far larger than the rest.
    Hog,
    /// Many equal workers.
    ManyWorkers,
    /// Memory that no process owns: shared memory, reserved huge pages, kernel.
    Unowned,
    /// All of it is needed.
    Honest,
}

/// Who, and what kind of demand.
#[derive(Debug, Clone)]
pub struct Blame {
    /// Groups, the most likely cause first.
    pub ranked: Vec<Ranked>,
    /// Kind of demand.
    pub demand: Demand,
    /// Memory without an owner.
    pub unowned_bytes: f64,
}

impl Facts<'_> {
    /// Who takes the memory.
    pub fn memory_blame(&self) -> Blame {
        let total = self.rates.memory.as_ref().map_or(0.0, |memory| memory.total_bytes as f64);
        let mut ranked =
            rank(self, None, |group| group.memory_bytes(), |process| process.memory_bytes() as f64);
        let unowned_bytes = self.unowned_memory();
        let largest = ranked.first().map_or(0.0, |top| top.amount);
        let growing = self.growing(total).filter(|_| !self.unowned_is_main(largest));
        let demand = if self.unowned_is_main(largest) {
            Demand::Unowned
        } else if let Some(position) =
            growing.and_then(|group| ranked.iter().position(|ranked| ranked.group == group))
        {
            let top = ranked.remove(position);
            ranked.insert(0, top);
            Demand::Growth
        } else if let Some(top) = ranked.first() {
            let next = ranked.get(1).map_or(0.0, |next| next.amount);
            let count = self.groups[top.group].count();
            match () {
                () if top.share >= 0.5 && count as f64 >= self.setting(&MANY_WORKERS) => Demand::ManyWorkers,
                () if top.share >= 0.5 && top.amount >= 2.0 * next => Demand::Hog,
                () => Demand::Honest,
            }
        } else {
            Demand::Honest
        };
        Blame { ranked, demand, unowned_bytes }
    }

    /// The group that grows by itself, if one does so clearly.
    fn growing(&self, total_bytes: f64) -> Option<usize> {
        let page = self.rates.host.page_bytes as f64;
        let seconds = self.rates.seconds.max(0.1);
        let net = |process: &ProcessRates| {
            let read_back = process.major_faults_per_second * seconds * page;
            (process.rss_growth_bytes as f64 - read_back).max(0.0)
        };
        let growth = rank(self, None, |group| group.sum(net), net);
        let top = growth.first()?;
        let fast = top.amount / seconds >= self.setting(&LEAK_BYTES_PER_SECOND);
        // To matter, it must be large already, or get so within minutes.
        let large = self.groups[top.group].memory_bytes() >= 0.1 * total_bytes
            || top.amount / seconds * 300.0 >= 0.2 * total_bytes;
        (fast && top.share >= 0.5 && large).then_some(top.group)
    }

    /// Memory that no process owns: reserved huge pages, files in tmpfs, the kernel's own.
    pub fn unowned_memory(&self) -> f64 {
        self.rates.memory_account.as_ref().map_or(0.0, |account| account.unowned_bytes as f64)
    }

    /// Share of the memory that could still be had, without the swap space.
    pub fn available_of_account(&self) -> Option<f64> {
        let account = self.rates.memory_account.as_ref().ok()?;
        Some(account.available_bytes? as f64 / account.total_bytes.max(1) as f64)
    }

    /// Whether the machine has no swap space left to move memory to.
    pub fn no_swap_left(&self) -> bool {
        self.rates
            .memory
            .as_ref()
            .is_ok_and(|memory| memory.swap_free_bytes as f64 <= SWAP_LEFT * memory.total_bytes as f64)
    }

    /// Memory that could be had, by all there is.
    pub fn available_ratio(&self) -> Option<f64> {
        let memory = self.rates.memory.as_ref().ok()?;
        let node = (memory.total_bytes > 0)
            .then(|| Some(memory.available_bytes? as f64 / memory.total_bytes as f64))
            .flatten();
        node.into_iter().chain(self.own_available_ratio()).reduce(f64::min)
    }

    /// Memory that could be had below the limit of the container that the run is in.
    fn own_available_ratio(&self) -> Option<f64> {
        let own = self.rates.own_limits.as_ref()?.memory?;
        let (usage, limit) = (own.usage_bytes?, own.limit_bytes.filter(|bytes| *bytes > 0)?);
        let taken = usage.saturating_sub(own.inactive_file_bytes.unwrap_or(0));
        Some(1.0 - (taken as f64 / limit as f64).min(1.0))
    }
}

impl Blame {
    /// Who it is; nobody where no process owns most of the memory.
    pub fn main(&self) -> Option<Ranked> {
        self.ranked.first().filter(|_| self.demand != Demand::Unowned).cloned()
    }

    /// The same as the one to point at.
    pub fn who(&self) -> Who {
        self.main().map_or(Who::None, Who::Group)
    }

    /// The end of a sentence: who.
    pub fn text(&self, facts: &Facts<'_>) -> Option<Sentence> {
        if self.demand == Demand::Unowned {
            let account = facts.rates.memory_account.as_ref().ok()?;
            let largest =
                account.largest_unowned().map(|part| sentence![", most of it ", unowned_name(part)]);
            return Some(sentence!["; ", bytes(self.unowned_bytes), " belong to no process", largest]);
        }
        let top = self.ranked.first()?;
        Some(sentence![
            "; ",
            facts.name(top),
            " holds ",
            bytes(top.amount),
            ", ",
            ratio(top.share),
            " of what processes hold",
        ])
    }

    /// What the culprit does.
    pub fn why(&self) -> Option<Sentence> {
        let words = match self.demand {
            Demand::Growth => "its memory grows",
            Demand::Hog => "it holds most of the memory",
            Demand::ManyWorkers => "its many workers together hold most of the memory",
            Demand::Unowned | Demand::Honest => return None,
        };
        Some(words.into())
    }

    /// The remedy that fits: a program at fault is mended, honest demand needs memory.
    pub fn remedy(&self) -> Remedy {
        match self.demand {
            Demand::Growth | Demand::Hog => Remedy::FixProgram,
            Demand::ManyWorkers | Demand::Unowned => Remedy::Tune,
            Demand::Honest => Remedy::AddResource,
        }
    }
}

/// How to call a part of the memory that no process owns: `unused huge pages of 2048 kB`, `files in /mnt/a (tmpfs)`.
pub fn unowned_name(part: &MemoryPart) -> Sentence {
    match (part.kind, &part.name) {
        (MemoryKind::Tmpfs, Some(mount)) => sentence!["files in ", path(mount.as_str()), " (tmpfs)"],
        (MemoryKind::HugePagesFree, Some(size)) => sentence!["unused huge pages of ", own(size.clone())],
        (kind, _) => kind.words().into(),
    }
}
