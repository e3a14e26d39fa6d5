//! A tree of plain files that stands for a computer, and transcripts that are kept true.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::bench::Bench;

/// A folder named `pc` in the bench, and `bromide` looking at it.
pub(crate) struct Tree {
    pub(crate) bench: Bench,
}

impl Tree {
    /// A Debian desktop without trouble: one user with a group for serial ports, udevd, two buses, no phone.
    pub(crate) fn desktop() -> Self {
        let tree = Self { bench: Bench::new() };
        tree.file(
            "proc/self/status",
            "Name:\tbromide\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t20 1000\n",
        );
        tree.file("etc/passwd", "root:x:0:0::/:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n");
        tree.file("etc/group", "root:x:0:\ndialout:x:20:ana\nplugdev:x:46:\nana:x:1000:\n");
        tree.process(300, "systemd-udevd");
        tree.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
        tree.file("lib/modules/6.1.0-18-amd64/modules.dep", "kernel/drivers/usb/class/cdc-acm.ko:\n");
        tree.file("sys/module/usbcore/parameters/usbfs_memory_mb", "16\n");
        tree.device("usb1", "1d6b", "0002", (1, 1));
        tree.device("usb2", "1d6b", "0003", (2, 1));
        tree
    }

    /// The same with our rules.
    pub(crate) fn with_rules() -> Self {
        let tree = Self::desktop();
        tree.setup("setup linux --install --yes").good();
        tree
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.bench.path("pc").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.bench.path("pc").join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.bench.path("pc").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.bench.path("pc").join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A USB device and its node, which anybody may use.
    pub(crate) fn device(&self, port: &str, vid: &str, pid: &str, (bus, address): (u32, u32)) {
        let at = |file: &str| format!("sys/bus/usb/devices/{port}/{file}");
        self.file(&at("idVendor"), &format!("{vid}\n"));
        self.file(&at("idProduct"), &format!("{pid}\n"));
        self.file(&at("busnum"), &format!("{bus}\n"));
        self.file(&at("devnum"), &format!("{address}\n"));
        let node = format!("dev/bus/usb/{bus:03}/{address:03}");
        self.file(&node, "");
        self.mode(&node, 0o666);
    }

    /// A phone's preloader at port 1-4 as the kernel shows it, cdc_acm bound.
    pub(crate) fn preloader(&self) {
        self.device("1-4", "0e8d", "2000", (1, 7));
        self.file("sys/bus/usb/devices/1-4:1.1/tty/ttyACM0/dev", "166:0\n");
        self.file("sys/module/cdc_acm/refcnt", "1\n");
        self.file("dev/ttyACM0", "");
        self.mode("dev/ttyACM0", 0o666);
    }

    /// A program that runs.
    pub(crate) fn process(&self, number: u32, name: &str) {
        self.file(&format!("proc/{number}/comm"), &format!("{name}\n"));
        fs::create_dir_all(self.bench.path("pc").join(format!("proc/{number}/fd"))).unwrap();
    }

    /// `bromide` with these words, looking at this tree.
    pub(crate) fn setup(&self, words: &str) -> crate::bench::Ran {
        self.bench.run(&format!("{words} --root pc"))
    }

    /// `bromide doctor`, with room for a dump whatever this disk has.
    pub(crate) fn doctor(&self, more: &str) -> crate::bench::Ran {
        self.bench.run(&format!("doctor --root pc --free 0x1000000000 {more}"))
    }
}

/// What a user sees, with what differs from computer to computer made the same.
pub(crate) fn as_installed(text: &str) -> String {
    let program = env!("CARGO_BIN_EXE_bromide");
    text.replace(program, "bromide").replace("pc/etc/", "/etc/")
}

/// Compares a document with what it should be; with BLESS=1 writes it instead.
pub(crate) fn transcript(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transcripts").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let again = format!(
        "docs/transcripts/{name} is no longer true; BLESS=1 cargo test --test cli transcript writes it anew"
    );
    assert!(kept == text, "{again}\n--- kept\n{kept}\n--- now\n{text}");
}
