//! What became of each object: its current header, its size and the chunks that count.
//!
//! The rules are those of nand-yaffs2.md section 6 (7 to 12, 18), applied to the records of one object from the
//! newest to the oldest.

use alloc::vec::Vec;

use super::fields::{Brief, Kind};
use super::log::{Event, Known, Log, Record};

/// One chunk of a file that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// From 1.
    pub(super) number: u32,
    pub(super) page: u32,
    pub(super) bytes: u16,
    pub(super) known: Known,
}

/// The state of an object at one point of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The current header and its page.
    pub(super) header: Option<(Brief, u32)>,
    /// Unlinked, deleted or replaced.
    pub(super) gone: bool,
    /// Bytes of a file.
    pub(super) size: u64,
    /// Whether something that is no file has chunks of bytes newer than its header.
    pub(super) stray: bool,
}

/// Replays the records of one object, newest first, and appends the chunks of its content to `chunks`, by number.
/// `None` when there was never anything of it.
pub(super) fn replay(
    log: &Log,
    records: &[Record],
    chunk_bytes: u64,
    chunks: &mut Vec<Chunk>,
) -> Option<State> {
    let start = chunks.len();
    let mut state = State { header: None, gone: false, size: 0, stray: false };
    let mut limit = u64::MAX;
    let mut met = false;
    for record in records {
        match record.event {
            Event::Shadowed { .. } if met => {}
            Event::Shadowed { .. } => {
                state.gone = true;
                break;
            }
            Event::Header(index) => {
                let Some(header) = log.header(index) else { continue };
                met = true;
                limit = limit.min(reach(&mut state, header, record.page));
                if state.header.is_some_and(|(header, _)| header.kind != Kind::File) {
                    state.stray = chunks.len() > start;
                    state.size = 0;
                    chunks.truncate(start);
                    break;
                }
            }
            Event::Data { chunk, bytes, known } => {
                met = true;
                let from = u64::from(chunk.saturating_sub(1)).saturating_mul(chunk_bytes);
                if from < limit {
                    chunks.push(Chunk { number: chunk, page: record.page, bytes, known });
                    if state.header.is_none() {
                        state.size = state.size.max(from.saturating_add(u64::from(bytes)));
                    }
                }
            }
        }
        if limit == 0 {
            break;
        }
    }
    keep_newest(chunks, start);
    (met || state.gone).then_some(state)
}

/// Takes note of a header of an object that is a file by its current one, and gives how far older data may reach.
fn reach(state: &mut State, header: &Brief, page: u32) -> u64 {
    if state.header.is_none() {
        state.header = Some((*header, page));
        state.gone = header.buried();
        state.size = state.size.max(header.size);
        return header.size;
    }
    match header.kind {
        // The id belonged to another object before: a deleted one, or one of another kind.
        _ if header.buried() => 0,
        Kind::File if header.shrink => header.size,
        Kind::File => u64::MAX,
        _ => 0,
    }
}

/// Of the chunks from `start` on, which come newest first, keeps the newest of each number, by number.
fn keep_newest(chunks: &mut Vec<Chunk>, start: usize) {
    let mut new = chunks.split_off(start.min(chunks.len()));
    new.sort_by_key(|chunk| chunk.number);
    new.dedup_by_key(|chunk| chunk.number);
    chunks.append(&mut new);
}
