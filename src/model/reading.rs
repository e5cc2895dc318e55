//! A reading of the kernel: data, or why there is none. Absent is never zero.

use std::fmt;

/// What a read of one kernel file gave.
pub type Reading<T> = Result<T, Absence>;

/// Why a kernel file gave no data, with the path that was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct Absence {
    /// Path as the kernel names it (`/proc/pressure/cpu`), whatever root it was read under.
    pub path: String,
    /// What kind of nothing it was.
    pub kind: AbsenceKind,
}

impl Absence {
    /// An absence of `kind` at `path`.
    pub fn new(path: impl Into<String>, kind: AbsenceKind) -> Self {
        Self { path: path.into(), kind }
    }

    /// The file was read, but its text is not what the kernel documents.
    pub fn malformed(path: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new(path, AbsenceKind::Malformed(detail.to_string()))
    }

    /// The file does not exist here: an older kernel, or a feature that is off.
    pub fn missing(path: impl Into<String>) -> Self {
        Self::new(path, AbsenceKind::Missing)
    }
}

/// The kinds of absence that a diagnosis must tell apart, because each has another remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbsenceKind {
    /// No such file: the kernel is older, or the feature is off (ENOENT, ENOTSUP).
    Missing,
    /// The rights do not suffice (EACCES, EPERM).
    Denied,
    /// The process ended between being listed and being read (ESRCH).
    Vanished,
    /// The read did not come back before its deadline.
    TimedOut,
    /// The text is not what the kernel documents.
    Malformed(String),
    /// Any other error, in the system's words.
    Failed(String),
}

impl fmt::Display for AbsenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not there"),
            Self::Denied => f.write_str("permission denied"),
            Self::Vanished => f.write_str("the process has ended"),
            Self::TimedOut => f.write_str("no answer before the deadline"),
            Self::Malformed(detail) => write!(f, "unexpected text: {detail}"),
            Self::Failed(detail) => f.write_str(detail),
        }
    }
}
