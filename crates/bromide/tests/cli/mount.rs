//! Images mounted through FUSE: the same files as extracted ones, whatever the image, and no trace when it ends.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bromide_image::yaffs2::read::ROOT;
use rustix::process::Signal;

use crate::bench::{Bench, Mounted, Running, Stream, is_root};
use crate::extract::{listing, open_up};
use crate::history::{logged, write_chip, yaffs_log::Body};
use crate::images::{PAGE, file, image, page_of};

/// Mounts an image at `mnt`; `None`, with a word about it, where that cannot be done.
fn mount(bench: &Bench, words: &str) -> Option<Running> {
    if !cfg!(target_os = "linux") || !Path::new("/dev/fuse").exists() {
        println!("skipped: no FUSE here");
        return None;
    }
    fs::create_dir_all(bench.path("mnt")).unwrap();
    let mut mounted = bench.start(&format!("image mount {words}"));
    let line = mounted.line_of(Stream::Err, |line| line.contains("ounted") || line.contains("error"));
    if line.contains("image/mount") {
        println!("skipped: mounting is not allowed here: {line}");
        return None;
    }
    Some(mounted)
}

/// What an extraction as root has, without what the mount alone shows.
fn assert_same_trees(bench: &Bench, extracted: &str, sockets: &[&str]) {
    open_up(&bench.path(extracted));
    let (mut shown, mut written) = (listing(&bench.path("mnt")), listing(&bench.path(extracted)));
    // The folder itself is the user's, or shown as the image has it.
    for all in [&mut shown, &mut written] {
        all.remove("\"\"");
    }
    for socket in sockets {
        assert!(shown.remove(*socket).is_some(), "{socket}");
    }
    if is_root() {
        assert_eq!(shown, written);
    } else {
        let names =
            |all: &std::collections::BTreeMap<String, String>| all.keys().cloned().collect::<Vec<_>>();
        let special = |name: &String| !name.contains("special/");
        let keep = |all: Vec<String>| all.into_iter().filter(special).collect::<Vec<_>>();
        assert_eq!(keep(names(&shown)), keep(names(&written)));
    }
}

/// A program that uses a folder until it is killed.
struct Uses(Child);

impl Uses {
    fn new(folder: &Path) -> Self {
        let child =
            Command::new("sleep").arg("300").current_dir(folder).stdout(Stdio::null()).spawn().unwrap();
        Self(child)
    }
}

impl Drop for Uses {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_mounted_image_shows_the_same_tree() {
    let (bench, (tree, mut image)) = (Bench::new(), image());
    let (name, bytes) = file(&tree, "lib/", 9000);
    let page = page_of(&image, &bytes[4096..]);
    bench.write("system.img", &image);
    image[page * PAGE + 600..page * PAGE + 640].iter_mut().for_each(|byte| *byte ^= 0x55);
    bench.write("torn.img", &image);
    fs::create_dir(bench.path("mnt")).unwrap();
    bench.run("image mount system.img .").fails(1, &["not empty", "empty folder"]);
    bench.run("image mount system.img no-such").fails(1, &["no-such"]);
    let Some(mounted) = mount(&bench, "system.img mnt") else { return };
    bench.run("image extract system.img -o system").good();
    let (shown, mut written) = (listing(&bench.path("mnt")), listing(&bench.path("system")));
    let socket = "\"special/socket\"".to_owned();
    if is_root() {
        // Extraction leaves sockets out.
        written.insert(socket.clone(), shown[&socket].clone());
        assert_eq!(shown, written);
    } else {
        assert_eq!(shown.len(), written.len() + 4);
    }
    assert!(fs::write(bench.path("mnt/new"), "x").is_err(), "it is read-only");
    mounted.signal(Signal::TERM);
    mounted.end().good();
    assert_eq!(fs::read_dir(bench.path("mnt")).unwrap().count(), 0, "it is unmounted");

    let mounted = bench.start("image mount torn.img mnt");
    let until = Instant::now() + Duration::from_secs(60);
    while !bench.has("mnt/lib") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let path = bench.path("mnt").join(&name);
    assert_eq!(fs::read(&path).unwrap_err().raw_os_error(), Some(5), "an input/output error");
    let ended = Command::new("fusermount3").arg("-u").arg(bench.path("mnt")).status();
    if ended.is_err() {
        mounted.interrupt();
    }
    mounted.end().good();
}

#[test]
fn a_chip_and_a_partition_in_it_are_mounted_by_name() {
    let (bench, (_, image)) = (Bench::new(), image());
    write_chip(&bench, &image, &[]);
    for (words, from) in [
        ("flash.bin --map mtd.txt mnt", "flash.bin"),
        ("flash.bin:system --map mtd.txt mnt", "flash.bin:system"),
    ] {
        let Some(mounted) = mount(&bench, words) else { return };
        let out = if from.contains(':') { "partition" } else { "chip" };
        bench.run(&format!("image extract {from} --map mtd.txt -o {out}")).good();
        let socket = if from.contains(':') { "\"special/socket\"" } else { "\"system/special/socket\"" };
        assert_same_trees(&bench, out, &[socket]);
        let up = fs::metadata(bench.path("mnt/.")).unwrap();
        assert!(up.is_dir());
        mounted.interrupt();
        mounted.end().good();
    }
    let Some(mounted) = mount(&bench, "flash.bin --map mtd.txt mnt --path system/links") else { return };
    assert!(bench.has("mnt/nowhere") && !bench.has("mnt/system"));
    mounted.interrupt();
    mounted.end().good();
    bench.run("image mount flash.bin:logo --map mtd.txt mnt").fails(1, &["/logo is no directory"]);
    bench.run("image mount flash.bin:nowhere --map mtd.txt mnt").fails(1, &["there is no nowhere"]);
}

#[test]
fn a_hostile_image_is_shown_within_bounds() {
    let bench = Bench::new();
    let link = |target: &[u8]| Body::Symlink(target.to_vec());
    let file = || Body::File(Vec::new());
    let hostile = logged(&[
        (300, ROOT, b"d", link(b"../../..")),
        (301, ROOT, b"d", Body::Directory),
        (302, 301, b"inside", file()),
        (303, ROOT, b"../up", file()),
        (304, ROOT, b"/etc/passwd", file()),
        (305, ROOT, b"same", file()),
        (306, ROOT, b"same", link(b"same")),
        (307, ROOT, b"..", Body::Directory),
        (308, 307, b"victim", file()),
        (309, ROOT, b"line\nbreak\x1b[31m\xff", file()),
        (310, 311, b"one", Body::Directory),
        (311, 310, b"two", Body::Directory),
        (312, ROOT, &[b'n'; 255], file()),
        (313, ROOT, b".", file()),
    ]);
    bench.write("hostile.img", hostile);
    let Some(mounted) = mount(&bench, "hostile.img mnt") else { return };
    bench.run("image extract hostile.img -o out");
    assert_same_trees(&bench, "out", &[]);
    let found = Command::new("find").arg(bench.path("mnt")).arg("-ls").output();
    match found {
        Ok(ran) => assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}"),
        Err(_) => println!("skipped: no find here"),
    }
    let names: Vec<String> = fs::read_dir(bench.path("mnt"))
        .unwrap()
        .map(|it| it.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for name in ["d", "d~2", "..%2Fup", "%2Fetc%2Fpasswd", "%2E", "%2E%2E", "same", "same~2"] {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
    }
    for name in ["no-such", "..%2Fno", "d/inside/no"] {
        assert!(!bench.path("mnt").join(name).exists(), "{name}");
    }
    mounted.interrupt();
    mounted.end().good();
}

#[test]
fn it_ends_at_once_though_somebody_uses_it_and_leaves_what_is_below() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    // A file system is mounted there already; it is not taken away.
    let below = Mounted::tmpfs(&bench.path("mnt"), "size=1m");
    let id = |folder: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(folder).unwrap());
    fs::create_dir_all(bench.path("mnt")).unwrap();
    let before = id(&bench.path("mnt"));
    let Some(mounted) = mount(&bench, "system.img mnt") else { return };
    assert_ne!(id(&bench.path("mnt")), before);
    let user = Uses::new(&bench.path("mnt/lib"));
    let begun = Instant::now();
    mounted.interrupt();
    mounted.end().good();
    assert!(begun.elapsed() < Duration::from_secs(60), "it waits for nobody");
    assert_eq!(id(&bench.path("mnt")), before, "what is below is there again");
    drop((user, below));
}

#[test]
fn what_a_killed_program_left_is_told_with_its_cure() {
    let (bench, (_, image)) = (Bench::new(), image());
    bench.write("system.img", &image);
    let Some(mut mounted) = mount(&bench, "system.img mnt") else { return };
    mounted.kill();
    let says = ["a program that was killed", "fusermount3 -u mnt"];
    let ran = bench.run("image mount system.img mnt");
    let unmounted = Command::new("fusermount3").args(["-u", "-z"]).arg(bench.path("mnt")).status();
    if unmounted.is_err() {
        let _ = Command::new("umount").arg("-l").arg(bench.path("mnt")).status();
    }
    ran.fails(1, &says);
}
