//! What is wrong or odd in a map of any storage, told and never mended (formats.md sections 2.7 and 3.2).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::model::{Map, Partition, Region, Reserved, Size, StartIs, Storage};

/// The unit of areas counted from the end where nothing says so: that of NAND and eMMC; UFS has another.
const BLOCK: u64 = 0x2_0000;
const UFS_BLOCK: u64 = 0x8_0000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Contradicts itself or the chip.
    Error,
    /// Odd, but seen in real files.
    Warning,
}

/// Something found in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// Line of the file it is about, from 1.
    pub line: u32,
    /// A sentence for people.
    pub text: String,
}

impl Reserved {
    /// First byte and size of the area on a device of that many bytes, with blocks of `block` bytes. None when it does
    /// not fit.
    #[must_use]
    pub fn place(&self, device: u64, block: u64) -> Option<(u64, u64)> {
        let back = match (self.blocks_from_end, self.size) {
            // Smaller than a block, at the very end (formats.md section 3.2).
            (0, size) => size?,
            (blocks, _) => u64::from(blocks).checked_mul(block)?,
        };
        let start = device.checked_sub(back)?;
        let size = self.size.unwrap_or(back);
        (size <= back).then_some((start, size))
    }
}

impl Map {
    /// The unit areas are counted in from the end of a storage, in bytes; the usual one where the file does not say.
    #[must_use]
    pub fn block_size(&self, storage: Storage) -> u64 {
        let usual = if storage == Storage::Ufs { UFS_BLOCK } else { BLOCK };
        let stated = self.section(storage).and_then(|it| it.block_size).filter(|it| *it > 0);
        stated.or(self.erase_block.map(u64::from)).unwrap_or(usual)
    }

    /// Everything wrong or odd, errors first, each in the order of the file. `flash_size` is the size in bytes of the
    /// region partitions end in: the chip (NAND), the user area (eMMC), the third logical unit (UFS).
    #[must_use]
    pub fn check(&self, flash_size: Option<u64>) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.names_twice(&mut findings);
        let mut regions: BTreeMap<(Storage, &Region), Vec<&Partition>> = BTreeMap::new();
        for it in self.partitions.iter().filter(|it| it.start_is != StartIs::Unknown) {
            regions.entry((it.storage, &it.region)).or_default().push(it);
        }
        for ((_, region), mut partitions) in regions {
            partitions.sort_by_key(|it| it.start);
            neighbours(&partitions, &mut findings);
            if let Some(size) = flash_size.filter(|_| region.has_device_end()) {
                inside(&partitions, size, &mut findings);
            }
        }
        if let Some(size) = flash_size {
            self.reserved_fit(size, &mut findings);
        }
        findings.sort_by_key(|it| (it.weight, it.line));
        findings
    }

    fn names_twice(&self, findings: &mut Vec<Finding>) {
        let mut seen: BTreeMap<(Storage, String), u32> = BTreeMap::new();
        for it in &self.partitions {
            if let Some(before) = seen.insert((it.storage, it.name.to_ascii_lowercase()), it.line) {
                let text = format!("{} is named twice, first in line {before}", it.name);
                findings.push(Finding { weight: Weight::Error, line: it.line, text });
            }
        }
    }

    fn reserved_fit(&self, size: u64, findings: &mut Vec<Finding>) {
        for it in &self.reserved {
            let block = self.block_size(it.storage);
            let start = it.place(size, block).map(|it| it.0);
            let Some(start) = start else {
                let text = format!("{} does not fit in {size:#x} bytes counted from their end", it.name);
                findings.push(Finding { weight: Weight::Error, line: it.line, text });
                continue;
            };
            // Areas smaller than a block share the last one (formats.md section 3.2), so only partitions count here.
            let furthest = self
                .partitions
                .iter()
                .filter(|part| part.storage == it.storage && part.region.has_device_end())
                .filter(|part| !part.details.reserved && part.start_is != StartIs::Unknown)
                .filter_map(|part| Some((part, part.end()?)))
                .max_by_key(|(_, end)| *end);
            if let Some((part, end)) = furthest.filter(|(_, end)| *end > start) {
                let text =
                    format!("{} ends at {end:#x}, behind the start {start:#x} of {}", part.name, it.name);
                findings.push(Finding { weight: Weight::Error, line: part.line, text });
            }
        }
    }
}

/// Overlaps, holes and sizes of 0 among the partitions of one region, which come in the order of their starts.
fn neighbours(partitions: &[&Partition], findings: &mut Vec<Finding>) {
    let mut furthest: Option<(&Partition, u64)> = None;
    for it in partitions {
        if let Some((before, end)) =
            furthest.filter(|(before, _)| !before.details.reserved && !it.details.reserved)
        {
            if it.start < end {
                let text = format!(
                    "{} begins at {:#x}, inside {} (line {}) which ends at {end:#x}",
                    it.name, it.start, before.name, before.line
                );
                findings.push(Finding { weight: Weight::Error, line: it.line, text });
            } else if it.start > end && before.end().is_some() {
                let text = format!(
                    "a hole of {:#x} bytes between {} and {}, from {end:#x} on",
                    it.start.saturating_sub(end),
                    before.name,
                    it.name
                );
                findings.push(Finding { weight: Weight::Warning, line: it.line, text });
            }
        }
        if it.size == Size::Stated(0) {
            let text = format!("{} has size 0 and is not the last of its region", it.name);
            findings.push(Finding { weight: Weight::Warning, line: it.line, text });
        }
        let end = it.end().unwrap_or(it.start);
        if furthest.is_none_or(|(_, before)| end >= before) {
            furthest = Some((it, end));
        }
    }
}

fn inside(partitions: &[&Partition], size: u64, findings: &mut Vec<Finding>) {
    for it in partitions {
        let end = it.end().unwrap_or(it.start);
        if end > size || it.start >= size {
            let text = format!("{} reaches {end:#x}, the flash ends at {size:#x}", it.name);
            findings.push(Finding { weight: Weight::Error, line: it.line, text });
        }
    }
}
