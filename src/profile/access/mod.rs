//! What the kernel allows before anything is tried, and what to type where it does not.
//!
//! Sources: perf_event_open(2), capabilities(7), proc_sys_kernel(5), kernel `Documentation/admin-guide/perf-security.rst`,
//! `kernel/events/core.c` (`perf_allow_kernel`, `perf_allow_cpu`, `perf_allow_tracepoint`), `kernel/ksyms_common.c` and
//! `fs/proc/base.c` (`proc_pid_stack`). Capabilities count in the first user namespace only. Debian's and Ubuntu's
//! kernels know levels of perf_event_paranoid above 2 that refuse everything, others take them for 2, and a seccomp
//! filter cannot be read from within: so [`look`] opens one counter of nothing on its own thread and keeps the answer.

mod errors;
mod facts;
mod unlock;

pub use errors::{errno_of, explain_error};
pub(in crate::profile) use facts::TRACEFS;
pub use facts::{look, look_at};

use crate::model::finding::NotChecked;

/// CAP_DAC_OVERRIDE, capabilities(7).
pub const DAC_OVERRIDE: u32 = 1;
/// CAP_DAC_READ_SEARCH.
pub const DAC_READ_SEARCH: u32 = 2;
/// CAP_SYS_PTRACE.
pub const SYS_PTRACE: u32 = 19;
/// CAP_SYS_ADMIN.
pub const SYS_ADMIN: u32 = 21;
/// CAP_SYSLOG.
pub const SYSLOG: u32 = 34;
/// CAP_PERFMON, Linux 5.8.
pub const PERFMON: u32 = 38;

/// Where diag runs, as far as it decides what there is to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// No container.
    Host,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// A pod of Kubernetes, whatever runs it.
    Kubernetes,
    /// LXC, LXD, Incus.
    Lxc,
    /// Another one, by its name.
    Other(String),
}

/// What came of opening a counter that counts nothing, on the own thread and without the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It opened: there is perf_event_open(2), and it is not shut altogether.
    Opened,
    /// The error number.
    Failed(i32),
}

/// Where the tracepoints' numbers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracefs {
    /// Readable at this path.
    Readable(String),
    /// Mounted at this path, and not for this user.
    Denied(String),
    /// Not mounted.
    Absent,
}

/// What decides over the permission; [`look`] reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `/proc/sys/kernel/perf_event_paranoid`; none where the kernel has no perf_event.
    pub paranoid: Option<i32>,
    /// `/proc/sys/kernel/kptr_restrict`.
    pub kptr_restrict: Option<i32>,
    /// `/proc/sys/kernel/perf_event_max_sample_rate`, samples a second.
    pub sample_rate_max_hertz: Option<u64>,
    /// `/proc/sys/kernel/perf_event_mlock_kb`: memory of rings for each CPU and user.
    pub mlock_kibibytes: Option<u64>,
    /// `/proc/sys/kernel/yama/ptrace_scope`; none without Yama.
    pub ptrace_scope: Option<u32>,
    /// Mode in force of `/sys/kernel/security/lockdown`: `none`, `integrity`, `confidentiality`.
    pub lockdown: Option<String>,
    /// Release of the kernel, the first two numbers.
    pub kernel: Option<(u32, u32)>,
    /// Effective user.
    pub euid: u32,
    /// `CapEff` of `/proc/self/status`, a bit for each capability.
    pub capabilities: u64,
    /// `Seccomp` of `/proc/self/status`: 0 off, 2 a filter.
    pub seccomp: u32,
    /// `NoNewPrivs` of `/proc/self/status`: neither sudo nor capabilities of a file give rights.
    pub no_new_privileges: bool,
    /// Whether it runs in a user namespace other than the first, where capabilities do not count.
    pub user_namespace: bool,
    /// Whether it sees the processes of the whole machine.
    pub all_processes: bool,
    /// Host or container.
    pub environment: Environment,
    /// Tracepoints.
    pub tracefs: Tracefs,
    /// Whether there are kernel stacks in `/proc` (CONFIG_STACKTRACE).
    pub stack_files: bool,
    /// Path of this program.
    pub executable: String,
    /// What opening a counter gave.
    pub probe: Probe,
}

/// The process that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Effective user.
    pub uid: u32,
    /// Whether diag may look into it as ptrace(2) does, in the mode PTRACE_MODE_READ.
    pub looked_into: bool,
}

impl Target {
    /// Any process of this user, as far as it can be told without asking the kernel: [`look_at`] does.
    pub fn of_user(uid: u32, facts: &Facts) -> Self {
        Self { uid, looked_into: uid == facts.euid || facts.has_here(SYS_PTRACE) }
    }
}

/// Why something is refused, and what to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why, with the setting and its value.
    pub reason: String,
    /// What to type or to set; none where nothing helps.
    pub unlock: Option<String>,
}

impl Refused {
    /// As a line of the report, of `what` that was not looked at.
    pub fn not_checked(self, what: &str) -> NotChecked {
        NotChecked { what: what.to_owned(), reason: self.reason, unlock: self.unlock }
    }
}

/// Allowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    /// By all that can be known beforehand.
    Allowed,
    /// And why.
    Refused(Refused),
}

impl Right {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }

    /// Why it is refused.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Allowed => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Sampling every CPU, whatever runs there.
    pub all_cpus: Right,
    /// Sampling the process that was asked about.
    pub process: Right,
    /// Frames of the kernel in the samples.
    pub kernel_frames: Right,
    /// Names of the kernel's functions.
    pub kernel_names: Right,
    /// System calls of that process by their tracepoint.
    pub tracepoints: Right,
    /// Kernel stacks of that process's threads, `/proc/PID/task/TID/stack`.
    pub kernel_stacks: Right,
}

/// What is wanted, for the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Sampling every CPU.
    AllCpus,
    /// Sampling one process, of this user or of another one.
    Process {
        /// Whether it belongs to another user.
        other: bool,
    },
    /// Frames of the kernel.
    KernelFrames,
    /// Names of the kernel's functions.
    KernelNames,
    /// The tracepoint of system calls.
    Tracepoints,
    /// Kernel stacks of threads.
    KernelStacks,
    /// The memory that the kernel writes samples to.
    Ring,
}

impl Facts {
    /// Whether a capability is effective where the kernel looks for it: in the first user namespace.
    fn has(&self, capability: u32) -> bool {
        !self.user_namespace && self.has_here(capability)
    }

    /// Whether it is effective over what belongs to the own user namespace.
    fn has_here(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// The kernel's `perfmon_capable()`.
    fn is_privileged(&self) -> bool {
        self.has(PERFMON) || self.has(SYS_ADMIN)
    }

    fn paranoid_at_most(&self, level: i32) -> bool {
        self.paranoid.is_some_and(|paranoid| paranoid <= level)
    }

    /// The capability that sampling needs: before Linux 5.8 there was none of its own.
    fn sampling_capability(&self) -> &'static str {
        if self.kernel.is_some_and(|release| release < (5, 8)) { "SYS_ADMIN" } else { "PERFMON" }
    }

    fn refuse(&self, what: What, reason: String) -> Right {
        Right::Refused(self.refused(what, reason))
    }

    fn refused(&self, what: What, reason: String) -> Refused {
        Refused { reason, unlock: Some(unlock::words(what, self)) }
    }
}

/// What may be done by these facts, with the process `target`.
pub fn judge(facts: &Facts, target: Target) -> Access {
    let other = target.uid != facts.euid;
    let what = What::Process { other };
    let shut = |what| shut(facts, what);
    Access {
        all_cpus: shut(What::AllCpus).unwrap_or_else(|| all_cpus(facts)),
        process: shut(what).unwrap_or_else(|| process(facts, target)),
        kernel_frames: shut(What::KernelFrames).unwrap_or_else(|| kernel_frames(facts)),
        kernel_names: kernel_names(facts),
        tracepoints: shut(What::Tracepoints).unwrap_or_else(|| tracepoints(facts, target)),
        kernel_stacks: kernel_stacks(facts, target),
    }
}

/// Why perf_event_open(2) is shut altogether.
fn shut(facts: &Facts, what: What) -> Option<Right> {
    match facts.probe {
        Probe::Opened => None,
        Probe::Failed(errno) => Some(Right::Refused(explain_error(errno, what, facts))),
    }
}

fn all_cpus(facts: &Facts) -> Right {
    if facts.is_privileged() || facts.paranoid_at_most(0) {
        return Right::Allowed;
    }
    facts.refuse(What::AllCpus, without_rights(facts))
}

fn process(facts: &Facts, target: Target) -> Right {
    if target.looked_into || facts.is_privileged() {
        return Right::Allowed;
    }
    let other = target.uid != facts.euid;
    // A process with more capabilities, of another user namespace, or one that is not to be dumped.
    let whose = if other { "the process is another user's" } else { "the process has more rights than diag" };
    facts.refuse(What::Process { other: true }, format!("{whose}, and {}", lacking(facts)))
}

fn kernel_frames(facts: &Facts) -> Right {
    if facts.is_privileged() || facts.paranoid_at_most(1) {
        return Right::Allowed;
    }
    facts.refuse(What::KernelFrames, without_rights(facts))
}

/// The kernel's `kallsyms_show_value()`.
fn kernel_names(facts: &Facts) -> Right {
    let restrict = facts.kptr_restrict.unwrap_or(0);
    let open = match restrict {
        ..=0 => facts.paranoid_at_most(1) || facts.has(SYSLOG),
        1 => facts.has(SYSLOG),
        _ => false,
    };
    if open {
        return Right::Allowed;
    }
    let reason = match restrict {
        ..=0 => format!("{} and diag lacks CAP_SYSLOG", paranoid_is(facts)),
        1 => "kernel.kptr_restrict is 1 and diag lacks CAP_SYSLOG".to_owned(),
        _ => format!("kernel.kptr_restrict is {restrict}: the kernel hides its addresses from everybody"),
    };
    facts.refuse(What::KernelNames, reason)
}

fn tracepoints(facts: &Facts, target: Target) -> Right {
    let process = process(facts, target);
    if !process.is_allowed() {
        return process;
    }
    // Of system calls the kernel lets users have the raw data of the processes that they may look into.
    if !facts.is_privileged() && !facts.paranoid_at_most(1) {
        return facts.refuse(What::Tracepoints, without_rights(facts));
    }
    let reason = match &facts.tracefs {
        Tracefs::Readable(_) => return Right::Allowed,
        _ if facts.lockdown.as_deref() == Some("confidentiality") => {
            let reason = "the kernel is locked down to confidentiality: there are no tracepoints".to_owned();
            let unlock = Some("boot with lockdown=integrity".to_owned());
            return Right::Refused(Refused { reason, unlock });
        }
        Tracefs::Denied(path) => format!("{path} is not readable for this user"),
        Tracefs::Absent => "tracefs is not mounted".to_owned(),
    };
    facts.refuse(What::Tracepoints, reason)
}

fn kernel_stacks(facts: &Facts, target: Target) -> Right {
    if !facts.stack_files {
        let reason = "the kernel was built without CONFIG_STACKTRACE".to_owned();
        return Right::Refused(Refused { reason, unlock: None });
    }
    if facts.ptrace_scope.is_some_and(|scope| scope >= 3) {
        let reason = "kernel.yama.ptrace_scope is 3: no process may inspect another".to_owned();
        let unlock = Some("a boot without it: it cannot be taken back".to_owned());
        return Right::Refused(Refused { reason, unlock });
    }
    // From 1 on Yama requires a parent; a monitor is not one.
    let scoped = facts.ptrace_scope.is_some_and(|scope| scope >= 1);
    let may_look = target.looked_into && (!scoped || facts.has_here(SYS_PTRACE));
    // The file is readable for the process's user alone.
    let may_open =
        target.uid == facts.euid || facts.has_here(DAC_OVERRIDE) || facts.has_here(DAC_READ_SEARCH);
    let missing = if !facts.has(SYS_ADMIN) {
        "CAP_SYS_ADMIN"
    } else if !may_look {
        "CAP_SYS_PTRACE"
    } else if !may_open {
        "CAP_DAC_READ_SEARCH"
    } else {
        return Right::Allowed;
    };
    let nested = facts.user_namespace && facts.has_here(SYS_ADMIN);
    let where_ = if nested { " outside of its user namespace" } else { "" };
    facts.refuse(What::KernelStacks, format!("kernel stacks need {missing}, which diag lacks{where_}"))
}

fn paranoid_is(facts: &Facts) -> String {
    facts.paranoid.map_or_else(
        || "kernel.perf_event_paranoid is unknown".to_owned(),
        |level| format!("kernel.perf_event_paranoid is {level}"),
    )
}

/// Which capability is missing.
fn lacking(facts: &Facts) -> String {
    let capability = facts.sampling_capability();
    if facts.user_namespace && facts.has_here(SYS_ADMIN) {
        return format!("CAP_{capability} counts in the first user namespace only, and diag runs in another");
    }
    format!("diag lacks CAP_{capability}")
}

fn without_rights(facts: &Facts) -> String {
    format!("{} and {}", paranoid_is(facts), lacking(facts))
}

#[cfg(test)]
mod tests;
