//! Who holds a lock of a program, by the lock's own words.
//!
//! Sources: futex(2), for locks with priority inheritance, whose word is the owner's id by the kernel's own rules;
//! get_robust_list(2), for robust ones, whose word is the same by agreement; glibc's `struct __pthread_mutex_s`
//! (`sysdeps/nptl/bits/struct_mutex.h`) on machines with words of 64 bits: lock, count, owner, users, kind. Other libraries lay their locks out otherwise, and nothing in memory says
//! which one it is: so every field must have the value that it has in a mutex with waiters.

use crate::model::task::Pid;

/// As much of a mutex as says who holds it.
pub(super) const MUTEX_BYTES: usize = 20;

/// Of a word that names its owner, the bits that are the owner's id (`FUTEX_TID_MASK`).
const OWNER_MASK: u32 = 0x3fff_ffff;

/// Bits that a mutex may have in its kind: type, robust, inheriting, protecting, shared, elision.
const KINDS: u32 = 0x3ff;

/// Users of one mutex, beyond which the field is something else.
const USERS_MAX: u32 = 1 << 16;

/// What a lock's word says while it has waiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// That it is taken: 2.
    Taken,
    /// Its owner, and that there are waiters; whether it is a lock is not known.
    MaybeOwner,
    /// The same, by the rules of the kernel: the owner inherits the priority of those who wait.
    Owner,
}

/// The word that a thread waits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockWord {
    /// Where it is in the process.
    pub address: u64,
    /// What it is expected to say.
    pub says: Says,
    /// Whether other processes use it as well.
    pub shared: bool,
}

/// The owner of a lock of which `bytes` are the beginning.
pub(super) fn parse(bytes: &[u8], word: LockWord) -> Option<Pid> {
    let field = |index: usize| {
        let bytes = bytes.get(4 * index..4 * index + 4)?;
        bytes.try_into().ok().map(u32::from_ne_bytes)
    };
    let id = |value: u32| Pid::try_from(value).ok().filter(|id| *id > 0);
    let lock = field(0)?;
    if word.says == Says::Owner {
        return id(lock & OWNER_MASK);
    }
    let (owner, users, kind) = (field(2)?, field(3)?, field(4)?);
    let fits = if word.says == Says::Taken { lock == 2 } else { lock & OWNER_MASK == owner };
    let mutex = fits && (1..USERS_MAX).contains(&users) && kind & !KINDS == 0;
    id(owner).filter(|_| mutex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    const WORD: LockWord = LockWord { address: 0x1000, says: Says::Taken, shared: false };

    #[test]
    fn a_mutex_with_waiters_names_its_owner() {
        assert_eq!(parse(&bytes(&[2, 0, 812, 1, 0]), WORD), Some(812));
        // Recursive and shared.
        assert_eq!(parse(&bytes(&[2, 3, 812, 1, 0x81]), WORD), Some(812));
    }

    #[test]
    fn other_memory_has_no_owner() {
        for words in [
            // Free, and taken without waiters.
            [0, 0, 812, 1, 0],
            [1, 0, 812, 1, 0],
            // No owner, no users, no kind that there is.
            [2, 0, 0, 1, 0],
            [2, 0, u32::MAX, 1, 0],
            [2, 0, 812, 0, 0],
            [2, 0, 812, 1, 0x7fff_0000],
            [2, 0, 812, 0x5555_0000, 0],
        ] {
            assert_eq!(parse(&bytes(&words), WORD), None, "{words:?}");
        }
        let whole = bytes(&[2, 0, 812, 1, 0]);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length], WORD), None, "{length}");
        }
    }

    #[test]
    fn a_robust_mutex_says_its_owner_twice() {
        let word = LockWord { says: Says::MaybeOwner, ..WORD };
        assert_eq!(parse(&bytes(&[0x8000_032c, 0, 812, 1, 0x10]), word), Some(812));
        assert_eq!(parse(&bytes(&[0x8000_032c, 0, 813, 1, 0x10]), word), None);
        assert_eq!(parse(&bytes(&[0x8000_032c]), word), None);
    }

    #[test]
    fn the_word_of_a_lock_that_inherits_is_its_owner() {
        let word = LockWord { says: Says::Owner, ..WORD };
        assert_eq!(parse(&bytes(&[0x8000_032c]), word), Some(812));
        assert_eq!(parse(&bytes(&[0x8000_0000]), word), None);
    }
}
