//! Real page bytes of an MT6575 phone, where the sample data are at hand; skipped, and said so, where not.

mod noise;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bromide_nand::detect::detect;
use bromide_nand::ecc::{SectorState, check_sector, correct_sector};
use bromide_nand::{Geometry, Layout, PageState, check_page, encode_page, fdm};
use noise::{Noise, Sector, flip};

const STORED_PAGE: u64 = 2112;
const STORED_SECTOR: u64 = 528;

fn samples() -> Option<PathBuf> {
    let data = std::env::var_os("BROMIDE_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let nand = data.join("nand");
    if !nand.is_dir() {
        println!("skipped: no sample data (BROMIDE_DATA)");
        return None;
    }
    Some(nand)
}

/// One listing: offset in the dump of its first byte, and its bytes.
fn listing(text: &str) -> (u64, Vec<u8>) {
    let (mut start, mut bytes) = (None, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (offset, rest) = line.split_once(": ").unwrap();
        let offset = u64::from_str_radix(offset, 16).unwrap();
        let start = *start.get_or_insert(offset);
        assert_eq!(offset, start + u64::try_from(bytes.len()).unwrap(), "a gap before {line}");
        // Two blanks end the groups; the last line is padded and may have fewer.
        let groups = rest.split("  ").next().unwrap();
        bytes.extend(unhex(&groups.replace(' ', "")));
    }
    (start.unwrap(), bytes)
}

fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Every sector printed in full, by its offset in the dump.
fn full_sectors(nand: &std::path::Path) -> BTreeMap<u64, Sector> {
    let mut sectors = BTreeMap::new();
    for entry in std::fs::read_dir(nand).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ext| ext != "hex") {
            continue;
        }
        let (start, bytes) = listing(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(start % STORED_PAGE % STORED_SECTOR, 0, "{}", path.display());
        assert!(bytes.len().is_multiple_of(528), "{}: {} bytes", path.display(), bytes.len());
        for (offset, sector) in (start..).step_by(528).zip(bytes.chunks_exact(528)) {
            let (data, spare) = sector.split_at(512);
            sectors.insert(offset, (data.try_into().unwrap(), spare.try_into().unwrap()));
        }
    }
    sectors
}

struct Spare {
    page: u64,
    sector: u64,
    offset: u64,
    bytes: [u8; 16],
    data: String,
}

fn spares(nand: &std::path::Path) -> Vec<Spare> {
    let table = std::fs::read_to_string(nand.join("spares.tsv")).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[page, sector, offset, fdm, parity, data] = columns.as_slice() else { panic!("{line}") };
        let (page, sector) = (page.parse().unwrap(), sector.parse().unwrap());
        let offset = u64::from_str_radix(offset.strip_prefix("0x").unwrap(), 16).unwrap();
        let bytes = unhex(&format!("{fdm}{parity}")).try_into().unwrap();
        Spare { page, sector, offset, bytes, data: data.to_owned() }
    })
    .collect()
}

#[test]
fn every_real_sector_is_clean() {
    let Some(nand) = samples() else { return };
    let full = full_sectors(&nand);
    assert_eq!(full.len(), 31);
    for (offset, (data, spare)) in &full {
        assert_eq!(check_sector(data, spare), SectorState::Clean, "at {offset:#x}");
    }
}

/// Every sector whose data are known: printed in full, or FF throughout.
fn known_sectors(nand: &std::path::Path) -> Vec<Sector> {
    let erased = spares(nand).into_iter().filter(|spare| spare.data == "ff");
    let erased = erased.map(|spare| ([0xff; 512], spare.bytes));
    full_sectors(nand).into_values().chain(erased).collect()
}

/// Spoils a sector and asks for it back.
fn repaired(good: &Sector, bits: &[u64]) {
    let mut sector = *good;
    flip(&mut sector, bits);
    let state = correct_sector(&mut sector.0, &mut sector.1);
    assert_eq!(state, SectorState::Correctable { bits: u8::try_from(bits.len()).unwrap() }, "{bits:?}");
    assert!(sector == *good, "{bits:?}");
}

#[test]
fn any_flipped_bit_of_any_real_sector_is_repaired() {
    let Some(nand) = samples() else { return };
    let sectors = known_sectors(&nand);
    assert_eq!(sectors.len(), 36);
    for good in &sectors {
        (0..4212).for_each(|bit| repaired(good, &[bit]));
    }
}

/// What is repaired depends on the remainder alone, and that on the wrong bits alone: all pairs of them are tried in
/// `ecc::locate`, here that real sectors make no difference.
#[test]
fn two_three_and_four_flipped_bits_of_any_real_sector_are_repaired() {
    let Some(nand) = samples() else { return };
    let mut noise = Noise(6577);
    for good in known_sectors(&nand) {
        for count in [2, 3, 4] {
            (0..2000).for_each(|_| repaired(&good, &noise.bits(count)));
        }
    }
}

/// With `BROMIDE_LONG` set: 8.9 million pairs in each of three sectors, some seconds in a release build.
#[test]
fn any_two_flipped_bits_of_three_real_sectors_are_repaired() {
    if std::env::var_os("BROMIDE_LONG").is_none() {
        println!("skipped: takes long, and BROMIDE_LONG is not set");
        return;
    }
    let Some(nand) = samples() else { return };
    for good in known_sectors(&nand).iter().step_by(12) {
        for second in 1..4212 {
            (0..second).for_each(|first| repaired(good, &[first, second]));
        }
    }
}

#[test]
fn every_printed_spare_agrees_with_its_data() {
    let Some(nand) = samples() else { return };
    let (full, spares) = (full_sectors(&nand), spares(&nand));
    let (mut listed, mut erased) = (0, 0);
    for spare in &spares {
        assert_eq!(spare.offset, spare.page * STORED_PAGE + spare.sector * STORED_SECTOR);
        match spare.data.as_str() {
            "full" => {
                assert_eq!(full[&spare.offset].1, spare.bytes, "at {:#x}", spare.offset);
                listed += 1;
            }
            "ff" => {
                assert_eq!(check_sector(&[0xff; 512], &spare.bytes), SectorState::Clean);
                erased += 1;
            }
            other => assert_eq!(other, "-"),
        }
        // The parity of a sector whose data were not printed cannot be checked, its filler can.
        assert_eq!((spare.bytes[14] & 0xf0, spare.bytes[15]), (0xf0, 0xff));
    }
    assert_eq!((spares.len(), listed, erased), (47, 31, 5));
}

#[test]
fn every_real_page_with_all_spares_has_its_check_byte_and_no_other_block_to_stand_for() {
    let Some(nand) = samples() else { return };
    let mut pages: BTreeMap<u64, Vec<Spare>> = BTreeMap::new();
    for spare in spares(&nand) {
        pages.entry(spare.page).or_default().push(spare);
    }
    pages.retain(|_, spares| spares.len() == 4);
    assert_eq!(pages.len(), 11);
    for (page, spares) in &pages {
        let bytes: Vec<u8> = spares.iter().flat_map(|spare| spare.bytes[..8].to_vec()).collect();
        assert!(fdm::check_holds(&bytes), "page {page}");
        assert_eq!(fdm::index(&bytes), Some(fdm::NOT_REMAPPED), "page {page}");
        assert!(!fdm::is_bad(bytes[fdm::MARK]), "page {page}");
    }
}

#[test]
fn every_complete_real_page_is_clean_and_encodes_to_the_bytes_on_the_chip() {
    let Some(nand) = samples() else { return };
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let full = full_sectors(&nand);
    let mut complete = 0;
    for start in full.keys().copied().filter(|offset| offset % STORED_PAGE == 0) {
        let sectors = (0..4).map(|sector| full.get(&(start + sector * STORED_SECTOR)));
        let Some(sectors) = sectors.collect::<Option<Vec<_>>>() else { continue };
        let stored: Vec<u8> = sectors.iter().flat_map(|(data, spare)| [&data[..], spare].concat()).collect();
        assert_eq!(check_page(&stored, Layout::Interleaved, &chip), PageState::Clean, "at {start:#x}");

        let (mut main, mut fdm_bytes, mut tags) = ([0; 2048], [0; 32], [0; 25]);
        Layout::Interleaved.main_bytes(&stored, &mut main, &chip).unwrap();
        Layout::Interleaved.fdm_bytes(&stored, &mut fdm_bytes, &chip).unwrap();
        assert_eq!(fdm::software(&fdm_bytes, &mut tags), 25);
        let mut written = [0; 2112];
        encode_page(&main, &tags, None, &chip, &mut written).unwrap();
        assert_eq!(written[..], stored, "at {start:#x}");
        complete += 1;
    }
    assert_eq!(complete, 7);
}

#[test]
fn the_layout_of_the_real_dump_is_found_from_its_first_pages() {
    let Some(nand) = samples() else { return };
    let (start, head) = listing(&std::fs::read_to_string(nand.join("head-pages0-6.hex")).unwrap());
    assert_eq!(start, 0);
    let read = |offset: u64, buffer: &mut [u8]| {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&head[start..start + buffer.len()]);
        Some(())
    };
    let found = detect(read, u64::try_from(head.len()).unwrap()).unwrap();
    assert_eq!((found.page, found.spare, found.layout), (2048, 64, Layout::Interleaved));
    assert!(found.page_size_seen, "{found:?}");
    let sectors = u32::try_from(head.len() / 528).unwrap();
    assert_eq!((found.written, found.passing), (sectors, sectors));
}
