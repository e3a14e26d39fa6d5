//! MediaTek's 512-byte header before images (formats.md section 6.4).

use crate::identify::fields::{has, le32, part};

const MAGIC: &[u8] = &[0x88, 0x16, 0x88, 0x58];
const EXTENSION: u32 = 0x5889_1689;
const BYTES: u64 = 0x200;

/// The header of an image, or of the kernel or ramdisk in a boot image of the MT65xx era.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MtkHeader {
    /// Bytes of the header itself.
    pub(crate) header_bytes: u64,
    /// Bytes behind it.
    pub(crate) payload_bytes: u64,
    /// 32 bytes, filled with zeros where all is well.
    pub(crate) name: [u8; 32],
    /// Load address; all ones in the lower half for none.
    pub(crate) load: u64,
    /// What newer headers add.
    pub(crate) extended: Option<Extended>,
}

/// What newer headers add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extended {
    /// Type of the image.
    pub(crate) image_type: u32,
    /// What the start of the next header is a multiple of, 1 or more.
    pub(crate) align: u64,
}

impl MtkHeader {
    /// The header at the start of these bytes.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        if !has(head, 0, MAGIC) || head.len() < 0x50 {
            return None;
        }
        let extended = le32(head, 0x30) == EXTENSION;
        let high = |at: usize| if extended { u64::from(le32(head, at)) << 32 } else { 0 };
        Some(Self {
            header_bytes: if extended { le32(head, 0x34).into() } else { BYTES },
            payload_bytes: high(0x48) | u64::from(le32(head, 4)),
            name: part(head, 8, 32).try_into().ok()?,
            load: high(0x4C) | u64::from(le32(head, 0x28)),
            extended: extended.then(|| Extended {
                image_type: le32(head, 0x3C),
                align: u64::from(le32(head, 0x44)).max(1),
            }),
        })
    }
}
