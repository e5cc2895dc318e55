//! `diag record`: a live run that keeps the raw bytes it was made from.

use super::answer;
use super::live::{Machine, outputs};
use super::{configuration, output};
use crate::capture::{CaptureWriter, Meta};
use crate::cli::Record;
use crate::collect::kernel::host;
use crate::collect::root::Root;
use crate::files::write_atomically;
use crate::model::units::human_bytes;
use crate::redact::{Redactor, Style};
use crate::render::escape;
use anyhow::{Result, bail};
use std::io::Write as _;
use std::path::Path;

/// Diagnoses this machine and writes the capture; the exit code.
pub(super) fn run(record: &Record) -> Result<u8> {
    let Record { live, file, force, without_command_lines } = record;
    let config = configuration(live.answer.read_config)?;
    output::refuse_unwritable([file.as_path()].into_iter().chain(outputs(&live.answer)))?;
    refuse_overwriting(file, *force)?;
    let machine = Machine::open(&live.window, &live.answer)?;
    let writer = writer(&machine.root, live.answer.redact, *without_command_lines);
    // A tuning report may be made from the capture later.
    let observed = machine.observe(&live.window, true, &config, Some(writer))?;
    let recording = &observed.recording;
    let about = Meta {
        host: recording.host.clone(),
        started_at: recording.started_at,
        ended_at: recording.ended_at,
        note: None,
        interrupted: recording.interrupted,
        target: machine.asked.clone(),
    };
    let capture = machine.root.finish_recording::<CaptureWriter>();
    let outcome = answer::diagnose(&live.answer, observed, &config, answer::is_page(&live.answer))?;
    if let Some(capture) = capture {
        let bytes = capture.finish(about, outcome.samples.as_ref())?;
        refuse_overwriting(file, *force)?;
        write_atomically(file, &bytes)?;
        say_written(file, bytes.len(), outcome.report.window.seconds);
    }
    answer::write(&live.answer, outcome)
}

/// An old capture may be all that is left of an incident.
fn refuse_overwriting(file: &Path, force: bool) -> Result<()> {
    if !force && file.symlink_metadata().is_ok() {
        bail!("{} exists already; choose another name, or add --force to overwrite it", file.display());
    }
    Ok(())
}

fn say_written(file: &Path, bytes: usize, seconds: f64) {
    let shown = file.display().to_string();
    let size = human_bytes(bytes as f64);
    let line = format!("wrote {shown}: {size}, one window of {seconds:.1} s; diagnose it with: diag replay ");
    // The capture is written whether or not this can be said.
    let _ =
        writeln!(std::io::stderr(), "diag: {}{}", escape::terminal(&line), escape::terminal(&quoted(&shown)));
}

/// The name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// Packs what is read through `root` from now on.
pub(super) fn writer(root: &Root, redact: bool, without_command_lines: bool) -> CaptureWriter {
    let mut writer = CaptureWriter::new(!without_command_lines && !redact);
    if redact {
        writer.redact(Redactor::of_host(Style::Raw, &host::gather(root)));
    }
    writer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_name_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("slow.diag"), "slow.diag");
        assert_eq!(quoted("/tmp/a b.diag"), "'/tmp/a b.diag'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
