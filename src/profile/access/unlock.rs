//! What to type so that something is allowed, in the environment where diag runs.
//!
//! Docker's default filter lets perf_event_open pass with CAP_PERFMON since 23.0, containerd's since 1.7; Podman's asked
//! for CAP_SYS_ADMIN as well until the end of 2025, and without it answers as if the call did not exist.

use super::{Environment, Facts, PERFMON, SYS_ADMIN, Tracefs, What};

/// What to type.
pub(super) fn words(what: What, facts: &Facts) -> String {
    match what {
        What::Ring => ring(facts),
        What::KernelNames if facts.kptr_restrict.is_some_and(|restrict| restrict >= 2) => {
            sysctl(facts, "kernel.kptr_restrict=1")
        }
        What::Tracepoints if facts.tracefs == Tracefs::Absent && may_trace(facts) => tracefs(facts),
        _ => rights(what, facts),
    }
}

/// Whether nothing but tracefs is missing. Its files are for root and its group alone, whatever the mount says.
fn may_trace(facts: &Facts) -> bool {
    facts.is_privileged() || facts.paranoid_at_most(1)
}

/// Capabilities that `what` takes, without `CAP_`.
fn capabilities(what: What, facts: &Facts) -> Vec<&'static str> {
    let sampling = facts.sampling_capability();
    let mut names = match what {
        What::KernelStacks => vec!["SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"],
        What::Tracepoints => vec![sampling, "SYS_PTRACE", "SYSLOG", "DAC_READ_SEARCH"],
        _ => vec![sampling, "SYS_PTRACE", "SYSLOG"],
    };
    names.dedup();
    names
}

/// The setting that opens `what` to everybody, where there is one.
fn setting(what: What, facts: &Facts) -> Option<&'static str> {
    match what {
        What::AllCpus => Some("kernel.perf_event_paranoid=0"),
        What::KernelFrames => Some("kernel.perf_event_paranoid=1"),
        What::KernelNames if facts.kptr_restrict.is_some_and(|restrict| restrict >= 1) => {
            Some("kernel.kptr_restrict=0 kernel.perf_event_paranoid=1")
        }
        What::KernelNames => Some("kernel.perf_event_paranoid=1"),
        // Refused of an own process only by kernels that know levels above 2.
        What::Process { other: false } => Some("kernel.perf_event_paranoid=2"),
        What::Process { other: true } | What::Tracepoints | What::KernelStacks | What::Ring => None,
    }
}

fn rights(what: What, facts: &Facts) -> String {
    let names = capabilities(what, facts);
    match &facts.environment {
        Environment::Host => host(what, facts, &names),
        _ if facts.user_namespace => nested(what, facts),
        Environment::Docker => docker(facts, &names),
        Environment::Podman => podman(&names),
        Environment::Kubernetes => kubernetes(facts, &names),
        Environment::Lxc => {
            format!("run diag on the host, or in the container's configuration: {}", lxc(&names))
        }
        Environment::Other(name) => {
            format!("run diag on the host, or give the {name} container {}", listed(&names))
        }
    }
}

fn host(what: What, facts: &Facts, names: &[&str]) -> String {
    if facts.user_namespace {
        return nested(what, facts);
    }
    let setting = setting(what, facts).map(|setting| format!("sudo sysctl {setting}"));
    if facts.seccomp != 0 && facts.probe != super::Probe::Opened {
        return "run diag where no seccomp filter is set: of systemd, SystemCallFilter=perf_event_open"
            .to_owned();
    }
    if facts.euid == 0 {
        let keys = names.iter().map(|name| format!("CAP_{name}")).collect::<Vec<_>>().join(" ");
        return format!("give diag back the capabilities that it was started without: {keys}");
    }
    if facts.no_new_privileges {
        let root = "start diag as root, from a session without no_new_privs".to_owned();
        return setting.map_or(root.clone(), |setting| format!("{root}, or {setting}"));
    }
    let file = format!("sudo setcap {}+ep {}", lower(names), quoted(&facts.executable));
    match setting {
        Some(setting) => format!("run as root, or {setting}, or {file}"),
        None => format!("run as root, or {file}"),
    }
}

/// In a user namespace no capability counts.
fn nested(what: What, facts: &Facts) -> String {
    let root = match facts.environment {
        Environment::Podman => "run podman as root: sudo podman run",
        Environment::Docker => "run the container outside of a user namespace: docker run --userns=host",
        Environment::Kubernetes => "set hostUsers: true in the pod's spec",
        Environment::Host => "run diag as root outside of the user namespace",
        _ => "run diag on the host",
    };
    match setting(what, facts) {
        Some(setting) => format!("{root}, or on the host: sudo sysctl {setting}"),
        None => root.to_owned(),
    }
}

fn docker(facts: &Facts, names: &[&str]) -> String {
    // It has the capability already: the filter is an older one, or one of its own.
    let filtered = facts.has(PERFMON) && facts.seccomp != 0 && facts.probe != super::Probe::Opened;
    let seccomp = if filtered { " --security-opt seccomp=unconfined" } else { "" };
    let note = if filtered { "" } else { " (Docker before 23.0: also --security-opt seccomp=unconfined)" };
    let pids = if facts.all_processes { "" } else { " --pid=host" };
    format!("docker run {}{seccomp}{pids} ...{note}", added(names))
}

fn podman(names: &[&str]) -> String {
    format!("sudo podman run {} --security-opt seccomp=unconfined --pid=host ...", added(names))
}

fn kubernetes(facts: &Facts, names: &[&str]) -> String {
    let list = names.join(", ");
    let filtered = facts.seccomp != 0;
    let seccomp = if filtered { ", seccompProfile: {type: Unconfined}" } else { "" };
    let pids = if facts.all_processes { "" } else { "; for processes of the node also hostPID: true" };
    format!("in the pod's spec: securityContext: {{capabilities: {{add: [{list}]}}{seccomp}}}{pids}")
}

fn lxc(names: &[&str]) -> String {
    format!("lxc.cap.keep with {}", lower(names).replace("cap_", "").replace(',', " "))
}

fn added(names: &[&str]) -> String {
    names.iter().map(|name| format!("--cap-add {name}")).collect::<Vec<_>>().join(" ")
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("CAP_{name}")).collect::<Vec<_>>().join(", ")
}

fn lower(names: &[&str]) -> String {
    names.iter().map(|name| format!("cap_{}", name.to_lowercase())).collect::<Vec<_>>().join(",")
}

/// A path as one word of a shell.
fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// How to make the numbers of the tracepoints readable, for a user who may trace.
fn tracefs(facts: &Facts) -> String {
    let contained = facts.environment != Environment::Host;
    match &facts.environment {
        Environment::Docker | Environment::Podman => {
            let engine = if facts.environment == Environment::Docker { "docker" } else { "sudo podman" };
            format!("{engine} run -v /sys/kernel/tracing:/sys/kernel/tracing:ro ...")
        }
        Environment::Kubernetes => {
            "in the pod's spec: a hostPath volume of /sys/kernel/tracing, mounted there".to_owned()
        }
        _ if contained && !facts.has(SYS_ADMIN) => {
            "on the host: mount -t tracefs tracefs /sys/kernel/tracing, and that path in the container"
                .to_owned()
        }
        _ => MOUNT_TRACEFS.to_owned(),
    }
}

/// How tracefs is mounted.
pub(super) const MOUNT_TRACEFS: &str = "mount -t tracefs tracefs /sys/kernel/tracing";

fn ring(facts: &Facts) -> String {
    let larger = facts.mlock_kibibytes.unwrap_or(516).saturating_mul(4);
    sysctl(facts, &format!("kernel.perf_event_mlock_kb={larger}"))
}

/// A setting, which is the host's also in a container.
fn sysctl(facts: &Facts, setting: &str) -> String {
    if facts.environment == Environment::Host && !facts.user_namespace {
        return format!("sudo sysctl {setting}");
    }
    format!("on the host: sudo sysctl {setting}")
}
