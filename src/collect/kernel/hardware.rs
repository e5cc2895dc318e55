//! `/proc/mdstat` (md(4)) and `/sys/devices/system/edac/mc/mc*/{ce,ue}_count` (kernel
//! `Documentation/driver-api/edac.rst`): software RAID with missing members, and errors of memory modules.
//!
//! Most machines have neither. Known lies: an array that was made with a member missing looks like one that lost it.

use crate::collect::root::Root;
use crate::model::limits::{Hardware, MemoryErrors, RaidArray};

/// Where the memory controllers are.
const CONTROLLERS: &str = "sys/devices/system/edac/mc";

/// Reads both; what is not there stays absent.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Hardware {
    let arrays = match root.read("proc/mdstat", buffer) {
        Ok(()) => parse_mdstat(&String::from_utf8_lossy(buffer)),
        Err(_) => Vec::new(),
    };
    Hardware { arrays, memory_errors: memory_errors(root, buffer) }
}

/// The sum over all controllers; none where there are none.
fn memory_errors(root: &Root, buffer: &mut Vec<u8>) -> Option<MemoryErrors> {
    let mut count = |controller: &str, kind: &str| {
        root.number(&format!("{CONTROLLERS}/{controller}/{kind}_count"), buffer)
    };
    let names = root.directories(CONTROLLERS).ok()?;
    let counts = names.iter().filter(|name| name.starts_with("mc")).filter_map(|name| {
        Some(MemoryErrors { corrected_count: count(name, "ce")?, uncorrected_count: count(name, "ue")? })
    });
    counts.reduce(|a, b| MemoryErrors {
        corrected_count: a.corrected_count.saturating_add(b.corrected_count),
        uncorrected_count: a.uncorrected_count.saturating_add(b.uncorrected_count),
    })
}

/// Arrays with redundancy: below the line of the name, `[3/2] [UU_]` says how many members there should be and how
/// many work, and `recovery = 8.5% ...` what is going on.
pub fn parse_mdstat(text: &str) -> Vec<RaidArray> {
    let mut arrays: Vec<RaidArray> = Vec::new();
    let mut name = None;
    for line in text.lines() {
        if let Some((first, state)) = line.split_once(" : ") {
            name = (first.starts_with("md") && state.starts_with("active")).then(|| first.trim().to_owned());
            continue;
        }
        if let Some((members_count, working_count)) = members(line)
            && let Some(name) = name.take()
        {
            arrays.push(RaidArray { name, members_count, working_count, rebuilding: None });
        }
        let kind = ["recovery", "resync", "check", "repair", "reshape"]
            .into_iter()
            .find(|kind| line.contains(&format!("{kind} =")) || line.contains(&format!("{kind}=")));
        if let (Some(kind), Some(array)) = (kind, arrays.last_mut()) {
            array.rebuilding = Some(kind);
        }
    }
    arrays
}

/// `[3/2]` in a line.
fn members(line: &str) -> Option<(u32, u32)> {
    line.split_whitespace().find_map(|word| {
        let (all, working) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
        Some((all.parse().ok()?, working.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_with_and_without_all_members() {
        let text = "Personalities : [raid1] [raid6] [raid5] [raid4]\n\
            md1 : active raid1 sdb1[2] sda1[0]\n      1048512 blocks super 1.2 [2/1] [U_]\n\
            \x20     [=>...................]  recovery =  8.5% (89600/1048512) finish=0.1min speed=89600K/sec\n\n\
            md0 : active raid5 sde1[3] sdd1[1] sdc1[0]\n      2095104 blocks level 5, 512k chunk [3/3] [UUU]\n\n\
            md2 : inactive sdf1[0](S)\n      1047552 blocks super 1.2\n\n\
            md3 : active raid0 sdh1[1] sdg1[0]\n      2095104 blocks 512k chunks\n\nunused devices: <none>\n";
        let arrays = parse_mdstat(text);
        let told: Vec<_> =
            arrays.iter().map(|a| (a.name.as_str(), a.members_count, a.working_count)).collect();
        assert_eq!(told, [("md1", 2, 1), ("md0", 3, 3)]);
        assert_eq!((arrays[0].rebuilding, arrays[1].rebuilding), (Some("recovery"), None));
        assert_eq!(parse_mdstat("Personalities :\nunused devices: <none>\n"), []);
    }
}
