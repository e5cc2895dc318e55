//! The files that programs run from, opened while the process lives, read when its samples are named.
//!
//! A file is known by device and inode as the kernel names them in the mapping, never by its path: a path leads to
//! another file in another mount namespace, or after an update of the package. What cannot be proven to be the mapped
//! file is not taken.

pub(super) mod open;
mod process;

use super::elf::{Bytes, Elf};
use super::mappings::{AddressSpace, FileId, Mapping};
use crate::model::task::Pid;
pub(super) use process::Process;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// Files that are kept open.
const OPEN_FILES_MAX: usize = 256;
/// Processes and failures that are remembered.
const REMEMBERED_MAX: usize = 8192;
/// The vdso has a few pages.
const VDSO_BYTES_MAX: u64 = 1 << 20;

/// Why a mapped file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It is no file.
    NoFile,
    /// Nothing that can be opened is this file any more.
    Gone,
    /// We may not.
    Denied,
    /// Its file system gave no answer in time.
    NoAnswer,
}

impl Absence {
    /// In a few words, for the report.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoFile => "not mapped to a file",
            Self::Gone => "the file is gone",
            Self::Denied => "the file may not be read: needs root",
            Self::NoAnswer => "the file system of the file does not answer",
        }
    }
}

/// An opened file that code was mapped from.
#[derive(Debug)]
pub struct Module {
    id: Option<FileId>,
    path: Vec<u8>,
    bytes: Bytes,
    elf: OnceLock<Option<Elf>>,
}

impl Module {
    pub(super) fn new(id: Option<FileId>, path: Vec<u8>, bytes: Bytes) -> Self {
        Self { id, path, bytes, elf: OnceLock::new() }
    }

    /// Device and inode; none for the vdso.
    pub fn id(&self) -> Option<FileId> {
        self.id
    }

    /// Path as the process that it was met in would write it.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its headers; none when it is no ELF file.
    pub(super) fn elf(&self) -> Option<&Elf> {
        self.elf.get_or_init(|| Elf::read(&self.bytes)).as_ref()
    }
}

struct Opened {
    module: Arc<Module>,
    used: u64,
}

/// The opened files of all processes.
#[derive(Default)]
pub struct Modules {
    opened: HashMap<FileId, Opened>,
    absent: HashMap<(Pid, FileId), Absence>,
    processes: HashMap<Pid, Process>,
    /// Devices (major, minor) that did not answer once: they are not asked again.
    silent: HashSet<(u32, u32)>,
    vdso: OnceLock<Option<Arc<Module>>>,
    uses: u64,
}

impl Modules {
    /// No file is open yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file of a mapping; opens it at the first call, which is to be made while the process lives.
    pub fn open(&mut self, pid: Pid, mapping: &Mapping) -> Option<Arc<Module>> {
        self.find(pid, mapping).ok()
    }

    /// As [`Self::open`], with the reason.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read.
    pub fn find(&mut self, pid: Pid, mapping: &Mapping) -> Result<Arc<Module>, Absence> {
        self.meet(pid);
        if mapping.is_vdso() {
            return self.vdso(mapping).ok_or(Absence::NoFile);
        }
        let id = mapping.file.ok_or(Absence::NoFile)?;
        self.uses += 1;
        if let Some(known) = self.opened.get_mut(&id) {
            known.used = self.uses;
            return Ok(Arc::clone(&known.module));
        }
        if let Some(absence) = self.absent.get(&(pid, id)) {
            return Err(*absence);
        }
        match self.open_now(pid, mapping, id) {
            Ok(file) => Ok(self.keep(id, self.inner_path(pid, mapping), file)),
            Err(absence) => {
                if self.absent.len() >= REMEMBERED_MAX {
                    self.absent.clear();
                }
                self.absent.insert((pid, id), absence);
                Err(absence)
            }
        }
    }

    /// Remembers what is asked of a process when its samples are named: its root, owner and inner process id. Called
    /// by [`Self::open`] too.
    pub fn meet(&mut self, pid: Pid) {
        if self.processes.contains_key(&pid) || self.processes.len() >= REMEMBERED_MAX {
            return;
        }
        let roots = self.processes.values().filter(|process| process.holds_root()).count();
        if let Some(process) = Process::read(pid, roots < process::ROOTS_MAX) {
            self.processes.insert(pid, process);
        }
    }

    pub(super) fn process(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Forgets a process whose samples have been named.
    pub fn forget(&mut self, pid: Pid) {
        self.processes.remove(&pid);
        self.absent.retain(|(of, _), _| *of != pid);
    }

    fn open_now(&mut self, pid: Pid, mapping: &Mapping, id: FileId) -> Result<File, Absence> {
        let device = (id.device_major, id.device_minor);
        if self.silent.contains(&device) {
            return Err(Absence::NoAnswer);
        }
        let root = self.processes.get(&pid).and_then(Process::root);
        let root = root.map(|root| (root, self.inner_path(pid, mapping)));
        // Major 0 are file systems without a disk of their own; those of the network and of FUSE daemons are among them.
        if id.device_major != 0 {
            return open::mapped_file(pid, mapping, id, root);
        }
        let mapping = mapping.clone();
        let opened = open::in_time(move || open::mapped_file(pid, &mapping, id, root));
        opened.unwrap_or_else(|| {
            self.silent.insert(device);
            Err(Absence::NoAnswer)
        })
    }

    /// Path of a mapping as its process would write it.
    fn inner_path(&self, pid: Pid, mapping: &Mapping) -> Vec<u8> {
        let path = mapping.file_path().unwrap_or(&mapping.path);
        self.processes.get(&pid).map_or(path, |process| process.inner_path(path)).to_vec()
    }

    fn keep(&mut self, id: FileId, path: Vec<u8>, file: File) -> Arc<Module> {
        if self.opened.len() >= OPEN_FILES_MAX {
            let oldest = self.opened.iter().min_by_key(|(_, opened)| opened.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.opened.remove(&oldest);
            }
        }
        let module = Arc::new(Module::new(Some(id), path, Bytes::File(file)));
        let opened = Opened { module: Arc::clone(&module), used: self.uses };
        self.opened.insert(id, opened);
        module
    }

    /// The vdso is the same in every process of our own word size: ours is read. Another size tells another one.
    fn vdso(&self, mapping: &Mapping) -> Option<Arc<Module>> {
        let own = self.vdso.get_or_init(|| own_vdso().map(Arc::new));
        let own = own.as_ref()?;
        let Bytes::Memory(bytes) = own.bytes() else {
            return None;
        };
        (mapping.end.checked_sub(mapping.start)? == bytes.len() as u64).then(|| Arc::clone(own))
    }
}

fn own_vdso() -> Option<Module> {
    let pid = Pid::try_from(std::process::id()).ok()?;
    let space = AddressSpace::read(pid).ok()?;
    let mapping = space.iter().find(|mapping| mapping.is_vdso())?;
    let length = mapping.end.checked_sub(mapping.start)?;
    let mut bytes = vec![0; usize::try_from(length.min(VDSO_BYTES_MAX)).ok()?];
    File::open("/proc/self/mem").ok()?.read_exact_at(&mut bytes, mapping.start).ok()?;
    Some(Module::new(None, b"[vdso]".to_vec(), Bytes::Memory(bytes)))
}

#[cfg(test)]
mod tests;
