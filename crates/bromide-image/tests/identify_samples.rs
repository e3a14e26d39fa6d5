//! Real files, where the sample data are at hand; skipped, and said so, where not. The expected values are those of
//! formats.md section 6 and of the notes beside the samples.

use std::path::PathBuf;
use std::process::Command;

use bromide_image::identify::{Confidence, Form, Identity, Kind, identify};

fn data(folder: &str) -> Option<PathBuf> {
    let data = std::env::var_os("BROMIDE_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = data.join(folder);
    if !folder.is_dir() {
        println!("skipped: no sample data (BROMIDE_DATA)");
        return None;
    }
    Some(folder)
}

/// Kind and details of every finding as one line.
fn lines(identity: &Identity) -> Vec<String> {
    let line = |it: &bromide_image::identify::Finding| {
        let details: Vec<String> = it.details.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let length = it.length.map_or(String::new(), |it| format!("+{it:#x}"));
        format!("{:#x}{length} {} {}", it.offset, it.kind.code(), details.join(" "))
    };
    identity.findings.iter().map(line).collect()
}

fn of(bytes: &[u8]) -> Identity {
    identify(&bytes).unwrap()
}

#[test]
fn the_heads_of_real_images_say_what_they_are() {
    let Some(boot) = data("boot") else { return };
    let expected: &[(&str, &[&[&str]])] = &[
        (
            "preloader_emmc_boot_head3072.bin",
            &[
                &["0x0+0x38800 preloader", "device=emmc", "version=1", "brlyt=0x200", "boot_type=0x10005"],
                &[
                    "0x800+0x37f94 gfh",
                    "file_type=1",
                    "device=emmc",
                    "signature_type=3",
                    "load=0x200d00",
                    "content=0x300",
                    "signature_bytes=292",
                    "FILE_INFO BL_INFO",
                ],
            ],
        ),
        (
            "preloader_mt6789_gfh_head256.bin",
            &[&[
                "0x0+0x56d7c gfh",
                "signature_type=5",
                "device_type=14",
                "load=0x200f10",
                "blocks=FILE_INFO BL_INFO BROM_CFG ANTI_CLONE BROM_SEC_CFG",
            ]],
        ),
        (
            "dsp_bl_mt6575_gfh_head292.bin",
            &[&[
                "0x0+0x6024 gfh",
                "file=DSP_BL",
                "device=nand",
                "load=0xc2030000",
                "blocks=FILE_INFO BL_INFO 0x104",
            ]],
        ),
        (
            "mtk_bloader_info_v20.bin",
            &[&["0x0 bloader-info", "version=20", "preloader=preloader_1501_m02.bin", "dram_entries=5"]],
        ),
        ("lk_mt6572_head512.bin", &[&["0x0+0x41120 mtk-image", "name=LK", "payload_bytes=266016"]]),
        ("lk_mt6789_head512.bin", &[&["0x0+0xa5e20 mtk-image", "name=lk", "extended=1"]]),
        (
            "logo_mt6572_head676.bin",
            &[&["0x0+0x35cf6 logo", "pictures=39"], &["0x0+0x35cf6 mtk-image", "name=LOGO"]],
        ),
        ("mt6575_emmc_fly_iq256_MBR.bin", &[&["0x0+0x200 mbr", "entries=4", "05@0x20+0xcef00"]]),
        ("mt6575_emmc_fly_iq256_EBR1.bin", &[&["0x0+0x200 mbr", "entries=2"]]),
        ("mt6575_emmc_fly_iq256_EBR2.bin", &[&["0x0+0x200 mbr", "entries=1"]]),
        ("mt6577_emmc_fly_iq441_MBR.bin", &[&["0x0+0x200 mbr", "entries=4", "83@0x10740+0x108800"]]),
        ("mt6577_emmc_fly_iq441_EBR1.bin", &[&["0x0+0x200 mbr", "entries=2", "83@0x169f20+0x208000"]]),
    ];
    for (name, findings) in expected {
        let found = of(&std::fs::read(boot.join(name)).unwrap());
        let lines = lines(&found);
        assert_eq!(lines.len(), findings.len(), "{name}: {lines:#?}");
        for (line, wanted) in lines.iter().zip(*findings) {
            for part in *wanted {
                assert!(line.contains(part), "{name}: no {part} in {line}");
            }
        }
        assert_eq!(found.findings[0].confidence, Confidence::Certain, "{name}");
    }
}

#[test]
fn real_download_agents_say_their_label_and_entries() {
    let Some(da) = data("da") else { return };
    for (name, label, entries) in [
        ("da_pl_2015.bin", "MTK_AllInOne_DA_v3.3001.2015-01-19.10:05", "entries=17"),
        ("da_mt6739_2017.bin", "MTK_AllInOne_DA_v3.3001.2017/12/14.17:12_396299", "entries=2"),
    ] {
        let bytes = std::fs::read(da.join(name)).unwrap();
        let found = of(&bytes);
        let lines = lines(&found);
        assert_eq!((lines.len(), found.findings[0].kind), (1, Kind::DaContainer), "{lines:?}");
        assert!(lines[0].contains(label) && lines[0].contains(entries), "{lines:?}");
        assert_eq!(found.findings[0].length, Some(bytes.len() as u64), "the last region ends the file");
    }
}

#[test]
fn real_maps_and_listings_are_text() {
    for folder in ["scatter", "proc"] {
        let Some(folder) = data(folder) else { return };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = of(&std::fs::read(&path).unwrap());
            let kind = found.findings[0].kind;
            assert!(matches!(kind, Kind::PartitionMap | Kind::Text), "{}: {found:?}", path.display());
            if path.ends_with("MT6575_nand_fly_iq256.txt") || path.ends_with("seed_mt6575_proc_mtd.txt") {
                assert_eq!(kind, Kind::PartitionMap, "{found:?}");
            }
        }
    }
}

/// The bytes of a hex listing.
fn listing(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let groups = line.split_once(": ").unwrap().1.split("  ").next().unwrap().replace(' ', "");
        bytes.extend(
            (0..groups.len()).step_by(2).map(|at| u8::from_str_radix(&groups[at..at + 2], 16).unwrap()),
        );
    }
    bytes
}

#[test]
fn the_head_of_a_real_read_back_is_yaffs2_on_nand_pages() {
    let Some(nand) = data("nand") else { return };
    let read = |name: &str| listing(&std::fs::read_to_string(nand.join(name)).unwrap());
    let head = of(&read("head-pages0-6.hex"));
    assert_eq!((head.form, head.data_bytes), (Form::Interleaved, 6 * 2048 + 512));
    let found = lines(&head);
    assert!(
        found[0].starts_with("0x0 yaffs2 sequence=0x1000 object=1 first_header=directory name=/"),
        "{found:?}"
    );
    assert!(
        found[1].contains("nand-pages") && found[1].contains("sampled_sectors_good=25 sampled_bad=0"),
        "{found:?}"
    );
    let page = lines(&of(&read("page50061-header.hex")));
    assert!(
        page[0].contains("yaffs2") && page[0].contains("object=552 first_header=file name=tcpdump"),
        "{page:?}"
    );
    // One sector: no tags, but its ECC holds and the data are seen without the spare.
    let sector = of(&read("page50062-sector0.hex"));
    assert_eq!((sector.form, sector.findings[0].kind), (Form::Interleaved, Kind::Elf));
}

#[test]
fn used_yaffs2_partitions_are_found_though_one_begins_with_erased_blocks() {
    let Some(folder) = data("yaffs2") else { return };
    for (name, start) in [("used-a.bin.xz", None), ("used-b.bin.xz", Some("0x40000"))] {
        let Ok(out) = Command::new("xz").arg("-dc").arg(folder.join(name)).output() else {
            println!("skipped: no xz program");
            return;
        };
        assert!(out.status.success());
        let found = of(&out.stdout);
        assert_eq!(found.form, Form::Interleaved, "{name}");
        let kinds: Vec<Kind> =
            found.findings.iter().map(|it| it.kind).filter(|it| *it != Kind::Erased).collect();
        assert_eq!(kinds, [Kind::Yaffs2, Kind::NandPages], "{name}: {:#?}", lines(&found));
        let yaffs = &found.findings[0];
        assert_eq!((yaffs.offset, yaffs.confidence), (0, Confidence::Certain), "{name}");
        assert_eq!(yaffs.detail("first_page").map(ToString::to_string).as_deref(), start, "{name}");
    }
}
