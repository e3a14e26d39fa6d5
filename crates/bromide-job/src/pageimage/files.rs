//! What damaged pages mean for the files of a YAFFS2 partition: which are hurt, and where.
//!
//! Tags lie apart from the data they belong to and have a check byte of their own, so most damaged pages still say whose
//! they are. Of the others only what follows is told: a piece that a file should have and has not, and a damaged page
//! where it would have been written. Facts: nand-yaffs2.md sections 3, 4 and 6.

use std::collections::{BTreeMap, BTreeSet};

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::yaffs2::read::{FileError, Kind, Node, Options, PageTags, Tree, Verify};

use super::{DamagedPage, Shape};

/// Whether an image is one file system, and what its damaged pages mean then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// No YAFFS2 that could be read.
    None,
    /// YAFFS2 and whole blocks of something else: more than one partition, whose files would be mixed up.
    Several,
    /// One YAFFS2 partition.
    Hurt(HurtPages),
}

/// What each damaged page means. Every one is in exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HurtPages {
    /// Files with pieces that are damaged or missing, by path.
    pub files: Vec<HurtFile>,
    /// Headers of objects that are damaged and count, by page.
    pub headers: Vec<HurtHeader>,
    /// Pages that hold an older version, or something of a deleted object.
    pub stale: Vec<u32>,
    /// Pages whose tags are damaged too, with no missing piece to go with them.
    pub unknown: Vec<u32>,
    /// Pages of partitions that are no YAFFS2, by the name of the partition; empty for none.
    pub elsewhere: Vec<(String, Vec<u32>)>,
}

/// A file with damaged pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HurtFile {
    /// Names joined by slashes, as stored.
    pub path: Vec<u8>,
    /// Object id.
    pub object: u32,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its damaged pieces, in their order.
    pub chunks: Vec<HurtChunk>,
}

/// A piece of a file that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HurtChunk {
    /// Its number, from 1.
    pub chunk: u32,
    /// Its first byte in the file.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The damaged page.
    pub page: u32,
    /// The tags of the page are damaged too: the piece is missing for certain, but that it was in this page is only
    /// likely, because the page lies where the piece would have been, counted from the nearest with good tags.
    pub by_place: bool,
}

/// The damaged header of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HurtHeader {
    /// The damaged page.
    pub page: u32,
    /// Object id.
    pub object: u32,
    /// What is left of the object.
    pub effect: Effect,
}

/// What a damaged header takes from an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An older header shows instead: name, size or owner may be old. The path it has now.
    Older(Vec<u8>),
    /// Its bytes are there, its name is not. The path it has now.
    Nameless(Vec<u8>),
    /// It is gone, whatever it was.
    Gone,
}

/// What the damaged pages of an image mean. `damaged` as [`super::check`] found them.
///
/// # Errors
/// The source's own.
pub fn hurt_files<S: ReadAt>(source: S, shape: &Shape, damaged: &[DamagedPage]) -> Result<Files, ReadError> {
    if !shape.can_check() {
        return Ok(Files::None);
    }
    // A damaged page whose tags are good is known by them; so the tags are believed before the sectors here.
    let options = Options::read_back(shape.geometry, shape.form.layout());
    let tree = Tree::scan(source, Options { verify: Verify::Tags, ..options })?;
    let counts = tree.counts();
    let not_written = [counts.blank, counts.checkpoint, counts.summary, counts.bad, counts.damaged];
    let written = not_written.iter().fold(counts.pages, |left, it| left.saturating_sub(*it));
    let foreign = written.saturating_sub(counts.chunks);
    if counts.chunks == 0 || counts.chunks < written / 2 || tree.nodes().len() < 2 {
        return Ok(Files::None);
    }
    if foreign >= shape.geometry.pages_per_block {
        return Ok(Files::Several);
    }
    let pages: BTreeSet<u32> = damaged.iter().map(|it| it.page).collect();
    let mut finder = Finder::new(&tree, shape);
    let mut found = HurtPages::default();
    let live = finder.live(&pages);
    let mut unreadable = Vec::new();
    for page in pages.iter().filter(|page| !live.contains(page)) {
        match tree.tags_of(*page)? {
            None => unreadable.push(*page),
            Some(PageTags { chunk: Some(_), .. }) => found.stale.push(*page),
            Some(tags) => match finder.header(*page, tags)? {
                Some(header) => found.headers.push(header),
                None => found.stale.push(*page),
            },
        }
    }
    for run in unreadable.chunk_by(|a, b| a + 1 == *b) {
        found.unknown.extend(finder.by_place(run)?);
    }
    found.files = finder.files();
    Ok(Files::Hurt(found))
}

/// The files of an image, and what is known to be hurt of them.
struct Finder<'a, S> {
    tree: &'a Tree<S>,
    page_bytes: u64,
    /// By object.
    hurt: BTreeMap<u32, Vec<HurtChunk>>,
    /// Numbers of the pieces that are there or known to be hurt, of the files asked for so far.
    there: BTreeMap<u32, BTreeSet<u32>>,
    /// Place in the log of the newest readable header, of the objects asked for so far.
    newest: BTreeMap<u32, Option<(u32, u32)>>,
}

impl<'a, S: ReadAt> Finder<'a, S> {
    fn new(tree: &'a Tree<S>, shape: &Shape) -> Self {
        let (hurt, there, newest) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { tree, page_bytes: shape.geometry.page.into(), hurt, there, newest }
    }

    /// The damaged pages that files need; they are noted.
    fn live(&mut self, damaged: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut live = BTreeSet::new();
        let tree = self.tree;
        for node in tree.nodes().iter().filter(|node| node.kind == Kind::File) {
            for (chunk, page) in tree.pages_of(node).filter(|(_, page)| damaged.contains(page)) {
                if self.note(node, chunk, page, false) {
                    live.insert(page);
                }
            }
        }
        live
    }

    /// Notes a damaged piece of a file; not one behind its end.
    fn note(&mut self, node: &Node, chunk: u32, page: u32, by_place: bool) -> bool {
        let offset = u64::from(chunk.saturating_sub(1)) * self.page_bytes;
        let bytes = node.size.saturating_sub(offset).min(self.page_bytes);
        if bytes > 0 {
            self.hurt.entry(node.id).or_default().push(HurtChunk { chunk, offset, bytes, page, by_place });
        }
        bytes > 0
    }

    /// What a damaged header takes away; none where a newer one made it stale before.
    fn header(&mut self, page: u32, tags: PageTags) -> Result<Option<HurtHeader>, ReadError> {
        let object = tags.object;
        let newest = self.newest_header(object)?;
        if newest > Some((tags.sequence, page)) {
            return Ok(None);
        }
        let effect = match self.tree.node(object) {
            Some(node) if node.page.is_some() => Effect::Older(self.tree.path(object)),
            Some(_) => Effect::Nameless(self.tree.path(object)),
            None => Effect::Gone,
        };
        Ok(Some(HurtHeader { page, object, effect }))
    }

    /// Place in the log of the newest readable header of an object.
    fn newest_header(&mut self, object: u32) -> Result<Option<(u32, u32)>, ReadError> {
        if let Some(known) = self.newest.get(&object) {
            return Ok(*known);
        }
        let newest = match self.tree.history(object) {
            Ok(versions) => versions.first().map(|it| (it.sequence, it.page)),
            Err(FileError::Read(e)) => return Err(e),
            Err(_) => None,
        };
        self.newest.insert(object, newest);
        Ok(newest)
    }

    /// Neighbouring pages without tags: pieces are looked for that lie before or behind what is beside them. Gives the
    /// pages for which there are none.
    fn by_place(&mut self, run: &[u32]) -> Result<Vec<u32>, ReadError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let before = match first.checked_sub(1) {
            Some(page) => self.tree.tags_of(page)?,
            None => None,
        };
        let behind = self.tree.tags_of(last + 1)?;
        let mut rest = Vec::new();
        for (at, page) in (0_u32..).zip(run) {
            let from_behind = last - page;
            let after = before.map(|it| (it.object, it.chunk.unwrap_or(0) + 1 + at));
            let ahead = behind.and_then(|it| Some((it.object, it.chunk?.checked_sub(1 + from_behind)?)));
            let noted = [after, ahead].into_iter().flatten().any(|(object, chunk)| {
                let node = self.misses(object, chunk);
                node.is_some_and(|node| self.note(node, chunk, *page, true))
            });
            if !noted {
                rest.push(*page);
            }
        }
        Ok(rest)
    }

    /// The file that should have this piece, by its size, and has not. It is not given twice.
    fn misses(&mut self, object: u32, chunk: u32) -> Option<&'a Node> {
        let tree = self.tree;
        let node = tree.node(object).filter(|node| node.kind == Kind::File)?;
        let there = self.there.entry(object);
        let there = there.or_insert_with(|| tree.pages_of(node).map(|(number, _)| number).collect());
        let inside = chunk >= 1 && u64::from(chunk - 1) * self.page_bytes < node.size;
        (inside && there.insert(chunk)).then_some(node)
    }

    fn files(self) -> Vec<HurtFile> {
        let file = |(object, mut chunks): (u32, Vec<HurtChunk>)| {
            chunks.sort_unstable();
            let bytes = self.tree.node(object).map_or(0, |node| node.size);
            HurtFile { path: self.tree.path(object), object, bytes, chunks }
        };
        let mut files: Vec<HurtFile> = self.hurt.into_iter().map(file).collect();
        files.sort_by(|a, b| (&a.path, a.object).cmp(&(&b.path, b.object)));
        files
    }
}
