//! Pseudonyms in the raw files of a capture, such that the files read as before.
//!
//! A file is looked through unless it is known to hold numbers, names of processes, or names of functions alone. Of the
//! rest some have a form of their own: control groups are named by their paths as well, mounts too, and in the tables of
//! sockets (`/proc/net/tcp` and the like) addresses are hexadecimal.

use super::{Frame, Meta};
use crate::model::reading::AbsenceKind;
use crate::model::target::Asked;
use crate::redact::Redactor;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

const CGROUPS: &str = "sys/fs/cgroup/";
/// Directories of devices by their names, which a user may have chosen.
const DEVICES: [&str; 2] = ["sys/class/net/", "sys/block/"];

/// How the list of mounts writes what would end a word; the backslash first.
const ESCAPES: [(&str, &str); 4] = [("\\134", "\\"), ("\\040", " "), ("\\011", "\t"), ("\\012", "\n")];

const STATVFS: &str = "/.statvfs";
const DIRECTORIES: &str = "/.directories";

/// Files below `/proc` that hold numbers, names of processes, threads and functions, and nothing else; by their names.
const NOTHING_TOLD: [&str; 31] = [
    ".count",
    "comm",
    "cpu",
    "interrupts",
    "io",
    "limits",
    "loadavg",
    "locks",
    "meminfo",
    "memory",
    "netstat",
    "nf_conntrack",
    "nf_conntrack_count",
    "nf_conntrack_max",
    "schedstat",
    "smaps_rollup",
    "snmp",
    "snmp6",
    "sockstat",
    "sockstat6",
    "softirqs",
    "softnet_stat",
    "stack",
    "stat",
    "statm",
    "status",
    "syscall",
    "uptime",
    "vmstat",
    "wchan",
    "zoneinfo",
];

/// One moment of the window, all of it.
pub(super) fn frame(redactor: &mut Redactor, frame: &mut Frame) {
    // The kernel's messages call processes by the names that they have elsewhere.
    for (path, bytes) in frame.files.iter().filter(|(path, _)| path.ends_with("/stat")) {
        if let Some(comm) = of_process(path).then(|| name_in_stat(bytes)).flatten() {
            redactor.know_process(comm);
        }
    }
    let files = std::mem::take(&mut frame.files);
    for (path, bytes) in files {
        let bytes = file(redactor, &path, bytes);
        frame.files.insert(renamed(redactor, &path), bytes);
    }
    for kind in frame.absences.values_mut() {
        if let AbsenceKind::Malformed(detail) | AbsenceKind::Failed(detail) = kind {
            *detail = redactor.text(detail);
        }
    }
    frame.absences = rekeyed(redactor, std::mem::take(&mut frame.absences));
    for (path, names) in &mut frame.listings {
        if let Some(folder) = path.strip_prefix(CGROUPS).and_then(|path| path.strip_suffix(DIRECTORIES)) {
            let parent = folder.rsplit('/').next().unwrap_or("");
            names.iter_mut().for_each(|name| *name = group(redactor, parent, name));
        } else if DEVICES.iter().any(|devices| devices.trim_end_matches('/') == path) {
            names.iter_mut().for_each(|name| *name = redactor.text(name));
        }
    }
    frame.listings = rekeyed(redactor, std::mem::take(&mut frame.listings));
    frame.links.values_mut().for_each(|target| *target = redactor.path(target));
    frame.links = rekeyed(redactor, std::mem::take(&mut frame.links));
}

/// Whether a file is one of a process or thread.
fn of_process(path: &str) -> bool {
    let below = path.strip_prefix("proc/");
    below.is_some_and(|below| below.starts_with(|first: char| first.is_ascii_digit()))
}

/// The name in `/proc/PID/stat`, which may hold anything.
fn name_in_stat(stat: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(stat).ok()?;
    text.get(text.find('(')? + 1..text.rfind(')')?)
}

fn rekeyed<V>(redactor: &mut Redactor, map: BTreeMap<String, V>) -> BTreeMap<String, V> {
    map.into_iter().map(|(path, value)| (renamed(redactor, &path), value)).collect()
}

/// What the capture is about.
pub(super) fn about(redactor: &mut Redactor, about: &mut Meta) {
    let host = &mut about.host;
    host.hostname = host.hostname.take().map(|name| redactor.host(&name));
    host.boot_id = host.boot_id.take().map(|id| redactor.id(&id));
    host.users.values_mut().for_each(|user| *user = redactor.user(user));
    host.container = host.container.take().map(|name| redactor.text(&name));
    about.note = about.note.take().map(|note| redactor.text(&note));
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

/// The path under which a file is kept: control groups, mount points and interfaces have names in it.
fn renamed(redactor: &mut Redactor, path: &str) -> String {
    if let Some(below) = path.strip_prefix(CGROUPS) {
        return format!("{CGROUPS}{}", by_component(redactor, below));
    }
    if let Some(devices) = DEVICES.into_iter().find(|devices| path.starts_with(devices)) {
        let below = &path[devices.len()..];
        let (name, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
        return format!("{devices}{}{rest}", redactor.text(name));
    }
    let of_kernel = ["proc/", "sys/", "dev/"].iter().any(|root| path.starts_with(root));
    match path.strip_suffix(STATVFS).filter(|_| !of_kernel) {
        // As the list of the mounts has it.
        Some(mount) => {
            let mut escaped = format!("/{mount}");
            ESCAPES.iter().for_each(|(code, plain)| escaped = escaped.replace(plain, code));
            let mut renamed = redactor.path(&escaped);
            ESCAPES.iter().rev().for_each(|(code, plain)| renamed = renamed.replace(code, plain));
            format!("{}{STATVFS}", renamed.trim_start_matches('/'))
        }
        None => path.to_owned(),
    }
}

/// Each name of a path alone, so that it reads the same in a list of names.
fn by_component(redactor: &mut Redactor, path: &str) -> String {
    let mut parent = "";
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(group(redactor, parent, part));
        parent = part;
    }
    parts.join("/")
}

/// The name of a control group within `parent`. The name of an LXC container is chosen by a user.
fn group(redactor: &mut Redactor, parent: &str, name: &str) -> String {
    let chosen = ["lxc.payload.", "lxc.monitor."].into_iter().find(|prefix| name.starts_with(prefix));
    match chosen {
        Some(prefix) => format!("{prefix}{}", redactor.id(&name[prefix.len()..])),
        None if ["lxc", "lxc.payload"].contains(&parent) && !name.starts_with('.') => redactor.id(name),
        None => redactor.text(name),
    }
}

fn file(redactor: &mut Redactor, path: &str, bytes: Vec<u8>) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match name {
        "hostname" => line(&redactor.host(&text(&bytes))),
        "boot_id" => line(&redactor.id(&text(&bytes))),
        "cgroup" => by_line(&bytes, |text| by_component(redactor, text)),
        "mountinfo" | "mounts" | "swaps" => by_line(&bytes, |text| mount(redactor, text)),
        "backing_file" => line(&redactor.path(&text(&bytes))),
        "tcp" | "tcp6" | "udp" | "udp6" => sockets(redactor, &bytes),
        _ if path.ends_with(STATVFS) || path.starts_with(CGROUPS) || path.contains("/fdinfo/") => bytes,
        _ if path.starts_with("proc/") && NOTHING_TOLD.contains(&name) => bytes,
        _ => redactor.bytes(&bytes),
    }
}

/// Each line by itself; bytes that are not text stay.
fn by_line(bytes: &[u8], mut change: impl FnMut(&str) -> String) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        for chunk in bare.utf8_chunks() {
            out.extend_from_slice(change(chunk.valid()).as_bytes());
            out.extend_from_slice(chunk.invalid());
        }
        out.extend_from_slice(&line[bare.len()..]);
    }
    out
}

/// A line of words, of which some are paths: whatever is in those belongs to them.
fn mount(redactor: &mut Redactor, line: &str) -> String {
    let ends = |c: char| c == ' ' || c == '\t';
    let words = line.split_inclusive(ends).map(|word| {
        let bare = word.trim_end_matches(ends);
        let put = match bare.strip_prefix('/') {
            Some(tail) if !tail.starts_with('/') => redactor.path(bare),
            _ => redactor.text(bare),
        };
        put + &word[bare.len()..]
    });
    words.collect()
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// A table of sockets with other addresses. Columns keep their width, and other columns stay.
fn sockets(redactor: &mut Redactor, table: &[u8]) -> Vec<u8> {
    by_line(table, |line| {
        let mut column = 0;
        let words = line.split_inclusive(' ').map(|word| {
            let bare = word.trim_end();
            column += usize::from(!bare.is_empty());
            // The lengths of the queues look like addresses too.
            let address = if [2, 3].contains(&column) { bare.split_once(':') } else { None };
            match address.and_then(|(address, port)| Some((hidden(redactor, address)?, port))) {
                Some((address, port)) => format!("{address}:{port}{}", &word[bare.len()..]),
                None => word.to_owned(),
            }
        });
        words.collect()
    })
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
    use crate::capture::FrameKind;
    use crate::model::reading::{Absence, AbsenceKind};
    use crate::redact::Style;
    use std::time::Duration;

    fn redactor() -> Redactor {
        let mut redactor = Redactor::new(Style::Raw);
        redactor.know_host("shop-7");
        redactor.know_users(&BTreeMap::from([(0, "root".to_owned()), (1000, "carol".to_owned())]));
        redactor
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
        let table = b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 0302010A:0050 0A 00196A00:00000001\n   \
            1: 00000000000000000000000000000000:0016 B80D0120000000000000000007000000:0050 0A\n   \
            2: 0000000000000000FFFF00000302010A:0016 0302010A:0050 0A\n";
        let hidden = sockets(&mut redactor(), table);
        assert_eq!(
            String::from_utf8(hidden).unwrap(),
            "  sl  local_address rem_address   st\n   0: 0100007F:1F90 010012C6:0050 0A 00196A00:00000001\n   \
             1: 00000000000000000000000000000000:0016 B80D01200000A6D10000000002000000:0050 0A\n   \
             2: 0000000000000000FFFF0000010012C6:0016 010012C6:0050 0A\n"
        );
        for bytes in [&b""[..], b":", b"0:\xff", b"0302010A:", b"zz02010A:1"] {
            sockets(&mut redactor(), bytes);
        }
    }
}
