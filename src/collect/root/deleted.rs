//! What a deleted file that is still open holds, as a line of text: so it fits into a capture beside the files.

use rustix::fs::Stat;

/// Bytes of a block of `st_blocks`, stat(2).
const BLOCK_BYTES: u64 = 512;

/// The room that an open file holds; nothing for one that still has a name.
pub(super) fn describe(stat: &Stat) -> Vec<u8> {
    if stat.st_nlink > 0 {
        return Vec::new();
    }
    let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
    format!("{}\n", blocks.saturating_mul(BLOCK_BYTES)).into_bytes()
}
