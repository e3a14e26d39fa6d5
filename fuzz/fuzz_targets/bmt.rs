//! Any bytes as a bad-block table for a pool of any size: refused, or a table that is written and read the same.
#![no_main]

use bromide_nand::bmt::Bmt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&pool, page)) = data.split_first() else { return };
    let Ok(table) = Bmt::parse(page, pool) else { return };
    for (block, _) in &table.entries {
        assert!(table.replacement(*block).is_some());
    }
    let mut written = vec![0; 2048];
    table.build(pool, &mut written).expect("a table just read");
    assert_eq!(Bmt::parse(&written, pool).as_ref(), Ok(&table));
});
