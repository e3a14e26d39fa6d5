//! The reader against random histories: creates, writes, cuts, renames, links, deletions, block reclaims and power
//! cuts on a simulated phone must give the tree a plain in-memory model has, in every form of page there is.

use std::collections::{BTreeMap, BTreeSet};

use bromide_image::yaffs2::demo_tree::{DemoTree, Node as Planned};
use bromide_image::yaffs2::read::{
    ByteOrder, Event, Kind, LOST_FOUND, Options, Problem, ROOT, TagsAt, Tree, Verify, detect,
};
use bromide_image::yaffs2::tags;
use bromide_nand::{Geometry, Layout, encode_page};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

#[path = "support/yaffs_log.rs"]
mod yaffs_log;
use yaffs_log::page::{Header, Image};
use yaffs_log::{Body, Cut, Expected, PAGES_PER_BLOCK, Phone};

/// Forms of pages: MediaTek's in both layouts, foreign spares, in-band, both byte orders, 512 to 8192 bytes.
fn forms() -> Vec<Options> {
    let chip = |page, spare| Geometry::new(page, spare, PAGES_PER_BLOCK as u32, 48).unwrap();
    let foreign = |page, spare, at, order| Options {
        tags: TagsAt::Spare(at),
        order,
        ..Options::image_file(chip(page, spare))
    };
    let in_band = |page, order| Options {
        layout: Layout::MainOnly,
        tags: TagsAt::InBand,
        order,
        ..Options::image_file(chip(page, 16))
    };
    vec![
        Options::read_back(chip(2048, 64), Layout::Interleaved),
        Options::read_back(chip(2048, 64), Layout::DataThenSpare),
        Options { verify: Verify::Tags, ..Options::read_back(chip(2048, 64), Layout::Interleaved) },
        Options { order: ByteOrder::Big, ..Options::read_back(chip(4096, 128), Layout::Interleaved) },
        Options::read_back(chip(8192, 256), Layout::Interleaved),
        Options::image_file(chip(2048, 64)),
        foreign(512, 16, 0, ByteOrder::Little),
        foreign(1024, 32, 5, ByteOrder::Big),
        foreign(4096, 218, 40, ByteOrder::Little),
        in_band(512, ByteOrder::Little),
        in_band(2048, ByteOrder::Big),
    ]
}

/// As many of the forms, from the first on, are under the sector ECC.
const ECC_FORMS: usize = 5;

/// Flips one to four bits in a share of the sectors, in percent: any of a written one's 4212, of an erased one's any.
fn flip(image: &mut [u8], options: &Options, share: u64, seed: u64) {
    let mut drawn = seed;
    let mut below = |end: u64| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        (drawn >> 11) % end
    };
    let page = options.geometry.page as usize;
    let sectors = page / 512;
    for stored in image.chunks_exact_mut(options.geometry.stored_page() as usize) {
        for sector in 0..sectors {
            if below(100) >= share {
                continue;
            }
            let mut wrong = BTreeSet::new();
            for _ in 0..=below(4) {
                wrong.insert(below(4212) as usize);
            }
            for bit in wrong {
                let (byte, mask) = (bit / 8, 1_u8 << (bit % 8));
                let at = match (options.layout, byte) {
                    (Layout::DataThenSpare, 0..512) => sector * 512 + byte,
                    (Layout::DataThenSpare, _) => page + sector * 16 + byte - 512,
                    _ => sector * 528 + byte,
                };
                stored[at] ^= mask;
            }
        }
    }
}

/// One step of a history, still to be made sense of.
type Step = (u8, u16, u16, u16);

fn play(phone: &mut Phone, steps: &[Step], chunk: usize) {
    for (what, a, b, c) in steps {
        if !phone.reclaim(usize::from(*b)).unwrap_or(true) {
            break;
        }
        if *what >= 244 {
            phone.fuse = Some(usize::from(*a % 6));
        }
        if let Err(Cut) = step(phone, *what, usize::from(*a), usize::from(*b), usize::from(*c), chunk) {
            // Now and then nobody switches it on again before it is read.
            if c % 16 == 1 {
                return;
            }
            phone.mount();
        }
    }
    // Power that was about to go does not go after the last step.
    phone.fuse = None;
}

fn step(phone: &mut Phone, what: u8, a: usize, b: usize, c: usize, chunk: usize) -> Result<(), Cut> {
    let pick = |phone: &Phone, n: usize, want: &dyn Fn(&Body) -> bool| {
        let all: Vec<u32> = phone.tree.iter().filter(|(_, it)| want(&it.body)).map(|(id, _)| *id).collect();
        if all.is_empty() { None } else { Some(all[n % all.len()]) }
    };
    let is_file = |body: &Body| matches!(body, Body::File(_));
    let directory =
        pick(phone, b, &|body| *body == Body::Directory).filter(|_| !b.is_multiple_of(3)).unwrap_or(ROOT);
    let name = format!("name{}", c % 24).into_bytes();
    let taken =
        phone.tree.iter().find(|(_, it)| it.parent == directory && it.name == name).map(|(id, _)| *id);
    let fresh = (257..297).map(|n| 257 + (n - 257 + a as u32) % 40).find(|id| !phone.tree.contains_key(id));
    let add = |phone: &mut Phone, body: Body| match (taken, fresh) {
        (None, Some(id)) => phone.add(id, Expected { parent: directory, name: name.clone(), body }),
        _ => Ok(()),
    };
    match what % 12 {
        0 | 1 => add(phone, Body::File(Vec::new())),
        2 => add(phone, Body::Directory),
        3 => add(phone, Body::Symlink(format!("to/{c}").into_bytes())),
        4 => match pick(phone, a, &is_file) {
            Some(to) => add(phone, Body::HardLink(to)),
            None => Ok(()),
        },
        5..=7 => match pick(phone, a, &is_file) {
            Some(id) => {
                let bytes: Vec<u8> = (0..1 + c % (2 * chunk)).map(|at| (at * 7 + c) as u8 | 1).collect();
                phone.write(id, b % (4 * chunk), &bytes)
            }
            None => Ok(()),
        },
        8 => match pick(phone, a, &is_file) {
            Some(id) => {
                let Body::File(bytes) = &phone.tree[&id].body else { unreachable!() };
                let size = bytes.len();
                if size == 0 { Ok(()) } else { phone.truncate(id, b % size) }
            }
            None => Ok(()),
        },
        9 => rename(phone, pick(phone, a, &|_| true), directory, &name, taken),
        _ => delete(phone, pick(phone, a, &|_| true)),
    }
}

fn is_linked(phone: &Phone, id: u32) -> Option<u32> {
    phone.tree.iter().find(|(_, it)| it.body == Body::HardLink(id)).map(|(id, _)| *id)
}

fn is_empty(phone: &Phone, id: u32) -> bool {
    phone.tree.values().all(|it| it.parent != id)
}

fn rename(phone: &mut Phone, id: Option<u32>, to: u32, name: &[u8], taken: Option<u32>) -> Result<(), Cut> {
    let Some(id) = id.filter(|id| Some(*id) != taken) else { return Ok(()) };
    let mut above = to;
    while above != ROOT {
        if above == id {
            return Ok(());
        }
        above = phone.tree[&above].parent;
    }
    if let Some(taken) = taken {
        let directory = phone.tree[&taken].body == Body::Directory;
        if directory || is_linked(phone, taken).is_some() {
            return Ok(());
        }
    }
    phone.rename(id, to, name, taken)
}

fn delete(phone: &mut Phone, id: Option<u32>) -> Result<(), Cut> {
    let Some(id) = id.filter(|id| is_empty(phone, *id)) else { return Ok(()) };
    match is_linked(phone, id) {
        // A file of another name takes that name, as a phone does it.
        Some(link) => {
            let Expected { parent, name, .. } = phone.tree[&link].clone();
            phone.delete(link)?;
            phone.rename(id, parent, &name, None)
        }
        None => phone.delete(id),
    }
}

/// Fails unless the image has exactly the tree the phone's model has.
fn assert_read_back(phone: &Phone, image: &[u8], options: Options) {
    let tree = Tree::scan(image, options).unwrap();
    let mut seen = BTreeMap::new();
    for node in tree.nodes().iter().filter(|it| it.id > LOST_FOUND) {
        let body = match node.kind {
            Kind::Directory => Body::Directory,
            Kind::File => {
                let mut bytes = vec![0xA5; node.size as usize];
                assert_eq!(tree.read_file(node.id, 0, &mut bytes).unwrap(), bytes.len());
                Body::File(bytes)
            }
            Kind::Symlink => Body::Symlink(node.target.clone()),
            Kind::HardLink => Body::HardLink(node.equivalent),
            Kind::Special => panic!("no special file was made"),
        };
        seen.insert(node.id, Expected { parent: node.parent, name: node.name.clone(), body });
        assert_eq!(tree.lookup(&tree.path(node.id)).unwrap().id, node.id);
    }
    let expected: BTreeMap<u32, Expected> =
        phone.tree.iter().filter(|(id, _)| !phone.is_gone(**id)).map(|(id, it)| (*id, it.clone())).collect();
    assert_eq!(seen, expected);
    assert_eq!(Tree::skim(image, options).unwrap().nodes(), tree.nodes());
    let doubts: Vec<_> =
        tree.problems().named().iter().filter(|it| !it.to_string().contains("damaged")).collect();
    assert!(doubts.is_empty(), "{doubts:?}");
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_history_of_a_phone_reads_back_as_the_tree_it_made(steps in history(), form in 0_usize..11) {
        let options = forms()[form];
        let mut phone = Phone::new(options);
        play(&mut phone, &steps, options.chunk_bytes());
        assert_read_back(&phone, &phone.image(), options);
    }

    #[test]
    fn any_history_reads_back_in_spite_of_up_to_four_wrong_bits_in_every_sector(
        steps in history(), form in 0..ECC_FORMS, quick in any::<bool>(), share in 1_u64..=100, seed in 1_u64..,
    ) {
        let verify = if quick { Verify::Tags } else { Verify::Pages };
        let options = Options { verify, ..forms()[form] };
        let mut phone = Phone::new(options);
        play(&mut phone, &steps, options.chunk_bytes());
        let mut image = phone.image();
        flip(&mut image, &options, share, seed);
        assert_read_back(&phone, &image, options);
    }

    #[test]
    fn arbitrary_pages_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..9000),
        words in proptest::collection::vec(any::<[u16; 8]>(), 0..12),
        form in 0_usize..11,
    ) {
        let options = forms()[form];
        let mut image = bytes;
        // Plausible tags and headers between the noise.
        let unit = options.layout.unit_bytes(&options.geometry) as usize;
        image.resize(image.len().max(unit * words.len()), 0x41);
        for (page, it) in image.chunks_exact_mut(unit).zip(&words) {
            let main = options.geometry.page as usize;
            let at = match options.tags {
                TagsAt::Spare(at) => main + usize::from(at),
                TagsAt::InBand | TagsAt::Fdm => main - 16,
            };
            let object = 1 + u32::from(it[0] % 6);
            let tags = [0x1000, object, u32::from(it[1] % 3), u32::from(it[2] % 600)];
            let fields = [u32::from(it[3] % 7), u32::from(it[4] % 8)];
            let wide = |word: u32| match options.order {
                ByteOrder::Little => word.to_le_bytes(),
                ByteOrder::Big => word.to_be_bytes(),
            };
            page[..8].copy_from_slice(fields.map(wide).as_flattened());
            page[296..300].copy_from_slice(&wide(u32::from(it[5] % 8)));
            page[at..at + 16].copy_from_slice(tags.map(wide).as_flattened());
        }
        let tree = Tree::scan(image.as_slice(), options).unwrap();
        for node in tree.nodes() {
            let _ = tree.path(node.id);
            let _ = tree.read_file(node.id, 100, &mut [0; 3000]);
            let _ = tree.read_file(node.id, u64::MAX - 1, &mut [0; 30]);
            let _ = tree.xattrs(node.id);
        }
        for id in tree.deleted().chain([1, 2, 3]).collect::<Vec<_>>() {
            for version in tree.history(id).unwrap() {
                let _ = tree.version_path(&version).unwrap();
                let _ = tree.content(&version);
            }
        }
    }
}

#[test]
fn histories_hold_everything_a_phone_does() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..60 {
        let steps = history().new_tree(&mut runner).unwrap().current();
        let mut phone = Phone::new(forms()[0]);
        play(&mut phone, &steps, forms()[0].chunk_bytes());
        for (what, times) in &phone.tally {
            *tally.entry(what).or_default() += times;
        }
    }
    for what in [
        "file",
        "link",
        "other object",
        "write",
        "write behind a hole",
        "truncate",
        "rename",
        "rename over another",
        "delete",
        "reclaim",
        "power cut",
        "power cut in a reclaim",
    ] {
        assert!(tally.get(what).is_some_and(|times| *times >= 10), "{what}: {tally:?}");
    }
}

#[test]
fn what_the_writer_writes_is_read_back_equal() {
    let plan = DemoTree::new(1, 3_000_000);
    let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
    let (mut file, mut raw) = (Vec::new(), Vec::new());
    let mut page = [0; 2112];
    plan.write::<_, std::convert::Infallible>(|chunk, software| {
        file.extend(chunk);
        file.extend(tags::image_spare(software));
        encode_page(chunk, software, None, &chip, &mut page).unwrap();
        raw.extend(page);
        Ok(())
    })
    .unwrap();
    for (image, options) in
        [(file, Options::image_file(chip)), (raw, Options::read_back(chip, Layout::Interleaved))]
    {
        let tree = Tree::scan(image.as_slice(), options).unwrap();
        assert_eq!(tree.nodes().len(), plan.entries().len() + 1);
        for (index, entry) in plan.entries().iter().enumerate() {
            let node = tree.lookup(&plan.path(index)).unwrap();
            assert_eq!(node.name, entry.name);
            let of = |index: usize| 257 + index as u32;
            assert_eq!(node.id, of(index));
            let same = match &entry.node {
                Planned::Directory => node.kind == Kind::Directory,
                Planned::Symlink(target) => node.kind == Kind::Symlink && node.target == *target,
                Planned::HardLink(to) => node.kind == Kind::HardLink && node.equivalent == of(*to),
                Planned::Special(_) => node.kind == Kind::Special,
                Planned::File(file) => {
                    let (mut bytes, mut seen) =
                        (vec![0; file.size() as usize], vec![1; file.size() as usize]);
                    file.read(0, &mut bytes);
                    tree.read_file(node.id, 0, &mut seen).unwrap();
                    assert_eq!(tree.stored_bytes(node), file.stored_bytes());
                    node.size == file.size() && bytes == seen
                }
            };
            assert!(same, "{:?}", entry.name.escape_ascii().to_string());
            if !matches!(entry.node, Planned::HardLink(_)) {
                let it = &entry.attributes;
                assert_eq!(node.mode & 0o7777, u32::from(it.mode));
                assert_eq!((node.uid, node.gid, node.modified), (it.uid, it.gid, it.modified));
            }
        }
    }
}

#[test]
fn deleted_files_and_earlier_versions_are_still_to_be_had() {
    let options = forms()[0];
    let mut phone = Phone::new(options);
    let file = |name: &[u8]| Expected { parent: 300, name: name.to_vec(), body: Body::File(Vec::new()) };
    let folder = Expected { parent: ROOT, name: b"dir".to_vec(), body: Body::Directory };
    let done = phone.add(300, folder).is_ok()
        && phone.add(301, file(b"kept")).is_ok()
        && phone.write(301, 0, &[1; 5000]).is_ok()
        && phone.write(301, 1000, &[2; 3000]).is_ok()
        && phone.truncate(301, 10).is_ok()
        && phone.add(302, file(b"gone")).is_ok()
        && phone.write(302, 0, &[3; 4100]).is_ok()
        && phone.delete(302).is_ok();
    assert!(done);
    let image = phone.image();
    let tree = Tree::scan(image.as_slice(), options).unwrap();
    assert_eq!(tree.deleted().collect::<Vec<_>>(), [302]);
    let read = |version| {
        let content = tree.content(version).unwrap();
        let mut bytes = vec![0xEE; content.size as usize];
        tree.read_content(&content, 0, &mut bytes).unwrap();
        bytes
    };
    let last = tree.last_named(302).unwrap().unwrap();
    assert_eq!(tree.version_path(&last).unwrap(), b"dir/gone");
    assert_eq!(read(&last), [3; 4100]);
    let versions = tree.history(301).unwrap();
    let events: Vec<_> = versions.iter().map(|it| (it.event, it.size)).collect();
    assert_eq!(
        events,
        [(Event::Cut, 10), (Event::Written, 5000), (Event::Written, 5000), (Event::Written, 0)]
    );
    assert_eq!(read(&versions[0]), [1; 10]);
    assert_eq!(read(&versions[1]), [vec![1; 1000], vec![2; 3000], vec![1; 1000]].concat());
    assert_eq!(read(&versions[2]), [1; 5000]);
    assert!(read(&versions[3]).is_empty());
    assert_eq!(tree.history(302).unwrap()[0].event, Event::Deleted);
}

#[test]
fn the_form_of_an_image_is_found_from_its_bytes_alone() {
    for options in forms() {
        let mut phone = Phone::new(options);
        let body = || Body::File(Vec::new());
        for (id, name) in [(257, "a"), (258, "b"), (259, "c")] {
            let file = Expected { parent: ROOT, name: name.as_bytes().to_vec(), body: body() };
            assert!(phone.add(id, file).is_ok());
            // Some thirty blocks, so that there are neighbours among them.
            for _ in 0..8 {
                assert!(phone.write(id, 0, &vec![id as u8; 9 * options.chunk_bytes()]).is_ok());
            }
        }
        let image = phone.image();
        let found = detect(&image.as_slice()).unwrap().expect("some form fits");
        let tree = Tree::scan(image.as_slice(), found.options).unwrap();
        assert_eq!(found.options.geometry.page, options.geometry.page);
        assert_eq!((found.options.order, found.options.tags), (options.order, options.tags));
        assert_eq!(found.options.geometry.pages_per_block, PAGES_PER_BLOCK as u32);
        assert_eq!(tree.nodes().len(), 4);
    }
    assert_eq!(detect(&[0x41_u8; 300_000].as_slice()).unwrap(), None);
    assert_eq!(detect(&Vec::<u8>::new()).unwrap(), None);
}

#[test]
fn the_form_of_an_image_that_is_mostly_blank_is_found_wherever_it_is_written() {
    for options in forms() {
        let unit = options.layout.unit_bytes(&options.geometry) as usize;
        for (before, after) in [(0, 400), (100, 300), (399, 0), (8, 0)] {
            for versions in [1, 3] {
                let mut image = Image::new(options);
                image.blank(before * PAGES_PER_BLOCK);
                for sequence in 0x1000..0x1000 + versions {
                    // Two or three written pages in a block, and blocks left free between them.
                    let len = 2 * options.chunk_bytes() as u64;
                    let step = options.chunk_bytes() as u32;
                    image.kernel(sequence, 300, &Header::file(ROOT, b"file", len));
                    image.data(sequence, 300, 1, step, 0x55).data(sequence, 300, 2, step, 0xAA).end_block();
                    image.blank(PAGES_PER_BLOCK * 2);
                }
                image.blank(after * PAGES_PER_BLOCK);
                let mut bytes = image.bytes;
                // Erased cells do not all stay ones.
                for at in
                    (7..bytes.len()).step_by(20 * unit + 131).filter(|at| at / unit % PAGES_PER_BLOCK > 4)
                {
                    bytes[at] &= 0xEF;
                }
                let found = detect(&bytes.as_slice()).unwrap().expect("some form fits");
                let is = |it: &Options| (it.geometry.page, it.geometry.spare, it.order, it.tags, it.layout);
                if options.tags != TagsAt::InBand {
                    assert_eq!(is(&found.options), is(&options));
                }
                let tree = Tree::scan(bytes.as_slice(), found.options).unwrap();
                assert_eq!(
                    tree.lookup(b"file").unwrap().size,
                    2 * options.chunk_bytes() as u64,
                    "{options:?}"
                );
                let mut seen = vec![0; 2 * options.chunk_bytes()];
                tree.read_file(300, 0, &mut seen).unwrap();
                assert!(seen.iter().all(|byte| matches!(byte, 0x55 | 0xAA)));
            }
        }
    }
}

#[test]
fn circles_odd_names_and_links_to_directories_are_kept_in_bounds_and_named() {
    let options = forms()[0];
    let mut phone = Phone::new(options);
    let mut add = |id, parent, name: &[u8], body| {
        assert!(phone.add(id, Expected { parent, name: name.to_vec(), body }).is_ok());
    };
    add(300, 302, b"ring", Body::Directory);
    add(301, 300, b"ring", Body::Directory);
    add(302, 301, b"ring", Body::Directory);
    add(303, 303, b"self", Body::Directory);
    add(304, ROOT, b"../a/b", Body::File(Vec::new()));
    add(305, ROOT, b"..", Body::File(Vec::new()));
    add(306, ROOT, b"bell\x07", Body::File(Vec::new()));
    add(307, ROOT, b"to a directory", Body::HardLink(300));
    add(308, ROOT, b"to nothing", Body::HardLink(999));
    add(309, 304, b"below a file", Body::File(Vec::new()));
    add(310, ROOT, b"same", Body::File(Vec::new()));
    add(311, ROOT, b"same", Body::Directory);
    let image = phone.image();
    let tree = Tree::scan(image.as_slice(), options).unwrap();
    let lost: Vec<u32> = tree.children(LOST_FOUND).map(|it| it.id).collect();
    assert_eq!(lost, [309, 300, 303]);
    assert_eq!(tree.lookup(b"lost+found/ring/ring/ring").unwrap().id, 302);
    assert_eq!((tree.node(304).unwrap().name.as_slice(), tree.node(307)), (b"../a/b".as_slice(), None));
    assert_eq!(tree.lookup(b"same").unwrap().id, 311, "the newer of two");
    let found = tree.problems().named();
    for problem in [
        Problem::Cycle(300),
        Problem::Cycle(303),
        Problem::Name(304),
        Problem::Name(305),
        Problem::Name(306),
        Problem::HardLink { object: 307, target: 300 },
        Problem::HardLink { object: 308, target: 999 },
        Problem::NoParent { object: 309, parent: 304 },
        Problem::SameName(310),
    ] {
        assert!(found.contains(&problem), "{problem}");
    }
    assert_eq!(found.len(), 9);
}
