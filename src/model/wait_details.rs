//! Details of threads that wait: the system call, its file or lock, the kernel stack, and who holds the lock; and
//! what is made of them.

use crate::model::reading::Absence;
use crate::model::target::FollowedThread;
use crate::model::task::{CgroupPaths, Comm, Pid, State, WaitChannel};
use crate::model::wait::Wait;
use std::collections::{BTreeMap, BTreeSet};

/// What a thread was found in when it was looked at closer, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseLook {
    /// State.
    pub state: State,
    /// Where it slept.
    pub wait_channel: Option<WaitChannel>,
    /// What it waits in.
    pub inside: Inside,
    /// Looks that found just this.
    pub count: u32,
}

/// The detail of a wait.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Inside {
    /// Number of the system call; none in a page fault, in a thread of the kernel, and where it may not be known.
    pub syscall: Option<u64>,
    /// What the call is about.
    pub about: Option<About>,
    /// Thread or process that held the lock which it waits for, where that was told.
    pub holder: Option<Pid>,
    /// Kernel stack, the innermost function first.
    pub stack: Vec<String>,
}

/// What a system call is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// What its descriptor links to: a path, `socket:[812]`, `pipe:[7]`.
    Descriptor(String),
    /// The address of a lock's word in the process.
    Futex(u64),
}

/// Which closer looks were refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refused {
    /// Processes whose kernel stacks could not be read, and why.
    pub stacks: BTreeMap<Pid, Absence>,
    /// Whether none of any process could, so that it was not tried again.
    pub every_stack: bool,
    /// Processes whose system calls could not be read, and why.
    pub syscalls: BTreeMap<Pid, Absence>,
}

impl Refused {
    /// Why the kernel stacks of a process could not be read.
    pub fn stack_of(&self, pid: Pid) -> Option<&Absence> {
        let any = || self.stacks.values().next().filter(|_| self.every_stack);
        self.stacks.get(&pid).or_else(any)
    }
}

/// The threads of the processes that were seen running or blocked most, followed whatever they did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WatchReadings {
    /// Threads, each from its first look on.
    pub threads: Vec<FollowedThread>,
    /// Control groups of their processes.
    pub cgroups: BTreeMap<Pid, CgroupPaths>,
}

/// Where the threads of all processes that were looked at spent their time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WaitRates {
    /// The threads.
    pub threads: Vec<ThreadWaits>,
    /// Processes all of whose threads were followed, up to the limits; of others those that were hot.
    pub followed: BTreeSet<Pid>,
    /// What was refused.
    pub refused: Refused,
}

/// Where one thread spent its time.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadWaits {
    /// Process.
    pub pid: Pid,
    /// Thread.
    pub tid: Option<Pid>,
    /// Name.
    pub comm: Comm,
    /// The parts of its time.
    pub spans: Vec<WaitSpan>,
}

/// Time that a thread spent in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSpan {
    /// What it did.
    pub wait: Wait,
    /// Kernel function that it slept in.
    pub function: Option<String>,
    /// In what; empty for threads whose details were not read.
    pub inside: Inside,
    /// How long.
    pub seconds: f64,
}
