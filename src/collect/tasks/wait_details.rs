//! What a waiting thread waits in: in which system call, about what, below which functions of the kernel, and for
//! whom.
//!
//! Files: `/proc/PID/task/TID/syscall` and `stack` (proc_pid_syscall(5), proc_pid_stack(5)), the link
//! `/proc/PID/fd/N`, the word of a futex in `/proc/PID/mem`, `/proc/locks`. They cost three times what state and wait
//! channel do, so they are read of every few looks that see the same. Known lies: each is an observation of its own,
//! between which the thread may have run, so one whose stack does not hold its wait channel is left out. `stack` needs
//! CAP_SYS_ADMIN, `syscall` and `mem` the right to trace.

use crate::collect::kernel::file_locks;
use crate::collect::root::{LockWord, Root, Says};
use crate::collect::tasks::scan::Scratch;
use crate::collect::tasks::thread_files::TaskRef;
use crate::model::reading::{Absence, AbsenceKind};
use crate::model::syscall::{Subject, name_on, subject};
use crate::model::task::{Pid, State, WaitChannel};
use crate::model::wait::{Wait, sleeps_for_a_file_lock, sleeps_in_futex};
use crate::model::wait_details::{About, Inside, Refused, WaitDetail};
use std::collections::HashMap;
use std::time::Duration;

/// Of so many samples that see a thread wait, one also reads its details.
const WAITING_EVERY: u32 = 4;

/// The same for a thread that appears idle.
const IDLE_EVERY: u32 = 16;

/// WaitReader looks in one sample.
const SAMPLE_MAX: u32 = 32;

/// Different findings that are kept of one thread, and of all.
const THREAD_MAX: usize = 24;
const ALL_MAX: usize = 16_384;

/// What the two files are called where they are refused.
const STACK: &str = "/proc/PID/task/TID/stack";
const SYSCALL: &str = "/proc/PID/task/TID/syscall";

/// Functions of one stack that are kept.
const FRAMES_MAX: usize = 48;

/// Bytes of one name; longer ones are no functions.
const NAME_BYTES_MAX: usize = 128;

/// Processes that refuse before all are taken to: a sandbox refuses root as well, and a lack of rights is one for all.
const REFUSALS_MAX: usize = 3;

/// How long a look into a process's memory may take.
const DEADLINE: Duration = Duration::from_millis(50);

/// What was already found out within this sample, where a capture keeps each answer once.
#[derive(Default)]
struct Told {
    owners: HashMap<(Pid, u64), Option<Pid>>,
    files: HashMap<(Pid, u64), Option<String>>,
    locks: Option<Vec<(Pid, Pid)>>,
}

/// Reads what waiting threads wait in, and remembers what is refused.
pub struct WaitReader {
    wanted: bool,
    arch: String,
    left: u32,
    kept: usize,
    refused: Refused,
    stack_seen: bool,
    told: Told,
}

impl WaitReader {
    /// Reads where that is `wanted`; from a capture, what the recorded run read. `arch` is the machine's architecture.
    pub(in crate::collect) fn new(wanted: bool, arch: Option<&str>) -> Self {
        let arch = arch.unwrap_or("").to_owned();
        let (refused, told) = Default::default();
        Self { wanted, arch, left: SAMPLE_MAX, kept: 0, refused, stack_seen: false, told }
    }

    /// Begins a sample.
    pub(in crate::collect) fn begin(&mut self) {
        self.left = SAMPLE_MAX;
        self.told = Told::default();
    }

    /// What was refused.
    pub(in crate::collect) fn into_refused(self) -> Refused {
        self.refused
    }

    /// Reads the details of a thread that was just seen in this state for the `seen`th time, if it is its turn.
    pub(in crate::collect) fn look(
        &mut self,
        root: &Root,
        task: TaskRef,
        (state, wait_channel): (State, &Option<WaitChannel>),
        seen: u32,
        looks: &mut Vec<WaitDetail>,
        scratch: &mut Scratch,
    ) {
        if !matches!(state, State::Sleeping | State::Uninterruptible) {
            return;
        }
        let function = wait_channel.as_ref().and_then(WaitChannel::function);
        let due = self.wanted && self.left > 0 && is_turn(state, function, seen);
        self.left = self.left.saturating_sub(u32::from(due));
        let Some(inside) = self.inside(root, task, function, due, scratch) else { return };
        let same = |look: &&mut WaitDetail| {
            look.state == state && look.wait_channel == *wait_channel && look.inside == inside
        };
        if let Some(look) = looks.iter_mut().find(same) {
            look.count = look.count.saturating_add(1);
        } else if looks.len() < THREAD_MAX && self.kept < ALL_MAX {
            self.kept += 1;
            looks.push(WaitDetail { state, wait_channel: wait_channel.clone(), inside, count: 1 });
        }
    }

    fn inside(
        &mut self,
        root: &Root,
        task: TaskRef,
        function: Option<&str>,
        due: bool,
        scratch: &mut Scratch,
    ) -> Option<Inside> {
        let call = self.call(root, task, due, scratch);
        let stack = self.stack(root, task, due && call != Some(Call::Runs), scratch);
        let slept = match (&stack, function) {
            // Woken between the two looks, and asleep again elsewhere.
            (Some(stack), Some(function)) => stack.iter().any(|frame| frame == function),
            (Some(stack), None) => !stack.is_empty(),
            (None, _) => true,
        };
        if !slept || call == Some(Call::Runs) || (call.is_none() && stack.is_none()) {
            return None;
        }
        let mut inside = Inside { stack: stack.unwrap_or_default(), ..Inside::default() };
        if let Some(Call::In(call)) = call {
            inside.syscall = Some(call.number);
            self.add_about(root, task, &call, function, &mut inside, scratch);
        }
        Some(inside)
    }

    /// The system call; none where it was not asked for, or is not told.
    fn call(&mut self, root: &Root, task: TaskRef, due: bool, scratch: &mut Scratch) -> Option<Call> {
        let refused = self.refused.syscalls.contains_key(&task.pid);
        task.path("syscall", &mut scratch.path);
        if !root.wants(&scratch.path, due && !refused) {
            return None;
        }
        match root.read_once(&scratch.path, &mut scratch.bytes) {
            Ok(()) => parse_syscall(&scratch.bytes),
            Err(absence) => {
                if absence.kind != AbsenceKind::Vanished {
                    self.refused.syscalls.insert(task.pid, Absence::new(SYSCALL, absence.kind));
                }
                None
            }
        }
    }

    fn stack(&mut self, root: &Root, task: TaskRef, due: bool, scratch: &mut Scratch) -> Option<Vec<String>> {
        task.path("stack", &mut scratch.path);
        if !root.wants(&scratch.path, due && self.refused.stack_of(task.pid).is_none()) {
            return None;
        }
        match root.read(&scratch.path, &mut scratch.bytes) {
            Ok(()) => {
                (self.stack_seen, self.refused.every_stack) = (true, false);
                Some(parse_stack(&scratch.bytes))
            }
            Err(absence) => {
                if absence.kind != AbsenceKind::Vanished {
                    self.refused.stacks.insert(task.pid, Absence::new(STACK, absence.kind));
                    self.refused.every_stack = !self.stack_seen && self.refused.stacks.len() >= REFUSALS_MAX;
                }
                None
            }
        }
    }

    fn add_about(
        &mut self,
        root: &Root,
        task: TaskRef,
        call: &SyscallLine,
        function: Option<&str>,
        inside: &mut Inside,
        scratch: &mut Scratch,
    ) {
        // A program of 32 bits: its numbers and its locks are others.
        if u32::try_from(call.stack_pointer).is_ok() {
            inside.syscall = None;
            return;
        }
        let Some(name) = name_on(&self.arch, call.number) else { return };
        match subject(name) {
            Subject::Descriptor => {
                let file = call.arguments[0];
                let target = self.told.files.entry((task.pid, file)).or_insert_with(|| {
                    let file = i32::try_from(file).ok()?;
                    root.link(&format!("proc/{}/fd/{file}", task.pid)).ok()
                });
                inside.about = target.clone().map(About::Descriptor);
            }
            Subject::Futex => {
                inside.about = Some(About::Futex(call.arguments[0]));
                inside.holder = self.owner(root, task.pid, call).filter(|owner| *owner != task.tid);
            }
            // A path is in the memory of the process.
            Subject::Path | Subject::PathAt | Subject::None => {}
        }
        if function.is_some_and(sleeps_for_a_file_lock) {
            let read = || file_locks::read(root, &mut scratch.bytes).unwrap_or_default();
            let locks = self.told.locks.get_or_insert_with(read);
            let holder = locks.iter().find(|(waiting, _)| *waiting == task.pid);
            inside.holder = holder.map(|(_, holder)| *holder);
        }
    }

    fn owner(&mut self, root: &Root, pid: Pid, call: &SyscallLine) -> Option<Pid> {
        let word = lock_word(call)?;
        *self
            .told
            .owners
            .entry((pid, word.address))
            .or_insert_with(|| root.lock_owner(pid, word, DEADLINE).ok().flatten())
    }
}

/// The lock that a thread in futex(2) waits for; none where it waits for something else, by what it expects there.
fn lock_word(call: &SyscallLine) -> Option<LockWord> {
    const PRIVATE: u64 = 128;
    const CLOCK_REALTIME: u64 = 256;
    // What glibc expects in a taken mutex: that there are waiters, or its owner and that there are waiters.
    const TAKEN: u64 = 2;
    const HAS_WAITERS: u64 = 1 << 31;
    let [address, operation, expected, ..] = call.arguments;
    let (operation, expected) = (operation & u64::from(u32::MAX), expected & u64::from(u32::MAX));
    let says = match operation & !(PRIVATE | CLOCK_REALTIME) {
        // FUTEX_WAIT, FUTEX_WAIT_BITSET
        0 | 9 if expected == TAKEN => Says::Taken,
        0 | 9 if expected & HAS_WAITERS != 0 => Says::MaybeOwner,
        // FUTEX_LOCK_PI, FUTEX_LOCK_PI2
        6 | 13 => Says::Owner,
        _ => return None,
    };
    Some(LockWord { address, says, shared: operation & PRIVATE == 0 })
}

/// Whether the sample that saw a thread in its state for the `seen`th time also reads its details.
fn is_turn(state: State, function: Option<&str>, seen: u32) -> bool {
    let waits = state == State::Uninterruptible
        || function.is_some_and(sleeps_in_futex)
        || matches!(Wait::of_sleeping(function, false), Wait::Lock | Wait::Network);
    let every = if waits { WAITING_EVERY } else { IDLE_EVERY };
    seen <= 1 || seen.is_multiple_of(every)
}

/// What `syscall` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// It runs by now.
    Runs,
    /// It sleeps outside of a system call: a page fault, a thread of the kernel.
    Outside,
    /// It sleeps in one.
    In(SyscallLine),
}

/// A system call that a thread sleeps in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyscallLine {
    /// Number.
    pub number: u64,
    /// Arguments.
    pub arguments: [u64; 6],
    /// Stack of the program.
    pub stack_pointer: u64,
}

/// Parses `syscall`: `running`, or a number with six arguments, or -1 without any, then stack and program counter.
pub fn parse_syscall(bytes: &[u8]) -> Option<Call> {
    let text = str::from_utf8(bytes).ok()?.trim_ascii();
    if text == "running" {
        return Some(Call::Runs);
    }
    let mut fields = text.split_ascii_whitespace();
    let number = fields.next()?;
    if number == "-1" {
        return Some(Call::Outside);
    }
    let number = number.parse().ok()?;
    let mut hexadecimal = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = hexadecimal()?;
    }
    Some(Call::In(SyscallLine { number, arguments, stack_pointer: hexadecimal()? }))
}

/// Parses `stack`: a function in each line, the innermost first, between an address that is hidden or not, and an offset.
pub fn parse_stack(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|&byte| byte == b'\n').take(FRAMES_MAX);
    lines.filter_map(function_of).map(str::to_owned).collect()
}

/// The function in `[<0>] submit_bio_wait+0x5a/0x80 [module]`.
fn function_of(line: &[u8]) -> Option<&str> {
    let text = str::from_utf8(line.trim_ascii()).ok()?;
    let place = if text.starts_with("[<") { text.split_once(">]")?.1.trim_start() } else { text };
    let function = place.split([' ', '+']).next()?;
    let named = !function.is_empty() && !function.starts_with("0x") && function.len() <= NAME_BYTES_MAX;
    (named && function.bytes().all(|byte| byte.is_ascii_graphic())).then_some(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_several_kernels() {
        let text = b"[<0>] submit_bio_wait+0x5a/0x80\n[<0>] blkdev_issue_flush+0x4e/0x70\n\
            [<0>] ext4_sync_file+0x123/0x390 [ext4]\n[<0>] do_fsync+0x38/0x70\n[<0>] __x64_sys_fsync+0x13/0x20\n";
        let expected =
            ["submit_bio_wait", "blkdev_issue_flush", "ext4_sync_file", "do_fsync", "__x64_sys_fsync"];
        assert_eq!(parse_stack(text), expected);
        let old =
            b"[<ffffffff810b5f32>] futex_wait_queue_me+0xc2/0x120\n[<ffffffffffffffff>] 0xffffffffffffffff\n";
        assert_eq!(parse_stack(old), ["futex_wait_queue_me"]);
    }

    #[test]
    fn a_stack_of_something_else_is_bounded() {
        assert_eq!(parse_stack(b""), [""; 0]);
        assert_eq!(parse_stack(b"[<0>]\n[<0>] \n+0x1/0x2\n[<0 x\n\xff\xfe\n[<0>] a\x1b[2J+0x1"), [""; 0]);
        assert_eq!(parse_stack(&b"[<0>] f+0x1/0x2\n".repeat(10_000)).len(), FRAMES_MAX);
        assert_eq!(parse_stack(&b"f".repeat(1 << 20)), [""; 0]);
    }

    #[test]
    fn a_call_has_a_number_six_arguments_and_a_stack() {
        let text = b"202 0x7f0102030405 0x80 0x2 0x0 0x0 0xffffffff 0x7ffd00000000 0x7f0000001234\n";
        let Some(Call::In(line)) = parse_syscall(text) else { panic!() };
        assert_eq!((line.number, line.arguments[0], line.arguments[2]), (202, 0x7f01_0203_0405, 2));
        assert_eq!(line.stack_pointer, 0x7ffd_0000_0000);
        assert_eq!(parse_syscall(b"running\n"), Some(Call::Runs));
        assert_eq!(parse_syscall(b"-1 0x7ffd00000000 0x7f0000001234\n"), Some(Call::Outside));
        for text in [&b""[..], b"x", b"1 0x1", b"1 1 2 3 4 5 6 7 8", b"\xff", b"99999999999999999999 0x1"] {
            assert_eq!(parse_syscall(text), None);
        }
        for length in 0..text.len() {
            let _ = (parse_syscall(&text[..length]), parse_stack(&text[..length]));
        }
    }

    fn futex(operation: u64, expected: u64) -> Option<LockWord> {
        let arguments = [0x1000, operation, expected, 0, 0, 0];
        lock_word(&SyscallLine { number: 202, arguments, stack_pointer: 1 << 40 })
    }

    #[test]
    fn only_what_waits_for_a_lock_is_asked_for_its_owner() {
        assert_eq!(futex(128, 2), Some(LockWord { address: 0x1000, says: Says::Taken, shared: false }));
        assert_eq!(futex(0, 2), Some(LockWord { address: 0x1000, says: Says::Taken, shared: true }));
        assert_eq!(futex(134, 0), Some(LockWord { address: 0x1000, says: Says::Owner, shared: false }));
        assert_eq!(futex(128, 0x8000_032c).map(|word| word.says), Some(Says::MaybeOwner));
        // A timed lock of glibc.
        assert!(futex(393, 2).is_some());
        // A condition variable, an idle thread, a wake.
        for (operation, expected) in [(137, 0), (128, 1), (129, 2)] {
            assert_eq!(futex(operation, expected), None);
        }
    }

    #[test]
    fn details_are_read_more_often_of_waiting_than_of_idle_threads() {
        let turns = |state, function| (1..=32).filter(|seen| is_turn(state, Some(function), *seen)).count();
        assert_eq!(turns(State::Uninterruptible, "submit_bio_wait"), 9);
        assert_eq!(turns(State::Sleeping, "futex_do_wait"), 9);
        assert_eq!(turns(State::Sleeping, "do_epoll_wait"), 3);
    }
}
