//! Images made to do harm: no panic, no circle, no lie taken for a file, and time and memory in step with the image.

use std::time::{Duration, Instant};

use bromide_image::yaffs2::read::{Kind, LOST_FOUND, Options, Problem, ROOT, Tree, Verify};
use bromide_image::yaffs2::{LAST_CHUNK, LAST_OBJECT};
use bromide_nand::{Geometry, Layout};

#[path = "support/yaffs_page.rs"]
mod yaffs_page;
use yaffs_page::{DIRECTORY, FILE, HARD_LINK, Header, Image, SPECIAL, SYMLINK};

fn read_back() -> Options {
    Options::read_back(Geometry::new(2048, 64, 8, 4096).unwrap(), Layout::Interleaved)
}

/// Small pages, so that many objects make no large image.
fn small() -> Options {
    Options::image_file(Geometry::new(512, 16, 64, 65536).unwrap())
}

/// Longest path asked for of every object.
const LONGEST: usize = 300;

/// Everything a program may ask of a tree, each thing within bounds.
fn walk(tree: &Tree<&[u8]>) -> usize {
    let mut piece = [0; 700];
    let mut listed = 0;
    for node in tree.nodes() {
        let path = tree.path_within(node.id, LONGEST);
        assert!(path.is_none_or(|path| path.len() <= LONGEST));
        for at in [0, 1000, node.size.saturating_sub(350), node.size, u64::MAX - 10] {
            let read = tree.read_file(node.id, at, &mut piece);
            assert!(
                read.map_or(node.kind != Kind::File, |it| it as u64 <= node.size)
                    || node.equivalent != node.id
            );
        }
        let _ = tree.xattrs(node.id);
        let _ = tree.stored_bytes(node);
        listed += tree.children(node.id).count();
        assert_ne!(node.parent, node.id * u32::from(node.id != ROOT), "nothing is in itself but the root");
    }
    assert_eq!(listed + 1, tree.nodes().len(), "everything but the root is in one directory");
    for id in tree.deleted().take(200).collect::<Vec<_>>() {
        for version in tree.history(id).unwrap().iter().take(20) {
            let _ = tree.version_path(version).unwrap();
            if let Ok(content) = tree.content(version) {
                let _ = tree.read_content(&content, 0, &mut piece);
            }
        }
    }
    listed
}

fn has_slash(name: &[u8]) -> bool {
    name.contains(&b'/')
}

fn tree(image: &Image) -> Tree<&[u8]> {
    let tree = Tree::scan(image.bytes.as_slice(), image.options).unwrap();
    let skimmed = Tree::skim(image.bytes.as_slice(), image.options).unwrap();
    assert_eq!(skimmed.nodes(), tree.nodes());
    walk(&tree);
    tree
}

#[test]
fn names_that_are_none_are_kept_as_stored_and_named() {
    let names: [&[u8]; 12] = [
        b"",
        b".",
        b"..",
        b"/",
        b"/etc/passwd",
        b"../../up",
        b"a/b",
        b"bell\x07",
        b"line\nbreak",
        b"\x1b[2J",
        b"delete\x7f",
        b"zero\0hidden",
    ];
    let mut image = Image::new(read_back());
    for (id, name) in (300..).zip(names) {
        image.header(0x1000, id, &Header::file(ROOT, name, 0));
    }
    let odd: [&[u8]; 3] = [b"\xff\xfe\xc3", &[b'n'; 255], &[0x80; 255]];
    for (id, name) in (400..).zip(odd) {
        image.header(0x1000, id, &Header::file(ROOT, name, 0));
    }
    let tree = tree(&image);
    for (id, name) in (300..).zip(names) {
        let shown = name.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(tree.node(id).unwrap().name, shown);
        let told = tree.problems().named().contains(&Problem::Name(id));
        assert_eq!(told, name != b"zero\0hidden", "{}", name.escape_ascii());
        // What has a slash in it is no way to anything.
        assert!(!has_slash(name) || tree.lookup(name).is_none_or(|found| found.id == ROOT));
    }
    for (id, name) in (400..).zip(odd) {
        assert_eq!(tree.lookup(name).unwrap().id, id, "odd but a name");
    }
    assert_eq!(tree.problems().named().len(), 11);
}

#[test]
fn links_in_circles_and_to_what_cannot_have_two_names_lead_nowhere() {
    let mut image = Image::new(read_back());
    image.header(0x1000, 300, &Header::new(DIRECTORY, ROOT, b"dir"));
    for (id, name, target) in
        [(301, "a", "b"), (302, "b", "a"), (303, "self", "self"), (304, "up", "../../..")]
    {
        let link = Header { target: target.as_bytes(), ..Header::new(SYMLINK, ROOT, name.as_bytes()) };
        image.header(0x1000, id, &link);
    }
    let link = |to| Header { equivalent: to, ..Header::new(HARD_LINK, ROOT, b"link") };
    for (id, to) in
        [(310, 300), (311, 312), (312, 311), (313, 313), (314, 999), (315, ROOT), (316, 0), (317, u32::MAX)]
    {
        image.header(0x1000, id, &link(to));
    }
    image.header(0x1000, 318, &link(301));
    image.header(0x1000, 319, &Header { parent: 318, ..link(301) });
    let tree = tree(&image);
    let links: Vec<u32> =
        tree.nodes().iter().filter(|it| it.kind == Kind::HardLink).map(|it| it.id).collect();
    assert_eq!(links, [318, 319], "only those to a thing that can have another name");
    assert_eq!(tree.node(319).unwrap().parent, LOST_FOUND, "below what is no directory");
    assert_eq!(tree.lookup(b"a").unwrap().target, b"b", "followed by nobody here");
    assert_eq!(tree.problems().named().len(), 9);
}

#[test]
fn circles_of_directories_are_cut_once_however_long() {
    const LONG: u32 = 20_000;
    let mut image = Image::new(small());
    for id in 300..300 + LONG {
        let above = if id == 300 { 299 + LONG } else { id - 1 };
        image.header(0x1000, id, &Header::new(DIRECTORY, above, b"d"));
    }
    for (id, parent) in [(100_000, 100_000), (100_001, 100_002), (100_002, 100_001), (100_003, 100_002)] {
        image.header(0x1000, id, &Header::new(DIRECTORY, parent, b"d"));
    }
    let tree = tree(&image);
    assert_eq!(tree.nodes().len() as u32, LONG + 4 + 2);
    let found = tree.problems().named();
    let cycles = found.iter().filter(|it| matches!(it, Problem::Cycle(_))).count();
    assert_eq!(cycles, 3, "one cut each");
}

#[test]
fn sizes_no_flash_holds_are_told_and_cost_nothing() {
    let mut image = Image::new(read_back());
    let sizes = [1 << 40, 1 << 63, u64::MAX - (1 << 32), (1 << 33) + 5];
    for (id, size) in (300..).zip(sizes) {
        image.header(0x1000, id, &Header::file(ROOT, format!("{id}").as_bytes(), size));
    }
    image.header(0x1000, 310, &Header::file(ROOT, b"some", 1 << 40)).data(0x1000, 310, LAST_CHUNK, 2048, 9);
    let tree = tree(&image);
    for (id, size) in (300..).zip(sizes) {
        let node = tree.node(id).unwrap();
        assert_eq!((node.size, tree.stored_bytes(node)), (size, 0));
        assert!(tree.problems().named().contains(&Problem::Size(id)));
        let mut piece = [1; 64];
        assert_eq!(tree.read_file(id, size - 32, &mut piece), Ok(32));
        assert_eq!(piece[..32], [0; 32]);
    }
    assert_eq!(tree.stored_bytes(tree.node(310).unwrap()), 2048);
}

#[test]
fn ids_and_chunk_numbers_at_their_limits_and_beyond() {
    let mut image = Image::new(read_back());
    for id in [1, 2, 3, 4, 5, LAST_OBJECT, LAST_OBJECT + 1, 0, u32::MAX >> 4] {
        image.header(0x1000, id, &Header::new(DIRECTORY, ROOT, format!("{id}").as_bytes()));
    }
    for number in [LAST_CHUNK - 1, LAST_CHUNK, LAST_CHUNK + 1, 0x7FFF_FFFF] {
        image.data(0x1000, 300, number, 2048, 7);
    }
    for len in [0, 2048, 2049, 0xFFFF, u32::MAX] {
        image.page([0x1000, 301, 1, len], &[8; 2048]);
    }
    for sequence in [0, 0x20, 0xFFF, 0xEFFF_FF00, 0xFFFF_0000, u32::MAX] {
        image.page([sequence, 302, 1, 2048], &[8; 2048]);
    }
    for parent in [0, 5, LAST_OBJECT, LAST_OBJECT + 1, u32::MAX] {
        image.header(0x1000, 310 + (parent & 15), &Header::new(DIRECTORY, parent, b"below"));
    }
    for kind in [0, 6, 7, u32::MAX] {
        image.header(0x1000, 330, &Header::new(kind, ROOT, b"kind"));
    }
    let tree = tree(&image);
    assert_eq!(tree.node(LAST_OBJECT).unwrap().parent, ROOT);
    assert_eq!(tree.node(300).unwrap().size, u64::from(LAST_CHUNK) * 2048);
    assert_eq!(tree.node(301).unwrap().size, 2048);
    assert_eq!([tree.node(302), tree.node(330), tree.node(3), tree.node(LAST_OBJECT + 1)], [None; 4]);
}

#[test]
fn replacements_in_circles_leave_one_or_none() {
    let mut image = Image::new(read_back());
    for (id, shadows) in
        [(300, 301), (301, 302), (302, 300), (303, 303), (304, 1), (305, 3), (306, 0x7FFF_FFFF)]
    {
        image.kernel(0x1000, id, &Header { shadows, ..Header::file(ROOT, format!("{id}").as_bytes(), 0) });
    }
    let tree = tree(&image);
    let left: Vec<u32> = tree.nodes().iter().map(|it| it.id).filter(|id| (300..310).contains(id)).collect();
    // 302 is the last to take another's place; what took 302's place was older, and 304 cannot take the root's.
    assert_eq!(left, [301, 302, 303, 304, 305, 306]);
    assert!(tree.root().is_some());
}

#[test]
fn images_of_no_page_one_page_and_pages_cut_off() {
    for options in [read_back(), small(), Options { verify: Verify::Tags, ..read_back() }] {
        let mut image = Image::new(options);
        assert_eq!(tree(&image).nodes().len(), 1, "the root is always there");
        image.header(0x1000, 300, &Header::file(ROOT, b"only", 3));
        assert_eq!(tree(&image).nodes().len(), 2);
        let whole = image.bytes.clone();
        for len in [1, 15, 511, whole.len() - 1] {
            let cut = Image { options, bytes: whole[..len].to_vec() };
            assert_eq!(tree(&cut).problems().named(), [Problem::LeftOver(len as u64)]);
            let more = Image { options, bytes: [whole.as_slice(), &whole[..len]].concat() };
            assert!(tree(&more).problems().named().contains(&Problem::LeftOver(len as u64)));
        }
    }
}

/// Images that grow with a number, each the worst of its sort.
type Growing = (&'static str, fn(u32) -> Image);

const GROWING: [Growing; 7] = [
    ("one directory in another", |n| {
        let mut image = Image::new(small());
        for id in 300..300 + n {
            let above = if id == 300 { ROOT } else { id - 1 };
            image.header(0x1000, id, &Header::new(DIRECTORY, above, b"d"));
        }
        image
    }),
    ("one directory in another, the deepest first", |n| {
        let mut image = Image::new(small());
        for id in 300..300 + n {
            let above = if id == 299 + n { ROOT } else { id + 1 };
            image.header(0x1000, id, &Header::new(DIRECTORY, above, b"d"));
        }
        image
    }),
    ("one name for all", |n| {
        let mut image = Image::new(small());
        for id in 300..300 + n {
            image.header(0x1000, id, &Header::file(ROOT, &[b'n'; 255], 0));
        }
        image
    }),
    ("headers of one object", |n| {
        let mut image = Image::new(small());
        for _ in 0..n {
            image.header(0x1000, 300, &Header::file(ROOT, b"again", 100));
        }
        image
    }),
    ("one chunk again and again", |n| {
        let mut image = Image::new(small());
        image.header(0x1000, 300, &Header::file(ROOT, b"file", 1 << 40));
        for _ in 0..n {
            image.data(0x1000, 300, 1, 512, 1);
        }
        image
    }),
    ("bytes of nobody", |n| {
        let mut image = Image::new(small());
        for id in 300..300 + n {
            image.data(0x1000, id, LAST_CHUNK, 1, 1);
        }
        image
    }),
    ("hard links to one file", |n| {
        let mut image = Image::new(small());
        image.header(0x1000, 299, &Header::file(ROOT, b"file", 0));
        for id in 300..300 + n {
            image.header(0x1000, id, &Header { equivalent: 299, ..Header::new(HARD_LINK, ROOT, b"link") });
        }
        image
    }),
];

#[test]
fn time_grows_no_faster_than_the_image() {
    for (name, make) in GROWING {
        let mut factor = f64::MAX;
        // Other work on the machine may disturb a run; a tree of square time would never pass.
        for _ in 0..5 {
            let [half, whole] = [20_000, 40_000].map(|n| {
                let image = make(n);
                (0..3).fold(Duration::MAX, |best, _| {
                    let begun = Instant::now();
                    let tree = Tree::scan(image.bytes.as_slice(), image.options).unwrap();
                    walk(&tree);
                    best.min(begun.elapsed())
                })
            });
            factor = factor.min(whole.as_secs_f64() / half.as_secs_f64());
            println!("{name}: {half:?}, {whole:?}");
            if factor < 2.6 {
                break;
            }
        }
        assert!(factor < 2.6, "{name}: {factor}");
    }
}

#[test]
fn a_hundred_thousand_directories_one_in_another_have_paths() {
    let image = GROWING[0].1(100_000);
    let tree = tree(&image);
    let deepest = 300 + 99_999;
    assert_eq!(tree.path(deepest).len(), 2 * 100_000 - 1);
    assert_eq!(tree.path_within(deepest, 4096), None);
    assert_eq!(tree.lookup(&tree.path(deepest)).unwrap().id, deepest);
    assert_eq!(tree.path_within(302, 5).unwrap(), b"d/d/d");
    assert_eq!(tree.path_within(302, 4), None);
}

#[test]
fn every_kind_with_bytes_of_a_file_is_still_its_kind() {
    let mut image = Image::new(read_back());
    for kind in [FILE, SYMLINK, DIRECTORY, HARD_LINK, SPECIAL] {
        let name = format!("{kind}");
        let header = Header { equivalent: 301, target: b"t", ..Header::new(kind, ROOT, name.as_bytes()) };
        image.header(0x1000, 300 + kind, &header).data(0x1000, 300 + kind, 1, 5, b'x');
    }
    let tree = tree(&image);
    assert_eq!(tree.node(301).unwrap().size, 5);
    assert!([302, 303, 305].iter().all(|id| tree.node(*id).unwrap().size == 0));
    assert_eq!(tree.node(304).unwrap().size, 5, "as its target");
}

#[test]
fn paths_of_deleted_objects_are_bounded_however_deep_their_directories_were() {
    let mut image = Image::new(small());
    let deleted = |image: &mut Image, id, kind, parent, name: &[u8]| {
        image.header(0x1000, id, &Header { parent, ..Header::new(kind, ROOT, name) });
    };
    // A chain of 3000 directories, then its end: each is only in the next, and the last is nowhere.
    let long = [b'n'; 100];
    for id in 300..3300 {
        deleted(&mut image, id, DIRECTORY, id + 1, &long);
    }
    for id in 4000..4200 {
        deleted(&mut image, id, FILE, 300, b"file");
    }
    // Two directories, each in the other.
    deleted(&mut image, 5000, DIRECTORY, 5001, b"a");
    deleted(&mut image, 5001, DIRECTORY, 5000, b"b");
    deleted(&mut image, 5002, FILE, 5000, b"in circles");
    for id in (300..3300).chain(4000..4200).chain(5000..5003) {
        // Directory 4 holds what was deleted (nand-yaffs2.md section 4).
        let kind = if (4000..4200).contains(&id) || id == 5002 { FILE } else { DIRECTORY };
        image.header(0x1001, id, &Header::new(kind, 4, b"deleted"));
    }
    let tree = Tree::scan(image.bytes.as_slice(), image.options).unwrap();
    let begun = Instant::now();
    for id in tree.deleted().collect::<Vec<_>>() {
        let Some(version) = tree.last_named(id).unwrap() else { continue };
        let path = tree.version_path(&version).unwrap();
        assert!(path.len() <= 4096 + 2 + version.name.len(), "{} bytes", path.len());
        assert!(path.starts_with(b"?/"), "nobody knows where it began");
    }
    assert!(tree.deleted().count() >= 3200);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
