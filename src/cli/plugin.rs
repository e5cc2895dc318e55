//! diag as a plugin of Nagios: called as `check_diag`, or with `--format nagios`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

/// Program name under which `--format nagios` is the default.
const PLUGIN: &str = "check_diag";

/// Whether these words ask for plugin output. Also answered for words that do not parse: the error must then be plugin
/// output as well.
pub fn is_plugin(arguments: &[OsString]) -> bool {
    match asked(arguments) {
        Some(format) => format == b"nagios",
        None => is_called_so(arguments),
    }
}

/// The last format that was typed.
fn asked(arguments: &[OsString]) -> Option<&[u8]> {
    let words: Vec<&[u8]> =
        arguments.iter().skip(1).map(|word| word.as_bytes()).take_while(|word| *word != b"--").collect();
    words.iter().enumerate().rev().find_map(|(index, word)| match *word {
        b"--format" | b"-f" | b"-vf" => words.get(index + 1).copied(),
        word if word.starts_with(b"--") => word.strip_prefix(b"--format="),
        word => {
            let rest = word.strip_prefix(b"-f").or_else(|| word.strip_prefix(b"-vf"))?;
            Some(rest.strip_prefix(b"=").unwrap_or(rest))
        }
    })
}

/// Whether the program was called as `check_diag`.
pub(super) fn is_called_so(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    name.is_some_and(|name| name == PLUGIN)
}

/// Called as `check_diag`, `-t` is the timeout of the Monitoring Plugins guidelines and not the window.
pub(super) fn with_timeout(arguments: Vec<OsString>) -> Vec<OsString> {
    if !is_called_so(&arguments) {
        return arguments;
    }
    let mut typed = true;
    let timeout = |word: OsString| match word.as_bytes() {
        b"--" => {
            typed = false;
            word
        }
        b"-t" if typed => "--timeout".into(),
        bytes if typed && bytes.starts_with(b"-t") => {
            let value = bytes[2..].strip_prefix(b"=").unwrap_or(&bytes[2..]);
            OsString::from_vec([b"--timeout=", value].concat())
        }
        _ => word,
    };
    arguments.into_iter().map(timeout).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_plugin_is_known_by_its_name_or_its_format() {
        for yes in [
            "/usr/lib/nagios/plugins/check_diag",
            "check_diag --bogus",
            "diag --format nagios --bogus",
            "diag -f nagios --bogus",
            "diag -fnagios",
            "diag -vf nagios",
            "diag replay x --format=nagios",
            "diag --format json --format nagios",
            "diag --format json -f nagios",
        ] {
            assert!(is_plugin(&words(yes)), "{yes}");
        }
        for no in [
            "diag",
            "diag nagios",
            "diag --format",
            "diag -f",
            "check_diag --format json",
            "check_diag -f json",
            "check_diag_x",
            "diag --format nagios --format text",
            "diag --flamegraph nagios",
            "diag -- --format nagios",
        ] {
            assert!(!is_plugin(&words(no)), "{no}");
        }
        assert!(!is_plugin(&[]));
    }

    #[test]
    fn a_plugin_takes_a_timeout() {
        let changed = |text: &str| with_timeout(words(text)).join(OsStr::new(" ")).into_string().unwrap();
        assert_eq!(changed("/x/check_diag -t 10 -u nginx"), "/x/check_diag --timeout 10 -u nginx");
        assert_eq!(changed("check_diag -t10"), "check_diag --timeout=10");
        assert_eq!(changed("check_diag --top 3 -- -t"), "check_diag --top 3 -- -t");
        assert_eq!(changed("diag -t 10"), "diag -t 10");
    }
}
