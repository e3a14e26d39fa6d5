//! Maps out of tables on the flash: cut out of a dump or found in one of any size, whole, short or damaged; and maps
//! written as a GPT, with sgdisk as judge.

#[path = "support/disk.rs"]
mod disk;

use std::cell::Cell;

use bromide_image::map::{
    self, Content, Fault, GptMapError, Map, OpenError, Partition, Region, Reserved, Size, Source, Storage,
};
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::table::pmt::{self, Info, Which, Width};
use bromide_image::table::{Length, mbr};

/// A dump of which only some parts are not zero, and which counts what is read of it.
struct Sparse {
    len: u64,
    parts: Vec<(u64, Vec<u8>)>,
    read: Cell<u64>,
}

impl Sparse {
    fn new(len: u64, parts: Vec<(u64, Vec<u8>)>) -> Self {
        Self { len, parts, read: Cell::new(0) }
    }
}

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let wanted = into.len() as u64;
        self.read.set(self.read.get() + wanted);
        if at.checked_add(wanted).is_none_or(|end| end > self.len) {
            return Err(ReadError::Beyond { at, wanted, len: self.len });
        }
        into.fill(0);
        for (start, part) in &self.parts {
            for (offset, byte) in (*start..).zip(part) {
                if let Some(place) = offset.checked_sub(at).and_then(|it| into.get_mut(it as usize)) {
                    *place = *byte;
                }
            }
        }
        Ok(())
    }
}

fn read(source: &(impl ReadAt + ?Sized)) -> Map {
    match map::read_at(source) {
        Ok(Content::Map(map)) => map,
        other => panic!("{other:?}"),
    }
}

fn places(map: &Map) -> Vec<(&str, u64, Size)> {
    map.partitions.iter().map(|it| (it.name.as_str(), it.start, it.size)).collect()
}

fn says(map: &Map, what: &str) -> bool {
    map.notes.iter().any(|it| it.contains(what))
}

const EMMC: u64 = 4 << 30;

fn emmc() -> Map {
    let mut map = Map::new(Source::ScatterV1);
    let rows = [("pgpt", 0, 0x8_0000), ("boot", 0x1d8_0000, 0x100_0000), ("сказка", 0x2d8_0000, 0x20_0000)];
    for (line, (name, start, size)) in (1..).zip(rows) {
        map.partitions.push(Partition::new(name.to_owned(), start, Size::Stated(size), line));
    }
    map.partitions.push(Partition::new("userdata".to_owned(), 0x400_0000, Size::ToEnd, 4));
    for it in &mut map.partitions {
        (it.storage, it.region) = (Storage::Emmc, Region::User);
    }
    for (name, blocks, size, line) in [("flashinfo", 0x84, 0x100_0000, 5), ("sgpt", 4, 0x8_0000, 6)] {
        let mut it = Reserved::new(name.to_owned(), blocks, line);
        (it.size, it.storage, it.region) = (Some(size), Storage::Emmc, Region::User);
        map.reserved.push(it);
    }
    map
}

const FLASHINFO: u64 = EMMC - 0x84 * 0x2_0000;

fn held() -> Vec<(&'static str, u64, Size)> {
    vec![
        ("boot", 0x1d8_0000, Size::Stated(0x100_0000)),
        ("сказка", 0x2d8_0000, Size::Stated(0x20_0000)),
        ("userdata", 0x400_0000, Size::Stated(FLASHINFO - 0x400_0000)),
        ("flashinfo", FLASHINFO, Size::Stated(0x100_0000)),
    ]
}

#[test]
fn a_map_becomes_a_gpt_that_is_read_back_from_any_part_of_the_device() {
    let written = map::write_gpt(&emmc(), EMMC).unwrap();
    assert_eq!((written.entries, written.block_bytes), (4, 512));
    assert!(written.remarks.iter().any(|it| it.starts_with("pgpt, sgpt: left out")), "{:?}", written.remarks);
    let gpt = &written.table;
    let mut broken = gpt.primary.clone();
    broken[1024 + 40] ^= 1;
    let whole =
        |primary: &[u8]| Sparse::new(EMMC, vec![(0, primary.to_vec()), (gpt.backup_at, gpt.backup.clone())]);
    assert_eq!(places(&read(&gpt.primary)), held());
    assert!(says(&read(&gpt.primary), "is not in these bytes"));
    assert_eq!(places(&read(&gpt.backup)), held());
    assert!(says(&read(&gpt.backup), "read from the backup"));
    assert_eq!(places(&read(&written.for_sgdisk())), held());
    let good = whole(&gpt.primary);
    let map = read(&good);
    assert_eq!((places(&map), map.notes.len()), (held(), 0));
    assert!(good.read.get() < 4 << 20, "{} bytes were read", good.read.get());
    let mended = read(&whole(&broken));
    assert_eq!(places(&mended), held());
    assert!(says(&mended, "the primary copy is damaged"), "{:?}", mended.notes);
    // The room for the table is not told by a GPT's partitions; everything else comes out the same.
    let again = map::write_gpt(&map, EMMC).unwrap();
    assert!(again.table.primary[1024..] == gpt.primary[1024..]);
}

#[test]
fn ufs_has_blocks_of_4096_bytes() {
    let mut map = emmc();
    for it in &mut map.partitions {
        (it.storage, it.region) = (Storage::Ufs, Region::UfsLu(2));
    }
    map.reserved.clear();
    let written = map::write_gpt(&map, EMMC).unwrap();
    assert_eq!(written.block_bytes, 4096);
    for file in [written.table.primary.clone(), written.table.backup.clone()] {
        let read = read(&file);
        assert_eq!(places(&read)[..2], held()[..2]);
        assert_eq!(read.storages(), [Storage::Ufs]);
    }
}

#[test]
fn what_a_gpt_cannot_hold_is_told_or_refused() {
    let mut map = emmc();
    map.partitions[1].region = Region::Boot1;
    map.partitions[2].start += 1;
    map.reserved[0].blocks_from_end = 1;
    map.reserved[0].size = Some(0x2_0000);
    let written = map::write_gpt(&map, EMMC).unwrap();
    for what in [
        "boot: left out: a GPT tells of the user area",
        "сказка: left out: no whole blocks",
        "flashinfo: left out: at the end",
    ] {
        assert!(written.remarks.iter().any(|it| it.starts_with(what)), "{what}: {:?}", written.remarks);
    }
    let nand = map::parse(b"mtd0: 00040000 00020000 \"a\"\n").unwrap();
    assert_eq!(map::write_gpt(&nand, EMMC), Err(GptMapError::Nothing));
    map.partitions[3].storage = Storage::Ufs;
    map.partitions[3].region = Region::UfsLu(2);
    assert_eq!(map::write_gpt(&map, EMMC), Err(GptMapError::SeveralStorages));
    let mut over = emmc();
    over.partitions[2].start -= 512;
    assert!(matches!(map::write_gpt(&over, EMMC), Err(GptMapError::Table(_))));
    assert!(matches!(map::write_gpt(&emmc(), 0x400_0000), Err(GptMapError::Table(_))));
    assert!(matches!(map::write_gpt(&emmc(), 1), Err(GptMapError::Table(_) | GptMapError::Nothing)));
}

#[test]
fn sgdisk_takes_both_forms_of_what_is_written_and_its_backup_is_read() {
    let written = map::write_gpt(&emmc(), EMMC).unwrap();
    let gpt = &written.table;
    let both = disk::image(EMMC, &[(0, &gpt.primary), (gpt.backup_at, &gpt.backup)]);
    let path = both.path().to_str().unwrap();
    let Some(said) = disk::run("sgdisk", &["--verify", path]) else { return };
    assert!(said.contains("No problems found"), "{said}");
    let printed = disk::run("sgdisk", &["--print", path]).unwrap();
    assert!(printed.contains("userdata") && printed.contains("flashinfo"), "{printed}");

    let saved = disk::image(0, &[(0, &written.for_sgdisk())]);
    let empty = disk::image(EMMC, &[]);
    let (saved, empty) = (saved.path().to_str().unwrap(), empty.path().to_str().unwrap());
    disk::run("sgdisk", &[&format!("--load-backup={saved}"), empty]).unwrap();
    let said = disk::run("sgdisk", &["--verify", empty]).unwrap();
    assert!(said.contains("No problems found"), "{said}");
    let loaded = std::fs::File::open(empty).unwrap();
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(loaded, 64 << 10), &mut start).unwrap();
    assert_eq!(places(&read(&start)), held());

    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("table.sgdisk");
    disk::run("sgdisk", &[&format!("--backup={}", theirs.display()), path]).unwrap();
    assert_eq!(places(&read(&std::fs::read(&theirs).unwrap())), held());
}

fn entry(name: &str, start: u64, length: Length) -> pmt::Partition {
    pmt::Partition { index: 0, name: name.to_owned(), start, length, flags: 0 }
}

fn nand_table(last: u64) -> Vec<pmt::Partition> {
    // More than six, so that the table reaches into the second sector of a page.
    let mut entries: Vec<_> =
        (0..9).map(|at| entry(&format!("part{at}"), at * 0x4_0000, Length::Bytes(0x4_0000))).collect();
    entries.push(entry("usrdata", last, Length::ToEnd));
    for (index, it) in (0..).zip(&mut entries) {
        it.index = index;
    }
    entries
}

/// A page of the table with its spare bytes, in the order of the chip or with the spare last.
fn stored(which: Which, last: u64, interleaved: bool) -> Vec<u8> {
    let (main, free) = pmt::nand::write(which, Info::default(), &nand_table(last), 2048).unwrap();
    let mut spare = [0xFF; 64];
    // Free bytes 1 to 7 of each 8 (formats.md section 5.4).
    spare[1..8].copy_from_slice(&free[..7]);
    spare[17] = free[7];
    if !interleaved {
        return [main.as_slice(), &spare].concat();
    }
    main.chunks(512).zip(spare.chunks(16)).flat_map(|(data, spare)| [data, spare].concat()).collect()
}

#[test]
fn a_pmt_is_found_in_a_nand_dump_of_any_order_and_the_newest_page_counts() {
    for interleaved in [true, false] {
        let (old, new) =
            (stored(Which::Pt, 0x100_0000, interleaved), stored(Which::Pt, 0x200_0000, interleaved));
        let pages = [old, new, vec![0xFF; 2112 * 3]].concat();
        let check = |map: &Map| {
            assert_eq!((map.source, map.storages()), (Source::Pmt, vec![Storage::Nand]));
            assert_eq!(map.partitions.len(), 10);
            assert_eq!(map.partitions[9].start, 0x200_0000, "interleaved: {interleaved}");
            assert_eq!(map.notes, Vec::<String>::new());
        };
        check(&read(&pages));
        let blocks = 2112 * 64_u64;
        let dump = Sparse::new(4096 * blocks, vec![(4014 * blocks, pages)]);
        check(&read(&dump));
        assert!(dump.read.get() < 300 << 20, "{} bytes were read", dump.read.get());
    }
}

#[test]
fn a_pmt_is_found_in_a_dump_of_main_bytes_and_its_mirror_serves_alone() {
    let page = |which, last| pmt::nand::write(which, Info::default(), &nand_table(last), 2048).unwrap().0;
    let dump = Sparse::new(512 << 20, vec![(4014 * 0x2_0000, page(Which::Pt, 0x100_0000))]);
    assert_eq!(read(&dump).partitions[9].start, 0x100_0000);
    let mirror = read(&page(Which::Mpt, 0x300_0000));
    assert_eq!(mirror.partitions[9].start, 0x300_0000);
    assert!(says(&mirror, "mirror"));
}

#[test]
fn records_of_emmc_phones_are_read_in_either_width_and_form() {
    let mut entries = vec![
        entry("PRELOADER", 0, Length::Bytes(0x4_0000)),
        entry("MBR", 0x60_0000, Length::Bytes(0x4000)),
        entry("ANDROID", 0x26e_8000, Length::Bytes(0x2110_0000)),
    ];
    (0..).zip(&mut entries).for_each(|(index, it)| it.index = index);
    for width in [Width::Narrow, Width::Wide] {
        let record = pmt::emmc::write(Which::Pt, Info::default(), &entries, width).unwrap();
        let late = pmt::emmc::write_late(Which::Pt, Info::default(), &entries).unwrap();
        let device = Sparse::new(EMMC, vec![(0x8000, record.clone())]);
        let late_at = pmt::emmc::late_at(EMMC).unwrap();
        let newer = Sparse::new(EMMC, vec![(late_at, late.clone())]);
        for map in [read(&record), read(&late), read(&device), read(&newer)] {
            assert_eq!((map.source, map.storages()), (Source::Pmt, vec![Storage::Emmc]));
            let android = map.find("android").unwrap();
            assert_eq!((android.start, android.linear), (0x20e_8000, Some(0x26e_8000)));
            assert_eq!(map.find("preloader").unwrap().region, Region::Boot1);
        }
        assert!(device.read.get() < 32 << 20, "{} bytes were read", device.read.get());
    }
}

/// The chain of a real MT6577 phone (formats.md section 5.2).
fn chain() -> Vec<(u64, [u8; 512])> {
    let entry = |slot, kind, start: u64, length| mbr::Entry { slot, active: false, kind, start, length };
    let bytes = |sectors: u64| Length::Bytes(sectors * 512);
    let records = vec![
        mbr::Record {
            at: 0,
            entries: vec![
                entry(1, 5, 0x4000, Length::ToEnd),
                entry(2, 0x83, 0x158_8000, bytes(0x2800)),
                entry(3, 0x83, 0x20e_8000, bytes(0x10_8800)),
            ],
        },
        mbr::Record {
            at: 0x4000,
            entries: vec![
                entry(1, 0x83, 0x2d3e_8000, bytes(0x20_8000)),
                entry(2, 0x83, 0x6e4e_8000, Length::ToEnd),
            ],
        },
    ];
    mbr::Chain { disk_signature: 0, records, warnings: Vec::new() }.write().unwrap()
}

#[test]
fn an_mbr_chain_gives_places_by_block_device_and_says_what_is_missing() {
    let sectors = chain();
    let all = sectors.iter().map(|(at, sector)| (*at, sector.to_vec())).collect();
    let map = read(&Sparse::new(EMMC, all));
    assert_eq!(
        places(&map),
        [
            ("mmcblk0p2", 0x158_8000, Size::Stated(0x2800 * 512)),
            ("mmcblk0p3", 0x20e_8000, Size::Stated(0x10_8800 * 512)),
            ("mmcblk0p5", 0x2d3e_8000, Size::Stated(0x20_8000 * 512)),
            ("mmcblk0p6", 0x6e4e_8000, Size::ToEnd),
        ]
    );
    let alone = read(&sectors[0].1[..]);
    assert_eq!(alone.partitions.len(), 2);
    assert!(says(&alone, "the EBR at 0x4000 is not in these bytes"), "{:?}", alone.notes);
}

#[test]
fn the_mbr_of_a_real_phone_is_read() {
    let Some(bytes) = disk::sample("boot/mt6577_emmc_fly_iq441_MBR.bin") else { return };
    let map = read(&bytes);
    assert_eq!(map.source, Source::Mbr);
    assert!(map.partitions.iter().any(|it| it.start == 0x20e_8000), "{:?}", places(&map));
}

#[test]
fn a_pmt_with_names_goes_before_an_mbr_without() {
    let mut entries = vec![entry("boot", 0x1000, Length::Bytes(0x1000))];
    entries[0].index = 0;
    let record = pmt::emmc::write(Which::Pt, Info::default(), &entries, Width::Narrow).unwrap();
    let map = read(&Sparse::new(EMMC, vec![(0, chain()[0].1.to_vec()), (0x8000, record)]));
    assert_eq!((map.source, map.partitions[0].name.as_str()), (Source::Pmt, "boot"));
}

#[test]
fn files_without_a_map_are_named_for_what_they_are() {
    let error = |bytes: &[u8]| map::read_at(bytes).unwrap_err();
    assert_eq!(error(&[0; 100_000]), OpenError::NoTable);
    assert_eq!(error(&[0xFF; 100_000]), OpenError::NoTable);
    let agent = [b"MTK_DOWNLOAD_AGENT".as_slice(), &[0; 1000]].concat();
    assert!(
        matches!(error(&agent), OpenError::Text(it) if it.what == Fault::NotAMap("a Download Agent container"))
    );
    assert!(matches!(error(b""), OpenError::Text(it) if it.what == Fault::Empty));
    let mut cut = map::write_gpt(&emmc(), EMMC).unwrap().table.primary;
    cut.truncate(1024);
    assert!(matches!(error(&cut), OpenError::Table(what) if what.starts_with("GPT: ")), "{:?}", error(&cut));
    let text = vec![b'x'; (map::MOST_TEXT_BYTES + 1) as usize];
    assert_eq!(error(&text), OpenError::TooLong(map::MOST_TEXT_BYTES + 1));
    assert!(map::read_at(&b"mtd0: 00040000 00020000 \"a\"\n"[..]).is_ok());
}
