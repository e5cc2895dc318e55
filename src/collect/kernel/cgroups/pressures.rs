//! `cpu.pressure`, `memory.pressure`, `io.pressure` of control groups (kernel `Documentation/accounting/psi.rst`,
//! version 2 alone).

use super::{Hierarchy, hierarchies};
use crate::collect::kernel::pressure;
use crate::collect::root::Root;
use crate::model::cgroup::{CgroupReading, OWN_GROUP};
use crate::model::snapshot::{Pressure, SystemSnapshot};

/// Stall times of a group for what its hierarchy limits. On a hybrid box they are in the tree of version 2, where
/// systemd gives every group the same path.
pub(super) fn read(
    root: &Root,
    unified: &Hierarchy,
    group: &CgroupReading,
    buffer: &mut Vec<u8>,
) -> Vec<(&'static str, Pressure)> {
    let resources: &[&'static str] = match group.hierarchy.as_str() {
        "cpu" => &["cpu"],
        "blkio" => &["io"],
        "memory" => &["memory"],
        "pids" => &[],
        _ => &["cpu", "memory", "io"],
    };
    let path = if group.path == OWN_GROUP { "" } else { &group.path };
    let mut read = |resource: &'static str| {
        let file = format!("{}{path}/{resource}.pressure", unified.mount);
        Some((resource, root.read_parsed(&file, buffer, pressure::parse).ok()?))
    };
    resources.iter().filter_map(|resource| read(resource)).collect()
}

/// Puts the pressure of the container's own group (version 2) in the place of the whole machine's; whether it could.
pub fn own_pressure(root: &Root, system: &mut SystemSnapshot, buffer: &mut Vec<u8>) -> bool {
    let Ok(hierarchies) = hierarchies(root, buffer) else { return false };
    let Some(unified) = hierarchies.iter().find(|hierarchy| hierarchy.name == "unified") else {
        return false;
    };
    let mut read = |resource: &str| {
        root.read_parsed(&format!("{}/{resource}.pressure", unified.mount), buffer, pressure::parse)
    };
    let own = [read("cpu"), read("memory"), read("io")];
    let found = own.iter().all(Result::is_ok);
    if found {
        [system.cpu_pressure, system.memory_pressure, system.io_pressure] = own;
    }
    found
}
