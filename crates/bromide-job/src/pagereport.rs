//! `NAME.report.json` beside a saved file: what was read, and what the page check found.
//!
//! The field names are stable: programs may rely on them. Addresses and offsets are strings of lower-case hex with
//! `0x`, everything else is a number. Lists are in rising order; an entry stands for `pages` neighbouring pages of
//! which the same is said. Nothing is left out of a list unless `..._unlisted` counts it.
//!
//! ```text
//! format              "bromide-page-report/1"; grows with incompatible changes
//! tool, version       "bromide" and its version
//! file                name of the saved file, without its folder
//! bytes, sha256       its size and digest
//! range.name          partition, or the range, for people
//! range.start         first main-area byte          range.length   main-area bytes
//! range.address_kind  "logical" (replaced blocks in their place) or "physical"
//! read.flag           the Download Agent's read flag: 0 as stored, 1 main bytes only, 4 spare last
//! read.layout         "interleaved", "main-only" or "data-then-spare"
//! read.page_bytes     bytes of a page in the file
//! chip.page, chip.spare, chip.pages_per_block, chip.blocks
//! chip.ecc            "bch4", or null: unknown, pages not checked
//! pages.total         = clean + correctable + damaged + blank + in_bad_blocks + not_checked
//! wrong_bits          of all correctable pages together
//! damaged[]           page, pages, address, offset (in the file), sectors[] (numbers of those beyond repair)
//! damaged_unlisted    damaged pages that are counted above but not listed
//! correctable[]       page, pages, address, offset, bits (wrong ones in each page), worst (in its worst sector)
//! correctable_unlisted
//! bad_blocks[]        block, page (its first), address
//! replaced_blocks[]   block, address, stands_for (the block it says it stands for)
//! remarks[]           sentences for people
//! verified.pages      pages read a second time; verified.differed of them gave other bits than the first time,
//! verified.differing[] names them (page: number in the file) and what settled them (settled_by): "parity" of their
//!                     sectors, or the "majority" of up to five readings; verified.not_read_again did not come again
//! ```
//!
//! `pages` to `remarks` are absent when nothing was checked at all, `verified` without a second reading.

use std::io::Write;
use std::path::{Path, PathBuf};

use bromide_nand::{Ecc, Geometry, Layout};
use serde::{Serialize, Serializer};

use crate::pagecheck::{PageSummary, Run, WrongBits};
use crate::readback::{Settled, Verified};
use crate::save::place::{replace_file, with_suffix};
use crate::save::{SaveError, Saved};

/// Value of `format`.
pub const FORMAT: &str = "bromide-page-report/1";

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Partition, or the range, for people.
    pub name: String,
    /// First main-area byte.
    pub start: u64,
    /// Main-area bytes.
    pub length: u64,
    /// `"logical"` or `"physical"`.
    pub address_kind: &'static str,
    /// The Download Agent's read flag.
    pub flag: u8,
    /// Order of the bytes of a page in the file.
    pub layout: Layout,
    /// Shape of the chip.
    pub geometry: Geometry,
}

/// Writes the report beside `target`, replacing an older one, and gives its path.
///
/// # Errors
/// Whatever the system says to writing it.
pub fn write(
    target: &Path,
    origin: &Origin,
    saved: &Saved,
    verified: Option<&Verified>,
) -> Result<PathBuf, SaveError> {
    let path = with_suffix(target, ".report.json");
    replace_file(&path, |file| {
        serde_json::to_writer_pretty(&mut *file, &Report::new(origin, saved, verified))?;
        file.write_all(b"\n")
    })?;
    Ok(path)
}

#[derive(Serialize)]
struct Report<'a> {
    format: &'static str,
    tool: &'static str,
    version: &'static str,
    file: String,
    bytes: u64,
    sha256: &'a str,
    range: Range<'a>,
    read: Read,
    chip: Chip,
    #[serde(flatten)]
    found: Option<Found<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Second>,
}

#[derive(Serialize)]
struct Second {
    pages: u64,
    differed: u64,
    differing: Vec<Differing>,
    not_read_again: u64,
}

#[derive(Serialize)]
struct Differing {
    page: u64,
    settled_by: &'static str,
}

impl Second {
    fn new(verified: &Verified) -> Self {
        let one = |(page, settled): &(u64, Settled)| Differing { page: *page, settled_by: settled.word() };
        Self {
            pages: verified.pages,
            differed: verified.differed,
            differing: verified.differing.iter().map(one).collect(),
            not_read_again: verified.not_again,
        }
    }
}

#[derive(Serialize)]
struct Range<'a> {
    name: &'a str,
    start: Hex,
    length: Hex,
    address_kind: &'static str,
}

#[derive(Serialize)]
struct Read {
    flag: u8,
    layout: &'static str,
    page_bytes: u32,
}

#[derive(Serialize)]
struct Chip {
    page: u32,
    spare: u32,
    pages_per_block: u32,
    blocks: u32,
    ecc: Option<&'static str>,
}

#[derive(Serialize)]
struct Found<'a> {
    pages: Pages,
    wrong_bits: u64,
    damaged: Entries<'a, u32>,
    damaged_unlisted: u64,
    correctable: Entries<'a, WrongBits>,
    correctable_unlisted: u64,
    bad_blocks: Vec<BadBlock>,
    replaced_blocks: Vec<ReplacedBlock>,
    remarks: &'a [String],
}

#[derive(Serialize)]
struct Pages {
    total: u64,
    clean: u64,
    correctable: u64,
    damaged: u64,
    blank: u64,
    in_bad_blocks: u64,
    not_checked: u64,
}

#[derive(Serialize)]
struct BadBlock {
    block: u32,
    page: u64,
    address: Hex,
}

#[derive(Serialize)]
struct ReplacedBlock {
    block: u32,
    address: Hex,
    stands_for: u16,
}

/// A number as text: `0x` and lower-case hex digits.
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// A list of runs, written entry by entry: the list of a hopeless chip is large as text.
struct Entries<'a, T>(&'a PageSummary, &'a [Run<T>]);

#[derive(Serialize)]
struct Entry<W> {
    page: u64,
    pages: u32,
    address: Hex,
    offset: Hex,
    #[serde(flatten)]
    what: W,
}

/// What an entry says beyond its place.
trait What: Copy {
    type Text: Serialize;
    fn text(self) -> Self::Text;
}

#[derive(Serialize)]
struct DamagedSectors {
    sectors: Vec<u32>,
}

impl What for u32 {
    type Text = DamagedSectors;
    fn text(self) -> DamagedSectors {
        DamagedSectors { sectors: (0..Self::BITS).filter(|s| self >> s & 1 == 1).collect() }
    }
}

#[derive(Serialize)]
struct Wrong {
    bits: u16,
    worst: u8,
}

impl What for WrongBits {
    type Text = Wrong;
    fn text(self) -> Wrong {
        Wrong { bits: self.bits, worst: self.worst }
    }
}

impl<T: What> Serialize for Entries<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(summary, runs) = self;
        to.collect_seq(runs.iter().map(|run| Entry {
            page: run.first,
            pages: run.pages,
            address: Hex(summary.address(run.first)),
            offset: Hex(summary.offset(run.first)),
            what: run.what.text(),
        }))
    }
}

impl<'a> Report<'a> {
    fn new(origin: &'a Origin, saved: &'a Saved, verified: Option<&Verified>) -> Self {
        let Origin { geometry, layout, .. } = origin;
        let Geometry { page, spare, pages_per_block, blocks, .. } = *geometry;
        let ecc = geometry.ecc().map(|ecc| match ecc {
            Ecc::Bch4 => "bch4",
            _ => "other",
        });
        let layout_name = match layout {
            Layout::Interleaved => "interleaved",
            Layout::DataThenSpare => "data-then-spare",
            Layout::MainOnly => "main-only",
        };
        Self {
            format: FORMAT,
            tool: "bromide",
            version: env!("CARGO_PKG_VERSION"),
            file: saved.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: saved.bytes,
            sha256: &saved.sha256,
            range: Range {
                name: &origin.name,
                start: Hex(origin.start),
                length: Hex(origin.length),
                address_kind: origin.address_kind,
            },
            read: Read { flag: origin.flag, layout: layout_name, page_bytes: layout.unit_bytes(geometry) },
            chip: Chip { page, spare, pages_per_block, blocks, ecc },
            found: saved.pages.as_ref().map(Found::new),
            verified: verified.map(Second::new),
        }
    }
}

impl<'a> Found<'a> {
    fn new(summary: &'a PageSummary) -> Self {
        let counts = &summary.counts;
        let first_page = |block: u32| u64::from(block) * u64::from(summary.geometry.pages_per_block);
        let address = |block| Hex(summary.address(first_page(block)));
        Self {
            pages: Pages {
                total: counts.total(),
                clean: counts.clean,
                correctable: counts.correctable,
                damaged: counts.damaged,
                blank: counts.blank,
                in_bad_blocks: counts.in_bad_blocks,
                not_checked: counts.not_checked,
            },
            wrong_bits: summary.wrong_bits,
            damaged: Entries(summary, summary.damaged.list()),
            damaged_unlisted: summary.damaged.unlisted(),
            correctable: Entries(summary, summary.correctable.list()),
            correctable_unlisted: summary.correctable.unlisted(),
            bad_blocks: summary
                .bad_blocks
                .iter()
                .map(|&block| BadBlock { block, page: first_page(block), address: address(block) })
                .collect(),
            replaced_blocks: summary
                .replaced
                .iter()
                .map(|&(block, stands_for)| ReplacedBlock { block, address: address(block), stands_for })
                .collect(),
            remarks: &summary.remarks,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pagecheck::PageCheck;

    /// A report of block 1 of a chip of two: four pages written, the second with two flipped bits, the fourth with
    /// many; the rest blank.
    fn report(layout: Layout) -> (Value, PathBuf) {
        let geometry = Geometry::new(2048, 64, 64, 2).unwrap();
        let mut block = vec![0xff; 64 * 2112];
        for page in block.chunks_exact_mut(2112).take(4) {
            bromide_nand::encode_page(&[0x5a; 2048], &[], Some(1), &geometry, page).unwrap();
        }
        block[2112] ^= 3;
        block[3 * 2112..][..9].fill(0);
        block[3 * 2112 + 3 * 528..][..9].fill(0);
        let mut check = PageCheck::new(geometry, layout, 0x20000);
        check.feed(&block);
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("system.img");
        let saved = Saved {
            path: target.clone(),
            bytes: block.len() as u64,
            sha256: "ab".repeat(32),
            pages: Some(check.finish()),
            ranges: None,
        };
        let origin = Origin {
            name: "system".into(),
            start: 0x20000,
            length: 0x20000,
            address_kind: "logical",
            flag: 0,
            layout,
            geometry,
        };
        let path = write(&target, &origin, &saved, None).unwrap();
        (serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(), path)
    }

    #[test]
    fn the_report_says_everything_under_its_documented_names() {
        let (report, path) = report(Layout::Interleaved);
        assert!(path.ends_with("system.img.report.json"));
        let expected = json!({
            "format": "bromide-page-report/1", "tool": "bromide", "version": env!("CARGO_PKG_VERSION"),
            "file": "system.img", "bytes": 135_168, "sha256": "ab".repeat(32),
            "range": { "name": "system", "start": "0x20000", "length": "0x20000", "address_kind": "logical" },
            "read": { "flag": 0, "layout": "interleaved", "page_bytes": 2112 },
            "chip": { "page": 2048, "spare": 64, "pages_per_block": 64, "blocks": 2, "ecc": "bch4" },
            "pages": {
                "total": 64, "clean": 2, "correctable": 1, "damaged": 1, "blank": 60,
                "in_bad_blocks": 0, "not_checked": 0
            },
            "wrong_bits": 2,
            "damaged": [
                { "page": 67, "pages": 1, "address": "0x21800", "offset": "0x18c0", "sectors": [0, 3] }
            ],
            "damaged_unlisted": 0,
            "correctable": [
                { "page": 65, "pages": 1, "address": "0x20800", "offset": "0x840", "bits": 2, "worst": 2 }
            ],
            "correctable_unlisted": 0,
            "bad_blocks": [],
            "replaced_blocks": [{ "block": 1, "address": "0x20000", "stands_for": 1 }],
            "remarks": []
        });
        assert_eq!(report, expected);
    }

    #[test]
    fn pages_without_spare_are_reported_as_not_checked() {
        let (report, _) = report(Layout::MainOnly);
        assert_eq!(report["pages"]["not_checked"], 66); // 64 x 2112 bytes are 66 x 2048
        assert_eq!(report["pages"]["total"], 66);
        assert_eq!(report["read"]["layout"], "main-only");
        assert!(report["remarks"][0].as_str().unwrap().starts_with("not checked"));
    }
}
