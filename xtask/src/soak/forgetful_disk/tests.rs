//! The disk through its mount, by ordinary system calls. Skipped, with a word, where FUSE is not to be had.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags, fallocate, flock, renameat_with, statvfs,
};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{Disk, Room, Rule};
use crate::soak::dice::Dice;

/// A mounted disk and where it is.
fn disk(rule: Rule) -> Option<(TempDir, Disk)> {
    let place = tempfile::tempdir().unwrap();
    match Disk::mount(place.path(), rule) {
        Ok(disk) => Some((place, disk)),
        Err(e) => {
            eprintln!("skipped: no FUSE here: {e}");
            None
        }
    }
}

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

/// Does the same on one disk after another, cuts the power, and tells what each seed left.
fn left(rule: Rule, seeds: u64, act: impl Fn(&Path), look: impl Fn(&Path) -> String) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for seed in 0..seeds {
        let Some((place, disk)) = disk(rule) else { return seen };
        act(place.path());
        let disk = disk.power_cut(seed).unwrap();
        seen.insert(look(place.path()));
        drop(disk);
    }
    seen
}

/// A file of two pages in one word.
fn word(path: &Path) -> String {
    match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => "none".into(),
        Err(e) => e.to_string(),
        Ok(bytes) => {
            let mut word = format!("{}:", bytes.len());
            bytes.chunks(4096).for_each(|page| word.push(page.first().map_or('-', |b| char::from(b + b'0'))));
            assert!(bytes.chunks(4096).all(|page| page.iter().all(|b| Some(b) == page.first())));
            word
        }
    }
}

fn has_fuse() -> bool {
    disk(Rule::Strict).is_some()
}

#[test]
fn what_is_synced_with_its_directory_survives() {
    let act = |at: &Path| {
        put(&at.join("part"), &[1; 8192]);
        sync(&at.join("part"));
        fs::rename(at.join("part"), at.join("whole")).unwrap();
        sync(at);
    };
    let seen = left(Rule::Strict, 20, act, |at| word(&at.join("whole")) + &word(&at.join("part")));
    assert!(!has_fuse() || seen == BTreeSet::from(["8192:11none".into()]), "{seen:?}");
}

#[test]
fn a_rename_that_was_not_preceded_by_a_sync_can_leave_zeros_or_nothing() {
    let act = |at: &Path| {
        put(&at.join("part"), &[1; 8192]);
        fs::rename(at.join("part"), at.join("whole")).unwrap();
        sync(at);
    };
    let seen = left(Rule::Strict, 60, act, |at| word(&at.join("whole")));
    for may in ["0:", "8192:00", "8192:11", "8192:01", "8192:10"] {
        assert!(!has_fuse() || seen.contains(may), "{may} in {seen:?}");
    }
    assert!(!seen.contains("none"));
}

#[test]
fn a_rename_that_was_not_followed_by_a_sync_may_have_happened_or_not() {
    let act = |at: &Path| {
        put(&at.join("whole"), &[1; 8192]);
        sync(&at.join("whole"));
        sync(at);
        put(&at.join("part"), &[2; 8192]);
        sync(&at.join("part"));
        fs::rename(at.join("part"), at.join("whole")).unwrap();
    };
    let seen = left(Rule::Strict, 30, act, |at| word(&at.join("whole")));
    assert!(!has_fuse() || seen == BTreeSet::from(["8192:11".into(), "8192:22".into()]), "{seen:?}");
}

#[test]
fn a_synced_file_in_a_directory_that_was_not_synced_is_lost_by_one_rule_and_kept_by_the_other() {
    let act = |at: &Path| {
        fs::create_dir(at.join("d")).unwrap();
        put(&at.join("d/new"), &[1; 8192]);
        sync(&at.join("d/new"));
    };
    let look = |at: &Path| word(&at.join("d/new"));
    let strict = left(Rule::Strict, 30, act, look);
    let journal = left(Rule::Journal, 30, act, look);
    if has_fuse() {
        assert_eq!(strict, BTreeSet::from(["8192:11".into(), "none".into()]));
        assert_eq!(journal, BTreeSet::from(["8192:11".into()]));
    }
}

#[test]
fn pages_written_again_are_old_or_new_each_for_itself() {
    let act = |at: &Path| {
        put(&at.join("f"), &[1; 8192]);
        sync(&at.join("f"));
        sync(at);
        let file = File::options().write(true).open(at.join("f")).unwrap();
        file.write_all_at(&[2; 8192], 0).unwrap();
        drop(file); // closing is no sync
    };
    let seen = left(Rule::Strict, 60, act, |at| word(&at.join("f")));
    let all = ["8192:11", "8192:12", "8192:21", "8192:22"].map(String::from);
    assert!(!has_fuse() || seen == BTreeSet::from(all), "{seen:?}");
}

#[test]
fn a_file_that_was_emptied_and_filled_again_never_shows_a_mixture_of_old_bytes_behind_the_cut() {
    let act = |at: &Path| {
        put(&at.join("f"), &[1; 8192]);
        sync(&at.join("f"));
        sync(at);
        put(&at.join("f"), &[2; 4096]);
        let file = File::options().write(true).open(at.join("f")).unwrap();
        file.write_all_at(&[2; 4096], 4096).unwrap();
    };
    let seen = left(Rule::Strict, 60, act, |at| word(&at.join("f")));
    // The size after the cut is nothing, or a size on the way; never a page of ones behind one of the new ones.
    assert!(!has_fuse() || (seen.contains("0:") && seen.contains("8192:11") && seen.contains("8192:22")));
    assert!(!seen.contains("4096:1"), "{seen:?}");
}

#[test]
fn the_same_seed_leaves_the_same() {
    let act = |at: &Path| {
        for i in 0..20_u8 {
            put(&at.join(i.to_string()), &[i % 7; 12_000]);
        }
    };
    let once = |seed: u64| {
        let (place, disk) = disk(Rule::Strict)?;
        act(place.path());
        let _disk = disk.power_cut(seed).unwrap();
        Some((0..20).map(|i| fs::read(place.path().join(i.to_string())).ok()).collect::<Vec<_>>())
    };
    assert_eq!(once(3), once(3));
    assert!(!has_fuse() || once(3) != once(4));
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so_beforehand() {
    let Some((place, disk)) = disk(Rule::Strict) else { return };
    disk.set_room(Room { bytes: Some(64 << 10), promises: false });
    let free = || {
        let stat = statvfs(place.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    assert_eq!(free(), 60 << 10);
    let mut file = File::create(place.path().join("f")).unwrap();
    assert_eq!(free(), 56 << 10);
    let mut taken = 0;
    let error = loop {
        match file.write(&[5; 10_000]) {
            Ok(n) => taken += n,
            Err(e) => break e,
        }
    };
    assert_eq!((error.kind(), taken), (ErrorKind::StorageFull, 56 << 10));
    assert_eq!(free(), 0);
    assert!(fs::read(place.path().join("f")).unwrap() == [5; 56 << 10]);
    assert_eq!(File::create(place.path().join("g")).unwrap_err().kind(), ErrorKind::StorageFull);
    fs::remove_file(place.path().join("f")).unwrap();
    assert_eq!(free(), 0, "it is still open");
    drop(file);
    // The kernel tells of the closing when it likes.
    let patient = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        free() == 60 << 10
    });
    assert!(patient, "{}", free());
    assert_eq!(disk.used(), 4096);
}

#[test]
fn a_disk_with_a_quota_promises_what_it_does_not_have() {
    let Some((place, disk)) = disk(Rule::Strict) else { return };
    disk.set_room(Room { bytes: Some(64 << 10), promises: true });
    let stat = statvfs(place.path()).unwrap();
    assert!(stat.f_bavail * stat.f_frsize > 1 << 30);
    let error = fs::write(place.path().join("f"), vec![5; 100_000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn after_the_power_failed_nothing_changes_and_what_was_before_is_there() {
    for changes in 0..12 {
        let Some((place, disk)) = disk(Rule::Strict) else { return };
        disk.fail_after(Some(changes));
        let step = |n: usize| -> std::io::Result<()> {
            let at = place.path().join(n.to_string());
            let mut file = File::create(&at)?; // one change
            file.write_all(&[1; 4096])?; // one
            file.sync_all()?; // one
            File::open(place.path())?.sync_all() // one
        };
        let done = (0..3).map(step).take_while(Result::is_ok).count();
        assert_eq!(done as u64, changes / 4);
        let disk = disk.power_cut(changes).unwrap();
        assert!(!disk.has_failed());
        for n in 0..done {
            assert_eq!(word(&place.path().join(n.to_string())), "4096:1");
        }
    }
}

#[test]
fn it_answers_as_disks_do_where_it_cannot_do_something() {
    let Some((place, _disk)) = disk(Rule::Strict) else { return };
    let at = place.path();
    put(&at.join("a"), b"a");
    put(&at.join("b"), b"b");
    let exists = renameat_with(CWD, at.join("a"), CWD, at.join("b"), RenameFlags::NOREPLACE);
    assert_eq!(exists, Err(Errno::EXIST));
    renameat_with(CWD, at.join("a"), CWD, at.join("c"), RenameFlags::NOREPLACE).unwrap();
    let nameless = rustix::fs::open(at, OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU);
    assert_eq!(nameless.err(), Some(Errno::OPNOTSUPP));
    let (one, two) = (File::open(at.join("c")).unwrap(), File::open(at.join("c")).unwrap());
    flock(&one, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(flock(&two, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
    let file = File::options().write(true).open(at.join("c")).unwrap();
    assert_eq!(fallocate(&file, FallocateFlags::empty(), 0, 100), Err(Errno::OPNOTSUPP));
    assert_eq!(File::create_new(at.join("c")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::remove_dir(at).unwrap_err().kind(), ErrorKind::ResourceBusy);
    fs::create_dir(at.join("d")).unwrap();
    put(&at.join("d/x"), b"x");
    assert_eq!(fs::remove_dir(at.join("d")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    fs::remove_dir_all(at.join("d")).unwrap();
}

/// One random thing done to a file below this directory; what came of it, in words.
fn random_deed(at: &Path, dice: &mut Dice) -> String {
    let path = |dice: &mut Dice| -> PathBuf {
        let folder = *dice.pick(&["", "x/", "y/"]).unwrap();
        at.join(format!("{folder}{}", dice.below(4)))
    };
    let said = |it: std::io::Result<()>| it.map_or_else(|e| format!("{:?}", e.kind()), |()| "done".into());
    let target = path(dice);
    let (offset, len) = (dice.below(20_000), dice.below(9000));
    let bytes = vec![dice.below(255) as u8 + 1; usize::try_from(len).unwrap()];
    let open = || File::options().read(true).write(true).open(&target);
    said(match dice.below(9) {
        0 => File::create(&target).and_then(|mut file| file.write_all(&bytes)),
        1 => open().and_then(|file| file.write_all_at(&bytes, offset)),
        2 => open().and_then(|file| file.set_len(offset)),
        3 => fs::remove_file(&target),
        4 => fs::rename(&target, path(dice)),
        5 => fs::create_dir(at.join(dice.pick(&["x", "y"]).unwrap())),
        6 => fs::remove_dir(at.join(dice.pick(&["x", "y"]).unwrap())),
        7 => File::options().append(true).open(&target).and_then(|mut file| file.write_all(&bytes)),
        _ => {
            let mut all = Vec::new();
            let read = open().and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                file.read_to_end(&mut all)
            });
            return read.map_or_else(|e| format!("{:?}", e.kind()), |n| format!("{n} {:?}", all.first()));
        }
    })
}

/// All names and contents, sorted.
fn everything(at: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![at.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(at).unwrap().to_owned();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                found.push((name, None));
            } else {
                found.push((name, Some(fs::read(entry.path()).unwrap())));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn without_a_power_cut_it_cannot_be_told_from_another_disk() {
    for seed in 0..20 {
        let Some((place, disk)) = disk(Rule::Strict) else { return };
        let other = tempfile::tempdir().unwrap();
        let (mut here, mut there) = (Dice::new(seed), Dice::new(seed));
        for n in 0..150 {
            let (ours, theirs) =
                (random_deed(place.path(), &mut here), random_deed(other.path(), &mut there));
            assert_eq!(ours, theirs, "seed {seed}, deed {n}");
        }
        assert!(everything(place.path()) == everything(other.path()), "seed {seed}");
        // What is all synced survives as a whole.
        let names = everything(place.path());
        names.iter().for_each(|(name, _)| sync(&place.path().join(name)));
        sync(place.path());
        let _disk = disk.power_cut(seed).unwrap();
        assert!(everything(place.path()) == names, "seed {seed}");
    }
}
