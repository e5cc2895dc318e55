//! A dump by rtnetlink(7): the one thing about the network that the kernel shows in no file.

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// `RTM_GETQDISC` (kernel `include/uapi/linux/rtnetlink.h`).
const GET_QDISC: u16 = 38;
/// `NLM_F_REQUEST | NLM_F_DUMP` (netlink(7)).
const DUMP: u16 = 0x301;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ENDS: [u16; 2] = [2, 3];
/// `struct nlmsghdr` and `struct tcmsg`.
const REQUEST_BYTES: usize = 16 + 20;
/// Room for one answer; the kernel fills at most this much at a time.
const ANSWER_BYTES: usize = 32 << 10;
/// A machine with more has them all alike.
const DUMP_BYTES_MAX: usize = 2 << 20;

/// The answers to a request for all queueing disciplines, one behind the other.
pub(super) fn qdiscs() -> Result<Vec<u8>, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    send(&socket, &request(), SendFlags::empty())?;
    let (mut all, mut answer) = (Vec::new(), vec![0; ANSWER_BYTES]);
    while all.len() < DUMP_BYTES_MAX {
        // A dump is answered within the call: there is nothing to wait for.
        let count = match recv(&socket, answer.as_mut_slice(), RecvFlags::empty()) {
            Ok((0, _)) | Err(Errno::AGAIN) => break,
            Ok((count, _)) => count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let part = answer.get(..count).unwrap_or_default();
        all.extend_from_slice(part);
        let kind = part.get(4..6).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map(u16::from_ne_bytes);
        if kind.is_some_and(|kind| ENDS.contains(&kind)) {
            break;
        }
    }
    Ok(all)
}

fn request() -> [u8; REQUEST_BYTES] {
    let mut bytes = [0; REQUEST_BYTES];
    bytes[..4].copy_from_slice(&(REQUEST_BYTES as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&GET_QDISC.to_ne_bytes());
    bytes[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        let answer = qdiscs().unwrap();
        // The end of the dump at least.
        assert!(answer.len() >= 16, "{answer:?}");
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        assert!(kind == 36 || ENDS[1] == kind, "RTM_NEWQDISC or the end, not {kind}");
    }
}
