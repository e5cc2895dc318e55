//! Where CPU time goes: a thread that empties the rings while the window lasts, and the names afterwards.

use super::counters::Counting;
use super::events::{self, Rings, Whom};
use super::perf::{online_cpus, threads};
use super::stacks::{IDLE, Program, Seen, Stack, Stacks, UNNAMED};
use super::symbols::Symbols;
use crate::model::profile::{
    Context, Counters, FrameName, SampledEvent, SampledProcess, SampledStack, Samples,
};
use crate::model::task::Pid;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How often the rings are emptied: a fifth of what they hold.
const DRAIN_EVERY: Duration = Duration::from_millis(100);

/// Processes whose frames get names besides those that are asked for.
const NAMED_MAX: usize = 10;

/// Sampling that is on.
pub struct Sampling {
    stop: Sender<()>,
    thread: JoinHandle<Harvest>,
}

/// What was sampled, still as addresses.
pub struct Harvest {
    stacks: Stacks,
    event: SampledEvent,
    frequency_hertz: u32,
    kernel_hidden: bool,
    attached: Option<Vec<Pid>>,
    counters: Option<Counters>,
    seconds: f64,
}

/// Starts to sample every CPU.
///
/// # Errors
///
/// What the kernel says to the last attempt.
pub fn every_cpu(frequency_hertz: u32) -> io::Result<Sampling> {
    start(Whom::EveryCpu, None, frequency_hertz)
}

/// Starts to sample the threads of `pids` and what they start from now on.
///
/// # Errors
///
/// What the kernel says to the last attempt; ESRCH when none of them is there any more.
pub fn attach(pids: &[Pid], frequency_hertz: u32) -> io::Result<Sampling> {
    let tids = pids.iter().flat_map(|pid| threads(*pid)).collect();
    start(Whom::Threads(tids), Some(pids.to_vec()), frequency_hertz)
}

fn start(whom: Whom, attached: Option<Vec<Pid>>, frequency_hertz: u32) -> io::Result<Sampling> {
    let frequency_hertz = frequency_hertz.min(rate_max().unwrap_or(u32::MAX)).max(1);
    let cpus = online_cpus()?;
    let mut rings = events::open(&whom, &cpus, frequency_hertz)?;
    let counting = Counting::start(&whom, &cpus, rings.kernel_hidden);
    rings.enable(true)?;
    let (stop, stopped) = channel();
    let thread = Builder::new()
        .name("diag-profile".to_owned())
        .spawn(move || drain(rings, counting, &stopped, frequency_hertz, attached))?;
    Ok(Sampling { stop, thread })
}

fn drain(
    mut rings: Rings,
    mut counting: Counting,
    stopped: &Receiver<()>,
    frequency_hertz: u32,
    attached: Option<Vec<Pid>>,
) -> Harvest {
    let began = Instant::now();
    let mut stacks = Stacks::new();
    loop {
        let over = !matches!(stopped.recv_timeout(DRAIN_EVERY), Err(RecvTimeoutError::Timeout));
        if over {
            // Samples that still come would be of the diagnosis itself; they do no harm.
            let _ = rings.enable(false);
        }
        stacks.take(rings.drain());
        if over {
            break;
        }
    }
    Harvest {
        stacks,
        event: rings.event,
        frequency_hertz,
        kernel_hidden: rings.kernel_hidden,
        attached,
        counters: counting.read(),
        seconds: began.elapsed().as_secs_f64(),
    }
}

impl Sampling {
    /// Stops it.
    ///
    /// # Errors
    ///
    /// When the thread that took the samples did not survive.
    pub fn finish(self) -> io::Result<Harvest> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| io::Error::other("the thread that took the samples has ended"))
    }
}

impl Harvest {
    /// Whether the kernel kept its own frames back.
    pub fn kernel_hidden(&self) -> bool {
        self.kernel_hidden
    }

    /// Gives names to the frames of `wanted` and of those with most samples; of the others only interrupts are kept.
    pub fn named(mut self, wanted: &dyn Fn(Pid) -> bool) -> Samples {
        let mut programs = std::mem::take(&mut self.stacks.programs);
        programs.retain(|program| program.samples_count > 0);
        programs.sort_by_key(|program| (std::cmp::Reverse(program.samples_count), program.pid));
        let mut names = Names::new(&programs);
        let processes = programs
            .iter()
            .enumerate()
            .map(|(rank, program)| {
                let named = program.pid != IDLE && (rank < NAMED_MAX || wanted(program.pid));
                names.process(program, named, &mut self.stacks)
            })
            .filter(|process| process.pid != IDLE || !process.stacks.is_empty())
            .collect();
        Samples {
            event: self.event,
            frequency_hertz: self.frequency_hertz,
            seconds: self.seconds,
            attached: self.attached,
            kernel_hidden: self.kernel_hidden,
            lost_count: self.stacks.lost_count,
            throttled_count: self.stacks.throttled_count,
            frames: names.frames,
            processes,
            counters: self.counters,
            syscalls: None,
            not_checked: Vec::new(),
        }
    }
}

/// The table of frames while it grows.
struct Names {
    symbols: Symbols,
    frames: Vec<FrameName>,
    indices: HashMap<FrameName, u32>,
    kernel: HashMap<u64, u32>,
}

impl Names {
    /// Names every address of the kernel at once.
    fn new(programs: &[Program]) -> Self {
        let stacks = programs.iter().flat_map(|program| program.stacks.keys());
        let addresses: BTreeSet<u64> = stacks.flat_map(|stack| &stack.kernel).copied().collect();
        let addresses: Vec<u64> = addresses.into_iter().collect();
        let mut names = Self {
            symbols: Symbols::new(),
            frames: Vec::new(),
            indices: HashMap::new(),
            kernel: HashMap::new(),
        };
        if !addresses.is_empty() {
            let found = names.symbols.kernel(&addresses);
            for (address, name) in addresses.into_iter().zip(found) {
                let index = names.index(name);
                names.kernel.insert(address, index);
            }
        }
        names
    }

    fn index(&mut self, name: FrameName) -> u32 {
        if let Some(index) = self.indices.get(&name) {
            return *index;
        }
        let index = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        self.frames.push(name.clone());
        self.indices.insert(name, index);
        index
    }

    fn process(&mut self, program: &Program, named: bool, of: &mut Stacks) -> SampledProcess {
        let mut user: HashMap<u64, u32> = HashMap::new();
        if named {
            let addresses: BTreeSet<u64> =
                program.stacks.keys().flat_map(|stack| &stack.user).copied().collect();
            let addresses: Vec<u64> = addresses.into_iter().collect();
            let found = self.symbols.user(program.pid, &program.space, &mut of.modules, &addresses);
            for (address, name) in addresses.into_iter().zip(found) {
                user.insert(address, self.index(name));
            }
        }
        let mut stacks: Vec<SampledStack> = Vec::new();
        for (stack, seen) in &program.stacks {
            let context = self.context(stack);
            if context == Context::Interrupt || named {
                stacks.push(self.stack(stack, *seen, context, &user));
            }
        }
        let stacks = merged(stacks);
        SampledProcess {
            pid: program.pid,
            ppid: program.ppid,
            comm: String::from_utf8_lossy(program.comm.as_deref().unwrap_or(UNNAMED)).into_owned(),
            executable: program.executable.as_deref().map(file_name),
            samples_count: program.samples_count,
            named,
            stacks,
        }
    }

    fn stack(&self, stack: &Stack, seen: Seen, context: Context, user: &HashMap<u64, u32>) -> SampledStack {
        let kernel = stack.kernel.iter().filter_map(|address| self.kernel.get(address));
        let user = stack.user.iter().filter_map(|address| user.get(address));
        SampledStack {
            frames: kernel.chain(user).copied().collect(),
            count: seen.count,
            weight: seen.period,
            thread: String::from_utf8_lossy(&stack.thread).into_owned(),
            context,
            cut: stack.cut,
        }
    }

    fn context(&self, stack: &Stack) -> Context {
        let mut symbols = stack.kernel.iter().filter_map(|address| {
            self.frames.get(usize::try_from(*self.kernel.get(address)?).ok()?)?.symbol.as_deref()
        });
        if symbols.any(is_interrupt) { Context::Interrupt } else { Context::Thread }
    }
}

/// Where the kernel handles an interrupt, hard or soft: kernel `arch/x86/kernel/irq.c`, `arch/arm64/kernel/entry-common.c`,
/// `kernel/softirq.c`.
fn is_interrupt(symbol: &str) -> bool {
    matches!(
        symbol,
        "handle_softirqs"
            | "__do_softirq"
            | "__softirqentry_text_start"
            | "common_interrupt"
            | "asm_common_interrupt"
            | "do_IRQ"
            | "el1_interrupt"
            | "el0_interrupt"
            | "gic_handle_irq"
            | "handle_irq_event"
    ) || symbol.starts_with("sysvec_")
        || symbol.starts_with("asm_sysvec_")
}

/// What makes two stacks the same: frames, thread, context, whether it is cut.
type Same = (Vec<u32>, String, Context, bool);

/// Stacks that differ in addresses alone are one; most seen first.
fn merged(stacks: Vec<SampledStack>) -> Vec<SampledStack> {
    let mut by_frames: HashMap<Same, (u64, u64)> = HashMap::new();
    for stack in stacks {
        let sums = by_frames.entry((stack.frames, stack.thread, stack.context, stack.cut)).or_default();
        sums.0 += stack.count;
        sums.1 = sums.1.saturating_add(stack.weight);
    }
    let mut merged: Vec<SampledStack> = by_frames
        .into_iter()
        .map(|((frames, thread, context, cut), (count, weight))| SampledStack {
            frames,
            count,
            weight,
            thread,
            context,
            cut,
        })
        .collect();
    merged.sort_by(|a, b| {
        let key = |stack: &SampledStack| (std::cmp::Reverse(stack.weight), std::cmp::Reverse(stack.count));
        let same = || (&a.frames, &a.thread, a.context, a.cut).cmp(&(&b.frames, &b.thread, b.context, b.cut));
        key(a).cmp(&key(b)).then_with(same)
    });
    merged
}

fn file_name(path: &[u8]) -> String {
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    String::from_utf8_lossy(name).into_owned()
}

/// `kernel.perf_event_max_sample_rate`, which the kernel lowers where samples take it long.
fn rate_max() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/perf_event_max_sample_rate").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_equal_names_are_one() {
        let stack = |frames: &[u32], count| SampledStack {
            frames: frames.to_vec(),
            count,
            weight: count * 10,
            thread: "a".to_owned(),
            context: Context::Thread,
            cut: false,
        };
        let found = merged(vec![stack(&[1], 1), stack(&[2], 2), stack(&[1], 4)]);
        assert_eq!(found, [stack(&[1], 5), stack(&[2], 2)]);
    }

    #[test]
    fn names_of_programs() {
        assert_eq!(file_name(b"/usr/bin/python3.12 (deleted)"), "python3.12");
        assert_eq!(file_name(b"/\xff"), "\u{fffd}");
    }
}
