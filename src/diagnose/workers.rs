//! How many workers of a pre-fork service fit into the memory: what is left and what they hold, by what one takes.
//!
//! Resident sizes count a shared page once for each worker, which makes a service of a hundred workers look several
//! times its size; proportional sizes add up to the truth. Only those are used.

use crate::diagnose::facts::Facts;
use crate::diagnose::step4_rank::Group;
use crate::model::rates::ProcessRates;
use crate::model::task::Pid;
use crate::model::tuning::Workers;
use std::collections::BTreeSet;

/// Fewer like processes than this are no pool.
const WORKERS_MIN: usize = 3;

/// Services that are worth an account.
const SERVICES_MAX: usize = 4;

/// Kept back for growth, the page cache and the kernel, of the memory that counts. A house value.
const RESERVE_RATIO: f64 = 0.1;

/// The services with several workers whose size is known, the largest first.
pub fn workers(facts: &Facts<'_>) -> Vec<Workers> {
    let mut found: Vec<Workers> = facts.groups.iter().filter_map(|group| account(facts, group)).collect();
    found.sort_by(|a, b| b.held_bytes.total_cmp(&a.held_bytes));
    found.truncate(SERVICES_MAX);
    found
}

fn account(facts: &Facts<'_>, group: &Group<'_>) -> Option<Workers> {
    let pool = pool(&group.members)?;
    let sizes: Vec<(f64, f64)> = pool
        .iter()
        .filter_map(|worker| {
            let resident = worker.pss_bytes? as f64;
            Some((resident, resident + worker.swap_bytes.unwrap_or(0) as f64))
        })
        .collect();
    let measured = sizes.len() as f64;
    let bytes_each = sizes.iter().map(|(_, all)| all).sum::<f64>() / measured;
    let held_bytes = sizes.iter().map(|(resident, _)| resident).sum::<f64>() / measured * pool.len() as f64;
    // Without a measured one these are no numbers.
    if !(bytes_each > 0.0 && held_bytes > 0.0) {
        return None;
    }
    let memory = facts.rates.memory.as_ref().ok()?;
    let available = memory.available_bytes? as f64;
    let limit = group_room(facts, pool[0]).filter(|(room, _)| *room < available);
    let (available_bytes, all) = limit.unwrap_or((available, memory.total_bytes as f64));
    let reserve_bytes = RESERVE_RATIO * all;
    Some(Workers {
        comm: group.comm.to_lossy(),
        unit: pool[0].unit.clone(),
        count: u32::try_from(pool.len()).unwrap_or(u32::MAX),
        measured_count: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
        bytes_each,
        held_bytes,
        available_bytes,
        limited: limit.is_some(),
        reserve_bytes,
        // Saturates, and is zero for what is below.
        fit_count: ((available_bytes + held_bytes - reserve_bytes) / bytes_each).max(0.0) as u64,
    })
}

/// The children of one parent among `members`: the process that forks them is none of them.
fn pool<'a>(members: &[&'a ProcessRates]) -> Option<Vec<&'a ProcessRates>> {
    let parents: BTreeSet<Pid> =
        members.iter().map(|process| process.ppid).filter(|ppid| *ppid > 1).collect();
    let children = |parent: &Pid| members.iter().filter(|process| process.ppid == *parent).count();
    let parent = parents.into_iter().max_by_key(children)?;
    let pool: Vec<&ProcessRates> = members.iter().copied().filter(|process| process.ppid == parent).collect();
    (pool.len() >= WORKERS_MIN).then_some(pool)
}

/// What is left below the limit of the worker's control group, with the limit.
fn group_room(facts: &Facts<'_>, worker: &ProcessRates) -> Option<(f64, f64)> {
    let path = worker.cgroup.as_deref()?;
    let memory = facts.cgroups().iter().find(|group| group.path == path)?.memory?;
    let (limit, usage) = (memory.limit_bytes?, memory.usage_bytes?);
    let dropped = memory.inactive_file_bytes.unwrap_or(0);
    Some((limit.saturating_sub(usage).saturating_add(dropped).min(limit) as f64, limit as f64))
}
