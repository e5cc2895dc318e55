//! Machines that have a bottleneck, with what an expert would say of them.

use crate::machine::{GIB, MIB, Machine, Made, Memory, Process, Stalls};

/// What is true of a machine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Truth {
    /// Verdicts that are right.
    pub(crate) verdict: &'static [&'static str],
    /// Severities that are right.
    pub(crate) severity: &'static [&'static str],
    /// Names one of which is to blame; empty where that does not matter.
    pub(crate) culprit: &'static [&'static str],
    /// Words that the summary or the culprit must hold.
    pub(crate) says: &'static [&'static str],
    /// Findings that must be listed.
    pub(crate) lists: &'static [&'static str],
}

pub(crate) const ALL: &[(&str, Truth, Made)] = &[(
    "full-cpus",
    Truth { verdict: &["cpu-user"], severity: &["critical"], culprit: &["php-fpm"], says: &[], lists: &[] },
    full_cpus,
)];

/// A web server with four CPUs and work for eight.
pub(crate) fn full_cpus() -> Machine {
    let worker = Process {
        comm: "php-fpm",
        copies: 8,
        user: 0.46,
        system: 0.03,
        delay: 0.5,
        anonymous: 80 * MIB,
        group: "/system.slice/php-fpm.service",
        ..Process::default()
    };
    Machine {
        stalls: Some(Stalls { cpu: 0.93, ..Stalls::default() }),
        history: 0.3,
        processes: vec![worker],
        memory: Memory { total: 16 * GIB, ..Memory::default() },
        ..Machine::default()
    }
}
