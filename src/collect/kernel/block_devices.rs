//! `/sys/block` (kernel `Documentation/ABI/stable/sysfs-block`, 2.6.0): what each whole device is and
//! what it stands on.
//!
//! A `/` in a device's name is a `!` here. `slaves/` came with 2.6.17, `loop/backing_file` with 2.6.37.
//!
//! Known lies: `queue/rotational` is 1 for most virtual disks, whatever is below them.

use crate::collect::root::Root;
use crate::model::reading::Reading;
use crate::model::snapshot::{BlockDevice, BlockKind};

/// Reads what `/sys/block` says of every device.
pub fn read(root: &Root, buffer: &mut Vec<u8>) -> Reading<Vec<BlockDevice>> {
    Ok(root.list("sys/block")?.iter().map(|name| device(root, buffer, name)).collect())
}

fn device(root: &Root, buffer: &mut Vec<u8>, name: &str) -> BlockDevice {
    let mut text = |file: &str| {
        root.read(&format!("sys/block/{name}/{file}"), buffer).ok()?;
        Some(String::from_utf8_lossy(buffer).trim_end_matches('\n').to_owned())
    };
    let by_name = kind_by_name(name);
    // Many boxes have a row of unused loop devices: two reads for each of those.
    let backing_file = if by_name == BlockKind::Loop { text("loop/backing_file") } else { None };
    let kind = match by_name {
        BlockKind::Loop if backing_file.is_none() => BlockKind::Other,
        _ if text("size").is_some_and(|sectors| sectors == "0") => BlockKind::Other,
        BlockKind::Disk if text("dm/name").is_some() => BlockKind::DeviceMapper,
        BlockKind::Disk if text("md/level").is_some() => BlockKind::Md,
        kind => kind,
    };
    let rotational = parse_rotational(text("queue/rotational").as_deref());
    let slaves = match kind {
        BlockKind::Other => Vec::new(),
        _ => root.list(&format!("sys/block/{name}/slaves")).unwrap_or_default(),
    };
    let slaves = slaves.iter().map(|slave| kernel_name(slave)).collect();
    BlockDevice { name: kernel_name(name), kind, slaves, rotational, backing_file }
}

/// The name as `/proc/diskstats` has it.
fn kernel_name(name: &str) -> String {
    name.replace('!', "/")
}

fn parse_rotational(text: Option<&str>) -> Option<bool> {
    match text? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The kind that drivers' names promise (kernel `Documentation/admin-guide/devices.txt`).
fn kind_by_name(name: &str) -> BlockKind {
    let numbered = |prefix: &str| {
        let rest = name.strip_prefix(prefix).unwrap_or_default();
        rest.starts_with(|first: char| first.is_ascii_digit())
    };
    match name {
        _ if numbered("nvme") => BlockKind::Nvme,
        _ if numbered("loop") => BlockKind::Loop,
        _ if numbered("zram") => BlockKind::Zram,
        _ if numbered("dm-") => BlockKind::DeviceMapper,
        // Named arrays: `md_d0`, `md_home`.
        _ if numbered("md") || name.starts_with("md_") => BlockKind::Md,
        _ if ["ram", "sr", "fd"].into_iter().any(numbered) => BlockKind::Other,
        _ => BlockKind::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::root::{Frame, FrameKind};

    fn devices(files: &[(&str, &[u8])]) -> Vec<BlockDevice> {
        let mut frame = Frame::new(FrameKind::Start, std::time::Duration::ZERO);
        frame.files.extend(files.iter().map(|(path, bytes)| (format!("sys/block/{path}"), bytes.to_vec())));
        frame
            .listings
            .insert("sys/block/dm-0/slaves".to_owned(), vec!["cciss!c0d0p2".to_owned(), "sda3".to_owned()]);
        read(&Root::captured(frame), &mut Vec::new()).unwrap()
    }

    #[test]
    fn kinds_follow_from_names_and_files() {
        let found = devices(&[
            ("cciss!c0d0/size", b"9\n"),
            ("cciss!c0d0/queue/rotational", b"1\n"),
            ("dm-0/size", b"9\n"),
            ("dm-0/queue/rotational", b"0\n"),
            ("fd0/size", b"8\n"),
            ("home/dm/name", b"vg-home\n"),
            ("loop0/size", b"9\n"),
            ("loop0/loop/backing_file", b"/snap/a b.img\n"),
            ("loop1/size", b"0\n"),
            ("md127/md/level", b"raid1\n"),
            ("nbd0/size", b"0\n"),
            ("nvme0n1/queue/rotational", b"x"),
            ("ram0/size", b"9\n"),
            ("raid/md/level", b"raid1\n"),
            ("sr0/size", b"9\n"),
            ("vda/size", b"\xff"),
            ("zram0/size", b"9\n"),
            ("zram1/size", b"0\n"),
        ]);
        let kinds: Vec<(&str, BlockKind)> = found.iter().map(|device| (&*device.name, device.kind)).collect();
        use BlockKind::*;
        let expected = [
            ("cciss/c0d0", Disk),
            ("dm-0", DeviceMapper),
            ("fd0", Other),
            ("home", DeviceMapper),
            ("loop0", Loop),
            ("loop1", Other),
            ("md127", Md),
            ("nbd0", Other),
            ("nvme0n1", Nvme),
            ("raid", Md),
            ("ram0", Other),
            ("sr0", Other),
            ("vda", Disk),
            ("zram0", Zram),
            ("zram1", Other),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(
            (found[0].rotational, found[1].rotational, found[8].rotational),
            (Some(true), Some(false), None)
        );
        assert_eq!(found[1].slaves, ["cciss/c0d0p2", "sda3"]);
        assert_eq!(found[4].backing_file.as_deref(), Some("/snap/a b.img"));
    }

    #[test]
    fn no_sysfs_is_an_absence() {
        let frame = Frame::new(FrameKind::Start, std::time::Duration::ZERO);
        assert!(read(&Root::captured(frame), &mut Vec::new()).is_err());
    }
}
