//! Skimming: the tree must be the one a look at every page gives, whether an image maker or a phone wrote the image,
//! and what was not looked at must show when it is not what it was taken for.

use std::cell::Cell;
use std::convert::Infallible;

use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::yaffs2::demo_tree::{DEFAULT_CONTENT, DemoTree};
use bromide_image::yaffs2::read::{ByteOrder, FileError, Kind, Options, ROOT, TagsAt, Tree, Verify};
use bromide_image::yaffs2::tags;
use bromide_nand::{Geometry, Layout, encode_page};
use proptest::prelude::*;

#[path = "support/yaffs_page.rs"]
mod yaffs_page;
use yaffs_page::{DIRECTORY, Header, Image};

const BLOCK: usize = 8;

fn forms() -> [Options; 5] {
    let chip = |page, spare| Geometry::new(page, spare, BLOCK as u32, 4096).unwrap();
    let interleaved = Options::read_back(chip(2048, 64), Layout::Interleaved);
    [
        interleaved,
        Options { verify: Verify::Tags, ..interleaved },
        Options::image_file(chip(2048, 64)),
        Options { order: ByteOrder::Big, ..Options::read_back(chip(4096, 128), Layout::DataThenSpare) },
        Options {
            layout: Layout::MainOnly,
            tags: TagsAt::InBand,
            ..Options::image_file(Geometry::new(512, 16, BLOCK as u32, 4096).unwrap())
        },
    ]
}

fn contents(tree: &Tree<&[u8]>, id: u32) -> Result<Vec<u8>, FileError> {
    let mut bytes = vec![0xA5; tree.node(id).unwrap().size.min(1 << 20) as usize];
    tree.read_file(id, 0, &mut bytes)?;
    Ok(bytes)
}

/// Fails unless skimming gives what looking at every page gives; tells whether any page was spared.
fn assert_same(image: &Image) -> bool {
    let bytes = image.bytes.as_slice();
    let (skimmed, scanned) =
        (Tree::skim(bytes, image.options).unwrap(), Tree::scan(bytes, image.options).unwrap());
    assert_eq!(skimmed.nodes(), scanned.nodes());
    assert_eq!(skimmed.problems(), scanned.problems());
    for node in scanned.nodes().iter().filter(|it| it.kind == Kind::File) {
        assert!(contents(&skimmed, node.id) == contents(&scanned, node.id), "object {}", node.id);
    }
    let [mut skims, scans] = [skimmed.counts(), scanned.counts()].map(|it| *it);
    let spared = skims.assumed > 0;
    (skims.assumed, skims.looked) = (0, scans.looked);
    assert_eq!(skims, scans);
    spared
}

/// A file's chunks, and which of them are holes, as bits.
type Made = (u32, u32, u16);

/// An image as an image maker writes it, with the ids of its files; blocks marked bad are passed over.
fn made(options: Options, objects: &[Made], bad: &[u8]) -> (Image, Vec<u32>) {
    let chunk = options.chunk_bytes() as u64;
    let mut pages: Vec<([u32; 4], Vec<u8>)> = Vec::new();
    let mut push = |words, bytes: Vec<u8>| pages.push((words, bytes));
    push([0x1000, ROOT, 0, 0xFFFF], Header::new(DIRECTORY, ROOT, b"").chunk(&options));
    let mut files = Vec::new();
    for (id, (chunks, rest, holes)) in (257..).zip(objects) {
        let name = format!("name{id}");
        if *chunks == 0 && rest % 3 == 0 {
            push([0x1000, id, 0, 0xFFFF], Header::new(DIRECTORY, ROOT, name.as_bytes()).chunk(&options));
            continue;
        }
        let size = u64::from(*chunks) * chunk + u64::from(*rest) % chunk;
        push([0x1000, id, 0, 0xFFFF], Header::file(ROOT, name.as_bytes(), size).chunk(&options));
        for number in 1..=size.div_ceil(chunk) as u32 {
            if *holes & 1 << (number % 16) != 0 {
                continue;
            }
            let len = chunk.min(size - u64::from(number - 1) * chunk) as u32;
            push([0x1000, id, number, len], vec![(id + number) as u8; len as usize]);
        }
        files.push(id);
    }
    let mut image = Image::new(options);
    for (words, bytes) in pages {
        let block = image.pages() / BLOCK;
        // Only where the spare is as on the chip there is a mark.
        if options.tags == TagsAt::Fdm && image.pages().is_multiple_of(BLOCK) && bad.contains(&(block as u8))
        {
            let at = image.bytes.len();
            image.blank(BLOCK);
            let spare =
                if options.layout == Layout::Interleaved { 512 } else { options.geometry.page as usize };
            image.bytes[at + spare] = 0;
        }
        image.page(words, &bytes);
    }
    (image, files)
}

fn objects() -> impl Strategy<Value = Vec<Made>> {
    let holes = prop_oneof![4 => Just(0), 1 => any::<u16>()];
    proptest::collection::vec((0_u32..24, any::<u32>(), holes), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_an_image_maker_wrote_is_skimmed_as_it_is_scanned(
        objects in objects(), form in 0_usize..5, bad in proptest::collection::vec(1_u8..40, 0..4), free in 0..40_usize,
    ) {
        let (mut image, _) = made(forms()[form], &objects, &bad);
        image.blank(free);
        assert_same(&image);
    }

    #[test]
    fn what_a_phone_wrote_to_afterwards_is_skimmed_as_it_is_scanned(
        objects in objects(), form in 0_usize..5, after in proptest::collection::vec(any::<[u16; 4]>(), 1..12),
        erased in proptest::option::of(any::<u16>()), new_block in any::<bool>(),
    ) {
        let (mut image, files) = made(forms()[form], &objects, &[]);
        let factory = image.pages();
        if new_block {
            image.end_block();
        }
        // A phone goes on in the block it finds half full, under its sequence number.
        for [what, which, a, b] in after {
            let sequence = if image.pages() < factory.next_multiple_of(BLOCK) {
                0x1000
            } else {
                0x1000 + (image.pages() / BLOCK) as u32
            };
            let Some(id) = files.get(usize::from(which) % files.len().max(1)).copied() else { continue };
            let size = u64::from(a) % (4 * image.options.chunk_bytes() as u64);
            let header = Header::file(if what % 8 == 0 { 4 } else { ROOT }, b"changed", size);
            match what % 4 {
                0 => image.kernel(sequence, id, &header),
                1 => image.kernel(sequence, id, &Header { shrink: true, ..header }),
                2 => image.data(sequence, id, 1 + u32::from(b) % 9, u32::from(a) % 512, b as u8),
                _ => image.header(sequence, id, &header),
            };
        }
        if let Some(erased) = erased {
            // Some block was reclaimed.
            let (unit, blocks) = (image.unit(), image.pages() / BLOCK);
            if let Some(block) = usize::from(erased).checked_rem(blocks) {
                image.bytes[block * BLOCK * unit..(block + 1) * BLOCK * unit].fill(0xFF);
            }
        }
        assert_same(&image);
    }

    #[test]
    fn pages_exchanged_or_damaged_are_met_or_told_when_the_file_is_read(
        objects in objects(), form in 0_usize..5, swaps in proptest::collection::vec(any::<(u16, u16)>(), 1..4),
        damage in any::<bool>(),
    ) {
        let (mut image, _) = made(forms()[form], &objects, &[]);
        let (unit, pages) = (image.unit(), image.pages());
        for (a, b) in swaps {
            let [a, b] = [a, b].map(|it| usize::from(it) % pages * unit);
            if damage {
                image.bytes[a..a + 300].fill(b as u8);
            } else if a != b {
                let (from, to) = (image.bytes[a..a + unit].to_vec(), image.bytes[b..b + unit].to_vec());
                image.bytes[a..a + unit].copy_from_slice(&to);
                image.bytes[b..b + unit].copy_from_slice(&from);
            }
        }
        let bytes = image.bytes.as_slice();
        let (skimmed, scanned) =
            (Tree::skim(bytes, image.options).unwrap(), Tree::scan(bytes, image.options).unwrap());
        for node in skimmed.nodes().iter().filter(|it| it.kind == Kind::File) {
            // What is given is right; what cannot be is refused.
            if let (Ok(bytes), Some(_)) = (contents(&skimmed, node.id), scanned.node(node.id))
                && (image.options.ecc || !damage)
            {
                prop_assert_eq!(Ok(bytes), contents(&scanned, node.id));
            }
        }
    }
}

#[test]
fn files_without_holes_are_not_looked_at_but_for_their_ends() {
    for options in forms() {
        let (mut image, _) = made(options, &[(100, 0, 0), (1, 5, 0), (70, 9, 0)], &[]);
        let pages = image.pages();
        image.blank(10 * BLOCK + pages.next_multiple_of(BLOCK) - pages);
        assert!(assert_same(&image));
        let tree = Tree::skim(image.bytes.as_slice(), options).unwrap();
        let counts = tree.counts();
        assert!(counts.looked < 50, "{counts:?}");
        assert!(counts.assumed > 200, "{counts:?}");
        assert_eq!(counts.pages as usize, image.pages());
    }
}

/// Two pages change places. Pages 2.. are the first file's; 5 and 6 begin and end no block.
fn swap_five_and_six(bytes: &mut [u8], unit: usize) {
    let (five, six) = bytes[5 * unit..7 * unit].split_at_mut(unit);
    five.swap_with_slice(six);
}

#[test]
fn a_page_that_is_not_what_it_was_taken_for_is_refused_when_it_is_read() {
    let options = forms()[0];
    let (mut image, _) = made(options, &[(30, 0, 0), (30, 0, 0)], &[]);
    let unit = image.unit();
    swap_five_and_six(&mut image.bytes, unit);
    image.bytes[12 * unit..12 * unit + 99].fill(0x5A);
    let tree = Tree::skim(image.bytes.as_slice(), options).unwrap();
    let mut chunk = [0; 2048];
    assert_eq!(tree.read_file(257, 2 * 2048, &mut chunk), Ok(2048));
    assert_eq!(tree.read_file(257, 3 * 2048, &mut chunk), Err(FileError::NotAsAssumed(5)));
    assert_eq!(tree.read_file(257, 5 * 2048, &mut chunk), Ok(2048));
    assert_eq!(tree.read_file(257, 10 * 2048, &mut chunk), Err(FileError::Damaged(12)));
    assert!(contents(&tree, 258).is_ok());
}

#[test]
fn with_headers_alone_such_a_page_makes_all_pages_be_looked_at() {
    let options = forms()[0];
    let (mut image, _) = made(options, &[(30, 0, 0), (30, 0, 0)], &[]);
    let unit = image.unit();
    swap_five_and_six(&mut image.bytes, unit);
    let tree = Tree::scan(image.bytes.as_slice(), Options { verify: Verify::Headers, ..options }).unwrap();
    assert!(tree.counts().assumed > 0, "{:?}", tree.counts());
    let scanned = Tree::scan(image.bytes.as_slice(), options).unwrap();
    for id in [257, 258] {
        assert_eq!(contents(&tree, id), contents(&scanned, id));
    }
    let mut chunk = [0; 2048];
    assert_eq!(tree.read_file(257, 3 * 2048, &mut chunk), Ok(2048));
    assert_eq!(chunk, [(257 + 4) as u8; 2048]);
}

/// Bytes that count how often and how many of them are read.
struct Counted {
    bytes: Vec<u8>,
    reads: Cell<u64>,
    read: Cell<u64>,
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.read.set(self.read.get() + into.len() as u64);
        self.bytes.read_at(at, into)
    }
}

#[test]
fn the_demonstration_partition_is_listed_from_a_few_thousand_of_its_pages() {
    const PAGES: usize = 151_040;
    let plan = DemoTree::new(1, DEFAULT_CONTENT);
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let options = Options::read_back(chip, Layout::Interleaved);
    let mut bytes = vec![0xFF; PAGES * 2112];
    let mut room = bytes.chunks_exact_mut(2112);
    plan.write::<_, Infallible>(|chunk, software| {
        encode_page(chunk, software, None, &chip, room.next().expect("room for the tree")).unwrap();
        Ok(())
    })
    .unwrap();
    let scanned = Tree::scan(bytes.as_slice(), Options { verify: Verify::Tags, ..options }).unwrap();
    let nodes = scanned.nodes().to_vec();
    assert_eq!(nodes.len(), plan.entries().len() + 1);
    let source = Counted { bytes, reads: Cell::new(0), read: Cell::new(0) };
    let tree = Tree::skim(&source, options).unwrap();
    assert!(tree.nodes() == nodes, "the same tree");
    let (reads, pages) = (source.reads.get(), source.read.get() / 2112);
    println!("{reads} reads of {pages} pages of {PAGES}: {:?}", tree.counts());
    assert!(pages < 6000 && tree.counts().looked < 6000);
    assert_eq!(tree.counts().blank + tree.counts().chunks, PAGES as u32);
    let mut all = vec![0; 1 << 20];
    for node in nodes.iter().filter(|it| it.kind == Kind::File) {
        for at in (0..node.size).step_by(all.len()) {
            tree.read_file(node.id, at, &mut all).unwrap();
        }
    }
}

#[test]
fn image_files_are_skimmed_as_well() {
    let plan = DemoTree::new(3, 2_000_000);
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let mut image = Image::new(Options::image_file(chip));
    plan.write::<_, Infallible>(|chunk, software| {
        image.bytes.extend(chunk);
        image.bytes.extend(tags::image_spare(software));
        Ok(())
    })
    .unwrap();
    assert!(assert_same(&image));
}
