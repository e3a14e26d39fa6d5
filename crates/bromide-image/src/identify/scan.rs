//! Where to look, and in what order: the start, the places its tables name, and regular steps.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::tables::Place;
use super::view::{Spot, View};
use super::{
    Confidence, Finding, Form, Identity, Kind, android, blank, boot, files, form, fs, mtk, tables, yaffs,
};
use crate::read_at::{ReadAt, ReadError};

/// Step through dumps of up to [`FINE`] bytes: the erase block of the common chips.
const ERASE_BLOCK: u64 = 128 << 10;
const FINE: u64 = 1 << 30;

/// Step through larger ones, doubled until there are no more than [`MOST_STEPS`].
const COARSE: u64 = 1 << 20;
const MOST_STEPS: u64 = 16384;

/// Shortest blank stretch told of.
const LEAST_BLANK: u64 = 1 << 20;

/// Most findings told of, and most places of tables followed; a hostile file could name millions.
const MOST_FINDINGS: usize = 4096;
const MOST_PLACES: usize = 1024;

pub(super) fn identify(source: &dyn ReadAt) -> Result<Identity, ReadError> {
    let (form, pages, spent) = form::detect(source)?;
    let view = View::new(source, form, spent);
    let mut scan = Scan {
        view: &view,
        form,
        findings: Vec::new(),
        places: BTreeMap::new(),
        parts: 0,
        run: None,
        blank: None,
        before: Vec::new(),
        full: false,
    };
    scan.findings.extend(pages);
    let text = if form == Form::Plain { files::text(&view)? } else { None };
    match text {
        Some(text) => scan.findings.push(text),
        None if view.len > 0 => scan.all()?,
        None => {}
    }
    let Scan { mut findings, places, full, .. } = scan;
    for finding in &mut findings {
        if let Some(name) = places.get(&finding.offset).filter(|name| !name.is_empty()) {
            finding.details.push(("partition", super::Value::Text(name.clone())));
        }
    }
    findings.sort_by_key(|it| (it.offset, it.kind.rank()));
    Ok(Identity { form, data_bytes: view.len, findings, complete: !full && !view.is_exhausted() })
}

struct Scan<'a> {
    view: &'a View<'a>,
    form: Form,
    findings: Vec<Finding>,
    /// Names of partitions by where they begin.
    places: BTreeMap<u64, String>,
    /// Places where something begins.
    parts: u64,
    /// The YAFFS2 file system the last finding was a part of, as its place among the findings.
    run: Option<usize>,
    /// Since when all that was seen is this filler.
    blank: Option<(u64, Kind)>,
    /// Places looked at before the walk.
    before: Vec<u64>,
    /// Whether findings or places were left out.
    full: bool,
}

impl Scan<'_> {
    fn all(&mut self) -> Result<(), ReadError> {
        let start = self.view.spot(0)?;
        let filler = blank::filler(&start.head);
        if let Some(kind) = filler
            && let Some(found) = blank::whole(self.view, kind)?
        {
            self.findings.push(found);
            return Ok(());
        }
        let covered = self.stop(&start, true)?;
        let after_mbr = self.findings.iter().any(|it| it.kind == Kind::Mbr && it.offset == 0);
        for at in tables::hidden_pmt(&start, self.form, after_mbr)? {
            self.stop(&self.view.spot(at)?, true)?;
            self.before.push(at);
        }
        self.blank = filler.filter(|_| self.parts == 0).map(|kind| (0, kind));
        self.walk(covered)?;
        if let Some(footer) = android::avb_footer(self.view)? {
            self.findings.push(footer);
        }
        if self.parts > 1 {
            let whole_chip = self.view.len.is_power_of_two() && self.view.len >= 32 << 20;
            let extent = if whole_chip { "whole chip by its size" } else { "several partitions" };
            let dump = Finding::new(0, Kind::Dump, Confidence::Likely).long(self.view.len);
            self.findings.push(dump.text("extent", extent).number("parts", self.parts));
        }
        Ok(())
    }

    /// Stops at every named place, and at every step that is not inside what is known.
    fn walk(&mut self, mut covered: u64) -> Result<(), ReadError> {
        let step = step(self.view.len);
        let mut at = 0_u64;
        loop {
            let next_step = at.saturating_add(1).checked_next_multiple_of(step).unwrap_or(u64::MAX);
            let next_place = self.places.range(at.saturating_add(1)..).next().map(|(&place, _)| place);
            let named = next_place.is_some_and(|place| place <= next_step);
            at = next_place.map_or(next_step, |place| place.min(next_step));
            if at >= self.view.len || self.full || self.view.is_exhausted() {
                break;
            }
            if (at < covered && !named) || self.before.contains(&at) {
                self.blank_ends(at);
                self.run = None;
                continue;
            }
            let spot = self.view.spot(at)?;
            let filler = blank::filler(&spot.head).filter(|_| !named);
            if let Some(kind) = filler {
                self.blank_goes_on(at, kind);
            }
            covered = covered.max(self.stop(&spot, named)?);
            if filler.is_none() {
                self.blank_ends(at);
            }
        }
        self.blank_ends(self.view.len);
        Ok(())
    }

    /// Looks at one place; gives the end of what begins there.
    fn stop(&mut self, spot: &Spot<'_>, known: bool) -> Result<u64, ReadError> {
        let (mut found, places) = look(spot, known)?;
        found.retain(|it| spot.at == 0 || it.confidence > Confidence::Possible || it.kind == Kind::Yaffs2);
        for Place { at, name } in places.into_iter().filter(|it| it.at < self.view.len) {
            self.full |= self.places.len() >= MOST_PLACES;
            if !self.full {
                self.places.insert(at, name);
            }
        }
        let mut runs = false;
        if found.is_empty()
            && let Some(page) = self.yaffs(spot)?
        {
            if self.goes_on(spot, &page, known) {
                return Ok(0);
            }
            runs = true;
            found.push(self.with_erased_start(page));
        }
        let Some(first) = found.first() else { return Ok(0) };
        self.blank_ends(spot.at);
        self.run = runs.then_some(self.findings.len());
        self.parts = self.parts.saturating_add(1);
        // A length beyond the end is a cut-off file where it is the file's own, and nonsense elsewhere.
        let sure = first.confidence == Confidence::Certain && first.kind != Kind::Yaffs2;
        let own = sure && first.offset == spot.at;
        let end = first.end().filter(|&end| own && (spot.at == 0 || end <= self.view.len)).unwrap_or(0);
        self.full |= self.findings.len() >= MOST_FINDINGS;
        if !self.full {
            self.findings.extend(found);
        }
        Ok(end)
    }

    /// The page here, if it is of a YAFFS2 file system.
    fn yaffs(&self, spot: &Spot<'_>) -> Result<Option<Finding>, ReadError> {
        // Tags are worth their reading only where the page holds anything.
        let stored =
            self.form.stored_page(spot.at).filter(|_| blank::filler(&spot.head) != Some(Kind::Erased));
        let tags = match stored {
            Some((at, len)) => self.form.tags(&self.view.stored(at, len)?),
            None => None,
        };
        Ok(yaffs::page(spot, tags.as_deref()))
    }

    /// Whether a page belongs to the file system found before it: no other thing and no named place between, and no
    /// root directory, with which the next one would begin.
    fn goes_on(&mut self, spot: &Spot<'_>, page: &Finding, named: bool) -> bool {
        let Some(run) = self.run.and_then(|at| self.findings.get_mut(at)) else { return false };
        if named || yaffs::is_root(&spot.head) {
            return false;
        }
        if page.confidence == Confidence::Certain {
            let end = spot.at.saturating_add(ERASE_BLOCK).min(self.view.len);
            run.length = Some(end.saturating_sub(run.offset));
        }
        true
    }

    /// A used file system has erased blocks anywhere: where the file begins with nothing else, they are its own.
    fn with_erased_start(&mut self, page: Finding) -> Finding {
        if self.parts > 0 || self.blank != Some((0, Kind::Erased)) {
            return page;
        }
        self.blank = None;
        let first = page.offset;
        Finding { offset: 0, ..page.hex("first_page", first) }
    }

    fn blank_goes_on(&mut self, at: u64, kind: Kind) {
        if self.blank.is_none_or(|(_, before)| before != kind) {
            self.blank_ends(at);
            self.blank = Some((at, kind));
        }
    }

    fn blank_ends(&mut self, at: u64) {
        let Some((start, kind)) = self.blank.take() else { return };
        let length = at.saturating_sub(start);
        if length >= LEAST_BLANK && self.findings.len() < MOST_FINDINGS {
            let found = Finding::new(start, kind, Confidence::Possible).long(length);
            self.findings.push(found.number("looked_every", step(self.view.len)));
        }
    }
}

/// Distance of the places looked at.
fn step(len: u64) -> u64 {
    if len <= FINE {
        return ERASE_BLOCK;
    }
    let least = len.div_ceil(MOST_STEPS);
    least.checked_next_power_of_two().unwrap_or(COARSE).max(COARSE)
}

/// What begins here. `known`: something does, by a table or because the file does; then a few bytes are enough.
fn look(spot: &Spot<'_>, known: bool) -> Result<(Vec<Finding>, Vec<Place>), ReadError> {
    let none = Vec::new();
    if spot.at == 0
        && let Some(found) = boot::da_container(spot)?
    {
        return Ok((alloc::vec![found], none));
    }
    for many in [boot::preloader, boot::gfh, mtk::images, android::boot] {
        let found = many(spot)?;
        if !found.is_empty() {
            return Ok((found, none));
        }
    }
    let simple = boot::bloader_info(spot)
        .or_else(|| android::vbmeta(spot))
        .or_else(|| android::secro(spot))
        .or_else(|| android::device_tree(spot));
    if let Some(found) = simple {
        return Ok((alloc::vec![found], none));
    }
    for one in [android::vendor_boot, android::sparse, fs::any, android::super_partition] {
        if let Some(found) = one(spot)? {
            return Ok((alloc::vec![found], none));
        }
    }
    if let Some(table) = tables::any(spot)? {
        return Ok(table);
    }
    let rest = if known { files::payload(spot) } else { None };
    Ok((rest.into_iter().collect(), none))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_stay_few_whatever_the_size() {
        assert_eq!(step(512 << 20), ERASE_BLOCK);
        assert_eq!(step(4 << 30), COARSE);
        assert_eq!(step(64 << 30), 4 << 20);
        for len in [1, 1 << 30, (1 << 30) + 1, 1 << 40, u64::MAX] {
            assert!(len.div_ceil(step(len)) <= MOST_STEPS, "{len}");
        }
    }
}
