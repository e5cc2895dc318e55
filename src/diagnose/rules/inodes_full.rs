//! A file system has no inodes left: no new file can be made although there is room.
//!
//! Evidence: statvfs(3). File systems that make inodes as they need them (btrfs, vfat) show none and are left out.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::INODES_USED;
use crate::diagnose::thresholds::algorithm::Rank;
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Remedy, Severity};
use crate::model::sentence::{path, ratio, sentence};

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::InodesFull,
    resource: Resource::Io,
    lane: Lane::LimitsAndErrors("no free inode"),
    sort: Sort::Io,
    profile: None,
    since: Since::Unmeasured,
    scope: Scope::Own,
    inputs: &[],
    title: "a file system has no free inodes",
    symptom: "New files cannot be created although there is free space: the file system has too many small \
              files.",
    false_positives: &["File systems without a fixed number of inodes."],
    sources: &["statvfs(3)", "netdata disk_inode_usage; node-mixin"],
    counters: &[
        "statvfs(3) of each mounted device: used inodes divided by all inodes; file systems that create them \
         as needed have no such number",
    ],
    limits: &[&INODES_USED],
    confirm: &[confirm("df -i", "IUse% of 98 or more, while df -h shows free space on the same file system")],
    advice: &[
        look(
            "Find the directory with the many files.",
            "du -x --inodes -d2 {device} 2>/dev/null | sort -n | tail",
            Remedy::FixProgram,
        ),
        change(
            "Pause the process that writes there, if it may stop for now.",
            ActionTemplate::Pause,
            "it does nothing until the undo, and a health check may restart it",
            Remedy::FixProgram,
        ),
        advise("Clean up sessions, caches and mail queues that keep one file per item.", Remedy::FixProgram),
        advise(
            "Recreate the file system with more inodes, or use one that creates them as needed.",
            Remedy::AddResource,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    reading!(facts.rates.limits.mounts);
    let fullest =
        facts.most_inodes_used_mount().filter(|(_, used)| *used >= facts.limit(&INODES_USED).warning);
    let Some((mount, used)) = fullest else { return Outcome::Clear };
    let out = facts.limit(&INODES_USED).critical.is_some_and(|limit| used >= limit);
    // A file system that nobody writes to refuses nobody.
    let critical = out && !mount.writers.is_empty();
    let top = facts.most_among(&mount.writers, |process| process.cpu_ratio());
    Outcome::hit(Hit {
        impact: Impact::Rank(match (critical, out) {
            (true, _) => Rank::Severe,
            (false, true) => Rank::Low,
            (false, false) => Rank::Minor,
        }),
        evidence: vec![facts.evidence(&INODES_USED, Some(used), &format!("statvfs {}", mount.path))],
        device: Some(mount.path.clone()),
        ..Hit::new(
            if critical { Severity::Critical } else { Severity::Warning },
            sentence![
                "File system ",
                path(mount.path.as_str()),
                " has used ",
                ratio(used),
                " of its inodes.",
            ],
            top.map_or(Who::None, Who::Group),
            Remedy::FixProgram,
        )
    })
}
