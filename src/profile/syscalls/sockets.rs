//! What a socket is connected to, by its inode: `/proc/PID/net/{tcp,tcp6,udp,udp6,unix}`, proc_pid_net(5).

use crate::model::task::Pid;
use crate::socket_tables::{LISTEN, Row, UnixRow};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Of a table with more, the rest is not read: 16 MiB are some hundred thousand sockets.
const TABLE_BYTES: u64 = 16 << 20;

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

fn internet(line: &str, inode: u64, table: &str) -> Option<String> {
    let row = Row::parse(line).filter(|row| row.inode == inode)?;
    let protocol = if table.starts_with("tcp") { "TCP" } else { "UDP" };
    let (local, peer) = (row.local()?, row.peer()?);
    Some(match row.state {
        LISTEN if protocol == "TCP" => format!("{protocol} {local}, listening"),
        _ if peer.port() == 0 && peer.ip().is_unspecified() => format!("{protocol} {local}"),
        _ => format!("{protocol} {local} -> {peer}"),
    })
}

fn unix(line: &str, inode: u64) -> Option<String> {
    let row = UnixRow::parse(line).filter(|row| row.inode == inode)?;
    Some(row.path.map_or_else(|| "unix socket".to_owned(), |path| format!("unix socket {path}")))
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
            let _ = (internet(&line, 0, "tcp"), unix(&line, 0));
            let _ = internet(&format!("0: {address} {address} 01 0 0 0 0 0 7"), 7, "udp6");
        }
    }
}
