//! One moment of a window: every path that was looked at, with what it gave.

use crate::collect::root::id;
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
    /// Look at the threads of the process or unit that the run was asked about.
    Target,
    /// Look at the threads of the processes that did most so far.
    Watch,
    /// Full snapshot at the end.
    End,
}

impl FrameKind {
    pub(super) const ALL: [Self; 6] =
        [Self::Start, Self::Slice, Self::Sample, Self::Target, Self::Watch, Self::End];

    pub(super) fn word(self) -> &'static str {
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

    /// What an earlier read of a file within this moment gave; none where there was no read.
    pub(in crate::collect) fn seen_file(&self, path: &str) -> Option<Reading<Vec<u8>>> {
        let known = self.files.contains_key(path) || self.absences.contains_key(path);
        known.then(|| self.file(path).map(<[u8]>::to_vec))
    }

    /// The same of a link.
    pub(in crate::collect) fn seen_link(&self, path: &str) -> Option<Reading<String>> {
        let known = self.links.contains_key(path) || self.absences.contains_key(path);
        known.then(|| self.link(path))
    }

    /// The same of a directory.
    pub(in crate::collect) fn seen_listing(&self, path: &str) -> Option<Reading<Vec<String>>> {
        match self.listings.get(path) {
            Some(names) => Some(Ok(names.clone())),
            None => self.absences.contains_key(path).then(|| Err(self.absence(path))),
        }
    }

    /// Keeps the outcome of a read.
    pub(in crate::collect) fn note_file(&mut self, path: &str, outcome: Result<&[u8], &Absence>) {
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
    pub(in crate::collect) fn note_link(&mut self, path: &str, outcome: Result<&str, &Absence>) {
        match outcome {
            Ok(target) => {
                self.links.entry(path.to_owned()).or_insert_with(|| target.to_owned());
            }
            Err(absence) => self.note_absence(path, absence),
        }
    }

    /// Keeps the outcome of listing a directory.
    pub(in crate::collect) fn note_listing(&mut self, path: &str, outcome: Result<&[String], &Absence>) {
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
    pub(super) fn tidy(&mut self, command_lines: bool) {
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
                    FrameKind::Target | FrameKind::Watch => false,
                    _ => !follows(),
                }
        });
        self.listings = listings;
    }
}
