//! Threads are followed from their start to their end.

use super::*;
use crate::collect::root::{Frame, FrameKind};

fn stat(tid: Pid, state: char, ticks: u64, start: u64) -> Vec<u8> {
    format!(
        "{tid} (x) {state} 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {start} 9 9 18446744073709551615 1 1 0 0 0 0 \
         0 0 0 0 0 0 17 1 0 0 0 0 0\n"
    )
    .into_bytes()
}

/// A moment of process 7 with these threads: id, state, ticks, start.
fn moment(at: u64, threads: &[(Pid, char, u64, u64)], gone: &[Pid]) -> Root {
    let mut frame = Frame::new(FrameKind::Target, Duration::from_secs(at));
    for &(tid, state, ticks, start) in threads {
        let path = format!("proc/7/task/{tid}");
        frame.files.insert(format!("{path}/stat"), stat(tid, state, ticks, start));
        frame.files.insert(format!("{path}/wchan"), b"do_epoll_wait".to_vec());
        frame.files.insert(format!("{path}/schedstat"), format!("{ticks} 0 1\n").into_bytes());
    }
    for tid in gone {
        frame.absences.insert(format!("proc/7/task/{tid}/stat"), AbsenceKind::Vanished);
    }
    frame.files.insert("proc/7/cgroup".to_owned(), b"0::/system.slice/x.service\n".to_vec());
    Root::captured(frame)
}

fn replayed(moments: &[Root]) -> TargetReadings {
    let mut follower = Follower::new(Some(Asked::Pid(7)), 1, WaitReader::new(false, Some("x86_64")));
    for (at, root) in (0..).zip(moments) {
        follower.replay(root, Duration::from_secs(at), &mut Scratch::default());
    }
    follower.into_followings().target.unwrap()
}

#[test]
fn threads_are_followed_from_their_birth_to_their_end() {
    let readings = replayed(&[
        moment(0, &[(7, 'S', 5, 1), (8, 'R', 5, 1)], &[]),
        moment(1, &[(7, 'S', 5, 1), (8, 'R', 9, 1), (9, 'S', 1, 90)], &[]),
        moment(2, &[(7, 'S', 5, 1), (9, 'S', 1, 90)], &[8]),
    ]);
    let found: Vec<_> = readings
        .threads
        .iter()
        .map(|t| (t.seen.tid, t.from_start, t.seen.looks_count, t.seen.clocks.last().unwrap().at.as_secs()))
        .collect();
    assert_eq!(found, [(7, true, 3, 2), (8, true, 2, 1), (9, false, 2, 2)]);
    assert_eq!(readings.cgroups[&7].deepest(), "/system.slice/x.service");
}

#[test]
fn a_process_of_which_no_thread_was_looked_at_says_nothing() {
    let mut frame = Frame::new(FrameKind::Target, Duration::ZERO);
    frame.files.insert("proc/7/task/7/stat".to_owned(), stat(7, 'S', 5, 1));
    for pid in [7, 9] {
        frame.files.insert(format!("proc/{pid}/cgroup"), b"0::/x.service\n".to_vec());
    }
    let readings = replayed(&[Root::captured(frame)]);
    assert_eq!(readings.cgroups.keys().copied().collect::<Vec<_>>(), [7]);
}

#[test]
fn an_id_that_is_used_again_is_another_thread() {
    let readings = replayed(&[moment(0, &[(7, 'S', 5, 1)], &[]), moment(1, &[(7, 'S', 2, 90)], &[])]);
    let found: Vec<_> = readings.threads.iter().map(|t| (t.seen.start_ticks, t.from_start)).collect();
    assert_eq!(found, [(1, true), (90, false)]);
}

#[test]
fn a_zombie_has_ended() {
    let readings = replayed(&[moment(0, &[(7, 'R', 5, 1)], &[]), moment(1, &[(7, 'Z', 5, 1)], &[])]);
    assert_eq!(readings.threads[0].seen.clocks.last().unwrap().at, Duration::ZERO);
}

#[test]
fn a_thread_that_wants_a_cpu_and_gets_none_is_stalled_since_the_first_such_look() {
    let waits = |ticks| moment(0, &[(7, 'R', ticks, 1)], &[]);
    let stalled = |moments: &[Root]| replayed(moments).threads[0].stalled_since.map(|at| at.as_secs());
    assert_eq!(stalled(&[waits(5), waits(5), waits(5)]), Some(0));
    assert_eq!(stalled(&[waits(5), waits(6), waits(6)]), Some(1));
    assert_eq!(stalled(&[waits(5), moment(0, &[(7, 'S', 5, 1)], &[])]), None);
}
