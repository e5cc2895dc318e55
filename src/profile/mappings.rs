//! What is mapped where in a process: its program, its libraries, code that a runtime wrote.
//!
//! From `/proc/PID/maps` (proc_pid_maps(5)) when a process is met, and from PERF_RECORD_MMAP2 (perf_event_open(2)) while
//! it is watched. Executable mappings only. The names in both are chosen by the user of the process.

use crate::model::task::Pid;
use std::fs::File;
use std::io::{self, Read};

/// Mappings that are kept of one process: the kernel's own default limit (`vm.max_map_count`), and not more where an
/// administrator has lifted it.
const MAPPINGS_MAX: usize = 65_536;

/// Bytes that are read of one `/proc/PID/maps`.
const MAPS_BYTES_MAX: u64 = 64 << 20;

/// A file, as the kernel tells files apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Major number of its device.
    pub device_major: u32,
    /// Minor number of its device.
    pub device_minor: u32,
    /// Inode.
    pub inode: u64,
}

/// One executable mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Where in the file its first byte is.
    pub file_offset: u64,
    /// Path in the process's mount namespace, or `[vdso]`, `//anon`, nothing.
    pub path: Vec<u8>,
    /// Its file; none for memory without one.
    pub file: Option<FileId>,
}

/// What the kernel appends to the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

impl Mapping {
    /// Whether an address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Where in the file the byte at this address is.
    pub fn file_offset_of(&self, address: u64) -> Option<u64> {
        self.file_offset.checked_add(address.checked_sub(self.start)?)
    }

    /// Whether it is the code that the kernel lends every process.
    pub fn is_vdso(&self) -> bool {
        self.path == b"[vdso]"
    }

    /// Whether its file has no name any more.
    pub fn is_deleted(&self) -> bool {
        self.path.ends_with(DELETED)
    }

    /// Its path without the mark of a deleted file; none where it is no path.
    pub fn file_path(&self) -> Option<&[u8]> {
        let path = self.path.strip_suffix(DELETED).unwrap_or(&self.path);
        (path.starts_with(b"/") && !path.starts_with(b"//")).then_some(path)
    }

    /// Memory that is no file: where runtimes put the code that they compile.
    pub fn is_anonymous(&self) -> bool {
        self.file.is_none() && !self.path.starts_with(b"[v")
            || [&b"/memfd:"[..], b"/dev/zero", b"/SYSV", b"//", b"/anon_hugepage"]
                .iter()
                .any(|start| self.path.starts_with(start))
    }
}

/// The executable mappings of one process, by address, none over another.
#[derive(Debug, Clone, Default)]
pub struct AddressSpace {
    mappings: Vec<Mapping>,
}

impl AddressSpace {
    /// Reads `/proc/PID/maps`.
    ///
    /// # Errors
    ///
    /// When the process has gone, or is none of ours.
    pub fn read(pid: Pid) -> io::Result<Self> {
        let mut text = Vec::new();
        File::open(format!("/proc/{pid}/maps"))?.take(MAPS_BYTES_MAX).read_to_end(&mut text)?;
        let mut space = Self::default();
        for mapping in Self::parse(&text) {
            space.add(mapping);
        }
        Ok(space)
    }

    /// The executable mappings of a text like `/proc/PID/maps`; lines that are none are skipped.
    pub fn parse(text: &[u8]) -> Vec<Mapping> {
        text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
    }

    /// Puts a mapping in, over what was there: the part of an old mapping that is not covered stays.
    pub fn add(&mut self, mapping: Mapping) {
        if mapping.start >= mapping.end {
            return;
        }
        let first = self.mappings.partition_point(|known| known.end <= mapping.start);
        let after = self.mappings.partition_point(|known| known.start < mapping.end).max(first);
        let mut pieces = Vec::with_capacity(3);
        if let Some(old) = self.mappings.get(first)
            && first < after
            && old.start < mapping.start
        {
            pieces.push(Mapping { end: mapping.start, ..old.clone() });
        }
        let rest = after
            .checked_sub(1)
            .filter(|last| *last >= first)
            .and_then(|last| self.mappings.get(last))
            .filter(|old| old.end > mapping.end)
            .map(|old| Mapping {
                start: mapping.end,
                file_offset: old.file_offset.wrapping_add(mapping.end - old.start),
                ..old.clone()
            });
        pieces.push(mapping);
        pieces.extend(rest);
        if self.mappings.len() + pieces.len() <= MAPPINGS_MAX + (after - first) {
            self.mappings.splice(first..after, pieces);
        }
    }

    /// The mapping that an address lies in.
    pub fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|known| known.start <= address);
        self.mappings.get(after.checked_sub(1)?).filter(|mapping| mapping.contains(address))
    }

    /// All of them, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter()
    }
}

fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let tail = rest.get(start..)?;
        let length = tail.iter().position(|byte| *byte == b' ').unwrap_or(tail.len());
        let (field, after) = tail.split_at_checked(length)?;
        rest = after;
        std::str::from_utf8(field).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let permissions = field()?;
    let file_offset = field()?;
    let (major, minor) = field()?.split_once(':')?;
    let inode: u64 = field()?.parse().ok()?;
    if permissions.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let path_start = rest.iter().position(|byte| *byte != b' ');
    let path = path_start.and_then(|start| rest.get(start..)).unwrap_or(&[]);
    let file = FileId {
        device_major: u32::from_str_radix(major, 16).ok()?,
        device_minor: u32::from_str_radix(minor, 16).ok()?,
        inode,
    };
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        file_offset: u64::from_str_radix(file_offset, 16).ok()?,
        path: unescape(path),
        file: (inode != 0).then_some(file),
    })
}

/// The kernel writes a newline of a name as `\012`, and nothing else differently: a name that has these four characters
/// cannot be distinguished from it, and is then found to be another file by its inode.
fn unescape(path: &[u8]) -> Vec<u8> {
    const NEWLINE: &[u8] = b"\\012";
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(NEWLINE) {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAPS: &[u8] = b"\
55e0c0e7e000-55e0c0e80000 r--p 00000000 fd:00 1311                       /usr/bin/cat
55e0c0e80000-55e0c0e85000 r-xp 00002000 fd:00 1311                       /usr/bin/cat
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 
7f0000002000-7f0000003000 r-xp 00000000 00:01 2055                       /memfd:double mapper (deleted)
7f7de8400000-7f7de8428000 r-xp 00028000 103:1a 5001                      /opt/a b\\012c/lib.so (deleted)
7ffd3d7c0000-7ffd3d7c2000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    fn piece(start: u64, end: u64, file_offset: u64, inode: u64) -> Mapping {
        let file = FileId { device_major: 1, device_minor: 1, inode };
        Mapping { start, end, file_offset, path: b"/x".to_vec(), file: Some(file) }
    }

    fn shape(space: &AddressSpace) -> Vec<(u64, u64, u64, u64)> {
        space.iter().map(|m| (m.start, m.end, m.file_offset, m.file.map_or(0, |f| f.inode))).collect()
    }

    #[test]
    fn executable_mappings_are_read_with_their_odd_names() {
        let mappings = AddressSpace::parse(MAPS);
        assert_eq!(mappings.len(), 6);
        assert_eq!(mappings[0].path, b"/usr/bin/cat");
        assert_eq!(mappings[0].file_offset_of(0x55e0_c0e8_0010), Some(0x2010));
        assert!(mappings[1].is_anonymous() && mappings[1].path.is_empty());
        assert!(mappings[2].is_anonymous() && mappings[2].file.is_some());
        assert_eq!(mappings[3].file_path(), Some(&b"/opt/a b\nc/lib.so"[..]));
        assert!(mappings[3].is_deleted() && !mappings[3].is_anonymous());
        let id = mappings[3].file.unwrap();
        assert_eq!((id.device_major, id.device_minor, id.inode), (0x103, 0x1a, 5001));
        assert!(mappings[4].is_vdso() && !mappings[4].is_anonymous());
        assert_eq!(mappings[4].file_path(), None);
    }

    #[test]
    fn a_new_mapping_cuts_what_it_lies_over() {
        let mut space = AddressSpace::default();
        space.add(piece(100, 200, 0, 1));
        space.add(piece(300, 400, 0, 2));
        space.add(piece(120, 140, 7, 3));
        assert_eq!(shape(&space), [(100, 120, 0, 1), (120, 140, 7, 3), (140, 200, 40, 1), (300, 400, 0, 2)]);
        space.add(piece(130, 350, 9, 4));
        assert_eq!(shape(&space), [(100, 120, 0, 1), (120, 130, 7, 3), (130, 350, 9, 4), (350, 400, 50, 2)]);
        assert_eq!(space.find(129).unwrap().file.unwrap().inode, 3);
        assert!(space.find(99).is_none() && space.find(400).is_none());
        space.add(piece(500, 500, 0, 5));
        space.add(piece(0, u64::MAX, 0, 6));
        assert_eq!(shape(&space), [(0, u64::MAX, 0, 6)]);
    }

    #[test]
    fn this_process_has_a_mapping_for_its_own_code() {
        let pid = Pid::try_from(std::process::id()).unwrap();
        let space = AddressSpace::read(pid).unwrap();
        let here = this_process_has_a_mapping_for_its_own_code as *const () as u64;
        assert!(space.find(here).unwrap().file.is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = AddressSpace::parse(&text);
        }

        #[test]
        fn a_broken_text_is_survived(cut in 0usize..MAPS.len(), at in 0usize..MAPS.len(), byte in any::<u8>()) {
            let mut text = MAPS.to_vec();
            text[at] = byte;
            text.truncate(cut);
            let _ = AddressSpace::parse(&text);
        }

        #[test]
        fn mappings_never_overlap(pieces in proptest::collection::vec((0u64..60, 0u64..60, any::<u64>()), 0..40)) {
            let mut space = AddressSpace::default();
            for (start, end, offset) in pieces {
                space.add(piece(start, end, offset, 1));
                if start < end {
                    prop_assert_eq!(space.find(start).unwrap().file_offset, offset);
                }
            }
            let all: Vec<_> = space.iter().collect();
            prop_assert!(all.iter().all(|m| m.start < m.end));
            prop_assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
