//! Files of NAND pages: how they lie in the file, what state they are in, corrected, or in another form.
//!
//! Promises: a file is read from front to back and never held; memory is bounded by a few blocks and 8 bytes for
//! each damaged page; the figures do not depend on how many threads work. Nothing that is read is ever changed, and
//! what is written gets its name only when it is whole and on the disk. Facts: nand-yaffs2.md sections 1 to 4, 7 and 8.

mod check;
mod convert;
mod error;
mod files;
mod fix;
mod form;
pub(crate) mod page;
mod partitions;
mod stream;
mod write;

pub use check::{Checked, DamagedPage, check};
pub use convert::{Converted, convert};
pub use error::PageImageError;
pub use files::{Effect, Files, HurtChunk, HurtFile, HurtHeader, HurtPages, hurt_files};
pub use fix::{Fixed, Step, fix};
pub use form::{Form, Shape, detect};
pub use partitions::hurt_files_by_map;
pub use stream::GoOn;
pub use write::Output;
