//! `/proc/locks`: who waits for whom at a file.
//!
//! Source: proc_locks(5); kernel `fs/locks.c`. Known lies: the ids are those of processes, never of threads; a holder
//! outside of the reader's namespace of ids is left out, and locks of open file descriptions (`OFDLCK`) have no owner.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::task::Pid;
use std::collections::HashMap;

/// Reads it; processes that wait, each with the process that holds what it waits for.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<(Pid, Pid)>> {
    root.read("proc/locks", buffer)?;
    Ok(parse(buffer))
}

/// Parses it: a line for each lock, then one for each that waits for it, with the same number and an arrow.
pub fn parse(bytes: &[u8]) -> Vec<(Pid, Pid)> {
    let text = String::from_utf8_lossy(bytes);
    let mut holders: HashMap<&str, Pid> = HashMap::new();
    let mut waits = Vec::new();
    for line in text.lines() {
        let Some((number, rest)) = line.split_once(':') else { continue };
        let mut fields = rest.split_whitespace().peekable();
        let waiting = fields.next_if_eq(&"->").is_some();
        // Kind, whether it binds, access, process.
        let Some(pid) = fields.nth(3).and_then(|pid| pid.parse::<Pid>().ok()).filter(|pid| *pid > 0) else {
            continue;
        };
        if !waiting {
            holders.insert(number, pid);
        } else if let Some(&holder) = holders.get(number)
            && holder != pid
        {
            waits.push((pid, holder));
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_stand_below_the_holder() {
        let text = b"1: POSIX  ADVISORY  WRITE 700 08:01:11 0 EOF\n\
            2: FLOCK  ADVISORY  WRITE 812 08:01:4711 0 EOF\n\
            2: -> FLOCK  ADVISORY  WRITE 900 08:01:4711 0 EOF\n\
            2:  -> FLOCK  ADVISORY  READ  901 08:01:4711 0 EOF\n\
            3: OFDLCK ADVISORY  WRITE -1 08:01:12 0 EOF\n\
            3: -> OFDLCK ADVISORY  WRITE -1 08:01:12 0 EOF\n";
        assert_eq!(parse(text), [(900, 812), (901, 812)]);
    }

    #[test]
    fn other_text_is_nothing() {
        for text in
            [&b""[..], b"1:", b"1: ->", b"-> 2: FLOCK", b"2: -> FLOCK ADVISORY WRITE 9 x", b"\xff:\xff"]
        {
            assert_eq!(parse(text), []);
        }
    }
}
