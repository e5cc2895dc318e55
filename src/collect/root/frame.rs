//! One moment of a recorded window: every path that was read, with its outcome. A frame can stand behind a
//! [`Root`](super::Root) in place of the live system.

use crate::model::reading::{Absence, AbsenceKind, Reading};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

/// What moment of the window a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Full snapshot at the start.
    Start,
    /// System counters in between.
    Slice,
    /// Sample of the thread states.
    Sample,
    /// Sample of the threads of the process or unit given by `--pid` or `--unit`.
    Target,
    /// Sample of the threads of the busiest processes.
    Watch,
    /// Full snapshot at the end.
    End,
}

impl FrameKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Start, Self::Slice, Self::Sample, Self::Target, Self::Watch, Self::End];

    /// Its name in a capture.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Slice => "slice",
            Self::Sample => "sample",
            Self::Target => "target",
            Self::Watch => "watch",
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

    /// Names that follow from the paths below a directory.
    pub fn children(&self, directory: &str) -> BTreeSet<&str> {
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

    /// What an earlier read of a file within this moment gave; none where there was no read.
    pub(super) fn seen_file(&self, path: &str) -> Option<Reading<Vec<u8>>> {
        let known = self.files.contains_key(path) || self.absences.contains_key(path);
        known.then(|| self.file(path).map(<[u8]>::to_vec))
    }

    /// The same of a link.
    pub(super) fn seen_link(&self, path: &str) -> Option<Reading<String>> {
        let known = self.links.contains_key(path) || self.absences.contains_key(path);
        known.then(|| self.link(path))
    }

    /// The same of a directory.
    pub(super) fn seen_listing(&self, path: &str) -> Option<Reading<Vec<String>>> {
        match self.listings.get(path) {
            Some(names) => Some(Ok(names.clone())),
            None => self.absences.contains_key(path).then(|| Err(self.absence(path))),
        }
    }

    /// Keeps the outcome of a read.
    pub fn note_file(&mut self, path: &str, outcome: Result<&[u8], &Absence>) {
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
    pub fn note_link(&mut self, path: &str, outcome: Result<&str, &Absence>) {
        match outcome {
            Ok(target) => {
                self.links.entry(path.to_owned()).or_insert_with(|| target.to_owned());
            }
            Err(absence) => self.note_absence(path, absence),
        }
    }

    /// Keeps the outcome of listing a directory.
    pub fn note_listing(&mut self, path: &str, outcome: Result<&[String], &Absence>) {
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
}
