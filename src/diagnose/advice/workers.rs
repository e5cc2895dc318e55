//! How many workers of a pre-fork service fit into the memory: what is left and what they hold, by what one adds.
//!
//! Resident sizes count a shared page once for each worker, which makes a service of a hundred workers look several
//! times its size. What one more worker adds are the pages that it alone has; what all share is there already, whatever
//! their number.

use crate::diagnose::evidence::facts::Facts;
use crate::model::cgroup::MemoryLimit;
use crate::model::rates::ProcessRates;
use crate::model::task::{Comm, Pid};
use crate::model::tuning::{Workers, pools};

/// Services that are worth an account.
const SERVICES_MAX: usize = 4;

/// Share of the memory that a service holds before its size matters.
const HELD_MIN_RATIO: f64 = 0.001;

/// Kept back for growth, the page cache and the kernel, of the memory that counts. A house value.
const RESERVE_RATIO: f64 = 0.1;

/// The services with several workers whose size is known, the largest first.
pub fn workers(facts: &Facts<'_>) -> Vec<Workers> {
    let processes = facts.rates.processes.iter().filter(|process| !process.kernel_thread);
    let pools = pools(processes.map(|process| (process.pid, process.ppid, process.comm)));
    let mut found: Vec<Workers> =
        pools.iter().filter_map(|(comm, pool)| account(facts, *comm, pool)).collect();
    found.sort_by(|a, b| b.held_bytes.total_cmp(&a.held_bytes));
    found.truncate(SERVICES_MAX);
    found
}

fn account(facts: &Facts<'_>, comm: Comm, pool: &[Pid]) -> Option<Workers> {
    let members: Vec<&ProcessRates> = pool.iter().filter_map(|pid| facts.rates.process(*pid)).collect();
    let sizes: Vec<Size> = members.iter().filter_map(|process| Size::of(process)).collect();
    let memory = facts.rates.memory.as_ref().ok()?;
    let total = memory.total_bytes as f64;
    let room = Room { available: memory.available_bytes? as f64, all: total, limited_by: None };
    let known = members.iter().find(|process| process.cgroup.is_some());
    let room = known.and_then(|worker| group_room(facts, worker)).into_iter().fold(room, Room::smaller);
    let workers = fit(comm.to_lossy(), pool.len(), &sizes, room)?;
    let unit = known.and_then(|process| process.unit.clone());
    (workers.held_bytes >= HELD_MIN_RATIO * total).then_some(Workers { unit, ..workers })
}

/// What one worker takes, in bytes.
#[derive(Debug, Clone, Copy)]
struct Size {
    proportional: f64,
    own: Option<f64>,
    swapped: f64,
}

impl Size {
    fn of(process: &ProcessRates) -> Option<Self> {
        Some(Self {
            proportional: process.pss_bytes? as f64,
            own: process.private_bytes.map(|bytes| bytes as f64),
            swapped: process.swap_pss_bytes.unwrap_or(0) as f64,
        })
    }
}

/// The memory that counts, in bytes.
#[derive(Debug, Clone)]
struct Room {
    available: f64,
    all: f64,
    limited_by: Option<String>,
}

impl Room {
    fn smaller(self, other: Self) -> Self {
        if other.available < self.available { other } else { self }
    }
}

/// The arithmetic; none without a size.
fn fit(comm: String, count: usize, sizes: &[Size], room: Room) -> Option<Workers> {
    let measured = sizes.len() as f64;
    let mean = |of: &dyn Fn(&Size) -> f64| sizes.iter().map(of).sum::<f64>() / measured;
    let own_known = sizes.iter().all(|size| size.own.is_some());
    let resident = |size: &Size| size.own.unwrap_or(size.proportional);
    let added = |size: &Size| resident(size) + size.swapped;
    let bytes_each = mean(&added);
    // Neither without a size nor of nothing is there a quotient.
    if bytes_each.is_nan() || bytes_each <= 0.0 {
        return None;
    }
    let largest_bytes = sizes.iter().map(added).fold(0.0, f64::max);
    let held_bytes = mean(&resident) * count as f64;
    let reserve_bytes = RESERVE_RATIO * room.all;
    // Saturates, and is zero for what is below.
    let by = |each: f64| ((room.available + held_bytes - reserve_bytes) / each).max(0.0) as u64;
    Some(Workers {
        comm,
        unit: None,
        count: count as u64,
        measured_count: sizes.len() as u64,
        bytes_each,
        largest_bytes,
        proportional_bytes: mean(&|size| size.proportional),
        own_known,
        held_bytes,
        available_bytes: room.available,
        limited_by: room.limited_by,
        reserve_bytes,
        fit_count: by(bytes_each),
        fit_largest_count: by(largest_bytes),
    })
}

/// What is left below the limit of the worker's control group, or of one above it: the least of them.
fn group_room(facts: &Facts<'_>, worker: &ProcessRates) -> Option<Room> {
    let path = worker.cgroup.as_deref()?;
    let above = |group: &str| {
        path.strip_prefix(group.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let groups = facts.cgroups().iter().filter(|group| above(&group.path));
    let limited = groups.filter_map(|group| left(group.memory?, group.name().to_owned()));
    let own = facts.rates.own_limits.as_ref().and_then(|own| left(own.memory?, "this container".to_owned()));
    limited.chain(own).reduce(Room::smaller)
}

fn left(memory: MemoryLimit, name: String) -> Option<Room> {
    let (limit, usage) = (memory.limit_bytes?, memory.usage_bytes?);
    let dropped = memory.inactive_file_bytes.unwrap_or(0);
    let available = limit.saturating_sub(usage).saturating_add(dropped).min(limit) as f64;
    Some(Room { available, all: limit as f64, limited_by: Some(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;

    fn size(own: f64, proportional: f64, swapped: f64) -> Size {
        Size { proportional: proportional * MIB, own: Some(own * MIB), swapped: swapped * MIB }
    }

    fn room(available: f64, all: f64) -> Room {
        Room { available: available * MIB, all: all * MIB, limited_by: None }
    }

    #[test]
    fn it_is_the_sum_of_the_book() {
        // 1000 MiB to be had, 10 workers of 50 MiB hold 500, 400 of 4000 are kept back: 1100 / 50.
        let sizes = [size(40.0, 45.0, 0.0), size(60.0, 65.0, 0.0)];
        let workers = fit("php-fpm".to_owned(), 10, &sizes, room(1000.0, 4000.0)).unwrap();
        assert_eq!((workers.fit_count, workers.count, workers.measured_count), (22, 10, 2));
        assert!(
            (workers.bytes_each - 50.0 * MIB).abs() < 1.0 && (workers.held_bytes - 500.0 * MIB).abs() < 1.0
        );
        // 1100 / 60.
        assert_eq!(workers.fit_largest_count, 18);
        assert!((workers.proportional_bytes - 55.0 * MIB).abs() < 1.0);
    }

    #[test]
    fn what_is_swapped_has_to_fit_and_is_not_held() {
        // 10 MiB to be had, 20 workers hold 50 each and have 50 in swap: (10 + 1000 - 100) / 100.
        let workers = fit("x".to_owned(), 20, &[size(50.0, 50.0, 50.0)], room(10.0, 1000.0)).unwrap();
        assert_eq!(workers.fit_count, 9);
    }

    #[test]
    fn an_older_kernel_goes_by_the_proportional_size() {
        let old = Size { own: None, ..size(0.0, 80.0, 0.0) };
        let workers = fit("x".to_owned(), 3, &[old, size(10.0, 20.0, 0.0)], room(900.0, 1000.0)).unwrap();
        assert!(!workers.own_known);
        let workers = fit("x".to_owned(), 3, &[old], room(900.0, 1000.0)).unwrap();
        // (900 + 240 - 100) / 80.
        assert_eq!(workers.fit_count, 13);
    }

    #[test]
    fn no_size_is_no_number_and_no_room_is_none() {
        assert!(fit("x".to_owned(), 3, &[], room(900.0, 1000.0)).is_none());
        assert!(fit("x".to_owned(), 3, &[size(0.0, 0.0, 0.0)], room(900.0, 1000.0)).is_none());
        assert_eq!(fit("x".to_owned(), 3, &[size(10.0, 10.0, 0.0)], room(5.0, 4000.0)).unwrap().fit_count, 0);
        let huge = fit("x".to_owned(), usize::MAX, &[size(1e-6, 1.0, 0.0)], room(1e300, 1e300)).unwrap();
        assert_eq!(huge.fit_count, u64::MAX);
    }

    #[test]
    fn the_smaller_room_counts() {
        let limit = MemoryLimit {
            usage_bytes: Some(900),
            inactive_file_bytes: Some(50),
            limit_bytes: Some(1000),
            ..MemoryLimit::default()
        };
        let below = left(limit, "php.service".to_owned()).unwrap();
        assert_eq!((below.available, below.all), (150.0, 1000.0));
        let box_room = Room { available: 500.0, all: 4000.0, limited_by: None };
        assert_eq!(box_room.smaller(below).limited_by.as_deref(), Some("php.service"));
        assert!(left(MemoryLimit { limit_bytes: None, ..limit }, String::new()).is_none());
    }

    #[test]
    fn only_children_of_a_parent_of_their_name_are_a_pool() {
        let comm = |name: &str| Comm::new(name.as_bytes());
        let processes = [
            (1, 0, "init"),
            (10, 1, "apache2"),
            (11, 10, "apache2"),
            (12, 10, "apache2"),
            (13, 10, "apache2"),
            (20, 1, "bash"),
            (21, 20, "gzip"),
            (22, 20, "gzip"),
            (23, 20, "gzip"),
            (31, 1, "java"),
            (32, 1, "java"),
            (33, 1, "java"),
            (40, 1, "nginx"),
            (41, 40, "nginx"),
            (42, 40, "nginx"),
        ];
        let found = pools(processes.into_iter().map(|(pid, parent, name)| (pid, parent, comm(name))));
        assert_eq!(found, [(comm("apache2"), vec![11, 12, 13])]);
    }
}
