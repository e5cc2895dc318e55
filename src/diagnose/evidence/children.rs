//! What short-lived children did: the kernel adds their CPU time and their I/O to the parent that waits for them
//! (kernel `kernel/exit.c`, `wait_task_zombie`), so the parent looks like who did it.

use crate::diagnose::evidence::facts::Facts;
use crate::model::sentence::{Sentence, count, process, sentence};
use crate::model::task::{Comm, Pid};
use std::collections::{BTreeMap, HashMap, HashSet};

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

impl Facts<'_> {
    /// The short-lived children of the processes `parents`, where they and not their parents did the work: so many that
    /// the samples met several.
    pub fn short_lived_children(&self, parents: &[Pid]) -> Option<Children> {
        let mut seen: HashSet<Pid> = HashSet::new();
        let mut births: HashMap<Pid, usize> = HashMap::new();
        let mut names: BTreeMap<Comm, usize> = BTreeMap::new();
        let ended = self.user_threads().filter(|thread| !thread.alive && thread.pid == thread.tid);
        for child in ended.filter(|child| seen.insert(child.pid)) {
            *births.entry(child.ppid).or_default() += 1;
            if parents.contains(&child.ppid) {
                *names.entry(child.comm).or_default() += 1;
            }
        }
        let own: usize = names.values().sum();
        let (comm, of_name) = names.into_iter().max_by_key(|(_, count)| *count)?;
        let busy: f64 =
            parents.iter().filter_map(|pid| self.rates.process(*pid)).map(|p| p.cpu_ratio()).sum();
        let reaped: f64 = parents
            .iter()
            .filter_map(|pid| self.rates.process(*pid))
            .map(|process| process.children_ratio)
            .sum();
        let many = own >= SEEN_MIN && of_name as f64 >= OF_ONE_NAME * own as f64;
        // The kernel counts every birth, the samples meet some: the parents share in all as they do in those.
        let all: usize = births.values().sum();
        let per_second = self.rates.forks_per_second? * own as f64 / all as f64;
        (many && reaped >= busy).then_some(Children { comm, per_second })
    }
}

impl Children {
    /// `starts dd 23 times per second; what they do counts as its own`.
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
