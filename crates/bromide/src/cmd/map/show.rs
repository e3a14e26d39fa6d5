//! `map show`: a map as a table, with what is drawn of it.

use std::path::PathBuf;

use bromide_image::map::{self, Format, Map, Partition, Region, Size, StartIs, Storage};
use clap::Args;
use serde_json::{Value, json};

use super::draw::{bars, sign, svg};
use super::load::{create, load, text};
use super::{Select, region_name};
use crate::front::Front;
use crate::numbers::{bytes, grouped};
use crate::out::{self, harmless};
use crate::report::Failure;

/// Show a partition map as a table and drawn to scale
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Scatter file of any kind, flash.xml, a listing of the phone (/proc/mtd, dumchar_info, mtdparts= ...), JSON or CSV of `map convert`,
    /// or a dump with a GPT, PMT or MBR in it
    pub(crate) file: PathBuf,
    /// What `mount` prints on the phone: names partitions and tells where they are mounted
    #[arg(long, value_name = "FILE")]
    pub(crate) mounts: Option<PathBuf>,
    /// Draw the map into this SVG file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Size of the chip (NAND) or user area (eMMC), for what counts from the end: 512M, 0x20000000
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) flash_size: Option<u64>,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// A partition or area with the place that is known of it.
pub(super) struct Span<'a> {
    pub(super) name: &'a str,
    pub(super) storage: Storage,
    pub(super) region: &'a Region,
    pub(super) start: Option<u64>,
    pub(super) end: Option<u64>,
    /// Something of the place is derived, not stated.
    derived: bool,
    downloadable: bool,
    kind: Option<&'a str>,
}

impl Span<'_> {
    pub(super) fn size(&self) -> Option<u64> {
        self.end?.checked_sub(self.start?)
    }
}

/// In the order of regions and starts. Ends that are a matter of the next start or of the flash are worked out.
pub(super) fn spans(map: &Map, flash_size: Option<u64>) -> Vec<Span<'_>> {
    let mut sorted: Vec<&Partition> = map.partitions.iter().collect();
    sorted.sort_by(|a, b| (a.storage, &a.region, a.start).cmp(&(b.storage, &b.region, b.start)));
    let mut spans = Vec::new();
    for (at, it) in sorted.iter().enumerate() {
        let next = sorted.get(at + 1).filter(|next| (next.storage, &next.region) == (it.storage, &it.region));
        let end = match it.size {
            Size::Stated(size) => Some(it.start.saturating_add(size)),
            Size::ToNext | Size::Unknown => next.map(|next| next.start),
            Size::ToEnd => flash_size.filter(|_| it.region.has_device_end()),
        };
        let known = it.start_is != StartIs::Unknown;
        spans.push(Span {
            name: &it.name,
            storage: it.storage,
            region: &it.region,
            start: known.then_some(it.start),
            end: end.filter(|end| known && *end >= it.start),
            derived: it.start_is == StartIs::FromSizes || !matches!(it.size, Size::Stated(_)),
            // What is assumed by the name is no news of the file.
            downloadable: it.downloadable || !map.source.states_downloads(),
            kind: it.details.kind.as_deref(),
        });
    }
    for it in &map.reserved {
        let place = flash_size.and_then(|size| it.place(size, map.block_size(it.storage)));
        spans.push(Span {
            name: &it.name,
            storage: it.storage,
            region: &it.region,
            start: place.map(|it| it.0),
            end: place.map(|(start, size)| start.saturating_add(size)),
            derived: true,
            downloadable: it.downloadable,
            kind: it.details.kind.as_deref(),
        });
    }
    spans
}

/// `bromide map show`.
pub(crate) fn show(args: &Show, front: &mut Front) -> Result<(), Failure> {
    let mut map = args.select.of(load(&args.file)?)?;
    if let Some(mounts) = &args.mounts {
        let found = map::annotate(&mut map, &text(mounts)?);
        front.say(&format!("{found} partitions are mounted"));
    }
    let spans = spans(&map, args.flash_size);
    if let Some(path) = &args.svg {
        create(path, svg(&spans).as_bytes())?;
    }
    if let Front::Json(json) = front {
        let written = map::write(&map, Format::Json).text;
        let value: Value = serde_json::from_str(&written).unwrap_or(Value::Null);
        json.line(&json!({ "event": "map", "map": value }));
        return Ok(());
    }
    for note in &map.notes {
        front.say(&harmless(note));
    }
    let mut lines = vec![header(&map)];
    lines.extend(table(&spans));
    lines.extend(bars(&spans));
    out::result(&lines)
}

fn header(map: &Map) -> String {
    let platform = map.platform.as_deref().unwrap_or("SoC not named");
    let version = map.config_version.as_deref().map_or(String::new(), |it| format!(" {it}"));
    let count = map.partitions.len() + map.reserved.len();
    harmless(&format!("{platform}: {count} entries, {}{version}", map.source.title()))
}

fn table(spans: &[Span<'_>]) -> Vec<String> {
    let widest = spans.iter().map(|it| it.name.chars().count()).max().unwrap_or(0).clamp(4, 32);
    let mut lines = vec![format!(
        "     {:widest$}  {:7} {:16} {:>14} {:>16}  remarks",
        "name", "storage", "region", "start", "bytes"
    )];
    for (at, it) in spans.iter().enumerate() {
        let start = it.start.map_or("?".to_owned(), |it| format!("{it:#x}"));
        let size = it.size().map_or("?".to_owned(), grouped);
        let mut remarks: Vec<&str> = it.kind.into_iter().collect();
        remarks.extend(it.derived.then_some("derived"));
        remarks.extend((!it.downloadable).then_some("no download"));
        let row = format!(
            "  {}  {:widest$}  {:7} {:16} {start:>14} {size:>16}  {}",
            sign(at),
            it.name,
            it.storage,
            region_name(it.region),
            remarks.join(", ")
        );
        lines.push(harmless(row.trim_end()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_known_is_not_drawn() {
        let map = map::parse(b"a -> /dev/block/mmcblk0p1\n").unwrap();
        let spans = spans(&map, None);
        assert!(bars(&spans).is_empty());
        assert!(table(&spans)[1].contains('?'));
    }
}
