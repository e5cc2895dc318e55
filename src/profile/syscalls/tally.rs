//! What was seen of each call, and the table that is made of it.

use super::sample::Sample;
use super::subject::{Answer, Place, Resolver, Value};
use crate::model::profile::TracedSyscall;
use crate::model::syscall::{self, Subject, Table};
use std::collections::BTreeMap;
use std::time::Duration;

/// Different calls, errors of a call, and subjects of a call that are told apart at most: what comes after counts for
/// the call alone.
const CALLS_MAX: usize = 2048;
const ERRORS_MAX: usize = 256;
const PLACES_MAX: usize = 1024;

/// Different answers about one place that are kept.
const TEXTS_MAX: usize = 64;

/// Calls whose subject is asked for at the end.
const NAMED_MAX: usize = 20;

/// How long the last answers are waited for.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// What is known of a smaller share of the calls stands for itself, of a larger one for the rest as well.
const KNOWN_MIN: f64 = 0.3;

/// A subject of less than this share of the calls is not worth a word.
const SHARE_MIN: f64 = 0.1;

/// The number of a call, in its table.
type Key = (i64, Table);

/// What was seen of one call, each sample counted as `weight` calls.
#[derive(Debug, Default)]
struct Seen {
    calls: f64,
    errors: BTreeMap<i32, f64>,
    places: BTreeMap<Place, f64>,
}

/// What a place turned out to be.
#[derive(Debug, Default)]
struct Votes {
    texts: BTreeMap<String, f64>,
    failed: f64,
}

/// Everything that was seen. In the order of the keys, so that equal counts give the same table every time.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of the period in force, in samples.
    phase: BTreeMap<Key, Seen>,
    phase_samples_count: u64,
    /// Samples of newborn threads that come out of the call which made them: the parent's is the one that counts.
    phase_births_count: u64,
    /// The same, also of those that were taken whatever the period.
    births_count: u64,
    /// Of the periods before, in calls.
    total: BTreeMap<Key, Seen>,
    calls_count: u64,
    votes: BTreeMap<Place, Votes>,
    /// What the arguments of a call are, by its number.
    subjects: BTreeMap<Key, Subject>,
}

impl Tally {
    /// Samples of the period in force.
    pub(super) fn samples_count(&self) -> u64 {
        self.phase_samples_count
    }

    /// Processes and threads that were seen to be born.
    pub(super) fn births_count(&self) -> u64 {
        self.births_count
    }

    /// Takes one sample; one that was `forced` came whatever the period and counts for nothing.
    pub(super) fn add(&mut self, sample: &Sample, forced: bool, resolver: &mut Resolver) {
        let birth = sample.returned == 0 && is_birth(sample);
        self.births_count = self.births_count.saturating_add(u64::from(birth));
        if forced {
            return;
        }
        self.phase_samples_count = self.phase_samples_count.saturating_add(1);
        if birth {
            self.phase_births_count = self.phase_births_count.saturating_add(1);
            return;
        }
        // Coming back from a signal handler leaves no number, and no result of its own.
        let key = (sample.number.max(-1), sample.table);
        if self.phase.len() >= CALLS_MAX && !self.phase.contains_key(&key) {
            return;
        }
        let seen = self.phase.entry(key).or_default();
        seen.calls += 1.0;
        let error = syscall::error(sample.returned).filter(|_| sample.number >= 0);
        if let Some(error) = error {
            count(&mut seen.errors, error, 1.0, ERRORS_MAX);
        }
        let known = self.subjects.len() < CALLS_MAX;
        let subject = self.subjects.get(&key).copied().unwrap_or_else(|| {
            let subject = syscall::subject(&syscall::name(key.0, key.1));
            if known {
                self.subjects.insert(key, subject);
            }
            subject
        });
        if let Some(place) = place(sample, subject) {
            count(&mut seen.places, place, 1.0, PLACES_MAX);
            resolver.ask(place);
        }
    }

    /// Takes an answer.
    pub(super) fn vote(&mut self, place: Place, answer: Answer) {
        if self.votes.len() >= CALLS_MAX * 4 && !self.votes.contains_key(&place) {
            return;
        }
        let votes = self.votes.entry(place).or_default();
        match answer {
            Answer::Is(text) => count(&mut votes.texts, text, 1.0, TEXTS_MAX),
            Answer::Unknown => votes.failed += 1.0,
            // That the process has ended says nothing about the subject.
            Answer::Gone => {}
        }
    }

    /// Ends a period within which `calls_count` calls were made: each of its samples stands for as many.
    pub(super) fn close_phase(&mut self, calls_count: u64) {
        let weight = calls_count as f64 / (self.phase_samples_count.max(1)) as f64;
        let births = rounded(self.phase_births_count as f64 * weight);
        self.calls_count = self.calls_count.saturating_add(calls_count.saturating_sub(births));
        for (key, seen) in std::mem::take(&mut self.phase) {
            let total = self.total.entry(key).or_default();
            total.calls += seen.calls * weight;
            for (error, times) in seen.errors {
                count(&mut total.errors, error, times * weight, ERRORS_MAX);
            }
            for (place, times) in seen.places {
                count(&mut total.places, place, times * weight, PLACES_MAX);
            }
        }
        (self.phase_samples_count, self.phase_births_count) = (0, 0);
    }

    /// Ends a period within which `calls_count` calls were made that its samples do not stand for.
    pub(super) fn forget_phase(&mut self, calls_count: u64) {
        self.phase.clear();
        (self.phase_samples_count, self.phase_births_count) = (0, 0);
        self.close_phase(calls_count);
    }

    /// Asks once more for what the most frequent calls were about, where nothing is known yet.
    pub(super) fn resolve(&mut self, resolver: &mut Resolver) {
        let mut calls: Vec<&Seen> = self.total.values().collect();
        calls.sort_by(|a, b| b.calls.total_cmp(&a.calls));
        let places: Vec<Place> = calls
            .into_iter()
            .take(NAMED_MAX)
            .filter_map(|seen| seen.places.iter().max_by(|a, b| a.1.total_cmp(b.1)))
            .map(|(place, _)| *place)
            .filter(|place| self.votes.get(place).is_none_or(|votes| votes.texts.is_empty()))
            .collect();
        resolver.begin();
        places.into_iter().for_each(|place| resolver.ask(place));
        resolver.wait(self, LAST_ANSWERS);
    }

    /// The number of calls, and the calls by their names, most frequent first.
    pub(super) fn finish(mut self, resolver: &mut Resolver) -> (u64, Vec<TracedSyscall>) {
        let named: f64 = self.total.values().map(|seen| seen.calls).sum();
        // Calls of a period without any sample have no names; they are as the others were.
        let scale = if named > 0.0 { self.calls_count as f64 / named } else { 1.0 };
        let votes = std::mem::take(&mut self.votes);
        let mut by_name: BTreeMap<String, (Seen, Option<Found>)> = BTreeMap::new();
        for ((number, table), seen) in self.total {
            let found = best(&seen, &votes);
            // Both tables have a `read`; the subject is the one of the more frequent.
            let (sum, subject) = by_name.entry(syscall::name(number, table)).or_default();
            if seen.calls > sum.calls {
                *subject = found;
            }
            sum.calls += seen.calls;
            seen.errors.into_iter().for_each(|(error, times)| *sum.errors.entry(error).or_default() += times);
        }
        let mut calls: Vec<TracedSyscall> = by_name
            .into_iter()
            .map(|(name, (seen, found))| TracedSyscall {
                name,
                count: rounded(seen.calls * scale),
                errors_count: rounded(seen.errors.values().sum::<f64>() * scale),
                error: seen
                    .errors
                    .iter()
                    .max_by(|a, b| a.1.total_cmp(b.1))
                    .map(|(error, _)| syscall::error_name(*error)),
                subject: found.map(|found| (resolver.describe(found.place, found.text), found.share)),
            })
            .collect();
        calls.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        (self.calls_count, calls)
    }
}

/// Whether the call makes a process or thread: it returns in both, in the new one with 0.
fn is_birth(sample: &Sample) -> bool {
    let Ok(number) = u16::try_from(sample.number) else { return false };
    matches!(syscall::name(number.into(), sample.table).as_str(), "clone" | "clone3" | "fork" | "vfork")
}

fn rounded(calls: f64) -> u64 {
    // Of what is negative or no number this makes zero.
    calls.round() as u64
}

fn count<T: Ord>(counts: &mut BTreeMap<T, f64>, key: T, weight: f64, most: usize) {
    if counts.len() < most || counts.contains_key(&key) {
        *counts.entry(key).or_default() += weight;
    }
}

/// The argument of a call that says what it is about.
fn place(sample: &Sample, subject: Subject) -> Option<Place> {
    let value = match subject {
        Subject::Descriptor => Value::Descriptor(sample.first? as u32 as i32),
        Subject::Futex => Value::Futex(sample.first?),
        Subject::Path => Value::Path(sample.first.filter(|&address| address != 0)?),
        Subject::PathAt => Value::Path(sample.second.filter(|&address| address != 0)?),
        Subject::None => return None,
    };
    Some(Place { pid: sample.pid, value })
}

/// The most frequent subject of a call.
#[derive(Debug)]
struct Found {
    text: String,
    share: f64,
    place: Place,
}

fn best(seen: &Seen, votes: &BTreeMap<Place, Votes>) -> Option<Found> {
    let mut texts: BTreeMap<String, (f64, Place)> = BTreeMap::new();
    let mut known = 0.0;
    let mut add = |text: String, weight: f64, place: Place| {
        texts.entry(text).or_insert((0.0, place)).0 += weight;
    };
    for (place, weight) in &seen.places {
        match (votes.get(place).filter(|votes| !votes.texts.is_empty()), place.value) {
            (Some(votes), _) => {
                let all = votes.failed + votes.texts.values().sum::<f64>();
                known += weight;
                votes.texts.iter().for_each(|(text, times)| add(text.clone(), weight * times / all, *place));
            }
            (None, Value::Descriptor(number)) => add(format!("descriptor {number}"), *weight, *place),
            (None, Value::Futex(address)) => add(format!("futex {address:#x}"), *weight, *place),
            (None, Value::Path(_)) => {}
        }
    }
    let (text, (weight, place)) = texts.into_iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    // Not everyone of many files could be asked for; those that were are a sample of the others.
    let asked = votes.contains_key(&place) && known > KNOWN_MIN * seen.calls;
    let share = (weight / if asked { known } else { seen.calls }).min(1.0);
    (share >= SHARE_MIN).then_some(Found { text, share, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: i64, returned: i64, first: u64) -> Sample {
        let table = Table::Native;
        Sample { pid: 7, stream: 1, number, returned, table, first: Some(first), second: Some(0) }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn each_period_is_scaled_by_its_own_count() {
        let (mut tally, mut resolver) = (Tally::default(), Resolver::silent());
        (0..3).for_each(|_| tally.add(&sample(0, -11, 3), false, &mut resolver));
        tally.add(&sample(1, 5, 4), false, &mut resolver);
        tally.close_phase(404);
        tally.add(&sample(1, 5, 4), false, &mut resolver);
        tally.close_phase(1);
        tally.close_phase(45);
        let file = Place { pid: 7, value: Value::Descriptor(3) };
        (0..3).for_each(|_| tally.vote(file, Answer::Is("/srv/a".to_owned())));
        tally.vote(file, Answer::Unknown);
        tally.vote(file, Answer::Gone);
        let (count, calls) = tally.finish(&mut resolver);
        assert_eq!(count, 450);
        let [read, write] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!((read.name.as_str(), read.count, read.errors_count), ("read", 337, 337));
        assert_eq!(
            (read.error.as_deref(), read.subject.clone()),
            (Some("EAGAIN"), Some(("/srv/a".into(), 0.75)))
        );
        assert_eq!((write.name.as_str(), write.count, write.errors_count), ("write", 113, 0));
        assert_eq!(write.subject, Some(("descriptor 4".into(), 1.0)));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_return_from_a_signal_is_no_error_and_a_futex_is_its_address() {
        let (mut tally, mut resolver) = (Tally::default(), Resolver::silent());
        tally.add(&sample(-1, -4, 3), false, &mut resolver);
        tally.add(&sample(202, -512, 0x7f00), false, &mut resolver);
        tally.add(&sample(9999, -4095, 0), false, &mut resolver);
        tally.close_phase(3);
        let (_, calls) = tally.finish(&mut resolver);
        let by = |name: &str| calls.iter().find(|call| call.name == name).unwrap();
        assert_eq!(by("rt_sigreturn").errors_count, 0);
        assert_eq!(
            (by("futex").errors_count, by("futex").subject.clone()),
            (0, Some(("futex 0x7f00".into(), 1.0)))
        );
        assert_eq!(by("syscall 9999").error.as_deref(), Some("error 4095"));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_fork_is_counted_once_and_many_files_stand_for_the_rest() {
        let (mut tally, mut resolver) = (Tally::default(), Resolver::silent());
        (0..10).for_each(|number| tally.add(&sample(56, number % 2 * 100, 0), false, &mut resolver));
        (0..10).for_each(|number| tally.add(&sample(0, 1, number), false, &mut resolver));
        tally.close_phase(2000);
        for number in 0..4 {
            let place = Place { pid: 7, value: Value::Descriptor(number) };
            tally.vote(place, Answer::Is("/srv/a".to_owned()));
        }
        let (count, calls) = tally.finish(&mut resolver);
        let by = |name: &str| calls.iter().find(|call| call.name == name).unwrap();
        assert_eq!((count, by("clone").count, by("read").count), (1500, 500, 1000));
        assert_eq!(by("read").subject, Some(("/srv/a".into(), 1.0)));
    }

    #[test]
    fn nothing_is_a_table_without_lines() {
        let mut tally = Tally::default();
        tally.close_phase(0);
        assert_eq!(tally.finish(&mut Resolver::silent()), (0, Vec::new()));
    }

    #[test]
    fn what_is_different_each_time_names_no_subject() {
        let (mut tally, mut resolver) = (Tally::default(), Resolver::silent());
        (0..5000).for_each(|number| tally.add(&sample(0, 1, number), false, &mut resolver));
        (0..5000).for_each(|number| tally.add(&sample(number, -number, 0), false, &mut resolver));
        tally.close_phase(10_000);
        let (_, calls) = tally.finish(&mut resolver);
        assert!(calls.len() <= CALLS_MAX && calls[0].subject.is_none(), "{:?}", calls[0]);
    }
}
