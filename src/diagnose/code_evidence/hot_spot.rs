//! The hot spot of some stacks: the one function, system call or kernel work that most of the CPU time goes to.

use crate::model::profile::{FrameName, SampledStack, Samples, Space};
use crate::model::sentence::{self, Sentence, function, own, path, quote, sentence};
use crate::model::syscall::entry_name;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A function with less than this of the time is not a hot spot: then its caller is named.
const HOT_RATIO: f64 = 0.3;

/// A caller must have that much of the time below it to be told.
const COVERS_RATIO: f64 = 0.5;

/// Longest name within a sentence.
const NAME_CHARS: usize = 80;

/// Programs that run what others have written: their own functions say little of it.
const INTERPRETERS: [&str; 15] = [
    "python", "pypy", "node", "nodejs", "ruby", "perl", "php", "php-fpm", "java", "lua", "luajit", "bash",
    "dash", "Rscript", "deno",
];

/// Whether a file is one of them, of whatever version: `python3.12`, but not `node_exporter`.
fn is_interpreter(file: &str) -> bool {
    let versioned = |known: &&str| {
        file.strip_prefix(known)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte)))
    };
    INTERPRETERS.iter().any(versioned)
}

/// Stacks of the offender with what they weigh.
pub(super) struct Weighed<'a> {
    samples: &'a Samples,
    stacks: Vec<&'a SampledStack>,
    total: f64,
}

/// What most of the time goes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hot {
    /// In a few words: a function, or `read(2)`.
    pub(super) short: Sentence,
    /// After "of its CPU time": `in fft`, `below read(2), most of it in copy_to_user`.
    pub(super) words: Sentence,
    /// Share of the time.
    pub(super) ratio: f64,
}

impl<'a> Weighed<'a> {
    pub(super) fn new(samples: &'a Samples, stacks: Vec<&'a SampledStack>) -> Self {
        let total = stacks.iter().map(|stack| stack.weight as f64).sum();
        Self { samples, stacks, total }
    }

    fn name(&self, index: u32) -> Option<&'a FrameName> {
        self.samples.frames.get(usize::try_from(index).ok()?)
    }

    fn leaf(&self, stack: &SampledStack) -> Option<&'a FrameName> {
        stack.frames.first().and_then(|index| self.name(*index))
    }

    fn ratio(&self, weight: f64) -> f64 {
        if self.total > 0.0 { (weight / self.total).min(1.0) } else { 0.0 }
    }

    /// The system call that a stack is below of.
    pub(super) fn syscall(&self, stack: &SampledStack) -> Option<String> {
        let kernel = stack.frames.iter().filter_map(|index| self.name(*index));
        let symbols: Vec<&str> = kernel
            .take_while(|frame| frame.space == Space::Kernel)
            .filter_map(|frame| frame.symbol.as_deref())
            .collect();
        // The entry is the outermost one: calls of the kernel's own stand below it.
        symbols.into_iter().rev().find_map(entry_name)
    }

    /// Time below each system call, by name, largest first.
    pub(super) fn syscalls(&self) -> Vec<(String, f64)> {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for stack in &self.stacks {
            if let Some(name) = self.syscall(stack) {
                *sums.entry(name).or_default() += stack.weight as f64;
            }
        }
        let mut list: Vec<(String, f64)> =
            sums.into_iter().map(|(name, sum)| (name, self.ratio(sum))).collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }

    /// Share of the time in the kernel.
    pub(super) fn kernel_ratio(&self) -> f64 {
        let kernel =
            |stack: &&&SampledStack| self.leaf(stack).is_some_and(|leaf| leaf.space == Space::Kernel);
        self.ratio(self.stacks.iter().filter(kernel).map(|stack| stack.weight as f64).sum())
    }

    /// The innermost functions of the stacks that `of` keeps, by weight.
    fn leaves(&self, of: impl Fn(&SampledStack) -> bool) -> Vec<(&'a FrameName, f64)> {
        let mut sums: HashMap<&FrameName, f64> = HashMap::new();
        for stack in self.stacks.iter().filter(|stack| of(stack)) {
            if let Some(leaf) = self.leaf(stack) {
                *sums.entry(leaf).or_default() += stack.weight as f64;
            }
        }
        let mut list: Vec<(&FrameName, f64)> = sums.into_iter().collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        list
    }

    /// The hot spot, given the file of the program and the script that it runs.
    pub(super) fn hot(&self, executable: Option<&str>, script: Option<&str>) -> Option<Hot> {
        if self.total <= 0.0 {
            return None;
        }
        if self.kernel_ratio() > 0.5 {
            return Some(self.hot_in_kernel());
        }
        let user = |stack: &SampledStack| self.leaf(stack).is_some_and(|leaf| leaf.space == Space::User);
        let leaves = self.leaves(user);
        let (leaf, weight) = *leaves.first()?;
        let interpreted = executable.is_some_and(is_interpreter);
        let own = |frame: &FrameName| match frame.module.as_deref() {
            Some("[jit]") => true,
            module => !interpreted && module.is_some() && module == executable,
        };
        let ratio = self.ratio(weight);
        let running = if interpreted && leaf.module.as_deref() != Some("[jit]") {
            script.map(|script| sentence![", running ", path(short(script))])
        } else {
            None
        };
        if ratio < HOT_RATIO
            && let Some((caller, covered)) = self.caller_of_most(&own)
        {
            let most = (caller != leaf).then(|| sentence![", most of it in ", shown(leaf)]);
            return Some(Hot {
                short: name_of(caller),
                words: sentence!["below ", shown(caller), most, running],
                ratio: self.ratio(covered),
            });
        }
        if ratio < HOT_RATIO {
            let words = sentence!["in ", shown(leaf), running, ", and no other function takes more"];
            return Some(Hot { short: name_of(leaf), words, ratio });
        }
        let from = if own(leaf) { None } else { self.called_from(leaf, &own) };
        let from = from.map(|caller| sentence![", called from ", shown(caller)]);
        Some(Hot { short: name_of(leaf), words: sentence!["in ", shown(leaf), from, running], ratio })
    }

    fn hot_in_kernel(&self) -> Hot {
        let calls = self.syscalls();
        let kernel = |stack: &SampledStack| self.leaf(stack).is_some_and(|leaf| leaf.space == Space::Kernel);
        if let Some((call, ratio)) = calls.first().filter(|(_, ratio)| *ratio >= HOT_RATIO) {
            let leaves =
                self.leaves(|stack| kernel(stack) && self.syscall(stack).as_deref() == Some(call.as_str()));
            let most = leaves.first().map(|(leaf, _)| sentence![", most of it in ", shown(leaf)]);
            let call = sentence![function(call.as_str()), "(2)"];
            let words = sentence!["in the system call ", &call, most];
            return Hot { short: call, words, ratio: *ratio };
        }
        let faults: f64 =
            self.stacks.iter().filter(|stack| self.is_fault(stack)).map(|s| s.weight as f64).sum();
        let leaves = self.leaves(kernel);
        let leaf = leaves.first().map(|(leaf, _)| *leaf);
        let most = leaf.map(|leaf| sentence![", most of it in ", shown(leaf)]);
        if self.ratio(faults) >= HOT_RATIO {
            let words = sentence!["in page faults", most];
            return Hot { short: "page faults".into(), words, ratio: self.ratio(faults) };
        }
        let short = leaf.map_or_else(|| "the kernel".into(), name_of);
        Hot { short, words: sentence!["in the kernel", most], ratio: self.kernel_ratio() }
    }

    /// Whether a stack is below a page fault of the program itself: kernel `arch/*/mm/fault.c`.
    fn is_fault(&self, stack: &SampledStack) -> bool {
        self.syscall(stack).is_none()
            && stack.frames.iter().filter_map(|index| self.name(*index)).any(|frame| {
                matches!(
                    frame.symbol.as_deref(),
                    Some(
                        "exc_page_fault"
                            | "asm_exc_page_fault"
                            | "do_user_addr_fault"
                            | "do_page_fault"
                            | "do_mem_abort"
                    )
                )
            })
    }

    /// The function of the program that `leaf` is most often called from.
    fn called_from(&self, leaf: &FrameName, own: &dyn Fn(&FrameName) -> bool) -> Option<&'a FrameName> {
        let mut sums: HashMap<&FrameName, f64> = HashMap::new();
        for stack in self.stacks.iter().filter(|stack| self.leaf(stack) == Some(leaf)) {
            let mut frames = stack.frames.iter().filter_map(|index| self.name(*index));
            if let Some(caller) = frames.find(|frame| own(frame) && frame.symbol.is_some()) {
                *sums.entry(caller).or_default() += stack.weight as f64;
            }
        }
        sums.into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(caller, _)| caller)
    }

    /// The innermost function of the program that still has most of the time below it.
    fn caller_of_most(&self, own: &dyn Fn(&FrameName) -> bool) -> Option<(&'a FrameName, f64)> {
        let mut sums: HashMap<&FrameName, (f64, f64)> = HashMap::new();
        for stack in &self.stacks {
            let mut seen = HashSet::new();
            for (depth, index) in stack.frames.iter().enumerate() {
                let Some(frame) = self.name(*index) else { continue };
                if own(frame) && frame.symbol.is_some() && seen.insert(index) {
                    let sum = sums.entry(frame).or_default();
                    sum.0 += stack.weight as f64;
                    sum.1 += stack.weight as f64 * depth as f64;
                }
            }
        }
        let covers = sums.into_iter().filter(|(frame, (sum, _))| {
            self.ratio(*sum) >= COVERS_RATIO && !is_start(frame.symbol.as_deref().unwrap_or_default())
        });
        // Innermost: the one that on average has the fewest frames below it.
        let depth = |(sum, depths): &(f64, f64)| depths / sum;
        covers
            .min_by(|a, b| depth(&a.1).total_cmp(&depth(&b.1)).then_with(|| a.0.cmp(b.0)))
            .map(|(frame, (sum, _))| (frame, sum))
    }
}

/// Functions that every program starts with.
fn is_start(symbol: &str) -> bool {
    matches!(
        symbol,
        "main" | "_start" | "start_thread" | "clone3" | "runtime.main" | "main.main" | "runtime.goexit"
    ) || symbol.starts_with("__libc_start")
        || symbol.starts_with("std::rt::")
}

/// A name for a sentence: the function; where it has none its place in the file, `worker+0x4f2a0`, or the file.
pub(super) fn name_of(frame: &FrameName) -> Sentence {
    match (&frame.symbol, &frame.module, frame.start) {
        (Some(symbol), ..) => sentence![function(short(symbol))],
        (None, Some(module), Some(start)) => sentence![path(short(module)), own(format!("+{start:#x}"))],
        (None, Some(module), None) => sentence![path(short(module))],
        (None, None, _) => "code without a name".into(),
    }
}

/// The same, with the reason where there is no function.
fn shown(frame: &FrameName) -> Sentence {
    match (&frame.symbol, &frame.module, &frame.unnamed) {
        (Some(symbol), ..) => sentence!["`", function(short(symbol)), "`"],
        (None, Some(_), Some(reason)) => sentence![name_of(frame), " (", quote(reason.as_str()), ")"],
        (None, ..) => name_of(frame),
    }
}

/// Long names, such as those of templates, keep their two ends.
fn short(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME_CHARS {
        return name.to_owned();
    }
    let head: String = name.chars().take(NAME_CHARS * 2 / 3).collect();
    let tail: String = name.chars().skip(count - NAME_CHARS / 3 + 1).collect();
    format!("{head}…{tail}")
}

/// `97 % of its CPU time in fft`.
pub(super) fn phrase(hot: &Hot, whose: &'static str) -> Sentence {
    sentence![sentence::ratio(hot.ratio), " of ", whose, " CPU time ", &hot.words]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::Context;

    /// Stacks as `leaf caller root`, each with its weight; frames are `module:symbol`, those of `k` are the kernel's, a
    /// symbol of `?` is none.
    fn samples(stacks: &[(&str, u64)]) -> (Samples, Vec<SampledStack>) {
        let mut samples = Samples::none(99);
        let stacks = stacks
            .iter()
            .map(|(frames, weight)| {
                let frames = frames.split(' ').map(|frame| {
                    let (module, symbol) = frame.split_once(':').unwrap();
                    let name = FrameName {
                        symbol: (symbol != "?").then(|| symbol.to_owned()),
                        module: Some(module.to_owned()),
                        start: None,
                        space: if module == "k" { Space::Kernel } else { Space::User },
                        unnamed: (symbol == "?").then(|| "stripped".to_owned()),
                    };
                    samples.frames.push(name);
                    u32::try_from(samples.frames.len() - 1).unwrap()
                });
                SampledStack {
                    frames: frames.collect(),
                    count: *weight,
                    weight: *weight,
                    thread: "app".to_owned(),
                    context: Context::Thread,
                    cut: false,
                }
            })
            .collect();
        (samples, stacks)
    }

    /// Frames by name, as the table of the profiler holds each once.
    fn told(stacks: &[(&str, u64)], executable: &str, script: Option<&str>) -> String {
        let (mut samples, mut stacks) = samples(stacks);
        for stack in &mut stacks {
            for index in &mut stack.frames {
                let name = &samples.frames[*index as usize];
                *index = samples.frames.iter().position(|frame| frame == name).unwrap() as u32;
            }
        }
        samples.frames.shrink_to_fit();
        let weighed = Weighed::new(&samples, stacks.iter().collect());
        phrase(&weighed.hot(Some(executable), script).unwrap(), "its").to_string()
    }

    #[test]
    fn one_function_takes_the_time() {
        let stacks = [("app:fft app:main", 97), ("app:log app:main", 3)];
        assert_eq!(told(&stacks, "app", None), "97 % of its CPU time in `fft`");
    }

    #[test]
    fn a_function_of_a_library_is_told_with_who_calls_it() {
        let stacks = [("libc.so.6:memmove app:copy app:main", 60), ("app:log app:main", 40)];
        assert_eq!(told(&stacks, "app", None), "60 % of its CPU time in `memmove`, called from `copy`");
    }

    #[test]
    fn time_that_is_spread_is_told_by_the_function_above_it() {
        let leaves: Vec<String> = (0..10).map(|n| format!("app:f{n} app:serve app:loop app:main")).collect();
        let stacks: Vec<(&str, u64)> = leaves.iter().map(|stack| (stack.as_str(), 10)).collect();
        assert_eq!(told(&stacks, "app", None), "100 % of its CPU time below `serve`, most of it in `f0`");
    }

    #[test]
    fn time_that_is_spread_over_main_alone_has_no_hot_spot() {
        let leaves: Vec<String> = (0..10).map(|n| format!("app:f{n} app:main")).collect();
        let stacks: Vec<(&str, u64)> = leaves.iter().map(|stack| (stack.as_str(), 10)).collect();
        assert_eq!(
            told(&stacks, "app", None),
            "10 % of its CPU time in `f0`, and no other function takes more"
        );
    }

    #[test]
    fn the_kernel_is_told_by_the_system_call_that_leads_into_it() {
        let stacks = [
            ("k:copy_to_user k:vfs_read k:__x64_sys_read k:do_syscall_64 app:main", 70),
            ("k:clear_page k:asm_exc_page_fault app:main", 20),
            ("app:main", 10),
        ];
        assert_eq!(
            told(&stacks, "app", None),
            "70 % of its CPU time in the system call read(2), most of it in `copy_to_user`"
        );
        let faults = [("k:clear_page k:asm_exc_page_fault app:fill", 80), ("app:fill", 20)];
        assert_eq!(
            told(&faults, "app", None),
            "80 % of its CPU time in page faults, most of it in `clear_page`"
        );
        let thread = [("k:memcmp_pages k:ksm_scan_thread k:kthread", 100)];
        assert_eq!(
            told(&thread, "", None),
            "100 % of its CPU time in the kernel, most of it in `memcmp_pages`"
        );
    }

    #[test]
    fn an_interpreter_is_told_by_what_it_runs() {
        let stacks = [("python3.12:_PyEval_EvalFrameDefault python3.12:main", 90), ("libc.so.6:malloc", 10)];
        assert_eq!(
            told(&stacks, "python3.12", Some("thumbnailer.py")),
            "90 % of its CPU time in `_PyEval_EvalFrameDefault`, running thumbnailer.py"
        );
        let jit = [("[jit]:py::fibo:/srv/a.py [jit]:py::main:/srv/a.py", 100)];
        assert_eq!(told(&jit, "python3.12", Some("a.py")), "100 % of its CPU time in `py::fibo:/srv/a.py`");
    }

    #[test]
    fn an_interpreter_is_known_in_any_version() {
        for (file, is) in [
            ("python3.12", true),
            ("php-fpm8.2", true),
            ("node", true),
            ("node_exporter", false),
            ("dashboard", false),
            ("javac", false),
        ] {
            assert_eq!(is_interpreter(file), is, "{file}");
        }
    }

    #[test]
    fn what_has_no_name_is_told_by_its_file_and_the_reason() {
        assert_eq!(told(&[("app:?", 100)], "app", None), "100 % of its CPU time in app (stripped)");
    }

    #[test]
    fn long_names_are_cut_in_the_middle() {
        let long = format!("a{}z", "x".repeat(500));
        let text = short(&long);
        assert!(
            text.chars().count() <= NAME_CHARS + 1 && text.starts_with("ax") && text.ends_with("xz"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_no_hot_spot() {
        let (samples, _) = samples(&[]);
        assert_eq!(Weighed::new(&samples, Vec::new()).hot(None, None), None);
    }
}
