//! A bundle's record from run to run.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::fixture::{begun, contents, edit, edit_record, keep, leave, phone, rows, write};
use super::*;
use crate::dump::{Dump, Standing, map_path};

fn clock() -> String {
    "2026-01-02T03:04:05Z".into()
}

fn opened(folder: &Path, anew: bool) -> Result<Bundle, BundleError> {
    Bundle::open(folder, anew, &["bromide".into(), "read".into()], clock)
}

fn beginning() -> Beginning {
    Beginning { agent: Agent::default(), map: None }
}

fn state(folder: &Path) -> Whole {
    load(folder).unwrap().state
}

#[test]
fn a_bundle_is_being_read_until_it_is_whole() {
    let folder = tempdir().unwrap();
    let rows = rows(folder.path());
    let mut bundle = begun(folder.path(), &rows);
    for (row, bytes) in rows.iter().zip(contents()) {
        assert_eq!(state(folder.path()), Whole::Reading);
        assert!(!bundle.has(row));
        keep(&mut bundle, row, &bytes);
        assert!(bundle.has(row));
    }
    assert_eq!(state(folder.path()), Whole::Reading, "until somebody says that the run is over");
    bundle.end("done").unwrap();
    let record = load(folder.path()).unwrap();
    assert_eq!(record.state, Whole::Whole);
    assert_eq!(record.runs.len(), 1);
    assert_eq!(record.runs[0].outcome.as_deref(), Some("done"));
    assert_eq!(record.maps, ["map.json", "scatter.txt"]);
}

#[test]
fn a_run_that_was_cut_short_is_gone_on_with_and_both_are_told() {
    let folder = tempdir().unwrap();
    let rows = rows(folder.path());
    let all = contents();
    let mut bundle = begun(folder.path(), &rows);
    keep(&mut bundle, &rows[0], &all[0]);
    drop(bundle);
    let mut bundle = opened(folder.path(), false).unwrap();
    bundle.logged_in("log/2");
    bundle.begin(&phone(), &rows, &beginning()).unwrap();
    assert_eq!((bundle.has(&rows[0]), bundle.has(&rows[1])), (true, false));
    keep(&mut bundle, &rows[1], &all[1]);
    keep(&mut bundle, &rows[2], &all[2]);
    bundle.end("done").unwrap();
    let record = load(folder.path()).unwrap();
    assert_eq!((record.state, record.runs.len()), (Whole::Whole, 2));
    assert_eq!(record.runs[0].ended, None);
    assert_eq!(record.runs[1].log.as_deref(), Some("log/2"));
    assert_eq!(record.maps, ["map.json", "scatter.txt"], "the map is that of the first run");
}

#[test]
fn an_image_with_pages_that_do_not_come_leaves_the_bundle_incomplete_until_they_do() {
    let folder = tempdir().unwrap();
    let rows = rows(folder.path());
    let all = contents();
    let mut bundle = begun(folder.path(), &rows);
    keep(&mut bundle, &rows[0], &all[0]);
    leave(&mut bundle, &rows[1], &all[1], 3..5);
    bundle.end("stopped").unwrap();
    assert_eq!(state(folder.path()), Whole::Reading, "one was not even tried");
    keep(&mut bundle, &rows[2], &all[2]);
    bundle.end("pages are missing").unwrap();
    assert_eq!(state(folder.path()), Whole::Incomplete);
    assert_eq!(load(folder.path()).unwrap().images[1].unread, [[3 * 2112, 2 * 2112]]);
    drop(bundle);
    let mut bundle = opened(folder.path(), false).unwrap();
    bundle.begin(&phone(), &rows, &beginning()).unwrap();
    keep(&mut bundle, &rows[1], &all[1]);
    bundle.end("done").unwrap();
    let record = load(folder.path()).unwrap();
    assert_eq!((record.state, record.images[1].unread.len()), (Whole::Whole, 0));
}

#[test]
fn another_phone_map_or_way_of_reading_is_refused_and_changes_nothing() {
    let folder = tempdir().unwrap();
    let rows = rows(folder.path());
    write(folder.path(), &contents());
    let before = fs::read(folder.path().join(FILE)).unwrap();
    let refused = |phone: &PhoneId, rows: &[Row]| {
        let mut bundle = opened(folder.path(), false).unwrap();
        let refused = bundle.begin(phone, rows, &beginning());
        bundle.end("refused").unwrap();
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), before);
        match refused {
            Err(BundleError::Other { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    let unit = PhoneId { unit: "fedcba9876543210".into(), ..phone() };
    assert_eq!(refused(&unit, &rows), "phone of the same kind");
    assert_eq!(refused(&PhoneId { chip: "MT6577".into(), ..phone() }, &rows), "chip");
    assert_eq!(refused(&PhoneId { pool_blocks: 80, ..phone() }, &rows), "bad-block pool (--pool)");
    assert!(refused(&phone(), &rows[..2]).contains("partition map"));
    let mut main_only = rows.clone();
    main_only[1].shape = bromide_proto::wire::nand_read::Shape::MainOnly;
    assert!(refused(&phone(), &main_only).contains("way of reading"));
}

#[test]
fn a_folder_another_program_holds_is_left_alone() {
    let folder = tempdir().unwrap();
    let first = opened(folder.path(), false).unwrap();
    assert!(matches!(opened(folder.path(), true), Err(BundleError::Busy(_))));
    drop(first);
    opened(folder.path(), false).unwrap();
}

#[test]
fn a_record_that_is_damaged_is_in_the_way_unless_it_counts_for_nothing() {
    let folder = tempdir().unwrap();
    assert!(matches!(load(folder.path()), Err(BundleError::None(_))));
    write(folder.path(), &contents());
    edit(&folder.path().join(FILE), |bytes| bytes.truncate(bytes.len() / 2));
    assert!(matches!(opened(folder.path(), false), Err(BundleError::Damaged { .. })));
    let mut bundle = opened(folder.path(), true).unwrap();
    bundle.begin(&phone(), &rows(folder.path()), &beginning()).unwrap();
    assert_eq!(state(folder.path()), Whole::Reading);
}

#[test]
fn a_record_with_files_outside_the_folder_is_no_record() {
    let folder = tempdir().unwrap();
    write(folder.path(), &contents());
    edit_record(folder.path(), |record| record["images"][0]["file"] = "../preloader.img".into());
    assert!(matches!(load(folder.path()), Err(BundleError::Damaged { .. })));
}

#[test]
fn an_image_that_was_taken_away_is_whole_no_longer() {
    let folder = tempdir().unwrap();
    write(folder.path(), &contents());
    let rows = rows(folder.path());
    fs::remove_file(&rows[1].target).unwrap();
    edit(&rows[2].target, |bytes| bytes.truncate(5));
    let mut bundle = opened(folder.path(), false).unwrap();
    bundle.begin(&phone(), &rows, &beginning()).unwrap();
    assert_eq!([0, 1, 2].map(|n| bundle.has(&rows[n])), [true, false, false]);
    bundle.end("stopped by the user").unwrap();
    assert_eq!(state(folder.path()), Whole::Reading);
}

#[test]
fn a_run_that_never_began_is_not_taken_for_the_one_before_it() {
    let folder = tempdir().unwrap();
    write(folder.path(), &contents());
    let before = fs::read(folder.path().join(FILE)).unwrap();
    // In the same second.
    opened(folder.path(), false).unwrap().end("no phone").unwrap();
    assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), before);
}

#[test]
fn older_images_are_not_passed_off_as_those_of_a_read_that_was_begun_anew_and_cut_short() {
    let folder = tempdir().unwrap();
    write(folder.path(), &contents());
    let rows = rows(folder.path());
    let mut bundle = opened(folder.path(), true).unwrap();
    bundle.begin(&phone(), &rows, &beginning()).unwrap();
    drop(bundle);
    for (row, bytes) in rows.iter().zip(contents()) {
        assert!(fs::read(&row.target).unwrap() == bytes, "the older images are there until better ones are");
        let standing = Dump::standing(&row.target, &super::fixture::options(row)).unwrap();
        assert_eq!(standing, Standing::New, "{}", row.name);
        assert!(map_path(&row.target).exists());
    }
    let mut bundle = opened(folder.path(), false).unwrap();
    bundle.begin(&phone(), &rows, &beginning()).unwrap();
    assert!(rows.iter().all(|row| !bundle.has(row)));
    rows.iter().zip(contents()).for_each(|(row, bytes)| keep(&mut bundle, row, &bytes));
    bundle.end("done").unwrap();
    assert_eq!(state(folder.path()), Whole::Whole);
}
