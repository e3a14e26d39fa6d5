//! Any bytes as a partition map: an error with a line, or a map that can be placed on a chip or refused.
#![no_main]

use bromide_image::map::{ChipShape, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(map) = parse(data) else { return };
    let chip =
        ChipShape { bytes: 0x2000_0000, block_bytes: 0x20000, pool_blocks: map.pool_blocks.unwrap_or(80) };
    let _ = map.find("system");
    let Ok(placement) = map.place(&chip) else { return };
    let mut ranges: Vec<_> = placement.partitions.iter().map(|p| (p.start, p.start + p.size)).collect();
    ranges.sort_unstable();
    assert!(ranges.iter().all(|(_, end)| *end <= chip.bytes));
    assert!(ranges.windows(2).all(|w| w[0].1 <= w[1].0), "accepted partitions never overlap");
});
