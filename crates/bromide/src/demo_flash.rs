//! The demo's chip: a YAFFS2 tree in `system`, invented pages elsewhere, in a file of the whole chip.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bromide_image::yaffs2::WriteError;
use bromide_image::yaffs2::demo_tree::{DEFAULT_CONTENT, DemoTree};
use bromide_phone::{ChipError, Factory, FactoryError, Filling, Model, NandChip};

/// Same tree every time.
const SEED: u64 = 6575;
/// Pages written at the start of every other partition.
const OTHER_PAGES: u32 = 512;

/// Why the chip could not be built.
#[derive(Debug)]
pub(crate) enum BuildError {
    Factory(FactoryError),
    Chip(ChipError),
    Tree(String),
    Io(std::io::Error),
    Stopped,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factory(e) => e.fmt(f),
            Self::Chip(e) => e.fmt(f),
            Self::Tree(e) => f.write_str(e),
            Self::Io(e) => e.fmt(f),
            Self::Stopped => f.write_str("stopped by the user"),
        }
    }
}

impl From<FactoryError> for BuildError {
    fn from(e: FactoryError) -> Self {
        Self::Factory(e)
    }
}

/// Builds the chip under a temporary name and renames it when whole.
///
/// `progress` hears (pages written, pages in all) and may stop the work. Returns the number of objects in the tree.
pub(crate) fn build(
    model: &Model,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> Result<(), BuildError>,
) -> Result<u32, BuildError> {
    let part = with_part(path);
    let _ = fs::remove_file(&part);
    let objects = fill(model, &part, progress).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })?;
    fs::rename(&part, path).map_err(BuildError::Io)?;
    Ok(objects)
}

fn fill(
    model: &Model,
    part: &Path,
    progress: &mut dyn FnMut(u64, u64) -> Result<(), BuildError>,
) -> Result<u32, BuildError> {
    let chip = NandChip::open(&model.nand, part).map_err(BuildError::Chip)?;
    let mut factory = Factory::new(model, chip)?;
    let mut objects = 0;
    for partition in model.partitions() {
        if partition.name != "system" {
            factory.fill(&partition.name, OTHER_PAGES, Filling { seed: SEED, ..Filling::default() })?;
            continue;
        }
        let room = partition.bytes / u64::from(model.nand.page_bytes);
        let tree = DemoTree::new(SEED, DEFAULT_CONTENT.min(partition.bytes / 4 * 3));
        let chunks = tree.chunks();
        if chunks > room {
            return Err(BuildError::Tree(format!("the tree takes {chunks} pages, the partition has {room}")));
        }
        let mut page = (partition.start / u64::from(model.nand.page_bytes)) as u32;
        let mut written = 0;
        let result = tree.write(|main: &[u8; 2048], software: &[u8; 25]| {
            factory.program_logical(page, main, software)?;
            page += 1;
            written += 1;
            if written % 4096 == 0 { progress(written, chunks) } else { Ok(()) }
        });
        objects = match result {
            Ok(written) => written.objects,
            Err(WriteError::Sink(e)) => return Err(e),
            Err(e) => return Err(BuildError::Tree(e.to_string())),
        };
        progress(chunks, chunks)?;
    }
    drop(factory.finish()?);
    Ok(objects)
}

fn with_part(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}
