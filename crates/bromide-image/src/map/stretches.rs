//! Which bytes of a whole chip's dump each partition has.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Map, Region, Size};

/// The partitions that lie in a dump of `len` main bytes, each with its range in them, in the order of the map; and
/// what was left out or does not fit, in words.
///
/// A partition without a size reaches to the next one, as far as the dump goes. What is said to reach beyond the dump
/// is cut there.
#[must_use]
pub fn stretches(map: &Map, len: u64) -> (Vec<(String, Range<u64>)>, Vec<String>) {
    let mut starts: Vec<u64> =
        map.partitions.iter().filter(|it| in_user_area(&it.region)).map(|it| it.start).collect();
    starts.sort_unstable();
    let (mut parts, mut doubts) = (Vec::new(), Vec::new());
    for it in &map.partitions {
        if !in_user_area(&it.region) {
            doubts.push(format!("{} lies in another region of the flash ({})", it.name, it.region.scatter()));
            continue;
        }
        let next = starts.iter().copied().find(|start| *start > it.start);
        let end = match it.size {
            Size::Stated(size) => it.start.saturating_add(size),
            Size::ToNext | Size::Unknown | Size::ToEnd => next.unwrap_or(len),
        };
        if it.start >= len || end > len {
            doubts.push(format!("{} reaches beyond the end of the image", it.name));
        }
        let end = end.min(len);
        if it.start < end {
            parts.push((it.name.clone(), it.start..end));
        }
    }
    (parts, doubts)
}

/// A dump of a chip is one of the NAND, or of the user area of an eMMC.
fn in_user_area(region: &Region) -> bool {
    region.has_device_end()
}
