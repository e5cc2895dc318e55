//! Memory that `/proc/meminfo` only sums up, or does not know at all.
//!
//! Files: `/sys/kernel/mm/hugepages/hugepages-*kB/` (kernel `Documentation/admin-guide/mm/hugetlbpage.rst`), as meminfo
//! gives the free pages of the default size alone; `/proc/slabinfo`, slabinfo(5), which root may read;
//! `/proc/spl/kstat/zfs/arcstats` of OpenZFS. Known lies: kernels merge caches of like size, so a cache may go by the name
//! of another; parts of the ZFS cache are slab as well. Slabinfo is read only where the slabs take a good part
//! of the memory: the kernel walks its lists for it.

use crate::collect::root::Root;
use crate::model::memory_account::{Arc, HugePool, MemoryPools, SlabCache};
use crate::model::snapshot::MemInfo;

/// Share of the memory in slabs from which their caches are read.
const SLAB_SHARE: f64 = 0.05;

/// Caches that are kept, the largest.
const CACHES_MAX: usize = 8;

const POOLS: &str = "sys/kernel/mm/hugepages";

/// Reads the pools that `memory` gives a reason to look at.
pub fn read(root: &Root, memory: Option<&MemInfo>, page_bytes: u64, buffer: &mut Vec<u8>) -> MemoryPools {
    let huge = memory.is_some_and(|memory| memory.hugetlb_bytes().is_some_and(|bytes| bytes > 0));
    let slab = memory.is_some_and(|memory| {
        let slab = [memory.slab_reclaimable_bytes, memory.slab_unreclaimable_bytes];
        let slab = slab.into_iter().flatten().fold(0, u64::saturating_add);
        slab as f64 >= SLAB_SHARE * memory.total_bytes as f64
    });
    let caches =
        slab.then(|| root.read_parsed("proc/slabinfo", buffer, |bytes| parse_slabs(bytes, page_bytes)));
    MemoryPools {
        huge: if huge { huge_pools(root, buffer) } else { Vec::new() },
        arc: root.read_parsed("proc/spl/kstat/zfs/arcstats", buffer, parse_arc).ok(),
        caches: caches.and_then(Result::ok).unwrap_or_default(),
    }
}

fn huge_pools(root: &Root, buffer: &mut Vec<u8>) -> Vec<HugePool> {
    let names = root.list(POOLS).unwrap_or_default();
    let mut pool = |name: &String| {
        let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let mut number = |file: &str| root.number(&format!("{POOLS}/{name}/{file}"), buffer);
        Some(HugePool {
            page_bytes: kib.checked_mul(1024)?,
            total_count: number("nr_hugepages")?,
            free_count: number("free_hugepages")?,
            reserved_count: number("resv_hugepages")?,
        })
    };
    let pools = names.iter().filter_map(&mut pool);
    pools.filter(|pool| pool.total_count > 0).collect()
}

/// Parses `arcstats`: a name, a type and a value a line.
pub fn parse_arc(bytes: &[u8]) -> Result<Arc, String> {
    let text = String::from_utf8_lossy(bytes);
    let value = |name: &str| {
        let mut lines = text.lines().map(|line| line.split_ascii_whitespace());
        lines.find_map(|mut words| (words.next()? == name).then(|| words.nth(1)?.parse().ok())?)
    };
    Ok(Arc {
        size_bytes: value("size").ok_or("no size")?,
        min_bytes: value("c_min").ok_or("no c_min")?,
        max_bytes: value("c_max").ok_or("no c_max")?,
    })
}

/// Parses `/proc/slabinfo` version 2: the largest caches by the pages of their slabs.
pub fn parse_slabs(bytes: &[u8], page_bytes: u64) -> Result<Vec<SlabCache>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut caches: Vec<SlabCache> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| cache(line, page_bytes))
        .collect();
    if caches.is_empty() {
        return Err("no cache".to_owned());
    }
    caches.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    caches.truncate(CACHES_MAX);
    Ok(caches)
}

/// `name active total size per_slab pages_per_slab : tunables ... : slabdata active slabs shared`.
fn cache(line: &str, page_bytes: u64) -> Option<SlabCache> {
    let mut parts = line.split(" : ");
    let mut objects = parts.next()?.split_ascii_whitespace();
    let name = objects.next()?;
    let pages_per_slab: u64 = objects.nth(4)?.parse().ok()?;
    let data = parts.find_map(|part| part.trim().strip_prefix("slabdata"))?;
    let slabs: u64 = data.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let bytes = slabs.checked_mul(pages_per_slab)?.checked_mul(page_bytes)?;
    Some(SlabCache { name: name.to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_caches_come_first() {
        let text = b"slabinfo - version: 2.1\n\
            # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n\
            kmalloc-64         10240  10240     64   64    1 : tunables    0    0    0 : slabdata    160    160      0\n\
            dentry            420000 420000    192   21    1 : tunables    0    0    0 : slabdata  20000  20000      0\n\
            broken line\n";
        let caches = parse_slabs(text, 4096).unwrap();
        let named: Vec<(&str, u64)> = caches.iter().map(|cache| (cache.name.as_str(), cache.bytes)).collect();
        assert_eq!(named, [("dentry", 81_920_000), ("kmalloc-64", 655_360)]);
        assert!(parse_slabs(b"slabinfo - version: 2.1\n", 4096).is_err());
    }

    #[test]
    fn the_size_of_the_arc_is_none_of_its_parts() {
        let text = b"13 1 0x01 147 39984 6120317 9431\nname                            type data\n\
            hits                            4    12\nc_min                           4    1000\n\
            c_max                           4    9000\nsize                            4    4096\n\
            hdr_size                        4    7\n";
        assert_eq!(parse_arc(text).unwrap(), Arc { size_bytes: 4096, min_bytes: 1000, max_bytes: 9000 });
        assert_eq!(parse_arc(b"size 4 x\n").unwrap_err(), "no size");
    }

    #[test]
    fn pools_of_all_sizes_are_read() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/1")).unwrap();
        let put = |path: &str, text: &str| {
            let file = tree.path().join(POOLS).join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        for (size, total, free, reserved) in [("2048", 0, 0, 0), ("1048576", 8, 3, 1)] {
            put(&format!("hugepages-{size}kB/nr_hugepages"), &format!("{total}\n"));
            put(&format!("hugepages-{size}kB/free_hugepages"), &format!("{free}\n"));
            put(&format!("hugepages-{size}kB/resv_hugepages"), &format!("{reserved}\n"));
        }
        let root = Root::live(tree.path()).unwrap();
        let memory = MemInfo { all_huge_pages_bytes: Some(8 << 30), ..MemInfo::default() };
        let pools = read(&root, Some(&memory), 4096, &mut Vec::new());
        let pool = HugePool { page_bytes: 1 << 30, total_count: 8, free_count: 3, reserved_count: 1 };
        assert_eq!(pools, MemoryPools { huge: vec![pool], ..MemoryPools::default() });
        assert_eq!((pool.unused_count(), pool.used_count()), (2, 5));
    }
}
