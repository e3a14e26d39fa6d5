//! Any bytes as a detection report or a NAND record.
#![no_main]

use bromide_proto::agent_format::Format;
use bromide_proto::wire::nand_record::NandRecord;
use bromide_proto::wire::report::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [Format::G1, Format::G2] {
        let _ = Report::decode(data, format);
    }
    if let Ok(record) = NandRecord::decode(data) {
        let _ = (record.spare(), record.chip_bytes(), record.is_terminator());
    }
});
