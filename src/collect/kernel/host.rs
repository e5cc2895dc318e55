//! The facts of the host that do not change within a window, from small files of `/proc`, `/sys` and `/etc`.
//!
//! User names come from `/etc/passwd` alone: asking the system's name service may ask a server that hangs.
//! Only what needs no root is relied on; each fact that is not there is absent. Of the live system itself, name, release
//! and architecture come from sysinfo, which asks uname(2); of another root, from its files.
//!
//! Known lies: the `hypervisor` flag exists on x86 only. DMI names the maker of the machine, which for a
//! cloud's bare metal is the cloud as well.

use crate::collect::root::Root;
use crate::model::host::{Host, parse_list};
use std::collections::BTreeMap;
use sysinfo::System;

/// Gathers the facts of a live system. To be called before a recording has its first frame: none of what
/// is read here belongs in one.
pub fn gather(root: &Root) -> Host {
    let mut files = Files { root, buffer: Vec::new() };
    // uname(2) and gethostname(2) answer for this system, also where parts of /proc are masked.
    let own = !root.is_elsewhere();
    let asked = |answer: fn() -> Result<String, sysinfo::Error>| {
        let answer = if own { answer().ok() } else { None };
        answer.filter(|text| !text.is_empty())
    };
    let arch = System::cpu_arch();
    let online = files.line("sys/devices/system/cpu/online");
    let own_pid = root.link("proc/self").ok().and_then(|target| target.parse().ok());
    Host {
        hostname: asked(System::host_name).or_else(|| files.line("proc/sys/kernel/hostname")),
        kernel: asked(System::kernel_version)
            .or_else(|| files.line("proc/sys/kernel/osrelease"))
            .or_else(|| files.text("proc/version").and_then(|text| release(&text))),
        os: files
            .text("etc/os-release")
            .or_else(|| files.text("usr/lib/os-release"))
            .and_then(|t| os_name(&t)),
        virtualization: virtualization(&mut files, &arch),
        container: container(&mut files),
        clocksource: files.line("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        memory_nodes_count: files.line("sys/devices/system/node/online").as_deref().and_then(list_length),
        boot_id: files.line("proc/sys/kernel/random/boot_id"),
        ticks_per_second: rustix::param::clock_ticks_per_second(),
        page_bytes: rustix::param::page_size() as u64,
        cpus_allowed_count: if root.is_copied() { None } else { cpus_allowed(online.as_deref()) },
        cpus_online_count: online.as_deref().and_then(list_length).filter(|&count| count > 0),
        copied: root.is_copied(),
        users: all_users(root),
        effective_uid: rustix::process::geteuid().as_raw(),
        // Under another root the run has another id, which the link tells where the run is visible at all.
        // In files that were copied the run is none of the processes, whatever id it has here.
        own_pid: match own_pid {
            _ if root.is_copied() => 0,
            Some(pid) => pid,
            None => rustix::process::getpid().as_raw_nonzero().get(),
        },
        // Copied files may be of any machine.
        arch: if root.is_copied() { files.line("proc/sys/kernel/arch") } else { Some(arch) },
    }
}

/// Names of the users that the system itself knows, by id.
pub fn all_users(root: &Root) -> BTreeMap<u32, String> {
    let text = Files { root, buffer: Vec::new() }.text("etc/passwd");
    text.map(|text| users(&text)).unwrap_or_default()
}

/// Small files as text; every failure is an absence.
struct Files<'a> {
    root: &'a Root,
    buffer: Vec<u8>,
}

impl Files<'_> {
    fn text(&mut self, path: &str) -> Option<String> {
        self.root.read(path, &mut self.buffer).ok()?;
        Some(String::from_utf8_lossy(&self.buffer).into_owned())
    }

    fn line(&mut self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        Some(text.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// Whether the run sees the processes and control groups of the whole machine: the first namespaces have
    /// fixed numbers (kernel `include/uapi/linux/nsfs.h`).
    fn in_first_namespaces(&self) -> bool {
        let is = |path: &str, name: &str| self.root.link(path).is_ok_and(|target| target == name);
        is("proc/self/ns/pid", "pid:[4026531836]") && is("proc/self/ns/cgroup", "cgroup:[4026531835]")
    }

    fn exists(&mut self, path: &str) -> bool {
        self.root.read(path, &mut self.buffer).is_ok()
    }
}

/// The release in `/proc/version`, proc_version(5): `Linux version 2.6.32-5-amd64 (...)`.
fn release(version: &str) -> Option<String> {
    Some(version.strip_prefix("Linux version ")?.split_whitespace().next()?.to_owned())
}

/// `PRETTY_NAME` of os-release(5), or its `NAME`.
fn os_name(text: &str) -> Option<String> {
    let value = |key: &str| {
        let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        values.next_back().map(unquote).filter(|name| !name.is_empty())
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

/// Undoes the shell quoting that os-release(5) allows.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(literal) = inner('\'') {
        return literal.to_owned();
    }
    let (mut plain, mut escaped) = (String::new(), false);
    for letter in inner('"').unwrap_or(value).chars() {
        escaped = letter == '\\' && !escaped;
        if !escaped {
            plain.push(letter);
        }
    }
    plain
}

/// Names by user id from passwd(5); the first of several names counts, as for the system.
fn users(text: &str) -> BTreeMap<u32, String> {
    let mut users = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse))
            && !name.is_empty()
        {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

/// CPUs that this run may use, where that is fewer than those `online`.
fn cpus_allowed(online: Option<&str>) -> Option<u32> {
    let allowed = rustix::thread::sched_getaffinity(None).ok()?.count();
    let all = list_length(online?)?;
    (allowed < all).then_some(allowed)
}

/// How many CPUs or nodes a list names.
fn list_length(list: &str) -> Option<u32> {
    parse_list(list).and_then(|list| u32::try_from(list.len()).ok())
}

fn virtualization(files: &mut Files<'_>, arch: &str) -> Option<String> {
    if let Some(hypervisor) = files.line("sys/hypervisor/type") {
        // The first domain of Xen runs on the machine itself.
        let first_domain = files.text("proc/xen/capabilities").is_some_and(|text| text.contains("control_d"));
        return (!first_domain).then_some(hypervisor);
    }
    let flagged = files.text("proc/cpuinfo").is_some_and(|text| has_hypervisor_flag(&text));
    if !flagged && ["x86_64", "i686", "i586", "i386"].contains(&arch) {
        return None;
    }
    let vendor = files.line("sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let product = files.line("sys/class/dmi/id/product_name").unwrap_or_default();
    let named = hypervisor_of(&vendor, &product).map(str::to_owned);
    named.or_else(|| {
        if !flagged {
            return None;
        }
        // Firecracker has no DMI, but puts its name into its ACPI tables, which root can read.
        let table = files.text("sys/firmware/acpi/tables/FACP").unwrap_or_default();
        Some(if table.contains("FIRECK") { "firecracker" } else { "vm" }.to_owned())
    })
}

fn has_hypervisor_flag(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// The hypervisor that DMI's vendor and product stand for.
fn hypervisor_of(vendor: &str, product: &str) -> Option<&'static str> {
    let says = |word: &str| vendor.contains(word) || product.contains(word);
    let named = [
        (says("VMware"), "vmware"),
        (says("VirtualBox") || says("innotek"), "virtualbox"),
        (says("Xen"), "xen"),
        // Microsoft makes laptops as well, Amazon rents bare metal.
        (says("Microsoft") && product == "Virtual Machine", "microsoft"),
        (says("Amazon EC2") && !product.contains(".metal"), "amazon"),
        (product == "Google Compute Engine", "google"),
        (says("Parallels"), "parallels"),
        (says("BHYVE"), "bhyve"),
        (["QEMU", "KVM", "OpenStack", "DigitalOcean", "Bochs"].into_iter().any(says), "kvm"),
    ];
    named.into_iter().find(|(is_it, _)| *is_it).map(|(_, name)| name)
}

fn container(files: &mut Files<'_>) -> Option<String> {
    let cgroups = files.text("proc/self/cgroup").unwrap_or_default();
    let environment = files.text("proc/1/environ").unwrap_or_default();
    // A machine that was made from an image of a container still has these files.
    if files.in_first_namespaces() {
        return container_by(&cgroups, "", None);
    }
    let traces = [("run/.containerenv", "podman"), (".dockerenv", "docker")];
    let of_files = traces.into_iter().find(|(file, _)| files.exists(file)).map(|(_, name)| name);
    container_by(&cgroups, &environment, of_files)
}

/// The container runtime by the traces it leaves; Kubernetes uses one of the others and comes first.
fn container_by(cgroups: &str, environment: &str, of_files: Option<&str>) -> Option<String> {
    let variable = |name: &str| {
        let of_name = |pair: &'_ str| pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        let pair = environment.split('\0').find(|pair| of_name(pair))?;
        Some(pair[name.len() + 1..].to_owned()).filter(|value| !value.is_empty())
    };
    if cgroups.contains("kubepods") || variable("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    // `/system.slice/docker.service` is the daemon on the host, not a container.
    let traces = [
        ("/docker/", "docker"),
        ("/docker-", "docker"),
        ("/libpod-", "podman"),
        ("/libpod_parent/", "podman"),
        ("/lxc/", "lxc"),
        ("/lxc.payload", "lxc"),
        ("/machine.slice/machine-", "systemd-nspawn"),
    ];
    let of_cgroups = || traces.iter().find(|(trace, _)| cgroups.contains(trace)).map(|(_, name)| *name);
    of_files.or_else(of_cgroups).map(str::to_owned).or_else(|| variable("container"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn this_host_has_the_facts_that_every_host_has() {
        let host = gather(&Root::live(Path::new("/")).unwrap());
        assert!(host.kernel.is_some() && host.arch.is_some() && host.ticks_per_second >= 100);
        assert!(host.page_bytes.is_power_of_two() && host.own_pid > 0);
        assert_eq!(host.own_pid, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn an_empty_tree_has_no_facts_and_no_panic() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("proc")).unwrap();
        let host = gather(&Root::live(tree.path()).unwrap());
        assert_eq!(
            (host.hostname, host.os, host.container, host.cpus_allowed_count),
            (None, None, None, None)
        );
        assert!(host.users.is_empty() && host.copied && host.own_pid == 0 && host.arch.is_none());
    }

    #[test]
    fn an_old_kernel_tells_its_release_in_one_file() {
        assert_eq!(release("Linux version 2.6.32-5-amd64 (x@y) #1 SMP\n").as_deref(), Some("2.6.32-5-amd64"));
        assert_eq!(release("Linux version "), None);
        assert_eq!(release("other"), None);
    }

    #[test]
    fn os_release_is_unquoted() {
        let text = "NAME=\"Debian\"\nPRETTY_NAME=\"A \\\"quoted\\\" \\$5 \\\\ OS\"\n";
        assert_eq!(os_name(text).as_deref(), Some("A \"quoted\" $5 \\ OS"));
        assert_eq!(os_name("NAME='Old'\n").as_deref(), Some("Old"));
        assert_eq!(os_name("PRETTY_NAME=Plain\n").as_deref(), Some("Plain"));
        assert_eq!(os_name("VERSION_ID=1\n"), None);
    }

    #[test]
    fn users_are_read_without_a_name_service() {
        let names = users("root:x:0:0::/:/bin/sh\ntoor:x:0:0\n+::::::\nbad:x:y\n\nwww:x:33:33\n:x:5:5\n");
        assert_eq!(names, BTreeMap::from([(0, "root".to_owned()), (33, "www".to_owned())]));
    }

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(list_length("0-3,8"), Some(5));
        assert_eq!(list_length("0"), Some(1));
        for list in ["", "3-1", "x", "0-4294967295", "0-,1"] {
            assert_eq!(list_length(list), None, "{list}");
        }
    }

    #[test]
    fn hypervisors_are_named() {
        assert_eq!(hypervisor_of("QEMU", "Standard PC (Q35 + ICH9, 2009)"), Some("kvm"));
        assert_eq!(hypervisor_of("VMware, Inc.", "VMware Virtual Platform"), Some("vmware"));
        assert_eq!(hypervisor_of("Microsoft Corporation", "Virtual Machine"), Some("microsoft"));
        assert_eq!(hypervisor_of("Microsoft Corporation", "Surface Laptop"), None);
        assert_eq!(hypervisor_of("Amazon EC2", "m5.metal"), None);
        assert_eq!(hypervisor_of("Amazon EC2", "m5.large"), Some("amazon"));
        assert_eq!(hypervisor_of("Dell Inc.", "PowerEdge"), None);
        assert!(has_hypervisor_flag("processor\t: 0\nflags\t\t: fpu hypervisor vme\n"));
        assert!(!has_hypervisor_flag("flags\t\t: fpu hypervisors\n"));
    }

    #[test]
    fn containers_are_named() {
        let by = |cgroups, environment, files| container_by(cgroups, environment, files);
        assert_eq!(by("0::/\n", "", None), None);
        assert_eq!(by("0::/system.slice/docker.service\n", "", None), None);
        assert_eq!(by("0::/system.slice/docker-0af.scope\n", "", None).as_deref(), Some("docker"));
        assert_eq!(by("1:cpu:/kubepods/burstable/pod1\n", "", Some("docker")).as_deref(), Some("kubernetes"));
        assert_eq!(
            by("0::/", "A=1\0KUBERNETES_SERVICE_HOST=10.0.0.1\0", None).as_deref(),
            Some("kubernetes")
        );
        assert_eq!(by("0::/", "", Some("podman")).as_deref(), Some("podman"));
        assert_eq!(by("0::/", "containerx=1\0container=lxc\0", None).as_deref(), Some("lxc"));
    }
}
