//! The kernel's virtual host controller: ports, and the USB/IP messages that pass over a socket it was given.
//!
//! The messages (big endian, 48-byte head) are those of the kernel's own description
//! (`Documentation/usb/usbip_protocol.rst`), the attach line that of `vhci_sysfs.c` as seen in its status file.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// Bytes of a message without its data.
pub(crate) const HEAD: usize = 48;
/// Request: a transfer.
pub(crate) const SUBMIT: u32 = 1;
/// Request: take a transfer back.
pub(crate) const UNLINK: u32 = 2;
/// Answer to [`SUBMIT`].
pub(crate) const SUBMITTED: u32 = 3;
/// Answer to [`UNLINK`].
pub(crate) const UNLINKED: u32 = 4;
/// `-EPIPE`.
pub(crate) const STALL: i32 = -32;
/// `-ECONNRESET`: taken back before it was answered.
pub(crate) const TAKEN_BACK: i32 = -104;
/// Speeds as the attach line counts them.
pub(crate) const FULL_SPEED: u32 = 2;
/// See [`FULL_SPEED`].
pub(crate) const HIGH_SPEED: u32 = 3;
/// Longest transfer the kernel would ask for at once.
pub(crate) const LONGEST: usize = 4 << 20;
/// How long a port may take to become free, and how often that is looked at.
const FREE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// Attaches a device at this port, or at the first free one, as soon as it is free. Returns our end of its connection
/// and the port.
pub(crate) fn attach(wanted: Option<&str>, speed: u32) -> Result<(UnixStream, String), String> {
    let until = Instant::now() + FREE;
    loop {
        let file = format!("{CONTROLLER}/status");
        let status = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        if let Some(port) = free(&status, wanted) {
            let (ours, theirs) = UnixStream::pair().map_err(|e| e.to_string())?;
            let line = format!("{port} {} {} {speed}", theirs.as_raw_fd(), 0x1_0002);
            match fs::write(format!("{CONTROLLER}/attach"), line) {
                Ok(()) => return Ok((ours, port.to_owned())),
                // Still on its way out.
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {}
                Err(e) => return Err(format!("attaching at port {port}: {e}")),
            }
        }
        if Instant::now() > until {
            return Err("no free port".into());
        }
        thread::sleep(LOOK);
    }
}

/// A row is `hub port state ...`; state 004 is free. Full and high speed share a hub.
fn free<'s>(status: &'s str, wanted: Option<&str>) -> Option<&'s str> {
    let rows = status.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.into_iter().find_map(|row| match row.as_slice() {
        ["hs", port, "004", ..] if wanted.is_none_or(|wanted| wanted == *port) => Some(*port),
        _ => None,
    })
}

/// One 32-bit field of a head.
pub(crate) fn field(head: &[u8; HEAD], at: usize) -> u32 {
    let field = head.get(at..at + 4).and_then(|b| b.try_into().ok());
    field.map_or(0, u32::from_be_bytes)
}

/// The head of an answer.
pub(crate) fn message(command: u32, sequence: u32, status: i32, length: usize) -> Vec<u8> {
    let words = [command, sequence, 0, 0, 0, status.cast_unsigned(), length as u32, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "hub port sta spd dev      sockfd local_busid\nhs  0000 006 003 00010002 000005 1-1\n\
                          hs  0001 004 000 00000000 000000 0-0\nhs  0002 004 000 00000000 000000 0-0\n\
                          ss  0008 004 000 00000000 000000 0-0\n";

    #[test]
    fn the_first_free_high_speed_port_is_taken() {
        assert_eq!(free(STATUS, None), Some("0001"));
        assert_eq!(free("hub port sta\n", None), None);
    }

    #[test]
    fn a_wanted_port_is_taken_only_when_it_is_free() {
        assert_eq!(free(STATUS, Some("0002")), Some("0002"));
        assert_eq!(free(STATUS, Some("0000")), None);
        assert_eq!(free(STATUS, Some("0008")), None);
    }

    #[test]
    fn a_message_has_its_fields_where_they_are_looked_for() {
        let message = message(SUBMITTED, 7, STALL, 9);
        let head: &[u8; HEAD] = message.as_slice().try_into().unwrap();
        assert_eq!([0, 4, 24].map(|at| field(head, at)), [SUBMITTED, 7, 9]);
        assert_eq!(field(head, 20).cast_signed(), STALL);
    }
}
