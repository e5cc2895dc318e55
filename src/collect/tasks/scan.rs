//! `/proc/PID/stat` and `/proc/PID/io` of every process: the fast scan.
//!
//! Hand-written because this pass is the larger part of what a run costs: one directory walk, one open,
//! one read and one close per file, one buffer for all, no allocation per process.
//!
//! Sources: proc_pid_stat(5), proc_pid_io(5); kernel `fs/proc/array.c`, `kernel/tsacct.c`. Known lies: the
//! state and the scheduler fields are those of the main thread, times and faults are sums over the threads;
//! `io` charges a write to the process that dirtied the page, a swap-in to the one that touched it, and adds a reaped
//! child's bytes to its parent.

use crate::collect::root::Root;
use crate::collect::text::number;
use crate::model::reading::{AbsenceKind, Reading};
use crate::model::task::{Comm, Pid, ProcessReading, State, TaskIo, TaskStat};
use std::fmt::Write as _;

/// What one pass over the processes gave.
#[derive(Debug, Default)]
pub struct Scan {
    /// The processes, in the order of `/proc`.
    pub processes: Vec<ProcessReading>,
    /// Processes whose `io` file is not ours to read.
    pub io_denied_count: usize,
    /// Processes whose `stat` could not be understood or read for another reason, with the last reason.
    pub unreadable: Option<(usize, String)>,
}

/// Buffers that a scan and the sampling reuse.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Path of the file at hand.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Ids of a directory.
    pub ids: Vec<Pid>,
}

/// Reads `stat` of every process and `io` of every user process.
pub fn scan(root: &Root, scratch: &mut Scratch) -> Reading<Scan> {
    scan_each(root, scratch, true)
}

/// Reads `stat` alone; the pass that the benchmark holds against the bare system calls.
pub fn scan_stats(root: &Root, scratch: &mut Scratch) -> Reading<Scan> {
    scan_each(root, scratch, false)
}

fn scan_each(root: &Root, scratch: &mut Scratch, with_io: bool) -> Reading<Scan> {
    let mut ids = std::mem::take(&mut scratch.ids);
    let listed = root.pids(&mut ids);
    let mut scan = Scan { processes: Vec::with_capacity(ids.len()), ..Scan::default() };
    if listed.is_ok() {
        for &pid in &ids {
            scan_one(root, pid, with_io, scratch, &mut scan);
        }
    }
    scratch.ids = ids;
    listed.map(|()| scan)
}

fn scan_one(root: &Root, pid: Pid, with_io: bool, scratch: &mut Scratch, scan: &mut Scan) {
    set_path(&mut scratch.path, format_args!("proc/{pid}/stat"));
    let stat = match read_stat(root, scratch) {
        Ok(stat) => stat,
        // It ended on the way.
        Err(absence) if absence.kind == AbsenceKind::Vanished => return,
        Err(absence) => {
            let count = scan.unreadable.as_ref().map_or(0, |(count, _)| *count);
            scan.unreadable = Some((count + 1, absence.to_string()));
            return;
        }
    };
    let io = if stat.is_kernel_thread() || !with_io {
        None
    } else {
        set_path(&mut scratch.path, format_args!("proc/{pid}/io"));
        match root.read_once(&scratch.path, &mut scratch.bytes) {
            Ok(()) => parse_io(&scratch.bytes),
            Err(absence) => {
                scan.io_denied_count += usize::from(absence.kind == AbsenceKind::Denied);
                None
            }
        }
    };
    scan.processes.push(ProcessReading { stat, io });
}

/// Writes a path into a buffer that is used again and again.
pub fn set_path(buffer: &mut String, arguments: std::fmt::Arguments<'_>) {
    buffer.clear();
    // Writing to a String cannot fail.
    let _ = buffer.write_fmt(arguments);
}

/// Reads and parses the `stat` at `scratch.path`.
pub fn read_stat(root: &Root, scratch: &mut Scratch) -> Reading<TaskStat> {
    root.read_once(&scratch.path, &mut scratch.bytes)?;
    parse_stat(&scratch.bytes).map_err(|detail| {
        let path = format!("/{}", scratch.path);
        // An empty file is how the kernel shows a task that ends between open and read.
        if scratch.bytes.is_empty() {
            crate::model::reading::Absence::new(path, AbsenceKind::Vanished)
        } else {
            crate::model::reading::Absence::malformed(path, detail)
        }
    })
}

/// Parses one `stat` line. The name may hold anything, `) R 1 (` and newlines included: it ends at the
/// last closing parenthesis.
pub fn parse_stat(bytes: &[u8]) -> Result<TaskStat, &'static str> {
    let open = bytes.iter().position(|&byte| byte == b'(').ok_or("no name")?;
    let close = bytes.iter().rposition(|&byte| byte == b')').ok_or("no end of the name")?;
    if close < open {
        return Err("no end of the name");
    }
    let pid = number(bytes[..open].trim_ascii()).ok_or("no process id")?;
    let mut fields = Fields { rest: &bytes[close + 1..] };
    let state = *fields.next().and_then(<[u8]>::first).ok_or("no state")?;
    let ppid = fields.signed().ok_or("no parent")?;
    fields.skip(1);
    let session = fields.signed().ok_or("no session")?;
    fields.skip(2);
    let flags = fields.unsigned().ok_or("no flags")?;
    fields.skip(2);
    let major_faults_count = fields.unsigned().ok_or("no major faults")?;
    fields.skip(1);
    let user_ticks = fields.unsigned().ok_or("no user time")?;
    let system_ticks = fields.unsigned().ok_or("no system time")?;
    let children_user_ticks = fields.unsigned().ok_or("no user time of children")?;
    let children_system_ticks = fields.unsigned().ok_or("no system time of children")?;
    fields.skip(1);
    let nice = fields.signed().ok_or("no nice value")?;
    let threads_count = fields.unsigned().ok_or("no number of threads")?;
    fields.skip(1);
    let start_ticks = fields.unsigned().ok_or("no start time")?;
    fields.skip(1);
    let rss_pages = fields.signed().ok_or("no resident size")?;
    fields.skip(14);
    let processor = fields.unsigned().and_then(|value| u32::try_from(value).ok());
    let realtime_priority = fields.unsigned().and_then(|value| u8::try_from(value).ok());
    let policy = fields.unsigned().and_then(|value| u32::try_from(value).ok());
    Ok(TaskStat {
        pid: Pid::try_from(pid).map_err(|_| "process id out of range")?,
        comm: Comm::new(&bytes[open + 1..close]),
        state: State::from_letter(state),
        ppid: Pid::try_from(ppid).map_err(|_| "parent out of range")?,
        session: Pid::try_from(session).unwrap_or(0),
        flags: u32::try_from(flags).map_err(|_| "flags out of range")?,
        major_faults_count,
        user_ticks,
        system_ticks,
        children_user_ticks,
        children_system_ticks,
        nice: i32::try_from(nice).map_err(|_| "nice value out of range")?,
        threads_count: u32::try_from(threads_count).map_err(|_| "number of threads out of range")?,
        start_ticks,
        rss_pages: u64::try_from(rss_pages).unwrap_or(0),
        processor,
        realtime_priority,
        policy,
    })
}

/// Parses `/proc/PID/io`; `None` when one of the three counters is not there.
pub fn parse_io(bytes: &[u8]) -> Option<TaskIo> {
    let (mut read, mut write, mut cancelled) = (None, None, None);
    for line in bytes.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let value = || number(line[colon + 1..].trim_ascii());
        match &line[..colon] {
            b"read_bytes" => read = value(),
            b"write_bytes" => write = value(),
            b"cancelled_write_bytes" => cancelled = value(),
            _ => {}
        }
    }
    Some(TaskIo { read_bytes: read?, write_bytes: write?, cancelled_write_bytes: cancelled? })
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = &self.rest[start..];
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        self.rest = &rest[end..];
        Some(&rest[..end])
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.next().is_none() {
                return;
            }
        }
    }

    fn unsigned(&mut self) -> Option<u64> {
        self.next().and_then(number)
    }

    fn signed(&mut self) -> Option<i64> {
        let field = self.next()?;
        match field.strip_prefix(b"-") {
            Some(digits) => number(digits).and_then(|value| i64::try_from(value).ok()).map(|value| -value),
            None => number(field).and_then(|value| i64::try_from(value).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"812 (stress-ng-cpu) R 810 810 809 0 -1 4194304 134 0 3 0 517 21 4 2 20 0 1 0 96231 \
        60198912 1250 18446744073709551615 1 1 0 0 0 0 0 16781312 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn reads_the_fields_of_proc_pid_stat_5() {
        let stat = parse_stat(LINE).unwrap();
        assert_eq!((stat.pid, stat.ppid, stat.session), (812, 810, 809));
        assert_eq!(stat.comm.to_lossy(), "stress-ng-cpu");
        assert_eq!(stat.state, State::Running);
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.major_faults_count), (517, 21, 3));
        assert_eq!((stat.children_user_ticks, stat.children_system_ticks), (4, 2));
        assert_eq!((stat.nice, stat.threads_count, stat.start_ticks), (0, 1, 96_231));
        assert_eq!(stat.rss_pages, 1250);
        assert_eq!((stat.processor, stat.policy), (Some(1), Some(0)));
        assert!(!stat.is_kernel_thread());
    }

    #[test]
    fn a_name_may_hold_parentheses_newlines_and_bytes_that_are_not_text() {
        let line = String::from_utf8_lossy(LINE).replace("stress-ng-cpu", "a) R 1 (\nb");
        assert_eq!(parse_stat(line.as_bytes()).unwrap().comm.as_bytes(), b"a) R 1 (\nb");
        let mut raw = LINE.to_vec();
        raw[6] = 0xff;
        assert!(parse_stat(&raw).unwrap().comm.to_lossy().contains('\u{fffd}'));
    }

    #[test]
    fn an_old_kernel_ends_the_line_early() {
        let line = b"1 (init) S 0 0 0 0 -1 256 94 8263 17 11 0 55 7 10 15 0 1 0 30 1540096 133";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.rss_pages, stat.processor, stat.policy), (133, None, None));
        let cut = &line[..line.len() - 4];
        assert_eq!(parse_stat(cut).unwrap_err(), "no resident size");
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [&b""[..], b"1", b"1 (a", b") (", b"x (a) S 1", b"1 (a) S -", b"1 (a) S 1 1 1 1 1 -5"] {
            assert!(parse_stat(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn io_without_a_counter_is_absent_not_zero() {
        let text = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\n\
            cancelled_write_bytes: 0\n";
        let io = TaskIo { read_bytes: 4096, write_bytes: 8192, cancelled_write_bytes: 0 };
        assert_eq!(parse_io(text), Some(io));
        assert_eq!(parse_io(b"rchar: 1\nwrite_bytes: 8192\n"), None);
        assert_eq!(parse_io(b""), None);
    }
}
