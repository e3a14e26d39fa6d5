//! An invented tree in the shape of an Android 2.3 `/system`, to fill a demonstration phone with: about 600 objects,
//! symbolic and hard links, holes, empty files, special files and names of every awkward sort.
//!
//! Nothing in it comes from a phone. The same seed and size give the same tree and the same bytes, which are made
//! where they are asked for and never held.

mod plan;

use alloc::vec::Vec;

use super::tags::SOFTWARE_BYTES;
use super::{Attributes, CHUNK, Content, Device, DirectoryId, ObjectId, Piece, WriteError, Writer, Written};

/// Content of the whole tree in bytes unless another size is asked for: what fits well in a partition of 295 MiB.
pub const DEFAULT_CONTENT: u64 = 220_000_000;

/// The tree, as a description.
#[derive(Debug, Clone)]
pub struct DemoTree {
    root: Attributes,
    entries: Vec<Entry>,
}

/// One object of the tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Index of the directory it lies in; None for the root.
    pub parent: Option<usize>,
    /// Name, not always UTF-8.
    pub name: Vec<u8>,
    /// Owner, permissions and times; of no meaning for a hard link.
    pub attributes: Attributes,
    /// What it is.
    pub node: Node,
}

/// What an object of the tree is.
#[derive(Debug, Clone)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file.
    File(DemoFile),
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// Another name of the entry of this index.
    HardLink(usize),
    /// A special file.
    Special(Device),
}

/// A file whose bytes are made on demand.
#[derive(Debug, Clone)]
pub struct DemoFile {
    size: u64,
    fill: Fill,
    /// Chunks that are holes: from and up to, counted from 0, in order and apart.
    holes: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum Fill {
    /// Readable lines.
    Text,
    /// Noise of this seed.
    Noise(u64),
}

/// What a text file says, over and over.
const TEXT: &[u8; 64] = b"# Invented for the Bromide demonstration. It means nothing...\n\n\n";

/// [`CHUNK`] as a number of bytes in a file.
const CHUNK_BYTES: u64 = 2048;
const _: () = assert!(CHUNK == 2048);

impl DemoFile {
    /// Length in bytes, holes included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Chunks of 2048 bytes (the last may be short) that are no holes.
    #[must_use]
    pub fn stored_chunks(&self) -> u64 {
        let all = self.size.div_ceil(CHUNK_BYTES);
        let holes = self.holes.iter().map(|(from, to)| to.min(&all).saturating_sub(*from.min(&all)));
        all.saturating_sub(holes.fold(0, u64::saturating_add))
    }

    /// Bytes that are stored: the length less the holes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let bytes = |chunk: u64| chunk.saturating_mul(CHUNK_BYTES).min(self.size);
        let holes = self.holes.iter().map(|(from, to)| bytes(*to).saturating_sub(bytes(*from)));
        self.size.saturating_sub(holes.fold(0, u64::saturating_add))
    }

    /// The bytes from `at` on, as the file reads: zeros in holes. Nothing is said of bytes behind its end.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        let mut at = at;
        let mut rest = into;
        while !rest.is_empty() {
            let left_in_chunk = CHUNK_BYTES.saturating_sub(at % CHUNK_BYTES);
            let len = usize::try_from(left_in_chunk).unwrap_or(CHUNK).min(rest.len());
            let Some((piece, after)) = rest.split_at_mut_checked(len) else { return };
            if self.make(at, piece) == Piece::Hole {
                piece.fill(0);
            }
            rest = after;
            at = at.saturating_add(left_in_chunk);
        }
    }

    /// The bytes from `at` on, within one chunk, or that the chunk is a hole.
    fn make(&self, at: u64, into: &mut [u8]) -> Piece {
        let chunk = at / CHUNK_BYTES;
        if self.holes.iter().any(|(from, to)| (from..to).contains(&&chunk)) {
            return Piece::Hole;
        }
        match self.fill {
            Fill::Text => {
                let skip = usize::try_from(at % 64).unwrap_or(0);
                for (into, byte) in into.iter_mut().zip(TEXT.iter().cycle().skip(skip)) {
                    *into = *byte;
                }
            }
            Fill::Noise(seed) => noise(seed, at, into),
        }
        Piece::Data
    }
}

impl<E> Content<E> for &DemoFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn fill(&mut self, at: u64, into: &mut [u8]) -> Result<Piece, E> {
        Ok(self.make(at, into))
    }
}

/// Fills in the bytes from `at` on of an endless noise, word by word.
fn noise(seed: u64, at: u64, into: &mut [u8]) {
    let mut word = at / 8;
    let skip = usize::try_from(at % 8).unwrap_or(0);
    let mut rest = into;
    if skip != 0 {
        let len = 8_usize.saturating_sub(skip).min(rest.len());
        let Some((head, after)) = rest.split_at_mut_checked(len) else { return };
        for (into, byte) in head.iter_mut().zip(mix(seed, word).to_le_bytes().into_iter().skip(skip)) {
            *into = byte;
        }
        rest = after;
        word = word.wrapping_add(1);
    }
    let mut words = rest.chunks_exact_mut(8);
    for into in words.by_ref() {
        into.copy_from_slice(&mix(seed, word).to_le_bytes());
        word = word.wrapping_add(1);
    }
    for (into, byte) in words.into_remainder().iter_mut().zip(mix(seed, word).to_le_bytes()) {
        *into = byte;
    }
}

/// The n-th number of a seed (SplitMix64).
fn mix(seed: u64, n: u64) -> u64 {
    let mut it = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}

impl DemoTree {
    /// A tree with so many bytes of content in all. The awkward files have sizes of their own (about 300 KiB together);
    /// the ordinary ones share what is left, so that `content_bytes` is exact when it is more than that. Holes do not
    /// count.
    #[must_use]
    pub fn new(seed: u64, content_bytes: u64) -> Self {
        plan::plan(seed, content_bytes)
    }

    /// Every object but the root, a directory before what is in it, a file before its hard links.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Attributes of the root directory.
    #[must_use]
    pub fn root(&self) -> &Attributes {
        &self.root
    }

    /// The path of an entry below the root, names joined by slashes; empty for an index that is none.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = Some(index);
        while let Some(entry) = at.and_then(|at| self.entries.get(at)) {
            names.push(entry.name.as_slice());
            at = entry.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// Chunks the image has: pages of flash.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        let one = |it: &Entry| match &it.node {
            Node::File(file) => file.stored_chunks().saturating_add(1),
            _ => 1,
        };
        self.entries.iter().map(one).fold(1, u64::saturating_add)
    }

    /// Writes the image, chunk by chunk.
    ///
    /// # Errors
    /// The sink's own.
    pub fn write<S, E>(&self, sink: S) -> Result<Written, WriteError<E>>
    where
        S: FnMut(&[u8; CHUNK], &[u8; SOFTWARE_BYTES]) -> Result<(), E>,
    {
        let (mut writer, root) = Writer::new(sink, &self.root)?;
        let mut made: Vec<Made> = Vec::with_capacity(self.entries.len());
        for Entry { parent, name, attributes, node } in &self.entries {
            let parent = parent.and_then(|it| made.get(it)).map_or(root, |it| it.as_directory(root));
            made.push(match node {
                Node::Directory => Made::Directory(writer.directory(parent, name, attributes)?),
                Node::File(file) => Made::Object(writer.file(parent, name, attributes, file)?),
                Node::Symlink(target) => Made::Object(writer.symlink(parent, name, attributes, target)?),
                Node::Special(device) => Made::Object(writer.special(parent, name, attributes, *device)?),
                Node::HardLink(to) => {
                    if let Some(Made::Object(to)) = made.get(*to) {
                        writer.hard_link(parent, name, *to)?;
                    }
                    Made::Link
                }
            });
        }
        Ok(writer.written())
    }
}

/// What became of an entry.
enum Made {
    Directory(DirectoryId),
    Object(ObjectId),
    Link,
}

impl Made {
    fn as_directory(&self, otherwise: DirectoryId) -> DirectoryId {
        if let Self::Directory(id) = self { *id } else { otherwise }
    }
}
