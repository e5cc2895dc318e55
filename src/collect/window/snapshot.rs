//! A full snapshot of the machine, for both ends of a window.

use crate::collect::kernel::{cgroups, hardware, namespaces, net_counters, thermal};
use crate::collect::root::Root;
use crate::collect::tasks::scan::{Scan, Scratch, scan};
use crate::collect::window::system;
use crate::model::host::Host;
use crate::model::reading::Absence;
use crate::model::snapshot::FullSnapshot;
use std::time::Duration;

/// Reads everything that is compared between the two ends. A missing source is named in the report. Without CPU time,
/// load average and processes there is nothing to report: that is an error.
pub(super) fn full(
    root: &Root,
    host: &Host,
    at: Duration,
    scratch: &mut Scratch,
) -> Result<FullSnapshot, Absence> {
    let mut system = system::read(root, at, true, &mut scratch.bytes);
    let inside = host.container.is_some();
    let own_pressure = inside && cgroups::own_pressure(root, &mut system, &mut scratch.bytes);
    let Scan { processes, io_denied_count, unreadable } = match scan(root, scratch) {
        Ok(scan) => scan,
        Err(absence) => Scan { unreadable: Some((0, absence.to_string())), ..Scan::default() },
    };
    if let (Err(absence), Err(_), true) = (&system.stat, &system.load, processes.is_empty()) {
        return Err(absence.clone());
    }
    let cgroups = cgroups::read(root, inside, &mut scratch.bytes);
    let net = net_counters::read(root, &mut scratch.bytes);
    let net_namespaces = namespaces::read(root, &processes, &mut scratch.bytes);
    let cpus = system.stat.as_ref().ok().into_iter().flat_map(|stat| stat.cpus.keys().copied());
    let heat = thermal::read(root, cpus, &mut scratch.bytes);
    Ok(FullSnapshot {
        system,
        cgroups,
        net,
        net_namespaces,
        own_pressure,
        hardware: hardware::read(root, &mut scratch.bytes),
        heat,
        processes,
        io_denied_count,
        unreadable,
    })
}
