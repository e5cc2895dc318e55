//! Who takes the memory, and whether that is a program's fault or a machine too small.
//!
//! Growth comes first, size second. Growth that swap-ins explain is no growth: a victim that reads its
//! pages back grows as well.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::evidence::groups::{Ranked, rank};
use crate::diagnose::thresholds::{LEAK_BYTES_PER_SECOND, MANY_WORKERS};
use crate::model::finding::Remedy;
use crate::model::rates::ProcessRates;
use crate::model::sentence::{Sentence, bytes, ratio, sentence};

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
        let growing = self.growing(total);
        let demand = if let Some(position) =
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
                () if unowned_bytes >= 0.25 * total && unowned_bytes > top.amount => Demand::Unowned,
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

    /// Memory that no process shows: huge pages that are reserved, unreclaimable slab, shared memory.
    pub fn unowned_memory(&self) -> f64 {
        let Ok(memory) = &self.rates.memory else { return 0.0 };
        [memory.huge_pages_bytes, memory.slab_unreclaimable_bytes, memory.shmem_bytes]
            .into_iter()
            .flatten()
            .map(|bytes| bytes as f64)
            .sum()
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
    /// The end of a sentence: who.
    pub fn text(&self, facts: &Facts<'_>) -> Option<Sentence> {
        let top = self.ranked.first()?;
        let unowned = (self.demand == Demand::Unowned).then(|| {
            sentence![
                "; ",
                bytes(self.unowned_bytes),
                " belong to no process (huge pages, shared memory, kernel)"
            ]
        });
        Some(sentence![
            "; ",
            facts.name(top),
            " holds ",
            bytes(top.amount),
            ", ",
            ratio(top.share),
            " of what processes hold",
            unowned,
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
