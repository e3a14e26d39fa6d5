//! Saving to real folders: what stands in the way, what every end leaves behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bromide_job::pagecheck::{Counts, PageCheck};
use bromide_job::save::{Save, SaveError, SaveOptions, Saved};
use bromide_nand::{Geometry, Layout, encode_page};
use tempfile::TempDir;

fn options(bytes: usize) -> SaveOptions {
    SaveOptions { force: false, expected_bytes: bytes as u64, check: None }
}

fn forced(bytes: usize) -> SaveOptions {
    SaveOptions { force: true, ..options(bytes) }
}

/// An empty folder, the target in it, and its interim name.
fn place() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (target, part) = (folder.path().join("system.img"), folder.path().join("system.img.part"));
    (folder, target, part)
}

/// Saves `content` in packets of `piece` bytes.
fn save(target: &Path, content: &[u8], piece: usize, options: SaveOptions) -> Result<Saved, SaveError> {
    let mut save = Save::create(target, options)?;
    for packet in content.chunks(piece) {
        let mut buffer = save.buffer();
        buffer.resize(packet.len(), 0);
        buffer.copy_from_slice(packet);
        save.put(buffer)?;
    }
    save.finish()
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn random(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

#[test]
fn a_whole_file_gets_its_name_and_its_digest() {
    let (folder, target, _) = place();
    let content = random(1_000_003);
    let saved = save(&target, &content, 135_168, options(content.len())).unwrap();
    assert!(fs::read(&target).unwrap() == content);
    assert_eq!(names(&folder), ["system.img"]);
    assert_eq!((saved.path, saved.bytes, saved.pages), (target.clone(), 1_000_003, None));
    match Command::new("sha256sum").arg(&target).output() {
        Ok(sum) => assert!(sum.stdout.starts_with(saved.sha256.as_bytes())),
        Err(_) => println!("skipped: no sha256sum to compare with"),
    }
}

#[test]
fn a_file_of_no_bytes_can_be_saved() {
    let (folder, target, _) = place();
    let saved = save(&target, b"", 1, options(0)).unwrap();
    assert_eq!(saved.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!((names(&folder), fs::metadata(&target).unwrap().len()), (vec!["system.img".into()], 0));
}

#[test]
fn the_pages_on_their_way_are_checked() {
    let chip = Geometry::new(2048, 64, 64, 8).unwrap();
    let mut page = vec![0; 2112];
    encode_page(&[0x42; 2048], &[], None, &chip, &mut page).unwrap();
    let mut content = page.repeat(10);
    content[3 * 2112] ^= 1;
    content[4 * 2112..][..100].fill(0);
    let (_folder, target, _) = place();
    let check = Some(PageCheck::new(chip, Layout::Interleaved, 0));
    let saved = save(&target, &content, 5000, SaveOptions { check, ..options(content.len()) }).unwrap();
    let pages = saved.pages.unwrap();
    assert_eq!(pages.counts, Counts { clean: 8, correctable: 1, damaged: 1, ..Counts::default() });
    assert!(fs::read(&target).unwrap() == content, "the stored bytes are saved as they came");
}

#[test]
fn a_run_that_ends_half_way_leaves_the_interim_file_with_all_that_came() {
    let (folder, target, part) = place();
    let mut save = Save::create(&target, options(100_000)).unwrap();
    for i in 0..50 {
        save.put(vec![i; 1000]).unwrap();
    }
    drop(save);
    assert_eq!(names(&folder), ["system.img.part"]);
    let left = fs::read(part).unwrap();
    assert_eq!(left.len(), 50_000);
    assert!(left.chunks(1000).zip(0..).all(|(c, i)| c == [i; 1000]));
}

#[test]
fn a_run_that_ends_before_its_first_byte_leaves_an_empty_interim_file() {
    let (folder, target, _) = place();
    drop(Save::create(&target, options(10)).unwrap());
    assert_eq!(names(&folder), ["system.img.part"]);
}

#[test]
fn too_few_bytes_are_an_error_and_no_final_name() {
    let (folder, target, part) = place();
    let e = save(&target, &[1; 999], 100, options(1000)).unwrap_err();
    assert!(matches!(e, SaveError::Length { expected: 1000, got: 999, .. }), "{e}");
    assert_eq!(names(&folder), ["system.img.part"]);
    assert_eq!(fs::read(part).unwrap(), [1; 999]);
}

#[test]
fn too_many_bytes_are_an_error_and_no_final_name() {
    let (folder, target, _) = place();
    let e = save(&target, &[1; 1001], 100, options(1000)).unwrap_err();
    assert!(matches!(e, SaveError::Length { expected: 1000, got: 1001, .. }), "{e}");
    assert_eq!(names(&folder), ["system.img.part"]);
}

#[test]
fn an_existing_file_is_kept_without_force_and_replaced_with_it() {
    let (folder, target, _) = place();
    fs::write(&target, "precious").unwrap();
    assert!(matches!(options(3).check(&target), Err(SaveError::Exists(_))));
    let e = save(&target, b"new", 3, options(3)).unwrap_err();
    assert!(matches!(&e, SaveError::Exists(path) if *path == target), "{e}");
    assert_eq!(names(&folder), ["system.img"]);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    save(&target, b"new", 3, forced(3)).unwrap();
    assert_eq!(names(&folder), ["system.img"]);
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn with_force_the_old_file_stays_until_the_new_one_is_whole() {
    let (folder, target, _) = place();
    fs::write(&target, "precious").unwrap();
    save(&target, b"ne", 3, forced(3)).unwrap_err();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(names(&folder), ["system.img", "system.img.part"]);
}

#[test]
fn a_file_that_appears_meanwhile_is_left_alone() {
    let (_folder, target, part) = place();
    let mut save = Save::create(&target, options(3)).unwrap();
    save.put(b"new".into()).unwrap();
    fs::write(&target, "precious").unwrap();
    let e = save.finish().unwrap_err();
    assert!(matches!(&e, SaveError::Exists(_)), "{e}");
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(fs::read(&part).unwrap(), b"new");
}

#[test]
fn an_interrupted_run_is_reported_and_kept_without_force_and_discarded_with_it() {
    let (folder, target, part) = place();
    fs::write(&part, "half").unwrap();
    assert!(matches!(options(3).check(&target), Err(SaveError::PartExists { .. })));
    let e = save(&target, b"new", 3, options(3)).unwrap_err();
    assert!(matches!(&e, SaveError::PartExists { part: p, bytes: 4 } if *p == part), "{e}");
    assert_eq!(fs::read(&part).unwrap(), b"half");
    save(&target, b"new", 3, forced(3)).unwrap();
    assert_eq!(names(&folder), ["system.img"]);
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn a_file_another_run_is_writing_is_not_taken_from_it_even_by_force() {
    let (_folder, target, _) = place();
    let mut first = Save::create(&target, options(5)).unwrap();
    let e = save(&target, b"new", 3, forced(3)).unwrap_err();
    assert!(matches!(&e, SaveError::PartBusy(_)), "{e}");
    first.put(b"first".into()).unwrap();
    first.finish().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"first");
}

#[test]
fn an_interim_file_that_was_replaced_meanwhile_never_gets_the_final_name() {
    let (folder, target, part) = place();
    let mut save = Save::create(&target, options(3)).unwrap();
    save.put(b"new".into()).unwrap();
    fs::remove_file(&part).unwrap();
    fs::write(&part, "foreign").unwrap();
    let e = save.finish().unwrap_err();
    assert!(matches!(&e, SaveError::PartGone(_)), "{e}");
    assert_eq!(names(&folder), ["system.img.part"]);
}

#[test]
fn a_link_put_in_the_place_of_the_interim_file_is_not_followed() {
    let (folder, target, part) = place();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &part).unwrap();
    assert!(matches!(save(&target, b"new", 3, options(3)), Err(SaveError::PartExists { .. })));
    save(&target, b"new", 3, forced(3)).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let (folder, target, _) = place();
    fs::create_dir(&target).unwrap();
    let link = folder.path().join("link");
    symlink("nowhere", &link).unwrap();
    for taken in [target.as_path(), &link, Path::new("/dev/null")] {
        for options in [options(3), forced(3)] {
            let e = save(taken, b"new", 3, options).unwrap_err();
            assert!(matches!(&e, SaveError::NotAFile(path) if path == taken), "{e}");
        }
    }
    assert_eq!(names(&folder), ["link", "system.img"]);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (folder, _, _) = place();
    let missing = folder.path().join("missing");
    let e = save(&missing.join("system.img"), b"new", 3, options(3)).unwrap_err();
    assert!(matches!(&e, SaveError::NoFolder(path) if *path == missing), "{e}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let e = save(&file.join("system.img"), b"new", 3, options(3)).unwrap_err();
    assert!(matches!(&e, SaveError::NoFolder(path) if *path == file), "{e}");
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    for bad in ["", "/", ".", "..", "folder/..", "folder/."] {
        let e = options(3).check(Path::new(bad)).unwrap_err();
        assert!(matches!(e, SaveError::NoName(_)), "{bad:?}: {e}");
    }
    let (folder, _, _) = place();
    let trailing = format!("{}/system.img/", folder.path().display());
    assert!(matches!(options(3).check(Path::new(&trailing)), Err(SaveError::NoName(_))));
}

#[test]
fn a_disk_too_small_for_the_whole_is_refused_before_the_first_byte() {
    let (folder, target, _) = place();
    let e = save(&target, b"", 1, SaveOptions { expected_bytes: u64::MAX, ..options(0) }).unwrap_err();
    assert!(matches!(&e, SaveError::DiskFull { needed: u64::MAX, free, .. } if *free < u64::MAX), "{e}");
    assert_eq!(e.code(), "save/disk-full");
    assert!(names(&folder).is_empty());
}

#[test]
fn a_folder_that_may_not_be_written_is_told_before_the_first_byte() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may write everywhere");
        return;
    }
    let (folder, target, part) = place();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o500)).unwrap();
    let e = Save::create(&target, options(3)).unwrap_err();
    assert!(matches!(&e, SaveError::Io { path, .. } if *path == part), "{e}");
}

/// A file system of one mebibyte; `None` where mounting is not allowed.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=1m", "none"];
        let done = Command::new("mount").args(mount).arg(folder.path()).output();
        if done.is_ok_and(|o| o.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: mounting a small disk is not allowed here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_told_and_leaves_the_interim_file() {
    let Some(disk) = SmallDisk::mount() else { return };
    let target = disk.0.path().join("system.img");
    let e = options(2 << 20).check(&target).unwrap_err();
    assert!(matches!(&e, SaveError::DiskFull { free, .. } if *free <= 1 << 20), "{e}");

    let mut save = Save::create(&target, options(900 << 10)).unwrap();
    fs::write(disk.0.path().join("other"), vec![0; 500 << 10]).unwrap();
    let e = (0..900).find_map(|_| save.put(vec![1; 1 << 10]).err());
    let e = e.unwrap_or_else(|| save.finish().unwrap_err());
    assert!(matches!(&e, SaveError::Write { written, .. } if *written > 100 << 10), "{e}");
    assert_eq!(e.code(), "save/disk-full");
    let left = fs::metadata(disk.0.path().join("system.img.part")).unwrap().len();
    assert!(matches!(e, SaveError::Write { written, .. } if written == left));
    assert!(!target.exists());
}

#[test]
fn room_taken_by_the_interrupted_file_counts_as_free_with_force() {
    let Some(disk) = SmallDisk::mount() else { return };
    let target = disk.0.path().join("system.img");
    fs::write(disk.0.path().join("system.img.part"), vec![0; 700 << 10]).unwrap();
    let content = vec![1; 800 << 10];
    save(&target, &content, 100 << 10, forced(content.len())).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().len(), 800 << 10);
}

#[test]
fn no_packet_goes_missing_when_the_process_is_killed_between_two_packets() {
    // The test program runs itself as the process to be killed.
    let (folder, target, part) = place();
    if let Some(target) = std::env::var_os("BROMIDE_TEST_SAVE_AND_HANG") {
        let mut save = Save::create(Path::new(&target), options(1_000_000)).unwrap();
        for i in 0..20 {
            save.put(vec![i; 1000]).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_secs(60));
        unreachable!("nobody killed this process");
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no_packet_goes_missing_when_the_process_is_killed_between_two_packets"])
        .env("BROMIDE_TEST_SAVE_AND_HANG", &target)
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while fs::metadata(&part).map_or(0, |m| m.len()) < 20_000 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&folder), ["system.img.part"]);
    assert_eq!(fs::metadata(&part).unwrap().len(), 20_000);
    // Its lock went with it, so another run may take over.
    save(&target, b"new", 3, forced(3)).unwrap();
}
