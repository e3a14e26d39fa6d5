//! Any bytes as a sparse image: refused, or content that can be read anywhere and comes out the same when written.
#![no_main]

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::sparse::{Plan, Sparse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(sparse) = Sparse::read(data) else { return };
    let len = sparse.len();
    assert!(sparse.file_bytes() <= data.len() as u64);
    let mut end = [0; 9];
    if let Some(at) = len.checked_sub(9) {
        sparse.read_at(at, &mut end).expect("bytes inside");
    }
    assert!(sparse.read_at(len.saturating_sub(8), &mut end).is_err());
    if len > 1 << 16 {
        return;
    }
    let Ok(plan) = Plan::of(&sparse, sparse.header().block_bytes) else { return };
    let mut written = Vec::new();
    let copied: Result<(), ReadError> = plan.write(&sparse, &mut |piece| {
        written.extend_from_slice(piece);
        Ok(())
    });
    copied.expect("bytes in memory");
    let again = Sparse::read(&written).expect("an image just written");
    let whole = |it: &dyn ReadAt| {
        let mut all = vec![0; len as usize];
        it.read_at(0, &mut all).expect("bytes inside");
        all
    };
    assert!(whole(&again) == whole(&sparse));
});
