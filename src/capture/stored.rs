//! `meta.json` as it is stored: what a capture is about, and of every frame all but its files.

use crate::model::host::Host;
use crate::model::reading::AbsenceKind;
use crate::model::target::Asked;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredMeta {
    pub(super) format: u32,
    pub(super) diag: String,
    pub(super) host: Host,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) note: Option<String>,
    pub(super) interrupted: bool,
    #[serde(default)]
    pub(super) target: Option<Asked>,
    pub(super) frames: Vec<StoredFrame>,
}

/// Read before the rest, which a later format may have changed.
#[derive(Deserialize)]
pub(super) struct Format {
    pub(super) format: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredFrame {
    pub(super) directory: String,
    pub(super) kind: String,
    pub(super) at_nanoseconds: u64,
    #[serde(default)]
    pub(super) absences: BTreeMap<String, StoredAbsence>,
    #[serde(default)]
    pub(super) listings: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) links: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "kebab-case")]
pub(super) enum StoredAbsence {
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
