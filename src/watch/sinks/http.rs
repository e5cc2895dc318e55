//! One POST over plain HTTP/1.1 (RFC 9112), a connection each, with a deadline on all of it but the look-up of the name.
//!
//! Hand-written: the smallest client available made the program a tenth larger, and of an answer only the
//! status matters here.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// A status line is not longer.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The parts of `http://host:port/path`.
#[derive(Debug, PartialEq, Eq)]
struct Address<'a> {
    /// Host and port as they were written.
    authority: &'a str,
    host: &'a str,
    port: u16,
    path: String,
}

/// Posts `body` to `url`; the status of the answer.
///
/// # Errors
///
/// Where no answer came within `deadline`, or none that is HTTP.
pub(crate) fn post(url: &str, body: &str, deadline: Duration) -> io::Result<u16> {
    let address = parse(url).ok_or_else(|| io::Error::other("not an http:// address"))?;
    let until = Instant::now() + deadline;
    let mut stream = connect(&address, until)?;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: diag/{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        address.path,
        address.authority,
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    let mut rest = request.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        let written = stream.write(rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    status(&mut stream, until)
}

fn connect(address: &Address<'_>, until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (address.host, address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The final status; those of 1xx are not.
fn status(stream: &mut TcpStream, until: Instant) -> io::Result<u16> {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    loop {
        if let Some(status) = final_status(&answer)? {
            return Ok(status);
        }
        if answer.len() > LINE_BYTES_MAX {
            return Err(not_http());
        }
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What a socket says of a time that is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(timed_out()),
            Err(error) => return Err(error),
        }
    }
}

/// The status in what has come so far; none while its line is not whole.
fn final_status(mut answer: &[u8]) -> io::Result<Option<u16>> {
    loop {
        let Some(end) = answer.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = str::from_utf8(answer.get(..end).unwrap_or_default()).map_err(|_| not_http())?;
        let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).filter(|_| line.len() >= 12);
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code: u16 = code.and_then(|code| code.parse().ok()).ok_or_else(not_http)?;
        if !(100..200).contains(&code) {
            return Ok(Some(code));
        }
        let Some(next) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        answer = answer.get(next + 4..).unwrap_or_default();
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left) }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn not_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its answer is not HTTP/1.1")
}

fn parse(url: &str) -> Option<Address<'_>> {
    let scheme = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"))?;
    let rest = url.get(scheme.len()..)?.split('#').next()?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // A name and password would have to be sent as a header of their own.
    if authority.contains('@') || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, port)) => (host, port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port {
        "" | ":" => 80,
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (!host.is_empty()).then_some(Address { authority, host, port, path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::sinks::tests::Server;
    use proptest::prelude::*;
    use std::net::TcpListener;

    #[test]
    fn addresses_are_taken_apart() {
        let parts = |url| parse(url).map(|a| (a.host.to_owned(), a.port, a.path));
        let some = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(parts("http://h:9093/api/v2"), some("h", 9093, "/api/v2"));
        assert_eq!(parts("HTTP://h"), some("h", 80, "/"));
        assert_eq!(parts("http://h?a=1#b"), some("h", 80, "/?a=1"));
        assert_eq!(parts("http://[::1]:8/x"), some("::1", 8, "/x"));
        for url in
            ["", "http://", "https://h", "http://u:p@h", "http://h:x", "http://h:99999", "http://a\r\nb"]
        {
            assert_eq!(parse(url), None, "{url}");
        }
    }

    #[test]
    fn answers_are_understood_or_refused() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Some(Some(200))),
            (b"HTTP/1.0 503\r\n", Some(Some(503))),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n", Some(Some(204))),
            (b"HTTP/1.1 100 Continue\r\n", Some(None)),
            (b"HTTP/1.1 20", Some(None)),
            (b"SSH-2.0-OpenSSH\r\n", None),
            (b"HTTP/1.1 2x0 OK\r\n", None),
            (b"HTTP/1.1 +20 OK\r\n", None),
            (b"\xff\xfe\n", None),
        ] {
            assert_eq!(final_status(answer).ok(), expected, "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let began = Instant::now();
        let error = post(&url, "{}", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(20));
        let server = Server::start(vec!["200 OK"]);
        assert_eq!(post(&server.url(), "é", Duration::from_secs(30)).unwrap(), 200);
        assert_eq!(server.bodies(1), ["é"]);
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_back_panics(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = final_status(&answer);
            let _ = final_status(&[b"HTTP/1.1 1", answer.as_slice()].concat());
        }

        #[test]
        fn no_address_panics(url in "(http://)?.{0,40}") {
            let _ = parse(&url);
        }
    }
}
