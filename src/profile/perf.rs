//! What sampling and tracing share: which threads and CPUs there are, and one ring for several events.

use crate::model::host::parse_list;
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
    let cpus = parse_list(text.trim())
        .ok_or_else(|| io::Error::other("/sys/devices/system/cpu/online makes no sense"))?;
    Ok(cpus.into_iter().filter_map(|cpu| usize::try_from(cpu).ok()).collect())
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
