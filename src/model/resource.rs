//! Which resource a bottleneck is a lack of: the few words that monitors group by. They are as stable as the ids.

/// Every resource, in the order in which they are shown.
pub const RESOURCES: [&str; 6] = ["cpu", "memory", "io", "network", "limits", "hardware"];

/// The resource that the bottleneck `id` is about; `none` for `none` and `unknown`, which are about none, and for an
/// id that is not known here.
pub fn of(id: &str) -> &'static str {
    match id {
        "hw-error" => "hardware",
        "short-lived-processes" | "rt-hog" | "kthread-hog" | "clocksource" | "lock-contention" => "cpu",
        "thp-compaction" | "numa-remote" => "memory",
        "io-blocked" | "io-throttled" | "writeback-stall" | "inodes-full" => "io",
        "listen-overflow" | "conntrack-full" | "port-exhaustion" | "external-wait" => "network",
        "fd-exhaustion" | "pid-exhaustion" | "zombies" => "limits",
        id if id.starts_with("cpu-") => "cpu",
        id if id.starts_with("memory-") => "memory",
        id if id.starts_with("disk-") => "io",
        id if id.starts_with("net-") => "network",
        _ => "none",
    }
}
