//! Any bytes as a PMT in each of its forms: read or refused, and what is written of what was read is read again.
#![no_main]

use bromide_image::table::pmt::nand::PageShape;
use bromide_image::table::pmt::{answer, emmc, nand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = emmc::find(data);
    let _ = emmc::read(data);
    for shape in [
        PageShape { main: 2048, free: 0 },
        PageShape { main: 2048, free: 27 },
        PageShape { main: 512, free: 16 },
    ] {
        let _ = nand::find(data, shape);
    }
    if let Ok(table) = nand::read(data, &[]) {
        let info = table.info.unwrap_or_default();
        let (page, free) =
            nand::write(table.which, info, &table.partitions, 2048).expect("partitions just read");
        assert_eq!(nand::read(&page, &free).expect("a page just written").partitions, table.partitions);
    }
    if let Ok(table) = emmc::read_late(data) {
        let info = table.info.unwrap_or_default();
        let record = emmc::write_late(table.which, info, &table.partitions).expect("partitions just read");
        assert_eq!(emmc::read_late(&record).expect("a record just written").partitions, table.partitions);
    }
    if let Ok(answer) = answer::read(data) {
        let records = answer::write(&answer.partitions, answer.width).expect("partitions just read");
        assert!(answer::read(&records).is_ok());
    }
});
