//! What `mount` prints, or `/proc/mounts`: it tells which partition is mounted where, and so names of partitions a
//! listing has only the devices of.

use alloc::borrow::ToOwned;

use super::lines::{Line, lines, without_bom};
use super::model::{Map, Mount};
use super::proc_partitions::{self, NAMELESS};
use super::{by_name, names};

/// Names of partitions by where Android mounts them.
const POINTS: [(&str, &str); 2] = [("/data", "userdata"), ("/system/secro", "secstatic")];

/// Adds to a map where its partitions are mounted; one that has only the name of its block device gets the name its
/// folder tells (`/system` is `system`). Lines that are none of `mount` are skipped. Returns how many partitions
/// were found mounted.
pub fn annotate(map: &mut Map, mount_text: &[u8]) -> usize {
    let mounts = lines(without_bom(mount_text)).filter_map(parse_line);
    let mut count = 0_usize;
    for (device, point, file_system) in mounts.take(super::MOST_PARTITIONS) {
        let base = by_name::base(device);
        let by_device = |it: Option<&str>| it.is_some_and(|it| mtd_number(it) == mtd_number(base));
        let found = map.partitions.iter_mut().find(|it| {
            by_device(it.details.device.as_deref())
                || (device.contains("by-name/") && it.name.eq_ignore_ascii_case(base))
        });
        let Some(it) = found else { continue };
        if it.details.device.as_ref() == Some(&it.name) {
            let known = POINTS.iter().find(|known| known.0 == point).map(|known| known.1);
            let name = known.unwrap_or_else(|| by_name::base(point));
            if names::is_sane(name) {
                it.name = name.to_owned();
                if !map.source.states_downloads() {
                    it.downloadable = names::is_usually_downloaded(name);
                }
            }
        }
        it.details.mount = Some(Mount { point: point.to_owned(), file_system: file_system.to_owned() });
        count = count.saturating_add(1);
    }
    if map.notes.iter().any(|it| it.starts_with(NAMELESS)) {
        map.notes.retain(|it| !it.starts_with(NAMELESS));
        map.notes.extend(proc_partitions::nameless(&map.partitions));
    }
    count
}

/// Device, folder and file system of a line of `mount` in either form.
pub(super) fn parse_line(line: Line<'_>) -> Option<(&str, &str, &str)> {
    let text = core::str::from_utf8(line.bytes).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (device, second, third) = (words.next()?, words.next()?, words.next()?);
    let (point, file_system) = match (second, third) {
        ("on", point) if words.next() == Some("type") => (point, words.next()?),
        (point, file_system) => (point, file_system),
    };
    // Options follow in either form; a path and no more is another kind of line.
    words.next()?;
    (point.starts_with('/') && !point.contains(char::is_control)).then_some((device, point, file_system))
}

/// `mtd7` and `mtdblock7` are the same partition.
fn mtd_number(device: &str) -> (&str, bool) {
    match device.strip_prefix("mtdblock").or_else(|| device.strip_prefix("mtd")) {
        Some(number) => (number, true),
        None => (device, false),
    }
}
