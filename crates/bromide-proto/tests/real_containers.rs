//! The two real containers, where they are at hand: every entry lists as it was written down.
//!
//! Values: `formats.md` section 1.9, `da-legacy-observed.md` section 2. The containers are not part of this
//! repository; `BROMIDE_DATA` names the folder that has `da/da_pl_2015.bin` and `da/da_mt6739_2017.bin`.

use bromide_proto::agent_format::{self, Because, Format};
use bromide_proto::chips::{self, ChipCodes, Choice};
use bromide_proto::wire::checksum::xor16;
use bromide_proto::wire::da_file::DaFile;
use bromide_proto::wire::nand_record::{self, NandRecord};

/// hw code, sub code, hw version, sw version, entry region, regions as offset, length, load, signature.
type Row = (u16, u16, u16, u16, u16, [[u32; 4]; 3]);

const DA_PL_2015: [Row; 17] = [
    (
        0x6573,
        0x0000,
        0xca10,
        0xca01,
        1,
        [
            [0x119c, 0x270, 0x90006000, 0x0],
            [0x140c, 0x15b60, 0x90005000, 0x100],
            [0x16f6c, 0x1650, 0xf1000000, 0x0],
        ],
    ),
    (
        0x6575,
        0x0000,
        0xcb00,
        0xe201,
        1,
        [
            [0x185bc, 0x270, 0xc2010000, 0x0],
            [0x1882c, 0x1db28, 0xc2000000, 0x100],
            [0x36354, 0x17d8, 0xc2038000, 0x0],
        ],
    ),
    (
        0x6577,
        0x0000,
        0xca00,
        0xe100,
        1,
        [
            [0x37b2c, 0x270, 0xc2010000, 0x0],
            [0x37d9c, 0x1db28, 0xc2000000, 0x100],
            [0x558c4, 0x17d8, 0xc2038000, 0x0],
        ],
    ),
    (
        0x6572,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x5709c, 0x270, 0x80010000, 0x0],
            [0x5730c, 0xe9d4, 0x2007000, 0x100],
            [0x65ce0, 0x25890, 0x80000000, 0x100],
        ],
    ),
    (
        0x6583,
        0x0000,
        0xca00,
        0x0000,
        1,
        [
            [0x8b570, 0x270, 0x12020000, 0x0],
            [0x8b7e0, 0x20c74, 0x12000000, 0x100],
            [0xac454, 0x36d8, 0x82038000, 0x0],
        ],
    ),
    (
        0x6582,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0xafb2c, 0x270, 0x80010000, 0x0],
            [0xafd9c, 0xcbe4, 0x200000, 0x100],
            [0xbc980, 0x26410, 0x80000000, 0x100],
        ],
    ),
    (
        0x8135,
        0x0000,
        0xca00,
        0x0000,
        1,
        [
            [0xe2d90, 0x270, 0x12020000, 0x0],
            [0xe3000, 0x1fd08, 0x12000000, 0x100],
            [0x102d08, 0x3a20, 0x82038000, 0x0],
        ],
    ),
    (
        0x6592,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x106728, 0x270, 0x80010000, 0x0],
            [0x106998, 0x12468, 0x110000, 0x100],
            [0x118e00, 0x28170, 0x80000000, 0x100],
        ],
    ),
    (
        0x6571,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x140f70, 0x270, 0x80010000, 0x0],
            [0x1411e0, 0xea70, 0x2008000, 0x100],
            [0x14fc50, 0x33218, 0x80000000, 0x100],
        ],
    ),
    (
        0x6595,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x182e68, 0x270, 0x210000, 0x0],
            [0x1830d8, 0x1a308, 0x110000, 0x100],
            [0x19d3e0, 0x36d10, 0x40000000, 0x100],
        ],
    ),
    (
        0x8127,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x1d40f0, 0x270, 0x80010000, 0x0],
            [0x1d4360, 0xdfdc, 0x200000, 0x100],
            [0x1e233c, 0x2c478, 0x80000000, 0x100],
        ],
    ),
    (
        0x6752,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x20e7b4, 0x270, 0x50000000, 0x0],
            [0x20ea24, 0x15a30, 0x110000, 0x100],
            [0x224454, 0x34c38, 0x40000000, 0x100],
        ],
    ),
    (
        0x2601,
        0x8a00,
        0xca00,
        0x0000,
        0,
        [
            [0x25908c, 0x270, 0x80010000, 0x0],
            [0x2592fc, 0xe5cc, 0x2007000, 0x100],
            [0x2678c8, 0x25480, 0x80000000, 0x100],
        ],
    ),
    (
        0x8173,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x28cd48, 0x270, 0x210000, 0x0],
            [0x28cfb8, 0x17c20, 0xc0000, 0x100],
            [0x2a4bd8, 0x35340, 0x40000000, 0x100],
        ],
    ),
    (
        0x6795,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x2d9f18, 0x270, 0x210000, 0x0],
            [0x2da188, 0x17d10, 0x110000, 0x100],
            [0x2f1e98, 0x34768, 0x40000000, 0x100],
        ],
    ),
    (
        0x6735,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x326600, 0x270, 0x50000000, 0x0],
            [0x326870, 0x11ac8, 0x200000, 0x100],
            [0x338338, 0x2dd38, 0x40000000, 0x100],
        ],
    ),
    (
        0x6580,
        0x0000,
        0xca00,
        0x0000,
        0,
        [
            [0x366070, 0x270, 0x50000000, 0x0],
            [0x3662e0, 0xc910, 0x200000, 0x100],
            [0x372bf0, 0x29ee8, 0x80000000, 0x100],
        ],
    ),
];

const DA_MT6739_2017: [Row; 2] = [
    (
        0x6763,
        0x8a00,
        0xca00,
        0x0000,
        0,
        [
            [0x376c, 0x270, 0x50000000, 0x0],
            [0x39dc, 0x366e4, 0x200000, 0x100],
            [0x3a0c0, 0x45e10, 0x40000000, 0x100],
        ],
    ),
    (
        0x6739,
        0x8a00,
        0xca00,
        0x0000,
        0,
        [
            [0x7fed0, 0x270, 0x50000000, 0x0],
            [0x80140, 0x1c3a0, 0x200000, 0x100],
            [0x9c4e0, 0x38718, 0x40000000, 0x100],
        ],
    ),
];

fn read(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var("BROMIDE_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into());
    let path = format!("{folder}/da/{name}");
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            println!("skipped: no {name} (set BROMIDE_DATA to the folder that has da/{name})");
            None
        }
    }
}

fn compare(file: &DaFile<'_>, rows: &[Row]) {
    assert_eq!(file.entries.len(), rows.len());
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    for (entry, row) in file.entries.iter().zip(rows) {
        let regions: Vec<[u32; 4]> =
            entry.regions.iter().map(|r| [r.offset, r.length, r.load, r.sig_len]).collect();
        let found = (entry.hw_code, entry.sub_code, entry.hw_version, entry.sw_version, entry.entry_region);
        assert_eq!(found, (row.0, row.1, row.2, row.3, row.4));
        assert_eq!(regions, row.5, "entry {}", entry.index);
        assert_eq!(entry.damage, None);
    }
}

#[test]
fn the_2015_container_lists_its_seventeen_entries() {
    let Some(bytes) = read("da_pl_2015.bin") else { return };
    let file = DaFile::parse(&bytes).unwrap();
    assert_eq!(file.label, "MTK_AllInOne_DA_v3.3001.2015-01-19.10:05");
    compare(&file, &DA_PL_2015);
}

#[test]
fn the_2017_container_lists_its_two_entries() {
    let Some(bytes) = read("da_mt6739_2017.bin") else { return };
    let file = DaFile::parse(&bytes).unwrap();
    assert_eq!(file.label, "MTK_AllInOne_DA_v3.3001.2017/12/14.17:12_396299");
    compare(&file, &DA_MT6739_2017);
}

#[test]
fn an_mt6575_and_an_mt6577_find_their_agents_in_the_2015_container() {
    let Some(bytes) = read("da_pl_2015.bin") else { return };
    let file = DaFile::parse(&bytes).unwrap();
    for (sub_code, index, sum) in [(0x8a00, 1, 0x3e5a), (0x8b00, 2, 0xbd27)] {
        let device = ChipCodes { hw_code: 0x6575, sub_code, hw_version: 0xcb00, sw_version: 0xe201 };
        let (entry, choice) = chips::choose(&file, device).unwrap();
        assert_eq!((entry.index, choice), (index, Choice::Seen));
        let (region, program) = file.region(entry, 1).unwrap();
        assert_eq!((program.len(), region.load, region.sig_len), (121_640, 0xc200_0000, 0x100));
        assert_eq!(xor16(program).to_be_bytes(), u16::to_be_bytes(sum));
        let decided = agent_format::decide("", program);
        assert_eq!(decided, Some((Format::G2, Because::KnownAgent)), "by digest, without any label");
        let (_, table) = file.region(entry, 2).unwrap();
        let records = nand_record::table(table).unwrap();
        assert_eq!(records.len(), 109);
        let hynix = NandRecord::decode(records[69]).unwrap();
        assert_eq!((hynix.index, hynix.maker, hynix.device), (0x78, 0xad, 0xbc));
        assert_eq!((hynix.chip_bytes(), hynix.page, hynix.spare()), (0x2000_0000, 2048, 64));
    }
}

#[test]
fn an_e1_phone_gets_the_only_6575_entry_with_a_doubt() {
    let Some(bytes) = read("da_pl_2015.bin") else { return };
    let file = DaFile::parse(&bytes).unwrap();
    let device = ChipCodes { hw_code: 0x6575, sub_code: 0x8a00, hw_version: 0xca00, sw_version: 0xe100 };
    let (entry, choice) = chips::choose(&file, device).unwrap();
    assert_eq!((entry.index, choice), (1, Choice::OnlyOne));
}

#[test]
fn every_truncation_of_the_2015_container_is_refused_entry_by_entry() {
    let Some(bytes) = read("da_pl_2015.bin") else { return };
    for end in (0..bytes.len()).step_by(99_991) {
        let Ok(file) = DaFile::parse(&bytes[..end]) else { continue };
        for (entry, row) in file.entries.iter().zip(&DA_PL_2015) {
            let whole = row.5.iter().all(|r| (r[0] + r[1]) as usize <= end);
            assert_eq!(entry.damage.is_none(), whole, "entry {} at {end}", entry.index);
        }
    }
}
