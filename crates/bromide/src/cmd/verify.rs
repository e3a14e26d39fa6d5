//! `verify`: a dump against the phone it came from, read once more.

use bromide_job::bundle::Record;
use bromide_job::error::JobError;
use bromide_job::follow::Follower;
use bromide_job::phone_id::PhoneId;
use bromide_job::readback::{Against, compare_with_phone};
use bromide_job::rows::Row;
use bromide_job::source::Source as _;
use bromide_link::{Cancel, run};
use serde_json::json;

use crate::cli::Verify;
use crate::cmd::meet::{container, end, has_readable_chip, on_phone};
use crate::cmd::resume::{cable, load, way};
use crate::front::Front;
use crate::numbers::{grouped, pages};
use crate::out;
use crate::report::{Failure, exit};
use crate::run_log;

/// Pages that are named for people.
const NAMED: usize = 8;

/// `bromide verify`.
pub(crate) fn verify(args: Verify, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let record = load(&args.folder, &args.via)?;
    let rows = rows(&args, &record)?;
    let cable = cable(&record, args.da, args.via, args.manner)?;
    let da = container(&cable, front)?;
    has_readable_chip(&da, &cable)?;
    run_log::in_bundle(&args.folder);
    let pool = record.phone.pool_blocks;
    let compared = on_phone(&cable, pool, front, cancel, |bus, follow, tell| {
        run(async {
            let mut phone = Follower::catch(bus, &da, follow, tell).await?;
            let compared = async {
                let session = phone.session().ok_or(JobError::NoSession)?;
                let geometry = session.geometry()?;
                let here = PhoneId::of(&session.identity, &session.found, &geometry, pool);
                if here != record.phone {
                    return Err(JobError::AnotherPhone);
                }
                phone.raise(tell).await?;
                let mut all = Vec::new();
                for row in &rows {
                    all.push(compare_with_phone(&mut phone, row, args.packet_pages, tell).await?);
                }
                Ok(all)
            };
            let compared = compared.await;
            end(phone.into_session(), compared.is_ok(), cancel, tell).await;
            compared
        })
        .map_err(|e: JobError| Failure::of_job(&e, &cable.via))
    })?;
    front.settle();
    told(&rows, &compared, front)
}

/// The images that are whole, or those of them that were named.
fn rows(args: &Verify, record: &Record) -> Result<Vec<Row>, Failure> {
    let (shape, kind) = way(record, &args.folder)?;
    let usage = |what: String| {
        Failure::new("bundle/image", exit::USAGE, what, "bromide bundle verify lists its images")
    };
    let Some(geometry) = record.geometry() else {
        return Err(usage(format!("{}: no chip has the shape in its record", args.folder.display())));
    };
    let mut rows = Vec::new();
    for image in &record.images {
        if !args.images.is_empty() && !args.images.contains(&image.name) {
            continue;
        }
        if image.sha256.is_none() {
            if args.images.is_empty() {
                continue;
            }
            return Err(usage(format!("{} is not whole", image.name)));
        }
        let there = image.shape(geometry).filter(|_| image.flag == shape.flag()).ok_or_else(|| {
            usage(format!("{}: its place and size in the record are none of the chip", image.name))
        })?;
        let target = args.folder.join(&image.file);
        let (start, length) = (there.start, there.length);
        rows.push(Row { name: image.name.clone(), target, shape, kind, start, length });
    }
    if rows.is_empty() {
        return Err(usage(format!("{} has no such image that is whole", args.folder.display())));
    }
    Ok(rows)
}

/// What came of it, and whether that is a failure.
fn told(rows: &[Row], compared: &[Against], front: &mut Front) -> Result<(), Failure> {
    let mut differing = Vec::new();
    for (row, against) in rows.iter().zip(compared) {
        if !against.is_same() {
            differing.push(row.name.clone());
        }
        match front {
            Front::Json(json) => json.line(&value(row, against)),
            Front::Screen(_) => out::line(line(row, against)),
        }
    }
    let not_again: u64 = compared.iter().map(|it| it.verified.not_again).sum();
    if !differing.is_empty() {
        let what = format!("the phone holds something else in {}", differing.join(", "));
        let advice = "partitions like userdata and cache change whenever the phone runs; bromide bundle diff compares two dumps by file";
        return Err(Failure::new("verify/differs", exit::DIFFERS, what, advice));
    }
    if not_again > 0 {
        let what = format!("{} could not be read again", pages(not_again));
        return Err(Failure::new("read/unread", exit::DAMAGED, what, "try again, with --speed full"));
    }
    Ok(())
}

fn line(row: &Row, against: &Against) -> String {
    let mut text = format!("{:<12} {} compared: ", row.name, pages(against.verified.pages));
    if against.is_same() {
        text += "the same";
    } else {
        let first: Vec<String> = against.other.iter().take(NAMED).map(u64::to_string).collect();
        let more = if against.others > NAMED as u64 { ", .." } else { "" };
        text += &format!("{} differ (page {}{more})", grouped(against.others), first.join(", "));
    }
    if against.same_after_correction > 0 {
        text +=
            &format!(", {} of them after correction of wrong bits", grouped(against.same_after_correction));
    }
    text
}

fn value(row: &Row, against: &Against) -> serde_json::Value {
    json!({
        "event": "verified",
        "name": row.name,
        "file": row.target.to_string_lossy(),
        "pages": against.verified.pages,
        "read_differently": against.verified.differed,
        "same_after_correction": against.same_after_correction,
        "differ": against.others,
        "differing": against.other,
        "not_read_again": against.verified.not_again,
    })
}
