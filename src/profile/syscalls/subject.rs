//! What a descriptor or a pointer of another process is, asked while the call is young.
//!
//! A descriptor is looked up after the call, and its number may be another file's by then; the memory behind a pointer
//! may have been written over. So each place is asked for again and again, and what the answers disagree on gets no
//! large share. Reading another's memory may have to wait for its lock or its swap: a thread of its own does it, and
//! the caller waits for it for a moment only.

use super::sockets;
use super::tally::Tally;
use crate::model::task::Pid;
use crate::socket_tables::inode_of;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Questions that may wait.
const QUEUE: usize = 64;

/// Different places that are asked for each time that the rings are emptied.
const QUESTIONS_MAX: usize = 24;

/// Times that one place is asked for.
const ASKED_MAX: u32 = 200;

/// Places that the times are kept of.
const PLACES_MAX: usize = 8192;

/// The longest path that is read.
const PATH_BYTES: usize = 1024;

/// How long the names of sockets are waited for, in all.
const SOCKETS: Duration = Duration::from_millis(400);

/// An argument of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) pid: Pid,
    pub(super) value: Value,
}

/// What the argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Value {
    /// A file descriptor.
    Descriptor(i32),
    /// The address of a futex: that is all there is to say.
    Futex(u64),
    /// The address of a path.
    Path(u64),
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file, the path.
    Is(String),
    /// It is not there any more, or not allowed.
    Unknown,
    /// The process has ended.
    Gone,
}

/// A question to the thread.
#[derive(Debug, Clone)]
enum Question {
    What(Place),
    Socket(Pid, u64),
}

/// Asks a thread of its own.
pub(super) struct Resolver {
    questions: Option<SyncSender<Question>>,
    answers: Receiver<(Place, Answer)>,
    sockets: Receiver<Option<String>>,
    sockets_until: Option<Instant>,
    /// Asked since the rings were last emptied.
    asked_now: HashSet<Place>,
    asked: HashMap<Place, u32>,
    unanswered: usize,
}

impl Resolver {
    /// Starts the thread; it ends when the resolver is dropped. Where there is none, nothing is answered.
    pub(super) fn start() -> Self {
        let (questions, asked) = sync_channel::<Question>(QUEUE);
        let (answer, answers) = sync_channel(QUEUE * 2);
        let (socket, sockets) = sync_channel(1);
        let work = move || {
            for question in asked {
                let sent = match question {
                    Question::What(place) => answer.send((place, look(place))).is_ok(),
                    Question::Socket(pid, inode) => socket.send(sockets::describe(pid, inode)).is_ok(),
                };
                if !sent {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("diag-subjects".to_owned()).spawn(work);
        Self::new(thread.is_ok().then_some(questions), answers, sockets)
    }

    fn new(
        questions: Option<SyncSender<Question>>,
        answers: Receiver<(Place, Answer)>,
        sockets: Receiver<Option<String>>,
    ) -> Self {
        let (asked_now, asked) = (HashSet::new(), HashMap::new());
        Self { questions, answers, sockets, sockets_until: None, asked_now, asked, unanswered: 0 }
    }

    /// One that answers nothing.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self::new(None, sync_channel(1).1, sync_channel(1).1)
    }

    /// Begins a new round of questions.
    pub(super) fn begin(&mut self) {
        self.asked_now.clear();
    }

    /// Asks for a place, at most once in a round, unless there is too much to do.
    pub(super) fn ask(&mut self, place: Place) {
        let Some(questions) = &self.questions else { return };
        if matches!(place.value, Value::Futex(_))
            || self.asked_now.len() >= QUESTIONS_MAX
            || !self.asked_now.insert(place)
            || self.asked.len() >= PLACES_MAX && !self.asked.contains_key(&place)
        {
            return;
        }
        let times = self.asked.entry(place).or_default();
        if *times < ASKED_MAX && questions.try_send(Question::What(place)).is_ok() {
            *times += 1;
            self.unanswered += 1;
        }
    }

    /// Hands over what was answered meanwhile.
    pub(super) fn collect(&mut self, tally: &mut Tally) {
        while let Ok((place, answer)) = self.answers.try_recv() {
            self.unanswered = self.unanswered.saturating_sub(1);
            tally.vote(place, answer);
        }
    }

    /// Hands over what is answered within `span`.
    pub(super) fn wait(&mut self, tally: &mut Tally, span: Duration) {
        let until = Instant::now() + span;
        while self.unanswered > 0 {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((place, answer)) = self.answers.recv_timeout(left) else { return };
            self.unanswered -= 1;
            tally.vote(place, answer);
        }
    }

    /// The text of a subject, a socket by its addresses.
    pub(super) fn describe(&mut self, place: Place, text: String) -> String {
        let (Some(inode), Some(questions)) = (inode_of(&text), &self.questions) else { return text };
        let until = *self.sockets_until.get_or_insert_with(|| Instant::now() + SOCKETS);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || questions.try_send(Question::Socket(place.pid, inode)).is_err() {
            return text;
        }
        match self.sockets.recv_timeout(left) {
            Ok(described) => described.unwrap_or(text),
            Err(_) => {
                // The next answer would be to this question.
                self.questions = None;
                text
            }
        }
    }
}

fn look(place: Place) -> Answer {
    let text = match place.value {
        Value::Descriptor(number) => {
            let link = fs::read_link(format!("/proc/{}/fd/{number}", place.pid));
            link.ok().map(|target| readable(&target.to_string_lossy()))
        }
        Value::Path(address) => path(place.pid, address),
        Value::Futex(_) => None,
    };
    match text {
        Some(text) => Answer::Is(text),
        None if Path::new(&format!("/proc/{}", place.pid)).exists() => Answer::Unknown,
        None => Answer::Gone,
    }
}

/// Files without a name as people say them: `anon_inode:[eventpoll]` is `eventpoll`.
fn readable(target: &str) -> String {
    let Some(kind) = target.strip_prefix("anon_inode:") else { return target.to_owned() };
    kind.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// The path at an address of another process.
fn path(pid: Pid, address: u64) -> Option<String> {
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut buffer = [0; PATH_BYTES];
    let length = memory.read_at(&mut buffer, address).ok()?;
    path_of(buffer.get(..length)?)
}

/// The path up to its end; none where the bytes are hardly one.
fn path_of(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_whole_or_none() {
        assert_eq!(path_of(b"/etc/passwd\0rest").as_deref(), Some("/etc/passwd"));
        for bytes in [&b"/etc/passwd"[..], b"\0", b"", b"/a\x1b[2J\0", b"/a\xff\0", b"a\nb\0"] {
            assert_eq!(path_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn files_without_a_name() {
        assert_eq!(readable("anon_inode:[eventpoll]"), "eventpoll");
        assert_eq!(readable("anon_inode:inotify"), "inotify");
        assert_eq!(readable("/var/log/x (deleted)"), "/var/log/x (deleted)");
        assert_eq!(readable("pipe:[12]"), "pipe:[12]");
    }

    #[test]
    fn the_own_files_and_memory_can_be_asked_for() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let text = b"/nowhere/at/all\0";
        let place = |value| Place { pid, value };
        let (mut tally, mut resolver) = (Tally::default(), Resolver::start());
        for value in
            [Value::Path(text.as_ptr() as u64), Value::Path(8), Value::Descriptor(-1), Value::Futex(1)]
        {
            resolver.ask(place(value));
        }
        resolver.wait(&mut tally, Duration::from_secs(10));
        assert_eq!(resolver.unanswered, 0);
        assert_eq!(look(place(Value::Path(text.as_ptr() as u64))), Answer::Is("/nowhere/at/all".to_owned()));
        assert_eq!(look(place(Value::Descriptor(-1))), Answer::Unknown);
        assert_eq!(look(Place { pid: i32::MAX, value: Value::Descriptor(1) }), Answer::Gone);
    }
}
