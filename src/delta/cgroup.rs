//! From a control group's path to the name people use: systemd unit, container or pod; and back.

use crate::model::task::CgroupPaths;
use std::collections::BTreeSet;

/// The unit, container or pod that `path` belongs to; none for a path that names none of them.
///
/// `/system.slice/nginx.service` is `nginx.service`; `/docker/<64 hex>` and `docker-<64 hex>.scope` are
/// `docker:<12 hex>`; inside `kubepods` the container follows its pod.
pub fn unit(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate().rev() {
        if let Some(id) = container_id(part) {
            let runtime = runtime(part, &parts[..index]);
            return Some(match parts[..index].iter().find_map(|part| pod_uid(part)) {
                Some(pod) => format!("pod:{pod} {runtime}:{}", short(id)),
                None => format!("{runtime}:{}", short(id)),
            });
        }
        if [".service", ".scope", ".mount", ".socket", ".swap"].iter().any(|suffix| part.ends_with(suffix)) {
            return Some(unescape(part));
        }
        if let Some(pod) = pod_uid(part) {
            return Some(format!("pod:{pod}"));
        }
        if let Some(name) = lxc_name(parts[index.saturating_sub(1)], part) {
            return Some(format!("lxc:{name}"));
        }
    }
    parts.iter().rev().find(|part| part.ends_with(".slice")).map(|part| unescape(part))
}

/// The units, containers and pods of a process, one for each hierarchy that knows one.
pub fn units(paths: &CgroupPaths) -> BTreeSet<String> {
    every_path(paths).filter_map(unit).collect()
}

/// The path of each hierarchy. Under cgroup v1 a group may exist in one hierarchy only.
fn every_path(paths: &CgroupPaths) -> impl Iterator<Item = &str> {
    paths.legacy.iter().map(|(_, path)| path.as_str()).chain(paths.unified.as_deref())
}

/// Whether a process in `paths` is in the group `path` of `hierarchy`, or in one below it.
pub fn contains(hierarchy: &str, path: &str, paths: &CgroupPaths) -> bool {
    let below =
        |own: &str| own.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if hierarchy == "unified" {
        return paths.unified.as_deref().is_some_and(below);
    }
    let named = |names: &str| names.split(',').any(|name| name == hierarchy);
    paths.legacy.iter().any(|(names, path)| named(names) && below(path))
}

/// Fewest digits of an id that is cut off.
const ID_DIGITS_MIN: usize = 4;

/// Whether a process in these control groups belongs to what a user called `asked`: a unit with or without
/// `.service`, a slice with all that is below it, a container or pod by the first digits of its id, alone or after
/// `docker:` and the like, or the path of a control group.
pub fn belongs(paths: &CgroupPaths, asked: &str) -> bool {
    if let Some(wanted) = asked.strip_prefix('/') {
        let below = |path: &str| {
            let rest = path.trim_start_matches('/').strip_prefix(wanted.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        return !wanted.is_empty() && every_path(paths).any(below);
    }
    let full = |name: &str| name == asked || name.strip_suffix(".service") == Some(asked);
    every_path(paths).any(|path| {
        path.split('/').any(|part| !part.is_empty() && full(&unescape(part)))
            || unit(path).is_some_and(|unit| full(&unit) || unit.split(' ').any(full))
            || has_id(path, asked)
    })
}

/// Whether `asked` begins the id of the container or pod of `path`.
fn has_id(path: &str, asked: &str) -> bool {
    let (kind, digits) = asked.split_once(':').map_or((None, asked), |(kind, digits)| (Some(kind), digits));
    let is_id = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if digits.len() < ID_DIGITS_MIN || !is_id {
        return false;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.iter().enumerate().any(|(index, part)| {
        let container = container_id(part).is_some_and(|id| {
            id.starts_with(digits) && kind.is_none_or(|kind| kind == runtime(part, &parts[..index]))
        });
        container
            || kind.is_none_or(|kind| kind == "pod") && pod_uid(part).is_some_and(|id| id.starts_with(digits))
    })
}

/// A container id is 64 hex digits, alone or between a runtime's prefix and `.scope`.
fn container_id(part: &str) -> Option<&str> {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let id = bare.rsplit('-').next()?;
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// `lxc/web1`; `lxc.payload.web1` and `lxc.payload/web1` since LXC 4.
fn lxc_name<'a>(parent: &str, part: &'a str) -> Option<&'a str> {
    let flat = part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty());
    flat.or_else(|| (["lxc", "lxc.payload"].contains(&parent) && part != parent).then_some(part))
}

fn runtime(part: &str, parents: &[&str]) -> String {
    let prefix = part.split('-').next().filter(|prefix| prefix.len() < 32 && part.contains('-'));
    match prefix {
        Some("cri") => "containerd".to_owned(),
        Some(prefix) => prefix.to_owned(),
        None if parents.contains(&"docker") => "docker".to_owned(),
        None => "container".to_owned(),
    }
}

/// `pod<uid>` or `kubepods-besteffort-pod<uid>.slice`; systemd writes the uid's dashes as underscores.
fn pod_uid(part: &str) -> Option<String> {
    let bare = part.strip_suffix(".slice").unwrap_or(part);
    let start = bare.rfind("pod").filter(|&start| start == 0 || bare.as_bytes()[start - 1] == b'-')?;
    let uid = bare[start + 3..].replace('_', "-");
    (uid.len() >= 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')).then_some(uid)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Systemd writes odd characters in unit names as `\x2d`.
fn unescape(name: &str) -> String {
    name.replace("\\x2d", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9aabcd";

    #[test]
    fn units_containers_and_pods() {
        assert_eq!(unit("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(unit("/user.slice/user-1000.slice").as_deref(), Some("user-1000.slice"));
        assert_eq!(unit(&format!("/docker/{ID}")).as_deref(), Some("docker:4f5e6d7c8b9a"));
        assert_eq!(unit(&format!("/system.slice/docker-{ID}.scope")).as_deref(), Some("docker:4f5e6d7c8b9a"));
        let pod = "kubepods-burstable-pod0c3f2c9a_1111_2222_3333_444455556666.slice";
        assert_eq!(
            unit(&format!("/kubepods.slice/{pod}/cri-containerd-{ID}.scope")).as_deref(),
            Some("pod:0c3f2c9a-1111-2222-3333-444455556666 containerd:4f5e6d7c8b9a")
        );
        assert_eq!(unit("/lxc/web1").as_deref(), Some("lxc:web1"));
        assert_eq!(unit("/lxc.payload.web1/ns").as_deref(), Some("lxc:web1"));
        assert_eq!((unit("/"), unit("/lxc")), (None, None));
        assert_eq!(unit("/batch/a"), None);
    }

    fn paths(unified: &str) -> CgroupPaths {
        CgroupPaths {
            unified: Some(unified.to_owned()),
            legacy: vec![("cpu".to_owned(), "/lab/a".to_owned())],
        }
    }

    #[test]
    fn a_unit_is_found_by_what_people_call_it() {
        let nginx = paths("/system.slice/nginx.service");
        for asked in
            ["nginx", "nginx.service", "system.slice", "/system.slice/nginx.service", "/system.slice", "/lab"]
        {
            assert!(belongs(&nginx, asked), "{asked}");
        }
        for asked in ["", "/", "ngin", "nginx.socket", "service", "/system", "/la", "/nginx.service"] {
            assert!(!belongs(&nginx, asked), "{asked}");
        }
        assert!(belongs(&paths("/system.slice/a\\x2db.service"), "a-b"));
        assert!(belongs(&paths("/lxc/web1"), "lxc:web1") && belongs(&paths("/lxc/web1"), "web1"));
    }

    #[test]
    fn a_unit_of_one_hierarchy_of_version_1_is_found() {
        let legacy = [("memory", "/process_api/f8"), ("cpu", "/thr.service"), ("pids", "/")];
        let legacy = legacy.map(|(name, path)| (name.to_owned(), path.to_owned())).to_vec();
        let paths = CgroupPaths { unified: Some("/".to_owned()), legacy };
        assert!(belongs(&paths, "thr") && belongs(&paths, "thr.service") && !belongs(&paths, "th"));
        assert_eq!(units(&paths).into_iter().collect::<Vec<_>>(), ["thr.service"]);
    }

    #[test]
    fn a_container_is_found_by_the_start_of_its_id() {
        let docker = paths(&format!("/system.slice/docker-{ID}.scope"));
        for asked in ["4f5e", "4f5e6d7c8b9a", ID, "docker:4f5e6d7c8b9a", "docker:4f5e"] {
            assert!(belongs(&docker, asked), "{asked}");
        }
        for asked in ["4f5", "5e6d", "docker:", "containerd:4f5e", "docker", "4f5e6d7c8b9b"] {
            assert!(!belongs(&docker, asked), "{asked}");
        }
        let pod = "kubepods-burstable-pod0c3f2c9a_1111_2222_3333_444455556666.slice";
        let pod = paths(&format!("/kubepods.slice/{pod}/cri-containerd-{ID}.scope"));
        for asked in [
            "0c3f2c9a-1111",
            "pod:0c3f2c9a",
            "containerd:4f5e6d",
            "4f5e6d",
            "pod:0c3f2c9a-1111-2222-3333-444455556666",
        ] {
            assert!(belongs(&pod, asked), "{asked}");
        }
        assert!(!belongs(&pod, "pod:4f5e6d"));
    }
}
