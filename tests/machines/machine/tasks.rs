//! Processes and their threads.

use super::cpus::Shares;
use super::{MIB, Machine, SAMPLES};

/// Looks after which a thread that is quiet is looked at in turn again.
const QUIET_LOOKS: u64 = 20;

/// Some processes that are alike. CPU time, I/O and waits are those of each of them.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) comm: &'static str,
    pub(crate) copies: usize,
    pub(crate) threads: usize,
    /// Threads that do the work.
    pub(crate) busy_threads: usize,
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Threads that want a CPU and have none, on average.
    pub(crate) delay: f64,
    /// Threads that wait in state D, on average, and where.
    pub(crate) blocked: f64,
    pub(crate) blocked_in: &'static str,
    pub(crate) sleeps_in: &'static str,
    /// Whether its threads let each other on, so that always as many of them are awake.
    pub(crate) in_turn: bool,
    /// Times a second that a working thread gets a CPU.
    pub(crate) turns: f64,
    pub(crate) nice: i32,
    /// Scheduling class as in sched(7), with its priority.
    pub(crate) policy: (u32, u32),
    pub(crate) kernel: bool,
    pub(crate) zombie: bool,
    /// Whether its user time is that of a guest.
    pub(crate) guest: bool,
    pub(crate) anonymous: u64,
    /// Bytes of it that it takes more every second.
    pub(crate) grows: f64,
    pub(crate) mapped: u64,
    /// Shared memory that it has touched, which it shares with its copies.
    pub(crate) shared: u64,
    pub(crate) swapped: u64,
    /// Bytes a second to and from disks.
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    pub(crate) major_faults: f64,
    pub(crate) group: &'static str,
    pub(crate) uid: u32,
    /// CPU that the first copy is bound to; the others are bound to those that follow.
    pub(crate) bound: Option<usize>,
    pub(crate) parent: &'static str,
    /// User and system time of its children that ended.
    pub(crate) children: (f64, f64),
    /// Seconds that each one lives, where that is short: others take its place.
    pub(crate) lives: Option<f64>,
    /// Seconds since it was started.
    pub(crate) age: f64,
    pub(crate) files: u64,
    /// A file that it has open for writing; a run looks where a file system is full.
    pub(crate) writes_to: &'static str,
    pub(crate) command: &'static str,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            comm: "daemon",
            copies: 1,
            threads: 1,
            busy_threads: 1,
            user: 0.0,
            system: 0.0,
            delay: 0.0,
            blocked: 0.0,
            blocked_in: "folio_wait_bit_common",
            sleeps_in: "do_epoll_wait",
            in_turn: false,
            turns: 200.0,
            nice: 0,
            policy: (0, 0),
            kernel: false,
            zombie: false,
            guest: false,
            anonymous: 4 * MIB,
            grows: 0.0,
            mapped: 6 * MIB,
            shared: 0,
            swapped: 0,
            reads: 0.0,
            writes: 0.0,
            major_faults: 0.0,
            group: "/system.slice/daemon.service",
            uid: 0,
            bound: None,
            parent: "systemd",
            children: (0.0, 0.0),
            lives: None,
            age: f64::INFINITY,
            files: 30,
            writes_to: "",
            command: "",
        }
    }
}

impl Process {
    pub(super) fn busy(&self) -> f64 {
        self.user + self.system
    }

    /// Whether anything is to be seen of its working threads.
    pub(super) fn shows(&self) -> bool {
        self.busy() + self.delay + self.blocked > 0.002 * self.busy_threads as f64
    }

    pub(super) fn rss(&self) -> u64 {
        self.anonymous + self.mapped + self.shared
    }

    pub(super) fn io(&self) -> f64 {
        self.reads + self.writes
    }
}

/// What every machine runs.
fn system(kernel_threads: usize) -> Vec<Process> {
    let kernel = |comm| Process { comm, kernel: true, sleeps_in: "worker_thread", ..Process::default() };
    let daemon = |comm, group| Process { comm, group, ..Process::default() };
    vec![
        Process { anonymous: 5 * MIB, system: 0.0005, ..daemon("systemd", "/init.scope") },
        kernel("kthreadd"),
        Process { system: 0.001, ..kernel("rcu_preempt") },
        Process { copies: kernel_threads, ..kernel("kworker/0:1") },
        Process { copies: kernel_threads, ..kernel("ksoftirqd/0") },
        kernel("kswapd0"),
        kernel("jbd2/sda1-8"),
        Process { user: 0.001, ..daemon("systemd-journal", "/system.slice/systemd-journald.service") },
        daemon("systemd-udevd", "/system.slice/systemd-udevd.service"),
        daemon("dbus-daemon", "/system.slice/dbus.service"),
        daemon("cron", "/system.slice/cron.service"),
        daemon("sshd", "/system.slice/ssh.service"),
        Process { threads: 4, ..daemon("rsyslogd", "/system.slice/rsyslog.service") },
        daemon("agetty", "/system.slice/getty@tty1.service"),
    ]
}

/// One process at one moment.
pub(super) struct Instance {
    pub(super) process: Process,
    pub(super) copy: usize,
    pub(super) pid: usize,
    pub(super) parent: usize,
    /// Seconds after the window's start.
    pub(super) born: f64,
}

impl Instance {
    /// A number from 0 to 1 that says what a thread does at that time: by chance, or so that always as many of the
    /// process are awake.
    fn moment(&self, thread: usize, at: f64) -> f64 {
        let step = (at * SAMPLES as f64).round();
        if self.process.in_turn {
            return (step * 0.618_034 + thread as f64 / self.process.busy_threads as f64).fract();
        }
        // SplitMix64.
        let seed = [step as u64, self.pid as u64, thread as u64].into_iter().fold(7, |sum: u64, part| {
            let mixed = (sum ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn state(&self, thread: usize, at: f64) -> char {
        let process = &self.process;
        if process.zombie {
            return 'Z';
        }
        if thread < process.busy_threads {
            let each = |value: f64| value / process.busy_threads as f64;
            let moment = self.moment(thread, at);
            let running = each(process.busy() + process.delay);
            if moment < running {
                return 'R';
            }
            if moment < running + each(process.blocked) {
                return 'D';
            }
        }
        if process.kernel { 'I' } else { 'S' }
    }
}

impl Instance {
    /// Whether a run that samples looks at the thread in every sample by now.
    pub(super) fn is_hot(&self, thread: usize, step: u64) -> bool {
        let lately = step.saturating_sub(QUIET_LOOKS)..step;
        self.process.shows()
            && lately
                .into_iter()
                .any(|step| matches!(self.state(thread, step as f64 / SAMPLES as f64), 'R' | 'D'))
    }
}

impl Machine {
    fn all(&self) -> Vec<Process> {
        let mut all = system(self.cpus.min(16));
        all.extend(self.processes.iter().cloned());
        all
    }

    /// Every process that is alive.
    pub(super) fn instances(&self, at: f64) -> Vec<Instance> {
        let mut instances: Vec<Instance> = Vec::new();
        let mut next = 1;
        for (index, mut process) in self.all().into_iter().enumerate() {
            process.anonymous += (process.grows * at) as u64;
            let parent = instances.iter().find(|other| other.process.comm == process.parent);
            let parent = if process.kernel { 2 } else { parent.map_or(1, |parent| parent.pid) };
            for copy in 0..process.copies {
                let (pid, born) = match process.lives {
                    None => {
                        let pid = next;
                        next += process.threads;
                        (pid, -process.age.min(self.uptime - 8.0))
                    }
                    Some(lives) => {
                        let offset = lives * copy as f64 / process.copies as f64;
                        let generation = ((at + offset) / lives + 1e-9).floor();
                        let pid = 100_000 + index * 20_000 + generation as usize * process.copies + copy;
                        (pid, generation * lives - offset)
                    }
                };
                let parent = if pid <= 2 { 0 } else { parent };
                instances.push(Instance { process: process.clone(), copy, pid, parent, born });
            }
        }
        instances
    }

    /// Threads in R and in D.
    pub(super) fn counts(&self, at: f64) -> [usize; 2] {
        let mut counts = [0, 0];
        for one in self.instances(at).iter().filter(|one| one.process.shows()) {
            for thread in 0..one.process.busy_threads {
                match one.state(thread, at) {
                    'R' => counts[0] += 1,
                    'D' => counts[1] += 1,
                    _ => {}
                }
            }
        }
        counts
    }

    fn sum(&self, of: impl Fn(&Process) -> f64) -> f64 {
        self.all().iter().map(|process| of(process) * process.copies as f64).sum()
    }

    pub(super) fn runnable(&self) -> f64 {
        self.sum(|process| process.busy() + process.delay)
    }

    pub(super) fn uninterruptible(&self) -> f64 {
        self.sum(|process| process.blocked)
    }

    /// Threads that wait for a disk of this machine.
    pub(super) fn blocked(&self) -> f64 {
        self.sum(|process| if process.blocked_in.starts_with("rpc_") { 0.0 } else { process.blocked })
    }

    pub(super) fn threads_count(&self) -> u64 {
        self.sum(|process| process.threads as f64) as u64
    }

    /// Anonymous memory, and pages of files that are mapped.
    pub(super) fn resident(&self, at: f64) -> (u64, u64) {
        let alive = self.instances(at);
        let of = |part: fn(&Process) -> u64| {
            alive.iter().map(|one| &one.process).filter(|p| !p.kernel && !p.zombie).map(part).sum::<u64>()
        };
        // Programs share most of what they map.
        (of(|process| process.anonymous), (of(|process| process.mapped) / 4).min(self.memory.cache / 2))
    }

    /// CPU time of every working thread, and the CPU it is bound to.
    pub(super) fn thread_shares(&self) -> Vec<(Shares, Option<usize>)> {
        let mut shares = Vec::new();
        for process in self.all() {
            let each = |value: f64| value / process.busy_threads as f64;
            let (user, system) = (each(process.user), each(process.system));
            let (user, nice) = if process.nice > 0 { (0.0, user) } else { (user, 0.0) };
            let guest = if process.guest { user } else { 0.0 };
            assert!(user + nice + system <= 1.0, "a thread of {} uses more than a CPU", process.comm);
            for copy in (0..process.copies).filter(|_| process.busy() > 0.0) {
                let thread = Shares { user, nice, system, guest, ..Shares::default() };
                let bound = process.bound.map(|first| first + copy);
                shares.extend(std::iter::repeat_n((thread, bound), process.busy_threads));
            }
        }
        shares
    }
}
