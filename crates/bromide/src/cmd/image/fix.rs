//! `image fix`: the image with every wrong bit put right that the parity can put right.

use std::path::PathBuf;

use bromide_job::pageimage::{self, Fixed, Output, Step};
use bromide_link::Cancel;
use clap::Args;
use serde_json::json;

use super::pages::{Image, MOST_LISTED, Pages, bits, counts_value, damage, damaged_lines, damaged_value};
use crate::front::Front;
use crate::numbers::{grouped, pages};
use crate::out::{self, harmless};
use crate::report::Failure;

/// Write an image with all wrong bits corrected that can be
///
/// Every sector with up to four wrong bits is corrected, data, spare bytes and parity alike;
/// erased pages in which bits flipped are erased again. Pages damaged beyond repair and blocks
/// marked bad stay as they are, and the damaged pages are named. The result is read back and
/// checked before it gets its name; until then it is OUT.part. The image itself is never written
/// to.
///
/// Exit code 0: all is right in the result; 5: it is written, but damaged pages remain; anything
/// else: nothing was written.
///
/// Examples:
///
///   bromide image fix system.img -o system-fixed.img
///
///   bromide image fix system.img -o system-fixed.img --force
///
/// With --json the last line is an image-fix object: output, sha256, pages (as they were),
/// changed_pages, corrected_bits, erased_again, flipped_bits, filler_bits, and damaged as image
/// check has it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Fix {
    /// The image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace OUT if it exists, and discard what an interrupted run left
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pages: Pages,
}

/// `bromide image fix`.
pub(crate) fn fix(args: &Fix, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let image = Image::open(&args.file, &args.pages, cancel)?;
    let output = Output { target: &args.output, force: args.force, input: &args.file };
    let mut begun = None;
    let fixed = pageimage::fix(&image.source, &image.shape, &output, &mut |step, done| {
        if begun != Some(step) {
            begun = Some(step);
            let what = if step == Step::Write { "fix" } else { "read back" };
            front.begin(what, image.bytes());
        }
        image.go_on(front, done)
    });
    let fixed = fixed.map_err(|e| image.failed(&e))?;
    let of = &fixed.before.counts;
    if let Front::Json(json) = front {
        let mut value = image.value("image-fix");
        value["output"] = json!(fixed.saved.path.to_string_lossy());
        value["sha256"] = json!(fixed.saved.sha256);
        value["pages"] = counts_value(of);
        value["changed_pages"] = json!(fixed.changed_pages);
        value["corrected_bits"] = json!(of.wrong_bits);
        value["erased_again"] = json!(of.flipped_blank);
        value["flipped_bits"] = json!(of.flipped_bits);
        value["filler_bits"] = json!(fixed.filler_bits);
        value["damaged"] = damaged_value(&fixed.before);
        value["damaged_unlisted"] = json!(fixed.before.damaged.len().saturating_sub(MOST_LISTED));
        json.line(&value);
    } else {
        out::result(&lines(&image, &fixed))?;
    }
    let advice = "read the partition again: what differs between two reads is no damage of the chip";
    damage(&image.title, of.damaged, advice)
}

fn lines(image: &Image, fixed: &Fixed) -> Vec<String> {
    let of = &fixed.before.counts;
    let mut lines = vec![
        harmless(&image.head()),
        harmless(&format!("{}: {} bytes", fixed.saved.path.display(), grouped(fixed.saved.bytes))),
        format!("  sha256 {}", fixed.saved.sha256),
        format!("  {} changed of {}", pages(fixed.changed_pages), pages(of.pages())),
        format!("  {} wrong bits corrected in {}", grouped(of.wrong_bits), pages(of.corrected())),
    ];
    if of.flipped_blank > 0 {
        let (blank, bits) = (pages(of.flipped_blank), bits(of.flipped_bits));
        lines.push(format!("  {blank} erased again, in which {bits} had flipped"));
    }
    if fixed.filler_bits > 0 {
        lines.push(format!("  beside the parity, {} set back", bits(fixed.filler_bits)));
    }
    if of.in_bad_blocks > 0 {
        lines.push(format!("  left as they are, in blocks marked bad: {}", pages(of.in_bad_blocks)));
    }
    if of.damaged > 0 {
        lines.push(format!("left as they are, damaged beyond repair: {}", pages(of.damaged)));
        lines.extend(damaged_lines(&fixed.before));
    }
    lines
}
