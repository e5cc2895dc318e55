//! Unwind tables of the mapped files, by framehop.

use super::{Copied, Registers, Step};
use crate::model::task::Pid;
use crate::profile::elf::{Elf, Section};
use crate::profile::mappings::{FileId, Mapping};
use crate::profile::modules::{Module, Modules};
use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind, UnwindRegsNative,
    Unwinder, UnwinderNative,
};
use object::Endianness;
use object::elf::SHF_COMPRESSED;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of tables that are held, of all files together; a browser has 30 MiB of them, libc a tenth of one.
const TABLE_BYTES_MAX: usize = 64 << 20;
/// Processes that are known at once.
const PROCESSES_MAX: usize = 4096;
/// Programs are linked below this; above it, sums of hostile addresses would overflow.
const LINKED_BELOW: u64 = 1 << 48;

/// User addresses have 48 bits: what arm64 keeps above them is a signature of return addresses.
#[cfg(target_arch = "aarch64")]
const ADDRESS_MASK: u64 = (1 << 48) - 1;

#[cfg(target_arch = "x86_64")]
const OWN_MACHINE: u16 = object::elf::EM_X86_64.0;
#[cfg(target_arch = "aarch64")]
const OWN_MACHINE: u16 = object::elf::EM_AARCH64.0;

type Data = Arc<[u8]>;
type Engine = UnwinderNative<Data, MayAllocateDuringUnwind>;
/// The vdso has no file.
type Key = Option<FileId>;

/// Registers on the way.
#[derive(Clone, Copy)]
pub(super) struct Position(UnwindRegsNative);

impl Position {
    #[cfg(target_arch = "x86_64")]
    pub(super) fn new(registers: &Registers) -> Self {
        Self(UnwindRegsNative::new(registers.ip, registers.sp, registers.fp))
    }

    /// Stack pointer.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn stack_pointer(&self) -> Option<u64> {
        Some(self.0.sp())
    }

    /// There, calls leave no return address on the stack by themselves.
    #[cfg(target_arch = "aarch64")]
    pub(super) fn stack_pointer(&self) -> Option<u64> {
        None
    }

    /// As it was before the call whose return address lies below `stack_pointer`.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn returned(&mut self, caller: u64, stack_pointer: u64) {
        self.0.set_ip(caller);
        self.0.set_sp(stack_pointer);
    }

    #[cfg(target_arch = "aarch64")]
    pub(super) fn returned(&mut self, _: u64, _: u64) {}

    #[cfg(target_arch = "aarch64")]
    pub(super) fn new(registers: &Registers) -> Self {
        let mask = framehop::aarch64::PtrAuthMask(ADDRESS_MASK);
        let link = registers.lr.unwrap_or(0);
        Self(UnwindRegsNative::new_with_ptr_auth_mask(mask, link, registers.sp, registers.fp))
    }
}

/// The tables of one file, shared by all processes that run it.
struct FileTables {
    base: u64,
    sections: ExplicitModuleSectionInfo<Data>,
    size: usize,
}

/// What a file is good for.
#[derive(Clone)]
enum Use {
    /// Has tables.
    Tables(Arc<FileTables>),
    /// Frame pointers, perhaps.
    None,
    /// Code of another machine or word size: nothing that is read here would be right.
    Foreign,
}

#[derive(Default)]
struct Process {
    engine: Engine,
    /// By first address: what the engine was told of.
    known: BTreeMap<u64, Known>,
}

#[derive(PartialEq, Eq)]
struct Known {
    end: u64,
    file_offset: u64,
    file: Key,
    usable: bool,
}

/// The tables of all processes.
#[derive(Default)]
pub(super) struct Tables {
    cache: CacheNative<MayAllocateDuringUnwind>,
    processes: HashMap<Pid, Process>,
    files: HashMap<Key, Use>,
    held_bytes: usize,
}

impl Tables {
    /// Sees to it that the code of a mapping is known, which changes when a process loads libraries; whether stacks can
    /// be followed through it at all.
    pub(super) fn know(&mut self, pid: Pid, mapping: &Mapping, address: u64, modules: &mut Modules) -> bool {
        if let Some(known) = self.processes.get(&pid).and_then(|process| process.known.get(&mapping.start))
            && (known.end, known.file_offset, known.file) == (mapping.end, mapping.file_offset, mapping.file)
        {
            return known.usable;
        }
        let offered = self.look(pid, mapping, modules);
        if self.processes.len() >= PROCESSES_MAX && !self.processes.contains_key(&pid) {
            self.processes.clear();
        }
        let process = self.processes.entry(pid).or_default();
        process.unmap(mapping.start, mapping.end);
        if let Use::Tables(tables) = &offered
            && let Some(module) = tables.at(mapping, address, modules, pid)
        {
            process.engine.add_module(module);
        }
        let known = Known {
            end: mapping.end,
            file_offset: mapping.file_offset,
            file: mapping.file,
            usable: !matches!(offered, Use::Foreign),
        };
        let usable = known.usable;
        process.known.insert(mapping.start, known);
        usable
    }

    /// One step; `address` is the instruction pointer or a return address.
    pub(super) fn step(
        &mut self,
        pid: Pid,
        address: u64,
        first: bool,
        at: &mut Position,
        copied: &Copied,
    ) -> Step {
        let Some(process) = self.processes.get(&pid) else {
            return Step::Lost;
        };
        let frame = if first {
            Some(FrameAddress::from_instruction_pointer(address))
        } else {
            FrameAddress::from_return_address(address)
        };
        let Some(frame) = frame else {
            return Step::Lost;
        };
        let mut read = |address| copied.word(address).ok_or(());
        match process.engine.unwind_frame(frame, &mut at.0, &mut self.cache, &mut read) {
            Ok(Some(caller)) => Step::Caller(caller),
            Ok(None) => Step::Start,
            Err(_) => Step::Lost,
        }
    }

    /// Whether a chain of frame pointers that ends with this return address has reached the thread's start: the tables
    /// say so, or there are none, as in Go, whose every function keeps frame pointers.
    pub(super) fn is_start(&mut self, pid: Pid, mapping: &Mapping, address: u64) -> bool {
        let without = self.files.get(&mapping.file).is_some_and(|known| matches!(known, Use::None));
        if without && mapping.file.is_some() {
            return true;
        }
        // Without a stack to read, this is the only answer that the tables can give.
        let somewhere = Registers { ip: address, sp: 8, fp: 16, lr: Some(address) };
        let nothing = Copied { start: 0, bytes: &[] };
        self.step(pid, address, false, &mut Position::new(&somewhere), &nothing) == Step::Start
    }

    pub(super) fn forget(&mut self, pid: Pid) {
        self.processes.remove(&pid);
    }

    fn look(&mut self, pid: Pid, mapping: &Mapping, modules: &mut Modules) -> Use {
        if !mapping.is_vdso() && mapping.file.is_none() {
            return Use::None;
        }
        if let Some(known) = self.files.get(&mapping.file) {
            return known.clone();
        }
        let Some(module) = modules.open(pid, mapping) else {
            return Use::None;
        };
        let found = self.read(&module);
        self.files.insert(mapping.file, found.clone());
        found
    }

    fn read(&mut self, module: &Module) -> Use {
        let Some(elf) = module.elf() else {
            return Use::None;
        };
        if !elf.is_64 || elf.machine != OWN_MACHINE || elf.endian != Endianness::Little {
            return Use::Foreign;
        }
        if self.held_bytes >= TABLE_BYTES_MAX {
            self.release();
        }
        let free = TABLE_BYTES_MAX.saturating_sub(self.held_bytes);
        match FileTables::read(module, elf, free as u64) {
            Some(tables) => {
                self.held_bytes += tables.size;
                Use::Tables(Arc::new(tables))
            }
            None => Use::None,
        }
    }

    /// Lets go of everything; what is needed is read again.
    fn release(&mut self) {
        self.processes.clear();
        self.files.clear();
        self.held_bytes = 0;
    }
}

impl Process {
    fn unmap(&mut self, start: u64, end: u64) {
        let covered: Vec<u64> = self
            .known
            .range(..end)
            .rev()
            .take_while(|(_, known)| known.end > start)
            .map(|(known, _)| *known)
            .collect();
        for known in covered {
            self.known.remove(&known);
            self.engine.remove_module(known);
        }
    }
}

impl FileTables {
    fn read(module: &Module, elf: &Elf, free: u64) -> Option<Self> {
        let base = elf.segments.iter().map(|segment| segment.address).min()?;
        let mut size = 0;
        let mut data = |name: &[u8]| -> Option<Data> {
            let fits = |section: &&Section| {
                section.flags & SHF_COMPRESSED.0 == 0 && section.size.saturating_add(size) <= free
            };
            let section = elf.section(name).filter(fits)?;
            let bytes = section.read(module.bytes())?;
            size = size.saturating_add(section.size);
            Some(bytes.into())
        };
        let eh_frame = data(b".eh_frame");
        let eh_frame_hdr = eh_frame.as_ref().and_then(|_| data(b".eh_frame_hdr"));
        let debug_frame = if eh_frame.is_none() { data(b".debug_frame") } else { None };
        if base >= LINKED_BELOW || (eh_frame.is_none() && debug_frame.is_none()) {
            return None;
        }
        let range = |name: &[u8]| elf.section(name).map(|section| section.address..section.end());
        let sections = ExplicitModuleSectionInfo {
            base_svma: base,
            text_svma: range(b".text"),
            got_svma: range(b".got"),
            eh_frame_svma: range(b".eh_frame"),
            eh_frame_hdr_svma: range(b".eh_frame_hdr"),
            eh_frame,
            eh_frame_hdr,
            debug_frame,
            ..ExplicitModuleSectionInfo::default()
        };
        Some(Self { base, sections, size: usize::try_from(size).ok()? })
    }

    /// The tables, where this process has mapped them.
    fn at(
        &self,
        mapping: &Mapping,
        address: u64,
        modules: &mut Modules,
        pid: Pid,
    ) -> Option<framehop::Module<Data>> {
        let module = modules.open(pid, mapping)?;
        let linked = module.elf()?.address_of(mapping.file_offset_of(address)?)?;
        let base = address
            .checked_sub(linked)
            .map_or_else(|| self.base.checked_sub(linked - address), |bias| bias.checked_add(self.base))?;
        let range = mapping.start..mapping.end;
        Some(framehop::Module::new(String::new(), range, base, self.sections.clone()))
    }
}
