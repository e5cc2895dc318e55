//! The files of processes and threads.

use super::tasks::{Instance, Process};
use super::{HZ, KIB, MIB, Machine, SAMPLES, Version, put};
use diag::capture::Frame;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// A flag of threads of the kernel.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Threads that are looked at in turn, in one sample.
const TURNS: usize = 150;

impl Machine {
    /// Seconds of now that a process did, its life before the window included.
    fn seconds(&self, one: &Instance, at: f64) -> f64 {
        if one.born < 0.0 && one.process.lives.is_none() {
            at - one.born * self.history
        } else {
            at - one.born
        }
    }

    fn stat(&self, one: &Instance, thread: Option<usize>, at: f64) -> String {
        let process = &one.process;
        let seconds = self.seconds(one, at);
        // Of one thread, or of the process.
        let part = match thread {
            None => 1.0,
            Some(thread) if thread < process.busy_threads => 1.0 / process.busy_threads as f64,
            Some(_) => 0.0,
        };
        let ticks = |share: f64| (share * seconds * HZ).round();
        let (user, system) = (ticks(process.user * part), ticks(process.system * part));
        let children = [process.children.0, process.children.1].map(ticks);
        let faults = (process.major_faults * seconds).round();
        let id = one.pid + thread.unwrap_or(0);
        let state = one.state(thread.unwrap_or(0), at);
        let flags = if process.kernel { KERNEL_THREAD } else { 0x0040_0100 };
        let rss = if process.kernel || process.zombie { 0 } else { process.rss() / 4096 };
        let start = ((self.uptime + one.born) * HZ).round();
        let cpu = process.bound.map_or(one.pid % self.cpus, |first| first + one.copy);
        let (policy, priority) = process.policy;
        let session = if process.kernel { 0 } else { one.pid };
        let Process { comm, nice, threads, .. } = process;
        format!(
            "{id} ({comm}) {state} {} {} {session} 0 -1 {flags} 900 0 {faults} 0 {user} {system} {} {} {} {nice} {threads} 0 \
             {start} {} {rss} 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 {cpu} {priority} {policy} 0 0 0 0 0 0 0 \
             0 0 0 0\n",
            one.parent,
            one.pid,
            children[0],
            children[1],
            20 + nice,
            rss * 3 * 4096,
        )
    }

    fn put_thread(&self, frame: &mut Frame, one: &Instance, thread: usize, at: f64) {
        let process = &one.process;
        let path = |file: &str| format!("proc/{}/task/{}/{file}", one.pid, one.pid + thread);
        put(frame, &path("stat"), &self.stat(one, Some(thread), at));
        let each = |value: f64| value / process.busy_threads as f64;
        let (run, delay) = (each(process.busy()), each(process.delay));
        if thread < process.busy_threads {
            let ns = |share: f64| (share * self.seconds(one, at) * 1e9).round();
            let turns = (process.turns * self.seconds(one, at)).round();
            put(frame, &path("schedstat"), &format!("{} {} {turns}\n", ns(run), ns(delay)));
        }
        match one.state(thread, at) {
            'D' => put(frame, &path("wchan"), process.blocked_in),
            'S' => put(frame, &path("wchan"), process.sleeps_in),
            _ => {}
        }
    }

    /// What a sample sees: every thread that was lately seen to run or wait, and some of the others in turn.
    pub(super) fn put_looks(&self, frame: &mut Frame, step: u64) {
        let at = step as f64 / SAMPLES as f64;
        let turns = 1 + self.threads_count() as usize / TURNS;
        let mut count = 0;
        for one in self.instances(at) {
            for thread in 0..one.process.threads {
                count += 1;
                if one.is_hot(thread, step) || step == 1 || count % turns == step as usize % turns {
                    self.put_thread(frame, &one, thread, at);
                }
            }
        }
    }

    /// What the scans at both ends see.
    pub(super) fn put_processes(&self, frame: &mut Frame, at: f64) {
        for one in self.instances(at) {
            let Instance { process, pid, .. } = &one;
            put(frame, &format!("proc/{pid}/stat"), &self.stat(&one, None, at));
            if process.threads > 1 {
                let threads = (0..process.threads).map(|thread| (pid + thread).to_string()).collect();
                frame.listings.insert(format!("proc/{pid}/task"), threads);
            }
            for thread in (0..process.busy_threads).filter(|_| process.shows()) {
                self.put_thread(frame, &one, thread, at);
            }
            if !process.kernel {
                let bytes = |rate: f64| (rate * self.seconds(&one, at)).round();
                let text = format!(
                    "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: {}\nwrite_bytes: {}\ncancelled_write_bytes: 0\n",
                    bytes(process.reads),
                    bytes(process.writes)
                );
                put(frame, &format!("proc/{pid}/io"), &text);
            }
        }
    }

    /// The costlier files, of those that a run asks.
    pub(super) fn put_details(&self, frame: &mut Frame, at: f64) {
        let mut all = self.instances(at);
        let cpu = |one: &Instance| one.process.busy() + one.process.children.0 + one.process.children.1;
        let milli = |value: f64| Reverse((value * 1e3) as u64);
        let mut candidates = Vec::new();
        for one in all.iter().filter(|one| cpu(one) > 0.0 || one.process.io() > 0.0) {
            put(frame, &format!("proc/{}/cgroup", one.pid), &self.group_of(&one.process));
        }
        for by in [
            &(|one: &Instance| milli(cpu(one))) as &dyn Fn(&Instance) -> Reverse<u64>,
            &|one: &Instance| milli(one.process.io()),
            &|one: &Instance| milli(one.process.major_faults),
            &|one: &Instance| milli(one.process.busy() + one.process.delay + one.process.blocked),
            &|one: &Instance| Reverse(if one.process.kernel { 0 } else { one.process.rss() }),
        ] {
            all.sort_by_key(|one| (by(one), one.pid));
            candidates.extend(all.iter().take(10).filter(|one| by(one).0 > 0).map(|one| one.pid));
        }
        // The last order is that of size.
        let stalled = self.stalls.is_none_or(|stalls| stalls.memory >= 0.01);
        let swapping = self.vm.iter().any(|(name, rate)| name.starts_with("pswp") && *rate > 0.0);
        let mut walked = 0;
        for one in all.iter().take(5).filter(|_| stalled || swapping) {
            walked += one.process.rss();
            if walked < 2048 * MIB {
                self.put_rollup(frame, one);
            }
        }
        for one in &all {
            let swapped = swapping && !one.process.kernel;
            if candidates.contains(&one.pid) || swapped {
                self.put_candidate(frame, one, at, candidates.contains(&one.pid));
            }
            self.put_files(frame, one);
        }
        self.put_allowed(frame, &all);
    }

    fn put_candidate(&self, frame: &mut Frame, one: &Instance, at: f64, whole: bool) {
        let Instance { process, pid, .. } = one;
        let mut text =
            format!("Name:\t{}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n", process.comm, uid = process.uid);
        if !process.kernel {
            let [anonymous, file, shared, swap] =
                [process.anonymous, process.mapped, process.shared, process.swapped].map(|bytes| bytes / KIB);
            let _ = write!(
                text,
                "RssAnon:\t{anonymous} kB\nRssFile:\t{file} kB\nRssShmem:\t{shared} kB\nVmSwap:\t{swap} kB\n"
            );
        }
        put(frame, &format!("proc/{pid}/status"), &text);
        if !whole {
            return;
        }
        let command = if process.kernel {
            ""
        } else if process.command.is_empty() {
            process.comm
        } else {
            process.command
        };
        put(frame, &format!("proc/{pid}/cmdline"), &command.replace(' ', "\0"));
        put(frame, &format!("proc/{pid}/cgroup"), &self.group_of(process));
        let channel = match one.state(0, at) {
            'S' | 'I' => process.sleeps_in,
            'D' => process.blocked_in,
            _ => "0",
        };
        put(frame, &format!("proc/{pid}/wchan"), channel);
        // A calm machine is asked for whom its processes wait.
        for thread in 0..process.threads.min(64) {
            let channel = if one.state(thread, at) == 'R' { "0" } else { process.sleeps_in };
            put(frame, &format!("proc/{pid}/task/{}/wchan", pid + thread), channel);
        }
    }

    fn put_rollup(&self, frame: &mut Frame, one: &Instance) {
        let Process { anonymous, mapped, shared, swapped, copies, .. } = &one.process;
        let pss = anonymous + (mapped + shared) / *copies as u64;
        let [pss, private, swapped] = [pss, *anonymous, *swapped].map(|bytes| bytes / KIB);
        let text = format!(
            "Pss: {pss} kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: {private} kB\nSwapPss: {swapped} kB\n"
        );
        put(frame, &format!("proc/{}/smaps_rollup", one.pid), &text);
    }

    fn put_files(&self, frame: &mut Frame, one: &Instance) {
        let Process { kernel, zombie, files, writes_to, .. } = one.process;
        if !kernel && !zombie {
            put(frame, &format!("proc/{}/fd/.count", one.pid), &format!("{files}\n"));
            if files >= 100 {
                let text = "Max open files            65536                65536                files\n";
                put(frame, &format!("proc/{}/limits", one.pid), text);
            }
        }
        if !writes_to.is_empty() {
            frame.links.insert(format!("proc/{}/fd/4", one.pid), writes_to.to_owned());
            put(frame, &format!("proc/{}/fdinfo/4", one.pid), "pos:\t0\nflags:\t0100002\nmnt_id:\t27\n");
        }
    }

    /// The CPUs that the most crowded threads may use.
    fn put_allowed(&self, frame: &mut Frame, all: &[Instance]) {
        let crowded = |one: &&Instance| {
            let runnable = (one.process.busy() + one.process.delay) / one.process.busy_threads as f64;
            runnable >= 0.3 && !one.process.kernel
        };
        for one in all.iter().filter(crowded).take(32) {
            let bound = one.process.bound.map(|first| (first + one.copy).to_string());
            let list = bound.unwrap_or_else(|| format!("0-{}", self.cpus - 1));
            put(
                frame,
                &format!("proc/{pid}/task/{pid}/status", pid = one.pid),
                &format!("Cpus_allowed_list:\t{list}\n"),
            );
        }
    }

    fn group_of(&self, process: &Process) -> String {
        let path = if process.kernel { "/" } else { process.group };
        match self.cgroups {
            Version::Unified => format!("0::{path}\n"),
            Version::Legacy => {
                let line = |(number, name)| format!("{number}:{name}:{path}\n");
                ["cpu,cpuacct", "memory", "blkio", "pids"].into_iter().enumerate().map(line).collect()
            }
        }
    }

    /// Members of a group, whose path has no slash in front.
    pub(super) fn members(&self, path: &str, at: f64) -> impl Iterator<Item = usize> {
        let of_group =
            |one: &Instance| !one.process.kernel && one.process.group.trim_start_matches('/') == path;
        self.instances(at).into_iter().filter(of_group).map(|one| one.pid).collect::<Vec<_>>().into_iter()
    }
}
