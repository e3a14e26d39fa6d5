//! Any bytes as a partition map of any dialect: an error with a line, or a map that can be checked, placed on a chip
//! or refused, and written in every format.
#![no_main]

use bromide_image::map::{ChipShape, Content, Format, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let map = match read(data) {
        Ok(Content::Map(map)) => map,
        Ok(Content::Manifest(_)) => return,
        Err(error) => {
            assert!(error.line > 0 && error.column > 0);
            return;
        }
    };
    let _ = map.find("system");
    for size in [None, Some(0x2000_0000), Some(0)] {
        let _ = map.check(size);
    }
    for format in Format::ALL {
        let _ = read(write(&map, format).text.as_bytes());
    }
    let chip =
        ChipShape { bytes: 0x2000_0000, block_bytes: 0x20000, pool_blocks: map.pool_blocks.unwrap_or(80) };
    let Ok(placement) = map.place(&chip) else { return };
    let mut ranges: Vec<_> = placement.partitions.iter().map(|p| (p.start, p.start + p.size)).collect();
    ranges.sort_unstable();
    assert!(ranges.iter().all(|(_, end)| *end <= chip.bytes));
    assert!(ranges.windows(2).all(|w| w[0].1 <= w[1].0), "accepted partitions never overlap");
});
