//! The configuration files: where they are, how they are read, and one to start from.
//!
//! [`crate::diagnose::thresholds::file`] parses them. A missing file is fine; an invalid one is an error before the run
//! starts, because a monitor with limits other than those its owner wrote down is worse than none.
#![allow(clippy::disallowed_methods, reason = "the edge of the program reads the user's files")]

use crate::deadline::{self, Missed};
use crate::diagnose::thresholds::{ALL, SETTINGS, Thresholds};
use crate::model::finding::NotChecked;
use crate::model::units::Unit;
use anyhow::{Result, anyhow, bail};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file for the whole machine.
pub const SYSTEM_FILE: &str = "/etc/diag/config.toml";

/// No list of limits is as long.
const MOST_BYTES: u64 = 1 << 20;

/// A home directory may be on a server that no longer answers, and then the box is to be diagnosed all the same.
const DEADLINE: Duration = Duration::from_secs(2);

/// What the files say.
#[derive(Debug, Default)]
pub struct Config {
    /// The limits to go by.
    pub thresholds: Thresholds,
    /// Files that did not answer, or are another user's.
    pub not_checked: Vec<NotChecked>,
}

/// The files in the order in which they are read: that of the machine, then that of the user. `variable` looks into
/// the environment.
pub fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    // The specification of base directories says to ignore what is not absolute; the empty string is not.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let of_user = home.map(|home| home.join("diag/config.toml"));
    [PathBuf::from(SYSTEM_FILE)].into_iter().chain(of_user).collect()
}

/// The defaults, and over them what `files` say, the later ones over the earlier.
///
/// # Errors
///
/// The first file that cannot be read or makes no sense, in one line with its name.
pub fn load(files: &[PathBuf]) -> Result<Config> {
    let mut config = Config::default();
    for file in files {
        let name = file.display().to_string();
        match read_in_time(file, DEADLINE, read)? {
            Answer::Missing => {}
            Answer::OutOfReach if *file == Path::new(SYSTEM_FILE) => {
                bail!("{name}: cannot be read: its directory is closed to this user; --no-config ignores it")
            }
            Answer::OutOfReach => config.not_checked.push(NotChecked {
                what: format!("limits set in {name}"),
                reason: "its directory is closed to this user".to_owned(),
                unlock: Some("HOME or XDG_CONFIG_HOME of this user, or --no-config".to_owned()),
            }),
            Answer::TimedOut => config.not_checked.push(NotChecked {
                what: format!("limits set in {name}"),
                reason: format!("it could not be read within {} s", DEADLINE.as_secs()),
                unlock: Some("a file system that answers, or --no-config".to_owned()),
            }),
            Answer::Bytes(bytes) => {
                let thresholds = config.thresholds.with_file(&name, &bytes);
                config.thresholds = thresholds.map_err(|problem| anyhow!("{name}:{problem}"))?;
            }
        }
    }
    Ok(config)
}

/// What a file answers.
#[derive(Debug)]
enum Answer {
    Missing,
    TimedOut,
    /// Whether it exists is not known: a daemon that gave up root may still have root's HOME.
    OutOfReach,
    Bytes(Vec<u8>),
}

fn read_in_time(file: &Path, deadline: Duration, read: fn(&Path) -> Result<Answer>) -> Result<Answer> {
    let owned = file.to_owned();
    match deadline::once("diag-config", deadline, Box::new(move || read(&owned))) {
        Ok(answer) => answer,
        Err(Missed::TimedOut) => Ok(Answer::TimedOut),
        Err(Missed::Panicked) => bail!("{}: the reading thread has ended", file.display()),
        Err(Missed::NoThread(job)) => job(),
    }
}

fn read(file: &Path) -> Result<Answer> {
    let name = file.display();
    let hint = "--no-config ignores it";
    // Opening a named pipe would otherwise wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let descriptor = match open(file, flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Answer::Missing),
        Err(Errno::ACCESS) if matches!(rustix::fs::stat(file), Err(Errno::ACCESS)) => {
            return Ok(Answer::OutOfReach);
        }
        Err(errno) => bail!("{name}: cannot be read: {}; {hint}", std::io::Error::from(errno)),
    };
    let kind = fstat(&descriptor).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind != Ok(FileType::RegularFile) {
        let what = match kind {
            Ok(FileType::Directory) => "is a directory",
            Ok(FileType::Fifo) => "is a named pipe",
            Ok(_) => "is a device",
            Err(_) => "is nothing that can be looked at",
        };
        bail!("{name}: {what}, and must be a regular file; {hint}");
    }
    let mut bytes = Vec::new();
    File::from(descriptor)
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| anyhow!("{name}: cannot be read: {error}; {hint}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        bail!("{name}: is larger than 1 MiB, which no list of limits is; {hint}");
    }
    Ok(Answer::Bytes(bytes))
}

/// A file with every limit, its default, its unit and its source, all of it commented out.
pub fn template() -> String {
    // Without tables: a number could otherwise be set in the table before it, whose limit is another.
    let mut text = format!(
        "# Limits of diag {}. Read from {SYSTEM_FILE}, then from\n\
         # $XDG_CONFIG_HOME/diag/config.toml (~/.config/diag/config.toml); the later file wins, number by number.\n\
         # Everything is commented out: take away the # before a number to change it. What is left out keeps its\n\
         # default. This is TOML, so that a table such as [cpu_busy_ratio] with warning = 0.9 does as well. A limit of\n\
         # 0 is met by anything above 0.\n",
        env!("CARGO_PKG_VERSION")
    );
    for limit in ALL {
        let (key, built_in) = (limit.key, limit.built_in());
        text += &format!("\n# {}. Source: {}\n", range(limit.unit, limit.max()), limit.source);
        if !limit.shown_only.is_empty() {
            text += &format!(
                "# No rule uses the {} limit: it only marks the number in the report.\n",
                limit.shown_only
            );
        }
        text += &format!("#{key}.warning = {}\n", built_in.warning);
        if let Some(critical) = built_in.critical {
            text += &format!("#{key}.critical = {critical}\n");
        }
    }
    text += "\n# Other numbers that the rules use.\n";
    for setting in SETTINGS {
        let range = range(setting.unit, setting.max());
        text += &format!("\n# {}.\n# {range}. Source: {}\n", sentence(setting.meaning), setting.source);
        text += &format!("#{}.value = {}\n", setting.key, setting.built_in());
    }
    text
}

fn range(unit: Unit, max: f64) -> String {
    let unit = unit.word().replace('_', " ");
    let what = if unit.starts_with("per ") { "a number".to_owned() + " " + &unit } else { unit };
    let unit = sentence(&what);
    if max <= 1.0 { format!("{unit}, from 0 to 1") } else { format!("{unit}, from 0 up") }
}

fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn environment<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn the_files_are_where_they_are_expected() {
        for (set, of_user) in [
            (&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")][..], Some("/x/diag/config.toml")),
            (&[("XDG_CONFIG_HOME", ""), ("HOME", "/h")], Some("/h/.config/diag/config.toml")),
            (&[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")], Some("/h/.config/diag/config.toml")),
            (&[("HOME", "/h")], Some("/h/.config/diag/config.toml")),
            (&[("HOME", "h")], None),
            (&[], None),
        ] {
            let expected: Vec<PathBuf> =
                [Some(SYSTEM_FILE), of_user].iter().flatten().map(PathBuf::from).collect();
            assert_eq!(files(environment(set)), expected, "{set:?}");
        }
    }

    #[test]
    fn the_user_wins_over_the_machine_number_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let [machine, user, none] = ["machine", "user", "none"].map(|name| folder.path().join(name));
        fs::write(&machine, "[cpu_busy_ratio]\nwarning = 0.5\ncritical = 0.6\n").unwrap();
        fs::write(&user, "[cpu_busy_ratio]\ncritical = 0.7\n").unwrap();
        let config = load(&[machine, none, user]).unwrap();
        let busy = ALL.iter().find(|limit| limit.key == "cpu_busy_ratio").unwrap();
        let busy = config.thresholds.limit(busy);
        assert_eq!((busy.warning, busy.critical), (0.5, Some(0.7)));
        assert!(config.not_checked.is_empty());
    }

    #[test]
    fn what_is_no_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("/dev/zero", path("device")).unwrap();
        symlink("loop", path("loop")).unwrap();
        fs::write(path("large"), vec![b'\n'; (1 << 20) + 1]).unwrap();
        fs::write(path("full"), vec![b'\n'; 1 << 20]).unwrap();
        fs::write(path("bad"), "\n[cpu_busy_ratio]\nwarning = 85\n").unwrap();
        for (file, expected) in [
            (folder.path().to_owned(), "is a directory, and must be a regular file; --no-config ignores it"),
            (path("pipe"), "is a named pipe"),
            (path("device"), "is a device"),
            (path("loop"), "cannot be read: "),
            (path("large"), "is larger than 1 MiB"),
            (path("bad"), "bad:3: cpu_busy_ratio.warning: must be a number from 0 to 1, not 85; "),
        ] {
            let told = load(std::slice::from_ref(&file)).unwrap_err().to_string();
            assert!(told.contains(expected) && told.starts_with(file.to_str().unwrap()), "{told}");
        }
        assert!(load(&[path("full"), path("bad").join("below"), path("none")]).is_ok());
    }

    #[test]
    fn a_file_that_does_not_answer_is_not_waited_for() {
        let never: fn(&Path) -> Result<Answer> = |_| {
            std::thread::sleep(Duration::from_secs(600));
            Ok(Answer::Missing)
        };
        let answer = read_in_time(Path::new("x"), Duration::from_millis(1), never).unwrap();
        assert!(matches!(answer, Answer::TimedOut));
    }

    #[test]
    fn the_template_names_everything_and_changes_nothing() {
        let template = template();
        let read = |text: &str| Thresholds::default().with_file("f", text.as_bytes()).unwrap();
        assert_eq!(read(&template), Thresholds::default());
        let code = |line: &str| {
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c != ' ')).map(str::to_owned)
        };
        let bare: Vec<String> =
            template.lines().map(|line| code(line).unwrap_or_else(|| line.to_owned())).collect();
        let all = read(&bare.join("\n"));
        for limit in ALL {
            let (now, built_in) = (all.limit(limit), limit.built_in());
            assert!(now.changed, "{} is not in the template", limit.key);
            assert_eq!((now.warning, now.critical), (built_in.warning, built_in.critical), "{}", limit.key);
        }
        for setting in SETTINGS {
            assert!(all.setting_source(setting).starts_with("set in f; was "), "{}", setting.key);
            assert_eq!(all.setting(setting), setting.built_in());
        }
    }
}
