//! Healthy: nothing is short, or what looks alarming is harmless.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{Lane, Outcome, Rule, Scope, Since, confirm};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};

/// The rule. It never hits: it is the verdict when no other does.
pub const RULE: Rule = Rule {
    id: BottleneckId::None,
    resource: Resource::None,
    lane: Lane::Nowhere,
    sort: Sort::Cpu,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "healthy: no resource is short",
    symptom: "Threads do not wait for any resource of this machine. If a service is slow all the same, it \
              waits for something outside of this machine, or sleeps on its own.",
    false_positives: &[
        "A load average that is still high from work that has ended: it falls by two thirds per minute.",
        "iowait on an idle machine: one reader on a fast disk turns idle time into iowait.",
        "Memory \"full\" of page cache: the kernel can drop it; MemAvailable counts it as available.",
        "Used swap space without traffic.",
        "Work at low priority that fills the CPUs while no other thread waits.",
    ],
    sources: &["proc_loadavg(5)", "kernel Documentation/accounting/psi.rst"],
    counters: &[
        "/proc/stat, /proc/pressure, /proc/loadavg: how busy the machine is and how long threads wait; no \
         other rule found a warning",
    ],
    limits: &[],
    confirm: &[
        confirm(
            "vmstat 1 5",
            "after the first line: r below the number of CPUs, b, si and so at 0, id or wa well above 0",
        ),
        confirm("tail -n +1 /proc/pressure/*", "avg10 near 0 everywhere"),
    ],
    advice: &[],
    check: |_: &Facts<'_>| Outcome::Clear,
};
