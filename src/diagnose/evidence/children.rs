//! What short-lived children did: the kernel adds their CPU time and their I/O to the parent that waits for them
//! (kernel `kernel/exit.c`, `wait_task_zombie`), so the parent looks like who did it.

use crate::diagnose::evidence::facts::Facts;
use crate::model::rates::{ProcessRates, ThreadRates};
use crate::model::sentence::{Sentence, count, process, sentence};
use crate::model::task::{Comm, Pid};
use std::collections::{BTreeMap, HashMap};

/// Ended children that the samples must have met before they are told of.
const SEEN_MIN: usize = 3;

/// Share of them that have the name that is told.
const OF_ONE_NAME: f64 = 0.5;

/// The name that most ended children of a process had, and how many it starts per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Children {
    /// Name.
    pub comm: Comm,
    /// Children started per second.
    pub per_second: f64,
}

impl<'a> Facts<'a> {
    /// Processes that the samples met and that have ended.
    pub fn ended_processes(&self) -> impl Iterator<Item = &'a ThreadRates> {
        self.user_threads().filter(|thread| !thread.alive && thread.pid == thread.tid)
    }

    /// How many ended processes the samples met, by parent.
    pub fn births_by_parent(&self) -> HashMap<Pid, f64> {
        let mut births: HashMap<Pid, f64> = HashMap::new();
        self.ended_processes().for_each(|child| *births.entry(child.ppid).or_default() += 1.0);
        births
    }

    /// Processes that `parents` start per second. The kernel counts every birth, the samples meet some: the parents share
    /// in all as they do in those.
    pub fn births_per_second(&self, parents: &[Pid]) -> Option<f64> {
        let births = self.births_by_parent();
        let own: f64 = parents.iter().filter_map(|parent| births.get(parent)).sum();
        let forks = self.rates.forks_per_second.filter(|_| own > 0.0)?;
        Some(forks * own / births.values().sum::<f64>())
    }

    /// The short-lived children of the processes `parents`, where they and not their parents did the work: so many that
    /// the samples met several.
    pub fn short_lived_children(&self, parents: &[Pid]) -> Option<Children> {
        let mut names: BTreeMap<Comm, usize> = BTreeMap::new();
        for child in self.ended_processes().filter(|child| parents.contains(&child.ppid)) {
            *names.entry(child.comm).or_default() += 1;
        }
        let own: usize = names.values().sum();
        let (comm, of_name) = names.into_iter().max_by_key(|(_, count)| *count)?;
        let processes = || parents.iter().filter_map(|pid| self.rates.process(*pid));
        let busy: f64 = processes().map(ProcessRates::cpu_ratio).sum();
        let reaped: f64 = processes().map(|process| process.children_ratio).sum();
        let many = own >= SEEN_MIN && of_name as f64 >= OF_ONE_NAME * own as f64;
        let per_second = self.births_per_second(parents)?;
        (many && reaped >= busy).then_some(Children { comm, per_second })
    }
}

impl Children {
    /// `starts dd 23 times per second, which does it`.
    pub fn words(&self) -> Sentence {
        sentence![
            "starts ",
            process(self.comm.to_lossy()),
            " ",
            count(self.per_second),
            " times per second, which does it"
        ]
    }
}
