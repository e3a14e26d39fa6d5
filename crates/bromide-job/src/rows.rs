//! What to read, as rows: file, shape, address space, start, length. The vendor tool's read-back list.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use bromide_image::map::{ChipShape, Map, Placed, Size};
use bromide_nand::Geometry;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::error::JobError;
use crate::save::place::with_suffix;
use crate::sums;

/// What is written beside a file or stands for it until it is whole, with its own interim names.
const BESIDE: [&str; 5] = [".part", ".sha256", ".sha256.part", ".report.json", ".report.json.part"];

/// One thing to read into one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Name for people: a partition's, or the range.
    pub name: String,
    /// File to write.
    pub target: PathBuf,
    /// Bytes per page in the file.
    pub shape: Shape,
    /// Address space of `start`.
    pub kind: AddressKind,
    /// First main-area byte.
    pub start: u64,
    /// Main-area bytes.
    pub length: u64,
}

/// What the user asked for, before the chip is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// A partition by name into a file.
    Partition {
        /// Name or alias.
        name: String,
        /// File to write.
        target: PathBuf,
    },
    /// Every partition of the map into a folder, one file each.
    All {
        /// Folder.
        folder: PathBuf,
    },
    /// A range of addresses into a file.
    Range {
        /// First main-area byte.
        start: u64,
        /// Main-area bytes.
        length: u64,
        /// File to write.
        target: PathBuf,
    },
    /// The chip from its first byte to the end of the address space.
    WholeChip {
        /// File to write.
        target: PathBuf,
    },
}

/// A wish with its shape and address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What.
    pub want: Want,
    /// Bytes per page.
    pub shape: Shape,
    /// Address space. Partitions are counted in the logical one; physically the same numbers are read as they are.
    pub kind: AddressKind,
}

impl Wish {
    /// Whether something must say where partitions lie.
    #[must_use]
    pub const fn names_partitions(&self) -> bool {
        matches!(self.want, Want::Partition { .. } | Want::All { .. })
    }
}

/// The chip as maps are held against it.
#[must_use]
pub fn chip_shape(geometry: &Geometry, pool_blocks: u32) -> ChipShape {
    ChipShape { bytes: geometry.chip_bytes(), block_bytes: geometry.block_bytes(), pool_blocks }
}

/// The files that will be written, in the order of the wishes. Everything that can be refused before there is a
/// phone is refused here. Without a map the phone may name the partitions; what files all of them make is not known
/// then.
///
/// # Errors
/// A partition that is not in the map, two rows into one file.
pub fn targets(wishes: &[Wish], map: Option<&Map>) -> Result<Vec<PathBuf>, JobError> {
    let mut targets = Vec::new();
    for wish in wishes {
        match (&wish.want, map) {
            (Want::Partition { name, target }, Some(map)) => {
                map.find(name)?;
                targets.push(target.clone());
            }
            (Want::All { folder }, Some(map)) => {
                // A partition without a byte has no file; [`resolve`] leaves it out as well.
                let some = map.partitions.iter().filter(|p| p.size != Size::Stated(0));
                targets.extend(some.map(|p| folder.join(file_name(&p.name))));
            }
            (Want::All { .. }, None) => {}
            (Want::Partition { target, .. } | Want::Range { target, .. } | Want::WholeChip { target }, _) => {
                targets.push(target.clone())
            }
        }
    }
    distinct(targets.iter())?;
    Ok(targets)
}

/// No file may be written twice, nor be what is written beside another one, nor its interim name.
fn distinct<'a>(targets: impl Iterator<Item = &'a PathBuf>) -> Result<(), JobError> {
    let mut all = BTreeSet::new();
    for target in targets {
        let plain: PathBuf = target.components().filter(|c| *c != Component::CurDir).collect();
        let reserved = plain.file_name().is_some_and(|name| {
            name == sums::FOLDER_NAME || with_suffix(Path::new(sums::FOLDER_NAME), ".part") == Path::new(name)
        });
        if reserved || !all.insert(plain) {
            return Err(JobError::SameFile(target.clone()));
        }
    }
    let beside = |target: &PathBuf| BESIDE.map(|suffix| with_suffix(target, suffix));
    match all.iter().flat_map(beside).find(|path| all.contains(path.as_path())) {
        Some(twice) => Err(JobError::SameFile(twice)),
        None => Ok(()),
    }
}

/// Wishes become rows once the chip is known. Everything that contradicts the chip is refused here, before the
/// first page is asked for. `remarks` hears what was assumed.
pub fn resolve(
    wishes: &[Wish],
    map: Option<&Map>,
    geometry: &Geometry,
    pool_blocks: u32,
    remarks: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, JobError> {
    let needs_map = wishes.iter().any(Wish::names_partitions);
    let shape = chip_shape(geometry, pool_blocks);
    // Addresses need no map, so one that does not fit this chip is no reason to refuse them.
    let placement = match map {
        Some(map) if needs_map => Some(map.place(&shape)?),
        None if needs_map => return Err(JobError::NoMap),
        Some(_) | None => None,
    };
    for note in placement.iter().flat_map(|p| &p.notes) {
        remarks(note);
    }
    let mut rows = Vec::new();
    for wish in wishes {
        let row = |name: &str, target: PathBuf, start, length| Row {
            name: name.to_owned(),
            target,
            shape: wish.shape,
            kind: wish.kind,
            start,
            length,
        };
        match (&wish.want, &placement) {
            (Want::Partition { name, target }, Some(p)) => {
                let placed = p.find(name)?;
                remark(placed, remarks);
                rows.push(row(&placed.name, target.clone(), placed.start, placed.size));
            }
            (Want::All { folder }, Some(p)) => {
                for placed in p.partitions.iter().filter(|placed| placed.size > 0) {
                    remark(placed, remarks);
                    rows.push(row(
                        &placed.name,
                        folder.join(file_name(&placed.name)),
                        placed.start,
                        placed.size,
                    ));
                }
            }
            (Want::Partition { .. } | Want::All { .. }, None) => {} // refused above
            (Want::Range { start, length, target }, _) => {
                rows.push(row(&format!("{start:#x}+{length:#x}"), target.clone(), *start, *length));
            }
            (Want::WholeChip { target }, _) => {
                let end = end_of(wish.kind, geometry, pool_blocks);
                rows.push(row("the whole chip", target.clone(), 0, end));
            }
        }
    }
    for row in &rows {
        within_chip(row, geometry, pool_blocks)?;
    }
    distinct(rows.iter().map(|row| &row.target))?;
    Ok(rows)
}

/// End of an address space in main-area bytes: the pool is outside the logical one.
fn end_of(kind: AddressKind, geometry: &Geometry, pool_blocks: u32) -> u64 {
    let pool = match kind {
        AddressKind::Logical => u64::from(pool_blocks) * u64::from(geometry.block_bytes()),
        AddressKind::Physical => 0,
    };
    geometry.chip_bytes().saturating_sub(pool)
}

fn within_chip(row: &Row, geometry: &Geometry, pool_blocks: u32) -> Result<(), JobError> {
    let page = u64::from(geometry.page);
    for (what, value) in [("start", row.start), ("length", row.length)] {
        if value % page != 0 {
            let below = value - value % page;
            return Err(JobError::Range(format!(
                "{}: the {what} {value:#x} is no multiple of the page size {page:#x}; the next ones are {below:#x} and {:#x}",
                row.name,
                below.saturating_add(page)
            )));
        }
    }
    if row.length == 0 {
        return Err(JobError::Range(format!("{}: the length is 0, nothing to read", row.name)));
    }
    let end = end_of(row.kind, geometry, pool_blocks);
    let last = row.start.saturating_add(row.length);
    if last > end {
        let space = match row.kind {
            AddressKind::Logical => format!(
                "logical addresses end at {end:#x} (the last {pool_blocks} blocks are the bad-block pool)"
            ),
            AddressKind::Physical => format!("the chip ends at {end:#x}"),
        };
        return Err(JobError::Range(format!("{}: it would end at {last:#x}, but {space}", row.name)));
    }
    Ok(())
}

fn remark(placed: &Placed, remarks: &mut dyn FnMut(&str)) {
    // The start of a /proc/mtd entry is always a sum and a scatter size always a difference; only guesses about
    // the end of the chip are worth a line each.
    use bromide_image::map::Derived::{SizeToEnd, SizeToPoolLessPmt, SizeToReserved};
    if let Some(derived @ (SizeToEnd | SizeToPoolLessPmt | SizeToReserved)) = placed.derived {
        remarks(&format!("{}: {derived}", placed.name));
    }
}

/// File name for a partition: its name, kept harmless. A map is foreign text and may hold anything.
fn file_name(partition: &str) -> PathBuf {
    let safe: String = partition
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .collect();
    let safe = safe.trim_start_matches('.');
    Path::new(if safe.is_empty() { "unnamed" } else { safe }).with_added_extension("img")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_image::map;

    const SCATTER: &[u8] = b"PRELOADER 0x0\n{\n}\nANDROID 0x40000\n{\n}\nUSRDATA 0x80000\n{\n}\n__NODL_BMTPOOL 0xFFFF0010\n{\n}\n";

    fn chip() -> Geometry {
        Geometry::new(2048, 64, 64, 64).unwrap()
    }

    fn rows(want: Want, kind: AddressKind) -> Result<Vec<Row>, JobError> {
        let map = map::parse(SCATTER).unwrap();
        let wish = Wish { want, shape: Shape::AsStored, kind };
        resolve(&[wish], Some(&map), &chip(), 16, &mut |_| {})
    }

    fn range(start: u64, length: u64) -> Want {
        Want::Range { start, length, target: "x.img".into() }
    }

    #[test]
    fn a_partition_is_found_by_its_alias_and_sized_by_its_neighbour() {
        let want = Want::Partition { name: "system".into(), target: "s.img".into() };
        let rows = rows(want, AddressKind::Logical).unwrap();
        assert_eq!((rows[0].name.as_str(), rows[0].start, rows[0].length), ("ANDROID", 0x40000, 0x40000));
    }

    #[test]
    fn all_partitions_get_a_harmless_file_each() {
        let all = rows(Want::All { folder: "dump".into() }, AddressKind::Logical).unwrap();
        let names: Vec<_> = all.iter().map(|r| r.target.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["dump/PRELOADER.img", "dump/ANDROID.img", "dump/USRDATA.img"]);
        assert_eq!(file_name("../../etc/passwd"), Path::new("_.._etc_passwd.img"));
        assert_eq!(file_name(".."), Path::new("unnamed.img"));
    }

    #[test]
    fn ranges_off_the_page_grid_or_off_the_chip_are_refused_with_numbers() {
        let refusal = |want, kind| rows(want, kind).unwrap_err().to_string();
        assert!(refusal(range(0x801, 0x800), AddressKind::Logical).contains("0x800 and 0x1000"));
        assert!(refusal(range(0, 0), AddressKind::Logical).contains("nothing to read"));
        let pool_start = 48 * 0x20000;
        assert!(refusal(range(pool_start, 0x800), AddressKind::Logical).contains("bad-block pool"));
        assert!(rows(range(pool_start, 0x800), AddressKind::Physical).is_ok());
        assert!(refusal(range(64 * 0x20000, 0x800), AddressKind::Physical).contains("chip ends"));
        assert!(rows(range(u64::MAX - 0x7ff, 0x800), AddressKind::Physical).is_err());
    }

    #[test]
    fn the_whole_chip_ends_where_its_address_space_does() {
        let whole = |kind| rows(Want::WholeChip { target: "c".into() }, kind).unwrap()[0].length;
        assert_eq!(whole(AddressKind::Physical), 64 * 0x20000);
        assert_eq!(whole(AddressKind::Logical), 48 * 0x20000);
    }

    #[test]
    fn two_rows_into_one_file_are_refused() {
        let map = map::parse(SCATTER).unwrap();
        let wish = Wish { want: range(0, 0x800), shape: Shape::MainOnly, kind: AddressKind::Logical };
        let twice = [wish.clone(), wish];
        let error = resolve(&twice, Some(&map), &chip(), 16, &mut |_| {}).unwrap_err();
        assert!(matches!(error, JobError::SameFile(_)));
    }

    fn early(wants: &[Want], map: Option<&[u8]>) -> Result<Vec<PathBuf>, JobError> {
        let map = map.map(|text| map::parse(text).unwrap());
        let wish =
            |want: &Want| Wish { want: want.clone(), shape: Shape::AsStored, kind: AddressKind::Logical };
        targets(&wants.iter().map(wish).collect::<Vec<_>>(), map.as_ref())
    }

    #[test]
    fn the_files_known_before_the_phone_are_those_of_the_rows() {
        let wants = [
            Want::Partition { name: "system".into(), target: "s.img".into() },
            Want::All { folder: "dump".into() },
            range(0, 0x800),
            Want::WholeChip { target: "chip.img".into() },
        ];
        let before = early(&wants, Some(SCATTER)).unwrap();
        let after = wants.map(|want| rows(want, AddressKind::Logical).unwrap());
        assert_eq!(before, after.concat().into_iter().map(|row| row.target).collect::<Vec<_>>());
    }

    #[test]
    fn a_partition_without_a_byte_has_no_file() {
        let map = b"dev: size erasesize name\nmtd0: 00040000 00020000 \"a\"\nmtd1: 00000000 00020000 \"b\"\n\
                    mtd2: 00040000 00020000 \"c\"\n"
            .as_slice();
        let parsed = map::parse(map).unwrap();
        let want = || Want::All { folder: "dump".into() };
        let wish = Wish { want: want(), shape: Shape::AsStored, kind: AddressKind::Logical };
        let rows = resolve(&[wish], Some(&parsed), &chip(), 16, &mut |_| {}).unwrap();
        let after: Vec<_> = rows.into_iter().map(|row| row.target).collect();
        assert_eq!(after, [Path::new("dump/a.img"), Path::new("dump/c.img")]);
        assert_eq!(early(&[want()], Some(map)).unwrap(), after);
    }

    #[test]
    fn names_and_files_are_refused_before_there_is_a_phone() {
        let partition = |name: &str| Want::Partition { name: name.into(), target: "s.img".into() };
        assert!(matches!(early(&[partition("sytem")], Some(SCATTER)), Err(JobError::Partition(_))));
        assert_eq!(
            early(&[partition("system")], None).unwrap(),
            [Path::new("s.img")],
            "the phone may know it"
        );
        assert!(early(&[Want::All { folder: "dump".into() }], None).unwrap().is_empty());
        let into = |target: &str| Want::WholeChip { target: target.into() };
        for second in ["a", "./a", "a.part", "a.report.json", "a.sha256"] {
            assert!(
                matches!(early(&[into("a"), into(second)], None), Err(JobError::SameFile(_))),
                "{second}"
            );
            assert!(
                matches!(early(&[into(second), into("a")], None), Err(JobError::SameFile(_))),
                "{second}"
            );
        }
        assert!(early(&[into("dump/SHA256SUMS")], None).is_err(), "the digests of a folder go there");
        assert!(early(&[into("a"), into("b/a"), into("a.img")], None).is_ok());
    }
}
