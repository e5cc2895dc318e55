//! `/proc/stat`, proc_stat(5): CPU time by mode since boot in USER_HZ, and a few counters.
//!
//! Columns came over time: iowait 2.5.41, irq and softirq 2.6.0, steal 2.6.11, guest 2.6.24, guest_nice
//! 2.6.33. CPUs that are offline have no line. Written by hand because an old kernel's missing column
//! must stay absent.
//!
//! Known lies: guest time is counted in user as well, guest_nice in nice. `iowait` belongs to no CPU in
//! particular and may go backwards, as may `idle` on tickless kernels. In a container without lxcfs the
//! numbers are the host's.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::{CpuTicks, KernelStat};
use std::collections::BTreeMap;

/// Reads `/proc/stat`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<KernelStat> {
    root.read_parsed("proc/stat", buffer, parse)
}

/// Parses the text of `/proc/stat`.
pub fn parse(bytes: &[u8]) -> Result<KernelStat, String> {
    let text = String::from_utf8_lossy(bytes);
    let (mut total, mut cpus, mut counters) = (None, BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        match name.strip_prefix("cpu") {
            Some("") => total = ticks(rest),
            Some(number) => cpus.extend(number.parse().ok().zip(ticks(rest))),
            // `intr` goes on with a number for each interrupt there could be.
            None => {
                counters.extend(rest.split_whitespace().next().and_then(number).map(|value| (name, value)))
            }
        }
    }
    let counter = |name| counters.get(name).copied();
    Ok(KernelStat {
        cpu: total.ok_or("no usable `cpu` line")?,
        cpus,
        context_switches_count: counter("ctxt"),
        interrupts_count: counter("intr"),
        forks_count: counter("processes"),
        procs_running_count: counter("procs_running"),
        procs_blocked_count: counter("procs_blocked"),
    })
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// The columns of one line, or nothing when one of them is no number: no column is worth a wrong sum.
fn ticks(columns: &str) -> Option<CpuTicks> {
    let values: Vec<u64> = columns.split_whitespace().map(number).collect::<Option<_>>()?;
    let column = |index: usize| values.get(index).copied();
    Some(CpuTicks {
        user: column(0)?,
        nice: column(1)?,
        system: column(2)?,
        idle: column(3)?,
        iowait: column(4),
        irq: column(5),
        softirq: column(6),
        steal: column(7),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_current_kernel() {
        let stat = parse(
            b"cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 3 1\n\
              cpu0 1393280 32966 572056 13343292 6130 0 17875 23933 0 0\n\
              cpu3 1 2 3 4 5 6 7 8 9 10\n\
              intr 199292 0 5 7\nctxt 1990473\nbtime 1062191376\nprocesses 2915\n\
              procs_running 1\nprocs_blocked 0\nsoftirq 183433 0 21755\n",
        )
        .unwrap();
        assert_eq!(stat.cpu.steal, Some(175_628));
        assert_eq!(stat.cpus.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(stat.cpus[&3].softirq, Some(7));
        assert_eq!((stat.interrupts_count, stat.context_switches_count), (Some(199_292), Some(1_990_473)));
        assert_eq!((stat.forks_count, stat.procs_running_count), (Some(2915), Some(1)));
        assert_eq!(stat.procs_blocked_count, Some(0));
    }

    #[test]
    fn what_an_old_kernel_lacks_is_absent() {
        let stat = parse(b"cpu 1 2 3 4\nctxt x\nintr\n").unwrap();
        assert_eq!((stat.cpu.idle, stat.cpu.iowait, stat.cpu.steal), (4, None, None));
        assert_eq!((stat.context_switches_count, stat.interrupts_count), (None, None));
        let without_steal = parse(b"cpu  1 2 3 4 5 6 7\n").unwrap();
        assert_eq!((without_steal.cpu.softirq, without_steal.cpu.steal), (Some(7), None));
    }

    #[test]
    fn a_cpu_with_a_broken_line_is_left_out() {
        let stat = parse(b"cpu  1 2 3 4\ncpu0 1 2\ncpu1 1 2 x 4\ncpux 1 2 3 4\ncpu2 1 2 3 4\n").unwrap();
        assert_eq!(stat.cpus.len(), 1);
    }

    #[test]
    fn without_a_cpu_line_there_is_nothing() {
        for text in [&b""[..], b"cpu\n", b"cpu  1 2 3\n", b"cpu  1 2 3 -4\n", b"ctxt 5\n", b"\xff\xfe\0"] {
            assert!(parse(text).is_err());
        }
        assert!(parse(b"cpu  99999999999999999999 2 3 4\n").is_err());
    }
}
