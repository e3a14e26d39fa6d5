//! What the demonstration tree holds: the folders of an Android 2.3 `/system` with invented names, and the awkward
//! cases a reader of YAFFS2 must get right.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{LONGEST_NAME, LONGEST_TARGET};
use super::{Attributes, CHUNK_BYTES, DemoFile, DemoTree, Device, Entry, Fill, Node, mix};

const FIRST_WORDS: [&str; 24] = [
    "amber", "basalt", "cinder", "dapple", "ember", "fennel", "gravel", "hazel", "indigo", "juniper", "kelp",
    "lichen", "marble", "nettle", "ochre", "pebble", "quartz", "russet", "saffron", "thistle", "umber",
    "velvet", "willow", "zinnia",
];
const SECOND_WORDS: [&str; 25] = [
    "anchor", "bellows", "compass", "dial", "easel", "ferry", "gauge", "harbor", "inkwell", "jigsaw",
    "kettle", "lantern", "mirror", "needle", "organ", "pulley", "quill", "rudder", "sextant", "tiller",
    "urn", "valve", "wheel", "yoke", "zither",
];

/// Programs that are links to one binary, as on Android.
const TOOLBOX_LINKS: &str = "cat chmod chown cmp date dd df dmesg getevent getprop hd id ifconfig iftop insmod ioctl \
    ionice kill ln log ls lsmod lsof mkdir mount mv nandread netstat newfs_msdos notify printenv ps reboot renice rm \
    rmdir rmmod route schedtop sendevent setconsole setprop sleep smd start stop sync top touch umount uptime \
    vmstat watchprops wipe";

/// A folder of files that differ in name and size only.
struct Shelf {
    folder: &'static str,
    count: u16,
    before: &'static str,
    after: &'static str,
    /// Permissions.
    mode: u16,
    gid: u32,
    /// Share of the content, from and to; 0 to 0 is a short text file.
    weight: (u64, u64),
}

const fn shelf(folder: &'static str, count: u16, before: &'static str, after: &'static str) -> Shelf {
    Shelf { folder, count, before, after, mode: 0o644, gid: 0, weight: (0, 0) }
}

impl Shelf {
    const fn weighing(self, from: u64, to: u64) -> Self {
        Self { weight: (from, to), ..self }
    }

    const fn programs(self) -> Self {
        Self { mode: 0o755, gid: 2000, ..self }
    }
}

const SHELVES: &[Shelf] = &[
    shelf("bin", 44, "", "d").programs().weighing(6, 90),
    shelf("xbin", 20, "", "").programs().weighing(8, 700),
    shelf("lib", 120, "lib", ".so").weighing(8, 1500),
    shelf("lib/hw", 8, "", ".demo.so").weighing(8, 60),
    shelf("lib/egl", 4, "libdemo_", ".so").weighing(60, 400),
    shelf("lib/modules", 5, "", ".ko").weighing(30, 600),
    shelf("framework", 16, "", ".jar").weighing(20, 4000),
    shelf("app", 64, "", ".apk").weighing(15, 6000),
    shelf("app", 20, "", ".odex").weighing(10, 1200),
    shelf("etc", 18, "", ".conf"),
    shelf("etc/permissions", 16, "demo.", ".xml"),
    shelf("etc/wifi", 3, "", ".conf"),
    shelf("etc/firmware", 4, "", ".bin").weighing(40, 900),
    shelf("fonts", 14, "Demo", ".ttf").weighing(20, 3000),
    shelf("media/audio/alarms", 8, "Alarm ", ".ogg").weighing(10, 80),
    shelf("media/audio/notifications", 18, "", ".ogg").weighing(8, 40),
    shelf("media/audio/ringtones", 24, "Ring_", ".ogg").weighing(20, 200),
    shelf("media/audio/ui", 12, "", ".ogg").weighing(4, 12),
    shelf("media", 1, "boot_", ".zip").weighing(900, 1100),
    shelf("usr/keylayout", 12, "demo-", ".kl"),
    shelf("usr/keychars", 6, "demo-", ".kcm.bin").weighing(1, 3),
    shelf("usr/share/zoneinfo", 3, "zones-", ".dat").weighing(60, 260),
    shelf("tts/lang", 6, "", "_tts.bin").weighing(100, 900),
];

/// Names that trip programs, in a folder of their own.
const ODD_NAMES: [&[u8]; 28] = [
    b"name with spaces",
    "Ünïcödé ☂ 漢字.txt".as_bytes(),
    "composed é".as_bytes(),
    "composed e\u{301}".as_bytes(),
    "right to left עברית".as_bytes(),
    "\u{202e}txt.exe".as_bytes(),
    b"invalid-\xff\xfe-utf8",
    b"latin1-\xe9t\xe9",
    b"cut-\xf0\x9f\x8e",
    b"line\nbreak",
    b"tab\there",
    b"\x01control\x7f",
    b"escape\x1b[31m",
    b"-dash",
    b"--",
    b".hidden",
    b"...",
    b"trailing dot.",
    b"trailing space ",
    b" leading space",
    b"quote\"and'apostrophe",
    b"back\\slash",
    b"percent%20s",
    b"star*question?pipe|",
    b"c:colon;semi",
    b"CaseTwin",
    b"casetwin",
    b"NUL.txt",
];

/// File sizes beside and on the borders of chunks.
const BORDER_SIZES: [u64; 8] = [0, 1, 511, 512, 2047, 2048, 2049, 4096];

/// A file with holes.
struct Holed {
    name: &'static str,
    /// Whole chunks, then the bytes of a last short one.
    chunks: u64,
    and_bytes: u64,
    /// From and up to, in chunks from 0.
    holes: &'static [(u64, u64)],
}

const HOLED: [Holed; 8] = [
    Holed { name: "hole-at-start", chunks: 5, and_bytes: 0, holes: &[(0, 1)] },
    Holed { name: "hole-inside", chunks: 5, and_bytes: 0, holes: &[(2, 4)] },
    Holed { name: "hole-at-end", chunks: 5, and_bytes: 0, holes: &[(4, 5)] },
    Holed { name: "hole-at-short-end", chunks: 4, and_bytes: 77, holes: &[(4, 5)] },
    Holed { name: "nothing-but-hole", chunks: 3, and_bytes: 1, holes: &[(0, 4)] },
    Holed { name: "short-end-after-hole", chunks: 4, and_bytes: 77, holes: &[(1, 4)] },
    Holed {
        name: "many-holes",
        chunks: 200,
        and_bytes: 5,
        holes: &[(0, 3), (10, 11), (64, 128), (150, 199)],
    },
    Holed { name: "far-end", chunks: 16384, and_bytes: 900, holes: &[(1, 16384)] },
];

/// Depth of the chain of nested folders.
const DEPTH: u16 = 16;

/// The whole tree.
pub(super) fn plan(seed: u64, content_bytes: u64) -> DemoTree {
    let mut plan =
        Plan { seed, drawn: 0, named: 0, entries: Vec::new(), folders: Vec::new(), shares: Vec::new() };
    plan.toolbox();
    for shelf in SHELVES {
        plan.shelf(shelf);
    }
    plan.links();
    plan.odd_names();
    plan.holes_and_borders();
    plan.special_files();
    plan.share_out(content_bytes);
    let root = plan.attributes(0o755, 0);
    DemoTree { root, entries: plan.entries }
}

struct Plan {
    seed: u64,
    /// Random numbers drawn.
    drawn: u64,
    /// Names invented.
    named: u16,
    entries: Vec<Entry>,
    /// Paths of the directories made, with their entries.
    folders: Vec<(String, usize)>,
    /// Entries that share the content, with their weights.
    shares: Vec<(usize, u64)>,
}

impl Plan {
    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        mix(self.seed, self.drawn)
    }

    /// A number from `from` up to, not including, `to`.
    fn between(&mut self, from: u64, to: u64) -> u64 {
        let drawn = self.draw();
        from.saturating_add(drawn.checked_rem(to.saturating_sub(from)).unwrap_or(0))
    }

    fn attributes(&mut self, mode: u16, gid: u32) -> Attributes {
        // Within a fortnight of 2011, like the files of one build.
        let seconds = self.between(1_300_000_000, 1_301_200_000);
        let modified = u32::try_from(seconds).unwrap_or(0);
        let later = |by| modified.saturating_add(by);
        Attributes { mode, uid: 0, gid, accessed: later(3600), modified, changed: later(60) }
    }

    fn add(&mut self, folder: &str, name: &[u8], attributes: Attributes, node: Node) -> usize {
        let parent = self.folder(folder);
        let index = self.entries.len();
        self.entries.push(Entry { parent, name: name.to_owned(), attributes, node });
        index
    }

    /// The directory of this path, made with those above it when it is new; None for the root.
    fn folder(&mut self, path: &str) -> Option<usize> {
        if path.is_empty() {
            return None;
        }
        if let Some((_, index)) = self.folders.iter().find(|(it, _)| it == path) {
            return Some(*index);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let attributes = self.attributes(0o755, if path.starts_with("bin") { 2000 } else { 0 });
        let index = self.add(above, name.as_bytes(), attributes, Node::Directory);
        self.folders.push((path.to_owned(), index));
        Some(index)
    }

    /// Two words no other file has together.
    fn words(&mut self) -> (&'static str, &'static str) {
        // 7 has no factor in common with the 600 pairs, so they come in another order but none twice.
        let pair = usize::from(self.named.wrapping_mul(7) % 600);
        self.named = self.named.wrapping_add(1) % 600;
        let first = FIRST_WORDS.get(pair / 25).copied().unwrap_or_default();
        (first, SECOND_WORDS.get(pair % 25).copied().unwrap_or_default())
    }

    fn shelf(&mut self, shelf: &Shelf) {
        for _ in 0..shelf.count {
            let (first, second) = self.words();
            let joint = if shelf.folder == "app" { "" } else { "_" };
            let name = format!("{}{first}{joint}{second}{}", shelf.before, shelf.after);
            let attributes = self.attributes(shelf.mode, shelf.gid);
            let (from, to) = shelf.weight;
            let file = if to == 0 {
                DemoFile { size: self.between(40, 3000), fill: Fill::Text, holes: Vec::new() }
            } else {
                self.noise(0, Vec::new())
            };
            let index = self.add(shelf.folder, name.as_bytes(), attributes, Node::File(file));
            if to != 0 {
                let weight = self.between(from, to);
                self.shares.push((index, weight));
            }
        }
    }

    fn noise(&mut self, size: u64, holes: Vec<(u64, u64)>) -> DemoFile {
        DemoFile { size, fill: Fill::Noise(self.draw()), holes }
    }

    fn toolbox(&mut self) {
        let attributes = self.attributes(0o755, 2000);
        let file = self.noise(0, Vec::new());
        let index = self.add("bin", b"toolbox", attributes, Node::File(file));
        self.shares.push((index, 90));
        for name in TOOLBOX_LINKS.split_ascii_whitespace() {
            self.symlink("bin", name, b"toolbox");
        }
    }

    fn symlink(&mut self, folder: &str, name: &str, target: &[u8]) {
        let attributes = self.attributes(0o777, 2000);
        self.add(folder, name.as_bytes(), attributes, Node::Symlink(target.to_owned()));
    }

    /// Links of every sort: hard ones beside their file and in another folder, soft ones that go up, far, to a folder,
    /// to themselves and nowhere.
    fn links(&mut self) {
        let file = DemoFile { size: 300, fill: Fill::Text, holes: Vec::new() };
        let attributes = self.attributes(0o6755, 1000);
        let original = self.add("links", b"original", attributes, Node::File(file));
        for (folder, name) in [("links", "second-name"), ("links", "third-name"), ("xbin", "fourth-name")] {
            let attributes = self.attributes(0, 0);
            self.add(folder, name.as_bytes(), attributes, Node::HardLink(original));
        }
        self.symlink("links", "up", b"../etc");
        self.symlink("links", "absolute", b"/system/bin/toolbox");
        self.symlink("links", "nowhere", b"no/such/file");
        self.symlink("links", "itself", b"itself");
        self.symlink("links", "odd", b"spaces and \xff bytes");
        self.symlink("links", "longest", &[b'l'; LONGEST_TARGET]);
        let attributes = self.attributes(0o777, 0);
        let link = self.add("links", b"soft", attributes, Node::Symlink(b"original".to_vec()));
        self.add("links", b"soft-second-name", attributes, Node::HardLink(link));
    }

    fn odd_names(&mut self) {
        let longest = [b'n'; LONGEST_NAME];
        let names = ODD_NAMES.iter().copied().chain([longest.as_slice()]);
        for name in names {
            let file = DemoFile { size: self.between(1, 200), fill: Fill::Text, holes: Vec::new() };
            let attributes = self.attributes(0o644, 0);
            self.add("odd names", name, attributes, Node::File(file));
        }
        let mut path = "odd names/deep".to_owned();
        for level in 1..=DEPTH {
            path = format!("{path}/{level}");
        }
        let file = DemoFile { size: 7, fill: Fill::Text, holes: Vec::new() };
        let attributes = self.attributes(0o600, 1000);
        self.add(&path, b"bottom", attributes, Node::File(file));
        self.folder("odd names/empty folder");
    }

    fn holes_and_borders(&mut self) {
        for Holed { name, chunks, and_bytes, holes } in HOLED {
            let size = chunks.saturating_mul(CHUNK_BYTES).saturating_add(and_bytes);
            let file = self.noise(size, holes.to_vec());
            let attributes = self.attributes(0o644, 0);
            self.add("holes", name.as_bytes(), attributes, Node::File(file));
        }
        for size in BORDER_SIZES {
            let file = self.noise(size, Vec::new());
            let attributes = self.attributes(0o640, 1001);
            self.add("sizes", format!("{size}-bytes").as_bytes(), attributes, Node::File(file));
        }
    }

    fn special_files(&mut self) {
        for (name, device) in [
            ("null", Device::Character(1, 3)),
            ("block", Device::Block(31, 11)),
            ("pipe", Device::Fifo),
            ("socket", Device::Socket),
        ] {
            let attributes = self.attributes(0o660, 1000);
            self.add("special", name.as_bytes(), attributes, Node::Special(device));
        }
    }

    /// Gives the files that wait for it what of the content the others leave, by their weights, to the last byte.
    fn share_out(&mut self, content_bytes: u64) {
        let size = |it: &Entry| if let Node::File(file) = &it.node { file.stored_bytes() } else { 0 };
        let fixed = self.entries.iter().map(size).fold(0, u64::saturating_add);
        let mut left = content_bytes.saturating_sub(fixed);
        let mut weights = self.shares.iter().map(|it| it.1).fold(0, u64::saturating_add);
        for (index, weight) in &self.shares {
            // The part of what is left that its weight is of the weights left: the last one takes all.
            let part = u128::from(left).saturating_mul(u128::from(*weight)).checked_div(u128::from(weights));
            let part = part.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
            if let Some(Entry { node: Node::File(file), .. }) = self.entries.get_mut(*index) {
                file.size = part;
            }
            left = left.saturating_sub(part);
            weights = weights.saturating_sub(*weight);
        }
    }
}
