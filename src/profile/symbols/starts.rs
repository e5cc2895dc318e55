//! Where functions begin in a file without symbols: `.eh_frame_hdr` has the first address of each, sorted, for unwinding.
//!
//! Source: Linux Standard Base Core, "Exception Frame Header".

use crate::profile::elf::Elf;
use crate::profile::modules::Module;

/// DW_EH_PE_udata4: how many entries there are.
const COUNT_4: u8 = 0x03;
/// DW_EH_PE_sdata4, of any base: the pointer to the frames has four bytes.
const SIZE_4: u8 = 0x0b;
/// DW_EH_PE_datarel | DW_EH_PE_sdata4: what every linker writes.
const TABLE_RELATIVE_4: u8 = 0x3b;
/// Bytes of an entry: a function's address, and that of its frames.
const ENTRY_BYTES: usize = 8;

/// The first addresses of the functions of a file.
pub(super) struct Starts {
    section: u64,
    table: Vec<u8>,
}

impl Starts {
    /// None where the file has no such table, or one of another kind.
    pub(super) fn read(module: &Module) -> Option<Self> {
        let elf: &Elf = module.elf()?;
        if elf.endian != object::Endianness::Little {
            return None;
        }
        let section = elf.section(b".eh_frame_hdr")?;
        Self::parse(section.address, &section.read(module.bytes())?)
    }

    fn parse(section: u64, bytes: &[u8]) -> Option<Self> {
        let [1, pointer, COUNT_4, TABLE_RELATIVE_4, rest @ ..] = bytes else { return None };
        let (_, rest) = rest
            .split_first_chunk::<4>()
            .filter(|_| pointer & 0x0f == SIZE_4 || pointer & 0x0f == COUNT_4)?;
        let (count, table) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(ENTRY_BYTES)?;
        Some(Self { section, table: table.get(..length)?.to_vec() })
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.table.len()
    }

    /// The first address of the function around `address`.
    pub(super) fn of(&self, address: u64) -> Option<u64> {
        let start = |entry: &[u8]| {
            let relative: [u8; 4] = entry.first_chunk().copied()?;
            self.section.checked_add_signed(i32::from_le_bytes(relative).into())
        };
        let entries = self.table.as_chunks::<ENTRY_BYTES>().0;
        let after = entries.partition_point(|entry| start(entry).is_some_and(|start| start <= address));
        entries.get(after.checked_sub(1)?).and_then(|entry| start(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut bytes = vec![1, 0x1b, COUNT_4, TABLE_RELATIVE_4];
        for word in [0x40_i32, 3, -0x1000, 0, -0x800, 0, 0x20, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_function_reaches_to_the_next_one() {
        let starts = Starts::parse(0x5000, &table()).unwrap();
        for (address, start) in [
            (0x3fff, None),
            (0x4000, Some(0x4000)),
            (0x47ff, Some(0x4000)),
            (0x4800, Some(0x4800)),
            (u64::MAX, Some(0x5020)),
        ] {
            assert_eq!(starts.of(address), start, "{address:x}");
        }
    }

    #[test]
    fn a_broken_table_is_none() {
        let whole = table();
        for length in 0..whole.len() {
            assert!(Starts::parse(0, &whole[..length]).is_none(), "{length}");
        }
        for index in 0..4 {
            let mut other = whole.clone();
            other[index] ^= 0x40;
            let _ = Starts::parse(u64::MAX, &other).map(|starts| starts.of(5));
        }
        let mut many = whole;
        many[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Starts::parse(0, &many).is_none());
    }
}
