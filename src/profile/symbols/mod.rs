//! Names of addresses.
//!
//! The kernel's through blazesym. Those of programs from the symbol tables of their files, read with `object`: blazesym
//! maps such files, and one that is cut short meanwhile would end us; it also gives up a whole batch for one broken name,
//! and chooses otherwise than perf(1) among several names of one address.

mod debug_files;
mod demangle;
mod kernel;
mod perf_map;
mod starts;
mod table;

use super::mappings::{AddressSpace, Mapping};
use super::modules::{Absence, Module, Modules};
use crate::model::profile::{FrameName, Space};
use crate::model::task::Pid;
use kernel::Kernel;
use starts::Starts;
use std::collections::HashMap;
use std::sync::Arc;
use table::{Found, SymbolTable};

/// Bytes of any one name that are kept.
const NAME_BYTES_MAX: usize = 4096;
/// Bytes of symbol tables that are held between calls.
const HELD_BYTES_MAX: usize = 128 << 20;
/// Files whose tables are held; each keeps a descriptor, of the program or its debug file.
const HELD_FILES_MAX: usize = 128;

/// What is known of one file's names.
struct Names {
    table: Option<SymbolTable>,
    /// Whether that is the full table, of its own or in a debug file, and not only that of its exports.
    full: bool,
    /// Where its functions begin, if it has no full table.
    starts: Option<Starts>,
}

/// Names addresses, and keeps the tables for the next call.
#[derive(Default)]
pub struct Symbols {
    kernel: Option<Kernel>,
    files: HashMap<super::mappings::FileId, Names>,
    vdso: Option<Names>,
    held_bytes: usize,
}

impl Symbols {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names of addresses of a program, one for each, in their order. The process may have gone.
    pub fn user(
        &mut self,
        pid: Pid,
        space: &AddressSpace,
        modules: &mut Modules,
        addresses: &[u64],
    ) -> Vec<FrameName> {
        let mut names: Vec<FrameName> =
            addresses.iter().map(|address| self.one(pid, space, modules, *address)).collect();
        self.name_compiled(pid, space, modules, addresses, &mut names);
        if self.held_bytes > HELD_BYTES_MAX || self.files.len() > HELD_FILES_MAX {
            self.files.clear();
            self.held_bytes = 0;
        }
        names
    }

    /// Names of addresses of the kernel, one for each, in their order.
    pub fn kernel(&mut self, addresses: &[u64]) -> Vec<FrameName> {
        self.kernel.get_or_insert_with(Kernel::read).names(addresses)
    }

    fn one(&mut self, pid: Pid, space: &AddressSpace, modules: &mut Modules, address: u64) -> FrameName {
        let Some(mapping) = space.find(address) else {
            return unnamed(None, Absence::NoFile.words());
        };
        let name = module_name(mapping);
        match modules.find(pid, mapping) {
            Ok(module) => self.in_module(pid, modules, &module, mapping, address, name),
            Err(absence) => unnamed(Some(name), absence.words()),
        }
    }

    fn in_module(
        &mut self,
        pid: Pid,
        modules: &Modules,
        module: &Arc<Module>,
        mapping: &Mapping,
        address: u64,
        name: String,
    ) -> FrameName {
        let Some(elf) = module.elf() else {
            return unnamed(Some(name), "its file has no symbols: no ELF file");
        };
        let linked = mapping.file_offset_of(address).and_then(|offset| elf.address_of(offset));
        let Some(linked) = linked else {
            return unnamed(Some(name), "outside of what its file loads");
        };
        let names = self.names_of(pid, modules, module);
        let found = names.table.as_ref().and_then(|table| table.find(linked));
        match found {
            Some(Found::Symbol(symbol)) => FrameName {
                symbol: Some(symbol),
                module: Some(name),
                space: Space::User,
                start: None,
                unnamed: None,
            },
            Some(Found::Stub) => FrameName {
                symbol: Some("[plt]".to_owned()),
                module: Some(name),
                space: Space::User,
                start: None,
                unnamed: None,
            },
            None if names.full => unnamed(Some(name), "no symbol covers it"),
            None => FrameName {
                start: names.starts.as_ref().and_then(|starts| starts.of(linked)),
                ..unnamed(Some(name), "stripped: no symbol covers it")
            },
        }
    }

    fn names_of(&mut self, pid: Pid, modules: &Modules, module: &Arc<Module>) -> &Names {
        let held = &mut self.held_bytes;
        let read = || {
            let names = Names::read(pid, modules, module);
            *held += names.size();
            names
        };
        match module.id() {
            Some(id) => self.files.entry(id).or_insert_with(read),
            None => self.vdso.get_or_insert_with(read),
        }
    }

    /// Names what runtimes have compiled, by the maps that they write for perf(1).
    fn name_compiled(
        &self,
        pid: Pid,
        space: &AddressSpace,
        modules: &Modules,
        addresses: &[u64],
        names: &mut [FrameName],
    ) {
        let compiled = |address: u64, name: &FrameName| {
            name.symbol.is_none()
                && space
                    .find(address)
                    .is_some_and(|mapping| !mapping.is_vdso() && may_be_compiled(mapping, name))
        };
        let mut wanted: Vec<(u64, usize)> = addresses
            .iter()
            .zip(names.iter())
            .enumerate()
            .filter(|(_, (address, name))| compiled(**address, name))
            .map(|(index, (address, _))| (*address, index))
            .collect();
        if wanted.is_empty() {
            return;
        }
        wanted.sort_unstable();
        let map = perf_map::read(pid, modules.process(pid));
        if let Ok(text) = &map {
            perf_map::find(text, &mut wanted, |index, symbol| {
                if let Some(name) = names.get_mut(index) {
                    name.symbol = Some(symbol);
                    name.module = Some("[jit]".to_owned());
                    name.start = None;
                    name.unnamed = None;
                }
            });
        }
        for (address, index) in wanted {
            let anonymous = space.find(address).is_some_and(Mapping::is_anonymous);
            if let Some(name) = names.get_mut(index).filter(|_| anonymous) {
                name.unnamed = Some(match &map {
                    Ok(_) => {
                        format!("compiled at run time; {} has no entry for it", perf_map::path(pid, modules))
                    }
                    Err(reason) => format!("compiled at run time, and {reason}"),
                });
            }
        }
    }
}

/// Runtimes put their code into anonymous memory, or lay it over their own image.
fn may_be_compiled(mapping: &Mapping, name: &FrameName) -> bool {
    mapping.is_anonymous() || name.unnamed.as_deref() != Some(Absence::Gone.words())
}

impl Names {
    fn read(pid: Pid, modules: &Modules, module: &Arc<Module>) -> Self {
        let own = SymbolTable::full(module);
        let full = match own {
            Some(own) => Some(own),
            None => debug_files::find(module, modules.process(pid))
                .and_then(|debug| SymbolTable::full(&Arc::new(debug))),
        };
        Self {
            full: full.is_some(),
            starts: if full.is_some() { None } else { Starts::read(module) },
            // The full table has the exports as well.
            table: full.or_else(|| SymbolTable::exports(module)),
        }
    }

    fn size(&self) -> usize {
        self.table.as_ref().map_or(0, SymbolTable::size) + self.starts.as_ref().map_or(0, Starts::size)
    }
}

fn unnamed(module: Option<String>, reason: &str) -> FrameName {
    FrameName { symbol: None, module, space: Space::User, start: None, unnamed: Some(reason.to_owned()) }
}

/// Base name of the file, `[vdso]`, or `[anon]`.
fn module_name(mapping: &Mapping) -> String {
    let path = mapping.file_path().unwrap_or(&mapping.path);
    let anonymous = mapping.file.is_none() && !path.starts_with(b"[v");
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if anonymous || base.is_empty() {
        return "[anon]".to_owned();
    }
    bounded(String::from_utf8_lossy(base).into_owned())
}

/// Cuts a name that is too long to read.
fn bounded(mut name: String) -> String {
    if name.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests;
