//! Any bytes as a Download Agent container: an error or a container whose regions can be asked for.
#![no_main]

use bromide_proto::chips::{ChipCodes, choose};
use bromide_proto::wire::da_file::DaFile;
use bromide_proto::wire::nand_record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = DaFile::parse(data) else { return };
    for entry in &file.entries {
        for number in 0..11 {
            if let Ok((region, bytes)) = file.region(entry, number) {
                assert_eq!(region.length as usize, bytes.len());
                let _ = nand_record::table(bytes);
            }
        }
    }
    let device = ChipCodes { hw_code: 0x6575, sub_code: 0x8a00, hw_version: 0xcb00, sw_version: 0xe201 };
    if let Ok((entry, _)) = choose(&file, device) {
        // Only the seen mapping may name another hw code.
        assert!(entry.hw_code == 0x6575);
    }
});
