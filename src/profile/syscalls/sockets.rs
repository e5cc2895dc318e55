//! What a socket is connected to, by its inode: `/proc/PID/net/{tcp,tcp6,udp,udp6,unix}`, proc_pid_net(5).

use crate::model::task::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Of a table with more, the rest is not read: 16 MiB are some hundred thousand sockets.
const TABLE_BYTES: u64 = 16 << 20;

/// The state of a socket that waits for connections (kernel `include/net/tcp_states.h`).
const LISTEN: &str = "0A";

/// The socket by its addresses or its path; none where it is in none of the tables.
pub(super) fn describe(pid: Pid, inode: u64) -> Option<String> {
    ["tcp", "tcp6", "udp", "udp6", "unix"].into_iter().find_map(|table| {
        let file = File::open(format!("/proc/{pid}/net/{table}")).ok()?;
        let lines = BufReader::new(file.take(TABLE_BYTES)).split(b'\n').skip(1).map_while(Result::ok);
        let mut found = lines.filter_map(|line| {
            let line = String::from_utf8_lossy(&line);
            if table == "unix" { unix(&line, inode) } else { internet(&line, inode, table) }
        });
        found.next()
    })
}

/// `1: 0100007F:4A3B 0200000A:1538 01 00000000:00000000 00:00000000 00000000 0 0 12345 ...`.
fn internet(line: &str, inode: u64, table: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    if fields.get(9)?.parse::<u64>().ok()? != inode {
        return None;
    }
    let protocol = if table.starts_with("tcp") { "TCP" } else { "UDP" };
    let (local, peer) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    Some(match *fields.get(3)? {
        LISTEN if protocol == "TCP" => format!("{protocol} {local}, listening"),
        _ if peer.port() == 0 && peer.ip().is_unspecified() => format!("{protocol} {local}"),
        _ => format!("{protocol} {local} -> {peer}"),
    })
}

/// Address and port: words of four bytes in the machine's order, and the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
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

/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock`; the path may be missing.
fn unix(line: &str, inode: u64) -> Option<String> {
    let mut rest = line;
    for _ in 0..6 {
        rest = rest.trim_start().split_once(' ')?.1;
    }
    let (number, path) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    if number.parse::<u64>().ok()? != inode {
        return None;
    }
    let path = path.trim();
    Some(if path.is_empty() { "unix socket".to_owned() } else { format!("unix socket {path}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_of_the_internet() {
        let line = |local: &str, peer: &str, state: &str| {
            format!(
                "   1: {local} {peer} {state} 00000000:00000000 00:00000000 00000000  0  0 12345 1 0 100 0 0 10 0"
            )
        };
        let connected = line("0100007F:0050", "0200000A:1538", "01");
        assert_eq!(internet(&connected, 12345, "tcp").as_deref(), Some("TCP 127.0.0.1:80 -> 10.0.0.2:5432"));
        assert_eq!(internet(&connected, 1234, "tcp"), None);
        let listening = line("00000000:0050", "00000000:0000", "0A");
        assert_eq!(internet(&listening, 12345, "tcp").as_deref(), Some("TCP 0.0.0.0:80, listening"));
        let datagram = line("0100007F:0035", "00000000:0000", "07");
        assert_eq!(internet(&datagram, 12345, "udp").as_deref(), Some("UDP 127.0.0.1:53"));
        let six =
            line("00000000000000000000000001000000:0050", "0000000000000000FFFF00000100007F:0051", "01");
        assert_eq!(internet(&six, 12345, "tcp6").as_deref(), Some("TCP [::1]:80 -> 127.0.0.1:81"));
    }

    #[test]
    fn sockets_of_the_machine() {
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/my app.sock";
        assert_eq!(unix(line, 12345).as_deref(), Some("unix socket /run/my app.sock"));
        assert_eq!(unix(line.trim_end_matches("/run/my app.sock"), 12345).as_deref(), Some("unix socket"));
        assert_eq!(unix(line, 1), None);
    }

    #[test]
    fn a_listening_socket_of_the_own_process_is_found() {
        use std::os::fd::AsRawFd;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = link.to_string_lossy().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let expected = format!("TCP {}, listening", listener.local_addr().unwrap());
        assert_eq!(describe(pid, inode), Some(expected));
        assert_eq!(describe(pid, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in ".*", address in "[0-9A-F:é]{0,40}") {
            let _ = (internet(&line, 0, "tcp"), unix(&line, 0), super::address(&address));
            let _ = internet(&format!("0: {address} {address} 01 0 0 0 0 0 7"), 7, "udp6");
        }
    }
}
