//! `resume`: goes on with a dump that was cut short, with what its record knows.

use std::path::{Path, PathBuf};

use bromide_job::bundle::{self, Record};
use bromide_job::readback::ReadOptions;
use bromide_job::rows::{Want, Wish};
use bromide_link::Cancel;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::choose::Via;
use crate::cli::{Cable, Manner, Resume};
use crate::cmd::map;
use crate::cmd::read::{Job, read_job};
use crate::front::Front;
use crate::report::{Failure, exit};

/// `bromide resume`.
pub(crate) fn resume(args: Resume, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let record = load(&args.folder, &args.via)?;
    let (shape, kind) = way(&record, &args.folder)?;
    let map = map_of(&args.folder, &record)?;
    let cable = cable(&record, args.da, args.via, args.manner)?;
    let options = ReadOptions {
        force: false,
        pages_per_packet: args.packet_pages,
        one_sums_file: true,
        keep_whole: true,
        verify: args.care.verify,
        checkpoint: args.care.checkpoint,
    };
    let wish = Wish { want: Want::All { folder: args.folder.clone() }, shape, kind };
    let job = Job { wishes: vec![wish], map, folder: Some(args.folder), bundle: true, options };
    read_job(&job, &cable, front, cancel).map(drop)
}

/// The record of a bundle.
pub(crate) fn load(folder: &Path, via: &Via) -> Result<Record, Failure> {
    bundle::load(folder).map_err(|e| Failure::of_job(&e.into(), via))
}

/// How its images were read; all of them the same way.
pub(crate) fn way(record: &Record, folder: &Path) -> Result<(Shape, AddressKind), Failure> {
    let odd = || {
        let what = format!("{}: its images were read in no way this program knows", folder.display());
        Failure::new("bundle/damaged", exit::FAILED, what, "read the phone into another folder")
    };
    let first = record.images.first().ok_or_else(odd)?;
    let shapes = [Shape::AsStored, Shape::MainOnly, Shape::SpareLast];
    let shape = shapes.into_iter().find(|shape| shape.flag() == first.flag).ok_or_else(odd)?;
    let kind = match first.addresses.as_str() {
        "logical" => AddressKind::Logical,
        "physical" => AddressKind::Physical,
        _ => return Err(odd()),
    };
    Ok((shape, kind))
}

/// The map it was read by.
pub(crate) fn map_of(folder: &Path, record: &Record) -> Result<Option<bromide_image::map::Map>, Failure> {
    record.maps.first().map(|name| map::load(&folder.join(name))).transpose()
}

/// The cable, with the agent and the pool of the earlier runs where nothing else is said.
pub(crate) fn cable(
    record: &Record,
    da: Option<PathBuf>,
    via: Via,
    mut manner: Manner,
) -> Result<Cable, Failure> {
    manner.pool.get_or_insert(record.phone.pool_blocks);
    let known = || record.agent.path.as_ref().map(PathBuf::from).filter(|path| path.is_file());
    let da = da.or_else(known).ok_or_else(|| {
        let what = format!(
            "the Download Agent of the earlier runs ({}) is not where it was",
            record.agent.container
        );
        Failure::new("da/io", exit::USAGE, what, "name it with --da")
    })?;
    Ok(Cable { via, da, manner })
}
