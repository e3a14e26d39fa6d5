//! Resolves a map against a real chip: every partition gets its first byte and its size, or the contradiction is named.
//!
//! The last partition of a scatter file has no size of its own. On NAND it ends where the bad-block pool begins, less
//! the two blocks of the partition table (formats.md sections 2.1 and 3.3: exact on the one phone measured, assumed
//! on others); without a pool it ends with the device.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::error::{FindError, PlaceError};
use super::{Map, Partition, Size, StartIs, Storage, names};

/// Erase blocks the partition table (PMT) takes before the bad-block pool on NAND (formats.md section 3.3).
pub const PMT_BLOCKS: u32 = 2;

/// What of a chip a map is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChipShape {
    /// Main-area bytes of the whole chip.
    pub bytes: u64,
    /// Main-area bytes of an erase block.
    pub block_bytes: u32,
    /// Erase blocks at the end of the chip that make up the bad-block pool; 0 where there is none.
    pub pool_blocks: u32,
}

/// What was derived, not read, about a partition's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Derived {
    /// The start is the sum of the sizes before it: nothing lies between the partitions.
    StartFromSizes,
    /// The size reaches to the start of the next partition.
    SizeToNext,
    /// The size reaches to the bad-block pool, less [`PMT_BLOCKS`].
    SizeToPoolLessPmt,
    /// The size reaches to the areas reserved at the end; the map lists its own partition table.
    SizeToReserved,
    /// The size reaches to the end of the device.
    SizeToEnd,
}

impl fmt::Display for Derived {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::StartFromSizes => "start taken as the sum of the sizes before it",
            Self::SizeToNext => "size taken up to the next partition",
            Self::SizeToPoolLessPmt => {
                "size taken up to the bad-block pool, less two blocks for the partition table (an assumption)"
            }
            Self::SizeToReserved => "size taken up to the reserved blocks at the end (an assumption)",
            Self::SizeToEnd => "size taken up to the end of the device (an assumption)",
        })
    }
}

/// A partition with its place on the chip, in main-area bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Name as in the map.
    pub name: String,
    /// First byte.
    pub start: u64,
    /// Size in bytes, a multiple of the erase block.
    pub size: u64,
    /// Whether the vendor's tool offers it for download.
    pub downloadable: bool,
    /// Line of the map's file.
    pub line: u32,
    /// What of start and size was derived.
    pub derived: Option<Derived>,
}

/// A map resolved against a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The partitions, in the order of the map.
    pub partitions: Vec<Placed>,
    /// Doubts that are no errors, as sentences for people.
    pub notes: Vec<String>,
}

impl Placement {
    /// The partition of this name, by the rules of [`Map::find`].
    ///
    /// # Errors
    /// No such partition, with the nearest names; or more than one.
    pub fn find(&self, name: &str) -> Result<&Placed, FindError> {
        names::find(&self.partitions, name, |it| &it.name, |it| it.line)
    }
}

impl Map {
    /// Gives every partition its place on a chip, and checks that the two agree: whole erase blocks, nothing beyond
    /// the chip or in the blocks reserved at its end, no overlap.
    ///
    /// # Errors
    /// The first contradiction met.
    pub fn place(&self, chip: &ChipShape) -> Result<Placement, PlaceError> {
        let nand = self.nand_part()?;
        nand.agrees_with(chip)?;
        nand.place_nand(chip)
    }

    /// Only what lies in NAND, or in nothing stated.
    fn nand_part(&self) -> Result<Cow<'_, Self>, PlaceError> {
        let storages = self.storages();
        let map = match storages.as_slice() {
            [Storage::Nand | Storage::Unknown] | [] => Cow::Borrowed(self),
            many if many.contains(&Storage::Nand) => Cow::Owned(self.only(Storage::Nand)),
            [first, ..] => return Err(PlaceError::OtherStorage(*first)),
        };
        match map.partitions.iter().find(|it| it.start_is == StartIs::Unknown || it.size == Size::Unknown) {
            Some(it) => Err(PlaceError::StartUnknown { name: it.name.clone(), line: it.line }),
            None => Ok(map),
        }
    }

    fn place_nand(&self, chip: &ChipShape) -> Result<Placement, PlaceError> {
        let block = u64::from(chip.block_bytes);
        let reserved = self.reserved.iter().map(|it| it.blocks_from_end).fold(chip.pool_blocks, u32::max);
        let limit = chip.bytes.saturating_sub(u64::from(reserved).saturating_mul(block));
        let last = self.last_end(limit, reserved, block);

        let mut order: Vec<(usize, &Partition)> = self.partitions.iter().enumerate().collect();
        order.sort_by_key(|(_, it)| it.start);
        // The plainest sign of another phone's map comes first.
        if let Some((_, it)) = order.last().filter(|(_, it)| it.start >= chip.bytes) {
            let (name, line) = (it.name.clone(), it.line);
            return Err(PlaceError::BeyondChip { name, line, end: it.start, chip: chip.bytes });
        }
        let mut found: Vec<(usize, Placed)> = Vec::with_capacity(order.len());
        let next_starts = order.iter().skip(1).map(|(_, it)| Some(it.start)).chain([None]);
        for (&(index, partition), next) in order.iter().zip(next_starts) {
            let placed = self.one(partition, next, last);
            in_blocks(&placed, chip)?;
            within(&placed, chip, limit)?;
            if let Some((_, before)) = found.last() {
                apart(before, &placed)?;
            }
            found.push((index, placed));
        }
        let end = found.last().map_or(0, |(_, it)| it.start.saturating_add(it.size));
        found.sort_by_key(|(index, _)| *index);
        let partitions = found.into_iter().map(|(_, it)| it).collect();
        Ok(Placement { partitions, notes: self.doubts(chip, limit.saturating_sub(end)) })
    }

    fn agrees_with(&self, chip: &ChipShape) -> Result<(), PlaceError> {
        let &ChipShape { bytes, block_bytes, pool_blocks } = chip;
        let pool = u64::from(pool_blocks).saturating_mul(u64::from(block_bytes));
        if bytes == 0 || bytes.checked_rem(u64::from(block_bytes)) != Some(0) || pool >= bytes {
            return Err(PlaceError::ImpossibleChip { bytes, block_bytes, pool_blocks });
        }
        match (self.erase_block, self.pool_blocks) {
            (Some(map), _) if map != block_bytes => Err(PlaceError::EraseBlock { map, chip: block_bytes }),
            (_, Some(map)) if map != pool_blocks => Err(PlaceError::Pool { map, chip: pool_blocks }),
            _ => Ok(()),
        }
    }

    /// Where a partition without stated size and without successor ends, and why there.
    fn last_end(&self, limit: u64, reserved: u32, block: u64) -> (u64, Derived) {
        if reserved == 0 {
            return (limit, Derived::SizeToEnd);
        }
        if self.partitions.iter().any(|it| it.name.eq_ignore_ascii_case("PMT")) {
            return (limit, Derived::SizeToReserved);
        }
        let pmt = u64::from(PMT_BLOCKS).saturating_mul(block);
        (limit.saturating_sub(pmt), Derived::SizeToPoolLessPmt)
    }

    fn one(&self, partition: &Partition, next: Option<u64>, last: (u64, Derived)) -> Placed {
        let (size, derived) = match (partition.size, next) {
            (Size::Stated(size), _) => {
                (size, (partition.start_is == StartIs::FromSizes).then_some(Derived::StartFromSizes))
            }
            (Size::ToNext, Some(next)) => (next.saturating_sub(partition.start), Some(Derived::SizeToNext)),
            (Size::ToNext, None) | (Size::ToEnd | Size::Unknown, _) => {
                (last.0.saturating_sub(partition.start), Some(last.1))
            }
        };
        Placed {
            name: partition.name.clone(),
            start: partition.start,
            size,
            downloadable: partition.downloadable,
            line: partition.line,
            derived,
        }
    }

    fn doubts(&self, chip: &ChipShape, left: u64) -> Vec<String> {
        let mut notes = Vec::new();
        if self.pool_blocks.is_none() && chip.pool_blocks > 0 {
            notes.push(format!("the map states no bad-block pool; {} blocks are assumed", chip.pool_blocks));
        }
        let left = left.checked_div(u64::from(chip.block_bytes)).unwrap_or(0);
        if left > u64::from(PMT_BLOCKS) {
            notes.push(format!(
                "{left} blocks behind the last partition belong to none: is the map that of a phone with a smaller chip?"
            ));
        }
        notes
    }
}

fn in_blocks(it: &Placed, chip: &ChipShape) -> Result<(), PlaceError> {
    for (what, value) in [("the start", it.start), ("the size", it.size)] {
        if value.checked_rem(u64::from(chip.block_bytes)) != Some(0) {
            return Err(PlaceError::NotInBlocks {
                name: it.name.to_owned(),
                line: it.line,
                what,
                value,
                block_bytes: chip.block_bytes,
            });
        }
    }
    Ok(())
}

/// The partition lies inside the chip and before its reserved blocks. One that is to reach up to those but begins
/// behind them has size 0 here, and its start tells.
fn within(it: &Placed, chip: &ChipShape, limit: u64) -> Result<(), PlaceError> {
    let end = it.start.saturating_add(it.size);
    let (name, line) = (it.name.clone(), it.line);
    if end > chip.bytes {
        Err(PlaceError::BeyondChip { name, line, end, chip: chip.bytes })
    } else if end > limit || it.start >= limit || (it.size == 0 && it.derived.is_some_and(to_an_end)) {
        Err(PlaceError::BeyondLogicalEnd { name, line, end, limit })
    } else {
        Ok(())
    }
}

fn to_an_end(derived: Derived) -> bool {
    matches!(derived, Derived::SizeToPoolLessPmt | Derived::SizeToReserved | Derived::SizeToEnd)
}

fn apart(before: &Placed, it: &Placed) -> Result<(), PlaceError> {
    let other_end = before.start.saturating_add(before.size);
    let same_start = before.size == 0 && before.derived == Some(Derived::SizeToNext);
    if it.start >= other_end && !same_start {
        return Ok(());
    }
    Err(PlaceError::Overlap {
        name: it.name.clone(),
        line: it.line,
        start: it.start,
        other: before.name.clone(),
        other_line: before.line,
        other_end,
    })
}
