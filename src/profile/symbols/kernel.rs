//! Names of the kernel's functions: `/proc/kallsyms` through blazesym, and the modules from `/proc/modules`.

use super::demangle::demangle;
use crate::model::profile::{FrameName, Space};
use blazesym::MaybeDefault;
use blazesym::symbolize::source::{Kernel as KernelSource, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Bytes of `/proc/modules`.
const MODULES_BYTES_MAX: u64 = 4 << 20;
/// What Linux has for a function that takes no arguments, at the same address as what it calls the entry.
const INNER_ENTRY: &str = "__do_sys_";
/// How entries of system calls begin: the word of this machine first.
const ENTRIES: [&str; 4] = ["__x64_sys_", "__arm64_sys_", "__riscv_sys_", "__s390x_sys_"];

/// One loaded kernel module.
#[derive(Debug, PartialEq, Eq)]
struct LoadedModule {
    start: u64,
    end: u64,
    name: String,
}

/// The running kernel.
pub(super) struct Kernel {
    symbolizer: Symbolizer,
    modules: Vec<LoadedModule>,
}

impl Kernel {
    pub(super) fn read() -> Self {
        let symbolizer = Symbolizer::builder()
            .enable_code_info(false)
            .enable_inlined_fns(false)
            .enable_demangling(false)
            .build();
        let mut text = Vec::new();
        // Without modules, or where they are hidden, everything is `[kernel]`.
        let modules = File::open("/proc/modules")
            .and_then(|file| file.take(MODULES_BYTES_MAX).read_to_end(&mut text))
            .map_or_else(|_| Vec::new(), |_| parse_modules(&text));
        Self { symbolizer, modules }
    }

    /// One name for each address.
    pub(super) fn names(&self, addresses: &[u64]) -> Vec<FrameName> {
        let source = Source::Kernel(KernelSource {
            kallsyms: MaybeDefault::Default,
            vmlinux: MaybeDefault::None,
            kaslr_offset: None,
            debug_syms: false,
            ..KernelSource::default()
        });
        let found = self.symbolizer.symbolize(&source, Input::AbsAddr(addresses)).unwrap_or_default();
        let mut names: Vec<FrameName> = addresses
            .iter()
            .enumerate()
            .map(|(index, address)| {
                let symbol = found.get(index).and_then(Symbolized::as_sym);
                self.name(*address, symbol.map(|symbol| symbol.name.as_ref()))
            })
            .collect();
        let inner: Vec<(u64, usize)> = found
            .iter()
            .enumerate()
            .filter_map(|(index, symbol)| Some((symbol.as_sym()?, index)))
            .filter(|(symbol, _)| symbol.name.starts_with(INNER_ENTRY))
            .map(|(symbol, index)| (symbol.addr, index))
            .collect();
        if !inner.is_empty()
            && let Ok(file) = File::open("/proc/kallsyms")
        {
            entries_of(BufReader::new(file), &inner, &mut names);
        }
        names
    }

    fn name(&self, address: u64, symbol: Option<&str>) -> FrameName {
        let module = self
            .modules
            .iter()
            .find(|module| (module.start..module.end).contains(&address))
            .map(|module| format!("[{}]", module.name));
        let program = symbol.filter(|symbol| symbol.starts_with("bpf_prog_"));
        FrameName {
            symbol: symbol.map(|symbol| demangle(symbol.as_bytes())),
            module: module
                .or_else(|| program.map(|_| "[bpf]".to_owned()))
                .or_else(|| Some("[kernel]".to_owned())),
            start: None,
            space: Space::Kernel,
            unnamed: match symbol {
                Some(_) => None,
                None => Some(why_unnamed().to_owned()),
            },
        }
    }
}

/// An unprivileged reader gets zeros for addresses, which blazesym leaves out.
fn why_unnamed() -> &'static str {
    let Ok(file) = File::open("/proc/kallsyms") else {
        return "this kernel has no /proc/kallsyms";
    };
    let mut first = String::new();
    let read = BufReader::new(file.take(256)).read_line(&mut first);
    let hidden = read.is_err() || first.bytes().take_while(|byte| *byte != b' ').all(|byte| byte == b'0');
    if hidden { "kernel addresses are hidden (kernel.kptr_restrict)" } else { "no kernel symbol covers it" }
}

/// Of a system call without arguments the entry and its inner function are one; a search for entries must find
/// them. `inner` has the address of each such symbol and where its name is.
fn entries_of(kallsyms: impl BufRead, inner: &[(u64, usize)], names: &mut [FrameName]) {
    for line in kallsyms.lines().map_while(Result::ok) {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(symbol)) = (words.next(), words.nth(1)) else {
            continue;
        };
        if !ENTRIES.iter().any(|entry| symbol.starts_with(entry)) {
            continue;
        }
        let Ok(address) = u64::from_str_radix(address, 16) else {
            continue;
        };
        for (_, index) in inner.iter().filter(|(start, _)| *start == address) {
            if let Some(name) = names.get_mut(*index) {
                name.symbol = Some(symbol.to_owned());
            }
        }
    }
}

/// `ext4 1234 2 jbd2,mbcache, Live 0xffffffffc0000000`.
fn parse_modules(text: &[u8]) -> Vec<LoadedModule> {
    let line = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        let (name, size) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        let start = words.nth(3)?.strip_prefix("0x")?;
        let start = u64::from_str_radix(start, 16).ok().filter(|start| *start != 0)?;
        Some(LoadedModule { start, end: start.saturating_add(size), name: name.to_owned() })
    };
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_by_their_addresses() {
        let text = b"ext4 4096 2 jbd2,mbcache, Live 0xffffffffc0000000 (O)\nhidden 5 0 - Live 0x0\nbroken\n";
        let modules = parse_modules(text);
        assert_eq!(modules.len(), 1);
        let kernel = Kernel { symbolizer: Symbolizer::new(), modules };
        let name = |address, symbol| kernel.name(address, Some(symbol)).module.unwrap();
        assert_eq!(name(0xffff_ffff_c000_0fff, "ext4_map"), "[ext4]");
        assert_eq!(name(0xffff_ffff_c000_1000, "vfs_read"), "[kernel]");
        assert_eq!(name(1, "bpf_prog_6deef7357e7b4530_f"), "[bpf]");
    }

    #[test]
    fn an_entry_without_arguments_is_called_the_entry() {
        let kernel = Kernel { symbolizer: Symbolizer::new(), modules: Vec::new() };
        let mut names = vec![kernel.name(0x108, Some("__do_sys_getpid"))];
        let kallsyms = "0100 t __do_sys_getpid\n0100 T __ia32_sys_getpid\n0100 T __x64_sys_getpid\n0200 T __x64_sys_read\nx\n";
        entries_of(kallsyms.as_bytes(), &[(0x100, 0)], &mut names);
        assert_eq!(names[0].symbol.as_deref(), Some("__x64_sys_getpid"));
    }

    #[test]
    fn this_kernel_is_named_or_the_reason_is_said() {
        let kallsyms = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let line = kallsyms.lines().find(|line| line.ends_with(" T vfs_read"));
        let address = line.and_then(|line| u64::from_str_radix(line.split(' ').next()?, 16).ok());
        let names = Kernel::read().names(&[address.unwrap_or(0x1000).max(1) + 1]);
        match address.filter(|address| *address != 0) {
            Some(_) => {
                assert_eq!(names[0].symbol.as_deref(), Some("vfs_read"));
                assert_eq!(names[0].module.as_deref(), Some("[kernel]"));
            }
            None => assert!(names[0].unnamed.is_some()),
        }
    }
}
