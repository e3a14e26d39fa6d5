//! `bundle verify`: a dump against its own record.

use std::ops::Range;
use std::path::PathBuf;

use bromide_job::bundle::check::{
    Check, CheckError, Checked, CheckedImage, DifferingRanges, Finding, Weight,
};
use bromide_job::bundle::{ImageShape, Whole};
use bromide_link::Cancel;
use clap::Args;
use serde_json::{Value, json};

use crate::front::Front;
use crate::numbers::grouped;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};
use crate::screen::pages_line;

/// Ranges of missing bytes that are listed on a screen, of each image.
const LISTED: usize = 8;

/// Entries of each list for programs.
const MOST_LISTED: usize = 4096;

/// Check a dump of all partitions against its own record, without a phone
///
/// Reads every image once. Its size, SHA-256, the checksums of its ranges and the state of its pages
/// must be those of bundle.json; its mapfile, its page report, SHA256SUMS and the partition maps must
/// say the same. Of an image that is not whole it is said which bytes are missing. Nothing is changed.
///
/// Exit code 0: everything is there and as recorded; 4: something differs from the record, is missing
/// or does not belong; 5: nothing differs, but bytes were not read yet or could not be (bromide resume
/// goes on).
///
/// Examples:
///
///   bromide bundle verify dump/
///
///   bromide bundle verify dump/ --quick --quiet
///
/// With --json there is a bundle-image object for each image (name, file, bytes, pages, findings) and
/// at the end a bundle-verify object (state, images, findings, busy). A finding has code, differs,
/// text, and where it is about bytes ranges of [offset, length] or first (offset, block, address).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    /// Folder of the dump
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Only sizes, mapfiles and SHA256SUMS as text: no image is read
    #[arg(long)]
    quick: bool,
}

/// `bromide bundle verify`.
pub(super) fn verify(args: &Verify, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let check = Check::open(&args.folder, args.quick).map_err(|e| Failure::of_bundle(&e))?;
    let bytes = check.bytes();
    if bytes > 0 {
        front.begin("verify", bytes);
    }
    let checked = check.run(&mut |done| {
        front.advance(done);
        !cancel.is_set()
    });
    let checked = checked.map_err(|e| match e {
        CheckError::Stopped => Failure::stopped(),
        CheckError::Thread(_) => Failure::new("bundle/io", exit::FAILED, e.to_string(), "repeat the command"),
    })?;
    front.settle();
    match front {
        Front::Json(json) => {
            checked.images.iter().for_each(|image| json.line(&image_value(image)));
            json.line(&value(check.record().state, &checked));
        }
        Front::Screen(_) => out::result(&lines(&checked))?,
    }
    end(args, &checked, front)
}

/// The last word and the exit code.
fn end(args: &Verify, checked: &Checked, front: &mut Front) -> Result<(), Failure> {
    let folder = args.folder.display();
    let (all, bad) = (checked.images.len(), |weight| {
        checked.images.iter().filter(|it| it.findings.iter().any(|it| it.weight() == weight)).count()
    });
    match checked.worst() {
        None => {
            let how = if args.quick { " (no image was read)" } else { "" };
            if let Front::Screen(screen) = front {
                screen.say(&format!("{folder}: all {all} images are whole and as recorded{how}"));
            }
            Ok(())
        }
        Some(Weight::Differs) => {
            let what = match bad(Weight::Differs) {
                0 => format!("{folder}: not as recorded; its {all} images are"),
                bad => format!("{folder}: {bad} of {all} images are not as recorded"),
            };
            let advice =
                "restore what differs from a copy; or read it again: bromide read --all --force -o FOLDER";
            Err(Failure::new("bundle/differs", exit::DIFFERS, what, advice))
        }
        Some(Weight::Unread) if checked.busy => {
            let what = format!("{folder}: another program is reading into it right now");
            Err(Failure::new("bundle/busy", exit::DAMAGED, what, "wait until it has ended"))
        }
        Some(Weight::Unread) => {
            let what = match bad(Weight::Unread) {
                0 => format!("{folder}: the run that read it was cut short at its very end"),
                bad => format!("{folder}: {bad} of {all} images are not whole"),
            };
            let advice = format!("bromide resume {folder} goes on, with the same phone");
            Err(Failure::new("bundle/incomplete", exit::DAMAGED, what, advice))
        }
    }
}

fn lines(checked: &Checked) -> Vec<String> {
    let width = checked.images.iter().map(|image| image.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for image in &checked.images {
        let pages = image.pages.as_ref().map(|pages| format!(", {}", pages_line(pages)));
        if image.findings.is_empty() {
            lines.push(format!("{:width$}  ok{}", image.name, pages.unwrap_or_default()));
        }
        for finding in &image.findings {
            lines.push(format!("{:width$}  {finding}", image.name));
            lines.extend(
                missing(finding, image.shape.as_ref()).into_iter().map(|it| format!("{:width$}    {it}", "")),
            );
        }
    }
    lines.extend(checked.others.iter().map(Finding::to_string));
    lines.iter().map(|line| harmless(line)).collect()
}

/// Which bytes are missing, a line each.
fn missing(finding: &Finding, shape: Option<&ImageShape>) -> Vec<String> {
    let (Some(ranges), Some(shape)) = (ranges(finding), shape) else { return Vec::new() };
    let line = |range: &Range<u64>| {
        let (addresses, at) = (shape.addresses(range), shape.place(range.start));
        format!(
            "{} bytes at byte {:#x}: main-area addresses {:#x} to {:#x}, from block {} on",
            grouped(range.end - range.start),
            range.start,
            addresses.start,
            addresses.end,
            at.block
        )
    };
    let mut lines: Vec<String> = ranges.iter().take(LISTED).map(line).collect();
    if ranges.len() > LISTED {
        lines.push(format!("and {} more", ranges.len() - LISTED));
    }
    lines
}

fn ranges(finding: &Finding) -> Option<&[Range<u64>]> {
    match finding {
        Finding::Unread { ranges, .. } | Finding::Untried { ranges, .. } => Some(ranges),
        _ => None,
    }
}

fn image_value(image: &CheckedImage) -> Value {
    let pages = image.pages.as_ref().map(|of| {
        json!({
            "total": of.total(), "clean": of.clean, "correctable": of.correctable, "damaged": of.damaged,
            "blank": of.blank, "in_bad_blocks": of.in_bad_blocks, "not_checked": of.not_checked,
        })
    });
    json!({
        "event": "bundle-image", "name": image.name, "file": image.file, "bytes": image.bytes, "pages": pages,
        "findings": image.findings.iter().map(finding_value).collect::<Vec<_>>(),
    })
}

fn finding_value(finding: &Finding) -> Value {
    let mut value = json!({
        "code": finding.code(), "differs": finding.weight() == Weight::Differs, "text": finding.to_string(),
    });
    if let Some(ranges) = ranges(finding) {
        let pairs = ranges.iter().take(MOST_LISTED).map(|it| json!([it.start, it.end - it.start]));
        value["ranges"] = pairs.collect();
        value["ranges_unlisted"] = json!(ranges.len().saturating_sub(MOST_LISTED));
    }
    if let Finding::Digest { ranges: Some(at), .. } | Finding::Checksums(at) = finding {
        let DifferingRanges { count, of, bytes, first } = at;
        value["differing"] = json!({
            "count": count, "of": of, "bytes": bytes,
            "first": { "offset": first.offset, "block": first.block, "address": format!("{:#x}", first.address) },
        });
    }
    value
}

fn value(state: Whole, checked: &Checked) -> Value {
    let state = match state {
        Whole::Reading => "reading",
        Whole::Incomplete => "incomplete",
        Whole::Whole => "whole",
    };
    json!({
        "event": "bundle-verify", "state": state, "images": checked.images.len(), "busy": checked.busy,
        "ok": checked.worst().is_none(),
        "findings": checked.others.iter().map(finding_value).collect::<Vec<_>>(),
    })
}
