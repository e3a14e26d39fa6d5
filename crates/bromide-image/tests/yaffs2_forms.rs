//! What phones and image makers write beyond the plain: each form put together by hand and read back.

use bromide_image::yaffs2::read::{Kind, LOST_FOUND, Options, Problem, ROOT, Tree, Verify, Xattr};
use bromide_nand::{Geometry, Layout};

#[path = "support/yaffs_page.rs"]
mod yaffs_page;
use yaffs_page::{DIRECTORY, FILE, Header, Image, SPECIAL, SYMLINK, word};

const BLOCK: u32 = 8;

fn interleaved() -> Options {
    Options::read_back(Geometry::new(2048, 64, BLOCK, 4096).unwrap(), Layout::Interleaved)
}

fn large_pages() -> Options {
    Options::read_back(Geometry::new(4096, 128, BLOCK, 4096).unwrap(), Layout::DataThenSpare)
}

fn tree(image: &Image) -> Tree<&[u8]> {
    Tree::scan(image.bytes.as_slice(), image.options).unwrap()
}

fn bytes(tree: &Tree<&[u8]>, path: &[u8]) -> Vec<u8> {
    let node = tree.lookup(path).unwrap();
    let mut bytes = vec![0xA5; node.size as usize];
    assert_eq!(tree.read_file(node.id, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}

/// A record of the attributes behind a header (nand-yaffs2.md section 5): length, name, zero, value.
fn record(options: &Options, name: &[u8], value: &[u8]) -> Vec<u8> {
    let len = word(options, (4 + name.len() + 1 + value.len()) as u32);
    [len.as_slice(), name, b"\0", value].concat()
}

#[test]
fn extended_attributes_come_in_the_order_stored_and_end_where_one_does_not_fit() {
    let options = interleaved();
    let one = record(&options, b"security.selinux", b"u:object_r:system_file:s0\0");
    let two = record(&options, b"user.empty", b"");
    let tail = |bytes: &[u8]| {
        let mut image = Image::new(options);
        let mut chunk = Header::file(ROOT, b"file", 0).chunk(&options);
        chunk[512..512 + bytes.len()].copy_from_slice(bytes);
        image.page([0x1000, 300, 0, 0xFFFF], &chunk);
        tree(&image).xattrs(300).unwrap()
    };
    let both = [
        Xattr { name: b"security.selinux".to_vec(), value: b"u:object_r:system_file:s0\0".to_vec() },
        Xattr { name: b"user.empty".to_vec(), value: Vec::new() },
    ];
    assert_eq!(tail(&[]), []);
    assert_eq!(tail(&[one.as_slice(), &two].concat()), both);
    for end in [0_u32, 1, 3, 4, 1481, 1 << 31, u32::MAX] {
        let end = word(&options, end);
        assert_eq!(tail(&[one.as_slice(), &two, &end].concat()), both);
    }
    let whole = [Xattr { name: b"n".to_vec(), value: vec![b'v'; 1536 - 6] }];
    assert_eq!(tail(&record(&options, b"n", &whole[0].value)), whole, "one that fills the chunk");
    assert_eq!(tail(&[9, 0, 0, 0, b'n', b'o', b' ', b'0', b'!']), [], "a name without end");
}

#[test]
fn a_file_beyond_four_gibibytes_is_a_hole_with_its_last_chunk_at_the_end() {
    let options = large_pages();
    let size = (5_u64 << 30) + 3;
    let last = (5_u64 << 30) / 4096 + 1;
    for kernel in [false, true] {
        let mut image = Image::new(options);
        image.data(0x1000, 300, 1, 4096, 1).data(0x1000, 300, last as u32, 3, 2);
        let header = Header::file(ROOT, b"large", size);
        if kernel {
            image.kernel(0x1000, 300, &header)
        } else {
            image.header(0x1000, 300, &header)
        };
        let tree = tree(&image);
        let node = tree.lookup(b"large").unwrap();
        assert_eq!((node.size, tree.stored_bytes(node)), (size, 4099));
        let mut end = [0xEE; 9];
        assert_eq!(tree.read_file(300, size - 5, &mut end).unwrap(), 5);
        assert_eq!(end, [0, 0, 2, 2, 2, 0xEE, 0xEE, 0xEE, 0xEE]);
        assert_eq!(tree.read_file(300, 4094, &mut end).unwrap(), 9);
        assert_eq!(end, [1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(tree.problems().named(), []);
    }
}

#[test]
fn a_kernels_header_of_two_gibibytes_has_plain_tags_and_still_cuts() {
    let options = interleaved();
    let mut image = Image::new(options);
    let half = (1 << 31) / 2048;
    image.data(0x1000, 300, 1, 2048, 1).data(0x1000, 300, half + 9, 2048, 1);
    image.kernel(0x1000, 300, &Header::file(ROOT, b"large", (1 << 31) + 9 * 2048));
    image.kernel(0x1000, 300, &Header { shrink: true, ..Header::file(ROOT, b"large", 1 << 31) });
    image.kernel(0x1000, 300, &Header::file(ROOT, b"large", (1 << 31) + 9 * 2048));
    let tree = tree(&image);
    let node = tree.lookup(b"large").unwrap();
    assert_eq!((node.size, tree.stored_bytes(node)), ((1 << 31) + 9 * 2048, 2048), "cut, then a hole");
    assert_eq!(tree.problems().named(), []);
}

#[test]
fn enlarged_headers_of_one_vendor_keep_targets_devices_and_replacements() {
    let options = interleaved();
    let target = [b"dir/".as_slice(), &[b't'; 1190]].concat();
    let mut image = Image::new(options);
    let link = Header { target: &target, ..Header::new(SYMLINK, ROOT, b"long") };
    image.kernel(0x1000, 300, &link);
    // Everything behind the target lies 1044 bytes on.
    let mut device = Header::new(SPECIAL, ROOT, b"device").chunk(&options);
    device[268..272].copy_from_slice(&word(&options, 0o020_600));
    device[300..1500].fill(0xFF);
    device[1504..1508].copy_from_slice(&word(&options, 0x0A3D));
    image.page(Header::new(SPECIAL, ROOT, b"device").kernel_words(0x1000, 301), &device);
    image.kernel(0x1000, 302, &Header::file(ROOT, b"name", 0));
    let newer = Header { shadows: 302, ..Header::file(ROOT, b"name", 0) };
    let mut chunk = newer.chunk(&options);
    chunk[460..512].fill(0xFF);
    chunk[1548..1552].copy_from_slice(&word(&options, 302));
    image.page(newer.kernel_words(0x1000, 303), &chunk);
    let tree = tree(&image);
    assert!(tree.lookup(b"long").unwrap().target == target);
    assert_eq!(tree.xattrs(300).unwrap(), []);
    assert_eq!(tree.lookup(b"device").unwrap().device_numbers(), (10, 61));
    assert_eq!(tree.lookup(b"name").unwrap().id, 303);
    assert_eq!(tree.node(302), None, "replaced");
    assert_eq!(tree.problems().named(), []);
}

#[test]
fn checkpoints_and_summaries_are_passed_over_whatever_ids_they_carry() {
    let mut image = Image::new(interleaved());
    image.kernel(0x1001, 300, &Header::file(ROOT, b"file", 2048));
    image.data(0x1001, 300, 1, 2048, 7).blank(BLOCK as usize - 3);
    // Object 0x10, as newer kernels end a block.
    image.page([0x1001, 0x10, 1, 512], &[0x55; 2048]).end_block();
    // The ids in a checkpoint are hints and collide with objects; later pages may even look like chunks.
    image.page([0x21, 300, 1, 2048], &[9; 2048]);
    image.page([0x21, 300, 0, 0xFFFF], &Header::file(ROOT, b"cache", 5).chunk(&interleaved()));
    image.data(0x2000, 300, 1, 2048, 8).end_block();
    let tree = tree(&image);
    assert_eq!(bytes(&tree, b"file"), [7; 2048]);
    assert_eq!(tree.nodes().len(), 2);
    assert_eq!((tree.counts().checkpoint, tree.counts().summary), (BLOCK, 1));
    assert_eq!(tree.problems().named(), []);
}

#[test]
fn a_block_marked_bad_is_passed_over_and_a_few_flipped_bits_are_no_mark() {
    for options in [interleaved(), Options::read_back(interleaved().geometry, Layout::DataThenSpare)] {
        for verify in [Verify::Pages, Verify::Tags] {
            let mut image = Image::new(Options { verify, ..options });
            image
                .header(0x1000, 300, &Header::file(ROOT, b"old", 2))
                .data(0x1000, 300, 1, 2, b'o')
                .end_block();
            let bad = image.bytes.len();
            image
                .header(0x1001, 300, &Header::file(ROOT, b"new", 2))
                .data(0x1001, 300, 1, 2, b'n')
                .end_block();
            let mark = bad + if options.layout == Layout::Interleaved { 512 } else { 2048 };
            assert_eq!(bytes(&tree(&image), b"new"), b"nn");
            for flipped in [0xFE, 0x7F, 0xBD, 0x6D] {
                image.bytes[mark] = flipped;
                let tree = tree(&image);
                assert_eq!((bytes(&tree, b"new"), tree.problems().named()), (b"nn".to_vec(), [].as_slice()));
            }
            for marked in [0, 0x01, 0x81, 0xF0] {
                image.bytes[mark] = marked;
                let tree = tree(&image);
                assert_eq!(bytes(&tree, b"old"), b"oo");
                assert_eq!(
                    (tree.problems().named(), tree.counts().bad),
                    ([Problem::BadBlock(1)].as_slice(), BLOCK)
                );
            }
        }
    }
}

#[test]
fn reclaimed_blocks_count_by_their_sequence_number_and_not_by_their_place() {
    let mut image = Image::new(interleaved());
    image.kernel(0x1005, 300, &Header::file(ROOT, b"newest", 4)).data(0x1005, 300, 1, 4, b'3').end_block();
    image.kernel(0x1002, 300, &Header::file(ROOT, b"oldest", 9)).data(0x1002, 300, 1, 9, b'1');
    image.kernel(0x1002, 301, &Header::file(ROOT, b"other", 1)).data(0x1002, 301, 1, 1, b'x').end_block();
    image.kernel(0x1003, 300, &Header::file(ROOT, b"middle", 6)).data(0x1003, 300, 1, 6, b'2').end_block();
    image.kernel(0x1004, 301, &Header::new(FILE, 4, b"deleted")).end_block();
    let tree = tree(&image);
    assert_eq!(bytes(&tree, b"newest"), b"3333");
    assert_eq!(tree.nodes().len(), 2);
    assert_eq!(tree.deleted().collect::<Vec<_>>(), [301]);
    let names: Vec<_> = tree.history(300).unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, [b"newest".as_slice(), b"middle", b"oldest"]);
}

#[test]
fn pages_of_another_sequence_number_than_their_block_do_not_count() {
    let mut image = Image::new(interleaved());
    image.kernel(0x1001, 300, &Header::file(ROOT, b"file", 1)).data(0x1001, 300, 1, 1, b'a');
    image.data(0x1009, 300, 1, 1, b'b').end_block();
    let tree = tree(&image);
    assert_eq!(bytes(&tree, b"file"), b"a");
    assert_eq!(tree.problems().named(), [Problem::Sequence { page: 2, sequence: 0x1009 }]);
}

#[test]
fn the_root_and_lost_and_found_are_what_they_are_whatever_their_headers_say() {
    let mut image = Image::new(interleaved());
    image.header(0x1000, ROOT, &Header::file(77, b"a name", 5)).data(0x1000, ROOT, 1, 5, b'r');
    image.header(0x1000, LOST_FOUND, &Header::new(SYMLINK, 300, b"lost+found"));
    image.header(0x1000, 300, &Header::new(DIRECTORY, LOST_FOUND, b"kept"));
    let tree = tree(&image);
    let root = tree.root().unwrap();
    assert_eq!((root.kind, root.parent, root.name.as_slice()), (Kind::Directory, ROOT, b"".as_slice()));
    assert_eq!(tree.lookup(b"lost+found/kept").unwrap().id, 300);
}
