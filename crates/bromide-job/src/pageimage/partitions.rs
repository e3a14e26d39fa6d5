//! What damaged pages of a whole chip mean for the files of its partitions.

use std::ops::Range;

use bromide_image::files::{Replaced, replaced_blocks};
use bromide_image::map::{Map, stretches};
use bromide_image::read_at::{Part, ReadAt, ReadError};

use super::{DamagedPage, Effect, Files, HurtPages, Shape, hurt_files};

/// As [`hurt_files`], for the dump of a whole chip whose partitions lie as `map` says. Paths begin with the name of the
/// partition. Replaced blocks are looked up in a dump by physical addresses.
///
/// # Errors
/// The source's own.
pub fn hurt_files_by_map<S: ReadAt>(
    source: &S,
    shape: &Shape,
    damaged: &[DamagedPage],
    map: &Map,
) -> Result<Files, ReadError> {
    let (page, stored) = (u64::from(shape.geometry.page), u64::from(shape.geometry.stored_page()));
    let rows = replaced_blocks(source, &shape.geometry, shape.form.layout())?;
    let places = Places { rows: rows.clone(), per_block: shape.geometry.pages_per_block };
    let source = Replaced::new(source, stored * u64::from(shape.geometry.pages_per_block), rows);
    let (parts, _) = stretches(map, u64::from(shape.pages) * page);
    let mut left: Vec<DamagedPage> =
        damaged.iter().map(|it| DamagedPage { page: places.seen(it.page), ..*it }).collect();
    left.sort_by_key(|it| it.page);
    let mut all = HurtPages::default();
    for (name, range) in parts {
        let pages = number(range.start / page)..number(range.end / page);
        let (here, others) = left.into_iter().partition(|it| pages.contains(&it.page));
        left = others;
        add(&mut all, &source, shape, here, &name, pages)?;
    }
    if !left.is_empty() {
        all.elsewhere.push((String::new(), left.iter().map(|it| it.page).collect()));
    }
    each_page(&mut all, |page| *page = places.lies(*page));
    Ok(Files::Hurt(all))
}

/// Where blocks are seen, and where they lie.
struct Places {
    rows: Vec<(u16, u16)>,
    per_block: u32,
}

impl Places {
    /// Where a page of the image is seen by who looks replaced blocks up.
    fn seen(&self, page: u32) -> u32 {
        self.moved(page, |(bad, by)| (by, bad))
    }

    /// Where a page that is seen lies in the image.
    fn lies(&self, page: u32) -> u32 {
        self.moved(page, |row| row)
    }

    fn moved(&self, page: u32, way: impl Fn((u16, u16)) -> (u16, u16)) -> u32 {
        let block = page / self.per_block;
        let to = self.rows.iter().map(|row| way(*row)).find(|(from, _)| u32::from(*from) == block);
        to.map_or(page, |(_, to)| u32::from(to) * self.per_block + page % self.per_block)
    }
}

fn number(page: u64) -> u32 {
    u32::try_from(page).unwrap_or(u32::MAX)
}

/// What the damaged pages of one partition mean.
fn add<S: ReadAt>(
    all: &mut HurtPages,
    source: &S,
    shape: &Shape,
    mut damaged: Vec<DamagedPage>,
    name: &str,
    pages: Range<u32>,
) -> Result<(), ReadError> {
    if damaged.is_empty() {
        return Ok(());
    }
    let first = pages.start;
    damaged.iter_mut().for_each(|it| it.page -= first);
    let unit = u64::from(shape.geometry.stored_page());
    let part = Part::new(source, u64::from(first) * unit, u64::from(pages.end - first) * unit);
    let shape = Shape { pages: pages.end - first, left_over: 0, ..*shape };
    let Files::Hurt(mut hurt) = hurt_files(&part, &shape, &damaged)? else {
        all.elsewhere.push((name.to_owned(), damaged.iter().map(|it| it.page + first).collect()));
        return Ok(());
    };
    each_page(&mut hurt, |page| *page += first);
    let under = |path: &mut Vec<u8>| *path = [name.as_bytes(), b"/", path].concat();
    hurt.files.iter_mut().for_each(|file| under(&mut file.path));
    for header in &mut hurt.headers {
        if let Effect::Older(path) | Effect::Nameless(path) = &mut header.effect {
            under(path);
        }
    }
    all.files.append(&mut hurt.files);
    all.headers.append(&mut hurt.headers);
    all.stale.append(&mut hurt.stale);
    all.unknown.append(&mut hurt.unknown);
    Ok(())
}

/// Changes the number of every page that is told.
fn each_page(of: &mut HurtPages, change: impl Fn(&mut u32)) {
    of.files.iter_mut().flat_map(|file| &mut file.chunks).for_each(|it| change(&mut it.page));
    of.headers.iter_mut().for_each(|it| change(&mut it.page));
    of.stale.iter_mut().chain(&mut of.unknown).for_each(&change);
    of.elsewhere.iter_mut().flat_map(|(_, pages)| pages).for_each(change);
}
