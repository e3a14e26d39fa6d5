//! What is found in damaged bundles.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::bundle::fixture::{
    BLOCK, PAGE, begun, contents, edit, edit_map, edit_record, keep, leave, pages, rows, write,
};

fn whole() -> TempDir {
    let folder = tempdir().unwrap();
    write(folder.path(), &contents());
    folder
}

fn check(folder: &Path) -> Checked {
    Check::open(folder, false).unwrap().run(&mut |_| true).unwrap()
}

/// What is found, as image (or -) and sentence.
fn told(folder: &Path, quick: bool) -> Vec<String> {
    let checked = Check::open(folder, quick).unwrap().run(&mut |_| true).unwrap();
    let of = |image: &CheckedImage| {
        image.findings.iter().map(|it| format!("{}: {it}", image.name)).collect::<Vec<_>>()
    };
    let others = checked.others.iter().map(|it| format!("-: {it}"));
    checked.images.iter().flat_map(of).chain(others).collect()
}

/// The only thing that is found says this.
fn only(folder: &Path, says: &str) {
    let told = told(folder, false);
    assert!(told.len() == 1 && told[0].contains(says), "{says:?} is not what is told: {told:#?}");
    assert_eq!(check(folder).worst(), Some(Weight::Differs));
}

#[test]
fn a_whole_bundle_is_as_its_record_says() {
    let folder = whole();
    assert_eq!(told(folder.path(), false), [""; 0]);
    assert_eq!(told(folder.path(), true), [""; 0]);
    let mut seen = Vec::new();
    let check = Check::open(folder.path(), false).unwrap();
    let checked = check.run(&mut |done| (seen.push(done), true).1).unwrap();
    assert_eq!((checked.worst(), checked.busy), (None, false));
    assert_eq!(seen.last(), Some(&check.bytes()));
    assert_eq!(check.bytes(), 13 * BLOCK as u64);
    let system = checked.images[2].pages.unwrap();
    assert_eq!((system.clean, system.blank), (500, 140));
}

#[test]
fn a_flipped_byte_is_found_by_range_block_and_address() {
    let folder = whole();
    edit(&folder.path().join("system.img"), |bytes| bytes[9 * BLOCK + 700] ^= 0x40);
    // Block 3 is the first of system, 8 blocks to a range.
    let at = format!("it begins at byte {:#x}, block 11 of the chip, main-area address 0x160000", 8 * BLOCK);
    only(folder.path(), &format!("1 of 2 ranges of {} bytes ({at}) has not their checksum", 8 * BLOCK));
    edit(&folder.path().join("system.img"), |bytes| bytes[5] ^= 1);
    only(folder.path(), "2 of 2 ranges");
    assert_eq!(told(folder.path(), true), [""; 0], "a quick look reads no image");
}

#[test]
fn an_image_that_is_cut_short_missing_or_a_link_is_named() {
    let folder = whole();
    let boot = folder.path().join("boot.img");
    edit(&boot, |bytes| bytes.truncate(1000));
    only(folder.path(), "boot.img has 1000 bytes, the record says 270336");
    fs::remove_file(&boot).unwrap();
    only(folder.path(), "boot: boot.img is missing");
    fs::create_dir(&boot).unwrap();
    only(folder.path(), "boot.img is no regular file");
    fs::remove_dir(&boot).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/zero", &boot).unwrap();
        only(folder.path(), "boot.img is no regular file");
    }
}

#[test]
fn a_list_of_digests_that_is_stale_is_found_without_reading_an_image() {
    let folder = whole();
    let sums = folder.path().join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |lines: &[&str]| fs::write(&sums, lines.join("\n")).unwrap();
    for (changed, says) in [
        (vec![lines[0], lines[2]], "boot: SHA256SUMS: it has no line"),
        (vec![lines[0], lines[1], lines[2], lines[1]], "boot: SHA256SUMS: it has more than one line"),
        (
            vec![lines[0], &lines[2].replace("system", "boot"), lines[2]],
            "boot: SHA256SUMS: its line has another",
        ),
        (vec![&text, &lines[0].replace("preloader", "old")], "-: SHA256SUMS: a line about old.img"),
    ] {
        with(&changed);
        only(folder.path(), says);
        assert!(told(folder.path(), true)[0].contains(says));
    }
    with(&[&text, &format!("{}  notes.txt", "0".repeat(64)), "# a remark"]);
    assert_eq!(told(folder.path(), false), [""; 0], "other files are not the bundle's");
    fs::remove_file(&sums).unwrap();
    assert_eq!(told(folder.path(), true).len(), 3);
}

#[test]
fn a_record_that_was_edited_is_found() {
    let folder = whole();
    let original = fs::read(folder.path().join("bundle.json")).unwrap();
    type Edit = fn(&mut serde_json::Value);
    let edits: [(Edit, &str); 10] = [
        (|it| it["images"][1]["sha256"] = "ab".repeat(32).into(), "the bytes are not those that were read"),
        (|it| it["images"][1]["ranges"]["crc32"][0] = "00000000".into(), "the record was changed"),
        (|it| it["images"][1]["ranges"]["bytes"] = json!(1), "checksums are not those of ranges"),
        (|it| it["images"][1]["ranges"]["bytes"] = json!(0), "checksums are not those of ranges"),
        (|it| it["images"][1]["ranges"]["crc32"][0] = "+1234567".into(), "checksums are not those of ranges"),
        (
            |it| it["images"][1]["pages"]["clean"] = json!(u64::MAX),
            "128 clean instead of 18446744073709551615",
        ),
        (|it| it["images"][1]["start"] = "0xffffffffffffffff".into(), "none of the chip"),
        (|it| it["images"][1]["length"] = json!(u64::MAX), "none of the chip"),
        (|it| it["images"][1]["bytes"] = json!(5), "has 270336 bytes, not 5"),
        (|it| it["phone"]["geometry"] = json!([0, 0, 0, 0]), "a shape that none has"),
    ];
    for (change, says) in edits {
        edit_record(folder.path(), change);
        let told = told(folder.path(), false);
        assert!(told.iter().any(|it| it.contains(says)), "{says:?}: {told:#?}");
        assert_eq!(check(folder.path()).worst(), Some(Weight::Differs));
        fs::write(folder.path().join("bundle.json"), &original).unwrap();
    }
    edit_record(folder.path(), |it| {
        let again = it["images"][0].clone();
        it["images"].as_array_mut().unwrap().push(again);
    });
    assert!(
        told(folder.path(), true)
            .contains(&"-: the record contradicts itself: preloader.img is there twice".into())
    );
}

#[test]
fn a_hostile_record_is_refused() {
    let folder = whole();
    let original = fs::read(folder.path().join("bundle.json")).unwrap();
    type Edit = fn(&mut serde_json::Value);
    let edits: [(Edit, &str); 5] = [
        (|it| it["images"][0]["file"] = "../boot.img".into(), "no name of a file in the folder"),
        (|it| it["maps"][0] = "/etc/passwd".into(), "no name of a file in the folder"),
        (|it| it["images"][0]["file"] = "".into(), "no name of a file in the folder"),
        (|it| it["format"] = "bromide-bundle/2".into(), "this program knows bromide-bundle/1"),
        (|it| it["images"][0]["length"] = json!(-1), "invalid value"),
    ];
    for (change, says) in edits {
        edit_record(folder.path(), change);
        let refused = Check::open(folder.path(), false).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
        fs::write(folder.path().join("bundle.json"), &original).unwrap();
    }
    for text in ["", "{", "[]", "null"] {
        fs::write(folder.path().join("bundle.json"), text).unwrap();
        assert!(Check::open(folder.path(), false).is_err());
    }
    fs::remove_file(folder.path().join("bundle.json")).unwrap();
    assert!(matches!(Check::open(folder.path(), false), Err(BundleError::None(_))));
}

#[test]
fn a_mapfile_of_another_image_or_an_incomplete_one_is_found() {
    let folder = whole();
    let of = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (boot, system) = (of("boot.img.map"), of("system.img.map"));
    let bytes = 2 * BLOCK;
    let foreign = format!("# Mapfile. Created by GNU ddrescue version 1.27\n0x0 + 1\n0x0 {bytes} +\n");
    for (text, says) in [
        (system, "boot.img.map: it covers 1351680 bytes, the image has 270336"),
        (boot.replace("\"name\":\"boot\"", "\"name\":\"recovery\""), "of another read (different: name)"),
        (boot.replace("MT6575", "MT6577"), "of another read (different: phone)"),
        (format!("0x0 - 1\n0x0 {} +\n{0} {PAGE} -\n", bytes - PAGE), "bytes are missing in it"),
        (boot.replace("  +", "  x"), "boot.img.map: line"),
        (String::new(), "no status line"),
    ] {
        edit_map(folder.path(), "boot.img", |_| text);
        only(folder.path(), says);
        assert!(told(folder.path(), true)[0].contains(says));
    }
    edit_map(folder.path(), "boot.img", |_| foreign);
    assert_eq!(told(folder.path(), false), [""; 0], "a rescue program's own says nothing of the phone");
    fs::remove_file(folder.path().join("boot.img.map")).unwrap();
    only(folder.path(), "boot.img.map is missing");
}

#[test]
fn a_report_or_a_map_of_something_else_is_found() {
    let folder = whole();
    let report = folder.path().join("boot.img.report.json");
    let original = fs::read_to_string(&report).unwrap();
    for (text, says) in [
        (
            original.replace("\"clean\": 128", "\"clean\": 127"),
            "than the page report says: 128 clean instead of 127",
        ),
        (original.replace("\"flag\": 0", "\"flag\": 4"), "of another image (different: way of reading)"),
        (original.replace("boot.img", "system.img"), "of another image (different: file)"),
        ("{}".into(), "boot.img.report.json: missing field"),
    ] {
        fs::write(&report, text).unwrap();
        only(folder.path(), says);
    }
    fs::remove_file(&report).unwrap();
    only(folder.path(), "boot.img.report.json is missing");
    fs::write(&report, original).unwrap();
    let map = folder.path().join("map.json");
    let original = fs::read_to_string(&map).unwrap();
    fs::write(&map, original.replace("\"boot\"", "\"other\"")).unwrap();
    only(folder.path(), "map.json: it names no boot");
    fs::write(&map, original.replace("131072", "262144")).unwrap();
    only(folder.path(), "map.json: it has another place for");
    fs::write(&map, "nonsense").unwrap();
    only(folder.path(), "map.json: ");
}

#[test]
fn files_that_claim_to_belong_are_told() {
    let folder = whole();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert_eq!(told(folder.path(), true), [""; 0]);
    fs::write(folder.path().join("extra.img"), "x").unwrap();
    only(folder.path(), "-: extra.img is there, and the record knows nothing of it");
    fs::remove_file(folder.path().join("extra.img")).unwrap();
    fs::write(folder.path().join("boot.img.part"), "x").unwrap();
    only(folder.path(), "-: boot.img.part is there");
}

#[test]
fn an_incomplete_bundle_says_what_is_missing() {
    let folder = tempdir().unwrap();
    let (rows, contents) = (rows(folder.path()), contents());
    let mut bundle = begun(folder.path(), &rows);
    keep(&mut bundle, &rows[0], &contents[0]);
    leave(&mut bundle, &rows[1], &contents[1], 70..72);
    assert_eq!(
        told(folder.path(), false)[..2],
        [
            "boot: 4224 bytes could not be read from the phone".to_owned(),
            "system: 1351680 bytes were not read yet".to_owned()
        ]
    );
    assert!(check(folder.path()).busy, "its run goes on");
    keep(&mut bundle, &rows[2], &contents[2]);
    bundle.end("pages are missing").unwrap();
    drop(bundle);
    let checked = check(folder.path());
    let from = 70 * PAGE as u64;
    let missing = Finding::Unread { bytes: 4224, ranges: std::iter::once(from..from + 4224).collect() };
    assert_eq!(checked.images[1].findings, [missing]);
    assert_eq!((checked.worst(), checked.busy), (Some(Weight::Unread), false));
    edit(&folder.path().join("boot.img.part"), |bytes| bytes[100] ^= 1);
    let worst = check(folder.path()).worst();
    assert_eq!(worst, Some(Weight::Differs), "what was read of it has a digest too");
    edit(&folder.path().join("boot.img.part"), |bytes| bytes.truncate(10));
    assert!(told(folder.path(), true)[1].contains("boot.img.part has 10 bytes"));
    fs::remove_file(folder.path().join("boot.img.part")).unwrap();
    assert!(told(folder.path(), true)[1].contains("boot.img.part is missing"));
}

#[test]
fn a_run_that_was_cut_short_has_nothing_wrong_with_it() {
    let folder = whole();
    // Between the last image and the last word.
    edit_record(folder.path(), |it| it["state"] = "reading".into());
    assert_eq!(check(folder.path()).worst(), Some(Weight::Unread));
    // Between an image's name and the record.
    edit_record(folder.path(), |it| {
        it["images"][1].as_object_mut().unwrap().remove("sha256");
    });
    let sums = fs::read_to_string(folder.path().join("SHA256SUMS")).unwrap();
    let sums: Vec<&str> = sums.lines().filter(|line| !line.contains("boot")).collect();
    fs::write(folder.path().join("SHA256SUMS"), sums.join("\n")).unwrap();
    assert_eq!(told(folder.path(), false), ["boot: it is whole, but the record does not say so yet"]);
    edit_record(folder.path(), |it| it["state"] = "whole".into());
    assert_eq!(check(folder.path()).worst(), Some(Weight::Differs), "it calls itself whole");
}

#[test]
fn other_pages_than_recorded_are_found_by_their_parity() {
    let folder = tempdir().unwrap();
    let [preloader, mut boot, system] = contents();
    boot[10] ^= 1; // one page to correct
    boot[64 * PAGE..][..PAGE].copy_from_slice(&pages(1, 9)); // another, sound
    write(folder.path(), &[preloader, boot, system]);
    let checked = check(folder.path());
    let counts = checked.images[1].pages.unwrap();
    assert_eq!((counts.clean, counts.correctable), (127, 1));
    assert_eq!(checked.worst(), None);
}

#[test]
fn a_check_stops_when_told() {
    let folder = whole();
    let check = Check::open(folder.path(), false).unwrap();
    let stopped = check.run(&mut |done| done < 1 << 20);
    assert!(matches!(stopped, Err(CheckError::Stopped)));
}
