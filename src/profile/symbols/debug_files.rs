//! Separate files with the symbols of stripped programs, as gdb(1) looks for them: by build id, then by the name that
//! the program gives (`.gnu_debuglink`). First where the process's own root is, then in ours.

use crate::profile::elf::{Bytes, Elf};
use crate::profile::modules::open::{in_time, inside, look};
use crate::profile::modules::{Module, Process};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Files that are larger are not read for their checksum.
const CHECKED_BYTES_MAX: u64 = 512 << 20;

/// The debug file of a program, opened; it is proven to be of the same build.
pub(super) fn find(program: &Arc<Module>, process: Option<&Process>) -> Option<Module> {
    let elf = program.elf()?;
    let paths = candidates(elf, program.path());
    if paths.is_empty() {
        return None;
    }
    let theirs = process.filter(|process| !process.has_own_root()).and_then(Process::root).and_then(|root| {
        let (paths, program) = (paths.clone(), Arc::clone(program));
        in_time(move || first_match(&root, &paths, &program)).flatten()
    });
    theirs.or_else(|| {
        let root = crate::profile::modules::open::root()?;
        first_match(&root, &paths, program)
    })
}

/// Paths below a root, the likeliest first.
fn candidates(elf: &Elf, program: &[u8]) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    if let Some((first, rest)) = elf.build_id.as_ref().and_then(|id| id.split_first()) {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        paths.push(format!("/usr/lib/debug/.build-id/{first:02x}/{rest}.debug").into_bytes());
    }
    // A name with a path is not a file beside the program.
    if let Some((name, _)) = &elf.debug_link
        && !name.is_empty()
        && !name.contains(&b'/')
        && let Some(slash) = program.iter().rposition(|byte| *byte == b'/')
        && let Some(folder) = program.get(..slash)
    {
        let beside = |parts: [&[u8]; 4]| parts.concat();
        paths.push(beside([folder, b"/", name, b""]));
        paths.push(beside([folder, b"/.debug/", name, b""]));
        paths.push(beside([b"/usr/lib/debug", folder, b"/", name]));
    }
    paths
}

fn first_match(root: &OwnedFd, paths: &[Vec<u8>], program: &Arc<Module>) -> Option<Module> {
    paths.iter().find_map(|path| {
        let place = look(inside(root, path).ok()?).ok()?;
        let file = place.is_regular().then(|| place.open().ok())??;
        let debug = Module::new(None, path.clone(), Bytes::File(file));
        is_of(&debug, program).then_some(debug)
    })
}

/// Whether it is the debug file of this very build: by the build id where there is one, else by its checksum.
fn is_of(debug: &Module, program: &Module) -> bool {
    let (Some(debug_elf), Some(elf)) = (debug.elf(), program.elf()) else {
        return false;
    };
    match (&elf.build_id, &elf.debug_link) {
        (Some(id), _) => debug_elf.build_id.as_ref() == Some(id),
        (None, Some((_, checksum))) => match debug.bytes() {
            Bytes::File(file) => checksum_of(file) == Some(*checksum),
            Bytes::Memory(_) => false,
        },
        (None, None) => false,
    }
}

/// CRC-32 of the whole file, as objcopy(1) writes it into the link.
fn checksum_of(file: &File) -> Option<u32> {
    if file.metadata().ok()?.len() > CHECKED_BYTES_MAX {
        return None;
    }
    let mut checksum = flate2::Crc::new();
    let mut buffer = vec![0; 1 << 16];
    let mut reader = file;
    loop {
        match reader.read(&mut buffer).ok()? {
            0 => return Some(checksum.sum()),
            count => checksum.update(buffer.get(..count)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::Endianness;

    fn elf(build_id: Option<&[u8]>, link: Option<&[u8]>) -> Elf {
        Elf {
            is_64: true,
            endian: Endianness::Little,
            machine: 62,
            segments: Vec::new(),
            sections: Vec::new(),
            build_id: build_id.map(<[u8]>::to_vec),
            debug_link: link.map(|name| (name.to_vec(), 7)),
        }
    }

    #[test]
    fn places_are_those_of_gdb() {
        let paths = candidates(&elf(Some(&[0xab, 0xcd, 0x01]), Some(b"x.debug")), b"/opt/bin/x");
        let paths: Vec<_> = paths.iter().map(|path| String::from_utf8_lossy(path)).collect();
        assert_eq!(
            paths,
            [
                "/usr/lib/debug/.build-id/ab/cd01.debug",
                "/opt/bin/x.debug",
                "/opt/bin/.debug/x.debug",
                "/usr/lib/debug/opt/bin/x.debug",
            ]
        );
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_not_followed() {
        assert!(candidates(&elf(None, Some(b"../../etc/shadow")), b"/opt/x").is_empty());
        assert!(candidates(&elf(None, Some(b"")), b"/opt/x").is_empty());
        assert!(candidates(&elf(None, Some(b"x.debug")), b"no-path").is_empty());
    }
}
