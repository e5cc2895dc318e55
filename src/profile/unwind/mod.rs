//! From the registers and the top of the stack of a sample to the way by which the thread got there.
//!
//! By the unwind tables of each file (`.eh_frame`), since compilers keep no frame pointers any more. Code without tables,
//! as runtimes write it into memory, is followed by its frame pointers. Beyond the bytes that the kernel copied, its own
//! chain of frame pointers goes on where both meet.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tables;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tables {
    //! No tables are understood here: what is left is the kernel's chain.
    use super::{Registers, Step};
    use crate::model::task::Pid;
    use crate::profile::mappings::Mapping;
    use crate::profile::modules::Modules;

    #[derive(Default)]
    pub(super) struct Tables;
    #[derive(Clone, Copy)]
    pub(super) struct Position;

    impl Position {
        pub(super) fn new(_: &Registers) -> Self {
            Self
        }
        pub(super) fn stack_pointer(&self) -> Option<u64> {
            None
        }
        pub(super) fn returned(&mut self, _: u64, _: u64) {}
    }

    impl Tables {
        pub(super) fn know(&mut self, _: Pid, _: &Mapping, _: u64, _: &mut Modules) -> bool {
            false
        }
        pub(super) fn step(&mut self, _: Pid, _: u64, _: bool, _: &mut Position, _: &super::Copied) -> Step {
            Step::Lost
        }
        pub(super) fn is_start(&mut self, _: Pid, _: &Mapping, _: u64) -> bool {
            false
        }
        pub(super) fn forget(&mut self, _: Pid) {}
    }
}

use super::mappings::AddressSpace;
use super::modules::Modules;
use crate::model::task::Pid;
use tables::{Position, Tables};

/// Frames of one stack: perf's own default (`kernel.perf_event_max_stack` is 127).
pub const FRAMES_MAX: usize = 128;

/// Words of the stack that a piece of code without tables may have taken.
const PIECE_WORDS_MAX: u64 = 4;
/// Bytes of the longest call of x86.
const CALL_BYTES_MAX: u64 = 7;

/// Values from here on are no addresses but marks between the kernel's and the user's part (PERF_CONTEXT_MAX).
const FIRST_MARK: u64 = -4095_i64 as u64;

/// Registers at the time of a sample (PERF_SAMPLE_REGS_USER).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
    /// Link register, where the CPU has one.
    pub lr: Option<u64>,
}

/// The user's part of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserStack {
    /// Innermost first: where it was, then the calls that it came by, each as an address within the call.
    pub addresses: Vec<u64>,
    /// Whether the thread's start was not reached.
    pub cut: bool,
}

/// One step towards the thread's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Return address.
    Caller(u64),
    /// The outermost frame: it has no caller.
    Start,
    /// It cannot be followed.
    Lost,
}

/// The bytes of the stack that the kernel copied.
struct Copied<'a> {
    start: u64,
    bytes: &'a [u8],
}

impl Copied<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// Follows the stacks of all processes.
#[derive(Default)]
pub struct Unwinder {
    tables: Tables,
}

impl Unwinder {
    /// Knows no process yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stack of one sample. `stack` are the bytes from the stack pointer up; `chain` is the kernel's own walk of the
    /// same sample, instruction pointer first, and may be empty or garbage.
    pub fn unwind(
        &mut self,
        pid: Pid,
        space: &AddressSpace,
        modules: &mut Modules,
        registers: &Registers,
        stack: &[u8],
        chain: &[u64],
    ) -> UserStack {
        let mut walk = Walk {
            tables: &mut self.tables,
            pid,
            space,
            modules,
            copied: Copied { start: registers.sp, bytes: stack },
            position: Position::new(registers),
            last: registers.ip,
            addresses: vec![registers.ip],
        };
        let cut = !(walk.reach_start() || walk.along_chain(chain));
        UserStack { addresses: walk.addresses, cut }
    }

    /// Forgets a process that has gone or has started another program.
    pub fn forget(&mut self, pid: Pid) {
        self.tables.forget(pid);
    }
}

/// The way of one sample.
struct Walk<'a> {
    tables: &'a mut Tables,
    pid: Pid,
    space: &'a AddressSpace,
    modules: &'a mut Modules,
    copied: Copied<'a>,
    position: Position,
    /// Instruction pointer or return address of the last frame.
    last: u64,
    addresses: Vec<u64>,
}

impl Walk<'_> {
    /// Follows the copied stack as far as it goes; whether that was the thread's start.
    fn reach_start(&mut self) -> bool {
        while self.addresses.len() < FRAMES_MAX {
            let first = self.addresses.len() == 1;
            let inside = if first { self.last } else { self.last.wrapping_sub(1) };
            let Some(mapping) = self.space.find(inside) else { return false };
            if !self.tables.know(self.pid, mapping, inside, self.modules) {
                return false;
            }
            let before = self.position;
            let mut step = self.tables.step(self.pid, self.last, first, &mut self.position, &self.copied);
            if let Step::Caller(caller) = step
                && self.space.find(caller.wrapping_sub(1)).is_none()
            {
                step = Step::Lost;
            }
            // Code without tables that keeps no frame pointers either: small pieces between two functions of the runtime.
            if mapping.is_anonymous() && !matches!(step, Step::Caller(_)) {
                self.position = before;
                step = self.nearest_return().map_or(step, Step::Caller);
            }
            match step {
                Step::Caller(caller) => {
                    self.addresses.push(caller.wrapping_sub(1));
                    self.last = caller;
                }
                Step::Start => return true,
                Step::Lost => return false,
            }
        }
        false
    }

    /// The return address in the next few words of the stack, proven by the call before it: Python 3.12 lays such
    /// pieces between its functions, so that they have names.
    fn nearest_return(&mut self) -> Option<u64> {
        let stack_pointer = self.position.stack_pointer()?;
        for word in 0..PIECE_WORDS_MAX {
            let at = stack_pointer.checked_add(word * 8)?;
            let address = self.copied.word(at)?;
            let Some(mapping) = self.space.find(address.wrapping_sub(1)) else { continue };
            let offset =
                mapping.file_offset_of(address).and_then(|offset| offset.checked_sub(CALL_BYTES_MAX));
            let code = match (self.modules.open(self.pid, mapping), offset) {
                (Some(module), Some(offset)) => module.bytes().read(offset, CALL_BYTES_MAX),
                _ => None,
            };
            if code.is_some_and(|code| ends_with_call(&code)) {
                self.position.returned(address, at.checked_add(8)?);
                return Some(address);
            }
        }
        None
    }

    /// Goes on with the kernel's chain from the return address that both have; whether it led to the thread's start.
    fn along_chain(&mut self, chain: &[u64]) -> bool {
        let Some(met) = chain.iter().position(|address| *address == self.last) else { return false };
        for (index, address) in chain.iter().enumerate().skip(met + 1) {
            let inside = address.wrapping_sub(1);
            let Some(mapping) = self.space.find(inside).filter(|_| *address < FIRST_MARK) else {
                return false;
            };
            if self.addresses.len() >= FRAMES_MAX {
                return false;
            }
            self.tables.know(self.pid, mapping, inside, self.modules);
            self.addresses.push(inside);
            if index + 1 == chain.len() {
                return self.tables.is_start(self.pid, mapping, *address);
            }
        }
        false
    }
}

/// Whether the bytes before a return address are a call: of a fixed place, or of one that a register leads to.
fn ends_with_call(code: &[u8]) -> bool {
    let through_register =
        |at: usize| code.get(at) == Some(&0xff) && code.get(at + 1).is_some_and(|mode| (mode >> 3) & 7 == 2);
    code.get(2) == Some(&0xe8) || [0, 1, 3, 4, 5].into_iter().any(through_register)
}

#[cfg(test)]
mod tests;
