//! Everybody who is told: standard output, the command, the servers, the directory of captures. One thread each.

mod captures;
mod exec;
mod http;
mod mailbox;
mod stdout;
#[cfg(test)]
mod tests;
mod webhook;

use crate::capture::{CaptureWriter, Meta};
use crate::cli::WatchArgs;
use crate::model::finding::Severity;
use crate::model::watch::{Alarm, Line, Resource, TransitionLine};
use crate::render::json;
use crate::watch::alerts::{Alerts, Firing};
use anyhow::{Context as _, Result};
use captures::Kept;
use mailbox::Mailbox;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdout::Stdout;

/// How long the last news may take to arrive.
const GRACE: Duration = Duration::from_secs(3);

/// Everybody who is told.
pub(crate) struct Outlets {
    stdout: Stdout,
    /// Whether somebody is told besides standard output.
    others: bool,
    exec: Option<Arc<Mailbox<TransitionLine>>>,
    webhook: Option<Arc<Mailbox<TransitionLine>>>,
    alertmanager: Option<Arc<Mailbox<Option<Firing>>>>,
    captures: Option<(PathBuf, Arc<Mailbox<Kept>>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Outlets {
    /// Starts a thread for each that is asked for; `alarm` is what an earlier run left.
    pub(crate) fn start(
        arguments: &WatchArgs,
        interval: Duration,
        host: Option<String>,
        alarm: &Alarm,
    ) -> Result<Self> {
        let mut outlets = Self {
            stdout: Stdout::start().context("cannot start a thread")?,
            // The usual state file is nobody's wish: `diag watch | head -1` is to end.
            others: arguments.state.is_some()
                || arguments.exec.is_some()
                || arguments.webhook.is_some()
                || arguments.alertmanager.is_some()
                || arguments.trigger_dir.is_some(),
            exec: None,
            webhook: None,
            alertmanager: None,
            captures: None,
            threads: Vec::new(),
        };
        if let Some(command) = arguments.exec.clone() {
            let mailbox = Arc::new(Mailbox::new());
            outlets.exec = Some(Arc::clone(&mailbox));
            outlets.thread("diag-exec", move || exec::serve(&command, &mailbox))?;
        }
        if let Some(url) = arguments.webhook.clone() {
            let mailbox = Arc::new(Mailbox::new());
            outlets.webhook = Some(Arc::clone(&mailbox));
            outlets.thread("diag-webhook", move || webhook::serve_webhook(url, &mailbox))?;
        }
        if let Some(url) = arguments.alertmanager.clone() {
            let mailbox = Arc::new(Mailbox::new());
            outlets.alertmanager = Some(Arc::clone(&mailbox));
            let instance = arguments.instance.clone().or(host).unwrap_or_else(|| "unknown".to_owned());
            let mut alerts = Alerts::new(instance, interval.as_secs_f64());
            if let Alarm { level, bottleneck: Some(bottleneck), since: Some(since) } = alarm.clone()
                && level > Severity::Ok
            {
                alerts.resume(bottleneck, since);
            }
            outlets.thread("diag-alerts", move || webhook::serve_alertmanager(&url, alerts, &mailbox))?;
        }
        if let Some(folder) = &arguments.trigger_dir {
            captures::prepare(folder)?;
            let mailbox = Arc::new(Mailbox::new());
            outlets.captures = Some((folder.clone(), Arc::clone(&mailbox)));
            let (folder, keep) = (folder.clone(), arguments.trigger_keep);
            outlets.thread("diag-captures", move || captures::serve(&folder, keep, &mailbox))?;
        }
        Ok(outlets)
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10);
        self.threads.push(builder.spawn(work).context("cannot start a thread")?);
        Ok(())
    }

    /// Prints a line.
    pub(crate) fn print(&self, line: &Line) -> Result<()> {
        self.stdout.send(json::line(line)?);
        Ok(())
    }

    /// Whether nobody is left to be told.
    pub(crate) fn nobody_listens(&self) -> bool {
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
        // None where the disk has not even taken the last one.
        mailbox.offer(Kept { file: file.clone(), writer, about }).then_some(file)
    }

    /// Delivers what is on its way, and waits no longer than a little.
    pub(crate) fn finish(&mut self) {
        self.exec.iter().chain(&self.webhook).for_each(|mailbox| mailbox.close());
        self.alertmanager.iter().for_each(|mailbox| mailbox.close());
        self.captures.iter().for_each(|(_, mailbox)| mailbox.close());
        let until = Instant::now() + GRACE;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stdout.finish();
    }
}
