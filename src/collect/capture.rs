//! The capture format: raw kernel bytes of one window, so that better rules can diagnose it again later.
//!
//! A capture is a gzip-compressed tar archive, or the same unpacked as a directory: `meta.json` (host,
//! times, and for each frame what was absent, listed and linked) and one directory of raw files for each
//! frame, `0000-start/proc/stat`. Archives come from strangers: they are read into memory only, within
//! bounds, and names that could leave a directory, links and devices are refused.

use crate::collect::root::id;
use crate::model::host::Host;
use crate::model::reading::{Absence, AbsenceKind, Reading};
use crate::model::target::Asked;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version of the format that is written; older ones are read too.
const FORMAT: u32 = 1;
const META: &str = "meta.json";
const FILE_BYTES_MAX: u64 = 64 << 20;
const TOTAL_BYTES_MAX: u64 = 2 << 30;
const ENTRIES_COUNT_MAX: u64 = 4_000_000;
/// Longest name; the kernel's own limit for a path.
const NAME_BYTES_MAX: u64 = 4096;

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
    /// The file could not be written.
    #[error("cannot write {0:?}: {1}; choose another path")]
    Unwritable(PathBuf, io::Error),
    /// The archive could not be put together.
    #[error("cannot put the capture together: {0}; record the window again")]
    Unpackable(String),
}

/// What moment of the window a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Full snapshot at the start.
    Start,
    /// System counters in between.
    Slice,
    /// Sample of the thread states.
    Sample,
    /// Look at the threads of the process or unit that the run was asked about.
    Target,
    /// Full snapshot at the end.
    End,
}

impl FrameKind {
    const ALL: [Self; 5] = [Self::Start, Self::Slice, Self::Sample, Self::Target, Self::End];

    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Slice => "slice",
            Self::Sample => "sample",
            Self::Target => "target",
            Self::End => "end",
        }
    }
}

/// Every outcome of one moment, by path without the leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which moment.
    pub kind: FrameKind,
    /// Since the window's start.
    pub at: Duration,
    /// Raw bytes of files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What gave nothing, and why.
    pub absences: BTreeMap<String, AbsenceKind>,
    /// Names in directories, where they do not follow from the other paths.
    pub listings: BTreeMap<String, Vec<String>>,
    /// Targets of links.
    pub links: BTreeMap<String, String>,
}

impl Frame {
    /// A frame that holds nothing yet.
    pub fn new(kind: FrameKind, at: Duration) -> Self {
        let (files, absences, listings, links) = Default::default();
        Self { kind, at, files, absences, listings, links }
    }

    /// The bytes of a file, or why there are none.
    pub fn file(&self, path: &str) -> Reading<&[u8]> {
        self.files.get(path).map(Vec::as_slice).ok_or_else(|| self.absence(path))
    }

    /// The target of a link.
    pub fn link(&self, path: &str) -> Reading<String> {
        self.links.get(path).cloned().ok_or_else(|| self.absence(path))
    }

    /// The names in a directory: as listed, or as they follow from the other paths.
    pub fn list(&self, path: &str) -> Reading<Vec<String>> {
        if let Some(names) = self.listings.get(path) {
            return Ok(names.clone());
        }
        let children = self.children(path);
        if children.is_empty() {
            Err(self.absence(path))
        } else {
            Ok(children.into_iter().map(str::to_owned).collect())
        }
    }

    fn absence(&self, path: &str) -> Absence {
        Absence::new(format!("/{path}"), self.absences.get(path).cloned().unwrap_or(AbsenceKind::Missing))
    }

    fn children(&self, directory: &str) -> BTreeSet<&str> {
        fn below<'a, V>(map: &'a BTreeMap<String, V>, start: &str, names: &mut BTreeSet<&'a str>) {
            let from_start = (Bound::Included(start), Bound::Unbounded);
            let paths = map.range::<str, _>(from_start).map_while(|(path, _)| path.strip_prefix(start));
            names.extend(paths.filter_map(|path| path.split('/').next()));
        }
        let (start, mut names) = (format!("{directory}/"), BTreeSet::new());
        below(&self.files, &start, &mut names);
        below(&self.absences, &start, &mut names);
        below(&self.listings, &start, &mut names);
        below(&self.links, &start, &mut names);
        names
    }

    /// Keeps the outcome of a read.
    pub(super) fn note_file(&mut self, path: &str, outcome: Result<&[u8], &Absence>) {
        match outcome {
            Ok(bytes) if !self.files.contains_key(path) => {
                self.absences.remove(path);
                self.files.insert(path.to_owned(), bytes.to_owned());
            }
            Err(absence) if !self.files.contains_key(path) => self.note_absence(path, absence),
            _ => {}
        }
    }

    /// Keeps the outcome of reading a link.
    pub(super) fn note_link(&mut self, path: &str, outcome: Result<&str, &Absence>) {
        match outcome {
            Ok(target) => {
                self.links.entry(path.to_owned()).or_insert_with(|| target.to_owned());
            }
            Err(absence) => self.note_absence(path, absence),
        }
    }

    /// Keeps the outcome of listing a directory.
    pub(super) fn note_listing(&mut self, path: &str, outcome: Result<&[String], &Absence>) {
        match outcome {
            Ok(names) => {
                self.listings.entry(path.to_owned()).or_insert_with(|| names.to_owned());
            }
            Err(absence) => self.note_absence(path, absence),
        }
    }

    fn note_absence(&mut self, path: &str, absence: &Absence) {
        self.absences.entry(path.to_owned()).or_insert_with(|| absence.kind.clone());
    }

    /// Leaves out what must not or need not be stored.
    fn tidy(&mut self, command_lines: bool) {
        // Environments hold passwords, and none of them is part of a diagnosis.
        let secret = |path: &str| {
            let of_process = path.starts_with("proc/") && path.matches('/').count() > 1;
            of_process && (path.ends_with("/environ") || !command_lines && path.ends_with("/cmdline"))
        };
        let secrets: Vec<String> = self.files.keys().filter(|path| secret(path)).cloned().collect();
        for path in secrets {
            self.files.remove(&path);
            self.absences.insert(path, AbsenceKind::Denied);
        }
        // A full scan reads something of every process, so that the list of them is there twice. A sample
        // reads of a few only, and those are what its replay has to look at.
        let kind = self.kind;
        let processes = |path: &str| path == "proc" || path.starts_with("proc/") && path.ends_with("/task");
        let mut listings = std::mem::take(&mut self.listings);
        listings.retain(|path, names| {
            let is_id = |name: &&str| id(name.as_bytes()).is_some();
            let follows =
                || self.children(path).into_iter().filter(is_id).eq(names.iter().map(String::as_str));
            !processes(path)
                || match kind {
                    // Within a sample the threads are listed of a process that is new, and only of that.
                    FrameKind::Sample => path != "proc",
                    // What was looked at is there by its own files.
                    FrameKind::Target => false,
                    _ => !follows(),
                }
        });
        self.listings = listings;
    }
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
    /// What whoever recorded it wanted to say.
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
    /// Its frames in the order of recording; there is a start and an end among them.
    pub frames: Vec<Frame>,
}

#[derive(Serialize, Deserialize)]
struct StoredMeta {
    format: u32,
    diag: String,
    host: Host,
    started_at: Timestamp,
    ended_at: Timestamp,
    note: Option<String>,
    interrupted: bool,
    #[serde(default)]
    target: Option<Asked>,
    frames: Vec<StoredFrame>,
}

/// Read before the rest, which a later format may have changed.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredFrame {
    directory: String,
    kind: String,
    at_nanoseconds: u64,
    #[serde(default)]
    absences: BTreeMap<String, StoredAbsence>,
    #[serde(default)]
    listings: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "kebab-case")]
enum StoredAbsence {
    Missing,
    Denied,
    Vanished,
    TimedOut,
    Malformed(String),
    Failed(String),
}

impl From<AbsenceKind> for StoredAbsence {
    fn from(kind: AbsenceKind) -> Self {
        match kind {
            AbsenceKind::Missing => Self::Missing,
            AbsenceKind::Denied => Self::Denied,
            AbsenceKind::Vanished => Self::Vanished,
            AbsenceKind::TimedOut => Self::TimedOut,
            AbsenceKind::Malformed(detail) => Self::Malformed(detail),
            AbsenceKind::Failed(detail) => Self::Failed(detail),
        }
    }
}

impl From<StoredAbsence> for AbsenceKind {
    fn from(kind: StoredAbsence) -> Self {
        match kind {
            StoredAbsence::Missing => Self::Missing,
            StoredAbsence::Denied => Self::Denied,
            StoredAbsence::Vanished => Self::Vanished,
            StoredAbsence::TimedOut => Self::TimedOut,
            StoredAbsence::Malformed(detail) => Self::Malformed(detail),
            StoredAbsence::Failed(detail) => Self::Failed(detail),
        }
    }
}

/// Compresses frames as they come. All of it stays in memory until the end: a recording must not write
/// to a disk that may be what is sick.
pub struct CaptureWriter {
    archive: tar::Builder<GzEncoder<Vec<u8>>>,
    frames: Vec<StoredFrame>,
    command_lines: bool,
    bounds: Bounds,
    failure: Option<CaptureError>,
}

impl CaptureWriter {
    /// An empty capture; without `command_lines`, which may hold secrets, processes have only names.
    pub fn new(command_lines: bool) -> Self {
        // The fastest level: the box has other work to do, and counters compress well all the same.
        let archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        Self { archive, frames: Vec::new(), command_lines, bounds: Bounds::default(), failure: None }
    }

    /// Adds a frame. A failure is kept for [`CaptureWriter::finish`], so that no diagnosis stops for it.
    pub fn add(&mut self, mut frame: Frame) {
        frame.tidy(self.command_lines);
        let directory = format!("{:04}-{}", self.frames.len(), frame.kind.word());
        for (path, bytes) in &frame.files {
            if self.failure.is_none() {
                self.failure = self.append(&format!("{directory}/{path}"), bytes).err();
            }
        }
        self.frames.push(StoredFrame {
            directory,
            kind: frame.kind.word().to_owned(),
            at_nanoseconds: u64::try_from(frame.at.as_nanos()).unwrap_or(u64::MAX),
            absences: frame.absences.into_iter().map(|(path, kind)| (path, kind.into())).collect(),
            listings: frame.listings,
            links: frame.links,
        });
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), CaptureError> {
        let size = bytes.len() as u64;
        self.bounds.add(name, size)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        // Equal input gives equal bytes: no owner, no time.
        header.set_mode(0o644);
        header.set_mtime(0);
        self.archive.append_data(&mut header, name, bytes).map_err(unpackable)
    }

    /// Closes the archive and gives its bytes.
    pub fn finish(mut self, about: Meta) -> Result<Vec<u8>, CaptureError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let meta = StoredMeta {
            format: FORMAT,
            diag: env!("CARGO_PKG_VERSION").to_owned(),
            host: about.host,
            started_at: about.started_at,
            ended_at: about.ended_at,
            note: about.note,
            interrupted: about.interrupted,
            target: about.target,
            frames: std::mem::take(&mut self.frames),
        };
        let mut text = serde_json::to_vec(&meta).map_err(unpackable)?;
        text.push(b'\n');
        self.append(META, &text)?;
        self.archive.into_inner().and_then(GzEncoder::finish).map_err(unpackable)
    }
}

fn unpackable(error: impl ToString) -> CaptureError {
    CaptureError::Unpackable(error.to_string())
}

/// Writes `bytes` to `path`, readable by its owner only, so that either all of it is there or nothing.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), CaptureError> {
    let fail = |error| CaptureError::Unwritable(path.to_owned(), error);
    // Renaming over `/dev/null` or a terminal would replace it, as root even successfully.
    if fs::metadata(path).is_ok_and(|target| !target.is_file()) {
        return Err(fail(io::Error::other("it is not a regular file")));
    }
    let name = path.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary).map_err(fail)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        fail(error)
    })?;
    // The file is whole either way; this makes its name last through a power cut.
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// What has been read or written so far, against the bounds.
#[derive(Default)]
struct Bounds {
    entries_count: u64,
    bytes: u64,
}

impl Bounds {
    fn add(&mut self, name: &str, bytes: u64) -> Result<(), CaptureError> {
        self.entries_count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let too_large = |what: String| Err(CaptureError::TooLarge(what));
        match self {
            _ if bytes > FILE_BYTES_MAX => too_large(format!("{name:?} is over 64 MiB")),
            _ if self.bytes > TOTAL_BYTES_MAX => too_large("over 2 GiB unpacked".to_owned()),
            _ if self.entries_count > ENTRIES_COUNT_MAX => too_large("over 4 million files".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Files of a capture by frame directory.
type Files = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

impl Capture {
    /// Reads a capture: an archive, or a directory with the same files.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let unreadable = |error| CaptureError::Unreadable(path.to_owned(), error);
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            // Any other directory may hold gigabytes that would be read before that is said.
            if fs::symlink_metadata(path.join(META)).is_err() {
                return Err(CaptureError::NotACapture(path.to_owned(), format!("it has no {META}")));
            }
            return Self::assemble(read_directory(path)?, path);
        }
        Self::from_reader(fs::File::open(path).map_err(unreadable)?, path)
    }

    /// Reads an archive from any source; `path` is only what messages call it.
    pub fn from_reader(mut source: impl Read, path: &Path) -> Result<Self, CaptureError> {
        let mut magic = Vec::new();
        let unreadable = |error| CaptureError::Unreadable(path.to_owned(), error);
        source.by_ref().take(2).read_to_end(&mut magic).map_err(unreadable)?;
        if magic != [0x1f, 0x8b] {
            return Err(CaptureError::NotACapture(path.to_owned(), "it is not gzip-compressed".to_owned()));
        }
        let unpacked = MultiGzDecoder::new(io::Cursor::new(magic).chain(io::BufReader::new(source)));
        // Headers and padding count as well: they are what a bomb is made of.
        Self::assemble(read_archive(unpacked.take(2 * TOTAL_BYTES_MAX), path)?, path)
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
        Ok(Self { meta, diag_version, frames })
    }
}

/// The name of an entry with `./` left out; `None` for the top directory itself.
fn safe_name(name: &[u8]) -> Result<Option<String>, CaptureError> {
    let refuse = || CaptureError::Unsafe(format!("the name {:?}", String::from_utf8_lossy(name)));
    let text = str::from_utf8(name).map_err(|_| refuse())?;
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if text.starts_with('/') || text.contains('\0') || parts.contains(&"..") {
        return Err(refuse());
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

fn put(files: &mut Files, name: &str, bytes: Vec<u8>) {
    let (directory, path) = name.split_once('/').unwrap_or(("", name));
    files.entry(directory.to_owned()).or_default().insert(path.to_owned(), bytes);
}

fn read_archive(source: impl Read, path: &Path) -> Result<Files, CaptureError> {
    let damaged = |error: io::Error| {
        // Names of entries are in some of these texts.
        CaptureError::Damaged(path.to_owned(), error.to_string().escape_debug().to_string())
    };
    let mut archive = tar::Archive::new(source);
    let (mut files, mut bounds, mut long_name) = (Files::new(), Bounds::default(), None);
    // Raw, because the library would read extension headers of any size into memory.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let extension = kind.is_gnu_longname() || kind.is_pax_local_extensions();
        if extension && entry.size() > NAME_BYTES_MAX {
            return Err(CaptureError::Unsafe("a name of over 4096 bytes".to_owned()));
        }
        if kind.is_gnu_longname() {
            let mut name = Vec::new();
            entry.read_to_end(&mut name).map_err(damaged)?;
            name.pop_if(|last| *last == 0);
            long_name = Some(name);
            continue;
        }
        if kind.is_pax_local_extensions() {
            let fields = entry.pax_extensions().map_err(damaged)?.into_iter().flatten().flatten();
            long_name =
                fields.filter(|field| field.key_bytes() == b"path").last().map(|f| f.value_bytes().to_vec());
            continue;
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let name = safe_name(&name)?;
        if !kind.is_file() && !kind.is_dir() {
            let text = format!("{:?}, which is a link or device", name.unwrap_or_default());
            return Err(CaptureError::Unsafe(text));
        }
        let name = name.unwrap_or_default();
        bounds.add(&name, entry.size())?;
        if kind.is_file() {
            let size = entry.size();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(damaged)?;
            if bytes.len() as u64 != size {
                return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
            }
            put(&mut files, &name, bytes);
        }
    }
    // The checksum comes after the end of the archive.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(files)
}

fn read_directory(top: &Path) -> Result<Files, CaptureError> {
    let (mut files, mut bounds) = (Files::new(), Bounds::default());
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        let unreadable = |error| CaptureError::Unreadable(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            let unreadable = |error| CaptureError::Unreadable(path.clone(), error);
            let below = path.strip_prefix(top).unwrap_or(&path);
            let name = safe_name(below.as_os_str().as_encoded_bytes())?.unwrap_or_default();
            if kind.is_dir() {
                bounds.add(&name, 0)?;
                open.push(path);
            } else if kind.is_file() {
                let mut bytes = Vec::new();
                let file = fs::File::open(&path).map_err(unreadable)?;
                file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
                bounds.add(&name, bytes.len() as u64)?;
                put(&mut files, &name, bytes);
            } else {
                return Err(CaptureError::Unsafe(format!("{name:?}, which is a link or device")));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        writer.finish(about()).unwrap()
    }

    fn opened(bytes: &[u8]) -> Result<Capture, CaptureError> {
        Capture::from_reader(bytes, Path::new("x.tar.gz"))
    }

    /// An archive of one entry, made below the level at which the library refuses names.
    fn archive(name: &[u8], kind: tar::EntryType, size: u64, data: &[u8]) -> Vec<u8> {
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
    fn both_forms_give_back_what_was_recorded() {
        let bytes = packed(frames(), true);
        assert_eq!(bytes, packed(frames(), true));
        let capture = opened(&bytes).unwrap();
        assert_eq!(capture.meta, about());
        let mut expected = frames();
        expected.iter_mut().for_each(|frame| frame.tidy(true));
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
    fn hostile_archives_are_refused() {
        use tar::EntryType;
        let refused = |bytes: &[u8]| opened(bytes).unwrap_err();
        for name in [&b"/etc/passwd"[..], b"../x", b"0000-start/../../x", b"a/..", b"\xff\x1b[2J"] {
            let error = refused(&archive(name, EntryType::Regular, 1, b"x"));
            assert!(matches!(error, CaptureError::Unsafe(_)), "{error}");
            assert!(!error.to_string().contains(['\n', '\x1b']), "{error}");
        }
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::GNUSparse]
        {
            assert!(matches!(refused(&archive(b"a/b", kind, 0, b"")), CaptureError::Unsafe(_)));
        }
        let huge = archive(b"a/b", EntryType::Regular, FILE_BYTES_MAX + 1, b"");
        assert!(matches!(refused(&huge), CaptureError::TooLarge(_)));
        let long = archive(b"././@LongLink", EntryType::GNULongName, 1 << 30, b"x");
        assert!(matches!(refused(&long), CaptureError::Unsafe(_)));
        let short = archive(b"a/b", EntryType::Regular, 9000, b"x");
        assert!(matches!(refused(&short), CaptureError::Damaged(..)));
    }

    #[test]
    fn garbage_is_not_a_capture() {
        for bytes in [&b""[..], b"\x1f", b"cpu 1 2 3\n", b"PK\x03\x04"] {
            assert!(matches!(opened(bytes), Err(CaptureError::NotACapture(..))));
        }
        assert!(matches!(opened(b"\x1f\x8bgarbage"), Err(CaptureError::Damaged(..))));
        assert!(opened(&archive(b"readme", tar::EntryType::Regular, 1, b"x")).is_err());
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
            let bytes = archive(b"meta.json", tar::EntryType::Regular, text.len() as u64, text.as_bytes());
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

    #[test]
    fn writing_is_all_or_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_atomically(&folder.path().join("no/x"), b"").is_err());
        assert!(write_atomically(folder.path(), b"").is_err());
        assert!(write_atomically(Path::new("/dev/null"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
