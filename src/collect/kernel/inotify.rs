//! inotify instances of each user against `/proc/sys/fs/inotify/max_user_instances`: descriptors that link to
//! `anon_inode:inotify`.
//!
//! Source: inotify(7); kernel `fs/notify/inotify/inotify_user.c`. Looking at every descriptor costs too much, so of a process
//! with many open files a few are looked at, and all only where those show that they are mostly instances. What many processes
//! have a few of each is therefore not seen; neither are watches, which only the long text of `/proc/PID/fdinfo` shows.

use crate::collect::root::Root;
use crate::model::limits::{InotifyInstances, OpenFiles};
use crate::model::task::Pid;
use std::collections::BTreeMap;

/// A process with more open files has them for something else.
const FILES_MAX: u64 = 8192;

/// Descriptors of a process that are looked at first.
const PROBES: usize = 32;

/// One of so many of these must be an instance before all are looked at.
const PROBES_PER_INSTANCE: usize = 4;

/// Instances of the users of the processes `open_files`, which have many, and their limit.
pub fn read(root: &Root, open_files: &[OpenFiles], buffer: &mut Vec<u8>) -> Vec<InotifyInstances> {
    let mut users: BTreeMap<u32, (u64, Vec<Pid>)> = BTreeMap::new();
    for files in open_files.iter().filter(|files| files.count <= FILES_MAX) {
        let directory = format!("proc/{}/fd", files.pid);
        let Ok(names) = root.list(&directory) else { continue };
        let is_instance = |name: &&String| {
            let target = root.link(&format!("{directory}/{name}"));
            target.is_ok_and(|target| matches!(target.as_str(), "anon_inode:inotify" | "inotify"))
        };
        let step = names.len().div_ceil(PROBES).max(1);
        let probed = names.iter().step_by(step);
        if probed.clone().filter(is_instance).count() * PROBES_PER_INSTANCE < probed.len() {
            continue;
        }
        let count = names.iter().filter(is_instance).count() as u64;
        let Ok(uid) = root.owner_of(&format!("proc/{}", files.pid)) else { continue };
        let user = users.entry(uid).or_default();
        user.0 += count;
        user.1.push(files.pid);
    }
    if users.is_empty() {
        return Vec::new();
    }
    let Some(limit) = root.number("proc/sys/fs/inotify/max_user_instances", buffer) else {
        return Vec::new();
    };
    users.into_iter().map(|(uid, (count, pids))| InotifyInstances { uid, count, limit, pids }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};
    use std::time::Duration;

    #[test]
    fn a_process_full_of_instances_is_counted() {
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        for (pid, target) in [(7, "anon_inode:inotify"), (8, "/var/log/a")] {
            frame.files.insert(format!("proc/{pid}/.uid"), b"1000".to_vec());
            for file in 0..120 {
                let target = if file < 3 { "/dev/null" } else { target };
                frame.links.insert(format!("proc/{pid}/fd/{file}"), target.to_owned());
            }
        }
        frame.files.insert("proc/sys/fs/inotify/max_user_instances".to_owned(), b"128\n".to_vec());
        let files = [7, 8].map(|pid| OpenFiles { pid, count: 120, limit: Some(1024) });
        let found = read(&Root::captured(frame), &files, &mut Vec::new());
        assert_eq!(found, [InotifyInstances { uid: 1000, count: 117, limit: 128, pids: vec![7] }]);
    }
}
