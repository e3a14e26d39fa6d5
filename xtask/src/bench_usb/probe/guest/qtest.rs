//! QEMU's test protocol: lines that do what a processor would (`docs/devel/testing/qtest.rst`, `system/qtest.c`).
//!
//! Every line is answered by one that begins with `OK`; lines that begin with `IRQ` come in between and tell of
//! interrupts, which nobody needs who polls.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{Stop, base64};

/// Longest that the machine may take for one line; it also has to run the transfers of an emulated machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine without a processor, by its test socket.
#[derive(Debug)]
pub(crate) struct Machine {
    lines: BufReader<UnixStream>,
}

impl Machine {
    /// Connects to `-qtest unix:SOCKET,server=on`.
    pub(crate) fn connect(socket: &str) -> Result<Self, Stop> {
        let failed = |e: std::io::Error| Stop::Fault(format!("{socket}: {e}"));
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self { lines: BufReader::new(stream) })
    }

    /// One line and what is said after `OK`.
    fn ask(&mut self, line: &str) -> Result<String, Stop> {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).map_err(|e| ended(&e))?;
        loop {
            let mut answer = String::new();
            match self.lines.read_line(&mut answer) {
                Ok(0) => return Err(Stop::Over),
                Ok(_) => {}
                Err(e) => return Err(ended(&e)),
            }
            if let Some(said) = said(&answer) {
                let line = line.get(..60).unwrap_or(line);
                return said.map(str::to_owned).map_err(|said| Stop::Fault(format!("\"{line}\": {said}")));
            }
        }
    }

    /// Writes to a port of the processor's IO space.
    pub(crate) fn out_port(&mut self, port: u16, value: u32) -> Result<(), Stop> {
        self.ask(&format!("outl {port:#x} {value:#x}")).map(drop)
    }

    /// Reads from one.
    pub(crate) fn in_port(&mut self, port: u16) -> Result<u32, Stop> {
        number(&self.ask(&format!("inl {port:#x}"))?)
    }

    /// Writes a device's register.
    pub(crate) fn set(&mut self, address: u64, value: u32) -> Result<(), Stop> {
        self.ask(&format!("writel {address:#x} {value:#x}")).map(drop)
    }

    /// Writes a register of 64 bits.
    pub(crate) fn set_wide(&mut self, address: u64, value: u64) -> Result<(), Stop> {
        self.ask(&format!("writeq {address:#x} {value:#x}")).map(drop)
    }

    /// Reads a device's register.
    pub(crate) fn get(&mut self, address: u64) -> Result<u32, Stop> {
        number(&self.ask(&format!("readl {address:#x}"))?)
    }

    /// Writes to memory; nothing where there is nothing to write.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.ask(&format!("b64write {address:#x} {:#x} {}", bytes.len(), base64::encode(bytes))).map(drop)
    }

    /// Reads from memory.
    pub(crate) fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>, Stop> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let said = self.ask(&format!("b64read {address:#x} {bytes:#x}"))?;
        let read = base64::decode(&said).filter(|read| read.len() == bytes);
        read.ok_or_else(|| Stop::Fault(format!("{bytes} bytes of memory read as \"{said:.60}\"")))
    }
}

/// Whether the machine is gone or something is wrong.
fn ended(error: &std::io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Stop::Over,
        _ => Stop::Fault(format!("the test socket: {error}")),
    }
}

/// What a line says after `OK`, or the whole line where it says anything else; `None`: no answer.
fn said(line: &str) -> Option<Result<&str, &str>> {
    let line = line.trim_end();
    match line.split_once(' ').unwrap_or((line, "")) {
        ("IRQ", _) => None,
        ("OK", said) => Some(Ok(said)),
        _ => Some(Err(line)),
    }
}

fn number(said: &str) -> Result<u32, Stop> {
    let digits = said.strip_prefix("0x").unwrap_or_default();
    let number = u64::from_str_radix(digits, 16).ok().and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| Stop::Fault(format!("\"{said}\" is no register's value")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn interrupts_are_no_answers_and_refusals_are_told() {
        assert_eq!(said("IRQ raise 11\n"), None);
        assert_eq!(said("OK\n"), Some(Ok("")));
        assert_eq!(said("OK 0x00ff\n"), Some(Ok("0x00ff")));
        assert_eq!(said("FAIL Unknown command 'x'\n"), Some(Err("FAIL Unknown command 'x'")));
        assert_eq!(said("OKAY\n"), Some(Err("OKAY")));
    }

    #[test]
    fn a_register_has_32_bits() {
        assert_eq!(number("0x00000000ffffffff").ok(), Some(u32::MAX));
        assert!(number("0x100000000").is_err() && number("12").is_err() && number("").is_err());
    }

    #[test]
    fn a_machine_that_ends_is_over_and_one_that_lies_about_lengths_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let machine = thread::spawn(move || {
            let mut lines = BufReader::new(theirs);
            for answer in ["IRQ lower 11\nOK 0x00000000000000aa\n", "OK AQI=\n", "OK AQ==\n"] {
                lines.read_line(&mut String::new()).unwrap();
                lines.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut asked = Machine { lines: BufReader::new(ours) };
        assert_eq!(asked.get(0x10).ok(), Some(0xaa));
        assert_eq!(asked.read(0x10, 2).ok(), Some(vec![1, 2]));
        assert!(matches!(asked.read(0x10, 2), Err(Stop::Fault(_))));
        machine.join().unwrap();
        assert!(matches!(asked.get(0), Err(Stop::Over)));
    }
}
