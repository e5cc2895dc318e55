//! Settings that differ from a sensible value, said only where a finding of this window makes them matter: a list of
//! everything that could be otherwise helps nobody at night.

use crate::model::finding::Severity;
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::tuning::{KernelSettings, SettingNote};
use crate::model::units::human_bytes;

/// One piece of advice on one setting.
struct Advice {
    name: &'static str,
    /// Findings that make it matter.
    findings: &'static [&'static str],
    /// The value to set and what makes it sensible; none where it is sensible already.
    better: fn(&Around<'_>) -> Option<Better>,
    risk: &'static str,
}

struct Better {
    value: String,
    sensible: &'static str,
    why: String,
}

/// What a setting is judged by.
struct Around<'a> {
    settings: &'a KernelSettings,
    rates: &'a Rates,
}

impl Around<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.settings.number(name)
    }

    fn memory_bytes(&self) -> Option<f64> {
        self.rates.memory.as_ref().ok().map(|memory| memory.total_bytes as f64)
    }
}

/// Unwritten data beyond which a fsync or a full table stalls everybody for many seconds on a usual disk.
const DIRTY_BYTES_MAX: f64 = (1_u64 << 30) as f64;

const WRITEBACK: &[&str] = &["writeback-stall", "disk-saturated", "io-blocked"];

const ADVICE: &[Advice] = &[
    Advice {
        name: "vm.swappiness",
        findings: &["memory-swap"],
        better: |around| {
            let value = around.number("vm.swappiness")?;
            // Compressed memory is a fast swap: there a high value is meant.
            let fast = around.rates.swaps.iter().any(|swap| swap.path.contains("zram"));
            (value > 60 && !fast).then(|| Better {
                value: "10".to_owned(),
                sensible: "60 (the default) or less on a server that swaps to a disk",
                why: format!("At {value} the kernel swaps programs out rather than drop page cache."),
            })
        },
        risk: "Page cache shrinks first, so more reads go to the disk.",
    },
    Advice {
        name: "vm.dirty_ratio",
        findings: WRITEBACK,
        better: |around| dirty(around, "vm.dirty_ratio", "vm.dirty_bytes", 1.0),
        risk: "Programs that write in bursts are slowed down earlier.",
    },
    Advice {
        name: "vm.dirty_background_ratio",
        findings: WRITEBACK,
        better: |around| dirty(around, "vm.dirty_background_ratio", "vm.dirty_background_bytes", 0.25),
        risk: "Data that is soon overwritten is written more than once.",
    },
    Advice {
        name: "vm.min_free_kbytes",
        findings: &["memory-reclaim", "memory-swap", "memory-oom"],
        better: |around| {
            let kept = around.number("vm.min_free_kbytes")? as f64 * 1024.0;
            let memory = around.memory_bytes()?;
            (kept > 0.05 * memory).then(|| Better {
                value: format!("{:.0}", 0.01 * memory / 1024.0),
                sensible: "about 1 % of the memory",
                why: format!("{} are kept free while programs want for memory.", human_bytes(kept)),
            })
        },
        risk: "Too little makes allocations of network drivers fail.",
    },
    Advice {
        name: "vm.zone_reclaim_mode",
        findings: &["memory-reclaim", "numa-remote", "memory-swap"],
        better: |around| {
            (around.number("vm.zone_reclaim_mode")? != 0).then(|| Better {
                value: "0".to_owned(),
                sensible: "0 (the default)",
                why: "Memory is reclaimed on one node while another has some to spare.".to_owned(),
            })
        },
        risk: "More accesses go to the memory of another node.",
    },
    Advice {
        name: "kernel.numa_balancing",
        findings: &["numa-remote"],
        better: |around| {
            (around.number("kernel.numa_balancing")? == 0).then(|| Better {
                value: "1".to_owned(),
                sensible: "1 on a box with several memory nodes",
                why: "Nothing moves the pages to where they are used.".to_owned(),
            })
        },
        risk: "Moving pages costs some CPU time.",
    },
    Advice {
        name: "transparent_hugepage/defrag",
        findings: &["thp-compaction"],
        better: |around| {
            (around.settings.text("transparent_hugepage/defrag")? == "always").then(|| Better {
                value: "madvise".to_owned(),
                sensible: "madvise (the default)",
                why: "Every page fault may wait until the kernel has moved pages together.".to_owned(),
            })
        },
        risk: "Fewer large pages for programs that do not ask for them.",
    },
    Advice {
        name: "net.core.somaxconn",
        findings: &["listen-overflow"],
        better: |around| {
            at_least(
                around,
                "net.core.somaxconn",
                1024,
                4096,
                "4096 (the default since Linux 5.4)",
                "It caps the backlog that any server may ask for, and queues overflow.",
            )
        },
        risk: "The server must ask for more as well, and be restarted; longer queues hide a slow server.",
    },
    Advice {
        name: "net.ipv4.tcp_max_syn_backlog",
        findings: &["listen-overflow"],
        better: |around| {
            at_least(
                around,
                "net.ipv4.tcp_max_syn_backlog",
                512,
                4096,
                "1024 or more on a busy server",
                "Connections that are being opened find no room.",
            )
        },
        risk: "A little more memory under a flood of connections.",
    },
    Advice {
        name: "net.core.netdev_max_backlog",
        findings: &["net-drops"],
        better: |around| {
            at_least(
                around,
                "net.core.netdev_max_backlog",
                1000,
                2000,
                "1000 (the default) or more",
                "Packets are dropped before the network stack has seen them.",
            )
        },
        risk: "Packets may wait longer.",
    },
    Advice {
        name: "net.ipv4.ip_local_port_range",
        findings: &["port-exhaustion"],
        better: |around| {
            let text = around.settings.text("net.ipv4.ip_local_port_range")?;
            let (low, high) = text.split_once(' ')?;
            let count = high.parse::<u64>().ok()?.checked_sub(low.parse().ok()?)?.saturating_add(1);
            (count < 28_000).then(|| Better {
                value: "\"32768 60999\"".to_owned(),
                sensible: "32768 60999 (the default), or wider",
                why: format!("Only {count} ports are there for outgoing connections."),
            })
        },
        risk: "A service that listens in the new range may find its port taken.",
    },
    Advice {
        name: "net.ipv4.tcp_tw_reuse",
        findings: &["port-exhaustion"],
        better: |around| {
            (around.number("net.ipv4.tcp_tw_reuse")? == 0).then(|| Better {
                value: "1".to_owned(),
                sensible: "1 on a client of busy servers",
                why: "Ports of closed connections are kept for a minute.".to_owned(),
            })
        },
        risk: "Needs TCP timestamps on both ends, which is the default.",
    },
    Advice {
        name: "net.netfilter.nf_conntrack_max",
        findings: &["conntrack-full"],
        better: |around| {
            at_least(
                around,
                "net.netfilter.nf_conntrack_max",
                65_536,
                262_144,
                "262144 on a busy gateway",
                "New connections are dropped when the table is full.",
            )
        },
        risk: "About 300 bytes of kernel memory for each connection.",
    },
    Advice {
        name: "kernel.pid_max",
        findings: &["pid-exhaustion"],
        better: |around| {
            at_least(
                around,
                "kernel.pid_max",
                131_072,
                4_194_304,
                "4194304 on a 64-bit machine",
                "No process or thread can be started without a number.",
            )
        },
        risk: "Old programs that keep process ids in 16 bits.",
    },
    Advice {
        name: "fs.file-max",
        findings: &["fd-exhaustion"],
        better: |around| {
            at_least(
                around,
                "fs.file-max",
                100_000,
                1_000_000,
                "100000 for each GiB of memory",
                "The whole box runs out of open files.",
            )
        },
        risk: "About 1 KiB of kernel memory for each open file.",
    },
];

/// A percentage of memory that stands for more than a disk writes in reasonable time.
fn dirty(around: &Around<'_>, name: &str, bytes: &str, part: f64) -> Option<Better> {
    // Where bytes are set, the ratio is not in force and reads as 0.
    if around.number(bytes).is_some_and(|bytes| bytes > 0) {
        return None;
    }
    let ratio = around.number(name)?;
    let allowed = ratio as f64 / 100.0 * around.rates.memory.as_ref().ok()?.available_bytes? as f64;
    let most = part * DIRTY_BYTES_MAX;
    (allowed > most).then(|| Better {
        value: format!("{:.0}", most / 2.0),
        sensible: "what the disk writes within a few seconds, set as bytes",
        why: format!(
            "{ratio} % of what can be had are {} that may wait to be written.",
            human_bytes(allowed)
        ),
    })
}

fn at_least(
    around: &Around<'_>,
    name: &str,
    least: u64,
    better: u64,
    sensible: &'static str,
    why: &str,
) -> Option<Better> {
    (around.number(name)? < least).then(|| Better {
        value: better.to_string(),
        sensible,
        why: why.to_owned(),
    })
}

/// The settings to speak of.
pub fn settings(rates: &Rates, diagnosis: &Diagnosis) -> Vec<SettingNote> {
    let around = Around { settings: &rates.limits.settings, rates };
    let mattering = |ids: &[&str]| {
        let found = diagnosis.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
        found.map(|finding| &finding.id).find(|id| ids.contains(&id.as_str())).cloned()
    };
    ADVICE
        .iter()
        .filter_map(|advice| {
            let finding = mattering(advice.findings)?;
            let better = (advice.better)(&around)?;
            let value = around.settings.text(advice.name)?.to_owned();
            let (command, undo) = commands(advice.name, &value, &better.value);
            Some(SettingNote {
                name: advice.name.to_owned(),
                value,
                sensible: better.sensible.to_owned(),
                why: better.why,
                finding,
                command,
                risk: advice.risk.to_owned(),
                undo,
            })
        })
        .collect()
}

/// What to type, and what takes it back.
fn commands(name: &str, old: &str, new: &str) -> (String, String) {
    if name.starts_with("transparent_hugepage") {
        let write = |word: &str| format!("echo {word} > /sys/kernel/mm/{name}");
        return (write(new), write(old));
    }
    // Setting bytes clears the ratio, and the other way round.
    let target = match name {
        "vm.dirty_ratio" => "vm.dirty_bytes",
        "vm.dirty_background_ratio" => "vm.dirty_background_bytes",
        other => other,
    };
    let old = if old.contains(' ') { format!("\"{old}\"") } else { old.to_owned() };
    (format!("sysctl -w {target}={new}"), format!("sysctl -w {name}={old}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_can_be_taken_back() {
        let (set, undo) = commands("vm.dirty_ratio", "20", "536870912");
        assert_eq!(
            (set.as_str(), undo.as_str()),
            ("sysctl -w vm.dirty_bytes=536870912", "sysctl -w vm.dirty_ratio=20")
        );
        let (_, undo) = commands("net.ipv4.ip_local_port_range", "1024 2000", "x");
        assert_eq!(undo, "sysctl -w net.ipv4.ip_local_port_range=\"1024 2000\"");
        let (set, undo) = commands("transparent_hugepage/defrag", "always", "madvise");
        assert_eq!(set, "echo madvise > /sys/kernel/mm/transparent_hugepage/defrag");
        assert!(undo.starts_with("echo always"));
    }

    #[test]
    fn every_setting_hangs_on_a_finding_that_exists() {
        for advice in ADVICE {
            assert!(!advice.findings.is_empty(), "{}", advice.name);
            for id in advice.findings {
                assert!(crate::diagnose::explain::by_id(id).is_some(), "{}: {id}", advice.name);
            }
        }
    }
}
