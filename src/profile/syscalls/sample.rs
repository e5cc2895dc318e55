//! The tracepoint's description and the bytes of one sample.

use crate::model::syscall::Table;
use crate::profile::access::TRACEFS;
use std::fs;
use std::io;

/// Registers of the user that hold arguments and are still as they were at the entry, as bits of `sample_regs_user`
/// (kernel `arch/x86/include/uapi/asm/perf_regs.h`): bx, si, di. On x86 the first two arguments are di and si, of 32-bit
/// programs the first is bx.
#[cfg(target_arch = "x86_64")]
pub(super) const REGISTERS: u64 = 1 << 1 | 1 << 4 | 1 << 5;
/// On aarch64 the result overwrites the first argument, x0; the second, x1, stays.
#[cfg(target_arch = "aarch64")]
pub(super) const REGISTERS: u64 = 1 << 1;
/// Elsewhere none is known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const REGISTERS: u64 = 0;

/// PERF_SAMPLE_REGS_ABI_32: a 32-bit program on a 64-bit machine.
const ABI_32: u64 = 1;

/// The tracepoint raw_syscalls:sys_exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracepoint {
    /// Number by which perf_event_open(2) knows it.
    pub(super) id: u64,
    /// Where the call's number and its result are in the raw data.
    number: Field,
    returned: Field,
}

/// A field of the raw data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    offset: usize,
    size: usize,
}

impl Tracepoint {
    /// Reads it from tracefs. The error is none where the description is not understood.
    pub(super) fn find() -> Result<Self, Option<io::Error>> {
        let mut failed = None;
        for root in TRACEFS {
            let read = |file: &str| fs::read_to_string(format!("{root}/events/raw_syscalls/sys_exit/{file}"));
            match read("id").and_then(|id| Ok((id, read("format")?))) {
                Ok((id, format)) => return Self::parse(&id, &format).ok_or(None),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed)
    }

    /// Of its number and its description. The offsets differ between kernels: real-time ones have a longer head.
    fn parse(id: &str, format: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = format.lines().filter_map(|line| line.trim().strip_prefix("field:"));
            lines.find_map(|line| {
                let (declaration, rest) = line.split_once(';')?;
                if declaration.rsplit(' ').next() != Some(name) {
                    return None;
                }
                let number = |key: &str| {
                    let mut parts = rest.split(';').map(str::trim);
                    parts.find_map(|part| part.strip_prefix(key)?.parse::<usize>().ok())
                };
                let (offset, size) = (number("offset:")?, number("size:")?);
                (offset < 4096 && matches!(size, 4 | 8)).then_some(Field { offset, size })
            })
        };
        Some(Self { id: id.trim().parse().ok()?, number: field("id")?, returned: field("ret")? })
    }

    /// One sample with TID, STREAM_ID, RAW and, where there are any, REGS_USER; none where it is too short.
    pub(super) fn sample(&self, bytes: &[u8]) -> Option<Sample> {
        let pid = i32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
        let raw_size = usize::try_from(u32::from_ne_bytes(bytes.get(16..20)?.try_into().ok()?)).ok()?;
        let rest = bytes.get(20..)?;
        let raw = rest.get(..raw_size)?;
        let mut sample = Sample {
            pid,
            stream: u64::from_ne_bytes(bytes.get(8..16)?.try_into().ok()?),
            number: self.number.read(raw)?,
            returned: self.returned.read(raw)?,
            table: Table::Native,
            first: None,
            second: None,
        };
        if REGISTERS != 0 {
            sample.read_registers(rest.get(raw_size..)?);
        }
        Some(sample)
    }
}

impl Field {
    fn read(self, raw: &[u8]) -> Option<i64> {
        let bytes = raw.get(self.offset..)?.get(..self.size)?;
        match self.size {
            4 => Some(i64::from(i32::from_ne_bytes(bytes.try_into().ok()?))),
            _ => Some(i64::from_ne_bytes(bytes.try_into().ok()?)),
        }
    }
}

/// One call that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) pid: i32,
    /// The event of one thread and CPU that it is of, inherited ones told apart.
    pub(super) stream: u64,
    pub(super) number: i64,
    pub(super) returned: i64,
    pub(super) table: Table,
    /// Its first argument, where it is known.
    pub(super) first: Option<u64>,
    /// Its second argument, where it is known.
    pub(super) second: Option<u64>,
}

impl Sample {
    fn read_registers(&mut self, bytes: &[u8]) {
        let word = |index: usize| {
            let start = index.checked_mul(8)?;
            Some(u64::from_ne_bytes(bytes.get(start..)?.get(..8)?.try_into().ok()?))
        };
        let Some(abi) = word(0).filter(|&abi| abi != 0) else { return };
        if abi == ABI_32 {
            self.table = Table::Compat;
        }
        // They stand in the order of their bits.
        (self.first, self.second) = match (cfg!(target_arch = "x86_64"), self.table) {
            (true, Table::Native) => (word(3), word(2)),
            (true, Table::Compat) => (word(1), None),
            (false, _) => (None, word(1)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMAT: &str = "name: sys_exit\nID: 442\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n\
        \tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n\nprint fmt: \"NR %ld = %ld\", REC->id, REC->ret\n";

    fn tracepoint() -> Tracepoint {
        Tracepoint::parse("442\n", FORMAT).unwrap()
    }

    fn bytes(number: i64, returned: i64, registers: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(77i32.to_ne_bytes());
        bytes.extend(78i32.to_ne_bytes());
        bytes.extend(5u64.to_ne_bytes());
        // Head, number, result, and the padding that brings the next field to a multiple of 8.
        bytes.extend(28u32.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(number.to_ne_bytes());
        bytes.extend(returned.to_ne_bytes());
        bytes.extend([0; 4]);
        registers.iter().for_each(|register| bytes.extend(register.to_ne_bytes()));
        bytes
    }

    #[test]
    fn the_description_says_where_the_fields_are() {
        assert_eq!(tracepoint().number, Field { offset: 8, size: 8 });
        let real_time = FORMAT.replace("offset:16", "offset:24").replace("offset:8", "offset:16");
        let tracepoint = Tracepoint::parse("1", &real_time).unwrap();
        assert_eq!((tracepoint.number.offset, tracepoint.returned.offset), (16, 24));
        assert_eq!(Tracepoint::parse("1", &FORMAT.replace("long ret", "long gone")), None);
        assert_eq!(Tracepoint::parse("x", FORMAT), None);
        assert_eq!(Tracepoint::parse("1", &FORMAT.replace("size:8", "size:99999999999999999999")), None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_sample_has_number_result_and_arguments() {
        let sample = tracepoint().sample(&bytes(1, -11, &[2, 100, 200, 300])).unwrap();
        assert_eq!((sample.pid, sample.stream, sample.number, sample.returned), (77, 5, 1, -11));
        assert_eq!((sample.table, sample.first, sample.second), (Table::Native, Some(300), Some(200)));
        let compat = tracepoint().sample(&bytes(4, 5, &[1, 100, 200, 300])).unwrap();
        assert_eq!((compat.table, compat.first, compat.second), (Table::Compat, Some(100), None));
        let without = tracepoint().sample(&bytes(4, 5, &[0])).unwrap();
        assert_eq!((without.table, without.first), (Table::Native, None));
    }

    #[test]
    fn a_sample_that_is_cut_short_is_none() {
        let whole = bytes(1, 2, &[2, 1, 2, 3]);
        for length in 0..48 {
            assert_eq!(tracepoint().sample(&whole[..length]), None, "{length}");
        }
        for length in 48..whole.len() {
            let _ = tracepoint().sample(&whole[..length]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120), text in "(?s).*") {
            let _ = tracepoint().sample(&bytes);
            let _ = Tracepoint::parse("1", &text);
        }
    }
}
