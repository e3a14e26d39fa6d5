//! Any pages as a YAFFS2 partition, in six forms: everything a program may ask of the tree is asked, within bounds.
//!
//! The bytes choose the fields of chunks, which are then put into pages as the form wants them, so that a change of a
//! byte changes what a page says and not whether its tags are found. An input that begins with FF is the pages
//! themselves.
#![no_main]

use bromide_image::yaffs2::read::{ByteOrder, Options, ROOT, TagsAt, Tree, Verify, detect};
use bromide_nand::{Geometry, Layout, encode_page};
use libfuzzer_sys::fuzz_target;

/// Bytes of the input that make one page.
const FIELDS: usize = 24;

/// Most pages of an image put together.
const MOST_PAGES: usize = 400;

fn forms() -> [Options; 6] {
    let chip = |page, spare| Geometry::new(page, spare, 4, 64).expect("a usual chip");
    let interleaved = Options::read_back(chip(512, 16), Layout::Interleaved);
    let read_back = Options::read_back(chip(2048, 64), Layout::Interleaved);
    [
        Options { verify: Verify::Tags, ..read_back },
        Options { order: ByteOrder::Big, ..Options::read_back(chip(2048, 64), Layout::DataThenSpare) },
        Options::image_file(chip(512, 16)),
        Options { tags: TagsAt::Spare(5), ..Options::image_file(chip(1024, 32)) },
        Options { layout: Layout::MainOnly, tags: TagsAt::InBand, ..Options::image_file(chip(512, 16)) },
        // No room for tags in the FDM of one sector.
        interleaved,
    ]
}

fn word(options: &Options, word: u32) -> [u8; 4] {
    if options.order == ByteOrder::Little { word.to_le_bytes() } else { word.to_be_bytes() }
}

/// A number near the ones that matter: small ones, or the last ones of the ranges.
fn number(byte: u8, last: u32) -> u32 {
    match byte {
        0..=199 => u32::from(byte),
        200..=219 => last.wrapping_add(u32::from(byte)).wrapping_sub(210),
        220..=239 => (1 << (byte - 210)) | 1,
        _ => u32::MAX - u32::from(255 - byte),
    }
}

/// One page from the fields the input chooses.
fn page(options: &Options, fields: &[u8; FIELDS]) -> Vec<u8> {
    let [
        what,
        sequence,
        object,
        chunk,
        bytes,
        kind,
        parent,
        size,
        high,
        equivalent,
        shadows,
        shrink,
        rest @ ..,
    ] = fields;
    let mut main = vec![*what; options.geometry.page as usize];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(room) = main.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    };
    let (parent, shadows) = (number(*parent, 0x3_FFFF), number(*shadows, 0x3_FFFF));
    let object = number(*object, 0x3_FFFF);
    let size = u64::from(number(*size, 0x8000_0000)) | u64::from(number(*high, 0)) << 32;
    if what & 1 == 0 {
        put(10, &[0; 256]);
        put(10, &rest[..6]);
        put(300, &rest[6..]);
        put(300 + rest.len() - 6, &[0]);
    }
    for (at, it) in [
        (0, u32::from(*kind % 8)),
        (4, parent),
        (292, size as u32),
        (296, number(*equivalent, 0x3_FFFF)),
        (488, shadows),
        (492, u32::from(*shrink & 1)),
        (496, (size >> 32) as u32),
        (504, shadows),
        (508, u32::from(*shrink & 1)),
        (512, u32::from(rest[0])),
        (1548, shadows),
    ] {
        put(at, &word(options, it));
    }
    let sequence = match sequence {
        0..=0x20 | 0x22..=0x2F => 0x1000,
        0x21 => 0x21,
        other => number(*other, 0xEFFF_EEFF).wrapping_add(0x1000),
    };
    let tags = match what >> 1 & 3 {
        0 => [sequence, object, 0, 0xFFFF],
        1 => {
            let flags = u32::from(shrink >> 5) << 29;
            [
                sequence,
                object & 0x0FFF_FFFF | u32::from(*kind % 8) << 28,
                0x8000_0000 | flags | parent,
                size as u32,
            ]
        }
        _ => [sequence, object, number(*chunk, 0x1F_FFFF), u32::from(*bytes) * 9],
    };
    let tags: Vec<u8> = tags.iter().flat_map(|it| word(options, *it)).collect();
    let spare = options.geometry.spare as usize;
    match options.tags {
        TagsAt::Fdm => {
            let mut whole = vec![0; main.len() + spare];
            encode_page(&main, &tags, None, &options.geometry, &mut whole).expect("a usual page");
            if what >> 3 & 15 == 1 {
                // A bit or a byte goes wrong.
                let at = usize::from(*chunk) * 13 % whole.len();
                whole[at] ^= bytes;
            }
            let mut stored = vec![0; whole.len()];
            let to = Layout::Interleaved.convert(&whole, options.layout, &mut stored, &options.geometry);
            to.expect("a page of this layout");
            stored
        }
        TagsAt::Spare(at) => {
            let mut bytes = vec![0xFF; spare];
            let room = &mut bytes[usize::from(at)..];
            let len = room.len().min(tags.len());
            room[..len].copy_from_slice(&tags[..len]);
            [main, bytes].concat()
        }
        TagsAt::InBand => {
            let at = main.len() - tags.len();
            main[at..].copy_from_slice(&tags);
            main
        }
    }
}

fn image(options: &Options, data: &[u8]) -> Vec<u8> {
    let mut image = Vec::new();
    for fields in data.as_chunks::<FIELDS>().0.iter().take(MOST_PAGES) {
        if fields[0] == 0xFF {
            let unit = options.layout.unit_bytes(&options.geometry) as usize;
            image.resize(image.len() + unit, 0xFF);
        } else {
            image.extend(page(options, fields));
        }
    }
    image
}

fn ask(tree: &Tree<&[u8]>) {
    let mut piece = [0; 600];
    let mut listed = 0;
    for node in tree.nodes() {
        listed += tree.children(node.id).count();
        if let Some(path) = tree.path_within(node.id, 256) {
            assert!(path.len() <= 256);
        }
        assert_eq!(node.parent == node.id, node.id == ROOT);
        let real = tree.node(node.equivalent).expect("a link to nothing is dropped");
        assert_eq!(real.size, node.size);
        for at in [0, node.size / 2, node.size.saturating_sub(99), u64::MAX] {
            if let Ok(read) = tree.read_file(node.id, at, &mut piece) {
                assert_eq!(read as u64, node.size.saturating_sub(at).min(piece.len() as u64));
            }
        }
        let _ = tree.xattrs(node.id);
        let _ = tree.stored_bytes(node);
    }
    assert_eq!(listed + 1, tree.nodes().len());
    let deleted: Vec<u32> = tree.deleted().collect();
    for id in tree.nodes().iter().map(|it| it.id).chain(deleted).take(60) {
        let _ = tree.last_named(id);
        let Ok(versions) = tree.history(id) else { continue };
        // The way up is the same for most versions, and costs a page for each directory that is gone.
        if let Some(version) = versions.first() {
            let path = tree.version_path(version);
            assert!(path.is_err() || path.is_ok_and(|path| path.len() <= 4096 + 2 + version.name.len()));
        }
        for version in versions.iter().take(20) {
            if let Ok(content) = tree.content(version) {
                let _ = tree.read_content(&content, content.size / 2, &mut piece);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&form, data)) = data.split_first() else { return };
    let forms = forms();
    if form == 0xFF {
        let _ = detect(&data.get(..5000).unwrap_or(data));
        for options in forms {
            ask(&Tree::scan(data, options).expect("memory does not fail"));
        }
        return;
    }
    let options = forms[usize::from(form) % forms.len()];
    let image = image(&options, data);
    let scanned = Tree::scan(image.as_slice(), options).expect("memory does not fail");
    ask(&scanned);
    let skimmed = Tree::skim(image.as_slice(), options).expect("memory does not fail");
    ask(&skimmed);
    if skimmed.counts().assumed == 0 {
        assert_eq!(skimmed.nodes(), scanned.nodes());
    }
});
