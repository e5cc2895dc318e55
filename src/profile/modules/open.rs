//! Opens files that a stranger chose, without being led astray, held up or made to act.
//!
//! A path is first opened as a place only (O_PATH), which touches no device and waits for no FIFO; only when it is a
//! regular file, and the right one, it is opened for reading.

use super::Absence;
use crate::deadline;
use crate::model::task::Pid;
use crate::profile::mappings::{FileId, Mapping};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

pub(super) use super::process::open_folder as folder;

/// How long a file system may think: a local one answers in microseconds.
const PATIENCE: Duration = if cfg!(test) { Duration::from_secs(5) } else { Duration::from_millis(250) };

/// What an opened place is.
pub(in crate::profile) struct Place {
    pub(in crate::profile) fd: OwnedFd,
    pub(in crate::profile) facts: Statx,
}

/// Runs a call that may hang beside the caller; `None` when it does not return in time.
pub(in crate::profile) fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    deadline::once("diag-open", PATIENCE, Box::new(call)).ok()
}

/// The file of a mapping, by the first way that leads to it and not to another. `root` is the process's root, and the
/// path that the file has below it.
pub(super) fn mapped_file(
    pid: Pid,
    mapping: &Mapping,
    id: FileId,
    root: Option<(Arc<OwnedFd>, Vec<u8>)>,
) -> Result<File, Absence> {
    let mut denied = false;
    let mut attempt = |place: Result<OwnedFd, Errno>| {
        let opened = place.and_then(|fd| {
            let place = look(fd)?;
            let right = place.is_regular() && place.is(id);
            if right { place.open() } else { Err(Errno::NOENT) }
        });
        denied |= matches!(opened, Err(Errno::ACCESS | Errno::PERM));
        opened.ok()
    };
    let proc = |what: &str| place(OsStr::from_bytes(format!("/proc/{pid}/{what}").as_bytes()));
    let range = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
    let path = mapping.file_path();
    attempt(proc(&range))
        .or_else(|| {
            let (root, path) = root?;
            attempt(inside(root.as_fd(), path))
        })
        .or_else(|| attempt(proc("exe")))
        .or_else(|| attempt(place(OsStr::from_bytes(path?))))
        .ok_or(if denied { Absence::Denied } else { Absence::Gone })
}

/// Our own root.
pub(in crate::profile) fn root() -> Option<OwnedFd> {
    folder("/")
}

fn place(path: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// A path as a process with this root sees it: its symbolic links lead nowhere outside of its root.
pub(in crate::profile) fn inside(root: impl AsFd, path: impl AsRef<[u8]>) -> Result<OwnedFd, Errno> {
    let path = OsStr::from_bytes(path.as_ref());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
        // Before Linux 5.6, or filtered: then no link at the end, and the caller's own check has to do.
        Err(Errno::NOSYS | Errno::PERM) => {
            let relative = path.as_bytes();
            let start = relative.iter().position(|byte| *byte != b'/');
            let relative = relative.get(start.ok_or(Errno::NOENT)?..).unwrap_or(&[]);
            let flags = flags | OFlags::NOFOLLOW;
            rustix::fs::openat(root, OsStr::from_bytes(relative), flags, Mode::empty())
        }
        other => other,
    }
}

/// Looks at a place, without asking a server for the newest.
pub(in crate::profile) fn look(fd: OwnedFd) -> Result<Place, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let facts = rustix::fs::statx(&fd, "", flags, StatxFlags::BASIC_STATS)?;
    Ok(Place { fd, facts })
}

impl Place {
    pub(in crate::profile) fn is_regular(&self) -> bool {
        FileType::from_raw_mode(self.facts.stx_mode.into()) == FileType::RegularFile
    }

    /// Whether it is this file. File systems without a disk of their own (overlayfs, btrfs) tell stat(2) another device
    /// than the mapping has: there the inode decides.
    fn is(&self, id: FileId) -> bool {
        let device = (self.facts.stx_dev_major, self.facts.stx_dev_minor);
        self.facts.stx_ino == id.inode
            && (device == (id.device_major, id.device_minor) || device.0 == 0 || id.device_major == 0)
    }

    /// Opens it for reading.
    pub(in crate::profile) fn open(&self) -> Result<File, Errno> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).map(File::from)
    }
}
