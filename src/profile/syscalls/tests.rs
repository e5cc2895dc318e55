//! Traces of processes whose calls are known. They skip themselves where the kernel does not allow it.

use super::*;
use crate::model::profile::TracedSyscall;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

static GO: AtomicBool = AtomicBool::new(false);

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok().map(Self);
        if child.is_none() {
            println!("skipped: no {program} here");
        }
        child
    }

    fn pid(&self) -> Pid {
        Pid::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks until it is so, however loaded the machine is.
fn wait_until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !so() {
        assert!(Instant::now() < end, "in vain: {what}");
        sleep(Duration::from_millis(10));
    }
}

fn file_of(pid: Pid, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// A trace; `None` where the rights do not suffice.
fn traced(pids: &[Pid], span: Duration) -> Option<TracedSyscalls> {
    match trace(pids, span, &GO) {
        Ok(traced) => Some(traced),
        Err(TraceError::Refused(refused)) => {
            println!("skipped: {refused:?}");
            assert!(!refused.reason.is_empty() && refused.unlock.is_some());
            None
        }
        Err(TraceError::Ended) => panic!("it had not ended"),
    }
}

fn call<'a>(traced: &'a TracedSyscalls, name: &str) -> &'a TracedSyscall {
    traced.calls.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("no {name}: {traced:?}"))
}

#[test]
fn a_copy_reads_as_often_as_it_writes() {
    let Some(copy) = Running::start("dd", &["if=/dev/zero", "of=/dev/null", "bs=1"]) else { return };
    // Its libraries are loaded by then.
    wait_until("dd copies", || {
        let io = file_of(copy.pid(), "io");
        let writes = io.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse::<u64>().ok());
        io.is_empty() || writes.is_some_and(|count| count > 100)
    });
    let Some(traced) = traced(&[copy.pid()], Duration::from_millis(600)) else { return };
    let all: u64 = traced.calls.iter().map(|call| call.count).sum();
    for name in ["read", "write"] {
        let share = call(&traced, name).count as f64 / all as f64;
        assert!((share - 0.5).abs() < 0.02, "{name}: {share} of {traced:?}");
    }
    assert!(traced.calls_count.abs_diff(all) < 10, "{traced:?}");
    // On aarch64 the first argument is lost.
    if cfg!(target_arch = "x86_64") {
        let subject = call(&traced, "read").subject.clone().unwrap();
        assert!(subject.0 == "/dev/zero" && subject.1 > 0.9, "{traced:?}");
    }
}

#[test]
fn few_calls_are_seen_one_by_one_and_errors_are_named() {
    let script = "while :; do test -e /nowhere/at/all; read x < /dev/null; sleep 0.02; done";
    let Some(shell) = Running::start("sh", &["-c", script]) else { return };
    // On a loaded machine the shell gets around less often.
    for milliseconds in [900, 10_000] {
        let Some(traced) = traced(&[shell.pid()], Duration::from_millis(milliseconds)) else { return };
        assert_eq!((traced.period, &traced.note), (1, &None), "{traced:?}");
        let missed = traced.calls.iter().filter(|call| call.error.as_deref() == Some("ENOENT"));
        let enough = missed.map(|call| call.errors_count).sum::<u64>() > 5;
        // The children are followed: it is they who sleep and execute.
        if enough && traced.calls.iter().any(|call| call.name == "execve" && call.count > 0) {
            return;
        }
        println!("{traced:?}");
    }
    panic!("the calls were not seen");
}

#[test]
fn threads_that_are_born_meanwhile_are_followed() {
    const CALLS: u64 = 2_000;
    let own = Pid::try_from(std::process::id()).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    // Two threads after two others: nearly all are born after the trace has begun, whenever that is.
    let parent = std::thread::spawn(move || {
        let mut calls_count = 0;
        while !told.load(Ordering::Relaxed) {
            let work = || assert!((0..CALLS).all(|_| rustix::process::getppid().is_some()));
            let threads = [std::thread::spawn(work), std::thread::spawn(work)];
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            calls_count += 2 * CALLS;
            sleep(Duration::from_millis(20));
        }
        calls_count
    });
    let traced = traced(&[own], Duration::from_millis(1500));
    is_over.store(true, Ordering::Relaxed);
    let all = parent.join().unwrap();
    let Some(traced) = traced else { return };
    let seen = traced.calls.iter().find(|call| call.name == "getppid").map_or(0, |call| call.count);
    // Those before the trace are not seen.
    assert!(seen > all / 10 && seen < all * 11 / 10, "{seen} of {all}: {traced:?}");
}

#[test]
fn no_call_is_a_result_and_no_process_is_an_error() {
    let Some(mut idle) = Running::start("sleep", &["600"]) else { return };
    // Its libraries are loaded by then.
    wait_until("sleep sleeps", || file_of(idle.pid(), "stat").contains(") S "));
    if let Some(traced) = traced(&[idle.pid()], Duration::from_millis(300)) {
        assert_eq!((traced.calls_count, traced.calls.len()), (0, 0), "{traced:?}");
        assert!(traced.seconds > 0.2, "{traced:?}");
    }
    let pid = idle.pid();
    idle.0.kill().unwrap();
    idle.0.wait().unwrap();
    if let Err(error) = trace(&[pid], Duration::from_millis(300), &GO) {
        println!("{}", error.clone().into_refused().reason);
    } else {
        panic!("a process that has ended was traced");
    }
}

#[test]
fn a_process_that_ends_is_a_result() {
    let Some(short) = Running::start("sh", &["-c", "sleep 3; exit"]) else { return };
    let pid = short.pid();
    // It must be waited for, or it stays a zombie.
    let waiting = std::thread::spawn(move || {
        let mut short = short;
        short.0.wait().unwrap();
    });
    let start = Instant::now();
    let traced = traced(&[pid], Duration::from_secs(60));
    waiting.join().unwrap();
    if let Some(traced) = traced {
        assert!(start.elapsed() < Duration::from_secs(50) && traced.seconds < 50.0, "{traced:?}");
    }
}

#[test]
fn it_ends_when_interrupted() {
    let Some(idle) = Running::start("sleep", &["600"]) else { return };
    let start = Instant::now();
    let _ = trace(&[idle.pid()], Duration::from_secs(60), &AtomicBool::new(true));
    assert!(start.elapsed() < Duration::from_secs(50));
}

#[test]
fn the_period_follows_the_rate_and_does_not_swing() {
    for (rate, current, period) in [
        (0.0, 101, 1),
        (19_000.0, 101, 1),
        (30_000.0, 101, 101),
        (30_000.0, 1, 1),
        (50_000.0, 1, 101),
        (3e6, 1, 1009),
        (3e6, 101, 1009),
        (7e5, 1009, 1009),
        (4e5, 1009, 101),
        (10.0, 1009, 1),
    ] {
        assert_eq!(period_for(rate, current, false), period, "{rate} from {current}");
    }
    assert_eq!([1e5, 3e5].map(|rate| period_for(rate, 101, true)), [1, 101]);
}
