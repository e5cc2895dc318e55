//! Opening the events of perf_event_open(2): one per CPU for every process, or those of chosen threads.

use super::perf::redirect;
use super::record::{Record, parse};
use crate::model::profile::SampledEvent;
use crate::model::task::Pid;
use perf_event::events::{Hardware, Software};
use perf_event::{Builder, Counter, ReadFormat, SampleFlag, Sampler};
use rustix::io::Errno;
use std::io;

/// Bytes of the stack that come with a sample: as perf(1) takes by default.
const STACK_BYTES: u32 = 8 * 1024;

/// Bytes of a sample besides its stack, at most: call chains of 127 entries in either space.
const CHAIN_BYTES: u64 = 2500;

/// A ring holds the samples of this many seconds; it is emptied more often.
const RING_SECONDS: f64 = 0.5;

/// Locked memory of all rings, at most.
const RINGS_BYTES_MAX: usize = 64 << 20;

/// The smallest ring worth having; below it a burst of mappings is lost.
const RING_BYTES_MIN: usize = 64 << 10;

/// Registers that unwinding starts from, as bits of kernel `arch/*/include/uapi/asm/perf_regs.h`, in their order.
#[cfg(target_arch = "x86_64")]
mod registers {
    pub(super) const MASK: u64 = 1 << 6 | 1 << 7 | 1 << 8;
    pub(in crate::profile) const FP: usize = 0;
    pub(in crate::profile) const SP: usize = 1;
    pub(in crate::profile) const IP: usize = 2;
    pub(in crate::profile) const LR: Option<usize> = None;
}
#[cfg(target_arch = "aarch64")]
mod registers {
    pub(super) const MASK: u64 = 1 << 29 | 1 << 30 | 1 << 31 | 1 << 32;
    pub(in crate::profile) const FP: usize = 0;
    pub(in crate::profile) const LR: Option<usize> = Some(1);
    pub(in crate::profile) const SP: usize = 2;
    pub(in crate::profile) const IP: usize = 3;
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod registers {
    pub(super) const MASK: u64 = 0;
    pub(in crate::profile) const FP: usize = 0;
    pub(in crate::profile) const SP: usize = 0;
    pub(in crate::profile) const IP: usize = 0;
    pub(in crate::profile) const LR: Option<usize> = None;
}
pub(super) use registers::{FP, IP, LR, SP};

/// No such CPU.
const NODEV: i32 = Errno::NODEV.raw_os_error();
/// No such thread.
const SRCH: i32 = Errno::SRCH.raw_os_error();

/// What is sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whom {
    /// Whatever runs on any CPU.
    EveryCpu,
    /// These threads, and what they start from now on.
    Threads(Vec<Pid>),
}

/// Events that are open and write into rings.
pub(super) struct Rings {
    /// One for each CPU.
    samplers: Vec<Sampler>,
    /// Of further threads; they write into the ring of their CPU.
    redirected: Vec<Counter>,
    pub(super) event: SampledEvent,
    /// The kernel keeps its own frames back.
    pub(super) kernel_hidden: bool,
    ring_bytes: usize,
}

/// Opens the events, disabled.
///
/// # Errors
///
/// The error of the last way that was tried; the first ones are refused where hardware or rights are missing.
pub(super) fn open(whom: &Whom, cpus: &[usize], frequency_hertz: u32) -> io::Result<Rings> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    let mut ring_bytes = ring_bytes(cpus.len(), frequency_hertz);
    for kernel_hidden in [false, true] {
        for event in [SampledEvent::Cycles, SampledEvent::CpuClock] {
            loop {
                let mut rings =
                    Rings { samplers: Vec::new(), redirected: Vec::new(), event, kernel_hidden, ring_bytes };
                match rings.open_all(whom, cpus, frequency_hertz) {
                    Ok(()) => return Ok(rings),
                    // Less locked memory may be within the limit.
                    Err(Refused::Ring(_)) if ring_bytes > RING_BYTES_MIN => ring_bytes /= 2,
                    Err(Refused::Event(error) | Refused::Ring(error)) => {
                        refused = error;
                        break;
                    }
                }
            }
        }
        // Only rights can be mended by asking for less.
        if refused.kind() != io::ErrorKind::PermissionDenied {
            break;
        }
    }
    Err(refused)
}

/// What the kernel did not grant.
enum Refused {
    Event(io::Error),
    /// Its memory.
    Ring(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Event(error)
    }
}

impl Rings {
    fn open_all(&mut self, whom: &Whom, cpus: &[usize], frequency_hertz: u32) -> Result<(), Refused> {
        for &cpu in cpus {
            match whom {
                Whom::EveryCpu => match self.builder(frequency_hertz).any_pid().one_cpu(cpu).build() {
                    Ok(counter) => self.samplers.push(self.ring(counter)?),
                    // It went offline meanwhile.
                    Err(error) if error.raw_os_error() == Some(NODEV) => {}
                    Err(error) => return Err(error.into()),
                },
                Whom::Threads(tids) => self.open_threads(tids, cpu, frequency_hertz)?,
            }
        }
        if self.samplers.is_empty() { Err(io::Error::from_raw_os_error(SRCH).into()) } else { Ok(()) }
    }

    fn open_threads(&mut self, tids: &[Pid], cpu: usize, frequency_hertz: u32) -> Result<(), Refused> {
        let mut first: Option<usize> = None;
        for &tid in tids {
            let mut builder = self.builder(frequency_hertz);
            let counter = match builder.observe_pid(tid).one_cpu(cpu).inherit(true).build() {
                Ok(counter) => counter,
                Err(error) if matches!(error.raw_os_error(), Some(SRCH | NODEV)) => continue,
                Err(error) => return Err(error.into()),
            };
            match first {
                None => {
                    first = Some(self.samplers.len());
                    self.samplers.push(self.ring(counter)?);
                }
                Some(index) => {
                    redirect(&counter, &self.samplers[index])?;
                    self.redirected.push(counter);
                }
            }
        }
        Ok(())
    }

    fn ring(&self, counter: Counter) -> Result<Sampler, Refused> {
        counter.sampled(self.ring_bytes).map_err(Refused::Ring)
    }

    fn builder(&self, frequency_hertz: u32) -> Builder<'static> {
        let mut builder = match self.event {
            SampledEvent::Cycles => Builder::new(Hardware::CPU_CYCLES),
            SampledEvent::CpuClock => Builder::new(Software::CPU_CLOCK),
        };
        let mut flags = SampleFlag::IP
            | SampleFlag::TID
            | SampleFlag::TIME
            | SampleFlag::CPU
            | SampleFlag::PERIOD
            | SampleFlag::CALLCHAIN
            | SampleFlag::REGS_USER
            | SampleFlag::STACK_USER;
        let stack_bytes = if registers::MASK == 0 { 0 } else { STACK_BYTES };
        if stack_bytes == 0 {
            flags.remove(SampleFlag::REGS_USER | SampleFlag::STACK_USER);
        }
        builder
            .sample(flags)
            .sample_frequency(u64::from(frequency_hertz))
            .sample_regs_user(registers::MASK)
            .sample_stack_user(stack_bytes)
            .exclude_kernel(self.kernel_hidden)
            .exclude_hv(true)
            .read_format(ReadFormat::empty())
            .mmap(true)
            .mmap2(true)
            .comm(true)
            .comm_exec(true)
            .task(true)
            .sample_id_all(true);
        builder
    }

    /// Starts, or stops, all of them.
    pub(super) fn enable(&mut self, on: bool) -> io::Result<()> {
        let counters = self.samplers.iter_mut().map(|sampler| &mut **sampler).chain(&mut self.redirected);
        for counter in counters {
            if on { counter.enable()? } else { counter.disable()? }
        }
        Ok(())
    }

    /// Takes what is in the rings, in the order of time.
    pub(super) fn drain(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        for sampler in &mut self.samplers {
            while let Some(record) = sampler.next_record() {
                let bytes = record.to_contiguous();
                records.extend(parse(record.ty(), record.misc(), &bytes, registers::MASK.count_ones()));
            }
        }
        // A thread moves between CPUs, and what it maps on one explains its samples on the other.
        records.sort_by_key(|(time, _)| *time);
        records.into_iter().map(|(_, record)| record).collect()
    }
}

fn ring_bytes(cpus_count: usize, frequency_hertz: u32) -> usize {
    let second = f64::from(frequency_hertz) * (f64::from(STACK_BYTES) + CHAIN_BYTES as f64);
    let wanted = (second * RING_SECONDS) as usize;
    wanted
        .clamp(RING_BYTES_MIN, (RINGS_BYTES_MAX / cpus_count.max(1)).max(RING_BYTES_MIN))
        .next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_bounded() {
        assert_eq!(ring_bytes(2, 99), 1 << 20);
        assert_eq!(ring_bytes(1, 10), 64 << 10);
        assert!(ring_bytes(256, 999) * 256 <= 2 * RINGS_BYTES_MAX);
        assert_eq!(ring_bytes(100_000, 99), RING_BYTES_MIN);
    }
}
