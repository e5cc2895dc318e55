//! The table against messages as machines have shown them.

use super::*;
use std::collections::BTreeSet;

/// Messages as the kernel prints them, with what they are and what they name.
#[rustfmt::skip]
const SEEN: &[(u8, &str, &str, Option<&str>)] = &[
    (3, "blk_update_request: I/O error, dev sda, sector 81920 op 0x0:(READ) flags 0x0", "block-error", Some("sda")),
    (3, "critical medium error, dev nvme0n1, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1", "block-error", Some("nvme0n1")),
    (3, "operation not supported error, dev loop0, sector 8 op 0x9:(WRITE_ZEROES)", "request-unsupported", Some("loop0")),
    (3, "reservation conflict error, dev sdb, sector 8 op 0x1:(WRITE)", "reservation-conflict", Some("sdb")),
    (3, "Buffer I/O error on dev sda1, logical block 5, lost async page write", "lost-write", Some("sda1")),
    (4, "nvme nvme0: I/O 123 (Read) QID 4 timeout, aborting", "nvme-timeout", Some("nvme0")),
    (4, "nvme nvme1: I/O tag 12 (700c) opcode 0x2 (Read) QID 4 timeout, reset controller", "nvme-timeout", Some("nvme1")),
    (4, "nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10", "nvme-reset", Some("nvme0")),
    (3, "ata1.00: failed command: READ FPDMA QUEUED", "ata-command", Some("ata1.00")),
    (3, "ata3: hard resetting link", "ata-reset", Some("ata3")),
    (6, "sd 2:0:0:0: [sdb] tag#0 Sense Key : Medium Error [current]", "scsi-sense", Some("sdb")),
    (3, "sd 2:0:0:0: rejecting I/O to offline device", "scsi-offline", Some("2:0:0:0")),
    (2, "md/raid1:md0: Disk failure on sdb1, disabling device.", "md-failure", Some("md0")),
    (3, "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0", "ext4-error", Some("sda1")),
    (2, "EXT4-fs (sda1): Remounting filesystem read-only", "read-only", Some("sda1")),
    (1, "XFS (sdb1): Corruption of in-memory data detected.  Shutting down filesystem", "xfs-shutdown", Some("sdb1")),
    (3, "BTRFS error (device sda1): bdev /dev/sda errs: wr 12, rd 0, flush 0, corrupt 0, gen 0", "btrfs-device", Some("sda1")),
    (4, "BTRFS warning (device sdc): csum failed root 5 ino 257 off 0 csum 0x1 expected csum 0x2 mirror 1", "btrfs-checksum", Some("sdc")),
    (0, "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [java:4242]", "soft-lockup", Some("java:4242")),
    (3, "rcu: INFO: rcu_sched self-detected stall on CPU", "rcu-stall", None),
    (3, "INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall", None),
    (3, "INFO: task postgres:881 blocked for more than 120 seconds.", "hung-task", Some("postgres:881")),
    (3, "INFO: task a b:7 blocked in I/O wait for more than 122 seconds.", "hung-task", Some("a b:7")),
    (0, "BUG: workqueue lockup - pool cpus=7 node=0 flags=0x0 nice=0 stuck for 47s!", "workqueue-lockup", None),
    (4, "pcieport 0000:00:1c.0: AER: Uncorrected (Non-Fatal) error received: 0000:03:00.0", "pcie-uncorrected", Some("0000:00:1c.0")),
    (4, "pcieport 0000:00:1c.0: AER: Corrected error received: 0000:03:00.0", "pcie-corrected", Some("0000:00:1c.0")),
    (0, "mce: [Hardware Error]: Machine check events logged", "machine-check", None),
    (0, "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0", "memory-uncorrected", Some("MC0")),
    (4, "EDAC MC0: 3 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0", "memory-corrected", Some("MC0")),
    (2, "CPU1: Core temperature above threshold, cpu clock throttled (total events = 1)", "cpu-hot", Some("CPU1")),
    (4, "clocksource: timekeeping watchdog on CPU2: Marking clocksource 'tsc' as unstable because the skew is too large:", "clock-unstable", Some("tsc")),
    (4, "NETDEV WATCHDOG: eth0 (ixgbe): transmit queue 3 timed out", "transmit-timeout", Some("eth0")),
    (2, "r8169 0000:03:00.0 enp3s0: NETDEV WATCHDOG: CPU: 7: transmit queue 0 timed out 5567 ms", "transmit-timeout", Some("enp3s0")),
    (6, "e1000e 0000:00:1f.6 eno1: NIC Link is Down", "link-down", Some("eno1")),
    (6, "igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down", "link-down", Some("eth0")),
    (6, "r8169 0000:03:00.0 enp3s0: Link is Down", "link-down", Some("enp3s0")),
    (4, "neighbour: arp_cache: neighbor table overflow!", "neighbour-overflow", Some("arp_cache")),
    (6, "TCP: out of memory -- consider tuning tcp_mem", "tcp-memory", None),
    (6, "TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.", "syn-cookies", Some("443")),
    (6, "TCP: request_sock_TCP: Possible SYN flooding on port [::]:80. Dropping request.", "syn-dropped", Some("[::]:80")),
    (4, "nf_conntrack: nf_conntrack: table full, dropping packet", "connection-table-full", None),
    (5, "nfs: server filer1 not responding, still trying", "nfs-silent", Some("filer1")),
    (3, "Out of memory: Killed process 77 (python3) total-vm:1kB", "oom-kill", None),
    (6, "mysqld[812]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in mysqld[55d0+1000]", "crash", None),
    (6, "EXT4-fs (vda1): recovery complete", "unclean-mount", None),
];

#[test]
fn messages_are_told_apart_and_name_their_subject() {
    for (level, text, id, name) in SEEN {
        let pattern = pattern_of(*level, text).unwrap_or_else(|| panic!("no pattern for {text}"));
        assert_eq!((pattern.id, subject(text, pattern.subject)), (*id, *name), "{text}");
    }
}

#[test]
fn ordinary_messages_are_of_no_pattern() {
    for text in [
        "random: crng init done",
        "EXT4-fs (vda1): mounted filesystem with ordered data mode",
        "EDAC MC: Ver: 3.0.0",
        "md/raid1:md0: active with 2 out of 2 mirrors",
        "igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Up 1000 Mbps Full Duplex",
        "nvme nvme0: 8/0/0 default/read/poll queues",
        "BTRFS info (device sda1): bdev /dev/sda errs: wr 12, rd 0, flush 0, corrupt 0, gen 0",
        "clocksource: Switched to clocksource tsc",
        "",
    ] {
        assert_eq!(pattern_of(6, text).map(|pattern| pattern.id), None, "{text}");
    }
}

#[test]
fn every_pattern_is_complete() {
    for pattern in patterns() {
        assert!(
            !pattern.parts.is_empty() && pattern.parts.iter().all(|part| part.len() > 2),
            "{}",
            pattern.id
        );
        assert!(pattern.source.contains('/') && !pattern.says.is_empty(), "{}", pattern.id);
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(pattern.id.chars().all(kebab), "{}", pattern.id);
    }
    // Two texts may mean the same; then they mean the same in every respect.
    let told: BTreeSet<(&str, &str)> = patterns().map(|pattern| (pattern.id, pattern.says)).collect();
    let ids: BTreeSet<&str> = patterns().map(|pattern| pattern.id).collect();
    assert_eq!(told.len(), ids.len());
}

#[test]
fn a_hostile_name_is_only_a_name() {
    let text = "INFO: task x blocked for more than 9 seconds.:1 blocked for more than 120 seconds.";
    let pattern = pattern_of(3, text).unwrap();
    assert_eq!((pattern.id, subject(text, pattern.subject)), ("hung-task", Some("x")));
    assert_eq!(subject("dev ", Place::After("dev ")), None);
    assert_eq!(subject(&format!("dev {}", "x".repeat(500)), Place::After("dev ")), None);
}

#[test]
fn every_pattern_has_a_first_part_and_is_found_by_it() {
    for pattern in patterns() {
        let first = pattern.parts.first().filter(|part| !part.is_empty());
        assert!(first.is_some(), "{}", pattern.id);
        let text = format!("x {} y", pattern.parts.join(" z "));
        assert!(pattern_of(0, &text).is_some(), "{}", pattern.id);
    }
    assert!(FIRST_PARTS.is_some());
}
