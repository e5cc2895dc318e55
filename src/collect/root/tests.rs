//! Tests of the root: a live tree, a copied one, and a recorded frame.

use super::*;
use std::fs;

pub(super) fn tree() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path();
    for (path, text) in [
        ("proc/stat", "cpu 1 2 3 4\n"),
        ("proc/7/stat", "7 (a) S"),
        ("proc/7/task/7/stat", "7 (a) S"),
        ("proc/7/task/8/stat", "8 (b) R"),
        ("sys/block/vda/size", "9\n"),
    ] {
        fs::create_dir_all(base.join(path).parent().unwrap()).unwrap();
        fs::write(base.join(path), text).unwrap();
    }
    let root = Root::live(base).unwrap();
    (directory, root)
}

pub(super) fn kind<T: std::fmt::Debug>(reading: Reading<T>) -> AbsenceKind {
    reading.unwrap_err().kind
}

#[derive(Default)]
struct Frames(Vec<Frame>);

impl Recorder for Frames {
    fn add(&mut self, frame: Frame) {
        self.0.push(frame);
    }
}

#[test]
fn reads_and_lists_below_a_prefix() {
    let (_directory, root) = tree();
    let (mut buffer, mut ids) = (Vec::new(), Vec::new());
    root.read("proc/stat", &mut buffer).unwrap();
    assert_eq!(buffer, b"cpu 1 2 3 4\n");
    root.read_once("proc/7/stat", &mut buffer).unwrap();
    assert_eq!(buffer, b"7 (a) S");
    root.pids(&mut ids).unwrap();
    assert_eq!(ids, [7]);
    root.tids(7, &mut ids).unwrap();
    assert_eq!(ids, [7, 8]);
    assert_eq!(root.list("sys/block").unwrap(), ["vda"]);
    let bytes = root.read_with_deadline("sys/block/vda/size", Duration::from_secs(5)).unwrap();
    assert_eq!(bytes, b"9\n");
    assert!(root.statvfs("", Duration::from_secs(5)).unwrap().total_bytes > 0);
}

#[test]
fn a_copied_tree_is_not_a_kernel() {
    let (directory, root) = tree();
    assert!(root.is_copied() && root.is_elsewhere());
    assert!(!Root::live(Path::new("/")).unwrap().is_copied());
    // The size of a directory is that of its names on this disk.
    assert_eq!(root.entries_count("proc/7/task").unwrap(), 2);
    assert_eq!(root.of_init("proc/1/net/snmp", "proc/net/snmp"), "proc/net/snmp");
    fs::create_dir_all(directory.path().join("proc/1/net")).unwrap();
    fs::write(directory.path().join("proc/1/net/snmp"), "").unwrap();
    assert_eq!(root.of_init("proc/1/net/snmp", "proc/net/snmp"), "proc/1/net/snmp");
}

#[test]
fn a_path_is_read_once_within_a_recorded_frame() {
    let (directory, root) = tree();
    let mut buffer = Vec::new();
    let mut read = |root: &Root| {
        let stat = root.read("proc/7/stat", &mut buffer).map(|()| buffer.clone());
        let none = root.read_once("proc/7/io", &mut buffer).is_ok();
        (stat.unwrap(), none, root.list("sys/block").unwrap(), root.entries_count("proc/7/task").unwrap())
    };
    root.record(Frames::default());
    root.begin_frame(FrameKind::Sample, Duration::ZERO);
    let first = read(&root);
    fs::write(directory.path().join("proc/7/stat"), "7 (other) S").unwrap();
    fs::write(directory.path().join("proc/7/io"), "x").unwrap();
    fs::create_dir(directory.path().join("sys/block/vdb")).unwrap();
    fs::create_dir(directory.path().join("proc/7/task/9")).unwrap();
    assert_eq!(read(&root), first);
    root.begin_frame(FrameKind::Sample, Duration::from_secs(1));
    let second = (b"7 (other) S".to_vec(), true, vec!["vda".to_owned(), "vdb".to_owned()], 3);
    assert_eq!(read(&root), second);
    // Without a recording every read is made anew.
    root.abandon_recording();
    fs::write(directory.path().join("proc/7/stat"), "7 (third) S").unwrap();
    assert_eq!(read(&root).0, b"7 (third) S");
}

#[test]
fn a_recorded_frame_reads_as_the_tree_did() {
    let (_directory, root) = tree();
    root.record(Frames::default());
    root.begin_frame(FrameKind::Start, Duration::ZERO);
    let walk = |root: &Root| {
        let (mut buffer, mut pids, mut tids) = (Vec::new(), Vec::new(), Vec::new());
        (
            root.pids(&mut pids).map(|()| pids),
            root.tids(7, &mut tids).map(|()| tids),
            root.tids(9, &mut Vec::new()),
            root.read("proc/7/task/7/stat", &mut buffer).map(|()| buffer.clone()),
            root.read("proc/7/io", &mut buffer),
            root.read("proc/9/stat", &mut buffer),
            root.list("sys/block"),
            root.list("sys/none"),
            root.link("proc/7/exe"),
            root.statvfs("sys", Duration::from_secs(5)),
        )
    };
    let seen = walk(&root);
    root.begin_frame(FrameKind::End, Duration::from_secs(1));
    let Frames(frames) = root.finish_recording().unwrap();
    let replayed = Root::captured(frames[0].clone());
    assert_eq!(walk(&replayed), seen);
    assert!(replayed.holds("proc/7/io") && !replayed.holds("proc/stat") && !root.holds("proc/stat"));
    assert_eq!(kind(replayed.read("proc/stat", &mut Vec::new())), AbsenceKind::Missing);
}

#[test]
fn a_read_that_hangs_is_an_absence() {
    let (_directory, root) = tree();
    let (gate, waits) = std::sync::mpsc::channel::<()>();
    let hang = Box::new(move || {
        let _ = waits.recv();
        Ok(Vec::new())
    });
    let outcome = root.read_beside("proc/7/cmdline", Duration::from_millis(1), hang);
    assert_eq!(outcome, Err(Absence::new("/proc/7/cmdline", AbsenceKind::TimedOut)));
    drop(gate);
}
