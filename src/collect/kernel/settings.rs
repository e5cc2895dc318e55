//! Settings of the kernel that a tuning report may have to speak of.
//!
//! Sources: kernel `Documentation/admin-guide/sysctl/` and `mm/transhuge.rst`, `Documentation/networking/ip-sysctl.rst`.
//! Every one of them may be missing: older kernels, other network namespaces, features that are off.

use crate::collect::root::Root;
use crate::model::snapshot::{BlockDevice, BlockKind};
use crate::model::tuning::KernelSettings;

/// Names as sysctl(8) has them; their files are below /proc/sys.
const SYSCTLS: [&str; 18] = [
    "fs.file-max",
    "kernel.numa_balancing",
    "kernel.pid_max",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_tw_reuse",
    "net.netfilter.nf_conntrack_max",
    "vm.dirty_background_bytes",
    "vm.dirty_background_ratio",
    "vm.dirty_bytes",
    "vm.dirty_ratio",
    "vm.min_free_kbytes",
    "vm.swappiness",
    "vm.watermark_scale_factor",
    "vm.zone_reclaim_mode",
];

/// Files that no sysctl stands for, under the names that the report gives them.
const OTHERS: [(&str, &str); 4] = [
    ("cpufreq/scaling_driver", "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
    ("cpufreq/scaling_governor", "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    ("transparent_hugepage/defrag", "sys/kernel/mm/transparent_hugepage/defrag"),
    ("transparent_hugepage/enabled", "sys/kernel/mm/transparent_hugepage/enabled"),
];

/// Settings of a disk, below `queue/`.
const OF_A_DISK: [&str; 2] = ["read_ahead_kb", "scheduler"];

/// Disks that are asked; a box with more has them all set alike.
const DISKS_MAX: usize = 32;

/// Longer texts are none of these.
const LENGTH_MAX: usize = 80;

/// Reads the settings, also those of `disks`; each that is not there stays absent.
pub fn read(root: &Root, disks: &[BlockDevice], buffer: &mut Vec<u8>) -> KernelSettings {
    let mut settings = KernelSettings::default();
    let sysctls =
        SYSCTLS.iter().map(|name| ((*name).to_owned(), format!("proc/sys/{}", name.replace('.', "/"))));
    let others = OTHERS.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned()));
    let whole = |disk: &&BlockDevice| matches!(disk.kind, BlockKind::Disk | BlockKind::Nvme);
    let queues = disks.iter().filter(whole).take(DISKS_MAX).flat_map(|disk| {
        OF_A_DISK.map(|file| {
            let name = format!("{}/queue/{file}", disk.name.replace('/', "!"));
            let path = format!("sys/block/{name}");
            (name, path)
        })
    });
    for (name, path) in sysctls.chain(others).chain(queues) {
        if root.read_once(&path, buffer).is_ok()
            && let Some(text) = parse(buffer)
        {
            settings.0.insert(name, text);
        }
    }
    settings
}

/// One line of plain words and numbers; of a choice, `always [madvise] never`, the chosen word.
fn parse(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let text = chosen.map_or(text.as_str(), |(word, _)| word);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '+' | '-' | '_');
    (!text.is_empty() && text.len() <= LENGTH_MAX && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_the_chosen_word() {
        assert_eq!(parse(b"always defer defer+madvise [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(parse(b"60\n").as_deref(), Some("60"));
        assert_eq!(parse(b"32768\t60999\n").as_deref(), Some("32768 60999"));
    }

    #[test]
    fn what_is_no_setting_is_absent() {
        for bytes in [&b""[..], b"\n", b"<b>", b"\xff", b"a]b[c", b"[", b"[]", &[b'1'; 500]] {
            assert_eq!(parse(bytes), None, "{bytes:?}");
        }
    }
}
