//! MBR and EBR chains: two real phones (formats.md section 5.2), round trips, hostile sectors, and the partitioning
//! programs of Linux as judges of what is written and authors of what is read.

#[path = "support/disk.rs"]
mod disk;

use bromide_image::table::Length::{self, Bytes, ToEnd};
use bromide_image::table::mbr::{self, Chain, Entry, MbrError, Partition, Record, Warning, WriteError};
use proptest::prelude::*;

/// Rows of a real record: entry, type, start sector, sectors.
type Row = (usize, u8, u32, u32);

const IQ441_MBR: &[Row] = &[
    (1, 0x05, 0x20, 0xFFFF_FFFF),
    (2, 0x83, 0xAC40, 0x2800),
    (3, 0x83, 0x10740, 0x10_8800),
    (4, 0x83, 0x11_9740, 0x5_0000),
];
const IQ441_EBR1: &[Row] = &[(1, 0x83, 0x16_9F20, 0x20_8000), (2, 0x83, 0x37_2720, 0xFFC8_D8DF)];
const IQ256_MBR: &[Row] = &[
    (1, 0x05, 0x20, 0xC_EF00),
    (2, 0x83, 0xC_EF20, 0x7_F800),
    (3, 0x83, 0x14_EF20, 0xF_F800),
    (4, 0x0B, 0x24_EF20, 0xFFFF_FFFF),
];
const IQ256_EBR1: &[Row] = &[(1, 0x83, 0x9EE0, 0x2800), (2, 0x05, 0xEEE0, 0xB_F820)];
const IQ256_EBR2: &[Row] = &[(1, 0x83, 0x20, 0xB_F800)];

fn sector(rows: &[Row]) -> [u8; 512] {
    let mut sector = [0; 512];
    for (slot, kind, start, count) in rows {
        let at = 0x1BE + (slot - 1) * 16;
        sector[at + 4] = *kind;
        sector[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}

/// A device that begins with these sectors.
fn device(sectors: &[(u64, [u8; 512])]) -> Vec<u8> {
    let end = sectors.iter().map(|(at, _)| at + 512).max().unwrap();
    let mut bytes = vec![0; usize::try_from(end).unwrap()];
    for (at, sector) in sectors {
        let at = usize::try_from(*at).unwrap();
        bytes[at..at + 512].copy_from_slice(sector);
    }
    bytes
}

fn iq441() -> Vec<(u64, [u8; 512])> {
    vec![(0, sector(IQ441_MBR)), (0x4000, sector(IQ441_EBR1))]
}

fn iq256() -> Vec<(u64, [u8; 512])> {
    vec![(0, sector(IQ256_MBR)), (0x4000, sector(IQ256_EBR1)), (0x1DE_0000, sector(IQ256_EBR2))]
}

fn places(chain: &Chain) -> Vec<(u32, u8, u64, Length)> {
    chain.partitions().iter().map(|it| (it.number, it.kind, it.start, it.length)).collect()
}

fn read(bytes: &[u8]) -> Chain {
    mbr::read(bytes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn one_ebr_holds_two_partitions_on_the_iq441() {
    let chain = read(&device(&iq441()));
    assert_eq!(chain.warnings, []);
    assert_eq!(
        places(&chain),
        [
            (2, 0x83, 0x158_8000, Bytes(0x50_0000)),
            (3, 0x83, 0x20E_8000, Bytes(0x2110_0000)),
            (4, 0x83, 0x232E_8000, Bytes(0xA00_0000)),
            (5, 0x83, 0x2D3E_8000, Bytes(0x4100_0000)),
            (6, 0x83, 0x6E4E_8000, ToEnd),
        ]
    );
}

#[test]
fn the_second_link_counts_from_the_first_extended_partition_on_the_iq256() {
    let chain = read(&device(&iq256()));
    assert_eq!(chain.records.iter().map(|it| it.at).collect::<Vec<_>>(), [0, 0x4000, 0x1DE_0000]);
    assert_eq!(
        places(&chain),
        [
            (2, 0x83, 0xC_EF20 * 512, Bytes(0x7_F800 * 512)),
            (3, 0x83, 0x14_EF20 * 512, Bytes(0xF_F800 * 512)),
            (4, 0x0B, 0x24_EF20 * 512, ToEnd),
            (5, 0x83, 0x9F00 * 512, Bytes(0x2800 * 512)),
            (6, 0x83, 0xEF20 * 512, Bytes(0xB_F800 * 512)),
        ]
    );
}

#[test]
fn both_real_chains_are_written_byte_for_byte() {
    for chain in [iq441(), iq256()] {
        assert_eq!(read(&device(&chain)).write().unwrap(), chain);
    }
}

#[test]
fn the_files_of_the_real_phones_are_as_retyped_here() {
    let names = [
        ("mt6577_emmc_fly_iq441_MBR.bin", IQ441_MBR),
        ("mt6577_emmc_fly_iq441_EBR1.bin", IQ441_EBR1),
        ("mt6575_emmc_fly_iq256_MBR.bin", IQ256_MBR),
        ("mt6575_emmc_fly_iq256_EBR1.bin", IQ256_EBR1),
        ("mt6575_emmc_fly_iq256_EBR2.bin", IQ256_EBR2),
    ];
    for (name, rows) in names {
        let Some(bytes) = disk::sample(&format!("boot/{name}")) else { return };
        assert_eq!(bytes, sector(rows), "{name}");
    }
}

#[test]
fn an_mbr_without_its_ebr_is_read_with_a_warning() {
    let chain = read(&sector(IQ441_MBR));
    assert_eq!(chain.partitions().len(), 3);
    assert_eq!(chain.warnings, [Warning::EbrBeyond { at: 0x4000 }]);
    let mut blank = device(&iq441());
    blank[0x4000 + 510] = 0;
    assert_eq!(read(&blank).warnings, [Warning::NoEbr { at: 0x4000 }]);
}

#[test]
fn a_loop_is_refused() {
    let back_to_itself = sector(&[(1, 0x83, 1, 1), (2, 0x05, 0, 9)]);
    let found = mbr::read(&device(&[(0, sector(IQ441_MBR)), (0x4000, back_to_itself)]));
    assert_eq!(found, Err(MbrError::Loop { at: 0x4000 }));
    let to_the_mbr = sector(&[(1, 0x05, 0, 9)]);
    assert_eq!(mbr::read(&to_the_mbr[..]), Err(MbrError::Loop { at: 0 }));
}

/// An MBR and `ebrs` EBRs of one partition each.
fn long_chain(ebrs: u32) -> Vec<(u64, [u8; 512])> {
    let mut chain = vec![(0, sector(&[(1, 0x05, 8, 8000)]))];
    for n in 0..ebrs {
        let link = (2, 0x05, (n + 1) * 8, 8);
        let rows = [(1, 0x83, 2, 4), link];
        chain.push((u64::from(8 + n * 8) * 512, sector(&rows[..if n + 1 < ebrs { 2 } else { 1 }])));
    }
    chain
}

#[test]
fn sixteen_ebrs_are_followed_and_no_more() {
    let sixteen = read(&device(&long_chain(16)));
    assert_eq!(sixteen.partitions().len(), 16);
    assert_eq!(sixteen.partitions()[15].number, 20);
    assert_eq!(mbr::read(&device(&long_chain(17))), Err(MbrError::TooLong));
}

#[test]
fn sectors_that_are_no_mbr_are_told_apart() {
    assert_eq!(mbr::read(&[0; 512][..]), Err(MbrError::NoSignature));
    assert!(matches!(mbr::read(&[0; 100][..]), Err(MbrError::Read(_))));
    let mut code = sector(IQ441_MBR);
    code[0x1CE] = 0x41;
    assert_eq!(mbr::read(&code[..]), Err(MbrError::NoTable { slot: 2, status: 0x41 }));
}

#[test]
fn a_second_link_is_told_and_not_followed() {
    let chain = read(&sector(&[(1, 0x05, 0x20, 9), (3, 0x0F, 0x40, 9)]));
    assert_eq!(chain.warnings[0], Warning::SecondLink { at: 0, slot: 3 });
}

fn entry(slot: u8, start: u64, length: Length) -> Entry {
    Entry { slot, active: false, kind: 0x83, start, length }
}

fn chain(records: Vec<Record>) -> Chain {
    Chain { disk_signature: 0, records, warnings: Vec::new() }
}

#[test]
fn what_the_records_cannot_tell_is_refused() {
    let one = |entry| chain(vec![Record { at: 0, entries: vec![entry] }]).write();
    let unrepresentable = Err(WriteError::Unrepresentable { at: 0, slot: 1 });
    assert_eq!(one(entry(1, 513, Bytes(512))), unrepresentable);
    assert_eq!(one(entry(1, 512, Bytes(0))), unrepresentable);
    assert_eq!(one(entry(1, 512 << 32, Bytes(512))), unrepresentable);
    assert_eq!(one(entry(1, 512, Bytes(0xFFFF_FFFE * 512))), unrepresentable);
    assert_eq!(one(entry(5, 512, Bytes(512))), Err(WriteError::Slot { at: 0, slot: 5 }));
    assert_eq!(one(Entry { kind: 5, ..entry(1, 512, Bytes(512)) }), Err(WriteError::Link { at: 0 }));
    assert_eq!(chain(Vec::new()).write(), Err(WriteError::NoMbr));
    let link = Entry { kind: 5, ..entry(1, 512, Bytes(512)) };
    let itself = Record { at: 512, entries: vec![link] };
    let looped = chain(vec![Record { at: 0, entries: vec![link] }, itself.clone(), itself]);
    assert_eq!(looped.write(), Err(WriteError::Link { at: 512 }));
}

/// What sfdisk says about an image: number, start sector, sectors, type of each partition.
fn sfdisk_dump(image: &std::path::Path) -> Option<Vec<(u32, u64, u64, u8)>> {
    let text = disk::run("sfdisk", &["--dump", image.to_str().unwrap()])?;
    let field = |line: &str, key: &str| {
        let rest = line.split(key).nth(1)?.trim_start();
        Some(rest.split([',', ' ']).next()?.to_owned())
    };
    let row = |line: &str| {
        let name = line.split(" :").next()?;
        // A name that ends in a digit gets a "p" before the number.
        let number = name.strip_prefix(image.to_str()?)?.trim_start_matches('p').parse().ok()?;
        let number_of = |key| field(line, key)?.parse::<u64>().ok();
        Some((
            number,
            number_of("start=")?,
            number_of("size=")?,
            u8::from_str_radix(&field(line, "type=")?, 16).ok()?,
        ))
    };
    Some(text.lines().filter_map(row).collect())
}

#[test]
fn sfdisk_reads_the_chain_we_write() {
    let link = |slot, start, size| Entry { kind: 5, ..entry(slot, start, Bytes(size)) };
    let kib = |n: u64| n * 1024;
    let ours = chain(vec![
        Record { at: 0, entries: vec![link(1, kib(16), kib(4080)), entry(2, kib(4096), Bytes(kib(1024)))] },
        Record {
            at: kib(16),
            entries: vec![entry(1, kib(32), Bytes(kib(512))), link(2, kib(1024), kib(2048))],
        },
        Record { at: kib(1024), entries: vec![entry(1, kib(1040), Bytes(kib(2000)))] },
    ]);
    let sectors = ours.write().unwrap();
    let image =
        disk::image(kib(8192), &sectors.iter().map(|(at, bytes)| (*at, &bytes[..])).collect::<Vec<_>>());
    let Some(theirs) = sfdisk_dump(image.path()) else { return };
    let data: Vec<_> = theirs.into_iter().filter(|(.., kind)| *kind != 5).collect();
    assert_eq!(data, [(2, 8192, 2048, 0x83), (5, 64, 1024, 0x83), (6, 2080, 4000, 0x83)]);
    assert_eq!(read(&std::fs::read(image.path()).unwrap()), ours);
}

#[test]
fn we_read_the_chain_sfdisk_writes() {
    let image = disk::image(32 << 20, &[]);
    let script = "label: dos\nlabel-id: 0x12345678\n\
        start=2048, size=4096, type=83, bootable\nstart=8192, size=40960, type=5\n\
        start=10240, size=4096, type=83\nstart=16384, size=8192, type=c\nstart=26624, size=2048, type=82\n";
    if disk::run_with("sfdisk", &["--quiet", image.path().to_str().unwrap()], script).is_none() {
        return;
    }
    let chain = read(&std::fs::read(image.path()).unwrap());
    assert_eq!((chain.disk_signature, &chain.warnings[..]), (0x1234_5678, &[][..]));
    let mine: Vec<_> = chain
        .partitions()
        .iter()
        .map(|it| (it.number, it.active, it.kind, it.start / 512, it.length))
        .collect();
    assert_eq!(
        mine,
        [
            (1, true, 0x83, 2048, Bytes(4096 * 512)),
            (5, false, 0x83, 10240, Bytes(4096 * 512)),
            (6, false, 0x0C, 16384, Bytes(8192 * 512)),
            (7, false, 0x82, 26624, Bytes(2048 * 512)),
        ]
    );
}

prop_compose! {
    fn any_data()(
        active in any::<bool>(),
        kind in prop::sample::select(vec![0x83_u8, 0x0B, 0x0C, 0xEE, 0x01]),
        start in 1_u64..0x7FFF_0000,
        sectors in prop::option::of(1_u64..0x7FFF_0000),
    ) -> (bool, u8, u64, Length) {
        (active, kind, start * 512, sectors.map_or(ToEnd, |it| Bytes(it * 512)))
    }
}

prop_compose! {
    fn any_chain()(
        disk_signature in any::<u32>(),
        records in prop::collection::vec(prop::collection::vec(any_data(), 0..4), 1..=17),
        gaps in prop::collection::vec(1_u64..2000, 17),
        links in prop::collection::vec(0_usize..4, 17),
    ) -> Chain {
        let mut at = 0;
        let mut chain = Chain { disk_signature, records: Vec::new(), warnings: Vec::new() };
        let count = records.len();
        for (n, data) in records.into_iter().enumerate() {
            let next = at + gaps[n] * 512;
            let mut entries: Vec<Entry> = data
                .into_iter()
                .map(|(active, kind, start, length)| Entry { slot: 0, active, kind, start: at + start, length })
                .collect();
            if n + 1 < count {
                let link = Entry { slot: 0, active: false, kind: 5, start: next, length: Bytes(512) };
                entries.insert(links[n].min(entries.len()), link);
            }
            for (slot, entry) in (1..).zip(&mut entries) {
                entry.slot = slot;
            }
            chain.records.push(Record { at, entries });
            at = next;
        }
        chain
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(chain in any_chain()) {
        let bytes = device(&chain.write().unwrap());
        prop_assert_eq!(mbr::read(&bytes).unwrap(), chain);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), signed in any::<bool>()) {
        if signed {
            for sector in bytes.chunks_exact_mut(512) {
                sector[510..].copy_from_slice(&[0x55, 0xAA]);
                for slot in 0..4 {
                    sector[0x1BE + slot * 16] &= 0x80;
                    sector[0x1BE + slot * 16 + 9..0x1BE + slot * 16 + 12].fill(0);
                    sector[0x1BE + slot * 16 + 8] &= 7;
                    if sector[0x1BE + slot * 16 + 4] & 1 == 0 { sector[0x1BE + slot * 16 + 4] = 5; }
                }
            }
        }
        if let Ok(chain) = mbr::read(&bytes) {
            prop_assert!(chain.records.len() <= 17);
            let _: Vec<Partition> = chain.partitions();
            let _ = chain.write();
        }
    }
}
