//! The PMT of eMMC phones before GPT (formats.md section 5.1).
//!
//! MT6575, MT6577 and MT6589 keep it near the start of the user area, in one or two records of 2048 bytes and the
//! mirror after them; the MT6572 and later in 4096 bytes at a fixed distance from the end, the mirror after it. Which
//! width the entries of the early form have is not told; both are tried.

use alloc::vec;
use alloc::vec::Vec;

use super::{Found, Info, Located, Partition, PmtError, Table, Warning, Which, Width, WriteError, entry};
use crate::read_at::ReadAt;
use crate::table::field;

/// Bytes of a record of the early form.
pub const RECORD_BYTES: usize = 2048;

/// Bytes of the later form.
pub const LATE_BYTES: usize = 4096;

/// The search begins here,
const SEARCH_FROM: u64 = 1024;
/// ends here,
const SEARCH_TO: u64 = 0xA0_0000;
/// and looks at every sector.
const SEARCH_STEP: usize = 512;

/// Distance of the later form from the end of the device.
const LATE_FROM_END: u64 = 0x10_0000 + 0x60_0000;

/// Distance of the later mirror from the later table.
const LATE_MIRROR: u64 = 0x1000;

/// Version text of the later form.
const LATE_VERSION: &[u8; 4] = b"1.0\0";

/// Bytes read at a time while searching.
const WINDOW: usize = 0x1_0000;

/// Where a form of the table has its parts.
struct Form {
    bytes: usize,
    entries_at: usize,
}

const EARLY: Form = Form { bytes: RECORD_BYTES, entries_at: 4 };
const LATE: Form = Form { bytes: LATE_BYTES, entries_at: 8 };

impl Form {
    /// The parts of the record that `bytes` begin with: the copy, the entries, the update state.
    fn parts<'a>(&self, bytes: &'a [u8]) -> Result<(Which, &'a [u8], Info), PmtError> {
        let which = Which::of(bytes).ok_or(PmtError::NoSignature)?;
        let short = PmtError::Short { wanted: self.bytes, have: bytes.len() };
        let info_at = self.bytes.saturating_sub(8);
        let (Some(record), Some(entries)) = (bytes.get(..self.bytes), bytes.get(self.entries_at..info_at))
        else {
            return Err(short);
        };
        if !record.ends_with(&which.signature()) {
            return Err(PmtError::NotClosed);
        }
        let info = field::bytes(record, info_at).map(Info).ok_or(short)?;
        Ok((which, entries, info))
    }

    fn room(&self, width: Width) -> usize {
        let entries = self.bytes.saturating_sub(8).saturating_sub(self.entries_at);
        entries.checked_div(width.bytes()).unwrap_or(0)
    }

    fn record(
        &self,
        which: Which,
        info: Info,
        partitions: &[Partition],
        width: Width,
    ) -> Result<Vec<u8>, WriteError> {
        let mut record = vec![0; self.bytes];
        field::put(&mut record, 0, &which.signature());
        field::put(&mut record, self.entries_at, &entry::written(partitions, width)?);
        field::put(&mut record, self.bytes.saturating_sub(8), &info.0);
        field::put(&mut record, self.bytes.saturating_sub(4), &which.signature());
        Ok(record)
    }
}

/// Reads a copy of the early form that `bytes` begin with: one record, or two where the first says so.
///
/// # Errors
/// No signature at the start or no second one at the end, or entries that cannot be.
pub fn read(bytes: &[u8]) -> Result<Table, PmtError> {
    let (which, entries, info) = EARLY.parts(bytes)?;
    let (list, width) = entry::list_of_any(entries, &[Width::Narrow, Width::Wide])?;
    let entry::List { mut partitions, mut warnings } = list;
    if info.continues() {
        let second = bytes.get(RECORD_BYTES..).and_then(|second| EARLY.parts(second).ok());
        let second = second.filter(|(other, ..)| *other == which);
        let more = second.and_then(|(_, entries, info)| Some((entry::list(entries, width).ok()?, info)));
        match more {
            Some((list, info)) => {
                let first = partitions.len();
                partitions.extend(list.partitions);
                for (index, partition) in (0_u32..).zip(&mut partitions).skip(first) {
                    partition.index = index;
                }
                warnings.extend(list.warnings);
                warnings.extend(info.continues().then_some(Warning::ThirdRecord));
            }
            None => warnings.push(Warning::NoSecondRecord),
        }
    }
    Ok(Table { which, width, info: Some(info), partitions, warnings })
}

/// Reads a copy of the later form that `bytes` begin with.
///
/// # Errors
/// No signature at the start or no second one at the end, or entries that cannot be.
pub fn read_late(bytes: &[u8]) -> Result<Table, PmtError> {
    let (which, entries, info) = LATE.parts(bytes)?;
    let entry::List { partitions, warnings } = entry::list(entries, Width::Wide)?;
    Ok(Table { which, width: Width::Wide, info: Some(info), partitions, warnings })
}

/// Finds both copies on a device: the early form from byte 1024 on, then the later form near the end.
///
/// # Errors
/// Neither form can be read, or the medium fails. The error is that of the last place with a signature.
pub fn find(source: &(impl ReadAt + ?Sized)) -> Result<Found, PmtError> {
    let mut found = Found { pt: None, mpt: None };
    let mut error = PmtError::NoSignature;
    let end = source.len().min(SEARCH_TO);
    let mut at = SEARCH_FROM;
    let mut window = vec![0; WINDOW];
    while at < end && (found.pt.is_none() || found.mpt.is_none()) {
        let bytes = usize::try_from(end.saturating_sub(at)).unwrap_or(WINDOW).min(WINDOW);
        window.truncate(bytes);
        source.read_at(at, &mut window)?;
        for (step, sector) in (0_u64..).step_by(SEARCH_STEP).zip(window.chunks(SEARCH_STEP)) {
            if Which::of(sector).is_some() {
                take(source, at.saturating_add(step), &EARLY, &mut found, &mut error)?;
            }
        }
        at = at.saturating_add(u64::try_from(WINDOW).unwrap_or(u64::MAX));
    }
    if found.best().is_none()
        && let Some(at) = source.len().checked_sub(LATE_FROM_END)
    {
        for at in [at, at.saturating_add(LATE_MIRROR)] {
            take(source, at, &LATE, &mut found, &mut error)?;
        }
    }
    if found.best().is_none() { Err(error) } else { Ok(found) }
}

/// Takes what lies at `at` if that copy is not found yet.
fn take(
    source: &(impl ReadAt + ?Sized),
    at: u64,
    form: &Form,
    found: &mut Found,
    error: &mut PmtError,
) -> Result<(), PmtError> {
    let want = if form.bytes == RECORD_BYTES { RECORD_BYTES.saturating_mul(2) } else { LATE_BYTES };
    let left = usize::try_from(source.len().saturating_sub(at)).unwrap_or(want);
    let mut bytes = vec![0; left.min(want)];
    source.read_at(at, &mut bytes)?;
    let table = if form.bytes == RECORD_BYTES { read(&bytes) } else { read_late_checked(&bytes) };
    match table {
        Ok(table) => {
            let place = match table.which {
                Which::Pt => &mut found.pt,
                Which::Mpt => &mut found.mpt,
            };
            // The second record of a copy has its signature too; the first one met is the start.
            if place.is_none() {
                *place = Some(Located { at, table });
            }
        }
        Err(PmtError::NoSignature) => {}
        Err(other) => *error = other,
    }
    Ok(())
}

/// The later form with its version text, which the fixed place alone does not prove.
fn read_late_checked(bytes: &[u8]) -> Result<Table, PmtError> {
    if bytes.get(4..8) == Some(LATE_VERSION) { read_late(bytes) } else { Err(PmtError::NoSignature) }
}

/// The bytes of a copy of the early form: one record, or two where one has no room for all. The mark that says so is
/// set in `info` as needed.
///
/// # Errors
/// More partitions than two records hold, a width that does not occur here, names or numbers an entry does not hold.
pub fn write(
    which: Which,
    info: Info,
    partitions: &[Partition],
    width: Width,
) -> Result<Vec<u8>, WriteError> {
    if width == Width::Marked {
        return Err(WriteError::Width(width));
    }
    let room = EARLY.room(width);
    let (count, most) = (partitions.len(), room.saturating_mul(2));
    if count > most {
        return Err(WriteError::TooMany { count, room: most });
    }
    let [sequence, second, third, fourth] = info.0;
    let last = Info([sequence, second & 15, third, fourth]);
    let Some((first, more)) = partitions.split_at_checked(room).filter(|(_, more)| !more.is_empty()) else {
        return EARLY.record(which, last, partitions, width);
    };
    let mut bytes =
        EARLY.record(which, Info([sequence, (second & 15) | 0x10, third, fourth]), first, width)?;
    bytes.extend(EARLY.record(which, last, more, width)?);
    Ok(bytes)
}

/// The bytes of a copy of the later form.
///
/// # Errors
/// More partitions than there is room for, names or numbers an entry does not hold.
pub fn write_late(which: Which, info: Info, partitions: &[Partition]) -> Result<Vec<u8>, WriteError> {
    let (count, room) = (partitions.len(), LATE.room(Width::Wide));
    if count > room {
        return Err(WriteError::TooMany { count, room });
    }
    let mut record = LATE.record(which, info, partitions, Width::Wide)?;
    field::put(&mut record, 4, LATE_VERSION);
    Ok(record)
}

/// First byte of the later form on a device of `device_bytes`, where the device is large enough to have one.
#[must_use]
pub const fn late_at(device_bytes: u64) -> Option<u64> {
    device_bytes.checked_sub(LATE_FROM_END)
}
