//! Phase two: the costlier files, of the few processes that matter.
//!
//! Files: `cgroup`, `cmdline`, `status`, `smaps_rollup` (4.14), `wchan`; proc(5) has a page for each. Several of
//! them take the process's memory lock, which a process in trouble may hold for minutes: those are read
//! with a deadline, and a time-out is itself a fact about that process.

use crate::collect::root::Root;
use crate::collect::tasks::scan::{Scratch, set_path};
use crate::collect::tasks::thread_files::parse_wait_channel;
use crate::model::reading::{Absence, Reading};
use crate::model::snapshot::StateSamples;
use crate::model::task::{
    CgroupPaths, MemoryRollup, Pid, ProcessDetails, ProcessReading, ProcessStatus, State,
};
use crate::model::tuning::pools;
use crate::model::units::MIB;
use procfs_core::{FromBufRead as _, ProcessCGroups};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How long one file may take.
const DEADLINE: Duration = Duration::from_millis(100);

/// Processes that did something: their cgroup is read, so that workers can be grouped.
const ACTIVE_MAX: usize = 512;

/// Candidates for each reason to matter (CPU, disk, memory, faults, waiting).
const CANDIDATES_EACH: usize = 10;

/// Resident sizes whose page tables may be walked for the proportional size: about 5 ms of CPU per GiB.
const ROLLUP_BUDGET_BYTES: u64 = 2048 * MIB;

/// Pre-fork services of which workers are measured.
const POOLS_MAX: usize = 4;

/// Workers of each that are measured.
const POOL_SAMPLES_MAX: usize = 8;

/// Resident sizes that may be walked for that.
const POOLS_BUDGET_BYTES: u64 = 1024 * MIB;

/// Processes whose swap is asked for when the window saw swapping.
const SWAP_OWNERS_MAX: usize = 2000;

/// Which processes to read, and how much of each.
#[derive(Debug, Default)]
pub struct Selection {
    /// Processes that did something.
    pub active: BTreeSet<Pid>,
    /// Processes that matter.
    pub candidates: BTreeSet<Pid>,
    /// Processes whose proportional size is wanted.
    pub largest: BTreeSet<Pid>,
    /// Processes whose swap is wanted.
    pub swap_owners: BTreeSet<Pid>,
}

/// Chooses from the two scans and the samples. `swapping` asks for the owners of swapped memory as well:
/// a swapped-out process is small in every other respect.
pub fn select(
    before: &[ProcessReading],
    after: &[ProcessReading],
    samples: &StateSamples,
    page_bytes: u64,
    swapping: bool,
    wanted: Option<Pid>,
) -> Selection {
    let earlier: HashMap<(Pid, u64), &ProcessReading> =
        before.iter().map(|process| ((process.stat.pid, process.stat.start_ticks), process)).collect();
    let mut by_cpu = Vec::new();
    let mut by_io = Vec::new();
    let mut by_faults = Vec::new();
    let mut by_memory = Vec::new();
    for process in after {
        let stat = &process.stat;
        let start = earlier.get(&(stat.pid, stat.start_ticks)).copied();
        let since = |value: u64, of: fn(&ProcessReading) -> u64| value.saturating_sub(start.map_or(0, of));
        let children =
            |p: &ProcessReading| p.stat.children_user_ticks.saturating_add(p.stat.children_system_ticks);
        let bytes = |p: &ProcessReading| p.io.map_or(0, |io| io.read_bytes.saturating_add(io.write_bytes));
        let cpu = since(stat.cpu_ticks(), |p| p.stat.cpu_ticks())
            .saturating_add(since(children(process), children));
        let io = since(bytes(process), bytes);
        by_cpu.push((cpu, stat.pid));
        by_io.push((io, stat.pid));
        by_faults.push((since(stat.major_faults_count, |p| p.stat.major_faults_count), stat.pid));
        by_memory.push((stat.rss_pages.saturating_mul(page_bytes), stat.pid));
    }
    let mut selection = Selection::default();
    let lists = [&mut by_cpu, &mut by_io, &mut by_faults];
    for list in lists {
        sort_descending(list);
        let busy = list.iter().filter(|(value, _)| *value > 0);
        selection.active.extend(busy.clone().take(ACTIVE_MAX).map(|(_, pid)| *pid));
        selection.candidates.extend(busy.take(CANDIDATES_EACH).map(|(_, pid)| *pid));
    }
    sort_descending(&mut by_memory);
    selection.candidates.extend(by_memory.iter().take(CANDIDATES_EACH / 2).map(|(_, pid)| *pid));
    let mut walked = 0_u64;
    for &(rss, pid) in by_memory.iter().take(CANDIDATES_EACH / 2) {
        walked = walked.saturating_add(rss);
        if rss > 0 && walked <= ROLLUP_BUDGET_BYTES {
            selection.largest.insert(pid);
        }
    }
    add_waiting(samples, after, &mut selection);
    if swapping {
        let owners = after.iter().filter(|p| !p.stat.is_kernel_thread()).take(SWAP_OWNERS_MAX);
        selection.swap_owners.extend(owners.map(|p| p.stat.pid));
    }
    selection.candidates.extend(wanted);
    let alive: BTreeSet<Pid> = after.iter().map(|process| process.stat.pid).collect();
    selection.candidates.retain(|pid| alive.contains(pid));
    selection
}

/// A few workers of each pre-fork service, from the largest to the smallest: what one takes says how many fit.
pub fn add_pools(after: &[ProcessReading], page_bytes: u64, selection: &mut Selection) {
    let sizes: HashMap<Pid, u64> = after.iter().map(|p| (p.stat.pid, p.stat.rss_pages)).collect();
    let size = |pid: &Pid| sizes.get(pid).copied().unwrap_or(0).saturating_mul(page_bytes);
    let users = after.iter().filter(|process| !process.stat.is_kernel_thread());
    let mut pools: Vec<Vec<(u64, Pid)>> = pools(users.map(|p| (p.stat.pid, p.stat.ppid, p.stat.comm)))
        .into_iter()
        .map(|(_, pool)| pool.iter().map(|pid| (size(pid), *pid)).collect())
        .collect();
    let sum = |pool: &Vec<(u64, Pid)>| pool.iter().fold(0_u64, |sum, (size, _)| sum.saturating_add(*size));
    pools.sort_by_key(|pool| std::cmp::Reverse(sum(pool)));
    let mut walked = 0_u64;
    for pool in pools.iter_mut().take(POOLS_MAX) {
        sort_descending(pool);
        let step = (pool.len() - 1).div_ceil(POOL_SAMPLES_MAX - 1).max(1);
        // The smallest belongs to the mean as well as the largest.
        for (size, pid) in pool.iter().step_by(step).chain(pool.last()) {
            walked = walked.saturating_add(*size);
            if walked <= POOLS_BUDGET_BYTES {
                selection.largest.insert(*pid);
                selection.active.insert(*pid);
            }
        }
    }
}

fn add_waiting(samples: &StateSamples, after: &[ProcessReading], selection: &mut Selection) {
    let mut waiting: HashMap<Pid, f64> = HashMap::new();
    for thread in samples.threads.iter().filter(|thread| !thread.kernel_thread) {
        let loaded = |state| matches!(state, State::Running | State::Uninterruptible);
        let weight: f64 = thread.states.iter().filter(|s| loaded(s.state)).map(|s| s.weight).sum();
        *waiting.entry(thread.pid).or_default() += weight;
    }
    for process in after.iter().filter(|p| p.stat.state == State::Uninterruptible) {
        waiting.entry(process.stat.pid).or_insert(1.0);
    }
    let mut waiting: Vec<(u64, Pid)> =
        waiting.into_iter().map(|(pid, weight)| ((weight * 1000.0) as u64, pid)).collect();
    sort_descending(&mut waiting);
    selection.active.extend(waiting.iter().take(ACTIVE_MAX).map(|(_, pid)| *pid));
    selection.candidates.extend(waiting.iter().take(CANDIDATES_EACH).map(|(_, pid)| *pid));
}

fn sort_descending(list: &mut [(u64, Pid)]) {
    list.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
}

/// Reads what `selection` asks for.
pub fn read(root: &Root, selection: &Selection, scratch: &mut Scratch) -> BTreeMap<Pid, ProcessDetails> {
    let mut details: BTreeMap<Pid, ProcessDetails> = BTreeMap::new();
    let most = selection.active.iter().chain(&selection.candidates);
    let all = most.chain(&selection.largest).chain(&selection.swap_owners);
    let all: BTreeSet<Pid> = all.copied().collect();
    for pid in all {
        let entry = details.entry(pid).or_default();
        let candidate = selection.candidates.contains(&pid);
        if candidate || selection.active.contains(&pid) {
            entry.cgroups = Some(read_file(root, pid, "cgroup", scratch, parse_cgroups));
        }
        if candidate || selection.swap_owners.contains(&pid) {
            entry.status = Some(read_file(root, pid, "status", scratch, parse_status));
        }
        if candidate {
            set_path(&mut scratch.path, format_args!("proc/{pid}/cmdline"));
            entry.command_line = Some(root.read_with_deadline(&scratch.path, DEADLINE));
            entry.wait_channel = Some(read_file(root, pid, "wchan", scratch, |bytes| {
                parse_wait_channel(bytes).ok_or_else(|| "not a function name".to_owned())
            }));
        }
        if selection.largest.contains(&pid) {
            set_path(&mut scratch.path, format_args!("proc/{pid}/smaps_rollup"));
            let bytes = root.read_with_deadline(&scratch.path, DEADLINE);
            let path = format!("/{}", scratch.path);
            entry.memory =
                Some(bytes.and_then(|bytes| {
                    parse_rollup(&bytes).map_err(|detail| Absence::malformed(path, detail))
                }));
        }
    }
    details
}

/// The selection that a capture's last frame was recorded with.
pub fn recorded(root: &Root) -> Selection {
    let mut selection = Selection::default();
    let mut pids = Vec::new();
    if root.pids(&mut pids).is_err() {
        return selection;
    }
    for pid in pids {
        let has = |file: &str| root.holds(&format!("proc/{pid}/{file}"));
        if has("cgroup") {
            selection.active.insert(pid);
        }
        if has("cmdline") {
            selection.candidates.insert(pid);
        }
        if has("status") {
            selection.swap_owners.insert(pid);
        }
        if has("smaps_rollup") {
            selection.largest.insert(pid);
        }
    }
    selection
}

fn read_file<T>(
    root: &Root,
    pid: Pid,
    file: &str,
    scratch: &mut Scratch,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Reading<T> {
    set_path(&mut scratch.path, format_args!("proc/{pid}/{file}"));
    root.read(&scratch.path, &mut scratch.bytes)?;
    parse(&scratch.bytes).map_err(|detail| Absence::malformed(format!("/{}", scratch.path), detail))
}

/// Parses `/proc/PID/cgroup`, cgroups(7): `0::/path` is v2, `4:memory:/path` v1.
pub fn parse_cgroups(bytes: &[u8]) -> Result<CgroupPaths, String> {
    // The name of a group may be any bytes, and the library wants text.
    let text = String::from_utf8_lossy(bytes);
    let groups = ProcessCGroups::from_buf_read(text.as_bytes()).map_err(|error| error.to_string())?;
    let mut paths = CgroupPaths::default();
    for group in groups {
        if group.controllers.is_empty() {
            paths.unified = Some(group.pathname);
        } else {
            paths.legacy.push((group.controllers.join(","), group.pathname));
        }
    }
    Ok(paths)
}

/// Parses the few fields of `/proc/PID/status` that the triage needs; the name in it may be any bytes.
pub fn parse_status(bytes: &[u8]) -> Result<ProcessStatus, String> {
    let mut status = ProcessStatus::default();
    let mut uid = None;
    for line in bytes.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let value = String::from_utf8_lossy(line[colon + 1..].trim_ascii());
        let first = value.split_ascii_whitespace().next().unwrap_or("");
        let bytes_of = || first.parse::<u64>().ok().and_then(|kib| kib.checked_mul(1024));
        match &line[..colon] {
            b"Uid" => uid = first.parse().ok(),
            b"RssAnon" => status.rss_anon_bytes = bytes_of(),
            b"RssShmem" => status.rss_shmem_bytes = bytes_of(),
            b"VmSwap" => status.swap_bytes = bytes_of(),
            _ => {}
        }
    }
    status.uid = uid.ok_or("no Uid line")?;
    Ok(status)
}

/// Parses `/proc/PID/smaps_rollup`.
pub fn parse_rollup(bytes: &[u8]) -> Result<MemoryRollup, String> {
    let text = String::from_utf8_lossy(bytes);
    let field = |name: &str| {
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().and_then(|kib| kib.checked_mul(1024))
    };
    Ok(MemoryRollup {
        pss_bytes: field("Pss").ok_or("no Pss line")?,
        swap_pss_bytes: field("SwapPss").ok_or("no SwapPss line")?,
        private_bytes: field("Private_Clean")
            .zip(field("Private_Dirty"))
            .and_then(|(clean, dirty)| clean.checked_add(dirty)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_both_versions() {
        let text = b"4:memory:/lab\n1:name=systemd:/system.slice/nginx.service\n0::/init.scope\n";
        let paths = parse_cgroups(text).unwrap();
        assert_eq!(paths.unified.as_deref(), Some("/init.scope"));
        assert_eq!(paths.legacy.len(), 2);
        assert_eq!(paths.deepest(), "/init.scope");
        assert_eq!(parse_cgroups(b"0::/\n1:name=systemd:/a:b\n").unwrap().deepest(), "/a:b");
        assert_eq!(parse_cgroups(b"0::/a\xffb\n").unwrap().deepest(), "/a\u{fffd}b");
        for text in [&b"garbage"[..], b"0:x", b"x::/"] {
            assert!(parse_cgroups(text).is_err());
        }
    }

    #[test]
    fn status_survives_a_name_that_is_not_text() {
        let text = b"Name:\t\xff\xfe:x\nUid:\t1000\t0\t0\t0\nVmSwap:\t  12 kB\nCpus_allowed_list:\t0-1\n";
        let status = parse_status(text).unwrap();
        assert_eq!((status.uid, status.swap_bytes), (1000, Some(12_288)));
        assert_eq!(status.rss_anon_bytes, None);
        assert!(parse_status(b"Name:\tx\n").is_err());
    }

    #[test]
    fn rollup_takes_pss_and_not_pss_anon() {
        let text =
            b"00400000-7fff [rollup]\nRss: 100 kB\nPss: 60 kB\nPss_Anon: 5 kB\nSwap: 9 kB\nSwapPss: 8 kB\n";
        let rollup = parse_rollup(text).unwrap();
        assert_eq!((rollup.pss_bytes, rollup.swap_pss_bytes), (61_440, 8192));
        assert_eq!(rollup.private_bytes, None);
        let text = b"Pss: 60 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 30 kB\nSwapPss: 8 kB\n";
        assert_eq!(parse_rollup(text).unwrap().private_bytes, Some(32_768));
        assert!(parse_rollup(b"").is_err());
    }
}
