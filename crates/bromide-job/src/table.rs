//! The phone's own partition table (PMT): what its agent tells of it, else what its pages hold.
//!
//! A phone that was partitioned anew keeps this table in the two blocks before the bad-block pool, and it overrides
//! the table built into its programs (formats.md section 5.1); a phone that was not has none. The agent is asked first
//! (A2, da-legacy.md section 10). Where it tells nothing the first pages of the two blocks are read, and the rest of
//! them when there is something. Whatever is found must fit the chip like any other map.

use std::fmt;

use bromide_image::map::{ChipShape, Map, Placed, Placement, of_pmt};
use bromide_image::table::pmt::nand::{self, PageShape};
use bromide_image::table::pmt::{Which, answer};
use bromide_nand::ecc::{SectorState, correct_sector};
use bromide_nand::{Ecc, Geometry, Layout, PageState, check_page};
use bromide_proto::agent::partition_table::TableAnswer;
use bromide_proto::agent::reading::{Order, PageSize, SILENCE, TRIES};
use bromide_proto::error::{Error, ErrorKind};
use bromide_proto::link::Link;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::rows::{self, Row, Wish};
use crate::session::Session;

/// Erase blocks the table takes: one for the table, one for its mirror.
const BLOCKS: u32 = 2;
/// Pages per packet of these small reads.
const PACKET: u32 = 16;
/// Bytes of a sector with its spare part, in the only page format that is known.
const STORED_SECTOR: usize = 512 + 16;

/// Where a table was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableSource {
    /// The agent told it (A2).
    Agent,
    /// In the phone's pages: the table, or its mirror where that is all there is.
    Pages(Which),
}

impl fmt::Display for TableSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "PMT, by A2",
            Self::Pages(Which::Pt) => "PMT, found in its pages",
            Self::Pages(Which::Mpt) => "mirror of the PMT, found in its pages",
        })
    }
}

/// A table that fits the chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTable {
    /// Where it was found.
    pub source: TableSource,
    /// The partitions as the table names them.
    pub map: Map,
    /// Where they lie on this chip.
    pub placement: Placement,
}

/// The phone's own table, or `None` where it has none. `tell` hears what was odd.
///
/// # Errors
/// [`JobError::OwnTable`]: there is one and it contradicts the chip. Else the conversation failed.
pub async fn own_table<L: Link>(
    session: &mut Session<L>,
    tell: &mut Tell<'_>,
) -> Result<Option<OwnTable>, JobError> {
    let geometry = session.geometry()?;
    let chip = rows::chip_shape(&geometry, session.pool_blocks);
    let mut misfit = None;
    if let Some(map) = asked(session, tell).await? {
        match fitted(TableSource::Agent, map, &chip) {
            Ok(table) => return Ok(Some(table)),
            Err(e) => misfit = Some(e),
        }
    }
    if let Some((which, map)) = in_pages(session, &geometry, tell).await? {
        match fitted(TableSource::Pages(which), map, &chip) {
            Ok(table) => return Ok(Some(table)),
            Err(e) => misfit = Some(e),
        }
    }
    misfit.map_or(Ok(None), Err)
}

fn fitted(source: TableSource, mut map: Map, chip: &ChipShape) -> Result<OwnTable, JobError> {
    // The table says nothing of the pool; it lies right before the one the agent was told.
    map.pool_blocks.get_or_insert(chip.pool_blocks);
    let placement = map.place(chip).map_err(|error| JobError::OwnTable { origin: source, error })?;
    Ok(OwnTable { source, map, placement })
}

/// What the agent tells.
async fn asked<L: Link>(session: &mut Session<L>, tell: &mut Tell<'_>) -> Result<Option<Map>, JobError> {
    let records = match session.agent().partition_table().await? {
        TableAnswer::Records(records) => records,
        TableAnswer::Refused(_) => return Ok(None),
        TableAnswer::Unclear(what) => {
            let text = format!("asked for its partition table (A2) the agent answered with {what}");
            tell(Event::Note(&text));
            return Ok(None);
        }
    };
    match answer::read(&records) {
        Ok(answer) => {
            let warnings = answer.warnings.iter().map(ToString::to_string);
            Ok(Some(told(&answer.partitions, warnings, tell)))
        }
        Err(e) => {
            tell(Event::Warning(&format!("what the agent tells of its partition table cannot be used: {e}")));
            Ok(None)
        }
    }
}

fn told(
    partitions: &[bromide_image::table::pmt::Partition],
    warnings: impl Iterator<Item = String>,
    tell: &mut Tell<'_>,
) -> Map {
    let map = of_pmt(partitions);
    for text in warnings.chain(map.notes.iter().cloned()) {
        tell(Event::Note(&format!("the phone's partition table: {text}")));
    }
    map
}

/// What the two blocks before the pool hold. Blocks are written from their first page on, so one with a blank first
/// page has no table.
async fn in_pages<L: Link>(
    session: &mut Session<L>,
    geometry: &Geometry,
    tell: &mut Tell<'_>,
) -> Result<Option<(Which, Map)>, JobError> {
    let first = geometry.blocks.checked_sub(session.pool_blocks).and_then(|end| end.checked_sub(BLOCKS));
    let (Some(first), Some(Ecc::Bch4)) = (first, geometry.ecc()) else { return Ok(None) };
    let block = u64::from(geometry.block_bytes());
    let start = u64::from(first) * block;
    let mut blank = true;
    for n in 0..u64::from(BLOCKS) {
        let page = stored(session, geometry, start + n * block, geometry.page.into(), tell).await?;
        let state = page.map(|page| check_page(&page, Layout::Interleaved, geometry));
        blank &= matches!(state, Some(PageState::Blank { .. }));
    }
    if blank {
        return Ok(None);
    }
    let mut pages = Vec::new();
    for n in 0..u64::from(BLOCKS) {
        match stored(session, geometry, start + n * block, block, tell).await? {
            Some(stored) => pages.extend(stored),
            None => tell(Event::Note(&format!(
                "block {} cannot be read; no partition table is looked for in it",
                u64::from(first) + n
            ))),
        }
    }
    let (pages, shape) = repaired(&pages, geometry);
    let found = match nand::find(&pages, shape) {
        Ok(found) => found,
        Err(bromide_image::table::pmt::PmtError::NoSignature) => return Ok(None),
        Err(e) => {
            tell(Event::Warning(&format!("the partition table in the phone's pages cannot be used: {e}")));
            return Ok(None);
        }
    };
    if found.differ() {
        tell(Event::Note("the phone's partition table and its mirror differ; the table itself is used"));
    }
    Ok(found.best().map(|best| {
        let warnings = best.table.warnings.iter().map(ToString::to_string);
        (best.table.which, told(&best.table.partitions, warnings, tell))
    }))
}

/// Stored pages behind logical addresses; `None` where one of them never comes.
async fn stored<L: Link>(
    session: &mut Session<L>,
    geometry: &Geometry,
    start: u64,
    length: u64,
    tell: &mut Tell<'_>,
) -> Result<Option<Vec<u8>>, JobError> {
    let (shape, kind) = (Shape::AsStored, AddressKind::Logical);
    let order = Order {
        shape,
        kind,
        start,
        length,
        pages_per_packet: PACKET,
        careful: false,
        one_of_many: false,
        tries: TRIES,
        silence: SILENCE,
    };
    let size = PageSize { page: geometry.page, spare: geometry.spare };
    match all_of(session, order, size, tell).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error { kind: kind @ ErrorKind::Unreadable { .. }, .. }) => {
            session.agent().recall(&kind.to_string()).await?;
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

async fn all_of<L: Link>(
    session: &mut Session<L>,
    order: Order,
    size: PageSize,
    tell: &mut Tell<'_>,
) -> Result<Vec<u8>, Error> {
    let mut reading = session.agent().read(order, size).await?;
    let (mut all, mut packet) = (Vec::new(), Vec::new());
    while reading.next(&mut packet).await? {
        // No file gets them: whoever records the cable has to.
        tell(Event::Packet { bytes: &packet, kept: None });
        all.extend_from_slice(&packet);
    }
    Ok(all)
}

/// Main bytes of every page, its free spare bytes behind them. Pages beyond repair become zeros.
fn repaired(stored: &[u8], geometry: &Geometry) -> (Vec<u8>, PageShape) {
    let main = geometry.page as usize;
    // Where the driver's free bytes lie is known for pages of four sectors only.
    let free = if main == 2048 { nand::free_bytes(&[0; 32]).len() } else { 0 };
    let mut pages = Vec::new();
    for page in stored.chunks_exact((geometry.page + geometry.spare) as usize) {
        let from = pages.len();
        let mut fdm = Vec::new();
        let mut good = true;
        for sector in page.as_chunks::<STORED_SECTOR>().0 {
            let (mut data, mut spare) = ([0; 512], [0; 16]);
            data.copy_from_slice(&sector[..512]);
            spare.copy_from_slice(&sector[512..]);
            good &= correct_sector(&mut data, &mut spare) != SectorState::Damaged;
            pages.extend(data);
            fdm.extend_from_slice(&spare[..8]);
        }
        if let Ok(fdm) = <&[u8; 32]>::try_from(fdm.as_slice()) {
            pages.extend(nand::free_bytes(fdm));
        }
        if !good {
            pages[from..].fill(0);
        }
    }
    (pages, PageShape { main, free })
}

/// What is going to be read, and by which map.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The rows.
    pub rows: Vec<Row>,
    /// The map that was given, or the phone's own table.
    pub map: Option<Map>,
}

/// What to read, once the phone is there. Partitions without a map are those of the phone's own table; with one, a
/// table that says otherwise is told as a warning and changes nothing.
///
/// # Errors
/// As [`own_table`] and [`rows::resolve`]; [`JobError::NoMap`] where nothing names the partitions.
pub async fn rows_on_phone<L: Link>(
    session: &mut Session<L>,
    wishes: &[Wish],
    map: Option<&Map>,
    tell: &mut Tell<'_>,
) -> Result<Planned, JobError> {
    let geometry = session.geometry()?;
    let pool = session.pool_blocks;
    let mut own = None;
    if wishes.iter().any(Wish::names_partitions) {
        match (own_table(session, tell).await, map) {
            (Err(e @ JobError::OwnTable { .. }), Some(_)) => tell(Event::Warning(&e.to_string())),
            (Err(e), _) => return Err(e),
            (Ok(Some(table)), Some(map)) => {
                let placement = map.place(&rows::chip_shape(&geometry, pool))?;
                if let Some(text) = difference(&placement, &table) {
                    tell(Event::Warning(&text));
                }
            }
            (Ok(Some(table)), None) => {
                tell(Event::OwnTable(&table));
                own = Some(table.map);
            }
            (Ok(None), _) => {}
        }
    }
    let map = map.cloned().or(own);
    let rows = rows::resolve(wishes, map.as_ref(), &geometry, pool, &mut |text| tell(Event::Note(text)))?;
    Ok(Planned { rows, map })
}

/// Where a map and the phone's own table disagree, as a sentence; names alone are no difference.
fn difference(map: &Placement, own: &OwnTable) -> Option<String> {
    let same = |it: &&Placed| {
        let place = |other: &Placed| (other.start, other.size) == (it.start, it.size);
        it.size == 0 || own.placement.partitions.iter().any(place)
    };
    let mut differ = map.partitions.iter().filter(|it| !same(it));
    let first = differ.next()?;
    let (name, start, size) = (&first.name, first.start, first.size);
    let there = own.placement.find(name).map_or_else(
        |_| "the table has nothing there".to_owned(),
        |it| format!("the table has it at {:#x} with {:#x} bytes", it.start, it.size),
    );
    let more = match differ.count() {
        0 => String::new(),
        more => format!("; so do {more} more"),
    };
    Some(format!(
        "the phone's own partition table ({}), which overrides the one built in, differs from the map: by the map \
         {name} lies at {start:#x} with {size:#x} bytes, {there}{more}. The map is followed",
        own.source
    ))
}
