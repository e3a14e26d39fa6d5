//! Any text as a mapfile and as the record of a bundle: refused, or something that is written and read the same; what a
//! record says of images never overflows.
#![no_main]

use bromide_job::bundle::Record;
use bromide_job::bundle::compare::{pairs, phones, read_differently};
use bromide_job::mapfile::{Mapfile, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok((map, remarks)) = Mapfile::parse(text) {
        mapfile(map, &remarks);
    }
    if let Ok(record) = Record::parse(text) {
        self::record(&record);
    }
});

fn mapfile(mut map: Mapfile, remarks: &[String]) {
    let again = Mapfile::parse(&map.text(remarks)).map(|(again, _)| again);
    assert_eq!(again.as_ref(), Ok(&map));
    let stretches = map.stretches();
    assert!(stretches.windows(2).all(|two| two[0].range.end == two[1].range.start && two[0].state != two[1].state));
    assert!(stretches.iter().all(|it| it.range.start < it.range.end));
    let all = [State::Untried, State::Untrimmed, State::Unscraped, State::Bad, State::Finished];
    assert_eq!(all.iter().map(|state| map.total(*state)).sum::<u64>(), map.bytes());
    let (bytes, third) = (map.bytes(), map.bytes() / 3);
    map.set(third..bytes - third, State::Bad);
    assert_eq!(map.bytes(), bytes);
}

fn record(record: &Record) {
    let text = serde_json::to_string(record).expect("what was read");
    assert_eq!(Record::parse(&text).as_ref(), Ok(record));
    for image in &record.images {
        assert!(!image.file.contains('/') && !image.file.starts_with('.'));
        let Some(shape) = record.geometry().and_then(|chip| image.shape(chip)) else { continue };
        assert!(shape.bytes >= shape.length && shape.bytes % shape.unit() == 0);
        let end = shape.addresses(&(0..shape.bytes)).end;
        assert!(end == shape.start + shape.length && end <= shape.geometry.chip_bytes());
        assert!(shape.place(shape.bytes - 1).block < u64::from(shape.geometry.blocks));
        let _ = shape.place(u64::MAX);
    }
    let _ = (pairs(record, record), phones(&record.phone, &record.phone));
    let _ = record.images.windows(2).map(|two| read_differently(&two[0], &two[1])).count();
}
