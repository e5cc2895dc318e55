//! A sample and its replay see the same threads.

use super::*;
use crate::collect::root::{Frame, FrameKind, Recorder};
use std::path::Path;

const PLAN: Plan = Plan { turns_count: 1, discover: true };

fn stat(pid: Pid, comm: &str, state: char) -> String {
    format!(
        "{pid} ({comm}) {state} 1 1 1 0 -1 0 0 0 0 0 9 0 0 0 20 0 1 0 {pid} 9 9 0 1 1 0 0 0 0 0 0 0 0 0 0 17 1\n"
    )
}

#[derive(Default)]
struct Frames(Vec<Frame>);

impl Recorder for Frames {
    fn add(&mut self, mut frame: Frame) {
        // As a capture does: of a sample it keeps what was read and not the list of processes.
        frame.listings.remove("proc");
        self.0.push(frame);
    }
}

/// Takes a sample at each second after `change` was made to the tree; what was seen, live and in the replay.
fn sampled(changes: &[&dyn Fn(&Path)]) -> [StateSamples; 2] {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("proc")).unwrap();
    let root = Root::live(tree.path()).unwrap();
    root.record(Frames::default());
    root.begin_frame(FrameKind::Start, Duration::ZERO);
    let mut scratch = Scratch::default();
    let mut sampler = Sampler::new(&root, 1, &[], &mut scratch);
    for (second, change) in (1..).zip(changes) {
        change(tree.path());
        let at = Duration::from_secs(second);
        root.begin_frame(FrameKind::Sample, at);
        sampler.sample(&root, at, PLAN, &mut scratch);
    }
    root.begin_frame(FrameKind::End, Duration::from_secs(9));
    let Frames(frames) = root.finish_recording().unwrap();
    let mut replayed = Sampler::new(&root, 1, &[], &mut scratch);
    for frame in frames {
        let at = frame.at;
        if frame.kind == FrameKind::Sample {
            replayed.replay(&Root::captured(frame), at, &mut scratch);
        }
    }
    [sampler, replayed].map(Sampler::into_samples)
}

fn put(tree: &Path, pid: Pid, text: &str) {
    let folder = tree.join(format!("proc/{pid}/task/{pid}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("stat"), text).unwrap();
}

#[test]
fn a_new_process_is_looked_at_once_in_its_first_sample() {
    let [live, replayed] = sampled(&[&|tree| put(tree, 7, &stat(7, "sh", 'R'))]);
    assert_eq!(live.threads, replayed.threads);
    assert_eq!((live.threads.len(), live.threads[0].looks_count), (1, 1));
    assert!((live.threads[0].states[0].weight - 1.0).abs() < 1e-9);
}

#[test]
fn a_process_that_executes_another_program_has_the_name_of_the_last_look() {
    let [live, replayed] =
        sampled(&[&|tree| put(tree, 7, &stat(7, "sh", 'R')), &|tree| put(tree, 7, &stat(7, "true", 'R'))]);
    assert_eq!(live.threads, replayed.threads);
    assert_eq!(live.threads[0].comm.to_lossy(), "true");
}

#[test]
fn a_process_that_ended_before_its_first_look_takes_no_turn() {
    let others = |tree: &Path, state| (9..12).for_each(|pid| put(tree, pid, &stat(pid, "other", state)));
    let [live, replayed] =
        sampled(&[&|tree| put(tree, 8, &stat(8, "busy", 'R')), &|tree| others(tree, 'S'), &|tree| {
            // An empty file is how the kernel shows a task that ends meanwhile.
            put(tree, 7, "");
            others(tree, 'R');
        }]);
    assert_eq!(live.threads, replayed.threads);
    // The one look at the three others stands for all of them.
    let weights: Vec<f64> = live.threads.iter().flat_map(|t| &t.states).map(|s| s.weight).collect();
    assert_eq!(weights, [3.0, 3.0]);
}
