//! A folder with what a user has, the binary run in it, and what the virtual phone's chip holds.
//!
//! Promises: no child outlives its test; a child that hangs fails it. Of every run it is checked that it did not
//! panic and wrote no escape codes into a pipe.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bromide_phone::{Factory, Filling, Generation, Model, NandChip, demo_agent, stored_page};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Beyond this a child counts as hanging; far above what the slowest machine needs.
const HANGS: Duration = Duration::from_secs(120);

/// The models' file of the MT6575, to be changed by tests.
pub(crate) const MT6575: &str = include_str!("../../../../devices/mt6575.toml");

/// A folder of its own with the demo agents `g1.bin` and `g2.bin`.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    /// Where session logs go, instead of the user's own.
    state: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        bench.write("g1.bin", demo_agent::container(Generation::G1));
        bench.write("g2.bin", demo_agent::container(Generation::G2));
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Names of everything in the folder, sorted, without the demo agents.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "g1.bin" && name != "g2.bin").collect();
        names.sort();
        names
    }

    /// `bromide` with these words; none may contain a blank.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bromide"));
        command.args(words.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("RUST_BACKTRACE").env_remove("NO_COLOR");
        command.env("XDG_STATE_HOME", self.state.path()).env_remove("BROMIDE_LOG_DIR");
        command
    }

    /// Folder of all session logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state.path().join("bromide/log")
    }

    pub(crate) fn start(&self, words: &str) -> Running {
        self.begin(&mut self.command(words))
    }

    pub(crate) fn begin(&self, command: &mut Command) -> Running {
        Running::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Runs to the end.
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.start(words).end()
    }

    /// A virtual phone in a process of its own, ready for a host.
    pub(crate) fn serve(&self, words: &str) -> Served {
        let mut phone = self.start(&format!("phone serve {words}"));
        let at = phone.line_of(Stream::Out, |_| true);
        Served { phone, at }
    }
}

/// Which of the two streams of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A child at work; killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<(Stream, String)>,
    out: String,
    err: String,
    until: Instant,
}

impl Running {
    fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        forward(Stream::Out, child.stdout.take(), tell.clone());
        forward(Stream::Err, child.stderr.take(), tell);
        Self { child, lines, out: String::new(), err: String::new(), until: Instant::now() + HANGS }
    }

    /// The next line of either stream; `None` when both have ended.
    fn next(&mut self) -> Option<(Stream, String)> {
        match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok((stream, line)) => {
                let text = if stream == Stream::Out { &mut self.out } else { &mut self.err };
                text.push_str(&line);
                Some((stream, line))
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs\nstdout: {}\nstderr: {}", self.out, self.err),
        }
    }

    /// Waits for a line, and gives it without its end.
    pub(crate) fn line_of(&mut self, stream: Stream, wanted: impl Fn(&str) -> bool) -> String {
        while let Some((from, line)) = self.next() {
            if from == stream && wanted(&line) {
                return line.trim_end().to_owned();
            }
        }
        panic!("the line never came\nstdout: {}\nstderr: {}", self.out, self.err)
    }

    /// Waits until Ctrl-C would be heard: the program has just begun.
    pub(crate) fn hears_ctrl_c(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        loop {
            let Ok(text) = fs::read_to_string(&status) else {
                return std::thread::sleep(Duration::from_secs(1)); // no /proc here
            };
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
            if u64::from_str_radix(caught, 16).unwrap() & 1 << (Signal::INT.as_raw() - 1) != 0 {
                return;
            }
            assert!(Instant::now() < self.until, "no handler was ever set");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        assert!(Instant::now() < self.until, "it hangs");
        self.child.try_wait().unwrap().is_none()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Pulls the plug.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end by itself.
    pub(crate) fn end(mut self) -> Ran {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code();
        let (out, err) = (std::mem::take(&mut self.out), std::mem::take(&mut self.err));
        let ran = Ran { code, out, err };
        ran.assert(ran.code != Some(101) && !ran.err.contains("panicked"), "it panicked");
        ran.assert(!ran.err.contains('\x1b') && !ran.out.contains('\x1b'), "escape codes in a pipe");
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends every line of a stream until it ends.
fn forward(stream: Stream, from: Option<impl Read + Send + 'static>, to: Sender<(Stream, String)>) {
    let Some(from) = from else { return };
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            if !matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                return;
            }
            let _ = to.send((stream, String::from_utf8_lossy(&line).into_owned()));
        }
    });
}

/// A virtual phone in a process of its own.
pub(crate) struct Served {
    pub(crate) phone: Running,
    /// What its first line of standard output says.
    pub(crate) at: String,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn assert(&self, good: bool, what: &str) {
        let Self { code, out, err } = self;
        assert!(good, "{what}; exit {code:?}\nstdout: {out}\nstderr: {err}");
    }

    /// It did what it was asked to.
    pub(crate) fn good(self) -> Self {
        self.assert(self.code == Some(0), "it failed");
        self
    }

    /// It ended with this exit code and says each of these to the user.
    pub(crate) fn fails(self, code: i32, says: &[&str]) -> Self {
        self.assert(self.code == Some(code), &format!("exit {code} was due"));
        self.says(says)
    }

    /// Each of these is in standard error.
    pub(crate) fn says(self, says: &[&str]) -> Self {
        for text in says {
            self.assert(self.err.contains(text), &format!("\"{text}\" is missing"));
        }
        self
    }

    /// It was refused before a phone was waited for or spoken to.
    pub(crate) fn early(self) -> Self {
        let met = self.err.contains("Phone   ") || self.err.contains("Waiting");
        self.assert(!met, "a phone was bothered");
        self
    }

    /// Standard output as JSON, line by line.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}\nstderr: {}", self.err))
        };
        self.out.lines().map(parse).collect()
    }
}

/// What the chip of a virtual phone without `flash=` holds: the same chip, built again.
pub(crate) struct Oracle {
    pub(crate) model: Model,
    pub(crate) chip: NandChip,
}

impl Oracle {
    /// The built-in model of this name, with the seed a phone has that was told none.
    pub(crate) fn builtin(name: &str) -> Self {
        Self::new(Model::builtin(name).unwrap(), 7)
    }

    pub(crate) fn new(model: Model, seed: u64) -> Self {
        let blank = NandChip::blank(&model.nand);
        let chip = fill(&model, blank, seed);
        Self { model, chip }
    }

    /// Start and length of a partition.
    pub(crate) fn partition(&self, name: &str) -> (u64, u64) {
        let partition = self.model.partition(name).unwrap();
        (partition.start, partition.bytes)
    }

    /// Stored pages behind logical main-area addresses.
    pub(crate) fn stored(&self, start: u64, length: u64) -> Vec<u8> {
        pages(start, length).flat_map(|page| stored_page(&self.model, &self.chip, page).unwrap()).collect()
    }

    /// Stored pages as they lie on the chip.
    pub(crate) fn physical(&self, start: u64, length: u64) -> Vec<u8> {
        let page = |page| {
            let mut bytes = vec![0; 2112];
            self.chip.read(page, &mut bytes).unwrap();
            bytes
        };
        pages(start, length).flat_map(page).collect()
    }

    /// Its partition table as the running phone prints it.
    pub(crate) fn proc_mtd(&self) -> String {
        let line = |(n, p): (usize, bromide_phone::Partition)| {
            format!("mtd{n}: {:08x} 00020000 \"{}\"\n", p.bytes, p.name)
        };
        let lines: String = self.model.partitions().into_iter().enumerate().map(line).collect();
        format!("dev:    size   erasesize  name\n{lines}")
    }
}

/// As the tool fills a chip in memory: 256 pages of every partition.
pub(crate) fn fill(model: &Model, blank: NandChip, seed: u64) -> NandChip {
    let mut factory = Factory::new(model, blank).unwrap();
    for partition in model.partitions() {
        factory.fill(&partition.name, 256, Filling { seed, ..Filling::default() }).unwrap();
    }
    factory.finish().unwrap()
}

fn pages(start: u64, length: u64) -> std::ops::Range<u32> {
    (start / 2048) as u32..((start + length) / 2048) as u32
}

/// Main bytes of stored pages: 512 of every 528 (`nand-yaffs2.md` section 1).
pub(crate) fn main_only(stored: &[u8]) -> Vec<u8> {
    stored.chunks(528).flat_map(|sector| &sector[..512]).copied().collect()
}

/// Main bytes of every page, then its spare bytes.
pub(crate) fn spare_last(stored: &[u8]) -> Vec<u8> {
    let page = |page: &[u8]| {
        let spare = page.chunks(528).flat_map(|sector| &sector[512..]).copied();
        main_only(page).into_iter().chain(spare).collect::<Vec<_>>()
    };
    stored.chunks(2112).flat_map(page).collect()
}

/// Equal, without two megabytes of message when not.
pub(crate) fn assert_same(read: &[u8], held: &[u8]) {
    assert_eq!(read.len(), held.len(), "lengths differ");
    let differs = read.iter().zip(held).position(|(a, b)| a != b);
    assert_eq!(differs, None, "first byte that differs");
}

/// Whether these tests may mount and may ignore permissions.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A tiny file system of its own; unmounted when dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// `None`, with a word about it, where this cannot be done.
    pub(crate) fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if is_root() && mount.is_ok_and(|ran| ran.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
