//! Boot images and ramdisks: listed, taken apart into a directory, and found in the dump of a whole chip.

use super::bench::{Bench, assert_same};

/// An archive of the form newc: a file in a directory, and a link.
fn archive() -> Vec<u8> {
    let objects: [(&str, u32, &[u8]); 5] = [
        ("init", 0o100_750, b"#!/bin/sh\n"),
        ("sbin", 0o040_755, b""),
        ("sbin/adbd", 0o100_755, &[7; 3000]),
        ("etc", 0o120_777, b"/system/etc"),
        ("TRAILER!!!", 0, b""),
    ];
    let mut out = Vec::new();
    for (inode, (path, mode, bytes)) in (1_u32..).zip(objects) {
        let (size, name) = (bytes.len() as u32, path.len() as u32 + 1);
        let fields = [inode, mode, 0, 0, 1, 1_325_376_000, size, 8, 1, 0, 0, name, 0];
        out.extend(b"070701");
        fields.iter().for_each(|field| out.extend(format!("{field:08x}").bytes()));
        for part in [format!("{path}\0").as_bytes(), bytes] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
    out
}

/// A gzip member of one stored block (RFC 1951 and 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes);
    let mut out = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    out.extend([len.to_le_bytes(), (!len).to_le_bytes()].concat());
    out.extend(bytes);
    out.extend([crc.to_le_bytes(), u32::from(len).to_le_bytes()].concat());
    out
}

/// Behind MediaTek's header (formats.md section 6.4).
fn mtk(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xFF; 0x200];
    out[..8].copy_from_slice(&[[0x88, 0x16, 0x88, 0x58], (payload.len() as u32).to_le_bytes()].concat());
    out[8..40].fill(0);
    out[8..8 + name.len()].copy_from_slice(name.as_bytes());
    out.extend(payload);
    out
}

/// A boot image of version 0 with pages of 2048 bytes (formats.md section 6.6).
fn boot(kernel: &[u8], ramdisk: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 2048];
    out[..8].copy_from_slice(b"ANDROID!");
    for (at, word) in [(8, kernel.len()), (0x10, ramdisk.len()), (0x24, 2048)] {
        out[at..at + 4].copy_from_slice(&(word as u32).to_le_bytes());
    }
    out[0x40..0x4B].copy_from_slice(b"console=tty");
    for part in [kernel, ramdisk] {
        out.extend(part);
        out.resize(out.len().next_multiple_of(2048), 0);
    }
    out
}

const KERNEL: [u8; 5000] = [0xC0; 5000];

fn image() -> Vec<u8> {
    boot(&mtk("KERNEL", &KERNEL), &mtk("ROOTFS", &gzip(&archive())))
}

#[test]
fn a_boot_image_is_listed_and_taken_apart() {
    let bench = Bench::new();
    bench.write("boot.img", image());
    let names = bench.run("image ls boot.img").good().out;
    assert_eq!(names, "bootimg.cfg\ncmdline\nkernel\nramdisk\nramdisk.img\n");
    bench.run("image extract boot.img -o apart").good();
    assert_same(&bench.read("apart/kernel"), &KERNEL);
    assert_same(&bench.read("apart/ramdisk.img"), &gzip(&archive()));
    assert_same(&bench.read("apart/ramdisk/sbin/adbd"), &[7; 3000]);
    assert_eq!(bench.text("apart/cmdline"), "console=tty\n");
    assert!(bench.text("apart/bootimg.cfg").contains("ramdisk_mtk_name = ROOTFS\n"));
    let link = std::fs::read_link(bench.path("apart/ramdisk/etc")).unwrap();
    assert_eq!(link.to_str(), Some("/system/etc"));
}

#[test]
fn a_ramdisk_alone_is_listed_packed_and_behind_the_header_of_mediatek() {
    let bench = Bench::new();
    bench.write("ramdisk.cpio", archive());
    bench.write("ramdisk.cpio.gz", gzip(&archive()));
    bench.write("rootfs.bin", mtk("ROOTFS", &gzip(&archive())));
    for name in ["ramdisk.cpio", "ramdisk.cpio.gz", "rootfs.bin"] {
        assert_eq!(bench.run(&format!("image ls {name}")).good().out, "etc\ninit\nsbin\n", "{name}");
        let ran = bench.run(&format!("image cat {name} init")).good();
        assert_eq!(ran.out, "#!/bin/sh\n", "{name}");
    }
    let mut damaged = gzip(&archive());
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    bench.write("damaged.gz", damaged);
    bench.run("image ls damaged.gz").fails(1, &["damaged.gz", "gzip stream is damaged", "image/unreadable"]);
    bench.write("text.gz", gzip(b"no archive"));
    bench.run("image ls text.gz").fails(1, &["text.gz", "no file system", "image/unknown"]);
}

#[test]
fn the_boot_partition_of_a_whole_dump_is_a_directory() {
    let bench = Bench::new();
    let mut dump = vec![0x5A; 0x20000];
    dump.extend(image());
    dump.resize(0x60000, 0);
    bench.write("dump.bin", dump);
    bench.write(
        "mtd.txt",
        "dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"lk\"\nmtd1: 00040000 00020000 \"boot\"\n",
    );
    assert_eq!(bench.run("image ls dump.bin --map mtd.txt").good().out, "boot\nlk\n");
    let names = bench.run("image ls dump.bin:boot/ramdisk --map mtd.txt").good().out;
    assert_eq!(names, "etc\ninit\nsbin\n");
    bench.run("image extract dump.bin:boot -o apart --map mtd.txt").good();
    let found: Vec<String> = bench.files();
    assert!(found.iter().any(|it| it == "apart"), "{found:?}");
}
