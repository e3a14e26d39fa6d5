//! Extended attributes of SquashFS: lists in metadata, some with their value elsewhere.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::blocks::{Blocks, Place};
use crate::files::{FilesError, Xattr};
use crate::identify::fields::{le16, le32, le64, narrow};

/// No table of attributes.
const NO_TABLE: u64 = u64::MAX;
/// Most attributes of an object, and longest value: what a kernel allows.
const MOST: u32 = 4096;
const LONGEST: u32 = 1 << 16;
/// Most bytes of them all.
const MOST_BYTES: usize = 1 << 20;
/// Set in the type where the value is elsewhere.
const ELSEWHERE: u16 = 0x100;

/// The attributes of this number.
pub(super) fn read(blocks: &Blocks, table: u64, number: u32) -> Result<Vec<Xattr>, FilesError> {
    let damaged = || FilesError::Unreadable(format!("the extended attributes {number} are damaged"));
    if table == NO_TABLE {
        return Err(damaged());
    }
    let mut head = [0; 16];
    blocks.raw(table, &mut head)?;
    let begin = le64(&head, 0);
    if number >= le32(&head, 8) {
        return Err(damaged());
    }
    let entry: [u8; 16] = blocks.indexed(table.saturating_add(16), number.into())?;
    let (mut at, count) = (place(begin, le64(&entry, 0)), le32(&entry, 8));
    if count > MOST {
        return Err(damaged());
    }
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    for _ in 0..count {
        let mut key = [0; 4];
        blocks.metadata(&mut at, &mut key)?;
        let mut name = vec![0; usize::from(le16(&key, 2))];
        blocks.metadata(&mut at, &mut name)?;
        let value = if le16(&key, 0) & ELSEWHERE == 0 {
            value(blocks, &mut at)?
        } else {
            let mut link = [0; 12];
            blocks.metadata(&mut at, &mut link)?;
            value(blocks, &mut place(begin, le64(&link, 4)))?
        };
        let value = value.ok_or_else(damaged)?;
        let prefix: &[u8] = match le16(&key, 0) & 0xFF {
            0 => b"user.",
            1 => b"trusted.",
            2 => b"security.",
            _ => continue,
        };
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        if bytes > MOST_BYTES {
            return Err(damaged());
        }
        found.push(Xattr { name: [prefix, &name].concat(), value });
    }
    Ok(found)
}

fn place(begin: u64, reference: u64) -> Place {
    Place { block: begin.saturating_add(reference >> 16), offset: narrow(reference & 0xFFFF) }
}

/// A value behind its length; `None` where that cannot be.
fn value(blocks: &Blocks, at: &mut Place) -> Result<Option<Vec<u8>>, FilesError> {
    let mut len = [0; 4];
    blocks.metadata(at, &mut len)?;
    let len = u32::from_le_bytes(len);
    if len > LONGEST {
        return Ok(None);
    }
    let mut value = vec![0; narrow(len.into())];
    blocks.metadata(at, &mut value)?;
    Ok(Some(value))
}
