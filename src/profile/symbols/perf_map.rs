//! Maps that runtimes write for perf(1): `/tmp/perf-PID.map`, a line `START SIZE name` for each function that they have
//! compiled (Node with `--perf-basic-prof`, Python with `-X perf`, Java with `jcmd PID Compiler.perfmap`).
//!
//! Anybody can write such a file: it is taken from the process's own user or root only, and its names are as hostile as
//! any other.

use super::bounded;
use crate::model::task::Pid;
use crate::profile::elf::Bytes;
use crate::profile::modules::open::{Place, in_time, inside, look, root};
use crate::profile::modules::{Modules, Process};

/// Bytes that are read; of a longer map the last, since later entries count.
const MAP_BYTES_MAX: usize = 64 << 20;

/// Reads the map of a process; what is wrong with it otherwise, as the end of a sentence.
pub(super) fn read(pid: Pid, process: Option<&Process>) -> Result<Vec<u8>, String> {
    let inner = process.map_or(pid, |process| process.inner_pid);
    let users = process.map(|process| process.users);
    let held = process.and_then(Process::root);
    // The outer name is what is left of a process that was not met while it lived.
    let places = [held.map(|root| (root, inner)), root().map(|root| (root.into(), pid))];
    let mut reason = format!("there is no /tmp/perf-{inner}.map");
    for (root, pid) in places.into_iter().flatten() {
        let name = name(pid);
        let read = in_time(move || {
            let place = look(inside(&root, &name).ok()?).ok()?;
            Some(trusted(&place, users).map(|()| text_of(&place)))
        });
        match read {
            Some(Some(Ok(text))) => return Ok(text),
            Some(Some(Err(why))) => reason = format!("/tmp/perf-{pid}.map {why}"),
            None => reason = format!("/tmp/perf-{pid}.map does not answer"),
            Some(None) => {}
        }
    }
    Err(reason)
}

/// What the map of a process is called where it runs.
pub(super) fn path(pid: Pid, modules: &Modules) -> String {
    name(modules.process(pid).map_or(pid, |process| process.inner_pid))
}

fn name(pid: Pid) -> String {
    format!("/tmp/perf-{pid}.map")
}

/// Whether its owner may say what the code of the process is called. Of a process that was not examined while it ran,
/// only root and we ourselves may.
fn trusted(place: &Place, users: Option<[u32; 2]>) -> Result<(), &'static str> {
    if !place.is_regular() {
        return Err("is no regular file");
    }
    let owner = place.facts.stx_uid;
    let own = rustix::process::geteuid().as_raw();
    let may = owner == 0 || users.map_or(owner == own, |users| users.contains(&owner));
    if may { Ok(()) } else { Err("belongs to another user") }
}

fn text_of(place: &Place) -> Vec<u8> {
    let Ok(file) = place.open() else {
        return Vec::new();
    };
    let skipped = place.facts.stx_size.saturating_sub(MAP_BYTES_MAX as u64);
    let wanted = usize::try_from(place.facts.stx_size).map_or(MAP_BYTES_MAX, |size| size.min(MAP_BYTES_MAX));
    Bytes::File(file).read_some(skipped, wanted)
}

/// Names addresses, which are sorted and each with the caller's own index. A later line counts more than an earlier one,
/// since runtimes write code over code; what is named is taken off the list.
pub(super) fn find(text: &[u8], wanted: &mut Vec<(u64, usize)>, mut found: impl FnMut(usize, String)) {
    for line in text.rsplit(|byte| *byte == b'\n') {
        if wanted.is_empty() {
            return;
        }
        let Some((start, size, name)) = parse_line(line) else {
            continue;
        };
        let first = wanted.partition_point(|(address, _)| *address < start);
        let end = start.saturating_add(size);
        let covered =
            wanted.get(first..).map_or(0, |tail| tail.partition_point(|(address, _)| *address < end));
        if covered == 0 {
            continue;
        }
        let symbol = bounded(String::from_utf8_lossy(name).into_owned());
        for (_, index) in wanted.drain(first..first + covered) {
            found(index, symbol.clone());
        }
    }
}

/// `START SIZE name`, in hexadecimal; Java writes `0x` before it. A name may hold anything but a newline.
fn parse_line(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut number = || {
        let text = std::str::from_utf8(parts.next()?).ok()?;
        u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
    };
    let (start, size) = (number()?, number()?);
    let name = parts.next()?;
    (!name.is_empty()).then_some((start, size, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAP: &[u8] = b"\
1000 100 JS:*fibo hot.js:1:14
0x0000000000002000 0x80 long Hot.fibo(int)
3000 40 py::fibo:/srv/a b.py
1080 10 later
garbage
zz 10 bad
4000 ffffffffffffffff
5000 ffffffffffffffff over the end
";

    fn names(text: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
        let mut names = vec![None; addresses.len()];
        let mut wanted: Vec<_> = addresses.iter().copied().zip(0..).collect();
        wanted.sort_unstable();
        find(text, &mut wanted, |index, name| names[index] = Some(name));
        names
    }

    #[test]
    fn later_entries_win_and_prefixes_are_read() {
        let found =
            names(MAP, &[0x1085, 0x1000, 0x10ff, 0x1100, 0x207f, 0x2080, 0x3001, 0x4000, u64::MAX - 1]);
        let found: Vec<_> = found.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
        assert_eq!(
            found,
            [
                "later",
                "JS:*fibo hot.js:1:14",
                "JS:*fibo hot.js:1:14",
                "-",
                "long Hot.fibo(int)",
                "-",
                "py::fibo:/srv/a b.py",
                "-",
                "over the end"
            ]
        );
    }

    #[test]
    fn a_map_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perf-1.map");
        std::fs::write(&path, MAP).unwrap();
        let place = |path: &std::path::Path| {
            let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW;
            look(rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap()).unwrap()
        };
        let file = place(&path);
        let owner = file.facts.stx_uid;
        assert!(trusted(&file, Some([owner, owner])).is_ok() && trusted(&file, None).is_ok());
        assert_eq!(trusted(&file, Some([owner + 1; 2])).is_err(), owner != 0);
        assert_eq!(text_of(&file), MAP);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(trusted(&place(&link), Some([owner; 2])), Err("is no regular file"));
        assert!(trusted(&place(folder.path()), Some([owner; 2])).is_err());
    }

    proptest! {
        #[test]
        fn any_map_is_survived(text in proptest::collection::vec(any::<u8>(), 0..300), address in any::<u64>()) {
            let _ = names(&text, &[address, 0, u64::MAX]);
        }

        #[test]
        fn a_broken_map_is_survived(at in 0..MAP.len(), byte in any::<u8>(), cut in 0..MAP.len()) {
            let mut text = MAP.to_vec();
            text[at] = byte;
            text.truncate(cut);
            let _ = names(&text, &[0x1000, 0x2000, 0x5000]);
        }
    }
}
