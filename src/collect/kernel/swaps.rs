//! `/proc/swaps`, proc_swaps(5): the areas that memory is swapped out to, sizes in KiB.
//!
//! Known lies: the space of a zram device is memory. Blanks in names are escaped as `\040`; a swap file that was
//! deleted while in use is called `/path\040(deleted)`.

use crate::collect::root::Root;
use crate::collect::text::unescape;
use crate::model::reading::Reading;
use crate::model::snapshot::Swap;

/// Reads `/proc/swaps`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<Swap>> {
    root.read_parsed("proc/swaps", buffer, parse)
}

/// Parses the text of `/proc/swaps`; with the header alone there is no swap space.
pub fn parse(bytes: &[u8]) -> Result<Vec<Swap>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    if !lines.next().is_some_and(|header| header.starts_with("Filename")) {
        return Err("no header".to_owned());
    }
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines.map(|text| line(text).ok_or_else(|| "a line without type, size and used".to_owned())).collect()
}

fn line(text: &str) -> Option<Swap> {
    let mut words = text.split_whitespace();
    let (path, kind) = (words.next()?, words.next()?);
    let mut bytes = || words.next()?.parse::<u64>().ok()?.checked_mul(1024);
    Some(Swap { path: unescape(path), file: kind == "file", size_bytes: bytes()?, used_bytes: bytes()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn areas_and_their_names() {
        let text = format!(
            "{HEADER}/dev/dm-1                               partition\t8388604\t\t1024\t\t-2\n\
             /var/swap\\040file\\134\\040(deleted)  file\t\t4\t0\t\t-3\n"
        );
        let swaps = parse(text.as_bytes()).unwrap();
        assert_eq!((swaps[0].path.as_str(), swaps[0].file), ("/dev/dm-1", false));
        assert_eq!((swaps[0].size_bytes, swaps[0].used_bytes), (8_388_604 * 1024, 1024 * 1024));
        assert_eq!((swaps[1].path.as_str(), swaps[1].file), ("/var/swap file\\ (deleted)", true));
    }

    #[test]
    fn no_swap_space_is_not_an_error() {
        assert_eq!(parse(HEADER.as_bytes()).unwrap(), []);
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "garbage", "Filename\n/dev/sda2 partition\n", "Filename\n/x file 9999999999999999999 0\n"]
        {
            assert!(parse(text.as_bytes()).is_err());
        }
        assert!(parse(b"\xff\xfe").is_err());
    }
}
