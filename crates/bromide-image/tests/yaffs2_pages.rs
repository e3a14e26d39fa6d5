//! The writer against pages of a real phone's factory `system`, and against an independent reader.

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;

use bromide_image::yaffs2::demo_tree::{DEFAULT_CONTENT, DemoTree, Node};
use bromide_image::yaffs2::{Attributes, Content, Device, Piece, WriteError, Writer, from_fn};
use proptest::prelude::*;

#[path = "support/unpack.rs"]
mod unpack;
use unpack::unpack;

type Page = ([u8; 2048], [u8; 25]);

const PLAIN: Attributes = Attributes { mode: 0o644, uid: 0, gid: 0, accessed: 0, modified: 0, changed: 0 };

/// Collects every page a writer makes.
fn pages(write: impl FnOnce(&mut dyn FnMut(&[u8; 2048], &[u8; 25]) -> Result<(), Infallible>)) -> Vec<Page> {
    let mut pages = Vec::new();
    write(&mut |page, software| {
        pages.push((*page, *software));
        Ok(())
    });
    pages
}

fn slices(pages: &[Page]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pages.iter().map(|(page, software)| (page.as_slice(), software.as_slice()))
}

fn times(mode: u16, [accessed, modified, changed]: [u32; 3]) -> Attributes {
    Attributes { mode, uid: 0, gid: 0, accessed, modified, changed }
}

/// An image with the objects whose headers are known from the real one, at their ids, and the known file data.
fn factory_image(camera: &[u8], tcpdump: &[u8]) -> Vec<Page> {
    let known = |size, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        from_fn(size, move |at, into: &mut [u8]| {
            let left = bytes.get(at as usize..).unwrap_or_default();
            let len = left.len().min(into.len());
            into.fill(0);
            into[..len].copy_from_slice(&left[..len]);
            Ok(if len == 0 { Piece::Hole } else { Piece::Data })
        })
    };
    pages(|sink| {
        let root = times(0o755, [0x515B_C84B, 0x515B_CC59, 0x515B_CC59]);
        let (mut writer, root) = Writer::new(sink, &root).unwrap();
        let app = times(0o755, [0x515B_C9DC, 0x515B_CDF2, 0x515B_CDF2]);
        let app = writer.directory(root, b"app", &app).unwrap();
        let apk = times(0o644, [0x515B_CDBD, 0x515B_CDBD, 0x515B_CDCF]);
        writer.file(app, b"CameraOpen.apk", &apk, known(0xEA1D9, camera)).unwrap();
        for id in 259..550 {
            writer.directory(root, format!("{id}").as_bytes(), &PLAIN).unwrap();
        }
        let folder = writer.directory(root, b"550", &PLAIN).unwrap();
        writer.directory(folder, b"551", &PLAIN).unwrap();
        let tool = times(0o755, [0x515B_CC65, 0x515B_CC65, 0x515B_CC66]);
        writer.file(folder, b"tcpdump", &tool, known(0x96B84, tcpdump)).unwrap();
    })
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap()).collect()
}

/// The software bytes of a page out of its four spares (nand-yaffs2.md section 3).
fn software(fdm: &[u8]) -> Vec<u8> {
    [&fdm[1..8], &fdm[9..16], &fdm[17..24], &fdm[25..29]].concat()
}

#[test]
fn tags_of_real_header_pages_come_out_byte_for_byte() {
    let made = factory_image(&[0; 3 * 2048], &[]);
    // The spares of pages 0 to 5 and 50061 of the real dump, without parity.
    for (page, spares) in [
        (0, "ff00100000010000 ff0000000000ffff ff000030ffffff05 ff00000005aaaade"),
        (1, "ff00100000010100 ff0000000000ffff ff000025ffffff00 ff000000ffaaaa35"),
        (2, "ff00100000020100 ff0000000000ffff ff000026ffffff00 ff000000ffaaaa35"),
        (3, "ff00100000020100 ff00010000000008 ff000029ffffff05 ff000000faaaaa33"),
        (4, "ff00100000020100 ff00020000000008 ff00002affffff05 ff000000faaaaa33"),
        (5, "ff00100000020100 ff00030000000008 ff00003fffffff0d ff0000000daaaad8"),
        (made.len() - 1, "ff00100000280200 ff0000000000ffff ff00000fffffff04 ff00000004aaaaca"),
    ] {
        assert_eq!(made[page].1.as_slice(), software(&hex(spares)), "page {page}");
    }
}

#[test]
fn fields_of_real_headers_come_out_byte_for_byte() {
    let made = factory_image(&[], &[]);
    // Type, parent and name; then 260 to 300 of the real pages.
    for (page, head, tail) in [
        (
            0,
            "0300000001000000ffff00",
            "0000000000ffffffed41000000000000000000004bc85b5159cc5b5159cc5b51ffffffffffffffff",
        ),
        (
            1,
            "0300000001000000ffff61707000",
            "0000000000ffffffed4100000000000000000000dcc95b51f2cd5b51f2cd5b51ffffffffffffffff",
        ),
        (
            2,
            "0100000001010000ffff43616d6572614f70656e2e61706b00",
            "0000000000ffffffa48100000000000000000000bdcd5b51bdcd5b51cfcd5b51d9a10e00ffffffff",
        ),
        (
            made.len() - 1,
            "0100000026020000ffff74637064756d7000",
            "0000000000ffffffed810000000000000000000065cc5b5165cc5b5166cc5b51846b0900ffffffff",
        ),
    ] {
        let (head, tail) = (hex(head), hex(tail));
        let header = &made[page].0;
        assert_eq!(header[..head.len()], head, "page {page}");
        assert!(
            header[head.len()..260].iter().all(|&it| it == 0),
            "page {page}: the name is padded with zeros"
        );
        assert_eq!(header[260..300], tail, "page {page}");
        assert_eq!(header[460..464], [0; 4], "page {page}: device number");
        assert!(
            header[300..460].iter().chain(&header[464..]).all(|&it| it == 0xFF),
            "page {page}: the rest is FF"
        );
    }
}

/// The bytes of a hex listing of the data folder, or nothing with a word about it.
fn listing(name: &str) -> Option<Vec<u8>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let Ok(text) = fs::read_to_string(root.join("nand").join(name)) else {
        eprintln!("skipped: no sample data (BROMIDE_DATA/nand/{name})");
        return None;
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // Offset and colon; groups of four bytes; two blanks and the text.
    Some(lines.flat_map(|line| hex(line.split_once(": ").unwrap().1.split("  ").next().unwrap())).collect())
}

/// Data and software bytes of one page of a dump.
fn split(dump: &[u8], page: usize) -> (Vec<u8>, Vec<u8>) {
    let sectors = dump[page * 2112..][..2112].chunks(528);
    let data = sectors.clone().flat_map(|it| &it[..512]).copied().collect();
    let fdm: Vec<u8> = sectors.flat_map(|it| &it[512..520]).copied().collect();
    (data, software(&fdm))
}

#[test]
fn whole_pages_of_a_real_dump_come_out_byte_for_byte() {
    let (Some(head), Some(tool)) = (listing("head-pages0-6.hex"), listing("page50061-header.hex")) else {
        return;
    };
    let camera: Vec<u8> = (3..6).flat_map(|page| split(&head, page).0).collect();
    let made = factory_image(&camera, &[]);
    for (page, ours) in made.iter().enumerate().take(6) {
        assert_eq!((ours.0.to_vec(), ours.1.to_vec()), split(&head, page), "page {page}");
    }
    let ours = made.last().unwrap();
    assert_eq!((ours.0.to_vec(), ours.1.to_vec()), split(&tool, 0));
}

#[test]
fn the_demo_tree_reads_back_as_it_was_described() {
    let tree = DemoTree::new(7, 2_000_000);
    let made = pages(|sink| {
        let written = tree.write(sink).unwrap();
        assert_eq!(written.chunks, tree.chunks());
        assert_eq!(written.objects as usize, tree.entries().len() + 1);
    });
    assert_eq!(made.len() as u64, tree.chunks());
    let objects = unpack(slices(&made));
    assert_eq!(objects.len(), tree.entries().len() + 1);
    assert_eq!((objects[&1].kind, objects[&1].mode), (3, 0o040_755));
    for (index, entry) in tree.entries().iter().enumerate() {
        let id = 257 + index as u32;
        let object = &objects[&id];
        let path = tree.path(index);
        let shown = path.escape_ascii();
        assert_eq!(unpack::path(&objects, id), path, "{shown}");
        let kind = match &entry.node {
            Node::File(file) => {
                let mut content = vec![0; file.size() as usize];
                file.read(0, &mut content);
                assert_eq!(object.content(), content, "{shown}");
                assert_eq!(object.chunks.len() as u64, file.stored_chunks(), "{shown}");
                1
            }
            Node::Symlink(target) => {
                assert_eq!(&object.target, target, "{shown}");
                2
            }
            Node::Directory => 3,
            Node::HardLink(to) => {
                assert_eq!(object.equivalent, 257 + *to as u32, "{shown}");
                4
            }
            Node::Special(device) => {
                let number = match device {
                    Device::Character(major, minor) | Device::Block(major, minor) => {
                        u32::from(*major) * 256 + u32::from(*minor)
                    }
                    Device::Fifo | Device::Socket => 0,
                };
                assert_eq!(object.device, number, "{shown}");
                5
            }
        };
        assert_eq!(object.kind, kind, "{shown}");
        if kind != 4 {
            let Attributes { mode, uid, gid, accessed, modified, changed } = entry.attributes;
            assert_eq!(object.mode & 0o7777, u32::from(mode), "{shown}");
            assert_eq!((object.owner, object.times), ([uid, gid], [accessed, modified, changed]), "{shown}");
        }
    }
}

#[test]
fn the_demo_tree_is_as_large_as_asked_and_the_same_every_time() {
    for bytes in [1_000_000, 9_999_999, DEFAULT_CONTENT] {
        let tree = DemoTree::new(1, bytes);
        let stored =
            tree.entries().iter().map(|it| if let Node::File(it) = &it.node { it.stored_bytes() } else { 0 });
        assert_eq!(stored.sum::<u64>(), bytes);
    }
    let tree = DemoTree::new(1, DEFAULT_CONTENT);
    assert!((550..700).contains(&tree.entries().len()), "{}", tree.entries().len());
    // `system` of the phone it is for has 151,040 pages.
    assert!((100_000..151_040).contains(&tree.chunks()), "{}", tree.chunks());
    assert!(!DemoTree::new(1, 0).entries().is_empty(), "the awkward files are always there");

    let image = |seed| pages(|sink| assert!(DemoTree::new(seed, 500_000).write(sink).is_ok()));
    assert_eq!(image(3), image(3));
    assert_ne!(image(3), image(4));
}

#[test]
fn the_demo_tree_holds_what_readers_stumble_over() {
    let tree = DemoTree::new(1, DEFAULT_CONTENT);
    let count = |want: fn(&Node) -> bool| tree.entries().iter().filter(|it| want(&it.node)).count();
    assert!(count(|it| matches!(it, Node::Symlink(to) if to == b"toolbox")) > 40);
    assert!(count(|it| matches!(it, Node::HardLink(_))) >= 4);
    assert!(count(|it| matches!(it, Node::Special(_))) >= 4);
    assert!(count(|it| matches!(it, Node::File(it) if it.size() == 0)) >= 1);
    assert!(count(|it| matches!(it, Node::File(it) if it.stored_chunks() < it.size().div_ceil(2048))) >= 8);
    assert!(tree.entries().iter().any(|it| it.name.len() == 255));
    assert!(tree.entries().iter().any(|it| it.name.contains(&b' ')));
    assert!(tree.entries().iter().any(|it| std::str::from_utf8(&it.name).is_err()));
    assert!(tree.entries().iter().any(|it| std::str::from_utf8(&it.name).is_ok_and(|it| !it.is_ascii())));
}

#[test]
fn content_reads_the_same_from_any_place_in_any_piece() {
    let tree = DemoTree::new(5, 1_000_000);
    for entry in tree.entries() {
        let Node::File(file) = &entry.node else { continue };
        let len = (file.size() as usize).min(9000);
        let mut whole = vec![0; len];
        file.read(0, &mut whole);
        for at in [1, 7, 8, 63, 2041, 2048].into_iter().filter(|at| *at < len) {
            let mut piece = vec![0xEE; len - at];
            file.read(at as u64, &mut piece);
            assert_eq!(piece, whole[at..], "{} from {at}", entry.name.escape_ascii());
        }
    }
}

#[test]
fn what_cannot_be_stored_is_refused_and_the_writer_goes_on() {
    let made = pages(|sink| {
        let (mut writer, root) = Writer::new(sink, &PLAIN).unwrap();
        let mut name = |name: &[u8]| writer.directory(root, name, &PLAIN).map(drop);
        assert_eq!(name(b""), Err(WriteError::NotAName(String::new())));
        assert_eq!(name(b".."), Err(WriteError::NotAName("..".into())));
        assert_eq!(name(b"a/b"), Err(WriteError::NameByte("a/b".into())));
        assert_eq!(name(b"a\0b"), Err(WriteError::NameByte("a\\x00b".into())));
        assert_eq!(name(&[b'n'; 256]), Err(WriteError::NameTooLong(256)));
        assert_eq!(name(&[b'n'; 255]), Ok(()));
        assert_eq!(name(b"twice"), Ok(()));
        assert_eq!(name(b"twice"), Err(WriteError::Duplicate("twice".into())));
        let target = |len| vec![b't'; len];
        assert_eq!(writer.symlink(root, b"l", &PLAIN, &target(160)), Err(WriteError::Target(160)));
        assert_eq!(writer.symlink(root, b"l", &PLAIN, b""), Err(WriteError::Target(0)));
        assert_eq!(writer.symlink(root, b"l", &PLAIN, b"a\0"), Err(WriteError::Target(2)));
        assert!(writer.symlink(root, b"l", &PLAIN, &target(159)).is_ok());
        let most = 0x1F_FFFF_u64 * 2048;
        let hole = |size| from_fn(size, |_, _: &mut [u8]| Ok(Piece::Hole));
        assert_eq!(writer.file(root, b"f", &PLAIN, hole(most + 1)), Err(WriteError::FileTooLarge(most + 1)));
        assert_eq!(writer.file(root, b"f", &PLAIN, hole(u64::MAX)), Err(WriteError::FileTooLarge(u64::MAX)));
        assert!(writer.file(root, b"f", &PLAIN, hole(most)).is_ok());
    });
    let objects = unpack(slices(&made));
    assert_eq!(objects.keys().copied().collect::<Vec<_>>(), [1, 257, 258, 259, 260], "no id was wasted");
    assert_eq!(objects[&260].size, 0xFFFF_F800);
}

#[test]
fn there_are_as_many_objects_as_ids() {
    let (mut writer, root) = Writer::new(|_, _| Ok::<_, Infallible>(()), &PLAIN).unwrap();
    for id in 257..=0x3_FFFF_u32 {
        writer.special(root, format!("{id}").as_bytes(), &PLAIN, Device::Fifo).unwrap();
    }
    assert_eq!(writer.directory(root, b"one more", &PLAIN), Err(WriteError::TooManyObjects));
    assert_eq!(writer.written().objects, 0x3_FFFF - 256 + 1);
}

#[test]
fn ids_of_another_image_are_refused() {
    let sink = |_: &_, _: &_| Ok::<_, Infallible>(());
    let (mut one, root) = Writer::new(sink, &PLAIN).unwrap();
    let folder = one.directory(root, b"folder", &PLAIN).unwrap();
    let file = one.file(folder, b"file", &PLAIN, &b"x"[..]).unwrap();
    let (mut other, root) = Writer::new(sink, &PLAIN).unwrap();
    assert_eq!(other.directory(folder, b"a", &PLAIN), Err(WriteError::NotOfThisImage(257)));
    assert_eq!(other.hard_link(root, b"a", file), Err(WriteError::NotOfThisImage(258)));
}

#[test]
fn errors_of_sink_and_content_come_through() {
    let mut room = 3;
    let sink = |_: &_, _: &_| {
        room -= 1;
        if room < 0 { Err("full") } else { Ok(()) }
    };
    let (mut writer, root) = Writer::new(sink, &PLAIN).unwrap();
    let bad = from_fn(10, |_, _: &mut [u8]| Err("unreadable"));
    assert_eq!(writer.file(root, b"a", &PLAIN, bad), Err(WriteError::Content("unreadable")));
    assert_eq!(writer.file(root, b"b", &PLAIN, &[1; 5000][..]), Err(WriteError::Sink("full")));
    assert_eq!(WriteError::Sink("full").to_string(), "the sink failed: full");
}

/// Content that counts its calls, to see that every byte is asked for once and in order.
struct Counted<'a>(&'a mut Vec<(u64, usize)>, u64);

impl Content<Infallible> for Counted<'_> {
    fn size(&self) -> u64 {
        self.1
    }

    fn fill(&mut self, at: u64, into: &mut [u8]) -> Result<Piece, Infallible> {
        self.0.push((at, into.len()));
        Ok(Piece::Data)
    }
}

#[test]
fn content_is_asked_for_once_and_in_order() {
    let mut asked = Vec::new();
    let (mut writer, root) = Writer::new(|_, _| Ok(()), &PLAIN).unwrap();
    writer.file(root, b"f", &PLAIN, Counted(&mut asked, 4097)).unwrap();
    assert_eq!(asked, [(0, 2048), (2048, 2048), (4096, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_file_with_any_holes_reads_back(
        files in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..9000), any::<u8>(), any::<u16>(), any::<u32>()), 1..6,
        ),
    ) {
        let made = pages(|sink| {
            let (mut writer, root) = Writer::new(sink, &PLAIN).unwrap();
            for (at, (bytes, holes, mode, owner)) in files.iter().enumerate() {
                let attributes = Attributes { mode: *mode, uid: *owner, gid: !*owner, ..PLAIN };
                let content = from_fn(bytes.len() as u64, |at, into: &mut [u8]| {
                    into.copy_from_slice(&bytes[at as usize..][..into.len()]);
                    Ok(if holes >> (at / 2048) & 1 == 1 { Piece::Hole } else { Piece::Data })
                });
                writer.file(root, format!("{at}").as_bytes(), &attributes, content).unwrap();
            }
        });
        let objects = unpack(slices(&made));
        for (at, (bytes, holes, mode, owner)) in files.iter().enumerate() {
            let object = &objects[&(257 + at as u32)];
            let mut want = bytes.clone();
            for (chunk, piece) in want.chunks_mut(2048).enumerate() {
                if holes >> chunk & 1 == 1 {
                    piece.fill(0);
                }
            }
            prop_assert_eq!(object.content(), want);
            prop_assert_eq!(object.mode, 0o100_000 | u32::from(mode & 0o7777));
            prop_assert_eq!(object.owner, [*owner, !*owner]);
        }
    }
}
