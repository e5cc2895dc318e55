//! Names of system calls by their numbers, which differ between architectures, and what their first argument is.
//!
//! Source: the kernel's own tables, through the crate `syscalls`; syscalls(2).

/// Where a call with this name keeps what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstArgument {
    /// A file descriptor.
    Descriptor,
    /// The address of a lock's word.
    Futex,
    /// Something that names nothing.
    Other,
}

/// The call `number` of a machine of the kind `arch` (uname(2)); none where either is not known.
pub fn name(arch: &str, number: u64) -> Option<&'static str> {
    let number = usize::try_from(number).ok()?;
    match arch {
        "x86_64" => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
        "aarch64" => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        _ => None,
    }
}

/// What the first argument of the call `name` is.
pub fn first_argument(name: &str) -> FirstArgument {
    match name {
        "futex" | "futex_wait" => FirstArgument::Futex,
        _ if DESCRIPTOR.contains(&name) => FirstArgument::Descriptor,
        _ => FirstArgument::Other,
    }
}

/// Calls that may sleep for what their first argument, a descriptor, stands for. Those that wait for many at once
/// (epoll_wait, io_uring_enter) are not meant: the descriptor says nothing there.
const DESCRIPTOR: &[&str] = &[
    "accept",
    "accept4",
    "connect",
    "copy_file_range",
    "fallocate",
    "fcntl",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getdents64",
    "ioctl",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "sync_file_range",
    "syncfs",
    "write",
    "writev",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_their_machine() {
        assert_eq!(name("x86_64", 74), Some("fsync"));
        assert_eq!(name("aarch64", 82), Some("fsync"));
        assert_eq!(name("x86_64", 202), Some("futex"));
        assert_eq!(name("aarch64", 98), Some("futex"));
        for (arch, number) in [("x86_64", 99_999), ("x86_64", u64::MAX), ("riscv64", 1), ("", 0)] {
            assert_eq!(name(arch, number), None, "{arch} {number}");
        }
    }

    #[test]
    fn every_call_that_is_listed_exists() {
        let known: Vec<&str> = (0..1000).filter_map(|number| name("x86_64", number)).collect();
        for call in DESCRIPTOR {
            assert!(known.contains(call), "{call}");
            assert_eq!(first_argument(call), FirstArgument::Descriptor);
        }
        assert_eq!(first_argument("futex"), FirstArgument::Futex);
        assert_eq!(first_argument("nanosleep"), FirstArgument::Other);
    }
}
