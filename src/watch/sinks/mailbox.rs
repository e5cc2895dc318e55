//! A queue of one between the run and a slow sink: a later letter replaces one that was not taken yet, so that
//! the next window never waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The queue.
pub(crate) struct Mailbox<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

struct Slot<T> {
    letter: Option<T>,
    closed: bool,
}

/// What a wait came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// The latest.
    Letter(T),
    /// Nothing in that time.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(Slot { letter: None, closed: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // A slot is whole at any time.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a letter in the place of the one that is there.
    pub(crate) fn put(&self, letter: T) {
        self.lock().letter = Some(letter);
        self.changed.notify_all();
    }

    /// Puts a letter only where there is none; whether it did.
    pub(crate) fn offer(&self, letter: T) -> bool {
        let mut slot = self.lock();
        if slot.letter.is_some() {
            return false;
        }
        slot.letter = Some(letter);
        self.changed.notify_all();
        true
    }

    /// No more letters will come.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The letter, as soon as there is one, but no later than `timeout`; without one, however long it takes.
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Taken<T> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut slot = self.lock();
        loop {
            if let Some(letter) = slot.letter.take() {
                return Taken::Letter(letter);
            }
            if slot.closed {
                return Taken::Closed;
            }
            let Some(until) = until else {
                slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            slot = self.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_letter_wins() {
        let mailbox = Mailbox::new();
        assert_eq!(mailbox.take(Some(Duration::from_millis(1))), Taken::Nothing);
        mailbox.put(1);
        mailbox.put(2);
        assert_eq!(mailbox.take(None), Taken::Letter(2));
        assert!(mailbox.offer(3) && !mailbox.offer(4), "what was promised is not replaced");
        mailbox.close();
        assert_eq!(mailbox.take(None), Taken::Letter(3), "what was sent before the end is delivered");
        assert_eq!(mailbox.take(None), Taken::Closed);
    }
}
