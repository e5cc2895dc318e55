//! ELF files (elf(5)): their segments and sections, read piece by piece.
//!
//! Never mapped into memory: a mapped file that is truncated meanwhile ends the process that reads it. Every offset and
//! size in such a file is hostile; what does not fit is not read.

use object::elf::{FileHeader32, FileHeader64, NT_GNU_BUILD_ID, PF_X, PT_LOAD, SHF_EXECINSTR, SHT_NOBITS};
use object::pod::{Pod, slice_from_bytes};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endian, Endianness};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes that are read of one section: more than the symbol table of a browser has.
pub(super) const SECTION_BYTES_MAX: u64 = 192 << 20;
/// Program and section headers of one file: 65,535 sections, as many as fit without tricks.
const HEADERS_BYTES_MAX: u64 = 4 << 20;
/// Bytes of one note or debug link.
const NOTE_BYTES_MAX: u64 = 4096;

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Bytes {
    /// In an opened file.
    File(File),
    /// In memory, for what is no file.
    Memory(Vec<u8>),
}

impl Bytes {
    /// Exactly so many bytes, or none.
    pub(super) fn read(&self, offset: u64, size: u64) -> Option<Vec<u8>> {
        let available = self.length()?.checked_sub(offset)?;
        if size > available || size > SECTION_BYTES_MAX {
            return None;
        }
        let read = self.read_some(offset, usize::try_from(size).ok()?);
        (read.len() as u64 == size).then_some(read)
    }

    /// So many bytes, or fewer at the end of the file.
    pub(super) fn read_some(&self, offset: u64, size: usize) -> Vec<u8> {
        match self {
            Self::File(file) => {
                let mut buffer = vec![0; size];
                let mut have = 0;
                while let Some(free) = buffer.get_mut(have..).filter(|free| !free.is_empty()) {
                    match file.read_at(free, offset.saturating_add(have as u64)) {
                        Ok(0) => break,
                        Ok(count) => have += count,
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(_) => break,
                    }
                }
                buffer.truncate(have);
                buffer
            }
            Self::Memory(bytes) => usize::try_from(offset)
                .ok()
                .and_then(|start| bytes.get(start..))
                .map(|tail| tail.get(..size).unwrap_or(tail).to_vec())
                .unwrap_or_default(),
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Self::Memory(bytes) => Some(bytes.len() as u64),
        }
    }
}

/// A part of the file that is loaded (PT_LOAD).
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) file_offset: u64,
    pub(super) file_size: u64,
    pub(super) address: u64,
    pub(super) executable: bool,
}

/// One section.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) file_offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
}

impl Section {
    /// Whether it has code.
    pub(super) fn is_code(&self) -> bool {
        self.flags & SHF_EXECINSTR.0 != 0
    }

    /// First address after it.
    pub(super) fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Its bytes; none where the file has none of it.
    pub(super) fn read(&self, bytes: &Bytes) -> Option<Vec<u8>> {
        let here = self.kind != SHT_NOBITS.0 && self.size > 0;
        here.then(|| bytes.read(self.file_offset, self.size))?
    }
}

/// What is known of one ELF file.
#[derive(Debug)]
pub(super) struct Elf {
    pub(super) is_64: bool,
    pub(super) endian: Endianness,
    pub(super) machine: u16,
    pub(super) segments: Vec<Segment>,
    pub(super) sections: Vec<Section>,
    /// Note that identifies the build, and joins a program and its debug file.
    pub(super) build_id: Option<Vec<u8>>,
    /// Name and checksum of the debug file (`.gnu_debuglink`).
    pub(super) debug_link: Option<(Vec<u8>, u32)>,
}

impl Elf {
    /// Reads the headers; none when it is no ELF file, or a broken one.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let mut elf = match bytes.read(0, 5)?.as_slice() {
            [0x7f, b'E', b'L', b'F', 1] => Self::headers::<FileHeader32<Endianness>>(bytes)?,
            [0x7f, b'E', b'L', b'F', 2] => Self::headers::<FileHeader64<Endianness>>(bytes)?,
            _ => return None,
        };
        elf.build_id = elf.read_build_id(bytes);
        elf.debug_link = elf.read_debug_link(bytes);
        Some(elf)
    }

    fn headers<H: FileHeader<Endian = Endianness>>(bytes: &Bytes) -> Option<Self> {
        let first = bytes.read(0, size_of::<H>() as u64)?;
        let header = H::parse(first.as_slice()).ok()?;
        let endian = header.endian().ok()?;
        let programs =
            read_table::<H::ProgramHeader>(bytes, header.e_phoff(endian).into(), header.e_phnum(endian));
        let segments = table::<H::ProgramHeader>(&programs)
            .iter()
            .filter(|program| program.p_type(endian) == PT_LOAD)
            .map(|program| Segment {
                file_offset: program.p_offset(endian).into(),
                file_size: program.p_filesz(endian).into(),
                address: program.p_vaddr(endian).into(),
                executable: program.p_flags(endian).0 & PF_X.0 != 0,
            })
            .collect();
        let headers =
            read_table::<H::SectionHeader>(bytes, header.e_shoff(endian).into(), header.e_shnum(endian));
        Some(Self {
            is_64: header.is_type_64(),
            endian,
            machine: header.e_machine(endian).0,
            segments,
            sections: sections::<H>(bytes, endian, &headers, header.e_shstrndx(endian).0),
            build_id: None,
            debug_link: None,
        })
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The address, as its symbols count, of a byte of the file: by the segment that the byte is in, one with code
    /// before others, since linkers let them share a page.
    pub(super) fn address_of(&self, file_offset: u64) -> Option<u64> {
        let within = |segment: &&Segment| {
            file_offset.checked_sub(segment.file_offset).is_some_and(|distance| distance < segment.file_size)
        };
        let segment = self.segments.iter().filter(within).max_by_key(|segment| segment.executable)?;
        segment.address.checked_add(file_offset - segment.file_offset)
    }

    fn read_build_id(&self, bytes: &Bytes) -> Option<Vec<u8>> {
        let section = self.section(b".note.gnu.build-id")?;
        let note = bytes.read(section.file_offset, section.size.min(NOTE_BYTES_MAX))?;
        let word = |at: usize| -> Option<u32> {
            let bytes = note.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(self.endian.read_u32(bytes))
        };
        let (name, length, kind) = (word(0)?, word(4)?, word(8)?);
        if name != 4 || kind != NT_GNU_BUILD_ID.0 || note.get(12..16)? != b"GNU\0" {
            return None;
        }
        let end = 16usize.checked_add(usize::try_from(length).ok()?)?;
        note.get(16..end).filter(|id| (2..=64).contains(&id.len())).map(<[u8]>::to_vec)
    }

    fn read_debug_link(&self, bytes: &Bytes) -> Option<(Vec<u8>, u32)> {
        let section = self.section(b".gnu_debuglink")?;
        let link = bytes.read(section.file_offset, section.size.min(NOTE_BYTES_MAX))?;
        let length = link.iter().position(|byte| *byte == 0)?;
        let name = link.get(..length)?.to_vec();
        let at = length.checked_add(4)? & !3;
        let checksum = link.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let checksum = self.endian.read_u32(checksum);
        Some((name, checksum))
    }
}

fn read_table<T: Pod>(bytes: &Bytes, offset: u64, count: u16) -> Vec<u8> {
    let size = u64::from(count).saturating_mul(size_of::<T>() as u64);
    let fits = offset != 0 && size <= HEADERS_BYTES_MAX;
    fits.then(|| bytes.read(offset, size)).flatten().unwrap_or_default()
}

/// The entries of a table, as many as fit.
pub(super) fn table<T: Pod>(bytes: &[u8]) -> &[T] {
    slice_from_bytes(bytes, bytes.len() / size_of::<T>()).map_or(&[], |(entries, _)| entries)
}

fn sections<H: FileHeader<Endian = Endianness>>(
    bytes: &Bytes,
    endian: Endianness,
    headers: &[u8],
    names_index: u16,
) -> Vec<Section> {
    let headers = table::<H::SectionHeader>(headers);
    let names = headers
        .get(usize::from(names_index))
        .filter(|header| header.sh_size(endian).into() <= HEADERS_BYTES_MAX)
        .and_then(|header| bytes.read(header.sh_offset(endian).into(), header.sh_size(endian).into()))
        .unwrap_or_default();
    let section = |header: &H::SectionHeader| Section {
        name: usize::try_from(header.sh_name(endian))
            .ok()
            .and_then(|start| names.get(start..))
            .and_then(|tail| tail.split(|byte| *byte == 0).next())
            .unwrap_or_default()
            .to_vec(),
        kind: header.sh_type(endian).0,
        flags: header.sh_flags(endian).0,
        address: header.sh_addr(endian).into(),
        file_offset: header.sh_offset(endian).into(),
        size: header.sh_size(endian).into(),
        link: header.sh_link(endian),
    };
    headers.iter().map(section).collect()
}
