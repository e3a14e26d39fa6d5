//! One call of `virsh`, with a bound.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::VmError;

/// How long one call may take. The slowest seen took 5 s, on an emulated machine, when libvirt looked at QEMU for the
/// first time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what it said may take to be read after its end.
const REST: Duration = Duration::from_secs(5);
/// How often a call is looked at; most are done within a few of these.
const LOOK: Duration = Duration::from_millis(2);
/// More than any answer has.
const LONGEST: u64 = 8 << 20;

/// The program and what every call says.
#[derive(Debug)]
pub(super) struct Program {
    program: String,
    connect: Option<String>,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its standard output.
    Done(String),
    /// Its standard error.
    Failed(String),
}

impl Program {
    pub(super) fn new(program: &str, connect: Option<&str>) -> Self {
        Self { program: program.to_owned(), connect: connect.map(str::to_owned) }
    }

    /// How a user would begin the line.
    pub(super) fn words(&self) -> String {
        match &self.connect {
            Some(uri) => format!("{} -c {uri}", self.program),
            None => self.program.clone(),
        }
    }

    /// Calls it and waits for its end.
    pub(super) fn run(&self, words: &[&str], input: Option<&str>) -> Result<Said, VmError> {
        let mut command = Command::new(&self.program);
        // Its refusals are understood in English.
        command.env("LC_ALL", "C").arg("-q");
        if let Some(uri) = &self.connect {
            command.args(["-c", uri]);
        }
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for this program, which then takes the phone back; half an attachment helps nobody.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|e| match e.kind() {
            ErrorKind::NotFound => VmError::NoVirsh,
            _ => VmError::NoConnection(format!("{}: {e}", self.program)),
        })?;
        let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            // A description is shorter than a pipe, so this waits for nobody; one that is not read is told by the end.
            let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        }
        let done = ended(&mut child)?;
        // Whoever has inherited its output and goes on is not waited for.
        let text = |from: Receiver<String>| from.recv_timeout(REST).unwrap_or_default();
        Ok(if done { Said::Done(text(out)) } else { Said::Failed(text(err)) })
    }
}

/// Whether it ended well; one that does not end is killed.
fn ended(child: &mut Child) -> Result<bool, VmError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(VmError::NoAnswer(PATIENCE));
            }
        }
    }
}

fn read(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(from) = from {
            let _ = from.take(LONGEST).read_to_end(&mut bytes);
        }
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}
