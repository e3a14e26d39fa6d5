//! What differs from chip to chip, as one table; no conversation is written twice.
//!
//! Sources: `brom-preloader.md` sections 7.1 to 7.3, `da-legacy-observed.md` section 2. Entry choice:
//! `formats.md` section 1.8.

use crate::wire::da_file::{DaEntry, DaFile};
use alloc::vec::Vec;
use thiserror::Error;

/// Codes a chip gives for itself (`FD`, `FC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChipCodes {
    /// Answer to FD. Not always the marketing number.
    pub hw_code: u16,
    /// First word of FC.
    pub sub_code: u16,
    /// Second word of FC.
    pub hw_version: u16,
    /// Third word of FC.
    pub sw_version: u16,
}

/// A chip whose whole read back is implemented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chip {
    /// Name as printed on the package.
    pub name: &'static str,
    /// Answer to FD.
    pub hw_code: u16,
    /// First word of FC that tells it from its siblings.
    pub sub_code: u16,
    /// Watchdog mode register, 16 bits wide, and the value that switches it off.
    pub watchdog: (u32, u16),
    /// Memory remap register; the BootROM flow sets bit 1.
    pub remap: u32,
    /// A 32-bit read the vendor host does right after FC, result unused.
    pub extra_read: Option<u32>,
    /// Chip byte its agents say in their hello.
    pub agent_chip_byte: u8,
}

/// Chips this tool can read back.
pub const CHIPS: [Chip; 2] = [
    Chip {
        name: "MT6575",
        hw_code: 0x6575,
        sub_code: 0x8a00,
        watchdog: (0xc000_0000, 0x2200),
        remap: 0xc000_3070,
        extra_read: None,
        agent_chip_byte: 0x84,
    },
    Chip {
        name: "MT6577",
        hw_code: 0x6575,
        sub_code: 0x8b00,
        watchdog: (0xc000_0000, 0x2200),
        remap: 0xc000_3070,
        extra_read: Some(0xc000_9024),
        agent_chip_byte: 0x85,
    },
];

/// hw codes and their names (`brom-preloader.md` section 7.2, `formats.md` section 1.9).
const NAMES: [(u16, &str); 41] = [
    (0x6516, "MT6516"),
    (0x6571, "MT6571"),
    (0x6572, "MT6572"),
    (0x6573, "MT6573"),
    (0x6575, "MT6575/MT6577"),
    (0x6577, "MT6577"),
    (0x6580, "MT6580"),
    (0x6582, "MT6582"),
    (0x6583, "MT6589"),
    (0x6592, "MT6592"),
    (0x6595, "MT6595"),
    (0x8127, "MT8127"),
    (0x8135, "MT8135"),
    (0x8163, "MT8163"),
    (0x8167, "MT8167"),
    (0x8173, "MT8173"),
    (0x0321, "MT6735"),
    (0x0335, "MT6737M"),
    (0x0337, "MT6753"),
    (0x0326, "MT6755"),
    (0x0551, "MT6757"),
    (0x0279, "MT6797"),
    (0x0601, "MT6750"),
    (0x0633, "MT6570"),
    (0x0562, "MT6799"),
    (0x0507, "MT6759"),
    (0x0688, "MT6758"),
    (0x0690, "MT6763"),
    (0x0699, "MT6739"),
    (0x0707, "MT6768"),
    (0x0717, "MT6761"),
    (0x0725, "MT6779"),
    (0x0766, "MT6765"),
    (0x0788, "MT6771"),
    (0x0813, "MT6785"),
    (0x0816, "MT6885"),
    (0x0886, "MT6873"),
    (0x0996, "MT6853"),
    (0x6752, "MT6752"),
    (0x6795, "MT6795"),
    (0x2601, "MT2601"),
];

/// Name for a hw code, where one is known.
#[must_use]
pub fn name(hw_code: u16) -> Option<&'static str> {
    NAMES.iter().find(|(code, _)| *code == hw_code).map(|(_, name)| *name)
}

/// Why no conversation is offered for a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// MT6573: single stage as well, but it identifies itself otherwise and was never tried.
    #[error("this is an MT6573: it is recognised, but its conversation is untested and not offered")]
    Untested,
    /// A chip of another family.
    #[error("this chip is {} (hw code {hw_code:04x}): only chips that say hw code 6575 (MT6575, MT6577) can be read so far", name(*.hw_code).unwrap_or("not known"))]
    OtherFamily {
        /// Answer to FD.
        hw_code: u16,
    },
    /// hw code 6575 with a sub code nobody has seen.
    #[error(
        "the chip says hw code 6575 with sub code {sub_code:04x}; only 8a00 (MT6575) and 8b00 (MT6577) are known"
    )]
    UnknownSubCode {
        /// First word of FC.
        sub_code: u16,
    },
}

/// hw code alone: may the conversation go on to FC? (MT6573 has no FC.)
pub fn admit(hw_code: u16) -> Result<(), Unsupported> {
    match hw_code {
        0x6573 => Err(Unsupported::Untested),
        code if CHIPS.iter().any(|c| c.hw_code == code) => Ok(()),
        hw_code => Err(Unsupported::OtherFamily { hw_code }),
    }
}

/// The row of the table for a chip.
pub fn recognise(codes: ChipCodes) -> Result<&'static Chip, Unsupported> {
    admit(codes.hw_code)?;
    CHIPS
        .iter()
        .find(|c| c.hw_code == codes.hw_code && c.sub_code == codes.sub_code)
        .ok_or(Unsupported::UnknownSubCode { sub_code: codes.sub_code })
}

/// Mappings seen on the wire: what the device answers -> (hw code, hw version, sw version) of the entry used.
const SEEN: [(ChipCodes, (u16, u16, u16)); 3] = [
    (codes(0x6575, 0x8a00, 0xca00, 0xe100), (0x6575, 0xca00, 0xe100)),
    (codes(0x6575, 0x8a00, 0xcb00, 0xe201), (0x6575, 0xcb00, 0xe201)),
    (codes(0x6575, 0x8b00, 0xcb00, 0xe201), (0x6577, 0xca00, 0xe100)),
];

const fn codes(hw_code: u16, sub_code: u16, hw_version: u16, sw_version: u16) -> ChipCodes {
    ChipCodes { hw_code, sub_code, hw_version, sw_version }
}

/// How sure the choice of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A mapping seen on the wire.
    Seen,
    /// Same chip, highest version not above the device's.
    Version,
    /// The only entry for this chip; its version is not the device's. Untested.
    OnlyOne,
}

/// No entry of the container fits the chip.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no entry fits; of the same hw code, but not taken, are entries {candidates:?}")]
pub struct NoEntry {
    /// Entries of the same hw code that were not taken, by position.
    pub candidates: Vec<usize>,
}

/// Chooses the container entry for a device, in the order of `formats.md` section 1.8.
pub fn choose<'f>(file: &'f DaFile<'_>, device: ChipCodes) -> Result<(&'f DaEntry, Choice), NoEntry> {
    let seen = SEEN.iter().find(|(from, _)| *from == device).map(|(_, to)| *to);
    if let Some(wanted) = seen
        && let Some(entry) = file
            .entries
            .iter()
            .find(|e| (e.hw_code, e.hw_version, e.sw_version) == wanted && sub_fits(e, device))
    {
        return Ok((entry, Choice::Seen));
    }
    let mut same: Vec<&DaEntry> =
        file.entries.iter().filter(|e| e.hw_code == device.hw_code && sub_fits(e, device)).collect();
    let refuse = NoEntry { candidates: same.iter().map(|e| e.index).collect() };
    if device.hw_code == 0x6575 && device.sub_code != 0x8a00 {
        // An MT6577 must never get an MT6575 agent, nor an unknown sub code a guess.
        return Err(refuse);
    }
    let fits = |e: &&DaEntry| e.hw_version <= device.hw_version && e.sw_version <= device.sw_version;
    if let Some(best) = same.iter().copied().filter(fits).max_by_key(|e| (e.hw_version, e.sw_version)) {
        return Ok((best, Choice::Version));
    }
    match (same.pop(), same.is_empty()) {
        (Some(only), true) => Ok((only, Choice::OnlyOne)),
        _ => Err(refuse),
    }
}

/// In an entry, sub code 0 is a wildcard.
const fn sub_fits(entry: &DaEntry, device: ChipCodes) -> bool {
    entry.sub_code == 0 || entry.sub_code == device.sub_code
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    fn file(rows: &[(u16, u16, u16)]) -> DaFile<'static> {
        static NOTHING: [u8; 0] = [];
        let mut bytes = vec![0u8; 0x6c];
        bytes[..18].copy_from_slice(b"MTK_DOWNLOAD_AGENT");
        bytes[0x64..0x68].copy_from_slice(&0x2266_8899u32.to_le_bytes());
        bytes[0x68] = 1;
        bytes.resize(0x6c + 0xdc, 0);
        let leaked: &'static [u8] = bytes.leak();
        let mut file = DaFile::parse(leaked).unwrap();
        file.label = String::from_utf8(NOTHING.to_vec()).unwrap();
        file.entries = rows
            .iter()
            .enumerate()
            .map(|(index, &(hw_code, hw_version, sw_version))| DaEntry {
                index,
                hw_code,
                sub_code: 0,
                hw_version,
                sw_version,
                entry_region: 1,
                regions: vec![],
                damage: None,
            })
            .collect();
        file
    }

    const E1: ChipCodes = codes(0x6575, 0x8a00, 0xca00, 0xe100);
    const E2: ChipCodes = codes(0x6575, 0x8a00, 0xcb00, 0xe201);
    const MT6577: ChipCodes = codes(0x6575, 0x8b00, 0xcb00, 0xe201);

    #[test]
    fn the_seen_mappings_come_first() {
        let f = file(&[(0x6575, 0xca00, 0xe100), (0x6575, 0xcb00, 0xe201), (0x6577, 0xca00, 0xe100)]);
        for (device, index) in [(E1, 0), (E2, 1), (MT6577, 2)] {
            let (entry, choice) = choose(&f, device).unwrap();
            assert_eq!((entry.index, choice), (index, Choice::Seen));
        }
    }

    #[test]
    fn an_e1_with_a_container_that_has_only_e2_gets_it_with_a_warning_and_never_the_6577_entry() {
        let f = file(&[(0x6575, 0xcb00, 0xe201), (0x6577, 0xca00, 0xe100)]);
        let (entry, choice) = choose(&f, E1).unwrap();
        assert_eq!((entry.index, choice), (0, Choice::OnlyOne));
    }

    #[test]
    fn an_mt6577_never_gets_a_6575_entry() {
        let f = file(&[(0x6575, 0xcb00, 0xe201)]);
        assert_eq!(choose(&f, MT6577).unwrap_err().candidates, [0]);
        let odd = ChipCodes { hw_version: 0xcb01, ..MT6577 };
        let f = file(&[(0x6575, 0xcb00, 0xe201), (0x6577, 0xca00, 0xe100)]);
        assert!(choose(&f, odd).is_err());
    }

    #[test]
    fn a_later_silicon_gets_the_highest_version_not_above_it() {
        let f = file(&[(0x6575, 0xca00, 0xe100), (0x6575, 0xcb00, 0xe201)]);
        let later = ChipCodes { hw_version: 0xcc00, sw_version: 0xe300, ..E2 };
        assert_eq!(choose(&f, later).map(|(e, c)| (e.index, c)), Ok((1, Choice::Version)));
    }

    #[test]
    fn chips_are_told_apart_by_their_sub_code_and_others_are_named() {
        assert_eq!(recognise(E2).unwrap().name, "MT6575");
        assert_eq!(recognise(MT6577).unwrap().name, "MT6577");
        assert_eq!(admit(0x6573), Err(Unsupported::Untested));
        let other = admit(0x6582).unwrap_err();
        assert!(alloc::format!("{other}").contains("MT6582"));
        assert!(matches!(
            recognise(ChipCodes { sub_code: 0x1234, ..E2 }),
            Err(Unsupported::UnknownSubCode { sub_code: 0x1234 })
        ));
    }
}
