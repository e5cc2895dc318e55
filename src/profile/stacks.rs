//! Records become stacks of processes, counted: what is left of a window of samples.

use super::events::{FP, IP, LR, SP};
use super::mappings::AddressSpace;
use super::modules::Modules;
use super::record::{Record, Sample};
use super::unwind::{Registers, Unwinder};
use crate::model::task::Pid;
use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

/// Different stacks of all processes; of further ones only the innermost frame is kept.
const STACKS_MAX: usize = 50_000;

/// Processes; samples of further ones count as lost.
const PROCESSES_MAX: usize = 20_000;

/// The idle task, of which there is one on each CPU.
pub(super) const IDLE: Pid = 0;

/// Name of a process that was gone before it could be asked.
pub(super) const UNNAMED: &[u8] = b"?";

/// Samples of one program: a process from one exec(2) to the next.
pub(super) struct Program {
    pub(super) pid: Pid,
    pub(super) ppid: Option<Pid>,
    /// None where it had gone before it was asked.
    pub(super) comm: Option<Arc<[u8]>>,
    pub(super) executable: Option<Vec<u8>>,
    pub(super) samples_count: u64,
    pub(super) space: AddressSpace,
    /// Whether `space` is known, from the process itself or from what it mapped.
    mapped: bool,
    threads: HashMap<Pid, Arc<[u8]>>,
    pub(super) stacks: HashMap<Stack, Seen>,
}

/// One stack, the innermost frame first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stack {
    pub(super) thread: Arc<[u8]>,
    pub(super) kernel: Vec<u64>,
    pub(super) user: Vec<u64>,
    pub(super) cut: bool,
}

/// How often a stack was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) count: u64,
    /// Sum of the samples' periods: nanoseconds of cpu-clock, cycles.
    pub(super) period: u64,
}

impl Program {
    fn new(pid: Pid, ppid: Option<Pid>, comm: Option<Arc<[u8]>>) -> Self {
        Self {
            pid,
            ppid,
            comm,
            executable: None,
            samples_count: 0,
            space: AddressSpace::default(),
            mapped: false,
            threads: HashMap::new(),
            stacks: HashMap::new(),
        }
    }
}

/// What was seen so far.
pub(super) struct Stacks {
    pub(super) programs: Vec<Program>,
    /// Index of the program that a process runs now.
    live: HashMap<Pid, usize>,
    /// Places of programs that ended without a sample.
    free: Vec<usize>,
    pub(super) modules: Modules,
    unwinder: Unwinder,
    stacks_count: usize,
    pub(super) lost_count: u64,
    pub(super) throttled_count: u64,
}

impl Stacks {
    pub(super) fn new() -> Self {
        Self {
            programs: Vec::new(),
            live: HashMap::new(),
            free: Vec::new(),
            modules: Modules::new(),
            unwinder: Unwinder::new(),
            stacks_count: 0,
            lost_count: 0,
            throttled_count: 0,
        }
    }

    /// Takes records in the order of time.
    pub(super) fn take(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Sample(sample) => self.sample(&sample),
                Record::Comm { pid, tid, comm, exec } => self.renamed(pid, tid, comm.into(), exec),
                Record::Mmap { pid, mapping } => {
                    // What an unknown process maps is not all that it has mapped: its first sample reads the rest.
                    if let Some(program) = self.of(pid).filter(|program| program.mapped) {
                        if program.executable.is_none() {
                            program.executable = Some(mapping.path.clone());
                        }
                        program.space.add(mapping);
                    }
                }
                Record::Fork { pid, parent_pid } => self.forked(pid, parent_pid),
                Record::Exit { pid, tid } => {
                    if pid == tid {
                        self.ended(pid);
                    } else if let Some(program) = self.of(pid) {
                        program.threads.remove(&tid);
                    }
                }
                Record::Lost(count) => self.lost_count = self.lost_count.saturating_add(count),
                Record::Throttled => self.throttled_count += 1,
            }
        }
    }

    fn of(&mut self, pid: Pid) -> Option<&mut Program> {
        self.live.get(&pid).and_then(|index| self.programs.get_mut(*index))
    }

    /// A process runs a program from now on. One without a sample makes room for the next one.
    fn add(&mut self, program: Program) -> Option<usize> {
        let pid = program.pid;
        self.ended(pid);
        let index = match self.free.pop() {
            Some(index) => {
                self.programs[index] = program;
                index
            }
            None if self.programs.len() >= PROCESSES_MAX => return None,
            None => {
                self.programs.push(program);
                self.programs.len() - 1
            }
        };
        self.live.insert(pid, index);
        Some(index)
    }

    fn ended(&mut self, pid: Pid) {
        self.unwinder.forget(pid);
        if let Some(index) = self.live.remove(&pid)
            && self.programs[index].samples_count == 0
        {
            self.free.push(index);
        }
    }

    fn forked(&mut self, pid: Pid, parent_pid: Pid) {
        if pid == parent_pid {
            return;
        }
        let mut child = Program::new(pid, Some(parent_pid), None);
        if let Some(parent) = self.of(parent_pid) {
            child.comm.clone_from(&parent.comm);
            child.space = parent.space.clone();
            child.mapped = parent.mapped;
            child.executable.clone_from(&parent.executable);
        }
        self.add(child);
    }

    fn renamed(&mut self, pid: Pid, tid: Pid, comm: Arc<[u8]>, exec: bool) {
        if exec {
            let ppid = self.of(pid).and_then(|program| program.ppid);
            let mut program = Program::new(pid, ppid, Some(comm));
            // From here on it tells everything that it maps.
            program.mapped = true;
            self.add(program);
        } else if let Some(program) = self.of(pid) {
            if tid == pid {
                program.comm = Some(Arc::clone(&comm));
            }
            program.threads.insert(tid, comm);
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let Some(index) = self.sampled_program(sample.pid) else {
            self.lost_count += 1;
            return;
        };
        let program = &mut self.programs[index];
        let known = program.threads.get(&sample.tid).map(Arc::clone);
        let thread = known.unwrap_or_else(|| {
            let name = thread_name(sample.pid, sample.tid).or_else(|| program.comm.clone());
            let name = name.unwrap_or_else(|| UNNAMED.into());
            program.threads.insert(sample.tid, Arc::clone(&name));
            name
        });
        let (mut user, mut cut) = (calls(&sample.user), false);
        if sample.pid == IDLE {
            // Also threads outside of this namespace of processes: they have no memory that could be looked at.
            user.clear();
        } else if let Some(words) = &sample.registers {
            let word = |index: usize| words.get(index).copied().unwrap_or(0);
            let registers = Registers { ip: word(IP), sp: word(SP), fp: word(FP), lr: LR.map(word) };
            let stack = self.unwinder.unwind(
                sample.pid,
                &program.space,
                &mut self.modules,
                &registers,
                &sample.stack,
                &sample.user,
            );
            (user, cut) = (stack.addresses, stack.cut);
        }
        let mut stack = Stack { thread, kernel: calls(&sample.kernel), user, cut };
        if self.stacks_count >= STACKS_MAX && !program.stacks.contains_key(&stack) {
            let in_kernel = !stack.kernel.is_empty();
            stack.kernel.truncate(1);
            stack.user.truncate(usize::from(!in_kernel));
            stack.cut = true;
        }
        program.samples_count += 1;
        let seen = program.stacks.entry(stack).or_insert_with(|| {
            self.stacks_count += 1;
            Seen::default()
        });
        seen.count += 1;
        seen.period = seen.period.saturating_add(sample.period);
    }

    /// The program that a sample is of. One that was there before the sampling is asked for what it has mapped.
    fn sampled_program(&mut self, pid: Pid) -> Option<usize> {
        let index = match self.live.get(&pid) {
            Some(index) => *index,
            None => self.add(Program::new(pid, None, None))?,
        };
        let program = &mut self.programs[index];
        if pid == IDLE {
            program.comm.get_or_insert_with(|| b"swapper"[..].into());
        } else if !program.mapped {
            program.mapped = true;
            if program.comm.is_none() {
                program.comm = thread_name(pid, pid);
            }
            // Gone already, or a thread of the kernel: its addresses stay without names.
            if let Ok(space) = AddressSpace::read(pid) {
                program.space = space;
            }
            program.executable = fs::read_link(format!("/proc/{pid}/exe"))
                .ok()
                .map(|path| path.as_os_str().as_bytes().to_vec());
        }
        Some(index)
    }
}

/// The first address is where it was, the others are where calls return to: one byte before is still the call.
fn calls(chain: &[u64]) -> Vec<u64> {
    chain.iter().enumerate().map(|(index, at)| at.saturating_sub(u64::from(index > 0))).collect()
}

fn thread_name(pid: Pid, tid: Pid) -> Option<Arc<[u8]>> {
    let text = fs::read(Path::new(&format!("/proc/{pid}/task/{tid}/comm"))).ok()?;
    Some(text.strip_suffix(b"\n").unwrap_or(&text).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::mappings::Mapping;

    /// A process id that no process has.
    const NOBODY: Pid = i32::MAX;

    fn sample(pid: Pid, user: &[u64]) -> Record {
        Record::Sample(Box::new(Sample {
            pid,
            tid: pid,
            period: 10,
            user: user.to_vec(),
            ..Sample::default()
        }))
    }

    fn comm(pid: Pid, name: &[u8], exec: bool) -> Record {
        Record::Comm { pid, tid: pid, comm: name.to_vec(), exec }
    }

    #[test]
    fn equal_stacks_are_counted() {
        let mut stacks = Stacks::new();
        stacks.take(vec![sample(NOBODY, &[1, 2]), sample(NOBODY, &[1, 2]), sample(NOBODY, &[3])]);
        stacks.take(vec![Record::Lost(4), Record::Throttled]);
        let program = &stacks.programs[0];
        assert_eq!((program.samples_count, program.stacks.len()), (3, 2));
        let most = program.stacks.values().max_by_key(|seen| seen.count).unwrap();
        assert_eq!(*most, Seen { count: 2, period: 20 });
        assert_eq!((stacks.lost_count, stacks.throttled_count), (4, 1));
    }

    #[test]
    fn a_child_has_the_memory_of_its_parent_until_it_runs_another_program() {
        let mut stacks = Stacks::new();
        let mapping = |path: &[u8]| Mapping {
            start: 0x1000,
            end: 0x2000,
            file_offset: 0,
            path: path.to_vec(),
            file: None,
        };
        let (parent, child) = (NOBODY - 1, NOBODY);
        stacks.take(vec![
            comm(parent, b"sh", true),
            Record::Mmap { pid: parent, mapping: mapping(b"/bin/sh") },
            Record::Fork { pid: child, parent_pid: parent },
            sample(child, &[0x1000]),
            comm(child, b"worker", true),
            Record::Mmap { pid: child, mapping: mapping(b"/bin/worker") },
            sample(child, &[0x1000]),
            Record::Exit { pid: child, tid: child },
            // The number is given to another process.
            sample(child, &[0x1000]),
        ]);
        let seen: Vec<_> = stacks
            .programs
            .iter()
            .map(|program| {
                let path = program.space.find(0x1000).map(|mapping| mapping.path.clone());
                let comm = program.comm.as_ref().map(|comm| comm.to_vec());
                (program.pid, program.ppid, comm, path, program.samples_count)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (parent, None, Some(b"sh".to_vec()), Some(b"/bin/sh".to_vec()), 0),
                (child, Some(parent), Some(b"sh".to_vec()), Some(b"/bin/sh".to_vec()), 1),
                (child, Some(parent), Some(b"worker".to_vec()), Some(b"/bin/worker".to_vec()), 1),
                (child, None, None, None, 1),
            ]
        );
        assert_eq!(stacks.programs[2].executable.as_deref(), Some(&b"/bin/worker"[..]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut stacks = Stacks::new();
        let count = STACKS_MAX as u64 + 100;
        stacks.take((0..count).map(|address| sample(NOBODY, &[address % 7, address])).collect());
        assert!(stacks.programs[0].stacks.len() <= STACKS_MAX + 7);
        assert_eq!(stacks.programs[0].samples_count, count);
    }
}
