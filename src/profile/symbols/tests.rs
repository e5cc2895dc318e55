use super::*;
use crate::profile::mappings::FileId;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn own_pid() -> Pid {
    Pid::try_from(std::process::id()).unwrap()
}

/// A program of these sources, or none where there is no compiler.
fn compile(folder: &Path, compiler: &str, name: &str, source: &str, options: &[&str]) -> Option<PathBuf> {
    let (file, program) = (folder.join(name), folder.join(format!("{name}.out")));
    std::fs::write(&file, source).unwrap();
    let built =
        Command::new(compiler).args(options).arg("-o").args([&program, &file]).stderr(Stdio::null()).status();
    if built.is_ok_and(|status| status.success()) {
        return Some(program);
    }
    println!("skipped: no {compiler} that compiles this here");
    None
}

fn tool(name: &str, arguments: &[&str]) -> bool {
    Command::new(name).args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The whole file as one mapping at zero: a file offset is its address.
fn mapped(path: &Path) -> AddressSpace {
    let metadata = std::fs::metadata(path).unwrap();
    let device = metadata.dev();
    let mut space = AddressSpace::default();
    space.add(Mapping {
        start: 0,
        end: metadata.len(),
        file_offset: 0,
        path: path.to_str().unwrap().as_bytes().to_vec(),
        file: Some(FileId {
            device_major: rustix::fs::major(device),
            device_minor: rustix::fs::minor(device),
            inode: metadata.ino(),
        }),
    });
    space
}

/// Where in the file a function of the unstripped program is, and its second byte.
fn offset_of(path: &Path, symbol: &str) -> u64 {
    let bytes = super::super::elf::Bytes::File(std::fs::File::open(path).unwrap());
    let module = Arc::new(Module::new(None, Vec::new(), bytes));
    let address = SymbolTable::full(&module).unwrap().address_of(symbol).unwrap();
    let elf = module.elf().unwrap();
    let at = |segment: &&super::super::elf::Segment| {
        segment.executable && (segment.address..segment.address + segment.file_size).contains(&address)
    };
    let segment = elf.segments.iter().find(at).unwrap();
    address - segment.address + segment.file_offset + 1
}

fn name_at(path: &Path, offset: u64) -> FrameName {
    let names = Symbols::new().user(own_pid(), &mapped(path), &mut Modules::new(), &[offset]);
    names.into_iter().next().unwrap()
}

const C: &str = "__attribute__((noinline)) static int inner(int x) { return x * 31 + 7; }\n\
    int (*keep)(int) = inner;\n\
    __attribute__((noinline)) int outer(int x) { return keep(x) + 1; }\n\
    int main(int c, char **v) { return outer(c); }\n";

#[test]
fn a_c_program_is_named_stripped_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "gcc", "a.c", C, &["-O1", "-rdynamic", "-Wl,--build-id=none"])
    else {
        return;
    };
    let (inner, outer) = (offset_of(&program, "inner"), offset_of(&program, "outer"));
    let plain = name_at(&program, inner);
    assert_eq!((plain.symbol.as_deref(), plain.unnamed), (Some("inner"), None));
    assert_eq!(plain.module.as_deref(), Some("a.c.out"));

    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (stripped, debug) = (folder.path().join("stripped"), folder.path().join("stripped.debug"));
    if !tool("strip", &["-o", &path(&stripped), &path(&program)])
        || !tool("objcopy", &["--only-keep-debug", &path(&program), &path(&debug)])
    {
        println!("skipped: no binutils here");
        return;
    }
    assert_eq!(name_at(&stripped, outer).symbol.as_deref(), Some("outer"), "exported");
    let nameless = name_at(&stripped, inner);
    assert_eq!(nameless.symbol, None);
    assert_eq!(nameless.unnamed.as_deref(), Some("stripped: no symbol covers it"));

    let link = format!("--add-gnu-debuglink={}", path(&debug));
    assert!(tool("objcopy", &[&link, &path(&stripped)]));
    assert_eq!(name_at(&stripped, inner).symbol.as_deref(), Some("inner"), "by the debug file");
    std::fs::write(&debug, [std::fs::read(&debug).unwrap(), vec![0]].concat()).unwrap();
    assert_eq!(name_at(&stripped, inner).symbol, None, "its checksum is another one");
}

#[test]
fn a_debug_file_belongs_to_its_build() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["-O1", "-Wl,--build-id=0xabcdef0123456789"];
    let Some(program) = compile(folder.path(), "gcc", "b.c", C, &options) else { return };
    let inner = offset_of(&program, "inner");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let program = program.to_str().unwrap().to_owned();
    if !tool("strip", &["-o", &path("b"), &program])
        || !tool("objcopy", &["--only-keep-debug", &program, &path("b.debug")])
    {
        println!("skipped: no binutils here");
        return;
    }
    // Checked by the build id, which is then all that counts.
    let link = format!("--add-gnu-debuglink={}", path("b.debug"));
    assert!(tool("objcopy", &[&link, &path("b")]));
    std::fs::write(path("b.debug"), [std::fs::read(path("b.debug")).unwrap(), vec![0]].concat()).unwrap();
    assert_eq!(name_at(Path::new(&path("b")), inner).symbol.as_deref(), Some("inner"));
    let other = compile(folder.path(), "gcc", "c.c", C, &["-O1", "-Wl,--build-id=0x1111"]).unwrap();
    assert!(tool("objcopy", &["--only-keep-debug", other.to_str().unwrap(), &path("b.debug")]));
    assert_eq!(name_at(Path::new(&path("b")), inner).symbol, None);
}

#[test]
fn a_cpp_program_is_named_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = "namespace shop { struct Basket { int n; __attribute__((noinline)) int fill(int by, char const* what) const; };\n\
        int Basket::fill(int by, char const* what) const { return n * by + *what; } }\n\
        int main(int c, char** v) { shop::Basket b{c}; return b.fill(c, v[0]); }\n";
    let Some(program) = compile(folder.path(), "g++", "d.cpp", source, &["-O1"]) else { return };
    let fill = offset_of(&program, "_ZNK4shop6Basket4fillEiPKc");
    assert_eq!(name_at(&program, fill).symbol.as_deref(), Some("shop::Basket::fill"));
}

#[test]
fn stubs_of_other_libraries_are_no_functions_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdlib.h>\nint main(int c, char **v) { return rand() + atoi(v[0]); }\n";
    let Some(program) = compile(folder.path(), "gcc", "e.c", source, &["-O1", "-Wl,-z,lazy"]) else { return };
    let bytes = super::super::elf::Bytes::File(std::fs::File::open(&program).unwrap());
    let elf = super::super::elf::Elf::read(&bytes).unwrap();
    let Some(stubs) = elf.section(b".plt").or_else(|| elf.section(b".plt.sec")) else { return };
    assert_eq!(name_at(&program, stubs.file_offset + 4).symbol.as_deref(), Some("[plt]"));
}

#[test]
fn our_own_functions_and_the_vdso_are_named_and_the_rest_has_a_reason() {
    let space = AddressSpace::read(own_pid()).unwrap();
    let mut modules = Modules::new();
    let here = our_own_functions_and_the_vdso_are_named_and_the_rest_has_a_reason as *const () as u64;
    let names = Symbols::new().user(own_pid(), &space, &mut modules, &[here, 1]);
    assert!(names[0].symbol.as_deref().unwrap().contains("symbols::tests::our_own_functions"));
    assert_eq!(names[1].unnamed.as_deref(), Some("not mapped to a file"));
    assert_eq!((&names[1].module, names[1].space), (&None, Space::User));
    let Some(vdso) = space.iter().find(|mapping| mapping.is_vdso()) else { return };
    let all: Vec<u64> = (vdso.start..vdso.end).step_by(16).collect();
    let names = Symbols::new().user(own_pid(), &space, &mut modules, &all);
    assert!(names.iter().any(|name| name.symbol.as_deref() == Some("__vdso_clock_gettime")
        || name.symbol.as_deref() == Some("__kernel_clock_gettime")));
    assert!(names.iter().all(|name| name.module.as_deref() == Some("[vdso]")));
}

#[test]
fn memory_of_a_runtime_is_named_by_its_map_only() {
    let mut space = AddressSpace::default();
    space.add(Mapping { start: 0x1000, end: 0x2000, file_offset: 0, path: b"//anon".to_vec(), file: None });
    let name = |pid| Symbols::new().user(pid, &space, &mut Modules::new(), &[0x1800]).remove(0);
    let pid = own_pid();
    let map = format!("/tmp/perf-{pid}.map");
    let without = name(pid);
    assert_eq!(without.module.as_deref(), Some("[anon]"));
    assert_eq!(without.unnamed, Some(format!("compiled at run time, and there is no {map}")));
    std::fs::write(&map, "1700 200 py::fibo:/srv/hot.py\n").unwrap();
    let with = name(pid);
    std::fs::write(&map, "1000 1 other\n").unwrap();
    let uncovered = name(pid);
    std::fs::remove_file(&map).unwrap();
    assert_eq!(with.symbol.as_deref(), Some("py::fibo:/srv/hot.py"));
    assert_eq!((with.module.as_deref(), with.unnamed), (Some("[jit]"), None));
    assert_eq!(uncovered.unnamed, Some(format!("compiled at run time; {map} has no entry for it")));
}

#[test]
fn a_broken_file_spoils_nothing_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let Some(program) = compile(folder.path(), "gcc", "f.c", C, &["-O1"]) else { return };
    let whole = std::fs::read(program).unwrap();
    let path = folder.path().join("broken");
    let mut seed = 12_345_u64;
    for round in 0..300_usize {
        let mut bytes = whole.clone();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Headers first: that is where sizes and offsets are.
            let reach = if round % 2 == 0 { 64 } else { bytes.len() as u64 };
            let at = (seed >> 33) % reach;
            bytes[at as usize] = (seed >> 20) as u8;
        }
        bytes.truncate(bytes.len() - (round % 7) * bytes.len() / 8);
        std::fs::write(&path, bytes).unwrap();
        let mut space = mapped(&path);
        for mapping in mapped(&own).iter() {
            space.add(Mapping { start: 1 << 40, end: (1 << 40) + mapping.end, ..mapping.clone() });
        }
        let names = Symbols::new().user(own_pid(), &space, &mut Modules::new(), &[0x1130, 0x1050]);
        assert!(names.iter().all(|name| name.symbol.is_some() != name.unnamed.is_some()));
    }
}

#[test]
fn modules_have_their_base_names() {
    let named = |path: &[u8], inode| {
        let file = (inode != 0).then_some(FileId { device_major: 1, device_minor: 2, inode });
        module_name(&Mapping { start: 0, end: 1, file_offset: 0, path: path.to_vec(), file })
    };
    assert_eq!(named(b"/usr/lib/libc.so.6 (deleted)", 5), "libc.so.6");
    assert_eq!(named(b"[vdso]", 0), "[vdso]");
    assert_eq!(named(b"[vsyscall]", 0), "[vsyscall]");
    assert_eq!(
        (named(b"//anon", 0), named(b"", 0), named(b"[heap]", 0)),
        ("[anon]".into(), "[anon]".into(), "[anon]".into())
    );
    assert_eq!(named(b"/memfd:jit code (deleted)", 9), "memfd:jit code");
    assert_eq!(named(b"/a\xffb", 9), "a\u{fffd}b");
}
