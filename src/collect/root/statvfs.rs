//! Room of a mounted file system, statvfs(3), as a line of text: so it fits into a capture beside the files.

use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// Room and files of one mounted file system, as statvfs(3) counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Size.
    pub total_bytes: u64,
    /// Free, the part kept for root included.
    pub free_bytes: u64,
    /// Free for everybody.
    pub available_bytes: u64,
    /// Inodes; 0 where the file system makes them as it needs them.
    pub inodes_count: u64,
    /// Free inodes.
    pub free_inodes_count: u64,
}

/// The five numbers for the file system that `directory` is on.
pub(super) fn ask(directory: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let answer = rustix::fs::fstatvfs(directory)?;
    let bytes = |blocks: u64| blocks.saturating_mul(answer.f_frsize);
    let [total, free, available] = [answer.f_blocks, answer.f_bfree, answer.f_bavail].map(bytes);
    let text = format!("{total} {free} {available} {} {}\n", answer.f_files, answer.f_ffree);
    Ok(text.into_bytes())
}

/// What [`ask`] wrote.
pub(super) fn parse(bytes: &[u8]) -> Option<FileSystem> {
    let text = str::from_utf8(bytes).ok()?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [total_bytes, free_bytes, available_bytes, inodes_count, free_inodes_count] = numbers[..] else {
        return None;
    };
    Some(FileSystem { total_bytes, free_bytes, available_bytes, inodes_count, free_inodes_count })
}
