//! Healthy: nothing is short, or what looks alarming is harmless.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{Lane, Scope, Since};
use crate::diagnose::rule::{Outcome, Rule, confirm};
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
    title: "healthy: nobody waits for anything that is short",
    symptom: "No resource of the box makes its threads wait. If a service is slow all the same, it waits for \
              something outside of the box or sleeps by its own decision.",
    false_positives: &[
        "A load average that is still high from work that has ended: it falls by two thirds a minute.",
        "iowait on an idle box: one reader on a fast disk relabels idle time.",
        "Memory that is \"full\" of page cache: the kernel gives it back; MemAvailable counts it as available.",
        "Swap space in use without traffic to it.",
        "Work at lowered priority that fills the CPUs while nobody else waits.",
    ],
    sources: &["proc_loadavg(5)", "kernel Documentation/accounting/psi.rst"],
    counters: &[
        "/proc/stat, /proc/pressure, /proc/loadavg: how busy the box is and how long threads wait; no \
         other rule found anything that is at least a warning",
    ],
    limits: &[],
    confirm: &[
        confirm(
            "vmstat 1 5",
            "r below the number of CPUs, b, si and so at 0, id or wa well above 0, in the lines after the \
             first",
        ),
        confirm("tail -n +1 /proc/pressure/*", "avg10 near 0 everywhere"),
    ],
    advice: &[],
    check: |_: &Facts<'_>| Outcome::Clear,
};
