//! YAFFS2, the file system of raw NAND phones: read as a running phone leaves it, written as an image maker does.
//!
//! [`read::Tree`] rebuilds the files of a partition, the used ones and their history included.
//! [`Writer`] turns a tree into chunks of 2048 bytes with their tags, one at a time and in the order they lie on the
//! flash. What surrounds them on the chip (bad-block mark, block index, check byte, parity) is not its business; the
//! 25 software bytes it gives are the ones those pages have room for. [`tags::packed`] makes the 28 bytes of image
//! files out of them.
//!
//! The facts are those of nand-yaffs2.md sections 4 to 6; a test rebuilds pages of a real phone byte for byte.

pub mod demo_tree;
mod header;
pub mod read;
pub mod tags;
mod write;

pub use header::{Attributes, Device};
pub use write::{Content, DirectoryId, ObjectId, Piece, WriteError, Writer, Written, from_fn};

/// Bytes of a chunk: one page of data.
pub const CHUNK: usize = 2048;

/// Most bytes of a name.
pub const LONGEST_NAME: usize = 255;

/// Most bytes of a symbolic link's target.
pub const LONGEST_TARGET: usize = 159;

/// Highest object id.
pub const LAST_OBJECT: u32 = 0x3_FFFF;

/// Highest chunk id; a file ends with the chunk of this number.
pub const LAST_CHUNK: u32 = 0x1F_FFFF;
