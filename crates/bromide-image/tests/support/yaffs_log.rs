//! A YAFFS2 writer for the tests that works as a running phone does: a log over erase blocks, with reclaim, power cuts
//! and reused ids; and beside it the tree that should be read back, kept as plain bytes.

use std::collections::{BTreeMap, BTreeSet};

use bromide_image::yaffs2::read::{Options, TagsAt};

#[path = "yaffs_page.rs"]
pub(crate) mod page;

pub(crate) const PAGES_PER_BLOCK: usize = 8;
const BLOCKS: usize = 36;

/// What an object of the expected tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    HardLink(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) parent: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) body: Body,
}

/// One page on the flash: the chunk and its four tag words.
#[derive(Debug, Clone)]
struct Stored {
    chunk: Vec<u8>,
    words: [u32; 4],
    torn: bool,
}

/// The power is gone: nothing more is written.
pub(crate) struct Cut;

pub(crate) struct Phone {
    options: Options,
    chunk: usize,
    pub(crate) tree: BTreeMap<u32, Expected>,
    flash: Vec<Option<Stored>>,
    sequences: BTreeMap<usize, u32>,
    next_sequence: u32,
    current: Option<(usize, usize)>,
    /// Where the chunks and header (0) of each live object are.
    map: BTreeMap<u32, BTreeMap<u32, usize>>,
    /// Blocks with headers that hide older data: to be reclaimed only as the oldest.
    pinned: BTreeSet<usize>,
    /// Objects gone from the tree whose deletion is not written yet.
    unburied: BTreeSet<u32>,
    /// Pages that may still be written before the power goes.
    pub(crate) fuse: Option<usize>,
    reclaiming: bool,
    /// How often what was done.
    pub(crate) tally: BTreeMap<&'static str, u32>,
}

impl Phone {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            chunk: options.chunk_bytes(),
            tree: BTreeMap::new(),
            flash: vec![None; BLOCKS * PAGES_PER_BLOCK],
            sequences: BTreeMap::new(),
            next_sequence: 0x1000,
            current: None,
            map: BTreeMap::new(),
            pinned: BTreeSet::new(),
            unburied: BTreeSet::new(),
            fuse: None,
            reclaiming: false,
            tally: BTreeMap::new(),
        }
    }

    /// The image as it is stored.
    pub(crate) fn image(&self) -> Vec<u8> {
        let unit = self.options.layout.unit_bytes(&self.options.geometry) as usize;
        let mut image = Vec::new();
        for page in &self.flash {
            match page {
                None => image.resize(image.len() + unit, 0xFF),
                Some(page) => image.extend(self.encode(page)),
            }
        }
        image
    }

    fn word(&self, word: u32) -> [u8; 4] {
        page::word(&self.options, word)
    }

    fn encode(&self, page: &Stored) -> Vec<u8> {
        page::encode(&self.options, page.words, &page.chunk, page.torn)
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Puts one chunk at the end of the log.
    fn put(&mut self, words: [u32; 3], chunk: Vec<u8>) -> Result<usize, Cut> {
        let fuse = self.fuse;
        if fuse == Some(0) {
            self.count(if self.reclaiming { "power cut in a reclaim" } else { "power cut" });
            // The page being written when the power went: half of it, where the ECC shows that.
            if self.options.tags == TagsAt::Fdm {
                let at = self.place();
                let torn = Stored { chunk, words: [0x1000, words[0], words[1], words[2]], torn: true };
                self.flash[at] = Some(torn);
            }
            return Err(Cut);
        }
        self.fuse = fuse.map(|left| left - 1);
        let at = self.place();
        let sequence = self.sequences[&(at / PAGES_PER_BLOCK)];
        self.flash[at] = Some(Stored { chunk, words: [sequence, words[0], words[1], words[2]], torn: false });
        Ok(at)
    }

    fn free(&self) -> usize {
        BLOCKS - self.sequences.len()
    }

    /// The next page of the log, in a fresh block where the last is full.
    fn place(&mut self) -> usize {
        let (block, page) = self.current.filter(|(_, page)| *page < PAGES_PER_BLOCK).unwrap_or_else(|| {
            // Anywhere, so that the order of blocks says nothing.
            let free: Vec<usize> = (0..BLOCKS).filter(|it| !self.sequences.contains_key(it)).collect();
            let block = free[self.next_sequence as usize * 7 % free.len()];
            self.sequences.insert(block, self.next_sequence);
            self.next_sequence += 1;
            (block, 0)
        });
        self.current = Some((block, page + 1));
        block * PAGES_PER_BLOCK + page
    }

    pub(crate) fn write_header(&mut self, id: u32, parent: u32, shadows: u32, cut: bool) -> Result<(), Cut> {
        let Expected { name, body, .. } = self.tree[&id].clone();
        let (kind, extra, size, equivalent, target) = match &body {
            Body::File(bytes) => (1, bytes.len() as u32, bytes.len() as u32, u32::MAX, Vec::new()),
            Body::Symlink(target) => (2, 0, u32::MAX, u32::MAX, target.clone()),
            Body::Directory => (3, 0, u32::MAX, u32::MAX, Vec::new()),
            Body::HardLink(to) => (4, *to, u32::MAX, *to, Vec::new()),
        };
        let buried = parent == 3 || parent == 4;
        let cut = cut || buried;
        let mut chunk = vec![0xFF; self.chunk.max(512)];
        let mut put = |at: usize, bytes: &[u8]| chunk[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.word(kind));
        put(4, &self.word(parent));
        put(10, &[0; 256]);
        put(10, if buried { b"deleted" } else { &name });
        for (at, word) in [(268, 0o640), (272, 7), (276, 8), (280, 1), (284, 2), (288, 3), (292, size)] {
            put(at, &self.word(word));
        }
        put(296, &self.word(equivalent));
        put(300, &[0; 160]);
        put(300, &target);
        for (at, word) in [(488, shadows), (492, u32::from(cut)), (504, shadows), (508, u32::from(cut))] {
            put(at, &self.word(word));
        }
        chunk.truncate(self.chunk);
        let flags =
            0x8000_0000 | if cut { 0x4000_0000 } else { 0 } | if shadows == 0 { 0 } else { 0x2000_0000 };
        let at = self.put([id | kind << 28, flags | parent, extra], chunk)?;
        if cut || shadows != 0 {
            self.pinned.insert(at / PAGES_PER_BLOCK);
        }
        self.map.entry(id).or_default().insert(0, at);
        Ok(())
    }

    fn write_chunk(&mut self, id: u32, number: u32, bytes: &[u8]) -> Result<(), Cut> {
        let mut chunk = bytes.to_vec();
        chunk.resize(self.chunk, 0);
        let at = self.put([id, number, bytes.len() as u32], chunk)?;
        self.map.entry(id).or_default().insert(number, at);
        Ok(())
    }

    fn file(&mut self, id: u32) -> &mut Vec<u8> {
        match &mut self.tree.get_mut(&id).unwrap().body {
            Body::File(bytes) => bytes,
            other => panic!("{other:?} is no file"),
        }
    }

    /// Adds an object that is in `tree` as soon as its header is written.
    pub(crate) fn add(&mut self, id: u32, expected: Expected) -> Result<(), Cut> {
        let parent = expected.parent;
        self.count(match expected.body {
            Body::File(_) => "file",
            Body::HardLink(_) => "link",
            Body::Directory | Body::Symlink(_) => "other object",
        });
        self.tree.insert(id, expected);
        self.map.remove(&id);
        let done = self.write_header(id, parent, 0, false);
        if done.is_err() {
            self.tree.remove(&id);
            self.map.remove(&id);
        }
        done
    }

    /// Writes bytes into a file, chunk by chunk, then its header.
    pub(crate) fn write(&mut self, id: u32, offset: usize, bytes: &[u8]) -> Result<(), Cut> {
        let mut new = self.file(id).clone();
        self.count(if offset > new.len() { "write behind a hole" } else { "write" });
        new.resize(new.len().max(offset + bytes.len()), 0);
        new[offset..offset + bytes.len()].copy_from_slice(bytes);
        let step = self.chunk;
        for at in offset / step..(offset + bytes.len()).div_ceil(step) {
            let end = new.len().min((at + 1) * step);
            self.write_chunk(id, at as u32 + 1, &new[at * step..end])?;
            let old = self.file(id);
            old.resize(old.len().max(end), 0);
            old[at * step..end].copy_from_slice(&new[at * step..end]);
        }
        let parent = self.tree[&id].parent;
        self.write_header(id, parent, 0, false)
    }

    /// Cuts a file: its last chunk is written again, then a shrink header.
    pub(crate) fn truncate(&mut self, id: u32, size: usize) -> Result<(), Cut> {
        self.count("truncate");
        let step = self.chunk;
        let last = (size / step) as u32 + 1;
        if !size.is_multiple_of(step) && self.map[&id].contains_key(&last) {
            let from = size / step * step;
            let kept = self.file(id)[from..size].to_vec();
            let old_end = self.file(id).len().min(from + step);
            self.write_chunk(id, last, &kept)?;
            self.file(id)[size..old_end].fill(0);
        }
        let whole = self.file(id).clone();
        self.file(id).truncate(size);
        let parent = self.tree[&id].parent;
        if self.write_header(id, parent, 0, true).is_err() {
            *self.file(id) = whole;
            return Err(Cut);
        }
        let reach = size.div_ceil(step) as u32;
        self.map.get_mut(&id).unwrap().retain(|number, _| *number <= reach);
        Ok(())
    }

    /// Gives an object another place, in which `replaced` may be.
    pub(crate) fn rename(
        &mut self,
        id: u32,
        parent: u32,
        name: &[u8],
        replaced: Option<u32>,
    ) -> Result<(), Cut> {
        let before = self.tree[&id].clone();
        self.count(if replaced.is_some() { "rename over another" } else { "rename" });
        let object = self.tree.get_mut(&id).unwrap();
        (object.parent, object.name) = (parent, name.to_vec());
        if self.write_header(id, parent, replaced.unwrap_or(0), false).is_err() {
            self.tree.insert(id, before);
            return Err(Cut);
        }
        replaced.map_or(Ok(()), |replaced| {
            self.unburied.insert(replaced);
            self.bury(replaced)
        })
    }

    /// Removes an object: unlinked, then deleted.
    pub(crate) fn delete(&mut self, id: u32) -> Result<(), Cut> {
        self.count("delete");
        self.write_header(id, 3, 0, true)?;
        self.unburied.insert(id);
        self.bury(id)
    }

    fn bury(&mut self, id: u32) -> Result<(), Cut> {
        self.write_header(id, 4, 0, true)?;
        self.unburied.remove(&id);
        self.tree.remove(&id);
        self.map.remove(&id);
        Ok(())
    }

    /// Whether the object was told to go, deletion written or not.
    pub(crate) fn is_gone(&self, id: u32) -> bool {
        self.unburied.contains(&id)
    }

    /// After a power cut: the rest of the block is not used, and what was half deleted is deleted.
    pub(crate) fn mount(&mut self) {
        self.fuse = None;
        self.current = None;
        for id in self.unburied.clone() {
            assert!(self.bury(id).is_ok(), "the power is on");
        }
    }

    /// Reclaims blocks until there is room again; false when the flash is full.
    pub(crate) fn reclaim(&mut self, choice: usize) -> Result<bool, Cut> {
        assert!(!std::mem::replace(&mut self.reclaiming, true));
        let mut done = Ok(true);
        for _ in 0..BLOCKS {
            if self.free() >= 12 || done.is_err() {
                break;
            }
            done = self.reclaim_one(choice).map(|()| true);
        }
        self.reclaiming = false;
        if done.is_ok() && self.free() < 8 { Ok(false) } else { done }
    }

    fn reclaim_one(&mut self, choice: usize) -> Result<(), Cut> {
        let current = self.current.map(|(block, _)| block);
        let oldest = *self.sequences.iter().min_by_key(|(_, sequence)| **sequence).unwrap().0;
        let may = |it: &usize| Some(*it) != current && (*it == oldest || !self.pinned.contains(it));
        let blocks: Vec<usize> = self.sequences.keys().copied().filter(may).collect();
        let Some(&victim) =
            (if choice.is_multiple_of(3) { blocks.get(choice % blocks.len().max(1)) } else { None })
                .or_else(|| blocks.iter().min_by_key(|it| self.sequences[it]))
        else {
            return Ok(());
        };
        for at in victim * PAGES_PER_BLOCK..(victim + 1) * PAGES_PER_BLOCK {
            let live = self.map.iter().find_map(|(id, chunks)| {
                chunks.iter().find(|(_, page)| **page == at).map(|(number, _)| (*id, *number))
            });
            match live {
                Some((id, 0)) if !self.unburied.contains(&id) => {
                    // A copied header neither cuts nor replaces any more.
                    let parent = self.tree[&id].parent;
                    self.write_header(id, parent, 0, false)?;
                }
                Some((id, number)) if number > 0 => {
                    let Stored { chunk, words, .. } = self.flash[at].clone().unwrap();
                    self.write_chunk(id, number, &chunk[..words[3] as usize])?;
                }
                _ => {}
            }
        }
        self.flash[victim * PAGES_PER_BLOCK..(victim + 1) * PAGES_PER_BLOCK].fill(None);
        self.sequences.remove(&victim);
        self.pinned.remove(&victim);
        self.count("reclaim");
        Ok(())
    }
}
