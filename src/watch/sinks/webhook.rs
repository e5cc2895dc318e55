//! `--webhook` and `--alertmanager`: posting JSON over plain HTTP, with deadlines, again and again until it arrives or is
//! out of date. Each has a thread of its own: a server that hangs delays nothing but its own news.

use super::http;
use super::mailbox::{Mailbox, Taken};
use crate::collect::clocks;
use crate::model::watch::TransitionLine;
use crate::render::json;
use crate::watch::alerts::{Alerts, Firing};
use crate::watch::{transition_json, warn};
use std::sync::Arc;
use std::time::Duration;

/// Longest that one request may take, once the name is looked up.
const DEADLINE: Duration = Duration::from_secs(10);

/// First and longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why a request did not do what it should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// Whether the same request may do it later.
    pub(crate) again: bool,
}

/// Posts to one server, and says once when it stops working and once when it works again.
pub(crate) struct Client {
    url: String,
    failing: bool,
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        Self { url, failing: false }
    }

    /// Posts `body` once.
    pub(crate) fn post(&mut self, body: &str) -> Result<(), Failure> {
        let outcome = match http::post(&self.url, body, DEADLINE) {
            Ok(200..=299) => Ok(()),
            // What the server does not understand today it will not tomorrow, except when it says so.
            Ok(status) => Err(Failure {
                why: format!("it answers {status}"),
                again: status >= 500 || status == 408 || status == 429,
            }),
            Err(error) => Err(Failure { why: error.to_string(), again: true }),
        };
        self.say(&outcome);
        outcome
    }

    fn say(&mut self, outcome: &Result<(), Failure>) {
        match outcome {
            Err(failure) if !self.failing => {
                let next = if failure.again { "; trying again" } else { "" };
                warn(&format!("cannot post to {}: {}{next}", self.url, failure.why));
            }
            Ok(()) if self.failing => warn(&format!("{} takes posts again", self.url)),
            _ => {}
        }
        self.failing = outcome.is_err();
    }
}

/// The pause after a failure that followed one of `pause`.
fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).clamp(BACKOFF.0, BACKOFF.1)
}

/// Posts each transition until it arrives or a later one takes its place.
pub(crate) fn serve_webhook(url: String, mailbox: &Arc<Mailbox<TransitionLine>>) {
    let mut client = Client::new(url);
    let mut pause = Duration::ZERO;
    let mut open: Option<TransitionLine> = None;
    loop {
        match mailbox.take(open.is_some().then_some(pause)) {
            Taken::Letter(transition) => open = Some(transition),
            Taken::Nothing => {}
            // What did not arrive until now was tried at least once.
            Taken::Closed => return,
        }
        let Some(Ok(body)) = open.as_ref().map(transition_json) else { continue };
        match client.post(&body) {
            Err(Failure { again: true, .. }) => pause = longer(pause),
            _ => (open, pause) = (None, Duration::ZERO),
        }
    }
}

/// Keeps Alertmanager at what the latest window says.
pub(crate) fn serve_alertmanager(url: &str, mut alerts: Alerts, mailbox: &Arc<Mailbox<Option<Firing>>>) {
    let mut client = Client::new(format!("{url}/api/v2/alerts"));
    let mut pause = Duration::ZERO;
    let mut not_before = Duration::ZERO;
    // Each window sends the alarm anew, so nothing is refreshed that no window has confirmed.
    let mut latest: Option<Option<Firing>> = None;
    let mut closing = false;
    while !closing {
        let left = not_before.saturating_sub(clocks::monotonic());
        let wait = latest.is_some() && !pause.is_zero();
        match mailbox.take(wait.then_some(left.max(Duration::from_millis(50)))) {
            Taken::Letter(firing) => latest = Some(firing),
            Taken::Nothing => {}
            Taken::Closed => closing = true,
        }
        let now = clocks::monotonic();
        let Some(firing) = latest.as_ref().map(Option::as_ref) else { continue };
        if !alerts.due(firing, now.as_secs_f64()) {
            // The change that could not be delivered is over: nothing is left to retry.
            pause = Duration::ZERO;
            continue;
        }
        if now < not_before && !closing {
            continue;
        }
        let Ok(body) = json::line(&alerts.request(firing, clocks::wall())) else { continue };
        match client.post(&body) {
            Ok(()) => {
                alerts.delivered(firing, now.as_secs_f64());
                (pause, not_before) = (Duration::ZERO, Duration::ZERO);
            }
            Err(_) => {
                pause = longer(pause);
                not_before = clocks::monotonic().saturating_add(pause);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Severity;
    use crate::watch::sinks::tests::{Server, transition};

    #[test]
    fn what_a_server_says_is_understood() {
        for (status, expected) in [
            ("200 OK", Ok(())),
            ("204 No Content", Ok(())),
            ("400 Bad Request", Err(false)),
            ("429 Too Many Requests", Err(true)),
            ("503 Service Unavailable", Err(true)),
            ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", Err(false)),
        ] {
            let server = Server::start(vec![status]);
            let outcome = Client::new(server.url()).post("{}").map_err(|failure| failure.again);
            assert_eq!(outcome, expected, "{status}");
        }
        let mut client = Client::new("http://127.0.0.1:1".to_owned());
        assert!(client.post("{}").unwrap_err().again);
    }

    #[test]
    fn a_webhook_is_tried_until_it_takes_it() {
        let server = Server::start(vec!["503 Service Unavailable", "200 OK"]);
        let mailbox = Arc::new(Mailbox::new());
        let thread = std::thread::spawn({
            let (url, mailbox) = (server.url(), Arc::clone(&mailbox));
            move || serve_webhook(url, &mailbox)
        });
        mailbox.put(transition());
        let bodies = server.bodies(2);
        mailbox.close();
        thread.join().unwrap();
        assert_eq!(bodies[0], bodies[1]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&bodies[0]).unwrap()["to"], "critical");
    }

    #[test]
    fn an_alert_fires_and_is_resolved() {
        let server = Server::start(vec!["200 OK", "200 OK"]);
        let mailbox = Arc::new(Mailbox::new());
        let thread = std::thread::spawn({
            let (url, mailbox) = (server.url(), Arc::clone(&mailbox));
            move || serve_alertmanager(&url, Alerts::new("box".to_owned(), 10.0), &mailbox)
        });
        let firing = Firing {
            bottleneck: "cpu-user".to_owned(),
            level: Severity::Warning,
            since: "2026-01-02T03:04:05Z".to_owned(),
            summary: "\u{1b}[31m".to_owned(),
            culprit: None,
        };
        mailbox.put(Some(firing));
        let first = server.bodies(1).remove(0);
        mailbox.put(None);
        let second = server.bodies(1).remove(0);
        mailbox.close();
        thread.join().unwrap();
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&first)[0]["labels"], read(&second)[0]["labels"]);
        assert!(!first.contains('\u{1b}') && first.contains("x1b"), "{first}");
    }
}
