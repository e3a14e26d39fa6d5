//! Every map file of the data folder as read, one line a partition, against `snapshots/`, which were checked by eye
//! against the files. `BROMIDE_SNAPSHOTS=write` writes them anew; read what changed before committing it.
//!
//! A line is: line of the file, name, flash and region, start, size, `dl` where an image may be downloaded (`dl?` and
//! `--?` where that is assumed by the name), and what else is stated. `+0x..` is a start summed up from sizes, `?` a start or size nothing is said of; `~next` and `~end`
//! are sizes the file does not state. `-key` and `+key` are further keys that say `false` and `true`.

#[path = "support/samples.rs"]
mod samples;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bromide_image::map::{
    self, Content, Details, Manifest, Map, Partition, Region, Reserved, Size, StartIs, Storage,
};
use samples::data;

const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");

/// The data folder names its samples by phone; the manifest has the name from before.
const MANIFEST: &str = "MT6789_flash.xml";
const NAMED_BY_MANIFEST: (&str, &str) = ("MT6789_Android_scatter.xml", "MT6789_emmc_ufs_v2.xml");

/// What `mount` prints on a phone, and the listing of that phone it belongs to.
const MOUNT: (&str, &str) = ("seed_mt6575_mount.txt", "seed_mt6575_proc_mtd.txt");

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        writeln!(self.0, "{}", line.trim_end()).unwrap();
    }

    fn map(&mut self, map: &Map) {
        let or_none = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
        let mut head = format!(
            "{} | platform {} | project {} | version {} | erase block {} | pool {}",
            map.source.title(),
            or_none(&map.platform),
            or_none(&map.project),
            or_none(&map.config_version),
            map.erase_block.map_or_else(|| "-".to_owned(), |it| format!("{it:#x}")),
            map.pool_blocks.map_or_else(|| "-".to_owned(), |it| format!("{it} blocks")),
        );
        if let Some(id) = &map.mtd_id {
            write!(head, " | flash {id}").unwrap();
        }
        self.line(&format!("{head}{}", keys(&map.other)));
        for it in &map.sections {
            let block = it.block_size.map_or_else(|| "-".to_owned(), |it| format!("{it:#x}"));
            let channel = or_none(&it.boot_channel);
            self.line(&format!("section {}: boot {channel}, block {block}{}", it.storage, keys(&it.other)));
        }
        map.notes.iter().for_each(|it| self.line(&format!("note: {it}")));
        let stated = map.source.states_downloads();
        map.partitions.iter().for_each(|it| self.partition(it, stated));
        map.reserved.iter().for_each(|it| self.reserved(it));
    }

    fn partition(&mut self, it: &Partition, stated: bool) {
        let start = match it.start_is {
            StartIs::Stated => format!("{:#x}", it.start),
            StartIs::FromSizes => format!("+{:#x}", it.start),
            StartIs::Unknown => "?".to_owned(),
        };
        let size = match it.size {
            Size::Stated(size) => format!("{size:#x}"),
            Size::ToNext => "~next".to_owned(),
            Size::ToEnd => "~end".to_owned(),
            Size::Unknown => "?".to_owned(),
        };
        let linear = it.linear.map_or_else(String::new, |it| format!(" linear {it:#x}"));
        let place = place(it.storage, &it.region);
        let rest = details(&it.details);
        let download = format!("{}{}", mark(it.downloadable), if stated { "" } else { "?" });
        self.row(it.line, &it.name, &place, [&start, &size], &format!("{download}{linear}{rest}"));
    }

    /// An area counted from the end: its place is a number of blocks.
    fn reserved(&mut self, it: &Reserved) {
        let start = format!("end-{:#x}", it.blocks_from_end);
        let size = it.size.map_or_else(|| "?".to_owned(), |it| format!("{it:#x}"));
        let place = place(it.storage, &it.region);
        let rest = format!("{}{}", mark(it.downloadable), details(&it.details));
        self.row(it.line, &it.name, &place, [&start, &size], &rest);
    }

    fn row(&mut self, line: u32, name: &str, place: &str, [start, size]: [&str; 2], rest: &str) {
        self.line(&format!("{line:4} {name:16} {place:10} {start:>12} {size:>12} {rest}"));
    }

    fn manifest(&mut self, it: &Manifest) {
        let agent = it.download_agent.as_deref().unwrap_or("-");
        self.line(&format!("manifest | scatter {} | agent {agent}{}", it.scatter, keys(&it.other)));
    }
}

fn mark(downloadable: bool) -> &'static str {
    if downloadable { "dl" } else { "--" }
}

fn place(storage: Storage, region: &Region) -> String {
    let region = match region {
        Region::Whole => "whole".to_owned(),
        Region::Boot1 => "boot1".to_owned(),
        Region::Boot2 => "boot2".to_owned(),
        Region::BothBoots => "boot1+2".to_owned(),
        Region::Rpmb => "rpmb".to_owned(),
        Region::Gp(at) => format!("gp{at}"),
        Region::User => "user".to_owned(),
        Region::UfsLu(at) => format!("lu{at}"),
        Region::UfsBothBoots => "lu0+1".to_owned(),
        Region::Other(word) => format!("other {word}"),
    };
    let storage = match storage {
        Storage::Unknown => "?".to_owned(),
        known => known.to_string(),
    };
    format!("{storage}/{region}")
}

fn details(it: &Details) -> String {
    let mut text = String::new();
    if it.reserved {
        text.push_str(" reserved");
    }
    for word in [&it.operation, &it.kind].into_iter().flatten() {
        write!(text, " {word}").unwrap();
    }
    for (key, value) in [("file", &it.file), ("device", &it.device)] {
        if let Some(value) = value {
            write!(text, " {key} {value}").unwrap();
        }
    }
    if let Some(mount) = &it.mount {
        write!(text, " on {} as {}", mount.point, mount.file_system).unwrap();
    }
    it.flags.iter().for_each(|it| write!(text, " {it}").unwrap());
    text + &keys(&it.other)
}

fn keys(pairs: &[(String, String)]) -> String {
    let one = |(key, value): &(String, String)| match value.as_str() {
        "true" => format!(" +{key}"),
        "false" => format!(" -{key}"),
        "" => format!(" {key}=\"\""),
        value => format!(" {key}={value}"),
    };
    pairs.iter().map(one).collect()
}

fn file<'a>(files: &'a [(String, Vec<u8>)], name: &str) -> &'a [u8] {
    let found = files.iter().find(|it| it.0 == name);
    &found.unwrap_or_else(|| panic!("{name} is not among the samples")).1
}

fn parse(name: &str, bytes: &[u8]) -> Map {
    map::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}: {}", error.text))
}

/// The manifest, and the map it leads to from where it lies.
fn follow(files: &[(String, Vec<u8>)], text: &mut Text) -> Map {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("download_agent");
    fs::create_dir(&agents).unwrap();
    let (original, sample) = NAMED_BY_MANIFEST;
    fs::write(folder.path().join(original), file(files, sample)).unwrap();
    fs::write(agents.join("flash.xml"), file(files, MANIFEST)).unwrap();

    let Content::Manifest(manifest) = map::read(&fs::read(agents.join("flash.xml")).unwrap()).unwrap() else {
        panic!("{MANIFEST} is a manifest");
    };
    text.manifest(&manifest);
    let map = parse(MANIFEST, &fs::read(agents.join(&manifest.scatter)).unwrap());
    text.line(&format!("leads to {} entries", map.partitions.len() + map.reserved.len()));
    map
}

/// Name of the snapshot and what should stand in it.
fn snapshots(folder: &str, files: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let mut made = Vec::new();
    for (name, bytes) in files {
        let mut text = Text::default();
        if name == MANIFEST {
            let followed = follow(files, &mut text);
            assert_eq!(followed, parse(name, file(files, NAMED_BY_MANIFEST.1)));
        } else if name == MOUNT.0 {
            for listing in [MOUNT.1, "seed_mt6575_proc_partitions.txt"] {
                let mut map = parse(listing, file(files, listing));
                let count = map::annotate(&mut map, bytes);
                text.line(&format!("{listing}: {count} mounted"));
                text.map(&map);
            }
        } else if name == "README.md" || name == "vendor_verdicts.tsv" {
            continue;
        } else {
            text.map(&parse(name, bytes));
        }
        let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
        made.push((format!("{folder}_{stem}.txt"), text.0));
    }
    made
}

/// The first line in which two texts differ.
fn difference(is: &str, was: &str) -> String {
    let count = is.lines().count().max(was.lines().count());
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
    let at = (0..count).find(|&at| line(is, at) != line(was, at));
    at.map_or_else(String::new, |at| {
        format!("line {}\n  now:    {}\n  before: {}\n", at + 1, line(is, at), line(was, at))
    })
}

fn every_sample_of(folder: &str) {
    let Some(files) = data(folder) else { return };
    let write = std::env::var_os("BROMIDE_SNAPSHOTS").is_some_and(|it| it == "write");
    let mut differs = String::new();
    let made = snapshots(folder, &files);
    for (name, now) in &made {
        let path = Path::new(SNAPSHOTS).join(name);
        if write {
            fs::write(&path, now).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        if *now != before {
            writeln!(differs, "{name}, {}", difference(now, &before)).unwrap();
        }
    }
    assert!(differs.is_empty(), "{differs}");
    // A snapshot without its sample is one nobody compares.
    let kept = fs::read_dir(SNAPSHOTS).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let stale: Vec<_> = kept
        .filter(|it| it.starts_with(&format!("{folder}_")) && !made.iter().any(|made| made.0 == *it))
        .collect();
    assert!(stale.is_empty(), "no sample belongs to {stale:?}");
}

#[test]
fn every_scatter_sample_is_read_as_it_was_when_somebody_looked() {
    every_sample_of("scatter");
}

#[test]
fn every_listing_is_read_as_it_was_when_somebody_looked() {
    every_sample_of("proc");
}
