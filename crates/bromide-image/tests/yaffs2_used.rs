//! The reader against partitions the reference implementation wrote: thousands of random operations, then the tree it
//! listed itself. As they are, with flipped bits, in other layouts, and read in other ways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use bromide_image::yaffs2::read::{Kind, Options, Problem, Tree, Verify};
use bromide_nand::{Geometry, Layout};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const PAGE: usize = 2112;

struct Sample {
    image: Vec<u8>,
    listing: Value,
}

/// An unpacked image with its listing, or nothing with a word about it.
fn sample(name: &str) -> Option<Sample> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let packed = root.join("yaffs2").join(format!("{name}.bin.xz"));
    let Ok(listing) = std::fs::read(root.join("yaffs2").join(format!("{name}.json"))) else {
        eprintln!("skipped: no sample data (BROMIDE_DATA/yaffs2/{name}.json)");
        return None;
    };
    let Ok(unpacked) = Command::new("xz").arg("-dc").arg(&packed).output() else {
        eprintln!("skipped: the program xz is not installed");
        return None;
    };
    assert!(unpacked.status.success(), "xz failed on {name}");
    Some(Sample { image: unpacked.stdout, listing: serde_json::from_slice(&listing).unwrap() })
}

fn geometry() -> Geometry {
    Geometry::new(2048, 64, 64, 56).unwrap()
}

fn options() -> Options {
    Options::read_back(geometry(), Layout::Interleaved)
}

fn content(tree: &Tree<&[u8]>, id: u32, size: u64, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = vec![0xA5; step];
    loop {
        let len = tree.read_file(id, all.len() as u64, &mut piece).unwrap();
        all.extend_from_slice(&piece[..len]);
        if len < step {
            assert_eq!(all.len() as u64, size);
            return all;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails unless the tree is exactly the listed one; gives the number of entries.
fn assert_listed(tree: &Tree<&[u8]>, listing: &Value, step: usize) -> usize {
    let mut seen = BTreeSet::new();
    for entry in listing["entries"].as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        let node = tree.lookup(path.as_bytes()).unwrap_or_else(|| panic!("{path} is missing"));
        assert_eq!(tree.path(node.id), path.as_bytes());
        assert!(seen.insert(node.id));
        assert_eq!(u64::from(node.equivalent), entry["obj"].as_u64().unwrap(), "{path}: object");
        let target = tree.node(node.equivalent).unwrap();
        let kind = match target.kind {
            Kind::File => "file",
            Kind::Directory => "dir",
            Kind::Symlink => "symlink",
            Kind::HardLink | Kind::Special => "another",
        };
        assert_eq!(kind, entry["type"], "{path}: kind");
        assert_eq!(format!("{:o}", node.mode), entry["mode"], "{path}: mode");
        assert_eq!(u64::from(node.modified), entry["mtime"].as_u64().unwrap(), "{path}: time");
        if let Some(size) = entry["size"].as_u64() {
            assert_eq!(node.size, size, "{path}: size");
            let digest = Sha256::digest(content(tree, node.id, size, step));
            assert_eq!(hex(&digest), entry["sha256"], "{path}: content");
        }
        if let Some(link) = entry["target"].as_str() {
            assert_eq!(target.target, link.as_bytes(), "{path}: target");
        }
    }
    let more: Vec<_> = tree
        .nodes()
        .iter()
        .filter(|it| it.id > 2 && !seen.contains(&it.id))
        .map(|it| tree.path(it.id))
        .collect();
    assert_eq!(more, Vec::<Vec<u8>>::new(), "nothing more than the listed tree");
    seen.len()
}

#[test]
fn a_used_partition_has_exactly_the_tree_its_writer_listed() {
    for (name, entries) in [("used-a", 166), ("used-b", 171)] {
        let Some(Sample { image, listing }) = sample(name) else { return };
        let tree = Tree::scan(image.as_slice(), options()).unwrap();
        assert_eq!(assert_listed(&tree, &listing, 65_536), entries, "{name}");
        assert_eq!(tree.problems().named(), [], "{name}");
        let links: BTreeMap<_, Vec<_>> = tree.nodes().iter().filter(|it| it.kind == Kind::HardLink).fold(
            BTreeMap::new(),
            |mut all, it| {
                all.entry(it.equivalent).or_insert_with(Vec::new).push(it.id);
                all
            },
        );
        assert_eq!(
            links.len(),
            listing["hardlinks"].as_array().unwrap().len(),
            "{name}: files of many names"
        );
    }
}

#[test]
fn a_used_partition_reads_the_same_in_small_steps_in_the_other_layout_and_without_checks_in_advance() {
    for name in ["used-a", "used-b"] {
        let Some(Sample { image, listing }) = sample(name) else { return };
        let tree = Tree::scan(image.as_slice(), options()).unwrap();
        assert_listed(&tree, &listing, 777);
        assert_eq!(Tree::skim(image.as_slice(), options()).unwrap().nodes(), tree.nodes());
        let quick = Options { verify: Verify::Tags, ..options() };
        assert_listed(&Tree::scan(image.as_slice(), quick).unwrap(), &listing, 4096);
        let mut turned = vec![0; image.len()];
        for (from, to) in image.chunks_exact(PAGE).zip(turned.chunks_exact_mut(PAGE)) {
            Layout::Interleaved.convert(from, Layout::DataThenSpare, to, &geometry()).unwrap();
        }
        let other = Options::read_back(geometry(), Layout::DataThenSpare);
        assert_listed(&Tree::scan(turned.as_slice(), other).unwrap(), &listing, 4096);
    }
}

/// A small generator of its own, so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Flips bits of written sectors, never more than four in one, and one or two in 2 % of the erased pages.
fn flip(image: &mut [u8], bits: usize, noise: &mut Noise) -> usize {
    let pages = image.len() / PAGE;
    let blank: Vec<bool> = image.chunks_exact(PAGE).map(|page| page.iter().all(|it| *it == 0xFF)).collect();
    let mut flipped: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut left = bits;
    while left > 0 {
        let (page, sector) = (noise.below(pages), noise.below(4));
        // Data, FDM and parity: 4212 bits.
        let bit = noise.below(4212);
        let wrong = flipped.entry(page * 4 + sector).or_default();
        if blank[page] || wrong.len() == 4 || !wrong.insert(bit) {
            continue;
        }
        image[page * PAGE + sector * 528 + bit / 8] ^= 1 << (bit % 8);
        left -= 1;
    }
    let mut erased = 0;
    for page in (0..pages).filter(|page| blank[*page]) {
        if noise.below(50) == 0 {
            erased += 1;
            for _ in 0..=noise.below(2) {
                image[page * PAGE + noise.below(PAGE)] &= !(1 << noise.below(8));
            }
        }
    }
    erased
}

#[test]
fn eight_hundred_flipped_bits_and_flipped_erased_pages_change_nothing() {
    for name in ["used-a", "used-b"] {
        let Some(Sample { image, listing }) = sample(name) else { return };
        for seed in 1..=3 {
            let mut noisy = image.clone();
            let erased = flip(&mut noisy, 800, &mut Noise(0x9E37_79B9_7F4A_7C15 ^ seed));
            assert!(erased > 0);
            for verify in [Verify::Pages, Verify::Tags] {
                let tree = Tree::scan(noisy.as_slice(), Options { verify, ..options() }).unwrap();
                assert_listed(&tree, &listing, 65_536);
                assert_eq!(tree.problems().named(), []);
            }
            let tree = Tree::scan(noisy.as_slice(), options()).unwrap();
            assert_eq!(tree.counts().bits, 800);
        }
    }
}

#[test]
fn a_page_beyond_repair_is_reported_and_never_believed() {
    let Some(Sample { image, listing }) = sample("used-a") else { return };
    let entry = listing["entries"].as_array().unwrap().iter().find(|it| it["size"] == 68074).unwrap();
    let path = entry["path"].as_str().unwrap().as_bytes();
    let whole = Tree::scan(image.as_slice(), options()).unwrap();
    let node = whole.lookup(path).unwrap();
    let page = node.page.unwrap() as usize;
    let mut broken = image.clone();
    broken[page * PAGE..page * PAGE + 400].fill(0x5A);
    let tree = Tree::scan(broken.as_slice(), options()).unwrap();
    assert!(tree.problems().named().contains(&Problem::DamagedPage(page as u32)));
    assert_eq!(tree.counts().damaged, 1);
    assert_ne!(tree.node(node.id).and_then(|it| it.page), node.page, "an older header or none shows through");
}
