//! Calls that may hang, made on a thread beside the caller: a file of a process whose lock is held, a mount whose
//! server is gone. The caller waits no longer than a deadline; a call that does not return is abandoned.

use std::cell::RefCell;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Calls that may hang at the same time. Beyond it, further calls time out at once; one that returns late frees its
/// place.
const ABANDONED_MAX: usize = 3;

/// Stack of the thread: it opens and reads files.
const STACK_BYTES: usize = 256 << 10;

/// A call.
pub type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Why a call gave no result.
pub enum Missed<T> {
    /// It did not return in time, or too many others have not.
    TimedOut,
    /// It panicked.
    Panicked,
    /// No thread could be started; the caller may run the job itself.
    NoThread(Job<T>),
}

/// Makes calls on a thread that it starts with the first one, and anew after one that did not return. Used by one
/// thread.
pub struct Beside {
    name: &'static str,
    worker: RefCell<Option<Worker>>,
    /// One for each abandoned thread; it ends, and drops its end, when its call returns.
    abandoned: RefCell<Vec<Weak<()>>>,
}

impl Beside {
    /// `name` is what the thread is called.
    pub fn new(name: &'static str) -> Self {
        Self { name, worker: RefCell::default(), abandoned: RefCell::default() }
    }

    /// Runs `job` and waits for its result as long as `deadline` says.
    pub fn run<T: Send + 'static>(&self, deadline: Duration, job: Job<T>) -> Result<T, Missed<T>> {
        let mut abandoned = self.abandoned.borrow_mut();
        abandoned.retain(|thread| thread.strong_count() > 0);
        if abandoned.len() >= ABANDONED_MAX {
            return Err(Missed::TimedOut);
        }
        let mut worker = self.worker.borrow_mut();
        if worker.as_ref().is_none_or(Worker::has_ended) {
            *worker = Worker::start(self.name);
        }
        let Some(running) = worker.as_ref() else { return Err(Missed::NoThread(job)) };
        let (sender, answer) = sync_channel(1);
        // The receiver is gone once it is too late.
        let work = move || drop(sender.send(job()));
        if running.jobs.send(Box::new(work)).is_err() {
            *worker = None;
            return Err(Missed::Panicked);
        }
        answer.recv_timeout(deadline).map_err(|error| {
            let left = worker.take().map(|worker| worker.alive);
            match error {
                RecvTimeoutError::Disconnected => Missed::Panicked,
                RecvTimeoutError::Timeout => {
                    abandoned.extend(left);
                    Missed::TimedOut
                }
            }
        })
    }
}

/// The same for one call, on a thread of its own.
pub fn once<T: Send + 'static>(name: &'static str, deadline: Duration, job: Job<T>) -> Result<T, Missed<T>> {
    Beside::new(name).run(deadline, job)
}

/// A thread that runs jobs. Dropping this lets it end when its last job returns.
struct Worker {
    jobs: Sender<Job<()>>,
    alive: Weak<()>,
}

impl Worker {
    fn start(name: &str) -> Option<Self> {
        let (jobs, inbox) = channel::<Job<()>>();
        let held = Arc::new(());
        let alive = Arc::downgrade(&held);
        let work = move || {
            let _held = held;
            inbox.into_iter().for_each(|job| job());
        };
        let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        builder.spawn(work).ok().map(|_| Self { jobs, alive })
    }

    fn has_ended(&self) -> bool {
        self.alive.strong_count() == 0
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at the clock")]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc::Receiver};

    /// Long enough for any machine.
    const LONG: Duration = Duration::from_secs(60);

    /// A call that returns when the gate is dropped.
    fn hanging(gate: &Arc<Mutex<Receiver<()>>>) -> Job<u8> {
        let gate = Arc::clone(gate);
        Box::new(move || {
            let _ = gate.lock().map(|gate| gate.recv());
            1
        })
    }

    fn timed_out(answer: Result<u8, Missed<u8>>) -> bool {
        matches!(answer, Err(Missed::TimedOut))
    }

    #[test]
    fn hanging_calls_are_abandoned_and_further_ones_not_made_until_they_return() {
        let beside = Beside::new("test");
        let (opened, gate) = channel();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..ABANDONED_MAX {
            assert!(timed_out(beside.run(Duration::from_millis(1), hanging(&gate))));
        }
        let began = std::time::Instant::now();
        assert!(timed_out(beside.run(LONG, Box::new(|| 2))));
        assert!(began.elapsed() < LONG, "the call was made");
        drop(opened);
        while beside.run(LONG, Box::new(|| 2)).is_err() {
            assert!(began.elapsed() < 2 * LONG);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_panic_is_not_a_time_out_and_the_next_call_is_made() {
        let beside = Beside::new("test");
        let panicked = beside.run(LONG, Box::new(|| -> u8 { panic!("expected by this test") }));
        assert!(matches!(panicked, Err(Missed::Panicked)));
        let mut answer = beside.run(LONG, Box::new(|| 2));
        // The thread may still be unwinding.
        while matches!(answer, Err(Missed::Panicked)) {
            answer = beside.run(LONG, Box::new(|| 2));
        }
        assert!(matches!(answer, Ok(2)));
    }

    #[test]
    fn one_thread_serves_calls_of_any_type() {
        let beside = Beside::new("test");
        let id = || std::thread::current().id();
        let (first, second) = (beside.run(LONG, Box::new(id)), beside.run(LONG, Box::new(id)));
        assert!(matches!((first, second), (Ok(a), Ok(b)) if a == b && a != id()));
        assert!(matches!(once("test", LONG, Box::new(|| "x")), Ok("x")));
    }
}
