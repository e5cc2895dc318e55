//! Step 5, why: what the samples say of the offender, folded into the verdict's own sentence.

mod hot_spot;
pub mod waits;

use crate::diagnose::evidence::facts::plain;
use crate::diagnose::evidence::groups::{groups, label};
use crate::diagnose::rules::by_id;
use crate::model::bottleneck::BottleneckId;
use crate::model::finding::{NotChecked, Step, StepId};
use crate::model::profile::{
    Context, Frame, FrameName, Profile, ProfileMode, ProfileWait, SAMPLES_MIN, SampledEvent, SampledProcess,
    SampledStack, Samples, Space, Syscall, TracedSyscalls,
};
use crate::model::rates::Rates;
use crate::model::report::Diagnosis;
use crate::model::sentence::{Sentence, count, function, own, path, quote, ratio, sentence};
use crate::model::task::Pid;
use crate::model::units::Unit;
use hot_spot::{Hot, Weighed, name_of, phrase};
use std::collections::{BTreeMap, HashSet};

/// Frames that the report keeps.
const FRAMES_MAX: usize = 50;

/// Share of the CPU time below system calls from which on the calls are worth tracing.
const SYSCALLS_RATIO: f64 = 0.4;

/// Calls of which more than this fail are told to fail.
const FAILING_RATIO: f64 = 0.2;

/// A process that uses less of one CPU than this is not worth a profile of its own accord.
const BUSY_RATIO: f64 = 0.05;

/// Options of interpreters after which the program itself stands, and no file.
const INLINE: [&str; 2] = ["-c", "-e"];

/// Whom to profile, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Offender {
    /// Process that stands for it; none where it is the interrupts of all CPUs.
    pub pid: Option<Pid>,
    /// All its processes.
    pub pids: Vec<Pid>,
    /// Name.
    pub comm: String,
    /// What to look at.
    pub mode: ProfileMode,
    /// Whether this is the verdict's culprit, not merely the busiest process or the one asked for.
    pub culprit: bool,
    /// The script that it runs, where its command line tells one.
    script: Option<String>,
}

/// The offender: what was asked for, else the verdict's culprit, else who used most CPU time.
pub fn offender(
    rates: &Rates,
    diagnosis: &Diagnosis,
    asked: Option<Pid>,
    mode: Option<ProfileMode>,
) -> Option<Offender> {
    let verdict = &diagnosis.verdict;
    let culprit = verdict.culprit.as_ref().and_then(|culprit| Some((culprit.pid?, culprit.comm.clone())));
    let named = |pid: Pid| rates.process(pid).map(|process| process.comm.to_lossy());
    let (pid, comm, is_culprit) = match (asked, culprit) {
        (Some(pid), culprit) => {
            let is_culprit = culprit.is_some_and(|(culprit, _)| culprit == pid);
            (Some(pid), named(pid).unwrap_or_else(|| format!("process {pid}")), is_culprit)
        }
        (None, _) if rates.target.is_some() => {
            let pids = unit_pids(rates);
            let busiest = busiest(rates, |pid| pids.contains(&pid));
            let pid = busiest.map(|(pid, _)| pid).or(pids.first().copied())?;
            (Some(pid), named(pid).unwrap_or_else(|| format!("process {pid}")), false)
        }
        (None, _) if verdict.bottleneck == BottleneckId::CpuInterrupts => {
            (None, "interrupts".to_owned(), true)
        }
        (None, Some((pid, comm))) => (Some(pid), comm, true),
        (None, None) => {
            let (pid, _) = busiest(rates, |_| true).filter(|(_, ratio)| *ratio >= BUSY_RATIO)?;
            (Some(pid), named(pid).unwrap_or_default(), false)
        }
    };
    let pids = match pid {
        _ if asked.is_none() && rates.target.is_some() => unit_pids(rates),
        Some(pid) if asked.is_none() => members(rates, pid),
        Some(pid) => vec![pid],
        None => Vec::new(),
    };
    let of_verdict = if is_culprit { by_id(verdict.bottleneck).and_then(|rule| rule.profile) } else { None };
    let mode = mode.or(of_verdict).unwrap_or_else(|| mode_by_states(rates, &pids));
    let process = pid.and_then(|pid| rates.process(pid));
    let script = process.and_then(|process| script(process.command_line.as_deref()?));
    Some(Offender { pid, pids, comm, mode, culprit: is_culprit, script })
}

/// Processes of the unit that was asked for.
fn unit_pids(rates: &Rates) -> Vec<Pid> {
    let threads = rates.target.iter().flat_map(|target| &target.threads);
    let pids: HashSet<Pid> = threads.map(|thread| thread.pid).collect();
    let mut pids: Vec<Pid> = pids.into_iter().collect();
    pids.sort_unstable();
    pids
}

fn busiest(rates: &Rates, of: impl Fn(Pid) -> bool) -> Option<(Pid, f64)> {
    let own = rates.host.own_pid;
    let candidates = rates.processes.iter().filter(|process| process.pid != own && of(process.pid));
    candidates
        .map(|process| (process.pid, process.cpu_ratio()))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// The processes that are counted as one with `pid`.
fn members(rates: &Rates, pid: Pid) -> Vec<Pid> {
    let groups = groups(rates);
    let group = groups.iter().find(|group| group.members.iter().any(|process| process.pid == pid));
    group.map_or_else(|| vec![pid], |group| group.members.iter().map(|process| process.pid).collect())
}

/// By what its threads do when they do not sleep: run, or wait.
fn mode_by_states(rates: &Rates, pids: &[Pid]) -> ProfileMode {
    let threads = rates.threads.iter().filter(|thread| pids.contains(&thread.pid));
    let (mut running, mut blocked) = (0.0, 0.0);
    for thread in threads {
        running += thread.running_mean;
        blocked += thread.uninterruptible_mean;
    }
    if blocked > running { ProfileMode::Waits } else { ProfileMode::OnCpu }
}

/// The first word of a command line after the program that is no option: what an interpreter runs.
fn script(command_line: &str) -> Option<String> {
    let mut words = command_line.split(' ').skip(1).filter(|word| !word.is_empty());
    let word = words.find(|word| !word.starts_with('-') || INLINE.contains(word))?;
    if INLINE.contains(&word) {
        return None;
    }
    Some(word.rsplit('/').next().unwrap_or(word).to_owned())
}

/// Whether the system calls of the offender are worth tracing: it was asked for, or most of its time is below them.
pub fn wants_syscalls(offender: &Offender, samples: Option<&Samples>, asked: bool) -> bool {
    if offender.mode != ProfileMode::Syscalls || offender.pids.is_empty() {
        return false;
    }
    asked
        || samples.is_some_and(|samples| {
            let stacks = stacks(offender, samples);
            let below: f64 = weighed(samples, &stacks).syscalls().iter().map(|(_, ratio)| ratio).sum();
            below >= SYSCALLS_RATIO
        })
}

/// The processes of the samples that are the offender: itself, and what it or its children started meanwhile.
fn sampled<'a>(offender: &Offender, samples: &'a Samples) -> Vec<&'a SampledProcess> {
    let mut pids: HashSet<Pid> = offender.pids.iter().copied().collect();
    // A child is told after its parent at the latest when all of them have been gone through once more.
    loop {
        let before = pids.len();
        for process in &samples.processes {
            if process.ppid.is_some_and(|ppid| pids.contains(&ppid)) {
                pids.insert(process.pid);
            }
        }
        if pids.len() == before {
            break;
        }
    }
    samples.processes.iter().filter(|process| pids.contains(&process.pid)).collect()
}

fn weighed<'a>(samples: &'a Samples, stacks: &[(&'a SampledProcess, &'a SampledStack)]) -> Weighed<'a> {
    Weighed::new(samples, stacks.iter().map(|(_, stack)| *stack).collect())
}

/// Its stacks; of a CPU's interrupts those of everybody.
fn stacks<'a>(offender: &Offender, samples: &'a Samples) -> Vec<(&'a SampledProcess, &'a SampledStack)> {
    let interrupts = offender.pid.is_none();
    let processes: Vec<&SampledProcess> =
        if interrupts { samples.processes.iter().collect() } else { sampled(offender, samples) };
    processes
        .into_iter()
        .flat_map(|process| process.stacks.iter().map(move |stack| (process, stack)))
        .filter(|(_, stack)| !interrupts || stack.context == Context::Interrupt)
        .collect()
}

/// Puts the answer into the diagnosis: the culprit's `why`, the verdict's sentence and the fifth step. The report's
/// profile is what it returns; none, with the reason under "not checked", where nothing was seen.
pub fn tell(
    diagnosis: &mut Diagnosis,
    rates: &Rates,
    offender: &Offender,
    samples: Option<&Samples>,
) -> Option<Profile> {
    let stacks = samples.map(|samples| stacks(offender, samples)).unwrap_or_default();
    let weighed = samples.map(|samples| weighed(samples, &stacks));
    let mut profile = profile(offender, waits::waits(rates, &offender.pids));
    if let (Some(samples), Some(weighed)) = (samples, &weighed) {
        add_samples(&mut profile, offender, samples, &stacks, weighed);
    }
    let hot = weighed.filter(|_| profile.samples_count >= SAMPLES_MIN).and_then(|weighed| {
        let executable = stacks.first().and_then(|(process, _)| process.executable.as_deref());
        weighed.hot(executable, offender.script.as_deref())
    });
    let whose = if offender.pid.is_none() { "the interrupts'" } else { "its" };
    let waiting = waits::why(&profile.waits);
    let told = match offender.mode {
        ProfileMode::Waits => waiting.or_else(|| hot.as_ref().map(|hot| phrase(hot, whose))),
        ProfileMode::Syscalls => {
            called(&profile).or_else(|| hot.as_ref().map(|hot| phrase(hot, whose))).or(waiting)
        }
        ProfileMode::OnCpu => hot.as_ref().map(|hot| phrase(hot, whose)).or(waiting),
    };
    if let Some(samples) =
        samples.filter(|_| profile.samples_count == 0 && offender.mode != ProfileMode::Waits)
    {
        diagnosis.not_checked.push(nothing_seen(offender, rates, samples));
    }
    if offender.mode == ProfileMode::Waits {
        diagnosis.not_checked.extend(waits::not_checked(rates, &offender.pids));
    }
    if let Some(told) = &told {
        if offender.culprit {
            fold(diagnosis, told);
        }
        diagnosis.steps.push(step(offender, &profile, hot.as_ref(), told));
        let count = diagnosis.steps.len();
        if let Some(before) = count.checked_sub(2).and_then(|index| diagnosis.steps.get_mut(index)) {
            before.next = Some(StepId::Why);
        }
    }
    let empty = profile.samples_count == 0 && profile.syscalls.is_empty() && profile.waits.is_empty();
    (!empty).then_some(profile)
}

/// The reason of an empty profile.
fn nothing_seen(offender: &Offender, rates: &Rates, samples: &Samples) -> NotChecked {
    let name = label(&offender.comm, offender.pid, 1);
    let cpu: f64 = offender.pids.iter().filter_map(|pid| rates.process(*pid)).map(|p| p.cpu_ratio()).sum();
    let what = format!("which code of {name} takes the time");
    let others =
        samples.attached.as_ref().is_some_and(|pids| !offender.pids.iter().any(|pid| pids.contains(pid)));
    // A capture has names for those that used most.
    if others || sampled(offender, samples).iter().any(|process| !process.named) {
        let reason = "the capture has no names of its code".to_owned();
        let unlock = offender.pid.map(|pid| format!("diag record --profile --pid {pid} FILE"));
        return NotChecked { what, reason, unlock };
    }
    let reason = if offender.pid.is_none() {
        "no sample fell into an interrupt".to_owned()
    } else {
        format!("no sample fell on it: it used {:.2} % of one CPU within the window", cpu * 100.0)
    };
    let unlock = Some("a longer window, as in --interval 30s, or --frequency 999".to_owned());
    NotChecked { what, reason, unlock }
}

/// What the traced system calls say: the one that takes most of the time, else the most frequent one.
fn called(profile: &Profile) -> Option<Sentence> {
    let seconds = profile.syscalls_seconds.filter(|seconds| *seconds > 0.0)?;
    let traced = || profile.syscalls.iter().filter(|call| call.count.is_some_and(|count| count > 0));
    let costly = |call: &&Syscall| call.cpu_ratio.unwrap_or(0.0);
    let call = traced().max_by(|a, b| costly(a).total_cmp(&costly(b)).then(a.count.cmp(&b.count)))?;
    let rate = call.count? as f64 / seconds;
    let name = sentence![function(call.name.as_str()), "(2)"];
    let subject = call.subject.as_ref().map(|subject| sentence![" of ", path(subject.as_str())]);
    let failing = call
        .errors_count
        .map(|failed| failed as f64)
        .zip(call.count)
        .map(|(failed, count)| failed / count as f64);
    let failing = match (&call.error, failing) {
        (Some(error), Some(failing)) if failing >= FAILING_RATIO => {
            Some(sentence![", ", ratio(failing), " of them fail with ", quote(error.as_str())])
        }
        _ => None,
    };
    let times = sentence![", ", count(rate), " calls per second", failing];
    // A share of few samples says nothing.
    Some(match call.cpu_ratio.filter(|share| *share > 0.0 && !profile.is_thin()) {
        Some(share) => {
            sentence![ratio(share), " of its CPU time in the system call ", name, subject, times]
        }
        None => sentence!["calls ", name, subject, times],
    })
}

fn fold(diagnosis: &mut Diagnosis, told: &Sentence) {
    let verdict = &mut diagnosis.verdict;
    if let Some(culprit) = &mut verdict.culprit {
        culprit.why = Some(match culprit.why.take() {
            Some(known) if known != *told => sentence![known, "; ", told],
            _ => told.clone(),
        });
    }
    verdict.summary = std::mem::take(&mut verdict.summary).with_clause(told);
    // The finding of the verdict says the same.
    let id = verdict.bottleneck;
    if let Some(finding) = diagnosis.findings.iter_mut().find(|finding| finding.id == id) {
        finding.summary.clone_from(&verdict.summary);
    }
}

fn step(offender: &Offender, profile: &Profile, hot: Option<&Hot>, told: &Sentence) -> Step {
    let event = profile.event.map_or("", SampledEvent::word);
    let source = format!("perf_event_open(2) {event} at {} Hz", profile.frequency_hertz);
    let mut evidence = Vec::new();
    if let Some(hot) = hot {
        evidence.push(plain("hot_spot_share_ratio", Some(hot.ratio), Unit::Ratio, &source));
        evidence.push(plain(
            "profile_samples_count",
            Some(profile.samples_count as f64),
            Unit::Count,
            &source,
        ));
    }
    if let Some(wait) = profile.waits.first() {
        evidence.push(plain(
            "largest_wait_ratio",
            Some(wait.ratio),
            Unit::Ratio,
            "/proc/PID/task/TID/stat, wchan",
        ));
    }
    let answer = match (offender.mode, hot, profile.waits.first()) {
        (ProfileMode::Waits, _, Some(wait)) | (_, None, Some(wait)) => sentence![own(wait.wait.clone())],
        (_, Some(hot), _) => hot.short.clone(),
        (_, None, None) => sentence![profile.syscalls.first().map(|call| function(call.name.as_str()))],
    };
    Step {
        step: StepId::Why,
        question: "What is it doing?".to_owned(),
        brief: answer.clone(),
        answer,
        summary: sentence![label(&offender.comm, offender.pid, offender.pids.len().max(1)), ": ", told],
        evidence,
        next: None,
    }
}

/// The report's part, without samples.
fn profile(offender: &Offender, waits: Vec<ProfileWait>) -> Profile {
    Profile {
        pid: offender.pid,
        comm: offender.comm.clone(),
        processes_count: u32::try_from(offender.pids.len()).unwrap_or(u32::MAX),
        mode: offender.mode,
        seconds: 0.0,
        attached: false,
        event: None,
        frequency_hertz: 0,
        samples_count: 0,
        lost_count: 0,
        throttled_count: 0,
        cut_ratio: 0.0,
        frames: Vec::new(),
        syscalls: Vec::new(),
        syscalls_seconds: None,
        waits,
        counters: None,
        stacks: Vec::new(),
    }
}

/// Frames, calls, folded stacks.
fn add_samples(
    profile: &mut Profile,
    offender: &Offender,
    samples: &Samples,
    stacks: &[(&SampledProcess, &SampledStack)],
    weighed: &Weighed<'_>,
) {
    profile.seconds = samples.seconds;
    profile.attached = samples.attached.is_some();
    profile.event = Some(samples.event);
    profile.frequency_hertz = samples.frequency_hertz;
    profile.samples_count = stacks.iter().map(|(_, stack)| stack.count).sum();
    profile.lost_count = samples.lost_count;
    profile.throttled_count = samples.throttled_count;
    profile.counters.clone_from(&samples.counters);
    let cut: u64 = stacks.iter().filter(|(_, stack)| stack.cut).map(|(_, stack)| stack.count).sum();
    profile.cut_ratio =
        if profile.samples_count > 0 { cut as f64 / profile.samples_count as f64 } else { 0.0 };
    profile.frames = frames(samples, stacks);
    // Only the clock's samples are time; the cycles of a CPU are so at one speed alone.
    let per_sample = 1.0 / f64::from(samples.frequency_hertz.max(1));
    let cpu_seconds = profile.samples_count as f64 * per_sample;
    // A capture may have the calls of another process than the one that is looked at now.
    let traced =
        samples.syscalls.as_ref().filter(|traced| traced.pids.iter().any(|pid| offender.pids.contains(pid)));
    profile.syscalls = syscalls(traced, &weighed.syscalls(), cpu_seconds, samples.seconds);
    profile.syscalls_seconds = traced.map(|traced| traced.seconds);
    profile.stacks = folded(samples, stacks);
}

fn frames(samples: &Samples, stacks: &[(&SampledProcess, &SampledStack)]) -> Vec<Frame> {
    // Of frames that are equal in all that is shown, the one that was sampled first comes first.
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let mut total = 0.0;
    for (_, stack) in stacks {
        let weight = stack.weight as f64;
        total += weight;
        let mut seen = HashSet::new();
        for (depth, index) in stack.frames.iter().enumerate() {
            // A function that calls itself counts once.
            if seen.insert(*index) {
                let sum = sums.entry(*index).or_default();
                sum.0 += if depth == 0 { weight } else { 0.0 };
                sum.1 += weight;
            } else if depth == 0 {
                sums.entry(*index).or_default().0 += weight;
            }
        }
    }
    let ratio = |weight: f64| if total > 0.0 { weight / total } else { 0.0 };
    let mut frames: Vec<Frame> = sums
        .into_iter()
        .filter_map(|(index, (own, below))| {
            let name = samples.frames.get(usize::try_from(index).ok()?)?;
            Some(Frame {
                symbol: name.symbol.clone().unwrap_or_else(|| name_of(name).to_string()),
                module: name.module.clone(),
                space: name.space,
                self_ratio: ratio(own),
                total_ratio: ratio(below),
                unnamed_reason: name.unnamed.clone(),
            })
        })
        .collect();
    frames.sort_by(|a, b| {
        let order =
            b.self_ratio.total_cmp(&a.self_ratio).then_with(|| b.total_ratio.total_cmp(&a.total_ratio));
        order.then_with(|| (&a.symbol, &a.module).cmp(&(&b.symbol, &b.module)))
    });
    frames.truncate(FRAMES_MAX);
    frames
}

/// What was traced, with the CPU time by samples; where nothing was traced the CPU time alone.
fn syscalls(
    traced: Option<&TracedSyscalls>,
    by_samples: &[(String, f64)],
    cpu_seconds: f64,
    window_seconds: f64,
) -> Vec<Syscall> {
    let mut calls: BTreeMap<&str, Syscall> = BTreeMap::new();
    let empty = |name: &str| Syscall {
        name: name.to_owned(),
        count: None,
        errors_count: None,
        error: None,
        cpu_seconds: None,
        cpu_ratio: None,
        seconds_per_call: None,
        subject: None,
        subject_ratio: None,
    };
    for (name, ratio) in by_samples {
        let call = calls.entry(name).or_insert_with(|| empty(name));
        call.cpu_ratio = Some(*ratio);
        call.cpu_seconds = Some(ratio * cpu_seconds);
    }
    if let Some(traced) = traced {
        for found in &traced.calls {
            let call = calls.entry(&found.name).or_insert_with(|| empty(&found.name));
            call.count = Some(found.count);
            call.errors_count = Some(found.errors_count);
            call.error.clone_from(&found.error);
            if let Some((subject, share)) = &found.subject {
                call.subject = Some(subject.clone());
                call.subject_ratio = Some(*share);
            }
            // CPU time a second by calls a second: the two were not taken over the same span.
            let per_second = call.cpu_seconds.filter(|_| window_seconds > 0.0).map(|s| s / window_seconds);
            let rate = if traced.seconds > 0.0 { found.count as f64 / traced.seconds } else { 0.0 };
            call.seconds_per_call = per_second.filter(|_| rate > 0.0).map(|seconds| seconds / rate);
        }
    }
    let mut calls: Vec<Syscall> = calls.into_values().collect();
    calls.sort_by(|a, b| {
        let key = |call: &Syscall| (call.count.unwrap_or(0), call.cpu_ratio.unwrap_or(0.0));
        let (a_key, b_key) = (key(a), key(b));
        b_key.0.cmp(&a_key.0).then_with(|| b_key.1.total_cmp(&a_key.1)).then_with(|| a.name.cmp(&b.name))
    });
    calls
}

/// `name;outermost;...;innermost count`, as flame graphs are made of; frames of the kernel end in `_[k]`.
fn folded(samples: &Samples, stacks: &[(&SampledProcess, &SampledStack)]) -> Vec<String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (process, stack) in stacks {
        let mut line = part(&process.comm);
        if stack.thread != process.comm {
            line = format!("{line};{}", part(&stack.thread));
        }
        for index in stack.frames.iter().rev() {
            let Some(name) = usize::try_from(*index).ok().and_then(|index| samples.frames.get(index)) else {
                continue;
            };
            line.push(';');
            line.push_str(&part(&frame_word(name)));
        }
        *counts.entry(line).or_default() += stack.count;
    }
    counts.into_iter().map(|(line, count)| format!("{line} {count}")).collect()
}

fn frame_word(name: &FrameName) -> String {
    let kernel = if name.space == Space::Kernel { "_[k]" } else { "" };
    match (&name.symbol, &name.module, name.start) {
        (Some(symbol), ..) => format!("{symbol}{kernel}"),
        (None, Some(_), Some(_)) => name_of(name).to_string(),
        (None, Some(module), None) => format!("[{}]{kernel}", module.trim_matches(['[', ']'])),
        (None, None, _) => format!("[unknown]{kernel}"),
    }
}

/// Without the character that separates frames.
fn part(name: &str) -> String {
    name.replace(';', ":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::TracedSyscall;

    fn offender(pid: Pid) -> Offender {
        Offender {
            pid: Some(pid),
            pids: vec![pid],
            comm: "app".to_owned(),
            mode: ProfileMode::Syscalls,
            culprit: true,
            script: None,
        }
    }

    #[test]
    fn calls_are_told_of_the_process_that_made_them() {
        let call =
            TracedSyscall { name: "read".to_owned(), count: 10, errors_count: 0, error: None, subject: None };
        let mut samples = Samples::none(99);
        samples.syscalls = Some(TracedSyscalls {
            pids: vec![7],
            seconds: 2.0,
            calls_count: 10,
            period: 1,
            lost_count: 0,
            calls: vec![call],
            note: None,
        });
        let told = |pid| {
            let mut told = profile(&offender(pid), Vec::new());
            add_samples(&mut told, &offender(pid), &samples, &[], &weighed(&samples, &[]));
            called(&told)
        };
        assert_eq!(told(7).unwrap(), "calls read(2), 5 calls per second");
        assert_eq!(told(8), None);
    }

    #[test]
    fn a_script_is_a_file() {
        for (line, file) in [
            ("/usr/bin/python3 -u /srv/thumbnailer.py --queue=images", Some("thumbnailer.py")),
            ("python3 -c while True: pass", None),
            ("perl -e 1", None),
            ("node", None),
        ] {
            assert_eq!(script(line).as_deref(), file, "{line}");
        }
    }
}
