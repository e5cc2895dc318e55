//! What is remembered of a process, since it may have gone when its samples are named.

use super::open;
use crate::model::task::Pid;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Roots of other mount namespaces that are held; one more descriptor each.
pub(super) const ROOTS_MAX: usize = 128;

/// One process.
#[derive(Debug)]
pub(in crate::profile) struct Process {
    root: Option<Arc<OwnedFd>>,
    own_root: bool,
    /// What paths of its mappings begin with where it was put below another folder by chroot(2): the kernel prints them
    /// from the root of the mount namespace.
    root_path: Vec<u8>,
    /// Process id in its own namespace, as its runtime sees it.
    pub(in crate::profile) inner_pid: Pid,
    /// Real and effective user.
    pub(in crate::profile) users: [u32; 2],
}

impl Process {
    /// Looks at a living process; its root is held where it is not ours, so that its files are found afterwards.
    pub(super) fn read(pid: Pid, hold_root: bool) -> Option<Self> {
        let mut status = Vec::new();
        File::open(format!("/proc/{pid}/status")).ok()?.take(65_536).read_to_end(&mut status).ok()?;
        let (inner_pid, users) = parse_status(&status)?;
        let root = format!("/proc/{pid}/root");
        let own_root = same_root(&root);
        let root_path = std::fs::read_link(&root).map(|path| path.into_os_string().into_vec());
        let root = if own_root { "/".to_owned() } else { root };
        let held = (own_root || hold_root).then(|| open::folder(&root)).flatten();
        Some(Self {
            root: held.map(Arc::new),
            own_root,
            root_path: root_path.unwrap_or_default(),
            inner_pid: inner_pid.unwrap_or(pid),
            users,
        })
    }

    /// Its root folder, when it could be held.
    pub(in crate::profile) fn root(&self) -> Option<Arc<OwnedFd>> {
        self.root.as_ref().map(Arc::clone)
    }

    /// A path of one of its mappings, as the process itself would write it.
    pub(in crate::profile) fn inner_path<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        path.strip_prefix(self.root_path.as_slice()).filter(|inner| inner.starts_with(b"/")).unwrap_or(path)
    }

    /// Whether its root is the one that we have.
    pub(in crate::profile) fn has_own_root(&self) -> bool {
        self.own_root
    }

    pub(super) fn holds_root(&self) -> bool {
        self.root.is_some() && !self.own_root
    }
}

/// Whether a root folder is ours: the same folder of the same mount, which is told since Linux 5.8.
fn same_root(root: &str) -> bool {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let look = |path: &str| {
        let seen = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, mask).ok()?;
        let told = seen.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        told.then_some((seen.stx_mnt_id, seen.stx_ino, seen.stx_dev_major, seen.stx_dev_minor))
    };
    look(root).is_some_and(|theirs| look("/") == Some(theirs))
}

/// The last process id of `NSpid`, and the real and effective user of `Uid`.
fn parse_status(status: &[u8]) -> Option<(Option<Pid>, [u32; 2])> {
    let field = |name: &str| {
        status
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name.as_bytes()))
            .and_then(|rest| std::str::from_utf8(rest).ok())
    };
    let mut users = field("Uid:")?.split_ascii_whitespace();
    let mut user = || users.next()?.parse().ok();
    let users = [user()?, user()?];
    let inner = field("NSpid:")
        .and_then(|pids| pids.split_ascii_whitespace().next_back())
        .and_then(|pid| pid.parse().ok());
    Some((inner, users))
}

/// Opens a folder to look below it.
pub(super) fn open_folder(path: &str) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_process_id_and_the_users_are_read() {
        let status = b"Name:\tnode\nUid:\t1000\t0\t0\t0\nNSpid:\t4711\t12\t1\n";
        assert_eq!(parse_status(status), Some((Some(1), [1000, 0])));
        assert_eq!(parse_status(b"Uid:\t5\t6\t6\t6\n"), Some((None, [5, 6])));
        assert_eq!(parse_status(b"Name:\tx\n"), None);
        for cut in 0..status.len() {
            let _ = parse_status(&status[..cut]);
        }
    }

    #[test]
    fn our_own_root_is_known_to_be_ours() {
        let pid = Pid::try_from(std::process::id()).unwrap();
        let process = Process::read(pid, true).unwrap();
        assert!(process.root().is_some());
        let _ = process.has_own_root();
        assert_eq!(process.inner_path(b"/usr/bin/x"), b"/usr/bin/x");
        let jailed = Process { root_path: b"/srv/jail".to_vec(), ..process };
        assert_eq!(jailed.inner_path(b"/srv/jail/bin/x"), b"/bin/x");
        assert_eq!(jailed.inner_path(b"/srv/jailer"), b"/srv/jailer");
        assert!(Process::read(-5, true).is_none());
    }
}
