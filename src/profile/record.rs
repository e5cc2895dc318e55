//! What the kernel writes into a ring: perf_event_open(2), "MMAP layout"; kernel `include/uapi/linux/perf_event.h`.
//!
//! Read by hand: the crate's own parser fails on every sample of a thread without user registers, which are all
//! kernel threads.

use super::mappings::{FileId, Mapping};
use crate::model::task::Pid;

/// Types of records.
mod kind {
    pub(super) const LOST: u32 = 2;
    pub(super) const COMM: u32 = 3;
    pub(super) const EXIT: u32 = 4;
    pub(super) const THROTTLE: u32 = 5;
    pub(super) const FORK: u32 = 7;
    pub(super) const SAMPLE: u32 = 9;
    pub(super) const MMAP2: u32 = 10;
    pub(super) const LOST_SAMPLES: u32 = 13;
}

/// PERF_RECORD_MISC_COMM_EXEC: the name changed since another program was started.
const MISC_COMM_EXEC: u16 = 1 << 13;

/// PERF_RECORD_MISC_MMAP_BUILD_ID: the place of the device and inode holds a build id.
const MISC_MMAP_BUILD_ID: u16 = 1 << 14;

/// PROT_EXEC.
const PROT_EXEC: u32 = 4;

/// Entries of a call chain from here up say in which space the next ones are.
const CONTEXT_MAX: u64 = -4095_i64 as u64;
/// PERF_CONTEXT_KERNEL.
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
/// PERF_CONTEXT_USER.
const CONTEXT_USER: u64 = -512_i64 as u64;

/// PERF_SAMPLE_REGS_ABI_NONE: the thread has no user registers.
const ABI_NONE: u64 = 0;

/// Length of what `sample_id_all` appends to every other record: thread, time, CPU.
const TRAILER_BYTES: usize = 24;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Sample(Box<Sample>),
    /// A thread has another name; with `exec` its process another program.
    Comm {
        pid: Pid,
        tid: Pid,
        comm: Vec<u8>,
        exec: bool,
    },
    /// Only executable mappings are asked for.
    Mmap {
        pid: Pid,
        mapping: Mapping,
    },
    Fork {
        pid: Pid,
        parent_pid: Pid,
    },
    Exit {
        pid: Pid,
        tid: Pid,
    },
    Lost(u64),
    Throttled,
}

/// One sample. Which registers there are is what [`super::events`] asks for, in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) pid: Pid,
    pub(super) tid: Pid,
    /// The event's count since the last sample: nanoseconds of cpu-clock, cycles.
    pub(super) period: u64,
    /// The kernel's frames, the innermost first.
    pub(super) kernel: Vec<u64>,
    /// The user's frames as frame pointers tell, the innermost first.
    pub(super) user: Vec<u64>,
    /// None for a thread of the kernel.
    pub(super) registers: Option<Vec<u64>>,
    /// The stack from its pointer up.
    pub(super) stack: Vec<u8>,
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_ne_bytes)
    }

    fn pid(&mut self) -> Option<Pid> {
        self.u32().map(u32::cast_signed)
    }

    fn u64s(&mut self, count: u64) -> Option<Vec<u64>> {
        let bytes = self.take(usize::try_from(count).ok()?.checked_mul(8)?)?;
        Some(bytes.chunks_exact(8).filter_map(|word| word.try_into().ok().map(u64::from_ne_bytes)).collect())
    }

    /// Up to the first zero byte.
    fn text(&self) -> Vec<u8> {
        self.0.iter().copied().take_while(|byte| *byte != 0).collect()
    }
}

/// Reads one record, with its time in nanoseconds; none when it is of no interest or too short for what it is.
pub(super) fn parse(kind: u32, misc: u16, bytes: &[u8], registers_count: u32) -> Option<(u64, Record)> {
    if kind == kind::SAMPLE {
        return sample(bytes, registers_count);
    }
    let (body, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER_BYTES)?)?;
    let mut trailer = Bytes(trailer.get(8..)?);
    let time = trailer.u64()?;
    let mut body = Bytes(body);
    let record = match kind {
        kind::COMM => {
            let (pid, tid) = (body.pid()?, body.pid()?);
            Record::Comm { pid, tid, comm: body.text(), exec: misc & MISC_COMM_EXEC != 0 }
        }
        kind::FORK => {
            let (pid, parent_pid) = (body.pid()?, body.pid()?);
            Record::Fork { pid, parent_pid }
        }
        kind::EXIT => {
            let (pid, _parent, tid) = (body.pid()?, body.pid()?, body.pid()?);
            Record::Exit { pid, tid }
        }
        kind::MMAP2 => mmap(&mut body, misc)?,
        kind::LOST => {
            let _id = body.u64()?;
            Record::Lost(body.u64()?)
        }
        kind::LOST_SAMPLES => Record::Lost(body.u64()?),
        kind::THROTTLE => Record::Throttled,
        _ => return None,
    };
    Some((time, record))
}

fn mmap(body: &mut Bytes<'_>, misc: u16) -> Option<Record> {
    let (pid, _tid) = (body.pid()?, body.pid()?);
    let (start, length, file_offset) = (body.u64()?, body.u64()?, body.u64()?);
    let (device_major, device_minor, inode) = (body.u32()?, body.u32()?, body.u64()?);
    let _generation = body.u64()?;
    let (protection, _flags) = (body.u32()?, body.u32()?);
    if protection & PROT_EXEC == 0 {
        return None;
    }
    let known = inode != 0 && misc & MISC_MMAP_BUILD_ID == 0;
    let file = known.then_some(FileId { device_major, device_minor, inode });
    let mapping = Mapping { start, end: start.checked_add(length)?, file_offset, path: body.text(), file };
    Some(Record::Mmap { pid, mapping })
}

fn sample(bytes: &[u8], registers_count: u32) -> Option<(u64, Record)> {
    let mut bytes = Bytes(bytes);
    let ip = bytes.u64()?;
    let mut sample = Sample { pid: bytes.pid()?, tid: bytes.pid()?, ..Sample::default() };
    let time = bytes.u64()?;
    let _cpu = bytes.u64()?;
    sample.period = bytes.u64()?;
    let count = bytes.u64()?;
    let mut kernel = true;
    for entry in bytes.u64s(count)? {
        match entry {
            CONTEXT_KERNEL => kernel = true,
            CONTEXT_USER => kernel = false,
            // A guest's or the hypervisor's.
            CONTEXT_MAX.. => {}
            _ if kernel => sample.kernel.push(entry),
            _ => sample.user.push(entry),
        }
    }
    if sample.kernel.is_empty() && sample.user.is_empty() {
        sample.user.push(ip);
    }
    // On a machine whose registers are not known neither they nor the stack are asked for.
    if registers_count == 0 {
        return Some((time, Record::Sample(Box::new(sample))));
    }
    if bytes.u64()? != ABI_NONE {
        sample.registers = Some(bytes.u64s(u64::from(registers_count))?);
    }
    let size = bytes.u64()?;
    if size > 0 {
        let stack = bytes.take(usize::try_from(size).ok()?)?;
        // Of what was set aside only so much was filled.
        let filled = usize::try_from(bytes.u64()?).ok()?.min(stack.len());
        sample.stack = stack[..filled].to_vec();
    }
    Some((time, Record::Sample(Box::new(sample))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn pair(a: u32, b: u32) -> u64 {
        u64::from_ne_bytes([a.to_ne_bytes(), b.to_ne_bytes()].concat().try_into().unwrap())
    }

    fn trailer(time: u64) -> Vec<u8> {
        words(&[pair(7, 8), time, 1])
    }

    fn user_sample() -> Vec<u8> {
        let chain = [CONTEXT_KERNEL, 0xffff_8000, CONTEXT_USER, 0x4010, 0x4020];
        let mut bytes = words(&[0xffff_8000, pair(7, 8), 99, 1, 10_101_010, chain.len() as u64]);
        bytes.extend(words(&chain));
        bytes.extend(words(&[2, 0x11, 0x22, 0x33, 16, 1, 2, 8]));
        bytes
    }

    #[test]
    fn a_sample_is_split_into_kernel_and_user() {
        let (time, record) = parse(kind::SAMPLE, 2, &user_sample(), 3).unwrap();
        assert_eq!(time, 99);
        let Record::Sample(sample) = record else { panic!("{record:?}") };
        assert_eq!((sample.pid, sample.tid, sample.period), (7, 8, 10_101_010));
        assert_eq!(
            (sample.kernel.as_slice(), sample.user.as_slice()),
            (&[0xffff_8000][..], &[0x4010, 0x4020][..])
        );
        assert_eq!(sample.registers, Some(vec![0x11, 0x22, 0x33]));
        assert_eq!(sample.stack, words(&[1]));
    }

    #[test]
    fn a_kernel_thread_has_neither_registers_nor_stack() {
        let mut bytes = words(&[0xffff_8000, pair(2, 2), 5, 0, 1, 2, CONTEXT_KERNEL, 0xffff_8000]);
        bytes.extend(words(&[ABI_NONE, 0]));
        let Some((5, Record::Sample(sample))) = parse(kind::SAMPLE, 1, &bytes, 3) else { panic!() };
        assert_eq!((sample.registers, sample.stack.len(), sample.user.len()), (None, 0, 0));
    }

    #[test]
    fn side_records() {
        let with = |mut bytes: Vec<u8>| {
            bytes.extend(trailer(3));
            bytes
        };
        let comm = with([words(&[pair(7, 8)]), b"a\0\0\0\0\0\0\0".to_vec()].concat());
        assert_eq!(
            parse(kind::COMM, MISC_COMM_EXEC, &comm, 3),
            Some((3, Record::Comm { pid: 7, tid: 8, comm: b"a".to_vec(), exec: true }))
        );
        let fork = with(words(&[pair(9, 7), pair(9, 7), 1]));
        assert_eq!(parse(kind::FORK, 0, &fork, 3), Some((3, Record::Fork { pid: 9, parent_pid: 7 })));
        let exit = with(words(&[pair(9, 7), pair(10, 7), 1]));
        assert_eq!(parse(kind::EXIT, 0, &exit, 3), Some((3, Record::Exit { pid: 9, tid: 10 })));
        assert_eq!(parse(kind::LOST, 0, &with(words(&[1, 5])), 3), Some((3, Record::Lost(5))));
        let map = |protection| {
            let fields = words(&[pair(7, 7), 0x1000, 0x2000, 0x500, pair(8, 1), 42, 0, pair(protection, 2)]);
            with([fields, b"/bin/a\0\0".to_vec()].concat())
        };
        let Some((_, Record::Mmap { pid: 7, mapping })) = parse(kind::MMAP2, 0, &map(5), 3) else { panic!() };
        assert_eq!((mapping.start, mapping.end, mapping.file_offset), (0x1000, 0x3000, 0x500));
        assert_eq!(mapping.path, b"/bin/a");
        assert_eq!(mapping.file, Some(FileId { device_major: 8, device_minor: 1, inode: 42 }));
        assert_eq!(parse(kind::MMAP2, 0, &map(1), 3), None);
        assert_eq!(parse(99, 0, &with(Vec::new()), 3), None);
    }

    #[test]
    fn a_record_that_is_too_short_is_none() {
        let whole = user_sample();
        for length in 0..whole.len() {
            assert_eq!(parse(kind::SAMPLE, 2, &whole[..length], 3), None, "{length}");
        }
        let mut bytes = words(&[0, 0, 0, 0, 0, u64::MAX]);
        assert_eq!(parse(kind::SAMPLE, 0, &bytes, 3), None);
        for kind in 0..20 {
            for length in (0..bytes.len()).rev() {
                bytes.truncate(length);
                let _ = parse(kind, 0, &bytes, 3);
            }
        }
    }
}
