//! What the rates mean together: the few judgements that several steps and rules share.

use crate::diagnose::evidence::groups::{Group, Ranked, groups};
use crate::diagnose::thresholds::{CPU_PRESSURE, InForce, Limit, STEAL, Setting, Thresholds};
use crate::model::cgroup::CgroupRates;
use crate::model::finding::Evidence;
use crate::model::rates::{
    CpuRates, DiskRates, PagingRates, PressureRates, ProcessRates, Rates, ThreadRates,
};
use crate::model::reading::{Absence, Reading};
use crate::model::sentence::{Sentence, Span, ratio, sentence};
use crate::model::task::{Pid, State};
use crate::model::units::Unit;
use crate::model::wait::WaitReason;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Weight that a thread's delay must have before it counts as waiting.
const DELAY_MIN: f64 = 0.02;

/// Share of the busy time from which work at lowered priority is nearly all of it.
const BACKGROUND_SHARE: f64 = 0.8;

/// The rates with the shared judgements.
pub struct Facts<'a> {
    /// The rates.
    pub rates: &'a Rates,
    /// Processes grouped to services, in no order.
    pub groups: Vec<Group<'a>>,
    /// CPUs that count: those online, or those of its set inside a container. Not its quota: the load average and the
    /// CPU time of `/proc` are those of the whole machine, and a quota is reported separately.
    pub cpus: f64,
    /// Whether this run takes a profile: then there is no need to advise one.
    pub profiled: bool,
    /// The limits in force.
    thresholds: &'a Thresholds,
}

/// CPUs that the load average and the CPU time of `/proc` are compared with: see [`Facts::cpus`].
pub fn cpus_that_count(rates: &Rates) -> f64 {
    let inside = rates.host.container.is_some();
    let allowed = rates.host.cpus_allowed_count.filter(|_| inside).unwrap_or(u32::MAX);
    f64::from(rates.cpus_online_count.min(allowed)).max(1.0)
}

impl<'a> Facts<'a> {
    /// Derives the facts.
    pub fn new(rates: &'a Rates, thresholds: &'a Thresholds) -> Self {
        // A run that was pinned by its caller must not think the box small; a container is that small.
        Self { rates, groups: groups(rates), cpus: cpus_that_count(rates), profiled: false, thresholds }
    }

    /// `limit` as it is in force: the default, or what a configuration file says.
    pub fn limit(&self, limit: &'static Limit) -> InForce<'a> {
        self.thresholds.limit(limit)
    }

    /// The number of `setting` that is in force.
    pub fn setting(&self, setting: &'static Setting) -> f64 {
        self.thresholds.setting(setting)
    }

    /// A number with its limits.
    pub fn evidence(&self, limit: &'static Limit, value: Option<f64>, source: &str) -> Evidence {
        let in_force = self.limit(limit);
        Evidence {
            metric: limit.metric.to_owned(),
            value,
            unit: limit.unit,
            warning: Some(in_force.warning),
            critical: in_force.critical,
            source: source.to_owned(),
            threshold_source: Some(in_force.source.to_owned()),
            threshold_changed: in_force.changed,
        }
    }

    /// The group that a process belongs to.
    pub fn group_of(&self, pid: Pid) -> Option<usize> {
        self.groups.iter().position(|group| group.members.iter().any(|process| process.pid == pid))
    }

    /// Counter of the network stack per second.
    pub fn net(&self, name: &str) -> Option<f64> {
        self.rates.net_per_second.as_ref().ok()?.get(name).copied()
    }

    /// Counters of the network stack per second, of the run's own network namespace and of each other.
    pub fn net_namespaces(&self) -> impl Iterator<Item = &BTreeMap<String, f64>> {
        let others = self.rates.net_namespaces.iter().map(|namespace| &namespace.per_second);
        self.rates.net_per_second.iter().chain(others)
    }

    /// The sum of the counters `names` in the namespace where it is largest; none where none is known.
    pub fn net_most(&self, names: &[&str]) -> Option<f64> {
        let sum = |counters: &BTreeMap<String, f64>| {
            names.iter().filter_map(|name| counters.get(*name)).copied().reduce(|a, b| a + b)
        };
        self.net_namespaces().filter_map(sum).reduce(f64::max)
    }

    /// Control groups whose limits were looked at.
    pub fn cgroups(&self) -> &[CgroupRates] {
        self.rates.cgroups.as_ref().map_or(&[], Vec::as_slice)
    }

    /// The group with the most of `metric` among the processes `pids`, led by the one with the most of it.
    pub fn most_among(&self, pids: &[Pid], metric: impl Fn(&ProcessRates) -> f64) -> Option<Ranked> {
        let members: Vec<&ProcessRates> =
            self.rates.processes.iter().filter(|process| pids.contains(&process.pid)).collect();
        let total: f64 = members.iter().map(|process| metric(process)).sum();
        let mut amounts: BTreeMap<usize, (f64, f64, Pid)> = BTreeMap::new();
        for process in members {
            let Some(group) = self.group_of(process.pid) else { continue };
            let amount = metric(process);
            let entry = amounts.entry(group).or_insert((0.0, f64::MIN, process.pid));
            entry.0 += amount;
            if amount > entry.1 {
                (entry.1, entry.2) = (amount, process.pid);
            }
        }
        let (group, (amount, _, pid)) = amounts.into_iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
        let share = if total > 0.0 { amount / total } else { 0.0 };
        Some(Ranked { group, pid: Some(pid), amount, share })
    }

    /// How to call a culprit in a sentence.
    pub fn name(&self, ranked: &Ranked) -> Sentence {
        self.groups[ranked.group].label(ranked.pid)
    }

    /// A user by name; by number where the box knows no name.
    pub fn user_name(&self, uid: u32) -> Sentence {
        match self.rates.host.users.get(&uid) {
            Some(name) => sentence![Span::User(name.clone())],
            None => sentence![uid],
        }
    }

    /// CPU time by mode, where `/proc/stat` gave it.
    pub fn cpu(&self) -> Option<&CpuRates> {
        self.rates.cpu.as_ref().ok()
    }

    /// Why no process is known, where that is so.
    pub fn processes_absent(&self) -> Option<&Absence> {
        let of_processes =
            |absence: &&Absence| absence.path == "/proc" || absence.path.starts_with("/proc/PID");
        self.rates.absences.iter().find(of_processes).filter(|_| self.rates.processes.is_empty())
    }

    /// Paging rates.
    pub fn paging(&self) -> Option<&PagingRates> {
        self.rates.paging.as_ref().ok()
    }

    /// Whole devices.
    pub fn disks(&self) -> &[DiskRates] {
        self.rates.disks.as_ref().map_or(&[], Vec::as_slice)
    }

    /// Whether threads are known to have waited for a CPU for at least this share of the window.
    pub fn cpu_waits(&self, share: f64) -> bool {
        self.cpu_wait_known().is_some_and(|wait| wait >= share)
    }

    /// Share of the window in which some thread waited for a CPU: as the kernel counts it, or from the
    /// run delay of the followed threads where it does not. None where it counts neither.
    pub fn cpu_wait_known(&self) -> Option<f64> {
        if let Ok(pressure) = &self.rates.cpu_pressure {
            return Some(pressure.some_ratio);
        }
        let threads = &self.rates.threads;
        // If every sample found all threads asleep, none waited.
        let asleep = threads.is_empty() && self.rates.samples_count > 0;
        let known = asleep || threads.iter().any(|thread| thread.run_delay_ratio.is_some());
        let known = known && !self.rates.still;
        // PSI weighs each CPU by its busy time: one waiting thread among 128 busy CPUs is less than 1 %.
        known.then(|| (self.run_delay_mean() / self.busy_cpus().max(1.0)).clamp(0.0, 1.0))
    }

    /// The same in words.
    pub fn cpu_wait_words(&self) -> Span {
        part(self.cpu_wait_known())
    }

    /// Share of the time in which some thread waited for memory, in words.
    pub fn memory_wait_words(&self) -> Span {
        part(self.rates.memory_pressure.as_ref().ok().map(|stalls| stalls.some_ratio))
    }

    /// The same for I/O.
    pub fn io_wait_words(&self) -> Span {
        part(self.rates.io_pressure.as_ref().ok().map(|stalls| stalls.some_ratio))
    }

    /// Mean number of threads that waited for a CPU.
    pub fn run_delay_mean(&self) -> f64 {
        let delays = self
            .rates
            .threads
            .iter()
            .filter_map(|thread| thread.run_delay_ratio.map(|delay| delay * thread.followed_ratio));
        // The sum of nothing is minus zero.
        delays.filter(|delay| *delay >= DELAY_MIN).fold(0.0, |sum, delay| sum + delay)
    }

    /// Whether threads queue for the CPUs: for a warning, and for critical. Where waiting is not counted, runnable
    /// threads beyond the CPUs stand for it.
    pub fn cpu_queues(&self) -> (bool, bool) {
        let limit = self.limit(&CPU_PRESSURE);
        let beyond = self.rates.makeup.running_mean / self.cpus - 1.0;
        let waits = self.cpu_wait_known().unwrap_or(beyond);
        (waits >= limit.warning, limit.critical.is_some_and(|critical| waits >= critical))
    }

    /// Whether lowered priority does nearly all the work while threads of normal priority hardly wait.
    pub fn background_only(&self) -> bool {
        let Some(cpu) = self.cpu() else { return false };
        let normal = self.user_threads().filter(|thread| !thread.is_background());
        let delay: f64 = normal
            .filter_map(|thread| thread.run_delay_ratio.map(|delay| delay * thread.followed_ratio))
            .sum();
        let processes = self.rates.processes.iter().filter(|process| process.nice > 0);
        let background: f64 = processes.map(ProcessRates::cpu_ratio).sum();
        let mostly = background >= BACKGROUND_SHARE * self.busy_cpus()
            || cpu.nice_ratio >= BACKGROUND_SHARE * cpu.all_user_ratio();
        // Stolen time delays all threads alike.
        (background > 0.0 || cpu.nice_ratio > 0.0) && mostly && delay < 0.1 + cpu.steal_ratio
    }

    /// Whether stolen time is why threads wait: without it the CPUs could serve what is wanted. Where more is
    /// wanted than the whole machine could give, it would be slow all the same.
    pub fn steal_decides(&self) -> bool {
        const MOST: f64 = 0.5;
        let Some(cpu) = self.cpu() else { return false };
        cpu.steal_ratio >= self.limit(&STEAL).warning
            && (cpu.steal_ratio >= MOST || self.rates.makeup.running_mean <= 1.25 * self.cpus)
    }

    /// The evidence that threads queue for the CPUs.
    pub fn cpu_queue_evidence(&self) -> Vec<Evidence> {
        let psi = self.rates.cpu_pressure.as_ref().ok().map(|pressure| pressure.some_ratio);
        vec![
            self.evidence(&CPU_PRESSURE, psi, "/proc/pressure/cpu some total"),
            plain(
                "running_mean",
                Some(self.rates.makeup.running_mean),
                Unit::Count,
                "/proc/PID/task/TID/stat state R",
            ),
        ]
    }

    /// Half the width of the 95 % interval of a share of CPU time: the split into modes is sampled at the
    /// timer's rate, taken as 100 Hz.
    pub fn sampling_error(&self, ratio: f64) -> f64 {
        let samples = 100.0 * self.rates.seconds.max(0.1) * f64::from(self.rates.cpus_online_count);
        1.96 * (ratio * (1.0 - ratio).max(0.0) / samples).sqrt()
    }

    /// Stall time for memory.
    pub fn memory_stalls(&self) -> Stalls {
        Stalls::of(&self.rates.memory_pressure)
    }

    /// Stall time for I/O.
    pub fn io_stalls(&self) -> Stalls {
        Stalls::of(&self.rates.io_pressure)
    }

    /// Mean number of user threads in D for a reason that I/O can explain.
    pub fn io_waiters_mean(&self) -> f64 {
        self.blocked_threads(|reason| {
            !matches!(reason, WaitReason::Vfork | WaitReason::Frozen | WaitReason::KernelLock)
        })
    }

    /// Mean number of user threads in D whose wait reason satisfies `wanted`.
    pub fn blocked_threads(&self, wanted: impl Fn(WaitReason) -> bool) -> f64 {
        self.user_threads()
            .flat_map(|thread| &thread.waits)
            .filter(|share| share.state == State::Uninterruptible)
            .filter(|share| wanted(reason(share.function.as_deref())))
            // The sum of nothing is minus zero.
            .fold(0.0, |sum, share| sum + share.mean)
    }

    /// Threads that are not the kernel's own.
    pub fn user_threads(&self) -> impl Iterator<Item = &'a ThreadRates> {
        self.rates.threads.iter().filter(|thread| !thread.kernel_thread)
    }

    /// CPU time of kernel threads whose name begins with one of `names`, in CPUs.
    pub fn kernel_threads_cpus(&self, names: &[&str]) -> f64 {
        self.rates
            .processes
            .iter()
            .filter(|process| process.kernel_thread)
            .filter(|process| names.iter().any(|name| process.comm.as_bytes().starts_with(name.as_bytes())))
            .map(|process| process.cpu_ratio())
            .sum()
    }

    /// Busy time in CPUs.
    pub fn busy_cpus(&self) -> f64 {
        self.cpu().map_or(0.0, |cpu| cpu.busy_ratio() * f64::from(self.rates.cpus_online_count))
    }

    /// CPU time, in CPUs, of processes that lived too shortly to be watched: what no living process accounts
    /// for, less what ended ones were seen to use.
    pub fn short_lived_cpus(&self) -> Option<f64> {
        // The CPU time of hidden processes cannot be separated from that of ended ones.
        if self.hidden().is_some() {
            return None;
        }
        let ended = self.rates.threads.iter().filter(|thread| !thread.alive);
        let watched: f64 = ended.map(|thread| thread.cpu_ratio() * thread.followed_ratio).sum();
        Some((self.rates.vanished_cpus? - watched).max(0.0))
    }

    /// Share of the bytes read by leaf devices that had been in memory shortly before.
    pub fn refault_share(&self) -> Option<f64> {
        let refaulted = self.paging()?.refault_file_per_second? * self.rates.host.page_bytes as f64;
        let read: f64 = self.leaves().map(|disk| disk.read_bytes_per_second).sum();
        (read > 0.0).then(|| (refaulted / read).min(1.0))
    }

    /// Devices that stand on no other block device. A loop device stands on a file, and so does its load.
    pub fn leaves(&self) -> impl Iterator<Item = &DiskRates> {
        self.disks().iter().filter(|disk| disk.leaf)
    }

    /// Share of the traffic of all leaf devices that is swapping.
    pub fn swap_share(&self) -> Option<f64> {
        let paging = self.paging()?;
        let pages = paging.swap_in_per_second? + paging.swap_out_per_second?;
        let bytes: f64 =
            self.leaves().map(|disk| disk.read_bytes_per_second + disk.write_bytes_per_second).sum();
        (bytes > 0.0).then(|| (pages * self.rates.host.page_bytes as f64 / bytes).min(1.0))
    }

    /// Whether a device has moving heads, or stands on one that has.
    pub fn spinning(disk: &DiskRates) -> bool {
        disk.spins
    }
}

/// What a kernel function that a thread sleeps in stands for.
pub fn reason(function: Option<&str>) -> WaitReason {
    function.map_or(WaitReason::Hidden, WaitReason::of)
}

/// Shares of the window in which threads were stalled for a resource; none where the kernel does not count them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stalls {
    /// At least one thread was.
    pub some: Option<f64>,
    /// All that had work were.
    pub full: Option<f64>,
}

impl Stalls {
    fn of(pressure: &Reading<PressureRates>) -> Self {
        let known = pressure.as_ref().ok();
        Self { some: known.map(|stalls| stalls.some_ratio), full: known.and_then(|stalls| stalls.full_ratio) }
    }

    /// Whether at least one thread is known to have been stalled for at least this share.
    pub fn some_reaches(self, share: f64) -> bool {
        self.some.is_some_and(|some| some >= share)
    }

    /// Whether all threads are.
    pub fn full_reaches(self, share: f64) -> bool {
        self.full.is_some_and(|full| full >= share)
    }

    /// What it costs: some, or twice full, since then nothing else ran either.
    pub fn cost(self) -> Option<f64> {
        self.some
            .into_iter()
            .chain(self.full.map(|full| 2.0 * full))
            .reduce(f64::max)
            .map(|cost| cost.min(1.0))
    }
}

/// A share of the time; what is not known is not zero.
fn part(share: Option<f64>) -> Span {
    share.map_or(Span::Text(Cow::Borrowed("an unknown share")), ratio)
}

/// How long a control group's own threads were stalled for `resource` lately, where its kernel tells.
pub fn group_stall(group: &CgroupRates, resource: &str) -> Option<Evidence> {
    let ratio = group.stalled_ratio(resource)?;
    let metric = format!("cgroup_psi_{resource}_some_avg10_ratio");
    Some(plain(&metric, Some(ratio), Unit::Ratio, &format!("{resource}.pressure of the group, avg10")))
}

/// Metric of the evidence that the finding's device is the mount point of a frozen file system.
pub const FROZEN_MOUNTS: &str = "frozen_mounts_count";

/// Metric of the evidence that says how much room deleted files hold.
pub const DELETED_FILES: &str = "deleted_files_bytes";

/// Metric of the evidence that says how long ago an event was: a finding with it and without severity is news.
pub const EVENT_AGE: &str = "event_age_seconds";

/// How long before the end of the window an event of the kernel log was.
pub fn event_age(seconds_ago: f64) -> Evidence {
    plain(EVENT_AGE, Some(seconds_ago), Unit::Seconds, "/dev/kmsg")
}

/// A number without limits.
pub fn plain(metric: &str, value: Option<f64>, unit: Unit, source: &str) -> Evidence {
    Evidence {
        metric: metric.to_owned(),
        value,
        unit,
        warning: None,
        critical: None,
        source: source.to_owned(),
        threshold_source: None,
        threshold_changed: false,
    }
}
