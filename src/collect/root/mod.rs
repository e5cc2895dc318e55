//! The one place that joins paths: everything `diag` reads goes through a [`Root`], which is the live
//! system, another system's file tree (`--root /host`), or one frame of a capture.
//!
//! Paths are given without a leading slash (`proc/stat`); an [`Absence`] names them with one. On a live
//! root other than `/`, links are resolved inside that root where the kernel can do so (`openat2`, 5.6),
//! so that a foreign tree cannot lead to files of the machine that diagnoses it.

mod deleted;
mod frame;
mod live;
mod lock_owner;
mod netlink;
mod statvfs;

use crate::collect::text::number;
use crate::deadline::{Beside, Job, Missed};
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::task::{Pid, parse_pid};
use live::Live;
use rustix::fs::OFlags;
use std::any::Any;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use frame::{Frame, FrameKind};
pub use live::KERNEL_LOG;
pub use lock_owner::{LockWord, Says};
pub use statvfs::FileSystem;

/// Where kernel files are read from. Used by one thread.
pub struct Root {
    place: Place,
    names: RefCell<Vec<u8>>,
    reader: Beside,
    recording: RefCell<Option<Session>>,
}

enum Place {
    Live(Arc<Live>),
    Captured(Box<Frame>),
}

/// Receives the frames of a recording.
pub trait Recorder: Any {
    /// Takes the next frame, which is complete.
    fn add(&mut self, frame: Frame);
}

struct Session {
    recorder: Box<dyn Recorder>,
    /// The open frame; none before the first.
    frame: Option<Frame>,
}

impl Root {
    /// The system whose file tree begins at `prefix`: `/`, or where another one is mounted.
    pub fn live(prefix: &Path) -> Reading<Self> {
        Ok(Self::at(Place::Live(Arc::new(Live::below(prefix)?))))
    }

    /// One moment of a capture.
    pub fn captured(frame: Frame) -> Self {
        Self::at(Place::Captured(Box::new(frame)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            names: RefCell::default(),
            reader: Beside::new("diag-reader"),
            recording: RefCell::default(),
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

    /// Whether the tree consists of plain files copied from a machine: its counters stand still, and
    /// what one asks the system about it (sizes, file systems) is about the machine that it lies on.
    pub fn is_copied(&self) -> bool {
        matches!(&self.place, Place::Live(live) if live.copied)
    }

    /// Whether this reads another live root than `/`.
    pub fn is_live_elsewhere(&self) -> bool {
        matches!(&self.place, Place::Live(live) if live.elsewhere)
    }

    /// Of two paths to a file that differs by namespace, the one to read. Under another root `self` is the process that
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

    /// The number of a file that holds one and nothing else; none where it cannot be read, too.
    pub fn number(&self, path: &str, buffer: &mut Vec<u8>) -> Option<u64> {
        self.read_once(path, buffer).ok()?;
        number(buffer.trim_ascii())
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
        if let Some(seen) = self.seen(|frame| frame.seen_file(path)) {
            return seen.map(|bytes| buffer.extend_from_slice(&bytes));
        }
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
        self.once(path, || match &self.place {
            Place::Captured(frame) => frame.file(path).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let (live, owned) = (Arc::clone(live), path.to_owned());
                let job = move || {
                    let mut bytes = Vec::new();
                    live.read(&owned, &mut bytes, false).map(|()| bytes)
                };
                self.read_beside(path, deadline, Box::new(job))
            }
        })
    }

    /// Runs `job`, which reads `path`, and waits for it as long as `deadline` says.
    fn read_beside(&self, path: &str, deadline: Duration, job: Job<Reading<Vec<u8>>>) -> Reading<Vec<u8>> {
        let absent = |kind| Err(Absence::new(format!("/{path}"), kind));
        match self.reader.run(deadline, job) {
            Ok(outcome) => outcome,
            Err(Missed::TimedOut) => absent(AbsenceKind::TimedOut),
            Err(Missed::Panicked) => absent(AbsenceKind::Failed("the reading thread has ended".to_owned())),
            // A machine without room for another thread needs a diagnosis too.
            Err(Missed::NoThread(job)) => job(),
        }
    }

    /// Room in the file system mounted at `path`, with a deadline: a dead server never answers.
    pub fn statvfs(&self, path: &str, deadline: Duration) -> Reading<FileSystem> {
        // Kept in a frame as a small text file of its own, next to what it describes.
        let key = if path.is_empty() { ".statvfs".to_owned() } else { format!("{path}/.statvfs") };
        let outcome = self.once(&key, || match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let (live, owned) = (Arc::clone(live), path.to_owned());
                self.read_beside(path, deadline, Box::new(move || live.statvfs(&owned)))
            }
        });
        let text = outcome.map_err(|absence| Absence::new(format!("/{path}"), absence.kind))?;
        statvfs::parse(&text).ok_or_else(|| Absence::malformed(format!("/{path}"), "not five numbers"))
    }

    /// The thread that holds the lock whose word is at `address` in the memory of `pid`, by what the lock says of
    /// itself; none where it is no lock of a kind that says so. With a deadline: the memory of a process in trouble
    /// may be locked.
    pub fn lock_owner(&self, pid: Pid, word: LockWord, deadline: Duration) -> Reading<Option<Pid>> {
        // Kept in a frame as the one number: what else lies there is the process's own business.
        let (path, key) = (format!("proc/{pid}/mem"), format!("proc/{pid}/.owner/{:x}", word.address));
        let outcome = self.once(&key, || match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let live = Arc::clone(live);
                self.read_beside(&path, deadline, Box::new(move || live.lock_owner(pid, word)))
            }
        });
        outcome.map(|text| parse_pid(text.trim_ascii()))
    }

    /// Bytes that the deleted file behind descriptor `number` of `pid` holds until it is closed; none for a file that
    /// still has a name. Looked at only if `wanted`. With a deadline, as its file system may not answer.
    pub fn deleted_bytes(&self, pid: Pid, number: &str, wanted: bool, deadline: Duration) -> Option<u64> {
        let key = format!("proc/{pid}/.deleted/{number}");
        if !self.wants(&key, wanted) {
            return None;
        }
        let outcome = self.once(&key, || match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => {
                let (live, path) = (Arc::clone(live), format!("proc/{pid}/fd/{number}"));
                self.read_beside(&key, deadline, Box::new(move || live.deleted(&path)))
            }
        });
        self::number(outcome.ok()?.trim_ascii())
    }

    /// Writes `text` to a file that is then polled: a trigger of the kernel lasts as long as the file is open. The one
    /// thing that is ever written below a root, and it changes nothing but what this process is told.
    pub fn set_trigger(&self, path: &str, text: &[u8]) -> Reading<OwnedFd> {
        match &self.place {
            Place::Live(live) if !live.copied => live.set_trigger(path, text),
            _ => Err(Absence::missing(path)),
        }
    }

    /// Marks the end of the kernel log: what is written behind it is asked for by [`Root::first_behind_mark`].
    pub fn mark_kernel_log(&self) {
        if let Place::Live(live) = &self.place {
            live.mark_kernel_log();
        }
    }

    /// Number of the first record of the kernel log behind the mark; one that no record has yet where there is none. Marks
    /// its end again.
    pub fn first_behind_mark(&self) -> Reading<u64> {
        // Kept in a frame as the one number, next to the log.
        const KEY: &str = "dev/.kmsg_first";
        let text = self.once(KEY, || match &self.place {
            Place::Captured(frame) => frame.file(KEY).map(<[u8]>::to_vec),
            Place::Live(live) => live.first_behind_mark().map(|first| first.to_string().into_bytes()),
        })?;
        number(&text).ok_or_else(|| Absence::malformed(format!("/{KEY}"), "no number"))
    }

    /// The queueing disciplines of the network interfaces in the run's own network namespace: the kernel's answers, one
    /// behind the other. There is no file that shows them.
    pub fn qdiscs(&self) -> Reading<Vec<u8>> {
        const KEY: &str = ".netlink/qdiscs";
        self.once(KEY, || match &self.place {
            Place::Captured(frame) => frame.file(KEY).map(<[u8]>::to_vec),
            // Another root may be of another namespace.
            Place::Live(live) if live.elsewhere || live.copied => Err(Absence::missing(KEY)),
            Place::Live(_) => {
                netlink::qdiscs().map_err(|errno| Absence::new(format!("/{KEY}"), live::kind_of(errno)))
            }
        })
    }

    /// Where a symbolic link points to; what is not UTF-8 in it is replaced.
    pub fn link(&self, path: &str) -> Reading<String> {
        if let Some(seen) = self.seen(|frame| frame.seen_link(path)) {
            return seen;
        }
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
        if let Place::Live(live) = &self.place {
            live.stay_near(directory);
        }
    }

    /// Names in a directory, sorted; names that are not UTF-8 are left out.
    pub fn list(&self, path: &str) -> Reading<Vec<String>> {
        if let Some(seen) = self.seen(|frame| frame.seen_listing(path)) {
            return seen;
        }
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
        if let Some(seen) = self.seen(|frame| frame.listings.get(&key()).cloned()) {
            return Ok(seen);
        }
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
        let text = self.once(&key, || match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => live
                .entries_count(path, &mut self.names.borrow_mut())
                .map(|count| count.to_string().into_bytes()),
        })?;
        number(&text).ok_or_else(|| Absence::malformed(format!("/{path}"), "no count"))
    }

    /// Id of the user that a directory belongs to.
    pub fn owner_of(&self, path: &str) -> Reading<u32> {
        let key = format!("{path}/.uid");
        let text = self.once(&key, || match &self.place {
            Place::Captured(frame) => frame.file(&key).map(<[u8]>::to_vec),
            Place::Live(live) => live.owner_of(path).map(|uid| uid.to_string().into_bytes()),
        })?;
        let uid = number(&text).and_then(|uid| u32::try_from(uid).ok());
        uid.ok_or_else(|| Absence::malformed(format!("/{path}"), "no user"))
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
        if let Some(seen) = self.seen(|frame| frame.seen_listing(path)) {
            out.extend(seen?.iter().filter_map(|name| parse_pid(name.as_bytes())));
            out.sort_unstable();
            return Ok(());
        }
        let outcome = match &self.place {
            Place::Captured(frame) => frame
                .list(path)
                .map(|names| out.extend(names.iter().filter_map(|name| parse_pid(name.as_bytes())))),
            Place::Live(live) => {
                live.each_name(path, &mut self.names.borrow_mut(), |name| out.extend(parse_pid(name)))
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

    /// Records the outcome of every read from the first [`Root::begin_frame`] on, and passes each frame to
    /// `recorder` when it is complete.
    pub fn record(&self, recorder: impl Recorder) {
        *self.recording.borrow_mut() = Some(Session { recorder: Box::new(recorder), frame: None });
    }

    /// Completes the open frame and opens another, `at` after the window's start. Does nothing unless a recording
    /// runs. Within one frame a path is read once: later reads return the same outcome, as they do in the replay.
    pub fn begin_frame(&self, kind: FrameKind, at: Duration) {
        if let Some(session) = self.recording.borrow_mut().as_mut()
            && let Some(complete) = session.frame.replace(Frame::new(kind, at))
        {
            session.recorder.add(complete);
        }
    }

    /// Ends the recording and returns its recorder, which has received the last frame. `None` unless a recording
    /// to a recorder of this type was running.
    pub fn finish_recording<R: Recorder>(&self) -> Option<R> {
        let Session { mut recorder, frame } = self.recording.borrow_mut().take()?;
        if let Some(frame) = frame {
            recorder.add(frame);
        }
        let recorder: Box<dyn Any> = recorder;
        recorder.downcast().ok().map(|recorder| *recorder)
    }

    /// Ends the recording and drops its frames.
    pub fn abandon_recording(&self) {
        self.recording.borrow_mut().take();
    }

    /// What the frame that is being recorded holds already.
    fn seen<T>(&self, find: impl FnOnce(&Frame) -> Option<T>) -> Option<T> {
        find(self.recording.borrow().as_ref()?.frame.as_ref()?)
    }

    /// The outcome that the frame keeps under `key`; `read` makes it where the frame has none yet.
    fn once(&self, key: &str, read: impl FnOnce() -> Reading<Vec<u8>>) -> Reading<Vec<u8>> {
        if let Some(seen) = self.seen(|frame| frame.seen_file(key)) {
            return seen;
        }
        let outcome = read();
        self.note(|frame| frame.note_file(key, outcome.as_ref().map(Vec::as_slice)));
        outcome
    }

    fn note(&self, put: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.recording.borrow_mut().as_mut().and_then(|session| session.frame.as_mut()) {
            put(frame);
        }
    }
}

#[cfg(test)]
mod tests;
