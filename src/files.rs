//! Atomic writing: a file is written whole or not at all.
#![allow(clippy::disallowed_methods, reason = "this is where files are written")]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {0:?}: {1}; choose another path")]
pub struct Unwritable(pub PathBuf, #[source] pub io::Error);

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone.
    Owner,
    /// Any user of the machine.
    Everybody,
}

/// Writes `bytes` to `path`, readable by its owner only, so that either all of it is there or nothing.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Unwritable> {
    write_atomically_for(Access::Owner, path, bytes)
}

/// The same, readable by whom `access` says, whatever the umask.
pub fn write_atomically_for(access: Access, path: &Path, bytes: &[u8]) -> Result<(), Unwritable> {
    write(path, bytes, access, true)
}

/// The same for what is written over and over and read by others: readable by all, and without waiting for the disk. It
/// need not last through a power cut, and a run that watches a slow disk must not queue for it.
pub fn write_readable(path: &Path, bytes: &[u8]) -> Result<(), Unwritable> {
    write(path, bytes, Access::Everybody, false)
}

fn write(path: &Path, bytes: &[u8], access: Access, sync: bool) -> Result<(), Unwritable> {
    let fail = |error| Unwritable(path.to_owned(), error);
    // Renaming over `/dev/null` or a terminal would replace it, as root even successfully.
    if fs::metadata(path).is_ok_and(|target| !target.is_file()) {
        return Err(fail(io::Error::other("it is not a regular file")));
    }
    let name = path.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(&temporary) {
        // Left by a run of this id that was killed meanwhile; in a container that is every run.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&temporary).and_then(|()| options.open(&temporary)).map_err(fail)?
        }
        opened => opened.map_err(fail)?,
    };
    let written = file.write_all(bytes).and_then(|()| {
        if access == Access::Everybody {
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        if sync { file.sync_all() } else { Ok(()) }
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        fail(error)
    })?;
    if !sync {
        return Ok(());
    }
    // The file is whole either way; this makes its name last through a power cut.
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_is_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        write_atomically_for(Access::Everybody, &file, b"three").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(write_atomically(&folder.path().join("no/x"), b"").is_err());
        assert!(write_atomically(folder.path(), b"").is_err());
        assert!(write_atomically(Path::new("/dev/null"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
