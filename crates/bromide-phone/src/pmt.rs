//! The partition table (PMT) of MediaTek NAND phones as it stands in a page (`formats.md` section 5.1).
//!
//! Known from vendor source code only; no dump of a real one was at hand. Of the update state beside the table only
//! the number of the write is filled in, what real phones keep in the rest is not known.

use crate::model::Partition;
use crate::nand_chip::as_index;

/// Signature of the table, "1vTP" on flash.
pub(crate) const PT: [u8; 4] = 0x5054_7631_u32.to_le_bytes();
/// Signature of its mirror, "1TPM" on flash.
pub(crate) const MPT: [u8; 4] = 0x4d50_5431_u32.to_le_bytes();
/// Entries of a page.
const ENTRIES: usize = 20;
/// Bytes of an entry: name of 64, then size, start and mask flags of 32 bits.
const ENTRY: usize = 76;
const NAME: usize = 64;

/// One entry of a table found on the chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Zero padded.
    pub(crate) name: [u8; NAME],
    pub(crate) size: u32,
    pub(crate) start: u32,
    pub(crate) flags: u32,
}

/// Main bytes of a page with this table, or what does not fit it.
pub(crate) fn page(signature: [u8; 4], partitions: &[Partition], page_bytes: u32) -> Result<Vec<u8>, String> {
    if partitions.len() > ENTRIES || as_index(page_bytes) < 4 + ENTRIES * ENTRY {
        return Err(format!("a PMT of {} partitions does not fit a page", partitions.len()));
    }
    let mut page = signature.to_vec();
    for Partition { name, start, bytes } in partitions {
        if name.is_empty() || name.len() > NAME || !name.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(format!("{name:?} is no name a PMT can hold"));
        }
        let (Ok(size), Ok(start)) = (u32::try_from(*bytes), u32::try_from(*start)) else {
            return Err(format!("start or size of {name:?} do not fit 32 bits"));
        };
        let end = page.len() + NAME;
        page.extend(name.bytes());
        page.resize(end, 0);
        for number in [size, start, 0] {
            page.extend(number.to_le_bytes());
        }
    }
    page.resize(as_index(page_bytes), 0);
    Ok(page)
}

/// Software bytes of the spare area: the signature, and the state of the `write`-th write.
pub(crate) fn spare(signature: [u8; 4], write: u8) -> [u8; 8] {
    let [a, b, c, d] = signature;
    [a, b, c, d, write, 0, 0, 0]
}

/// The entries of a page that carries this signature in its main and its free spare bytes.
pub(crate) fn entries(signature: [u8; 4], main: &[u8], free: &[u8]) -> Option<Vec<Entry>> {
    if !free.starts_with(&signature) {
        return None;
    }
    let table = main.strip_prefix(&signature)?.get(..ENTRIES * ENTRY)?;
    let word = |entry: &[u8], at: usize| {
        u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
    };
    let mut entries = Vec::new();
    for entry in table.as_chunks::<ENTRY>().0.iter().take_while(|entry| !matches!(entry[0], 0 | 0xff)) {
        let name = *entry.first_chunk()?;
        entries.push(Entry { name, size: word(entry, 64), start: word(entry, 68), flags: word(entry, 72) });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_the_notes_is_written_and_read() {
        // formats.md section 5.1, "Entry example"
        let system = Partition { name: "system".into(), start: 0x013a_0000, bytes: 0x1270_0000 };
        let main = page(PT, &[system], 2048).unwrap();
        assert_eq!(main[..11], *b"1vTPsystem\0");
        assert_eq!(main[68..80], [0, 0, 0x70, 0x12, 0, 0, 0x3a, 1, 0, 0, 0, 0]);
        let found = entries(PT, &main, &spare(PT, 0)).unwrap();
        assert_eq!((found.len(), found[0].size, found[0].start), (1, 0x1270_0000, 0x013a_0000));
        assert_eq!(entries(MPT, &main, &spare(MPT, 0)), None, "the page says PT");
        assert_eq!(entries(PT, &main, &[0xff; 27]), None, "the spare does not confirm it");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let odd = |name: &str, bytes| page(PT, &[Partition { name: name.into(), start: 0, bytes }], 2048);
        assert!(odd("a b", 0).unwrap_err().contains("a b"));
        assert!(odd("a", 1 << 32).unwrap_err().contains("32 bits"));
        let many = vec![Partition { name: "a".into(), start: 0, bytes: 0 }; 21];
        assert!(page(PT, &many, 2048).unwrap_err().contains("21"));
        assert!(page(PT, &many[..1], 512).is_err());
    }
}
