//! `/proc/vmstat`, proc_vmstat(5), since 2.6.0: names and numbers, of which each kernel has its own set.
//!
//! Written by hand because the counters are unsigned and wrap at 64 bits, and the library reads them signed.
//!
//! Known lies: the `nr_` values are levels, the others counters. Levels lag behind by what each CPU has not
//! folded in yet, up to `vm.stat_interval`, a second.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::VmStat;
use std::collections::BTreeMap;

/// Reads `/proc/vmstat`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<VmStat> {
    root.read_parsed("proc/vmstat", buffer, parse)
}

/// Parses the text of `/proc/vmstat`. Lines whose number does not fit are skipped.
pub fn parse(bytes: &[u8]) -> Result<VmStat, String> {
    let text = String::from_utf8_lossy(bytes);
    let values: BTreeMap<String, u64> = text.lines().filter_map(value).collect();
    if values.is_empty() { Err("no line with a name and a number".to_owned()) } else { Ok(VmStat(values)) }
}

fn value(line: &str) -> Option<(String, u64)> {
    let (name, number) = line.split_once(' ')?;
    Some((name.to_owned(), number.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up() {
        let vm =
            parse(b"nr_free_pages 5\npgmajfault 18446744073709551615\nnr_x -3\npgsteal_kswapd\n").unwrap();
        assert_eq!(vm.get("nr_free_pages"), Some(5));
        assert_eq!(vm.get("pgmajfault"), Some(u64::MAX));
        assert_eq!((vm.get("nr_x"), vm.get("pgsteal_kswapd"), vm.get("oom_kill")), (None, None, None));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [&b""[..], b"\n\n", b"\xff\xfe\n", b"name x\n", b"pgfault 99999999999999999999\n"] {
            assert!(parse(text).is_err());
        }
    }
}
