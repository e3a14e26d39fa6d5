//! One connection to QEMU: commands and their answers, and the events in between.
//!
//! Every wait has a bound, a line too. The format is that of QEMU's own description (docs/interop/qmp-spec.rst):
//! a greeting, `qmp_capabilities`, then one JSON object per line either way.

use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::error::VmError;

/// How long the greeting may take: a socket whose only place is taken accepts and stays silent.
const GREETING: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A longer line is no answer of QEMU's.
const LONGEST_LINE: usize = 4 << 20;
/// Longest single wait in the system.
const SLICE: Duration = Duration::from_millis(50);
/// So many names of deleted devices are remembered.
const MOST_DELETED: usize = 64;

/// A stream with waits that end.
pub(super) trait Stream: Read + Write + core::fmt::Debug + Send {
    /// How long a read may wait.
    fn patience(&self, within: Duration) -> io::Result<()>;
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn patience(&self, within: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(within.max(Duration::from_millis(1))))?;
        self.set_write_timeout(Some(ANSWER))
    }
}

/// A command that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) class: String,
    pub(super) text: String,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: Box<dyn Stream>,
    path: String,
    /// What came and is no whole line yet.
    came: Vec<u8>,
    /// Names of devices that were deleted.
    deleted: Vec<String>,
    /// Number of the last command.
    number: u64,
}

impl Client {
    #[cfg(unix)]
    pub(super) fn connect(socket: &Path) -> Result<Self, VmError> {
        let path = socket.display().to_string();
        match std::os::unix::net::UnixStream::connect(socket) {
            Ok(stream) => Self::greet(Box::new(stream), path),
            Err(e) => {
                let denied = e.kind() == ErrorKind::PermissionDenied;
                Err(VmError::NoSocket { path, why: e.to_string(), denied })
            }
        }
    }

    #[cfg(not(unix))]
    pub(super) fn connect(socket: &Path) -> Result<Self, VmError> {
        let path = socket.display().to_string();
        Err(VmError::NoSocket {
            path,
            why: "Unix sockets are not reached on this system".into(),
            denied: false,
        })
    }

    /// Hears the greeting and agrees to it.
    pub(super) fn greet(stream: Box<dyn Stream>, path: String) -> Result<Self, VmError> {
        let mut client = Self { stream, path, came: Vec::new(), deleted: Vec::new(), number: 0 };
        let greeting = client.line(Instant::now() + GREETING)?;
        let Some(greeting) = greeting else { return Err(VmError::NoGreeting(client.path)) };
        if greeting.get("QMP").is_none() {
            return Err(client.not_qmp("the first line is no greeting"));
        }
        match client.execute("qmp_capabilities", json!({}))? {
            Ok(_) => Ok(client),
            Err(refusal) => Err(client.not_qmp(&refusal.text)),
        }
    }

    fn not_qmp(&self, why: &str) -> VmError {
        VmError::NotQmp(self.path.clone(), why.to_owned())
    }

    /// Says a command and waits for its answer.
    pub(super) fn execute(
        &mut self,
        command: &str,
        arguments: Value,
    ) -> Result<Result<Value, Refusal>, VmError> {
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let mut line = json!({"execute": command, "arguments": arguments, "id": number}).to_string();
        line.push('\n');
        self.stream.patience(SLICE).map_err(|_| VmError::Gone)?;
        self.stream.write_all(line.as_bytes()).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => VmError::NoAnswer(ANSWER),
            _ => VmError::Gone,
        })?;
        let until = Instant::now() + ANSWER;
        loop {
            let mut answer = self.line(until)?.ok_or(VmError::NoAnswer(ANSWER))?;
            // The answer to a command that was given up on earlier.
            if answer.get("id").and_then(Value::as_u64).is_some_and(|id| id != number) {
                continue;
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(Ok(value.take()));
            }
            if let Some(error) = answer.get("error") {
                let text =
                    |key| error.get(key).and_then(Value::as_str).unwrap_or("no reason given").to_owned();
                return Ok(Err(Refusal { class: text("class"), text: text("desc") }));
            }
        }
    }

    /// What is known of a device's end is from before.
    pub(super) fn forget_deleted(&mut self, id: &str) {
        self.deleted.retain(|name| name != id);
    }

    /// Waits until the device of this name is deleted; false: it is not.
    pub(super) fn deleted(&mut self, id: &str, until: Instant) -> Result<bool, VmError> {
        while !self.deleted.iter().any(|name| name == id) {
            if self.line(until)?.is_none() {
                return Ok(false);
            }
        }
        self.forget_deleted(id);
        Ok(true)
    }

    /// Takes in what came, without waiting.
    pub(super) fn check(&mut self) -> Result<(), VmError> {
        while self.line(Instant::now())?.is_some() {}
        Ok(())
    }

    /// The next line; events are noted and given too. `None`: none came in time.
    fn line(&mut self, until: Instant) -> Result<Option<Value>, VmError> {
        let mut block = [0; 4096];
        loop {
            if let Some(end) = self.came.iter().position(|byte| *byte == b'\n') {
                let rest = self.came.split_off(end + 1);
                let line = core::mem::replace(&mut self.came, rest);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let value: Value = serde_json::from_slice(&line).map_err(|e| self.not_qmp(&e.to_string()))?;
                self.note(&value);
                return Ok(Some(value));
            }
            if self.came.len() > LONGEST_LINE {
                return Err(self.not_qmp("a line without an end"));
            }
            let left = until.saturating_duration_since(Instant::now());
            self.stream.patience(left.min(SLICE)).map_err(|_| VmError::Gone)?;
            match self.stream.read(&mut block) {
                Ok(0) => return Err(VmError::Gone),
                Ok(n) => self.came.extend(block.get(..n).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(VmError::Gone),
            }
        }
    }

    fn note(&mut self, value: &Value) {
        if value.get("event").and_then(Value::as_str) != Some("DEVICE_DELETED") {
            return;
        }
        if let Some(name) = value.pointer("/data/device").and_then(Value::as_str) {
            self.deleted.push(name.to_owned());
            let more = self.deleted.len().saturating_sub(MOST_DELETED);
            self.deleted.drain(..more);
        }
    }
}
