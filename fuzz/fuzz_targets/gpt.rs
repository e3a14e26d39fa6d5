//! Any bytes as the start or the whole of a device with a GPT: read or refused, and what is written of what was read
//! is read again as the same table.
#![no_main]

use bromide_image::table::gpt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(found) = gpt::read(data) else { return };
    let _ = found.table.partitions.iter().map(|it| it.name.len()).sum::<usize>();
    let Ok(written) = found.table.write(found.device_bytes) else { return };
    let again = gpt::read(&written.primary).expect("a table just written");
    assert_eq!(again.table, found.table);
    assert!(!again.is_damaged());
});
