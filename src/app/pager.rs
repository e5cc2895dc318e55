//! A long answer on a terminal goes through the user's pager, as git and man do it.
//!
//! `$PAGER` where it is set, else `less`, which leaves at once what fits the screen (`LESS=FRX`, where the user has not
//! set it). No pager for a terminal that cannot move its cursor, nor where `$PAGER` is empty or `cat`. One that cannot
//! be started costs the user nothing: the text is printed. One that is left early has shown what was wanted.
#![allow(
    clippy::disallowed_methods,
    reason = "the pager is the one program that diag starts, and never to diagnose"
)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where `$PAGER` says nothing.
const DEFAULT: &str = "less";

/// How the usual pagers are to behave where the user has not said: leave what fits the screen, show colours, keep the
/// text on the screen.
const BEHAVIOUR: [(&str, &str); 2] = [("LESS", "FRX"), ("LV", "-c")];

/// What a shell says of a command that it cannot run or cannot find.
const NOT_STARTED: [i32; 2] = [126, 127];

/// The pager for this terminal, if there is to be one.
pub fn wanted() -> Option<OsString> {
    choose(env::var_os("PAGER"), env::var_os("TERM").as_deref())
}

fn choose(pager: Option<OsString>, terminal: Option<&OsStr>) -> Option<OsString> {
    if terminal.is_none_or(|name| name.is_empty() || name == "dumb") {
        return None;
    }
    let pager = pager.unwrap_or_else(|| DEFAULT.into());
    let name = pager.as_bytes().trim_ascii();
    (!name.is_empty() && name != b"cat").then_some(pager)
}

/// Shows `text` through `pager`; false where that could not be started and nothing was shown.
///
/// # Errors
///
/// When the pager takes no more of the text for another reason than its end.
pub fn show(pager: &OsStr, text: &[u8]) -> io::Result<bool> {
    // Ctrl-C is for the pager; a parent that dies of it would leave the terminal to two readers. A handler, since what
    // is ignored would be so in the pager as well.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    run(pager, text)
}

fn run(pager: &OsStr, text: &[u8]) -> io::Result<bool> {
    let mut command = command(pager);
    for (name, value) in BEHAVIOUR {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return Ok(false) };
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text));
    let status = child.wait()?;
    if not_started(status) {
        return Ok(false);
    }
    match written {
        // Left before its end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        written => written.map(|()| true),
    }
}

/// `$PAGER` is a command line: by a shell where it needs one, else directly.
fn command(pager: &OsStr) -> Command {
    const OF_A_SHELL: &[u8] = b"|&;<>()$`\\\"' \t\n*?[#~=%";
    if pager.as_bytes().iter().any(|byte| OF_A_SHELL.contains(byte)) {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(pager);
        return command;
    }
    Command::new(pager)
}

fn not_started(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| NOT_STARTED.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pager_is_the_users_choice() {
        let chosen = |pager: Option<&str>, terminal: Option<&str>| {
            choose(pager.map(OsString::from), terminal.map(OsStr::new))
                .map(|pager| pager.to_string_lossy().into_owned())
        };
        assert_eq!(chosen(None, Some("xterm")).as_deref(), Some("less"));
        assert_eq!(chosen(Some("most -s"), Some("xterm")).as_deref(), Some("most -s"));
        for none in ["", " ", "cat", " cat "] {
            assert_eq!(chosen(Some(none), Some("xterm")), None, "{none:?}");
        }
        for terminal in [None, Some(""), Some("dumb")] {
            assert_eq!(chosen(None, terminal), None);
            assert_eq!(chosen(Some("less"), terminal), None);
        }
    }

    #[test]
    fn a_pager_that_is_not_there_shows_nothing() {
        assert!(!run(OsStr::new("/nowhere/pager"), b"text").unwrap());
        assert!(!run(OsStr::new("/nowhere/pager --quietly 2>/dev/null"), b"text").unwrap());
        assert!(run(OsStr::new("true"), &[b'x'; 1 << 20]).unwrap(), "left early is no error");
        assert!(run(OsStr::new("cat >/dev/null"), &[b'x'; 1 << 20]).unwrap());
    }
}
