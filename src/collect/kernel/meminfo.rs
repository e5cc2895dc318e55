//! `/proc/meminfo`, proc_meminfo(5): where memory is, in KiB although it says kB.
//!
//! `MemAvailable` came with 3.14, `Shmem` with 2.6.32, `SUnreclaim` with 2.6.19, `AnonPages` with 2.6.18, `Dirty` and
//! `Writeback` with 2.6.
//! Written by hand: the library refuses the whole file when lines are absent that the triage does not
//! need and that emulated files (gVisor, OpenVZ) leave out.
//!
//! Known lies: `Cached` includes `Shmem`, which cannot be dropped. `HugePages_Total` times `Hugepagesize`
//! counts the default size only. ZFS's cache appears in none of these lines. `VmallocUsed` counts address space and not
//! pages before 4.4, and nothing up to 5.3; it is told from that by `Percpu`, which came with 4.21. Where stacks are mapped
//! (`VMAP_STACK`) `KernelStack` is inside it.

use crate::collect::root::Root;
use crate::model::memory_account::HugePool;
use crate::model::reading::Reading;
use crate::model::snapshot::MemInfo;
use std::collections::BTreeMap;

/// Reads `/proc/meminfo`.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<MemInfo> {
    root.read_parsed("proc/meminfo", buffer, parse)
}

/// Parses the text of `/proc/meminfo`.
pub fn parse(bytes: &[u8]) -> Result<MemInfo, String> {
    let text = String::from_utf8_lossy(bytes);
    let values: BTreeMap<&str, u64> = text.lines().filter_map(value).collect();
    let optional = |name: &str| values.get(name).copied();
    let needed = |name: &str| optional(name).ok_or_else(|| format!("no {name} line"));
    Ok(MemInfo {
        total_bytes: needed("MemTotal")?,
        free_bytes: needed("MemFree")?,
        available_bytes: optional("MemAvailable"),
        buffers_bytes: needed("Buffers")?,
        cached_bytes: needed("Cached")?,
        swap_total_bytes: needed("SwapTotal")?,
        swap_free_bytes: needed("SwapFree")?,
        anonymous_bytes: optional("AnonPages"),
        shmem_bytes: optional("Shmem"),
        slab_unreclaimable_bytes: optional("SUnreclaim"),
        huge_pages_bytes: optional("HugePages_Total")
            .zip(optional("Hugepagesize"))
            .and_then(|(count, bytes)| count.checked_mul(bytes)),
        all_huge_pages_bytes: optional("Hugetlb"),
        huge_pool: pool(&values),
        swap_cached_bytes: optional("SwapCached"),
        anonymous_lists_bytes: sum(&[optional("Active(anon)"), optional("Inactive(anon)")]),
        slab_reclaimable_bytes: optional("SReclaimable"),
        kernel_reclaimable_bytes: optional("KReclaimable"),
        kernel_stacks_bytes: optional("KernelStack"),
        page_tables_bytes: optional("PageTables")
            .map(|tables| optional("SecPageTables").map_or(tables, |second| tables.saturating_add(second))),
        per_cpu_bytes: optional("Percpu"),
        vmalloc_bytes: optional("VmallocUsed").filter(|_| values.contains_key("Percpu")),
        zswap_bytes: optional("Zswap"),
        balloon_bytes: optional("Balloon"),
        dirty_bytes: optional("Dirty"),
        writeback_bytes: optional("Writeback"),
    })
}

/// The pool of huge pages of the default size.
fn pool(values: &BTreeMap<&str, u64>) -> Option<HugePool> {
    let value = |name: &str| values.get(name).copied();
    Some(HugePool {
        page_bytes: value("Hugepagesize")?,
        total_count: value("HugePages_Total")?,
        free_count: value("HugePages_Free")?,
        reserved_count: value("HugePages_Rsvd")?,
    })
}

fn sum(values: &[Option<u64>]) -> Option<u64> {
    values.iter().copied().try_fold(0_u64, |sum, value| Some(sum.saturating_add(value?)))
}

/// Name and value of one line: bytes, or a plain count where no unit follows.
fn value(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    let mut words = rest.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        None => Some((name, number)),
        Some("kB") => Some((name, number.checked_mul(1024)?)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "MemTotal:      1023488 kB\nMemFree:         10240 kB\nBuffers:          2048 kB\n\
        Cached:          51200 kB\nSwapTotal:      524288 kB\nSwapFree:       524287 kB\nDirty:     4 kB\n\
        Writeback:             0 kB\n";

    #[test]
    fn what_an_old_kernel_lacks_is_absent() {
        let memory = parse(OLD.as_bytes()).unwrap();
        assert_eq!((memory.total_bytes, memory.dirty_bytes), (1_023_488 * 1024, Some(4096)));
        assert_eq!((memory.available_bytes, memory.shmem_bytes, memory.huge_pages_bytes), (None, None, None));
    }

    #[test]
    fn a_current_kernel() {
        let text = format!(
            "{OLD}MemAvailable: 7 kB\nAnonPages: 6 kB\nShmem: 5 kB\nSUnreclaim: 4 kB\n\
             Active(anon): 3 kB\nHugePages_Total:       3\nHugepagesize:       2048 kB\nDirectMap4k: x kB\n"
        );
        let memory = parse(text.as_bytes()).unwrap();
        assert_eq!((memory.available_bytes, memory.anonymous_bytes), (Some(7168), Some(6144)));
        assert_eq!((memory.shmem_bytes, memory.slab_unreclaimable_bytes), (Some(5120), Some(4096)));
        assert_eq!(memory.huge_pages_bytes, Some(3 * 2048 * 1024));
    }

    #[test]
    fn a_missing_line_is_named() {
        let text = OLD.replace("SwapFree", "SwapFlee");
        assert_eq!(parse(text.as_bytes()).unwrap_err(), "no SwapFree line");
        let text = OLD.replace("10240 kB", "99999999999999999 kB");
        assert_eq!(parse(text.as_bytes()).unwrap_err(), "no MemFree line");
        for text in [&b""[..], b"\xff\xfe: 1 kB", b"MemTotal", b"MemTotal: 5 MB"] {
            assert_eq!(parse(text).unwrap_err(), "no MemTotal line");
        }
    }
}
