//! Names of system calls and errors, and what the arguments of a call are.
//!
//! Numbers as in the kernel's tables (crate `syscalls`), names as in the manual's section 2. The kernel's own functions
//! are called a little differently: `arch/x86/entry/syscalls/*.tbl` pairs the two.

use std::str::FromStr;
use syscalls::{Errno, Sysno};

/// The largest error number that a call can return (kernel `include/linux/err.h`, MAX_ERRNO).
const ERRNO_MAX: i64 = 4095;

/// Codes with which the kernel starts a call again after a signal: the program never sees them
/// (kernel `include/linux/errno.h`, ERESTARTSYS to ERESTART_RESTARTBLOCK).
const RESTARTS: std::ops::RangeInclusive<i64> = 512..=516;

/// The bit of numbers of the x32 interface.
const X32_BIT: i64 = 0x4000_0000;

/// Which table of numbers a call was made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The machine's own.
    Native,
    /// The one of 32-bit programs on a 64-bit machine.
    Compat,
}

/// What the arguments of a call say of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The first argument is a file descriptor.
    Descriptor,
    /// The first argument is the address of a futex.
    Futex,
    /// The first argument points to a path.
    Path,
    /// The second argument points to a path, below the directory of the first.
    PathAt,
    /// Nothing that would name one.
    None,
}

/// The name of the call with this number; `syscall 999` where there is none.
pub fn name(number: i64, table: Table) -> String {
    // A thread that comes back from a signal handler has no number left.
    if number < 0 {
        return "rt_sigreturn".to_owned();
    }
    let known = usize::try_from(number).ok().and_then(|number| match table {
        Table::Native => native(number),
        Table::Compat => compat(number),
    });
    known.map_or_else(|| format!("syscall {number}"), str::to_owned)
}

fn native(number: usize) -> Option<&'static str> {
    let plain = usize::try_from(X32_BIT).ok().filter(|_| cfg!(target_arch = "x86_64"));
    Sysno::new(plain.map_or(number, |bit| number & !bit)).map(|known| known.name())
}

#[cfg(target_arch = "x86_64")]
fn compat(number: usize) -> Option<&'static str> {
    syscalls::x86::Sysno::new(number).map(|known| known.name())
}

#[cfg(target_arch = "aarch64")]
fn compat(number: usize) -> Option<&'static str> {
    syscalls::arm::Sysno::new(number).map(|known| known.name())
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn compat(_number: usize) -> Option<&'static str> {
    None
}

/// The call `number` of a machine of the kind `arch` (uname(2)); none where either is not known.
pub fn name_on(arch: &str, number: u64) -> Option<&'static str> {
    let number = usize::try_from(number).ok()?;
    match arch {
        "x86_64" => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
        "aarch64" => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        _ => None,
    }
}

/// The error in what a call returned; none where it succeeded, or is only started again.
pub fn error(returned: i64) -> Option<i32> {
    let number = returned.checked_neg().filter(|number| (1..=ERRNO_MAX).contains(number))?;
    if RESTARTS.contains(&number) { None } else { i32::try_from(number).ok() }
}

/// The name of an error: `EAGAIN`; `error 4000` where it has none.
pub fn error_name(number: i32) -> String {
    Errno::new(number).name().map_or_else(|| format!("error {number}"), str::to_owned)
}

/// The call whose entry a function of the kernel is: `read` for `__x64_sys_read`. None for any other function.
pub fn entry_name(kernel_symbol: &str) -> Option<String> {
    // What the compiler made of it: `.isra.0`, `.cold`.
    let symbol = kernel_symbol.split_once('.').map_or(kernel_symbol, |(function, _)| function);
    let (entry, surely) = without_prefix(symbol)?;
    let named = entry.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && entry.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // The answer to a number that the kernel does not have.
    if !named || entry == "ni_syscall" {
        return None;
    }
    let name = manual_name(entry);
    (surely || Sysno::from_str(&name).is_ok()).then_some(name)
}

/// What follows the prefix of an entry, and whether only entries have such a prefix.
fn without_prefix(symbol: &str) -> Option<(&str, bool)> {
    const ENTRIES: [&str; 6] = ["x64", "ia32", "x32", "arm64", "riscv", "s390x"];
    const STAGES: [&str; 3] = ["se", "do", "s390"];
    // Functions that an entry shares with others.
    for prefix in ["ksys_", "SyS_", "sys_"] {
        if let Some(rest) = symbol.strip_prefix(prefix) {
            return Some((rest, false));
        }
    }
    let rest = symbol.strip_prefix("__")?;
    let (interface, rest) = rest.split_once('_')?;
    if !ENTRIES.contains(&interface) && !STAGES.contains(&interface) {
        return None;
    }
    let rest = rest.strip_prefix("compat_").unwrap_or(rest);
    Some((rest.strip_prefix("sys_")?, true))
}

/// The manual's name of what the kernel calls `entry`.
fn manual_name(entry: &str) -> String {
    let entry = entry.strip_prefix("ia32_").unwrap_or(entry);
    // Variants for the short seconds of 32-bit programs.
    let entry = match entry.strip_suffix("_time32") {
        Some(base) => base,
        None => match entry.strip_suffix("32") {
            Some(base) if base.ends_with("time") => base,
            _ => entry,
        },
    };
    let name = match entry {
        "newstat" => "stat",
        "newlstat" => "lstat",
        "newfstat" => "fstat",
        "newuname" => "uname",
        "umount" => "umount2",
        "oldumount" => "umount",
        "mmap_pgoff" | "old_mmap" => "mmap",
        "sendfile64" => "sendfile",
        "llseek" => "_llseek",
        "fadvise64_64" => "fadvise64",
        other => other,
    };
    name.to_owned()
}

/// What the arguments of the call `name` say of its subject.
pub fn subject(name: &str) -> Subject {
    match name {
        "read" | "write" | "close" | "fstat" | "lseek" | "_llseek" | "ioctl" | "pread64" | "pwrite64"
        | "readv" | "writev" | "preadv" | "pwritev" | "preadv2" | "pwritev2" | "sendfile" | "sendto"
        | "recvfrom" | "sendmsg" | "recvmsg" | "sendmmsg" | "recvmmsg" | "send" | "recv" | "accept"
        | "accept4" | "connect" | "bind" | "listen" | "shutdown" | "getsockopt" | "setsockopt"
        | "getsockname" | "getpeername" | "fsync" | "fdatasync" | "syncfs" | "sync_file_range"
        | "fallocate" | "ftruncate" | "fadvise64" | "readahead" | "getdents" | "getdents64" | "fcntl"
        | "fcntl64" | "flock" | "dup" | "dup2" | "dup3" | "fchmod" | "fchown" | "fchdir" | "fstatfs"
        | "fgetxattr" | "fsetxattr" | "flistxattr" | "epoll_wait" | "epoll_pwait" | "epoll_pwait2"
        | "epoll_ctl" | "splice" | "tee" | "vmsplice" | "copy_file_range" | "timerfd_settime"
        | "timerfd_gettime" | "inotify_add_watch" | "io_uring_enter" | "pidfd_send_signal" => {
            Subject::Descriptor
        }
        "futex" | "futex_wait" | "futex_wake" => Subject::Futex,
        "open" | "stat" | "lstat" | "access" | "readlink" | "unlink" | "mkdir" | "rmdir" | "chdir"
        | "creat" | "execve" | "statfs" | "chmod" | "chown" | "lchown" | "truncate" | "utime" | "utimes"
        | "mknod" | "rename" | "link" | "getxattr" | "lgetxattr" | "setxattr" | "listxattr" => Subject::Path,
        "openat" | "openat2" | "newfstatat" | "statx" | "faccessat" | "faccessat2" | "readlinkat"
        | "unlinkat" | "mkdirat" | "mknodat" | "fchmodat" | "fchownat" | "utimensat" | "renameat"
        | "renameat2" | "linkat" | "execveat" => Subject::PathAt,
        _ => Subject::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_the_names_of_their_machine() {
        assert_eq!(name_on("x86_64", 74), Some("fsync"));
        assert_eq!(name_on("aarch64", 82), Some("fsync"));
        assert_eq!(name_on("x86_64", 202), Some("futex"));
        assert_eq!(name_on("aarch64", 98), Some("futex"));
        for (arch, number) in [("x86_64", 99_999), ("x86_64", u64::MAX), ("riscv64", 1), ("", 0)] {
            assert_eq!(name_on(arch, number), None, "{arch} {number}");
        }
    }

    #[test]
    fn functions_of_the_kernel_are_named_as_in_the_manual() {
        for (symbol, name) in [
            ("__x64_sys_read", Some("read")),
            ("__arm64_sys_read", Some("read")),
            ("__ia32_sys_read", Some("read")),
            ("__se_sys_read", Some("read")),
            ("__do_sys_pause", Some("pause")),
            ("__do_sys_pause.isra.0", Some("pause")),
            ("__ia32_compat_sys_setitimer.cold", Some("setitimer")),
            ("__do_compat_sys_ia32_stat64", Some("stat64")),
            ("__x32_compat_sys_execve", Some("execve")),
            ("__riscv_sys_futex", Some("futex")),
            ("__s390x_sys_futex", Some("futex")),
            ("__x64_sys_newfstatat", Some("newfstatat")),
            ("__x64_sys_newfstat", Some("fstat")),
            ("__x64_sys_newuname", Some("uname")),
            ("__x64_sys_umount", Some("umount2")),
            ("__x64_sys_sendfile64", Some("sendfile")),
            ("__x64_sys_pread64", Some("pread64")),
            ("__ia32_sys_futex_time32", Some("futex")),
            ("__ia32_sys_clock_gettime32", Some("clock_gettime")),
            ("__x64_sys_prlimit64", Some("prlimit64")),
            ("__x64_sys_future_call", Some("future_call")),
            ("ksys_read", Some("read")),
            ("ksys_mmap_pgoff", Some("mmap")),
            ("SyS_write", Some("write")),
            ("sys_write", Some("write")),
            ("ksys_sync_helper", None),
            ("sys_info", None),
            ("sys_ni_syscall", None),
            ("__x64_sys_ni_syscall", None),
            ("x64_sys_call", None),
            ("do_syscall_64", None),
            ("__sys_sendto", None),
            ("entry_SYSCALL_64_after_hwframe", None),
            ("vfs_read", None),
            ("__pfx___x64_sys_read", None),
            ("__x64_sys_", None),
            ("__", None),
            ("", None),
        ] {
            assert_eq!(entry_name(symbol).as_deref(), name, "{symbol}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn numbers_are_named_by_the_table_they_are_of() {
        assert_eq!(name(0, Table::Native), "read");
        assert_eq!(name(262, Table::Native), "newfstatat");
        assert_eq!(name(0x4000_0000 + 1, Table::Native), "write");
        assert_eq!(name(3, Table::Compat), "read");
        assert_eq!(name(99_999, Table::Native), "syscall 99999");
        assert_eq!(name(99_999, Table::Compat), "syscall 99999");
        assert_eq!(name(-1, Table::Native), "rt_sigreturn");
    }

    #[test]
    fn only_what_the_program_sees_is_an_error() {
        for (returned, number) in [
            (-11, Some(11)),
            (-1, Some(1)),
            (-4095, Some(4095)),
            (0, None),
            (7, None),
            (-4096, None),
            (i64::MIN, None),
            (i64::MAX, None),
            (-512, None),
            (-516, None),
            (-517, Some(517)),
        ] {
            assert_eq!(error(returned), number, "{returned}");
        }
        assert_eq!(error_name(11), "EAGAIN");
        assert_eq!(error_name(4000), "error 4000");
        assert_eq!(error_name(-5), "error -5");
    }

    #[test]
    fn descriptors_futexes_and_paths() {
        assert_eq!(subject("fsync"), Subject::Descriptor);
        assert_eq!(subject("futex"), Subject::Futex);
        assert_eq!(subject("openat"), Subject::PathAt);
        assert_eq!(subject("stat"), Subject::Path);
        assert_eq!(subject("getpid"), Subject::None);
    }

    proptest! {
        #[test]
        fn any_text_and_any_number_is_survived(text in ".*", number in any::<i64>()) {
            let _ = entry_name(&text);
            let _ = entry_name(&format!("__x64_sys_{text}"));
            let _ = (name(number, Table::Native), name(number, Table::Compat), error(number));
        }
    }
}
