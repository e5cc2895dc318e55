//! Mounted file systems and their room.
//!
//! Sources: proc_pid_mountinfo(5), proc_pid_mounts(5), statvfs(3). Each is asked beside the main path with a deadline: a mount
//! whose server is gone does not answer, and that is evidence.

use crate::collect::root::Root;
use crate::collect::text::unescape;
use crate::model::limits::{Mount, Room};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::task::Pid;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How long one file system may take to answer.
const DEADLINE: Duration = Duration::from_millis(200);

/// File systems that are asked at most: a node has hundreds.
const MOUNTS_MAX: usize = 2048;

/// File systems that may fail to answer in time before the others of their type are no longer asked.
const SILENT_MAX: usize = 3;

/// Files of one process that are looked at for a writer.
const FILES_MAX: usize = 256;

/// Blocked processes, and files of each, that are looked at.
const BLOCKED_MAX: usize = 16;
const BLOCKED_FILES_MAX: usize = 32;

/// Types without room of their own, or that are full by nature.
const NO_ROOM: [&str; 8] =
    ["squashfs", "iso9660", "udf", "erofs", "cramfs", "nsfs", "fuse.snapfuse", "autofs"];

/// Mounted file systems with room, one per device. Where one uses at least `space_ratio` of its space or `inodes_ratio`
/// of its inodes, the processes that write to it are searched among `pids`; where `blocked` ones have files is looked at anyway.
pub fn read(
    root: &Root,
    (pids, blocked): (&[Pid], &[Pid]),
    (space_ratio, inodes_ratio): (f64, f64),
    buffer: &mut Vec<u8>,
) -> Reading<Vec<Mount>> {
    let mut mounts = parse(&table(root, buffer)?);
    if root.is_copied() {
        // Asking would give the room on the machine that the copy lies on.
        return Err(Absence::new("/", AbsenceKind::Failed("these are copied files".to_owned())));
    }
    mounts.truncate(MOUNTS_MAX);
    ask(root, &mut mounts);
    drop_layers(&mut mounts);
    let full = |room: &Room| {
        room.used_ratio().is_some_and(|used| used >= space_ratio)
            || room.inodes_used_ratio().is_some_and(|used| used >= inodes_ratio)
    };
    let any_full = mounts.iter().any(|mount| mount.room.as_ref().is_ok_and(full));
    if any_full {
        find_writers(root, pids, &mut mounts, buffer);
    }
    find_blocked(root, blocked, &mut mounts, buffer);
    Ok(mounts)
}

/// Asks each file system for its room.
fn ask(root: &Root, mounts: &mut [Mount]) {
    let mut silent: BTreeMap<String, usize> = BTreeMap::new();
    for mount in mounts {
        let missed = silent.entry(mount.kind.clone()).or_default();
        if *missed >= SILENT_MAX {
            mount.room = Err(Absence::new(mount.path.clone(), AbsenceKind::TimedOut));
            continue;
        }
        mount.room = root.statvfs(mount.path.trim_start_matches('/'), DEADLINE).map(|room| Room {
            total_bytes: room.total_bytes,
            free_bytes: room.free_bytes,
            available_bytes: room.available_bytes,
            inodes_count: room.inodes_count,
            free_inodes_count: room.free_inodes_count,
        });
        *missed +=
            usize::from(mount.room.as_ref().is_err_and(|absence| absence.kind == AbsenceKind::TimedOut));
    }
}

/// Leaves out overlays that show the numbers of the file system that they lie on, where that is in the table: a machine
/// with containers has one for each. Inside a container the table has files of the host's file system in its place.
fn drop_layers(mounts: &mut Vec<Mount>) {
    let size = |mount: &Mount| mount.room.as_ref().ok().map(|room| (room.total_bytes, room.inodes_count));
    let is_overlay = |mount: &Mount| mount.kind == "overlay";
    let all = mounts.clone();
    let same = |mount: &Mount, wanted: fn(&Mount) -> bool| {
        size(mount).is_some() && all.iter().any(|other| wanted(other) && size(other) == size(mount))
    };
    mounts.retain(|mount| match mount.path.as_str() {
        "/" => true,
        _ if is_overlay(mount) => !same(mount, |other| other.kind != "overlay" && other.is_whole),
        _ => mount.is_whole || !same(mount, |other| other.kind == "overlay" && other.path == "/"),
    });
    // Of several overlays on a file system that is not in the table, one is enough.
    let mut seen = BTreeSet::new();
    mounts.retain(|mount| !is_overlay(mount) || size(mount).is_none_or(|size| seen.insert(size)));
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

/// The mounts of mountinfo that a disk or memory stands behind, each device once; read-only ones are left out, unless the
/// kernel made them so.
fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for mount in text.lines().filter_map(mount) {
        match places.get(&mount.device) {
            // The mount of a whole file system speaks for those of its directories and files.
            Some(&place) => {
                if mount.is_whole && !mounts[place].is_whole {
                    mounts[place] = mount;
                }
            }
            None => {
                places.insert(mount.device.clone(), mounts.len());
                mounts.push(mount);
            }
        }
    }
    // What has a device first: there may be more mounts of memory than are asked.
    mounts.sort_by_key(|mount| !mount.source.starts_with('/'));
    mounts
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let after: Vec<&str> = after.split(' ').collect();
    let (device, inside, path, options) = (before.get(2)?, before.get(3)?, before.get(4)?, before.get(5)?);
    let (kind, source, of_fs) = (after.first()?, after.get(1)?, after.get(2)?);
    let has = |options: &str, wanted: &[&str]| options.split(',').any(|option| wanted.contains(&option));
    // Only a device or memory has room: the kernel's own file systems have neither.
    let has_room = source.starts_with('/')
        || matches!(*kind, "tmpfs" | "btrfs" | "zfs" | "overlay" | "xfs" | "ext4" | "nfs" | "nfs4" | "cifs");
    // A mount that may be written, of a file system that may not: nobody mounts one so, an error does.
    let made_read_only = source.starts_with('/')
        && !has(options, &["ro"])
        && has(of_fs, &["ro"])
        && has(of_fs, &["errors=remount-ro", "emergency_ro", "errors=ro"]);
    let read_only = has(options, &["ro"]) || has(of_fs, &["ro"]) && !made_read_only;
    (!read_only && has_room && !NO_ROOM.contains(kind)).then(|| Mount {
        path: unescape(path),
        source: unescape(source),
        kind: (*kind).to_owned(),
        device: (*device).to_owned(),
        is_whole: *inside == "/",
        room: Err(Absence::missing(*path)),
        writers: Vec::new(),
        deleted: Vec::new(),
        blocked: Vec::new(),
        made_read_only,
    })
}

/// Processes with a file open on a full file system, and those that hold deleted files there.
fn find_writers(root: &Root, pids: &[Pid], mounts: &mut [Mount], buffer: &mut Vec<u8>) {
    for &pid in pids {
        let Ok(files) = root.list(&format!("proc/{pid}/fd")) else { continue };
        for file in files.into_iter().take(FILES_MAX) {
            let Ok(target) = root.link(&format!("proc/{pid}/fd/{file}")) else { continue };
            let Some(mount) = mount_above(mounts, &target) else { continue };
            if !mount.writers.contains(&pid) && writes(root, pid, &file, buffer) {
                mount.writers.push(pid);
            }
            let deleted = target.ends_with(" (deleted)");
            if let Some(bytes) = root.deleted_bytes(pid, &file, deleted, DEADLINE) {
                match mount.deleted.iter_mut().find(|(holder, _)| *holder == pid) {
                    Some((_, held)) => *held = held.saturating_add(bytes),
                    None => mount.deleted.push((pid, bytes)),
                }
            }
        }
    }
    for mount in mounts {
        mount.deleted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    }
}

/// The mount that a file is on: the longest one above it. The kernel's own file systems are not among the mounts.
fn mount_above<'a>(mounts: &'a mut [Mount], target: &str) -> Option<&'a mut Mount> {
    let above = |mount: &&mut Mount| {
        target
            .strip_prefix(mount.path.as_str())
            .is_some_and(|rest| mount.path == "/" || rest.is_empty() || rest.starts_with('/'))
    };
    let own = ["/dev/", "/proc/", "/sys/", "/memfd:"].iter().any(|own| target.starts_with(own));
    let mount = mounts.iter_mut().filter(above).max_by_key(|mount| mount.path.len())?;
    (mount.path != "/" || !own).then_some(mount)
}

/// Where processes that are blocked have files open; on a local file system only those that they write, as a freeze stops
/// nothing else. The names of open files are known without asking their file system.
fn find_blocked(root: &Root, pids: &[Pid], mounts: &mut [Mount], buffer: &mut Vec<u8>) {
    for &pid in pids.iter().take(BLOCKED_MAX) {
        let files = root.list(&format!("proc/{pid}/fd")).unwrap_or_default();
        for file in files.into_iter().take(BLOCKED_FILES_MAX) {
            let Ok(target) = root.link(&format!("proc/{pid}/fd/{file}")) else { continue };
            let Some(mount) = mount_above(mounts, &target) else { continue };
            let local = mount.source.starts_with('/');
            if !mount.blocked.contains(&pid) && (!local || writes(root, pid, &file, buffer)) {
                mount.blocked.push(pid);
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
            let mounts = read(&root, (&[7], &[]), limits, &mut Vec::new()).unwrap();
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

    #[test]
    fn a_whole_file_system_speaks_for_its_parts_and_devices_come_first() {
        let text = "20 1 0:40 / /run rw - tmpfs tmpfs rw\n\
            22 1 8:2 /var/lib/x/hosts /etc/hosts rw - xfs /dev/sda2 rw\n\
            23 1 8:2 / /data rw - xfs /dev/sda2 rw\n\
            24 1 8:2 /pods/1 /data/1 rw - xfs /dev/sda2 rw\n";
        let paths: Vec<String> = parse(text).into_iter().map(|mount| mount.path).collect();
        assert_eq!(paths, ["/data", "/run"]);
    }

    #[test]
    fn a_mount_that_an_error_made_read_only_is_known() {
        // ext4 after an error, ext4 of newer kernels, and three that an administrator made.
        let text = "22 1 8:1 / /a rw,relatime - ext4 /dev/sda1 ro,errors=remount-ro\n\
            23 1 8:2 / /b rw,relatime - ext4 /dev/sda2 ro,emergency_ro\n\
            24 1 8:3 / /c ro,relatime - ext4 /dev/sda3 ro,errors=remount-ro\n\
            25 1 8:4 / /d rw,relatime - xfs /dev/sda4 ro\n\
            26 1 8:5 / /e rw,relatime - ext4 /dev/sda5 rw,errors=remount-ro\n";
        let found: Vec<_> = parse(text).into_iter().map(|mount| (mount.path, mount.made_read_only)).collect();
        assert_eq!(found, [("/a".to_owned(), true), ("/b".to_owned(), true), ("/e".to_owned(), false)]);
    }

    #[test]
    fn layers_do_not_hide_what_they_lie_on() {
        let of = |text: &str, sizes: &[u64]| {
            let mut mounts = parse(text);
            for (mount, total_bytes) in mounts.iter_mut().zip(sizes) {
                let room = Room {
                    total_bytes: *total_bytes,
                    free_bytes: 0,
                    available_bytes: 0,
                    inodes_count: 9,
                    free_inodes_count: 9,
                };
                mount.room = Ok(room);
            }
            drop_layers(&mut mounts);
            mounts.into_iter().map(|mount| mount.path).collect::<Vec<_>>()
        };
        let host = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:50 / /docker/1 rw - overlay overlay rw\n\
            24 22 0:51 / /docker/2 rw - overlay overlay rw\n";
        assert_eq!(of(host, &[100, 100, 100]), ["/"]);
        // An overlay on another file system than those of the table stays, once.
        assert_eq!(of(host, &[100, 70, 70]), ["/", "/docker/1"]);
        let inside = "22 1 0:50 / / rw - overlay overlay rw\n\
            23 22 8:1 /var/lib/docker/x/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n";
        assert_eq!(of(inside, &[100, 100]), ["/"]);
    }

    #[test]
    fn who_holds_deleted_files_is_found() {
        use crate::collect::root::{Frame, FrameKind};
        let mut frame = Frame::new(FrameKind::End, Duration::ZERO);
        let mut file = |path: &str, text: &str| frame.files.insert(path.to_owned(), text.as_bytes().to_vec());
        file("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n");
        file(".statvfs", "100 0 0 100 70\n");
        file("proc/7/.deleted/3", "4096\n");
        file("proc/7/.deleted/4", "100\n");
        file("proc/8/.deleted/1", "9000\n");
        // A file with a name on another way.
        file("proc/9/.deleted/1", "");
        for (fd, target) in [
            ("proc/7/fd/3", "/var/log/x (deleted)"),
            ("proc/7/fd/4", "/y (deleted)"),
            ("proc/8/fd/1", "/z (deleted)"),
            ("proc/9/fd/1", "/odd name (deleted)"),
        ] {
            frame.links.insert(fd.to_owned(), target.to_owned());
        }
        let mounts = read(&Root::captured(frame), (&[7, 8, 9], &[]), (0.9, 0.9), &mut Vec::new()).unwrap();
        assert_eq!(mounts[0].deleted, [(8, 9000), (7, 4196)]);
    }
}
