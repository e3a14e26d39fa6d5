//! Stretches without content.

use super::view::View;
use super::{Confidence, Finding, Kind};
use crate::read_at::ReadError;

/// Files up to this size are looked at whole before they are called blank.
const WHOLE: u64 = 16 << 20;

/// What a piece is filled with.
pub(super) fn filler(bytes: &[u8]) -> Option<Kind> {
    let first = *bytes.first()?;
    let kind = match first {
        0xFF => Kind::Erased,
        0 => Kind::Zeroed,
        _ => return None,
    };
    bytes.iter().all(|&it| it == first).then_some(kind)
}

/// Whether a file small enough to be read whole holds nothing else.
pub(super) fn whole(view: &View<'_>, kind: Kind) -> Result<Option<Finding>, ReadError> {
    const PIECE: usize = 1 << 16;
    if view.len > WHOLE {
        return Ok(None);
    }
    let mut at = 0_u64;
    while at < view.len {
        let piece = view.bytes(at, PIECE)?;
        if filler(&piece) != Some(kind) {
            return Ok(None);
        }
        at = at.saturating_add(super::fields::wide(piece.len()));
    }
    Ok(Some(Finding::new(0, kind, Confidence::Certain).long(view.len)))
}
