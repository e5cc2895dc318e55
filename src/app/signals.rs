//! Signals: the first Ctrl-C or SIGTERM ends the window and not the report; a later one ends the program.
//!
//! `timeout -s INT 5 diag` signals its child and then the whole process group, so the child gets the signal twice. A
//! repeat within a second is therefore the same request.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_default};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A repeat within this time is ignored.
const REPEAT: Duration = Duration::from_secs(1);

/// Between two looks at whether the first signal has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sets a flag on the first SIGINT or SIGTERM.
pub(super) fn listen() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let second_ends = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_default(signal, Arc::clone(&second_ends))
            .and_then(|_| register(signal, Arc::clone(&interrupted)))
            .context("cannot handle Ctrl-C")?;
    }
    let (seen, armed) = (Arc::clone(&interrupted), Arc::clone(&second_ends));
    let arm = std::thread::Builder::new()
        .name("diag-signals".to_owned())
        .stack_size(64 << 10)
        .spawn(move || arm(&seen, &armed));
    if arm.is_err() {
        // Without the thread the handler itself arms: better to die of a repeat than to be unstoppable.
        for signal in [SIGINT, SIGTERM] {
            register(signal, Arc::clone(&second_ends)).context("cannot handle Ctrl-C")?;
        }
    }
    Ok(interrupted)
}

/// Waits for the first signal, then lets the next one after [`REPEAT`] end the program.
fn arm(interrupted: &AtomicBool, second_ends: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_EVERY);
    }
    let until = Instant::now() + REPEAT;
    while Instant::now() < until {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
    second_ends.store(true, Ordering::Relaxed);
}

/// Turns exceeding the limit on the size of files into an error of the write, instead of the end of the process.
pub(super) fn ignore_file_size_limit() -> Result<()> {
    let ignored = Arc::new(AtomicBool::new(false));
    register(rustix::process::Signal::XFSZ.as_raw(), ignored).context("cannot handle SIGXFSZ")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_the_program_only_after_a_second() {
        let (interrupted, second_ends) = (AtomicBool::new(true), AtomicBool::new(false));
        let began = Instant::now();
        arm(&interrupted, &second_ends);
        assert!(began.elapsed() >= REPEAT && second_ends.load(Ordering::Relaxed));
    }
}
