//! Follows every thread of one process or unit through the window: those that sleep, too, and those that are born. For
//! a profile, when nothing was asked for, those of the processes that did most so far.
//!
//! Files: `/proc/PID/task/TID/stat`, `schedstat`, `wchan` and `/proc/PID/cgroup`. The clocks of all threads are read at
//! both ends and about once a second in between; states and wait channels by rotation, as many in a sample as the
//! budget allows. The reads go into frames of their own: a replay of the general sampling must not take them for its
//! own looks. Known lies: state and wait channel are two observations; `schedstat` books a wait for a CPU when it ends;
//! what is born and ends between two listings is never seen.

use crate::collect::root::Root;
use crate::collect::tasks::observation::{CLOCK_EVERY, add_last_clock, add_look, observation};
use crate::collect::tasks::scan::Scratch;
use crate::collect::tasks::thread_files::{TaskRef, read_clock, read_task_stat, read_wait_channel};
use crate::collect::tasks::wait_details::WaitReader;
use crate::collect::tasks::wanted::{Belongs, Wanted, cgroups_of};
use crate::model::reading::AbsenceKind;
use crate::model::target::{Asked, FOLLOWED_MAX, FollowedThread, TargetReadings};
use crate::model::task::{CgroupPaths, Pid, State, TaskStat, ThreadClock};
use crate::model::wait_details::{Refused, WatchReadings};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Threads and processes that are new are looked for so often.
const LIST_EVERY: Duration = Duration::from_millis(950);

/// The same for who does most, at first.
const EARLY_EVERY: Duration = Duration::from_millis(180);
const EARLY_FRAMES: u32 = 8;

/// Threads of the processes that do most that are followed at most.
const WATCHED_MAX: usize = 256;

struct Followed {
    thread: FollowedThread,
    last: ThreadClock,
    last_state: State,
}

impl Followed {
    /// The thread with the clock of its last look.
    fn ended(mut self) -> FollowedThread {
        add_last_clock(&mut self.thread.seen, self.last);
        self.thread
    }
}

/// The state of the following.
pub struct Follower<'a> {
    /// `None` when it follows the busiest processes.
    asked: Option<Asked>,
    belongs: Option<Belongs<'a>>,
    own_pid: Pid,
    pids: BTreeSet<Pid>,
    known: HashSet<Pid>,
    cgroups: BTreeMap<Pid, CgroupPaths>,
    threads: HashMap<TaskRef, Followed>,
    ended: Vec<FollowedThread>,
    turns: Vec<TaskRef>,
    cursor: usize,
    next_list: Duration,
    frames_count: u32,
    /// Processes that were found in this very frame.
    added: HashSet<Pid>,
    /// Processes of which a thread was looked at; others say nothing.
    looked: HashSet<Pid>,
    waits: WaitReader,
}

/// What a follower has seen.
#[derive(Debug)]
pub struct Followings {
    /// Of what was asked for.
    pub target: Option<TargetReadings>,
    /// Of the processes that did most.
    pub watched: Option<WatchReadings>,
    /// WaitReader looks that were refused.
    pub refused: Refused,
}

impl<'a> Follower<'a> {
    /// One that has seen nothing yet: of what was asked for, else of the processes that do most; with closer looks at
    /// what waits where that is wanted. In a capture, whatever the recorded run did.
    pub fn new(asked: Option<Asked>, own_pid: Pid, waits: WaitReader) -> Self {
        Self {
            asked,
            belongs: None,
            own_pid,
            pids: BTreeSet::new(),
            known: HashSet::new(),
            cgroups: BTreeMap::new(),
            threads: HashMap::new(),
            ended: Vec::new(),
            turns: Vec::new(),
            cursor: 0,
            next_list: Duration::ZERO,
            frames_count: 0,
            added: HashSet::new(),
            looked: HashSet::new(),
            waits,
        }
    }

    /// Looks at every thread of `wanted` for the first time.
    pub fn start(mut self, root: &Root, wanted: Wanted<'a>, at: Duration, scratch: &mut Scratch) -> Self {
        self.asked = Some(wanted.asked);
        self.belongs = wanted.belongs;
        self.known = wanted.known;
        for pid in wanted.pids {
            self.add_process(root, pid, scratch);
        }
        self.list(root, at, scratch);
        self.frames_count = 1;
        self
    }

    /// Whether the next sample looks for processes and threads that are new.
    pub fn lists(&self, at: Duration) -> bool {
        at >= self.next_list
    }

    /// Follows these processes as well, as long as there is room.
    pub fn watch(&mut self, root: &Root, pids: &[Pid], scratch: &mut Scratch) {
        let room = self.threads.len() < WATCHED_MAX;
        for &pid in pids.iter().filter(|_| room) {
            self.add_process(root, pid, scratch);
        }
    }

    /// Threads that are followed.
    pub fn threads_count(&self) -> usize {
        self.threads.len()
    }

    /// One live sample of at most `count` threads.
    pub fn sample(&mut self, root: &Root, at: Duration, count: usize, scratch: &mut Scratch) {
        let mut fresh = HashSet::new();
        self.waits.begin();
        if self.lists(at) {
            self.discover(root, scratch);
            fresh = self.list(root, at, scratch);
        }
        let mut turns = Vec::new();
        for _ in 0..count.min(self.turns.len()) {
            self.cursor = (self.cursor + 1) % self.turns.len();
            turns.push(self.turns[self.cursor]);
        }
        // A replay looks in this order: where there is no room to keep all, the same is kept.
        turns.sort_unstable();
        for task in turns.into_iter().filter(|task| !fresh.contains(task)) {
            self.look(root, task, at, false, scratch);
        }
        self.end_frame();
        self.settle();
    }

    fn end_frame(&mut self) {
        self.frames_count += 1;
        self.added.clear();
    }

    /// The last look at every thread, with its clocks.
    pub fn finish(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        self.waits.begin();
        self.discover(root, scratch);
        let fresh = self.list(root, at, scratch);
        let mut turns = self.turns.clone();
        turns.sort_unstable();
        for task in turns.into_iter().filter(|task| !fresh.contains(task)) {
            self.look(root, task, at, true, scratch);
        }
    }

    /// One recorded frame, whichever: looks at what the recorded run looked at.
    pub fn replay(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) {
        let (mut pids, mut tids, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        self.waits.begin();
        if root.pids(&mut pids).is_err() {
            return;
        }
        for pid in pids {
            // The recorded run read this file when it began to follow the process.
            if root.holds(&format!("proc/{pid}/cgroup")) {
                let paths = cgroups_of(root, pid, scratch);
                self.add(pid, paths);
            }
            if root.tids(pid, &mut tids).is_err() {
                continue;
            }
            if !self.pids.contains(&pid) {
                self.add(pid, None);
            }
            let looked_at = tids.iter().filter(|tid| root.holds(&format!("proc/{pid}/task/{tid}/stat")));
            tasks.extend(looked_at.map(|&tid| TaskRef { pid, tid }));
        }
        // The recorded run looked at the new ones first.
        let (known, fresh): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| self.threads.contains_key(task));
        for task in fresh.into_iter().chain(known) {
            self.look(root, task, at, false, scratch);
        }
        self.end_frame();
    }

    /// What was seen.
    pub fn into_followings(self) -> Followings {
        let mut threads = self.ended;
        threads.extend(self.threads.into_values().map(Followed::ended));
        threads.sort_by_key(|thread| (thread.seen.pid, thread.seen.tid, thread.seen.start_ticks));
        let (mut cgroups, refused) = (self.cgroups, self.waits.into_refused());
        cgroups.retain(|pid, _| self.looked.contains(pid));
        match self.asked {
            Some(asked) => {
                let target = TargetReadings { asked, followed: true, threads, cgroups };
                Followings { target: Some(target), watched: None, refused }
            }
            None => Followings { target: None, watched: Some(WatchReadings { threads, cgroups }), refused },
        }
    }

    fn threads_max(&self) -> usize {
        if self.asked.is_some() { FOLLOWED_MAX } else { WATCHED_MAX }
    }

    fn add_process(&mut self, root: &Root, pid: Pid, scratch: &mut Scratch) {
        if pid != self.own_pid && !self.pids.contains(&pid) {
            let paths = cgroups_of(root, pid, scratch);
            self.add(pid, paths);
        }
    }

    fn add(&mut self, pid: Pid, paths: Option<CgroupPaths>) {
        self.pids.insert(pid);
        self.added.insert(pid);
        self.cgroups.extend(paths.map(|paths| (pid, paths)));
    }

    /// Processes of the unit that were born since the last time.
    fn discover(&mut self, root: &Root, scratch: &mut Scratch) {
        let Some(belongs) = self.belongs else { return };
        let mut pids = Vec::new();
        if root.pids(&mut pids).is_err() {
            return;
        }
        for &pid in &pids {
            if self.known.contains(&pid) || self.pids.contains(&pid) || pid == self.own_pid {
                continue;
            }
            if let Some(paths) = cgroups_of(root, pid, scratch).filter(|paths| belongs(paths)) {
                self.add(pid, Some(paths));
            }
        }
        // An id that was given back may be that of another process by the next time.
        self.known = pids.into_iter().collect();
    }

    /// Looks at every thread that is new; which these are.
    fn list(&mut self, root: &Root, at: Duration, scratch: &mut Scratch) -> HashSet<TaskRef> {
        // Who does most shows within a few samples.
        let early = self.asked.is_none() && self.frames_count < EARLY_FRAMES;
        self.next_list = at + if early { EARLY_EVERY } else { LIST_EVERY };
        let mut fresh = HashSet::new();
        let mut tids = Vec::new();
        for pid in self.pids.clone() {
            if root.tids(pid, &mut tids).is_err() {
                self.pids.remove(&pid);
                continue;
            }
            for &tid in &tids {
                let task = TaskRef { pid, tid };
                if !self.threads.contains_key(&task) && self.threads.len() < self.threads_max() {
                    self.look(root, task, at, true, scratch);
                    self.turns.push(task);
                    fresh.insert(task);
                }
            }
        }
        fresh
    }

    /// Lets go of the threads that have ended.
    fn settle(&mut self) {
        let threads = &self.threads;
        self.turns.retain(|task| threads.contains_key(task));
    }

    fn look(&mut self, root: &Root, task: TaskRef, at: Duration, force: bool, scratch: &mut Scratch) {
        self.looked.insert(task.pid);
        let gone = match read_task_stat(root, task, scratch) {
            // A zombie is only the memory of a thread.
            Ok(stat) if stat.state != State::Zombie => {
                return self.seen(root, task, &stat, (at, force), scratch);
            }
            Ok(_) => true,
            Err(absence) => absence.kind == AbsenceKind::Vanished,
        };
        if gone {
            self.ended.extend(self.threads.remove(&task).map(Followed::ended));
        }
    }

    fn seen(
        &mut self,
        root: &Root,
        task: TaskRef,
        stat: &TaskStat,
        (at, force): (Duration, bool),
        scratch: &mut Scratch,
    ) {
        let same = |followed: &Followed| followed.thread.seen.start_ticks == stat.start_ticks;
        if !self.threads.get(&task).is_some_and(same) {
            // The id of a thread that has ended, given to another.
            self.ended.extend(self.threads.remove(&task).map(Followed::ended));
            let clock = read_clock(root, task, stat, at, scratch);
            let seen = observation(task, stat, clock);
            // Of a process that is followed from now on, its clocks count from now on.
            let watched = self.asked.is_none() && self.added.contains(&task.pid);
            let from_start = self.frames_count == 0 || watched;
            let thread = FollowedThread { seen, from_start, stalled_since: None, wait_details: Vec::new() };
            self.threads.insert(task, Followed { thread, last: clock, last_state: State::Other(0) });
        }
        let wait_channel = read_wait_channel(root, task, stat.state, scratch);
        let Some(followed) = self.threads.get_mut(&task) else { return };
        followed.note(stat, at);
        let seen = &mut followed.thread.seen;
        let before = seen.states.iter().find(|s| s.state == stat.state && s.wait_channel == wait_channel);
        let times = before.map_or(0, |share| share.weight as u32).saturating_add(1);
        let looks = &mut followed.thread.wait_details;
        self.waits.look(root, task, (stat.state, &wait_channel), times, looks, scratch);
        add_look(seen, stat.state, wait_channel, 1.0);
        let due =
            seen.clocks.last().is_none_or(|clock| force && clock.at < at || at >= clock.at + CLOCK_EVERY);
        task.path("schedstat", &mut scratch.path);
        if seen.clocks.last().is_none_or(|clock| clock.at < at) && root.wants(&scratch.path, due) {
            let clock = read_clock(root, task, stat, at, scratch);
            seen.clocks.push(clock);
        }
    }
}

impl Followed {
    fn note(&mut self, stat: &TaskStat, at: Duration) {
        let progressed =
            self.last.user_ticks != stat.user_ticks || self.last.system_ticks != stat.system_ticks;
        self.thread.stalled_since = match (stat.state, self.last_state) {
            (State::Running, State::Running) if !progressed => self.thread.stalled_since.or(Some(at)),
            (State::Running, _) => Some(at),
            _ => None,
        };
        self.last =
            ThreadClock { at, user_ticks: stat.user_ticks, system_ticks: stat.system_ticks, sched: None };
        self.last_state = stat.state;
        self.thread.seen.looks_count += 1;
        self.thread.seen.comm = stat.comm;
    }
}

#[cfg(test)]
mod tests;
