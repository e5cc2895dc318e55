//! Mounted file systems and their room.
//!
//! Sources: proc_pid_mountinfo(5), proc_pid_mounts(5), statvfs(3). Each is asked beside the main path with a deadline: a mount
//! whose server is gone does not answer, and that is evidence.

use crate::collect::root::Root;
use crate::collect::text::unescape;
use crate::model::limits::{Mount, Room};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::task::Pid;
use std::time::Duration;

/// How long one file system may take to answer.
const DEADLINE: Duration = Duration::from_millis(200);

/// File systems that are asked at most.
const MOUNTS_MAX: usize = 64;

/// Files of one process that are looked at for a writer.
const FILES_MAX: usize = 256;

/// Types without room of their own, or that are full by nature.
const NO_ROOM: [&str; 8] =
    ["squashfs", "iso9660", "udf", "erofs", "cramfs", "nsfs", "fuse.snapfuse", "autofs"];

/// Mounted file systems with room, one per device. Where one uses at least `space_ratio` of its space or `inodes_ratio`
/// of its inodes, the processes that write to it are searched among `pids`.
pub fn read(
    root: &Root,
    pids: &[Pid],
    (space_ratio, inodes_ratio): (f64, f64),
    buffer: &mut Vec<u8>,
) -> Reading<Vec<Mount>> {
    let mut mounts = parse(&table(root, buffer)?);
    if root.is_copied() {
        // Asking would give the room on the machine that the copy lies on.
        return Err(Absence::new("/", AbsenceKind::Failed("these are copied files".to_owned())));
    }
    for mount in mounts.iter_mut().take(MOUNTS_MAX) {
        mount.room = root.statvfs(mount.path.trim_start_matches('/'), DEADLINE).map(|room| Room {
            total_bytes: room.total_bytes,
            free_bytes: room.free_bytes,
            available_bytes: room.available_bytes,
            inodes_count: room.inodes_count,
            free_inodes_count: room.free_inodes_count,
        });
    }
    mounts.truncate(MOUNTS_MAX);
    let full = |room: &Room| {
        room.used_ratio().is_some_and(|used| used >= space_ratio)
            || room.inodes_used_ratio().is_some_and(|used| used >= inodes_ratio)
    };
    let any_full = mounts.iter().any(|mount| mount.room.as_ref().is_ok_and(full));
    if any_full {
        find_writers(root, pids, &mut mounts, buffer);
    }
    Ok(mounts)
}

/// The mount table as mountinfo has it (2.6.26). Where that is missing it is made from the older
/// `/proc/mounts`, proc_pid_mounts(5), which knows no device number: a name stands for it.
pub fn table(root: &Root, buffer: &mut Vec<u8>) -> Reading<String> {
    let Err(absence) = root.read(root.of_init("proc/1/mountinfo", "proc/self/mountinfo"), buffer) else {
        return Ok(String::from_utf8_lossy(buffer).into_owned());
    };
    let absent = matches!(absence.kind, AbsenceKind::Missing | AbsenceKind::Vanished);
    if !absent || root.read(root.of_init("proc/1/mounts", "proc/mounts"), buffer).is_err() {
        return Err(Absence::new(absence.path, if absent { AbsenceKind::Missing } else { absence.kind }));
    }
    Ok(String::from_utf8_lossy(buffer).lines().filter_map(of_mounts).collect())
}

/// A line of `/proc/mounts` in the form of mountinfo.
fn of_mounts(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (source, path, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let device = if source.starts_with('/') { source } else { path };
    Some(format!("0 0 {device} / {path} {options} - {kind} {source} {options}\n"))
}

/// The mounts of mountinfo that a disk or memory stands behind, each device once, read-only ones left out.
fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let (Some(device), Some(path), Some(options)) = (before.get(2), before.get(4), before.get(5)) else {
            continue;
        };
        let (Some(kind), Some(source), Some(of_fs)) = (after.first(), after.get(1), after.get(2)) else {
            continue;
        };
        let read_only = options.split(',').chain(of_fs.split(',')).any(|option| option == "ro");
        // Only a device or memory has room: the kernel's own file systems have neither.
        let has_room = source.starts_with('/')
            || matches!(
                *kind,
                "tmpfs" | "btrfs" | "zfs" | "overlay" | "xfs" | "ext4" | "nfs" | "nfs4" | "cifs"
            );
        if read_only
            || !has_room
            || NO_ROOM.contains(kind)
            || mounts.iter().any(|mount| mount.device == *device)
        {
            continue;
        }
        mounts.push(Mount {
            path: unescape(path),
            source: unescape(source),
            kind: (*kind).to_owned(),
            device: (*device).to_owned(),
            room: Err(Absence::missing(*path)),
            writers: Vec::new(),
        });
    }
    mounts
}

/// Processes with a file open on a full file system.
fn find_writers(root: &Root, pids: &[Pid], mounts: &mut [Mount], buffer: &mut Vec<u8>) {
    for &pid in pids {
        let Ok(files) = root.list(&format!("proc/{pid}/fd")) else { continue };
        for file in files.into_iter().take(FILES_MAX) {
            let Ok(target) = root.link(&format!("proc/{pid}/fd/{file}")) else { continue };
            // The longest mount point above the file is the one it is on.
            let above = |mount: &&mut Mount| {
                target
                    .strip_prefix(mount.path.as_str())
                    .is_some_and(|rest| mount.path == "/" || rest.starts_with('/'))
            };
            let Some(mount) = mounts.iter_mut().filter(above).max_by_key(|mount| mount.path.len()) else {
                continue;
            };
            if !mount.writers.contains(&pid) && writes(root, pid, &file, buffer) {
                mount.writers.push(pid);
            }
        }
    }
}

/// Whether a descriptor is open for writing: the octal `flags` of fdinfo end in 1 or 2 (open(2)).
fn writes(root: &Root, pid: Pid, file: &str, buffer: &mut Vec<u8>) -> bool {
    if root.read_once(&format!("proc/{pid}/fdinfo/{file}"), buffer).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(buffer);
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.is_some_and(|flags| flags.trim().ends_with(['1', '2']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_table_stands_in() {
        let text = "rootfs / rootfs rw 0 0\n/dev/sda1 / ext3 rw,errors=ro 0 0\n/dev/sdb1 /srv/a\\040b xfs rw 0 0\n\
            tmpfs /run tmpfs rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nnone /cgroup cgroup rw,memory 0 0\n\n";
        let table: String = text.lines().filter_map(of_mounts).collect();
        let mounts = parse(&table);
        let paths: Vec<&str> = mounts.iter().map(|mount| mount.path.as_str()).collect();
        assert_eq!(paths, ["/", "/srv/a b", "/run", "/tmp"]);
        assert_eq!(mounts[1].source, "/dev/sdb1");
        assert_eq!(of_mounts("/dev/sda1 /"), None);
    }

    #[test]
    fn writers_are_searched_from_the_configured_limits() {
        use crate::collect::root::{Frame, FrameKind};
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        let mut file = |path: &str, text: &str| frame.files.insert(path.to_owned(), text.as_bytes().to_vec());
        file("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n");
        // Of 100 bytes 40 are free, of 100 inodes 70.
        file(".statvfs", "100 40 40 100 70\n");
        file("proc/7/fdinfo/3", "pos:\t0\nflags:\t0100001\n");
        frame.links.insert("proc/7/fd/3".to_owned(), "/var/log/x".to_owned());
        let root = Root::captured(frame);
        let writers = |limits| {
            let mounts = read(&root, &[7], limits, &mut Vec::new()).unwrap();
            mounts.iter().flat_map(|mount| mount.writers.clone()).collect::<Vec<Pid>>()
        };
        assert_eq!(writers((0.5, 0.9)), [7]);
        assert_eq!(writers((0.9, 0.2)), [7]);
        assert!(writers((0.9, 0.9)).is_empty());
    }

    #[test]
    fn each_device_once_and_no_kernel_file_systems() {
        let text = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            23 22 0:5 / /proc rw - proc proc rw\n\
            24 22 254:0 /var /var/data rw - ext4 /dev/vda rw\n\
            25 22 0:40 / /mnt/a\\040b rw - tmpfs lab rw,size=64m\n\
            26 22 7:0 / /snap/x ro - squashfs /dev/loop0 ro\n\
            27 22 8:1 / /cdrom ro - ext4 /dev/sda1 ro\n";
        let found: Vec<_> = parse(text).into_iter().map(|mount| (mount.path, mount.kind)).collect();
        assert_eq!(found, [("/".to_owned(), "ext4".to_owned()), ("/mnt/a b".to_owned(), "tmpfs".to_owned())]);
    }
}
