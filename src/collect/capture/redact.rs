//! Pseudonyms in the raw files of a capture, such that the files read as before.
//!
//! Files that hold names: the control groups of processes and the tree of them, mounts, the kernel's messages, swap
//! files, links to open files, and the tables of sockets (`/proc/net/tcp` and the like), where addresses are
//! hexadecimal. Everything else is numbers, or names of processes, devices and interfaces, which stay.

use super::{Frame, Meta};
use crate::model::redact::Redactor;
use crate::model::target::Asked;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

const CGROUPS: &str = "sys/fs/cgroup/";
const STATVFS: &str = "/.statvfs";

/// One moment of the window, all of it.
pub(super) fn frame(redactor: &mut Redactor, frame: &mut Frame) {
    let files = std::mem::take(&mut frame.files);
    for (path, bytes) in files {
        let bytes = file(redactor, &path, bytes);
        frame.files.insert(renamed(redactor, &path), bytes);
    }
    frame.absences = rekeyed(redactor, std::mem::take(&mut frame.absences));
    for names in
        frame.listings.iter_mut().filter(|(path, _)| path.starts_with(CGROUPS)).map(|(_, names)| names)
    {
        names.iter_mut().for_each(|name| *name = redactor.text(name));
    }
    frame.listings = rekeyed(redactor, std::mem::take(&mut frame.listings));
    frame.links.values_mut().for_each(|target| *target = redactor.path(target));
    frame.links = rekeyed(redactor, std::mem::take(&mut frame.links));
}

fn rekeyed<V>(redactor: &mut Redactor, map: BTreeMap<String, V>) -> BTreeMap<String, V> {
    map.into_iter().map(|(path, value)| (renamed(redactor, &path), value)).collect()
}

/// What the capture is about.
pub(super) fn about(redactor: &mut Redactor, about: &mut Meta) {
    let host = &mut about.host;
    host.hostname.iter_mut().for_each(|name| *name = redactor.host(name));
    host.boot_id.iter_mut().for_each(|id| *id = redactor.id(id));
    host.users.values_mut().for_each(|user| *user = redactor.user(user));
    host.container.iter_mut().for_each(|name| *name = redactor.text(name));
    about.note.iter_mut().for_each(|note| *note = redactor.text(note));
    if let Some(Asked::Unit(unit)) = &mut about.target {
        // Of an id only the first digits may have been asked for.
        let (kind, digits) =
            unit.rsplit_once(':').map_or(("", unit.as_str()), |(kind, digits)| (kind, digits));
        *unit = match redactor.known_id(digits) {
            Some(id) if kind.is_empty() => id,
            Some(id) => format!("{kind}:{id}"),
            None => by_component(redactor, unit),
        };
    }
}

/// The path under which a file is kept: control groups and mount points have names in it.
fn renamed(redactor: &mut Redactor, path: &str) -> String {
    if let Some(below) = path.strip_prefix(CGROUPS) {
        return format!("{CGROUPS}{}", by_component(redactor, below));
    }
    let of_kernel = ["proc/", "sys/", "dev/"].iter().any(|root| path.starts_with(root));
    match path.strip_suffix(STATVFS).filter(|_| !of_kernel) {
        // As the list of the mounts has it.
        Some(mount) => {
            let escaped = format!("/{}", mount.replace(' ', "\\040"));
            let renamed = redactor.text(&escaped).replace("\\040", " ");
            format!("{}{STATVFS}", renamed.trim_start_matches('/'))
        }
        None => path.to_owned(),
    }
}

/// Each name of a path alone, so that it reads the same in a list of names.
fn by_component(redactor: &mut Redactor, path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(|part| redactor.text(part)).collect();
    parts.join("/")
}

fn file(redactor: &mut Redactor, path: &str, bytes: Vec<u8>) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "hostname" => line(&redactor.host(String::from_utf8_lossy(&bytes).trim())),
        "boot_id" => line(&redactor.id(String::from_utf8_lossy(&bytes).trim())),
        "cgroup" => {
            let parts: Vec<Vec<u8>> =
                bytes.split(|&byte| byte == b'/').map(|part| redactor.bytes(part)).collect();
            parts.join(&b'/')
        }
        "mountinfo" | "mounts" | "kmsg" | "swaps" | "cmdline" | "version" | "mdstat" => {
            redactor.bytes(&bytes)
        }
        "tcp" | "tcp6" | "udp" | "udp6" => sockets(redactor, &bytes),
        _ => bytes,
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// A table of sockets with other addresses. Columns keep their width, and what is no address stays.
fn sockets(redactor: &mut Redactor, table: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(table);
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        match bare.split_once(':').and_then(|(address, port)| Some((hidden(redactor, address)?, port))) {
            Some((address, port)) => format!("{address}:{port}{}", &word[bare.len()..]),
            None => word.to_owned(),
        }
    });
    words.collect::<String>().into_bytes()
}

/// Another address in place of this one: words of 32 bits in the order of the machine, which is little-endian nearly
/// everywhere.
fn hidden(redactor: &mut Redactor, digits: &str) -> Option<String> {
    if ![8, 32].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let words: Vec<[u8; 4]> = (0..digits.len())
        .step_by(8)
        .map(|at| Some(u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?.to_le_bytes()))
        .collect::<Option<_>>()?;
    let bytes = words.concat();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    let put = match redactor.address(address)? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words = put.chunks_exact(4).map(|word| {
        let [a, b, c, d] = [word[0], word[1], word[2], word[3]];
        format!("{:08X}", u32::from_le_bytes([a, b, c, d]))
    });
    Some(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::capture::FrameKind;
    use crate::model::reading::{Absence, AbsenceKind};
    use crate::model::redact::Style;
    use std::time::Duration;

    fn redactor() -> Redactor {
        Redactor::new(Style::Raw, ["shop-7"], ["root", "carol"])
    }

    #[test]
    fn files_that_name_the_same_thing_still_do() {
        let id = "4f5e6d7c".repeat(8);
        let mut given = Frame::new(FrameKind::End, Duration::ZERO);
        let group = format!("system.slice/docker-{id}.scope");
        given.note_file("proc/7/cgroup", Ok(format!("0::/{group}\n1:cpu:/home/x\n").as_bytes()));
        given.note_file(&format!("{CGROUPS}{group}/cpu.stat"), Ok(b"usage_usec 5\n"));
        given.note_listing(
            &format!("{CGROUPS}system.slice/.directories"),
            Ok(&[format!("docker-{id}.scope")]),
        );
        let absence = Absence::new("/x", AbsenceKind::Denied);
        given.note_file(&format!("{CGROUPS}{group}/io.stat"), Err(&absence));
        let mounts = b"30 27 0:31 / /home/carol/my\\040disk rw - nfs nas.corp:/export rw,addr=10.1.2.3\n";
        given.note_file("proc/self/mountinfo", Ok(mounts));
        given.note_file("home/carol/my disk/.statvfs", Ok(b"1 2 3 4 5"));
        given.note_file("proc/sys/kernel/hostname", Ok(b"shop-7\n"));
        given.note_file("proc/7/stat", Ok(b"7 (carol) S"));
        given.note_link("proc/7/fd/3", Ok("/home/carol/my diary"));
        frame(&mut redactor(), &mut given);

        let hidden = format!("system.slice/docker-{}{}.scope", "000000000001", "0".repeat(52));
        let text = |path: &str| String::from_utf8(given.files[path].clone()).unwrap();
        assert_eq!(text("proc/7/cgroup"), format!("0::/{hidden}\n1:cpu:/home/x\n"));
        assert!(given.files.contains_key(&format!("{CGROUPS}{hidden}/cpu.stat")), "{:?}", given.files.keys());
        assert!(given.absences.contains_key(&format!("{CGROUPS}{hidden}/io.stat")));
        assert_eq!(
            given.listings[&format!("{CGROUPS}system.slice/.directories")],
            [hidden.rsplit('/').next().unwrap()]
        );
        assert_eq!(
            text("proc/self/mountinfo"),
            "30 27 0:31 / /home/user-1/path-1 rw - nfs host-2:/export rw,addr=198.18.0.1\n"
        );
        assert!(given.files.contains_key("home/user-1/path-1/.statvfs"), "{:?}", given.files.keys());
        assert_eq!(text("proc/sys/kernel/hostname"), "host-1\n");
        assert_eq!(text("proc/7/stat"), "7 (carol) S");
        assert_eq!(given.links["proc/7/fd/3"], "/home/user-1/path-2");
    }

    #[test]
    fn tables_of_sockets_keep_their_shape() {
        let table = b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 0302010A:0050 0A 00000000:00000000\n   \
            1: 00000000000000000000000000000000:0016 B80D0120000000000000000007000000:0050 0A\n   \
            2: 0000000000000000FFFF00000302010A:0016 0302010A:0050 0A\n";
        let hidden = sockets(&mut redactor(), table);
        assert_eq!(
            String::from_utf8(hidden).unwrap(),
            "  sl  local_address rem_address   st\n   0: 0100007F:1F90 010012C6:0050 0A 00000000:00000000\n   \
             1: 00000000000000000000000000000000:0016 B80D0120000000000000000002000000:0050 0A\n   \
             2: 0000000000000000FFFF0000010012C6:0016 010012C6:0050 0A\n"
        );
        for bytes in [&b""[..], b":", b"0:\xff", b"0302010A:", b"zz02010A:1"] {
            sockets(&mut redactor(), bytes);
        }
    }
}
