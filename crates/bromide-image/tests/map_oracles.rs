//! What the map writers write, read by parsers that are not ours: a YAML parser, an XML parser, `serde_json`, `csv` and
//! a few lines for `mtdparts=`. Over every sample of the data folder and over maps with names that mean something to
//! those formats. Also the vendor's rules on what is written (formats.md section 2).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use bromide_image::map::{
    self, Content, Format, Map, Partition, Region, Reserved, Section, Size, Source, StartIs, Storage,
};
use proptest::prelude::*;

#[path = "support/foreign.rs"]
mod foreign;

use foreign::{Document, Entry};

/// The keys of an entry in the printed order (formats.md section 2.2). Rare ones stand before `reserve`.
const ENTRY_KEYS: [&str; 13] = [
    "partition_index",
    "partition_name",
    "file_name",
    "is_download",
    "type",
    "linear_start_addr",
    "physical_start_addr",
    "partition_size",
    "region",
    "storage",
    "boundary_check",
    "is_reserved",
    "operation_type",
];

/// Every map of the data folder, or nothing with a word about it.
fn samples() -> Vec<(String, Map)> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let mut maps = Vec::new();
    for folder in ["scatter", "proc"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else {
            eprintln!("skipped: no sample data (BROMIDE_DATA/{folder})");
            return Vec::new();
        };
        for entry in entries.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            // What is no map at all is told apart by the tests of the samples.
            if let Ok(Content::Map(map)) = map::read(&fs::read(entry.path()).unwrap()) {
                maps.push((name, map));
            }
        }
    }
    assert!(maps.len() > 25, "the data folder has more maps than {}", maps.len());
    maps
}

/// The next start in the same region of the same flash.
fn next_start(map: &Map, it: &Partition) -> Option<u64> {
    let same = |other: &&Partition| (other.storage, &other.region) == (it.storage, &it.region);
    let known = map.partitions.iter().filter(same).filter(|it| it.start_is != StartIs::Unknown);
    known.map(|it| it.start).filter(|start| *start > it.start).min()
}

/// What a scatter file must say of each partition and area of a map, in the order of the lines: flash, name, file,
/// download, linear address, address, size, reserved.
fn said(map: &Map) -> Vec<[String; 8]> {
    let mut rows = Vec::new();
    let word = |it: Storage| if it == Storage::Unknown { "NAND" } else { it.scatter() }.to_owned();
    let hex = |it: u64| format!("{it:#x}");
    for it in map.partitions.iter().filter(|it| it.start_is != StartIs::Unknown) {
        let size = match it.size {
            Size::Stated(size) => size,
            Size::ToEnd => 0,
            Size::ToNext | Size::Unknown => next_start(map, it).map_or(0, |next| next - it.start),
        };
        let file = it.details.file.clone().unwrap_or_else(|| "NONE".to_owned());
        let linear = it.linear.unwrap_or(it.start);
        let marks = [it.downloadable, it.details.reserved].map(|it| it.to_string());
        let [download, reserved] = marks;
        let name = it.name.clone();
        let row = [word(it.storage), name, file, download, hex(linear), hex(it.start), hex(size), reserved];
        rows.push((it.line, row));
    }
    for it in &map.reserved {
        let file = it.details.file.clone().unwrap_or_else(|| "NONE".to_owned());
        let at = hex(0xFFFF_0000 + u64::from(it.blocks_from_end));
        let [download, reserved] = [it.downloadable, it.details.reserved].map(|it| it.to_string());
        let size = hex(it.size.unwrap_or(0));
        let row = [word(it.storage), it.name.clone(), file, download, at.clone(), at, size, reserved];
        rows.push((it.line, row));
    }
    rows.sort_by_key(|it| it.0);
    // A file lists one flash after the other.
    let mut order: Vec<String> = Vec::new();
    let storages = map.partitions.iter().map(|it| it.storage).chain(map.reserved.iter().map(|it| it.storage));
    for it in storages.map(word) {
        if !order.contains(&it) {
            order.push(it);
        }
    }
    rows.sort_by_key(|it| order.iter().position(|word| *word == it.1[0]));
    rows.into_iter().map(|it| it.1).collect()
}

fn read_back(document: &Document) -> Vec<[String; 8]> {
    let row = |it: &Entry| {
        let keys = [
            "storage",
            "partition_name",
            "file_name",
            "is_download",
            "linear_start_addr",
            "physical_start_addr",
            "partition_size",
            "is_reserved",
        ];
        let mut row = keys.map(|key| it.get(key).to_owned());
        row[0] = row[0].strip_prefix("HW_STORAGE_").unwrap().to_owned();
        if let Some(section) = &it.section {
            assert_eq!(*section, row[0], "an entry in the section of another flash");
        }
        row
    };
    document.entries.iter().map(row).collect()
}

/// Required keys, their order, and the words that may stand in them.
fn vendor_rules(text: &str, document: &Document) {
    assert!(!text.contains('\r') && text.ends_with('\n'), "lines end with a line feed");
    let header: Vec<&str> = document.header.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(header[0], "config_version");
    let at = |key: &str| header.iter().position(|it| *it == key);
    if document.nested {
        assert!(document.sections.iter().all(|it| it[..3] == ["storage", "boot_channel", "block_size"]));
    } else {
        let places = ["storage", "boot_channel", "block_size"].map(|key| at(key).expect(key));
        assert!(places.is_sorted(), "{header:?}");
        // Keys that are rare come behind those that every file has.
        let named = ["platform", "project"].iter().filter(|it| at(it).is_some()).count();
        assert_eq!(at("block_size"), Some(named + 3), "{header:?}");
    }
    assert!(at("platform").is_none_or(|it| it == 1), "{header:?}");
    for (index, entry) in document.entries.iter().enumerate() {
        let keys: Vec<&str> = entry.keys.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(keys[..ENTRY_KEYS.len()], ENTRY_KEYS, "entry {index}");
        assert_eq!(keys.last(), Some(&"reserve"), "entry {index}");
        assert!(entry.get("partition_index").starts_with("SYS"));
        for key in ["is_download", "boundary_check", "is_reserved"] {
            assert!(["true", "false"].contains(&entry.get(key)), "{key} of entry {index}");
        }
        for key in ["linear_start_addr", "physical_start_addr", "partition_size"] {
            let digits =
                entry.get(key).strip_prefix("0x").unwrap_or_else(|| panic!("{key} of entry {index}"));
            u64::from_str_radix(digits, 16).unwrap();
        }
    }
}

fn check_yaml(map: &Map) {
    let written = map::write(map, Format::ScatterV1);
    let document = foreign::yaml(&written.text);
    vendor_rules(&written.text, &document);
    assert_eq!(read_back(&document), said(map));
    assert_eq!(document.entries.len(), written.entries);
}

fn check_xml(map: &Map) {
    let written = map::write(map, Format::ScatterXml);
    let document = foreign::xml(&written.text);
    vendor_rules(&written.text, &document);
    assert_eq!(read_back(&document), said(map));
    assert_eq!(document.entries.len(), written.entries);
}

/// Header, kinds, operations, regions and rare keys, besides the places.
fn check_all_keys(map: &Map, document: &Document) {
    let header = |key: &str| document.header.iter().find(|it| it.0 == key).map(|it| it.1.as_str());
    assert_eq!(header("platform"), map.platform.as_deref());
    assert_eq!(header("project"), map.project.as_deref());
    for (key, value) in &map.other {
        assert_eq!(header(key), Some(value.as_str()));
    }
    let old_boot = header("config_version") == Some("V1.1.1");
    for it in &map.partitions {
        let storage = format!("HW_STORAGE_{}", it.storage.scatter());
        let same = |entry: &&Entry| entry.get("partition_name") == it.name && entry.get("storage") == storage;
        let entry = document.entries.iter().find(same).unwrap();
        let region = match it.region {
            Region::Boot1 if old_boot => "EMMC_BOOT_1",
            Region::Boot1 => "EMMC_BOOT1",
            Region::Boot2 => "EMMC_BOOT2",
            Region::BothBoots => "EMMC_BOOT1_BOOT2",
            Region::User => "EMMC_USER",
            Region::UfsLu(0) => "UFS_LU0",
            Region::UfsLu(1) => "UFS_LU1",
            Region::UfsLu(2) => "UFS_LU2",
            Region::UfsBothBoots => "UFS_LU0_LU1",
            _ => panic!("no sample has {:?}", it.region),
        };
        assert_eq!(entry.get("region"), region, "{}", it.name);
        assert_eq!(entry.get("type"), it.details.kind.as_deref().unwrap_or("NONE"), "{}", it.name);
        assert_eq!(Some(entry.get("operation_type")), it.details.operation.as_deref(), "{}", it.name);
        for (key, value) in &it.details.other {
            assert_eq!(entry.get(key), value, "{} of {}", key, it.name);
        }
    }
}

#[test]
fn a_yaml_parser_reads_every_sample_written_as_scatter_text() {
    for (name, map) in samples() {
        eprintln!("{name}");
        check_yaml(&map);
        if map.config_version.is_some() {
            check_all_keys(&map, &foreign::yaml(&map::write(&map, Format::ScatterV1).text));
        }
    }
}

#[test]
fn an_xml_parser_reads_every_sample_written_as_xml() {
    for (name, map) in samples() {
        eprintln!("{name}");
        check_xml(&map);
        if map.config_version.is_some() {
            check_all_keys(&map, &foreign::xml(&map::write(&map, Format::ScatterXml).text));
        }
    }
}

fn check_json(map: &Map) {
    let json: serde_json::Value = serde_json::from_str(&map::write(map, Format::Json).text).unwrap();
    let text = |it: &Option<String>| it.clone().map_or(serde_json::Value::Null, Into::into);
    assert_eq!(json["platform"], text(&map.platform));
    assert_eq!(json["project"], text(&map.project));
    let rows = json["partitions"].as_array().unwrap();
    assert_eq!(rows.len(), map.partitions.len());
    for (row, it) in rows.iter().zip(&map.partitions) {
        assert_eq!(row["name"], it.name.as_str());
        let start = (it.start_is != StartIs::Unknown).then_some(it.start);
        assert_eq!(row["start"].as_u64(), start, "{}", it.name);
        assert_eq!(row["start_derived"], it.start_is == StartIs::FromSizes, "{}", it.name);
        let stated = if let Size::Stated(size) = it.size { Some(size) } else { None };
        assert_eq!((row["size"].as_u64(), row["size"].is_null()), (stated, stated.is_none()), "{}", it.name);
        assert_eq!(row["downloadable"], it.downloadable, "{}", it.name);
        assert_eq!(row["linear"].as_u64(), it.linear, "{}", it.name);
        assert_eq!(row["file"], text(&it.details.file), "{}", it.name);
        assert_eq!(row["type"], text(&it.details.kind), "{}", it.name);
        assert_eq!(row["other"].as_array().unwrap().len(), it.details.other.len());
    }
    let areas = json["reserved"].as_array().unwrap();
    assert_eq!(areas.len(), map.reserved.len());
    for (row, it) in areas.iter().zip(&map.reserved) {
        assert_eq!(row["name"], it.name.as_str());
        assert_eq!(row["blocks_from_end"], it.blocks_from_end, "{}", it.name);
        assert_eq!(row["size"].as_u64(), it.size, "{}", it.name);
    }
}

fn check_csv(map: &Map) {
    let text = map::write(map, Format::Csv).text;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading = reader.headers().unwrap().clone();
    let column = |name: &str| heading.iter().position(|it| it == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), map.partitions.len() + map.reserved.len());
    let hex = |it: Option<u64>| it.map_or_else(String::new, |it| format!("{it:#x}"));
    let mut expected = Vec::new();
    for it in &map.partitions {
        let start = (it.start_is != StartIs::Unknown).then_some(it.start);
        let size = if let Size::Stated(size) = it.size { Some(size) } else { None };
        expected.push((it.line, it.name.clone(), hex(start), hex(size), it.details.file.clone()));
    }
    for it in &map.reserved {
        expected.push((it.line, it.name.clone(), String::new(), hex(it.size), it.details.file.clone()));
    }
    expected.sort_by_key(|it| it.0);
    for (row, it) in rows.iter().zip(expected) {
        let cell = |name| row[column(name)].to_owned();
        let file = it.4.unwrap_or_default();
        assert_eq!([cell("name"), cell("start"), cell("size"), cell("file")], [it.1, it.2, it.3, file]);
    }
}

#[test]
fn serde_json_and_the_csv_crate_read_every_sample() {
    for (name, map) in samples() {
        eprintln!("{name}");
        check_json(&map);
        check_csv(&map);
    }
}

/// Name, start and size of what `mtdparts=` can hold of a map: NAND with known starts, no blank, `;` or `)` in the name.
fn mtd(map: &Map) -> Vec<(String, u64, Option<u64>)> {
    let nand = |it: &&Partition| {
        matches!(it.storage, Storage::Nand | Storage::Nor | Storage::Unknown)
            && it.region == Region::Whole
            && it.start_is != StartIs::Unknown
            && !it.name.contains([')', ';', ' '])
    };
    let size = |it: &Partition| match it.size {
        Size::Stated(size) => Some(size),
        Size::ToEnd => None,
        Size::ToNext | Size::Unknown => next_start(map, it).map(|next| next - it.start),
    };
    map.partitions.iter().filter(nand).map(|it| (it.name.clone(), it.start, size(it))).collect()
}

#[test]
fn mtdparts_of_every_sample_adds_up_to_its_places() {
    let mut held = 0;
    for (name, map) in samples() {
        let written = map::write(&map, Format::Mtdparts);
        assert_eq!(foreign::mtdparts(&written.text), mtd(&map), "{name}");
        held += written.entries;
    }
    eprintln!("{held} partitions");
}

/// The vendor's library takes dialect A only so (formats.md section 2.1, table of observed results).
fn check_oldest(text: &str) -> usize {
    assert!(!text.contains('\r'));
    let body = text.strip_suffix("\n\n").expect("two empty lines at the end, as the generator has them");
    let lines: Vec<&str> = body.lines().collect();
    let mut before = None;
    for entry in lines.chunks(3) {
        let [head, "{", "}"] = entry else { panic!("{entry:?}") };
        let (name, address) = head.split_once(' ').unwrap();
        assert!(
            name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') && !name.is_empty(),
            "{name}"
        );
        let address = u64::from_str_radix(address.strip_prefix("0x").unwrap(), 16).unwrap();
        assert!(address <= 0xFFFF_FFFF, "{head}");
        if address < 0xFFFF_0000 {
            assert_eq!(address % 4, 0, "{head}: 5012, not word aligned");
            assert!(before.is_none_or(|it| it < address), "{head}: 5014, not ascending");
            before = Some(address);
        }
    }
    lines.len() / 3
}

#[test]
fn the_oldest_dialect_keeps_the_rules_of_the_vendors_library() {
    for (name, map) in samples() {
        let written = map::write(&map, Format::ScatterV0);
        assert_eq!(check_oldest(&written.text), written.entries, "{name}");
    }
}

/// Words that mean something to one of the formats, and what the readers of maps let through.
const WORDS: [&str; 55] = [
    "yes", "no", "null", "~", "true", "0123", "0x10", "1e3", "1_000", "-1", ".5", "NaN", "NONE", "SYS0",
    "---", "...", "-", "- a", "?", "? a", ":", "a:b", "a: b", "a:", "a #b", "#a", "&a", "*a", "!a", "|", ">",
    "%a", "@a", "`a`", "[a]", "{a}", "'a'", "a'b", "it's", "<a>", "</root>", "&amp;", "a&b", "]]>", "<!--",
    "a,b", "(a)", "a;b", "é", "分区", "😀", "a b", "\"a\"", "a\"b", "a\\b",
];

/// Whether YAML takes these characters as a plain scalar that is nothing but them (YAML 1.2, section 7.3.3).
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let (first, second) = (chars.next().unwrap(), chars.next());
    let starts = match first {
        '-' | '?' | ':' => second.is_some_and(|it| it != ' '),
        it => !",[]{}#&*!|>'\"%@`".contains(it),
    };
    starts && !text.contains(": ") && !text.contains(" #") && !text.ends_with(':')
}

/// What may stand in a value, such as the name of an image file.
fn value() -> impl Strategy<Value = String> {
    let any = "[A-Za-z0-9_.:#&<>'\"/\\\\é!*%@,;()\\[\\]{}|~=+ -]{1,12}";
    prop_oneof![proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), any, "[A-Za-z_0-9]{1,10}"]
        .prop_filter("blanks around a value are not part of it", |it| it.trim() == it)
}

/// What may be the name of a partition.
fn name() -> impl Strategy<Value = String> {
    value()
        .prop_filter("no reader lets it through", |it| !it.starts_with('.') && !it.contains(['/', '\\', '"']))
}

prop_compose! {
    fn partitions(storage: Storage, region: Region)(
        rows in proptest::collection::vec((name(), 1_u64..0x4_0000, 0_u8..3, any::<bool>(), value()), 1..10),
    ) -> Vec<Partition> {
        let mut seen = BTreeSet::new();
        let mut start = 0;
        let mut made: Vec<Partition> = Vec::new();
        for (name, step, size, downloadable, file) in rows {
            if !seen.insert(name.to_lowercase()) {
                continue;
            }
            let length = step * 4096;
            let size = [Size::Stated(length), Size::Stated(4096), Size::ToNext][usize::from(size)];
            let mut it = Partition::new(name, start, size, 0);
            (it.storage, it.region, it.downloadable) = (storage, region.clone(), downloadable);
            it.details.file = Some(file).filter(|it| !it.eq_ignore_ascii_case("NONE"));
            made.push(it);
            start += length;
        }
        made.last_mut().unwrap().size = Size::ToEnd;
        made
    }
}

prop_compose! {
    fn nasty_map()(
        nand in partitions(Storage::Nand, Region::Whole),
        ufs in proptest::option::of(partitions(Storage::Ufs, Region::UfsLu(2))),
        pool in proptest::option::of((1_u32..0x1_0000, name())),
        project in value(),
    ) -> Map {
        let mut map = Map::new(Source::ScatterV1);
        map.platform = Some("MT6765".to_owned());
        map.project = Some(project).filter(|it| !it.eq_ignore_ascii_case("NONE"));
        let section = |storage| Section { storage, block_size: Some(0x20000), ..Section::default() };
        map.sections.push(section(Storage::Nand));
        map.partitions = nand;
        if let Some((blocks, name)) = pool {
            let mut area = Reserved::new(name, blocks, 0);
            area.storage = Storage::Nand;
            map.reserved.push(area);
        }
        if let Some(ufs) = ufs {
            map.sections.push(section(Storage::Ufs));
            map.partitions.extend(ufs);
        }
        // The area stands behind the partitions of its flash.
        for (line, it) in (1..).zip(&mut map.partitions) {
            it.line = line + u32::from(it.storage == Storage::Ufs);
        }
        let last = map.partitions.iter().filter(|it| it.storage == Storage::Nand).map(|it| it.line).max().unwrap();
        map.reserved.iter_mut().for_each(|it| it.line = last + 1);
        map
    }
}

fn all_words(map: &Map) -> impl Iterator<Item = &str> {
    let names = map.partitions.iter().flat_map(|it| [Some(it.name.as_str()), it.details.file.as_deref()]);
    let areas = map.reserved.iter().map(|it| Some(it.name.as_str()));
    names.chain(areas).chain([map.project.as_deref()]).flatten()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_xml_parser_a_json_parser_and_a_csv_parser_read_any_names(map in nasty_map()) {
        check_xml(&map);
        check_json(&map);
        check_csv(&map);
    }

    #[test]
    fn a_yaml_parser_reads_any_names_that_are_plain_scalars(mut map in nasty_map()) {
        // The vendor's printer quotes nothing and its readers unquote nothing: what is no plain scalar is theirs alone.
        let plain = |it: &mut String| if !is_plain(it) { *it = format!("x{}", it.len()) };
        map.project.iter_mut().for_each(plain);
        for at in 0..map.partitions.len() {
            let it = &mut map.partitions[at];
            if !is_plain(&it.name) {
                it.name = format!("x_{at}");
            }
            it.details.file.iter_mut().for_each(plain);
        }
        map.reserved.iter_mut().for_each(|it| plain(&mut it.name));
        prop_assert!(all_words(&map).all(is_plain));
        check_yaml(&map);
    }

    #[test]
    fn our_own_reader_takes_names_that_yaml_takes_otherwise(map in nasty_map()) {
        let map::Written { text, remarks, .. } = map::write(&map, Format::ScatterV1);
        let told = remarks.iter().any(|it| it.contains("YAML"));
        prop_assert_eq!(told, !all_words(&map).all(is_plain), "{:?}", remarks);
        let again = map::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(said(&again), said(&map));
    }

    #[test]
    fn mtdparts_with_any_names_adds_up(mut map in nasty_map()) {
        map.partitions.retain(|it| it.storage == Storage::Nand);
        prop_assert_eq!(foreign::mtdparts(&map::write(&map, Format::Mtdparts).text), mtd(&map));
    }

    #[test]
    fn the_oldest_dialect_with_any_names_keeps_the_vendors_rules(map in nasty_map()) {
        let written = map::write(&map, Format::ScatterV0);
        prop_assert_eq!(check_oldest(&written.text), written.entries);
    }
}

#[test]
fn the_parser_this_is_held_against_does_tell_scalars_apart() {
    for word in WORDS {
        assert_eq!(foreign::plain_value(word).as_deref() == Some(word), is_plain(word), "{word}");
    }
}
