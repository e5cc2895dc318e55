use super::*;
use crate::profile::mappings::{FileId, Mapping};
use crate::profile::symbols::Symbols;
use proptest::prelude::*;

fn own_pid() -> Pid {
    Pid::try_from(std::process::id()).unwrap()
}

fn code(start: u64, end: u64, inode: u64) -> Mapping {
    let file = (inode != 0).then_some(FileId { device_major: 7, device_minor: 7, inode });
    Mapping { start, end, file_offset: 0, path: Vec::new(), file }
}

/// Registers and stack of this very thread, as a sample would have them.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn sample_here() -> (Registers, Vec<u8>) {
    let (ip, sp, fp): (u64, u64, u64);
    #[allow(unsafe_code, reason = "registers cannot be read otherwise")]
    // SAFETY: three registers are read, nothing is written but the outputs.
    unsafe {
        std::arch::asm!("lea {0}, [rip]", "mov {1}, rsp", "mov {2}, rbp", out(reg) ip, out(reg) sp, out(reg) fp);
    }
    let mut stack = vec![0; 8192];
    // Read by the kernel, which refuses what is not there: a thread's stack may end before.
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let read = std::os::unix::fs::FileExt::read_at(&memory, &mut stack, sp).unwrap();
    stack.truncate(read);
    (Registers { ip, sp, fp, lr: None }, stack)
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn outer_function_of_the_test(depth: u32) -> (Registers, Vec<u8>) {
    if depth == 0 {
        return std::hint::black_box(sample_here());
    }
    std::hint::black_box(outer_function_of_the_test(depth - 1))
}

#[cfg(target_arch = "x86_64")]
#[test]
fn our_own_stack_is_followed_to_the_start_of_the_thread() {
    let (registers, stack) = std::thread::spawn(|| outer_function_of_the_test(3)).join().unwrap();
    let space = AddressSpace::read(own_pid()).unwrap();
    let (mut modules, mut unwinder) = (Modules::new(), Unwinder::new());
    let way = unwinder.unwind(own_pid(), &space, &mut modules, &registers, &stack, &[]);
    let names = Symbols::new().user(own_pid(), &space, &mut modules, &way.addresses);
    let names: Vec<_> = names.iter().filter_map(|name| name.symbol.as_deref()).collect();
    assert!(!way.cut, "{names:?}");
    assert!(names[0].contains("sample_here"), "{names:?}");
    assert_eq!(
        names.iter().filter(|name| name.contains("outer_function_of_the_test")).count(),
        4,
        "{names:?}"
    );

    // With half of the bytes the rest comes from the kernel's chain, here one that has it all.
    let chain: Vec<u64> =
        way.addresses.iter().enumerate().map(|(i, address)| address + u64::from(i > 0)).collect();
    let half = &stack[..64];
    let joined = unwinder.unwind(own_pid(), &space, &mut modules, &registers, half, &chain);
    assert_eq!(joined, way);
    let cut = unwinder.unwind(own_pid(), &space, &mut modules, &registers, half, &[]);
    assert!(cut.cut && cut.addresses.len() < way.addresses.len());
    assert_eq!(cut.addresses, way.addresses[..cut.addresses.len()]);

    unwinder.forget(own_pid());
    let again = unwinder.unwind(own_pid(), &space, &mut modules, &registers, &stack, &[]);
    assert_eq!(again, way);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn code_without_tables_is_followed_by_its_frame_pointers() {
    let mut space = AddressSpace::default();
    space.add(code(0x1000, 0x2000, 0));
    let mut stack = vec![0; 64];
    // At 0x9010 a frame: the caller's frame pointer and the return address; at 0x9020 the outermost.
    stack[0x10..0x18].copy_from_slice(&0x9020_u64.to_ne_bytes());
    stack[0x18..0x20].copy_from_slice(&0x1500_u64.to_ne_bytes());
    stack[0x20..0x28].copy_from_slice(&0_u64.to_ne_bytes());
    stack[0x28..0x30].copy_from_slice(&0x1600_u64.to_ne_bytes());
    let registers = Registers { ip: 0x1100, sp: 0x9000, fp: 0x9010, lr: None };
    let way = Unwinder::new().unwind(-1, &space, &mut Modules::new(), &registers, &stack, &[]);
    assert_eq!(way, UserStack { addresses: vec![0x1100, 0x14ff, 0x15ff], cut: false });
}

#[test]
fn a_chain_that_leaves_the_code_is_cut_there() {
    let mut space = AddressSpace::default();
    space.add(code(0x1000, 0x2000, 0));
    let registers = Registers { ip: 0x1100, sp: 0, fp: 0x10, lr: None };
    let follow =
        |chain: &[u64]| Unwinder::new().unwind(-1, &space, &mut Modules::new(), &registers, &[], chain);
    let cut = |addresses: &[u64]| UserStack { addresses: addresses.to_vec(), cut: true };
    assert_eq!(follow(&[0x1100, 0x1200, 0x5000, 0x1300]), cut(&[0x1100, 0x11ff]));
    assert_eq!(follow(&[0x1100, 0x1200, (-512_i64) as u64]), cut(&[0x1100, 0x11ff]));
    assert_eq!(follow(&[0x1101, 0x1200]), cut(&[0x1100]));
    assert_eq!(follow(&[0x1200; 300]), cut(&[0x1100]));
    let mut endless = vec![0x1200; 300];
    endless[0] = 0x1100;
    assert_eq!(follow(&endless).addresses.len(), FRAMES_MAX);
}

#[test]
fn calls_are_told_from_other_code() {
    assert!(ends_with_call(&[0, 0, 0xe8, 1, 2, 3, 4]));
    assert!(ends_with_call(&[0, 0, 0, 0, 0, 0xff, 0xd0]));
    assert!(ends_with_call(&[0, 0xff, 0x15, 1, 2, 3, 4]));
    assert!(ends_with_call(&[0, 0, 0, 0, 0xff, 0x50, 8]));
    assert!(!ends_with_call(&[0, 0, 0, 0, 0, 0xff, 0xe0]));
    assert!(!ends_with_call(&[0; 7]) && !ends_with_call(&[]) && !ends_with_call(&[0xff]));
}

proptest! {
    #[test]
    fn any_sample_is_survived(
        ip in any::<u64>(), sp in any::<u64>(), fp in any::<u64>(), near in any::<bool>(),
        stack in proptest::collection::vec(any::<u8>(), 0..300),
        chain in proptest::collection::vec(any::<u64>(), 0..10),
    ) {
        let space = AddressSpace::read(own_pid()).unwrap();
        let all: Vec<_> = space.iter().cloned().collect();
        let here = &all[(ip % all.len() as u64) as usize];
        let ip = here.start + ip % (here.end - here.start);
        let sp = sp & 0x7fff_ffff_fff8;
        let fp = if near { sp.wrapping_add(fp % 256) } else { fp };
        let registers = Registers { ip, sp, fp, lr: Some(fp) };
        let way = Unwinder::new().unwind(own_pid(), &space, &mut Modules::new(), &registers, &stack, &chain);
        prop_assert!(!way.addresses.is_empty() && way.addresses.len() <= FRAMES_MAX);
        prop_assert!(way.addresses.iter().all(|address| space.find(*address).is_some()));
    }
}
