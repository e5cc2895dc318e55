//! Standard output on a thread of its own: a reader that is stuck or gone must not delay the next window.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that wait for a slow reader. Further ones are dropped; their sequence numbers show it.
const LINES_MAX: usize = 64;

/// How long the last lines may take.
const GRACE: Duration = Duration::from_secs(2);

/// Where the lines go.
pub(crate) struct Stdout {
    lines: Option<SyncSender<String>>,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stdout {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (lines, inbox) = sync_channel(LINES_MAX);
        let closed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closed);
        let thread = std::thread::Builder::new()
            .name("diag-stdout".to_owned())
            .stack_size(128 << 10)
            .spawn(move || write_all(&inbox, &flag))?;
        Ok(Self { lines: Some(lines), closed, thread: Some(thread) })
    }

    /// Sends a line on its way.
    pub(crate) fn send(&self, line: String) {
        // Full: the reader is stuck. Disconnected: it is gone, which `is_closed` tells.
        let _ = self.lines.as_ref().map(|lines| lines.try_send(line));
    }

    /// Whether the reader is gone, also where nothing was written since.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || has_no_reader()
    }

    /// Waits for the last lines, for at most [`GRACE`].
    pub(crate) fn finish(&mut self) {
        self.lines = None;
        let until = Instant::now() + GRACE;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A pipe whose reader is gone is in error.
fn has_no_reader() -> bool {
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    let looked = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    looked.is_ok() && polled[0].revents().contains(PollFlags::ERR)
}

fn write_all(inbox: &Receiver<String>, closed: &AtomicBool) {
    let mut said = false;
    while let Ok(line) = inbox.recv() {
        let mut out = std::io::stdout().lock();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => said = false,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            // A full disk may have room again later.
            Err(error) if !said => {
                crate::watch::warn(&format!("cannot write to standard output: {error}"));
                said = true;
            }
            Err(_) => {}
        }
    }
    closed.store(true, Ordering::Relaxed);
}
