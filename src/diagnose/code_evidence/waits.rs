//! Where the threads of chosen processes spent their time, and the words for what keeps them waiting.

use crate::model::finding::NotChecked;
use crate::model::profile::ProfileWait;
use crate::model::rates::Rates;
use crate::model::reading::{Absence, AbsenceKind};
use crate::model::sentence::{Sentence, function, path, ratio, sentence};
use crate::model::syscall;
use crate::model::task::Pid;
use crate::model::wait::{LOCK_ALONE_RATIO, Wait};
use crate::model::wait_details::{About, ThreadWaits, WaitSpan};
use std::collections::BTreeMap;

/// Rows beyond the largest so many are added up by class.
const ROWS_MAX: usize = 24;

/// Share of the looks at a lock that must have found the same holder before it is named.
const HOLDER_RATIO: f64 = 0.6;

/// Share of the time from which a wait is worth a word.
const NAMED_RATIO: f64 = 0.1;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Nothing that can be told.
    None,
    /// A file, or what else a descriptor stands for.
    Described(String),
    /// A lock in the memory of a process.
    Futex(Pid, u64),
}

type Key = (Wait, Option<String>, Option<String>, Subject);

/// Share of the time by system call and what it is about, with the row for most of it.
type Calls<'a> = BTreeMap<(&'a Option<String>, &'a Option<String>), (f64, Option<&'a ProfileWait>)>;

#[derive(Default)]
struct Row<'a> {
    seconds: f64,
    stacks: BTreeMap<&'a [String], f64>,
    holders: BTreeMap<Option<Pid>, f64>,
}

/// Where the threads of these processes spent their time, largest first; the shares add up to 1. Empty where none of
/// their threads was seen.
pub fn waits(rates: &Rates, pids: &[Pid]) -> Vec<ProfileWait> {
    let threads: Vec<&ThreadWaits> =
        rates.waits.threads.iter().filter(|thread| pids.contains(&thread.pid)).collect();
    let mut rows: BTreeMap<Key, Row<'_>> = BTreeMap::new();
    for (pid, span) in threads.iter().flat_map(|thread| thread.spans.iter().map(|span| (thread.pid, span))) {
        let row = rows.entry(key(rates, pid, span)).or_default();
        row.seconds += span.seconds;
        *row.holders.entry(span.inside.holder).or_default() += span.seconds;
        if !span.inside.stack.is_empty() {
            *row.stacks.entry(&span.inside.stack).or_default() += span.seconds;
        }
    }
    let total: f64 = rows.values().map(|row| row.seconds).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let mut rows: Vec<(Key, Row<'_>)> = rows.into_iter().filter(|(_, row)| row.seconds > 0.0).collect();
    rows.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds).then_with(|| a.0.cmp(&b.0)));
    let mut waits = Vec::new();
    let rest = rows.split_off(rows.len().min(ROWS_MAX));
    waits.extend(rows.into_iter().map(|(key, row)| wait(rates, key, &row, total)));
    add_rest(rest, total, &mut waits);
    waits.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    waits
}

fn key(rates: &Rates, pid: Pid, span: &WaitSpan) -> Key {
    let subject = match &span.inside.about {
        // An idle pool sleeps at as many words as it has threads.
        Some(About::Futex(address)) if span.wait == Wait::Lock => Subject::Futex(pid, *address),
        Some(About::Descriptor(target)) => described(rates, pid, target),
        _ => Subject::None,
    };
    let arch = rates.host.arch.as_deref().unwrap_or("");
    let call = span.inside.syscall.map(|number| {
        syscall::name_on(arch, number).map_or_else(|| format!("syscall {number}"), str::to_owned)
    });
    (span.wait, span.function.clone(), call, subject)
}

/// What a descriptor stands for, by the link to it.
fn described(rates: &Rates, pid: Pid, target: &str) -> Subject {
    if target.starts_with("socket:[") {
        let peers = rates.limits.peers.iter().find(|wait| wait.pid == pid).map(|wait| wait.peers.as_slice());
        // With several it is not known which one.
        return Subject::Described(match peers {
            Some([(address, port, _)]) if address.is_ipv6() => format!("a connection to [{address}]:{port}"),
            Some([(address, port, _)]) => format!("a connection to {address}:{port}"),
            _ => "a socket".to_owned(),
        });
    }
    if target.starts_with("pipe:[") {
        return Subject::Described("a pipe".to_owned());
    }
    if target.starts_with('/') { Subject::Described(target.to_owned()) } else { Subject::None }
}

fn wait(rates: &Rates, (wait, function, syscall, subject): Key, row: &Row<'_>, total: f64) -> ProfileWait {
    let stack = row.stacks.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(stack, _)| stack.to_vec());
    ProfileWait {
        wait: wait.word().to_owned(),
        function,
        syscall,
        subject: words(rates, subject, row),
        kernel_stack: stack.unwrap_or_default(),
        ratio: (row.seconds / total).clamp(0.0, 1.0),
        seconds: row.seconds,
    }
}

/// What it is about, in words, with the holder where most looks agree on one.
fn words(rates: &Rates, subject: Subject, row: &Row<'_>) -> Option<String> {
    let all: f64 = row.holders.values().sum();
    let most = row.holders.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let holder = most.filter(|(_, seconds)| **seconds >= HOLDER_RATIO * all).and_then(|(holder, _)| *holder);
    match (subject, holder) {
        (Subject::None, _) => None,
        (Subject::Described(what), None) => Some(what),
        (Subject::Described(file), Some(pid)) => {
            let name = rates.process(pid).map(|process| format!(" ({})", process.comm.to_lossy()));
            Some(format!("{file}, locked by pid {pid}{}", name.unwrap_or_default()))
        }
        (Subject::Futex(..), Some(tid)) => {
            let thread = rates.waits.threads.iter().find(|thread| thread.tid == Some(tid));
            let name = thread.map(|thread| format!(" ({})", thread.comm.to_lossy())).unwrap_or_default();
            let does = thread.and_then(|thread| mostly(rates, thread)).unwrap_or_default();
            Some(format!("a lock held by tid {tid}{name}{does}"))
        }
        (Subject::Futex(..), None) => {
            let held = row.holders.keys().flatten().count();
            Some(if held > 1 { "a lock that changes hands" } else { "a lock" }.to_owned())
        }
    }
}

/// What the holder of a lock does nearly all of the time: the reason for which others wait.
fn mostly(rates: &Rates, thread: &ThreadWaits) -> Option<String> {
    let mut sums: BTreeMap<(Wait, Option<String>), f64> = BTreeMap::new();
    for span in &thread.spans {
        let (wait, _, call, _) = key(rates, thread.pid, span);
        *sums.entry((wait, call)).or_default() += span.seconds;
    }
    let all: f64 = sums.values().sum();
    let of = |wait: Wait| sums.get(&(wait, None)).copied().unwrap_or(0.0);
    let (runs, queues) = (of(Wait::Running), of(Wait::WaitingForCpu));
    let most = |seconds: f64| seconds > 0.0 && seconds >= LOCK_ALONE_RATIO * all;
    if most(runs + queues) {
        return Some(if runs >= queues { ", which runs" } else { ", which waits for a CPU" }.to_owned());
    }
    let ((_, call), _) = sums.iter().find(|(_, seconds)| most(**seconds))?;
    call.as_ref().map(|call| format!(", which is in {}", with_section(call)))
}

/// Adds what is left as a row for each class.
fn add_rest(rest: Vec<(Key, Row<'_>)>, total: f64, waits: &mut Vec<ProfileWait>) {
    let mut sums: BTreeMap<Wait, f64> = BTreeMap::new();
    for ((wait, ..), row) in rest {
        *sums.entry(wait).or_default() += row.seconds;
    }
    for (wait, seconds) in sums {
        let plain = |row: &&mut ProfileWait| {
            row.wait == wait.word()
                && row.function.is_none()
                && row.syscall.is_none()
                && row.subject.is_none()
        };
        let ratio = (seconds / total).clamp(0.0, 1.0);
        match waits.iter_mut().find(plain) {
            Some(row) => (row.seconds, row.ratio) = (row.seconds + seconds, row.ratio + ratio),
            None => waits.push(ProfileWait {
                wait: wait.word().to_owned(),
                function: None,
                syscall: None,
                subject: None,
                kernel_stack: Vec::new(),
                ratio,
                seconds,
            }),
        }
    }
}

/// What keeps them waiting, for the sentence of the verdict: "waits 83 % of its time in fsync(2) of /var/lib/db/wal:
/// ext4_sync_file, submit_bio_wait". None where they run or idle.
pub fn why(waits: &[ProfileWait]) -> Option<Sentence> {
    let class_of = |row: &ProfileWait| Wait::ALL.into_iter().find(|wait| wait.word() == row.wait);
    let mut classes: BTreeMap<Wait, f64> = BTreeMap::new();
    for row in waits {
        let class = class_of(row)?;
        if !matches!(class, Wait::Running | Wait::Asleep | Wait::Unknown) {
            *classes.entry(class).or_default() += row.ratio;
        }
    }
    let (class, share) = classes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    if share < NAMED_RATIO {
        return None;
    }
    // One call may sleep in several functions.
    let mut calls = Calls::new();
    for row in waits.iter().filter(|row| class_of(row) == Some(class)) {
        let call = calls.entry((&row.syscall, &row.subject)).or_default();
        call.0 += row.ratio;
        // The rows are sorted: the first is the one for most of the time.
        call.1 = call.1.or(Some(row));
    }
    let (_, (share_of_call, row)) = calls.into_iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    let row = row?;
    let functions = functions(row);
    let Some(call) = &row.syscall else {
        return Some(sentence!["spends ", ratio(share), " of its time ", class.phrase(), functions]);
    };
    let of = if class == Wait::Lock && call.starts_with("futex") { " for " } else { " of " };
    let subject = row.subject.as_ref().map(|subject| sentence![of, path(subject.as_str())]);
    let functions = functions.filter(|_| class != Wait::Lock);
    let call = function(with_section(call));
    Some(sentence!["waits ", ratio(share_of_call), " of its time in ", call, subject, functions])
}

/// `fsync(2)`; a call without a name has no page either.
fn with_section(call: &str) -> String {
    if call.contains(' ') { call.to_owned() } else { format!("{call}(2)") }
}

/// The two functions of the kernel that tell most: where it began to be about something, and where it sleeps.
fn functions(row: &ProfileWait) -> Option<Sentence> {
    let outer = row.kernel_stack.iter().rev().find(|frame| !is_entry(frame));
    let inner = row.function.as_ref().or(row.kernel_stack.first());
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            Some(sentence![": ", function(outer.as_str()), ", ", function(inner.as_str())])
        }
        (_, inner) => inner.map(|inner| sentence![": ", function(inner.as_str())]),
    }
}

/// Whether every system call goes through a function like this one.
fn is_entry(frame: &str) -> bool {
    const STARTS: &[&str] = &[
        "entry_",
        "do_syscall",
        "do_sys_",
        "do_fsync",
        "do_readv",
        "do_writev",
        "do_preadv",
        "do_pwritev",
        "do_iter_",
        "do_user_addr_fault",
        "__do_",
        "x64_sys_call",
        "__x64_sys_",
        "__arm64_sys_",
        "__se_sys_",
        "ksys_",
        "sys_",
        "vfs_",
        "sock_",
        "el0",
        "invoke_syscall",
        "ret_from_fork",
        "kthread",
        "worker_thread",
        "process_one_work",
        "asm_",
        "exc_",
        "handle_mm_fault",
        "__handle_mm_fault",
    ];
    STARTS.iter().any(|start| frame.starts_with(start))
}

/// What could not be told of the waits of these processes, all of them in one line.
pub fn not_checked(rates: &Rates, pids: &[Pid]) -> Vec<NotChecked> {
    let mut list = Vec::new();
    let root = rates.host.effective_uid == 0;
    let refused = &rates.waits.refused;
    let whose = |pid: Pid| match pids.len() {
        1 => format!("process {pid}"),
        count => format!("process {pid} and {} others", count - 1),
    };
    let seen = |pid: Pid| rates.waits.threads.iter().filter(|thread| thread.pid == pid).count();
    let all = |pid: Pid| {
        let count = rates.process(pid).map_or(0, |process| process.threads_count);
        usize::try_from(count).unwrap_or(usize::MAX)
    };
    if let Some(&pid) = pids.iter().find(|&&pid| seen(pid) < all(pid)) {
        let (seen, all) = pids
            .iter()
            .fold((0, 0_usize), |sums, &pid| (sums.0 + seen(pid), sums.1.saturating_add(all(pid))));
        let threads = if seen == 0 { "the threads" } else { "some threads" };
        list.push(NotChecked {
            what: format!("where {threads} of {} spent the window", whose(pid)),
            reason: format!("{seen} of {all} were followed before it was known to matter"),
            unlock: Some(format!("--pid {pid}")),
        });
    }
    if let Some((pid, absence)) = pids.iter().find_map(|&pid| Some((pid, refused.stack_of(pid)?))) {
        let unlocks = ("a kernel with CONFIG_STACKTRACE", "CAP_SYS_ADMIN");
        let what = format!("below which kernel functions {} waits", whose(pid));
        list.push(of(absence, what, unlocks, root));
    }
    if let Some((pid, absence)) = pids.iter().find_map(|&pid| Some((pid, refused.syscalls.get(&pid)?))) {
        let unlocks = ("a kernel with CONFIG_HAVE_ARCH_TRACEHOOK", "CAP_SYS_PTRACE");
        list.push(of(absence, format!("in which system calls {} waits", whose(pid)), unlocks, root));
    }
    list
}

fn of(absence: &Absence, what: String, (kernel, capability): (&str, &str), root: bool) -> NotChecked {
    let unlock = match &absence.kind {
        AbsenceKind::Missing => Some(kernel.to_owned()),
        AbsenceKind::Denied if root => Some(capability.to_owned()),
        AbsenceKind::Denied => Some(format!("run as root, or with {capability}")),
        _ => None,
    };
    NotChecked { what, reason: absence.to_string(), unlock }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wait: Wait, call: &str, subject: &str, stack: &[&str], ratio: f64) -> ProfileWait {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ProfileWait {
            wait: wait.word().to_owned(),
            function: stack.first().map(|function| (*function).to_owned()),
            syscall: some(call),
            subject: some(subject),
            kernel_stack: stack.iter().map(|function| (*function).to_owned()).collect(),
            ratio,
            seconds: ratio,
        }
    }

    const FSYNC: &[&str] =
        &["submit_bio_wait", "blkdev_issue_flush", "ext4_sync_file", "do_fsync", "__x64_sys_fsync"];
    const PAGE: &[&str] = &["folio_wait_bit", "file_write_and_wait_range", "ext4_sync_file", "do_fsync"];

    #[test]
    fn one_call_in_two_functions_is_one_wait() {
        let waits = [
            row(Wait::Disk, "fsync", "/wal", FSYNC, 0.4),
            row(Wait::Running, "", "", &[], 0.3),
            row(
                Wait::Disk,
                "read",
                "/table",
                &["folio_wait_bit", "filemap_read", "ext4_file_read_iter"],
                0.2,
            ),
            row(Wait::Disk, "fsync", "/wal", PAGE, 0.1),
        ];
        assert_eq!(
            why(&waits).unwrap(),
            "waits 50 % of its time in fsync(2) of /wal: ext4_sync_file, submit_bio_wait"
        );
    }

    #[test]
    fn who_runs_or_idles_waits_for_nothing() {
        for wait in [Wait::Running, Wait::Asleep, Wait::Unknown] {
            assert_eq!(why(&[row(wait, "", "", &[], 1.0)]), None);
        }
        assert_eq!(
            why(&[row(Wait::Asleep, "pause", "", &[], 0.97), row(Wait::Disk, "read", "", &[], 0.03)]),
            None
        );
        assert_eq!(why(&[]), None);
    }

    #[test]
    fn what_has_no_call_is_told_by_its_class() {
        let fault =
            ["folio_wait_bit", "do_swap_page", "__handle_mm_fault", "handle_mm_fault", "exc_page_fault"];
        assert_eq!(
            why(&[row(Wait::Swap, "", "", &fault, 0.6)]).unwrap(),
            "spends 60 % of its time waiting for swapped memory: do_swap_page, folio_wait_bit"
        );
        assert_eq!(
            why(&[row(Wait::WaitingForCpu, "", "", &[], 0.4)]).unwrap(),
            "spends 40 % of its time waiting for a CPU"
        );
        // A number that has no name.
        assert_eq!(
            why(&[row(Wait::Network, "syscall 999", "", &[], 0.4)]).unwrap(),
            "waits 40 % of its time in syscall 999"
        );
    }

    #[test]
    fn a_lock_is_told_by_its_holder_and_not_by_functions() {
        let futex =
            row(Wait::Lock, "futex", "a lock held by tid 812 (db)", &["futex_do_wait", "do_futex"], 0.6);
        assert_eq!(
            why(&[futex]).unwrap(),
            "waits 60 % of its time in futex(2) for a lock held by tid 812 (db)"
        );
    }
}
