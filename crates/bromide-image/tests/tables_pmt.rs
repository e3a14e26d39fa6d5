//! MediaTek's own partition table in all its forms: the worked entry of formats.md section 5.1, byte layouts, both
//! copies, round trips and hostile bytes. No dump of a real PMT was at hand.

use bromide_image::table::Length::{self, Bytes, ToEnd};
use bromide_image::table::pmt::nand::PageShape;
use bromide_image::table::pmt::{
    Info, Partition, PmtError, Warning, Which, Width, WriteError, answer, emmc, nand,
};
use proptest::prelude::*;

fn partition(index: u32, name: &str, start: u64, length: Length) -> Partition {
    Partition { index, name: name.to_owned(), start, length, flags: 0 }
}

/// Three partitions of the seed phone; `system` is the worked entry.
fn seed() -> Vec<Partition> {
    vec![
        partition(0, "preloader", 0, Bytes(0x4_0000)),
        partition(1, "system", 0x13A_0000, Bytes(0x1270_0000)),
        partition(2, "userdata", 0x1466_0000, ToEnd),
    ]
}

/// `count` partitions one after the other, with names of `letters` letters.
fn many(count: u32, letters: usize) -> Vec<Partition> {
    let name = |n| format!("{:x<letters$}", format!("p{n}"));
    (0..count).map(|n| partition(n, &name(n), u64::from(n) * 0x2_0000, Bytes(0x2_0000))).collect()
}

#[test]
fn the_signatures_are_the_bytes_on_flash() {
    assert_eq!(Which::Pt.signature(), [0x31, 0x76, 0x54, 0x50]);
    assert_eq!(&Which::Mpt.signature(), b"1TPM");
}

#[test]
fn a_nand_page_is_laid_out_as_the_notes_say() {
    let (page, free) = nand::write(Which::Pt, Info([7, 1, 0x21, 0x43]), &seed(), 2048).unwrap();
    assert_eq!(page.len(), 2048);
    assert_eq!(&page[..4], b"1vTP");
    let mut entry = b"system".to_vec();
    entry.resize(64, 0);
    entry.extend([0, 0, 0x70, 0x12, 0, 0, 0x3A, 0x01, 0, 0, 0, 0]);
    assert_eq!(&page[4 + 76..4 + 152], entry);
    assert_eq!(&page[4 + 152 + 64..4 + 152 + 68], [0xFF; 4]);
    assert_eq!(free, [0x31, 0x76, 0x54, 0x50, 7, 1, 0x21, 0x43]);

    let table = nand::read(&page, &free).unwrap();
    assert_eq!(
        (table.which, table.width, table.warnings, table.partitions),
        (Which::Pt, Width::Narrow, vec![], seed())
    );
    let info = table.info.unwrap();
    assert_eq!((info.sequence(), info.mirror(), info.table()), (7, (1, 2), (3, 4)));
}

#[test]
fn a_nand_page_is_read_with_a_wrong_or_missing_spare_area_and_a_warning() {
    let (page, mut free) = nand::write(Which::Mpt, Info::default(), &seed(), 2048).unwrap();
    assert_eq!(nand::read(&page, &[]).unwrap().warnings, [Warning::NoSpare(Which::Mpt)]);
    free[0] ^= 1;
    let table = nand::read(&page, &free).unwrap();
    assert_eq!((table.info, table.warnings), (None, vec![Warning::SpareSignature(Which::Mpt)]));
}

#[test]
fn the_free_bytes_skip_the_first_of_every_sector_and_the_block_number() {
    let fdm: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let free = nand::free_bytes(&fdm);
    assert_eq!(free.len(), 27);
    assert_eq!((&free[..8], free[26]), (&[1, 2, 3, 4, 5, 6, 7, 9][..], 30));
}

/// Two blocks of four pages with 2048 bytes and eight free spare bytes each.
fn two_blocks(pages: &[(usize, Which, u8, &[Partition], bool)]) -> Vec<u8> {
    let mut blocks = vec![0xFF; 8 * 2056];
    for (at, which, sequence, partitions, confirmed) in pages {
        let (page, free) = nand::write(*which, Info([*sequence, 0, 0, 0]), partitions, 2048).unwrap();
        blocks[at * 2056..at * 2056 + 2048].copy_from_slice(&page);
        if *confirmed {
            blocks[at * 2056 + 2048..(at + 1) * 2056].copy_from_slice(&free);
        }
    }
    blocks
}

const SHAPE: PageShape = PageShape { main: 2048, free: 8 };

#[test]
fn the_newest_confirmed_pages_are_found() {
    let (old, new) = (many(2, 4), seed());
    let blocks = two_blocks(&[
        (0, Which::Pt, 1, &old, true),
        (1, Which::Pt, 2, &new, true),
        (2, Which::Pt, 3, &old, false),
        (6, Which::Mpt, 1, &old, true),
        (7, Which::Mpt, 2, &new, true),
    ]);
    let found = nand::find(&blocks, SHAPE).unwrap();
    let (pt, mpt) = (found.pt.as_ref().unwrap(), found.mpt.as_ref().unwrap());
    assert_eq!((pt.at, pt.table.info.unwrap().sequence()), (2056, 2));
    assert_eq!((mpt.at, &mpt.table.partitions), (7 * 2056, &new));
    assert!(!found.differ());
    assert_eq!(found.best(), Some(pt));
}

#[test]
fn the_mirror_serves_alone_and_copies_that_differ_are_told() {
    let blocks = two_blocks(&[(7, Which::Mpt, 2, &seed(), true)]);
    let found = nand::find(&blocks, SHAPE).unwrap();
    assert_eq!((found.pt.as_ref(), &found.best().unwrap().table.partitions), (None, &seed()));
    let blocks = two_blocks(&[(0, Which::Pt, 2, &many(3, 4), true), (7, Which::Mpt, 2, &seed(), true)]);
    assert!(nand::find(&blocks, SHAPE).unwrap().differ());
}

#[test]
fn pages_without_a_table_are_refused() {
    assert_eq!(nand::find(&[0xFF; 4 * 2056], SHAPE), Err(PmtError::NoSignature));
    assert_eq!(nand::find(&[], PageShape { main: 0, free: 0 }), Err(PmtError::NoSignature));
    let (mut page, free) = nand::write(Which::Pt, Info::default(), &seed(), 2048).unwrap();
    assert_eq!(nand::read(&page[..1000], &free), Err(PmtError::Short { wanted: 1524, have: 1000 }));
    page[4 + 76] = 7;
    assert_eq!(nand::read(&page, &free), Err(PmtError::Name { index: 1 }));
    page[4] = 0;
    assert_eq!(nand::read(&page, &free), Err(PmtError::Empty));
}

#[test]
fn what_follows_an_unused_entry_is_told() {
    let (mut page, free) = nand::write(Which::Pt, Info::default(), &seed(), 2048).unwrap();
    page[4 + 76..4 + 152].fill(0);
    let table = nand::read(&page, &free).unwrap();
    assert_eq!((table.partitions.len(), table.warnings), (1, vec![Warning::AfterUnused { index: 1 }]));
}

#[test]
fn an_early_emmc_record_is_laid_out_as_the_notes_say() {
    let record = emmc::write(Which::Pt, Info([9, 0xF2, 0, 0]), &seed(), Width::Wide).unwrap();
    assert_eq!((record.len(), &record[..4], &record[2044..]), (2048, &b"1vTP"[..], &b"1vTP"[..]));
    assert_eq!(&record[2040..2044], [9, 2, 0, 0]);
    assert_eq!(&record[4 + 88..4 + 94], b"system");
    assert_eq!(
        record[4 + 88 + 64..4 + 176],
        [[0, 0, 0x70, 0x12, 0, 0, 0, 0], [0, 0, 0x3A, 1, 0, 0, 0, 0], [0; 8]].concat()
    );
}

#[test]
fn both_widths_of_an_early_record_are_told_apart() {
    for width in [Width::Narrow, Width::Wide] {
        for letters in [2, 11, 12, 13, 30, 63, 64] {
            for count in [2, 3, 22, 23] {
                let partitions = many(count, letters);
                let record = emmc::write(Which::Pt, Info::default(), &partitions, width).unwrap();
                let table = emmc::read(&record).unwrap();
                assert_eq!(
                    (table.width, table.partitions),
                    (width, partitions),
                    "{width:?} {letters} {count}"
                );
                assert_eq!(table.warnings, []);
            }
        }
    }
}

#[test]
fn what_one_record_cannot_hold_goes_on_in_a_second() {
    for (width, room) in [(Width::Narrow, 26), (Width::Wide, 23)] {
        let full = emmc::write(Which::Pt, Info::default(), &many(room, 5), width).unwrap();
        assert_eq!(full.len(), 2048);
        let partitions = many(room * 2, 5);
        let two = emmc::write(Which::Pt, Info([3, 0, 0, 0]), &partitions, width).unwrap();
        assert_eq!((two.len(), two[2041] >> 4, two[2048 + 2041] >> 4), (4096, 1, 0));
        let table = emmc::read(&two).unwrap();
        assert_eq!((table.width, table.partitions, table.warnings), (width, partitions, vec![]));
        assert_eq!(emmc::read(&two[..2048]).unwrap().warnings, [Warning::NoSecondRecord]);
        let refused = emmc::write(Which::Pt, Info::default(), &many(room * 2 + 1, 5), width);
        let (count, room) = (partitions_len(room) + 1, partitions_len(room));
        assert_eq!(refused, Err(WriteError::TooMany { count, room }));
    }
}

fn partitions_len(room: u32) -> usize {
    usize::try_from(room * 2).unwrap()
}

#[test]
fn both_early_copies_are_found_on_a_device() {
    for (at, width) in
        [(1024, Width::Narrow), (0x8000, Width::Wide), (0xFE00, Width::Narrow), (0x9F_0200, Width::Wide)]
    {
        let partitions = many(40, 6);
        let pt = emmc::write(Which::Pt, Info([1, 0, 0, 0]), &partitions, width).unwrap();
        let mpt = emmc::write(Which::Mpt, Info([1, 0, 0, 0]), &partitions, width).unwrap();
        let mut device = vec![0; 0xA1_0000];
        device[at..at + 4096].copy_from_slice(&pt);
        device[at + 4096..at + 8192].copy_from_slice(&mpt);
        let found = emmc::find(&device).unwrap();
        let (pt, mpt) = (found.pt.as_ref().unwrap(), found.mpt.as_ref().unwrap());
        assert_eq!((pt.at, mpt.at), (at as u64, at as u64 + 4096));
        assert_eq!((&pt.table.partitions, &mpt.table.partitions), (&partitions, &partitions));
    }
}

#[test]
fn a_signature_alone_is_no_table() {
    let mut device = vec![0; 0x2_0000];
    assert_eq!(emmc::find(&device), Err(PmtError::NoSignature));
    assert_eq!(emmc::find(&[][..]), Err(PmtError::NoSignature));
    device[0x8000..0x8004].copy_from_slice(b"1vTP");
    assert_eq!(emmc::find(&device), Err(PmtError::NotClosed));
    device[0x87FC..0x8800].copy_from_slice(b"1vTP");
    assert_eq!(emmc::find(&device), Err(PmtError::Empty));
    device[0x1_FE00..0x1_FE04].copy_from_slice(b"1TPM");
    assert_eq!(emmc::find(&device), Err(PmtError::Short { wanted: 2048, have: 512 }));
}

#[test]
fn the_later_form_is_found_near_the_end() {
    let (pt, mpt) = (Which::Pt, Which::Mpt);
    let write = |which| emmc::write_late(which, Info([4, 0, 0, 0]), &many(46, 20)).unwrap();
    let record = write(pt);
    assert_eq!(
        (&record[..8], &record[4088..4092], &record[4092..]),
        (&b"1vTP1.0\0"[..], &[4, 0, 0, 0][..], &b"1vTP"[..])
    );
    let bytes = 0x100_0000_usize;
    let at = usize::try_from(emmc::late_at(bytes as u64).unwrap()).unwrap();
    let mut device = vec![0; bytes];
    device[at..at + 4096].copy_from_slice(&record);
    device[at + 4096..at + 8192].copy_from_slice(&write(mpt));
    let found = emmc::find(&device).unwrap();
    assert_eq!(found.pt.as_ref().unwrap().table.partitions, many(46, 20));
    assert_eq!((found.mpt.as_ref().unwrap().at, found.differ()), (at as u64 + 4096, false));
    assert!(matches!(
        emmc::write_late(Which::Pt, Info::default(), &many(47, 2)),
        Err(WriteError::TooMany { .. })
    ));
}

#[test]
fn an_answer_of_the_mt6575_agent_is_laid_out_as_the_notes_say() {
    let records = answer::write(&seed(), Width::Marked).unwrap();
    assert_eq!(records.len(), 3 * 0x60);
    let system = &records[0x60..0xC0];
    assert_eq!(&system[..7], b"system\0");
    assert_eq!(&system[0x40..0x48], [0, 0, 0x70, 0x12, 0, 0, 0, 0]);
    assert_eq!(&system[0x48..0x50], [0xFF; 8]);
    assert_eq!(&system[0x50..0x58], [0, 0, 0x3A, 1, 0, 0, 0, 0]);
    let mut unmarked = records.clone();
    unmarked[0x48] = 0;
    assert_eq!(answer::read(&unmarked).unwrap().warnings, [Warning::EndMarker { index: 0 }]);
}

#[test]
fn the_three_records_of_an_answer_are_told_apart() {
    for width in [Width::Marked, Width::Wide, Width::Narrow] {
        for letters in [2, 12, 20, 21, 24, 63] {
            for count in 1..=40 {
                let partitions = many(count, letters);
                let got = answer::read(&answer::write(&partitions, width).unwrap()).unwrap();
                assert_eq!(
                    (got.width, got.partitions, got.warnings),
                    (width, partitions, vec![]),
                    "{letters} {count}"
                );
            }
        }
    }
}

#[test]
fn answers_that_cannot_be_are_refused() {
    assert_eq!(answer::read(&[]), Err(PmtError::Empty));
    assert_eq!(answer::read(&[b'a'; 95]), Err(PmtError::AnswerBytes(95)));
    assert_eq!(answer::read(&[0; 96 * 41]), Err(PmtError::TooMany(41)));
    assert_eq!(answer::read(&[0; 96]), Err(PmtError::Empty));
    assert_eq!(answer::read(&[b"a\x01".as_slice(); 48].concat()), Err(PmtError::Name { index: 0 }));
}

#[test]
fn what_an_entry_cannot_hold_is_refused() {
    let one = |name: &str, start, length, width| answer::write(&[partition(0, name, start, length)], width);
    for name in [String::new(), "x".repeat(65), "a b".to_owned(), "é".to_owned()] {
        assert_eq!(one(&name, 0, ToEnd, Width::Wide), Err(WriteError::Name { name }));
    }
    for (start, length, width) in [
        (1 << 32, ToEnd, Width::Narrow),
        (0, Bytes(1 << 32), Width::Narrow),
        (0, Bytes(0xFFFF_FFFF), Width::Narrow),
        (0, Bytes(u64::MAX), Width::Wide),
    ] {
        assert_eq!(one("a", start, length, width), Err(WriteError::Number { name: "a".to_owned(), width }));
    }
    assert_eq!(
        emmc::write(Which::Pt, Info::default(), &[], Width::Marked),
        Err(WriteError::Width(Width::Marked))
    );
    assert_eq!(nand::write(Which::Pt, Info::default(), &[], 512), Err(WriteError::Page(512)));
    assert!(matches!(
        nand::write(Which::Pt, Info::default(), &many(21, 3), 2048),
        Err(WriteError::TooMany { .. })
    ));
}

prop_compose! {
    /// Partitions as a table of 32-bit numbers may have them.
    fn any_partitions(most: usize)(
        rows in prop::collection::vec(("[!-~]{1,64}", 0_u32..0x7F_FFFF, prop::option::of(0_u32..0x7F_FFFF), any::<u32>()), 1..=most)
    ) -> Vec<Partition> {
        (0..).zip(rows).map(|(index, (name, start, size, flags))| {
            let length = size.map_or(ToEnd, |it| Bytes(u64::from(it) * 512));
            Partition { index, name, start: u64::from(start) * 512, length, flags: u64::from(flags) }
        }).collect()
    }
}

proptest! {
    #[test]
    fn a_nand_page_that_is_written_is_read_again(partitions in any_partitions(20), info in any::<[u8; 4]>()) {
        let (page, free) = nand::write(Which::Pt, Info(info), &partitions, 2048).unwrap();
        let table = nand::read(&page, &free).unwrap();
        prop_assert_eq!((table.partitions, table.info, table.warnings), (partitions, Some(Info(info)), vec![]));
    }

    #[test]
    fn an_answer_that_is_written_is_read_again(partitions in any_partitions(40)) {
        let records = answer::write(&partitions, Width::Marked).unwrap();
        prop_assert_eq!(answer::read(&records).unwrap().partitions, partitions);
    }

    #[test]
    fn a_late_record_that_is_written_is_read_again(partitions in any_partitions(46)) {
        let record = emmc::write_late(Which::Mpt, Info::default(), &partitions).unwrap();
        prop_assert_eq!(emmc::read_late(&record).unwrap().partitions, partitions);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..9000), printable in any::<bool>(), main in 0_usize..3000, free in 0_usize..70) {
        if printable {
            for byte in &mut bytes {
                *byte = if *byte & 0x40 == 0 { 0 } else { *byte & 0x3F | 0x40 };
            }
        }
        for at in [0, 1024, 2044, 2048, 3072, 4092] {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(b"1vTP");
            }
        }
        let _ = nand::find(&bytes, PageShape { main, free });
        let _ = emmc::find(&bytes);
        let _ = emmc::read(&bytes);
        let _ = emmc::read_late(&bytes);
        let _ = answer::read(&bytes[..bytes.len().min(96 * 40) / 96 * 96]);
    }
}
