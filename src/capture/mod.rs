//! The capture format: raw kernel bytes of one window, so that better rules can diagnose it again later.
//!
//! A capture is a gzip-compressed tar archive, or the same unpacked as a directory: `meta.json` (host,
//! times, and for each frame what was absent, listed and linked) and one directory of raw files for each
//! frame, `0000-start/proc/stat`. Archives come from strangers: they are read into memory only, within
//! bounds, and names that could leave a directory, links and devices are refused.

#![allow(clippy::disallowed_methods, reason = "a capture is read from a file that the user names")]

mod reader;
mod redact;
mod stored;
mod writer;

use crate::collect::window::Recorded;
use crate::model::host::Host;
use crate::model::profile::Samples;
use crate::model::target::Asked;
use jiff::Timestamp;
use reader::Files;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stored::{Format, StoredMeta};

pub use crate::collect::root::{Frame, FrameKind};
pub use writer::CaptureWriter;

/// Version of the format that is written; older ones are read too.
const FORMAT: u32 = 1;
const META: &str = "meta.json";
/// Stacks with names: addresses mean nothing on another machine.
const SAMPLES: &str = "samples.json";

/// Why a capture could not be read or written; one line each, that also says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file could not be opened or read.
    #[error("cannot read {0:?}: {1}; check the path and your rights")]
    Unreadable(PathBuf, io::Error),
    /// Some other file.
    #[error("{0:?} is not a capture of diag ({1}); give a file that `diag record` has written")]
    NotACapture(PathBuf, String),
    /// The archive ends early, or its checksums do not fit.
    #[error("{0:?} is cut short or damaged ({1}); copy it again from where it was recorded")]
    Damaged(PathBuf, String),
    /// Written by a later version.
    #[error("the capture has format {0}, this diag reads up to {FORMAT}; use a newer diag")]
    Newer(u32),
    /// A name that leads out of the archive, or something that is not a plain file.
    #[error("the capture holds {0}, which diag never writes; do not trust where it came from")]
    Unsafe(String),
    /// Beyond the bounds.
    #[error("the capture is too large ({0}); record a shorter window")]
    TooLarge(String),
    /// A frame of a kind that version 1 does not have.
    #[error("the capture holds a frame of the unknown kind {0:?}; use a newer diag")]
    UnknownFrame(String),
    /// No snapshot at one end of the window.
    #[error("the capture has no {0} frame, so there is nothing to compare; record the window again")]
    NoEnd(&'static str),
    /// The archive could not be put together.
    #[error("cannot put the capture together: {0}; record the window again")]
    Unpackable(String),
}

/// What a capture is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The machine.
    pub host: Host,
    /// Wall clock at the window's start.
    pub started_at: Timestamp,
    /// Wall clock at the window's end.
    pub ended_at: Timestamp,
    /// A note of the person who recorded it.
    pub note: Option<String>,
    /// Whether Ctrl-C ended the window early.
    pub interrupted: bool,
    /// The process or unit whose threads were followed.
    pub target: Option<Asked>,
}

/// A capture in memory.
#[derive(Debug, Clone)]
pub struct Capture {
    /// What it is about.
    pub meta: Meta,
    /// Version of the program that recorded it.
    pub diag_version: String,
    /// What was sampled within the window, where it was recorded with `--profile`.
    pub samples: Option<Samples>,
    /// Its frames in the order of recording; there is a start and an end among them.
    pub frames: Vec<Frame>,
}

impl Capture {
    /// Reads a capture: an archive, or a directory with the same files.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let unreadable = |error| CaptureError::Unreadable(path.to_owned(), error);
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            // Any other directory may hold gigabytes that would be read before that is said.
            if fs::symlink_metadata(path.join(META)).is_err() {
                return Err(CaptureError::NotACapture(path.to_owned(), format!("it has no {META}")));
            }
            return Self::assemble(reader::directory(path)?, path);
        }
        Self::from_reader(fs::File::open(path).map_err(unreadable)?, path)
    }

    /// Reads an archive from any source; `path` is only what messages call it.
    pub fn from_reader(source: impl Read, path: &Path) -> Result<Self, CaptureError> {
        Self::assemble(reader::compressed(source, path)?, path)
    }

    fn assemble(mut files: Files, path: &Path) -> Result<Self, CaptureError> {
        // Such a detail may quote the file.
        let not =
            |detail: String| CaptureError::NotACapture(path.to_owned(), detail.escape_debug().to_string());
        let text = files.get_mut("").and_then(|top| top.remove(META));
        let text = text.ok_or_else(|| not(format!("it has no {META}")))?;
        let bad = |error: serde_json::Error| not(format!("{META}: {error}"));
        let Format { format } = serde_json::from_slice(&text).map_err(bad)?;
        if format > FORMAT {
            return Err(CaptureError::Newer(format));
        }
        let meta: StoredMeta = serde_json::from_slice(&text).map_err(bad)?;
        let samples = match files.get_mut("").and_then(|top| top.remove(SAMPLES)) {
            Some(text) => {
                let samples: Samples =
                    serde_json::from_slice(&text).map_err(|error| not(format!("{SAMPLES}: {error}")))?;
                if !samples.is_plausible() {
                    return Err(not(format!("{SAMPLES}: no window has so many samples")));
                }
                Some(samples)
            }
            None => None,
        };
        let mut frames = Vec::with_capacity(meta.frames.len());
        for stored in meta.frames {
            let kind = FrameKind::ALL.into_iter().find(|kind| kind.word() == stored.kind);
            frames.push(Frame {
                kind: kind.ok_or(CaptureError::UnknownFrame(stored.kind))?,
                at: Duration::from_nanos(stored.at_nanoseconds),
                files: files.remove(&stored.directory).unwrap_or_default(),
                absences: stored.absences.into_iter().map(|(path, kind)| (path, kind.into())).collect(),
                listings: stored.listings,
                links: stored.links,
            });
        }
        for end in [FrameKind::Start, FrameKind::End] {
            if !frames.iter().any(|frame| frame.kind == end) {
                return Err(CaptureError::NoEnd(end.word()));
            }
        }
        let StoredMeta { host, started_at, ended_at, note, interrupted, target, diag: diag_version, .. } =
            meta;
        let meta = Meta { host, started_at, ended_at, note, interrupted, target };
        Ok(Self { meta, diag_version, samples, frames })
    }
}

impl From<Capture> for Recorded {
    fn from(capture: Capture) -> Self {
        let Meta { host, started_at, ended_at, interrupted, target, note: _ } = capture.meta;
        Self { host, started_at, ended_at, interrupted, target, frames: capture.frames }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomically;
    use crate::model::reading::{Absence, AbsenceKind};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn about() -> Meta {
        let host = serde_json::json!({"ticks_per_second": 100, "page_bytes": 4096, "effective_uid": 0,
            "own_pid": 9, "users": {"0": "root"}, "hostname": "box"});
        Meta {
            host: serde_json::from_value(host).unwrap(),
            started_at: "2024-05-01T10:00:00.000000001Z".parse().unwrap(),
            ended_at: "2024-05-01T10:00:05Z".parse().unwrap(),
            note: Some("two\nlines".to_owned()),
            interrupted: true,
            target: None,
        }
    }

    fn frames() -> Vec<Frame> {
        let mut start = Frame::new(FrameKind::Start, Duration::ZERO);
        start.note_file("proc/stat", Ok(b"cpu 1 2 3 4\n\xff\0"));
        start.note_file("proc/7/stat", Ok(b"7 (a) S"));
        start.note_file("proc/7/cmdline", Ok(b"psql\0--password=x\0"));
        start.note_file("proc/7/environ", Ok(b"TOKEN=x\0"));
        start.note_file("proc/8/stat", Err(&Absence::new("/proc/8/stat", AbsenceKind::Vanished)));
        start.note_listing("proc", Ok(&["7".to_owned(), "8".to_owned()]));
        start.note_listing("sys/block", Ok(&["vda".to_owned()]));
        start.note_link("proc/7/exe", Ok("/bin/a"));
        let failed = AbsenceKind::Failed("I/O error".to_owned());
        start.note_file("proc/cmdline", Err(&Absence::new("/proc/cmdline", failed)));
        start.note_file(&format!("sys/{}x", "long/".repeat(60)), Ok(b"deep"));
        let mut end = Frame::new(FrameKind::End, Duration::new(5, 7));
        end.note_file("proc/stat", Ok(b""));
        vec![start, Frame::new(FrameKind::Sample, Duration::from_nanos(1)), end]
    }

    fn packed(frames: Vec<Frame>, command_lines: bool) -> Vec<u8> {
        let mut writer = CaptureWriter::new(command_lines);
        frames.into_iter().for_each(|frame| writer.add(frame));
        writer.finish(about(), None).unwrap()
    }

    pub(super) fn opened(bytes: &[u8]) -> Result<Capture, CaptureError> {
        Capture::from_reader(bytes, Path::new("x.tar.gz"))
    }

    /// An archive of one entry, made below the level at which the library refuses names.
    pub(super) fn one_entry(name: &[u8], kind: tar::EntryType, size: u64, data: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn listings_are_stored_only_where_they_do_not_follow() {
        let capture = opened(&packed(frames(), true)).unwrap();
        let start = &capture.frames[0];
        assert!(!start.listings.contains_key("proc") && start.listings.contains_key("sys/block"));
        assert!(start.list("proc").unwrap().iter().any(|name| name == "8"));
        assert_eq!(start.list("sys/block").unwrap(), ["vda"]);
        assert_eq!(start.list("sys/none"), Err(Absence::missing("/sys/none")));
        assert_eq!(start.file("proc/8/stat").unwrap_err().kind, AbsenceKind::Vanished);
    }

    #[test]
    fn both_forms_give_back_what_was_recorded() {
        let bytes = packed(frames(), true);
        assert_eq!(bytes, packed(frames(), true));
        let capture = opened(&bytes).unwrap();
        assert_eq!(capture.meta, about());
        let mut expected = frames();
        expected.iter_mut().for_each(|frame| writer::tidy(frame, true));
        assert_eq!(capture.frames, expected);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar.gz");
        write_atomically(&file, &bytes).unwrap();
        assert_eq!(Capture::open(&file).unwrap().frames, expected);
        let unpacked = folder.path().join("x");
        tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..])).unpack(&unpacked).unwrap();
        let again = Capture::open(&unpacked).unwrap();
        assert_eq!((again.meta, again.frames), (about(), expected));
    }

    #[test]
    fn secrets_stay_out() {
        for (command_lines, expected) in [(true, 1), (false, 0)] {
            let capture = opened(&packed(frames(), command_lines)).unwrap();
            let start = &capture.frames[0];
            assert_eq!(start.files.keys().filter(|path| path.ends_with("line")).count(), expected);
            assert_eq!(start.absences["proc/7/environ"], AbsenceKind::Denied);
        }
    }

    #[test]
    fn a_cut_file_is_an_error_wherever_it_is_cut() {
        let bytes = packed(frames(), true);
        for length in (0..bytes.len()).step_by(97).chain(bytes.len() - 20..bytes.len()) {
            let error = opened(&bytes[..length]).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
        for at in (0..bytes.len()).step_by(31) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x55;
            let _ = opened(&flipped);
        }
    }

    #[test]
    fn garbage_is_not_a_capture() {
        for bytes in [&b""[..], b"\x1f", b"cpu 1 2 3\n", b"PK\x03\x04"] {
            assert!(matches!(opened(bytes), Err(CaptureError::NotACapture(..))));
        }
        assert!(matches!(opened(b"\x1f\x8bgarbage"), Err(CaptureError::Damaged(..))));
        assert!(opened(&one_entry(b"readme", tar::EntryType::Regular, 1, b"x")).is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Capture::open(folder.path()), Err(CaptureError::NotACapture(..))));
        assert!(matches!(Capture::open(&folder.path().join("x")), Err(CaptureError::Unreadable(..))));
        fs::write(folder.path().join(META), "{}").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("x")).unwrap();
        assert!(matches!(Capture::open(folder.path()), Err(CaptureError::Unsafe(_))));
    }

    #[test]
    fn what_meta_says_is_checked() {
        let meta = |text: &str| {
            let bytes = one_entry(b"meta.json", tar::EntryType::Regular, text.len() as u64, text.as_bytes());
            opened(&bytes).unwrap_err()
        };
        assert!(matches!(meta(r#"{"format": 2, "anything": 1}"#), CaptureError::Newer(2)));
        assert!(matches!(meta("{}"), CaptureError::NotACapture(..)));
        assert!(matches!(meta("[[[["), CaptureError::NotACapture(..)));
        let quoting = meta(r#"{"format": "a\nb\u001b[2J"}"#).to_string();
        assert!(quoting.contains("is not a capture") && !quoting.contains(['\n', '\x1b']), "{quoting}");
        let mut only_start = frames();
        only_start.truncate(1);
        assert!(matches!(opened(&packed(only_start, true)), Err(CaptureError::NoEnd("end"))));
        let text = serde_json::json!({"format": 1, "diag": "0", "host": about().host, "note": null,
            "started_at": about().started_at, "ended_at": about().ended_at, "interrupted": false,
            "frames": [{"directory": "0000-later", "kind": "later", "at_nanoseconds": 0}]});
        assert!(matches!(meta(&text.to_string()), CaptureError::UnknownFrame(kind) if kind == "later"));
    }
}
