//! Environments as literal facts, and the words that each must yield.

use super::*;
use syscalls::Errno;

/// A user on a host with a kernel as it comes.
fn user() -> Facts {
    Facts {
        paranoid: Some(2),
        kptr_restrict: Some(0),
        sample_rate_max_hertz: Some(100_000),
        mlock_kibibytes: Some(516),
        ptrace_scope: None,
        lockdown: None,
        kernel: Some((6, 18)),
        euid: 1000,
        capabilities: 0,
        seccomp: 0,
        no_new_privileges: false,
        user_namespace: false,
        all_processes: true,
        environment: Environment::Host,
        tracefs: Tracefs::Denied("/sys/kernel/tracing".to_owned()),
        stack_files: true,
        executable: "/usr/bin/diag".to_owned(),
        probe: Probe::Opened,
    }
}

fn bits(capabilities: &[u32]) -> u64 {
    capabilities.iter().fold(0, |bits, capability| bits | 1 << capability)
}

fn root() -> Facts {
    let tracefs = Tracefs::Readable("/sys/kernel/tracing".to_owned());
    Facts { euid: 0, capabilities: u64::MAX, tracefs, ..user() }
}

/// A container with what its engine gives by default, and its filter.
fn container(environment: Environment) -> Facts {
    let default = bits(&[0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]);
    Facts {
        environment,
        capabilities: default,
        seccomp: 2,
        all_processes: false,
        tracefs: Tracefs::Absent,
        probe: Probe::Failed(1),
        ..root()
    }
}

fn allowed(facts: &Facts, target: Target) -> [bool; 6] {
    let access = judge(facts, target);
    [
        access.all_cpus.is_allowed(),
        access.process.is_allowed(),
        access.kernel_frames.is_allowed(),
        access.kernel_names.is_allowed(),
        access.tracepoints.is_allowed(),
        access.kernel_stacks.is_allowed(),
    ]
}

/// A line of the table: facts, whose process, and the six rights.
fn holds(name: &str, facts: &Facts, uid: u32, expected: [u8; 6]) {
    let target = Target::of_user(uid, facts);
    assert_eq!(allowed(facts, target).map(u8::from), expected, "{name}: {:#?}", judge(facts, target));
}

#[test]
fn rights_by_setting_and_capability() {
    let with = |capabilities: &[u32]| Facts { capabilities: bits(capabilities), ..user() };
    let paranoid = |paranoid| Facts { paranoid: Some(paranoid), ..user() };
    // all CPUs, process, kernel frames, kernel names, tracepoints, kernel stacks
    holds("root", &root(), 1000, [1, 1, 1, 1, 1, 1]);
    holds("own, level 2", &user(), 1000, [0, 1, 0, 0, 0, 0]);
    holds("own, level 3 of a plain kernel", &paranoid(3), 1000, [0, 1, 0, 0, 0, 0]);
    holds("own, level 1", &paranoid(1), 1000, [0, 1, 1, 1, 0, 0]);
    holds("own, level 0", &paranoid(0), 1000, [1, 1, 1, 1, 0, 0]);
    holds("other, level 0", &paranoid(0), 0, [1, 0, 1, 1, 0, 0]);
    holds("perfmon", &with(&[PERFMON]), 0, [1, 1, 1, 0, 0, 0]);
    holds("perfmon, syslog", &with(&[PERFMON, SYSLOG]), 0, [1, 1, 1, 1, 0, 0]);
    holds("ptrace", &with(&[SYS_PTRACE]), 0, [0, 1, 0, 0, 0, 0]);
    holds("admin, own", &with(&[SYS_ADMIN]), 1000, [1, 1, 1, 0, 0, 1]);
    holds("admin, other", &with(&[SYS_ADMIN]), 0, [1, 1, 1, 0, 0, 0]);
    holds("admin, ptrace, other", &with(&[SYS_ADMIN, SYS_PTRACE]), 0, [1, 1, 1, 0, 0, 0]);
    holds("and dac", &with(&[SYS_ADMIN, SYS_PTRACE, DAC_OVERRIDE]), 0, [1, 1, 1, 0, 0, 1]);
    let readable = Tracefs::Readable("/sys/kernel/tracing".to_owned());
    let tracing = |level| Facts { tracefs: readable.clone(), paranoid: Some(level), ..user() };
    holds("readable tracefs, level 1", &tracing(1), 1000, [0, 1, 1, 1, 1, 0]);
    holds("readable tracefs, level 2", &tracing(2), 1000, [0, 1, 0, 0, 0, 0]);
    holds("readable tracefs, level 1, other", &tracing(1), 0, [0, 0, 1, 1, 0, 0]);
    holds("readable tracefs, level -1, other", &tracing(-1), 0, [1, 0, 1, 1, 0, 0]);
    let ptrace = Facts { capabilities: bits(&[SYS_PTRACE]), ..tracing(1) };
    holds("readable tracefs, level 1, other, ptrace", &ptrace, 0, [0, 1, 1, 1, 1, 0]);
    let hidden = |kptr_restrict| Facts { kptr_restrict: Some(kptr_restrict), ..root() };
    holds("pointers hidden", &hidden(1), 0, [1, 1, 1, 1, 1, 1]);
    holds("pointers hidden from all", &hidden(2), 0, [1, 1, 1, 0, 1, 1]);
    let scope = |ptrace_scope| Facts { ptrace_scope: Some(ptrace_scope), ..root() };
    holds("yama 2, root", &scope(2), 0, [1, 1, 1, 1, 1, 1]);
    holds("yama 3, root", &scope(3), 0, [1, 1, 1, 1, 1, 0]);
    let scoped = Facts { ptrace_scope: Some(1), ..with(&[SYS_ADMIN]) };
    holds("yama 1, own", &scoped, 1000, [1, 1, 1, 0, 0, 0]);
    let nested = Facts { user_namespace: true, ..root() };
    holds("root of a user namespace", &nested, 0, [0, 1, 0, 0, 0, 0]);
    let confidential = Facts { lockdown: Some("confidentiality".into()), tracefs: Tracefs::Absent, ..root() };
    holds("locked down", &confidential, 0, [1, 1, 1, 1, 0, 1]);
    let shut = Facts { paranoid: Some(4), probe: Probe::Failed(13), ..user() };
    holds("level 4 of a patched kernel", &shut, 1000, [0, 0, 0, 0, 0, 0]);
    holds("docker", &container(Environment::Docker), 0, [0, 0, 0, 0, 0, 0]);
    let absent = Facts { paranoid: None, probe: Probe::Failed(38), ..root() };
    holds("no perf_event", &absent, 0, [0, 0, 0, 1, 0, 1]);
}

/// Which right, and the words that the reason and the way out must have.
fn says(facts: &Facts, right: fn(&Access) -> &Right, reason: &[&str], unlock: &[&str]) {
    let access = judge(facts, Target::of_user(0, facts));
    let Right::Refused(refused) = right(&access) else { panic!("allowed: {access:#?}") };
    for word in reason {
        assert!(refused.reason.contains(word), "{word:?} is not in {refused:?}");
    }
    let words = refused.unlock.clone().unwrap_or_default();
    for word in unlock {
        assert!(words.contains(word), "{word:?} is not in {refused:?}");
    }
    assert_eq!(refused.unlock.is_none(), unlock.is_empty(), "{refused:?}");
    assert!(!words.contains('\n') && !refused.reason.ends_with('.'));
}

#[test]
fn every_environment_has_its_own_way_out() {
    let all_cpus: fn(&Access) -> &Right = |access| &access.all_cpus;
    let setcap = "sudo setcap cap_perfmon,cap_sys_ptrace,cap_syslog+ep /usr/bin/diag";
    let level = "kernel.perf_event_paranoid is 2";
    says(
        &user(),
        all_cpus,
        &[level, "CAP_PERFMON"],
        &["run as root", "sudo sysctl kernel.perf_event_paranoid=0", setcap],
    );
    let old = Facts { kernel: Some((5, 4)), ..user() };
    says(&old, all_cpus, &["CAP_SYS_ADMIN"], &["setcap cap_sys_admin,cap_sys_ptrace"]);
    let spaced = Facts { executable: "/home/o'neil/my diag".into(), ..user() };
    says(&spaced, all_cpus, &[level], &[r"+ep '/home/o'\''neil/my diag'"]);
    let stripped = Facts { capabilities: 0, ..root() };
    says(&stripped, all_cpus, &[level], &["capabilities", "CAP_PERFMON CAP_SYS_PTRACE CAP_SYSLOG"]);
    let bound = Facts { no_new_privileges: true, ..user() };
    says(&bound, all_cpus, &[level], &["no_new_privs", "sudo sysctl kernel.perf_event_paranoid=0"]);
    let nested = Facts { user_namespace: true, ..root() };
    says(&nested, all_cpus, &["first user namespace"], &["outside of the user namespace"]);
    let filtered = Facts { seccomp: 2, probe: Probe::Failed(1), ..root() };
    says(&filtered, all_cpus, &["seccomp"], &["SystemCallFilter=perf_event_open"]);

    let docker = container(Environment::Docker);
    let add = "docker run --cap-add PERFMON --cap-add SYS_PTRACE --cap-add SYSLOG";
    says(&docker, all_cpus, &["seccomp"], &[add, "--pid=host", "before 23.0", "seccomp=unconfined"]);
    let filtered = Facts { capabilities: docker.capabilities | bits(&[PERFMON]), ..docker.clone() };
    says(&filtered, all_cpus, &["seccomp"], &["--security-opt seccomp=unconfined --pid=host ..."]);
    let unfiltered = Facts { seccomp: 0, probe: Probe::Opened, all_processes: true, ..docker.clone() };
    says(&unfiltered, all_cpus, &[level, "lacks CAP_PERFMON"], &[add]);
    let rootless = Facts { user_namespace: true, ..docker };
    says(&rootless, all_cpus, &["seccomp"], &["--userns=host", "on the host: sudo sysctl"]);

    let podman = Facts { probe: Probe::Failed(38), ..container(Environment::Podman) };
    says(
        &podman,
        all_cpus,
        &["seccomp"],
        &["sudo podman run --cap-add PERFMON", "--security-opt seccomp=unconfined"],
    );
    let rootless = Facts { user_namespace: true, ..podman };
    says(&rootless, all_cpus, &["seccomp"], &["sudo podman run"]);
    let pod = Facts { seccomp: 0, probe: Probe::Opened, ..container(Environment::Kubernetes) };
    let context = "securityContext: {capabilities: {add: [PERFMON, SYS_PTRACE, SYSLOG]}}";
    says(&pod, all_cpus, &[level], &[context, "hostPID: true"]);
    let filtered = container(Environment::Kubernetes);
    says(&filtered, all_cpus, &["seccomp"], &["seccompProfile: {type: Unconfined}"]);
    says(&container(Environment::Lxc), all_cpus, &["seccomp"], &["on the host", "perfmon sys_ptrace syslog"]);
    let nspawn = container(Environment::Other("systemd-nspawn".into()));
    says(&nspawn, all_cpus, &["seccomp"], &["systemd-nspawn", "CAP_PERFMON, CAP_SYS_PTRACE"]);
}

#[test]
fn every_right_has_its_own_way_out() {
    says(&user(), |access| &access.process, &["another user's"], &["run as root", "setcap cap_perfmon"]);
    says(&user(), |access| &access.kernel_frames, &["is 2"], &["kernel.perf_event_paranoid=1"]);
    says(&user(), |access| &access.kernel_names, &["CAP_SYSLOG"], &["cap_syslog", "paranoid=1"]);
    let hidden = Facts { kptr_restrict: Some(1), ..user() };
    says(&hidden, |access| &access.kernel_names, &["kptr_restrict is 1"], &["kernel.kptr_restrict=0"]);
    let hidden = Facts { kptr_restrict: Some(2), ..root() };
    says(
        &hidden,
        |access| &access.kernel_names,
        &["from everybody"],
        &["sudo sysctl kernel.kptr_restrict=1"],
    );
    let hidden = Facts { environment: Environment::Docker, ..hidden };
    says(&hidden, |access| &access.kernel_names, &["from everybody"], &["on the host: sudo sysctl"]);
    says(&user(), |access| &access.tracepoints, &["another user's"], &["setcap cap_perfmon"]);
    let own = judge(&user(), Target::of_user(1000, &user())).tracepoints;
    let unlock = own.refused().and_then(|refused| refused.unlock.clone()).unwrap_or_default();
    assert!(unlock.ends_with("cap_syslog,cap_dac_read_search+ep /usr/bin/diag"), "{unlock}");
    let tracing = |tracefs| Facts { tracefs, ..root() };
    let absent = tracing(Tracefs::Absent);
    says(&absent, |a| &a.tracepoints, &["not mounted"], &["mount -t tracefs tracefs /sys/kernel/tracing"]);
    let docker = Facts { environment: Environment::Docker, ..absent };
    says(&docker, |a| &a.tracepoints, &["not mounted"], &["-v /sys/kernel/tracing:/sys/kernel/tracing:ro"]);
    let denied = Facts { capabilities: bits(&[PERFMON]), ..user() };
    says(&denied, |a| &a.tracepoints, &["not readable"], &["run as root", "cap_dac_read_search+ep"]);
    says(&user(), |a| &a.kernel_stacks, &["CAP_SYS_ADMIN"], &["root", "cap_sys_admin,cap_sys_ptrace"]);
    let plain = Facts { stack_files: false, ..root() };
    says(&plain, |a| &a.kernel_stacks, &["CONFIG_STACKTRACE"], &[]);
    let shut = Facts { paranoid: Some(4), probe: Probe::Failed(13), ..user() };
    says(&shut, |a| &a.process, &["is 4"], &["run as root"]);
    let own = judge(&shut, Target::of_user(1000, &shut)).process;
    let unlock = own.refused().and_then(|refused| refused.unlock.clone()).unwrap_or_default();
    assert!(unlock.contains("sudo sysctl kernel.perf_event_paranoid=2"), "{unlock}");
}

#[test]
fn errors_of_the_kernel_are_explained() {
    let sandbox = Facts { paranoid: None, ..root() };
    let filtered = Facts { seccomp: 2, ..user() };
    let podman = Facts { seccomp: 2, environment: Environment::Podman, ..root() };
    for (errno, what, facts, reason, unlock) in [
        (Errno::EPERM, What::AllCpus, &filtered, "seccomp", "SystemCallFilter|run as root"),
        (Errno::ENOSYS, What::AllCpus, &podman, "seccomp", "seccomp=unconfined"),
        (Errno::ENOSYS, What::AllCpus, &sandbox, "no perf_event_open", "CONFIG_PERF_EVENTS"),
        (Errno::EACCES, What::AllCpus, &user(), "perf_event_paranoid is 2", "run as root"),
        (Errno::EACCES, What::AllCpus, &root(), "security module", "SELinux"),
        (Errno::EPERM, What::Tracepoints, &user(), "perf_event_paranoid is 2", "run as root"),
        (Errno::EPERM, What::Ring, &user(), "lock", "kernel.perf_event_mlock_kb=2064"),
        (Errno::EMFILE, What::AllCpus, &root(), "open files", "ulimit -n"),
        (Errno::ENFILE, What::AllCpus, &root(), "open files", "fs.file-max"),
        (Errno::EOPNOTSUPP, What::AllCpus, &root(), "no such counter", "cpu-clock"),
        (Errno::EINVAL, What::AllCpus, &root(), "100000 samples a second", "--frequency 99"),
        (Errno::EBUSY, What::AllCpus, &root(), "holds the counter", "profiler"),
        (Errno::E2BIG, What::AllCpus, &root(), "too old", "Linux"),
        (Errno::ENOSPC, What::AllCpus, &root(), "is taken", "profiler"),
        (Errno::ESRCH, What::AllCpus, &root(), "has ended", ""),
        (Errno::new(-7), What::AllCpus, &root(), "unknown error", ""),
        (Errno::EIO, What::AllCpus, &root(), "EIO", ""),
    ] {
        let refused = explain_error(errno.into_raw(), what, facts);
        let words = refused.unlock.clone().unwrap_or_default();
        assert!(refused.reason.contains(reason), "{errno}: {refused:?}");
        assert!(unlock.split('|').any(|word| words.contains(word)), "{errno}: {refused:?}");
    }
}

#[test]
fn a_refusal_becomes_a_line_of_the_report() {
    let refused = Refused { reason: "because".into(), unlock: Some("do".into()) };
    let line = refused.not_checked("hot functions");
    assert_eq!((line.what.as_str(), line.reason.as_str()), ("hot functions", "because"));
    assert_eq!(line.unlock.as_deref(), Some("do"));
}

/// What the kernel really allows, in the order of [`allowed`].
fn tried(pid: i32, facts: &Facts) -> [bool; 6] {
    use perf_event::events::{Software, Tracepoint};
    use perf_event::{Builder, SampleFlag};
    let clock = || Builder::new(Software::CPU_CLOCK);
    let own = i32::try_from(std::process::id()).unwrap();
    let tracepoint = || {
        let Tracefs::Readable(path) = &facts.tracefs else { return false };
        let id = std::fs::read_to_string(format!("{path}/events/raw_syscalls/sys_exit/id")).unwrap();
        let mut builder = Builder::new(Tracepoint::with_id(id.trim().parse().unwrap()));
        builder.observe_pid(pid).exclude_kernel(false).sample(SampleFlag::RAW).sample_period(1009);
        builder.build().is_ok()
    };
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    [
        clock().any_pid().one_cpu(0).build().is_ok(),
        clock().observe_pid(pid).build().is_ok(),
        clock().observe_pid(own).exclude_kernel(false).build().is_ok(),
        symbols.lines().take(50).any(|line| !line.starts_with("0000000000000000 ")),
        tracepoint(),
        std::fs::read(format!("/proc/{pid}/stack")).is_ok(),
    ]
}

/// Wherever the tests run, and with whatever rights.
#[test]
fn what_is_judged_is_what_the_kernel_does() {
    let facts = look();
    if matches!(facts.probe, Probe::Failed(_)) && facts.paranoid.is_none() {
        println!("skipped: no perf_event here");
        return;
    }
    let own = i32::try_from(std::process::id()).unwrap();
    // Another process that is there everywhere but in a container: the parent of all kernel threads.
    let kthreadd = std::fs::read("/proc/2/comm").is_ok_and(|name| name == b"kthreadd\n").then_some(2);
    for pid in std::iter::once(own).chain(kthreadd) {
        let target = look_at(pid).unwrap();
        assert_eq!(allowed(&facts, target), tried(pid, &facts), "process {pid}: {facts:#?}");
    }
}
