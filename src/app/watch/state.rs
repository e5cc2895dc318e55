//! The state file of `diag watch`: where it is, how it is written and read.

use crate::collect::capture::write_readable;
use crate::model::report::Report;
use crate::model::watch::{State, WATCH_VERSION};
use crate::render::json;
use anyhow::{Context as _, Result, anyhow};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where root keeps it; a file system in memory that a boot empties.
const OF_ROOT: &str = "/run/diag/state.json";

/// A file that is longer was not written by diag.
const BYTES_MAX: u64 = 16 << 20;

/// The file that a run is to write: `asked`, else the usual one; none where there is no place for one.
pub(super) fn to_write(asked: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(file) = asked.map(Path::to_owned).or_else(usual) else { return Ok(None) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if asked.is_none() {
        // The usual place may not be there yet; one that somebody names is a slip when it is not.
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}; name a file with --state", folder.display()))?;
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).with_context(|| {
        format!("cannot write {}; choose a directory that exists and is yours", file.display())
    })?;
    Ok(Some(file))
}

fn usual() -> Option<PathBuf> {
    // What systemd has made for a service.
    let given = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    if let Some(folder) = given.filter(|folder| folder.is_absolute()) {
        return Some(folder.join("state.json"));
    }
    if rustix::process::geteuid().is_root() { Some(PathBuf::from(OF_ROOT)) } else { of_user() }
}

fn of_user() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    folder.is_absolute().then(|| folder.join("diag/state.json"))
}

/// Writes `state`, readable by all: pollers run as other users.
pub(super) fn write(file: &Path, state: &State) -> Result<()> {
    write_readable(file, json::line(state)?.as_bytes()).map_err(|error| anyhow!(error))
}

/// The state in `asked`, else in the usual places; or why there is none, as a sentence.
pub(in crate::app) fn read(asked: Option<&Path>) -> Result<State, String> {
    let places: Vec<PathBuf> = match asked {
        Some(file) => vec![file.to_owned()],
        None if rustix::process::geteuid().is_root() => vec![PathBuf::from(OF_ROOT)],
        None => of_user().into_iter().chain([PathBuf::from(OF_ROOT)]).collect(),
    };
    let file = places.iter().find(|file| file.exists()).or(places.last());
    let Some(file) = file else { return Err("There is no state file.".to_owned()) };
    let text = bounded(file).map_err(|error| format!("No verdict is kept: {}: {error}.", file.display()))?;
    parse(&text).map_err(|error| format!("{} is no state file of this version: {error}.", file.display()))
}

fn bounded(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A FIFO would keep a poller waiting.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let open = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    let mut text = Vec::new();
    open.take(BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn parse(text: &[u8]) -> Result<State, String> {
    let state: State = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if state.state_version != WATCH_VERSION {
        return Err(format!("it is of version {}", state.state_version));
    }
    Ok(state)
}

/// `report` as others may read it.
pub(super) fn without_command_lines(mut report: Report) -> Report {
    report.processes.iter_mut().for_each(|row| row.cmdline = None);
    report.verdict.culprit.iter_mut().for_each(|culprit| culprit.cmdline = None);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::watch::Alarm;
    use crate::render::test_report;

    fn state() -> State {
        State {
            state_version: WATCH_VERSION,
            seq: 1,
            interval_seconds: 10.0,
            boot_id: None,
            ended_boottime_seconds: 1.5,
            holds_boottime_seconds: 1.5,
            alarm: Alarm::none(),
            report: without_command_lines(test_report::busy()),
        }
    }

    #[test]
    fn what_is_written_reads_back_and_others_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        write(&file, &state()).unwrap();
        write(&file, &state()).unwrap();
        assert_eq!(read(Some(&file)).unwrap(), state());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(!std::fs::read_to_string(&file).unwrap().contains("\"cmdline\":\""));
    }

    #[test]
    fn other_text_is_no_state_and_no_panic() {
        let text = json::line(&state()).unwrap();
        for end in (0..text.len() - 2).step_by(97) {
            assert!(parse(&text.as_bytes()[..end]).is_err());
        }
        assert!(parse(text.replace("\"state_version\":1", "\"state_version\":2").as_bytes()).is_err());
        for text in ["", "{}", "[]", "null", "{\"state_version\":1}", "\u{0}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let why = read(Some(Path::new("/nowhere/state.json"))).unwrap_err();
        assert!(why.contains("/nowhere/state.json"), "{why}");
    }
}
