//! Sampled thread states: what the load average is made of.
//!
//! The load average counts threads in R and D, and no counter of the kernel says which. So the threads are
//! looked at many times within the window. Threads that were lately seen running or blocked ("hot") are
//! looked at in every sample; the others take turns, as many per sample as the budget allows, and what is
//! seen of them counts for the turns they missed. Reads race with the threads: state and wait channel are
//! separate observations (kernel `fs/proc/array.c`, `fs/proc/base.c`).

use crate::collect::root::Root;
use crate::collect::tasks::observation::{CLOCK_EVERY, add_last_clock, add_look, is_load, observation};
use crate::collect::tasks::scan::Scratch;
use crate::collect::tasks::thread_files::{
    TaskRef, read_clock, read_cpus_allowed, read_process_stat, read_task_stat, read_wait_channel,
};
use crate::model::reading::AbsenceKind;
use crate::model::snapshot::StateSamples;
use crate::model::task::{Pid, ProcessReading, State, TaskStat, ThreadClock, ThreadObservation, WaitChannel};
use crate::model::wait::sleeps_in_futex;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Quiet looks after which a thread takes turns again.
const QUIET_LOOKS: u32 = 20;

/// Threads that are followed at most: beyond it, new ones count only while seen.
const FOLLOWED_MAX: usize = 4000;

/// Threads that are asked at most which CPUs they may use.
const CROWDED_MAX: usize = 32;

/// Share of the samples in which a thread is runnable before it is asked.
const CROWDED_RATIO: f64 = 0.3;

/// When processes of several threads are looked at again, after the start: those that do something have used a tick.
const QUEUES_AT: Duration = Duration::from_millis(500);

/// Processes whose threads are all followed then, at most.
const QUEUES_MAX: usize = 3;

/// Threads of such a process.
const QUEUE_THREADS: std::ops::RangeInclusive<u32> = 3..=64;

struct Followed {
    observation: ThreadObservation,
    quiet_looks: u32,
    hot: bool,
    last_ticks: u64,
    /// Clock of the last look: all that is left of a thread that ends before its next second.
    last_clock: ThreadClock,
    gone: bool,
}

impl Followed {
    /// The observation with its last clock.
    fn ended(mut self) -> ThreadObservation {
        add_last_clock(&mut self.observation, self.last_clock);
        self.observation
    }
}

/// The state of the sampling.
pub struct Sampler {
    own_pid: Pid,
    known: Vec<TaskRef>,
    known_pids: HashSet<Pid>,
    cursor: usize,
    followed: HashMap<TaskRef, Followed>,
    hot: Vec<TaskRef>,
    ticks_count: u32,
    runnable_counts: Vec<u64>,
    hidden: bool,
    seen_function: bool,
    /// Found in this very sample: looked at already, and no turn of the rotation.
    fresh_pids: HashSet<Pid>,
    /// Processes of several threads at the start, with their start time and CPU time, until they were looked at again.
    several: Vec<(Pid, u64, u64)>,
}

/// What a live sample should look at besides the hot threads.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Threads that take turns, at most.
    pub turns_count: usize,
    /// Whether to list `/proc` for processes that are new.
    pub discover: bool,
}

impl Sampler {
    /// Starts from the first scan: every thread is known, those in R or D are hot.
    pub fn new(root: &Root, own_pid: Pid, processes: &[ProcessReading], scratch: &mut Scratch) -> Self {
        let mut sampler = Self {
            own_pid,
            known: Vec::with_capacity(processes.len()),
            known_pids: HashSet::with_capacity(processes.len()),
            cursor: 0,
            followed: HashMap::new(),
            hot: Vec::new(),
            ticks_count: 0,
            runnable_counts: Vec::new(),
            hidden: false,
            seen_function: false,
            fresh_pids: HashSet::new(),
            several: Vec::new(),
        };
        for process in processes {
            let stat = &process.stat;
            if QUEUE_THREADS.contains(&stat.threads_count) && stat.pid != own_pid && !stat.is_kernel_thread()
            {
                sampler.several.push((stat.pid, stat.start_ticks, stat.cpu_ticks()));
            }
            sampler.add_process(root, &process.stat, scratch);
            let task = TaskRef { pid: process.stat.pid, tid: process.stat.pid };
            if process.stat.pid != own_pid && is_load(process.stat.state) && process.stat.threads_count <= 1 {
                sampler.follow(root, task, &process.stat, Duration::ZERO, scratch);
            }
        }
        sampler
    }

    /// Threads that every sample looks at.
    pub fn hot_count(&self) -> usize {
        self.hot.len()
    }

    /// Threads that take turns.
    pub fn turns_count(&self) -> usize {
        self.known.len().saturating_sub(self.hot.len())
    }

    /// Processes known.
    pub fn processes_count(&self) -> usize {
        self.known_pids.len()
    }

    /// Processes whose threads were seen running or blocked most so far, `count` of them.
    pub fn busiest(&self, count: usize) -> Vec<Pid> {
        let mut looks: HashMap<Pid, f64> = HashMap::new();
        for thread in self.followed.values().map(|followed| &followed.observation) {
            let loads = thread.states.iter().filter(|share| is_load(share.state) && !thread.kernel_thread);
            *looks.entry(thread.pid).or_default() += loads.map(|share| share.weight).sum::<f64>();
        }
        let mut looks: Vec<(Pid, f64)> = looks.into_iter().filter(|(_, looks)| *looks > 0.0).collect();
        looks.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        looks.into_iter().take(count).map(|(pid, _)| pid).collect()
    }

    fn add_process(&mut self, root: &Root, stat: &TaskStat, scratch: &mut Scratch) {
        if stat.pid == self.own_pid || !self.known_pids.insert(stat.pid) {
            return;
        }
        if stat.threads_count <= 1 {
            self.known.push(TaskRef { pid: stat.pid, tid: stat.pid });
            return;
        }
        let mut ids = std::mem::take(&mut scratch.ids);
        match root.tids(stat.pid, &mut ids) {
            Ok(()) => self.known.extend(ids.iter().map(|&tid| TaskRef { pid: stat.pid, tid })),
            Err(_) => self.known.push(TaskRef { pid: stat.pid, tid: stat.pid }),
        }
        scratch.ids = ids;
    }

    /// One live sample.
    pub fn sample(&mut self, root: &Root, at: Duration, plan: Plan, scratch: &mut Scratch) {
        self.begin(root, scratch);
        if plan.discover {
            self.discover(root, at, scratch);
        }
        self.follow_queues(root, at, scratch);
        self.look_at_hot(root, at, scratch);
        let mut turns = self.next_turns(plan.turns_count);
        // A replay looks in this order: where there is no room to follow all, the same ones are followed.
        turns.sort_unstable();
        let weight = self.turn_weight(turns.len());
        for task in turns {
            self.look(root, task, at, weight, scratch);
        }
        self.settle();
    }

    /// One recorded sample: looks at what the recorded run looked at.
    pub fn replay(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        self.begin(root, scratch);
        self.discover(root, at, scratch);
        self.follow_queues(root, at, scratch);
        let mut tasks = Vec::new();
        let mut pids = Vec::new();
        if root.pids(&mut pids).is_ok() {
            for &pid in pids.iter().filter(|pid| !self.fresh_pids.contains(pid)) {
                let mut tids = Vec::new();
                // One that had ended before its first look never took a turn.
                if self.known_pids.contains(&pid) && root.tids(pid, &mut tids).is_ok() {
                    tids.retain(|tid| root.holds(&format!("proc/{pid}/task/{tid}/stat")));
                    tasks.extend(tids.into_iter().map(|tid| TaskRef { pid, tid }));
                }
            }
        }
        let hot: HashSet<TaskRef> = self.hot.iter().copied().collect();
        let turns = tasks.iter().filter(|task| !hot.contains(task)).count();
        let weight = self.turn_weight(turns);
        self.look_at_hot(root, at, scratch);
        for task in tasks.into_iter().filter(|task| !hot.contains(task)) {
            self.look(root, task, at, weight, scratch);
        }
        self.settle();
    }

    fn begin(&mut self, root: &Root, scratch: &mut Scratch) {
        self.ticks_count += 1;
        self.fresh_pids.clear();
        if let Ok(load) = crate::collect::kernel::loadavg::read(root, &mut scratch.bytes) {
            // The reader itself is running while it reads.
            self.runnable_counts.push(load.runnable_count.saturating_sub(1));
        }
    }

    /// Finds processes that were born since the last look; each is looked at once on sight, so that even
    /// the short-lived leave a trace.
    fn discover(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        let mut pids = Vec::new();
        if root.pids(&mut pids).is_err() {
            return;
        }
        for pid in pids {
            if pid == self.own_pid || self.known_pids.contains(&pid) {
                continue;
            }
            let task = TaskRef { pid, tid: pid };
            let Ok(stat) = read_task_stat(root, task, scratch) else { continue };
            self.fresh_pids.insert(pid);
            self.add_process(root, &stat, scratch);
            if is_load(stat.state) {
                self.follow(root, task, &stat, at, scratch);
                self.note(root, task, &stat, at, 1.0, scratch);
            }
        }
    }

    /// Once, soon after the start: follows all threads of the processes with several that did something. Threads that
    /// queue for a lock whose holder sleeps are awake too shortly to be met running.
    fn follow_queues(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        if at < QUEUES_AT {
            return;
        }
        let mut active: Vec<(u64, TaskStat)> = Vec::new();
        for (pid, start_ticks, ticks) in std::mem::take(&mut self.several) {
            let Ok(stat) = read_process_stat(root, pid, scratch) else { continue };
            let used = stat.cpu_ticks().saturating_sub(ticks);
            if stat.start_ticks == start_ticks && used > 0 {
                active.push((used, stat));
            }
        }
        active.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.pid.cmp(&b.1.pid)));
        for (_, process) in active.iter().take(QUEUES_MAX) {
            let tasks: Vec<TaskRef> =
                self.known.iter().filter(|task| task.pid == process.pid).copied().collect();
            // Looked at already in this sample: each file is read once in a frame.
            self.fresh_pids.insert(process.pid);
            for task in tasks {
                if let Ok(stat) = read_task_stat(root, task, scratch) {
                    self.follow(root, task, &stat, at, scratch);
                    self.note(root, task, &stat, at, 1.0, scratch);
                }
            }
        }
    }

    /// Looks at every hot thread but those that were looked at on sight in this sample.
    fn look_at_hot(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        for task in self.hot.clone() {
            if !self.fresh_pids.contains(&task.pid) {
                self.look(root, task, at, 1.0, scratch);
            }
        }
    }

    fn next_turns(&mut self, count: usize) -> Vec<TaskRef> {
        let mut turns = Vec::with_capacity(count.min(self.known.len()));
        for _ in 0..self.known.len() {
            if turns.len() >= count {
                break;
            }
            self.cursor = (self.cursor + 1) % self.known.len();
            let task = self.known[self.cursor];
            let fresh = self.fresh_pids.contains(&task.pid);
            if !fresh && !self.followed.get(&task).is_some_and(|followed| followed.hot) {
                turns.push(task);
            }
        }
        turns
    }

    fn turn_weight(&self, turns: usize) -> f64 {
        if turns == 0 { 1.0 } else { (self.turns_count() as f64 / turns as f64).max(1.0) }
    }

    fn look(&mut self, root: &Root, task: TaskRef, at: Duration, weight: f64, scratch: &mut Scratch) {
        match read_task_stat(root, task, scratch) {
            Ok(stat) => {
                if is_load(stat.state) {
                    self.follow(root, task, &stat, at, scratch);
                }
                self.note(root, task, &stat, at, weight, scratch);
            }
            Err(absence) => {
                if absence.kind == AbsenceKind::Vanished
                    && let Some(followed) = self.followed.get_mut(&task)
                {
                    followed.gone = true;
                }
            }
        }
    }

    /// Makes a thread hot.
    fn follow(&mut self, root: &Root, task: TaskRef, stat: &TaskStat, at: Duration, scratch: &mut Scratch) {
        if let Some(followed) = self.followed.get_mut(&task)
            && followed.observation.start_ticks == stat.start_ticks
        {
            if !followed.hot {
                followed.hot = true;
                followed.quiet_looks = 0;
                self.hot.push(task);
            }
            return;
        }
        if self.followed.len() >= FOLLOWED_MAX {
            return;
        }
        let clock = read_clock(root, task, stat, at, scratch);
        let followed = Followed {
            observation: observation(task, stat, clock),
            quiet_looks: 0,
            hot: true,
            last_ticks: stat.cpu_ticks(),
            last_clock: clock,
            gone: false,
        };
        if self.followed.insert(task, followed).is_none() || !self.hot.contains(&task) {
            self.hot.push(task);
        }
    }

    fn note(
        &mut self,
        root: &Root,
        task: TaskRef,
        stat: &TaskStat,
        at: Duration,
        weight: f64,
        scratch: &mut Scratch,
    ) {
        let Some(followed) = self.followed.get_mut(&task) else { return };
        if followed.observation.start_ticks != stat.start_ticks {
            return;
        }
        let wait_channel = read_wait_channel(root, task, stat.state, scratch);
        match &wait_channel {
            Some(WaitChannel::Hidden) if stat.state == State::Uninterruptible => self.hidden = true,
            Some(WaitChannel::Function(_)) => self.seen_function = true,
            _ => {}
        }
        let observation = &mut followed.observation;
        observation.looks_count += 1;
        observation.comm = stat.comm;
        if stat.threads_count > 1 && !observation.kernel_thread {
            let function = wait_channel.as_ref().and_then(WaitChannel::function);
            let asleep = stat.state == State::Sleeping && function.is_some_and(sleeps_in_futex);
            observation.futex_looks.push((self.ticks_count, asleep));
        }
        add_look(observation, stat.state, wait_channel, weight);
        let progressed = stat.cpu_ticks() > followed.last_ticks;
        followed.last_ticks = stat.cpu_ticks();
        followed.last_clock =
            ThreadClock { at, user_ticks: stat.user_ticks, system_ticks: stat.system_ticks, sched: None };
        followed.quiet_looks =
            if is_load(stat.state) || progressed { 0 } else { followed.quiet_looks.saturating_add(1) };
        let due = observation.clocks.last().is_none_or(|clock| at >= clock.at + CLOCK_EVERY);
        if due {
            let clock = read_clock(root, task, stat, at, scratch);
            followed.observation.clocks.push(clock);
        }
    }

    /// Lets go of threads that have been quiet for long, or have ended.
    fn settle(&mut self) {
        let followed = &mut self.followed;
        self.hot.retain(|task| {
            followed.get_mut(task).is_some_and(|thread| {
                thread.hot = !thread.gone && thread.quiet_looks < QUIET_LOOKS;
                thread.hot
            })
        });
    }

    /// Which CPUs the most crowded threads may use: a thread that is bound to a busy CPU waits beside idle ones.
    fn ask_for_cpus(&mut self, root: &Root, scratch: &mut Scratch) {
        let runnable = |thread: &ThreadObservation| -> f64 {
            thread.states.iter().filter(|share| share.state == State::Running).map(|share| share.weight).sum()
        };
        let least = f64::from(self.ticks_count) * CROWDED_RATIO;
        let mut threads: Vec<&mut ThreadObservation> = self
            .followed
            .values_mut()
            .map(|followed| &mut followed.observation)
            .filter(|thread| !thread.kernel_thread)
            .collect();
        threads.sort_by(|a, b| runnable(b).total_cmp(&runnable(a)).then((a.pid, a.tid).cmp(&(b.pid, b.tid))));
        for (rank, thread) in threads.into_iter().enumerate() {
            let task = TaskRef { pid: thread.pid, tid: thread.tid };
            let crowded = rank < CROWDED_MAX && runnable(thread) >= least;
            thread.cpus_allowed = read_cpus_allowed(root, task, crowded, scratch);
        }
    }

    /// Last clocks of every followed thread.
    pub fn finish(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        self.ask_for_cpus(root, scratch);
        let mut tasks: Vec<TaskRef> = self.followed.keys().copied().collect();
        tasks.sort_unstable();
        for task in tasks {
            let Ok(stat) = read_task_stat(root, task, scratch) else { continue };
            let clock = read_clock(root, task, &stat, at, scratch);
            if let Some(followed) = self.followed.get_mut(&task)
                && followed.observation.start_ticks == stat.start_ticks
                && followed.observation.clocks.last().is_none_or(|last| last.at < at)
            {
                followed.observation.clocks.push(clock);
            }
        }
    }

    /// The observations, in the order of process and thread.
    pub fn into_samples(self) -> StateSamples {
        let mut threads: Vec<ThreadObservation> = self.followed.into_values().map(Followed::ended).collect();
        threads.sort_by_key(|thread| (thread.pid, thread.tid, thread.start_ticks));
        StateSamples {
            ticks_count: self.ticks_count,
            runnable_counts: self.runnable_counts,
            threads,
            wait_channels_hidden: self.hidden && !self.seen_function,
        }
    }
}

#[cfg(test)]
mod tests;
