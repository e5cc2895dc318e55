//! The symbol table of one ELF file, `.symtab` or `.dynsym`, sorted by address.
//!
//! Names are read when they are needed: of a hundred thousand symbols, a few hundred are.

use super::{NAME_BYTES_MAX, demangle};
use crate::profile::elf::{Elf, Section, table};
use crate::profile::modules::Module;
use object::Endianness;
use object::elf::{
    FileHeader32, FileHeader64, SHN_LORESERVE, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, STB_GLOBAL, STB_WEAK,
    STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE,
};
use object::read::elf::{FileHeader, Sym};
use std::cmp::Reverse;
use std::sync::Arc;

/// Starts of symbols that are tried, from the address downwards, for one that covers it: functions hardly ever lie
/// within each other.
const STARTS_MAX: usize = 32;
/// Symbols at one address that are compared.
const ALIASES_MAX: usize = 64;

/// One function.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u64,
    /// First address after it; for symbols without a size the end of their section.
    end: u64,
    name: u32,
    sized: bool,
    global: bool,
    weak: bool,
}

/// What an address was found to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In a function.
    Symbol(String),
    /// In the table of jumps to other libraries.
    Stub,
}

/// The functions of one file.
pub(super) struct SymbolTable {
    file: Arc<Module>,
    entries: Vec<Entry>,
    names: Section,
    stubs: Vec<(u64, u64)>,
}

impl SymbolTable {
    /// The full table (`.symtab`), of the program's file or of its debug file; none where it has been stripped.
    pub(super) fn full(file: &Arc<Module>) -> Option<Self> {
        Self::read(file, SHT_SYMTAB.0)
    }

    /// The table of what the file exports (`.dynsym`), which loading needs, so that no file lacks it.
    pub(super) fn exports(file: &Arc<Module>) -> Option<Self> {
        Self::read(file, SHT_DYNSYM.0)
    }

    fn read(file: &Arc<Module>, kind: u32) -> Option<Self> {
        let elf = file.elf()?;
        let section = elf.sections.iter().find(|section| section.kind == kind)?;
        let names = elf.sections.get(usize::try_from(section.link).ok()?)?.clone();
        let bytes = section.read(file.bytes())?;
        let mut entries = if elf.is_64 {
            entries::<FileHeader64<Endianness>>(elf, &bytes, kind)
        } else {
            entries::<FileHeader32<Endianness>>(elf, &bytes, kind)
        };
        entries.sort_unstable_by_key(|entry| entry.start);
        let stubs = stubs(elf);
        let useful = !entries.is_empty() || (kind == SHT_DYNSYM.0 && !stubs.is_empty());
        useful.then_some(Self { file: Arc::clone(file), entries, names, stubs })
    }

    /// What an address, as the symbols count, is in.
    pub(super) fn find(&self, address: u64) -> Option<Found> {
        let stub = |(start, end): &(u64, u64)| (*start..*end).contains(&address);
        if self.stubs.iter().any(stub) {
            return Some(Found::Stub);
        }
        let mut before = self.entries.partition_point(|entry| entry.start <= address);
        for attempt in 0..STARTS_MAX {
            let start = self.entries.get(before.checked_sub(1)?)?.start;
            let first = self.entries.partition_point(|entry| entry.start < start);
            // A symbol without a size reaches to the next symbol, so only the nearest can cover the address.
            let covering = self
                .entries
                .get(first..before)?
                .iter()
                .filter(|entry| address < entry.end && (entry.sized || attempt == 0))
                .take(ALIASES_MAX);
            if let Some(name) = self.best(covering) {
                return Some(Found::Symbol(demangle::demangle(&name)));
            }
            before = first;
        }
        None
    }

    /// The name that perf(1) would show of several: with a size, not weak, global, with the fewest underscores before
    /// it, the longest; inner aliases of the C library behind.
    fn best<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> Option<Vec<u8>> {
        entries
            .map(|entry| (entry, self.name(entry)))
            .filter(|(_, name)| !name.is_empty())
            .max_by_key(|(entry, name)| {
                let underscores = name.iter().take_while(|byte| **byte == b'_').count();
                (
                    entry.sized,
                    !name.starts_with(b"__GI_"),
                    !entry.weak,
                    entry.global,
                    Reverse(underscores),
                    name.len(),
                    Reverse(name.clone()),
                )
            })
            .map(|(_, name)| name)
    }

    fn name(&self, entry: &Entry) -> Vec<u8> {
        let at = u64::from(entry.name);
        let Some(left) = self.names.size.checked_sub(at) else {
            return Vec::new();
        };
        let size = usize::try_from(left).unwrap_or(NAME_BYTES_MAX).min(NAME_BYTES_MAX);
        let offset = self.names.file_offset.saturating_add(at);
        // Most names are short, and most reads should be.
        let mut bytes = self.file.bytes().read_some(offset, size.min(256));
        if !bytes.contains(&0) && size > 256 {
            bytes = self.file.bytes().read_some(offset, size);
        }
        let end = bytes.iter().position(|byte| *byte == 0);
        bytes.truncate(end.unwrap_or(bytes.len()));
        bytes
    }

    /// Where a symbol is, by its mangled name.
    #[cfg(test)]
    pub(super) fn address_of(&self, symbol: &str) -> Option<u64> {
        self.entries.iter().find(|entry| self.name(entry) == symbol.as_bytes()).map(|entry| entry.start)
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }
}

/// Parts of a program that jump to functions of other libraries; a debug file has the headers of them too.
fn stubs(elf: &Elf) -> Vec<(u64, u64)> {
    elf.sections
        .iter()
        .filter(|section| section.is_code() && section.name.starts_with(b".plt"))
        .map(|section| (section.address, section.end()))
        .collect()
}

fn entries<H: FileHeader<Endian = Endianness>>(elf: &Elf, bytes: &[u8], kind: u32) -> Vec<Entry> {
    table::<H::Sym>(bytes).iter().filter_map(|symbol| entry::<H>(elf, symbol, kind)).collect()
}

fn entry<H: FileHeader<Endian = Endianness>>(elf: &Elf, symbol: &H::Sym, kind: u32) -> Option<Entry> {
    let endian = elf.endian;
    let index = symbol.st_shndx(endian);
    let section = (index.0 < SHN_LORESERVE).then(|| elf.sections.get(usize::from(index.0))).flatten();
    let is_code = section.is_some_and(Section::is_code);
    let wanted = match symbol.st_type() {
        STT_FUNC | STT_GNU_IFUNC => true,
        STT_NOTYPE => is_code,
        _ => false,
    };
    if index == SHN_UNDEF || !wanted || symbol.st_name(endian) == 0 {
        return None;
    }
    let start: u64 = symbol.st_value(endian).into();
    let size: u64 = symbol.st_size(endian).into();
    // Exports are few and far between: one without a size covers its own address and no more.
    let reach = match section {
        Some(section) if kind == SHT_SYMTAB.0 && is_code => section.end(),
        _ => start.saturating_add(1),
    };
    Some(Entry {
        start,
        end: if size == 0 { reach } else { start.saturating_add(size) },
        name: symbol.st_name(endian),
        sized: size != 0,
        global: symbol.st_bind() == STB_GLOBAL,
        weak: symbol.st_bind() == STB_WEAK,
    })
}
