//! Machines that forward, proxy and serve.

use super::stalls;
use crate::machine::{Link, MIB, Machine, Memory, Mount, Process, TIB};

/// A quarter of the CPU time in softirqs, two fifths of the connection table.
pub(super) fn nat_gateway() -> Machine {
    let mut machine = Machine {
        cpus: 8,
        history: 0.7,
        stalls: stalls(0.02, 0.0, 0.0),
        soft_interrupts: 2.0,
        links: vec![
            Link {
                received_packets: 380e3,
                received_bytes: 290e6,
                sent_packets: 310e3,
                sent_bytes: 180e6,
                ..Link::default()
            },
            Link {
                name: "eth1",
                received_packets: 310e3,
                received_bytes: 180e6,
                sent_packets: 380e3,
                sent_bytes: 290e6,
                ..Link::default()
            },
        ],
        net: vec![("Ip.ForwDatagrams", 690e3)],
        ..Machine::default()
    };
    machine.file("proc/sys/net/netfilter/nf_conntrack_count", "104857\n");
    machine.file("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    let table = |drops: u32| {
        let row = format!(
            "00019999  00000000 00000000 00000000 00000012 00000000 00000000 00000000 00000000 00000000 {drops:08x} 00000000 00000000  00000000 00000000 00000000 00000000\n"
        );
        format!(
            "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n{}",
            row.repeat(8)
        )
    };
    machine.files.push(("proc/net/stat/nf_conntrack".to_owned(), table(0), table(0)));
    machine
}

/// Threads that wait for a server that answers in a millisecond.
pub(super) fn nfs_client() -> Machine {
    let renderer = Process {
        comm: "nginx",
        copies: 8,
        user: 0.10,
        system: 0.06,
        blocked: 0.04,
        blocked_in: "rpc_wait_bit_killable",
        reads: 2e6,
        group: "/system.slice/nginx.service",
        uid: 33,
        ..Process::default()
    };
    Machine {
        processes: vec![renderer],
        stalls: stalls(0.02, 0.0, 0.02),
        mounts: vec![Mount::root(), Mount::new("/srv/www", "filer:/export/www", "nfs4", 40 * TIB, 0.8)],
        links: vec![Link {
            received_packets: 14e3,
            received_bytes: 19e6,
            sent_packets: 9e3,
            sent_bytes: 16e6,
            ..Link::default()
        }],
        ..Machine::default()
    }
}

/// Workers that are a good half busy.
pub(super) fn web_60_percent() -> Machine {
    let php = Process {
        comm: "php-fpm8.2",
        copies: 24,
        user: 0.15,
        system: 0.03,
        delay: 0.012,
        anonymous: 60 * MIB,
        shared: 50 * MIB,
        group: "/system.slice/php8.2-fpm.service",
        uid: 33,
        sleeps_in: "inet_csk_accept",
        ..Process::default()
    };
    let nginx = Process {
        comm: "nginx",
        copies: 8,
        user: 0.03,
        system: 0.035,
        group: "/system.slice/nginx.service",
        uid: 33,
        files: 300,
        ..Process::default()
    };
    Machine {
        cpus: 8,
        stalls: stalls(0.09, 0.0, 0.003),
        processes: vec![php, nginx],
        memory: Memory { shared: 300 * MIB, ..Memory::default() },
        soft_interrupts: 0.15,
        sockets: (1200, 2500),
        net: vec![("Tcp.PassiveOpens", 300.0), ("Tcp.ActiveOpens", 280.0), ("Tcp.RetransSegs", 4.0)],
        links: vec![Link {
            received_packets: 16e3,
            received_bytes: 6e6,
            sent_packets: 24e3,
            sent_bytes: 30e6,
            ..Link::default()
        }],
        ..Machine::default()
    }
}

/// Replication fills 70 % of a link, without a loss.
pub(super) fn router_at_night() -> Machine {
    let link = Link {
        speed: 1000,
        received_packets: 60e3,
        received_bytes: 86e6,
        sent_packets: 30e3,
        sent_bytes: 2.2e6,
        ..Link::default()
    };
    let other = Link {
        name: "eth1",
        received_packets: 30e3,
        received_bytes: 2.2e6,
        sent_packets: 60e3,
        sent_bytes: 86e6,
        ..link.clone()
    };
    Machine {
        links: vec![link, other],
        net: vec![("Ip.ForwDatagrams", 90e3)],
        soft_interrupts: 0.35,
        ..Machine::default()
    }
}

/// A proxy that opens many short connections, and may use their ports again.
pub(super) fn time_wait_20_000() -> Machine {
    let proxy = Process {
        comm: "haproxy",
        threads: 4,
        busy_threads: 4,
        user: 0.5,
        system: 0.6,
        group: "/system.slice/haproxy.service",
        uid: 110,
        files: 2200,
        ..Process::default()
    };
    let mut machine = Machine {
        cpus: 8,
        stalls: stalls(0.03, 0.0, 0.0),
        processes: vec![proxy],
        sockets: (1900, 20_000),
        soft_interrupts: 0.3,
        net: vec![("Tcp.ActiveOpens", 340.0), ("Tcp.PassiveOpens", 340.0), ("TcpExt.TW", 330.0)],
        links: vec![Link {
            received_packets: 18e3,
            received_bytes: 9e6,
            sent_packets: 18e3,
            sent_bytes: 9e6,
            ..Link::default()
        }],
        ..Machine::default()
    };
    machine.file("proc/sys/net/ipv4/tcp_tw_reuse", "1\n");
    machine
}

/// Clients far away: a few of a thousand segments are lost on the way, as on any such path.
pub(super) fn a_lossy_path() -> Machine {
    let server = Process {
        comm: "nginx",
        copies: 4,
        user: 0.06,
        system: 0.1,
        group: "/system.slice/nginx.service",
        uid: 33,
        ..Process::default()
    };
    Machine {
        processes: vec![server],
        sockets: (800, 300),
        net: vec![
            ("Tcp.OutSegs", 20e3),
            ("Tcp.RetransSegs", 110.0),
            ("TcpExt.TCPTimeouts", 2.0),
            ("TcpExt.TCPFastRetrans", 90.0),
        ],
        links: vec![Link {
            received_packets: 9e3,
            received_bytes: 800e3,
            sent_packets: 20e3,
            sent_bytes: 27e6,
            dropped: 1.0,
            ..Link::default()
        }],
        ..Machine::default()
    }
}
