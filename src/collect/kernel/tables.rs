//! Sizes and limits of the kernel's tables: open files, processes, threads.
//!
//! Sources: proc_sys_fs(5) file-nr, proc_sys_kernel(5) pid_max, threads-max.

use crate::collect::root::Root;
use crate::collect::text::number;
use crate::model::limits::{OpenFiles, Tables};
use crate::model::task::Pid;

/// Processes whose open files are counted at most.
const PROCESSES_MAX: usize = 2000;

/// Fewer open files than this are no matter, whatever the limit.
const FILES_MIN: u64 = 100;

/// Reads the tables; each number that is not there stays absent.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Tables {
    let mut tables = Tables::default();
    if root.read_once("proc/sys/fs/file-nr", buffer).is_ok() {
        let mut numbers = buffer.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).map(number);
        tables.files_count = numbers.next().flatten();
        tables.files_max = numbers.nth(1).flatten();
    }
    tables.pid_max = root.number("proc/sys/kernel/pid_max", buffer);
    tables.threads_max = root.number("proc/sys/kernel/threads-max", buffer);
    tables
}

/// Open files of the processes that have many, with their limits.
pub fn open_files(root: &Root, pids: &[Pid], buffer: &mut Vec<u8>) -> Vec<OpenFiles> {
    let mut found = Vec::new();
    for &pid in pids.iter().take(PROCESSES_MAX) {
        let path = format!("proc/{pid}/fd");
        if !root.wants(&format!("{path}/.count"), true) {
            continue;
        }
        let Ok(count) = root.entries_count(&path) else { continue };
        if count < FILES_MIN {
            continue;
        }
        let limit = match root.read_once(&format!("proc/{pid}/limits"), buffer) {
            Ok(()) => parse_limit(&String::from_utf8_lossy(buffer)),
            Err(_) => None,
        };
        found.push(OpenFiles { pid, count, limit });
    }
    found
}

/// The soft limit in the line `Max open files`; `unlimited` is none.
fn parse_limit(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             94240                94240                processes\n\
            Max open files            256                  4096                 files\n";
        assert_eq!(parse_limit(text), Some(256));
        assert_eq!(parse_limit("Max open files            unlimited   unlimited   files\n"), None);
        assert_eq!(parse_limit(""), None);
    }
}
