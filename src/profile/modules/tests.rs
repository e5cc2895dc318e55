use super::*;
use std::os::unix::fs::MetadataExt;

fn own_pid() -> Pid {
    Pid::try_from(std::process::id()).unwrap()
}

/// A mapping of a file as the kernel would tell of it.
fn mapping_of(path: &std::path::Path) -> Mapping {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let device = metadata.dev();
    Mapping {
        start: 0x1000,
        end: 0x2000,
        file_offset: 0,
        path: path.to_str().unwrap().as_bytes().to_vec(),
        file: Some(FileId {
            device_major: rustix::fs::major(device),
            device_minor: rustix::fs::minor(device),
            inode: metadata.ino(),
        }),
    }
}

#[test]
fn our_own_program_is_found_and_kept() {
    let space = AddressSpace::read(own_pid()).unwrap();
    let here = our_own_program_is_found_and_kept as *const () as u64;
    let mapping = space.find(here).unwrap();
    let mut modules = Modules::new();
    let module = modules.open(own_pid(), mapping).unwrap();
    assert!(module.elf().is_some_and(|elf| elf.address_of(mapping.file_offset_of(here).unwrap()).is_some()));
    assert!(Arc::ptr_eq(&module, &modules.open(own_pid(), mapping).unwrap()));
}

#[test]
fn the_vdso_is_an_elf_file_in_memory() {
    let space = AddressSpace::read(own_pid()).unwrap();
    let Some(mapping) = space.iter().find(|mapping| mapping.is_vdso()) else {
        println!("skipped: no vdso here");
        return;
    };
    let mut modules = Modules::new();
    assert!(modules.open(own_pid(), mapping).unwrap().elf().is_some());
    let other = Mapping { end: mapping.end + 4096, ..mapping.clone() };
    assert!(modules.open(own_pid(), &other).is_none(), "that of another word size is another one");
}

#[test]
fn another_file_of_the_same_name_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.so");
    std::fs::write(&path, "old").unwrap();
    let mapping = mapping_of(&path);
    std::fs::rename(&path, folder.path().join("kept")).unwrap();
    std::fs::write(&path, "new").unwrap();
    let mut modules = Modules::new();
    assert_eq!(modules.find(own_pid(), &mapping).unwrap_err(), Absence::Gone);
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(folder.path().join("kept"), &path).unwrap();
    assert_eq!(modules.find(own_pid(), &mapping).unwrap_err(), Absence::Gone, "asked once");
    modules.forget(own_pid());
    assert!(modules.find(own_pid(), &mapping).is_ok());
}

#[test]
fn what_would_block_or_act_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let mut modules = Modules::new();
    assert!(modules.open(own_pid(), &mapping_of(&fifo)).is_none());
    assert!(modules.open(own_pid(), &mapping_of(std::path::Path::new("/dev/null"))).is_none());
    assert!(modules.open(own_pid(), &mapping_of(folder.path())).is_none());
}

#[test]
fn no_more_files_stay_open_than_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut modules = Modules::new();
    for index in 0..OPEN_FILES_MAX + 20 {
        let path = folder.path().join(format!("{index}"));
        std::fs::write(&path, "x").unwrap();
        assert!(modules.open(own_pid(), &mapping_of(&path)).is_some());
    }
    assert_eq!(modules.opened.len(), OPEN_FILES_MAX);
}

#[test]
fn a_call_that_does_not_return_is_not_waited_for() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    assert_eq!(open::in_time(move || receiver.recv().is_ok()), None);
    drop(sender);
    assert_eq!(open::in_time(|| 5), Some(5));
}

#[test]
fn a_path_leads_nowhere_outside_of_its_root() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../etc/passwd", folder.path().join("climbing")).unwrap();
    let root = open::folder(folder.path().to_str().unwrap()).unwrap();
    for path in ["/absolute", "climbing", "/../../etc/passwd"] {
        let found = open::inside(&root, path).and_then(open::look);
        assert!(!found.is_ok_and(|place| place.is_regular()), "{path}");
    }
}
