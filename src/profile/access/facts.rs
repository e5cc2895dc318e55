//! Reads what decides over the permission. Pure parsers, and the files that they are given.

use super::{Environment, Facts, Probe, Target, Tracefs, errno_of};
use crate::model::task::Pid;
use perf_event::Builder;
use perf_event::events::Software;
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// Where tracefs is mounted; the second place is the one of kernels before 4.1, and of debugfs.
pub(in crate::profile) const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Reads the facts of the running process. Opens one counter of nothing on the own thread for a moment.
pub fn look() -> Facts {
    let status = Status::parse(&text("/proc/self/status"));
    Facts {
        paranoid: setting("/proc/sys/kernel/perf_event_paranoid"),
        kptr_restrict: setting("/proc/sys/kernel/kptr_restrict"),
        sample_rate_max_hertz: setting("/proc/sys/kernel/perf_event_max_sample_rate"),
        mlock_kibibytes: setting("/proc/sys/kernel/perf_event_mlock_kb"),
        ptrace_scope: setting("/proc/sys/kernel/yama/ptrace_scope"),
        lockdown: lockdown(&text("/sys/kernel/security/lockdown")),
        kernel: release(&text("/proc/sys/kernel/osrelease")),
        euid: status.euid.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
        capabilities: status.capabilities,
        seccomp: status.seccomp,
        no_new_privileges: status.no_new_privileges,
        user_namespace: !is_first_user_namespace(&text("/proc/self/uid_map")),
        all_processes: in_namespace("pid", "pid:[4026531836]"),
        environment: environment(),
        tracefs: tracefs(),
        stack_files: Path::new("/proc/self/stack").exists(),
        executable: fs::read_link("/proc/self/exe")
            .map_or_else(|_| "diag".to_owned(), |path| path.to_string_lossy().into_owned()),
        probe: probe(),
    }
}

/// Whose process `pid` is and whether it may be looked into; none where it has ended or is hidden.
pub fn look_at(pid: Pid) -> Option<Target> {
    let uid = Status::parse(&text(&format!("/proc/{pid}/status"))).euid?;
    // The kernel asks the same of who reads this link as of who samples the process.
    let looked_into = fs::read_link(format!("/proc/{pid}/ns/user")).is_ok();
    Some(Target { uid, looked_into })
}

/// Lossy text of a file; empty where it cannot be read.
fn text(path: &str) -> String {
    fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn setting<T: FromStr>(path: &str) -> Option<T> {
    text(path).trim().parse().ok()
}

/// What `/proc/self/status` says, proc_pid_status(5).
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    euid: Option<u32>,
    capabilities: u64,
    seccomp: u32,
    no_new_privileges: bool,
}

impl Status {
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or_default()
                .trim()
        };
        Self {
            // Real, effective, saved, file system.
            euid: field("Uid").split_whitespace().nth(1).and_then(|uid| uid.parse().ok()),
            capabilities: u64::from_str_radix(field("CapEff"), 16).unwrap_or(0),
            seccomp: field("Seccomp").parse().unwrap_or(0),
            no_new_privileges: field("NoNewPrivs") == "1",
        }
    }
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn lockdown(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The first two numbers of `6.18.44-rc1`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Only the first user namespace maps every user to itself, user_namespaces(7). No file means a kernel without them.
fn is_first_user_namespace(uid_map: &str) -> bool {
    let mut fields = uid_map.split_whitespace();
    uid_map.trim().is_empty()
        || (fields.next(), fields.next(), fields.next()) == (Some("0"), Some("0"), Some("4294967295"))
}

fn in_namespace(kind: &str, name: &str) -> bool {
    fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|target| target.as_os_str() == name)
}

fn environment() -> Environment {
    // A machine that was made from an image of a container still has the files of one.
    let first = in_namespace("pid", "pid:[4026531836]") && in_namespace("cgroup", "cgroup:[4026531835]");
    let exists = |path: &str| Path::new(path).exists();
    let traces = Traces {
        cgroups: text("/proc/self/cgroup"),
        environments: [text("/proc/1/environ"), text("/proc/self/environ")],
        podman_file: exists("/run/.containerenv"),
        docker_file: exists("/.dockerenv"),
        kubernetes_folder: exists("/var/run/secrets/kubernetes.io"),
    };
    traces.environment(first)
}

/// What a runtime of containers leaves behind.
#[derive(Debug, Default)]
struct Traces {
    cgroups: String,
    environments: [String; 2],
    podman_file: bool,
    docker_file: bool,
    kubernetes_folder: bool,
}

impl Traces {
    fn environment(&self, first_namespaces: bool) -> Environment {
        let has = |trace: &str| self.cgroups.contains(trace);
        // Kubernetes uses one of the others and comes first.
        if has("kubepods") {
            return Environment::Kubernetes;
        }
        // With the host's namespaces only the cgroup tells; `docker.service` is the daemon, not a container.
        if has("/docker/") || has("/docker-") {
            return Environment::Docker;
        }
        if has("/libpod-") || has("/libpod_parent/") {
            return Environment::Podman;
        }
        if has("/lxc/") || has("/lxc.payload") {
            return Environment::Lxc;
        }
        if first_namespaces {
            return Environment::Host;
        }
        self.contained()
    }

    fn contained(&self) -> Environment {
        if self.kubernetes_folder || self.variable("KUBERNETES_SERVICE_HOST").is_some() {
            return Environment::Kubernetes;
        }
        if self.podman_file {
            return Environment::Podman;
        }
        if self.docker_file {
            return Environment::Docker;
        }
        match self.variable("container") {
            Some("podman") => Environment::Podman,
            Some("docker") => Environment::Docker,
            Some("lxc") => Environment::Lxc,
            // It is put into a command to type: nothing but a plain word.
            Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
                Environment::Other(name.to_owned())
            }
            _ => Environment::Host,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let pairs = self.environments.iter().flat_map(|environment| environment.split('\0'));
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
    }
}

fn tracefs() -> Tracefs {
    let mut denied = None;
    for path in TRACEFS {
        match fs::File::open(format!("{path}/events/raw_syscalls/sys_exit/id")) {
            Ok(_) => return Tracefs::Readable(path.to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && denied.is_none() => {
                denied = Some(path.to_owned());
            }
            Err(_) => {}
        }
    }
    denied.map_or(Tracefs::Absent, Tracefs::Denied)
}

fn probe() -> Probe {
    match Builder::new(Software::DUMMY).build() {
        Ok(_) => Probe::Opened,
        Err(error) => Probe::Failed(errno_of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_status_of_a_process_without_rights() {
        let text =
            "Name:\tdiag\nUid:\t1000\t65534\t0\t0\nCapEff:\t0000004000080000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let status = Status::parse(text);
        assert_eq!(
            status,
            Status {
                euid: Some(65534),
                capabilities: 1 << 38 | 1 << 19,
                seccomp: 2,
                no_new_privileges: true
            }
        );
        assert_eq!(Status::parse("Uid:\nCapEff: x\n"), Status::default());
    }

    #[test]
    fn modes_releases_and_namespaces() {
        assert_eq!(lockdown("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(lockdown("none integrity\n"), None);
        assert_eq!(release("6.18.44-rc1\n"), Some((6, 18)));
        assert_eq!(release("5.8\n"), Some((5, 8)));
        assert_eq!(release("five\n"), None);
        assert!(is_first_user_namespace("         0          0 4294967295\n") && is_first_user_namespace(""));
        assert!(
            !is_first_user_namespace("0 1000 1\n") && !is_first_user_namespace("0 100000 65536\n1 1 1\n")
        );
    }

    #[test]
    fn containers_are_told_by_what_their_runtime_leaves() {
        let by = |cgroups: &str, environment: &str, first: bool| {
            let environments = [environment.to_owned(), String::new()];
            Traces { cgroups: cgroups.to_owned(), environments, ..Traces::default() }.environment(first)
        };
        assert_eq!(by("0::/system.slice/docker.service\n", "", true), Environment::Host);
        assert_eq!(by("0::/system.slice/docker-0af.scope\n", "", true), Environment::Docker);
        assert_eq!(by("1:cpu:/kubepods/burstable/pod1\n", "", true), Environment::Kubernetes);
        assert_eq!(by("0::/machine.slice/libpod-1.scope\n", "", false), Environment::Podman);
        assert_eq!(by("0::/", "A=b\0container=lxc\0", false), Environment::Lxc);
        assert_eq!(by("0::/", "container=lxc\0", true), Environment::Host);
        let kubernetes = by("0::/", "KUBERNETES_SERVICE_HOST=10.0.0.1\0container=docker\0", false);
        assert_eq!(kubernetes, Environment::Kubernetes);
        assert_eq!(
            by("0::/", "container=systemd-nspawn\0", false),
            Environment::Other("systemd-nspawn".into())
        );
        assert_eq!(by("0::/", "container=x; rm\0", false), Environment::Host);
        let files = |podman_file, docker_file| {
            Traces { podman_file, docker_file, ..Traces::default() }.environment(false)
        };
        assert_eq!((files(true, true), files(false, true)), (Environment::Podman, Environment::Docker));
    }

    #[test]
    fn the_own_facts_can_be_read() {
        let facts = look();
        assert_eq!(facts.euid, rustix::process::geteuid().as_raw());
        assert!(facts.kernel.is_some() && facts.executable.contains('/'));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).*") {
            let _ = (Status::parse(&text), lockdown(&text), release(&text), is_first_user_namespace(&text));
            let environments = [text.clone(), String::new()];
            let _ = Traces { cgroups: text, environments, ..Traces::default() }.environment(false);
        }
    }
}
