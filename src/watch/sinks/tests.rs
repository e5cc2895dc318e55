//! What the tests of the outlets share.

use crate::model::finding::Severity;
use crate::model::watch::{ChangeKind, TransitionLine};
use crate::render::test_report;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A transition like any other.
pub(crate) fn transition() -> TransitionLine {
    TransitionLine {
        seq: 7,
        at: "2026-01-02T03:04:10Z".to_owned(),
        host: Some("box".to_owned()),
        kind: ChangeKind::Raised,
        from: Severity::Ok,
        to: Severity::Critical,
        bottleneck: Some("memory-swap".to_owned()),
        previous_bottleneck: None,
        summary: "slow".to_owned(),
        verdict: test_report::busy().verdict,
    }
}

/// A server that gives each request the next of its answers.
pub(crate) struct Server {
    port: u16,
    bodies: Receiver<String>,
}

impl Server {
    pub(crate) fn start(answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, bodies) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                reader.get_mut().write_all(text.as_bytes()).unwrap();
                let _ = sender.send(String::from_utf8(body).unwrap());
            }
        });
        Self { port, bodies }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn bodies(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.bodies.recv_timeout(Duration::from_secs(30)).unwrap()).collect()
    }
}
