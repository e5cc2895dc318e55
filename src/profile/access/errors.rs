//! What the kernel means by an error of perf_event_open(2), of the mapping of a ring and of their like.

use super::{Facts, Refused, What, without_rights};
use syscalls::Errno;

/// The number of an error, also of the one that the perf crate puts into words of its own.
pub fn errno_of(error: &std::io::Error) -> i32 {
    let unsupported = error.kind() == std::io::ErrorKind::Unsupported;
    let substitute = if unsupported { Errno::E2BIG } else { Errno::EINVAL };
    error.raw_os_error().unwrap_or(substitute.into_raw())
}

/// Why the kernel refused `what` with this error, and what to do about it.
pub fn explain_error(errno: i32, what: What, facts: &Facts) -> Refused {
    let plain = |reason: &str, unlock: Option<&str>| Refused {
        reason: reason.to_owned(),
        unlock: unlock.map(str::to_owned),
    };
    match Errno::new(errno) {
        Errno::EPERM | Errno::ENOMEM if what == What::Ring => {
            facts.refused(what, "the memory for samples is over what a user may lock".to_owned())
        }
        Errno::ENOSYS | Errno::ENOENT if facts.paranoid.is_none() => plain(
            "the kernel has no perf_event_open",
            Some("a kernel with CONFIG_PERF_EVENTS, or run diag outside of the sandbox"),
        ),
        Errno::EPERM | Errno::ENOSYS if facts.seccomp != 0 => {
            facts.refused(what, "a seccomp filter refuses perf_event_open".to_owned())
        }
        Errno::EPERM | Errno::EACCES => denied(what, facts),
        Errno::ENOSYS => plain("the kernel has no perf_event_open", Some("a kernel with CONFIG_PERF_EVENTS")),
        Errno::EMFILE => {
            plain("too many open files in diag", Some("ulimit -n 65536 in the shell that starts it"))
        }
        Errno::ENFILE => plain("too many open files on the machine", Some("sudo sysctl fs.file-max=1000000")),
        Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP => plain(
            "the machine has no such counter",
            Some("the kernel's clock, cpu-clock, counts in its stead"),
        ),
        Errno::EINVAL => invalid(facts),
        Errno::EBUSY => plain("another program holds the counter", Some("end the other profiler")),
        Errno::E2BIG => plain("the kernel is too old for one of the options", Some("Linux 4.4 or newer")),
        Errno::ENOSPC => plain("all of the counter's hardware is taken", Some("end the other profiler")),
        Errno::ESRCH => plain("the process has ended", None),
        other => {
            let name = other.name().unwrap_or("an unknown error");
            plain(&format!("the kernel refused it with {name}"), None)
        }
    }
}

/// A refusal because rights are missing.
fn denied(what: What, facts: &Facts) -> Refused {
    // With every right, what is left is a security module: SELinux, AppArmor, or a policy of the sandbox.
    if facts.is_privileged() {
        let reason = "a security module refuses it in spite of all capabilities";
        let unlock = "journalctl -k --grep 'avc|apparmor' says which: SELinux, AppArmor";
        return Refused { reason: reason.to_owned(), unlock: Some(unlock.to_owned()) };
    }
    facts.refused(what, without_rights(facts))
}

fn invalid(facts: &Facts) -> Refused {
    let Some(rate) = facts.sample_rate_max_hertz else {
        return Refused { reason: "the kernel does not take these options".to_owned(), unlock: None };
    };
    Refused {
        reason: format!(
            "the kernel does not take these options; it allows {rate} samples a second and CPU at most"
        ),
        unlock: Some(format!("--frequency {}", rate.min(99))),
    }
}
