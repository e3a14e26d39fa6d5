//! `image check`: the state of every page of an image, drawn, and which files damage hurts.

use std::path::{Path, PathBuf};

use bromide_image::map::Map;
use bromide_image::read_at::ReadError;
use bromide_job::event::Event;
use bromide_job::pageimage::{self, Checked, DamagedPage, Files, Form, hurt_files, hurt_files_by_map};
use bromide_link::Cancel;
use bromide_nand::report::{BlockState, Counts};
use clap::Args;
use serde_json::{Value, json};

use super::check_files::{file_lines, files_value};
use super::draw_pages::{Canvas, look};
use super::draw_pages_file::{png, svg};
use super::pages::{
    Image, MOST_LISTED, Pages, bits, counts, counts_value, damage, damaged_lines, damaged_value, more,
};
use crate::cmd::map::{self, create};
use crate::front::Front;
use crate::numbers::{grouped, pages};
use crate::out::{self, harmless};
use crate::report::{Failure, exit};
use crate::screen::pages_line;

/// Bad blocks that are listed on a screen.
const LISTED: usize = 16;

/// Damaged pages, at least, before a wrong layout is suspected.
const SUSPICIOUS: u64 = 16;

/// Check every page of an image against its parity, and say which files damage hurts
///
/// Every sector of a NAND page carries parity that finds and corrects up to four wrong bits. The
/// check reads the image once and says how many pages are clean, correctable, damaged beyond
/// repair or erased, and which blocks are marked bad; it draws the chip block by block, and names
/// the files of a YAFFS2 partition that damaged pages belong to. Nothing is changed; image fix
/// writes the corrected image.
///
/// Exit code 0: nothing is damaged; 5: damaged pages; anything else: the check did not come to its
/// end.
///
/// Examples:
///
///   bromide image check system.img
///
///   bromide image check system.img --svg chip.svg --png chip.png
///
///   bromide image check odd.bin --layout spare-last --page-size 4096
///
///   bromide image check system.img --quiet > /dev/null || echo "read it again"
///
/// With --json the last line is an image-check object: form, pages (total, clean, correctable,
/// damaged, blank, in_bad_blocks, not_checked), wrong_bits, pages_by_worst_sector (of 1 to 4 wrong
/// bits), blank_with_flipped_bits, flipped_bits, bad_blocks, damaged (page, offset, sectors), map
/// (a sign for each block: . o 1 2 3 4 X B), file_system (null, "yaffs2" or "several"), files
/// (path, object, bytes, chunks), headers, stale_pages, unknown_pages and elsewhere (partition,
/// pages): damage in partitions of a whole chip that are no YAFFS2. Lists end after 4096
/// entries; NAME_unlisted says how many more there are.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Check {
    /// The image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Draw the chip into this SVG file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw the chip into this PNG file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// The image is of a whole chip, and its partitions lie as this map says: any that bromide read
    /// takes [default: the chip's own table]
    #[arg(long, value_name = "MAP")]
    map: Option<PathBuf>,
    #[command(flatten)]
    pages: Pages,
}

/// `bromide image check`.
pub(crate) fn check(args: &Check, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    for path in [&args.svg, &args.png].into_iter().flatten() {
        not_there(path)?;
    }
    let map = args.map.as_deref().map(map::load).transpose()?;
    let image = Image::open(&args.file, &args.pages, cancel)?;
    if !image.shape.can_check() {
        return not_checked(args, &image, front);
    }
    front.begin("check", image.bytes());
    let checked = pageimage::check(&image.source, &image.shape, &mut |done| image.go_on(front, done));
    let checked = checked.map_err(|e| image.failed(&e))?;
    image.tell_left_over(front);
    if is_suspicious(&checked.counts) {
        let told = "practically no written page passes: these pages may have another layout or another ECC than assumed";
        front.tell(&Event::Warning(told));
    }
    let files = match checked.damaged.is_empty() {
        true => None,
        false => Some(hurt(&image, &checked.damaged, map)),
    };
    let files = files.transpose().map_err(|e| image.failed(&e.into()))?;
    draw(args, &image, &checked.blocks)?;
    match front {
        Front::Json(json) => json.line(&value(&image, &checked, files.as_ref())),
        Front::Screen(_) => out::result(&lines(&image, &checked, files.as_ref()))?,
    }
    let advice = "read the partition again: what differs between two reads is no damage of the chip. image fix \
                  corrects the rest";
    damage(&image.title, checked.counts.damaged, advice)
}

/// What damage means for files, by partition where a map says where those are.
fn hurt(image: &Image, damaged: &[DamagedPage], map: Option<Map>) -> Result<Files, ReadError> {
    let (source, shape) = (&image.source, &image.shape);
    if let Some(map) = map {
        return hurt_files_by_map(source, shape, damaged, &map);
    }
    match hurt_files(source, shape, damaged)? {
        Files::Several => match bromide_image::map::read_dump(source) {
            Ok(Some(own)) => hurt_files_by_map(source, shape, damaged, &own),
            _ => Ok(Files::Several),
        },
        files => Ok(files),
    }
}

/// Whether practically nothing passes. Through a wrong layout the byte taken for the bad-block mark is data, so whole
/// blocks may seem bad.
fn is_suspicious(of: &Counts) -> bool {
    let passing = of.clean + of.corrected();
    let all_bad = of.in_bad_blocks >= SUSPICIOUS && passing + of.blank == 0;
    all_bad || (of.damaged >= SUSPICIOUS && passing * 50 < of.damaged)
}

/// Pages without parity.
fn not_checked(args: &Check, image: &Image, front: &mut Front) -> Result<(), Failure> {
    let why = match image.shape.form {
        Form::MainOnly => "no spare bytes, so no parity: nothing to check".to_owned(),
        Form::YaffsImage => "the spare bytes hold YAFFS2 tags and no parity: nothing to check".to_owned(),
        _ => {
            let (page, spare) = (image.shape.geometry.page, image.shape.geometry.spare);
            format!("the ECC of pages of {page} + {spare} bytes is not known: not checked")
        }
    };
    if args.svg.is_some() || args.png.is_some() {
        let what = format!("{}: {why}, and nothing to draw", image.title);
        return Err(Failure::new("image/no-parity", exit::FAILED, what, "read it without --main-only"));
    }
    image.tell_left_over(front);
    if let Front::Json(json) = front {
        let mut value = image.value("image-check");
        let total = image.shape.pages;
        value["pages"] = json!({
            "total": total, "clean": 0, "correctable": 0, "damaged": 0, "blank": 0, "in_bad_blocks": 0,
            "not_checked": total,
        });
        value["remark"] = json!(why);
        json.line(&value);
        return Ok(());
    }
    out::result(&[harmless(&image.head()), why])
}

fn draw(args: &Check, image: &Image, blocks: &[BlockState]) -> Result<(), Failure> {
    if let Some(path) = &args.svg {
        create(path, svg(&image.title, blocks, image.shape.geometry.pages_per_block).as_bytes())?;
    }
    if let Some(path) = &args.png {
        let bytes = png(blocks)
            .map_err(|e| Failure::new("image/draw", exit::FAILED, format!("{}: {e}", path.display()), ""))?;
        create(path, &bytes)?;
    }
    Ok(())
}

/// Known before the long work that would be lost.
fn not_there(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => {
            let what = format!("{} exists already", path.display());
            Err(Failure::new("save/exists", exit::FAILED, what, "choose a file that does not exist yet"))
        }
    }
}

fn lines(image: &Image, checked: &Checked, files: Option<&Files>) -> Vec<String> {
    let of = &checked.counts;
    let mut lines = vec![harmless(&image.head())];
    lines.extend(Canvas::stdout().map(&checked.blocks));
    lines.push(pages_line(&counts(of)));
    if of.corrected() > 0 {
        let by_worst: Vec<String> = (1..=4)
            .zip(of.correctable)
            .filter(|(_, pages)| *pages > 0)
            .map(|(bits, pages)| format!("{bits} in {}", grouped(pages)))
            .collect();
        lines.push(format!(
            "correctable: {} wrong bits in {}; by the wrong bits of a page's worst sector: {}",
            grouped(of.wrong_bits),
            pages(of.corrected()),
            by_worst.join(", ")
        ));
    }
    if of.flipped_blank > 0 {
        let (blank, bits) = (pages(of.flipped_blank), bits(of.flipped_bits));
        lines.push(format!("erased with flipped bits: {blank}, {bits}"));
    }
    let bad: Vec<String> = checked.bad_blocks().map(|block| block.to_string()).collect();
    if !bad.is_empty() {
        let left = more(bad.len(), LISTED).unwrap_or_default();
        lines.push(format!("blocks marked bad: {}{left}", bad[..bad.len().min(LISTED)].join(", ")));
    }
    if !checked.damaged.is_empty() {
        lines.push(format!("damaged beyond repair: {}", pages(of.damaged)));
        lines.extend(damaged_lines(checked));
    }
    lines.extend(files.map(file_lines).unwrap_or_default());
    lines
}

fn value(image: &Image, checked: &Checked, files: Option<&Files>) -> Value {
    let of = &checked.counts;
    let mut value = image.value("image-check");
    value["pages"] = counts_value(of);
    value["wrong_bits"] = json!(of.wrong_bits);
    value["pages_by_worst_sector"] = json!(of.correctable);
    value["blank_with_flipped_bits"] = json!(of.flipped_blank);
    value["flipped_bits"] = json!(of.flipped_bits);
    value["bad_blocks"] = checked.bad_blocks().collect();
    value["damaged"] = damaged_value(checked);
    value["damaged_unlisted"] = json!(checked.damaged.len().saturating_sub(MOST_LISTED));
    value["map"] = json!(checked.blocks.iter().map(|block| look(*block).sign).collect::<String>());
    files_value(files, &mut value);
    value
}
