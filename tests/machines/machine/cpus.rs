//! `/proc/stat`, the load average, pressure and interrupts.

use super::{HZ, Machine, put};
use diag::capture::Frame;
use std::fmt::Write as _;

/// What one CPU does, as shares of its time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shares {
    pub(super) user: f64,
    pub(super) nice: f64,
    pub(super) system: f64,
    pub(super) irq: f64,
    pub(super) softirq: f64,
    pub(super) steal: f64,
    pub(super) guest: f64,
}

impl Shares {
    fn busy(&self) -> f64 {
        self.user + self.nice + self.system + self.irq + self.softirq + self.steal
    }

    fn add(&mut self, other: &Self, part: f64) {
        self.user += other.user * part;
        self.nice += other.nice * part;
        self.system += other.system * part;
        self.guest += other.guest * part;
    }
}

impl Machine {
    /// What each CPU does: large and bound threads have one of their own, the others share what is left.
    fn shares(&self) -> Vec<Shares> {
        let mut cpus = vec![Shares::default(); self.cpus];
        let count = if self.interrupted_cpus == 0 { self.cpus } else { self.interrupted_cpus };
        for cpu in &mut cpus[..count] {
            cpu.softirq = self.soft_interrupts / count as f64;
            cpu.irq = self.hard_interrupts / count as f64;
        }
        for cpu in &mut cpus {
            cpu.steal = self.steal / self.cpus as f64;
        }
        let mut pool = Shares::default();
        for (thread, bound) in self.thread_shares() {
            let busy = thread.busy();
            let least = (0..cpus.len()).min_by(|a, b| cpus[*a].busy().total_cmp(&cpus[*b].busy()));
            let own = bound.or(least.filter(|_| busy >= 0.5));
            let fits = own.map_or(0.0, |cpu| ((1.0 - cpus[cpu].busy()) / busy).clamp(0.0, 1.0));
            if let Some(cpu) = own {
                cpus[cpu].add(&thread, fits);
            }
            pool.add(&thread, 1.0 - fits);
        }
        let left: f64 = cpus.iter().map(|cpu| 1.0 - cpu.busy()).sum();
        let part = pool.busy() / left.max(1e-9);
        assert!(pool.busy() <= left + 1e-6, "{:.2} CPUs are wanted and {left:.2} are left", pool.busy());
        if pool.busy() > 0.0 {
            for cpu in &mut cpus {
                let share = (1.0 - cpu.busy()) * part / pool.busy();
                cpu.add(&pool, share);
            }
        }
        cpus
    }

    /// Ticks of each CPU by mode; the idle ones make up the time.
    fn ticks(&self, at: f64) -> Vec<[u64; 10]> {
        let seconds = self.uptime * self.history + at;
        let ticks = |share: f64| (share * seconds * HZ).round() as u64;
        let shares = self.shares();
        let idle: f64 = shares.iter().map(|cpu| 1.0 - cpu.busy()).sum();
        let waiting = (self.blocked() / idle.max(1e-9)).min(0.95);
        let of_cpu = |cpu: &Shares| {
            let iowait = ticks((1.0 - cpu.busy()).max(0.0) * waiting);
            let busy = [cpu.user, cpu.nice, cpu.system].map(ticks);
            let other = [cpu.irq, cpu.softirq, cpu.steal].map(ticks);
            let all = ((self.uptime + at) * HZ).round() as u64;
            let idle = all.saturating_sub(busy.iter().chain(&other).sum::<u64>() + iowait);
            let ([user, nice, system], [irq, softirq, steal]) = (busy, other);
            [user, nice, system, idle, iowait, irq, softirq, steal, ticks(cpu.guest), 0]
        };
        shares.iter().map(of_cpu).collect()
    }

    /// Seconds that all CPUs were idle.
    pub(super) fn idle(&self, at: f64) -> f64 {
        self.ticks(at).iter().map(|cpu| cpu[3] as f64 / HZ).sum()
    }

    pub(super) fn put_cpus(&self, frame: &mut Frame, at: f64) {
        let cpus = self.ticks(at);
        let sum = |column: usize| cpus.iter().map(|cpu| cpu[column]).sum::<u64>();
        let line = |ticks: &[u64; 10]| ticks.map(|ticks| ticks.to_string()).join(" ");
        let mut text = format!("cpu  {}\n", line(&std::array::from_fn(sum)));
        for (cpu, ticks) in cpus.iter().enumerate() {
            let _ = writeln!(text, "cpu{cpu} {}", line(ticks));
        }
        let [running, blocked] = self.counts(at);
        let interrupts = self.counter(1200.0 * self.cpus as f64, at);
        let switches = self.counter(self.switches, at);
        let forks = self.counter(self.forks, at) + 3000;
        let _ = write!(
            text,
            "intr {interrupts} 0 9\nctxt {switches}\nbtime 1770000000\nprocesses {forks}\nprocs_running {}\n\
             procs_blocked {blocked}\nsoftirq {interrupts} 1 2\n",
            running + 1
        );
        put(frame, "proc/stat", &text);
        let Some(stalls) = self.stalls else { return };
        for (resource, some, full) in [
            ("cpu", stalls.cpu, 0.0),
            ("memory", stalls.memory, stalls.memory_full),
            ("io", stalls.io, stalls.io_full),
        ] {
            let line = |kind: &str, share: f64| {
                let (percent, total) = (share * 100.0, self.counter(share * 1e6, at));
                format!("{kind} avg10={percent:.2} avg60={percent:.2} avg300={percent:.2} total={total}\n")
            };
            put(frame, &format!("proc/pressure/{resource}"), &(line("some", some) + &line("full", full)));
        }
    }

    pub(super) fn put_load(&self, frame: &mut Frame, at: f64) {
        let [running, _] = self.counts(at);
        let mean = self.runnable() + self.uninterruptible();
        let [one, five, fifteen] = self.load.unwrap_or([mean, mean, mean * 0.9]);
        let text =
            format!("{one:.2} {five:.2} {fifteen:.2} {}/{} 99999\n", running + 1, self.threads_count());
        put(frame, "proc/loadavg", &text);
    }

    pub(super) fn put_interrupts(&self, frame: &mut Frame, at: f64) {
        let header: String = (0..self.cpus).map(|cpu| format!(" CPU{cpu:<7}")).collect();
        let count = if self.interrupted_cpus == 0 { self.cpus } else { self.interrupted_cpus };
        let packets: f64 = self.links.iter().map(|link| link.received_packets).sum();
        // The kernel counts in 32 bits.
        let row = |rate: f64, cpus: usize| -> String {
            let value = self.counter(rate / cpus as f64, at) & u64::from(u32::MAX);
            (0..self.cpus).map(|cpu| format!(" {}", if cpu < cpus { value } else { 0 })).collect()
        };
        let all = self.cpus;
        let requests: f64 = self.disks.iter().map(|disk| disk.reads + disk.writes).sum();
        let text = format!(
            "{header}\n 24:{} PCI-MSIX-0000:01:00.0 0-edge eth0-TxRx-0\n 30:{} PCI-MSIX-0000:02:00.0 1-edge nvme0q1\n\
             LOC:{} Local timer interrupts\nRES:{} Rescheduling interrupts\nERR: 0\n",
            row(packets / 4.0, count),
            row(requests, all),
            row(250.0 * all as f64, all),
            row(80.0 * all as f64, all),
        );
        put(frame, "proc/interrupts", &text);
        let text = format!(
            "{header}\n TIMER:{}\n NET_TX:{}\n NET_RX:{}\n BLOCK:{}\n SCHED:{}\n RCU:{}\n",
            row(200.0 * all as f64, all),
            row(packets / 40.0, count),
            row(packets / 3.0, count),
            row(requests, all),
            row(150.0 * all as f64, all),
            row(150.0 * all as f64, all),
        );
        put(frame, "proc/softirqs", &text);
    }
}
