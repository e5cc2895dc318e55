//! `/proc/interrupts` and `/proc/softirqs` (2.6.31), proc_interrupts(5): counts by source and CPU.
//!
//! The header names the CPUs: in `interrupts` those online, in `softirqs` all possible ones. `ERR` and `MIS`
//! have one count for the whole system.
//!
//! Known lies: counts are 32 bits wide in the kernel and wrap; a line's counts do not say how long the handler took.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::InterruptLine;

/// Reads `/proc/interrupts`.
pub fn read_interrupts(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<InterruptLine>> {
    root.read_parsed("proc/interrupts", buffer, parse)
}

/// Reads `/proc/softirqs`.
pub fn read_softirqs(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<InterruptLine>> {
    root.read_parsed("proc/softirqs", buffer, parse)
}

/// Parses either file. Lines without a single count are left out.
pub fn parse(bytes: &[u8]) -> Result<Vec<InterruptLine>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let cpus_count = header.split_whitespace().take_while(|word| word.starts_with("CPU")).count();
    if cpus_count == 0 {
        return Err("no header with the CPUs".to_owned());
    }
    Ok(lines.filter_map(|text| line(text, cpus_count)).collect())
}

fn line(text: &str, cpus_count: usize) -> Option<InterruptLine> {
    let (name, rest) = text.split_once(':')?;
    let mut words = rest.split_whitespace().peekable();
    let mut counts = Vec::with_capacity(cpus_count);
    // The description may begin with a digit: never more counts than CPUs.
    while let Some(count) =
        words.peek().filter(|_| counts.len() < cpus_count).and_then(|word| word.parse().ok())
    {
        counts.push(count);
        words.next();
    }
    let description = words.collect::<Vec<_>>().join(" ");
    (!counts.is_empty()).then(|| InterruptLine { name: name.trim().to_owned(), counts, description })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_a_count_for_each_cpu() {
        let lines = parse(
            b"           CPU0       CPU2       \n\
              \x20 0:         36          0   IO-APIC   2-edge      timer\n\
              \x2024:          1 4294967295  PCI-MSI 327680-edge      eth0-TxRx-0\n\
              LOC:     128409     120391   Local timer interrupts\n\
              ERR:          0\nMIS:          7\nEXT:\n",
        )
        .unwrap();
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[0].name.as_str(), &lines[0].counts[..]), ("0", &[36, 0][..]));
        assert_eq!(lines[0].description, "IO-APIC 2-edge timer");
        assert_eq!(lines[1].counts, [1, 4_294_967_295]);
        assert_eq!((lines[4].name.as_str(), &lines[4].counts[..]), ("MIS", &[7][..]));
        assert_eq!(lines[4].description, "");
    }

    #[test]
    fn softirqs_have_no_description() {
        let lines =
            parse(b"                    CPU0\n          HI:          1\n      NET_RX:    8841201\n").unwrap();
        assert_eq!((lines[1].name.as_str(), lines[1].counts[0]), ("NET_RX", 8_841_201));
    }

    #[test]
    fn a_description_that_begins_with_a_digit_is_not_a_count() {
        let lines = parse(b" CPU0\n 16: 5 8250 serial\n").unwrap();
        assert_eq!((&lines[0].counts[..], lines[0].description.as_str()), (&[5][..], "8250 serial"));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [&b""[..], b"garbage", b"\xff\xfe", b"0: 1 2\n"] {
            assert!(parse(text).is_err());
        }
        assert_eq!(parse(b" CPU0\n\xff\xff\n: x\n").unwrap(), []);
    }
}
