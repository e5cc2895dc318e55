//! A file tree that is mounted: its open directories, and every system call that reads below them.

use super::{LockWord, deleted, lock_owner, statvfs};
use crate::collect::text::number;
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::task::Pid;
use crate::model::task::parse_pid;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, RawDirEntry, ResolveFlags, SeekFrom};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Mutex;

/// Largest file that is read; the kernel's own are far smaller.
const FILE_BYTES_MAX: usize = 16 << 20;
/// Room that every read call is given at least; a `stat` line is far below it.
const READ_BYTES: usize = 4096;
/// Longest record of the kernel log (kernel `kernel/printk/internal.h`, PRINTK_MESSAGE_MAX).
const RECORD_BYTES: usize = 8192;
/// Room for directory entries of one call.
const NAMES_BYTES: usize = 32 << 10;

/// The kernel log, record by record.
pub const KERNEL_LOG: &str = "dev/kmsg";

/// The directories of a live root. Shared with the reader thread, which may outlive the root.
pub(super) struct Live {
    root: OwnedFd,
    /// Opened once: most paths are below it, and each saves a step of every path walk.
    proc: OwnedFd,
    /// Another root than `/`.
    pub(super) elsewhere: bool,
    /// Plain files copied from a machine.
    pub(super) copied: bool,
    /// A directory whose files are read one after the other, see [`Root::stay_near`](super::Root::stay_near).
    near: Mutex<Option<(String, OwnedFd)>>,
    /// The kernel log, open at its end of some time ago.
    log: Mutex<Option<OwnedFd>>,
}

impl Live {
    /// The tree that begins at `prefix`.
    pub(super) fn below(prefix: &Path) -> Reading<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, prefix, flags, Mode::empty())
            .map_err(|errno| Absence::new(prefix.to_string_lossy(), kind_of(errno)))?;
        let proc = rustix::fs::openat(&root, "proc", flags, Mode::empty())
            .map_err(|errno| Absence::new("/proc", kind_of(errno)))?;
        let elsewhere = prefix != Path::new("/");
        let of_kernel = |found: rustix::fs::StatFs| found.f_type == rustix::fs::PROC_SUPER_MAGIC;
        // Kernels before 3.12 refuse to answer: then it is taken for what it should be.
        let copied = elsewhere && !rustix::fs::fstatfs(&proc).map_or(true, of_kernel);
        Ok(Self { root, proc, elsewhere, copied, near: Mutex::default(), log: Mutex::default() })
    }

    /// See [`Root::stay_near`](super::Root::stay_near).
    pub(super) fn stay_near(&self, directory: &str) {
        // Another root is left by a path that is not resolved from its top.
        if self.elsewhere {
            return;
        }
        let Ok(mut near) = self.near.lock() else { return };
        if near.as_ref().map_or("", |near| near.0.as_str()) == directory {
            return;
        }
        *near = None;
        if directory.is_empty() {
            return;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.root, directory, flags, Mode::empty());
        *near = opened.ok().map(|descriptor| (directory.to_owned(), descriptor));
    }

    pub(super) fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        // A cgroup's path may begin with `/..` when read from inside a cgroup namespace.
        if path.contains("..") && path.split('/').any(|component| component == "..") {
            return Err(Errno::NOENT);
        }
        let (directory, rest) = match path.strip_prefix("proc/") {
            Some(rest) => (&self.proc, rest),
            None if path == "proc" => (&self.proc, "."),
            None if path.is_empty() => (&self.root, "."),
            None => (&self.root, path),
        };
        let mut flags = flags | OFlags::CLOEXEC;
        if path == KERNEL_LOG {
            flags |= OFlags::NONBLOCK;
        }
        if !self.elsewhere {
            let near = self.near.try_lock().ok();
            if let Some((descriptor, below)) = near.as_ref().and_then(|near| below(near.as_ref(), path)) {
                return rustix::fs::openat(descriptor, below, flags, Mode::empty());
            }
            drop(near);
            return rustix::fs::openat(directory, rest, flags, Mode::empty());
        }
        if !flags.contains(OFlags::PATH) {
            // In a foreign tree a FIFO or a terminal may be in the place of a file.
            flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
        }
        match rustix::fs::openat2(directory, rest, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Older kernels do not have it, and some container filters refuse what they do not know.
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(directory, rest, flags, Mode::empty()),
            opened => opened,
        }
    }

    pub(super) fn read(&self, path: &str, buffer: &mut Vec<u8>, once: bool) -> Reading<()> {
        let file = self.open(path, OFlags::RDONLY).map_err(|errno| self.absence(path, errno))?;
        loop {
            if buffer.capacity() - buffer.len() < READ_BYTES {
                buffer.reserve(READ_BYTES.max(buffer.len()));
            }
            let room = buffer.capacity() - buffer.len();
            match rustix::io::read(&file, spare_capacity(buffer)) {
                Ok(0) => return Ok(()),
                Ok(count) if once && count < room => return Ok(()),
                Ok(_) if buffer.len() > FILE_BYTES_MAX => {
                    return Err(Absence::malformed(format!("/{path}"), "longer than 16 MiB"));
                }
                // The kernel log's device gives a record by read, and these for records overwritten and for its end.
                Err(Errno::PIPE) if path == KERNEL_LOG => {}
                Err(Errno::AGAIN) if path == KERNEL_LOG => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(self.absence(path, errno)),
            }
        }
    }

    pub(super) fn each_name(
        &self,
        path: &str,
        names: &mut Vec<u8>,
        mut keep: impl FnMut(&[u8]),
    ) -> Reading<()> {
        let absence = |errno| self.absence(path, errno);
        let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(absence)?;
        each_entry(&directory, names, |entry| keep(entry.file_name().to_bytes())).map_err(absence)
    }

    pub(super) fn directories(&self, path: &str, names: &mut Vec<u8>) -> Reading<Vec<String>> {
        let absence = |errno| self.absence(path, errno);
        let mut found = Vec::new();
        // Two links are its own name and `.`; file systems that do not count links say one. Asked by name, which
        // spares to open and close it; under another root only an open one is sure to be inside.
        let childless = |stat: rustix::fs::Stat| stat.st_nlink == 2 && stat.st_mode & 0o170_000 == 0o040_000;
        if !self.elsewhere {
            let near = self.near.try_lock().ok();
            let (descriptor, rest) =
                near.as_ref().and_then(|near| below(near.as_ref(), path)).unwrap_or((&self.root, path));
            if rustix::fs::statat(descriptor, rest, AtFlags::empty()).is_ok_and(childless) {
                return Ok(found);
            }
        }
        let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(absence)?;
        if rustix::fs::fstat(&directory).map_err(absence)?.st_nlink == 2 {
            return Ok(found);
        }
        let keep = |entry: &RawDirEntry<'_>| {
            if entry.file_type() == FileType::Directory {
                found.extend(entry.file_name().to_str().ok().map(str::to_owned));
            }
        };
        each_entry(&directory, names, keep).map_err(absence)?;
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn entries_count(&self, path: &str, names: &mut Vec<u8>) -> Reading<u64> {
        // The size of a copied directory is that of its names on a disk.
        if !self.copied {
            let size = self.stat(path).map_err(|errno| self.absence(path, errno))?.st_size;
            if size > 0 {
                return Ok(u64::try_from(size).unwrap_or(0));
            }
        }
        let mut count = 0;
        self.each_name(path, names, |_| count += 1)?;
        Ok(count)
    }

    pub(super) fn owner_of(&self, path: &str) -> Reading<u32> {
        self.stat(path).map(|stat| stat.st_uid).map_err(|errno| self.absence(path, errno))
    }

    /// By name, which spares to open and close it; under another root only an open one is sure to be inside.
    fn stat(&self, path: &str) -> Result<rustix::fs::Stat, Errno> {
        match path.strip_prefix("proc/") {
            Some(rest) if !self.elsewhere => rustix::fs::statat(&self.proc, rest, AtFlags::empty()),
            _ => rustix::fs::fstat(self.open(path, OFlags::PATH)?),
        }
    }

    /// See [`Root::mark_kernel_log`](super::Root::mark_kernel_log). Costs two system calls, where reading the log to its
    /// end would cost one for each record.
    pub(super) fn mark_kernel_log(&self) {
        let Ok(mut log) = self.log.lock() else { return };
        if self.copied {
            return;
        }
        if log.is_none() {
            *log = self.open(KERNEL_LOG, OFlags::RDONLY).ok();
        }
        if let Some(open) = log.as_ref()
            && rustix::fs::seek(open, SeekFrom::End(0)).is_err()
        {
            *log = None;
        }
    }

    /// See [`Root::first_behind_mark`](super::Root::first_behind_mark).
    pub(super) fn first_behind_mark(&self) -> Reading<u64> {
        let first = {
            let Ok(log) = self.log.lock() else { return Err(Absence::missing(KERNEL_LOG)) };
            let log = log.as_ref().ok_or_else(|| Absence::missing(KERNEL_LOG))?;
            let mut record = Vec::with_capacity(RECORD_BYTES);
            loop {
                record.clear();
                match rustix::io::read(log, spare_capacity(&mut record)) {
                    // Records overwritten since the mark: the oldest that is left was written behind it, too.
                    Err(Errno::PIPE | Errno::INTR) => {}
                    Ok(0) | Err(Errno::AGAIN) => break Ok(u64::MAX),
                    Ok(_) => {
                        let sequence = record.split(|byte| *byte == b',').nth(1).and_then(number);
                        let malformed = || Absence::malformed(format!("/{KERNEL_LOG}"), "no number");
                        break sequence.ok_or_else(malformed);
                    }
                    Err(errno) => break Err(self.absence(KERNEL_LOG, errno)),
                }
            }
        };
        self.mark_kernel_log();
        first
    }

    /// Writes `text` to the file, and gives it back open.
    pub(super) fn set_trigger(&self, path: &str, text: &[u8]) -> Reading<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK;
        let file = self.open(path, flags).map_err(|errno| self.absence(path, errno))?;
        // Below a foreign root it may be any file.
        if !rustix::fs::fstatfs(&file).is_ok_and(|system| system.f_type == rustix::fs::PROC_SUPER_MAGIC) {
            return Err(self.absence(path, Errno::OPNOTSUPP));
        }
        rustix::io::write(&file, text).map_err(|errno| self.absence(path, errno))?;
        Ok(file)
    }

    pub(super) fn link(&self, path: &str) -> Reading<String> {
        let absence = |errno| self.absence(path, errno);
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(absence)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).map_err(absence)?;
        Ok(target.to_string_lossy().into_owned())
    }

    pub(super) fn lock_owner(&self, pid: Pid, word: LockWord) -> Reading<Vec<u8>> {
        let path = format!("proc/{pid}/mem");
        // Inside of another namespace of ids the lock knows its owner by another one.
        let of_reader = if self.elsewhere { "proc/1/ns/pid" } else { "proc/self/ns/pid" };
        if self.link(&format!("proc/{pid}/ns/pid"))? != self.link(of_reader)? {
            return Ok(Vec::new());
        }
        let absence = |errno| self.absence(&path, errno);
        let memory = self.open(&path, OFlags::RDONLY).map_err(absence)?;
        let mut bytes = [0; lock_owner::MUTEX_BYTES];
        let count = rustix::io::pread(&memory, &mut bytes, word.address).map_err(absence)?;
        let owner = lock_owner::parse(bytes.get(..count).unwrap_or_default(), word);
        let exists = |owner: &Pid| {
            let thread = if word.shared { format!("{owner}") } else { format!("{pid}/task/{owner}") };
            rustix::fs::statat(&self.proc, thread, AtFlags::empty()).is_ok()
        };
        Ok(owner.filter(exists).map_or_else(Vec::new, |owner| owner.to_string().into_bytes()))
    }

    pub(super) fn deleted(&self, path: &str) -> Reading<Vec<u8>> {
        // The link of a descriptor leads to its file, wherever that is: no path is followed.
        let below = path.trim_start_matches("proc/");
        let stat = rustix::fs::statat(&self.proc, below, AtFlags::empty());
        stat.map(|stat| deleted::describe(&stat)).map_err(|errno| self.absence(path, errno))
    }

    pub(super) fn statvfs(&self, path: &str) -> Reading<Vec<u8>> {
        let absence = |errno| self.absence(path, errno);
        let directory = self.open(path, OFlags::PATH).map_err(absence)?;
        statvfs::ask(&directory).map_err(absence)
    }

    fn absence(&self, path: &str, errno: Errno) -> Absence {
        let mut kind = kind_of(errno);
        // ENOENT below a process means that it has ended, unless it is still there: then this kernel
        // lacks the file, which the text of the report must not confuse.
        if let Some(owner) = owner(path).filter(|_| kind == AbsenceKind::Missing)
            && rustix::fs::statat(&self.proc, owner, AtFlags::empty()).is_err()
        {
            kind = AbsenceKind::Vanished;
        }
        Absence::new(format!("/{path}"), kind)
    }
}

/// Calls `keep` for every entry of an open directory but itself and its parent; `names` is room for them.
fn each_entry(
    directory: &OwnedFd,
    names: &mut Vec<u8>,
    mut keep: impl FnMut(&RawDirEntry<'_>),
) -> Result<(), Errno> {
    names.clear();
    names.reserve(NAMES_BYTES);
    let mut entries = RawDir::new(directory.as_fd(), names.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
            Ok(entry) => keep(&entry),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// `path` as seen from a directory that is open, where it is below that.
fn below<'a>(near: Option<&'a (String, OwnedFd)>, path: &'a str) -> Option<(&'a OwnedFd, &'a str)> {
    let (directory, descriptor) = near?;
    let rest = path.strip_prefix(directory.as_str())?.strip_prefix('/')?;
    (!rest.is_empty()).then_some((descriptor, rest))
}

/// The process or thread directory that `path` is in, relative to `proc`: `12`, `12/task/13`.
fn owner(path: &str) -> Option<&str> {
    let below = path.strip_prefix("proc/")?;
    let end_of = |start: usize| {
        let length = below[start..].find('/').unwrap_or(below.len() - start);
        parse_pid(&below.as_bytes()[start..start + length]).map(|_| start + length)
    };
    let process = end_of(0)?;
    let thread = below[process..].strip_prefix("/task/").and_then(|_| end_of(process + "/task/".len()));
    Some(&below[..thread.unwrap_or(process)])
}

pub(super) fn kind_of(errno: Errno) -> AbsenceKind {
    match errno {
        Errno::NOENT | Errno::NOTSUP | Errno::NODEV | Errno::NOTDIR => AbsenceKind::Missing,
        Errno::ACCESS | Errno::PERM => AbsenceKind::Denied,
        Errno::SRCH => AbsenceKind::Vanished,
        other => AbsenceKind::Failed(std::io::Error::from(other).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::Root;
    use crate::collect::root::tests::{kind, tree};
    use std::fs;

    #[test]
    fn absences_are_told_apart() {
        let (_directory, root) = tree();
        let mut buffer = vec![1];
        assert_eq!(root.read("proc/nope", &mut buffer), Err(Absence::missing("/proc/nope")));
        assert!(buffer.is_empty());
        assert_eq!(kind(root.read_once("proc/9/stat", &mut buffer)), AbsenceKind::Vanished);
        assert_eq!(kind(root.read_once("proc/7/task/9/stat", &mut buffer)), AbsenceKind::Vanished);
        assert_eq!(kind(root.read_once("proc/7/smaps_rollup", &mut buffer)), AbsenceKind::Missing);
        assert_eq!(kind(root.tids(9, &mut Vec::new())), AbsenceKind::Vanished);
        assert_eq!(kind(root.read("proc/../../etc/passwd", &mut buffer)), AbsenceKind::Missing);
        assert!(matches!(kind(root.read("proc/7", &mut buffer)), AbsenceKind::Failed(_)));
        assert_eq!(kind_of(Errno::OPNOTSUPP), AbsenceKind::Missing);
        assert!(Root::live(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn a_foreign_tree_cannot_lead_outside() {
        let (directory, root) = tree();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("sys/evil")).unwrap();
        std::os::unix::fs::symlink("../proc/stat", directory.path().join("sys/good")).unwrap();
        let mut buffer = Vec::new();
        assert!(root.read("sys/evil", &mut buffer).is_err());
        root.read("sys/good", &mut buffer).unwrap();
        assert_eq!(root.link("sys/evil").unwrap(), "/etc/passwd");
    }

    #[test]
    fn files_are_bounded_and_long_ones_read_whole() {
        let (directory, root) = tree();
        let mut buffer = Vec::new();
        let long = vec![b'x'; 300_000];
        fs::write(directory.path().join("proc/long"), &long).unwrap();
        root.read_once("proc/long", &mut buffer).unwrap();
        assert_eq!(buffer, long);
        fs::File::create(directory.path().join("proc/endless")).unwrap().set_len(1 << 30).unwrap();
        assert!(matches!(kind(root.read("proc/endless", &mut buffer)), AbsenceKind::Malformed(_)));
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_near_reads_the_same() {
        let root = Root::live(Path::new("/")).unwrap();
        let (mut far, mut near) = (Vec::new(), Vec::new());
        root.read("proc/sys/kernel/osrelease", &mut far).unwrap();
        let listed = root.directories("proc/sys").unwrap();
        root.stay_near("proc/sys");
        root.read("proc/sys/kernel/osrelease", &mut near).unwrap();
        assert_eq!((far, &listed), (near, &root.directories("proc/sys").unwrap()));
        assert_eq!(root.directories("proc/sys/net/nothing"), Err(Absence::missing("/proc/sys/net/nothing")));
        // A name that only begins alike is not below it.
        assert!(root.read("proc/sysrq-trigger-not", &mut Vec::new()).is_err());
        root.stay_near("");
        assert_eq!(root.directories("proc/sys").unwrap(), listed);
    }

    #[test]
    fn the_live_system_is_read() {
        let root = Root::live(Path::new("/")).unwrap();
        let (mut buffer, mut ids) = (Vec::new(), Vec::new());
        root.pids(&mut ids).unwrap();
        let own = Pid::try_from(std::process::id()).unwrap();
        assert!(ids.contains(&own) && ids.is_sorted());
        root.tids(own, &mut ids).unwrap();
        assert!(ids.len() > 1);
        root.read_once(&format!("proc/{own}/stat"), &mut buffer).unwrap();
        assert!(buffer.starts_with(own.to_string().as_bytes()));
        assert_eq!(root.link("proc/self").unwrap(), own.to_string());
    }

    #[test]
    fn owners_are_found() {
        assert_eq!(owner("proc/12/stat"), Some("12"));
        assert_eq!(owner("proc/12/task/13/stat"), Some("12/task/13"));
        assert_eq!(owner("proc/12/task"), Some("12"));
        assert_eq!(owner("proc/12"), Some("12"));
        assert_eq!(owner("proc/stat"), None);
        assert_eq!(owner("sys/12/stat"), None);
    }
}
