//! What sampling and tracing share: which threads and CPUs there are, and one ring for several events.

use crate::model::task::Pid;
use perf_event::{Counter, Sampler};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;

/// Threads of a process; none when it has gone.
pub(super) fn threads(pid: Pid) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// CPUs that are online.
///
/// # Errors
///
/// When the list cannot be read or understood.
pub(super) fn online_cpus() -> io::Result<Vec<usize>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")?;
    parse_cpus(text.trim()).ok_or_else(|| io::Error::other("/sys/devices/system/cpu/online makes no sense"))
}

/// `0-3,8,10-11`: kernel `Documentation/admin-guide/cputopology.rst`.
fn parse_cpus(text: &str) -> Option<Vec<usize>> {
    /// More than any kernel can have.
    const CPUS_MAX: usize = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// PERF_EVENT_IOC_SET_OUTPUT: `counter` writes into the ring of `into`.
#[allow(unsafe_code, reason = "no crate has this ioctl")]
pub(super) fn redirect(counter: &Counter, into: &Sampler) -> io::Result<()> {
    const SET_OUTPUT: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(b'$', 5);
    // SAFETY: the ioctl takes a file descriptor by value and touches no memory of this process; both descriptors are
    // open as long as their owners are borrowed.
    let result = unsafe {
        let fd = rustix::fd::BorrowedFd::borrow_raw(counter.as_raw_fd());
        let value = usize::try_from(into.as_raw_fd()).unwrap_or(usize::MAX);
        rustix::ioctl::ioctl(fd, rustix::ioctl::IntegerSetter::<SET_OUTPUT>::new_usize(value))
    };
    result.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(parse_cpus("0-3,8,10-11"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_cpus("0"), Some(vec![0]));
        for bad in ["", "a", "0-", "0-99999999999", "1,,2"] {
            assert_eq!(parse_cpus(bad), None, "{bad}");
        }
    }
}
