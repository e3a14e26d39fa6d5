//! The object header: the first 512 bytes of a chunk with chunk id 0 (nand-yaffs2.md section 5).
//!
//! Fields an object does not have stay FF, as in every image maker's page.

use super::{CHUNK, LONGEST_NAME, LONGEST_TARGET};

/// Owner, permissions and times of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, set-id and sticky bits included; the lower 12 bits count, the file kind is added.
    pub mode: u16,
    /// User id of the owner.
    pub uid: u32,
    /// Group id of the owner.
    pub gid: u32,
    /// Time of the last access, Unix seconds.
    pub accessed: u32,
    /// Time of the last change of the content, Unix seconds.
    pub modified: u32,
    /// Time of the last change of these attributes, Unix seconds.
    pub changed: u32,
}

/// A special file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Character device with major and minor number.
    Character(u8, u8),
    /// Block device with major and minor number.
    Block(u8, u8),
    /// Named pipe.
    Fifo,
    /// Local socket.
    Socket,
}

/// What kind of object a header is for, with what only that kind has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Directory,
    /// Size in bytes.
    File(u32),
    /// Target.
    Symlink(&'a [u8]),
    /// Object id of the file it is another name of.
    HardLink(u32),
    Special(Device),
}

impl Kind<'_> {
    /// The type number of the header.
    const fn number(self) -> u32 {
        match self {
            Self::File(_) => 1,
            Self::Symlink(_) => 2,
            Self::Directory => 3,
            Self::HardLink(_) => 4,
            Self::Special(_) => 5,
        }
    }

    /// The kind as the bits above the permissions in a mode word.
    const fn mode_bits(self) -> u32 {
        match self {
            Self::Special(Device::Fifo) => 0o010_000,
            Self::Special(Device::Character(..)) => 0o020_000,
            Self::Directory => 0o040_000,
            Self::Special(Device::Block(..)) => 0o060_000,
            Self::File(_) | Self::HardLink(_) => 0o100_000,
            Self::Symlink(_) => 0o120_000,
            Self::Special(Device::Socket) => 0o140_000,
        }
    }

    /// Device number in the kernel's old encoding.
    fn device(self) -> u32 {
        match self {
            Self::Special(Device::Character(major, minor) | Device::Block(major, minor)) => {
                u32::from(u16::from_be_bytes([major, minor]))
            }
            _ => 0,
        }
    }
}

/// The header chunk of an object. `name` and a target must have been found short enough.
pub(super) fn chunk(parent: u32, name: &[u8], kind: Kind<'_>, attributes: &Attributes) -> [u8; CHUNK] {
    let mut page = [0xFF; CHUNK];
    let mut pen = Pen(&mut page);
    pen.word(kind.number());
    pen.word(parent);
    pen.skip(2); // name checksum, not used
    // Real pages keep FF in the last byte of the name field. A name that fills the rest gets a zero there instead:
    // foreign readers look for one and would run on into the padding.
    if name.len() < LONGEST_NAME {
        pen.padded(name, LONGEST_NAME);
        pen.skip(1);
    } else {
        pen.padded(name, LONGEST_NAME.saturating_add(1));
    }
    pen.skip(2); // padding
    if let Kind::HardLink(target) = kind {
        // Everything else is the target's.
        pen.skip(28);
        pen.word(target);
        return page;
    }
    pen.word(kind.mode_bits() | u32::from(attributes.mode & 0o7777));
    pen.word(attributes.uid);
    pen.word(attributes.gid);
    pen.word(attributes.accessed);
    pen.word(attributes.modified);
    pen.word(attributes.changed);
    pen.word(if let Kind::File(size) = kind { size } else { u32::MAX });
    pen.skip(4); // equivalent object, hard links only
    match kind {
        Kind::Symlink(target) => pen.padded(target, LONGEST_TARGET.saturating_add(1)),
        _ => pen.skip(LONGEST_TARGET.saturating_add(1)),
    }
    pen.word(kind.device());
    page
}

/// Writes fields one after another; what it skips keeps its FF.
struct Pen<'a>(&'a mut [u8]);

impl Pen<'_> {
    fn skip(&mut self, len: usize) {
        self.padded_or_kept(None, len);
    }

    fn word(&mut self, word: u32) {
        self.padded(&word.to_le_bytes(), 4);
    }

    /// The bytes, then zeros up to `len`.
    fn padded(&mut self, bytes: &[u8], len: usize) {
        self.padded_or_kept(Some(bytes), len);
    }

    fn padded_or_kept(&mut self, bytes: Option<&[u8]>, len: usize) {
        let all = core::mem::take(&mut self.0);
        let len = len.min(all.len());
        let Some((field, rest)) = all.split_at_mut_checked(len) else { return };
        if let Some(bytes) = bytes {
            for (at, byte) in field.iter_mut().zip(bytes.iter().copied().chain(core::iter::repeat(0))) {
                *at = byte;
            }
        }
        self.0 = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Attributes =
        Attributes { mode: 0o644, uid: 1, gid: 2, accessed: 0x11, modified: 0x22, changed: 0x33 };

    fn word(page: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(page[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn every_field_lies_where_the_table_has_it() {
        let page = chunk(257, b"name", Kind::File(0xea1d9), &PLAIN);
        assert_eq!(page.len(), 2048);
        let words = [0, 4, 268, 272, 276, 280, 284, 288, 292, 296, 460].map(|at| word(&page, at));
        assert_eq!(words, [1, 257, 0o100_644, 1, 2, 0x11, 0x22, 0x33, 0xea1d9, u32::MAX, 0]);
        assert_eq!(page[8..10], [0xFF; 2]);
        assert_eq!(page[10..14], *b"name");
        assert!(page[14..265].iter().all(|&it| it == 0));
        assert_eq!(page[265..268], [0xFF; 3]);
        assert!(page[300..460].iter().chain(&page[464..]).all(|&it| it == 0xFF));
    }

    #[test]
    fn a_longest_target_still_ends_in_a_zero() {
        let page = chunk(1, b"link", Kind::Symlink(&[b't'; LONGEST_TARGET]), &PLAIN);
        assert_eq!(word(&page, 0), 2);
        assert!(page[300..459].iter().all(|&it| it == b't'));
        assert_eq!((page[459], word(&page, 292), word(&page, 460)), (0, u32::MAX, 0));
    }

    #[test]
    fn a_longest_name_still_ends_in_a_zero() {
        let page = chunk(1, &[b'n'; LONGEST_NAME], Kind::Directory, &PLAIN);
        assert_eq!(page[264..268], [b'n', 0, 0xFF, 0xFF]);
        let shorter = chunk(1, &[b'n'; LONGEST_NAME - 1], Kind::Directory, &PLAIN);
        assert_eq!(shorter[263..268], [b'n', 0, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn a_hard_link_has_nothing_but_a_name_and_a_target() {
        let page = chunk(1, b"other", Kind::HardLink(300), &PLAIN);
        assert_eq!((word(&page, 0), word(&page, 296)), (4, 300));
        assert!(page[265..296].iter().chain(&page[300..]).all(|&it| it == 0xFF));
    }

    #[test]
    fn special_files_have_their_kind_and_number() {
        let seen = |device| {
            let page = chunk(1, b"dev", Kind::Special(device), &PLAIN);
            (word(&page, 268), word(&page, 460))
        };
        assert_eq!(seen(Device::Character(10, 61)), (0o020_644, 0x0A3D));
        assert_eq!(seen(Device::Block(31, 11)), (0o060_644, 0x1F0B));
        assert_eq!(seen(Device::Fifo), (0o010_644, 0));
        assert_eq!(seen(Device::Socket), (0o140_644, 0));
    }
}
