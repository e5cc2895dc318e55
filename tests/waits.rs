//! What threads wait in, from the kernel's own words as a capture keeps them to the sentence of the verdict.

#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::capture::{Capture, CaptureWriter, Frame, FrameKind, Meta};
use diag::diagnose::code_evidence::waits;
use diag::model::profile::ProfileWait;
use diag::model::rates::Rates;
use diag::model::reading::AbsenceKind;
use diag::model::target::Asked;
use std::path::Path;
use std::time::Duration;
use support::MadeBox;

/// What one thread shows at one look.
#[derive(Clone)]
struct Shown {
    tid: i32,
    state: char,
    wchan: &'static str,
    syscall: &'static str,
    stack: &'static str,
}

const FSYNC: Shown = Shown {
    tid: 7,
    state: 'D',
    wchan: "submit_bio_wait",
    syscall: "74 0x3 0x7f00 0x1000 0x0 0x0 0x0 0x7ffd00000000 0x7f0000000000\n",
    stack: "[<0>] submit_bio_wait+0x5a/0x80\n[<0>] blkdev_issue_flush+0x4e/0x70\n[<0>] ext4_sync_file+0x1/0x2 [ext4]\n\
            [<0>] do_fsync+0x38/0x70\n[<0>] __x64_sys_fsync+0x13/0x20\n[<0>] do_syscall_64+0x1/0x2\n",
};

const LOCK: Shown = Shown {
    tid: 8,
    state: 'S',
    wchan: "futex_do_wait",
    syscall: "202 0x7f0000001000 0x80 0x2 0x0 0x0 0x0 0x7ffd00000000 0x7f0000000000\n",
    stack: "[<0>] futex_do_wait+0x1/0x2\n[<0>] __futex_wait+0x1/0x2\n[<0>] do_futex+0x1/0x2\n",
};

const RUNS: Shown = Shown { tid: 7, state: 'R', wchan: "0", syscall: "running\n", stack: "" };

/// A look at process 7 after so many tenths of a second; one that runs has run all of the time.
fn look(kind: FrameKind, tenths: u64, threads: &[Shown]) -> Frame {
    let mut frame = Frame::new(kind, Duration::from_millis(100 * tenths));
    let mut put = |path: String, text: &str| frame.files.insert(path, text.as_bytes().to_vec());
    put("proc/7/cgroup".to_owned(), "0::/db.service\n");
    for Shown { tid, state, wchan, syscall, stack } in threads {
        let ticks = if *state == 'R' { 100 + tenths * 10 } else { 100 };
        let stat = format!(
            "{tid} (db) {state} 1 7 7 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 2 0 500 9 9 9 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0\n"
        );
        let of = format!("proc/7/task/{tid}");
        put(format!("{of}/stat"), &stat);
        put(format!("{of}/schedstat"), &format!("{} 0 {tenths}\n", ticks * 10_000_000));
        if *state != 'R' {
            put(format!("{of}/wchan"), wchan);
            put(format!("{of}/syscall"), syscall);
            put(format!("{of}/stack"), stack);
        }
    }
    frame
}

fn about(target: Option<Asked>) -> Meta {
    let host = serde_json::json!({"ticks_per_second": 100, "page_bytes": 4096, "effective_uid": 0, "own_pid": 9,
        "users": {}, "hostname": "box", "arch": "x86_64"});
    Meta {
        host: serde_json::from_value(host).unwrap(),
        started_at: "2024-05-01T10:00:00Z".parse().unwrap(),
        ended_at: "2024-05-01T10:00:05Z".parse().unwrap(),
        note: None,
        interrupted: false,
        target,
    }
}

/// The ends of a window of five seconds, with process 7 in it.
fn end(kind: FrameKind, seconds: u64) -> Frame {
    let mut frame = MadeBox::idle().frame(kind, seconds);
    let stat =
        "7 (db) S 1 7 7 0 -1 0 0 0 0 0 100 0 0 0 20 0 2 0 500 9 9 9 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0\n";
    frame.files.insert("proc/7/stat".to_owned(), stat.as_bytes().to_vec());
    frame
}

/// Through the file format and back, and again, as a capture that is handed on.
fn replayed(looks: Vec<Frame>, target: Option<Asked>) -> Rates {
    let mut writer = CaptureWriter::new(true);
    writer.add(end(FrameKind::Start, 0));
    looks.into_iter().for_each(|frame| writer.add(frame));
    writer.add(end(FrameKind::End, 5));
    let bytes = writer.finish(about(target), None).unwrap();
    let rates = || {
        let capture = Capture::from_reader(&bytes[..], Path::new("x")).unwrap();
        support::rates(&support::replay(capture).unwrap())
    };
    let (once, again) = (rates(), rates());
    assert_eq!(once.waits, again.waits);
    assert_shares(&waits::waits(&once, &[7]));
    once
}

fn assert_shares(waits: &[ProfileWait]) {
    let sum: f64 = waits.iter().map(|wait| wait.ratio).sum();
    assert!(waits.iter().all(|wait| (0.0..=1.0).contains(&wait.ratio)), "{waits:?}");
    assert!(waits.is_empty() || (sum - 1.0).abs() < 1e-9, "{sum} {waits:?}");
    assert!(waits.is_sorted_by(|a, b| a.seconds >= b.seconds), "{waits:?}");
}

fn looks(kind: FrameKind, change: impl Fn(u64, &mut Frame), threads: &[Shown]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = (0..=10).map(|step| look(kind, 5 * step, threads)).collect();
    frames.iter_mut().zip(0..).for_each(|(frame, step)| change(step, frame));
    frames
}

#[test]
fn a_thread_in_fsync_is_told_by_its_call_its_file_and_its_stack() {
    for (kind, target) in [(FrameKind::Watch, None), (FrameKind::Target, Some(Asked::Pid(7)))] {
        let link = |_, frame: &mut Frame| {
            frame.links.insert("proc/7/fd/3".to_owned(), "/var/lib/db/wal".to_owned());
        };
        let rates = replayed(looks(kind, link, std::slice::from_ref(&FSYNC)), target);
        let found = waits::waits(&rates, &[7]);
        let [disk] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((disk.wait.as_str(), disk.function.as_deref()), ("disk", Some("submit_bio_wait")));
        assert_eq!(
            (disk.syscall.as_deref(), disk.subject.as_deref()),
            (Some("fsync"), Some("/var/lib/db/wal"))
        );
        assert_eq!(disk.kernel_stack[..3], ["submit_bio_wait", "blkdev_issue_flush", "ext4_sync_file"]);
        assert_eq!(
            waits::why(&found).map(|why| why.to_string()).as_deref(),
            Some("waits 100 % of its time in fsync(2) of /var/lib/db/wal: ext4_sync_file, submit_bio_wait")
        );
    }
}

#[test]
fn a_lock_names_the_thread_that_holds_it_where_most_looks_agree() {
    let threads = [RUNS, LOCK, Shown { tid: 10, ..LOCK }];
    let owner = |who: fn(u64) -> &'static str| {
        move |step: u64, frame: &mut Frame| {
            frame.files.insert("proc/7/.owner/7f0000001000".to_owned(), who(step).as_bytes().to_vec());
        }
    };
    let words = |who: fn(u64) -> &'static str| {
        let rates = replayed(looks(FrameKind::Watch, owner(who), &threads), None);
        waits::why(&waits::waits(&rates, &[7]))
    };
    assert_eq!(
        words(|_| "7").map(|why| why.to_string()).as_deref(),
        Some("waits 67 % of its time in futex(2) for a lock held by tid 7 (db), which runs")
    );
    let turns = words(|step| ["7", "8", "10"][step as usize % 3]);
    assert_eq!(
        turns.map(|why| why.to_string()).as_deref(),
        Some("waits 67 % of its time in futex(2) for a lock that changes hands")
    );
    // No holder is known: an idle pool sleeps this way too.
    assert_eq!(words(|_| ""), None);
}

#[test]
fn a_lock_of_a_file_names_the_process_that_holds_it() {
    let flock = Shown {
        tid: 7,
        state: 'S',
        wchan: "locks_lock_inode_wait",
        syscall: "73 0x4 0x2 0x0 0x0 0x0 0x0 0x7ffd00000000 0x7f0000000000\n",
        stack: "[<0>] locks_lock_inode_wait+0x1/0x2\n[<0>] __do_sys_flock+0x1/0x2\n",
    };
    let locks = |_, frame: &mut Frame| {
        frame.links.insert("proc/7/fd/4".to_owned(), "/var/lock/x".to_owned());
        let text =
            b"1: FLOCK  ADVISORY  WRITE 77 08:01:9 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 7 08:01:9 0 EOF\n";
        frame.files.insert("proc/locks".to_owned(), text.to_vec());
    };
    let rates = replayed(looks(FrameKind::Watch, locks, &[flock]), None);
    assert_eq!(
        waits::why(&waits::waits(&rates, &[7])).map(|why| why.to_string()).as_deref(),
        Some("waits 100 % of its time in flock(2) of /var/lock/x, locked by pid 77 (sleeper)")
    );
}

#[test]
fn what_may_not_be_read_is_told_with_what_unlocks_it() {
    let refused = |_, frame: &mut Frame| {
        for file in ["stack", "syscall"] {
            let path = format!("proc/7/task/7/{file}");
            frame.files.remove(&path);
            frame.absences.insert(path, AbsenceKind::Denied);
        }
    };
    let rates = replayed(looks(FrameKind::Watch, refused, std::slice::from_ref(&FSYNC)), None);
    let found = waits::waits(&rates, &[7]);
    assert_eq!(
        waits::why(&found).map(|why| why.to_string()).as_deref(),
        Some("spends 100 % of its time waiting for the disk: submit_bio_wait")
    );
    let told = waits::not_checked(&rates, &[7]);
    let unlocks: Vec<_> =
        told.iter().map(|not| (not.what.as_str(), not.unlock.as_deref().unwrap())).collect();
    assert_eq!(
        unlocks,
        [
            ("where some threads of process 7 spent the window", "--pid 7"),
            ("below which kernel functions process 7 waits", "CAP_SYS_ADMIN"),
            ("in which system calls process 7 waits", "CAP_SYS_PTRACE"),
        ]
    );
}

#[test]
fn without_a_profile_there_are_shares_and_nothing_closer() {
    let rates = replayed(Vec::new(), None);
    assert_eq!(waits::waits(&rates, &[7]), []);
    let burner = waits::waits(&rates, &[support::BURNER]);
    assert!(burner.iter().all(|wait| wait.syscall.is_none() && wait.kernel_stack.is_empty()), "{burner:?}");
    assert_eq!(waits::why(&[]), None);
}
