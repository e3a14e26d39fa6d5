//! Images put together page by page from raw chunks and tag words, sane or not, in every form of page there is.
#![allow(dead_code, reason = "no test file uses all of it")]

use bromide_image::yaffs2::read::{ByteOrder, Options, TagsAt};
use bromide_nand::{Layout, encode_page};

pub(crate) const FILE: u32 = 1;
pub(crate) const SYMLINK: u32 = 2;
pub(crate) const DIRECTORY: u32 = 3;
pub(crate) const HARD_LINK: u32 = 4;
pub(crate) const SPECIAL: u32 = 5;

pub(crate) fn word(options: &Options, word: u32) -> [u8; 4] {
    if options.order == ByteOrder::Little { word.to_le_bytes() } else { word.to_be_bytes() }
}

/// A page as stored: `chunk` of the options' size, the four words of its tags; `torn` where the power went halfway.
pub(crate) fn encode(options: &Options, words: [u32; 4], chunk: &[u8], torn: bool) -> Vec<u8> {
    let tags: Vec<u8> = words.iter().flat_map(|it| word(options, *it)).collect();
    encode_tags(options, &tags, chunk, torn)
}

/// As [`encode`], with tags of any length.
pub(crate) fn encode_tags(options: &Options, tags: &[u8], chunk: &[u8], torn: bool) -> Vec<u8> {
    let geometry = &options.geometry;
    let mut main = chunk.to_vec();
    if options.tags == TagsAt::InBand {
        main.extend(tags);
    }
    let mut spare = vec![0xFF; geometry.spare as usize];
    match options.tags {
        TagsAt::InBand => {}
        TagsAt::Spare(at) => spare[usize::from(at)..][..tags.len()].copy_from_slice(tags),
        TagsAt::Fdm => {
            let mut whole = vec![0; geometry.stored_page() as usize];
            encode_page(&main, tags, None, geometry, &mut whole).unwrap();
            if torn {
                let half = whole.len() / 2;
                whole[half..].fill(0xFF);
            }
            let mut stored = vec![0; whole.len()];
            Layout::Interleaved.convert(&whole, options.layout, &mut stored, geometry).unwrap();
            return stored;
        }
    }
    if options.layout != Layout::MainOnly {
        main.extend(spare);
    }
    main
}

/// A header chunk to be.
#[derive(Debug, Clone)]
pub(crate) struct Header<'a> {
    pub(crate) kind: u32,
    pub(crate) parent: u32,
    pub(crate) name: &'a [u8],
    pub(crate) size: u64,
    pub(crate) equivalent: u32,
    pub(crate) target: &'a [u8],
    pub(crate) shadows: u32,
    pub(crate) shrink: bool,
}

impl<'a> Header<'a> {
    pub(crate) const fn new(kind: u32, parent: u32, name: &'a [u8]) -> Self {
        let (size, equivalent, target) = (0, u32::MAX, &[]);
        Self { kind, parent, name, size, equivalent, target, shadows: 0, shrink: false }
    }

    pub(crate) const fn file(parent: u32, name: &'a [u8], size: u64) -> Self {
        Self { size, ..Self::new(FILE, parent, name) }
    }

    /// The chunk; what does not fit it is cut off. Names and targets are stored as they are, zeros and all.
    pub(crate) fn chunk(&self, options: &Options) -> Vec<u8> {
        let mut chunk = vec![0xFF; options.chunk_bytes().max(2048)];
        let mut put = |at: usize, bytes: &[u8]| chunk[at..at + bytes.len()].copy_from_slice(bytes);
        put(10, &[0; 255]);
        put(10, self.name);
        put(300, &[0; 160]);
        put(300, self.target);
        let flag = |set: bool, word: u32| if set { word } else { u32::MAX };
        let file = self.kind == FILE;
        for (at, it) in [
            (0, self.kind),
            (4, self.parent),
            (268, 0o640),
            (272, 7),
            (276, 8),
            (280, 1),
            (284, 2),
            (288, 3),
            (292, flag(file, self.size as u32)),
            (296, self.equivalent),
            (460, 0x0103),
            (488, flag(self.shadows != 0, self.shadows)),
            (492, flag(self.shrink, 1)),
            (496, flag(file && self.size >> 32 != 0, (self.size >> 32) as u32)),
            (504, flag(self.shadows != 0, self.shadows)),
            (508, flag(self.shrink, 1)),
        ] {
            // A symbolic link's target may run over what comes behind it.
            if at < 300 || at >= 300 + self.target.len() {
                put(at, &word(options, it));
            }
        }
        if self.target.len() >= 160 {
            chunk[300 + self.target.len()] = 0;
        }
        chunk.truncate(options.chunk_bytes());
        chunk
    }

    /// Tag words of the kernel's form.
    pub(crate) fn kernel_words(&self, sequence: u32, id: u32) -> [u32; 4] {
        // The size of large files does not fit and they get tags without it (nand-yaffs2.md section 4).
        if self.kind == FILE && self.size >= 1 << 31 {
            return [sequence, id, 0, 0];
        }
        let shrink = if self.shrink { 0x4000_0000 } else { 0 };
        let shadows = if self.shadows == 0 { 0 } else { 0x2000_0000 };
        let count = match self.kind {
            FILE => self.size as u32,
            HARD_LINK => self.equivalent,
            _ => 0,
        };
        [sequence, id | self.kind << 28, 0x8000_0000 | shrink | shadows | self.parent, count]
    }
}

/// An image being put together.
pub(crate) struct Image {
    pub(crate) options: Options,
    pub(crate) bytes: Vec<u8>,
}

impl Image {
    pub(crate) const fn new(options: Options) -> Self {
        Self { options, bytes: Vec::new() }
    }

    pub(crate) fn unit(&self) -> usize {
        self.options.layout.unit_bytes(&self.options.geometry) as usize
    }

    /// Pages so far.
    pub(crate) fn pages(&self) -> usize {
        self.bytes.len() / self.unit()
    }

    /// One page with these tag words; the chunk is filled up with FF.
    pub(crate) fn page(&mut self, words: [u32; 4], chunk: &[u8]) -> &mut Self {
        let mut chunk = chunk.to_vec();
        chunk.resize(self.options.chunk_bytes(), 0xFF);
        let page = encode(&self.options, words, &chunk, false);
        self.bytes.extend(page);
        self
    }

    /// A header as an image maker writes it.
    pub(crate) fn header(&mut self, sequence: u32, id: u32, header: &Header<'_>) -> &mut Self {
        self.page([sequence, id, 0, 0xFFFF], &header.chunk(&self.options))
    }

    /// A header as a kernel writes it.
    pub(crate) fn kernel(&mut self, sequence: u32, id: u32, header: &Header<'_>) -> &mut Self {
        self.page(header.kernel_words(sequence, id), &header.chunk(&self.options))
    }

    /// The `number`-th chunk of a file, full of one byte.
    pub(crate) fn data(&mut self, sequence: u32, id: u32, number: u32, len: u32, fill: u8) -> &mut Self {
        self.page([sequence, id, number, len], &vec![fill; len as usize])
    }

    pub(crate) fn blank(&mut self, pages: usize) -> &mut Self {
        let len = self.bytes.len() + pages * self.unit();
        self.bytes.resize(len, 0xFF);
        self
    }

    /// Erased pages up to the end of the block.
    pub(crate) fn end_block(&mut self) -> &mut Self {
        let block = self.options.geometry.pages_per_block as usize;
        let pages = self.pages().next_multiple_of(block) - self.pages();
        self.blank(pages)
    }
}
