//! Frames become a compressed archive.

use super::reader::Bounds;
use super::stored::{StoredFrame, StoredMeta};
use super::{CaptureError, FORMAT, META, Meta, SAMPLES, redact};
use crate::collect::root::{Frame, FrameKind, Recorder};
use crate::model::profile::Samples;
use crate::model::reading::AbsenceKind;
use crate::model::task::parse_pid;
use crate::redact::Redactor;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses frames as they come. All of it stays in memory until the end: a recording must not write
/// to a disk that may be what is sick.
pub struct CaptureWriter {
    archive: tar::Builder<GzEncoder<Vec<u8>>>,
    frames: Vec<StoredFrame>,
    command_lines: bool,
    redactor: Option<Redactor>,
    bounds: Bounds,
    failure: Option<CaptureError>,
}

impl CaptureWriter {
    /// An empty capture; without `command_lines`, which may hold secrets, processes have only names.
    pub fn new(command_lines: bool) -> Self {
        // The fastest level: the box has other work to do, and counters compress well all the same.
        let archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        Self {
            archive,
            frames: Vec::new(),
            command_lines,
            redactor: None,
            bounds: Bounds::default(),
            failure: None,
        }
    }

    /// From now on names are replaced by those of `redactor`, which must be of the style for raw files.
    pub fn redact(&mut self, redactor: Redactor) {
        self.redactor = Some(redactor);
    }

    /// Adds a frame. A failure is kept for [`CaptureWriter::finish`]: it does not stop the diagnosis.
    pub fn add(&mut self, mut frame: Frame) {
        tidy(&mut frame, self.command_lines);
        if let Some(redactor) = &mut self.redactor {
            redact::frame(redactor, &mut frame);
        }
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
    pub fn finish(mut self, mut about: Meta, samples: Option<&Samples>) -> Result<Vec<u8>, CaptureError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut changed = None;
        if let Some(redactor) = &mut self.redactor {
            redact::about(redactor, &mut about);
            changed = samples.map(|samples| redactor.samples(samples));
        }
        let samples = changed.as_ref().or(samples);
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
        if let Some(samples) = samples {
            let text = serde_json::to_vec(samples).map_err(unpackable)?;
            self.append(SAMPLES, &text)?;
        }
        let mut text = serde_json::to_vec(&meta).map_err(unpackable)?;
        text.push(b'\n');
        self.append(META, &text)?;
        self.archive.into_inner().and_then(GzEncoder::finish).map_err(unpackable)
    }
}

impl Recorder for CaptureWriter {
    fn add(&mut self, frame: Frame) {
        CaptureWriter::add(self, frame);
    }
}

/// Leaves out what must not be stored, and listings that follow from the other paths.
pub(super) fn tidy(frame: &mut Frame, command_lines: bool) {
    // Environments may hold passwords, and no rule reads them.
    let is_secret = |path: &str| {
        let of_process = path.starts_with("proc/") && path.matches('/').count() > 1;
        of_process && (path.ends_with("/environ") || !command_lines && path.ends_with("/cmdline"))
    };
    let secrets: Vec<String> = frame.files.keys().filter(|path| is_secret(path)).cloned().collect();
    for path in secrets {
        frame.files.remove(&path);
        frame.absences.insert(path, AbsenceKind::Denied);
    }
    // A full scan reads a file of every process, so the listing repeats those paths. A sample reads only a few
    // processes, and its replay must read the same ones.
    let kind = frame.kind;
    let lists_tasks = |path: &str| path == "proc" || path.starts_with("proc/") && path.ends_with("/task");
    let mut listings = std::mem::take(&mut frame.listings);
    listings.retain(|path, names| {
        let is_id = |name: &&str| parse_pid(name.as_bytes()).is_some();
        let follows = || frame.children(path).into_iter().filter(is_id).eq(names.iter().map(String::as_str));
        !lists_tasks(path)
            || match kind {
                // A sample lists the threads of new processes only.
                FrameKind::Sample => path != "proc",
                // The files of each sampled thread are in the frame.
                FrameKind::Target | FrameKind::Watch => false,
                _ => !follows(),
            }
    });
    frame.listings = listings;
}

fn unpackable(error: impl ToString) -> CaptureError {
    CaptureError::Unpackable(error.to_string())
}
