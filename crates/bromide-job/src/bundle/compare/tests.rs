//! How two dumps differ.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use bromide_image::read_at::ReadAt;
use bromide_image::yaffs2::{Attributes, Writer};
use bromide_nand::encode_page;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::bundle::fixture::{
    BLOCK, PAGE, begun, chip, contents, edit_record, keep, leave, pages as sound_pages, phone, rows, write,
};
use crate::bundle::load;

fn bundle(contents: &[Vec<u8>]) -> TempDir {
    let folder = tempdir().unwrap();
    write(folder.path(), contents);
    folder
}

fn side(folder: &Path, number: usize) -> Side {
    let record = load(folder).unwrap();
    Side::of_bundle(folder, &record, &record.images[number]).unwrap()
}

/// The pages of `system` before and after a change.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> PageDiff {
    let mut after = contents();
    change(&mut after[2]);
    let (a, b) = (bundle(&contents()), bundle(&after));
    let (a, b) = (side(a.path(), 2), side(b.path(), 2));
    assert!(a.is_comparable(&b));
    let mut seen = Vec::new();
    let found = pages(&a, &b, &mut |done| (seen.push(done), true).1).unwrap();
    assert_eq!((seen.last(), found.compared), (Some(&640), 640));
    found
}

fn run(first: u64, blocks: u64, pages: u64, bits: u64, same: bool) -> BlockRun {
    BlockRun { first, blocks, pages, bits, same_after_correction: same }
}

#[test]
fn equal_images_have_no_difference() {
    let found = changed(|_| {});
    assert_eq!(found, PageDiff { compared: 640, ..PageDiff::default() });
    assert!(found.is_same());
}

#[test]
fn wrong_bits_that_parity_corrects_are_no_other_content() {
    let found = changed(|system| {
        system[5] ^= 0x11; // data
        system[PAGE + 520] ^= 4; // parity
        system[9 * BLOCK + 3] ^= 1; // an erased page
    });
    // system begins with block 3.
    assert_eq!(found.runs, [run(3, 1, 2, 3, true), run(12, 1, 1, 1, true)]);
    assert_eq!((found.differing, found.same_after_correction, found.bits), (3, 3, 4));
    assert!(found.is_same());
}

#[test]
fn changed_blocks_are_told_as_runs_by_their_number_on_the_chip() {
    let other = sound_pages(1, 99);
    let found = changed(|system| {
        for block in [1, 2, 3, 6] {
            system[block * BLOCK..][..PAGE].copy_from_slice(&other);
        }
        system[2 * BLOCK + 5 * PAGE] ^= 1; // beside another content: no matter
        system[4 * BLOCK + 5 * PAGE] ^= 1; // alone in its block: a run of its own
    });
    assert_eq!((found.differing, found.same_after_correction, found.beyond_repair), (6, 2, 0));
    let shape: Vec<_> =
        found.runs.iter().map(|it| (it.first, it.blocks, it.pages, it.same_after_correction)).collect();
    assert_eq!(shape, [(4, 3, 4, false), (7, 1, 1, true), (9, 1, 1, false)]);
    assert!(!found.is_same());
}

#[test]
fn tags_in_the_spare_are_content_too() {
    let main: Vec<u8> = (0..2048).map(|at| (at * 13) as u8 ^ 3).collect();
    let mut page = [0; PAGE];
    encode_page(&main, &[1, 2, 3, 4], None, &chip(), &mut page).unwrap();
    let found = changed(|system| {
        assert_eq!(system[..512], page[..512], "the same main bytes");
        system[..PAGE].copy_from_slice(&page);
    });
    assert_eq!((found.differing, found.same_after_correction), (1, 0));
}

#[test]
fn a_page_beyond_repair_is_the_same_as_nothing() {
    let found = changed(|system| system[..40].fill(0x5A));
    assert_eq!((found.differing, found.same_after_correction, found.beyond_repair), (1, 0, 1));
}

#[test]
fn an_image_of_main_bytes_alone_is_compared_with_what_the_other_corrects() {
    let folder = tempdir().unwrap();
    let mut stored = sound_pages(128, 7);
    let main = |stored: &[u8]| -> Vec<u8> {
        stored.chunks(528).flat_map(|sector| &sector[..512]).copied().collect()
    };
    let plain = main(&stored);
    stored[10 * PAGE + 3] ^= 8; // correctable
    stored[70 * PAGE..][..PAGE].copy_from_slice(&sound_pages(1, 8));
    let (a, b) = (folder.path().join("stored.img"), folder.path().join("plain.img"));
    fs::write(&a, &stored).unwrap();
    fs::write(&b, &plain).unwrap();
    let of = |path: &Path, form: Form| {
        let shape = Shape::new(fs::metadata(path).unwrap().len(), form, chip()).unwrap();
        Side::of_file(path, &shape, u64::MAX).unwrap()
    };
    let (a, b) = (of(&a, Form::Interleaved), of(&b, Form::MainOnly));
    for (a, b) in [(&a, &b), (&b, &a)] {
        let found = pages(a, b, &mut |_| true).unwrap();
        assert_eq!((found.compared, found.differing, found.same_after_correction), (128, 2, 1));
        assert_eq!(found.runs[0], run(0, 1, 1, 1, true));
        assert_eq!((found.runs[1].first, found.runs[1].same_after_correction), (1, false));
    }
}

#[test]
fn pages_that_were_never_read_are_counted_and_not_compared() {
    let (whole, contents) = (bundle(&contents()), contents());
    let half = tempdir().unwrap();
    let rows = rows(half.path());
    let mut going = begun(half.path(), &rows);
    keep(&mut going, &rows[0], &contents[0]);
    let mut boot = contents[1].clone();
    boot[3 * PAGE] ^= 1;
    leave(&mut going, &rows[1], &boot, 60..70);
    going.end("pages are missing").unwrap();
    let (a, b) = (side(whole.path(), 1), side(half.path(), 1));
    for (a, b) in [(&a, &b), (&b, &a)] {
        let found = pages(a, b, &mut |_| true).unwrap();
        assert_eq!((found.compared, found.not_compared, found.differing), (118, 10, 1));
        assert!(found.is_same());
    }
    let record = load(half.path()).unwrap();
    let nothing = Side::of_bundle(half.path(), &record, &record.images[2]).unwrap_err();
    assert_eq!(nothing, "nothing of it was read yet");
}

#[test]
fn a_comparison_stops_when_told_and_names_a_file_that_is_gone() {
    let folder = bundle(&contents());
    let (a, b) = (side(folder.path(), 2), side(folder.path(), 2));
    assert!(matches!(pages(&a, &b, &mut |_| false), Err(CompareError::Stopped)));
    fs::write(folder.path().join("system.img"), "short").unwrap();
    let failed = pages(&a, &b, &mut |_| true).unwrap_err().to_string();
    assert!(failed.contains("system.img"), "{failed}");
    fs::remove_file(folder.path().join("system.img")).unwrap();
    assert!(matches!(pages(&a, &b, &mut |_| true), Err(CompareError::Open { .. })));
}

#[test]
fn partitions_pair_by_name_and_phones_differ_in_words() {
    let (a, b) = (bundle(&contents()), bundle(&contents()));
    edit_record(b.path(), |it| {
        it["images"][1]["name"] = "recovery".into();
        it["images"][2]["flag"] = 4.into();
    });
    let (a, b) = (load(a.path()).unwrap(), load(b.path()).unwrap());
    let told = pairs(&a, &b);
    assert!(matches!(told[..], [Pair::Both(..), Pair::First(_), Pair::Both(..), Pair::Second(_)]));
    let differs = read_differently(&a.images[2], &b.images[2]);
    assert_eq!(differs, [("pages", "as stored".to_owned(), "spare last".to_owned())]);
    let other = PhoneId { chip: "MT6577".into(), unit: String::new(), ..phone() };
    let told: Vec<&str> = phones(&phone(), &other).iter().map(|it| it.0).collect();
    assert_eq!(told, ["chip", "unit"]);
}

/// A YAFFS2 partition with these files (path is one name), as a phone stores it.
fn yaffs(files: &[(&str, u16, u32, &[u8])], target: &str) -> Rc<dyn ReadAt> {
    let mut pages = Vec::new();
    let attributes = |mode: u16, modified: u32| Attributes {
        mode,
        uid: 0,
        gid: 0,
        accessed: modified + 1,
        modified,
        changed: 3,
    };
    let sink = |chunk: &[u8; 2048], software: &[u8; 25]| {
        let mut page = [0; PAGE];
        encode_page(chunk, software, None, &chip(), &mut page).unwrap();
        pages.extend(page);
        Ok::<_, Infallible>(())
    };
    let (mut writer, root) = Writer::new(sink, &attributes(0o755, 1)).unwrap();
    let folder = writer.directory(root, b"etc", &attributes(0o755, 1)).unwrap();
    for (name, mode, modified, content) in files {
        writer.file(folder, name.as_bytes(), &attributes(*mode, *modified), *content).unwrap();
    }
    writer.symlink(root, b"link", &attributes(0o777, 1), target.as_bytes()).unwrap();
    pages.resize(pages.len().next_multiple_of(BLOCK), 0xFF);
    Rc::new(pages)
}

#[test]
fn files_that_came_went_or_changed_are_told_by_path() {
    let long = vec![7; 5000];
    let mut longer = long.clone();
    longer[4100] = 8;
    let a = yaffs(
        &[
            ("content", 0o644, 5, &long),
            ("gone", 0o644, 5, b"x"),
            ("mode", 0o644, 5, b"x"),
            ("same", 0o644, 5, &long),
            ("size", 0o644, 5, b"four"),
            ("time", 0o644, 5, b"x"),
        ],
        "etc/same",
    );
    let b = yaffs(
        &[
            ("content", 0o644, 5, &longer),
            ("mode", 0o600, 5, b"x"),
            ("new", 0o644, 5, b"x"),
            ("same", 0o644, 5, &long),
            ("size", 0o644, 6, b"five5"),
            ("time", 0o644, 6, b"x"),
        ],
        "etc/new",
    );
    let found = trees(Rc::clone(&a), Rc::clone(&b), &mut || true).unwrap().unwrap();
    assert_eq!((found.objects, found.troubles.len()), ([8, 8], 0));
    let told: Vec<(String, String, bool)> = found
        .changes
        .iter()
        .map(|it| {
            let what = match &it.change {
                Change::Added(_) => "added".to_owned(),
                Change::Removed(_) => "removed".to_owned(),
                Change::Changed { what, .. } => what.iter().map(What::code).collect::<Vec<_>>().join(" "),
            };
            (String::from_utf8(it.path.clone()).unwrap(), what, it.is_metadata_only())
        })
        .collect();
    let expected = [
        ("etc/content", "content", false),
        ("etc/gone", "removed", false),
        ("etc/mode", "mode", true),
        ("etc/new", "added", false),
        ("etc/size", "size modified", false),
        ("etc/time", "modified", true),
        ("link", "target", true),
    ];
    assert_eq!(told, expected.map(|(path, what, only)| (path.to_owned(), what.to_owned(), only)));
    let Change::Changed { what, .. } = &found.changes[0].change else { panic!() };
    assert_eq!(what[..], [What::Content(4100)]);
    assert!(trees(Rc::clone(&a), Rc::clone(&a), &mut || true).unwrap().unwrap().changes.is_empty());
    assert!(matches!(trees(Rc::clone(&a), b, &mut || false), Err(CompareError::Stopped)));
    let noise: Rc<dyn ReadAt> = Rc::new(vec![0x5A_u8; 4096]);
    assert!(trees(Rc::clone(&noise), Rc::clone(&noise), &mut || true).unwrap().is_none());
    let half = trees(a, noise, &mut || true).unwrap().unwrap();
    assert_eq!(half.titles[1], "no file system");
}
