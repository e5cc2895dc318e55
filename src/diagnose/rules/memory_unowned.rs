//! Memory is short, and much of it belongs to no process: huge pages that nobody uses, files in a tmpfs, the kernel's own.
//!
//! Evidence: the account of all of the memory (see [`crate::model::memory_account`]) beside any sign of a shortage. Such
//! memory does not come back when a program is restarted, and no list of processes shows it. Without a shortage it
//! is nobody's business: that is what the memory is for.

use crate::diagnose::evidence::facts::{Facts, plain};
use crate::diagnose::evidence::memory_blame::{Demand, unowned_name};
use crate::diagnose::evidence::shortage::Shortage;
use crate::diagnose::judge::confidence::Confidence;
use crate::diagnose::rule::{
    ActionTemplate, Hit, Impact, Lane, Outcome, Rule, Scope, Since, Who, advise, change, confirm, look,
    reading,
};
use crate::diagnose::thresholds::algorithm::Rank;
use crate::diagnose::thresholds::{MEMORY_PRESSURE, MEMORY_UNOWNED, SWAP_IN};
use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{Evidence, Remedy, Severity};
use crate::model::memory_account::{MemoryAccount, MemoryKind, MemoryPart};
use crate::model::sentence::{Sentence, bytes, ratio, sentence};
use crate::model::units::Unit;

/// The rule.
pub const RULE: Rule = Rule {
    id: BottleneckId::MemoryUnowned,
    resource: Resource::Memory,
    lane: Lane::SwapOrDisk("memory that no process owns"),
    sort: Sort::Memory,
    profile: None,
    since: Since::MemoryPressure,
    scope: Scope::Node,
    inputs: &[],
    title: "memory is short, and no process owns much of it",
    symptom: "The machine swaps, reclaims or kills although its programs are small: huge pages were reserved and are \
              not used, files lie in a tmpfs, or the kernel holds the memory.",
    false_positives: &[
        "Huge pages that a database or a virtual machine uses: they belong to it.",
        "Shared memory that processes map: it comes back when they end.",
        "A large page cache or ZFS cache while no thread waits for memory.",
    ],
    sources: &[
        "kernel Documentation/filesystems/proc.rst, meminfo",
        "kernel Documentation/admin-guide/mm/hugetlbpage.rst",
        "kernel Documentation/filesystems/tmpfs.rst",
    ],
    counters: &[
        "/proc/meminfo, /sys/kernel/mm/hugepages: free pages of a pool that no process was promised; nothing else can \
         use them",
        "/proc/meminfo Shmem and statvfs(2) of each tmpfs, less RssShmem in /proc/PID/status: files in memory that \
         no process maps",
        "/proc/meminfo SUnreclaim, Percpu, VmallocUsed and, for root, /proc/slabinfo: memory of the kernel",
        "/proc/spl/kstat/zfs/arcstats size: ZFS's cache",
        "/proc/meminfo MemTotal less all that is counted: drivers, graphics, a balloon of the hypervisor",
        "a shortage: /proc/pressure/memory, pages from swap, OOM kills, or little available without swap",
    ],
    limits: &[&MEMORY_UNOWNED, &MEMORY_PRESSURE, &SWAP_IN],
    confirm: &[
        confirm(
            "grep -E '^(MemTotal|MemAvail|AnonPages|Shmem:|SUnrec|Huge)' /proc/meminfo",
            "AnonPages is small beside MemTotal, and Shmem, SUnreclaim or HugePages_Free times Hugepagesize is large",
        ),
        confirm("df -h -t tmpfs", "a mount with gigabytes in use"),
    ],
    advice: &[
        look(
            "See which files fill it, the largest last.",
            "du -xah {tmpfs} | sort -h | tail -20",
            Remedy::FixProgram,
        ),
        look(
            "See who holds the huge pages that are in use.",
            "grep -H {in_huge_pages} /proc/[0-9]*/status | grep -v ' 0 kB'",
            Remedy::FixProgram,
        ),
        look(
            "See the shared memory segments; those with nattch 0 are in nobody's use.",
            "ipcs {segments}",
            Remedy::FixProgram,
        ),
        look(
            "See which cache of the kernel grows.",
            "sort -k3 -n -r {slabs} | awk '{print $1, $3 * $4 / 1048576 \" MiB\"}' | head",
            Remedy::FixProgram,
        ),
        change(
            "Give the huge pages back that nobody uses. It takes effect at once.",
            ActionTemplate::HugePages,
            "a program that starts later and wants huge pages gets fewer",
            Remedy::Tune,
        ),
        change(
            "Make ZFS's cache smaller.",
            ActionTemplate::ZfsCache,
            "files are read from disk more often",
            Remedy::Tune,
        ),
        advise(
            "Delete the files that are not needed, and give the tmpfs a size: mount -o remount,size=SIZE.",
            Remedy::Tune,
        ),
        advise(
            "Make the change last: /etc/sysctl.d, the kernel's command line, or the mount table.",
            Remedy::Tune,
        ),
    ],
    check,
};

fn check(facts: &Facts<'_>) -> Outcome {
    let account = reading!(facts.rates.memory_account);
    let Some(shortage) = facts.memory_shortage() else { return Outcome::Clear };
    let Some(part) = account.largest_unowned() else { return Outcome::Clear };
    if account.unowned_ratio() < facts.limit(&MEMORY_UNOWNED).warning {
        return Outcome::Clear;
    }
    // Where a program holds more, that is the first thing to look at, and this comes next.
    let main = facts.memory_blame().demand == Demand::Unowned;
    let severity = if main { shortage.severity } else { Severity::Info };
    let cost = facts.memory_stalls().cost().filter(|_| main);
    Outcome::hit(Hit {
        confidence_ratio: Confidence::new().cap_if(part.kind == MemoryKind::Unexplained, 0.7).ratio(),
        impact: if main { Impact::at_least(cost, Rank::Considerable) } else { Impact::Rank(Rank::Minor) },
        evidence: evidence(facts, account),
        why: Some(why(part).into()),
        ..Hit::new(severity, summary(account, part, &shortage), who(part), Remedy::Tune)
    })
}

fn who(part: &MemoryPart) -> Who {
    Who::Device(match (part.kind, &part.name) {
        (MemoryKind::Tmpfs, Some(mount)) => mount.clone(),
        (MemoryKind::HugePagesFree, _) => "huge pages".to_owned(),
        _ => unowned_name(part).to_string(),
    })
}

fn why(part: &MemoryPart) -> &'static str {
    match part.kind {
        MemoryKind::HugePagesFree => "reserved for huge pages: nothing else can use it",
        MemoryKind::Tmpfs => "files in a tmpfs stay in memory until they are deleted",
        MemoryKind::SharedMemory => "shared memory outlives the processes that made it",
        MemoryKind::ZfsArc => "ZFS keeps files in memory and gives it back slowly",
        MemoryKind::Unexplained | MemoryKind::Balloon => {
            "a driver, the graphics or a balloon of the hypervisor holds it; no counter says which"
        }
        _ => "the kernel holds it and cannot give it back by itself",
    }
}

fn summary(account: &MemoryAccount, part: &MemoryPart, shortage: &Shortage) -> Sentence {
    let part_bytes = part.unowned_bytes;
    let more = (account.unowned_bytes > part_bytes.saturating_add(part_bytes / 10))
        .then(|| sentence!["; in all, no process owns ", bytes(account.unowned_bytes as f64)]);
    sentence![
        bytes(part_bytes as f64),
        " of ",
        bytes(account.total_bytes as f64),
        " memory (",
        ratio(part_bytes as f64 / account.total_bytes.max(1) as f64),
        ") belong to no process: ",
        unowned_name(part),
        ", while ",
        shortage.words.clone(),
        more,
        ".",
    ]
}

fn evidence(facts: &Facts<'_>, account: &MemoryAccount) -> Vec<Evidence> {
    let stalls = facts.memory_stalls();
    let swap_in = facts.paging().and_then(|paging| paging.swap_in_per_second);
    let mut evidence = vec![
        facts.evidence(
            &MEMORY_UNOWNED,
            Some(account.unowned_ratio()),
            "/proc/meminfo, statvfs of tmpfs, hugepages",
        ),
        plain(
            "memory_available_ratio",
            facts.available_of_account(),
            Unit::Ratio,
            "/proc/meminfo MemAvailable",
        ),
        facts.evidence(&MEMORY_PRESSURE, stalls.some, "/proc/pressure/memory some total"),
        facts.evidence(&SWAP_IN, swap_in, "/proc/vmstat pswpin"),
    ];
    let kinds = [
        (MemoryKind::HugePagesFree, "huge_pages_unused_bytes", "HugePages_Free, HugePages_Rsvd"),
        (MemoryKind::Tmpfs, "tmpfs_bytes", "statvfs of each tmpfs"),
        (MemoryKind::SharedMemory, "shared_memory_bytes", "/proc/meminfo Shmem"),
        (MemoryKind::SlabUnreclaimable, "slab_unreclaimable_bytes", "/proc/meminfo SUnreclaim"),
        (MemoryKind::ZfsArc, "zfs_cache_bytes", "/proc/spl/kstat/zfs/arcstats size"),
        (MemoryKind::Unexplained, "memory_unexplained_bytes", "/proc/meminfo MemTotal less all others"),
    ];
    let matters = |value: u64| value as f64 >= 0.02 * account.total_bytes as f64;
    evidence.extend(
        kinds.into_iter().filter(|(kind, ..)| matters(account.bytes(*kind))).map(|(kind, metric, source)| {
            plain(metric, Some(account.bytes(kind) as f64), Unit::Bytes, source)
        }),
    );
    evidence
}
