//! The captures of `--trigger`: written beside the run, and never more than was asked for.

use super::mailbox::{Mailbox, Taken};
use crate::capture::{CaptureWriter, Meta};
use crate::files::write_atomically;
use crate::model::watch::Resource;
use crate::watch::warn;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All captures together; house value.
const BYTES_MAX: u64 = 64 << 20;

/// What the names begin and end with; nothing else is ever removed.
const BEGINS: &str = "diag-trigger-";
const ENDS: &str = ".diag";

/// A capture that is still to be written.
pub(crate) struct Kept {
    pub(crate) file: PathBuf,
    pub(crate) writer: CaptureWriter,
    pub(crate) about: Meta,
}

/// Refuses a directory that cannot take any.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).with_context(|| {
        format!("cannot write to {}; choose a directory that exists and is yours", folder.display())
    })
}

/// `diag-trigger-20260102T030405Z-cpu.diag`: their order by name is that by time.
pub(crate) fn name(at: Timestamp, resource: Resource) -> String {
    format!("{BEGINS}{}-{}{ENDS}", at.strftime("%Y%m%dT%H%M%SZ"), resource.word())
}

/// Writes each capture that comes, and removes what is too many.
pub(crate) fn serve(folder: &Path, keep: usize, mailbox: &Arc<Mailbox<Kept>>) {
    while let Taken::Letter(Kept { file, writer, about }) = mailbox.take(None) {
        let written = writer
            .finish(about, None)
            .map_err(|error| error.to_string())
            .and_then(|bytes| write_atomically(&file, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            warn(&error);
        }
        if let Err(error) = prune(folder, keep) {
            warn(&format!("cannot remove old captures in {}: {error}", folder.display()));
        }
    }
}

/// Removes the oldest captures until no more than `keep` are left, and none beyond the size.
fn prune(folder: &Path, keep: usize) -> std::io::Result<()> {
    let mut captures: Vec<(PathBuf, u64)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(is_ours);
        if ours && entry.file_type()?.is_file() {
            captures.push((entry.path(), entry.metadata()?.len()));
        }
    }
    captures.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    let mut sum = 0_u64;
    for (index, (file, bytes)) in captures.iter().enumerate() {
        sum = sum.saturating_add(*bytes);
        // The newest stays, whatever its size.
        if index >= keep.max(1) || (index > 0 && sum > BYTES_MAX) {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let middle = name.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(ENDS));
    middle.is_some_and(|middle| {
        middle.split_once('-').is_some_and(|(time, resource)| {
            time.len() == 16
                && time.bytes().all(|b| b.is_ascii_digit() || b == b'T' || b == b'Z')
                && ["cpu", "io", "memory"].contains(&resource)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let at = |second: i64| Timestamp::from_second(1_767_323_045 + second).unwrap();
        assert_eq!(name(at(0), Resource::Io), "diag-trigger-20260102T030405Z-io.diag");
        let names: Vec<String> = (0..5).map(|second| name(at(second), Resource::Cpu)).collect();
        names.iter().for_each(|name| std::fs::write(path(name), "x").unwrap());
        let others = ["notes.diag", "diag-trigger-x-cpu.diag", "diag-trigger-20260102T030405Z-cpu.diag.bak"];
        others.iter().for_each(|name| std::fs::write(path(name), "x").unwrap());
        prune(folder.path(), 2).unwrap();
        let left = names.iter().filter(|name| path(name).exists()).collect::<Vec<_>>();
        assert_eq!(left, [&names[3], &names[4]]);
        assert!(others.iter().all(|name| path(name).exists()));
        // A sparse file: what counts is what it says of itself.
        std::fs::File::create(path(&names[4])).unwrap().set_len(BYTES_MAX + 1).unwrap();
        prune(folder.path(), 2).unwrap();
        assert!(path(&names[4]).exists() && !path(&names[3]).exists());
    }
}
