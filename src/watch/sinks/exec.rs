//! `--exec`: a command that is told of a transition. One at a time, with a time limit, in a process group of its own.
//!
//! It runs on a thread that was started before the run took its priority, so that the command has none of it.

use super::mailbox::{Mailbox, Taken};
use crate::model::watch::TransitionLine;
use crate::render::escape;
use crate::watch::{transition_json, warn};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, prlimit};
use std::io::{Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest that a command may take; house value.
const LIMIT: Duration = Duration::from_secs(30);

/// Between the request to end and the end.
const GRACE: Duration = Duration::from_secs(2);

/// Between two looks at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs `command` for each transition until the mailbox is closed.
pub(crate) fn serve(command: &str, mailbox: &Arc<Mailbox<TransitionLine>>) {
    // As they were before the run raised and lowered them for itself.
    let limits = [Resource::Nofile, Resource::Rttime].map(|resource| (resource, getrlimit(resource)));
    while let Taken::Letter(transition) = mailbox.take(None) {
        match run(command, &transition, LIMIT, &limits) {
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => warn(&format!("--exec: the command ended with {status}")),
            Ok(None) => {
                warn(&format!("--exec: the command was ended after {} seconds", LIMIT.as_secs()));
            }
            Err(error) => warn(&format!("--exec: cannot run the command: {error}")),
        }
    }
}

/// Runs it once; its status, or none where it had to be ended.
fn run(
    command: &str,
    transition: &TransitionLine,
    limit: Duration,
    limits: &[(Resource, Rlimit)],
) -> std::io::Result<Option<ExitStatus>> {
    let mut child = shell(command, transition)?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for (resource, limit) in limits {
        // The command does without where the rights do not suffice.
        let _ = prlimit(group, *resource, *limit);
    }
    if let Some(status) = wait(&mut child, limit)? {
        return Ok(Some(status));
    }
    for signal in [Signal::TERM, Signal::KILL] {
        // It may have ended meanwhile.
        let _ = group.map(|group| kill_process_group(group, signal));
        if wait(&mut child, GRACE)?.is_some() {
            break;
        }
    }
    // What is left in the group has had its time as well.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    Ok(None)
}

fn shell(command: &str, transition: &TransitionLine) -> std::io::Result<Child> {
    let text = |text: &str| escape::terminal(text).into_owned();
    let id = transition.bottleneck.as_deref().or(transition.previous_bottleneck.as_deref());
    // A file, so that a command that does not read it blocks nothing.
    let mut stdin = std::fs::File::from(rustix::fs::memfd_create("transition", MemfdFlags::CLOEXEC)?);
    stdin.write_all(transition_json(transition).map_err(std::io::Error::other)?.as_bytes())?;
    stdin.rewind()?;
    Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("DIAG_KIND", transition.kind.word())
        .env("DIAG_LEVEL", transition.to.word())
        .env("DIAG_FROM", transition.from.word())
        .env("DIAG_BOTTLENECK", text(id.unwrap_or("none")))
        .env("DIAG_HOST", text(transition.host.as_deref().unwrap_or("")))
        .env("DIAG_SUMMARY", text(&transition.summary))
        .env("DIAG_SEQ", transition.seq.to_string())
        .stdin(stdin)
        // Standard output has lines of JSON and nothing else.
        .stdout(Stdio::from(std::io::stderr()))
        .process_group(0)
        .spawn()
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::sinks::tests::transition;

    #[test]
    fn the_command_gets_the_transition_and_delays_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let command = format!(
            "cat >{0}; echo \"$DIAG_KIND $DIAG_LEVEL $DIAG_FROM $DIAG_BOTTLENECK $DIAG_SEQ\" >>{0}",
            file.display()
        );
        let status = run(&command, &transition(), LIMIT, &[]).unwrap().unwrap();
        assert!(status.success());
        let text = std::fs::read_to_string(&file).unwrap();
        let (json, words) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["kind"], "raised");
        assert_eq!(words, "raised critical ok memory-swap 7");
        assert!(!run("exit 3", &transition(), LIMIT, &[]).unwrap().unwrap().success());
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let command = format!("trap '' TERM; sleep 1000 & echo $! >{}; wait; sleep 1000", file.display());
        // A loaded machine may end it before it has started anything.
        let pid = (0..10).find_map(|attempt| {
            let limit = Duration::from_millis(300 << attempt);
            assert_eq!(run(&command, &transition(), limit, &[]).unwrap(), None);
            std::fs::read_to_string(&file).ok().filter(|pid| pid.ends_with('\n'))
        });
        let stat = format!("/proc/{}/stat", pid.unwrap().trim());
        // A killed process is gone, or a zombie, once it gets a CPU again.
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z") || stat.contains(") X") {
                break;
            }
            assert!(Instant::now() < end, "still there: {stat}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
