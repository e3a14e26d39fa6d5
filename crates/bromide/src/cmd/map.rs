//! `map`: what a partition map says, what is wrong in it, how two differ, and the same map in another kind of file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bromide_image::map::{self, Content, Format, Map, Partition, Region, Size, StartIs, Storage, Weight};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::front::Front;
use crate::numbers::{bytes, grouped};
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Larger files are no maps: the largest real scatter file has 80 KiB.
const LARGEST: u64 = 16 << 20;

/// Width of a drawn region in characters and in units of the SVG.
const CELLS: u16 = 72;
const WIDTH: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum MapCommand {
    Show(Show),
    Diff(Diff),
    Check(Check),
    Convert(Convert),
}

/// Show a partition map as a table and drawn to scale
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Scatter file of any kind, flash.xml, or a listing of the phone (/proc/mtd, dumchar_info, mtdparts= ...)
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
}

/// Tell how two partition maps differ (exit code 4 when they do)
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// One map
    pub(crate) one: PathBuf,
    /// The other
    pub(crate) other: PathBuf,
}

/// Look for contradictions in a partition map (exit code 1 when there are errors)
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The map
    pub(crate) file: PathBuf,
    /// Size of the chip (NAND) or user area (eMMC): 512M, 0x20000000
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) flash_size: Option<u64>,
}

/// Write a partition map as another kind of file, and say what that cannot hold
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The map
    pub(crate) file: PathBuf,
    /// Kind to write
    #[arg(long = "to", short = 't', value_name = "FORMAT")]
    pub(crate) to: To,
    /// File to write, which must not exist yet [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What a map can be written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum To {
    /// NAME 0xADDR { }: phones up to the MT6589
    ScatterV0,
    /// YAML-like text, V1.1.x; V2.x for several storages
    ScatterV1,
    /// XML
    ScatterXml,
    /// The kernel's mtdparts= argument
    Mtdparts,
    /// Everything, for programs
    Json,
    /// A table
    Csv,
}

impl From<To> for Format {
    fn from(to: To) -> Self {
        match to {
            To::ScatterV0 => Self::ScatterV0,
            To::ScatterV1 => Self::ScatterV1,
            To::ScatterXml => Self::ScatterXml,
            To::Mtdparts => Self::Mtdparts,
            To::Json => Self::Json,
            To::Csv => Self::Csv,
        }
    }
}

/// `bromide map`.
pub(crate) fn map(command: MapCommand, front: &mut Front) -> Result<(), Failure> {
    match command {
        MapCommand::Show(args) => show(&args, front),
        MapCommand::Diff(args) => diff(&args, front),
        MapCommand::Check(args) => check(&args, front),
        MapCommand::Convert(args) => convert(&args, front),
    }
}

/// Reads a map; a manifest is followed to the scatter file it names.
pub(crate) fn load(path: &Path) -> Result<Map, Failure> {
    let unreadable = |e: map::MapError| {
        let what = format!("{}: {e}\n  {}", path.display(), e.text);
        let advice = "a map is a scatter file or a listing of the phone, such as the text of /proc/mtd (adb shell cat /proc/mtd); read --at and --len need none";
        Failure::new("map/unreadable", exit::FAILED, what, advice)
    };
    match map::read(&text(path)?).map_err(unreadable)? {
        Content::Map(map) => Ok(map),
        Content::Manifest(it) => {
            let named = path.parent().unwrap_or(Path::new("")).join(it.scatter.replace('\\', "/"));
            map::parse(&text(&named)?).map_err(|e| {
                let what = format!("{}, named by {}: {e}", named.display(), path.display());
                Failure::new("map/unreadable", exit::FAILED, what, "name the scatter file itself")
            })
        }
    }
}

/// A text file of a size that a map or a list can have.
pub(crate) fn text(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let failed = |e: String| {
        Failure::new("file/io", exit::FAILED, format!("{}: {e}", path.display()), "check the file's name")
    };
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|e| failed(e.to_string()))?;
    if text.len() as u64 > LARGEST {
        Err(failed("too large for a map or a list".to_owned()))
    } else {
        Ok(text)
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut it| it.write_all(text.as_bytes())).map_err(|e| {
        let what = format!("{}: {e}", path.display());
        Failure::new("file/io", exit::FAILED, what, "choose a file that does not exist yet")
    })
}

/// A partition or area with the place that is known of it.
struct Span<'a> {
    name: &'a str,
    storage: Storage,
    region: &'a Region,
    start: Option<u64>,
    end: Option<u64>,
    /// Something of the place is derived, not stated.
    derived: bool,
    downloadable: bool,
    kind: Option<&'a str>,
}

impl Span<'_> {
    fn size(&self) -> Option<u64> {
        self.end?.checked_sub(self.start?)
    }
}

/// In the order of regions and starts. Ends that are a matter of the next start or of the flash are worked out.
fn spans(map: &Map, flash_size: Option<u64>) -> Vec<Span<'_>> {
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
            downloadable: it.downloadable,
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

/// The sign of a partition in the drawing; they repeat in maps of more than 62.
fn sign(at: usize) -> char {
    let signs = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char::from(signs[at % signs.len()])
}

fn show(args: &Show, front: &mut Front) -> Result<(), Failure> {
    let mut map = load(&args.file)?;
    if let Some(mounts) = &args.mounts {
        let found = map::annotate(&mut map, &text(mounts)?);
        front.say(&format!("{found} partitions are mounted"));
    }
    let spans = spans(&map, args.flash_size);
    if let Some(path) = &args.svg {
        save(path, &svg(&spans))?;
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

/// Scatter files call the whole of a NAND chip NONE.
fn region_name(region: &Region) -> String {
    if *region == Region::Whole { "whole chip".to_owned() } else { region.scatter() }
}

/// What is drawn of a region: its title, the end of its last span, the spans with their numbers.
type Drawn<'a> = (String, u64, Vec<(usize, &'a Span<'a>)>);

fn regions<'a>(spans: &'a [Span<'a>]) -> Vec<Drawn<'a>> {
    let mut regions: Vec<Drawn<'a>> = Vec::new();
    for (at, it) in spans.iter().enumerate().filter(|(_, it)| it.size().is_some_and(|size| size > 0)) {
        let title = format!("{} {}", it.storage, region_name(it.region));
        let end = it.end.unwrap_or(0);
        match regions.iter_mut().find(|region| region.0 == title) {
            Some(region) => {
                region.1 = region.1.max(end);
                region.2.push((at, it));
            }
            None => regions.push((title, end, vec![(at, it)])),
        }
    }
    regions
}

/// One line a region: every cell shows what covers its middle.
fn bars(spans: &[Span<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, end, spans) in regions(spans) {
        let cell = |at: u16| {
            let middle = u128::from(end) * (2 * u128::from(at) + 1) / (2 * u128::from(CELLS));
            let covers = |it: &Span<'_>| {
                it.start.is_some_and(|start| u128::from(start) <= middle)
                    && it.end.is_some_and(|end| middle < u128::from(end))
            };
            spans.iter().find(|(_, it)| covers(it)).map_or('.', |(at, _)| sign(*at))
        };
        lines.push(String::new());
        lines.push(harmless(&format!("{title}, {} bytes to scale", grouped(end))));
        lines.push(format!("|{}|", (0..CELLS).map(cell).collect::<String>()));
    }
    lines
}

/// Every region as a bar to scale; the name and place of a partition appear when it is pointed at.
fn svg(spans: &[Span<'_>]) -> String {
    const COLOURS: [&str; 6] = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377"];
    let regions = regions(spans);
    let height = regions.len() * 90 + 20;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" viewBox=\"0 0 {0} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n",
        WIDTH + 20
    );
    for (row, (title, end, spans)) in regions.iter().enumerate() {
        let top = row * 90 + 30;
        text += &format!("<text x=\"10\" y=\"{}\">{}, {end:#x} bytes</text>\n", top - 8, escaped(title));
        let scale = |it: u64| 10.0 + f64::from(WIDTH) * (it as f64) / (*end as f64);
        for (at, it) in spans {
            let (Some(from), Some(to)) = (it.start, it.end) else { continue };
            let (x, width) = (scale(from), (scale(to) - scale(from)).max(0.5));
            let (colour, name) = (COLOURS[at % COLOURS.len()], escaped(it.name));
            text += &format!(
                "<g><title>{name} {from:#x} to {to:#x}</title>\
                 <rect x=\"{x:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"44\" fill=\"{colour}\" stroke=\"white\" stroke-width=\"0.3\"/>"
            );
            // About 7 units a letter: shorter bars keep their name for the pointer.
            if width > 7.0 * it.name.chars().count() as f64 {
                text += &format!("<text x=\"{:.2}\" y=\"{}\">{name}</text>", x + 3.0, top + 26);
            }
            text += "</g>\n";
        }
    }
    text + "</svg>\n"
}

/// Fit for XML, which has no control characters at all.
fn escaped(text: &str) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() { '?' } else { it }).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn diff(args: &Diff, front: &mut Front) -> Result<(), Failure> {
    let (one, other) = (load(&args.one)?, load(&args.other)?);
    let lines = differences(&one, &other);
    if let Front::Json(json) = front {
        json.line(&json!({ "event": "map_diff", "differences": lines }));
    } else {
        let shown: Vec<String> = lines.iter().map(|it| harmless(it)).collect();
        out::result(&shown)?;
    }
    if lines.is_empty() {
        front.say("no difference");
        return Ok(());
    }
    let what = format!("the maps differ: {} lines above", lines.len());
    Err(Failure::new("map/differs", exit::DIFFERS, what, ""))
}

/// Partitions are the same by name or alias in the same storage, where both maps name one.
fn differences(one: &Map, other: &Map) -> Vec<String> {
    let (left, right) = (spans(one, None), spans(other, None));
    let named = |a: &str, b: &str| {
        a.eq_ignore_ascii_case(b) || map::aliases(a).iter().any(|alias| alias.eq_ignore_ascii_case(b))
    };
    let alike = |a: Storage, b: Storage| a == b || a == Storage::Unknown || b == Storage::Unknown;
    let same = |a: &Span<'_>, b: &Span<'_>| named(a.name, b.name) && alike(a.storage, b.storage);
    let mut lines = Vec::new();
    for it in &left {
        let Some(twin) = right.iter().find(|twin| same(it, twin)) else {
            lines.push(format!("- {}: only in the first", it.name));
            continue;
        };
        for (what, a, b) in [("start", it.start, twin.start), ("size", it.size(), twin.size())] {
            if let (Some(a), Some(b)) = (a, b)
                && a != b
            {
                lines.push(format!("~ {}: {what} {a:#x} in the first, {b:#x} in the second", it.name));
            }
        }
        if it.region != twin.region {
            let (a, b) = (it.region.scatter(), twin.region.scatter());
            lines.push(format!("~ {}: region {a} in the first, {b} in the second", it.name));
        }
    }
    for it in right.iter().filter(|it| !left.iter().any(|twin| same(it, twin))) {
        lines.push(format!("+ {}: only in the second", it.name));
    }
    lines
}

fn check(args: &Check, front: &mut Front) -> Result<(), Failure> {
    let map = load(&args.file)?;
    let findings = map.check(args.flash_size);
    let errors = findings.iter().filter(|it| it.weight == Weight::Error).count();
    let word = |weight| if weight == Weight::Error { "error" } else { "warning" };
    if let Front::Json(json) = front {
        let rows: Vec<Value> = findings
            .iter()
            .map(|it| json!({ "weight": word(it.weight), "line": it.line, "text": it.text }))
            .collect();
        json.line(&json!({ "event": "map_check", "findings": rows, "notes": map.notes }));
    } else {
        let found = findings.iter().map(|it| format!("{}: line {}: {}", word(it.weight), it.line, it.text));
        let notes = map.notes.iter().map(|it| format!("note: {it}"));
        let mut lines: Vec<String> = found.chain(notes).map(|it| harmless(&it)).collect();
        if findings.is_empty() {
            lines.push("no contradiction found".to_owned());
        }
        out::result(&lines)?;
    }
    if errors == 0 {
        return Ok(());
    }
    let what = format!("{}: {errors} errors in the map", args.file.display());
    Err(Failure::new("map/contradicts", exit::FAILED, what, ""))
}

fn convert(args: &Convert, front: &mut Front) -> Result<(), Failure> {
    let map = load(&args.file)?;
    let written = map::write(&map, args.to.into());
    for remark in &written.remarks {
        front.say(&harmless(remark));
    }
    if written.entries == 0 {
        let what = "nothing of this map can be written in that format";
        return Err(Failure::new("map/nothing", exit::FAILED, what, "choose another format with -t"));
    }
    match &args.output {
        Some(path) => save(path, &written.text),
        None => out::result(&written.text.lines().map(str::to_owned).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"PRELOADER 0x0\n{\n}\nANDROID 0x40000\n{\n}\nUSRDATA 0x80000\n{\n}\n";
    const MTD: &[u8] = b"mtd0: 00040000 00020000 \"preloader\"\nmtd1: 00060000 00020000 \"system\"\n";

    #[test]
    fn the_bar_is_to_scale() {
        let map = map::parse(OLD).unwrap();
        let lines = bars(&spans(&map, Some(0x10_0000)));
        let cells = lines.last().unwrap();
        let count = |sign| cells.chars().filter(|it| *it == sign).count();
        assert_eq!((count('a'), count('b'), count('c')), (18, 18, 36));
    }

    #[test]
    fn a_place_that_is_not_known_is_not_drawn() {
        let map = map::parse(b"a -> /dev/block/mmcblk0p1\n").unwrap();
        let spans = spans(&map, None);
        assert!(bars(&spans).is_empty());
        assert!(table(&spans)[1].contains('?'));
    }

    #[test]
    fn maps_differ_in_places_and_members_but_not_in_spelling() {
        let (one, other) = (map::parse(OLD).unwrap(), map::parse(MTD).unwrap());
        assert!(differences(&one, &one).is_empty());
        let lines = differences(&one, &other);
        let want =
            ["~ ANDROID: size 0x40000 in the first, 0x60000 in the second", "- USRDATA: only in the first"];
        assert_eq!(lines, want);
    }

    #[test]
    fn the_drawing_escapes_foreign_names() {
        let map = map::parse(b"mtd0: 00040000 00020000 \"<a&b>\"\n").unwrap();
        let text = svg(&spans(&map, None));
        assert!(text.contains("<title>&lt;a&amp;b&gt; 0x0 to 0x40000</title>"), "{text}");
    }
}
