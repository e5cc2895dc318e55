//! Machines whose network is short.

use crate::machine::{Link, Machine, Process};

/// No room in the table for another connection.
pub(super) fn gateway_table_full() -> Machine {
    let mut machine = Machine {
        cpus: 8,
        soft_interrupts: 0.9,
        links: vec![Link {
            received_packets: 180e3,
            received_bytes: 90e6,
            sent_packets: 170e3,
            sent_bytes: 90e6,
            ..Link::default()
        }],
        log: vec![
            (1.0, "nf_conntrack: nf_conntrack: table full, dropping packet"),
            (3.0, "nf_conntrack: nf_conntrack: table full, dropping packet"),
        ],
        ..Machine::default()
    };
    machine.file("proc/sys/net/netfilter/nf_conntrack_count", "262140\n");
    machine.file("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    machine
}

/// A link that is full, and nothing that waits for it.
pub(super) fn full_link() -> Machine {
    let rsync = Process {
        comm: "rsync",
        user: 0.2,
        system: 0.1,
        group: "/system.slice/rsync.service",
        ..Process::default()
    };
    Machine {
        processes: vec![rsync],
        links: vec![Link {
            speed: 1000,
            sent_packets: 81_300.0,
            sent_bytes: 118e6,
            received_packets: 20e3,
            received_bytes: 1.4e6,
            ..Link::default()
        }],
        ..Machine::default()
    }
}
