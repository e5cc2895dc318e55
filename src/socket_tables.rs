//! Rows of `/proc/net/{tcp,tcp6,udp,udp6,unix}`, proc_pid_net(5); kernel `net/ipv4/tcp_ipv4.c`, `net/ipv4/udp.c`,
//! `net/unix/af_unix.c`. Pure: `collect` and `profile` read the files, this parses their lines.
//!
//! Known lies: the receive queue of a listening socket counts connections that wait to be accepted. IPv4 addresses of
//! IPv6 sockets are mapped (`::ffff:a.b.c.d`); they are returned as IPv4.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use procfs_core::process::FDTarget;

/// An established connection (kernel `include/net/tcp_states.h`).
pub const ESTABLISHED: u64 = 0x01;
/// A connection that is being opened.
pub const SYN_SENT: u64 = 0x02;
/// A connection that is closed and whose late segments may still arrive.
pub const TIME_WAIT: u64 = 0x06;
/// A socket that waits for connections.
pub const LISTEN: u64 = 0x0a;

/// The inode of a socket from what a file descriptor links to, `socket:[12345]`; `None` for another file.
pub fn inode_of(target: &str) -> Option<u64> {
    match target.parse() {
        Ok(FDTarget::Socket(inode)) => Some(inode),
        _ => None,
    }
}

/// One row of a TCP or UDP table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    fields: Vec<&'a str>,
    /// Local port.
    pub port: u16,
    /// State.
    pub state: u64,
    /// Number that the owner's file descriptor shows: `socket:[inode]`.
    pub inode: u64,
}

impl<'a> Row<'a> {
    /// Parses a line; `None` for the header and for anything malformed.
    pub fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(Self {
            port: u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?,
            state: hexadecimal(fields.get(3)?)?,
            inode: fields.get(9)?.parse().ok()?,
            fields,
        })
    }

    /// Local address and port.
    pub fn local(&self) -> Option<SocketAddr> {
        address(self.fields.get(1)?)
    }

    /// Address and port of the other end.
    pub fn peer(&self) -> Option<SocketAddr> {
        address(self.peer_text()?)
    }

    /// The other end as printed, to count equal ones.
    pub fn peer_text(&self) -> Option<&'a str> {
        self.fields.get(2).copied()
    }

    /// Bytes to send and bytes to read.
    pub fn queues(&self) -> Option<(u64, u64)> {
        let (send, receive) = self.fields.get(4)?.split_once(':')?;
        Some((hexadecimal(send)?, hexadecimal(receive)?))
    }

    /// Times the oldest unacknowledged segment was sent again.
    pub fn retransmits(&self) -> Option<u64> {
        hexadecimal(self.fields.get(6)?)
    }

    /// Datagrams dropped, the last column of a UDP table.
    pub fn drops(&self) -> Option<u64> {
        self.fields.last()?.parse().ok()
    }
}

/// One row of the table of Unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixRow<'a> {
    /// Number that the owner's file descriptor shows.
    pub inode: u64,
    /// Path, which may hold blanks; `None` for a socket that is not bound.
    pub path: Option<&'a str>,
}

impl<'a> UnixRow<'a> {
    /// Parses `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock`.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut rest = line;
        for _ in 0..6 {
            rest = rest.trim_start().split_once(' ')?.1;
        }
        let (inode, path) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        Some(Self { inode: inode.parse().ok()?, path: Some(path.trim()).filter(|path| !path.is_empty()) })
    }
}

/// Parses `0100007F:4A3B`: words of 32 bits in the machine's byte order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = words.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_listening_socket_with_a_full_queue() {
        let line = "   1: 0100007F:4A3B 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0";
        let row = Row::parse(line).unwrap();
        assert_eq!((row.port, row.state, row.inode), (19003, LISTEN, 12345));
        assert_eq!((row.queues(), row.retransmits()), (Some((0, 5)), Some(0)));
        assert_eq!(row.peer_text(), Some("00000000:0000"));
    }

    #[test]
    fn a_datagram_socket_that_drops() {
        let line =
            " 205: 0100007F:4A39 00000000:0000 07 00000000:00034200 00:00000000 00000000 0 0 991 2 0000 4127";
        let row = Row::parse(line).unwrap();
        assert_eq!((row.port, row.drops(), row.inode), (19001, Some(4127), 991));
        assert_eq!(row.queues(), Some((0, 0x34200)));
    }

    #[test]
    fn malformed_rows_are_refused() {
        for line in ["", "sl local_address rem_address", "1: zz:zz 0 0A", "1: 00:1 00:2 0A 0"] {
            assert_eq!(Row::parse(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_words_of_the_machine() {
        let shown = |text: &str| address(text).map(|address| address.to_string());
        for (text, expected) in [
            ("0100007F:0CEA", "127.0.0.1:3306"),
            ("0000000000000000FFFF00000500000A:0001", "10.0.0.5:1"),
            ("B80D0120000000000000000001000000:0050", "[2001:db8::1]:80"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "0", "0100007F", ":1", "0100007:1", "zz00007F:1", "0100007F0100007F:1", "01\u{e9}0007F:1"]
        {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn unix_sockets_with_and_without_a_path() {
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/my app.sock";
        assert_eq!(UnixRow::parse(line), Some(UnixRow { inode: 12345, path: Some("/run/my app.sock") }));
        let unbound = line.trim_end_matches("/run/my app.sock");
        assert_eq!(UnixRow::parse(unbound), Some(UnixRow { inode: 12345, path: None }));
        assert_eq!(UnixRow::parse("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    #[test]
    fn only_sockets_have_an_inode() {
        assert_eq!(inode_of("socket:[12345]"), Some(12345));
        for target in [
            "",
            "socket:",
            "socket:[]",
            "socket:[x]",
            "socket:[-1]",
            "pipe:[5]",
            "/tmp/socket:[5]",
            "anon_inode:[eventfd]",
        ] {
            assert_eq!(inode_of(target), None, "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_parsed_without_a_panic(line in ".*", words in "[0-9A-F:é]{0,40}") {
            let _ = (Row::parse(&line), UnixRow::parse(&line), address(&words), inode_of(&line));
            let made = format!("0: {words} {words} 01 {words} 0 {words} 0 0 7");
            if let Some(row) = Row::parse(&made) {
                let _ = (row.local(), row.peer(), row.queues(), row.retransmits(), row.drops());
            }
        }
    }
}
