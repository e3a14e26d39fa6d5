//! Inodes of SquashFS: fourteen kinds of records, the last seven the first seven with more to tell.

use alloc::vec;
use alloc::vec::Vec;

use super::blocks::{Blocks, Place};
use crate::files::{FilesError, Kind};
use crate::identify::fields::{le16, le32, le64, narrow};

/// No fragment, no extended attributes.
pub(super) const NONE: u32 = u32::MAX;

/// Bytes every inode begins with.
const COMMON: usize = 16;

/// Where the end of a file is that does not fill a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The fragment, [`NONE`] for none.
    pub(super) fragment: u32,
    /// Where in it.
    pub(super) offset: u32,
}

/// What only objects of one kind have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Where the list of names begins behind the table of directories, and its bytes.
    Directory {
        block: u32,
        offset: u16,
        bytes: u64,
    },
    /// First block of data, and where the list of blocks is.
    File {
        first: u64,
        tail: Tail,
        list: Place,
    },
    /// Where the target is.
    Symlink(Place),
    /// Major and minor number.
    Device(u32, u32),
    Other,
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) kind: Kind,
    pub(super) mode: u16,
    /// Places in the table of ids.
    pub(super) uid: u16,
    pub(super) gid: u16,
    pub(super) modified: u32,
    pub(super) names: u32,
    /// Of a file or the target of a link, in bytes.
    pub(super) size: u64,
    pub(super) content: Content,
    /// Number of the extended attributes, [`NONE`] for none.
    pub(super) xattrs: u32,
}

impl Inode {
    /// The inode at a place; `None` where there is none.
    pub(super) fn read(blocks: &Blocks, mut at: Place) -> Result<Option<Self>, FilesError> {
        let mut head = [0; COMMON];
        blocks.metadata(&mut at, &mut head)?;
        let number = le16(&head, 0);
        let Some((kind, bytes)) = layout(number) else { return Ok(None) };
        let mut body: Vec<u8> = vec![0; bytes];
        blocks.metadata(&mut at, &mut body)?;
        let mut inode = Self {
            kind,
            mode: le16(&head, 2) & 0o7777,
            uid: le16(&head, 4),
            gid: le16(&head, 6),
            modified: le32(&head, 8),
            names: le32(&body, 0),
            size: 0,
            content: Content::Other,
            xattrs: NONE,
        };
        inode.fill(number, &body, at);
        if let (10, Content::Symlink(target)) = (number, &inode.content) {
            inode.xattrs = behind_target(blocks, *target, inode.size)?;
        }
        Ok(Some(inode))
    }

    /// What the body of this type tells; `behind` is what follows it.
    fn fill(&mut self, number: u16, body: &[u8], behind: Place) {
        match number {
            1 => {
                self.names = le32(body, 4);
                self.content = directory(le32(body, 0), le16(body, 10), le16(body, 8).into());
            }
            8 => {
                self.content = directory(le32(body, 8), le16(body, 18), le32(body, 4));
                self.xattrs = le32(body, 20);
            }
            2 => {
                (self.names, self.size) = (1, le32(body, 12).into());
                let tail = Tail { fragment: le32(body, 4), offset: le32(body, 8) };
                self.content = Content::File { first: le32(body, 0).into(), tail, list: behind };
            }
            9 => {
                (self.names, self.size, self.xattrs) = (le32(body, 24), le64(body, 8), le32(body, 36));
                let tail = Tail { fragment: le32(body, 28), offset: le32(body, 32) };
                self.content = Content::File { first: le64(body, 0), tail, list: behind };
            }
            3 | 10 => {
                self.size = le32(body, 4).into();
                self.content = Content::Symlink(behind);
            }
            4 | 5 | 11 | 12 => {
                let device = le32(body, 4);
                let minor = device & 0xFF | device >> 12 & 0xF_FF00;
                self.content = Content::Device(device >> 8 & 0xFFF, minor);
                self.xattrs = if number > 7 { le32(body, 8) } else { NONE };
            }
            _ => self.xattrs = if number > 7 { le32(body, 4) } else { NONE },
        }
    }
}

/// Kind and bytes of a type behind what all inodes have.
const fn layout(number: u16) -> Option<(Kind, usize)> {
    Some(match number {
        1 => (Kind::Directory, 16),
        2 => (Kind::File, 16),
        3 | 10 => (Kind::Symlink, 8),
        4 => (Kind::BlockDevice, 8),
        5 => (Kind::CharacterDevice, 8),
        6 => (Kind::Pipe, 4),
        7 => (Kind::Socket, 4),
        8 => (Kind::Directory, 24),
        9 => (Kind::File, 40),
        11 => (Kind::BlockDevice, 12),
        12 => (Kind::CharacterDevice, 12),
        13 => (Kind::Pipe, 8),
        14 => (Kind::Socket, 8),
        _ => return None,
    })
}

/// The length of a list counts three more for names it does not hold.
fn directory(block: u32, offset: u16, bytes: u32) -> Content {
    Content::Directory { block, offset, bytes: u64::from(bytes).saturating_sub(3) }
}

/// The number behind the target of a link that has attributes.
fn behind_target(blocks: &Blocks, mut at: Place, bytes: u64) -> Result<u32, FilesError> {
    if bytes > super::LONGEST_TARGET {
        return Ok(NONE);
    }
    blocks.metadata(&mut at, &mut vec![0; narrow(bytes)])?;
    let mut number = [0; 4];
    blocks.metadata(&mut at, &mut number)?;
    Ok(u32::from_le_bytes(number))
}
