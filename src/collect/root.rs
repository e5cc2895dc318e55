//! The one place that joins paths: everything `diag` reads goes through a [`Root`], which is the live
//! system, another system's file tree (`--root /host`), or one frame of a capture.
//!
//! Paths are given without a leading slash (`proc/stat`); an [`Absence`] names them with one. On a live
//! root other than `/`, links are resolved inside that root where the kernel can do so (`openat2`, 5.6),
//! so that a foreign tree cannot lead to files of the machine that diagnoses it.

use crate::collect::capture::{CaptureWriter, Frame, FrameKind};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::task::Pid;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Largest file that is read; the kernel's own are far smaller.
const FILE_BYTES_MAX: usize = 16 << 20;
/// Room that every read call is given at least; a `stat` line is far below it.
const READ_BYTES: usize = 4096;
/// Room for directory entries of one call.
const NAMES_BYTES: usize = 32 << 10;
/// Reads that are left hanging in one run before no more are tried.
const ABANDONED_MAX: u32 = 3;

/// The kernel log, record by record.
pub const KERNEL_LOG: &str = "dev/kmsg";

/// Where kernel files are read from. Used by one thread.
pub struct Root {
    place: Place,
    names: RefCell<Vec<u8>>,
    helper: RefCell<Option<Helper>>,
    abandoned_count: Cell<u32>,
    recorder: RefCell<Option<Recorder>>,
}

enum Place {
    Live(Arc<Live>),
    Captured(Box<Frame>),
}

struct Recorder {
    writer: CaptureWriter,
    frame: Option<Frame>,
}

/// Room and files of one mounted file system, as statvfs(3) counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Size.
    pub total_bytes: u64,
    /// Free, the part kept for root included.
    pub free_bytes: u64,
    /// Free for everybody.
    pub available_bytes: u64,
    /// Inodes; 0 where the file system makes them as it needs them.
    pub inodes_count: u64,
    /// Free inodes.
    pub free_inodes_count: u64,
}

impl Root {
    /// The system whose file tree begins at `prefix`: `/`, or where another one is mounted.
    pub fn live(prefix: &Path) -> Reading<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, prefix, flags, Mode::empty())
            .map_err(|errno| Absence::new(prefix.to_string_lossy(), kind_of(errno)))?;
        let proc = rustix::fs::openat(&root, "proc", flags, Mode::empty())
            .map_err(|errno| Absence::new("/proc", kind_of(errno)))?;
        let elsewhere = prefix != Path::new("/");
        let of_kernel = |found: rustix::fs::StatFs| found.f_type == rustix::fs::PROC_SUPER_MAGIC;
        // Kernels before 3.12 refuse to answer: then it is taken for what it should be.
        let copied = elsewhere && !rustix::fs::fstatfs(&proc).map_or(true, of_kernel);
        Ok(Self::at(Place::Live(Arc::new(Live { root, proc, elsewhere, copied, near: Mutex::new(None) }))))
    }

    /// One moment of a capture.
    pub fn captured(frame: Frame) -> Self {
        Self::at(Place::Captured(Box::new(frame)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            names: RefCell::default(),
            helper: RefCell::default(),
            abandoned_count: Cell::new(0),
            recorder: RefCell::default(),
        }
    }

    /// Whether this may show another namespace than the one this process lives in: then files that
    /// depend on the reader (`proc/net` is a link to `self/net`) are to be read from process 1.
    pub fn is_elsewhere(&self) -> bool {
        match &self.place {
            Place::Live(live) => live.elsewhere,
            Place::Captured(_) => true,
        }
    }

    /// Whether the tree is made of plain files that somebody copied from a machine: its counters stand still, and
    /// what one asks the system about it (sizes, file systems) is about the machine that it lies on.
    pub fn is_copied(&self) -> bool {
        matches!(&self.place, Place::Live(live) if live.copied)
    }

    /// Whether this reads another live root than `/`.
    pub fn is_live_elsewhere(&self) -> bool {
        matches!(&self.place, Place::Live(live) if live.elsewhere)
    }

    /// Of two paths to a file that differs by namespace, the one to read. Under another root `self` is whoever
    /// reads, so there it is that of process 1; a copied tree may have been made without process 1.
    pub fn of_init<'a>(&self, of_init: &'a str, own: &'a str) -> &'a str {
        let own_is_meant = match &self.place {
            Place::Live(live) => !live.elsewhere || live.copied && live.open(of_init, OFlags::PATH).is_err(),
            Place::Captured(_) => self.holds(own),
        };
        if own_is_meant { own } else { of_init }
    }

    /// Reads a whole file into `buffer`, which is cleared first and empty after an error.
    pub fn read(&self, path: &str, buffer: &mut Vec<u8>) -> Reading<()> {
        self.fetch(path, buffer, false)
    }

    /// As [`Root::read`] for files of one short record: one open, one read, one close.
    pub fn read_once(&self, path: &str, buffer: &mut Vec<u8>) -> Reading<()> {
        self.fetch(path, buffer, true)
    }

    /// Reads a whole file and parses it; the parser's error becomes the detail of a `Malformed`.
    pub fn read_parsed<T>(
        &self,
        path: &str,
        buffer: &mut Vec<u8>,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Reading<T> {
        self.read(path, buffer)?;
        parse(buffer).map_err(|detail| Absence::malformed(format!("/{path}"), detail))
    }

    fn fetch(&self, path: &str, buffer: &mut Vec<u8>, once: bool) -> Reading<()> {
        buffer.clear();
        let outcome = match &self.place {
            Place::Live(live) => live.read(path, buffer, once),
            Place::Captured(frame) => frame.file(path).map(|bytes| buffer.extend_from_slice(bytes)),
        };
        if outcome.is_err() {
            buffer.clear();
        }
        self.note(|frame| frame.note_file(path, outcome.as_ref().map(|()| buffer.as_slice())));
        outcome
    }

    /// Reads a file that may hang (it takes a lock of the process it is about) on a thread beside this
    /// one. A read that does not come back is left behind and recorded as timed out.
    pub fn read_with_deadline(&self, path: &str, deadline: Duration) -> Reading<Vec<u8>> {
        let outcome = match &self.place {
            Place::Captured(frame) => frame.file(path).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let (live, owned) = (Arc::clone(live), path.to_owned());
                let job = move || {
                    let mut bytes = Vec::new();
                    live.read(&owned, &mut bytes, false).map(|()| bytes)
                };
                self.run_beside(path, deadline, Box::new(job))
            }
        };
        self.note(|frame| frame.note_file(path, outcome.as_ref().map(Vec::as_slice)));
        outcome
    }

    /// Room in the file system mounted at `path`, with a deadline: a dead server never answers.
    pub fn statvfs(&self, path: &str, deadline: Duration) -> Reading<FileSystem> {
        // Kept in a frame as a small text file of its own, next to what it describes.
        let key = if path.is_empty() { ".statvfs".to_owned() } else { format!("{path}/.statvfs") };
        let outcome = match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let (live, owned) = (Arc::clone(live), path.to_owned());
                self.run_beside(path, deadline, Box::new(move || live.statvfs(&owned)))
            }
        };
        self.note(|frame| frame.note_file(&key, outcome.as_ref().map(Vec::as_slice)));
        let text = outcome.map_err(|absence| Absence::new(format!("/{path}"), absence.kind))?;
        parse_statvfs(&text).ok_or_else(|| Absence::malformed(format!("/{path}"), "not five numbers"))
    }

    fn run_beside(&self, path: &str, deadline: Duration, job: Job) -> Reading<Vec<u8>> {
        let timed_out = || Absence::new(format!("/{path}"), AbsenceKind::TimedOut);
        if self.abandoned_count.get() >= ABANDONED_MAX {
            return Err(timed_out());
        }
        let mut helper = self.helper.borrow_mut();
        if helper.is_none() {
            *helper = Helper::start();
        }
        // A box without room for one more thread is worth diagnosing too.
        let Some(running) = helper.as_ref() else { return job() };
        let answer = match running.jobs.send(job) {
            Ok(()) => running.answers.recv_timeout(deadline),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        answer.unwrap_or_else(|error| {
            *helper = None;
            if error == RecvTimeoutError::Disconnected {
                let kind = AbsenceKind::Failed("the reading thread has ended".to_owned());
                return Err(Absence::new(format!("/{path}"), kind));
            }
            self.abandoned_count.set(self.abandoned_count.get() + 1);
            Err(timed_out())
        })
    }

    /// Where a symbolic link points to; what is not UTF-8 in it is replaced.
    pub fn link(&self, path: &str) -> Reading<String> {
        let outcome = match &self.place {
            Place::Live(live) => live.link(path),
            Place::Captured(frame) => frame.link(path),
        };
        self.note(|frame| frame.note_link(path, outcome.as_deref()));
        outcome
    }

    /// Opens `directory` once for the paths below it that are read next: each is then a shorter walk for the
    /// kernel, which counts where there are thousands. Nothing is kept open for an empty name.
    pub fn stay_near(&self, directory: &str) {
        let Place::Live(live) = &self.place else { return };
        // Another root is left by a path that is not resolved from its top.
        if live.elsewhere {
            return;
        }
        let Ok(mut near) = live.near.lock() else { return };
        if near.as_ref().map_or("", |near| near.0.as_str()) == directory {
            return;
        }
        *near = None;
        if directory.is_empty() {
            return;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&live.root, directory, flags, Mode::empty());
        *near = opened.ok().map(|descriptor| (directory.to_owned(), descriptor));
    }

    /// Names in a directory, sorted; names that are not UTF-8 are left out.
    pub fn list(&self, path: &str) -> Reading<Vec<String>> {
        let outcome = match &self.place {
            Place::Captured(frame) => frame.list(path),
            Place::Live(live) => {
                let mut names = Vec::new();
                let keep = |name: &[u8]| names.extend(str::from_utf8(name).ok().map(str::to_owned));
                live.each_name(path, &mut self.names.borrow_mut(), keep).map(|()| {
                    names.sort_unstable();
                    names
                })
            }
        };
        self.note(|frame| frame.note_listing(path, outcome.as_deref()));
        outcome
    }

    /// Names of the directories in a directory, sorted. A directory that by its link count holds none is not
    /// listed: a control group has dozens of files and seldom a child.
    pub fn directories(&self, path: &str) -> Reading<Vec<String>> {
        // Kept in a frame as a listing of its own: it is not that of all names.
        let key = || format!("{path}/.directories");
        let outcome = match &self.place {
            Place::Captured(frame) => {
                frame.listings.get(&key()).cloned().ok_or_else(|| Absence::missing(path))
            }
            Place::Live(live) => live.directories(path, &mut self.names.borrow_mut()),
        };
        self.note(|frame| frame.note_listing(&key(), outcome.as_deref()));
        outcome
    }

    /// How many entries a directory has: its size, where the file system says so (`/proc/PID/fd` since 6.2),
    /// else a count of its names.
    pub fn entries_count(&self, path: &str) -> Reading<u64> {
        let key = format!("{path}/.count");
        let outcome = match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => live
                .entries_count(path, &mut self.names.borrow_mut())
                .map(|count| count.to_string().into_bytes()),
        };
        self.note(|frame| frame.note_file(&key, outcome.as_ref().map(Vec::as_slice)));
        let text = outcome?;
        crate::collect::processes::number(&text)
            .ok_or_else(|| Absence::malformed(format!("/{path}"), "no count"))
    }

    /// Whether an optional read is to be made: live, when `wanted`; in a capture, when the recorded run made it.
    pub fn wants(&self, path: &str, wanted: bool) -> bool {
        match &self.place {
            Place::Live(_) => wanted,
            Place::Captured(_) => self.holds(path),
        }
    }

    /// Whether this is a frame of a capture with an outcome for `path`: the recorded run looked at it.
    pub fn holds(&self, path: &str) -> bool {
        match &self.place {
            Place::Captured(frame) => frame.files.contains_key(path) || frame.absences.contains_key(path),
            Place::Live(_) => false,
        }
    }

    /// Ids of all processes, ascending; in a captured sample, of those that the recorded run looked at.
    pub fn pids(&self, out: &mut Vec<Pid>) -> Reading<()> {
        self.ids("proc", out)
    }

    /// Ids of the threads of a process, ascending; in a captured sample, of those that were looked at.
    pub fn tids(&self, pid: Pid, out: &mut Vec<Pid>) -> Reading<()> {
        self.ids(&format!("proc/{pid}/task"), out)
    }

    fn ids(&self, path: &str, out: &mut Vec<Pid>) -> Reading<()> {
        out.clear();
        let outcome = match &self.place {
            Place::Captured(frame) => {
                frame.list(path).map(|names| out.extend(names.iter().filter_map(|name| id(name.as_bytes()))))
            }
            Place::Live(live) => {
                live.each_name(path, &mut self.names.borrow_mut(), |name| out.extend(id(name)))
            }
        };
        out.sort_unstable();
        self.note(|frame| {
            let mut names: Vec<String> = out.iter().map(Pid::to_string).collect();
            names.sort_unstable();
            frame.note_listing(path, outcome.as_ref().map(|()| names.as_slice()));
        });
        outcome
    }

    /// From now on the outcomes of all reads go into the frames of `writer`, from the first
    /// [`Root::begin_frame`] on.
    pub fn record(&self, writer: CaptureWriter) {
        *self.recorder.borrow_mut() = Some(Recorder { writer, frame: None });
    }

    /// Closes the frame before and opens another, `at` after the window's start. Nothing happens when
    /// nothing is recorded. Within one frame the first outcome of a path is the one that is kept, but
    /// data replaces an absence.
    pub fn begin_frame(&self, kind: FrameKind, at: Duration) {
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            let full = recorder.frame.replace(Frame::new(kind, at));
            full.into_iter().for_each(|frame| recorder.writer.add(frame));
        }
    }

    /// Ends the recording and gives the writer back, the last frame in it.
    pub fn finish_recording(&self) -> Option<CaptureWriter> {
        let mut recorder = self.recorder.borrow_mut().take()?;
        recorder.frame.take().into_iter().for_each(|frame| recorder.writer.add(frame));
        Some(recorder.writer)
    }

    fn note(&self, put: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.recorder.borrow_mut().as_mut().and_then(|recorder| recorder.frame.as_mut())
        {
            put(frame);
        }
    }
}

/// The directories of a live root. Shared with the helper thread, which may outlive the root.
struct Live {
    root: OwnedFd,
    /// Opened once: most paths are below it, and each saves a step of every path walk.
    proc: OwnedFd,
    elsewhere: bool,
    copied: bool,
    /// A directory whose files are read one after the other, see [`Root::stay_near`].
    near: Mutex<Option<(String, OwnedFd)>>,
}

impl Live {
    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
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
            // Whoever made the tree may have put a FIFO or a terminal where a file belongs.
            flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
        }
        match rustix::fs::openat2(directory, rest, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Older kernels do not have it, and some container filters refuse what they do not know.
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(directory, rest, flags, Mode::empty()),
            opened => opened,
        }
    }

    fn read(&self, path: &str, buffer: &mut Vec<u8>, once: bool) -> Reading<()> {
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

    fn each_name(&self, path: &str, names: &mut Vec<u8>, mut keep: impl FnMut(&[u8])) -> Reading<()> {
        let absence = |errno| self.absence(path, errno);
        let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(absence)?;
        names.clear();
        names.reserve(NAMES_BYTES);
        let mut entries = RawDir::new(directory.as_fd(), names.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => match entry.file_name().to_bytes() {
                    b"." | b".." => {}
                    name => keep(name),
                },
                Err(Errno::INTR) => {}
                Err(errno) => return Err(absence(errno)),
            }
        }
        Ok(())
    }

    fn directories(&self, path: &str, names: &mut Vec<u8>) -> Reading<Vec<String>> {
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
        names.clear();
        names.reserve(NAMES_BYTES);
        let mut entries = RawDir::new(directory.as_fd(), names.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_type() == FileType::Directory => {
                    let name = entry.file_name().to_str().ok().filter(|name| !matches!(*name, "." | ".."));
                    found.extend(name.map(str::to_owned));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(absence(errno)),
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn entries_count(&self, path: &str, names: &mut Vec<u8>) -> Reading<u64> {
        let absence = |errno| self.absence(path, errno);
        let directory = self.open(path, OFlags::PATH).map_err(absence)?;
        // The size of a copied directory is that of its names on a disk.
        if !self.copied {
            let size = rustix::fs::fstat(&directory).map_err(absence)?.st_size;
            if size > 0 {
                return Ok(u64::try_from(size).unwrap_or(0));
            }
        }
        let mut count = 0;
        self.each_name(path, names, |_| count += 1)?;
        Ok(count)
    }

    fn link(&self, path: &str) -> Reading<String> {
        let absence = |errno| self.absence(path, errno);
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(absence)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).map_err(absence)?;
        Ok(target.to_string_lossy().into_owned())
    }

    fn statvfs(&self, path: &str) -> Reading<Vec<u8>> {
        let absence = |errno| self.absence(path, errno);
        let directory = self.open(path, OFlags::PATH).map_err(absence)?;
        let answer = rustix::fs::fstatvfs(&directory).map_err(absence)?;
        let bytes = |blocks: u64| blocks.saturating_mul(answer.f_frsize);
        let [total, free, available] = [answer.f_blocks, answer.f_bfree, answer.f_bavail].map(bytes);
        let text = format!("{total} {free} {available} {} {}\n", answer.f_files, answer.f_ffree);
        Ok(text.into_bytes())
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
        id(&below.as_bytes()[start..start + length]).map(|_| start + length)
    };
    let process = end_of(0)?;
    let thread = below[process..].strip_prefix("/task/").and_then(|_| end_of(process + "/task/".len()));
    Some(&below[..thread.unwrap_or(process)])
}

/// A process or thread id, where `name` is one.
pub(super) fn id(name: &[u8]) -> Option<Pid> {
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    if digits { str::from_utf8(name).ok()?.parse().ok() } else { None }
}

fn kind_of(errno: Errno) -> AbsenceKind {
    match errno {
        Errno::NOENT | Errno::NOTSUP | Errno::NODEV | Errno::NOTDIR => AbsenceKind::Missing,
        Errno::ACCESS | Errno::PERM => AbsenceKind::Denied,
        Errno::SRCH => AbsenceKind::Vanished,
        other => AbsenceKind::Failed(std::io::Error::from(other).to_string()),
    }
}

fn parse_statvfs(bytes: &[u8]) -> Option<FileSystem> {
    let text = str::from_utf8(bytes).ok()?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [total_bytes, free_bytes, available_bytes, inodes_count, free_inodes_count] = numbers[..] else {
        return None;
    };
    Some(FileSystem { total_bytes, free_bytes, available_bytes, inodes_count, free_inodes_count })
}

type Job = Box<dyn FnOnce() -> Reading<Vec<u8>> + Send>;

/// A thread that reads what may hang. Dropping this leaves it to end when its last read comes back.
struct Helper {
    jobs: Sender<Job>,
    answers: Receiver<Reading<Vec<u8>>>,
}

impl Helper {
    fn start() -> Option<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, answers) = channel();
        let work = move || while inbox.recv().is_ok_and(|job| outbox.send(job()).is_ok()) {};
        let builder = std::thread::Builder::new().name("diag-reader".to_owned()).stack_size(128 << 10);
        builder.spawn(work).ok().map(|_| Self { jobs, answers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::capture::{Capture, Meta};
    use std::fs;

    fn tree() -> (tempfile::TempDir, Root) {
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

    fn kind<T: std::fmt::Debug>(reading: Reading<T>) -> AbsenceKind {
        reading.unwrap_err().kind
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
    fn hanging_reads_are_left_behind_and_then_not_tried() {
        let (_directory, root) = tree();
        let hang = || -> Job {
            Box::new(|| {
                std::thread::sleep(Duration::from_secs(60));
                Ok(Vec::new())
            })
        };
        for _ in 0..ABANDONED_MAX {
            let answer = root.run_beside("proc/7/cmdline", Duration::from_millis(5), hang());
            assert_eq!(kind(answer), AbsenceKind::TimedOut);
        }
        let began = std::time::Instant::now();
        assert_eq!(kind(root.read_with_deadline("proc/stat", Duration::from_secs(9))), AbsenceKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(1));
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
    fn what_is_recorded_reads_the_same_again() {
        let (_directory, root) = tree();
        root.record(CaptureWriter::new(true));
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
        let host = serde_json::json!({"ticks_per_second": 100, "page_bytes": 4096, "effective_uid": 0,
            "own_pid": 9, "users": {}});
        let about = Meta {
            host: serde_json::from_value(host).unwrap(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            ended_at: jiff::Timestamp::UNIX_EPOCH,
            note: None,
            interrupted: false,
            target: None,
        };
        let bytes = root.finish_recording().unwrap().finish(about).unwrap();
        let capture = Capture::from_reader(&bytes[..], Path::new("x")).unwrap();
        let replayed = Root::captured(capture.frames[0].clone());
        assert_eq!(walk(&replayed), seen);
        assert!(replayed.holds("proc/7/io") && !replayed.holds("proc/stat") && !root.holds("proc/stat"));
        assert_eq!(kind(replayed.read("proc/stat", &mut Vec::new())), AbsenceKind::Missing);
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
