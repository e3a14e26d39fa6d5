//! Entries: a name, then size, start and flags in one of three widths.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::{Length, NAME_BYTES, Partition, PmtError, Warning, WriteError};
use crate::table::field;

/// Bytes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// 76 bytes: 32-bit size, start and flags.
    Narrow,
    /// 88 bytes: 64-bit size, start and flags.
    Wide,
    /// 96 bytes: 64-bit size, an end marker of FF, start and flags; only in the answer of the MT6575 agent.
    Marked,
}

impl Width {
    /// Bytes of an entry.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Narrow => 0x4C,
            Self::Wide => 0x58,
            Self::Marked => 0x60,
        }
    }

    /// Size, start and flags, as stored.
    fn numbers(self, entry: &[u8]) -> Option<[u64; 3]> {
        let narrow = |at| field::le32(entry, at).map(u64::from);
        let wide = |at| field::le64(entry, at);
        Some(match self {
            Self::Narrow => [narrow(64)?, narrow(68)?, narrow(72)?],
            Self::Wide => [wide(64)?, wide(72)?, wide(80)?],
            Self::Marked => [wide(64)?, wide(80)?, wide(88)?],
        })
    }

    /// The size that means "to the end".
    const fn all_ones(self) -> u64 {
        match self {
            Self::Narrow => 0xFFFF_FFFF,
            Self::Wide | Self::Marked => u64::MAX,
        }
    }

    fn partition(self, index: u32, entry: &[u8]) -> Option<Partition> {
        let [size, start, flags] = self.numbers(entry)?;
        let field = entry.get(..NAME_BYTES)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        let (name, padding) = field.split_at_checked(end)?;
        if !is_name(name) || padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        let name = core::str::from_utf8(name).ok()?.to_owned();
        let length = if size == self.all_ones() { Length::ToEnd } else { Length::Bytes(size) };
        Some(Partition { index, name, start, length, flags })
    }

    /// The bytes of a partition's entry.
    pub(super) fn entry(self, partition: &Partition) -> Result<Vec<u8>, WriteError> {
        let Partition { name, start, length, flags, .. } = partition;
        if !is_name(name.as_bytes()) || name.len() > NAME_BYTES {
            return Err(WriteError::Name { name: name.clone() });
        }
        let most = self.all_ones();
        let size = match length {
            Length::Bytes(bytes) => *bytes,
            Length::ToEnd => most,
        };
        if size > most || *start > most || *flags > most || *length == Length::Bytes(most) {
            return Err(WriteError::Number { name: name.clone(), width: self });
        }
        let mut entry = name.as_bytes().to_vec();
        entry.resize(NAME_BYTES, 0);
        let marker = (self == Self::Marked).then_some(u64::MAX);
        for number in [Some(size), marker, Some(*start), Some(*flags)].into_iter().flatten() {
            let bytes = number.to_le_bytes();
            let take = if self == Self::Narrow { 4 } else { 8 };
            entry.extend(bytes.iter().take(take));
        }
        Ok(entry)
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| matches!(byte, b'!'..=b'~'))
}

fn is_unused(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xFF)
}

/// A list of entries as far as its first unused one.
#[derive(Debug)]
pub(super) struct List {
    pub(super) partitions: Vec<Partition>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads entries until the first without a name.
pub(super) fn list(bytes: &[u8], width: Width) -> Result<List, PmtError> {
    let mut partitions = Vec::new();
    let mut warnings = Vec::new();
    let mut entries = (0_u32..).zip(bytes.chunks_exact(width.bytes()));
    for (index, entry) in entries.by_ref() {
        if matches!(entry.first(), Some(0 | 0xFF)) {
            let mut rest = entries.by_ref().map(|(_, entry)| entry);
            if !is_unused(entry) || !rest.all(is_unused) {
                warnings.push(Warning::AfterUnused { index });
            }
            break;
        }
        let partition = width.partition(index, entry).ok_or(PmtError::Name { index })?;
        if width == Width::Marked && entry.get(72..80) != Some(&[0xFF; 8]) {
            warnings.push(Warning::EndMarker { index });
        }
        partitions.push(partition);
    }
    if partitions.is_empty() {
        return Err(PmtError::Empty);
    }
    Ok(List { partitions, warnings })
}

/// Reads entries in whichever of the widths makes the most sense of them: names where names belong, nothing after the
/// last, then the most entries, then starts and sizes that are whole sectors. Between equals the first given wins.
pub(super) fn list_of_any(bytes: &[u8], widths: &[Width]) -> Result<(List, Width), PmtError> {
    let mut best: Option<((bool, usize, bool), List, Width)> = None;
    let mut error = PmtError::Empty;
    for width in widths {
        match list(bytes, *width) {
            Ok(list) => {
                let sense =
                    (list.warnings.is_empty(), list.partitions.len(), list.partitions.iter().all(in_sectors));
                if best.as_ref().is_none_or(|(old, _, _)| sense > *old) {
                    best = Some((sense, list, *width));
                }
            }
            Err(PmtError::Empty) => {}
            Err(other) => error = other,
        }
    }
    best.map(|(_, list, width)| (list, width)).ok_or(error)
}

fn in_sectors(partition: &Partition) -> bool {
    let size = match partition.length {
        Length::Bytes(bytes) => bytes,
        Length::ToEnd => 0,
    };
    partition.start.is_multiple_of(512) && size.is_multiple_of(512)
}

/// The bytes of the entries of all partitions, in their order.
pub(super) fn written(partitions: &[Partition], width: Width) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    for partition in partitions {
        bytes.extend(width.entry(partition)?);
    }
    Ok(bytes)
}
