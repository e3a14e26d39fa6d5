//! Any bytes as a device with a chain of MBR and EBRs: read or refused, and a chain that can be written says the same
//! partitions when read again.
#![no_main]

use bromide_image::table::mbr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(chain) = mbr::read(data) else { return };
    assert!(chain.records.len() <= mbr::MOST_EBRS + 1);
    let Ok(sectors) = chain.write() else { return };
    let mut device = data.to_vec();
    for (at, sector) in sectors {
        let at = at as usize;
        device[at..at + 512].copy_from_slice(&sector);
    }
    // Records may overlap in hostile input; then the chain cannot come out the same.
    let mut places: Vec<u64> = chain.records.iter().map(|record| record.at).collect();
    places.sort_unstable();
    if places.windows(2).all(|pair| pair[1] - pair[0] >= 512) {
        assert_eq!(mbr::read(&device).expect("a chain just written").partitions(), chain.partitions());
    }
});
