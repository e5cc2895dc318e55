//! Reads the files of a capture into memory. They come from strangers: within bounds, and no name that leads out of the
//! archive, no link and no device.

use super::CaptureError;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

const FILE_BYTES_MAX: u64 = 64 << 20;
const TOTAL_BYTES_MAX: u64 = 2 << 30;
const ENTRIES_COUNT_MAX: u64 = 4_000_000;
/// Longest name; the kernel's own limit for a path.
const NAME_BYTES_MAX: u64 = 4096;

/// What has been read or written so far, against the bounds.
#[derive(Default)]
pub(super) struct Bounds {
    entries_count: u64,
    bytes: u64,
}

impl Bounds {
    pub(super) fn add(&mut self, name: &str, bytes: u64) -> Result<(), CaptureError> {
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
pub(super) type Files = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

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

/// The files of a gzip-compressed archive.
pub(super) fn compressed(mut source: impl Read, path: &Path) -> Result<Files, CaptureError> {
    let mut magic = Vec::new();
    let unreadable = |error| CaptureError::Unreadable(path.to_owned(), error);
    source.by_ref().take(2).read_to_end(&mut magic).map_err(unreadable)?;
    if magic != [0x1f, 0x8b] {
        return Err(CaptureError::NotACapture(path.to_owned(), "it is not gzip-compressed".to_owned()));
    }
    let unpacked = MultiGzDecoder::new(io::Cursor::new(magic).chain(io::BufReader::new(source)));
    // Headers and padding count as well: they are what a bomb is made of.
    archive(unpacked.take(2 * TOTAL_BYTES_MAX), path)
}

fn archive(source: impl Read, path: &Path) -> Result<Files, CaptureError> {
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

/// The files below a directory.
pub(super) fn directory(top: &Path) -> Result<Files, CaptureError> {
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
    use crate::capture::tests::{one_entry, opened};

    #[test]
    fn hostile_archives_are_refused() {
        use tar::EntryType;
        let refused = |bytes: &[u8]| opened(bytes).unwrap_err();
        for name in [&b"/etc/passwd"[..], b"../x", b"0000-start/../../x", b"a/..", b"\xff\x1b[2J"] {
            let error = refused(&one_entry(name, EntryType::Regular, 1, b"x"));
            assert!(matches!(error, CaptureError::Unsafe(_)), "{error}");
            assert!(!error.to_string().contains(['\n', '\x1b']), "{error}");
        }
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::GNUSparse]
        {
            assert!(matches!(refused(&one_entry(b"a/b", kind, 0, b"")), CaptureError::Unsafe(_)));
        }
        let huge = one_entry(b"a/b", EntryType::Regular, FILE_BYTES_MAX + 1, b"");
        assert!(matches!(refused(&huge), CaptureError::TooLarge(_)));
        let long = one_entry(b"././@LongLink", EntryType::GNULongName, 1 << 30, b"x");
        assert!(matches!(refused(&long), CaptureError::Unsafe(_)));
        let short = one_entry(b"a/b", EntryType::Regular, 9000, b"x");
        assert!(matches!(refused(&short), CaptureError::Damaged(..)));
    }
}
