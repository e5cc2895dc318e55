//! Where verdicts go: standard output, a command, servers, a directory of captures. One thread each.

mod captures;
mod exec;
mod http;
mod mailbox;
mod stdout;
#[cfg(test)]
mod tests;
mod webhook;

use crate::capture::{CaptureWriter, Meta};
use crate::cli::Watch;
use crate::model::finding::Severity;
use crate::model::watch::{Alarm, Line, Resource, TransitionLine};
use crate::watch::alerts::{Alerts, Firing};
use anyhow::{Context as _, Result};
use captures::Kept;
use mailbox::Mailbox;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdout::Stdout;

/// How long the last deliveries may take.
const GRACE: Duration = Duration::from_secs(3);

/// All sinks of a run.
pub(crate) struct Sinks<'a> {
    stdout: Stdout,
    /// Renders a line for standard output.
    render: &'a dyn Fn(&Line) -> Result<String>,
    /// Whether there is a sink besides standard output.
    others: bool,
    exec: Option<Arc<Mailbox<TransitionLine>>>,
    webhook: Option<Arc<Mailbox<TransitionLine>>>,
    alertmanager: Option<Arc<Mailbox<Option<Firing>>>>,
    captures: Option<(PathBuf, Arc<Mailbox<Kept>>)>,
    threads: Vec<JoinHandle<()>>,
}

impl<'a> Sinks<'a> {
    /// Starts a thread for each sink that is asked for; `alarm` is the one that an earlier run left.
    pub(crate) fn start(
        request: &Watch,
        render: &'a dyn Fn(&Line) -> Result<String>,
        host: Option<String>,
        alarm: &Alarm,
    ) -> Result<Self> {
        let mut sinks = Self {
            stdout: Stdout::start().context("cannot start a thread")?,
            render,
            // The default state file does not count: `diag watch | head -1` must end.
            others: request.state.is_some()
                || request.exec.is_some()
                || request.webhook.is_some()
                || request.alertmanager.is_some()
                || request.trigger_dir.is_some(),
            exec: None,
            webhook: None,
            alertmanager: None,
            captures: None,
            threads: Vec::new(),
        };
        if let Some(command) = request.exec.clone() {
            let mailbox = Arc::new(Mailbox::new());
            sinks.exec = Some(Arc::clone(&mailbox));
            sinks.thread("diag-exec", move || exec::serve(&command, &mailbox))?;
        }
        if let Some(url) = request.webhook.clone() {
            let mailbox = Arc::new(Mailbox::new());
            sinks.webhook = Some(Arc::clone(&mailbox));
            sinks.thread("diag-webhook", move || webhook::serve_webhook(url, &mailbox))?;
        }
        if let Some(url) = request.alertmanager.clone() {
            let mailbox = Arc::new(Mailbox::new());
            sinks.alertmanager = Some(Arc::clone(&mailbox));
            let alerts = alerts(request, host, alarm);
            sinks.thread("diag-alerts", move || webhook::serve_alertmanager(&url, alerts, &mailbox))?;
        }
        if let Some(folder) = request.trigger_dir.clone() {
            captures::prepare(&folder)?;
            let mailbox = Arc::new(Mailbox::new());
            sinks.captures = Some((folder.clone(), Arc::clone(&mailbox)));
            let keep = request.trigger_keep;
            sinks.thread("diag-captures", move || captures::serve(&folder, keep, &mailbox))?;
        }
        Ok(sinks)
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10);
        self.threads.push(builder.spawn(work).context("cannot start a thread")?);
        Ok(())
    }

    /// Prints a line.
    pub(crate) fn print(&self, line: &Line) -> Result<()> {
        self.stdout.send((self.render)(line)?);
        Ok(())
    }

    /// Whether no sink is left.
    pub(crate) fn are_gone(&self) -> bool {
        !self.others && self.stdout.is_closed()
    }

    /// The alarm changed.
    pub(crate) fn transition(&self, line: TransitionLine) {
        if let Some(webhook) = &self.webhook {
            webhook.put(line.clone());
        }
        if let Some(exec) = &self.exec {
            exec.put(line);
        }
    }

    /// The alarm stands as it is, or there is none.
    pub(crate) fn alarm(&self, firing: Option<Firing>) {
        if let Some(alertmanager) = &self.alertmanager {
            alertmanager.put(firing);
        }
    }

    /// Hands a capture over; where it will be, or none.
    pub(crate) fn keep(&self, resource: Resource, writer: CaptureWriter, about: Meta) -> Option<PathBuf> {
        let (folder, mailbox) = self.captures.as_ref()?;
        let file = folder.join(captures::name(about.started_at, resource));
        // `None` while the disk has not taken the last one.
        mailbox.offer(Kept { file: file.clone(), writer, about }).then_some(file)
    }

    /// Delivers what is pending, for at most [`GRACE`].
    pub(crate) fn finish(&mut self) {
        for mailbox in self.exec.iter().chain(&self.webhook) {
            mailbox.close();
        }
        if let Some(mailbox) = &self.alertmanager {
            mailbox.close();
        }
        if let Some((_, mailbox)) = &self.captures {
            mailbox.close();
        }
        let until = Instant::now() + GRACE;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stdout.finish();
    }
}

/// The alerts of this run, with the one that an earlier run left.
fn alerts(request: &Watch, host: Option<String>, alarm: &Alarm) -> Alerts {
    let instance = request.instance.clone().or(host).unwrap_or_else(|| "unknown".to_owned());
    let mut alerts = Alerts::new(instance, request.interval.as_secs_f64());
    if let Alarm { level, bottleneck: Some(bottleneck), since: Some(since) } = alarm.clone()
        && level > Severity::Ok
    {
        alerts.resume(bottleneck, since);
    }
    alerts
}
