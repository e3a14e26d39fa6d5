//! One boot of the guest: QEMU as a child that cannot outlive this process or its time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::tools;

/// How long a kernel that really runs under KVM may take to its shell and down again.
const PROBE: Duration = Duration::from_secs(12);
const EMULATED: &str = "tcg,thread=multi";
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 tsc=unstable mitigations=off";

/// What is booted and what it shares.
pub(crate) struct Guest {
    pub(crate) image: PathBuf,
    pub(crate) initrd: PathBuf,
    /// The folder both sides see; `/mnt` in the guest.
    pub(crate) share: PathBuf,
    /// `-accel` of QEMU.
    pub(crate) accelerator: String,
}

/// A running guest; killed when dropped.
pub(crate) struct Running {
    child: Child,
}

impl Guest {
    /// Boots; `run` is what the guest executes, seen from inside. The console goes to a file.
    pub(crate) fn boot(&self, run: &str, console: &Path, more: &[String]) -> Result<Running, String> {
        let console = File::create(console).map_err(|e| format!("{}: {e}", console.display()))?;
        let errors = console.try_clone().map_err(|e| e.to_string())?;
        // The kernel ends QEMU with this process, however that ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-accel", &self.accelerator, "-cpu", "max", "-M", "q35", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"])
            .arg("-kernel")
            .arg(&self.image)
            .arg("-initrd")
            .arg(&self.initrd)
            .args(["-append", &format!("{KERNEL_WORDS} run={run}")])
            .args([
                "-virtfs",
                &format!("local,path={},mount_tag=share,security_model=none", self.share.display()),
            ])
            .args(more)
            .stdin(Stdio::null())
            .stdout(console)
            .stderr(errors)
            .spawn()
            .map_err(|e| format!("qemu-system-x86_64: {e}"))?;
        Ok(Running { child })
    }

    /// Finds out what the machine can do. A KVM device that opens may still not run a kernel, so one is booted;
    /// the answer is kept beside the initrd.
    pub(crate) fn choose_accelerator(&mut self, known: &Path) -> Result<(), String> {
        self.accelerator = EMULATED.into();
        if File::options().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(());
        }
        if let Ok(known) = fs::read_to_string(known) {
            self.accelerator = known.trim().into();
            return Ok(());
        }
        self.accelerator = "kvm".into();
        let console = known.with_extension("log");
        let mut probe = self.boot("/bin/true", &console, &[])?;
        let until = Instant::now() + PROBE;
        while Instant::now() < until && !probe.ended()? {
            thread::sleep(Duration::from_millis(100));
        }
        drop(probe);
        let said = fs::read(&console).unwrap_or_default();
        if !String::from_utf8_lossy(&said).contains("GUEST-DOWN") {
            self.accelerator = EMULATED.into();
        }
        fs::write(known, &self.accelerator).map_err(|e| e.to_string())
    }

    /// The end of the console, for a guest that did not do what it should.
    pub(crate) fn last_words(console: &Path) -> String {
        let text = fs::read(console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

impl Running {
    /// Whether the machine is off.
    pub(crate) fn ended(&mut self) -> Result<bool, String> {
        self.child.try_wait().map(|status| status.is_some()).map_err(|e| e.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the machine itself that a guest needs, such as a phone outside; killed when dropped.
pub(crate) struct Beside(Child);

impl Beside {
    /// Starts it with its output in a file.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Self, String> {
        let log = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let errors = log.try_clone().map_err(|e| e.to_string())?;
        let child = Command::new(tools::admin("setpriv"))
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        child.map(Self).map_err(|e| format!("{}: {e}", program.display()))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
