//! `image convert`: the same image in another form.

use std::path::PathBuf;

use bromide_job::event::Event;
use bromide_job::pageimage::{self, Converted, Form, Output};
use bromide_link::Cancel;
use clap::Args;
use serde_json::json;

use super::pages::{FormArg, Image, MOST_LISTED, Pages, counts_value, damage, damaged_lines, damaged_value};
use crate::front::Front;
use crate::numbers::{grouped, pages};
use crate::out::{self, harmless};
use crate::report::Failure;

/// Write an image in another form: as stored, spare last, main bytes only, or as a YAFFS2 image
/// file
///
/// Between raw and spare-last the bytes only change their order, damaged pages and all. On the way
/// to main-only and yaffs-image wrong bits are corrected; of a page damaged beyond repair the main
/// bytes are written as they are, and it is named. A yaffs-image gets an erased page for one whose
/// tags are damaged too, and for blocks marked bad.
///
/// From yaffs-image to raw the spare bytes are built as the phone's driver builds them, parity
/// included. From main-only they can be built only for what is no YAFFS2, a boot image for one:
/// --fill-spare gives its pages parity and empty tags. A page of nothing but FF counts as erased.
///
/// Exit code 0: all is right in the result; 5: it is written, but parts of it were damaged;
/// anything else: nothing was written.
///
/// Examples:
///
///   bromide image convert system.img --to yaffs-image -o system-yaffs.img
///
///   bromide image convert system.img --to main-only -o system-main.bin
///
///   bromide image convert vendor-system.img --to raw -o system-raw.img
///
///   bromide image convert boot-main.img --to raw --fill-spare -o boot-raw.img
///
/// With --json the last line is an image-convert object: form and to, output, sha256, and where
/// wrong bits were corrected on the way pages, corrected_bits, left_out (pages without readable
/// tags) and damaged as image check has it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Convert {
    /// The image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Form to write
    #[arg(long = "to", short = 't', value_name = "FORM")]
    to: FormArg,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace OUT if it exists, and discard what an interrupted run left
    #[arg(long)]
    force: bool,
    /// Build spare bytes for main bytes that have none, with parity and empty tags
    #[arg(long)]
    fill_spare: bool,
    #[command(flatten)]
    pages: Pages,
}

/// `bromide image convert`.
pub(crate) fn convert(args: &Convert, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let image = Image::open(&args.file, &args.pages, cancel)?;
    let output = Output { target: &args.output, force: args.force, input: &args.file };
    let to: Form = args.to.into();
    let mut begun = false;
    let converted =
        pageimage::convert(&image.source, &image.shape, to, args.fill_spare, &output, &mut |done| {
            if !begun {
                begun = true;
                front.begin("convert", image.bytes());
            }
            image.go_on(front, done)
        });
    let converted = converted.map_err(|e| image.failed(&e))?;
    if image.shape.form == Form::MainOnly {
        let told = "the spare bytes are built, not read: the tags of a file system, replaced blocks and bad-block marks \
                    of the chip are not in them, and pages of nothing but FF count as erased";
        front.tell(&Event::Warning(told));
    }
    if let Front::Json(json) = front {
        let mut value = image.value("image-convert");
        value["to"] = json!(to.name());
        value["output"] = json!(converted.saved.path.to_string_lossy());
        value["output_bytes"] = json!(converted.saved.bytes);
        value["sha256"] = json!(converted.saved.sha256);
        if let Some(checked) = &converted.checked {
            value["pages"] = counts_value(&checked.counts);
            value["corrected_bits"] = json!(checked.counts.wrong_bits);
            value["left_out"] = json!(converted.left_out);
            value["damaged"] = damaged_value(checked);
            value["damaged_unlisted"] = json!(checked.damaged.len().saturating_sub(MOST_LISTED));
        }
        json.line(&value);
    } else {
        out::result(&lines(&image, to, &converted))?;
    }
    let damaged = converted.checked.as_ref().map_or(0, |it| it.counts.damaged);
    damage(&image.title, damaged, "bromide image check says which files they belong to")
}

fn lines(image: &Image, to: Form, converted: &Converted) -> Vec<String> {
    let saved = &converted.saved;
    let mut lines = vec![
        harmless(&image.head()),
        harmless(&format!("{}: {} bytes, {to}", saved.path.display(), grouped(saved.bytes))),
        format!("  sha256 {}", saved.sha256),
    ];
    let Some(checked) = &converted.checked else { return lines };
    let of = &checked.counts;
    if of.corrected() > 0 {
        lines.push(format!("  {} wrong bits corrected in {}", grouped(of.wrong_bits), pages(of.corrected())));
    }
    if of.in_bad_blocks > 0 {
        let what = if to == Form::YaffsImage { "left out, erased instead" } else { "written as they are" };
        lines.push(format!("  {what}, in blocks marked bad: {}", pages(of.in_bad_blocks)));
    }
    if of.not_checked > 0 {
        lines.push(format!("  written as they are, their ECC being unknown: {}", pages(of.not_checked)));
    }
    if of.damaged > 0 {
        lines.push(format!("damaged beyond repair: {}", pages(of.damaged)));
        lines.extend(damaged_lines(checked));
    }
    if converted.left_out > 0 {
        lines
            .push(format!("  of these without readable tags, erased instead: {}", pages(converted.left_out)));
    }
    lines
}
