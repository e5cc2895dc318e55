//! A thread for reads that may hang: of a process whose lock is held, of a server that is gone. Whoever asks waits no
//! longer than a deadline; what does not come back is left behind.

use crate::model::reading::{Absence, AbsenceKind, Reading};
use std::cell::RefCell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Reads that may hang at the same time before no more are tried; those that came back late no longer count.
const ABANDONED_MAX: usize = 3;

/// Starts with the first read that needs it, and anew after one that did not come back.
#[derive(Default)]
pub(super) struct ReaderThread {
    helper: RefCell<Option<Helper>>,
    /// One for each thread that was left behind; it ends, and drops its end, when its read comes back.
    abandoned: RefCell<Vec<Weak<()>>>,
}

/// One read.
pub(super) type Job = Box<dyn FnOnce() -> Reading<Vec<u8>> + Send>;

impl ReaderThread {
    /// Runs `job`, which reads `path`, and waits for it as long as `deadline` says.
    pub(super) fn run(&self, path: &str, deadline: Duration, job: Job) -> Reading<Vec<u8>> {
        let timed_out = || Absence::new(format!("/{path}"), AbsenceKind::TimedOut);
        let mut abandoned = self.abandoned.borrow_mut();
        abandoned.retain(|thread| thread.strong_count() > 0);
        if abandoned.len() >= ABANDONED_MAX {
            return Err(timed_out());
        }
        let mut helper = self.helper.borrow_mut();
        if helper.is_none() {
            *helper = Helper::start();
        }
        // A box without room for one more thread is worth diagnosing too.
        let Some(running) = helper.as_ref() else { return job() };
        let answer = match running.jobs.send(job) {
            Ok(()) => running.answers.recv_timeout(deadline),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        answer.unwrap_or_else(|error| {
            let left = helper.take().map(|helper| helper.alive);
            if error == RecvTimeoutError::Disconnected {
                let kind = AbsenceKind::Failed("the reading thread has ended".to_owned());
                return Err(Absence::new(format!("/{path}"), kind));
            }
            abandoned.extend(left);
            Err(timed_out())
        })
    }
}

/// A thread that reads what may hang. Dropping this leaves it to end when its last read comes back.
struct Helper {
    jobs: Sender<Job>,
    answers: Receiver<Reading<Vec<u8>>>,
    alive: Weak<()>,
}

impl Helper {
    fn start() -> Option<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, answers) = channel();
        let held = Arc::new(());
        let alive = Arc::downgrade(&held);
        let work = move || {
            let _held = held;
            while inbox.recv().is_ok_and(|job| outbox.send(job()).is_ok()) {}
        };
        let builder = std::thread::Builder::new().name("diag-reader".to_owned()).stack_size(128 << 10);
        builder.spawn(work).ok().map(|_| Self { jobs, answers, alive })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::tests::{kind, tree};

    #[test]
    fn reads_that_come_back_late_are_tried_again() {
        let (_directory, root) = tree();
        let (gate, waits) = channel::<()>();
        let waits = Arc::new(std::sync::Mutex::new(waits));
        for _ in 0..ABANDONED_MAX {
            let waits = Arc::clone(&waits);
            let late: Job = Box::new(move || {
                // Until the gate is dropped.
                let _ = waits.lock().map(|waits| waits.recv());
                Ok(Vec::new())
            });
            assert_eq!(
                kind(root.reader.run("proc/7/cmdline", Duration::from_millis(1), late)),
                AbsenceKind::TimedOut
            );
        }
        drop(gate);
        let began = std::time::Instant::now();
        while root.read_with_deadline("proc/stat", Duration::from_secs(9)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn hanging_reads_are_left_behind_and_then_not_tried() {
        let (_directory, root) = tree();
        let hang = || -> Job {
            Box::new(|| {
                std::thread::sleep(Duration::from_secs(600));
                Ok(Vec::new())
            })
        };
        for _ in 0..ABANDONED_MAX {
            let answer = root.reader.run("proc/7/cmdline", Duration::from_millis(5), hang());
            assert_eq!(kind(answer), AbsenceKind::TimedOut);
        }
        let began = std::time::Instant::now();
        let deadline = Duration::from_secs(50);
        assert_eq!(kind(root.read_with_deadline("proc/stat", deadline)), AbsenceKind::TimedOut);
        assert!(began.elapsed() < deadline, "it was tried");
    }
}
