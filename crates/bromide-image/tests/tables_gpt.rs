//! GUID partition tables: the table of a real MT6735 phone, damage and short dumps, round trips, hostile bytes, and
//! sgdisk as judge of what is written and author of what is read.

#[path = "support/disk.rs"]
mod disk;

use std::time::Instant;

use bromide_image::table::gpt::{
    self, Found, GptError, Guid, Partition, Table, Warning, Which, WriteError, Written,
};
use bromide_image::table::mbr;
use proptest::prelude::*;

/// Names and first sectors of a real MT6735 phone, as gdisk told them of its `gpt.bin`; each partition ends where the
/// next begins, the last one with the last usable sector.
const T7: [(&str, u64); 23] = [
    ("proinfo", 1024),
    ("nvram", 7168),
    ("protect1", 17408),
    ("protect2", 37888),
    ("lk", 58368),
    ("para", 62464),
    ("boot", 63488),
    ("recovery", 96256),
    ("logo", 129_024),
    ("expdb", 145_408),
    ("seccfg", 165_888),
    ("oemkeystore", 166_912),
    ("secro", 171_008),
    ("keystore", 183_296),
    ("tee1", 199_680),
    ("tee2", 209_920),
    ("frp", 220_160),
    ("nvdata", 222_208),
    ("metadata", 287_744),
    ("system", 360_448),
    ("cache", 8_552_448),
    ("userdata", 9_371_648),
    ("flashinfo", 30_743_552),
];
const T7_LAST: u64 = 30_776_319;
/// The smallest device with room for the backup behind the last usable sector: six sectors of entries and a header.
const T7_BYTES: u64 = (T7_LAST + 1 + 7) * 512;

fn partition(index: u32, name: &str, start: u64, size: u64) -> Partition {
    let mut guid = Guid::BASIC_DATA;
    guid.0[15] = u8::try_from(index % 256).unwrap();
    guid.0[14] = u8::try_from(index / 256).unwrap();
    Partition { index, name: name.to_owned(), start, size, kind: Guid::BASIC_DATA, guid, attributes: 0 }
}

/// The table of the phone as MediaTek writes it: 23 entries, first usable sector 1024, a disk GUID of zeros.
fn t7() -> Table {
    let ends = T7.iter().skip(1).map(|(_, start)| *start).chain([T7_LAST + 1]);
    let partitions = (1..)
        .zip(T7.iter().zip(ends))
        .map(|(index, ((name, start), end))| partition(index, name, start * 512, (end - start) * 512))
        .collect();
    Table { slots: 23, first_usable: 1024, last_usable: T7_LAST, ..Table::new(512, T7_BYTES, partitions) }
}

fn small(block_bytes: u32, device_bytes: u64) -> Table {
    let block = u64::from(block_bytes);
    let at = |n: u64| n * block;
    Table::new(
        block_bytes,
        device_bytes,
        vec![partition(1, "boot", at(64), at(4)), partition(3, "сказка", at(70), at(1))],
    )
}

fn device(written: &Written) -> Vec<u8> {
    let mut bytes = written.primary.clone();
    bytes.resize(usize::try_from(written.backup_at).unwrap(), 0xA5);
    bytes.extend(&written.backup);
    bytes
}

fn read(bytes: &[u8]) -> Found {
    gpt::read(bytes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_first_17_kib_of_a_real_phone_are_enough() {
    let table = t7();
    let mut dump = table.write(T7_BYTES).unwrap().primary;
    // gdisk saw the entries in sectors 2 to 7.
    assert_eq!(dump.len(), 8 * 512);
    dump.resize(34 * 512, 0);
    let found = read(&dump);
    assert_eq!((found.which, found.header_at, found.device_bytes), (Which::Primary, 512, T7_BYTES));
    assert_eq!(found.warnings, [Warning::BackupOutside { at: T7_BYTES - 512 }]);
    assert_eq!(found.table, table);
    assert_eq!(found.table.partitions[19].size, 4_194_304_000);
    assert!(mbr::read(&dump).unwrap().is_protective());
}

#[test]
fn the_capture_of_the_real_phone_is_as_retyped_here() {
    let Some(text) = disk::sample("proc/mt6735_temu_t7_gdisk.txt") else { return };
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<(u32, u64, u64, String)> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 7 && words[0].parse::<u32>().is_ok())
        .map(|words| {
            (
                words[0].parse().unwrap(),
                words[1].parse().unwrap(),
                words[2].parse().unwrap(),
                words[6].to_owned(),
            )
        })
        .collect();
    let table = t7();
    let mine: Vec<_> = table
        .partitions
        .iter()
        .map(|it| (it.index, it.start / 512, (it.start + it.size) / 512 - 1, it.name.clone()))
        .collect();
    assert_eq!(mine, rows);
    for fact in [
        "holds up to 23 entries",
        "begins at sector 2 and ends at sector 7",
        "usable sector is 1024, last usable sector is 30776319",
    ] {
        assert!(text.contains(fact), "{fact}");
    }
}

#[test]
fn blocks_of_512_and_4096_bytes_are_told_apart() {
    for block in gpt::BLOCK_SIZES {
        let bytes = u64::from(block) * 200;
        let table = small(block, bytes);
        let found = read(&device(&table.write(bytes).unwrap()));
        assert_eq!((found.warnings, found.table), (vec![], table));
    }
}

#[test]
fn the_backup_serves_when_the_primary_is_gone_or_damaged() {
    for block in gpt::BLOCK_SIZES {
        let bytes = u64::from(block) * 200;
        let table = small(block, bytes);
        let written = table.write(bytes).unwrap();
        let mut gone = device(&written);
        gone[..written.primary.len()].fill(0);
        let found = read(&gone);
        assert_eq!((found.which, found.warnings), (Which::Backup, vec![Warning::Missing(Which::Primary)]));
        assert_eq!(found.table, table);

        let mut damaged = device(&written);
        damaged[usize::try_from(block).unwrap() * 2 + 60] ^= 1;
        let found = read(&damaged);
        assert_eq!((found.which, found.warnings), (Which::Backup, vec![Warning::Damaged(Which::Primary)]));
        assert_eq!(found.table, table);

        // A dump of the end of the device alone.
        let found = read(&written.backup);
        assert_eq!((found.which, found.table), (Which::Backup, table));
        assert_eq!(found.device_bytes, bytes);
        assert_eq!(
            found.warnings,
            [Warning::Misplaced { which: Which::Backup, told: 199 }, Warning::Missing(Which::Primary)]
        );
    }
}

#[test]
fn damage_without_a_backup_is_a_warning() {
    let bytes = 512 * 200;
    let table = small(512, bytes);
    let primary = table.write(bytes).unwrap().primary;
    let outside = Warning::BackupOutside { at: bytes - 512 };
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut dump = primary.clone();
        change(&mut dump);
        read(&dump)
    };
    let header = with(&|dump| dump[512 + 16] ^= 1);
    assert_eq!(
        (header.warnings, &header.table),
        (vec![Warning::HeaderCrc(Which::Primary), outside.clone()], &table)
    );
    let entry = with(&|dump| dump[1024 + 56] ^= 1);
    assert_eq!(entry.warnings, [Warning::TableCrc(Which::Primary), outside.clone()]);
    assert_eq!(entry.table.partitions[0].name, "coot");
    let cut = with(&|dump| dump.truncate(1024 + 300));
    let told = Warning::Cut { which: Which::Primary, have: 2, slots: 128 };
    assert_eq!((cut.warnings, cut.table.partitions.len()), (vec![told, outside.clone()], 1));
    let size = with(&|dump| dump[512 + 12] = 91);
    assert_eq!(size.warnings[0], Warning::HeaderBytes { which: Which::Primary, bytes: 91 });
    let extent = with(&|dump| dump[1024 + 40] = 3);
    assert_eq!(extent.warnings[1], Warning::Extent { index: 1, first: 64, last: 3 });
    let name = with(&|dump| dump[1024 + 57] = 0xD8);
    assert_eq!(name.warnings[1], Warning::Name { index: 1 });
}

#[test]
fn copies_that_differ_are_told() {
    let bytes = 512 * 200;
    let first = small(512, bytes);
    let mut second = first.clone();
    second.partitions[0].size -= 512;
    let mut mixed = first.write(bytes).unwrap();
    mixed.backup = second.write(bytes).unwrap().backup;
    let found = read(&device(&mixed));
    assert_eq!((found.warnings, found.table), (vec![Warning::Differ], first));
    mixed.backup.fill(0);
    assert_eq!(read(&device(&mixed)).warnings, [Warning::Missing(Which::Backup)]);
}

#[test]
fn headers_nothing_can_be_read_by_are_refused() {
    assert_eq!(gpt::read(&[][..]), Err(GptError::NoSignature));
    assert_eq!(gpt::read(&vec![0; 9000]), Err(GptError::NoSignature));
    let bytes = 512 * 200;
    let primary = small(512, bytes).write(bytes).unwrap().primary;
    let with = |at: usize, value: u32, len: usize| {
        let mut dump = primary.clone();
        dump[512 + at..512 + at + 4].copy_from_slice(&value.to_le_bytes());
        dump.truncate(len);
        gpt::read(&dump)
    };
    assert_eq!(with(84, 127, 4096), Err(GptError::EntryBytes { at: 512, bytes: 127 }));
    assert_eq!(with(80, u32::MAX, 4096), Err(GptError::TooLarge { at: 512, slots: u32::MAX, bytes: 128 }));
    assert_eq!(with(76, u32::MAX, 4096), Err(GptError::NoEntries { at: 512 }));
    assert_eq!(with(84, 128, 1024), Err(GptError::NoEntries { at: 512 }));
    assert_eq!(with(84, 128, 560), Err(GptError::CutHeader { at: 512 }));
}

#[test]
fn what_a_strict_reader_would_refuse_is_not_written() {
    let bytes = 512 * 200;
    let with = |change: &dyn Fn(&mut Table)| {
        let mut table = small(512, bytes);
        change(&mut table);
        table.write(bytes)
    };
    assert!(with(&|_| {}).is_ok());
    assert_eq!(with(&|it| it.block_bytes = 1024), Err(WriteError::BlockBytes(1024)));
    assert_eq!(with(&|it| it.entry_bytes = 130), Err(WriteError::EntryBytes(130)));
    assert_eq!(with(&|it| it.slots = 1 << 20), Err(WriteError::TooMany(1 << 20)));
    assert!(matches!(with(&|it| it.first_usable = 33), Err(WriteError::Device { .. })));
    assert!(matches!(with(&|it| it.last_usable = 167), Err(WriteError::Device { .. })));
    assert!(matches!(small(512, bytes).write(bytes + 1), Err(WriteError::Device { .. })));
    assert!(matches!(small(512, 4096).write(4096), Err(WriteError::Device { .. })));
    for index in [0, 3, 129] {
        assert!(
            matches!(with(&|it| it.partitions[0].index = index), Err(WriteError::Index { .. })),
            "{index}"
        );
    }
    for name in ["a\0b".to_owned(), "x".repeat(37), "𝄞".repeat(19)] {
        let refused = with(&|it| it.partitions[0].name.clone_from(&name));
        assert_eq!(refused, Err(WriteError::Name { name }));
    }
    assert!(matches!(with(&|it| it.partitions[0].kind = Guid::ZERO), Err(WriteError::Kind { .. })));
    for (start, size) in [
        (64 * 512, 0),
        (64 * 512 + 1, 512),
        (64 * 512, 513),
        (512, 512),
        (166 * 512, 1024),
        (512, u64::MAX - 511),
    ] {
        let refused = with(&|it| (it.partitions[0].start, it.partitions[0].size) = (start, size));
        assert!(matches!(refused, Err(WriteError::Extent { .. })), "{start} {size}");
    }
    let overlap = Err(WriteError::Overlap { first: "boot".to_owned(), second: "сказка".to_owned() });
    assert_eq!(with(&|it| it.partitions[0].size = 7 * 512), overlap);
}

#[test]
fn the_largest_table_is_read_and_written_in_no_time() {
    let bytes = 512 * 100_000;
    let slots = 8192;
    let partitions =
        (1..=slots).map(|index| partition(index, "p", (5000 + u64::from(index)) * 512, 512)).collect();
    let mut table = Table { slots, ..Table::new(512, bytes, partitions) };
    (table.first_usable, table.last_usable) = (3000, 90_000);
    let begun = Instant::now();
    let device = device(&table.write(bytes).unwrap());
    for _ in 0..20 {
        assert_eq!(read(&device).table.partitions.len(), 8192);
    }
    // A quadratic reader takes minutes: 20 times 67 million comparisons.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn sgdisk_finds_nothing_wrong_with_what_we_write() {
    let table = t7();
    let written = table.write(T7_BYTES).unwrap();
    let image = disk::image(T7_BYTES, &[(0, &written.primary), (written.backup_at, &written.backup)]);
    let path = image.path().to_str().unwrap();
    let Some(verdict) = disk::run("sgdisk", &["--verify", path]) else { return };
    assert!(verdict.contains("No problems found"), "{verdict}");
    let listed = disk::run("sgdisk", &["--print", path]).unwrap();
    assert!(listed.contains("Partition table holds up to 23 entries"), "{listed}");
    let rows: Vec<(u64, u64, &str)> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 7 && words[0].parse::<u32>().is_ok())
        .map(|words| (words[1].parse().unwrap(), words[2].parse().unwrap(), words[6]))
        .collect();
    let ours =
        table.partitions.iter().map(|it| (it.start / 512, (it.start + it.size) / 512 - 1, &it.name[..]));
    assert_eq!(rows, ours.collect::<Vec<_>>());
}

#[test]
fn we_read_what_sgdisk_writes_and_write_the_same_bytes() {
    let image = disk::image(64 << 20, &[]);
    let path = image.path().to_str().unwrap();
    let arguments = [
        "--disk-guid=01234567-89AB-CDEF-0123-456789ABCDEF",
        "--new=1:2048:4095",
        "--change-name=1:proinfo",
        "--typecode=1:0700",
        "--partition-guid=1:11111111-2222-3333-4444-555555555555",
        "--new=5:6144:40959",
        "--change-name=5:данные",
        "--typecode=5:8300",
        "--attributes=5:set:2",
        path,
    ];
    if disk::run("sgdisk", &arguments).is_none() {
        return;
    }
    let bytes = std::fs::read(image.path()).unwrap();
    let found = read(&bytes);
    assert_eq!((found.which, found.warnings.len(), found.device_bytes), (Which::Primary, 0, 64 << 20));
    let table = found.table;
    assert_eq!(table.disk_guid.to_string(), "01234567-89AB-CDEF-0123-456789ABCDEF");
    let [first, second] = &table.partitions[..] else { panic!("{:?}", table.partitions) };
    assert_eq!(
        (first.index, &first.name[..], first.start, first.size),
        (1, "proinfo", 2048 * 512, 2048 * 512)
    );
    assert_eq!(
        (first.kind, first.guid.to_string()),
        (Guid::BASIC_DATA, "11111111-2222-3333-4444-555555555555".to_owned())
    );
    assert_eq!(
        (second.index, &second.name[..], second.size, second.attributes),
        (5, "данные", 34816 * 512, 4)
    );
    assert_eq!(second.kind.to_string(), "0FC63DAF-8483-4772-8E79-3D69D8477DE4");

    let written = table.write(64 << 20).unwrap();
    let backup_at = usize::try_from(written.backup_at).unwrap();
    assert_eq!(&bytes[512..written.primary.len()], &written.primary[512..]);
    assert_eq!(&bytes[backup_at..], &written.backup[..]);
}

#[test]
fn fdisk_reads_blocks_of_4096_bytes_as_we_wrote_them() {
    let bytes = 4096 * 400;
    let written = small(4096, bytes).write(bytes).unwrap();
    let image = disk::image(bytes, &[(0, &written.primary), (written.backup_at, &written.backup)]);
    let path = image.path().to_str().unwrap();
    let arguments = ["--sector-size", "4096", "--list", "--output", "Start,End,Name", path];
    let Some(listed) = disk::run("fdisk", &arguments) else { return };
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["Disklabel", "type:", "gpt"]), "{listed}");
    assert!(rows.contains(&vec!["64", "67", "boot"]), "{listed}");
    assert!(rows.iter().any(|row| row.starts_with(&["70", "70"])), "{listed}");
}

prop_compose! {
    fn any_table()(
        block in prop::sample::select(gpt::BLOCK_SIZES.to_vec()),
        entry_bytes in prop::sample::select(vec![128_u32, 256]),
        disk_guid in any::<[u8; 16]>(),
        extra in 0_u32..40,
        parts in prop::collection::vec(
            (1_u32..4, 0_u64..9, 1_u64..50, "[^\\x00]{0,18}", any::<([u8; 16], u64)>()), 0..24),
    ) -> (Table, u64) {
        let (mut index, mut at) = (0, 5000);
        let mut partitions = Vec::new();
        for (step, gap, size, name, (guid, attributes)) in parts {
            index += step;
            at += gap;
            let blocks = u64::from(block);
            let kind = Guid([7; 16]);
            partitions.push(Partition { index, name, start: at * blocks, size: size * blocks, kind, guid: Guid(guid), attributes });
            at += size;
        }
        let slots = index + extra;
        let table = Table { block_bytes: block, disk_guid: Guid(disk_guid), first_usable: 4000, last_usable: at, slots, entry_bytes, partitions };
        (table, (at + 500) * u64::from(block))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_again((table, bytes) in any_table()) {
        let written = table.write(bytes).unwrap();
        let primary = gpt::read(&written.primary).unwrap();
        prop_assert_eq!(&primary.table, &table);
        prop_assert_eq!(primary.device_bytes, bytes);
        prop_assert!(!primary.is_damaged());
        prop_assert_eq!(gpt::read(&written.backup).unwrap().table, table);
    }

    #[test]
    fn one_flipped_bit_never_goes_unnoticed((table, bytes) in any_table(), place in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut primary = table.write(bytes).unwrap().primary;
        let block = usize::try_from(table.block_bytes).unwrap();
        // The 92 bytes of the header, then the entries.
        let entries = usize::try_from(table.slots * table.entry_bytes).unwrap();
        let at = place.index(92 + entries);
        let at = if at < 92 { block + at } else { block * 2 + at - 92 };
        primary[at] ^= 1_u8 << bit;
        prop_assert!(!gpt::read(&primary).is_ok_and(|found| !found.is_damaged()));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..9000), block in prop::sample::select(gpt::BLOCK_SIZES.to_vec()), small in any::<bool>()) {
        let at = usize::try_from(block).unwrap();
        if bytes.len() > at + 92 {
            bytes[at..at + 8].copy_from_slice(b"EFI PART");
            if small {
                bytes[at + 73..at + 80].fill(0);
                bytes[at + 81..at + 84].fill(0);
                bytes[at + 84..at + 88].copy_from_slice(&[128, 0, 0, 0]);
            }
        }
        if let Ok(found) = gpt::read(&bytes) {
            let _ = found.table.write(found.device_bytes);
        }
    }
}
