//! What the tags of a page say, in all the forms writers give them (nand-yaffs2.md section 4).

use super::options::ByteOrder;
use crate::yaffs2::tags::Parity;
use crate::yaffs2::{LAST_CHUNK, LAST_OBJECT};

/// Sequence number of blocks that hold a checkpoint.
pub(super) const CHECKPOINT: u32 = 0x21;

/// Sequence numbers of blocks of the file system, the last one not included.
const SEQUENCES: core::ops::Range<u32> = 0x1000..0xEFFF_FF00;

/// Set in the chunk id of a header that says more about itself: the kernel's form.
const EXTRA: u32 = 0x8000_0000;
const EXTRA_SHRINK: u32 = 0x4000_0000;
const EXTRA_SHADOWS: u32 = 0x2000_0000;
const BELOW_FLAGS: u32 = 0x0FFF_FFFF;

/// The tags of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tagged {
    /// A chunk of the file system.
    Chunk { sequence: u32, object: u32, what: What },
    /// A page of a checkpoint: the whole block is one.
    Checkpoint,
    /// Nothing a file system writes.
    Foreign,
}

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The object's header, in the kernel's form with what that says.
    Header(Option<Extra>),
    /// The `chunk`-th piece of the file, from 1, with so many bytes of it.
    Data { chunk: u32, bytes: u16 },
}

/// What the kernel's form of a header's tags says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) parent: u32,
    pub(super) kind: u32,
    pub(super) shrink: bool,
    pub(super) shadows: bool,
}

/// Reads the tags at the start of `bytes`, of an image with chunks of `chunk_bytes`.
pub(super) fn read(bytes: &[u8], order: ByteOrder, chunk_bytes: usize) -> Tagged {
    let [sequence, object, chunk, count] = [0, 4, 8, 12].map(|at| order.word(bytes, at));
    if sequence == CHECKPOINT {
        return Tagged::Checkpoint;
    }
    let (object, what) = if chunk & EXTRA != 0 {
        let extra = Extra {
            parent: chunk & BELOW_FLAGS,
            kind: object >> 28,
            shrink: chunk & EXTRA_SHRINK != 0,
            shadows: chunk & EXTRA_SHADOWS != 0,
        };
        (object & BELOW_FLAGS, What::Header(Some(extra)))
    } else if chunk == 0 {
        (object, What::Header(None))
    } else {
        let fits = usize::try_from(count).is_ok_and(|count| count <= chunk_bytes);
        let Some(bytes) = u16::try_from(count).ok().filter(|_| fits && chunk <= LAST_CHUNK) else {
            return Tagged::Foreign;
        };
        (object, What::Data { chunk, bytes })
    };
    if SEQUENCES.contains(&sequence) && (1..=LAST_OBJECT).contains(&object) {
        Tagged::Chunk { sequence, object, what }
    } else {
        Tagged::Foreign
    }
}

/// What the parity behind the 16 tag bytes says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagsParity {
    /// There is none.
    Absent,
    /// It holds.
    Good,
    /// One wrong bit was repaired, or is in the parity itself.
    Repaired,
    /// Beyond repair.
    Bad,
}

/// Checks the tags at the start of `bytes` by the parity behind them and repairs a single wrong bit in place. Of the
/// line parity prime only the lowest byte is looked at, since MediaTek's pages keep no more.
pub(super) fn repair(bytes: &mut [u8], order: ByteOrder) -> TagsParity {
    let Some((numbers, stored)) = bytes.split_first_chunk_mut::<16>() else {
        return TagsParity::Absent;
    };
    let (Some(column), true) = (stored.first().copied(), stored.len() >= 8) else {
        return TagsParity::Absent;
    };
    if stored.iter().take(9).all(|byte| *byte == 0xFF) {
        return TagsParity::Absent;
    }
    let line = order.word(stored, 4);
    let prime_at = if order == ByteOrder::Little || stored.len() < 12 { 8 } else { 11 };
    let parity = Parity::of(numbers);
    let prime = parity.prime.to_le_bytes().first().copied().unwrap_or(0);
    let (column, line) = (parity.column ^ (column & 0x3F), parity.line ^ line);
    let prime = stored.get(prime_at).map_or(0, |stored| stored ^ prime);
    let line_low = line.to_le_bytes().first().copied().unwrap_or(0);
    match column.count_ones().saturating_add(line.count_ones()).saturating_add(prime.count_ones()) {
        0 => return TagsParity::Good,
        1 => return TagsParity::Repaired,
        _ => {}
    }
    // Each pair of column bits differs, and the two line parities are opposites: one wrong bit.
    let pairs = (column ^ (column >> 1)) & 0b01_0101 == 0b01_0101;
    let bit = ((column >> 5) & 1) << 2 | ((column >> 3) & 1) << 1 | ((column >> 1) & 1);
    let wrong = usize::try_from(line).ok().and_then(|line| numbers.get_mut(line));
    match wrong {
        Some(byte) if pairs && line_low == !prime => {
            *byte ^= 1_u8.wrapping_shl(u32::from(bit));
            TagsParity::Repaired
        }
        _ => TagsParity::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaffs2::tags::Tags;

    const LITTLE: ByteOrder = ByteOrder::Little;

    fn kernel(object: u32, chunk: u32, count: u32) -> Tagged {
        let words = [0x1234, object, chunk, count].map(u32::to_le_bytes);
        read(words.as_flattened(), LITTLE, 2048)
    }

    #[test]
    fn both_forms_of_header_tags_are_headers() {
        let made = Tags { sequence: 0x1000, object: 300, chunk: 0, bytes: 0xFFFF }.packed();
        let found = Tagged::Chunk { sequence: 0x1000, object: 300, what: What::Header(None) };
        assert_eq!(read(&made, LITTLE, 2048), found);
        // A page a kernel wrote: object 0x1f7, a file, below 0x1b7, of 0x4f3c bytes.
        let extra = Extra { parent: 0x1B7, kind: 1, shrink: false, shadows: false };
        let found = Tagged::Chunk { sequence: 0x1234, object: 0x1F7, what: What::Header(Some(extra)) };
        assert_eq!(kernel(0x1000_01F7, 0x8000_01B7, 0x4F3C), found);
        let Tagged::Chunk { what: What::Header(Some(extra)), .. } = kernel(0x1000_01F7, 0xE000_01B7, 0)
        else {
            panic!("no header");
        };
        assert!(extra.shrink && extra.shadows && extra.parent == 0x1B7);
    }

    #[test]
    fn numbers_no_file_system_writes_are_foreign() {
        assert_eq!(kernel(0, 1, 5), Tagged::Foreign);
        assert_eq!(kernel(0x4_0000, 1, 5), Tagged::Foreign);
        assert_eq!(kernel(300, 0x20_0000, 5), Tagged::Foreign);
        assert_eq!(kernel(300, 1, 2049), Tagged::Foreign);
        assert_eq!(read(&[0xFF; 28], LITTLE, 2048), Tagged::Foreign);
        assert_eq!(read(&[], LITTLE, 2048), Tagged::Foreign);
    }

    #[test]
    fn any_single_wrong_bit_of_the_tags_is_repaired_and_two_never_are() {
        let packed = Tags { sequence: 0x1001, object: 700, chunk: 77, bytes: 1500 }.packed();
        for len in [25, 28] {
            let mut whole = packed;
            assert_eq!(repair(&mut whole[..len], LITTLE), TagsParity::Good);
            for bit in 0..128 {
                let mut tags = packed;
                tags[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(repair(&mut tags[..len], LITTLE), TagsParity::Repaired, "bit {bit}");
                assert_eq!(tags, packed);
                for other in 0..bit {
                    let mut tags = packed;
                    tags[bit / 8] ^= 1 << (bit % 8);
                    tags[other / 8] ^= 1 << (other % 8);
                    assert_eq!(repair(&mut tags[..len], LITTLE), TagsParity::Bad, "bits {other}, {bit}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_bit_of_the_parity_leaves_the_tags_alone() {
        let packed = Tags { sequence: 0x1001, object: 700, chunk: 77, bytes: 1500 }.packed();
        for bit in (16 * 8..16 * 8 + 6).chain(20 * 8..25 * 8) {
            let mut tags = packed;
            tags[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(repair(&mut tags, LITTLE), TagsParity::Repaired, "bit {bit}");
            assert_eq!(tags[..16], packed[..16]);
        }
        assert_eq!(repair(&mut [0; 16], LITTLE), TagsParity::Absent);
        assert_eq!(repair(&mut [], LITTLE), TagsParity::Absent);
    }
}
