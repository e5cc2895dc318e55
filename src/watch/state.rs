//! The state file of `diag watch`: where it is, how it is written and read.

use super::warn;
use crate::collect::clocks;
use crate::files::write_readable;
use crate::model::report::{Report, SCHEMA_VERSION};
use crate::model::watch::{State, WATCH_VERSION};
use crate::render::json;
use crate::watch::status::{Now, holds};
use anyhow::{Context as _, Result, anyhow, bail};
use rustix::fs::FlockOperation;
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Now, by a clock that cannot be set.
pub(crate) fn now() -> Now {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    Now {
        boottime_seconds: clocks::boottime().as_secs_f64(),
        boot_id: boot_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()),
        at: clocks::wall().to_string(),
    }
}

/// State file of root, in a file system that is empty after a boot.
const OF_ROOT: &str = "/run/diag/state.json";

/// A file that is longer was not written by diag.
const BYTES_MAX: u64 = 16 << 20;

/// The file that a run is to write, `asked` or else the usual one, and the claim to it; none where there is no place for
/// one, or where another run has the usual one.
pub(crate) fn to_write(asked: Option<&Path>) -> Result<Option<(PathBuf, File)>> {
    let Some(file) = asked.map(Path::to_owned).or_else(usual) else { return Ok(None) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if asked.is_none() && !folder.exists() {
        // The default directory may not exist yet; one that was named must exist.
        make(folder)
            .with_context(|| format!("cannot make {}; name a file with --state", folder.display()))?;
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).with_context(|| {
        format!("cannot write {}; choose a directory that exists and is yours", file.display())
    })?;
    let claimed =
        claim(&file).with_context(|| format!("cannot lock {}; name another with --state", file.display()))?;
    match (claimed, asked) {
        (Some(claim), _) => Ok(Some((file, claim))),
        (None, Some(_)) => {
            bail!("another diag watch uses {}; name another file with --state", file.display())
        }
        (None, None) => {
            warn(&format!("another diag watch uses {}: this one keeps no state", file.display()));
            Ok(None)
        }
    }
}

/// Open to those who ask, whatever the umask of the administrator's shell.
fn make(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

/// Sees to it that no other run writes `file`: their alarms and their ages would take turns in it. It lasts as long as
/// what is given back; none where another run has it.
///
/// The lock is on a file of its own, which only its owner may open: anybody may read the state file, and who may read a
/// file may lock it.
fn claim(file: &Path) -> std::io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let lock = options.open(file.with_file_name(format!(".{name}.lock")))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
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
pub(crate) fn write(file: &Path, state: &State) -> Result<()> {
    write_readable(file, json::line(state)?.as_bytes()).map_err(|error| anyhow!(error))
}

/// The state in `asked`, else in the usual places, of which the first goes that still holds; or why there is none, as a
/// sentence.
pub(crate) fn read(asked: Option<&Path>, now: &Now) -> Result<State, String> {
    let places: Vec<PathBuf> = match asked {
        Some(file) => vec![file.to_owned()],
        None if rustix::process::geteuid().is_root() => vec![PathBuf::from(OF_ROOT)],
        None => of_user().into_iter().chain([PathBuf::from(OF_ROOT)]).collect(),
    };
    let (states, failures): (Vec<_>, Vec<_>) = places.iter().map(|file| one(file)).partition(Result::is_ok);
    let mut states: Vec<State> = states.into_iter().flatten().collect();
    // What a run by hand has left must not hide what the service says.
    match states.iter().position(|state| holds(state, now)) {
        Some(at) => Ok(states.swap_remove(at)),
        None if !states.is_empty() => Ok(states.swap_remove(0)),
        None => Err(failures.into_iter().filter_map(Result::err).next_back().unwrap_or_default()),
    }
}

fn one(file: &Path) -> Result<State, String> {
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

#[derive(Deserialize)]
struct Versions {
    state_version: u32,
    report: ReportVersion,
}

#[derive(Deserialize)]
struct ReportVersion {
    schema_version: u32,
}

fn parse(text: &[u8]) -> Result<State, String> {
    // First the version: another one may have other fields.
    let of: Versions = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if of.state_version != WATCH_VERSION || of.report.schema_version != SCHEMA_VERSION {
        let (state, report) = (of.state_version, of.report.schema_version);
        return Err(format!("it is of version {state}, with a report of version {report}"));
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// `report` as others may read it.
pub(crate) fn without_command_lines(mut report: Report) -> Report {
    for row in &mut report.processes {
        row.cmdline = None;
    }
    if let Some(culprit) = &mut report.verdict.culprit {
        culprit.cmdline = None;
    }
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

    fn now() -> Now {
        Now { boottime_seconds: 2.0, boot_id: None, at: "2026-01-02T03:04:20Z".to_owned() }
    }

    #[test]
    fn a_file_is_written_by_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let first = claim(&file).unwrap();
        assert!(first.is_some() && claim(&file).unwrap().is_none());
        assert!(claim(&folder.path().join("other.json")).unwrap().is_some());
        drop(first);
        assert!(claim(&file).unwrap().is_some());
        let lock = folder.path().join(".state.json.lock");
        std::fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &lock).unwrap();
        assert!(claim(&file).is_err() && !folder.path().join("elsewhere").exists());
    }

    #[test]
    fn what_is_written_reads_back_and_others_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        write(&file, &state()).unwrap();
        write(&file, &state()).unwrap();
        assert_eq!(read(Some(&file), &now()).unwrap(), state());
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
        let newer = "{\"state_version\":2,\"report\":{\"schema_version\":7},\"else\":0}";
        assert!(parse(newer.as_bytes()).unwrap_err().contains("version 2"));
        let deep = format!("{{\"report\":{}", "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
        for text in ["", "{}", "[]", "null", "{\"state_version\":1}", "\u{0}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let why = read(Some(Path::new("/nowhere/state.json")), &now()).unwrap_err();
        assert!(why.contains("/nowhere/state.json"), "{why}");
    }
}
